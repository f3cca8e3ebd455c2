import keras
import numpy as np
import pytest

from gc_tutorial import build_cnn, build_three_block_cnn, loss_for, settings


def test_published_network_at_300_pixels():
    model = build_cnn(300)
    assert model.count_params() == 1_704_097
    sides = [
        layer.output.shape[1]
        for layer in model.layers
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.MaxPooling2D))
    ]
    assert sides == [298, 149, 147, 73, 71, 35, 33, 16, 14, 7]


def test_takes_uint8_as_well_as_float_and_gives_probabilities():
    model = build_cnn(94)
    images = np.random.default_rng(0).integers(0, 256, (3, 94, 94, 3), dtype=np.uint8)
    probability = model.predict(images, verbose=0)
    assert probability.shape == (3, 1)
    assert probability.dtype == np.float32
    assert ((probability > 0) & (probability < 1)).all()
    np.testing.assert_array_equal(probability, model.predict(images.astype(np.float32), verbose=0))


def test_smallest_image_works_and_a_smaller_one_says_so():
    assert build_cnn(94).layers[-4].output.shape == (None, 64)  # one pixel of 64 channels is left
    with pytest.raises(ValueError, match=r"image_size=93 is too small.*smallest that works is 94"):
        build_cnn(93)


def test_the_three_blocks_of_the_guide_at_300_pixels():
    model = build_three_block_cnn(300)
    assert model.count_params() == 40_165_409
    kernels = [layer.kernel.shape for layer in model.layers if hasattr(layer, "kernel")]
    assert kernels == [(3, 3, 3, 16), (3, 3, 16, 32), (3, 3, 32, 64), (35 * 35 * 64, 512), (512, 1)]
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.5, 0.5, 0.5]


def test_smallest_image_for_three_blocks():
    assert build_three_block_cnn(22).layers[-4].output.shape == (None, 64)
    with pytest.raises(ValueError, match=r"image_size=21 is too small for three.*smallest that works is 22"):
        build_three_block_cnn(21)


@pytest.mark.parametrize(("build", "size"), [(build_cnn, 94), (build_three_block_cnn, 22)])
@pytest.mark.parametrize(
    ("classes", "loss", "outputs"),
    [(2, "binary_crossentropy", 1), (3, "sparse_categorical_crossentropy", 3)],
)
def test_head_loss_and_accuracy_follow_the_number_of_classes(build, size, classes, loss, outputs):
    keras.utils.set_random_seed(0)
    model = build(size, dropout=0.0, classes=classes)
    assert model.output_shape == (None, outputs)
    assert loss_for(model) == loss
    model.compile("sgd", loss_for(model), metrics=["accuracy"])
    images = np.random.default_rng(0).integers(0, 256, (6, size, size, 3), dtype=np.uint8)
    labels = np.arange(6) % classes
    measured = model.evaluate(images, labels, return_dict=True, verbose=0)
    probability = model.predict(images, verbose=0)
    if classes == 2:
        probability = np.hstack([1 - probability, probability])
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-5)
    assert measured["accuracy"] == pytest.approx((probability.argmax(axis=1) == labels).mean())
    assert measured["loss"] == pytest.approx(-np.log(probability[range(6), labels]).mean(), rel=1e-4)


def test_fewer_than_two_classes_are_refused():
    with pytest.raises(ValueError, match="classes=1 is not valid"):
        build_cnn(94, classes=1)


@pytest.mark.parametrize(("build", "size"), [(build_cnn, 94), (build_three_block_cnn, 22)])
def test_pixels_are_scaled_to_the_range_from_0_to_1(build, size):
    model = build(size)
    pixels = np.array([0, 51, 255], np.uint8).reshape(3, 1, 1, 1) * np.ones((3, size, size, 3), np.uint8)
    scaled = keras.Model(model.inputs, model.layers[0].output).predict(pixels, verbose=0)
    np.testing.assert_allclose(scaled[:, 0, 0, 0], [0.0, 0.2, 1.0], rtol=1e-6)


@pytest.mark.parametrize("size", [93, 94])
def test_the_settings_allow_no_image_too_small_for_the_network(size):
    """What the one refuses the other refuses, too."""
    refused = []
    for use in (lambda: build_cnn(size), lambda: settings({"GC_TUTORIAL_IMAGE_SIZE": str(size)})):
        try:
            use()
        except ValueError as error:
            refused.append("94" in str(error))
    assert refused == ([True, True] if size == 93 else [])


@pytest.mark.parametrize("build", [build_cnn, build_three_block_cnn])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"image_size": "300"}, "image_size='300' is not valid. Give a whole number of pixels from 1 to 1,000,000"),
        ({"image_size": None}, "image_size=None is not valid"),
        ({"image_size": 150.0}, "image_size=150.0 is not valid"),
        ({"classes": "2"}, "classes='2' is not valid. A classifier needs at least two classes"),
        ({"classes": 2.5}, "classes=2.5 is not valid"),
        ({"classes": None}, "classes=None is not valid"),
        ({"dropout": "half"}, "dropout='half' is not valid. Give a number from 0 to below 1"),
        ({"dropout": 1}, "dropout=1 is not valid"),
        ({"dropout": -0.5}, "dropout=-0.5 is not valid"),
    ],
)
def test_what_is_no_number_of_its_kind_is_told(build, arguments, told):
    with pytest.raises(ValueError, match=f"^{told}"):
        build(**{"image_size": 94, **arguments})


def test_a_loss_for_what_is_no_model_is_told():
    with pytest.raises(TypeError, match=r"`loss_for` expects a Keras model. Received: None"):
        loss_for(None)
