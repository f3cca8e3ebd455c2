"""Random flips, rotation, zoom, shear and shifts of training images, in one resampling of uint8 pixels.

Several Keras layers in a row resample each image several times, in float32, and each time blur it. A flip, a rotation,
a zoom, a shear and a shift are affine maps, and so is their product: one `cv2.warpAffine` applies all of them at once.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import tensorflow as tf

from gc_tutorial.checks import LARGEST_SEED, Shown, check_whole, is_number
from gc_tutorial.errors import value_error
from gc_tutorial.pipeline import THREADS, without_autotune

FILLS = {"reflect": cv2.BORDER_REFLECT, "nearest": cv2.BORDER_REPLICATE}
LARGEST_RANGE = 100  # turns, or sides of an image: more than anyone needs, and far from where floats overflow

MOST_CHANNELS = 128  # that OpenCV takes


def _check_fill(fill: object) -> None:
    if fill not in tuple(FILLS):
        raise value_error("fill={fill!r} is unknown. Choose from: {fills}.", fill=fill, fills=", ".join(FILLS))


@dataclass(frozen=True)
class AugmentationRanges:
    """Ranges of the random augmentation; the defaults are those of the published recipe.

    Attributes:
        horizontal_flip, vertical_flip: whether half of the images are mirrored left to right, top to bottom.
        rotation: largest rotation either way, as a fraction of a full turn (0.3 is 108 degrees).
        zoom: largest change of the visible field either way, as a fraction: at 0.2 between 0.8 (the subject is
            larger) and 1.2 times (smaller) the image's side.
        shear: largest slant either way: at 0.2 the image's top and bottom are up to 0.2 of its side apart.
            (`ImageDataGenerator(shear_range=0.2)` means 0.2 *degrees*, which is too little to see.)
        shift: largest shift either way, to the side and up or down, as a fraction of the image's side.
        fill: what is shown beyond the edge: `"reflect"`, the image mirrored, or `"nearest"`, its outermost pixels.

    Raises:
        ValueError: for an unknown `fill`, a flip that is not True or False, or a range that is not a number from 0 to
            `LARGEST_RANGE` (of `zoom`, below 1).
    """

    horizontal_flip: bool = True
    vertical_flip: bool = True
    rotation: float = 0.3
    zoom: float = 0.2
    shear: float = 0.0
    shift: float = 0.0
    fill: str = "reflect"

    def __post_init__(self) -> None:
        _check_fill(self.fill)
        for name in ("horizontal_flip", "vertical_flip"):
            value = getattr(self, name)
            if not isinstance(value, (bool, np.bool_)):
                raise value_error("{name}={value!r} is not valid. Give True or False.", name=name, value=Shown(value))
        for name in ("rotation", "zoom", "shear", "shift"):
            value = getattr(self, name)
            if not is_number(value) or value < 0:
                raise value_error(
                    "{name}={value!r} is not valid. Give a number of 0 or more, such as 0.2.",
                    name=name,
                    value=Shown(value),
                )
            if value > LARGEST_RANGE:
                raise value_error(
                    "{key}={value!r} is too large. Give a number of at most {most}.",
                    key=name,
                    value=Shown(value),
                    most=LARGEST_RANGE,
                )
        if self.zoom >= 1:
            raise value_error(
                "zoom={zoom!r} is not valid. Give a number below 1: at 1, nothing would be visible.", zoom=self.zoom
            )


STRONG_AUGMENTATION = AugmentationRanges(
    vertical_flip=False, rotation=40 / 360, zoom=0.2, shear=0.2, shift=0.2, fill="nearest"
)


def draw_matrices(
    generator: np.random.Generator, count: int, image_size: int, ranges: AugmentationRanges | None = None
) -> np.ndarray:
    """Draw the random affine maps of `count` images.

    Args:
        generator: `numpy.random.Generator`.
        count: number of images.
        image_size: side of the square images in pixels.
        ranges: `AugmentationRanges`.

    Returns:
        float64 array of shape (count, 2, 3): row vectors that map an output pixel (x, y, 1) to the place in the
        input where its colour is taken from; the rotation is about the centre of the image. For a range of zero for
        shear or shift no number is drawn.
    """
    ranges = ranges or AugmentationRanges()
    angle = generator.uniform(-ranges.rotation, ranges.rotation, count) * 2 * np.pi
    zoom = generator.uniform(1 - ranges.zoom, 1 + ranges.zoom, count)
    flip_x = np.where(ranges.horizontal_flip & (generator.random(count) < 0.5), -1.0, 1.0)
    flip_y = np.where(ranges.vertical_flip & (generator.random(count) < 0.5), -1.0, 1.0)
    linear = np.empty((count, 2, 2))
    linear[:, 0, 0] = flip_x * zoom * np.cos(angle)
    linear[:, 0, 1] = flip_x * zoom * -np.sin(angle)
    linear[:, 1, 0] = flip_y * zoom * np.sin(angle)
    linear[:, 1, 1] = flip_y * zoom * np.cos(angle)
    # Drawn last, and only if asked for, so that the draws of the published ranges stay what they were.
    if ranges.shear:
        linear[:, :, 1] += generator.uniform(-ranges.shear, ranges.shear, (count, 1)) * linear[:, :, 0]
    centre = np.full(2, (image_size - 1) / 2)
    offset = centre - linear @ centre
    if ranges.shift:
        offset += generator.uniform(-ranges.shift, ranges.shift, (count, 2)) * image_size
    return np.concatenate([linear, offset[..., None]], axis=2)


def warp(images: Sequence[np.ndarray] | np.ndarray, matrices: np.ndarray, fill: str = "reflect") -> np.ndarray:
    """Apply to each image its affine map, with bilinear interpolation, once.

    Args:
        images: uint8 array of shape (count, height, width, channels), or a list of its images.
        matrices: array of shape (count, 2, 3), as from `draw_matrices`.
        fill: `"reflect"` or `"nearest"`, as in `AugmentationRanges`; what Keras calls `fill_mode`.

    Returns:
        uint8 array of shape (count, height, width, channels).

    Raises:
        ValueError: for images that are not uint8, or an unknown `fill`.
    """
    _check_fill(fill)
    if len(images) and images[0].dtype != np.uint8:  # OpenCV would silently write to a new array instead of `dst`
        raise value_error(
            "The images have the dtype {kind}. It must be uint8, with values from 0 to 255.", kind=images[0].dtype
        )
    warped = np.empty((len(images), *images[0].shape), np.uint8)
    for image, matrix, target in zip(images, matrices, warped, strict=True):
        cv2.warpAffine(
            image,
            matrix,
            image.shape[1::-1],
            dst=target,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=FILLS[fill],
        )
    return warped


def training_batches(
    images: np.ndarray, labels: np.ndarray, batch_size: int, seed: int, ranges: AugmentationRanges | None = None
) -> tf.data.Dataset:
    """Shuffle, batch and augment images for training.

    The order and every draw follow from `seed` alone, whatever the number of threads and whatever TensorFlow's own
    seed: two pipelines made with the same arguments yield the same bytes, epoch after epoch. Make a new one for each
    training run, since a pipeline counts the epochs it has given.

    Args:
        images: uint8 array of shape (count, size, size, 3).
        labels: integer array of shape (count,).
        batch_size: images in a batch; the last batch of an epoch may be smaller.
        seed: int, from 0 to 2**32 - 1.
        ranges: `AugmentationRanges`, by default the published ones; `STRONG_AUGMENTATION` has those of
            notebook 6.

    Returns:
        `tf.data.Dataset` of (uint8 images of shape (batch, size, size, 3), labels of shape (batch,)).

    Raises:
        ValueError: for images that are not such an array, no images, another number of labels or labels that are not
            numbers, or a batch size, seed or `ranges` that are not valid.
    """
    labels = np.asarray(labels)
    _check(images, labels, batch_size, seed, ranges)
    size = images.shape[1]
    ranges = ranges or AugmentationRanges()
    epochs = itertools.count()

    def plan() -> Iterator[tuple]:
        """The order of one epoch, a batch at a time."""
        epoch = next(epochs)
        order = np.random.default_rng([seed, epoch]).permutation(len(images))
        for first in range(0, len(images), batch_size):
            yield order[first : first + batch_size], [seed, epoch, first]

    def augment(chosen, draw_seed):
        matrices = draw_matrices(np.random.default_rng(draw_seed), len(chosen), size, ranges)
        return warp([images[number] for number in chosen], matrices, ranges.fill), labels[chosen]

    def augment_in_graph(chosen, draw_seed):
        batch = tf.numpy_function(augment, [chosen, draw_seed], (tf.uint8, labels.dtype), stateful=False)
        return tf.ensure_shape(batch[0], [None, *images.shape[1:]]), tf.ensure_shape(batch[1], [None])

    signature = (tf.TensorSpec([None], tf.int64), tf.TensorSpec([3], tf.int64))
    return without_autotune(
        tf.data.Dataset.from_generator(plan, output_signature=signature)
        .apply(tf.data.experimental.assert_cardinality(-(-len(images) // batch_size)))
        .map(augment_in_graph, num_parallel_calls=THREADS, deterministic=True)
        .prefetch(2)
    )


def _check(images: np.ndarray, labels: np.ndarray, batch_size: int, seed: int, ranges: object) -> None:
    """Check before training: an error inside the pipeline would surface as a long TensorFlow traceback."""
    kind, shape = getattr(images, "dtype", type(images).__name__), tuple(getattr(images, "shape", ()))
    square = len(shape) == 4 and shape[1] == shape[2] and 0 not in shape and shape[3] <= MOST_CHANNELS
    if not isinstance(images, np.ndarray) or kind != np.uint8 or not square:
        raise value_error(
            "The images are {kind} of shape {shape}. Give a uint8 array of shape (count, size, size, 3), such as "
            "load_data(...).train_images.",
            kind=kind,
            shape=shape,
        )
    if labels.shape != (len(images),):
        raise value_error(
            "There are {count} images, and labels of shape {shape}. Give one for each image.",
            count=len(images),
            shape=labels.shape,
        )
    if labels.dtype.kind not in "biuf":
        raise value_error(
            "The labels are {kind}. Give a number for each image, such as load_data(...).train_labels.",
            kind=labels.dtype,
        )
    check_whole("batch_size", batch_size, 1)
    check_whole("seed", seed, 0, LARGEST_SEED)
    if not isinstance(ranges, (AugmentationRanges, type(None))):
        raise value_error(
            "ranges={ranges!r} is not valid. Give an AugmentationRanges, such as STRONG_AUGMENTATION.", ranges=ranges
        )
