import io
import itertools
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gc_tutorial import compare
from gc_tutorial.errors import DataError
from gc_tutorial.study import comparison, store
from gc_tutorial.study.engine import versions
from gc_tutorial.study.store import StoreError

ARMS = ("none", "gradient", "update", "recompiled")
SMALL = {"batch_size": 16, "epochs": 2, "progress": False}
MEASURES = ["train_loss", "train_accuracy", "test_loss", "test_accuracy"]


@pytest.fixture(scope="module")
def few(synthetic):
    """32 training and 16 test images."""
    return replace(
        synthetic,
        train_images=synthetic.train_images[:32],
        train_labels=synthetic.train_labels[:32],
        train=synthetic.train.take(32),
        test=synthetic.test.take(16),
    )


@pytest.fixture(scope="module")
def table(few):
    return compare(few, arms=ARMS, seeds=2, **SMALL)


def run(table, arm, seed=0):
    return table[(table["arm"] == arm) & (table["seed"] == seed)].reset_index(drop=True)


def test_a_row_for_every_arm_seed_and_epoch(table):
    expected = [
        (arm, seed, epoch) for seed in (0, 1) for arm in ARMS for epoch in range(1, 5 if arm == "recompiled" else 3)
    ]
    assert list(table[["arm", "seed", "epoch"]].itertuples(index=False, name=None)) == expected
    assert np.isfinite(table[MEASURES].to_numpy()).all()
    assert (table["seconds"] > 0).all()
    assert set(table["status"]) == {"finished"}
    configuration = {
        "data": "synthetic_horses_or_humans/small/1.0.0",
        "optimizer": "rmsprop",
        "epochs": 2,
        "batch_size": 16,
    }
    assert (table[list(configuration)] == list(configuration.values())).all().all()


@pytest.mark.parametrize("optimizer", ["rmsprop", "sgd"])
def test_within_a_seed_all_arms_share_weights_batches_and_augmentation(few, optimizer):
    configuration = {"image_size": 94, "batch_size": 16, "optimizer": optimizer, "learning_rate": 1e-3}

    def start(arm, seed):
        model, batches = comparison.prepare_run(few, configuration, arm, seed)
        pixels = [part for _ in range(2) for batch in batches.as_numpy_iterator() for part in batch]
        return [*model.get_weights(), *pixels]

    none, *others = [start(arm, seed=3) for arm in ARMS]
    for other in others:
        for expected, found in zip(none, other, strict=True):
            np.testing.assert_array_equal(found, expected)
    another_seed = start("none", seed=4)
    assert not np.array_equal(another_seed[0], none[0])
    assert not np.array_equal(another_seed[-2], none[-2])


def test_arms_train_differently_and_the_same_run_twice_alike(few, table):
    again = compare(few, arms=("update", "none"), seeds=[1], **SMALL)
    for arm in ("none", "update"):
        pd.testing.assert_frame_equal(run(again, arm, 1)[MEASURES], run(table, arm, 1)[MEASURES], check_exact=True)
    finals = {arm: run(table, arm)["train_loss"][1] for arm in ("none", "gradient", "update")}
    assert len(set(finals.values())) == 3


def test_the_control_is_the_plain_run_carried_on(table):
    none, control = run(table, "none"), run(table, "recompiled")
    pd.testing.assert_frame_equal(control[MEASURES][:2], none[MEASURES], check_exact=True)
    assert control["train_loss"][2] < control["train_loss"][0]  # compile kept the weights


