"""Answers to the rules about the published recipe: where its null and its gain come from."""

import pandas as pd

from gc_tutorial.language import sentences, text
from gc_tutorial.study.evidence.answers import Study, unanswered
from gc_tutorial.study.evidence.intervals import estimate
from gc_tutorial.study.evidence.outcomes import WINDOW
from gc_tutorial.study.evidence.wording import (
    HURTS,
    INCONCLUSIVE,
    NO_PRACTICAL_DIFFERENCE,
    VERDICTS,
    amount,
    digits,
    word,
)


def _means(study, arm, outcome, last):
    """Means of each seed over the epochs up to `last`; a run that diverged before has none."""
    table = study.table[(study.table["arm"] == arm) & (study.table["stage"] == "confirmation")]
    window = table[(table["epoch"] > last - WINDOW) & (table["epoch"] <= last)]
    values = window.groupby("seed")[outcome].agg(["mean", "count"])
    return values.loc[values["count"] == WINDOW, "mean"]


def _at(study, rule, last):
    """The difference with GC at an epoch, or None where there are too few pairs."""
    pair = pd.concat([_means(study, arm, rule["outcome"], last) for arm in ("gradient", "none")], axis=1).dropna()
    if len(pair) < 2:
        return None
    found: dict = estimate(pair.iloc[:, 0] - pair.iloc[:, 1])
    found["word"] = word(
        (found["t_low"], found["t_high"]),
        (found["inner_low"], found["inner_high"]),
        margin=rule["margin"],
        better=False,
    )
    without = pair.iloc[:, 1].mean()
    return {
        "epoch": last,
        "outcome": rule["outcome"],
        "scale": "",
        "without": without,
        "margin": rule["margin"],
        **found,
    }


def _said(found):
    return text(
        "epochs {first} to {last}: running training loss with GC {amount}, {seeds} seeds",
        first=found["epoch"] - WINDOW + 1,
        last=found["epoch"],
        amount=amount(found["difference"], found["t_low"], found["t_high"]),
        seeds=found["seeds"],
    )


def at_epoch(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """The difference at the epoch where the published example stops."""
    found = _at(study, rule, rule["epoch"])
    if found is None:
        return unanswered(), pd.DataFrame()
    return [text("In {said}: {word}.", said=_said(found), word=VERDICTS[found["word"]])], pd.DataFrame([found])


def at_loss(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """The difference at the end of a longer training."""
    chosen = study.table["arm"].isin(["none", "gradient"])
    early, late = _at(study, rule, rule["epoch"]), _at(study, rule, int(study.table.loc[chosen, "epoch"].max()))
    if early is None or late is None or late["epoch"] <= rule["epoch"]:
        return unanswered(), pd.DataFrame()
    paragraph = text(
        "In {said}, where the loss without GC is {without}.", said=_said(late), without=digits(late["without"])
    )
    if late["without"] > rule["loss"]:
        answer = text("That is above {loss}, so nothing is claimed.", loss=digits(rule["loss"]))
    elif late["word"] == HURTS and late["inner_high"] <= rule["margin"]:
        answer = text(
            "By the rule, GC hurts there, by less than the margin of {margin}.", margin=digits(rule["margin"], 1)
        )
    elif late["word"] == HURTS:
        answer = text("By the rule, GC hurts there.")
    elif late["word"] == NO_PRACTICAL_DIFFERENCE:
        answer = text(
            "By the rule, more steps bring no practical difference. Rate, batch size and image size were not separated."
        )
    elif late["word"] == INCONCLUSIVE:
        answer = text("By the rule, inconclusive.")
    elif early["t_low"] <= 0 <= early["t_high"]:
        answer = text("By the rule, the null result came from too few steps.")
    else:
        answer = text("GC helps there, and did so at epoch {epoch} already.", epoch=rule["epoch"])
    return [sentences([paragraph, answer])], pd.DataFrame([early, late])


def control(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """What training on does to the loss, with no GC at all."""
    before, after = (_means(study, "recompiled", rule["outcome"], times * rule["epoch"]) for times in (1, 2))
    drop = (before - after).dropna()
    if len(drop) < 2:
        return unanswered(), pd.DataFrame()
    found = estimate(drop)
    part, low, high = (found[name] / rule["published"] for name in ("difference", "t_low", "t_high"))
    if found["t_low"] <= 0:
        answer = text("By the rule, inconclusive.")
    elif part >= rule["share"]:
        answer = text("By the rule, training twice explains the published gain.")
    else:
        answer = text("By the rule, training twice explains part of the published gain.")
    said = amount(-found["difference"], -found["t_high"], -found["t_low"])
    paragraph = text(
        "Without any GC, ten epochs more after a second compile: running training loss {said}, "
        "{seeds} seeds. That is {part:.0%} ({low:.0%} to {high:.0%}) of {published}, by which the published progress "
        "lines fall in the same epochs.",
        said=said,
        seeds=found["seeds"],
        part=part,
        low=low,
        high=high,
        published=digits(rule["published"]),
    )
    return [sentences([paragraph, answer])], pd.DataFrame([{**found, "share_of_published": part}])
