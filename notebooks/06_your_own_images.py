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
# # 6. Your own images
#
# **Train on a folder or a zip of your own images, with and without gradient centralization (GC), and see where in an image a model finds
# its evidence.**
#
# Takes about a minute on two processor cores; no GPU needed.
#
# [Open in Colab](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/06_your_own_images.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/06_your_own_images.ipynb) · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/06_your_own_images.ipynb) · [Open in Codespaces](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [Read in nbviewer](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/06_your_own_images.ipynb) · [日本語](ja/06_your_own_images.ipynb)
#
# In this notebook you will
#
# - load images of two or more classes from a folder and from a zip, and then load your own;
# - train a network of three blocks with stronger augmentation, evaluate it on *held-out* images, on which it is not trained, and put
#   the results into a table;
# - find out what a training curve does not show: whether a model is useful, which classes it confuses, and where it finds its evidence.

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
# A data set on disk is usually a folder of folders: `train/<class>/*` and `test/<class>/*`. This notebook first writes such a folder from
# the images that it has just loaded, so that it runs anywhere.

# %%
import tempfile
from pathlib import Path

from PIL import Image

temporary = tempfile.TemporaryDirectory()  # it is deleted when the notebook ends
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
# Give the path to `load_data`. It reads every file before the training starts. If it cannot read an image, it names the file now, and not
# in the middle of the training.

# %%
from_folder = load_data(folder, settings.image_size)

# %% [markdown]
# A zip of the folder works, too. It is read without unpacking, so a zip from somebody else cannot write any file.

# %%
import shutil

import numpy as np
from gc_tutorial import text

from_zip = load_data(shutil.make_archive(folder, "zip", folder), settings.image_size)
same = np.array_equal(from_folder.train_images, from_zip.train_images)
print(text("same pixels: {same}", same=same))

# %% [markdown]
# If `load_data` cannot use what you give it, it says why and what to do. For instance, it needs a path, and a web address is not one:

# %%
try:
    load_data("https://example.com/horse-or-human.zip")
except ValueError as error:
    print(error)

# %% [markdown]
# ## Put your folder here
#
# **This is the cell to change.** Your folder needs two classes or more, as PNG, JPEG, WebP, GIF or BMP files of any size. If it has no
# `train` and `test`, only `<class>/*`, a fifth of each class is held out at random. (The exercise shows when a random split is wrong.) A
# file that cannot be read stops the loading, unless you add `on_error="skip"`. All cells below use the folder that you name here.

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
    text(
        "{count} classes: {names}. A model that always answers with the most frequent class is right for **{guessing:.0%}** of the "
        "{images} held-out images. A useful model must be right more often.",
        count=len(names),
        names=text(", ").join(names),
        guessing=guessing,
        images=len(truth),
    )
)

# %% [markdown]
# ## Stronger augmentation
#
# From here on this notebook uses settings that differ from those of the Keras example. Each image is turned by up to 40°,
# shifted by up to 0.2 of its side, sheared by up to 0.2, zoomed by up to 0.2, and flipped left to right, never upside down. Places outside
# the image get the colour of the nearest pixel at its edge. Shear and shift are affine maps, too, so all of this is still **one**
# resampling, as in [notebook 2](02_augmentation.ipynb).

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
        [text("original"), *[text("draw {number}", number=number) for number in range(1, 12)]],
        title="One image and eleven random draws",
    ),
    alt="One training image and eleven versions of it, each turned, shifted, sheared, zoomed and flipped at random.",
)

# %% [markdown]
# ## A smaller network?
#
# The network here has the first three blocks of the network of [notebook 3](03_cnn.ipynb) and then the same dense layer of 512 units. For two
# classes it has one output, for more classes one output each, and `loss_for` chooses the loss that fits. It has fewer layers but more parameters:

# %%
from gc_tutorial import build_cnn, build_three_block_cnn

