"""Train on one device and on two, and compare: run by `test_two_devices_train_like_one`, alone in its process.

The processor must be split before the backend starts, which is why this is not a test of its own.
"""

import contextlib
import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

from gc_tutorial.optimizers import GCRMSprop

random = np.random.default_rng(0)
images = random.uniform(size=(32, 8, 8, 2)).astype("float32")
labels = (images.mean(axis=(1, 2, 3)) > 0.5).astype("float32")[:, None]

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)


@contextlib.contextmanager
def devices(count):
    if keras.backend.backend() == "tensorflow":
        strategy = tf.distribute.MirroredStrategy([f"CPU:{one}" for one in range(count)])
        assert strategy.num_replicas_in_sync == count
        with strategy.scope():
            yield
    else:
        distribution = keras.distribution.DataParallel(devices=keras.distribution.list_devices()[:count])
        assert distribution.device_mesh.shape == (count,)
        with distribution.scope():
            yield


def train(count, mode, **arguments):
    with devices(count):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.Input((8, 8, 2)), layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(1)]
        )
        before = model.get_weights()
        model.compile(optimizer=GCRMSprop(learning_rate=0.01, centralize=mode, **arguments), loss="mse")
        model.fit(images, labels, batch_size=8, epochs=2, shuffle=False, verbose=0)
    return before, model.get_weights()


for mode in ("gradient", "update"):
    _, one = train(1, mode, use_ema=True)
    before, two = train(2, mode, use_ema=True)
    np.testing.assert_allclose(
        np.concatenate([w.ravel() for w in two]), np.concatenate([w.ravel() for w in one]), atol=1e-5
    )
    if mode == "update":
        np.testing.assert_allclose(two[0].mean(axis=(0, 1, 2)), before[0].mean(axis=(0, 1, 2)), atol=1e-6)
