"""What each rule of a finished plan found, in a paragraph written from the numbers."""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from gc_tutorial.errors import value_error
from gc_tutorial.language import chosen_language, sentences
from gc_tutorial.study.evidence import (
    answers_across,
    answers_difference,
    answers_interaction,
    answers_mechanism,
    answers_recipe,
    answers_speed,
    answers_tuning,
)
from gc_tutorial.study.evidence.answers import Study
from gc_tutorial.study.evidence.outcomes import reduce_runs

KINDS: dict[str, Callable[[dict, Study], tuple[list[str], pd.DataFrame]]] = {
    "tuning": answers_tuning.rates,
    "stability": answers_tuning.stability,
    "budget": answers_tuning.budget,
    "size": answers_tuning.size,
    "difference": answers_difference.difference,
    "exchange": answers_across.exchange,
    "mixed": answers_across.mixed,
    "interaction": answers_interaction.interaction,
    "speed": answers_speed.speed,
    "gap": answers_speed.gap,
    "mechanism": answers_mechanism.mechanism,
    "ablations": answers_mechanism.ablations,
    "larger_step": answers_mechanism.larger_step,
    "removed": answers_mechanism.removed,
    "at_epoch": answers_recipe.at_epoch,
    "at_loss": answers_recipe.at_loss,
    "control": answers_recipe.control,
}


@dataclass(frozen=True)
class Finding:
    """What one rule found.

    Attributes:
        name: str, of the rule in the plan.
        rule: str, the rule in words, as committed.
        parts: list of str, what was found: mostly one for each setting.
        table: `pandas.DataFrame`, the numbers behind it, with both kinds of interval where there are two.
    """

    name: str
    rule: str
    parts: list[str]
    table: pd.DataFrame

    @property
    def found(self) -> str:
        """All parts as one paragraph."""
        return sentences(self.parts)

    def bullets(self, title: str) -> str:
        """A point of a list in Markdown with a bold title; several parts become points below it."""
        if len(self.parts) == 1:
            return f"- **{title}** {self.found}"
        return "\n".join([f"- **{title}**", *(f"    - {part}" for part in self.parts)])


# For pandas 3, in which these small tables otherwise take a third longer.
plain_strings = functools.partial(pd.option_context, "mode.string_storage", "python")


class Findings(Mapping[str, Finding]):
    """What each rule found, under its name. A rule is applied when it is first asked for, which can take 0.2 seconds.

    Args:
        rules: as for `findings`.
        study: `Study`.

    Raises:
        ValueError: for a rule of an unknown kind.
    """

    def __init__(self, rules: dict[str, dict], study: Study) -> None:
        for name, rule in rules.items():
            if rule.get("kind") not in KINDS:
                raise value_error(
                    "The rule {name!r} is of the kind {get!r}. Choose from: {known}.",
                    name=name,
                    get=rule.get("kind"),
                    known=", ".join(KINDS),
                )
        self._rules, self._study = rules, study
        self._found: dict[tuple[str, str], Finding] = {}

    def __getitem__(self, name: str) -> Finding:
        rule, key = self._rules[name], (name, chosen_language())
        if key not in self._found:
            with plain_strings():
                self._found[key] = Finding(name, rule["text"].strip(), *KINDS[rule["kind"]](rule, self._study))
        return self._found[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)


def findings(rules: dict[str, dict], table: pd.DataFrame, tuning: pd.DataFrame | None = None) -> list[Finding]:
    """Apply the rules of a plan to its table.

    Args:
        rules: the plan's table `[rules]`: from the name of a rule to its kind, text and numbers.
        table: `pandas.DataFrame` of the study, a row per run and epoch.
        tuning: the same of the study that tuned the rates, where that was another one; runs of the stage "tuning" in
            either count.

    Returns:
        list of `Finding`, in the order of the rules.

    Raises:
        ValueError: for a rule of an unknown kind.

    Example:
        >>> for one in findings(plan.rules, load_table("B"), load_table("A")):  # doctest: +SKIP
        ...     print(one.name, one.found)
    """
    return list(Findings(rules, study_of(table, reduce_runs(table), tuning)).values())


def study_of(table: pd.DataFrame, runs: pd.DataFrame, tuning: pd.DataFrame | None = None) -> Study:
    """A study with the runs that its rates were tuned on.

    Args:
        table, tuning: as for `findings`.
        runs: `reduce_runs(table)`.
    """
    everything = table if tuning is None else pd.concat([table, tuning], ignore_index=True)
    everything = everything.drop_duplicates(["run", "epoch"])
    chosen = everything[everything["stage"] == "tuning"]
    return Study(table, runs, chosen, reduce_runs(chosen) if len(chosen) else runs.iloc[:0])


def as_markdown(found: list[Finding]) -> str:
    """Write findings as a page: each rule has its name in bold, and a paragraph or a list of several parts."""
    return "".join(f"**{one.name.replace('_', ' ').capitalize()}.**{_listed(one.parts)}\n\n" for one in found)[:-1]


def _listed(parts):
    return f" {parts[0]}" if len(parts) == 1 else "\n\n" + "\n".join(f"- {part}" for part in parts)
