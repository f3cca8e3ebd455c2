"""The address of the project: the same wherever it stands, and changed by one command."""

import json
import os
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
from digests import outputs_digest  # noqa: E402

(SLUG,) = address.REPOSITORY.findall((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PLACES = r"(?:git\+https://github\.com|git clone https://github\.com|address = \\?\"https://github\.com|"
PLACES += r"repository-code: https://github\.com|colab\.research\.google\.com/github|mybinder\.org/v2/gh|"
PLACES += r"kernels/welcome\?src=https://github\.com|codespaces\.new|nbviewer\.org/github)/"
LINK = re.compile(PLACES + r"([^/\s]+/[\w.-]+)")
NOTEBOOKS = sorted(ROOT.glob("notebooks/**/[0-9]*.*"))


@pytest.mark.parametrize(
    ("path", "links"),
    [(path, 6) for path in NOTEBOOKS] + [(ROOT / name, 1) for name in ("README.md", "README.ja.md", "CITATION.cff")],
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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: "/".join(path.parts[-2:]))
def test_every_door_of_a_notebook_leads_to_itself(path):
    notebook = path.with_suffix(".ipynb").relative_to(ROOT).as_posix()
    base, file = f"https://github.com/{SLUG}", f"{SLUG}/blob/main/{notebook}"
    links = set(re.findall(r"\]\((https://[^)\s]+)\)", path.read_text(encoding="utf-8")))
    assert {
        f"https://colab.research.google.com/github/{file}",
        f"https://mybinder.org/v2/gh/{SLUG}/main?urlpath=lab/tree/{notebook}",
        f"https://kaggle.com/kernels/welcome?src={base}/blob/main/{notebook}",
        f"https://codespaces.new/{SLUG}",
        f"https://nbviewer.org/github/{file}",
    } <= links
    assert (ROOT / notebook).is_file()


def test_codespaces_opens_on_the_installed_environment():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    verb = container["postCreateCommand"].removeprefix("make ")
    assert re.search(rf"^{verb}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"] == ".venv/bin/python"


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


@pytest.mark.parametrize(
    "given",
    [
        "https://github.com/Some-One/gc.tutorial",
        "https://github.com/Some-One/gc.tutorial/",
        "https://github.com/Some-One/gc.tutorial.git",
        "https://github.com/Some-One/gc.tutorial.git/",
        "git@github.com:Some-One/gc.tutorial.git",
        " https://github.com/Some-One/gc.tutorial ",
    ],
)
def test_one_command_writes_it_everywhere(project, capsys, given):
    path = project / "notebooks/01_data.ipynb"
    before = nbformat.read(path, as_version=4)
    before.metadata["executed"] = outputs_digest(before)
    nbformat.write(before, path)
    address.main([given])
    assert (
        sorted(capsys.readouterr().out.split("Run ")[0].split())
        == subprocess.check_output(["git", "ls-files"], cwd=project, text=True).split()
    )
    for path in project.glob("**/*.*"):
        if ".git" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert SLUG not in text
            assert SLUG.split("/")[0] + ".github.io" not in text
            assert set(LINK.findall(text)) <= {"Some-One/gc.tutorial"}
    notebook = nbformat.read(project / "notebooks/01_data.ipynb", as_version=4)
    assert notebook.metadata["executed"] == outputs_digest(notebook)


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
    [
        [],
        ["a", "b"],
        ["owner/name"],
        ["http://github.com/owner/name"],
        ["https://github.com/owner"],
        ["https://github.com/owner/name/tree/main"],
        ["https://github.com/own_er/name"],
        ["https://github.com/-jane/name"],
        ["https://github.com/jane-/name"],
        ["https://github.com/ja--ne/name"],
        [f"https://github.com/{'j' * 40}/name"],
        ["https://github.com/jane/."],
        ["https://github.com/jane/.."],
        ["https://github.com/jane/../"],
        ["https://github.com/jane/.git"],
        ["https://github.com/jane/..git"],
        ["https://github.com/jane/a name"],
        ["https://github.com/jane/name?tab=readme"],
    ],
)
def test_an_address_that_is_none_changes_nothing(project, arguments):
    before = {path: path.read_bytes() for path in project.glob("**/*.*") if path.is_file()}
    with pytest.raises(SystemExit, match="is not an address"):
        address.main(arguments)
    assert before == {path: path.read_bytes() for path in project.glob("**/*.*") if path.is_file()}


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize(
    "end", ["", "?tab=readme&x=1", "; touch run", "'s", '"', "`touch run`", "(a)", " -o", "$(shell touch run)"]
)
def test_make_hands_an_address_on_as_it_is(project, end):
    (project / "tools").mkdir()
    for name in ("Makefile", "requirements.lock", "requirements.txt", "tools/address.py", "tools/digests.py"):
        shutil.copy(ROOT / name, project / name)
    (project / "installed").touch()
    # `make test` tells a make within it to name its folder
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    given = f"https://github.com/owner{end}"
    command = ["make", "address", f"BIN={Path(sys.executable).parent}", "INSTALLED=installed", f"ADDRESS={given}"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"{given} is not an address. Give one such as" in done.stderr
    assert not (project / "run").exists()


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("https://github.com/o/n", True),
        ("git+https://github.com/o/n@v1", True),
        ("see https://github.com/o/n.", True),
        ("https://github.com/o/n.git", True),
        ("(https://github.com/o/n/blob/main/x.py)", True),
        ("https://mybinder.org/v2/gh/o/n/main", True),
        ("https://github.com/o/n-extras", False),
        ("https://github.com/o/n.js", False),
        ("https://github.com/o/name", False),
        ("https://github.com/two/o/n", False),
        ("https://notgithub.com/o/n", False),
        ("the folder o/n", False),
    ],
)
def test_only_whole_addresses_are_replaced(text, changed):
    assert address.with_address(text, "o/n", "jane/gc") == (text.replace("o/n", "jane/gc") if changed else text)


