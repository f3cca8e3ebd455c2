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
# # 6. Your own images
#
# **A folder of pictures, or a zip of one, instead of a prepared data set: read, augment, train with and without gradient
# centralization, and see what the model looks at.**
#
# Takes one to two minutes on two processor cores; no GPU needed.
#
# [Open in Colab](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/06_your_own_images.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/06_your_own_images.ipynb) · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/06_your_own_images.ipynb) · [Open in Codespaces](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [Read in nbviewer](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/06_your_own_images.ipynb) · [日本語](ja/06_your_own_images.ipynb)
#
# In this notebook you will
#
# - load pictures from a folder and from a zip, with two classes or more, and then your own;
# - train a network of three blocks on stronger augmentation, watched on held-out pictures, and put the results into a table;
# - find out what a good training curve hides: which classes the model confuses, and which part of a picture it uses.

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
# ## A folder
#
# A data set on disk is usually a folder of folders: `train/<class>/*` and `test/<class>/*`. So that this notebook runs
# anywhere, it first writes one, from the images it has just loaded.

# %%
import tempfile
from pathlib import Path

from PIL import Image

temporary = tempfile.TemporaryDirectory()  # it goes when the notebook ends
folder = Path(temporary.name) / "photos"
classes = data.info.features["label"].names
for split, pictures in {"train": data.train, "test": data.test}.items():
    for number, (picture, label) in enumerate(pictures.as_numpy_iterator()):
        path = folder / split / classes[label] / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path, compress_level=1)

# %%
import pandas as pd

files = pd.DataFrame(
    [path.relative_to(folder).parts for path in folder.glob("*/*/*")], columns=["split", "class", "file"]
)
files.groupby(["split", "class"])["file"].agg(["count", "min", "max"])

# %% [markdown]
# `load_data` takes its path. It looks at every file before anything is trained: a picture that cannot be read is named
# now, not in the middle of the third epoch.

# %%
from_folder = load_data(folder, settings.image_size)

# %% [markdown]
# A zip of the folder works, too. It is read without unpacking, so a zip from a stranger cannot write any file.

# %%
import shutil

import numpy as np

from_zip = load_data(shutil.make_archive(folder, "zip", folder), settings.image_size)
print("same pixels:", np.array_equal(from_folder.train_images, from_zip.train_images))

# %% [markdown]
# Where it cannot read something, it says why in one sentence. This notebook uses the settings of a hands-on guide to gradient
# centralization. That guide stops at its first step, because it gives a web address to a function that expects a folder:

# %%
try:
    load_data("https://example.com/horse-or-human.zip")
except ValueError as error:
    print(error)

# %% [markdown]
# ## Put your folder here
#
# **This is the cell to change.** Two classes or more; PNG, JPEG, WebP, GIF or BMP, of any size. Where the folder has no `train` and
# `test`, only `<class>/*`, a fifth of each class is held out at random. A file that cannot be read stops it, unless you add
# `on_error="skip"`. Everything below runs on the folder that you name here.

# %%
# ▼▼▼ your folder or zip, in quotes: "my_photos" or "my_photos.zip" ▼▼▼
my_images = folder
# ▲▲▲ your folder or zip ▲▲▲

own = load_data(my_images, settings.image_size)

# %%
from IPython.display import Markdown

names = own.info.features["label"].names
pictures, truth = (part.numpy() for part in next(iter(own.test.batch(len(own.test)))))
guessing = np.bincount(truth).max() / len(truth)
Markdown(
    f"{len(names)} classes: {', '.join(names)}. A model that always answers with the most frequent class is right on **{guessing:.0%}** "
    f"of the {len(truth)} held-out pictures. A useful model must be right more often."
)

# %% [markdown]
# ## Stronger augmentation
#
# The guide turns by up to 40°, shifts by up to 0.2 of the side, slants (shears) by up to 0.2, zooms by up to 0.2 and mirrors left to
# right, never upside down. What comes in from beyond the edge is drawn out from the outermost pixels. Shear and
# shift are affine maps, too, so that all of it is still **one** resampling, as in notebook 2.

