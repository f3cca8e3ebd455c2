"""How many runs of a study this machine does in an hour, arms taking turns; then what a step could do at most.

    python tests/benchmarks/study_speed.py --csv gc_tutorial/study/results/study_speed.csv

`runs`: the runs of a plan, trained by a plain loop as a reader would write it (Keras's augmenting layers in
`tf.data`, a new model each time, `fit` with held-out data), by one process with two threads, by two workers with one
thread each, and by that one process in bfloat16. Each arm is a process of its own, which first trains one epoch to
warm up; starting it is not counted. Beside the seconds stands how far the losses are from those of one process.
`limits`: floating-point operations a second of a training step, of one compiled by XLA, of one without dropout and of
its kernels alone, beside those of a large matrix product and a large convolution of the same process.
`store`: keeping one more run in a folder of many. `first_step`: short runs whose optimizer and metric create their
variables before the first step, as in a study, or in it, as Keras does by itself.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace

import keras
import numpy as np
import speed  # imports TensorFlow quietly
import tensorflow as tf

from gc_tutorial import build_cnn
from gc_tutorial.data.horses_or_humans import NAME as REAL
from gc_tutorial.models import loss_for
from gc_tutorial.study import engine, store, training
from gc_tutorial.study.datasets import examples
from gc_tutorial.study.factors import ARMS as ARMS_OF_STUDIES
from gc_tutorial.study.runs import Run

COUNTS = {94: 4, 150: 2}
LOSSES = ("train_loss", "clean_loss", "heldout_loss")
STORED = (10, 100, 1_000, 5_000)
ARMS = (
    "a plain loop over fit",
    "one process, two threads",
    "two workers, one thread each",
    "one process, two threads, bfloat16",
)
FIRST_STEP = ("variables before the first step", "variables in the first step")
CONVOLUTION = (32, 94, 64, 64)  # images, side, channels in, channels out


def plan(size, epochs):
    run = Run(REAL, 1e-3, epochs, 0, image_size=size)
    return [replace(run, seed=seed, arm=arm) for seed in range(COUNTS[size] // 2) for arm in ("none", "gradient")]


def plain_loop(runs):
    """What a reader would write: no shared pixels between runs but in memory, Keras's layers, the tuner of tf.data."""
    for run in runs:
        data = examples(run.data, run.image_size, run.seed)
        layers = keras.Sequential(speed.published_layers())
        batches = tf.data.Dataset.from_tensor_slices(data.train).shuffle(1024).batch(run.batch_size)
        batches = batches.map(lambda images, labels, layers=layers: (layers(images, training=True), labels))
        heldout = tf.data.Dataset.from_tensor_slices(data.heldout).batch(run.batch_size)
        model = build_cnn(run.image_size)
        model.compile(keras.optimizers.RMSprop(run.learning_rate), "binary_crossentropy", metrics=["accuracy"])
        model.fit(batches.prefetch(tf.data.AUTOTUNE), validation_data=heldout, epochs=run.epochs, verbose=0)


def train_all(arm, runs):
    """The seconds that an arm takes for the runs, in this process, and the losses of each run's last epoch."""
    if arm == ARMS[0]:
        plain_loop([replace(runs[0], epochs=1)])
        began = time.perf_counter()
        plain_loop(runs)
        return time.perf_counter() - began, {}
    options = {"workers": 1, "threads": 2} if arm in (ARMS[1], ARMS[3]) else {"workers": 2, "threads": 1}
    warm = [replace(run, epochs=1) for run in runs[:2]]  # one for each worker; they end about together
    with engine.started(**options) as compute:
        list(compute(warm))
        began = time.perf_counter()
        trained = list(compute(runs))
        seconds = time.perf_counter() - began
    last = {run.name: result["rows"][-1] for run, result in trained}
    return seconds, {f"{name} {loss}": row[loss] for name, row in sorted(last.items()) for loss in LOSSES}


