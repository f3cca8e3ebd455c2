"""How fast the published recipe and ours are, on the same images, arms taking turns in one run.

    make benchmark

Four parts, at 300×300 pixels and in batches of 128: `decode` (from TFDS's files to pixels), `augment` (every way to
augment that was considered), `step` (one step of training on a batch that is there already) and `epoch` (`fit` over all
training images). Ratios are of times, to the arm named first: of the medians over several rounds, and of the best
rounds, since whatever else the machine does makes a round slower.
"""

import argparse
import datetime
import functools
import os
import platform
import sys
import time
from importlib.metadata import version

import pandas as pd

from gc_tutorial.lesson import import_quietly

import_quietly()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tensorflow_datasets as tfds  # noqa: E402
from keras import layers  # noqa: E402

from gc_tutorial import build_cnn, load_data, training_batches  # noqa: E402
from gc_tutorial.augmentation import draw_matrices  # noqa: E402
from gc_tutorial.data.horses_or_humans import NAME as REAL  # noqa: E402
from gc_tutorial.data.prepared import read_split  # noqa: E402
from gc_tutorial.pipeline import THREADS, without_autotune  # noqa: E402
from gc_tutorial.study.training import processor  # noqa: E402

SIZE, BATCH = 300, 128
FLOAT, BFLOAT = "float32", "mixed_bfloat16"


# ----- the published recipe, written from its description


def published_layers():
    return [layers.RandomFlip("horizontal_and_vertical"), layers.RandomRotation(0.3), layers.RandomZoom(0.2)]


def rescale(image, label):
    return tf.cast(image, tf.float32) / 255, label


def published_batches(dataset, threads=tf.data.AUTOTUNE):
    """Rescale, shuffle, batch and augment in float32. Nothing is cached: what reads files does so in each epoch."""
    augmentation = keras.Sequential(published_layers())

    def augmented(images, labels):
        return augmentation(images, training=True), labels

    dataset = dataset.map(rescale, threads).shuffle(1024).batch(BATCH)
    return dataset.map(augmented, threads).prefetch(tf.data.AUTOTUNE)


def published_model():
    """The same network for images that are rescaled already."""
    return keras.Sequential([keras.Input((SIZE, SIZE, 3)), *build_cnn().layers[1:]])


def files():
    return tfds.builder(REAL).as_dataset(split="train", as_supervised=True)


# ----- other ways


def augmenting_model():
    """Augments within the training step, on the device that trains."""
    return keras.Sequential([keras.Input((SIZE, SIZE, 3)), *published_layers(), build_cnn()])


def in_memory(images, labels):
    """Batches as they lie in memory: nothing is shuffled, rescaled or augmented."""

    def batch(start):
        return images[start : start + BATCH], labels[start : start + BATCH]

    def batch_in_graph(start):
        pixels, classes = tf.numpy_function(batch, [start], (tf.uint8, tf.int64), stateful=False)
        return tf.ensure_shape(pixels, [None, SIZE, SIZE, 3]), tf.ensure_shape(classes, [None])

    return without_autotune(tf.data.Dataset.range(0, len(images), BATCH).map(batch_in_graph, THREADS).prefetch(2))


def transformed_batches(images, labels, transform):
    """Flip, rotate and zoom each batch of uint8 by one op of a framework; matrices are drawn as ours are."""
    random = np.random.default_rng(0)

    def draw(count):
        matrices = draw_matrices(random, int(count), SIZE).reshape(-1, 6)
        return np.pad(matrices, [(0, 0), (0, 2)]).astype(np.float32)

    def augmented(batch, batch_labels):
        matrices = tf.ensure_shape(tf.numpy_function(draw, [tf.shape(batch)[0]], tf.float32), [None, 8])
        return transform(batch, matrices), batch_labels

    return without_autotune(in_memory(images, labels).map(augmented, THREADS).prefetch(2))


def with_tensorflow(batch, matrices):
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=batch,
        transforms=matrices,
        output_shape=tf.shape(batch)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )


def with_keras(batch, matrices):
    return keras.ops.image.affine_transform(batch, matrices, interpolation="bilinear", fill_mode="reflect")


# ----- the parts: for each arm a function to be timed


def decode(data):
    return len(data.train_images), {
        "published: decode to float32, every epoch": lambda: exhaust(files().map(rescale, tf.data.AUTOTUNE)),
        "ours: decode to uint8, once": lambda: read_split(tfds.builder(REAL), "train", SIZE),
        "a bare copy of the bytes": data.train_images.copy,
    }


