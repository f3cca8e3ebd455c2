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
    listed,
    not_yet,
    word,
)

NO_RULE = Words({"not asked": "not asked", "secondary": "no claim (a secondary outcome)"})
# The kinds of answer for an outcome; each has its sentence in `advice`.
YES, SOMETIMES, MIXED, NO, HARM = "yes", "sometimes", "mixed", "no", "harm"
SAME, NOT_SHOWN, OPEN = "same", "not shown", "open"
SENTENCES = {
    "heldout": Words(
        {
            YES: "GC raises the held-out accuracy if {cases}.",
            SOMETIMES: "GC raises the held-out accuracy in some settings, and lowers it in none, if {cases}.",
            MIXED: "GC raises the held-out accuracy in some settings and lowers it in others if {cases}.",
            NO: "GC lowers the held-out accuracy, at least in some settings, if {cases}.",
            HARM: "GC lowers the held-out accuracy if {cases}.",
            SAME: "GC makes no practical difference to the held-out accuracy if {cases}.",
            NOT_SHOWN: "It is not shown that GC raises the held-out accuracy if {cases}.",
        }
    ),
    "training": Words(
        {
            YES: "GC lowers the training loss if {cases}.",
            SOMETIMES: "GC lowers the training loss in some settings, and raises it in none, if {cases}.",
            MIXED: "GC lowers the training loss in some settings and raises it in others if {cases}.",
            NO: "GC raises the training loss, at least in some settings, if {cases}.",
            HARM: "GC raises the training loss if {cases}.",
            SAME: "GC makes no practical difference to the training loss if {cases}.",
            NOT_SHOWN: "It is not shown that GC lowers the training loss if {cases}.",
        }
    ),
}


@dataclass(frozen=True)
class Case:
    """A case of the table.

    Attributes:
        name: str, a key of `NAMES`, which hold what follows "if".
        training, heldout: tuple of the letter of a plan and the name of a rule; or None where no rule asks.
        also: tuple of letters of plans that ask the same of another optimizer.
        without: str, a key of `NO_RULE`, for what the table says where no rule asks.
        where: function of a rule's table that says which of its rows belong to the case.
    """

    name: str
    training: tuple[str, str] | None
    heldout: tuple[str, str] | None
    where: Callable[[pd.DataFrame], pd.Series] = lambda table: pd.Series(True, table.index)
    also: tuple[str, ...] = ()
    without: str = "not asked"


