"""Finished runs on disk: one file each, written atomically, checked when read, by one command at a time."""

import contextlib
import errno
import hashlib
import json
import math
import os
import unicodedata
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from gc_tutorial.errors import StoreError
from gc_tutorial.language import text

ENDING = ".json"
UNFINISHED = ".partial"
LOCK = ".lock"
TEXTS = ("arm", "status", "ended", "machine")  # columns of rows that do not hold numbers
STATUSES = ("finished", "diverged")
LARGEST = 1e308  # pandas cannot take a larger whole number as one of floating point


@dataclass
class Results:
    """What a results folder holds.

    Attributes:
        runs: dict from run name to a dict of rows (list of dict, one for each epoch), and whatever else was kept.
        configurations: dict from run name to the configuration that it was made with.
        damaged: names of damaged files; their runs are repeated and replace them.
    """

    runs: dict[str, dict] = field(default_factory=dict)
    configurations: dict[str, dict] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)


def check_named(folder: str | os.PathLike, what: str = "The results folder") -> None:
    """Raise an error for an empty name, which `Path` takes for the current folder, and for what is not a path.

    Raises:
        StoreError: if it is empty, not a name of a folder, or begins with ~ where there is no home folder.
    """
    if not isinstance(folder, (str, os.PathLike)) or "\0" in str(folder):
        raise StoreError(f"{folder!r} is not the name of a folder. Give a str or a path.")
    if not os.fspath(folder):
        raise StoreError(f"{what} has no name. Give one; perhaps a shell variable is not set.")
    expanded(folder)


def expanded(path: str | os.PathLike) -> Path:
    """A path with `~` replaced by the home folder.

    Raises:
        StoreError: where there is no home folder, as in a container under a user whom its system does not know.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise StoreError(f"{str(path)!r} begins with ~, but there is no home folder. Give a full path.") from None


def absolute(path: str | os.PathLike) -> Path:
    """An expanded path from the root of the file system on.

    Raises:
        StoreError: where there is no current folder, as after another program has removed it.
    """
    try:
        return expanded(path).absolute()
    except FileNotFoundError:
        raise StoreError(
            f"{str(path)!r} is in the current folder, which has been removed. Change to another folder, or give a full "
            "path."
        ) from None


def probe(folder: Path) -> None:
    """Create a folder if needed, and check that it can be written to.

    Raises:
        OSError: if that cannot be done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / f"probe-{os.getpid()}{UNFINISHED}"
    try:
        written.write_text("a line to see whether there is room\n")
    finally:
        with contextlib.suppress(OSError):  # the first error says more
            written.unlink()


