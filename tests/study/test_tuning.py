"""What tuning says, number by number, on grids small enough to reckon by hand."""

import math

import pandas as pd
import pytest

from gc_tutorial.study.evidence.tuning import best_of_k, choice_stability, shortfall, tuned_rates

NAN = math.nan


def grid(values, arm="none", outcome="clean_loss", stage="tuning", data="digits"):
    """A row for each rate and seed: `values` is a dict from rate to the outcomes of seeds 100, 101, ...."""
    return pd.DataFrame(
        [
            {"stage": stage, "data": data, "arm": arm, "learning_rate": rate, "seed": seed, outcome: value}
            for rate, of_seeds in values.items()
            for seed, value in enumerate(of_seeds, 100)
        ]
    )


THREE = {0.1: [0.5, 0.7], 0.01: [0.1, 0.3], 0.001: [0.4, 0.4]}


def records(table):
    return table.to_dict("records")


def test_the_best_rate_has_the_best_mean():
    table = tuned_rates(grid(THREE))
    assert list(table.columns) == ["data", "arm", "learning_rate", "value", "rates", "edge", "second"]
    expected = {"learning_rate": 0.01, "value": pytest.approx(0.2), "rates": 3, "edge": "", "second": 0.001}
    assert records(table) == [{"data": "digits", "arm": "none", **expected}]


def test_of_accuracies_the_highest_is_the_best():
    (row,) = records(tuned_rates(grid(THREE, outcome="heldout_accuracy"), "heldout_accuracy"))
    assert (row["learning_rate"], row["value"], row["second"]) == (0.1, pytest.approx(0.6), 0.001)


@pytest.mark.parametrize(
    ("values", "edge"),
    [
        ({0.1: [0.1], 0.01: [0.2], 0.001: [0.3]}, "highest"),
        ({0.1: [0.3], 0.01: [0.2], 0.001: [0.1]}, "lowest"),
        ({0.1: [0.3], 0.01: [0.1], 0.001: [0.2]}, ""),
        ({0.1: [0.1], 0.01: [0.2]}, ""),  # two rates have no inside
    ],
)
def test_a_best_rate_at_the_edge_of_the_grid_is_told(values, edge):
    assert records(tuned_rates(grid(values)))[0]["edge"] == edge


def test_a_single_rate_has_no_second():
    (row,) = records(tuned_rates(grid({0.1: [0.3, 0.5]})))
    assert (row["learning_rate"], row["value"], row["rates"], row["edge"]) == (0.1, 0.4, 1, "")
    assert math.isnan(row["second"])


def test_only_tuning_counts_arm_by_arm_and_setting_by_setting():
    tables = [
        grid(THREE),
        grid({0.1: [0.0], 0.001: [0.0]}, stage="confirmation"),
        grid({0.1: [0.2], 0.01: [0.4], 0.001: [0.6]}, "gradient"),
        grid({0.1: [0.9], 0.01: [0.8], 0.001: [0.7]}, data="flowers"),
    ]
    found = records(tuned_rates(pd.concat(tables)))
    assert [(row["data"], row["arm"], row["learning_rate"], row["rates"]) for row in found] == [
        ("digits", "none", 0.01, 3),
        ("digits", "gradient", 0.1, 3),
        ("flowers", "none", 0.001, 3),
    ]


def test_rates_are_compared_on_the_seeds_that_all_have():
    found = records(tuned_rates(grid({0.1: [0.5, 0.1], 0.01: [0.4, NAN]})))
    assert (found[0]["learning_rate"], found[0]["value"]) == (0.01, 0.4)
    none_in_common = grid({0.1: [0.5, NAN], 0.01: [NAN, 0.4]})
    (row,) = records(tuned_rates(none_in_common))
    assert (row["learning_rate"], row["value"], row["second"]) == (0.01, 0.4, 0.1)


def test_without_tuning_there_are_no_rates():
    found = tuned_rates(grid(THREE, stage="confirmation"))
    assert found.empty and list(found.columns) == list(tuned_rates(grid(THREE)).columns)


@pytest.mark.parametrize("function", [tuned_rates, choice_stability, best_of_k, shortfall])
def test_settings_and_arms_keep_the_order_of_the_table(function):
    tables = [grid(THREE, arm, data=data) for data in ("flowers", "digits") for arm in ("none", "gradient")]
    found = function(pd.concat(tables))[["data", "arm"]].drop_duplicates()
    assert list(found.itertuples(index=False, name=None)) == [
        *(("flowers", "none"), ("flowers", "gradient"), ("digits", "none"), ("digits", "gradient"))
    ]


# ----- stability


def test_a_choice_of_one_seed_is_certain():
    found = choice_stability(grid({0.1: [0.5], 0.01: [0.1]}), resamples=20)
    assert records(found) == [
        {"data": "digits", "arm": "none", "learning_rate": 0.01, "chosen": True, "share": 1.0},
        {"data": "digits", "arm": "none", "learning_rate": 0.1, "chosen": False, "share": 0.0},
    ]


def test_the_chosen_rate_may_be_any_of_the_grid():
    for best in (0.001, 0.01, 0.1):
        values = {rate: [0.1, 0.2] if rate == best else [0.5, 0.6] for rate in (0.001, 0.01, 0.1)}
        found = choice_stability(grid(values), resamples=20)
        assert found.loc[found["chosen"], ["learning_rate", "share"]].values.tolist() == [[best, 1.0]]


