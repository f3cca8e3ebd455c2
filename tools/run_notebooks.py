"""Run the notebooks, with a line of progress for each cell.

Executed copies and an HTML page for each go to build/; the committed notebooks are not touched, unless --in-place says
that the outputs are to be committed. Without names, a notebook is left out whose page in build/ is still that of its
text, the code, the packages and the settings.
"""

import argparse
import asyncio
import collections
import contextlib
import hashlib
import importlib.metadata
import json
import os
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from digests import outputs_digest

from gc_tutorial import console

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
BUILD = ROOT / "build"


def main():
    """Run the notebooks that the command line names. What takes seconds to import comes later, so that Ctrl-C works."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="notebooks such as 01_data or ja/01_data; all English ones by default")
    parser.add_argument("--in-place", action="store_true", help="write the outputs into the committed notebooks")
    options = parser.parse_args()
    from translations import LANGUAGES

    editions = [NOTEBOOKS, *(NOTEBOOKS / language for language in LANGUAGES if options.in_place)]
    every = [source for edition in editions for source in sorted(edition.glob("[0-9]*.py"))]
    known = {name_of(source): source for source in sorted(NOTEBOOKS.rglob("[0-9]*.py"))}
    missing = [name for name in options.names if name not in known]
    if missing:
        sys.exit(f"There is no notebook {', '.join(missing)}. Choose from: {', '.join(known)}.")
    wanted = [known[name] for name in options.names] or every
    try:
        (BUILD / "notebooks").mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=BUILD / "notebooks").close()
    except OSError as error:
        sys.exit(f"The executed notebooks go to {BUILD}, which cannot be written: {error}. Work in a copy that can be.")
    done = [] if options.names or options.in_place else [source for source in wanted if is_up_to_date(source)]
    if done:
        names = ", ".join(map(name_of, done))
        print(f"Not run again, because text, code, packages and settings are the same: {names}.")
        print(f"To run them all, such as on images that are there only now, remove {BUILD} first.")
    if len(done) < len(wanted):
        run_all([source for source in wanted if source not in done], options.in_place)
    print("\nOpen these in a browser:")
    for source in wanted:
        print(f"  {page_of(source)}")


def page_of(source):
    return BUILD / f"{name_of(source)}.html"


def executed_copy_of(source):
    return BUILD / "notebooks" / f"{name_of(source)}.ipynb"


def is_up_to_date(source):
    """Whether build/ holds what a run would write there."""
    try:
        metadata = json.loads(executed_copy_of(source).read_text(encoding="utf-8"))["metadata"]
        return page_of(source).exists() and metadata["made_from"] == ingredients(source)
    except (OSError, ValueError, LookupError, TypeError):  # missing, or not what this program wrote
        return False


def ingredients(source):
    """All that a page is made from, as a digest: the notebook, the code it reaches, the packages and the settings."""
    import jupytext

    packages = sorted(f"{one.name} {one.version}" for one in importlib.metadata.distributions())
    settings = sorted(
        f"{name}={value}" for name, value in os.environ.items() if name.startswith(("GC_TUTORIAL_", "KERAS_", "TF"))
    )
    parts = [source.read_text(encoding="utf-8"), outputs_digest(jupytext.read(source)), *packages, *settings]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def name_of(source):
    """Such as 01_data, or ja/01_data of another edition."""
    return source.relative_to(NOTEBOOKS).with_suffix("").as_posix()


def run_all(sources, in_place):
    """Run one notebook after the other. The next one starts its kernel and runs its first cell meanwhile."""
    import jupytext
    from nbconvert import HTMLExporter

    started = time.perf_counter()
    running: collections.deque[Execution] = collections.deque()  # the notebook at work, and the one after it
    try:
        for number, source in enumerate(sources, 1):
            name = name_of(source)
            print(f"\n{name} ({number} of {len(sources)})", flush=True)
            if not running:
                running.append(Execution(source))
            running[0].go_on()
            running.extend(Execution(following) for following in sources[number : number + 1])
            notebook, made_from = running[0].result(), running[0].made_from
            running.popleft()
            target = source.with_suffix(".ipynb") if in_place else executed_copy_of(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            if in_place:
                keep_ids(notebook, target)
            else:
                notebook.metadata["made_from"] = made_from
            jupytext.write(notebook, target, fmt="ipynb")
            page, _ = HTMLExporter().from_notebook_node(notebook, {"metadata": {"name": source.stem}})
            page_of(source).parent.mkdir(parents=True, exist_ok=True)
            page_of(source).write_text(page, encoding="utf-8")
    except BaseException as reason:  # such as Ctrl-C, or an error in a cell
        for one in running:
            one.end(at_once=isinstance(reason, KeyboardInterrupt))
        raise
    print(f"\nDone in {time.perf_counter() - started:.0f} s.")


def keep_ids(notebook, path):
    """Give cells the ids that they have in a file, so that only what has changed shows as a change."""
    import nbformat

    if path.exists():
        ids = {cell.source: cell.id for cell in nbformat.read(path, as_version=4).cells}
        for cell in notebook.cells:
            cell.id = ids.pop(cell.source, cell.id)


class Execution:
    """The execution of one notebook, from its .py. After its first cell it waits for `go_on`.

    It has a thread of its own, in which the client leaves Ctrl-C alone. Else it would end the kernel and report a dead
    kernel.
    """

    def __init__(self, source):
        import jupytext
        from nbclient import NotebookClient
        from nbconvert.preprocessors.coalescestreams import CoalesceStreamsPreprocessor

        self.source, self.notebook, self.made_from = source, jupytext.read(source), ingredients(source)
        self.began, self.joined = {}, CoalesceStreamsPreprocessor()
        self.first_cell_ran, self.may_go_on, self.ended = threading.Event(), threading.Event(), False
        self.client = NotebookClient(
            self.notebook,
            timeout=None,
            resources={"metadata": {"path": str(BUILD)}},
            on_cell_execute=self.before,
            on_cell_executed=self.after,
            record_timing=False,
            store_widget_state=False,
            extra_arguments=["--log-level=ERROR"],  # else each kernel opens with a warning about its transport
        )
        # `client.execute` would leave its event loop open, which can complain when the program ends.
        self.future = ThreadPoolExecutor(1).submit(lambda: asyncio.run(self.client.async_execute()))
        self.future.add_done_callback(lambda _: self.first_cell_ran.set())  # also where it fails

    def before(self, cell, cell_index):
        self.go_no_further_if_ended()
        if cell.cell_type == "code":
            self.began[cell_index] = time.perf_counter()
            if len(self.began) > 1:
                self.announce(cell)

    def announce(self, cell):
        total = sum(other.cell_type == "code" for other in self.notebook.cells)
        print(f"  [{len(self.began):2}/{total}] {headline(cell.source):<70}", end="", flush=True)

    def after(self, cell, cell_index, execute_reply):
        seconds = time.perf_counter() - self.began[cell_index]
        if len(self.began) == 1:
            self.first_cell_ran.set()
            self.may_go_on.wait()
            self.go_no_further_if_ended()
            self.announce(cell)
        print(f"{seconds:6.1f} s", flush=True)
        # Joins what was printed in pieces, cut differently in every run, and drops progress bars that were wiped away.
        self.joined.preprocess_cell(cell, {}, cell_index)
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stdout" and output.text.count("\n") <= 3:
                print("".join(f"          {line}\n" for line in output.text.splitlines()), end="", flush=True)

    def go_no_further_if_ended(self):
        if self.ended:
            self.kill()
            raise InterruptedError

    def go_on(self):
        """Let the cells after the first run, as soon as that has ended."""
        self.first_cell_ran.wait()
        self.may_go_on.set()

    def result(self):
        """Wait for the executed notebook; a cell that fails ends the program with the cell's own error."""
        from nbclient.exceptions import CellExecutionError

        try:
            self.future.result()
        except CellExecutionError as error:
            sys.exit(f"\n\nA cell of {self.source.name} failed:\n{error.ename}: {error.evalue}")
        # Enough for colouring; the kernel's full account of itself would differ from machine to machine.
        language = self.source.parent.name if self.source.parent != NOTEBOOKS else ""
        self.notebook.metadata["executed"] = outputs_digest(self.notebook, language)
        self.notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
        return self.notebook

    def end(self, at_once):
        """End the kernel, which does not get Ctrl-C by itself, with all processes that it has started.

        One that is only starting ends before its first cell, unless `at_once`: else the client would complain.
        """
        self.ended = True
        self.may_go_on.set()
        if at_once or self.began:
            self.kill()
        wait([self.future], timeout=10)  # seconds, for the client to clear up

    def kill(self):
        with contextlib.suppress(AttributeError, TypeError, OSError):  # before it has begun, and after it has ended
            # Its group has the number of its process. The `pgid` that the client notes just after a start can be ours.
            os.killpg(self.client.km.provisioner.pid, signal.SIGKILL)


def headline(code):
    """The first statement of a cell that is not an import or a comment, to tell cells apart."""
    passed_over = ("#", "import ", "from ", "try:", "except", " ")
    lines = [line for line in code.splitlines() if line and not line.startswith(passed_over)]
    return (lines or code.splitlines() or [""])[0][:68]


if __name__ == "__main__":
    console.run(main, "stopped; the notebooks that have ended are in build/")
