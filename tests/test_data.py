import hashlib
import socket
import time

import numpy as np
import pytest
import tensorflow_datasets as tfds

from gc_tutorial import data, load_data
from gc_tutorial.data import horses_or_humans
from gc_tutorial.data.synthetic import draw


@pytest.fixture
def no_network(monkeypatch):
    """A server that refuses at once."""
    monkeypatch.setattr(horses_or_humans, "DOWNLOAD", "http://127.0.0.1:9/nothing.zip")


# ----- the drawn images


def test_drawn_images_are_the_same_bytes_on_every_machine():
    digest = hashlib.sha256()
    for split in ("train", "test"):
        for number in (0, 1, 500, 501):
            digest.update(draw(split, number).tobytes())
    assert digest.hexdigest()[:16] == "c00947de10a6f766"


def test_drawn_test_images_stand_on_white_and_training_images_do_not():
    corners = {
        split: [draw(split, n)[[0, 0, -1, -1], [0, -1, 0, -1]] for n in range(20)] for split in ("train", "test")
    }
    assert (np.array(corners["test"]) == 255).all()
    assert (np.array(corners["train"]) < 255).all()


def test_drawn_set_has_the_shape_of_the_real_one(synthetic):
    assert synthetic.info.features["image"].shape == (300, 300, 3)
    assert synthetic.info.features["label"].names == ["horses", "humans"]
    builder_info = data.SyntheticHorsesOrHumans(config="full").COUNTS["full"]
    assert builder_info == {"train": 1027, "test": 256}


# ----- what every source gives


def test_elements_are_uint8_images_and_whole_number_labels(synthetic):
    for dataset, count in ((synthetic.train, 128), (synthetic.test, 64)):
        assert len(dataset) == count
        images, labels = next(iter(dataset.batch(count)))
        assert (images.shape, images.dtype.name) == ((count, 94, 94, 3), "uint8")
        assert sorted(np.bincount(labels)) == [count // 2, count // 2]
    np.testing.assert_array_equal(synthetic.train_images, next(iter(synthetic.train.batch(128)))[0])


def test_images_are_in_the_same_order_every_time(synthetic):
    again = load_data("synthetic_small", 94)
    np.testing.assert_array_equal(again.train_images, synthetic.train_images)
    np.testing.assert_array_equal(again.train_labels, synthetic.train_labels)


# ----- the real images


def test_prepared_images_are_found_without_asking_the_network(monkeypatch):
    monkeypatch.setattr(horses_or_humans, "can_download", lambda: pytest.fail("asked the network"))
    monkeypatch.setattr(data, "_is_prepared", lambda builder: True)
    assert data._find_builder("auto").name == "horses_or_humans"
    assert data._find_builder("horses_or_humans").name == "horses_or_humans"


def test_auto_draws_without_network_and_says_so(no_network, monkeypatch, capsys):
    small = data._drawn_builder("small")
    monkeypatch.setattr(data, "_drawn_builder", lambda config: small)
    assert load_data("auto", 94).info.name == "synthetic_horses_or_humans"
    said = capsys.readouterr().out
    assert "cannot be downloaded: using drawn images instead" in said
    assert "Drawn images: 128 train and 64 test" in said


def test_a_download_that_breaks_off_is_told_and_not_fatal(monkeypatch, capsys):
    monkeypatch.setattr(horses_or_humans, "can_download", lambda: True)

    def breaks_off(self):
        raise ConnectionResetError("the line went dead")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", breaks_off)
    with pytest.raises(data.DataError, match="could not be downloaded"):
        load_data("horses_or_humans")
    assert "the line went dead" in capsys.readouterr().out


def test_the_real_images_without_network_say_how_to_get_them(no_network):
    with pytest.raises(data.DataError) as error:
        load_data("horses_or_humans")
    for part in ("could not be downloaded", "TFDS_DATA_DIR", "source='drawn'"):
        assert part in str(error.value)


def test_the_probe_gives_up_on_a_server_that_never_answers(monkeypatch):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(horses_or_humans, "DOWNLOAD", f"http://127.0.0.1:{silent.getsockname()[1]}/x.zip")
        began = time.monotonic()
        assert not horses_or_humans.can_download(seconds=0.5)
        assert time.monotonic() - began < 5  # TFDS itself would try for minutes


def test_a_tfds_folder_that_cannot_be_written_to_is_no_obstacle(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path / "file"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(data.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    assert data._drawn_builder("small").is_prepared()
