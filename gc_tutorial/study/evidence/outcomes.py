"""From the epochs of each run to one row of outcomes."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from gc_tutorial.errors import value_error
from gc_tutorial.language import Words
from gc_tutorial.study.factors import MEASURED

FACTORS = (
    "data",
    "network",
    "scaling",
    "optimizer",
    "weight_decay",
    "schedule",
    "augmentation",
    "epochs",
    "image_size",
    "batch_size",
    "train_examples",
    "split",
    "pretrained",
)
NUMBERS = ("weight_decay", "epochs", "image_size", "batch_size", "train_examples")
DEFAULTS = {"schedule": "constant", "split": "fold", "augmentation": "published"}
CLASSES = {"horses_or_humans": 2, "cats_and_dogs": 2, "flowers": 5, "digits": 10, "mnist1d": 10}
OUTCOMES = Words(
    {
        "clean_loss": "clean training loss",
        "clean_accuracy": "clean training accuracy",
        "heldout_loss": "held-out loss",
        "heldout_accuracy": "held-out accuracy",
        "heldout_auc": "held-out AUC",
        "shifted_loss": "loss on the images on white",
        "shifted_accuracy": "accuracy on the images on white",
        "shifted_auc": "AUC on the images on white",
        "train_loss": "running training loss",
        "epochs_to_goal": "epochs to the goal",
    }
)
WINDOW = 3  # last epochs, over which outcomes are averaged
EXPLODED = 10  # a clean training loss above this many times that of a guess counts as diverged, even if finite


def factors(table: pd.DataFrame) -> list[str]:
    """The columns that together name a setting: all that is the same for the arms, rates and seeds compared."""
    return [name for name in FACTORS if name in table]


def by_setting(table: pd.DataFrame, *more: str) -> Iterator[tuple[dict, pd.DataFrame]]:
    """The settings of a table, in its order: a dict of the factors (and of `more` columns), and the rows of each."""
    names = [*factors(table), *more]
    for key, rows in table.groupby(names, sort=False):
        yield dict(zip(names, key, strict=True)), rows


def reduce_runs(table: pd.DataFrame, *, classes: dict[str, int] = CLASSES) -> pd.DataFrame:
    """Reduce each run to one row; outcomes are means over its last `WINDOW` epochs, as far as measured there.

    A run that diverged counts as a network that guesses: its losses are ln(classes), its accuracies 1/classes and its
    areas under the curve 0.5. Leaving such runs out would hide the harm that an arm or a rate did. A run whose clean
    training loss ends above ten times that of a guess counts as diverged, too: such losses are finite, and any mean
    over seeds would be theirs alone.

    Args:
        table: `pandas.DataFrame` of a study, a row per run and epoch.
        classes: dict from the name of a data set to its number of classes; the column `classes`, where there is one,
            takes precedence.

    Returns:
        `pandas.DataFrame`, a row per run: run, stage, the factors, arm, learning_rate, seed, the means of what is
        measured (`OUTCOMES`), seconds (median epoch), diverged (bool), share_1, ... (mean over all epochs),
        chance_1, ..., and figures (such as `"horse01:0.9 human03:0.8"`, held-out accuracy figure by figure).

    Raises:
        ValueError: for a diverged run of a data set whose number of classes is not known.

    Example:
        >>> runs = reduce_runs(pd.read_csv("B.csv"))  # doctest: +SKIP
    """
    table = _with_defaults(_chances(table).sort_values(["run", "epoch"], kind="stable"))
    groups = table.groupby("run", sort=False)
    names = ["stage", *factors(table), "arm", "learning_rate", "seed"]
    layers = [name for name in table if name.startswith(("share_", "chance_"))]
    names += [name for name in ("figures",) if name in table]
    measured = [name for name in MEASURED if name in table]
    parts = [
        groups[names].first(),
        groups.tail(WINDOW).groupby("run", sort=False)[measured].mean(),
        groups["seconds"].median(),
        (table["status"] == "diverged").groupby(table["run"], sort=False).any().rename("diverged"),
        groups[layers].mean(),
    ]
    runs = pd.concat(parts, axis=1)
    if "classes" in table:
        counted = table[table["classes"] > 0].groupby("data")["classes"].first()
        classes = {**classes, **counted.to_dict()}
    return _guessing(runs.reset_index(), measured, classes)


def _chances(table):
    """The stored tables keep the chance shares of all kernels of a run in one field."""
    if "chance" not in table:
        return table
    parts = table["chance"].fillna("").astype(str).str.split(expand=True).apply(pd.to_numeric)
    return pd.concat([table.drop(columns="chance"), parts.rename(columns=lambda place: f"chance_{place + 1}")], axis=1)


def _with_defaults(table):
    """Fill in default factors: `groupby` silently drops missing keys."""
    filled = {}
    for name in factors(table):
        if name in NUMBERS:
            filled[name] = table[name].astype(float).fillna(DEFAULTS.get(name, 0))
        else:  # as objects, because a column without any text holds floats
            filled[name] = table[name].astype(object).where(table[name].notna(), DEFAULTS.get(name, "")).astype(str)
    return table.assign(**filled)


def _guessing(runs, measured, classes):
    if "clean_loss" in measured:
        runs["diverged"] |= runs["clean_loss"] > EXPLODED * np.log(runs["data"].map(classes))
    unknown = set(runs.loc[runs["diverged"], "data"]) - classes.keys()
    if unknown:
        raise value_error(
            "A run on {unknown!r} diverged, and its number of classes is not known. Give classes=.",
            unknown=min(unknown),
        )
    for data in runs.loc[runs["diverged"], "data"].unique():
        values = {"loss": math.log(classes[data]), "accuracy": 1 / classes[data], "auc": 0.5}
        for name in measured:
            if runs.loc[runs["data"] == data, name].notna().any():  # not for what this data set does not have
                rows = (runs["data"] == data) & runs["diverged"]
                runs.loc[rows, name] = values[name.rsplit("_", 1)[1]]
    return runs


def epochs_to_goal(losses: npt.ArrayLike, goal: float) -> float:
    """When a run's training loss first reaches a goal.

    The running loss of an epoch is its mean over that epoch, so that it stands for the epoch's middle. Between
    middles the loss is taken as a straight line.

    Args:
        losses: array-like of float, the running training loss of epochs 1, 2, ....
        goal: float.

    Returns:
        float, in epochs: 0.5 (then it means "at most") to the number of epochs; NaN where the goal is not reached.

    >>> epochs_to_goal([1.0, 0.6, 0.2], 0.4)
    2.0
    """
    losses = np.asarray(losses, float)
    reached = np.flatnonzero(losses <= goal)
    if not len(reached):
        return math.nan
    last = reached[0]
    if last == 0:
        return 0.5
    before, after = losses[last - 1], losses[last]
    return float(last - 0.5 + (before - goal) / (before - after))
