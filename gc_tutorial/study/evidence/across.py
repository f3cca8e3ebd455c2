"""One number over all data sets, beside the paired intervals of each."""

import warnings

import pandas as pd
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM
from statsmodels.tools.sm_exceptions import ModelWarning

from gc_tutorial.errors import value_error
from gc_tutorial.study.evidence.outcomes import factors
from gc_tutorial.study.evidence.pairs import differences


def mixed_model(pairs: pd.DataFrame, outcome: str = "heldout_accuracy") -> dict:
    """One difference over all data sets: a mixed model (statsmodels) of the paired differences.

    The data set has a random effect, and within it each setting another one.

    Returns:
        dict of difference, t_low and t_high (95%, of the mixed model), sets, set_low and set_high (95% t interval of
        the means of the data sets, which does not rely on a variance estimated from a few sets), pairs, and note (what
        the fit warned of, or `""`).

    Raises:
        ValueError: for fewer than two data sets.
    """
    values = pairs.assign(value=differences(pairs, outcome)).dropna(subset="value", ignore_index=True)
    if values["data"].nunique() < 2:
        raise value_error("A model over data sets needs at least two of them.")
    names = [name for name in factors(pairs) if name != "data" and values[name].nunique() > 1]
    values["setting"] = values[names].astype(str).agg(" ".join, axis=1) if names else "one"
    components = {"setting": "0 + C(setting)"} if values["setting"].nunique() > 1 else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        unit = values["value"].std() or 1.0  # the optimizer of the fit expects numbers around 1
        values["scaled"] = values["value"] / unit
        model = MixedLM.from_formula("scaled ~ 1", groups="data", vc_formula=components, re_formula="1", data=values)
        fit = model.fit(reml=True, method=["powell", "lbfgs"])
        low, high = unit * fit.conf_int().loc["Intercept"]
    settings = values.groupby(["data", "setting"])["value"].mean()
    sets = settings.groupby("data").mean()
    set_low, set_high = stats.ttest_1samp(sets, 0).confidence_interval(0.95)
    told = {str(one.message).split(".")[0] for one in caught if issubclass(one.category, ModelWarning)}
    notes = sorted("a variance was estimated as zero" if "boundary" in one else one for one in told)
    return {
        "difference": float(unit * fit.params["Intercept"]),
        "t_low": float(low),
        "t_high": float(high),
        "sets": len(sets),
        "set_low": float(set_low),
        "set_high": float(set_high),
        "pairs": len(values),
        "note": "; ".join(notes),
    }
