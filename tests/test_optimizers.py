"""Gradient centralization: the formula, every optimizer, what is left alone, and how it is saved.

Everything here runs on whichever backend Keras was told to use; `tests/test_backends.py` runs it again on the others.
"""

import ast
import random
import sys
from pathlib import Path

import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import layers, ops
from means import BACKEND, all_but_last, only_tensorflow, shift_of_means, to_numpy

from gc_tutorial import optimizers as gc
from gc_tutorial.optimizers import GCSGD, GCAdam, GCRMSprop, centralize, centralized, layer_axes

floats = st.floats(-100, 100, width=32)


def tensors(min_side=1):
    return hnp.array_shapes(min_dims=0, max_dims=5, min_side=min_side, max_side=4).flatmap(
        lambda shape: hnp.arrays(np.float32, shape, elements=floats)
    )


def in_pytorch_layout(gradient):
    """The authors' three lines, in float64, on the layout that they have: the output unit first."""
    gradient = np.moveaxis(gradient.astype("float64"), -1, 0)
    gradient = gradient - gradient.mean(axis=tuple(range(1, gradient.ndim)), keepdims=True)
    return np.moveaxis(gradient, 0, -1)


def rounding(array):
    """The most that float32 may lose in the mean of a weight vector and in what is left without it."""
    return (array[..., 0].size + 4) * (2**-24 * float(np.abs(array).max()) + 2**-126)  # below that all may become 0


# The formula

LEVEL = np.full((4, 4, 4, 4, 4), 86.7707, np.float32)  # whose mean TensorFlow gets wrong by 1e-4


@hypothesis.example(LEVEL)
@hypothesis.given(tensors(min_side=0))
def test_centralize_is_the_papers_formula(gradient):
    result = centralize(gradient)
    assert result.shape == gradient.shape and keras.backend.standardize_dtype(result.dtype) == "float32"
    if gradient.ndim < 2:
        np.testing.assert_array_equal(to_numpy(result), gradient)
    elif gradient.size:
        np.testing.assert_allclose(to_numpy(result), in_pytorch_layout(gradient), atol=rounding(gradient))


