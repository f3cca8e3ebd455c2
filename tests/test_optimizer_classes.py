"""The optimizers as classes and objects: registry, saving, copying, signatures, and mistakes in their arguments.

`tests/test_backends.py` runs this again on JAX and PyTorch.
"""

import copy
import functools
import importlib.util
import inspect
import json
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from gc_tutorial import optimizers as gc
from gc_tutorial.optimizers import GCSGD, GCAdam, GCRMSprop, GradientCentralization, centralized

ROOT = Path(__file__).parents[1]


class Adam(keras.optimizers.Adam):
    """A class of one's own with the name of one of Keras's."""


GCOwn = centralized(Adam)


def small_model(name="net"):
    keras.utils.set_random_seed(0)
    two = [layers.Dense(3, name="first"), layers.Dense(2, name="second")]
    return keras.Sequential([keras.Input((4,)), *two], name=name)


def train(model, optimizer=None):
    """Train a little, without compiling, which would take most of the time; returns the weights."""
    if optimizer is not None:
        model.compile(optimizer, "mse", run_eagerly=True)
    random = np.random.default_rng(0)
    inputs, targets = random.normal(size=(16, 4)).astype("float32"), random.normal(size=(16, 2)).astype("float32")
    model.fit(inputs, targets, batch_size=8, shuffle=False, verbose=0)  # two steps
    return model.get_weights()


def assert_equal(some, others):
    for one, other in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


def run(program, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


# The registry


def test_a_class_of_ones_own_does_not_take_over_keras_name():
    assert keras.saving.get_registered_object("gc_tutorial>GCAdam") is GCAdam
    for one, wanted in ((GCAdam(), GCAdam), (GCOwn(), GCOwn)):
        assert type(keras.optimizers.deserialize(keras.optimizers.serialize(one))) is wanted
    assert not issubclass(GCAdam, Adam) and issubclass(GCOwn, Adam)


def test_loading_in_a_new_process_works_or_says_what_to_do(tmp_path):
    for name, optimizer in {"nadam": gc.GCNadam(1e-2), "own": GCOwn(1e-2)}.items():
        model = small_model()
        train(model, optimizer)
        model.save(tmp_path / f"{name}.keras")
    load = """
import keras, gc_tutorial.optimizers
for name in ("nadam", "own"):
    print(type(keras.saving.load_model(f"{name}.keras").optimizer).__name__)
"""
    done = run(load, tmp_path)
    assert done.stdout.split() == ["GCNadam"], done.stderr
    assert f"gc_tutorial.centralized({__name__}.Adam)" in done.stderr
    assert "TypeError: Could not locate class 'GCAdam'" in done.stderr


def test_two_copies_of_the_file_in_one_process_are_reported():
    specification = importlib.util.spec_from_file_location("my_copy", gc.__file__)
    registered = keras.saving.get_custom_objects().copy()
    try:
        with pytest.warns(UserWarning, match=r"one copy of this file: gc_tutorial.optimizers .* my_copy"):
            specification.loader.exec_module(importlib.util.module_from_spec(specification))
    finally:
        keras.saving.get_custom_objects().update(registered)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        specification = importlib.util.spec_from_file_location("gc_tutorial.optimizers", gc.__file__)
        specification.loader.exec_module(importlib.util.module_from_spec(specification))  # the same one, read again
    keras.saving.get_custom_objects().update(registered)


@pytest.mark.parametrize("bases", [(keras.optimizers.SGD, GradientCentralization), (keras.optimizers.SGD, GCAdam)])
def test_a_mixin_behind_the_optimizer_is_refused(bases):
    with pytest.raises(TypeError, match="`GradientCentralization` must come before `SGD` in class Wrong"):
        type("Wrong", bases, {})
    assert type("Right", bases[::-1], {}) and type("Derived", (GCSGD,), {}) and type("Mixin", bases[1:], {})


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="only there Keras has faster subclasses of its own")
def test_the_faster_optimizers_on_pytorch_are_kept():
    for name in ("SGD", "RMSprop", "Adam", "AdamW", "Nadam", "Lion"):
        assert issubclass(getattr(gc, f"GC{name}"), type(getattr(keras.optimizers, name)()))


@pytest.fixture
def unmade(monkeypatch):
    """As if no class had been made yet; afterwards Keras knows those that it knew before."""
    registered = keras.saving.get_custom_objects().copy()
    monkeypatch.setattr(gc, "MADE", {})
    yield
    keras.saving.get_custom_objects().clear()
    keras.saving.get_custom_objects().update(registered)


