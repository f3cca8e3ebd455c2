"""Answers to rules about the mechanism: what of GC's effect is left when a part of it is taken away."""

import functools
from collections.abc import Mapping

import pandas as pd

from gc_tutorial.language import Words, sentences, text
from gc_tutorial.study.evidence import effects, pairs
from gc_tutorial.study.evidence.answers import Study, unanswered
from gc_tutorial.study.evidence.answers_interaction import changed, units_in_one, with_unit
from gc_tutorial.study.evidence.answers_speed import share_closed
from gc_tutorial.study.evidence.intervals import holm, shown
from gc_tutorial.study.evidence.names import arm_name, named_rows, named_settings, value_name
from gc_tutorial.study.evidence.outcomes import OUTCOMES, factors
from gc_tutorial.study.evidence.removed import removed_shares
from gc_tutorial.study.evidence.wording import digits, listed

ACCOUNTS = Words({"supported": "supported", "refuted": "refuted", "undecided": "undecided"})
ACCOUNT = "account"  # the attribute of a table that holds the verdict on the account, by optimizer
MIN_ARMS = 3  # a setting with at least this many arms is one of the ablations; the others only compare GC with no GC


def ablations(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """The effect of each arm, and what share of GC's effect it is."""
    table = _ablations(rule, study)
    if table.empty:
        return unanswered(), table
    found = []
    for name, group in named_settings(table):
        whole = group[group["arm"] == effects.FULL]
        said = {"name": name, "outcome": OUTCOMES[rule["outcome"]]}
        effect = [
            text("{name}: GC's effect on {outcome} is {effect}.", **said, effect=_effect(row))
            for _, row in whole.iterrows()
        ]
        parts = [_ablation(row, rule) for _, row in group[group["arm"] != effects.FULL].iterrows()]
        others = text("Others") if len(whole) else name
        rest = text("{others}: {parts}.", others=others, parts=text("; ").join(parts))
        found.append(sentences([*effect, rest]))
    return found, table


def _ablations(rule, study):
    arms = study.runs[study.runs["stage"] == "confirmation"]
    if arms["arm"].nunique() < 2:
        return pd.DataFrame()
    paired = _pairs(study, rule.get("by", "clean_loss"), rule.get("factor"))
    table = effects.arm_effects(paired, rule["outcome"], scale=rule.get("scale", ""))
    counts = table.groupby(factors(table))["arm"].transform("nunique")
    return table[counts >= min(MIN_ARMS, counts.max())].reset_index(drop=True)


@functools.lru_cache(maxsize=8)  # several rules look at the same pairs
def _pairs(study, by, faster):
    return effects.arm_pairs(study.runs, by=by, tuning=study.tuning, faster=faster)


def _effect(row):
    times = units_in_one(row)
    low, high = times * row["t_low"], times * row["t_high"]
    signs = "" if low > 0 else "+"  # no sign where all three would have the same
    difference = round(times * row["difference"], 9)  # or versions of pandas round a tie such as -0.305 differently
    return text(
        "{difference} (95% interval {low} to {high}, {seeds:.0f} seeds)",
        difference=with_unit(row, f"{difference:{signs}.2g}"),
        low=f"{low:{signs}.2g}",
        high=f"{high:{signs}.2g}",
        seeds=row["seeds"],
    )


def _ablation(row, rule):
    if "most" not in rule or not row["share_low"] > -float("inf"):
        return f"{arm_name(row['arm'])} {_effect(row)}"
    return f"{arm_name(row['arm'])} {how_much(row, rule)} ({of_effect(row)})" + lost(row)


def lost(row: Mapping) -> str:
    """Say how many runs of an arm diverged, or nothing."""
    if not row["diverged"]:
        return ""
    return text(", {diverged} of {seeds:.0f} runs diverged", **row)


def how_much(row: Mapping, rule: dict) -> str:
    """Say how much of GC's effect an arm has, by the limits of a rule, and whether it does the opposite."""
    low, high = row["share_low"], row["share_high"]
    if high < 0 and row["difference"] > 0:
        return text("the opposite")
    if high < 0 and row["p_holm"] < 0.05:
        return text("it harms")
    if low > rule["all"]:
        return text("all of it")
    if low > rule["most"]:
        return text("most of it")
    if high < rule["none"]:
        return text("none of it")
    if high < rule["most"]:
        return text("little of it")
    return text("inconclusive")


def of_effect(row: Mapping) -> str:
    """Say a share of GC's effect, such as `"52%, 95% interval 41% to 63%"`."""
    if not row["share_low"] > -float("inf"):  # GC has no effect to take a share of
        return text("no share: no effect of GC itself is shown")
    return text("{share:.0%}, 95% interval {share_low:.0%} to {share_high:.0%}", **row)


def larger_step(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """No GC at a larger rate, as a share of GC's effect."""
    table = _ablations({**rule, "by": "clean_loss"}, study)
    if table.empty or "none_faster" not in set(table["arm"]):
        return unanswered(), pd.DataFrame()
    found = []
    for name, group in named_settings(table):
        whole, faster = (group[group["arm"] == arm] for arm in (effects.FULL, "none_faster"))
        if len(whole) and len(faster):
            who = text("no GC at {factor:g} times the rate", factor=rule["factor"])
            effect = text("{name}: GC's effect is {effect}.", name=name, effect=_effect(whole.iloc[0]))
            found.append(sentences([effect, share_closed(faster.iloc[0], rule, who)]))
    return found, table[table["arm"].isin([effects.FULL, "none_faster"])]


def mechanism(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """The account of a common shift: pixels in [-1, 1], batch normalization, and a random direction, together."""
    found = pairs.best_pairs(study.runs, by=rule["by"], tuning=study.tuning)
    if found.empty:
        return unanswered(), found
    options = {"outcome": rule["outcome"], "scale": rule.get("scale", "")}
    parts = [effects.interaction(found, *condition, **options) for condition in rule["conditions"]]
    parts = [_plain(part, rule["conditions"]) for part in parts if len(part)]
    arms = _ablations({**rule, "factor": None}, study)
    said, tables, accounts = [], [], {}
    for optimizer in found["optimizer"].unique():
        changes = [part[part["optimizer"] == optimizer] for part in parts]
        changes = pd.concat(changes, ignore_index=True) if changes else pd.DataFrame()
        random = arms[(arms["optimizer"] == optimizer) & (arms["arm"] == "random_direction")]
        if changes.empty or random.empty:
            continue
        changes["p_holm"] = holm(changes["p"])
        name = value_name("optimizer", optimizer)
        said += [changed(row, name, rule["remaining"]) for _, row in changes.iterrows()]
        one = random.iloc[0]
        accounts[optimizer] = _account(changes, one, rule)
        said.append(
            text(
                "A random direction has {share:.0%} of GC's effect (95% interval {share_low:.0%} to "
                "{share_high:.0%}). By the rule, the explanation by a common shift is {account}.",
                **one[["share", "share_low", "share_high"]],
                account=ACCOUNTS[accounts[optimizer]],
            )
        )
        tables += [changes, random]
    if not tables:
        return unanswered(), pd.DataFrame()
    table = pd.concat(tables, ignore_index=True)
    table.attrs[ACCOUNT] = accounts
    return said, table


def _plain(part, conditions):
    """Keep the settings of an interaction that are at the first level of the other conditions."""
    for factor, first, _ in conditions:
        if factor in part:
            part = part[part[factor] == first]
    return part


def _account(changes, random, rule):
    cut = shown(changes) & (changes["share"] <= rule["remaining"])
    if cut.any() and random["share"] < rule["random_share"] and random["share_high"] < rule["random_high"]:
        return "supported"
    if (changes["share_low"] > rule["remaining"]).all() or random["share_low"] > rule["remaining"]:
        return "refuted"
    return "undecided"


def removed(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """What GC would remove in the first layer, against chance, and with inputs [-1, 1]."""
    if not any(name.startswith("share_") for name in study.runs) or "chance_1" not in study.runs:
        return unanswered(), pd.DataFrame()
    table = removed_shares(study.runs[study.runs["stage"] == "confirmation"])
    if table.empty:
        return unanswered(), table
    first = table[table["layer"] == 1]
    found = [_removed(row, name, table, rule) for name, row in named_rows(first)]
    return [*found, *_falls(first, rule)], table


def _removed(row, name, table, rule):
    """The share of one setting's first layer, and how the other layers compare with chance."""
    layers = table[(table[factors(table)] == row[factors(table)]).all(axis=1)]
    others = listed([digits(times) for times in layers.loc[layers["layer"] > 1, "times_chance"]])
    enough = row["times_chance"] >= rule["times_chance"]
    return text(
        "{name}: in the first layer GC would remove {share:.0%} of the squared gradient norm, {times} times chance "
        "(95% interval {low} to {high}), {compared}{others}.",
        name=name,
        share=row["share"],
        times=digits(row["times_chance"]),
        low=digits(row["times_low"]),
        high=digits(row["times_high"]),
        compared=text(
            "at least {limit:g} times" if enough else "less than {limit:g} times", limit=rule["times_chance"]
        ),
        others=text("; in the other layers {others} times", others=others) if others else "",
    )


def _falls(first, rule):
    """Whether the share falls with inputs [-1, 1], where everything else is the same."""
    others = [name for name in factors(first) if name != "scaling"]
    raw, centred = (first[first["scaling"] == level] for level in ("0..1", "-1..1"))
    both = raw.merge(centred, on=others, suffixes=("", "_centred"))
    for _, row in both.iterrows():
        falls = row["share_centred"] <= rule["falls_to"] * row["share"]
        yield text(
            "With inputs [-1, 1] the first layer's share is {centred:.0%} instead of {share:.0%} ({optimizer}, "
            "{network}): it falls to less than {limit:.0%} of it."
            if falls
            else "With inputs [-1, 1] the first layer's share is {centred:.0%} instead of {share:.0%} ({optimizer}, "
            "{network}): it does not fall to {limit:.0%} of it.",
            centred=row["share_centred"],
            share=row["share"],
            optimizer=value_name("optimizer", row["optimizer"]),
            network=value_name("network", row["network"]),
            limit=rule["falls_to"],
        )
