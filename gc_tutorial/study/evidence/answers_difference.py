"""Answers to rules about a difference: best against best, in each setting and in general."""

import pandas as pd

from gc_tutorial.language import sentences, text
from gc_tutorial.study.evidence import pairs
from gc_tutorial.study.evidence.answers import GENERAL, OTHER_LOSS, Study, at_edge, fine_tuned, primary, unanswered
from gc_tutorial.study.evidence.answers_interaction import size_of_change
from gc_tutorial.study.evidence.intervals import estimate, within_margin
from gc_tutorial.study.evidence.names import named_rows, named_settings, value_name
from gc_tutorial.study.evidence.new_figures import figure_differences, over_figures
from gc_tutorial.study.evidence.outcomes import OUTCOMES, factors
from gc_tutorial.study.evidence.wording import (
    HELPS,
    HURTS,
    INCONCLUSIVE,
    VERDICTS,
    amount,
    higher_is_better,
    moved,
    rates,
)


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
        return unanswered(), pd.DataFrame()
    table = _counted(_in_families(found, rule), found, rule)
    found_each = [_difference(row, name) for name, row in named_rows(table)]
    if rule["outcome"] == "heldout_accuracy" and "figures" in found:
        found_each += _new_figures(found, table)
    if "epochs" in rule:
        found_each += _changes(found, study, rule)
    if stage == "tuning":
        found_each.append(text("These seeds chose the rates, so this is only a description."))
    if "further_sets" in rule:
        table.attrs[GENERAL] = _general(table, rule)
        found_each.append(table.attrs[GENERAL])
    return found_each, table


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
        better = 1 if higher_is_better(rule["outcome"]) else -1
        gains = better * (group["value"] + group["value_before"]).mean() >= 0  # a harm that grows is not an advantage
        ends = sorted(-better * change[end] for end in ("t_low", "t_high"))
        effect = {"difference": -better * change["difference"], "t_low": ends[0], "t_high": ends[1], "scale": ""}
        effect |= {"seeds": len(group), "outcome": rule["outcome"]}
        yield text(
            "{name}: from {before:g} to {after:g} epochs the advantage of GC gets {said}."
            if gains
            else "{name}: from {before:g} to {after:g} epochs this difference moves {said}.",
            name=value_name("optimizer", optimizer),
            before=group["epochs_before"].iloc[0],
            after=group["epochs"].iloc[0],
            said=size_of_change(effect) if gains else moved(change["difference"], change["t_low"], change["t_high"]),
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
    if row["word"] in (HELPS, HURTS) and within_margin(row):
        found.append(text("This is less than the margin of practical meaning."))
    if (row["t_low"] > 0 or row["t_high"] < 0) and row["p_holm"] >= 0.05:
        found.append(text("The interval excludes 0, but after the correction for several tests it is not significant."))
    if row["disagrees"]:
        found.append(
            text("The other measure of the training loss gives a different verdict, so this one does not count.")
        )
    if row["edge"]:
        found.append(at_edge())
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
                "{name}, with the {figures} individuals as units: {said}, which also holds for new individuals."
                if holds
                else "{name}, with the {figures} individuals as units: {said}, so nothing is shown for new individuals."
                if word in (HELPS, HURTS)
                else "{name}, with the {figures} individuals as units: {said}; nothing is claimed for new individuals.",
                **values,
            )
        )
    return found_each


def _general(table, rule):
    """Whether an effect is general: enough data sets with it, and none against it."""
    first = table[table["primary"]]
    uncounted = first["edge"] & (not rule.get("edge_counts", True))
    counted, left_out = first[~uncounted], first[uncounted]
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
            "{sets} data sets, in the main settings.",
            helps=len(sets[HELPS]),
            hurts=len(sets[HURTS]),
            sets=first["data"].nunique(),
        )
    if left_out.empty:
        return said
    more = "Left out, with a best rate at the edge of its grid: {count} data sets."
    return sentences([said, text(more, count=left_out["data"].nunique())])
