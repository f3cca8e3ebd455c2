"""Run the missing runs of a planned study, and write its tables."""

import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from gc_tutorial.console import say
from gc_tutorial.errors import StoreError
from gc_tutorial.study import engine, store
from gc_tutorial.study.plan import Plan
from gc_tutorial.study.tables import KEPT_BY_RUN, check_kept, restore_runs, study_table, write_tables
from gc_tutorial.study.tuned import known_runs

KINDS = (("kernels", list, str), ("chance", list, (int, float)), ("counts", list, int), ("figures", dict, (int, float)))
LOGITS = "logits"  # the folder of the networks' outputs for each example

UPGRADED = (
    " To finish what was begun with other versions, install those; to add runs with today's versions anyway, "
    "give --accept-versions (the tables name the versions of each run)."
)


def run_study(
    plan: Plan,
    folder: str | os.PathLike,
    *,
    workers: int = 1,
    threads: int = 0,
    scheduler: str = "",
    accept_versions: bool = False,
    progress: bool = True,
) -> pd.DataFrame:
    """Train the missing runs of a plan; each finished run is kept at once.

    Args:
        plan: `Plan`.
        folder: path of the results folder.
        workers, threads, scheduler: as for `gc_tutorial.study.engine.started`.
        accept_versions: whether to continue in a folder whose runs used other package versions.
        progress: whether to show a bar over all runs, with the time left.

    Returns:
        `pandas.DataFrame`, as from `gc_tutorial.study.tables.study_table`.

    Raises:
        StoreError: for a folder that cannot be used, or holds runs of another plan or of other versions.
        EngineError: for processes or machines that cannot be used.
        DataError: for a data set that is not there.
    """
    from gc_tutorial.study import datasets  # with TensorFlow, which the other functions do not need

    datasets.check_names({run.data for run in plan.runs} | {run.pretrained for run in plan.runs if run.pretrained})
    with (
        store.locked(folder) as path,
        engine.started(workers=workers, threads=threads, scheduler=scheduler) as compute,
    ):
        results = store.read_results(path)
        check_plan(results, plan, path)
        for said in store.said_of_damaged(results, (run.name for run in known_runs(plan, results))):
            say(said)
        _make_room_for_logits(path)
        while todo := [run for run in known_runs(plan, results) if run.name not in results.runs]:
            configuration = {"plan": plan.name, **engine.versions()}
            if not accept_versions:
                store.check_same(results, configuration, path, UPGRADED, hinted=engine.versions())
            counts = _counts(plan, results)
            with tqdm(total=sum(run.epochs for run in todo), unit="epoch", smoothing=0, disable=not progress) as bar:
                for run, result in compute(todo):
                    _check_counts(run, result, counts, path)
                    _keep(path, run, configuration, result)
                    results.runs[run.name], results.configurations[run.name] = result, configuration
                    bar.update(run.epochs)
        return study_table({run: results.runs[run.name] for run in known_runs(plan, results)})


def _counts(plan, results):
    """The examples of each class that each data set had in the runs before; older runs do not say."""
    done = [run for run in known_runs(plan, results) if results.runs.get(run.name, {}).get("counts")]
    return {run.data: results.runs[run.name]["counts"] for run in done}


def _check_counts(run, result, counts, folder):
    """Runs on other images under the same name must not be mixed with those before."""
    before, now = counts.setdefault(run.data, result["counts"]), result["counts"]
    if before != now:
        raise StoreError(
            f"{run.data} has changed: it holds {' + '.join(map(str, now))} examples, and "
            f"{' + '.join(map(str, before))} in the earlier runs. The new run is not kept. Put the images back as they "
            f"were, or start again in a folder other than {folder}."
        )


def _keep(path, run, configuration, result):
    logits = io.BytesIO()
    np.savez_compressed(logits, **result.pop("logits"))
    try:
        store.replace_file(path / LOGITS / f"{run.name}.npz", logits.getvalue())
    except OSError as error:
        raise store.unwritten(run.name, path, error) from error
    store.write_run(path, run.name, configuration, result)


