"""Check what `compare` is given, before data are loaded and hours of training begin."""

import itertools
import operator
from collections.abc import Iterable
from typing import Any

from gc_tutorial.checks import LARGEST_NUMBER, LARGEST_SEED, Shown, check_whole, is_number, is_whole
from gc_tutorial.errors import value_error
from gc_tutorial.study.factors import COMPARED_ARMS, OPTIMIZERS

MAX_SEEDS, MAX_ARMS = 10_000, 100


def checked_arms(arms: Any, optimizer: Any) -> tuple[str, ...]:
    """The arms, each a known one, after a check of the optimizer's name.

    Raises:
        ValueError: for no arms, more than `MAX_ARMS`, or an unknown arm or optimizer.
    """
    listed = isinstance(arms, Iterable) and not isinstance(arms, str)
    names = tuple(itertools.islice(arms, MAX_ARMS + 1)) if listed else ()  # they may be endless
    if not 0 < len(names) <= MAX_ARMS:
        raise value_error(
            "arms={arms!r} is not valid. Give a list of 1 to {most} of: {known}.",
            arms=arms,
            most=MAX_ARMS,
            known=", ".join(COMPARED_ARMS),
        )
    for found, known, what in ((names, COMPARED_ARMS, "arm"), ([optimizer], tuple(OPTIMIZERS), "optimizer")):
        for name in found:
            if name not in known:
                raise value_error(
                    "There is no {what} {name!r}. Choose from: {known}.", what=what, name=name, known=", ".join(known)
                )
    return names


def checked_seeds(seeds: Any) -> list[int]:
    """The seeds, from their number or from any iterable of them, even an infinite one.

    Raises:
        ValueError: for no seeds, too many, or one that is not valid.
    """
    if is_whole(seeds, 1):
        seeds = range(operator.index(seeds))
    if not isinstance(seeds, Iterable) or isinstance(seeds, (str, bytes, bytearray)):
        raise value_error(
            "seeds={seeds!r} is not valid. Give at least one: how many, or a list of the seeds themselves.",
            seeds=Shown(seeds),
        )
    given = list(itertools.islice(seeds, MAX_SEEDS + 1))
    try:
        count = len(seeds)  # type: ignore[arg-type]
    except (TypeError, OverflowError):  # they may be endless, or more than Python counts
        count = len(given)
    if count > MAX_SEEDS:
        raise value_error("{count} seeds are too many. Choose at most {most}.", count=count, most=MAX_SEEDS)
    if not count:
        raise value_error("There are no seeds. Give at least one.")
    wrong = [seed for seed in given if not is_whole(seed, 0, LARGEST_SEED)]
    if wrong:
        raise value_error(
            "seeds={seeds}: a seed is a whole number from 0 to {largest}.",
            seeds=list(map(Shown, wrong[:3])),
            largest=LARGEST_SEED,
        )
    return [operator.index(seed) for seed in given]


def check_settings(learning_rate: Any, batch_size: Any, epochs: Any) -> tuple[float, int, int]:
    """The three numbers as Python's own: Keras takes no other learning rate, and JSON no number of NumPy.

    Raises:
        ValueError: naming the argument, what was found and what is allowed.
    """
    check_whole("batch_size", batch_size, 1, LARGEST_NUMBER)
    check_whole("epochs", epochs, 1, LARGEST_NUMBER)
    rate = float(learning_rate) if is_number(learning_rate) else 0.0
    if rate <= 0:
        raise value_error(
            "learning_rate={learning_rate!r} is not valid. Give a number above 0, such as 0.001.",
            learning_rate=Shown(learning_rate),
        )
    return rate, operator.index(batch_size), operator.index(epochs)
