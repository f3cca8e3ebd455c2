"""What the rules of a plan found, on tables with known effects."""

import re

import pandas as pd
import pytest
from made_tables import RATES, made_table

from gc_tutorial.study.evidence.findings import as_markdown, findings

CONFIRMING = {"stage": "confirmation", "rates": [1e-3], "seeds": range(200, 230)}
BEST = {"none": 1e-3, "gradient": 10**-2.5}
BOTH = [1e-3, 10**-2.5]


def confirming(**options):
    return made_table(**{**CONFIRMING, **options})


def found(rule, table, tuning=None):
    (one,) = findings({"rule": {"text": "Said before.", **rule}}, table, tuning)
    assert one.rule == "Said before."
    return one.found


HELDOUT = {"kind": "difference", "outcome": "heldout_accuracy", "by": "heldout_loss", "margin": 0.02}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"accuracy": 0.05}, "RMSprop: helps; held-out accuracy higher by "),
        ({"accuracy": -0.05}, "RMSprop: hurts; held-out accuracy lower by "),
        ({"noise": 0.01}, "RMSprop: no practical difference; held-out accuracy "),
        ({"noise": 0.15}, "RMSprop: inconclusive; held-out accuracy "),
        ({"accuracy": 0.01, "noise": 0.002}, "This is less than the margin of practical meaning."),
        ({"diverged": [("gradient", 1e-3, 200)]}, "Diverged: 1 with GC, 0 without."),
    ],
)
def test_a_difference(options, said):
    assert said in found(HELDOUT, confirming(**options))


def test_a_rate_at_the_edge_is_said_and_counts_for_no_general_claim():
    general = {**HELDOUT, "networks": ["cnn"], "further_sets": 2, "edge_counts": False}
    sets = ("flowers", "digits")
    table = pd.concat([confirming(data=one, accuracy=0.05) for one in sets])
    inside = pd.concat([made_table(data=one) for one in sets])
    edge = pd.concat([made_table(data=one, rates=RATES[2:]) for one in sets])
    assert "By the rule, GC helps in general" in found(general, table, inside)
    said = found(general, table, edge)
    assert "no general claim" in said and "lies at the edge of its grid" in said
    assert said.count(": inconclusive;") == 2 and "Left out, with a best rate at the edge of its grid: 2" in said


def test_an_effect_against_it_at_the_edge_stops_a_general_claim():
    general = {**HELDOUT, "networks": ["cnn"], "further_sets": 2, "edge_counts": False}
    table = pd.concat([confirming(data=one, accuracy=0.05) for one in ("flowers", "digits")])
    inside = pd.concat([made_table(data=one) for one in ("flowers", "digits")])
    third = made_table(data="mnist1d", rates=RATES[2:])
    for accuracy, said in ((-0.05, "no general claim is made: GC helps in 2 and"), (0.0, "GC helps in general")):
        other = pd.concat([table, confirming(data="mnist1d", accuracy=accuracy)])
        assert said in found(general, other, pd.concat([inside, third]))


def test_with_batch_normalization_both_measures_of_the_training_loss_must_agree():
    rule = {"kind": "difference", "outcome": "clean_loss", "by": "clean_loss", "margin": 0.02}
    table = pd.concat([confirming(gain=0.4), confirming(gain=0.4, network="cnn_bn")])
    assert found(rule, table).count("helps;") == 2
    table.loc[table["network"] == "cnn_bn", "train_loss"] = 0.5
    said = found(rule, table)
    assert said.count("helps;") == 1 and said.count("gives a different verdict, so this one does not count") == 1
    change = {"kind": "interaction", "outcome": "clean_loss", "by": "clean_loss", "scale": "log", "factor": "network"}
    change["levels"] = [["cnn", "cnn_bn"]]
    smaller = pd.concat([confirming(gain=0.5), confirming(gain=0.1, network="cnn_bn")])
    assert found(change, smaller).endswith("a change is shown.")
    smaller["train_loss"] = 0.5
    assert found(change, smaller).endswith("does not show the same, so this does not count.")


def test_an_interaction_at_the_edge_is_said_and_counts_where_the_rule_lets_it():
    rule = {"kind": "interaction", "outcome": "clean_loss", "by": "clean_loss", "scale": "log", "factor": "scaling"}
    rule["levels"] = [["0..1", "-1..1"]]
    table = pd.concat([confirming(gain=0.4), confirming(gain=0.1, scaling="-1..1")])
    edge = pd.concat([made_table(rates=RATES[2:], scaling=one) for one in ("0..1", "-1..1")])
    assert found(rule, table, edge).endswith("lies at the edge of its grid.")
    assert found({**rule, "edge_counts": False}, table, edge).endswith("So this does not count.")


