"""Folders and zips of images, good and bad, as `load_data` reads them."""

import io
import os
import shutil
import socket
import stat
import unicodedata
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from gc_tutorial import compare, load_data
from gc_tutorial.data import decoding, image_folder
from gc_tutorial.data.arrays import allocate
from gc_tutorial.errors import DataError

SIZE = 8
_colours = np.random.default_rng(0)


def write_image(path, kind=None):
    """A picture like no other: random colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(_colours.integers(0, 256, (4, 6, 3), dtype=np.uint8))
    image.resize((60, 40), Image.Resampling.NEAREST).save(path, kind)


def write_folder(folder, classes=("cats", "dogs"), splits=("train", "test"), count=2):
    for split in splits:
        for name in classes:
            for number in range(count):
                write_image(folder / split / name / f"{number}.png")
    return folder


def pack(folder, path=None):
    """A zip of the folder, with its own name around it, as file managers pack."""
    return Path(shutil.make_archive(str(path or folder), "zip", folder.parent, folder.name))


def names(data):
    return data.info.features["label"].names


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "photos")


@pytest.fixture
def flat(tmp_path):
    """Classes of 10, 20 and 3 images, not split."""
    for name, count in (("cats", 10), ("dogs", 20), ("owls", 3)):
        write_folder(tmp_path / "flat", (name,), ("",), count)
    return tmp_path / "flat"


# ----- good folders


def test_a_folder_gives_the_same_elements_as_every_source(folder):
    data = load_data(folder, SIZE)
    assert names(data) == ["cats", "dogs"]
    assert (len(data.train), len(data.test)) == (4, 4)
    for dataset in (data.train, data.test):
        images, labels = next(iter(dataset.batch(9)))
        assert (images.shape, images.dtype, labels.dtype) == ((4, SIZE, SIZE, 3), "uint8", "int64")
        assert labels.numpy().tolist() == [0, 0, 1, 1]
    for name, image, label in zip(data.test_files, *next(iter(data.test.batch(9))), strict=True):
        np.testing.assert_array_equal(image, decoding.decode((folder / name).read_bytes(), SIZE))
        assert name.split("/")[:2] == ["test", names(data)[label]]
    assert data.info.splits["train"].num_examples == 4
    assert load_data(str(folder), SIZE).train_images.tobytes() == data.train_images.tobytes()


@pytest.mark.parametrize("form", ["photos around it", "nothing around it"])
def test_a_zip_gives_what_its_folder_gives(folder, tmp_path, form):
    packed = pack(folder) if form == "photos around it" else Path(shutil.make_archive(folder, "zip", folder))
    before = sorted(tmp_path.rglob("*"))
    first, second = load_data(folder, SIZE), load_data(packed, SIZE)
    np.testing.assert_array_equal(first.train_images, second.train_images)
    np.testing.assert_array_equal(first.train_labels, second.train_labels)
    assert first.info.full_name == second.info.full_name
    assert sorted(tmp_path.rglob("*")) == before  # nothing is unpacked


def test_a_folder_without_splits_is_split_class_by_class(flat, capsys):
    data = load_data(flat, SIZE)
    assert "Your images (cats, dogs, owls): 26 train and 7 test" in capsys.readouterr().out
    assert np.bincount(data.train_labels).tolist() == [8, 16, 2]
    assert np.bincount([label for _, label in data.test.as_numpy_iterator()]).tolist() == [2, 4, 1]
    assert load_data(flat, SIZE, test_fraction=0.5).info.splits["test"].num_examples == 5 + 10 + 2
    assert load_data(flat, SIZE, test_fraction=0.99).info.splits["train"].num_examples == 3  # one of each class is left


def test_the_split_follows_from_the_seed_and_the_names(flat, tmp_path):
    again = shutil.copytree(flat, tmp_path / "elsewhere" / "copy")
    files = load_data(flat, SIZE).test_files
    assert load_data(again, SIZE).test_files == files
    assert load_data(pack(again), SIZE).test_files == tuple(f"copy/{name}" for name in files)
    assert load_data(flat, SIZE, seed=1).test_files != files
    assert not {image.tobytes() for image, _ in load_data(flat, SIZE).test.as_numpy_iterator()} & {
        image.tobytes() for image in load_data(flat, SIZE).train_images
    }


def test_formats_may_be_mixed_and_endings_do_not_matter(folder):
    for number, kind in enumerate(("JPEG", "WEBP", "GIF", "BMP", "PNG")):
        write_image(folder / "train" / "cats" / f"more{number}.{'x' if number else 'JPG'}", kind)
    assert np.bincount(load_data(folder, SIZE).train_labels).tolist() == [7, 2]


def test_names_may_be_odd(tmp_path):
    odd = ("with space", "größe 猫 🐴", "x" * 200, "_underscore", "a'b\"c")
    folder = write_folder(tmp_path / "own pictures é", odd)
    for split in ("train", "test"):
        write_image(folder / split / odd[1] / f"{'long' * 60}.png")
        write_image(folder / split / odd[1] / "猫 (1).PNG")
    assert names(load_data(folder, SIZE)) == sorted(odd)
    assert load_data(pack(folder), SIZE).info.full_name == load_data(folder, SIZE).info.full_name


def test_a_name_that_is_no_unicode_can_be_read_and_told(folder, capsys):
    place = os.fsencode(folder / "train" / "cats")
    shutil.copy(folder / "train" / "cats" / "0.png", place + b"/\xff.png")
    Path(os.fsdecode(place + b"/bad\xfe.png")).write_bytes(b"")
    load_data(folder, SIZE, on_error="skip")
    assert "train/cats/bad\\xfe.png: empty" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("encoding", "classes", "told"),
    [
        ("cp932", ["犬", "鳥", "表"], ["犬", "表", "鳥"]),
        ("latin-1", ["été", "êté", "hiver"], ["\\xe9t\\xe9", "\\xeat\\xe9", "hiver"]),
        ("gbk", ["狗", "鸟", "plain"], None),
        ("euc-jp", ["犬", "鳥", "山"], None),
    ],
)
def test_names_in_an_encoding_of_old_on_the_disk(encoding, classes, told, folder, tmp_path):
    """As a zip that was packed under Windows is unpacked under Linux."""
    pictures = sorted((folder / "train").rglob("*.png"))
    for number, label in enumerate(classes):
        place = os.fsencode(tmp_path / "猫と犬") + b"/" + label.encode(encoding)
        os.makedirs(place)
        for path in pictures:
            write_image(Path(os.fsdecode(place)) / path.name)
        write_image(Path(os.fsdecode(place + b"/" + label.encode(encoding) + b"%d.png" % number)))
    data = load_data(tmp_path / "猫と犬", SIZE)
    assert len(names(data)) == 3
    assert names(data) == (told or names(data))
    assert sum(split.num_examples for split in data.info.splits.values()) == 3 * 3
    "".join([*names(data), *data.test_files]).encode()  # all of it can be printed


def test_one_name_in_two_unicode_forms_is_one_class(folder):
    for split, form in (("train", "NFC"), ("test", "NFD")):
        (folder / split / "cats").rename(folder / split / unicodedata.normalize(form, "Kätzchen"))
    assert names(load_data(folder, SIZE)) == ["Kätzchen", "dogs"]


def test_the_files_of_systems_and_editors_are_passed_over(folder):
    clean = load_data(folder, SIZE).info.full_name
    for hidden in (
        ".ipynb_checkpoints",
        "train/.ipynb_checkpoints",
        "train/cats/.ipynb_checkpoints",
        "__MACOSX/train/cats",
    ):
        write_image(folder / hidden / "0.png")
    for file in (".DS_Store", "train/cats/.DS_Store", "train/cats/Thumbs.db", "test/dogs/desktop.ini", "README.txt"):
        (folder / file).write_bytes(b"x")
    (folder / "validation" / "cats").mkdir(parents=True)
    assert load_data(folder, SIZE).info.full_name == clean
    assert load_data(pack(folder), SIZE).info.full_name == clean


@pytest.mark.parametrize("start", ["./", "../", "../../photos/"])
def test_where_the_names_in_a_zip_start_does_not_matter(flat, tmp_path, start):
    with zipfile.ZipFile(tmp_path / "dots.zip", "w") as packed:
        for path in flat.glob("*/*"):
            packed.write(path, start + path.relative_to(flat).as_posix())
    assert names(load_data(tmp_path / "dots.zip", SIZE)) == names(load_data(flat, SIZE))


@pytest.mark.filterwarnings("ignore:Duplicate name")  # of zipfile, for the names written twice
def test_what_a_mac_adds_to_a_zip_is_passed_over(flat):
    packed = pack(flat)
    clean = load_data(packed, SIZE)
    with zipfile.ZipFile(packed, "a") as file:
        for name in file.namelist():
            if name.endswith(".png"):
                for _ in range(2):  # one name twice, which does not matter there
                    file.writestr(f"__MACOSX/{name.replace('/0', '/._0')}", b"Mac OS X")
    assert load_data(packed, SIZE).info.full_name == clean.info.full_name


def test_links_within_a_folder_are_followed_but_not_in_circles(folder, tmp_path):
    (folder / "train" / "dogs").rename(tmp_path / "elsewhere")
    (folder / "train" / "dogs").symlink_to(tmp_path / "elsewhere")
    (folder / "circle").symlink_to(folder)
    assert len(load_data(folder, SIZE).train) == 4


def test_a_tilde_is_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert len(load_data("~/photos", SIZE).train) == 4


def test_files_that_cannot_be_used_are_skipped_on_demand(folder, capsys):
    (folder / "train" / "cats" / "0.png").write_bytes(b"")
    (folder / "train" / "cats" / "notes.txt").write_text("hello")
    data = load_data(folder, SIZE, on_error="skip")
    assert np.bincount(data.train_labels).tolist() == [1, 2]
    said = capsys.readouterr().out
    assert f"Skipped 2 of 9 files in {folder}" in said
    assert "  train/cats/0.png: empty, zero bytes\n  train/cats/notes.txt: not a PNG" in said


def test_at_most_ten_files_are_named_and_the_rest_counted(folder, capsys):
    for number in range(15):
        (folder / "train" / "cats" / f"broken{number:02}.png").write_bytes(b"x")
    with pytest.raises(DataError) as error:
        load_data(folder)
    assert "15 of 23 files" in str(error.value)
    assert "broken09.png" in str(error.value)
    assert "broken10.png" not in str(error.value)
    assert str(error.value).endswith("... and 5 more")
    load_data(folder, SIZE, on_error="skip")
    assert "... and 5 more" in capsys.readouterr().out


def test_the_same_picture_in_train_and_test_is_told_by_name(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_data(folder, SIZE)
    shutil.copy(folder / "train" / "cats" / "0.png", folder / "test" / "cats" / "same.png")
    Image.open(folder / "train" / "dogs" / "1.png").save(folder / "test" / "dogs" / "other format.bmp")
    with pytest.warns(UserWarning, match="same image is in train and in test") as warned:
        load_data(folder, SIZE)
    (warning,) = warned
    assert str(warning.message).splitlines()[1:] == [
        "  train/cats/0.png and test/cats/same.png",
        "  train/dogs/1.png and test/dogs/other format.bmp",
    ]
    assert warning.filename == __file__


def test_the_name_of_the_data_follows_their_pixels(folder):
    first = load_data(folder, SIZE).info.full_name
    assert first.startswith("your_images/")
    write_image(folder / "train" / "cats" / "0.png")
    assert load_data(folder, SIZE).info.full_name != first


def test_three_classes_can_be_compared(flat):
    rows = compare(flat, seeds=1, arms=("none", "gradient"), image_size=94, batch_size=8, epochs=1, progress=False)
    assert list(rows["arm"]) == ["none", "gradient"]
    assert np.isfinite(rows["test_loss"]).all()
    assert rows["train_loss"].between(0.3, 3).all()


# ----- what cannot be used: how it came to be so, and what must be told


def bad(*told, change=None, source=None, **options):
    """One case: `change` is done to a good folder, `source` makes of the folder what is given to `load_data`."""
    return told, change or (lambda folder: None), source or (lambda folder: folder), options


def write(path, content):
    return lambda folder: (folder / path).write_bytes(content)


def remove(*paths):
    return lambda folder: [shutil.rmtree(folder / path) for path in paths]


def rename(path, name):
    return lambda folder: (folder / path).rename(folder / path / ".." / name)


def unlink(pattern):
    return lambda folder: [file.unlink() for file in folder.glob(pattern)]


def truncate(path):
    return lambda folder: (folder / path).write_bytes((folder / path).read_bytes()[:60])


def image_at(path):
    return lambda folder: write_image(folder / path)


def wide(folder):
    """More pixels than are allowed in these tests."""
    Image.new("1", (3000, 3000)).save(folder / "test" / "cats" / "wide.png")


def many_classes(folder):
    """In train alone, so that they must be named in a message."""
    for number in range(999):
        (folder / "train" / f"class{number}").mkdir()


def socket_in(path):
    def change(folder):
        here = os.getcwd()
        os.chdir(folder / path)  # because a socket's path may not be long
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("socket.png")
        os.chdir(here)

    return change


def instead(path):
    return lambda folder: folder / path


def zip_with(name, content=b"x", mode=stat.S_IFREG | 0o644):
    """A zip of the folder with one more member."""

    def source(folder):
        packed = pack(folder)
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        with zipfile.ZipFile(packed, "a") as file:
            file.writestr(member, content, zipfile.ZIP_DEFLATED)
        return packed

    return source


def zip_changed(offset, value, of="directory"):
    """A zip of the folder, overwritten at an offset within one member's entry in the directory, or within its data."""

    def source(folder):
        packed = pack(folder)
        content = bytearray(packed.read_bytes())
        name = b"photos/train/cats/0.png"
        place = (content.rindex(name) - 46 if of == "directory" else content.index(name) + len(name)) + offset
        content[place : place + len(value)] = value
        packed.write_bytes(content)
        return packed

    return source