CASES = (
    Case("same_rate", ("D", "ablations"), None, lambda table: table["arm"] == FULL, ("D2",), "secondary"),
    Case("tuned", ("B", "training"), ("B", "heldout")),
    Case(
        "other_data",
        ("C", "training"),
        ("C", "heldout"),
        lambda table: table["network"].isin(["cnn", "small_cnn"]) & (table["data"] != "horses_or_humans"),
    ),
    Case(
        "batch_normalization", ("C", "training"), ("C", "heldout"), lambda table: table["network"].str.endswith("_bn")
    ),
    Case("transformer", ("C", "training"), ("C", "heldout"), lambda table: table["network"] == "vit"),
    Case("weight_decay", ("C", "training"), ("C", "heldout"), lambda table: table["weight_decay"] > 0),
    Case("fine_tuning", None, ("C", "fine_tuning")),
    Case("published", ("E", "too_few_steps"), None, lambda table: table["epoch"] == table["epoch"].max()),
)
NAMES = Words(
    {
        "untuned": "you do not tune the learning rate",
        "same_rate": "you keep the learning rate that is best without GC",
        "tuned": "you tune the learning rate on Horses or Humans",
        "other_data": "you train a plain CNN on other data",
        "batch_normalization": "you train a CNN with batch normalization on other data",
        "transformer": "you train a small transformer",
        "weight_decay": "you use AdamW with weight decay",
        "fine_tuning": "you fine-tune on 100 to 200 pictures",
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
        `pandas.DataFrame`, a row per case: case, training, heldout (answers, such as `"yes"`), rests_on, training_is
        and heldout_is (what the answers come to, for `advice`), training_small and heldout_small (bool: every effect is
        surely less than the margin), and limited (bool: the held-out result is not shown for new figures).
    """
    first = text("the first studies: {count} settings", count=len(untuned[0])) if untuned[0] else text("no study")
    rows = [
        (NAMES["untuned"], answer(untuned[0]), answer(untuned[1]), first, *map(_comes_to, untuned), False, False, False)
    ]
    for case in CASES:
        both = [_rows(case, found, source) for source in (case.training, case.heldout)]
        answers = [
            NO_RULE[case.without] if rows is None else answer(list(rows["word"]), list(rows["small"])) for rows in both
        ]
        kinds = ["" if rows is None else _comes_to(list(rows["word"])) for rows in both]
        small = [rows is not None and _all_small(list(rows["word"]), list(rows["small"])) for rows in both]
        limited = _limited(both[1])
        if limited:
            answers[1] = text("{answer}, for these horses and humans", answer=answers[1])
        rows.append((NAMES[case.name], *answers, _rests_on(case, *both), *kinds, *small, limited))
    columns = ["case", "training", "heldout", "rests_on", "training_is", "heldout_is"]
    columns += ["training_small", "heldout_small", "limited"]
    return pd.DataFrame(rows, columns=columns)


def _limited(rows):
    """Whether a held-out result holds for the figures of the study only."""
    if rows is None or "new_figures" not in rows:
        return False
    return bool((rows["word"].isin([HELPS, HURTS]) & ~rows["new_figures"].astype(bool)).any())


def _comes_to(words):
    """Which sentence of `advice` the words of a case's settings belong to."""
    if not words:
        return OPEN
    kinds = set(words)
    alone = {HELPS: YES, HURTS: HARM, NO_PRACTICAL_DIFFERENCE: SAME}
    if len(kinds) == 1 and kinds <= alone.keys():
        return alone[kinds.pop()]
    if HELPS in kinds:
        return MIXED if HURTS in kinds else SOMETIMES
    return NO if HURTS in kinds else NOT_SHOWN


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
    if "word" not in chosen:
        chosen = chosen.assign(word=[_word(row) for _, row in chosen.iterrows()])
    return chosen.assign(small=within_margin(chosen) if "margin" in chosen else False)


def _word(effect):
    """The word for a row of `effects.ablations`, in which more is better."""
    interval = (effect["t_low"], effect["t_high"])
    return word(interval, interval, margin=None, better=True, p_value=effect["p_holm"])


def _rests_on(case, training, heldout):
    asked = [rows for rows in (training, heldout) if rows is not None]
    counts = sorted({len(rows) for rows in asked} - {0})
    seeds = {int(count) for rows in asked for count in rows["seeds"]}
    if not seeds:
        return text("study {plan}: no results yet", plan=(case.training or case.heldout)[0])
    plan = listed(sorted({plan for rows in asked for plan in rows["plan"]}))
    numbers = f"{min(seeds)}–{max(seeds)}" if len(seeds) > 1 else f"{min(seeds)}"
    values = {"plan": plan, "settings": counts[0], "most": counts[-1], "seeds": numbers}
    if len(counts) > 1:
        return text("study {plan}: {settings} to {most} settings, {seeds} seeds", **values)
    if counts == [1]:
        return text("study {plan}: {settings} setting, {seeds} seeds", **values)
    return text("study {plan}: {settings} settings, {seeds} seeds", **values)


def answer(words: Sequence[str], small: Sequence[bool] = ()) -> str:
    """One answer from the words of one or more settings.

    Args:
        words: of `wording`, one for each setting.
        small: whether the difference of each setting is surely less than the margin of practical meaning.

    >>> answer(["helps", "inconclusive"]), answer(["hurts"], [True]), answer([])
    ('in 1 of 2 settings', 'no, it hurts, but by less than the margin', 'not yet known')
    """
    if not words:
        return not_yet()
    helps, hurts = (list(words).count(kind) for kind in (HELPS, HURTS))
    note = text(", but by less than the margin") if _all_small(words, small) else ""
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


def advice(table: pd.DataFrame) -> list[str]:
    """Summarize `decision_table` in sentences, for held-out accuracy and for the training loss."""
    said = []
    for outcome, messages in SENTENCES.items():
        for kind in messages:
            rows = table[table[f"{outcome}_is"] == kind]
            cases = [
                text("{case} (by less than the margin)", case=case) if less else case
                for case, less in zip(rows["case"], rows[f"{outcome}_small"], strict=True)
            ]
            if cases:
                said.append(text(messages[kind], cases=_either(cases)))
    limited = list(table.loc[table["limited"], "case"])
    if limited:
        said.append(text("For other horses and humans that is not shown if {cases}.", cases=_either(limited)))
    still_open = list(table.loc[(table[["training_is", "heldout_is"]] == OPEN).any(axis=1), "case"])
    if still_open:
        cases = _either(still_open)
        said.append(text("Not yet known, at least in part: whether it helps if {cases}.", cases=cases))
    return said


def _either(cases):
    if len(cases) < 3:
        return text(" or if ").join(cases)
    return text("; or if ").join([text("; if ").join(cases[:-1]), cases[-1]])


def harms(found: Mapping[str, Mapping[str, Finding]]) -> list[str]:
    """Name every result by which GC hurts, a sentence for each: worse outcomes, and more epochs to the goal."""
    return [said for plan, rules in found.items() for one in rules.values() for said in _harms(plan, one.table)]


def _harms(plan, table):
    if "slower" in table:
        for (_, row), name in zip(table.iterrows(), short_names(table), strict=True):
            if row["slower"]:
                yield text(
                    "Study {plan}, {name}: GC is slower; no GC needs {ratio:.2f} times its epochs to reach the goal.",
                    plan=plan,
                    name=name,
                    ratio=row["ratio"],
                )
    if not {"word", "outcome"} <= set(table):
        return
    names = [text("epoch {epoch}", epoch=epoch) for epoch in table["epoch"]] if "epoch" in table else short_names(table)
    for (_, row), name in zip(table.iterrows(), names, strict=True):
        if row["word"] == HURTS:
            yield text(
                "Study {plan}, {name}: {outcome} {said}.",
                plan=plan,
                name=name,
                outcome=OUTCOMES[row["outcome"]],
                said=amount(row["difference"], row["t_low"], row["t_high"], row["outcome"], scale=row["scale"]),
            )
