"""The figure of what GC removes: its share of the gradient, layer by layer, against chance."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from gc_tutorial.language import text
from gc_tutorial.plotting import WIDTH, set_title
from gc_tutorial.study.evidence.names import setting_names
from gc_tutorial.study.evidence.wording import digits, listed
from gc_tutorial.typography import wrapped

CHANCE = "#777777"
ALIKE = 1.5  # shares that differ by more than this factor are named one by one
# Colours that no arm has: every point here is of a training without GC.
SERIES = (("#000000", "o"), ("#56B4E9", "s"), ("#E69F00", "D"), ("#CC79A7", "^"), ("#F0E442", "v"))


def shares(table: pd.DataFrame, layers: list[str], *, title: str | None = None) -> Figure:
    """Draw which share of the squared gradient norm GC would remove, a column for each layer.

    Args:
        table: `pandas.DataFrame` as from `removed_shares`; each of its settings, up to five, has a colour.
        layers: list of str, what the layers are called, from the first on.
        title: str; by default the finding, as `removed_finding` says it.

    Returns:
        `matplotlib.figure.Figure`, as wide as a phone. Points are means over runs without GC, bars 95% t
        intervals of the geometric mean; grey lines are chance, 1/M.
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 4.6), layout="constrained")
    groups = _settings(table)
    for place, ((name, rows), (colour, shape)) in enumerate(zip(groups, SERIES, strict=False)):
        aside = 0.24 * (place - (len(groups) - 1) / 2)
        at = rows["layer"] + aside
        limits = [rows["chance"] * rows[one] for one in ("times_low", "times_high")]
        axis.vlines(at, *limits, color=colour, lw=2)
        axis.plot(at, rows["share"], shape, color=colour, markeredgecolor="white", markersize=6, label=name)
    chance = table.drop_duplicates("layer")
    options = {"color": CHANCE, "markersize": 22, "markeredgewidth": 2}
    axis.plot(chance["layer"], chance["chance"], "_", label="chance, 1/M", **options)
    axis.set(yscale="log", ylim=(table["chance"].min() / 2, 1.3), xlim=(0.5, len(layers) + 0.5))
    axis.set_xticks(range(1, len(layers) + 1), [wrapped(layer, 7) for layer in layers])
    axis.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
    axis.set_ylabel("share of the squared gradient norm\n(bar: 95% interval)")
    axis.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2)
    set_title(figure, title or removed_finding(table))
    return figure


def _settings(table):
    named = table.assign(setting=setting_names(table))
    return list(named.groupby("setting", sort=False))


def removed_finding(table: pd.DataFrame, *, prose: bool = False) -> str:
    """Say in one sentence what GC would remove: in the first layer, and where settings agree in the others, too.

    Args:
        table: as for `shares`.
        prose: whether it stands in a paragraph, and not over a figure, where Japanese is shorter.
    """
    context = "prose" if prose else ""
    first = table[table["layer"] == 1]
    drawn = 100 * first["share"]
    if drawn.max() > ALIKE * drawn.min():
        named = [f"{share:.0f}% ({name})" for share, name in zip(drawn, setting_names(first), strict=True)]
        return text(
            "Of the first layer's squared gradient norm without GC, {named} lie along the mean",
            context,
            named=listed(named),
        )
    others = table[table["layer"] > 1]
    if others.empty:
        return text(
            "Without GC, {span}% of the first layer's squared gradient norm lies along the mean",
            context,
            span=_span(drawn),
        )
    return text(
        "Without GC, {span}% of the first layer's squared gradient norm lies along the mean. In the other layers "
        "the share is {others} times chance",
        context,
        span=_span(drawn),
        others=_span(others["times_chance"]),
    )


def _span(values):
    low, high = digits(values.min()), digits(values.max())
    return low if low == high else text("{near} to {far}", near=low, far=high)


def removed_alt(table: pd.DataFrame, layers: list[str]) -> str:
    """What a reader who cannot see `shares` needs to know."""
    texts = []
    for name, rows in _settings(table):
        drawn = 100 * rows["share"]
        parts = [
            text(
                "{layer} {share:.2g}%, {times} times chance", layer=layers[layer - 1], share=share, times=digits(times)
            )
            for layer, share, times in zip(rows["layer"], drawn, rows["times_chance"], strict=True)
        ]
        texts.append(text("{name}: {parts}", name=name, parts=text("; ").join(parts)))
    return text(
        "The share of the squared gradient norm that GC would remove, layer by layer. {texts}.",
        texts=text(". ").join(texts),
    )
