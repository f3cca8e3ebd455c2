"""How a result is said: digits, units, signs and words, case by case."""

import math

import pytest

from gc_tutorial.language import set_language
from gc_tutorial.study.evidence.wording import (
    HELPS,
    HURTS,
    INCONCLUSIVE,
    NO_PRACTICAL_DIFFERENCE,
    amount,
    changed_amount,
    changed_by,
    digits,
    higher_is_better,
    listed,
    moved,
    not_yet,
    rate,
    rates,
    signed,
    word,
)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0"),
        (0.0000001, "0.00000010"),
        (0.0000301, "0.000030"),
        (0.0996, "0.10"),
        (0.11642, "0.12"),
        (0.5, "0.50"),
        (9.94, "9.9"),
        (10.0, "10"),
        (10.4, "10"),
        (99.6, "100"),
        (123.4, "123"),
        (1234.5, "1234"),
        (math.inf, "without limit"),
        (math.nan, "without limit"),
    ],
)
def test_two_digits_without_a_sign_and_without_an_exponent(value, said):
    assert digits(value) == digits(-value) == said


@pytest.mark.parametrize(("count", "said"), [(1, "3"), (2, "3.1"), (3, "3.14"), (4, "3.142")])
def test_as_many_digits_as_are_asked_for(count, said):
    assert digits(math.pi, count) == said
    assert digits(10.0**count, count) == f"{10**count}"
    assert digits(10 * math.pi, 3) == "31.4"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.0, "1"),
        (0.1, "0.1"),
        (0.032, "0.032"),
        (0.01, "0.01"),
        (0.0099, "9.9e-3"),
        (3e-4, "3e-4"),
        (3.16e-4, "3.2e-4"),
        (1e-10, "1e-10"),
    ],
)
def test_a_rate_as_it_is_written(value, said):
    assert rate(value) == said


@pytest.mark.parametrize(
    ("ours", "baseline", "said"),
    [
        (1e-3, 1e-3, "both at the rate 1e-3"),
        (1e-3, 1e-3 * (1 + 1e-7), "both at the rate 1e-3"),  # as after a text file
        (1e-3, 1e-3 * (1 + 1e-5), "rates 1e-3 with GC, 1e-3 without"),
        (3e-4, 0.01, "rates 3e-4 with GC, 0.01 without"),
    ],
)
def test_the_rates_of_a_pair(ours, baseline, said):
    assert rates(ours, baseline) == said


@pytest.mark.parametrize(
    ("outcome", "better"),
    [
        ("heldout_accuracy", True),
        ("shifted_auc", True),
        ("clean_loss", False),
        ("seconds_per_epoch", False),
        ("accuracy_loss", False),
    ],
)
def test_of_accuracies_and_areas_more_is_better(outcome, better):
    assert higher_is_better(outcome) == better


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        ((0.0, -0.1, 0.1), {}, "lower by 0 (95% interval from 0.10 lower to 0.10 higher)"),
        ((0.1, 0.0, 0.2), {}, "higher by 0.10 (95% interval 0 to 0.20)"),
        ((-0.1, -0.2, 0.0), {}, "lower by 0.10 (95% interval 0 to 0.20)"),
        (
            (0.2, -math.inf, math.inf),
            {},
            "higher by 0.20 (95% interval from without limit lower to without limit higher)",
        ),
        ((0.0, 0.0, 0.0), {}, "no difference at all"),
        ((0.5, 0.5, 0.5), {}, "higher by 0.50 (95% interval 0.50 to 0.50)"),
        ((-0.1, -0.1, 0.0), {}, "lower by 0.10 (95% interval 0 to 0.10)"),
        ((0.99, 0.98, 1.0), {"outcome": "accuracy"}, "higher by 99 points (95% interval 98 to 100)"),
        ((0.0, 0.0, 0.1), {}, "lower by 0 (95% interval 0 to 0.10)"),
        ((0.0, -0.1, 0.0), {}, "lower by 0 (95% interval 0 to 0.10)"),
        (
            (0.011, -0.02, 0.042),
            {"outcome": "heldout_accuracy"},
            "higher by 1.1 points (95% interval from 2.0 lower to 4.2 higher)",
        ),
        ((0.011, 0.01, 0.042), {"outcome": "heldout_auc"}, "higher by 0.011 (95% interval 0.010 to 0.042)"),
        (
            (math.log(1.1), math.log(0.9), math.log(1.3)),
            {"scale": "log"},
            "higher by 10% (95% interval from 10% lower to 30% higher)",
        ),
        (
            (math.log(0.5), math.log(0.4), math.log(0.6)),
            {"outcome": "heldout_accuracy", "scale": "log"},
            "lower by 50% (95% interval 40 to 60%)",
        ),
    ],
)
def test_an_amount_has_its_sign_in_words_and_its_unit(values, options, said):
    assert amount(*values, **options) == said


