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
# **Meet the images that every later notebook trains on, and the one property of them that decides how its results
# may be read.**
#
# Takes about a minute; no GPU needed.
#
# [Open in Colab](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/01_data.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/01_data.ipynb) · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/01_data.ipynb) · [Open in Codespaces](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [Read in nbviewer](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/01_data.ipynb) · [日本語](ja/01_data.ipynb)
#
# In this notebook you will
#
# - load *Horses or Humans* with one call, and see what TensorFlow Datasets (TFDS) hands over;
# - look at the training images and at the *held-out* images, on which nothing is trained (in the code they are called `test`);
# - measure how the two differ, and learn why that difference is a trap.

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
# *Horses or Humans* (Laurence Moroney, CC BY 2.0) holds computer-rendered pictures of horses and of people. It comes
# through [TFDS](https://www.tensorflow.org/datasets/catalog/horses_or_humans). Without the helper, you would write
#
# ```python
# tfds.load("horses_or_humans", split=["train", "test"], as_supervised=True, with_info=True)
# ```
#
# `load_data` makes that call, decodes every picture once, resizes it, and keeps it in memory. Where the data set cannot
# be downloaded, it uses synthetic images instead, and says so.

# %%
from gc_tutorial import load_data

data = load_data(settings.data, settings.image_size)

# %% [markdown]
# The line that the first cell printed names the **profile**, which sets how much is computed: `quick`, `standard` (the default) or `full`.
# Only `full` has the published settings. The others use smaller pictures and batches, and fewer epochs. The environment variable
# `GC_TUTORIAL_PROFILE` chooses the profile.
#
# *Published*, here and in the notebooks that follow, means the
# [Keras example of gradient centralization](https://keras.io/examples/vision/gradient_centralization/) as last modified on 2023-07-25.
# It was changed in 2025; [notebook 4](04_gradient_centralization.ipynb) tells what is known.
#
# The result of `load_data` has the two splits as `tf.data` pipelines, and the data set's own description.

# %%
names = data.info.features["label"].names
for split in ("train", "test"):
    print(f"{split:>5}: {data.info.splits[split].num_examples:,} images")
print("classes:", dict(enumerate(names)))

# %% [markdown]
# Each element is one picture and its label. The picture is made of whole numbers from 0 to 255 (`uint8`), one byte for
# each of red, green and blue in each pixel. We keep it that way until it reaches the model: as `float32` it would need four
# times the memory.

# %%
image, label = next(iter(data.train))
print(f"image: shape {image.shape}, {image.dtype.name}, values {image.numpy().min()} to {image.numpy().max()}")
print(f"label: {label.numpy()}, which means {names[label.numpy()]!r}")

# %% [markdown]
# ## Are the classes balanced?
#
# Count before you train. With about as many horses as humans, a model that guesses is right about half of the time. So an accuracy of one
# half means that the model has learnt nothing.

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
# Twelve pictures to train on:

# %%
from gc_tutorial.plotting import image_grid, show


def first(split, count=12):
    """The first pictures of a split and the names of their classes."""
    pairs = list(getattr(data, split).take(count).as_numpy_iterator())
    return [image for image, _ in pairs], [names[label] for _, label in pairs]


show(
    image_grid(*first("train"), title="Training images: busy backgrounds"),
    alt="Twelve training images of horses and humans, each in front of a background full of colour and texture.",
)

# %% [markdown]
# And twelve held-out pictures:

# %%
show(
    image_grid(*first("test"), title="Held-out images: white backgrounds"),
    alt="Twelve held-out images of horses and humans, each in front of a plain white background.",
)

# %% [markdown]
# ## The trap
#
# The two sets of pictures have different backgrounds. We can measure this: how much of each picture is white?


# %%
def white_share(split):
    """For each picture, the share of its pixels in which red, green and blue are all above 240."""
    return np.array([(image > 240).all(axis=-1).mean() for image, _ in getattr(data, split).as_numpy_iterator()])


white = {split: white_share(split) for split in ("train", "test")}

# %%
import matplotlib.pyplot as plt
from IPython.display import Markdown
from gc_tutorial.plotting import SPLIT_COLOURS

figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
for split, colour in SPLIT_COLOURS.items():
    axis.hist(100 * white[split], bins=np.linspace(0, 100, 41), color=colour, alpha=0.8, label=f"{split} images")
half = {split: (values > 0.5).mean() for split, values in white.items()}
axis.set(xlabel="white pixels in the picture (%)", ylabel="pictures")
axis.set_title(f"{half['test']:.0%} of held-out pictures are mostly white, {half['train']:.0%} of training pictures")
axis.legend()
show(
    figure,
    alt="Histogram of the share of white pixels: near zero for training images, well above half for test images.",
)

# %%
Markdown(
    f"In the median training picture **{np.median(white['train']):.0%}** of the pixels are white, in the median held-out "
    f"picture **{np.median(white['test']):.0%}**."
)

# %% [markdown]
# A model is trained on one kind of picture and evaluated on another. This is called a **domain shift**. It has two consequences. The
# published example does not measure held-out images, and so it shows neither.
#
# 1. **Training accuracy says little.** A model may learn the backgrounds. Then it does well on pictures with these backgrounds, and badly
#    on others. Every comparison here therefore includes the held-out images.
# 2. **Held-out accuracy is noisy.** It can jump from one epoch to the next, as notebook 3 shows, so one run proves little. Notebook 5
#    repeats each run with several seeds (starting points of the random numbers) and gives intervals.

# %% [markdown]
# ## Exercise
#
# Can a model tell the classes apart without looking at any shape? Compute the mean colour of each training picture,
# give each picture the class whose average colour is nearest, and see how often that is right in each split.
#
# <details><summary>Solution</summary>
#
# ```python
# def mean_colours(split):
#     return np.array([image.mean(axis=(0, 1)) for image, _ in getattr(data, split).as_numpy_iterator()])
#
# colours = {split: mean_colours(split) for split in ("train", "test")}
# centres = np.array([colours["train"][labels["train"] == k].mean(axis=0) for k in range(len(names))])
# for split in ("train", "test"):
#     distances = np.linalg.norm(colours[split][:, None] - centres, axis=2)
#     print(split, (distances.argmin(axis=1) == labels[split]).mean(), np.bincount(distances.argmin(axis=1), minlength=2))
# ```
#
# On the training pictures, the part above one half comes from colour alone. Now look at the counts for the held-out pictures. White is a
# bright colour. Where brightness decides, all of them may get the same class, and the accuracy is then exactly 50%. This is how a
# domain shift hurts.
#
# </details>

# %% [markdown]
# ## What you have seen
#
# - One call loads the images as `uint8`, decoded once, with the data set's own facts beside them.
# - Training pictures stand on busy backgrounds and held-out pictures on white: a domain shift.
# - So judge results on held-out pictures, and over several runs.
#
# Next: [2. Augmentation](02_augmentation.ipynb), which makes the training pictures more varied.
