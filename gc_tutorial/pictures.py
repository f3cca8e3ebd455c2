"""The two pictures of what gradient centralization does to weights: a step is projected, and means stay constant."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.ticker import MultipleLocator

from gc_tutorial.language import text
from gc_tutorial.plotting import COLOURS, LABELS

REMOVED = "#777777"
ARROW = {"arrowstyle": "-|>", "lw": 2.2, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 16}


def projected_step(weights: npt.ArrayLike, gradient: npt.ArrayLike, centralized: npt.ArrayLike, title: str) -> Figure:
    """Draw, for a unit with two weights, the step against a gradient and the one against the centralized gradient.

    Args:
        weights, gradient, centralized: array-like of float, shape (2,).
        title: str, the finding.

    Returns:
        `matplotlib.figure.Figure`. The dashed line holds all weights with the same sum; the dotted one is the
        perpendicular to it from the end of the first step, and is what centralization removes.
    """
    start, raw, kept = np.asarray(weights), np.asarray(weights) - gradient, np.asarray(weights) - centralized
    figure, axis = plt.subplots(figsize=(5, 4.8), layout="constrained")
    corners = np.array([start, raw, kept])
    (left, bottom), (right, top) = corners.min(axis=0) - 0.3, corners.max(axis=0) + 0.3
    ends = np.array([left, right])
    axis.plot(ends, start.sum() - ends, "k--", lw=1, label="weights with the same sum", zorder=0)
    names = text("no GC: step against the gradient"), text("GC: step against the centralized gradient")
    for end, arm, name in zip((raw, kept), ("none", "gradient"), names, strict=True):
        axis.annotate("", end, start, arrowprops={**ARROW, "color": COLOURS[arm]})
        axis.plot([], [], color=COLOURS[arm], lw=2.2, label=name)
    axis.plot(*np.array([raw, kept]).T, ":", color=REMOVED, lw=2, label="removed by GC: the mean")
    axis.add_patch(_right_angle(kept, raw - kept, start - kept))
    axis.plot(*start, "ko", markersize=7, label="weights before the step")
    axis.set(xlabel="weight $w_1$\n", ylabel="weight $w_2$", title=title)  # and room above the legend
    axis.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    for one in (axis.xaxis, axis.yaxis):
        one.set_major_locator(MultipleLocator(0.5))
    figure.legend(loc="outside lower center", ncols=1, frameon=False)
    return figure


def _right_angle(corner, first, second):
    """The mark of a right angle."""
    one, two = (0.07 * direction / np.linalg.norm(direction) for direction in (first, second))
    return Polygon([corner, corner + one, corner + one + two, corner + two], fill=False, edgecolor=REMOVED, lw=1)


def mean_paths(paths: Mapping[str, npt.ArrayLike], title: str) -> Figure:
    """Draw how far the means of weight vectors have moved, step by step, a panel for each arm.

    Args:
        paths: mapping from arm to an array-like of float, shape (steps, vectors): the means before training, and after
            each of its steps.
        title: str, the finding.

    Returns:
        `matplotlib.figure.Figure`. A line is a weight vector; all panels have the same scale.
    """
    size = (2.75 * len(paths), 2.8)
    figure, axes = plt.subplots(1, len(paths), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axis, (arm, means) in zip(axes[0], paths.items(), strict=True):
        axis.plot(np.asarray(means) - np.asarray(means)[0], color=COLOURS[arm], lw=1.2)
        axis.set(xlabel="training step")
        axis.set_title(LABELS[arm], fontsize=10)
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("shift of each mean")
    figure.suptitle(title, fontsize=11)
    return figure