@pytest.mark.parametrize(
    ("result", "values", "said"),
    [
        (amount, (-0.12, -0.14, -0.1), "0.12 低く（95% 信頼区間 0.10〜0.14）"),
        (amount, (0.2, -0.1, 0.3), "0.20 高く（95% 信頼区間 0.10 の低下〜0.30 の上昇）"),
        (amount, (0.0, 0.0, 0.0), "まったく差がなく"),
        (changed_by, (-0.12,), "0.12 低く"),
        (changed_by, (0.12, "%"), "0.12% 高く"),
        (changed_by, (0.0,), "変わらず"),
        (changed_amount, (0.014, "heldout_accuracy"), "1.4 ポイント高く"),
        (changed_amount, (-0.28, "clean_loss", "log"), "24% 低く"),
        (changed_amount, (0.5, "clean_loss"), "0.50 高く"),
    ],
)
def test_a_result_that_another_one_follows_has_a_form_of_its_own_in_japanese(result, values, said):
    assert result(*values, joined=True) == result(*values)
    set_language("ja")
    try:
        assert result(*values, joined=True) == said != result(*values)
    finally:
        set_language("en")


@pytest.mark.parametrize(
    ("interval", "options", "said"),
    [
        ((0.0, 0.05), {}, INCONCLUSIVE),  # zero is not excluded
        ((-0.05, 0.0), {}, INCONCLUSIVE),
        ((0.0, 0.0), {"margin": None}, NO_PRACTICAL_DIFFERENCE),
        ((0.01, 0.05), {"p_value": 0.049}, HELPS),
        ((0.01, 0.05), {"p_value": 0.05}, INCONCLUSIVE),
        ((0.01, 0.05), {"p_value": math.nan}, HELPS),  # no correction could be made
        ((-0.05, -0.01), {"p_value": 0.04}, HURTS),
        ((-0.05, -0.01), {"p_value": 0.04, "better": False}, HELPS),
        ((0.01, 0.05), {"better": False}, HURTS),
        ((-0.03, 0.03), {"inner": (-0.02, 0.02)}, NO_PRACTICAL_DIFFERENCE),  # the margin itself is within
        ((-0.03, 0.03), {"inner": (-0.021, 0.02)}, INCONCLUSIVE),
        ((-0.03, 0.03), {"inner": (-0.02, 0.021)}, INCONCLUSIVE),
        ((-0.03, 0.03), {"inner": (-0.02, 0.02), "margin": None}, INCONCLUSIVE),
        ((-0.03, 0.03), {"inner": (math.nan, math.nan)}, INCONCLUSIVE),
    ],
)
def test_one_of_four_words(interval, options, said):
    assert word(interval, **{"inner": (-1.0, 1.0), "margin": 0.02, "better": True, **options}) == said


@pytest.mark.parametrize(
    ("parts", "said"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_a_list_in_words(parts, said):
    assert listed(parts) == said


@pytest.mark.parametrize(
    ("value", "said"), [(0.11642, "+0.12"), (-6, "-6.0"), (-123.4, "-123"), (0.0, "0"), (math.inf, "+without limit")]
)
def test_a_number_with_its_sign(value, said):
    assert signed(value) == said


def test_a_move_has_signs_and_two_digits():
    assert moved(-0.0834, -0.153, 0.0131) == "by -0.083 (95% interval -0.15 to +0.013)"


def test_what_stands_where_no_rule_has_been_applied():
    assert not_yet() == "not yet known"
