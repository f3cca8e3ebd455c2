"""The Horses or Humans images (Laurence Moroney, CC BY 2.0), through TFDS."""

import urllib.parse

import tensorflow_datasets as tfds

from gc_tutorial.console import say
from gc_tutorial.data import download
from gc_tutorial.data.prepared import UnavailableError, is_prepared, named_folder, reading
from gc_tutorial.language import text

NAME = "horses_or_humans"
DOWNLOAD = "https://storage.googleapis.com/download.tensorflow.org/data/horse-or-human.zip"


def prepared_builder() -> tfds.core.DatasetBuilder:
    """Find the data set on this machine, or download it where its server answers soon.

    Returns:
        `tfds.core.DatasetBuilder`, prepared.

    Raises:
        UnavailableError: if it is not there and cannot be downloaded, or its description is damaged.
    """
    builder = _builder()
    if not is_prepared(builder) and download.can_download(DOWNLOAD):
        say(text("Downloading Horses or Humans from {host} ...", host=urllib.parse.urlsplit(DOWNLOAD).netloc))
        failure = download.prepare(NAME, named_folder(), int(builder.info.download_size))
        if failure:  # for example if the server answers, and then stops sending
            say(text("The download failed: {failure}", failure=failure))
        builder = _builder()
    if not is_prepared(builder):
        raise UnavailableError(
            "Horses or Humans is not on this machine and could not be downloaded. Connect to the network and "
            "try again; or copy a folder `horses_or_humans` that TFDS has prepared elsewhere, and set "
            "TFDS_DATA_DIR to the folder that holds it; or use source='synthetic'."
        )
    return builder


def _builder() -> tfds.core.DatasetBuilder:
    folder = named_folder()
    with reading(folder / NAME):
        return tfds.builder(NAME, try_gcs=False, data_dir=folder)
