"""The first line of every notebook: import TensorFlow quietly, and say what this run will compute."""

import contextlib
import os

from gc_tutorial.config import settings
from gc_tutorial.errors import VersionError


def start():
    """Import Keras and TensorFlow without their log lines, read the profile, and print one line about both.

    The profile's precision becomes Keras's global dtype policy.

    Returns:
        `Settings`.

    Raises:
        SettingsError: for a `GC_TUTORIAL_*` variable that makes no sense.
        VersionError: for Keras 2, or where TensorFlow is told to use it.
    """
    chosen = settings()
    _check_legacy(os.environ.get("TF_USE_LEGACY_KERAS", ""))
    import_quietly()
    import keras

    _check_version(keras.__version__)
    keras.config.set_dtype_policy(chosen.precision)
    print(
        f"Profile {chosen.profile}: {chosen.image_size}×{chosen.image_size} pixels, batches of {chosen.batch_size}, "
        f"{chosen.epochs} epochs, {chosen.precision}. Keras {keras.__version__} on {keras.backend.backend()}."
    )
    return chosen


def _check_legacy(setting):
    if setting.lower() in ("1", "true"):
        raise VersionError(
            f"TF_USE_LEGACY_KERAS={setting} makes TensorFlow use Keras 2, and this tutorial needs Keras 3.\n"
            "Restart the kernel without that variable; or run os.environ.pop('TF_USE_LEGACY_KERAS') before this cell."
        )


def _check_version(version):
    if int(version.split(".")[0]) < 3:
        raise VersionError(
            f"This is Keras {version}, and this tutorial needs Keras 3: Keras 2 has none of the methods it builds on.\n"
            "Run `pip install --upgrade keras tensorflow`, then restart the kernel."
        )


def import_quietly():
    """Import TensorFlow and Keras while the process's standard error is closed.

    TensorFlow's compiled part writes lines about processors and missing GPUs there at its first import, some of them
    whatever `TF_CPP_MIN_LOG_LEVEL` says, and a notebook would keep them. Python exceptions still come through.
    """
    with _standard_error_closed():
        import keras  # noqa: F401
        import tensorflow  # noqa: F401


@contextlib.contextmanager
def _standard_error_closed():
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
