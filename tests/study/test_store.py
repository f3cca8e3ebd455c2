import contextlib
import errno
import json
import os
import random
import re
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


HEAD = '{"checksum": "", "configuration": '


@pytest.mark.parametrize(
    "foreign",
    [
        *("[1, 2]", "{}", "null", '{"rows": 3}'),
        *(
            HEAD + rest
            for rest in (
                '{}, "rows": 5}',
                '{}, "rows": []}',
                '{}, "rows": [1]}',
                '[], "rows": [{}]}',
                '"x", "rows": [{}]}',
            )
        ),
    ],
)
def test_json_of_somebody_else_is_refused_and_kept(tmp_path, foreign):
    (tmp_path / "settings.json").write_text(foreign)
    with pytest.raises(store.StoreError, match=r"settings.json is not a run of this package. Nothing was changed"):
        store.read_results(tmp_path)
    assert (tmp_path / "settings.json").read_text() == foreign


@pytest.mark.parametrize("content", [b"\x00\x05\x16\x07\xff", b"", b"{}", b'{"rows": 3}', None])
def test_a_hidden_file_that_is_no_run_is_skipped(tmp_path, content):
    store.write_run(tmp_path, "run", CONFIGURATION, RUN)
    hidden = tmp_path / "._run.json"
    if content is None:
        hidden.mkdir()
    else:
        hidden.write_bytes(content)
    results = store.read_results(tmp_path)
    assert (results.runs, results.damaged) == ({"run": RUN}, [])
    assert hidden.exists()


def test_a_run_on_data_whose_path_begins_with_a_dot_is_found(tmp_path):
    store.write_run(tmp_path, "._pets-cnn", CONFIGURATION, RUN)
    assert store.read_results(tmp_path).runs == {"._pets-cnn": RUN}


@pytest.mark.parametrize(
    ("error", "told"), [(PermissionError, "Permission denied"), (NotADirectoryError, "Not a direc")]
)
def test_a_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one(tmp_path, monkeypatch, error, told):
    def refuse(folder):
        number = errno.EACCES if error is PermissionError else errno.ENOTDIR
        raise error(number, os.strerror(number))

    monkeypatch.setattr("gc_tutorial.study.store.os.listdir", refuse)
    with pytest.raises(store.StoreError, match=f"The results folder .* cannot be listed: {told}"):
        store.read_results(tmp_path)


def test_a_folder_that_is_not_there_holds_no_runs(tmp_path):
    assert store.read_results(tmp_path / "new").runs == {}


@pytest.mark.parametrize("name", ["x" * 250, "x" * 250 + ".csv"])
def test_a_name_that_is_nearly_too_long_can_be_written(tmp_path, name):
    store.replace_file(tmp_path / name, "text")
    assert names(tmp_path) == [name]


def test_the_file_behind_a_link_is_written(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link.csv").symlink_to("elsewhere/table.csv")
    store.replace_file(tmp_path / "link.csv", "text")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "elsewhere" / "table.csv").read_text() == "text"


def test_what_is_no_file_is_not_replaced_by_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is not a regular file"):
        store.replace_file(tmp_path / "pipe", "text")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("folder", [5, None, b"runs", "a\0b"])
def test_what_is_no_name_of_a_folder_is_told(folder):
    with pytest.raises(store.StoreError, match=r"is not the name of a folder. Give a str or a path"):
        store.check_named(folder)


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
        store.check_same(store.read_results(tmp_path), CONFIGURATION, tmp_path, hint=" Or so.")
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
    with pytest.raises(store.StoreError, match=r"'second' could not be written.*No space left.*run the same command"):
        store.write_run(tmp_path, "second", CONFIGURATION, RUN)
    with pytest.raises(OSError, match="No space left"):
        store.replace_file(tmp_path / "first.json", "{half")  # as the table of --csv is replaced
    assert store.read_results(tmp_path).runs == {"first": RUN}
    assert names(tmp_path) == ["first.json"]


