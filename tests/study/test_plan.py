import itertools
import re
from dataclasses import replace

import pytest

from gc_tutorial.errors import PlanError
from gc_tutorial.study.plan import Tuned, plan_path, read_plan
from gc_tutorial.study.runs import Run

GOOD = """
title = "A study"
[seeds]
tuning = [100, 101]
confirmation = [200]
[factors]
data = "flowers"
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
    assert {(run.data, run.epochs, run.stage) for run in plan.runs} == {("flowers", 2, "tuning")}


def test_a_block_overrides_the_common_factors_and_a_run_named_twice_is_done_once(written):
    block = '[[runs]]\nepochs = 5\narm = "none"\nlearning_rate = 1e-3\n[[runs]]\narm = "none"\nlearning_rate = 1e-3\n'
    plan = read_plan(written(GOOD + block))
    assert len(plan.runs) == 10
    assert {run.epochs for run in plan.runs} == {2, 5}


def test_tuned_rates_follow_from_the_tuning(written):
    block = '[[runs]]\nstage = "confirmation"\narm = ["none", "gradient"]\nlearning_rate = { tuned = "clean_loss" }\n'
    plan = read_plan(written(GOOD + block))
    assert len(plan.runs) == 8
    by_loss = Tuned(("clean_loss",), 1)
    assert [(run.arm, run.seed, rule) for run, rule in plan.tuned] == [
        ("none", 200, by_loss),
        ("gradient", 200, by_loss),
    ]


@pytest.mark.parametrize(
    ("line", "arm"),
    [
        ('arm = "half"\nlearning_rate = { tuned = "clean_loss" }', "half"),
        ('learning_rate = { tuned = "clean_loss", of = ["none", "twice"] }', "twice"),
        ('batch_size = 8\nlearning_rate = { tuned = "clean_loss" }', "none"),
    ],
)
def test_a_rate_without_tuning_runs_is_told_before_the_tuning(written, line, arm):
    assert read_plan(written(f'{GOOD}[[runs]]\nstage = "confirmation"\nepochs = 9\nlearning_rate = 1'))
    with pytest.raises(PlanError, match=f"mine.toml: a rate of the arm '{arm}' on 'flowers' is to be tuned, and no"):
        read_plan(written(f'{GOOD}[[runs]]\nstage = "confirmation"\n{line}'))


@pytest.mark.parametrize("outcome", ["shifted_loss", "heldout_auc", "clean_accuracy"])
def test_a_rate_may_be_tuned_by_each_outcome_that_the_data_have(written, outcome):
    block = f'[[runs]]\nstage = "confirmation"\nlearning_rate = {{ tuned = "{outcome}" }}\n'
    plan = read_plan(written(GOOD.replace("flowers", "horses_or_humans") + block))
    assert [rule for _, rule in plan.tuned] == [Tuned((outcome,))]


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
    ("data", "network"),
    [
        ("/home/me/" + "x" * 120 + "/" + "y" * 120 + "/pets", "small_cnn_bn"),
        ("猫" * 85 + "/pets", "cnn"),
        ("a" + "猫" * 85 + "/pets", "cnn"),
        ("é" * 3000 + "/pets", "vit"),
        ("/" * 1000 + "pets", "cnn"),
    ],
)
def test_a_long_path_of_the_data_gives_a_name_that_a_file_can_have(tmp_path, data, network):
    run = Run(data=data, learning_rate=1e-3, epochs=2, seed=2**32 - 1, network=network, arm="random_direction")
    assert f"pets-{network}-rmsprop-random_direction-0.001-2-seed4294967295-" in run.name
    assert re.fullmatch(r"[\w.+-]+", run.name)
    (tmp_path / f"{run.name}.json").touch()
    other = replace(run, data=f"b{data}")
    assert other.name != run.name and other.name[-8:] != run.name[-8:]


@pytest.mark.parametrize(("letter", "most"), [("x", 208), ("é", 104), ("猫", 69)])
def test_a_name_that_a_file_can_have_stays_whole(letter, most):
    whole, long = (Run(data=letter * count, learning_rate=1e-3, epochs=2, seed=100) for count in (most, most + 1))
    assert whole.name.startswith(f"{letter * most}-cnn-rmsprop-none-0.001-2-seed100-")
    assert len(f"{whole.name}.json".encode()) <= 255
    assert long.name[:-8] == whole.name[:-8]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("title =", "titel =", "titel is unknown. A plan has: factors, question, rules, runs, seeds, title"),
        ("epochs = 2", "epocs = 2", "the factor 'epocs' is unknown. Choose from: arm"),
        ("epochs = 2", "", "lacks epochs"),
        (
            'data = "flowers"',
            'data = "digits"\naugmentation = "none"',
            "the network 'cnn' is for images, and too deep for 'digits'. Choose from: small_cnn, small_cnn_bn.",
        ),
        (
            'data = "flowers"',
            'data = "mnist1d"\naugmentation = "none"\nnetwork = "vit"',
            "the network 'vit' is for images, and too deep for 'mnist1d'. Choose from: small_cnn, small_cnn_bn.",
        ),
        (
            "epochs = 2",
            "epochs = 2\nimage_size = 93",
            "image_size=93 is too small for the network 'cnn': the smallest that works is 94.",
        ),
        ("epochs = 2", "epochs = 0", "epochs=0 is not a whole number of 1 or more"),
        ("epochs = 2", "epochs = true", "epochs=True is not a whole number"),
        ('"gradient"', '"weights"', "there is no arm 'weights'. Choose from: none, gradient"),
        ('data = "flowers"', 'data = "flowers"\nnetwork = "resnet"', "there is no network 'resnet'. Choose from: cnn"),
        ('data = "flowers"', 'data = "flowers"\noptimizer = "lion"', "there is no optimizer 'lion'"),
        ('data = "flowers"', 'data = "flowers"\nstage = "testing"', "there is no stage 'testing'"),
        ('data = "flowers"', "data = 3", "data=3 is not a name"),
        ('data = "flowers"', 'data = "flowers"\nweight_decay = 0.1', "weight_decay needs the optimizer 'adamw'"),
        ("1e-2]", '"fast"]', "learning_rate='fast' is not a number of 0 or more"),
        ("1e-2]", "-1e-2]", "learning_rate=-0.01 is not a number of 0 or more"),
        ("1e-2]", "0.0]", "learning_rate=0 is not valid"),
        ("1e-2]", "inf]", "learning_rate=inf is not a number"),
        ("1e-2]", "nan]", "learning_rate=nan is not a number"),
        ("[1e-3, 1e-2]", "{ best = 1 }", r"learning_rate=\{'best': 1\} is not valid. Write, for example,"),
        ("[1e-3, 1e-2]", '{ tuned = "clean_loss", of = ["weights"] }', r"learning_rate=.* is not valid"),
        ("confirmation = [200]", "confirmation = [200, 101]", "seed 101 is in tuning and in confirmation"),
        ("confirmation = [200]", "confirmation = [7]", "seed 7 was seen in the first studies"),
        ("confirmation = [200]", 'confirmation = ["a"]', "seed 'a' is not a whole number"),
        ("confirmation = [200]", "practice = [200]", "seeds of 'practice' are unknown"),
        ("[[runs]]", "[[runs]]\nseeds = [55]", "seed 55 of a block is not among the seeds of tuning"),
        ("[[runs]]", "[rules.x]", "the plan has no runs"),
        ("[[runs]]", "[runs]", r"\[runs\] has the wrong form"),
        ("[seeds]", "[seeds", "not valid TOML"),
        (
            "confirmation = [200]",
            f"confirmation = [{2**32}]",
            f"seed {2**32} is too large. Choose one of at most {2**32 - 1}",
        ),
        ("confirmation = [200]", f"confirmation = {list(range(200, 10_201))}", "10001 seeds are too many"),
        ("epochs = 2", f"epochs = {list(range(1, 400))}\nevaluate_last = {list(range(400))}", "more than 100,000 runs"),
        ("epochs = 2", f"epochs = {10**7}", f"epochs={10**7} is too large. Give a whole number of at most {10**6}"),
        ('data = "flowers"', 'data = ""', "data='' is not a name"),
        ("[[runs]]", "[[runs]]\nseeds = 0", "seed 0 of a block is not among the seeds of tuning"),
        ("[[runs]]", "[[runs]]\nseeds = false", "seed False of a block is not among the seeds of tuning"),
        ("[[runs]]", "[[runs]]\nseeds = 55", "seed 55 of a block is not among the seeds of tuning"),
        ("[1e-3, 1e-2]", "{ tuned = 5 }", "learning_rate=.* is not valid"),
        ("[1e-3, 1e-2]", '{ tuned = [["a"]] }', "learning_rate=.* is not valid"),
        ("[1e-3, 1e-2]", '{ tuned = "clean_loss", of = 5 }', "learning_rate=.* is not valid"),
        ("[1e-3, 1e-2]", '{ tuned = "clean_loss", of = [["none"]] }', "learning_rate=.* is not valid"),
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


# ----- what is said, in full, and the defaults

SMALLEST = """
[seeds]
tuning = 100
confirmation = [200, 201]
[[runs]]
data = "flowers"
learning_rate = 1
epochs = 1
"""


def test_the_least_a_plan_needs(written):
    plan = read_plan(written(SMALLEST))
    assert (plan.name, plan.title, plan.question, plan.tuned, plan.rules) == ("mine", "mine", "", (), {})
    assert plan.runs == (Run(data="flowers", learning_rate=1.0, epochs=1, seed=100),)
    assert type(plan.runs[0].learning_rate) is float
    (run,) = plan.runs
    defaults = ("tuning", "cnn", "0..1", "rmsprop", "none", 0.0, "constant", "published", 94, 32, 0, "fold", "", 3)
    assert (
        *(run.stage, run.network, run.scaling, run.optimizer, run.arm, run.weight_decay, run.schedule),
        *(run.augmentation, run.image_size, run.batch_size, run.train_examples, run.split, run.pretrained),
        run.evaluate_last,
    ) == defaults


def test_everything_a_plan_can_say(written):
    text = """
