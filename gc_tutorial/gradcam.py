"""Grad-CAM: where in a picture a convolutional network finds what speaks for a class."""

import keras
import tensorflow as tf


def grad_cam(model, images, classes):
    """Draw for each image a map of what speaks for one class, from the last convolution of a network.

    The map is the sum of the convolution's channels, each weighted by the mean gradient of the class's score with
    respect to it, without what is negative (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391, section 3).
    The score is taken before the sigmoid or softmax: behind it, the gradient of a confident model vanishes.

    Args:
        model: a `keras.Sequential` that ends in a `Dense` layer and holds a `Conv2D`, such as those of `models`.
        images: array of shape (count, size, size, 3), as the model takes them.
        classes: int array of shape (count,): the class for which each map is drawn.

    Returns:
        float32 array of shape (count, size, size), 0 to 1, scaled image by image; all 0 where nothing speaks for it.
    """
    convolution = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)][-1]
    before, last = model.layers[-2:]
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
