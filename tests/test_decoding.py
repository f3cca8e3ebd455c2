import functools
import io
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gc_tutorial.data import decoding
from gc_tutorial.data.decoding import decode, decode_all
from gc_tutorial.data.files import File
from gc_tutorial.errors import DataError

RED, GREEN = (220, 20, 20), (20, 220, 20)


def encode(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def halves(mode="RGB", size=(40, 20)):
    """Red on the left, green on the right."""
    image = Image.new("RGB", size, RED)
    image.paste(GREEN, (size[0] // 2, 0, *size))
    return image.convert(mode)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_every_format_gives_the_same_picture(kind):
    picture = decode(encode(halves(), kind), 10)
    assert (picture.shape, picture.dtype) == ((10, 10, 3), np.uint8)
    assert np.abs(picture[:, :4] - np.array(RED, int)).max() < 12
    assert np.abs(picture[:, 6:] - np.array(GREEN, int)).max() < 12


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_becomes_three_channels(mode):
    grey = np.tile(np.arange(0, 256, 16, dtype=np.uint8), (16, 1))
    image = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(grey).convert(mode)
    picture = decode(encode(image, "PNG"), 16)
    expected = np.asarray(Image.fromarray(grey).convert("1").convert("L")) if mode == "1" else grey
    for channel in range(3):
        np.testing.assert_allclose(picture[..., channel].astype(int), expected, atol=2)


def test_sixteen_bit_grey_is_white_where_it_is_transparent():
    grey = np.array([[0x0100, 0x0101], [0x8000, 0xFF00]], np.uint16)  # two that differ in the lower eight bits only
    picture = decode(encode(Image.fromarray(grey), "PNG", transparency=0x0100), 2)
    assert picture[..., 0].tolist() == [[255, 1], [128, 255]]


def test_a_cmyk_jpeg_keeps_its_colours():
    picture = decode(encode(halves("CMYK"), "JPEG"), 10)
    assert np.abs(picture[:, 0] - np.array(RED, int)).max() < 30


def test_sixteen_bit_colour_keeps_its_colours():
    """As other programs write it; Pillow cannot."""
    import cv2

    colour = np.full((8, 8, 3), [20 * 257, 120 * 257, 220 * 257], np.uint16)  # OpenCV: blue, green, red
    _, content = cv2.imencode(".png", colour)
    np.testing.assert_array_equal(decode(content.tobytes(), 4)[0, 0], [220, 120, 20])


def test_what_is_transparent_becomes_white():
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste((*RED, 255), (0, 0, 4, 8))
    for content in (encode(image, "PNG"), encode(image, "WEBP", lossless=True), encode(image, "GIF")):
        picture = decode(content, 8)
        assert (picture[:, 5:] == 255).all()
        assert (picture[:, :4, 0] > 200).all()
        assert (picture[:, :4, 1] < 40).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_images_are_turned_upright(kind, orientation):
    upright = halves(size=(40, 40))
    upright.paste((20, 20, 220), (0, 20, 40, 40))  # blue below, so that all eight ways differ
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # EXIF's number: the transposition that Pillow counts so
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(encode(stored, kind, exif=exif), 8)
    np.testing.assert_allclose(picture[1, 1], RED, atol=12)
    np.testing.assert_allclose(picture[1, 6], GREEN, atol=12)
    np.testing.assert_allclose(picture[6, 3], (20, 20, 220), atol=12)


def test_only_the_first_frame_of_an_animation_counts():
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN)]
    for kind in ("GIF", "WEBP", "PNG"):
        picture = decode(encode(frames[0], kind, save_all=True, append_images=frames[1:]), 4)
        np.testing.assert_allclose(picture[0, 0], RED, atol=12)


def test_resizing_averages_areas():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 60, 3), dtype=np.uint8))
    expected = np.asarray(image, float).reshape(10, 3, 10, 6, 3).mean(axis=(1, 3))
    assert np.abs(decode(encode(image, "PNG"), 10) - expected).max() <= 1


