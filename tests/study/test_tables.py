"""The two tables of a study: what they hold, and the runs that are made from them again."""

import math
import os
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from gc_tutorial.errors import StoreError
from gc_tutorial.study import store
from gc_tutorial.study.plan import read_plan
from gc_tutorial.study.planned_study import check_plan
from gc_tutorial.study.runs import Run
from gc_tutorial.study.tables import check_kept, load_table, published_tables, restore_runs, study_table, write_tables

FIRST = Run(data="digits", learning_rate=1e-3, epochs=2, seed=100, network="small_cnn", train_examples=50)
SECOND = Run(data="digits", learning_rate=1e-2, epochs=2, seed=200, stage="confirmation", pretrained="mnist1d")
FACTORS = [
    *("data", "learning_rate", "epochs", "seed", "stage", "network", "scaling", "optimizer", "arm", "weight_decay"),
    *("schedule", "augmentation", "image_size", "batch_size", "train_examples", "split", "pretrained"),
    "evaluate_last",
]
KEPT = {"status": "finished", "ended": "2026-01-02T03:04:05+00:00", "machine": "x86_64, 2 cores"}
VERSIONS = {"keras": "3.10.0", "tensorflow": "2.19.0"}


def row(epoch, **values):
    return {"epoch": epoch, "train_loss": 1.0 / epoch, "seconds": 1.5, **values, **KEPT}


STORED = {
    SECOND: {
        "rows": [row(1, share_1=0.5, share_2=0.25), row(2, heldout_loss=0.123456789, share_1=0.5, share_2=0.25)],
        "kernels": ["conv2d/kernel", "dense/kernel"],
        "classes": 10,
        "chance": [1 / 9, 1 / 288],
        "figures": {"horse01": 0.875, "human02": 1.0},
    },
    FIRST: {"rows": [row(1), row(2, heldout_loss=None)]},
}
NOTHING = {"chance": [], "figures": {}}
CONFIGURATIONS = {run: {"plan": "A_tuning", **VERSIONS} for run in STORED}


def digest(run):
    """The end of a run's name, which stands for it in the table of epochs."""
    return run.name.split("-")[-1]


@pytest.fixture
def folder(tmp_path):
    write_tables(STORED, CONFIGURATIONS, tmp_path / "new" / "tables")
    return tmp_path / "new" / "tables"


def test_a_row_for_each_run_and_epoch():
    table = study_table(STORED)
    assert table["run"].tolist() == [SECOND.name] * 2 + [FIRST.name] * 2
    assert table["epoch"].tolist() == [1, 2, 1, 2]
    assert table["learning_rate"].tolist() == [1e-2, 1e-2, 1e-3, 1e-3]
    assert table["network"].tolist() == ["cnn", "cnn", "small_cnn", "small_cnn"]
    np.testing.assert_array_equal(table["heldout_loss"], [math.nan, 0.123456789, math.nan, math.nan])
    assert table["heldout_loss"].dtype == float  # also where JSON had null
    assert table["classes"].tolist() == [10, 10, 0, 0]


def test_the_columns_have_one_order_whatever_the_first_run_has_measured():
    names = ["share_10", "other", "share_2", "seconds", "shifted_loss", "clean_auc", "heldout_loss", "clean_accuracy"]
    names += ["train_loss", "share_1", "train_accuracy", "epoch"]
    ordered = [
        *("epoch", "train_accuracy", "train_loss", "clean_accuracy", "clean_auc", "heldout_loss", "shifted_loss"),
        *("share_1", "share_2", "share_10", "seconds", "other"),
    ]
    for order in (names, names[::-1]):
        table = study_table({FIRST: {"rows": [{**dict.fromkeys(order, 1.0), **KEPT}]}})
        assert list(table.columns) == ["run", *FACTORS, *ordered, "status", "ended", "machine", "classes"]


