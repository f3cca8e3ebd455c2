"""Images in a folder, or in a zip of one: read, checked and split before any training starts."""

import hashlib
import os
import warnings
from collections.abc import Iterable

import numpy as np
import pandas as pd
import tensorflow_datasets as tfds

from gc_tutorial.console import say
from gc_tutorial.data.arrays import reorder
from gc_tutorial.data.decoding import decode_all
from gc_tutorial.data.files import FOLDER, open_source
from gc_tutorial.data.layout import NAMED_AT_MOST, SPLITS, find_images, random_split
from gc_tutorial.errors import DataError, cut

Arrays = tuple[np.ndarray, np.ndarray]


def load_folder(
    source: str | os.PathLike,
    image_size: int,
    *,
    test_fraction: float = 0.2,
    seed: int = 0,
    on_error: str = "raise",
    progress: bool = True,
) -> tuple[Arrays, Arrays, tfds.core.DatasetInfo, tuple[str, ...]]:
    """Read all images of a folder or a zip, and split them if they are not split already.

    Args:
        source: path of a folder with `train/<class>/*` and `test/<class>/*`, or `<class>/*`, or of a zip of one. More
            folders around all of that are passed through; hidden files and folders are ignored.
        image_size: side in pixels to which images are resized.
        test_fraction: fraction of each class to hold out where the images are not split already (at least one image).
        seed: this split depends on it and on the names of the files alone.
        on_error: `"raise"`, or `"skip"` to continue without the files that cannot be used, and say how many.
        progress: whether to show a bar.

    Returns:
        tuple of train and test, each (uint8 array of shape (count, image_size, image_size, 3), int64 array of shape
        (count,)), a `tfds.core.DatasetInfo`, and the names of the test images. The `full_name` of the info holds a
        digest of all pixels and labels, so that results of other images cannot be mistaken for these.

    Raises:
        DataError: naming what is missing or wrong, or the files that cannot be used.

    Warns:
        UserWarning: naming the pairs, where the same picture is in train and in test.
    """
    if on_error not in ("raise", "skip"):
        raise DataError(f"on_error={on_error!r} is unknown. Choose 'raise' or 'skip'.")
    if not 0 < test_fraction < 1:
        raise DataError(f"test_fraction={test_fraction} is not valid. Give a number between 0 and 1, such as 0.2.")
    with open_source(source) as files:
        table = find_images(files, source)
        images, errors = decode_all([files.get(name, FOLDER) for name in table["name"]], image_size, progress)
    if errors:
        _report({table["name"][number]: error for number, error in errors.items()}, len(table), source, on_error)
    table = _split(table, errors, source, test_fraction, seed)
    images = reorder(images, table.index)
    _warn_of_duplicates(table, images)
    classes = sorted(set(table["label"]))
    labels = table["label"].map(classes.index).to_numpy("int64")
    trained = int((table["split"] == "train").sum())
    train, test = (images[:trained], labels[:trained]), (images[trained:], labels[trained:])
    return train, test, _info(classes, image_size, train, test), tuple(table["name"][trained:])


def _split(
    table: pd.DataFrame, errors: dict[int, DataError], source: object, test_fraction: float, seed: int
) -> pd.DataFrame:
    """The rows of the usable images, train first, indexed by their place in the array of all images."""
    usable = table.drop(index=list(errors))
    if (usable["split"] == "").any():
        usable = usable.assign(split=random_split(usable["label"].reset_index(drop=True), test_fraction, seed))
    for split in SPLITS:
        left = set(usable.loc[usable["split"] == split, "label"])
        if len(left) < 2 or left != set(table["label"]):
            found = ", ".join(sorted(left)) or "none"
            raise DataError(f"{source}: too few usable images are left. Classes that {split} still has: {found}.")
    return usable.sort_values("split", key=lambda column: column.map(SPLITS.index), kind="stable")


def _info(classes: list[str], image_size: int, train: Arrays, test: Arrays) -> tfds.core.DatasetInfo:
    """Describe the images as TFDS describes a data set."""
    digest = hashlib.sha256()
    for array in (*train, *test):
        digest.update(array.reshape(-1).data)
    identity = tfds.core.DatasetIdentity(
        name="your_images",
        version=tfds.core.Version("1.0.0"),
        data_dir="",
        module_name=__name__,
        config_name=digest.hexdigest()[:12],
    )
    features = {
        "image": tfds.features.Image(shape=(image_size, image_size, 3)),
        "label": tfds.features.ClassLabel(names=classes),
    }
    info = tfds.core.DatasetInfo(
        builder=identity,
        description="Images of a folder or a zip.",
        features=tfds.features.FeaturesDict(features),
        supervised_keys=("image", "label"),
    )
    lengths = {"train": len(train[1]), "test": len(test[1])}
    splits = [tfds.core.SplitInfo(name=name, shard_lengths=[count], num_bytes=0) for name, count in lengths.items()]
    info.set_splits(tfds.core.SplitDict(splits))
    return info


def _report(broken: dict[str, DataError], count: int, source: object, on_error: str) -> None:
    """Stop with the files that cannot be used, or print them and continue."""
    named = _lines(f"{name}: {reason}" for name, reason in broken.items())
    if on_error == "skip":
        say(cut(f"Skipped {len(broken)} of {count} files in {source} that cannot be used as images:\n{named}"))
        return
    raise DataError(
        f"{len(broken)} of {count} files in {source} cannot be used as images. Repair or remove them, or continue "
        f'without them: load_data(..., on_error="skip").\n{named}'
    )


def _lines(items: Iterable[str]) -> str:
    """The first ten of them, a line each, and the number of the others."""
    items = list(items)
    more = [f"... and {len(items) - NAMED_AT_MOST} more"] if len(items) > NAMED_AT_MOST else []
    return "\n".join(f"  {item}" for item in [*items[:NAMED_AT_MOST], *more])


def _warn_of_duplicates(table: pd.DataFrame, images: np.ndarray) -> None:
    """Images that were both trained on and held out make the held-out accuracy too good."""
    trained: dict[bytes, str] = {}
    pairs = []
    for split, name, image in zip(table["split"], table["name"], images, strict=True):
        digest = hashlib.sha256(image).digest()
        if split == "train":
            trained.setdefault(digest, name)
        elif digest in trained:
            pairs.append(f"{trained[digest]} and {name}")
    if pairs:
        message = "The same picture is in train and in test, which makes the model look better than it is. Keep one of:"
        warnings.warn(cut(f"{message}\n{_lines(pairs)}"), stacklevel=4)
