import _thread
import errno
import hashlib
import http.server
import shutil
import socket
import sys
import threading
import time
import types
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from gc_tutorial import load_data
from gc_tutorial.data import download, horses_or_humans, prepared
from gc_tutorial.data import synthetic as drawing
from gc_tutorial.data.synthetic import draw
from gc_tutorial.errors import DataError


@pytest.fixture
def no_network(monkeypatch):
    """A server that refuses at once: nobody listens at its port, and nobody else can take it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(horses_or_humans, "DOWNLOAD", f"http://127.0.0.1:{taken.getsockname()[1]}/nothing.zip")
        yield


# ----- the synthetic images


def test_synthetic_images_are_the_same_bytes_on_every_machine():
    digest = hashlib.sha256()
    for split in ("train", "test"):
        for number in (0, 1, 500, 501):
            digest.update(draw(split, number).tobytes())
    assert digest.hexdigest()[:16] == "c00947de10a6f766"


def test_synthetic_test_images_stand_on_white_and_training_images_do_not():
    corners = {
        split: [draw(split, n)[[0, 0, -1, -1], [0, -1, 0, -1]] for n in range(20)] for split in ("train", "test")
    }
    assert (np.array(corners["test"]) == 255).all()
    assert (np.array(corners["train"]) < 255).all()


def test_synthetic_set_has_the_shape_of_the_real_one(synthetic, monkeypatch, tmp_path):
    assert synthetic.info.features["image"].shape == (300, 300, 3)
    assert synthetic.info.features["label"].names == ["horses", "humans"]
    monkeypatch.setattr(drawing, "draw", lambda split, number: number)
    builder = drawing.SyntheticHorsesOrHumans(config="full", data_dir=tmp_path)
    for split, count in (("train", 1027), ("test", 256)):
        examples = [example for _, example in builder._generate_examples(split)]
        assert [example["image"] for example in examples] == list(range(count))
        assert {example["label"] for example in examples} == {"horses", "humans"}


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


def test_an_image_is_resized_by_the_average_of_its_areas_and_rounded():
    """To the nearest number: to cut off the fraction would darken every image by half a level."""
    builder = drawing.prepared_builder("small")
    images, labels = prepared.read_split(builder, "train[:2]", 75)
    for number in range(2):
        (original,) = builder.as_dataset(split=f"train[{number}:{number + 1}]").map(lambda one: one["image"])
        means = original.numpy().reshape(75, 4, 75, 4, 3).mean(axis=(1, 3))
        np.testing.assert_array_equal(images[number], np.round(means))  # both round a half to the even number
    assert labels.shape == (2,)


@pytest.mark.parametrize(
    "size", [0, -1, 1.5, 150.0, "150", None, True, pytest.param(10**400, id="large"), pytest.param(10**5000, id="long")]
)
def test_a_size_that_is_no_whole_number_is_refused(size):
    with pytest.raises(
        DataError, match=r"image_size=.* is not valid. Give a whole number of pixels from 1 to 1,000,000"
    ):
        load_data("synthetic_small", size)


def test_a_size_may_be_a_number_of_numpy(synthetic):
    data = load_data("synthetic_small", np.int64(94))
    np.testing.assert_array_equal(data.train_images, synthetic.train_images)


@pytest.mark.parametrize("source", ["tfds:/beans", "tfds://beans", "TFDS://beans"])
def test_a_set_of_tfds_is_no_web_address(source):
    with pytest.raises(DataError, match=f"^'{source}' is not valid. Give tfds:NAME or tfds:NAME/CONFIG, such as"):
        load_data(source)


def test_a_folder_wrapped_too_deep_says_how_deep_is_read(tmp_path):
    for name in ("cats", "dogs"):
        folder = tmp_path.joinpath(*"12345678", name)
        folder.mkdir(parents=True)
        (folder / "1.png").write_bytes(b"a picture")
    with pytest.raises(DataError, match=r"has its files more than 6 folders deep.*Give the folder that holds the cl"):
        load_data(tmp_path)
    with pytest.raises(DataError, match="2 of 2 files"):  # near enough to be read, and found damaged
        load_data(tmp_path.joinpath(*"123"), on_error="raise")


# ----- the real images


@pytest.fixture
def small_instead(monkeypatch):
    """The small synthetic set where the full one would be drawn."""
    small = drawing.prepared_builder("small")
    monkeypatch.setattr(drawing, "prepared_builder", lambda config: small)


def test_prepared_images_are_found_without_asking_the_network(monkeypatch):
    monkeypatch.setattr(download, "can_download", lambda url: pytest.fail("asked the network"))
    monkeypatch.setattr(horses_or_humans, "is_prepared", lambda builder: True)
    assert horses_or_humans.prepared_builder().name == "horses_or_humans"


def test_auto_takes_synthetic_images_without_network_and_says_so(no_network, small_instead, capsys):
    assert load_data("auto", 94).info.name == "synthetic_horses_or_humans"
    said = capsys.readouterr().out
    assert "Using synthetic images instead of Horses or Humans." in said
    assert "could not be downloaded" in said
    assert "Synthetic images: 128 train and 64 test" in said


def test_the_real_images_without_network_say_how_to_get_them(no_network):
    with pytest.raises(DataError) as error:
        load_data("horses_or_humans")
    for part in ("could not be downloaded", "TFDS_DATA_DIR", "source='synthetic'"):
        assert part in str(error.value)


def test_a_download_that_fails_is_told_and_not_fatal(monkeypatch, capsys):
    monkeypatch.setattr(download, "can_download", lambda url: True)
    monkeypatch.setattr(download, "PREPARE", "raise ConnectionResetError('connection lost')")
    with pytest.raises(DataError, match="could not be downloaded"):
        load_data("horses_or_humans")
    assert "The download failed: ConnectionResetError: connection lost" in capsys.readouterr().out


def test_a_download_is_prepared_by_tfds(tmp_path):
    """The program that runs apart is right: it prepares a set that is small and needs no network."""
    code = download.PREPARE.replace("import sys,", "import sys, gc_tutorial.data.synthetic,")
    command = [
        sys.executable,
        "-c",
        code,
        "synthetic_horses_or_humans/small",
        str(tmp_path),
        str(tmp_path / "downloads"),
    ]
    assert download.run_watched(command, [tmp_path], 10**7) == ""
    assert list(tmp_path.glob("synthetic_horses_or_humans/small/*/dataset_info.json"))


def test_the_line_that_names_the_error_is_the_reason(tmp_path):
    """TFDS tells a wrong hash in several lines, the last of which is a link."""
    code = "class WrongError(Exception): pass\nraise WrongError('x.zip has wrong checksum:\\n* Got: 1\\nSee: http://x')"
    reason = download.run_watched([sys.executable, "-c", code], [tmp_path], 1)
    assert reason.removeprefix("__main__.") == "WrongError: x.zip has wrong checksum"  # Python 3.10 names the module


def test_a_download_that_stalls_is_ended(tmp_path):
    command = [sys.executable, "-c", "import time; time.sleep(500)"]
    failure = download.run_watched(command, [tmp_path], 10, stalled=1)
    assert failure == "nothing was received for 1 seconds"


def test_a_download_that_goes_on_is_not_ended(tmp_path, monkeypatch):
    """On a clock of its own: 2 seconds between one byte and the next, and more than 3 in all."""
    (received := tmp_path / "downloads").mkdir()
    now = [0]

    def sleep(seconds):
        now[0] += 2
        with (received / "file").open("ab") as file:
            file.write(b"x" * 9)
        if now[0] == 16:
            (tmp_path / "ended").touch()
        time.sleep(0.01)

    monkeypatch.setattr(download, "time", types.SimpleNamespace(sleep=sleep, monotonic=lambda: now[0]))
    code = "import os, sys, time\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.01)"
    command = [sys.executable, "-c", code, str(tmp_path / "ended")]
    assert download.run_watched(command, [received], 72, stalled=3) == ""
    assert now[0] >= 16


def test_the_first_interrupt_ends_a_download(tmp_path):
    code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(500)"
    command = [sys.executable, "-c", code, str(tmp_path / "id")]

    def interrupt():
        while not (tmp_path / "id").exists() or not (tmp_path / "id").read_text():
            time.sleep(0.05)
        _thread.interrupt_main()

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        download.run_watched(command, [tmp_path], 10)
    assert not Path("/proc", (tmp_path / "id").read_text()).exists()


def test_the_probe_gives_up_on_a_server_that_never_answers():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        assert not download.can_download(f"http://127.0.0.1:{silent.getsockname()[1]}/x.zip", seconds=0.5)
        assert time.monotonic() - began < 60  # however busy the machine is; TFDS itself would try for minutes


@pytest.mark.parametrize(("code", "expected"), [(200, True), (405, True), (403, True), (404, False), (500, False)])
def test_the_probe_accepts_a_server_that_gives_files_but_no_headers_alone(code, expected):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(code)
            self.end_headers()

        def log_message(self, *words):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert download.can_download(f"http://127.0.0.1:{server.server_port}/x.zip", seconds=30) == expected


@pytest.mark.parametrize("proxy", ["http://[bad", "nonsense", "http://127.0.0.1:port", "://"])
def test_a_malformed_proxy_counts_as_no_network(monkeypatch, proxy):
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.setattr(threading, "excepthook", lambda arguments: errors.append(arguments))
    errors = []
    assert not download.can_download(horses_or_humans.DOWNLOAD, seconds=2)
    assert errors == []


# ----- prepared data that are damaged


def shard(folder):
    return next(folder.glob("*train*.tfrecord*"))


def cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def alter(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def forget_one_example(folder):
    info = folder / "dataset_info.json"
    info.write_text(info.read_text().replace('"128"', '"129"'))


DAMAGES = {
    "a truncated shard": lambda folder: cut_in_half(shard(folder)),
    "an empty shard": lambda folder: shard(folder).write_bytes(b""),
    "a missing shard": lambda folder: shard(folder).unlink(),
    "an altered shard": lambda folder: alter(shard(folder)),
    "fewer examples than promised": forget_one_example,
}


@pytest.fixture
def copy(tmp_path):
    """The folder of a prepared set of its own, to be damaged."""
    original = Path(drawing.prepared_builder("small").data_dir)
    return Path(shutil.copytree(original, tmp_path / "copy" / original.name))


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_data_name_the_folder_to_delete(copy, damage, monkeypatch):
    DAMAGES[damage](copy)
    builder = tfds.builder_from_directory(copy)
    monkeypatch.setattr(horses_or_humans, "prepared_builder", lambda: builder)
    with pytest.raises(DataError) as error:
        load_data("horses_or_humans", 20)
    message = str(error.value)
    assert f"The prepared data set in {copy} is damaged" in message
    assert "Delete this folder" in message
    assert len(message) < 600


def test_auto_takes_synthetic_images_where_the_data_are_damaged(copy, monkeypatch, small_instead, capsys):
    cut_in_half(shard(copy))
    builder = tfds.builder_from_directory(copy)
    monkeypatch.setattr(horses_or_humans, "prepared_builder", lambda: builder)
    assert len(load_data("auto", 20).train) == 128
    said = capsys.readouterr().out
    assert "Using synthetic images instead" in said
    assert "Delete this folder" in said and str(copy) in said


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": 3}'])
def test_a_broken_description_names_the_folder_to_delete(tmp_path, monkeypatch, no_network, small_instead, content):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    folder = tmp_path / "horses_or_humans" / "3.0.0"
    folder.mkdir(parents=True)
    for name in ("dataset_info.json", "features.json"):
        (folder / name).write_text(content)
    with pytest.raises(DataError, match=r"horses_or_humans is damaged .*Delete this folder"):
        load_data("horses_or_humans", 20)
    assert load_data("auto", 20).info.name == "synthetic_horses_or_humans"


@pytest.mark.parametrize("content", ["", "{", "[]", b"\xff\xfe\x00", None], ids=repr)
def test_a_broken_description_of_synthetic_images_names_the_folder_to_delete(tmp_path, monkeypatch, content):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    folder = tmp_path / "synthetic_horses_or_humans" / "small" / "1.0.0"
    folder.mkdir(parents=True)
    if content is not None:  # None: the folder is empty
        (folder / "dataset_info.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=r"synthetic_horses_or_humans.* is damaged .*Delete this folder"):
        load_data("synthetic_small", 20)


# ----- where the synthetic images are kept


def test_a_tfds_folder_that_cannot_be_written_to_is_no_obstacle(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(prepared.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    assert prepared.folder_of_tfds() == tmp_path / "temporary" / "tensorflow_datasets"


def test_no_home_folder_is_no_obstacle(monkeypatch, tmp_path):
    """A container may run under a user whom its system does not know."""

    def unknown(number):
        raise KeyError(number)

    monkeypatch.chdir(tmp_path)  # where Keras would keep its settings
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", "~/tensorflow_datasets")
    monkeypatch.setattr(prepared.tempfile, "gettempdir", lambda: str(tmp_path))
    assert prepared.folder_of_tfds() == tmp_path / "tensorflow_datasets"
    with pytest.raises(DataError, match="There is no data source '~/photos'"):
        load_data("~/photos")


def test_an_empty_name_of_the_tfds_folder_is_the_usual_one(monkeypatch, tmp_path):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert prepared.folder_of_tfds() == tmp_path / "home" / "tensorflow_datasets"
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@pytest.mark.parametrize("source", ["auto", "horses_or_humans", "synthetic_small", "tfds:mnist"])
def test_a_bucket_as_the_tfds_folder_is_told(monkeypatch, tmp_path, no_network, source):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", "gs://bucket/x")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"^TFDS_DATA_DIR='gs://bucket/x' is not a folder on this machine\. Set it"):
        load_data(source, 20)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("source", ["auto", "horses_or_humans", "synthetic_small", "tfds:mnist"])
def test_a_tfds_folder_with_stars_is_told(monkeypatch, tmp_path, no_network, source):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path / "a**b"))
    with pytest.raises(DataError, match=r"^TFDS_DATA_DIR='.*a\*\*b' has \*\* in its name.* Set it to another folder"):
        load_data(source, 20)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), tf.errors.ResourceExhaustedError(None, None, "disk full")],
)
def test_a_full_disk_while_drawing_is_told(monkeypatch, tmp_path, error):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))

    def full(self):
        raise error

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", full)
    with pytest.raises(DataError, match=r"synthetic images cannot be written to .*(No space|full).*Make room"):
        load_data("synthetic_small", 94)


def test_a_long_message_is_cut():
    """As from a server that answers with a page, or for a folder of very many classes."""
    message = str(DataError(f"Start {'x' * 100_000} end."))
    assert message.startswith("Start x")
    assert message.endswith("x end.")
    assert len(message) < 2100
