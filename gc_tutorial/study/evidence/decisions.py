"""The table of decisions: for a practitioner's case, does GC help? Each word follows from what the rules found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from gc_tutorial.language import Words, text
from gc_tutorial.study.evidence.effects import FULL
from gc_tutorial.study.evidence.findings import Finding
from gc_tutorial.study.evidence.intervals import within_margin
from gc_tutorial.study.evidence.outcomes import OUTCOMES
from gc_tutorial.study.evidence.result_rows import short_names
from gc_tutorial.study.evidence.wording import (
    HELPS,
    HURTS,
    NO_PRACTICAL_DIFFERENCE,
    VERDICTS,
    amount,
    digits,
    in_unit,
    listed,
    not_yet,
    rates,
    word,
)

NO_RULE = Words({"not asked": "not asked", "secondary": "no claim (a secondary outcome)"})
# The kinds of answer for an outcome, which decide what to do.
YES, SOMETIMES, MIXED, HARM = "yes", "sometimes", "mixed", "harm"
SAME, NOT_SHOWN, OPEN, NOT_ASKED = "same", "not shown", "open", "not asked"
ACTIONS = Words(
    {
        "tune": "tune the learning rate first",
        "try": "try it, and tune with it",
        "fit": "try it for a lower training loss, and check the accuracy",
        "compare": "compare both on your own data",
        "leave": "expect no gain",
    }
)


@dataclass(frozen=True)
class Case:
    """A case of the table.

    Attributes:
        name: str, a key of `NAMES`, which hold what follows "if".
        training, heldout: tuple of the letter of a plan and the name of a rule; or None where no rule asks.
        also: tuple of letters of plans that ask the same of another optimizer.
        without: str, a key of `NO_RULE`, for what the table says where no rule asks.
        mark: str, of a footnote that the notebook has.
        where: function of a rule's table that says which of its rows belong to the case.
    """

    name: str
    training: tuple[str, str] | None
    heldout: tuple[str, str] | None
    where: Callable[[pd.DataFrame], pd.Series] = lambda table: pd.Series(True, table.index)
    also: tuple[str, ...] = ()
    without: str = "not asked"
    mark: str = ""


# In the order of a reader's questions: the learning rate, the network, the data, the length, and the images used here.
CASES = (
    Case("same_rate", ("D", "ablations"), None, lambda table: table["arm"] == FULL, ("D2",), "secondary", " ¹"),
    Case(
        "other_data",
        ("C", "training"),
        ("C", "heldout"),
        lambda table: table["network"].isin(["cnn", "small_cnn"]) & (table["data"] != "horses_or_humans"),
    ),
    Case(
        "batch_normalization",
        ("C", "training_running"),  # the clean loss is measured with averages that lag behind
        ("C", "heldout"),
        lambda table: table["network"].str.endswith("_bn"),
        mark=" ²",
    ),
    Case("transformer", ("C", "training"), ("C", "heldout"), lambda table: table["network"] == "vit"),
    Case("adamw", ("C", "training"), ("C", "heldout"), lambda table: table["optimizer"] == "adamw"),
    Case(
        "easy",
        ("C", "training_running"),  # half of these networks have batch normalization
        ("C", "heldout"),
        lambda table: table["data"].isin(["digits", "mnist1d"]),
        mark=" ²",
    ),
    Case("longer", ("A", "longer"), None),
    Case("fine_tuning", None, ("C", "fine_tuning")),
    Case("tuned", ("B", "training"), ("B", "heldout"), mark=" ³"),
    Case("published", ("E", "too_few_steps"), None, lambda table: table["epoch"] == table["epoch"].max()),
)
NAMES = Words(
    {
        "untuned": "you do not tune the learning rate",
        "same_rate": "you keep the learning rate that is best without GC",
        "other_data": "you train a CNN without batch normalization on other data",
        "batch_normalization": "you train a CNN with batch normalization on other data",
        "transformer": "you train a small transformer",
        "adamw": "you use AdamW, with or without weight decay",
        "easy": "nearly all held-out answers are right already (digits, MNIST-1D)",
        "longer": "you train for 36 epochs",
        "fine_tuning": "you fine-tune on 100 to 200 images",
        "tuned": "you tune the learning rate on Horses or Humans",
        "published": "you train by the published recipe, for 40 epochs",
    }
)


def decision_table(
    found: Mapping[str, Mapping[str, Finding]], untuned: tuple[Sequence[str], Sequence[str]] = ((), ())
) -> pd.DataFrame:
    """Answer for each case whether GC lowers the training loss and raises the held-out accuracy.

    Args:
        found: dict from the letter of a plan to what its rules found, as from `PublishedStudy.findings`.
        untuned: the words of `wording` for the training loss and for the held-out accuracy, one for each study whose
            rate was not tuned.

    Returns:
        `pandas.DataFrame`, a row per case: case, training, heldout (answers, such as `"yes (6.8 to 7.1%)"`), action
        (what to do), rests_on.
    """
    first = (
        text("the first, untuned studies: {count} settings", count=len(untuned[0])) if untuned[0] else text("no study")
    )
    rows = [(NAMES["untuned"], answer(untuned[0]), answer(untuned[1]), ACTIONS["tune"], first)]
    for case in CASES:
        both = [_rows(case, found, source) for source in (case.training, case.heldout)]
        answers = [
            NO_RULE[case.without] if rows is None else answer(list(rows["word"]), list(rows["small"]), _sizes(rows))
            for rows in both
        ]
        kinds = [NOT_ASKED if rows is None else _kind(list(rows["word"]), list(rows["small"])) for rows in both]
        if _limited(both[1]):
            answers[1] = text("{answer}, for these horses and humans", answer=answers[1])
            kinds[1] = NOT_SHOWN
        rows.append((NAMES[case.name] + case.mark, *answers, _action(*kinds), _rests_on(case, *both)))
    return pd.DataFrame(rows, columns=["case", "training", "heldout", "action", "rests_on"])


def _limited(rows):
    """Whether a held-out result holds for the figures of the study only."""
    if rows is None or "new_figures" not in rows:
        return False
    return bool((rows["word"].isin([HELPS, HURTS]) & ~rows["new_figures"].astype(bool)).any())


def _kind(words, small):
    """The kind of answer that the words of a case's settings make together; a gain below the margin counts as none."""
    both = zip(words, small, strict=True)
    kinds = {NO_PRACTICAL_DIFFERENCE if one == HELPS and less else one for one, less in both}
    if not kinds:
        return OPEN
    if HURTS in kinds:
        return MIXED if HELPS in kinds else HARM
    if HELPS in kinds:
        return YES if len(kinds) == 1 else SOMETIMES
    return SAME if kinds == {NO_PRACTICAL_DIFFERENCE} else NOT_SHOWN


