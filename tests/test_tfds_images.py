"""Any image classification set of TFDS, shown on a small one that is defined here."""

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from gc_tutorial import compare, load_data
from gc_tutorial.__main__ import main
from gc_tutorial.data import download, tfds_builders
from gc_tutorial.errors import DataError
from gc_tutorial.study import datasets

COLOURS = np.array([[200, 10, 10, 255], [10, 200, 10, 51], [10, 10, 200, 0]], np.uint8)
NAMES = ("red", "green", "blue")


OTHERS = {"other_picture": tfds.features.Image(), "other_colour": tfds.features.ClassLabel(names=("a", "b"))}


def picture(number, channels=3, dtype=np.uint8):
    """Four pixels of the class's colour, brighter by the number, so that none is like another."""
    image = np.tile(COLOURS[number % 3], (2, 2, 1))
    image[..., :3] += np.uint8(number)
    return (image[..., :channels].astype(dtype) * (256 if dtype == np.uint16 else 1)).astype(dtype)


class SmallColours(tfds.core.GeneratorBasedBuilder):
    """Red, green and blue pictures in the forms that sets of TFDS have."""

    VERSION = tfds.core.Version("1.2.3")
    SPLITS = {  # noqa: RUF012
        "plain": {"train": 12, "test": 6},
        "one_split": {"train": 30},
        "another_name": {"everything": 30},
        "validated": {"train": 12, "validation": 6},
        "competition": {"train": 12, "validation": 6, "test": 3},
        "no_train": {"first": 3, "second": 3},
        "rare": {"train": 4},
    }
    FORMS = (
        "grey",
        "clear",
        "deep",
        "supervised",
        "unsupervised",
        "no_label",
        "no_image",
        "float_image",
        "one_class",
        "broken",
    )
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name) for name in (*SPLITS, *FORMS)]  # noqa: RUF012

    def _info(self):
        form = self.builder_config.name
        channels, dtype = {"grey": (1, np.uint8), "clear": (4, np.uint8), "deep": (3, np.uint16)}.get(
            form, (3, np.uint8)
        )
        names = NAMES[:1] if form == "one_class" else NAMES
        features = {
            "note": tfds.features.Text(),
            "number": tfds.features.Scalar(tf.int64),
            "picture": tfds.features.Image(shape=(2, 2, channels), dtype=dtype),
            "colour": tfds.features.ClassLabel(names=names),
        }
        if form == "no_label":
            del features["colour"]
        if form == "no_image":
            del features["picture"]
        if form == "float_image":
            features["picture"] = tfds.features.Image(shape=(2, 2, 1), dtype=np.float32)
        if form == "unsupervised":
            features |= OTHERS
        if form == "supervised":
            features = OTHERS | features
        supervised = None if form in ("unsupervised", "no_label", "no_image") else ("picture", "colour")
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), supervised_keys=supervised
        )

    def _split_generators(self, dl_manager):
        if self.builder_config.name == "broken":
            raise OSError("this server is closed\nwith a long page")
        splits = self.SPLITS.get(self.builder_config.name, self.SPLITS["plain"])
        return {name: self._generate_examples(name, count) for name, count in splits.items()}

    def _generate_examples(self, split, count):
        form = self.builder_config.name
        feature = self.info.features["picture"]
        for number in range(count):
            label = int(number == 3) if form == "rare" else number % 3
            hidden = form == "competition" and split == "test"
            image = picture(number, feature.shape[-1], feature.np_dtype)
            example = {"note": "", "number": number, "picture": image, "colour": -1 if hidden else label}
            if form in ("supervised", "unsupervised"):
                example |= {"other_picture": np.zeros((5, 5, 3), np.uint8), "other_colour": 0}
            yield number, example


def load(form, size=2, **options):
    return load_data(f"tfds:small_colours/{form}", size, **options)


def pixels(images):
    """The first pixel of each image, sorted, to compare them in any order."""
    return sorted(map(tuple, np.asarray(images)[:, 0, 0].tolist()))


# ----- what is read


def test_a_set_gives_what_every_source_gives(capsys):
    data = load("plain", 4)
    assert data.train_images.shape == (12, 4, 4, 3) and data.train_images.dtype == np.uint8
    assert data.train_labels.dtype == np.int64 and sorted(np.bincount(data.train_labels)) == [4, 4, 4]
    assert len(data.test) == 6
    assert data.info.features["label"].names == list(NAMES)
    assert data.info.features["image"].shape == (4, 4, 3)
    assert {name: split.num_examples for name, split in data.info.splits.items()} == {"train": 12, "test": 6}
    assert data.info.full_name.startswith("small_colours/plain-") and data.info.full_name.endswith("/1.2.3")
    assert capsys.readouterr() == ("small_colours of TFDS (red, green, blue): 12 train and 6 test, 4×4 pixels.\n", "")


def test_no_warning_of_tfds_is_shown():
    """It would be kept in a notebook; absl writes past what pytest captures."""
    code = "from gc_tutorial import load_data; load_data('synthetic_small', 20)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert "deprecated" not in done.stderr
    assert done.stdout == "Synthetic images: 128 train and 64 test, 20×20 pixels.\n"


