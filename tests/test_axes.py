"""Which axes of a kernel are averaged over: every layer that Keras exports, and what no optimizer can know.

The tables are written by hand, from what each layer computes, and not from `gc_tutorial.optimizers`.
`tests/test_backends.py` runs this again on JAX and PyTorch.
"""

import inspect
import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops

from gc_tutorial.optimizers import GCSGD, MODES, GCAdam, layer_axes, variable_axes

pytestmark = pytest.mark.filterwarnings("error:Gradient centralization leaves")

# (layer, shape of an input, {the end of a variable's path: the axes averaged over, or None})
KERNELS = {
    "Dense": (lambda **k: layers.Dense(3, **k), (5,), {"kernel": 0, "bias": None}),
    "Dense of one input": (lambda **k: layers.Dense(3, **k), (1,), {"kernel": None, "bias": None}),
    "Conv1D": (lambda **k: layers.Conv1D(3, 2, **k), (6, 4), {"kernel": (0, 1), "bias": None}),
    "Conv1D of one tap": (lambda **k: layers.Conv1D(3, 1, **k), (6, 4), {"kernel": (0, 1), "bias": None}),
    "Conv2D": (lambda **k: layers.Conv2D(3, 2, **k), (6, 6, 4), {"kernel": (0, 1, 2), "bias": None}),
    "Conv3D": (lambda **k: layers.Conv3D(3, 2, **k), (4, 4, 4, 2), {"kernel": (0, 1, 2, 3), "bias": None}),
    "Conv2D, grouped": (lambda **k: layers.Conv2D(4, 2, groups=2, **k), (6, 6, 4), {"kernel": (0, 1, 2)}),
    "DepthwiseConv1D": (
        lambda **k: layers.DepthwiseConv1D(3, depth_multiplier=2, **k),
        (6, 4),
        {"kernel": 0, "bias": None},
    ),
    "DepthwiseConv2D": (lambda **k: layers.DepthwiseConv2D(3, **k), (6, 6, 4), {"kernel": (0, 1), "bias": None}),
    "SeparableConv1D": (
        lambda **k: layers.SeparableConv1D(3, 2, **k),
        (6, 4),
        {"depthwise_kernel": 0, "pointwise_kernel": (0, 1), "bias": None},
    ),
    "SeparableConv2D": (
        lambda **k: layers.SeparableConv2D(3, 2, **k),
        (6, 6, 4),
        {"depthwise_kernel": (0, 1), "pointwise_kernel": (0, 1, 2), "bias": None},
    ),
    # (*window, outputs, inputs): per output channel, as equation 1 says.
    "Conv1DTranspose": (lambda **k: layers.Conv1DTranspose(3, 2, **k), (6, 4), {"kernel": (0, 2), "bias": None}),
    "Conv2DTranspose": (lambda **k: layers.Conv2DTranspose(3, 2, **k), (6, 6, 4), {"kernel": (0, 1, 3)}),
    "Conv3DTranspose": (lambda **k: layers.Conv3DTranspose(3, 2, **k), (3, 3, 3, 2), {"kernel": (0, 1, 2, 4)}),
    "MultiHeadAttention": (
        lambda **k: layers.MultiHeadAttention(2, 3, **k),
        [(4, 5), (4, 5)],
        {
            **{f"{part}/kernel": 0 for part in ("query", "key", "value")},
            **{f"{part}/bias": None for part in ("query", "key", "value", "attention_output")},
            "attention_output/kernel": (0, 1),
        },
    ),
    "MultiHeadAttention of two output axes": (
        lambda **k: layers.MultiHeadAttention(2, 3, output_shape=(3, 5), **k),
        [(4, 5), (4, 5)],
        {"query/kernel": 0, "attention_output/kernel": (0, 1), "attention_output/bias": None},
    ),
    "GroupQueryAttention": (
        lambda **k: layers.GroupQueryAttention(3, 4, 2, **k),
        [(4, 5), (4, 5)],
        {"query/kernel": 0, "key/kernel": 0, "value/kernel": 0, "attention_output/kernel": (0, 1), "query/bias": None},
    ),
    "Attention": (lambda **k: layers.Attention(use_scale=True, **k), [(4, 5)], {"scale": None}),
    "AdditiveAttention": (lambda **k: layers.AdditiveAttention(**k), [(4, 5)], {"scale": None}),
    "SimpleRNN": (lambda **k: layers.SimpleRNN(3, **k), (4, 5), {"/kernel": 0, "recurrent_kernel": 0, "bias": None}),
    "GRU": (lambda **k: layers.GRU(3, **k), (4, 5), {"/kernel": 0, "recurrent_kernel": 0, "bias": None}),
    "LSTM": (lambda **k: layers.LSTM(3, **k), (4, 5), {"/kernel": 0, "recurrent_kernel": 0, "bias": None}),
    "Bidirectional": (
        lambda **k: layers.Bidirectional(layers.GRU(3), **k),
        (4, 5),
        {"/kernel": 0, "recurrent_kernel": 0, "bias": None},
    ),
    "RNN": (
        lambda **k: layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], **k),
        (4, 5),
        {"/kernel": 0, "recurrent_kernel": 0, "bias": None},
    ),
    "ConvLSTM1D": (
        lambda **k: layers.ConvLSTM1D(3, 2, **k),
        (4, 6, 5),
        {"/kernel": (0, 1), "recurrent_kernel": (0, 1), "bias": None},
    ),
    "ConvLSTM2D": (
        lambda **k: layers.ConvLSTM2D(3, 2, **k),
        (4, 6, 6, 5),
        {"/kernel": (0, 1, 2), "recurrent_kernel": (0, 1, 2), "bias": None},
    ),
    "ConvLSTM3D": (
        lambda **k: layers.ConvLSTM3D(2, 2, **k),
        (2, 4, 4, 4, 3),
        {"/kernel": (0, 1, 2, 3), "recurrent_kernel": (0, 1, 2, 3), "bias": None},
    ),
    "TimeDistributed": (lambda **k: layers.TimeDistributed(layers.Dense(3), **k), (4, 5), {"kernel": 0}),
    "SpectralNormalization": (lambda **k: layers.SpectralNormalization(layers.Dense(3), **k), (5,), {"kernel": 0}),
    "Embedding": (lambda **k: layers.Embedding(5, 3, **k), (4,), {"embeddings": None}),
    "BatchNormalization": (lambda **k: layers.BatchNormalization(**k), (4,), {"gamma": None, "beta": None}),
    "GroupNormalization": (lambda **k: layers.GroupNormalization(2, **k), (4,), {"gamma": None, "beta": None}),
    "LayerNormalization": (
        lambda **k: layers.LayerNormalization(axis=[1, 2], **k),
        (4, 3),
        {"gamma": None, "beta": None},
    ),
    "PReLU": (lambda **k: layers.PReLU(**k), (4, 3), {"alpha": None}),
    "EinsumDense": (lambda **k: layers.EinsumDense("abc,cde->abde", (4, 2, 3), **k), (4, 5), {"kernel": 0}),
    "EinsumDense, inputs last": (lambda **k: layers.EinsumDense("abc,dc->abd", (4, 3), **k), (4, 5), {"kernel": 1}),
    "EinsumDense, heads first": (
        lambda **k: layers.EinsumDense("btd,ndh->btnh", (4, 2, 3), **k),
        (4, 5),
        {"kernel": 1},
    ),
    "EinsumDense, experts": (lambda **k: layers.EinsumDense("bi,eio->beo", (2, 3), **k), (5,), {"kernel": 1}),
    "EinsumDense, ellipsis": (lambda **k: layers.EinsumDense("...x,xy->...y", 3, **k), (4, 5), {"kernel": 0}),
    "EinsumDense, elementwise": (lambda **k: layers.EinsumDense("bc,cd->bcd", (5, 3), **k), (5,), {"kernel": None}),
}
if hasattr(layers, "RMSNormalization"):  # Keras 3.10 has neither
    KERNELS["RMSNormalization"] = (lambda **k: layers.RMSNormalization(**k), (4,), {"scale": None})
