"""Gradient centralization in training: every way to fit, a loop of one's own, two devices, saved and gone on with.

Everything here runs on whichever backend Keras was told to use; `tests/test_backends.py` runs it again on the others.
"""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops
from means import BACKEND, all_but_last, only_tensorflow, shift_of_means, to_numpy

from gc_tutorial import optimizers as gc
from gc_tutorial.optimizers import GCSGD, GCAdam, GCRMSprop, centralized


def plain(optimizer_class):
    """The class itself; on PyTorch a subclass, since Keras has fused versions there that no subclass uses."""
    return type(optimizer_class.__name__, (optimizer_class,), {}) if BACKEND == "torch" else optimizer_class


def small_data(count=32):
    random = np.random.default_rng(4)
    images = random.uniform(size=(count, 8, 8, 2)).astype("float32")
    return images, (images.mean(axis=(1, 2, 3)) > 0.5).astype("float32")[:, None]


def small_model(seed=0):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.Flatten(name="flatten"),
            layers.Dense(1, activation="sigmoid", name="dense"),
        ]
    )


def fit(optimizer, model=None, epochs=2, **how):
    """Train a small model; returns its weights before and after."""
    model = model or small_model()
    before = [to_numpy(variable) for variable in model.trainable_variables]
    model.compile(optimizer=optimizer, loss="binary_crossentropy", **how)
    model.fit(*small_data(), batch_size=8, epochs=epochs, shuffle=False, verbose=0)
    return before, [to_numpy(variable) for variable in model.trainable_variables]


def test_in_fit_the_gradients_that_reach_the_update_have_zero_mean():
    reached = []

    class Spy(keras.optimizers.SGD):
        def update_step(self, gradient, variable, learning_rate):
            reached.append(to_numpy(gradient))
            super().update_step(gradient, variable, learning_rate)

    fit(centralized(Spy)(learning_rate=0.1), run_eagerly=True, epochs=1)
    kernels = [gradient for gradient in reached if gradient.ndim >= 2]
    biases = [gradient for gradient in reached if gradient.ndim == 1]
    assert len(kernels) == 8 and len(biases) == 8
    assert max(np.abs(gradient.mean(axis=all_but_last(gradient))).max() for gradient in kernels) < 1e-7
    assert max(np.abs(gradient).max() for gradient in biases) > 1e-3


def test_in_fit_the_means_of_the_weights_stay_only_under_centralization():
    assert shift_of_means(*fit(GCSGD(learning_rate=0.1, momentum=0.9), epochs=5)) <= 1e-6
    assert shift_of_means(*fit(keras.optimizers.SGD(learning_rate=0.1, momentum=0.9), epochs=5)) >= 1e-3


def test_overriding_get_gradients_as_published_does_nothing():
    class Published(keras.optimizers.RMSprop):
        def get_gradients(self, loss, params):
            grads = []
            gradients = super().get_gradients()
            for grad in gradients:
                grads.append(grad - ops.mean(grad, axis=list(range(len(grad.shape) - 1)), keep_dims=True))
            return grads

    _, published = fit(Published(learning_rate=1e-3))
    _, without = fit(plain(keras.optimizers.RMSprop)(learning_rate=1e-3))
    _, with_gc = fit(GCRMSprop(learning_rate=1e-3))
    for one, other in zip(published, without, strict=True):
        np.testing.assert_array_equal(one, other)
    assert max(np.abs(one - other).max() for one, other in zip(without, with_gc, strict=True)) > 1e-4


