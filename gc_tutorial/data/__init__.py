"""The images: Horses or Humans, another set of TFDS, synthetic ones, or those of a folder."""

import operator
import os
import re
import reprlib
import textwrap
import urllib.parse
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from gc_tutorial.checks import LARGEST_NUMBER, Shown, is_whole
from gc_tutorial.console import say
from gc_tutorial.data import horses_or_humans, image_folder, synthetic
from gc_tutorial.data.image_folder import load_folder
from gc_tutorial.data.layout import SPLITS
from gc_tutorial.data.prepared import UnavailableError, read_split
from gc_tutorial.data.tfds_builders import PREFIX
from gc_tutorial.data.tfds_images import load_tfds, prepared_builder
from gc_tutorial.errors import DataError
from gc_tutorial.language import text
from gc_tutorial.pipeline import dataset_of

__all__ = ["PREFIX", "SOURCES", "Data", "load_data", "prepared_builder"]
SOURCES = ("auto", horses_or_humans.NAME, "synthetic", "synthetic_small")


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
    test_files: tuple[str, ...] = ()


def load_data(
    source: str | os.PathLike = "auto",
    image_size: int = 300,
    *,
    test_fraction: float = 0.2,
    seed: int = 0,
    on_error: str = "raise",
    progress: bool = True,
) -> Data:
    """Load the images, decode them once, and keep them as uint8, in memory or (above 1 GiB) in a temporary file.

    Args:
        source: `"auto"` (Horses or Humans where it is prepared or can be downloaded, else the synthetic images, with a
            line that says so), `"horses_or_humans"`, `"synthetic"`, `"synthetic_small"` (128 and 64 images);
            `"tfds:NAME"` or `"tfds:NAME/CONFIG"`, any image classification set of TFDS, such as `"tfds:beans"` (its
            split `test` is held out, or else `validation`); or the path of a folder, or of a zip of one, with
            `train/<class>/*` and `test/<class>/*`, or with `<class>/*`. (`training`, `testing`, `validation` and `val`
            are understood, too.) Two classes or more; PNG, JPEG, WebP, GIF (first frame) and BMP of any size, turned
            upright as their EXIF data say.
        image_size: side in pixels to which images are resized, by area averaging.
        test_fraction, seed: where nothing is held out by the source itself: the fraction of each class to hold out (of
            a folder at least one image), and the seed of this random split.
        on_error: for a folder: `"raise"`, or `"skip"` to continue without the files that cannot be used.
        progress: for a folder: whether to show a bar while many images are read.

    Raises:
        DataError: for an unknown source, data that are missing or damaged, or a folder or zip that cannot be used.

    Warns:
        UserWarning: where the same image of a folder is in train and in test.

    Example:
        >>> data = load_data("synthetic_small", image_size=94)
        Synthetic images: 128 train and 64 test, 94×94 pixels.
        >>> data.train_images.shape
        (128, 94, 94, 3)
    """
    _check_source(source)
    if not is_whole(image_size, 1, LARGEST_NUMBER):
        raise DataError(
            "image_size={image_size!r} is not valid. Give a whole number of pixels from 1 to {largest:,}, such as 150.",
            image_size=Shown(image_size),
            largest=LARGEST_NUMBER,
        )
    image_size = operator.index(image_size)
    files: tuple[str, ...] = ()
    if source in SOURCES:
        train, test, info = _load_known(str(source), image_size)
    elif str(source).startswith(PREFIX):
        train, test, info = load_tfds(str(source), image_size, test_fraction=test_fraction, seed=seed)
    else:
        train, test, info, files = load_folder(
            source, image_size, test_fraction=test_fraction, seed=seed, on_error=on_error, progress=progress
        )
    say(text("{described}, {image_size}×{image_size} pixels.", described=_describe(info), image_size=image_size))
    return Data(dataset_of(*train), dataset_of(*test), train[0], train[1], info, files)


def _check_source(source: object) -> None:
    choices = text(
        "one of {sources}, 'tfds:NAME' for an image set of TFDS, or the path of a folder of images or a zip of one",
        sources=", ".join(map(repr, SOURCES)),
    )
    if not isinstance(source, (str, os.PathLike)) or not str(source):
        raise DataError("source={source} is not valid. Give {choices}.", source=reprlib.repr(source), choices=choices)
    address = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/+", str(source))
    if address and f"{address[1].lower()}:" == PREFIX:
        raise DataError(
            "{source!r} is not valid. Give tfds:NAME or tfds:NAME/CONFIG, such as tfds:beans.", source=str(source)
        )
    if address and address[1].lower() == "file":
        raise DataError(
            "{source} is a path written as an address. Give the path alone: {quoted}.",
            source=source,
            quoted=repr(f"/{urllib.parse.unquote(str(source)[address.end() :])}"),
        )
    if address and address[1].lower() not in ("http", "https", "ftp"):
        raise DataError(
            "{source} is a web address that cannot be read from here. Copy its files to this machine with the program "
            "of that store, and give the path of the copy.",
            source=source,
        )
    if address:
        raise DataError(
            "{source} is a web address. Download it first, and give the path that you get: for a "
            "zip, load_data(keras.utils.get_file(origin={quoted})) does both.",
            source=source,
            quoted=repr(str(source)),
        )
    known = source in SOURCES or str(source).startswith(PREFIX)
    if not known and not os.path.exists(os.path.expanduser(source)):
        raise DataError(
            "There is no data source {source!r} on this machine. Check its spelling, or give {choices}.",
            source=str(source),
            choices=choices,
        )


def _load_known(source: str, image_size: int) -> tuple:
    """Train, test and their description, from TFDS."""
    if source in ("auto", horses_or_humans.NAME):
        try:
            return _read(horses_or_humans.prepared_builder(), image_size)
        except UnavailableError as error:
            if source != "auto":
                raise
            say(text("Using synthetic images instead of Horses or Humans. {error}", error=error))
    return _read(synthetic.prepared_builder("small" if source == "synthetic_small" else "full"), image_size)


def _read(builder: tfds.core.DatasetBuilder, image_size: int) -> tuple:
    train, test = (read_split(builder, split, image_size) for split in SPLITS)
    return train, test, builder.info


def _describe(info: tfds.core.DatasetInfo) -> str:
    sizes = {split: info.splits[split].num_examples for split in SPLITS}
    titles = {
        horses_or_humans.NAME: text("Horses or Humans (Laurence Moroney, CC BY 2.0)"),
        synthetic.SyntheticHorsesOrHumans.name: text("Synthetic images"),
    }
    classes = textwrap.shorten(", ".join(info.features["label"].names), 80, placeholder=" ...")
    title = text("Your images") if info.name == image_folder.NAME else text("{name} of TFDS", name=info.name)
    named = titles.get(info.name) or text("{title} ({classes})", title=title, classes=classes)
    return text("{named}: {train:,} train and {test:,} test", named=named, **sizes)