def test_how_a_difference_changes_with_longer_training():
    rule = {"kind": "difference", "outcome": "clean_loss", "by": "clean_loss", "stage": "tuning", "epochs": 36}
    table = pd.concat([made_table(gain=0.1, noise=0.01), made_table(gain=0.3, noise=0.01, epochs=36)])
    said = found(rule, table)
    assert "RMSprop: from 12 to 36 epochs the advantage of GC gets larger by 0.0" in said, said


def test_two_networks_that_both_diverged_say_nothing():
    table = confirming()
    table.loc[table["epoch"] == table["epoch"].max(), "clean_loss"] = 1e9
    assert ": inconclusive;" in found({**HELDOUT, "outcome": "clean_loss", "by": "clean_loss"}, table, made_table())


def test_a_difference_that_only_these_figures_show():
    # Half of the horses gain, half lose, a little less: thirty seeds are sure of these figures, and not of new ones.
    table = confirming(accuracy=0.05)
    horses = " ".join(f"horse{n:02d}:{0.9 if n % 2 else 0.52}" for n in range(20))
    humans = " ".join(f"human{n:02d}:0.71" for n in range(5))
    flat = " ".join(f"{name.split(':')[0]}:0.7" for name in f"{horses} {humans}".split())
    table["figures"] = [f"{horses} {humans}" if arm == "gradient" else flat for arm in table["arm"]]
    assert "with the 25 individuals as units: higher by " in found(HELDOUT, table)
    assert "nothing is shown for new individuals" in found(HELDOUT, table)
    # The other way round, figures that are sure of it do not make up for seeds that are not.
    table = confirming(accuracy=0.0)
    sure = " ".join(f"{name.split(':')[0]}:{0.8 + 0.01 * (place % 3)}" for place, name in enumerate(flat.split()))
    table["figures"] = [sure if arm == "gradient" else flat for arm in table["arm"]]
    assert "nothing is claimed for new individuals" in found(HELDOUT, table)
    both = confirming(accuracy=0.05).assign(figures=list(table["figures"]))
    assert "which also holds for new individuals" in found(HELDOUT, both)


SPEED = {"kind": "speed", "by": "clean_loss", "lower_bound": 1.1, "goal_at": 0.6667, "most_censored": 0.2}


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (0.3, "By the rule, GC is faster (more than 1.1 times)."),
        (0.0, "By the rule, there is no speed-up of practical size (below 1.1 times)."),
        (-0.1, "By the rule, GC is slower."),
    ],
)
def test_speed(gain, said):
    assert said in found(SPEED, confirming(gain=gain, noise=0.01), made_table(gain=gain, noise=0.01))


def test_speed_in_general_needs_further_data_sets():
    rule = {**SPEED, "networks": ["cnn"], "further_sets": 2, "not_counted": ["horses_or_humans"], "edge_counts": False}
    tables = {one: confirming(data=one, gain=0.4) for one in ("horses_or_humans", "flowers", "digits")}
    tuned = pd.concat([made_table(data=one, gain=0.4) for one in tables])
    assert "training is shown on 2 of the other data sets, enough for the rule (2 needed)" in found(
        rule, pd.concat(tables.values()), tuned
    )
    del tables["digits"]
    assert "training is shown on 1 of the other data sets, too few" in found(rule, pd.concat(tables.values()), tuned)


def test_the_correction_of_speed_is_within_its_family(monkeypatch):
    # Whatever the other settings give, those of the family are corrected for one another alone.
    rule = {**SPEED, "networks": ["cnn"], "further_sets": 1, "not_counted": []}
    table = pd.concat([confirming(gain=0.4), *(confirming(network="vit", data=one) for one in ("flowers", "digits"))])
    seen = []
    monkeypatch.setattr("gc_tutorial.study.evidence.answers_speed.holm", lambda p: seen.append(len(p)) or p)
    monkeypatch.setattr("gc_tutorial.study.evidence.speed.holm", lambda p: p * 0 + 1)
    assert "shown on 1 of the other data sets, enough" in found(rule, table, made_table(gain=0.4))
    assert seen == [1, 1, 2, 2]


