"""What may import what: no circles, and no arrow from what lies below to what lies above."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path):
    """The modules of the package that a module imports, at its top or within a function."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gc_tutorial":
            yield from (
                f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in MODULES else node.module
                for alias in node.names
            )


PATHS = {module_of(path): path for path in sorted((ROOT / "gc_tutorial").rglob("*.py"))}
MODULES = set(PATHS)
IMPORTS = {module: set(imported(path)) for module, path in PATHS.items()}


def test_no_modules_import_one_another_in_a_circle():
    order = list(TopologicalSorter(IMPORTS).static_order())  # raises a CycleError that names the circle
    assert set(order) == MODULES and any(IMPORTS.values())


@pytest.mark.parametrize(
    ("below", "above", "but"),
    [
        ("gc_tutorial.data.", "gc_tutorial.study", ()),
        ("gc_tutorial.study.evidence.", "gc_tutorial.study.", ("evidence", "factors")),
        ("gc_tutorial.study", "gc_tutorial.data.", ()),
        ("gc_tutorial.optimizers", "gc_tutorial", ()),
    ],
)
def test_what_lies_below_does_not_import_what_lies_above(below, above, but):
    arrows = [(module, one) for module in MODULES for one in IMPORTS[module] if module.startswith(below)]
    allowed = [f"{above}{name}" for name in but]
    wrong = [arrow for arrow in arrows if arrow[1].startswith(above) and not any(map(arrow[1].startswith, allowed))]
    assert wrong == [] and any(module.startswith(below) for module in MODULES)
