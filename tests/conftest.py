"""Fixtures that many tests share: small synthetic images, and a TFDS folder of the test's own."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
import pytest

# `make test` tries the same examples every time, so that it never fails by chance; `make test-long` tries many more,
# and new ones every time. What it finds is kept as an explicit example.
hypothesis.settings.register_profile("fixed", max_examples=30, deadline=None, derandomize=True)
hypothesis.settings.register_profile("long", max_examples=2000, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


@pytest.fixture(scope="session", autouse=True)
def own_tfds_folder(tmp_path_factory):
    """Nothing is written to the user's own folder, and nothing there decides what the tests see."""
    import tensorflow_datasets as tfds

    folder = tmp_path_factory.mktemp("tensorflow_datasets")
    kept = tfds.core.constants.DATA_DIR
    tfds.core.constants.DATA_DIR = str(folder)
    yield folder
    tfds.core.constants.DATA_DIR = kept


@pytest.fixture(scope="session")
def synthetic(own_tfds_folder):
    """128 and 64 synthetic images at 94×94 pixels."""
    from gc_tutorial import load_data

    return load_data("synthetic_small", 94)
