import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gc_tutorial.study.analysis import (
    final_training_loss,
    load_study,
    outcomes,
    paired_differences,
    verdict,
)


def runs(finals, epochs=3, status="finished"):
    """A table in which arm and seed end at the training loss given, one lower each epoch."""
    rows = [
        {
            "arm": arm,
            "seed": seed,
            "epoch": epoch,
            "train_loss": loss + epochs - epoch,
            "test_loss": 2.0 * epoch,
            "test_accuracy": 0.5 + loss / 100,
            "seconds": [9.0, 1.0, 1.0][epoch - 1],
            "status": status,
        }
        for arm, losses in finals.items()
        for seed, loss in enumerate(losses)
        for epoch in range(1, epochs + 1)
    ]
    return pd.DataFrame(rows)


def row(differences, outcome, arm="gradient"):
    (found,) = differences[(differences["outcome"] == outcome) & (differences["arm"] == arm)].to_dict("records")
    return found


def test_outcomes_of_one_run():
    (run,) = outcomes(runs({"none": [1.0]}), loss_goal=2.0).to_dict("records")
    assert run["train_loss"] == 1.0
    assert run["test_accuracy"] == 0.51
    assert run["test_loss_area"] == 8.0  # trapezoids over 2, 4, 6
    assert run["epochs_to_goal"] == 2
    assert run["seconds_per_epoch"] == 1.0
    assert not run["diverged"]


def test_a_goal_never_reached_counts_one_epoch_more():
    (run,) = outcomes(runs({"none": [1.0]}), loss_goal=0.5).to_dict("records")
    assert run["epochs_to_goal"] == 4


def test_differences_are_taken_within_a_seed():
    # Seeds differ far more than arms do: only pairing shows the difference of about one.
    finals = {"none": [10.0, 20.0, 30.0, 40.0], "gradient": [9.0, 18.9, 29.1, 39.0]}
    found = row(paired_differences(runs(finals)), "train_loss")
    assert found["difference"] == pytest.approx(-1.0)
    assert -1.2 < found["low"] < -1.0 < found["high"] < -0.8
    assert found["seeds"] == 4
    assert verdict(found).startswith("helps: lower by 1.0 (95% interval 0.8")
    assert verdict(found).endswith("), 4 seeds")


def test_the_order_of_rows_does_not_matter():
    table = runs({"none": [1.0, 2.0, 3.0], "gradient": [1.5, 2.0, 2.0]})
    shuffled = table.sample(frac=1, random_state=0)
    first = paired_differences(table).set_index(["arm", "outcome"]).sort_index()
    second = paired_differences(shuffled).set_index(["arm", "outcome"]).sort_index()
    np.testing.assert_allclose(second[["difference", "baseline"]], first[["difference", "baseline"]])


def test_a_bootstrap_alone_shows_nothing():
    # Three seeds of one sign: the bootstrap leaves out zero, as it would in one case out of four by chance.
    found = row(paired_differences(runs({"none": [1.0, 1.0, 1.0], "gradient": [0.9, 0.5, 0.1]})), "train_loss")
    assert found["high"] < 0 < found["t_high"]
    assert verdict(found).startswith("inconclusive: lower by 0.50 (95% interval from 1.5 lower to 0.49 higher)")


def test_a_null_result_is_called_one():
    found = row(paired_differences(runs({"none": [1, 2, 3, 4], "gradient": [2, 1, 4, 3]})), "train_loss")
    assert verdict(found).startswith("inconclusive: lower by 0 (95% interval from 1.8 lower to 1.8 higher)")


def test_more_accuracy_helps_and_is_said_in_points():
    table = runs({"none": [1.0, 2.0, 3.0, 4.0], "gradient": [6.1, 7.3, 8.1, 9.3]})  # accuracy: 0.5 + loss / 100
    assert verdict(row(paired_differences(table), "test_accuracy")).startswith("helps: higher by 5.2 points (95% ")
    assert verdict(row(paired_differences(table), "train_loss")).startswith("hurts: higher by 5.2 (95% ")


