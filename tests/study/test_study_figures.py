"""The figures of the study: what is drawn, what a reader without the picture is told, at any width."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_tables import made_table

from gc_tutorial import plotting
from gc_tutorial.study.evidence import (
    budget_figure,
    effects,
    figures,
    forest_figure,
    mechanism_figure,
    removed,
    removed_figure,
)
from gc_tutorial.study.evidence.outcomes import reduce_runs
from gc_tutorial.study.evidence.pairs import best_pairs, compare_pairs
from gc_tutorial.study.evidence.tuning import best_of_k

BEST = {"none": 1e-3, "gradient": 10**-2.5}
CONFIRMING = {"stage": "confirmation", "rates": [1e-3], "seeds": range(200, 220)}


@pytest.fixture(scope="module")
def tuning():
    return reduce_runs(made_table(best=BEST))


@pytest.fixture(scope="module")
def heldout():
    settings = [
        {"accuracy": 0.06, "network": "cnn_bn"},
        {"accuracy": -0.06, "optimizer": "adam"},
        {"data": "cats_and_dogs", "noise": 0.01},
        {"data": "flowers", "noise": 0.1},
        {"train_examples": 100, "pretrained": "flowers"},
    ]
    runs = reduce_runs(pd.concat([made_table(**{**CONFIRMING, **one}) for one in settings]))
    return compare_pairs(best_pairs(runs), "heldout_accuracy", margin=0.02)


@pytest.fixture(scope="module")
def ablations():
    gain = {"gradient": 0.4, "half": 0.2, "random_direction": 0.0}
    tables = [
        made_table(**CONFIRMING, arms=("none", *gain), gain=gain),
        made_table(**CONFIRMING, gain=0.1, scaling="-1..1"),
    ]
    usual, others = effects.split_settings(effects.ablations(reduce_runs(pd.concat(tables))))
    assert (len(usual), set(usual["scaling"])) == (3, {"0..1"})
    assert (list(others["arm"]), set(others["scaling"])) == (["gradient"], {"-1..1"})
    return usual, others


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def overlapping(figure):
    """Pairs of texts of a figure that lie over one another."""
    figure.canvas.draw()
    texts = [one._suptitle for one in (figure, *figure.subfigs) if one._suptitle]
    for axis in figure.axes:
        low, high = sorted(axis.get_ylim())
        ticks = [one.label1 for one in axis.yaxis.get_major_ticks() if low <= one.get_loc() <= high]
        texts += [axis.title, axis.xaxis.label, *ticks]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text()]
    return [
        (one, other)
        for place, (one, box) in enumerate(boxes)
        for other, second in boxes[place + 1 :]
        if min(box.x1, second.x1) - max(box.x0, second.x0) > 1 and min(box.y1, second.y1) - max(box.y0, second.y0) > 2
    ]


@pytest.mark.parametrize("kind", ["answer", "mechanism"])
def test_nothing_overlaps_or_sticks_out(tuning, heldout, ablations, kind):
    figure = mechanism_figure.mechanism(*ablations) if kind == "mechanism" else figures.answer(tuning, heldout)
    assert overlapping(figure) == []
    for axis in figure.axes:
        box = axis.get_tightbbox()
        assert box.x0 >= -1 and box.x1 <= figure.bbox.width + 1
    assert figure.get_figwidth() < 6


def test_the_finding_about_the_settings_stands_above_their_own_panel(tuning, heldout):
    figure = figures.answer(tuning, heldout)
    above, below = figure.subfigs
    assert figure._suptitle is None and above._suptitle is None
    assert below._suptitle.get_text().split() == forest_figure.forest_finding(heldout).split()


def test_no_gc_at_a_larger_rate_is_called_in_the_figure_what_it_is_called_in_the_table():
    gain = {"gradient": 0.4, "half": 0.2}
    tables = [
        made_table(**CONFIRMING, arms=("none", *gain), gain=gain),
        made_table(**{**CONFIRMING, "rates": [1.7e-3]}, arms=["none"]),
    ]
    arms = effects.ablations(reduce_runs(pd.concat(tables)), faster=1.7)
    (axis,) = mechanism_figure.mechanism(arms).axes
    assert "no GC at 1.7 times the rate" in [label.get_text() for label in axis.get_yticklabels()]
    assert "no GC at 1.7 times the rate " in mechanism_figure.mechanism_alt(arms)


def test_the_stars_are_at_the_tuned_rates(tuning):
    axis = plt.subplots()[1]
    figures.draw_rates(axis, tuning, "clean_loss")
    stars = {line.get_color(): line.get_xdata()[0] for line in axis.lines if line.get_marker() == "*"}
    for arm, rate in BEST.items():
        assert stars[figures.COLOURS[arm]] == pytest.approx(rate, rel=0.2)
    dots = [line for line in axis.lines if line.get_marker() == "."]
    assert sum(len(line.get_xdata()) for line in dots) == len(tuning)


def test_the_forest_holds_each_setting_in_points(heldout):
    axis = plt.subplots()[1]
    forest_figure.draw_forest(axis, heldout)
    points = [line.get_xdata()[0] for line in axis.lines if len(line.get_xdata()) == 1]
    assert points == pytest.approx(list(100 * heldout["difference"]))
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels[-1].startswith("flowers") or any("fine-tuned" in label for label in labels)


def test_the_forest_holds_losses_in_percent():
    tables = [made_table(**CONFIRMING, gain=0.3), made_table(**CONFIRMING, optimizer="adam", gain=-0.3)]
    pairs = best_pairs(reduce_runs(pd.concat(tables)))
    table = compare_pairs(pairs, "clean_loss", margin=0.05, scale="log")
    figure = forest_figure.forest(table)
    drawn = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    assert [line.get_xdata()[0] for line in drawn] == pytest.approx(list(100 * np.expm1(table["difference"])))
    assert [line.get_marker() for line in drawn] == ["v", "^"]  # Adam's loss is higher: it hurts
    assert "percent" in figure.axes[0].get_xlabel() and overlapping(figure) == []
    assert forest_figure.forest_finding(table) == "Training loss: tuned GC helps in 1 and hurts in 1 of 2 settings"
    assert figure._suptitle.get_text().split() == forest_figure.forest_finding(table).split()
    assert figure.axes[0].get_legend_handles_labels()[1][0] == "margin: ±5%"
    assert "; RMSprop -2" in forest_figure.forest_alt(table)


def test_titles_say_the_finding(heldout, ablations):
    finding = forest_figure.forest_finding(heldout)
    assert "helps in 1 and hurts in 1 of 5 settings" in finding
    assert forest_figure.forest_finding(heldout[heldout["data"] == "cats_and_dogs"]) == (
        "Held-out accuracy: no effect of tuned GC is shown in any of 1 settings; no practical difference in 1"
    )
    assert mechanism_figure.mechanism_finding(ablations[0]).startswith("RMSprop: GC lowers the training loss by 3")
    null = reduce_runs(made_table(**CONFIRMING))
    assert "not shown to lower" in mechanism_figure.mechanism_finding(effects.ablations(null))


def test_the_alternative_texts_hold_the_numbers(tuning, heldout, ablations):
    text = figures.answer_alt(tuning, heldout)
    assert "at 3.2e-3" in text and "hurts)" in text
    text = mechanism_figure.mechanism_alt(*ablations)
    assert "random direction" in text and "GC, inputs [-1, 1]" in text


def test_no_tuning_runs_of_the_optimizer(tuning, heldout):
    with pytest.raises(ValueError, match="no tuning runs with the optimizer 'sgd'"):
        figures.answer(tuning, heldout, optimizer="sgd")


LAYERS = ["conv 1", "conv 2"]


@pytest.fixture(scope="module")
def removed_table():
    """Two settings with two layers: in the first layer 60% and 20%, in the second 10% in both."""
    tables = [made_table(**CONFIRMING, arms=["none"], scaling=one) for one in ("0..1", "-1..1")]
    for table, share in zip(tables, (0.6, 0.2), strict=True):
        table[["share_1", "share_2"]] = share, 0.1
        table["share_1"] *= 1 + 0.01 * (table["seed"] % 5 - 2)
        table["share_2"] *= 1 + 0.01 * (table["seed"] % 3 - 1)
        table["chance"] = "0.04 0.01"
    return removed.removed_shares(reduce_runs(pd.concat(tables).drop(columns="chance_1")))


def test_what_is_removed_is_drawn_layer_by_layer_above_chance(removed_table):
    figure = removed_figure.shares(removed_table, LAYERS)
    assert overlapping(figure) == []
    drawn = {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines}
    assert drawn["inputs [0, 1]"] == pytest.approx([0.6, 0.1], rel=0.01)
    assert drawn["inputs [-1, 1]"] == pytest.approx([0.2, 0.1], rel=0.01)
    assert drawn["chance, 1/M"] == pytest.approx([0.04, 0.01])
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == LAYERS


def test_the_title_of_what_is_removed(removed_table):
    said = removed_figure.removed_finding(removed_table)
    assert "20% (inputs [-1, 1]) and 60% (inputs [0, 1]) lie along the mean" in said
    alike = removed_table[removed_table["scaling"] == "0..1"]
    for table in (removed_table, alike, alike[alike["layer"] == 1]):
        assert removed_figure.removed_finding(table, prose=True) == removed_figure.removed_finding(table)
    assert removed_figure.removed_finding(alike) == (
        "Without GC, 60% of the first layer's squared gradient norm lies along the mean. In the other layers the share "
        "is 10 times chance"
    )
    assert "conv 2 10%, 10 times chance" in removed_figure.removed_alt(removed_table, LAYERS)


def test_the_budget_has_a_line_for_each_arm_and_a_panel_for_each_optimizer():
    table = best_of_k(reduce_runs(pd.concat([made_table(gain=0.5), made_table(gain=0.5, optimizer="sgd")])))
    figure = budget_figure.budget(table)
    assert overlapping(figure) == []
    assert [axis.get_title() for axis in figure.axes] == ["RMSprop", "SGD"]
    ours, base = (table[(table["optimizer"] == "sgd") & (table["arm"] == arm)] for arm in ("gradient", "none"))
    drawn = {line.get_color(): list(line.get_ydata()) for line in figure.axes[1].lines}
    assert drawn[figures.COLOURS["gradient"]] == list(ours["expected"])
    assert drawn[figures.COLOURS["none"]] == list(base["expected"])
    first = table[(table["optimizer"] == "rmsprop") & (table["arm"] == "none")]["expected"]
    said = budget_figure.budget_finding(table)
    assert f"with GC, {first.iloc[0]:.2f} without. The best of 5: " in said
    assert said.endswith(f"and {first.iloc[-1]:.2f}")
    assert "SGD, no GC: " in budget_figure.budget_alt(table)


# ----- bars are Student's intervals, and each stands in its own row


def bars(axis):
    """The two ends of each horizontal bar, by its row."""
    drawn = [line for line in axis.lines if len(line.get_xdata()) == 2 and len(set(line.get_ydata())) == 1]
    return {line.get_ydata()[0]: list(line.get_xdata()) for line in drawn}


def points(axis):
    """The point of each row: its place, shape and colour."""
    drawn = [line for line in axis.lines if len(line.get_xdata()) == 1]
    return {line.get_ydata()[0]: (line.get_xdata()[0], line.get_marker(), line.get_color()) for line in drawn}


def marked(heldout):
    """With one setting at the edge of its grid, and bootstrap intervals that are easily told from Student's."""
    edge = [True, *[False] * (len(heldout) - 1)]
    return heldout.assign(edge=edge, low=heldout["t_low"] - 1, high=heldout["t_high"] + 1)


