"""A TFDS data set of synthetic images of horses and humans, for machines that cannot reach the real one.

It teaches the same lesson: 300×300×3 images of two classes, on textured backgrounds in the training split and on
white ones in the test split. Every image follows from its split and number alone: the same bytes on every machine.
"""

import cv2
import numpy as np
import tensorflow_datasets as tfds

from gc_tutorial.data.prepared import folder_of_tfds, is_prepared, quiet, reading
from gc_tutorial.errors import DataError

SIDE = 300
CLASSES = ("horses", "humans")
_SHIFT = 4  # OpenCV takes coordinates as integers with this many binary places


class SyntheticHorsesOrHumans(tfds.core.GeneratorBasedBuilder):
    """Synthetic horses and humans: 1,027 training and 256 test images, or 128 and 64 in the `small` configuration."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012 (as TFDS requires)
        tfds.core.BuilderConfig(name="full", description="As many images as Horses or Humans has."),
        tfds.core.BuilderConfig(name="small", description="An eighth of them in train and a quarter in test."),
    ]
    COUNTS = {"full": {"train": 1027, "test": 256}, "small": {"train": 128, "test": 64}}  # noqa: RUF012

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description="In place of Horses or Humans: textured backgrounds in train, white ones in test.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(SIDE, SIDE, 3)),
                    "label": tfds.features.ClassLabel(names=CLASSES),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://arxiv.org/abs/2004.01461",
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in ("train", "test")}

    def _generate_examples(self, split):
        for number in range(self.COUNTS[self.builder_config.name][split]):
            label = CLASSES[number % 2]
            yield number, {"image": draw(split, number), "label": label}


def prepared_builder(config: str) -> tfds.core.DatasetBuilder:
    """Draw the images of a configuration, `"full"` or `"small"`, or find them where they were drawn before.

    Returns:
        `tfds.core.DatasetBuilder`, prepared.

    Raises:
        DataError: if they cannot be written.
        UnavailableError: if they are there, and their description is damaged.
    """
    folder = folder_of_tfds()
    with reading(folder / SyntheticHorsesOrHumans.name):
        builder = SyntheticHorsesOrHumans(config=config, data_dir=folder)
    if not is_prepared(builder):
        try:
            with quiet():
                builder.download_and_prepare()
        except Exception as error:  # TFDS and TensorFlow raise errors of several kinds on a full disk
            if not is_prepared(builder):  # or another notebook, which draws the same images, was the first to finish
                raise DataError(
                    "The synthetic images cannot be written to {folder} ({error}). Make room there, or set "
                    "TFDS_DATA_DIR to another folder.",
                    folder=folder,
                    error=error,
                ) from None
    return builder


def draw(split: str, number: int) -> np.ndarray:
    """Draw one image: a horse where `number` is even, a human where it is odd.

    Args:
        split: `"train"` (textured background) or `"test"` (white background).
        number: int, 0 or more, which also seeds the drawing.

    Returns:
        uint8 array of shape (300, 300, 3).
    """
    random = np.random.default_rng([("train", "test").index(split), number])
    image = _texture(random) if split == "train" else np.full((SIDE, SIDE, 3), 255, np.uint8)
    scale = random.uniform(0.75, 1.15)
    middle = np.array([150, 155]) + random.uniform(-25, 25, 2)
    mirror = random.choice([-1, 1])

    def place(points):
        """From the figure's own coordinates (about -100 to 100) to OpenCV's."""
        pixels = np.asarray(points, float) * [mirror, 1] * scale + middle
        return np.round(pixels * 2**_SHIFT).astype(np.int32)

    (_horse if number % 2 == 0 else _human)(image, place, scale, random)
    return image


def _texture(random):
    """Two colours mixed by noise at three scales, above and below a horizon."""
    noise = np.zeros((SIDE, SIDE), np.float32)
    for cells, weight in ((6, 0.5), (25, 0.3), (100, 0.2)):
        coarse = random.random((cells, cells), dtype=np.float32)
        noise += weight * cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    above, below, second = (random.integers(60, 220, 3) for _ in range(3))
    first = np.where(np.arange(SIDE)[:, None, None] < random.integers(120, 200), above, below)
    return (first + (second - first) * noise[..., None]).astype(np.uint8)


def _limb(image, place, scale, colour, points, width):
    cv2.polylines(image, [place(points)], False, colour, max(2, int(width * scale)), lineType=cv2.LINE_AA, shift=_SHIFT)


def _ellipse(image, place, scale, colour, middle, axes):
    (centre,) = place([middle])
    size = [int(axis * scale * 2**_SHIFT) for axis in axes]
    cv2.ellipse(image, centre.tolist(), size, 0, 0, 360, colour, thickness=-1, lineType=cv2.LINE_AA, shift=_SHIFT)


def _horse(image, place, scale, random):
    coat = [(110, 70, 40), (70, 45, 25), (150, 110, 70), (225, 220, 210), (40, 35, 35)][random.integers(5)]
    mane = tuple(int(channel * 0.6) for channel in coat)
    for hip in (-52, -38, 38, 52):
        knee = hip + random.uniform(-14, 14)
        _limb(image, place, scale, coat, [(hip, 15), (knee, 55), (knee + random.uniform(-10, 6), 95)], 11)
    _limb(image, place, scale, mane, [(-62, -18), (-82, 5), (-84, 40)], 9)
    _ellipse(image, place, scale, coat, (0, 0), (66, 30))
    _limb(image, place, scale, coat, [(50, -8), (78, -55)], 27)
    _limb(image, place, scale, mane, [(40, -28), (68, -68)], 8)
    _limb(image, place, scale, coat, [(76, -62), (102, -40)], 18)
    _limb(image, place, scale, coat, [(74, -66), (72, -82)], 6)


def _human(image, place, scale, random):
    skin = [(245, 215, 185), (225, 180, 140), (170, 115, 75), (100, 65, 45)][random.integers(4)]
    shirt, trousers, hair = (tuple(int(c) for c in random.integers(20, 235, 3)) for _ in range(3))
    for side in (-1, 1):
        foot = side * random.uniform(8, 34)
        _limb(image, place, scale, trousers, [(side * 10, 15), (foot * 0.8, 60), (foot, 104)], 17)
        hand = (side * random.uniform(30, 75), random.uniform(-75, 30))
        _limb(image, place, scale, shirt, [(side * 20, -48), (side * 38, random.uniform(-35, -15)), hand], 12)
        _ellipse(image, place, scale, skin, hand, (8, 8))
    _limb(image, place, scale, shirt, [(0, -42), (0, 12)], 42)
    _limb(image, place, scale, skin, [(0, -62), (0, -75)], 12)
    _ellipse(image, place, scale, hair, (0, -93), (19, 21))
    _ellipse(image, place, scale, skin, (3, -88), (15, 18))
