"""`tf.data` pipelines on a fixed number of threads, without autotuning."""

import os

import numpy as np
import tensorflow as tf

THREADS = min(8, os.cpu_count() or 1)  # more would hold many batches at once, and the network needs cores, too


def without_autotune(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Switch off the autotuning of `tf.data`.

    The tuner wakes after 10 ms, 20 ms, 40 ms and so on, and the end of an epoch often waits until it wakes next: with
    TensorFlow 2.21 an epoch that needed 11 s took 20.48 s. Without the tuner no epoch waited.

    Args:
        dataset: `tf.data.Dataset` in which each number of threads is fixed, not `tf.data.AUTOTUNE`.

    Returns:
        `tf.data.Dataset` of the same elements in the same order.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def dataset_of(images: np.ndarray, labels: np.ndarray) -> tf.data.Dataset:
    """Make a `tf.data.Dataset` that reads images one by one from their array, without a copy of the whole array.

    Args:
        images: uint8 array of shape (count, size, size, 3).
        labels: int64 array of shape (count,).

    Returns:
        `tf.data.Dataset` of (uint8 image of shape (size, size, 3), int64 label).
    """

    def element(number):
        return images[number], labels[number]

    def element_in_graph(number):
        image, label = tf.numpy_function(element, [number], (tf.uint8, tf.int64), stateful=False)
        return tf.ensure_shape(image, images.shape[1:]), tf.ensure_shape(label, [])

    return without_autotune(tf.data.Dataset.range(len(images)).map(element_in_graph))
