"""The figure of a tuning budget: what to expect from the best of k learning rates, drawn at random."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from gc_tutorial.language import text
from gc_tutorial.plotting import COLOURS, MARKERS, WIDTH, set_title
from gc_tutorial.study.evidence.figures import OTHER_ARM
from gc_tutorial.study.evidence.names import arm_name, value_name
from gc_tutorial.study.evidence.wording import digits, listed


def budget(table: pd.DataFrame, *, title: str | None = None) -> Figure:
    """Draw the expected clean training loss against the number of rates tried, a panel for each optimizer.

    Args:
        table: `pandas.DataFrame` as from `tuning.best_of_k`, of one setting for each optimizer.
        title: str, the finding; by default `budget_finding` says it.

    Returns:
        `matplotlib.figure.Figure`, as wide as a phone. No intervals: it is a description of the tuning seeds.
    """
    optimizers = list(table["optimizer"].unique())
    size = (WIDTH, 1.3 + 1.75 * len(optimizers))
    figure, axes = plt.subplots(len(optimizers), 1, figsize=size, squeeze=False, sharex=True, layout="constrained")
    handles = {}
    for axis, optimizer in zip(axes.flat, optimizers, strict=True):
        arms = dict(list(table[table["optimizer"] == optimizer].groupby("arm", sort=False)))
        for arm, rows in arms.items():
            style = {"color": COLOURS.get(arm, OTHER_ARM), "marker": MARKERS.get(arm, "o"), "markersize": 5}
            (handles[arm_name(arm)],) = axis.plot(rows["k"], rows["expected"], **style)
        missing = [arm_name(arm) for arm in table["arm"].unique() if arm not in arms]
        name, note = value_name("optimizer", optimizer), listed(missing)
        axis.set_title(text("{name} (without {arms})", name=name, arms=note) if missing else name, fontsize=10)
        axis.set_ylim(0, 1.15 * table.loc[table["optimizer"] == optimizer, "expected"].max())
        axis.grid(alpha=0.3)
    figure.supylabel("expected clean training loss (nats)", fontsize=10)
    axes[-1, 0].set_xlabel("number of learning rates tried")
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=len(handles))
    set_title(figure, title or budget_finding(table))
    return figure


def budget_finding(table: pd.DataFrame) -> str:
    """Say what GC and no GC give with one rate and with all of them, for the first optimizer."""
    optimizer = table["optimizer"].iloc[0]
    rows = table[table["optimizer"] == optimizer].pivot(index="k", columns="arm", values="expected")
    one, every = rows.iloc[0], rows.iloc[-1]
    return text(
        "{optimizer}, expected training loss. One rate at random: {gradient} with GC, {none} "
        "without. The best of {count}: {best_gradient} and {best_none}",
        optimizer=value_name("optimizer", optimizer),
        gradient=digits(one["gradient"]),
        none=digits(one["none"]),
        count=rows.index[-1],
        best_gradient=digits(every["gradient"]),
        best_none=digits(every["none"]),
    )


def budget_alt(table: pd.DataFrame) -> str:
    """What a reader who cannot see `budget` needs to know."""
    parts = [
        text(
            "{optimizer}, {arm}: {one} with one rate, {best} with the best of {count}",
            optimizer=value_name("optimizer", optimizer),
            arm=arm_name(arm),
            one=digits(rows["expected"].iloc[0]),
            best=digits(rows["expected"].iloc[-1]),
            count=rows["k"].iloc[-1],
        )
        for (optimizer, arm), rows in table.groupby(["optimizer", "arm"], sort=False)
    ]
    return text(
        "The expected clean training loss falls with the number of learning rates tried. {parts}.",
        parts=text("; ").join(parts),
    )
