"""What a table of runs says: outcomes of each run, and paired differences with intervals."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from scipy import integrate, stats

from gc_tutorial.errors import value_error
from gc_tutorial.language import Words, text
from gc_tutorial.study.evidence import wording
from gc_tutorial.study.evidence.intervals import estimate

RESULTS = Path(__file__).parent / "results"
MARGINS = {"test_accuracy": 0.02}  # within which a difference has no practical meaning
OUTCOMES = Words(
    {
        "train_loss": "final training loss",
        "test_accuracy": "final held-out accuracy",
        "test_loss_area": "area under the held-out loss (loss × epochs)",
        "epochs_to_goal": "epochs to the training-loss goal",
        "seconds_per_epoch": "seconds per epoch",
    }
)


def load_study(name: str) -> pd.DataFrame:
    """Read a study that comes with the package.

    Args:
        name: `"rmsprop"`, `"sgd"`, `"published_recipe"`, `"control"` (tables of `compare`), `"published_progress"`
            (what the published example printed), or another table of the folder.

    Returns:
        `pandas.DataFrame`. The commands, the hardware and the date behind it are in the README beside the files.
    """
    return pd.read_csv(RESULTS / f"{name}.csv")


def outcomes(table: pd.DataFrame, loss_goal: float) -> pd.DataFrame:
    """Reduce each run to one row.

    Args:
        table: `pandas.DataFrame` as from `compare`.
        loss_goal: float, the training loss to reach; a run that never does counts as one epoch more than it had.

    Returns:
        `pandas.DataFrame` indexed by arm and seed: train_loss and test_accuracy of the last epoch, test_loss_area
        (trapezoids over epochs), epochs_to_goal, seconds_per_epoch (median, training alone) and diverged (bool).
    """

    def reduce(run):
        run = run.sort_values("epoch")
        reached = run.loc[run["train_loss"] <= loss_goal, "epoch"]
        return pd.Series(
            {
                "train_loss": run["train_loss"].iloc[-1],
                "test_accuracy": run["test_accuracy"].iloc[-1],
                "test_loss_area": integrate.trapezoid(run["test_loss"], run["epoch"]),
                "epochs_to_goal": reached.min() if len(reached) else run["epoch"].max() + 1,
                "seconds_per_epoch": run["seconds"].median(),
                "diverged": (run["status"] == "diverged").any(),
            }
        )

    return table.groupby(["arm", "seed"], sort=False)[list(table.columns)].apply(reduce)


def final_training_loss(table: pd.DataFrame, arm: str = "none") -> float:
    """Mean over seeds of the training loss in which an arm's runs end; runs that diverged are left out.

    Returns:
        float, the usual goal for `outcomes`: how many epochs do the other arms need to get as far? It is the mean of
        the baseline's own runs, so that some of them do not reach it.
    """
    runs = table[(table["arm"] == arm) & (table["status"] == "finished")]
    return runs.sort_values("epoch").groupby("seed")["train_loss"].last().mean()


def paired_differences(table: pd.DataFrame, baseline: str = "none", loss_goal: float | None = None) -> pd.DataFrame:
    """Compare every arm with the baseline, seed by seed.

    Within a seed the arms share initial weights, batches and augmentation, so that their difference is what the arm
    did. Two 95% intervals for the mean difference: a bootstrap over seeds (`scipy.stats.bootstrap`, BCa, 9,999
    resamples) and Student's t. Over few seeds a bootstrap comes out too narrow: where nothing differs, it misses zero
    in about one case out of four with 3 seeds and one out of ten with 10, instead of one out of twenty.

    Args:
        table: `pandas.DataFrame` as from `compare`.
        baseline: str, the arm to subtract.
        loss_goal: float, as for `outcomes`; by default the baseline's `final_training_loss`.

    Returns:
        `pandas.DataFrame` with a row per arm and outcome: arm, outcome, baseline (its mean), what `intervals.estimate`
        returns of arm minus baseline, and diverged (pairs left out because one of the two runs diverged).

    Raises:
        ValueError: if the baseline is not in the table, or alone there, or fewer than two pairs are left for an
            interval.
    """
    if baseline not in set(table["arm"]):
        raise value_error(
            "The table has no arm {baseline!r} to compare with: add it to the arms of the comparison.",
            baseline=baseline,
        )
    if set(table["arm"]) == {baseline}:
        raise value_error(
            "The table has only the arm {baseline!r}: there is nothing to compare it with.", baseline=baseline
        )
    runs = outcomes(table, final_training_loss(table, baseline) if loss_goal is None else loss_goal)
    reference = runs.loc[baseline]
    rows = []
    for arm in runs.index.get_level_values("arm").unique():
        if arm == baseline:
            continue
        other, base = runs.loc[arm].align(reference, join="inner", axis=0)
        diverged = other["diverged"].astype(bool) | base["diverged"].astype(bool)
        other, base = other[~diverged], base[~diverged]
        if len(other) < 2:
            raise value_error(
                "An interval needs at least two seeds in which both {arm!r} and {baseline!r} finished. "
                "Found {count}, and {diverged} in which a run diverged. Run more seeds.",
                arm=arm,
                baseline=baseline,
                count=len(other),
                diverged=diverged.sum(),
            )
        for outcome in OUTCOMES:
            found = estimate(other[outcome] - base[outcome])
            known = {"arm": arm, "outcome": outcome, "baseline": base[outcome].mean()}
            rows.append({**known, **found, "diverged": int(diverged.sum())})
    return pd.DataFrame(rows)


def verdict(row: Mapping) -> str:
    """Say in words what one row of `paired_differences` shows: a word, the sign, and one interval.

    The interval is Student's t, which is right with few seeds too; the bootstrap's is in the table. Where it leaves out
    zero, the arm helps or hurts. Where the 90% interval lies within the margin of the outcome (`MARGINS`), there is no
    practical difference. Otherwise the result is inconclusive.

    Returns:
        str, such as `"helps: lower by 0.12 (95% interval 0.092 to 0.14), 10 seeds"`; accuracies are said in points.
    """
    values = {
        "word": wording.VERDICTS[verdict_word(row)],
        "amount": wording.amount(row["difference"], row["t_low"], row["t_high"], row["outcome"]),
        "seeds": row["seeds"],
    }
    if not row["diverged"]:
        return text("{word}: {amount}, {seeds:.0f} seeds", **values)
    return text(
        "{word}: {amount}, {seeds:.0f} seeds; {diverged:.0f} left out because a run diverged",
        diverged=row["diverged"],
        **values,
    )


def verdict_word(row: Mapping) -> str:
    """The word with which `verdict` begins, in English whatever the language: one of those of `wording`."""
    interval = row["t_low"], row["t_high"]
    freedom = row["seeds"] - 1
    inner = stats.t.ppf(0.95, freedom) / stats.t.ppf(0.975, freedom)  # a 90% interval has the same centre
    return wording.word(
        interval,
        tuple(row["difference"] + inner * (limit - row["difference"]) for limit in interval),
        margin=MARGINS.get(row["outcome"]),
        better=wording.higher_is_better(row["outcome"]),
    )
