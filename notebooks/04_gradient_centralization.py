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
# # 4. Gradient centralization
#
# **Write gradient centralization for Keras in ten lines, and prove that it runs. In the published code that many projects
# copied, it does not.**
#
# In the `standard` profile it takes two to three minutes on two processor cores; no GPU needed.
#
# [Open in Colab](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/04_gradient_centralization.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/04_gradient_centralization.ipynb) · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/04_gradient_centralization.ipynb) · [Open in Codespaces](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [Read in nbviewer](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/04_gradient_centralization.ipynb) · [日本語](ja/04_gradient_centralization.ipynb)
#
# In this notebook you will
#
# - see what gradient centralization (GC) does to a gradient, in a formula and in a picture;
# - write an optimizer that does it, through the one method that Keras calls;
# - prove that yours runs and that the published one does not, and train with and without it.

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
# Take one output unit of a layer, with its weight vector $w$ of $M$ numbers, and the gradient $g$ of the loss with respect
# to it. Gradient centralization subtracts from the gradient its mean
# ([Yong et al. 2020](https://arxiv.org/abs/2004.01461), equation 1):
#
# $$\mathrm{GC}(g) = g - \frac{1}{M}\sum_{i=1}^{M} g_i = P\,g, \qquad P = I - e\,e^{\mathsf T}, \quad
# e = \tfrac{1}{\sqrt M}(1, \dots, 1)^{\mathsf T}$$
#
# $P$ projects onto the plane of vectors whose numbers sum to zero. In Keras's dense and convolutional layers the last
# axis of a kernel counts the output units, so the mean is taken over all other axes.
#
# Two kinds of variables are left alone. A unit has only one bias, so its gradient minus its mean would be zero, and the bias would
# never learn. An embedding has a row for each token, and centralizing would move the rows of tokens that are not even in the batch.
# (Depthwise and attention layers have other axes; [notebook 7](07_any_optimizer.ipynb) shows them.)
#
# Why would anyone do this? The paper gives two reasons. The first holds for plain gradient descent (SGD): the sum of a unit's weights
# cannot move. Then the unit's reaction to a shift $c$ that all its inputs share cannot move either, because
# $w^{\mathsf T}(x + c\,\mathbf 1) - w^{\mathsf T}x = c\sum_i w_i$. Training cannot use it to fit the data, and the paper calls this
# a regularization. Under RMSprop and Adam the sum does move ([notebook 5](05_comparison.ipynb)), so the first reason does not apply to
# them as it stands. The second reason: along the remaining directions the loss is smoother, which should make training steadier.
# The gains that the paper reports are modest. On ImageNet with ResNet-50 the top-1 error falls from 23.71% to 23.21%.

# %%
from keras import ops


def centralize(gradient):
    """Subtract from the gradient of each weight vector its mean."""
    axes = list(range(len(gradient.shape) - 1))
    return gradient - ops.mean(gradient, axis=axes, keepdims=True)


# %% [markdown]
# A small example: the gradient of a dense layer with 3 inputs and 2 units. Each *column* belongs to one unit.

# %%
import numpy as np

gradient = ops.array([[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]])
print(ops.convert_to_numpy(centralize(gradient)))
print("column means:", ops.convert_to_numpy(ops.mean(centralize(gradient), axis=0)))

# %% [markdown]
# ## The picture
#
# With only two weights we can draw it. A step against the raw gradient may change both the difference of the two weights and
# their sum. The centralized step keeps the sum: it stays on the dashed line on which $w_1 + w_2$ has the value it
# began with.

# %%
import matplotlib.pyplot as plt
from gc_tutorial.plotting import COLOURS, show

w, g = np.array([0.6, 0.4]), np.array([-0.9, -0.1])
figure, axis = plt.subplots(figsize=(4.6, 4.2), layout="constrained")
line = np.array([-0.2, 1.6])
axis.plot(line, w.sum() - line, "k--", lw=1, label=r"$w_1 + w_2$ unchanged")
for step, colour, name in (
    (-g, COLOURS["none"], "step along $-g$"),
    (g.mean() - g, COLOURS["gradient"], "step along $-$GC$(g)$"),
):
    axis.annotate("", w + step, w, arrowprops={"arrowstyle": "->", "color": colour, "lw": 2})
    axis.plot([], [], color=colour, lw=2, label=name)
axis.plot(*w, "ko")
axis.set(
    xlabel="$w_1$", ylabel="$w_2$", xlim=line, ylim=(-0.3, 1.2), aspect="equal", title="GC keeps the sum of the weights"
)
axis.legend(fontsize=8, loc="upper right")
show(
    figure,
    alt="Two arrows from one point: the raw step leaves the dashed line of constant sum, the centralized one follows it.",
)

