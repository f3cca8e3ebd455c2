"""Intervals, corrections and numbers of seeds, against their formulas."""

import gc
import math
import re
import weakref

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gc_tutorial.study.evidence.intervals import (
    estimate,
    for_new_examples,
    holm,
    seeds_needed,
    share,
    shown,
    within_margin,
)

VALUES = np.array([0.1, 0.3, 0.2, 0.6, 0.4])
LIMITS = ("t_low", "t_high", "inner_low", "inner_high", "low", "high")


def test_an_estimate_against_its_formulas():
    found = estimate(VALUES, 0.1)
    error = VALUES.std(ddof=1) / math.sqrt(5)
    assert list(found) == [
        "difference",
        "sd",
        "seeds",
        "t_low",
        "t_high",
        "inner_low",
        "inner_high",
        "low",
        "high",
        "p",
    ]
    assert (found["difference"], found["sd"], found["seeds"]) == (pytest.approx(0.32), VALUES.std(ddof=1), 5)
    for name, quantile in (("t", 0.975), ("inner", 0.95)):
        half = stats.t.ppf(quantile, 4) * error
        assert found[f"{name}_low"] == pytest.approx(0.32 - half)
        assert found[f"{name}_high"] == pytest.approx(0.32 + half)
    assert found["p"] == pytest.approx(2 * stats.t.sf(0.22 / error, 4))
    assert isinstance(found["p"], float)
    expected = stats.bootstrap((VALUES,), np.mean, confidence_level=0.95, n_resamples=9999, rng=0).confidence_interval
    assert (found["low"], found["high"]) == tuple(expected)


def test_the_bootstrap_is_the_same_every_time():
    many = np.random.default_rng(0).normal(size=30)  # of few values it is the same for most draws
    assert estimate(many) == estimate(many)


def test_numbers_may_come_as_objects_as_in_a_row_of_a_table():
    objects = VALUES.astype(object)
    assert estimate(objects) == estimate(VALUES)
    assert share(objects, 2 * objects) == share(VALUES, 2 * VALUES)
    np.testing.assert_array_equal(holm(objects), holm(VALUES))


def test_the_p_value_is_against_zero_unless_told():
    assert estimate(VALUES)["p"] == estimate(VALUES, 0.0)["p"] == pytest.approx(stats.ttest_1samp(VALUES, 0).pvalue)


@pytest.mark.parametrize(
    ("values", "null", "p"), [([0.5, 0.5], 0.0, 0.0), ([0.5, 0.5], 0.5, 1.0), ([0, 0, 0], 0.0, 1.0)]
)
def test_values_without_spread_are_their_own_interval(values, null, p):
    expected = {"difference": values[0], "sd": 0.0, "seeds": len(values), **dict.fromkeys(LIMITS, values[0]), "p": p}
    assert estimate(values, null) == expected


def test_a_spread_of_rounding_alone_is_none():
    assert estimate([1.0, 1.0 + 1e-15])["t_low"] == 1.0
    assert estimate([1.0, 1.0 + 1e-11])["t_low"] < 1.0
    assert estimate([1e6, 1e6 + 1e-8])["t_low"] == 1e6
    assert estimate([1e-14, 2e-14])["t_low"] < 1e-14


@pytest.mark.parametrize(("values", "count"), [([0.5], 1), ([], 0), ([0.5, math.nan], 2), ([0.5, math.inf, 1], 3)])
def test_too_few_or_not_finite(values, count):
    told = f"An interval needs at least two seeds with finite outcomes. Found {count}. Run more."
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        estimate(values)


# ----- shares


def test_a_share_and_its_interval_solve_fiellers_equation():
    random = np.random.default_rng(1)
    whole = random.normal(1, 0.3, 12)
    part = 0.4 * whole + random.normal(0, 0.1, 12)
    found = share(part, whole)
    assert found["share"] == pytest.approx(part.mean() / whole.mean())
    for limit in (found["share_low"], found["share_high"]):  # there the difference is just significant
        assert stats.ttest_1samp(part - limit * whole, 0).pvalue == pytest.approx(0.05)
    assert found["share_low"] < found["share"] < found["share_high"]


def test_a_share_of_an_exact_part_is_exact():
    found = share(0.25 * VALUES[1:], VALUES[1:])
    assert list(found.values()) == pytest.approx([0.25] * 3)


