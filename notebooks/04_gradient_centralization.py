# ---
# jupyter:
#   accelerator: GPU
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4. Gradient centralization
#
# **Write gradient centralization for Keras in about ten lines, and prove that it runs. In the Keras example of 2023-07-25, it never runs under
# Keras 3.**
#
# In the `standard` profile it takes about a minute on two processor cores; no GPU needed.
#
# [Open in Colab](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/04_gradient_centralization.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/04_gradient_centralization.ipynb) · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/04_gradient_centralization.ipynb) · [Open in Codespaces](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [Read in nbviewer](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/04_gradient_centralization.ipynb) · [日本語](ja/04_gradient_centralization.ipynb)
#
# In this notebook you will
#
# - see what gradient centralization (GC) does to a gradient, in a formula and in a picture;
# - write an optimizer that applies GC in the one method that Keras calls;
# - prove that GC runs in your optimizer and not in the published one, and train with and without GC.

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
# ## The formula
#
# Take one output unit of a layer. Its weight vector $w$ has $M$ numbers, and $g$ is the gradient of the loss with respect to $w$.
# Gradient centralization subtracts the mean of the gradient from the gradient
# ([Yong et al. 2020](https://arxiv.org/abs/2004.01461), equation 1):
#
# $$\mathrm{GC}(g) = g - \frac{1}{M}\sum_{i=1}^{M} g_i = P\,g$$
#
# $$P = I - e\,e^{\mathsf T}, \quad e = \tfrac{1}{\sqrt M}(1, \dots, 1)^{\mathsf T}$$
#
# $P$ projects onto the plane of vectors whose numbers sum to zero. In Keras's dense and convolutional layers the last
# axis of a kernel runs over the output units, so the mean is taken over all other axes.
#
# Two kinds of variables should be left alone. A unit has only one bias, so its gradient minus its mean would be zero, and the bias would never
# learn. An embedding has a row for each token, and centralizing would move the rows of tokens that are not even in the batch. The short class
# below leaves only the biases alone; the classes of the package leave both alone, and they use the right axes for depthwise and attention layers,
# which [notebook 7](07_any_optimizer.ipynb) shows.
#
# Why would anyone do this? The paper gives two reasons.
#
# 1. With GC, plain gradient descent (SGD) cannot change the sum of a unit's weights. Suppose that all inputs of the unit shift by the
#    same $c$. The output then changes by $w^{\mathsf T}(x + c\,\mathbf 1) - w^{\mathsf T}x = c\sum_i w_i$, and training cannot change this
#    sensitivity. The paper calls this a regularization. Under RMSprop and Adam the sum does change
#    ([notebook 7](07_any_optimizer.ipynb)), so this reason does not apply to them directly.
# 2. Along the remaining directions the loss is smoother, which should make training steadier.
#
# The gains that the paper reports are modest. On ImageNet they are 0.5 to 1.2 points
# (with ResNet-50 the top-1 error falls from 23.71% to 23.21%).

# %%
from keras import ops


def centralize(gradient):
    """Subtract the mean from the gradient of each weight vector."""
    axes = list(range(len(gradient.shape) - 1))
    return gradient - ops.mean(gradient, axis=axes, keepdims=True)


# %% [markdown]
# A small example: the gradient of a dense layer with 3 inputs and 2 units. Each *column* belongs to one unit.

# %%
import numpy as np
from gc_tutorial import text

gradient = ops.array([[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]])
print(ops.convert_to_numpy(centralize(gradient)))
print(text("column means: {means}", means=ops.convert_to_numpy(ops.mean(centralize(gradient), axis=0))))

# %% [markdown]
# ## The picture
#
# With only two weights we can draw it. A step along the negative gradient can change both the difference and the sum of the two weights.
# The centralized step keeps the sum. It stays on the dashed line, on which $w_1 + w_2$ has its starting value.

# %% tags=["hide-input"]
from gc_tutorial.pictures import projected_step
from gc_tutorial.plotting import show

