import re
from importlib.metadata import metadata, requires
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_package_and_the_requirements_name_the_same_bounds():
    block = (ROOT / "requirements.txt").read_text(encoding="utf-8").split("\n\n")[0]
    listed = {line.split("#")[0].strip() for line in block.splitlines() if not line.startswith("#")}
    assert {name for name in requires("gc-tutorial") if "extra ==" not in name} == listed


def test_the_placeholder_address_cannot_be_a_real_account():
    (address,) = [url.split(", ")[1] for url in metadata("gc-tutorial").get_all("Project-URL")]
    owner = address.split("/")[3]
    assert owner != "your_name_here" or not re.fullmatch(r"[A-Za-z0-9-]+", owner)


def test_the_results_travel_with_the_package():
    import gc_tutorial.analysis

    for name in ("rmsprop", "sgd", "published_recipe", "control", "published_progress"):
        assert len(gc_tutorial.analysis.load_study(name)) > 0
