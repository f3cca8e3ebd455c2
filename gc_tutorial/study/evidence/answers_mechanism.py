"""Answers to rules about the mechanism: what of GC's effect is left when a part of it is taken away."""

from __future__ import annotations

import pandas as pd

from gc_tutorial.study.evidence import effects, pairs
from gc_tutorial.study.evidence.answers import UNANSWERED, Study, changed
from gc_tutorial.study.evidence.answers_speed import larger_step as closes
from gc_tutorial.study.evidence.intervals import holm
from gc_tutorial.study.evidence.names import arm_name, setting_names, value_name
from gc_tutorial.study.evidence.outcomes import OUTCOMES, factors
from gc_tutorial.study.evidence.removed import removed_shares
from gc_tutorial.study.evidence.wording import digits, listed

MOST_ARMS = 3  # a setting with so many arms is one of the ablations; the others only compare GC with no GC


def ablations(rule: dict, study: Study) -> tuple[str, pd.DataFrame]:
    """The effect of each arm, and what share of GC's effect it is."""
    table = _ablations(rule, study)
    if table.empty:
        return UNANSWERED, table
    sentences = []
    for name, group in _settings(table):
        whole = group[group["arm"] == effects.FULL]
        if len(whole):
            sentences.append(f"{name}: GC's effect on {OUTCOMES[rule['outcome']]} is {_effect(whole.iloc[0])}.")
        parts = [_ablation(row, rule) for _, row in group[group["arm"] != effects.FULL].iterrows()]
        sentences.append(f"{'Others' if len(whole) else name}: {'; '.join(parts)}.")
    return " ".join(sentences), table


def _ablations(rule, study):
    options = {"by": rule.get("by", "clean_loss"), "scale": rule.get("scale", ""), "tuning": study.tuning}
    arms = study.runs[study.runs["stage"] == "confirmation"]
    if arms["arm"].nunique() < 2:
        return pd.DataFrame()
    table = effects.ablations(study.runs, rule["outcome"], faster=rule.get("factor"), **options)
    counts = table.groupby(factors(table))["arm"].transform("nunique")
    return table[counts >= min(MOST_ARMS, counts.max())].reset_index(drop=True)


def _settings(table):
    names = factors(table)
    settings = table.drop_duplicates(names)
    return zip(setting_names(settings), (group for _, group in table.groupby(names, sort=False)), strict=True)


def _effect(row):
    unit, times = (" points", 100) if row["outcome"].endswith("accuracy") else ("", 1)
    values = [f"{times * row[name]:+.2g}" for name in ("difference", "t_low", "t_high")]
    of = " in the logarithm" if row["scale"] == "log" else ""
    return f"{values[0]}{unit}{of} (95% interval {values[1]} to {values[2]}, {row['seeds']:.0f} seeds)"


def _ablation(row, rule):
    if "most" not in rule or not row["share_low"] > -float("inf"):
        return f"{arm_name(row['arm'])} {_effect(row)}"
    low, high = row["share_low"], row["share_high"]
    if low > rule["all"]:
        how_much = "all of it"
    elif low > rule["most"]:
        how_much = "most of it"
    elif high < rule["none"]:
        how_much = "none of it"
    elif high < rule["most"]:
        how_much = "little of it"
    else:
        how_much = "inconclusive"
    return f"{arm_name(row['arm'])} {how_much} ({row['share']:.0%}, 95% interval {low:.0%} to {high:.0%})"


def larger_step(rule: dict, study: Study) -> tuple[str, pd.DataFrame]:
    """No GC at a larger rate, as a share of GC's effect."""
    table = _ablations({**rule, "by": "clean_loss"}, study)
    if table.empty or "none_faster" not in set(table["arm"]):
        return UNANSWERED, pd.DataFrame()
    sentences = []
    for name, group in _settings(table):
        whole, faster = (group[group["arm"] == arm] for arm in (effects.FULL, "none_faster"))
        if len(whole) and len(faster):
            who = f"no GC at {rule['factor']:g} times the rate"
            sentences.append(f"{name}: GC's effect is {_effect(whole.iloc[0])}. {closes(faster.iloc[0], rule, who)}")
    return " ".join(sentences), table[table["arm"].isin([effects.FULL, "none_faster"])]


