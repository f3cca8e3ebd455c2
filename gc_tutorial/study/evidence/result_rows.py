"""What the rules about differences found, as rows of a table."""

from collections.abc import Mapping

import pandas as pd

from gc_tutorial.language import sentences, text
from gc_tutorial.study.evidence.answers import GENERAL
from gc_tutorial.study.evidence.findings import Finding
from gc_tutorial.study.evidence.intervals import for_new_examples, holm, within_margin
from gc_tutorial.study.evidence.names import SIZES, setting_names
from gc_tutorial.study.evidence.outcomes import OUTCOMES
from gc_tutorial.study.evidence.wording import HELPS, HURTS, INCONCLUSIVE, VERDICTS, digits, in_unit, not_yet, signed

LEFT_OUT = (*SIZES, "train_examples")


def result_rows(found: Mapping[str, Finding], rules: Mapping[str, str]) -> pd.DataFrame:
    """Tabulate what rules of the kind "difference" found.

    Args:
        found: what the rules found, by name, as from `PublishedStudy.findings`.
        rules: dict from the name of a rule to what a reader calls its outcome.

    Returns:
        `pandas.DataFrame`, a row per rule and setting: outcome, setting, result (GC minus no GC, with its 95%
        interval), seeds, and word; a rule that has not been applied yet has one row, which says so.
    """
    rows = []
    for rule, outcome in rules.items():
        table = found[rule].table if rule in found else pd.DataFrame()
        if table.empty:
            rows.append((outcome, "", "", "", not_yet()))
            continue
        for (_, row), name in zip(table.iterrows(), short_names(table), strict=True):
            rows.append((outcome, name, _signed(row), f"{row['seeds']:.0f}", _word(row)))
    return pd.DataFrame(rows, columns=["outcome", "setting", "result", "seeds", "word"])


def _signed(row):
    """The short form for a column of a table, such as `"-1.2 points (-2.6 to +0.3)"`."""
    values, unit = in_unit(row[["difference", "t_low", "t_high"]], row["outcome"], row["scale"])
    middle, low, high = map(signed, values)
    return text("{middle}{unit} ({low} to {high})", middle=middle, unit=unit or text(" nats"), low=low, high=high)


def _word(row):
    small = row["word"] in (HELPS, HURTS) and within_margin(row)
    return VERDICTS[row["word"]] + (text(", by less than the margin") if small else "") + (" †" if row["edge"] else "")


def short_names(table: pd.DataFrame) -> list[str]:
    """Name the setting of each row, without the sizes of images and data sets unless nothing else tells them apart."""
    names = setting_names(table, LEFT_OUT)
    return names if len(set(names)) == len(names) else setting_names(table, SIZES)


def general_claims(finding: Finding) -> list[str]:
    """What a finding says of all settings together, by its rule; nothing where the rule does not ask for it."""
    return [finding.table.attrs[GENERAL]] if GENERAL in finding.table.attrs else []


def counted_settings(finding: Finding) -> str:
    """Say in how many settings of a rule of the kind "difference" GC helps and hurts, and by how much."""
    table = finding.table
    if len(table) > 1 and set(table["word"]) == {INCONCLUSIVE}:
        return text("Inconclusive in both settings." if len(table) == 2 else "Inconclusive in all settings.")
    said = text(
        "GC helps in {helps} of {count} settings{by} and hurts in {hurts}{by_hurt}.",
        helps=int((table["word"] == HELPS).sum()),
        count=len(table),
        by=_by(table[table["word"] == HELPS]),
        hurts=int((table["word"] == HURTS).sum()),
        by_hurt=_by(table[table["word"] == HURTS]),
    )
    known = table["new_figures"].astype(bool) if "new_figures" in table else pd.Series(True, table.index)
    if (table["word"].isin([HELPS, HURTS]) & ~known).any():
        return sentences([said, text("On *Horses or Humans* this holds for the horses and humans of the study only.")])
    return said


def _by(table):
    """How large the differences are, such as " (by 0.83 to 11 points)", and how many are less than the margin."""
    if table.empty:
        return ""
    sizes = table["difference"].sort_values(key=abs)
    values, unit = in_unit(sizes, table["outcome"].iloc[0], table["scale"].iloc[0])
    least, most, unit = digits(values[0]), digits(values[-1]), unit or text(" nats")
    small = int(within_margin(table).sum())
    note = text(", {small} of them by less than the margin", small=small) if small else ""
    if least == most:
        return text(" (by {size}{unit}{note})", size=most, unit=unit, note=note)
    return text(" (by {least} to {most}{unit}{note})", least=least, most=most, unit=unit, note=note)


def counted_speed(finding: Finding) -> str:
    """Say in how many settings of a rule of the kind "speed" GC is faster, and by how much, and in how many slower."""
    table = finding.table
    faster = table.loc[table["claimed"], "ratio"].sort_values()
    by = ""
    if len(faster):
        ends = {"least": digits(faster.iloc[0]), "most": digits(faster.iloc[-1])}
        by = text(" (without GC, {least} to {most} times as many epochs are needed)", **ends)
    return text(
        "By the rule, GC is faster in {faster} of {count} settings{by}, and slower in {slower}.",
        faster=len(faster),
        count=len(table),
        by=by,
        slower=int(table["slower"].sum()),
    )


def kept_for_new_examples(finding: Finding) -> str:
    """Say how many settings of a rule of the kind "difference" in which GC helps or hurts hold for new examples, too.

    The p-values are those of `for_new_examples`, with Holm's correction in the same families as in the rule.
    """
    table = finding.table
    p_values = pd.Series(for_new_examples(table), table.index).groupby(table["primary"]).transform(holm)
    said = []
    for word in (HELPS, HURTS):
        chosen = table["word"] == word
        if chosen.any():
            counts = {"kept": int((chosen & (p_values < 0.05)).sum()), "count": int(chosen.sum())}
            said.append(
                text(
                    "For the {outcome}, {kept} of the {count} settings in which GC helps stay significant."
                    if word == HELPS
                    else "For the {outcome}, {kept} of the {count} settings in which GC hurts stay significant.",
                    outcome=OUTCOMES[table["outcome"].iloc[0]],
                    **counts,
                )
            )
    return sentences(said) or text("No setting in which GC helps or hurts.")
