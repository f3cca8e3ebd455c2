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
# **Use gradient centralization (GC) in your own code, with your optimizer, your layers and your backend.**
#
# Takes less than a minute on two processor cores; no GPU needed.
#
# [Open in Colab](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/07_any_optimizer.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/07_any_optimizer.ipynb) · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/07_any_optimizer.ipynb) · [Open in Codespaces](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [Read in nbviewer](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/07_any_optimizer.ipynb) · [日本語](ja/07_any_optimizer.ipynb)
#
# In this notebook you will
#
# - add GC to any Keras optimizer with one call;
# - see which optimizers keep the means of the weights without GC, with GC on the gradient, and with GC on the update;
# - see which axes of each kernel are averaged, and what to do if an optimizer cannot know them.

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
# `GCSGD`, `GCRMSprop`, `GCAdam` and `GCAdamW` are ready to use. `centralized` adds GC to any other Keras optimizer. They take the
# arguments of the optimizer itself. If you do not want to install the package, copy its file `gc_tutorial/optimizers.py`. It needs only
# Keras. The [frequently asked questions](../docs/faq.md) say how GC interacts with weight decay and gradient clipping, and what it does in transformers.

# %%
import keras
from gc_tutorial import centralized

GCNadam = centralized(keras.optimizers.Nadam)
optimizer = GCNadam(learning_rate=1e-3)

# %% [markdown]
# ## Gradient or update
#
# Notebook 4 showed that under SGD with GC the mean of each weight vector stays constant, because every step is made of gradients with mean
# zero. RMSprop and Adam divide each number of the gradient by a scale of its own. Lion keeps only the sign of each number of its
# moving average. So the mean of their update is not zero, even if the mean of the gradient is. There are two ways to centralize:
#
# - `centralize="gradient"`, the default, is what the paper does. The mean is subtracted from the *gradient*, before the optimizer uses it.
# - `centralize="update"` subtracts the mean from the change that the optimizer makes to the weights. The paper's authors suggest this for
#   adaptive optimizers, in the notes to their code.
#
# The means matter for one practical reason: where they stay constant, you can prove from the weights alone that GC runs. Whether it helps
# training to keep them constant is not known.
#
# `centralize=None` is the optimizer without GC. Which of the three keeps the means, and under which optimizer? We train a network of
# two convolutions on 64 small images.

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
    optimizer.build(model.trainable_variables)  # otherwise Keras on TensorFlow traces the first step twice
    watch = WeightMeanDrift()
    model.fit(images, labels, batch_size=16, epochs=epochs, shuffle=False, verbose=0, callbacks=[watch])
    return watch.drift[-1]


# %%
from gc_tutorial import text

WITH_MOMENTUM = text("SGD with momentum")
optimizers = {
    WITH_MOMENTUM: (keras.optimizers.SGD, {"learning_rate": 0.1, "momentum": 0.9}),
    "RMSprop": (keras.optimizers.RMSprop, {"learning_rate": 1e-3}),
    "Adam": (keras.optimizers.Adam, {"learning_rate": 1e-3}),
    "AdamW": (keras.optimizers.AdamW, {"learning_rate": 1e-3, "weight_decay": 0.1}),
    "Lion": (keras.optimizers.Lion, {"learning_rate": 1e-3}),
}
drifts = {
    arm: {name: drift(centralized(one)(**arguments, centralize=mode)) for name, (one, arguments) in optimizers.items()}
    for arm, mode in {"none": None, "gradient": "gradient", "update": "update"}.items()
}

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
from gc_tutorial.plotting import COLOURS, LABELS, MARKERS, WIDTH, set_title, show

figure, axis = plt.subplots(figsize=(WIDTH, 3.6), layout="constrained")
for arm, shifts in drifts.items():
    axis.plot(shifts.values(), shifts.keys(), MARKERS[arm], ms=9, color=COLOURS[arm], label=LABELS[arm], alpha=0.8)
axis.set(xscale="log", xlabel="largest shift of a weight vector's mean")
axis.invert_yaxis()
axis.grid(axis="x", alpha=0.3)
figure.legend(loc="outside lower center", ncols=3, frameon=False, columnspacing=1, handletextpad=0.2)
set_title(figure, "Only GC on the update keeps the means under all five optimizers")
spread = text("; ").join(
    f"{name} " + text(", ").join(f"{drifts[arm][name]:.0e}" for arm in drifts) for name in optimizers
)
alt = "Shift of the means without GC, with GC on the gradient and with GC on the update, on a logarithmic scale: {spread}."
show(figure, alt=text(alt, spread=spread))

