"""The main figure: outcome against learning rate, and tuned GC against tuned no GC in each setting."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from gc_tutorial.errors import value_error
from gc_tutorial.language import text
from gc_tutorial.plotting import COLOURS, MARKERS, balanced
from gc_tutorial.study.evidence.forest_figure import draw_forest, forest_finding, rows_alt
from gc_tutorial.study.evidence.names import ARMS, arm_name, value_name
from gc_tutorial.study.evidence.outcomes import OUTCOMES, factors
from gc_tutorial.study.evidence.tuning import tuned_rates
from gc_tutorial.study.evidence.wording import rate

OTHER_ARM = "#555555"


def answer(tuning: pd.DataFrame, heldout: pd.DataFrame, *, optimizer: str = "rmsprop") -> Figure:
    """Draw the answer: the outcome at each learning rate, and best against best in every setting.

    Args:
        tuning: `pandas.DataFrame` as from `reduce_runs`, with the tuning runs.
        heldout: as from `compare_pairs` of `"heldout_accuracy"`, of as many plans as there are.
        optimizer: whose learning rates are drawn; the setting with the most tuning runs is taken.

    Returns:
        `matplotlib.figure.Figure`, as wide as a phone. In the upper two panels dots are seeds, lines are means and
        stars are the best rates; in the lowest, below the title that says its finding, points are mean differences and
        bars 95% t intervals.
    """
    heights = [5.6, 1.6 + 0.37 * len(heldout)]
    figure = plt.figure(figsize=(4.6, sum(heights) + 0.6), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=heights)  # so that long names below take no width above
    axes = above.subplots(2, 1)
    runs = tuning_runs(tuning, optimizer)
    draw_rates(axes[0], runs, "clean_loss")
    draw_rates(axes[1], runs, "heldout_accuracy", by="heldout_loss")
    axes[0].legend(fontsize=8)
    name = value_name("optimizer", optimizer)
    seeds = runs["seed"].nunique()
    axes[0].set_title(text("{name}: training loss, no dropout ({seeds} seeds)", name=name, seeds=seeds), fontsize=10)
    axes[1].set_title(text("{name}: held-out accuracy ({seeds} seeds)", name=name, seeds=seeds), fontsize=10)
    settings = below.subplots()
    draw_forest(settings, heldout)
    below.legend(*settings.get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=2)
    below.suptitle(balanced(forest_finding(heldout), figure), fontsize=10)
    return figure


def tuning_runs(runs: pd.DataFrame, optimizer: str) -> pd.DataFrame:
    """The tuning runs of an optimizer, in the setting that has the most of them.

    Args:
        runs: `pandas.DataFrame` as from `reduce_runs`.
        optimizer: str.

    Returns:
        `pandas.DataFrame`, rows of `runs`, no GC first.

    Raises:
        ValueError: if there are none.
    """
    found = runs[(runs["stage"] == "tuning") & (runs["optimizer"] == optimizer)]
    if found.empty:
        raise value_error("The table has no tuning runs with the optimizer {optimizer!r}.", optimizer=optimizer)
    largest = max((group for _, group in found.groupby(factors(found), sort=False)), key=len)
    return largest.sort_values("arm", key=lambda arms: arms.map(list(ARMS).index), kind="stable")


def draw_rates(axis: Axes, runs: pd.DataFrame, outcome: str, *, by: str | None = None) -> None:
    """Draw an outcome against the learning rate, a line for each arm, on a matplotlib axis.

    Args:
        axis: matplotlib axis.
        runs: as from `reduce_runs`, of one setting.
        outcome: str; an accuracy is drawn in percent.
        by: the outcome that chose the starred rate; by default the one drawn.
    """
    best = tuned_rates(runs, by or outcome).set_index("arm")["learning_rate"]
    arms = runs["arm"].unique()
    for place, arm in enumerate(arms):
        group = runs[runs["arm"] == arm]
        values = 100 * group[outcome] if outcome.endswith("accuracy") else group[outcome]
        aside = 10 ** (0.07 * (place - (len(arms) - 1) / 2))  # so that dots of arms do not hide one another
        colour = COLOURS.get(arm, OTHER_ARM)
        axis.plot(group["learning_rate"] * aside, values, ".", color=colour, alpha=0.4, markersize=5)
        means = values.groupby(group["learning_rate"]).mean()
        marker = MARKERS.get(arm, "o")
        axis.plot(means.index * aside, means, color=colour, label=arm_name(arm), lw=1.8, marker=marker, markersize=4)
        star = best[arm] * aside, means[best[arm]]
        above = 6 if arm == "gradient" else 5
        axis.plot(*star, "*", color=colour, markersize=13, markeredgecolor="black", zorder=above)
    axis.set_xscale("log")
    axis.xaxis.set_minor_formatter(NullFormatter())
    if outcome.endswith("loss"):
        axis.set_yscale("log")  # a single run may end at a loss many times that of the others
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_locator(NullLocator())
    label = "held-out accuracy (%)" if outcome.endswith("accuracy") else "clean training loss (nats)"
    chosen = text("star: lowest {outcome}", outcome=OUTCOMES[by or outcome])
    axis.set(xlabel=text("learning rate (points of one rate side by side;\n{star})", star=chosen), ylabel=label)
    axis.grid(alpha=0.3)


def answer_alt(tuning: pd.DataFrame, heldout: pd.DataFrame, *, optimizer: str = "rmsprop") -> str:
    """What a reader who cannot see `answer` needs to know."""
    runs = tuning_runs(tuning, optimizer)
    loss = tuned_rates(runs, "clean_loss")
    best = [
        text("{arm} {value:.2g} at {rate}", arm=arm_name(row.arm), value=row.value, rate=rate(row.learning_rate))
        for row in loss.itertuples()
    ]
    return text(
        "Above: clean training loss and held-out accuracy against the learning rate with {optimizer}; lowest training "
        "loss: {best}. Below: held-out accuracy, tuned GC minus tuned no GC, in points with 95% intervals: {rows}. "
        "{finding}.",
        optimizer=value_name("optimizer", optimizer),
        best=text(", ").join(best),
        rows=rows_alt(heldout),
        finding=forest_finding(heldout),
    )