def augment(data):
    images, labels = data.train_images[:512], data.train_labels[:512]
    published = functools.partial(published_batches, tf.data.Dataset.from_tensor_slices((images, labels)))
    pipelines = {
        "published: three Keras layers, float32": published(),
        "the same, untuned": without_autotune(published(THREADS)),
        "ours: OpenCV's warpAffine, uint8": training_batches(images, labels, BATCH, seed=0),
        "TensorFlow's projective op, uint8": transformed_batches(images, labels, with_tensorflow),
        "keras.ops.image.affine_transform, uint8": transformed_batches(images, labels, with_keras),
        "no augmentation, in memory": in_memory(images, labels),
    }
    return len(images), {name: functools.partial(exhaust, batches) for name, batches in pipelines.items()}


def step(data):
    pixels, labels = tf.constant(data.train_images[:BATCH]), tf.constant(data.train_labels[:BATCH, None])
    floats = tf.cast(pixels, tf.float32) / 255
    arms = {
        "the model alone, float32": (compiled(build_cnn), pixels),
        "the published model, float32": (compiled(published_model), floats),
        "augmenting layers in the model, float32": (compiled(augmenting_model), pixels),
        "the model alone, mixed_bfloat16": (compiled(build_cnn, BFLOAT), pixels),
    }
    return BATCH, {name: functools.partial(model.train_on_batch, x, labels) for name, (model, x) in arms.items()}


EPOCH_ARMS = {
    "floor: the model on images in memory, float32": lambda *data: (compiled(build_cnn), in_memory(*data)),
    "published recipe, float32": lambda *data: (compiled(published_model), published_batches(files())),
    "ours, float32": lambda *data: (compiled(build_cnn), training_batches(*data, BATCH, seed=0)),
    "augmenting layers in the model, float32": lambda *data: (compiled(augmenting_model), in_memory(*data)),
    "floor, mixed_bfloat16": lambda *data: (compiled(build_cnn, BFLOAT), in_memory(*data)),
    "ours, mixed_bfloat16": lambda *data: (compiled(build_cnn, BFLOAT), training_batches(*data, BATCH, seed=0)),
}


def epoch(data):
    arms = {name: make(data.train_images, data.train_labels) for name, make in EPOCH_ARMS.items()}
    return len(data.train_images), {name: functools.partial(fit, *arm) for name, arm in arms.items()}


def exhaust(dataset):
    for _ in dataset:
        pass


def compiled(make, policy=FLOAT, **options):
    """Build a model under a dtype policy and compile it as published."""
    keras.config.set_dtype_policy(policy)
    model = make()
    keras.config.set_dtype_policy(FLOAT)
    model.compile(keras.optimizers.RMSprop(1e-4), "binary_crossentropy", metrics=["accuracy"], **options)
    return model


def fit(model, batches):
    model.fit(batches, verbose=0, shuffle=False)


# ----- measuring


def take_turns(arms, rounds):
    """Call each arm once to warm up, then all of them in turn; returns the seconds of each, a list per arm."""
    seconds = {name: [] for name in arms}
    names = list(arms)
    for number in range(-1, rounds):
        first = number % len(names)  # nobody always goes first
        for name in names[first:] + names[:first]:
            began = time.perf_counter()
            arms[name]()
            seconds[name].append(time.perf_counter() - began)
            print(f"  {name}: {seconds[name][-1]:.2f} s", file=sys.stderr, flush=True)
    return {name: np.array(times[1:]) for name, times in seconds.items()}


def tabulate(part, count, seconds):
    """A row for each arm: seconds for `count` images, images a second in the median, and ratios to the first arm."""
    first = next(iter(seconds.values()))
    return [
        {
            "part": part,
            "arm": name,
            "best_seconds": round(times.min(), 4),
            "median_seconds": round(float(np.median(times)), 4),
            "rounds": len(times),
            "images_per_second": round(count / np.median(times), 1),
            "times_the_first": round(np.median(times) / np.median(first), 3),
            "best_times_the_first": round(times.min() / first.min(), 3),
        }
        for name, times in seconds.items()
    ]


def machine():
    """What the figures belong to."""
    packages = {name: version(name) for name in ("keras", "tensorflow", "opencv-python-headless")}
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        **packages,
    }


def finish(rows, csv):
    """Print the table; if a file is named, put it there, with the machine, in place of earlier rows of its parts."""
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    if csv:
        table = table.assign(**machine())
        if os.path.exists(csv):
            before = pd.read_csv(csv)
            table = pd.concat([before[~before["part"].isin(table["part"])], table])
        table.convert_dtypes().to_csv(csv, index=False)


def main():
    parts = {"decode": decode, "augment": augment, "step": step, "epoch": epoch}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(parts), help=f"of {', '.join(parts)}; all by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--csv", help="put the table into this file, too, in place of its parts there")
    options = parser.parse_args()
    data = load_data(REAL, SIZE)
    rows = []
    for part in options.parts:
        count, arms = parts[part](data)
        rows += tabulate(part, count, take_turns(arms, options.rounds))
    finish(rows, options.csv)


if __name__ == "__main__":
    main()