sizes = {
    text("{name}, {size}×{size}", name=name, size=size): build(size, classes=len(names)).count_params()
    for size in dict.fromkeys((settings.image_size, 200))
    for name, build in {text("five blocks"): build_cnn, text("three blocks"): build_three_block_cnn}.items()
}
pd.Series(sizes, name=text("parameters")).map("{:,}".format).to_frame()

# %% [markdown]
# Most parameters are in the dense layer, which has a weight for every number from the last pooling and each of its 512 units. Each block
# leaves about a quarter of the numbers in each channel, so three blocks leave many more numbers than five.
#
# ## Training, with and without
#
# We train on eight batches, evaluate, and repeat this ten times. Keras calls each part an epoch. But an epoch is one pass over *all*
# training images, so we call each part a *round*. `repeat` starts again with a new order when all images have been used.
#
# We compare two *arms*: no GC (the baseline) and GC, which tables and legends call *GC on the gradient*. Both start from the same weights and use
# the same batches.

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
optimizers = {"none": keras.optimizers.RMSprop, "gradient": GCRMSprop}
trained = {arm: train(own, optimizer(settings.learning_rate)) for arm, optimizer in optimizers.items()}
runs = pd.concat([table.assign(arm=arm, seed=0) for arm, (_, table) in trained.items()])

# %%
from gc_tutorial.plotting import LABELS, MEASURES, learning_curves

final = runs[runs["epoch"] == runs["epoch"].max()].set_index("arm")
ends = {
    **final["train_loss"],
    "right_none": final.loc["none", "test_accuracy"],
    "right": final.loc["gradient", "test_accuracy"],
}
first = runs[runs["epoch"] == 1].set_index("arm")["train_loss"]
later = runs.loc[runs["epoch"] > 1, "train_loss"]

# %% tags=["hide-input"]
title = (
    "One run each, after ten rounds: training loss {none:.2f} without GC and {gradient:.2f} with GC, "
    "held-out accuracy {right_none:.0%} and {right:.0%}"
)
figure = learning_curves(runs, title=text(title, **ends))
figure.axes[-1].set_xlabel("round of 8 batches")
figure.axes[-1].axhline(guessing, color="black", lw=1, ls=":")
figure.axes[-1].text(1.01, guessing, text("guessing"), transform=figure.axes[-1].get_yaxis_transform(), va="center")
if first.max() > 1.5 * later.max():  # it would press all other rounds into a line
    figure.axes[0].set_ylim(0.9 * later.min(), 1.1 * later.max())
    said = text("round 1 is cut off: {none:.1f} (no GC), {gradient:.1f} (GC)", **first)
    figure.axes[0].text(
        0.98, 0.94, said, transform=figure.axes[0].transAxes, ha="right", va="top", backgroundcolor="white"
    )
show(
    figure,
    alt=text(
        "Training loss, held-out loss and held-out accuracy by round, for one run without and one with GC. The training loss "
        "ends at {none:.2f} without GC and at {gradient:.2f} with GC.",
        **ends,
    ),
)

# %%
count = len(own.train_images)
print(
    text("A round uses {seen:,} of {count:,} training images.", seen=min(8 * settings.batch_size, count), count=count)
)

# %% [markdown]
# ### The results
#
# The losses and accuracies are those of the last round. The seconds are those of all rounds. They include the time in which Keras builds
# its program, but not the evaluation on held-out images.

# %%
results = runs.groupby("arm", sort=False).agg(
    seconds=("seconds", "sum"),
    train_accuracy=("train_accuracy", "last"),
    train_loss=("train_loss", "last"),
    test_accuracy=("test_accuracy", "last"),
    test_loss=("test_loss", "last"),
)
columns = {**MEASURES, "seconds": text("seconds of training")}
results.rename(index=LABELS, columns=columns).rename_axis(text("arm")).round(2)

# %%
from gc_tutorial.language import sentences
from gc_tutorial.study.analysis import load_study
from gc_tutorial.study.evidence.wording import changed_by

