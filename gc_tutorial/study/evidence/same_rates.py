"""GC against no GC at one and the same learning rate, at each rate of a study: a description beside its rules."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from gc_tutorial.study.evidence.intervals import estimate
from gc_tutorial.study.evidence.outcomes import epochs_to_goal

OUTCOMES = ("clean_loss", "heldout_accuracy")
LIMITS = ("difference", "t_low", "t_high")


def same_rates(table: pd.DataFrame, runs: pd.DataFrame, goals: Mapping[str, float]) -> pd.DataFrame:
    """Compare both arms at each rate of the confirming runs, seed by seed.

    Args:
        table: `pandas.DataFrame` of a study with one setting for each optimizer, a row per run and epoch.
        runs: the same, as from `reduce_runs`.
        goals: dict from an optimizer to the running training loss to reach. A run that never does counts with all its
            epochs.

    Returns:
        `pandas.DataFrame`, a row per optimizer and rate: optimizer, learning_rate, ratio, ratio_low, ratio_high (of the
        epochs to the goal without GC to those with it, geometric mean and 95% t interval), and for each of `OUTCOMES`
        NAME_baseline (the mean without GC) and NAME_difference, NAME_t_low, NAME_t_high (GC minus no GC).
    """
    losses = table.sort_values("epoch").groupby("run")["train_loss"].agg(list)
    chosen = runs[(runs["stage"] == "confirmation") & runs["arm"].isin(["none", "gradient"])]
    rows = []
    for (optimizer, rate), group in chosen.groupby(["optimizer", "learning_rate"]):
        found = [epochs_to_goal(losses[run], goals[optimizer]) for run in group["run"]]
        group = group.assign(times=np.where(np.isnan(found), group["epochs"], found))
        wide = group.pivot(index="seed", columns="arm", values=["times", *OUTCOMES]).dropna()
        speed = estimate(np.log(wide["times", "none"] / wide["times", "gradient"]))
        row = {"optimizer": optimizer, "learning_rate": rate, "seeds": len(wide)}
        row |= {f"ratio{end}": math.exp(speed[name]) for end, name in zip(("", "_low", "_high"), LIMITS, strict=True)}
        for outcome in OUTCOMES:
            compared = estimate(wide[outcome, "gradient"] - wide[outcome, "none"])
            row |= {f"{outcome}_baseline": wide[outcome, "none"].mean()}
            row |= {f"{outcome}_{name}": compared[name] for name in LIMITS}
        rows.append(row)
    return pd.DataFrame(rows)


def change_with_rate(runs: pd.DataFrame, outcome: str = "heldout_accuracy") -> pd.DataFrame:
    """How much more GC does at the highest rate of the confirming runs than at the lowest, seed by seed.

    Args:
        runs: as for `same_rates`.
        outcome: str, a column of `runs`.

    Returns:
        `pandas.DataFrame`, a row per optimizer: optimizer, low_rate, high_rate, and what `intervals.estimate` says of
        the effect at the high rate minus that at the low one.
    """
    rows = []
    for optimizer, group in runs[runs["stage"] == "confirmation"].groupby("optimizer"):
        effects = group.pivot(index=["seed", "learning_rate"], columns="arm", values=outcome)
        effects = (effects["gradient"] - effects["none"]).unstack("learning_rate").dropna()
        low, high = effects.columns.min(), effects.columns.max()
        rows.append(
            {"optimizer": optimizer, **estimate(effects[high] - effects[low]), "low_rate": low, "high_rate": high}
        )
    return pd.DataFrame(rows)
