"""What is read out of a study's table: outcomes, rates, intervals, speed and effects, on tables with known effects."""

import math

import numpy as np
import pandas as pd
import pytest
from made_tables import RATES, made_table

from gc_tutorial.study.evidence import effects, intervals, new_figures, pairs, removed, speed, tuning
from gc_tutorial.study.evidence.outcomes import epochs_to_goal, reduce_runs
from gc_tutorial.study.evidence.same_rates import change_with_rate, same_rates
from gc_tutorial.study.evidence.wording import HELPS, HURTS, INCONCLUSIVE, NO_PRACTICAL_DIFFERENCE, amount, word

SEEDS = range(200, 230)


def confirming(**options):
    """Confirming runs at 1e-3 on 30 fresh seeds."""
    return made_table(**{"stage": "confirmation", "rates": [1e-3], "seeds": SEEDS, **options})


def test_outcomes_are_means_of_the_last_three_epochs():
    table = made_table(arms=["none"], rates=[1e-3], seeds=[100], epochs=5)
    (run,) = reduce_runs(table).to_dict("records")
    assert run["clean_loss"] == pytest.approx(table["clean_loss"].iloc[-3:].mean())
    assert run["train_loss"] == pytest.approx(table["train_loss"].iloc[-3:].mean())
    assert (run["pretrained"], run["train_examples"], run["diverged"]) == ("", 0, False)


def test_a_run_that_diverged_counts_as_one_that_guesses():
    lost = {"data": "flowers", "diverged": [("gradient", 1e-3, 100)]}
    runs = reduce_runs(made_table(rates=[1e-3], seeds=[100, 101], **lost))
    (run,) = runs[runs["diverged"]].to_dict("records")
    assert (run["arm"], run["seed"]) == ("gradient", 100)
    assert run["clean_loss"] == run["heldout_loss"] == run["train_loss"] == math.log(5)
    assert (run["heldout_accuracy"], run["heldout_auc"]) == (0.2, 0.5)
    assert math.isnan(run["shifted_loss"])  # flowers have no shifted pictures
    with pytest.raises(ValueError, match="'flowers' diverged, and its number of classes is not known"):
        reduce_runs(made_table(rates=[1e-3], seeds=[100, 101], **lost), classes={})


def test_empty_fields_of_a_stored_table_do_not_lose_runs():
    table = made_table(rates=[1e-3], seeds=[100]).assign(image_size=np.nan, schedule=np.nan, chance="0.037 0.007")
    runs = reduce_runs(table.drop(columns="chance_1"))
    assert len(tuning.tuned_rates(runs)) == 2
    np.testing.assert_allclose(runs[["chance_1", "chance_2"]], [[0.037, 0.007]] * 2)


@pytest.mark.parametrize(
    ("losses", "goal", "epochs"),
    [
        ([1.0, 0.6, 0.2], 0.4, 2.0),  # half way between the middles of epochs 2 and 3
        ([1.0, 0.6, 0.2], 0.6, 1.5),
        ([1.0, 0.6, 0.9, 0.5], 0.6, 1.5),  # the first time counts
        ([0.3, 0.2], 0.4, 0.5),  # at most
        ([1.0, 0.6], 0.4, math.nan),
        ([1.0, math.nan, math.nan], 0.4, math.nan),
    ],
)
def test_epochs_to_a_goal(losses, goal, epochs):
    assert epochs_to_goal(losses, goal) == pytest.approx(epochs, nan_ok=True)


def test_each_arm_is_tuned_on_the_tuning_seeds_alone():
    best = {"none": 1e-3, "gradient": 10**-2.5, "update": 1e-2}
    better_later = confirming(arms=("none", "gradient", "update"), rates=[1e-4], gain=5.0)
    runs = reduce_runs(pd.concat([made_table(arms=tuple(best), best=best), better_later]))
    found = tuning.tuned_rates(runs).set_index("arm")
    assert found["learning_rate"].to_dict() == best
    assert found["edge"].to_dict() == {"none": "", "gradient": "", "update": "highest"}


