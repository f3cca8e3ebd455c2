"""Images in a folder or a zip of one: read, checked and split before anything is trained."""

import contextlib
import functools
import hashlib
import os
import warnings
import zipfile
from pathlib import Path

import tensorflow_datasets as tfds

from gc_tutorial.archive import LARGEST_FILE, open_archive
from gc_tutorial.cache import allocate
from gc_tutorial.errors import DataError
from gc_tutorial.layout import LAYOUT, SPLITS, draw_split, find_images, is_hidden
from gc_tutorial.pictures import decode_all

NAMED_AT_MOST = 10
_DEEPEST = 6  # levels of folders looked into: a wrapper or two, the split, the class, and one that is too much


def load_folder(source, image_size, **options):
    """Read a folder or a zip into arrays, described as TFDS describes a data set.

    Args:
        source, image_size, options: as for `read_folder`.

    Returns:
        tuple of train and test, each (uint8 array of shape (count, image_size, image_size, 3), int64 array of shape
        (count,)), a `tfds.core.DatasetInfo`, and the names of the test images as a tuple of str. The info's
        `full_name` holds a digest of all pixels and labels: results of other images cannot be mistaken for these.

    Raises:
        DataError: as from `read_folder`.
    """
    table, images = read_folder(source, image_size, **options)
    classes = sorted(set(table["label"]))
    digest = hashlib.sha256()
    arrays = {}
    for split in SPLITS:
        rows = table[table["split"] == split]
        pixels = allocate(len(rows), image_size)
        for number, name in enumerate(rows["name"]):
            pixels[number] = images[name]
        labels = rows["label"].map(classes.index).to_numpy("int64")
        digest.update(pixels.reshape(-1))
        digest.update(labels)
        arrays[split] = pixels, labels
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
    splits = [
        tfds.core.SplitInfo(name=name, shard_lengths=[len(labels)], num_bytes=0) for name, (_, labels) in arrays.items()
    ]
    info.set_splits(tfds.core.SplitDict(splits))
    return arrays["train"], arrays["test"], info, tuple(table.loc[table["split"] == "test", "name"])


def read_folder(source, image_size, *, test_fraction=0.2, seed=0, on_error="raise", progress=True):
    """Read all images of a folder or a zip, and split them if they are not split already.

    Args:
        source: path of a folder with `train/<class>/*` and `test/<class>/*`, or `<class>/*`; or of a zip of one. One
            more folder around all of that is passed through; hidden files and folders are passed over.
        image_size: side in pixels to which images are resized.
        test_fraction: part of each class to hold out where the images are not split already (at least one image).
        seed: int from which that split follows, together with the names of the files.
        on_error: `"raise"`, or `"skip"` to go on without the files that cannot be used, and say how many.
        progress: whether to show a bar.

    Returns:
        tuple of a `pandas.DataFrame`, a row per image, sorted by class and name: split (`"train"` or `"test"`), label
        (name of the class), name (path within the folder or zip); and a dict from each name to its image, a uint8
        array of shape (image_size, image_size, 3).

    Raises:
        DataError: naming what is missing or wrong, or the files that cannot be used.

    Warns:
        UserWarning: naming the pairs, where the same picture is in train and in test.
    """
    if on_error not in ("raise", "skip"):
        raise DataError(f"on_error={on_error!r} is unknown. Choose 'raise' or 'skip'.")
    if not 0 < test_fraction < 1:
        raise DataError(f"test_fraction={test_fraction} makes no sense. Give a number between 0 and 1, such as 0.2.")
    with open_source(source) as readers:
        table = find_images(readers, source)
        results = decode_all([readers.get(name) or _not_a_file for name in table["name"]], image_size, progress)
    results = dict(zip(table["name"], results, strict=True))
    broken = {name: result for name, result in results.items() if isinstance(result, DataError)}
    if broken:
        _report(broken, len(table), source, on_error)
    classes = set(table["label"])
    table = table[~table["name"].isin(broken)].reset_index(drop=True)
    if (table["split"] == "").any():
        table["split"] = draw_split(table["label"], test_fraction, seed)
    for split in SPLITS:
        left = set(table.loc[table["split"] == split, "label"])
        if len(left) < 2 or left != classes:
            found = ", ".join(sorted(left)) or "none"
            raise DataError(f"{source}: too few usable images are left. Classes that {split} still has: {found}.")
    _warn_of_shared(table, results)
    return table, {name: results[name] for name in table["name"]}