def test_the_files_hold_each_run_once_and_its_epochs_in_short(folder):
    by_run, epochs = (pd.read_csv(folder / name) for name in ("runs.csv", "epochs.csv"))
    assert list(by_run.columns) == [
        *("run", *FACTORS, "status", "ended", "machine", "classes"),
        *("kernels", "chance", "figures", "keras", "tensorflow"),
    ]
    assert by_run["run"].tolist() == [SECOND.name, FIRST.name]  # confirmation, then tuning
    assert by_run.loc[0, "kernels"] == "conv2d/kernel dense/kernel"
    assert by_run.loc[0, "chance"] == "0.1111 0.003472"
    assert by_run.loc[0, "figures"] == "horse01:0.875 human02:1"
    assert by_run.loc[1, ["kernels", "chance", "figures"]].isna().all()
    assert by_run["ended"].tolist() == [KEPT["ended"]] * 2
    assert by_run["keras"].tolist() == ["3.10.0"] * 2
    assert by_run["classes"].tolist() == [10, 0]
    assert list(epochs.columns) == ["run", "epoch", "train_loss", "heldout_loss", "share_1", "share_2", "seconds"]
    assert epochs.loc[1, "heldout_loss"] == 0.1235
    text = (folder / "epochs.csv").read_bytes().decode()
    assert text.splitlines()[1] == f"{digest(SECOND)},1,1.0,,0.5,0.25,1.5"


def test_runs_of_a_stage_are_in_the_order_of_their_names(tmp_path):
    other = Run(data="cats_and_dogs", learning_rate=1.0, epochs=1, seed=100)
    runs = {one: {"rows": [row(1)]} for one in (FIRST, other, SECOND)}
    write_tables(runs, {one: {} for one in runs}, tmp_path)
    assert pd.read_csv(tmp_path / "runs.csv")["run"].tolist() == [SECOND.name, other.name, FIRST.name]
    found = pd.read_csv(tmp_path / "epochs.csv", dtype={"run": str})["run"].tolist()
    assert found == [digest(SECOND), digest(other), digest(FIRST)]


def test_tables_replace_those_that_are_there(folder):
    write_tables({FIRST: STORED[FIRST]}, CONFIGURATIONS, folder)
    assert pd.read_csv(folder / "runs.csv")["run"].tolist() == [FIRST.name]
    assert sorted(path.name for path in folder.iterdir()) == ["epochs.csv", "runs.csv"]


def test_both_files_are_read_as_one_table(folder):
    table = load_table(folder)
    assert len(table) == 4
    assert table["pretrained"].tolist() == ["mnist1d"] * 2 + [""] * 2
    assert table["figures"].tolist() == ["horse01:0.875 human02:1"] * 2 + [""] * 2
    assert table["seed"].tolist() == [200, 200, 100, 100]
    assert table["train_loss"].tolist() == [1.0, 0.5, 1.0, 0.5]
    assert load_table(str(folder)).equals(table)


def test_a_study_that_comes_with_the_package_is_found_by_its_name():
    table = load_table("A_tuning")
    assert set(table["stage"]) == {"tuning"}
    assert restore_runs("A_tuning").keys() == set(table["run"])


@pytest.mark.parametrize("form", [r"0\d{7}", r"\d+e\d+"])
def test_the_end_of_a_name_may_look_like_a_number(tmp_path, form):
    alike = (replace(FIRST, seed=seed) for seed in range(100, 100_000))
    run = next(one for one in alike if re.fullmatch(form, digest(one)))
    write_tables({run: STORED[FIRST]}, {run: {}}, tmp_path)
    assert load_table(tmp_path)["run"].tolist() == [run.name] * 2
    assert run.name in restore_runs(tmp_path)


def test_letters_beyond_ascii_are_kept(folder):
    change("runs.csv", KEPT["machine"], "größe")(folder)
    assert set(load_table(folder)["machine"]) == {"größe"}


def test_a_tilde_is_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert len(load_table("~/tables")) == 4


def change(name, old, new):
    def changed(folder):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")

    return changed


