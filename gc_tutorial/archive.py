"""Zip archives of images, read where they are: what is never unpacked cannot be written where it should not be."""

import contextlib
import functools
import re
import stat
import zipfile
from pathlib import Path, PurePosixPath

from gc_tutorial.errors import DataError

LARGEST_ARCHIVE = 8 * 2**30  # bytes, unpacked
LARGEST_FILE = 512 * 2**20  # bytes of one image, in an archive or a folder
LARGEST_RATIO = 200  # unpacked to packed; images hardly shrink, a zip made to fill a disk shrinks a thousandfold


@contextlib.contextmanager
def open_archive(path):
    """Open a zip for reading, after checks of what it says about itself.

    Args:
        path: of the archive.

    Yields:
        dict from names (with "/" between folders; a folder's own name ends in one) to functions that return a member's
        bytes, checked against their checksum, or raise a `DataError`; to None for a folder. Good while it is open.

    Raises:
        DataError: for an archive that is damaged, encrypted, too large, suspiciously well compressed, or holds
            links, special files, or paths that lead out of it.
    """
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # on damaged bytes zipfile raises more kinds than BadZipFile
        raise DataError(f"{path} is a damaged zip archive, or none ({error}). Download it or pack it again.") from None
    with archive:
        members = archive.infolist()
        _check_size(path, members)
        for member in members:
            _check_member(path, member)
        yield {
            _name(member): None if member.is_dir() else functools.partial(_read, archive, member) for member in members
        }


def _name(member):
    """Windows once packed backslashes; "./" and "//" mean nothing."""
    name = PurePosixPath(member.filename.replace("\\", "/")).as_posix()
    return f"{name}/" if member.is_dir() else name


def _check_size(path, members):
    unpacked, packed = sum(member.file_size for member in members), Path(path).stat().st_size
    if unpacked > LARGEST_ARCHIVE:
        raise DataError(
            f"{path} would unpack to {unpacked / 2**30:,.1f} GiB; at most {LARGEST_ARCHIVE / 2**30:g} are read. "
            "Unpack it yourself if you trust it, and give the folder."
        )
    if unpacked > LARGEST_RATIO * packed:
        raise DataError(
            f"{path} would unpack to {unpacked / packed:,.0f} times its size, as archives do that are made to fill "
            f"a disk; at most {LARGEST_RATIO} times is read. Unpack it yourself if you trust it, and give the folder."
        )


def _check_member(path, member):
    name, kind = member.filename.replace("\\", "/"), stat.S_IFMT(member.external_attr >> 16)
    if name.startswith("/") or ".." in name.split("/") or re.match("[A-Za-z]:", name):
        raise DataError(
            f"{path} holds {member.filename!r}, a path that leads out of the archive. "
            "No honest archive needs one: pack the images again yourself, or leave it alone."
        )
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "a link" if kind == stat.S_IFLNK else "a special file"
        raise DataError(f"{path} holds {what}, {member.filename!r}. Pack the images themselves.")
    if member.flag_bits & 1:
        raise DataError(f"{path} is encrypted. Unpack it with its password, and give the folder.")


def _read(archive, member):
    if member.file_size > LARGEST_FILE:
        raise DataError(f"too large, {member.file_size / 2**20:,.0f} MiB of at most {LARGEST_FILE // 2**20}")
    try:
        return archive.read(member)
    except Exception as error:  # a wrong checksum, an unknown compression, zlib's own errors, an end too soon
        raise DataError(f"damaged in the archive ({error or type(error).__name__})") from error
