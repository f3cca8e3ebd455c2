"""The networks of the study: the plain CNN, the small CNN for small inputs, both also normalized, and a transformer."""

import keras
from keras import layers

from gc_tutorial.models import build_cnn

BATCH_NORMALIZATION_MOMENTUM = 0.9  # Keras's 0.99 is too slow for about 300 steps: evaluation stays at chance
PATCH = 12  # pixels
WIDTH, DEPTH, HEADS = 64, 4, 4


def build_network(name: str, input_shape: tuple[int, ...], classes: int, scaling: str = "0..1") -> keras.Model:
    """Build a network of the study, not compiled.

    Args:
        name: of `gc_tutorial.study.factors.NETWORKS`.
        input_shape: shape of one input, such as (94, 94, 3), without the batch.
        classes: number of classes, at least 2.
        scaling: `"0..1"` or `"-1..1"`, the interval to which the network scales pixels of 0 to 255. Other inputs
            (`"digits"`, `"mnist1d"`) come in a scale of their own and are taken as they are.

    Returns:
        `keras.Model`; its last layer is dense and float32, with the activation of `build_cnn`.
    """
    if name in ("cnn", "cnn_bn"):
        network = build_cnn(input_shape[0], classes=classes).layers
        network = [_rescaling(scaling) if isinstance(layer, layers.Rescaling) else _again(layer) for layer in network]
    elif name == "vit":
        return _vision_transformer(input_shape, classes, scaling)
    else:
        network = _small_cnn(len(input_shape) - 1, classes)
    if name.endswith("_bn"):
        network = [one for layer in network for one in _normalized(layer)]
    return keras.Sequential([keras.Input(input_shape), *network])


def _again(layer, **changes):
    """Copy a layer: the original would bring along its connections to another network."""
    return type(layer).from_config({**layer.get_config(), **changes})


def _rescaling(scaling):
    return layers.Rescaling(1 / 255) if scaling == "0..1" else layers.Rescaling(1 / 127.5, offset=-1)


def _normalized(layer):
    """A convolution with batch normalization between it and its activation; other layers as they are."""
    if not isinstance(layer, (layers.Conv1D, layers.Conv2D)):
        return [layer]
    linear = _again(layer, activation=None, use_bias=False)
    return [linear, layers.BatchNormalization(momentum=BATCH_NORMALIZATION_MOMENTUM), layers.Activation("relu")]


def _small_cnn(rank, classes):
    convolution = {1: layers.Conv1D, 2: layers.Conv2D}[rank]
    pooling = {1: layers.MaxPooling1D, 2: layers.MaxPooling2D}[rank]
    return [
        convolution(32, 3, padding="same", activation="relu"),
        pooling(),
        convolution(64, 3, padding="same", activation="relu"),
        pooling(),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(128, activation="relu"),
        _output(classes),
    ]


def _output(classes):
    return layers.Dense(1, "sigmoid") if classes == 2 else layers.Dense(classes, "softmax")


def _vision_transformer(input_shape, classes, scaling):
    """Patches, four pre-normalized blocks of attention and a perceptron, and their average (Beyer et al. 2022)."""
    inputs = keras.Input(input_shape)
    tokens = _rescaling(scaling)(inputs)
    tokens = layers.Conv2D(WIDTH, PATCH, strides=PATCH, name="patches")(tokens)
    tokens = layers.Reshape((-1, WIDTH))(tokens)
    positions = layers.Embedding(tokens.shape[1], WIDTH, name="positions")(keras.ops.arange(tokens.shape[1]))
    tokens = tokens + positions
    for _ in range(DEPTH):
        normalized = layers.LayerNormalization()(tokens)
        tokens = tokens + layers.MultiHeadAttention(HEADS, WIDTH // HEADS, dropout=0.1)(normalized, normalized)
        hidden = layers.Dense(2 * WIDTH, "gelu")(layers.LayerNormalization()(tokens))
        tokens = tokens + layers.Dropout(0.1)(layers.Dense(WIDTH)(hidden))
    pooled = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(tokens))
    return keras.Model(inputs, _output(classes)(pooled))
