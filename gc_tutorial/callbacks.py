"""Keras callbacks: the time of each epoch, and the drift of the means of the weights."""

import time

import keras
import numpy as np

from gc_tutorial.optimizers import variable_axes


class TimeHistory(keras.callbacks.Callback):
    """Record how long each epoch took, with training and validation separate.

    Attributes:
        train_seconds: list of float, the wall-clock seconds of each epoch's training steps.
        validation_seconds: list of float, of each epoch's validation (0.0 without `validation_data`).

    Example:
        >>> times = TimeHistory()
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> history = model.fit(np.ones((8, 3)), np.ones(8), epochs=2, callbacks=[times], verbose=0)
        >>> len(times.train_seconds), times.validation_seconds
        (2, [0.0, 0.0])
    """

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.train_seconds: list[float] = []
        self.validation_seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch_began = time.perf_counter()
        self._validation_began: float | None = None

    def on_test_begin(self, logs: dict | None = None) -> None:
        self._validation_began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        ended = time.perf_counter()
        training_ended = self._validation_began or ended
        self.train_seconds.append(training_ended - self._epoch_began)
        self.validation_seconds.append(ended - training_ended)


class WeightMeanDrift(keras.callbacks.Callback):
    """Record how far the means of the weight vectors have moved since training began.

    Under gradient centralization with SGD they do not move (Yong et al. 2020, section 4.1: eᵀw stays constant),
    which makes this the best check that GC runs. Which of a kernel's axes make up a weight vector is known from the
    model's layers, as `gc_tutorial.layer_axes` shows it.

    Attributes:
        drift: list of float, after each epoch the largest absolute shift of any weight vector's mean, over all
            kernels that gradient centralization applies to.

    Example:
        >>> drift = WeightMeanDrift()
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(0.1), "mse")
        >>> history = model.fit(np.ones((8, 3)), np.full(8, 9.0), epochs=2, callbacks=[drift], verbose=0)
        >>> drift.drift[0] > 0.1  # without GC the mean moves
        True
    """

    def on_train_begin(self, logs: dict | None = None) -> None:
        variables = self.model.trainable_variables
        axes = variable_axes(variables)  # computed once, so that an unknown layer is reported once
        self._watched = [(variable, tuple(one)) for variable, one in zip(variables, axes, strict=True) if one]
        self._before = self._means()
        self.drift: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        shifts = [np.abs(now - then).max() for now, then in zip(self._means(), self._before, strict=True)]
        self.drift.append(float(max(shifts, default=0.0)))  # there may be no kernels

    def _means(self) -> list[np.ndarray]:
        return [
            np.mean(keras.ops.convert_to_numpy(variable), axis=axes, dtype="float64")
            for variable, axes in self._watched
        ]
