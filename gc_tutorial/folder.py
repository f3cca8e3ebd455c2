"""Folders of images: what must be there, checked before anything is trained."""

from PIL import Image

SPLITS = ("train", "test")
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg")


class DataError(ValueError):
    """Data that cannot be had or read; the message says what to do."""


def check_folder(folder):
    """Look at every file of an image folder, so that training does not fail in the middle of it.

    Args:
        folder: `pathlib.Path` with `train/<class>/*` and `test/<class>/*`. Hidden files and folders are passed over.

    Raises:
        DataError: naming what is missing, or the files that cannot be read as images.
    """
    classes = {split: _classes(folder / split) for split in SPLITS}
    if classes["train"].keys() != classes["test"].keys():
        raise DataError(
            f"The classes in {folder / 'train'} ({', '.join(classes['train'])}) and in {folder / 'test'} "
            f"({', '.join(classes['test'])}) differ. Use the same folder names in both."
        )
    _check_images([path for of_split in classes.values() for paths in of_split.values() for path in paths])


def _classes(folder):
    """The images of each class in one split's folder, or an error that says what is missing."""
    subfolders = sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] not in "._") if folder.is_dir() else []
    found = {sub.name: sorted(p for p in sub.iterdir() if p.is_file() and p.name[0] != ".") for sub in subfolders}
    if not found:
        raise DataError(
            f"{folder} holds no classes. Put the images of each class into a folder of its own: "
            f"{folder / '<class>' / 'image.png'}."
        )
    if len(found) == 1:
        raise DataError(f"{folder} holds only one class, {next(iter(found))!r}. A classifier needs two or more.")
    if len(found) > 2:
        raise DataError(
            f"{folder} holds {len(found)} classes ({', '.join(found)}). The network of this tutorial tells two apart."
        )
    empty = [str(folder / name) for name, images in found.items() if not images]
    if empty:
        raise DataError(f"No images in {', '.join(empty)}. Put some there, or remove the folder.")
    return found


def _check_images(paths):
    broken = []
    for path in paths:
        try:
            if path.suffix.lower() not in IMAGE_ENDINGS:
                raise OSError(f"its ending is not one of {', '.join(IMAGE_ENDINGS)}")
            with Image.open(path) as image:
                image.load()
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            reason = "not an image" if isinstance(error, Image.UnidentifiedImageError) else error
            broken.append(f"  {path}: {reason}")
    if broken:
        more = f"\n  ... and {len(broken) - 10} more" if len(broken) > 10 else ""
        raise DataError(
            f"{len(broken)} of {len(paths)} files cannot be read as images. Mend or remove them:\n"
            + "\n".join(broken[:10])
            + more
        )