# %% [markdown]
# ## The optimizer
#
# Every Keras optimizer receives its gradients through one method, `apply`. `fit` calls it on every backend (TensorFlow, JAX or
# PyTorch), and custom training loops call it, too. So we centralize there, and then let the optimizer work as before.

# %%
import keras


class GCRMSprop(keras.optimizers.RMSprop):
    """RMSprop that centralizes the gradient of every kernel."""

    def apply(self, grads, trainable_variables=None):
        grads = [g if g is None or len(g.shape) < 2 else centralize(g) for g in grads]
        return super().apply(grads, trainable_variables)


# %% [markdown]
# ## The published optimizer
#
# *Published* means here: the [Keras example of GC](https://keras.io/examples/vision/gradient_centralization/) as it was last modified
# on 2023-07-25, and the code copied from it. It overrides another method, `get_gradients`, which Keras 3 does not have.
#
# Others found problems before us. A user of the package `gctf` reported in 2021 that its GC does not run
# ([issue 24](https://github.com/Rishit-dagli/Gradient-Centralization-TensorFlow/issues/24)). The Keras example was corrected in 2025:
# [pull request 2042](https://github.com/keras-team/keras-io/pull/2042) (merged 2025-01-30) fixed errors,
# [issue 2111](https://github.com/keras-team/keras-io/issues/2111) (2025-05-24) reported that its comparison is unfair, and
# [pull request 2113](https://github.com/keras-team/keras-io/pull/2113) (2025) gave each run a model of its own. We could not see what the
# page says today, so what follows is about the version of 2023-07-25.
#
# The optimizers of `gctf` set `get_gradients` on the finished optimizer instead of overriding it. We write both in outline:


# %%
class PublishedGCRMSprop(keras.optimizers.RMSprop):
    """How the published optimizer is built; the counter is ours."""

    calls = 0

    def get_gradients(self, loss, params):
        PublishedGCRMSprop.calls += 1
        return [centralize(g) if len(g.shape) > 1 else g for g in super().get_gradients(loss, params)]


def like_gctf(optimizer):
    """What the package `gctf` does to an optimizer."""
    optimizer.get_gradients = lambda loss, params: [centralize(g) for g in keras.backend.gradients(loss, params)]
    return optimizer


print("Does Keras's own RMSprop have a method `get_gradients`?", hasattr(keras.optimizers.RMSprop, "get_gradients"))

# %% [markdown]
# ## A first check: do the weights differ?
#
# If GC runs, training with it must end in other weights than training without. We train the same network from the
# same initial weights, on the same 128 pictures in the same order, once with each optimizer.

# %%
from gc_tutorial import build_cnn, training_batches


def train_briefly(optimizer, callbacks=()):
    """Two short epochs from seed 0; returns the trained weights."""
    keras.utils.set_random_seed(0)
    model = build_cnn(settings.image_size)
    model.compile(optimizer, "binary_crossentropy")
    batches = training_batches(data.train_images[:128], data.train_labels[:128], batch_size=16, seed=0)
    model.fit(batches, epochs=2, shuffle=False, verbose=0, callbacks=list(callbacks))
    return model.get_weights()


# %%
weights = {
    "RMSprop": train_briefly(keras.optimizers.RMSprop(1e-3)),
    "RMSprop once more": train_briefly(keras.optimizers.RMSprop(1e-3)),
    "published `get_gradients`": train_briefly(PublishedGCRMSprop(1e-3)),
    "the way of `gctf`": train_briefly(like_gctf(keras.optimizers.RMSprop(1e-3))),
    "ours, `apply`": train_briefly(GCRMSprop(1e-3)),
}

# %%
import pandas as pd


def largest_difference(first, second):
    return max(np.abs(a - b).max() for a, b in zip(first, second))


differences = {name: largest_difference(trained, weights["RMSprop"]) for name, trained in weights.items()}
pd.Series(differences, name="largest difference from RMSprop's weights").map("{:.2g}".format).to_frame()

# %%
from IPython.display import Markdown

published, repeated = differences["published `get_gradients`"], differences["RMSprop once more"]
if published == 0:
    finding = "**the same to the last bit** as plain RMSprop's: it *is* plain RMSprop."
else:  # a GPU may round differently in every run
    finding = f"off by {published:.2g}, where plain RMSprop, run once more, is off by {repeated:.2g}: see proof 1."
Markdown(
    f"The published optimizer's `get_gradients` was called **{PublishedGCRMSprop.calls}** times, and its weights are {finding} "
    f"The way of `gctf` differs from plain RMSprop by {differences['the way of `gctf`']:.2g}, ours by up to "
    f"{differences['ours, `apply`']:.2g}."
)

