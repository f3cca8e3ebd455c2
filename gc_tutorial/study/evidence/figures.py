"""The figure that tells it: the outcome at each learning rate, and best against best in every setting."""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gc_tutorial.plotting import COLOURS
from gc_tutorial.study.evidence.names import arm_name, setting_names, value_name
from gc_tutorial.study.evidence.outcomes import factors
from gc_tutorial.study.evidence.tuning import tuned_rates
from gc_tutorial.study.evidence.wording import HELPS, HURTS, INCONCLUSIVE, NO_PRACTICAL_DIFFERENCE, rate

WORDS = {HELPS: "#009E73", HURTS: "#D55E00", NO_PRACTICAL_DIFFERENCE: "#0072B2", INCONCLUSIVE: "#777777"}
SHAPES = {HELPS: ">", HURTS: "<", NO_PRACTICAL_DIFFERENCE: "s", INCONCLUSIVE: "o"}  # so that colour is not needed
ARM_SHAPES = {"none": "o", "gradient": "s", "update": "^"}
OTHER_ARM = "#555555"
SIZES = ("image_size", "epochs", "batch_size", "augmentation")  # too long for a row of the forest


def answer(
    tuning: pd.DataFrame,
    heldout: pd.DataFrame,
    *,
    optimizer: str = "rmsprop",
    margin: float = 0.02,
    title: str | None = None,
    narrow: bool = False,
) -> Figure:
    """Draw the answer: the outcome at each learning rate, and best against best in every setting.

    Args:
        tuning: `pandas.DataFrame` as from `reduce_runs`, with the tuning runs.
        heldout: as from `compare_pairs` of `"heldout_accuracy"`, of as many plans as there are.
        optimizer: whose learning rates are drawn; the setting with the most tuning runs is taken.
        margin: float, half the width of the band of no practical difference.
        title: str, the finding; by default `answer_finding` says it.
        narrow: whether to stack the panels, for a phone.

    Returns:
        `matplotlib.figure.Figure`. On the left dots are seeds, lines are means and stars are the best rates; on the
        right points are mean differences and bars 95% t intervals.
    """
    title = title or answer_finding(heldout)
    rows = len(heldout)
    if narrow:
        heights = [2.6, 2.6, 1.2 + 0.37 * rows]
        figure, axes = plt.subplots(
            3, 1, figsize=(4.3, sum(heights) + 0.9), height_ratios=heights, layout="constrained"
        )
    else:
        figure, axes = plt.subplots(
            1, 3, figsize=(13, max(4.6, 1.9 + 0.32 * rows)), width_ratios=[1, 1, 1.35], layout="constrained"
        )
    runs = _largest_setting(tuning, optimizer)
    draw_rates(axes[0], runs, "clean_loss")
    draw_rates(axes[1], runs, "heldout_accuracy", by="heldout_loss")
    axes[0].legend(fontsize=8)
    name = value_name("optimizer", optimizer)
    axes[0].set_title(f"{name}: training loss, no dropout", fontsize=10)
    axes[1].set_title(f"{name}: error on unseen pictures", fontsize=10)
    draw_forest(axes[2], heldout, margin)
    axes[2].set_title("Tuned GC minus tuned no GC", fontsize=10)
    handles = axes[2].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", fontsize=8, ncols=2 if narrow else 5)
    figure.suptitle(wrapped(title, 44 if narrow else 120), fontsize=10 if narrow else 12)
    return figure


def _largest_setting(tuning, optimizer):
    runs = tuning[(tuning["stage"] == "tuning") & (tuning["optimizer"] == optimizer)]
    if runs.empty:
        raise ValueError(f"The table has no tuning runs with the optimizer {optimizer!r}.")
    return max((group for _, group in runs.groupby(factors(runs), sort=False)), key=len)


def draw_rates(axis: Axes, runs: pd.DataFrame, outcome: str, *, by: str | None = None) -> None:
    """Draw an outcome against the learning rate, a line for each arm, on a matplotlib axis.

    Args:
        axis: matplotlib axis.
        runs: as from `reduce_runs`, of one setting.
        outcome: str; an accuracy is drawn as the error in percent.
        by: the outcome that chose the starred rate; by default the one drawn.
    """
    best = tuned_rates(runs, by or outcome).set_index("arm")["learning_rate"]
    arms = runs["arm"].unique()
    for place, arm in enumerate(arms):
        group = runs[runs["arm"] == arm]
        values = 100 * (1 - group[outcome]) if outcome.endswith("accuracy") else group[outcome]
        aside = 10 ** (0.07 * (place - (len(arms) - 1) / 2))  # so that dots of arms do not hide one another
        colour = COLOURS.get(arm, OTHER_ARM)
        axis.plot(group["learning_rate"] * aside, values, ".", color=colour, alpha=0.4, markersize=5)
        means = values.groupby(group["learning_rate"]).mean()
        marker = ARM_SHAPES.get(arm, "o")
        axis.plot(means.index * aside, means, color=colour, label=arm_name(arm), lw=1.8, marker=marker, markersize=4)
        star = best[arm] * aside, means[best[arm]]
        axis.plot(*star, "*", color=colour, markersize=17, markeredgecolor="black", zorder=5)
    axis.set_xscale("log")
    label = "held-out error (%)" if outcome.endswith("accuracy") else "clean training loss (nats)"
    axis.set(xlabel="learning rate (star: the best)", ylabel=label)
    axis.grid(alpha=0.3)


