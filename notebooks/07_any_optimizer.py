# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 7. Any optimizer
#
# **Use gradient centralization in your own code: with Adam or another optimizer, with your layers, and on your backend.**
#
# Takes about one minute on two processor cores; no GPU needed.
#
# [Open in Colab](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/07_any_optimizer.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/07_any_optimizer.ipynb) · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/07_any_optimizer.ipynb) · [Open in Codespaces](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [Read in nbviewer](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/07_any_optimizer.ipynb) · [日本語](ja/07_any_optimizer.ipynb)
#
# In this notebook you will
#
# - add gradient centralization (GC) to any Keras optimizer with one call;
# - see which optimizers keep the means of the weights, with GC on the gradient and with GC on the update;
# - learn which axes of a kernel are averaged, layer by layer, and what to do where an optimizer cannot know.

# %% tags=["hide-input"]
# @title Setup
from importlib.util import find_spec

package = "gc-tutorial[tutorial] @ git+https://github.com/your_name_here/gradient-centralization-tutorial"
if not find_spec("gc_tutorial"):  # as in Colab
    get_ipython().run_line_magic("pip", f"install -qqq --no-input '{package}'")
if not find_spec("gc_tutorial"):
    raise SystemExit(f"{package} was not installed: it needs a network, git and Python 3.10 or newer.")
import gc_tutorial

settings = gc_tutorial.start()

# %%
from gc_tutorial import load_data

data = load_data(settings.data, settings.image_size)

# %% [markdown]
# ## Use it in your own code
#
# `GCSGD`, `GCRMSprop`, `GCAdam` and `GCAdamW` are ready. `centralized` makes the same from any other Keras optimizer. They take the
# arguments of the optimizer itself. If you do not want to install anything, copy the one file `gc_tutorial/optimizers.py`: it needs
# only Keras.

# %%
import keras
from gc_tutorial import centralized

GCNadam = centralized(keras.optimizers.Nadam)
optimizer = GCNadam(learning_rate=1e-3)

# %% [markdown]
# ## Gradient or update
#
# Notebook 4 showed that under SGD the mean of each weight vector never moves, since every step is made of gradients with mean zero.
# RMSprop and Adam divide each number of the gradient by a scale of its own, and Lion keeps only the sign of each number of its
# moving average. So the mean of the update is not zero, even if the mean of the gradient is. There are two ways to centralize:
#
# - `centralize="gradient"`, the default, is the paper's: the mean is subtracted from the *gradient* before the optimizer sees it;
# - `centralize="update"`: the mean is subtracted from the change that the optimizer makes to the weights. The paper's authors write in
#   the notes to their code that this usually works better for adaptive optimizers. In our study with RMSprop, at one untuned learning
#   rate, it is not known which is better: see [notebook 5](05_comparison.ipynb).
#
# Which of them keeps the means, and under which optimizer? We train a small network on a few small pictures.

# %%
import numpy as np
from gc_tutorial import WeightMeanDrift

images = data.train_images[:64, ::3, ::3].astype("float32") / 255
labels = np.asarray(data.train_labels[:64], "float32")


