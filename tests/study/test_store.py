import errno
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from gc_tutorial.study import store

CONFIGURATION = {"epochs": 2, "data": "synthetic"}
RUN = {"rows": [{"arm": "none", "epoch": 1, "train_loss": 0.25}, {"arm": "none", "train_loss": None}], "kernels": ["k"]}


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != store.LOCK)


def test_a_run_comes_back_as_it_was_written(tmp_path):
    store.write_run(tmp_path, "none-seed000", CONFIGURATION, RUN)
    results = store.read_results(tmp_path)
    assert (results.runs, results.configurations) == ({"none-seed000": RUN}, {"none-seed000": CONFIGURATION})
    assert results.damaged == []
    assert names(tmp_path) == ["none-seed000.json"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text + "}",
        lambda text: text.replace("0.25", "0.35"),
        lambda text: "[" * 100_000,
    ],
)
def test_a_damaged_file_is_named_and_not_trusted(tmp_path, damage):
    store.write_run(tmp_path, "good", CONFIGURATION, RUN)
    store.write_run(tmp_path, "bad", CONFIGURATION, RUN)
    (tmp_path / "bad.json").write_text(damage((tmp_path / "bad.json").read_text()))
    (tmp_path / "worse.json").write_bytes(b"\xff\xfe\x00")
    results = store.read_results(tmp_path)
    assert results.runs == {"good": RUN}
    assert results.damaged == ["bad.json", "worse.json"]


@pytest.mark.parametrize("foreign", ["[1, 2]", "{}", "null", '{"rows": 3}'])
def test_json_of_somebody_else_is_refused_and_kept(tmp_path, foreign):
    (tmp_path / "settings.json").write_text(foreign)
    with pytest.raises(store.StoreError, match=r"settings.json is not a run of this package. Nothing was changed"):
        store.read_results(tmp_path)
    assert (tmp_path / "settings.json").read_text() == foreign


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "run.json")
    with pytest.raises(store.StoreError, match=r"run.json is not a file"):
        store.read_results(tmp_path)


def test_a_file_that_may_not_be_read_is_refused_and_kept(tmp_path, monkeypatch):
    store.write_run(tmp_path, "run", CONFIGURATION, RUN)

    def refuse(*arguments, **keywords):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(store.Path, "read_text", refuse)  # root may read everything, so it is pretended
    with pytest.raises(store.StoreError, match=r"run.json cannot be read: Permission denied. Nothing was changed"):
        store.read_results(tmp_path)


def test_what_an_interrupted_command_half_wrote_is_not_a_run(tmp_path):
    (tmp_path / "none-seed000.json-123.partial").write_text("{half")
    assert store.read_results(tmp_path) == store.Results()


@pytest.mark.parametrize(
    "other", [{"epochs": 3, "data": "synthetic"}, {"epochs": 2}, {**CONFIGURATION, "keras": "3.9.0"}]
)
def test_another_configuration_never_mixes(tmp_path, other):
    store.write_run(tmp_path, "run", other, RUN)
    with pytest.raises(store.StoreError) as error:
        store.check_same(store.read_results(tmp_path), CONFIGURATION, tmp_path, way_on=" Or so.")
    differing = next(key for key in (*other, *CONFIGURATION) if other.get(key) != CONFIGURATION.get(key))
    message = str(error.value)
    assert f"{differing} is {other.get(differing)!r} there, {CONFIGURATION.get(differing)!r} here" in message
    assert "Choose another folder" in message
    assert message.endswith(" Or so.")


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(store.StoreError, match=r"cannot be written to .*file.* Choose another folder"),
        store.locked(tmp_path / "file" / "results"),
    ):
        pass


def test_a_folder_without_a_name_is_told():
    with pytest.raises(store.StoreError, match="has no name"), store.locked(""):
        pass


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with store.locked("~/runs") as folder:
        assert folder == tmp_path / "runs"


def test_a_full_disk_keeps_the_runs_before_it(tmp_path, monkeypatch):
    store.write_run(tmp_path, "first", CONFIGURATION, RUN)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(store.StoreError, match=r"'second' could not be written.*No space left.*goes on from here"):
        store.write_run(tmp_path, "second", CONFIGURATION, RUN)
    with pytest.raises(OSError, match="No space left"):
        store.replace_file(tmp_path / "first.json", "{half")  # as the table of --csv is replaced
    assert store.read_results(tmp_path).runs == {"first": RUN}
    assert names(tmp_path) == ["first.json"]


def test_files_are_plain_json(tmp_path):
    store.write_run(tmp_path, "run", CONFIGURATION, RUN)

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads((tmp_path / "run.json").read_text(), parse_constant=refuse)["rows"] == RUN["rows"]


# ----- two processes, and processes that are killed

WRITER = """
import sys
from gc_tutorial.study import store
with store.locked(sys.argv[1]) as folder:
    print("locked", flush=True)
    for number in range(10_000):
        rows = [{"number": number, "epoch": epoch, "loss": epoch / 7} for epoch in range(200)]
        store.write_run(folder, f"run{number % 3}", {"plan": "x"}, {"rows": rows})
"""


def write_in_another_process(folder):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "locked\n"
    return writer


def test_a_second_command_is_refused_and_a_killed_one_leaves_the_folder_free(tmp_path):
    writer = write_in_another_process(tmp_path)
    try:
        with pytest.raises(store.StoreError, match="Another command is at work"), store.locked(tmp_path):
            pass
    finally:
        writer.kill()
        writer.wait()
    with store.locked(tmp_path):
        pass


def test_killed_while_writing_it_leaves_whole_runs(tmp_path):
    moments = random.Random(0)
    for _ in range(6):
        writer = write_in_another_process(tmp_path)
        time.sleep(moments.uniform(0.01, 0.2))
        writer.send_signal(signal.SIGKILL)
        assert writer.wait() == -signal.SIGKILL
        results = store.read_results(tmp_path)
        assert results.damaged == []
        assert all(len(run["rows"]) == 200 for run in results.runs.values())
    assert results.runs