def test_files_are_plain_json(tmp_path):
    store.write_run(tmp_path, "run", CONFIGURATION, RUN)

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    text = (tmp_path / "run.json").read_text()
    assert json.loads(text, parse_constant=refuse)["rows"] == RUN["rows"]
    assert '"train_loss": 0.25' in [line.strip().strip(",") for line in text.splitlines()]  # a line each, to be read


# ----- what is said, in full, and what is left behind


def told(message):
    return pytest.raises(store.StoreError, match=f"^{re.escape(message)}$")


def refuse(number):
    def function(*arguments, **keywords):
        raise OSError(number, os.strerror(number))

    return function


def test_a_folder_without_a_name_in_full():
    message = "The results folder has no name. Give one; perhaps a shell variable is not set."
    with told(message):
        store.check_named("")
    store.check_named(".")


def test_a_folder_that_cannot_be_made_in_full(tmp_path):
    (tmp_path / "file").touch()
    with (
        told(
            f"Results cannot be written to {tmp_path / 'file'}: File exists. Choose another folder, or make this one "
            "writable and free some space."
        ),
        store.locked(tmp_path / "file"),
    ):
        pass


def test_without_a_home_folder_a_tilde_is_told(monkeypatch):
    def homeless(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(store.Path, "expanduser", homeless)
    with told("'~/runs' begins with ~, but there is no home folder. Give a full path."), store.locked("~/runs"):
        pass


def test_a_folder_without_room_is_told_before_anything_is_trained(tmp_path, monkeypatch):
    def full(path, text):
        path.touch()  # an empty file still has room
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store.Path, "write_text", full)
    with pytest.raises(store.StoreError, match="No space left on device"), store.locked(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_is_made_with_those_above_it_and_is_empty(tmp_path):
    with store.locked(tmp_path / "a" / "b") as folder:
        assert folder == tmp_path / "a" / "b"
        assert names(folder) == []
        assert store.read_results(folder) == store.Results()
    with store.locked(str(tmp_path / "a" / "b")) as again:
        assert again == folder


def test_the_folder_is_free_again_also_after_an_error(tmp_path):
    with pytest.raises(KeyError), store.locked(tmp_path):
        raise KeyError
    with store.locked(tmp_path):
        pass


def test_a_folder_in_use_in_full(tmp_path):
    message = f"Another command is using {tmp_path}. Wait until it ends, or choose another folder."
    with store.locked(tmp_path), told(message), store.locked(tmp_path):
        pass


def test_files_that_are_no_runs_in_full(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    path.mkdir()
    with told(f"{path} is not a file. Remove it, or choose another folder."):
        store.read_results(tmp_path)
    path.rmdir()
    path.write_text("{}")
    with told(f"{path} is not a run of this package. Nothing was changed. Choose another folder."):
        store.read_results(tmp_path)
    monkeypatch.setattr(store.Path, "read_text", refuse(errno.EACCES))
    with told(
        f"{path} cannot be read: Permission denied. Nothing was changed. Change its permissions, or choose another "
        "folder."
    ):
        store.read_results(tmp_path)


def test_a_copy_under_another_name_in_full(tmp_path):
    store.write_run(tmp_path, "run", CONFIGURATION, RUN)
    (tmp_path / "other.json").write_bytes((tmp_path / "run.json").read_bytes())
    with told(
        f"{tmp_path / 'other.json'} holds the run 'run': it was copied or renamed. Nothing was changed. Remove it, or "
        "give it the name run.json again."
    ):
        store.read_results(tmp_path)


def test_a_run_that_was_written_without_its_name_is_read(tmp_path):
    found = {"configuration": CONFIGURATION, **RUN}
    (tmp_path / "old.json").write_text(json.dumps({**found, "checksum": store._checksum(found)}))
    results = store.read_results(tmp_path)
    assert (results.runs, results.configurations) == ({"old": RUN}, {"old": CONFIGURATION})


@pytest.mark.parametrize("missing", ["configuration", "rows", "checksum"])
def test_a_run_has_a_configuration_rows_and_a_checksum(tmp_path, missing):
    store.write_run(tmp_path, "run", CONFIGURATION, RUN)
    content = json.loads((tmp_path / "run.json").read_text())
    del content[missing]
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(store.StoreError, match="is not a run of this package"):
        store.read_results(tmp_path)


def test_a_run_with_another_order_of_keys_is_the_same(tmp_path):
    store.write_run(tmp_path, "run", CONFIGURATION, RUN)
    content = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(dict(reversed(content.items()))))
    assert store.read_results(tmp_path).runs == {"run": RUN}


def test_letters_beyond_ascii_are_kept(tmp_path):
    run = {"rows": [{"machine": "größe 猫"}]}
    store.write_run(tmp_path, "größe", {"plan": "猫"}, run)
    results = store.read_results(tmp_path)
    assert (results.runs, results.configurations) == ({"größe": run}, {"größe": {"plan": "猫"}})
    store.replace_file(tmp_path / "table.csv", "größe\r\n猫\n")
    assert (tmp_path / "table.csv").read_bytes() == "größe\r\n猫\n".encode()


def test_letters_beyond_ascii_are_kept_where_the_system_has_another_encoding(tmp_path):
    run = {"rows": [{"machine": "größe 猫"}]}
    store.write_run(tmp_path, "run", CONFIGURATION, run)
    text = (tmp_path / "run.json").read_text(encoding="utf-8").replace("\\u732b", "猫")  # as a person may edit it
    (tmp_path / "run.json").write_text(text, encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; from gc_tutorial.study import store\n"
        "folder = Path(sys.argv[1])\n"
        "assert store.read_results(folder).runs['run']['rows'][0]['machine'] == 'gr\\xf6\\xdfe \\u732b'\n"
        "store.replace_file(folder / 'table.csv', 'gr\\xf6\\xdfe \\u732b')"
    )
    plain = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=plain)
    assert (tmp_path / "table.csv").read_text(encoding="utf-8") == "größe 猫"
    assert store.read_results(tmp_path).runs == {"run": run}