if hasattr(layers, "ReversibleEmbedding"):
    KERNELS["ReversibleEmbedding"] = (lambda **k: layers.ReversibleEmbedding(5, 3, **k), (4,), {"embeddings": None})
    KERNELS["ReversibleEmbedding, untied"] = (
        lambda **k: layers.ReversibleEmbedding(5, 3, tie_weights=False, **k),
        (4,),
        {"/embeddings": None, "reverse_embeddings": 0},
    )

# They add weights: none that is trained by default, or those of another layer, or of a framework's own module.
NOTHING_TO_CENTRALIZE = {"Normalization", "STFTSpectrogram", "MelSpectrogram", "Wrapper"}
CELLS = {"SimpleRNNCell", "GRUCell", "LSTMCell", "StackedRNNCells"}  # within RNN
FOREIGN = {"FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper"}


def adds_weights(layer_class):
    for one in layer_class.__mro__[: layer_class.__mro__.index(keras.Layer)]:
        if one.__module__.startswith("keras.") and "self.add_weight(" in inspect.getsource(one):
            return True
    return False


def test_no_layer_of_keras_that_has_weights_is_left_out():
    """One that a new Keras brings fails here, by its name, until what is to be averaged over is written above."""
    exported = {
        name: one for name, one in vars(layers).items() if isinstance(one, type) and issubclass(one, keras.Layer)
    }
    names = {name.split(",")[0].split(" of ")[0] for name in KERNELS}
    with_weights = {one.__name__ for name, one in exported.items() if adds_weights(one)}
    assert with_weights - names - NOTHING_TO_CENTRALIZE - CELLS - FOREIGN == set()
    assert {"Dense", "Conv2D", "LSTMCell"} <= with_weights  # some that add weights themselves, or in a class above


