"""
Title: Gradient Centralization in a Keras Optimizer
Author: [Rishit Dagli](https://github.com/Rishit-dagli)
Date created: 2021/06/18
Last modified: 2026/11/24
Description: Implement Gradient Centralization, check that it runs, and compare.
Accelerator: GPU
"""

"""
## Introduction

Gradient Centralization (GC) is a small change to an optimizer. Before the
optimizer uses the gradient of a weight vector, GC subtracts from it its mean:

`centralized_gradient = gradient - mean(gradient)`

A weight vector holds the weights of one output unit: a column of the kernel of
a `Dense` layer, or one filter of a convolution.
[Yong et al., 2020](https://arxiv.org/abs/2004.01461) propose GC. They report
modest gains: with a ResNet-50 on ImageNet, for example, the top-1 error falls
from 23.71% to 23.21%.

In this example, we:

- implement GC in a Keras optimizer, by overriding `apply()`,
- check that GC runs, with a property that training without it does not have,
- compare RMSprop with and without GC on the
[Horses or Humans dataset](https://www.tensorflow.org/datasets/catalog/horses_or_humans),
with a new model for each run and several seeds.

This example requires `tensorflow_datasets` and SciPy. You can install them via
the following command: `pip install tensorflow-datasets scipy`
"""

"""
## Setup
"""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from keras import layers
from keras import ops
from scipy import stats

image_size = 150
batch_size = 32
learning_rate = 1e-3
num_epochs = 10
seeds = [0, 1, 2, 3, 4]

"""
## Prepare the data

The dataset has 1,027 training images and 256 test images of 300 by 300 pixels.
We make them smaller once, and keep them in memory.

We use the test images as validation data. They stand on a white background,
and the training images do not, so they measure how well the model works on
images of another kind.
"""


def resize(image, label):
    size = (image_size, image_size)
    return tf.image.resize(image, size, method="area"), label


def load_images(split):
    dataset = tfds.load("horses_or_humans", split=split, as_supervised=True)
    return dataset.map(resize, num_parallel_calls=tf.data.AUTOTUNE).cache()


def make_batches(dataset):
    return dataset.batch(batch_size).prefetch(tf.data.AUTOTUNE)


train_images = load_images("train")
train_dataset = make_batches(train_images)
validation_dataset = make_batches(load_images("test"))

"""
Every run gets the training images in an order that depends on its seed alone.
We make a new dataset for each run, because a dataset that was used before
continues with another order.
"""


def make_shuffled_dataset(seed):
    return make_batches(train_images.shuffle(len(train_images), seed=seed))


"""
## Define the model

We build the model in a function. Each run must begin with a new model:
`compile()` keeps the weights, so a model that is compiled a second time
continues where the first training ended, and looks better for that reason
alone.
"""


def make_model():
    inputs = keras.Input((image_size, image_size, 3))
    features = layers.Rescaling(1 / 255)(inputs)
    features = layers.RandomFlip("horizontal")(features)
    features = layers.RandomRotation(0.1)(features)
    features = layers.RandomZoom(0.2)(features)
    for num_filters in [16, 32, 64, 64, 64]:
        features = layers.Conv2D(num_filters, 3, activation="relu")(features)
        features = layers.MaxPooling2D()(features)
    features = layers.Flatten()(features)
    features = layers.Dropout(0.5)(features)
    features = layers.Dense(512, activation="relu")(features)
    outputs = layers.Dense(1, activation="sigmoid")(features)
    return keras.Model(inputs, outputs)


make_model().summary()

"""
## Implement Gradient Centralization

A Keras optimizer receives all gradients through its method `apply()`. `fit()`
calls this method with TensorFlow, JAX and PyTorch, so this is the method to
override. We do it in a class of its own, which we can combine with any
optimizer. It must come first among the base classes. Otherwise the `apply()`
of the optimizer is found first, and GC does not run.

In the kernels of `Dense`, `Conv1D`, `Conv2D` and `Conv3D`, the last axis counts
the output units, so we average over all other axes. Gradients of biases have
one axis, and stay as they are. Other layers need other axes:

- `DepthwiseConv2D`: the first two axes,
- query, key and value kernels of `MultiHeadAttention`: the first axis,
- `Embedding`: none, because the mean would move the rows of all tokens, also of
those that are not in the batch.
"""


def centralize(gradient):
    """Subtracts from the gradient of each weight vector its mean."""
    if gradient is None or len(gradient.shape) < 2:
        return gradient
    axes = list(range(len(gradient.shape) - 1))
    return gradient - ops.mean(gradient, axis=axes, keepdims=True)


class GradientCentralization:
    """Gives an optimizer class Gradient Centralization."""

    def apply(self, grads, trainable_variables=None):
        grads = [centralize(gradient) for gradient in grads]
        return super().apply(grads, trainable_variables)


