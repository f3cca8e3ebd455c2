"""Outputs that are committed belong to the code and the tables as they are now."""

import ast
import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import digests  # noqa: E402


def test_committed_outputs_are_those_of_the_code_and_the_tables():
    """`make sync` keeps outputs even where something changed; only a new run makes them true again."""
    old = []
    for path in sorted([*ROOT.glob("notebooks/[0-9]*.ipynb"), *ROOT.glob("notebooks/*/[0-9]*.ipynb")]):
        language = "" if path.parent.name == "notebooks" else path.parent.name
        notebook = nbformat.read(path, as_version=4)
        if notebook.metadata.get("executed") != digests.outputs_digest(notebook, language):
            old.append(f"{language}/{path.stem}".lstrip("/"))
    assert not old, f'the code or a table has changed since. Run: make outputs NOTEBOOKS="{" ".join(old)}"'


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of the package and its tables, to be changed."""
    shutil.copytree(ROOT / "gc_tutorial", tmp_path / "gc_tutorial", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(digests, "ROOT", tmp_path)
    monkeypatch.setattr(digests, "TABLES", tmp_path / digests.TABLES.relative_to(ROOT))
    return tmp_path / "gc_tutorial"


CELLS = [
    new_markdown_cell("# Title"),
    new_code_cell("import gc_tutorial\n\nsettings = gc_tutorial.start()"),
    new_code_cell("from gc_tutorial import build_cnn\nfrom gc_tutorial.study.analysis import load_study"),
    new_code_cell("study = load_study('sgd')"),
]


def added(path, text):
    return lambda package: (package / path).write_text((package / path).read_text(encoding="utf-8") + text, "utf-8")


def replaced(path, old, new):
    def change(package):
        text = (package / path).read_text(encoding="utf-8")
        assert old in text
        (package / path).write_text(text.replace(old, new), encoding="utf-8")

    return change


@pytest.mark.parametrize(
    ("change", "old"),
    [
        (replaced("models.py", "1 / 255", "1 / 127"), True),  # imported by its public name
        (replaced("lesson.py", "image_size=150", "image_size=140"), True),  # used as an attribute
        (replaced("study/analysis.py", "0.02", "0.03"), True),
        (replaced("study/evidence/wording.py", "0.05", "0.1"), True),  # which that module imports
        (replaced("study/evidence/wording.py", "lower", "below"), True),
        (added("__init__.py", "\nimport os.path\n"), True),
        (added("study/results/sgd.csv", "\n"), True),
        (added("study/results/rmsprop.csv", "\n"), False),  # not read
        (added("study/store.py", "\nX = 1\n"), False),  # not imported
        (added("models.py", "\n\n# a comment\n"), False),
        (replaced("models.py", '"""Build the plain CNN', '"""Build a plain CNN'), False),
        (replaced("models.py", "    if image_size < smallest:", "    if (image_size  <  smallest):"), False),
    ],
)
def test_what_the_outputs_depend_on(project, change, old):
    notebook = new_notebook(cells=CELLS)
    before = digests.outputs_digest(notebook)
    change(project)
    assert (digests.outputs_digest(notebook) != before) == old


def test_a_plan_counts_where_its_tables_are_read(project):
    notebook = new_notebook(cells=[*CELLS, new_code_cell('published("D_mechanism")')])
    before = digests.outputs_digest(notebook)
    added("study/plans/D2_mechanism_sgd.toml", "\n")(project)
    assert digests.outputs_digest(notebook) == before
    added("study/plans/D_mechanism.toml", "\n")(project)
    assert digests.outputs_digest(notebook) != before


def test_the_list_of_figures_counts_where_it_is_read(project):
    read = new_notebook(cells=[new_code_cell("from gc_tutorial.study.datasets import training_figures")])
    notebooks = [read, new_notebook(cells=[new_code_cell("import gc_tutorial.models")])]
    before = [digests.outputs_digest(one) for one in notebooks]
    added("study/training_figures.csv", "\n")(project)
    after = [digests.outputs_digest(one) for one in notebooks]
    assert (after[0] != before[0], after[1] == before[1]) == (True, True)


def test_notebooks_name_the_plans_that_they_read_in_full():
    """By a letter alone, new tables would not make their outputs old."""
    paths = sorted([*ROOT.glob("notebooks/[0-9]*.py"), *ROOT.glob("notebooks/*/[0-9]*.py")])
    plans = {path.stem for path in ROOT.glob("gc_tutorial/study/plans/*.toml")}
    offenders = [
        f"{path.relative_to(ROOT)}: {call}"
        for path in paths
        for call, plan in re.findall(r"""(\bpublished\(["'](\w+)["']\))""", path.read_text(encoding="utf-8"))
        if plan not in plans
    ]
    assert offenders == []


def test_translations_count_where_the_code_says_the_message(project):
    notebook = new_notebook(cells=[*CELLS, new_code_cell('print(gc_tutorial.text("no GC"))')])
    in_english, before = digests.outputs_digest(notebook), digests.outputs_digest(notebook, "ja")
    path = project / "locale" / "ja" / "LC_MESSAGES" / "gc_tutorial.mo"
    catalogue = read_po(path.with_suffix(".po").open("rb"))
    for said, changes in (
        ("Does a random direction have the effect?", False),
        ("no GC", True),
    ):  # the first is not in its code
        catalogue[said].string += "。"
        with path.open("wb") as file:
            write_mo(file, catalogue)
        assert (digests.outputs_digest(notebook, "ja") != before) == changes
    assert digests.outputs_digest(notebook) == in_english


def test_code_of_the_cells_counts_and_prose_does_not(project):
    before = digests.outputs_digest(new_notebook(cells=CELLS))
    assert digests.outputs_digest(new_notebook(cells=[new_markdown_cell("# Other"), *CELLS[1:]])) == before
    assert digests.outputs_digest(new_notebook(cells=[*CELLS, new_code_cell("1 + 1")])) != before


def test_the_text_of_the_code_does_not_hang_on_the_characters_a_python_knows():
    assert digests.plain(ast.parse("said = '鿿'")).isascii()  # Python 3.10 prints this one as an escape