def build_layer(kind, **arguments):
    make_layer, shapes, expected = KERNELS[kind]
    layer = make_layer(**arguments)
    shapes = shapes if isinstance(shapes, list) else [shapes]
    inputs = [keras.Input(shape) for shape in shapes]
    outputs = layer(inputs * 2) if isinstance(layer, layers.Attention) else layer(*inputs)
    return keras.Model(inputs, outputs), expected


def endings(expected, path):
    return [ending for ending in expected if path.endswith(ending)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KERNELS)
def test_one_step_averages_over_the_axes_of_every_layer(kind, mode):
    model, expected = build_layer(kind)
    random = np.random.default_rng(3)
    variables, seen = model.trainable_variables, set()
    gradients = [random.normal(size=variable.shape).astype("float32") for variable in variables]
    before = [ops.convert_to_numpy(variable) for variable in variables]
    GCSGD(1.0, centralize=mode).apply([ops.convert_to_tensor(one) for one in gradients], variables)
    for variable, gradient, old in zip(variables, gradients, before, strict=True):
        for ending in endings(expected, variable.path):
            seen.add(ending)
            axis = expected[ending]
            wanted = gradient if axis is None else gradient - gradient.mean(axis=axis, keepdims=True)
            np.testing.assert_allclose(old - ops.convert_to_numpy(variable), wanted, atol=1e-5, err_msg=variable.path)
    assert seen == set(expected)


def as_list(axis):
    return [axis] if isinstance(axis, int) else axis and list(axis)


@pytest.mark.parametrize("name", ["value", "gate", "depthwise_bias_embed"])
@pytest.mark.parametrize("kind", KERNELS)
def test_the_name_of_a_layer_does_not_matter(kind, name):
    model, expected = build_layer(kind, name=name)
    found = layer_axes(model)
    for path, axes in found.items():
        for ending in endings(expected, path):
            assert axes == as_list(expected[ending]), path


# A matrix called kernel is taken for (inputs, outputs): these are the exceptions.
@pytest.mark.parametrize("kind", sorted(KERNELS.keys() - {"EinsumDense, inputs last", "EinsumDense, elementwise"}))
def test_by_name_and_shape_alone_the_axes_are_right_or_left_alone(kind):
    model, expected = build_layer(kind)
    for variable in model.trainable_variables:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (found,) = variable_axes([keras.Variable(np.zeros(variable.shape), name=variable.name)])
        for ending in endings(expected, variable.path):
            assert found in (None, as_list(expected[ending])), variable.path


# Layers within layers


def depthwise_base():
    inputs = keras.Input((8, 8, 2))
    outputs = layers.GlobalAveragePooling2D()(layers.DepthwiseConv2D(3, name="expand")(inputs))
    return keras.Model(inputs, outputs, name="base")


def test_a_layer_in_two_containers():
    @keras.saving.register_keras_serializable("test_axes")
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.base = depthwise_base()
            self.head = keras.Sequential([self.base, layers.Dense(1)])

        def call(self, inputs):
            return self.head(inputs)

    model = Net()
    model(np.zeros((1, 8, 8, 2)))
    assert [axes for path, axes in layer_axes(model).items() if path.endswith("expand/kernel")] == [[0, 1]]