title = "Größe"
question = "Why?"
[rules.size]
kind = "size"
[seeds]
tuning = [100]
confirmation = [200, 201]
[factors]
data = "flowers"
learning_rate = 0.5
epochs = 4
[[runs]]
[[runs]]
stage = "confirmation"
seeds = [201]
optimizer = "adamw"
weight_decay = 0.1
image_size = 4
batch_size = 1
train_examples = 0
evaluate_last = 0
pretrained = "flowers"
network = "small_cnn"
scaling = "-1..1"
arm = "half"
schedule = "warmup"
augmentation = "none"
"""
    plan = read_plan(written(text))
    assert (plan.title, plan.question, plan.rules) == ("Größe", "Why?", {"size": {"kind": "size"}})
    common = {"data": "flowers", "learning_rate": 0.5, "epochs": 4}
    assert plan.runs == (
        Run(**common, seed=100),
        Run(**common, seed=201, stage="confirmation", optimizer="adamw", weight_decay=0.1, image_size=4, batch_size=1,
            train_examples=0, evaluate_last=0, pretrained="flowers", network="small_cnn", scaling="-1..1", arm="half",
            schedule="warmup", augmentation="none"),
    )  # fmt: skip


def test_runs_are_ordered_by_seed_so_that_pairs_are_close(written):
    plan = read_plan(written(GOOD))
    assert [(run.seed, run.arm, run.learning_rate) for run in plan.runs] == list(
        itertools.product((100, 101), ("none", "gradient"), (1e-3, 1e-2))
    )


def test_the_cell_of_a_run_is_the_run_without_its_seed():
    run = Run(data="flowers", learning_rate=1e-3, epochs=2, seed=100)
    assert run.cell == Run(data="flowers", learning_rate=1e-3, epochs=2, seed=0)
    assert run.cell == Run(data="flowers", learning_rate=1e-3, epochs=2, seed=101).cell


def test_how_rates_are_chosen(written):
    block = '[[runs]]\nstage = "confirmation"\nlearning_rate = '
    for text, expected in (
        ('{ tuned = "heldout_loss" }', Tuned(("heldout_loss",), 1)),
        ('{ tuned = ["clean_loss", "heldout_loss"], best = 2 }', Tuned(("clean_loss", "heldout_loss"), 2)),
        ('{ tuned = "clean_loss", of = ["none", "half"] }', Tuned(("clean_loss",), 1, ("none", "half"))),
        (f'{{ tuned = "train_loss", of = {ARMS.split(", ")} }}', Tuned(("train_loss",), 1, tuple(ARMS.split(", ")))),
    ):
        plan = read_plan(written(GOOD.replace('["none", "gradient"]', str(ARMS.split(", "))) + block + text))
        ((run, tuned),) = plan.tuned
        assert tuned == expected
        assert (run.stage, run.seed, run.learning_rate != run.learning_rate) == ("confirmation", 200, True)
    assert len(plan.runs) == 8 * 6


ARMS = (
    "none, gradient, update, recompiled, random_direction, first_layer, conv_only, dense_only, raw_norm, half, twice, "
    "first_two_epochs"
)
FACTORS = (
    "arm, augmentation, batch_size, data, epochs, evaluate_last, image_size, learning_rate, network, optimizer, "
    "pretrained, scaling, schedule, seeds, split, stage, train_examples, weight_decay"
)
UNSHIFTED = "clean_loss, clean_accuracy, heldout_loss, heldout_accuracy, heldout_auc, train_loss"
MEASURED = UNSHIFTED.replace("train_loss", "shifted_loss, shifted_accuracy, shifted_auc, train_loss")
TUNED = 'Write, for example, { tuned = "clean_loss", best = 1 }.'


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            'title = "A study"',
            "b = 1\na = 2",
            "a, b is unknown. A plan has: factors, question, rules, runs, seeds, title.",
        ),
        ("epochs = 2", "steps = 2", f"the factor 'steps' is unknown. Choose from: {FACTORS}."),
        ("epochs = 2", "epochs = 2\nseed = 2", f"the factor 'seed' is unknown. Choose from: {FACTORS}."),
        ("epochs = 2", "", "a block [[runs]] lacks epochs."),
        ('data = "flowers"', "", "a block [[runs]] lacks data."),
        ("learning_rate = [1e-3, 1e-2]", "", "a block [[runs]] lacks learning_rate."),
        ('data = "flowers"', "data = 3", "data=3 is not a name."),
        ("epochs = 2", "epochs = 2\npretrained = 3", "pretrained=3 is not a name."),
        ('"gradient"', '"weights"', f"there is no arm 'weights'. Choose from: {ARMS}."),
        ("epochs = 2", 'epochs = 2\nscaling = "1"', "there is no scaling '1'. Choose from: 0..1, -1..1."),
        ("epochs = 2", 'epochs = 2\nschedule = "x"', "there is no schedule 'x'. Choose from: constant, warmup."),
        (
            "epochs = 2",
            'epochs = 2\naugmentation = "x"',
            "there is no augmentation 'x'. Choose from: published, mild, none.",
        ),
        ('data = "flowers"', 'data = "digits"', "'digits' cannot be augmented. Write augmentation = \"none\"."),
        (
            'data = "flowers"',
            'data = "digits"\naugmentation = "none"',
            "the network 'cnn' is for images, and too deep for 'digits'. Choose from: small_cnn, small_cnn_bn.",
        ),
        (
            'data = "flowers"',
            'data = "mnist1d"\naugmentation = "none"\nnetwork = "vit"',
            "the network 'vit' is for images, and too deep for 'mnist1d'. Choose from: small_cnn, small_cnn_bn.",
        ),
        (
            "epochs = 2",
            "epochs = 2\nimage_size = 93",
            "image_size=93 is too small for the network 'cnn': the smallest that works is 94.",
        ),
        ("epochs = 2", "epochs = 0", "epochs=0 is not a whole number of 1 or more."),
        ("epochs = 2", "epochs = 2.0", "epochs=2.0 is not a whole number of 1 or more."),
        ("epochs = 2", "epochs = 2\nbatch_size = 0", "batch_size=0 is not a whole number of 1 or more."),
        ("epochs = 2", "epochs = 2\nimage_size = -1", "image_size=-1 is not a whole number of 0 or more."),
        ("epochs = 2", "epochs = 2\ntrain_examples = -1", "train_examples=-1 is not a whole number of 0 or more."),
        ("epochs = 2", "epochs = 2\nevaluate_last = -1", "evaluate_last=-1 is not a whole number of 0 or more."),
        ("1e-2]", "true]", "learning_rate=True is not a number of 0 or more."),
        ("epochs = 2", "epochs = 2\nweight_decay = -0.1", "weight_decay=-0.1 is not a number of 0 or more."),
        ("epochs = 2", "epochs = 2\nweight_decay = true", "weight_decay=True is not a number of 0 or more."),
        ("epochs = 2", "epochs = 2\nweight_decay = 0.1", "weight_decay needs the optimizer 'adamw'."),
        ("1e-2]", "0]", "learning_rate=0 is not valid. Give a number above 0, such as 0.001."),
        ("[1e-3, 1e-2]", "{ tuned = [] }", "learning_rate={'tuned': []} is not valid. " + TUNED),
        ("[1e-3, 1e-2]", '{ tuned = "a", best = 0 }', "learning_rate={'tuned': 'a', 'best': 0} is not valid. " + TUNED),
        (
            "[1e-3, 1e-2]",
            '{ tuned = "a", best = 1.0 }',
            "learning_rate={'tuned': 'a', 'best': 1.0} is not valid. " + TUNED,
        ),
        ("[1e-3, 1e-2]", '{ tuned = "a", by = 1 }', "learning_rate={'tuned': 'a', 'by': 1} is not valid. " + TUNED),
        (
            "[1e-3, 1e-2]",
            '{ tuned = "a", of = ["x"] }',
            "learning_rate={'tuned': 'a', 'of': ['x']} is not valid. " + TUNED,
        ),
        ("epochs = 2", 'epochs = 2\nsplit = "x"', "there is no split 'x'. Choose from: fold, all."),
        (
            "confirmation = [200]",
            "confirmation = [200, 101, 100]",
            "seed 100 is in tuning and in confirmation. A seed may be in one of them only.",
        ),
        (
            "confirmation = [200]",
            "confirmation = [9]",
            "seed 9 was seen in the first studies (0 to 9). Choose another one.",
        ),
        (
            "confirmation = [200]",
            "confirmation = [0]",
            "seed 0 was seen in the first studies (0 to 9). Choose another one.",
        ),
        ("confirmation = [200]", "confirmation = [-1]", "seed -1 is not a whole number of 0 or more."),
        ("confirmation = [200]", "confirmation = true", "seed True is not a whole number of 0 or more."),
        ("confirmation = [200]", "x = 1", "seeds of 'x' are unknown. Choose from: tuning, confirmation."),
        (
            "[[runs]]",
            "[[runs]]\nseeds = [100, 200]",
            "seed 200 of a block is not among the seeds of tuning in [seeds].",
        ),
        (
            "confirmation = [200]\n[factors]",
            '[factors]\nstage = "confirmation"',
            "there are no seeds for the stage 'confirmation'. Add them to [seeds].",
        ),
        ("[[runs]]", "[[runs]]\nstage = [3]", "there is no stage [3]. Choose from: tuning, confirmation."),
        (
            "[[runs]]",
            '[[runs]]\nstage = ["tuning"]\nseeds = [100]',
            "there is no stage ['tuning']. Choose from: tuning, confirmation.",
        ),
        (
            "[seeds]\ntuning = [100, 101]\nconfirmation = [200]\n",
            "",
            "there are no seeds for the stage 'tuning'. Add them to [seeds].",
        ),
        (
            "[1e-3, 1e-2]",
            '{ tuned = "clean_loss" }\nweight_decay = -0.1',
            "weight_decay=-0.1 is not a number of 0 or more.",
        ),
        ("epochs = 2", "epochs = []", "the factor 'epochs' has no values. Give one, or leave it out."),
        ('data = "flowers"', "data = []", "the factor 'data' has no values. Give one, or leave it out."),
        ("[[runs]]", "[[runs]]\nseeds = []", "the factor 'seeds' has no values. Give one, or leave it out."),
        ("[1e-3, 1e-2]", "[]", "the factor 'learning_rate' has no values. Give one, or leave it out."),
        (
            "[1e-3, 1e-2]",
            '{ tuned = "clean_loss" }',
            "a rate of the arm 'none' on 'flowers' is to be tuned, and no tuning runs match it.",
        ),
        (
            "1e-2]",
            f"1{'0' * 400}]",
            f"learning_rate=1{'0' * 400} is too large. Give a number of at most 1e+300.",
        ),
        (
            "epochs = 2",
            f"epochs = 2\noptimizer = 'adamw'\nweight_decay = 1{'0' * 309}",
            f"weight_decay=1{'0' * 309} is too large. Give a number of at most 1e+300.",
        ),
        ("[1e-3, 1e-2]", '{ tuned = "clean_losss" }', f"there is no outcome 'clean_losss'. Choose from: {MEASURED}."),
        ("[1e-3, 1e-2]", '{ tuned = ["train_loss", ""] }', f"there is no outcome ''. Choose from: {MEASURED}."),
        (
            "[[runs]]",
            '[[runs]]\nlearning_rate = { tuned = "shifted_auc" }\n[[runs]]',
            f"the outcome 'shifted_auc' is not measured on 'flowers' with the split 'fold'. Choose from: {UNSHIFTED}.",
        ),
        (
            "[[runs]]",
            '[[runs]]\nsplit = "all"\nlearning_rate = { tuned = ["clean_loss", "heldout_loss"] }\n[[runs]]',
            "the outcome 'heldout_loss' is not measured on 'flowers' with the split 'all'. Choose from: clean_loss, "
            "clean_accuracy, train_loss.",
        ),
        ("[[runs]]", "[rules.x]", "the plan has no runs. Add a block [[runs]] with the factors."),
        ("[[runs]]", "[runs]", "[runs] has the wrong form. See the plans that come with the package."),
        ('title = "A study"', "rules = 3", "[rules] has the wrong form. See the plans that come with the package."),
    ],
)
def test_a_wrong_plan_is_told_in_full(written, old, new, told):
    text = GOOD.replace(old, new)
    assert text != GOOD
    with pytest.raises(PlanError, match=f"^{re.escape(f'mine.toml: {told}')}$"):
        read_plan(written(text))


@pytest.mark.parametrize("seed", [10, 100])
def test_seeds_that_were_not_seen_are_free(written, seed):
    assert seed in {run.seed for run in read_plan(written(GOOD.replace("[100, 101]", f"[{seed}, 101]"))).runs}


@pytest.mark.parametrize("factors", ["factors = 3", "seeds = 3", "runs = 3", 'runs = ["a"]'])
def test_parts_of_the_wrong_form(written, factors):
    name = factors.split()[0]
    rest = "" if name == "seeds" else "[seeds]\ntuning = [100]\n"
    with pytest.raises(PlanError, match=rf"^mine.toml: \[+{name}\]+ has the wrong form\."):
        read_plan(written(f"{factors}\n{rest}"))


def test_plans_are_found_by_their_name_its_first_letter_or_a_path(tmp_path, monkeypatch):
    shipped = plan_path("A")
    assert shipped == plan_path("A_tuning") and shipped.name == "A_tuning.toml"
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "own.toml").write_text(GOOD)
    assert plan_path("~/own.toml") == plan_path(str(tmp_path / "own.toml")) == tmp_path / "own.toml"
    names = ", ".join(path.stem for path in sorted(shipped.parent.glob("*.toml")))
    told = f"There is no plan 'Z'. Give the path of a TOML file, or one of: {names}."
    with pytest.raises(PlanError, match=f"^{re.escape(told)}$"):
        plan_path("Z")


def test_a_file_that_cannot_be_read_as_text_or_at_all(tmp_path, monkeypatch):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"title = '\xff'")
    with pytest.raises(PlanError, match=r"^mine.toml is not valid TOML: .*can't decode.*\.$"):
        read_plan(str(path))

    def refuse(*arguments, **keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "read_text", refuse)
    with pytest.raises(PlanError, match=f"^{re.escape(str(path))} cannot be read: Permission denied\\.$"):
        read_plan(str(path))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("epochs = 2", f"epochs = {'[' * 100_000}", "mine.toml is nested too deeply. See the plans"),
        ("epochs = 2", f"epochs = {'{a = ' * 100_000}", "mine.toml is nested too deeply. See the plans"),
        ("epochs = 2", f"epochs = {'1' * 5000}", r"mine.toml is not valid TOML: .*4300"),
        ("epochs = 2", f"epochs = 0x{'f' * 5000}", "mine.toml holds a number that is too large. Give a smaller one"),
        ("1e-3", f"0x{'f' * 5000}", "mine.toml holds a number that is too large. Give a smaller one"),
        ("[200]", f"[0x{'f' * 5000}]", "mine.toml holds a number that is too large. Give a smaller one"),
    ],
)
def test_what_python_cannot_hold_is_told(written, old, new, told):
    with pytest.raises(PlanError, match=f"^{told}") as error:
        read_plan(written(GOOD.replace(old, new)))
    assert "\n" not in str(error.value)


def test_a_plan_that_an_editor_has_marked_as_utf_8_can_be_read(tmp_path):
    (tmp_path / "mine.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert len(read_plan(str(tmp_path / "mine.toml")).runs) == 8


def test_a_name_that_is_too_long_for_a_file_is_no_plan():
    with pytest.raises(PlanError, match=r"^There is no plan 'xxx"):
        plan_path("x" * 5000)


def test_a_rate_may_be_whole_and_is_stored_as_a_float(written):
    runs = read_plan(written(GOOD.replace("[1e-3, 1e-2]", "[1, 1.0]"))).runs
    assert {type(run.learning_rate) for run in runs} == {float}
    assert len(runs) == 4  # 1 and 1.0 are one rate
