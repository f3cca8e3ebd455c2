"""Write the address under which this tutorial is published: make address ADDRESS=https://github.com/owner/name.

`[project.urls]` in pyproject.toml holds the address, and `[tool.gc-tutorial]` the tag that the first cells of the
notebooks install. This command replaces the address in links, badges and first cells, wherever the address before it
stands, writes the tag into the first cells, and in each notebook the line that says where it can be opened. After a
change of the tag alone, call it with the same address. Tests check that all places agree.
"""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
from digests import outputs_digest

ROOT = Path(__file__).resolve().parent.parent
# An account has letters, digits and single hyphens inside; a repository may have dots and underscores, too.
ADDRESS = re.compile(
    r"(?:https://github\.com/|git@github\.com:)"
    r"([A-Za-z0-9](?:[A-Za-z0-9]|-(?=[A-Za-z0-9])){0,38}/(?!(?:\.{1,2}|\.{0,2}\.git)/?$)[A-Za-z0-9._-]+?)(?:\.git)?/?"
)
REPOSITORY = re.compile(r'^Repository = "https://github\.com/([^"]+)"$', re.MULTILINE)
TAG = re.compile(r'^tag = "([\w.-]*)"', re.MULTILINE)
INSTALLED = re.compile(r"gc-tutorial\[tutorial\] @ git\+https://github\.com/[\w.-]+/[\w.-]+(?:@[\w.-]+)?")
# What stands before the address where it is one. Elsewhere the same letters are part of something else.
HOSTS = [
    "github.com/",
    "colab.research.google.com/github/",
    "mybinder.org/v2/gh/",
    "codespaces.new/",
    "nbviewer.org/github/",
]
# Where a notebook can be opened: the words of the link, and where it leads.
DOORS = {
    "Open in Colab": "https://colab.research.google.com/github/{slug}/blob/main/{path}",
    "Open in Binder": "https://mybinder.org/v2/gh/{slug}/main?urlpath=lab/tree/{path}",
    "Open in Kaggle": "https://kaggle.com/kernels/welcome?src=https://github.com/{slug}/blob/main/{path}",
    "Open in Codespaces": "https://codespaces.new/{slug}",
    "Read in nbviewer": "https://nbviewer.org/github/{slug}/blob/main/{path}",
}
DOOR_LINE = re.compile(r"\[Open in Colab\]\([^)\s]*\)(?: · \[(?:Open|Read) in \w+\]\([^)\s]*\))*")


def main(arguments):
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (before,), (tag,) = REPOSITORY.findall(settings), TAG.findall(settings)
    after = slug(arguments[0], before) if len(arguments) == 1 else None
    if not after:
        sys.exit(
            f"{' '.join(arguments)[:200] or 'Nothing'} is not an address. Give one such as https://github.com/owner/name."
        )
    try:
        for path in files_with(before):
            rewrite(path, before, after, package(after, tag))
            print(path.relative_to(ROOT))
    except OSError as error:
        sys.exit(f"The address could not be written everywhere: {error}. Make the files writable, and run this again.")
    print("Run `pip install -e .` once (or `make test`, which does), so that the package knows the address, too.")


def slug(given, before):
    """owner/name of an address, as the code host's page or its clone button gives it; None where it is none."""
    if given == f"https://github.com/{before}":
        return before  # as it is, even the placeholder: new links are written
    found = ADDRESS.fullmatch(given.strip())
    return found and found[1]


def package(repository, tag):
    """What pip installs: the tag where one is set, else what is newest."""
    return f"gc-tutorial[tutorial] @ git+https://github.com/{repository}" + (f"@{tag}" if tag else "")


def files_with(text):
    """The files under version control that hold a text, as paths."""
    command = ["git", "grep", "--cached", "-lIF", "-e", text]
    try:
        found = subprocess.run(command, cwd=ROOT, text=True, capture_output=True)
    except FileNotFoundError:
        sys.exit("The files are found with git, and git is not installed here. Install it, and run this again.")
    if found.returncode > 1:  # 1: no file holds it
        reason = found.stderr.strip().splitlines()[-1:] or ["git grep failed"]
        sys.exit(f"The files are found with git, which says: {reason[0]}. Work in a clone made by `git clone`.")
    return [ROOT / name for name in found.stdout.splitlines()]


def rewrite(path, before, after, installed):
    """Replace the address in one file; outputs of a notebook that were those of its code remain so."""
    text = path.read_text(encoding="utf-8")
    changed = with_address(text, before, after)
    if "notebooks" in path.parts:
        changed = INSTALLED.sub(installed, changed)
    if path.parent.name == "notebooks" and path.suffix in (".py", ".ipynb"):
        changed = DOOR_LINE.sub(lambda _: doors(after, f"notebooks/{path.stem}.ipynb"), changed)
    if path.suffix == ".ipynb":
        language = path.parent.name if path.parent.name != "notebooks" else ""
        digests = [outputs_digest(nbformat.reads(version, as_version=4), language) for version in (text, changed)]
        changed = changed.replace(*digests)
    path.write_text(changed, encoding="utf-8")


def with_address(text, before, after):
    """The text with the address replaced where it stands whole: not in `owner/name-else`, nor without its host."""
    hosts = "|".join(map(re.escape, HOSTS))
    whole = re.compile(rf"(?<![\w.-])((?:{hosts})){re.escape(before)}(?=\.git\b|(?!\.?[\w-]))")
    return whole.sub(lambda match: match[1] + after, text).replace(site(before), site(after))


def site(repository):
    """Where the rendered pages of a repository are."""
    return "https://{}.github.io/{}/".format(*repository.split("/"))


def doors(repository, path):
    """The line of links that open one notebook."""
    return " · ".join(f"[{words}]({target.format(slug=repository, path=path)})" for words, target in DOORS.items())


if __name__ == "__main__":
    main(sys.argv[1:])
