"""The runner of the notebooks: what it says where it cannot run them."""

import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import digests  # noqa: E402
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


@pytest.fixture
def run_again(tmp_path, monkeypatch):
    """A function that runs two notebooks as `make tutorial` does, and returns the names of those whose page is new."""
    for name, module in (("00_one", "one"), ("01_two", "two")):
        (tmp_path / "notebooks").mkdir(exist_ok=True)
        (tmp_path / "notebooks" / f"{name}.py").write_text(f"# %%\nimport gc_tutorial.{module}\n\n# %%\n1 + 1\n")
        (tmp_path / "gc_tutorial").mkdir(exist_ok=True)
        (tmp_path / "gc_tutorial" / f"{module}.py").touch()
    for name in ("__init__.py", "__init__.pyi"):
        (tmp_path / "gc_tutorial" / name).touch()
    for module, name, path in (
        (run_notebooks, "NOTEBOOKS", "notebooks"),
        (run_notebooks, "BUILD", "build"),
        (digests, "ROOT", "."),
        (digests, "TABLES", "results"),
    ):
        monkeypatch.setattr(module, name, tmp_path / path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["run_notebooks.py", *arguments])
        before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("build/*.html")}
        run_notebooks.main()
        return [
            path.stem for path in sorted(tmp_path.glob("build/*.html")) if path.stat().st_mtime_ns != before.get(path)
        ]

    return run


def test_only_what_has_changed_is_run_again(run_again, tmp_path, monkeypatch, capsys):
    one, both = ["00_one"], ["00_one", "01_two"]
    pages = "".join(f"  {tmp_path / 'build' / name}.html\n" for name in both)
    assert run_again() == both
    capsys.readouterr()
    assert run_again() == []
    told = capsys.readouterr().out
    assert told.startswith("Not run again, because text, code, packages and settings are the same: 00_one, 01_two.\n")
    assert f"remove {tmp_path / 'build'} first" in told
    assert told.endswith(pages)
    with (tmp_path / "notebooks" / "00_one.py").open("a") as file:
        file.write("\n# %% [markdown]\n# The end\n")
    assert run_again() == one
    assert capsys.readouterr().out.endswith(pages)
    (tmp_path / "gc_tutorial" / "one.py").write_text("ANSWER = 42\n")
    assert run_again() == one
    (tmp_path / "build" / "00_one.html").unlink()
    assert run_again() == one
    (tmp_path / "build" / "notebooks" / "00_one.ipynb").write_text("{")
    assert run_again() == one
    assert run_again("00_one") == one  # whoever names it wants it
    monkeypatch.setenv("GC_TUTORIAL_PROFILE", "full")
    assert run_again() == both
