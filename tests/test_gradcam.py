"""Grad-CAM, as notebook 6 writes it in a cell of its own."""

from pathlib import Path

import jupytext
import keras
import numpy as np
import pytest
from keras import layers

from gc_tutorial import build_cnn, build_three_block_cnn

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "06_your_own_images.py"
(CELL,) = (cell.source for cell in jupytext.read(NOTEBOOK).cells if "def grad_cam(" in cell.source)
names = {"keras": keras}
exec(CELL, names)
grad_cam = names["grad_cam"]

SIZE = 16
# Red in the upper left quarter, green in the upper right one, blue in the lower left one.
PICTURE = np.zeros((1, SIZE, SIZE, 3), np.float32)
PICTURE[0, :8, :8, 0] = PICTURE[0, :8, 8:, 1] = PICTURE[0, 8:, :8, 2] = 1


def colour_model(units):
    """One channel for each colour, and an output for each (or, with one output, for the first against the second)."""
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            layers.Conv2D(3, 1, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(units, activation="sigmoid" if units == 1 else "softmax"),
        ]
    )
    dense = np.array([[-1.0], [1.0], [0.0]]) if units == 1 else np.eye(3)
    model.set_weights([np.eye(3)[None, None], np.zeros(3), 1000 * dense, np.zeros(units)])
    return model


@pytest.mark.parametrize(("units", "label", "quarter"), [(1, 0, 0), (1, 1, 1), (3, 0, 0), (3, 1, 1), (3, 2, 2)])
def test_the_map_lies_where_the_colour_of_the_class_is(units, label, quarter):
    (heat,) = grad_cam(colour_model(units), PICTURE, np.array([label]))
    assert (heat.shape, heat.dtype) == ((SIZE, SIZE), np.float32)
    quarters = [heat[:8, :8], heat[:8, 8:], heat[8:, :8], heat[8:, 8:]]
    assert [float(part.mean()) for part in quarters] == [float(number == quarter) for number in range(4)]


@pytest.mark.parametrize(("units", "label"), [(1, 0), (1, 1), (3, 0), (3, 2)])
def test_a_confident_answer_has_a_map_too(units, label):
    """The probability is 0 or 1 to the last bit, where its own gradient is 0."""
    only = PICTURE * np.eye(3, dtype=np.float32)[label]
    probability = colour_model(units).predict(only, verbose=0)
    assert set(np.unique(probability)) <= {0.0, 1.0}
    (heat,) = grad_cam(colour_model(units), only, np.array([label]))
    np.testing.assert_array_equal(heat, only[0].max(axis=-1))


@pytest.mark.parametrize("label", [0, 1, 2])
def test_a_channel_weighs_as_the_mean_of_its_gradient_over_the_picture(label):
    """As in Selvaraju et al. 2017, equations 1 and 2, where the gradient differs from place to place."""
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            layers.Conv2D(3, 1, activation="relu"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    random = np.random.default_rng(0)
    kernel = random.normal(size=(SIZE, SIZE, 3, 3)) + np.eye(3)  # so that each class has a channel for it
    model.set_weights([np.eye(3)[None, None], np.zeros(3), kernel.reshape(-1, 3), np.zeros(3)])
    (picture,) = pictures = random.uniform(size=(1, SIZE, SIZE, 3)).astype(np.float32)
    expected = np.maximum(picture @ kernel[..., label].mean(axis=(0, 1)), 0)
    (heat,) = grad_cam(model, pictures, np.array([label]))
    np.testing.assert_allclose(heat, expected / expected.max(), atol=1e-4)


def test_the_heat_is_zero_for_a_class_whose_colour_is_missing():
    assert (grad_cam(colour_model(3), np.zeros_like(PICTURE), np.array([0])) == 0).all()


@pytest.mark.parametrize(("build", "size", "classes"), [(build_cnn, 94, 2), (build_three_block_cnn, 40, 4)])
def test_it_takes_the_networks_of_the_tutorial(build, size, classes):
    images = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    heat = grad_cam(build(size, classes=classes), images, np.array([0, 1, classes - 1]))
    assert heat.shape == (3, size, size)
    assert 0 <= heat.min() <= heat.max() <= 1
