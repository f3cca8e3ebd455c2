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
# # 5. The comparison
#
# **Compare training with and without gradient centralization: several seeds, the same pixels for both, held-out pictures,
# intervals, and a verdict written from the numbers. And see how one untuned learning rate limits what such a study can say.**
#
# In the `standard` profile it takes two to four minutes on two processor cores; no GPU needed.
#
# [Open in Colab](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/05_comparison.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/05_comparison.ipynb) · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/05_comparison.ipynb) · [Open in Codespaces](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [Read in nbviewer](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/05_comparison.ipynb) · [日本語](ja/05_comparison.ipynb)
#
# In this notebook you will
#
# - run a small paired comparison on your own machine;
# - read the results of a larger one on the real images, with intervals over seeds, and a verdict written from its numbers;
# - see a gain like the published one arise without any GC, and what becomes of the paper's invariant under RMSprop.

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
# ## What makes a comparison fair
#
# - **Paired.** An *arm* is one of the methods compared: without GC (the *baseline*), with GC on the gradient, with GC on the update.
#   *Paired* means: within a seed, every arm starts from the same weights and sees the same batches with the same augmentation, bit
#   for bit. So each arm can be subtracted from the baseline, seed by seed.
# - **Fresh.** Each run has a new model and a new optimizer.
# - **Held out.** Loss and accuracy are measured on pictures that no run trains on.
# - **Repeated.** Several seeds, and an interval for the difference.
# - **Tuned.** Each arm has the learning rate that suits it best. **The study below does not do this**: it takes one learning rate for all
#   arms. A study with tuned rates is planned and running. Its plans are in `gc_tutorial/study/plans/`. Its rules were
#   written before its results were looked at.
#
# The third arm is the paper's authors' own advice for optimizers that rescale every number of the gradient, such as RMSprop:
# they centralize not the gradient but the *update* that the optimizer makes of it.
#
# `compare` does all of this, except the tuning. Here it runs a small comparison on your machine:

# %%
from gc_tutorial import compare

live = compare(
    data,
    optimizer="rmsprop",
    learning_rate=settings.learning_rate,
    arms=("none", "gradient", "update"),
    seeds=settings.seeds,
    image_size=settings.image_size,
    batch_size=settings.batch_size,
    epochs=settings.epochs,
    progress=False,
)
live[["arm", "seed", "epoch", "train_loss", "test_loss", "test_accuracy", "seconds"]].tail(3).round(3)

# %%
from gc_tutorial.plotting import learning_curves, show

show(
    learning_curves(
        live, title=f"On this machine: {settings.seeds} seeds, {settings.epochs} epochs (bands: lowest to highest)"
    ),
    alt="Training loss, held-out loss and held-out accuracy by epoch for the three arms, from the small live comparison.",
)

# %% [markdown]
# These are far too few seeds and epochs for a verdict. A longer study comes with the package.
#
# ## The study
#
# The same function ran on the real *Horses or Humans* images, from the command line. Each finished run is kept, so the study can be
# stopped and resumed. The tables are in `gc_tutorial/study/results/`, with the commands that made them.

# %%
from IPython.display import Markdown
from gc_tutorial.study.analysis import finding, load_study, paired_differences

study = load_study("rmsprop")
seeds = study["seed"].nunique()


def describe(study):
    """The settings of a study and its size, from its own table."""
    setting, runs = study.iloc[0], study.groupby(["arm", "seed"])["status"].first()
    return Markdown(
        f"{setting['data']}, {setting['image_size']}×{setting['image_size']} pixels, batches of {setting['batch_size']}, "
        f"{setting['optimizer']} at a learning rate of {setting['learning_rate']:g}, {setting['epochs']} epochs; "
        f"{study['arm'].nunique()} arms, **{study['seed'].nunique()} seeds**. Runs that diverged: {(runs == 'diverged').sum()}."
    )


describe(study)

# %%
differences = paired_differences(study)
show(
    learning_curves(study, title=f"RMSprop with GC on the gradient, {seeds} seeds: {finding(differences)}"),
    alt="Training loss, held-out loss and held-out accuracy by epoch for the three arms of the study, with bands over seeds.",
)

