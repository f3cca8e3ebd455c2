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
# # 0. Start here
#
# **Five minutes to the point: what gradient centralization (GC) is, how to write it for Keras in about ten lines, how to prove that it
# runs, and what is known about its use.**
#
# Running it takes about 25 seconds in the `standard` profile on two processor cores; no GPU needed.
#
# [Open in Colab](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/00_start_here.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/00_start_here.ipynb) · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/00_start_here.ipynb) · [Open in Codespaces](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [Read in nbviewer](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/00_start_here.ipynb) · [日本語](ja/00_start_here.ipynb)
#
# In this notebook you will
#
# - see in one picture what GC does to a training step;
# - write a Keras optimizer with GC, and prove that it runs;
# - see what GC does to training, and choose where to go next.

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

# %% [markdown]
# ## The picture
#
# Training moves the weights of a network in small steps against the *gradient*, the direction in which the loss grows fastest. GC changes
# one thing. It subtracts the mean from the gradient of each *weight vector*, which holds the weights of one unit
# ([Yong et al. 2020](https://arxiv.org/abs/2004.01461), equation 1): $\mathrm{GC}(g) = g - \frac{1}{M}\sum_{i=1}^{M} g_i$, where $M$ is
# the number of weights in the vector.

# %%
import numpy as np
from gc_tutorial import text

weights = np.array([0.2, 0.8])
gradient = np.array([-1.125, -0.125])
centralized = gradient - gradient.mean()
print(text("gradient {values} has the mean {mean}", values=gradient, mean=gradient.mean()))
print(text("centralized {values} has the mean {mean}", values=centralized, mean=centralized.mean()))

# %% [markdown]
# With two weights we can draw both steps:

# %% tags=["hide-input"]
from gc_tutorial.pictures import projected_step
from gc_tutorial.plotting import show

show(
    projected_step(weights, gradient, centralized, title="GC keeps the sum of the weights"),
    alt="Two arrows from one point. The step with GC follows the dashed line of constant sum; a perpendicular joins the ends of both.",
)

# %% [markdown]
# On the dashed line the sum of the weights is the same everywhere. GC drops a perpendicular from the end of the step onto that line. So it
# keeps the part of the step along the line and removes the rest. A unit with many weights has a (hyper)plane instead of the line.
#
# ## GC in about ten lines
#
# A Keras optimizer receives its gradients in one method, `apply`, on TensorFlow, JAX and PyTorch. So we centralize there. The weights of a
# layer are called its *kernel*. The last axis of a kernel runs over the units, so the mean is taken over the other axes. A bias is left
# alone: each unit has only one, so its gradient minus its mean would be zero, and the bias would never learn. This is right for dense and
# ordinary convolution layers. In some other layers the units are on another axis. The ready-made classes of
# [notebook 7](07_any_optimizer.ipynb) take care of that.

# %%
import keras
from keras import ops


def centralize(gradient):
    """Subtract the mean from the gradient of each weight vector."""
    if gradient is None or len(gradient.shape) < 2:
        return gradient
    return gradient - ops.mean(gradient, axis=list(range(len(gradient.shape) - 1)), keepdims=True)


class GCSGD(keras.optimizers.SGD):
    """Stochastic gradient descent with gradient centralization."""

    def apply(self, grads, trainable_variables=None):
        return super().apply([centralize(gradient) for gradient in grads], trainable_variables)


# %% [markdown]
# On PyTorch, Keras has a faster (*fused*) version of its optimizers, and a class that you write yourself loses it. In our
# [measurement](../gc_tutorial/study/results/README.md#speed), a training step of a transformer block with a subclass of Adam that adds nothing took 20%
# longer. The ready-made classes of `gc_tutorial` keep the fused version ([frequently asked questions](../docs/faq.md)).
#
# If your code overrides a method that Keras never calls, training carries on without a warning, as
# [notebook 4](04_gradient_centralization.ipynb) shows for published code. So we need a proof.
#
# ## The proof that it runs
#
# SGD only ever adds multiples of gradients to the weights, and with GC the gradient of each weight vector has mean zero. So **the mean of each
# weight vector stays constant**. We train the same network twice, from the same weights, on the same images in the same order, and record the means
# of the first layer's 16 weight vectors after each step.

# %%
from gc_tutorial import build_cnn, load_data, training_batches

data = load_data(settings.data, image_size=94)  # the proof needs no larger images


def first_layer_means(optimizer):
    """The means of the first layer's weight vectors, before training and after each of 32 steps."""
    keras.utils.set_random_seed(0)
    model = build_cnn(94)
    model.compile(optimizer, "binary_crossentropy")
    kernel = model.trainable_variables[0]
    means = [ops.mean(kernel, axis=(0, 1, 2))]
    images, labels = data.train_images[:512], data.train_labels[:512]
    for batch in training_batches(images, labels, batch_size=16, seed=0):
        model.train_on_batch(*batch)
        means.append(ops.mean(kernel, axis=(0, 1, 2)))
    return np.array([ops.convert_to_numpy(one) for one in means])


# %%
paths = {
    "none": first_layer_means(keras.optimizers.SGD(0.01, momentum=0.9)),
    "gradient": first_layer_means(GCSGD(0.01, momentum=0.9)),
}
largest = {arm: np.abs(means - means[0]).max() for arm, means in paths.items()}
print(text("largest shift of a mean: {none:.1e} without GC, {gradient:.1e} with GC", **largest))

# %% tags=["hide-input"]
from gc_tutorial.pictures import mean_paths