def test_a_diverged_seed_does_not_make_a_rate_look_good():
    lost = [("none", 1e-3, seed) for seed in (100, 101, 102, 103)]
    runs = reduce_runs(made_table(arms=["none"], diverged=lost))
    assert tuning.tuned_rates(runs)["learning_rate"].item() != 1e-3


def test_how_sure_a_choice_is():
    sure = tuning.choice_stability(reduce_runs(made_table(noise=0.001)))
    assert sure.loc[sure["chosen"], "share"].tolist() == [1.0, 1.0]
    unsure = tuning.choice_stability(reduce_runs(made_table(noise=1.0)))
    assert unsure.loc[unsure["chosen"], "share"].min() < 0.9
    assert unsure.groupby("arm")["share"].sum().tolist() == pytest.approx([1.0, 1.0])


def test_expected_best_of_k_rates():
    runs = reduce_runs(made_table(arms=["none"], rates=RATES[:3], seeds=[100]))
    values = np.sort(runs["clean_loss"])
    expected = tuning.best_of_k(runs).set_index("k")["expected"]
    assert expected[1] == pytest.approx(values.mean())
    assert expected[2] == pytest.approx((2 * values[0] + values[1]) / 3)  # of three pairs, two hold the best
    assert expected[3] == pytest.approx(values[0])


def test_what_a_poor_rate_costs():
    (found,) = tuning.shortfall(reduce_runs(made_table(arms=["none"], noise=0))).to_dict("records")
    assert found["learning_rate"] == 1e-3
    assert found["below"] == pytest.approx(found["above"]) and found["above"] > 0.05
    (edge,) = tuning.shortfall(reduce_runs(made_table(arms=["none"], best=1e-4, noise=0))).to_dict("records")
    assert math.isnan(edge["below"]) and edge["mean"] == edge["above"]


@pytest.mark.parametrize(
    ("accuracy", "noise", "said"),
    [(0.05, 0.03, HELPS), (-0.05, 0.03, HURTS), (0.0, 0.01, NO_PRACTICAL_DIFFERENCE), (0.0, 0.15, INCONCLUSIVE)],
)
def test_the_word_for_gain_harm_and_null(accuracy, noise, said):
    found = pairs.best_pairs(reduce_runs(confirming(accuracy=accuracy, noise=noise)))
    (row,) = pairs.compare_pairs(found, "heldout_accuracy", margin=0.02).to_dict("records")
    assert row["word"] == said
    assert row["t_low"] < accuracy < row["t_high"]
    assert row["seeds"] == 30


def test_rows_of_joined_tables_are_paired_by_seed_though_numbers_of_rows_repeat():
    runs = [reduce_runs(confirming(accuracy=0.05, data=data)) for data in ("cats", "flowers")]
    repeated, numbered = (pairs.best_pairs(pd.concat(runs, ignore_index=ignore)) for ignore in (False, True))
    pd.testing.assert_frame_equal(repeated, numbered)
    assert len(repeated) == 60


def test_best_against_best_uses_tuned_rates():
    best = {"none": 1e-3, "gradient": 10**-2.5}
    runs = reduce_runs(confirming(best=best, rates=[1e-3, 10**-2.5], gain=0.2))
    tuned = reduce_runs(made_table(best=best))
    found = pairs.best_pairs(runs, tuning=tuned)
    assert set(found["learning_rate"]) == {10**-2.5} and set(found["learning_rate_baseline"]) == {1e-3}
    assert np.log(found["clean_loss"] / found["clean_loss_baseline"]).mean() == pytest.approx(-0.2, abs=0.05)
    with pytest.raises(ValueError, match=r"'gradient' ran at several rates .* Pass the tuning table"):
        pairs.best_pairs(runs)


def test_a_setting_tuned_itself_goes_before_one_of_another_size():
    runs = reduce_runs(confirming(rates=[1e-3, 1e-2], image_size=150))
    smaller, same = made_table(best=1e-3), made_table(best=1e-2, image_size=150)
    assert set(pairs.best_pairs(runs, tuning=reduce_runs(smaller))["learning_rate"]) == {1e-3}
    both = reduce_runs(pd.concat([smaller, same]))
    assert set(pairs.best_pairs(runs, tuning=both)["learning_rate"]) == {1e-2}