# %% [markdown]
# Lines are means over seeds. Bands reach from the lowest to the highest seed. Seeds differ a lot, which is why the runs are paired.
# The next figure shows the mean differences, each with two 95% intervals over the seeds (a range in which the mean over many more
# seeds plausibly lies): a bootstrap, thick, and Student's t, thin. A bootstrap over few seeds is too narrow. So the titles of the
# figures report a difference only where both intervals leave out zero.

# %%
from gc_tutorial import plotting
from gc_tutorial.study.analysis import OUTCOMES

show(
    plotting.interval_plot(differences, title=f"Difference from no GC, paired, {seeds} seeds, 95% intervals"),
    alt="For each outcome, the mean difference of both GC arms from no GC with its interval, against a line at zero.",
)

# %%
table = differences.assign(outcome=differences["outcome"].map(OUTCOMES), arm=differences["arm"].map(plotting.LABELS))
table.set_index(["arm", "outcome"]).round(3)

# %% [markdown]
# ### The verdict
#
# The cell below writes it from the table. Student's t decides the word. Where its interval leaves out zero, GC *helps* or *hurts*.
# Where accuracy surely changes by less than two points, there is *no practical difference*. Otherwise the result is *inconclusive*.

# %%
from gc_tutorial.study.analysis import final_training_loss, verdict


def verdicts(differences):
    """One line for each arm and outcome."""
    lines = []
    for arm, rows in differences.groupby("arm", sort=False):
        lines.append(f"\n**{plotting.LABELS[arm]}**, against no GC:\n")
        lines += [f"- {OUTCOMES[row['outcome']]}: {verdict(row)}" for _, row in rows.iterrows()]
    return Markdown("\n".join(lines))


goal = final_training_loss(study)
print(f"The training-loss goal is {goal:.3f}, where runs without GC end on average.")
verdicts(differences)

# %% [markdown]
# There are ten differences. If nothing differed at all and they were independent, at least one interval would still leave out zero in
# 1 - 0.95¹⁰ = 40% of such tables. A single interval that barely leaves out zero is a hint, not a finding.
#
# Two outcomes need care. The training-loss goal is the mean in which the baseline's *own* runs end. So some of them never reach it, and
# those count as one epoch more than they had. The seconds per epoch were measured on a machine that did other work as well, and a
# difference there says little. `make benchmark` measures the cost of GC better.
#
# ## The same with SGD
#
# This is stochastic gradient descent with momentum 0.9, the optimizer of the paper's theory:

# %%
sgd = load_study("sgd")
describe(sgd)

# %%
sgd_differences = paired_differences(sgd)
show(
    learning_curves(
        sgd, title=f"SGD with GC on the gradient, {sgd['seed'].nunique()} seeds: {finding(sgd_differences)}"
    ),
    alt="Training loss, held-out loss and held-out accuracy by epoch for the three arms under SGD with momentum.",
)
verdicts(sgd_differences)

# %% [markdown]
# Under SGD the gradient *is* the direction of the update. So centralizing one or the other is the same, up to rounding. Training
# amplifies rounding, so single runs differ, but their averages should not. This checks the experiment itself.

# %%
update_or_gradient = (
    paired_differences(sgd, baseline="gradient").query("arm == 'update' and outcome == 'train_loss'").iloc[0]
)
Markdown(f"Final training loss of GC on the update, against GC on the gradient: {verdict(update_or_gradient)}.")

# %% [markdown]
# ## The published recipe
#
# These are the settings of the published example (*published* as in [notebook 4](04_gradient_centralization.ipynb): the Keras example of GC as last modified on
# 2023-07-25):

# %%
recipe = load_study("published_recipe")
describe(recipe)

# %%
recipe_differences = paired_differences(recipe)
recipe_title = f"Published recipe with GC, {recipe['seed'].nunique()} seeds: {finding(recipe_differences)}"
show(
    learning_curves(recipe, title=recipe_title),
    alt="Training loss, held-out loss and held-out accuracy by epoch for the three arms at the published recipe.",
)
verdicts(recipe_differences)

