"""The address of the project: the same wherever it stands, and changed by one command."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import address  # noqa: E402
from run_notebooks import code_digest  # noqa: E402

(SLUG,) = address.REPOSITORY.findall((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PLACES = r"(?:git\+https://github\.com|git clone https://github\.com|"
PLACES += r"repository-code: https://github\.com|colab\.research\.google\.com/github|mybinder\.org/v2/gh)/"
LINK = re.compile(PLACES + r"([^/\s]+/[\w.-]+)")
NOTEBOOKS = sorted(ROOT.glob("notebooks/**/[0-9]*.*"))


@pytest.mark.parametrize(
    ("path", "links"),
    [(path, 3) for path in NOTEBOOKS] + [(ROOT / name, 1) for name in ("README.md", "README.ja.md", "CITATION.cff")],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
def test_it_is_the_same_everywhere(path, links):
    found = LINK.findall(path.read_text(encoding="utf-8"))
    assert set(found) == {SLUG}
    assert len(found) >= links


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_the_first_cell_installs_the_tag_that_is_set(path):
    (tag,) = address.TAG.findall((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert address.INSTALLED.findall(path.read_text(encoding="utf-8")) == [address.package(SLUG, tag)]


def test_the_placeholder_cannot_be_a_real_account():
    assert "your_name_here" not in SLUG or not address.ADDRESS.fullmatch(f"https://github.com/{SLUG}")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository with a few of ours."""
    for name in ("pyproject.toml", "README.md", "notebooks/01_data.py", "notebooks/01_data.ipynb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    subprocess.run("git init --quiet && git add .", shell=True, cwd=tmp_path, check=True)
    monkeypatch.setattr(address, "ROOT", tmp_path)
    return tmp_path


def test_one_command_writes_it_everywhere(project, capsys):
    address.main(["https://github.com/Some-One/gc.tutorial/"])
    assert (
        sorted(capsys.readouterr().out.split("Run ")[0].split())
        == subprocess.check_output(["git", "ls-files"], cwd=project, text=True).split()
    )
    for path in project.glob("**/*.*"):
        if ".git" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert SLUG not in text
            assert set(LINK.findall(text)) <= {"Some-One/gc.tutorial"}
    notebook = nbformat.read(project / "notebooks/01_data.ipynb", as_version=4)
    assert notebook.metadata["executed"] == code_digest(notebook)


@pytest.mark.parametrize("tag", ["v1.2.0", ""])
def test_a_tag_is_written_into_the_first_cells(project, tag):
    """Set first and then taken out again, by the same command."""
    settings = project / "pyproject.toml"
    for one in dict.fromkeys(("v1.2.0", tag)):
        subprocess.run("git add .", shell=True, cwd=project, check=True)
        settings.write_text(address.TAG.sub(f'tag = "{one}"', settings.read_text(encoding="utf-8")), encoding="utf-8")
        address.main(["https://github.com/Some-One/gc.tutorial"])
    expected = [address.package("Some-One/gc.tutorial", tag)]
    for path in project.glob("notebooks/*.*"):
        assert address.INSTALLED.findall(path.read_text(encoding="utf-8")) == expected
    assert ("@v1.2.0" in (project / "notebooks/01_data.py").read_text(encoding="utf-8")) == bool(tag)


@pytest.mark.parametrize(
    "arguments",
    [[], ["owner/name"], ["http://github.com/owner/name"], ["https://github.com/own_er/name"], ["a", "b"]],
)
def test_an_address_that_is_none_changes_nothing(project, arguments):
    before = {path: path.read_bytes() for path in project.glob("**/*.*") if path.is_file()}
    with pytest.raises(SystemExit, match="is no address"):
        address.main(arguments)
    assert before == {path: path.read_bytes() for path in project.glob("**/*.*") if path.is_file()}
