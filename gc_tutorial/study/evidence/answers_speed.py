"""Answers to rules about speed: is GC faster than tuned no GC, and is it more than a larger step?"""

import math
from collections.abc import Mapping

import pandas as pd

from gc_tutorial.language import sentences, text
from gc_tutorial.study.evidence import effects
from gc_tutorial.study.evidence import speed as speeds
from gc_tutorial.study.evidence.answers import ENOUGH, GENERAL, Study, at_edge, fine_tuned, primary, unanswered
from gc_tutorial.study.evidence.intervals import holm
from gc_tutorial.study.evidence.names import named_rows
from gc_tutorial.study.evidence.wording import amount, digits, rate, rates


def speed(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """Epochs to the goal, best against best."""
    runs = fine_tuned(study.runs)
    options = {name: rule[name] for name in ("by", "goal_at", "lower_bound", "most_censored") if name in rule}
    table = speeds.speed(study.table, runs, tuning=study.tuning, tuning_table=study.tuning_table, **options)
    if table.empty:
        return unanswered(), table
    first = primary(table, rule)
    for family in (first, ~first):
        table.loc[family, "p_holm"] = holm(table.loc[family, "p"])
        table.loc[family, "p_slower"] = holm(table.loc[family, "p_slower"])
    counts = rule.get("edge_counts", True) | ~table["edge"]
    table["claimed"] = counts & speeds.claimed(table, rule["lower_bound"], rule["most_censored"])
    slower = (table["ratio_high"] < 1) & (table["p_slower"] < 0.05)
    table["slower"] = counts & slower & (table["missed_baseline"] <= rule["most_censored"])
    found = [_speed(row, name, rule) for name, row in named_rows(table)]
    if "further_sets" in rule:
        counted = table[first & table["claimed"] & ~table["data"].isin(rule.get("not_counted", []))]
        count = counted["data"].nunique()
        enough = table.attrs[ENOUGH] = count >= rule["further_sets"]
        table.attrs[GENERAL] = text(
            "Faster training is shown on {count} of the other data sets, enough for the rule ({needed} needed). A "
            "general claim also needs study B."
            if enough
            else "Faster training is shown on {count} of the other data sets, too few for a general claim ({needed} "
            "needed).",
            count=count,
            needed=rule["further_sets"],
        )
        found.append(table.attrs[GENERAL])
    return found, table.assign(primary=first)


def _speed(row, name, rule):
    paragraph = text(
        "{name}: training without GC needs {ratio:.2f} times as many epochs to reach a running loss of "
        "{goal} (95% interval {ratio_low:.2f} to {ratio_high:.2f}), {seeds:.0f} seeds, {rates}.",
        name=name,
        goal=digits(row["goal"]),
        **row[["ratio", "ratio_low", "ratio_high", "seeds"]],
        rates=rates(row["learning_rate"], row["learning_rate_baseline"]),
    )
    said = [paragraph]
    if row["missed"] or row["missed_baseline"]:
        missed = {"ours": row["missed"], "baseline": row["missed_baseline"]}
        said.append(text("The goal was missed by {ours:.0%} of runs with GC, {baseline:.0%} without.", **missed))
    if row["edge"]:
        said.append(at_edge())
    return sentences([*said, _speed_word(row, rule)])


def _speed_word(row, rule):
    bound = digits(rule["lower_bound"])
    if row["claimed"]:
        return text("By the rule, GC is faster (more than {bound} times).", bound=bound)
    if row["slower"]:
        return text("By the rule, GC is slower.")
    if max(row["missed"], row["missed_baseline"]) > rule["most_censored"]:
        return text("By the rule, inconclusive: too many runs miss the goal.")
    if row["ratio_high"] < rule["lower_bound"]:
        return text("By the rule, there is no speed-up of practical size (below {bound} times).", bound=bound)
    return text("By the rule, inconclusive: the limit is {bound}.", bound=bound)


def gap(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """Whether tuned no GC closes the gap."""
    table = effects.closed_gap(study.runs, rule["outcome"], by=rule["by"], tuning=study.tuning)
    if table.empty:
        return unanswered(), table
    return [sentences([_gap(row, name), _closed(row, rule)]) for name, row in named_rows(table)], table


def _gap(row, name):
    return text(
        "{name}: at GC's best rate ({rate}) GC's loss is {amount}.",
        name=name,
        rate=rate(row["learning_rate"]),
        amount=amount(*-row[["gap", "gap_high", "gap_low"]]),
    )


def _closed(row, rule):
    if row["gap_low"] <= 0:
        return text("There is no gap to close.")
    if math.isclose(row["learning_rate"], row["learning_rate_baseline"], rel_tol=1e-6):
        return text(
            "That is also the best rate without GC, so tuning closes none of the gap. Strictly by the rule, "
            "GC is more than a larger step. Rates between the grid points were not tried."
        )
    if row["share_high"] < 0:
        return text(
            "Tuning the rate without GC closes none of this gap: the rate chosen for it, {chosen}, gives a higher loss "
            "than {rate} ({share:.0%} of the gap, 95% interval {low:.0%} to {high:.0%}). {word}.",
            chosen=rate(row["learning_rate_baseline"]),
            rate=rate(row["learning_rate"]),
            share=row["share"],
            low=row["share_low"],
            high=row["share_high"],
            word=step_word(row, rule),
        )
    return share_closed(row, rule, text("training without GC at its own best rate"))


def share_closed(row: Mapping, rule: dict, who: str) -> str:
    """Say how much of GC's effect a larger or tuned step gets, and what follows."""
    return text(
        "{share:.0%} of it (95% interval {low:.0%} to {high:.0%}) is reached with {who}: {word}.",
        who=who,
        share=row["share"],
        low=row["share_low"],
        high=row["share_high"],
        word=step_word(row, rule),
    )


def step_word(row: Mapping, rule: dict) -> str:
    """Say whether GC is a larger step, by the share of its effect that a larger or tuned step gets."""
    if row["share"] >= rule["closed"] and row["share_low"] > rule["closed_low"]:
        return text("GC is a larger step")
    return text("GC is more than a larger step" if row["share_high"] < rule["closed"] else "inconclusive")