def test_forests_side_by_side_share_their_rows_and_their_key(heldout):
    losses = heldout.assign(outcome="clean_loss", scale="log")
    figure = forest_figure.forests([losses, heldout])
    titles = [" ".join(axis.get_title().split()) for axis in figure.axes]
    assert titles == [forest_figure.forest_finding(losses), forest_figure.forest_finding(heldout)]
    figure.canvas.draw()
    named = [[label.get_text() for label in axis.get_yticklabels() if label.get_visible()] for axis in figure.axes]
    assert len(named[0]) == len(heldout) and not named[1]
    (key,) = figure.legends
    said = [one.get_text() for one in key.get_texts()]
    assert len(said) == len(set(said)) and {"margin: ±2%", "margin: ±2 points"} < set(said)
    points = [line for line in figure.axes[1].lines if line.get_marker() in "^vso"]
    shown = [line.get_xdata()[0] for line in points if len(line.get_xdata())]  # those of the key have no data
    assert shown == pytest.approx(list(100 * heldout["difference"]))


def test_a_row_of_the_forest_is_a_point_and_its_t_interval(heldout):
    axis = plt.subplots()[1]
    forest_figure.draw_forest(axis, marked(heldout).assign(margin=0.03))
    found = bars(axis)
    for place, (_, row) in enumerate(heldout.iterrows()):
        assert found[place] == pytest.approx([100 * row["t_low"], 100 * row["t_high"]])
        at, shape, colour = points(axis)[place]
        assert at == pytest.approx(100 * row["difference"])
        mark = forest_figure.MARKS[row["word"]]
        assert (shape, colour) == (mark["marker"], mark["color"]) and colour not in plotting.COLOURS.values()
    assert len(found) == len(heldout)
    assert axis.get_ylim() == (len(heldout) - 0.5, -0.5)  # the first on top
    (band,) = axis.patches
    assert (band.get_x(), band.get_width(), band.get_label()) == (-3, 6, "margin: ±3 points")
    assert list(axis.lines[0].get_xdata()) == [0, 0]


