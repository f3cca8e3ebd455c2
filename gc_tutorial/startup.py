"""The first line of every notebook: import TensorFlow quietly, and say what this run will compute."""

import contextlib
import os

from gc_tutorial.config import settings


def start():
    """Import Keras and TensorFlow without their log lines, read the profile, and print one line about both.

    Returns:
        `Settings`.

    Raises:
        SettingsError: for a `GC_TUTORIAL_*` variable that makes no sense.
    """
    chosen = settings()
    import_quietly()
    import keras

    print(
        f"Profile {chosen.profile}: {chosen.image_size}×{chosen.image_size} pixels, batches of {chosen.batch_size}, "
        f"{chosen.epochs} epochs. Keras {keras.__version__} on {keras.backend.backend()}."
    )
    return chosen


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
