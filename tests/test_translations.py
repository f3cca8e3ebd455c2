"""The editions in other languages say what the English notebooks say, around the same code and outputs."""

import re
import sys
from collections import Counter
from pathlib import Path

import jupytext
import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"
sys.path.insert(0, str(ROOT / "tools"))
from translations import LANGUAGES, TODO, build, digest  # noqa: E402

SOURCES = sorted(NOTEBOOKS.glob("[0-9]*.py"))
TRANSLATED = [path for language in LANGUAGES for path in sorted(NOTEBOOKS.glob(f"{language}/[0-9]*.py"))]
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
NUMBER = re.compile(r"(?<![A-Za-z])\d+(?:[.,]\d+)*")
# English writes small numbers as words, other languages often as digits.
WORDS = {
    **{"one": 1, "a": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9},
    **{"ten": 10, "eleven": 11, "twelve": 12, "twenty": 20, "once": 1, "twice": 2, "first": 1, "second": 2, "third": 3},
    **{"half": 2, "halves": 2, "quarter": 4, "fifth": 5, "tenth": 10},
}

on_each = pytest.mark.parametrize("path", TRANSLATED, ids=lambda path: f"{path.parent.name}/{path.stem}")


def english(path):
    return jupytext.read(NOTEBOOKS / path.name).cells


def pairs(path):
    """English prose, its translation, and words for a message that say where both stand."""
    for number, (source, cell) in enumerate(zip(english(path), jupytext.read(path).cells, strict=True), 1):
        if source.cell_type == "markdown":
            yield source, cell, f"{path.parent.name}/{path.stem}, cell {number} ({source.source[:40]!r})"


def without_links_line(text):
    return "\n".join(line for line in text.splitlines() if "https://colab.research.google.com" not in line)


def prose(text):
    """What is left of a cell without code and targets of links; code and formulas within a sentence become an x."""
    for pattern, instead in ((FENCE, ""), (FORMULA, "x"), (CODE, "x"), (LINK, "]")):
        text = pattern.sub(instead, text)
    return text


@on_each
def test_cells_are_the_english_ones(path):
    ours, theirs = english(path), jupytext.read(path).cells
    assert [cell.cell_type for cell in ours] == [cell.cell_type for cell in theirs], "run `make translations`"
    for number, (source, cell) in enumerate(zip(ours, theirs, strict=True), 1):
        if source.cell_type == "code":
            assert source.source == cell.source, f"{path.stem}, cell {number} differs from the English code"


@on_each
def test_every_text_is_translated_from_the_english_of_today(path):
    wrong = []
    for source, cell, place in pairs(path):
        recorded = cell.metadata.get("translates", "")
        if recorded != digest(source.source):
            why = {"": "has no hash: run `make translations`", TODO: "is not translated yet"}
            wrong.append(f"{place} {why.get(recorded, 'has changed in English since it was translated')}")
    assert not wrong, "\n".join(wrong)


@on_each
def test_files_are_those_that_the_command_writes(path):
    script, notebook, dropped = build(NOTEBOOKS / path.name, path)
    assert dropped == []
    assert path.read_text(encoding="utf-8") == script, "run `make translations`"
    assert path.with_suffix(".ipynb").read_text(encoding="utf-8") == notebook, "run `make translations`"


@on_each
def test_nothing_slipped_in_translation(path):
    for source, cell, place in pairs(path):
        ours, theirs = without_links_line(source.source), without_links_line(cell.source)
        assert FENCE.findall(ours) == FENCE.findall(theirs), f"code block in {place}"
        ours, theirs = FENCE.sub("", ours), FENCE.sub("", theirs)
        assert Counter(FORMULA.findall(ours)) == Counter(FORMULA.findall(theirs)), f"formulas in {place}"
        assert set(CODE.findall(ours)) == set(CODE.findall(theirs)), f"inline code in {place}"
        assert Counter(targets(ours, NOTEBOOKS)) == Counter(targets(theirs, path.parent)), f"links in {place}"
        skeleton = re.compile(r"^(?:#+|[-*]|\d+\.) |</?\w+>", re.MULTILINE)
        assert skeleton.findall(ours) == skeleton.findall(theirs), f"headings, lists or tags in {place}"


@on_each
def test_numbers_are_the_english_ones(path):
    for source, cell, place in pairs(path):
        ours, theirs = (prose(without_links_line(one.source)) for one in (source, cell))
        numbers, translated = Counter(NUMBER.findall(ours)), Counter(NUMBER.findall(theirs))
        missing = set(numbers - translated)
        assert not missing, f"{missing} missing in {place}"
        words = {str(WORDS[word]) for word in re.findall(r"[a-z]+", ours.lower()) if word in WORDS}
        added = set(translated - numbers) - words
        assert not added, f"{added} not in the English text of {place}"


def targets(text, folder):
    """Where the links lead, files as paths of the English edition; a file that is not there fails."""
    for target in LINK.findall(text):
        if not target.startswith("http"):
            file = (folder / target.split("#")[0]).resolve()
            target = str(file).replace(str(folder), str(NOTEBOOKS))
        yield target


@pytest.mark.parametrize("language", LANGUAGES)
def test_links_of_the_readme_lead_somewhere(language):
    folder = NOTEBOOKS / language
    assert list(targets((folder / "README.md").read_text(encoding="utf-8"), folder))


@on_each
def test_links_line_leads_to_this_edition(path):
    first = jupytext.read(path).cells[0].source
    (line,) = [line for line in first.splitlines() if "https://colab.research.google.com" in line]
    run, binder, back = LINK.findall(line)
    here = f"notebooks/{path.parent.name}/{path.stem}.ipynb"
    assert run.endswith(here) and binder.endswith(here)
    assert back == f"../{path.stem}.ipynb"


@on_each
def test_it_reads_as_japanese_is_written(path):
    if path.parent.name != "ja":
        pytest.skip("rules of one language")
    for _, cell, place in pairs(path):
        text = prose(without_links_line(cell.source))
        assert re.search(r"[぀-ヿ一-鿿]", text), f"no Japanese in {place}"
        assert not re.search(r"[，．０-９Ａ-Ｚａ-ｚ｡-ﾟ]", text), f"full-width digits or letters, or ，．, in {place}"
        # A line break within a paragraph would be shown as a space.
        assert not re.search(r"[^\x00-\x7f\n]\n(?!\d+\. )[^\s#<>|$`-]", text), f"broken line in {place}"
        word, other = r"[A-Za-z0-9]", r"[぀-ヿ一-鿿]"
        assert not re.search(f"{word}{other}|{other}{word}", text), (
            f"no space beside Latin letters or digits in {place}"
        )


@on_each
def test_emphasis_is_seen_as_emphasis(path):
    """Beside characters such as 「 or 。 Markdown may take ** for two asterisks."""
    for _, cell, place in pairs(path):
        html = MarkdownIt().render(FORMULA.sub("", FENCE.sub("", cell.source)))
        assert "*" not in re.sub(r"<code>.*?</code>", "", html), place