change = results.loc["gradient"] - results.loc["none"]
found = [
    text(
        "After the last round, the training loss with GC is {loss}, and the held-out accuracy is {accuracy}. This is **one pair "
        "of runs**, of {steps} steps each, at one learning rate, and {images} held-out images. It cannot say whether GC makes a "
        "difference on your images.",
        loss=changed_by(change["train_loss"], joined=True),
        accuracy=changed_by(100 * change["test_accuracy"], text(" percentage points")),
        steps=8 * 10,
        images=len(truth),
    ),
    text(
        "`gc_tutorial.compare(my_images, seeds=10)` repeats a comparison over ten seeds, with the network of five blocks and the "
        "augmentation of notebook 2. With its default settings and the images of *Horses or Humans*, training took {minutes:.0f} "
        "minutes on two processor cores.",
        minutes=load_study("rmsprop")["seconds"].sum() / 60,
    ),
]
Markdown(sentences(found))

# %% [markdown]
# But `compare` uses one learning rate for all arms, and [notebook 5](05_comparison.ipynb) shows how that can mislead. For an answer that
# you can rely on, tune the learning rate of each arm. [Notebook 9](09_should_you_use_it.ipynb) has a plan for that, and says how to run it
# on a folder of your own.
#
# ## Which classes does it confuse?
#
# First, is either of the two models useful? The next table has the confusion matrix of each: a row for each true class, and a column for
# each answer of the model. We call a model *useful* here if it makes at least a fifth fewer mistakes than a model that always gives
# the most frequent class as its answer.


# %%
def probabilities(model):
    """The probability of each class, of shape (images, classes)."""
    given = model.predict(pictures, verbose=0)
    return np.hstack([1 - given, given]) if len(names) == 2 else given  # one output is that of the second class


def confusion_matrix(answers):
    """How often each true class (row) got each answer (column)."""
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (truth, answers), 1)
    return pd.DataFrame(counts, pd.Index(names, name=text("truth")), pd.Index(names, name=text("answer")))


# %%
probability = {arm: probabilities(model) for arm, (model, _) in trained.items()}
answers = {arm: given.argmax(axis=1) for arm, given in probability.items()}
matrices = {LABELS[arm]: confusion_matrix(given) for arm, given in answers.items()}
pd.concat(matrices, names=[text("model")])

# %%
right = {arm: (given == truth).mean() for arm, given in answers.items()}
said = "- **{arm}**: the most frequent answer is *{top}*, for {most} of {count} held-out images. **{right:.0%}** of all answers are right."
lines = []
for arm, given in answers.items():
    counts = np.bincount(given, minlength=len(names))
    values = {"top": names[counts.argmax()], "most": counts.max(), "count": len(truth), "right": right[arm]}
    lines.append(text(said, arm=LABELS[arm], **values))
Markdown("\n".join(lines))

# %%
useful = [arm for arm in right if 1 - right[arm] <= 0.8 * (1 - guessing)]
verdict = "**After {steps} steps neither model is useful.** So this pair of runs says nothing about GC."
if len(useful) == 1:
    verdict = "**After {steps} steps only one model is useful: {arm}.** One pair of runs cannot say whether this is due to GC."
elif useful:
    verdict = "**After {steps} steps both models are useful.** Which of them is better, one pair of runs cannot say."
curves = "The training accuracy alone, {none:.0%} without GC and {gradient:.0%} with GC, does not show this."
found = [
    text(verdict, steps=8 * 10, arm=LABELS[useful[0]] if useful else ""),
    text(curves, **{arm: table["train_accuracy"].iloc[-1] for arm, (_, table) in trained.items()}),
]
Markdown(sentences(found))

# %%
chosen = max(right, key=right.get)
answer = answers[chosen]
confusions = pd.Series([(names[truth[k]], names[answer[k]]) for k in np.flatnonzero(answer != truth)]).value_counts()
better = "From here on we look at the model that is right more often: {arm}."
if len(set(right.values())) == 1:
    better = "Both models are right equally often. From here on we look at one of them: {arm}."
