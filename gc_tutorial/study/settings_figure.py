"""The figure of several small studies, each in one setting: how far every arm is from no GC."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gc_tutorial.language import text
from gc_tutorial.plotting import COLOURS, LABELS, MARKERS
from gc_tutorial.study.analysis import OUTCOMES
from gc_tutorial.typography import wrapped

SHOWN = ("train_loss", "test_accuracy")  # accuracies are drawn in points


def settings_figure(studies: Mapping[str, pd.DataFrame], title: str | None = None) -> Figure:
    """Draw differences from no GC with their intervals: a row for each study, a panel for each of `SHOWN`.

    Args:
        studies: mapping from what a study is called to `pandas.DataFrame` as from
            `gc_tutorial.study.analysis.paired_differences`.
        title: str, the finding.

    Returns:
        `matplotlib.figure.Figure`. Points are mean differences over seeds, bars 95% intervals (Student's t); the line
        at zero is no GC.
    """
    size = (5.5, 2.1 + len(studies))
    figure, axes = plt.subplots(len(SHOWN), 1, figsize=size, layout="constrained")
    for axis, outcome in zip(axes, SHOWN, strict=True):
        accuracy = outcome.endswith("accuracy")
        for place, differences in enumerate(studies.values()):
            _draw_study(axis, differences[differences["outcome"] == outcome], place, 100 if accuracy else 1)
        axis.axvline(0, color=COLOURS["none"], lw=1.5, ls="--", label=LABELS["none"], zorder=0)
        axis.set(ylim=(len(studies) - 0.5, -0.5), yticks=range(len(studies)), yticklabels=list(studies))
        axis.set_xlabel(
            text(
                "{outcome}, difference from no GC (points)" if accuracy else "{outcome}, difference from no GC",
                outcome=OUTCOMES[outcome],
            )
        )
        axis.locator_params(axis="x", nbins=7)
        axis.grid(axis="x", alpha=0.3)
    lines = {line.get_label(): line for line in axes[0].lines if not line.get_label().startswith("_")}
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=3, frameon=False, columnspacing=1)
    figure.suptitle(wrapped(title or "", 64), fontsize=11)
    return figure


def _draw_study(axis, rows, place, unit):
    """A point and a bar for each arm, one below the other around the study's place."""
    for row, beside in zip(rows.itertuples(), np.linspace(-0.16, 0.16, len(rows)), strict=True):
        colour, at = COLOURS[row.arm], place + beside
        axis.plot([unit * row.t_low, unit * row.t_high], [at, at], color=colour, lw=2, solid_capstyle="butt")
        marker = {"marker": MARKERS[row.arm], "markersize": 9, "markeredgecolor": "white"}
        axis.plot(unit * row.difference, at, color=colour, ls="", label=LABELS[row.arm], **marker)
