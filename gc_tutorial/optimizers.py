"""Gradient centralization for Keras 3 optimizers, on every backend.

Gradient centralization (GC) subtracts from the gradient of each weight vector its mean (Yong, Huang, Hua and
Zhang, "Gradient Centralization: A New Optimization Technique for Deep Neural Networks", ECCV 2020,
arXiv 2004.01461, equation 1). This file needs nothing but Keras: copy it into your project if you like.

    model.compile(optimizer=GCRMSprop(learning_rate=1e-3), loss="binary_crossentropy")
"""

import functools
import math
import re

import keras
from keras import ops

PACKAGE = "gc_tutorial"
MODES = ("gradient", "update")

# Searched in a variable's path, such as "sequential/dense/kernel", where nothing better is known about it.
LEFT_ALONE = re.compile(r"(bias|gamma|beta|scale|alpha|embed)[^/]*$")
DEPTHWISE = re.compile(r"(depthwise|dwconv|conv_dw)[^/]*(/[^/]*)?$")
ATTENTION = re.compile(r"(^|/)(query|key|value|gate)/kernel")


def centralize(gradient, axis=None):
    """Subtract from the gradient of each weight vector its mean.

    Args:
        gradient: dense floating-point tensor of any shape.
        axis: int or ints, the axes that belong to one output unit and are averaged over. By default all but the
            last, which is right for the kernels of Keras's dense and convolutional layers; a tensor of rank 0 or 1
            (a bias) is then returned as it is.

    Returns:
        Tensor of the same shape and dtype, with zero mean over `axis`. Half precision is centralized in float32. A
        NaN or infinity spreads to its own weight vector, as the formula says, and to no other.

    Raises:
        ValueError: if `axis` is empty or not an axis of `gradient`.

    Source: Yong et al. 2020, equation 1: GC(g) = g - mean(g).
    """
    gradient = ops.convert_to_tensor(gradient)
    if axis is None:
        if len(gradient.shape) < 2:
            return gradient
        axis = range(len(gradient.shape) - 1)
    exact, mean = _with_mean(gradient, _checked_axes(axis, gradient.shape))
    return ops.cast(exact - mean, gradient.dtype)


def _with_mean(tensor, axes):
    """The tensor and its mean, both in float32 where it has half precision."""
    if keras.backend.standardize_dtype(tensor.dtype) in ("float16", "bfloat16"):
        tensor = ops.cast(tensor, "float32")
    tensor = ops.convert_to_tensor(tensor)
    return tensor, ops.mean(tensor, axis=axes, keepdims=True)


def _checked_axes(axis, shape):
    axes = tuple(axis) if hasattr(axis, "__iter__") else (axis,)
    rank = len(shape)
    if not axes or any(not -rank <= one < rank for one in axes):
        raise ValueError(
            f"`axis` must name at least one of the {rank} axes of a tensor of shape {tuple(shape)}. "
            f"Received: axis={axis}"
        )
    return tuple(sorted({one % rank for one in axes}))


def _axes_from_path(path, rank):
    if rank < 2 or LEFT_ALONE.search(path):
        return None
    if rank > 2 and DEPTHWISE.search(path):  # (*window, channels, multiplier): every channel has its own vectors
        return list(range(rank - 2))
    if rank == 3 and ATTENTION.search(path):  # (features, heads, head size)
        return [0]
    return list(range(rank - 1))


def _axes_in_layer(layer, variable):
    rank = len(variable.shape)
    if variable.name == "kernel" and isinstance(layer, keras.layers.EinsumDense):
        _, kernel, output = re.split(",|->", layer.equation.replace(" ", ""))
        return [axis for axis, letter in enumerate(kernel) if letter not in output] or None
    if variable.name == "kernel" and isinstance(layer, (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)):
        return list(range(rank - 2))
    return _axes_from_path(variable.name, rank)  # the layer's type is known, so its name must not matter