def test_a_diverged_run_stays_in_its_pair_and_counts_against_the_arm():
    lost = [("gradient", 1e-3, seed) for seed in range(200, 206)]
    rows = [
        pairs.compare_pairs(pairs.best_pairs(reduce_runs(table)), "heldout_accuracy", margin=0.02).iloc[0]
        for table in (confirming(), confirming(diverged=lost))
    ]
    assert (rows[1]["diverged"], rows[1]["diverged_baseline"], rows[1]["seeds"]) == (6, 0, 30)
    assert rows[1]["difference"] < rows[0]["difference"] - 0.02
    assert rows[1]["word"] == HURTS


def test_several_tests_are_corrected():
    tables = [confirming(optimizer=one, accuracy=0.015, noise=0.04) for one in ("rmsprop", "sgd", "adam", "adamw")]
    found = pairs.best_pairs(reduce_runs(pd.concat(tables)))
    corrected = pairs.compare_pairs(found, "heldout_accuracy")
    alone = pairs.compare_pairs(found, "heldout_accuracy", corrected=False)
    assert (corrected["p_holm"] >= corrected["p"]).all()
    assert (corrected["word"] == HELPS).sum() < (alone["word"] == HELPS).sum()
    np.testing.assert_allclose(intervals.holm([0.01, math.nan, 0.03]), [0.02, math.nan, 0.03])


def speeds(table, **options):
    return speed.speed(table, reduce_runs(table), **options).iloc[0]


def test_speed_is_a_ratio_of_epochs_with_an_interval():
    table = pd.concat([made_table(gain=0.3), confirming(gain=0.3)])
    faster, null = speeds(table), speeds(pd.concat([made_table(), confirming()]))
    assert faster["goal_from"] == "tuning"
    assert faster["ratio_low"] > 1.1 and faster["claimed"]
    assert null["ratio_low"] < 1 < null["ratio_high"] and not null["claimed"]
    slower = speeds(pd.concat([made_table(gain=-0.3), confirming(gain=-0.3)]))
    assert slower["ratio_high"] < 1 and not slower["claimed"]


def test_runs_that_never_get_there_are_counted_and_stop_a_claim():
    table = confirming(gain=0.1, noise=0.3)
    found = speeds(table, goal_at=1.0)  # half of the runs never reach where the mean ends
    assert found["missed_baseline"] > 0.2 and not found["claimed"]
    assert found["strict"] < found["ratio"]


def test_no_speed_is_claimed_where_runs_with_gc_get_stuck():
    # Two thirds are far faster, the others never get there: the mean ratio alone would make a claim.
    table = confirming()
    stuck = (table["arm"] == "none") | (table["seed"] < 210)
    table["train_loss"] = np.where(stuck, 1.0, 0.1)
    tuned = made_table(noise=0.01)
    found = speeds(table, tuning=reduce_runs(tuned), tuning_table=tuned)
    assert found["missed"] == pytest.approx(1 / 3)
    assert min(found["ratio_low"], found["strict_low"]) > 1.1 and not found["claimed"]


def test_diverged_runs_slow_an_arm_down():
    lost = [("gradient", 1e-3, seed) for seed in (200, 201, 202)]
    sound, broken = speeds(confirming(gain=0.3)), speeds(confirming(gain=0.3, diverged=lost))
    assert broken["ratio"] < sound["ratio"] and broken["missed"] == pytest.approx(0.1)


def test_an_interval_keeps_its_promise():
    random = np.random.default_rng(0)
    found = [intervals.estimate(random.normal(1, 2, 10)) for _ in range(300)]
    covered = np.mean([one["t_low"] <= 1 <= one["t_high"] for one in found])
    assert 0.92 <= covered <= 0.98
    bootstrap = np.mean([one["low"] <= 1 <= one["high"] for one in found])
    assert bootstrap < covered  # why no word depends on it


