"""Arrays of decoded images: in memory, or above a limit in a temporary file."""

import shutil
import tempfile
from collections.abc import Sequence

import numpy as np

from gc_tutorial.errors import DataError

MAX_IN_MEMORY = 2**30  # bytes: 3,976 images at 300×300 pixels, 15,906 at 150×150


def allocate(count: int, image_size: int) -> np.ndarray:
    """Allocate an array for images.

    Above 1 GiB (`MAX_IN_MEMORY`) the array is in a file in the folder for temporary files (`TMPDIR`), and the file
    is deleted together with the array. The operating system then keeps in memory what there is room for, so training
    takes as little memory with 20,000 images as with 4,000.

    Args:
        count: number of images.
        image_size: side in pixels.

    Returns:
        uint8 array of shape (count, image_size, image_size, 3), not yet filled.

    Raises:
        DataError: if there is no room for that file.
    """
    shape = (count, image_size, image_size, 3)
    size = count * image_size**2 * 3
    if size <= MAX_IN_MEMORY:
        return np.empty(shape, np.uint8)
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free  # asked first: a write to a mapped file on a full disk ends the process
    if free < size:
        raise DataError(
            "{count:,} images at {image_size}×{image_size} pixels need {size:,.1f} GiB, and {folder} has {free:,.1f} "
            "GiB free. Choose a smaller image_size, or set TMPDIR to a folder with more room.",
            count=count,
            image_size=image_size,
            size=size / 2**30,
            folder=folder,
            free=free / 2**30,
        )
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.asarray(np.memmap(file, np.uint8, "w+", shape=shape))


def reorder(images: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """Move images within their array, so that no second array is needed.

    Args:
        images: array of shape (count, ...); it is changed.
        order: numbers of the images to keep, each at most once.

    Returns:
        array of shape (len(order), ...), a view of the first rows, equal to `images[order]` of before.
    """
    kept = np.asarray(order, dtype=int)
    source = np.concatenate([kept, np.setdiff1d(np.arange(len(images)), kept)])
    for start in range(len(source)):  # each cycle of the permutation once
        if source[start] == start:
            continue
        first, place = images[start].copy(), start
        while source[place] != start:
            images[place] = images[source[place]]
            source[place], place = place, source[place]
        images[place], source[place] = first, place
    return images[: len(kept)]