def measure_runs(rounds, epochs):
    rows = []
    for size in COUNTS:
        seconds, losses = {arm: [] for arm in ARMS}, {}
        for number in range(rounds):
            first = number % len(ARMS)  # nobody always goes first
            for arm in ARMS[first:] + ARMS[:first]:
                taken, losses[arm] = _elsewhere(arm, size, epochs)
                seconds[arm].append(taken / COUNTS[size])
        plain, one = np.array(seconds[ARMS[0]]), losses[ARMS[1]]
        for arm, each in seconds.items():
            figures = {"median_seconds": np.median(each), "best_seconds": min(each)}
            figures["times_the_first"] = np.median(each) / np.median(plain)
            figures["best_times_the_first"] = min(each) / plain.min()
            rows.append(
                {"part": "runs", "arm": arm, "image_size": size, "epochs": epochs, "rounds": rounds}
                | {name: round(float(value), 3) for name, value in figures.items()}
                | {"losses_differ_by": farthest(losses[arm], one)}
            )
            print(rows[-1], file=sys.stderr, flush=True)
    return rows


def farthest(some, others):
    """How far apart losses of the same names are at most, to three digits, or None where there are none."""
    return max((float(f"{abs(value - others[name]):.3g}") for name, value in some.items()), default=None)


def _elsewhere(arm, size, epochs):
    command = [sys.executable, __file__, "--arm", arm, "--size", str(size), "--epochs", str(epochs)]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()[-1])


def operations(model):
    """Multiplications and additions of a training step for one image, counted in the layers with kernels.

    Each layer computes forward, towards its kernel and, but for the first one, towards its input.
    """
    each = []
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            places = np.prod(layer.output.shape[1:-1]) if len(layer.output.shape) > 2 else 1
            each.append(int(2 * np.prod(layer.kernel.shape) * places))
    return 3 * sum(each) - each[0]


def kernels_alone(model, batch):
    """What counts as operations, and nothing else: each layer with a kernel, forward and back, on random inputs."""
    kernels = [layer for layer in model.layers if hasattr(layer, "kernel")]
    inputs = [tf.random.uniform((batch, *layer.input.shape[1:])) for layer in kernels]

    @tf.function
    def compute():
        found = []
        for layer, values in zip(kernels, inputs, strict=True):
            with tf.GradientTape() as tape:
                tape.watch(values)
                if isinstance(layer, keras.layers.Dense):
                    output = tf.matmul(values, layer.kernel)
                else:
                    output = tf.nn.conv2d(values, layer.kernel, 1, "VALID")
            wanted = [layer.kernel.value] if layer is kernels[0] else [layer.kernel.value, values]
            found += [output, *tape.gradient(output, wanted)]  # with the output, or the way forward would be left out
        return [tf.reduce_sum(one) for one in found]

    return compute


def measure_limits(rounds):
    """Operations a second of whole steps and of their parts, beside a large matrix product and a large convolution."""
    matrix = tf.random.normal((2048, 2048))
    images, side, inward, outward = CONVOLUTION
    pictures, kernel = tf.random.normal((images, side, side, inward)), tf.random.normal((3, 3, inward, outward))
    product, convolve = tf.function(tf.matmul), tf.function(lambda x, k: tf.nn.conv2d(x, k, 1, "VALID"))
    arms = {"a matrix product": lambda: product(matrix, matrix), "a convolution": lambda: convolve(pictures, kernel)}
    work = {"a matrix product": 2 * 2048**3, "a convolution": 2 * 9 * inward * outward * images * (side - 2) ** 2}
    for size, batch in ((150, 32), (300, 128)):
        name = f"a step at {size} pixels, batches of {batch}"
        data = tf.random.uniform((batch, size, size, 3), maxval=255), tf.ones((batch, 1))
        steps = {name: (0.5, False), f"{name}, without dropout": (0.0, False)}
        if batch == 32:  # the larger one takes half a minute
            steps[f"{name}, with XLA"] = (0.5, True)
        for title, (dropout, xla) in steps.items():
            model = speed.compiled(lambda size=size, dropout=dropout: build_cnn(size, dropout), jit_compile=xla)
            arms[title] = lambda model=model, data=data: model.train_on_batch(*data)
        arms[f"{name}, its kernels alone"] = kernels_alone(model, batch)
        work |= {title: operations(model) * batch for title in arms if title.startswith(name)}
    seconds = speed.take_turns(arms, rounds)
    rates = {name: work[name] / taken / 1e9 for name, taken in seconds.items()}
    most = max(np.median(rates[name]) for name in list(arms)[:2])
    return [
        {"part": "limits", "arm": name, "rounds": rounds, "median_gflops": round(float(np.median(found)), 1)}
        | {"best_gflops": round(float(found.max()), 1), "share_of_the_limit": round(float(np.median(found) / most), 3)}
        for name, found in rates.items()
    ]