# Name: (arguments of the optimizer, arguments of compile, policy, whether the means stay with SGD and "gradient").
WAYS = {
    "graph": ({}, {"jit_compile": False}, "float32", True),
    "jit_compile": ({}, {"jit_compile": True}, "float32", True),
    "run_eagerly": ({}, {"run_eagerly": True}, "float32", True),
    "steps_per_execution": ({}, {"steps_per_execution": 2}, "float32", True),
    "mixed_float16": ({}, {}, "mixed_float16", True),
    "mixed_bfloat16": ({}, {}, "mixed_bfloat16", True),
    "loss_scale_factor": ({"loss_scale_factor": 64.0}, {}, "float32", True),
    "gradient accumulation": ({"gradient_accumulation_steps": 2}, {}, "float32", True),
    "ema": ({"use_ema": True, "ema_momentum": 0.5}, {}, "float32", True),
    "ema overwriting": ({"use_ema": True, "ema_overwrite_frequency": 2}, {}, "float32", True),
    "clipnorm": ({"clipnorm": 0.01}, {}, "float32", True),
    "global_clipnorm": ({"global_clipnorm": 0.01}, {}, "float32", True),
    "clipvalue": ({"clipvalue": 0.003}, {}, "float32", False),
    "weight_decay": ({"weight_decay": 0.1}, {}, "float32", False),
    "schedule": ({"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.9)}, {}, "float32", True),
}


@pytest.mark.parametrize("mode", gc.MODES)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_fit(way, mode):
    arguments, how, policy, stays = WAYS[way]
    if BACKEND == "torch" and way in ("jit_compile", "steps_per_execution"):
        pytest.skip("PyTorch's compiler takes minutes, and Keras takes one step at a time there")
    keras.config.set_dtype_policy(policy)
    try:
        base, rate = (GCSGD, 0.1) if mode == "gradient" else (GCRMSprop, 0.01)
        optimizer = base(**{"learning_rate": rate, "momentum": 0.9, "centralize": mode, **arguments})
        before, after = fit(optimizer, **how)
    finally:
        keras.config.set_dtype_policy("float32")
    assert min(np.abs(new - old).max() for old, new in zip(before, after, strict=True)) > 1e-5
    if mode == "update" or stays:
        assert shift_of_means(before, after) <= 1e-6
    else:
        assert shift_of_means(before, after) > 1e-6


def test_accumulated_gradients_come_to_the_same_as_a_large_batch():
    def train(batch_size, **arguments):
        model = small_model()
        model.compile(optimizer=GCSGD(learning_rate=0.1, **arguments), loss="binary_crossentropy")
        model.fit(*small_data(), batch_size=batch_size, epochs=2, shuffle=False, verbose=0)
        return model.get_weights()

    for one, other in zip(train(16), train(8, gradient_accumulation_steps=2), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def custom_loop(optimizer, model, epochs=2):
    """Train as the guides to Keras on each backend do it, without `fit`."""
    images, labels = small_data()
    loss = keras.losses.BinaryCrossentropy()
    batches = [(images[first : first + 8], labels[first : first + 8]) for first in range(0, len(images), 8)] * epochs
    if BACKEND == "tensorflow":
        import tensorflow as tf

        @tf.function
        def step(x, y):
            with tf.GradientTape() as tape:
                value = loss(y, model(x, training=True))
            optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)

        for batch in batches:
            step(*map(tf.constant, batch))
    elif BACKEND == "jax":
        import jax

        def value(trainable, other, x, y):
            predictions, other = model.stateless_call(trainable, other, x, training=True)
            return loss(y, predictions), other

        @jax.jit
        def step(trainable, other, state, x, y):
            (_, other), gradients = jax.value_and_grad(value, has_aux=True)(trainable, other, x, y)
            trainable, state = optimizer.stateless_apply(state, gradients, trainable)
            return trainable, other, state

        optimizer.build(model.trainable_variables)
        trainable, other, state = (
            [one.value for one in group]
            for group in (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
        )
        for batch in batches:
            trainable, other, state = step(trainable, other, state, *batch)
        for variable, value in zip(model.trainable_variables, trainable, strict=True):
            variable.assign(value)
    else:
        import torch

        for x, y in batches:
            model.zero_grad()
            loss(torch.tensor(y), model(torch.tensor(x), training=True)).backward()
            with torch.no_grad():
                optimizer.apply([one.value.grad for one in model.trainable_variables], model.trainable_variables)


@pytest.mark.parametrize("mode", gc.MODES)
def test_a_custom_loop_equals_fit(mode):
    def optimizer():
        return GCAdam(learning_rate=0.01, centralize=mode)

    model = small_model()
    custom_loop(optimizer(), model)
    for one, other in zip(model.trainable_variables, fit(optimizer())[1], strict=True):
        np.testing.assert_allclose(to_numpy(one), other, atol=1e-5)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras spreads over devices on TensorFlow and JAX")
def test_two_devices_train_like_one():
    script = Path(__file__).with_name("two_devices.py")
    environment = {**os.environ, "KERAS_BACKEND": BACKEND}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


@only_tensorflow
@pytest.mark.parametrize("mode", gc.MODES)
@pytest.mark.parametrize("axes", [None, {"embeddings": 1}], ids=["default", "asked for"])
def test_sparse_gradients_stay_sparse(mode, axes):
    import tensorflow as tf

    reached = []

    class Spy(keras.optimizers.SGD):
        def update_step(self, gradient, variable, learning_rate):
            reached.append(isinstance(gradient, tf.IndexedSlices))
            super().update_step(gradient, variable, learning_rate)

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((2,), dtype="int32"), layers.Embedding(6, 3), layers.Flatten(), layers.Dense(1)]
    )
    before = model.get_weights()[0]
    model.compile(optimizer=centralized(Spy)(learning_rate=0.1, centralize=mode, axes=axes), loss="mse")
    model.fit(np.array([[0, 1], [1, 2]]), np.ones((2, 1)), verbose=0)
    moved = model.get_weights()[0] - before
    assert any(reached)
    np.testing.assert_array_equal(np.abs(moved).max(axis=1) > 0, [True, True, True, False, False, False])
    assert (np.abs(moved[:3].mean(axis=1)) > 1e-4).all()  # they are not centralized either


@pytest.mark.parametrize("optimizer_class", [GCRMSprop, centralized(keras.optimizers.Nadam)], ids=lambda c: c.__name__)
@pytest.mark.parametrize("mode", gc.MODES)
def test_training_resumed_equals_training_uninterrupted(tmp_path, optimizer_class, mode):
    def compiled():
        model = small_model()
        optimizer = optimizer_class(learning_rate=0.01, centralize=mode, axes={"conv/kernel": (0, 1)})
        optimizer.exclude_from_centralization(var_list=[model.layers[-1].kernel])
        model.compile(optimizer=optimizer, loss="binary_crossentropy")
        return model

    def train(model):
        model.fit(*small_data(), batch_size=8, epochs=1, shuffle=False, verbose=0)

    uninterrupted, first = compiled(), compiled()
    train(uninterrupted)
    train(uninterrupted)
    train(first)
    first.save(tmp_path / "model.keras")
    resumed = keras.saving.load_model(tmp_path / "model.keras")
    assert type(resumed.optimizer) is optimizer_class
    train(resumed)
    for one, other in zip(resumed.get_weights(), uninterrupted.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(resumed.optimizer.variables, uninterrupted.optimizer.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(other))
