"""Find a data set of TFDS by its name, and download and prepare it if size, disk space and network allow."""

import difflib
import re
import shutil
import tempfile
import urllib.parse
from collections.abc import Iterable
from pathlib import Path

import tensorflow_datasets as tfds

from gc_tutorial.console import say
from gc_tutorial.data import download
from gc_tutorial.data.prepared import UnavailableError, first_line, folder_of_tfds, is_prepared, named_folder, quiet
from gc_tutorial.errors import DataError
from gc_tutorial.language import text

PREFIX = "tfds:"
LARGEST_DOWNLOAD = 10 * 2**30  # bytes
CATALOG = "https://www.tensorflow.org/datasets/catalog/overview"
_NAME = re.compile(r"(\w+)(?:/([\w.+-]+))?(?::[\d.*]+)?")


def find_builder(source: str) -> tfds.core.DatasetBuilder:
    """The builder of a set, prepared if it is anywhere on this machine.

    Args:
        source: `"tfds:NAME"` or `"tfds:NAME/CONFIG"`.

    Raises:
        DataError: for a name or a configuration that TFDS does not have.
        UnavailableError: for a set that is damaged, or that needs another package or version.
    """
    for folder in dict.fromkeys([named_folder(), folder_of_tfds()]):
        builder = _builder(source, folder)
        if is_prepared(builder):
            break
    return builder


def prepare_builder(builder: tfds.core.DatasetBuilder, source: str) -> tfds.core.DatasetBuilder:
    """Download and prepare a set if needed and if its server answers soon.

    Args:
        builder: as from `find_builder`.
        source: its name, for messages.

    Returns:
        `tfds.core.DatasetBuilder`, prepared.

    Raises:
        UnavailableError: for a set that is unavailable, or too large to download automatically.
    """
    if is_prepared(builder):
        return builder
    folder = folder_of_tfds()
    # A child process cannot see a builder that is defined in this process.
    defined_here = not type(builder).__module__.startswith("tensorflow_datasets.")
    failure = _prepare_here(builder) if defined_here else _download(builder, source, folder)
    builder = _builder(source, folder)
    if failure or not is_prepared(builder):
        raise UnavailableError(
            "{source} could not be prepared in {folder}: {failure}",
            source=source,
            folder=folder,
            failure=failure or text("its files are incomplete"),
        )
    return builder


def _builder(source, folder):
    name = source.removeprefix(PREFIX)
    parts = _NAME.fullmatch(name)
    if not parts:
        raise DataError(
            "{source!r} is not valid. Give tfds:NAME or tfds:NAME/CONFIG, such as tfds:beans.", source=source
        )
    base, configuration = parts.groups()
    try:
        with quiet():
            builder = tfds.builder(name, try_gcs=False, data_dir=folder)
            builder.info  # noqa: B018 (some sets notice only here that a package is missing)
            return builder
    except tfds.core.DatasetNotFoundError:
        known = tfds.list_builders(with_community_datasets=False)
        raise DataError(
            "TFDS has no data set {base!r}.{near} All of them: {catalog}",
            base=base,
            near=_near(base, known),
            catalog=CATALOG,
        ) from None
    except Exception as error:  # data sets raise errors of many kinds
        known = _configurations(base)
        if configuration and known and configuration not in known:
            raise DataError(
                "{source} has no configuration {configuration!r}.{near} It has: {known}{more}.",
                source=f"{PREFIX}{base}",
                configuration=configuration,
                near=_near(configuration, known),
                known=", ".join(known[:10]),
                more=", ..." if len(known) > 10 else "",
            ) from None
        place, perhaps = folder / base, ""
        if place.exists():
            perhaps = text(" If the files in {place} are damaged, delete this folder, then run again.", place=place)
        raise UnavailableError(
            "{source} cannot be used: {error}.{perhaps}",
            source=source,
            error=first_line(error).rstrip("."),
            perhaps=perhaps,
        ) from None


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known)
    return text(" Did you mean {near}?", near=text(" or ").join(near)) if near else ""


def _configurations(name: str) -> list[str]:
    try:
        return list(tfds.builder_cls(name).builder_configs)
    except Exception:  # a set without a builder class, read from its files
        return []


def _prepare_here(builder: tfds.core.DatasetBuilder) -> str:
    """Return the reason for a failure in one line, or ""."""
    try:
        with quiet():
            builder.download_and_prepare()
    except Exception as error:  # whatever that builder raises
        return first_line(error)
    return ""


def _download(builder: tfds.core.DatasetBuilder, source: str, folder: Path) -> str:
    """Return the reason for a failure in one line, or ""."""
    name = source.removeprefix(PREFIX)
    by_hand = text("Prepare it with TFDS, then try again: tfds.builder({name!r}).download_and_prepare()", name=name)
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        raise UnavailableError(
            "{source} has to be downloaded by hand, as its page says ({catalog}). {by_hand}",
            source=source,
            catalog=CATALOG,
            by_hand=by_hand,
        )
    files = builder.url_infos or {}
    size = sum(file.size for file in files.values())
    if size > LARGEST_DOWNLOAD:
        raise UnavailableError(
            "{source} is a download of up to {size:,.0f} GiB, and the limit without asking is {most:g} GiB. {by_hand}",
            source=source,
            size=size / 2**30,
            most=LARGEST_DOWNLOAD / 2**30,
            by_hand=by_hand,
        )
    for place in (Path(tempfile.gettempdir()), folder):
        place.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(place).free
        if free < size:
            raise UnavailableError(
                "{source} is a download of up to {size:,.1f} GiB, and {place} has {free:,.1f} GiB free. "
                "Make room there, or set TMPDIR and TFDS_DATA_DIR to other folders.",
                source=source,
                size=size / 2**30,
                place=place,
                free=free / 2**30,
            )
    for url in list(files)[:1]:
        host = urllib.parse.urlsplit(url).netloc
        if not download.can_download(url):
            raise UnavailableError(
                "{source} is not on this machine, and {host} does not answer. Connect to the network and try again.",
                source=source,
                host=host,
            )
        say(
            text(
                "Downloading {source} (up to {size:,.0f} MiB) from {host} ...",
                source=source,
                size=size / 2**20,
                host=host,
            )
        )
    return download.prepare(name, folder, size)
