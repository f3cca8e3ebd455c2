"""What the rules of the mechanism say together."""

import dataclasses
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_tables import made_table

from gc_tutorial.study.evidence.findings import Finding, findings
from gc_tutorial.study.evidence.synthesis import at_one_rate, faster_in_general, synthesis
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


def test_at_one_rate_both_outcomes_are_said(found):
    (said,) = at_one_rate(found)
    loss = found["ablations"].table.set_index("arm").loc["gradient"]
    assert said.startswith(
        "RMSprop at the rate 1e-3, at which study A found the lowest training loss without GC, 20 seeds: with GC the"
    )
    assert f"lower by {-100 * np.expm1(-loss['difference']):.0f}% (95% interval" in said
    assert "and the held-out accuracy is " in said


def test_at_one_rate_an_effect_that_differs_at_tuned_rates_is_said(found):
    assert "With each method" not in at_one_rate(found)[0]  # both are best at this rate
    table = found["common_shift"].table.copy()
    table["effect_first"] = -np.log(0.83)
    (said,) = at_one_rate({**found, "common_shift": replace(found["common_shift"], table=table)})
    assert said.endswith("With each method at the rate that the study's own tuning chose, the loss is lower by 17%.")


@pytest.mark.parametrize("missing", ["ablations", "heldout", "common_shift_running", "larger_step"])
def test_before_a_rule_is_applied_nothing_is_said(found, missing):
    less = {name: one for name, one in found.items() if name != missing}
    assert missing == "heldout" or not synthesis(less, RULES)
    assert missing not in ("ablations", "heldout") or not at_one_rate(less)


def test_nothing_is_said_of_another_optimizer(found):
    assert not at_one_rate(found, "sgd")
    assert not synthesis(found, RULES, "sgd")


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
    assert faster_in_general(b, c) == ([said] if said else [])
    assert not faster_in_general({}, c) and not faster_in_general(b, {})
