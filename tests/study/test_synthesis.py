"""What the rules of the mechanism say together."""

import dataclasses
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_tables import made_table

from gc_tutorial.language import set_language
from gc_tutorial.study.evidence.answers import ENOUGH
from gc_tutorial.study.evidence.findings import Finding, findings
from gc_tutorial.study.evidence.synthesis import (
    at_one_rate,
    faster_in_general,
    parts_and_conditions,
    short_answer,
    synthesis,
)
from gc_tutorial.study.evidence.wording import amount, changed_amount
from gc_tutorial.study.plan import read_plan

RULES = read_plan("D").rules
USED = ("common_shift", "ablations", "larger_step", "heldout", "common_shift_running")
CONFIRMING = {"stage": "confirmation", "rates": [1e-3], "seeds": range(300, 320)}


@pytest.fixture(scope="module")
def found():
    gain = {"gradient": 0.4, "half": 0.2, "random_direction": 0.0, "conv_only": 0.4, "dense_only": 0.02}
    table = pd.concat(
        [
            made_table(**CONFIRMING, arms=("none", *gain), gain=gain),
            made_table(**{**CONFIRMING, "rates": [1.7e-3]}, arms=["none"]),
            made_table(**CONFIRMING, gain=0.1, scaling="-1..1"),
            made_table(**CONFIRMING, gain=0.4, network="cnn_bn"),
        ]
    )
    return {one.name: one for one in findings({name: RULES[name] for name in USED}, table)}


def test_arms_are_sorted_by_what_they_have_of_the_effect(found):
    said = synthesis(found, RULES)
    assert said[0] == "These have most of GC's effect, or all of it: convolutions only."
    assert said[1] == "These have less than half of it: dense layers only and random direction."
    assert said[2] == "These raise the training loss: no GC at 1.7 times the rate."
    assert said[3] == "Undecided: half the mean."


@pytest.mark.parametrize(
    ("clean", "running", "said"),
    [
        (
            "supported",
            "supported",
            "The explanation by a common shift is supported on both measures of the training loss.",
        ),
        (
            "refuted",
            "supported",
            "refuted on the clean training loss and supported on the running one, so it stays open.",
        ),
    ],
)
def test_where_two_measures_disagree_the_account_stays_open(found, clean, running, said):
    changed = dict(found)
    for rule, account in (("common_shift", clean), ("common_shift_running", running)):
        table = found[rule].table.copy()
        table.attrs["account"] = {"rmsprop": account}
        changed[rule] = dataclasses.replace(found[rule], table=table)
    assert synthesis(changed, RULES)[-1].endswith(said)


def test_the_account_that_a_table_keeps_is_the_one_that_is_said(found):
    for rule in ("common_shift", "common_shift_running"):
        assert (
            f"the explanation by a common shift is {found[rule].table.attrs['account']['rmsprop']}."
            in found[rule].found
        )


@pytest.mark.parametrize("effect", [-0.2, 0.0])
def test_the_short_answer_does_not_say_lowers_where_gc_does_not(found, effect):
    table = found["ablations"].table.assign(difference=effect)
    said = short_answer({**found, "ablations": replace(found["ablations"], table=table)}, RULES)
    assert said == ["GC does not lower the training loss."]


def test_the_short_answer_says_which_part_alone_does_as_much(found):
    effect = found["ablations"].table.set_index("arm").loc["gradient", "difference"]
    assert short_answer(found, RULES) == [
        f"GC lowers the training loss by {-np.expm1(-effect):.0%}.",
        "GC in the convolutions alone does as much.",
        "GC in the dense layers alone does little.",
        "A learning rate 1.7 times as large, without GC, does not replace it.",
    ]


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.6, 0.9, "GC in the convolutions alone does most of this."),
        (0.2, 0.9, "What GC in the convolutions alone does is not clear."),
        (0.1, 0.3, "GC in the convolutions alone or the dense layers alone does little."),
    ],
)
def test_the_short_answer_keeps_to_the_limits_of_the_rule(found, low, high, said):
    table = found["ablations"].table.copy()
    table.loc[table["arm"] == "conv_only", ["share_low", "share_high"]] = low, high
    assert said in short_answer({**found, "ablations": replace(found["ablations"], table=table)}, RULES)


