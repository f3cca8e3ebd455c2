"""The files of a folder, or of a zip archive, which is read in place and never unpacked."""

import contextlib
import functools
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from gc_tutorial.data.layout import LAYOUT, is_hidden, is_passed_over
from gc_tutorial.errors import DataError
from gc_tutorial.language import text

MAX_FOLDERS = 50_000
UTF8 = 0x800  # the flag of a name in a zip
_JAPANESE = "\u3000-\u30ff\u4e00-\u9fff\uff01-\uff9f"  # kana, kanji, their punctuation, and wide or narrow forms
_NOT_JAPANESE = re.compile(rf"[^\x00-\x7f{_JAPANESE}]|[A-Za-z][{_JAPANESE}]|[{_JAPANESE}][A-Za-z]")
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
    """Open a folder or a zip of images. A zip is read in place, and never unpacked.

    Args:
        source: path of it.

    Yields:
        dict of the files by their names (with "/" between folders; the name of a folder itself ends in "/"). They can
        be read while the source is open.

    Raises:
        DataError: for anything that is not a folder or a zip, cannot be listed, or is encrypted.
    """
    path = Path(os.path.expanduser(source))
    if path.is_dir():
        yield _list_folder(path)
    elif path.is_file() and (path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)):
        try:
            archive = zipfile.ZipFile(path)
        except Exception as error:  # on damaged bytes zipfile raises more kinds of error than BadZipFile
            raise DataError(
                "{path} is not a zip archive, or is damaged ({error}). Download it or pack it again.",
                path=path,
                error=error,
            ) from None
        with archive:
            yield _list_archive(archive, path)
    else:
        raise DataError(
            "{source} is neither a folder nor a zip. Give the folder that holds the classes: {layout}.",
            source=source,
            layout=text(LAYOUT),
        )


def _list_archive(archive: zipfile.ZipFile, path: Path) -> dict[str, File]:
    found: list[tuple[str, File]] = []
    members = archive.infolist()
    for member, name in zip(members, _member_names(members), strict=True):
        if member.flag_bits & 1:
            raise DataError("{path} is encrypted. Unpack it with its password, and give the folder.", path=path)
        name = name.replace("\\", "/")  # some programs on Windows pack backslashes
        tidy = PurePosixPath(name).as_posix()  # "./" and "//" have no meaning
        if name.endswith("/"):  # not member.is_dir(), which fails on an empty name in Python 3.11
            found.append((f"{tidy}/", FOLDER))
        else:
            found.append((tidy, File(member.file_size, functools.partial(_read_member, archive, member))))
    return _by_name(found, path)


def _member_names(members: list[zipfile.ZipInfo]) -> list[str]:
    """The names as they were meant. Without the flag for UTF-8, `zipfile` reads them as cp437, as early PCs did.

    macOS writes UTF-8 without the flag, and Windows in Japan cp932, in which the second byte of a character can be a
    backslash. Names in cp932 are taken for Japanese only where they consist of kana and kanji that no Latin letter
    touches: "schön" in cp437 is also "sch馬" in cp932.
    """
    unsaid = b"/".join(member.orig_filename.encode("cp437") for member in members if not member.flag_bits & UTF8)
    encoding = "cp932" if _is_japanese(unsaid) else "cp437"
    with contextlib.suppress(UnicodeDecodeError):
        unsaid.decode("utf-8")
        encoding = "utf-8"
    return [
        member.filename if member.flag_bits & UTF8 else member.orig_filename.encode("cp437").decode(encoding)
        for member in members
    ]


def _is_japanese(names: bytes) -> bool:
    """Whether names are in cp932, and Japanese."""
    with contextlib.suppress(UnicodeDecodeError):
        return not _NOT_JAPANESE.search(names.decode("cp932"))
    return False


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(member)
    except Exception as error:  # a wrong checksum, an unknown compression, errors of zlib, an early end
        raise DataError("damaged in the archive ({error})", error=str(error) or type(error).__name__) from error


def _list_folder(folder: Path) -> dict[str, File]:
    def stop(error: OSError) -> None:
        raise DataError(
            "{filename} cannot be listed ({strerror}). Change its permissions.",
            filename=error.filename,
            strerror=error.strerror,
        )

    found: list[tuple[tuple[str, ...], File]] = []
    too_deep = False
    # The real paths of a folder's parents and, last, of itself.
    reached: dict[str, tuple[str, ...]] = {str(folder): (os.path.realpath(folder),)}
    for count, (place, subfolders, names) in enumerate(os.walk(folder, onerror=stop, followlinks=True)):
        if count > MAX_FOLDERS:
            raise DataError(
                "{folder} holds more than {most:,} folders. Check it for circular links.",
                folder=folder,
                most=MAX_FOLDERS,
            )
        within = Path(place).relative_to(folder).parts
        known = reached.pop(place)
        subfolders[:] = [name for name in subfolders if not is_hidden(name)]
        if len(within) == _DEEPEST and subfolders:
            too_deep = True
            subfolders.clear()
        for name in list(subfolders):
            path = os.path.join(place, name)
            real = os.path.realpath(path) if os.path.islink(path) else os.path.join(known[-1], name)
            if real in known:  # a link to a folder that it lies in
                subfolders.remove(name)
            reached[path] = (*known, real)
        found += [((*within, name, ""), FOLDER) for name in subfolders]
        found += [((*within, name), _file(Path(place, name))) for name in names]
    if too_deep and len({parts[:-1] for parts, file in found if file is not FOLDER}) < 2:  # no two classes can be here
        raise DataError(
            "{folder} has its files more than {deepest} folders deep, and deeper files are not read. Give the "
            "folder that holds the classes: {layout}.",
            folder=folder,
            deepest=_DEEPEST,
            layout=text(LAYOUT),
        )
    printable = _printable({part for parts, _ in found for part in parts})
    return _by_name((("/".join(printable[part] for part in parts), file) for parts, file in found), folder)


def _by_name(found: Iterable[tuple[str, File]], source: Path) -> dict[str, File]:
    files: dict[str, File] = {}
    for name, file in found:
        if files.setdefault(name, file) is not file and not is_passed_over(name):
            raise DataError(
                "{source} holds two files named {name!r}. Rename one of them, or pack the images again.",
                source=source,
                name=name,
            )
    return files


def _file(path: Path) -> File:
    with contextlib.suppress(OSError):
        return File(path.stat().st_size, functools.partial(_read_file, path))
    return File(0, functools.partial(_read_file, path))  # which says why


def _printable(names: Iterable[str]) -> dict[str, str]:
    """Each name as it can be printed, and distinct, even if it is not valid UTF-8.

    A zip that was unpacked elsewhere leaves names in its legacy encoding, and the same rule decodes them.
    """
    printable, unsaid = {}, {}
    for name in names:
        encoded = os.fsencode(name)
        try:
            printable[name] = encoded.decode()
        except UnicodeDecodeError:
            unsaid[name] = encoded
    encoding = "cp932" if _is_japanese(b"/".join(unsaid.values())) else "utf-8"
    return printable | {name: encoded.decode(encoding, "backslashreplace") for name, encoded in unsaid.items()}


def _read_file(path: Path) -> bytes:
    try:
        if not path.is_file():  # reading a named pipe would block
            raise DataError("a broken link" if path.is_symlink() and not path.exists() else "not a regular file")
        return path.read_bytes()
    except OSError as error:
        raise DataError("cannot be read ({strerror})", strerror=error.strerror) from error
