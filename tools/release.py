"""What a release says: its part of the changelog and the SHA-256 of its files; `make package` runs it.

    python tools/release.py DIST NOTES [TAG]

checks that the tag, where there is one, is that of the version, and writes NOTES and DIST's hashes beside it.
"""

import hashlib
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = re.compile(r'^version = "([^"]+)"$', re.MULTILINE)


def main(arguments):
    folder, target, *tag = arguments
    (version,) = VERSION.findall((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    checked(tag[0] if tag else f"v{version}", version)
    text = notes(Path(folder), version, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_text(text, encoding="utf-8")
    print(text)


def checked(tag, version):
    if tag != f"v{version}":
        sys.exit(f"{tag} is not the tag of version {version} in pyproject.toml. Change one of them.")


def notes(folder, version, changelog):
    """The text of a release.

    Args:
        folder: path of the folder that holds the files of the release and nothing else.
        version: str, such as "0.1.0".
        changelog: str, the text of the changelog, in the form of Keep a Changelog.

    Returns:
        str, Markdown: the section of that version, then the hashes in the form that `sha256sum --check` takes.
    """
    section = re.search(
        rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## |^\[|\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    if not section:
        sys.exit(f"CHANGELOG.md has no section for version {version}. Add one: ## [{version}] - YYYY-MM-DD.")
    hashes = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in sorted(folder.iterdir())]
    return "\n".join([section[1].strip(), "", "### SHA-256", "", "```", *hashes, "```", ""])


if __name__ == "__main__":
    main(sys.argv[1:])