class Slower(keras.optimizers.SGD):
    """One's own."""

    def __init__(self, *args, patience=1, **kwargs):
        super().__init__(*args, **kwargs)


@pytest.mark.parametrize(
    ("base", "module", "package"),
    [
        (keras.optimizers.SGD, gc.__name__, "gc_tutorial"),
        (Slower, __name__, f"gc_tutorial.centralized({__name__}.Slower)"),
    ],
)
def test_a_made_class_says_where_it_is_from_and_what_it_takes(unmade, base, module, package):
    made = centralized(base)
    assert made is centralized(base) and issubclass(made, base) and issubclass(made, GradientCentralization)
    assert (made.__module__, made.__name__) == (module, f"GC{base.__name__}")
    assert keras.saving.get_registered_name(made) == f"{package}>GC{base.__name__}"
    assert made.__doc__.startswith(f"`{base.__name__}` with gradient centralization.")
    assert f">>> optimizer = GC{base.__name__}(learning_rate=1e-3)" in made.__doc__
    taken = list(inspect.signature(made).parameters)
    own = [one for one in inspect.signature(base).parameters if one not in ("args", "kwargs")]
    assert taken == [*own, "centralize", "conv_only", "axes", "kwargs"]


# Saving and copying


def saved_with_its_model(optimizer, model, folder):
    model.compile(optimizer, "mse", run_eagerly=True)
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras")


def with_copy(make):
    def compiled_with_copy(optimizer, model, folder):
        model.compile(make(optimizer), "mse", run_eagerly=True)
        return model

    return compiled_with_copy


COPIES = {
    "deepcopy": with_copy(copy.deepcopy),
    "pickle": with_copy(lambda one: pickle.loads(pickle.dumps(one))),
    "get_config": with_copy(lambda one: type(one).from_config(json.loads(json.dumps(one.get_config())))),
    "save": saved_with_its_model,
}


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")  # which has no state yet
@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("model_name", ["net", None])
def test_what_was_excluded_before_the_first_step_is_still_excluded_in_a_copy(how, model_name, tmp_path):
    def excluding(model):
        optimizer = gc.GCNadam(1e-2, axes={"kernel": np.int64(0)})
        optimizer.exclude_from_centralization(var_list=[model.layers[0].kernel])
        optimizer.exclude_from_centralization(var_names=["second/.*nel"])
        return optimizer

    model = small_model(model_name)
    copied = COPIES[how](excluding(model), model, tmp_path)
    assert type(copied.optimizer) is gc.GCNadam
    weights = train(copied)
    assert_equal(weights, nadam_weights(None))
    other = small_model()
    assert_equal(train(other, excluding(other)), weights)
    with pytest.raises(AssertionError):
        assert_equal(nadam_weights("gradient"), weights)


@functools.cache
def nadam_weights(centralize):
    return train(small_model(), gc.GCNadam(1e-2, centralize=centralize))


