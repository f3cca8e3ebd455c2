from dataclasses import replace
from fractions import Fraction

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
            lambda: keras.layers.RandomRotation((0.1, 0.1)),
            lambda a=0.2 * np.pi: [[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]],
        ),
        (lambda: keras.layers.RandomZoom((0.2, 0.2)), lambda: [[1.2, 0], [0, 1.2]]),
        (lambda: keras.layers.RandomZoom((-0.2, -0.2)), lambda: [[0.8, 0], [0, 0.8]]),
    ],
)
def test_maps_mean_what_the_published_layers_mean(layer, matrix):
    """Same angle (up to its sign, which is drawn anyway), same zoom, same mirrored edge."""
    image = smooth_image()
    expected = keras.ops.convert_to_numpy(layer()(image[None].astype("float32"), training=True))[0]
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
            lambda: keras.layers.RandomTranslation((0.2, 0.2), (0.1, 0.1), fill_mode="nearest"),
            [[[1, 0, x * 4.0], [0, 1, y * 8.0]] for x in (-1, 1) for y in (-1, 1)],
        ),
        (
            lambda: keras.layers.RandomShear((0.2, 0.2), 0.0, fill_mode="nearest"),
            # Keras slants about the upper left corner.
            [[[1, sign * 0.2, 0.0], [0, 1, 0]] for sign in (-1, 1)],
        ),
    ],
)
def test_shifts_and_shear_mean_what_the_layers_of_keras_mean(layer, matrices):
    """The same numbers move a picture as far, and its edge is drawn out in the same way."""
    image = smooth_image()
    expected = keras.ops.convert_to_numpy(layer()(image[None].astype("float32"), training=True))[0]
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


# ----- number by number


def test_a_map_is_made_of_the_draws_in_their_order():
    """Angle, zoom, two flips, then shear and shift, each only where it is asked for."""
    ranges = AugmentationRanges(rotation=0.1, zoom=0.3, shear=0.2, shift=0.1)
    found = draw_matrices(np.random.default_rng(5), 50, SIZE, ranges)
    draws = np.random.default_rng(5)
    angle = draws.uniform(-0.1, 0.1, 50) * 2 * np.pi
    zoom = draws.uniform(0.7, 1.3, 50)
    flips = [np.where(draws.random(50) < 0.5, -1.0, 1.0) for _ in range(2)]
    shear, shift = draws.uniform(-0.2, 0.2, (50, 1)), draws.uniform(-0.1, 0.1, (50, 2)) * SIZE
    for number in range(50):
        turn = np.array(
            [[np.cos(angle[number]), -np.sin(angle[number])], [np.sin(angle[number]), np.cos(angle[number])]]
        )
        linear = np.diag([one[number] for one in flips]) @ (zoom[number] * turn)
        linear = linear @ np.array([[1, shear[number, 0]], [0, 1]])
        centre = np.full(2, (SIZE - 1) / 2)
        offset = centre - linear @ centre + shift[number]
        np.testing.assert_allclose(found[number], np.column_stack([linear, offset]), atol=1e-12)
    assert found.shape == (50, 2, 3) and found.dtype == np.float64


@pytest.mark.parametrize("ranges", [None, AugmentationRanges()])
def test_the_published_ranges_are_the_usual_ones(ranges):
    published = {"horizontal_flip": True, "vertical_flip": True, "rotation": 0.3, "zoom": 0.2, "shear": 0, "shift": 0}
    expected = draw_matrices(np.random.default_rng(1), 9, SIZE, AugmentationRanges(**published, fill="reflect"))
    np.testing.assert_array_equal(draw_matrices(np.random.default_rng(1), 9, SIZE, ranges), expected)
    one, other = (
        collect(training_batches(IMAGES, LABELS, 4, 1, of)) for of in (ranges, AugmentationRanges(**published))
    )
    np.testing.assert_array_equal(one[0], other[0])


