"""The planned studies whose tables come with the package: how far each has come, and what it found."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from gc_tutorial.language import text
from gc_tutorial.study.evidence.findings import Finding, Findings, plain_strings, study_of
from gc_tutorial.study.evidence.outcomes import reduce_runs
from gc_tutorial.study.plan import Plan, read_plan
from gc_tutorial.study.runs import Run
from gc_tutorial.study.tables import load_table, published_tables
from gc_tutorial.study.tuned import named_runs

TUNED_BY = {"B_confirmation": "A_tuning"}  # a plan whose rates another one tuned, too
OF_TUNING = ("tuning", "stability", "budget", "size")


@dataclass(frozen=True)
class PublishedStudy:
    """A planned study and its results.

    Attributes:
        plan: `gc_tutorial.study.plan.Plan`.
        table: `pandas.DataFrame`, a row per run and epoch, as from `load_table`; empty where no run is published.
        runs: the same with a row per run, as from `reduce_runs`.
        missing: tuple of `Run`, planned and not yet in the table.
        tuned: bool, whether the tuning is complete, so that all runs are known.
    """

    plan: Plan
    table: pd.DataFrame
    runs: pd.DataFrame
    missing: tuple[Run, ...]
    tuned: bool

    @property
    def complete(self) -> bool:
        """Whether every planned run is in the table."""
        return self.tuned and not self.missing

    @property
    def progress(self) -> str:
        """How far the study has come, as a sentence."""
        return text("Study {name}: {state}", name=self.plan.name, state=self.state)

    @property
    def state(self) -> str:
        """The same without the name of the study."""
        done = self.runs["run"].nunique() if len(self.runs) else 0
        if self.complete:
            return text("complete, {done} runs.", done=done)
        return text(
            "not complete: {done} of {planned} runs are finished."
            if self.tuned
            else "not complete: {done} of {planned} tuning runs are finished. The runs at the rates that they choose "
            "come after them.",
            done=done,
            planned=done + len(self.missing),
        )

    def findings(self) -> Mapping[str, Finding]:
        """What the rules found. A rule is applied when all of its runs are there, and not before.

        Returns:
            mapping from the name of a rule to its `Finding`, in the order of the plan.
        """
        return self._findings

    @functools.cached_property
    def _findings(self):
        rules = {name: rule for name, rule in self.plan.rules.items() if self._can_answer(rule)}
        if not rules or self.table.empty:
            return {}
        other = TUNED_BY.get(self.plan.name)
        with plain_strings():
            return Findings(rules, study_of(self.table, self.runs, published(other).table if other else None))

    def _can_answer(self, rule):
        tuning = rule["kind"] in OF_TUNING
        stage = "tuning" if tuning else rule.get("stage", "confirmation")
        if not tuning and not self.tuned:
            return False
        planned = set(self.plan.runs)  # before any result: a rule of tuning does not wait for runs at the tuned rates
        return not any(run.stage == stage and (run in planned or not tuning) for run in self.missing)


def published(plan: str) -> PublishedStudy:
    """Read a planned study that comes with the package.

    Args:
        plan: its name, or the first letter of it, such as `"A"`.

    Returns:
        `PublishedStudy`. A study of which nothing is published yet has an empty table.

    Raises:
        PlanError: if there is no such plan.
        StoreError: if its tables are damaged.

    Example:
        >>> published("A").plan.title
        'A: what is the best learning rate of each arm?'
    """
    return _published(plan, read_plan(plan).name in published_tables())


@functools.cache  # reading and checking thousands of rows takes a while
def _published(plan, has_tables):
    planned = read_plan(plan)
    table = runs = pd.DataFrame()
    with plain_strings():
        if has_tables:
            table = load_table(planned.name)
            runs = reduce_runs(table)
        known = named_runs(planned, runs)
    finished = set(runs.get("run", ()))
    missing = tuple(run for run in known if run.name not in finished)
    tuned = not planned.tuned or len(known) > len(planned.runs) or not missing
    return PublishedStudy(planned, table, runs, missing, tuned)
