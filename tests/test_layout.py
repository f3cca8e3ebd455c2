"""Which file is an image of which class and split: found by names alone."""

import re

import numpy as np
import pandas as pd
import pytest

from gc_tutorial.data.layout import check_split, find_images, is_hidden, random_split
from gc_tutorial.errors import DataError

FLAT = ["cats/2.png", "cats/1.png", "dogs/3.png"]
SPLIT = ["train/cats/1.png", "train/dogs/2.png", "test/cats/3.png", "test/dogs/4.png"]


def found(names):
    return list(find_images(names, "photos").itertuples(index=False, name=None))


def moved(folder, names=FLAT):
    return [f"{folder}/{name}" for name in names]


def test_a_row_per_file_sorted_by_split_class_and_name():
    table = find_images(["test/b/1", "test/a/2", "train/b/3", "train/a/5", "train/a/4"], "photos")
    assert list(table.columns) == ["split", "label", "name"]
    assert list(table.itertuples(index=False, name=None)) == [
        ("train", "a", "train/a/4"),
        ("train", "a", "train/a/5"),
        ("train", "b", "train/b/3"),
        ("test", "a", "test/a/2"),
        ("test", "b", "test/b/1"),
    ]


def test_without_folders_of_splits_the_split_has_no_name():
    assert found(FLAT) == [("", "cats", "cats/1.png"), ("", "cats", "cats/2.png"), ("", "dogs", "dogs/3.png")]


@pytest.mark.parametrize("wrapper", ["photos", "a/b/c"])
@pytest.mark.parametrize("names", [FLAT, SPLIT])
def test_folders_around_it_are_passed(wrapper, names):
    expected = [(split, label, f"{wrapper}/{name}") for split, label, name in found(names)]
    assert found([f"{wrapper}/", *moved(wrapper, names)]) == expected


@pytest.mark.parametrize("wrapper", ["train", "Val"])
def test_the_folder_of_a_split_is_not_passed(wrapper):
    with pytest.raises(DataError, match="but no"):
        find_images(moved(wrapper), "photos")


def test_a_file_beside_the_folders_does_not_matter():
    assert found([*moved("photos"), "README.md"]) == found(moved("photos"))
    assert found([*FLAT, "README.md"]) == found(FLAT)
    assert found([*moved("a/photos"), "a/README.md"]) == found(moved("a/photos"))


@pytest.mark.parametrize(
    ("train", "test", "passed_over"),
    [
        ("train", "test", []),
        ("TRAIN", "Test", []),
        ("training", "testing", []),
        ("train", "validation", []),
        ("train", "val", []),
        ("train", "test", ["testing", "validation", "val", "training"]),
        ("train", "testing", ["validation", "val"]),
        ("train", "validation", ["val"]),
    ],
)
def test_the_first_of_the_usual_names_is_the_split(train, test, passed_over):
    names = [name.replace("train/", f"{train}/").replace("test/", f"{test}/") for name in SPLIT]
    others = [f"{folder}/cats/1.png" for folder in passed_over]
    assert found([*names, *others]) == [
        ("train", "cats", f"{train}/cats/1.png"),
        ("train", "dogs", f"{train}/dogs/2.png"),
        ("test", "cats", f"{test}/cats/3.png"),
        ("test", "dogs", f"{test}/dogs/4.png"),
    ]


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        (".DS_Store", True),
        ("__MACOSX", True),
        ("Thumbs.db", True),
        ("DESKTOP.INI", True),
        ("__pycache__", True),
        ("_cats", False),
        ("__other__", False),
        ("cats.", False),
        ("thumbs.png", False),
    ],
)
def test_files_of_the_system(name, hidden):
    assert is_hidden(name) == hidden
    names = [*FLAT, "owls/1"]
    for place in (f"cats/{name}", f"{name}/1.png", f"cats/{name}/1.png"):
        assert (found([*names, place]) == found(names)) == hidden


def test_a_folder_inside_a_class_has_a_row_of_its_own():
    assert found([*FLAT, "cats/old/4.png", "cats/old/5.png"])[2:3] == [("", "cats", "cats/old/")]
    assert ("test", "cats", "test/cats/old/") in found([*SPLIT, "test/cats/old/4.png"])


def test_classes_have_one_unicode_form():
    composed, decomposed = "K\u00e4tzchen", "Ka\u0308tzchen"
    names = [f"train/{composed}/1", "train/dogs/1", f"test/{decomposed}/2", "test/dogs/2"]
    assert [row for row in found(names) if row[1] != "dogs"] == [
        ("train", composed, f"train/{composed}/1"),
        ("test", composed, f"test/{decomposed}/2"),
    ]


