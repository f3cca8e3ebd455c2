"""What gradient centralization costs: one `apply`, and one whole training step, with and without it.

    make benchmark
    KERAS_BACKEND=jax python tests/benchmarks/optimizer_cost.py --apply-rounds 0 --csv results.csv

The arms take turns, so that whatever else the machine does affects all of them alike; the ratio is taken in each
round, and its median is printed with the quartiles and a 95% interval (SciPy's bootstrap). A whole step is measured
in processor seconds, on any backend, for the CNN and for a transformer block. `empty` is a subclass of the optimizer
that adds nothing: on PyTorch it loses the fused update that Keras has for its own classes. One `apply` is measured on
TensorFlow only, also compiled by XLA, beside NumPy's copy of as many parameters and beside its floor: what memory
traffic alone would cost if each optimizer were one fused pass. RMSprop reads the gradient, and reads and writes its
accumulator and the weights (5 passes over memory, Adam 7); a mean that must be known beforehand is one more, putting
it back is two more.
"""

import argparse
import csv
import time
from pathlib import Path

import keras
import numpy as np
from keras import layers
from scipy import stats

from gc_tutorial import build_cnn
from gc_tutorial.optimizers import centralized

PASSES = {"RMSprop": 5, "Adam": 7}
ARMS = {"plain": None, "gradient": "gradient", "update": "update"}
STEP_ARMS = {"plain": None, "empty": "empty", **{mode: mode for mode in ("gradient", "update")}}
EXTRA_PASSES = {"gradient": 1, "update": 2}


def resnet50_shapes():
    """The 25.6 million parameters of ResNet-50, as Keras lays them out."""
    shapes = [(7, 7, 3, 64), (64,), (64,)]
    channels = 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            kernels = [(1, 1, channels, width), (3, 3, width, width), (1, 1, width, 4 * width)]
            kernels += [(1, 1, channels, 4 * width)] if block == 0 else []
            for kernel in kernels:
                shapes += [kernel, kernel[-1:], kernel[-1:]]
            channels = 4 * width
    return [*shapes, (2048, 1000), (1000,)]


def cnn_shapes():
    return [tuple(variable.shape) for variable in build_cnn().trainable_variables]


def make_optimizer(name, mode):
    optimizer_class = getattr(keras.optimizers, name)
    if mode == "empty":
        optimizer_class = type(name, (optimizer_class,), {})
    return optimizer_class(1e-4) if mode in (None, "empty") else centralized(optimizer_class)(1e-4, centralize=mode)


def apply_arm(name, mode, shapes, gradients, xla=False):
    import tensorflow as tf

    # No layer owns these variables, so their names tell the axes.
    names = [f"rank_{len(shape)}" for shape in shapes]
    variables = [
        keras.Variable(np.full(shape, 0.01, "float32"), name=n) for n, shape in zip(names, shapes, strict=True)
    ]
    optimizer = make_optimizer(name, mode)
    if mode is not None:
        axes = {f"rank_{len(shape)}": list(range(len(shape) - 1)) or None for shape in shapes}
        optimizer = type(optimizer).from_config({**optimizer.get_config(), "axes": axes})
    optimizer.build(variables)

    @tf.function(jit_compile=xla)
    def apply():
        optimizer.apply(gradients, variables)

    return apply