def test_a_small_difference_in_accuracy_is_no_practical_one():
    table = runs({"none": [1.0, 2.0, 3.0, 4.0], "gradient": [1.1, 1.9, 3.1, 3.9]})
    assert verdict(row(paired_differences(table), "test_accuracy")).startswith("no practical difference: ")
    assert verdict(row(paired_differences(table), "train_loss")).startswith("inconclusive: ")


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(0)
    covered = np.zeros(2)
    for _ in range(40):
        none = random.normal(0, 5, 12)
        found = row(
            paired_differences(runs({"none": none, "gradient": none + random.normal(1, 1, 12)}, 1)), "train_loss"
        )
        covered += np.array([found["low"] <= 1 <= found["high"], found["t_low"] <= 1 <= found["t_high"]])
    assert (covered >= 32).all()
    assert covered[1] >= covered[0]  # the bootstrap is the narrower one


def test_diverged_runs_are_left_out_in_pairs_and_counted():
    table = runs({"none": [1.0, 2.0, 3.0], "gradient": [0.0, 1.5, 2.0]})
    lost = (table["arm"] == "gradient") & (table["seed"] == 1)
    table.loc[lost, ["status", "train_loss", "test_loss"]] = ["diverged", np.nan, np.nan]
    found = row(paired_differences(table), "train_loss")
    assert (found["difference"], found["seeds"], found["diverged"], found["baseline"]) == (-1.0, 2, 1, 2.0)
    assert "1 left out because a run diverged" in verdict(found)


def test_the_goal_is_where_the_finished_baseline_ends():
    table = pd.concat([runs({"none": [1.0, 3.0]}), runs({"none": [9.0]}, status="diverged").assign(seed=2)])
    assert final_training_loss(table) == 2.0


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (runs({"none": [1.0], "gradient": [1.0]}), r"at least two seeds.*Found 1, and 0 .* Run more seeds"),
        (runs({"none": [1.0, 2.0], "gradient": [1.0, 2.0]}, status="diverged"), r"Found 0, and 2 .*diverged"),
        (runs({"gradient": [1.0, 2.0]}), "no arm 'none'"),
        (runs({"none": [1.0, 2.0]}), "only the arm 'none'"),
    ],
)
def test_no_interval_without_two_pairs(table, told):
    with pytest.raises(ValueError, match=told):
        paired_differences(table)


# ----- number by number


@pytest.mark.parametrize("name", ["rmsprop", "published_progress"])
def test_a_study_that_comes_with_the_package_is_a_table_of_epochs(name):
    table = load_study(name)
    assert {"epoch", "train_loss"} <= set(table)
    assert np.isfinite(table["train_loss"]).all()


def test_the_area_is_over_the_epochs_that_were_measured():
    table = runs({"none": [1.0]}, epochs=3)
    (run,) = outcomes(table[table["epoch"] != 2], loss_goal=2.0).to_dict("records")
    assert run["test_loss_area"] == 8.0  # (2 + 6) / 2, over two epochs
    assert run["test_accuracy"] == 0.51


def test_arms_keep_the_order_of_the_table():
    finals = {"update": [1.0, 2.0, 3.0], "none": [1.0, 1.5, 2.5], "gradient": [2.0, 2.0, 4.0]}
    found = paired_differences(runs(finals))
    assert found["arm"].unique().tolist() == ["update", "gradient"]
    assert found["outcome"].unique().tolist() == [
        *("train_loss", "test_accuracy", "test_loss_area", "epochs_to_goal", "seconds_per_epoch")
    ]
    against = paired_differences(runs(finals), baseline="gradient")
    assert against["arm"].unique().tolist() == ["update", "none"]
    assert row(against, "train_loss", "update")["difference"] == pytest.approx(-2 / 3)


