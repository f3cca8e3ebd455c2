"""Study plans: TOML files that name the factors, the seeds, what is measured and the rules of decision."""

import importlib.resources
import itertools
import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from gc_tutorial.checks import LARGEST_SEED
from gc_tutorial.errors import PlanError
from gc_tutorial.study import store
from gc_tutorial.study.arguments import MAX_SEEDS
from gc_tutorial.study.factors import ARMS, MEASURED, STAGES
from gc_tutorial.study.runs import Run, checked_run, no_choice

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_RUNS = 100_000
SEEN_SEEDS = range(10)  # of the first studies: what was seen on them led to the plans
TABLES = {"title", "question", "factors", "runs", "seeds", "rules"}


@dataclass(frozen=True)
class Tuned:
    """How a learning rate is chosen: the lowest mean of an outcome over the tuning runs of the same arm.

    Attributes:
        by: tuple of outcomes, such as `"clean_loss"`; each chooses rates, and all are run.
        best: how many of the best rates are taken.
        of: arms whose best rates are run, too; none means the arm's own only.
    """

    by: tuple[str, ...]
    best: int = 1
    of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A study as planned.

    Attributes:
        name: file name without its ending.
        title, question: str, for a reader.
        runs: tuple of `Run`, those known before any result.
        tuned: tuple of (`Run` without a rate of its own, what to choose its rates by): known when tuning has ended.
        rules: dict of the rules of decision and the numbers they use.
    """

    name: str
    title: str
    question: str
    runs: tuple[Run, ...]
    tuned: tuple[tuple[Run, Tuned], ...] = ()
    rules: dict = field(default_factory=dict)


def plan_path(plan: str) -> Path:
    """The file of a plan: a path, or the name (or its first letter) of a plan that comes with the package.

    Raises:
        PlanError: if there is no such file.
    """
    shipped = sorted(Path(str(importlib.resources.files("gc_tutorial.study") / "plans")).glob("*.toml"))
    for path in shipped:
        if plan in (path.stem, path.stem.split("_")[0]):
            return path
    path = store.expanded(plan)
    if not os.path.isfile(path):
        names = ", ".join(one.stem for one in shipped)
        raise PlanError(
            "There is no plan {plan!r}. Give the path of a TOML file, or one of: {names}.", plan=plan, names=names
        )
    return path


def read_plan(plan: str) -> Plan:
    """Read and check a plan.

    Args:
        plan: as for `plan_path`.

    Returns:
        `Plan`.

    Raises:
        PlanError: naming the file and what is wrong in it.
    """
    path = plan_path(plan)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors put a byte order mark first
    except ValueError as error:  # not TOML, not UTF-8, or an integer of thousands of digits
        raise PlanError("{name} is not valid TOML: {error}.", name=path.name, error=error) from None
    except RecursionError:
        raise PlanError(
            "{name} is nested too deeply. See the plans that come with the package.", name=path.name
        ) from None
    except OSError as error:
        raise PlanError("{path} cannot be read: {strerror}.", path=path, strerror=error.strerror) from None
    try:
        return _plan(path.stem, content)
    except PlanError as error:
        raise PlanError(f"{path.name}: {error}") from None
    except ValueError:  # Python writes no integer of thousands of digits, into no message either
        raise PlanError("{name} holds a number that is too large. Give a smaller one.", name=path.name) from None


def _plan(name: str, content: dict) -> Plan:
    unknown = content.keys() - TABLES
    if unknown:
        raise PlanError(
            "{unknown} is unknown. A plan has: {tables}.",
            unknown=", ".join(sorted(unknown)),
            tables=", ".join(sorted(TABLES)),
        )
    for table, kind in (("factors", dict), ("seeds", dict), ("rules", dict), ("runs", list)):
        if not isinstance(content.get(table, kind()), kind):
            raise PlanError("[{table}] has the wrong form. See the plans that come with the package.", table=table)
    seeds = _seeds(content.get("seeds", {}))
    runs, tuned = [], []
    for block in content.get("runs", []):
        if not isinstance(block, dict):
            raise PlanError("[[runs]] has the wrong form. See the plans that come with the package.")
        for values in _product({**content.get("factors", {}), **block}, seeds):
            rate = values.get("learning_rate")
            if isinstance(rate, Tuned):
                tuned.append((checked_run({**values, "learning_rate": math.nan}, tuned=True), rate))
            else:
                runs.append(checked_run(values))
            if len(runs) + len(tuned) > MAX_RUNS:
                raise PlanError("the plan has more than {most} runs. Give fewer values or seeds.", most=f"{MAX_RUNS:,}")
    _check_tuning(runs, tuned)
    if not runs:
        raise PlanError("the plan has no runs. Add a block [[runs]] with the factors.")
    runs = list(dict.fromkeys(runs))  # a run that two blocks name is done once
    return Plan(name, content.get("title", name), content.get("question", ""), tuple(runs), tuple(tuned),
                content.get("rules", {}))  # fmt: skip


def _check_tuning(runs: list[Run], tuned: list[tuple[Run, Tuned]]) -> None:
    """Fail before hours of tuning, not after."""
    tuning = {run.tuned_alike for run in runs if run.stage == "tuning"}
    for run, rule in tuned:
        for outcome in rule.by:
            if outcome not in run.measured:
                raise PlanError(
                    "the outcome {outcome!r} is not measured on {data!r} with the split {split!r}. Choose from: "
                    "{choices}.",
                    outcome=outcome,
                    data=run.data,
                    split=run.split,
                    choices=", ".join(run.measured),
                )
        for arm in rule.of or (run.arm,):
            if replace(run.tuned_alike, arm=arm) not in tuning:
                raise PlanError(
                    f"a rate of the arm {arm!r} on {run.data!r} is to be tuned, and no tuning runs match it."
                )


def _seeds(table: dict) -> dict[str, list[int]]:
    seeds = {}
    for stage, values in table.items():
        if stage not in STAGES:
            raise PlanError(
                "seeds of {stage!r} are unknown. Choose from: {stages}.", stage=stage, stages=", ".join(STAGES)
            )
        seeds[stage] = values = values if isinstance(values, list) else [values]
        if len(values) > MAX_SEEDS:
            raise PlanError("{count} seeds are too many. Choose at most {most}.", count=len(values), most=MAX_SEEDS)
        for seed in values:
            if type(seed) is not int or seed < 0:
                raise PlanError("seed {seed!r} is not a whole number of 0 or more.", seed=seed)
            if seed > LARGEST_SEED:
                raise PlanError("seed {seed} is too large. Choose one of at most {most}.", seed=seed, most=LARGEST_SEED)
            if seed in SEEN_SEEDS:
                raise PlanError("seed {seed} was seen in the first studies (0 to 9). Choose another one.", seed=seed)
    both = set(seeds.get("tuning", [])) & set(seeds.get("confirmation", []))
    if both:
        raise PlanError(
            "seed {seed} is in tuning and in confirmation. A seed may be in one of them only.", seed=min(both)
        )
    return seeds


def _product(block: dict, seeds: dict[str, list[int]]) -> Iterator[dict]:
    """All combinations of the factors that a block lists, by seed, so that pairs are run close together."""
    known = {one.name for one in fields(Run)} - {"seed"} | {"seeds"}  # a seed comes from [seeds] alone
    for key in block.keys() - known:
        raise PlanError("the factor {key!r} is unknown. Choose from: {known}.", key=key, known=", ".join(sorted(known)))
    for key, value in block.items():
        if value == []:
            raise PlanError("the factor {key!r} has no values. Give one, or leave it out.", key=key)
    block = dict(block)
    stage = block.get("stage", "tuning")
    if stage not in STAGES:
        raise no_choice("stage", stage)
    known_seeds = seeds.get(stage, [])
    chosen = block.pop("seeds", known_seeds)
    chosen = chosen if isinstance(chosen, list) else [chosen]
    if not chosen or not known_seeds:
        raise PlanError("there are no seeds for the stage {stage!r}. Add them to [seeds].", stage=stage)
    for seed in chosen:
        if seed not in known_seeds:
            raise PlanError(
                "seed {seed!r} of a block is not among the seeds of {stage} in [seeds].", seed=seed, stage=stage
            )
    if isinstance(block.get("learning_rate"), dict):
        block["learning_rate"] = _tuned(block["learning_rate"])
    values = [value if isinstance(value, list) else [value] for value in block.values()]
    for combination in itertools.product(chosen, *values):
        yield dict(zip(("seed", *block), combination, strict=True))


def _tuned(table: dict) -> Tuned:
    by, best, of = table.get("tuned", []), table.get("best", 1), table.get("of", [])
    by = [by] if isinstance(by, str) else by
    wrong = (
        table.keys() - {"tuned", "best", "of"} or not isinstance(of, list) or any(arm not in tuple(ARMS) for arm in of)
    )
    named = isinstance(by, list) and by and all(isinstance(outcome, str) for outcome in by)
    if wrong or not named or type(best) is not int or best < 1:
        raise PlanError(
            'learning_rate={table} is not valid. Write, for example, {{ tuned = "clean_loss", best = 1 }}.', table=table
        )
    for outcome in by:
        if outcome not in MEASURED:
            raise PlanError(
                "there is no outcome {outcome!r}. Choose from: {choices}.", outcome=outcome, choices=", ".join(MEASURED)
            )
    return Tuned(tuple(by), best, tuple(of))