def test_a_large_photograph_is_shrunk_while_it_is_decoded():
    picture = halves(size=(4000, 3000))
    content = encode(picture, "JPEG")
    np.testing.assert_allclose(decode(content, 30)[:, :14], np.full((30, 14, 3), RED), atol=12)
    np.testing.assert_allclose(decode(content, 30)[:, 16:], np.full((30, 14, 3), GREEN), atol=12)


def test_an_image_of_any_shape_can_be_read():
    for size in ((1, 1), (1, 500), (500, 1), (3, 2)):
        assert decode(encode(Image.new("RGB", size, RED), "PNG"), 20).shape == (20, 20, 3)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty, zero bytes"),
        (b"hello", "not a PNG, JPEG, WebP, GIF or BMP image"),
        (encode(halves(), "TIFF"), "not a PNG, JPEG, WebP, GIF or BMP image"),
        (encode(halves(), "PNG")[:-40], "damaged"),
        (encode(halves(size=(400, 400)), "JPEG")[:1500], "damaged"),
        (encode(halves(size=(400, 400)), "WEBP")[:100], "damaged"),
    ],
)
def test_why_a_file_cannot_be_decoded(content, told):
    with pytest.raises(DataError, match=told):
        decode(content, 10)


def test_a_decompression_bomb_is_not_decoded(monkeypatch):
    monkeypatch.setattr(decoding, "MAX_PIXELS", 799)
    with pytest.raises(DataError, match="too large: 40×20 pixels, and the limit is 799"):
        decode(encode(halves(), "PNG"), 10)


