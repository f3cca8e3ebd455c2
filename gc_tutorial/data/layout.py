"""Find out from the names of files alone which file is an image of which class and split."""

import unicodedata
from collections.abc import Iterable

import numpy as np
import pandas as pd

from gc_tutorial.checks import LARGEST_SEED, Shown, check_whole, is_number
from gc_tutorial.errors import DataError
from gc_tutorial.language import text

SPLITS = ("train", "test")
LAYOUT = "<class>/<image>, or train/<class>/<image> and test/<class>/<image>"
# The names of the folder of a split, in upper or lower case; where there are several, the first of these is taken.
SPLIT_NAMES = {"train": ("train", "training"), "test": ("test", "testing", "validation", "val")}
MAX_NAMED = 10
_SYSTEM = ("__macosx", "__pycache__", "thumbs.db", "desktop.ini")


def is_hidden(name: str) -> bool:
    """Whether a file or folder belongs to the system: `.DS_Store`, `.ipynb_checkpoints`, `__MACOSX`, `Thumbs.db`."""
    return name.startswith(".") or name.lower() in _SYSTEM


def is_passed_over(name: str) -> bool:
    """Whether a file, or a folder around it, belongs to the system or has no name."""
    parts = _parts(name)
    return not parts or any(map(is_hidden, parts))


def _parts(name: str) -> list[str]:
    # Some zips name their files "./cats/1.png" or "../cats/1.png"; nothing is unpacked, so that is harmless.
    return [part for part in name.split("/") if part not in (".", "..")]


def find_images(names: Iterable[str], source: object) -> pd.DataFrame:
    """Find the images of each class.

    Args:
        names: the files, with "/" between folders; the name of a folder itself ends in "/".
        source: the name of the whole in messages.

    Returns:
        `pandas.DataFrame`, a row per file, sorted by split, class and name: split (`"train"`, `"test"`, or `""` where
        there are no such folders), label (name of the class, in composed Unicode form), name. A folder inside a class
        has a row, too.

    Raises:
        DataError: for no images, a missing split, fewer than two classes, an empty class, or classes that differ
            between the splits.
    """
    tree = _without_wrapper(_tree(names, source))
    found = {split: _split_folder(tree, split, source) for split in SPLITS}
    missing = [split for split in SPLITS if found[split] is None]
    if len(missing) == 2:
        return _table({"": _classes(tree, source)})
    if missing:
        (present,) = set(SPLITS) - set(missing)
        raise DataError(
            "{source} holds {found} but no {missing} (folders found: {folders}). Add or rename a "
            "folder, or leave out both for a random split: {layout}.",
            source=source,
            found=found[present],
            missing=missing[0],
            folders=_listed(_folders(tree)),
            layout=text(LAYOUT),
        )
    splits = {split: _classes(tree[found[split]], f"{source}: {found[split]}", f"{found[split]}/") for split in SPLITS}
    if splits["train"].keys() != splits["test"].keys():
        train, test = (f"{found[split]} ({_listed(splits[split])})" for split in SPLITS)
        raise DataError(
            "{source}: the classes in {train} and in {test} differ. Use the same folder names in both.",
            source=source,
            train=train,
            test=test,
        )
    return _table(splits)


def check_split(test_fraction: float, seed: int) -> None:
    """Raise an error for a fraction that would leave nothing to train on or to hold out, or a seed that is not valid.

    Raises:
        DataError: if the fraction is not between 0 and 1, or the seed not a whole number from 0 to `LARGEST_SEED`.
    """
    if not is_number(test_fraction) or not 0 < test_fraction < 1:
        raise DataError(
            "test_fraction={test_fraction} is not valid. Give a number between 0 and 1, such as 0.2.",
            test_fraction=Shown(test_fraction),
        )
    check_whole("seed", seed, 0, LARGEST_SEED, DataError)