title = text("Means of 16 weight vectors: the largest shift with GC is {gradient:.1e}", **largest)
show(
    mean_paths(paths, title=title),
    alt="Shift of the mean of each weight vector by training step: lines that spread without GC, and flat lines with GC.",
)

# %% [markdown]
# The tiny shift that remains with GC is rounding. The callback `gc_tutorial.WeightMeanDrift` measures the shift over all layers of any model.
#
# ## What it does to training
#
# Whether GC makes a network better is another question. The answer may depend on the *learning rate*, the factor of each step. So the studies of
# this tutorial first try several rates for each method ([notebook 5](05_comparison.ipynb)). Then they train each method at its own best rate, on
# fresh *seeds*. A seed decides the first weights, the order of the examples, and which of them are *held out*, that is, not used for
# training.
#
# The two figures show study C: five small data sets, CNNs with and without batch normalization, a small transformer, the optimizers Adam and AdamW,
# 12 epochs, ten seeds.

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.forest_figure import forest, forest_alt
from gc_tutorial.study.published import published

elsewhere = published("C_generality").findings()
show(forest(elsewhere["training"].table), alt=forest_alt(elsewhere["training"].table))

# %% tags=["hide-input"]
show(forest(elsewhere["heldout"].table), alt=forest_alt(elsewhere["heldout"].table))

# %% [markdown]
# Each row is one network on one data set. The point is the average difference between training with GC and without it, and the bar is its 95%
# interval. A loss is better to the left of the dashed line, an accuracy to the right of it. The shaded band is the margin within which the plan calls
# a difference too small to matter. GC *helps*, or *hurts*, where the interval excludes zero and the result survives a correction for several tests.
# *Inconclusive* does not mean that there is no difference ([notebook 5](05_comparison.ipynb)). The training loss is measured without dropout and
# augmentation.
#
# Other studies use the images of this tutorial only. Study D (with RMSprop) and study D2 (with SGD) use one rate for both methods, the one that
# is best *without* GC. Each percentage is an average over pairs of runs with the same seed, so it can differ a little from the percentage between
# the means. Study B (with RMSprop and Adam, and 60 seeds) trains each method at its own best rate, as study C does. The lines on B and C count the
# settings in which GC helps and hurts under these conditions. A loss is in nats, the unit of the natural logarithm: a guess between two classes has
# 0.69 of them.

# %% tags=["hide-input"]
from gc_tutorial.study.evidence.outcomes import OUTCOMES
from gc_tutorial.study.evidence.result_rows import counted_settings
from gc_tutorial.study.evidence.synthesis import at_one_rate
from IPython.display import Markdown

studies = {"B": published("B_confirmation").findings(), "C": elsewhere}
lines = at_one_rate(published("D_mechanism").findings()) + at_one_rate(published("D2_mechanism_sgd").findings(), "sgd")
for letter, found in studies.items():
    for finding in (found["training"], found["heldout"]):
        outcome, said = OUTCOMES[finding.table["outcome"].iloc[0]], counted_settings(finding)
        lines.append(text("Study {letter}, {outcome}: {said}", letter=letter, outcome=outcome, said=said))
Markdown("\n".join(f"- {line}" for line in lines))

# %% [markdown]
# ## Where to go next
#
# - **Understand it.** [1. The images](01_data.ipynb), [2. Augmentation](02_augmentation.ipynb), [3. The CNN](03_cnn.ipynb),
#   [4. Gradient centralization](04_gradient_centralization.ipynb), and then [8. What it changes, and why it may work](08_why_it_works.ipynb).
# - **See the evidence.** [5. The comparison](05_comparison.ipynb) and [9. Should you use it?](09_should_you_use_it.ipynb)
# - **Use it in your project.** [7. Any optimizer](07_any_optimizer.ipynb), with ready-made classes such as `gc_tutorial.GCAdam`, and
#   [6. Your own images](06_your_own_images.ipynb).

# %% [markdown]
# ## Exercise
#
# Write `GCAdam` in the same way. Does the mean of each weight vector still stay constant? Why, or why not?
#
# The next cell is the solution. It is folded: try first, then open it.


# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
class GCAdam(keras.optimizers.Adam):
    """Adam with gradient centralization."""

    def apply(self, grads, trainable_variables=None):
        return super().apply([centralize(gradient) for gradient in grads], trainable_variables)


means = first_layer_means(GCAdam(1e-3))
shift = np.abs(means - means[0]).max()
print(text("Answer: the largest shift of a mean is {shift:.1e}, although GC runs.", shift=shift))
print(
    text(
        "Adam divides each number of the gradient by a scale of its own, so the numbers need not sum to zero any more."
    )
)
print(text("Notebook 7 measures this for Adam and other optimizers, and shows the variant of GC that keeps the means."))

# %% [markdown]
# ## What you have seen
#
# - GC subtracts the mean from the gradient of each weight vector. So a step of SGD keeps the sum of the weights.
# - It takes about ten lines in a Keras optimizer, and its place is `apply`.
# - The proof under SGD: with GC the means of the weight vectors stay constant, and without GC they move.
# - After 12 epochs the training loss was lower with GC in all settings of studies B and C, each method at its own best rate. For the accuracy on
#   held-out examples GC helps in half of the settings of C and hurts in none. In B it hurts at one learning rate, and at a higher one the
#   accuracy was higher with GC. So we make no general claim about accuracy. [Notebook 9](09_should_you_use_it.ipynb) says more, and what longer
#   training showed.
#
# Next: [1. The images](01_data.ipynb), or another of the notebooks above.
