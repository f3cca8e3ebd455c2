"""What the notebooks read out of the findings: the rows of the mechanism, the table of decisions, harms and costs."""

import pandas as pd
import pytest
from made_tables import made_table

from gc_tutorial.study.cost import cost_finding, cost_rows, measured_costs
from gc_tutorial.study.evidence.decisions import (
    CASES,
    NAMES,
    NO_RULE,
    answer,
    decision_table,
    harms,
)
from gc_tutorial.study.evidence.findings import Finding, findings
from gc_tutorial.study.evidence.mechanism_rows import mechanism_rows
from gc_tutorial.study.evidence.result_rows import (
    counted_settings,
    counted_speed,
    general_claims,
    kept_for_new_examples,
    result_rows,
)
from gc_tutorial.study.evidence.speed_rows import near_a_guess, speed_limits, speed_rows
from gc_tutorial.study.plan import read_plan

CONFIRMING = {"stage": "confirmation", "rates": [1e-3], "seeds": range(300, 320)}
RULES = read_plan("D").rules
NULL = "no practical difference"
TUNED = "you tune the learning rate on Horses or Humans ³"
SAME_RATE = "you keep the learning rate that is best without GC ¹"
NORMALIZED = "you train a CNN with batch normalization on other data ²"
EASY = "nearly all held-out answers are right already (digits, MNIST-1D) ²"


def finding(rows):
    return Finding("", "", "", pd.DataFrame(rows))


# ----- the rows of the mechanism


@pytest.fixture(scope="module")
def mechanism():
    gain = {"gradient": 0.4, "half": 0.2, "random_direction": 0.0, "conv_only": 0.4, "twice": 0.08, "raw_norm": -0.2}
    table = pd.concat(
        [
            made_table(**CONFIRMING, arms=("none", *gain), gain=gain),
            made_table(**{**CONFIRMING, "rates": [1.7e-3]}, arms=["none"]),
            made_table(**CONFIRMING, gain=0.1, scaling="-1..1"),
            made_table(**CONFIRMING, gain=0.4, network="cnn_bn"),
            made_table(**CONFIRMING, gain=0.7, schedule="warmup"),
        ]
    )
    rules = {name: RULES[name] for name in ("common_shift", "ablations", "larger_step", "warmup")}
    return {one.name: one for one in findings(rules, table)}


@pytest.mark.parametrize(
    ("trained", "reading"),
    [
        ("half the mean", "inconclusive"),
        ("random direction", "none of it"),
        ("convolutions only", "all of it"),
        ("twice the mean", "little of it"),
        ("no GC at 1.7 times the rate", "GC is more than a larger step"),
        ("no GC and GC, inputs [-1, 1]", "at most 50% of it remains"),
        ("no GC and GC, batch norm", "no change is shown"),
        ("no GC and GC, warm-up", "the effect grows"),
        ("GC at the original length", "it harms"),
        ("first layer only", "not yet known"),  # it did not run
    ],
)
def test_a_row_for_each_part_of_the_method(mechanism, trained, reading):
    rows = mechanism_rows(mechanism, RULES).set_index("trained")
    assert rows.loc[trained, "reading"] == reading
    if reading != "not yet known":
        assert "95% interval" in rows.loc[trained, "share"]


def test_where_two_measures_of_the_loss_disagree_both_are_said(mechanism):
    running = mechanism["common_shift"].table.copy()
    running.loc[running["second"] == "cnn_bn", ["share", "difference", "t_low", "t_high", "p_holm"]] = (
        0.4,
        0.2,
        0.1,
        0.3,
        0,
    )
    rows = mechanism_rows({**mechanism, "common_shift_running": finding(running)}, RULES).set_index("trained")[
        "reading"
    ]
    assert rows["no GC and GC, inputs [-1, 1]"] == "at most 50% of it remains"
    assert rows["no GC and GC, batch norm"] == "no change is shown; on the running loss: at most 50% of it remains"


def test_diverged_runs_are_counted_beside_the_reading(mechanism):
    table = mechanism["ablations"].table.copy()
    table.loc[table["arm"] == "twice", "diverged"] = 8
    rows = mechanism_rows({"ablations": finding(table)}, RULES).set_index("trained")["reading"]
    assert rows["twice the mean"] == "little of it, 8 of 20 runs diverged"