# %% [markdown]
# We also ran the package itself: `gctf` 0.0.3, installed without its dependencies, since it asks for Keras 2.4. With Keras 3.15.1
# (checked on 2026-11-24), a small network trained with its RMSprop had exactly the weights of plain RMSprop. The test
# `tests/against_gctf.py` repeats this.
#
# ## Proof 1: what reaches the update?
#
# Equal weights show that GC did not run. Different weights do not show that it did: any mistake makes them differ. So let us look at
# the gradients themselves, just before they are used. `update_step` is the method in which an optimizer changes one variable.
# (`run_eagerly` lets plain Python code see them.)


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
rows = {
    "RMSprop": keras.optimizers.RMSprop,
    "published `get_gradients`": PublishedGCRMSprop,
    "ours, `apply`": GCRMSprop,
}
means = {name: f"{largest_mean_at_update(optimizer):.1e}" for name, optimizer in rows.items()}
pd.Series(means, name="largest mean of a gradient at the update").to_frame()

# %% [markdown]
# ## Proof 2: the paper's invariant (what training cannot change)
#
# Plain gradient descent (SGD), with or without momentum, only adds multiples of gradients to the weights. If every gradient has mean
# zero, then the mean of each weight vector never moves. The weights alone show this. So it is the best test of whether GC runs
# in a project that trains with SGD, without `weight_decay` and `clipvalue`, which act after GC and move the mean.
# `WeightMeanDrift` records the largest shift.
#
# For SGD we take the package's ready-made `GCSGD`, written the same way.

# %%
from gc_tutorial import GCSGD, WeightMeanDrift

drifts = {}
for name, optimizer in {"SGD": keras.optimizers.SGD(0.01, momentum=0.9), "GCSGD": GCSGD(0.01, momentum=0.9)}.items():
    drifts[name] = WeightMeanDrift()
    train_briefly(optimizer, [drifts[name]])
pd.Series(
    {name: f"{d.drift[-1]:.1e}" for name, d in drifts.items()}, name="largest shift of a weight vector's mean"
).to_frame()

# %% [markdown]
# What is left under `GCSGD` is rounding.
#
# RMSprop and Adam divide each number of the gradient by a different scale. Under them the invariant does not hold, even though
# GC runs. [Notebook 5](05_comparison.ipynb) measures this, and shows the variant of GC that keeps the means.
#
# ## With and without
#
# Now we compare, with **a new model for each run**: `compile` keeps the weights, so compiling the same model again would give the
# second run a head start. Both runs have the same initial weights and the same batches, and both are evaluated on held-out pictures.

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
from gc_tutorial.plotting import LABELS

summary = runs.groupby("arm", sort=False).agg(
    train_loss=("train_loss", "last"),
    test_loss=("test_loss", "last"),
    train_accuracy=("train_accuracy", "last"),
    test_accuracy=("test_accuracy", "last"),
    seconds=("seconds", "sum"),
)
change = summary.loc["gradient"] - summary.loc["none"]
accuracy = 100 * change["test_accuracy"]
summary.rename(index=LABELS).round(3)

# %%
from gc_tutorial.plotting import learning_curves

show(
    learning_curves(
        runs,
        ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "seconds"),
        title=f"One pair of runs: training loss {change['train_loss']:+.3f}, held-out accuracy {accuracy:+.1f} points with GC",
    ),
    alt="Loss and accuracy on training and held-out images, and seconds, by epoch, for one run without and one with GC.",
)

# %%
Markdown(
    f"In this one pair of runs GC changed the final training loss by {change['train_loss']:+.3f} and the held-out accuracy by "
    f"{accuracy:+.1f} percentage points. **One pair proves nothing either way**: notebook 3 shows how far "
    "runs of the *same* method lie apart. Notebook 5 repeats this over several seeds."
)

# %% [markdown]
# ## Exercise
#
# Someone gives you a project whose optimizer is called `GCAdam`. Write a short check that tells whether gradient centralization
# runs in it, without reading its code.
#
# <details><summary>Solution</summary>
#
# Adam does not keep the invariant of proof 2, so use proof 1. Give one kernel a gradient with a large mean, and see what reaches the
# update. The simplest such gradient has equal numbers. Its mean is all there is, so GC leaves zero, and the weights must not move.
#
# ```python
# from gc_tutorial import GCAdam
#
# for optimizer in (GCAdam(0.1), keras.optimizers.Adam(0.1)):
#     kernel = keras.Variable(np.zeros((3, 2)), name="kernel")
#     optimizer.apply([ops.ones((3, 2))], [kernel])
#     print(type(optimizer).__name__, "centralizes:", bool(ops.all(kernel == 0)))
# ```
#
# </details>

# %% [markdown]
# ## What you have seen
#
# - GC subtracts from the gradient of each weight vector its mean. It takes ten lines, and its place is `Optimizer.apply`.
# - Overriding `get_gradients`, as the published example did, changes nothing: Keras 3 never calls it.
# - Two proofs that GC runs: zero means at the update, and under SGD weight means that never move.
#
# Next: [5. The comparison](05_comparison.ipynb), with several seeds, intervals, and a verdict.
