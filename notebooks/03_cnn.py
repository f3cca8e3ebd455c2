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
# # 3. The CNN
#
# **Build the network of the published example, train it without gradient centralization, and watch it on pictures it
# has never seen.**
#
# In the `standard` profile it takes one to two minutes on two processor cores; no GPU needed.
#
# [Open in Colab](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/03_cnn.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/03_cnn.ipynb) · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/03_cnn.ipynb) · [Open in Codespaces](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [Read in nbviewer](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/03_cnn.ipynb) · [日本語](ja/03_cnn.ipynb)
#
# In this notebook you will
#
# - build a convolutional network (CNN) of five blocks, and follow the shapes through it;
# - train it with RMSprop, with held-out images evaluated after every epoch;
# - see how far one held-out curve may be trusted.

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
# ## The network
#
# Five times a 3×3 convolution and a 2×2 pooling: each convolution (without padding) takes one pixel off every edge, each
# pooling halves what is left. Dropout, in three places, switches off half of the activations at random during training.
# At the end a dense layer of 512 units and one output: the probability that the picture shows a human.
#
# The images arrive as whole numbers from 0 to 255; the first layer scales them to 0...1, on the processor or GPU that trains.

# %%
import keras
from keras import layers

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((settings.image_size, settings.image_size, 3)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, activation="relu"),
        layers.Dropout(0.5),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Dropout(0.5),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(512, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ]
)

# %% [markdown]
# Which kernels does it have? The last axis of each counts the layer's output units; all other axes together make up the
# **weight vector** of one unit. Remember this table: gradient centralization works on just these vectors.

# %%
import pandas as pd

shapes = [
    (layer.name, layer.output.shape[1:], layer.kernel.shape) for layer in model.layers if hasattr(layer, "kernel")
]
kernels = pd.DataFrame(shapes, columns=["layer", "output", "kernel"])
kernels["weight vectors"] = [kernel[-1] for kernel in kernels["kernel"]]
kernels["length of each"] = [int(pd.Series(kernel[:-1]).prod()) for kernel in kernels["kernel"]]
kernels

# %% [markdown]
# The later notebooks import this network as `build_cnn`. At the published size, 300×300 pixels, it has the same number of parameters as
# the published one. Most of them are in the first dense layer, because each of its 512 units has a weight for every number
# that the last pooling leaves. That count grows with the size of the picture:

# %%
from gc_tutorial import build_cnn

print(f"at {settings.image_size}×{settings.image_size}: {model.count_params():,} parameters")
at_300 = build_cnn(300)
print(f"at 300×300: {at_300.count_params():,} parameters")
largest = max(at_300.layers, key=lambda layer: layer.count_params())
print(f"most of them in one layer: {largest.count_params():,} in the one of {largest.units} units")

# %% [markdown]
# ## Training
#
# RMSprop, binary cross-entropy and accuracy, as published. The published learning rate, 0.0001, belongs to the profile `full`; with
# the smaller batches of the others we take 0.001, so that a few epochs show learning. `validation_data` makes Keras evaluate the held-out pictures after every epoch,
# which the published example leaves out. `TimeHistory` notes how long each epoch trained.

# %%
from gc_tutorial import TimeHistory, training_batches

model.compile(
    optimizer=keras.optimizers.RMSprop(settings.learning_rate), loss="binary_crossentropy", metrics=["accuracy"]
)
times = TimeHistory()
history = model.fit(
    training_batches(data.train_images, data.train_labels, settings.batch_size, seed=0),
    validation_data=data.test.batch(128),
    epochs=settings.epochs,
    callbacks=[times],
    shuffle=False,  # the pipeline shuffles already
    verbose=2,
)

# %% [markdown]
# ## The curves

# %%
import matplotlib.pyplot as plt
from gc_tutorial.plotting import COLOURS, show

epochs = range(1, settings.epochs + 1)
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for axis, measure in zip(axes, ("loss", "accuracy")):
    axis.plot(epochs, history.history[measure], "o-", color=COLOURS["none"], label="training images")
    axis.plot(epochs, history.history[f"val_{measure}"], "s--", color=COLOURS["none"], label="held-out images")
    axis.set(xlabel="epoch", ylabel=measure, xticks=epochs)
    axis.grid(alpha=0.3)