w, g = np.array([0.6, 0.4]), np.array([-0.9, -0.1])
show(
    projected_step(w, g, g - g.mean(), title="GC keeps the sum of the weights"),
    alt="Two arrows from one point. The step with GC follows the dashed line of constant sum; a perpendicular joins the ends of both.",
)

# %% [markdown]
# ## The optimizer
#
# Every Keras optimizer receives its gradients through one method, `apply`. `fit` calls it on every backend (TensorFlow, JAX or
# PyTorch), and custom training loops call it, too. So we centralize in `apply`, and then let the optimizer work as before.

# %%
import keras


class GCRMSprop(keras.optimizers.RMSprop):
    """RMSprop that centralizes the gradient of every kernel."""

    def apply(self, grads, trainable_variables=None):
        grads = [g if g is None or len(g.shape) < 2 else centralize(g) for g in grads]
        return super().apply(grads, trainable_variables)


# %% [markdown]
# This short class is right for dense and ordinary convolution layers. It is not right for others: in depthwise and attention layers it
# would average over the wrong axes, and it would centralize the biases of GRU and attention layers, and embeddings. (On TensorFlow the
# gradient of an embedding is sparse, and the class stops with an error.) For networks with such layers use `gc_tutorial.GCRMSprop`, or
# copy the file `gc_tutorial/optimizers.py`. On PyTorch there is one more reason: a class that you write yourself loses Keras's faster
# (*fused*) version of the optimizer, and the ready-made classes keep it ([frequently asked questions](../docs/faq.md)).
#
# ## The published optimizer
#
# *Published* means the [Keras example of GC](https://keras.io/examples/vision/gradient_centralization/) of 2023-07-25, and the code copied from it.
# It overrides another method, `get_gradients`. Keras 3 does not have this method. The published body would fail if it were called: its
# `super().get_gradients()` lacks the arguments, and `ops.mean` has no argument `keep_dims`. The page shows a training that did not fail. So the
# body was never called.
#
# Other people found problems before us:
#
# - [Issue 24](https://github.com/Rishit-dagli/Gradient-Centralization-TensorFlow/issues/24) of the package `gctf` (2021-06-20) said of that package's
#   MNIST example that the second training, with GC, goes on with the weights of the first, because compiling a model again keeps them. It asked
#   for a new model.
# - A [discussion](https://github.com/Rishit-dagli/Gradient-Centralization-TensorFlow/discussions/26) of `gctf` said that `get_gradients` works in
#   the graph mode of TensorFlow 1 only, so the package does not seem to work under TensorFlow 2. We could not see its date. Its author used
#   TensorFlow 2.5.1.
# - [Issue 2111](https://github.com/keras-team/keras-io/issues/2111) (2025-05-24) said of the Keras example itself that its comparison might not be
#   fair, for the same reason as issue 24.
#
# The Keras example was changed several times. Three changes after 2023-07-25 are known to us:
#
# - [Pull request 1598](https://github.com/keras-team/keras-io/pull/1598) (reviewed 2023-11-10, merged) is called "Update gradient centralization
#   example for Keras 3".
# - [Pull request 2042](https://github.com/keras-team/keras-io/pull/2042) (reviewed 2025-01-30, merged) is called "Fixed the errors in
#   gradient_centralization.py". We could not see what it changed.
# - [Pull request 2113](https://github.com/keras-team/keras-io/pull/2113) (opened 2025-05-29, merged) gave each training a model of its own.
#
# The date 2023-07-25 does not identify one version. At least two versions carry it: in one the model begins with a convolution that has the
# argument `input_shape`, in the other with a layer `Input`. Both have the same `get_gradients`, and train one model twice. The printed lines were
# there until 2025, it seems: a copy of the page that carries the date 2024-11-21 has them, and issue 2111 of 2025-05-24 quotes an accuracy of 71%
# in the first epoch with GC, as they do. In its summary the page reports a loss of 0.5346 without GC and 0.4014 with it, and an accuracy of
# 76.04% and 81.54%, all on training images. Which version of Keras 3 printed these numbers is not known. We could not see the current page, so
# the following is about the texts of 2023-07-25.
#
# The optimizers of `gctf` do not override `get_gradients`. They set it on the finished optimizer. The next cell has both in outline:


