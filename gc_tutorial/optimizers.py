"""Gradient centralization for Keras 3 optimizers, on every backend. This file needs nothing but Keras: copy it.

Gradient centralization (GC) subtracts from the gradient of each weight vector its mean (Yong, Huang, Hua and Zhang,
"Gradient Centralization: A New Optimization Technique for Deep Neural Networks", ECCV 2020, arXiv 2004.01461, eq. 1).

    model.compile(optimizer=GCRMSprop(learning_rate=1e-3), loss="binary_crossentropy")

A weight vector holds the weights of one output unit: the mean is over the axes of a kernel that its layer sums over.
An optimizer is given variables, not layers. When it is built, it looks among all layers in memory for the one that has
the variable as an attribute (a few hundredths of a second). The first rule that applies decides:

1. Float8 scales, sparse gradients, and weight vectors of one element (they would never learn) are left alone.
2. `axes` and `exclude_from_centralization`. `layer_axes(model)` shows for each variable what follows without them.
3. Left alone: rank 0 and 1; and names that end in bias, gamma, beta, scale, alpha or embedding(s).
4. Kernels of Keras's own layers: what the class says (for `EinsumDense` the equation), whatever the layer is called.
   Transposed convolutions are averaged per output channel, as equation 1 says; the authors' code does it per input
   channel, because PyTorch stores these kernels the other way round, and the paper does not mention them.
5. Other matrices called kernel or something_kernel: axis 0, because Keras stores (inputs, outputs).
6. All others are left alone, and a warning names them.
"""

import contextlib
import functools
import gc
import inspect
import math
import operator
import re
import warnings

import keras
from keras import layers, ops

PACKAGE, MODES, UNKNOWN = "gc_tutorial", ("gradient", "update"), "unknown"
KERNEL = re.compile(r"(^|_)(kernel(_[ab])?|reverse_embeddings)$")
NO_KERNEL = re.compile(r"(^|_)(bias|gamma|beta|scale|alpha|(?<!reverse_)embeddings?(_[ab])?)$")


