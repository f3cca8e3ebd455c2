"""The first cell of each notebook: the settings, and what it says where it cannot continue."""

import contextlib
import gc
import logging
import os
import re
import subprocess
import sys
import types
import weakref
from dataclasses import replace
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


# ----- value by value


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("EPOCHS", "1", 1),
        ("IMAGE_SIZE", "94", 94),
        ("BATCH_SIZE", "1", 1),
        ("SEEDS", "1", 1),
        ("DATA", "my photos", "my photos"),
        ("PRECISION", "mixed_bfloat16", "mixed_bfloat16"),
    ],
)
def test_a_variable_changes_its_own_value_only(monkeypatch, variable, text, value):
    monkeypatch.delenv("GC_TUTORIAL_PROFILE", raising=False)
    monkeypatch.setenv(f"GC_TUTORIAL_{variable}", text)
    assert settings() == replace(PROFILES["standard"], **{variable.lower(): value})
    monkeypatch.setenv(f"GC_TUTORIAL_{variable}", "")
    assert settings() == PROFILES["standard"]


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("PROFILE", "fast", "is not a profile. Choose one of: quick, standard, full."),
        ("PRECISION", "float16", "is not a precision. Choose one of: float32, mixed_bfloat16."),
        ("EPOCHS", "0", "is not valid. Give a whole number of at least 1, such as 1."),
        ("IMAGE_SIZE", "93", "is not valid. Give a whole number of at least 94, such as 94."),
    ],
)
def test_a_value_that_is_not_valid_is_told_in_full(variable, value, told):
    with pytest.raises(SettingsError, match=f"^GC_TUTORIAL_{variable}='{value}' {re.escape(told)}$"):
        settings({f"GC_TUTORIAL_{variable}": value})


@pytest.fixture
def pretended(monkeypatch):
    """Keras and TensorFlow that can be imported at once; Keras notes the policy that is set."""
    keras, tensorflow = types.ModuleType("keras"), types.ModuleType("tensorflow")
    keras.__version__, keras.policies = "3.10.0", []
    keras.formats = []
    keras.config = types.SimpleNamespace(
        set_dtype_policy=keras.policies.append, set_image_data_format=keras.formats.append
    )
    keras.backend = types.SimpleNamespace(backend=lambda: "jax")
    monkeypatch.setitem(sys.modules, "keras", keras)
    monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
    for name in [one for one in os.environ if one.startswith(("GC_TUTORIAL_", "TF_USE_", "KERAS_BACKEND"))]:
        monkeypatch.delenv(name)
    logger = logging.getLogger("tensorflow")
    kept = list(logger.filters)
    yield keras
    logger.filters[:] = kept


@pytest.mark.parametrize(
    ("profile", "precision", "line"),
    [
        ("quick", "float32", "Profile quick: 94×94 pixels, batches of 16, 2 epochs, float32. Keras 3.10.0 on jax.\n"),
        (
            "full",
            "mixed_bfloat16",
            "Profile full: 300×300 pixels, batches of 128, 10 epochs, mixed_bfloat16. Keras 3.10.0 on jax.\n",
        ),
    ],
)
def test_the_start_sets_the_precision_and_prints_one_line(pretended, monkeypatch, capsys, profile, precision, line):
    monkeypatch.setenv("GC_TUTORIAL_PROFILE", profile)
    monkeypatch.setenv("GC_TUTORIAL_PRECISION", precision)
    assert lesson.start() == replace(PROFILES[profile], precision=precision)
    assert pretended.policies == [precision]
    assert pretended.formats == ["channels_last"]
    assert capsys.readouterr().out == line


def message(error):
    """The messages of these errors are of two lines."""
    return f"^{re.escape(error)}$"


@pytest.mark.parametrize(("value", "refused"), [("1", True), ("True", True), ("0", False), ("", False), ("no", False)])
def test_keras_2_through_tensorflow_is_refused(pretended, monkeypatch, value, refused):
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", value)
    told = (
        f"TF_USE_LEGACY_KERAS={value} makes TensorFlow use Keras 2, and this tutorial needs Keras 3.\n"
        "Restart the kernel without that variable, or run os.environ.pop('TF_USE_LEGACY_KERAS') before this cell."
    )
    with pytest.raises(VersionError, match=message(told)) if refused else contextlib.nullcontext():
        lesson.start()


@pytest.mark.parametrize(("version", "refused"), [("2.15.0", True), ("1.0", True), ("3.0.0", False), ("10.1", False)])
def test_keras_2_itself_is_refused(pretended, version, refused):
    pretended.__version__ = version
    told = (
        f"This is Keras {version}, and this tutorial needs Keras 3, because it uses methods that Keras 2 lacks.\n"
        "Run `pip install --upgrade keras tensorflow`, then restart the kernel."
    )
    with pytest.raises(VersionError, match=message(told)) if refused else contextlib.nullcontext():
        lesson.start()
    assert pretended.policies == ([] if refused else ["float32"])


def test_a_backend_that_is_unknown_or_missing_is_told(pretended, monkeypatch):
    monkeypatch.setattr(lesson.importlib.util, "find_spec", lambda name: None if name == "torch" else object())
    for name, told in (
        ("mxnet", "KERAS_BACKEND='mxnet' is not valid here. Choose one of: tensorflow, jax, torch."),
        (
            "torch",
            "KERAS_BACKEND='torch' names a package that is not installed. Install it: pip install torch; or remove "
            "the variable to use TensorFlow.",
        ),
    ):
        monkeypatch.setenv("KERAS_BACKEND", name)
        with pytest.raises(SettingsError, match=message(told)):
            lesson.start()
    for name in ("tensorflow", "jax", ""):
        monkeypatch.setenv("KERAS_BACKEND", name)
        lesson.start()