def test_there_is_no_share_of_nothing():
    found = share([1.0, 2.0, 3.0], [-1.0, 0.5, 1.0])  # its interval includes 0
    assert found == {"share": pytest.approx(12.0), "share_low": -math.inf, "share_high": math.inf}
    found = share([1.0, 2.0], [-1.0, 1.0])
    assert math.isnan(found["share"]) and found["share_high"] == math.inf
    found = share([0.0, 0.0], [0.0, 0.0])
    assert math.isnan(found["share"]) and found["share_low"] == -math.inf


# ----- several tests, and numbers of seeds


@pytest.mark.parametrize("frozen", [True, False])
def test_the_garbage_collector_is_as_it_was(frozen):
    """What `gc_tutorial.start` has hidden from it stays hidden."""

    class Cycle:
        def __init__(self):
            self.itself = self

    kept = Cycle()
    reference = weakref.ref(kept)
    gc.freeze() if frozen else gc.unfreeze()
    try:
        holm([0.01, 0.02])
        del kept
        gc.collect()
        assert (reference() is None) is not frozen
    finally:
        gc.freeze()


@pytest.mark.parametrize(
    ("t_low", "t_high", "p_holm", "expected"),
    [
        (0.1, 0.3, 0.04, True),
        (-0.3, -0.1, 0.04, True),
        (-0.1, 0.3, 0.04, False),
        (0.0, 0.3, 0.04, False),
        (-0.3, 0.0, 0.04, False),
        (0.1, 0.3, 0.05, False),
        (-0.3, -0.1, 0.06, False),
    ],
)
def test_a_difference_is_shown_by_its_interval_and_by_holm(t_low, t_high, p_holm, expected):
    row = {"t_low": t_low, "t_high": t_high, "p_holm": p_holm}
    assert shown(row) is expected
    assert shown(pd.DataFrame([row])).tolist() == [expected]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-0.02, 0.02, True), (-0.021, 0.0, False), (0.0, 0.021, False), (0.021, 0.03, False), (-0.03, -0.021, False)],
)
def test_a_difference_is_within_a_margin_by_its_90_percent_interval(low, high, expected):
    row = {"inner_low": low, "inner_high": high, "t_low": 2 * low, "t_high": 2 * high, "margin": 0.02}
    assert within_margin(row) is expected
    assert within_margin(pd.DataFrame([row])).tolist() == [expected]


def test_the_garbage_collector_is_not_run():
    """Statsmodels does, in each call: half of the time of a study's findings."""
    runs = []
    gc.callbacks.append(lambda phase, _: runs.append(phase))
    gc.disable()  # from here on it runs only where it is called
    try:
        holm([0.01, 0.02])
    finally:
        gc.enable()
        gc.callbacks.pop()
    assert not runs


def test_holms_correction():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.01, math.nan, 0.03]), [0.02, math.nan, 0.03])
    np.testing.assert_allclose(holm(pd.Series([0.9, 0.8])), [1.0, 1.0])
    assert np.isnan(holm([math.nan, math.nan])).all()
    assert len(holm([])) == 0


@pytest.mark.parametrize(
    ("sd", "half_width", "options", "expected"),
    [
        (0.05, 0.02, {}, 30),
        (0.066, 0.02, {}, 45),
        (0.2, 0.02, {}, 60),
        (0.2, 0.02, {"most": 400}, 390),
        (0.2, 0.02, {"most": 390}, 390),
        (0.2, 0.02, {"most": 400, "multiple": 1, "least": 31}, 387),
        (0.001, 0.02, {"least": 4, "multiple": 2}, 4),
    ],
)
def test_seeds_needed(sd, half_width, options, expected):
    count = seeds_needed(sd, half_width, **options)
    assert count == expected


def test_as_many_seeds_as_are_needed_are_enough_also_where_the_width_is_met_exactly():
    width = stats.t.ppf(0.975, 34) * 1.0 / math.sqrt(35)
    assert seeds_needed(1.0, width) == 35
    assert seeds_needed(1.0, width * 0.999) == 40


def test_overlapping_training_sets_make_a_difference_less_sure():
    table = pd.DataFrame([estimate(VALUES), estimate(-VALUES)])
    variance = VALUES.var(ddof=1) * (1 / 5 + 0.3 / 0.7)
    assert for_new_examples(table, held_out=0.3) == pytest.approx([2 * stats.t.sf(0.32 / math.sqrt(variance), 4)] * 2)
    assert for_new_examples(table, held_out=0.0) == pytest.approx(table["p"])  # nothing is shared
    assert (for_new_examples(table) > table["p"]).all()