# %%
class PublishedGCRMSprop(keras.optimizers.RMSprop):
    """The published optimizer in outline, with a counter that is ours."""

    calls = 0

    def get_gradients(self, loss, params):
        PublishedGCRMSprop.calls += 1
        return [centralize(g) if len(g.shape) > 1 else g for g in super().get_gradients(loss, params)]


def like_gctf(optimizer):
    """What the package `gctf` does to an optimizer."""
    optimizer.get_gradients = lambda loss, params: [centralize(g) for g in keras.backend.gradients(loss, params)]
    return optimizer


has = hasattr(keras.optimizers.RMSprop, "get_gradients")
print(text("Does Keras's own RMSprop have a method `get_gradients`? {has}", has=has))

# %% [markdown]
# ## A first check: do the weights differ?
#
# If GC runs, training with GC must give other weights than training without GC. We train the same network once with each optimizer. It has
# the same initial weights each time, and sees the same 128 images in the same order.

# %%
from gc_tutorial import build_cnn, training_batches


def train_briefly(optimizer, callbacks=()):
    """Two short epochs from seed 0; returns the trained weights."""
    keras.utils.set_random_seed(0)
    model = build_cnn(settings.image_size)
    model.compile(optimizer, "binary_crossentropy")
    optimizer.build(model.trainable_variables)  # otherwise Keras on TensorFlow traces the first step twice
    batches = training_batches(data.train_images[:128], data.train_labels[:128], batch_size=16, seed=0)
    model.fit(batches, epochs=2, shuffle=False, verbose=0, callbacks=list(callbacks))
    return model.get_weights()


# %%
AGAIN, PUBLISHED = text("RMSprop, run again"), text("published `get_gradients`")
GCTF, OURS = text("as `gctf` does it"), text("ours, `apply`")
weights = {
    "RMSprop": train_briefly(keras.optimizers.RMSprop(1e-3)),
    AGAIN: train_briefly(keras.optimizers.RMSprop(1e-3)),
    PUBLISHED: train_briefly(PublishedGCRMSprop(1e-3)),
    GCTF: train_briefly(like_gctf(keras.optimizers.RMSprop(1e-3))),
    OURS: train_briefly(GCRMSprop(1e-3)),
}

# %%
import pandas as pd


def largest_difference(first, second):
    return max(np.abs(a - b).max() for a, b in zip(first, second))


differences = {name: largest_difference(trained, weights["RMSprop"]) for name, trained in weights.items()}
pd.Series(differences, name=text("largest difference from RMSprop's weights")).map("{:.2g}".format).to_frame()

# %%
from IPython.display import Markdown
from gc_tutorial.language import sentences

if differences[PUBLISHED] == 0:
    finding = "Its weights are **the same to the last bit** as those of plain RMSprop."
else:  # a GPU may round differently in every run
    finding = (
        "Its weights differ from plain RMSprop's by {published:.2g}. Plain RMSprop, run again, differs by {again:.2g}."
    )
others = (
    "With an optimizer changed in the way of `gctf` they differ from plain RMSprop's by {gctf:.2g}, and with ours by up to "
    "{ours:.2g}."
)
found = [
    text("The published `get_gradients` was called **{calls}** times.", calls=PublishedGCRMSprop.calls),
    text(finding, published=differences[PUBLISHED], again=differences[AGAIN]),
    text(others, gctf=differences[GCTF], ours=differences[OURS]),
]
Markdown(sentences(found))

