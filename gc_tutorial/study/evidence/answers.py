"""Answers to rules about differences: each function takes a rule and the runs; it returns a paragraph and a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gc_tutorial.language import sentences, text
from gc_tutorial.study.evidence import across, effects, pairs
from gc_tutorial.study.evidence.intervals import estimate, holm
from gc_tutorial.study.evidence.names import named_settings, setting_names, value_name
from gc_tutorial.study.evidence.new_figures import figure_differences, over_figures
from gc_tutorial.study.evidence.outcomes import OUTCOMES, factors
from gc_tutorial.study.evidence.wording import (
    HELPS,
    HURTS,
    INCONCLUSIVE,
    VERDICTS,
    amount,
    changed_amount,
    digits,
    higher_is_better,
    listed,
    moved,
    rates,
    signed,
)

UNANSWERED = "Not answered: the table has no runs for this rule."
EDGE = "A best rate lies at the edge of its grid."
# With batch normalization the clean loss also measures how far its averages lag behind, so the plans ask both measures.
OTHER_LOSS = {"clean_loss": "train_loss", "train_loss": "clean_loss"}
GENERAL = "general"  # under this name a table keeps, as an attribute, the sentence about all of its settings


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


def difference(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """Best against best, in an outcome, with one of four words."""
    runs = study.runs
    if "epochs" in rule:
        runs = runs[runs["epochs"] == rule["epochs"]]
    runs = fine_tuned(runs, rule.get("fine_tuning", False))
    stage = rule.get("stage", "confirmation")
    tuning = runs if stage == "tuning" else study.tuning
    found = pairs.best_pairs(runs, by=rule["by"], tuning=tuning, stage=stage)
    if found.empty or found[rule["outcome"]].isna().all():
        return [text(UNANSWERED)], pd.DataFrame()
    table = _counted(_in_families(found, rule), found, rule)
    found_each = [_difference(row, name) for (_, row), name in zip(table.iterrows(), setting_names(table), strict=True)]
    if rule["outcome"] == "heldout_accuracy" and "figures" in found:
        found_each += _new_figures(found, table)
    if "epochs" in rule:
        found_each += _changes(found, study, rule)
    if stage == "tuning":
        found_each.append(text("These seeds chose the rates: it is a description."))
    if "further_sets" in rule:
        table.attrs[GENERAL] = _general(table, rule)
        found_each.append(table.attrs[GENERAL])
    return found_each, table


def fine_tuned(runs: pd.DataFrame, wanted: bool = False) -> pd.DataFrame:
    """The runs from pretrained weights, or those from new ones: two questions."""
    return runs[(runs["pretrained"] != "") == wanted] if "pretrained" in runs else runs


def primary(table: pd.DataFrame, rule: dict) -> pd.Series:
    """Which settings are of the family that claims rest on: the plain networks from new weights, without decay."""
    if "networks" not in rule:
        return pd.Series(True, table.index)
    plain = table["network"].isin(rule["networks"])
    for factor, usual in (("weight_decay", 0), ("pretrained", "")):
        if factor in table:
            plain &= table[factor] == usual
    return plain


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


def _counted(table, found, rule):
    """Mark as inconclusive what may not support a claim: a rate at the edge, and measures that disagree."""
    outside = table["edge"] & (not rule.get("edge_counts", True))
    other = OTHER_LOSS.get(rule["outcome"])
    table["disagrees"] = False
    if other in found and "network" in table:
        words = _in_families(found, {**rule, "outcome": other})["word"]
        table["disagrees"] = table["network"].str.endswith("_bn") & (table["word"] != words)
    return table.assign(word=table["word"].mask(outside | table["disagrees"], INCONCLUSIVE))


def _changes(found, study, rule):
    """How the difference changes from the shorter training to this one, seed by seed."""
    shorter = study.runs[study.runs["epochs"] < rule["epochs"]]
    before = pairs.best_pairs(shorter, by=rule["by"], tuning=shorter, stage=rule["stage"])
    both = [one.assign(value=pairs.differences(one, rule["outcome"])) for one in (found, before)]
    on = [name for name in [*factors(found), "seed"] if name != "epochs"]
    merged = both[0].merge(both[1], on=on, suffixes=("", "_before")).sort_values("optimizer", kind="stable")
    for optimizer, group in merged.groupby("optimizer", sort=False):
        change = estimate(group["value"] - group["value_before"])
        yield text(
            "{name}: from {before:g} to {after:g} epochs this difference moves {said}.",
            name=value_name("optimizer", optimizer),
            before=group["epochs_before"].iloc[0],
            after=group["epochs"].iloc[0],
            said=moved(change["difference"], change["t_low"], change["t_high"]),
        )


def _difference(row, name):
    said = amount(row["difference"], row["t_low"], row["t_high"], row["outcome"], scale=row["scale"])
    found = [
        text(
            "{name}: {word}; {outcome} {said}, {seeds:.0f} seeds, {rates}.",
            name=name,
            word=VERDICTS[row["word"]],
            outcome=OUTCOMES[row["outcome"]],
            said=said,
            seeds=row["seeds"],
            rates=rates(row["learning_rate"], row["learning_rate_baseline"]),
        )
    ]
    margin = row["margin"]
    small = margin and -margin <= row["inner_low"] and row["inner_high"] <= margin
    if row["word"] in (HELPS, HURTS) and small:
        found.append(text("This is less than the margin of practical meaning."))
    if (row["t_low"] > 0 or row["t_high"] < 0) and row["p_holm"] >= 0.05:
        found.append(text("The interval excludes 0, but the correction for several tests does not keep it."))
    if row["disagrees"]:
        found.append(text("The other measure of the training loss has another word, so this one does not count."))
    if row["edge"]:
        found.append(text(EDGE))
    if row["diverged"] or row["diverged_baseline"]:
        counts = {"ours": row["diverged"], "baseline": row["diverged_baseline"]}
        found.append(text("Diverged: {ours:.0f} with GC, {baseline:.0f} without.", **counts))
    return sentences(found)


def _new_figures(found, table):
    """Say whether each difference also holds with the figures as units, and note it in the table."""
    found_each, table["new_figures"], names = [], True, factors(found)
    for name, group in named_settings(found):
        figures = figure_differences(group)
        if figures["figure"].nunique() < 10:
            continue
        one = over_figures(figures)
        row = (table[names] == group.iloc[0][names]).all(axis=1)
        word = table.loc[row, "word"].iloc[0]
        holds = (word == HELPS and one["t_low"] > 0) or (word == HURTS and one["t_high"] < 0)
        table.loc[row, "new_figures"] = holds
        said = amount(one["difference"], one["t_low"], one["t_high"], "heldout_accuracy")
        values = {"name": name, "figures": one["figures"], "said": said}
        found_each.append(
            text(
                "{name}, with the {figures} figures as units: {said}, which speaks of new figures too."
                if holds
                else "{name}, with the {figures} figures as units: {said}, so nothing is shown for new figures."
                if word in (HELPS, HURTS)
                else "{name}, with the {figures} figures as units: {said}; nothing is claimed for new figures.",
                **values,
            )
        )
    return found_each


def _general(table, rule):
    """Whether an effect is general: enough data sets with it, and none against it."""
    first = table[table["primary"]]
    at_edge = first["edge"] & (not rule.get("edge_counts", True))
    counted, left_out = first[~at_edge], first[at_edge]
    against = {HELPS: (left_out["t_high"] < 0).any(), HURTS: (left_out["t_low"] > 0).any()}
    sets = {kind: sorted(counted.loc[counted["word"] == kind, "data"].unique()) for kind in (HELPS, HURTS)}
    for kind, other in ((HELPS, HURTS), (HURTS, HELPS)):
        if len(sets[kind]) >= rule["further_sets"] and not sets[other] and not against[kind]:
            said = text(
                "By the rule, GC helps in general: it helps in {count} data sets and hurts in none."
                if kind == HELPS
                else "By the rule, GC hurts in general: it hurts in {count} data sets and helps in none.",
                count=len(sets[kind]),
            )
            break
    else:
        said = text(
            "By the rule, no general claim is made: GC helps in {helps} and hurts in {hurts} of "
            "{sets} data sets of the primary family.",
            helps=len(sets[HELPS]),
            hurts=len(sets[HURTS]),
            sets=first["data"].nunique(),
        )
    if left_out.empty:
        return said
    more = "Left out, with a best rate at the edge of its grid: {count} data sets."
    return sentences([said, text(more, count=left_out["data"].nunique())])


def exchange(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """The difference at each pair of the two arms' best rates."""
    table = pairs.exchanged(study.runs, outcome=rule["outcome"], by=rule["by"], tuning=study.tuning)
    if table.empty:
        return [text(UNANSWERED)], table
    found = []
    for name, group in named_settings(table):
        points = rule["outcome"].endswith("accuracy")
        values = [f"{(100 if points else 1) * value:+.2g}" for value in group["difference"]]
        said = {"name": name, "count": len(group), "values": listed(values) + (text(" points") if points else "")}
        if len(group) == 1:
            found.append(text("{name}: both arms are best at the same rate, so there is one pair, {values}.", **said))
        elif group["same_sign"].all():
            found.append(
                text("{name}: {count} pairs of rates, with differences {values}: the same sign in all.", **said)
            )
        else:
            found.append(
                text("{name}: {count} pairs of rates, with differences {values}: not the same sign in all.", **said)
            )
    return found, table


