import errno
import json
import os

import pytest

from gc_tutorial.study import store

CONFIGURATION = {"epochs": 2, "data": "drawn"}
ROWS = [{"arm": "none", "seed": 0, "epoch": 1, "train_loss": 0.25}, {"arm": "none", "train_loss": None}]


def test_a_run_comes_back_as_it_was_written(tmp_path):
    store.write_run(tmp_path, "none-seed000", CONFIGURATION, ROWS)
    assert store.open_folder(tmp_path, CONFIGURATION) == ({"none-seed000": ROWS}, [])
    assert [path.name for path in tmp_path.iterdir()] == ["none-seed000.json"]


def change_a_digit(text):
    return text.replace("0.25", "0.35")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text + "}",
        lambda text: "[1, 2]",
        lambda text: "{}",
        lambda text: "null",
        change_a_digit,
    ],
)
def test_a_damaged_file_is_named_and_not_trusted(tmp_path, damage):
    store.write_run(tmp_path, "good", CONFIGURATION, ROWS)
    store.write_run(tmp_path, "bad", CONFIGURATION, ROWS)
    (tmp_path / "bad.json").write_text(damage((tmp_path / "bad.json").read_text()))
    assert store.open_folder(tmp_path, CONFIGURATION) == ({"good": ROWS}, ["bad.json"])


def test_bytes_that_are_no_text_are_damage(tmp_path):
    (tmp_path / "bad.json").write_bytes(b"\xff\xfe\x00")
    assert store.open_folder(tmp_path, CONFIGURATION) == ({}, ["bad.json"])


def test_what_an_interrupted_session_half_wrote_is_replaced(tmp_path):
    (tmp_path / "none-seed000.partial").write_text("{half")
    assert store.open_folder(tmp_path, CONFIGURATION) == ({}, [])
    store.write_run(tmp_path, "none-seed000", CONFIGURATION, ROWS)
    assert [path.name for path in tmp_path.iterdir()] == ["none-seed000.json"]


@pytest.mark.parametrize("other", [{"epochs": 3, "data": "drawn"}, {"epochs": 2}, {**CONFIGURATION, "keras": "3.9.0"}])
def test_another_configuration_never_mixes(tmp_path, other):
    store.write_run(tmp_path, "run", other, ROWS)
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(store.StoreError) as error:
        store.open_folder(tmp_path, CONFIGURATION)
    differing = next(key for key in (*other, *CONFIGURATION) if other.get(key) != CONFIGURATION.get(key))
    message = str(error.value)
    assert f"{differing} is {other.get(differing)!r} there, {CONFIGURATION.get(differing)!r} here" in message
    assert "Choose another folder" in message
    assert (tmp_path / "run.json").read_bytes() == before


def test_a_folder_that_cannot_be_written_to_is_told_before_any_training(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(store.StoreError, match=r"cannot be written to .*file.* Choose another folder"):
        store.open_folder(tmp_path / "file" / "results", CONFIGURATION)


def test_a_full_disk_keeps_the_runs_before_it(tmp_path, monkeypatch):
    store.write_run(tmp_path, "first", CONFIGURATION, ROWS)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(store.StoreError, match=r"'second' could not be written.*No space left.*goes on from here"):
        store.write_run(tmp_path, "second", CONFIGURATION, ROWS)
    assert store.open_folder(tmp_path, CONFIGURATION) == ({"first": ROWS}, [])


def test_files_are_plain_json(tmp_path):
    store.write_run(tmp_path, "run", CONFIGURATION, ROWS)

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads((tmp_path / "run.json").read_text(), parse_constant=refuse)["rows"] == ROWS