def test_the_first_row_is_gc_itself(mechanism):
    first = mechanism_rows(mechanism, RULES).iloc[0]
    assert first["share"] == "100%"
    assert first["reading"].startswith("lower by 3")


def test_before_the_study_every_row_is_there_and_says_nothing(mechanism):
    rows = mechanism_rows({}, RULES)
    columns = ["question", "trained"]
    pd.testing.assert_frame_equal(rows[columns], mechanism_rows(mechanism, RULES)[columns])
    assert set(rows["reading"]) == {"not yet known"}
    assert set(rows["share"]) == {""}


def test_rows_are_of_the_optimizer_asked_for(mechanism):
    assert set(mechanism_rows(mechanism, RULES, "sgd")["reading"]) == {"not yet known"}


def test_no_share_of_an_effect_that_is_not_shown():
    table = made_table(**CONFIRMING, arms=("none", "gradient", "half", "twice"), gain=0.0)
    found = {one.name: one for one in findings({"ablations": RULES["ablations"]}, table)}
    rows = mechanism_rows(found, RULES).set_index("trained")
    assert rows.loc["half the mean", "reading"] == "no reading"
    assert "no effect of GC itself is shown" in rows.loc["half the mean", "share"]


# ----- the table of decisions


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "not yet known"),
        (["helps", "helps"], "yes"),
        (["helps", "inconclusive", NULL], "in 1 of 3 settings"),
        (["helps", "hurts"], "it depends: helps in 1, hurts in 1 of 2"),
        (["hurts"], "no, it hurts"),
        (["hurts", NULL], "no, it hurts in 1 of 2"),
        ([NULL, NULL], NULL),
        (["inconclusive", NULL], "not shown"),
    ],
)
def test_one_answer_from_several_words(words, said):
    assert answer(words) == said


def test_a_difference_below_the_margin_is_said_to_be_small():
    assert answer(["hurts", NULL], [True, True]) == "no, it hurts in 1 of 2, but by less than the margin"
    assert answer(["helps", "helps"], [True, False]) == "yes"


def row(word, **columns):
    known = {"data": "flowers", "network": "cnn", "optimizer": "adam", "weight_decay": 0.0, "primary": True}
    numbers = {"edge": False, "seeds": 10, "difference": -0.05, "t_low": -0.08, "t_high": -0.02, "scale": ""}
    limits = {"inner_low": -0.07, "inner_high": -0.03, "margin": 0.02}
    return {**known, **numbers, **limits, "outcome": "heldout_accuracy", "word": word, **columns}


FOUND = {
    "B": {
        "training": finding([row("helps"), row("helps")]),
        "heldout": finding([row("hurts", inner_low=-0.015, inner_high=-0.005), row(NULL)]),
    },
    "C": {
        "training": finding(
            [row("helps"), row("helps", data="horses_or_humans"), row("helps", network="small_cnn_bn")]
        ),
        "training_running": finding([row(NULL, network="small_cnn_bn")]),
        "heldout": finding(
            [
                row("helps"),
                row("inconclusive", data="digits", edge=True),
                row("inconclusive", network="vit", primary=False),
                row("hurts", data="horses_or_humans", optimizer="adamw", weight_decay=0.1, primary=False),
            ]
        ),
    },
    "E": {
        "too_few_steps": finding(
            [row("inconclusive", epoch=10, seeds=5), row("hurts", epoch=40, seeds=5, inner_low=0.004, inner_high=0.014)]
        )
    },
}