class GCSGD(GradientCentralization, keras.optimizers.SGD):
    """SGD with Gradient Centralization."""


class GCRMSprop(GradientCentralization, keras.optimizers.RMSprop):
    """RMSprop with Gradient Centralization."""


"""
## Check that it runs

If Keras never called our `apply()`, training would work all the same, and
nothing would tell us. A result that differs from training without GC is no
proof either, because any mistake makes a difference. So we check a property
that follows from GC.

The centralized gradient of a weight vector has mean zero. SGD subtracts a
multiple of it, so **the mean of each weight vector does not move**, apart from
rounding. Without GC it moves. We train one epoch with each optimizer, and look
at the weight vector whose mean has moved most.

We check with SGD because RMSprop divides each element of the gradient by a
number of its own. With RMSprop the means move in both cases.
"""


def weight_vector_means(model):
    kernels = [kernel for kernel in model.get_weights() if kernel.ndim > 1]
    columns = [kernel.reshape(-1, kernel.shape[-1]) for kernel in kernels]
    return np.concatenate([column.mean(axis=0) for column in columns])


def largest_shift(optimizer_class):
    keras.utils.set_random_seed(0)
    model = make_model()
    optimizer = optimizer_class(learning_rate=0.01, momentum=0.9)
    model.compile(optimizer=optimizer, loss="binary_crossentropy")
    before = weight_vector_means(model)
    model.fit(
        make_shuffled_dataset(seed=0),
        validation_data=validation_dataset,
        epochs=1,
        shuffle=False,  # The dataset shuffles already.
        verbose=0,
    )
    return np.max(np.abs(weight_vector_means(model) - before))


shift_without_gc = largest_shift(keras.optimizers.SGD)
shift_with_gc = largest_shift(GCSGD)
print("Largest shift of the mean of a weight vector:")
print(f"without GC {shift_without_gc:.1e}, with GC {shift_with_gc:.1e}")

"""
## Compare training with and without GC

The two runs of a seed begin with equal weights, and see the same images in the
same order, with the same augmentation and dropout. So their difference is due
to GC, or to chance in how the two trainings develop. Only several seeds can
tell one from the other.

We measure two outcomes:

- the loss on the training images after the last epoch, without augmentation and
dropout, which says how well the model fits the images that it has seen,
- the mean validation accuracy of the last three epochs, because it changes much
from epoch to epoch.
"""


def train(optimizer_class, seed):
    keras.utils.set_random_seed(seed)
    model = make_model()
    model.compile(
        optimizer=optimizer_class(learning_rate=learning_rate),
        loss="binary_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(
        make_shuffled_dataset(seed),
        validation_data=validation_dataset,
        epochs=num_epochs,
        shuffle=False,  # The dataset shuffles already.
        verbose=0,
    )
    training_loss, _ = model.evaluate(train_dataset, verbose=0)
    validation_accuracy = np.mean(history.history["val_accuracy"][-3:])
    print(
        f"{optimizer_class.__name__}, seed {seed}: "
        f"training loss {training_loss:.3f}, "
        f"validation accuracy {validation_accuracy:.3f}"
    )
    return training_loss, validation_accuracy


without_gc = np.array([train(keras.optimizers.RMSprop, seed) for seed in seeds])
with_gc = np.array([train(GCRMSprop, seed) for seed in seeds])

"""
For each outcome we take the difference within each seed, and compute the mean
of these differences and its 95% confidence interval.
"""

outcomes = ["training loss", "validation accuracy"]
for name, differences in zip(outcomes, (with_gc - without_gc).T):
    interval = stats.ttest_1samp(differences, 0).confidence_interval()
    print(
        f"Change of the {name} with GC: {np.mean(differences):+.3f} "
        f"(95% interval from {interval.low:+.3f} to {interval.high:+.3f})"
    )

"""
## Conclusion

Read the intervals, not the best run. If an interval contains zero, these seeds
do not show whether GC raises or lowers that outcome. If it does not contain
zero, GC made a difference here. Five seeds are few: with more of them the
intervals become narrower.

There is also much that this comparison cannot show:

- It uses one learning rate, which was tuned for neither optimizer. A faster fit
at one rate can disappear when each optimizer gets its own best rate.
- It uses one small model and one small dataset. The paper measures larger
models, most of them with batch normalization.
- A lower training loss is not the goal. What counts is the accuracy on images
that the model has not seen, and here those images are few, and of another kind.

What holds in every run is how to do it: override `apply()`, check that GC runs,
begin each run with a new model, and repeat it with several seeds. As next
steps, try `seeds = range(20)`, other learning rates for each optimizer, or your
own model and data. The [code of the paper's authors](https://github.com/Yonghongwei/Gradient-Centralization)
has more variants, such as to centralize what the optimizer subtracts from the
weights in place of the gradient.
"""
