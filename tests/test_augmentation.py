from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from gc_tutorial import STRONG_AUGMENTATION, AugmentationRanges, training_batches
from gc_tutorial.augmentation import draw_matrices, warp

SIZE = 40
IMAGES = np.random.default_rng(0).integers(0, 256, (10, SIZE, SIZE, 3), dtype=np.uint8)
LABELS = np.arange(10)
STILL = AugmentationRanges(horizontal_flip=False, vertical_flip=False, rotation=0.0, zoom=0.0)


def collect(pipeline, epochs=1):
    """All images and labels of some epochs, as one array each."""
    batches = [batch for _ in range(epochs) for batch in pipeline.as_numpy_iterator()]
    return np.concatenate([images for images, _ in batches]), np.concatenate([labels for _, labels in batches])


def smooth_image():
    """An image without hard edges, so that rounding of coordinates shows less than a wrong map."""
    return ndimage.gaussian_filter(IMAGES[0].astype(float), (2, 2, 0)).round().astype(np.uint8)


@pytest.mark.parametrize("ranges", [AugmentationRanges(), STRONG_AUGMENTATION])
@pytest.mark.parametrize("number", range(5))
def test_pixels_agree_with_scipy(number, ranges):
    matrix = draw_matrices(np.random.default_rng(number), 1, SIZE, ranges)
    (warped,) = warp(smooth_image()[None], matrix, ranges.fill)
    # SciPy counts rows first, so that x and y change places.
    linear, offset = matrix[0, ::-1, 1::-1], matrix[0, ::-1, 2]
    for channel in range(3):
        plane = smooth_image()[..., channel].astype(float)
        expected = ndimage.affine_transform(plane, linear, offset, order=1, mode=ranges.fill)
        assert np.abs(expected - warped[..., channel]).max() <= 1.5


@pytest.mark.parametrize(
    ("layer", "matrix"),
    [
        (
            keras.layers.RandomRotation((0.1, 0.1)),
            lambda a=0.2 * np.pi: [[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]],
        ),
        (keras.layers.RandomZoom((0.2, 0.2)), lambda: [[1.2, 0], [0, 1.2]]),
        (keras.layers.RandomZoom((-0.2, -0.2)), lambda: [[0.8, 0], [0, 0.8]]),
    ],
)
def test_maps_mean_what_the_published_layers_mean(layer, matrix):
    """Same angle (up to its sign, which is drawn anyway), same zoom, same mirrored edge."""
    image = smooth_image()
    expected = keras.ops.convert_to_numpy(layer(image[None].astype("float32"), training=True))[0]
    errors = []
    for linear in (np.array(matrix()), np.array(matrix()).T):
        centre = np.full(2, (SIZE - 1) / 2)
        full = np.column_stack([linear, centre - linear @ centre])
        errors.append(np.abs(warp(image[None], full[None])[0] - expected).mean())
    assert min(errors) < 1.0


@pytest.mark.parametrize(("name", "axes"), [("horizontal_flip", {(), (1,)}), ("vertical_flip", {(), (0,)})])
def test_flips_are_exact(name, axes):
    pipeline = training_batches(IMAGES, LABELS, 4, seed=0, ranges=replace(STILL, **{name: True}))
    seen = set()
    for image, label in zip(*collect(pipeline, epochs=3), strict=True):
        matching = {a for a in axes if np.array_equal(image, np.flip(IMAGES[label], a))}
        assert len(matching) == 1
        seen |= matching
    assert seen == axes


def test_draws_fill_the_published_ranges():
    matrices = draw_matrices(np.random.default_rng(0), 20_000, SIZE)
    determinant = np.linalg.det(matrices[:, :, :2])
    zoom = np.sqrt(np.abs(determinant))
    assert 0.8 <= zoom.min() < 0.801
    assert 1.199 < zoom.max() <= 1.2
    mirrored = determinant < 0
    assert 0.48 < mirrored.mean() < 0.52  # exactly one of two flips, each in half of the images


def test_rotation_alone_stays_within_its_range():
    only_rotation = AugmentationRanges(horizontal_flip=False, vertical_flip=False, rotation=0.3, zoom=0.0)
    matrices = draw_matrices(np.random.default_rng(0), 20_000, SIZE, only_rotation)
    turns = np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]) / (2 * np.pi)
    assert -0.3 <= turns.min() < -0.299
    assert 0.299 < turns.max() <= 0.3


def test_without_augmentation_every_image_comes_once_unchanged():
    images, labels = collect(training_batches(IMAGES, LABELS, 4, seed=0, ranges=STILL))
    assert sorted(labels) == list(LABELS)
    np.testing.assert_array_equal(images, IMAGES[labels])


def test_batches_are_uint8_of_the_asked_size():
    pipeline = training_batches(IMAGES, LABELS, 4, seed=0)
    assert len(pipeline) == 3
    assert [images.shape for images, _ in pipeline] == [(4, SIZE, SIZE, 3), (4, SIZE, SIZE, 3), (2, SIZE, SIZE, 3)]
    assert pipeline.element_spec[0].dtype == tf.uint8


