"""Profiles: how much the notebooks compute, chosen by environment variables."""

import os
from dataclasses import dataclass, replace

from gc_tutorial.errors import SettingsError

PREFIX = "GC_TUTORIAL_"
SMALLEST_IMAGE = 94  # pixels; five times (a 3×3 valid convolution, then a halving) leave one of them
PRECISIONS = ("float32", "mixed_bfloat16")
SMALLEST = {"epochs": 1, "image_size": SMALLEST_IMAGE, "batch_size": 1, "seeds": 1}


@dataclass(frozen=True)
class Settings:
    """What a notebook computes with.

    Attributes:
        profile: name of the profile the other values started from.
        data: source for `load_data`.
        image_size: side of the square images in pixels.
        batch_size: training images in a batch.
        epochs: passes over the training images.
        seeds: number of repetitions where a notebook repeats a run.
        learning_rate: of RMSprop.
        precision: name of the Keras dtype policy: `"float32"`, or `"mixed_bfloat16"` (convolutions and products in
            bfloat16, weights in float32), which is faster on processors and GPUs with bfloat16 arithmetic.
    """

    profile: str
    data: str
    image_size: int
    batch_size: int
    epochs: int
    seeds: int
    learning_rate: float
    precision: str = PRECISIONS[0]


PROFILES = {
    settings.profile: settings
    for settings in (
        Settings("quick", "drawn_small", image_size=94, batch_size=16, epochs=2, seeds=2, learning_rate=1e-3),
        Settings("standard", "auto", image_size=150, batch_size=32, epochs=4, seeds=2, learning_rate=1e-3),
        Settings("full", "auto", image_size=300, batch_size=128, epochs=10, seeds=3, learning_rate=1e-4),
    )
}


def settings(environment=None):
    """Read the profile and its overrides from the environment.

    `GC_TUTORIAL_PROFILE` is `quick`, `standard` (the default) or `full`; `GC_TUTORIAL_EPOCHS`, `_IMAGE_SIZE`,
    `_BATCH_SIZE`, `_SEEDS`, `_PRECISION` and `_DATA` override single values of it.

    Args:
        environment: mapping of str to str; by default that of the process.

    Returns:
        `Settings`.

    Raises:
        SettingsError: naming the variable, the value found and what is allowed.
    """
    environment = os.environ if environment is None else environment
    name = environment.get(f"{PREFIX}PROFILE") or "standard"
    _check_choice("PROFILE", name, PROFILES)
    overrides = {}
    for key, smallest in SMALLEST.items():
        text = environment.get(PREFIX + key.upper())
        if text:
            overrides[key] = _whole_number(PREFIX + key.upper(), text, smallest)
    for key in ("data", "precision"):
        if environment.get(PREFIX + key.upper()):
            overrides[key] = environment[PREFIX + key.upper()]
    chosen = replace(PROFILES[name], **overrides)
    _check_choice("PRECISION", chosen.precision, PRECISIONS)
    return chosen


def _check_choice(key, value, choices):
    if value not in choices:
        raise SettingsError(f"{PREFIX}{key}={value!r} is not a {key.lower()}. Choose one of: {', '.join(choices)}.")


def _whole_number(variable, text, smallest):
    try:
        number = int(text)
    except ValueError:
        number = None
    if number is None or number < smallest:
        raise SettingsError(f"{variable}={text!r} makes no sense. Give a whole number of at least {smallest}.")
    return number
