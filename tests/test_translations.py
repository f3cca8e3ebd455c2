"""The editions in other languages say what the English notebooks say, around the same code and numbers."""

import html
import re
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import jupytext
import nbformat
import pytest
from markdown_it import MarkdownIt
from nbformat.v4 import new_markdown_cell

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"
sys.path.insert(0, str(ROOT / "tools"))
from translations import LANGUAGES, START, UNTRANSLATED, build, digest  # noqa: E402

SOURCES = sorted(NOTEBOOKS.glob("[0-9]*.py"))
TRANSLATED = [path for language in LANGUAGES for path in sorted(NOTEBOOKS.glob(f"{language}/[0-9]*.py"))]
READMES = sorted(ROOT.glob("README.*.md"))
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
OF_THE_OPTIMIZER = "Gradient centralization leaves"  # its warning: a file to be copied by itself speaks English
TAG = re.compile(r"<style.*?</style>|<[^>]+>", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
NUMBER = re.compile(r"(?<![A-Za-z])[-+]?\d+(?:[.,]\d+)*")
# English writes small numbers as words, other languages often as digits.
WORDS = {
    **{"one": 1, "a": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9},
    **{
        "ten": 10,
        "eleven": 11,
        "twelve": 12,
        "dozen": 12,
        "twenty": 20,
        "once": 1,
        "twice": 2,
        "first": 1,
        "second": 2,
        "third": 3,
    },
    **{"half": 2, "halves": 2, "thirds": 3, "quarter": 4, "fifth": 5, "tenth": 10},
}
PHRASES = {"half a minute": "30", "half a point": "0.5", "may 2025": "5"}
# Japanese counts large numbers in ten thousands: 25.6 million is 2,560 万.
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "万": 10**4, "億": 10**8}
SCALED = re.compile(rf"(\d+(?:[.,]\d+)*) ?({'|'.join(SCALES)})")

on_each = pytest.mark.parametrize("path", TRANSLATED, ids=lambda path: f"{path.parent.name}/{path.stem}")
on_all_prose = pytest.mark.parametrize("path", TRANSLATED + READMES, ids=lambda path: str(path.relative_to(ROOT)))


def original(path):
    return ROOT / "README.md" if path in READMES else NOTEBOOKS / path.name


def language(path):
    return path.suffixes[0][1:] if path in READMES else path.parent.name


