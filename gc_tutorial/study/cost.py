"""What GC costs: the measured times of whole training steps."""

import pandas as pd

from gc_tutorial.language import Words, text
from gc_tutorial.study.analysis import load_study
from gc_tutorial.study.evidence.names import arm_name

BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
MODELS = Words({"cnn": "the plain CNN", "transformer block": "a transformer block"})
ARMS = ("gradient", "update")


def measured_costs() -> pd.DataFrame:
    """The costs that come with the package (tests/benchmarks/optimizer_cost.py), a row for each backend, model and arm.

    Returns:
        `pandas.DataFrame` with backend, model, optimizer, arm, batch, rounds, and ratio, ratio_low and ratio_high: the
        median over rounds of processor seconds against the plain optimizer, and its 95% interval.
    """
    return load_study("optimizer_cost")


def cost_rows(costs: pd.DataFrame) -> pd.DataFrame:
    """How long a training step takes with GC, against one without it.

    Args:
        costs: as from `measured_costs`.

    Returns:
        `pandas.DataFrame`, a row per backend and model, a column per arm, such as `"1.01 (1.00 to 1.02)"`.
    """
    rows = costs[costs["arm"].isin(ARMS)].copy()
    rows["said"] = [
        text("{ratio:.2f} ({low:.2f} to {high:.2f})", ratio=row.ratio, low=row.ratio_low, high=row.ratio_high)
        for row in rows.itertuples()
    ]
    rows["trained"] = [
        text("{model}, {optimizer}", model=MODELS.get(row.model, row.model), optimizer=row.optimizer)
        for row in rows.itertuples()
    ]
    rows["backend"] = rows["backend"].map(lambda name: BACKENDS.get(name, name))
    table = rows.pivot(index=["backend", "trained"], columns="arm", values="said")
    order = rows.drop_duplicates(["backend", "trained"])[["backend", "trained"]]
    table = table.loc[list(order.itertuples(index=False, name=None)), list(ARMS)].rename(columns=arm_name)
    return table.rename_axis(columns=None).rename_axis([text("backend"), text("training step of")])


def cost_finding(costs: pd.DataFrame) -> str:
    """The most that GC adds to a training step, in one sentence. Arguments as for `cost_rows`."""
    first, second = (_largest(costs[costs["arm"] == arm]) for arm in ARMS)
    return text(
        "In the median over rounds, a training step takes at most {first} longer with GC ({first_where}), and at most "
        "{second} longer with GC on the update ({second_where}).",
        **{"first": first[0], "first_where": first[1], "second": second[0], "second_where": second[1]},
    )


def _largest(costs):
    row = costs.sort_values("ratio").iloc[-1]
    said = {name: f"{100 * (row[name] - 1):.1f}%" for name in ("ratio", "ratio_low", "ratio_high")}
    where = text(
        "{backend}, {model}; 95% interval {ratio_low} to {ratio_high}",
        backend=BACKENDS.get(row["backend"], row["backend"]),
        model=MODELS.get(row["model"], row["model"]),
        **said,
    )
    return said["ratio"], where
