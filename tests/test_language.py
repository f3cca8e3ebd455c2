"""What is said in the reader's language: the look-up, the catalogue, and what Japanese needs in a figure."""

import subprocess
import sys
import warnings
from pathlib import Path
from string import Formatter

import matplotlib.pyplot as plt
import numpy as np
import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from markdown_it import MarkdownIt

import gc_tutorial
from gc_tutorial import language, plotting, typography
from gc_tutorial.errors import DataError, SettingsError
from gc_tutorial.lesson import choose_language

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import messages  # noqa: E402

CATALOGUES = sorted((ROOT / "gc_tutorial" / "locale").glob("*/LC_MESSAGES/*.po"))
on_each_catalogue = pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parent.parent.name)


@pytest.fixture
def japanese():
    language.set_language("ja")
    yield
    language.set_language("en")


# ----- the look-up


def test_a_message_is_said_in_the_language_that_was_chosen(japanese):
    assert gc_tutorial.text("epoch") == "エポック"
    assert language.Words({"none": "no GC"})["none"] == "GC なし"
    assert language.Words({"none": "no GC"}).get("none") == "GC なし"
    assert {**language.Words({"none": "no GC"})} == {"none": "GC なし"}
    assert language.sentences(["一。", "二。"]) == "一。二。"
    assert str(DataError("empty, zero bytes")) == "空のファイルです（0 バイト）"
    language.set_language("en")
    assert gc_tutorial.text("epoch") == "epoch"
    assert str(DataError("{path} is odd", path="a{b}")) == "a{b} is odd"


@pytest.mark.parametrize(
    ("message", "values", "said"),
    [
        ("the same", {}, "変わらない"),
        ("{x:.0%} of {{braces}}", {"x": 0.25}, "25% of {braces}"),
        ("no {values}, no filling", {}, "no {values}, no filling"),
        ("", {}, ""),
        # A space where Japanese meets Latin letters or digits, and nowhere else; never within a value.
        ("{a}の{b}は{c}です", {"a": "GC", "b": "値", "c": 0.5}, "GC の値は 0.5 です"),
        ("「{a}」を{b!r}に", {"a": "猫", "b": "写真1"}, "「猫」を'写真1'に"),
    ],
)
def test_values_are_filled_in(japanese, message, values, said):
    assert gc_tutorial.text(message, **values) == said


def test_a_message_is_said_as_its_context_asks(japanese):
    assert gc_tutorial.text("the same", "joined") == "変わらず"
    assert gc_tutorial.text("lower by {said}", "joined", said="24%") == "24% 低く"
    assert gc_tutorial.text("the same", "elsewhere") == "the same"  # it is not in the catalogue
    language.set_language("en")
    assert gc_tutorial.text("lower by {said}", "joined", said="24%") == "lower by 24%"


def test_the_environment_chooses_the_language(monkeypatch):
    try:
        monkeypatch.setenv("GC_TUTORIAL_LANGUAGE", "ja")
        choose_language()
        assert gc_tutorial.text("epoch") == "エポック"
        choose_language("en")  # an argument is heard first
        assert gc_tutorial.text("epoch") == "epoch"
        monkeypatch.setenv("GC_TUTORIAL_LANGUAGE", "jp")
        with pytest.raises(SettingsError, match=r"GC_TUTORIAL_LANGUAGE='jp' is not a language. Choose one of: en, ja"):
            choose_language()
    finally:
        language.set_language("en")


