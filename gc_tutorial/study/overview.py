"""What a planned study would run, and how long that takes."""

import math
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from statistics import median

from gc_tutorial.study import store
from gc_tutorial.study.plan import Plan
from gc_tutorial.study.planned_study import check_plan
from gc_tutorial.study.runs import Run
from gc_tutorial.study.tuned import known_runs


def overview(plan: Plan, folder: str | os.PathLike) -> str:
    """What a plan would run: a line for each cell, and an estimate of the time from runs that have ended.

    Args:
        plan: `Plan`.
        folder: path of the results folder; it need not exist, and nothing is written.

    Returns:
        str of several lines.
    """
    results = store.read_results(store.expanded(folder))
    check_plan(results, plan, folder)
    runs = known_runs(plan, results)
    missing = [run for run in runs if run.name not in results.runs]
    cells = Counter(run.cell for run in missing)
    lines = [f"{count:4d} × {_cell_line(cell)}" for cell, count in cells.items()]
    lines.append(f"{len(missing)} of {len(runs)} runs are missing.")
    lines += store.said_of_damaged(results, (run.name for run in runs))
    if plan.tuned and len(runs) == len(plan.runs):
        lines.append("Further runs follow when the tuning has chosen their learning rates.")
    measured = {run: results.runs[run.name]["rows"] for run in runs if run.name in results.runs}
    if measured and missing:
        hours = _seconds(missing, measured) / 3600
        lines.append(f"About {hours:.1f} hours of training in one process, by the epochs of the runs that have ended.")
    elif missing:
        lines.append("No run has finished yet, so there is no estimate.")
    return "\n".join(lines)


def _cell_line(cell):
    plain = Run(data="", learning_rate=1.0, epochs=1, seed=0)
    varied = {key: value for key, value in asdict(cell).items() if value != getattr(plain, key) and key != "seed"}
    return ", ".join(
        f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in varied.items()
    )


def _seconds(missing: Iterable[Run], measured: dict[Run, list[dict]]) -> float:
    """The time of the missing runs, each by the epochs of the runs that are most like it."""
    epochs: dict[tuple, list[float]] = {}
    for run, rows in measured.items():
        epochs.setdefault(_kind(run), []).extend(row["seconds"] for row in rows)
    known = {kind: median(seconds) for kind, seconds in epochs.items()}
    total = 0.0
    for run in missing:
        kind = _kind(run)
        like = min(known, key=lambda other: _unlikeness(kind, other))
        total += run.epochs * known[like] * _pixels(kind) / _pixels(like)
    return total


def _kind(run):
    return run.data, run.train_examples, run.network, run.image_size


def _unlikeness(kind, other):
    """The size counts first, since most of the time goes to pixels; then how many of the others are equal."""
    size = abs(math.log(_pixels(kind) / _pixels(other)))
    return size, sum(one != another for one, another in zip(kind, other, strict=True))


def _pixels(kind):
    return max(1, kind[-1]) ** 2  # 0 for data that are not images
