"""The runs of a plan that can be named, and the learning rates that its tuning chose."""

from collections.abc import Sequence
from dataclasses import replace

from gc_tutorial.errors import PlanError
from gc_tutorial.study import store
from gc_tutorial.study.evidence.outcomes import reduce_runs
from gc_tutorial.study.evidence.wording import higher_is_better
from gc_tutorial.study.plan import Plan, Tuned
from gc_tutorial.study.runs import Run
from gc_tutorial.study.tables import study_table


def known_runs(plan: Plan, results: store.Results) -> list[Run]:
    """All runs that can be named: those of the plan and, where the tuning has ended, those with tuned rates."""
    runs = list(plan.runs)
    if plan.tuned and all(run.name in results.runs for run in runs if run.stage == "tuning"):
        chosen: dict[tuple[Run, Tuned], list[float]] = {}  # all seeds of a cell have the same rates
        for run, tuned in plan.tuned:
            key = run.tuned_alike, tuned
            if key not in chosen:
                chosen[key] = best_rates(run, tuned, plan.runs, results)
            runs += [replace(run, learning_rate=rate) for rate in chosen[key]]
    return list(dict.fromkeys(runs))


def best_rates(run: Run, tuned: Tuned, runs: Sequence[Run], results: store.Results) -> list[float]:
    """The learning rates with the lowest means over the tuning runs that differ from `run` in rate and seed only.

    Outcomes are those of `gc_tutorial.study.evidence.outcomes.reduce_runs`: means of the last three epochs; a run that
    diverged counts as a network that guesses.
    """
    chosen: list[float] = []
    for arm in tuned.of or (run.arm,):
        wanted = replace(run.tuned_alike, arm=arm)
        tuning = [one for one in runs if (one.stage, one.arm, one.data) == ("tuning", arm, run.data)]
        alike = [one for one in tuning if one.tuned_alike == wanted]
        reduced = reduce_runs(study_table({one: results.runs[one.name] for one in alike}))
        for outcome in tuned.by:
            if outcome not in reduced or reduced[outcome].isna().all():
                raise PlanError(
                    "no tuning run of the arm {arm!r} on {data!r} has {outcome}: all diverged before it was measured. "
                    "Plan lower learning rates.",
                    arm=arm,
                    data=run.data,
                    outcome=outcome,
                )
            means = reduced.groupby("learning_rate")[outcome].mean()
            ranked = means.sort_values(ascending=not higher_is_better(outcome), kind="stable").index
            chosen += [float(rate) for rate in ranked[: tuned.best] if rate not in chosen]
    return chosen
