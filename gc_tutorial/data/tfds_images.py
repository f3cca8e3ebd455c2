"""Any image classification set of TFDS: its features and splits are found from its own description."""

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from sklearn.model_selection import train_test_split

from gc_tutorial.data.arrays import reorder
from gc_tutorial.data.description import Arrays, describe
from gc_tutorial.data.layout import check_split
from gc_tutorial.data.prepared import read_split, reading
from gc_tutorial.data.tfds_builders import CATALOG, find_builder, prepare_builder
from gc_tutorial.errors import DataError

HELD_OUT = ("test", "validation")  # the first of these that has labels is held out
CHANNELS = (1, 3, 4)
DTYPES = (tf.uint8, tf.uint16)


def load_tfds(
    source: str, image_size: int, *, test_fraction: float = 0.2, seed: int = 0
) -> tuple[Arrays, Arrays, tfds.core.DatasetInfo]:
    """Read the images of a TFDS data set, and split them if it has no labelled split to hold out.

    Args:
        source: `"tfds:NAME"` or `"tfds:NAME/CONFIG"`.
        image_size: side in pixels to which images are resized.
        test_fraction, seed: of the random split by class, for a set without a labelled `test` or `validation`.

    Returns:
        tuple of train and test, each (uint8 array of shape (count, image_size, image_size, 3), int64 array of shape
        (count,)), and a `tfds.core.DatasetInfo` as from `gc_tutorial.data.description.describe`.

    Raises:
        DataError: for an unknown name, a set of images without classes, or one that is unavailable.
    """
    check_split(test_fraction, seed)
    builder = prepared_builder(source)
    features = features_of(builder, source)
    train_split, test_split = _splits(builder, features[1], source)
    train = read_split(builder, train_split, image_size, features)
    if test_split:
        test = read_split(builder, test_split, image_size, features)
    else:
        train, test = _split_by_class(*train, test_fraction, seed, source)
    info, configuration = builder.info, builder.builder_config
    described = describe(
        info.name,
        info.features[features[1]].names,
        train,
        test,
        version=str(info.version),
        configuration=configuration.name if configuration else "",
        description=info.description,
        homepage=info.homepage,
        citation=info.citation,
    )
    return train, test, described


def prepared_builder(source: str) -> tfds.core.DatasetBuilder:
    """Find a set on this machine, or download it where its server answers soon.

    Raises:
        DataError: for an unknown name, a set of images without classes, or one that is unavailable.
    """
    builder = find_builder(source)
    features_of(builder, source)  # before a download
    return prepare_builder(builder, source)


def features_of(builder: tfds.core.DatasetBuilder, source: str) -> tuple[str, str]:
    """The names of the image and of the label: those of the supervised keys, or else the first ones that fit.

    Raises:
        DataError: if there is no image, or no label of two classes or more.
    """
    features, keys = builder.info.features, builder.info.supervised_keys
    found = dict(features.items()) if isinstance(features, tfds.features.FeaturesDict) else {}
    supervised = [key for key in keys or () if isinstance(key, str) and key in found]
    ordered = list(dict.fromkeys([*supervised, *found]))
    images = [key for key in ordered if _is_image(found[key])]
    labels = [key for key in ordered if _is_label(found[key])]
    for chosen, what in ((images, "images of 8 or 16 bits"), (labels, "label of two classes or more")):
        if not chosen:
            names = ", ".join(found) or "none"
            raise DataError(
                "{source} has no {what}. Its features are: {names}. Choose another set from {catalog}",
                source=source,
                what=what,
                names=names,
                catalog=CATALOG,
            )
    return images[0], labels[0]


def _is_image(feature):
    return type(feature) is tfds.features.Image and feature.shape[-1] in CHANNELS and feature.tf_dtype in DTYPES


def _is_label(feature):
    return isinstance(feature, tfds.features.ClassLabel) and (feature.num_classes or 0) > 1


def _splits(builder: tfds.core.DatasetBuilder, label: str, source: str) -> tuple[str, str]:
    """The split to train on, and the one to hold out, or "" where none has labels."""
    splits = list(builder.info.splits)
    train = "train" if "train" in splits else splits[0] if len(splits) == 1 else ""
    if not train or not _has_labels(builder, train, label):
        raise DataError(
            "{source} has no split of labelled images to train on. Its splits are: {splits}.",
            source=source,
            splits=", ".join(splits),
        )
    held_out = [name for name in HELD_OUT if name in splits and name != train and _has_labels(builder, name, label)]
    return train, (held_out or [""])[0]


def _has_labels(builder: tfds.core.DatasetBuilder, split: str, label: str) -> bool:
    """The test images of a competition have -1 in place of a label."""
    only_label = tfds.decode.PartialDecoding({label: True})
    with reading(builder.data_dir):
        first = list(builder.as_dataset(split=f"{split}[:1]", decoders=only_label).as_numpy_iterator())
    return any(example[label] >= 0 for example in first)


def _split_by_class(images: np.ndarray, labels: np.ndarray, test_fraction: float, seed: int, source: str) -> tuple:
    """Train and test, within the array of all images."""
    try:
        parts = train_test_split(np.arange(len(labels)), test_size=test_fraction, stratify=labels, random_state=seed)
    except ValueError as error:
        raise DataError(
            "{source} has nothing to hold out, and cannot be split by class: {error}", source=source, error=error
        ) from None
    train, test = (np.sort(part).tolist() for part in parts)
    images, labels = reorder(images, train + test), labels[train + test]
    return (images[: len(train)], labels[: len(train)]), (images[len(train) :], labels[len(train) :])