# %%
from IPython.display import Markdown

adaptive = [drifts["gradient"][name] for name in optimizers if name != WITH_MOMENTUM]
Markdown(
    text(
        "Without GC, every optimizer moves a mean by at least {none:.0e}. With GC on the gradient, SGD moves no mean by more than "
        "{sgd:.0e}, which is rounding. The other four move one by {least:.0e} to {most:.0e}, although GC runs in all of them. With "
        "GC on the update, no optimizer moves a mean by more than {update:.0e}.",
        none=min(drifts["none"].values()),
        sgd=drifts["gradient"][WITH_MOMENTUM],
        least=min(adaptive),
        most=max(adaptive),
        update=max(drifts["update"].values()),
    )
)

# %% [markdown]
# So the means show that GC runs under SGD, and under any of these optimizers with `centralize="update"`. Under Adam with GC on the
# gradient the means move, although GC runs. The means do not show which of the two ways trains a *better* network. Study A, which chooses
# the learning rates for [notebook 5](05_comparison.ipynb), trained with both ways at seven rates, with five seeds each.
# These are its results for RMSprop and Adam, without those for SGD:

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.names import value_name
from gc_tutorial.study.evidence.outcomes import reduce_runs
from gc_tutorial.study.evidence.tuning import tuned_rates
from gc_tutorial.study.tables import load_table

tuning = reduce_runs(load_table("A_tuning")).query("epochs == 12 and arm != 'none' and optimizer != 'sgd'")
lowest = tuned_rates(tuning).pivot(index="optimizer", columns="arm", values="value").loc[["rmsprop", "adam"]]
exploded = (tuning["diverged"] | (tuning["clean_loss"] > 1)).groupby(tuning["arm"])

# %% tags=["hide-input"]
losses = "{name}: the training loss at the best rate is {gradient:.2f} with GC on the gradient and {update:.2f} with GC on the update."
counts = (
    "{gradient} of {of_gradient} runs with GC on the gradient diverged or ended with a loss above 1, and {update} of {of_update} "
    "runs with GC on the update."
)
found = [text(losses, name=value_name("optimizer", name), **row) for name, row in lowest.iterrows()]
found.append(text(counts, **exploded.sum(), **exploded.size().add_prefix("of_")))
Markdown("\n".join(f"- {one}" for one in found))

# %% [markdown]
# With SGD, use the default: without weight decay and clipping, both ways give the same steps up to rounding. With RMSprop and Adam, we cannot say
# which way is better. The authors suggest the update. The runs above only choose learning rates, and no claim is made from them. Our first,
# untuned study, with RMSprop, could not tell the two ways apart by the training loss ([frequently asked questions](../docs/faq.md)). The studies
# on fresh seeds at tuned rates train with GC on the gradient only.
#
# ## Which axes are averaged
#
# GC is defined for the weight vector of one output unit. Which axes of a kernel make up that vector depends on the layer. `layer_axes` reads
# the axes from a model's layers. The next cells compute a table with it.

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
rows, columns = [], [text("layer"), text("variable"), text("shape"), text("averaged over")]
for name, (layer, shape) in examples.items():
    inputs = keras.Input(shape)
    model = keras.Model(inputs, layer(inputs))
    for variable, axes in zip(model.trainable_variables, layer_axes(model).values()):
        if axes is not None or len(variable.shape) > 1:
            averaged = text("left alone") if axes is None else ", ".join(map(str, axes))
            variable_name = "/".join(variable.path.split("/")[1:])
            rows.append([name, variable_name, variable.shape, averaged])
pd.DataFrame(rows, columns=columns).set_index(columns[0])

