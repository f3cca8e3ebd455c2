"""Gradient centralization for Keras 3 optimizers, on every backend. This file needs nothing but Keras: copy it.

Gradient centralization (GC) subtracts the mean from the gradient of each weight vector (Yong, Huang, Hua and Zhang,
"Gradient Centralization: A New Optimization Technique for Deep Neural Networks", ECCV 2020, arXiv 2004.01461, eq. 1).

A weight vector holds the weights of one output unit: the mean is over the axes of a kernel that its layer sums over. An
optimizer finds this layer when it is built, among all layers in memory. The first rule that applies decides:
1. Float8 scales, sparse gradients, and weight vectors of one element (they would never learn) are left alone.
2. `axes` and `exclude_from_centralization`. `layer_axes(model)` shows for each variable what follows without them.
3. Left alone: rank 0 and 1; and names that end in bias, gamma, beta, scale, alpha or embedding(s).
4. Kernels of Keras's own layers: what the class says (`EinsumDense`: the equation), under any name. For transposed
   convolutions per output channel, as equation 1 says (the authors' code, in PyTorch's layout: per input channel).
5. Other matrices called kernel or something_kernel, without "conv": axis 0. All else is left alone, with a warning.
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

PACKAGE, MODES, UNKNOWN, MADE = "gc_tutorial", ("gradient", "update"), "unknown", {}
KERNEL = re.compile(r"(^|_)(kernel(_[ab])?|reverse_embeddings)$")
NO_KERNEL = re.compile(r"(^|_)(bias|gamma|beta|scale|alpha|(?<!reverse_)embeddings?(_[ab])?)$")


def centralize(gradient, axis=None):
    """Subtract the mean from the gradient of each weight vector (Yong et al. 2020, equation 1: GC(g) = g - mean(g)).

    >>> keras.ops.convert_to_numpy(centralize([[1.0, 2.0], [3.0, 6.0]])).tolist()
    [[-1.0, -2.0], [1.0, 2.0]]

    Args:
        gradient: dense floating-point tensor of any shape.
        axis: int or ints, the axes to average over. By default all but the last, as in dense and ordinary convolutional
            kernels; a tensor of rank 0 or 1 is then returned as it is. A ValueError says if one is not there.

    Returns a tensor of the same shape and dtype; half precision is computed in float32.
    """
    gradient = ops.convert_to_tensor(gradient)
    if not keras.backend.is_float_dtype(gradient.dtype):
        raise ValueError(f"`gradient` must be of floating-point numbers. Received: dtype={gradient.dtype}")
    if axis is None and len(gradient.shape) < 2:
        return gradient
    axis = range(len(gradient.shape) - 1) if axis is None else axis
    exact, mean = _with_mean(gradient, _checked_axes(axis, gradient.shape))
    return ops.cast(exact - mean, gradient.dtype)


def _with_mean(tensor, axes):
    half = keras.backend.standardize_dtype(tensor.dtype) in ("float16", "bfloat16")  # too coarse for a mean
    tensor = ops.cast(tensor, "float32") if half else ops.convert_to_tensor(tensor)
    return tensor, ops.mean(tensor, axis=axes, keepdims=True)


def _checked_axes(axis, shape):
    axes, rank = tuple(axis) if hasattr(axis, "__iter__") else (axis,), len(shape)
    if not axes or any(type(one) is bool or not hasattr(one, "__index__") or not -rank <= one < rank for one in axes):
        raise ValueError(f"`axis` must name axes of a tensor of shape {tuple(shape)}. Received: axis={axis}")
    return tuple(sorted({one % rank for one in axes}))


def _path(variable):
    return getattr(variable, "path", variable.name)  # a `tf.Variable` has no path


@functools.lru_cache(maxsize=0)  # which keeps nothing, but keeps TensorFlow's AutoGraph from rewriting this
def _owned():  # pairs of a layer and a variable that it has as an attribute, for all layers in memory
    alive = [one for one in gc.get_objects() if issubclass(type(one), keras.Layer)]
    return [(one, held) for one in alive for held in list(vars(one).values()) if isinstance(held, keras.Variable)]


def _kernel_axes(layer, name, rank):
    from_keras = type(layer).__module__.startswith("keras.")
    if not from_keras and not re.fullmatch("((depth|point)wise_)?kernel|lora_kernel_[ab]", name):
        return UNKNOWN  # of a class derived from Keras's, but not a weight of Keras's class
    if isinstance(layer, layers.EinsumDense):
        kernel, output = re.split(",|->", layer.equation.replace(" ", ""))[1:]
        summed = [axis for axis, letter in enumerate(kernel) if letter not in output]
        # LoRA factors: a has the axes of the kernel, with its own rank as the last; b has that rank and the last axis.
        return [int(len(kernel) - 1 in summed)] if name == "lora_kernel_b" else summed or None
    if name == "depthwise_kernel" or isinstance(layer, (layers.DepthwiseConv1D, layers.DepthwiseConv2D)):
        return [*range(rank - 2)] or UNKNOWN
    if isinstance(layer, (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)):
        return [*range(rank - 2), rank - 1]
    known = from_keras or name == "pointwise_kernel" or (isinstance(layer, layers.Dense) and rank == 2)
    return [*range(rank - 1)] if known or isinstance(layer, (layers.Conv1D, layers.Conv2D, layers.Conv3D)) else UNKNOWN


def _axes_of(variable, axes, owners):
    name, rank = _path(variable).split("/")[-1].split(":")[0], len(variable.shape)
    kernel = KERNEL.search(name)
    alone = rank < 2 or NO_KERNEL.search(name) or not (kernel or math.prod(variable.shape[:-1]) > 1)
    if axes is None or getattr(variable, "overwrite_with_gradient", False) or (axes == UNKNOWN and alone):
        return None
    if axes == UNKNOWN:
        by_layer = [_kernel_axes(owner, name, rank) for owner in owners or [None]] if kernel else []
        by_name = [0] if kernel and rank == 2 and not re.search("lora|conv|depthwise", name) else UNKNOWN
        known = [answer for answer in by_layer if answer != UNKNOWN] or [by_name]
        axes = known[0] if all(answer == known[0] for answer in known) else UNKNOWN  # layers can share a variable
    if axes in (None, UNKNOWN):
        return axes
    axes = _checked_axes(axes, variable.shape)
    return list(axes) if math.prod(variable.shape[axis] for axis in axes) > 1 else None


def variable_axes(variables, told=None):
    """For each variable a list of axes, or None for what is left alone; `told` holds what is known, or UNKNOWN."""
    told, owners = told or [UNKNOWN for _ in variables], {id(variable): [] for variable in variables}
    for layer, variable in _owned() if UNKNOWN in told else ():
        owners.get(id(variable), []).append(layer)
    found = [_axes_of(v, axes, owners[id(v)]) for v, axes in zip(variables, told, strict=True)]
    unknown = [f"{_path(v)} {tuple(v.shape)}" for v, axes in zip(variables, found, strict=True) if axes == UNKNOWN]
    if unknown:
        names = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        why = f"Gradient centralization leaves {names} alone: it is not known which axes make up a weight vector. "
        warnings.warn(why + "Pass them, as in `axes={'its/path': (0, 1)}`, or None to leave it alone.", stacklevel=2)
    return [None if axes == UNKNOWN else axes for axes in found]


def layer_axes(model):
    """Show which axes of each kernel are averaged over. Change what is wrong, and pass it on: `GCAdam(axes=...)`.

    >>> layer_axes(keras.Sequential([keras.Input((5,)), keras.layers.Dense(2, name="top")], name="net"))
    {'net/top/kernel': [0], 'net/top/bias': None}

    Returns a dict from the path of each trainable variable of a model or layer to a list of axes, or None for what is
    left alone. Raises a ValueError if the model is not built, or its paths are not unique.
    """
    if not getattr(model, "built", False) or not hasattr(model, "trainable_variables"):
        raise ValueError(f"`layer_axes` expects a built model: call it on data first. Received: {model}")
    found = list(zip(map(_path, model.trainable_variables), variable_axes(model.trainable_variables), strict=True))
    if any(dict(found)[path] != axes for path, axes in found):
        raise ValueError("Two variables with different axes have one path: give their layers different names.")
    return dict(found)


class GradientCentralization:
    """Mixin that gives a Keras optimizer class gradient centralization. After the optimizer it raises a TypeError.

    >>> class GCLion(GradientCentralization, keras.optimizers.Lion): ...

    Args:
        centralize: `"gradient"` (default) centralizes the gradient before the optimizer sees it, as in the paper. With
            SGD, with or without momentum, the mean of each weight vector then stays constant; with optimizers that
            rescale each element (RMSprop, Adam) it moves. `"update"` centralizes the change of the weights, and the
            mean stays constant. The authors' Adam does this by default, unlike ours: they say that it usually works
            better for adaptive optimizers. None or `"none"`: no GC, for comparison.
        conv_only: whether to centralize only kernels of rank 4 and above, like `gc_conv_only` in the authors' code.
        axes: dict from a variable's path, or a regular expression searched in paths, to an axis, several, or None to
            leave it alone. A path means that variable alone. The first entry that is found applies.
        args, kwargs: passed on to the optimizer. A ValueError says what is wrong with an argument.

    With `"gradient"`: L2 penalties are part of the gradient, hence centralized; decoupled weight decay, `clipvalue`
    and constraints come later and move the mean; `clipnorm`, `global_clipnorm`, loss scales and accumulation keep it.
    With `"update"`: it stays constant through all of these, and where moving averages (EMA) overwrite weights; only
    constraints move it. Rounding to bfloat16 moved means by 0.001 (SGD) to 0.02 (RMSprop) in 200 steps of a test.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__signature__ = None  # that of `centralized` is not its own
        for base in cls.__mro__[: cls.__mro__.index(GradientCentralization)]:
            if issubclass(base, keras.optimizers.Optimizer) and not issubclass(base, GradientCentralization):
                raise TypeError(f"`GradientCentralization` must come before `{base.__name__}` in class {cls.__name__}.")

    def __init__(self, *args, centralize="gradient", conv_only=False, axes=None, **kwargs):
        if centralize not in (*MODES, "none", None):
            raise ValueError(f"`centralize` must be one of {MODES} or None. Received: centralize={centralize!r}")
        super().__init__(*args, **kwargs)
        self.centralize, self.conv_only = None if centralize == "none" else centralize, conv_only
        self.axes, self._from_config = axes if axes is None else _plain(axes), isinstance(axes, list)
        self._excluded = ()  # of each variable its key and path

    def exclude_from_centralization(self, var_list=None, var_names=None):
        """Exclude variables, and paths or regular expressions as in `axes`. A ValueError says if it is too late."""
        if self.built or isinstance(var_names, str) or not hasattr(var_names or (), "__iter__"):
            raise ValueError(f"Give `var_names` in a list, and before the optimizer is built. Received: {var_names!r}")
        held = [] if var_list is None else list(var_list) if hasattr(var_list, "__iter__") else [None]
        if not all(hasattr(one, "assign") for one in held):
            raise ValueError(f"`var_list` must be a list of variables. Received: {var_list!r}")
        excluded = _plain(dict.fromkeys(var_names or ()))
        self.axes = {**excluded, **(self.axes or {}), **excluded}
        self._excluded += tuple((self._var_key(one), _path(one)) for one in held)

    def build(self, variables):
        """Create the optimizer's variables. See `keras.optimizers.Optimizer.build`."""
        if not self.built:
            self._said, least = self._told(variables), math.inf if not self.centralize else 4 if self.conv_only else 0
            told = [axes if len(v.shape) >= least else None for axes, v in zip(self._said, variables, strict=True)]
            self._axes = dict(zip(map(self._var_key, variables), variable_axes(variables, told), strict=True))
        super().build(variables)

    def _told(self, variables):
        paths, axes, excluded = list(map(_path, variables)), dict(self.axes or {}), {key for key, _ in self._excluded}
        ends = [[path.split("/")[-1] for path in some] for some in (paths, axes)]
        if self._from_config and set(paths) != set(axes) and ends[0] == ends[1]:
            axes = dict(zip(paths, axes.values(), strict=True))  # loading can change paths, but keeps the order
        full = {name: max((p for p in paths if f"/{name}".endswith(f"/{p}")), key=len, default=None) for name in axes}
        everything = "\n".join([*paths, *(_path(v) for _, v in (_owned() if axes else ()) if not v.trainable)])
        missing = [name for name in axes if not full[name] and not re.search(name, everything, re.MULTILINE)]
        if missing:
            raise ValueError(f"No variable has a path for {missing}. The paths are {paths[:5]} and so on.")
        told = [next((axes[n] for n in axes if (full[n] == p if full[n] else re.search(n, p))), UNKNOWN) for p in paths]
        return [None if self._var_key(v) in excluded else one for v, one in zip(variables, told, strict=True)]

    def apply(self, grads, trainable_variables=None):
        """Centralize, and update the variables. See `keras.optimizers.Optimizer.apply`."""
        grads, variables = list(grads), list(trainable_variables or self._trainable_variables)
        if not grads or len(grads) != len(variables) or not self.centralize:
            return super().apply(grads, trainable_variables)  # nothing to do, or Keras says what is wrong
        if not self.built:
            self.build(variables)
        # Sparse gradients (`tf.IndexedSlices` has a dense shape) stay as they are; EMA needs no gradient to overwrite.
        pairs = list(zip(grads, variables, strict=True))
        axes = [None if g is None or hasattr(g, "dense_shape") else self._axes.get(self._var_key(v)) for g, v in pairs]
        if self.centralize == "gradient":
            grads = [g if axis is None else centralize(g, axis) for g, axis in zip(grads, axes, strict=True)]
            return super().apply(grads, trainable_variables)
        left = {self._var_key(v) for g, v in pairs if hasattr(g, "dense_shape") or (g is None and not self.use_ema)}
        held = [v for v in (self._trainable_variables if self.use_ema else variables) if self._var_key(v) not in left]
        return self._hold_means(held, functools.partial(super().apply, grads, trainable_variables))

    def finalize_variable_values(self, var_list):
        """Put moving averages into the variables. See `keras.optimizers.Optimizer.finalize_variable_values`."""
        held = var_list if self.centralize == "update" and self.use_ema else []
        self._hold_means(held, functools.partial(super().finalize_variable_values, var_list))

    def _hold_means(self, variables, change):
        held = [(one, self._axes[self._var_key(one)]) for one in variables if self._axes.get(self._var_key(one))]
        before = [_with_mean(variable, axis)[1] for variable, axis in held]
        change()  # to centralize it is to put the means back where they were, which needs no copy of the weights
        for (variable, axis), mean in zip(held, before, strict=True):
            after, moved_mean = _with_mean(variable, axis)
            self.assign(variable, ops.cast(after - (moved_mean - mean), variable.dtype))
            if variable.constraint is not None:
                self.assign(variable, variable.constraint(variable))

    def get_config(self):
        """Configuration, where `axes` includes what is excluded. See `keras.optimizers.Optimizer.get_config`."""
        excluded = dict.fromkeys(path for _, path in self._excluded)
        axes = {**excluded, **_plain(self.axes or {}), **excluded}
        pairs = zip(map(_path, self._trainable_variables), self._said, strict=True) if self.built else axes.items()
        if axes and (self.built or self._from_config):  # in the order in which the state of the optimizer is saved
            axes = [list(pair) for pair in pairs]
        return super().get_config() | {"centralize": self.centralize, "conv_only": self.conv_only, "axes": axes or None}


