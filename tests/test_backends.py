"""The optimizers on JAX and on PyTorch. Keras chooses its backend once, when it is imported: hence new processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.backends
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_everything_holds_on(backend):
    tests = Path(__file__).with_name("test_optimizers.py")
    # What the other tests share needs TensorFlow.
    command = [sys.executable, "-m", "pytest", "--noconftest", "-q", "-rs", tests]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run(command, env=environment, cwd=tests.parents[1], capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
