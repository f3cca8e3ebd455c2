import itertools

import pytest

from gc_tutorial.errors import PlanError
from gc_tutorial.study.plan import Run, Tuned, plan_path, read_plan

GOOD = """
title = "A study"
[seeds]
tuning = [100, 101]
confirmation = [200]
[factors]
data = "digits"
epochs = 2
[[runs]]
arm = ["none", "gradient"]
learning_rate = [1e-3, 1e-2]
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_a_plan_is_every_combination_for_every_seed(written):
    plan = read_plan(written(GOOD))
    assert (plan.name, plan.title) == ("mine", "A study")
    found = {(run.seed, run.arm, run.learning_rate) for run in plan.runs}
    assert found == set(itertools.product((100, 101), ("none", "gradient"), (1e-3, 1e-2)))
    assert len(plan.runs) == 8
    assert {(run.data, run.epochs, run.stage) for run in plan.runs} == {("digits", 2, "tuning")}


def test_a_block_overrides_the_common_factors_and_a_run_named_twice_is_done_once(written):
    block = '[[runs]]\nepochs = 5\narm = "none"\nlearning_rate = 1e-3\n[[runs]]\narm = "none"\nlearning_rate = 1e-3\n'
    plan = read_plan(written(GOOD + block))
    assert len(plan.runs) == 10
    assert {run.epochs for run in plan.runs} == {2, 5}


def test_tuned_rates_follow_from_the_tuning(written):
    block = '[[runs]]\nstage = "confirmation"\narm = ["none", "gradient"]\nlearning_rate = { tuned = "clean_loss" }\n'
    plan = read_plan(written(GOOD + block))
    assert len(plan.runs) == 8
    rates = {"none": [1e-2], "gradient": [1e-3, 1e-2]}

    def chosen(run, tuned):
        assert tuned == Tuned(("clean_loss",), 1)
        return rates[run.arm]

    found = {(run.arm, run.learning_rate, run.seed) for run in plan.tuned_runs(chosen)}
    assert found == {("none", 1e-2, 200), ("gradient", 1e-3, 200), ("gradient", 1e-2, 200)}


def test_names_tell_runs_apart_and_survive_new_factors():
    run = Run(data="digits", learning_rate=1e-3, epochs=2, seed=100)
    others = [
        Run(data="digits", learning_rate=1e-3, epochs=2, seed=101),
        Run(data="digits", learning_rate=1.0001e-3, epochs=2, seed=100),
        Run(data="digits", learning_rate=1e-3, epochs=2, seed=100, stage="confirmation"),
        Run(data="digits", learning_rate=1e-3, epochs=2, seed=100, scaling="-1..1"),
    ]
    assert len({run.name, *(other.name for other in others)}) == 5
    # Stored results are found by this name: it may never change.
    assert run.name == "digits-cnn-rmsprop-none-0.001-2-seed100-" + run.name[-8:]
    horses = Run(data="horses_or_humans", learning_rate=3.16e-5, epochs=12, seed=100)
    assert horses.name == "horses_or_humans-cnn-rmsprop-none-3.16e-05-12-seed100-70272eec"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("title =", "titel =", "titel is unknown. A plan has: factors, question, rules, runs, seeds, title"),
        ("epochs = 2", "epocs = 2", "the factor 'epocs' is unknown. Choose from: arm"),
        ("epochs = 2", "", "names no epochs"),
        ("epochs = 2", "epochs = 0", "epochs=0 is not a whole number of 1 or more"),
        ("epochs = 2", "epochs = true", "epochs=True is not a whole number"),
        ('"gradient"', '"weights"', "there is no arm 'weights'. Choose from: none, gradient"),
        ('data = "digits"', 'data = "digits"\nnetwork = "resnet"', "there is no network 'resnet'. Choose from: cnn"),
        ('data = "digits"', 'data = "digits"\noptimizer = "lion"', "there is no optimizer 'lion'"),
        ('data = "digits"', 'data = "digits"\nstage = "testing"', "no seeds for the stage 'testing'"),
        ('data = "digits"', "data = 3", "data=3 is not a name"),
        ('data = "digits"', 'data = "digits"\nweight_decay = 0.1', "weight_decay needs the optimizer 'adamw'"),
        ("1e-2]", '"fast"]', "learning_rate='fast' is not a number of 0 or more"),
        ("1e-2]", "-1e-2]", "learning_rate=-0.01 is not a number of 0 or more"),
        ("1e-2]", "0.0]", "learning_rate=0 is not valid"),
        ("1e-2]", "inf]", "learning_rate=inf is not a number"),
        ("1e-2]", "nan]", "learning_rate=nan is not a number"),
        ("[1e-3, 1e-2]", "{ best = 1 }", r"learning_rate=\{'best': 1\} is not valid. Write for example"),
        ("[1e-3, 1e-2]", '{ tuned = "clean_loss", of = ["weights"] }', r"learning_rate=.* is not valid"),
        ("confirmation = [200]", "confirmation = [200, 101]", "seed 101 is in tuning and in confirmation"),
        ("confirmation = [200]", "confirmation = [7]", "seed 7 was seen in the first studies"),
        ("confirmation = [200]", 'confirmation = ["a"]', "seed 'a' is not a whole number"),
        ("confirmation = [200]", "practice = [200]", "seeds of 'practice' are unknown"),
        ("[[runs]]", "[[runs]]\nseeds = [55]", "seed 55 of a block is not among the seeds of tuning"),
        ("[[runs]]", "[rules.x]", "it plans no runs"),
        ("[[runs]]", "[runs]", r"\[runs\] has the wrong form"),
        ("[seeds]", "[seeds", "not valid TOML"),
    ],
)
def test_a_wrong_plan_is_told_in_one_sentence_that_names_the_file(written, old, new, told):
    assert old in GOOD
    with pytest.raises(PlanError, match=f"^mine.toml.*{told}") as error:
        read_plan(written(GOOD.replace(old, new)))
    assert "\n" not in str(error.value)


def test_an_unknown_plan_names_those_there_are(tmp_path):
    with pytest.raises(PlanError, match=r"There is no plan 'Z'. Give the path .* A_tuning"):
        read_plan("Z")
    with pytest.raises(PlanError, match="There is no plan"):
        read_plan(str(tmp_path))


def test_the_plans_of_the_package_never_tune_on_a_seed_that_confirms():
    plans = [read_plan(path.stem) for path in plan_path("A").parent.glob("*.toml")]
    seeds = {"tuning": set(), "confirmation": set()}
    for plan in plans:
        for run in [*plan.runs, *(run for run, _ in plan.tuned)]:
            seeds[run.stage].add(run.seed)
        assert plan.rules, f"{plan.name} has no rules"
    assert seeds["tuning"]
    assert not seeds["tuning"] & seeds["confirmation"]