def test_a_bomb_beyond_pillows_own_limit_is_not_decoded():
    content = bytearray(encode(halves(), "PNG"))
    content[16:24] = struct.pack(">II", 30_000, 30_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    with pytest.raises(DataError, match="too large: far too many pixels"):
        decode(bytes(content), 10)


def test_results_come_in_order_with_errors_in_their_places():
    def slow(number):
        time.sleep(0.02 * (5 - number))
        if number == 3:
            raise DataError("gone")
        return encode(Image.new("RGB", (4, 4), (number, 0, 0)), "PNG")

    files = [File(1, functools.partial(slow, number)) for number in range(6)]
    images, errors = decode_all(files, 4, progress=False)
    assert {number: str(error) for number, error in errors.items()} == {3: "gone"}
    assert images[[0, 1, 2, 4, 5], 0, 0, 0].tolist() == [0, 1, 2, 4, 5]


@pytest.mark.parametrize("size", [10, 10**6])
def test_large_images_are_read_and_decoded_one_at_a_time(monkeypatch, size):
    """So that all threads together need the memory of one of them."""
    monkeypatch.setattr(decoding.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(decoding, "LARGE_FILE", 10**5)
    at_once, most = [], []

    def read():
        at_once.append(1)
        most.append(len(at_once))
        time.sleep(0.02)
        at_once.pop()
        return encode(halves(), "PNG")

    decode_all([File(size, read)] * 40, 4, progress=False)
    assert (max(most) == 1) == (size > 10**5)


def test_large_pictures_are_decoded_one_at_a_time(monkeypatch):
    monkeypatch.setattr(decoding.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(decoding, "LARGE_PIXELS", 100)
    at_once, most = [], []

    def opaque(image, original=decoding._opaque):
        at_once.append(1)
        most.append(len(at_once))
        time.sleep(0.02)
        at_once.pop()
        return original(image)

    monkeypatch.setattr(decoding, "_opaque", opaque)
    content = encode(halves(), "PNG")
    decode_all([File(len(content), lambda: content)] * 40, 4, progress=False)
    assert max(most) == 1
    monkeypatch.setattr(decoding, "LARGE_PIXELS", 10**6)
    decode_all([File(len(content), lambda: content)] * 40, 4, progress=False)
    assert max(most) > 1


def test_transparency_is_removed_alike_in_every_strip(monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 7, 4), dtype=np.uint8)
    content = encode(Image.fromarray(pixels), "PNG")
    whole = decode(content, 20)
    monkeypatch.setattr(decoding, "_STRIP", 3)
    np.testing.assert_array_equal(decode(content, 20), whole)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("junk", [b"junk", b"Exif\x00\x00junk", b"Exif\x00\x00MM\x00*\xff\xff\xff\xff", b"\x00" * 50])
def test_damaged_exif_data_do_not_make_an_image_unusable(kind, junk):
    np.testing.assert_allclose(decode(encode(halves(), kind, exif=junk), 10)[:, 0], np.full((10, 3), RED), atol=12)


@pytest.mark.parametrize(("progress", "after", "shown"), [(True, 0.05, True), (True, 60, False), (False, 0.05, False)])
def test_a_bar_shows_the_progress_of_long_work_only(monkeypatch, capsys, progress, after, shown):
    monkeypatch.setattr(decoding, "BAR_AFTER_SECONDS", after)
    content = encode(halves(), "PNG")

    def read():
        time.sleep(0.03)
        return content

    decode_all([File(1, read)] * 60, 4, progress)
    said = capsys.readouterr()
    assert said.err == ""  # a notebook keeps what is written there, and marks it red
    assert ("Reading images:" in said.out) == shown
    assert "".join(said.out.split("\r")[-2:]).strip() == ""  # and nothing of it stays


def test_the_bar_does_not_warn_where_a_notebook_has_no_widgets():
    """As `tqdm.auto` does: in a process of its own, that passes for a kernel without ipywidgets."""
    code = """
import sys, types, warnings
import IPython
IPython.get_ipython = lambda: types.SimpleNamespace(config={"IPKernelApp": {}})
sys.modules["ipywidgets"] = None  # what Python makes of a missing module
warnings.simplefilter("always")
from gc_tutorial.data import decoding
from gc_tutorial.data.files import File
decoding.BAR_AFTER_SECONDS = 0
decoding.decode_all([File(0, bytes)], 4)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Reading images:" in done.stdout
    assert "IProgress" not in done.stderr


# ----- damaged bytes

ORIGINALS = [
    *(encode(halves(), kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP")),
    *(encode(halves("P"), kind) for kind in ("PNG", "GIF", "BMP")),
    encode(Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8)), "PNG"),
    encode(halves("RGBA"), "WEBP", lossless=True),
    encode(halves("CMYK"), "JPEG", progressive=True),
]
changes = st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=8)


@given(original=st.sampled_from(ORIGINALS), changed=changes, kept=st.floats(0, 1), added=st.binary(max_size=20))
def test_damaged_bytes_give_a_picture_or_a_reason(original, changed, kept, added):
    content = bytearray(original)
    for place, value in changed:
        content[place % len(content)] = value
    if kept < 0.5:
        content = content[: int(2 * kept * len(content))]
    try:
        picture = decode(bytes(content) + added, 8)
    except DataError as error:
        assert str(error).startswith(("empty", "not a", "damaged", "too large"))
    else:
        assert (picture.shape, picture.dtype) == ((8, 8, 3), np.uint8)


def test_every_way_to_break_off_is_a_reason_or_a_picture():
    for original in ORIGINALS:
        for length in range(0, len(original), 7):
            try:
                decode(original[:length], 8)
            except DataError:
                continue


def test_after_an_interrupt_no_further_images_are_read(monkeypatch):
    """Not the hundreds that are still waiting; those that are being read may be read to their end."""
    began, ending = [], threading.Event()

    class Pool(decoding.ThreadPoolExecutor):
        def shutdown(self, wait=True, **options):
            super().shutdown(wait=False, **options)
            ending.set()
            super().shutdown(wait)

    def bar(done, **options):
        for _ in range(20):
            yield next(done)
        signal.raise_signal(signal.SIGINT)  # Ctrl-C while the bar is drawn

    def read(number):
        began.append(number)
        if number >= 20:
            ending.wait(300)
        return b""

    monkeypatch.setattr(decoding, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(decoding, "tqdm", bar)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background lets it be ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            decode_all([File(1, functools.partial(read, number)) for number in range(400)], 4)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert max(began) < 20 + 8  # at most as many more as there are threads
