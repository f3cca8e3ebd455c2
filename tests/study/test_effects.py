"""Effects and shares of effects, number by number."""

import math

import numpy as np
import pandas as pd
import pytest

from gc_tutorial.study.evidence import intervals
from gc_tutorial.study.evidence.effects import ablations, closed_gap, interaction, split_settings
from gc_tutorial.study.evidence.intervals import estimate, holm, share
from gc_tutorial.study.evidence.pairs import best_pairs

BASE = np.array([1.0, 1.2, 1.4, 1.6])
GAINS = {"gradient": [0.5, 0.4, 0.6, 0.5], "half": [0.2, 0.3, 0.2, 0.3], "twice": [0.6, 0.8, 0.7, 0.5]}


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(intervals, "RESAMPLES", 99)


def runs(arm="none", gain=0.0, *, rate=0.1, seeds=range(200, 204), stage="confirmation", **columns):
    """Runs whose loss is that of the baseline less a gain, and whose accuracy is higher by a tenth of it."""
    gain = np.broadcast_to(gain, len(BASE))[: len(seeds)]
    return pd.DataFrame(
        {
            "run": [f"{arm}-{rate}-{seed}-{stage}-{columns}" for seed in seeds],
            "stage": stage,
            "data": "digits",
            "optimizer": "sgd",
            "scaling": "0..1",
            "arm": arm,
            "learning_rate": rate,
            "seed": seeds,
            "clean_loss": BASE[: len(seeds)] - gain,
            "heldout_accuracy": 0.5 + 0.1 * gain,
            "diverged": False,
            **columns,
        }
    )


def together(*tables):
    return pd.concat(tables, ignore_index=True)


def arms(*names, **columns):
    return together(runs(**columns), *(runs(name, GAINS[name], **columns) for name in names))


def same(row, expected):
    assert {name: row[name] for name in expected} == pytest.approx(expected, nan_ok=True)


# ----- ablations


def test_the_effect_of_each_arm_and_its_share_of_gcs():
    table = ablations(arms(*GAINS), scale="")
    assert table["arm"].tolist() == ["gradient", "half", "twice"]
    for row in table.to_dict("records"):
        gain = GAINS[row["arm"]]
        expected = estimate(gain)
        same(row, {name: expected[name] for name in ("difference", "sd", "t_low", "t_high", "inner_low", "p", "seeds")})
        same(row, share(gain, GAINS["gradient"]))
        same(row, {"mean": np.mean(BASE - gain), "mean_baseline": 1.3, "learning_rate": 0.1, "diverged": 0})
        assert [row[name] for name in ("data", "optimizer", "scaling", "outcome", "scale")] == [
            *("digits", "sgd", "0..1", "clean_loss", "")
        ]
    np.testing.assert_allclose(table["p_holm"], holm(table["p"]))


def test_effects_are_on_the_scale_of_logarithms_unless_told():
    (row,) = ablations(arms("gradient")).to_dict("records")
    assert row["scale"] == "log"
    assert row["difference"] == pytest.approx(np.log(BASE / (BASE - GAINS["gradient"])).mean())
    assert row["share"] == pytest.approx(1)


def test_of_accuracies_more_is_better():
    table = ablations(arms("gradient", "half"), "heldout_accuracy", scale="").set_index("arm")
    assert table["difference"].to_dict() == pytest.approx({"gradient": 0.05, "half": 0.025})
    assert set(table["outcome"]) == {"heldout_accuracy"}


def test_shares_are_of_the_seeds_that_both_have():
    table = together(runs(), runs("gradient", GAINS["gradient"], seeds=range(200, 203)), runs("half", GAINS["half"]))
    row = ablations(table, scale="").set_index("arm").loc["half"]
    same(row, share(GAINS["half"][:3], GAINS["gradient"][:3]))
    assert row["seeds"] == 4
    apart = runs("gradient", GAINS["gradient"], seeds=range(202, 206)), runs(seeds=range(202, 206))
    few = together(runs(seeds=range(200, 203)), runs("half", GAINS["half"], seeds=range(200, 203)), *apart)
    few = few.drop_duplicates(["arm", "seed"])
    row = ablations(few, scale="").set_index("arm").loc["half"]
    assert math.isnan(row["share"]) and row["seeds"] == 3  # one seed in common is too few


