"""How much memory the recipe takes, and how loading and augmenting grow with the number of images or of files.

    make benchmark

Each number is the median over some processes of their own. Memory is what the system could not take back: the process's
own pages, without those that only mirror a file (`RssAnon` of Linux).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import speed  # imports TensorFlow quietly
import tensorflow_datasets as tfds

from gc_tutorial import load_data, training_batches
from gc_tutorial.data.horses_or_humans import NAME as REAL
from gc_tutorial.data.prepared import read_split
from gc_tutorial.data.synthetic import SyntheticHorsesOrHumans

COUNTS = (1_000, 2_000, 5_000, 10_000, 20_000)
MANY = Path(__file__).resolve().parents[2] / "build" / "many_synthetic"
FILES = MANY.with_name("many_files")


class Peak(threading.Thread):
    """Watch this process's memory; `gibibytes` is the most it ever held."""

    def __init__(self):
        super().__init__(daemon=True)
        self.gibibytes = 0.0
        self.start()

    def run(self):
        while True:
            kibibytes = Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0]
            self.gibibytes = max(self.gibibytes, int(kibibytes) / 2**20)
            time.sleep(0.01)


class ManySynthetic(SyntheticHorsesOrHumans):
    """The synthetic set, larger."""

    COUNTS = {"full": {"train": max(COUNTS), "test": 2}}  # noqa: RUF012


def many_synthetic():
    tfds.disable_progress_bar()
    builder = ManySynthetic(config="full", data_dir=MANY)
    builder.download_and_prepare()
    return builder


def recipe(arm):
    peak = Peak()
    data = load_data(REAL, speed.SIZE)
    if arm in speed.EPOCH_ARMS:
        speed.fit(*speed.EPOCH_ARMS[arm](data.train_images, data.train_labels))
    return {"peak_gib": round(peak.gibibytes, 2)}


def growth(count):
    peak, builder = Peak(), many_synthetic()
    began = time.perf_counter()
    images, labels = read_split(builder, f"train[:{count}]", speed.SIZE)
    loading = time.perf_counter() - began
    batches = training_batches(images, labels, speed.BATCH, seed=0)
    began = time.perf_counter()
    for _ in range(2):
        speed.exhaust(batches)
    augmenting = (time.perf_counter() - began) / 2
    return {
        "loading_ms_per_image": round(1000 * loading / int(count), 2),
        "augmenting_ms_per_image": round(1000 * augmenting / int(count), 2),
        "peak_gib": round(peak.gibibytes, 2),
    }


def image_files():
    """A folder with as many JPEG files as the largest count, in folders of 1,000, which links then put together."""
    for first in range(0, max(COUNTS), 1000):
        folder = FILES / "all" / str(first)
        if folder.exists():
            continue
        unfinished = FILES / "unfinished"
        for number in range(first, first + 1000):
            # Smooth, as photographs are, or decoding would take far longer; and no two alike.
            coarse = np.random.default_rng(number).integers(0, 256, (10, 10, 3), dtype="uint8")
            path = unfinished / f"class_{number % 2}" / f"{number:05d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), cv2.resize(coarse, (speed.SIZE, speed.SIZE), interpolation=cv2.INTER_CUBIC))
        folder.parent.mkdir(exist_ok=True)
        unfinished.rename(folder)


def folder(count):
    with tempfile.TemporaryDirectory(dir=FILES) as chosen:
        for path in sorted((FILES / "all").glob("*/*/*.jpg"), key=lambda path: path.name)[: int(count)]:
            link = Path(chosen, path.parent.name, path.name)
            link.parent.mkdir(exist_ok=True)
            os.link(path, link)
        peak, began, used = Peak(), time.perf_counter(), time.process_time()
        load_data(chosen, speed.SIZE)
        return {
            "loading_ms_per_image": round(1000 * (time.perf_counter() - began) / int(count), 2),
            "processor_ms_per_image": round(1000 * (time.process_time() - used) / int(count), 2),
            "peak_gib": round(peak.gibibytes, 2),
        }


def in_processes(part, arm, count):
    command = [sys.executable, __file__, "--one", part, arm]
    found = []
    for _ in range(count):
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
        print(f"  {part} {arm}: {found[-1]}", file=sys.stderr, flush=True)
    medians = {name: round(float(np.median([one[name] for one in found])), 2) for name in found[0]}
    most = max(one["peak_gib"] for one in found)
    return {"part": part, "arm": arm, "processes": count, **medians, "most_peak_gib": most}


def main():
    counts = [str(count) for count in COUNTS]
    parts = {"recipe": ["loading the images alone", *speed.EPOCH_ARMS], "growth": counts, "folder": counts}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(parts), help=f"of {', '.join(parts)}; all by default")
    parser.add_argument("--processes", type=int, default=3, help="for each number")
    parser.add_argument("--csv", help="put the table into this file, too, in place of its parts there")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        part, arm = options.one
        print(json.dumps({"recipe": recipe, "growth": growth, "folder": folder}[part](arm)))
        return
    if "growth" in options.parts:
        many_synthetic()
    if "folder" in options.parts:
        image_files()
    rows = [in_processes(part, arm, options.processes) for part in options.parts for arm in parts[part]]
    speed.finish(rows, options.csv)


if __name__ == "__main__":
    main()
