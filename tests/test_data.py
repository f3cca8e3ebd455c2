import hashlib
import socket
import time

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from gc_tutorial import data, load_data
from gc_tutorial.drawn import draw


def write_image(path, size=(40, 30), colour=(200, 10, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def folder(tmp_path):
    """Two classes, two images of each in each split."""
    for split in ("train", "test"):
        for number, name in enumerate(("cats", "dogs")):
            for image in range(2):
                write_image(tmp_path / split / name / f"{image}.png", colour=(100 * number, 50 * image, 0))
    return tmp_path


@pytest.fixture
def no_network(monkeypatch):
    """A server that refuses at once."""
    monkeypatch.setattr(data, "DOWNLOAD", "http://127.0.0.1:9/nothing.zip")


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


def test_drawn_set_has_the_shape_of_the_real_one(drawn):
    assert drawn.info.features["image"].shape == (300, 300, 3)
    assert drawn.info.features["label"].names == ["horses", "humans"]
    builder_info = data.DrawnHorsesOrHumans(config="full").COUNTS["full"]
    assert builder_info == {"train": 1027, "test": 256}


# ----- what every source gives


def test_elements_are_uint8_images_and_whole_number_labels(drawn):
    for dataset, count in ((drawn.train, 128), (drawn.test, 64)):
        assert len(dataset) == count
        images, labels = next(iter(dataset.batch(count)))
        assert (images.shape, images.dtype.name) == ((count, 94, 94, 3), "uint8")
        assert sorted(np.bincount(labels)) == [count // 2, count // 2]
    np.testing.assert_array_equal(drawn.train_images, next(iter(drawn.train.batch(128)))[0])


def test_images_are_in_the_same_order_every_time(drawn):
    again = load_data("drawn_small", 94)
    np.testing.assert_array_equal(again.train_images, drawn.train_images)
    np.testing.assert_array_equal(again.train_labels, drawn.train_labels)


def test_a_folder_gives_the_same_elements(folder):
    loaded = load_data(folder, 20)
    assert loaded.info.features["label"].names == ["cats", "dogs"]
    assert (len(loaded.train), len(loaded.test)) == (4, 4)
    assert (loaded.train_images.shape, loaded.train_images.dtype) == ((4, 20, 20, 3), np.uint8)
    assert load_data(str(folder), 20).train_images.shape == (4, 20, 20, 3)


# ----- the real images


def test_prepared_images_are_found_without_asking_the_network(monkeypatch):
    monkeypatch.setattr(data, "can_download", lambda: pytest.fail("asked the network"))
    monkeypatch.setattr(data, "_is_prepared", lambda builder: True)
    assert data._find_builder("auto").name == "horses_or_humans"
    assert data._find_builder("horses_or_humans").name == "horses_or_humans"


def test_auto_draws_without_network_and_says_so(no_network, monkeypatch, capsys):
    small = data._drawn_builder("small")
    monkeypatch.setattr(data, "_drawn_builder", lambda config: small)
    assert load_data("auto", 94).info.name == "drawn_horses_or_humans"
    said = capsys.readouterr().out
    assert "cannot be downloaded: using drawn images instead" in said
    assert "Drawn images: 128 train and 64 test" in said


def test_a_download_that_breaks_off_is_told_and_not_fatal(monkeypatch, capsys):
    monkeypatch.setattr(data, "can_download", lambda: True)

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
        monkeypatch.setattr(data, "DOWNLOAD", f"http://127.0.0.1:{silent.getsockname()[1]}/x.zip")
        began = time.monotonic()
        assert not data.can_download(seconds=0.5)
        assert time.monotonic() - began < 5  # TFDS itself would try for minutes


def test_a_tfds_folder_that_cannot_be_written_to_is_no_obstacle(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path / "file"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(data.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    assert data._drawn_builder("small").is_prepared()


# ----- bad folders


def remove(*paths):
    def change(folder):
        for path in paths:
            target = folder / path
            for file in target.rglob("*"):
                if file.is_file():
                    file.unlink()
            for sub in sorted(target.rglob("*"), reverse=True):
                sub.rmdir()
            target.rmdir()

    return change


def empty(path):
    def change(folder):
        for file in (folder / path).iterdir():
            file.unlink()

    return change


def truncate(path):
    def change(folder):
        content = (folder / path).read_bytes()
        (folder / path).write_bytes(content[: len(content) // 2])

    return change


def write(path, content):
    return lambda folder: (folder / path).write_bytes(content)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (remove("train/cats", "train/dogs"), ["train holds no classes", "image.png"]),
        (remove("test"), ["test holds no classes"]),
        (remove("train/dogs"), ["only one class, 'cats'", "two or more"]),
        (lambda folder: (folder / "train" / "owls").mkdir(), ["train holds 3 classes (cats, dogs, owls)", "two apart"]),
        (empty("train/dogs"), ["No images in", "train/dogs"]),
        (lambda folder: (folder / "test" / "dogs").rename(folder / "test" / "wolves"), ["differ", "wolves"]),
        (truncate("test/cats/1.png"), ["1 of 8 files", "test/cats/1.png"]),
        (write("train/cats/0.png", b"not an image at all"), ["train/cats/0.png: not an image"]),
        (write("train/cats/0.png", b""), ["train/cats/0.png: not an image"]),
        (write("train/cats/notes.txt", b"hello"), ["train/cats/notes.txt", "its ending is not one of .png, .jpg"]),
    ],
)
def test_a_folder_that_cannot_be_used_is_explained(folder, change, told):
    change(folder)
    with pytest.raises(data.DataError) as error:
        load_data(folder)
    for part in told:
        assert part in str(error.value).replace("\\", "/")


def test_at_most_ten_broken_files_are_named(folder):
    for number in range(15):
        (folder / "train" / "cats" / f"broken{number:02}.png").write_bytes(b"x")
    with pytest.raises(data.DataError) as error:
        load_data(folder)
    assert "15 of 23 files" in str(error.value)
    assert "broken09.png" in str(error.value)
    assert "broken10.png" not in str(error.value)
    assert "and 5 more" in str(error.value)


def test_hidden_files_and_folders_are_ignored(folder):
    (folder / "train" / ".ipynb_checkpoints").mkdir()
    (folder / "train" / "cats" / ".DS_Store").write_bytes(b"x")
    assert len(load_data(folder, 20).train) == 4


@pytest.mark.parametrize("source", ["horses", "no/such/folder"])
def test_an_unknown_source_is_named_with_what_is_known(source):
    with pytest.raises(data.DataError) as error:
        load_data(source)
    assert repr(source) in str(error.value)
    for known in ("auto", "horses_or_humans", "drawn"):
        assert known in str(error.value)


def test_a_broken_folder_is_left_as_it_was(folder):
    truncate("test/cats/1.png")(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(data.DataError):
        load_data(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
