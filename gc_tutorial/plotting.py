"""The figures that the notebooks share: a common style, one colour for each arm, alternative text for each picture."""

import base64
import io
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.ticker import PercentFormatter

from gc_tutorial.language import Words, text
from gc_tutorial.typography import is_wide, lines, set_fonts

# Colours of Okabe and Ito, which readers with any kind of colour vision can tell apart.
COLOURS = {"none": "#0072B2", "gradient": "#D55E00", "update": "#009E73", "recompiled": "#CC79A7"}
SPLIT_COLOURS = {"train": "#56B4E9", "test": "#E69F00"}
MARKERS = {"none": "o", "gradient": "s", "update": "^", "recompiled": "D"}  # so that colour is not needed
LABELS = Words(
    {
        "none": "no GC",
        "gradient": "GC on the gradient",
        "update": "GC on the update",
        "recompiled": "no GC, compiled again",
    }
)
MEASURES = Words(
    {
        "train_loss": "training loss",
        "test_loss": "held-out loss",
        "train_accuracy": "training accuracy",
        "test_accuracy": "held-out accuracy",
        "seconds": "seconds of training per epoch",
    }
)
FEW_SEEDS = 5  # up to which thin lines are drawn more strongly
WIDTH = 5.5  # inches, with text of 10 points: readable on a phone, where a wider figure shrinks to the screen


def show(figure: Figure, alt: str) -> None:
    """Show a figure in the notebook, once, with alternative text, and close it.

    Args:
        figure: `matplotlib.figure.Figure`. Its labels and titles are translated if the catalogue contains them
            verbatim.
        alt: str, what a reader who cannot see the figure needs to know; translated in the same way.
    """
    translate(figure)
    alt = text(alt)
    photographs = any(axis.images for axis in figure.axes)
    # With photographs as PNG a notebook would be larger than the megabyte up to which code hosts render one.
    kind, options = ("jpeg", {"quality": 85}) if photographs else ("png", {})
    picture = io.BytesIO()
    figure.savefig(picture, format=kind, dpi=110, bbox_inches="tight", facecolor="white", pil_kwargs=options)
    plt.close(figure)
    encoded = base64.b64encode(picture.getvalue()).decode()
    display({f"image/{kind}": encoded, "text/plain": alt}, raw=True, metadata={f"image/{kind}": {"alt": alt}})


def translate(figure: Figure) -> None:
    """Translate the texts of a figure, and set fonts that have their letters."""
    for one in figure.findobj(Text):
        said = text(one.get_text())
        if said != one.get_text():  # setting the text of an axis' ticks would fix them
            one.set_text(said)
    set_fonts(figure)


