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
# **Turn, mirror and zoom the training images at random, with the published ranges, but sharper and faster.**
#
# Takes about a minute; no GPU needed.
#
# [Open in Colab](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/02_augmentation.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/02_augmentation.ipynb) · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/02_augmentation.ipynb) · [Open in Codespaces](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [Read in nbviewer](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/02_augmentation.ipynb) · [日本語](ja/02_augmentation.ipynb)
#
# In this notebook you will
#
# - apply the published augmentation with three Keras layers, and see what it does to a picture;
# - see why three layers in a row are slow, and blur;
# - replace all three by one affine map, and measure what that saves.

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
# A mirrored horse is still a horse. Showing the model the same picture in ever new positions keeps it from learning
# pictures by heart. Only *training* images are augmented: the held-out ones measure how the model does on pictures as
# they are.
#
# ## The published way: three layers
#
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
# A picture, and eleven random draws of it. Where a turned picture leaves a corner empty, the layers mirror the picture at its
# edge (`fill_mode="reflect"`).

# %%
import numpy as np
from gc_tutorial.plotting import image_grid, show

picture = images[0]
augmented = keras.ops.convert_to_numpy(published(np.stack([picture] * 11), training=True))
grid = [picture / 255, *augmented]
show(
    image_grid(
        grid,
        ["original", *[f"draw {n}" for n in range(1, 12)]],
        title="No two draws alike: one picture and eleven augmentations",
    ),
    alt="One training picture and eleven versions of it, each flipped, turned and zoomed at random.",
)

# %% [markdown]
# ## What it costs
#
# Rotation and zoom each *resample* the picture: every new pixel is mixed from four old ones. Doing so twice mixes the
# mixtures, which blurs; and it moves every picture through memory again and again as `float32`, four bytes where one
# was enough.
#
# Yet a flip $F$, a rotation $R$ and a zoom $Z$ are each an **affine map** of the coordinates $p = (x, y)$ around the picture's
# centre $c$, that is, a 2×2 matrix; and one matrix after another is again a matrix:
#
# $$p_{\text{in}} = c + F\,R\,Z\,(p_{\text{out}} - c)$$
#
# The map leads from the new picture back to the old one, because for each *new* pixel we ask where its colour comes from.

# %%
angle, zoom = 2 * np.pi * 0.1, 1.2  # a tenth of a turn; the field of view 1.2 times as wide
flip = np.diag([-1.0, 1.0])  # left and right change places
rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
fused = flip @ rotation @ (zoom * np.eye(2))
fused.round(3)

# %% [markdown]
# Now one call of OpenCV's `warpAffine` does all three at once, on `uint8`. Next to it the same three maps one after
# another, each with its own resampling:

# %%
import cv2


def resample(picture, matrix):
    """Apply one 2×2 matrix around the picture's centre."""
    centre = np.full(2, (picture.shape[0] - 1) / 2)
    full = np.column_stack([matrix, centre - matrix @ centre])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, full, picture.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REFLECT)


once = resample(picture, fused)
thrice = resample(resample(resample(picture, flip), rotation), zoom * np.eye(2))

# %% [markdown]
# How sharp is each? The variance of the Laplacian, a usual measure, is high where neighbouring pixels differ.

# %%
from IPython.display import Markdown