@contextlib.contextmanager
def open_source(source):
    """Open a folder or a zip of images.

    Args:
        source: path of it.

    Yields:
        dict from names (with "/" between folders; a folder's own name ends in one) to functions that return a file's
        bytes or raise a `DataError`; to None for a folder.

    Raises:
        DataError: for anything that is no folder or zip, or cannot be listed.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        yield _list_folder(path)
    elif path.is_file() and (path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)):
        with open_archive(path) as readers:
            yield readers
    else:
        raise DataError(f"{source} is neither a folder nor a zip. Give the folder that holds the classes: {LAYOUT}.")


def _list_folder(folder):
    def stop(error):
        raise DataError(f"{error.filename} cannot be listed ({error.strerror}). Change its permissions.")

    readers = {}
    for place, subfolders, files in os.walk(folder, onerror=stop, followlinks=True):
        within = Path(place).relative_to(folder).parts
        # The depth is limited because a link may lead back to where it is.
        subfolders[:] = [name for name in subfolders if not is_hidden(name)] if len(within) < _DEEPEST else []
        readers |= {_printable(*within, name, ""): None for name in subfolders}
        readers |= {_printable(*within, name): functools.partial(_read_file, Path(place, name)) for name in files}
    return readers


def _printable(*parts):
    """The name, also where it is no valid Unicode and could not be printed in a message."""
    return os.fsencode("/".join(parts)).decode(errors="replace")


def _read_file(path):
    try:
        if not path.is_file():  # to read from a pipe would be to wait for ever
            raise DataError("a link to nothing" if path.is_symlink() else "not a regular file")
        if path.stat().st_size > LARGEST_FILE:
            raise DataError(f"too large, {path.stat().st_size / 2**20:,.0f} MiB of at most {LARGEST_FILE // 2**20}")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})") from error


def _not_a_file():
    raise DataError("a folder inside a class; move its images up")


def _report(broken, count, source, on_error):
    """Stop with the files that cannot be used, or print them and go on."""
    lines = "\n".join(f"  {name}: {reason}" for name, reason in list(broken.items())[:NAMED_AT_MOST])
    more = f"\n  ... and {len(broken) - NAMED_AT_MOST} more" if len(broken) > NAMED_AT_MOST else ""
    if on_error == "skip":
        print(f"Skipped {len(broken)} of {count} files in {source} that cannot be used as images:\n{lines}{more}")
        return
    raise DataError(
        f"{len(broken)} of {count} files in {source} cannot be used as images. Mend or remove them, or go on without "
        f'them: load_data(..., on_error="skip").\n{lines}{more}'
    )


def _warn_of_shared(table, images):
    """Held-out pictures that were trained on would make the held-out accuracy a lie."""
    named = table.assign(digest=[hashlib.sha256(images[name].tobytes()).digest() for name in table["name"]])
    train, test = (named[named["split"] == split] for split in SPLITS)
    pairs = train.merge(test, on="digest", suffixes=("_train", "_test"))
    if len(pairs):
        lines = [f"  {row.name_train} and {row.name_test}" for row in pairs.head(NAMED_AT_MOST).itertuples()]
        more = [f"  ... and {len(pairs) - NAMED_AT_MOST} more"] if len(pairs) > NAMED_AT_MOST else []
        message = "The same picture is in train and in test, which makes the model look better than it is. Keep one of:"
        warnings.warn("\n".join([message, *lines, *more]), stacklevel=5)
