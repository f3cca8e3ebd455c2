"""Prepare data sets with TFDS, and read prepared ones."""

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging

from gc_tutorial.data.arrays import allocate
from gc_tutorial.data.pipeline import THREADS, without_autotune
from gc_tutorial.errors import DataError


class UnavailableError(DataError):
    """A data set is missing, or damaged."""


def folder_of_tfds() -> Path:
    """The folder in which TFDS keeps prepared data sets, or a temporary one where it cannot be written to."""
    folder = Path(os.path.expanduser(tfds.core.constants.DATA_DIR))
    try:
        if str(folder).startswith("~"):
            raise OSError("there is no home folder")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:  # such as a folder that is shared and read-only
        return Path(tempfile.gettempdir()) / "tensorflow_datasets"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """TFDS prints paths of this machine and draws bars that do not render in a saved notebook."""
    tfds.disable_progress_bar()
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)


def is_prepared(builder: tfds.core.DatasetBuilder) -> bool:
    """Whether the files of a data set are complete in the folder of its builder."""
    with quiet():
        return builder.is_prepared()


def read_split(builder: tfds.core.DatasetBuilder, split: str, image_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Decode and resize the images of a split of a prepared TFDS data set.

    Args:
        builder: prepared `tfds.core.DatasetBuilder` with the features image and label.
        split: such as `"train"` or `"train[:100]"`.
        image_size: side in pixels to which images are resized, by area averaging.

    Returns:
        tuple of uint8 images of shape (count, image_size, image_size, 3) and int64 labels of shape (count,), in the
        order of the files.

    Raises:
        DataError: if there is no room for the images.
        UnavailableError: if the files of the data set are damaged.
    """

    def resize(image, label):
        image = tf.image.resize(image, (image_size, image_size), method="area")
        return tf.cast(tf.round(image), tf.uint8), label

    count = builder.info.splits[split].num_examples
    images, labels = allocate(count, image_size), np.empty(count, np.int64)
    try:
        # One file after the other, so that a seed means the same order on every machine.
        dataset = builder.as_dataset(
            split=split,
            as_supervised=True,
            shuffle_files=False,
            read_config=tfds.ReadConfig(interleave_cycle_length=1),
        )
        dataset = without_autotune(dataset.map(resize, num_parallel_calls=THREADS, deterministic=True).prefetch(2))
        for number, (image, label) in enumerate(dataset.as_numpy_iterator()):  # TFDS checks how many there are
            images[number], labels[number] = image, label
    except Exception as error:  # TensorFlow and TFDS raise errors of many kinds on damaged files
        raise damaged(builder.data_dir, error) from None
    return images, labels


def damaged(folder: str | os.PathLike, error: Exception) -> UnavailableError:
    """The error for a prepared data set that cannot be read."""
    reason = str(error).strip().splitlines()
    return UnavailableError(
        f"The prepared data set in {folder} is damaged ({reason[0][:200] if reason else type(error).__name__}). "
        "Delete this folder, then run again."
    )
