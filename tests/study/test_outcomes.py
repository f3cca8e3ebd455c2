"""From epochs to outcomes, number by number."""

import math
import re

import numpy as np
import pandas as pd
import pytest

from gc_tutorial.study.evidence.outcomes import OUTCOMES, by_setting, epochs_to_goal, factors, reduce_runs

NAN = math.nan


def epochs(run="a", **columns):
    """Four epochs of one run, the last three of them measured."""
    return pd.DataFrame(
        {
            "run": run,
            "stage": "tuning",
            "data": "flowers",
            "network": "cnn",
            "arm": "none",
            "learning_rate": 0.1,
            "seed": 100,
            "epoch": [1, 2, 3, 4],
            "train_loss": [4.0, 3.0, 2.0, 1.0],
            "heldout_accuracy": [NAN, 0.2, 0.4, 0.9],
            "seconds": [9.0, 1.0, 1.0, 3.0],
            "status": "finished",
            **columns,
        }
    )


def reduced(*tables, **options):
    return reduce_runs(pd.concat(tables, ignore_index=True), **options).to_dict("records")


def test_a_run_becomes_a_row():
    table = reduce_runs(epochs())
    assert list(table.columns) == [
        *("run", "stage", "data", "network", "arm", "learning_rate", "seed"),
        *("heldout_accuracy", "train_loss", "seconds", "diverged"),
    ]
    assert table.to_dict("records") == [
        {
            "run": "a",
            "stage": "tuning",
            "data": "flowers",
            "network": "cnn",
            "arm": "none",
            "learning_rate": 0.1,
            "seed": 100,
            "heldout_accuracy": pytest.approx(0.5),
            "train_loss": 2.0,
            "seconds": 2.0,
            "diverged": False,
        }
    ]


def test_every_outcome_that_is_measured_is_kept_and_has_a_name_for_readers():
    names = [f"{where}_{what}" for where in ("heldout", "shifted") for what in ("loss", "accuracy", "auc")]
    names += ["clean_loss", "clean_accuracy"]
    (row,) = reduced(epochs(**{name: [0.0, 1.0, 2.0, 3.0] for name in names}, epochs_to_goal=1.0))
    assert [row[name] for name in names] == [2.0] * 8
    assert "epochs_to_goal" not in row
    assert len({OUTCOMES[name] for name in (*names, "train_loss", "epochs_to_goal")}) == len(names) + 2


@pytest.mark.parametrize(("accuracies", "mean"), [([0.0, 0.2, 0.4, 0.9], 0.5), ([NAN, NAN, 0.4, 0.9], 0.65)])
def test_the_last_three_epochs_are_averaged_whatever_the_order_of_the_rows(accuracies, mean):
    (row,) = reduced(epochs(heldout_accuracy=accuracies).iloc[[2, 0, 3, 1]])
    assert (row["heldout_accuracy"], row["train_loss"]) == (pytest.approx(mean), 2.0)


def test_runs_stay_apart_and_ordered_by_name():
    rows = reduced(epochs("b", seed=101), epochs("a", train_loss=[1.0] * 4))
    assert [(row["run"], row["seed"], row["train_loss"]) for row in rows] == [("a", 100, 1.0), ("b", 101, 2.0)]


def test_factors_are_those_of_the_table_in_one_order():
    assert factors(epochs()) == ["data", "network"]
    everything = pd.DataFrame(columns=["arm", "seed", "pretrained", "train_examples", "batch_size", "image_size",
        "epochs", "augmentation", "schedule", "weight_decay", "optimizer", "scaling", "network", "data"])  # fmt: skip
    assert factors(everything) == ["data", "network", "scaling", "optimizer", "weight_decay", "schedule",
        "augmentation", "epochs", "image_size", "batch_size", "train_examples", "pretrained"]  # fmt: skip


def test_settings_come_in_the_order_of_the_table_with_their_rows():
    table = pd.DataFrame({"data": ["b", "a", "b"], "epochs": [2, 2, 2], "arm": ["x", "x", "y"], "seed": [1, 2, 3]})
    found = [(setting, rows["seed"].tolist()) for setting, rows in by_setting(table)]
    assert found == [({"data": "b", "epochs": 2}, [1, 3]), ({"data": "a", "epochs": 2}, [2])]
    with_arms = [(setting["data"], setting["arm"], rows["seed"].tolist()) for setting, rows in by_setting(table, "arm")]
    assert with_arms == [("b", "x", [1]), ("a", "x", [2]), ("b", "y", [3])]


def test_empty_factors_are_said():
    empty = dict.fromkeys(("schedule", "augmentation", "pretrained", "scaling"), NAN)
    numbers = dict.fromkeys(("weight_decay", "train_examples", "image_size", "batch_size", "epochs"), NAN)
    (row,) = reduced(epochs(**empty, **numbers))
    assert [row[name] for name in empty] == ["constant", "published", "", ""]
    assert [row[name] for name in numbers] == [0.0] * 5
    (row,) = reduced(epochs(schedule="warmup", weight_decay=1, epochs=12, pretrained=3))
    assert [row[name] for name in ("schedule", "weight_decay", "pretrained")] == ["warmup", 1.0, "3"]
    assert isinstance(row["weight_decay"], float) and isinstance(row["epochs"], float)


