"""Describe images from any source as TFDS describes a data set."""

import hashlib
from collections.abc import Sequence

import numpy as np
import tensorflow_datasets as tfds

Arrays = tuple[np.ndarray, np.ndarray]


def describe(
    name: str,
    classes: Sequence[str],
    train: Arrays,
    test: Arrays,
    *,
    version: str = "1.0.0",
    configuration: str = "",
    **more: str | None,
) -> tfds.core.DatasetInfo:
    """Describe images that were decoded, resized and split.

    Args:
        name, version: of the data set.
        classes: names of the classes.
        train, test: each (uint8 array of shape (count, size, size, 3), int64 array of shape (count,)).
        configuration: its name, or "".
        **more: further arguments of `tfds.core.DatasetInfo`, such as its description.

    Returns:
        `tfds.core.DatasetInfo` with the features image and label and the splits train and test. Its `full_name` holds a
        digest of all pixels and labels, so that results from other images cannot be confused with these.
    """
    digest = hashlib.sha256()
    for array in (*train, *test):
        digest.update(array.reshape(-1).data)
    identity = tfds.core.DatasetIdentity(
        name=name,
        version=tfds.core.Version(version),
        data_dir="",
        module_name=__name__,
        config_name="-".join(filter(None, [configuration, digest.hexdigest()[:12]])),
    )
    features = {
        "image": tfds.features.Image(shape=train[0].shape[1:]),
        "label": tfds.features.ClassLabel(names=classes),
    }
    info = tfds.core.DatasetInfo(
        builder=identity, features=tfds.features.FeaturesDict(features), supervised_keys=("image", "label"), **more
    )
    lengths = {"train": len(train[1]), "test": len(test[1])}
    splits = [tfds.core.SplitInfo(name=split, shard_lengths=[count], num_bytes=0) for split, count in lengths.items()]
    info.set_splits(tfds.core.SplitDict(splits))
    return info