# %%
from gc_tutorial import STRONG_AUGMENTATION, training_batches
from gc_tutorial.plotting import image_grid, show

picture = own.train_images[0]
copies = training_batches(
    np.stack([picture] * 11), np.zeros(11, int), batch_size=11, seed=1, ranges=STRONG_AUGMENTATION
)
augmented, _ = next(iter(copies))
show(
    image_grid(
        [picture, *augmented.numpy()],
        ["original", *[f"draw {n}" for n in range(1, 12)]],
        title="One picture, eleven random draws",
    ),
    alt="One training picture and eleven versions of it, each turned, shifted, slanted, zoomed and mirrored at random.",
)

# %% [markdown]
# ## A smaller network?
#
# The guide's network is the first three blocks of ours, with the same dense layer of 512 units behind them. With one output for
# two classes, and one for each where there are more; the loss follows. Fewer layers, but more parameters:

# %%
from gc_tutorial import build_cnn, build_three_block_cnn

sizes = {
    f"{name}, {size}×{size}": build(size, classes=len(names)).count_params()
    for size in dict.fromkeys((settings.image_size, 300))
    for name, build in {"five blocks": build_cnn, "three blocks": build_three_block_cnn}.items()
}
pd.Series(sizes, name="parameters").map("{:,}".format).to_frame()

# %% [markdown]
# Each block halves the sides of the picture, and so leaves about a quarter of the numbers in each channel. After three blocks
# instead of five there are many more of them, and each has a weight to each of the 512 units.
#
# ## Training, with and without
#
# The guide trains eight batches, evaluates, and repeats that ten times. Keras calls each part an epoch. It is not one: an epoch is a pass
# over *all* training pictures. We call it a *round*. Both arms (without and with GC) start from the same weights and see the
# same batches. `repeat` continues with a new order when all pictures have been seen.

# %%
import keras
from gc_tutorial import GCRMSprop, TimeHistory, loss_for


def train(images, optimizer):
    """Ten rounds of eight batches from seed 0; returns the model and a table of its rounds."""
    keras.utils.set_random_seed(0)
    model = build_three_block_cnn(settings.image_size, classes=images.info.features["label"].num_classes)
    model.compile(optimizer, loss_for(model), metrics=["accuracy"])
    batches = training_batches(
        images.train_images, images.train_labels, settings.batch_size, seed=0, ranges=STRONG_AUGMENTATION
    )
    times, test = TimeHistory(), images.test.batch(32)
    fitting = {"validation_data": test, "callbacks": [times], "shuffle": False, "verbose": 0}
    history = model.fit(batches.repeat(), steps_per_epoch=8, epochs=10, **fitting)
    columns = ["train_accuracy", "train_loss", "test_accuracy", "test_loss"]
    table = pd.DataFrame(history.history)[["accuracy", "loss", "val_accuracy", "val_loss"]].set_axis(columns, axis=1)
    return model, table.assign(seconds=times.train_seconds, epoch=range(1, 11))


# %%
_, without = train(own, keras.optimizers.RMSprop(settings.learning_rate))
model, with_gc = train(own, GCRMSprop(settings.learning_rate))
runs = pd.concat([without.assign(arm="none"), with_gc.assign(arm="gradient")]).assign(seed=0)

# %%
from gc_tutorial.plotting import LABELS, MEASURES, learning_curves

figure = learning_curves(runs, ("train_loss", "test_loss", "test_accuracy"), title="One run each on this folder")
for axis in figure.axes:
    axis.set_xlabel("round of 8 batches")
show(
    figure, alt="Training loss, held-out loss and held-out accuracy by round, for one run without and one run with GC."
)
seen = min(8 * settings.batch_size, len(own.train_images))
print(f"A round shows {seen:,} of {len(own.train_images):,} training pictures.")

# %% [markdown]
# ### The results
#
# The measures are those of the last round. The seconds are those of all rounds, without validation, but with the time in which
# Keras builds its program.

