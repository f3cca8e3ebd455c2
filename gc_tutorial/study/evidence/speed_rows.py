"""What a rule about speed found, as rows of a table, and what its factors do not say."""

import math

import pandas as pd

from gc_tutorial.language import text
from gc_tutorial.study.evidence.findings import Finding
from gc_tutorial.study.evidence.outcomes import CLASSES
from gc_tutorial.study.evidence.result_rows import short_names
from gc_tutorial.study.evidence.wording import digits, listed, rate

NEAR = 0.95  # a goal above this part of a guess's loss is close to where a training starts


def speed_rows(finding: Finding) -> pd.DataFrame:
    """Tabulate what a rule of the kind "speed" found.

    Args:
        finding: as from `PublishedStudy.findings`.

    Returns:
        `pandas.DataFrame` of str, a row per setting: setting, goal (a running training loss), factor (how many times as
        many epochs training without GC needs, with its 95% interval), rate and rate_baseline (with GC and without),
        missed and missed_baseline (share of runs that never get to the goal), and word.
    """
    table = finding.table
    rows = [
        {
            "setting": name,
            "goal": digits(row.goal),
            "factor": text(
                "{ratio:.2f} ({low:.2f} to {high:.2f})", ratio=row.ratio, low=row.ratio_low, high=row.ratio_high
            ),
            "rate": rate(row.learning_rate),
            "rate_baseline": rate(row.learning_rate_baseline),
            "missed": f"{row.missed:.0%}",
            "missed_baseline": f"{row.missed_baseline:.0%}",
            "word": _word(row) + (" †" if row.edge else ""),
        }
        for row, name in zip(table.itertuples(), short_names(table), strict=True)
    ]
    return pd.DataFrame(rows)


def _word(row):
    if row.claimed:
        return text("faster")
    return text("slower" if row.slower else "not shown")


def near_a_guess(table: pd.DataFrame) -> pd.Series:
    """Where the goal is hardly below the loss of a guess, so that reaching it means little.

    Args:
        table: `pandas.DataFrame`, a row per setting, with the columns data and goal.

    Returns:
        `pandas.Series` of bool.
    """
    return table["goal"] > NEAR * table["data"].map(CLASSES).map(math.log)


def speed_limits(finding: Finding) -> list[str]:
    """Say what the factors of a rule of the kind "speed" do not say.

    Args:
        finding: as from `PublishedStudy.findings`.

    Returns:
        list of str, a sentence each: about goals that are hardly below the loss of a guess, and about a largest factor
        that compares two learning rates.
    """
    table, said = finding.table, []
    near = table[near_a_guess(table)]
    if len(near):
        names = dict(zip(table.index, short_names(table), strict=True))
        goals, guesses = near["goal"].map(digits), near["data"].map(CLASSES).map(math.log).map("{:.2f}".format)
        said.append(
            text(
                "Where the goal is {goals} and guessing gives {guesses} ({settings}), faster means leaving the start "
                "sooner.",
                goals=listed(sorted(set(goals))),
                guesses=listed(sorted(set(guesses))),
                settings=text("; ").join(names[place] for place in near.index),
            )
        )
    faster = table[table["claimed"]].sort_values("ratio")
    if len(faster):
        row = faster.iloc[-1]
        if not math.isclose(row["learning_rate"], row["learning_rate_baseline"], rel_tol=1e-6):
            said.append(
                text(
                    "The largest factor, {factor}, compares two learning rates: {ours} with GC and {baseline} without.",
                    factor=digits(row["ratio"]),
                    ours=rate(row["learning_rate"]),
                    baseline=rate(row["learning_rate_baseline"]),
                )
            )
    return said
