"""Answers to the rules of a tuning plan: which rates, how sure, at what cost, and how many seeds to confirm with."""

import numpy as np
import pandas as pd

from gc_tutorial.language import Words, text
from gc_tutorial.study.evidence import tuning
from gc_tutorial.study.evidence.answers import Study, unanswered
from gc_tutorial.study.evidence.intervals import seeds_needed
from gc_tutorial.study.evidence.names import arm_name, named_settings, setting_names
from gc_tutorial.study.evidence.outcomes import OUTCOMES, factors
from gc_tutorial.study.evidence.pairs import best_pairs, differences
from gc_tutorial.study.evidence.wording import digits, listed, rate

# What is said of a rate at an edge of the grid.
EDGES = Words({"": "", "lowest": " (at the lowest edge of the grid)", "highest": " (at the highest edge of the grid)"})


def rates(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """The best rate of every arm."""
    if study.tuning.empty:
        return unanswered(), pd.DataFrame()
    table = pd.concat([tuning.tuned_rates(study.tuning, by).assign(by=by) for by in rule["by"]], ignore_index=True)
    found = []
    for by in rule["by"]:
        for name, group in named_settings(table[(table["by"] == by) & (table["rates"] > 2)]):
            chosen = [f"{arm_name(row.arm)} {rate(row.learning_rate)}" + EDGES[row.edge] for row in group.itertuples()]
            found.append(
                text("{name}, best rate by {by}: {chosen}.", name=name, by=OUTCOMES[by], chosen=listed(chosen))
            )
    return found, table


def stability(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """How sure each choice is."""
    if study.tuning.empty:
        return unanswered(), pd.DataFrame()
    parts = [tuning.choice_stability(study.tuning, by, rule["resamples"]).assign(by=by) for by in rule["by"]]
    table = pd.concat(parts, ignore_index=True)
    chosen = table[table["chosen"]]
    unsure = chosen[chosen["share"] < rule["least_share"]]
    if unsure.empty:
        every = "Every chosen rate is chosen again in at least {least_share:.0%} of the draws."
        return [text(every, least_share=rule["least_share"])], table
    named = [
        text(
            "{arm} {rate} ({name}, by {by}, {share:.0%})",
            arm=arm_name(row.arm),
            rate=rate(row.learning_rate),
            name=name,
            by=OUTCOMES[row.by],
            share=row.share,
        )
        for row, name in zip(unsure.itertuples(), setting_names(unsure), strict=True)
    ]
    paragraph = text(
        "Of {count} chosen rates, {unsure} come back in fewer than {least_share:.0%} of the draws: {named}.",
        count=len(chosen),
        unsure=len(unsure),
        least_share=rule["least_share"],
        named=listed(named),
    )
    return [paragraph], table


def budget(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """What a tuning budget buys, and what a rate that is off by a factor costs."""
    if study.tuning.empty:
        return unanswered(), pd.DataFrame()
    found, tables = [], []
    for by in rule["by"]:
        expected = tuning.best_of_k(study.tuning, by)
        lost = tuning.shortfall(study.tuning, by, rule["factor"])
        tables += [expected.assign(by=by), lost.assign(by=by)]
        for (name, group), (_, costs) in zip(named_settings(expected), named_settings(lost), strict=True):
            if group["k"].max() < 3:
                continue
            said = [
                text(
                    "{arm} {one} with one rate, {three} with three, {every} with all {count}",
                    arm=arm_name(arm),
                    one=digits(one["expected"].iloc[0]),
                    three=digits(one["expected"].iloc[2]),
                    every=digits(one["expected"].iloc[-1]),
                    count=len(one),
                )
                for arm, one in group.groupby("arm", sort=False)
            ]
            costly = [f"{arm_name(row.arm)} {digits(row.mean)}" for row in costs.itertuples()]
            found.append(
                text(
                    "{name}, expected {by}: {said}. A rate wrong by a factor of {factor} costs on average {costly}.",
                    name=name,
                    by=OUTCOMES[by],
                    said=text("; ").join(said),
                    factor=digits(rule["factor"]),
                    costly=listed(costly),
                )
            )
    return found, pd.concat(tables, ignore_index=True)


def size(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """How many seeds the spread asks for. Means of differences are not looked at."""
    parts = []
    for arm in ("gradient", "update"):
        found = best_pairs(study.tuning, arm, by="heldout_loss", stage="tuning")
        if len(found):
            parts.append(found.assign(value=differences(found, rule["outcome"])))
    if not parts:
        return unanswered(), pd.DataFrame()
    groups = pd.concat(parts, ignore_index=True).groupby([*factors(parts[0]), "arm"])["value"]
    table = groups.agg(["var", "count"]).reset_index()
    table = table[table["count"] > 1]
    pooled = float(np.sqrt(np.average(table["var"], weights=table["count"] - 1)))
    bounds = {name: rule[name] for name in ("least", "most", "multiple")}
    count = seeds_needed(pooled, rule["half_width"], **bounds)
    enough = seeds_needed(pooled, rule["half_width"], **{**bounds, "most": 10_000})
    paragraph = text(
        "The paired difference in {outcome} has a standard deviation of {pooled:.2g} points, "
        "pooled over {count} comparisons. The rule asks for {seeds} seeds{needed}.",
        outcome=OUTCOMES[rule["outcome"]],
        pooled=100 * pooled,
        count=len(table),
        seeds=count,
        needed=text(" ({enough} would be needed)", enough=enough) if enough > count else "",
    )
    return [paragraph], table
