"""The figure of the mechanism: what is left of GC's effect without each of its parts."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from gc_tutorial.language import text
from gc_tutorial.plotting import COLOURS
from gc_tutorial.study.evidence.figures import OTHER_ARM, wrapped
from gc_tutorial.study.evidence.names import arm_name, value_name
from gc_tutorial.study.evidence.outcomes import factors
from gc_tutorial.study.evidence.wording import changed_amount


def mechanism(
    ablations: pd.DataFrame, conditions: pd.DataFrame | None = None, *, title: str | None = None, narrow: bool = False
) -> Figure:
    """Draw the effect of each ablation, and GC's effect under each condition.

    Args:
        ablations: `pandas.DataFrame` as from `effects.ablations` with `scale="log"`, of one or more optimizers.
        conditions: the rows of the arm `"gradient"` in other settings, of the same form; None leaves them out.
        title: str, the finding; by default `mechanism_finding` says it.
        narrow: whether to stack the optimizers, for a phone.

    Returns:
        `matplotlib.figure.Figure`, a panel for each optimizer. Points are by how many percent the clean training loss
        is lower than without GC, bars 95% t intervals; the hollow point at 0 is no GC, the band is GC's own interval.
    """
    optimizers = list(ablations["optimizer"].unique())
    count = max(len(_panel(ablations, conditions, one)) for one in optimizers) + 1
    across = (len(optimizers), 1) if narrow else (1, len(optimizers))
    height = 1.1 + 0.3 * count
    size = (4.3, height * len(optimizers) + 0.7) if narrow else (6.2 * len(optimizers), height + 0.5)
    figure, axes = plt.subplots(*across, figsize=size, squeeze=False, sharex=True, layout="constrained")
    for axis, optimizer in zip(axes.flat, optimizers, strict=True):
        rows = _panel(ablations, conditions, optimizer)
        _draw_effects(axis, rows)
        axis.set_title(value_name("optimizer", optimizer), fontsize=10)
    for axis in axes[-1] if narrow else axes[0]:
        axis.set_xlabel("how much lower the clean training loss is\nthan without GC (95% interval)", fontsize=9)
    title = title or mechanism_finding(ablations)
    figure.suptitle(wrapped(title, 46 if narrow else 60 * len(optimizers)), fontsize=10 if narrow else 12)
    return figure


def _panel(ablations, conditions, optimizer):
    """The rows of a panel: GC first, then the other arms by size, then GC under other conditions."""
    arms = ablations[ablations["optimizer"] == optimizer].assign(kind="arm")
    arms = arms.assign(label=[arm_name(arm) for arm in arms["arm"]], first=arms["arm"] != "gradient")
    arms = arms.sort_values(["first", "difference"], ascending=[True, False])
    if conditions is None or not (conditions["optimizer"] == optimizer).any():
        return arms
    usual = arms.iloc[0]
    others = conditions[(conditions["optimizer"] == optimizer) & (conditions["arm"] == "gradient")]
    changed = [[name for name in factors(others) if row[name] != usual[name]] for _, row in others.iterrows()]
    labels = [
        text("GC, {values}", values=text(", ").join(value_name(name, row[name]) for name in names))
        for names, (_, row) in zip(changed, others.iterrows(), strict=True)
    ]
    return pd.concat([arms, others.assign(kind="condition", label=labels)], ignore_index=True)


def _draw_effects(axis, rows):
    rows = rows.reset_index(drop=True)
    lower = {name: 1 - np.exp(-rows[name]) for name in ("difference", "t_low", "t_high")}
    whole = rows.index[(rows["arm"] == "gradient") & (rows["kind"] == "arm")]
    if len(whole):
        limits = lower["t_low"][whole[0]], lower["t_high"][whole[0]]
        axis.axvspan(*limits, color=COLOURS["gradient"], alpha=0.15, lw=0)
    axis.axvline(0, color=COLOURS["none"], lw=1, ls="--")
    axis.plot(0, 0, "o", color="white", markeredgecolor=COLOURS["none"], markersize=8)
    for place, row in rows.iterrows():
        colour = COLOURS.get("none" if row["arm"] == "none_faster" else row["arm"], OTHER_ARM)
        axis.plot([lower["t_low"][place], lower["t_high"][place]], [place + 1] * 2, color=colour, lw=2)
        shape = "D" if row["kind"] == "condition" else "o"
        axis.plot(lower["difference"][place], place + 1, shape, color=colour, markeredgecolor="white", markersize=8)
    conditions = rows.index[rows["kind"] == "condition"]
    if len(conditions):
        axis.axhline(conditions[0] + 0.5, color="#BBBBBB", lw=1)
    axis.set(ylim=(len(rows) + 0.5, -0.5), yticks=range(len(rows) + 1))
    axis.set_yticklabels([text("no GC (reference)"), *rows["label"]], fontsize=8)
    axis.xaxis.set_major_locator(MaxNLocator(4))
    axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axis.grid(axis="x", alpha=0.3)


def mechanism_finding(ablations: pd.DataFrame) -> str:
    """Say in one sentence what GC does to the training loss, and what a random direction does."""
    parts = []
    for optimizer, group in ablations.groupby("optimizer", sort=False):
        group, name = group.set_index("arm"), value_name("optimizer", optimizer)
        if "gradient" not in group.index or group.loc["gradient", "t_low"] <= 0:
            parts.append(text("{name}: GC is not shown to lower the training loss", name=name))
            continue
        change = -np.expm1(-group.loc["gradient", "difference"])
        parts.append(text("{name}: GC lowers the training loss by {change:.0%}", name=name, change=change))
        if "random_direction" in group.index:
            parts[-1] += text("; ") + _of_random(group.loc["random_direction"])
    return text("; ").join(parts)


def _of_random(row):
    if row["t_low"] <= 0 <= row["t_high"]:
        return text("for a random direction no effect is shown")
    said = changed_amount(-row["difference"], row["outcome"], row["scale"])
    return text("with a random direction removed it is {said}", said=said)


def mechanism_alt(ablations: pd.DataFrame, conditions: pd.DataFrame | None = None) -> str:
    """What a reader who cannot see `mechanism` needs to know."""
    texts = []
    for optimizer in ablations["optimizer"].unique():
        rows = _panel(ablations, conditions, optimizer)
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
        texts.append(text("{name}: {parts}", name=value_name("optimizer", optimizer), parts=text("; ").join(named)))
    return text(
        "By how many percent the clean training loss is lower than without GC, with 95% intervals. {texts}.",
        texts=text(". ").join(texts),
    )