def test_without_git_it_says_what_is_missing(project, monkeypatch):
    monkeypatch.setenv("PATH", str(project))
    with pytest.raises(SystemExit, match="git is not installed"):
        address.main(["https://github.com/owner/name"])


def test_outside_a_clone_it_says_so(project, monkeypatch):
    shutil.rmtree(project / ".git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    with pytest.raises(SystemExit, match="Work in a clone"):
        address.main(["https://github.com/owner/name"])


@pytest.mark.parametrize("again", ["https://github.com/jane/gc", "https://github.com/joe/gc"])
def test_a_second_call_finds_what_the_first_wrote_and_nobody_added(project, again):
    for given in ("https://github.com/jane/gc", again):
        address.main([given])
    for path in project.glob("**/*.*"):
        if ".git" not in path.parts:
            assert again in path.read_text(encoding="utf-8")


def damaged(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    subprocess.run("git add .", shell=True, cwd=path.parent, check=True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "README.md").unlink(), r"README\.md cannot be read: No such file or directory\. Not"),
        (
            lambda folder: ((folder / "README.md").unlink(), (folder / "README.md").mkdir()),
            r"README\.md cannot be read: Is a directory\. Nothing was changed",
        ),
        (
            lambda folder: damaged(folder / "notes.md", f"caf\xe9 https://github.com/{SLUG}".encode("latin-1")),
            r"notes\.md holds the address and is not UTF-8\. Nothing was changed",
        ),
        (
            lambda folder: damaged(folder / "other.ipynb", f"https://github.com/{SLUG}".encode()),
            r"other\.ipynb is not a notebook that Python can read .*Nothing was changed",
        ),
        (
            lambda folder: subprocess.run("git rm -rq --cached .", shell=True, cwd=folder, check=True),
            f"No file under version control holds the address before, {SLUG}",
        ),
    ],
    ids=["missing", "a folder", "not UTF-8", "no notebook", "not under version control"],
)
def test_what_cannot_be_read_is_told_before_anything_is_written(project, change, told):
    change(project)
    before = {path: path.read_bytes() for path in project.glob("**/*.*") if path.is_file()}
    with pytest.raises(SystemExit, match=told):
        address.main(["https://github.com/owner/name"])
    assert before == {path: path.read_bytes() for path in project.glob("**/*.*") if path.is_file()}


def test_files_without_the_address_may_be_anything(project):
    damaged(project / "notes.txt", "caf\xe9".encode("latin-1"))
    damaged(project / "picture.png", b"\0" + f"https://github.com/{SLUG}".encode())
    (project / "link").symlink_to("nowhere")
    subprocess.run("git add .", shell=True, cwd=project, check=True)
    address.main(["https://github.com/owner/name"])
    assert (project / "picture.png").read_bytes()[1:].decode() == f"https://github.com/{SLUG}"


def test_a_file_that_cannot_be_written_is_named_and_the_next_call_goes_on(project, monkeypatch):
    write = Path.write_bytes

    def refuse(path, content):
        if path.name == "README.md":
            raise PermissionError(13, "Permission denied", str(path))
        return write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", refuse)
        with pytest.raises(SystemExit, match=r"Permission denied: .*README\.md.*Make the files writable"):
            address.main(["https://github.com/owner/name"])
    address.main(["https://github.com/owner/name"])
    for path in project.glob("**/*.*"):
        assert ".git" in path.parts or SLUG not in path.read_text(encoding="utf-8")
