"""What the rules about the mechanism say together, in a few sentences."""

import math
from collections.abc import Mapping

import pandas as pd

from gc_tutorial.language import Words, sentences, text
from gc_tutorial.study.evidence.answers import ENOUGH
from gc_tutorial.study.evidence.answers_mechanism import ACCOUNT, ACCOUNTS, how_much
from gc_tutorial.study.evidence.effects import FASTER, FULL
from gc_tutorial.study.evidence.findings import Finding
from gc_tutorial.study.evidence.mechanism_rows import condition_word, trained
from gc_tutorial.study.evidence.names import value_name
from gc_tutorial.study.evidence.outcomes import OUTCOMES
from gc_tutorial.study.evidence.speed_rows import near_a_guess
from gc_tutorial.study.evidence.wording import amount, changed_amount, listed, rate

SENTENCES = Words(
    {
        "enough": "These have most of GC's effect, or all of it: {arms}.",
        "not_enough": "These have less than half of it: {arms}.",
        "harmful": "These raise the training loss: {arms}.",
        "open": "Undecided: {arms}.",
    }
)


WHERE = Words(
    {
        "conv_only": "the convolutions alone",
        "dense_only": "the dense layers alone",
        "first_layer": "the first layer alone",
        "first_two_epochs": "the first two epochs alone",
    }
)
ALONE = Words(
    {
        "as_much": "GC in {where} does as much.",
        "most": "GC in {where} does most of this.",
        "little": "GC in {where} does little.",
        "not_clear": "What GC in {where} does is not clear.",
    }
)
LARGER = Words(
    {
        "does": "A learning rate {factor:g} times as large, without GC, does the same.",
        "does_not": "A learning rate {factor:g} times as large, without GC, does not replace it.",
        "not_clear": "Whether a learning rate {factor:g} times as large, without GC, replaces it is not clear.",
    }
)
# The rule on the measure of the loss that suits each condition.
RELIABLE = {"common_shift": ("scaling", "-1..1"), "common_shift_running": ("network", "cnn_bn")}


def synthesis(found: Mapping[str, Finding], rules: Mapping[str, dict], optimizer: str = "rmsprop") -> list[str]:
    """Say which arms have GC's effect, which do not, and what that makes of the explanation.

    An arm is enough where the 95% interval of its share lies above the rule's "most", and not enough where it lies
    below. It is harmful where the interval of its own effect lies below 0, and Holm's correction keeps that.

    Args:
        found: what the rules found, by name, as from `PublishedStudy.findings`.
        rules: the rules of the plan.
        optimizer: str, whose runs are taken.

    Returns:
        list of str, empty before the rules have been applied.
    """
    if not {"ablations", "larger_step", "common_shift", "common_shift_running"} <= found.keys():
        return []
    arms = pd.concat([found[rule].table for rule in ("ablations", "larger_step")])
    arms = arms[(arms["optimizer"] == optimizer) & (arms["arm"] != FULL)]
    most = rules["ablations"]["most"]
    harmful = (arms["t_high"] < 0) & (arms["p_holm"] < 0.05)
    groups = {
        "enough": arms[arms["share_low"] > most],
        "not_enough": arms[(arms["share_high"] < most) & ~harmful],
        "harmful": arms[harmful],
        "open": arms[~(arms["share_low"] > most) & ~(arms["share_high"] < most)],
    }
    said = [
        text(SENTENCES[kind], arms=listed([trained(arm, rules) for arm in group["arm"]]))
        for kind, group in groups.items()
        if len(group)
    ]
    clean, running = (
        found[rule].table.attrs.get(ACCOUNT, {}).get(optimizer) for rule in ("common_shift", "common_shift_running")
    )
    if clean is None or running is None:
        return said
    values = {"clean": ACCOUNTS[clean], "running": ACCOUNTS[running]}
    account = (
        "The explanation by a common shift is {clean} on both measures of the training loss."
        if clean == running
        else "The explanation by a common shift is {clean} on the clean training loss and {running} on the running "
        "one, so it stays open."
    )
    return [*said, text(account, **values)]


