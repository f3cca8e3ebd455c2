import subprocess
import sys

import keras
import pandas as pd
import pytest

from gc_tutorial.__main__ import main

SMALL = ["--data", "synthetic_small", "--image-size", "94", "--batch-size", "64", "--epochs", "1"]


def test_help_comes_without_tensorflow():
    code = """
import sys
from gc_tutorial.__main__ import main
try:
    main(["--help"])
finally:
    print("tensorflow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "compare" in done.stdout
    assert done.stdout.strip().endswith("False")


def test_compare_writes_the_table_and_prints_means_and_intervals(tmp_path, capsys):
    arguments = ["compare", str(tmp_path / "runs"), *SMALL, "--seeds", "2", "--arms", "none", "gradient"]
    assert main([*arguments, "--csv", str(tmp_path / "table.csv")]) == 0
    printed = capsys.readouterr().out
    assert "gradient against none, final training loss:" in printed
    table = pd.read_csv(tmp_path / "table.csv")
    assert len(table) == 4
    assert sorted(path.name for path in (tmp_path / "runs").glob("*.json")) == [
        f"{arm}-seed{seed:03d}.json" for arm in ("gradient", "none") for seed in (0, 1)
    ]


def test_compare_in_bfloat16_is_that_and_is_not_mixed_with_float32(tmp_path, capsys):
    arguments = ["compare", str(tmp_path / "runs"), *SMALL, "--seeds", "1", "--arms", "none", "--csv"]
    half, single = tmp_path / "half.csv", tmp_path / "single.csv"
    try:
        assert main([*arguments, str(half), "--precision", "mixed_bfloat16"]) == 0
    finally:
        keras.config.set_dtype_policy("float32")
    assert set(pd.read_csv(half)["precision"]) == {"mixed_bfloat16"}
    assert main([*arguments, str(single)]) == 1
    assert "precision is 'mixed_bfloat16' there, None here" in capsys.readouterr().err
    arguments[1] = str(tmp_path / "other_runs")
    assert main([*arguments, str(single)]) == 0
    losses = [pd.read_csv(table)["train_loss"][0] for table in (half, single)]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.3)


def test_diverged_runs_are_named_and_not_averaged(tmp_path, capsys):
    arguments = ["compare", str(tmp_path), *SMALL, "--seeds", "1", "--arms", "none", "--learning-rate", "1e35"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "Diverged, and left out: arm none, seed 0, in epoch 1." in printed
    assert "No intervals" in printed


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--arms", "weights"], "error: There is no arm 'weights'"),
        (["--optimizer", "lion"], "error: There is no optimizer 'lion'"),
        (["--data", "nowhere"], "error: There is no data source 'nowhere'"),
        (["--data", "synthetic_small", "--image-size", "93"], "error: image_size=93 is too small"),
    ],
)
def test_predictable_mistakes_are_told_in_one_line(tmp_path, capsys, arguments, told):
    assert main(["compare", str(tmp_path), *arguments]) == 1
    said = capsys.readouterr().err
    assert told in said
    assert "Traceback" not in said


def test_a_folder_in_the_way_is_told_in_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["compare", str(tmp_path / "file"), *SMALL]) == 1
    assert "error: Results cannot be written to" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "required"),
        (["train"], "invalid choice"),
        (["compare"], "folder"),
        (["compare", "x", "--seeds", "0"], "'0' is not a whole number of at least 1"),
        (["compare", "x", "--epochs", "many"], "'many' is not a whole number"),
    ],
)
def test_wrong_usage_ends_with_code_2(arguments, told, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err