def test_each_case_gets_its_own_settings():
    table = decision_table(FOUND, (["helps", "inconclusive"], ["inconclusive"])).set_index("case")
    assert list(table.index[1:]) == [NAMES[case.name] + case.mark for case in CASES]
    answers = {name: (one["training"], one["heldout"]) for name, one in table.iterrows()}
    assert answers["you do not tune the learning rate"] == ("in 1 of 2 settings", "not shown")
    assert answers[TUNED] == (
        "yes (5.0 points)",
        "no, it hurts in 1 of 2 (5.0 points), but by less than the margin",
    )
    assert answers["you train a CNN without batch normalization on other data"] == (
        "yes (5.0 points)",
        "in 1 of 2 settings (5.0 points)",
    )
    assert answers[NORMALIZED] == (NULL, "not yet known")
    assert answers["you train a small transformer"] == ("not yet known", "not shown")
    assert answers["you use AdamW, with or without weight decay"] == ("not yet known", "no, it hurts (5.0 points)")
    assert answers[EASY] == ("not yet known", "not shown")
    assert answers["you fine-tune on 100 to 200 images"] == (NO_RULE["not asked"], "not yet known")
    published = ("no, it hurts (5.0 points), but by less than the margin", NO_RULE["not asked"])
    assert answers["you train by the published recipe, for 40 epochs"] == published
    assert table.loc[TUNED, "rests_on"] == "study B: 2 settings, 10 seeds"
    assert table.loc["you fine-tune on 100 to 200 images", "rests_on"] == "study C: no results yet"


@pytest.mark.parametrize(
    ("effect", "p_holm", "said"),
    [
        ((0.05, 0.01, 0.09), 0.01, "yes (4.9%)"),
        ((0.05, 0.01, 0.09), 0.06, "not shown"),  # the correction for several arms does not keep it
        ((-0.05, -0.09, -0.01), 0.01, "no, it hurts (5.1%)"),
        ((0.001, -0.05, 0.05), 0.9, "not shown"),
    ],
)
def test_an_effect_without_a_word_gets_one(effect, p_holm, said):
    numbers = dict(zip(("difference", "t_low", "t_high"), effect, strict=True))
    common = {"outcome": "clean_loss", "seeds": 20, "p_holm": p_holm}
    rows = [{"arm": "half", **common, **numbers}, {"arm": "gradient", **common, **numbers}]
    table = decision_table({"D": {"ablations": finding(rows)}}).set_index("case")
    found = table.loc[SAME_RATE]
    assert (found["training"], found["heldout"]) == (said, "no claim (a secondary outcome)")
    assert found["rests_on"] == "study D: 1 setting, 20 seeds"


def test_a_second_study_of_another_optimizer_counts_in_the_same_row():
    effects = {"D": (0.05, 0.01, 0.09), "D2": (0.01, -0.02, 0.04)}
    found = {}
    for plan, (difference, low, high) in effects.items():
        numbers = {"difference": difference, "t_low": low, "t_high": high, "p_holm": 0.01, "seeds": 15}
        found[plan] = {"ablations": finding([{"arm": "gradient", "outcome": "clean_loss", **numbers}])}
    row = decision_table(found).set_index("case").loc[SAME_RATE]
    assert (row["training"], row["rests_on"]) == ("in 1 of 2 settings (4.9%)", "study D and D2: 2 settings, 15 seeds")


def test_without_results_nothing_is_advised():
    table = decision_table({})
    assert set(table["training"]) | set(table["heldout"]) == {"not yet known", *NO_RULE.values()}
    assert list(table["action"]) == ["tune the learning rate first"] + ["not yet known"] * len(CASES)


@pytest.mark.parametrize(
    ("training", "heldout", "action"),
    [
        ("helps", "helps", "try it, and tune with it"),
        (NULL, "helps", "try it, and tune with it"),
        ("helps", "inconclusive", "try it for a lower training loss, and check the accuracy"),
        ("helps", NULL, "try it for a lower training loss, and check the accuracy"),
        ("inconclusive", "inconclusive", "compare both on your own data"),
        (NULL, "inconclusive", "compare both on your own data"),
        (NULL, NULL, "expect no gain"),
        ("helps", "hurts", "expect no gain"),
        ("hurts", "helps", "expect no gain"),
        ("helps; helps", "helps; hurts", "compare both on your own data"),
        ("helps; inconclusive", "inconclusive; helps", "try it, and tune with it"),
        ("helps", "", "not yet known"),
    ],
)
def test_what_to_do_follows_from_both_answers(training, heldout, action):
    rules = {
        name: finding([row(word, data="horses_or_humans") for word in words.split("; ")])
        for name, words in (("training", training), ("heldout", heldout))
        if words
    }
    table = decision_table({"B": rules}).set_index("case")
    assert table.loc[TUNED, "action"] == action