# %%
results = runs.groupby("arm", sort=False).agg(
    seconds=("seconds", "sum"),
    train_accuracy=("train_accuracy", "last"),
    train_loss=("train_loss", "last"),
    test_accuracy=("test_accuracy", "last"),
    test_loss=("test_loss", "last"),
)
columns = {**MEASURES, "seconds": "seconds of training"}
results.rename(index=LABELS, columns=columns).round(3)

# %%
change = results.loc["gradient"] - results.loc["none"]
Markdown(
    f"After the last round, GC differs from no GC by {change['train_loss']:+.3f} in the training loss and by "
    f"{100 * change['test_accuracy']:+.1f} percentage points in the held-out accuracy. This is **one pair of runs**, of "
    f"{8 * 10} steps each, and {len(truth)} held-out pictures. Use `gc_tutorial.compare(my_images, seeds=10)`, as in notebook 5, "
    "to find out whether such a difference means anything."
)

# %% [markdown]
# ## Which classes does it confuse?
#
# From here on we look at the model trained with GC. This is the confusion matrix, with a row for each true class and
# a column for each answer:

# %%
probability = model.predict(pictures, verbose=0)
if len(names) == 2:  # one output, the probability of the second class
    probability = np.hstack([1 - probability, probability])
answer = probability.argmax(axis=1)
codes = range(len(names))
pd.crosstab(truth, answer).reindex(index=codes, columns=codes, fill_value=0).set_axis(
    pd.Index(names, name="truth"), axis=0
).set_axis(pd.Index(names, name="answer"), axis=1)

# %%
wrong = np.flatnonzero(answer != truth)
confusions = pd.Series([f"{names[truth[k]]} taken for {names[answer[k]]}" for k in wrong]).value_counts()
worst = f" Most often: {confusions.index[0]} ({confusions.iloc[0]} times)." if len(wrong) else ""
counts = np.bincount(answer, minlength=len(names))
top, right = counts.argmax(), 1 - len(wrong) / len(truth)
one_answer = counts[top] > 0.9 * len(truth)
Markdown(
    f"The model answers *{names[top]}* for **{counts[top]} of {len(truth)}** held-out pictures. It is right on {right:.0%} of them "
    f"(always the same answer: {guessing:.0%}), and wrong on {len(wrong)}.{worst}\n\n"
    + (
        f"**So it gives nearly the same answer for every picture**, although its training accuracy is "
        f"{with_gc['train_accuracy'].iloc[-1]:.0%}. On these held-out pictures it is of no use, and the training curve did not show it."
        if one_answer
        else "It gives more than one answer. Still look at which pictures it gets wrong."
    )
)

# %% [markdown]
# ## Which pictures does it get most wrong?
#
# These are the pictures to whose true class the model gives the lowest probability. Always look at them. In your own data set, the
# first ones are often pictures that lie in the wrong folder.

# %%
given = probability[np.arange(len(truth)), truth]
least = np.argsort(given)[:12]
titles = [f"{Path(own.test_files[k]).name}\n{names[truth[k]]}: {given[k]:.1%}" for k in least]
show(
    image_grid(pictures[least], titles, title="File, true class, and the probability the model gives it"),
    alt="The held-out pictures to whose true class the model gives the least probability, with file name and class.",
)

# %% [markdown]
# ## What does it look at?
#
# Grad-CAM ([Selvaraju et al. 2017](https://arxiv.org/abs/1610.02391)) computes for each channel of the last convolution how much
# the score of the answer would rise if the channel were stronger. It adds up the channels with these weights. The bright places
# raise the score of the answer. Where no place is bright, this layer does not raise it.

# %%
import tensorflow as tf


