"""What the outputs of a notebook depend on, as a digest that is kept beside them.

It covers the code of the notebook's cells, the code of the package that they reach through imports, the tables and
plans that they name, and in an edition in another language the translations of what this code says. Comments,
docstrings and layout of the package do not count. The digest is the same on every Python.
"""

import ast
import functools
import gettext
import hashlib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "gc_tutorial"
TABLES = ROOT / PACKAGE / "study" / "results"


def outputs_digest(notebook, language=""):
    """The digest for a notebook with its cells as they are now, to tell whether its outputs still belong to it.

    Args:
        notebook: as nbformat reads it.
        language: str, that of its edition, such as "ja"; "" for the English one.
    """
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    code = [ast.parse(cell) for cell in cells]
    modules = {path: module(path.read_bytes()) for path in reached(code)}
    parts = [*cells, *(f"{path.relative_to(ROOT).as_posix()} {one.plain}" for path, one in modules.items())]
    strings = set().union(*map(said, code), *(one.strings for one in modules.values()))
    parts += [path.read_text(encoding="utf-8") for path in tables(strings)]
    parts += translations(strings, language) if language else []
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class Module(NamedTuple):
    """What a file of the package adds to a digest."""

    plain: str
    strings: set
    imported: set


@functools.cache  # each of twenty notebooks reaches most of the files
def module(source):
    tree = ast.parse(source)
    return Module(plain(tree), said(tree), imported(tree))


def said(tree):
    """The strings in code."""
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {value for value in constants if isinstance(value, str)}


def reached(code):
    """The files of the package's modules that code imports, also within functions, and what these import in turn."""
    stub = ast.parse((ROOT / PACKAGE / "__init__.pyi").read_bytes())  # which says in which module each public name is
    public = {alias.name: node.module or alias.name for node in stub.body for alias in node.names}
    waiting, files = {PACKAGE}.union(*map(imported, code)), set()
    while waiting:
        name = waiting.pop()
        path = ROOT.joinpath(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        parent, _, last = name.rpartition(".")
        if parent == PACKAGE and not path.exists() and last in public:
            waiting.add(f"{PACKAGE}.{public[last]}")
        elif path.exists() and path not in files:
            files.add(path)
            waiting |= module(path.read_bytes()).imported | {parent or PACKAGE}
    return sorted(files)


def imported(tree):
    """The names of the package that code imports or takes as an attribute, with dots between their parts."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names.add(f"{node.value.id}.{node.attr}")
    return {name for name in names if name.split(".")[0] == PACKAGE}


def translations(strings, language):
    """The messages among strings that are translated, each with its translation."""
    with (ROOT / PACKAGE / "locale" / language / "LC_MESSAGES" / f"{PACKAGE}.mo").open("rb") as file:
        catalogue = gettext.GNUTranslations(file)
    translated = {string: catalogue.gettext(string) for string in sorted(strings) if string}
    return [f"{string}\n{said}" for string, said in translated.items() if said != string]


def tables(strings):
    """The files of the measured results whose name, or whose folder's name, is among the strings of the code.

    With the tables of a study comes its plan, whose rules decide what is found.
    """
    files = {path: path.relative_to(TABLES).with_suffix("").parts[0] for path in sorted(TABLES.rglob("*.csv"))}
    files |= {path: path.stem for path in sorted((TABLES.parent / "plans").glob("*.toml"))}
    files |= {path: path.name for path in sorted(TABLES.parent.glob("*.csv"))}
    return [path for path, name in files.items() if name in strings]


def plain(node):
    """The syntax tree as text, without docstrings and without fields that are empty, which differ between Pythons."""
    if isinstance(node, list):
        return "[" + ",".join(map(plain, node)) + "]"
    if not isinstance(node, ast.AST):
        return ascii(node)  # what `repr` leaves as it is grows with each Python's tables of characters
    fields = {name: value for name, value in ast.iter_fields(node) if value is not None and value != []}
    documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    if documented and ast.get_docstring(node) is not None:
        fields["body"] = node.body[1:]
    return f"{type(node).__name__}({','.join(f'{name}={plain(fields[name])}' for name in sorted(fields))})"
