"""Answers to rules about a difference of differences."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gc_tutorial.language import sentences, text
from gc_tutorial.study.evidence import effects, pairs
from gc_tutorial.study.evidence.answers import OTHER_LOSS, Study, at_edge, unanswered
from gc_tutorial.study.evidence.intervals import holm, shown
from gc_tutorial.study.evidence.names import named_rows, value_name
from gc_tutorial.study.evidence.outcomes import OUTCOMES
from gc_tutorial.study.evidence.wording import changed_amount, digits, higher_is_better, signed


def interaction(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """Whether an effect differs between two levels of a factor."""
    found = pairs.best_pairs(study.runs, by=rule["by"], tuning=study.tuning)
    if found.empty:
        return unanswered(), found
    options = {"outcome": rule["outcome"], "scale": rule.get("scale", "")}
    parts = [effects.interaction(found, rule["factor"], *levels, **options) for levels in rule["levels"]]
    parts = [part for part in parts if len(part)]
    if not parts:
        return unanswered(), pd.DataFrame()
    table = pd.concat(parts, ignore_index=True)
    table["p_holm"] = holm(table["p"])
    table["disagrees"] = False
    other = OTHER_LOSS.get(rule["outcome"])
    if rule["factor"] == "network" and other in found:
        others = [
            effects.interaction(found, "network", *levels, **{**options, "outcome": other}) for levels in rule["levels"]
        ]
        others = pd.concat(others, ignore_index=True)
        others["p_holm"] = holm(others["p"])
        table["disagrees"] = _direction(table) != _direction(others)
    table["counts"] = rule.get("edge_counts", True) | ~table["edge"]
    return [changed(row, name, rule.get("remaining")) for name, row in named_rows(table)], table


def _direction(table):
    """The sign of each change that is shown, and 0 for the others."""
    return np.sign(table["difference"]).where(shown(table), 0)


def changed(row: Mapping, name: str, remaining: float | None = None) -> str:
    """Say what an interaction shows."""
    first, second = (value_name(row["factor"], row[one]) for one in ("first", "second"))
    notes = [at_edge()] if row["edge"] else []
    if shown(row) and row.get("disagrees"):
        notes.append(text("The other measure of the training loss does not show the same, so this does not count."))
    if shown(row) and not row.get("counts", True):
        notes.append(text("So this does not count."))
    if not shown(row):
        end = text("no change is shown")
    elif remaining is not None and row["share"] <= remaining:
        end = text("a change is shown, and {share:.0%} of the effect remains", share=row["share"])
    else:
        end = text("a change is shown")
    better = 1 if higher_is_better(row["outcome"]) else -1
    gains = row["effect_first"] + row["effect_second"] >= 0  # a harm that grows is not a "smaller" effect
    said = text(
        "{name}: with GC the {outcome} is {effect_first} with {first} and {effect_second} with {second}. The effect is "
        "{size}: {end}."
        if gains
        else "{name}: with GC the {outcome} is {effect_first} with {first} and {effect_second} with {second}. The "
        "difference moves {size}: {end}.",
        name=name,
        outcome=OUTCOMES[row["outcome"]],
        effect_first=changed_amount(better * row["effect_first"], row["outcome"], row["scale"], joined=True),
        first=first,
        effect_second=changed_amount(better * row["effect_second"], row["outcome"], row["scale"]),
        second=second,
        size=size_of_change(row) if gains else _move(row, better),
        end=end,
    )
    return sentences([said, *notes])


def _move(row, better):
    """How far the difference is from the first level to the second, with signs: as in the outcome, not as a gain."""
    times = units_in_one(row)
    size, *ends = (-better * times * row[one] for one in ("difference", "t_low", "t_high"))
    near, far = map(signed, sorted(ends))
    said = {"size": with_unit(row, signed(size)), "interval": text("{near} to {far}", near=near, far=far)}
    return text("by {size} (95% interval {interval}, {seeds:.0f} seeds)", **said, seeds=row["seeds"])


def units_in_one(row: Mapping) -> int:
    """How many of the units make 1 in which an effect, and a difference of two, is said."""
    return 100 if row["outcome"].endswith("accuracy") else 1


def with_unit(row: Mapping, number: str) -> str:
    """A number with that unit."""
    if units_in_one(row) > 1:
        return number + text(" points")
    return text("{number} in the logarithm", number=number) if row["scale"] == "log" else number


def size_of_change(row: Mapping) -> str:
    """Say how much larger the effect is at the second level, in the unit that it was computed in.

    Args:
        row: with difference, t_low and t_high (of the effect at the first level minus that at the second), seeds,
            outcome and scale.
    """
    times = units_in_one(row)
    # The effect at the second level minus that at the first; the table has it the other way round.
    values = [times * -row[one] for one in ("difference", "t_high", "t_low")]
    size, low, high = (digits(value) for value in values)
    if values[1] < 0 < values[2]:
        interval = text("from {low} smaller to {high} larger", low=low, high=high)
    else:
        near, far = (low, high) if values[0] > 0 else (high, low)
        interval = text("{near} to {far}", near=near, far=far)
    said = {"size": with_unit(row, size), "interval": interval, "seeds": row["seeds"]}
    if values[0] > 0:
        return text("larger by {size} (95% interval {interval}, {seeds:.0f} seeds)", **said)
    return text("smaller by {size} (95% interval {interval}, {seeds:.0f} seeds)", **said)