def zip_cut(folder):
    packed = pack(folder)
    packed.write_bytes(packed.read_bytes()[:500])
    return packed


BAD = {
    # the source
    "no such path": bad("There is no data source", "nowhere", "'synthetic'", "'auto'", source=instead("nowhere")),
    "a path too long for the system": bad("There is no data source", source=instead("x" * 5000)),
    "a web address": bad(
        "web address",
        "Download it first",
        "get_file(origin='https://example.com/horses.zip')",
        source=lambda folder: "https://example.com/horses.zip",
    ),
    "a web address as a path": bad("web address", source=lambda folder: Path("https://example.com/horses.zip")),
    "a bucket": bad("web address", "Copy its files to this machine", source=lambda folder: "gs://bucket/horses"),
    "a bucket of another kind": bad(
        "s3://bucket/x.zip is a web address that cannot be read from here",
        "give the path of the copy.",
        source=lambda folder: "s3://bucket/x.zip",
    ),
    "a path as an address": bad(
        "file:///data/my%20x.zip is a path written as an address. Give the path alone: '/data/my x.zip'.",
        source=lambda folder: "file:///data/my%20x.zip",
    ),
    "an empty name": bad("source='' is not valid", "'auto'", source=lambda folder: ""),
    "None": bad("source=None is not valid", source=lambda folder: None),
    "a list": bad("is not valid", "path of a folder", source=lambda folder: [folder]),
    "an image instead of a folder": bad("0.png is neither a folder nor a zip", source=instead("train/cats/0.png")),
    "a device instead of a folder": bad("neither a folder nor a zip", source=lambda folder: os.devnull),
    "a text that is called zip": bad(
        "a.zip is not a zip archive, or is damaged",
        "Download it or pack it again",
        change=write("a.zip", b"hello"),
        source=instead("a.zip"),
    ),
    "a zip of no bytes": bad(
        "is not a zip archive, or is damaged", change=write("a.zip", b""), source=instead("a.zip")
    ),
    "a zip that breaks off": bad("photos.zip is not a zip archive, or is damaged", source=zip_cut),
    "another kind of archive": bad(
        "photos.tar.gz is neither a folder nor a zip",
        source=lambda folder: shutil.make_archive(str(folder), "gztar", folder),
    ),
    # the layout
    "an empty folder": bad("photos holds no classes: it is empty", "<class>/<image>", change=remove("train", "test")),
    "an empty zip": bad("photos.zip holds no classes: it is empty", change=remove("train", "test"), source=pack),
    "a zip without members": bad(
        "empty.zip holds no classes: it is empty",
        change=lambda folder: zipfile.ZipFile(folder / "empty.zip", "w").close(),
        source=instead("empty.zip"),
    ),
    "images without classes": bad("cats holds no classes: it has 2 files and no folders", source=instead("train/cats")),
    "no classes in train": bad("train holds no classes: it is empty", change=remove("train/cats", "train/dogs")),
    "no test": bad("photos holds train but no test (folders found: train)", "random split", change=remove("test")),
    "no train": bad("photos holds test but no train (folders found: test)", change=remove("train")),
    "test by an unknown name": bad("no test (folders found: held, train)", "rename", change=rename("test", "held")),
    "train in two folders": bad("photos holds", "Train", "all stand for train", change=image_at("Train/cats/0.png")),
    "very many classes": bad("and 989 more", change=many_classes),
    "one class": bad("train holds only one class, 'cats'", "two or more", change=remove("train/dogs")),
    "one class, not split": bad("only one class, 'cats'", change=remove("train/dogs"), source=instead("train")),
    "an empty class": bad("train holds no images of dogs", "remove the folder", change=unlink("train/dogs/*")),
    "two empty classes": bad("train holds no images of cats, dogs", change=unlink("train/*/*")),
    "an empty class in a zip": bad("train holds no images of dogs", change=unlink("train/dogs/*"), source=pack),
    "other classes in test": bad(
        "classes in train (cats, dogs) and in test (cats, wolves) differ", change=rename("test/dogs", "wolves")
    ),
    "a class too many in train": bad(
        "train (cats, dogs, owls) and in test (cats, dogs)", change=image_at("train/owls/0.png")
    ),
    "one image of a class, not split": bad(
        "Class 'cats' has only one usable image", change=unlink("train/cats/1.png"), source=instead("train")
    ),
    "a folder in a class": bad(
        "1 of 9 files",
        "train/cats/2019/: a folder inside the folder of a class",
        "up",
        change=image_at("train/cats/2019/0.png"),
    ),
    "a folder in a class of a zip": bad(
        "train/cats/2019/: a folder inside the folder of a class", change=image_at("train/cats/2019/0.png"), source=pack
    ),
    # single files
    "a file of no bytes": bad(
        "1 of 8 files", "train/cats/0.png: empty, zero bytes", change=write("train/cats/0.png", b"")
    ),
    "a file that is no image": bad("train/cats/0.png: not a PNG, JPEG", change=write("train/cats/0.png", b"hello")),
    "a note among the images": bad("cats/notes.txt: not a PNG", "skip", change=write("test/cats/notes.txt", b"hello")),
    "a truncated image": bad("1 of 8 files", "test/cats/1.png: damaged", change=truncate("test/cats/1.png")),
    "a truncated image in a zip": bad("test/cats/1.png: damaged", change=truncate("test/cats/1.png"), source=pack),
    "an image of too many pixels": bad("test/cats/wide.png: too large: 3,000×3,000 pixels", "smaller", change=wide),
    "a file of too many bytes": bad(
        "train/cats/0.png: too large: 512 MiB, and the limit is 512 MiB",
        change=lambda folder: os.truncate(folder / "train" / "cats" / "0.png", decoding.LARGEST_FILE + 1),
    ),
    "a broken link": bad(
        "train/cats/link.png: a broken link",
        change=lambda folder: (folder / "train" / "cats" / "link.png").symlink_to(folder / "gone.png"),
    ),
    "a pipe": bad(
        "train/cats/pipe.png: not a regular file",
        change=lambda folder: os.mkfifo(folder / "train" / "cats" / "pipe.png"),
    ),
    "a socket": bad("train/cats/socket.png: not a regular file", change=socket_in("train/cats")),
    "nothing usable in a class": bad(
        "too few usable images are left. Classes that test still has: cats",
        change=lambda folder: [write(f"test/dogs/{number}.png", b"x")(folder) for number in range(2)],
        on_error="skip",
    ),
    "a class of three with nothing usable": bad(
        "too few usable images are left",
        change=lambda folder: [write_folder(folder, ("owls",))] + [f.write_bytes(b"") for f in folder.glob("*/owls/*")],
        on_error="skip",
    ),
    "nothing usable at all": bad(
        "too few usable images are left. Classes that train still has: none",
        change=lambda folder: [file.write_bytes(b"x") for file in folder.rglob("*.png")],
        on_error="skip",
    ),
    # zips
    "a zip with a link among the images": bad(
        "1 of 9 files",
        "train/cats/link: not a PNG",
        source=zip_with("photos/train/cats/link", b"/etc", stat.S_IFLNK | 0o777),
    ),
    "a zip with a file that is a folder, too": bad("is both a file and a folder", source=zip_with("photos/train")),
    "a zip with two members of one name": bad(
        "photos.zip holds two files named 'photos/train/cats/0.png'",
        "Rename one of them",
        source=zip_with("photos/train/cats/0.png"),
    ),
    "a zip with two members that mean one name": bad(
        "holds two files named", source=zip_with("photos//train/./cats/0.png")
    ),
    "a zip with one name within it and outside": bad(
        "holds two files named", source=zip_with("../photos/train/cats/0.png")
    ),
    "a zip made to fill a disk": bad(
        "1 of 9 files",
        "train/cats/big.png: too large: 100 MiB",
        source=zip_with("photos/train/cats/big.png", bytes(100 * 2**20)),
    ),
    "a zip with a member of too many bytes": bad(
        "1 of 8 files", "train/cats/0.png: too large: 4,080 MiB", source=zip_changed(24, b"\xff" * 3 + b"\xfe")
    ),
    "an encrypted zip": bad("photos.zip is encrypted", "password", source=zip_changed(8, b"\x01")),
    "a zip with a damaged member": bad(
        "1 of 8 files", "train/cats/0.png: damaged in the archive", source=zip_changed(20, b"\xff" * 20, of="data")
    ),
    "a zip with a wrong checksum": bad("damaged in the archive (Bad CRC-32", source=zip_changed(16, b"\x00" * 4)),
    "a zip with an unknown compression": bad(
        "damaged in the archive (That compression", source=zip_changed(10, b"\x09")
    ),
    # the other arguments
    "an unknown way with errors": bad("on_error='ignore' is unknown", "'skip'", on_error="ignore"),
    "a fraction of everything": bad("test_fraction=1 is not valid", test_fraction=1),
    "a fraction in letters": bad("test_fraction='0.2' is not valid", test_fraction="0.2"),
    "no fraction": bad("test_fraction=None is not valid", test_fraction=None),
    "a seed in letters": bad("seed='a' is not valid. Give a whole number from 0 to 4294967295", seed="a"),
    "a negative seed": bad("seed=-1 is not valid", seed=-1),
    "a seed that is not whole": bad("seed=1.5 is not valid", seed=1.5),
    "no seed": bad("seed=None is not valid", seed=None),
    "no pixels": bad("image_size=0 is not valid", image_size=0),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_explained(folder, case, monkeypatch):
    told, change, make_source, options = BAD[case]
    monkeypatch.setattr(decoding, "MAX_PIXELS", 1_000_000)
    if case == "a zip made to fill a disk":
        monkeypatch.setattr(decoding, "LARGEST_FILE", 64 * 2**20)
    change(folder)
    source = make_source(folder)
    before = {path: path.lstat().st_mtime_ns for path in folder.parent.rglob("*")}
    with pytest.raises(DataError) as error:
        load_data(source, **{"image_size": SIZE, **options})
    for part in told:
        assert part in str(error.value)
    assert len(str(error.value).splitlines()) <= 12
    # Nothing is unpacked, mended or removed.
    assert {path: path.lstat().st_mtime_ns for path in folder.parent.rglob("*")} == before


def test_a_folder_that_may_not_be_listed_is_told(folder, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"photos cannot be listed \(Permission denied\)"):
        load_data(folder, SIZE)


def test_a_file_that_may_not_be_read_is_told(folder, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"0.png: cannot be read \(Permission denied\)"):
        load_data(folder, SIZE)


# ----- names of folders


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Train", "Test"),
        ("TRAIN", "test"),
        ("training", "testing"),
        ("Training", "Validation"),
        ("train", "val"),
        ("train", "VAL"),
    ],
)
def test_the_usual_names_of_the_splits_are_understood(folder, train, test):
    clean = load_data(folder, SIZE)
    (folder / "train").rename(folder / "train_")
    (folder / "train_").rename(folder / train)
    (folder / "test").rename(folder / "test_")
    (folder / "test_").rename(folder / test)
    data = load_data(folder, SIZE)
    assert data.info.full_name == clean.info.full_name
    assert data.test_files == tuple(name.replace("test/", f"{test}/") for name in clean.test_files)