# %%
first, here = (
    rows[(rows["arm"] == "gradient") & (rows["outcome"] == "train_loss")].iloc[0]
    for rows in (differences, recipe_differences)
)
excluded = here["t_low"] > first["difference"]
Markdown(
    f"In the first study, GC on the gradient changed the final training loss by {first['difference']:.2f}. At the published recipe "
    f"the interval is {here['t_low']:.2f} to {here['t_high']:.2f}, from {here['seeds']:.0f} seeds: "
    f"an effect as large as in the first study is **{'excluded' if excluded else 'not excluded'}**."
)

# %% [markdown]
# The two studies differ in the learning rate, the batch size, the size of the images and the number of steps. Which of these
# decides is not tested here. Plan E of the study that is running, `gc_tutorial/study/plans/E_recipe.toml`, trains this recipe for longer.
#
# ## How a gain like the published one arises without GC
#
# The [published example](https://keras.io/examples/vision/gradient_centralization/) reported: loss 0.53 without GC and 0.40 with it,
# accuracy 0.76 and 0.82, 112 and 98 seconds. (The progress lines that it prints, drawn below, end at 0.62 and 0.46. Its first version,
# of 2021, reported 0.55 and 0.41, and 76% and 82%.) All are measured on training images. Which version of Keras printed these numbers is
# not known. Under Keras 3 its GC never runs (notebook 4).
#
# Between its two trainings it only calls `compile` again. Another reader reported this in 2025
# ([issue 2111](https://github.com/keras-team/keras-io/issues/2111)), and
# [pull request 2113](https://github.com/keras-team/keras-io/pull/2113) gave each run a model of its own. `compile` **keeps the weights**:

# %%
import keras
from gc_tutorial import build_cnn

model = build_cnn(settings.image_size)
before = model.get_weights()
model.compile(keras.optimizers.RMSprop(1e-4), "binary_crossentropy")
print("compile changed a weight:", any((a != b).any() for a, b in zip(before, model.get_weights())))

# %% [markdown]
# So the second training goes on where the first one stopped.
#
# We repeat that experiment without any GC: plain RMSprop for ten epochs, `compile` again, plain RMSprop for ten more. The figure
# shows it beside the training loss that the published example printed.

# %%
import matplotlib.pyplot as plt

control, progress = load_study("control"), load_study("published_progress")
half = progress["epoch"].max() // 2
figure, axis = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
plotting.draw_control(axis, control, progress)
axis.set_title("Training on without any GC gives a “gain”, too")
show(
    figure,
    alt="Two curves of the training loss over twenty epochs, one published and one ours without GC; both fall on after compile.",
)

# %%
at = control[control["epoch"].isin([half, 2 * half])].groupby("epoch")[["train_loss", "train_accuracy"]].mean()
last_five = control.assign(half=(control["epoch"] - 1) // half, place=(control["epoch"] - 1) % half).query(
    f"place >= {half - 5}"
)
held_out = last_five.groupby("half")["test_accuracy"]
Markdown(
    f"Without any GC, from the end of the first {half} epochs to the end of {half} more after `compile`: training loss "
    f"**{at['train_loss'][half]:.3f}** to **{at['train_loss'][2 * half]:.3f}**, training accuracy "
    f"**{at['train_accuracy'][half]:.3f}** to **{at['train_accuracy'][2 * half]:.3f}**. The published example does not look at held-out "
    f"accuracy. Here its median over the last five epochs of each half is **{held_out.median()[0]:.3f}** and "
    f"**{held_out.median()[1]:.3f}**; single ones of these epochs lie between {held_out.min().min():.3f} and "
    f"{held_out.max().max():.3f}. Number of seeds: {control['seed'].nunique()}, too few for a statement about held-out pictures."
)

# %% [markdown]
# ## What becomes of the invariant
#
# Notebook 4 showed that under SGD with GC the mean of each weight vector never moves. RMSprop divides each number of the
# gradient by its own scale, so a gradient of mean zero becomes an update whose mean is *not* zero. If we centralize the update
# instead, the mean stays. `WeightMeanDrift` measures it on your machine:

# %%
import pandas as pd
from gc_tutorial import WeightMeanDrift, centralized, training_batches


