"""Translation of all messages: English is the source; gettext catalogues hold the other languages.

Messages are translated when they are shown; tables keep the English words as keys. `optimizers.py` is not translated,
because it is one file to copy, which imports nothing but Keras.
"""

import gettext
import os
import re
from collections import UserDict
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from string import Formatter

LANGUAGES = ("en", "ja")
DOMAIN = "gc_tutorial"
FOLDER = Path(__file__).parent / "locale"
VARIABLE = "GC_TUTORIAL_LANGUAGE"
NO_SPACES = ("ja",)  # languages that put no space between sentences
NEEDS_SPACE = re.compile(r"[\w%)\]†][ぁ-ヿ一-鿿]|[ぁ-ヿ一-鿿][\w+$-]", re.ASCII)

_chosen = os.environ.get(VARIABLE) or LANGUAGES[0]  # an unknown language falls back to English until `start` reports it


def set_language(language: str) -> None:
    """Choose the language of all messages from now on.

    Args:
        language: one of `LANGUAGES`.

    Raises:
        ValueError: for any other language. (`start` reports it as a `SettingsError`.)
    """
    global _chosen
    if language not in LANGUAGES:
        raise ValueError(f"{language!r} is not a language. Choose one of: {', '.join(LANGUAGES)}.")
    _chosen = os.environ[VARIABLE] = language  # child processes inherit it


def chosen_language() -> str:
    """The language of the messages."""
    return _chosen


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, FOLDER, [language], fallback=True)


def text(message: str, context: str = "", /, **values: object) -> str:
    """Translate a message and fill in its values.

    Args:
        message: str in English, with places for values as in `str.format`, such as `"{share:.0%} of {count:,}"`.
        context: str, where it is used, if the same English words are translated differently elsewhere.
        **values: what goes into these places. Without any, the message is taken as it is, braces included.

    Returns:
        str; in English where the catalogue of the language does not have the message.

    Example:
        >>> text("{share:.0%} of the images", share=0.25)
        '25% of the images'
    """
    catalogue = _catalogue(_chosen)
    # gettext("") would return the header of the catalogue
    said = message and (catalogue.pgettext(context, message) if context else catalogue.gettext(message))
    if not values:
        return said
    return _filled(said, values) if _chosen in NO_SPACES else said.format(**values)


def _filled(message: str, values: dict[str, object]) -> str:
    """Fill in values, with a space where Japanese meets Latin letters or digits, as Japanese notebooks are written."""
    said = ""
    for literal, name, form, conversion in Formatter().parse(message):
        place = "" if name is None else f"{{{name}{f'!{conversion}' if conversion else ''}:{form}}}"
        for piece in (literal, place.format(**values)):
            said += (" " if NEEDS_SPACE.fullmatch(said[-1:] + piece[:1]) else "") + piece
    return said


def sentences(parts: Iterable[str]) -> str:
    """Put sentences one after the other.

    >>> sentences(["One.", "Two."])
    'One. Two.'
    """
    return ("" if _chosen in NO_SPACES else " ").join(parts)


class Words(UserDict):
    """A dict of messages, each in the reader's language when it is looked up.

    Example:
        >>> Words({"none": "no GC"})["none"]
        'no GC'
    """

    def __getitem__(self, key: object) -> str:
        return text(super().__getitem__(key))