def drift(optimizer, epochs=3):
    """The largest shift of any weight vector's mean, in a short training from seed 0."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input(images.shape[1:]),
        keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
        keras.layers.Conv2D(16, 3, strides=2, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
    model = keras.Sequential(layers)
    model.compile(optimizer, "binary_crossentropy")
    watch = WeightMeanDrift()
    model.fit(images, labels, batch_size=16, epochs=epochs, shuffle=False, verbose=0, callbacks=[watch])
    return watch.drift[-1]


# %%
optimizers = {
    "SGD with momentum": (keras.optimizers.SGD, {"learning_rate": 0.1, "momentum": 0.9}),
    "RMSprop": (keras.optimizers.RMSprop, {"learning_rate": 1e-3}),
    "Adam": (keras.optimizers.Adam, {"learning_rate": 1e-3}),
    "AdamW": (keras.optimizers.AdamW, {"learning_rate": 1e-3, "weight_decay": 0.1}),
    "Lion": (keras.optimizers.Lion, {"learning_rate": 1e-3}),
}
drifts = {
    mode: {name: drift(centralized(one)(**arguments, centralize=mode)) for name, (one, arguments) in optimizers.items()}
    for mode in ("gradient", "update")
}

# %%
import matplotlib.pyplot as plt
from gc_tutorial.plotting import COLOURS, LABELS, show

figure, axis = plt.subplots(figsize=(7, 2.8), layout="constrained")
for mode, marker in {"gradient": "o", "update": "s"}.items():
    axis.plot(drifts[mode].values(), drifts[mode].keys(), marker, ms=8, color=COLOURS[mode], label=LABELS[mode])
axis.set(xscale="log", xlabel="largest shift of a weight vector's mean", title="Only GC on the update holds every mean")
axis.invert_yaxis()
axis.grid(axis="x", alpha=0.3)
axis.legend(loc="center", fontsize=9)
spread = "; ".join(f"{name} {drifts['gradient'][name]:.0e} and {drifts['update'][name]:.0e}" for name in optimizers)
show(
    figure,
    alt=f"Shift of the means with GC on the gradient and with GC on the update, on a logarithmic scale: {spread}.",
)

# %%
from IPython.display import Markdown

adaptive = [drifts["gradient"][name] for name in optimizers if name != "SGD with momentum"]
Markdown(
    f"With GC on the gradient, SGD moved no mean by more than {drifts['gradient']['SGD with momentum']:.0e}, which is "
    f"rounding; the other four moved one by {min(adaptive):.0e} to {max(adaptive):.0e}, though GC ran in all of them. "
    f"With GC on the update the largest shift under any optimizer was {max(drifts['update'].values()):.0e}."
)

# %% [markdown]
# So under SGD, and under any of these optimizers with `centralize="update"`, you can see from the means that GC runs. Under Adam with GC on
# the gradient the means move, although GC runs. This is about the method, not about accuracy. Whether either way trains a *better*
# network is a question for measurements like those in [notebook 5](05_comparison.ipynb).
#
# ## Which axes are averaged
#
# GC is defined for the weight vector of one output unit. Where that vector lies in a kernel depends on the layer. `layer_axes` reads the
# axes from a model's layers, and the table below is computed with it.

# %%
import pandas as pd
from gc_tutorial.optimizers import layer_axes
from keras import layers

attention = layers.MultiHeadAttention(num_heads=2, key_dim=3)
examples = {
    "Dense": (layers.Dense(4), (8,)),
    "Conv2D": (layers.Conv2D(4, 3), (9, 9, 2)),
    "DepthwiseConv2D": (layers.DepthwiseConv2D(3), (9, 9, 2)),
    "Conv2DTranspose": (layers.Conv2DTranspose(4, 3), (9, 9, 2)),
    "MultiHeadAttention": (lambda x: attention(x, x), (5, 8)),
    "GRU": (layers.GRU(4), (5, 8)),
    "Embedding": (layers.Embedding(10, 4), (5,)),
    "BatchNormalization": (layers.BatchNormalization(), (8,)),
}

# %%
rows = []
for name, (layer, shape) in examples.items():
    inputs = keras.Input(shape)
    model = keras.Model(inputs, layer(inputs))
    for variable, axes in zip(model.trainable_variables, layer_axes(model).values()):
        if axes is not None or len(variable.shape) > 1:
            averaged = "left alone" if axes is None else ", ".join(map(str, axes))
            variable_name = "/".join(variable.path.split("/")[1:])
            rows.append({"layer": name, "variable": variable_name, "shape": variable.shape, "averaged over": averaged})
pd.DataFrame(rows).set_index("layer")

# %% [markdown]
# - A depthwise kernel holds one small filter for each channel: only the window, axes 0 and 1, is averaged.
# - Attention's query, key and value kernels have the features first, then the heads: axis 0.
# - A transposed convolution has the output channels before the input channels. The window and the inputs are averaged, as the paper's
#   definition says. (The authors' own code averages the weights of one *input* channel instead.)
# - Biases are left alone, also the GRU's and attention's, which have two axes; so are normalization and embeddings.
#
# An optimizer receives variables, not layers. When it is built, it looks for the layer that holds each variable, and takes the axes
# from the class of the layer. It cannot know what the weights of a layer of your own mean, if they are not called `kernel`. It leaves
# them alone, and a warning names them:

# %%
import warnings


class Stem(layers.Layer):
    """A layer of our own: one 3×3 filter for each channel."""

    def build(self, shape):
        self.filters = self.add_weight(shape=(3, 3, shape[-1]), name="filters")

    def call(self, inputs):
        return keras.ops.depthwise_conv(inputs, self.filters[..., None])


stem = keras.Sequential([keras.Input((9, 9, 2)), Stem(name="stem")])
gradients = [np.random.default_rng(0).normal(size=variable.shape) for variable in stem.trainable_variables]


def channel_means(axes):
    """The mean of each channel's filter in what one step of `GCSGD` does to the stem."""
    before = stem.get_weights()
    gc_tutorial.GCSGD(learning_rate=1.0, axes=axes).apply(gradients, stem.trainable_variables)
    change = before[0] - stem.get_weights()[0]
    stem.set_weights(before)
    return np.abs(change.mean(axis=(0, 1)).ravel()).round(6)


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print("without `axes`:", channel_means(None))
print(caught[0].message)
print("with `axes`:", channel_means({"filters": (0, 1)}))