def test_test_is_preferred_to_validation(folder):
    clean = load_data(folder, SIZE).info.full_name
    write_folder(folder, splits=("val", "Validation"))
    assert load_data(folder, SIZE).info.full_name == clean


@pytest.mark.parametrize(
    ("classes", "told"), [(3, "a folder inside the folder of a class"), (10, "Check it for circular links")]
)
def test_links_that_lead_in_circles_end(tmp_path, monkeypatch, classes, told):
    """A link to each class in each of them: 15 paths of at most three levels, and more than 100,000 of six levels."""
    monkeypatch.setattr("gc_tutorial.data.files.MAX_FOLDERS", 100)
    folder = write_folder(tmp_path / "photos", [f"class{number}" for number in range(classes)], ("",), 2)
    for place in folder.iterdir():
        for number in range(classes):
            (place / f"link{number}").symlink_to(folder / f"class{number}")
    with pytest.raises(DataError, match=told):
        load_data(folder, SIZE)


# ----- memory


def test_a_white_bitmap_is_an_honest_image(folder, tmp_path):
    """Packed, it is more than 700 times smaller."""
    Image.new("RGB", (2000, 2000), "white").save(folder / "train" / "cats" / "white.bmp")
    packed = tmp_path / "photos.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for path in folder.rglob("*.*"):
            file.write(path, path.relative_to(folder))
        info = file.getinfo("train/cats/white.bmp")
    assert info.file_size > 700 * info.compress_size
    assert load_data(packed, SIZE).info.full_name == load_data(folder, SIZE).info.full_name