def test_the_goal_is_that_of_the_baseline_unless_told():
    # In epochs 1 to 3 the losses are final + 2, + 1, + 0. The goal is 2.0, where no GC ends on average.
    finals = {"none": [1.0, 3.0], "gradient": [0.0, 1.0]}
    assert row(paired_differences(runs(finals)), "epochs_to_goal")["baseline"] == 3.0  # 2 and never, which is 4
    assert row(paired_differences(runs(finals)), "epochs_to_goal")["difference"] == -1.5
    assert row(paired_differences(runs(finals), loss_goal=3.5), "epochs_to_goal")["baseline"] == 2.0  # 1 and 3
    other = paired_differences(runs(finals), baseline="gradient")  # whose goal is 0.5
    assert row(other, "epochs_to_goal", "none")["baseline"] == 3.5  # 3 and never
    assert row(paired_differences(runs(finals), loss_goal=0.0), "epochs_to_goal")["baseline"] == 4.0


def test_seeds_that_only_one_arm_ran_are_left_out():
    table = runs({"none": [1.0, 2.0, 3.0, 9.0], "gradient": [0.5, 1.0, 2.0]})
    found = row(paired_differences(table), "train_loss")
    assert (found["seeds"], found["baseline"], found["diverged"]) == (3, 2.0, 0)
    more = runs({"none": [1.0, 2.0, 3.0], "gradient": [0.5, 1.0, 2.0, 9.0]})
    assert row(paired_differences(more), "train_loss")["seeds"] == 3


def test_both_intervals_are_those_of_scipy():
    differences = np.random.default_rng(0).integers(-99, 20, 9) / 64  # without rounding
    none = np.arange(9.0)
    found = row(paired_differences(runs({"none": none, "gradient": none + differences})), "train_loss")
    bootstrap = stats.bootstrap((differences,), np.mean, rng=0).confidence_interval
    assert (found["low"], found["high"]) == pytest.approx(tuple(bootstrap), rel=1e-9)
    t = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert (found["t_low"], found["t_high"]) == pytest.approx(tuple(t))


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_differences_without_spread_are_their_own_interval(spread):
    found = row(paired_differences(runs({"none": [1.0, 2.0], "gradient": [0.5, 1.5 + spread]})), "train_loss")
    limits = [found[name] for name in ("low", "high", "t_low", "t_high")]
    assert (limits == [-0.5] * 4) == (spread == 0)


def said(**columns):
    usual = {"outcome": "test_accuracy", "difference": 0.0, "t_low": -0.015, "t_high": 0.015, "seeds": 3, "diverged": 0}
    return verdict({**usual, **columns})


@pytest.mark.parametrize(
    ("seeds", "half", "word"),
    [
        # The 90% interval is narrower by t(0.95) / t(0.975): by 0.679 with 3 seeds, by 0.81 with 10.
        (3, 0.029, "no practical difference"),
        (3, 0.030, "inconclusive"),
        (10, 0.0246, "no practical difference"),
        (10, 0.0248, "inconclusive"),
    ],
)
def test_equivalence_is_judged_by_the_inner_interval(seeds, half, word):
    assert said(seeds=seeds, t_low=-half, t_high=half).startswith(f"{word}: ")
    shifted = {"difference": 0.005, "t_low": 0.005 - half, "t_high": 0.005 + half}
    assert said(seeds=seeds, **shifted).startswith("inconclusive: ")


def test_an_inner_interval_lies_around_the_difference():
    assert said(difference=0.01, t_low=-0.003, t_high=0.023, seeds=10).startswith("inconclusive: ")
    assert said(difference=0.01, t_low=-0.001, t_high=0.021, seeds=10).startswith("no practical difference: ")
    assert said(difference=-0.01, t_low=-0.021, t_high=0.001, seeds=10).startswith("no practical difference: ")


def test_a_verdict_in_full():
    assert said(seeds=4, diverged=2, difference=0.05, t_low=0.03, t_high=0.07) == (
        "helps: higher by 5.0 points (95% interval 3.0 to 7.0), 4 seeds; 2 left out because a run diverged"
    )
    assert said(outcome="train_loss", seeds=4, difference=0.05, t_low=0.03, t_high=0.07) == (
        "hurts: higher by 0.050 (95% interval 0.030 to 0.070), 4 seeds"
    )