def test_losses_that_are_not_finite_are_recorded_as_diverged(few, tmp_path):
    arguments = {"arms": ["none"], "seeds": 1, "learning_rate": 1e35, "folder": tmp_path, **SMALL}
    first = compare(few, **arguments)
    assert set(first["status"]) == {"diverged"}
    assert first["epoch"].tolist() == [1]  # it ends there
    assert first["train_loss"].isna().all()
    pd.testing.assert_frame_equal(compare(few, **arguments), first)  # read back from the file


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"arms": []}, r"arms=\[\] is not valid. Give a list of 1 to 100 of: none, gradient"),
        ({"arms": None}, "arms=None is not valid"),
        ({"arms": "none"}, "arms='none' is not valid. Give a list"),
        ({"arms": itertools.cycle(["none"])}, "arms=<itertools.cycle .* is not valid. Give a list"),
        ({"arms": ["none"] * 101}, "arms=.* is not valid. Give a list"),
        ({"arms": (arm for arm in ["weights"])}, "no arm 'weights'"),
        ({"arms": ["none", "weights"]}, r"no arm 'weights'. Choose from: none, gradient, update, recompiled"),
        ({"optimizer": "lion"}, r"no optimizer 'lion'. Choose from: rmsprop, sgd, adam"),
        ({"optimizer": ["adam"]}, r"no optimizer \['adam'\]"),
        ({"seeds": 0}, "at least one"),
        ({"seeds": "3"}, "seeds='3' is not valid"),
        ({"seeds": None}, "seeds=None is not valid"),
        ({"seeds": b"10"}, "seeds=b'10' is not valid"),
        ({"seeds": 10**30}, "seeds are too many. Choose at most 10000"),
        ({"seeds": 10**5000}, "seeds are too many. Choose at most 10000"),
        ({"seeds": -(10**5000)}, r"seeds=\.\.\. is not valid"),
        ({"seeds": [10**5000]}, r"seeds=\[\.\.\.\]: a seed is a whole number"),
        ({"seeds": range(10**30)}, "seeds are too many. Choose at most 10000"),
        ({"seeds": 1.5}, "seeds=1.5 is not valid"),
        ({"seeds": True}, "seeds=True is not valid"),
        ({"seeds": ["0"]}, r"seeds=\['0'\]: a seed is a whole number"),
        ({"seeds": [1.5]}, r"seeds=\[1.5\]: a seed is a whole number"),
        ({"seeds": itertools.count()}, "10001 seeds are too many"),
        ({"seeds": []}, "at least one"),
        ({"seeds": [3, -1]}, "seeds.*-1.*from 0 to"),
        ({"learning_rate": 0.0}, "learning_rate=0.0 is not valid"),
        ({"learning_rate": float("nan")}, "learning_rate=nan is not valid"),
        ({"learning_rate": float("inf")}, "learning_rate=inf is not valid"),
        ({"learning_rate": "0.001"}, "learning_rate='0.001' is not valid"),
        ({"learning_rate": None}, "learning_rate=None is not valid"),
        ({"learning_rate": True}, "learning_rate=True is not valid"),
        ({"learning_rate": 10**400}, "learning_rate=10+ is not valid"),
        ({"learning_rate": 10**5000}, r"learning_rate=\.\.\. is not valid"),
        ({"learning_rate": Fraction(1, 10**400)}, "learning_rate=Fraction.* is not valid"),
        ({"epochs": 0}, "epochs=0"),
        ({"epochs": "1"}, "epochs='1' is not valid. Give a whole number from 1 to"),
        ({"epochs": 1.5}, "epochs=1.5 is not valid"),
        ({"epochs": 10**18}, "epochs=10+ is not valid"),
        ({"epochs": 10**5000}, r"epochs=\.\.\. is not valid"),
        ({"batch_size": -1}, "batch_size=-1"),
        ({"batch_size": None}, "batch_size=None is not valid"),
        ({"source": "nowhere"}, "no data source 'nowhere'"),
        ({"source": None}, "source=None is not valid"),
        ({"source": (np.zeros((4, 94, 94, 3)), np.zeros(4))}, "source=.* is not valid"),
        ({"folder": ""}, "has no name"),
        ({"folder": 5}, "5 is not the name of a folder"),
        ({"folder": b"runs"}, "b'runs' is not the name of a folder"),
        ({"folder": "a\0b"}, r"'a\\x00b' is not the name of a folder"),
    ],
)
def test_bad_arguments_are_told_before_any_training(few, arguments, told):
    with pytest.raises(ValueError, match=told):
        compare(**{"source": few, "progress": False, **arguments})


@pytest.mark.parametrize(
    ("arms", "seeds", "begun"),
    [
        (iter(["none"]), 1, ["none-seed000"]),
        (["none", "none"], 1, ["none-seed000"]),
        (["none"], np.int64(2), ["none-seed000", "none-seed001"]),
        (["none"], iter([7]), ["none-seed007"]),
        (["none"], np.array([3, 4]), ["none-seed003", "none-seed004"]),
    ],
)
def test_arms_and_seeds_may_come_in_any_form(pretended, arms, seeds, begun):
    table = compare(pretended, arms=arms, seeds=seeds, progress=False)
    assert pretended.begun == begun
    assert len(table) == 2 * len(begun)


# ----- kept and resumed; training itself is replaced by numbers that follow from arm and seed


