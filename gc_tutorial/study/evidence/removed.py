"""The share of the gradient that GC removes, layer by layer."""

import math

import numpy as np
import pandas as pd

from gc_tutorial.study.evidence.intervals import estimate
from gc_tutorial.study.evidence.outcomes import by_setting


def removed_shares(runs: pd.DataFrame) -> pd.DataFrame:
    """What GC would remove in runs without it, layer by layer, against chance.

    Returns:
        `pandas.DataFrame`, a row per setting and layer: the factors, layer (from 1), share (mean of the share of the
        squared gradient norm along the mean), chance (1/M), times_chance, times_low and times_high (geometric mean of
        their ratio over runs, 95% t interval of the logarithm) and seeds.
    """
    rows = []
    runs = runs[(runs["arm"] == "none") & ~runs["diverged"]]
    for setting, group in by_setting(runs):
        for column in [name for name in runs if name.startswith("share_")]:
            one = group[[column, column.replace("share", "chance")]].dropna()
            one = one[(one > 0).all(axis=1)]
            if len(one) < 2:
                continue
            found = estimate(np.log(one.iloc[:, 0] / one.iloc[:, 1]))
            rows.append(
                {
                    **setting,
                    "layer": int(column.rsplit("_", 1)[1]),
                    "share": one.iloc[:, 0].mean(),
                    "chance": one.iloc[:, 1].mean(),
                    "times_chance": math.exp(found["difference"]),
                    "times_low": math.exp(found["t_low"]),
                    "times_high": math.exp(found["t_high"]),
                    "seeds": len(one),
                }
            )
    return pd.DataFrame(rows)
