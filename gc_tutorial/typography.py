"""Japanese text in figures, in either edition: a font with its letters, and lines broken between words."""

import importlib.util
import re
import textwrap
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

PACKAGE, FILE = "matplotlib_fontja", "fonts/ipaexg.ttf"
# Japanese has no spaces. A line may end after the kana or the mark that ends a phrase, and at a space; not at a space
# between Latin letters or digits and what they belong to (24 枚, GC の), nor within a word such as 取り除く.
PHRASE = re.compile(
    r"[（「“]*"
    r"(?:[^\sぁ-ん、。，；：・）」”（「“]|(?<=[A-Za-z0-9%†+-]) (?=[ぁ-ヿ一-鿿])"
    r"|(?<=[一-鿿])[いきぎしちびみり](?=[一-鿿]))*"
    r"[ぁ-ん・）」”]*[、。，；：]*\s*"
)
STOPS = tuple("、。，；：")  # where a line ends best


@cache
def fallback_font() -> str | None:
    """The name of a font with Japanese letters, made known to matplotlib; None where its package is not installed.

    The package sets a font for all figures when it is imported, so its file is found without an import.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / FILE
    font_manager.fontManager.addfont(path)
    return font_manager.FontProperties(fname=path).get_name()


def set_fonts(figure: Figure) -> None:
    """Add the Japanese font as a fallback to the texts of a figure."""
    texts = figure.findobj(Text)
    if not any(is_wide(one.get_text()) for one in texts):
        return
    font = fallback_font()
    if font is None:
        return
    for one in texts:
        formula = is_wide(one.get_text()) and "$" in one.get_text()  # there matplotlib looks into one font only
        one.set_fontfamily([font] if formula else [*one.get_fontfamily(), font])


def is_wide(text: str) -> bool:
    """Whether a text has letters as wide as two Latin ones, as Japanese has."""
    return any(unicodedata.east_asian_width(one) in "WF" for one in text)


def width_of(text: str) -> int:
    """The width of a text in Latin letters."""
    return sum(1 + (unicodedata.east_asian_width(one) in "WF") for one in text)


def lines(text: str, width: int, **options: Any) -> list[str]:
    """Break a text into lines of at most `width` Latin letters; Japanese ones count as two, in balanced lines.

    Args:
        text: str.
        width: int.
        **options: of `textwrap.wrap`, for a text in Latin letters.

    >>> lines("Notebook one two", 12), lines("訓練損失は下がり、正解率は変わらない", 20)
    (['Notebook one', 'two'], ['訓練損失は下がり、', '正解率は変わらない'])
    """
    if not is_wide(text):
        return textwrap.wrap(text, width, **options)
    phrases = [phrase for phrase in PHRASE.findall(text) if phrase]
    best: list[tuple[float, list[str]]] = [(0, [])]  # lines of the first phrases, and their penalty
    for end in range(1, len(phrases) + 1):
        found = []
        for start in range(end):
            line = "".join(phrases[start:end]).strip()
            if width_of(line) <= width or start == end - 1:
                wrong = 1e6 + width_of(line) ** 2  # few lines, of about equal length
                if end < len(phrases) and not line.endswith(STOPS):
                    wrong += (width / 2) ** 2
                found.append((best[start][0] + wrong, [*best[start][1], line]))
        best.append(min(found))
    return best[-1][1]


def wrapped(text: str, width: int) -> str:
    """A text as one string with a line break between its `lines`."""
    return "\n".join(lines(text, width))