@pytest.mark.parametrize("first", ["depthwise", "plain"])
def test_the_order_of_variables_does_not_matter(first):
    made = {"plain": layers.Conv2D(1, 3, name="a"), "depthwise": layers.DepthwiseConv2D(3, name="b")}
    for layer in made.values():
        layer.build((None, 8, 8, 2))
    kernels = {name: layer.kernel for name, layer in made.items()}  # both of shape (3, 3, 2, 1)
    wanted = {"plain": [0, 1, 2], "depthwise": [0, 1]}
    order = sorted(kernels, key=lambda name: name != first)
    assert variable_axes([kernels[name] for name in order]) == [wanted[name] for name in order]


def test_axes_of_one_model_are_not_those_of_its_namesake():
    def net(*inner):
        return keras.Sequential([keras.Input((8, 8, 2)), *inner], name="net")

    plain, depthwise = net(layers.Conv2D(1, 3, name="x")), net(layers.DepthwiseConv2D(3, name="x"))
    assert layer_axes(plain)["net/x/kernel"] == [0, 1, 2] and layer_axes(depthwise)["net/x/kernel"] == [0, 1]


def test_experts_without_a_gradient_do_not_move():
    layer = layers.EinsumDense("bi,eio->beo", (3, 2))
    layer.build((None, 4))
    before = ops.convert_to_numpy(layer.kernel)
    gradient = np.zeros((3, 4, 2), "float32")
    gradient[1] = np.random.default_rng(0).normal(1, 1, size=(4, 2))
    GCSGD(1.0).apply([ops.convert_to_tensor(gradient)], [layer.kernel])
    moved = before - ops.convert_to_numpy(layer.kernel)
    np.testing.assert_array_equal(moved[[0, 2]], 0)
    np.testing.assert_allclose(moved[1], gradient[1] - gradient[1].mean(axis=0), atol=1e-6)


# (layer, its input shape, axes of LoRA's a, of its b)
LORA = {
    "Dense": (lambda: layers.Dense(3), (None, 5), [0], [0]),
    "Conv2D": (lambda: layers.Conv2D(3, 2), (None, 6, 6, 4), [0, 1, 2], [0]),
    "query": (lambda: layers.EinsumDense("abc,cde->abde", (4, 2, 3)), (None, 4, 5), [0], [0]),
    "output": (lambda: layers.EinsumDense("abcd,cde->abe", (4, 3)), (None, 4, 2, 5), [0, 1], [0]),
    "inputs last": (lambda: layers.EinsumDense("abc,dc->abd", (4, 3)), (None, 4, 5), [1], [1]),
    "inputs first and last": (lambda: layers.EinsumDense("xhd,mhd->xm", (3,)), (None, 2, 5), [1, 2], [1]),
}


@pytest.mark.parametrize("kind", LORA)
def test_lora(kind):
    make_layer, shape, of_a, of_b = LORA[kind]
    layer = make_layer()
    layer.build(shape)
    layer.enable_lora(2)
    found = {path.split("/")[-1]: axes for path, axes in layer_axes(layer).items()}
    assert (found["lora_kernel_a"], found["lora_kernel_b"]) == (of_a, of_b)


def test_lora_of_an_embedding_is_left_alone():
    layer = layers.Embedding(5, 3)
    layer.build()
    layer.enable_lora(2)
    assert set(layer_axes(layer).values()) == {None}


def test_a_layer_of_ones_own_that_is_derived_from_keras():
    class Scaled(layers.Conv2D):
        pass

    class Depthwise(layers.DepthwiseConv2D):
        pass

    model = keras.Sequential([keras.Input((8, 8, 2)), Scaled(3, 2, name="a"), Depthwise(2, name="b")])
    assert list(layer_axes(model).values()) == [[0, 1, 2], None, [0, 1], None]


def test_a_weight_beside_the_kernel_of_a_layer_derived_from_keras_is_no_kernel():
    class Gated(layers.Dense):
        def build(self, shape):
            super().build(shape)
            self.gate = self.add_weight(name="gate", shape=(shape[-1], 3))

    layer = Gated(3, name="gated")
    layer.build((None, 5))
    with pytest.warns(UserWarning, match=r"leaves gated/gate \(5, 3\) alone"):
        assert layer_axes(layer) == {"gated/kernel": [0], "gated/bias": None, "gated/gate": None}


