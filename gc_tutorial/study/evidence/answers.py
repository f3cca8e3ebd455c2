"""Answers to rules about differences: each function takes a rule and the runs; it returns a paragraph and a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gc_tutorial.study.evidence import across, effects, pairs
from gc_tutorial.study.evidence.intervals import holm
from gc_tutorial.study.evidence.names import setting_names, value_name
from gc_tutorial.study.evidence.new_figures import figure_differences, over_figures
from gc_tutorial.study.evidence.outcomes import OUTCOMES, factors
from gc_tutorial.study.evidence.wording import HELPS, HURTS, amount, listed, rates, word

UNANSWERED = "Not answered: the table has no runs for this rule."


@dataclass(frozen=True)
class Study:
    """A study's runs, and those that its rates were tuned on.

    Attributes:
        table, tuning_table: `pandas.DataFrame`, a row per run and epoch.
        runs, tuning: the same, as from `reduce_runs`.
    """

    table: pd.DataFrame
    runs: pd.DataFrame
    tuning_table: pd.DataFrame
    tuning: pd.DataFrame


def difference(rule: dict, study: Study) -> tuple[str, pd.DataFrame]:
    """Best against best, in an outcome, with one of four words."""
    runs = study.runs
    if "epochs" in rule:
        runs = runs[runs["epochs"] == rule["epochs"]]
    runs = fine_tuned(runs, rule.get("fine_tuning", False))
    stage = rule.get("stage", "confirmation")
    tuning = runs if stage == "tuning" else study.tuning
    found = pairs.best_pairs(runs, by=rule["by"], tuning=tuning, stage=stage)
    if found.empty or found[rule["outcome"]].isna().all():
        return UNANSWERED, pd.DataFrame()
    table = _in_families(found, rule)
    sentences = [_difference(row, name) for (_, row), name in zip(table.iterrows(), setting_names(table), strict=True)]
    if rule["outcome"] == "heldout_accuracy" and "figures" in found:
        sentences += _new_figures(found)
    if "further_sets" in rule:
        sentences.append(_general(table, rule))
    return " ".join(sentences), table


def fine_tuned(runs: pd.DataFrame, wanted: bool = False) -> pd.DataFrame:
    """The runs from pretrained weights, or those from new ones: two questions."""
    return runs[(runs["pretrained"] != "") == wanted] if "pretrained" in runs else runs


def primary(table: pd.DataFrame, rule: dict) -> pd.Series:
    """Which settings are of the family that claims rest on: the plain networks, on all examples, without decay."""
    networks = table["network"].isin(rule["networks"]) if "networks" in rule else pd.Series(True, table.index)
    if "networks" in rule and "train_examples" in table:
        networks &= (table["train_examples"] == 0) & (table["weight_decay"] == 0)
    return networks


def _in_families(found, rule):
    """Compare the pairs; Holm's correction within the primary family, and within the rest."""
    options = {"margin": rule.get("margin"), "scale": rule.get("scale", "")}
    first = primary(found, rule)
    parts = [
        pairs.compare_pairs(part, rule["outcome"], **options).assign(primary=is_first)
        for part, is_first in ((found[first], True), (found[~first], False))
        if len(part)
    ]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def _difference(row, name):
    said = amount(row["difference"], row["t_low"], row["t_high"], row["outcome"], scale=row["scale"])
    text = (
        f"{name}: {row['word']}; {OUTCOMES[row['outcome']]} {said}, {row['seeds']:.0f} seeds, "
        f"{rates(row['learning_rate'], row['learning_rate_baseline'])}."
    )
    margin = row["margin"]
    small = margin and -margin <= row["inner_low"] and row["inner_high"] <= margin
    if row["word"] in (HELPS, HURTS) and small:
        text += " This is less than the margin of practical meaning."
    if (row["t_low"] > 0 or row["t_high"] < 0) and row["p_holm"] >= 0.05:
        text += " The interval excludes 0, but the correction for several tests does not keep it."
    if row["edge"]:
        text += " A best rate lies at the edge of its grid."
    if row["diverged"] or row["diverged_baseline"]:
        text += f" Diverged: {row['diverged']:.0f} with GC, {row['diverged_baseline']:.0f} without."
    return text


def _new_figures(found):
    sentences = []
    names = factors(found)
    first = found.drop_duplicates(names)
    for (_, group), name in zip(found.groupby(names, sort=False), setting_names(first), strict=True):
        figures = figure_differences(group)
        if figures["figure"].nunique() < 10:
            continue
        one = over_figures(figures)
        holds = one["t_low"] > 0 or one["t_high"] < 0
        said = amount(one["difference"], one["t_low"], one["t_high"], "heldout_accuracy")
        sentences.append(
            f"{name}, with the {one['figures']} figures as units: {said}"
            + (", which speaks of new figures too." if holds else ", so nothing is shown for new figures.")
        )
    return sentences


