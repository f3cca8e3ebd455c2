"""What all answers to rules share: each takes a rule and the runs, and returns what it found, in parts, and a table."""

from dataclasses import dataclass

import pandas as pd

from gc_tutorial.language import text

# With batch normalization the clean loss also measures how far its averages lag behind, so the plans ask both measures.
OTHER_LOSS = {"clean_loss": "train_loss", "train_loss": "clean_loss"}
# Under these names a table keeps, as attributes, the sentence about all of its settings, and whether they are enough.
GENERAL, ENOUGH = "general", "enough"


@dataclass(frozen=True, eq=False)  # so that it can be looked up in a cache
class Study:
    """A study's runs, and those that its rates were tuned on.

    Attributes:
        table, tuning_table: `pandas.DataFrame`, a row per run and epoch.
        runs, tuning: the same, as from `reduce_runs`.
    """

    table: pd.DataFrame
    runs: pd.DataFrame
    tuning_table: pd.DataFrame
    tuning: pd.DataFrame


def unanswered() -> list[str]:
    """The answer where there are no runs for a rule."""
    return [text("Not answered: the table has no runs for this rule.")]


def at_edge() -> str:
    """The note about a rate that may not be the best."""
    return text("A best rate lies at the edge of its grid.")


def fine_tuned(runs: pd.DataFrame, wanted: bool = False) -> pd.DataFrame:
    """The runs from pretrained weights, or those from new ones: two questions."""
    return runs[(runs["pretrained"] != "") == wanted] if "pretrained" in runs else runs


def primary(table: pd.DataFrame, rule: dict) -> pd.Series:
    """Which settings are in the primary family of tests: the networks of the rule from new weights, without decay."""
    if "networks" not in rule:
        return pd.Series(True, table.index)
    plain = table["network"].isin(rule["networks"])
    for factor, usual in (("weight_decay", 0), ("pretrained", "")):
        if factor in table:
            plain &= table[factor] == usual
    return plain
