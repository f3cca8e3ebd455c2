"""Effects and how they change: ablations, interactions, and the share of a gap that a tuned rate closes."""

import math
from typing import Any

import numpy as np
import pandas as pd

from gc_tutorial.study.evidence.intervals import estimate, holm, share
from gc_tutorial.study.evidence.outcomes import by_setting, factors
from gc_tutorial.study.evidence.pairs import best_pairs, differences
from gc_tutorial.study.evidence.tuning import tuned_rates
from gc_tutorial.study.evidence.wording import higher_is_better

FULL = "gradient"
FASTER = "none_faster"  # no GC at a larger rate


def _gain(pairs, outcome, scale):
    """How much better the arm is than the baseline, pair by pair; above 0 is better, of losses as of accuracies."""
    return differences(pairs, outcome, scale) * (1 if higher_is_better(outcome) else -1)


def arm_pairs(
    runs: pd.DataFrame,
    *,
    by: str = "clean_loss",
    tuning: pd.DataFrame | None = None,
    faster: float | None = None,
) -> pd.DataFrame:
    """Pair the runs of every arm with those of no GC.

    Where a part of GC was trained, everything is compared at its rate, which plan D gives to all arms. In the other
    settings no GC and GC are each taken at their own tuned rate.

    Args:
        runs: `pandas.DataFrame` as from `reduce_runs`.
        by, tuning: as for `best_pairs`.
        faster: float; no GC at this many times the rate is then one more arm, `FASTER`.

    Returns:
        `pandas.DataFrame` as from `best_pairs`, of all arms.
    """
    runs = _at_rate_of_parts(_with_faster(runs, faster) if faster else runs)
    arms = [arm for arm in runs.loc[runs["stage"] == "confirmation", "arm"].unique() if arm != "none"]
    tuned = tuned_rates(runs if tuning is None else tuning, by)
    pairs = [best_pairs(runs, arm, tuned=tuned) for arm in arms]
    return pd.concat([one for one in pairs if len(one)], ignore_index=True)


def ablations(
    runs: pd.DataFrame,
    outcome: str = "clean_loss",
    *,
    by: str = "clean_loss",
    scale: str = "log",
    tuning: pd.DataFrame | None = None,
    faster: float | None = None,
) -> pd.DataFrame:
    """`arm_effects` of `arm_pairs`, with the arguments and the result of these."""
    return arm_effects(arm_pairs(runs, by=by, tuning=tuning, faster=faster), outcome, scale=scale)


def arm_effects(pairs: pd.DataFrame, outcome: str = "clean_loss", *, scale: str = "log") -> pd.DataFrame:
    """The effect of every arm against no GC, and as a share of GC's effect.

    Args:
        pairs: `pandas.DataFrame` as from `arm_pairs`.
        outcome: as for `compare_pairs`.
        scale: `"log"` or `""`.

    Returns:
        `pandas.DataFrame`, a row per setting and arm: the factors, arm, what `intervals.estimate` returns (above 0 is
        better), p_holm (over the arms of a setting), mean, mean_baseline, share, share_low, share_high (of GC's effect,
        Fieller's 95% interval; NaN where GC itself did not run) and diverged.
    """
    rows = []
    everything = pairs.assign(gain=_gain(pairs, outcome, scale))
    for setting, group in by_setting(everything.dropna(subset="gain")):
        full = group[group["arm"] == FULL].set_index("seed")["gain"]
        for arm, one in group.groupby("arm", sort=False):
            gain = one.set_index("seed")["gain"]
            common = gain.index.intersection(full.index)
            rows.append(
                {
                    **setting,
                    "arm": arm,
                    "learning_rate": one["learning_rate"].iloc[0],
                    "outcome": outcome,
                    "scale": scale,
                    "mean": one[outcome].mean(),
                    "mean_baseline": one[f"{outcome}_baseline"].mean(),
                    **estimate(gain),
                    **(share(gain[common], full[common]) if len(common) > 1 else {"share": math.nan}),
                    "diverged": int(one["diverged"].sum()),
                }
            )
    table = pd.DataFrame(rows)
    table["p_holm"] = table.groupby(factors(table), sort=False)["p"].transform(holm)
    return table