def pretend_to_train(data, configuration, arm, seed, on_epoch=lambda: None):
    data.begun.append(f"{arm}-seed{seed:03d}")
    measured = {"train_accuracy": 0.5, "test_loss": 1.0, "test_accuracy": 0.5, "seconds": 1.0, "status": "finished"}
    return [
        {"arm": arm, "seed": seed, "epoch": epoch, "train_loss": hash((seed, epoch)) % 1000 / 7, **measured}
        for epoch in (1, 2)
    ]


class Pretended:
    """Stands in for `Data`, and notes the runs that were begun."""

    def __init__(self):
        self.begun = []
        self.info = type("Info", (), {"full_name": "pretended/1.0.0"})
        self.train_images = np.zeros((1, 94, 94, 3), np.uint8)


@pytest.fixture
def pretended(monkeypatch):
    monkeypatch.setattr(comparison, "train_run", pretend_to_train)
    return Pretended()


def test_more_seeds_and_arms_are_added_to_what_is_there(pretended, tmp_path):
    compare(pretended, arms=["none"], seeds=2, progress=False, folder=tmp_path / "f")
    table = compare(pretended, arms=["none", "gradient"], seeds=3, progress=False, folder=tmp_path / "f")
    assert len(pretended.begun) == len(set(pretended.begun)) == 6
    assert table.groupby("arm")["seed"].nunique().to_dict() == {"none": 3, "gradient": 3}


def test_stopped_after_any_run_it_ends_with_the_same_table(pretended, tmp_path, monkeypatch):
    undisturbed = compare(pretended, seeds=4, progress=False)

    def train_one_and_stop(*arguments, **keywords):
        if len(pretended.begun) > already:
            raise KeyboardInterrupt
        return pretend_to_train(*arguments, **keywords)

    monkeypatch.setattr(comparison, "train_run", train_one_and_stop)
    pretended.begun.clear()
    for _ in range(12):
        already = len(pretended.begun)
        try:
            table = compare(pretended, seeds=4, progress=False, folder=tmp_path)
        except KeyboardInterrupt:
            continue
    assert len(pretended.begun) == len(set(pretended.begun)) == 12
    pd.testing.assert_frame_equal(table, undisturbed)


WHOLE = pretend_to_train(type("", (), {"begun": []})(), {}, "none", 0)[0]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"a": 1}, "arm"),
        ({key: value for key, value in WHOLE.items() if key != "test_loss"}, "test_loss"),
        ({**WHOLE, "test_loss": "x"}, "test_loss"),
        ({**WHOLE, "train_loss": [1.0]}, "train_loss"),
    ],
)
def test_a_run_of_another_kind_is_told_and_kept(pretended, tmp_path, row, column):
    store.write_run(tmp_path, "none-seed000", {}, {"rows": [row]})
    before = (tmp_path / "none-seed000.json").read_bytes()
    with pytest.raises(StoreError, match=f"none-seed000.json is not a run of this package: its column {column} is"):
        compare(pretended, arms=["none"], seeds=1, progress=False, folder=tmp_path)
    assert (tmp_path / "none-seed000.json").read_bytes() == before


def test_a_damaged_run_is_named_and_done_again(pretended, tmp_path, capsys):
    folder = tmp_path / "f"
    first = compare(pretended, seeds=2, progress=False, folder=folder)
    (folder / "update-seed001.json").write_text("{half a file")
    second = compare(pretended, seeds=2, progress=False, folder=folder)
    assert "update-seed001.json is damaged" in capsys.readouterr().out
    assert pretended.begun[6:] == ["update-seed001"]
    pd.testing.assert_frame_equal(second, first)


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("copy", ["none-seed001", "update-seed000", "mine"])
def test_a_copied_run_is_no_further_seed(pretended, tmp_path, older, copy):
    compare(pretended, arms=["none"], seeds=1, progress=False, folder=tmp_path)
    run = json.loads((tmp_path / "none-seed000.json").read_text())
    if older:
        run = {key: value for key, value in run.items() if key not in ("name", "checksum")}
        run["checksum"] = store._checksum(run)
        (tmp_path / "none-seed000.json").write_text(json.dumps(run))
        compare(pretended, arms=["none"], seeds=1, progress=False, folder=tmp_path)
    (tmp_path / f"{copy}.json").write_text(json.dumps(run))
    with pytest.raises(StoreError, match=f"{copy}.json holds the run 'none-seed000': it was copied or renamed"):
        compare(pretended, arms=["none", "update"], seeds=2, progress=False, folder=tmp_path)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("name", ["update-seed001.json", "\u6a21\u578b.json", "\udcff.json"])
