"""What the figures show: the numbers that are drawn, and the text for readers who cannot see them."""

import base64
import io
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.colors import to_rgba
from matplotlib.text import Text
from PIL import Image

from gc_tutorial import plotting
from gc_tutorial.language import set_language
from gc_tutorial.study import commands
from gc_tutorial.study.evidence.forest_figure import forests
from gc_tutorial.study.published import published

ROOT = Path(__file__).parent.parent

# Three seeds whose mean is neither the largest nor the middle value.
TABLE = pd.DataFrame(
    [
        {"arm": arm, "seed": seed, "epoch": epoch, "train_loss": base + loss / epoch}
        for arm, base in (("none", 1.0), ("gradient", 0.5))
        for seed, loss in enumerate((0.0, 0.3, 1.2))
        for epoch in (1, 2)
    ]
)


def drawn(axis, arm):
    """The line of an arm's means, and its thin lines."""
    lines = [line for line in axis.lines if line.get_color() == plotting.COLOURS[arm]]
    (mean,) = [line for line in lines if line.get_label() == plotting.LABELS[arm]]
    return mean, [line for line in lines if line is not mean]


def texts(parent):
    """What the legend of an axis, or those of a figure, say."""
    legends = [parent.get_legend()] if hasattr(parent, "get_legend") else parent.legends
    return [text.get_text() for legend in legends if legend for text in legend.get_texts()]


@pytest.mark.parametrize("arms", [("none", "gradient"), ("gradient", "none")])
def test_thick_curves_are_means_and_thin_ones_are_seeds(arms):
    table = pd.concat([TABLE[TABLE["arm"] == arm] for arm in arms])
    (axis,) = plotting.learning_curves(table, ("train_loss",), title="Finding").axes
    assert axis.get_ylabel() == "training loss"
    assert texts(axis.figure) == [*(plotting.LABELS[arm] for arm in arms), "one seed (thick: mean)"]
    for arm, base in (("none", 1.0), ("gradient", 0.5)):
        mean, seeds = drawn(axis, arm)
        np.testing.assert_allclose(mean.get_ydata(), [base + 0.5, base + 0.25])
        assert [list(line.get_ydata()) for line in seeds] == [[base + x, base + x / 2] for x in (0.0, 0.3, 1.2)]


def test_two_seeds_have_a_line_each():
    (axis,) = plotting.learning_curves(TABLE.query("seed < 2"), ("train_loss",)).axes
    assert [len(drawn(axis, arm)[1]) for arm in ("none", "gradient")] == [2, 2]


def test_a_single_seed_has_one_line():
    (axis,) = plotting.learning_curves(TABLE.query("seed == 0"), ("train_loss",)).axes
    assert len(axis.lines) == 2
    assert texts(axis.figure) == ["no GC", "GC on the gradient"]


def test_the_control_is_drawn_beside_the_published_progress():
    progress = pd.DataFrame({"epoch": [1, 2, 3, 4], "train_loss": [4.0, 3.0, 2.0, 1.0]})
    control = TABLE.query("arm == 'none'").assign(arm="recompiled")
    axis = plt.figure().subplots()
    plotting.draw_control(axis, control, progress, {2: 2.5, 4: 0.5})
    lines = {line.get_label(): line for line in axis.lines}
    np.testing.assert_allclose(lines[plotting.LABELS["recompiled"]].get_ydata(), [1.5, 1.25])
    np.testing.assert_allclose(lines["published: “without GC”,\nthen “with GC”"].get_ydata(), [4, 3, 2, 1])
    assert list(zip(*lines["published: its summary"].get_data(), strict=True)) == [(2, 2.5), (4, 0.5)]
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


# ----- what a reader reads off


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_every_arm_and_every_split_has_its_own_colour_and_name():
    for names in (
        plotting.COLOURS,
        plotting.SPLIT_COLOURS,
        plotting.LABELS,
        plotting.MARKERS,
        plotting.MEASURES,
    ):
        assert len(set(names.values())) == len(names)
    assert set(plotting.COLOURS) == set(plotting.LABELS) == set(plotting.MARKERS)


