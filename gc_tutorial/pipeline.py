"""How `tf.data` runs here: on a fixed number of threads, and without being tuned while it runs."""

import os

import tensorflow as tf

THREADS = min(8, os.cpu_count() or 1)  # more would hold many batches at once, and the network needs cores, too


def untuned(dataset):
    """Switch off the tuning that `tf.data` does of itself.

    Its tuner wakes after 10 ms, 20 ms, 40 ms and so on. The end of an epoch often waits until it wakes next: with
    TensorFlow 2.21 an epoch that was done in 11 s, say, took 20.48 s. Without the tuner none ever waited.

    Args:
        dataset: `tf.data.Dataset`, with numbers of threads and batches that are set, not `AUTOTUNE`.

    Returns:
        `tf.data.Dataset` of the same elements in the same order.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
