import numpy as np
import pandas as pd
import pytest

from gc_tutorial.study.analysis import final_training_loss, finding, outcomes, paired_differences, verdict


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


def test_a_finding_names_each_direction():
    lower = runs({"none": [1.0, 2.0, 3.0], "gradient": [0.5, 1.4, 2.6]})
    assert finding(paired_differences(lower)) == "final training loss lower, final held-out accuracy lower"
    null = runs({"none": [1, 2, 3, 4], "gradient": [2, 1, 4, 3]})
    assert finding(paired_differences(null), shown=["train_loss"]) == "final training loss: no difference shown"


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
    assert "1 left out in which a run diverged" in verdict(found)


def test_the_goal_is_where_the_finished_baseline_ends():
    table = pd.concat([runs({"none": [1.0, 3.0]}), runs({"none": [9.0]}, status="diverged").assign(seed=2)])
    assert final_training_loss(table) == 2.0


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (runs({"none": [1.0], "gradient": [1.0]}), r"at least two seeds.*Found 1, and 0 .* Run more seeds"),
        (runs({"none": [1.0, 2.0], "gradient": [1.0, 2.0]}, status="diverged"), r"Found 0, and 2 .*diverged"),
        (runs({"gradient": [1.0, 2.0]}), "no arm 'none'"),
        (runs({"none": [1.0, 2.0]}), "no arm but 'none'"),
    ],
)
def test_no_interval_without_two_pairs(table, told):
    with pytest.raises(ValueError, match=told):
        paired_differences(table)
