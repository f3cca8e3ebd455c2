"""What the factors, arms and settings are called in a sentence and in a figure."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from gc_tutorial.language import Words, text
from gc_tutorial.study.evidence.outcomes import factors

ARMS = Words(
    {
        "none": "no GC",
        "gradient": "GC",
        "update": "GC on the update",
        "random_direction": "random direction",
        "first_layer": "first layer only",
        "conv_only": "convolutions only",
        "dense_only": "dense layers only",
        "raw_norm": "GC at the original length",
        "half": "half the mean",
        "twice": "twice the mean",
        "first_two_epochs": "epochs 1–2 only",
        "recompiled": "no GC, compiled again",
    }
)
VALUES = Words(
    {
        "horses_or_humans": "Horses or Humans",
        "cats_and_dogs": "cats and dogs",
        "flowers": "flowers",
        "digits": "digits",
        "mnist1d": "MNIST-1D",
        "rmsprop": "RMSprop",
        "sgd": "SGD",
        "adam": "Adam",
        "adamw": "AdamW",
        "cnn": "plain CNN",
        "cnn_bn": "batch norm",
        "small_cnn": "small CNN",
        "small_cnn_bn": "small CNN, batch norm",
        "vit": "transformer",
        "0..1": "inputs [0, 1]",
        "-1..1": "inputs [-1, 1]",
        "constant": "no warm-up",
        "warmup": "warm-up",
        "mild": "mild augmentation",
        "published": "published augmentation",
    }
)
NUMBERS = Words(
    {
        "epochs": "{:g} epochs",
        "image_size": "{:g} px",
        "batch_size": "batches of {:g}",
        "weight_decay": "decay {:g}",
        "train_examples": "{:g} examples",
    }
)
SIZES = ("image_size", "epochs", "batch_size", "augmentation")  # too long for a row of a table or a figure
# What is not named in a setting; images of size 0 are signals.
USUAL = {
    "augmentation": "none",
    "image_size": 0,
    "pretrained": "",
    "schedule": "constant",
    "train_examples": 0,
    "weight_decay": 0,
}
ORDER = ("optimizer", "data", "network")  # first, and then as in the table


def arm_name(arm: str) -> str:
    """What an arm is called, such as `"GC on the update"`."""
    return ARMS.get(arm, arm.replace("_", " "))


def value_name(factor: str, value: Any) -> str:
    """What a value of a factor is called, such as `"RMSprop"`."""
    if factor in NUMBERS:
        return NUMBERS[factor].format(value)
    if factor == "pretrained":
        return text("fine-tuned from {data}", data=VALUES.get(value, value))
    return VALUES.get(value, str(value))


def setting_names(table: pd.DataFrame, leave_out: tuple[str, ...] = ()) -> list[str]:
    """Name the setting of each row by the factors in which the rows differ; by the optimizer where they do not.

    Args:
        table: `pandas.DataFrame` with the factors as columns.
        leave_out: factors not to be named, such as `"image_size"`.

    Returns:
        list of str, one for each row, such as `"Adam, cats and dogs"`.
    """
    known = [name for name in factors(table) if name not in leave_out]
    ordered = [name for name in ORDER if name in known] + [name for name in known if name not in ORDER]
    differing = [name for name in ordered if table[name].nunique(dropna=False) > 1] or [
        name for name in ("optimizer",) if name in known
    ]
    named = (
        [value_name(name, row[name]) for name in differing if row[name] != USUAL.get(name)]
        for _, row in table.iterrows()
    )
    return [text(", ").join(parts) or text("default setting") for parts in named]


def named_rows(table: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """The rows of a table, each behind the name of its setting, as from `setting_names`."""
    return zip(setting_names(table), (row for _, row in table.iterrows()), strict=True)


def named_settings(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The settings of a table, in its order: the name of each, as from `setting_names`, and its rows."""
    names = factors(table)
    rows = (rows for _, rows in table.groupby(names, sort=False))
    return zip(setting_names(table.drop_duplicates(names)), rows, strict=True)
