"""Profiles: how much the notebooks compute, chosen by environment variables."""

import os
from dataclasses import dataclass, replace

from gc_tutorial.errors import SettingsError

PREFIX = "GC_TUTORIAL_"
SMALLEST_IMAGE = 94  # pixels; five times (a 3×3 valid convolution, then a halving) leave one of them
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
    """

    profile: str
    data: str
    image_size: int
    batch_size: int
    epochs: int
    seeds: int
    learning_rate: float


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
    `_BATCH_SIZE`, `_SEEDS` and `_DATA` override single values of it.

    Args:
        environment: mapping of str to str; by default that of the process.

    Returns:
        `Settings`.

    Raises:
        SettingsError: naming the variable, the value found and what is allowed.
    """
    environment = os.environ if environment is None else environment
    name = environment.get(f"{PREFIX}PROFILE") or "standard"
    if name not in PROFILES:
        raise SettingsError(f"{PREFIX}PROFILE={name!r} is not a profile. Choose one of: {', '.join(PROFILES)}.")
    overrides = {}
    for key, smallest in SMALLEST.items():
        text = environment.get(PREFIX + key.upper())
        if text:
            overrides[key] = _whole_number(PREFIX + key.upper(), text, smallest)
    if environment.get(f"{PREFIX}DATA"):
        overrides["data"] = environment[f"{PREFIX}DATA"]
    return replace(PROFILES[name], **overrides)


def _whole_number(variable, text, smallest):
    try:
        number = int(text)
    except ValueError:
        number = None
    if number is None or number < smallest:
        raise SettingsError(f"{variable}={text!r} makes no sense. Give a whole number of at least {smallest}.")
    return number
