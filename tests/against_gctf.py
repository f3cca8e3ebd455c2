"""What `gradient-centralization-tf` (gctf 0.0.3) does on Keras 3: nothing. Run by `tests/test_backends.py`.

It can be had with `pip install --no-deps gradient-centralization-tf` only, because it asks for Keras 2.4.
"""

import gctf
import keras
import numpy as np
import pytest
from keras import layers

from gc_tutorial.optimizers import centralized

FACTORIES = ["adam", "adamax", "nadam", "rmsprop", "sgd", "adagrad", "adadelta"]
CLASSES = {"rmsprop": "RMSprop", "sgd": "SGD"}


def train(optimizer):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(1)])
    model.compile(optimizer, "mse")
    random = np.random.default_rng(0)
    inputs, targets = random.normal(size=(64, 4)), random.normal(size=(64, 1))
    model.fit(inputs, targets, batch_size=8, epochs=3, shuffle=False, verbose=0)
    return model.get_weights()


def largest_difference(some, others):
    return max(np.abs(one - other).max() for one, other in zip(some, others, strict=True))


@pytest.mark.parametrize("name", FACTORIES)
def test_gctf_trains_bit_for_bit_like_the_plain_optimizer(name):
    theirs = getattr(gctf.optimizers, name)(learning_rate=0.01)
    plain = getattr(keras.optimizers, CLASSES.get(name, name.capitalize()))
    assert type(theirs) is plain
    weights = train(theirs)
    assert largest_difference(weights, train(plain.from_config(theirs.get_config()))) == 0
    assert largest_difference(weights, train(centralized(plain).from_config(theirs.get_config()))) > 1e-4


def test_its_ftrl_is_no_ftrl():
    with pytest.raises((TypeError, ValueError)):  # it hands the arguments of Ftrl to Adamax
        gctf.optimizers.ftrl()