def test_of_tensorflows_warnings_only_the_one_about_retracing_is_dropped(pretended, caplog):
    lesson.import_quietly()
    with caplog.at_level("WARNING", "tensorflow"):
        logger = logging.getLogger("tensorflow")
        logger.warning("5 out of the last %d calls triggered tf.function retracing.", 5)
        logger.warning("Another one")
    assert [record.getMessage() for record in caplog.records] == ["Another one"]


@pytest.fixture
def noisy(tmp_path, monkeypatch):
    """A TensorFlow that writes to the standard error of the process while it is imported, and may then fail."""
    (tmp_path / "keras.py").write_text("class config:\n    set_image_data_format = print\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("keras", "tensorflow"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    def write(last_line=""):
        (tmp_path / "tensorflow.py").write_text(f"import os\nos.write(2, b'noise')\n{last_line}\n")

    kept = {name: sys.modules.get(name) for name in ("keras", "tensorflow")}
    yield write
    for name, module in kept.items():  # what was imported here is no Keras
        sys.modules.pop(name, None)
        if module:
            sys.modules[name] = module


def is_still(number, file):
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(number), file)


@pytest.mark.parametrize("last_line", ["", "raise ImportError('cannot')"])
def test_only_while_tensorflow_is_imported_the_standard_error_is_closed(noisy, capfd, monkeypatch, last_line):
    opened = {}

    def recorded(call):
        def opening(*arguments):
            number = call(*arguments)
            opened[number] = os.fstat(number)
            return number

        return opening

    noisy(last_line)
    own = {**vars(os), "dup": recorded(os.dup), "open": recorded(os.open)}  # of the module alone, not of other threads
    monkeypatch.setattr(lesson, "os", types.SimpleNamespace(**own))
    with pytest.raises(ImportError, match="cannot") if last_line else contextlib.nullcontext():
        lesson.import_quietly()
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"
    assert len(opened) == 2  # the standard error as it was, and the null device
    assert not any(is_still(number, file) for number, file in opened.items())
    assert gc.isenabled()


def test_the_garbage_collector_is_spared_what_is_imported_and_nothing_later(noisy):
    class Cycle:
        def __init__(self):
            self.itself = self

    def is_collected(alive_at_the_import):
        reference = weakref.ref(alive_at_the_import.pop())
        gc.collect()
        return reference() is None

    noisy()
    imported = [Cycle()]
    lesson.import_quietly()
    assert not is_collected(imported)
    later = [Cycle()]
    lesson.import_quietly()  # by now there could be layers, which an optimizer must find
    assert is_collected(later)


def test_a_standard_error_that_is_closed_already_is_no_obstacle(noisy, monkeypatch):
    def closed(number):
        raise OSError(9, "Bad file descriptor")

    noisy()
    monkeypatch.setattr(lesson.os, "dup", closed)
    lesson.import_quietly()


# ----- in a notebook


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


def test_settings_of_keras_that_are_a_named_pipe_are_told_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "keras.json")
    with pytest.raises(lesson.SettingsError, match=r"keras\.json is not a file\. .*remove it\."):
        lesson._check_configured(str(tmp_path / "keras.json"))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{}", None),
        ('{"backend": "tensorflow", "epsilon": 1e-7}', None),
        ("no JSON", None),
        ('["backend"]', None),
        ('{"backend": "théano"}', "théano"),
        ('{"backend": "json"}', "json"),  # a module that there is, but no backend
    ],
)
def test_settings_of_keras_with_a_backend_that_cannot_be_used_are_told(tmp_path, monkeypatch, written, told):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    path = tmp_path / "keras.json"
    path.write_bytes(written.encode())
    assert lesson._keras_json() == str(path)
    if told is None:
        lesson._check_configured(str(path))
        return
    with pytest.raises(SettingsError) as error:
        lesson._check_configured(str(path))
    assert str(error.value) == (
        f"{path} names the backend {told!r}, which is not installed or not known here. Write tensorflow in its place, "
        "or set KERAS_BACKEND=tensorflow."
    )


def test_a_backend_in_the_settings_of_keras_that_is_not_installed_is_told(tmp_path, monkeypatch):
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    monkeypatch.setattr(lesson.importlib.util, "find_spec", lambda name: None if name == "jax" else object())
    with pytest.raises(SettingsError, match="names the backend 'jax', which is not installed"):
        lesson._check_configured(str(tmp_path / "keras.json"))


def test_without_a_backend_in_the_settings_of_keras_it_is_tensorflow(tmp_path, monkeypatch):
    (tmp_path / "keras.json").write_text('{"epsilon": 1e-7}')
    monkeypatch.setattr(lesson.importlib.util, "find_spec", lambda name: object() if name == "tensorflow" else None)
    lesson._check_configured(str(tmp_path / "keras.json"))


@pytest.mark.parametrize(("writable", "folder"), [(True, "{home}/.keras"), (False, "/tmp/.keras")])
def test_the_settings_of_keras_are_looked_for_where_keras_looks(tmp_path, monkeypatch, writable, folder):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setattr(lesson.os, "access", lambda path, mode: writable and path == str(tmp_path))
    assert Path(lesson._keras_json()) == Path(folder.format(home=tmp_path), "keras.json")