def mixed(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """One difference over all data sets."""
    found = pairs.best_pairs(fine_tuned(study.runs), by=rule["by"], tuning=study.tuning)
    if found.empty or found["data"].nunique() < 2:
        return [text(UNANSWERED)], pd.DataFrame()
    one = across.mixed_model(found, rule["outcome"])
    said = amount(one["difference"], one["t_low"], one["t_high"], rule["outcome"])
    paragraph = text(
        "Over {sets} data sets and {pairs} pairs, {outcome} with GC is {said} by the mixed model, whose interval is "
        "too narrow with so few data sets. By the means of the data sets alone, the 95% interval is {set_low:+.2g} to "
        "{set_high:+.2g} points.",
        sets=one["sets"],
        pairs=one["pairs"],
        outcome=OUTCOMES[rule["outcome"]],
        said=said,
        set_low=100 * one["set_low"],
        set_high=100 * one["set_high"],
    )
    warned = [text("The fit warned: {note}.", note=one["note"])] if one["note"] else []
    return [sentences([paragraph, *warned])], pd.DataFrame([one])


def interaction(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """Whether an effect differs between two levels of a factor."""
    found = pairs.best_pairs(study.runs, by=rule["by"], tuning=study.tuning)
    if found.empty:
        return [text(UNANSWERED)], found
    options = {"outcome": rule["outcome"], "scale": rule.get("scale", "")}
    parts = [effects.interaction(found, rule["factor"], *levels, **options) for levels in rule["levels"]]
    parts = [part for part in parts if len(part)]
    if not parts:
        return [text(UNANSWERED)], pd.DataFrame()
    table = pd.concat(parts, ignore_index=True)
    table["p_holm"] = holm(table["p"])
    table["disagrees"] = False
    other = OTHER_LOSS.get(rule["outcome"])
    if rule["factor"] == "network" and other in found:
        others = [
            effects.interaction(found, "network", *levels, **{**options, "outcome": other}) for levels in rule["levels"]
        ]
        others = pd.concat(others, ignore_index=True)
        others["p_holm"] = holm(others["p"])
        table["disagrees"] = _direction(table) != _direction(others)
    table["counts"] = rule.get("edge_counts", True) | ~table["edge"]
    named = zip(table.iterrows(), setting_names(table), strict=True)
    return [changed(row, name, rule.get("remaining")) for (_, row), name in named], table


def _direction(table):
    """Of each change that is shown, its sign; of the others, 0."""
    shown = ((table["t_low"] > 0) | (table["t_high"] < 0)) & (table["p_holm"] < 0.05)
    return np.sign(table["difference"]).where(shown, 0)


def changed(row: Mapping, name: str, remaining: float | None = None) -> str:
    """Say what an interaction shows."""
    first, second = (value_name(row["factor"], row[one]) for one in ("first", "second"))
    shown = (row["t_low"] > 0 or row["t_high"] < 0) and row["p_holm"] < 0.05
    notes = [text(EDGE)] if row["edge"] else []
    if shown and row.get("disagrees"):
        notes.append(text("The other measure of the training loss does not show the same, so this does not count."))
    if shown and not row.get("counts", True):
        notes.append(text("So this does not count."))
    if not shown:
        end = text("no change is shown")
    elif remaining is not None and row["share"] <= remaining:
        end = text("a change is shown, and {share:.0%} of the effect remains", share=row["share"])
    else:
        end = text("a change is shown")
    better = 1 if higher_is_better(row["outcome"]) else -1
    gains = row["effect_first"] + row["effect_second"] >= 0  # a harm that grows is not a "smaller" effect
    said = text(
        "{name}: with GC the {outcome} is {effect_first} with {first} and {effect_second} with {second}. The effect is "
        "{size}: {end}."
        if gains
        else "{name}: with GC the {outcome} is {effect_first} with {first} and {effect_second} with {second}. The "
        "difference moves {size}: {end}.",
        name=name,
        outcome=OUTCOMES[row["outcome"]],
        effect_first=changed_amount(better * row["effect_first"], row["outcome"], row["scale"], joined=True),
        first=first,
        effect_second=changed_amount(better * row["effect_second"], row["outcome"], row["scale"]),
        second=second,
        size=_size_of_change(row) if gains else _move(row, better),
        end=end,
    )
    return sentences([said, *notes])


def _move(row, better):
    """How far the difference is from the first level to the second, with signs: as in the outcome, not as a gain."""
    unit, times = _unit(row)
    size, *ends = (-better * times * row[one] for one in ("difference", "t_low", "t_high"))
    near, far = map(signed, sorted(ends))
    said = {"size": signed(size) + unit, "interval": text("{near} to {far}", near=near, far=far)}
    return text("by {size} (95% interval {interval}, {seeds:.0f} seeds)", **said, seeds=row["seeds"])


def _unit(row):
    """The unit that a difference of differences is said in, and how many of them make 1."""
    if row["outcome"].endswith("accuracy"):
        return text(" points"), 100
    return text(" in the logarithm") if row["scale"] == "log" else "", 1


def _size_of_change(row):
    """How much larger the effect is at the second level, in the unit that it was computed in."""
    unit, times = _unit(row)
    # Of the effect at the second level minus that at the first: the other way round than in the table.
    values = [times * -row[one] for one in ("difference", "t_high", "t_low")]
    size, low, high = (digits(value) for value in values)
    if values[1] < 0 < values[2]:
        interval = text("from {low} smaller to {high} larger", low=low, high=high)
    else:
        interval = text(
            "{near} to {far}", **dict(zip(("near", "far"), (low, high) if values[0] > 0 else (high, low), strict=True))
        )
    said = {"size": size + unit, "interval": interval, "seeds": row["seeds"]}
    if values[0] > 0:
        return text("larger by {size} (95% interval {interval}, {seeds:.0f} seeds)", **said)
    return text("smaller by {size} (95% interval {interval}, {seeds:.0f} seeds)", **said)
