"""What the tuning seeds say: the best rate of an arm, how sure that choice is, and what a poor one costs."""

import math

import numpy as np
import pandas as pd

from gc_tutorial.study.evidence.outcomes import by_setting, factors
from gc_tutorial.study.evidence.wording import higher_is_better


def tuned_rates(runs: pd.DataFrame, by: str = "clean_loss") -> pd.DataFrame:
    """Choose the learning rate of every arm in every setting, on the tuning seeds alone.

    Args:
        runs: `pandas.DataFrame` as from `reduce_runs`; only its stage `"tuning"` is looked at.
        by: the outcome whose mean over seeds chooses: `"clean_loss"` for the question of speed, `"heldout_loss"` for
            the question of held-out images.

    Returns:
        `pandas.DataFrame`, a row per setting and arm: the factors, arm, learning_rate, value (mean outcome there),
        rates (how many were tried), edge (of three or more, `"lowest"` or `"highest"`: a better rate may lie outside
        the grid; otherwise `""`) and second (the next best rate; NaN where only one was tried).
    """
    rows = []
    for setting, group in by_setting(_tuning(runs), "arm"):
        means = _by_rate(group, by)
        ranked = means.sort_values(ascending=not higher_is_better(by), kind="stable").index
        best = ranked[0]
        edges = {means.index.min(): "lowest", means.index.max(): "highest"} if len(means) > 2 else {}
        rows.append(
            {
                **setting,
                "learning_rate": best,
                "value": means[best],
                "rates": len(means),
                "edge": edges.get(best, ""),
                "second": ranked[1] if len(ranked) > 1 else math.nan,
            }
        )
    return pd.DataFrame(rows, columns=[*factors(runs), "arm", "learning_rate", "value", "rates", "edge", "second"])


def _tuning(runs):
    return runs[runs["stage"] == "tuning"]


def _by_rate(group, outcome):
    """Means over the seeds that all rates share; otherwise a rate that lacks seeds could be judged on easier ones."""
    values = _by_seed_and_rate(group, outcome)
    complete = values.dropna()
    return (complete if len(complete) else values).mean()


def _by_seed_and_rate(group, outcome):
    return group.groupby(["seed", "learning_rate"])[outcome].mean().dropna().unstack()


def choice_stability(runs: pd.DataFrame, by: str = "clean_loss", resamples: int = 2000) -> pd.DataFrame:
    """How often the same rate is chosen when the tuning seeds are drawn again with replacement.

    Returns:
        `pandas.DataFrame`, a row per setting, arm and learning_rate: the factors, arm, learning_rate, chosen (bool),
        share (of the draws in which this rate is chosen).
    """
    rows = []
    random = np.random.default_rng(0)
    for setting, group in by_setting(_tuning(runs), "arm"):
        values = _by_seed_and_rate(group, by).dropna()
        if values.empty:
            continue
        signed = values.to_numpy() * (-1 if higher_is_better(by) else 1)
        draws = random.integers(len(signed), size=(resamples, len(signed)))
        chosen = signed[draws].mean(axis=1).argmin(axis=1)
        for place, rate in enumerate(values.columns):
            best = place == signed.mean(axis=0).argmin()
            rows.append({**setting, "learning_rate": rate, "chosen": best, "share": (chosen == place).mean()})
    return pd.DataFrame(rows)


def best_of_k(runs: pd.DataFrame, by: str = "clean_loss", outcome: str | None = None) -> pd.DataFrame:
    """What to expect from a tuning budget: draw k rates of the grid at random, keep the one that is best.

    The expectation is exact: of n rates, the i-th best is the best of k drawn without replacement with probability
    C(n-i, k-1) / C(n, k). (After Dodge et al. 2019, "Show Your Work", who draw with replacement.)

    Args:
        runs: as for `tuned_rates`.
        by: the outcome that chooses.
        outcome: the outcome that is reported; by default the same.

    Returns:
        `pandas.DataFrame`, a row per setting, arm and k: the factors, arm, k, expected.
    """
    rows = []
    for setting, group in by_setting(_tuning(runs), "arm"):
        order = _by_rate(group, by).sort_values(ascending=not higher_is_better(by)).index
        values = _by_rate(group, outcome or by)[order].to_numpy()
        count = len(values)
        for k in range(1, count + 1):
            weights = [math.comb(count - i, k - 1) / math.comb(count, k) for i in range(1, count + 1)]
            rows.append({**setting, "k": k, "expected": float(np.dot(weights, values))})
    return pd.DataFrame(rows)


def shortfall(runs: pd.DataFrame, by: str = "clean_loss", factor: float = 10**0.5) -> pd.DataFrame:
    """What a rate that is off by a factor, up or down, costs against the arm's own best rate.

    Between rates of the grid the mean outcome is interpolated over the logarithm of the rate; outside it is not known.

    Returns:
        `pandas.DataFrame`, a row per setting and arm: the factors, arm, learning_rate (the best), below and above (how
        much worse the outcome gets, 0 or more; NaN outside the grid) and mean (of the two that are known).
    """
    rows = []
    for setting, group in by_setting(_tuning(runs), "arm"):
        means = _by_rate(group, by).sort_index() * (-1 if higher_is_better(by) else 1)
        places, best = np.log(means.index.to_numpy(float)), means.idxmin()
        at = np.log(best) + np.array([-1, 1]) * math.log(factor)
        inside = (at >= places[0] - 1e-6) & (at <= places[-1] + 1e-6)
        costs = np.where(inside, np.interp(at, places, means.to_numpy()) - means[best], math.nan)
        mean = float(np.nanmean(costs)) if inside.any() else math.nan
        rows.append({**setting, "learning_rate": best, "below": costs[0], "above": costs[1], "mean": mean})
    return pd.DataFrame(rows)