def test_curves_of_all_measures_stand_one_below_the_other_with_one_legend_that_covers_nothing():
    table = TABLE.assign(test_loss=2.0, test_accuracy=0.5)
    figure = plotting.learning_curves(table, title="Finding")
    assert [axis.get_ylabel() for axis in figure.axes] == ["training loss", "held-out loss", "held-out accuracy"]
    assert [axis.get_xlabel() for axis in figure.axes] == ["", "", "epoch"]
    assert figure.get_suptitle() == "Finding"
    assert len(figure.legends) == 1
    assert [texts(axis) for axis in figure.axes] == [[], [], []]
    figure.canvas.draw()
    legend = figure.legends[0].get_window_extent()
    assert not any(legend.overlaps(axis.get_window_extent()) for axis in figure.axes)
    assert len({axis.get_subplotspec().colspan.start for axis in figure.axes}) == 1
    assert len({axis.get_xlim() for axis in figure.axes}) == 1
    for axis in figure.axes:
        assert all(float(tick).is_integer() for tick in axis.get_xticks())
        for arm in ("none", "gradient"):
            mean, seeds = drawn(axis, arm)
            assert list(mean.get_xdata()) == [1, 2]
            assert mean.get_marker() == plotting.MARKERS[arm]  # an epoch is a point
            # A ring around the mark of another arm that lies on it.
            ring = mean.get_markerfacecolor() == "white" and mean.get_markersize() > 6
            assert ring == (arm == "none") and (ring or 2 < mean.get_markersize() < 5)
            assert all(line.get_linewidth() < mean.get_linewidth() / 2 for line in seeds)
            assert all(line.get_zorder() < mean.get_zorder() for line in seeds)
            assert all(line.get_alpha() < 0.7 for line in seeds)
            assert mean.get_alpha() is None


FIGURES = {
    "curves": lambda: plotting.learning_curves(TABLE.assign(test_loss=2.0, test_accuracy=0.5), title="word " * 30),
    "headline": lambda: forests([published("C").findings()[rule].table for rule in ("training", "heldout")]),
    "pictures": lambda: plotting.image_grid([np.zeros((4, 4, 3), np.uint8)] * 12, ["name"] * 12, title="word " * 30),
}


def test_a_long_title_is_broken_into_lines_of_about_equal_length():
    figure = plt.figure(figsize=(5.5, 2))
    text = "One run each. With GC: training loss higher by 0.0064, out of held-out accuracy"
    plotting.set_title(figure, text)
    lines = figure.get_suptitle().split("\n")
    assert " ".join(lines) == text  # not within a word, not at a hyphen
    assert len(lines) == 2
    assert abs(len(lines[0]) - len(lines[1])) < 10
    assert [plotting.balanced(short, figure) for short in ("", "Finding")] == ["", "Finding"]


@pytest.mark.parametrize("kind", FIGURES)
def test_a_phone_shows_every_text_of_a_figure_large_enough(kind):
    """On a phone a figure is about 350 pixels wide, and a text of fewer than 8 pixels is hard to read."""
    figure = FIGURES[kind]()
    figure.canvas.draw()
    shown = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    pixels = {text.get_text(): text.get_fontsize() / 72 * 350 / figure.get_figwidth() for text in shown}
    assert {text: size for text, size in pixels.items() if size < 8} == {}
    for title in [axis.title for axis in figure.axes] + [one for one in [figure._suptitle] if one]:
        assert title.get_window_extent().x0 >= 0 and title.get_window_extent().x1 <= figure.bbox.x1


def test_the_control_in_words():
    progress = pd.DataFrame({"epoch": [1, 2, 3, 4], "train_loss": [4.0, 3.0, 2.0, 1.0]})
    axis = plt.figure().subplots()
    plotting.draw_control(axis, TABLE.query("arm == 'none'").assign(arm="recompiled"), progress, {2: 2.5})
    assert texts(axis) == [
        "no GC, compiled again",
        "published: “without GC”,\nthen “with GC”",
        "published: its summary",
        "one seed (thick: mean)",
    ]
    assert axis.get_xlabel() == "epoch (dotted: compile is called again)"
    assert axis.get_ylabel() == "training loss"
    *_, control, published, summary, again = axis.lines
    assert list(published.get_xdata()) == [1, 2, 3, 4]
    assert (published.get_linestyle(), published.get_marker()) == ("--", "s")
    assert (again.get_linestyle(), list(again.get_xdata())) == (":", [2.5, 2.5])
    assert published.get_markersize() < 5
    assert (summary.get_linestyle(), summary.get_marker()) == ("None", "x")
    assert again.get_linewidth() < 1.5  # thinner than a curve
    assert to_rgba(again.get_color()) == (0, 0, 0, 1)
    assert len(set(to_rgba(published.get_color())[:3])) == 1  # grey: it is no arm of ours
    assert control.get_color() == plotting.COLOURS["recompiled"]


