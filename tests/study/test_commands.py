import contextlib
import os
import re
import subprocess
import sys

import keras
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from gc_tutorial.__main__ import main
from gc_tutorial.errors import StoreError
from gc_tutorial.study import commands, planned_study, store
from gc_tutorial.study.plan import read_plan

SMALL = ["--data", "synthetic_small", "--image-size", "94", "--batch-size", "64", "--epochs", "1"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--help"], "compare"),
        (["study", "A", "runs", "--dry-run"], "runs are missing."),
        (["restore", "E", "E_recipe", "runs"], "15 runs were put back"),
        (["tables", "A", "nowhere", "tables"], "has no finished runs"),
    ],
)
def test_without_training_the_answer_comes_without_tensorflow(arguments, said, tmp_path):
    code = f"""
import sys
from gc_tutorial.__main__ import main
try:
    main({arguments})
finally:
    print("tensorflow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert said in done.stdout + done.stderr
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
        (["compare", "x", "--seed", "7"], "unrecognized arguments: --seed 7"),
        (["study", "A", "x", "--dry"], "unrecognized arguments: --dry"),
        (["--hel"], "required"),
        (["compare", "x", "--seeds", "0"], "'0' is not a whole number of at least 1"),
        (["compare", "x", "--epochs", "many"], "'many' is not a whole number"),
        (["compare", "x", "--seeds", "²"], "'²' is not a whole number of at least 1"),
        (["compare", "x", "--seeds", "9" * 5000], f"'{'9' * 30}' is not a whole number of at least 1"),
    ],
)
def test_wrong_usage_ends_with_code_2(arguments, told, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("csv", "told"),
    [
        ("", "it is not a file name"),
        ("folder", "it is not a file name"),
        ("pipe", "it is not a regular file"),
        ("missing/x.csv", "there is no folder 'missing'"),
        ("runs/missing/x.csv", "there is no folder 'runs/missing'"),
        ("pipe/x.csv", "Not a directory"),
        ("runs/none-seed000.json", "it could be a run, or the lock, of the results folder"),
        ("runs/.lock", "it could be a run, or the lock, of the results folder"),
        ("runs/../runs/other.json", "it could be a run, or the lock, of the results folder"),
    ],
)
def test_a_csv_that_cannot_be_written_is_told_before_training(tmp_path, monkeypatch, capsys, csv, told):
    monkeypatch.chdir(tmp_path)
    for name in ("folder", "runs"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert main(["compare", "runs", *SMALL, "--csv", csv]) == 1
    assert capsys.readouterr().err == f"error: --csv {csv!r} cannot be written: {told}. Choose another file.\n"
    assert not list((tmp_path / "runs").iterdir())


@pytest.mark.parametrize(
    ("data", "csv"),
    [
        ("pics.zip", "pics.zip"),
        ("pics.zip", "runs/../pics.zip"),
        ("pics.zip", "link"),
        ("link", "pics.zip"),
        ("~/pics.zip", "pics.zip"),
        ("pics", "pics/cats/1.png"),
        ("pics", "pics/cats/new.png"),
        ("link_to_pics", "pics/cats/1.png"),
        ("pics", "into_pics"),
    ],
)
def test_a_csv_never_replaces_the_images(tmp_path, monkeypatch, capsys, data, csv):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(commands, "import_quietly", lambda: pytest.fail("imported"))
    (tmp_path / "pics" / "cats").mkdir(parents=True)
    for name in ("pics.zip", "pics/cats/1.png"):
        (tmp_path / name).write_text("a picture")
    for link, target in (("link", "pics.zip"), ("link_to_pics", "pics"), ("into_pics", "pics/cats/1.png")):
        (tmp_path / link).symlink_to(target)
    assert main(["compare", "runs", "--data", data, "--csv", csv]) == 1
    told = f"error: --csv {csv!r} cannot be written: it belongs to the images of --data. Choose another file.\n"
    assert capsys.readouterr().err == told


def test_a_csv_may_lie_beside_the_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("table.csv", "pics/table.csv", "pics.txt"):
        commands._check_file("--csv", "table.csv", results="runs", data=".")
        (tmp_path / name).parent.mkdir(exist_ok=True)
        commands._check_file("--csv", name, results="runs", data="pics")
        (tmp_path / name).touch()
        commands._check_file("--csv", name, results="runs", data="pics")


def test_a_csv_may_lie_beside_the_runs(tmp_path):
    commands._check_file("--csv", str(tmp_path / "table.csv"), results=str(tmp_path))


@pytest.mark.parametrize("folder", ["new", "new/runs", "there/../new"])
def test_a_csv_may_lie_in_the_results_folder_that_is_not_there_yet(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    commands._check_file("--csv", f"{folder}/table.csv", results=folder)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def small_plan(tmp_path, monkeypatch):
    """The path of a plan of one run, and no training."""
    monkeypatch.setattr("gc_tutorial.study.planned_study.run_study", lambda *_, **__: pytest.fail("trained"))
    path = tmp_path / "plan.toml"
    digits = 'data = "digits"\nnetwork = "small_cnn"\naugmentation = "none"\nlearning_rate = 0.001\nepochs = 1\n'
    path.write_text("[seeds]\ntuning = [100]\n[[runs]]\n" + digits)
    return path


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("", "it is not a folder name"),
        ("plan.toml", "Not a directory"),
        ("plan.toml/tables", "Not a directory"),
        ("taken", "runs.csv is a folder there"),
    ],
)
def test_tables_that_cannot_be_written_are_told_before_training(small_plan, monkeypatch, capsys, target, told):
    monkeypatch.chdir(small_plan.parent)
    (small_plan.parent / "taken" / "runs.csv").mkdir(parents=True)
    assert main(["study", str(small_plan), "runs", "--tables", target]) == 1
    assert capsys.readouterr().err == f"error: --tables {target!r} cannot be written: {told}. Choose another folder.\n"
    assert sorted(path.name for path in small_plan.parent.iterdir()) == ["plan.toml", "taken"]


def test_a_folder_for_tables_that_is_not_there_yet_is_no_mistake_and_not_made(small_plan, monkeypatch):
    ran = []
    monkeypatch.setattr("gc_tutorial.study.planned_study.run_study", lambda *_, **__: ran.append(True))
    monkeypatch.setattr("gc_tutorial.study.planned_study.tables", lambda *_: 1)
    target = small_plan.parent / "new" / "tables"
    assert main(["study", str(small_plan), str(small_plan.parent / "runs"), "--tables", str(target)]) == 0
    assert ran and not target.parent.exists()


@pytest.mark.parametrize("option", ["--workers", "--threads"])
def test_more_processes_or_threads_than_a_machine_can_use_are_told(small_plan, capsys, option):
    assert main(["study", str(small_plan), "runs", option, "10000"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {option[2:]}=10000 is not valid on this machine. Choose a number from ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("number", ["0", "-1", "-10000", "1.5", "two", ""])
def test_a_number_of_workers_that_is_none_is_told(small_plan, capsys, number):
    with pytest.raises(SystemExit) as stopped:
        main(["study", str(small_plan), "runs", f"--workers={number}"])
    assert stopped.value.code == 2
    assert f"argument --workers: {number!r} is not a whole number of at least 1" in capsys.readouterr().err


def test_in_a_new_process_tensorflow_says_nothing_beside_the_one_sentence(tmp_path):
    command = [sys.executable, "-m", "gc_tutorial", "compare", str(tmp_path / "runs"), "--data", "nonsense"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: There is no data source 'nonsense'")
    assert ended.stderr.count("\n") == 1


ROW = {"epoch": 1, "train_loss": 1.0, "seconds": 1.0, "status": "finished", "ended": "today", "machine": "here"}


@pytest.mark.parametrize(
    ("run", "told"),
    [
        ({"rows": [{}]}, "its column epoch is missing or has the wrong type"),
        ({"rows": [{**ROW, "seconds": "x"}]}, "its column seconds is missing or has the wrong type"),
        ({"rows": [{**ROW, "train_loss": [1]}]}, "its column train_loss is missing or has the wrong type"),
        ({"rows": [ROW], "kernels": 5}, "is not a run of a study"),
        ({"rows": [ROW], "figures": ["a"]}, "is not a run of a study"),
        ({"rows": [ROW], "counts": 5}, "is not a run of a study"),
    ],
)
@pytest.mark.parametrize("command", ["study --dry-run", "tables"])
def test_a_run_of_another_kind_is_told(small_plan, capsys, command, run, told):
    (planned,) = read_plan(str(small_plan)).runs
    folder = small_plan.parent / "runs"
    folder.mkdir()
    store.write_run(folder, planned.name, {"plan": "plan"}, run)
    command, *options = command.split()
    assert main([command, str(small_plan), str(folder), *(options or [str(small_plan.parent / "new")])]) == 1
    said = capsys.readouterr().err
    assert told in said and said.count("\n") == 1


def test_a_study_that_is_complete_gives_no_estimate(small_plan, capsys):
    (planned,) = read_plan(str(small_plan)).runs
    folder = small_plan.parent / "runs"
    folder.mkdir()
    store.write_run(folder, planned.name, {"plan": "plan"}, {"rows": [ROW]})
    assert main(["study", str(small_plan), str(folder), "--dry-run"]) == 0
    assert capsys.readouterr().out == "0 of 1 runs are missing.\n"


MIXED_PLAN = """
[seeds]
tuning = [100, 101]
[factors]
epochs = 10
learning_rate = 1e-3
[[runs]]
data = "digits"
network = "small_cnn"
augmentation = "none"
image_size = 8
[[runs]]
data = ["horses_or_humans", "my_pictures"]
image_size = 94
[[runs]]
data = "horses_or_humans"
image_size = 188
"""


def test_an_estimate_goes_by_the_runs_that_are_most_alike(tmp_path, capsys):
    path = tmp_path / "plan.toml"
    path.write_text(MIXED_PLAN)
    folder = tmp_path / "runs"
    folder.mkdir()
    seconds = {"digits": 0.1, "horses_or_humans": 36.0}
    for run in read_plan(str(path)).runs:
        if run.seed == 100 and run.image_size < 100 and run.data in seconds:
            rows = [{**ROW, "epoch": epoch, "seconds": seconds[run.data]} for epoch in range(1, 11)]
            store.write_run(folder, run.name, {"plan": "plan"}, {"rows": rows})
    assert main(["study", str(path), str(folder), "--dry-run"]) == 0
    # Ten epochs each: of digits 1 s in all, three runs at 94 pixels 36 s an epoch, two of four times the pixels 144 s.
    assert "6 of 8 runs are missing.\nAbout 1.1 hours of training" in capsys.readouterr().out


def test_no_room_for_logits_is_told_before_training(small_plan, monkeypatch):
    monkeypatch.undo()  # of the fixture
    monkeypatch.setattr("gc_tutorial.study.training.train", lambda *_: pytest.fail("trained"))
    folder = small_plan.parent / "runs"
    folder.mkdir()
    (folder / "logits").touch()
    with pytest.raises(
        StoreError, match=r"Results cannot be written to .*logits: File exists. Remove the file that blocks it"
    ):
        planned_study.run_study(read_plan(str(small_plan)), folder, progress=False)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "it is not a file name"),
        (".", "it is not a file name"),
        ("folder/", "it is not a file name"),
        ("pipe", "it is not a regular file"),
        ("missing/x.png", "there is no folder 'missing'"),
        ("x.nothing", "it ends in none of .png, .svg, .pdf, .jpg, .jpeg, .webp"),
        ("x", "it ends in none of .png, .svg, .pdf, .jpg, .jpeg, .webp"),
        ("x.pgf", "it ends in none of .png, .svg, .pdf, .jpg, .jpeg, .webp"),
        ("loop.png", "it is a link to itself"),
    ],
)
def test_a_picture_that_cannot_be_written_is_told_before_it_is_drawn(tmp_path, monkeypatch, capsys, name, reason):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gc_tutorial.study.published.published", lambda *_: pytest.fail("drawn"))
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop.png").symlink_to("loop.png")
    assert main(["headline", name]) == 1
    assert capsys.readouterr().err == f"error: The picture {name!r} cannot be written: {reason}. Choose another file.\n"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder", "loop.png", "pipe"]


def test_a_picture_is_replaced_in_one_step(tmp_path, monkeypatch, capsys):
    picture = tmp_path / "old.png"
    picture.write_text("old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    monkeypatch.setattr("gc_tutorial.study.evidence.forest_figure.forests", lambda _: plt.figure())
    assert main(["headline", str(picture)]) == 1
    assert "old.png' cannot be written: No space left on device. Choose another file" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["old.png"] and picture.read_text() == "old"


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("loop.csv", "it is a link to itself"),
        ("gone/x.csv", "it is a link to a folder '.*gone'"),
    ],
)
def test_a_table_cannot_be_written_through_a_link_that_leads_nowhere(tmp_path, monkeypatch, capsys, link, reason):
    monkeypatch.setattr(commands, "import_quietly", lambda: pytest.fail("imported"))
    path = tmp_path / "loop.csv"
    path.symlink_to(tmp_path / link)
    assert main(["compare", str(tmp_path / "runs"), "--csv", str(path)]) == 1
    said = capsys.readouterr().err
    assert re.search(f"--csv '.*loop.csv' cannot be written: ({reason})", said) and said.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--optimizer", "lion"], "There is no optimizer 'lion'"),
        (["--arms", "none", "x"], "There is no arm 'x'"),
        (["--learning-rate", "nan"], "learning_rate=nan is not valid"),
    ],
)
def test_a_wrong_argument_is_told_before_anything_large_is_imported(tmp_path, monkeypatch, capsys, option, said):
    monkeypatch.setattr(commands, "import_quietly", lambda: pytest.fail("imported"))
    assert main(["compare", str(tmp_path / "runs"), *option]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["x" * 99_999], ["compare", "runs", "--optimizer", "x" * 99_999]])
def test_a_very_long_argument_makes_no_very_long_message(capsys, arguments):
    with contextlib.suppress(SystemExit):
        main(arguments)
    assert 0 < len(capsys.readouterr().err) < 4_000


@pytest.fixture
def two_runs(tmp_path):
    """A plan, and a folder with two of its runs."""
    path, folder = tmp_path / "plan.toml", tmp_path / "runs"
    path.write_text(MIXED_PLAN)
    folder.mkdir()
    runs = read_plan(str(path)).runs[:2]
    for run in runs:
        rows = [{**ROW, "epoch": epoch, "seconds": 1.0} for epoch in range(1, run.epochs + 1)]
        store.write_run(folder, run.name, {"plan": "plan"}, {"rows": rows})
    return path, folder, runs


def test_a_damaged_run_is_named_where_it_is_left_out(two_runs, capsys):
    path, folder, (run, _) = two_runs
    (folder / f"{run.name}.json").write_text("{")
    (folder / "notes.json").write_text("{")
    assert main(["tables", str(path), str(folder), str(folder.parent / "tables")]) == 0
    said = capsys.readouterr().out
    assert f"{run.name}.json is damaged, and is not in the tables." in said and "1 run is in" in said
    assert main(["study", str(path), str(folder), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"{run.name}.json is damaged; its run is repeated." in said
    assert "notes.json is not a complete run, and was left unchanged." in said


@pytest.mark.parametrize(
    "crafted",
    [{"kernels": [1]}, {"chance": ["a"]}, {"figures": {"a": "b"}}, {"figures": [1]}, {"counts": [None]}],
    ids=str,
)
def test_a_run_with_fields_of_another_kind_is_told(two_runs, capsys, crafted):
    path, folder, (run, _) = two_runs
    rows = [{**ROW, "epoch": epoch, "seconds": 1.0} for epoch in range(1, run.epochs + 1)]
    store.write_run(folder, run.name, {"plan": "plan"}, {"rows": rows, **crafted})
    assert main(["tables", str(path), str(folder), str(folder.parent / "tables")]) == 1
    said = capsys.readouterr().err
    assert f"{run.name}.json is not a run of a study." in said and said.count("\n") == 1
