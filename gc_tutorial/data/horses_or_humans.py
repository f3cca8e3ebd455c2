"""The Horses or Humans images (Laurence Moroney, CC BY 2.0), through TFDS."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import tensorflow_datasets as tfds
from tqdm import tqdm

from gc_tutorial.console import say
from gc_tutorial.data.prepared import UnavailableError, damaged, is_prepared, quiet

NAME = "horses_or_humans"
DOWNLOAD = "https://storage.googleapis.com/download.tensorflow.org/data/horse-or-human.zip"
PROBE_SECONDS = 3
STALLED_SECONDS = 60  # without a byte more on the disk
_PREPARE = """
import sys, tensorflow_datasets as tfds
tfds.disable_progress_bar()
name, data_dir, downloads = sys.argv[1:]
tfds.builder(name, try_gcs=False, data_dir=data_dir).download_and_prepare(download_dir=downloads)
"""


def prepared_builder() -> tfds.core.DatasetBuilder:
    """Find the data set on this machine, or download it where its server answers soon.

    Returns:
        `tfds.core.DatasetBuilder`, prepared.

    Raises:
        UnavailableError: if it is not there and cannot be downloaded, or its description is damaged.
    """
    builder = _builder()
    if not is_prepared(builder) and can_download():
        _download(builder)
        builder = _builder()
    if not is_prepared(builder):
        raise UnavailableError(
            "Horses or Humans is not on this machine and could not be downloaded. Connect to the network and "
            "try again; or copy a folder `horses_or_humans` that TFDS has prepared elsewhere, and set "
            "TFDS_DATA_DIR to the folder that holds it; or use source='synthetic'."
        )
    return builder


def _builder() -> tfds.core.DatasetBuilder:
    try:
        with quiet():
            return tfds.builder(NAME, try_gcs=False)
    except Exception as error:  # TFDS raises errors of many kinds on a damaged dataset_info.json
        raise damaged(Path(tfds.core.constants.DATA_DIR) / NAME, error) from None


def can_download(seconds: float = PROBE_SECONDS) -> bool:
    """Find out within `seconds` whether the server of Horses or Humans answers.

    TFDS itself retries for more than three minutes. The thread is needed because a name look-up has no timeout.
    """
    answers = []

    def ask() -> None:
        with contextlib.suppress(Exception):  # also those for a proxy that is not an address
            request = urllib.request.Request(DOWNLOAD, method="HEAD")
            answers.append(urllib.request.urlopen(request, timeout=seconds).status == 200)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answers == [True]


def _download(builder: tfds.core.DatasetBuilder) -> None:
    """Download and prepare. A server that answers may still fail, so this only prints what went wrong."""
    say(f"Downloading Horses or Humans from {urllib.parse.urlsplit(DOWNLOAD).netloc} ...")
    folder = Path(os.path.expanduser(tfds.core.constants.DATA_DIR))
    with tempfile.TemporaryDirectory() as downloads:
        command = [sys.executable, "-c", _PREPARE, NAME, str(folder), downloads]
        failure = run_watched(command, [Path(downloads), folder / NAME], int(builder.info.download_size))
    if failure:
        say(f"The download failed: {failure}")


def run_watched(command: list[str], folders: list[Path], expected: int, stalled: float = STALLED_SECONDS) -> str:
    """Run a command that writes into folders, with a bar, and end it where it writes no more.

    TFDS waits for ever for a server that stops sending, and does not end on Ctrl-C while its threads wait. A process
    of its own can be ended at any time.

    Args:
        command: what to run.
        folders: where it writes.
        expected: bytes that it writes in all, for the bar.
        stalled: seconds after which it is ended if the size of the folders has not changed.

    Returns:
        the reason in a line if it failed, else "".
    """
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said) as process,
        tqdm(total=expected, file=sys.stdout, unit="B", unit_scale=True, leave=False) as bar,
    ):
        try:
            size, grown = _size(folders), time.monotonic()
            while process.poll() is None:
                time.sleep(0.2)
                before, size = size, _size(folders)
                bar.update(max(0, size - before))
                grown = time.monotonic() if size != before else grown
                if time.monotonic() - grown > stalled:
                    return f"nothing was received for {stalled:g} seconds"
        finally:
            process.kill()
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
        return "" if process.returncode == 0 else (lines or [f"exit code {process.returncode}"])[-1]


def _size(folders: list[Path]) -> int:
    files = [os.path.join(place, name) for folder in folders for place, _, names in os.walk(folder) for name in names]
    total = 0
    for file in files:
        with contextlib.suppress(OSError):  # removed in the meantime
            total += os.path.getsize(file)
    return total
