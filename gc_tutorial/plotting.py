"""The figures that the notebooks share: one look, one colour for each arm, alternative text for each picture."""

import base64
import io
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gc_tutorial.study.analysis import OUTCOMES

# Colours of Okabe and Ito, which readers with any kind of colour vision can tell apart.
COLOURS = {"none": "#0072B2", "gradient": "#D55E00", "update": "#009E73", "recompiled": "#CC79A7"}
SPLIT_COLOURS = {"train": "#56B4E9", "test": "#E69F00"}
LABELS = {
    "none": "no GC",
    "gradient": "GC on the gradient",
    "update": "GC on the update",
    "recompiled": "no GC, compiled again",
}
MEASURES = {
    "train_loss": "training loss",
    "test_loss": "held-out loss",
    "train_accuracy": "training accuracy",
    "test_accuracy": "held-out accuracy",
    "seconds": "seconds of training per epoch",
}


def show(figure: Figure, alt: str) -> None:
    """Show a figure in the notebook, once, with alternative text, and close it.

    Args:
        figure: `matplotlib.figure.Figure`.
        alt: str, what a reader who cannot see the figure needs to know.
    """
    photographs = any(axis.images for axis in figure.axes)
    # With photographs as PNG a notebook would be larger than the megabyte up to which code hosts render one.
    kind, options = ("jpeg", {"quality": 85}) if photographs else ("png", {})
    picture = io.BytesIO()
    figure.savefig(picture, format=kind, dpi=110, bbox_inches="tight", facecolor="white", pil_kwargs=options)
    plt.close(figure)
    encoded = base64.b64encode(picture.getvalue()).decode()
    display({f"image/{kind}": encoded, "text/plain": alt}, raw=True, metadata={f"image/{kind}": {"alt": alt}})


def image_grid(
    images: Sequence[np.ndarray],
    titles: Sequence[str],
    columns: int = 6,
    side: float = 1.7,
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
    size = (side * columns, (side + 0.2) * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, name in zip(axes.flat, images, titles, strict=False):
        axis.imshow(image)
        axis.set_title(name, fontsize=9)
    figure.suptitle(title)
    return figure


def learning_curves(
    table: pd.DataFrame,
    measures: Sequence[str] = ("train_loss", "test_loss", "test_accuracy"),
    title: str | None = None,
) -> Figure:
    """Plot measures against epochs: a line for each arm, and a band where there are several seeds.

    Args:
        table: `pandas.DataFrame` as from `compare`: a row per arm, seed and epoch.
        measures: of `train_loss`, `test_loss`, `train_accuracy`, `test_accuracy`, `seconds`.
        title: str, the finding.

    Returns:
        `matplotlib.figure.Figure`. Lines are means over seeds, bands reach from the lowest to the highest seed.
    """
    figure, axes = plt.subplots(1, len(measures), figsize=(12, 3.4), layout="constrained", squeeze=False)
    for axis, measure in zip(axes[0], measures, strict=True):
        draw_curves(axis, table, measure)
    axes[0, 0].legend(fontsize=8)
    figure.suptitle(title)
    return figure


def draw_curves(axis: Axes, table: pd.DataFrame, measure: str) -> None:
    """Draw one measure of a table of `compare` on a matplotlib axis."""
    for arm, rows in table.groupby("arm", sort=False):
        epochs = rows.groupby("epoch")[measure].agg(["mean", "min", "max"])
        axis.plot(epochs.index, epochs["mean"], color=COLOURS[arm], label=LABELS[arm], marker="o", markersize=3)
        if rows["seed"].nunique() > 1:
            axis.fill_between(epochs.index, epochs["min"], epochs["max"], color=COLOURS[arm], alpha=0.15, lw=0)
    axis.set(xlabel="epoch", ylabel=MEASURES[measure])
    axis.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    axis.grid(alpha=0.3)


def draw_control(axis: Axes, control: pd.DataFrame, progress: pd.DataFrame) -> None:
    """Draw the training loss of the control beside the published one.

    Args:
        axis: matplotlib axis.
        control: `pandas.DataFrame` as from `compare` with the arm `recompiled`.
        progress: `pandas.DataFrame` with epoch and train_loss, as the published example printed them.
    """
    draw_curves(axis, control, "train_loss")
    label = "published: “without GC”, then “with GC”"
    axis.plot(progress["epoch"], progress["train_loss"], "s--", color="#777777", markersize=4, label=label)
    axis.axvline(progress["epoch"].max() / 2 + 0.5, color="black", lw=1, ls=":")
    axis.set_xlabel("epoch (dotted: compile is called again)")
    axis.legend(fontsize=8)


def headline(study: pd.DataFrame, control: pd.DataFrame, progress: pd.DataFrame, title: str) -> Figure:
    """Draw the figure of the README: what GC does when it runs, and where the published gain came from.

    Args:
        study: `pandas.DataFrame` as from `compare`.
        control, progress: as for `draw_control`.
        title: str, the finding.

    Returns:
        `matplotlib.figure.Figure`.
    """
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    for axis, measure in zip(axes, ("train_loss", "test_accuracy"), strict=False):
        draw_curves(axis, study, measure)
    axes[0].set_title("Training")
    axes[0].legend(fontsize=8)
    axes[1].set_title("Held-out images")
    draw_control(axes[2], control, progress)
    axes[2].set_title("The published “gain”, without any GC")
    figure.suptitle(title)
    return figure


def interval_plot(differences: pd.DataFrame, title: str | None = None) -> Figure:
    """Plot differences from the baseline with their intervals, a panel for each outcome.

    Args:
        differences: `pandas.DataFrame` as from `gc_tutorial.study.analysis.paired_differences`.
        title: str, the finding.

    Returns:
        `matplotlib.figure.Figure`. Points are mean differences over seeds, thick bars 95% bootstrap intervals, thin
        ones Student's t; the line at zero is no difference.
    """
    panels = differences["outcome"].unique()
    figure, axes = plt.subplots(1, len(panels), figsize=(2.9 * len(panels), 2.6), layout="constrained", squeeze=False)
    for axis, outcome in zip(axes[0], panels, strict=True):
        rows = differences[differences["outcome"] == outcome]
        for place, row in enumerate(rows.itertuples()):
            axis.plot([row.t_low, row.t_high], [place, place], color=COLOURS[row.arm], lw=1, marker="|")
            axis.plot([row.low, row.high], [place, place], color=COLOURS[row.arm], lw=4, solid_capstyle="butt")
            axis.plot(row.difference, place, "o", color=COLOURS[row.arm], markeredgecolor="white", markersize=9)
        axis.axvline(0, color="black", lw=1, ls="--")
        axis.set(ylim=(len(rows) - 0.5, -0.5), yticks=range(len(rows)), yticklabels=[])
        axis.set_xlabel(f"difference in\n{OUTCOMES[outcome]}", fontsize=9)
        axis.margins(x=0.15)
        axis.grid(axis="x", alpha=0.3)
    axes[0, 0].set_yticklabels([LABELS[arm] for arm in rows["arm"]])
    figure.suptitle(title)
    return figure