def test_an_image_need_not_be_square_and_keeps_its_channels():
    images = np.random.default_rng(0).integers(0, 256, (2, 6, 9, 2), dtype=np.uint8)
    still = np.tile(np.eye(2, 3), (2, 1, 1))
    np.testing.assert_array_equal(warp(images, still), images)
    right = still + np.array([[0, 0, 2.0], [0, 0, 1.0]])  # two pixels from the right, one from below
    np.testing.assert_array_equal(warp(list(images), right)[:, :-1, :-2], images[:, 1:, 2:])
    assert warp(images, right).dtype == np.uint8


def test_between_pixels_colours_are_mixed():
    image = np.array([[[0], [100], [200]]] * 3, np.uint8)[None]
    half = np.array([[[1.0, 0, 0.5], [0, 1, 0]]])
    assert warp(image, half)[0, 1, :2, 0].tolist() == [50, 150]


def test_there_must_be_a_map_for_each_image():
    with pytest.raises(ValueError, match="zip"):
        warp(IMAGES[:2], draw_matrices(np.random.default_rng(0), 3, SIZE))


@pytest.mark.parametrize("batch_size", [1, 4, 10, 30])
def test_an_epoch_holds_each_image_once_in_batches_that_are_counted(batch_size):
    pipeline = training_batches(IMAGES, LABELS, batch_size, seed=0)
    sizes = [len(labels) for _, labels in pipeline]
    assert sizes == [len(LABELS[first : first + batch_size]) for first in range(0, 10, batch_size)]
    assert int(pipeline.cardinality()) == len(sizes)
    for _ in range(2):
        _, labels = collect(pipeline)
        assert sorted(labels) == LABELS.tolist()


def test_order_and_draws_follow_from_seed_epoch_and_place():
    pipeline = training_batches(IMAGES, LABELS, 4, seed=7)
    for epoch in range(2):
        order = np.random.default_rng([7, epoch]).permutation(10)
        images, labels = collect(pipeline)
        assert labels.tolist() == order.tolist()
        for first in (0, 4, 8):
            chosen = order[first : first + 4]
            matrices = draw_matrices(np.random.default_rng([7, epoch, first]), len(chosen), SIZE)
            np.testing.assert_array_equal(images[first : first + 4], warp(IMAGES[chosen], matrices))


def test_the_shapes_and_types_are_known_before_anything_is_read():
    images, labels = training_batches(IMAGES, LABELS.astype(np.int32), 4, seed=0).element_spec
    assert (images.shape.as_list(), images.dtype) == ([None, SIZE, SIZE, 3], tf.uint8)
    assert (labels.shape.as_list(), labels.dtype) == ([None], tf.int32)


def test_an_unknown_fill_is_told_in_full():
    with pytest.raises(ValueError, match=r"^fill='wrap' is unknown\. Choose from: reflect, nearest\.$"):
        AugmentationRanges(fill="wrap")


@pytest.mark.parametrize("name", ["rotation", "zoom", "shear", "shift"])
@pytest.mark.parametrize(
    "value",
    [
        "0.1",
        None,
        float("nan"),
        float("inf"),
        -0.1,
        [1, 2],
        True,
        pytest.param(10**400, id="large"),
        pytest.param(10**5000, id="long"),
    ],
)
def test_a_range_that_is_no_number_is_told(name, value):
    with pytest.raises(ValueError, match=f"^{name}=.* is not valid. Give a number of 0 or more"):
        AugmentationRanges(**{name: value})


@pytest.mark.parametrize("name", ["rotation", "shear", "shift"])
@pytest.mark.parametrize("value", [101, 1e308, pytest.param(10**300, id="large")])
def test_a_range_beyond_any_use_is_told(name, value):
    with pytest.raises(ValueError, match=f"^{name}=.* is too large. Give a number of at most 100"):
        AugmentationRanges(**{name: value})


@pytest.mark.parametrize("name", ["rotation", "shear", "shift"])
@pytest.mark.parametrize("value", [100, np.float32(0.5), Fraction(1, 3)])
def test_a_range_may_be_any_number(name, value):
    images, _ = collect(training_batches(IMAGES, LABELS, 4, seed=0, ranges=replace(STILL, **{name: value})))
    assert images.shape == IMAGES.shape


