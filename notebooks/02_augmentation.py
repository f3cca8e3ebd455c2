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
# # 2. Augmentation
#
# **Flip, turn and zoom the training images at random, as the Keras example does, but resample each
# image only once, and measure what that changes.**
#
# Takes less than a minute on two processor cores; no GPU needed.
#
# [Open in Colab](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/02_augmentation.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/02_augmentation.ipynb) · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/02_augmentation.ipynb) · [Open in Codespaces](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [Read in nbviewer](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/02_augmentation.ipynb) · [日本語](ja/02_augmentation.ipynb)
#
# In this notebook you will
#
# - apply the published augmentation with three Keras layers, and see what it does to an image;
# - see how rotation and zoom, one after the other, blur an image;
# - replace all three layers by one affine map on bytes, and measure how fast both pipelines are.

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
images, labels = data.train_images, data.train_labels

# %% [markdown]
# ## Why augment at all
#
# A flipped horse is still a horse. If the model sees an image in a new position every time, it cannot easily memorize the image. Only
# *training* images are augmented. Held-out images, on which no model is trained, stay as they are.
#
# ## The published way: three layers
#
# *Published* means the [Keras example of gradient centralization](https://keras.io/examples/vision/gradient_centralization/) of
# 2023-07-25 ([notebook 1](01_data.ipynb)).
# First the values are rescaled from 0...255 to 0...1. Then each batch passes through three layers: a flip both ways, a
# rotation by up to ±0.3 of a full turn (±108°), and a zoom by up to ±20%.

# %%
import keras
from keras import layers

keras.utils.set_random_seed(0)
published = keras.Sequential(
    [
        layers.Rescaling(1 / 255),
        layers.RandomFlip("horizontal_and_vertical"),
        layers.RandomRotation(0.3),
        layers.RandomZoom(0.2),
    ]
)

# %% [markdown]
# The figure shows an image and eleven random draws of it. Where a turned image leaves a corner empty, the layers fill the corner with
# a reflection of the image (`fill_mode="reflect"`).

# %%
import numpy as np
from gc_tutorial import text
from gc_tutorial.plotting import image_grid, show

picture = images[0]
augmented = keras.ops.convert_to_numpy(published(np.stack([picture] * 11), training=True))
grid = [picture / 255, *augmented]
show(
    image_grid(
        grid,
        [text("original"), *[text("draw {number}", number=number) for number in range(1, 12)]],
        title="One image and eleven augmentations of it",
    ),
    alt="One training image and eleven versions of it, each flipped, turned and zoomed at random.",
)

# %% [markdown]
# ## What it costs
#
# Rotation and zoom each *resample* the image: every new pixel is a mixture of four old ones. Two resamplings mix twice, and that
# blurs. Each layer also moves every image through memory as `float32`, with four bytes for each value, where one byte is enough.
#
# One resampling can do all of it. A flip $F$, a rotation $R$ and a zoom $Z$ are each an **affine map** of the coordinates
# $p = (x, y)$ around the image's centre $c$. Each is a 2×2 matrix, and the product of the three is a 2×2 matrix, too:
#
# $$p_{\text{in}} = c + F\,R\,Z\,(p_{\text{out}} - c)$$
#
# The map leads from the new image back to the old one, because we look up the colour of each *new* pixel in the old image.

# %%
angle, zoom = 2 * np.pi * 0.1, 1.2  # a tenth of a turn; the field of view 1.2 times as wide
flip = np.diag([-1.0, 1.0])  # left and right change places
rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
fused = flip @ rotation @ (zoom * np.eye(2))
fused.round(3)

# %% [markdown]
# One call of OpenCV's `warpAffine` does all three at once, on `uint8`. For comparison, the cell also applies the same three maps one after
# the other. The flip only moves whole pixels. So two maps resample: the rotation and the zoom.

# %%
import cv2


def resample(picture, matrix):
    """Apply one 2×2 matrix around the image's centre."""
    centre = np.full(2, (picture.shape[0] - 1) / 2)
    full = np.column_stack([matrix, centre - matrix @ centre])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, full, picture.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REFLECT)


once = resample(picture, fused)
in_turn = resample(resample(resample(picture, flip), rotation), zoom * np.eye(2))

# %% [markdown]
# How sharp is each result? The difference is hard to see, so we measure it. A common measure is the variance of the Laplacian, which is high
# where neighbouring pixels differ.

# %%
from IPython.display import Markdown

