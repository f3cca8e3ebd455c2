"""Run notebooks with what their own environment has (nbclient, psutil): a line for each, with its time and memory."""

import argparse
import sys
import threading
import time
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--first-cell", action="store_true", help="stop after the first cell of code")
    options = parser.parse_args()
    failed = 0
    for path in options.notebooks:
        notebook = nbformat.read(path, as_version=4)
        if options.first_cell:
            notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"][:1]
        client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(path.parent)}})
        started = time.perf_counter()
        try:
            with Memory() as memory:
                client.execute()
            outcome = "passed"
        except (CellExecutionError, DeadKernelError) as error:
            outcome, failed = f"FAILED: {error}\n", failed + 1
        print(
            f"{path.stem}: {time.perf_counter() - started:.0f} s, {memory.peak / 2**20:.0f} MiB, {outcome}", flush=True
        )
    sys.exit(bool(failed))


class Memory:
    """The most that the child processes held at once, while the block ran.

    Proportional set size: a page that processes share is counted once among them.
    """

    def __enter__(self):
        self.peak, self._done = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _watch(self):
        while not self._done.wait(0.1):
            self.peak = max(self.peak, sum(map(held, psutil.Process().children(recursive=True))))


def held(process):
    try:
        memory = process.memory_full_info()
    except psutil.Error:  # it ended in the meantime
        return 0
    return getattr(memory, "pss", memory.rss)


if __name__ == "__main__":
    main()