@pytest.mark.parametrize(
    ("base", "name", "shape", "axes"),
    [
        (layers.Dense, "expert_kernel", (3, 5, 4), None),  # stacked experts
        (layers.Dense, "kernel", (3, 5, 4), None),
        (layers.Dense, "gate_kernel", (5, 4), [0]),
        (layers.EinsumDense, "gate_kernel", (5, 4), [0]),
        (layers.DepthwiseConv2D, "gate_kernel", (2, 2, 5, 4), None),
        (layers.Conv2DTranspose, "depthwise_kernel", (7, 16), None),
        (layers.SeparableConv2D, "pointwise_kernel", (1, 1, 2, 3), [0, 1, 2]),
    ],
)
def test_what_the_class_of_keras_does_not_say_is_not_guessed(base, name, shape, axes):
    class Derived(base):
        def __init__(self):
            layers.Layer.__init__(self, name="derived")
            self.equation = "abc,cde->abde"

        def build(self, _):
            self.held = self.add_weight(name=name, shape=shape)
            self.built = True

    layer = Derived()
    layer.build(None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert variable_axes([layer.held]) == [axes]
    assert len(caught) == (axes is None)


def test_a_variable_that_two_layers_share():
    class Tied(layers.Layer):
        def __init__(self, other):
            super().__init__()
            self.tied = other.kernel

    def shared(layer, shape):
        layer.build(shape)
        return Tied(layer), variable_axes([layer.kernel])

    assert shared(layers.DepthwiseConv2D(3), (None, 8, 8, 2))[1] == [[0, 1]]
    other = layers.EinsumDense("abc,dc->abd", (None, 3))
    other.build((None, 4, 3))

    class Disputing(layers.Dense):
        def build(self, _):
            self._kernel, self.bias, self.built = other.kernel, None, True

    disputing = Disputing(3)
    assert variable_axes([other.kernel]) == [[1]]
    disputing.build(None)
    with pytest.warns(UserWarning, match="leaves einsum_dense.*/kernel"):
        assert variable_axes([other.kernel]) == [None]


# What no optimizer can know: (name, shape, axes, whether a warning says so)
UNKNOWN = [
    ("kernel", (6, 3), [0], False),
    ("upscale_kernel", (6, 3), [0], False),
    ("debiased_kernel", (6, 3), [0], False),
    ("conv1d_kernel", (8, 4), None, True),  # (channels, taps), as in Qwen3.5
    ("depthwise_kernel", (7, 16), None, True),
    ("alphabet_w", (6, 3), None, True),
    ("embedding_projection", (6, 3), None, True),
    ("kernel", (3, 3, 2, 1), None, True),
    ("kernel", (4, 2, 3), None, True),
    ("expert_gate_kernel", (2, 6, 3), None, True),
    ("rel_pos_h", (5, 4), None, True),
    ("segment_encoding", (2, 2, 3), None, True),
    ("r_k", (2, 4), None, True),
    ("pos_emb", (1, 5, 4), None, True),
    ("query_tokens", (1, 5, 4), None, True),
    ("codebook", (8, 4), None, True),
    ("prototypes", (8, 4), None, True),
    ("class_token", (1, 1, 4), None, False),
    ("position_embeddings", (5, 4), None, False),
    ("attention_bias", (2, 4), None, False),
    ("layer_scale", (2, 4), None, False),
]


def custom(name, shape):
    class Custom(layers.Layer):
        def build(self, _):
            self.held = self.add_weight(name=name, shape=shape)

    layer = Custom(name="custom")
    layer.build(None)
    return layer


@pytest.mark.parametrize(("name", "shape", "axes", "said"), UNKNOWN)
def test_what_cannot_be_known_is_left_alone_and_said(name, shape, axes, said):
    layer = custom(name, shape)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert layer_axes(layer) == {layer.held.path: axes}
        optimizer = GCAdam()
        optimizer.build([layer.held])
    assert len(caught) == 2 * said
    for one in caught:
        assert f"{layer.held.path} {shape}" in str(one.message) and "axes={" in str(one.message)


@pytest.mark.parametrize("axes", [{"codebook": None}, {"codebook": 1}, {"custom/codebook": [0]}], ids=str)
def test_whoever_says_the_axes_is_not_warned(axes):
    layer = custom("codebook", (8, 4))
    before, gradient = ops.convert_to_numpy(layer.held), np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    GCSGD(1.0, axes=axes).apply([ops.convert_to_tensor(gradient)], [layer.held])
    (axis,) = axes.values()
    wanted = (
        gradient if axis is None else gradient - gradient.mean(axis=axis[0] if axis == [0] else axis, keepdims=True)
    )
    np.testing.assert_allclose(before - ops.convert_to_numpy(layer.held), wanted, atol=1e-6)


@pytest.mark.parametrize(("count", "more"), [(5, ""), (6, " and 1 more"), (9, " and 4 more")])
def test_many_unknown_variables_make_one_short_warning(count, more):
    many = [custom(f"codebook_{number}", (8, 4)) for number in range(count)]
    with pytest.warns(UserWarning) as caught:
        GCAdam().build([layer.held for layer in many])
    named = ", ".join(f"{layer.held.path} (8, 4)" for layer in many[:5])
    assert [str(one.message) for one in caught] == [
        f"Gradient centralization leaves {named}{more} alone: it is not known which axes make up a weight vector. "
        "Pass them, as in `axes={'its/path': (0, 1)}`, or None to leave it alone."
    ]


@pytest.mark.parametrize(
    ("axes", "inner", "outer"),
    [
        ({"top/kernel": None, "inner": (0, 1)}, (0, 1), None),
        ({"inner/top/kernel": None}, None, (0, 1, 2)),
        ({"^top/kernel$": None}, (0, 1, 2), None),
    ],
    ids=str,
)
def test_a_full_path_means_that_variable_alone(axes, inner, outer):
    inputs = keras.Input((8, 8, 2))
    network = keras.Sequential([layers.Conv2D(2, 3, name="top", use_bias=False)], name="inner")
    model = keras.Model(inputs, layers.Conv2D(1, 3, name="top", use_bias=False)(network(inputs)))
    assert layer_axes(model) == {"inner/top/kernel": [0, 1, 2], "top/kernel": [0, 1, 2]}
    random = np.random.default_rng(0)
    gradients = [random.normal(size=one.shape).astype("float32") for one in model.trainable_variables]
    before = model.get_weights()
    GCSGD(1.0, axes=axes).apply([ops.convert_to_tensor(one) for one in gradients], model.trainable_variables)
    for old, new, gradient, axis in zip(before, model.get_weights(), gradients, (inner, outer), strict=True):
        wanted = gradient if axis is None else gradient - gradient.mean(axis=axis, keepdims=True)
        np.testing.assert_allclose(old - new, wanted, atol=1e-6)


def test_the_order_in_which_axes_are_given_does_not_matter():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(3, use_bias=False), layers.Dense(3, use_bias=False)])
    first, second = (layer.kernel.path for layer in model.layers)
    gradient = np.random.default_rng(0).normal(size=(3, 3)).astype("float32")
    for names in ((first, second), (first.split("/", 1)[1], second.split("/", 1)[1])):  # whole paths, and their ends
        before = model.get_weights()
        axes = {names[1]: None, names[0]: 0}
        GCSGD(1.0, axes=axes).apply([ops.convert_to_tensor(gradient)] * 2, model.trainable_variables)
        moved = [old - new for old, new in zip(before, model.get_weights(), strict=True)]
        np.testing.assert_allclose(moved[0], gradient - gradient.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(moved[1], gradient, atol=1e-6)


def test_saved_axes_are_not_taken_for_those_of_another_network():
    saved = GCSGD(axes={"codebook": None})
    saved.build([custom("codebook", (8, 4)).held])
    with pytest.raises(ValueError, match=r"^No variable has a path for \['.*codebook'\]"):
        GCSGD.from_config(saved.get_config()).build([custom("table", (8, 4)).held])


def test_two_variables_with_one_path_and_different_axes():
    class Net(keras.Model):
        def __init__(self):
            super().__init__(name="net")
            self.one, self.other = layers.Conv2D(1, 3, name="x"), layers.DepthwiseConv2D(3, name="x")

        def call(self, inputs):
            return self.one(inputs) + ops.sum(self.other(inputs), -1, keepdims=True)

    model = Net()
    model(np.zeros((1, 8, 8, 2)))
    with pytest.raises(
        ValueError, match=r"^Two variables with different axes have one path: give .* different names\.$"
    ):
        layer_axes(model)
    assert variable_axes(model.trainable_variables) == [[0, 1, 2], None, [0, 1], None]


@pytest.mark.parametrize("axes", [None, {"scales": 0}], ids=["default", "asked for"])
@pytest.mark.parametrize("mode", MODES)
def test_what_keras_overwrites_with_its_gradient_is_never_touched(mode, axes):
    scales = keras.Variable(np.ones((4, 2), "float32"), name="scales_kernel")
    scales.overwrite_with_gradient = True
    given = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")
    GCSGD(1.0, centralize=mode, axes=axes).apply([ops.convert_to_tensor(given)], [scales])
    np.testing.assert_array_equal(ops.convert_to_numpy(scales), given)