def test_shares_are_means_over_all_epochs_and_figures_are_kept():
    (row,) = reduced(epochs(share_1=[0.1, 0.2, 0.3, 0.4], chance="0.5 0.25", figures="horse01:0.9"))
    assert (row["share_1"], row["chance_1"], row["chance_2"]) == (pytest.approx(0.25), 0.5, 0.25)
    assert row["figures"] == "horse01:0.9"
    first, second = reduced(epochs(chance="0.5 0.25"), epochs("b", chance=NAN))
    assert first["chance_2"] == 0.25 and "chance" not in first
    assert math.isnan(second["chance_1"])
    (row,) = reduced(epochs(chance_1=0.125))
    assert row["chance_1"] == 0.125


def lost(run, **columns):
    return epochs(run, status=["finished", "finished", "finished", "diverged"], clean_loss=NAN, heldout_auc=NAN,
                  shifted_loss=NAN, **columns)  # fmt: skip


def test_a_run_that_diverged_guesses():
    sound = epochs("sound", clean_loss=0.1, heldout_auc=0.7, shifted_loss=NAN)
    digits = epochs("digits", data="digits", clean_loss=0.1, heldout_auc=0.7, shifted_loss=0.3)
    rows = {row["run"]: row for row in reduced(sound, lost("lost"), digits, lost("other", data="digits"))}
    assert [rows[name]["diverged"] for name in ("sound", "lost", "digits", "other")] == [False, True, False, True]
    assert rows["sound"]["clean_loss"] == pytest.approx(0.1)
    assert rows["lost"]["clean_loss"] == rows["lost"]["train_loss"] == math.log(5)
    assert (rows["lost"]["heldout_accuracy"], rows["lost"]["heldout_auc"]) == (0.2, 0.5)
    assert math.isnan(rows["lost"]["shifted_loss"])  # flowers have none
    assert rows["other"]["clean_loss"] == rows["other"]["shifted_loss"] == math.log(10)
    assert (rows["other"]["heldout_accuracy"], rows["other"]["heldout_auc"]) == (0.1, 0.5)
    assert rows["digits"]["shifted_loss"] == pytest.approx(0.3)


@pytest.mark.parametrize(("factor", "diverged"), [(9.99, False), (10.0, False), (10.01, True)])
def test_a_loss_that_exploded_is_a_guess_though_it_is_finite(factor, diverged):
    (row,) = reduced(epochs(clean_loss=factor * math.log(5)))
    assert row["diverged"] is diverged
    assert row["clean_loss"] == pytest.approx(math.log(5) if diverged else factor * math.log(5))


CLASSES = {"horses_or_humans": 2, "cats_and_dogs": 2, "flowers": 5, "digits": 10, "mnist1d": 10}


@pytest.mark.parametrize(("data", "classes"), CLASSES.items())
def test_the_classes_of_our_data_sets(data, classes):
    (row,) = reduced(lost("lost", data=data))
    assert row["heldout_accuracy"] == 1 / classes


def test_the_classes_of_another_data_set_must_be_given():
    told = "A run on 'pets' diverged, and its number of classes is not known. Give classes=."
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        reduced(lost("lost", data="pets"))
    (row,) = reduced(lost("lost", data="pets"), classes={"pets": 4})
    assert row["heldout_accuracy"] == 0.25
    assert len(reduced(epochs(data="pets"))) == 1


def test_the_classes_that_the_table_knows_come_first():
    known = [lost("pets", data="pets", classes=4), lost("flowers", classes=3), lost("digits", data="digits", classes=0)]
    rows = {row["run"]: row for row in reduced(*known, classes={"pets": 7, "flowers": 5, "digits": 10})}
    assert [rows[name]["heldout_accuracy"] for name in ("pets", "flowers", "digits")] == [1 / 4, 1 / 3, 1 / 10]
    older, newer = lost("a", data="pets", classes=0), lost("b", data="pets", classes=4)
    assert [row["heldout_accuracy"] for row in reduced(older, newer)] == [1 / 4, 1 / 4]


@pytest.mark.parametrize(
    ("losses", "goal", "expected"),
    [
        ([1.0, 0.6, 0.2], 0.4, 2.0),  # half way between the middles of epochs 2 and 3
        ([1.0, 0.6, 0.2], 0.6, 1.5),
        ([1.0, 0.6, 0.2], 0.9, 0.75),
        ([1.0, 0.6, 0.9, 0.5], 0.6, 1.5),  # the first time counts
        ([1.0, 0.6, 0.9, 0.5], 0.55, 3.375),
        ([0.3, 0.2], 0.4, 0.5),  # at most
        ([0.4, 0.2], 0.4, 0.5),
        ([1.0, 0.6], 0.4, math.nan),
        ([1.0, math.nan, math.nan], 0.4, math.nan),
        ([], 0.4, math.nan),
    ],
)
def test_epochs_to_a_goal(losses, goal, expected):
    assert epochs_to_goal(losses, goal) == pytest.approx(expected, nan_ok=True)
    assert isinstance(epochs_to_goal(np.array(losses), goal), float)
