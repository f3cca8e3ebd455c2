"""Fixtures that many tests share: small synthetic images, and a TFDS folder of the test's own."""

import faulthandler
import gc
import os
import signal
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
import pytest

# `make test` tries the same examples every time, so that it never fails by chance; `make test-long` tries many more,
# and new ones every time. What it finds is kept as an explicit example.
hypothesis.settings.register_profile("fixed", max_examples=30, deadline=None, derandomize=True)
hypothesis.settings.register_profile("long", max_examples=2000, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

STDERR = pytest.StashKey[int]()

# A shell ignores Ctrl-C for what it runs in the background, and every process started from there inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config):
    """Nothing is written to the user's own folder, and nothing there decides what the tests see."""
    folder = tempfile.TemporaryDirectory(prefix="tensorflow_datasets")
    config.add_cleanup(folder.cleanup)
    os.environ["TFDS_DATA_DIR"] = folder.name  # TFDS reads it when it is imported, which many tests do without
    config.stash[STDERR] = os.dup(2)  # which is captured during a test
    config.add_cleanup(lambda: os.close(config.stash[STDERR]))
    if getattr(config.option, "maxworkerrestart", "") is None:
        config.option.maxworkerrestart = "0"  # or pytest-xdist would repeat a test that ends its process, without end


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Where C++ hangs, Python cannot handle the signal of pytest-timeout: the process ends, and says where it was."""
    given = item.config.getoption("timeout")
    seconds = float(item.config.getini("timeout") if given is None else given)
    if seconds:
        faulthandler.dump_traceback_later(seconds + 30, exit=True, file=item.config.stash[STDERR])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def pytest_collection():
    gc.disable()  # it would search what is imported again and again


def pytest_collection_finish():
    """Spare the garbage collector what was imported, as `gc_tutorial.start` does: a fourth of the time of all tests."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def spared():
    """The same for what a file of tests leaves behind: Keras collects garbage before each of many short trainings."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def synthetic():
    """128 and 64 synthetic images at 94×94 pixels."""
    from gc_tutorial import load_data

    return load_data("synthetic_small", 94)