@pytest.mark.parametrize("name", ["horizontal_flip", "vertical_flip"])
@pytest.mark.parametrize("value", ["no", None, 0, 0.5, [True]])
def test_a_flip_that_is_not_true_or_false_is_told(name, value):
    with pytest.raises(ValueError, match=f"^{name}=.* is not valid. Give True or False"):
        AugmentationRanges(**{name: value})


def test_a_zoom_that_leaves_nothing_in_view_is_told():
    with pytest.raises(ValueError, match=r"^zoom=1 is not valid. Give a number below 1"):
        AugmentationRanges(zoom=1)


@pytest.mark.parametrize("fill", [None, ["reflect"], 5, "wrap"])
def test_a_fill_of_any_kind_is_told(fill):
    with pytest.raises(ValueError, match=r"is unknown. Choose from: reflect, nearest"):
        AugmentationRanges(fill=fill)
    with pytest.raises(ValueError, match=r"is unknown. Choose from: reflect, nearest"):
        warp(IMAGES, draw_matrices(np.random.default_rng(0), len(IMAGES), SIZE), fill)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"images": IMAGES.astype(np.float32)},
            r"The images are float32 of shape \(10, 40, 40, 3\). Give a uint8 array",
        ),
        ({"images": list(IMAGES)}, r"The images are list of shape"),
        ({"images": [IMAGES[0], IMAGES[1, :20]]}, r"The images are list of shape"),
        ({"images": IMAGES[:, :20]}, r"uint8 of shape \(10, 20, 40, 3\)"),
        ({"images": IMAGES[0]}, r"uint8 of shape \(40, 40, 3\)"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, r"uint8 of shape \(0, 40, 40, 3\)"),
        ({"images": IMAGES[:, :0, :0]}, r"uint8 of shape \(10, 0, 0, 3\)"),
        ({"images": np.zeros((10, 4, 4, 129), np.uint8)}, r"uint8 of shape \(10, 4, 4, 129\)"),
        ({"images": IMAGES[..., :0]}, r"uint8 of shape \(10, 40, 40, 0\)"),
        ({"images": None}, r"The images are NoneType"),
        ({"labels": LABELS[:9]}, r"There are 10 images, and labels of shape \(9,\)"),
        ({"labels": None}, r"There are 10 images, and labels of shape \(\)"),
        ({"labels": ["cat"] * 10}, r"The labels are <U3. Give a number for each image"),
        ({"labels": [None] * 10}, r"The labels are object. Give a number for each image"),
        ({"batch_size": 0}, "batch_size=0 is not valid. Give a whole number of at least 1"),
        ({"batch_size": 1.5}, "batch_size=1.5 is not valid"),
        ({"seed": -1}, "seed=-1 is not valid. Give a whole number from 0 to 4294967295"),
        ({"seed": 2**32}, "seed=4294967296 is not valid"),
        ({"seed": 10**400}, "seed=10+ is not valid"),
        ({"seed": None}, "seed=None is not valid"),
        ({"ranges": 0.3}, "ranges=0.3 is not valid. Give an AugmentationRanges"),
        ({"ranges": {}}, "ranges={} is not valid"),
        ({"ranges": AugmentationRanges}, "ranges=<class .* is not valid"),
    ],
)
def test_what_no_batches_can_be_made_of_is_told_at_once(changed, told):
    with pytest.raises(ValueError, match=told):
        training_batches(**{"images": IMAGES, "labels": LABELS, "batch_size": 2, "seed": 0, **changed})


def test_labels_may_be_a_list():
    _, labels = collect(training_batches(IMAGES, LABELS.tolist(), 4, seed=0))
    np.testing.assert_array_equal(np.sort(labels), LABELS)


def test_images_that_are_not_uint8_are_not_warped_into_anything():
    with pytest.raises(ValueError, match=r"The images have the dtype float32\. It must be uint8"):
        warp(IMAGES.astype(np.float32), draw_matrices(np.random.default_rng(0), len(IMAGES), SIZE))
