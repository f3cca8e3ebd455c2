"""One training run of a study: its factors, its name, and the checks of their values."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
from dataclasses import dataclass, fields, replace

from gc_tutorial.checks import LARGEST_NUMBER
from gc_tutorial.errors import PlanError
from gc_tutorial.study import store
from gc_tutorial.study.factors import (
    ARMS,
    AUGMENTATIONS,
    BUILT_IN,
    FOR_BUILT_IN,
    HORSES,
    MEASURED,
    NETWORKS,
    OPTIMIZERS,
    SCALINGS,
    SCHEDULES,
    SMALLEST_IMAGES,
    SPLITS,
    STAGES,
)

LONGEST_NAME = 255 - len(store.ENDING)  # bytes, of a run: a file name has at most 255 on nearly every system
LARGEST_RATE = 1e300  # whole numbers in TOML may be larger than a float can be
CHOICES = {
    "stage": STAGES,
    "network": NETWORKS,
    "scaling": SCALINGS,
    "optimizer": OPTIMIZERS,
    "arm": ARMS,
    "schedule": SCHEDULES,
    "augmentation": AUGMENTATIONS,
    "split": SPLITS,
}
SMALLEST = {"epochs": 1, "image_size": 0, "batch_size": 1, "train_examples": 0, "evaluate_last": 0, "seed": 0}


@dataclass(frozen=True)
class Run:
    """The factors of one training run; equal factors mean the same run.

    Attributes:
        stage: `"tuning"` or `"confirmation"`, which decides the seeds.
        data: name of a data set (`gc_tutorial.study.datasets`).
        network, scaling, optimizer, arm, schedule, augmentation: names, as in `gc_tutorial.study.factors`.
        learning_rate: float above 0.
        weight_decay: float, decoupled; AdamW only.
        epochs, image_size, batch_size: int.
        train_examples: number of training examples, drawn by the seed; 0 takes all.
        split: `"fold"` (a fifth held out, by the seed), or `"all"` (all examples trained on, as in the published
            recipe).
        pretrained: data set on which the network was trained before, or `""`.
        evaluate_last: in how many last epochs the clean measures are taken; 0 means in every epoch.
        seed: int, from which split, weights, order, augmentation and dropout follow.
    """

    data: str
    learning_rate: float
    epochs: int
    seed: int
    stage: str = "tuning"
    network: str = "cnn"
    scaling: str = "0..1"
    optimizer: str = "rmsprop"
    arm: str = "none"
    weight_decay: float = 0.0
    schedule: str = "constant"
    augmentation: str = "published"
    image_size: int = 94
    batch_size: int = 32
    train_examples: int = 0
    split: str = "fold"
    pretrained: str = ""
    evaluate_last: int = 3

    @functools.cached_property
    def name(self) -> str:
        """A file name that a reader recognizes, with a digest of all factors that differ from their defaults."""
        values = {one.name: (getattr(self, one.name), one.default) for one in fields(self)}
        chosen = {name: value for name, (value, default) in values.items() if value != default}
        digest = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:8]
        data = re.sub(r"[^\w.-]", "_", self.data)  # such as tfds:emnist/letters
        known = f"-{self.network}-{self.optimizer}-{self.arm}-{self.learning_rate:.3g}-{self.epochs}"
        rest = f"{known}-seed{self.seed}-{digest}"
        excess = len(f"{data}{rest}".encode()) - LONGEST_NAME
        if excess > 0:  # the end of a path says more than its start
            data = data.encode()[excess:].decode(errors="ignore").lstrip("-")
        return f"{data}{rest}"

    @property
    def cell(self) -> Run:
        """The run without its seed: what is repeated over seeds."""
        return replace(self, seed=0)

    @property
    def tuned_alike(self) -> Run:
        """What a run shares with the tuning runs that choose its rate; a tuned rate is also used for more epochs."""
        return replace(self, stage="", learning_rate=0.0, seed=0, epochs=0)

    @property
    def measured(self) -> tuple[str, ...]:
        """The outcomes that are measured."""
        lacking = (() if self.split == "fold" else ("heldout_",)) + (() if self.data == HORSES else ("shifted_",))
        return tuple(name for name in MEASURED if not name.startswith(lacking))


def checked_run(values: dict, tuned: bool = False) -> Run:
    """Build a run from the values of a plan, and check each of them.

    Args:
        values: dict from the name of a factor to its value.
        tuned: whether the learning rate is not known yet, and is not checked.

    Returns:
        `Run`.

    Raises:
        PlanError: naming the factor, the value and what is allowed.
    """
    for needed in ("data", "learning_rate", "epochs"):
        if needed not in values:
            raise PlanError("a block [[runs]] lacks {needed}.", needed=needed)
    _check_names(values)
    _check_whole_numbers(values)
    _check_rates(values if not tuned else {**values, "learning_rate": 1.0})
    if values.get("weight_decay") and values.get("optimizer") != "adamw":
        raise PlanError("weight_decay needs the optimizer 'adamw'.")
    run = Run(**{**values, "learning_rate": float(values["learning_rate"])})
    if run.data in BUILT_IN and run.augmentation != "none":
        raise PlanError('{data!r} cannot be augmented. Write augmentation = "none".', data=run.data)
    _check_input(run)
    return run


def _check_input(run: Run) -> None:
    """Fail before any training where a network cannot take the inputs."""
    if run.data in BUILT_IN and run.network not in FOR_BUILT_IN:
        raise PlanError(
            "the network {network!r} is for images, and too deep for {data!r}. Choose from: {choices}.",
            network=run.network,
            data=run.data,
            choices=", ".join(FOR_BUILT_IN),
        )
    smallest = SMALLEST_IMAGES[run.network]
    if run.data not in BUILT_IN and run.image_size < smallest:
        raise PlanError(
            "image_size={size} is too small for the network {network!r}: the smallest that works is {smallest}.",
            size=run.image_size,
            network=run.network,
            smallest=smallest,
        )


def _check_names(values: dict) -> None:
    for key in ("data", "pretrained"):
        if not isinstance(values.get(key, ""), str):
            raise PlanError("{key}={value!r} is not a name.", key=key, value=values[key])
    if not values["data"]:
        raise PlanError("{key}={value!r} is not a name.", key="data", value="")
    for key, choices in CHOICES.items():
        if key in values and values[key] not in tuple(choices):
            raise no_choice(key, values[key])


def no_choice(key: str, value: object) -> PlanError:
    """The error for an unknown name."""
    return PlanError(
        "there is no {key} {value!r}. Choose from: {choices}.", key=key, value=value, choices=", ".join(CHOICES[key])
    )


def _check_whole_numbers(values: dict) -> None:
    for key, smallest in SMALLEST.items():
        value = values.get(key, smallest)
        if type(value) is not int or value < smallest:
            raise PlanError(
                "{key}={value!r} is not a whole number of {smallest} or more.", key=key, value=value, smallest=smallest
            )
        if value > LARGEST_NUMBER and key != "seed":
            raise PlanError(
                "{key}={value!r} is too large. Give a whole number of at most {most}.",
                key=key,
                value=value,
                most=LARGEST_NUMBER,
            )


def _check_rates(values: dict) -> None:
    for key in ("learning_rate", "weight_decay"):
        value = values.get(key, 0.0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            raise PlanError("{key}={value!r} is not a number of 0 or more.", key=key, value=value)
        if value > LARGEST_RATE:
            raise PlanError(
                "{key}={value!r} is too large. Give a number of at most {most}.",
                key=key,
                value=value,
                most=LARGEST_RATE,
            )
    if values["learning_rate"] == 0:
        raise PlanError("learning_rate=0 is not valid. Give a number above 0, such as 0.001.")
