"""The arms of the study: what each does to the gradient, and a measure of how much of it GC removes."""

from typing import Any

import keras
import numpy as np
from keras import ops

from gc_tutorial.optimizers import centralized

OPTIMIZERS = {
    "rmsprop": (keras.optimizers.RMSprop, {}),
    "sgd": (keras.optimizers.SGD, {"momentum": 0.9}),
    "adam": (keras.optimizers.Adam, {}),
    "adamw": (keras.optimizers.AdamW, {}),
}
CENTRALIZED_EPOCHS = 2  # of the arm "first_two_epochs"


def build_optimizer(
    optimizer: str,
    arm: str,
    model: keras.Model,
    learning_rate: Any,
    *,
    seed: int = 0,
    measured: bool = False,
    **arguments: Any,
) -> keras.optimizers.Optimizer:
    """Build the optimizer of an arm.

    Args:
        optimizer: `"rmsprop"`, `"sgd"` (momentum 0.9), `"adam"` or `"adamw"`.
        arm: of `gc_tutorial.study.factors.ARMS`.
        model: the built `keras.Model` that it will train.
        learning_rate: float, or a schedule of Keras.
        seed: int, from which the fixed directions of the arm `"random_direction"` follow.
        measured: whether to sum up how much of the gradient GC removes (or would remove): `removed_shares`.
        **arguments: further ones of the Keras optimizer.

    Returns:
        `keras.optimizers.Optimizer`.
    """
    optimizer_class, defaults = OPTIMIZERS[optimizer]
    arguments = {"learning_rate": learning_rate, **defaults, **arguments}
    if arm in ("gradient", "update", *EXCLUDED):
        optimizer_class = centralized(optimizer_class)
        arguments["centralize"] = "update" if arm == "update" else "gradient"
    elif arm in CHANGES:
        optimizer_class = _changed(optimizer_class, CHANGES[arm](seed))
    if measured:
        optimizer_class = _measured(optimizer_class)  # outermost, so that it sees the gradient as it comes
    built = optimizer_class(**arguments)
    if arm in EXCLUDED:
        kernels = _kernels(model)
        built.exclude_from_centralization([one for one in model.trainable_variables if EXCLUDED[arm](one, kernels)])
    return built


# Which variables an arm leaves alone.
EXCLUDED = {
    "first_layer": lambda variable, kernels: variable is not kernels[0],
    "conv_only": lambda variable, kernels: len(variable.shape) == 2,
    "dense_only": lambda variable, kernels: len(variable.shape) > 2,
}


def _kernels(model):
    return [variable for variable in model.trainable_variables if variable.path.endswith("/kernel")]


def kernel_names(model: keras.Model) -> list[str]:
    """Name the kernels in the order of `removed_shares`, such as `"conv2d/kernel"`."""
    return ["/".join(variable.path.split("/")[-2:]) for variable in _kernels(model)]


def chance_shares(model: keras.Model) -> list[float]:
    """The share that GC would remove of a gradient without direction: 1/M, M the length of a weight vector."""
    return [1 / np.prod([kernel.shape[axis] for axis in _axes(kernel)]) for kernel in _kernels(model)]


def _axes(kernel):
    """What GC averages over, in the layers of these networks."""
    if len(kernel.shape) == 3 and kernel.path.split("/")[-2] in ("query", "key", "value"):
        return [0]
    return list(range(len(kernel.shape) - 1))


def _mean(gradient, axes):
    return ops.mean(gradient, axis=axes, keepdims=True)


def _measured(base):
    """An optimizer class that adds up, kernel by kernel, the squared norm of the gradient and of what GC removes."""

    class Measured(base):  # type: ignore[misc, valid-type]
        def build(self, variables):
            if not self.built:
                self._kernel_positions = [n for n, one in enumerate(variables) if one.path.endswith("/kernel")]
                self._sums = keras.Variable(
                    np.zeros((len(self._kernel_positions), 2)), dtype="float32", trainable=False
                )
            super().build(variables)

        def apply(self, grads, trainable_variables=None):
            grads = list(grads)
            variables = list(self._trainable_variables if trainable_variables is None else trainable_variables)
            if not self.built:
                self.build(variables)
            sums = []
            for position in self._kernel_positions:
                gradient, axes = grads[position], _axes(variables[position])
                # A gradient of attention has no known shape within a graph of TensorFlow; its variable has.
                length = int(np.prod([variables[position].shape[axis] for axis in axes]))
                removed = length * ops.sum(ops.square(_mean(gradient, axes)))
                sums.append(ops.stack([removed, ops.sum(ops.square(gradient))]))
            self._sums.assign_add(ops.stack(sums))
            return super().apply(grads, trainable_variables)

        def removed_shares(self):
            """Per kernel the share of the squared norm that lies along the mean, since the last call: cos²(g, 1)."""
            removed, total = ops.convert_to_numpy(self._sums).T
            self._sums.assign(np.zeros(self._sums.shape))
            with np.errstate(invalid="ignore"):  # a run that has diverged has no share
                return np.divide(removed, total, out=np.zeros_like(removed), where=total > 0).tolist()

    Measured.__name__ = base.__name__
    return Measured


def _changed(base, change):
    """An optimizer class that changes the gradient of each kernel: `change(number, gradient, axes, shape)`."""

    class Changed(base):  # type: ignore[misc, valid-type]
        def apply(self, grads, trainable_variables=None):
            variables = list(self._trainable_variables if trainable_variables is None else trainable_variables)
            changed, number = [], 0
            for gradient, variable in zip(grads, variables, strict=True):
                if variable.path.endswith("/kernel"):
                    gradient, number = change(number, gradient, _axes(variable), variable.shape), number + 1
                changed.append(gradient)
            return super().apply(changed, trainable_variables)

    Changed.__name__ = base.__name__
    Changed.change = change
    return Changed


class _Scaled:
    """Remove `factor` times the mean; the factor may change between epochs."""

    def __init__(self, factor):
        self.factor = keras.Variable(factor, dtype="float32", trainable=False)

    def __call__(self, number, gradient, axes, shape):
        return gradient - self.factor * _mean(gradient, axes)


class _RawNorm:
    def __call__(self, number, gradient, axes, shape):
        centralized_gradient = gradient - _mean(gradient, axes)
        ratio = ops.norm(ops.reshape(gradient, [-1])) / (ops.norm(ops.reshape(centralized_gradient, [-1])) + 1e-12)
        return centralized_gradient * ratio


class _RandomDirection:
    """In each kernel the same fixed random direction for every weight vector, as GC has the same one, 1/√M."""

    def __init__(self, seed):
        self.seed = seed

    def __call__(self, number, gradient, axes, shape):
        shape = [size if axis in axes else 1 for axis, size in enumerate(shape)]
        direction = np.random.default_rng([self.seed, number]).normal(size=shape)
        direction = ops.convert_to_tensor(direction / np.linalg.norm(direction), gradient.dtype)
        return gradient - direction * ops.sum(gradient * direction, axis=axes, keepdims=True)


CHANGES = {
    "random_direction": _RandomDirection,
    "raw_norm": lambda seed: _RawNorm(),
    "half": lambda seed: _Scaled(0.5),
    "twice": lambda seed: _Scaled(2.0),
    "first_two_epochs": lambda seed: _Scaled(1.0),
}


class StopCentralizing(keras.callbacks.Callback):
    """Switch GC off from epoch 3 on, for the arm `"first_two_epochs"`."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        if epoch == CENTRALIZED_EPOCHS:
            type(self.model.optimizer).change.factor.assign(0.0)
