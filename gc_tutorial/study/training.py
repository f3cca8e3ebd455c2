"""One run of a study: from its factors to the rows of its epochs."""

import contextlib
import functools
import math
import os
import platform
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from keras.src.random import seed_generator

from gc_tutorial.augmentation import AugmentationRanges, training_batches
from gc_tutorial.callbacks import TimeHistory
from gc_tutorial.models import loss_for
from gc_tutorial.study.arms import StopCentralizing, build_optimizer, chance_shares, kernel_names
from gc_tutorial.study.datasets import Examples, examples
from gc_tutorial.study.factors import BUILT_IN
from gc_tutorial.study.measures import CleanMeasures, RemovedShares
from gc_tutorial.study.networks import build_network
from gc_tutorial.study.runs import Run

RANGES = {"published": AugmentationRanges(), "mild": AugmentationRanges(vertical_flip=False, rotation=0.05, zoom=0.1)}
COLUMNS = {"loss": "train_loss", "accuracy": "train_accuracy", "val_loss": "test_loss", "val_accuracy": "test_accuracy"}
PRETRAINING: dict[str, Any] = {
    "stage": "tuning",
    "arm": "none",
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "schedule": "constant",
    "augmentation": "mild",
    "epochs": 15,
    "train_examples": 0,
    "pretrained": "",
    "seed": 100,
}


@contextlib.contextmanager
def fresh(seed: int) -> Iterator[None]:
    """Clear the state of Keras, and seed all its random draws while a model is built.

    Keras draws the seeds of layers from Python's own generator. In a Dask worker other threads draw from it, too, so
    that arms of one seed would sometimes begin with different weights.
    """
    policy = keras.config.dtype_policy()
    keras.backend.clear_session()  # which resets the policy, too
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(seed)
    with mock.patch.object(seed_generator, "python_random", random.Random(seed)):
        yield


def train(run: Run) -> dict:
    """Train one model from the start.

    Args:
        run: `gc_tutorial.study.runs.Run`.

    Returns:
        dict of rows (list of dict, one for each epoch), kernels (their names), chance (the share 1/M of each kernel),
        classes (their number), counts (examples of each class in the whole set), figures (dict from each held-out
        figure to the accuracy on its images, averaged over the epochs measured; of a run that diverged, what a guess
        gives) and logits (dict of arrays).

    Raises:
        DataError: for a data set that is not there.
    """
    data = examples(run.data, run.image_size, run.seed, run.train_examples, run.split)
    weights = _pretrained(_pretraining(run)) if run.pretrained else None
    model, batches = _prepare(run, data)
    if weights:
        for layer, values in zip(model.layers[:-1], weights[:-1], strict=True):  # the last layer starts anew
            layer.set_weights(values)
    sets = {"clean": data.train, "heldout": data.heldout, "shifted": data.shifted}
    sets = {name: found for name, found in sets.items() if found}
    total = run.epochs * (2 if run.arm == "recompiled" else 1)
    measures = CleanMeasures(sets, range(total - run.evaluate_last + 1 if run.evaluate_last else 1, total + 1))
    shares = RemovedShares()
    callbacks = [shares, measures] + ([StopCentralizing()] if run.arm == "first_two_epochs" else [])
    rows = fit(model, batches, lambda: _compile(model, run, len(batches)), run.epochs, total, callbacks=callbacks)
    rows = [{**row, **shares.rows[row["epoch"]], **measures.rows.get(row["epoch"], {})} for row in rows]
    rows = finished_rows(rows, total)
    return {
        "rows": rows,
        "kernels": kernel_names(model),
        "chance": chance_shares(model),
        "classes": data.classes,
        "counts": list(data.counts),
        "figures": {} if data.figures is None else _accuracy_by_figure(measures.logits, data, rows[-1]["status"]),
        "logits": measures.logits,
    }


