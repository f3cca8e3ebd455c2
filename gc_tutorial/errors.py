"""The error of everything that has to do with getting at images."""


class DataError(ValueError):
    """Data that cannot be had or read; the message says what to do."""