def test_without_gc_itself_there_is_no_share():
    row = ablations(arms("half"), scale="").iloc[0]
    assert math.isnan(row["share"])
    assert row["difference"] == pytest.approx(0.25)


def test_settings_are_corrected_apart():
    table = ablations(together(arms("gradient", "half"), arms("gradient", scaling="-1..1")), scale="")
    found = {key: part for key, part in table.groupby("scaling")}
    np.testing.assert_allclose(found["0..1"]["p_holm"], holm(found["0..1"]["p"]))
    np.testing.assert_allclose(found["-1..1"]["p_holm"], found["-1..1"]["p"])


def test_diverged_runs_of_the_arm_are_counted_and_unmeasured_ones_left_out():
    table = arms("gradient", "half")
    table.loc[(table["arm"] == "half") & (table["seed"] > 201), "diverged"] = True
    table.loc[(table["arm"] == "half") & (table["seed"] == 200), "clean_loss"] = math.nan
    found = ablations(table).set_index("arm")
    assert found["diverged"].to_dict() == {"gradient": 0, "half": 2}
    assert found["seeds"].to_dict() == {"gradient": 4, "half": 3}


def test_arms_of_the_tuning_alone_are_no_arms():
    assert ablations(together(arms("gradient"), runs("half", stage="tuning")))["arm"].tolist() == ["gradient"]
    lonely = runs("half", data="flowers")  # without a baseline
    assert ablations(together(arms("gradient"), lonely))["arm"].tolist() == ["gradient"]


def tuning(best, outcome="clean_loss"):
    """Tuning of both arms, best at one rate of three."""
    tables = [runs(arm, rate=rate, stage="tuning", seeds=[100]) for arm in ("none", "gradient") for rate in RATES]
    table = together(*tables)
    table[outcome] = np.where(table["learning_rate"] == best, 0.1, 0.9)
    return table


RATES = (0.01, 0.1, 1.0)


def test_rates_are_those_of_the_tuning_by_the_outcome_asked_for():
    table = together(arms("gradient"), arms("gradient", rate=1.0))
    tuned = tuning(1.0).assign(heldout_loss=tuning(0.1)["clean_loss"])
    assert ablations(table, tuning=tuned)["learning_rate"].tolist() == [1.0]
    assert ablations(table, tuning=tuned, by="heldout_loss")["learning_rate"].tolist() == [0.1]


def test_no_gc_at_a_larger_rate_is_an_arm():
    faster = runs(gain=[0.1, 0.2, 0.1, 0.1], rate=0.17)
    table = together(arms("gradient"), faster)
    before = table.copy()
    found = ablations(table, scale="", faster=1.7).set_index("arm")
    pd.testing.assert_frame_equal(table, before)
    assert found.loc["none_faster", "difference"] == pytest.approx(0.125)
    assert found.loc["none_faster", "learning_rate"] == 0.17
    assert found.loc["gradient", "difference"] == pytest.approx(0.5)
    assert ablations(table, scale="")["arm"].tolist() == ["gradient"]
    near = together(arms("gradient"), runs(gain=0.1, rate=0.17 * 1.02))
    assert "none_faster" in set(ablations(near, faster=1.7)["arm"])
    far = together(arms("gradient"), runs(gain=0.1, rate=0.17 * 1.05))
    assert "none_faster" not in set(ablations(far, faster=1.7)["arm"])
    elsewhere = together(arms("gradient"), runs(gain=0.1, rate=0.17, scaling="-1..1"))
    assert "none_faster" not in set(ablations(elsewhere, faster=1.7)["arm"])
    in_tuning = together(arms("gradient"), runs(gain=0.1, rate=0.17, stage="tuning"))
    assert "none_faster" not in set(ablations(in_tuning, faster=1.7)["arm"])


def test_parts_of_gc_are_compared_at_their_own_rate_and_not_at_the_best_of_no_gc():
    tuned = together(*(runs(rate=rate, gain=rate == 0.05, stage="tuning", seeds=(100, 101)) for rate in (0.05, 0.1)))
    elsewhere = together(
        runs(gain=0.3, rate=0.05, scaling="-1..1"), runs("gradient", GAINS["gradient"], scaling="-1..1")
    )
    table = together(tuned, arms(*GAINS), runs(gain=0.3, rate=0.05), runs(gain=0.1, rate=0.17), elsewhere)
    found = ablations(table, scale="", faster=1.7)
    usual, other = (found[found["scaling"] == level].set_index("arm") for level in ("0..1", "-1..1"))
    assert usual["difference"].to_dict() == pytest.approx(
        {name: np.mean(gain) for name, gain in GAINS.items()} | {"none_faster": 0.1}
    )
    assert usual["mean_baseline"].tolist() == pytest.approx([BASE.mean()] * len(usual))
    assert other["difference"].to_dict() == pytest.approx({"gradient": np.mean(GAINS["gradient"]) - 0.3})


