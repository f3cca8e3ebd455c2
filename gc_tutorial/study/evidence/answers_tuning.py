"""Answers to the rules of a tuning plan: which rates, how sure, at what cost, and how many seeds to confirm with."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gc_tutorial.study.evidence import tuning
from gc_tutorial.study.evidence.answers import UNANSWERED, Study
from gc_tutorial.study.evidence.intervals import seeds_needed
from gc_tutorial.study.evidence.names import arm_name, setting_names
from gc_tutorial.study.evidence.outcomes import OUTCOMES, factors
from gc_tutorial.study.evidence.pairs import best_pairs, differences
from gc_tutorial.study.evidence.wording import digits, listed, rate


def _by_setting(table):
    """The name of each setting, and its rows."""
    names = factors(table)
    settings = table.drop_duplicates(names)
    return zip(setting_names(settings), (group for _, group in table.groupby(names, sort=False)), strict=True)


def rates(rule: dict, study: Study) -> tuple[str, pd.DataFrame]:
    """The best rate of every arm."""
    if study.tuning.empty:
        return UNANSWERED, pd.DataFrame()
    table = pd.concat([tuning.tuned_rates(study.tuning, by).assign(by=by) for by in rule["by"]], ignore_index=True)
    sentences = []
    for by in rule["by"]:
        for name, group in _by_setting(table[(table["by"] == by) & (table["rates"] > 2)]):
            chosen = [
                f"{arm_name(row.arm)} {rate(row.learning_rate)}"
                + (f" (at the {row.edge} edge of the grid)" if row.edge else "")
                for row in group.itertuples()
            ]
            sentences.append(f"{name}, best rate by {OUTCOMES[by]}: {listed(chosen)}.")
    return " ".join(sentences), table


def stability(rule: dict, study: Study) -> tuple[str, pd.DataFrame]:
    """How sure each choice is."""
    if study.tuning.empty:
        return UNANSWERED, pd.DataFrame()
    parts = [tuning.choice_stability(study.tuning, by, rule["resamples"]).assign(by=by) for by in rule["by"]]
    table = pd.concat(parts, ignore_index=True)
    chosen = table[table["chosen"]]
    unsure = chosen[chosen["share"] < rule["least_share"]]
    if unsure.empty:
        return f"Every chosen rate comes back in at least {rule['least_share']:.0%} of the draws.", table
    named = [
        f"{arm_name(row.arm)} {rate(row.learning_rate)} ({name}, by {OUTCOMES[row.by]}, {row.share:.0%})"
        for row, name in zip(unsure.itertuples(), setting_names(unsure), strict=True)
    ]
    return (
        f"Of {len(chosen)} chosen rates, {len(unsure)} come back in fewer than {rule['least_share']:.0%} of the draws: "
        f"{listed(named)}."
    ), table


def budget(rule: dict, study: Study) -> tuple[str, pd.DataFrame]:
    """What a tuning budget buys, and what a rate costs that is off by a factor."""
    if study.tuning.empty:
        return UNANSWERED, pd.DataFrame()
    sentences, tables = [], []
    for by in rule["by"]:
        expected = tuning.best_of_k(study.tuning, by)
        lost = tuning.shortfall(study.tuning, by, rule["factor"])
        tables += [expected.assign(by=by), lost.assign(by=by)]
        for (name, group), (_, costs) in zip(_by_setting(expected), _by_setting(lost), strict=True):
            if group["k"].max() < 3:
                continue
            said = [
                f"{arm_name(arm)} {digits(one['expected'].iloc[0])} with one rate, {digits(one['expected'].iloc[2])} "
                f"with three, {digits(one['expected'].iloc[-1])} with all {len(one)}"
                for arm, one in group.groupby("arm", sort=False)
            ]
            costly = [f"{arm_name(row.arm)} {digits(row.mean)}" for row in costs.itertuples()]
            sentences.append(
                f"{name}, expected {OUTCOMES[by]}: {'; '.join(said)}. A rate off by {digits(rule['factor'])} times "
                f"costs on average {listed(costly)}."
            )
    return " ".join(sentences), pd.concat(tables, ignore_index=True)


def size(rule: dict, study: Study) -> tuple[str, pd.DataFrame]:
    """How many seeds the spread asks for. Means of differences are not looked at."""
    parts = []
    for arm in ("gradient", "update"):
        found = best_pairs(study.tuning, arm, by="heldout_loss", stage="tuning")
        if len(found):
            parts.append(found.assign(value=differences(found, rule["outcome"])))
    if not parts:
        return UNANSWERED, pd.DataFrame()
    groups = pd.concat(parts, ignore_index=True).groupby([*factors(parts[0]), "arm"])["value"]
    table = groups.agg(["var", "count"]).reset_index()
    table = table[table["count"] > 1]
    pooled = float(np.sqrt(np.average(table["var"], weights=table["count"] - 1)))
    bounds = {name: rule[name] for name in ("least", "most", "multiple")}
    count = seeds_needed(pooled, rule["half_width"], **bounds)
    text = (
        f"The paired difference in {OUTCOMES[rule['outcome']]} has a standard deviation of {100 * pooled:.2g} points, "
        f"pooled over {len(table)} comparisons. The rule asks for {count} seeds"
    )
    enough = seeds_needed(pooled, rule["half_width"], least=rule["least"], most=10_000, multiple=rule["multiple"])
    return text + (f" ({enough} would be needed)." if enough > count else "."), table