def test_images_and_labels_belong_together():
    data = load("plain")
    numbers = data.train_images[:, 0, 0].astype(int) - COLOURS[data.train_labels, :3]
    assert sorted(numbers[:, 0]) == list(range(12))
    assert (numbers == numbers[:, :1]).all()


def test_grey_images_become_rgb():
    data = load("grey")
    assert (data.train_images == data.train_images[..., :1]).all()
    assert pixels(data.train_images) == sorted((int(picture(number)[0, 0, 0]),) * 3 for number in range(12))


def test_transparent_images_stand_on_white():
    data = load("clear")
    opacity = COLOURS[data.train_labels, 3:] / 255
    colours = pixels(load("plain").train_images)
    assert pixels(data.train_images[data.train_labels == 0]) == [one for one in colours if one[0] >= 200]
    assert (data.train_images[data.train_labels == 2] == 255).all()
    half = data.train_images[data.train_labels == 1][:, 0, 0]
    assert ((half[:, 1] > 200) & (half[:, 0] > 200)).all() and opacity.min() == 0


def test_images_of_16_bits_keep_their_upper_half():
    assert pixels(load("deep").train_images) == pixels(load("plain").train_images)


@pytest.mark.parametrize("form", ["supervised", "unsupervised"])
def test_the_supervised_keys_or_else_the_first_image_and_label_are_taken(form):
    data = load(form)
    assert pixels(data.train_images) == pixels(load("plain").train_images)
    assert data.info.features["label"].names == list(NAMES)


@pytest.mark.parametrize("form", ["validated", "competition"])
def test_the_first_split_with_labels_is_held_out(form):
    data = load(form)
    assert (len(data.train), len(data.test)) == (12, 6)
    assert pixels([image for image, _ in data.test.as_numpy_iterator()]) == pixels([picture(n) for n in range(6)])


@pytest.mark.parametrize("form", ["one_split", "another_name"])
def test_a_set_of_one_split_is_split_by_class_and_seed(form):
    first, again, other = (load(form, test_fraction=0.2, seed=seed) for seed in (0, 0, 1))
    held_out = [list(data.test.as_numpy_iterator()) for data in (first, again, other)]
    assert [sorted(np.bincount([label for _, label in part])) for part in held_out] == [[2, 2, 2]] * 3
    parts = [pixels([image for image, _ in part]) for part in held_out]
    assert parts[0] == parts[1] != parts[2]
    everything = pixels([*first.train_images, *(image for image, _ in held_out[0])])
    assert everything == pixels([picture(number) for number in range(30)])
    numbers = first.train_images[:, 0, 0, 0].astype(int) - COLOURS[first.train_labels, 0]
    assert sorted(numbers % 3) == sorted(first.train_labels)
    assert first.info.full_name == again.info.full_name != other.info.full_name