def test_the_forest_says_what_its_rows_and_marks_are(heldout):
    axis = plt.subplots()[1]
    forest_figure.draw_forest(axis, marked(heldout))
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        "cats and dogs †\nRMSprop, plain CNN",
        "flowers\nRMSprop, plain CNN",
        "Horses or Humans\nAdam, plain CNN",
        "Horses or Humans, 100 examples\nfine-tuned, RMSprop, plain CNN",
        "Horses or Humans\nRMSprop, batch norm",
    ]
    assert axis.get_xlabel().endswith("(points, 95% interval; better →)\n† a best rate lies at the edge of its grid")
    names = axis.get_legend_handles_labels()[1]
    assert names == [
        "margin: ±2 points",
        "no GC",
        *(word for word in forest_figure.MARKS if word in set(heldout["word"])),
    ]
    forest_figure.draw_forest(plt.subplots()[1], heldout.assign(edge=False))
    assert "†" not in plt.gca().get_xlabel() and "†" not in "".join(
        one.get_text() for one in plt.gca().get_yticklabels()
    )


def effect(row):
    """By which part the loss is lower, and its two limits."""
    return [1 - np.exp(-row[name]) for name in ("difference", "t_low", "t_high")]


def test_an_effect_is_a_point_and_its_t_interval_as_a_part_of_the_loss(ablations):
    usual, others = (one.assign(low=one["t_low"] - 1, high=one["t_high"] + 1) for one in ablations)
    (axis,) = mechanism_figure.mechanism(usual, others).axes
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        *("no GC (reference)", "GC", "random direction", "half the mean", "GC, inputs [-1, 1]")
    ]
    by_arm = usual.set_index("arm")
    rows = [by_arm.loc[arm] for arm in ("gradient", "random_direction", "half")] + [others.iloc[0]]
    colours = [figures.COLOURS["gradient"], figures.OTHER_ARM, figures.OTHER_ARM, figures.COLOURS["gradient"]]
    for place, (row, colour, shape) in enumerate(zip(rows, colours, "oooD", strict=True), start=1):
        middle, low, high = effect(row)
        assert bars(axis)[place] == pytest.approx([low, high])
        assert points(axis)[place] == (pytest.approx(middle), shape, colour)
    assert points(axis)[0][:2] == (0, "o")  # no GC
    (band,) = axis.patches
    _, low, high = effect(rows[0])
    assert (band.get_x(), band.get_x() + band.get_width()) == (pytest.approx(low), pytest.approx(high))
    assert axis.get_ylim() == (4.5, -0.5)
    assert axis.xaxis.get_major_formatter()(0.25) == "25%"


