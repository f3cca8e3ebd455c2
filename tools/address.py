"""Write the address under which this tutorial is published: make address ADDRESS=https://github.com/owner/name.

`[project.urls]` in pyproject.toml holds the address, and `[tool.gc-tutorial]` the tag that the first cells of the
notebooks install. This command replaces the address in links, badges and first cells, wherever the previous address
stands, and writes the tag into the first cells, and into each notebook the line of links that open it. After a change
of the tag alone, call it with the same address. Tests check that all places agree.
"""

import os
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
# What an address begins with. After anything else, the same letters are not an address.
HOSTS = [
    "github.com/",
    "colab.research.google.com/github/",
    "mybinder.org/v2/gh/",
    "codespaces.new/",
    "nbviewer.org/github/",
]
# The links that open a notebook: the text of each, and its target.
DOORS = {
    "Open in Colab": "https://colab.research.google.com/github/{slug}/blob/main/{path}",
    "Open in Binder": "https://mybinder.org/v2/gh/{slug}/main?urlpath=lab/tree/{path}",
    "Open in Kaggle": "https://kaggle.com/kernels/welcome?src=https://github.com/{slug}/blob/main/{path}",
    "Open in Codespaces": "https://codespaces.new/{slug}",
    "Read in nbviewer": "https://nbviewer.org/github/{slug}/blob/main/{path}",
}
# The line that these links form in a notebook, wherever they lead.
DOOR_LINE = re.compile(r"\[Open in Colab\]\([^)\s]*\)(?: · \[(?:Open|Read) in \w+\]\([^)\s]*\))*")


def main(arguments):
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (before,), (tag,) = REPOSITORY.findall(settings), TAG.findall(settings)
    after = slug(arguments[0], before) if len(arguments) == 1 else None
    if not after:
        sys.exit(
            f"{' '.join(arguments)[:200] or 'Nothing'} is not an address. Give one such as https://github.com/owner/name."
        )
    # All is read before anything is written, and the file that holds the previous address is written last: whatever
    # stops this command, the next call finds what is left.
    contents = {path: rewritten(path, text, before, after, package(after, tag)) for path, text in holding(before)}
    try:
        for path in sorted(contents, key=lambda path: path == ROOT / "pyproject.toml"):
            path.write_bytes(contents[path].encode())
            print(path.relative_to(ROOT))
    except OSError as error:
        sys.exit(f"The address could not be written everywhere: {error}. Make the files writable, and run this again.")
    print("Run `pip install -e .` once (or `make test`, which does), so that the package knows the address, too.")


def slug(given, before):
    """owner/name of an address, as the code host's page or its clone button gives it; None if it is not one."""
    if given == f"https://github.com/{before}":
        return before  # as it is, even the placeholder: new links are written
    found = ADDRESS.fullmatch(given.strip())
    return found and found[1]


def package(repository, tag):
    """What pip installs: the tag where one is set, else what is newest."""
    return f"gc-tutorial[tutorial] @ git+https://github.com/{repository}" + (f"@{tag}" if tag else "")


def holding(repository):
    """The files under version control that hold the address now, committed or not: pairs of path and text."""
    sought = repository.encode(), site(repository).encode()
    found = []
    for path in tracked():
        try:
            content = path.read_bytes()
        except OSError as error:
            sys.exit(
                f"{path.relative_to(ROOT)} cannot be read: {error.strerror}. Nothing was changed. Put it back "
                "(`git restore`) or remove it for good (`git rm`), and run this again."
            )
        if b"\0" in content or not any(one in content for one in sought):  # pictures, and files without the address
            continue
        try:
            found.append((path, content.decode()))
        except UnicodeDecodeError:
            sys.exit(
                f"{path.relative_to(ROOT)} holds the address and is not UTF-8. Nothing was changed. Save it as UTF-8, "
                "and run this again."
            )
    if not found:
        sys.exit(f"No file under version control holds the address before, {repository}. Work in a clone of the whole.")
    return found


def tracked():
    """The files under version control, without links."""
    try:
        found = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    except FileNotFoundError:
        sys.exit("The files are found with git, and git is not installed here. Install it, and run this again.")
    if found.returncode:
        reason = os.fsdecode(found.stderr).strip().splitlines()[-1:] or ["git ls-files failed"]
        sys.exit(f"The files are found with git, which says: {reason[0]}. Work in a clone made by `git clone`.")
    paths = [ROOT / name for name in dict.fromkeys(os.fsdecode(found.stdout).split("\0")) if name]
    return [path for path in paths if not path.is_symlink()]


def rewritten(path, text, before, after, installed):
    """The text of one file with the address replaced; outputs of a notebook that were those of its code remain so."""
    changed = with_address(text, before, after)
    if "notebooks" in path.parts:
        changed = INSTALLED.sub(installed, changed)
    if path.parent.name == "notebooks" and path.suffix in (".py", ".ipynb"):
        changed = DOOR_LINE.sub(lambda _: doors(after, f"notebooks/{path.stem}.ipynb"), changed)
    if path.suffix == ".ipynb":
        language = path.parent.name if path.parent.name != "notebooks" else ""
        try:
            digests = [outputs_digest(nbformat.reads(version, as_version=4), language) for version in (text, changed)]
        except (ValueError, SyntaxError) as error:
            sys.exit(
                f"{path.relative_to(ROOT)} is not a notebook that Python can read ({error}). Nothing was changed. Mend "
                "it, and run this again."
            )
        changed = changed.replace(*digests)
    return changed


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