def test_how_often_a_choice_comes_out_is_as_probability_says():
    # 0.1 wins only where seed 101 is drawn twice: in one of four.
    values = {0.1: [0.9, 0.1], 0.01: [0.2, 0.3]}
    for outcome, signed in (("clean_loss", 1), ("heldout_accuracy", -1)):
        table = grid({rate: [signed * value for value in of] for rate, of in values.items()}, outcome=outcome)
        found = choice_stability(table, outcome).set_index("learning_rate")
        assert found["share"].to_dict() == {0.01: pytest.approx(0.75, abs=0.03), 0.1: pytest.approx(0.25, abs=0.03)}
        assert found["chosen"].to_dict() == {0.01: True, 0.1: False}
        assert (found["share"] * 2000 % 1 == 0).all()  # of so many draws
        pd.testing.assert_frame_equal(choice_stability(table, outcome), choice_stability(table, outcome))


def test_seeds_that_lack_a_rate_do_not_count_for_stability():
    nothing_in_common = {0.1: [0.5, NAN], 0.01: [NAN, 0.4]}
    table = pd.concat([grid(nothing_in_common, "gradient"), grid({0.1: [0.5, 0.0], 0.01: [0.1, NAN]})])
    found = choice_stability(table, resamples=50)
    assert found["arm"].unique().tolist() == ["none"]
    assert found.loc[found["chosen"], ["learning_rate", "share"]].values.tolist() == [[0.01, 1.0]]


def test_the_draws_are_the_same_every_time():
    table = grid({0.1: [0.9, 0.1, 0.5], 0.01: [0.2, 0.3, 0.45]})
    assert choice_stability(table).equals(choice_stability(table))


# ----- the budget


def test_the_expected_best_of_k():
    table = best_of_k(grid(THREE))  # means 0.2, 0.4, 0.6
    assert records(table) == [
        {"data": "digits", "arm": "none", "k": 1, "expected": pytest.approx(0.4)},
        {"data": "digits", "arm": "none", "k": 2, "expected": pytest.approx((2 * 0.2 + 0.4) / 3)},
        {"data": "digits", "arm": "none", "k": 3, "expected": pytest.approx(0.2)},
    ]


def test_one_outcome_may_choose_and_another_be_reported():
    table = grid(THREE).assign(heldout_accuracy=[0.5, 0.5, 0.7, 0.7, 0.9, 0.9])
    assert best_of_k(table, outcome="heldout_accuracy")["expected"].tolist() == pytest.approx(
        [0.7, (2 * 0.7 + 0.9) / 3, 0.7]
    )
    by_accuracy = best_of_k(table, "heldout_accuracy")["expected"].tolist()
    assert by_accuracy == pytest.approx([0.7, (2 * 0.9 + 0.7) / 3, 0.9])


# ----- what a poor rate costs

FIVE = {1.0: [0.9], 0.1: [0.5], 0.01: [0.2], 0.001: [0.3], 0.0001: [0.8]}


def test_a_rate_that_is_off_costs_what_lies_between_the_rates_of_the_grid():
    table = shortfall(grid(FIVE))
    assert list(table.columns) == ["data", "arm", "learning_rate", "below", "above", "mean"]
    (row,) = records(table)
    assert (row["data"], row["arm"], row["learning_rate"]) == ("digits", "none", 0.01)
    assert (row["below"], row["above"], row["mean"]) == pytest.approx((0.05, 0.15, 0.1))
    (row,) = records(shortfall(grid(FIVE), factor=10))
    assert (row["below"], row["above"], row["mean"]) == pytest.approx((0.1, 0.3, 0.2))


def test_of_accuracies_less_is_a_cost():
    values = {rate: [-value for value in of] for rate, of in FIVE.items()}
    (row,) = records(shortfall(grid(values, outcome="heldout_accuracy"), "heldout_accuracy", factor=10))
    assert (row["learning_rate"], row["below"], row["above"]) == (0.01, pytest.approx(0.1), pytest.approx(0.3))


@pytest.mark.parametrize(
    ("values", "below", "above", "mean"),
    [
        ({0.1: [0.1], 0.01: [0.3]}, 0.2, NAN, 0.2),
        ({0.1: [0.3], 0.01: [0.1]}, NAN, 0.2, 0.2),
        ({0.1: [0.3]}, NAN, NAN, NAN),
    ],
)
@pytest.mark.filterwarnings("error")
def test_outside_the_grid_nothing_is_known(values, below, above, mean):
    (row,) = records(shortfall(grid(values), factor=10))
    assert [row["below"], row["above"], row["mean"]] == pytest.approx([below, above, mean], nan_ok=True)
    (row,) = records(shortfall(grid(values), factor=1.5))  # as little as that is outside, too
    assert math.isnan(row["below"]) == math.isnan(below) and math.isnan(row["above"]) == math.isnan(above)


def test_the_mean_outcome_over_the_seeds_is_what_costs():
    (row,) = records(shortfall(grid({0.1: [0.5, 0.7], 0.01: [0.1, 0.3]}), factor=10))
    assert row["above"] == pytest.approx(0.4)
