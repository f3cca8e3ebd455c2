"""Which file is an image of which class and split: worked out from names alone, of a folder or of a zip."""

import unicodedata

import numpy as np
import pandas as pd

from gc_tutorial.errors import DataError

SPLITS = ("train", "test")
LAYOUT = "<class>/<image>, or train/<class>/<image> and test/<class>/<image>"
_SYSTEM_FILES = ("thumbs.db", "desktop.ini")


def is_hidden(name):
    """Whether a file or folder is the system's: `.DS_Store`, `.ipynb_checkpoints`, `__MACOSX`, `Thumbs.db`."""
    return name.startswith((".", "__")) or name.lower() in _SYSTEM_FILES


def find_images(names, source):
    """Find the images of each class.

    Args:
        names: iterable of str, the files with "/" between folders; the name of a folder itself ends in "/".
        source: what to call all of it in a message.

    Returns:
        `pandas.DataFrame`, a row per file, sorted by name: split (`"train"`, `"test"`, or `""` where there are no such
        folders), label (name of the class, in Unicode's composed form), name. A folder inside a class has a row, too.

    Raises:
        DataError: for no images, a missing split, fewer than two classes, an empty class, or classes that differ
            between the splits.
    """
    tree = _without_wrapper(_tree(names, source))
    found = _folders(tree)
    present = [split for split in SPLITS if split in found]
    if not present:
        return _table({"": _classes(tree, source)})
    if len(present) == 1:
        (missing,) = set(SPLITS) - set(present)
        raise DataError(
            f"{source} holds {present[0]} but no {missing} (folders found: {', '.join(found)}). Add or rename a "
            f"folder, or leave out both, for a split at random: {LAYOUT}."
        )
    splits = {split: _classes(found[split], f"{source}: {split}") for split in SPLITS}
    train, test = (", ".join(splits[split]) for split in SPLITS)
    if train != test:
        raise DataError(
            f"{source}: the classes in train ({train}) and in test ({test}) differ. Use the same folder names in both."
        )
    return _table(splits)


def draw_split(labels, test_fraction, seed):
    """Split at random, class by class, so that each has the same part held out (at least one image).

    Args:
        labels: `pandas.Series` of str.
        test_fraction: float between 0 and 1.
        seed: int from which the split follows.

    Returns:
        array of `"train"` and `"test"`, as long as `labels`.

    Raises:
        DataError: for a class of one image.
    """
    generator = np.random.default_rng(seed)
    splits = np.full(len(labels), "train", dtype=object)
    for label, places in sorted(labels.groupby(labels).indices.items()):
        if len(places) < 2:
            raise DataError(f"Class {label!r} has one usable image only: two are needed, to train on and to hold out.")
        held_out = min(max(1, round(test_fraction * len(places))), len(places) - 1)
        splits[generator.permutation(places)[:held_out]] = "test"
    return splits


def _tree(names, source):
    """Nest the names: a folder is a dict of what it holds, a file is its whole name."""
    tree = {}
    for name in sorted(names):
        parts = name.rstrip("/").split("/")
        if any(is_hidden(part) for part in parts):
            continue
        node = tree
        for part in parts if name.endswith("/") else parts[:-1]:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise DataError(f"{source}: {node!r} is a file and a folder at once. Pack the images again.")
        if not name.endswith("/"):
            node[parts[-1]] = name
    return tree


def _folders(node):
    return {name: inside for name, inside in node.items() if isinstance(inside, dict)}


def _without_wrapper(tree):
    """A zip of the folder `photos` holds `photos/cats/1.png`: go down to where there is something to choose from."""
    while len(_folders(tree)) == 1:
        ((name, inside),) = _folders(tree).items()
        if name in SPLITS or (inside and not _folders(inside)):
            break
        tree = inside
    return tree


def _classes(node, where):
    """The content of each class's folder, by the name of the class."""
    classes = {unicodedata.normalize("NFC", name): inside for name, inside in _folders(node).items()}
    if not classes:
        files = f"{len(node)} files lie in it directly" if node else "it is empty"
        raise DataError(
            f"{where} holds no classes: {files}. Put the images of each class into a folder of its own: {LAYOUT}."
        )
    if len(classes) == 1:
        raise DataError(f"{where} holds only one class, {next(iter(classes))!r}. A classifier needs two or more.")
    empty = [name for name, inside in classes.items() if not inside]
    if empty:
        raise DataError(f"{where} holds no images of {', '.join(empty)}. Put some there, or remove the folder.")
    return dict(sorted(classes.items()))


def _table(splits):
    rows = [
        (split, label, inside if isinstance(inside, str) else f"{split}/{label}/{name}/".removeprefix("/"))
        for split, classes in splits.items()
        for label, content in classes.items()
        for name, inside in content.items()
    ]
    return pd.DataFrame(rows, columns=["split", "label", "name"])
