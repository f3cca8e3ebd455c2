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
# **Train on a folder or a zip of your own pictures, with and without gradient centralization (GC), and see which part of a picture the
# model uses.**
#
# Takes two to three minutes on two processor cores; no GPU needed.
#
# [Open in Colab](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/06_your_own_images.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/06_your_own_images.ipynb) · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/06_your_own_images.ipynb) · [Open in Codespaces](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [Read in nbviewer](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/06_your_own_images.ipynb) · [日本語](ja/06_your_own_images.ipynb)
#
# In this notebook you will
#
# - load pictures of two or more classes from a folder and from a zip, and then load your own;
# - train a network of three blocks with stronger augmentation, evaluate it on *held-out* pictures, on which it is not trained, and put
#   the results into a table;
# - find out what a training curve does not show: which classes the model confuses, and which part of a picture it uses.

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
# Give the path to `load_data`. It reads every file before the training starts. If it cannot read a picture, it names the file now, and not
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
        "{pictures} held-out pictures. A useful model must be right more often.",
        count=len(names),
        names=text(", ").join(names),
        guessing=guessing,
        pictures=len(truth),
    )
)

# %% [markdown]
# ## Stronger augmentation
#
# From here on this notebook uses the settings of a hands-on guide to gradient centralization. The guide turns each picture by up to 40°,
# shifts it by up to 0.2 of its side, shears it by up to 0.2, zooms by up to 0.2, and flips left to right, never upside down. Places outside
# the picture get the colour of the nearest pixel at its edge. Shear and shift are affine maps, too, so all of this is still **one**
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
        title="One picture and eleven random draws",
    ),
    alt="One training picture and eleven versions of it, each turned, shifted, sheared, zoomed and flipped at random.",
)

# %% [markdown]
# ## A smaller network?
#
# The guide's network has the first three blocks of ours and then the same dense layer of 512 units. For two classes it has one output,
# for more classes one output each, and `loss_for` chooses the loss that fits. It has fewer layers but more parameters:

# %%
from gc_tutorial import build_cnn, build_three_block_cnn

sizes = {
    text("{name}, {size}×{size}", name=name, size=size): build(size, classes=len(names)).count_params()
    for size in dict.fromkeys((settings.image_size, 300))
    for name, build in {text("five blocks"): build_cnn, text("three blocks"): build_three_block_cnn}.items()
}
pd.Series(sizes, name=text("parameters")).map("{:,}".format).to_frame()

# %% [markdown]
# Most parameters are in the dense layer, which has a weight for every number from the last pooling and each of its 512 units. Each block
# leaves about a quarter of the numbers in each channel, so three blocks leave many more numbers than five.
#
# ## Training, with and without
#
# The guide trains on eight batches, evaluates, and repeats this ten times. Keras calls each part an epoch. But an epoch is one pass over
# *all* training pictures, so we call each part a *round*. `repeat` starts again with a new order when all pictures have been used.
#
# We compare two *arms*: no GC (the baseline) and GC. Both start from the same weights and use the same batches.

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

ends = {arm: rows["train_loss"].iloc[-1] for arm, rows in runs.groupby("arm")}
title = "One run each: the training loss ends at {none:.2f} without GC and at {gradient:.2f} with GC"
figure = learning_curves(runs, title=text(title, **ends))
figure.axes[0].set_ylim(top=1.1 * runs.loc[runs["epoch"] > 1, "train_loss"].max())  # the first round lies far above
figure.axes[-1].set_xlabel("round of 8 batches")
show(
    figure,
    alt=text(
        "Training loss, held-out loss and held-out accuracy by round, for one run without and one with GC. The training loss "
        "ends at {none:.2f} without GC and at {gradient:.2f} with GC.",
        **ends,
    ),
)
count = len(own.train_images)
print(
    text("A round uses {seen:,} of {count:,} training pictures.", seen=min(8 * settings.batch_size, count), count=count)
)

# %% [markdown]
# ### The results
#
# The losses and accuracies are those of the last round. The seconds are those of all rounds. They include the time in which Keras builds
# its program, but not the evaluation on held-out pictures.

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
from gc_tutorial.study.evidence.wording import changed_by

