"""Download a TFDS data set if its server answers soon, in a process that can be killed at any time."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from gc_tutorial.language import text

PROBE_SECONDS = 3
STALL_TIMEOUT = 60  # seconds without a further byte on the disk
REFUSING_HEAD = (403, 405, 501)  # status codes of servers that refuse HEAD but serve GET
EXCEPTION = re.compile(r"^[\w.]*(?:Error|Exception)\b.*", re.MULTILINE)  # the line in a traceback that says what it was
PREPARE = """
import sys, tensorflow_datasets as tfds
tfds.disable_progress_bar()
name, data_dir, downloads = sys.argv[1:]
tfds.builder(name, try_gcs=False, data_dir=data_dir).download_and_prepare(download_dir=downloads)
"""


def can_download(url: str, seconds: float = PROBE_SECONDS) -> bool:
    """Find out within `seconds` whether the server of a file answers.

    TFDS itself retries for more than three minutes. The thread is needed because a name look-up has no timeout.
    """
    answers = []

    def ask() -> None:
        with contextlib.suppress(Exception):  # also errors about an invalid proxy address
            request = urllib.request.Request(url, method="HEAD")
            try:
                answers.append(urllib.request.urlopen(request, timeout=seconds).status == 200)
            except urllib.error.HTTPError as error:
                answers.append(error.code in REFUSING_HEAD)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answers == [True]


def prepare(name: str, folder: Path, expected: int) -> str:
    """Download and prepare a data set of TFDS in a separate process, with a progress bar.

    Args:
        name: its name in TFDS, such as `"beans"` or `"emnist/letters"`.
        folder: where TFDS keeps prepared data sets.
        expected: bytes of the download, for the bar.

    Returns:
        the reason in a line if it failed, else "".
    """
    with tempfile.TemporaryDirectory() as downloads:
        command = [sys.executable, "-c", PREPARE, name, str(folder), downloads]
        return run_watched(command, [Path(downloads), folder / name.split("/")[0]], expected)


def run_watched(command: list[str], folders: list[Path], expected: int, stalled: float = STALL_TIMEOUT) -> str:
    """Run a command with a progress bar over the size of its folders; kill it if it stalls.

    TFDS waits forever for a server that stops sending, and ignores Ctrl-C while its threads wait. A separate process
    can be killed at any time.

    Args:
        command: what to run.
        folders: where it writes.
        expected: bytes that it writes in all, for the bar.
        stalled: seconds without a change in the size of the folders after which it is killed.

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
                    return text("nothing was received for {stalled:g} seconds", stalled=stalled)
        finally:
            process.kill()
        if process.returncode == 0:
            return ""
        said.seek(0)
        written = said.read().decode(errors="replace").strip()
        # The last line alone may be a part of a long message: of a wrong hash, TFDS ends in a link to its advice.
        lines = EXCEPTION.findall(written) or written.splitlines()
        return (lines or [text("exit code {returncode}", returncode=process.returncode)])[-1].rstrip(":")


def _size(folders: list[Path]) -> int:
    files = [os.path.join(place, name) for folder in folders for place, _, names in os.walk(folder) for name in names]
    total = 0
    for file in files:
        with contextlib.suppress(OSError):  # removed in the meantime
            total += os.path.getsize(file)
    return total