def grad_cam(model, images, classes):
    """A map of shape (count, size, size), 0 to 1, for each image and the class that is asked about."""
    convolution = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)][-1]
    before, last = model.layers[-2:]  # the score before the sigmoid or softmax, behind which its gradient can vanish
    inner = keras.Model(model.inputs[0], [convolution.output, before.output])
    with tf.GradientTape() as tape:
        channels, features = inner(images, training=False)
        scores = tf.matmul(tf.cast(features, tf.float32), last.kernel) + last.bias
        if scores.shape[-1] == 1:  # one output, the probability of class 1
            scores = tf.concat([-scores, scores], axis=1)
        score = tf.gather(scores, classes, batch_dims=1)
    weights = tf.reduce_mean(tape.gradient(score, channels), axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * channels, axis=-1, keepdims=True))
    heat = tf.math.divide_no_nan(heat, tf.reduce_max(heat, axis=(1, 2), keepdims=True))
    return tf.image.resize(heat, images.shape[1:3])[..., 0].numpy()


# %%
import matplotlib.pyplot as plt

some = np.random.default_rng(0).permutation(len(truth))[:6]
heat = grad_cam(model, pictures[some], answer[some])
overlay = 0.5 * pictures[some] / 255 + 0.5 * plt.colormaps["inferno"](heat)[..., :3]
titles = [f"{names[truth[k]]}\nanswer: {names[answer[k]]}" for k in some]
show(
    image_grid([*pictures[some], *overlay], [*titles, *["evidence for it"] * len(some)], columns=len(some)),
    alt="Held-out pictures with their true class and the answer, and below each a map of the evidence for the answer.",
)

# %% [markdown]
# Does the model use the subject, or the background? Where the background is white, as in the held-out pictures of *Horses or Humans*, we
# can measure it: how much of the brightness of the maps lies on white pixels?

# %%
white = (pictures[some] > 240).all(axis=-1)
on_white = (heat * white).sum() / heat.sum() if heat.sum() else 0.0
if white.mean() < 0.1:
    finding = "There is too little white in these pictures to tell. Compare the maps with the pictures above."
elif not heat.sum():
    finding = "The maps are dark everywhere: this layer does not raise the score of the answer in any of them."
elif on_white > 0.5:
    finding = "**Most of the evidence is the empty background**, where there is neither a horse nor a human."
else:
    finding = "Most of the evidence lies on the subject."
Markdown(
    f"In these {len(some)} pictures {white.mean():.0%} of the pixels are white, and {on_white:.0%} of the brightness of the maps lies on "
    f"them. {finding}"
)

# %% [markdown]
# A model that uses the background fails where the background changes, even if its training accuracy is high. No training curve shows
# this. The confusion matrix and the maps do.
#
# ## Exercise
#
# The held-out pictures of *Horses or Humans* stand on white, and the training pictures do not (notebook 1). How good is the
# model on held-out pictures of the *same kind* as those it learnt from? (A folder without `train` and `test` in it is
# split at random.) Then ask whether you can trust that number.
#
# <details><summary>Solution</summary>
#
# ```python
# same_kind = load_data(folder / "train", settings.image_size)
# _, table = train(same_kind, GCRMSprop(settings.learning_rate))
# print(with_gc["test_accuracy"].iloc[-1], table["test_accuracy"].iloc[-1])
# ```
#
# Do not trust it. Each rendered figure is shown many times, from many sides, and a random split puts the same figure on both sides of
# the split. So the number is too good. A fair split keeps all pictures of a figure on one side: `gc_tutorial/study/training_figures.csv`
# names the figure of each training picture, and the study that is running splits by it. In your own data, ask what the pictures of
# one series have in common (a person, a place, a day), and split by that.
#
# </details>

# %% [markdown]
# ## What you have seen
#
# - Pictures from a folder or a zip, of two classes or more, checked before training.
# - Rotation, shifts, shear, zoom and flip in one resampling; a network of three blocks; a table of results with and without GC.
# - The training curve alone does not show whether a model is of use. The confusion matrix, the pictures that it gets most wrong, and a map
#   of what it uses tell more.
#
# Next: [7. Any optimizer](07_any_optimizer.ipynb), gradient centralization for Adam, SGD and other optimizers.