def _action(training, heldout):
    """What to do, by the kinds of both answers; harm takes precedence over gain."""
    both = {training, heldout}
    if OPEN in both:
        return not_yet()
    if HARM in both or both <= {SAME, NOT_ASKED}:
        return ACTIONS["leave"]
    if MIXED in both:
        return ACTIONS["compare"]
    if heldout in (YES, SOMETIMES):
        return ACTIONS["try"]
    return ACTIONS["fit" if training in (YES, SOMETIMES) else "compare"]


def _sizes(rows):
    """How large the differences are in the settings that decide the answer, such as " (6.8 to 7.1%)"."""
    kinds = [kind for kind in (HELPS, HURTS) if kind in set(rows["word"])]
    if len(kinds) != 1:
        return ""
    sizes = rows.loc[rows["word"] == kinds[0], "difference"].sort_values(key=abs)
    values, unit = in_unit(sizes, rows["outcome"].iloc[0], rows["scale"].iloc[0])
    least, most, unit = digits(values[0]), digits(values[-1]), unit or text(" nats")
    if least == most:
        return text(" ({size}{unit})", size=most, unit=unit)
    return text(" ({least} to {most}{unit})", least=least, most=most, unit=unit)


def _rows(case, found, source):
    """The rows of a rule's table that answer a case; None where no rule asks."""
    if source is None:
        return None
    plan, rule = source
    tables = [found[one][rule].table.assign(plan=one) for one in (plan, *case.also) if rule in found.get(one, {})]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    if table.empty:
        return pd.DataFrame({"word": [], "seeds": [], "small": [], "plan": []})
    chosen = table[case.where(table)]
    if "word" not in chosen:  # effects on the logarithm of a loss, in which more is better
        words = [_word(row) for _, row in chosen.iterrows()]
        chosen = chosen.assign(word=words, difference=-chosen["difference"], outcome="clean_loss", scale="log")
    return chosen.assign(small=within_margin(chosen) if "margin" in chosen else False)


def _word(effect):
    """The word for a row of `effects.ablations`."""
    interval = (effect["t_low"], effect["t_high"])
    return word(interval, interval, margin=None, better=True, p_value=effect["p_holm"])