def _plain(axes):
    """A dict of axes as a configuration can hold it: of str to list of int, or None."""
    try:
        named = [("" + re.compile(n).pattern, a) for n, a in dict(axes).items()]  # not of bytes
        told = {n: a if a is None or str(a) == UNKNOWN else [*a] if hasattr(a, "__iter__") else [a] for n, a in named}
        if any(type(i) is bool for a in told.values() for i in a or ()):
            raise TypeError("True and False are not axes")
        return {n: [operator.index(i) for i in a] if isinstance(a, list) else a for n, a in told.items()}
    except (TypeError, ValueError, re.error) as error:
        expected = "a dict from a path or regular expression to an int, several, or None"
        raise ValueError(f"`axes` must be {expected}. Received: axes={axes!r} ({error})") from None


def centralized(optimizer_class):
    """Make a class with gradient centralization from any subclass of `keras.optimizers.Optimizer`, such as `Nadam`.

    >>> optimizer = centralized(keras.optimizers.Lion)(learning_rate=1e-4, centralize="update")

    Returns a subclass of `GradientCentralization` and of the class, named GC and its name, and registered with
    `keras.saving`. Import this file before you load a saved model (`import gc_tutorial` alone does not:
    use a name, such as `gc_tutorial.GCAdam`); if the class is not one of Keras's, also call this again (and to pickle
    it, assign it to its name in the module of that class). Raises a TypeError for other arguments.
    """
    known = isinstance(optimizer_class, type) and issubclass(optimizer_class, keras.optimizers.Optimizer)
    if not known or issubclass(optimizer_class, keras.optimizers.LossScaleOptimizer):
        raise TypeError(f"`centralized` expects an optimizer class that wraps no other. Received: {optimizer_class!r}")
    if optimizer_class in MADE or issubclass(optimizer_class, GradientCentralization):
        return MADE.get(optimizer_class, optimizer_class)
    name, base, package, module = optimizer_class.__name__, optimizer_class, PACKAGE, __name__
    if getattr(keras.optimizers, name, None) is not optimizer_class:  # Keras's own must keep their registered names
        module, package = base.__module__, f"{PACKAGE}.centralized({base.__module__}.{base.__qualname__})"
    elif keras.backend.backend() == "torch":
        with keras.device("cpu"), contextlib.suppress(TypeError):
            base = type(optimizer_class())  # `Adam()` is of a faster subclass there
    about = f"""`{name}` with gradient centralization. Arguments: its own, and those of `GradientCentralization`.

    >>> optimizer = GC{name}(learning_rate=1e-3)"""
    made = type(f"GC{name}", (GradientCentralization, base), {"__module__": module, "__doc__": about})
    found = [inspect.signature(one).parameters for one in (optimizer_class, GradientCentralization)]
    parameters = [one for name, one in {**found[0], **found[1]}.items() if name != "args"]
    made.__signature__ = inspect.Signature(sorted(parameters, key=lambda parameter: parameter.kind))
    return MADE.setdefault(optimizer_class, keras.saving.register_keras_serializable(package=package)(made))


if (_other := keras.saving.get_registered_object(f"{PACKAGE}>GCAdam")) and _other.__module__ != __name__:
    warnings.warn(f"Import only one copy of this file: {_other.__module__} was here before {__name__}.", stacklevel=2)
GCSGD, GCRMSprop = centralized(keras.optimizers.SGD), centralized(keras.optimizers.RMSprop)
GCAdam, GCAdamW = centralized(keras.optimizers.Adam), centralized(keras.optimizers.AdamW)
for _one in [*vars(keras.optimizers).values()]:  # the others too, so that whatever was saved or pickled is found
    with contextlib.suppress(TypeError):
        globals()[f"GC{_one.__name__}"] = centralized(_one)