def test_an_answer_says_how_large_the_differences_are():
    log = {"data": "horses_or_humans", "outcome": "clean_loss", "scale": "log"}
    rows = [row("helps", **log, difference=value) for value in (-0.7, -0.1)] + [row(NULL, **log, difference=-5.0)]
    table = decision_table({"B": {"training": finding(rows[:2]), "heldout": finding([row("hurts", inner_high=0.0)])}})
    found = table.set_index("case").loc[TUNED]
    assert (found["training"], found["heldout"]) == ("yes (9.5 to 50%)", "no, it hurts (5.0 points)")
    found = decision_table({"B": {"training": finding(rows)}}).set_index("case")
    assert found.loc[TUNED, "training"] == "in 2 of 3 settings (9.5 to 50%)"


def test_a_result_that_these_figures_alone_show_is_no_advice_for_others():
    rows = [row("helps", data="horses_or_humans", new_figures=one) for one in (True, False)]
    for count, said, action in (
        (2, True, "try it for a lower training loss, and check the accuracy"),
        (1, False, "try it, and tune with it"),
    ):
        found = {"training": finding(rows[:1]), "heldout": finding(rows[:count])}
        answers = decision_table({"B": found}).set_index("case").loc[TUNED]
        assert answers["heldout"] == "yes (5.0 points)" + (", for these horses and humans" if said else "")
        assert answers["action"] == action


@pytest.mark.parametrize(
    ("claimed", "said"),
    [
        ([True, True, False], "2 of 3 settings (without GC, 1.3 to 4.0 times as many epochs are needed)"),
        ([False, False, False], "0 of 3 settings"),
    ],
)
def test_settings_in_which_training_is_faster_are_counted(claimed, said):
    speed = finding([{"ratio": ratio, "slower": ratio < 1} for ratio in (4.0, 1.3, 0.8)])
    speed.table["claimed"] = claimed
    assert counted_speed(speed) == f"By the rule, GC is faster in {said}, and slower in 1."


@pytest.mark.parametrize(
    ("small", "action"),
    [
        (True, "try it for a lower training loss, and check the accuracy"),
        (False, "try it, and tune with it"),
    ],
)
def test_a_gain_of_accuracy_below_the_margin_is_no_reason(small, action):
    gain = {
        "inner_low": 0.005,
        "inner_high": 0.015 if small else 0.03,
        "difference": 0.01,
        "t_low": 0.004,
        "t_high": 0.016,
    }
    found = {
        "training_running": finding([row("helps", data="digits")]),
        "heldout": finding([row("helps", data="digits", **gain), row(NULL, data="mnist1d")]),
    }
    easy = decision_table({"C": found}).set_index("case").loc[EASY]
    assert easy["heldout"] == "in 1 of 2 settings (1.0 points)" + (", but by less than the margin" if small else "")
    assert easy["action"] == action


# ----- speed


def speeds(**columns):
    known = {"optimizer": "adam", "data": ["cats_and_dogs", "flowers", "digits"], "edge": [False, False, True]}
    known |= {
        "goal": [0.68, 1.2, 0.05],
        "ratio": [4.13, 1.5, 0.8],
        "ratio_low": [3.4, 1.3, 0.7],
        "ratio_high": [5.0, 1.7, 0.9],
    }
    known |= {"learning_rate": 1e-3, "learning_rate_baseline": [1e-4, 1e-3, 1e-3], "missed": 0.0}
    known |= {"missed_baseline": [0.1, 0, 0], "claimed": [True, True, False], "slower": [False, False, True]}
    return finding({**known, **columns})


def test_speeds_as_rows():
    rows = speed_rows(speeds())
    assert rows.iloc[0].tolist() == [
        *("cats and dogs", "0.68", "4.13 (3.40 to 5.00)", "1e-3", "1e-4", "0%", "10%", "faster")
    ]
    assert rows["word"].tolist() == ["faster", "faster", "slower †"]
    assert speed_rows(speeds(claimed=False, slower=False))["word"].tolist() == ["not shown", "not shown", "not shown †"]


