"""A study's runs as two tables: one row for each run, and one for each of its epochs."""

import errno
import functools
import importlib.resources
import io
import os
import re
from collections.abc import Iterable
from dataclasses import MISSING, asdict, fields
from pathlib import Path

import numpy as np
import pandas as pd

from gc_tutorial.errors import StoreError
from gc_tutorial.study import store
from gc_tutorial.study.runs import Run

DIGITS = 4  # significant ones, in the files; differences between seeds are far larger
FACTORS = [one.name for one in fields(Run)]
LISTS = ("kernels", "chance", "figures")  # of one element, too
EMPTY = dict.fromkeys(("pretrained", *LISTS), "")
KEPT_BY_RUN = ["status", "ended", "machine", "classes"]
NEEDED = {  # a factor that has a default may be newer than the tables
    "runs.csv": ["run", *(one.name for one in fields(Run) if one.default is MISSING), *KEPT_BY_RUN, *LISTS],
    "epochs.csv": ["run", "epoch", "train_loss", "seconds"],
}


def study_table(runs: dict[Run, dict]) -> pd.DataFrame:
    """Tabulate finished runs.

    Args:
        runs: dict from `Run` to what was stored of it.

    Returns:
        `pandas.DataFrame`, a row for each run and epoch: run (its name), the factors of `Run`, epoch, train_loss,
        train_accuracy (with dropout and augmentation), clean_, heldout_ and shifted_loss, _accuracy and _auc (NaN
        where not measured), share_1, share_2, ... (what GC removes, layer by layer), seconds, status.
    """
    rows = [
        {**of_run, **row}
        for run, stored in runs.items()
        for of_run in [{"run": run.name, **asdict(run), "classes": stored.get("classes", 0)}]
        for row in stored["rows"]
    ]
    table = pd.DataFrame(rows)
    numbers = sorted(set(table) - {"run", *FACTORS, *KEPT_BY_RUN}, key=_place)
    table = table.assign(**{name: pd.to_numeric(table[name]) for name in numbers})
    return table[["run", *FACTORS, *numbers, *KEPT_BY_RUN]]


def _place(name):
    """The sort key of a column: the order must not depend on what the first run in the table has measured."""
    kinds = ("epoch", "train_", "clean_", "heldout_", "shifted_", "share_", "seconds")
    kind = next((place for place, start in enumerate(kinds) if name.startswith(start)), len(kinds))
    number = name.rpartition("_")[2]
    return kind, int(number) if number.isdigit() else 0, name


