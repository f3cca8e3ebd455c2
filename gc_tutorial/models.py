"""The convolutional network of the tutorial."""

import keras
from keras import layers

from gc_tutorial.config import SMALLEST_IMAGE


def build_cnn(image_size=300, dropout=0.5):
    """Build the five-block CNN for two classes: 1,704,097 parameters at 300×300.

    The model takes images of shape (batch, image_size, image_size, 3) with values 0 to 255, uint8 or float, which it
    scales to 0 to 1 itself (so that a batch travels to the device as uint8), and returns float32 of shape
    (batch, 1), the probability of class 1.

    Args:
        image_size: side of the square images in pixels, at least 94.
        dropout: fraction of activations dropped, in the three places where the published example drops them.

    Returns:
        A `keras.Sequential`, not compiled.

    Raises:
        ValueError: if `image_size` leaves nothing for the last pooling.
    """
    if image_size < SMALLEST_IMAGE:
        raise ValueError(
            f"image_size={image_size} is too small for five convolutions and poolings: "
            f"the smallest that works is {SMALLEST_IMAGE}."
        )
    return keras.Sequential(
        [
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
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(512, activation="relu"),
            # float32 also under a mixed-precision policy: a half-precision probability rounds to 0 or 1 too soon.
            layers.Dense(1, activation="sigmoid", dtype="float32"),
        ]
    )
