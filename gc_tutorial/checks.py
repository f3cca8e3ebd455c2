"""Checks of numbers that callers pass."""

import math
import numbers
import operator
from typing import Any

from gc_tutorial.language import text

LARGEST_SEED = 2**32 - 1  # of Keras and scikit-learn
LARGEST_NUMBER = 10**6  # of epochs, or images in a batch: more than anyone needs


class Shown:
    """A value in a message; "..." stands for one of more digits than Python writes, for which `repr` raises an error.

    Example:
        >>> Shown("1"), Shown(10**5000)
        ('1', ...)
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        try:
            return repr(self.value)
        except ValueError:
            return "..."


def is_whole(value: Any, smallest: int = 0, largest: float = math.inf) -> bool:
    """Whether a value is a whole number within limits, of Python or of NumPy; `True` and `1.0` are not.

    Args:
        value: whatever a caller has given.
        smallest, largest: the limits, both allowed.

    Example:
        >>> is_whole(3, 1), is_whole("3"), is_whole(True)
        (True, False, False)
    """
    if isinstance(value, bool):
        return False
    try:
        return smallest <= operator.index(value) <= largest
    except TypeError:
        return False


def check_whole(
    name: str, value: Any, smallest: int, largest: float = math.inf, error: type[ValueError] = ValueError
) -> None:
    """Raise an error for an argument that is not a whole number within limits, as for `is_whole`.

    Args:
        name: of the argument, for the message.
        value, smallest, largest: as for `is_whole`.
        error: the kind of error.
    """
    if not is_whole(value, smallest, largest):
        message = text(
            "{name}={value!r} is not valid. Give a whole number of at least {smallest}."
            if largest == math.inf
            else "{name}={value!r} is not valid. Give a whole number from {smallest} to {largest}.",
            name=name,
            value=Shown(value),
            smallest=smallest,
            largest=largest,
        )
        raise error(message)


def is_number(value: Any) -> bool:
    """Whether a value is a finite real number, of Python or of NumPy; `True` and `"1"` are not.

    Example:
        >>> is_number(0.5), is_number("0.5"), is_number(float("nan")), is_number(10**400)
        (True, False, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number or a fraction beyond the largest float
        return False
