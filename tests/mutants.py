"""Find the mutants of the code that no test kills: make test-mutants MODULES="store lesson".

Each module is mutated in a copy under build/mutants/, and only its own tests are run. mutmut makes the mutants and
keeps its results, so that the same command continues where it was stopped; where the tests have changed since,
surviving mutants are tried again. A module takes from minutes to an hour.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The modules of gc_tutorial/study/evidence, by the file of their tests where that has another name.
EVIDENCE = {
    "": (
        "outcomes",
        "tuning",
        "pairs",
        "intervals",
        "speed",
        "effects",
        "wording",
        "names",
        "removed",
        "findings",
        "synthesis",
        "across",
    ),
    "test_evidence.py": ("new_figures", "same_rates"),
    "test_findings.py": (
        "answers",
        *(
            f"answers_{kind}"
            for kind in ("difference", "across", "interaction", "mechanism", "recipe", "speed", "tuning")
        ),
    ),
    "test_decisions.py": ("decisions", "result_rows", "speed_rows", "mechanism_rows"),
    "test_study_figures.py": ("figures", "forest_figure", "mechanism_figure", "removed_figure", "budget_figure"),
}
# The modules that run without training, and where their tests are.
MODULES = {
    "optimizers": (
        "gc_tutorial/optimizers.py",
        ["test_optimizers.py", "test_optimizers_in_training.py", "test_axes.py", "test_optimizer_classes.py"],
    ),
    "analysis": ("gc_tutorial/study/analysis.py", ["test_analysis.py"]),
    "store": ("gc_tutorial/study/store.py", ["test_store.py"]),
    "plan": ("gc_tutorial/study/plan.py", ["test_plan.py"]),
    "runs": ("gc_tutorial/study/runs.py", ["test_plan.py"]),
    "tables": ("gc_tutorial/study/tables.py", ["test_tables.py"]),
    "arms": ("gc_tutorial/study/arms.py", ["test_arms.py"]),
    **{
        name: (f"gc_tutorial/study/evidence/{name}.py", [tests or f"test_{name}.py"])
        for tests, names in EVIDENCE.items()
        for name in names
    },
    "cost": ("gc_tutorial/study/cost.py", ["test_decisions.py"]),
    "settings_figure": ("gc_tutorial/study/settings_figure.py", ["test_rates_figure.py"]),
    "layout": ("gc_tutorial/data/layout.py", ["test_layout.py"]),
    "augmentation": ("gc_tutorial/augmentation.py", ["test_augmentation.py", "test_reproducibility.py"]),
    "lesson": ("gc_tutorial/lesson.py", ["test_lesson.py"]),
    "plotting": ("gc_tutorial/plotting.py", ["test_plotting.py"]),
    "pictures": ("gc_tutorial/pictures.py", ["test_pictures.py"]),
}
ENOUGH = 0.9  # of the mutants that tests can kill
# Tests that read the source of a module instead of running it, or run it in a process that is not mutmut's own.
NOT_RUN = "copied_out or predictable_mistake or cannot_be_installed or in_a_new_process"
# Sizes and grids of figures are for the eye, not for a test.
SETTINGS = """
[tool.mutmut]
source_paths = ["gc_tutorial"]
only_mutate = ["{module}"]
also_copy = [{others}]
do_not_mutate_patterns = ["figsize=", "fontsize=", "[.]grid[(]", "[.]margins[(]"]
pytest_add_cli_args_test_selection = [{tests}]
# Seconds: a test that a mutant keeps from ending fails, and counts as one that caught it.
pytest_add_cli_args = [
    "-q", "-x", "-p", "no:cacheprovider", "--timeout", "90", "--timeout-method", "thread", "-k", "not ({not_run})"
]
process_isolation = "forkserver"  # TensorFlow cannot be forked once it has run
timeout_multiplier = 10.0
timeout_constant = 60.0  # seconds more, so that a busy machine does not pass for a test that never ends
"""


def main(names):
    unknown = [name for name in names if name not in MODULES]
    if unknown:
        sys.exit(f"There are no mutants of {', '.join(unknown)}. Choose from: {', '.join(MODULES)}.")
    # All of them, to show every score.
    if not all([measured(name, *MODULES[name]) for name in names or MODULES]):
        sys.exit(f"Too many mutants survived: at least {ENOUGH:.0%} must be killed in each module.")


def measured(name, module, tests):
    """Break one module, print its score and what went unnoticed; whether enough was found."""
    folder = ROOT / "build" / "mutants" / name
    found = [path.relative_to(ROOT).as_posix() for test in tests for path in sorted((ROOT / "tests").rglob(test))]
    if not (ROOT / module).exists() or not found:
        print(f"{name}: {module} or its tests, {', '.join(tests)}, are not there.")
        return False
    before = [path.read_bytes() for path in map(folder.joinpath, found) if path.exists()]
    copy(folder, module, found)
    if before != [(folder / name).read_bytes() for name in found]:
        forget_unnoticed(folder / "mutants" / f"{module}.meta")
    mutmut = [sys.executable, "-m", "mutmut"]
    subprocess.run([*mutmut, "run"], cwd=folder, check=False)
    subprocess.run([*mutmut, "export-cicd-stats"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    counts = json.loads((folder / "mutants" / "mutmut-cicd-stats.json").read_text(encoding="utf-8"))
    remaining = 2 * counts["total"] - sum(counts.values())
    if remaining:
        sys.exit(f"{name}: mutmut was stopped, and {remaining} mutants remain. Run the same command again.")
    caught, total = counts["killed"] + counts["timeout"], counts["total"] - counts["skipped"]
    listed = subprocess.run([*mutmut, "results"], cwd=folder, check=True, capture_output=True, text=True).stdout
    print(f"\n{name}: {caught} of {total} mutants killed ({counts['timeout']} of them by a test that did not end).")
    print(f"Not noticed, or not noticed by a failure:\n{listed}(`mutmut show NAME`, in {folder}, shows one.)")
    return total > 0 and caught >= ENOUGH * total


def copy(folder, module, tests):
    """What is under version control or could be, and the settings of mutmut for one module."""
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True).splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    others = sorted({name.split("/")[0] for name in listed} - {"gc_tutorial", "tests", "pyproject.toml"})
    values = {"not_run": NOT_RUN, "module": module, "others": quoted(others), "tests": quoted(tests)}
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(SETTINGS.format(**values))


def forget_unnoticed(results):
    """Let mutmut try again what its results say that no test noticed."""
    if results.exists():
        content = json.loads(results.read_text(encoding="utf-8"))
        codes = {name: code if code == 1 else None for name, code in content["exit_code_by_key"].items()}
        results.write_text(json.dumps({**content, "exit_code_by_key": codes}), encoding="utf-8")


def quoted(names):
    return ", ".join(json.dumps(name) for name in names)


if __name__ == "__main__":
    main(sys.argv[1:])
