"""Tuned GC against tuned no GC, a row for each setting: a forest plot, its finding and its alternative text."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gc_tutorial.language import Words, text
from gc_tutorial.plotting import COLOURS, LABELS, balanced
from gc_tutorial.study.evidence.names import SIZES, setting_names, value_name
from gc_tutorial.study.evidence.wording import HELPS, HURTS, INCONCLUSIVE, NO_PRACTICAL_DIFFERENCE, VERDICTS, listed
from gc_tutorial.typography import is_wide, wrapped

# The shape says the word, and black that there is a difference: the colours of arms would mean something else here.
MARKS: dict[str, dict[str, Any]] = {
    HELPS: {"marker": "^", "color": "black", "markersize": 8},
    HURTS: {"marker": "v", "color": "black", "markersize": 8},
    NO_PRACTICAL_DIFFERENCE: {"marker": "s", "color": "#666666", "markerfacecolor": "white", "markersize": 6},
    INCONCLUSIVE: {"marker": "o", "color": "#999999", "markerfacecolor": "white", "markersize": 6},
}
FORESTS = Words(  # what is drawn, by outcome
    {
        "heldout_accuracy": "held-out accuracy, GC minus no GC\n(points, 95% interval; better →)",
        "clean_loss": "training loss, GC against no GC\n(percent, 95% interval; ← better)",
    }
)
FINDINGS = Words({"heldout_accuracy": "Held-out accuracy", "clean_loss": "Training loss"})


def forest(table: pd.DataFrame) -> Figure:
    """Draw a forest plot that stands alone: arguments as for `draw_forest`.

    Returns:
        `matplotlib.figure.Figure`, as wide as a phone, with a finding as its title.
    """
    figure, axis = plt.subplots(figsize=(4.6, 1.9 + 0.4 * len(table)), layout="constrained")
    draw_forest(axis, table)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=2)
    figure.suptitle(balanced(forest_finding(table), figure), fontsize=10)
    return figure


def forests(tables: Sequence[pd.DataFrame]) -> Figure:
    """Draw forest plots of the same settings side by side: arguments as for `draw_forest`, a table for each.

    Returns:
        `matplotlib.figure.Figure`, as wide as a page.
    """
    size = (3 * len(tables), 3 + 0.37 * len(tables[0]))  # inches: with text of 10 points it can be read on a phone
    figure, axes = plt.subplots(1, len(tables), figsize=size, layout="constrained", sharey=True)
    keys: dict[str, Artist] = {}
    for axis, table in zip(axes, tables, strict=True):
        draw_forest(axis, table, fontsize=10)
        axis.set_title(wrapped(forest_finding(table), 24), fontsize=10)
        label = axis.get_xlabel()
        axis.set_xlabel(wrapped(label.replace("\n", "" if is_wide(label) else " "), 24))
        keys.update(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.legend(keys.values(), keys, loc="outside lower center", fontsize=10, ncols=2)
    return figure


def draw_forest(axis: Axes, table: pd.DataFrame, *, fontsize: float = 8) -> None:
    """Draw differences with their intervals, a row for each setting, on a matplotlib axis.

    Args:
        axis: matplotlib axis.
        table: as from `compare_pairs`, of `"heldout_accuracy"`, or of `"clean_loss"` on the scale `"log"`; its margin
            is drawn as a band.
        fontsize: float, of the names of the rows and of the axis, in points.
    """
    margin = table["margin"].iloc[0]
    low, high = _shown(table, -margin), _shown(table, margin)
    band = text("margin: ±{margin:g} points" if _in_points(table) else "margin: ±{margin:g}%", margin=100 * margin)
    axis.axvspan(low, high, color="#777777", alpha=0.15, lw=0, label=band)
    axis.axvline(0, color=COLOURS["none"], lw=1.2, ls="--", label=LABELS["none"])
    for place, row in enumerate(table.itertuples()):
        ends, mark = [_shown(table, row.t_low), _shown(table, row.t_high)], MARKS[row.word]
        axis.plot(ends, [place, place], color=mark["color"], lw=2, solid_capstyle="butt")
        axis.plot(_shown(table, row.difference), place, **mark)
    for kind in [one for one in MARKS if one in set(table["word"])]:
        axis.plot([], [], ls="", label=VERDICTS[kind], **MARKS[kind])
    axis.set(ylim=(len(table) - 0.5, -0.5), yticks=range(len(table)))
    axis.set_yticklabels(list(_row_names(table)), fontsize=fontsize, linespacing=1.15)
    note = "\n" + text("† a best rate lies at the edge of its grid") if table["edge"].any() else ""
    axis.set_xlabel(FORESTS[_outcome(table)] + note, fontsize=fontsize)
    axis.tick_params(axis="x", labelsize=fontsize)
    axis.margins(x=0.08)
    axis.grid(axis="x", alpha=0.3)


def _outcome(table: pd.DataFrame) -> str:
    return str(table["outcome"].iloc[0])


def _in_points(table: pd.DataFrame) -> bool:
    return _outcome(table).endswith("accuracy")


def _shown(table: pd.DataFrame, value: float) -> float:
    """A difference in points of accuracy, or in percent of the loss without GC."""
    return 100 * value if _in_points(table) else 100 * math.expm1(value)


def _row_names(table: pd.DataFrame) -> Iterator[str]:
    """Two short lines for each setting: its data, and the rest; and how many seeds where it has more than most."""
    rests = setting_names(table, (*SIZES, "data", "train_examples", "pretrained"))
    for (_, row), rest in zip(table.iterrows(), rests, strict=True):
        data = value_name("data", row["data"])
        if row["train_examples"] and table.loc[table["data"] == row["data"], "train_examples"].nunique() > 1:
            data = text("{name}, {size}", name=data, size=value_name("train_examples", row["train_examples"]))
        if row["seeds"] > table["seeds"].median():
            data = text("{data}, {seeds} seeds", data=data, seeds=row["seeds"])
        yield f"{data}{' †' if row['edge'] else ''}\n{text('fine-tuned, ') if row['pretrained'] else ''}{rest}"


def forest_finding(table: pd.DataFrame) -> str:
    """Say in one sentence what the forest shows, such as for its title."""
    counts = table["word"].value_counts()
    said = {
        kind: text("{word} in {count}", word=VERDICTS[kind], count=counts[kind]) for kind in MARKS if kind in counts
    }
    parts = [said[kind] for kind in (HELPS, HURTS) if kind in said]
    rest = [said[kind] for kind in (NO_PRACTICAL_DIFFERENCE, INCONCLUSIVE) if kind in said]
    values = {
        "outcome": FINDINGS[_outcome(table)],
        "parts": listed(parts),
        "count": len(table),
        "rest": text(", ").join(rest),
    }
    if not parts:
        return text("{outcome}: no effect of tuned GC is shown in any of {count} settings; {rest}", **values)
    return text(
        "{outcome}: tuned GC {parts} of {count} settings; {rest}"
        if rest
        else "{outcome}: tuned GC {parts} of {count} settings",
        **values,
    )


def forest_alt(table: pd.DataFrame) -> str:
    """What a reader who cannot see `draw_forest` needs to know."""
    return text(
        "Held-out accuracy, tuned GC minus tuned no GC, in points with 95% intervals, a row for each setting: {rows}."
        if _in_points(table)
        else "Training loss, tuned GC against tuned no GC, in percent with 95% intervals, a row for each setting: "
        "{rows}.",
        rows=rows_alt(table),
    )


def rows_alt(table: pd.DataFrame) -> str:
    """The rows in words."""
    return text("; ").join(
        text(
            "{name} {difference:+.1f} ({t_low:+.1f} to {t_high:+.1f}, {word})",
            name=name,
            difference=_shown(table, row.difference),
            t_low=_shown(table, row.t_low),
            t_high=_shown(table, row.t_high),
            word=VERDICTS[row.word],
        )
        for name, row in zip(setting_names(table, SIZES), table.itertuples(), strict=True)
    )