def add_line(name, number):
    def changed(folder):
        lines = (folder / name).read_text().splitlines(keepends=True)
        (folder / name).write_text("".join([*lines, lines[number]]))

    return changed


def cell(name, column, value):
    """Another value in the first row, as a slip of a hand or of a spreadsheet leaves it."""

    def changed(folder):
        table = pd.read_csv(folder / name, dtype=str)
        table.loc[0, column] = value
        table.to_csv(folder / name, index=False)

    return changed


def no_run_of_this_name(run):
    return f"the fields of {run.name} are not those of a run of this name"


def cut(name, lines):
    def changed(folder):
        kept = (folder / name).read_text().splitlines(keepends=True)
        (folder / name).write_text("".join(kept[: len(kept) - lines]))

    return changed


@pytest.mark.parametrize(
    ("change", "where", "reason"),
    [
        (add_line("runs.csv", 1), "", "runs.csv and epochs.csv do not hold the same runs"),
        (cut("runs.csv", 1), "", "runs.csv and epochs.csv do not hold the same runs"),
        (cut("epochs.csv", 2), "", "runs.csv and epochs.csv do not hold the same runs"),
        (cut("epochs.csv", 1), "/epochs.csv", "epochs are missing"),
        (add_line("epochs.csv", 1), "/epochs.csv", "epochs are missing"),
        (change("runs.csv", "learning_rate", "rate"), "/runs.csv", "it has no column learning_rate"),
        (change("runs.csv", "machine,classes", "m,c"), "/runs.csv", "it has no column machine, classes"),
        (change("epochs.csv", "seconds", "time"), "/epochs.csv", "it has no column seconds"),
        (
            change("runs.csv", "digits-cnn", "../digits-cnn"),
            "/runs.csv",
            f"'../{SECOND.name}' is not the name of a run",
        ),
        (change("runs.csv", "0.1111", "a"), "/runs.csv", "could not convert string to float: 'a'"),
        (
            change("runs.csv", "horse01:0.875", "horse01"),
            "/runs.csv",
            "not enough values to unpack (expected 2, got 1)",
        ),
        (cell("runs.csv", "status", "done"), "/runs.csv", no_run_of_this_name(SECOND)),
        (cell("runs.csv", "status", ""), "/runs.csv", no_run_of_this_name(SECOND)),
        (cell("runs.csv", "learning_rate", "0.02"), "/runs.csv", no_run_of_this_name(SECOND)),
        (cell("runs.csv", "learning_rate", "fast"), "/runs.csv", no_run_of_this_name(SECOND)),
        (cell("runs.csv", "arm", "weights"), "/runs.csv", no_run_of_this_name(SECOND)),
        (cell("runs.csv", "seed", "x"), "/runs.csv", "its column seed has a value that is not a number"),
        (cell("runs.csv", "classes", "x"), "/runs.csv", "its column classes has a value that is not a number"),
        *(
            (
                cell("runs.csv", "classes", value),
                "/runs.csv",
                "its column classes has a value that is not a number of classes",
            )
            for value in ("-5", "1", "2.5", "", "inf")
        ),
        (cell("epochs.csv", "epoch", "x"), "/epochs.csv", "its column epoch has a value that is not a number"),
        (
            cell("epochs.csv", "train_loss", "0,5"),
            "/epochs.csv",
            "its column train_loss has a value that is not a number",
        ),
        (cell("epochs.csv", "epoch", "7"), "/epochs.csv", "the epochs of a run are not 1, 2, ..."),
        (cell("epochs.csv", "train_loss", "inf"), "/epochs.csv", "a finished run has an epoch without a number"),
        (cell("epochs.csv", "seconds", ""), "/epochs.csv", "a finished run has an epoch without a number"),
        (lambda folder: (folder / "runs.csv").write_text(""), "/runs.csv", "No columns to parse from file"),
        (
            lambda folder: (folder / "runs.csv").write_text((folder / "runs.csv").read_text()[:-1]),
            "/runs.csv",
            "its last line is not complete",
        ),
    ],
)
def test_damaged_tables_are_told(folder, change, where, reason):
    change(folder)
    told = (
        f"{folder}{where} is damaged: {reason}. Nothing was changed. Write the tables again, or take another copy of "
    )
    with pytest.raises(StoreError, match=f"^{re.escape(told)}them\\.$"):
        restore_runs(folder)