def split_settings(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split `ablations` into the setting with the most arms, for each optimizer, and GC under other conditions.

    Returns:
        tuple of two `pandas.DataFrame`, for `mechanism_figure.mechanism`: all arms, and the rows of GC elsewhere.
    """
    arms = table.groupby(factors(table), sort=False)["arm"].transform("nunique")
    usual = arms == arms.groupby(table["optimizer"]).transform("max")
    return table[usual].reset_index(drop=True), table[~usual & (table["arm"] == FULL)].reset_index(drop=True)


def _with_faster(runs, factor):
    """Give no GC at a larger rate a name of its own, in settings that hold both rates."""
    runs = runs.copy()
    confirmed = runs[(runs["arm"] == "none") & (runs["stage"] == "confirmation")]
    for _, group in confirmed.groupby(factors(runs), sort=False):
        rates = group["learning_rate"]
        for rate in rates.unique():
            if np.isclose(rates, rate / factor, rtol=0.03).any():
                runs.loc[rates.index[np.isclose(rates, rate, rtol=1e-6)], "arm"] = FASTER
    return runs


def _at_rate_of_parts(runs):
    """In settings where parts of GC were trained, keep only the runs at their rate, and no GC at the larger one."""
    confirmed = runs[runs["stage"] == "confirmation"]
    others = []
    for _, group in confirmed.groupby(factors(runs), sort=False):
        rates = group.loc[~group["arm"].isin(["none", FULL, FASTER]), "learning_rate"].unique()
        if len(rates) == 1:
            others.append(group[~np.isclose(group["learning_rate"], rates[0], rtol=1e-6) & (group["arm"] != FASTER)])
    return runs.drop(pd.concat(others).index) if others else runs


def interaction(
    pairs: pd.DataFrame, factor: str, first: Any, second: Any, outcome: str = "clean_loss", *, scale: str = ""
) -> pd.DataFrame:
    """Does the effect change from one level of a factor to another? The difference of differences, paired by seed.

    Args:
        pairs: as from `best_pairs`, with both levels.
        factor: str, such as `"scaling"`.
        first, second: its levels, such as `"0..1"` and `"-1..1"`.
        outcome, scale: as for `compare_pairs`.

    Returns:
        `pandas.DataFrame`, a row for each setting of the other factors: these, outcome, scale, factor, first, second,
        effect_first and effect_second (above 0: the arm is better), what `intervals.estimate` returns of effect_first
        minus effect_second, p_holm, share, share_low and share_high (what is left of the effect at the second), and
        edge (bool: of any of the four rates).
    """
    others = [name for name in factors(pairs) if name != factor]
    gains = pairs.assign(gain=_gain(pairs, outcome, scale)).dropna(subset="gain")
    gains = gains[[*others, factor, "seed", "gain", "edge"]]
    both = gains[gains[factor] == first].merge(
        gains[gains[factor] == second], on=[*others, "seed"], suffixes=("_first", "_second")
    )
    rows = []
    for key, group in both.groupby(others, sort=False):
        if len(group) < 2:
            continue
        rows.append(
            {
                **dict(zip(others, key, strict=True)),
                "outcome": outcome,
                "scale": scale,
                "factor": factor,
                "first": first,
                "second": second,
                "effect_first": group["gain_first"].mean(),
                "effect_second": group["gain_second"].mean(),
                **estimate(group["gain_first"] - group["gain_second"]),
                **share(group["gain_second"], group["gain_first"]),
                "edge": bool(group[["edge_first", "edge_second"]].any(axis=None)),
            }
        )
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table["p"])) if len(table) else table


def closed_gap(
    runs: pd.DataFrame,
    outcome: str = "clean_loss",
    *,
    arm: str = "gradient",
    by: str = "clean_loss",
    tuning: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """How much of GC's gain at GC's best rate does no GC get by its own best rate?

    Returns:
        `pandas.DataFrame`, a row per setting: the factors, learning_rate (GC's best), learning_rate_baseline (no GC's
        best), gap, gap_low and gap_high (at GC's best rate; above 0: GC is better), share, share_low, share_high
        (closed by no GC's best rate; Fieller's 95% interval) and seeds. Settings whose no GC did not run at GC's best
        rate are left out.
    """
    rows = []
    pairs = best_pairs(runs, arm, by=by, tuning=tuning)
    if pairs.empty:
        return pairs
    for setting, pair in by_setting(pairs):
        rate = pair["learning_rate"].iloc[0]
        same = (runs[list(setting)] == pd.Series(setting)).all(axis=1) & (runs["stage"] == "confirmation")
        same &= (runs["arm"] == "none") & np.isclose(runs["learning_rate"], rate, rtol=1e-6)
        there = pair.merge(runs.loc[same, ["seed", outcome]], on="seed", suffixes=("", "_there"))
        if len(there) < 2:
            continue
        sign = 1 if higher_is_better(outcome) else -1
        gap = sign * (there[outcome] - there[f"{outcome}_there"])
        closed = sign * (there[f"{outcome}_baseline"] - there[f"{outcome}_there"])
        found = estimate(gap)
        rows.append(
            {
                **setting,
                "learning_rate": rate,
                "learning_rate_baseline": pair["learning_rate_baseline"].iloc[0],
                "gap": found["difference"],
                "gap_low": found["t_low"],
                "gap_high": found["t_high"],
                **share(closed, gap),
                "seeds": len(there),
            }
        )
    return pd.DataFrame(rows)