def centralize(gradient, axis=None):
    """Subtract from the gradient of each weight vector its mean (Yong et al. 2020, equation 1: GC(g) = g - mean(g)).

    >>> ops.convert_to_numpy(centralize([[1.0, 2.0], [3.0, 6.0]])).tolist()
    [[-1.0, -2.0], [1.0, 2.0]]

    Args:
        gradient: dense floating-point tensor of any shape.
        axis: int or ints, the axes that belong to one output unit, to be averaged over. By default all but the last (as
            in dense and ordinary convolutional kernels); a tensor of rank 0 or 1 is then returned as it is.

    Returns:
        Tensor of the same shape and dtype, with zero mean over `axis`, computed in float32 for half precision. A NaN or
        infinity spreads to its own weight vector only. Raises a ValueError for an `axis` that is not there.
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
    axes, rank = tuple(axis) if hasattr(axis, "__iter__") else (axis,), len(shape)
    if not axes or any(not -rank <= one < rank for one in axes):
        raise ValueError(
            f"`axis` must name at least one axis of a tensor of shape {tuple(shape)}. Received: axis={axis}"
        )
    return tuple(sorted({one % rank for one in axes}))


def _path(variable):
    return getattr(variable, "path", variable.name)  # a `tf.Variable` has no path


@functools.lru_cache(maxsize=0)  # which keeps nothing, but keeps TensorFlow's AutoGraph from rewriting this
def _owned():
    """Pairs of a layer and a variable that it has as an attribute, for all layers in memory."""
    alive = [one for one in gc.get_objects() if issubclass(type(one), keras.Layer)]
    return [(one, held) for one in alive for held in list(vars(one).values()) if isinstance(held, keras.Variable)]


def _kernel_axes(layer, name, rank):
    window, all_but_last = list(range(rank - 2)), list(range(rank - 1))
    if isinstance(layer, layers.EinsumDense):
        kernel, output = re.split(",|->", layer.equation.replace(" ", ""))[1:]
        summed = [axis for axis, letter in enumerate(kernel) if letter not in output]
        # LoRA factors: a has the axes of the kernel, with its own rank as the last; b has that rank and the last axis.
        return [int(len(kernel) - 1 in summed)] if name == "lora_kernel_b" else summed or None
    if name == "depthwise_kernel" or isinstance(layer, (layers.DepthwiseConv1D, layers.DepthwiseConv2D)):
        return window
    if isinstance(layer, (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)):
        return [*window, rank - 1]
    known = isinstance(layer, (layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D)) or name == "pointwise_kernel"
    return all_but_last if known or type(layer).__module__.startswith("keras.") else UNKNOWN


def _axes_of(variable, owners):
    name, rank = _path(variable).split("/")[-1].split(":")[0], len(variable.shape)
    if rank < 2 or NO_KERNEL.search(name):
        return None
    if not KERNEL.search(name):
        return UNKNOWN if math.prod(variable.shape[:-1]) > 1 else None
    answers = [axes for axes in (_kernel_axes(one, name, rank) for one in owners or [None]) if axes != UNKNOWN]
    answers = answers or [[0] if rank == 2 and "lora" not in name else UNKNOWN]
    return answers[0] if all(one == answers[0] for one in answers) else UNKNOWN  # layers can share a variable


def variable_axes(variables, told=None):
    """For each variable a list of axes, or None for what is left alone; `told` holds what is known, or UNKNOWN."""
    told, owners = told or [UNKNOWN for _ in variables], {id(variable): [] for variable in variables}
    for layer, variable in _owned() if UNKNOWN in told else ():
        owners.get(id(variable), []).append(layer)
    found, unknown = [], []
    for variable, axes in zip(variables, told, strict=True):
        axes = _axes_of(variable, owners[id(variable)]) if axes == UNKNOWN else axes
        if axes == UNKNOWN:
            unknown.append(f"{_path(variable)} {tuple(variable.shape)}")
        if axes in (None, UNKNOWN) or getattr(variable, "overwrite_with_gradient", False):
            found.append(None)
        else:
            axes = _checked_axes(axes, variable.shape)
            found.append(list(axes) if math.prod(variable.shape[axis] for axis in axes) > 1 else None)
    if unknown:
        names = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        message = "which axes belong to one output unit is not known. Pass `axes={'its/path': axes}`, or None for axes."
        warnings.warn(f"Gradient centralization leaves {names} alone: {message}", stacklevel=2)
    return found


def layer_axes(model):
    """Show which axes of each kernel are averaged over. Change what is wrong, and pass it on: `GCAdam(axes=...)`.

    >>> layer_axes(keras.Sequential([keras.Input((5,)), layers.Dense(2, name="top")], name="net"))
    {'net/top/kernel': [0], 'net/top/bias': None}

    Args:
        model: a built `keras.Model` or `keras.Layer`.

    Returns:
        Dict from the path of each trainable variable to a list of axes, or None for what is left alone. Raises a
        ValueError if there are no variables yet, or several with one path and different axes.
    """
    if not model.built:
        raise ValueError(f"`layer_axes` expects a built model: call it on data first. Received: {model}")
    found = {}
    for variable, axes in zip(model.trainable_variables, variable_axes(model.trainable_variables), strict=True):
        if found.setdefault(_path(variable), axes) != axes:
            raise ValueError(f"Two variables have the path {_path(variable)!r}: give their layers different names.")
    return found


class GradientCentralization:
    """Mixin that gives a Keras optimizer class gradient centralization. Put it before the optimizer.

    >>> class GCLion(GradientCentralization, keras.optimizers.Lion): ...

    It overrides `Optimizer.apply`, the one method that `fit` and custom training loops call on every backend.

    Args:
        *args, **kwargs: passed on to the optimizer.
        centralize: `"gradient"` (default) centralizes the gradient before the optimizer sees it, as in the paper. With
            SGD, with or without momentum, the mean of each weight vector then never moves; with optimizers that rescale
            each element (RMSprop, Adam) it does. `"update"` centralizes the change of the weights, and the mean stays
            with every optimizer. The authors' Adam does this by default, and ours the first: they say that the second
            usually works better for adaptive optimizers. None or `"none"`: no GC, for comparison.
        conv_only: whether to centralize only kernels of rank 4 and above, like `gc_conv_only` in the authors' code.
        axes: dict from a variable's path, or a regular expression searched in all that are not such a path, to an axis,
            several, or None to leave it alone. The first that is found applies.

    With `"gradient"`: L2 penalties are part of the gradient, hence centralized; decoupled weight decay, `clipvalue`
    and constraints come later and move the mean; `clipnorm`, `global_clipnorm`, loss scales and accumulation keep it;
    moving averages (EMA) are of the resulting weights. With `"update"`: the mean stays through all of these, and where
    EMA overwrites weights (averages kept in the optimizer are not corrected), but a constraint has the last word.
    Means of weights stored in bfloat16 are held only to rounding: BFLOAT.

    Raises:
        ValueError: if `centralize` or `axes` is not valid, or (when it is built) names what is not there.
        TypeError: if a class has the mixin after the optimizer, where it would do nothing.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for base in cls.__mro__[: cls.__mro__.index(GradientCentralization)]:
            if issubclass(base, keras.optimizers.Optimizer) and not issubclass(base, GradientCentralization):
                raise TypeError(f"`GradientCentralization` must come before `{base.__name__}` in class {cls.__name__}.")

    def __init__(self, *args, centralize="gradient", conv_only=False, axes=None, **kwargs):
        if centralize not in (*MODES, "none", None):
            raise ValueError(f"`centralize` must be one of {MODES} or None. Received: centralize={centralize!r}")
        super().__init__(*args, **kwargs)
        self.centralize, self.conv_only = None if centralize == "none" else centralize, conv_only
        self.axes, self._saved = None if axes is None else _plain(axes), isinstance(axes, list)
        self._excluded = ()  # of each variable its key and path

    def exclude_from_centralization(self, var_list=None, var_names=None):
        """Exclude variables, in addition to those excluded before, like `axes` with None. Call it before `build`.

        Args:
            var_list: list of variables, which may be frozen.
            var_names: list of str, paths or regular expressions as in `axes`.
        """
        if self.built or isinstance(var_names, str):
            problem = f"`var_names` must be a list of strings. Received: {var_names!r}"
            raise ValueError("Exclude variables before the optimizer is built." if self.built else problem)
        excluded = _plain(dict.fromkeys(var_names or ()))
        self.axes = {**excluded, **{name: axes for name, axes in (self.axes or {}).items() if name not in excluded}}
        self._excluded += tuple((self._var_key(one), _path(one)) for one in var_list or ())

    def build(self, variables):
        """Create the optimizer's variables. See `keras.optimizers.Optimizer.build`."""
        if not self.built:
            axes = [axes and tuple(axes) for axes in variable_axes(variables, self._told(variables))]
            self._axes = dict(zip(map(self._var_key, variables), axes, strict=True))
        super().build(variables)

    def _told(self, variables):
        paths, named, excluded = list(map(_path, variables)), dict(self.axes or {}), {key for key, _ in self._excluded}
        if self._saved and not set(paths) & set(named):  # a loaded model can have other paths, but has the same order
            named = dict(zip(paths, named.values(), strict=True))
        # Loading can also take the name of the model from the front of a path.
        full = {name: max((p for p in paths if f"/{name}".endswith(f"/{p}")), key=len, default=None) for name in named}
        everything = "\n".join([*paths, *(_path(one) for _, one in _owned() if named and not one.trainable)])
        missing = [name for name in named if not full[name] and not re.search(name, everything, re.MULTILINE)]
        if missing:
            raise ValueError(f"No variable has a path for {missing}. The paths are {paths[:5]} and so on.")
        told = []
        for variable, path in zip(variables, paths, strict=True):
            names = [name for name in named if (full[name] == path if full[name] else re.search(name, path))]
            alone = self._var_key(variable) in excluded or (self.conv_only and len(variable.shape) < 4)
            told.append(None if alone or not self.centralize else named[names[0]] if names else UNKNOWN)
        return told

    def apply(self, grads, trainable_variables=None):
        """Centralize, and update the variables. See `keras.optimizers.Optimizer.apply`."""
        grads = list(grads)
        variables = list(self._trainable_variables if trainable_variables is None else trainable_variables)
        if not grads or len(grads) != len(variables) or not self.centralize:
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
        held = [variable for variable, axis in zip(variables, axes, strict=True) if axis is not None]
        if self.use_ema:  # it can overwrite variables without a gradient, too
            given = {self._var_key(one) for one, gradient in zip(variables, grads, strict=True) if gradient is not None}
            held += [one for one in self._trainable_variables if self._var_key(one) not in given]
        return self._hold_means(held, functools.partial(super().apply, grads, trainable_variables))

    def finalize_variable_values(self, var_list):
        """Put moving averages into the variables. See `keras.optimizers.Optimizer.finalize_variable_values`."""
        held = var_list if self.centralize == "update" and self.use_ema else []
        self._hold_means(held, functools.partial(super().finalize_variable_values, var_list))

    def _hold_means(self, variables, change):
        # To centralize a change of the weights is to put their mean back where it was, which needs no copy of them.
        held = [(one, self._axes[self._var_key(one)]) for one in variables if self._axes.get(self._var_key(one))]
        before = [_with_mean(variable, axis)[1] for variable, axis in held]
        change()
        for (variable, axis), mean in zip(held, before, strict=True):
            after, moved_mean = _with_mean(variable, axis)
            self.assign(variable, ops.cast(after - (moved_mean - mean), variable.dtype))
            if variable.constraint is not None:
                self.assign(variable, variable.constraint(variable))

    def get_config(self):
        """Configuration, where `axes` includes what is excluded. See `keras.optimizers.Optimizer.get_config`."""
        excluded = dict.fromkeys(path for _, path in self._excluded)
        axes = {**excluded, **_plain(self.axes or {}), **excluded} or None
        if axes and self.built:  # in the order in which the state of the optimizer is saved
            axes = {_path(one): self._axes[self._var_key(one)] for one in self._trainable_variables}
        if axes and (self.built or self._saved):
            axes = [[path, one and list(one)] for path, one in axes.items()]
        return {**super().get_config(), "centralize": self.centralize, "conv_only": self.conv_only, "axes": axes}


