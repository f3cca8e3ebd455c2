import email
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import gc_tutorial
from gc_tutorial.study.analysis import load_study, paired_differences, verdict

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib  # Python 3.10

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import release  # noqa: E402

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def requirement_blocks():
    """The blocks of requirements.txt, each a set of requirements as text."""
    blocks = (ROOT / "requirements.txt").read_text(encoding="utf-8").split("\n\n")
    return [
        {line.split("  #")[0].strip() for line in block.splitlines() if line and not line.startswith(("#", "-e"))}
        for block in blocks
    ]


def test_the_package_and_the_requirements_name_the_same_bounds():
    tutorial, study, *_ = requirement_blocks()
    extras = PROJECT["optional-dependencies"]
    assert tutorial == {*PROJECT["dependencies"], *extras["tutorial"]}
    assert study == set(extras["study"])


def test_the_lock_allows_what_the_requirements_ask_for():
    locked = {}
    for name, version in re.findall(r"^([a-z0-9.-]+)==([^ ]+)", LOCK, re.MULTILINE):
        locked.setdefault(name, []).append(version)
    for requirement in map(Requirement, set().union(*requirement_blocks())):
        versions = locked[canonicalize_name(requirement.name)]
        assert all(map(requirement.specifier.contains, versions)), f"{requirement}, locked {versions}: run `make lock`"


def test_the_lock_holds_hashes_and_names_no_index():
    pinned = re.findall(r"^[a-z0-9.-]+==.*", LOCK, re.MULTILINE)
    assert len(pinned) > 100
    assert [line for line in pinned if not line.endswith("\\")] == []
    assert not re.search(r"https?:|index-url|find-links", LOCK)


def built(kind, folder):
    """The names of the files in a source distribution or wheel, built from a copy without what earlier builds left."""
    source = folder / "source"
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "gc_tutorial", source / "gc_tutorial", ignore=skipped, dirs_exist_ok=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path):
    (wheel,) = built("wheel", tmp_path).glob("*.whl")
    assert wheel.name == f"gc_tutorial-{PROJECT['version']}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        (about,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(archive.read(about))
    folder = ROOT / "gc_tutorial"
    files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert names == {path.relative_to(ROOT).as_posix() for path in files}
    needed = [one for one in metadata.get_all("Requires-Dist") if "extra ==" not in one]
    assert {Requirement(one).name for one in needed} == {"keras", "lazy_loader"}
    assert set(metadata.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])


