"""The errors of this package that a reader can do something about."""


class TutorialError(ValueError):
    """A predictable mistake; the message says what was wrong, what was found and what to do."""

    def _render_traceback_(self):
        """What notebooks show instead of a traceback: the lines through our code would help nobody."""
        return [f"{type(self).__name__}: {self}"]


class DataError(TutorialError):
    """Data that cannot be had or read."""


class SettingsError(TutorialError):
    """A `GC_TUTORIAL_*` environment variable has a value that makes no sense."""


class StoreError(TutorialError):
    """A results folder that cannot be used."""


class VersionError(TutorialError):
    """A Keras that this tutorial cannot work with."""


class PlanError(TutorialError):
    """A study plan that cannot be run as it is written."""


class EngineError(TutorialError):
    """Processes or machines that runs cannot be computed on."""
