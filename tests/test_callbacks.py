import time

import keras
import numpy as np
import pytest

from gc_tutorial import TimeHistory, WeightMeanDrift

INPUTS = np.ones((8, 3), "float32")
TARGETS = np.ones((8, 1), "float32")


class Sleep(keras.callbacks.Callback):
    """Make an epoch last a known time."""

    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.02)

    def on_test_batch_end(self, batch, logs=None):
        time.sleep(0.05)


def fit(*callbacks, validation=False, epochs=2):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    data = (INPUTS, TARGETS) if validation else None
    model.fit(INPUTS, TARGETS, batch_size=4, epochs=epochs, validation_data=data, callbacks=list(callbacks), verbose=0)
    return model


@pytest.mark.parametrize(("validation", "least"), [(True, 0.05), (False, 0.0)])
def test_training_and_validation_are_timed_apart(validation, least):
    times = TimeHistory()
    fit(Sleep(), times, validation=validation, epochs=3)
    assert len(times.train_seconds) == len(times.validation_seconds) == 3
    assert all(seconds >= 0.04 for seconds in times.train_seconds)
    assert all(seconds >= least for seconds in times.validation_seconds)
    if not validation:
        assert times.validation_seconds == [0.0, 0.0, 0.0]


def test_a_callback_used_again_starts_anew():
    times = TimeHistory()
    fit(times)
    fit(times)
    assert len(times.train_seconds) == 2


def test_drift_is_the_largest_shift_of_a_columns_mean():
    class Shift(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            first, second = (layer.kernel for layer in self.model.layers)
            first.assign(self.kernel + np.array([[0.0, 0.3], [0.0, 0.3], [0.0, -0.3]]))  # the mean of one column: +0.1
            second.assign_add(np.array([[0.01], [-0.01]]))  # no mean at all

        def on_train_begin(self, logs=None):
            self.kernel = np.array(self.model.layers[0].kernel)
            self.model.optimizer.learning_rate = 0.0

    drift = WeightMeanDrift()
    fit(Shift(), drift)
    np.testing.assert_allclose(drift.drift, [0.1, 0.1], atol=1e-6)
