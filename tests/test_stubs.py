"""The types of `optimizers.py`, which stand in `optimizers.pyi`, are those of the functions and classes that it has."""

import ast
import inspect
from pathlib import Path

import keras
import pytest

from gc_tutorial import optimizers

STUB = ast.parse(Path(optimizers.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}
READY = {made.__name__ for made in optimizers.MADE.values()}  # GCAdam and the others, made by a loop


def functions(body):
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


def defined(found):
    """What a module or a class defines itself under a public name."""
    kinds = inspect.isfunction, inspect.isclass
    own = {name: one for name, one in vars(found).items() if any(kind(one) for kind in kinds)}
    return {
        name: one for name, one in own.items() if one.__module__ == optimizers.__name__ and not name.startswith("_")
    }


def parameters(function):
    """Name, kind and default of each parameter of a function, or of the definition of one in the stub."""
    if isinstance(function, ast.FunctionDef):
        names = {}
        bare = ast.parse(f"def {function.name}({_without_types(function.args)}): ...")
        exec(compile(bare, "stub", "exec"), names)
        function = names[function.name]
    return [(one.name, one.kind, one.default) for one in inspect.signature(function).parameters.values()]


def _without_types(arguments):
    for one in ast.walk(arguments):
        if isinstance(one, ast.arg):
            one.annotation = None
    return ast.unparse(arguments)


PAIRS = {name: (node, getattr(optimizers, name, None)) for name, node in functions(STUB.body).items()}
PAIRS |= {
    f"{name}.{method}": (node, vars(getattr(optimizers, name, None) or object).get(method))
    for name, described in CLASSES.items()
    for method, node in functions(described.body).items()
}
del PAIRS["__getattr__"]  # stands for the classes that the loop makes, and is not in the module


@pytest.mark.parametrize("name", PAIRS)
def test_a_function_has_the_parameters_of_the_stub(name):
    described, real = PAIRS[name]
    assert real is not None, f"{name} is in the stub alone"
    assert parameters(described) == parameters(real)


def test_the_stub_names_all_public_functions_and_classes_and_no_others():
    assert {*functions(STUB.body), *CLASSES} - {"__getattr__"} - READY == set(defined(optimizers)) - READY
    for name in set(CLASSES) - READY:
        real = defined(getattr(optimizers, name))
        assert {method for method in functions(CLASSES[name].body) if not method.startswith("_")} == set(real)


@pytest.mark.parametrize("name", sorted(set(CLASSES) & READY))
def test_a_ready_class_has_the_bases_of_the_stub(name):
    bases = {ast.unparse(base).split(".")[-1] for base in CLASSES[name].bases}
    assert bases == {"GradientCentralization", name.removeprefix("GC")}
    assert issubclass(getattr(optimizers, name), optimizers.GradientCentralization)
    assert issubclass(getattr(optimizers, name), getattr(keras.optimizers, name.removeprefix("GC")))


def test_what_the_stub_gives_a_type_is_there():
    attributes = {node.target.id for node in ast.walk(STUB) if isinstance(node, ast.AnnAssign)} - {"Axes"}
    assert attributes == {"PACKAGE", "MODES", "centralize", "conv_only", "axes"}
    optimizer = optimizers.GCSGD()
    assert {name for name in attributes if not hasattr(optimizer if name.islower() else optimizers, name)} == set()