@pytest.mark.parametrize("broken", [False, True])
def test_images_are_held_once(flat, broken, monkeypatch):
    """Train and test are views of one array, also where images are left out and the split is drawn at random."""
    if broken:
        (flat / "cats" / "3.png").write_bytes(b"")
    allocated = []
    monkeypatch.setattr(decoding, "allocate", lambda *shape: allocated.append(allocate(*shape)) or allocated[-1])
    train, test, info, files = image_folder.load_folder(flat, SIZE, on_error="skip", progress=False)
    (whole,) = allocated
    for images, _ in (train, test):
        assert np.shares_memory(images, whole)
    assert len(train[0]) + len(test[0]) == 33 - broken
    for name, image, label in zip(files, *test, strict=True):
        np.testing.assert_array_equal(image, decoding.decode((flat / name).read_bytes(), SIZE))
        assert info.features["label"].names[label] == name.split("/")[0]


def test_many_equal_pictures_are_named_in_a_few_lines(tmp_path):
    """Once there was a pair for each of train with each of test: millions."""
    folder = write_folder(tmp_path / "photos")
    for split in ("train", "test"):
        for number in range(300):
            shutil.copy(folder / "train" / "cats" / "0.png", folder / split / "dogs" / f"same{number}.png")
    with pytest.warns(UserWarning, match=r"\.\.\. and 290 more"):
        load_data(folder, SIZE)