def test_a_damaged_run_is_named_in_any_encoding(pretended, tmp_path, monkeypatch, encoding, name):
    (tmp_path / name).write_text("{half a file")
    output = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr("sys.stdout", output)
    compare(pretended, seeds=2, progress=False, folder=tmp_path)
    output.flush()
    assert b".json is " in output.buffer.getvalue()
    assert len(pretended.begun) == 6


def test_another_configuration_is_refused(pretended, tmp_path):
    compare(pretended, seeds=1, epochs=2, progress=False, folder=tmp_path)
    with pytest.raises(StoreError, match="epochs is 2 there, 3 here"):
        compare(pretended, seeds=1, epochs=3, progress=False, folder=tmp_path)
    with pytest.raises(StoreError, match="optimizer is 'rmsprop' there, 'sgd' here"):
        compare(pretended, seeds=1, epochs=2, optimizer="sgd", progress=False, folder=tmp_path)


@pytest.mark.parametrize("upgraded", [False, True])
def test_finished_runs_of_another_rate_cannot_be_read_and_that_is_not_said(pretended, tmp_path, monkeypatch, upgraded):
    compare(pretended, seeds=1, progress=False, folder=tmp_path)
    if upgraded:
        monkeypatch.setattr(comparison, "versions", lambda: {**versions(), "keras": "99.0"})
    with pytest.raises(StoreError, match=r"learning_rate is 0.001 there, 0.01 here.* was begun with\.$"):
        compare(pretended, seeds=2, learning_rate=0.01, progress=False, folder=tmp_path)


def test_after_an_upgrade_finished_runs_are_read_and_none_is_added(pretended, tmp_path, monkeypatch):
    before = compare(pretended, seeds=1, progress=False, folder=tmp_path)
    monkeypatch.setattr(comparison, "versions", lambda: {**versions(), "keras": "99.0"})
    after = compare(pretended, seeds=1, progress=False, folder=tmp_path)
    pd.testing.assert_frame_equal(after, before)  # with the versions that made the runs
    with pytest.raises(StoreError, match=r"keras is '3\.[\d.]+' there, '99.0' here.*Finished runs can still be read"):
        compare(pretended, seeds=2, progress=False, folder=tmp_path)


def test_nothing_is_written_without_a_folder(pretended, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    compare(pretended, seeds=1, progress=False)
    assert list(Path().iterdir()) == []


def test_the_size_is_that_of_the_data(pretended, tmp_path):
    table = compare(pretended, seeds=1, progress=False, folder=tmp_path)
    assert set(table["image_size"]) == {94}
    with pytest.raises(DataError, match="image_size=150, but the data were loaded at 94 pixels"):
        compare(pretended, seeds=1, image_size=150, progress=False)


def test_seeds_may_be_numbers_of_numpy(pretended, tmp_path):
    table = compare(pretended, seeds=np.int64(2), progress=False, folder=tmp_path)
    assert sorted(set(table["seed"])) == [0, 1]


@pytest.mark.parametrize("name", ["batch_size", "epochs"])
@pytest.mark.parametrize("kind", [np.int64, np.uint8])
def test_whole_numbers_of_numpy_are_kept_as_those_of_python(pretended, tmp_path, name, kind):
    first = compare(pretended, seeds=1, progress=False, folder=tmp_path, **{name: 3})
    again = compare(pretended, seeds=1, progress=False, folder=tmp_path / "f", **{name: kind(3)})
    pd.testing.assert_frame_equal(again, first)
    assert {json.loads(path.read_text())["configuration"][name] for path in tmp_path.glob("f/*.json")} == {3}


@pytest.mark.parametrize("rate", [1, np.float32(0.5), np.int64(1), Fraction(1, 2)], ids=repr)
def test_a_learning_rate_of_any_kind_is_kept_as_a_float(few, pretended, tmp_path, rate):
    table = compare(pretended, arms=["none"], seeds=1, learning_rate=rate, progress=False, folder=tmp_path)
    assert type(table["learning_rate"].tolist()[0]) is float
    (path,) = tmp_path.glob("*.json")
    configuration = json.loads(path.read_text())["configuration"]
    assert type(configuration["learning_rate"]) is float
    comparison.prepare_run(few, {**configuration, "image_size": 94}, "gradient", 0)
