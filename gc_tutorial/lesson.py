"""The first cell of a notebook: the settings of this run, and a quiet import of TensorFlow."""

import contextlib
import gc
import importlib.util
import json
import logging
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace

from gc_tutorial.console import say
from gc_tutorial.errors import SettingsError, VersionError
from gc_tutorial.language import LANGUAGES, VARIABLE, set_language, text

PREFIX = "GC_TUTORIAL_"
PRECISIONS = ("float32", "mixed_bfloat16")
BACKENDS = ("tensorflow", "jax", "torch")  # those of Keras that can train
SMALLEST = {"epochs": 1, "image_size": 94, "batch_size": 1, "seeds": 1}  # 94 pixels: see models.SMALLEST_IMAGE


@dataclass(frozen=True)
class Settings:
    """How much a notebook computes.

    Attributes:
        profile: name of the profile that the other values come from.
        data: source for `load_data`.
        image_size: side of the square images in pixels.
        batch_size: training images in a batch.
        epochs: passes over the training images.
        seeds: number of repetitions, where a notebook repeats a run.
        learning_rate: of RMSprop.
        precision: name of the Keras dtype policy: `"float32"`, or `"mixed_bfloat16"` (convolutions and products in
            bfloat16, weights in float32), which is faster on processors and GPUs with bfloat16 arithmetic.
    """

    profile: str
    data: str
    image_size: int
    batch_size: int
    epochs: int
    seeds: int
    learning_rate: float
    precision: str = PRECISIONS[0]


PROFILES = {
    settings.profile: settings
    for settings in (
        Settings("quick", "synthetic_small", image_size=94, batch_size=16, epochs=2, seeds=2, learning_rate=1e-3),
        Settings("standard", "auto", image_size=150, batch_size=32, epochs=4, seeds=2, learning_rate=1e-3),
        Settings("full", "auto", image_size=300, batch_size=128, epochs=10, seeds=3, learning_rate=1e-4),
    )
}


def settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the profile and its overrides from the environment.

    `GC_TUTORIAL_PROFILE` is `quick`, `standard` (the default) or `full`. `GC_TUTORIAL_EPOCHS`, `_IMAGE_SIZE`,
    `_BATCH_SIZE`, `_SEEDS`, `_PRECISION` and `_DATA` override single values of the profile.

    Args:
        environment: mapping of str to str; by default the environment of the process.

    Raises:
        SettingsError: for a value that is not valid; it names the variable, the value and what is allowed.

    Example:
        >>> settings({"GC_TUTORIAL_PROFILE": "quick", "GC_TUTORIAL_EPOCHS": "5"}).epochs
        5
    """
    environment = os.environ if environment is None else environment
    given = {key: environment.get(PREFIX + key.upper()) for key in (*SMALLEST, "data", "precision")}
    overrides = {
        key: _whole_number(key, value, SMALLEST[key]) if key in SMALLEST else value
        for key, value in given.items()
        if value
    }
    profile = _choice("profile", environment.get(f"{PREFIX}PROFILE") or "standard", PROFILES)
    _choice("precision", given["precision"] or PRECISIONS[0], PRECISIONS)
    return replace(PROFILES[profile], **overrides)  # type: ignore[arg-type]


def _choice(key: str, value: str, choices: Collection[str]) -> str:
    if value not in choices:
        raise SettingsError(
            "{variable}={value!r} is not a {kind}. Choose one of: {choices}.",
            variable=f"{PREFIX}{key.upper()}",
            value=value,
            kind=key,
            choices=", ".join(choices),
        )
    return value


def _whole_number(key: str, given: str, smallest: int) -> int:
    with contextlib.suppress(ValueError):
        if int(given) >= smallest:
            return int(given)
    raise SettingsError(
        "{variable}={given!r} is not valid. Give a whole number of at least {smallest}, such as {smallest}.",
        variable=f"{PREFIX}{key.upper()}",
        given=given,
        smallest=smallest,
    )


def start(language: str | None = None) -> Settings:
    """Import Keras and TensorFlow without their log lines, read the settings, and print one line about them.

    The precision of the settings becomes the global dtype policy of Keras.

    Args:
        language: `"en"` or `"ja"`, in which figures, sentences and errors are from then on; by default what
            `GC_TUTORIAL_LANGUAGE` says, or else English.

    Raises:
        SettingsError: for a `GC_TUTORIAL_*` variable or a `KERAS_BACKEND` that is not valid.
        VersionError: for Keras 2, or where TensorFlow is told to use it.
    """
    choose_language(language)
    chosen = settings()
    _check_legacy(os.environ.get("TF_USE_LEGACY_KERAS", ""))
    import_quietly()
    import keras

    _check_version(keras.__version__)
    keras.config.set_dtype_policy(chosen.precision)
    say(
        text(
            "Profile {profile}: {image_size}×{image_size} pixels, batches of {batch_size}, {epochs} "
            "epochs, {precision}. Keras {version} on {backend}.",
            **asdict(chosen),
            version=keras.__version__,
            backend=keras.backend.backend(),
        )
    )
    return chosen


def choose_language(language: str | None = None) -> None:
    """Set the language, by default the one that `GC_TUTORIAL_LANGUAGE` names, or else English.

    Raises:
        SettingsError: for a language that the tutorial does not have.
    """
    set_language(_choice("language", language or os.environ.get(VARIABLE) or LANGUAGES[0], LANGUAGES))


def _check_legacy(setting: str) -> None:
    if setting.lower() in ("1", "true"):
        raise VersionError(
            "TF_USE_LEGACY_KERAS={setting} makes TensorFlow use Keras 2, and this tutorial needs Keras 3.\n"
            "Restart the kernel without that variable, or run os.environ.pop('TF_USE_LEGACY_KERAS') before this cell.",
            setting=setting,
        )


def _check_version(version: str) -> None:
    if int(version.split(".")[0]) < 3:
        raise VersionError(
            "This is Keras {version}, and this tutorial needs Keras 3, because it uses methods that Keras 2 lacks.\n"
            "Run `pip install --upgrade keras tensorflow`, then restart the kernel.",
            version=version,
        )


def import_quietly() -> None:
    """Import TensorFlow and Keras while the standard error of the process is closed.

    Python's garbage collector then leaves out what was imported: searching it again and again takes about a tenth of
    the time of small training runs.

    At its first import the compiled part of TensorFlow writes lines there about processors and missing GPUs, some of
    them whatever `TF_CPP_MIN_LOG_LEVEL` says. A notebook would keep them. Python exceptions are still raised. Its later
    warnings are shown, but for the one about retracing.

    Raises:
        SettingsError: if `KERAS_BACKEND`, or without it the `keras.json` of Keras, names a backend that is unknown or
            not installed.
    """
    name = os.environ.get("KERAS_BACKEND", "")
    if name:
        _check_backend(name)
    elif "keras" not in sys.modules:
        _check_configured(_keras_json())
    with _standard_error_closed(), _garbage_collector_spared():
        import keras
        import tensorflow  # noqa: F401
    keras.config.set_image_data_format("channels_last")  # as the images are, whatever keras.json says
    logging.getLogger("tensorflow").addFilter(_is_not_about_retracing)


@contextlib.contextmanager
def _garbage_collector_spared() -> Iterator[None]:
    """Keep the collector from searching what is imported, hundreds of thousands of objects that stay for good."""
    # Nothing that is older than Keras is a layer: an optimizer finds layers among what the collector searches.
    first = gc.isenabled() and "keras" not in sys.modules
    if first:
        gc.disable()
    try:
        yield
    finally:
        if first:
            gc.freeze()
            gc.enable()


def _check_backend(name: str) -> None:
    if name not in BACKENDS:
        raise SettingsError(
            "KERAS_BACKEND={name!r} is not valid here. Choose one of: {backends}.",
            name=name,
            backends=", ".join(BACKENDS),
        )
    if importlib.util.find_spec(name) is None:
        raise SettingsError(
            "KERAS_BACKEND={name!r} names a package that is not installed. Install it: pip install "
            "{name}; or remove the variable to use TensorFlow.",
            name=name,
        )


def _keras_json() -> str:
    """Where Keras keeps its settings."""
    home = os.path.expanduser("~")
    usual = os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")
    return os.path.expanduser(os.path.join(os.environ.get("KERAS_HOME", usual), "keras.json"))


def _check_configured(path: str) -> None:
    """Raise an error if the settings of Keras name a backend that cannot be used."""
    if os.path.exists(path) and not os.path.isfile(path):  # Keras would wait forever to read a named pipe
        raise SettingsError("{path} is not a file. Keras keeps its settings there: remove it.", path=path)
    try:
        with open(path, encoding="utf-8") as file:
            name = json.load(file).get("backend", BACKENDS[0])
    except (OSError, ValueError, AttributeError):  # Keras says so, or does without
        return
    if name not in BACKENDS or importlib.util.find_spec(name) is None:
        raise SettingsError(
            "{path} names the backend {name!r}, which is not installed or not known here. Write tensorflow in its "
            "place, or set KERAS_BACKEND=tensorflow.",
            path=path,
            name=name,
        )


def _is_not_about_retracing(record: logging.LogRecord) -> bool:
    """Each run has a new model and must retrace, so the warning would mislead."""
    return "triggered tf.function retracing" not in record.getMessage()


@contextlib.contextmanager
def _standard_error_closed() -> Iterator[None]:
    try:
        kept = os.dup(2)
    except OSError:  # it is closed already
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