def test_a_share_has_fiellers_interval():
    random = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        whole = random.normal(1, 0.5, 15)
        one = intervals.share(0.4 * whole + random.normal(0, 0.3, 15), whole)
        covered.append(one["share_low"] <= 0.4 <= one["share_high"])
    assert 0.92 <= np.mean(covered) <= 0.98
    nothing = intervals.share(random.normal(0, 1, 15), random.normal(0, 1, 15))
    assert (nothing["share_low"], nothing["share_high"]) == (-math.inf, math.inf)


def test_intervals_of_no_spread_and_of_too_few_seeds():
    assert intervals.estimate([0.5, 0.5])["t_low"] == 0.5
    with pytest.raises(ValueError, match="at least two seeds"):
        intervals.estimate([0.5])


def test_an_interval_over_figures_covers_new_figures():
    random = np.random.default_rng(0)
    covered = []
    for _ in range(200):
        truth = {f"horse{n:02d}": random.normal(0, 0.1) for n in range(50)}
        truth |= {f"human{n:02d}": random.normal(0.1, 0.05) for n in range(17)}
        said = [" ".join(f"{name}:{0.5 + part * value}" for name, value in truth.items()) for part in (1, 0)]
        rows = pd.DataFrame({"seed": [200, 201], "figures": said[0], "figures_baseline": said[1]})
        one = new_figures.over_figures(new_figures.figure_differences(rows))
        covered.append(one["t_low"] <= 0.1 * 527 / 1027 <= one["t_high"])
    assert one["figures"] == 67
    assert 0.9 <= np.mean(covered) <= 0.99
    # Without humans that differ, the width is that of the horses, times their weight.
    horses = pd.DataFrame({"label": "horse", "figure": range(50), "pictures": 10, "difference": random.normal(size=50)})
    humans = pd.DataFrame({"label": "human", "figure": range(17), "pictures": 31, "difference": [1, -1, *[0.0] * 15]})
    humans["difference"] *= 1e-6
    one, alone = new_figures.over_figures(pd.concat([horses, humans])), intervals.estimate(horses["difference"])
    assert one["t_high"] - one["t_low"] == pytest.approx((alone["t_high"] - alone["t_low"]) * 500 / 1027, rel=1e-4)


def test_ablations_have_effects_and_shares_of_the_whole():
    gain = {"gradient": 0.4, "half": 0.2, "random_direction": 0.0}
    arms = ("none", *gain)
    table = pd.concat([confirming(arms=arms, gain=gain), confirming(arms=["none"], rates=[1.7e-3])])
    found = effects.ablations(reduce_runs(table), faster=1.7).set_index("arm")
    assert found.loc["half", "share_low"] < 0.5 < found.loc["half", "share_high"]
    assert found.loc["random_direction", "share_high"] < 0.1
    assert found.loc["none_faster", "difference"] < 0  # the rate of these runs was the best
    assert found.loc["gradient", "p_holm"] < 1e-6 < found.loc["random_direction", "p_holm"]


def test_an_interaction_is_a_difference_of_differences():
    table = pd.concat([confirming(gain=0.4), confirming(gain=0.1, scaling="-1..1")])
    found = pairs.best_pairs(reduce_runs(table))
    (row,) = effects.interaction(found, "scaling", "0..1", "-1..1", scale="log").to_dict("records")
    assert row["t_low"] > 0.1
    assert row["share_low"] < 0.25 < row["share_high"] < 0.5
    null = pd.concat([confirming(gain=0.4), confirming(gain=0.4, scaling="-1..1")])
    (row,) = effects.interaction(pairs.best_pairs(reduce_runs(null)), "scaling", "0..1", "-1..1", scale="log").to_dict(
        "records"
    )
    assert row["t_low"] < 0 < row["t_high"]


@pytest.mark.parametrize(("gain", "closes"), [(0.0, True), (0.5, False)])
def test_what_tuned_no_gc_closes_of_the_gap(gain, closes):
    # GC is best at a larger rate. Without a gain of its own it only shifts the rate.
    best = {"none": 1e-3, "gradient": 10**-2.5}
    runs = reduce_runs(confirming(best=best, gain=gain, rates=[1e-3, 10**-2.5]))
    (row,) = effects.closed_gap(runs, tuning=reduce_runs(made_table(best=best))).to_dict("records")
    assert row["gap_low"] > 0
    assert (row["share_low"] > 0.8) == closes and (row["share_high"] < 0.8) == (not closes)