def test_everything_follows_from_the_seed_alone():
    def epochs(seed, options=None, tensorflow_seed=0):
        tf.random.set_seed(tensorflow_seed)
        pipeline = training_batches(IMAGES, LABELS, 4, seed=seed)
        return collect(pipeline.with_options(options) if options else pipeline, epochs=2)

    one_thread = tf.data.Options()
    one_thread.threading.private_threadpool_size = 1
    images, labels = epochs(seed=1)
    for same in (epochs(1), epochs(1, tensorflow_seed=5), epochs(1, one_thread)):
        np.testing.assert_array_equal(same[0], images)
        np.testing.assert_array_equal(same[1], labels)
    assert not np.array_equal(epochs(2)[0], images)
    first, second = np.split(images, 2)
    assert not np.array_equal(first, second)


# ----- the stronger ranges of the guide to image folders


@pytest.mark.parametrize(
    ("layer", "matrices"),
    [
        (
            keras.layers.RandomTranslation((0.2, 0.2), (0.1, 0.1), fill_mode="nearest"),
            [[[1, 0, x * 4.0], [0, 1, y * 8.0]] for x in (-1, 1) for y in (-1, 1)],
        ),
        (
            keras.layers.RandomShear((0.2, 0.2), 0.0, fill_mode="nearest"),
            # Keras slants about the upper left corner.
            [[[1, sign * 0.2, 0.0], [0, 1, 0]] for sign in (-1, 1)],
        ),
    ],
)
def test_shifts_and_shear_mean_what_the_layers_of_keras_mean(layer, matrices):
    """The same numbers move a picture as far, and its edge is drawn out in the same way."""
    image = smooth_image()
    expected = keras.ops.convert_to_numpy(layer(image[None].astype("float32"), training=True))[0]
    errors = [np.abs(warp(image[None], np.array([m], float), "nearest")[0] - expected).mean() for m in matrices]
    assert min(errors) < 1.0 < sorted(errors)[1]


def test_shear_alone_slants_by_up_to_its_range():
    matrices = draw_matrices(np.random.default_rng(0), 20_000, SIZE, replace(STILL, shear=0.2))
    np.testing.assert_array_equal(matrices[:, [0, 1, 1], [0, 0, 1]], np.tile([1.0, 0.0, 1.0], (20_000, 1)))
    slant = matrices[:, 0, 1]
    assert -0.2 <= slant.min() < -0.199
    assert 0.199 < slant.max() <= 0.2
    centre = np.array([(SIZE - 1) / 2] * 2 + [1.0])
    np.testing.assert_allclose(matrices @ centre, np.tile(centre[:2], (20_000, 1)))


def test_shifts_alone_move_both_ways_along_both_axes():
    matrices = draw_matrices(np.random.default_rng(0), 20_000, SIZE, replace(STILL, shift=0.2))
    shifts = matrices[:, :, 2] / SIZE
    assert (shifts >= -0.2).all()
    assert (shifts <= 0.2).all()
    assert (shifts.min(axis=0) < -0.199).all()
    assert (shifts.max(axis=0) > 0.199).all()
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.03


def test_the_stronger_ranges_are_those_of_the_guide():
    matrices = draw_matrices(np.random.default_rng(0), 20_000, SIZE, STRONG_AUGMENTATION)
    determinant = np.linalg.det(matrices[:, :, :2])  # shear and shifts leave areas as they are
    zoom = np.sqrt(np.abs(determinant))
    mirrored = np.sign(determinant)
    turns = np.arctan2(matrices[:, 1, 0], mirrored * matrices[:, 0, 0]) * mirrored * 360 / (2 * np.pi)
    first, second = matrices[:, :, 0], matrices[:, :, 1]
    shear = (first * second).sum(axis=1) / (first**2).sum(axis=1)  # of the second column along the first
    shift = (matrices @ np.array([(SIZE - 1) / 2] * 2 + [1.0]) - (SIZE - 1) / 2) / SIZE
    for found, low, high in ((zoom, 0.8, 1.2), (turns, -40, 40), (shear, -0.2, 0.2), (shift, -0.2, 0.2)):
        assert low <= found.min() < low + 0.005 * abs(high) and high - 0.005 * abs(high) < found.max() <= high
    assert 0.48 < (mirrored < 0).mean() < 0.52  # to the side; the turns above show that none is upside down


def test_the_edge_is_drawn_out_with_nearest_and_mirrored_with_reflect():
    image = np.zeros((1, 6, 6, 3), np.uint8)
    image[:, :, 4], image[:, :, 5] = 100, 200
    right = np.array([[[1.0, 0, 3], [0, 1, 0]]])  # three pixels from beyond the right edge
    assert warp(image, right, "nearest")[0, 0, :, 0].tolist() == [0, 100, 200, 200, 200, 200]
    assert warp(image, right, "reflect")[0, 0, :, 0].tolist() == [0, 100, 200, 200, 100, 0]


def test_the_pipeline_fills_as_its_ranges_say():
    images = np.zeros((4, SIZE, SIZE, 3), np.uint8)
    images[:, :, -1] = 255  # only the last column: the mirrored edge shows nothing like a broad band of it
    pipeline = training_batches(images, LABELS[:4], 4, seed=1, ranges=replace(STILL, shift=0.5, fill="nearest"))
    widths = (collect(pipeline, epochs=5)[0][:, 0, :, 0] == 255).sum(axis=1)
    assert widths.max() > 5


def test_an_unknown_fill_is_refused():
    with pytest.raises(ValueError, match=r"fill=.wrap. is unknown. Choose from: reflect, nearest"):
        AugmentationRanges(fill="wrap")
