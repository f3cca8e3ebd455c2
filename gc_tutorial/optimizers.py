"""Gradient centralization for Keras 3 optimizers, on every backend.

Gradient centralization (GC) subtracts from the gradient of each weight vector its mean (Yong, Huang, Hua and
Zhang, "Gradient Centralization: A New Optimization Technique for Deep Neural Networks", ECCV 2020,
arXiv 2004.01461, equation 1). This file needs nothing but Keras: copy it into your project if you like.

    model.compile(optimizer=GCRMSprop(learning_rate=1e-3), loss="binary_crossentropy")
"""

import functools
import re

import keras
from keras import ops

PACKAGE = "gc_tutorial"
MODES = ("gradient", "update")


def _mean(tensor, axis):
    """Mean over `axis`, kept as dimensions of 1; taken in float32 where the input has half precision."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if dtype in ("float16", "bfloat16"):
        return ops.cast(ops.mean(ops.cast(tensor, "float32"), axis=axis, keepdims=True), dtype)
    return ops.mean(tensor, axis=axis, keepdims=True)


def centralize(gradient, axis=None):
    """Subtract from the gradient of each weight vector its mean.

    Args:
        gradient: floating-point tensor of any shape.
        axis: int or tuple of ints, the axes that belong to one output unit and are averaged over. By default all
            but the last, which is right for the kernels of Keras's dense and convolutional layers; a tensor of
            rank 0 or 1 (a bias) is then returned as it is.

    Returns:
        Tensor of the same shape and dtype, with zero mean over `axis`.

    Raises:
        ValueError: if `axis` is not an axis of `gradient`.

    Source: Yong et al. 2020, equation 1: GC(g) = g - mean(g).
    """
    gradient = ops.convert_to_tensor(gradient)
    rank = len(gradient.shape)
    if axis is None:
        if rank < 2:
            return gradient
        axis = tuple(range(rank - 1))
    axis = (axis,) if isinstance(axis, int) else tuple(axis)
    if any(not -rank <= one < rank for one in axis):
        raise ValueError(
            f"`axis` must lie within the {rank} axes of the gradient, whose shape is {tuple(gradient.shape)}. "
            f"Received: axis={axis}"
        )
    return gradient - _mean(gradient, axis)


class GradientCentralization:
    """Mixin that gives a Keras optimizer class gradient centralization.

    Put it before the optimizer: `class GCSGD(GradientCentralization, keras.optimizers.SGD)`.
    It overrides `Optimizer.apply`, the one method through which `fit` and custom training loops pass on every
    backend. (`get_gradients`, which published examples override, is not called by Keras 3.)

    Args:
        *args: passed on to the optimizer.
        centralize: `"gradient"` (default) centralizes the gradient before the optimizer sees it, as in the paper.
            Under SGD, with or without momentum, the mean of each weight vector then never moves; under optimizers
            that rescale each element (RMSprop, Adam) it does. `"update"` centralizes what the optimizer did to the
            weights instead, so that the mean stays where it was under every optimizer; the paper's authors say in
            the notes to their code that this usually works better for adaptive ones.
        conv_only: whether to centralize only kernels of rank 4 and above (convolutions over images or volumes), as
            `gc_conv_only` in the authors' code.
        **kwargs: passed on to the optimizer.

    Variables of rank 0 and 1 (biases, normalization) and embeddings are left alone.

    Raises:
        ValueError: if `centralize` is neither `"gradient"` nor `"update"`.
    """

    def __init__(self, *args, centralize="gradient", conv_only=False, **kwargs):
        if centralize not in MODES:
            raise ValueError(f"`centralize` must be one of {MODES}. Received: centralize={centralize!r}")
        super().__init__(*args, **kwargs)
        self.centralize = centralize
        self.conv_only = conv_only
        self.exclude_from_centralization(var_names=["embeddings"])

    def exclude_from_centralization(self, var_list=None, var_names=None):
        """Exclude variables from centralization; call it before the optimizer is built.

        A second call replaces the first, and the default, which is `var_names=["embeddings"]`.

        Args:
            var_list: list of variables.
            var_names: list of strings; a variable is excluded if any of them is found in its path, such as
                `"sequential/dense/kernel"`.

        Raises:
            ValueError: if the optimizer is already built.
        """
        if getattr(self, "built", False):
            raise ValueError("`exclude_from_centralization()` can only be configured before the optimizer is built.")
        self._excluded_variables = frozenset(self._var_key(variable) for variable in var_list or ())
        self._excluded_pattern = "|".join(var_names) if var_names else None

    def _centralization_axes(self, variable):
        """The axes to average over, or None where the variable is to be left alone."""
        rank = len(variable.shape)
        path = getattr(variable, "path", variable.name)
        if (
            rank < (4 if self.conv_only else 2)
            or self._var_key(variable) in self._excluded_variables
            or (self._excluded_pattern and re.search(self._excluded_pattern, path))
        ):
            return None
        return tuple(range(rank - 1))

    def apply(self, grads, trainable_variables=None):
        """Centralize, and update the variables. See `keras.optimizers.Optimizer.apply`."""
        grads = list(grads)
        variables = list(self._trainable_variables if trainable_variables is None else trainable_variables)
        axes = [self._centralization_axes(variable) for variable in variables]
        if self.centralize == "gradient":
            grads = [
                gradient if gradient is None or axis is None else centralize(gradient, axis)
                for gradient, axis in zip(grads, axes, strict=True)
            ]
            return super().apply(grads, trainable_variables)
        # Centralizing an update is the same as putting the mean of the weights back where it was, which needs no
        # copy of the weights, only their means.
        moved = [
            (variable, axis)
            for variable, gradient, axis in zip(variables, grads, axes, strict=True)
            if gradient is not None and axis is not None
        ]
        before = [_mean(ops.convert_to_tensor(variable), axis) for variable, axis in moved]
        super().apply(grads, trainable_variables)
        for (variable, axis), mean in zip(moved, before, strict=True):
            after = ops.convert_to_tensor(variable)
            self.assign(variable, after - (_mean(after, axis) - mean))

    def get_config(self):
        return {**super().get_config(), "centralize": self.centralize, "conv_only": self.conv_only}


@functools.cache
def centralized(optimizer_class):
    """Make a class with gradient centralization from any Keras optimizer class.

    Args:
        optimizer_class: a subclass of `keras.optimizers.Optimizer`, such as `keras.optimizers.Nadam`.

    Returns:
        A subclass of `GradientCentralization` and `optimizer_class`, named `GC` and the class's name.

    Raises:
        TypeError: if `optimizer_class` is not an optimizer class.
    """
    if not (isinstance(optimizer_class, type) and issubclass(optimizer_class, keras.optimizers.Optimizer)):
        raise TypeError(
            "`centralized` expects a class derived from `keras.optimizers.Optimizer`, such as "
            f"`keras.optimizers.Adam`. Received: {optimizer_class!r}"
        )
    doc = f"`{optimizer_class.__name__}` with gradient centralization; see `GradientCentralization`."
    name = f"GC{optimizer_class.__name__}"
    made = type(name, (GradientCentralization, optimizer_class), {"__doc__": doc, "__module__": __name__})
    return keras.saving.register_keras_serializable(package=PACKAGE)(made)


GCSGD = centralized(keras.optimizers.SGD)
GCRMSprop = centralized(keras.optimizers.RMSprop)
GCAdam = centralized(keras.optimizers.Adam)
GCAdamW = centralized(keras.optimizers.AdamW)