@pytest.mark.parametrize(
    ("share", "low", "high", "said"),
    [(0.9, 0.6, 1.2, "does the same."), (0.9, 0.4, 1.2, "replaces it is not clear.")],
)
def test_the_short_answer_says_whether_a_larger_step_does_the_same(found, share, low, high, said):
    table = found["larger_step"].table.copy()
    table.loc[table["arm"] == "none_faster", ["share", "share_low", "share_high"]] = share, low, high
    changed = {**found, "larger_step": replace(found["larger_step"], table=table)}
    assert short_answer(changed, RULES)[-1].endswith(said)


def test_parts_and_conditions_have_a_sentence_each(found):
    convolutions, dense, inputs, normalized = parts_and_conditions(found, RULES)
    row = found["ablations"].table.set_index("arm").loc["conv_only"]
    assert convolutions == (
        f"GC in the convolutions alone has {row['share']:.0%} of GC's effect (95% interval {row['share_low']:.0%} to "
        f"{row['share_high']:.0%}): all of it."
    )
    assert dense.startswith("GC in the dense layers alone has ") and dense.endswith(": none of it.")
    change = found["common_shift"].table.set_index("second").loc["-1..1"]
    first, second = (changed_amount(-change[f"effect_{end}"], "clean_loss", "log") for end in ("first", "second"))
    assert inputs == (
        f"With inputs [-1, 1], the clean training loss with GC is {second}, and {first} without this change: at most "
        "50% of it remains."
    )
    assert normalized.startswith("With batch norm, the running training loss with GC is lower by ")
    table = found["common_shift"].table.copy()
    table["effect_first"] = -np.log(0.83)
    *_, tuned = parts_and_conditions({**found, "common_shift": replace(found["common_shift"], table=table)}, RULES)
    assert tuned.startswith("At the tuned rates GC lowers the loss of the plain CNN by 17%; at 1e-3, by 3")


def at_one_rate_in_parts(found):
    """The amounts that it is made of: the loss, which another clause follows, and the accuracy."""
    loss, accuracy = (found[rule].table.set_index("arm").loc["gradient"] for rule in ("ablations", "heldout"))
    of_loss = amount(-loss["difference"], -loss["t_high"], -loss["t_low"], scale="log", joined=True)
    return of_loss, amount(*accuracy[["difference", "t_low", "t_high"]], "heldout_accuracy")


def test_at_one_rate_every_number_is_that_of_the_tables(found):
    of_loss, of_accuracy = at_one_rate_in_parts(found)
    loss, accuracy = (found[rule].table.set_index("arm").loc["gradient"] for rule in ("ablations", "heldout"))
    assert at_one_rate(found) == [
        "RMSprop at the rate 1e-3, at which study A found the lowest training loss without GC, 20 seeds: with GC the "
        f"training loss is {of_loss}, and the held-out accuracy is {of_accuracy}. Means without GC and with it: loss "
        f"{loss['mean_baseline']:.2f} and {loss['mean']:.2f}, accuracy {accuracy['mean_baseline']:.0%} and "
        f"{accuracy['mean']:.0%}."
    ]


def test_in_japanese_a_clause_that_another_one_follows_has_its_own_form(found):
    set_language("ja")
    try:
        of_loss, of_accuracy = at_one_rate_in_parts(found)
        (said,) = at_one_rate(found)
        assert of_loss in said and of_accuracy in said
    finally:
        set_language("en")