@pytest.mark.parametrize(("language", "name"), [("en", "headline.png"), ("ja", "headline.ja.png")])
def test_the_command_draws_the_headline_of_the_readme(tmp_path, language, name):
    set_language(language)
    try:
        commands.headline(picture=str(tmp_path / name))
    finally:
        set_language("en")
    with Image.open(tmp_path / name) as drawn, Image.open(ROOT / "docs" / name) as committed:
        assert drawn.size == committed.size
        if drawn.text == committed.text:  # the same version of Matplotlib; others draw letters a little differently
            differences = np.abs(np.asarray(drawn).astype(int) - np.asarray(committed))
            assert differences.max() <= 8, f"draw docs/{name} again: python -m gc_tutorial headline docs/{name}"


@pytest.mark.parametrize(
    ("count", "columns", "rows"), [(3, {"columns": 2}, 2), (4, {"columns": 2}, 2), (5, {}, 2), (4, {}, 1)]
)
def test_a_grid_has_as_many_rows_as_it_needs(count, columns, rows):
    images = [np.zeros((4, 4, 3), np.uint8)] * count
    figure = plotting.image_grid(images, [str(number) for number in range(count)], **columns, side=2.0, title="Above")
    across = columns.get("columns", 4)
    assert figure.axes[0].get_gridspec().get_geometry() == (rows, across)
    assert tuple(figure.get_size_inches()) == pytest.approx((2.0 * across, 2.2 * rows + 0.3))
    assert figure.get_suptitle() == "Above"
    assert [axis.axison for axis in figure.axes] == [number < count for number in range(rows * across)]
    assert not any(axis.get_xticks().size or axis.get_yticks().size for axis in figure.axes[:count])  # a frame alone
    assert [axis.get_title() for axis in figure.axes][:count] == [str(number) for number in range(count)]
    small = plotting.image_grid(images[:1], ["one\nmore"])
    assert tuple(small.get_size_inches()) == pytest.approx((1.4 * 4, 1.4 + 2 * 0.2))


@pytest.mark.parametrize("photographs", [False, True])
def test_a_figure_is_shown_on_white_large_enough_to_read_and_closed(photographs):
    InteractiveShell.instance()
    image = np.full((40, 40, 3), 9, np.uint8)
    figure = plotting.image_grid([image], ["one"]) if photographs else plotting.learning_curves(TABLE, ("train_loss",))
    width = figure.get_figwidth()
    figure.set_facecolor("black")
    other = plt.figure()
    with capture_output() as shown:
        plotting.show(figure, alt="What it shows")
    assert not plt.fignum_exists(figure.number)
    assert plt.fignum_exists(other.number)
    ((_, encoded),) = [item for item in shown.outputs[0].data.items() if item[0].startswith("image/")]
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
        assert picture.format == ("JPEG" if photographs else "PNG")
        corner = picture.convert("RGB").getpixel((0, 0))
        assert min(corner) >= 250
        if not photographs:
            assert picture.info["dpi"] == pytest.approx((110, 110), abs=0.5)
            assert width * 90 < picture.width < width * 120
            assert picture.height < picture.width  # cut to what is drawn


def several(seeds):
    """A table of one arm with so many seeds."""
    rows = [{"arm": "gradient", "seed": seed, "epoch": 1, "train_loss": 1.0 + seed} for seed in range(seeds)]
    return pd.DataFrame(rows)


def test_thin_lines_are_stronger_where_there_are_few():
    strengths = []
    for seeds in (2, plotting.FEW_SEEDS, plotting.FEW_SEEDS + 1):
        (axis,) = plotting.learning_curves(several(seeds), ("train_loss",)).axes
        mean, thin = drawn(axis, "gradient")
        assert mean.get_path_effects()  # a white edge, which a single run does not need
        assert len(thin) == seeds and len({(line.get_alpha(), line.get_linewidth()) for line in thin}) == 1
        strengths.append((thin[0].get_alpha(), thin[0].get_linewidth()))
    assert strengths[0] == strengths[1] > strengths[2] and max(strengths[2]) < 1
    (axis,) = plotting.learning_curves(several(1), ("train_loss",)).axes
    assert not drawn(axis, "gradient")[0].get_path_effects()