found = [text(better, arm=LABELS[chosen])]
if len(confusions):
    worst = {"truth": confusions.index[0][0], "answer": confusions.index[0][1], "times": confusions.iloc[0]}
    found.append(text("Its most frequent mistake is {truth} taken for {answer} ({times} times).", **worst))
Markdown(sentences(found))

# %% [markdown]
# ## On which images is it most wrong?
#
# The next figure shows the twelve images whose true class gets the lowest probability from the model. Always look at such images. In
# your own data set, they can be images that are in the wrong folder.

# %%
given = probability[chosen][np.arange(len(truth)), truth]
least = np.argsort(given)[:12]
titles = [f"{Path(own.test_files[k]).name}\n{names[truth[k]]}: {given[k]:.1%}" for k in least]
show(
    image_grid(
        pictures[least],
        titles,
        title=text("The 12 held-out images whose true class gets the lowest probability ({arm})", arm=LABELS[chosen]),
    ),
    alt="The held-out images whose true class gets the lowest probability, each with file name, true class and probability.",
)

# %% [markdown]
# ## Which part of an image does it use?
#
# Grad-CAM ([Selvaraju et al. 2017](https://arxiv.org/abs/1610.02391)) makes a map for each image. For each channel of the last
# convolution it computes how much the score of the answer would rise if the channel were stronger. With these numbers as weights it adds
# up the channels, and keeps what is positive. Bright places in the map raise the score of the answer. If no place is bright, this layer does
# not raise the score.
#
# The upper row of the figure shows held-out images with their true class and the answer of the model. The lower row shows the map of the
# evidence for that answer.

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

some = np.random.default_rng(0).permutation(len(truth))[:32]
heat = grad_cam(trained[chosen][0], pictures[some], answer[some])

# %% tags=["hide-input"]
first = some[:4]
titles = [
    text(
        "{truth}\n{mark}answer: {answer}",
        truth=names[truth[k]],
        mark="" if truth[k] == answer[k] else "✗ ",
        answer=names[answer[k]],
    )
    for k in first
]
titles += [text("evidence for\n{answer}", answer=names[answer[k]]) for k in first]
maps = plt.colormaps["inferno"](heat[: len(first)])[..., :3]
title = "Bright: what raises the score of the answer ({arm}; ✗: wrong)"
figure = image_grid(
    [*pictures[first], *maps], titles, columns=len(first), side=1.6, title=text(title, arm=LABELS[chosen])
)
lower = figure.axes[len(first) :]
bar = figure.colorbar(plt.cm.ScalarMappable(cmap="inferno"), ax=lower, location="bottom", aspect=40)
bar.set_label(text("evidence (1: the brightest place of each map)"))
show(
    figure,
    alt="Four held-out images with their true class and the answer, and below each a map of the evidence for the answer.",
)

# %% [markdown]
# Does the model use the subject, or the background? If the background is white, as in the held-out images of *Horses or Humans*, we can
# measure it: what share of the brightness of a map is on white pixels? Compare it with an *even* map, which is equally bright everywhere.
# If 80% of an image is white, then 80% of the brightness of an even map is on white. We call a difference clear if it is at least
# ten percentage points. The next cells measure this in up to 32 images.

# %%
bright = heat.any(axis=(1, 2))  # a map that is dark everywhere has no brightness to share out
white = (pictures[some][bright] > 240).all(axis=-1)
shares = (heat[bright] * white).sum(axis=(1, 2)) / heat[bright].sum(axis=(1, 2))
even, on_white = (part.mean() if bright.any() else 0 for part in (white, shares))
said = "In {count} images with a map, {even:.0%} of the pixels are white, and {on_white:.0%} of the brightness of a map is on them on average."
measured = [text(said, count=len(shares), even=even, on_white=on_white)] if bright.any() else []

# %%
from gc_tutorial.language import Words

