"""Run notebooks with what their own environment has (nbclient, psutil): a line for each, with its time and memory."""

import argparse
import contextlib
import json
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

MIB = 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--first-cell", action="store_true", help="stop after the first cell of code")
    parser.add_argument("--lab", action="store_true", help="start JupyterLab, check it, and count its memory as well")
    parser.add_argument("--limit", type=int, default=sys.maxsize, help="fail where more MiB are held at once")
    options = parser.parse_args()
    failed = 0
    with lab() if options.lab else contextlib.nullcontext():
        for path in options.notebooks:
            notebook = nbformat.read(path, as_version=4)
            if options.first_cell:
                notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"][:1]
            started = time.perf_counter()
            memory = Memory(options.limit)
            outcome = run(notebook, path.parent, memory)
            failed += outcome != "passed"
            seconds = time.perf_counter() - started
            print(f"{path.stem}: {outcome}, {seconds:.0f} s, {memory.peak / MIB:.0f} MiB", flush=True)
    sys.exit(bool(failed))


def run(notebook, folder, memory):
    client = NotebookClient(
        notebook,
        timeout=900,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--log-level=ERROR"],  # else each kernel opens with a warning about its transport
    )
    try:
        with memory:
            client.execute()
    except DeadKernelError:
        return (
            f"FAILED at the limit of {memory.limit} MiB" if memory.peak > memory.limit * MIB else "FAILED, kernel died"
        )
    except CellExecutionError as error:
        return f"FAILED: {error}\n"
    return "passed"


class Memory:
    """The most that the child processes held at once while the block ran; what passes the limit is killed.

    What is held is the proportional set size, in which a page that several processes share counts once. Limits of the
    operating system would not do: RLIMIT_AS counts address space, of which TensorFlow reserves far more than it uses,
    and a control group needs rights that few test machines give.
    """

    def __init__(self, limit):
        self.limit, self.peak, self._done = limit, 0, threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _watch(self):
        while not self._done.wait(0.1):
            sizes = {process: held(process) for process in psutil.Process().children(recursive=True)}
            self.peak = max(self.peak, sum(sizes.values()))
            if self.peak > self.limit * MIB:
                max(sizes, key=sizes.get).kill()


def held(process):
    try:
        memory = process.memory_full_info()
    except psutil.Error:  # it ended in the meantime
        return 0
    return getattr(memory, "pss", memory.rss)


@contextlib.contextmanager
def lab():
    """JupyterLab, serving the folder; it must open the lessons' .py as notebooks."""
    from jupyter_server.serverapp import list_running_servers

    command = ["jupyter", "lab", "--no-browser", "--ServerApp.port=0", "--log-level=ERROR", "--allow-root"]
    with subprocess.Popen(command) as process:
        try:
            while not (servers := [server for server in list_running_servers() if server["pid"] == process.pid]):
                assert process.poll() is None, "JupyterLab did not start"
                time.sleep(0.5)
            (server,) = servers
            plugin = "@jupyterlab/docmanager-extension:plugin"
            with urllib.request.urlopen(f"{server['url']}lab/api/settings/{plugin}?token={server['token']}") as answer:
                viewers = json.load(answer)["schema"]["properties"]["defaultViewers"]["default"]
            assert viewers.get("python") == "Jupytext Notebook", viewers
            print(f"JupyterLab: {sum(map(held, psutil.Process().children(recursive=True))) / MIB:.0f} MiB", flush=True)
            yield
        finally:
            process.kill()


if __name__ == "__main__":
    main()
