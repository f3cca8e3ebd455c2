"""Best against best: confirming runs of two arms, each at its own tuned rate, paired by seed."""

import numpy as np
import pandas as pd

from gc_tutorial.errors import value_error
from gc_tutorial.study.evidence.intervals import estimate, holm
from gc_tutorial.study.evidence.outcomes import by_setting, factors
from gc_tutorial.study.evidence.tuning import tuned_rates
from gc_tutorial.study.evidence.wording import INCONCLUSIVE, higher_is_better, word

MAY_DIFFER = ((), ("image_size",), ("epochs", "image_size"))  # from the tuned setting, strictest first
SMALLEST_LOSS = 1e-6  # below it, float32 losses carry no information


def best_pairs(
    runs: pd.DataFrame,
    arm: str = "gradient",
    baseline: str = "none",
    *,
    by: str = "clean_loss",
    tuning: pd.DataFrame | None = None,
    tuned: pd.DataFrame | None = None,
    stage: str = "confirmation",
) -> pd.DataFrame:
    """Pair the runs of an arm with those of the baseline, each at its own best rate.

    The rates are those of `tuned_rates` in the same setting, or else in one that differs in epochs and image size
    only. A setting without tuning is paired at the one rate at which the arm (and the baseline) ran.

    Args:
        runs: `pandas.DataFrame` as from `reduce_runs`.
        arm, baseline: str.
        by: the outcome that chose the rates.
        tuning: runs with the stage `"tuning"`, as from `reduce_runs`; by default those among `runs`.
        tuned: the rates, as from `tuned_rates`, where they are known already; `by` and `tuning` are then ignored.
        stage: of the runs to pair.

    Returns:
        `pandas.DataFrame`, a row per setting and seed in which both ran: the factors, seed, arm, baseline,
        learning_rate, learning_rate_baseline, edge (bool: a tuned rate lies at the edge of its grid), and every
        outcome twice: `NAME` of the arm, `NAME_baseline`.

    Raises:
        ValueError: if a setting ran at several rates and no tuning says which is the best.
    """
    if tuned is None:
        tuned = tuned_rates(runs if tuning is None else tuning, by)
    runs = runs.reset_index(drop=True)  # rows are chosen by it, and joined tables can hold a number twice
    chosen: dict[str, list] = {arm: [], baseline: []}
    edges = {}  # by the run of the arm
    for setting, group in by_setting(runs[runs["stage"] == stage]):
        if not {arm, baseline} <= set(group["arm"]):
            continue
        at_edge = False
        for one, kept in chosen.items():
            rate, edge = _rate(setting, one, group, tuned)
            kept.append(group.index[(group["arm"] == one) & np.isclose(group["learning_rate"], rate, rtol=1e-6)])
            at_edge |= edge
        edges.update(dict.fromkeys(chosen[arm][-1], at_edge))
    if not edges:
        return pd.DataFrame()
    ours, others = (runs.loc[np.concatenate(kept)] for kept in chosen.values())
    ours = ours.assign(edge=ours.index.map(edges).astype(bool))
    pairs = ours.merge(others, on=[*factors(runs), "seed"], suffixes=("", "_baseline"))
    return pairs.assign(arm=arm, baseline=baseline)


def _rate(setting, arm, group, tuned):
    """The arm's rate in a setting, and whether it lies at an edge of its grid."""
    ran = np.sort(group.loc[group["arm"] == arm, "learning_rate"].unique())
    found = _tuned_in(setting, tuned[tuned["arm"] == arm])
    if found is not None and np.isclose(ran, found["learning_rate"], rtol=1e-6).any():
        return found["learning_rate"], found["edge"] != ""
    if len(ran) > 1:  # such as no GC at 1.7 times the rate, beside the rate at which all arms ran
        others = group.loc[group["arm"] != arm, "learning_rate"].unique()
        ran = np.array([rate for rate in ran if np.isclose(others, rate, rtol=1e-6).any()])
    if len(ran) == 1:
        return ran[0], False
    named = ", ".join(str(value) for value in setting.values())
    raise value_error(
        "The arm {arm!r} ran at several rates ({named}), and no tuning says which is its best. Pass the tuning table.",
        arm=arm,
        named=named,
    )


def _tuned_in(setting, tuned):
    for differing in MAY_DIFFER:
        shared = [name for name in setting if name in tuned and name not in differing]
        same = tuned[np.logical_and.reduce([tuned[name].to_numpy() == setting[name] for name in shared])]
        if len(same):
            return same.iloc[0]
    return None


