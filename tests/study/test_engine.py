"""Studies in one process, in several, on a cluster, killed and gone on with. Training is real, on small digits."""

import asyncio
import contextlib
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pandas as pd
import pytest

from gc_tutorial.__main__ import main
from gc_tutorial.errors import EngineError, PlanError, StoreError
from gc_tutorial.study import datasets, engine, planned_study, store, tuned
from gc_tutorial.study.overview import overview
from gc_tutorial.study.plan import Plan, Tuned, read_plan
from gc_tutorial.study.runs import Run

PLAN = """
title = "Digits"
[seeds]
tuning = [100]
confirmation = [200]
[factors]
data = "digits"
network = "small_cnn"
optimizer = "adam"
augmentation = "none"
image_size = 8
train_examples = 100
epochs = 1
evaluate_last = 1
[[runs]]
arm = ["none", "gradient"]
learning_rate = [1e-4, 1e-2]
[[runs]]
stage = "confirmation"
arm = ["none", "gradient"]
learning_rate = { tuned = "clean_loss" }
[rules.any]
kind = "budget"
"""
RUNS = 6
VARYING = ["seconds", "ended", "machine"]


@pytest.fixture(scope="module")
def plan_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("plans") / "digits.toml"
    path.write_text(PLAN)
    return path


def study(plan_file, folder, *arguments):
    """The real command, in a process of its own."""
    command = [sys.executable, "-m", "gc_tutorial", "study", str(plan_file), str(folder), "--threads", "1", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(process, seconds=300):
    try:
        out, err = process.communicate(timeout=seconds)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, err
    return out


def results(plan_file, folder):
    plan, found = read_plan(str(plan_file)), store.read_results(folder)
    assert not found.damaged
    runs = {run: found.runs[run.name] for run in tuned.known_runs(plan, found)}
    return planned_study.study_table(runs).drop(columns=VARYING)


@pytest.fixture(scope="module")
def undisturbed(plan_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    out = finish(study(plan_file, folder, "--tables", str(folder / "tables")))
    assert f"{RUNS} runs are in" in out
    return folder


def until(condition, process, seconds=300):
    ends = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends, "nothing happened"
        time.sleep(0.02)


def count(folder):
    return len(list(folder.glob("*.json")))


@contextlib.contextmanager
def halted(plan_file, folder, *arguments, kept=1, later=0.0):
    """A study that stands still, `later` seconds after so many runs were kept, and before its last one was.

    SIGCONT lets it go on. In the end it is killed.
    """
    before = set(folder.glob("*.json"))
    for seconds in (later, 0, 0, 0, 0):  # on a busy machine a study may end before this process looks again
        process = study(plan_file, folder, *arguments)
        try:
            until(lambda: count(folder) >= kept, process)
            time.sleep(seconds)
            os.killpg(process.pid, signal.SIGSTOP)
            if count(folder) < RUNS:
                yield process
                return
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        for path in set(folder.glob("*.json")) - before:
            path.unlink()
    pytest.fail("every study ended before it could be halted")


def workers_of(process):
    """The processes that compute: grandchildren, started by Dask's nannies."""
    import psutil

    children = psutil.Process(process.pid).children(recursive=True)
    return [one for one in children if "spawn_main" in " ".join(one.cmdline())]


def test_the_confirming_runs_are_at_the_rates_that_tuning_chose(plan_file, undisturbed):
    table = results(plan_file, undisturbed)
    assert table["run"].nunique() == RUNS
    tuning = table[(table["stage"] == "tuning") & (table["epoch"] == 1)]
    best = tuning.groupby(["arm", "learning_rate"])["clean_loss"].mean().unstack().idxmin(axis=1)
    chosen = table[table["stage"] == "confirmation"].groupby("arm")["learning_rate"].unique()
    assert {arm: list(rates) for arm, rates in chosen.items()} == {arm: [rate] for arm, rate in best.items()}
    assert set(table.loc[table["stage"] == "confirmation", "seed"]) == {200}


def test_killed_at_random_moments_it_ends_with_the_same_table(plan_file, undisturbed, tmp_path):
    for kept in (1, 4):
        with halted(plan_file, tmp_path, kept=kept, later=0.1 * kept) as process:
            os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert count(tmp_path) >= kept
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    finish(study(plan_file, tmp_path))
    assert all(path.stat().st_mtime_ns == written for path, written in before.items())  # nothing was done twice
    pd.testing.assert_frame_equal(results(plan_file, tmp_path), results(plan_file, undisturbed), check_exact=True)


def test_two_workers_give_the_same_table_also_where_one_is_killed_in_a_run(plan_file, undisturbed, tmp_path):
    with halted(plan_file, tmp_path, "--workers", "2") as process:
        workers_of(process)[0].send_signal(signal.SIGKILL)
        os.killpg(process.pid, signal.SIGCONT)
        finish(process)
    assert count(tmp_path) == RUNS
    pd.testing.assert_frame_equal(results(plan_file, tmp_path), results(plan_file, undisturbed), check_exact=True)


def test_a_second_command_in_the_folder_is_refused_in_one_sentence(plan_file, tmp_path, capsys):
    with store.locked(tmp_path):
        assert main(["study", str(plan_file), str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: Another command is using")
    assert err.count("\n") == 1


def test_interrupted_it_ends_soon_with_one_sentence(plan_file, tmp_path):
    with halted(plan_file, tmp_path, "--workers", "2") as process:
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal reaches all of them
        os.killpg(process.pid, signal.SIGCONT)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    said = [line for line in err.replace("\r", "\n").splitlines() if line.strip() and "epoch" not in line]
    assert said == ["stopped; run the same command again to continue"]


# ----- schedulers


def computed(runs, **options):
    with engine.started(**options) as compute:
        yield from compute(runs)


def test_a_scheduler_that_does_not_answer_is_told_after_our_limit(monkeypatch):
    assert engine.TIMEOUT <= 10  # seconds; too slow to wait for here
    monkeypatch.setattr(engine, "TIMEOUT", 1)
    with socket.socket() as silent, socket.socket() as refusing:
        for one in (silent, refusing):
            one.bind(("127.0.0.1", 0))
        silent.listen()  # it accepts, and says nothing
        quiet, closed = (f"127.0.0.1:{one.getsockname()[1]}" for one in (silent, refusing))
        for address in (f"tcp://{quiet}", f"tcp://{closed}", "nonsense:// ", f"tls://{closed}"):
            with pytest.raises(EngineError, match="did not answer within 1 seconds") as error:
                list(computed([SMALL], scheduler=address))
            if address.startswith("tcp"):
                assert type(error.value.__cause__) is asyncio.TimeoutError  # not of Dask, which waits for 30 seconds


@pytest.fixture
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, memory_limit=0, protocol="tcp://"
    ) as cluster:
        yield cluster


def test_processes_that_cannot_reach_one_another_are_told(monkeypatch):
    def blocked(**options):
        raise RuntimeError("Cluster failed to start: Timed out trying to connect")

    monkeypatch.setattr("distributed.LocalCluster", blocked)
    with pytest.raises(EngineError, match=r"2 processes could not be started: .*Timed out.* Use one: --workers 1."):
        next(computed([], workers=2))


@pytest.mark.parametrize("numbers", [(0, 0), (-1, 0), (10_000, 0), (1, 10_000), (1, -1)])
def test_numbers_that_are_not_valid_are_refused_before_training(numbers):
    workers, threads = numbers
    with pytest.raises(EngineError, match=r"is not valid on this machine. Choose a number from [01] to \d+\."):
        next(computed([], workers=workers, threads=threads))


def test_a_scheduler_may_have_machines_with_more_cores():
    engine.check_workers(1, 10_000, "tcp://somewhere:8786")
    engine.check_workers(4, 4)


def test_a_scheduler_without_workers_is_told(cluster):
    cluster.scale(0)
    cluster.sync(cluster.scheduler.retire_workers, close_workers=True)
    with pytest.raises(EngineError, match="has no workers"):
        list(computed([SMALL], scheduler=cluster.scheduler_address))


def test_a_worker_of_another_version_is_told(cluster, monkeypatch):
    monkeypatch.setattr(engine, "versions", _alternating({"keras": "3.15.1"}, {"keras": "3.14.0"}))
    with pytest.raises(EngineError, match=r"A worker has other versions: keras 3.14.0 there, 3.15.1 here"):
        list(computed([SMALL], scheduler=cluster.scheduler_address))


def _alternating(*answers):
    remaining = list(answers)
    return lambda: remaining.pop(0)


SMALL = Run(data="digits", network="small_cnn", learning_rate=1e-3, epochs=1, seed=100, image_size=8,
            augmentation="none", train_examples=50)  # fmt: skip


# ----- folders and tables


def test_tables_make_the_runs_again(plan_file, undisturbed, tmp_path):
    plan = read_plan(str(plan_file))
    assert planned_study.restore(plan, undisturbed / "tables", tmp_path / "runs") == RUNS
    assert planned_study.restore(plan, undisturbed / "tables", tmp_path / "runs") == 0
    restored = results(plan_file, tmp_path / "runs")
    pd.testing.assert_frame_equal(restored, results(plan_file, undisturbed), rtol=1e-3)
    planned_study.tables(plan, tmp_path / "runs", tmp_path / "tables")
    for name in ("runs.csv", "epochs.csv"):
        assert (tmp_path / "tables" / name).read_bytes() == (undisturbed / "tables" / name).read_bytes()
    assert "0 of 6 runs are missing" in overview(plan, tmp_path / "runs")


def test_a_folder_of_another_plan_is_refused(plan_file, undisturbed, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(PLAN)
    with pytest.raises(StoreError, match=r"belongs to the plan 'digits', and not to 'other'. Nothing was changed"):
        planned_study.run_study(read_plan(str(other)), undisturbed, progress=False)


def test_other_images_of_the_same_name_are_told_and_not_mixed(plan_file, undisturbed, tmp_path, monkeypatch):
    folder = shutil.copytree(undisturbed, tmp_path / "results")
    next(folder.glob("*.json")).unlink()

    def grown(*factors):
        found = datasets.examples(*factors)
        return replace(found, counts=(200, *found.counts[1:]))

    monkeypatch.setattr("gc_tutorial.study.training.examples", grown)
    told = r"digits has changed: it holds 200 \+ 182 \+ .* examples, and 178 \+ 182 \+ .* The new run is not kept"
    with pytest.raises(StoreError, match=told):
        planned_study.run_study(read_plan(str(plan_file)), folder, progress=False)
    assert count(folder) == RUNS - 1


@pytest.mark.parametrize(
    ("configuration", "row", "told"),
    [
        ({"plan": "other"}, {}, r"belongs to the plan 'other', and not to 'digits'. Nothing was changed"),
        ({"optimizer": "sgd"}, {}, "belongs to the plan None, and not to 'digits'"),
        ({"plan": "digits"}, {"seconds": "x"}, "its column seconds is missing or has the wrong type"),
    ],
)
def test_runs_are_not_put_back_beside_those_of_another_plan(plan_file, undisturbed, tmp_path, configuration, row, told):
    kept = {"epoch": 1, "train_loss": 1.0, "seconds": 1.0, "status": "finished", "ended": "", "machine": "", **row}
    store.write_run(tmp_path, "kept", configuration, {"rows": [kept]})
    with pytest.raises(StoreError, match=told):
        planned_study.restore(read_plan(str(plan_file)), undisturbed / "tables", tmp_path)
    assert [path.name for path in tmp_path.glob("*.json")] == ["kept.json"]


def test_after_an_upgrade_a_half_done_study_says_how_to_go_on(plan_file, undisturbed, tmp_path, monkeypatch):
    plan = read_plan(str(plan_file))
    planned_study.restore(plan, undisturbed / "tables", tmp_path)
    next(tmp_path.glob("*seed200*.json")).unlink()
    now = {**engine.versions(), "keras": "99.0"}
    monkeypatch.setattr(engine, "versions", lambda: now)
    with pytest.raises(StoreError, match=r"keras is '3\.[\d.]+' there, '99.0' here.*give --accept-versions"):
        planned_study.run_study(plan, tmp_path, progress=False)
    table = planned_study.run_study(plan, tmp_path, accept_versions=True, progress=False)
    assert table["run"].nunique() == RUNS
    assert sum(made["keras"] == "99.0" for made in store.read_results(tmp_path).configurations.values()) == 1


def test_a_dry_run_lists_what_is_missing_and_trains_nothing(plan_file, tmp_path, capsys):
    assert main(["study", str(plan_file), str(tmp_path / "new"), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "1 × data digits, learning_rate 0.0001" in out
    assert "4 of 4 runs are missing." in out
    assert "Further runs follow" in out
    assert not (tmp_path / "new").exists()


# ----- the choice of rates


def chosen(finals, by=("clean_loss",), best=1, of=()):
    results, runs = store.Results(), []
    for (arm, rate), values in finals.items():
        for seed, value in enumerate(values, start=100):
            run = Run(data="digits", learning_rate=rate, epochs=2, seed=seed, arm=arm)
            status = "diverged" if value is None else "finished"
            common = {"train_loss": 1.0, "seconds": 1.0, "status": status, "ended": "", "machine": ""}
            rows = [{**common, "epoch": 1, "clean_loss": 9.0, "heldout_loss": 9.0}]
            rows += [
                {**common, "epoch": epoch, "clean_loss": value, "heldout_loss": value and -value} for epoch in (2, 3, 4)
            ]
            runs.append(run)
            results.runs[run.name] = {"rows": rows}
    asked = Run(data="digits", learning_rate=1.0, epochs=5, seed=200, stage="confirmation")
    reduced = tuned.reduce_runs(tuned.study_table({run: results.runs[run.name] for run in runs})).set_index("run")
    return tuned.best_rates(asked, Tuned(by, best, of), runs, reduced)


def test_the_best_rate_has_the_lowest_mean_of_the_last_three_epochs():
    finals = {("none", 1e-4): [0.5, 0.5], ("none", 1e-3): [0.1, 0.4], ("none", 1e-2): [0.2, 0.2]}
    finals[("gradient", 1e-3)] = [0.0, 0.0]
    assert chosen(finals) == [1e-2]
    assert chosen(finals, best=2) == [1e-2, 1e-3]
    assert chosen(finals, by=("clean_loss", "heldout_loss")) == [1e-2, 1e-4]
    assert chosen(finals, of=("none", "gradient")) == [1e-2, 1e-3]
    # A run that diverged counts as one that guesses among the ten digits: ln(10) = 2.3.
    assert chosen({("none", 1e-4): [1.1, 1.1], ("none", 1e-3): [0.1, None]}) == [1e-4]
    assert chosen({("none", 1e-4): [1.4, 1.4], ("none", 1e-3): [0.1, None]}) == [1e-3]


@pytest.mark.parametrize("by", ["shifted_loss", "heldout_auc"])
def test_an_outcome_that_no_tuning_run_has_is_told(by):
    with pytest.raises(PlanError, match=f"no tuning run of the arm 'none' on 'digits' has {by}: all diverged"):
        chosen({("none", 1e-3): [0.1]}, by=(by,))


def test_longer_runs_at_tuned_rates_are_found_while_others_are_known():
    tuning = [Run(data="digits", learning_rate=rate, epochs=1, seed=1) for rate in (1e-3, 1e-2)]
    rows = [{"epoch": 1, "train_loss": 1.0, "clean_loss": 1.0, "seconds": 1.0, "ended": "", "machine": ""}]
    results = store.Results(runs={run.name: {"rows": [{**rows[0], "status": "finished"}]} for run in tuning})
    longer = Run(data="digits", learning_rate=math.nan, epochs=3, seed=1)
    both = (longer, replace(longer, seed=2))
    plan = Plan("P", "", "", tuple(tuning), tuple((run, Tuned(("clean_loss",), 2)) for run in both))
    found = tuned.known_runs(plan, results)[2:]
    assert sorted((run.seed, run.learning_rate, run.epochs) for run in found) == [
        (1, 1e-3, 3), (1, 1e-2, 3), (2, 1e-3, 3), (2, 1e-2, 3)]  # fmt: skip


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_fails_does_not_stop_the_others(workers):
    bad = replace(SMALL, optimizer="unknown")
    ended = []
    with pytest.raises(EngineError, match=rf"1 runs failed, the first of them {re.escape(bad.name)} \(.*The others"):
        for run, _ in computed([bad, SMALL], workers=workers):
            ended.append(run)
    assert ended == [SMALL]


def test_processes_start_once_for_all_stages_and_not_before_there_are_runs(monkeypatch):
    starts = []

    @contextlib.contextmanager
    def client(workers, scheduler):
        starts.append("started")
        yield
        starts.append("ended")

    monkeypatch.setattr(engine, "_client", client)
    monkeypatch.setattr(engine, "_on_dask", lambda client, runs, threads: iter([(run, client()) for run in runs]))
    with engine.started(workers=2) as compute:
        assert not starts
        list(compute(["tuning"])), list(compute(["confirmation"]))
        assert starts == ["started"]
    assert starts == ["started", "ended"]
