"""One number over several data sets, against the formulas of balanced designs."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gc_tutorial.study.evidence.across import mixed_model


def pairs(values, **columns):
    """A pair for each value, from a dict of (data set, network): differences."""
    rows = [
        {"data": data, "network": network, "optimizer": "sgd", "heldout_accuracy": 0.5 + one}
        for (data, network), each in values.items()
        for one in each
    ]
    return pd.DataFrame(rows).assign(heldout_accuracy_baseline=0.5, **columns)


def nested(sets=4, networks=2, seeds=5, of_sets=0.02, of_networks=0.01, noise=0.005):
    random = np.random.default_rng(1)
    values = {}
    for data in range(sets):
        level = 0.03 + of_sets * random.normal()
        for network in range(networks):
            mean = level + of_networks * random.normal()
            values[f"set {data}", f"network {network}"] = mean + noise * random.normal(size=seeds)
    return values


@pytest.mark.parametrize("networks", [1, 2, 3])
@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_in_a_balanced_design_the_means_of_the_data_sets_decide(networks, scale):
    values = {key: scale * each for key, each in nested(networks=networks).items()}
    means = np.array([np.mean([values[key] for key in values if key[0] == f"set {one}"]) for one in range(4)])
    error = means.std(ddof=1) / math.sqrt(4)
    found = mixed_model(pairs(values))
    assert found["difference"] == pytest.approx(means.mean(), rel=1e-6)
    normal, student = stats.norm.ppf(0.975), stats.t.ppf(0.975, 3)
    interval = [means.mean() - normal * error, means.mean() + normal * error]
    assert [found["t_low"], found["t_high"]] == pytest.approx(interval, abs=0.02 * error)  # the fit ends that near
    by_sets = [means.mean() - student * error, means.mean() + student * error]
    assert [found["set_low"], found["set_high"]] == pytest.approx(by_sets, rel=1e-6)
    assert (found["sets"], found["pairs"], found["note"]) == (4, 20 * networks, "")


def test_a_setting_counts_once_however_many_pairs_it_has():
    noise = 1e-3 * np.random.default_rng(2).normal(size=20)
    few, many = 0.2 + noise[:5] - noise[:5].mean(), noise - noise.mean()
    values = {}
    for data, level in (("a", 0.1), ("b", 0.2), ("c", 0.0)):
        values[data, "cnn"], values[data, "vit"] = level + many, level + few
    found = mixed_model(pairs(values))
    assert found["difference"] == pytest.approx(0.2, abs=1e-3)  # 0.14 would be the mean of the pairs


def test_pairs_without_the_outcome_are_left_out():
    table = pairs(nested(), shifted_loss=math.nan)  # as on most data sets
    lacking = pd.concat([table.iloc[:1].assign(data="set 9", heldout_accuracy=math.nan), table], ignore_index=True)
    assert mixed_model(lacking) == mixed_model(table) == mixed_model(pairs(nested()))


def test_a_variance_of_zero_is_noted():
    values = {("a", "cnn"): [0.01, 0.03], ("b", "cnn"): [0.032, 0.01], ("c", "cnn"): [0.018, 0.02]}
    found = mixed_model(pairs(values))
    assert found["difference"] == pytest.approx(0.02)
    assert "a variance was estimated as zero" in found["note"].split("; ")


@pytest.mark.filterwarnings("ignore:Precision loss")
def test_differences_without_spread_are_their_own_mean():
    found = mixed_model(pairs({("a", "cnn"): [0.25, 0.25], ("b", "cnn"): [0.25, 0.25]}))
    assert found["difference"] == pytest.approx(0.25)


def test_two_data_sets_are_enough_and_one_is_not():
    assert mixed_model(pairs(nested(sets=2)))["sets"] == 2
    with pytest.raises(ValueError, match=r"^A model over data sets needs at least two of them\.$"):
        mixed_model(pairs(nested(sets=1)))


def test_losses_have_their_own_differences():
    table = pairs(nested()).rename(columns=lambda name: name.replace("heldout_accuracy", "clean_loss"))
    assert mixed_model(table, "clean_loss") == mixed_model(pairs(nested()))
