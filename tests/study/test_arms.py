"""What each arm does to the gradient, against formulas written anew in NumPy."""

import keras
import numpy as np
import pytest

from gc_tutorial.study import arms
from gc_tutorial.study.factors import ARMS

RATE = 0.5


@pytest.fixture
def model():
    keras.backend.clear_session()  # or layers would be called conv2d_7
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(4, 3), keras.layers.Conv2D(5, 3), keras.layers.Flatten(), keras.layers.Dense(6)]
    return keras.Sequential([keras.Input((8, 8, 3)), *layers])


@pytest.fixture
def gradients(model):
    random = np.random.default_rng(0)
    return [random.normal(1, 1, variable.shape).astype(np.float32) for variable in model.trainable_variables]


def mean(gradient):
    return gradient.mean(axis=tuple(range(gradient.ndim - 1)), keepdims=True)


def raw_norm(gradient):
    centred = gradient - mean(gradient)
    return centred * np.linalg.norm(gradient) / np.linalg.norm(centred)


def step(model, gradients, arm, optimizer="sgd", epoch=0):
    """What one step takes off each variable, divided by the rate."""
    before = model.get_weights()
    built = arms.build_optimizer(optimizer, arm, model, RATE, seed=3, measured=True)
    if arm == "first_two_epochs":
        model.compile(optimizer=built)
        callback = arms.StopCentralizing()
        callback.set_model(model)
        for number in range(epoch + 1):
            callback.on_epoch_begin(number)
    built.apply([keras.ops.convert_to_tensor(one) for one in gradients], model.trainable_variables)
    return [(old - new) / RATE for old, new in zip(before, model.get_weights(), strict=True)], built


# What becomes of the gradients of two convolutions and a dense layer.
EXPECTED = {
    "none": [lambda g: g] * 3,
    "gradient": [lambda g: g - mean(g)] * 3,
    "update": [lambda g: g - mean(g)] * 3,  # under SGD the same
    "recompiled": [lambda g: g] * 3,
    "first_layer": [lambda g: g - mean(g), lambda g: g, lambda g: g],
    "conv_only": [lambda g: g - mean(g), lambda g: g - mean(g), lambda g: g],
    "dense_only": [lambda g: g, lambda g: g, lambda g: g - mean(g)],
    "raw_norm": [raw_norm] * 3,
    "half": [lambda g: g - mean(g) / 2] * 3,
    "twice": [lambda g: g - 2 * mean(g)] * 3,
    "first_two_epochs": [lambda g: g - mean(g)] * 3,
}


@pytest.mark.parametrize("arm", sorted(set(ARMS) - {"random_direction"}))  # which has a test of its own
def test_the_gradient_of_each_kernel_and_no_bias(model, gradients, arm):
    taken, _ = step(model, gradients, arm)
    for expected, gradient, found in zip(EXPECTED[arm], gradients[0::2], taken[0::2], strict=True):
        np.testing.assert_allclose(found, expected(gradient), atol=2e-5)
    for gradient, found in zip(gradients[1::2], taken[1::2], strict=True):
        np.testing.assert_allclose(found, gradient, atol=2e-5)


def test_only_gc_on_the_update_holds_the_means_under_rmsprop(model, gradients):
    shifts = {}
    for arm in ("gradient", "update"):
        taken, _ = step(model, gradients, arm, "rmsprop")
        shifts[arm] = max(np.abs(mean(one)).max() for one in taken[0::2])
    assert shifts["update"] < 1e-5 < 1e-2 < shifts["gradient"]


@pytest.mark.parametrize("arm", ["none", "gradient", "half", "random_direction"])
def test_unless_told_the_seed_is_0_and_nothing_is_measured(model, gradients, arm):
    before = model.get_weights()
    left = []
    for options in ({}, {"seed": 0}):
        model.set_weights(before)
        built = arms.build_optimizer("sgd", arm, model, RATE, **options)
        assert not hasattr(built, "removed_shares")
        built.build(model.trainable_variables)
        built.apply([keras.ops.convert_to_tensor(one) for one in gradients])  # to the variables it was built with
        left.append(model.get_weights())
    for one, other, old in zip(*left, before, strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.abs(one - old).max() > 0


def test_a_gradient_too_few_is_an_error_under_a_changed_gradient_too(model, gradients):
    built = arms.build_optimizer("sgd", "half", model, RATE)
    with pytest.raises(ValueError, match="argument"):
        built.apply([keras.ops.convert_to_tensor(one) for one in gradients[:-1]], model.trainable_variables)


@pytest.mark.parametrize(("epoch", "centralized"), [(0, True), (1, True), (2, False), (5, False)])
def test_in_the_first_two_epochs_only(model, gradients, epoch, centralized):
    taken, _ = step(model, gradients, "first_two_epochs", epoch=epoch)
    expected = gradients[0] - mean(gradients[0]) if centralized else gradients[0]
    np.testing.assert_allclose(taken[0], expected, atol=2e-5)


def test_a_random_direction_is_one_fixed_direction_of_each_kernel_and_not_the_mean(model, gradients):
    taken, _ = step(model, gradients, "random_direction")
    again, _ = step(model, gradients, "random_direction")
    for gradient, found, repeated in zip(gradients[0::2], taken[0::2], again[0::2], strict=True):
        np.testing.assert_allclose(found, repeated, atol=2e-5)
        removed = (gradient - found).reshape(-1, gradient.shape[-1])  # a column for each weight vector
        singular = np.linalg.svd(removed, compute_uv=False)
        assert singular[1] < 1e-4 * singular[0]  # all of them along one direction
        direction = removed[:, 0] / np.linalg.norm(removed[:, 0])
        np.testing.assert_allclose(direction @ found.reshape(len(direction), -1), 0, atol=1e-4)  # nothing left of it
        assert abs(direction.sum()) / np.sqrt(len(direction)) < 0.9


@pytest.mark.parametrize("arm", ["none", "gradient", "update", "half"])
@pytest.mark.parametrize(("optimizer", "size"), [*((name, 1.0) for name in sorted(arms.OPTIMIZERS)), ("sgd", 1e-3)])
def test_the_removed_share_is_that_of_the_raw_gradient_under_every_arm(model, gradients, arm, optimizer, size):
    _, built = step(model, [size * one for one in gradients], arm, optimizer)
    kernels = gradients[0::2]
    expected = [np.square(np.ones_like(one) * mean(one)).sum() / np.square(one).sum() for one in kernels]
    np.testing.assert_allclose(built.removed_shares(), expected, rtol=1e-4)
    assert built.removed_shares() == [0.0, 0.0, 0.0]  # counted anew after each call


def test_chance_is_one_over_the_length_of_a_weight_vector(model):
    assert arms.chance_shares(model) == pytest.approx([1 / 27, 1 / 36, 1 / 80])
    assert arms.kernel_names(model) == ["conv2d/kernel", "conv2d_1/kernel", "dense/kernel"]


def test_query_key_and_value_of_attention_are_measured_along_the_features():
    attention = keras.layers.MultiHeadAttention(2, 3)
    inputs = keras.Input((4, 6))
    model = keras.Model(inputs, attention(inputs, inputs))
    by_name = dict(zip(arms.kernel_names(model), arms.chance_shares(model), strict=True))
    assert by_name["query/kernel"] == by_name["key/kernel"] == by_name["value/kernel"] == pytest.approx(1 / 6)
    assert by_name["attention_output/kernel"] == pytest.approx(1 / 6)  # two heads of three
