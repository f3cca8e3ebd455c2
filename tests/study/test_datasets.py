import hashlib
import warnings

import numpy as np
import pytest
from PIL import Image

from gc_tutorial.errors import DataError
from gc_tutorial.study import datasets


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


@pytest.mark.parametrize("name", ["digits", "mnist1d"])
def test_five_seeds_hold_each_example_out_once(name):
    if name == "mnist1d":
        pytest.importorskip("mnist1d")
    rotation = [datasets.examples(name, 8, seed) for seed in range(100, 105)]
    held_out = [digest(one) for found in rotation for one in found.heldout[0]]
    everything = {digest(one) for part in (rotation[0].train, rotation[0].heldout) for one in part[0]}
    assert set(held_out) == everything
    assert len(held_out) == sum(len(part[0]) for part in (rotation[0].train, rotation[0].heldout))
    for found in rotation:
        assert found.shifted is None
        assert found.classes == len(set(found.train[1])) == len(set(found.heldout[1])) == 10


def test_another_rotation_is_another_partition():
    first, again, other = (datasets.examples("digits", 8, seed) for seed in (100, 100, 105))
    np.testing.assert_array_equal(first.heldout[0], again.heldout[0])
    assert not np.array_equal(first.heldout[1], other.heldout[1])


def test_fewer_training_examples_are_a_stratified_draw_by_the_seed():
    few = datasets.examples("digits", 8, 100, train_examples=200)
    assert len(few.train[1]) == 200
    assert np.ptp(np.bincount(few.train[1])) <= 2
    np.testing.assert_array_equal(few.heldout[0], datasets.examples("digits", 8, 100).heldout[0])
    with pytest.raises(DataError, match="train_examples=5000 is not below"):
        datasets.examples("digits", 8, 100, train_examples=5000)


def test_the_table_of_figures_has_what_was_published():
    figures = datasets.training_figures()
    kinds = figures["figure"].str.rstrip("0123456789")
    assert kinds.value_counts().to_dict() == {"human": 527, "horse": 500}
    assert figures["figure"].nunique() == 67
    assert (figures["index"] == np.arange(1027)).all()
    assert figures["name"].is_unique
    assert [name.split("/")[1].split("-")[0] for name in figures["name"]] == figures["figure"].tolist()


@pytest.fixture
def pretended_horses(monkeypatch):
    """The real labels, and images that tell their own place, without the real data."""
    figures = datasets.training_figures()["figure"].to_numpy(str)
    labels = np.char.startswith(figures, "human").astype(np.int64)
    images = np.zeros((1027, 2, 2, 3), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.arange(1027) // 256, np.arange(1027) % 256

    class Test:
        def as_numpy_iterator(self):
            return iter([(images[0], 0), (images[1], 1)])

    class Data:
        train_images, train_labels, test = images, labels, Test()

    monkeypatch.setattr(datasets, "load_data", lambda *arguments, **keywords: Data)
    kept = (datasets._load, datasets._folds_of, datasets.examples)
    for cached in kept:
        cached.cache_clear()
    yield Data
    for cached in kept:
        cached.cache_clear()


def places(images):
    return images[:, 0, 0, 0].astype(int) * 256 + images[:, 0, 0, 1]


def test_no_figure_is_in_training_and_held_out(pretended_horses):
    figures = datasets.training_figures()["figure"].to_numpy(str)
    held_out = []
    for seed in range(100, 105):
        found = datasets.examples("horses_or_humans", 2, seed)
        train, heldout = set(figures[places(found.train[0])]), set(figures[places(found.heldout[0])])
        assert not train & heldout
        assert found.figures.tolist() == figures[places(found.heldout[0])].tolist()
        assert 0.35 < found.heldout[1].mean() < 0.65
        assert len(found.shifted[0]) == 2
        held_out += heldout
    assert len(held_out) == len(set(held_out)) == 67


def test_horses_in_another_order_are_refused(pretended_horses):
    pretended_horses.train_labels = pretended_horses.train_labels[::-1]
    with pytest.raises(DataError, match="not in the same order as the table of individuals"):
        datasets.examples("horses_or_humans", 2, 100)


def test_equal_pictures_of_a_folder_stay_together(tmp_path, monkeypatch):
    for label, shade in (("cats", 0), ("dogs", 100)):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for number in range(15):
            picture = Image.new("RGB", (4, 4), (shade + number // 3, 0, 0))  # each of five pictures three times
            picture.save(tmp_path / "pets" / label / f"{number}.png")
    monkeypatch.setenv("GC_TUTORIAL_IMAGE_SETS", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(100, 105):
            found = datasets.examples("pets", 4, seed)
            assert not set(map(digest, found.train[0])) & set(map(digest, found.heldout[0]))
            assert sorted(found.heldout[1]) == [0, 0, 0, 1, 1, 1]


def test_an_unknown_data_set_is_told_before_training(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"no data set 'pets'. Choose from: digits, mnist1d, .* --images"):
        datasets.check_names(["digits", "pets"])
    (tmp_path / "pets.zip").touch()
    monkeypatch.setenv("GC_TUTORIAL_IMAGE_SETS", str(tmp_path))
    datasets.check_names(["digits", "horses_or_humans", "pets"])
