"""The figure of the mechanism: what is left of GC's effect without each of its parts."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from gc_tutorial.language import Words, text
from gc_tutorial.plotting import COLOURS, WIDTH, set_title
from gc_tutorial.study.evidence.effects import FASTER
from gc_tutorial.study.evidence.figures import OTHER_ARM
from gc_tutorial.study.evidence.mechanism_rows import ARMS
from gc_tutorial.study.evidence.names import arm_name, value_name
from gc_tutorial.study.evidence.outcomes import factors

PARTS = Words({"conv_only": "the convolutions", "dense_only": "the dense layers"})
LIMITS = (-0.3, 0.85)  # the same in each figure, so that studies can be compared; what lies below is an arrow


def mechanism(ablations: pd.DataFrame, conditions: pd.DataFrame | None = None, *, title: str | None = None) -> Figure:
    """Draw the effect of each ablation, and GC's effect under each condition.

    Args:
        ablations: `pandas.DataFrame` as from `effects.ablations` with `scale="log"`, of one optimizer.
        conditions: the rows of the arm `"gradient"` in other settings, of the same form; None leaves them out.
        title: str, the finding; by default `mechanism_finding` says it.

    Returns:
        `matplotlib.figure.Figure`. Points are by how many percent the clean training loss is lower than without GC,
        bars 95% t intervals; the hollow point at 0 is no GC, the band is GC's own interval. With batch normalization
        the diamond is hollow, because the clean loss is not reliable there.
    """
    rows = _rows(ablations, conditions)
    figure, axis = plt.subplots(figsize=(WIDTH, 2.6 + 0.3 * len(rows)), layout="constrained")
    _draw_effects(axis, rows)
    figure.legend(handles=list(_keys(rows)), loc="outside lower center", fontsize=9)
    axis.set_xlabel("by how much the clean training loss is lower\nthan without GC (95% interval); right is better")
    set_title(figure, title or mechanism_finding(ablations))
    return figure


def _rows(ablations, conditions):
    """GC first, then the other arms in the order of the argument, then GC under other conditions."""
    arms = ablations.assign(kind="arm", label=_names(ablations))
    order = ["gradient", *ARMS]
    arms = arms.sort_values("arm", key=lambda names: names.map(order.index), kind="stable").reset_index(drop=True)
    if conditions is None:
        return arms
    usual = arms.iloc[0]
    others = conditions[conditions["arm"] == "gradient"]
    changed = (
        [value_name(name, row[name]) for name in factors(others) if row[name] != usual[name]]
        for _, row in others.iterrows()
    )
    labels = [text("GC, {values}", values=text(", ").join(names)) for names in changed]
    return pd.concat([arms, others.assign(kind="condition", label=labels)], ignore_index=True)


def _names(ablations):
    """What the arms are called; no GC at a larger rate as in the table, with how much larger it is."""
    larger = ablations["learning_rate"].max() / ablations["learning_rate"].min()
    faster = text("no GC at {factor:g} times the rate", factor=round(larger, 1))
    return [faster if arm == FASTER else arm_name(arm) for arm in ablations["arm"]]


def _draw_effects(axis, rows):
    lower = {name: 1 - np.exp(-rows[name]) for name in ("difference", "t_low", "t_high")}
    whole = rows.index[(rows["arm"] == "gradient") & (rows["kind"] == "arm")]
    if len(whole):
        limits = lower["t_low"][whole[0]], lower["t_high"][whole[0]]
        axis.axvspan(*limits, color=COLOURS["gradient"], alpha=0.15, lw=0)
    axis.axvline(0, color=COLOURS["none"], lw=1, ls="--")
    axis.plot(0, 0, "o", color="white", markeredgecolor=COLOURS["none"], markersize=8)
    for place, row in rows.iterrows():
        colour = COLOURS.get("none" if row["arm"] == FASTER else row["arm"], OTHER_ARM)
        ends = [lower["t_low"][place], lower["t_high"][place]]
        axis.plot(ends, [place + 1] * 2, color=colour, lw=2, solid_capstyle="butt")
        if lower["difference"][place] < LIMITS[0]:
            said = f"◀ {lower['difference'][place]:.0%} ({ends[0]:.0%}, {ends[1]:.0%})".replace("-", "−")
            axis.text(LIMITS[0] + 0.01, place + 1, said, color=colour, va="center")
        shape = "D" if row["kind"] == "condition" else "o"
        face, edge = ("white", colour) if _unreliable(row) else (colour, "white")
        axis.plot(lower["difference"][place], place + 1, shape, color=face, markeredgecolor=edge, markersize=8)
    conditions = rows.index[rows["kind"] == "condition"]
    if len(conditions):
        axis.axhline(conditions[0] + 0.5, color="#BBBBBB", lw=1)
    axis.set(xlim=LIMITS, ylim=(len(rows) + 0.5, -0.5), yticks=range(len(rows) + 1))
    axis.set_yticklabels([text("no GC (reference)"), *rows["label"]])
    axis.xaxis.set_major_locator(MaxNLocator(4))
    axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axis.grid(axis="x", alpha=0.3)


def _unreliable(row):
    return row["kind"] == "condition" and row["network"].endswith("_bn")


def _keys(rows):
    """What the marks mean, for a legend."""
    grey: dict[str, Any] = {"ls": "", "color": OTHER_ARM, "markersize": 8}
    yield Line2D([], [], marker="o", label=text("one part of the method changed"), **grey)
    if (rows["kind"] == "condition").any():
        yield Line2D([], [], marker="D", label=text("GC, with network, inputs or schedule changed"), **grey)
    if any(_unreliable(row) for _, row in rows.iterrows()):
        label = text("the same, where the clean loss is not reliable")
        yield Line2D([], [], marker="D", label=label, markerfacecolor="white", **grey)
    yield Patch(color=COLOURS["gradient"], alpha=0.15, lw=0, label=text("GC itself, 95% interval"))


def mechanism_finding(ablations: pd.DataFrame) -> str:
    """Say by how much GC lowers the training loss of an optimizer, and by how much each part of `PARTS` alone does.

    Args:
        ablations: as for `mechanism`.
    """
    name = value_name("optimizer", ablations["optimizer"].iloc[0])
    arms = ablations.set_index("arm")
    if "gradient" not in arms.index or arms.loc["gradient", "t_low"] <= 0:
        return text("{name}: GC is not shown to lower the training loss", name=name)
    change = -np.expm1(-arms.loc["gradient", "difference"])
    said = text("{name}: GC lowers the training loss by {change:.0%}", name=name, change=change)
    return text(", ").join([said, *(_alone(arms.loc[arm], where) for arm, where in PARTS.items() if arm in arms.index)])


def _alone(row, where):
    if row["t_low"] <= 0 <= row["t_high"]:
        return text("in {where} alone no effect is shown", where=where)
    change = -np.expm1(-row["difference"])
    return text(
        "in {where} alone by {change:.0%}" if change > 0 else "in {where} alone it rises by {change:.0%}",
        where=where,
        change=abs(change),
    )


def mechanism_alt(ablations: pd.DataFrame, conditions: pd.DataFrame | None = None) -> str:
    """What a reader who cannot see `mechanism` needs to know."""
    rows = _rows(ablations, conditions)
    values = 100 * (1 - np.exp(-rows[["difference", "t_low", "t_high"]]))
    named = [
        text(
            "{label} {value:.0f}% ({low:.0f} to {high:.0f})",
            label=label,
            value=one.difference,
            low=one.t_low,
            high=one.t_high,
        )
        for label, one in zip(rows["label"], values.itertuples(), strict=True)
    ]
    return text(
        "By how many percent the clean training loss is lower than without GC, with 95% intervals. {name}: {parts}.",
        name=value_name("optimizer", ablations["optimizer"].iloc[0]),
        parts=text("; ").join(named),
    )
