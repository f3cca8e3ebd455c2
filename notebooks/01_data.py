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
# # 1. The images
#
# **See the images that every later notebook trains on, and the property that matters most for reading the results.**
#
# Takes less than a minute on two processor cores, without the download of the images; no GPU needed.
#
# [Open in Colab](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/01_data.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/01_data.ipynb) · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/01_data.ipynb) · [Open in Codespaces](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [Read in nbviewer](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/01_data.ipynb) · [日本語](ja/01_data.ipynb)
#
# In this notebook you will
#
# - load *Horses or Humans* with one call, and see what TensorFlow Datasets (TFDS) returns;
# - look at the training images and at the *held-out* images, on which no model is trained (the code calls them `test`);
# - measure how the two differ, and see why that matters.

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
# ## One call
#
# *Horses or Humans* (Laurence Moroney, CC BY 2.0) holds computer-rendered images of horses and of people. It comes through
# [TFDS](https://www.tensorflow.org/datasets/catalog/horses_or_humans). Without the package's helper `load_data`, you would write
#
# ```python
# tfds.load("horses_or_humans", split=["train", "test"], as_supervised=True, with_info=True)
# ```
#
# `load_data` makes that call, decodes every image once, resizes it, and keeps it in memory. If the data set cannot
# be downloaded, `load_data` uses synthetic images instead, and says so.

# %%
from gc_tutorial import load_data

data = load_data(settings.data, settings.image_size)

# %% [markdown]
# The first cell printed the name of the **profile**, which sets how much is computed: `quick`, `standard` (the default) or `full`.
# Only `full` has the published settings. The other two use smaller images, smaller batches and fewer epochs (an epoch is one pass over
# the training images). The environment variable `GC_TUTORIAL_PROFILE` chooses the profile.
#
# *Published*, here and in the notebooks that follow, means the
# [Keras example of gradient centralization](https://keras.io/examples/vision/gradient_centralization/) of 2023-07-25. It was changed later, and
# [notebook 4](04_gradient_centralization.ipynb) lists the changes that we know of.
#
# The result of `load_data` has the two splits as `tf.data` pipelines, and the data set's own description.

# %%
from gc_tutorial import text

names = data.info.features["label"].names
for split in ("train", "test"):
    print(text("{split:>5}: {count:,} images", split=split, count=data.info.splits[split].num_examples))
print(text("classes: {classes}", classes=dict(enumerate(names))))

# %% [markdown]
# Each element is one image and its label. An image consists of whole numbers from 0 to 255 (`uint8`): each pixel has one byte each for
# red, green and blue. We keep this form until the image reaches the model, because `float32` would need four times the memory.

# %%
image, label = next(iter(data.train))
low, high = image.numpy().min(), image.numpy().max()
print(
    text(
        "image: shape {shape}, {kind}, values {low} to {high}",
        shape=image.shape,
        kind=image.dtype.name,
        low=low,
        high=high,
    )
)
print(text("label: {label}, which means {name!r}", label=label.numpy(), name=names[label.numpy()]))

# %% [markdown]
# ## Are the classes balanced?
#
# Count before you train. Where there are about as many horses as humans, a model that guesses is right about half of the time. So an
# accuracy of one half is no better than guessing.

# %%
import numpy as np
import pandas as pd

labels = {
    split: np.array([label for _, label in getattr(data, split).as_numpy_iterator()]) for split in ("train", "test")
}
counts = pd.DataFrame({split: np.bincount(values, minlength=2) for split, values in labels.items()}, index=names)
counts

# %% [markdown]
# ## Look at them
#
# Twelve images to train on:

# %%
from gc_tutorial.plotting import image_grid, show


def first(split, count=12):
    """The first images of a split and the names of their classes."""
    pairs = list(getattr(data, split).take(count).as_numpy_iterator())
    return [image for image, _ in pairs], [names[label] for _, label in pairs]


show(
    image_grid(*first("train"), title="Training images: busy backgrounds"),
    alt="Twelve training images of horses and humans, each in front of a background full of colour and texture.",
)

# %% [markdown]
# And twelve held-out images:

# %%
show(
    image_grid(*first("test"), title="Held-out images: white backgrounds"),
    alt="Twelve held-out images of horses and humans, each in front of a plain white background.",
)