def test_the_setting_with_most_arms_is_the_usual_one_of_its_optimizer():
    table = ablations(
        together(
            arms("gradient", "half"),
            arms("gradient", "half", scaling="-1..1").query("arm != 'half' or seed < 0"),
            arms("gradient", "twice", optimizer="adam", scaling="-1..1"),
            arms("half", optimizer="adam"),
        )
    )
    usual, elsewhere = split_settings(table)
    assert list(usual[["optimizer", "scaling", "arm"]].itertuples(index=False, name=None)) == [
        ("sgd", "0..1", "gradient"),
        ("sgd", "0..1", "half"),
        ("adam", "-1..1", "gradient"),
        ("adam", "-1..1", "twice"),
    ]
    assert list(elsewhere[["optimizer", "scaling", "arm"]].itertuples(index=False, name=None)) == [
        ("sgd", "-1..1", "gradient")
    ]
    assert usual.index.tolist() == [0, 1, 2, 3] and elsewhere.index.tolist() == [0]


def test_settings_and_arms_keep_the_order_of_the_table():
    table = ablations(together(arms("twice", "gradient", data="flowers"), arms("half", "gradient", data="cats")))
    assert list(table[["data", "arm"]].itertuples(index=False, name=None)) == [
        *(("flowers", "twice"), ("flowers", "gradient"), ("cats", "gradient"), ("cats", "half"))
    ]
    usual, _ = split_settings(table)
    assert list(usual.columns) == list(table.columns)


def test_what_else_was_not_measured_does_not_matter():
    table = arms("gradient").assign(shifted_loss=math.nan)
    assert ablations(table)["seeds"].tolist() == [4]
    pairs = levels().assign(shifted_loss=math.nan)
    assert crossed(pairs)["seeds"].tolist() == [4]


def test_two_seeds_in_common_are_enough_for_a_share():
    seeds = range(200, 202)
    table = together(runs(), runs("gradient", GAINS["gradient"], seeds=seeds), runs("half", GAINS["half"]))
    row = ablations(table, scale="").set_index("arm").loc["half"]
    same(row, share(GAINS["half"][:2], GAINS["gradient"][:2]))


# ----- interactions

LATER = [0.1, 0.3, 0.2, 0.1]


def levels(**columns):
    first = together(runs(**columns), runs("gradient", GAINS["gradient"], **columns))
    second = together(runs(scaling="-1..1", **columns), runs("gradient", LATER, scaling="-1..1", **columns))
    return best_pairs(together(first, second))


def crossed(pairs=None, **options):
    pairs = levels() if pairs is None else pairs
    return interaction(pairs, "scaling", "0..1", "-1..1", **options)


def test_an_interaction_is_the_difference_of_the_effects():
    (row,) = crossed().to_dict("records")
    change = np.subtract(GAINS["gradient"], LATER)
    expected = estimate(change)
    same(row, {name: expected[name] for name in ("difference", "t_low", "t_high", "p", "seeds")})
    same(row, share(LATER, GAINS["gradient"]))
    same(row, {"effect_first": 0.5, "effect_second": 0.175, "p_holm": row["p"]})
    assert [row[name] for name in ("data", "optimizer", "factor", "first", "second")] == [
        *("digits", "sgd", "scaling", "0..1", "-1..1")
    ]
    (turned,) = interaction(levels(), "scaling", "-1..1", "0..1").to_dict("records")
    assert turned["difference"] == pytest.approx(-row["difference"])


def test_an_interaction_of_another_outcome_or_on_another_scale():
    (row,) = crossed(outcome="heldout_accuracy").to_dict("records")
    same(row, {"effect_first": 0.05, "effect_second": 0.0175})
    (row,) = crossed(scale="log").to_dict("records")
    assert row["effect_second"] == pytest.approx(np.log(BASE / (BASE - LATER)).mean())


