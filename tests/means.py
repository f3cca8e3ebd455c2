"""What the tests of the optimizers share: how far the means of weight vectors move, on every backend."""

import keras
import numpy as np
import pytest
from keras import ops

BACKEND = keras.backend.backend()
only_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="speaks of TensorFlow's own types")


def to_numpy(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def all_but_last(array):
    return tuple(range(array.ndim - 1))


def shift_of_means(before, after):
    """Largest shift of the mean of a weight vector, relative to the largest weight."""
    return max(
        np.abs((new.astype("float64") - old).mean(axis=all_but_last(old))).max() / np.abs(old).max()
        for old, new in zip(before, after, strict=True)
        if old.ndim >= 2
    )
