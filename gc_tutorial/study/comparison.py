"""A paired comparison: within a seed, every arm starts from the same weights and sees the same pixels."""

import math
import os
import platform
from datetime import datetime, timezone
from importlib.metadata import version

import keras
import pandas as pd
import tensorflow as tf
from tqdm import tqdm

from gc_tutorial.study import store
from gc_tutorial.augmentation import training_batches
from gc_tutorial.callbacks import TimeHistory
from gc_tutorial.data import load_data
from gc_tutorial.models import build_cnn, loss_for
from gc_tutorial.optimizers import centralized

# "recompiled" is the control: no GC at all, but after the last epoch `compile` is called again, which keeps the
# weights, and training goes on for as many epochs more. It is how the published gain arose.
ARMS = ("none", "gradient", "update", "recompiled")
OPTIMIZERS = {
    "rmsprop": (keras.optimizers.RMSprop, {}),
    "sgd": (keras.optimizers.SGD, {"momentum": 0.9}),
}
EVALUATION_BATCH = 128


def compare(
    source="auto",
    *,
    optimizer="rmsprop",
    learning_rate=1e-3,
    arms=("none", "gradient", "update"),
    seeds=10,
    image_size=150,
    batch_size=32,
    epochs=12,
    folder=None,
    progress=True,
):
    """Train the CNN once for every arm and seed, each time anew, and tabulate every epoch.

    Models are built under the Keras dtype policy in force (`keras.config.set_dtype_policy`).

    Args:
        source: for `load_data`, or a `Data` already loaded at `image_size`.
        optimizer: `"rmsprop"`, or `"sgd"` (momentum 0.9).
        learning_rate: float.
        arms: of `"none"` (no GC), `"gradient"` (GC on the gradient), `"update"` (GC on the update) and
            `"recompiled"` (no GC; after the last epoch compiled again and trained for as many epochs more).
        seeds: number of seeds (0, 1, ...), or the seeds themselves.
        image_size, batch_size, epochs: int.
        folder: path where each finished run is kept as it ends; called again with the same arguments, or more
            seeds, only what is missing is trained. None keeps nothing.
        progress: whether to show a progress bar over all runs, with the time left.

    Returns:
        `pandas.DataFrame`, a row per arm, seed and epoch: optimizer, arm, seed, epoch, train_loss, train_accuracy,
        test_loss, test_accuracy, seconds (of training alone), status (`"finished"`, or `"diverged"` where a loss
        was not finite; such a run ends there), and the configuration.

    Raises:
        ValueError: for an unknown arm or optimizer, no seeds or a negative one, or a learning rate that is not a
            finite number above 0.
        DataError, StoreError: for data or a results folder that cannot be used.
    """
    arms = _known(arms, ARMS, "arm")
    (optimizer,) = _known([optimizer], OPTIMIZERS, "optimizer")
    seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not seeds or epochs < 1 or batch_size < 1:
        raise ValueError(f"seeds={seeds}, epochs={epochs} and batch_size={batch_size}: of each at least one is needed.")
    if min(seeds) < 0:
        raise ValueError(f"seeds={seeds}: a seed is a whole number, 0 or more.")
    if not 0 < learning_rate < math.inf:
        raise ValueError(f"learning_rate={learning_rate} makes no sense. Give a number above 0, such as 0.001.")
    data = load_data(source, image_size) if isinstance(source, (str, os.PathLike)) else source
    configuration = {
        "data": data.info.full_name,
        "optimizer": optimizer,
        **OPTIMIZERS[optimizer][1],
        "learning_rate": learning_rate,
        "image_size": image_size,
        "batch_size": batch_size,
        "epochs": epochs,
        **_precision(),
        "keras": keras.__version__,
        "tensorflow": tf.__version__,  # not by the name of the package, which may be tensorflow-cpu
        "gc-tutorial": version("gc-tutorial"),
    }
    finished, damaged = store.open_folder(folder, configuration) if folder else ({}, [])
    for name in damaged:
        tqdm.write(f"{name} is damaged; its run is done again.")

    # Arms within a seed come right after one another, so that a slow hour of the machine slows all of them.
    names = {f"{arm}-seed{seed:03d}": (arm, seed) for seed in seeds for arm in arms}
    rows = []
    with tqdm(
        total=sum(_epochs(arm, epochs) for arm, _ in names.values()),
        initial=sum(_epochs(*names[name][:1], epochs) for name in names if name in finished),
        unit="epoch",
        disable=not progress,
    ) as bar:
        for name, (arm, seed) in names.items():
            if name not in finished:
                bar.set_description(name)
                finished[name] = train_run(data, configuration, arm, seed, on_epoch=bar.update)
                if folder:
                    store.write_run(folder, name, configuration, finished[name])
            rows += finished[name]
    rows = [{key: math.nan if value is None else value for key, value in row.items()} for row in rows]
    return pd.DataFrame(rows).assign(**configuration)