def test_at_one_rate_both_outcomes_are_said(found):
    (said,) = at_one_rate(found)
    loss = found["ablations"].table.set_index("arm").loc["gradient"]
    assert said.startswith(
        "RMSprop at the rate 1e-3, at which study A found the lowest training loss without GC, 20 seeds: with GC the"
    )
    assert f"lower by {-100 * np.expm1(-loss['difference']):.0f}% (95% interval" in said
    assert "and the held-out accuracy is " in said


def test_at_one_rate_an_effect_that_differs_at_tuned_rates_is_said(found):
    assert "tuning chose" not in at_one_rate(found)[0]  # both are best at this rate
    table = found["common_shift"].table.copy()
    table["effect_first"] = -np.log(0.83)
    (said,) = at_one_rate({**found, "common_shift": replace(found["common_shift"], table=table)})
    assert said.endswith("At the rates that the study's own tuning chose for each, the loss is lower by 17%.")


def test_a_general_claim_says_where_the_goal_is_hardly_below_a_guess():
    b = {"speed": Finding("speed", "", [], pd.DataFrame({"optimizer": ["adam"], "claimed": [True]}))}
    rows = [("flowers", 1.60, True, 12), ("digits", 0.5, True, 20), ("digits", 2.29, False, 12)]  # a guess: 1.61, 2.30
    table = pd.DataFrame(rows, columns=["data", "goal", "claimed", "epochs"])
    table.attrs[ENOUGH] = True
    assert faster_in_general(b, {"speed": Finding("speed", "", [], table)}) == [
        "Study B shows it, too, for Adam. By the rule, GC trains faster in general.",
        "This is about training runs like these: small networks, 12 and 20 epochs. In study C 2 of 3 settings show it, "
        "and in 1 of these 2 the goal is hardly below the loss of guessing.",
    ]


@pytest.mark.parametrize("missing", ["ablations", "heldout", "common_shift_running", "larger_step"])
def test_before_a_rule_is_applied_nothing_is_said(found, missing):
    less = {name: one for name, one in found.items() if name != missing}
    assert missing == "heldout" or not synthesis(less, RULES)
    assert missing not in ("ablations", "larger_step") or not short_answer(less, RULES)
    assert missing not in ("ablations", "common_shift_running") or not parts_and_conditions(less, RULES)
    assert missing not in ("ablations", "heldout") or not at_one_rate(less)


def test_nothing_is_said_of_another_optimizer(found):
    assert not at_one_rate(found, "sgd")
    assert not synthesis(found, RULES, "sgd") and not short_answer(found, RULES, "sgd")
    assert not parts_and_conditions(found, RULES, "sgd")


@pytest.mark.parametrize(
    ("claimed", "enough", "said"),
    [
        ((True, True), True, "Study B shows it, too, for Adam and RMSprop. By the rule, GC trains faster in general."),
        ((False, True), True, "Study B shows it for RMSprop only. By the rule, no general claim is made."),
        ((False, False), True, "Study B does not show it. By the rule, no general claim is made."),
        ((True, True), False, None),  # study C alone rules it out, and says so
    ],
)
def test_faster_in_general_only_where_both_studies_show_it(claimed, enough, said):
    table = pd.DataFrame({"optimizer": ["adam", "rmsprop"], "claimed": claimed})
    b = {"speed": Finding("speed", "", [], table)}
    rule = {**read_plan("C").rules["speed"], "further_sets": 1 if enough else 2}
    flowers = pd.concat([made_table(data="flowers", gain=0.4), made_table(**CONFIRMING, data="flowers", gain=0.4)])
    c = {one.name: one for one in findings({"speed": rule}, flowers)}
    claim = faster_in_general(b, c)
    assert claim[:1] == ([said] if said else [])
    limits = "This is about training runs like these: small networks, 12 epochs. In study C 1 of 1 settings show it."
    assert claim[1:] == ([limits] if all(claimed) and enough else [])
    assert not faster_in_general({}, c) and not faster_in_general(b, {})
