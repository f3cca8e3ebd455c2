"""Wording of results: two digits, one interval, the sign in words, and one of four words."""

import math
from collections.abc import Iterable
from decimal import Decimal

from gc_tutorial.language import Words, text

HELPS = "helps"
HURTS = "hurts"
NO_PRACTICAL_DIFFERENCE = "no practical difference"
INCONCLUSIVE = "inconclusive"
VERDICTS = Words(
    {
        HELPS: "helps",
        HURTS: "hurts",
        NO_PRACTICAL_DIFFERENCE: "no practical difference",
        INCONCLUSIVE: "inconclusive",
    }
)
JOINED = "joined"  # followed by a second clause


def not_yet() -> str:
    """What stands in place of a word before a rule has been applied."""
    return text("not yet known")


def higher_is_better(outcome: str) -> bool:
    """Whether more of an outcome is better: of accuracies and areas under the ROC curve, not of losses and times."""
    return outcome.endswith(("accuracy", "auc"))


def digits(value: float, count: int = 2) -> str:
    """Write a number with two significant digits, without an exponent and without a sign.

    >>> digits(0.11642), digits(0.5), digits(-1234.5), digits(0.0000301), digits(0.0)
    ('0.12', '0.50', '1234', '0.000030', '0')
    """
    value = abs(float(value))
    if not math.isfinite(value):
        return text("without limit")
    if value == 0 or value >= 10 ** (count - 1):
        return f"{value:.0f}"
    return format(Decimal(f"{value:#.{count}g}"), "f").rstrip(".")


def signed(value: float) -> str:
    """The same with a sign.

    >>> signed(0.11642), signed(-6), signed(0.0)
    ('+0.12', '-6.0', '0')
    """
    return ("+" if value > 0 else "-" if value < 0 else "") + digits(value)


def rate(value: float) -> str:
    """Write a learning rate, such as `"3e-4"` or `"0.01"`."""
    if value >= 0.01:
        return f"{value:.2g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def rates(ours: float, baseline: float) -> str:
    """Say the rates of a pair of arms."""
    if math.isclose(ours, baseline, rel_tol=1e-6):
        return text("both at the rate {ours}", ours=rate(ours))
    return text("rates {ours} with GC, {baseline} without", ours=rate(ours), baseline=rate(baseline))


def in_unit(values: Iterable[float], outcome: str, scale: str) -> tuple[list[float], str]:
    """Differences in the unit that they are said in, and that unit: arguments as for `amount`."""
    if scale == "log":
        return [100 * math.expm1(value) for value in values], "%"
    if outcome.endswith("accuracy"):
        return [100 * value for value in values], text(" points")
    return list(values), ""


def amount(
    difference: float, low: float, high: float, outcome: str = "", *, scale: str = "", joined: bool = False
) -> str:
    """Say a difference and its 95% interval.

    Args:
        difference, low, high: floats, of an outcome in its own unit; accuracies (0 to 1) are said in points, and with
            `scale="log"` differences of logarithms are said in percent.
        outcome: str, its name, from which the unit follows.
        scale: `""` or `"log"`.
        joined: whether another result follows in the same sentence, which Japanese words differently.

    >>> amount(-0.116, -0.14, -0.092, "clean_loss")
    'lower by 0.12 (95% interval 0.092 to 0.14)'
    >>> amount(0.011, -0.02, 0.042, "heldout_accuracy")
    'higher by 1.1 points (95% interval from 2.0 lower to 4.2 higher)'
    """
    context = JOINED if joined else ""
    (difference, low, high), unit = in_unit([difference, low, high], outcome, scale)
    if difference == low == high == 0:
        return text("no difference at all", context)
    if low < 0 < high:
        mark = unit if unit == "%" else ""
        interval = text("from {low}{mark} lower to {high}{mark} higher", low=digits(low), mark=mark, high=digits(high))
    else:
        near, far = (digits(value) for value in sorted((low, high), key=abs))
        interval = text("{near} to {far}", near=near, far=far) + (unit if unit == "%" else "")
    values = {"difference": digits(difference) + unit, "interval": interval}
    if difference > 0:
        return text("higher by {difference} (95% interval {interval})", context, **values)
    return text("lower by {difference} (95% interval {interval})", context, **values)


def moved(difference: float, low: float, high: float) -> str:
    """Say by how much something moves, and where its 95% interval lies, with signs.

    >>> moved(-0.083, -0.153, -0.013)
    'by -0.083 (95% interval -0.15 to -0.013)'
    """
    values = {"difference": difference, "low": low, "high": high}
    return text("by {difference:+.2g} (95% interval {low:+.2g} to {high:+.2g})", **values)


def word(
    interval: tuple[float, float],
    inner: tuple[float, float],
    *,
    margin: float | None,
    better: bool,
    p_value: float | None = None,
) -> str:
    """The word for a difference.

    Args:
        interval: its 95% interval; where it excludes 0, the arm helps or hurts.
        inner: its 90% interval; where it lies within the margin, there is no practical difference. (That is the
            two one-sided tests of equivalence at 5%.)
        margin: float above 0, or None where no margin was set.
        better: whether a difference above 0 is an improvement.
        p_value: corrected for several tests; where it is 0.05 or more, the interval alone shows nothing.

    >>> word((0.01, 0.05), (0.015, 0.045), margin=0.02, better=True)
    'helps'
    """
    low, high = interval
    if (low > 0 or high < 0) and (p_value is None or not p_value >= 0.05):
        return HELPS if (low > 0) == better else HURTS
    if low == high == 0 or (margin is not None and -margin <= inner[0] and inner[1] <= margin):
        return NO_PRACTICAL_DIFFERENCE
    return INCONCLUSIVE


def listed(parts: list[str]) -> str:
    """Join with commas and a last "and"."""
    if len(parts) < 2:
        return "".join(parts)
    return text("{first} and {last}", first=text(", ").join(parts[:-1]), last=parts[-1])


def changed_by(change: float, unit: str = "", *, joined: bool = False) -> str:
    """Say a change without an interval, such as `"lower by 0.12"`.

    Args:
        change: float.
        unit: str, put behind the number, such as `" points"`.
        joined: as for `amount`.
    """
    context = JOINED if joined else ""
    if not change:
        return text("the same", context)
    return text("lower by {said}" if change < 0 else "higher by {said}", context, said=digits(change) + unit)


def changed_amount(change: float, outcome: str = "", scale: str = "", *, joined: bool = False) -> str:
    """Say a change of an outcome in its own unit, without an interval: arguments as for `amount`.

    >>> changed_amount(-0.28, "clean_loss", "log"), changed_amount(0.014, "heldout_accuracy")
    ('lower by 24%', 'higher by 1.4 points')
    """
    (change,), unit = in_unit([change], outcome, scale)
    return changed_by(change, unit, joined=joined)