@keras.saving.register_keras_serializable("test_optimizer_classes")
class Unnamed(keras.Model):
    """Its layers get other names each time."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.first, self.second = layers.Dense(3), layers.Dense(2)

    def call(self, inputs):
        return self.second(self.first(inputs))


def unnamed():
    keras.utils.set_random_seed(0)
    model = Unnamed()
    model(np.zeros((1, 4), "float32"))
    return model


@pytest.mark.parametrize("make", [small_model, lambda: small_model(None), unnamed], ids=["named", "sequential", "own"])
@pytest.mark.parametrize("told", ["layer_axes", "excluded"])
def test_what_was_said_survives_where_loading_changes_paths(make, told, tmp_path):
    def optimizer(model):
        axes = {**gc.layer_axes(model), model.trainable_variables[2].path: None} if told == "layer_axes" else None
        made = GCRMSprop(1e-2, axes=axes)
        made.exclude_from_centralization(var_list=[model.trainable_variables[2]] if told == "excluded" else None)
        return made

    uninterrupted, first = make(), make()
    train(uninterrupted, optimizer(uninterrupted))
    wanted = train(uninterrupted)
    train(first, optimizer(first))
    first.save(tmp_path / "model.keras")
    assert_equal(train(keras.saving.load_model(tmp_path / "model.keras")), wanted)


def test_what_was_excluded_survives_where_old_and_new_paths_overlap(tmp_path):
    def counted_from(number):
        keras.backend.clear_session()
        return [layers.Dense(1) for _ in range(number)]

    def excluding(model):
        made = GCRMSprop(1e-2)
        made.exclude_from_centralization(var_list=[model.trainable_variables[0]])
        return made

    def reloaded(model, number, name):
        model.save(tmp_path / name)
        counted_from(number)  # so that the names of the new layers begin there
        return keras.saving.load_model(tmp_path / name)

    first = unnamed()
    train(first, excluding(first))
    second = reloaded(first, 2, "first.keras")
    third = reloaded(second, 3, "second.keras")
    wanted = train(first)
    paths = [{one.path for one in model.trainable_variables} for model in (second, third)]
    assert paths[0] & paths[1] and paths[0] != paths[1]
    for model in (second, third):
        assert_equal(train(model), wanted)


def test_what_was_not_said_is_asked_of_the_layers_again():
    known = [layers.Dense(3), layers.Conv2D(2, 3), layers.Dense(3), layers.DepthwiseConv2D(3)]
    for layer, shape in zip(known, [(None, 4), (None, 9, 9, 2)] * 2, strict=True):
        layer.build(shape)
    first, second = ([layer.kernel for layer in some] for some in (known[:2], known[2:]))
    optimizer = GCSGD(1.0)
    optimizer.exclude_from_centralization(var_list=first[:1])
    optimizer.build(first)
    copied = GCSGD.from_config(json.loads(json.dumps(optimizer.get_config())))
    before = [keras.ops.convert_to_numpy(one) for one in second]
    gradients = [np.random.default_rng(0).normal(size=one.shape).astype("float32") for one in second]
    copied.apply([keras.ops.convert_to_tensor(one) for one in gradients], second)
    changes = [old - keras.ops.convert_to_numpy(one) for old, one in zip(before, second, strict=True)]
    np.testing.assert_allclose(changes[0], gradients[0], atol=1e-6)
    np.testing.assert_allclose(changes[1], gradients[1] - gradients[1].mean((0, 1), keepdims=True), atol=1e-6)


def test_a_class_of_ones_own_can_be_pickled_under_its_name():
    sys.modules[__name__].GCAdam = GCOwn  # as the docstring of `centralized` asks
    try:
        assert type(pickle.loads(pickle.dumps(GCOwn()))) is GCOwn
    finally:
        sys.modules[__name__].GCAdam = gc.GCAdam


def test_excluding_a_frozen_layer_is_accepted():
    model = small_model()
    model.layers[0].trainable = False
    optimizer = GCSGD(0.1, axes={"first": 0})
    optimizer.exclude_from_centralization(var_list=[model.layers[0].kernel], var_names=["first/kernel"])
    assert_equal(train(model, optimizer), train(frozen_first(), GCSGD(0.1)))


def frozen_first():
    model = small_model()
    model.layers[0].trainable = False
    return model


def test_what_the_user_passes_is_not_changed():
    names, variables, axes = ["second"], [keras.Variable(np.ones((2, 2)), name="kernel")], {"kernel": (0,), "x": [0, 1]}
    optimizer = GCSGD(axes=axes)
    optimizer.exclude_from_centralization(variables[:1], names)
    optimizer.get_config()
    assert (names, len(variables), axes) == (["second"], 1, {"kernel": (0,), "x": [0, 1]})
    assert type(names) is list and type(axes["x"]) is list and type(axes) is dict


@pytest.mark.parametrize("axis", [np.int64(0), [np.int32(0)], (0,), np.array([0])], ids=repr)
def test_axes_of_numpy_are_written_as_json(axis):
    assert json.loads(json.dumps(GCSGD(axes={"kernel": axis}).get_config()["axes"])) == {"kernel": [0]}


# Arguments


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: GCSGD(axes={"c/kernel": "0"}), r"int, several, or None. Received: axes={'c/kernel': '0'}"),
        (lambda: GCSGD(axes={"c/kernel": 0.5}), "int, several, or None"),
        (lambda: GCSGD(axes={"kernel(": 0}), r"path or regular expression.*kernel\("),
        (lambda: GCSGD(axes={3: 0}), "path or regular expression"),
        (lambda: GCSGD(axes={b"kernel": 0}), "path or regular expression.*b'kernel'"),
        (lambda: GCSGD(axes={"c/kernel": True}), "int, several, or None. Received: axes={'c/kernel': True}.*not axes"),
        (lambda: GCSGD(axes={"c/kernel": [0, False]}), r"Received: axes={'c/kernel': \[0, False\]}.*not axes"),
        (lambda: GCSGD(axes=[[0], None]), r"`axes` must be a dict.*Received: axes=\[\[0\], None\]"),
        (lambda: GCSGD(axes=0), "`axes` must be a dict"),
        (lambda: GCSGD().exclude_from_centralization(var_names=["kernel("]), r"regular expression.*kernel\("),
        (
            lambda: GCSGD(centralize="weights"),
            r"one of \('gradient', 'update'\) or None. Received: centralize='weights'",
        ),
        (
            lambda: GCSGD(axes={"dence": 0}).build(small_model().trainable_variables),
            r"path for \['dence'\].*'net/first",
        ),
    ],
)
def test_mistakes_are_a_sentence(mistake, message):
    with pytest.raises(ValueError, match=message) as raised:
        mistake()
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam", "AdamW", "Lion", "Nadam"])
def test_the_signature_shows_the_arguments_of_the_optimizer(name):
    plain = inspect.signature(getattr(keras.optimizers, name)).parameters
    ours = inspect.signature(getattr(gc, f"GC{name}")).parameters
    assert set(ours) == {*plain, "centralize", "conv_only", "axes", "kwargs"}
    assert [ours[one].default for one in plain] == [one.default for one in plain.values()]
    assert [ours[one].default for one in ("centralize", "conv_only", "axes")] == ["gradient", False, None]
    derived = type("Derived", (GCSGD,), {"__init__": lambda self, mine: None})
    assert list(inspect.signature(derived).parameters) == ["mine"]


@pytest.mark.parametrize("none", [None, "none"])
@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam"])
def test_without_centralization_it_is_the_plain_optimizer(name, none):
    plain, ours = getattr(keras.optimizers, name)(1e-2), getattr(gc, f"GC{name}")(1e-2, centralize=none)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert_equal(train(small_model(), ours), train(small_model(), plain))
    assert ours.get_config()["centralize"] is None
    assert type(ours).from_config(ours.get_config()).centralize is None


# What holds the means


@pytest.mark.parametrize("missing", ["another subset", "None"])
def test_means_stay_where_ema_overwrites_what_is_not_trained_in_this_step(missing):
    first, second = (layers.Dense(3, name=name) for name in ("first", "second"))
    for layer in (first, second):
        layer.build((None, 5))
    variables = [first.kernel, second.kernel]
    before = [ops.convert_to_numpy(one) for one in variables]
    optimizer = GCRMSprop(0.1, centralize="update", use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3)
    optimizer.build(variables)
    random = np.random.default_rng(0)
    for step in range(8):
        gradients = [ops.convert_to_tensor(random.normal(0.5, 1, size=(5, 3)).astype("float32")) for _ in variables]
        if missing == "None":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                optimizer.apply([one if step % 2 == place else None for place, one in enumerate(gradients)], variables)
        else:
            optimizer.apply([gradients[step % 2]], [variables[step % 2]])
    for variable, old in zip(variables, before, strict=True):
        change = ops.convert_to_numpy(variable) - old
        assert np.abs(change).max() > 0.1
        assert np.abs(change.mean(axis=0)).max() < 1e-6


def test_averages_of_weights_are_put_in_as_they_are_under_gc_on_the_gradient():
    """Its means move under RMSprop, and nothing holds those of the averages either."""
    gradients = np.random.default_rng(0).normal(0.5, 1, size=(3, 5, 2)).astype("float32")

    def averaged(optimizer, gradients):
        variable = keras.Variable(np.ones((5, 2)), name="kernel")
        optimizer.build([variable])
        for gradient in gradients:
            optimizer.apply([ops.convert_to_tensor(gradient)], [variable])
        optimizer.finalize_variable_values([variable])
        return ops.convert_to_numpy(variable)

    ema = {"use_ema": True, "ema_momentum": 0.5}
    found = averaged(GCRMSprop(0.1, axes={"kernel": 0}, **ema), gradients)
    by_hand = gradients - gradients.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found, averaged(keras.optimizers.RMSprop(0.1, **ema), by_hand), atol=1e-6)
    assert np.abs((found - 1).mean(axis=0)).max() > 1e-4


@pytest.mark.parametrize(("mode", "bound"), [("gradient", 1e-2), ("update", 1e-2)])
def test_weights_in_bfloat16_hold_their_means_to_rounding_only(mode, bound):
    layer = layers.Dense(8, dtype="bfloat16")
    keras.utils.set_random_seed(0)
    layer.build((None, 64))
    before = ops.convert_to_numpy(ops.cast(layer.kernel, "float32"))
    optimizer = GCSGD(0.01, centralize=mode)
    random = np.random.default_rng(0)
    for _ in range(200):
        optimizer.apply([ops.cast(random.normal(0.5, 1, size=(64, 8)).astype("float32"), "bfloat16")], [layer.kernel])
    change = ops.convert_to_numpy(ops.cast(layer.kernel, "float32")) - before
    drift = np.abs(change.mean(axis=0)).max()
    assert np.abs(change).max() > 0.1 and 1e-6 < drift < bound
