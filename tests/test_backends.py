"""The optimizers on JAX and on PyTorch. Keras chooses its backend once, when it is imported: hence new processes."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
OPTIMIZERS = ["test_optimizers.py", "test_optimizers_in_training.py", "test_optimizer_classes.py", "test_axes.py"]


def run(backend, *names):
    command = [sys.executable, "-m", "pytest", "-q", "-rs", *(HERE / name for name in names)]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run(command, env=environment, cwd=HERE.parent, capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.backends
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_everything_holds_on(backend):
    run(backend, *OPTIMIZERS)


@pytest.mark.backends
def test_the_axes_of_the_backbones_of_keras_hub():
    run("jax", "axes_keras_hub.py")


@pytest.mark.backends
@pytest.mark.skipif(not importlib.util.find_spec("gctf"), reason="gctf is installed by `pip install --no-deps`")
def test_gctf_trains_like_the_plain_optimizer():
    run("tensorflow", "against_gctf.py")