def short_answer(found: Mapping[str, Finding], rules: Mapping[str, dict], optimizer: str = "rmsprop") -> list[str]:
    """Say in plain words what GC does to the training loss, which of its parts do as much, and whether a step does.

    A part does as much where the rule says "all of it", and little where it says "little" or "none of it". Nothing is
    said about parts and steps where GC does not lower the loss.

    Args:
        found, rules, optimizer: as for `synthesis`.

    Returns:
        list of str, empty before the rules have been applied.
    """
    if not {"ablations", "larger_step"} <= found.keys():
        return []
    tables = (found[rule].table for rule in ("ablations", "larger_step"))
    parts, step = (table[table["optimizer"] == optimizer].set_index("arm") for table in tables)
    if FULL not in parts.index:
        return []
    limits, low, high = rules["ablations"], parts["share_low"], parts["share_high"]
    groups = {
        "as_much": low > limits["all"],
        "most": (low > limits["most"]) & ~(low > limits["all"]),
        "little": (high < limits["most"]) & ~(low > limits["most"]),
        "not_clear": ~(low > limits["most"]) & ~(high < limits["most"]),
    }
    effect = parts.loc[FULL, "difference"]
    if effect <= 0:
        return [text("GC does not lower the training loss.")]
    said = [text("GC lowers the training loss by {change:.0%}.", change=-math.expm1(-effect))]
    for kind, chosen in groups.items():
        where = [WHERE[arm] for arm in WHERE if arm in parts.index and chosen[arm]]
        if where:
            said.append(text(ALONE[kind], where=_either(where)))
    if FASTER in step.index:
        row, rule = step.loc[FASTER], rules["larger_step"]
        does = row["share"] >= rule["closed"] and row["share_low"] > rule["closed_low"]
        kind = "does" if does else "does_not" if row["share_high"] < rule["closed"] else "not_clear"
        said.append(text(LARGER[kind], factor=rule["factor"]))
    return said


def _either(parts):
    return parts[0] if len(parts) == 1 else text("{first} or {last}", first=text(", ").join(parts[:-1]), last=parts[-1])


def parts_and_conditions(
    found: Mapping[str, Finding], rules: Mapping[str, dict], optimizer: str = "rmsprop"
) -> list[str]:
    """Say in a sentence each what GC does in one kind of layer alone, and with other inputs or batch normalization.

    With batch normalization the running loss is taken, because the clean one is not reliable there.

    Args:
        found, rules, optimizer: as for `synthesis`.

    Returns:
        list of str, empty before the rules have been applied.
    """
    if not {"ablations", *RELIABLE} <= found.keys():
        return []
    table = found["ablations"].table
    arms = table[table["optimizer"] == optimizer].set_index("arm")
    said = [
        text(
            "GC in {where} has {share:.0%} of GC's effect (95% interval {share_low:.0%} to {share_high:.0%}): "
            "{reading}.",
            where=WHERE[arm],
            reading=how_much(arms.loc[arm], rules["ablations"]),
            **arms.loc[arm, ["share", "share_low", "share_high"]],
        )
        for arm in ("conv_only", "dense_only")
        if arm in arms.index
    ]
    for rule, (factor, level) in RELIABLE.items():
        table = found[rule].table
        for _, row in table[(table["optimizer"] == optimizer) & (table["second"] == level)].iterrows():
            changes = (
                changed_amount(-row[end], row["outcome"], row["scale"], joined=joined)
                for end, joined in (("effect_second", True), ("effect_first", False))
            )
            second, first = changes
            said.append(
                text(
                    "With {level}, the {outcome} with GC is {second}, and {first} without this change: {reading}.",
                    level=value_name(factor, level),
                    outcome=OUTCOMES[row["outcome"]],
                    second=second,
                    first=first,
                    reading=condition_word(row, rules[rule]["remaining"]),
                )
            )
    tuned = _tuned_effect(found, optimizer)
    whole = arms["difference"].get(FULL)
    if None not in (tuned, whole) and not math.isclose(tuned, whole, abs_tol=0.005):
        said.append(
            text(
                "At the tuned rates GC lowers the loss of the plain CNN by {tuned:.0%}; at {rate}, by {whole:.0%} (the "
                "band).",
                tuned=-math.expm1(-tuned),
                rate=rate(arms.loc[FULL, "learning_rate"]),
                whole=-math.expm1(-whole),
            )
        )
    return said


