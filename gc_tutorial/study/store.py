"""Finished runs on disk: one file each, written in one step, checked when read, by one command at a time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from gc_tutorial.errors import StoreError

ENDING = ".json"
UNFINISHED = ".partial"
LOCK = ".lock"


@dataclass
class Results:
    """What a results folder holds.

    Attributes:
        runs: dict from run name to a dict of rows (list of dict, one for each epoch), and whatever else was kept.
        configurations: dict from run name to the configuration that it was made with.
        damaged: names of files that are damaged; the runs are done again and replace them.
    """

    runs: dict[str, dict] = field(default_factory=dict)
    configurations: dict[str, dict] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)


def check_named(folder: str | os.PathLike) -> None:
    """Refuse an empty name, which `Path` would take for the current folder.

    Raises:
        StoreError: if it is empty.
    """
    if not os.fspath(folder):
        raise StoreError("The results folder has no name. Give one; perhaps a shell variable is not set.")


def expanded(path: str | os.PathLike) -> Path:
    """A path with `~` replaced by the home folder.

    Raises:
        StoreError: where there is no home folder, as in a container under a user whom its system does not know.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise StoreError(f"{str(path)!r} begins with ~, and there is no home folder. Give a full path.") from None


@contextlib.contextmanager
def locked(folder: str | os.PathLike) -> Iterator[Path]:
    """Make a results folder ready for this command alone.

    Args:
        folder: path; `~` is expanded, and the folder is made if need be.

    Yields:
        `Path` of the folder.

    Raises:
        StoreError: if it cannot be written to, or another command works in it.
    """
    check_named(folder)
    folder = expanded(folder)
    probe = folder / f"probe-{os.getpid()}{UNFINISHED}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_text("a line to see whether there is room\n")
        probe.unlink(missing_ok=True)
        lock = FileLock(folder / LOCK, timeout=0)
        lock.acquire()
    except OSError as error:
        if isinstance(error, Timeout):
            raise StoreError(
                f"Another command is at work in {folder}. Wait until it ends, or choose another folder."
            ) from None
        raise StoreError(
            f"Results cannot be written to {folder}: {error.strerror}. Choose another folder, or make this one "
            "writable and free some space."
        ) from error
    try:
        yield folder
    finally:
        lock.release()


def read_results(folder: str | os.PathLike) -> Results:
    """Read all finished runs of a results folder; what an interrupted command left half written is not looked at.

    Args:
        folder: path.

    Returns:
        `Results`.

    Raises:
        StoreError: for a file that cannot be read, or that is not a run of this package. Nothing is changed.
    """
    results = Results()
    for path in sorted(Path(folder).glob(f"*{ENDING}")):
        run = _read(path)
        if run is None:
            results.damaged.append(path.name)
        else:
            results.configurations[path.stem] = run.pop("configuration")
            results.runs[path.stem] = run
    return results


def check_same(
    results: Results, configuration: dict, folder: str | os.PathLike, way_on: str = "", *, ignoring: Iterable[str] = ()
) -> None:
    """Refuse to add runs of one configuration to those of another.

    Args:
        results: `Results` of the folder.
        configuration: dict of what must be equal for all runs in the folder.
        folder: path, for the message.
        way_on: str, a further thing to do, for the message.
        ignoring: keys that may differ.

    Raises:
        StoreError: naming what differs, and how to go on.
    """
    for name, found in results.configurations.items():
        keys = sorted((configuration.keys() | found) - set(ignoring))
        differing = [key for key in keys if configuration.get(key) != found.get(key)]
        if differing:
            differences = "; ".join(
                f"{key} is {found.get(key)!r} there, {configuration.get(key)!r} here" for key in differing
            )
            raise StoreError(
                f"{Path(folder) / name}{ENDING} is a run of another configuration: {differences}. Nothing was changed. "
                f"Choose another folder, or use the configuration that this folder was begun with.{way_on}"
            )


def write_run(folder: str | os.PathLike, name: str, configuration: dict, run: dict) -> None:
    """Write one finished run, so that it is there whole or not at all.

    Args:
        folder: path of the results folder.
        name: the run's name, which becomes the file's.
        configuration: dict, as for `check_same`.
        run: dict of what JSON can hold, with the key `"rows"`: a list of dict of str, int, float or None.

    Raises:
        StoreError: if it cannot be written, such as on a full disk. Runs written before are not touched.
    """
    run = {"configuration": configuration, **run}
    try:
        replace_file(Path(folder) / f"{name}{ENDING}", json.dumps({**run, "checksum": _checksum(run)}, indent=1))
    except OSError as error:
        raise StoreError(
            f"The finished run {name!r} could not be written to {folder}: {error.strerror}. All runs before it are "
            "safe there. Free some space, and give the same command again: it goes on from here."
        ) from error


def replace_file(path: Path, text: str) -> None:
    """Write a file in one step: there is the old content or the new one, and never a part.

    Raises:
        OSError: if it cannot be written; the old content is then still there.
    """
    unfinished = path.with_name(f"{path.name}-{os.getpid()}{UNFINISHED}")
    try:
        with open(unfinished, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # else a power cut could leave the new name on an empty file
        os.replace(unfinished, path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


def _read(path):
    """The run in a file, or None where the file is damaged."""
    if not path.is_file():  # to read from a pipe would be to wait for ever
        raise StoreError(f"{path} is not a file. Remove it, or choose another folder.")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read: {error.strerror}. Nothing was changed. Change its permissions, or choose "
            "another folder."
        ) from error
    except ValueError:  # no UTF-8
        return None
    try:
        run = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(run, dict) or not {"configuration", "rows", "checksum"} <= run.keys():
        raise StoreError(f"{path} is not a run of this package. Nothing was changed. Choose another folder.")
    checksum = run.pop("checksum")
    return run if checksum == _checksum(run) else None


def _checksum(run):
    return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()
