import keras
import numpy as np
import pytest

from gc_tutorial import build_cnn


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