def write_tables(runs: dict[Run, dict], configurations: dict[Run, dict], folder: str | Path) -> None:
    """Write `runs.csv` and `epochs.csv`, each atomically; `restore_runs` makes the runs from them again.

    Args:
        runs, configurations: dict from `Run` to what was stored of it, and to its configuration.
        folder: path; it is created if needed.

    Raises:
        StoreError: if it cannot be written to.
    """
    folder = Path(folder)
    ordered = sorted(runs, key=lambda run: (run.stage, run.name))
    by_run = pd.DataFrame(
        [
            {
                "run": run.name,
                **asdict(run),
                **{key: runs[run]["rows"][0][key] for key in KEPT_BY_RUN[:3]},
                "classes": runs[run].get("classes", 0),
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
    epochs = epochs.assign(run=epochs["run"].map(_digest))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        store.replace_file(folder / "runs.csv", by_run.to_csv(index=False))
        store.replace_file(folder / "epochs.csv", epochs.to_csv(index=False))
    except OSError as error:
        raise StoreError(f"Tables cannot be written to {folder}: {error.strerror}. Choose another folder.") from None


def check_kept(folder: str | os.PathLike, names: Iterable[str], more: bool = False) -> None:
    """Raise an error where the tables in a folder hold runs that new ones would lack, such as those of another study.

    Args:
        folder: path, which need not exist.
        names: of the runs that the new tables will hold.
        more: whether they will hold others, too, that have no names yet; then one run in common is enough.

    Raises:
        StoreError: saying how many runs there are, or that a file there is not a table of runs.
    """
    ends = {_digest(name) for name in names}
    tables = {path: _names(path) for path in (Path(folder) / name for name in NEEDED)}
    for path, there in tables.items():
        lost = [name for name in there if _digest(name) not in ends]
        if lost and (not more or len(lost) == len(there)):
            raise StoreError(
                f"{path} holds {len(lost)} {'run' if len(lost) == 1 else 'runs'} that the new tables would lack, such "
                f"as {lost[0]}. Nothing was changed. Choose another folder, or remove the tables there."
            )


def _names(path):
    """The runs that a table holds; damage elsewhere in it does not count."""
    if not path.is_file():  # writing the tables says what is wrong with it
        return []
    try:
        return pd.read_csv(path, usecols=["run"], dtype=str)["run"].dropna().unique().tolist()
    except (OSError, ValueError) as error:  # also of pandas
        raise StoreError(
            f"{path} is not a table of runs ({' '.join(str(error).split())}), and is not replaced. Choose another "
            "folder, or remove it."
        ) from None


def load_table(folder: str | os.PathLike) -> pd.DataFrame:
    """Read the two tables of a study as one.

    Args:
        folder: path of a folder with `runs.csv` and `epochs.csv`, or the name of a study that comes with the package.

    Returns:
        `pandas.DataFrame`, as from `study_table`.

    Raises:
        StoreError: if there are no such tables, or they are damaged.
    """
    by_run, epochs = _read_tables(folder)
    return epochs.merge(by_run, on="run", validate="many_to_one")


def published_tables() -> list[str]:
    """The names of the studies whose tables come with the package."""
    folder = importlib.resources.files("gc_tutorial.study") / "results"
    return sorted(one.name for one in folder.iterdir() if (one / "runs.csv").is_file())


def restore_runs(folder: str | os.PathLike) -> dict[str, tuple[dict, dict]]:
    """Make the stored runs again from the two tables (their logits are not in them).

    Returns:
        dict from run name to a tuple of its configuration, without the plan, and the run as `store.write_run` takes it.

    Raises:
        StoreError: if there are no such tables, or they are damaged.
    """
    by_run, epochs = _read_tables(folder)
    rows: dict[str, list[dict]] = {}
    for row in epochs.to_dict("records"):
        rows.setdefault(row.pop("run"), []).append(row)
    try:
        return {run["run"]: _restored(run, rows[run["run"]]) for run in by_run.to_dict("records")}
    except (ValueError, TypeError, AttributeError) as error:  # a field of the wrong type
        raise _damaged(Path(folder) / "runs.csv", str(error)) from None


def _restored(run, rows):
    other = {"run", *FACTORS, *KEPT_BY_RUN, *LISTS}
    kept = {key: run[key] for key in KEPT_BY_RUN[:3]}
    known = [{key: None if pd.isna(value) else value for key, value in row.items()} for row in rows]
    measured = {*NEEDED["epochs.csv"][1:]} | {key for row in known for key, value in row.items() if value is not None}
    found = [{**{key: value for key, value in row.items() if key in measured}, **kept} for row in known]
    return (
        {key: value for key, value in run.items() if key not in other},
        {
            "rows": found,
            "kernels": run["kernels"].split(),
            "classes": int(run["classes"]),
            "chance": [float(share) for share in run["chance"].split()],
            "figures": {name: float(value) for name, value in (one.split(":") for one in run["figures"].split())},
        },
    )


def _digest(name):
    """The unique end of a run's name; full names would be half of the table of epochs."""
    return name.rpartition("-")[2]


def _read_tables(folder):
    store.check_named(folder, "The folder of the tables")
    if str(folder) in published_tables() and not os.path.exists(Path(folder) / "runs.csv"):
        return _read_published(str(folder))
    return _read(store.expanded(folder))


@functools.cache  # they do not change, and are read twice: as a table, and as runs
def _read_published(name):
    return _read(importlib.resources.files("gc_tutorial.study") / "results" / name)


def _read(folder):
    by_run, epochs = (_read_table(folder / name, needed) for name, needed in NEEDED.items())
    names = {_digest(name): name for name in by_run["run"]}
    epochs = epochs.assign(run=epochs["run"].map(names))
    if set(by_run["run"]) != set(epochs["run"]) or by_run["run"].duplicated().any():
        raise _damaged(folder, "runs.csv and epochs.csv do not hold the same runs")
    _check_values(folder, by_run, epochs)
    counts = by_run["run"].map(epochs.groupby("run").size())
    expected = by_run["epochs"] * (1 + (by_run.get("arm") == "recompiled"))
    if (counts != expected)[by_run["status"] == "finished"].any():
        raise _damaged(folder / "epochs.csv", "epochs are missing")
    if (epochs["epoch"] != epochs.groupby("run").cumcount() + 1).any():
        raise _damaged(folder / "epochs.csv", "the epochs of a run are not 1, 2, ...")
    ended = by_run.loc[by_run["status"] == "finished", "run"]
    if not np.isfinite(epochs.loc[epochs["run"].isin(ended), ["train_loss", "seconds"]]).all(axis=None):
        raise _damaged(folder / "epochs.csv", "a finished run has an epoch without a number")
    if not np.isfinite(epochs["seconds"]).all():
        raise _damaged(folder / "epochs.csv", "an epoch has no seconds")
    return by_run, epochs


def _check_values(folder, by_run, epochs):
    """A number that was changed by hand, or by a spreadsheet, must not become a result."""
    for name, table in (
        ("runs.csv", by_run[["seed", "epochs", "classes"]]),
        ("epochs.csv", epochs.drop(columns="run")),
    ):
        for column in table:
            if not pd.api.types.is_numeric_dtype(table[column]):
                raise _damaged(folder / name, f"its column {column} has a value that is not a number")
    classes = by_run["classes"].astype(float)
    if ((classes % 1 != 0) | (classes < 0) | (classes == 1)).any():  # 0: not known
        raise _damaged(folder / "runs.csv", "its column classes has a value that is not a number of classes")
    wrong = by_run.loc[~by_run["status"].isin(store.STATUSES), "run"].tolist()
    if set(FACTORS) <= set(by_run):
        wrong += [run["run"] for run in by_run.to_dict("records") if _name(run) != run["run"]]
    if wrong:
        raise _damaged(folder / "runs.csv", f"the fields of {wrong[0]} are not those of a run of this name")


def _name(row):
    """The name of the run with these factors, which holds a digest of them all."""
    try:
        return Run(**{factor: row[factor] for factor in FACTORS}).name
    except (TypeError, ValueError):  # a field of the wrong type
        return ""


def _read_table(path, needed):
    try:
        if not os.path.isfile(path) and os.path.exists(path):  # reading a named pipe would block
            raise OSError(errno.EINVAL, f"{path.name} is not a regular file")
        text = path.read_text(encoding="utf-8")
        table = pd.read_csv(io.StringIO(text), dtype=dict.fromkeys(("run", *EMPTY), str)).fillna(EMPTY)
    except OSError as error:
        raise StoreError(
            f"{path.parent} has no tables of a study (runs.csv and epochs.csv): {error.strerror}."
        ) from None
    except ValueError as error:  # also of pandas
        raise _damaged(path, str(error)) from None
    missing = [name for name in needed if name not in table]
    if missing:
        raise _damaged(path, f"it has no column {', '.join(missing)}")
    if not text.endswith("\n"):
        raise _damaged(path, "its last line is not complete")
    for name in table["run"]:
        if not re.fullmatch(r"[\w.+-]+", str(name)):  # it becomes the name of a file
            raise _damaged(path, f"{str(name)!r} is not the name of a run")
    return table


def _damaged(path, reason):
    return StoreError(
        f"{path} is damaged: {' '.join(reason.split())}. Nothing was changed. Write the tables again, or take another "
        "copy of them."
    )
