"""The runner of the notebooks: what it says where it cannot run them."""

import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import run_notebooks  # noqa: E402


def test_cells_keep_their_ids_where_a_notebook_is_written_again(tmp_path):
    def written(*sources):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        run_notebooks.keep_ids(notebook, tmp_path / "one.ipynb")
        nbformat.write(notebook, tmp_path / "one.ipynb")
        return [cell.id for cell in notebook.cells]

    before = written("1", "2", "2")
    after = written("0", "1", "2", "2")
    assert after[1] == before[0] and after[2] in before
    assert len(set(after)) == 4


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["run_notebooks.py", *arguments])
    with pytest.raises(SystemExit) as stopped:
        run_notebooks.main()
    return str(stopped.value)


def test_a_folder_that_cannot_be_written_is_told_before_anything_runs(monkeypatch, tmp_path):
    (tmp_path / "file").touch()  # no folder can be made in it, even by root
    monkeypatch.setattr(run_notebooks, "BUILD", tmp_path / "file" / "build")
    monkeypatch.setattr(run_notebooks, "run_all", lambda sources, in_place: pytest.fail(f"{sources} were run"))
    told = run(monkeypatch)
    assert str(tmp_path / "file" / "build") in told
    assert "cannot be written" in told


@pytest.mark.parametrize("name", ["99_nothing", "/etc/passwd", "../tools/address", "ja/99_nothing", ""])
def test_a_notebook_that_does_not_exist_is_told_with_those_that_do(monkeypatch, name):
    monkeypatch.setattr(run_notebooks, "run_all", lambda sources, in_place: pytest.fail(f"{sources} were run"))
    told = run(monkeypatch, name)
    assert f"There is no notebook {name}. Choose from: " in told
    assert "01_data" in told