def test_without_conditions_there_are_the_arms_alone_and_what_lies_far_to_the_left_is_an_arrow(ablations):
    usual, _ = ablations
    worse = usual.assign(difference=usual["difference"].where(usual["arm"] != "half", -np.log(1.81)))
    figure = mechanism_figure.mechanism(worse, title="Finding")
    assert figure.get_suptitle() == "Finding"
    (axis,) = figure.axes
    assert len(axis.get_yticklabels()) == 4
    low, high = (f"{1 - np.exp(-worse.set_index('arm').loc['half', end]):.0%}" for end in ("t_low", "t_high"))
    assert [one.get_text() for one in axis.texts] == [f"◀ −81% ({low}, {high})"]


def test_what_is_said_of_the_effects_are_the_numbers_drawn(ablations):
    usual, others = ablations
    by_arm = usual.set_index("arm")
    text = mechanism_figure.mechanism_alt(usual, others)
    for label, row in (("GC", by_arm.loc["gradient"]), ("random direction", by_arm.loc["random_direction"]),
                       ("GC, inputs [-1, 1]", others.iloc[0])):  # fmt: skip
        middle, low, high = (100 * one for one in effect(row))
        assert f"{label} {middle:.0f}% ({low:.0f} to {high:.0f})" in text
    said = mechanism_figure.mechanism_finding(usual)
    change = np.expm1(-by_arm.loc["gradient", "difference"])
    effect_of_gc = f"RMSprop: GC lowers the training loss by {-change:.0%}"
    assert said == effect_of_gc  # there are no runs with GC in one kind of layer alone
    part = by_arm.loc[["half"]].reset_index().assign(t_low=0.1, t_high=0.3)
    for arm, difference, low, expected in (
        ("conv_only", 0.2, 0.1, "in the convolutions alone by 18%"),
        ("dense_only", 0.2, -0.1, "in the dense layers alone no effect is shown"),
        ("dense_only", -0.2, -0.3, "in the dense layers alone it rises by 22%"),
    ):
        alone = part.assign(arm=arm, difference=difference, t_low=low, t_high=0.3 if difference > 0 else -0.1)
        assert mechanism_figure.mechanism_finding(pd.concat([usual, alone])) == f"{effect_of_gc}, {expected}"
    sgd = usual[usual["arm"] == "half"].assign(optimizer="sgd")
    assert mechanism_figure.mechanism_finding(sgd) == "SGD: GC is not shown to lower the training loss"


