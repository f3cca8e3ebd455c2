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
from gc_tutorial.errors import DataError
from gc_tutorial.pipeline import THREADS, without_autotune


class UnavailableError(DataError):
    """A data set is missing, or damaged."""


def named_folder() -> Path:
    """The folder that TFDS_DATA_DIR names, or without it that of TFDS in the home folder.

    Raises:
        DataError: for the address of a store, such as gs://bucket, or a name that TFDS takes for a pattern.
    """
    named = os.fspath(tfds.core.constants.DATA_DIR)
    if "://" in named:
        raise DataError(
            "TFDS_DATA_DIR={named!r} is not a folder on this machine. Set it to one, or remove the variable.",
            named=named,
        )
    if "**" in named:
        raise DataError(
            "TFDS_DATA_DIR={named!r} has ** in its name, which TFDS cannot use. Set it to another folder, or remove "
            "the variable.",
            named=named,
        )
    return Path(os.path.expanduser(named or "~/tensorflow_datasets"))


def folder_of_tfds() -> Path:
    """The folder in which TFDS keeps prepared data sets, or a temporary one where it cannot be written to."""
    folder = named_folder()
    if not str(folder).startswith("~"):  # where there is no home folder
        with contextlib.suppress(OSError):  # for example in a shared, read-only folder
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
    return Path(tempfile.gettempdir()) / "tensorflow_datasets"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence TFDS, which prints local paths, warns about its own code and draws bars that notebooks cannot render."""
    tfds.disable_progress_bar()
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)


@contextlib.contextmanager
def reading(folder: str | os.PathLike) -> Iterator[None]:
    """Silence TFDS while it reads a prepared data set, and report whatever it raises as damage.

    Raises:
        UnavailableError: TensorFlow and TFDS raise errors of many kinds on damaged or missing files.
    """
    try:
        with quiet():
            yield
    except Exception as error:
        raise UnavailableError(
            "The prepared data set in {folder} is damaged ({reason}). Delete this folder, then run again.",
            folder=folder,
            reason=first_line(error),
        ) from None


def is_prepared(builder: tfds.core.DatasetBuilder) -> bool:
    """Whether the files of a data set are complete in the folder of its builder."""
    with quiet():
        return builder.is_prepared()


def read_split(
    builder: tfds.core.DatasetBuilder, split: str, image_size: int, features: tuple[str, str] = ("image", "label")
) -> tuple[np.ndarray, np.ndarray]:
    """Decode and resize the images of a split of a prepared TFDS data set.

    Args:
        builder: prepared `tfds.core.DatasetBuilder`.
        split: such as `"train"` or `"train[:100]"`.
        image_size: side in pixels to which images are resized, by area averaging.
        features: names of the image (grey, RGB or RGBA, of 8 or 16 bits) and of the label.

    Returns:
        tuple of uint8 images of shape (count, image_size, image_size, 3) and int64 labels of shape (count,), in the
        order of the files.

    Raises:
        DataError: if there is no room for the images.
        UnavailableError: if the files of the data set are damaged.
    """

    def resize(example):
        image = tf.image.resize(_rgb(example[features[0]]), (image_size, image_size), method="area")
        return tf.cast(tf.round(image), tf.uint8), example[features[1]]

    with reading(builder.data_dir):
        count = builder.info.splits[split].num_examples
    images, labels = allocate(count, image_size), np.empty(count, np.int64)
    with reading(builder.data_dir):
        # One file after the other, so that a seed means the same order on every machine.
        dataset = builder.as_dataset(
            split=split,
            decoders=tfds.decode.PartialDecoding(dict.fromkeys(features, True)),
            shuffle_files=False,
            read_config=tfds.ReadConfig(interleave_cycle_length=1),
        )
        dataset = without_autotune(dataset.map(resize, num_parallel_calls=THREADS, deterministic=True).prefetch(2))
        for number, (image, label) in enumerate(dataset.as_numpy_iterator()):  # TFDS checks how many there are
            images[number], labels[number] = image, label
    return images, labels


def _rgb(image: tf.Tensor) -> tf.Tensor:
    """The image as RGB, from 0 to 255, with white where it is transparent."""
    if image.dtype == tf.uint16:
        image = tf.cast(image // 256, tf.uint8)  # the upper eight bits, as for files
    if image.shape[-1] == 1:
        return tf.image.grayscale_to_rgb(image)
    if image.shape[-1] == 4:
        colours, opacity = tf.cast(image[..., :3], tf.float32), tf.cast(image[..., 3:], tf.float32) / 255
        return colours * opacity + 255 * (1 - opacity)
    return image


def first_line(error: Exception) -> str:
    """What an error says, or else its kind, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
