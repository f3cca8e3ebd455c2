"""Answers to rules about a difference across pairs of rates, and across data sets."""

import pandas as pd

from gc_tutorial.language import sentences, text
from gc_tutorial.study.evidence import across, pairs
from gc_tutorial.study.evidence.answers import Study, fine_tuned, unanswered
from gc_tutorial.study.evidence.names import named_settings
from gc_tutorial.study.evidence.outcomes import OUTCOMES
from gc_tutorial.study.evidence.wording import amount, listed


def exchange(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """The difference at each pair of the two arms' best rates."""
    table = pairs.exchanged(study.runs, outcome=rule["outcome"], by=rule["by"], tuning=study.tuning)
    if table.empty:
        return unanswered(), table
    found = []
    for name, group in named_settings(table):
        points = rule["outcome"].endswith("accuracy")
        values = [f"{(100 if points else 1) * value:+.2g}" for value in group["difference"]]
        said = {"name": name, "count": len(group), "values": listed(values) + (text(" points") if points else "")}
        if len(group) == 1:
            found.append(text("{name}: both arms are best at the same rate, so there is one pair, {values}.", **said))
        elif group["same_sign"].all():
            found.append(
                text("{name}: {count} pairs of rates, with differences {values}: the same sign in all.", **said)
            )
        else:
            found.append(
                text("{name}: {count} pairs of rates, with differences {values}: not the same sign in all.", **said)
            )
    return found, table


def mixed(rule: dict, study: Study) -> tuple[list[str], pd.DataFrame]:
    """One difference over all data sets."""
    found = pairs.best_pairs(fine_tuned(study.runs), by=rule["by"], tuning=study.tuning)
    if found.empty or found["data"].nunique() < 2:
        return unanswered(), pd.DataFrame()
    one = across.mixed_model(found, rule["outcome"])
    said = amount(one["difference"], one["t_low"], one["t_high"], rule["outcome"])
    paragraph = text(
        "Over {sets} data sets and {pairs} pairs, {outcome} with GC is {said} by the mixed model, whose interval is "
        "too narrow with so few data sets. By the means of the data sets alone, the 95% interval is {set_low:+.2g} to "
        "{set_high:+.2g} points.",
        sets=one["sets"],
        pairs=one["pairs"],
        outcome=OUTCOMES[rule["outcome"]],
        said=said,
        set_low=100 * one["set_low"],
        set_high=100 * one["set_high"],
    )
    warned = [text("The fit warned: {note}.", note=one["note"])] if one["note"] else []
    return [sentences([paragraph, *warned])], pd.DataFrame([one])
