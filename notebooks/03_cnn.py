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
# # 3. The CNN
#
# **Build the network of the Keras example, train it without gradient centralization (GC), and evaluate it on images that it
# has not seen in training.**
#
# In the `standard` profile it takes about a minute on two processor cores; no GPU needed.
#
# [Open in Colab](https://colab.research.google.com/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/03_cnn.ipynb) · [Open in Binder](https://mybinder.org/v2/gh/your_name_here/gradient-centralization-tutorial/main?urlpath=lab/tree/notebooks/03_cnn.ipynb) · [Open in Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/03_cnn.ipynb) · [Open in Codespaces](https://codespaces.new/your_name_here/gradient-centralization-tutorial) · [Read in nbviewer](https://nbviewer.org/github/your_name_here/gradient-centralization-tutorial/blob/main/notebooks/03_cnn.ipynb) · [日本語](ja/03_cnn.ipynb)
#
# In this notebook you will
#
# - build a convolutional network (CNN) of five blocks, and see the shapes of its outputs and weights;
# - train it with RMSprop, and after every epoch, evaluate it on *held-out* images, on which it is not trained;
# - see how far you can trust one held-out curve.
#
# *Published* means the [Keras example of gradient centralization](https://keras.io/examples/vision/gradient_centralization/) of
# 2023-07-25 ([notebook 1](01_data.ipynb)).

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
# The network has five blocks. Each has a 3×3 convolution and a 2×2 pooling. Without padding, such a convolution trims one pixel from
# each edge, and the pooling halves both sides of what is left. Dropout, in three places, switches off half of the activations at random during
# training. At the end there are a dense layer of 512 units and one output, the probability that the image shows a human.
#
# The images arrive as whole numbers from 0 to 255. The first layer scales them to 0...1, on the processor or GPU that trains.

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
# The next table lists the kernels. The last axis of a kernel runs over the layer's output units. All other axes together make up the
# **weight vector** of one unit. Remember this table: gradient centralization works on these vectors.

# %%
import pandas as pd
from gc_tutorial import text

shapes = [
    (layer.name, layer.output.shape[1:], layer.kernel.shape) for layer in model.layers if hasattr(layer, "kernel")
]
kernels = pd.DataFrame(shapes, columns=[text("layer"), text("output"), "kernel"])
kernels[text("weight vectors")] = [kernel[-1] for kernel in kernels["kernel"]]
kernels[text("length of each")] = [int(pd.Series(kernel[:-1]).prod()) for kernel in kernels["kernel"]]
kernels

# %% [markdown]
# The later notebooks import this network as `build_cnn`. At the published size, 300×300 pixels, it has as many parameters as the published
# network. Most of them are in the first dense layer, because each of its 512 units has a weight for every number that the last pooling
# leaves. A larger image leaves more of these numbers:

# %%
from gc_tutorial import build_cnn

at_300 = build_cnn(300)
for size, network in ((settings.image_size, model), (300, at_300)):
    print(text("at {size}×{size}: {count:,} parameters", size=size, count=network.count_params()))
largest = max(at_300.layers, key=lambda layer: layer.count_params())
said = {"units": largest.units, "count": largest.count_params()}
print(text("of these in the dense layer of {units} units: {count:,}", **said))

# %% [markdown]
# ## Training
#
# The optimizer is RMSprop, the loss is binary cross-entropy, and the metric is accuracy, all as published. The profile `full` has the published
# learning rate, 0.0001. The other profiles have smaller batches, and 0.001, so that a few epochs show learning.
#
# `validation_data` makes Keras evaluate the held-out images after every epoch. The Keras example does not do this. In this notebook the
# held-out images are always the *images on white* of [notebook 1](01_data.ipynb). `TimeHistory` records how long each epoch trained.

# %%
from gc_tutorial import TimeHistory, training_batches

model.compile(
    optimizer=keras.optimizers.RMSprop(settings.learning_rate), loss="binary_crossentropy", metrics=["accuracy"]
)
times = TimeHistory()
print(text("learning rate: {rate:g}", rate=settings.learning_rate))
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

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import PercentFormatter
from gc_tutorial.plotting import COLOURS, WIDTH, set_title, show

epochs = range(1, settings.epochs + 1)
figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 5), sharex=True, layout="constrained")
for axis, measure, name in zip(axes, ("loss", "accuracy"), (text("loss"), text("accuracy"))):
    axis.plot(epochs, history.history[measure], "o-", color=COLOURS["none"], label="training images")
    axis.plot(
        epochs, history.history[f"val_{measure}"], "o--", mfc="white", color=COLOURS["none"], label="held-out images"
    )
    axis.set(ylabel=name, xticks=epochs)
    axis.grid(alpha=0.3)
axes[0].axhline(np.log(2), color="black", lw=1, ls=":")
axes[1].axhline(0.5, color="black", lw=1, ls=":", label="guessing")
axes[1].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
axes[1].set_xlabel("epoch")
figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
right, count = history.history["val_accuracy"][-1], settings.epochs
title = "Without GC, the model is right for {right:.0%} of the held-out images after {count} epochs"
set_title(figure, text(title, right=right, count=count))
alt = "Loss and accuracy by epoch, on training and on held-out images; held-out accuracy ends at {right:.0%}."
show(figure, alt=text(alt, right=right))

# %%
from IPython.display import Markdown

accuracy = history.history["val_accuracy"]
Markdown(
    text(
        "After {epochs} epochs ({seconds:.0f} seconds of training on this machine) the model is right for **{last:.0%}** of the "
        "held-out images. After single epochs it was right for {least:.0%} to {most:.0%}. Guessing is right for about 50%.",
        epochs=settings.epochs,
        seconds=sum(times.train_seconds),
        last=accuracy[-1],
        least=min(accuracy),
        most=max(accuracy),
    )
)