def test_runs_are_read_in_the_order_of_their_names(tmp_path):
    for name in ("b", "c", "a"):
        store.write_run(tmp_path, name, CONFIGURATION, RUN)
    (tmp_path / "d.csv").touch()
    assert list(store.read_results(tmp_path).runs) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("other", "differing"),
    [
        ({"epochs": 3, "data": "digits"}, "data is 'digits' there, 'synthetic' here; epochs is 3 there, 2 here"),
        ({"data": "synthetic"}, "epochs is None there, 2 here"),
        ({**CONFIGURATION, "keras": "3.9.0"}, "keras is '3.9.0' there, None here"),
    ],
)
def test_what_differs_in_full(tmp_path, other, differing):
    results = store.Results(configurations={"first": CONFIGURATION, "run": other})
    with told(
        f"{tmp_path / 'run'}.json is a run with a different configuration: {differing}. Nothing was changed. "
        "Choose another folder, or use the configuration that this folder was begun with."
    ):
        store.check_same(results, CONFIGURATION, tmp_path)


def test_what_may_differ_does_not_count(tmp_path):
    results = store.Results(configurations={"run": {"epochs": 3, "data": "synthetic"}})
    store.check_same(results, CONFIGURATION, tmp_path, ignoring={"epochs"})
    with pytest.raises(store.StoreError, match="epochs is 3"):
        store.check_same(results, CONFIGURATION, tmp_path, ignoring=["data"])
    store.check_same(store.Results(), CONFIGURATION, tmp_path)


def test_a_run_that_cannot_be_written_in_full(tmp_path, monkeypatch):
    monkeypatch.setattr(store.os, "replace", refuse(errno.EROFS))
    with told(
        f"The finished run 'run' could not be written to {tmp_path}: Read-only file system. All runs before it are "
        "safe there. Free some space, and run the same command again to continue."
    ):
        store.write_run(tmp_path, "run", CONFIGURATION, RUN)
    assert names(tmp_path) == []