def random_split(labels: pd.Series, test_fraction: float, seed: int) -> np.ndarray:
    """Split at random within each class, so that the same fraction of each (at least one image) is held out.

    Args:
        labels: `pandas.Series` of str.
        test_fraction: between 0 and 1.
        seed: the split depends on it and on `labels` alone.

    Returns:
        array of `"train"` and `"test"`, as long as `labels`.

    Raises:
        DataError: for a class of one image.
    """
    generator = np.random.default_rng(seed)
    splits = np.full(len(labels), "train", dtype=object)
    for label, places in sorted(labels.groupby(labels).indices.items()):
        if len(places) < 2:
            raise DataError(
                "Class {label!r} has only one usable image; two are needed, one of them to hold out.", label=label
            )
        held_out = min(max(1, round(test_fraction * len(places))), len(places) - 1)
        splits[generator.permutation(places)[:held_out]] = "test"
    return splits


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = text(" and {count} more", count=len(names) - MAX_NAMED) if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


def _tree(names: Iterable[str], source: object) -> dict:
    """Nest the names. A folder is a dict of its content; a file is its own full name."""
    tree: dict = {}
    for name in sorted(names):
        if is_passed_over(name):
            continue
        *folders, file = _parts(name)  # "cats/" holds no file
        node = tree
        for part in filter(None, folders):
            node = node.setdefault(part, {})
            if isinstance(node, str):
                raise DataError(
                    "{source}: {name!r} is both a file and a folder. Pack the images again.",
                    source=source,
                    name=node,
                )
        if file and node.setdefault(file, name) is not name:
            raise DataError(
                "{source} holds two files named {name!r}. Rename one of them, or pack the images again.",
                source=source,
                name=name,
            )
    return tree


def _folders(node: dict) -> dict:
    return {name: inside for name, inside in node.items() if isinstance(inside, dict)}


def _without_wrapper(tree: dict) -> dict:
    """A zip of the folder `photos` holds `photos/cats/1.png`: go down to the first level with a choice."""
    while len(_folders(tree)) == 1:
        ((name, inside),) = _folders(tree).items()
        if any(name.lower() in names for names in SPLIT_NAMES.values()) or (inside and not _folders(inside)):
            break
        tree = inside
    return tree


def _split_folder(tree: dict, split: str, source: object) -> str | None:
    """The name of the folder that holds a split."""
    for wanted in SPLIT_NAMES[split]:
        found = [name for name in _folders(tree) if name.lower() == wanted]
        if len(found) > 1:
            raise DataError(
                "{source} holds {names}, which all stand for {split}. Put their images into one.",
                source=source,
                names=_listed(found),
                split=split,
            )
        if found:
            return found[0]
    return None


def _classes(node: dict, where: object, within: str = "") -> dict[str, list[str]]:
    """The names in the folder of each class, by the name of the class."""
    folders = _folders(node)
    classes: dict[str, str] = {}  # the name of a folder, as it is, by the name of the class
    for name in folders:
        label = unicodedata.normalize("NFC", name)
        if classes.setdefault(label, name) != name:  # once composed, once decomposed: they look the same
            raise DataError(
                "{source} holds {names}, which all stand for {split}. Put their images into one.",
                source=where,
                names=", ".join(map(ascii, (classes[label], name))),
                split=label,
            )
    if not classes:
        files = text("it has {count} files and no folders", count=len(node)) if node else text("it is empty")
        raise DataError(
            "{where} holds no classes: {files}. Put the images of each class into a folder of its own: {layout}.",
            where=where,
            files=files,
            layout=text(LAYOUT),
        )
    if len(classes) == 1:
        raise DataError(
            "{where} holds only one class, {label!r}. A classifier needs two or more.",
            where=where,
            label=next(iter(classes)),
        )
    empty = [label for label, name in classes.items() if not folders[name]]
    if empty:
        raise DataError(
            "{where} holds no images of {names}. Put some there, or remove the folder.",
            where=where,
            names=_listed(empty),
        )
    return {
        label: [held if isinstance(held, str) else f"{within}{label}/{key}/" for key, held in folders[name].items()]
        for label, name in sorted(classes.items())
    }


def _table(splits: dict[str, dict[str, list[str]]]) -> pd.DataFrame:
    rows = [
        (split, label, name) for split, classes in splits.items() for label, names in classes.items() for name in names
    ]
    return pd.DataFrame(rows, columns=["split", "label", "name"])
