"""The question of speed: how many times as many epochs no GC needs to get as far."""

import math

import numpy as np
import pandas as pd

from gc_tutorial.study.evidence.intervals import estimate, holm
from gc_tutorial.study.evidence.outcomes import by_setting, epochs_to_goal, factors
from gc_tutorial.study.evidence.pairs import best_pairs

PENALTY = 2  # a run that diverged counts with this many times its epochs


def goals(table: pd.DataFrame, runs: pd.DataFrame, pairs: pd.DataFrame, at: float = 2 / 3) -> pd.DataFrame:
    """The goal in every setting: where tuned no GC stands after a part of its epochs, on average.

    Taken from the tuning seeds where the setting itself was tuned, so that it is known before the confirming runs;
    otherwise from the confirming runs of the baseline.

    Args:
        table: `pandas.DataFrame` of a study, a row per run and epoch, with tuning and confirming runs.
        runs: the same, as from `reduce_runs`.
        pairs: as from `best_pairs`, which know the baseline's rate.
        at: float, the part of the epochs.

    Returns:
        `pandas.DataFrame`, a row per setting: the factors, goal, and goal_from (`"tuning"` or `"confirmation"`).
    """
    rows = []
    losses = table.pivot_table(index="run", columns="epoch", values="train_loss")
    for setting, group in by_setting(pairs):
        first = group.iloc[0]
        same = (runs[list(setting)] == pd.Series(setting)).all(axis=1) & (runs["arm"] == first["baseline"])
        same &= np.isclose(runs["learning_rate"], first["learning_rate_baseline"], rtol=1e-6) & ~runs["diverged"]
        stage = "tuning" if (same & (runs["stage"] == "tuning")).any() else "confirmation"
        chosen = losses.loc[runs.loc[same & (runs["stage"] == stage), "run"]]
        epoch = max(1, round(at * chosen.notna().any().sum()))
        rows.append({**setting, "goal": chosen[epoch].mean(), "goal_from": stage})
    return pd.DataFrame(rows)


def speed(
    table: pd.DataFrame,
    runs: pd.DataFrame,
    *,
    by: str = "clean_loss",
    tuning: pd.DataFrame | None = None,
    tuning_table: pd.DataFrame | None = None,
    goal_at: float = 2 / 3,
    lower_bound: float = 1.1,
    most_censored: float = 0.2,
) -> pd.DataFrame:
    """Estimate, best against best, how many times as many epochs no GC needs to reach the goal.

    A run that never gets there counts with all its epochs, one that diverged with twice its epochs. The columns strict
    and strict_low count a run of GC that never gets there with twice its epochs, and one of the baseline with all its
    epochs, whether it diverged or not: a result in favour of GC must hold under this count, too.

    Args:
        table: `pandas.DataFrame` of a study, a row per run and epoch.
        runs: the same, as from `reduce_runs`.
        by, tuning: as for `best_pairs`.
        tuning_table: the epochs of the tuning runs, for the goal, where they are in a table of their own.
        goal_at: float, as for `goals`.
        lower_bound: float, above which the ratio must lie.
        most_censored: float, the share of runs of GC above which no speed is claimed. (A run that never gets there
            counts with fewer epochs than it needs. So the baseline's can only weaken a claim for GC.)

    Returns:
        `pandas.DataFrame`, a row per setting: the factors, arm, baseline, both learning rates, edge, goal, goal_from,
        ratio, ratio_low and ratio_high (95%, t interval of the logarithm), strict, strict_low, p and p_holm (two-sided,
        against the lower bound), p_slower (against 1), missed and missed_baseline (share of runs that never get
        there), seeds, diverged, diverged_baseline, and claimed (bool; all settings are one family of tests).
    """
    pairs = best_pairs(runs, by=by, tuning=tuning)
    if pairs.empty:
        return pairs
    both = runs if tuning is None else pd.concat([runs, tuning]).drop_duplicates("run")
    epochs = table if tuning_table is None else pd.concat([table, tuning_table]).drop_duplicates(["run", "epoch"])
    goal = goals(epochs, both, pairs, goal_at)
    pairs = pairs.merge(goal, on=factors(pairs))
    losses = epochs.sort_values("epoch").groupby("run")["train_loss"].agg(list)
    known = ["arm", "baseline", "learning_rate", "learning_rate_baseline", "edge", "goal", "goal_from"]
    found = pd.DataFrame(
        {**setting, **group.iloc[0][known].to_dict(), **_ratio(group, losses, lower_bound)}
        for setting, group in by_setting(pairs)
    )
    found["p_holm"] = holm(found["p"])
    return found.assign(claimed=claimed(found, lower_bound, most_censored))


def claimed(found: pd.DataFrame, lower_bound: float, most_censored: float) -> pd.Series:
    """In which settings a speed-up may be claimed; `p_holm` decides, so it must be that of the setting's own family."""
    high_enough = found[["ratio_low", "strict_low"]].min(axis=1) > lower_bound
    return high_enough & (found["p_holm"] < 0.05) & (found["missed"] <= most_censored)


def _ratio(group, losses, lower_bound):
    ours, missed = _times(group, losses, "")
    base, base_missed = _times(group, losses, "_baseline")
    found = estimate(np.log(base / ours), math.log(lower_bound))
    hardest = np.where(base_missed, group["epochs"], base) / np.where(missed, PENALTY * group["epochs"], ours)
    strict = estimate(np.log(hardest))
    return {
        "ratio": math.exp(found["difference"]),
        "ratio_low": math.exp(found["t_low"]),
        "ratio_high": math.exp(found["t_high"]),
        "strict": math.exp(strict["difference"]),
        "strict_low": math.exp(strict["t_low"]),
        "p": found["p"],
        "p_slower": estimate(np.log(base / ours))["p"],
        "missed": missed.mean(),
        "missed_baseline": base_missed.mean(),
        "seeds": len(group),
        "diverged": int(group["diverged"].sum()),
        "diverged_baseline": int(group["diverged_baseline"].sum()),
    }


def _times(group, losses, side):
    """Epochs to the goal of each run, and whether the run never got there."""
    diverged = group[f"diverged{side}"].to_numpy(bool)
    pairs = zip(group[f"run{side}"], group["goal"], strict=True)
    times = np.array([epochs_to_goal(losses[run], goal) for run, goal in pairs])
    missed = np.isnan(times) | diverged
    return np.where(diverged, PENALTY * group["epochs"], np.where(missed, group["epochs"], times)), missed