def _general(table, rule):
    """Whether an effect is general: enough data sets with it, and none against it."""
    counted = table[table["primary"] & (rule.get("edge_counts", True) | ~table["edge"])]
    sets = {kind: sorted(counted.loc[counted["word"] == kind, "data"].unique()) for kind in (HELPS, HURTS)}
    for kind, other in ((HELPS, HURTS), (HURTS, HELPS)):
        if len(sets[kind]) >= rule["further_sets"] and not sets[other]:
            return (
                f"By the rule GC {kind} in general: it {kind} in {len(sets[kind])} data sets and the opposite in none."
            )
    return (
        f"By the rule no general claim is made: GC helps in {len(sets[HELPS])} and hurts in {len(sets[HURTS])} of "
        f"{counted['data'].nunique()} data sets of the primary family."
    )


def exchange(rule: dict, study: Study) -> tuple[str, pd.DataFrame]:
    """The difference at every pair of confirmed rates."""
    table = pairs.exchanged(study.runs, outcome=rule["outcome"])
    if table.empty:
        return UNANSWERED, table
    names = factors(table)
    settings = table.drop_duplicates(names)
    sentences = []
    for (_, group), name in zip(table.groupby(names, sort=False), setting_names(settings), strict=True):
        values = [f"{value:+.2g}" for value in group["difference"]]
        agree = "the same sign" if group["same_sign"].all() else "not the same sign"
        sentences.append(f"{name}: {len(group)} pairs of rates, with differences {listed(values)}: {agree} in all.")
    return " ".join(sentences), table


def mixed(rule: dict, study: Study) -> tuple[str, pd.DataFrame]:
    """One difference over all data sets."""
    found = pairs.best_pairs(fine_tuned(study.runs), by=rule["by"], tuning=study.tuning)
    if found.empty or found["data"].nunique() < 2:
        return UNANSWERED, pd.DataFrame()
    one = across.mixed_model(found, rule["outcome"])
    kind = word((one["t_low"], one["t_high"]), (np.nan, np.nan), margin=None, better=True)
    said = amount(one["difference"], one["t_low"], one["t_high"], rule["outcome"])
    text = (
        f"Over {one['sets']} data sets and {one['pairs']} pairs, {OUTCOMES[rule['outcome']]} with GC is {said} by the "
        f"mixed model ({kind}); by the means of the data sets alone, the 95% interval is "
        f"{100 * one['set_low']:+.2g} to {100 * one['set_high']:+.2g} points."
    )
    return text + (f" The fit warned: {one['note']}." if one["note"] else ""), pd.DataFrame([one])


def interaction(rule: dict, study: Study) -> tuple[str, pd.DataFrame]:
    """Whether an effect differs between two levels of a factor."""
    found = pairs.best_pairs(study.runs, by=rule["by"], tuning=study.tuning)
    if found.empty:
        return UNANSWERED, found
    options = {"outcome": rule["outcome"], "scale": rule.get("scale", "")}
    parts = [effects.interaction(found, rule["factor"], *levels, **options) for levels in rule["levels"]]
    parts = [part for part in parts if len(part)]
    if not parts:
        return UNANSWERED, pd.DataFrame()
    table = pd.concat(parts, ignore_index=True)
    table["p_holm"] = holm(table["p"])
    named = zip(table.iterrows(), setting_names(table), strict=True)
    sentences = [changed(row, name, rule.get("remaining")) for (_, row), name in named]
    return " ".join(sentences), table


def changed(row: Mapping, name: str, remaining: float | None = None) -> str:
    """Say what an interaction shows."""
    first, second = (value_name(row["factor"], row[one]) for one in ("first", "second"))
    shown = (row["t_low"] > 0 or row["t_high"] < 0) and row["p_holm"] < 0.05
    text = (
        f"{name}: GC's effect is {row['effect_first']:+.2g} with {first} and {row['effect_second']:+.2g} with "
        f"{second}; the change is {row['difference']:+.2g} (95% interval {row['t_low']:+.2g} to {row['t_high']:+.2g}, "
        f"{row['seeds']:.0f} seeds), "
    )
    if not shown:
        return text + "inconclusive."
    if remaining is not None and row["share"] <= remaining:
        return text + f"shown, and {row['share']:.0%} of the effect remains."
    return text + "shown."