# ----- what cannot be read


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("tfds:beanz", r"TFDS has no data set 'beanz'. Did you mean .*beans.*\? All of them: https://"),
        ("tfds:qqqqqqqqqqqqqqq", "TFDS has no data set 'qqqqqqqqqqqqqqq'. All of them: https://"),
        (
            "tfds:small_colours/plane",
            "no configuration 'plane'. Did you mean plain.* It has: plain, one_split, .*, ...",
        ),
        ("tfds:", "'tfds:' is not valid. Give tfds:NAME or tfds:NAME/CONFIG, such as tfds:beans."),
        ("tfds:../beans", "is not valid. Give tfds:NAME"),
        ("tfds:huggingface:beans", "is not valid. Give tfds:NAME"),
        ("tfds:small_colours:9.9.9", "tfds:small_colours:9.9.9 cannot be used: "),
        ("tfds:small_colours/no_image", "has no images of 8 or 16 bits. Its features are: .*note, number"),
        ("tfds:small_colours/float_image", "has no images of 8 or 16 bits"),
        ("tfds:small_colours/no_label", "has no label of two classes or more. Its features are: .*picture"),
        ("tfds:small_colours/one_class", "has no label of two classes or more"),
        ("tfds:imdb_reviews", "has no images of 8 or 16 bits. Its features are: text, label. Choose another set from"),
        ("tfds:small_colours/no_train", "no split of labelled images to train on. Its splits are: first, second."),
        ("tfds:small_colours/rare", "has nothing to hold out, and cannot be split by class: "),
        ("tfds:small_colours/broken", "could not be prepared in .*: .*this server is closed"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(source, told, capsys):
    with pytest.raises(DataError, match=told) as error:
        load_data(source, 2)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("fraction", [0, 1, -1, 1.5])
def test_a_fraction_that_leaves_nothing_is_refused(fraction):
    with pytest.raises(DataError, match=r"test_fraction=.* is not valid. Give a number between 0 and 1"):
        load("one_split", test_fraction=fraction)


def test_a_damaged_description_names_the_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    folder = tmp_path / "small_colours" / "plain" / "1.2.3"
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text("{")
    with pytest.raises(
        DataError, match=r"small_colours/plain cannot be used: .*If the files in .* are damaged, delete"
    ):
        load("plain")


def test_damaged_files_name_the_folder_to_delete():
    load("plain")
    folder = Path(tfds.builder("small_colours/plain").data_dir)
    kept = shutil.copytree(folder, folder.with_name("kept"))
    try:
        for shard in folder.glob("*train*.tfrecord*"):
            shard.write_bytes(b"")
        with pytest.raises(DataError, match=rf"The prepared data set in {folder} is damaged .*Delete this folder"):
            load("plain")
    finally:
        shutil.rmtree(folder)
        kept.rename(folder)


# ----- a download


@pytest.fixture
def no_download(monkeypatch):
    monkeypatch.setattr(download, "prepare", lambda *arguments: pytest.fail("downloaded"))
    monkeypatch.setattr(download, "can_download", lambda url: False)


def test_without_network_a_set_is_not_asked_for_long(no_download):
    with pytest.raises(DataError, match=r"tfds:mnist is not on this machine, and \S+ does not answer. Connect"):
        load_data("tfds:mnist", 28)


def test_a_set_that_is_fetched_by_hand_says_so(no_download):
    with pytest.raises(DataError, match=r"tfds:imagenet2012 has to be downloaded by hand.*download_and_prepare"):
        load_data("tfds:imagenet2012", 28)


def test_a_large_download_is_not_begun_unasked(no_download, monkeypatch):
    with pytest.raises(DataError, match="tfds:kitti has no label"):
        load_data("tfds:kitti", 28)
    monkeypatch.setattr(tfds_builders, "LARGEST_DOWNLOAD", 2**20)
    with pytest.raises(DataError, match=r"tfds:food101 is a download of up to 5 GiB, and the limit without asking is"):
        load_data("tfds:food101", 28)


def test_a_disk_without_room_is_told_before_a_download(no_download, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: namedtuple("Usage", "free")(2**20))
    with pytest.raises(DataError, match=r"tfds:beans is a download of up to 0.2 GiB, and .* has 0.0 GiB free. Make"):
        load_data("tfds:beans", 28)


def test_a_download_that_fails_is_told(monkeypatch, capsys):
    monkeypatch.setattr(download, "can_download", lambda url: True)
    monkeypatch.setattr(download, "PREPARE", "raise ConnectionResetError('connection lost')")
    with pytest.raises(
        DataError, match=r"tfds:mnist could not be prepared in .*: ConnectionResetError: connection lost"
    ):
        load_data("tfds:mnist", 28)
    assert "Downloading tfds:mnist (up to 11 MiB) from storage.googleapis.com" in capsys.readouterr().out


def test_a_set_in_a_folder_that_cannot_be_written_to_is_found(monkeypatch, tmp_path):
    """And one that is not there is prepared where there is room."""
    load("plain")
    original = Path(tfds.builder("small_colours/plain").data_dir)
    shared, room = tmp_path / "shared", tmp_path / "room"
    shutil.copytree(original, shared / original.relative_to(original.parents[2]))
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(shared))
    monkeypatch.setattr(tfds_builders, "folder_of_tfds", lambda: room)
    load("plain")
    assert not room.exists()
    load("validated")
    assert list(room.glob("small_colours/validated/*/dataset_info.json"))


# ----- comparisons and studies


def test_compare_takes_it(tmp_path):
    arguments = {"image_size": 94, "epochs": 1, "seeds": 1, "arms": ["none"], "progress": False}
    table = compare("tfds:small_colours/plain", folder=tmp_path, **arguments)
    assert table["status"].tolist() == ["finished"]
    assert table["data"].str.startswith("small_colours/plain-").all()


def test_a_study_takes_it(tmp_path, capsys):
    plan = tmp_path / "plan.toml"
    plan.write_text(
        '[seeds]\ntuning = [100]\n[[runs]]\ndata = "tfds:small_colours/one_split"\nnetwork = "small_cnn"\n'
        "image_size = 24\nlearning_rate = 0.001\nepochs = 1\n"
    )
    assert main(["study", str(plan), str(tmp_path / "runs"), "--tables", str(tmp_path / "tables")]) == 0
    (run,) = pd.read_csv(tmp_path / "tables" / "runs.csv").to_dict("records")
    assert run["data"] == "tfds:small_colours/one_split"
    assert run["run"].startswith("tfds_small_colours_one_split-small_cnn")
    capsys.readouterr()
    assert main(["restore", str(plan), str(tmp_path / "tables"), str(tmp_path / "again")]) == 0
    assert "1 runs were put back" in capsys.readouterr().out


def test_a_study_finds_out_first_whether_it_can_be_had():
    datasets.check_names(["digits", "tfds:small_colours/plain"])
    with pytest.raises(DataError, match="TFDS has no data set 'beanz'"):
        datasets.check_names(["digits", "tfds:beanz"])


def test_folds_of_a_study_take_all_examples():
    found = [datasets.examples("tfds:small_colours/validated", 2, seed) for seed in range(100, 105)]
    assert sum(len(one.heldout[1]) for one in found) == 18
    assert found[0].classes == 3
