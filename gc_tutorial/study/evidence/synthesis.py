"""What the rules about the mechanism say together, in a few sentences."""

import math
from collections.abc import Mapping

import pandas as pd

from gc_tutorial.language import Words, sentences, text
from gc_tutorial.study.evidence.answers import ENOUGH
from gc_tutorial.study.evidence.answers_mechanism import ACCOUNT, ACCOUNTS
from gc_tutorial.study.evidence.effects import FULL
from gc_tutorial.study.evidence.findings import Finding
from gc_tutorial.study.evidence.mechanism_rows import trained
from gc_tutorial.study.evidence.names import value_name
from gc_tutorial.study.evidence.wording import amount, changed_amount, listed, rate

SENTENCES = Words(
    {
        "enough": "These have most of GC's effect, or all of it: {arms}.",
        "not_enough": "These have less than half of it: {arms}.",
        "harmful": "These raise the training loss: {arms}.",
        "open": "Undecided: {arms}.",
    }
)


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
        said.append(
            text("With each method at the rate that the study's own tuning chose, the loss is {lower}.", lower=lower)
        )
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
        list of one str, or empty: before the rules of both have been applied, or where C alone rules it out.
    """
    if "speed" not in confirmation or "speed" not in elsewhere or not elsewhere["speed"].table.attrs[ENOUGH]:
        return []
    table = confirmation["speed"].table
    shown = [value_name("optimizer", name) for name in table.loc[table["claimed"], "optimizer"]]
    if len(shown) == len(table):
        said = "Study B shows it, too, for {optimizers}. By the rule, GC trains faster in general."
    elif shown:
        said = "Study B shows it for {optimizers} only. By the rule, no general claim is made."
    else:
        said = "Study B does not show it. By the rule, no general claim is made."
    return [text(said, optimizers=listed(shown))]
