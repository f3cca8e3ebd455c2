"""Write the address under which this tutorial is published: make address ADDRESS=https://github.com/owner/name.

`[project.urls]` in pyproject.toml holds the address, and `[tool.gc-tutorial]` the tag that the first cells of the
notebooks install. This command replaces the address in links, badges and first cells, and writes the tag into the first
cells. After a change of the tag alone, call it with the same address. Tests check that all places agree.
"""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
from run_notebooks import code_digest

ROOT = Path(__file__).resolve().parent.parent
# An account has letters, digits and single hyphens; a repository may have dots and underscores, too.
ADDRESS = re.compile(r"https://github\.com/((?:[A-Za-z0-9]|-(?=[A-Za-z0-9])){1,39}/[A-Za-z0-9._-]+)/?")
REPOSITORY = re.compile(r'^Repository = "https://github\.com/([^"]+)"$', re.MULTILINE)
TAG = re.compile(r'^tag = "([\w.-]*)"', re.MULTILINE)
INSTALLED = re.compile(r"git\+https://github\.com/[\w.-]+/[\w.-]+(?:@[\w.-]+)?")


def main(arguments):
    found = ADDRESS.fullmatch(arguments[0]) if len(arguments) == 1 else None
    if not found:
        sys.exit(f"{' '.join(arguments) or 'Nothing'} is no address. Give one such as https://github.com/owner/name.")
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (before,), (tag,) = REPOSITORY.findall(settings), TAG.findall(settings)
    for path in files_with(before):
        rewrite(path, before, found[1], package(found[1], tag))
        print(path.relative_to(ROOT))
    print("Run `pip install -e .` once (or `make test`, which does), so that the package knows the address, too.")


def package(slug, tag):
    """What pip installs: the tag where one is set, else what is newest."""
    return f"git+https://github.com/{slug}" + (f"@{tag}" if tag else "")


def files_with(text):
    """The files under version control that hold a text, as paths."""
    command = ["git", "grep", "--cached", "-lIF", "-e", text]
    return [ROOT / name for name in subprocess.check_output(command, cwd=ROOT, text=True).splitlines()]


def rewrite(path, before, after, installed):
    """Replace the address in one file; outputs of a notebook that were those of its code remain so."""
    text = path.read_text(encoding="utf-8")
    changed = text.replace(before, after)
    if "notebooks" in path.parts:
        changed = INSTALLED.sub(installed, changed)
    if path.suffix == ".ipynb":
        digests = [code_digest(nbformat.reads(version, as_version=4)) for version in (text, changed)]
        changed = changed.replace(*digests)
    path.write_text(changed, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
