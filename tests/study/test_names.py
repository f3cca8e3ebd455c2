"""What arms, values and settings are called."""

import pandas as pd
import pytest

from gc_tutorial.study.evidence import names
from gc_tutorial.study.factors import ARMS, NETWORKS, OPTIMIZERS, SCALINGS, SCHEDULES


def test_every_arm_and_every_factor_has_a_name_of_its_own():
    assert set(ARMS) <= set(names.ARMS)
    assert {*NETWORKS, *OPTIMIZERS, *SCALINGS, *SCHEDULES} <= set(names.VALUES)
    for table in (names.ARMS, names.VALUES):
        assert len(set(table.values())) == len(table)


@pytest.mark.parametrize(
    ("arm", "name"), [("none", "no GC"), ("update", "GC on the update"), ("not_yet_named", "not yet named")]
)
def test_an_arm(arm, name):
    assert names.arm_name(arm) == name


@pytest.mark.parametrize(
    ("factor", "value", "name"),
    [
        ("optimizer", "rmsprop", "RMSprop"),
        ("data", "flowers", "flowers"),
        ("split", 3, "3"),
        ("epochs", 12.0, "12 epochs"),
        ("image_size", 94, "94 px"),
        ("weight_decay", 0.05, "decay 0.05"),
        ("train_examples", 100.0, "100 examples"),
        ("pretrained", "cats_and_dogs", "fine-tuned from cats and dogs"),
        ("pretrained", "flowers", "fine-tuned from flowers"),
    ],
)
def test_a_value(factor, value, name):
    assert names.value_name(factor, value) == name


def table(**columns):
    usual = {
        "data": "horses_or_humans",
        "network": "cnn",
        "scaling": "0..1",
        "optimizer": "rmsprop",
        "weight_decay": 0.0,
        "schedule": "constant",
        "epochs": 12,
        "image_size": 94,
        "batch_size": 32,
        "train_examples": 0,
        "pretrained": "",
        "difference": 0.1,
    }
    return pd.DataFrame({**usual, **columns}, index=range(len(next(iter(columns.values())))))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"seed": [1, 2]}, ["RMSprop", "RMSprop"]),  # no factor differs
        ({"optimizer": ["adam", "sgd"]}, ["Adam", "SGD"]),
        ({"scaling": ["0..1", "-1..1"]}, ["inputs [0, 1]", "inputs [-1, 1]"]),
        # The optimizer first, then the data, then the network, and the others as in the table.
        (
            {
                "epochs": [6, 12],
                "network": ["cnn", "vit"],
                "data": ["flowers", "mnist1d"],
                "optimizer": ["sgd", "adam"],
            },
            ["SGD, flowers, plain CNN, 6 epochs", "Adam, MNIST-1D, transformer, 12 epochs"],
        ),
        # What is usual is not named.
        ({"weight_decay": [0.0, 0.1], "optimizer": ["sgd", "adamw"]}, ["SGD", "AdamW, decay 0.1"]),
        ({"schedule": ["constant", "warmup"]}, ["default setting", "warm-up"]),
        ({"train_examples": [0, 100]}, ["default setting", "100 examples"]),
        ({"pretrained": ["", "flowers"]}, ["default setting", "fine-tuned from flowers"]),
    ],
)
def test_a_setting_is_named_by_what_differs(columns, expected):
    assert names.setting_names(table(**columns)) == expected


def test_a_factor_can_be_left_out():
    settings = table(image_size=[94, 150], epochs=[6, 12])
    assert names.setting_names(settings, leave_out=("image_size",)) == ["6 epochs", "12 epochs"]
    assert names.setting_names(settings, leave_out=("image_size", "epochs")) == ["RMSprop"] * 2
    everything = ("image_size", "epochs", "optimizer")
    assert names.setting_names(settings, leave_out=everything) == ["default setting"] * 2


def test_a_value_that_is_missing_in_some_rows_differs():
    assert names.setting_names(table(batch_size=[32, 32, None])) == ["batches of 32", "batches of 32", "batches of nan"]


def test_a_data_set_without_a_name_of_its_own_is_called_as_it_is():
    assert names.value_name("pretrained", "pets") == "fine-tuned from pets"


def test_rows_and_settings_come_with_their_names_in_the_order_of_the_table():
    columns = {"optimizer": ["sgd", "adam", "sgd"], "network": ["vit", "cnn", "vit"], "arm": ["a", "b", "c"]}
    table = pd.DataFrame(columns, index=[7, 8, 9])
    rows = [(name, row["arm"]) for name, row in names.named_rows(table)]
    assert rows == [("SGD, transformer", "a"), ("Adam, plain CNN", "b"), ("SGD, transformer", "c")]
    settings = [(name, rows["arm"].tolist()) for name, rows in names.named_settings(table)]
    assert settings == [("SGD, transformer", ["a", "c"]), ("Adam, plain CNN", ["b"])]