def test_diverged_runs_without_gc_alone_make_nothing_faster():
    table = confirming(noise=0.01)
    runs = table.loc[table["arm"] == "none", "run"].unique()
    table.loc[table["run"].isin(runs[: len(runs) // 4]), ["clean_loss", "train_loss"]] = float("nan")
    assert "GC is faster" not in found(SPEED, table, made_table(noise=0.01))


@pytest.mark.parametrize(
    ("gain", "said"),
    [(0.0, "GC is a larger step."), (0.5, "GC is more than a larger step.")],
)
def test_the_gap(gain, said):
    rule = {"kind": "gap", "outcome": "clean_loss", "by": "clean_loss", "closed": 0.8, "closed_low": 0.5}
    table = confirming(best=BEST, rates=BOTH, gain=gain)
    assert found(rule, table, made_table(best=BEST)).endswith(said)
    assert "There is no gap to close" in found(rule, confirming(rates=BOTH), made_table())


def test_a_rate_tuned_without_gc_that_is_worse_closes_nothing():
    rule = {"kind": "gap", "outcome": "clean_loss", "by": "clean_loss", "closed": 0.8, "closed_low": 0.5}
    said = found(rule, confirming(best=10**-2.5, rates=BOTH, gain=0.5), made_table(best=BEST))
    assert "closes none of this gap: the rate chosen for it, 1e-3, gives a higher loss than 3.2e-3 (-" in said
    assert said.endswith("GC is more than a larger step.")


def test_no_gap_is_closed_where_both_arms_are_best_at_one_rate():
    rule = {"kind": "gap", "outcome": "clean_loss", "by": "clean_loss", "closed": 0.8, "closed_low": 0.5}
    said = found(rule, confirming(gain=0.5), made_table(gain=0.5))
    assert (
        "That is also the best rate without GC" in said
        and "Strictly by the rule, GC is more than a larger step" in said
    )


@pytest.mark.parametrize(
    ("first", "second", "outcome", "said"),
    [
        (
            0.4,
            0.2,
            "clean_loss",
            r"smaller by 0\.\d+ in the logarithm \(95% interval 0\.\d+ to 0\.\d+, 30 seeds\)",
        ),
        (0.4, 0.2, "clean_loss", r"loss is lower by 3\d% with inputs \[0, 1\] and lower by 1\d% with inputs \[-1, 1\]"),
        (
            0.2,
            0.4,
            "clean_loss",
            r"larger by 0\.\d+ in the logarithm \(95% interval 0\.\d+ to 0\.\d+, 30 seeds\)",
        ),
        (0.2, 0.2, "clean_loss", r"interval from 0\.\d+ smaller to 0\.\d+ larger, 30 seeds\): no change is shown"),
        (
            0.0,
            0.1,
            "heldout_accuracy",
            r"larger by 1\d points \(95% interval 9\.\d to 13, 30 seeds\): a change is shown",
        ),
    ],
)
def test_an_interaction_is_said_in_words_and_not_in_signs(first, second, outcome, said):
    rule = {"kind": "interaction", "outcome": outcome, "by": "clean_loss", "factor": "scaling"}
    rule |= {"levels": [["0..1", "-1..1"]]} | ({"scale": "log"} if outcome == "clean_loss" else {})
    effect = "gain" if outcome == "clean_loss" else "accuracy"
    table = pd.concat([confirming(**{effect: first}), confirming(**{effect: second}, scaling="-1..1")])
    assert re.search(said, found(rule, table)), found(rule, table)


MECHANISM = {
    "kind": "mechanism",
    "outcome": "clean_loss",
    "scale": "log",
    "by": "clean_loss",
    "remaining": 0.5,
    "random_share": 0.1,
    "random_high": 0.3,
    "conditions": [["scaling", "0..1", "-1..1"], ["network", "cnn", "cnn_bn"]],
}


@pytest.mark.parametrize(
    ("centred", "normalized", "random", "said"),
    [
        (0.1, 0.1, 0.0, "supported"),
        (0.4, 0.1, 0.0, "supported"),
        (0.4, 0.4, 0.0, "refuted"),
        (0.1, 0.1, 0.35, "refuted"),
        (0.1, 0.1, 0.12, "undecided"),
    ],
)
def test_the_mechanism(centred, normalized, random, said):
    arms = ("none", "gradient", "random_direction")
    table = pd.concat(
        [
            confirming(arms=arms, gain={"gradient": 0.4, "random_direction": random}),
            confirming(gain=centred, scaling="-1..1"),
            confirming(gain=normalized, network="cnn_bn"),
        ]
    )
    assert found(MECHANISM, table).endswith(f"the explanation by a common shift is {said}.")


def test_a_random_direction_that_is_poorly_known_supports_nothing():
    arms = ("none", "gradient", "random_direction")
    table = pd.concat(
        [
            confirming(arms=arms, gain={"gradient": 0.4, "random_direction": 0.0}),
            confirming(gain=0.0, scaling="-1..1"),
            confirming(gain=0.0, network="cnn_bn"),
        ],
        ignore_index=True,
    )
    of_random = table["arm"] == "random_direction"
    table.loc[of_random, "clean_loss"] *= 1 + 0.8 * (table["seed"] % 2 - 0.42)
    text = found(MECHANISM, table)
    assert "shown, and" in text and text.endswith("undecided.")


def test_ablations_in_words():
    rule = {"kind": "ablations", "outcome": "clean_loss", "scale": "log", "by": "clean_loss"}
    gain = {"gradient": 0.5, "conv_only": 0.48, "half": 0.33, "first_layer": 0.15, "random_direction": 0.0}
    text = found({**rule, "all": 0.8, "most": 0.5, "none": 0.2}, confirming(arms=("none", *gain), gain=gain))
    for said in (
        "convolutions only all of it",
        "half the mean most of it",
        "first layer only little of it",
        "random direction none of it",
    ):
        assert said in text


def test_a_faster_rate_as_an_ablation():
    rule = {"kind": "larger_step", "outcome": "clean_loss", "scale": "log", "factor": 1.7}
    rule |= {"closed": 0.8, "closed_low": 0.5}
    faster = confirming(arms=["none"], rates=[1.7e-3], best=1.7e-3, noise=0.01)
    too_slow = confirming(best={"none": 1.7e-3, "gradient": 1e-3}, noise=0.01)
    assert "GC is a larger step" in found(rule, pd.concat([too_slow, faster]))
    assert "GC is more than a larger step" in found(rule, pd.concat([confirming(gain=0.4), faster]))


@pytest.mark.parametrize(
    ("late", "said"),
    [
        (0.4, "came from too few steps"),
        (0.0, "more steps bring no practical difference"),
        (-0.1, "GC hurts there, by less than the margin of 0.03."),
        (-0.4, "GC hurts there."),
    ],
)
def test_too_few_steps(late, said):
    rule = {"kind": "at_loss", "outcome": "train_loss", "epoch": 10, "loss": 0.45, "margin": 0.03}
    table = confirming(seeds=range(400, 406), epochs=20, noise=0.01)
    helped = (table["arm"] == "gradient") & (table["epoch"] > 10)
    table.loc[helped, "train_loss"] -= late * 0.2
    assert said in found(rule, table)
    assert "nothing is claimed" in found({**rule, "loss": 0.1}, table)


@pytest.mark.parametrize(("drop", "said"), [(0.18, "explains the published gain"), (0.05, "explains part of the")])
def test_the_control(drop, said):
    rule = {"kind": "control", "outcome": "train_loss", "epoch": 10, "published": 0.18, "share": 0.8}
    table = confirming(arms=["recompiled"], seeds=range(400, 405), epochs=20)
    table["train_loss"] = 0.6 - drop * (table["epoch"] > 10) + 0.001 * table["seed"] * (table["epoch"] > 15)
    table["train_loss"] -= 0.402 * (table["epoch"] > 15)
    assert said in found(rule, table)


def test_the_rules_of_tuning():
    table = pd.concat([made_table(best=BEST, optimizer=one, noise=0.1) for one in ("rmsprop", "adam")])
    by = ["clean_loss", "heldout_loss"]
    assert "RMSprop, best rate by clean training loss: GC 3.2e-3 and no GC 1e-3." in (
        found({"kind": "tuning", "by": by}, table).replace("no GC 1e-3 and GC 3.2e-3", "GC 3.2e-3 and no GC 1e-3")
    )
    assert "of the draws" in found({"kind": "stability", "by": by, "resamples": 500, "least_share": 0.67}, table)
    budget = {"kind": "budget", "by": by, "factor": 10**0.5}
    assert "A rate wrong by a factor of 3.2 costs on average" in found(budget, table)
    size = {"kind": "size", "outcome": "heldout_accuracy", "half_width": 0.02}
    size |= {"least": 30, "most": 60, "multiple": 5}
    assert "The rule asks for 60 seeds (" in found(size, table)


def test_interactions_the_model_over_sets_exchange_and_what_is_removed():
    tables = pd.concat(
        [confirming(data=one, network=network, gain=gain, seeds=range(200, 210))
         for one in ("flowers", "cats_and_dogs") for network, gain in (("cnn", 0.4), ("cnn_bn", 0.1))]
    )  # fmt: skip
    rule = {"kind": "interaction", "outcome": "clean_loss", "by": "clean_loss", "scale": "log", "factor": "network"}
    text = found({**rule, "levels": [["cnn", "cnn_bn"]], "remaining": 0.5}, tables)
    assert text.count("shown, and ") == 2
    assert "Over 2 data sets and 40 pairs" in found({**HELDOUT, "kind": "mixed"}, tables)
    exchange = {"kind": "exchange", "outcome": "clean_loss", "by": "clean_loss"}
    two = [1e-3, 10**-2.5]
    apart = made_table(best=dict(zip(("none", "gradient"), two, strict=True)))
    assert ": the same sign in all" in found(exchange, confirming(gain=0.6, rates=two, best=10**-2.75), apart)
    other_way = dict(zip(("gradient", "none"), two, strict=True))
    assert "not the same sign" in found(exchange, confirming(rates=two, best=other_way), apart)
    accuracy = {**exchange, "outcome": "heldout_accuracy"}
    assert " points: " in found(accuracy, confirming(rates=two), apart)
    removed = {"kind": "removed", "times_chance": 10, "falls_to": 0.5}
    text = found(removed, pd.concat([confirming(), confirming(scaling="-1..1").assign(share_1=0.05)]))
    assert "GC would remove 30% of the squared gradient norm" in text and "it falls to less than 50%" in text


def test_a_rule_without_runs_says_so_and_an_unknown_one_is_an_error():
    for kind in ("difference", "gap", "interaction", "mixed"):
        rule = {"kind": kind, "outcome": "clean_loss", "by": "clean_loss", "factor": "scaling", "levels": [["a", "b"]]}
        assert found(rule, made_table()).startswith("Not answered")
    with pytest.raises(ValueError, match=r"'rule' is of the kind 'guess'\. Choose from: tuning, "):
        findings({"rule": {"kind": "guess", "text": ""}}, made_table())


def test_a_paragraph_for_each_rule():
    rules = {"same_kind": {"text": "", **HELDOUT}, "speed": {"text": "", **SPEED}}
    text = as_markdown(findings(rules, confirming()))
    assert text.startswith("**Same kind.** RMSprop: ") and text.count("\n\n") == 1 and not text.endswith("\n\n")
    both = pd.concat([confirming(), confirming(optimizer="adam")])
    lines = as_markdown(findings({"same_kind": {"text": "", **HELDOUT}}, both)).splitlines()
    assert lines[:2] == ["**Same kind.**", ""] and [line.split(":")[0] for line in lines[2:]] == ["- Adam", "- RMSprop"]


def test_several_settings_become_points_of_a_list():
    table = pd.concat([confirming(), confirming(optimizer="adam")])
    (both,) = findings({"rule": {"text": "Said.", **HELDOUT}}, table)
    title, *points = both.bullets("Who?").splitlines()
    assert title == "- **Who?**" and [point.split(":")[0] for point in points] == ["    - Adam", "    - RMSprop"]
    (one,) = findings({"rule": {"text": "Said.", **HELDOUT}}, confirming())
    assert one.bullets("Who?") == f"- **Who?** {one.found}"


def test_a_harm_that_grows_is_not_called_a_smaller_effect():
    levels = {"factor": "weight_decay", "levels": [[0.0, 0.1]]}
    rule = {"kind": "interaction", "outcome": "heldout_accuracy", "by": "heldout_loss", **levels}
    table = pd.concat(
        [
            confirming(optimizer="adamw", accuracy=-0.02, noise=0.001),
            confirming(optimizer="adamw", weight_decay=0.1, accuracy=-0.05, noise=0.001),
        ]
    )
    said = found(rule, table)
    assert "lower by 2.0 points with decay 0 and lower by 5.0 points with decay 0.1" in said, said
    assert "The difference moves by -3.0 points (95% interval -3.1 to -3.0, 30 seeds): a change is shown" in said, said