@contextlib.contextmanager
def locked(folder: str | os.PathLike) -> Iterator[Path]:
    """Create a results folder if needed, and lock it for this command.

    Args:
        folder: path; `~` is expanded.

    Yields:
        `Path` of the folder.

    Raises:
        StoreError: if it cannot be written to, or another command works in it.
    """
    check_named(folder)
    folder = expanded(folder)
    try:
        probe(folder)
        lock = FileLock(folder / LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        raise StoreError(f"Another command is using {folder}. Wait until it ends, or choose another folder.") from None
    except OSError as error:
        raise StoreError(
            f"Results cannot be written to {folder}: {error.strerror}. Choose another folder, or make this one "
            "writable and free some space."
        ) from error
    try:
        yield folder
    finally:
        lock.release()


def read_results(folder: str | os.PathLike) -> Results:
    """Read all finished runs of a results folder; ignores partial files of interrupted commands.

    Hidden files count only where they are runs: the name of a run may begin with a dot, as the path of its data does.

    Args:
        folder: path.

    Returns:
        `Results`.

    Raises:
        StoreError: for a file that cannot be read, or that is not a run of this package. Nothing is changed.
    """
    results = Results()
    for path in _listed(Path(folder)):
        hidden = path.name.startswith(".")  # such as the companions that macOS puts beside copied files
        try:
            run = _read(path)
        except StoreError:
            if hidden:
                continue
            raise
        if run is not None:
            results.configurations[path.stem] = run.pop("configuration")
            results.runs[path.stem] = run
        elif not hidden:
            results.damaged.append(path.name)
    return results


def said_of_damaged(results: Results, names: Iterable[str]) -> list[str]:
    """What becomes of each damaged file: the run of one of these names is repeated, and other files are left alone."""
    expected = {f"{name}{ENDING}" for name in names}
    return [
        text("{name} is damaged; its run is repeated.", name=name)
        if name in expected
        else text("{name} is not a complete run, and was left unchanged.", name=name)
        for name in results.damaged
    ]


def _listed(folder):
    """The files of runs. (`Path.glob` would find none in a folder that may not be listed.)"""
    try:
        return sorted(folder / name for name in os.listdir(folder) if name.endswith(ENDING) and name != ENDING)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(
            f"The results folder {folder} cannot be listed: {error.strerror}. Change its permissions, or choose "
            "another folder."
        ) from None


def check_rows(results: Results, columns: Iterable[str], folder: str | os.PathLike) -> None:
    """Raise an error for runs whose rows lack columns of this package, or hold values that do not fit them.

    Args:
        results: `Results` of the folder.
        columns: names that each row must have.
        folder: path, for the message.

    Raises:
        StoreError: naming the file and the column.
    """
    for name, run in results.runs.items():
        for row in run["rows"]:
            wrong = [one for one in columns if one not in row]
            wrong += [one for one, value in row.items() if not _is_kind(one, value)]
            if wrong:
                raise StoreError(
                    f"{Path(folder) / name}{ENDING} is not a run of this package: its column {wrong[0]} is missing or "
                    "has the wrong type. Nothing was changed. Choose another folder."
                )


def _is_kind(column, value):
    """Whether a value can stand in this column of a row."""
    if column in TEXTS:
        return isinstance(value, str) and (column != "status" or value in STATUSES)
    if column == "epoch":
        return isinstance(value, int)
    number = isinstance(value, float) or (isinstance(value, int) and abs(value) < LARGEST)
    if column == "seconds":  # measured even where the loss was not a number
        return number and math.isfinite(value)
    return number or value is None


def check_same(
    results: Results,
    configuration: dict,
    folder: str | os.PathLike,
    hint: str = "",
    *,
    hinted: Container[str] | None = None,
    ignoring: Iterable[str] = (),
) -> None:
    """Raise an error if a folder holds runs of another configuration.

    Args:
        results: `Results` of the folder.
        configuration: dict of what must be equal for all runs in the folder.
        folder: path, for the message.
        hint: str, a further way to solve it, for the message.
        hinted: keys to which the hint applies; it is left out where others differ. None means all.
        ignoring: keys that may differ.

    Raises:
        StoreError: naming what differs, and how to continue.
    """
    for name, found in results.configurations.items():
        keys = sorted((configuration.keys() | found) - set(ignoring))
        differing = [key for key in keys if configuration.get(key) != found.get(key)]
        if differing:
            differences = "; ".join(
                f"{key} is {found.get(key)!r} there, {configuration.get(key)!r} here" for key in differing
            )
            if hinted is not None and not all(key in hinted for key in differing):
                hint = ""
            raise StoreError(
                f"{Path(folder) / name}{ENDING} is a run with a different configuration: {differences}. Nothing was "
                f"changed. Choose another folder, or use the configuration that this folder was begun with.{hint}"
            )


def write_run(folder: str | os.PathLike, name: str, configuration: dict, run: dict) -> None:
    """Write one finished run atomically.

    Args:
        folder: path of the results folder.
        name: the run's name, which becomes the file's.
        configuration: dict, as for `check_same`.
        run: dict of what JSON can hold, with the key `"rows"`: a list of dict of str, int, float or None.

    Raises:
        StoreError: if it cannot be written, such as on a full disk. Runs written before are not touched.
    """
    run = {"configuration": configuration, "name": name, **run}  # the name tells a copy from another run
    try:
        replace_file(Path(folder) / f"{name}{ENDING}", json.dumps({**run, "checksum": _checksum(run)}, indent=1))
    except OSError as error:
        raise unwritten(name, folder, error) from error


def unwritten(name: str, folder: str | os.PathLike, error: OSError) -> StoreError:
    """The error for a finished run that could not be written."""
    if not Path(folder).is_dir():
        return StoreError(
            f"The results folder {folder} was removed while {name!r} was trained, so that run could not be kept. Run "
            "the same command again to start over."
        )
    return StoreError(
        f"The finished run {name!r} could not be written to {folder}: {error.strerror}. All runs before it are "
        "safe there. Free some space, and run the same command again to continue."
    )


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a file atomically: readers see the old content or the new, never a part.

    If the path is a link, its target is replaced.

    Raises:
        OSError: if it cannot be written; the old content is then still there.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():  # root could replace a device with a file
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    unfinished = path.with_name(f"{os.getpid()}{UNFINISHED}")  # a longer name might be too long
    try:
        with open(unfinished, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())  # otherwise a power cut could leave an empty file under the new name
        os.replace(unfinished, path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


def _read(path):
    """The run in a file, or None where the file is damaged."""
    if not path.is_file():  # reading a named pipe would block
        raise StoreError(f"{path} is not a file. Remove it, or choose another folder.")
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read: {error.strerror}. Nothing was changed. Change its permissions, or choose "
            "another folder."
        ) from error
    except (ValueError, RecursionError):  # not UTF-8, or not JSON
        return None
    if not _is_run(run):
        raise StoreError(f"{path} is not a run of this package. Nothing was changed. Choose another folder.")
    checksum = run.pop("checksum")
    if checksum != _checksum(run):
        return None
    name = run.pop("name", path.stem)  # older files have none
    if unicodedata.normalize("NFC", str(name)) != unicodedata.normalize("NFC", path.stem):  # as some systems store it
        raise misnamed(path, name)
    return run


def misnamed(path: Path, name: str) -> StoreError:
    """The error for the file of a run that has the name of another run."""
    return StoreError(
        f"{path} holds the run {name!r}: it was copied or renamed. Nothing was changed. Remove it, or give it the name "
        f"{name}{ENDING} again."
    )


def _is_run(found):
    if not isinstance(found, dict) or not {"configuration", "rows", "checksum"} <= found.keys():
        return False
    rows = found["rows"]
    whole = isinstance(rows, list) and len(rows) > 0 and all(isinstance(row, dict) for row in rows)
    return whole and isinstance(found["configuration"], dict)


def _checksum(run):
    return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()