def test_accuracies_are_in_percent_on_the_axis_and_losses_are_not():
    figure = plotting.learning_curves(TABLE.assign(test_accuracy=0.5), ("train_loss", "test_accuracy"))
    said = [axis.yaxis.get_major_formatter()(0.5) for axis in figure.axes]
    assert said[1] == "50%" and "%" not in said[0]


def test_the_key_of_curves_names_thin_lines_from_two_seeds_on_and_has_no_frame():
    figure = plotting.learning_curves(TABLE.query("seed < 2"), ("train_loss",))
    (legend,) = figure.legends
    assert texts(figure) == ["no GC", "GC on the gradient", "one seed (thick: mean)"]
    thin = legend.get_lines()[-1]
    assert thin.get_linewidth() < 1 and len(set(to_rgba(thin.get_color())[:3])) == 1  # grey: of any arm
    assert not legend.get_frame_on()
    figure.canvas.draw()
    left = [round(one.get_window_extent().x0) for one in legend.get_texts()]
    assert len(set(left)) == 2  # two columns fit on a phone


def test_a_panel_more_makes_a_figure_of_curves_higher():
    one, three = (
        plotting.learning_curves(TABLE.assign(test_loss=2.0, train_accuracy=0.5), names).get_size_inches()
        for names in (("train_loss",), ("train_loss", "test_loss", "train_accuracy"))
    )
    assert one[0] == three[0] == plotting.WIDTH
    assert 2 < one[1] < 3.5 and 1.5 < (three[1] - one[1]) / 2 < 2.5


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_texts_of_a_figure_are_translated(language):
    set_language(language)
    try:
        figure, axis = plt.subplots()
        axis.set(xlabel="epoch", ylabel="no such message")
        plotting.translate(figure)
    finally:
        set_language("en")
    assert axis.get_xlabel() == {"en": "epoch", "ja": "エポック"}[language]
    assert axis.get_ylabel() == "no such message"


def test_titles_are_not_broken_within_words_or_at_hyphens_and_lines_fill_the_figure():
    figure = plt.figure(figsize=(3, 2))  # 33 letters wide
    name = "accuracy-of-a-very-long-name-that-does-not-fit-into-a-line"
    said = plotting.balanced(f"{'word ' * 6}held-out {name}", figure)
    assert name in said.split("\n")
    assert "held-out" in said
    assert plotting.balanced("x" * 33, figure) == "x" * 33
    exactly = "a" * 16 + " " + "b" * 16  # 33 letters
    assert plotting.balanced(exactly, figure) == exactly
    assert plotting.balanced(exactly + "b", figure) == "a" * 16 + "\n" + "b" * 17


def test_images_have_a_thin_grey_frame():
    figure = plotting.image_grid([np.full((4, 4, 3), 255, np.uint8)], ["white"])
    for spine in figure.axes[0].spines.values():
        red, green, blue, _ = to_rgba(spine.get_edgecolor())
        assert 0 < red == green == blue < 1 and 0 < spine.get_linewidth() < 1


def test_what_the_published_example_said_lies_above_the_curves_and_the_thin_line_of_the_key_is_of_its_arm():
    progress = pd.DataFrame({"epoch": [1, 2], "train_loss": [4.0, 3.0]})
    control = TABLE.query("arm == 'none'").assign(arm="recompiled")
    axis = plt.figure().subplots()
    plotting.draw_control(axis, control, progress, {2: 2.5})
    lines = {line.get_label(): line for line in axis.lines}
    cross = lines["published: its summary"]
    others = [line for line in axis.lines if line is not cross]
    assert all(cross.get_zorder() > line.get_zorder() for line in others)
    assert cross.get_markersize() > 1.5 * lines[plotting.LABELS["recompiled"]].get_markersize()
    assert cross.get_markeredgewidth() > 1
    (thin,) = [line for line in axis.get_legend().get_lines() if line.get_label() == "one seed (thick: mean)"]
    assert thin.get_color() == plotting.COLOURS["recompiled"]
    drawn_thin = drawn(axis, "recompiled")[1][0]
    assert (thin.get_alpha(), thin.get_linewidth()) == (drawn_thin.get_alpha(), drawn_thin.get_linewidth())
