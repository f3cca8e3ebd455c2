"""The runs of a plan that can be named, and the learning rates that its tuning chose."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from gc_tutorial.errors import PlanError
from gc_tutorial.study import store
from gc_tutorial.study.evidence.outcomes import reduce_runs
from gc_tutorial.study.evidence.wording import higher_is_better
from gc_tutorial.study.plan import Plan, Tuned
from gc_tutorial.study.runs import Run
from gc_tutorial.study.tables import study_table


def known_runs(plan: Plan, results: store.Results) -> list[Run]:
    """All runs that can be named: those of the plan and, where the tuning has ended, those with tuned rates."""
    tuning = _tuning(plan)
    if not plan.tuned or any(run.name not in results.runs for run in tuning):
        return named_runs(plan, pd.DataFrame())
    return named_runs(plan, reduce_runs(study_table({run: results.runs[run.name] for run in tuning})))


def named_runs(plan: Plan, finished: pd.DataFrame) -> list[Run]:
    """All runs that can be named, as from `known_runs`, where the finished ones are known as a table.

    Args:
        plan: `Plan`.
        finished: `pandas.DataFrame` as from `gc_tutorial.study.evidence.outcomes.reduce_runs`, or an empty one.

    Returns:
        list of `Run`, in the order of the plan; those with tuned rates only where `finished` holds all of the tuning.

    Raises:
        PlanError: as `best_rates`.
    """
    runs, tuning = list(plan.runs), _tuning(plan)
    if plan.tuned and {run.name for run in tuning} <= set(finished.get("run", ())):
        reduced = finished.set_index("run")
        chosen: dict[tuple[Run, Tuned], list[float]] = {}  # all seeds of a cell have the same rates
        for run, tuned in plan.tuned:
            key = run.tuned_alike, tuned
            if key not in chosen:
                chosen[key] = best_rates(run, tuned, tuning, reduced)
            runs += [replace(run, learning_rate=rate) for rate in chosen[key]]
    return list(dict.fromkeys(runs))


def _tuning(plan):
    return [run for run in plan.runs if run.stage == "tuning"]


def best_rates(run: Run, tuned: Tuned, tuning: Sequence[Run], reduced: pd.DataFrame) -> list[float]:
    """The learning rates with the lowest means over the tuning runs that differ from `run` in rate and seed only.

    Args:
        run: one to be run at the best rates.
        tuned: by which outcomes and arms they are chosen.
        tuning: all runs of the tuning.
        reduced: `pandas.DataFrame` of these, as from `gc_tutorial.study.evidence.outcomes.reduce_runs`, by their names.
    """
    chosen: list[float] = []
    for arm in tuned.of or (run.arm,):
        wanted = replace(run.tuned_alike, arm=arm)
        alike = [one for one in tuning if (one.arm, one.data) == (arm, run.data) and one.tuned_alike == wanted]
        outcomes = reduced.loc[[one.name for one in alike]]
        for outcome in tuned.by:
            if outcome not in outcomes or outcomes[outcome].isna().all():
                raise PlanError(
                    "no tuning run of the arm {arm!r} on {data!r} has {outcome}: all diverged before it was measured. "
                    "Plan lower learning rates.",
                    arm=arm,
                    data=run.data,
                    outcome=outcome,
                )
            means = outcomes.groupby("learning_rate")[outcome].mean()
            ranked = means.sort_values(ascending=not higher_is_better(outcome), kind="stable").index
            chosen += [float(rate) for rate in ranked[: tuned.best] if rate not in chosen]
    return chosen