change = results.loc["gradient"] - results.loc["none"]
Markdown(
    text(
        "After the last round, the training loss with GC is {loss}, and the held-out accuracy is {accuracy}. This is **one pair "
        "of runs**, of {steps} steps each, and {pictures} held-out pictures. Use `gc_tutorial.compare(my_images, seeds=10)`, as "
        "in notebook 5, to find out whether GC makes a difference on your pictures.",
        loss=changed_by(change["train_loss"], joined=True),
        accuracy=changed_by(100 * change["test_accuracy"], text(" percentage points")),
        steps=8 * 10,
        pictures=len(truth),
    )
)

# %% [markdown]
# ## Which classes does it confuse?
#
# From here on we look at the model that was trained with GC. The next table is the confusion matrix. It has a row for each true
# class and a column for each answer of the model:

# %%
probability = model.predict(pictures, verbose=0)
if len(names) == 2:  # one output, the probability of the second class
    probability = np.hstack([1 - probability, probability])
answer = probability.argmax(axis=1)
codes = range(len(names))
pd.crosstab(truth, answer).reindex(index=codes, columns=codes, fill_value=0).set_axis(
    pd.Index(names, name=text("truth")), axis=0
).set_axis(pd.Index(names, name=text("answer")), axis=1)

# %%
from gc_tutorial.language import sentences

wrong = np.flatnonzero(answer != truth)
confusions = pd.Series([(names[truth[k]], names[answer[k]]) for k in wrong]).value_counts()
counts = np.bincount(answer, minlength=len(names))
most, count, top = counts.max(), len(truth), names[counts.argmax()]
found = [
    text(
        "The model answers *{top}* for **{most} of {count}** held-out pictures. It is right for {right:.0%} of them. The same "
        "answer for every picture would be right for {guessing:.0%}.",
        top=top,
        most=most,
        count=count,
        right=(answer == truth).mean(),
        guessing=guessing,
    )
]
if len(wrong):
    worst = {"truth": confusions.index[0][0], "answer": confusions.index[0][1], "times": confusions.iloc[0]}
    found.append(text("The most frequent mistake is {truth} taken for {answer} ({times} times).", **worst))

# %%
verdict = "The model gives more than one answer. Look at the pictures for which it is wrong."
useless = "**So the model calls all pictures {top}, and is of no use here.** Its training accuracy of {accuracy:.0%} does not show this."
nearly = (
    "**So the model calls nearly all pictures {top}, and is of no use here.** Its training accuracy of {accuracy:.0%} does not "
    "show this."
)
if most > 0.9 * count:
    verdict = useless if most == count else nearly
said = text(verdict, top=top, accuracy=with_gc["train_accuracy"].iloc[-1])
Markdown(sentences(found) + "\n\n" + said)

# %% [markdown]
# ## On which pictures is it most wrong?
#
# The next figure shows the twelve pictures whose true class gets the lowest probability from the model. Always look at such pictures. In
# your own data set, they can be pictures that are in the wrong folder.

# %%
given = probability[np.arange(len(truth)), truth]
least = np.argsort(given)[:12]
titles = [f"{Path(own.test_files[k]).name}\n{names[truth[k]]}: {given[k]:.1%}" for k in least]
show(
    image_grid(pictures[least], titles, title="The 12 pictures whose true class gets the lowest probability"),
    alt="The held-out pictures whose true class gets the lowest probability, each with file name, true class and probability.",
)

# %% [markdown]
# ## Which part of a picture does it use?
#
# Grad-CAM ([Selvaraju et al. 2017](https://arxiv.org/abs/1610.02391)) makes a map for each picture. For each channel of the last
# convolution it computes how much the score of the answer would rise if the channel were stronger. These numbers are the weights with which
# it adds up the channels. Bright places in the map raise the score of the answer. If no place is bright, this layer does not raise the score.

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
heat = grad_cam(model, pictures[some], answer[some])
first = some[:4]
overlay = 0.5 * pictures[first] / 255 + 0.5 * plt.colormaps["inferno"](heat[:4])[..., :3]
titles = [text("{truth}\nanswer: {answer}", truth=names[truth[k]], answer=names[answer[k]]) for k in first]
show(
    image_grid(
        [*pictures[first], *overlay],
        [*titles, *[text("evidence for it")] * 4],
        title="Bright: what raises the score of the answer",
    ),
    alt="Four held-out pictures with their true class and the answer, and below each a map of the evidence for the answer.",
)