def test_what_gc_would_remove_against_chance():
    (row,) = removed.removed_shares(reduce_runs(confirming())).to_dict("records")
    assert row["share"] == pytest.approx(0.3, abs=0.01)
    assert row["times_low"] < row["times_chance"] < row["times_high"]
    assert row["times_chance"] == pytest.approx(0.3 * 27, abs=0.2)


@pytest.mark.parametrize(
    ("interval", "inner", "options", "said"),
    [
        ((-0.05, -0.01), (-0.04, -0.02), {"better": False}, HELPS),
        ((-0.05, -0.01), (-0.04, -0.02), {"better": True}, HURTS),
        ((0.001, 0.015), (0.002, 0.014), {"better": True}, HELPS),  # small, but a difference
        ((0.001, 0.015), (0.002, 0.014), {"better": True, "p_value": 0.2}, NO_PRACTICAL_DIFFERENCE),
        ((-0.01, 0.025), (-0.005, 0.021), {"better": True}, INCONCLUSIVE),
        ((-0.01, 0.015), (-0.005, 0.011), {"better": True, "margin": None}, INCONCLUSIVE),
    ],
)
def test_words(interval, inner, options, said):
    assert word(interval, inner, **{"margin": 0.02, **options}) == said


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        ((-0.116, -0.14, -0.092), {}, "lower by 0.12 (95% interval 0.092 to 0.14)"),
        ((0.5, -0.1, 1.1), {}, "higher by 0.50 (95% interval from 0.10 lower to 1.1 higher)"),
        ((0.03, 0.01, 0.05), {"outcome": "heldout_accuracy"}, "higher by 3.0 points (95% interval 1.0 to 5.0)"),
        ((-0.2, -0.3, -0.1), {"scale": "log"}, "lower by 18% (95% interval 9.5 to 26%)"),
        ((0.0, 0.0, 0.0), {}, "no difference at all"),
    ],
)
def test_amounts(values, options, said):
    assert amount(*values, **options) == said


def test_both_arms_are_compared_at_each_rate_of_the_confirming_runs():
    rates = [1e-3, 1e-2]
    table = pd.concat([confirming(rates=rates, gain=0.4), made_table(rates=rates), confirming(arms=("update",))])
    runs = reduce_runs(table)
    found = same_rates(table, runs, {"rmsprop": 0.5}).set_index("learning_rate")
    assert list(found.index) == rates and set(found["seeds"]) == {len(SEEDS)}
    low = found.loc[1e-3]
    means = runs[(runs["stage"] == "confirmation") & np.isclose(runs["learning_rate"], 1e-3)].groupby("arm")
    for outcome in ("clean_loss", "heldout_accuracy"):
        none, gradient = (means[outcome].mean()[arm] for arm in ("none", "gradient"))
        assert low[f"{outcome}_baseline"] == pytest.approx(none)
        assert low[f"{outcome}_difference"] == pytest.approx(gradient - none)
        assert low[f"{outcome}_t_low"] < gradient - none < low[f"{outcome}_t_high"]
    assert 1 < low["ratio_low"] <= low["ratio"] <= low["ratio_high"]  # GC gets to the goal first


def test_a_goal_that_no_run_reaches_says_nothing_of_speed():
    table = confirming()
    assert same_rates(table, reduce_runs(table), {"rmsprop": -1.0})["ratio"].tolist() == [1.0]


def test_how_the_effect_changes_with_the_rate_is_compared_within_a_seed():
    rates = [1e-3, 1e-2]
    table = confirming(rates=rates)
    higher = (table["arm"] == "gradient") & np.isclose(table["learning_rate"], 1e-2)
    table.loc[higher, "heldout_accuracy"] += 0.01
    plain, changed = (change_with_rate(reduce_runs(one)).iloc[0] for one in (confirming(rates=rates), table))
    assert (plain["low_rate"], plain["high_rate"], plain["seeds"]) == (1e-3, 1e-2, len(SEEDS))
    assert changed["difference"] - plain["difference"] == pytest.approx(0.01)