middle = slice(picture.shape[0] // 3, -(picture.shape[0] // 3))  # away from the mirrored edges
crops = [crop[middle, middle] for crop in (once, thrice)]
sharpness = [cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var() for crop in crops]
show(
    image_grid(
        crops,
        ["one resampling", "one after another"],
        columns=2,
        side=3.2,
        title=f"In steps, the same map loses {1 - sharpness[1] / sharpness[0]:.0%} of the sharpness",
    ),
    alt="The middle of the same picture, resampled once and resampled in steps; the second is softer.",
)
Markdown(
    f"Sharpness: **{sharpness[0]:.0f}** with one resampling, **{sharpness[1]:.0f}** in steps, "
    f"{1 - sharpness[1] / sharpness[0]:.0%} less."
)

# %% [markdown]
# ## The pipeline
#
# `training_batches` does this for whole batches: it shuffles, draws a matrix for each picture from the published ranges,
# and resamples each picture once. Everything it draws follows from the `seed`: that will let us train with and without
# gradient centralization on exactly the same pixels.

# %%
from gc_tutorial import training_batches

batches = training_batches(images, labels, settings.batch_size, seed=1)
batch, batch_labels = next(iter(batches))
names = data.info.features["label"].names
show(
    image_grid(
        batch[:12].numpy(), [names[label] for label in batch_labels[:12]], title="A training batch, resampled once"
    ),
    alt="Twelve augmented training pictures with their classes.",
)

# %% [markdown]
# Two pipelines with one seed give the same bytes, epoch after epoch; the epochs differ from one another:

# %%
import hashlib


def fingerprint(pipeline):
    """A digest of every byte that one epoch yields."""
    digest = hashlib.sha256()
    for images, labels in pipeline.as_numpy_iterator():
        digest.update(images.tobytes() + labels.tobytes())
    return digest.hexdigest()[:12]


for run in ("first run", "second run"):
    batches = training_batches(images, labels, settings.batch_size, seed=1)
    print(f"{run}: epoch 1 {fingerprint(batches)}, epoch 2 {fingerprint(batches)}")

# %% [markdown]
# ## Where the time goes
#
# Both pipelines run on the same images, in turn, three times each. The figure shows the fastest of the three, since everything that
# disturbs a measurement makes it slower; the medians are printed below it. The published pipeline is written from its description: shuffled, batched, rescaled to `float32`,
# then the three layers. (As described, it rescales before it batches; the order here favours it.) It runs `without_autotune`, as ours
# does: `tf.data` can tune itself while it runs, but the end of an epoch then often waits for the tuner, and this wait can last as
# long as the epoch itself.

# %%
import time

import tensorflow as tf
from gc_tutorial.data.pipeline import THREADS, without_autotune


def published_layers(batch, labels):
    return published(batch, training=True), labels


timed = images[:512], labels[:512]
shuffled = tf.data.Dataset.from_tensor_slices(timed).shuffle(1024).batch(settings.batch_size)
pipelines = {
    "published: three layers, float32": without_autotune(shuffled.map(published_layers, THREADS).prefetch(2)),
    "ours: one affine map, uint8": training_batches(*timed, settings.batch_size, seed=1),
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

# %%
import matplotlib.pyplot as plt

slow, fast = best.values()
figure, axis = plt.subplots(figsize=(7, 1.8), layout="constrained")
bars = axis.barh(list(best), list(best.values()), color=["#999999", "#009E73"])
axis.bar_label(bars, fmt="{:,.0f}", padding=3)
axis.invert_yaxis()
axis.set(
    xlabel="images per second (more is better)",
    title=f"Our pipeline gives {fast / slow:.1f} times as many images per second here",
)
axis.margins(x=0.12)
show(figure, alt=f"Bar chart: the published pipeline gives {slow:,.0f} images per second, ours {fast:,.0f}.")
for name, values in speeds.items():
    print(f"{name}: median {np.median(values):,.0f} images per second")

# %% [markdown]
# The two differ in three ways: one resampling instead of several, bytes instead of floats, and OpenCV's code instead of
# TensorFlow's. We did not measure each of them alone. The benchmark of the package has one arm in between, TensorFlow's own projective
# operation on bytes, with one resampling. It gives 472 images per second, where the published layers give 156 and OpenCV gives 1,678
# ([results](../gc_tutorial/study/results/README.md)).
#
# ## What it means for training
#
# Training as a whole gains less than this factor, since the network's own work stays the same. The next table shows a measured epoch of
# the published recipe (300×300 pixels, batches of 128): the network alone, on images in memory; with the published pipeline, which also
# decodes each picture again; and with ours. The numbers come with the package, from a benchmark on two processor cores in which the
# three took turns. The figure shows the best of three rounds.

# %%
from gc_tutorial.study.analysis import load_study

speed = load_study("speed")
epochs = speed[(speed["part"] == "epoch") & speed["arm"].str.endswith("float32")].set_index("arm").iloc[:3]
alone, with_published, with_ours = epochs["best_seconds"]
columns = {"best_seconds": "seconds, best of three", "median_seconds": "seconds, median of three"}
epochs[list(columns)].rename(columns=columns).round(1)

# %%
figure, axis = plt.subplots(figsize=(7, 2.2), layout="constrained")
rows = ["network alone", "with the published pipeline", "with ours"]
pipeline = [seconds - alone for seconds in (alone, with_published, with_ours)]
axis.barh(rows, [alone] * 3, color="#56B4E9")
bars = axis.barh(rows, pipeline, left=alone, color=["#56B4E9", "#999999", "#009E73"])
axis.bar_label(bars, [f"{alone + added:.1f} s" for added in pipeline], padding=3)
axis.invert_yaxis()
axis.set(
    xlabel="seconds for an epoch (blue: the network's own; less is better)",
    title=f"Around the network, the published pipeline adds {with_published / alone - 1:.0%}, ours {with_ours / alone - 1:.0%}",
)
axis.margins(x=0.12)
show(
    figure,
    alt=f"Bar chart: an epoch takes {alone:.1f} seconds with the network alone, {with_published:.1f} with the published "
    f"pipeline and {with_ours:.1f} with ours.",
)

# %% [markdown]
# So on this processor most of the time goes into the network, and our pipeline adds little. On a GPU the network is faster, so the
# pipeline should matter more. We did not measure that.

# %% [markdown]
# ## Exercise
#
# Pictures of horses are seldom upside down. Make a pipeline that mirrors left to right only and turns by at most 5%
# of a full turn, and look at a batch.
#
# <details><summary>Solution</summary>
#
# ```python
# from gc_tutorial import AugmentationRanges
#
# gentle = AugmentationRanges(vertical_flip=False, rotation=0.05)
# batch, batch_labels = next(iter(training_batches(images, labels, settings.batch_size, seed=1, ranges=gentle)))
# show(image_grid(batch[:12].numpy(), [names[k] for k in batch_labels[:12]]), alt="Twelve gently augmented pictures.")
# ```
#
# </details>

# %% [markdown]
# ## What you have seen
#
# - Flip, rotation and zoom are affine maps, and so is their product: one resampling serves for all three.
# - That keeps pictures sharper, stays in `uint8`, and is faster.
# - Order and augmentation follow from a seed, so that two trainings can see the very same pixels.
#
# Next: [3. The CNN](03_cnn.ipynb), which learns from these batches.
