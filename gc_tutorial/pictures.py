"""Decode the image files that people have into arrays of one shape, with Pillow.

`tfds.ImageFolder` and `keras.utils.image_dataset_from_directory` decode with TensorFlow, which heeds no EXIF rotation,
drops transparency, cannot shrink a large photograph while it decodes, and names no offender.
"""

import io
import os
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm  # tqdm.auto would draw a widget, which needs a further package and is not kept in a notebook

from gc_tutorial.cache import allocate
from gc_tutorial.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MOST_PIXELS = 120_000_000  # more than any telephone takes by default; such an image is about 360 MB in memory
BAR_AFTER_SECONDS = 1


def decode(content, image_size):
    """Decode one image and resize it by area averaging: upright, opaque (on white), RGB, square.

    Args:
        content: bytes of a PNG, JPEG, WebP, GIF (its first frame) or BMP file, whatever its name: grey, palette,
            RGB, RGBA, CMYK, 8 or 16 bits.
        image_size: side of the result in pixels. The sides of an image that is not square are scaled apart.

    Returns:
        uint8 array of shape (image_size, image_size, 3).

    Raises:
        DataError: why not, in a few words.
    """
    if not content:
        raise DataError("empty, zero bytes")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise DataError(_too_large(f"{image.width:,}×{image.height:,}"))
            image.draft("RGB", (image_size, image_size))  # a JPEG several times as large is shrunk while decoding
            ImageOps.exif_transpose(image, in_place=True)
            upright = _opaque(image)
            return np.asarray(upright.resize((image_size, image_size), Image.Resampling.BOX))
    except DataError:
        raise
    except Image.UnidentifiedImageError:
        raise DataError("not a PNG, JPEG, WebP, GIF or BMP image") from None
    except Image.DecompressionBombError:  # Pillow's own limit, which it applies before we see the size
        raise DataError(_too_large("far too many")) from None
    except Exception as error:  # Pillow's decoders raise errors of every kind on damaged bytes
        raise DataError(f"damaged ({error or type(error).__name__})") from error


def _too_large(size):
    return f"too large, {size} pixels of at most {MOST_PIXELS:,} in all; save it smaller"


def _opaque(image):
    """The image as RGB, with white where it is transparent."""
    if image.mode.startswith("I"):  # 16-bit grey: the upper eight bits, which is what Pillow takes of 16-bit RGB
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB")


def decode_all(readers, image_size, progress=True):
    """Read and decode many images on several threads, with a bar if it takes more than a second.

    Args:
        readers: sequence of functions that return the bytes of one image or raise a `DataError`.
        image_size: as for `decode`.
        progress: whether to show the bar.

    Returns:
        list with, for each reader, its uint8 array of shape (image_size, image_size, 3) or its `DataError`.
    """
    images = allocate(len(readers), image_size)

    def one(number):
        try:
            images[number] = decode(readers[number](), image_size)
            return images[number]
        except DataError as error:
            return error

    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")  # of Pillow: an image that can be decoded is good enough, odd as it may be
        bar = tqdm(
            pool.map(one, range(len(readers))),
            total=len(readers),
            file=sys.stdout,
            desc="Reading images",
            unit="image",
            delay=BAR_AFTER_SECONDS,
            leave=False,
            disable=not progress,
        )
        return list(bar)
