"""Intervals that generalize to new figures: the units are figures, not seeds."""

import math

import pandas as pd
from scipy import stats

PICTURES = {"horse": 10, "human": 31}  # of each figure, in the training set of Horses or Humans


def figure_differences(pairs: pd.DataFrame) -> pd.DataFrame:
    """The difference in held-out accuracy of every pair, figure by figure.

    Args:
        pairs: as from `best_pairs`, with figures and figures_baseline, such as `"horse01:0.9 human03:0.8"`.

    Returns:
        `pandas.DataFrame`, a row per pair and figure it held out: seed, figure, label, pictures, difference.
    """
    rows = []
    for pair in pairs.itertuples():
        ours, base = _accuracies(pair.figures), _accuracies(pair.figures_baseline)
        for figure in ours.keys() & base.keys():
            label = figure.rstrip("0123456789")
            known = {"seed": pair.seed, "figure": figure, "label": label, "pictures": PICTURES[label]}
            rows.append({**known, "difference": ours[figure] - base[figure]})
    return pd.DataFrame(rows, columns=["seed", "figure", "label", "pictures", "difference"])


def _accuracies(figures):
    named = (one.rsplit(":", 1) for one in str(figures).split() if ":" in one)
    return {name: float(value) for name, value in named}


def over_figures(differences: pd.DataFrame) -> dict[str, float]:
    """A 95% interval for new figures: figures are the units, classes are strata.

    Args:
        differences: `pandas.DataFrame` with a row for each figure and seed that held it out: figure, label,
            pictures (of the figure, as weight of its class) and difference (of the outcome, arm minus baseline).

    Returns:
        dict of difference, t_low, t_high and figures. Each class weighs as many images as it has; variances of the
        classes are not pooled, and the degrees of freedom are Welch's and Satterthwaite's.
    """
    figures = differences.groupby(["label", "figure"])[["difference", "pictures"]].mean()
    classes = figures.groupby("label").agg(
        mean=("difference", "mean"),
        variance=("difference", "var"),
        count=("difference", "size"),
        pictures=("pictures", "sum"),
    )
    weights = classes["pictures"] / classes["pictures"].sum()
    parts = weights**2 * classes["variance"] / classes["count"]
    mean, variance = (weights * classes["mean"]).sum(), parts.sum()
    freedom = variance**2 / (parts**2 / (classes["count"] - 1)).sum()
    half = stats.t.ppf(0.975, freedom) * math.sqrt(variance)
    return {"difference": mean, "t_low": mean - half, "t_high": mean + half, "figures": len(figures)}