def test_the_optimizers_import_nothing_that_is_the_tutorials():
    """`pip install gc-tutorial` brings Keras alone: no more may be needed to reach the optimizers."""
    modules = {"opencv-python-headless": "cv2", "pillow": "PIL", "scikit-learn": "sklearn", "ipython": "IPython"}
    names = {Requirement(one).name for one in PROJECT["optional-dependencies"]["tutorial"]}
    # Keras needs these, TensorFlow as its backend here; `make test-light` does without that.
    names -= {"absl-py", "numpy", "tensorflow"}
    blocked = [modules.get(name, name.replace("-", "_")) for name in sorted(names)]
    code = f"""
import sys

import keras  # may import whatever it likes

for name in {blocked}:
    sys.modules[name] = None  # from here on, importing it raises ImportError

import gc_tutorial

assert {{"gradient", "update"}} == {{gc_tutorial.GCAdam(centralize=mode).centralize for mode in ("gradient", "update")}}
assert gc_tutorial.centralize and gc_tutorial.centralized and gc_tutorial.GradientCentralization
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_the_changelog_has_the_version():
    """pyproject.toml is the one place that holds the version; the changelog tells what is in it."""
    versions = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert versions[1:] == sorted(versions[1:], key=Version, reverse=True)
    assert PROJECT["version"] in versions


def test_a_release_has_its_notes_and_the_hashes_of_its_files(tmp_path):
    (tmp_path / "gc_tutorial-0.1.0.tar.gz").write_bytes(b"")
    (tmp_path / "gc_tutorial-0.1.0-py3-none-any.whl").write_bytes(b"wheel")
    text = release.notes(
        tmp_path, "0.1.0", "# C\n\n## [0.1.0] - 2026-01-02\n\n### Added\n\n- GC\n\n## [0.0.1] - 2025-01-02\n"
    )
    assert text.startswith("### Added\n\n- GC\n")
    assert "0.0.1" not in text
    assert f"{hashlib.sha256(b'wheel').hexdigest()}  gc_tutorial-0.1.0-py3-none-any.whl" in text
    assert f"{hashlib.sha256(b'').hexdigest()}  gc_tutorial-0.1.0.tar.gz" in text


@pytest.mark.parametrize(
    ("tag", "changelog", "message"),
    [
        ("v9.9.9", None, "is not the tag of version"),
        (None, "# Changelog\n\n## [Unreleased]\n", "has no section"),
    ],
)
def test_what_is_not_ready_is_not_released(tmp_path, tag, changelog, message):
    tag = f"v{PROJECT['version']}" if tag is None else tag
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8") if changelog is None else changelog
    with pytest.raises(SystemExit, match=message):
        release.checked(tag, PROJECT["version"])
        release.notes(tmp_path, PROJECT["version"], changelog)


def test_the_citation_needs_only_a_name():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "license", "abstract", "keywords", "repository-code"} <= set(citation)
    assert "version" not in citation  # pyproject.toml holds it
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]


WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "workflows").glob("*.yml")}


def verbs(job):
    """The verbs of the Makefile that a job of a workflow calls."""
    matrix = job.get("strategy", {}).get("matrix", {})
    chosen = [*matrix.get("verb", []), *(one["verb"] for one in matrix.get("include", []))]
    called = " ".join(step.get("run", "") for step in job["steps"])
    return {*re.findall(r"make ([\w-]+)", called), *(chosen if 'make "$VERB"' in called else ())}


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize("workflow", sorted(WORKFLOWS))
def test_every_verb_of_a_workflow_can_be_made(workflow):
    called = set().union(*map(verbs, WORKFLOWS[workflow]["jobs"].values()))
    command = ["make", "--dry-run", "PYTHON=python", *sorted(called)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert called and found.returncode == 0, found.stderr


def test_the_lock_file_is_audited_every_week_and_not_on_every_change():
    triggers = WORKFLOWS["tests"][True]  # which is how YAML 1.1 reads "on"
    weekday = [one["cron"].split()[-1] for one in triggers["schedule"]]
    jobs = [job for job in WORKFLOWS["tests"]["jobs"].values() if "audit" in verbs(job)]
    assert weekday == ["1"] and len(jobs) == 1
    assert "github.event_name == 'schedule'" in jobs[0]["if"] and "push" not in jobs[0]["if"]


@pytest.fixture
def make(tmp_path):
    """Runs make on a fresh copy, in which nothing is installed and no Python can be found."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)

    def run(*arguments, **variables):
        environment = {**os.environ, "GC_TUTORIAL_PROFILE": "", "MAKEFLAGS": "", **variables}
        command = ["make", "PYTHON=no-such-python", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    return run


def test_a_wrong_profile_is_told_before_anything_is_installed(make, tmp_path):
    with pytest.raises(ValueError) as error:
        gc_tutorial.settings({"GC_TUTORIAL_PROFILE": "fast"})
    profiles = re.findall(r"\w+", str(error.value).rpartition(":")[2])
    for right in profiles:
        assert "no-such-python" in make("tutorial", f"PROFILE={right}").stderr  # it went on to the installation
    for wrong in (
        make("tutorial", PROFILE="$(shell touch y)"),
        make("tutorial", GC_TUTORIAL_PROFILE="$(shell touch y)"),
        make("tutorial", "PROFILE=fast"),
        make("tutorial", "PROFILE=quick full"),
        make("tutorial", "PROFILE=%"),
        make("tutorial", "PROFILE=it's"),
        make("tutorial", 'PROFILE="'),
        make("tutorial", "PROFILE=quick; touch x"),
        make("tutorial", GC_TUTORIAL_PROFILE="fast"),
    ):
        assert wrong.returncode != 0
        assert f"is not a profile. Choose one of: {', '.join(profiles)}." in wrong.stderr
        assert "no-such-python" not in wrong.stdout + wrong.stderr
    assert not list(tmp_path.glob("[xy]"))  # nothing of it was run


def test_a_python_that_is_missing_is_a_failure_that_names_it(tmp_path):
    missing = next(version for version in ("3.13", "3.10") if not sys.version.startswith(version))
    shutil.copy(ROOT / "noxfile.py", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    empty = {"PATH": str(tmp_path), "UV_OFFLINE": "1", "UV_PYTHON_INSTALL_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "nox", "--session", f"matrix-{missing}"]
    run = subprocess.run(command, cwd=tmp_path, env={**os.environ, **empty}, capture_output=True, text=True)
    assert run.returncode != 0
    assert f"Python interpreter {missing} not found" in run.stdout + run.stderr


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


def test_the_results_say_what_the_first_study_found():
    results = " ".join((ROOT / "gc_tutorial/study/results/README.md").read_text(encoding="utf-8").split())
    differences = paired_differences(load_study("rmsprop"))
    for row in differences[differences["outcome"].isin(["train_loss", "test_accuracy"])].to_dict("records"):
        assert verdict(row) in results


def test_the_results_say_what_bfloat16_does():
    readme = " ".join((ROOT / "gc_tutorial/study/results/README.md").read_text(encoding="utf-8").split())
    float32 = load_study("rmsprop").query("arm == 'none'")
    differences = paired_differences(pd.concat([float32, load_study("bfloat16").assign(arm="bfloat16")]))
    for row in differences[differences["outcome"].isin(["train_loss", "test_accuracy"])].to_dict("records"):
        assert verdict(row) in readme


def test_the_results_say_what_the_benchmark_says():
    readme = (ROOT / "gc_tutorial/study/results/README.md").read_text(encoding="utf-8")
    epochs = load_study("speed").query("part == 'epoch'").set_index("arm")
    arms = ("floor: the model on images in memory, float32", "published recipe, float32", "ours, float32")
    for arm in (*arms, "floor, mixed_bfloat16", "ours, mixed_bfloat16"):
        best, median, ratio, best_ratio = epochs.loc[
            arm, ["best_seconds", "median_seconds", "times_the_first", "best_times_the_first"]
        ]
        assert f"| {median:.1f} | {best:.1f} | ×{ratio:.2f} | ×{best_ratio:.2f} |" in readme
    ways = load_study("speed").query("part == 'augment'").set_index("arm")
    for edition in ("notebooks", "notebooks/ja"):
        notebook = (ROOT / edition / "02_augmentation.py").read_text(encoding="utf-8")
        for way in ("published: three Keras layers, float32", "ours: OpenCV's warpAffine, uint8"):
            median, best = 512 / ways.loc[way, ["median_seconds", "best_seconds"]]  # images in a round
            assert f"{median:,.0f}" in notebook and f"{best:,.0f}" in notebook


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_the_readme_gives_the_command_that_continuous_integration_runs(readme):
    command = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1].removeprefix("exec ")
    assert f"`{command}`" in (ROOT / readme).read_text(encoding="utf-8")