# %% [markdown]
# Two notes on such curves:
#
# - The training curve is an average *over* the epoch, with dropout, on augmented images. The held-out curve is measured at the *end* of
#   the epoch, without dropout, on images as they are. So the two can differ even without overfitting.
# - An accuracy of exactly 50% usually means that the model gives the same answer for every image.
#
# ## How far can you trust one curve?
#
# This was *one* run. The next figure shows runs of the same method, without GC, from the first, untuned study of this tutorial, whose results
# come with the package (150×150 pixels, 12 epochs, the real images; notebook 5 shows the rest of it). There is one line for each seed. The runs
# differ only in their initial weights, in the order of the images, in the augmentation and in the dropout. Between two epochs of a run only the
# weights change. But an image whose probability is near 50% can then get the other answer, and with backgrounds that training never showed, many
# may be near it. We did not test this explanation.

# %% tags=["hide-input"]
from gc_tutorial.study.analysis import load_study

study = load_study("rmsprop")
repeats = study[study["arm"] == "none"].pivot(index="epoch", columns="seed", values="test_accuracy")
jump = 100 * repeats.diff().abs().max().max()
figure, axis = plt.subplots(figsize=(WIDTH, 3.2), layout="constrained")
thin = axis.plot(repeats.index, 100 * repeats, color=COLOURS["none"], alpha=0.35, lw=1)
thin[0].set_label("one seed")
axis.plot(repeats.index, 100 * repeats.mean(axis=1), "o-", color=COLOURS["none"], lw=2.5, label="mean of the seeds")
axis.axhline(50, color="black", lw=1, ls=":", label="guessing")
axis.set(xlabel="epoch", ylabel="held-out accuracy (%)", ylim=(40, 100))
axis.legend(loc="lower right", ncols=3, frameon=False)
axis.grid(alpha=0.3)
seeds = repeats.shape[1]
title = "One method, {seeds} seeds: accuracy changes by up to {jump:.0f} points from one epoch to the next"
set_title(figure, text(title, seeds=seeds, jump=jump))
alt = "Held-out accuracy by epoch for {seeds} seeds without GC. The lines cross often and jump."
show(figure, alt=text(alt, seeds=seeds))

# %% [markdown]
# ## What does the model say about single images?

# %%
from gc_tutorial.plotting import image_grid

pictures, truth = next(iter(data.test.shuffle(256, seed=1).batch(12)))
probability = model.predict(pictures, verbose=0)[:, 0]
names = data.info.features["label"].names
titles = [
    text(
        "{truth}\n{mark}model: {answer}\n({sure:.0%})",
        truth=names[k],
        mark="" if k == int(p > 0.5) else "✗ ",
        answer=names[int(p > 0.5)],
        sure=max(p, 1 - p),
    )
    for k, p in zip(truth.numpy(), probability)
]
wrong = (probability > 0.5) != truth.numpy()

# %%
right = int(np.sum(~wrong))
title = text("The model is right for {right} of these 12 held-out images (✗: wrong)", right=right)
figure = image_grid(pictures.numpy(), titles, title=title)
for axis, bad in zip(figure.axes, wrong):
    axis.title.set_color("#B00020" if bad else "black")
alt = "Twelve held-out images with their class and the answer of the model; {right} of the answers are right."
show(figure, alt=text(alt, right=right))

# %% [markdown]
# ## Exercise
#
# Train the same network again with another seed (weights *and* batches), and compare the last held-out accuracies. Suppose that you have
# one run of each of two methods. How large must the difference be before you believe it? Use the table `repeats` to find out.
#
# The next cell is the solution. It is folded: try first, then open it.

# %% cellView="form" jupyter={"outputs_hidden": true, "source_hidden": true} tags=["hide-cell"]
# @title Solution
keras.utils.set_random_seed(1)
again = build_cnn(settings.image_size)  # a new model: compile alone would keep the old weights
again.compile(keras.optimizers.RMSprop(settings.learning_rate), "binary_crossentropy", metrics=["accuracy"])
second = again.fit(
    training_batches(data.train_images, data.train_labels, settings.batch_size, seed=1),
    validation_data=data.test.batch(128),
    epochs=settings.epochs,
    shuffle=False,
    verbose=0,
)
last = repeats.iloc[-1].to_numpy()
gaps = np.abs(last[:, None] - last)[np.triu_indices(len(last), k=1)]  # between every two seeds of one method
first_run, second_run = 100 * accuracy[-1], 100 * second.history["val_accuracy"][-1]
spread = {"seeds": len(last), "low": 100 * last.min(), "high": 100 * last.max()}
print(
    text(
        "Answer: the two runs end at {first:.0f}% and {second:.0f}%. Only their seeds differ.",
        first=first_run,
        second=second_run,
    )
)
print(text("In the study, {seeds} seeds of one method end at {low:.0f}% to {high:.0f}%,", **spread))
print(text("and half of all pairs of seeds differ by more than {gap:.0f} points.", gap=100 * np.median(gaps)))
print(text("So do not believe a difference of that size from one run each. Compare several seeds."))

# %% [markdown]
# ## What you have seen
#
# - The published CNN has one weight vector for each output unit of each kernel.
# - Only held-out images show whether the model works on new images. So evaluate them after every epoch.
# - One run proves little.
#
# Next: [4. Gradient centralization](04_gradient_centralization.ipynb), the method itself.