findings = Words(
    {
        "dark": "The maps are dark everywhere: this layer does not raise the score of the answer in any of them.",
        "little": "There is too little white in these images to tell. Compare the maps with the images.",
        "same": "That is about as much as in an even map. **So the maps show neither that the model uses the subject, nor that it "
        "uses the background.**",
        "more": "**That is clearly more than in an even map.** So the evidence leans towards the white places. With a white "
        "background, these are mostly background.",
        "less": "**That is clearly less than in an even map.** So the evidence leans towards the places that are not white. With a "
        "white background, these are mostly the subject.",
    }
)
kind = "more" if on_white >= even + 0.1 else "less" if on_white <= even - 0.1 else "same"
kind = "dark" if not measured else "little" if even < 0.1 else kind
found = [*measured, findings[kind]]
counts = np.bincount(answer, minlength=len(names))
if measured and counts.max() > 0.9 * len(answer):
    always = {"answer": names[counts.argmax()], "most": counts.max(), "count": len(answer)}
    constant = (
        "This model answers *{answer}* to {most} of {count} held-out images. So the maps show where its layer responds, and not how "
        "it tells the classes apart."
    )
    found.append(text(constant, **always))
Markdown(sentences(found))

# %% [markdown]
# A model that relies on the background can fail when the background changes, even if its training accuracy is high. The training curve
# cannot show this. The confusion matrix shows that a model fails. The maps can give a hint why, but only if the model tells the classes apart at all,
# and only where they differ clearly from an even map.
#
# ## Exercise
#
# The held-out images of *Horses or Humans* have white backgrounds, and the training images do not (notebook 1). How good is the
# model on held-out images of the *same kind* as those it is trained on? Hold out a fifth of the training images. Note that they show
# only 50 horses and 17 humans, each from many sides. `gc_tutorial.study.datasets.training_figures()` lists which one each image shows.
#
# The next cell is the solution. It is folded: try first, then open it.

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
from dataclasses import replace

from gc_tutorial.pipeline import dataset_of
from gc_tutorial.study.datasets import training_figures
from sklearn.model_selection import StratifiedGroupKFold

known = my_images == folder and data.info.name == "horses_or_humans"
source = data if known else own  # `data` has the order of the list of figures
labels = source.train_labels
figures = training_figures()["figure"].to_numpy() if known else np.arange(len(labels))  # else each image is its own
folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)  # the images of one figure stay together
kept, held = next(folds.split(labels, labels, figures))
test = dataset_of(source.train_images[held], labels[held])
same_kind = replace(source, train_images=source.train_images[kept], train_labels=labels[kept], test=test)
_, table = train(same_kind, optimizers[chosen](settings.learning_rate))
answer = "Answer: the model is right for {accuracy:.0%} of {count} held-out images of the same kind."
print(text(answer, accuracy=table["test_accuracy"].iloc[-1], count=len(held)))
print(text("It was right for {accuracy:.0%} of the held-out images above.", accuracy=right[chosen]))
if known:
    shown = "The {count} images show {figures} horses and humans that are in no training image."
    print(text(shown, count=len(held), figures=len(set(figures[held]))))
    if table["test_accuracy"].iloc[-1] < 0.6:
        print(
            text(
                "So the white background is not the only reason: after so few steps the model has learned little that "
                "holds for new horses and humans."
            )
        )
    print(
        text(
            "A random split would put images of one horse into both parts, and the accuracy would say little about new horses."
        )
    )
else:
    print(
        text(
            "Careful: this split is random. If your images come in series (one person, place or day), split by series."
        )
    )

# %% [markdown]
# ## What you have seen
#
# - `load_data` reads images of two or more classes from a folder or a zip, and checks them before the training.
# - Rotation, shifts, shear, zoom and flip are still one resampling. A table compares a network of three blocks with and without GC.
# - The training curve alone does not show whether a model is useful. Look at the confusion matrix, and at the images for which the model is
#   most wrong. A map of the evidence shows something only if the model is useful, and the map differs clearly from an even map.
#
# Next: [7. Any optimizer](07_any_optimizer.ipynb), gradient centralization for Adam, SGD and other optimizers.
