"""Errors that the user can fix."""

from gc_tutorial.language import text

LONGEST_MESSAGE = 2000  # characters


def cut(message: str) -> str:
    """Leave out the middle of a message that is too long to read."""
    if len(message) <= LONGEST_MESSAGE:
        return message
    return f"{message[: LONGEST_MESSAGE // 2]} [...] {message[-LONGEST_MESSAGE // 4 :]}"


def value_error(message: str, /, **values: object) -> ValueError:
    """A `ValueError` whose message is translated and filled in, as by `gc_tutorial.text`."""
    return ValueError(cut(text(message, **values)))


class TutorialError(ValueError):
    """A predictable mistake. The message says what was wrong, what was found and what to do.

    Args:
        message: str in English, which is translated; with places for values, as for `gc_tutorial.text`.
        **values: what goes into these places.
    """

    def __init__(self, message: object = "", /, **values: object) -> None:
        super().__init__(cut(text(str(message), **values)))

    def _render_traceback_(self) -> list[str]:
        """What notebooks show instead of a traceback, which would only show the inside of this package."""
        return [f"{type(self).__name__}: {self}"]


class DataError(TutorialError):
    """The data are missing or cannot be read."""


class SettingsError(TutorialError):
    """A `GC_TUTORIAL_*` environment variable has a value that is not valid."""


class StoreError(TutorialError):
    """A results folder cannot be used."""


class VersionError(TutorialError):
    """The tutorial does not work with this version of Keras."""


class PlanError(TutorialError):
    """A study plan cannot be run as it is written."""


class EngineError(TutorialError):
    """Runs cannot be computed on these processes or machines."""