# %% [markdown]
# We also ran the package itself: `gctf` 0.0.3, installed without its dependencies, because `gctf` asks for Keras 2.4. With Keras 3.15.1
# (checked on 2026-11-24), a small network trained with its RMSprop had exactly the weights of plain RMSprop. The test
# `tests/against_gctf.py` repeats this.
#
# ## Proof 1: what reaches the update?
#
# Identical weights prove that GC did not run. Different weights do not prove that it did: any other change would make them differ, too. So
# we look at the gradients themselves, just before the optimizer uses them. An optimizer changes each variable in its method `update_step`.
# (`run_eagerly` lets plain Python code read the gradients.)


# %%
def largest_mean_at_update(optimizer_class):
    """The largest mean of any weight vector's gradient that one training step hands to `update_step`."""
    seen = []

    class Watched(optimizer_class):
        def update_step(self, gradient, variable, learning_rate):
            if len(gradient.shape) > 1:
                means = ops.mean(gradient, axis=list(range(len(gradient.shape) - 1)))
                seen.append(float(ops.max(ops.abs(means))))
            super().update_step(gradient, variable, learning_rate)

    keras.utils.set_random_seed(0)
    model = build_cnn(settings.image_size)
    model.compile(Watched(1e-3), "binary_crossentropy", run_eagerly=True)
    model.train_on_batch(data.train_images[:16], data.train_labels[:16])
    return max(seen)


# %%
rows = {"RMSprop": keras.optimizers.RMSprop, PUBLISHED: PublishedGCRMSprop, OURS: GCRMSprop}
means = {name: f"{largest_mean_at_update(optimizer):.1e}" for name, optimizer in rows.items()}
pd.Series(means, name=text("largest mean of a gradient at the update")).to_frame()

# %% [markdown]
# ## Proof 2: a mean that training cannot change
#
# Plain gradient descent (SGD), with or without momentum, only adds multiples of gradients to the weights. If every gradient has mean
# zero, then the mean of each weight vector never moves. The mean is an *invariant*. You can see it from the weights alone. So it
# is the best test of whether GC runs in a project that trains with SGD. The project must not use `weight_decay` or `clipvalue`, which act
# after GC and move the mean. `WeightMeanDrift` records the largest shift.
#
# For SGD we use `GCSGD` from the package. It is written in the same way.

# %%
from gc_tutorial import GCSGD, WeightMeanDrift

drifts = {}
for name, optimizer in {"SGD": keras.optimizers.SGD(0.01, momentum=0.9), "GCSGD": GCSGD(0.01, momentum=0.9)}.items():
    drifts[name] = WeightMeanDrift()
    train_briefly(optimizer, [drifts[name]])
shifts = {name: f"{one.drift[-1]:.1e}" for name, one in drifts.items()}
pd.Series(shifts, name=text("largest shift of a weight vector's mean")).to_frame()

# %% [markdown]
# The shift that is left under `GCSGD` is rounding.
#
# RMSprop and Adam divide each number of the gradient by a different scale. So under them the means move, even though GC runs.
# [Notebook 7](07_any_optimizer.ipynb) measures this, and shows the variant of GC that keeps the means.
#
# ## With and without
#
# Now we compare the two. Each variant in a comparison is called an *arm*, and the arm without GC is the *baseline*. Tables and legends call the
# other one *GC on the gradient*, because there is another kind ([notebook 7](07_any_optimizer.ipynb)). The two runs are *paired*: they have the
# same initial weights and the same batches. Both are evaluated on held-out images, on which no model is trained: here the *images on white* of
# [notebook 1](01_data.ipynb).
#
# Each run gets **a new model**. `compile` keeps the weights, so a second run of the same model would go on where the first one stopped.

# %%
from gc_tutorial import TimeHistory


def train(optimizer):
    """The full recipe from seed 0; returns a table of its epochs."""
    keras.utils.set_random_seed(0)
    model = build_cnn(settings.image_size)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    times = TimeHistory()
    batches = training_batches(data.train_images, data.train_labels, settings.batch_size, seed=0)
    test = data.test.batch(128)
    history = model.fit(
        batches, validation_data=test, epochs=settings.epochs, callbacks=[times], shuffle=False, verbose=0
    )
    columns = {
        "loss": "train_loss",
        "accuracy": "train_accuracy",
        "val_loss": "test_loss",
        "val_accuracy": "test_accuracy",
    }
    table = pd.DataFrame(history.history).rename(columns=columns)
    return table.assign(epoch=table.index + 1, seconds=times.train_seconds, seed=0)


