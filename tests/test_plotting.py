"""What the figures show: the numbers that are drawn, and the text for readers who cannot see them."""

import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from gc_tutorial import plotting

# Three seeds whose mean is neither the largest nor the middle value.
TABLE = pd.DataFrame(
    [
        {"arm": arm, "seed": seed, "epoch": epoch, "train_loss": base + loss / epoch}
        for arm, base in (("none", 1.0), ("gradient", 0.5))
        for seed, loss in enumerate((0.0, 0.3, 1.2))
        for epoch in (1, 2)
    ]
)
DIFFERENCES = pd.DataFrame(
    [
        {"arm": arm, "outcome": outcome, "difference": d, "low": d - 1, "high": d + 2, "t_low": d - 3, "t_high": d + 4}
        for outcome, d in (("train_loss", 10.0), ("test_accuracy", 20.0))
        for arm in ("gradient", "update")
    ]
)


@pytest.mark.parametrize(("measure", "label"), [("train_loss", "training loss")])
def test_curves_are_means_and_bands_reach_from_the_lowest_to_the_highest(measure, label):
    (axis,) = plotting.learning_curves(TABLE, (measure,), title="Finding").axes
    assert axis.get_ylabel() == label
    for line, band, (arm, base) in zip(axis.lines, axis.collections, [("none", 1.0), ("gradient", 0.5)], strict=True):
        assert (line.get_label(), line.get_color()) == (plotting.LABELS[arm], plotting.COLOURS[arm])
        np.testing.assert_allclose(line.get_ydata(), [base + 0.5, base + 0.25])
        corners = band.get_paths()[0].vertices
        assert corners[:, 1].min() == pytest.approx(base)
        assert corners[:, 1].max() == pytest.approx(base + 1.2)


def test_a_single_seed_has_no_band():
    (axis,) = plotting.learning_curves(TABLE.query("seed == 0"), ("train_loss",)).axes
    assert len(axis.lines) == 2
    assert len(axis.collections) == 0


def test_thick_bars_are_the_bootstrap_and_thin_ones_are_students_t():
    figure = plotting.interval_plot(DIFFERENCES, title="Finding")
    assert len(figure.axes) == 2
    for axis, difference in zip(figure.axes, (10.0, 20.0), strict=True):
        bars = {(line.get_linewidth(), *line.get_xdata()) for line in axis.lines if len(line.get_xdata()) == 2}
        assert (4.0, difference - 1, difference + 2) in bars
        assert (1.0, difference - 3, difference + 4) in bars
        assert [line.get_xdata()[0] for line in axis.lines if line.get_marker() == "o"] == [difference] * 2
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        plotting.LABELS["gradient"],
        plotting.LABELS["update"],
    ]


def test_the_control_is_drawn_beside_the_published_progress():
    progress = pd.DataFrame({"epoch": [1, 2, 3, 4], "train_loss": [4.0, 3.0, 2.0, 1.0]})
    control = TABLE.query("arm == 'none'").assign(arm="recompiled")
    figure = plotting.headline(TABLE.assign(test_accuracy=0.5), control, progress, "Finding")
    axis = figure.axes[2]
    lines = {line.get_label(): line for line in axis.lines}
    np.testing.assert_allclose(lines[plotting.LABELS["recompiled"]].get_ydata(), [1.5, 1.25])
    np.testing.assert_allclose(lines["published: “without GC”, then “with GC”"].get_ydata(), [4, 3, 2, 1])
    assert 2.5 in [line.get_xdata()[0] for line in axis.lines]  # where `compile` is called again


@pytest.mark.parametrize(("photographs", "kind"), [(False, "image/png"), (True, "image/jpeg")])
def test_a_figure_is_shown_once_with_its_text(photographs, kind):
    InteractiveShell.instance()
    image = np.zeros((4, 4, 3), np.uint8)
    figure = (
        plotting.image_grid([image], ["one"]) if photographs else plotting.learning_curves(TABLE, ("train_loss",) * 2)
    )
    with capture_output() as shown:
        plotting.show(figure, alt="What it shows")
    (output,) = shown.outputs
    assert set(output.data) == {kind, "text/plain"}
    assert output.data["text/plain"] == "What it shows"
    assert output.metadata[kind] == {"alt": "What it shows"}


def test_images_are_drawn_as_they_are_with_their_titles():
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    figure = plotting.image_grid(images, ["a", "b", "c"], columns=2)
    drawn = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in drawn] == ["a", "b", "c"]
    for axis, image in zip(drawn, images, strict=True):
        np.testing.assert_array_equal(axis.images[0].get_array(), image)