# %% [markdown]
# - A depthwise kernel has one small filter for each channel. Only the two axes of the window, 0 and 1, are averaged.
# - Attention's query, key and value kernels have the features first, then the heads. Axis 0 is averaged.
# - A transposed convolution has the output channels before the input channels. The window and the inputs are averaged, as the paper's
#   definition says. (The authors' own code averages the weights of one *input* channel instead.)
# - Biases are left alone. This includes the biases of GRU and attention, which have two axes. The scales and offsets of normalization
#   layers are left alone for the same reason: each unit has only one. Embeddings are left alone, too ([notebook
#   4](04_gradient_centralization.ipynb) says why).
#
# An optimizer receives variables, not layers. When it is built, it finds the layer of each variable, and takes the axes
# from the class of the layer. It cannot know what the weights of your own layer mean, if they are not called `kernel`. It leaves
# such weights alone, and a warning names them:

# %%
import warnings


class Stem(layers.Layer):
    """A custom layer: one 3×3 filter for each channel."""

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
    print(text("without `axes`: {means}", means=channel_means(None)))
print(
    text(
        "warnings: {count}. GC leaves {name} alone, since it is not known which axes make up a weight vector.",
        count=len(caught),
        name=stem.trainable_variables[0].path,
    )
)
print(text("with `axes`: {means}", means=channel_means({"filters": (0, 1)})))

# %% [markdown]
# Without `axes`, neither change has mean zero, because GC left the filters alone. With `axes={"filters": (0, 1)}`, both have mean zero.
# The key is a variable's path, or a regular expression to match against the paths (any part of a path may match). `layer_axes(model)` shows
# the axes of every variable. To leave a variable alone, call `optimizer.exclude_from_centralization(var_names=["stem"])` before training.
# `conv_only=True` limits GC to convolutions. The authors' code has this option, too.
#
# ## On another backend
#
# Keras runs on TensorFlow, JAX or PyTorch. It chooses one of these backends when it is imported. So the program below runs here first, and then
# in a process of its own for each other backend **that is installed**. The program is the same each time. But each backend draws its own initial
# weights, even from the same seed. So the weights move by other amounts. `make test-backends` installs JAX and PyTorch, and runs the optimizers'
# tests on both.

# %%
program = """
import keras, numpy as np
from gc_tutorial import GCSGD, text
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(1)])
model.compile(GCSGD(learning_rate=0.1, momentum=0.9), "mse")
before = model.get_weights()[0]
model.fit(np.random.rand(64, 8), np.random.rand(64, 1), epochs=5, verbose=0)
after = model.get_weights()[0]
moved, shift = np.abs(after - before).max(), np.abs((after - before).mean(axis=0)).max()
said = "{backend}: weights moved by up to {moved:.2f}, their means by {shift:.0e}"
print(text(said, backend=keras.backend.backend(), moved=moved, shift=shift))
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
        print(text("{backend}: not installed here; `pip install {backend}` and run this cell again", backend=backend))

# %% [markdown]
# ## Exercise
#
# Weight decay shrinks all weights a little in every step. Does it move their means? Use `drift` to find out for SGD with
# momentum and `weight_decay=0.1`: with GC on the gradient and no decay, with decay, and with decay and `centralize="update"`. Explain what
# you see.
#
# The next cell is the solution. It is folded: try first, then open it.

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
from gc_tutorial import GCSGD

common = {"learning_rate": 0.1, "momentum": 0.9}
no_decay = drift(GCSGD(**common))
decay = drift(GCSGD(**common, weight_decay=0.1))
update = drift(GCSGD(**common, weight_decay=0.1, centralize="update"))
answer = "Answer: the means move by {no:.0e} without decay, by {decay:.0e} with it, and by {update:.0e} with GC on the update."
print(text(answer, no=no_decay, decay=decay, update=update))
print(
    text(
        "Keras applies weight decay to the weights themselves, after GC on the gradient. So GC on the gradient cannot undo it."
    )
)
print(text("GC on the update comes after weight decay, and removes the shift of the means."))

# %% [markdown]
# ## What you have seen
#
# - `centralized(AnyOptimizer)` adds GC to any Keras optimizer, through the one method that all of them share.
# - Of the five optimizers here, only SGD keeps the means of the weights with GC on the gradient. With GC on the update all five do.
# - Which axes are averaged depends on the layer. The optimizer finds the layer of each variable, and `axes` tells it what it cannot know.
# - The same code is tested on TensorFlow (`make test`), and on JAX and PyTorch (`make test-backends`).
#
# Next: [8. What it changes, and why it may work](08_why_it_works.ipynb). Or go back to [the comparison](05_comparison.ipynb), or use GC in your own project.
