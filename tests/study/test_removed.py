"""What of the gradient GC would remove, layer by layer: the numbers, from runs written by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gc_tutorial.study.evidence.removed import removed_shares

SETTING = {"data": "digits", "network": "cnn", "optimizer": "sgd"}


def runs(shares, **columns):
    """A run for each tuple of shares of two layers, whose chances are 1/10 and 1/4."""
    rows = [
        {
            **{**SETTING, "arm": "none", "diverged": False, "seed": seed, **columns},
            **{"share_1": first, "share_2": second, "chance_1": 0.1, "chance_2": 0.25},
        }
        for seed, (first, second) in enumerate(shares)
    ]
    return pd.DataFrame(rows)


def layers(table):
    return {row["layer"]: row for row in removed_shares(table).to_dict("records")}


def test_the_ratio_to_chance_is_a_geometric_mean_with_the_interval_of_the_logarithm():
    found = layers(runs([(0.2, 0.25), (0.8, 0.25), (0.4, 0.25)]))
    first, second = found[1], found[2]
    assert list(found) == [1, 2]
    assert (first["share"], first["chance"], first["seeds"]) == (pytest.approx(1.4 / 3), pytest.approx(0.1), 3)
    assert first["times_chance"] == pytest.approx(4.0)
    low, high = stats.ttest_1samp(np.log([2.0, 8.0, 4.0]), 0).confidence_interval(0.95)
    assert (first["times_low"], first["times_high"]) == (pytest.approx(np.exp(low)), pytest.approx(np.exp(high)))
    assert (second["chance"], second["times_chance"], second["times_low"], second["times_high"]) == (0.25, 1, 1, 1)
    assert {name: first[name] for name in SETTING} == SETTING


def test_only_runs_without_gc_that_did_not_diverge_count():
    sound = runs([(0.2, 0.5), (0.2, 0.5)])
    others = [runs([(0.9, 0.9)] * 3, arm="gradient"), runs([(0.9, 0.9)] * 3, diverged=True)]
    found = layers(pd.concat([others[0], sound, others[1]]))
    assert [(row["seeds"], row["times_chance"]) for row in found.values()] == [
        (2, pytest.approx(2.0)),
        (2, pytest.approx(2.0)),
    ]


def test_each_setting_has_its_rows_in_the_order_of_the_table():
    table = pd.concat([runs([(0.2, 0.5)] * 2, network="vit"), runs([(0.4, 0.5)] * 2)])
    found = removed_shares(table)
    assert list(zip(found["network"], found["layer"], strict=True)) == [("vit", 1), ("vit", 2), ("cnn", 1), ("cnn", 2)]
    assert found["times_chance"].tolist() == pytest.approx([2, 2, 4, 2])


def test_a_layer_that_a_network_lacks_and_a_share_of_zero_are_left_out():
    table = runs([(0.2, np.nan), (0.2, 0.5), (0.0, 0.5)])
    assert {layer: row["seeds"] for layer, row in layers(table).items()} == {1: 2, 2: 2}
    assert list(layers(runs([(0.2, np.nan), (0.2, 0.5)]))) == [1]  # one run has no interval
    assert removed_shares(runs([(0.2, 0.5)])).empty


def test_a_layer_beyond_the_ninth_has_its_own_number():
    table = runs([(0.2, 0.5)] * 2).rename(columns={"share_2": "share_12", "chance_2": "chance_12"})
    assert list(layers(table)) == [1, 12]
