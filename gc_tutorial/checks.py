"""Checks of numbers that callers pass. The callers word the error messages."""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any

LARGEST_SEED = 2**32 - 1  # of Keras and scikit-learn
LARGEST_NUMBER = 10**6  # of epochs, or images in a batch: beyond any use


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


def is_number(value: Any) -> bool:
    """Whether a value is a finite real number, of Python or of NumPy; `True` and `"1"` are not.

    Example:
        >>> is_number(0.5), is_number("0.5"), is_number(float("nan"))
        (True, False, False)
    """
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
