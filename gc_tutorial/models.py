"""The convolutional networks of the tutorial."""

import keras
from keras import layers

from gc_tutorial.checks import LARGEST_NUMBER, Shown, is_number, is_whole
from gc_tutorial.errors import value_error
from gc_tutorial.language import text

SMALLEST_IMAGE = 94  # pixels; five times (a 3×3 valid convolution, then a halving) leave one of them
SMALLEST_IMAGE_THREE_BLOCKS = 22  # pixels; three times (a 3×3 valid convolution, then a halving) leave one of them


def build_cnn(image_size: int = 300, dropout: float = 0.5, classes: int = 2) -> keras.Sequential:
    """Build the plain CNN, of five blocks: 1,704,097 parameters for two classes at 300×300.

    The model takes images of shape (batch, image_size, image_size, 3) with values 0 to 255, uint8 or float, which it
    scales to 0 to 1 itself (so that a batch travels to the device as uint8). It returns float32: for two classes of
    shape (batch, 1), the probability of class 1; for more of shape (batch, classes), the probability of each.

    Args:
        image_size: side of the square images in pixels, at least 94.
        dropout: fraction of activations dropped, in the three places where the published example drops them.
        classes: number of classes, at least 2.

    Returns:
        A `keras.Sequential`, not compiled; `loss_for` names the loss that fits it.

    Raises:
        ValueError: if `image_size` leaves nothing for the last pooling, for fewer than two classes, or for an argument
            that is not a valid number.

    Example:
        >>> build_cnn(300).count_params()
        1704097
    """
    _check_size(image_size, "five", SMALLEST_IMAGE)
    return keras.Sequential(
        [
            *_three_blocks(image_size, dropout),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            *_head(dropout, classes),
        ]
    )


def build_three_block_cnn(image_size: int = 300, dropout: float = 0.5, classes: int = 2) -> keras.Sequential:
    """Build the first three blocks of `build_cnn` with its head: 40,165,409 parameters for two classes at 300×300.

    Without the last two poolings the first dense layer has about 25 times as many inputs, and most of the parameters.

    Args:
        image_size: side of the square images in pixels, at least 22.
        dropout, classes: as for `build_cnn`.

    Returns:
        A `keras.Sequential`, not compiled, with the inputs and outputs of `build_cnn`.

    Raises:
        ValueError: as from `build_cnn`.
    """
    _check_size(image_size, "three", SMALLEST_IMAGE_THREE_BLOCKS)
    return keras.Sequential([*_three_blocks(image_size, dropout), *_head(dropout, classes)])


def loss_for(model: keras.Model) -> str:
    """Name the loss that fits the output of `build_cnn` or `build_three_block_cnn`.

    (The metric `"accuracy"` fits both, because Keras chooses it by the shape of the output.)

    Args:
        model: a `keras.Model` with one output of shape (batch, 1), or (batch, classes) for more than two classes.

    Returns:
        str: `"binary_crossentropy"` or `"sparse_categorical_crossentropy"`.

    Raises:
        TypeError: for what is not a model.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(text("`loss_for` expects a Keras model. Received: {model!r}", model=model))
    return "binary_crossentropy" if model.output_shape[-1] == 1 else "sparse_categorical_crossentropy"


def _check_size(image_size: int, blocks: str, smallest: int) -> None:
    if not is_whole(image_size, 0, LARGEST_NUMBER):
        raise value_error(
            "image_size={image_size!r} is not valid. Give a whole number of pixels from 1 to {largest:,}, such as 150.",
            image_size=Shown(image_size),
            largest=LARGEST_NUMBER,
        )
    if image_size < smallest:
        raise value_error(
            "image_size={image_size} is too small for {blocks} convolutions and poolings: the "
            "smallest that works is {smallest}.",
            image_size=image_size,
            blocks=blocks,
            smallest=smallest,
        )


def _three_blocks(image_size: int, dropout: float) -> list[keras.layers.Layer]:
    if not is_number(dropout) or not 0 <= dropout < 1:
        raise value_error(
            "dropout={dropout!r} is not valid. Give a number from 0 to below 1, such as 0.5.", dropout=Shown(dropout)
        )
    return [
        keras.Input((image_size, image_size, 3)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, activation="relu"),
        layers.Dropout(dropout),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Dropout(dropout),
        layers.MaxPooling2D(),
    ]


def _head(dropout: float, classes: int) -> list[keras.layers.Layer]:
    if not is_whole(classes, 2):
        raise value_error("classes={classes!r} is not valid. A classifier needs at least two classes.", classes=classes)
    units, activation = (1, "sigmoid") if classes == 2 else (classes, "softmax")
    return [
        layers.Flatten(),
        layers.Dropout(dropout),
        layers.Dense(512, activation="relu"),
        # float32 also under a mixed-precision policy: a half-precision probability rounds to 0 or 1 too soon.
        layers.Dense(units, activation=activation, dtype="float32"),
    ]