def test_a_run_that_diverged_may_have_fewer_epochs_and_the_control_has_twice_as_many(tmp_path):
    lost = {**row(1), "status": "diverged"}
    control = Run(data="digits", learning_rate=1e-3, epochs=1, seed=100, arm="recompiled")
    runs = {FIRST: {"rows": [lost]}, control: {"rows": [row(1), row(2)]}}
    write_tables(runs, {run: {} for run in runs}, tmp_path)
    assert load_table(tmp_path)["epoch"].tolist() == [1, 2, 1]
    assert set(restore_runs(tmp_path)) == {FIRST.name, control.name}


def test_every_epoch_has_its_seconds(tmp_path):
    """Also one that diverged: from the seconds the time of other runs is estimated."""
    lost = {"rows": [{**row(1), "status": "diverged", "seconds": math.nan}]}
    write_tables({FIRST: lost}, {FIRST: {}}, tmp_path)
    with pytest.raises(StoreError, match=r"epochs\.csv is damaged: an epoch has no seconds"):
        restore_runs(tmp_path)


def test_a_number_of_classes_may_be_written_with_a_point(folder):
    cell("runs.csv", "classes", "10.0")(folder)
    assert [run["classes"] for _, run in restore_runs(folder).values()] == [10, 0]
    assert {type(run["classes"]) for _, run in restore_runs(folder).values()} == {int}


@pytest.mark.parametrize(
    ("new", "more", "lost"),
    [
        ([FIRST, SECOND], False, None),
        ([FIRST, SECOND, replace(FIRST, seed=101)], False, None),
        ([FIRST], False, f"1 run that the new tables would lack, such as {SECOND.name}"),
        ([FIRST], True, None),
        ([replace(FIRST, seed=101)], False, f"2 runs that the new tables would lack, such as {SECOND.name}"),
        ([replace(FIRST, seed=101)], True, f"2 runs that the new tables would lack, such as {SECOND.name}"),
    ],
)
def test_runs_that_new_tables_would_lack_are_told(folder, new, more, lost):
    names = [run.name for run in new]
    if lost is None:
        check_kept(folder, names, more)
        return
    told = (
        f"{folder / 'runs.csv'} holds {lost}. Nothing was changed. Choose another folder, or remove the tables there."
    )
    with pytest.raises(StoreError, match=f"^{re.escape(told)}$"):
        check_kept(folder, names, more)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "runs.csv").unlink(), r"epochs\.csv holds 2 runs that the new tables would lack"),
        (lambda folder: (folder / "epochs.csv").write_text("a,b\n1,2\n"), r"epochs\.csv is not a table of runs \("),
        (lambda folder: (folder / "runs.csv").write_text(""), r"runs\.csv is not a table of runs \(No columns"),
        (lambda folder: (folder / "runs.csv").write_bytes(b"\xff\xfe\x00"), r"runs\.csv is not a table of runs \("),
    ],
    ids=["one of two", "another table", "nothing", "no text"],
)
def test_what_is_no_whole_table_is_not_replaced_either(folder, change, told):
    """Damage in other columns is no reason: to write the tables again is what its message advises."""
    check_kept(folder, [FIRST.name, SECOND.name])
    cell("runs.csv", "status", "done")(folder)
    check_kept(folder, [FIRST.name, SECOND.name])
    change(folder)
    with pytest.raises(StoreError, match=told):
        check_kept(folder, [])