# %%
without = train(keras.optimizers.RMSprop(settings.learning_rate)).assign(arm="none")
with_gc = train(GCRMSprop(settings.learning_rate)).assign(arm="gradient")
runs = pd.concat([without, with_gc])

# %%
from gc_tutorial.plotting import LABELS, MEASURES, learning_curves

summary = runs.groupby("arm", sort=False).agg(
    train_loss=("train_loss", "last"),
    test_loss=("test_loss", "last"),
    train_accuracy=("train_accuracy", "last"),
    test_accuracy=("test_accuracy", "last"),
    seconds=("seconds", "sum"),
)
columns = {**MEASURES, "seconds": text("seconds of training")}
summary.rename(index=LABELS, columns=columns).rename_axis(text("arm")).round(3)

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.wording import changed_by

change = summary.loc["gradient"] - summary.loc["none"]
changes = {
    "loss": changed_by(change["train_loss"], joined=True),
    "accuracy": changed_by(100 * change["test_accuracy"], text(" points")),
}
title = text("One run each. With GC: training loss {loss}, held-out accuracy {accuracy}", **changes)
show(
    learning_curves(runs, title=title),
    alt=text(
        "Training loss, held-out loss and held-out accuracy by epoch, for one run without and one with GC. At the end, the "
        "training loss with GC is {loss}, and the held-out accuracy is {accuracy}.",
        **changes,
    ),
)

# %%
Markdown(
    text(
        "In this one pair of runs, the final training loss with GC is {loss}, and the held-out accuracy is {accuracy}. "
        "**One pair proves nothing.** Notebook 3 shows how much runs of the *same* method differ. Notebook 5 repeats the "
        "comparison with several seeds.",
        **changes,
    )
)

# %% [markdown]
# ## Exercise
#
# Someone gives you a project whose optimizer is called `GCAdam`. Write a short check that tells whether gradient centralization
# runs in it, without reading its code. (Proof 2 does not help, because the means move under Adam.)
#
# The next cell is the solution. It is folded: try first, then open it.

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
from gc_tutorial import GCAdam

moved = {}
for optimizer in (GCAdam(0.1), keras.optimizers.Adam(0.1)):
    kernel = keras.Variable(np.zeros((3, 2)), name="kernel")
    distances = []
    for gradient in (
        np.ones((3, 2)),
        np.arange(6.0).reshape(3, 2),
    ):  # equal numbers, of which GC leaves zero; and others
        before = ops.copy(kernel)
        optimizer.apply([ops.cast(gradient, "float32")], [kernel])
        distances.append(float(ops.max(ops.abs(kernel - before))))
    moved[type(optimizer).__name__] = distances
print(
    text(
        "Answer: give a kernel a gradient of equal numbers. If GC runs, zero is left of it, and the kernel does not move. A second "
        "gradient, of unequal numbers, must move it: else the optimizer does nothing at all."
    )
)
for name, (equal, unequal) in moved.items():
    said = "{name} moved the kernel by {equal:.2g} and then by {unequal:.2g}, so GC does not run in it."
    if equal == 0 < unequal:
        said = "{name} moved the kernel by {equal:.2g} and then by {unequal:.2g}, so GC runs in it."
    print(text(said, name=name, equal=equal, unequal=unequal))

# %% [markdown]
# ## What you have seen
#
# - GC subtracts the mean from the gradient of each weight vector. It takes about ten lines, and its place is `Optimizer.apply`.
# - Overriding `get_gradients`, as the Keras example did, changes nothing, because Keras 3 never calls it.
# - Two proofs show that GC runs: the gradients at the update have mean zero, and under SGD the means of the weights never move.
#
# Next: [5. The comparison](05_comparison.ipynb), with several seeds, intervals, and a verdict.
