"""Run the notebooks, with a line of progress for each cell.

Executed copies and an HTML page for each go to build/; the committed notebooks are not touched, unless --in-place says
that the outputs are to be committed.
"""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
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
    sources = [known[name] for name in options.names] or every
    try:
        (BUILD / "notebooks").mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=BUILD / "notebooks").close()
    except OSError as error:
        sys.exit(f"The executed notebooks go to {BUILD}, which cannot be written: {error}. Work in a copy that can be.")
    run_all(sources, options.in_place)


def name_of(source):
    """Such as 01_data, or ja/01_data of another edition."""
    return source.relative_to(NOTEBOOKS).with_suffix("").as_posix()


def run_all(sources, in_place):
    import jupytext
    from nbconvert import HTMLExporter

    started = time.perf_counter()
    for number, source in enumerate(sources, 1):
        name = name_of(source)
        print(f"\n{name} ({number} of {len(sources)})", flush=True)
        target = source.with_suffix(".ipynb") if in_place else BUILD / "notebooks" / f"{name}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        notebook = run(source)
        jupytext.write(notebook, target, fmt="ipynb")
        page, _ = HTMLExporter().from_notebook_node(notebook, {"metadata": {"name": source.stem}})
        (BUILD / f"{name}.html").parent.mkdir(parents=True, exist_ok=True)
        (BUILD / f"{name}.html").write_text(page, encoding="utf-8")
    print(f"\nDone in {time.perf_counter() - started:.0f} s. Open these in a browser:")
    for source in sources:
        print(f"  {BUILD / name_of(source)}.html")


def run(source):
    """Execute one notebook from its .py; a cell that fails ends the program with the cell's own error."""
    import jupytext
    from nbclient import NotebookClient
    from nbconvert.preprocessors.coalescestreams import CoalesceStreamsPreprocessor

    notebook = jupytext.read(source)
    total = sum(cell.cell_type == "code" for cell in notebook.cells)
    began, joined = {}, CoalesceStreamsPreprocessor()

    def before(cell, cell_index):
        if cell.cell_type == "code":
            began[cell_index] = time.perf_counter()
            number = sum(other.cell_type == "code" for other in notebook.cells[: cell_index + 1])
            print(f"  [{number:2}/{total}] {headline(cell.source):<70}", end="", flush=True)

    def after(cell, cell_index, execute_reply):
        print(f"{time.perf_counter() - began[cell_index]:6.1f} s", flush=True)
        # Joins what was printed in pieces, cut differently in every run, and drops progress bars that were wiped away.
        joined.preprocess_cell(cell, {}, cell_index)
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stdout" and output.text.count("\n") <= 3:
                print("".join(f"          {line}\n" for line in output.text.splitlines()), end="", flush=True)

    client = NotebookClient(
        notebook,
        timeout=None,
        resources={"metadata": {"path": str(BUILD)}},
        on_cell_execute=before,
        on_cell_executed=after,
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--log-level=ERROR"],  # else each kernel opens with a warning about its transport
    )
    execute(client, source.name)
    # Enough for colouring; the kernel's full account of itself would differ from machine to machine.
    notebook.metadata["executed"] = outputs_digest(notebook, source.parent.name if source.parent != NOTEBOOKS else "")
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    return notebook


def execute(client, name):
    """Execute; Ctrl-C ends the kernel, which does not get it by itself, with all processes that it has started.

    In a thread of its own the client leaves Ctrl-C alone. Else it would end the kernel and report a dead kernel.
    """
    from nbclient.exceptions import CellExecutionError

    try:
        ThreadPoolExecutor(1).submit(client.execute).result()
    except CellExecutionError as error:
        sys.exit(f"\n\nA cell of {name} failed:\n{error.ename}: {error.evalue}")
    except BaseException:
        with contextlib.suppress(AttributeError, OSError):  # before it has begun, and after it has ended
            os.killpg(client.km.provisioner.pgid, signal.SIGKILL)
        raise


def headline(code):
    """The first statement of a cell that is not an import or a comment, to tell cells apart."""
    passed_over = ("#", "import ", "from ", "try:", "except", " ")
    lines = [line for line in code.splitlines() if line and not line.startswith(passed_over)]
    return (lines or code.splitlines() or [""])[0][:68]


if __name__ == "__main__":
    console.run(main, "stopped; the notebooks that have ended are in build/")
