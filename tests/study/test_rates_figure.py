"""The figures of the tuning, and of studies in one setting each: the numbers drawn, and what the titles say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_tables import made_table

from gc_tutorial.plotting import COLOURS
from gc_tutorial.study.evidence.outcomes import reduce_runs
from gc_tutorial.study.evidence.rates_figure import rates_alt, rates_figure, rates_finding, tuning_runs
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


def test_without_tuning_runs_it_says_so():
    with pytest.raises(ValueError, match="no tuning runs with the optimizer 'sgd'"):
        rates_figure(tuned(), optimizer="sgd")


def test_lines_are_means_over_seeds_and_every_run_is_a_dot():
    runs = tuned()
    figure = rates_figure(runs)
    for axis, column in zip(figure.axes, ("clean_loss", "heldout_accuracy"), strict=True):
        for arm in ARMS:
            group = runs[runs["arm"] == arm]
            values = group[column] if column == "clean_loss" else 100 * (1 - group[column])
            lines = [line for line in axis.lines if line.get_color() == COLOURS[arm]]
            dots, mean, _ = sorted(lines, key=lambda line: -len(line.get_ydata()))
            np.testing.assert_allclose(sorted(dots.get_ydata()), sorted(values))
            np.testing.assert_allclose(mean.get_ydata(), values.groupby(group["learning_rate"]).mean())
    assert [axis.get_title() for axis in figure.axes] == [
        "RMSprop: training loss, without dropout",
        "RMSprop: held-out error",
    ]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["no GC", "GC", "GC on the update"]


def test_stars_are_at_the_rates_that_the_losses_choose():
    runs = tuned()
    runs.loc[np.isclose(runs["learning_rate"], 1e-4), "heldout_loss"] = 0.0
    for axis, best in zip(rates_figure(runs).axes, (1e-3, 1e-4), strict=True):
        stars = [line.get_xdata()[0] for line in axis.lines if line.get_marker() == "*"]
        np.testing.assert_allclose(stars, best, rtol=0.5)  # beside one another, so that all are seen
        assert len(stars) == 3


def test_a_run_far_above_the_others_does_not_hide_them():
    table = made_table(arms=ARMS)
    high = (table["arm"] == "none") & (table["learning_rate"] == table["learning_rate"].max())
    table.loc[high & table["clean_loss"].notna(), "clean_loss"] = 300.0
    axis = rates_figure(reduce_runs(table)).axes[0]
    low, high, bottom = axis.transData.transform([(1e-3, 0.3), (1e-3, 0.6), (1e-3, axis.get_ylim()[0])])[:, 1]
    assert high - low > 0.05 * (axis.transAxes.transform((0, 1))[1] - bottom)


@pytest.mark.parametrize(
    ("best", "said"),
    [
        (1e-3, "RMSprop fits the training pictures best at the rate 1e-3, with and without GC"),
        (
            {"none": 10**-2.5, "gradient": 1e-3, "update": 1e-3},
            "RMSprop: the rates of the lowest training loss are no GC at 3.2e-3, GC at 1e-3 and GC on the update at "
            "1e-3",
        ),
    ],
)
def test_the_title_names_the_best_rates_and_no_winner(best, said):
    runs = tuned(best)
    assert rates_finding(runs) == said
    assert rates_figure(runs).get_suptitle().replace("\n", " ") == said
    assert rates_figure(runs, title="Finding").get_suptitle() == "Finding"


def test_the_alternative_text_holds_the_best_outcomes():
    runs = tuned(gain=0.5, noise=0)
    at_best = runs[np.isclose(runs["learning_rate"], 1e-3)].groupby("arm")
    loss, right = at_best["clean_loss"].mean(), at_best["heldout_accuracy"].mean()
    text = rates_alt(runs)
    assert "dots for 5 seeds" in text
    assert f"no GC {loss['none']:.2f} at 1e-3, GC {loss['gradient']:.2f} at 1e-3" in text
    assert f"no GC {100 * (1 - right['none']):.0f}% at 1e-3" in text


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
