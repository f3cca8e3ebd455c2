"""Where decoded images are kept: in memory, or above a limit in a temporary file."""

import shutil
import tempfile

import numpy as np

from gc_tutorial.errors import DataError

IN_MEMORY_AT_MOST = 2**30  # bytes: 3,976 images at 300×300 pixels, 15,906 at 150×150


def allocate(count, image_size):
    """Make room for images.

    Args:
        count: number of images.
        image_size: side in pixels.

    Returns:
        uint8 array of shape (count, image_size, image_size, 3), not yet filled. Above 1 GiB (`IN_MEMORY_AT_MOST`) it
        lies in a file in the folder for temporary files (`TMPDIR`), which goes when the array does: the system then
        keeps in memory what there is room for, and training takes as little memory with 20,000 images as with 4,000.

    Raises:
        DataError: if there is no room for that file.
    """
    shape = (count, image_size, image_size, 3)
    size = int(np.prod(shape, dtype=np.int64))
    if size <= IN_MEMORY_AT_MOST:
        return np.empty(shape, np.uint8)
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free  # asked first: to write to a mapped file on a full disk ends the process
    if free < size:
        raise DataError(
            f"{count:,} images at {image_size}×{image_size} pixels need {size / 2**30:.1f} GiB, and {folder} has "
            f"{free / 2**30:.1f} GiB free. Choose a smaller image_size, or set TMPDIR to a folder with more room."
        )
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.asarray(np.memmap(file, np.uint8, "w+", shape=shape))
