"""Intervals: of paired differences and of a share; Holm's correction; and how many seeds it takes."""

import contextlib
import gc
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from gc_tutorial.errors import value_error

RESAMPLES = 9999
ROTATION = 5  # seeds in a row that hold each example out once
COLLECT = gc.collect  # kept here, so that of two threads none puts back the stand-in of the other


def estimate(differences: npt.ArrayLike, null: float = 0.0) -> dict[str, float]:
    """Estimate the mean of paired differences.

    Args:
        differences: array-like of float, shape (seeds,), without NaN.
        null: float, the mean that the p-value is against.

    Returns:
        dict of difference (mean), sd, t_low and t_high (95%, Student's t), inner_low and inner_high (90%, Student's t:
        what equivalence within a margin is judged by), low and high (95%, bootstrap BCa of SciPy; too narrow under
        about 15 seeds, so no word depends on it), p (two-sided t test) and seeds.

    Raises:
        ValueError: for fewer than two differences.
    """
    values = np.asarray(differences, float)
    if len(values) < 2 or not np.isfinite(values).all():
        raise value_error(
            "An interval needs at least two seeds with finite outcomes. Found {count}. Run more.", count=len(values)
        )
    found = {"difference": values.mean(), "sd": values.std(ddof=1), "seeds": len(values)}
    if np.ptp(values) <= 1e-12 * np.abs(values).max():  # no spread to judge by: all methods would return NaN
        equal = dict.fromkeys(("t_low", "t_high", "inner_low", "inner_high", "low", "high"), values[0])
        return {**found, **equal, "p": float(values[0] == null)}
    test = stats.ttest_1samp(values, null)
    found["t_low"], found["t_high"] = test.confidence_interval(0.95)
    found["inner_low"], found["inner_high"] = test.confidence_interval(0.90)
    found["low"], found["high"] = stats.bootstrap(
        (values,), np.mean, confidence_level=0.95, n_resamples=RESAMPLES, rng=0
    ).confidence_interval
    return {**found, "p": float(test.pvalue)}


def share(part: npt.ArrayLike, whole: npt.ArrayLike) -> dict[str, float]:
    """How much of one mean another mean is, with Fieller's 95% interval.

    Args:
        part, whole: array-like of float, shape (seeds,), paired.

    Returns:
        dict of share, share_low and share_high. Where the whole's own interval includes 0 there is nothing to take a
        share of, and the interval has no limits (-inf, inf).
    """
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    ratio = part.mean() / whole.mean() if whole.mean() else math.nan
    (variance, covariance), (_, whole_variance) = np.cov(part, whole) / len(part)
    squared = stats.t.ppf(0.975, len(part) - 1) ** 2
    # The shares s for which the mean of part - s * whole is not significant: a quadratic inequality in s.
    a = whole.mean() ** 2 - squared * whole_variance
    b = part.mean() * whole.mean() - squared * covariance
    c = part.mean() ** 2 - squared * variance
    if a <= 0:
        return {"share": ratio, "share_low": -math.inf, "share_high": math.inf}
    half = math.sqrt(max(b**2 - a * c, 0.0)) / a
    return {"share": ratio, "share_low": b / a - half, "share_high": b / a + half}


def holm(p_values: npt.ArrayLike) -> np.ndarray:
    """Correct p-values for multiple tests, by Holm's method (statsmodels); NaN stays NaN and does not count."""
    p_values = np.asarray(p_values, float)
    corrected, known = np.full(len(p_values), math.nan), np.isfinite(p_values)
    if known.any():
        with _without_collecting():
            corrected[known] = multipletests(p_values[known], method="holm")[1]
    return corrected


def for_new_examples(found: pd.DataFrame, held_out: float = 1 / ROTATION) -> np.ndarray:
    """P-values of mean differences for new examples: larger ones, since the seeds train on overlapping examples.

    The corrected resampled t test (Nadeau and Bengio 2003, "Inference for the Generalization Error", Machine Learning
    52): the variance of a mean over n seeds is taken as sd² (1/n + held-out / training examples), and not as sd² / n.

    Args:
        found: `pandas.DataFrame` with the columns difference, sd and seeds, as from `compare_pairs`.
        held_out: float, the part of the examples that each seed holds out.

    Returns:
        float array, shape (rows,), two-sided, not corrected for several tests.

    >>> ten_seeds = pd.DataFrame({"difference": [0.036], "sd": [0.0174], "seeds": [10]})
    >>> for_new_examples(ten_seeds).round(3)
    array([0.007])
    """
    variance = found["sd"] ** 2 * (1 / found["seeds"] + held_out / (1 - held_out))
    return 2 * stats.t.sf(np.abs(found["difference"]) / np.sqrt(variance), found["seeds"] - 1)


def shown(found: Any) -> Any:
    """Whether a row, or each row of a table, shows a difference: its 95% interval leaves out 0, also by `holm`."""
    return ((found["t_low"] > 0) | (found["t_high"] < 0)) & (found["p_holm"] < 0.05)


def within_margin(found: Any) -> Any:
    """Whether the difference of a row, or of each row of a table, is surely less than its margin."""
    return (found["inner_low"] >= -found["margin"]) & (found["inner_high"] <= found["margin"])


@contextlib.contextmanager
def _without_collecting():
    """Statsmodels runs the garbage collector in each call, which takes as long as all the rest of a study's rules."""
    gc.collect = lambda *_, **__: 0
    try:
        yield
    finally:
        gc.collect = COLLECT


def seeds_needed(sd: float, half_width: float, *, least: int = 30, most: int = 60, multiple: int = ROTATION) -> int:
    """How many seeds make the 95% t interval of a mean at most so wide.

    Args:
        sd: float, standard deviation of the paired differences, in the unit of `half_width`.
        half_width: float.
        least, most: int, bounds of the answer.
        multiple: int, of which the answer is a multiple: whole rotations.

    >>> seeds_needed(0.05, 0.02), seeds_needed(0.066, 0.02), seeds_needed(0.2, 0.02)
    (30, 45, 60)
    """
    for count in range(least, most, multiple):
        if stats.t.ppf(0.975, count - 1) * sd / math.sqrt(count) <= half_width:
            return count
    return most
