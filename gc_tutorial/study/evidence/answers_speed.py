"""Answers to rules about speed: is GC faster than tuned no GC, and is it more than a larger step?"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from gc_tutorial.study.evidence import effects
from gc_tutorial.study.evidence import speed as speeds
from gc_tutorial.study.evidence.answers import UNANSWERED, Study, fine_tuned, primary
from gc_tutorial.study.evidence.intervals import holm
from gc_tutorial.study.evidence.names import setting_names
from gc_tutorial.study.evidence.wording import amount, digits, rate, rates


def speed(rule: dict, study: Study) -> tuple[str, pd.DataFrame]:
    """Epochs to the goal, best against best."""
    runs = fine_tuned(study.runs)
    options = {name: rule[name] for name in ("by", "goal_at", "lower_bound", "most_censored") if name in rule}
    table = speeds.speed(study.table, runs, tuning=study.tuning, tuning_table=study.tuning_table, **options)
    if table.empty:
        return UNANSWERED, table
    first = primary(table, rule)
    for family in (first, ~first):
        table.loc[family, "p_holm"] = holm(table.loc[family, "p"])
    table["claimed"] &= table["p_holm"] < 0.05
    if not rule.get("edge_counts", True):
        table["claimed"] &= ~table["edge"]
    sentences = [_speed(row, name, rule) for (_, row), name in zip(table.iterrows(), setting_names(table), strict=True)]
    if "further_sets" in rule:
        counted = table[first & table["claimed"] & ~table["data"].isin(rule.get("not_counted", []))]
        count = counted["data"].nunique()
        enough = "enough" if count >= rule["further_sets"] else "too few"
        sentences.append(f"Further data sets in which it is shown: {count}, {enough} ({rule['further_sets']} needed).")
    return " ".join(sentences), table.assign(primary=first)


def _speed(row, name, rule):
    bound = digits(rule["lower_bound"])
    text = (
        f"{name}: no GC needs {row['ratio']:.2f} times the epochs of GC to reach a running loss of "
        f"{digits(row['goal'])} (95% interval {row['ratio_low']:.2f} to {row['ratio_high']:.2f}), "
        f"{row['seeds']:.0f} seeds, {rates(row['learning_rate'], row['learning_rate_baseline'])}."
    )
    if row["missed"] or row["missed_baseline"]:
        text += f" The goal was missed by {row['missed']:.0%} of runs with GC, {row['missed_baseline']:.0%} without."
    if row["claimed"]:
        return f"{text} By the rule GC is faster (more than {bound} times)."
    if row["ratio_high"] < 1 and row["missed_baseline"] <= rule["most_censored"]:
        return f"{text} By the rule GC is slower."
    if max(row["missed"], row["missed_baseline"]) > rule["most_censored"]:
        return f"{text} By the rule inconclusive: too many runs miss the goal."
    if row["ratio_high"] < rule["lower_bound"]:
        return f"{text} By the rule no speed to speak of (below {bound} times)."
    return f"{text} By the rule inconclusive: the limit is {bound}."


def gap(rule: dict, study: Study) -> tuple[str, pd.DataFrame]:
    """Whether tuned no GC closes the gap."""
    table = effects.closed_gap(study.runs, rule["outcome"], by=rule["by"], tuning=study.tuning)
    if table.empty:
        return UNANSWERED, table
    sentences = []
    for (_, row), name in zip(table.iterrows(), setting_names(table), strict=True):
        lower = amount(*-row[["gap", "gap_high", "gap_low"]])
        said = f"at GC's best rate ({rate(row['learning_rate'])}) GC's loss is {lower}"
        if row["gap_low"] <= 0:
            sentences.append(f"{name}: {said}. There is no gap to close.")
            continue
        sentences.append(f"{name}: {said}. {larger_step(row, rule, 'no GC at its own best rate')}")
    return " ".join(sentences), table


def larger_step(row: Mapping, rule: dict, who: str) -> str:
    """Say how much of GC's effect a larger or tuned step gets, and what follows."""
    low, high = row["share_low"], row["share_high"]
    said = f"Of it, {who} gets {row['share']:.0%} (95% interval {low:.0%} to {high:.0%}): "
    if row["share"] >= rule["closed"] and low > rule["closed_low"]:
        return said + "GC is a larger step."
    if high < rule["closed"]:
        return said + "GC is more than a larger step."
    return said + "inconclusive."