def mechanism(rule: dict, study: Study) -> tuple[str, pd.DataFrame]:
    """The account of a common shift: centred inputs, batch normalization, and a random direction, together."""
    found = pairs.best_pairs(study.runs, by=rule["by"], tuning=study.tuning)
    if found.empty:
        return UNANSWERED, found
    options = {"outcome": rule["outcome"], "scale": rule.get("scale", "")}
    parts = [effects.interaction(found, *condition, **options) for condition in rule["conditions"]]
    parts = [_plain(part, rule["conditions"]) for part in parts if len(part)]
    arms = _ablations({**rule, "factor": None}, study)
    sentences, tables = [], []
    for optimizer in found["optimizer"].unique():
        changes = [part[part["optimizer"] == optimizer] for part in parts]
        changes = pd.concat(changes, ignore_index=True) if changes else pd.DataFrame()
        random = arms[(arms["optimizer"] == optimizer) & (arms["arm"] == "random_direction")]
        if changes.empty or random.empty:
            continue
        changes["p_holm"] = holm(changes["p"])
        name = value_name("optimizer", optimizer)
        said = [changed(row, name, rule["remaining"]) for _, row in changes.iterrows()]
        one = random.iloc[0]
        said.append(
            f"A random direction has {one['share']:.0%} of GC's effect (95% interval {one['share_low']:.0%} to "
            f"{one['share_high']:.0%}). By the rule the account of a common shift is {_account(changes, one, rule)}."
        )
        sentences += said
        tables += [changes, random]
    if not tables:
        return UNANSWERED, pd.DataFrame()
    return " ".join(sentences), pd.concat(tables, ignore_index=True)


def _plain(part, conditions):
    """Of an interaction's settings, those at the first level of the other conditions."""
    for factor, first, _ in conditions:
        if factor in part:
            part = part[part[factor] == first]
    return part


def _account(changes, random, rule):
    shown = ((changes["t_low"] > 0) | (changes["t_high"] < 0)) & (changes["p_holm"] < 0.05)
    cut = shown & (changes["share"] <= rule["remaining"])
    if cut.any() and random["share"] < rule["random_share"] and random["share_high"] < rule["random_high"]:
        return "supported"
    if (changes["share_low"] > rule["remaining"]).all() or random["share_low"] > rule["remaining"]:
        return "refuted"
    return "undecided"


def removed(rule: dict, study: Study) -> tuple[str, pd.DataFrame]:
    """What GC would remove in the first layer, against chance, and with centred inputs."""
    if not any(name.startswith("share_") for name in study.runs) or "chance_1" not in study.runs:
        return UNANSWERED, pd.DataFrame()
    table = removed_shares(study.runs[study.runs["stage"] == "confirmation"])
    if table.empty:
        return UNANSWERED, table
    sentences = []
    first = table[table["layer"] == 1]
    for (_, row), name in zip(first.iterrows(), setting_names(first), strict=True):
        layers = table[(table[factors(table)] == row[factors(table)]).all(axis=1)]
        others = listed([f"{digits(times)}" for times in layers.loc[layers["layer"] > 1, "times_chance"]])
        enough = "at least" if row["times_chance"] >= rule["times_chance"] else "less than"
        sentences.append(
            f"{name}: in the first layer GC would remove {row['share']:.0%} of the squared gradient norm, "
            f"{digits(row['times_chance'])} times chance (95% interval {digits(row['times_low'])} to "
            f"{digits(row['times_high'])}), {enough} {rule['times_chance']:g} times"
            + (f"; in the other layers {others} times." if others else ".")
        )
    return " ".join([*sentences, *_falls(first, rule)]), table


def _falls(first, rule):
    """Whether the share falls with centred inputs, where everything else is the same."""
    others = [name for name in factors(first) if name != "scaling"]
    raw, centred = (first[first["scaling"] == level] for level in ("0..1", "-1..1"))
    both = raw.merge(centred, on=others, suffixes=("", "_centred"))
    for _, row in both.iterrows():
        falls = row["share_centred"] <= rule["falls_to"] * row["share"]
        yield (
            f"With centred inputs the first layer's share is {row['share_centred']:.0%} instead of {row['share']:.0%} "
            f"({value_name('optimizer', row['optimizer'])}, {value_name('network', row['network'])}): it "
            f"{'falls to less than' if falls else 'does not fall to'} {rule['falls_to']:.0%} of it."
        )
