"""Best against best, number by number."""

import math
import re

import numpy as np
import pandas as pd
import pytest

from gc_tutorial.study.evidence import intervals
from gc_tutorial.study.evidence.intervals import estimate
from gc_tutorial.study.evidence.pairs import best_pairs, compare_pairs, differences, exchanged


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(intervals, "RESAMPLES", 99)


def runs(arm="none", rate=0.1, seeds=(200, 201, 202), stage="confirmation", losses=(0.5, 0.7, 0.6), **columns):
    """Confirming runs of one arm at one rate."""
    return pd.DataFrame(
        {
            "run": [f"{arm}-{rate}-{seed}-{stage}-{columns}" for seed in seeds],
            "stage": stage,
            "data": "digits",
            "optimizer": "sgd",
            "epochs": 12.0,
            "image_size": 94.0,
            "arm": arm,
            "learning_rate": rate,
            "seed": seeds,
            "clean_loss": losses[: len(seeds)],
            "heldout_accuracy": 1 - np.array(losses[: len(seeds)]),
            "diverged": False,
            **columns,
        }
    )


def tuned(best, rates=(0.01, 0.1, 1.0), **columns):
    """Tuning of both arms, whose losses are lowest at `best`: a rate, or a dict from arm to rate."""
    best = best if isinstance(best, dict) else dict.fromkeys(("none", "gradient"), best)
    tables = [
        runs(arm, rate, (100,), "tuning", (abs(math.log10(rate / best[arm])) + 0.01,), **columns)
        for arm in best
        for rate in rates
    ]
    return pd.concat(tables, ignore_index=True)


GAIN = runs("gradient", losses=(0.4, 0.5, 0.7))
BOTH = pd.concat([runs(), GAIN], ignore_index=True)


def together(*tables):
    return pd.concat(tables, ignore_index=True)


# ----- pairing


def test_a_pair_per_seed_with_both_outcomes():
    found = best_pairs(BOTH)
    assert found["seed"].tolist() == [200, 201, 202]
    assert found["clean_loss"].tolist() == [0.4, 0.5, 0.7]
    assert found["clean_loss_baseline"].tolist() == [0.5, 0.7, 0.6]
    assert set(found["arm"]) == {"gradient"} and set(found["baseline"]) == {"none"}
    assert set(found["learning_rate"]) == set(found["learning_rate_baseline"]) == {0.1}
    assert found["edge"].tolist() == [False] * 3
    assert (found["data"] == "digits").all() and "data_baseline" not in found
    assert found.index.tolist() == [0, 1, 2]


def test_settings_keep_the_order_of_the_table():
    names = ["flowers", "cats"]
    table = together(*(one.assign(data=name) for name in names for one in (runs(), GAIN)))
    pairs = best_pairs(table)
    assert pairs["data"].unique().tolist() == names
    assert compare_pairs(pairs, "clean_loss")["data"].tolist() == names
    assert exchanged(table)["data"].tolist() == names


def test_a_seed_without_its_partner_is_left_out():
    found = best_pairs(together(runs(seeds=(200, 201)), GAIN, runs("update", seeds=(202,))))
    assert found["seed"].tolist() == [200, 201]


def test_any_two_arms_may_be_paired():
    table = together(BOTH, runs("update", losses=(0.1, 0.2, 0.3)))
    found = best_pairs(table, "update", "gradient")
    assert (set(found["arm"]), set(found["baseline"])) == ({"update"}, {"gradient"})
    assert found["clean_loss_baseline"].tolist() == [0.4, 0.5, 0.7]


def test_settings_are_paired_apart_and_those_of_one_arm_left_out():
    other = [runs("gradient", data="flowers", losses=(1, 2, 3)), runs(data="flowers", losses=(4, 5, 6))]
    found = best_pairs(together(runs(data="mnist1d"), BOTH, *other))
    assert found["data"].tolist() == ["digits"] * 3 + ["flowers"] * 3
    assert found["clean_loss"].tolist() == [0.4, 0.5, 0.7, 1, 2, 3]
    assert found.index.tolist() == list(range(6))
    assert best_pairs(runs()).empty
    assert best_pairs(BOTH, stage="tuning").empty
    assert len(best_pairs(together(BOTH.assign(stage="practice"), runs()), stage="practice")) == 3


def test_rates_are_those_that_tuning_chose_for_each_arm():
    table = together(BOTH, runs(rate=1.0, losses=(9, 9, 9)), runs("gradient", 1.0, losses=(8, 8, 8)))
    best = {"none": 0.1, "gradient": 1.0}
    for found in (best_pairs(table, tuning=tuned(best)), best_pairs(together(table, tuned(best)))):
        assert found["clean_loss"].tolist() == [8, 8, 8]
        assert found["clean_loss_baseline"].tolist() == [0.5, 0.7, 0.6]
        assert found["edge"].all()  # the largest of three rates
    inside = tuned(best, (0.01, 0.1, 1.0, 10.0))
    assert not best_pairs(table, tuning=inside)["edge"].any()