axes[0].legend()
right = history.history["val_accuracy"][-1]
figure.suptitle(f"Without GC: {right:.0%} of the held-out pictures right after {settings.epochs} epochs")
show(figure, alt="Loss and accuracy of each epoch, on training images and on held-out images.")

# %%
from IPython.display import Markdown

accuracy = history.history["val_accuracy"]
Markdown(
    f"After {settings.epochs} epochs ({sum(times.train_seconds):.0f} seconds of training on this machine) the model is right "
    f"on **{accuracy[-1]:.0%}** of the held-out pictures; from epoch to epoch that figure lay between {min(accuracy):.0%} and "
    f"{max(accuracy):.0%}. Guessing would give about 50%."
)

# %% [markdown]
# Two notes on reading such curves. The training curve is an average *over* the epoch, of a network with
# dropout, on augmented pictures; the held-out curve is taken at the *end* of the epoch, without dropout, on pictures as they are. So
# the two need not agree even without any overfitting. An accuracy of exactly 50% usually means that the model calls every picture the
# same.
#
# ## How far can one curve be trusted?
#
# This was *one* run. The next figure shows the runs without GC of the study that comes with the package (150×150 pixels, the real
# images; notebook 5 has all of it): the same method, a line for each seed.
#
# Where does this spread come from? The runs differ only in their initial weights, the order of the pictures and the augmentation. Why
# that changes held-out accuracy so much is not measured here; the white background of the held-out pictures is one possible reason.

# %%
from gc_tutorial.study.analysis import load_study

study = load_study("rmsprop")
repeats = study[study["arm"] == "none"].pivot(index="epoch", columns="seed", values="test_accuracy")
jump = 100 * repeats.diff().abs().max().max()
figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
axis.plot(repeats.index, 100 * repeats, color=COLOURS["none"], alpha=0.4)
axis.set(xlabel="epoch", ylabel="held-out accuracy (%)")
axis.set_title(f"One method, {repeats.shape[1]} seeds: jumps of up to {jump:.0f} points between epochs")
show(figure, alt="Held-out accuracy by epoch for every seed of the study without GC; the lines cross and jump.")

# %% [markdown]
# ## What does it say about single pictures?

# %%
import numpy as np
from gc_tutorial.plotting import image_grid

pictures, truth = next(iter(data.test.shuffle(256, seed=1).batch(12)))
probability = model.predict(pictures, verbose=0)[:, 0]
names = data.info.features["label"].names
titles = [f"{names[k]}\nmodel: {names[int(p > 0.5)]}, {max(p, 1 - p):.0%}" for k, p in zip(truth.numpy(), probability)]
right = int(np.sum((probability > 0.5) == truth.numpy()))
show(
    image_grid(pictures.numpy(), titles, title=f"Right on {right} of these 12 held-out pictures"),
    alt=f"Twelve held-out pictures with their class and what the model says; {right} of them are right.",
)

# %% [markdown]
# ## Exercise
#
# Train the same network again with another seed (weights *and* batches), and compare the last held-out accuracy. How large
# would an improvement have to be before you believed it from one run each?
#
# <details><summary>Solution</summary>
#
# ```python
# keras.utils.set_random_seed(1)
# again = build_cnn(settings.image_size)  # a new model: compile alone would keep the old weights
# again.compile(keras.optimizers.RMSprop(settings.learning_rate), "binary_crossentropy", metrics=["accuracy"])
# second = again.fit(
#     training_batches(data.train_images, data.train_labels, settings.batch_size, seed=1),
#     validation_data=data.test.batch(128), epochs=settings.epochs, shuffle=False, verbose=0,
# )
# print(accuracy[-1], second.history["val_accuracy"][-1])
# ```
#
# The difference comes from the seeds alone. Believe only an improvement that is larger, and seen over several seeds.
#
# </details>

# %% [markdown]
# ## What you have seen
#
# - The published CNN, and its weight vectors: one for each output unit of each kernel.
# - Training watched on held-out pictures, which stand on white while the training pictures do not.
# - One run proves little.
#
# Next: [4. Gradient centralization](04_gradient_centralization.ipynb), the method itself.
