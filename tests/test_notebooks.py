"""What a reader finds in the repository: pairs in step, outputs complete and clean. (nbmake runs the notebooks.)"""

import re
from pathlib import Path

import jupytext
import nbformat
import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(ROOT.glob("notebooks/[0-9]*.py"))

TRY = "The next cell is the solution. It is folded: try first, then open it."
FOLDED = {"cellView": "form", "jupyter": {"outputs_hidden": True, "source_hidden": True}, "tags": ["hide-cell"]}
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(home|root|work|tmp|Users|mnt|opt|usr|var|content)/|(?<!\w)[A-Z]:\\\\")

pytestmark = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def code_cells(source):
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(source):
    return [output for cell in code_cells(source) for output in cell.outputs]


def test_pair_is_in_step(source):
    script = [(cell.cell_type, cell.source) for cell in jupytext.read(source).cells]
    notebook = [(cell.cell_type, cell.source) for cell in nbformat.read(source.with_suffix(".ipynb"), 4).cells]
    assert script == notebook, "run `make sync`, and `make outputs` where code changed"


def test_every_cell_was_executed_in_order(source):
    assert [cell.execution_count for cell in code_cells(source)] == list(range(1, len(code_cells(source)) + 1))


def test_outputs_hold_no_error_and_no_warning(source):
    assert [output for output in outputs(source) if output.output_type == "error"] == []
    assert [output.text for output in outputs(source) if output.get("name") == "stderr"] == []


def test_outputs_come_from_the_real_images(source):
    text = "".join(output.get("text", "") for output in outputs(source))
    assert "Synthetic images" not in text
    if "load_data(" in source.read_text(encoding="utf-8"):
        assert "Horses or Humans (Laurence Moroney, CC BY 2.0): 1,027 train and 256 test" in text


def test_nothing_tells_of_the_machine_it_ran_on(source):
    found = MACHINE_PATH.search(source.with_suffix(".ipynb").read_text(encoding="utf-8"))
    assert found is None, found


def test_no_cell_shows_several_figures(source):
    """The site takes one alternative text a cell."""
    for cell in code_cells(source):
        shown = [about for one in cell.outputs for about in one.get("metadata", {}).values() if "alt" in about]
        assert len(shown) < 2, cell.source


def test_it_renders_on_a_code_host(source):
    path = source.with_suffix(".ipynb")
    assert path.stat().st_size < 1_000_000
    kinds = {kind for output in outputs(source) for kind in output.get("data", {})}
    assert kinds <= {"text/plain", "text/html", "text/markdown", "image/png", "image/jpeg"}


def test_it_reads_the_same_where_styles_and_scripts_are_stripped(source):
    """As a code host does. Of pandas's own style only the alignment of headings is lost."""
    cells = nbformat.read(source.with_suffix(".ipynb"), as_version=4).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    outside_code = re.sub(r"```.*?```|`[^`]*`", "", prose, flags=re.DOTALL)
    assert re.findall(r"<[a-z/!][^>]*>", outside_code) == []
    for output in outputs(source):
        data = output.get("data", {})
        html = re.sub(r"<style scoped>.*?</style>", "", data.get("text/html", ""), flags=re.DOTALL)
        assert set(re.findall(r"<([a-z]+)", html)) <= {"div", "table", "thead", "tbody", "tr", "th", "td"}
        assert set(re.findall(r'style="([^"]*)"', html)) <= {"text-align: right;"}
        assert "<" not in data.get("text/markdown", "")


def test_no_cell_of_a_table_is_cut(source):
    """As pandas does with a long text, unless `display.max_colwidth` is None."""
    for edition in (source, *ROOT.glob(f"notebooks/*/{source.name}")):
        for output in outputs(edition):
            cells = re.findall(r"<t[dh][^>]*>([^<]*)</t[dh]>", output.get("data", {}).get("text/html", ""))
            assert [cell for cell in cells if cell.endswith("...")] == [], edition


def test_its_links_to_files_lead_somewhere(source):
    prose = "\n".join(cell.source for cell in jupytext.read(source).cells if cell.cell_type == "markdown")
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", prose)
    assert links, "each notebook links to the next"
    assert [link for link in links if not (source.parent / link).exists()] == []


def test_every_figure_has_alternative_text(source):
    for output in outputs(source):
        for kind in ("image/png", "image/jpeg"):
            if kind in output.get("data", {}):
                assert len(output.metadata[kind]["alt"]) > 20


def test_it_has_the_parts_of_a_lesson(source):
    prose = "\n".join(cell.source for cell in jupytext.read(source).cells if cell.cell_type == "markdown")
    headings = re.findall(r"^#+ .*", prose, re.MULTILINE)
    assert headings[0].startswith("# ")
    for part in ("## Exercise", "## What you have seen"):
        assert part in headings
    assert "In this notebook you will" in prose


def test_its_exercise_has_a_folded_solution_that_printed_an_answer(source):
    for cells in (jupytext.read(source).cells, nbformat.read(source.with_suffix(".ipynb"), as_version=4).cells):
        (place,) = [place for place, cell in enumerate(cells) if cell.source.startswith("# @title Solution\n")]
        question, solution, after = cells[place - 1 : place + 2]
        assert "## Exercise\n" in question.source
        assert question.source.endswith(TRY)
        assert solution.metadata == FOLDED
        assert after.source.startswith("## What you have seen\n")
    printed = "".join(one.get("text", "") + one.get("data", {}).get("text/markdown", "") for one in solution.outputs)
    assert re.search(r"^Answer: .{20}", printed, re.MULTILINE)


def test_its_first_cell_is_short_titled_and_hidden_on_the_site(source):
    first = next(cell for cell in jupytext.read(source).cells if cell.cell_type == "code")
    assert first.source.startswith("# @title Setup\n")
    assert first.metadata["tags"] == ["hide-input"]
    assert len(first.source.splitlines()) <= 12
