"""One door to the images: Horses or Humans through TFDS, a drawn stand-in, or a folder."""

import contextlib
import io
import os
import re
import tempfile
import textwrap
import threading
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging

from gc_tutorial.cache import allocate
from gc_tutorial.drawn import DrawnHorsesOrHumans
from gc_tutorial.errors import DataError
from gc_tutorial.folder import load_folder
from gc_tutorial.layout import SPLITS
from gc_tutorial.pipeline import THREADS, untuned

REAL = "horses_or_humans"
KNOWN = ("auto", REAL, "drawn", "drawn_small")
DOWNLOAD = "https://storage.googleapis.com/download.tensorflow.org/data/horse-or-human.zip"
PROBE_SECONDS = 3


@dataclass(frozen=True)
class Data:
    """Images to train on and images held out.

    Attributes:
        train, test: `tf.data.Dataset` of (uint8 image of shape (size, size, 3), int64 label).
        train_images: uint8 array of shape (count, size, size, 3), the images of `train`.
        train_labels: int64 array of shape (count,).
        info: `tfds.core.DatasetInfo`: `info.name`, `info.features["label"].names`, `info.splits`.
        test_files: tuple of str, the name of each held-out image within the folder or zip; empty for other sources.
    """

    train: tf.data.Dataset
    test: tf.data.Dataset
    train_images: np.ndarray
    train_labels: np.ndarray
    info: tfds.core.DatasetInfo
    test_files: tuple = ()


def load_data(source="auto", image_size=300, *, test_fraction=0.2, seed=0, on_error="raise", progress=True):
    """Load the images, decode them once, and keep them as uint8, in memory or (above 1 GiB) in a temporary file.

    Args:
        source: `"auto"` (Horses or Humans where it is prepared or can be downloaded, else the drawn set, with a line
            that says so), `"horses_or_humans"`, `"drawn"`, `"drawn_small"` (128 and 64 images); or the path of a
            folder, or of a zip of one, with `train/<class>/*` and `test/<class>/*`, or with `<class>/*`. Two classes
            or more; PNG, JPEG, WebP, GIF (first frame) and BMP of any size, turned upright as their EXIF data say.
        image_size: side in pixels to which images are resized, by area averaging.
        test_fraction, seed: for a folder without `train` and `test`: the part of each class to hold out (at least
            one image), and the seed by which it is drawn.
        on_error: for a folder: `"raise"`, or `"skip"` to go on without the files that cannot be used.
        progress: for a folder: whether to show a bar while many images are read.

    Returns:
        `Data`.

    Raises:
        DataError: for an unknown source, data that cannot be had, or a folder or zip that cannot be used.

    Warns:
        UserWarning: where the same picture of a folder is in train and in test.
    """
    _check_source(source)
    if not image_size >= 1:
        raise DataError(f"image_size={image_size!r} makes no sense. Give a whole number of pixels, such as 150.")
    if source in KNOWN:
        builder = _find_builder(source)
        print(f"{_describe(builder.info)}, {image_size}×{image_size} pixels.")
        train, test = (read_split(builder, split, image_size) for split in SPLITS)
        info, files = builder.info, ()
    else:
        train, test, info, files = load_folder(
            source, image_size, test_fraction=test_fraction, seed=seed, on_error=on_error, progress=progress
        )
        print(f"{_describe(info)}, {image_size}×{image_size} pixels.")
    return Data(
        train=_dataset(*train),
        test=_dataset(*test),
        train_images=train[0],
        train_labels=train[1],
        info=info,
        test_files=files,
    )


def _check_source(source):
    choices = f"one of {', '.join(map(repr, KNOWN))}, or the path of a folder of images or a zip of one"
    if not isinstance(source, (str, os.PathLike)) or not str(source):
        raise DataError(f"source={source!r} makes no sense. Give {choices}.")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(source)):
        raise DataError(
            f"{source} is a web address. Download it first, and give the path that you get: for a zip, "
            f"load_data(keras.utils.get_file(origin={str(source)!r})) does both."
        )
    if source not in KNOWN and not os.path.exists(Path(source).expanduser()):
        raise DataError(
            f"There is no data source {str(source)!r} on this machine. Check its spelling, or give {choices}."
        )