def layer_axes(model):
    """Read from a model's layers which axes of each kernel belong to one output unit: `GCAdam(axes=layer_axes(model))`.

    An optimizer sees variables, not layers, and goes by their paths and shapes. This helps it where a
    `DepthwiseConv2D` is called "stem", or an `EinsumDense` does not sum over the first axis of its kernel. Freeze
    layers before, not after.

    Args:
        model: a built `keras.Model` or `keras.Layer`.

    Returns:
        List with, for each of `model.trainable_variables`, a list of axes, or None for what is left alone.

    Raises:
        ValueError: if the model has no variables yet.
    """
    if not model.built:
        raise ValueError(f"`layer_axes` expects a built model: call it on data first. Received: {model}")
    axes = {}
    for layer in model._flatten_layers():  # parents come before their children, which know better
        axes.update((id(variable), _axes_in_layer(layer, variable)) for variable in layer.trainable_variables)
    return [axes[id(variable)] for variable in model.trainable_variables]


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
        axes: what to average over, where you know better than the rule below. Either a dict from a regular
            expression, searched in a variable's path (the first that is found wins), to an axis, several, or None
            to leave it alone; or a list with such an entry for each variable, as `layer_axes(model)` makes.
        **kwargs: passed on to the optimizer.

    The rule: left alone are rank 0 and 1; variables named bias, gamma, beta, scale, alpha or embed...; and weight
    vectors of one element, which would never learn. Averaged are, where a path says depthwise, the window; in
    query, key, value and gate kernels of rank 3, axis 0; else all axes but the last. What this cannot know is a
    layer's type: a depthwise convolution by another name is centralized across its channels, unless `axes` says
    otherwise. Sparse gradients (TensorFlow's, of embeddings) are always left alone.

    With `"gradient"`: L2 penalties are part of the gradient, hence centralized; decoupled weight decay, `clipvalue`
    and constraints come later and move the mean; `clipnorm`, `global_clipnorm` and loss scales come later and keep
    it; centralizing every gradient that is accumulated comes to the same as centralizing their average; moving
    averages (EMA) are of the resulting weights. With `"update"`: the mean stays put through weight decay, clipping
    and accumulation, and where `use_ema` writes averages into the weights (those kept in the optimizer are not
    corrected); a constraint has the last word; half-precision weights hold their mean as well as they can.

    Raises:
        ValueError: if `centralize` is neither `"gradient"` nor `"update"`; and when the optimizer is built, if
            `axes` or an excluded name or variable does not fit its variables, or an axis is out of range.
    """

    def __init__(self, *args, centralize="gradient", conv_only=False, axes=None, **kwargs):
        if centralize not in MODES:
            raise ValueError(f"`centralize` must be one of {MODES}. Received: centralize={centralize!r}")
        super().__init__(*args, **kwargs)
        self.centralize = centralize
        self.conv_only = conv_only
        self.axes = axes
        self._excluded_names = ()
        self._excluded_keys = frozenset()

    def exclude_from_centralization(self, var_list=None, var_names=None):
        """Exclude variables from centralization, besides those excluded before; call it before `build`.

        Args:
            var_list: list of variables.
            var_names: list of strings; a variable is excluded if any of them is found in its path, such as
                `"sequential/dense/kernel"`.

        Raises:
            ValueError: if the optimizer is already built, or `var_names` is a string.
        """
        if self.built:
            raise ValueError("`exclude_from_centralization()` can only be configured before the optimizer is built.")
        if isinstance(var_names, str):
            raise ValueError(f"`var_names` must be a list of strings. Received: var_names={var_names!r}")
        self._excluded_names += tuple(var_names or ())
        self._excluded_keys |= frozenset(self._var_key(variable) for variable in var_list or ())

    def build(self, variables):
        """Create the optimizer's variables. See `keras.optimizers.Optimizer.build`."""
        if not self.built:
            self._axes = dict(zip(map(self._var_key, variables), self._find_axes(variables), strict=True))
        super().build(variables)

    def _find_axes(self, variables):
        """For each variable the axes to average over, or None where it is to be left alone."""
        paths = [getattr(variable, "path", variable.name) for variable in variables]  # a `tf.Variable` has no path
        listed = isinstance(self.axes, (list, tuple))
        if listed and len(self.axes) != len(variables):
            raise ValueError(f"`axes` must have an entry for each of {paths}. Received: axes={self.axes}")
        named = {} if listed or not self.axes else self.axes
        missing = [n for n in (*self._excluded_names, *named) if not any(re.search(n, path) for path in paths)]
        if missing or not self._excluded_keys <= set(map(self._var_key, variables)):
            raise ValueError(
                "What `axes` and `exclude_from_centralization()` name must be among the variables that the optimizer "
                f"is built with, {paths}. Received: {missing or 'other variables in `var_list`'}"
            )
        found = []
        for position, (variable, path) in enumerate(zip(variables, paths, strict=True)):
            rank = len(variable.shape)
            axes = self.axes[position] if listed else _axes_from_path(path, rank)
            axes = next((one for name, one in named.items() if re.search(name, path)), axes)
            excluded = any(re.search(name, path) for name in self._excluded_names)
            if axes is not None:
                axes = _checked_axes(axes, variable.shape)
                alone = math.prod(variable.shape[axis] for axis in axes) == 1
                if excluded or alone or self._var_key(variable) in self._excluded_keys or (self.conv_only and rank < 4):
                    axes = None
            found.append(axes)
        return found

    def apply(self, grads, trainable_variables=None):
        """Centralize, and update the variables. See `keras.optimizers.Optimizer.apply`."""
        grads = list(grads)
        variables = list(self._trainable_variables if trainable_variables is None else trainable_variables)
        if not grads or len(grads) != len(variables):
            return super().apply(grads, trainable_variables)  # nothing to do, or Keras says what is wrong
        if not self.built:
            self.build(variables)
        # A sparse gradient (`tf.IndexedSlices` has a dense shape) must stay sparse, and its other rows untouched.
        axes = [
            None if gradient is None or hasattr(gradient, "dense_shape") else self._axes.get(self._var_key(variable))
            for gradient, variable in zip(grads, variables, strict=True)
        ]
        if self.centralize == "gradient":
            grads = [g if axis is None else centralize(g, axis) for g, axis in zip(grads, axes, strict=True)]
            return super().apply(grads, trainable_variables)
        return self._hold_means(variables, axes, functools.partial(super().apply, grads, trainable_variables))

    def finalize_variable_values(self, var_list):
        """Put moving averages into the variables. See `keras.optimizers.Optimizer.finalize_variable_values`."""
        finalize = functools.partial(super().finalize_variable_values, var_list)
        if self.centralize == "gradient" or not self.use_ema:
            return finalize()
        return self._hold_means(var_list, [self._axes.get(self._var_key(one)) for one in var_list], finalize)

    def _hold_means(self, variables, axes, change):
        # Centralizing a change of the weights is the same as putting their mean back where it was, which needs no
        # copy of the weights, only their means.
        held = [(variable, axis) for variable, axis in zip(variables, axes, strict=True) if axis is not None]
        before = [_with_mean(variable, axis)[1] for variable, axis in held]
        change()
        for (variable, axis), mean in zip(held, before, strict=True):
            after, moved_mean = _with_mean(variable, axis)
            self.assign(variable, ops.cast(after - (moved_mean - mean), variable.dtype))
            if variable.constraint is not None:
                self.assign(variable, variable.constraint(variable))

    def get_config(self):
        axes, excluded = self.axes, bool(self._excluded_names or self._excluded_keys)
        if self.built and (axes or excluded):
            # By position, as Keras keeps an optimizer's state: paths can change when a model is saved and loaded.
            axes = [self._axes[self._var_key(variable)] for variable in self._trainable_variables]
        elif excluded:
            raise ValueError("Build the optimizer before saving it: what it excludes is not yet settled.")
        config = super().get_config()
        return {**config, "centralize": self.centralize, "conv_only": self.conv_only, "axes": _plain(axes)}


def _plain(axes):
    """Without tuples, which a Keras configuration would wrap."""
    if isinstance(axes, dict):
        return {name: _plain(one) for name, one in axes.items()}
    return [_plain(one) for one in axes] if hasattr(axes, "__iter__") else axes


def centralized(optimizer_class):
    """Make a class with gradient centralization from any Keras optimizer class.

    Args:
        optimizer_class: a subclass of `keras.optimizers.Optimizer`, such as `keras.optimizers.Nadam`.

    Returns:
        A subclass of `GradientCentralization` and `optimizer_class`, named `GC` and the class's name, and registered
        with `keras.saving`: call `centralized` again before loading a model that was saved with it.

    Raises:
        TypeError: if `optimizer_class` is not an optimizer class, or is `LossScaleOptimizer`.
    """
    is_optimizer = isinstance(optimizer_class, type) and issubclass(optimizer_class, keras.optimizers.Optimizer)
    if not is_optimizer or issubclass(optimizer_class, keras.optimizers.LossScaleOptimizer):
        raise TypeError(
            "`centralized` expects a class derived from `keras.optimizers.Optimizer`, such as `keras.optimizers.Adam` "
            f"(and not `LossScaleOptimizer`, which goes around its result). Received: {optimizer_class!r}"
        )
    return _make_centralized(optimizer_class)


@functools.cache
def _make_centralized(optimizer_class):
    if issubclass(optimizer_class, GradientCentralization):
        return optimizer_class
    doc = f"`{optimizer_class.__name__}` with gradient centralization; see `GradientCentralization`."
    name = f"GC{optimizer_class.__name__}"
    made = type(name, (GradientCentralization, optimizer_class), {"__doc__": doc, "__module__": __name__})
    return keras.saving.register_keras_serializable(package=PACKAGE)(made)


GCSGD = centralized(keras.optimizers.SGD)
GCRMSprop = centralized(keras.optimizers.RMSprop)
GCAdam = centralized(keras.optimizers.Adam)
GCAdamW = centralized(keras.optimizers.AdamW)
