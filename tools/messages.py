"""Write the catalogues of messages: extract from the package and the notebooks, update, compile (`make messages`).

What is extracted: what is passed to `text`, to `Words` and to the errors of the package; the plain strings that are
labels, titles and alternative texts of figures, which `show` translates; and what notebooks show of the plans.
"""

import ast
import io
import re
import sys
from datetime import datetime, timezone
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "gc_tutorial"
SPEAKING = {"text", "DataError", "PlanError", "SettingsError", "UnavailableError", "VersionError", "value_error"}
TITLES = {"set_title", "set_xlabel", "set_ylabel", "suptitle", "supylabel"}
LABELS = {"alt", "label", "title", "xlabel", "ylabel"}
DATE = datetime(2026, 1, 1, tzinfo=timezone.utc)  # the history of the file says when it changed
CONTEXT = "\4"  # stands between the context of a message, if it has one, and the message
PROGRAM = "from gc_tutorial import"  # a string with this holds a program, which a notebook runs
QUOTED_RULES = {"D_mechanism": ("common_shift",)}  # rules of plans that a notebook quotes


def catalogue_path(language):
    return PACKAGE / "locale" / language / "LC_MESSAGES" / "gc_tutorial.po"


def extracted():
    """All messages: a dict from the message to the files that say it, as paths in the repository."""
    found = {}
    for path in sorted([*PACKAGE.rglob("*.py"), *(ROOT / "notebooks").glob("[0-9]*.py")]):
        for message in messages(path.read_text(encoding="utf-8")):
            found.setdefault(message, {})[path.relative_to(ROOT).as_posix()] = None
    for path in sorted((PACKAGE / "study" / "plans").glob("*.toml")):
        plan = tomllib.loads(path.read_text(encoding="utf-8"))
        quoted = [" ".join(plan["rules"][name]["text"].split()) for name in QUOTED_RULES.get(path.stem, ())]
        for message in [plan["title"], *quoted]:
            found.setdefault(message, {})[path.relative_to(ROOT).as_posix()] = None
    return found


def messages(code):
    """The messages that Python code says, in their order, behind their context, as gettext's compiled files have them.

    >>> list(messages('print(text("a" if x else "b")); ONE = "c"; show(figure, alt=text(ONE))'))
    ['a', 'b', 'c']
    >>> list(messages('set_title(figure, "d"); axis.set_title("e"); text(", ").join(names)'))
    ['d', 'e', ', ']
    >>> [one.split(CONTEXT) for one in messages('text("f", "g" if x else "", h=1)')]
    [['g', 'f'], ['f']]
    """
    tree = ast.parse(code)
    assigned = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            assigned.setdefault(node.targets[0].id, []).append(node.value)
        if isinstance(node, ast.Constant) and PROGRAM in str(node.value):
            yield from messages(node.value)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        said = []
        if call.args and name in SPEAKING | TITLES:
            said += call.args[:1]
        if name in TITLES:  # also `plotting.set_title(figure, title)`
            said += call.args[1:]
        if call.args and name == "Words" and isinstance(call.args[0], ast.Dict):
            said += call.args[0].values
        said += [keyword.value for keyword in call.keywords if keyword.arg in LABELS]
        contexts = [one for node in call.args[1:2] if name == "text" for one in plain(node, assigned)] or [""]
        for node in said:
            for message in filter(str.strip, plain(node, assigned)):
                yield from (f"{context}{CONTEXT}{message}" if context else message for context in contexts)


def plain(node, assigned):
    """The plain strings that a node may be: one, each of a choice, or what a name has been given."""
    if isinstance(node, ast.IfExp):
        return [*plain(node.body, assigned), *plain(node.orelse, assigned)]
    if isinstance(node, ast.Name):
        others = {name: values for name, values in assigned.items() if name != node.id}
        return [one for value in assigned.get(node.id, ()) for one in plain(value, others)]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def updated(language):
    """The catalogue of a language as it is in the repository, with today's messages in it and no others."""
    path = catalogue_path(language)
    known = read_po(io.BytesIO(path.read_bytes())) if path.exists() else Catalog(language)
    catalogue = Catalog(
        language,
        project="gc-tutorial",
        header_comment="# What the package and the notebooks say. `make messages` adds what is new and compiles.",
        version="",
        msgid_bugs_address="see CONTRIBUTING.md",
        last_translator="see the history of this file",
        language_team="see CONTRIBUTING.md",
        creation_date=DATE,
        revision_date=DATE,
        fuzzy=False,
    )
    for key, files in extracted().items():
        context, _, message = key.rpartition(CONTEXT)
        translated = known.get(message, context or None)
        said = translated.string if translated else ""
        catalogue.add(message, said, locations=[(file, 0) for file in files], context=context or None)
    return catalogue


def written(catalogue):
    """A catalogue as the bytes of a .po file."""
    file = io.BytesIO()
    write_po(file, catalogue, width=110, include_lineno=False, sort_by_file=False)
    return re.sub(rb'"Generated-By: Babel [^"]*"\n', b"", file.getvalue())  # or the file changes with the version


def main():
    for folder in sorted((PACKAGE / "locale").iterdir()):
        catalogue, path = updated(folder.name), catalogue_path(folder.name)
        path.write_bytes(written(catalogue))
        with path.with_suffix(".mo").open("wb") as file:
            write_mo(file, catalogue)
        missing = [message.id for message in catalogue if message.id and not message.string]
        print(f"{folder.name}: {len(catalogue)} messages, {len(missing)} not translated yet")


if __name__ == "__main__":
    main()