def compile_model(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    """Compile with the loss that fits and with accuracy, and create all variables of the optimizer and the metric.

    TensorFlow traces a first step that creates variables twice, which took half a second of each run.

    Args:
        model: built `keras.Model`.
        optimizer: not built.
    """
    loss = loss_for(model)
    accuracy = (
        keras.metrics.BinaryAccuracy if loss == "binary_crossentropy" else keras.metrics.SparseCategoricalAccuracy
    )
    model.compile(optimizer=optimizer, loss=loss, metrics=[accuracy(name="accuracy")])
    model.optimizer.build(model.trainable_variables)


def fit(
    model: keras.Model,
    batches: tf.data.Dataset,
    compile_it: Callable[[], None],
    epochs: int,
    total: int,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    validation_data: tf.data.Dataset | None = None,
) -> list[dict]:
    """Compile and train; where `total` is a multiple of `epochs`, again and again, which keeps the weights.

    Args:
        model: built `keras.Model`.
        batches: `tf.data.Dataset` of one epoch of training batches.
        compile_it: function that compiles the model.
        epochs: number of epochs after each `compile_it`.
        total: number of all epochs.
        callbacks: further callbacks of Keras.
        validation_data: as for `keras.Model.fit`.

    Returns:
        list of dict, one for each epoch that ended: epoch (from 1), train_loss, train_accuracy, test_loss and
        test_accuracy (with `validation_data`), seconds (of the training steps). It is shorter than `total` where the
        loss became NaN or infinite.
    """
    rows = []
    for first in range(0, total, epochs):
        compile_it()
        times = TimeHistory()
        history = model.fit(
            batches,
            validation_data=validation_data,
            initial_epoch=first,
            epochs=first + epochs,
            callbacks=[times, keras.callbacks.TerminateOnNaN(), *callbacks],
            shuffle=False,  # the batches are shuffled already, and by the seed
            verbose=0,
        ).history
        measured = {COLUMNS[name]: values for name, values in history.items()} | {"seconds": times.train_seconds}
        for number in range(len(history["loss"])):
            rows.append({"epoch": first + number + 1, **{name: values[number] for name, values in measured.items()}})
    return rows


def finished_rows(rows: list[dict], total: int) -> list[dict]:
    """The rows as they are stored: with the status of the run, when it ended and where, and only values that JSON has.

    Args:
        rows: as from `fit`.
        total: number of epochs that the run should have.

    Returns:
        list of dict; status is `"finished"`, or `"diverged"` where a loss is not finite or epochs are missing.
    """
    losses = [value for row in rows for name, value in row.items() if name.endswith("_loss")]
    status = "finished" if len(rows) == total and all(map(math.isfinite, losses)) else "diverged"
    extra = {"status": status, "ended": datetime.now(timezone.utc).isoformat(timespec="seconds"), "machine": machine()}
    return [{key: _storable(value) for key, value in {**row, **extra}.items()} for row in rows]


def _prepare(run: Run, data: Examples) -> tuple[keras.Model, tf.data.Dataset]:
    """The model, not compiled, and its batches: all of it depends on the seed, and none of it on arm or rate."""
    inputs, labels = data.train
    with fresh(run.seed):
        model = build_network(run.network, inputs.shape[1:], data.classes, run.scaling)
    if run.augmentation == "none":
        batches = _plain_batches(inputs, labels, run.batch_size, run.seed)
    else:
        batches = training_batches(inputs, labels, run.batch_size, run.seed, RANGES[run.augmentation])
    return model, batches


def _plain_batches(inputs, labels, batch_size, seed):
    dataset = tf.data.Dataset.from_tensor_slices((inputs, labels))
    return dataset.shuffle(len(inputs), seed=seed, reshuffle_each_iteration=True).batch(batch_size).prefetch(2)


def _compile(model, run, steps):
    rate = run.learning_rate
    if run.schedule == "warmup":
        rate = keras.optimizers.schedules.PolynomialDecay(rate / steps, steps, end_learning_rate=rate)
    decay = {"weight_decay": run.weight_decay} if run.optimizer == "adamw" else {}
    compile_model(model, build_optimizer(run.optimizer, run.arm, model, rate, seed=run.seed, measured=True, **decay))


def _accuracy_by_figure(logits, data, status):
    if status == "diverged":  # it counts as a network that guesses, and may have ended before any measurement
        return {str(figure): 1 / data.classes for figure in np.unique(data.figures)}
    correct = [(found[:, 0] > 0) == data.heldout[1] for name, found in logits.items() if name.startswith("heldout_")]
    mean = np.mean(correct, axis=0)
    return {str(figure): round(float(mean[data.figures == figure].mean()), 3) for figure in np.unique(data.figures)}


def _pretraining(run: Run) -> Run:
    """The run, the same for all arms and rates, whose weights a fine-tuned run starts from."""
    augmentation = "none" if run.pretrained in BUILT_IN else PRETRAINING["augmentation"]
    return replace(run, data=run.pretrained, **{**PRETRAINING, "augmentation": augmentation})


@functools.lru_cache(maxsize=4)
def _pretrained(run: Run) -> list[list[np.ndarray]]:
    data = examples(run.data, run.image_size, run.seed)
    model, batches = _prepare(run, data)
    _compile(model, run, len(batches))
    model.fit(batches, epochs=run.epochs, shuffle=False, verbose=0)
    return [layer.get_weights() for layer in model.layers]


def _storable(value):
    """JSON has no NaN or infinity, and cannot hold NumPy scalars."""
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value


def machine() -> str:
    """Name the machine for a table of results: processor, cores, threads of TensorFlow, Python."""
    threads = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count()
    return f"{processor()}, {os.cpu_count()} cores, {threads} threads, Python {platform.python_version()}"


@functools.lru_cache
def processor() -> str:
    """Name the processor as Linux does, or as Python does elsewhere: another model may round differently."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