def _find_builder(source):
    if source == "auto":
        builder = _real_builder()
        if _is_prepared(builder) or (can_download() and _download(builder)):
            return builder
        print("Horses or Humans is not on this machine and cannot be downloaded: using drawn images instead.")
        return _drawn_builder("full")
    if source == REAL:
        builder = _real_builder()
        if not _is_prepared(builder) and not (can_download() and _download(builder)):
            raise DataError(
                "Horses or Humans is not on this machine and could not be downloaded. Connect to the network and "
                "try again; or copy a folder `horses_or_humans` that TFDS has prepared elsewhere and set "
                "TFDS_DATA_DIR to the folder that holds it; or use source='drawn'."
            )
        return builder
    return _drawn_builder("full" if source == "drawn" else "small")


def _describe(info):
    counts = " and ".join(f"{info.splits[split].num_examples:,} {split}" for split in SPLITS)
    titles = {
        REAL: "Horses or Humans (Laurence Moroney, CC BY 2.0)",
        DrawnHorsesOrHumans.name: "Drawn images",
    }
    yours = f"Your images ({textwrap.shorten(', '.join(info.features['label'].names), 80, placeholder=' ...')})"
    return f"{titles.get(info.name, yours)}: {counts}"


def _real_builder():
    with _silence():
        return tfds.builder(REAL, try_gcs=False)


def can_download(seconds=PROBE_SECONDS):
    """Find out within `seconds` whether the server of Horses or Humans answers.

    TFDS itself retries for more than three minutes. The thread is there because a name look-up heeds no timeout.

    Returns:
        bool.
    """
    answers = []

    def ask():
        with contextlib.suppress(OSError):
            request = urllib.request.Request(DOWNLOAD, method="HEAD")
            answers.append(urllib.request.urlopen(request, timeout=seconds).status == 200)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answers == [True]


def _download(builder):
    """Download and prepare; returns whether that worked (a server that answers may still break off)."""
    print(f"Downloading Horses or Humans from {urllib.parse.urlsplit(DOWNLOAD).netloc} ...")
    try:
        _prepare(builder)
    except Exception as error:  # TFDS raises many kinds here, and none of them is the reader's fault
        print(f"The download failed: {error}")
    return _is_prepared(builder)


def _drawn_builder(config):
    try:
        folder = Path(tfds.core.constants.DATA_DIR).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:  # a folder that cannot be written to, such as a shared, read-only one
        folder = Path(tempfile.gettempdir()) / "tensorflow_datasets"
    with _silence():
        builder = DrawnHorsesOrHumans(config=config, data_dir=folder)
    if not _is_prepared(builder):
        try:
            _prepare(builder)
        except OSError:  # another notebook, drawing the same images at the same time, was the first to finish
            if not _is_prepared(builder):
                raise
    return builder


def _prepare(builder):
    with _silence():
        builder.download_and_prepare()


def _is_prepared(builder):
    with _silence():
        return builder.is_prepared()


@contextlib.contextmanager
def _silence():
    """TFDS prints paths of this machine and draws bars that do not render in a saved notebook."""
    tfds.disable_progress_bar()
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)


def read_split(builder, split, image_size):
    """Decode and resize the images of a split of a TFDS builder.

    Args:
        builder: prepared `tfds.core.DatasetBuilder` with the features image and label.
        split: str, such as `"train"` or `"train[:100]"`.
        image_size: side in pixels to which images are resized, by area averaging.

    Returns:
        tuple of uint8 images of shape (count, image_size, image_size, 3) and int64 labels of shape (count,), in the
        order of the files.

    Raises:
        DataError: if there is no room for the images.
    """

    def resize(image, label):
        image = tf.image.resize(image, (image_size, image_size), method="area")
        return tf.cast(tf.round(image), tf.uint8), label

    # One file after the other, so that a seed means the same order on every machine.
    dataset = builder.as_dataset(
        split=split,
        as_supervised=True,
        shuffle_files=False,
        read_config=tfds.ReadConfig(interleave_cycle_length=1),
    )
    dataset = untuned(dataset.map(resize, num_parallel_calls=THREADS, deterministic=True).prefetch(2))
    count = builder.info.splits[split].num_examples
    images, labels = allocate(count, image_size), np.empty(count, np.int64)
    for number, (image, label) in enumerate(dataset.as_numpy_iterator()):
        images[number], labels[number] = image, label
    return images, labels


def _dataset(images, labels):
    """The images one by one, read from where they are kept, so that they are there only once."""

    def element(number):
        return images[number], labels[number]

    def element_in_graph(number):
        image, label = tf.numpy_function(element, [number], (tf.uint8, tf.int64), stateful=False)
        return tf.ensure_shape(image, images.shape[1:]), tf.ensure_shape(label, [])

    return untuned(tf.data.Dataset.range(len(images)).map(element_in_graph))