def measure_store(rounds):
    """Milliseconds to keep a run, and to read one at the start, in folders that already hold so many."""
    rows = [{"epoch": epoch, "loss": 0.1, "clean_loss": 0.2, "heldout_loss": 0.3} for epoch in range(12)]
    figures = []
    for count in STORED:
        with tempfile.TemporaryDirectory() as folder:
            for number in range(count):
                store.write_run(folder, f"run{number}", {"plan": "P"}, {"rows": rows})
            reading = []
            for _ in range(rounds):
                began = time.perf_counter()
                store.read_results(folder)
                reading.append((time.perf_counter() - began) / count)
            kept = []
            for number in range(count, count + 10 * rounds):
                began = time.perf_counter()
                store.write_run(folder, f"run{number}", {"plan": "P"}, {"rows": rows})
                kept.append(time.perf_counter() - began)
        figures.append(
            {"part": "store", "arm": f"{count} runs in the folder", "rounds": 10 * rounds}
            | {"reading_ms_per_run": round(1000 * np.median(reading), 3)}
            | {"median_ms_to_keep": round(1000 * np.median(kept), 3), "best_ms_to_keep": round(1000 * min(kept), 3)}
        )
    return figures


def train_short_runs(arm):
    """Processor seconds of 14 short runs, which the tracing of their steps fills, and the losses of each."""
    if arm == FIRST_STEP[1]:
        training.compile_model = lambda model, optimizer: model.compile(
            optimizer, loss_for(model), metrics=["accuracy"]
        )
    shape = {"network": "small_cnn", "image_size": 8, "augmentation": "none", "train_examples": 100}
    run = Run("digits", 1e-3, 1, 0, **shape)
    runs = [replace(run, arm=arm) for arm in ARMS_OF_STUDIES if arm != "recompiled"]
    runs += [replace(run, optimizer=optimizer) for optimizer in ("sgd", "adam", "adamw")]
    training.train(replace(run, seed=1))
    began = time.process_time()
    rows = [training.train(run)["rows"] for run in runs]
    seconds = time.process_time() - began
    return seconds, {f"{number} {loss}": row[-1][loss] for number, row in enumerate(rows) for loss in LOSSES}


def measure_first_step(rounds):
    taken, losses = {arm: [] for arm in FIRST_STEP}, {}
    for number in range(rounds):
        for arm in FIRST_STEP[:: (-1) ** number]:
            seconds, losses[arm] = _elsewhere(arm, 8, 1)
            taken[arm].append(seconds)
    first = taken[FIRST_STEP[0]]
    return [
        {"part": "first_step", "arm": arm, "rounds": rounds}
        | {"median_seconds": round(float(np.median(each)), 3), "best_seconds": round(min(each), 3)}
        | {"times_the_first": round(float(np.median(each) / np.median(first)), 3)}
        | {"losses_differ_by": farthest(losses[arm], losses[FIRST_STEP[0]])}
        for arm, each in taken.items()
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=[*PARTS], help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--csv", help="put the table into this file, too, in place of its parts there")
    parser.add_argument(
        "--arm", choices=ARMS + FIRST_STEP, help="measure this arm alone, in this process, and print its seconds"
    )
    parser.add_argument("--size", type=int, default=94)
    options = parser.parse_args()
    if options.arm:
        if options.arm == ARMS[3]:
            keras.config.set_dtype_policy("mixed_bfloat16")
        found = (
            train_short_runs(options.arm)
            if options.arm in FIRST_STEP
            else train_all(options.arm, plan(options.size, options.epochs))
        )
        print(json.dumps(found))
        return
    rows = []
    for part in options.parts:
        rows += PARTS[part](options)
    speed.finish(rows, options.csv)


PARTS = {
    "runs": lambda options: measure_runs(options.rounds, options.epochs),
    "limits": lambda options: measure_limits(5 * options.rounds),
    "store": lambda options: measure_store(3 * options.rounds),
    "first_step": lambda options: measure_first_step(options.rounds),
}


if __name__ == "__main__":
    main()