def test_the_bars_of_what_is_removed_are_its_t_intervals(removed_table):
    axis = removed_figure.shares(removed_table, LAYERS).axes[0]
    ends = [sorted(segment[:, 1]) for bar in axis.collections for segment in bar.get_segments()]
    assert len(ends) == 4
    for found, (_, row) in zip(ends, removed_table.iterrows(), strict=True):
        assert found == pytest.approx([row["chance"] * row["times_low"], row["chance"] * row["times_high"]])
    assert axis.get_yscale() == "log"
    assert axis.yaxis.get_major_formatter()(0.1) == "10%"


def test_a_row_of_the_forest_says_its_seeds_where_it_has_more_than_most(heldout):
    axis = plt.subplots()[1]
    forest_figure.draw_forest(axis, heldout.assign(seeds=[60, *[10] * (len(heldout) - 1)]))
    names = [label.get_text().split("\n")[0] for label in axis.get_yticklabels()]
    assert names[0].endswith(", 60 seeds") and not any("seeds" in name for name in names[1:])


def test_bars_end_where_their_interval_ends(heldout, ablations):
    forest = forest_figure.forest(heldout).axes[0]
    mechanism = mechanism_figure.mechanism(*ablations).axes[0]
    for axis in (forest, mechanism):
        flat = [line for line in axis.lines if len(set(line.get_ydata())) == 1 and len(line.get_xdata()) == 2]
        drawn = [line for line in flat if list(line.get_xdata()) != [0, 1]]  # not the rule across a panel
        assert drawn and {line.get_solid_capstyle() for line in drawn} == {"butt"}


def test_a_panel_of_the_budget_says_which_arm_was_not_run():
    runs = [made_table(arms=["none", "gradient", "update"]), made_table(arms=["none", "gradient"], optimizer="sgd")]
    figure = budget_figure.budget(best_of_k(reduce_runs(pd.concat(runs))))
    titles = sorted(axis.get_title() for axis in figure.axes)
    assert titles == ["RMSprop", "SGD (without GC on the update)"]
