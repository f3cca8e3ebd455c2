"""The proposed Keras example has the form that Keras asks for, runs in short, and compares fairly."""

import ast
import importlib
import re
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from gc_tutorial.data.synthetic import draw

PATH = Path(__file__).parent.parent / "docs" / "keras_io" / "gradient_centralization.py"
TEXT = PATH.read_text(encoding="utf-8")
LINES = TEXT.splitlines()
TREE = ast.parse(TEXT)
PROSE = [node.value.value for node in TREE.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
NAMES = {node.id for node in ast.walk(TREE) if isinstance(node, ast.Name)}
NAMES |= {node.arg for node in ast.walk(TREE) if isinstance(node, ast.arg)}
FIELDS = ("Title", "Author", "Date created", "Last modified", "Description", "Accelerator")
SHORT = {"image_size": "94", "batch_size": "8", "num_epochs": "1", "seeds": "[0, 1]"}


# ----- the form


def calls_of(method):
    calls = [node for node in ast.walk(TREE) if isinstance(node, ast.Call)]
    found = [one for one in calls if isinstance(one.func, ast.Attribute) and one.func.attr == method]
    return [{keyword.arg for keyword in one.keywords} for one in found]


def test_the_header_has_the_fields_of_keras():
    fields = dict(line.split(": ", 1) for line in PROSE[0].strip().splitlines())
    assert tuple(fields) == FIELDS
    assert all(re.fullmatch(r"\d{4}/\d\d/\d\d", fields[name]) for name in ("Date created", "Last modified"))
    assert re.fullmatch(r"[A-Z].{1,98}\.", fields["Description"])
    assert fields["Accelerator"] in ("GPU", "TPU", "None")


def test_texts_stand_between_lines_of_quotes():
    assert LINES[0] == '"""'
    assert [line for line in LINES if line.startswith('"""')] == ['"""'] * 2 * len(PROSE)
    assert not [line for line in LINES if line != line.rstrip()]
    assert "## Introduction" in PROSE[1] and PROSE[-1].startswith("\n## Conclusion")


def test_it_is_short_and_narrow():
    assert len(LINES) < 300
    assert not [line for line in LINES if len(line) > 80 and not re.search(r"\]\(https://\S+\)", line)]


def test_it_asks_for_nothing_that_keras_refuses():
    assert "gc_tutorial" not in TEXT
    assert not [one for one in PROSE if "$" in one or "\\" in one]  # formulas
    assert not [line for line in LINES if line.startswith(("!", "%")) or '"""shell' in line]
    assert "](\n" not in TEXT  # a link in two lines
    assert not [name for name in NAMES if len(name) == 1 and name != "_"]
    assert not [node for node in ast.walk(TREE) if isinstance(node, ast.Assert)]


def test_it_imports_modules_and_no_single_names():
    for node in ast.walk(TREE):
        if isinstance(node, ast.ImportFrom):
            for one in node.names:
                importlib.import_module(f"{node.module}.{one.name}")


def test_every_training_is_measured_on_further_images():
    assert len(calls_of("fit")) == 2
    assert all("validation_data" in keywords for keywords in calls_of("fit"))
    assert all("num_parallel_calls" in keywords for keywords in calls_of("map"))


# ----- what it does


@pytest.fixture(scope="module")
def executed():
    """What the example defines and prints, on few synthetic images, with few epochs and seeds."""
    text = TEXT
    for name, value in SHORT.items():
        text, count = re.subn(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
        assert count == 1

    def load(name, split, as_supervised):
        assert (name, as_supervised) == ("horses_or_humans", True)
        numbers = range(24 if split == "train" else 8)
        images = np.stack([draw(split, number) for number in numbers])
        return tf.data.Dataset.from_tensor_slices((images, np.array(numbers) % 2))

    printed, defined = [], {"print": lambda *words: printed.append(" ".join(words))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds, "load", load)
        exec(compile(text, PATH.name, "exec"), defined)
    defined["printed"] = "\n".join(printed)
    return defined


def test_it_prints_the_shifts_the_runs_and_the_intervals(executed):
    printed = executed["printed"]
    number = r"[+-]\d\.\d{3}"
    assert len(re.findall(r"^(?:RMSprop|GCRMSprop), seed [01]: training loss \d", printed, re.MULTILINE)) == 4
    for outcome in ("training loss", "validation accuracy"):
        found = f"Change of the {outcome} with GC: {number} \\(95% interval from {number} to {number}\\)"
        assert re.search(found, printed)


def test_its_check_tells_with_from_without(executed):
    assert executed["shift_with_gc"] < 1e-7 < 1e-5 < executed["shift_without_gc"]

    class Mistaken(keras.optimizers.SGD, executed["GradientCentralization"]):
        """The order of base classes against which the text warns."""

    assert executed["largest_shift"](Mistaken) == executed["shift_without_gc"]


def test_all_chance_in_a_run_follows_from_its_seed(executed):
    plain = keras.optimizers.RMSprop
    assert executed["train"](plain, 0) == executed["train"](plain, 0) == tuple(executed["without_gc"][0])
    assert not np.array_equal(executed["without_gc"], executed["with_gc"])


def test_both_runs_of_a_seed_begin_with_equal_weights_and_a_new_model(executed, monkeypatch):
    began, history = [], SimpleNamespace(history={"val_accuracy": [0.5]})
    monkeypatch.setattr(keras.Model, "fit", lambda model, *_, **__: began.append(model.get_weights()) or history)
    monkeypatch.setattr(keras.Model, "evaluate", lambda *_, **__: (0.0, 0.0))
    for optimizer, seed in ((keras.optimizers.RMSprop, 0), (executed["GCRMSprop"], 0), (executed["GCRMSprop"], 1)):
        executed["train"](optimizer, seed)
    assert all(map(np.array_equal, began[0], began[1]))
    assert not np.array_equal(began[0][0], began[2][0])
    batches = [next(iter(executed["make_shuffled_dataset"](seed)))[0].numpy() for seed in (0, 0, 1)]
    assert np.array_equal(batches[0], batches[1]) and not np.array_equal(batches[0], batches[2])