LAYOUT = "<class>/<image>, or train/<class>/<image> and test/<class>/<image>"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], f"photos holds no classes: it is empty. Put the images of each class into a folder of its own: {LAYOUT}."),
        (
            ["1.png", "2.png"],
            "photos holds no classes: it has 2 files and no folders. Put the images of each class into a folder of its "
            f"own: {LAYOUT}.",
        ),
        (
            moved("train"),
            "photos holds train but no test (folders found: train). Add or rename a folder, or leave out both for a "
            f"random split: {LAYOUT}.",
        ),
        (
            ["Test/a/1", "held/b/2", "1.png"],
            "photos holds Test but no train (folders found: Test, held). Add or rename a folder, or leave out both for "
            f"a random split: {LAYOUT}.",
        ),
        (
            [*SPLIT, "Train/cats/1.png"],
            "photos holds Train, train, which all stand for train. Put their images into one.",
        ),
        (
            [*SPLIT, "train/owls/1.png"],
            "photos: the classes in train (cats, dogs, owls) and in test (cats, dogs) differ. Use the same folder "
            "names in both.",
        ),
        (
            ["cats/1", "other/"],
            "photos holds no images of other. Put some there, or remove the folder.",
        ),
        (
            ["train/cats/1", "train/b/", "train/a/", "test/cats/1", "test/a/1"],
            "photos: train holds no images of a, b. Put some there, or remove the folder.",
        ),
        (
            ["caf\u00e9/1", "cafe\u0301/2", "tea/3"],
            "photos holds 'cafe\\u0301', 'caf\\xe9', which all stand for caf\u00e9. Put their images into one.",
        ),
        (["cats/1.png"], "photos holds only one class, 'cats'. A classifier needs two or more."),
        (
            ["train/a/1", "train/b/1", "Val/a/2"],
            "photos: Val holds only one class, 'a'. A classifier needs two or more.",
        ),
        (["train/", "test/a/1"], f"photos: train holds no classes: it is empty. Put the images of each class into a "
         f"folder of its own: {LAYOUT}."),
        (
            ["cats", "cats/1.png", "dogs/1.png"],
            "photos: 'cats' is both a file and a folder. Pack the images again.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_told_apart_is_explained(names, told):
    with pytest.raises(DataError, match=f"^{re.escape(told)}$"):
        find_images(names, "photos")


@pytest.mark.parametrize(
    ("count", "end"), [(9, "class8"), (10, "class9"), (11, "class8 and 1 more"), (13, "class6 and 3 more")]
)
def test_at_most_ten_names_are_listed(count, end):
    names = [f"train/class{number}/1" for number in range(count)] + ["test/class0/1", "test/class1/1"]
    with pytest.raises(DataError, match=re.escape(f"{end}) and in test (class0, class1) differ")):
        find_images(names, "photos")


# ----- the random split


@pytest.mark.parametrize("fraction", [0.001, 0.2, 0.999])
def test_a_fraction_lies_between_0_and_1(fraction):
    assert check_split(fraction, 0) is None


@pytest.mark.parametrize("fraction", [0, 0.0, 1, 1.0, -0.2, 20, float("nan"), pytest.param(10**400, id="large")])
def test_a_fraction_that_leaves_nothing_is_refused(fraction):
    with pytest.raises(DataError, match=f"test_fraction={fraction} is not valid"):
        check_split(fraction, 0)


def test_a_fraction_of_more_digits_than_python_writes_is_refused():
    with pytest.raises(DataError, match=r"^test_fraction=\.\.\. is not valid"):
        check_split(10**5000, 0)


def held_out(labels, **options):
    labels = pd.Series(labels)
    splits = random_split(labels, **{"test_fraction": 0.2, "seed": 0, **options})
    assert set(splits) == {"train", "test"}
    return labels[splits == "test"]


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        (0.2, {"a": 2, "b": 4, "c": 1}),  # of 3 at least one
        (0.5, {"a": 5, "b": 10, "c": 2}),
        (0.99, {"a": 9, "b": 19, "c": 2}),  # one of each is left
        (0.001, {"a": 1, "b": 1, "c": 1}),
    ],
)
def test_of_each_class_the_same_fraction_is_held_out(fraction, expected):
    labels = ["a", "b"] * 10 + ["b"] * 10 + ["c"] * 3
    assert held_out(labels, test_fraction=fraction).value_counts().to_dict() == expected


def test_a_class_of_two_is_split():
    assert held_out(["a", "a", "b", "b"], test_fraction=0.9).tolist() == ["a", "b"]


def test_the_draw_follows_from_the_seed_and_the_labels():
    labels = ["a", "b"] * 20
    first = held_out(labels)
    assert first.equals(held_out(labels))
    assert not first.equals(held_out(labels, seed=1))
    assert held_out(["a", "b"] * 20 + ["c"] * 9)[:8].equals(first)  # a further class at the end changes nothing
    # What was split once stays split so: stored results rest on it.
    assert np.flatnonzero(random_split(pd.Series(labels), 0.2, 7) == "test").tolist() == [1, 6, 9, 16, 24, 25, 26, 33]


def test_a_class_of_one_image_cannot_be_split():
    told = "Class 'b' has only one usable image; two are needed, one of them to hold out."
    with pytest.raises(DataError, match=f"^{re.escape(told)}$"):
        random_split(pd.Series(["a", "a", "b"]), 0.2, 0)