def _rests_on(case, training, heldout):
    asked = [rows for rows in (training, heldout) if rows is not None]
    counts = sorted({len(rows) for rows in asked} - {0})
    seeds = {int(count) for rows in asked for count in rows["seeds"]}
    if not seeds:
        return text("study {plan}: no results yet", plan=(case.training or case.heldout)[0])
    plan = listed(sorted({plan for rows in asked for plan in rows["plan"]}))
    ends = {"low": min(seeds), "high": max(seeds)}
    numbers = text("{low}–{high}", **ends) if len(seeds) > 1 else f"{min(seeds)}"
    values = {"plan": plan, "settings": counts[0], "most": counts[-1], "seeds": numbers}
    if len(counts) > 1:
        return text("study {plan}: {settings} to {most} settings, {seeds} seeds", **values)
    if counts == [1]:
        return text("study {plan}: {settings} setting, {seeds} seeds", **values)
    return text("study {plan}: {settings} settings, {seeds} seeds", **values)


def answer(words: Sequence[str], small: Sequence[bool] = (), by: str = "") -> str:
    """One answer from the words of one or more settings.

    Args:
        words: of `wording`, one for each setting.
        small: whether the difference of each setting is surely less than the margin of practical meaning.
        by: how large the differences are, such as `" (6.8 to 7.1%)"`.

    >>> answer(["helps", "inconclusive"]), answer(["hurts"], [True]), answer([])
    ('in 1 of 2 settings', 'no, it hurts, but by less than the margin', 'not yet known')
    """
    if not words:
        return not_yet()
    helps, hurts = (list(words).count(kind) for kind in (HELPS, HURTS))
    note = by + (text(", but by less than the margin") if _all_small(words, small) else "")
    values = {"helps": helps, "hurts": hurts, "count": len(words), "note": note}
    if helps and hurts:
        return text("it depends: helps in {helps}, hurts in {hurts} of {count}{note}", **values)
    if helps:
        return text("yes{note}" if helps == len(words) else "in {helps} of {count} settings{note}", **values)
    if hurts:
        return text(
            "no, it hurts{note}" if hurts == len(words) else "no, it hurts in {hurts} of {count}{note}", **values
        )
    return VERDICTS[NO_PRACTICAL_DIFFERENCE] if set(words) == {NO_PRACTICAL_DIFFERENCE} else text("not shown")


def _all_small(words, small):
    sizes = [less for one, less in zip(words, small, strict=False) if one in (HELPS, HURTS)]
    return bool(sizes) and all(sizes)


def harms(found: Mapping[str, Mapping[str, Finding]]) -> list[str]:
    """Name every result by which GC hurts, a sentence for each: worse outcomes, and more epochs to the goal."""
    return [said for plan, rules in found.items() for one in rules.values() for said in _harms(plan, one.table)]


def _harms(plan, table):
    if "slower" in table:
        for (_, row), name in zip(table.iterrows(), short_names(table), strict=True):
            if row["slower"]:
                yield text(
                    "Study {plan}, {name}: GC is slower; training without GC needs {ratio:.2f} times as many epochs to "
                    "reach the goal.",
                    plan=plan,
                    name=name,
                    ratio=row["ratio"],
                )
    if not {"word", "outcome"} <= set(table):
        return
    if "epoch" in table:
        names = [text("published recipe, epoch {epoch}", epoch=epoch) for epoch in table["epoch"]]
    else:
        names = short_names(table)
    for (_, row), name in zip(table.iterrows(), names, strict=True):
        if row["word"] == HURTS:
            yield text(
                "Study {plan}, {name}: {outcome} {said}{notes}.",
                plan=plan,
                name=name,
                outcome=OUTCOMES[row["outcome"]],
                said=amount(row["difference"], row["t_low"], row["t_high"], row["outcome"], scale=row["scale"]),
                notes=_notes(row),
            )


def _notes(row):
    """Where a harm holds, such as "; both at the rate 3.2e-4; for the individuals of the study only"."""
    notes = []
    if {"learning_rate", "learning_rate_baseline"} <= set(row.index):
        notes.append(rates(row["learning_rate"], row["learning_rate_baseline"]))
    if not row.get("new_figures", True):
        notes.append(text("for the individuals of the study only"))
    if "margin" in row.index and within_margin(row):
        notes.append(text("less than the margin"))
    if row["outcome"].startswith("shifted"):
        notes.append(text("a secondary outcome"))
    return text("; {notes}", notes=text("; ").join(notes)) if notes else ""
