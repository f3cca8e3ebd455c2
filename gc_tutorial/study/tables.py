"""A study's runs as two tables: one row for each run, and one for each of its epochs."""

from __future__ import annotations

import importlib.resources
import json
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pandas as pd

from gc_tutorial.errors import StoreError
from gc_tutorial.study import store
from gc_tutorial.study.plan import Run

DIGITS = 5  # significant ones, in the files; differences between seeds are far larger
FACTORS = [one.name for one in fields(Run)]
EMPTY = dict.fromkeys(("pretrained", "kernels", "chance", "figures"), "")
KEPT_BY_RUN = ["status", "ended", "machine"]


def study_table(runs: dict[Run, dict]) -> pd.DataFrame:
    """Tabulate finished runs.

    Args:
        runs: dict from `Run` to what was stored of it.

    Returns:
        `pandas.DataFrame`, a row for each run and epoch: run (its name), the factors of `Run`, epoch, train_loss,
        train_accuracy (with dropout and augmentation), clean_, heldout_ and shifted_loss, _accuracy and _auc (NaN
        where not measured), share_1, share_2, ... (what GC removes, layer by layer), seconds, status.
    """
    rows = [{"run": run.name, **asdict(run), **row} for run, stored in runs.items() for row in stored["rows"]]
    table = pd.DataFrame(rows)
    numbers = sorted(set(table) - {"run", *FACTORS, *KEPT_BY_RUN}, key=_place)
    table = table.assign(**{name: pd.to_numeric(table[name]) for name in numbers})
    return table[["run", *FACTORS, *numbers, *KEPT_BY_RUN]]


def _place(name):
    """Always the same order, whatever the first run in the table has measured."""
    kinds = ("epoch", "train_", "clean_", "heldout_", "shifted_", "share_", "seconds")
    kind = next((place for place, start in enumerate(kinds) if name.startswith(start)), len(kinds))
    number = name.rpartition("_")[2]
    return kind, int(number) if number.isdigit() else 0, name


def write_tables(runs: dict[Run, dict], configurations: dict[Run, dict], folder: str | Path) -> None:
    """Write `runs.csv` and `epochs.csv`, each in one step, from which `restore_runs` makes the runs again.

    Args:
        runs, configurations: dict from `Run` to what was stored of it, and to its configuration.
        folder: path; it is made if need be.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    ordered = sorted(runs, key=lambda run: (run.stage, run.name))
    by_run = pd.DataFrame(
        [
            {
                "run": run.name,
                **asdict(run),
                **{key: runs[run]["rows"][0][key] for key in KEPT_BY_RUN},
                "kernels": " ".join(runs[run].get("kernels", [])),
                "chance": " ".join(f"{share:.4g}" for share in runs[run].get("chance", [])),
                "figures": " ".join(f"{name}:{value:g}" for name, value in runs[run].get("figures", {}).items()),
                **{key: value for key, value in configurations[run].items() if key != "plan"},
            }
            for run in ordered
        ]
    )
    epochs = study_table({run: runs[run] for run in ordered}).drop(columns=[*FACTORS, *KEPT_BY_RUN])
    epochs = epochs.map(lambda value: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value)
    store.replace_file(folder / "runs.csv", by_run.to_csv(index=False))
    store.replace_file(folder / "epochs.csv", epochs.to_csv(index=False))


def load_table(folder: str | Path) -> pd.DataFrame:
    """Read the two tables of a study as one.

    Args:
        folder: path of a folder with `runs.csv` and `epochs.csv`, or the name of a study that comes with the package.

    Returns:
        `pandas.DataFrame`, as from `study_table`.

    Raises:
        StoreError: if there are no such tables.
    """
    by_run, epochs = _read_tables(folder)
    table = epochs.merge(by_run, on="run", validate="many_to_one")
    return table


def restore_runs(folder: str | Path) -> dict[str, tuple[dict, dict]]:
    """Make the stored runs again from the two tables (their logits are not in them).

    Returns:
        dict from run name to a tuple of its configuration, without the plan, and the run as `store.write_run` takes it.
    """
    by_run, epochs = _read_tables(folder)
    restored = {}
    rows = dict(list(epochs.groupby("run")))
    other = {"run", *FACTORS, *KEPT_BY_RUN, "kernels", "chance", "figures"}
    for run in by_run.to_dict("records"):
        kept = {key: run[key] for key in KEPT_BY_RUN}
        found = [
            {key: None if pd.isna(value) else value for key, value in {**row, **kept}.items()}
            for row in rows[run["run"]].drop(columns="run").dropna(axis=1, how="all").to_dict("records")
        ]
        restored[run["run"]] = (
            {key: value for key, value in run.items() if key not in other},
            {
                "rows": json.loads(json.dumps(found, default=_plain)),
                "kernels": run["kernels"].split(),
                "chance": [float(share) for share in str(run["chance"]).split()],
                "figures": {name: float(value) for name, value in (one.split(":") for one in run["figures"].split())},
            },
        )
    return restored


def _plain(value):
    return value.item() if isinstance(value, np.generic) else str(value)


def _read_tables(folder):
    shipped = importlib.resources.files("gc_tutorial.study") / "results" / str(folder)
    folder = shipped if shipped.is_dir() else Path(folder).expanduser()
    try:
        return tuple(
            pd.read_csv((folder / name).open(encoding="utf-8")).fillna(EMPTY) for name in ("runs.csv", "epochs.csv")
        )
    except OSError as error:
        raise StoreError(f"{folder} has no tables of a study (runs.csv and epochs.csv): {error.strerror}.") from None