def _make_room_for_logits(path):
    """Fail before hours of training, not after."""
    try:
        store.probe(path / LOGITS)
    except OSError as error:
        raise StoreError(
            f"Results cannot be written to {path / LOGITS}: {error.strerror}. Remove the file that blocks it, or "
            "choose another folder."
        ) from None


def _holds(found, kind, of):
    return isinstance(found, kind) and all(isinstance(one, of) for one in (found.values() if kind is dict else found))


def check_plan(results: store.Results, plan: Plan, folder: str | os.PathLike) -> None:
    """Raise an error for a folder that holds anything other than runs of a plan.

    Raises:
        StoreError: naming the file.
    """
    store.check_rows(results, ("epoch", "train_loss", "seconds", *KEPT_BY_RUN[:3]), folder)
    for name, run in results.runs.items():
        if not all(_holds(run.get(key, kind()), kind, of) for key, kind, of in KINDS):
            raise StoreError(
                f"{Path(folder) / name}{store.ENDING} is not a run of a study. Nothing was changed. Choose another "
                "folder."
            )
    for name, configuration in results.configurations.items():
        if configuration.get("plan") != plan.name:
            raise StoreError(
                f"{Path(folder) / name}{store.ENDING} belongs to the plan {configuration.get('plan')!r}, and not to "
                f"{plan.name!r}. Nothing was changed. Choose another folder."
            )


def check_target(plan: Plan, folder: str | os.PathLike, target: str | os.PathLike) -> None:
    """Raise an error, before training, for a target whose tables hold runs that those of the plan would lack.

    Runs whose learning rates the tuning has yet to choose have no names: `tables` looks at those in the end.

    Raises:
        StoreError: naming the table.
    """
    results = store.read_results(store.expanded(folder))
    check_plan(results, plan, folder)
    known = known_runs(plan, results)
    more = bool(plan.tuned) and len(known) == len(plan.runs)
    check_kept(store.expanded(target), [run.name for run in known], more)


def tables(plan: Plan, folder: str | os.PathLike, target: str | os.PathLike) -> int:
    """Write the two tables of the runs that have ended, also while a command is at work in the folder.

    Returns:
        int, the number of runs in the tables.

    Raises:
        StoreError: if there are no finished runs, or the tables in the target hold runs that these would lack.
    """
    results = store.read_results(store.expanded(folder))
    check_plan(results, plan, folder)
    finished = [run for run in known_runs(plan, results) if run.name in results.runs]
    if not finished:
        raise StoreError(f"{folder} has no finished runs of the plan {plan.name!r}.")
    check_kept(store.expanded(target), [run.name for run in finished])
    for name in results.damaged:
        say(f"{name} is damaged, and is not in the tables.")
    write_tables(
        {run: results.runs[run.name] for run in finished},
        {run: results.configurations[run.name] for run in finished},
        store.expanded(target),
    )
    return len(finished)


def restore(plan: Plan, source: str | os.PathLike, folder: str | os.PathLike) -> int:
    """Put the runs of committed tables into a results folder, so that the study continues from them.

    Returns:
        int, the number of runs that were not there before.

    Raises:
        StoreError: for tables or a folder that cannot be used, or one of the two of another plan.
    """
    found = restore_runs(source)
    if not found.keys() & {run.name for run in plan.runs}:
        raise StoreError(f"The tables in {source} hold no runs of the plan {plan.name!r}. Choose others.")
    with store.locked(folder) as path:
        there = store.read_results(path)
        check_plan(there, plan, path)
        new = {name: made for name, made in found.items() if name not in there.runs}
        for name, (configuration, run) in new.items():
            store.write_run(path, name, {"plan": plan.name, **configuration}, run)
    return len(new)