def differences(pairs: pd.DataFrame, outcome: str, scale: str = "") -> pd.Series:
    """Arm minus baseline, a value per pair: of the outcome, or with `scale="log"` of its logarithm."""
    arm, base = pairs[outcome], pairs[f"{outcome}_baseline"]
    if scale == "log":
        arm, base = np.log(arm.clip(lower=SMALLEST_LOSS)), np.log(base.clip(lower=SMALLEST_LOSS))
    return arm - base


def compare_pairs(
    pairs: pd.DataFrame, outcome: str, *, margin: float | None = None, scale: str = "", corrected: bool = True
) -> pd.DataFrame:
    """Estimate the difference in every setting.

    Args:
        pairs: as from `best_pairs`; all its settings are one family of tests.
        outcome: str, such as `"heldout_accuracy"`.
        margin: float, within which a difference has no practical meaning; None sets none.
        scale: `""`, or `"log"` for the difference of logarithms (a ratio of losses).
        corrected: whether the word "helps" or "hurts" must survive Holm's correction over the settings.

    Returns:
        `pandas.DataFrame`, a row per setting: the factors, arm, baseline, both learning rates, edge, outcome, scale,
        mean and mean_baseline, what `intervals.estimate` returns, p_holm, diverged and diverged_baseline (how many
        runs), margin (NaN where none was set), and word.
    """
    rows = []
    for setting, group in by_setting(pairs, "arm"):
        group = group[group[outcome].notna() & group[f"{outcome}_baseline"].notna()]
        if group.empty:  # such as shifted images, where a data set has none
            continue
        values, first = differences(group, outcome, scale), group.iloc[0]
        rows.append(
            {
                **setting,
                **first[["baseline", "learning_rate", "learning_rate_baseline", "edge"]].to_dict(),
                "outcome": outcome,
                "scale": scale,
                "mean": group[outcome].mean(),
                "mean_baseline": group[f"{outcome}_baseline"].mean(),
                **estimate(values),
                "diverged": int(group["diverged"].sum()),
                "diverged_baseline": int(group["diverged_baseline"].sum()),
                "margin": np.nan if margin is None else margin,  # None could not be compared with
            }
        )
    table = pd.DataFrame(rows)
    if len(table):
        table["p_holm"] = holm(table["p"])
        table["word"] = [_word(row, margin, corrected) for _, row in table.iterrows()]
    return table


def _word(row, margin, corrected):
    if min(row["diverged"], row["diverged_baseline"]) > row["seeds"] / 2:
        return INCONCLUSIVE  # two networks that guess are alike, whatever the method
    return word(
        (row["t_low"], row["t_high"]),
        (row["inner_low"], row["inner_high"]),
        margin=margin,
        better=higher_is_better(row["outcome"]),
        p_value=row["p_holm"] if corrected else None,
    )


def exchanged(
    runs: pd.DataFrame,
    arm: str = "gradient",
    baseline: str = "none",
    *,
    outcome: str = "clean_loss",
    by: str = "clean_loss",
    tuning: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The difference for every pair of the two arms' best rates: each arm at its own, and at that of the other.

    Args:
        runs, arm, baseline, by, tuning: as for `best_pairs`.
        outcome: str, whose difference is taken.

    Returns:
        `pandas.DataFrame`, a row per setting and pair of rates: the factors, learning_rate, learning_rate_baseline,
        outcome, what `intervals.estimate` returns, and same_sign (bool: whether all pairs of rates of the setting
        agree).
    """
    rows = []
    tuned = tuned_rates(runs if tuning is None else tuning, by)
    runs = runs[(runs["stage"] == "confirmation") & runs[outcome].notna()]
    for setting, group in by_setting(runs):
        if not {arm, baseline} <= set(group["arm"]):
            continue
        best = [_rate(setting, one, group, tuned)[0] for one in (arm, baseline)]
        group = group[np.isclose(group["learning_rate"].to_numpy()[:, None], best, rtol=1e-6).any(axis=1)]
        for rate, one in group[group["arm"] == arm].groupby("learning_rate"):
            for base_rate, base in group[group["arm"] == baseline].groupby("learning_rate"):
                both = one.merge(base, on="seed", suffixes=("", "_baseline"))
                if len(both) > 1:
                    rates = {"learning_rate": rate, "learning_rate_baseline": base_rate}
                    rows.append({**setting, **rates, "outcome": outcome, **estimate(differences(both, outcome))})
    table = pd.DataFrame(rows)
    if len(table):
        signs = np.sign(table["difference"]).groupby([table[name] for name in factors(table)])
        table["same_sign"] = (signs.transform("nunique") == 1) & (table["difference"] != 0)
    return table