def drift(optimizer):
    """The largest shift of a weight vector's mean in two short epochs on 128 pictures."""
    keras.utils.set_random_seed(0)
    model = build_cnn(settings.image_size)
    model.compile(optimizer, "binary_crossentropy")
    batches = training_batches(data.train_images[:128], data.train_labels[:128], batch_size=16, seed=0)
    callback = WeightMeanDrift()
    model.fit(batches, epochs=2, shuffle=False, verbose=0, callbacks=[callback])
    return callback.drift[-1]


# %%
makers = {
    "SGD": (keras.optimizers.SGD, {"learning_rate": 0.01, "momentum": 0.9}),
    "RMSprop": (keras.optimizers.RMSprop, {"learning_rate": 1e-3}),
}
drifts = {
    name: {
        "no GC": drift(make(**arguments)),
        "GC on the gradient": drift(centralized(make)(**arguments)),
        "GC on the update": drift(centralized(make)(**arguments, centralize="update")),
    }
    for name, (make, arguments) in makers.items()
}
pd.DataFrame(drifts).map("{:.1e}".format)

# %% [markdown]
# ## What this study cannot say
#
# - **One learning rate for each optimizer**, not tuned, and the same for all arms. GC changes the size of a step, so another arm may
#   need another rate. A rate that is too low for the baseline makes anything faster look better.
# - **One data set**, of about a thousand computer-rendered pictures. The paper measured its gains on others. On ImageNet, for instance,
#   the top-1 error is 23.71% without and 23.21% with GC (ResNet-50). Half a percentage point would not show here.
# - **A domain shift.** Held-out pictures stand on white, and training pictures do not. The study says nothing about held-out pictures of
#   the same kind as the training pictures.
# - **256 held-out pictures, always the same.** The intervals are over seeds. Other pictures could give another result. With 256
#   independent pictures one accuracy would be uncertain by about six percentage points ($1.96\sqrt{0.25/256}$). These pictures are
#   not independent: they show about 11 rendered figures from many sides, so the uncertainty is larger.
# - **The last epoch.** Accuracy jumps between epochs, and we take the last one.
# - **A small network without batch normalization**, trained for a few epochs. The paper's networks are deep and normalized, and were
#   trained to the end.

# %% [markdown]
# ## Should you use it?

# %%
lines = [f"- {plotting.LABELS[arm]}: {finding(differences, arm)}." for arm in ("gradient", "update")]
unseen = differences[(differences["arm"] == "gradient") & (differences["outcome"] == "test_accuracy")].iloc[0]
Markdown(
    f"On these pictures, with RMSprop, against no GC, {seeds} seeds:\n\n"
    + "\n".join(lines)
    + "\n\nSo at this one learning rate, which was not tuned, GC changes how the training loss falls. Whether it helps on pictures "
    f"that the network has not seen is **not answered** here: the interval for the accuracy is {100 * (unseen['t_high'] - unseen['t_low']):.0f} "
    "points wide. A study with tuned rates is planned and running. Until then, compare on *your* held-out data, with tuned rates and "
    "several seeds, before you believe a gain."
)

# %% [markdown]
# ## Exercise
#
# How many seeds would be enough? The width of the interval for the held-out accuracy falls with the square root of the number of
# seeds. From the study, estimate how many seeds you need to show a difference of two percentage points.
#
# <details><summary>Solution</summary>
#
# ```python
# import numpy as np
# from gc_tutorial.study.analysis import outcomes
#
# accuracy = outcomes(study, goal)["test_accuracy"].unstack("arm")
# spread = (accuracy["gradient"] - accuracy["none"]).std()
# print("seeds needed:", int(np.ceil((2.8 * spread / 0.02) ** 2)))
# ```
#
# A standard error is `spread / sqrt(seeds)`. The interval reaches about two of them to either side (more with few seeds), and the
# estimate itself varies by one: 2.8 gives four chances in five of an interval that leaves out zero, where 1.96 gives an even chance.
#
# </details>

# %% [markdown]
# ## What you have seen
#
# - A paired comparison over several seeds, with intervals, and a verdict that follows from the numbers. It holds for one untuned rate.
# - A gain like the published one, without any GC: it comes from training the same model twice.
# - Under RMSprop the weight means move although GC runs; centralizing the update keeps them.
#
# Next: [6. Your own images](06_your_own_images.ipynb), or [7. Any optimizer](07_any_optimizer.ipynb), to use GC in your own code.
