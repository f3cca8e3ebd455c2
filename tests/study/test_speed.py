"""The question of speed, number by number: losses that fall on a straight line, whose goals can be reckoned by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from gc_tutorial.study.evidence import intervals
from gc_tutorial.study.evidence.intervals import estimate
from gc_tutorial.study.evidence.outcomes import reduce_runs
from gc_tutorial.study.evidence.pairs import best_pairs
from gc_tutorial.study.evidence.speed import goals, speed

SEEDS = (200, 201, 202, 203)
ARMS = ("none", "gradient")


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(intervals, "RESAMPLES", 99)


def table(arm="none", per_epoch=0.1, *, seeds=SEEDS, stage="confirmation", rate=0.1, epochs=6, spread=0.0, **more):
    """Runs whose loss starts at 1.0 and falls by `per_epoch` an epoch, by `spread` more with each seed.

    Those of the seeds in `lost` diverge after two epochs.
    """
    lost = more.pop("lost", ())
    rows = [
        {
            "run": f"{arm}-{stage}-{rate}-{seed}-{more}",
            "stage": stage,
            "data": "digits",
            "optimizer": "sgd",
            "epochs": epochs,
            "arm": arm,
            "learning_rate": rate,
            "seed": seed,
            "epoch": epoch,
            "train_loss": 1.0 - (per_epoch + spread * number) * (epoch - 1),
            "clean_loss": 1.0 - (per_epoch + spread * number) * (epoch - 1),
            "seconds": 1.0,
            "status": "diverged" if seed in lost else "finished",
            **more,
        }
        for number, seed in enumerate(seeds)
        for epoch in range(1, epochs + 1)
        if not (seed in lost and epoch > 2)
    ]
    return pd.DataFrame(rows)


def together(*tables):
    return pd.concat(tables, ignore_index=True)


BASE = table(spread=0.001)
FAST = table("gradient", 0.2, spread=0.003)
BOTH = together(BASE, FAST)


def found(data=BOTH, **options):
    return speed(data, reduce_runs(data), **options)


# ----- the goal


def goal(data, at=2 / 3, pairs=None):
    runs = reduce_runs(data)
    return goals(data, runs, best_pairs(runs) if pairs is None else pairs, at).to_dict("records")


def test_the_goal_is_where_the_baseline_stands_on_average():
    (row,) = goal(BOTH)
    # After 4 of 6 epochs: 1 - 3 (0.1 + 0.0015).
    assert row["goal"] == pytest.approx(0.6955)
    assert row["goal_from"] == "confirmation"
    assert {name: row[name] for name in ("data", "optimizer", "epochs")} == {
        "data": "digits",
        "optimizer": "sgd",
        "epochs": 6.0,
    }


@pytest.mark.parametrize(("at", "epoch"), [(1.0, 6), (0.5, 3), (0.59, 4), (0.57, 3), (0.01, 1), (0.0, 1)])
def test_the_part_of_the_epochs_is_rounded_and_at_least_one(at, epoch):
    assert goal(BOTH, at)[0]["goal"] == pytest.approx(1 - 0.1015 * (epoch - 1))


def test_tuning_runs_at_the_tuned_rate_set_the_goal():
    tuning = [
        table(per_epoch=0.15, seeds=(100, 101), stage="tuning"),
        table(per_epoch=0.01, seeds=(100,), stage="tuning", rate=0.01),
        table("gradient", 0.3, seeds=(100,), stage="tuning"),
        table(per_epoch=0.5, seeds=(102,), stage="tuning", lost=(102,)),  # it diverged
        table(per_epoch=0.16, seeds=(100,), stage="tuning", data="flowers"),
    ]
    (row,) = goal(together(BOTH, *tuning))
    assert (row["goal"], row["goal_from"]) == (pytest.approx(1 - 0.15 * 3), "tuning")
    other = [table(data="flowers"), table("gradient", 0.2, data="flowers")]
    rows = goal(together(BOTH, *tuning, *other))
    assert {row["data"]: row["goal"] for row in rows} == pytest.approx({"digits": 0.55, "flowers": 0.52})


def test_a_rate_that_differs_in_the_last_digits_is_the_same():
    tuning = table(per_epoch=0.15, seeds=(100,), stage="tuning", rate=0.1 * (1 + 1e-8))
    near = table(per_epoch=0.15, seeds=(100,), stage="tuning", rate=0.1001)
    pairs = best_pairs(reduce_runs(BOTH))
    assert goal(together(BOTH, tuning), pairs=pairs)[0]["goal_from"] == "tuning"
    assert goal(together(BOTH, near), pairs=pairs)[0]["goal_from"] == "confirmation"


# ----- the ratio


def times(per_epoch, goal):
    """The straight line meets the goal so many epochs after the middle of the first."""
    return 0.5 + (1 - goal) / per_epoch


def test_the_ratio_of_epochs_with_its_interval():
    (row,) = found().to_dict("records")
    base = np.array([times(0.1 + 0.001 * number, 0.6955) for number in range(4)])
    ours = np.array([times(0.2 + 0.003 * number, 0.6955) for number in range(4)])
    expected = estimate(np.log(base / ours), math.log(1.1))
    assert row["ratio"] == pytest.approx(math.exp(expected["difference"]))
    assert row["ratio_low"] == pytest.approx(math.exp(expected["t_low"]))
    assert row["ratio_high"] == pytest.approx(math.exp(expected["t_high"]))
    assert (row["strict"], row["strict_low"]) == pytest.approx((row["ratio"], row["ratio_low"]))
    assert row["p"] == pytest.approx(expected["p"]) and row["p_holm"] == row["p"]
    assert (row["missed"], row["missed_baseline"], row["seeds"]) == (0, 0, 4)
    assert (row["diverged"], row["diverged_baseline"], row["edge"]) == (0, 0, False)
    assert (row["arm"], row["baseline"], row["data"]) == ("gradient", "none", "digits")
    assert (row["learning_rate"], row["learning_rate_baseline"]) == (0.1, 0.1)
    assert (row["goal"], row["goal_from"]) == (pytest.approx(0.6955), "confirmation")
    assert row["claimed"]


def test_another_part_of_the_epochs():
    (row,) = found(goal_at=0.5).to_dict("records")
    assert row["goal"] == pytest.approx(1 - 0.1015 * 2)


def test_a_run_that_never_gets_there_counts_with_its_epochs_and_strictly_with_twice_as_many():
    data = together(table(per_epoch=0.1), table("gradient", 0.2, spread=-0.065))  # 0.2, 0.135, 0.07, 0.005
    (row,) = found(data).to_dict("records")
    base = times(0.1, 0.7)
    ours = np.array([times(0.2, 0.7), times(0.135, 0.7), times(0.07, 0.7), 6.0])
    assert row["ratio"] == pytest.approx(math.exp(np.log(base / ours).mean()))
    ours[3] = 12.0
    strict = estimate(np.log(base / ours))
    assert row["strict"] == pytest.approx(math.exp(strict["difference"]))
    assert row["strict_low"] == pytest.approx(math.exp(strict["t_low"]))
    assert (row["missed"], row["missed_baseline"]) == (0.25, 0.0)
    turned = together(table(per_epoch=0.1, spread=-0.03), table("gradient", 0.2, spread=0.001))
    (row,) = found(turned).to_dict("records")  # 0.1, 0.07, 0.04, 0.01 against the mean of these
    assert (row["missed"], row["missed_baseline"]) == (0.0, 0.25)
    assert row["strict"] == pytest.approx(row["ratio"])


def test_a_run_that_diverged_counts_with_twice_its_epochs():
    data = together(table(per_epoch=0.1), table("gradient", 0.2, spread=0.001, lost=(201,)))
    (row,) = found(data).to_dict("records")
    ours = np.array([times(0.2 + 0.001 * number, 0.7) for number in range(4)])
    ours[1] = 12.0
    assert row["ratio"] == pytest.approx(math.exp(np.log(times(0.1, 0.7) / ours).mean()))
    assert (row["missed"], row["diverged"], row["diverged_baseline"]) == (0.25, 1, 0)
    turned = together(table(per_epoch=0.1, lost=(200, 203)), table("gradient", 0.2, spread=0.001))
    (row,) = found(turned).to_dict("records")
    assert (row["missed_baseline"], row["diverged"], row["diverged_baseline"]) == (0.5, 0, 2)
    assert row["goal"] == pytest.approx(0.7)  # of those that finished


def test_tuning_may_be_in_tables_of_its_own():
    tuning = together(
        *(table(arm, 0.15, seeds=(100,), stage="tuning", rate=rate) for arm in ARMS for rate in (0.01, 0.1)),
    )
    tuning.loc[tuning["learning_rate"] == 0.01, "clean_loss"] = 9.0
    confirmed = together(BOTH, *(table(arm, 0.3, rate=0.01) for arm in ARMS))
    (row,) = found(confirmed, tuning=reduce_runs(tuning), tuning_table=tuning).to_dict("records")
    assert (row["goal"], row["goal_from"], row["learning_rate"]) == (pytest.approx(0.55), "tuning", 0.1)
    (same,) = found(together(confirmed, tuning)).to_dict("records")
    assert same["ratio"] == row["ratio"]
    (again,) = found(together(confirmed, tuning), tuning=reduce_runs(tuning), tuning_table=tuning).to_dict("records")
    assert again["goal"] == row["goal"] and again["seeds"] == 4
    with pytest.raises(ValueError, match="several rates"):
        found(confirmed)


def test_the_outcome_that_chose_the_rates_may_be_another():
    tuning = together(*(table(arm, seeds=(100,), stage="tuning", rate=rate) for arm in ARMS for rate in (0.01, 0.1)))
    tuning["heldout_loss"] = np.where(tuning["learning_rate"] == 0.1, 1.0, 2.0)
    tuning["clean_loss"] = 3 - tuning["heldout_loss"]
    data = together(BOTH, *(table(arm, 0.05, rate=0.01) for arm in ARMS))
    options = {"tuning": reduce_runs(tuning), "tuning_table": tuning}
    assert found(data, by="heldout_loss", **options)["learning_rate"].tolist() == [0.1]
    assert found(data, **options)["learning_rate"].tolist() == [0.01]


def test_settings_are_a_family_of_tests():
    data = together(BOTH, table(data="flowers", spread=0.001), table("gradient", 0.1, data="flowers", spread=0.005))
    rows = found(data)
    np.testing.assert_allclose(rows["p_holm"], intervals.holm(rows["p"]))
    assert rows.set_index("data")["claimed"].to_dict() == {"digits": True, "flowers": False}


def test_settings_keep_the_order_of_their_pairs():
    data = together(*(table(arm, 0.2, data=name) for name in ("flowers", "cats") for arm in ARMS))
    runs = reduce_runs(data).sort_values("data", ascending=False)
    assert speed(data, runs)["data"].tolist() == ["flowers", "cats"]
    assert goals(data, runs, best_pairs(runs))["data"].tolist() == ["flowers", "cats"]


def test_without_pairs_there_is_nothing():
    assert found(BASE).empty


@pytest.mark.parametrize(
    ("options", "claimed"),
    [
        ({}, True),
        ({"lower_bound": 1.6}, True),
        ({"lower_bound": 2.5}, False),
        ({"most_censored": 0.0}, True),
    ],
)
def test_a_claim_needs_a_ratio_above_the_bound(options, claimed):
    assert found(**options)["claimed"].tolist() == [claimed]


@pytest.mark.parametrize(("most_censored", "claimed"), [(0.24, False), (0.25, True)])
def test_a_claim_needs_runs_that_get_there(most_censored, claimed):
    # The last of four runs never gets there, but the baseline is so slow that even then the ratio is large.
    data = together(table(per_epoch=0.1, epochs=60), table("gradient", 3.0, epochs=60, spread=-1.0))
    row = found(data, most_censored=most_censored, lower_bound=0.01).iloc[0]
    assert row["missed"] == 0.25
    assert bool(row["claimed"]) == claimed


def test_a_claim_must_hold_strictly_too():
    data = together(table(per_epoch=0.1, epochs=60), table("gradient", 3.0, epochs=60, spread=-1.0))
    row = found(data, most_censored=1.0).iloc[0]
    between = (row["strict_low"] + row["ratio_low"]) / 2
    assert row["strict_low"] < between < row["ratio_low"]
    assert not found(data, most_censored=1.0, lower_bound=between)["claimed"].item()


def test_a_claim_must_survive_the_correction():
    close = table(data="close"), table("gradient", 0.13, data="close", spread=-0.005)
    alone = found(together(*close)).iloc[0]
    assert 0.02 < alone["p"] < 0.05 and alone["claimed"]
    other = [(table(data=name), table("gradient", 0.1, spread=0.004, data=name)) for name in ("a", "b", "c")]
    rows = found(together(*close, *(one for pair in other for one in pair))).set_index("data")
    assert rows.loc["close", "ratio_low"] == pytest.approx(alone["ratio_low"])
    assert rows.loc["close", "p_holm"] > 0.05 and not rows.loc["close", "claimed"]


def test_a_fifth_of_the_runs_may_never_get_there():
    data = together(table(per_epoch=0.1, epochs=60), table("gradient", 3.0, epochs=60, spread=-1.0))
    assert not found(data, lower_bound=0.01)["claimed"].item()  # a quarter is too many
