"""The first cell of each notebook: the settings, and what it says where it cannot continue."""

import os
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from gc_tutorial import lesson
from gc_tutorial.errors import DataError, SettingsError, StoreError, VersionError
from gc_tutorial.lesson import PROFILES, settings

ROOT = Path(__file__).parent.parent
FIRST = next(cell.source for cell in jupytext.read(ROOT / "notebooks/01_data.py").cells if cell.cell_type == "code")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, PROFILES["standard"]),
        ({"GC_TUTORIAL_PROFILE": ""}, PROFILES["standard"]),
        ({"GC_TUTORIAL_PROFILE": "full"}, PROFILES["full"]),
    ],
)
def test_profile_is_chosen_by_the_environment(environment, expected):
    assert settings(environment) == expected


def test_full_profile_is_the_published_recipe():
    full = PROFILES["full"]
    assert (full.image_size, full.batch_size, full.epochs, full.learning_rate) == (300, 128, 10, 1e-4)


def test_single_settings_are_overridden():
    chosen = settings(
        {
            "GC_TUTORIAL_PROFILE": "quick",
            "GC_TUTORIAL_EPOCHS": "7",
            "GC_TUTORIAL_IMAGE_SIZE": "120",
            "GC_TUTORIAL_BATCH_SIZE": "5",
            "GC_TUTORIAL_SEEDS": "3",
            "GC_TUTORIAL_DATA": "synthetic",
            "GC_TUTORIAL_PRECISION": "mixed_bfloat16",
        }
    )
    assert (chosen.epochs, chosen.image_size, chosen.batch_size, chosen.seeds, chosen.data) == (
        7,
        120,
        5,
        3,
        "synthetic",
    )
    assert chosen.precision == "mixed_bfloat16"
    assert chosen.learning_rate == PROFILES["quick"].learning_rate


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("PROFILE", "fast", "quick, standard, full"),
        ("PRECISION", "float16", "float32, mixed_bfloat16"),
        ("EPOCHS", "0", "at least 1"),
        ("EPOCHS", "ten", "whole number"),
        ("BATCH_SIZE", "-4", "at least 1"),
        ("BATCH_SIZE", "2.5", "whole number"),
        ("SEEDS", "0", "at least 1"),
        ("IMAGE_SIZE", "93", "at least 94"),
    ],
)
def test_values_that_are_not_valid_are_named(variable, value, told):
    with pytest.raises(SettingsError) as error:
        settings({f"GC_TUTORIAL_{variable}": value})
    message = str(error.value)
    assert f"GC_TUTORIAL_{variable}" in message
    assert repr(value) in message
    assert told in message


def run_first_cell(tmp_path, prepare="", **environment):
    """What IPython shows for the first cell, in a process of its own and away from the repository."""
    code = f"""
from IPython.terminal.interactiveshell import TerminalInteractiveShell
shell = TerminalInteractiveShell.instance(colors="NoColor")
shell.run_cell({prepare!r})
print("-" * 20)
print("worked:", shell.run_cell({FIRST!r}).success)
"""
    (tmp_path / "cell.py").write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "cell.py"],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path), "PYTHONWARNINGS": "ignore", **environment},
        capture_output=True,
        text=True,
    )
    return done.stdout.split("-" * 20)[1].strip().splitlines()


def test_where_the_package_cannot_be_installed_it_says_what_is_needed(tmp_path):
    shown = run_first_cell(
        tmp_path,
        prepare="import sys; sys.modules['gc_tutorial'] = None",  # what Python makes of a missing module
        GIT_CONFIG_COUNT="1",
        GIT_CONFIG_KEY_0=f"url.{tmp_path}/nowhere.insteadOf",
        GIT_CONFIG_VALUE_0="https://github.com/",
    )
    assert shown.pop() == "worked: False"
    text = "\n".join(shown)
    assert "git+https://github.com/" in text and "was not installed" in text
    assert "network, git and Python 3.10 or newer" in text
    assert len(shown) <= 6
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"TF_USE_LEGACY_KERAS": "1"}, ["VersionError: TF_USE_LEGACY_KERAS=1 makes", "Restart the kernel without"]),
        ({"GC_TUTORIAL_PROFILE": "slow"}, ["SettingsError: GC_TUTORIAL_PROFILE='slow' is not a profile."]),
    ],
)
def test_a_predictable_mistake_is_told_without_a_traceback(tmp_path, environment, told):
    shown = run_first_cell(tmp_path, **environment)
    assert shown.pop() == "worked: False"
    assert len(shown) == len(told)
    for line, start in zip(shown, told, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_the_precision_that_is_set_is_the_one_that_models_get(monkeypatch, capsys, precision):
    import keras

    monkeypatch.setenv("GC_TUTORIAL_PRECISION", precision)
    before = keras.config.dtype_policy()
    try:
        assert lesson.start().precision == precision
        assert keras.config.dtype_policy().name == precision
        assert keras.layers.Dense(1).compute_dtype == precision.removeprefix("mixed_")
    finally:
        keras.config.set_dtype_policy(before)
    assert f", {precision}. Keras " in capsys.readouterr().out


def test_keras_2_is_named_with_what_to_do():
    with pytest.raises(VersionError, match=r"Keras 2\.15\.0.*\n.*pip install --upgrade"):
        lesson._check_version("2.15.0")
    lesson._check_version("3.10.0")


@pytest.mark.parametrize("error", [DataError, SettingsError, StoreError, VersionError])
def test_notebooks_show_our_errors_in_a_line(error):
    shell = InteractiveShell.instance(colors="NoColor")
    shell.push({"mistake": error("no room")})
    with capture_output() as shown:
        assert not shell.run_cell("raise mistake").success
    assert (shown.stdout + shown.stderr).strip() == f"{error.__name__}: no room"


@pytest.mark.parametrize("error", [DataError, SettingsError, StoreError, VersionError])
def test_our_errors_are_caught_as_wrong_values(error):
    with pytest.raises(ValueError, match="no room"):
        raise error("no room")


def test_importing_the_package_waits_with_what_takes_seconds():
    heavy = ["keras", "tensorflow", "tensorflow_datasets", "matplotlib", "pandas", "scipy", "cv2", "numpy"]
    code = f"import gc_tutorial, sys; print([name for name in {heavy} if name in sys.modules], dir(gc_tutorial))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("[] [")
    assert "'GCRMSprop'" in done.stdout
