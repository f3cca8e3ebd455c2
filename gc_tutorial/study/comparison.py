"""A paired comparison: within a seed, every arm starts from the same weights and sees the same pixels."""

import contextlib
import math
import os
from collections.abc import Callable, Iterable

import keras
import pandas as pd
import tensorflow as tf
from tqdm import tqdm

from gc_tutorial.augmentation import training_batches
from gc_tutorial.console import say
from gc_tutorial.data import Data, load_data
from gc_tutorial.errors import DataError
from gc_tutorial.models import build_cnn
from gc_tutorial.study import store
from gc_tutorial.study.arguments import check_settings, checked_arms, checked_seeds
from gc_tutorial.study.arms import OPTIMIZERS, build_optimizer
from gc_tutorial.study.engine import versions
from gc_tutorial.study.factors import COMPARE
from gc_tutorial.study.training import COLUMNS, compile_model, finished_rows, fit, fresh

EVALUATION_BATCH = 128
KEPT = ("arm", "seed", "epoch", *COLUMNS.values(), "seconds", "status")  # in each row of a run
UPGRADED = " Finished runs can still be read: ask for no more arms and seeds than the folder has."


def compare(
    source: str | os.PathLike | Data = "auto",
    *,
    optimizer: str = COMPARE.optimizer,
    learning_rate: float = COMPARE.learning_rate,
    arms: Iterable[str] = COMPARE.arms,
    seeds: int | Iterable[int] = COMPARE.seeds,
    image_size: int | None = None,
    batch_size: int = COMPARE.batch_size,
    epochs: int = COMPARE.epochs,
    folder: str | os.PathLike | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Train the plain CNN once for every arm and seed, each time anew, and tabulate every epoch.

    Models are built under the Keras dtype policy in force (`keras.config.set_dtype_policy`).

    Args:
        source: for `load_data`, or a `Data` already loaded.
        optimizer: `"rmsprop"`, `"sgd"` (momentum 0.9), `"adam"` or `"adamw"`.
        learning_rate: float.
        arms: of `"none"` (no GC), `"gradient"` (GC on the gradient), `"update"` (GC on the update) and
            `"recompiled"` (no GC; after the last epoch compiled again and trained for as many epochs more).
        seeds: number of seeds (0, 1, ...), or the seeds themselves.
        image_size: side in pixels at which a source is loaded, by default 150; a `Data` has its own.
        batch_size, epochs: int.
        folder: path where each finished run is kept as it ends; called again with the same arguments, or more
            seeds, only what is missing is trained. None keeps nothing.
        progress: whether to show a progress bar over all runs, with the time left.

    Returns:
        `pandas.DataFrame`, a row per arm, seed and epoch: optimizer, arm, seed, epoch, train_loss, train_accuracy,
        test_loss, test_accuracy, seconds (of training alone), status (`"finished"`, or `"diverged"` where a loss
        was not finite; such a run ends there), and the configuration.

    Raises:
        ValueError: for an unknown arm or optimizer, no arms, no seeds, too many seeds or one that is not valid, or a
            number that is not valid: the learning rate must be above 0, the batch size and the epochs 1 or more.
        DataError, StoreError: for data or a results folder that cannot be used.

    Example:
        >>> table = compare("synthetic_small", arms=["none"], seeds=1, image_size=94, epochs=1, progress=False)
        Synthetic images: 128 train and 64 test...
        >>> table[["arm", "seed", "epoch", "status"]].values.tolist()
        [['none', 0, 1, 'finished']]
    """
    arms, seeds = checked_arms(arms, optimizer), checked_seeds(seeds)
    learning_rate, batch_size, epochs = check_settings(learning_rate, batch_size, epochs)
    if folder is not None:
        store.check_named(folder)
    data = _load(source, image_size)
    configuration = {
        "data": data.info.full_name,
        "optimizer": optimizer,
        **OPTIMIZERS[optimizer][1],
        "learning_rate": learning_rate,
        "image_size": data.train_images.shape[1],
        "batch_size": batch_size,
        "epochs": epochs,
        **_precision(),
        **versions(),
    }
    # Arms within a seed come right after one another, so that a slow hour of the machine slows all of them.
    names = {_name(arm, seed): (arm, seed) for seed in seeds for arm in arms}
    with (
        _kept(folder, names, configuration) as (finished, keep),
        tqdm(
            total=sum(_epochs(arm, epochs) for arm, _ in names.values()),
            initial=sum(_epochs(arm, epochs) for name, (arm, _) in names.items() if name in finished),
            unit="epoch",
            disable=not progress,
        ) as bar,
    ):
        for name, (arm, seed) in names.items():
            if name not in finished:
                bar.set_description(name)
                finished[name] = configuration, train_run(data, configuration, arm, seed, on_epoch=bar.update)
                keep(name, finished[name][1])
    rows = [{**row, **made_with} for made_with, run in map(finished.get, names) for row in run]
    return pd.DataFrame([{key: math.nan if value is None else value for key, value in row.items()} for row in rows])


def _load(source, image_size):
    if not hasattr(source, "train_images"):
        return load_data(source, COMPARE.image_size if image_size is None else image_size)
    size = source.train_images.shape[1]
    if image_size not in (None, size):
        raise DataError(
            "image_size={image_size}, but the data were loaded at {size} pixels. Leave image_size out.",
            image_size=image_size,
            size=size,
        )
    return source


@contextlib.contextmanager
def _kept(folder, names, configuration):
    """The configuration and rows of each run that is already in the folder, and a function that keeps a further one."""
    if folder is None:
        yield {}, lambda name, rows: None
        return
    with store.locked(folder) as path:
        results = store.read_results(path)
        for said in store.said_of_damaged(results, names):
            say(said)
        store.check_rows(results, KEPT, path)
        _check_names(results, path)
        # Where there is nothing to train, the versions need not be those of today.
        ignoring = versions() if names.keys() <= results.runs.keys() else ()
        store.check_same(results, configuration, path, UPGRADED, hinted=versions(), ignoring=ignoring)
        yield (
            {name: (results.configurations[name], run["rows"]) for name, run in results.runs.items()},
            lambda name, rows: store.write_run(path, name, configuration, {"rows": rows}),
        )


def _check_names(results, folder):
    """Refuse a copied run also where its file is older than the names in the files."""
    for name, run in results.runs.items():
        for row in run["rows"]:
            if name != _name(row["arm"], row["seed"]):
                raise store.misnamed(folder / f"{name}{store.ENDING}", _name(row["arm"], row["seed"]))


def _name(arm, seed):
    return f"{arm}-seed{str(seed).zfill(3)}"


def _precision():
    """The dtype policy in force; float32 is not named, as in results from before there was a choice."""
    policy = keras.config.dtype_policy().name
    return {} if policy == "float32" else {"precision": policy}


def _epochs(arm, epochs):
    return 2 * epochs if arm == "recompiled" else epochs


def prepare_run(data: Data, configuration: dict, arm: str, seed: int) -> tuple[keras.Model, tf.data.Dataset]:
    """Make what a run starts from: all of it depends on the seed, and none of it on the arm.

    Returns:
        tuple of (the compiled, untrained `keras.Model`, the `tf.data.Dataset` of its training batches).
    """
    with fresh(seed):
        model = build_cnn(configuration["image_size"], classes=data.info.features["label"].num_classes)
    _compile(model, configuration, arm)
    return model, training_batches(data.train_images, data.train_labels, configuration["batch_size"], seed)


def _compile(model, configuration, arm):
    optimizer = build_optimizer(configuration["optimizer"], arm, model, configuration["learning_rate"])
    compile_model(model, optimizer)


def train_run(
    data: Data, configuration: dict, arm: str, seed: int, on_epoch: Callable[[], object] = lambda: None
) -> list[dict]:
    """Train one model from the start; returns the rows of its epochs."""
    model, batches = prepare_run(data, configuration, arm, seed)
    epochs, total = configuration["epochs"], _epochs(arm, configuration["epochs"])
    rows = fit(
        model,
        batches,
        lambda: _compile(model, configuration, arm),
        epochs,
        total,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: on_epoch())],
        validation_data=data.test.batch(EVALUATION_BATCH),
    )
    return finished_rows([{"arm": arm, "seed": seed, **row} for row in rows], total)