def cells(path):
    """The cells of a notebook, or the sections of a README as if they were cells."""
    if path.suffix == ".py":
        return jupytext.read(path).cells
    sections = re.split(r"^(?=##? )", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [new_markdown_cell(section) for section in sections if section]


def english(path):
    return cells(original(path))


def pairs(path):
    """English prose, its translation, and words for a message that say where both stand."""
    ours, theirs = english(path), cells(path)
    counts = len(ours), len(theirs)
    assert counts[0] == counts[1], f"{path.relative_to(ROOT)} has another number of cells, or of headings"
    for number, (source, cell) in enumerate(zip(ours, theirs, strict=True), 1):
        if source.cell_type == "markdown":
            yield source, cell, f"{path.relative_to(ROOT)}, cell or section {number} ({source.source[:40]!r})"


def without_links_line(text):
    """The text without the line of links to Colab, to Binder and to the other edition, which is made by the command."""
    hosts = "https://colab.research.google.com", "https://mybinder.org"
    return "\n".join(line for line in text.splitlines() if not all(host in line for host in hosts))


def prose(text):
    """What is left of a cell without code and targets of links; code and formulas within a sentence become an x."""
    for pattern, instead in ((FENCE, ""), (FORMULA, "x"), (CODE, "x"), (LINK, "]")):
        text = pattern.sub(instead, text)
    return text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("suffix", [".py", ".ipynb"])
def test_every_notebook_is_there(language, suffix):
    found = {path.stem for path in (NOTEBOOKS / language).glob(f"[0-9]*{suffix}")}
    assert found == {path.stem for path in SOURCES}


@on_each
def test_cells_are_the_english_ones(path):
    ours, theirs = english(path), jupytext.read(path).cells
    assert [cell.cell_type for cell in ours] == [cell.cell_type for cell in theirs], "run `make translations`"
    for number, (source, cell) in enumerate(zip(ours, theirs, strict=True), 1):
        if source.cell_type == "code":
            ours = source.source.replace(START, f'gc_tutorial.start(language="{path.parent.name}")')
            assert ours == cell.source, f"{path.stem}, cell {number} differs from the English code"


@on_each
def test_every_text_is_translated_from_the_english_of_today(path):
    wrong = []
    for source, cell, place in pairs(path):
        recorded = cell.metadata.get("translates", "")
        if recorded != digest(source.source):
            why = {"": "has no hash: run `make translations`", UNTRANSLATED: "is not translated yet"}
            wrong.append(f"{place} {why.get(recorded, 'has changed in English since it was translated')}")
    assert not wrong, "\n".join(wrong)


@on_each
def test_files_are_those_that_the_command_writes(path):
    script, notebook, dropped = build(NOTEBOOKS / path.name, path)
    assert dropped == []
    assert path.read_text(encoding="utf-8") == script, "run `make translations`"
    assert path.with_suffix(".ipynb").read_text(encoding="utf-8") == notebook, "run `make translations`"


@on_all_prose
def test_nothing_slipped_in_translation(path):
    for source, cell, place in pairs(path):
        ours, theirs = without_links_line(source.source), without_links_line(cell.source)
        assert FENCE.findall(ours) == FENCE.findall(theirs), f"code block in {place}"
        ours, theirs = FENCE.sub("", ours), FENCE.sub("", theirs)
        assert Counter(FORMULA.findall(ours)) == Counter(FORMULA.findall(theirs)), f"formulas in {place}"
        links = Counter(in_edition(target, path) for target in targets(ours, original(path).parent))
        assert links == Counter(targets(theirs, path.parent)), f"links in {place}"
        skeleton = re.compile(r"^(?:#+|[-*]|\d+\.) |^[|>]|</?\w+>", re.MULTILINE)
        assert skeleton.findall(ours) == skeleton.findall(theirs), f"headings, lists, tables or tags in {place}"


@on_all_prose
def test_inline_code_is_the_english_one(path):
    sources, translated, places = zip(*pairs(path), strict=True)
    found = code_slips([cell.source for cell in sources], [cell.source for cell in translated])
    assert not any(found), "\n".join(f"{code} in {place}" for code, place in zip(found, places, strict=True) if code)


def code_slips(ours, theirs):
    """For each of two lists of texts: inline code that the other language has neither there nor in the next cells."""
    ours, theirs = ([set(CODE.findall(FENCE.sub("", text))) for text in texts] for texts in (ours, theirs))

    def near(spans, number):
        return set().union(*spans[max(number - 1, 0) : number + 2])

    return [(ours[n] - near(theirs, n)) | (theirs[n] - near(ours, n)) for n in range(len(ours))]


@pytest.mark.parametrize(
    "ours, theirs, slips",
    [
        (["`a` and `b`", "c"], ["`a`", "`b`"], [set(), set()]),  # a sentence may go to the next cell
        (["`a`", "b", "c"], ["x", "b", "`a`"], [{"`a`"}, set(), {"`a`"}]),
        (["`a`"], ["a"], [{"`a`"}]),
        (["a"], ["`a`"], [{"`a`"}]),
    ],
)
def test_lost_inline_code_is_found(ours, theirs, slips):
    assert code_slips(ours, theirs) == slips


@on_all_prose
def test_numbers_are_the_english_ones(path):
    for source, cell, place in pairs(path):
        missing, added = number_slips(*(prose(without_links_line(one.source)) for one in (source, cell)))
        assert not missing, f"{missing} missing in {place}"
        assert not added, f"{added} not in the English text of {place}"


def number_slips(ours, theirs):
    """The numbers that are missing in a translation, and those that are not in the English text."""
    numbers, translated = (Counter(NUMBER.findall(SCALED.sub(in_digits, text))) for text in (ours, theirs))
    said = {str(WORDS[word]) for word in re.findall(r"[a-z]+", ours.lower()) if word in WORDS}
    said |= {number for phrase, number in PHRASES.items() if phrase in " ".join(ours.lower().split())}
    return set(numbers - translated), set(translated - numbers) - said


def in_digits(match):
    """A number such as 25.6 million or 2,560 万 in digits alone."""
    return f"{(Decimal(match[1].replace(',', '')) * SCALES[match[2]]).normalize():f}"


@pytest.mark.parametrize(
    "ours, theirs, missing, added",
    [
        ("25.6 million weights", "2,560 万個の重み", set(), set()),
        ("25.6 million weights", "256 万個の重み", {"25600000"}, {"2560000"}),
        ("25.6 million weights", "たくさんの重み", {"25600000"}, set()),
        ("Half a\npoint more", "0.5 パーセントポイント多い", set(), set()),
        ("A point more", "0.5 パーセントポイント多い", set(), {"0.5"}),
        ("three of 10", "10 個のうち 3 個", set(), set()),
        ("three of 10", "3 個", {"10"}, set()),
        ("10 and 10", "10", {"10"}, set()),
    ],
)
def test_missing_and_added_numbers_are_found(ours, theirs, missing, added):
    assert number_slips(ours, theirs) == (missing, added)


def targets(text, folder):
    """Where the links lead, files as paths in the repository; a file that is not there fails."""
    for target in LINK.findall(text):
        if not target.startswith("http"):
            file = (folder / target.split("#")[0]).resolve()
            assert file.exists(), f"{target} leads nowhere from {folder.name}"
            target = file.relative_to(ROOT).as_posix()
        yield target


def in_edition(target, path):
    """Where the translation of a link leads: to the same edition and its pictures, and from one README to the other."""
    if target == path.name:
        return original(path).name
    if target == "README.md":
        return f"README.{language(path)}.md"
    if target == "docs/headline.png":
        return f"docs/headline.{language(path)}.png"
    return re.sub(r"\bnotebooks/(?=\d)", f"notebooks/{language(path)}/", target)


@pytest.mark.parametrize("language", LANGUAGES)
def test_links_of_the_readme_lead_somewhere(language):
    folder = NOTEBOOKS / language
    assert list(targets((folder / "README.md").read_text(encoding="utf-8"), folder))


@on_each
def test_links_line_leads_to_this_edition(path):
    first = jupytext.read(path).cells[0].source
    (line,) = [line for line in first.splitlines() if "https://colab.research.google.com" in line]
    run, binder, *_, back = LINK.findall(line)
    here = f"notebooks/{path.parent.name}/{path.stem}.ipynb"
    assert run.endswith(here) and binder.endswith(here)
    assert back == f"../{path.stem}.ipynb"


@on_all_prose
def test_it_reads_as_japanese_is_written(path):
    if language(path) != "ja":
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


@on_all_prose
def test_emphasis_is_seen_as_emphasis(path):
    """Beside characters such as 「 or 。 Markdown may take ** for two asterisks."""
    for _, cell, place in pairs(path):
        html = MarkdownIt().render(FORMULA.sub("", FENCE.sub("", cell.source)))
        assert "*" not in re.sub(r"<code>.*?</code>", "", html), place


# ----- outputs


TIMED = re.compile(r"second|\btimes\b|perf_counter|benchmark")


def shown(path):
    """For each code cell of a notebook: its code, what it shows as text, and how many pictures."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            texts, pictures = [], 0
            for output in cell.outputs:
                data = output.get("data", {})
                kind = next((kind for kind in data if kind.startswith("image/")), None)
                pictures += kind is not None
                table = html.unescape(
                    TAG.sub("\n", data.get("text/html", ""))
                )  # whole, where plain text is cut and wrapped
                texts.append(output.get("text") or data.get("text/markdown") or table or data.get("text/plain", ""))
            yield cell.source, "\n".join(texts), pictures


def both(path):
    ours, theirs = (list(shown(one.with_suffix(".ipynb"))) for one in (original(path), path))
    return zip(ours, theirs, strict=True)


@on_each
def test_outputs_show_the_english_numbers_and_pictures(path):
    """Alternative texts included. Numbers of cells that measure time differ from run to run."""
    for (code, ours, pictures), (_, theirs, their_pictures) in both(path):
        assert pictures == their_pictures, code
        if not TIMED.search(code):
            missing, added = number_slips(ours, theirs)
            assert not missing and not added, f"{missing} missing, {added} added: {theirs}"


@on_each
def test_outputs_hold_no_english_sentence(path):
    """Three English words in a row, beside code, are a sentence that was not translated."""
    for (code, ours, _), (_, theirs, _) in both(path):
        if theirs != ours:
            theirs = CODE.sub("", theirs)
        theirs = "\n".join(line for line in theirs.splitlines() if not line.startswith(OF_THE_OPTIMIZER))
        found = re.search(r"\b[A-Za-z][a-z']+ [a-z']+ [a-z']{2,}\b", theirs)
        assert not found, f"{found[0]!r} in what this shows: {code}"


@on_each
def test_outputs_tell_of_no_missing_letter(path):
    notebook = path.with_suffix(".ipynb").read_text(encoding="utf-8")
    assert "missing from font" not in notebook and '"name": "stderr"' not in notebook