def test_what_a_factor_does_not_say_is_said():
    assert speed_limits(speeds()) == [
        "Where the goal is 0.68 and guessing gives 0.69 (cats and dogs), faster means leaving the start sooner.",
        "The largest factor, 4.1, compares two learning rates: 1e-3 with GC and 1e-4 without.",
    ]
    assert speed_limits(speeds(goal=0.05, learning_rate_baseline=1e-3)) == []
    assert speed_limits(speeds(goal=0.05, claimed=False)) == []
    assert near_a_guess(speeds().table).tolist() == [True, False, False]


def test_harms_of_every_kind_of_rule_are_named():
    recipe = {"word": "hurts", "outcome": "train_loss", "scale": "", "difference": 0.05, "t_low": 0.01, "t_high": 0.09}
    slow = {"optimizer": "adam", "data": ["digits", "flowers"], "ratio": 0.8, "slower": [True, False]}
    said = harms({"E": {"ten": finding([{**recipe, "epoch": 10}])}, "C": {"speed": finding(slow)}})
    assert said == [
        "Study E, published recipe, epoch 10: running training loss higher by 0.050 (95% interval 0.010 to 0.090).",
        "Study C, digits: GC is slower; training without GC needs 0.80 times as many epochs to reach the goal.",
    ]


def test_harms_are_named_one_by_one():
    said = harms(FOUND)
    assert [one.split(":")[0] for one in said[:2]] == [
        "Study B, Adam",
        "Study C, AdamW, Horses or Humans, plain CNN, decay 0.1",
    ]
    assert all("held-out accuracy lower by 5.0 points" in one for one in said)
    assert harms({}) == []


@pytest.mark.parametrize(
    ("columns", "notes"),
    [
        ({}, ""),
        ({"learning_rate": 1e-3, "learning_rate_baseline": 1e-3}, "; both at the rate 1e-3"),
        ({"new_figures": False}, "; for the individuals of the study only"),
        ({"new_figures": True}, ""),
        ({"inner_low": -0.015, "inner_high": -0.005}, "; less than the margin"),
        (
            {"outcome": "shifted_accuracy", "new_figures": False},
            "; for the individuals of the study only; a secondary outcome",
        ),
    ],
)
def test_a_harm_says_where_it_holds(columns, notes):
    (said,) = harms({"B": {"heldout": finding([row("hurts", **columns)])}})
    assert said.endswith(f"lower by 5.0 points (95% interval 2.0 to 8.0){notes}.")


# ----- rows of results


def test_results_as_rows():
    rows = result_rows(FOUND["C"], {"heldout": "accuracy", "fine_tuning": "fine-tuned"})
    assert list(rows["outcome"]) == ["accuracy"] * 4 + ["fine-tuned"]
    assert rows.loc[1, ["setting", "result", "seeds", "word"]].tolist() == [
        *("Adam, digits, plain CNN", "-5.0 points (-8.0 to -2.0)", "10", "inconclusive †")
    ]
    assert rows.loc[4, "word"] == "not yet known"
    small = result_rows(FOUND["B"], {"heldout": "accuracy"})
    assert small["word"].tolist() == ["hurts, by less than the margin", NULL]
    losses = {"outcome": "clean_loss", "difference": -0.2, "t_low": -0.3, "t_high": 0.1}
    none = row(NULL, **{**losses, "difference": 0.0})
    found = {"training": finding([row("helps", **losses, scale="log"), row("helps", **losses), none])}
    said = result_rows(found, {"training": "loss"})["result"].tolist()
    assert said == ["-18% (-26 to +11)", "-0.20 nats (-0.30 to +0.10)", "0 nats (-0.30 to +0.10)"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [row("helps", difference=0.083), row("hurts"), row(NULL), row("helps", difference=0.02)],
            "2 of 4 settings (by 2.0 to 8.3 points) and hurts in 1 (by 5.0 points).",
        ),
        (
            [row("helps", difference=0.083), row("helps", difference=0.3, edge=True)],
            "2 of 2 settings (by 8.3 to 30 points) and hurts in 0.",
        ),
        (
            [row("hurts", new_figures=False), row("hurts", new_figures=True)],
            "0 of 2 settings and hurts in 2 (by 5.0 points). On *Horses or Humans* this holds for the horses",
        ),
        (
            [row("helps", outcome="clean_loss", scale="log", difference=-0.7)],
            "1 of 1 settings (by 50%) and hurts in 0.",
        ),
        (
            [row("helps", difference=0.083), row("helps", difference=0.01, inner_low=0.005, inner_high=0.015)],
            "2 of 2 settings (by 1.0 to 8.3 points, 1 of them by less than the margin) and hurts in 0.",
        ),
    ],
)
def test_settings_in_which_it_helps_are_counted(rows, said):
    assert counted_settings(finding(rows)).startswith(f"GC helps in {said}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["inconclusive"] * 2, "Inconclusive in both settings."),
        (["inconclusive"] * 3, "Inconclusive in all settings."),
        (["inconclusive", NULL], "GC helps in 0 of 2 settings and hurts in 0."),
        (["inconclusive"], "GC helps in 0 of 1 settings and hurts in 0."),
    ],
)
def test_inconclusive_settings_are_not_called_none(words, said):
    assert counted_settings(finding([row(word) for word in words])) == said