def test_the_outcome_that_chose_may_be_another():
    table = together(BOTH, runs(rate=1.0), runs("gradient", 1.0))
    tuning = tuned(0.1).assign(heldout_accuracy=[0.1, 0.2, 0.9] * 2)
    assert set(best_pairs(table, tuning=tuning)["learning_rate"]) == {0.1}
    assert set(best_pairs(table, tuning=tuning, by="heldout_accuracy")["learning_rate"]) == {1.0}


def test_rates_that_differ_in_the_last_digits_are_one():
    table = together(runs(rate=0.1 * (1 + 1e-7)), GAIN)
    found = best_pairs(table, tuning=tuned({"none": 0.1, "gradient": 0.1}))
    assert len(found) == 3 and not found["edge"].any()
    assert best_pairs(together(runs(rate=0.1), runs(rate=0.1001), GAIN))["learning_rate_baseline"].eq(0.1).all()


def test_a_setting_is_tuned_by_itself_or_by_one_of_another_size():
    table = together(BOTH, runs(rate=1.0), runs("gradient", 1.0)).assign(image_size=150.0)
    sources = {
        "itself": tuned(1.0, image_size=150.0),
        "another image size": tuned(0.1, image_size=94.0),
        "other epochs": tuned(0.1, epochs=3.0, image_size=150.0),
        "both": tuned(0.1, epochs=3.0, image_size=94.0),
        "another optimizer": tuned(0.1, optimizer="adam", image_size=150.0),
    }

    def rates(*names):
        return set(best_pairs(table, tuning=together(*(sources[name] for name in names)))["learning_rate"])

    assert rates("another image size") == rates("both") == rates("other epochs") == {0.1}
    assert rates("both", "itself") == rates("another image size", "itself") == {1.0}
    sources["both"] = tuned(1.0, epochs=3.0, image_size=94.0)
    assert rates("both", "another image size") == {0.1}  # nearer
    with pytest.raises(ValueError, match="no tuning says"):
        rates("another optimizer")


def test_a_rate_that_was_not_run_does_not_count():
    found = best_pairs(BOTH, tuning=tuned(1.0))
    assert set(found["learning_rate"]) == {0.1} and not found["edge"].any()