middle = slice(picture.shape[0] // 3, -(picture.shape[0] // 3))  # away from the mirrored edges
crops = [crop[middle, middle] for crop in (once, in_turn)]
sharpness = [cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var() for crop in crops]
lost = 1 - sharpness[1] / sharpness[0]
show(
    image_grid(
        crops,
        [
            text("{name}: {sharpness:.0f}", name=name, sharpness=value)
            for name, value in zip((text("one resampling"), text("turned, then zoomed")), sharpness)
        ],
        columns=2,
        side=2.7,
        title=text("Turned and then zoomed: the variance of the Laplacian is {lost:.0%} lower", lost=lost),
    ),
    alt="The middle of the same image, resampled once, and turned and then zoomed; the second is less sharp.",
)
Markdown(
    text(
        "Sharpness: **{once:.0f}** with one resampling and **{in_turn:.0f}** with two, which is {lost:.0%} less. (This is one "
        "image at one angle.)",
        once=sharpness[0],
        in_turn=sharpness[1],
        lost=lost,
    )
)

# %% [markdown]
# ## The pipeline
#
# `training_batches` does this for whole batches. It shuffles, draws a matrix for each image from the published ranges,
# and resamples each image once. All random draws follow from the `seed`. So we can later train with and without gradient
# centralization on exactly the same pixels.

# %%
from gc_tutorial import training_batches

batches = training_batches(images, labels, settings.batch_size, seed=1)
batch, batch_labels = next(iter(batches))
names = data.info.features["label"].names
show(
    image_grid(
        batch[:12].numpy(), [names[label] for label in batch_labels[:12]], title="A training batch, resampled once"
    ),
    alt="Twelve augmented training images with their classes.",
)

# %% [markdown]
# Two pipelines with the same seed give the same bytes in each epoch. Within one pipeline, the epochs differ:

# %%
import hashlib


def fingerprint(pipeline):
    """A digest of every byte that one epoch yields."""
    digest = hashlib.sha256()
    for images, labels in pipeline.as_numpy_iterator():
        digest.update(images.tobytes() + labels.tobytes())
    return digest.hexdigest()[:12]


for run in (text("first run"), text("second run")):
    batches = training_batches(images, labels, settings.batch_size, seed=1)
    digests = [fingerprint(batches) for epoch in (1, 2)]
    print(text("{run}: epoch 1 {first}, epoch 2 {second}", run=run, first=digests[0], second=digests[1]))

# %% [markdown]
# ## Where the time goes
#
# Both pipelines run on the same images, in turn, three times each. The figure shows the fastest of the three runs, since every
# disturbance makes a run slower. The medians are printed below the figure. The published pipeline is written from its description:
# shuffle, batch, rescale to `float32`, then the three layers. (The example rescales before it batches. The order here is faster, which
# favours the published pipeline.)
#
# Both pipelines run `without_autotune`. With autotuning, the end of an epoch often waits for `tf.data` to finish its tuning, and this wait
# can last as long as the epoch itself.

# %%
import time

import tensorflow as tf
from gc_tutorial.pipeline import THREADS, without_autotune


def published_layers(batch, labels):
    return published(batch, training=True), labels


timed = images[:512], labels[:512]
shuffled = tf.data.Dataset.from_tensor_slices(timed).shuffle(1024).batch(settings.batch_size)
pipelines = {
    text("published: three layers, float32"): without_autotune(shuffled.map(published_layers, THREADS).prefetch(2)),
    text("ours: one affine map, uint8"): training_batches(*timed, settings.batch_size, seed=1),
}


# %%
def images_per_second(pipeline):
    started = time.perf_counter()
    count = sum(len(labels) for _, labels in pipeline)
    return count / (time.perf_counter() - started)


speeds = {name: [] for name in pipelines}
for _ in range(3):
    for name, pipeline in pipelines.items():
        speeds[name].append(images_per_second(pipeline))
best = {name: max(values) for name, values in speeds.items()}

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
from gc_tutorial.plotting import WIDTH, set_title

slow, fast = best.values()
figure, axis = plt.subplots(figsize=(WIDTH, 2.2), layout="constrained")
places = [name.replace(": ", ":\n").replace("：", "：\n") for name in best]
bars = axis.barh(places, list(best.values()), color=["#999999", "#555555"])
axis.bar_label(bars, fmt="{:,.0f}", padding=3)
axis.invert_yaxis()
axis.set_xlabel("images per second (more is better)")
axis.xaxis.set_major_formatter("{x:,.0f}")
axis.margins(x=0.15)
title = "Our pipeline gives {ratio:.1f} times as many images per second here (best of three)"
set_title(figure, text(title, ratio=fast / slow))
alt = "Bar chart: the published pipeline gives {slow:,.0f} images per second, ours {fast:,.0f}."
show(figure, alt=text(alt, slow=slow, fast=fast))
for name, values in speeds.items():
    print(text("{name}: median {median:,.0f} images per second", name=name, median=np.median(values)))

# %% [markdown]
# The two pipelines differ in three ways: in the number of resamplings, in the type of the values (bytes or floats), and in the code
# (OpenCV or TensorFlow). We did not measure each of these alone. The package's benchmark at 300×300 pixels has one variant in between:
# TensorFlow's own projective operation on bytes, with one resampling. It gives 651 images per second, where the published layers
# give 199 and OpenCV gives 2,186. These are medians of five rounds; the best were 662, 277 and 2,619 ([results](../gc_tutorial/study/results/README.md)).
#
# ## What it means for training
#
# Training as a whole gains less than this factor, because the network's own work stays the same. The next table shows one epoch of
# the recipe of the Keras example (300×300 pixels, batches of 128) in three variants: the network alone, on images in memory; the network with the
# published pipeline, which also decodes each image again; and the network with our pipeline. The numbers come from a benchmark of the
# package on two processor cores. The three variants were timed in turn.

# %%
import pandas as pd
from gc_tutorial.study.analysis import load_study

speed = load_study("speed")
epochs = speed[(speed["part"] == "epoch") & speed["arm"].str.endswith("float32")].set_index("arm").iloc[:3]
alone, with_published, with_ours = epochs["best_seconds"]
rows = [text("network alone"), text("with the published pipeline"), text("with our pipeline")]
columns = {"best_seconds": text("best of three (s)"), "median_seconds": text("median of three (s)")}
epochs[list(columns)].set_axis(pd.Index(rows, name=text("one epoch"))).rename(columns=columns).round(1)

# %%
medians = epochs["median_seconds"].to_numpy()
longer = {
    "published_best": with_published / alone - 1,
    "published_median": medians[1] / medians[0] - 1,
    "ours_best": with_ours / alone - 1,
    "ours_median": medians[2] / medians[0] - 1,
}

# %% tags=["hide-input"]
figure, axis = plt.subplots(figsize=(WIDTH, 3.2), layout="constrained")
added = [seconds - alone for seconds in (alone, with_published, with_ours)]
places = [row.replace("with the", "with the\n") for row in rows]
axis.barh(places, [alone] * 3, color="#999999", label="network alone")
axis.barh(places, added, left=alone, color="#555555", label="added by the pipeline")
axis.plot(medians, places, "kd", markersize=5, label="median")
for place, extra, median in zip(places, added, medians):
    axis.text(
        median + 0.8,
        place,
        text("best {best:.1f} s,\nmedian {median:.1f} s", best=alone + extra, median=median),
        va="center",
    )
axis.set_xlim(0, 1.6 * medians.max())
axis.set_xlabel("seconds for one epoch (bar: best of three)")
axis.invert_yaxis()
figure.legend(loc="outside lower center", ncols=3, frameon=False)
title = (
    "The published pipeline makes an epoch {published_best:.0%} and {published_median:.0%} longer, ours {ours_best:.0%} and "
    "{ours_median:.0%} (best and median of three)"
)
set_title(figure, text(title, **longer))
alt = (
    "Bar chart: an epoch takes {alone:.1f} seconds with the network alone, {published:.1f} with the published pipeline and "
    "{ours:.1f} with ours (best of three)."
)
show(figure, alt=text(alt, alone=alone, published=with_published, ours=with_ours))

# %% [markdown]
# On this processor the network takes most of the time in all three variants. On a GPU the network is faster, so the pipeline should
# matter more. We did not measure that.

# %% [markdown]
# ## Exercise
#
# Images of horses are seldom upside down. Make a pipeline that flips left to right only and turns by at most 5% of a full turn.
# Look at a batch. How many times is each image resampled now?
#
# The next cell is the solution. It is folded: try first, then open it.

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
from gc_tutorial import AugmentationRanges

gentle = AugmentationRanges(vertical_flip=False, rotation=0.05)
batch, batch_labels = next(iter(training_batches(images, labels, settings.batch_size, seed=1, ranges=gentle)))
show(
    image_grid(
        batch[:12].numpy(), [names[k] for k in batch_labels[:12]], title="Turned by at most 18°, never upside down"
    ),
    alt="Twelve training images, slightly turned and zoomed; none is upside down.",
)
print(text("Answer: pass AugmentationRanges(vertical_flip=False, rotation=0.05) to training_batches as `ranges`."))
print(text("All of it is still one affine map, so each image is still resampled once."))

# %% [markdown]
# ## What you have seen
#
# - Flip, rotation and zoom are affine maps, and so is their product. One resampling does all three.
# - One resampling kept the measured image sharper than two (one image, one angle). Done by OpenCV on bytes, it is also faster here.
# - Order and augmentation follow from a seed, so two training runs can see exactly the same pixels.
#
# Next: [3. The CNN](03_cnn.ipynb), which learns from these batches.