def _precision():
    """The dtype policy in force; float32 is not named, as in results from before there was a choice."""
    policy = keras.config.dtype_policy().name
    return {} if policy == "float32" else {"precision": policy}


def _epochs(arm, epochs):
    return 2 * epochs if arm == "recompiled" else epochs


def _known(names, known, what):
    for name in names:
        if name not in known:
            raise ValueError(f"There is no {what} {name!r}. Choose from: {', '.join(known)}.")
    return tuple(names)


def prepare_run(data, configuration, arm, seed):
    """Make what a run starts from: all of it depends on the seed, and none of it on the arm.

    Returns:
        tuple of (the compiled, untrained `keras.Model`, the `tf.data.Dataset` of its training batches).
    """
    policy = keras.config.dtype_policy()
    keras.backend.clear_session()  # which forgets the policy, too
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(seed)
    model = build_cnn(configuration["image_size"], classes=data.info.features["label"].num_classes)
    _compile(model, configuration, arm)
    return model, training_batches(data.train_images, data.train_labels, configuration["batch_size"], seed)


def _compile(model, configuration, arm):
    optimizer_class, arguments = OPTIMIZERS[configuration["optimizer"]]
    if arm in ("gradient", "update"):
        optimizer_class, arguments = centralized(optimizer_class), {**arguments, "centralize": arm}
    model.compile(
        optimizer=optimizer_class(configuration["learning_rate"], **arguments),
        loss=loss_for(model),
        metrics=["accuracy"],
    )


def train_run(data, configuration, arm, seed, on_epoch=lambda: None):
    """Train one model from the start; returns a list of dict, the rows of its epochs."""
    model, batches = prepare_run(data, configuration, arm, seed)
    epochs = configuration["epochs"]
    rows = []
    for first in range(0, _epochs(arm, epochs), epochs):
        if first:
            _compile(model, configuration, arm)
        times = TimeHistory()
        history = model.fit(
            batches,
            validation_data=data.test.batch(EVALUATION_BATCH),
            initial_epoch=first,
            epochs=first + epochs,
            callbacks=[
                times,
                keras.callbacks.TerminateOnNaN(),
                keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: on_epoch()),
            ],
            shuffle=False,  # the batches are shuffled already, and by the seed
            verbose=0,
        ).history
        rows += [
            {
                "arm": arm,
                "seed": seed,
                "epoch": first + number + 1,
                "train_loss": history["loss"][number],
                "train_accuracy": history["accuracy"][number],
                "test_loss": history["val_loss"][number],
                "test_accuracy": history["val_accuracy"][number],
                "seconds": times.train_seconds[number],
            }
            for number in range(len(history["loss"]))
        ]
    losses = [row[name] for row in rows for name in ("train_loss", "test_loss")]
    status = "finished" if all(map(math.isfinite, losses)) else "diverged"
    ended = datetime.now(timezone.utc).isoformat(timespec="seconds")
    extra = {"status": status, "ended": ended, "machine": _machine()}
    return [{key: _storable(value) for key, value in {**row, **extra}.items()} for row in rows]


def _storable(value):
    """JSON knows no NaN or infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _machine():
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