def test_of_several_rates_the_one_that_the_other_arms_share():
    assert set(best_pairs(together(BOTH, runs(rate=0.17)))["learning_rate_baseline"]) == {0.1}
    update = runs("update", 0.17)
    told = (
        "The arm 'none' ran at several rates (digits, sgd, 12.0, 94.0), and no tuning says which is its best. "
        "Pass the tuning table."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        best_pairs(together(BOTH, runs(rate=0.17), update))


# ----- differences


def test_differences_and_their_logarithms():
    pairs = pd.DataFrame({"x": [1.0, 0.0, 1e-9], "x_baseline": [2.0, 1.0, 1e-7]})
    assert differences(pairs, "x").tolist() == pytest.approx([-1.0, -1.0, -9.9e-8])
    assert differences(pairs, "x", "log").tolist() == pytest.approx([-math.log(2), math.log(1e-6), 0.0])


def compared(pairs=None, outcome="clean_loss", **options):
    return compare_pairs(best_pairs(BOTH) if pairs is None else pairs, outcome, **options).to_dict("records")


def test_a_comparison_holds_the_estimate_and_the_setting():
    (row,) = compared(margin=0.5)
    assert {name: row[name] for name in ("data", "optimizer", "arm", "baseline", "outcome", "scale", "margin")} == {
        "data": "digits",
        "optimizer": "sgd",
        "arm": "gradient",
        "baseline": "none",
        "outcome": "clean_loss",
        "scale": "",
        "margin": 0.5,
    }
    assert (row["learning_rate"], row["learning_rate_baseline"], row["edge"]) == (0.1, 0.1, False)
    assert row["difference"] == pytest.approx(-0.2 / 3)
    expected = estimate(differences(best_pairs(BOTH), "clean_loss"))
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert (row["mean"], row["mean_baseline"]) == (pytest.approx(1.6 / 3), pytest.approx(0.6))
    assert (row["diverged"], row["diverged_baseline"], row["p_holm"]) == (0, 0, row["p"])
    assert row["word"] == "no practical difference"
    assert math.isnan(compared()[0]["margin"])
    assert compared()[0]["word"] == "inconclusive"


def test_a_comparison_on_the_scale_of_logarithms():
    (row,) = compared(scale="log")
    assert row["scale"] == "log"
    assert row["difference"] == pytest.approx(np.log(np.array([0.8, 5 / 7, 7 / 6])).mean())
    assert row["mean"] == pytest.approx(1.6 / 3)  # of the outcome itself


def test_diverged_runs_are_counted_by_side():
    pairs = best_pairs(BOTH).assign(diverged=[True, True, False], diverged_baseline=[False, False, True])
    (row,) = compared(pairs)
    assert (row["diverged"], row["diverged_baseline"]) == (2, 1)


def test_pairs_without_the_outcome_are_left_out():
    pairs = best_pairs(BOTH)
    pairs["clean_loss"] = [0.4, 0.5, math.nan]
    assert compared(pairs)[0]["seeds"] == 2
    pairs["clean_loss_baseline"] = [math.nan, 0.7, 0.6]
    other = best_pairs(together(runs(data="flowers"), runs("gradient", data="flowers", losses=(1, 2, 4))))
    for unmeasured in (pairs.assign(clean_loss=math.nan), pairs.assign(clean_loss_baseline=math.nan)):
        assert compare_pairs(unmeasured, "clean_loss").empty
        (row,) = compared(together(unmeasured, other))
        assert (row["data"], row["seeds"]) == ("flowers", 3)


def test_a_word_must_survive_the_correction_for_several_settings():
    def pair(data, shift):
        losses = [0.5 - shift - 0.01, 0.7 - shift, 0.6 - shift + 0.01]
        return together(runs(data=data), runs("gradient", data=data, losses=losses))

    pairs = best_pairs(together(pair("digits", 0.03), pair("flowers", 0.0), pair("mnist1d", -0.2)))
    rows = {row["data"]: row for row in compared(pairs)}
    assert rows["digits"]["p"] < 0.05 < rows["digits"]["p_holm"]
    assert [row["p_holm"] for row in rows.values()] == pytest.approx(intervals.holm([r["p"] for r in rows.values()]))
    assert [rows[one]["word"] for one in ("digits", "flowers", "mnist1d")] == ["inconclusive", "inconclusive", "hurts"]
    words = {row["data"]: row["word"] for row in compared(pairs, corrected=False)}
    assert words == {"digits": "helps", "flowers": "inconclusive", "mnist1d": "hurts"}
    words = {row["data"]: row["word"] for row in compared(pairs, "heldout_accuracy", corrected=False)}
    assert words == {"digits": "helps", "flowers": "inconclusive", "mnist1d": "hurts"}


def test_arms_of_one_setting_are_compared_apart():
    pairs = together(best_pairs(BOTH), best_pairs(together(runs(), runs("update")), "update"))
    assert [(row["arm"], row["difference"]) for row in compared(pairs)] == [
        ("gradient", pytest.approx(-0.2 / 3)),
        ("update", 0.0),
    ]


# ----- at every pair of rates


def test_every_pair_of_rates_is_compared():
    table = together(BOTH, runs(rate=1.0, losses=(0.9, 0.9, 0.9)), runs("gradient", 1.0, losses=(0.1, 0.2, 0.3)))
    best = tuned({"none": 0.1, "gradient": 1.0})
    # A third rate, which the held-out loss chose, is none of the rates compared.
    table = together(table, runs(rate=0.01), runs("gradient", 0.01, losses=(9, 9, 9)))
    found = exchanged(table, tuning=best)
    rows = {(row["learning_rate"], row["learning_rate_baseline"]): row for row in found.to_dict("records")}
    differences = {key: row["difference"] for key, row in rows.items()}
    expected = {(0.1, 0.1): -0.2 / 3, (0.1, 1.0): 1.6 / 3 - 0.9, (1.0, 0.1): -0.4, (1.0, 1.0): -0.7}
    assert differences == pytest.approx(expected)
    assert all(row["same_sign"] for row in rows.values())
    assert rows[0.1, 0.1]["t_low"] == pytest.approx(estimate([-0.1, -0.2, 0.1])["t_low"])
    assert set(found["data"]) == {"digits"}
    accuracy = exchanged(table, outcome="heldout_accuracy", tuning=best)
    assert (accuracy["difference"] > 0).all() and set(accuracy["outcome"]) == {"heldout_accuracy"}
    other = exchanged(table, "none", "gradient", tuning=best)
    assert (other["difference"] > 0).all()
    assert len(exchanged(table, tuning=tuned({"none": 0.1, "gradient": 0.1}))) == 1


def test_no_difference_at_all_is_no_sign():
    same = together(runs(), runs("gradient", losses=(0.5, 0.7, 0.6)))
    assert not exchanged(same)["same_sign"].any()


def test_another_sign_at_one_pair_of_rates_is_told_in_its_setting_alone():
    mixed = together(BOTH, runs("gradient", 1.0, losses=(0.9, 0.9, 0.9)))
    same = together(runs(data="flowers"), runs("gradient", data="flowers", losses=(0.1, 0.2, 0.3)))
    found = exchanged(together(mixed, same), tuning=tuned({"none": 0.1, "gradient": 1.0}))
    assert found.groupby("data")["same_sign"].agg(list).to_dict() == {"digits": [False, False], "flowers": [True]}


def test_what_is_not_confirmed_in_two_pairs_is_not_compared():
    single = together(runs(seeds=(200,)), runs("gradient", seeds=(200,)))
    for table in (single, BOTH.assign(stage="tuning"), BOTH.assign(clean_loss=math.nan), runs()):
        assert exchanged(table).empty
    two = exchanged(together(runs(seeds=(200, 201)), GAIN))
    assert two["seeds"].tolist() == [2]