@pytest.mark.parametrize(("others", "primary", "kept"), [(6, True, 1), (7, True, 0), (7, False, 1)])
def test_a_setting_is_kept_for_new_examples_after_the_correction_in_its_family(others, primary, kept):
    clear = row("helps", difference=0.036, sd=0.0174)  # a p-value of 0.0068, so that seven tests are one too few
    rest = [row("inconclusive", difference=0.0, sd=0.1, primary=primary)] * others
    hurts = row("hurts", difference=-0.5, sd=0.001)
    assert f"{kept} of the 1 settings in which GC helps" in kept_for_new_examples(finding([clear, *rest]))
    assert "1 of the 1 settings in which GC hurts" in kept_for_new_examples(finding([hurts]))
    assert kept_for_new_examples(finding(rest)) == "No setting in which GC helps or hurts."


def test_claims_about_all_settings_are_found():
    rule = {"kind": "difference", "outcome": "heldout_accuracy", "by": "heldout_loss", "margin": 0.02, "text": ""}
    table, tuning = made_table(**CONFIRMING, accuracy=0.05), made_table()
    for asks, claims in ((True, 1), (False, 0)):
        further = {"further_sets": 2} if asks else {}
        (found,) = findings({"heldout": {**rule, **further}}, table, tuning)
        assert len(general_claims(found)) == claims
        assert all(claim in found.found and "no general claim" in claim for claim in general_claims(found))


# ----- costs


def test_costs_as_rows_and_in_one_sentence():
    columns = {"backend": "jax", "model": "cnn", "optimizer": "RMSprop", "rounds": 15}
    ratios = {"plain": 1.0, "empty": 1.5, "gradient": 1.013, "update": 1.05}
    limits = {"ratio_low": 0.99, "ratio_high": 1.04}
    costs = pd.DataFrame([{**columns, "arm": arm, "ratio": ratio, **limits} for arm, ratio in ratios.items()])
    costs = pd.concat([costs, costs.assign(backend="torch", ratio=costs["ratio"] - [0.1, 0.1, 0.1, -0.04])])
    rows = cost_rows(costs)
    assert list(rows.columns) == ["GC", "GC on the update"]
    assert list(rows.index) == [("JAX", "the plain CNN, RMSprop"), ("PyTorch", "the plain CNN, RMSprop")]
    assert rows.loc[("JAX", "the plain CNN, RMSprop"), "GC"] == "1.01 (0.99 to 1.04)"
    assert cost_finding(costs) == (
        "In the median over rounds, a training step takes at most 1.3% longer with GC (JAX, the plain CNN; 95% "
        "interval -1.0% to 4.0%), and at most 9.0% longer with GC on the update (PyTorch, the plain CNN; 95% interval "
        "-1.0% to 4.0%)."
    )


def test_the_costs_of_every_backend_come_with_the_package():
    costs = measured_costs()
    assert set(costs["backend"]) == {"tensorflow", "jax", "torch"}
    assert set(costs["arm"]) == {"plain", "empty", "gradient", "update"}
    assert cost_rows(costs).notna().all(axis=None)
