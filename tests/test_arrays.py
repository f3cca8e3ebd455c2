from collections import namedtuple

import numpy as np
import pytest

from gc_tutorial import load_data, training_batches
from gc_tutorial.data import arrays
from gc_tutorial.errors import DataError


@pytest.fixture
def no_memory(monkeypatch, tmp_path):
    """Every image is kept in a file; returns the folder of that file."""
    monkeypatch.setattr(arrays, "MAX_IN_MEMORY", 0)
    monkeypatch.setattr(arrays.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_images_kept_in_a_file_are_the_same(no_memory, synthetic):
    kept = load_data("synthetic_small", 94)
    assert isinstance(kept.train_images.base, np.memmap)
    assert not isinstance(synthetic.train_images.base, np.memmap)
    np.testing.assert_array_equal(kept.train_images, synthetic.train_images)
    for one, other in zip(kept.test.batch(64), synthetic.test.batch(64), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
    batches = [training_batches(data.train_images, data.train_labels, 50, seed=3) for data in (kept, synthetic)]
    for one, other in zip(*batches, strict=True):
        np.testing.assert_array_equal(one[0], other[0])


def test_the_file_is_deleted_even_if_the_process_is_killed(no_memory):
    images = arrays.allocate(4, 10)
    images[:] = 7
    assert images.sum() == 7 * 4 * 10 * 10 * 3
    assert list(no_memory.iterdir()) == []  # it has no name any more, and so cannot be left behind


def test_the_limit_is_one_gibibyte(no_memory, monkeypatch):
    monkeypatch.undo()
    assert arrays.allocate(3976, 300).base is None
    assert isinstance(arrays.allocate(3977, 300).base, np.memmap)


def test_a_full_disk_is_told_before_anything_is_written(no_memory, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(arrays.shutil, "disk_usage", lambda folder: usage(2**40, 2**40, 2**20))
    with pytest.raises(DataError, match=r"20,000 images at 300×300 pixels need 5\.0 GiB.*0\.0 GiB free.*TMPDIR"):
        arrays.allocate(20_000, 300)
