"""The files of a folder, or of a zip of one, which is read where it is and never unpacked."""

import contextlib
import functools
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from gc_tutorial.data.layout import LAYOUT, is_hidden
from gc_tutorial.errors import DataError

MOST_FOLDERS = 50_000
_DEEPEST = 6  # levels of folders that are read: a wrapper or two, the split, the class, and one that is too many


class File(NamedTuple):
    """A file to decode: its size in bytes, and a function that returns them or raises a `DataError`."""

    size: int
    read: Callable[[], bytes]


def _not_a_file() -> bytes:
    raise DataError("a folder inside the folder of a class; move its images up, into the folder of the class")


FOLDER = File(0, _not_a_file)


@contextlib.contextmanager
def open_source(source: str | os.PathLike) -> Iterator[dict[str, File]]:
    """Open a folder or a zip of images. A zip is read where it is, and never unpacked.

    Args:
        source: path of it.

    Yields:
        dict of the files by their names (with "/" between folders; the name of a folder itself ends in "/"). They can
        be read while the source is open.

    Raises:
        DataError: for anything that is no folder or zip, cannot be listed, or is encrypted.
    """
    path = Path(os.path.expanduser(source))
    if path.is_dir():
        yield _list_folder(path)
    elif path.is_file() and (path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)):
        try:
            archive = zipfile.ZipFile(path)
        except Exception as error:  # on damaged bytes zipfile raises more kinds of error than BadZipFile
            raise DataError(
                f"{path} is not a zip archive, or is damaged ({error}). Download it or pack it again."
            ) from None
        with archive:
            yield _list_archive(archive, path)
    else:
        raise DataError(f"{source} is neither a folder nor a zip. Give the folder that holds the classes: {LAYOUT}.")


def _list_archive(archive: zipfile.ZipFile, path: Path) -> dict[str, File]:
    files = {}
    for member in archive.infolist():
        if member.flag_bits & 1:
            raise DataError(f"{path} is encrypted. Unpack it with its password, and give the folder.")
        name = member.filename.replace("\\", "/")  # some programs on Windows pack backslashes
        tidy = PurePosixPath(name).as_posix()  # "./" and "//" have no meaning
        if name.endswith("/"):  # not member.is_dir(), which fails on an empty name in Python 3.11
            files[f"{tidy}/"] = FOLDER
        else:
            files[tidy] = File(member.file_size, functools.partial(_read_member, archive, member))
    return files


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(member)
    except Exception as error:  # a wrong checksum, an unknown compression, errors of zlib, an early end
        raise DataError(f"damaged in the archive ({error or type(error).__name__})") from error


def _list_folder(folder: Path) -> dict[str, File]:
    def stop(error: OSError) -> None:
        raise DataError(f"{error.filename} cannot be listed ({error.strerror}). Change its permissions.")

    files: dict[str, File] = {}
    for count, (place, subfolders, names) in enumerate(os.walk(folder, onerror=stop, followlinks=True)):
        if count > MOST_FOLDERS:
            raise DataError(f"{folder} holds more than {MOST_FOLDERS:,} folders. Check it for links in a circle.")
        within = Path(place).relative_to(folder).parts
        parents = {os.path.realpath(folder.joinpath(*within[:depth])) for depth in range(len(within) + 1)}
        subfolders[:] = [
            name
            for name in subfolders
            if len(within) < _DEEPEST
            and not is_hidden(name)
            and not (os.path.islink(path := os.path.join(place, name)) and os.path.realpath(path) in parents)
        ]
        files |= {_printable(*within, name, ""): FOLDER for name in subfolders}
        files |= {_printable(*within, name): _file(Path(place, name)) for name in names}
    return files


def _file(path: Path) -> File:
    with contextlib.suppress(OSError):
        return File(path.stat().st_size, functools.partial(_read_file, path))
    return File(0, functools.partial(_read_file, path))  # which says why


def _printable(*parts: str) -> str:
    """The name, also where it is no valid Unicode and could not be printed in a message."""
    return os.fsencode("/".join(parts)).decode(errors="replace")


def _read_file(path: Path) -> bytes:
    try:
        if not path.is_file():  # a read from a pipe could wait for ever
            raise DataError("a link to nothing" if path.is_symlink() else "not a regular file")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})") from error
