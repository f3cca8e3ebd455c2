"""The documentation's examples run: those of the public names' docstrings, and those of `docs/faq.md`."""

import doctest
import inspect
import re
from pathlib import Path

import keras
import numpy as np
import pytest

import gc_tutorial

ROOT = Path(__file__).parent.parent
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
NAMES = re.findall(r"^\.\. auto\w+:: gc_tutorial\.(\w+)$", API, re.MULTILINE)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # examples may write files


def run(text, name, known=()):
    """Run the examples in a text, and return how many there are."""
    names = dict(known)
    test, output = doctest.DocTestParser().get_doctest(text, names, name, name, 0), []
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    runner.run(test, out=output.append)
    assert runner.failures == 0, "".join(output)
    return len(test.examples)


@pytest.mark.parametrize("name", NAMES)
def test_its_example_runs(name):
    public = {one: getattr(gc_tutorial, one) for one in dir(gc_tutorial)}
    usual = {"keras": keras, "layers": keras.layers, "np": np, "ops": keras.ops}
    assert run(inspect.getdoc(public[name]), name, public | usual), "its docstring has no example"


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("GC")])
def test_a_ready_class_has_a_docstring_of_its_own(name):  # an inherited one is not on the page of the reference
    said = vars(getattr(gc_tutorial, name))["__doc__"]
    assert said.startswith(f"`{name[2:]}` with gradient centralization.") and f">>> optimizer = {name}(" in said


def test_the_frequent_questions_examples_run():
    assert run((ROOT / "docs" / "faq.md").read_text(encoding="utf-8"), "faq.md") > 10


def test_the_reference_names_what_the_package_exports():
    optimizers = {name for name in dir(gc_tutorial) if name.startswith("GC")}
    assert optimizers <= set(NAMES)
    assert {"load_data", "build_cnn", "compare", "centralize", "centralized"} <= set(NAMES) <= set(dir(gc_tutorial))
