"""The figures of the tuning, and of studies in one setting each: the numbers drawn, and what the titles say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_tables import made_table

from gc_tutorial.plotting import COLOURS
from gc_tutorial.study.evidence.figures import draw_rates, tuning_runs
from gc_tutorial.study.evidence.outcomes import reduce_runs
from gc_tutorial.study.settings_figure import settings_figure

ARMS = ("update", "gradient", "none")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def tuned(best=1e-3, **options):
    return reduce_runs(made_table(arms=ARMS, best=best, **options))


def differences(shift):
    return pd.DataFrame(
        [
            {"arm": arm, "outcome": outcome, "difference": d + shift, "t_low": d + shift - 1, "t_high": d + shift + 2}
            for outcome, d in (("train_loss", 3.0), ("test_accuracy", 0.1), ("seconds_per_epoch", 9.0))
            for arm in ("gradient", "update")
        ]
    )


def test_only_the_tuning_runs_of_the_largest_setting_are_taken_with_no_gc_first():
    longer = made_table(arms=ARMS, rates=[1e-3], epochs=36)
    others = made_table(stage="confirmation"), made_table(optimizer="adam")
    found = tuning_runs(reduce_runs(pd.concat([longer, *others, made_table(arms=ARMS)])), "rmsprop")
    assert (set(found["stage"]), set(found["epochs"]), set(found["optimizer"])) == ({"tuning"}, {12}, {"rmsprop"})
    assert list(found["arm"].unique()) == ["none", "gradient", "update"]


def drawn(runs, outcome="clean_loss", **options):
    axis = plt.figure().subplots()
    draw_rates(axis, tuning_runs(runs, "rmsprop"), outcome, **options)
    return axis


@pytest.mark.parametrize("outcome", ["clean_loss", "heldout_accuracy"])
def test_lines_are_means_over_seeds_and_every_run_is_a_dot(outcome):
    runs = tuned()
    axis = drawn(runs, outcome)
    for arm in ARMS:
        group = runs[runs["arm"] == arm]
        values = group[outcome] if outcome == "clean_loss" else 100 * group[outcome]
        lines = [line for line in axis.lines if line.get_color() == COLOURS[arm]]
        dots, mean, _ = sorted(lines, key=lambda line: -len(line.get_ydata()))
        np.testing.assert_allclose(sorted(dots.get_ydata()), sorted(values))
        np.testing.assert_allclose(mean.get_ydata(), values.groupby(group["learning_rate"]).mean())


@pytest.mark.parametrize(("by", "best"), [(None, 1e-3), ("heldout_loss", 1e-4)])
def test_stars_are_at_the_rates_that_the_losses_choose(by, best):
    runs = tuned()
    runs.loc[np.isclose(runs["learning_rate"], 1e-4), "heldout_loss"] = 0.0
    stars = [line.get_xdata()[0] for line in drawn(runs, by=by).lines if line.get_marker() == "*"]
    np.testing.assert_allclose(stars, best, rtol=0.5)  # beside one another, so that all are seen
    assert len(stars) == 3


def test_a_run_far_above_the_others_does_not_hide_them():
    table = made_table(arms=ARMS)
    high = (table["arm"] == "none") & (table["learning_rate"] == table["learning_rate"].max())
    table.loc[high & table["clean_loss"].notna(), "clean_loss"] = 300.0
    axis = drawn(reduce_runs(table))
    low, high, bottom = axis.transData.transform([(1e-3, 0.3), (1e-3, 0.6), (1e-3, axis.get_ylim()[0])])[:, 1]
    assert high - low > 0.05 * (axis.transAxes.transform((0, 1))[1] - bottom)


def test_each_study_is_a_row_with_a_point_and_a_bar_for_each_arm():
    figure = settings_figure({"one": differences(0.0), "two": differences(-5.0)}, title="Finding")
    assert figure.get_suptitle() == "Finding"
    for axis, middle, unit in zip(figure.axes, (3.0, 0.1), (1, 100), strict=True):
        assert [label.get_text() for label in axis.get_yticklabels()] == ["one", "two"]
        assert axis.get_ylim() == (1.5, -0.5)  # the first study on top
        for arm, side in (("gradient", -1), ("update", 1)):
            drawn = [line for line in axis.lines if line.get_color() == COLOURS[arm]]
            points = [line for line in drawn if line.get_marker() != "None"]
            bars = [line for line in drawn if line.get_marker() == "None"]
            for place, shift in enumerate((0.0, -5.0)):
                assert points[place].get_xdata()[0] == pytest.approx(unit * (middle + shift))
                np.testing.assert_allclose(bars[place].get_xdata(), [unit * (middle + shift + end) for end in (-1, 2)])
                assert 0 < side * (points[place].get_ydata()[0] - place) < 0.5  # in the same order in all rows
        (zero,) = [line for line in axis.lines if list(line.get_xdata()) == [0, 0]]
        assert zero.get_color() == COLOURS["none"]
    assert [axis.get_xlabel() for axis in figure.axes] == [
        "final training loss, difference from no GC",
        "final held-out accuracy, difference from no GC (points)",
    ]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["GC on the gradient", "GC on the update", "no GC"]
