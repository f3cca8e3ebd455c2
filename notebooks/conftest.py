"""`pytest --nbmake notebooks` runs the quick profile, unless the environment says otherwise, and the solutions, too."""

import os
import re
import tempfile
from pathlib import Path

import nbformat
import pytest

os.environ.setdefault("GC_TUTORIAL_PROFILE", "quick")
# The editions in other languages have the same code, which a test checks: running it once is enough.
collect_ignore_glob = ["*/*"]
SOLUTION = re.compile(r"Solution</summary>.*?```python\n(.*?)```", re.DOTALL)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Run a copy of the notebook, whose last cell is the solution that is folded in its exercise."""
    assert item.filename == str(item.path)  # the one that nbmake reads
    notebook = nbformat.read(item.path, as_version=4)
    (solution,) = SOLUTION.findall("\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown"))
    notebook.cells.append(nbformat.v4.new_code_cell(solution))
    with tempfile.TemporaryDirectory() as folder:
        item.filename = str(Path(folder, item.path.name))
        nbformat.write(notebook, item.filename)
        return (yield)