def test_a_shell_command_tells_of_a_wrong_language_and_speaks_the_right_one():
    for chosen, said in (("jp", "GC_TUTORIAL_LANGUAGE='jp' is not a language"), ("ja", "計画 'nothing' はありません")):
        command = [sys.executable, "-m", "gc_tutorial", "study", "nothing", "folder", "--dry-run"]
        environment = {"GC_TUTORIAL_LANGUAGE": chosen, "PYTHONUTF8": "1", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8")
        assert done.returncode == 1 and said in done.stderr


# ----- the catalogue


def catalogue(path):
    return read_po(path.open("rb"))


def places(message):
    """What a message leaves to be filled in, with the form in which it is."""
    return {(name, form, conversion) for _, name, form, conversion in Formatter().parse(message) if name is not None}


@on_each_catalogue
def test_the_catalogue_holds_what_is_said_today_and_is_compiled(path):
    assert path.read_bytes() == messages.written(messages.updated(path.parent.parent.name)), "run `make messages`"
    compiled = read_mo(path.with_suffix(".mo").open("rb"))
    found, kept = (  # Babel reads a context as text from the one, as bytes from the other
        {(bool(one.context), one.id): one.string for one in each if one.id} for each in (compiled, catalogue(path))
    )
    assert found == kept, "run `make messages`"


@on_each_catalogue
def test_every_message_is_translated(path):
    missing = [one.id for one in catalogue(path) if one.id and (not one.string or one.fuzzy)]
    assert not missing, missing


@on_each_catalogue
def test_a_translation_fills_in_what_the_message_does_in_the_same_form(path):
    wrong = [one.id for one in catalogue(path) if one.id and places(one.id) != places(one.string)]
    assert not wrong, wrong


@on_each_catalogue
def test_a_translation_keeps_code_and_begins_and_ends_as_the_message_does(path):
    for one in catalogue(path):
        if one.id:
            assert one.id.count("`") == one.string.count("`"), one.id
            assert one.id.count("\n") == one.string.count("\n"), one.id
            assert one.id.count("**") == one.string.count("**"), one.id


@on_each_catalogue
def test_what_is_bold_is_bold_also_where_a_sentence_follows_without_a_space(path):
    for one in catalogue(path):
        if one.string.count("**") > 1:  # a single one stands for itself
            assert "**" not in MarkdownIt().render(f"{one.string}次の文。"), one.string


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('text("a {x}", x=text("b"))', ["a {x}", "b"]),
        ('text("a" if x else "b")', ["a", "b"]),
        ('ONE = "a"\ntext(ONE)', ["a"]),
        ('ONE = "a"\nTWO = ONE if x else "b"\ntext(TWO)', ["a", "b"]),
        ("one = one\ntext(one)", []),
        ('A = Words({1: "a", 2: "b"})', ["a", "b"]),
        ('raise DataError("a {x}", x=1)', ["a {x}"]),
        ('raise KeyError("a")', []),
        ('axis.set(xlabel="a", ylabel="b")\naxis.set_title("c")', ["a", "b", "c"]),
        ('set_title(figure, "a")', ["a"]),
        ('show(figure, alt="a")', ["a"]),
        ("f\"{text('a')} b\"", ["a"]),
        ("text(message)", []),
        ('text("a", "c")', ["c\4a"]),
        ('where = "c" if x else ""\ntext("a" if y else "b", where)', ["c\4a", "a", "c\4b", "b"]),
    ],
)
def test_messages_are_found_in_code(code, found):
    assert list(messages.messages(code)) == found


# ----- figures


def shown(figure, alt="a figure"):
    """The picture that `show` displays, and its alternative text; a glyph that no font has is an error."""
    displayed = []
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.filterwarnings("error", "Glyph .* missing")
        patch.setattr(plotting, "display", lambda data, **options: displayed.append(data))
        plotting.show(figure, alt)
    (data,) = displayed
    return next(data[kind] for kind in data if kind.startswith("image/")), data["text/plain"]


def drawn(title="loss", label="epoch"):
    figure, axis = plt.subplots(figsize=(3, 2))
    axis.barh([label, "b"], [1, 2])
    axis.set(xlabel="epoch", ylabel="$w_1$ " + label, title=title)
    return figure


@pytest.mark.parametrize("chosen", ["en", "ja"])
def test_japanese_class_names_are_drawn_in_either_edition(chosen):
    language.set_language(chosen)
    try:
        shown(plotting.image_grid([np.zeros((8, 8, 3), np.uint8)] * 2, ["猫\n犬: 51%", "horse"], title="猫 and horse"))
        shown(drawn(label="猫"))
    finally:
        language.set_language("en")


def test_english_pictures_do_not_need_the_japanese_font(monkeypatch):
    before = shown(drawn())
    monkeypatch.setattr(typography, "fallback_font", lambda: pytest.fail("was looked for"))
    assert shown(drawn()) == before


def test_finding_the_font_changes_no_setting():
    code = "import matplotlib; before = dict(matplotlib.rcParams); from gc_tutorial.typography import fallback_font; "
    code += "print(fallback_font(), before == dict(matplotlib.rcParams))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "IPAexGothic True\n", done.stderr


def test_labels_titles_and_alternative_text_of_a_figure_are_translated(japanese):
    figure = drawn("training images")
    _, alt = shown(figure, "training images")
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_title(), alt) == ("エポック", "訓練用画像", "訓練用画像")


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("Notebook one, two", 13, ["Notebook one,", "two"]),
        ("訓練損失は下がり、正解率は変わらない", 20, ["訓練損失は下がり、", "正解率は変わらない"]),
        ("RMSprop では「勾配への GC」が", 17, ["RMSprop では", "「勾配への GC」が"]),
        ("猫", 1, ["猫"]),
        ("訓練は 3 回、GC なしの 24 枚", 13, ["訓練は 3 回、", "GC なしの", "24 枚"]),
        ("GC は平均を取り除く", 14, ["GC は平均を", "取り除く"]),
        ("試すと、どの方法でも損失が下がる", 24, ["試すと、", "どの方法でも損失が下がる"]),
        ("どの方法でも損失は下がり、上がる", 26, ["どの方法でも損失は", "下がり、上がる"]),
    ],
)
def test_lines_are_broken_between_words(text, width, lines):
    assert typography.lines(text, width, break_long_words=False) == lines
