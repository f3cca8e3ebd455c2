from importlib.metadata import requires
from pathlib import Path

import pandas as pd
import pytest

from gc_tutorial.study.analysis import load_study, paired_differences, verdict

ROOT = Path(__file__).parent.parent


def test_the_package_and_the_requirements_name_the_same_bounds():
    block = (ROOT / "requirements.txt").read_text(encoding="utf-8").split("\n\n")[0]
    listed = {line.split("#")[0].strip() for line in block.splitlines() if not line.startswith("#")}
    assert {name for name in requires("gc-tutorial") if "extra ==" not in name} == listed


@pytest.mark.parametrize(
    ("name", "arms", "seeds", "setting"),
    [
        ("rmsprop", ["none", "gradient", "update"], 10, {"optimizer": "rmsprop", "image_size": 150, "epochs": 12}),
        ("sgd", ["none", "gradient", "update"], 5, {"optimizer": "sgd", "image_size": 150, "epochs": 12}),
        (
            "published_recipe",
            ["none", "gradient", "update"],
            3,
            {"optimizer": "rmsprop", "image_size": 300, "epochs": 10},
        ),
        ("bfloat16", ["none"], 10, {"optimizer": "rmsprop", "image_size": 150, "precision": "mixed_bfloat16"}),
        ("control", ["recompiled"], 1, {"optimizer": "rmsprop", "image_size": 300, "epochs": 10}),
    ],
)
def test_the_results_travel_with_the_package_and_are_what_they_are_called(name, arms, seeds, setting):
    study = load_study(name)
    assert list(study["arm"].unique()) == arms
    assert (study.groupby("arm")["seed"].nunique() >= seeds).all()
    assert (study[list(setting)] == list(setting.values())).all().all()
    assert set(study["data"]) == {"horses_or_humans/3.0.0"}


def test_the_readme_says_what_the_results_say():
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    differences = paired_differences(load_study("rmsprop"))
    for row in differences[differences["outcome"].isin(["train_loss", "test_accuracy"])].to_dict("records"):
        assert verdict(row) in readme


def test_the_results_say_what_bfloat16_does():
    readme = " ".join((ROOT / "gc_tutorial/study/results/README.md").read_text(encoding="utf-8").split())
    float32 = load_study("rmsprop").query("arm == 'none'")
    differences = paired_differences(pd.concat([float32, load_study("bfloat16").assign(arm="bfloat16")]))
    for row in differences[differences["outcome"].isin(["train_loss", "test_accuracy"])].to_dict("records"):
        assert verdict(row) in readme


def test_the_readme_says_what_the_benchmark_says():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    epochs = load_study("speed").query("part == 'epoch'").set_index("arm")
    arms = ("floor: the model on images in memory, float32", "published recipe, float32", "ours, float32")
    for arm in (*arms, "ours, mixed_bfloat16"):
        assert f"| {epochs.loc[arm, 'best_seconds']:.1f} | ×{epochs.loc[arm, 'times_the_first']:.2f} |" in readme