def _plain(axes):
    """A dict of axes as a configuration can hold it: of str to list of int, or None."""
    try:
        lists = {
            re.compile(n).pattern: a if a is None or hasattr(a, "__iter__") else [a] for n, a in dict(axes).items()
        }
        return {name: one if one is None else [operator.index(axis) for axis in one] for name, one in lists.items()}
    except (TypeError, ValueError, re.error) as error:
        expected = "`axes` must be a dict from a path or regular expression to an int, several, or None"
        raise ValueError(f"{expected}. Received: axes={axes!r} ({error})") from None


def centralized(optimizer_class):
    """Make a class with gradient centralization from any Keras optimizer class.

    >>> optimizer = centralized(keras.optimizers.Lion)(learning_rate=1e-4, centralize="update")

    Args:
        optimizer_class: a subclass of `keras.optimizers.Optimizer`, such as `keras.optimizers.Nadam`.

    Returns:
        A subclass of `GradientCentralization` and `optimizer_class`, named `GC` and the class's name, and registered
        with `keras.saving`. Import this file before you load a saved model. If the class is not one of Keras's, call
        `centralized` again, too; to pickle it, assign it to that name in the module of `optimizer_class`.

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
    name, base, package, module = optimizer_class.__name__, optimizer_class, PACKAGE, __name__
    if getattr(keras.optimizers, name, None) is not optimizer_class:  # Keras's own must keep their registered names
        module = optimizer_class.__module__
        package = f"{PACKAGE}.centralized({module}.{optimizer_class.__qualname__})"
    elif keras.backend.backend() == "torch":
        with keras.device("cpu"), contextlib.suppress(TypeError):
            base = type(optimizer_class())  # `Adam()` is of a faster subclass there

    def __init__(self, *args, **kwargs):
        GradientCentralization.__init__(self, *args, **kwargs)

    signatures = map(inspect.signature, (optimizer_class.__init__, GradientCentralization.__init__))
    parameters = {key: one for signature in signatures for key, one in signature.parameters.items() if key != "args"}
    __init__.__signature__ = inspect.Signature(sorted(parameters.values(), key=lambda one: one.kind))
    content = {"__init__": __init__, "__module__": module, "__doc__": f"`{name}` with gradient centralization."}
    made = type(f"GC{name}", (GradientCentralization, base), content)
    return keras.saving.register_keras_serializable(package=package)(made)


_other = keras.saving.get_registered_object(f"{PACKAGE}>GCAdam")
if _other is not None and _other.__module__ != __name__:
    warnings.warn(f"Import only one copy of this file: {_other.__module__} was here before {__name__}.", stacklevel=2)
GCSGD, GCRMSprop = centralized(keras.optimizers.SGD), centralized(keras.optimizers.RMSprop)
GCAdam, GCAdamW = centralized(keras.optimizers.Adam), centralized(keras.optimizers.AdamW)
for _one in [*vars(keras.optimizers).values()]:  # the others too, so that whatever was saved or pickled is found
    with contextlib.suppress(TypeError):
        globals()[f"GC{_one.__name__}"] = centralized(_one)