# %% [markdown]
# ## How they differ
#
# The training images and the held-out images have different backgrounds. We can measure this: how much of each image is white?


# %%
def white_share(split):
    """For each image, the share of its pixels in which red, green and blue are all above 240."""
    return np.array([(image > 240).all(axis=-1).mean() for image, _ in getattr(data, split).as_numpy_iterator()])


white = {split: white_share(split) for split in ("train", "test")}

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
from IPython.display import Markdown
from gc_tutorial.plotting import SPLIT_COLOURS, WIDTH, set_title

splits = {"train": text("training images"), "test": text("held-out images")}
counted = {
    split: text("{mostly:,} of {count:,} {name}", mostly=(white[split] > 0.5).sum(), count=len(white[split]), name=name)
    for split, name in splits.items()
}
figure, axis = plt.subplots(figsize=(WIDTH, 3.4), layout="constrained")
for split, name in splits.items():
    axis.hist(100 * white[split], bins=np.linspace(0, 100, 41), color=SPLIT_COLOURS[split], label=name)
axis.set(xlabel="white pixels in the image (%)", ylabel="images")
set_title(figure, text("More than half white: {test}, {train}", **counted))
axis.legend()
show(
    figure,
    alt=text("Histogram of the share of white pixels. It is above one half in {test}, {train}.", **counted),
)

# %%
Markdown(
    text(
        "In the median training image **{train:.0%}** of the pixels are white, in the median held-out image **{test:.0%}**.",
        **{split: np.median(values) for split, values in white.items()},
    )
)

# %% [markdown]
# A model is trained on one kind of image and evaluated on another. This is called a **domain shift**. It has two consequences. Neither
# shows in the Keras example, which evaluates no held-out images.
#
# 1. **Training accuracy says little.** A model may learn the backgrounds. Then it does well on images with these backgrounds, and badly
#    on others. So every comparison here includes held-out images.
# 2. **Held-out accuracy is noisy here.** It can jump from one epoch to the next, as notebook 3 shows. The domain shift may be one reason.
#    So one run proves little. Notebook 5 repeats each run with several seeds (starting points of the random numbers) and gives intervals.
#
# Later there is a second held-out set. From [notebook 5](05_comparison.ipynb) on, most of the planned studies also hold out some of the training
# horses and humans, with all of their images. So two names are needed. **Images on white** are the held-out images of this notebook. In the
# planned studies with these images *held-out* means **horses and humans held out from the training images**. Their backgrounds are like those in
# training.

# %% [markdown]
# ## Exercise
#
# Can a program tell the classes apart without looking at any shape? Compute the mean colour of each training image. Give each image
# the class whose average colour is nearest. How often is this right in each split?
#
# The next cell is the solution. It is folded: try first, then open it.


# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
def mean_colours(split):
    return np.array([image.mean(axis=(0, 1)) for image, _ in getattr(data, split).as_numpy_iterator()])


colours = {split: mean_colours(split) for split in labels}
centres = np.array([colours["train"][labels["train"] == k].mean(axis=0) for k in range(len(names))])
given = {split: np.linalg.norm(values[:, None] - centres, axis=2).argmin(axis=1) for split, values in colours.items()}
right = {split: (given[split] == labels[split]).mean() for split in given}
counts = np.bincount(given["test"], minlength=len(names))
most, total, name = counts.max(), counts.sum(), names[counts.argmax()]
print(
    text(
        "Answer: colour alone is right for {train:.0%} of the training and {test:.0%} of the held-out images.", **right
    )
)
print(text("It calls {most} of the {total} held-out images {name}.", most=most, total=total, name=name))
if most > 0.9 * total:
    print(text("White is a bright colour, so nearly all held-out images get the class that is brighter in training."))
    print(
        text(
            "This is how a domain shift hurts: what was learned from the backgrounds is of no use on other backgrounds."
        )
    )

# %% [markdown]
# ## What you have seen
#
# - One call loads the images as `uint8`, decoded once, together with the data set's own description.
# - Training images have busy backgrounds, and held-out images have white ones. This is a domain shift.
# - So judge results on held-out images, and over several runs.
#
# Next: [2. Augmentation](02_augmentation.ipynb), which makes the training images more varied.
