"""Check what `compare` is given, before data are loaded and hours of training begin."""

import itertools
import operator
from collections.abc import Iterable, Sized
from typing import Any

from gc_tutorial.checks import LARGEST_NUMBER, LARGEST_SEED, check_whole, is_number, is_whole
from gc_tutorial.errors import value_error
from gc_tutorial.study.factors import COMPARED_ARMS, OPTIMIZERS

MAX_SEEDS = 10_000


def checked_arms(arms: Any, optimizer: Any) -> tuple[str, ...]:
    """The arms, each a known one, after a check of the optimizer's name.

    Raises:
        ValueError: for no arms, or an unknown arm or optimizer.
    """
    names = tuple(arms) if isinstance(arms, Iterable) and not isinstance(arms, str) else ()
    if not names:
        raise value_error(
            "arms={arms!r} is not valid. Give a list of at least one of: {known}.",
            arms=arms,
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
    given: Any
    if is_whole(seeds, 1):
        count, given = operator.index(seeds), range(min(seeds, MAX_SEEDS))
    elif isinstance(seeds, Iterable) and not isinstance(seeds, str):
        given = list(itertools.islice(seeds, MAX_SEEDS + 1))  # it may be endless
        count = len(seeds) if isinstance(seeds, Sized) else len(given)
    else:
        raise value_error(
            "seeds={seeds!r} is not valid. Give at least one: how many, or a list of the seeds themselves.", seeds=seeds
        )
    if count > MAX_SEEDS:
        raise value_error("{count} seeds are too many. Choose at most {most}.", count=count, most=MAX_SEEDS)
    if not count:
        raise value_error("There are no seeds. Give at least one.")
    wrong = [seed for seed in given if not is_whole(seed, 0, LARGEST_SEED)]
    if wrong:
        raise value_error(
            "seeds={seeds}: a seed is a whole number from 0 to {largest}.", seeds=wrong[:3], largest=LARGEST_SEED
        )
    return [operator.index(seed) for seed in given]


def check_settings(learning_rate: Any, batch_size: Any, epochs: Any) -> None:
    """Raise an error for numbers that training cannot use.

    Raises:
        ValueError: naming the argument, what was found and what is allowed.
    """
    check_whole("batch_size", batch_size, 1, LARGEST_NUMBER)
    check_whole("epochs", epochs, 1, LARGEST_NUMBER)
    if not is_number(learning_rate) or learning_rate <= 0:
        raise value_error(
            "learning_rate={learning_rate!r} is not valid. Give a number above 0, such as 0.001.",
            learning_rate=learning_rate,
        )