def test_tables_without_a_factor_that_is_newer_than_they_are_can_be_read(folder):
    by_run = pd.read_csv(folder / "runs.csv").drop(columns=["split", "pretrained", "arm"])
    by_run.to_csv(folder / "runs.csv", index=False)
    assert len(load_table(folder)) == 4


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / "file").touch()
    message = f"Tables cannot be written to {tmp_path / 'file'}: File exists. Choose another folder."
    with pytest.raises(StoreError, match=f"^{re.escape(message)}$"):
        write_tables(STORED, CONFIGURATIONS, tmp_path / "file")


def test_an_empty_name_is_no_folder_of_the_package():
    with pytest.raises(StoreError, match="The folder of the tables has no name"):
        load_table("")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
def test_a_pipe_is_refused_instead_of_waited_for(folder):
    (folder / "runs.csv").unlink()
    os.mkfifo(folder / "runs.csv")
    with pytest.raises(StoreError, match=r"has no tables of a study .*runs.csv is not a regular file"):
        restore_runs(folder)


def test_a_name_that_is_too_long_for_a_folder_is_told():
    with pytest.raises(StoreError, match="has no tables of a study"):
        restore_runs("x" * 5000)


def test_a_folder_without_tables_is_told(tmp_path):
    told = f"{tmp_path} has no tables of a study (runs.csv and epochs.csv): No such file or directory."
    with pytest.raises(StoreError, match=f"^{re.escape(told)}$"):
        load_table(tmp_path)
    with pytest.raises(StoreError, match="has no tables"):
        restore_runs(tmp_path / "nowhere")


def test_the_runs_are_made_again_as_they_are_stored(folder, tmp_path):
    restored = restore_runs(folder)
    assert list(restored) == [SECOND.name, FIRST.name]
    configuration, run = restored[SECOND.name]
    assert configuration == VERSIONS
    rows = [dict(one) for one in STORED[SECOND]["rows"]]
    rows[1]["heldout_loss"] = 0.1235
    rows[0]["heldout_loss"] = None
    assert run == {
        "rows": rows,
        "kernels": ["conv2d/kernel", "dense/kernel"],
        "classes": 10,
        "chance": [0.1111, 0.003472],
        "figures": {"horse01": 0.875, "human02": 1.0},
    }
    # Nothing is in it that the run did not measure.
    assert restored[FIRST.name][1] == {"rows": [row(1), row(2)], "kernels": [], "classes": 0, **NOTHING}
    for name, (configuration, run) in restored.items():
        store.write_run(tmp_path, name, configuration, run)  # plain JSON
    assert store.read_results(tmp_path).runs[SECOND.name] == restored[SECOND.name][1]


def test_a_single_kernel_is_made_again(tmp_path):
    stored = {"rows": [row(1), row(2)], "kernels": ["dense/kernel"], "classes": 2, "chance": [0.25], "figures": {}}
    write_tables({FIRST: stored}, CONFIGURATIONS, tmp_path)
    assert restore_runs(tmp_path) == {FIRST.name: (VERSIONS, stored)}


def test_numbers_that_are_whole_come_back_whole(folder):
    (first, second) = restore_runs(folder)[SECOND.name][1]["rows"]
    assert [type(first["epoch"]), type(second["epoch"]), type(first["train_loss"])] == [int, int, float]


@pytest.mark.parametrize("name", published_tables())
def test_published_runs_that_are_put_back_can_be_used_again(name):
    """Also those that diverged in their first epoch, of which nothing was measured."""
    restored = {run: made for run, (_, made) in restore_runs(name).items()}
    configurations = {run: {"plan": name} for run in restored}
    check_plan(store.Results(restored, configurations), read_plan(name), name)


def test_a_folder_of_ones_own_goes_before_a_study_of_the_package(folder, monkeypatch):
    folder.rename(folder.with_name("A_tuning"))
    monkeypatch.chdir(folder.parent)
    assert set(load_table("A_tuning")["run"]) == {FIRST.name, SECOND.name}
    monkeypatch.chdir(folder.parent / "A_tuning")
    assert set(load_table(".")["run"]) == {FIRST.name, SECOND.name}
    assert load_table("A_tuning")["run"].nunique() > 2