def image_grid(
    images: Sequence[np.ndarray],
    titles: Sequence[str],
    columns: int = 4,
    side: float = 1.4,
    title: str | None = None,
) -> Figure:
    """Draw images in rows.

    Args:
        images: sequence of uint8 arrays of shape (height, width, 3).
        titles: sequence of str, one for each image.
        columns: images in a row.
        side: width of each, in inches.
        title: str over the whole figure.

    Returns:
        `matplotlib.figure.Figure`.
    """
    rows = -(-len(images) // columns)
    text_lines = max(name.count("\n") + 1 for name in titles)
    size = (side * columns, (side + 0.2 * text_lines) * rows + 0.3 * bool(title))
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat[len(images) :]:
        axis.set_axis_off()
    for axis, image, name in zip(axes.flat, images, titles, strict=False):
        axis.imshow(image)
        axis.set_title(name, fontsize=10)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(color="#BBBBBB", linewidth=0.6)  # where an image ends that is white at its edge
    set_title(figure, title)
    return figure


def set_title(figure: Figure, title: str | None) -> None:
    """Set the title of a figure, in the reader's language and in lines as wide as the figure."""
    figure.suptitle("\n".join(balanced(line, figure) for line in text(title or "").splitlines()), fontsize=11)


def balanced(said: str, figure: Figure) -> str:
    """Break a text into lines of about equal length that fit into a figure in 11 points."""

    def broken(width):
        return lines(said, width, break_long_words=False, break_on_hyphens=False)

    widest = int(11 * figure.get_figwidth())
    narrowest = widest if is_wide(said) else widest // 2
    return "\n".join(next(broken(w) for w in range(narrowest, widest + 1) if len(broken(w)) <= len(broken(widest))))


def learning_curves(
    table: pd.DataFrame,
    measures: Sequence[str] = ("train_loss", "test_loss", "test_accuracy"),
    title: str | None = None,
) -> Figure:
    """Plot measures against epochs, one below the other: a line for each arm, and a thin one for each of several seeds.

    Args:
        table: `pandas.DataFrame` as from `compare`: a row per arm, seed and epoch.
        measures: of `train_loss`, `test_loss`, `train_accuracy`, `test_accuracy`, `seconds`.
        title: str, the finding.

    Returns:
        `matplotlib.figure.Figure`. Lines with marks are means over seeds.
    """
    size = (WIDTH, 1.9 * len(measures) + 1)
    figure, axes = plt.subplots(len(measures), 1, figsize=size, sharex=True, squeeze=False, layout="constrained")
    for axis, measure in zip(axes[:, 0], measures, strict=True):
        draw_curves(axis, table, measure)
        axis.label_outer()
    add_legend(figure, axes[0, 0], table)
    set_title(figure, title)
    return figure


def draw_curves(axis: Axes, table: pd.DataFrame, measure: str) -> None:
    """Draw one measure of a table of `compare` on a matplotlib axis."""
    for arm, rows in table.groupby("arm", sort=False):
        runs = rows.pivot(index="epoch", columns="seed", values=measure)
        (mean,) = axis.plot(runs.index, runs.mean(axis=1), color=COLOURS[arm], label=LABELS[arm], lw=2, zorder=3)
        mean.set(marker=MARKERS[arm], markersize=4)
        if arm == "none":  # a ring, which shows also where another arm's mark is on it
            mean.set(markersize=7, markerfacecolor="white")
        if runs.shape[1] > 1:
            alpha, width = (0.6, 0.9) if runs.shape[1] <= FEW_SEEDS else (0.3, 0.7)
            axis.plot(runs.index, runs, color=COLOURS[arm], zorder=1, alpha=alpha, lw=width)
            # A white edge separates the mean from the thin lines.
            mean.set_path_effects([withStroke(linewidth=3.5, foreground="white")])
    axis.set(xlabel="epoch", ylabel=MEASURES[measure])
    if measure.endswith("accuracy"):
        axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axis.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    axis.grid(alpha=0.3)


def add_legend(figure: Figure, axis: Axes, table: pd.DataFrame) -> None:
    """Explain the lines of `draw_curves` below a figure, where the legend covers nothing."""
    handles, labels = axis.get_legend_handles_labels()
    if table["seed"].nunique() > 1:
        handles, labels = [*handles, Line2D([], [], color="#777777", lw=0.7)], [*labels, text("one seed (thick: mean)")]
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)


def draw_control(axis: Axes, control: pd.DataFrame, progress: pd.DataFrame, summary: Mapping[int, float]) -> None:
    """Draw the training loss of the control beside the published one.

    Args:
        axis: matplotlib axis.
        control: `pandas.DataFrame` as from `compare` with the arm `recompiled`.
        progress: `pandas.DataFrame` with epoch and train_loss, as the published example printed them.
        summary: mapping from epoch to the training loss that its summary says.
    """
    draw_curves(axis, control, "train_loss")
    label = "published: “without GC”,\nthen “with GC”"
    axis.plot(progress["epoch"], progress["train_loss"], "s--", color="#777777", markersize=4, label=label)
    axis.plot(list(summary), list(summary.values()), "kx", ms=9, mew=2, zorder=4, label="published: its summary")
    axis.axvline(progress["epoch"].max() / 2 + 0.5, color="black", lw=1, ls=":")
    axis.set_xlabel("epoch (dotted: compile is called again)")
    seed = Line2D([], [], color=COLOURS["recompiled"], alpha=0.6, lw=0.9, label=text("one seed (thick: mean)"))
    handles = [*axis.get_legend_handles_labels()[0], seed]
    axis.legend(handles=handles, loc="lower left", fontsize=9)  # below the curves, which fall