def draw_forest(axis: Axes, table: pd.DataFrame, margin: float = 0.02) -> None:
    """Draw differences in accuracy with their intervals, a row for each setting, on a matplotlib axis.

    Args:
        axis: matplotlib axis.
        table: as from `compare_pairs`, of an accuracy.
        margin: float, half the width of the band.

    """
    axis.axvspan(-100 * margin, 100 * margin, color="#0072B2", alpha=0.12, lw=0, label=f"±{100 * margin:g} points")
    axis.axvline(0, color="black", lw=1, ls="--")
    for place, row in enumerate(table.itertuples()):
        colour = WORDS[row.word]
        axis.plot([100 * row.t_low, 100 * row.t_high], [place, place], color=colour, lw=2)
        axis.plot(100 * row.difference, place, SHAPES[row.word], color=colour, markeredgecolor="white", markersize=8)
    for kind in [one for one in WORDS if one in set(table["word"])]:
        axis.plot([], [], SHAPES[kind], color=WORDS[kind], label=kind)
    axis.set(ylim=(len(table) - 0.5, -0.5), yticks=range(len(table)))
    axis.set_yticklabels(list(_row_names(table)), fontsize=8, linespacing=0.95)
    note = "\n† a best rate lies at the edge of its grid" if table["edge"].any() else ""
    axis.set_xlabel(f"held-out accuracy, GC minus no GC\n(points, 95% interval){note}", fontsize=9)
    axis.margins(x=0.08)
    axis.grid(axis="x", alpha=0.3)


def _row_names(table):
    """Two short lines for each setting: its data, and the rest."""
    rests = setting_names(table, (*SIZES, "data", "train_examples", "pretrained"))
    for (_, row), rest in zip(table.iterrows(), rests, strict=True):
        data = value_name("data", row["data"]) + (f", {row['train_examples']:g}" if row["train_examples"] else "")
        yield f"{data}{' †' if row['edge'] else ''}\n{'fine-tuned, ' if row['pretrained'] else ''}{rest}"


def answer_finding(heldout: pd.DataFrame) -> str:
    """Say in one sentence what the forest shows, such as for its title."""
    counts = heldout["word"].value_counts()
    parts = [f"{kind} in {counts[kind]}" for kind in (HELPS, HURTS) if counts.get(kind)]
    if not parts:
        parts = ["neither helps nor hurts by the rules in any"]
    rest = [f"{kind} in {counts[kind]}" for kind in (NO_PRACTICAL_DIFFERENCE, INCONCLUSIVE) if counts.get(kind)]
    return f"Held-out accuracy: tuned GC {' and '.join(parts)} of {len(heldout)} settings; {', '.join(rest)}".rstrip(
        "; "
    )


def answer_alt(tuning: pd.DataFrame, heldout: pd.DataFrame, *, optimizer: str = "rmsprop") -> str:
    """What a reader who cannot see `answer` needs to know."""
    runs = _largest_setting(tuning, optimizer)
    loss = tuned_rates(runs, "clean_loss")
    best = ", ".join(f"{arm_name(row.arm)} {row.value:.2g} at {rate(row.learning_rate)}" for row in loss.itertuples())
    rows = "; ".join(
        f"{name} {100 * row.difference:+.1f} ({100 * row.t_low:+.1f} to {100 * row.t_high:+.1f}, {row.word})"
        for name, row in zip(setting_names(heldout, SIZES), heldout.itertuples(), strict=True)
    )
    return (
        "Left: clean training loss and held-out error against the learning rate with "
        f"{value_name('optimizer', optimizer)}; lowest training loss: {best}. Right: held-out accuracy, tuned GC minus "
        f"tuned no GC, in points with 95% intervals: {rows}. {answer_finding(heldout)}."
    )


def wrapped(text: str, width: int) -> str:
    """A text in lines of so many letters."""
    return "\n".join(textwrap.wrap(text, width))