def transformer_block(length=128, width=256):
    inputs = keras.Input((length, width))
    attended = layers.LayerNormalization()(inputs + layers.MultiHeadAttention(8, width // 8)(inputs, inputs))
    wide = layers.Dense(width)(layers.Dense(4 * width, activation="gelu")(attended))
    outputs = layers.LayerNormalization()(attended + wide)
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid")(layers.GlobalAveragePooling1D()(outputs)))


MODELS = {"cnn": (build_cnn, "RMSprop", (300, 300, 3)), "transformer block": (transformer_block, "Adam", (128, 256))}


def step_arm(make_model, name, mode, images, labels):
    keras.utils.set_random_seed(0)
    model = make_model()
    model.compile(optimizer=make_optimizer(name, mode), loss="binary_crossentropy")
    return lambda: model.train_on_batch(images, labels)


def measure_steps(batch, rounds):
    """Processor seconds of whole steps; returns a list of dict, a row for each model and arm."""
    rows = []
    for title, (make_model, name, shape) in MODELS.items():
        random = np.random.default_rng(0)
        images = random.uniform(size=(batch, *shape)).astype("float32")
        labels = random.integers(0, 2, size=(batch, 1)).astype("float32")
        arms = {arm: step_arm(make_model, name, mode, images, labels) for arm, mode in STEP_ARMS.items()}
        seconds = take_turns(arms, rounds, time.process_time)
        for arm, taken in seconds.items():
            facts = {"backend": keras.backend.backend(), "model": title, "optimizer": name, "arm": arm, "batch": batch}
            figures = {
                "median_seconds": np.median(taken),
                "best_seconds": taken.min(),
                **ratio(taken / seconds["plain"]),
            }
            rows.append({**facts, "rounds": rounds, **{key: f"{value:.4f}" for key, value in figures.items()}})
            print(rows[-1], flush=True)
    return rows


def ratio(rounds):
    """The median of the rounds' ratios, its 95% interval, and the quartiles."""
    low, middle, high = np.quantile(rounds, [0.25, 0.5, 0.75])
    found = {"ratio": middle, "ratio_low": middle, "ratio_high": middle}
    if high > low:
        between = stats.bootstrap((rounds,), np.median, method="percentile", rng=0).confidence_interval
        found |= {"ratio_low": between.low, "ratio_high": between.high}
    return found | {"lower_quartile": low, "upper_quartile": high}


def take_turns(arms, rounds, clock):
    for arm in arms.values():
        arm(), arm()
    seconds = {mode: [] for mode in arms}
    for number in range(rounds):
        first = number % len(arms)  # nobody always goes first
        for mode in [*arms, *arms][first : first + len(arms)]:
            began = clock()
            arms[mode]()
            seconds[mode].append(clock() - began)
    return {mode: np.array(taken) for mode, taken in seconds.items()}


def measure_apply(title, shapes, rounds):
    """Seconds of one `apply`, and the bytes that it must move, in GB a second, beside a copy of all parameters."""
    random = np.random.default_rng(0)
    gradients = [keras.ops.convert_to_tensor(random.normal(size=shape).astype("float32")) for shape in shapes]
    count = sum(int(np.prod(shape)) for shape in shapes)
    rows = []
    for name, passes in PASSES.items():
        arms = {mode: apply_arm(name, argument, shapes, gradients) for mode, argument in ARMS.items()}
        arms |= {f"{mode} with XLA": apply_arm(name, ARMS[mode], shapes, gradients, xla=True) for mode in ARMS}
        seconds = take_turns({**arms, "copy": copy_arm(count)}, rounds, time.perf_counter)
        for arm, taken in seconds.items():
            extra = EXTRA_PASSES.get(arm.partition(" ")[0], 0)
            moved = 4 * count * (2 if arm == "copy" else passes + extra)  # float32; read and write
            facts = {"model": title, "parameters": count, "optimizer": name, "arm": arm, "rounds": rounds}
            figures = {
                "median_seconds": np.median(taken),
                "best_seconds": taken.min(),
                **ratio(taken / seconds["plain"]),
                "floor": 2 / passes if arm == "copy" else 1 + extra / passes,
                "median_gb_per_second": moved / np.median(taken) / 1e9,
            }
            rows.append({**facts, **{key: f"{value:.4f}" for key, value in figures.items()}})
            print(rows[-1], flush=True)
    return rows


def copy_arm(count):
    source, target = (np.full(count, value, "float32") for value in (0.01, 0.02))
    return lambda: np.copyto(target, source)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apply-rounds", type=int, default=31, help="0 leaves `apply` out, which needs TensorFlow")
    parser.add_argument("--step-rounds", type=int, default=61, help="0 leaves the whole training step out")
    parser.add_argument("--step-batch", type=int, default=32)
    parser.add_argument("--csv", type=Path, help="append the rows of the whole training step to this file")
    parser.add_argument("--apply-csv", type=Path, help="append the rows of one `apply` to this file")
    arguments = parser.parse_args()
    tables = {}
    if arguments.apply_rounds:
        tables["apply"] = measure_apply("ResNet-50", resnet50_shapes(), arguments.apply_rounds)
        tables["apply"] += measure_apply("the CNN", cnn_shapes(), arguments.apply_rounds)
    if arguments.step_rounds:
        tables["step"] = measure_steps(arguments.step_batch, arguments.step_rounds)
    for part, path in (("apply", arguments.apply_csv), ("step", arguments.csv)):
        if path and tables.get(part):
            new = not path.exists()
            with path.open("a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, tables[part][0])
                if new:
                    writer.writeheader()
                writer.writerows(tables[part])


if __name__ == "__main__":
    main()
