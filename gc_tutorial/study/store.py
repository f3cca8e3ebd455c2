"""Finished runs on disk: one file each, written in one step, checked when read."""

import contextlib
import hashlib
import json
import os
from pathlib import Path

from gc_tutorial.errors import StoreError

ENDING = ".json"
UNFINISHED = ".partial"


def open_folder(folder, configuration):
    """Make a results folder ready for runs of one configuration.

    Args:
        folder: path; it is made if need be. What an interrupted session half wrote is not looked at: the redone run
            replaces it.
        configuration: dict of what must be equal for all runs in the folder.

    Returns:
        tuple of (dict from run name to the rows of each run already there, list of str: the files that were damaged;
        they are left for the redone run to replace).

    Raises:
        StoreError: if the folder cannot be written to, or holds runs of another configuration.
    """
    folder = Path(folder)
    probe = folder / f"probe{UNFINISHED}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_text("a line to see whether there is room\n")
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"Results cannot be written to {folder}: {error.strerror}. Choose another folder, or make this one "
            "writable and free some space."
        ) from error
    finished, damaged = {}, []
    for path in sorted(folder.glob(f"*{ENDING}")):
        run = _read(path)
        if run is None:
            damaged.append(path.name)
            continue
        _check_same(path, run["configuration"], configuration)
        finished[path.stem] = run["rows"]
    return finished, damaged


def write_run(folder, name, configuration, rows):
    """Write one finished run, so that it is there whole or not at all.

    Args:
        folder: path of the results folder.
        name: str, the run's name, which becomes the file's.
        configuration: dict, as for `open_folder`.
        rows: list of dict of str, int, float or None.

    Raises:
        StoreError: if it cannot be written, such as on a full disk. Runs written before are not touched.
    """
    run = {"configuration": configuration, "rows": rows}
    path = Path(folder) / f"{name}{ENDING}"
    unfinished = path.with_suffix(UNFINISHED)
    try:
        with open(unfinished, "w", encoding="utf-8") as file:
            json.dump({**run, "checksum": _checksum(run)}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())  # else a power cut could leave the new name on an empty file
        os.replace(unfinished, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise StoreError(
            f"The finished run {name!r} could not be written to {folder}: {error.strerror}. All runs before it are "
            "safe there. Free some space, and give the same command again: it goes on from here."
        ) from error


def _read(path):
    """The run in a file, or None where the file is damaged."""
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        checksum = run.pop("checksum")
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    return run if checksum == _checksum(run) else None


def _checksum(run):
    return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()


def _check_same(path, found, asked):
    differing = [key for key in sorted(asked.keys() | found.keys()) if asked.get(key) != found.get(key)]
    if differing:
        differences = "; ".join(f"{key} is {found.get(key)!r} there, {asked.get(key)!r} here" for key in differing)
        raise StoreError(
            f"{path} is a run of another configuration: {differences}. Nothing was changed. "
            "Choose another folder, or give the configuration that this folder was begun with."
        )