def test_a_warning_of_long_names_is_cut(folder):
    for number in range(10):
        shutil.copy(folder / "train" / "cats" / "0.png", folder / "test" / "cats" / f"{'x' * 240}{number}.png")
    with pytest.warns(UserWarning, match="same image") as warned:
        load_data(folder, SIZE)
    assert len(str(warned[0].message)) < 2100


# ----- damaged zips


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return pack(write_folder(tmp_path_factory.mktemp("fuzz") / "photos"))


def test_an_entry_without_a_name_is_passed_over(packed):
    """Found at random: `ZipInfo.is_dir` raises an IndexError there on Python 3.11."""
    clean = load_data(packed, SIZE).info.full_name
    nameless = packed.with_name("nameless.zip")
    shutil.copy(packed, nameless)
    with zipfile.ZipFile(nameless, "a") as file:
        file.writestr("x", b"x")
        file.infolist()[-1].filename = ""  # what is written into the directory of the archive
    assert zipfile.ZipFile(nameless).namelist()[-1] == ""
    assert load_data(nameless, SIZE).info.full_name == clean


class _Encoded(zipfile.ZipInfo):
    """An entry whose name is written in an encoding of old, without the flag for UTF-8."""

    encoding = ""

    def _encodeFilenameFlags(self):
        return self.filename.encode(self.encoding), self.flag_bits


