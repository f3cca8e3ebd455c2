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
from gc_tutorial.data.description import Arrays, describe
from gc_tutorial.data.files import FOLDER, open_source
from gc_tutorial.data.layout import MAX_NAMED, SPLITS, check_split, find_images, random_split
from gc_tutorial.errors import DataError, cut
from gc_tutorial.language import text

NAME = "your_images"


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
        UserWarning: naming the pairs, where the same image is in train and in test.
    """
    if on_error not in ("raise", "skip"):
        raise DataError("on_error={on_error!r} is unknown. Choose 'raise' or 'skip'.", on_error=on_error)
    check_split(test_fraction, seed)
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
    info = describe(NAME, classes, train, test, description="Images of a folder or a zip.")
    return train, test, info, tuple(table["name"][trained:])


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
            raise DataError(
                "{source}: too few usable images are left. Classes that {split} still has: {found}.",
                source=source,
                split=split,
                found=found,
            )
    return usable.sort_values("split", key=lambda column: column.map(SPLITS.index), kind="stable")


def _report(broken: dict[str, DataError], count: int, source: object, on_error: str) -> None:
    """Stop with the files that cannot be used, or print them and continue."""
    named = _lines(f"{name}: {reason}" for name, reason in broken.items())
    values = {"broken": len(broken), "count": count, "source": source, "named": named}
    if on_error == "skip":
        said = text("Skipped {broken} of {count} files in {source} that cannot be used as images:\n{named}", **values)
        say(cut(said))
        return
    raise DataError(
        "{broken} of {count} files in {source} cannot be used as images. Repair or remove them, "
        'or continue without them: load_data(..., on_error="skip").\n'
        "{named}",
        **values,
    )


def _lines(items: Iterable[str]) -> str:
    """The first ten items, one per line, and the number of the others."""
    items = list(items)
    more = [text("... and {count} more", count=len(items) - MAX_NAMED)] if len(items) > MAX_NAMED else []
    return "\n".join(f"  {item}" for item in [*items[:MAX_NAMED], *more])


def _warn_of_duplicates(table: pd.DataFrame, images: np.ndarray) -> None:
    """Images that were both trained on and held out make the held-out accuracy too good."""
    trained: dict[bytes, str] = {}
    pairs = []
    for split, name, image in zip(table["split"], table["name"], images, strict=True):
        digest = hashlib.sha256(image).digest()
        if split == "train":
            trained.setdefault(digest, name)
        elif digest in trained:
            pairs.append(text("{first} and {last}", first=trained[digest], last=name))
    if pairs:
        message = text(
            "The same image is in train and in test, which makes the model look better than it is. Keep one of:"
        )
        warnings.warn(cut(f"{message}\n{_lines(pairs)}"), stacklevel=4)
