"""The data sets of the study, as arrays: to train on, held out of the same kind, and shifted."""

import functools
import hashlib
import importlib.resources
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit

from gc_tutorial.data import PREFIX, SOURCES, load_data, prepared_builder
from gc_tutorial.errors import DataError
from gc_tutorial.study import store
from gc_tutorial.study.factors import BUILT_IN, HORSES, IMAGE_SETS

FOLDS = 5


@dataclass(frozen=True)
class Examples:
    """What one seed trains on and is measured on.

    Attributes:
        train, heldout: tuple of (array of shape (count, ...), int64 labels of shape (count,)); heldout may be None.
        shifted: the same for the images on white, which differ in kind from those trained on; or None.
        counts: number of examples of each class, before the split.
        figures: array of str of shape (count,), which figure each held-out example shows; or None.
    """

    train: tuple[np.ndarray, np.ndarray]
    heldout: tuple[np.ndarray, np.ndarray] | None
    shifted: tuple[np.ndarray, np.ndarray] | None
    counts: tuple[int, ...]
    figures: np.ndarray | None = None

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.counts)


@functools.lru_cache(maxsize=2)  # consecutive runs of one seed share the images
def examples(name: str, image_size: int, seed: int, train_examples: int = 0, split: str = "fold") -> Examples:
    """Load a data set and split it by a seed.

    The split has five folds (scikit-learn's `StratifiedGroupKFold`), of which the seed holds one out: five seeds in a
    row, from a multiple of five on, hold each example out once. Horses or Humans is split by figure, other images
    such that equal ones stay together; whatever split a folder has itself is not used.

    Args:
        name: `"horses_or_humans"`, `"digits"`, `"mnist1d"`, another source of `load_data` such as `"tfds:beans"`, or
            the name of a folder or zip of images in the folder that the environment variable `GC_TUTORIAL_IMAGE_SETS`
            names.
        image_size: side of the images in pixels; not used by `"digits"` and `"mnist1d"`.
        seed: int.
        split: `"fold"`, or `"all"` to hold nothing out.
        train_examples: how many of the training examples to keep, as a stratified draw; 0 keeps all.

    Returns:
        `Examples`.

    Raises:
        DataError: for a data set that is not there.
    """
    inputs, labels, groups, shifted = _load(name, image_size)
    counts = tuple(np.unique(labels, return_counts=True)[1].tolist())
    if split == "all":
        return Examples((inputs, labels), None, shifted, counts)
    train, heldout = _folds_of(name, image_size, seed // FOLDS)[seed % FOLDS]
    if train_examples:
        if train_examples >= len(train):
            raise DataError(f"train_examples={train_examples} is not below the {len(train)} there are in {name}.")
        drawn = StratifiedShuffleSplit(1, train_size=train_examples, random_state=seed)
        train = np.sort(train[next(drawn.split(train, labels[train]))[0]])
    return Examples(
        (inputs[train], labels[train]),
        (inputs[heldout], labels[heldout]),
        shifted,
        counts,
        groups[heldout] if groups.dtype.kind == "U" else None,
    )


def fold(labels: np.ndarray, groups: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split by groups into five folds, of which the seed holds one out.

    Args:
        labels, groups: arrays of shape (count,).
        seed: int; five in a row, from a multiple of five on, share their folds.

    Returns:
        Two int arrays of positions: those to train on, and those held out.
    """
    return _folds(labels, groups, seed // FOLDS)[seed % FOLDS]


@functools.lru_cache(maxsize=4)  # where every example is a group of its own, they take a third of a second
def _folds_of(name, image_size, draw):
    _, labels, groups, _ = _load(name, image_size)
    return _folds(labels, groups, draw)


def _folds(labels, groups, draw):
    # The groups are shuffled here, because `shuffle=True` loses the stratification before scikit-learn 1.8. From there
    # on it gives these same folds.
    groups = np.unique(groups, return_inverse=True)[1]
    places = np.argsort(np.random.RandomState(draw).permutation(groups.max() + 1))
    return list(StratifiedGroupKFold(FOLDS).split(labels, labels, places[groups]))


def check_names(names: Iterable[str]) -> None:
    """Check before hours of training that each data set is available, and download the sets of TFDS.

    Raises:
        DataError: for the first that is not there.
    """
    for name in names:
        if name.startswith(PREFIX):
            prepared_builder(name)  # now and here, not in several processes at once
        elif name not in BUILT_IN and name not in SOURCES and not store.expanded(_source(name)).exists():
            raise DataError(
                f"There is no data set {name!r}. Choose from: {', '.join((*BUILT_IN, *SOURCES))}, tfds:NAME; or name "
                f"the folder that holds {name} or {name}.zip with --images (or the variable {IMAGE_SETS})."
            )


def training_figures() -> pd.DataFrame:
    """Which rendered figure each training image of Horses or Humans shows, in the order of TFDS.

    Returns:
        `pandas.DataFrame` with index, name (file name in the published archive) and figure (50 horses, 17 humans). How
        it was derived and checked is in the README beside the file.
    """
    with (importlib.resources.files("gc_tutorial.study") / "training_figures.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


@functools.lru_cache(maxsize=2)
def _load(name, image_size):
    """All inputs, labels and groups, and the shifted examples or None."""
    if name in BUILT_IN:
        inputs, labels = _digits() if name == "digits" else _mnist1d()
        return inputs[..., None].astype(np.float32), labels.astype(np.int64), np.arange(len(labels)), None
    return _pictures(name, image_size)


def _digits():
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images, digits.target


def _mnist1d():
    try:
        from mnist1d.data import get_dataset_args, make_dataset
    except ImportError:
        raise DataError("The data set mnist1d needs a package: pip install mnist1d.") from None
    made = make_dataset(get_dataset_args())
    return np.concatenate([made["x"], made["x_test"]]), np.concatenate([made["y"], made["y_test"]])


def _pictures(name, image_size):
    with warnings.catch_warnings():
        # Equal images in train and test need no warning: the split below keeps them together.
        warnings.simplefilter("ignore", UserWarning)
        data = load_data(_source(name), image_size, on_error="skip", progress=False)
    test_images, test_labels = (np.stack(part) for part in zip(*data.test.as_numpy_iterator(), strict=True))
    if name == HORSES:
        figures = training_figures()["figure"].to_numpy(str)
        if not np.array_equal(np.char.startswith(figures, "human"), data.train_labels == 1):
            raise DataError(
                "The training images of Horses or Humans are not in the same order as the table of individuals."
            )
        return data.train_images, data.train_labels, figures, (test_images, test_labels)
    images = np.concatenate([data.train_images, test_images])
    equal = np.unique([hashlib.sha256(image.tobytes()).hexdigest() for image in images], return_inverse=True)[1]
    return images, np.concatenate([data.train_labels, test_labels]), equal, None


def _source(name):
    """A folder or zip of that name among the image sets, or else a source that `load_data` knows."""
    folder = os.environ.get(IMAGE_SETS)
    found = [store.expanded(folder) / one for one in (name, f"{name}.zip")] if folder else []
    return next((path for path in found if path.exists()), name)