@pytest.mark.parametrize(
    ("encoding", "classes"),
    [
        ("cp932", ["表", "馬"]),  # the second byte of 表 is a backslash
        ("cp932", ["plain", "カメラ（白）", "ﾈｺ"]),
        ("utf-8", ["表", "馬"]),  # as macOS packs
        ("cp437", ["häuser", "schön"]),  # which is sch馬 in cp932
        ("cp437", ["cafés", "naïf"]),
    ],
)
@pytest.mark.parametrize("separator", ["/", "\\"])
def test_names_in_an_encoding_of_old(encoding, classes, separator, folder, tmp_path):
    packed = tmp_path / "old.zip"
    with zipfile.ZipFile(packed, "w") as file:
        for number, label in enumerate(classes):
            for place, path in enumerate(sorted((folder / "train").rglob("*.png"))):
                entry = _Encoded(separator.join((label, f"{number}{place}.png")))
                entry.encoding = encoding
                image = Image.open(path).rotate(90 * number)
                image.save(buffer := io.BytesIO(), "png")
                file.writestr(entry, buffer.getvalue())
    assert names(load_data(packed, SIZE)) == classes


@example(changed=[], kept=0.0)
@example(changed=[], kept=1.0)
@example(changed=[(22, 0)], kept=0.5)
@given(st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=8), st.floats(0, 2))
def test_a_damaged_zip_gives_images_or_a_reason(packed, changed, kept):
    content = bytearray(packed.read_bytes())
    for place, value in changed:
        content[-place % len(content)] = value
    damaged = packed.with_name("damaged.zip")
    damaged.write_bytes(content[: int(kept * len(content))] if kept < 1 else content)
    try:
        (images, labels), _, info, _ = image_folder.load_folder(damaged, SIZE, progress=False)
    except DataError:
        return
    assert len(images) == len(labels) == info.splits["train"].num_examples
