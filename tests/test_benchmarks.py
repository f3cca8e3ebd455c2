"""That the benchmarks still run: what they measure is no test's business."""

import csv
import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))


@pytest.mark.parametrize("name", sorted(path.stem for path in BENCHMARKS.glob("*.py")))
def test_it_says_what_it_does(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(name).main()
    assert (ended.value.code, capsys.readouterr().out.startswith("usage:")) == (0, True)


def test_every_way_to_augment_yields_all_images_and_is_tabulated(synthetic, monkeypatch):
    import speed

    monkeypatch.setattr(speed, "SIZE", 94)
    monkeypatch.setattr(speed, "BATCH", 48)
    count, arms = speed.augment(synthetic)
    assert count == len(synthetic.train_images)
    for name, arm in arms.items():
        (batches,) = arm.args
        shapes = [tuple(images.shape) for images, _ in batches]
        assert shapes == [(48, 94, 94, 3), (48, 94, 94, 3), (32, 94, 94, 3)], name
    rows = speed.tabulate("augment", count, speed.take_turns(arms, rounds=2))
    assert [row["arm"] for row in rows] == list(arms)
    assert rows[0]["times_the_first"] == 1
    assert all(row["rounds"] == 2 and row["images_per_second"] > 0 for row in rows)


def test_a_part_that_is_measured_again_replaces_its_rows_in_the_file(tmp_path):
    import speed

    path = tmp_path / "measured.csv"
    speed.finish([{"part": "step", "arm": "ours", "rounds": 3, "seconds": 1.5}], path)
    speed.finish([{"part": "epoch", "arm": "ours", "image_size": 94, "seconds": 9.5}], path)
    speed.finish([{"part": "step", "arm": "ours", "rounds": 5, "seconds": 1.25}], path)
    with path.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [(row["part"], row["rounds"], row["seconds"], row["image_size"]) for row in table] == [
        ("epoch", "", "9.5", "94"),
        ("step", "5", "1.25", ""),
    ]
    assert all(row["date"] and row["machine"] for row in table)
