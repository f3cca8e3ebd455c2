"""The table of the mechanism: a row per question, answered or not."""

from collections.abc import Mapping

import pandas as pd

from gc_tutorial.language import Words, text
from gc_tutorial.study.evidence.answers_mechanism import how_much, lost, of_effect
from gc_tutorial.study.evidence.answers_speed import step_word
from gc_tutorial.study.evidence.effects import FULL
from gc_tutorial.study.evidence.findings import Finding
from gc_tutorial.study.evidence.intervals import shown
from gc_tutorial.study.evidence.names import arm_name, value_name
from gc_tutorial.study.evidence.wording import amount, not_yet

ARMS = Words(
    {  # in the order of the argument
        "random_direction": "Does a random direction have the effect?",
        "none_faster": "Is it a larger step?",
        "raw_norm": "Does it work at the gradient's original length?",
        "half": "Is half of the mean enough?",
        "twice": "Is twice the mean better?",
        "first_layer": "Is the first layer enough?",
        "conv_only": "Are the convolutions enough?",
        "dense_only": "Are the dense layers enough?",
        "first_two_epochs": "Is the start of training enough?",
    }
)
CONDITIONS = Words(
    {
        ("scaling", "-1..1"): "Is it still there with inputs [-1, 1]?",
        ("network", "cnn_bn"): "Is it still there with batch normalization?",
        ("schedule", "warmup"): "Is it still there with a warm-up?",
    }
)
ANSWERED_BY = {"scaling": "common_shift", "network": "common_shift", "schedule": "warmup"}  # rules, by the factor


def mechanism_rows(found: Mapping[str, Finding], rules: Mapping[str, dict], optimizer: str = "rmsprop") -> pd.DataFrame:
    """Tabulate what the rules of the mechanism found.

    Args:
        found: what the rules found, by name, as from `PublishedStudy.findings`; where a rule has not been applied yet,
            its rows say so.
        rules: the rules of the plan.
        optimizer: str, whose runs are taken.

    Returns:
        `pandas.DataFrame`, a row per question: question, trained (what was run for it), share (of GC's effect on the
        logarithm of the clean training loss, with its 95% interval) and reading (by the rule).
    """
    whole = _rows(found, "ablations", optimizer=optimizer, arm=FULL)
    rows = [(text("Does GC lower the training loss?"), arm_name(FULL), *_whole(whole))]
    for arm, question in ARMS.items():
        rule = "larger_step" if arm == "none_faster" else "ablations"
        one = _rows(found, rule, optimizer=optimizer, arm=arm)
        rows.append((question, trained(arm, rules), *_answer(one, _arm, rules[rule], arm)))
    for (factor, level), question in CONDITIONS.items():
        rule = ANSWERED_BY[factor]
        clean, running = (
            _answer(
                _rows(found, name, optimizer=optimizer, factor=factor, second=level),
                condition_word,
                rules[rule].get("remaining"),
            )
            for name in (rule, f"{rule}_running")
        )
        reading = clean[1]
        if running[1] not in (reading, not_yet()):
            reading = text("{clean}; on the running loss: {running}", clean=reading, running=running[1])
        rows.append((question, text("no GC and GC, {level}", level=value_name(factor, level)), clean[0], reading))
    return pd.DataFrame(rows, columns=["question", "trained", "share", "reading"])


def _rows(found, rule, **values):
    """The rows with these values of the table of a rule; none where it has not been applied."""
    table = found[rule].table if rule in found else pd.DataFrame()
    return table[(table[list(values)] == pd.Series(values)).all(axis=1)] if len(table) else table


def trained(arm: str, rules: Mapping[str, dict]) -> str:
    """What was trained: the arm's name, and for a larger rate how large it is."""
    if arm == "none_faster":
        return text("no GC at {factor:g} times the rate", factor=rules["larger_step"]["factor"])
    return arm_name(arm)


def _whole(rows):
    if rows.empty:
        return "", not_yet()
    return "100%", amount(*-rows.iloc[0][["difference", "t_high", "t_low"]], scale="log")


def _answer(rows, reading, *values):
    """The share of GC's effect in the only row, and how it reads, by a function of that row."""
    if rows.empty:
        return "", not_yet()
    row = rows.iloc[0]
    known = row["share_low"] > -float("inf")
    return of_effect(row), reading(row, *values) if known else text("no reading")


def _arm(row, rule, arm):
    return step_word(row, rule) if arm == "none_faster" else how_much(row, rule) + lost(row)


def condition_word(row: Mapping, remaining: float | None) -> str:
    """Say how GC's effect changes under a condition; a share of at most `remaining` is said to be all that is left."""
    if not shown(row):
        return text("no change is shown")
    if row["difference"] < 0:
        return text("the effect grows")
    small = remaining is not None and row["share"] <= remaining
    return text("at most {remaining:.0%} of it remains" if small else "the effect is smaller", remaining=remaining)
