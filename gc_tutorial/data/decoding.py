"""Decode image files into arrays of one shape, with Pillow.

`tfds.ImageFolder` and `keras.utils.image_dataset_from_directory` decode with TensorFlow, which ignores EXIF rotation,
drops transparency, cannot shrink a large photograph while it decodes, and does not say which file is damaged.
"""

import contextlib
import io
import os
import sys
import threading
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm  # tqdm.auto would draw a widget, which needs another package and is not kept in a notebook

from gc_tutorial.data.arrays import allocate
from gc_tutorial.data.files import File
from gc_tutorial.errors import DataError
from gc_tutorial.language import text

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MAX_PIXELS = 120_000_000  # more than any phone's default; decoding one takes about 1 GB
LARGEST_FILE = 512 * 2**20  # bytes, unpacked
LARGE_PIXELS, LARGE_FILE = 16_000_000, 32 * 2**20  # above this, images are decoded one at a time, to bound their memory
BAR_AFTER_SECONDS = 1
_STRIP = 256  # rows in which transparency is removed, instead of in a copy of the whole image
_one_large_image = threading.RLock()


def decode(content: bytes, image_size: int) -> np.ndarray:
    """Decode one image and resize it by area averaging: upright, opaque (on white), RGB, square.

    Args:
        content: bytes of a PNG, JPEG, WebP, GIF (its first frame) or BMP file, whatever its name: grey, palette,
            RGB, RGBA, CMYK, 8 or 16 bits.
        image_size: side of the result in pixels. Width and height are scaled separately if the image is not square.

    Returns:
        uint8 array of shape (image_size, image_size, 3).

    Raises:
        DataError: with the reason, in a few words.
    """
    if not content:
        raise DataError("empty, zero bytes")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(_too_large(f"{image.width:,}×{image.height:,}"))
            image.draft("RGB", (image_size, image_size))  # a JPEG several times as large is shrunk while decoding
            with _large_image_lock(image.width * image.height > LARGE_PIXELS):
                image.load()
                with contextlib.suppress(Exception):  # damaged EXIF data do not make the image unusable
                    ImageOps.exif_transpose(image, in_place=True)
                return np.asarray(_opaque(image).resize((image_size, image_size), Image.Resampling.BOX))
    except DataError:
        raise
    except Image.UnidentifiedImageError:
        raise DataError("not a PNG, JPEG, WebP, GIF or BMP image") from None
    except Image.DecompressionBombError:  # Pillow's own limit, which applies before ours
        raise DataError(_too_large(text("far too many"))) from None
    except Exception as error:  # the decoders of Pillow raise errors of every kind on damaged bytes
        raise DataError("damaged ({error})", error=str(error) or type(error).__name__) from error


def _large_image_lock(large: bool) -> contextlib.AbstractContextManager:
    return _one_large_image if large else contextlib.nullcontext()


def _too_large(size: str) -> str:
    return text("too large: {size} pixels, and the limit is {most:,}; save it smaller", size=size, most=MAX_PIXELS)


def _opaque(image: Image.Image) -> Image.Image:
    """The image as RGB, with white where it is transparent."""
    if image.mode.startswith("I"):  # 16-bit grey: the upper eight bits, which is what Pillow takes of 16-bit RGB
        grey, transparent = np.asarray(image), image.info.get("transparency")
        image = Image.fromarray((grey >> 8).astype(np.uint8))
        if transparent is not None:  # one value of grey
            image.putalpha(Image.fromarray(np.where(grey == transparent, 0, 255).astype(np.uint8)))
    if not image.has_transparency_data:
        return image.convert("RGB")
    opaque = Image.new("RGB", image.size)
    for top in range(0, image.height, _STRIP):
        strip = image.crop((0, top, image.width, min(top + _STRIP, image.height))).convert("RGBA")
        opaque.paste(Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip).convert("RGB"), (0, top))
    return opaque


def decode_all(
    files: Sequence[File], image_size: int, progress: bool = True
) -> tuple[np.ndarray, dict[int, DataError]]:
    """Read and decode many images on several threads, with a bar if it takes more than a second.

    Args:
        files: the files to decode.
        image_size: as for `decode`.
        progress: whether to show the bar.

    Returns:
        uint8 array of shape (number of files, image_size, image_size, 3), and the `DataError` of each image that
        could not be decoded, by its number; its place in the array is not filled.
    """
    images = allocate(len(files), image_size)
    errors: dict[int, DataError] = {}

    def one(number: int) -> None:
        size, read = files[number]
        try:
            if size > LARGEST_FILE:
                raise DataError(
                    "too large: {size:,.0f} MiB, and the limit is {most} MiB",
                    size=size / 2**20,
                    most=LARGEST_FILE // 2**20,
                )
            with _large_image_lock(size > LARGE_FILE):
                images[number] = decode(read(), image_size)
        except DataError as error:
            errors[number] = error

    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")  # warnings of Pillow about images that it can decode
        done = pool.map(one, range(len(files)))
        bar = {"desc": text("Reading images"), "unit": text("image"), "delay": BAR_AFTER_SECONDS, "leave": False}
        try:
            for _ in tqdm(done, total=len(files), file=sys.stdout, disable=not progress, **bar):
                pass
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # otherwise Ctrl-C would wait until all images are read
            raise
    return images, dict(sorted(errors.items()))