def test_interactions_in_several_settings_are_corrected():
    table = crossed(together(levels(), levels(data="flowers")))
    assert table["data"].tolist() == ["digits", "flowers"]
    np.testing.assert_allclose(table["p_holm"], 2 * table["p"])


def test_interactions_keep_the_order_of_the_table():
    assert crossed(together(levels(data="flowers"), levels(data="cats")))["data"].tolist() == ["flowers", "cats"]


def test_an_interaction_needs_two_seeds_at_both_levels():
    pairs = levels()
    few = pairs[(pairs["scaling"] == "0..1") | (pairs["seed"] == 200)]
    assert crossed(few).empty
    both = crossed(together(few, levels(data="flowers")))
    assert both["data"].tolist() == ["flowers"]
    pairs.loc[pairs["seed"] == 203, "clean_loss"] = math.nan
    assert crossed(pairs)["seeds"].tolist() == [3]
    two = levels()
    assert crossed(two[two["seed"] < 202])["seeds"].tolist() == [2]


# ----- the gap that a tuned rate closes


def tuned_apart():
    """GC is best at 1.0, no GC at 0.1."""
    table = together(tuning(1.0).query("arm == 'gradient'"), tuning(0.1).query("arm == 'none'"))
    return table


THERE = np.array([-0.3, -0.1, -0.2, -0.2])  # no GC at the rate that is best for GC is worse


def gap_runs(**columns):
    return together(
        runs(**columns),
        runs(gain=THERE, rate=1.0, **columns),
        runs("gradient", GAINS["gradient"], rate=1.0, **columns),
        runs("gradient", 0.1, **columns),
    )


def test_the_gap_at_gcs_rate_and_what_no_gc_closes_of_it():
    (row,) = closed_gap(gap_runs(), tuning=tuned_apart()).to_dict("records")
    gap = GAINS["gradient"] - THERE
    expected = estimate(gap)
    same(row, {"gap": 0.7, "gap_low": expected["t_low"], "gap_high": expected["t_high"], "seeds": 4})
    same(row, share(-THERE, gap))
    same(row, {"learning_rate": 1.0, "learning_rate_baseline": 0.1})
    assert [row[name] for name in ("data", "optimizer", "scaling")] == ["digits", "sgd", "0..1"]


def test_gaps_keep_the_order_of_the_table():
    names = ("flowers", "cats")
    tuned = together(*(tuned_apart().assign(data=name) for name in names))
    assert closed_gap(together(*(gap_runs(data=name) for name in names)), tuning=tuned)["data"].tolist() == list(names)


def test_the_gap_of_accuracies():
    (row,) = closed_gap(gap_runs(), "heldout_accuracy", tuning=tuned_apart()).to_dict("records")
    assert row["gap"] == pytest.approx(0.07)
    assert row["share"] == pytest.approx(0.2 / 0.7)


def test_the_gap_of_another_arm_and_by_another_outcome():
    table = gap_runs().replace({"gradient": "update"})
    assert closed_gap(table, tuning=tuned_apart().replace({"gradient": "update"}), arm="update")["gap"].item() > 0
    assert closed_gap(table, tuning=tuned_apart()).empty
    tuned = tuned_apart().rename(columns={"clean_loss": "heldout_loss"}).assign(clean_loss=tuning(0.1)["clean_loss"])
    assert closed_gap(gap_runs(), tuning=tuned, by="heldout_loss")["learning_rate"].tolist() == [1.0]


def test_tuning_among_the_runs_serves_as_well():
    assert closed_gap(together(gap_runs(), tuned_apart()))["gap"].item() == pytest.approx(0.7)


def test_settings_without_no_gc_at_gcs_rate_are_left_out():
    table = gap_runs()
    lacking = table[(table["arm"] != "none") | (table["learning_rate"] != 1.0) | (table["seed"] == 200)]
    flowers = tuned_apart().assign(data="flowers")
    both = closed_gap(together(lacking, gap_runs(data="flowers")), tuning=together(tuned_apart(), flowers))
    assert both["data"].tolist() == ["flowers"]
    two = table[(table["arm"] != "none") | (table["learning_rate"] != 1.0) | (table["seed"] < 202)]
    assert closed_gap(two, tuning=tuned_apart())["seeds"].tolist() == [2]
    assert closed_gap(runs()).empty
