"""The shell commands. Each imports large packages itself, so that mistakes in the arguments are reported at once."""

import io
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

from gc_tutorial.console import say
from gc_tutorial.errors import StoreError
from gc_tutorial.lesson import import_quietly
from gc_tutorial.study import arguments, engine, store
from gc_tutorial.study.factors import IMAGE_SETS
from gc_tutorial.study.plan import read_plan

TABLES = ("runs.csv", "epochs.csv")
OF_TABLES = "The folder of the tables"
PICTURES = (".png", ".svg", ".pdf", ".jpg", ".jpeg", ".webp")


def compare(*, folder: str, data: str, precision: str, csv: str | None, **options: Any) -> None:
    """Compare arms at one learning rate, and print means and intervals."""
    store.check_named(folder)
    if csv is not None:
        _check_file("--csv", csv, results=folder, data=os.path.expanduser(data))
    arguments.checked_arms(options["arms"], options["optimizer"])
    arguments.check_settings(options["learning_rate"], options["batch_size"], options["epochs"])
    _import_tensorflow()
    import keras

    from gc_tutorial.study.comparison import compare

    keras.config.set_dtype_policy(precision)
    table = compare(os.path.expanduser(data), folder=folder, **options)
    _report(table)
    if csv:
        _write(store.expanded(csv), table.to_csv(index=False))


def study(*, plan: str, folder: str, dry_run: bool, images: str | None, tables: str | None, **options: Any) -> None:
    """Run what is missing of a plan, or say what that is."""
    planned = read_plan(plan)
    store.check_named(folder)
    _check_tables(tables)
    engine.check_workers(options["workers"], options["threads"], options["scheduler"])
    if images is not None:
        folder_of_images = store.absolute(images)
        if not images or not os.path.isdir(folder_of_images):
            raise StoreError(f"--images {images!r} is not a folder. Name the one that holds the further image sets.")
        os.environ[IMAGE_SETS] = str(folder_of_images)
    from gc_tutorial.study.planned_study import check_target, run_study

    if tables:
        check_target(planned, folder, tables)
    if dry_run:
        from gc_tutorial.study.overview import overview

        say(overview(planned, folder))
        return
    _import_tensorflow()
    run_study(planned, folder, **options)
    if tables:
        _write_tables(planned, folder, tables)


def _import_tensorflow():
    """Leave Ctrl-C to the thread of `console.run`: an exception while TensorFlow starts can abort the process."""
    kept = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        import_quietly()
    finally:
        signal.signal(signal.SIGINT, kept)


def tables(*, plan: str, folder: str, target: str) -> None:
    """Write the tables of a study as far as it has come."""
    store.check_named(folder)
    store.check_named(target, OF_TABLES)
    _write_tables(read_plan(plan), folder, target)


def _write_tables(planned, folder, target):
    from gc_tutorial.study.planned_study import tables

    count = tables(planned, folder, target)
    say(f"{count} {'run is' if count == 1 else 'runs are'} in {target}.")


def restore(*, plan: str, source: str, folder: str) -> None:
    """Put the runs of a study's tables back into a folder."""
    store.check_named(source, OF_TABLES)
    store.check_named(folder)
    from gc_tutorial.study.planned_study import restore

    say(f"{restore(read_plan(plan), source, folder)} runs were put back into {folder}.")


def headline(*, picture: str) -> None:
    """Draw the figure of the README: training loss and held-out accuracy with GC, in each setting of study C."""
    _check_file("The picture", picture, endings=PICTURES)
    path = store.expanded(picture)
    from gc_tutorial import plotting
    from gc_tutorial.study.evidence.forest_figure import forests
    from gc_tutorial.study.published import published

    found = published("C_generality").findings()
    figure = forests([found["training"].table, found["heldout"].table])
    plotting.translate(figure)
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix[1:].lower(), dpi=110, facecolor="white")
    _write(path, drawn.getvalue())


def _write(path, content):
    """Write a file in one step; a file that was there before stays where that fails."""
    try:
        store.replace_file(path, content)
    except OSError as error:
        raise StoreError(f"{str(path)!r} cannot be written: {error.strerror}. Choose another file.") from error


def _check_file(what, name, results=None, endings=(), data=""):
    """Fail before hours of training, or a drawing, and not after.

    `results` is a folder that the command creates, and `data` the source of the images, perhaps a path.
    """
    path = store.expanded(name)
    try:
        if not name or path.is_dir():
            raise IsADirectoryError(0, "it is not a file name")
        if path.exists() and not path.is_file():
            raise OSError(0, "it is not a regular file")
        if endings and path.suffix.lower() not in endings:
            raise OSError(0, f"it ends in none of {', '.join(endings)}")
        if os.path.exists(data) and _is_of(path, data):
            raise OSError(0, "it belongs to the images of --data")
        parent = Path(os.path.realpath(path)).parent  # `Path.resolve` raises an error for a link to itself
        runs = Path(os.path.realpath(store.expanded(results))) if results else None
        if Path(os.path.realpath(path.parent)) == runs and path.suffix in ("", store.ENDING):
            raise OSError(0, "it could be a run, or the lock, of the results folder")
        if os.path.islink(os.path.realpath(path)):
            raise OSError(0, "it is a link to itself")
        if os.path.islink(path) and not parent.exists():
            raise FileNotFoundError(0, f"it is a link to a folder {str(parent)!r} that does not exist")
        if parent.exists():
            with tempfile.TemporaryFile(dir=parent):
                pass
        elif parent != runs:
            raise FileNotFoundError(0, f"there is no folder {str(path.parent)!r}")
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(0, "it is read-only")
    except OSError as error:
        raise StoreError(f"{what} {name!r} cannot be written: {error.strerror}. Choose another file.") from None


def _is_of(path, data):
    """Whether a file is the zip of images, or could be one of those in the folder."""
    path = Path(os.path.realpath(path))
    if path.exists() and os.path.samefile(path, data):
        return True
    return path.suffix.lower() != ".csv" and Path(os.path.realpath(data)) in path.parents


def _check_tables(target):
    """Check before hours of training, too, without creating anything."""
    if target is None:
        return
    path = store.absolute(target)
    try:
        if not target:
            raise IsADirectoryError(0, "it is not a folder name")
        there = next(one for one in (path, *path.parents) if one.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
        for name in TABLES:
            if (path / name).is_dir():
                raise IsADirectoryError(0, f"{name} is a folder there")
    except OSError as error:
        raise StoreError(f"--tables {target!r} cannot be written: {error.strerror}. Choose another folder.") from None


def _report(table):
    from gc_tutorial.study.analysis import OUTCOMES, paired_differences, verdict

    last = table.groupby(["arm", "seed"], sort=False).tail(1)
    finished, diverged = (last[last["status"] == status] for status in ("finished", "diverged"))
    if len(finished):
        columns = ["train_loss", "train_accuracy", "test_loss", "test_accuracy"]
        means = finished.groupby("arm", sort=False)[columns].mean().round(4)
        say(f"Means over seeds, last epoch:\n{means.assign(seeds=finished.value_counts('arm')).to_string()}")
    for run in diverged.itertuples():
        say(f"Diverged, and left out: arm {run.arm}, seed {run.seed}, in epoch {run.epoch}.")
    try:
        differences = paired_differences(table)
    except ValueError as reason:
        say(f"No intervals: {reason}")
        return
    for row in differences.to_dict("records"):
        say(f"{row['arm']} against none, {OUTCOMES[row['outcome']]}: {verdict(row)}")