# %% [markdown]
# Without `axes`, neither change has mean zero: GC left the filters alone. With `axes={"filters": (0, 1)}`, both have mean zero. The key is a
# variable's path or a pattern in it, and `layer_axes(model)` shows the axes of every variable. To leave a variable alone, call
# `optimizer.exclude_from_centralization(var_names=["stem"])` before training. `conv_only=True` limits GC to convolutions, as the
# authors' code can.
#
# ## On another backend
#
# Keras runs on TensorFlow, JAX and PyTorch, and chooses one when it is imported. So the program below runs here, and then in a process
# of its own for each other backend **that is installed**. The lines are the same for all of them. `make test-backends` installs
# JAX and PyTorch, and runs the optimizers' tests on both.

# %%
program = """
import keras, numpy as np
from gc_tutorial import GCSGD
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(1)])
model.compile(GCSGD(learning_rate=0.1, momentum=0.9), "mse")
before = model.get_weights()[0]
model.fit(np.random.rand(64, 8), np.random.rand(64, 1), epochs=5, verbose=0)
after = model.get_weights()[0]
shift = np.abs((after - before).mean(axis=0)).max()
print(f"{keras.backend.backend()}: weights moved by up to {np.abs(after - before).max():.2f}, their means by {shift:.0e}")
"""

# %%
exec(program)

# %%
import importlib.util
import os
import subprocess
import sys

for backend in sorted({"tensorflow", "jax", "torch"} - {keras.backend.backend()}):
    if importlib.util.find_spec(backend):
        environment = {**os.environ, "KERAS_BACKEND": backend}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
        print(done.stdout or done.stderr, end="")
    else:
        print(f"{backend}: not installed here; `pip install {backend}` and run this cell again")

# %% [markdown]
# ## Exercise
#
# Weight decay shrinks all weights a little in every step. Does it move their means? Use `drift` to find out for SGD with
# momentum and `weight_decay=0.1`: without decay, with it, and with it and `centralize="update"`. Explain what you see.
#
# <details><summary>Solution</summary>
#
# ```python
# from gc_tutorial import GCSGD
#
# common = {"learning_rate": 0.1, "momentum": 0.9}
# print(drift(GCSGD(**common)))
# print(drift(GCSGD(**common, weight_decay=0.1)))
# print(drift(GCSGD(**common, weight_decay=0.1, centralize="update")))
# ```
#
# In Keras `weight_decay` is decoupled: it is applied to the weights themselves and is no part of the gradient. GC on the
# gradient comes before it and cannot undo it, so the second drift is far larger than the first. GC on the update comes after
# everything else and puts the means back. An L2 penalty (`kernel_regularizer`) is different: it is part of the loss,
# therefore of the gradient, and is centralized with it.
#
# </details>

# %% [markdown]
# ## What you have seen
#
# - `centralized(AnyOptimizer)` adds GC to any Keras optimizer, through the one method that all of them share.
# - Of the five optimizers here, only SGD keeps the means of the weights with GC on the gradient. With GC on the update all five do.
# - What is averaged depends on the layer. The optimizer finds the layer of each variable, and `axes` tells it what it cannot know.
# - The same code is tested on TensorFlow (`make test`), and on JAX and PyTorch (`make test-backends`).
#
# Back to [the comparison](05_comparison.ipynb), or use GC in your own project.