def test_where_not_even_the_rest_can_be_removed_the_first_error_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(store.os, "replace", refuse(errno.ENOSPC))
    monkeypatch.setattr(store.Path, "unlink", refuse(errno.EACCES))
    with pytest.raises(OSError, match="No space left"):
        store.replace_file(tmp_path / "run.json", "text")


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    """Else a power cut could leave the name on an empty file."""
    done = []
    sync, rename = store.os.fsync, store.os.replace

    def fsync(descriptor):
        done.append(os.fstat(descriptor).st_size)
        sync(descriptor)

    def replace(source, target):
        done.append((os.path.dirname(source), target))
        rename(source, target)

    monkeypatch.setattr(store.os, "fsync", fsync)
    monkeypatch.setattr(store.os, "replace", replace)
    store.replace_file(tmp_path / "run.json", "text")
    assert done == [4, (str(tmp_path), tmp_path / "run.json")]  # all of it, within one folder


# ----- two processes, and processes that are killed

WRITER = """
import sys
from gc_tutorial.study import store
with store.locked(sys.argv[1]) as folder:
    print("locked", flush=True)
    for number in range(1_000_000):  # until it is killed
        rows = [{"number": number, "epoch": epoch, "loss": epoch / 7} for epoch in range(200)]
        store.write_run(folder, f"run{number % 3}", {"plan": "x"}, {"rows": rows})
"""


@contextlib.contextmanager
def writing_in_another_process(folder):
    """Gives the process, which is killed in the end."""
    command = [sys.executable, "-c", WRITER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        try:
            assert writer.stdout.readline() == "locked\n"
            yield writer
        finally:
            writer.kill()


def test_a_second_command_is_refused_and_a_killed_one_leaves_the_folder_free(tmp_path):
    refused = pytest.raises(store.StoreError, match="Another command is using")
    with writing_in_another_process(tmp_path), refused, store.locked(tmp_path):
        pass
    with store.locked(tmp_path):
        pass


def test_killed_while_writing_it_leaves_whole_runs(tmp_path):
    moments = random.Random(0)
    for _ in range(6):
        with writing_in_another_process(tmp_path) as writer:
            ends = time.monotonic() + 300
            while not any(tmp_path.glob("*.json")):  # a busy machine may take long to write the first
                assert writer.poll() is None and time.monotonic() < ends, "nothing is written"
                time.sleep(0.01)
            time.sleep(moments.uniform(0.01, 0.2))
        assert writer.returncode == -signal.SIGKILL
        results = store.read_results(tmp_path)
        assert results.damaged == []
        assert all(len(run["rows"]) == 200 for run in results.runs.values())
    assert results.runs


def test_a_folder_that_was_removed_during_training_is_told(tmp_path):
    with pytest.raises(store.StoreError, match=r"was removed while 'first' was trained.*Run the same command again"):
        store.write_run(tmp_path / "results", "first", CONFIGURATION, RUN)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("epoch", 1.5),
        ("epoch", None),
        ("seconds", None),
        ("seconds", float("nan")),
        ("train_loss", "0.5"),
        ("train_loss", 10**400),
        ("train_loss", [0.5]),
        ("status", "ok"),
        ("status", None),
        ("status", ["finished"]),
        ("ended", 3),
    ],
)
def test_a_row_of_another_kind_is_told(column, value):
    row = {"epoch": 1, "train_loss": 0.5, "seconds": 1.5, "status": "finished", "ended": "2026-11-29"}
    store.check_rows(store.Results({"run": {"rows": [row]}}), row, "folder")
    with pytest.raises(
        store.StoreError, match=f"run.json is not a run of this package: its column {column} is missing or"
    ):
        store.check_rows(store.Results({"run": {"rows": [{**row, column: value}]}}), row, "folder")


def test_only_a_run_that_is_asked_for_is_said_to_be_repeated():
    results = store.Results(damaged=["first.json", "notes.json"])
    assert store.said_of_damaged(results, ["first", "second"]) == [
        "first.json is damaged; its run is repeated.",
        "notes.json is not a complete run, and was left unchanged.",
    ]