def at_one_rate(found: Mapping[str, Finding], optimizer: str = "rmsprop") -> list[str]:
    """Say what GC does at one learning rate, with it and without: to the training loss, and to the held-out accuracy.

    Args:
        found: what the rules of the mechanism found, by name, as from `PublishedStudy.findings`.
        optimizer: str, whose runs are taken.

    Returns:
        list of one str, or empty before the rules have been applied.
    """
    if not {"ablations", "heldout"} <= found.keys():
        return []
    tables = [found[rule].table for rule in ("ablations", "heldout")]
    rows = [table[(table["optimizer"] == optimizer) & (table["arm"] == FULL)] for table in tables]
    if any(table.empty for table in rows):
        return []
    loss, accuracy = (table.iloc[0] for table in rows)
    said = [
        text(
            "{name} at the rate {rate}, at which study A found the lowest training loss without GC, {seeds:.0f} seeds: "
            "with GC the training loss is {loss}, and the held-out accuracy is {accuracy}. Means without GC and with "
            "it: loss {before:.2f} and {after:.2f}, accuracy {accuracy_before:.0%} and {accuracy_after:.0%}.",
            name=value_name("optimizer", optimizer),
            rate=rate(loss["learning_rate"]),
            seeds=loss["seeds"],
            loss=amount(-loss["difference"], -loss["t_high"], -loss["t_low"], scale="log", joined=True),
            before=loss["mean_baseline"],
            after=loss["mean"],
            accuracy_before=accuracy["mean_baseline"],
            accuracy_after=accuracy["mean"],
            accuracy=amount(accuracy["difference"], accuracy["t_low"], accuracy["t_high"], accuracy["outcome"]),
        )
    ]
    tuned = _tuned_effect(found, optimizer)
    if tuned is not None and not math.isclose(tuned, loss["difference"], abs_tol=0.005):
        lower = changed_amount(-tuned, scale="log", joined=True)
        said.append(text("At the rates that the study's own tuning chose for each, the loss is {lower}.", lower=lower))
    return [sentences(said)]


def _tuned_effect(found, optimizer):
    """The effect in the plain CNN with each arm at a rate of its own, which the conditions are compared with."""
    table = found["common_shift"].table if "common_shift" in found else pd.DataFrame()
    if table.empty or "effect_first" not in table:
        return None
    effects = table.loc[table["optimizer"] == optimizer, "effect_first"].dropna()
    return effects.iloc[0] if len(effects) else None


def faster_in_general(confirmation: Mapping[str, Finding], elsewhere: Mapping[str, Finding]) -> list[str]:
    """Say whether GC trains faster in general, which the plan of study C lets two studies decide together.

    Study B must show it, and study C in enough further data sets. B has two optimizers, and "B shows it" is read as:
    for each of them.

    Args:
        confirmation, elsewhere: what the rules of B and of C found, by name, as from `PublishedStudy.findings`.

    Returns:
        list of str: what follows by the rule and, where that is a general claim, its limits. Empty before the rules of
        both have been applied, or where C alone rules it out.
    """
    if "speed" not in confirmation or "speed" not in elsewhere or not elsewhere["speed"].table.attrs[ENOUGH]:
        return []
    table = confirmation["speed"].table
    shown, limits = [value_name("optimizer", name) for name in table.loc[table["claimed"], "optimizer"]], []
    if len(shown) == len(table):
        limits = [_limits(elsewhere["speed"].table)]
        said = "Study B shows it, too, for {optimizers}. By the rule, GC trains faster in general."
    elif shown:
        said = "Study B shows it for {optimizers} only. By the rule, no general claim is made."
    else:
        said = "Study B does not show it. By the rule, no general claim is made."
    return [text(said, optimizers=listed(shown)), *limits]


def _limits(table):
    """What a general claim about the speed is about: `table` is that of the rule in study C."""
    faster, epochs = table["claimed"], [f"{count:g}" for count in sorted(table["epochs"].unique())]
    near = int((faster & near_a_guess(table)).sum())
    return text(
        "This is about training runs like these: small networks, {epochs} epochs. In study C {faster} of {count} "
        "settings show it, and in {near} of these {faster} the goal is hardly below the loss of guessing."
        if near
        else "This is about training runs like these: small networks, {epochs} epochs. In study C {faster} of {count} "
        "settings show it.",
        epochs=listed(epochs),
        faster=int(faster.sum()),
        count=len(table),
        near=near,
    )