@hypothesis.example(LEVEL, 0.0, random.Random(0))
@hypothesis.given(tensors(), st.floats(-3, 3, width=32), st.randoms(use_true_random=False))
def test_centralize_is_an_orthogonal_projection(gradient, factor, random):
    hypothesis.assume(gradient.ndim >= 2)
    other = np.array([random.uniform(-100, 100) for _ in range(gradient.size)], "float32").reshape(gradient.shape)
    kept = to_numpy(centralize(gradient))
    removed = gradient - kept
    tolerance = 1e-5 * (1 + np.square(gradient).sum())
    np.testing.assert_allclose(to_numpy(centralize(kept)), kept, atol=3 * rounding(gradient))
    np.testing.assert_allclose(
        to_numpy(centralize(gradient + factor * other)),
        kept + factor * to_numpy(centralize(other)),
        atol=3 * (rounding(gradient) + abs(factor) * rounding(other)),
    )
    np.testing.assert_allclose((kept * removed).sum(axis=all_but_last(kept)), 0, atol=tolerance)
    assert np.linalg.norm(kept) <= np.linalg.norm(gradient) * (1 + 1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_bad_number_spreads_to_its_own_weight_vector_only(bad):
    gradient = np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype("float32")
    spoilt = gradient.copy()
    spoilt[1, 1, 0, 2] = bad
    result = to_numpy(centralize(spoilt))
    assert not np.isfinite(result[..., 2]).any()
    np.testing.assert_array_equal(np.delete(result, 2, -1), np.delete(to_numpy(centralize(gradient)), 2, -1))


@pytest.mark.parametrize(("dtype", "rounding"), [("float16", 2**-11), ("bfloat16", 2**-8)])
def test_half_precision_is_centralized_in_float32(dtype, rounding):
    # The sum of these overflows float16 (largest number 65504), and their mean is far above what remains.
    half = ops.cast(np.random.default_rng(0).uniform(90, 110, size=(64, 32, 4)).astype("float32"), dtype)
    result = centralize(half)
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    np.testing.assert_allclose(to_numpy(result), in_pytorch_layout(to_numpy(half)), rtol=rounding, atol=1e-4)


@only_tensorflow  # JAX has no float64 unless asked for it
def test_double_precision_is_kept():
    gradient = np.random.default_rng(0).normal(size=(5, 3))
    result = ops.convert_to_numpy(centralize(gradient))
    assert result.dtype == "float64"
    np.testing.assert_allclose(result, gradient - gradient.mean(axis=0), atol=1e-14)


@pytest.mark.parametrize("axis", [0, -1, -3, (0, 2), [1], (1, -1)])
def test_axis(axis):
    gradient = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("float32")
    expected = gradient - gradient.mean(axis=tuple(axis) if isinstance(axis, (tuple, list)) else axis, keepdims=True)
    np.testing.assert_allclose(to_numpy(centralize(gradient, axis)), expected, atol=1e-6)


def test_optax_agrees_after_transposing():
    # optax keeps the output unit first, as PyTorch does: on a Keras kernel as it is, it centres the wrong way.
    optax = pytest.importorskip("optax", reason="optax is installed by the extra `backends`")
    gradient = np.random.default_rng(0).normal(size=(3, 3, 4, 5)).astype("float32")
    transform = optax.centralize()

    def by_optax(array):
        return np.asarray(transform.update(array, transform.init(array))[0])

    np.testing.assert_allclose(
        to_numpy(centralize(gradient)), np.moveaxis(by_optax(np.moveaxis(gradient, -1, 0)), 0, -1), atol=1e-6
    )
    assert np.abs(to_numpy(centralize(gradient)) - by_optax(gradient)).max() > 0.1


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_pytorch_optimizer_agrees_after_transposing(name):
    reason = "pytorch_optimizer is installed by the extra `backends`"
    torch, other = (pytest.importorskip(package, reason=reason) for package in ("torch", "pytorch_optimizer.optimizer"))
    # Keras adds Adam's epsilon before the bias correction and PyTorch after it: they agree where it is negligible.
    theirs, ours = {"SGD": ({"momentum": 0.9}, {"momentum": 0.9}), "Adam": ({"eps": 1e-12}, {"epsilon": 1e-12})}[name]
    random = np.random.default_rng(0)
    start, *gradients = random.normal(size=(5, 3, 3, 2, 4)).astype("float32")

    weights = torch.nn.Parameter(torch.tensor(np.moveaxis(start, -1, 0).copy()))
    optimizer = getattr(torch.optim, name)([weights], lr=0.1, **theirs)
    for gradient in gradients:
        weights.grad = torch.tensor(np.moveaxis(gradient, -1, 0).copy())
        other.gradient_centralization.centralize_gradient(weights.grad)
        optimizer.step()

    variable = keras.Variable(start, name="kernel")
    optimizer = centralized(getattr(keras.optimizers, name))(learning_rate=0.1, axes={"kernel": (0, 1, 2)}, **ours)
    (result,) = steps(optimizer, [variable], [[gradient] for gradient in gradients])
    np.testing.assert_allclose(result, np.moveaxis(weights.detach().numpy(), 0, -1), atol=1e-5)


# Every optimizer

CLASSES = {
    name: one
    for name, one in vars(keras.optimizers).items()
    if isinstance(one, type)
    and issubclass(one, keras.optimizers.Optimizer)
    and one not in (keras.optimizers.Optimizer, keras.optimizers.LossScaleOptimizer)
}
ALIVE = []
SHAPES = {"conv/kernel": (3, 3, 2, 4), "dense/kernel": (6, 3), "dense/bias": (3,)}


def make(name, optimizer_class, centralization=None, **arguments):
    """An optimizer with a learning rate that moves the weights of any of them."""
    arguments = {"learning_rate": 0.05, **arguments}
    if name == "MultiOptimizer":
        inner = keras.optimizers.OptimizerMap(default_optimizer=keras.optimizers.RMSprop(**arguments))
        return optimizer_class(inner, **(centralization or {}))
    return optimizer_class(**arguments, **(centralization or {}))


def convolution(name):
    layer = layers.Conv2D(4, 3, use_bias=False, name=name)
    layer.build((None, 5, 5, 2))
    ALIVE.append(layer)
    return layer


def make_variables():
    """The variables of a convolution and of a dense layer, which stay alive: an optimizer asks them for the axes."""
    random = np.random.default_rng(1)
    dense = layers.Dense(3, name="dense")
    dense.build((None, 6))
    ALIVE.append(dense)
    made = [convolution("conv").kernel, dense.kernel, dense.bias]
    for variable, shape in zip(made, SHAPES.values(), strict=True):
        variable.assign(random.normal(size=shape).astype("float32"))
    return made


def steps(optimizer, variables, gradients):
    for step in gradients:
        optimizer.apply([ops.convert_to_tensor(gradient) for gradient in step], variables)
    return [to_numpy(variable) for variable in variables]


def random_gradients(count=5):
    random = np.random.default_rng(2)
    return [[random.normal(0.5, 1, size=shape).astype("float32") for shape in SHAPES.values()] for _ in range(count)]


def skip_where_keras_itself_fails(name):
    """Muon of Keras 3.10 asks TensorFlow's variables for a path, which they do not have: without GC, too."""
    if name == "Muon" and BACKEND == "tensorflow":
        try:
            steps(make(name, CLASSES[name]), make_variables(), random_gradients())
        except AttributeError:
            pytest.skip(f"Keras {keras.__version__}'s own Muon fails on TensorFlow")


@pytest.mark.parametrize("extra", [{}, {"weight_decay": 0.1, "clipvalue": 0.3}, {"clipnorm": 0.3}], ids=str)
@pytest.mark.parametrize("name", CLASSES)
def test_centralizing_the_update_holds_the_means_under_every_optimizer(name, extra):
    skip_where_keras_itself_fails(name)
    variables = make_variables()
    before = [to_numpy(variable) for variable in variables]
    optimizer = make(name, centralized(CLASSES[name]), {"centralize": "update"}, **extra)
    after = steps(optimizer, variables, random_gradients())
    without = steps(make(name, CLASSES[name], **extra), make_variables(), random_gradients())
    assert shift_of_means(before, after) < 1e-6
    assert shift_of_means(before, without) > 1e-5  # so the test above says something
    np.testing.assert_allclose(after[2], without[2], rtol=1e-5)  # the bias is the optimizer's own affair
    spread = [np.abs(new - old).max() for old, new in zip(before, after, strict=True)]
    assert min(spread) > 1e-5  # and the weights did move


@pytest.mark.parametrize("name", CLASSES)
def test_centralizing_the_gradient_is_feeding_the_optimizer_centralized_gradients(name):
    skip_where_keras_itself_fails(name)
    gradients = random_gradients()
    by_hand = [[to_numpy(centralize(gradient)) for gradient in step] for step in gradients]
    result = steps(make(name, centralized(CLASSES[name])), make_variables(), gradients)
    expected = steps(make(name, CLASSES[name]), make_variables(), by_hand)
    for one, other in zip(result, expected, strict=True):
        np.testing.assert_array_equal(one, other)


# What is left alone


def test_conv_only_leaves_other_kernels_alone():
    variables, gradients = make_variables(), random_gradients(1)
    before = [to_numpy(variable) for variable in variables]
    after = steps(GCSGD(learning_rate=1.0, conv_only=True), variables, gradients)
    np.testing.assert_allclose(before[0] - after[0], in_pytorch_layout(gradients[0][0]), atol=1e-5)
    np.testing.assert_allclose(before[1] - after[1], gradients[0][1], atol=1e-5)


@pytest.mark.parametrize(
    "exclude",
    [
        lambda optimizer, variables: optimizer.exclude_from_centralization(var_names=["conv"]),
        lambda optimizer, variables: optimizer.exclude_from_centralization(var_list=[variables[0]]),
    ],
    ids=["by name", "by variable"],
)
@pytest.mark.parametrize("mode", gc.MODES)
def test_excluded_variables(exclude, mode):
    variables, gradients = make_variables(), random_gradients(1)
    twin = convolution("twin").kernel
    twin.assign(np.ones(SHAPES["conv/kernel"]))
    before = [to_numpy(variable) for variable in variables]
    optimizer = GCSGD(learning_rate=1.0, centralize=mode)
    exclude(optimizer, variables)
    *after, moved_twin = steps(optimizer, [*variables, twin], [[*gradients[0], gradients[0][0]]])
    np.testing.assert_allclose(before[0] - after[0], gradients[0][0], atol=1e-5)
    np.testing.assert_allclose(before[1] - after[1], in_pytorch_layout(gradients[0][1]), atol=1e-5)
    np.testing.assert_allclose(1 - moved_twin, in_pytorch_layout(gradients[0][0]), atol=1e-5)


def test_a_variable_is_excluded_itself_and_not_its_namesake():
    first, second = (keras.Variable(np.zeros((4, 2)), name="kernel") for _ in range(2))
    gradient = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")
    optimizer = GCSGD(learning_rate=1.0)
    optimizer.exclude_from_centralization(var_list=[first])
    excluded, centred = steps(optimizer, [first, second], [[gradient, gradient]])
    np.testing.assert_allclose(excluded, -gradient, atol=1e-6)
    np.testing.assert_allclose(centred, -in_pytorch_layout(gradient), atol=1e-6)


@pytest.mark.parametrize("mode", gc.MODES)
def test_missing_gradients_are_left_to_keras(mode):
    variables = make_variables()
    before = [to_numpy(variable) for variable in variables]
    optimizer = GCRMSprop(centralize=mode)
    optimizer.apply([], [])  # nothing to do, as in Keras
    assert not optimizer.built
    with pytest.warns(UserWarning, match="Gradients do not exist for variables"):
        optimizer.apply([None, ops.ones((6, 3)), None], variables)
    np.testing.assert_array_equal(to_numpy(variables[0]), before[0])
    optimizer.apply([])
    with pytest.raises(ValueError, match="list of 1 gradients"):
        optimizer.apply([ops.ones((6, 3))])


def test_a_constraint_has_the_last_word():
    variables = make_variables()
    variables[0].constraint = keras.constraints.NonNeg()
    steps(GCRMSprop(learning_rate=0.1, centralize="update"), variables, random_gradients())
    assert to_numpy(variables[0]).min() >= 0


@only_tensorflow
def test_plain_tensorflow_variables_and_apply_gradients():
    import tensorflow as tf

    variable, lookup = (tf.Variable(np.zeros((4, 2), "float32"), name=name) for name in ("kernel", "embeddings"))
    gradient = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")
    for mode in gc.MODES:
        variable.assign(tf.zeros_like(variable))
        GCSGD(learning_rate=1.0, centralize=mode).apply_gradients([(gradient, variable), (gradient, lookup)])
        np.testing.assert_allclose(variable.numpy(), -in_pytorch_layout(gradient), atol=1e-6)
    np.testing.assert_allclose(lookup.numpy(), -2 * gradient, atol=1e-6)


# Serialization


def test_configuration_survives():
    variables = make_variables()
    given = GCAdam(learning_rate=1e-3, centralize="update", axes={"dense/kernel": 0, "conv": (0, 1)}).get_config()
    assert (given["centralize"], given["conv_only"]) == ("update", False)
    assert given["axes"] == {"dense/kernel": [0], "conv": [0, 1]}
    assert GCAdam.from_config(given).get_config() == given
    optimizer = GCAdam.from_config(given)
    optimizer.exclude_from_centralization(var_list=[variables[1]])
    optimizer.build(variables)
    saved = [["conv/kernel", [0, 1]], ["dense/kernel", None], ["dense/bias", "unknown"]]  # its layer is asked again
    assert optimizer.get_config()["axes"] == saved
    assert GCAdam.from_config(optimizer.get_config()).get_config() == optimizer.get_config()
    assert GCSGD().get_config()["axes"] is None
    assert keras.optimizers.serialize(GCSGD())["registered_name"] == "gc_tutorial>GCSGD"
    assert type(keras.optimizers.deserialize(keras.optimizers.serialize(GCSGD(conv_only=True)))) is GCSGD


@only_tensorflow
def test_tensorflow_checkpoints(tmp_path):
    import tensorflow as tf

    variables = make_variables()
    optimizer = GCRMSprop(axes={"conv": [0, 1], "dense": None})
    optimizer.exclude_from_centralization(var_list=[variables[1]])
    steps(optimizer, variables, random_gradients(2))
    path = tf.train.Checkpoint(optimizer=optimizer).save(tmp_path / "checkpoint")
    fresh = GCRMSprop()
    fresh.build(variables)
    tf.train.Checkpoint(optimizer=fresh).restore(path).assert_existing_objects_matched()
    for one, other in zip(fresh.variables, optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other)


# Bad input

ADAM = keras.optimizers.Adam


def built():
    optimizer = GCSGD()
    optimizer.build(make_variables())
    return optimizer


def excluding(**arguments):
    optimizer = GCSGD()
    optimizer.exclude_from_centralization(**arguments)
    return optimizer


@pytest.mark.parametrize(
    ("mistake", "error", "message"),
    [
        (
            lambda: GCSGD(centralize="weights"),
            ValueError,
            "`centralize` must be one of .* Received: centralize='weights'",
        ),
        (lambda: centralized(dict), TypeError, "expects an optimizer class that wraps no .* <class 'dict'>"),
        (lambda: centralized(ADAM()), TypeError, "expects an optimizer class that wraps no .* <keras"),
        (lambda: centralized("adam"), TypeError, "expects an optimizer class that wraps no other. Received: 'adam'"),
        (lambda: centralized([ADAM]), TypeError, "expects an optimizer class"),
        (lambda: centralized(keras.optimizers.LossScaleOptimizer), TypeError, "wraps no other.*LossScaleOptimizer"),
        (lambda: centralize(np.ones((2, 3)), axis=2), ValueError, r"shape \(2, 3\). Received: axis=2"),
        (lambda: centralize(np.ones((2, 3)), axis=(0, -3)), ValueError, r"Received: axis=\(0, -3\)"),
        (lambda: centralize([[1, 2], [3, 6]]), ValueError, "must be of floating-point numbers. Received: dtype="),
        (lambda: centralize(np.ones((2, 3)), axis="a"), ValueError, r"must name axes.*Received: axis=a"),
        (lambda: centralize(np.ones((2, 3)), axis=1.5), ValueError, r"must name axes.*Received: axis=1.5"),
        (lambda: centralize(np.ones((2, 3)), axis=True), ValueError, r"must name axes.*Received: axis=True"),
        (lambda: centralize(np.ones((2, 3)), axis=[False]), ValueError, r"must name axes.*Received: axis=\[False\]"),
        (lambda: layer_axes(5), ValueError, "expects a built model.*Received: 5"),
        (lambda: layer_axes(built()), ValueError, "expects a built model.*Received: <"),
        (lambda: centralize(np.ones((2, 3)), axis=()), ValueError, r"must name axes.*Received: axis=\(\)"),
        (lambda: GCSGD(axes={"dense/kernel": 2}).build(make_variables()), ValueError, r"Received: axis=\[2\]"),
        (lambda: GCSGD(axes={"dence": 0}).build(make_variables()), ValueError, r"path for \['dence'\]"),
        (lambda: excluding(var_names=["dence"]).build(make_variables()), ValueError, r"path for \['dence'\]"),
        (lambda: excluding(var_names="dense"), ValueError, "Give `var_names` in a list"),
        (lambda: excluding(var_names=5), ValueError, "Give `var_names` in a list.*Received: 5"),
        (lambda: excluding(var_names=[b"dense"]), ValueError, "path or regular expression.*b'dense'"),
        (lambda: excluding(var_list=5), ValueError, "must be a list of variables. Received: 5"),
        (lambda: excluding(var_list=make_variables()[0]), ValueError, "must be a list of variables"),
        (lambda: excluding(var_list=[layers.Dense(2)]), ValueError, "must be a list of variables. Received: .*Dense"),
        (lambda: built().exclude_from_centralization(var_names=["dense"]), ValueError, "before the optimizer is built"),
        (lambda: GCSGD(no_such=1), (TypeError, ValueError), "no_such"),
        (lambda: layer_axes(keras.Sequential([layers.Dense(2)])), ValueError, "expects a built model"),
    ],
)
def test_mistakes_are_named(mistake, error, message):
    with pytest.raises(error, match=message):
        mistake()


def test_one_class_is_made_once():
    made = [centralized(CLASSES[name]) for name in ("SGD", "Adam", "RMSprop")]
    assert made == [GCSGD, GCAdam, GCRMSprop] and centralized(GCSGD) is GCSGD
    assert GCSGD.__name__ == "GCSGD" and issubclass(GCSGD, keras.optimizers.SGD)


def test_the_file_can_be_copied_out():
    tree = ast.parse(Path(gc.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names) == {"keras"}