# %% [markdown]
# Does the model use the subject, or the background? If the background is white, as in the held-out pictures of *Horses or Humans*, we
# can measure it: which part of the brightness of the maps is on white pixels? A map that is equally bright everywhere has as much there as
# there is white in the pictures. The next cell measures this in up to 32 pictures.

# %%
white = (pictures[some] > 240).all(axis=-1)
on_white = (heat * white).sum() / heat.sum() if heat.sum() else 0.0
if white.mean() < 0.1:
    finding = text("There is too little white in these pictures to tell. Compare the maps with the pictures.")
elif not heat.sum():
    finding = text("The maps are dark everywhere: this layer does not raise the score of the answer in any of them.")
else:
    on_background = text("**Most of the evidence is on the empty background, where there is no subject.**")
    place = on_background if on_white > 0.5 else text("**Most of the evidence is on the subject.**")
    more = text("The share on white is more than in a map that is equally bright everywhere.")
    less = text("The share on white is less than in a map that is equally bright everywhere.")
    finding = sentences([place, more if on_white > white.mean() else less])
said = text(
    "In these {count} pictures, {white:.0%} of the pixels are white, and {on_white:.0%} of the brightness of the maps is on them.",
    count=len(some),
    white=white.mean(),
    on_white=on_white,
)
Markdown(sentences([said, finding]))

# %% [markdown]
# A model that uses the background fails when the background changes, even if its training accuracy is high. A training curve cannot show
# this. The confusion matrix and the maps can.
#
# ## Exercise
#
# The held-out pictures of *Horses or Humans* have white backgrounds, and the training pictures do not (notebook 1). How good is the
# model on held-out pictures of the *same kind* as those it is trained on? Hold out a fifth of the training pictures. Note that they show
# only 50 horses and 17 humans, each from many sides. `gc_tutorial.study.datasets.training_figures()` lists which one each picture shows.
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
figures = training_figures()["figure"].to_numpy() if known else np.arange(len(labels))  # else each picture is its own
folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)  # the pictures of one figure stay together
kept, held = next(folds.split(labels, labels, figures))
test = dataset_of(source.train_images[held], labels[held])
same_kind = replace(source, train_images=source.train_images[kept], train_labels=labels[kept], test=test)
_, table = train(same_kind, GCRMSprop(settings.learning_rate))
accuracies = [one["test_accuracy"].iloc[-1] for one in (table, with_gc)]
answer = "Answer: the model is right for {accuracy:.0%} of {count} held-out pictures of the same kind."
print(text(answer, accuracy=accuracies[0], count=len(held)))
print(text("It was right for {accuracy:.0%} of the held-out pictures above.", accuracy=accuracies[1]))
if known:
    shown = "The {count} pictures show {figures} horses and humans that are in no training picture."
    print(text(shown, count=len(held), figures=len(set(figures[held]))))
    print(
        text(
            "A random split would put pictures of one horse into both parts, and the accuracy would say little about new horses."
        )
    )
else:
    print(
        text(
            "Careful: this split is random. If your pictures come in series (one person, place or day), split by series."
        )
    )

# %% [markdown]
# ## What you have seen
#
# - `load_data` reads pictures of two or more classes from a folder or a zip, and checks them before the training.
# - Rotation, shifts, shear, zoom and flip are still one resampling. A table compares a network of three blocks with and without GC.
# - The training curve alone does not show whether a model is of use. The confusion matrix, the pictures for which it is most wrong, and a
#   map of the evidence show more.
#
# Next: [7. Any optimizer](07_any_optimizer.ipynb), gradient centralization for Adam, SGD and other optimizers.
