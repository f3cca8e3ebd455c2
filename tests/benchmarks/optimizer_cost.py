"""What gradient centralization costs: one `apply`, and one whole training step, with and without it.

    make benchmark

The arms take turns, so that whatever else the machine does meets all of them alike; the ratio is taken in each round,
and its median is printed with the quartiles. The floor is what memory traffic alone would cost if each optimizer were
one fused pass: RMSprop reads the gradient, and reads and writes its accumulator and the weights (5 passes over memory,
Adam 7); a mean that must be known beforehand is one more, putting the mean of the weights back is two more.
"""

import argparse
import time

import keras
import numpy as np
import tensorflow as tf

from gc_tutorial import build_cnn
from gc_tutorial.optimizers import centralized

PASSES = {"RMSprop": 5, "Adam": 7}
ARMS = {"plain": None, "gradient": "gradient", "update": "update"}
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
    return optimizer_class(1e-4) if mode is None else centralized(optimizer_class)(1e-4, centralize=mode)


def apply_arm(name, mode, shapes, gradients):
    variables = [keras.Variable(np.full(shape, 0.01, "float32"), name="kernel") for shape in shapes]
    optimizer = make_optimizer(name, mode)
    optimizer.build(variables)

    @tf.function
    def apply():
        optimizer.apply(gradients, variables)

    return apply


def step_arm(name, mode, images, labels):
    keras.utils.set_random_seed(0)
    model = build_cnn()
    model.compile(optimizer=make_optimizer(name, mode), loss="binary_crossentropy")
    return lambda: model.train_on_batch(images, labels)


def measure(title, name, arms, rounds):
    for arm in arms.values():
        arm()
    seconds = {mode: [] for mode in arms}
    for number in range(rounds):
        first = number % len(arms)  # nobody always goes first
        for mode in [*arms, *arms][first : first + len(arms)]:
            began = time.perf_counter()
            arms[mode]()
            seconds[mode].append(time.perf_counter() - began)
    plain = np.array(seconds["plain"])
    print(f"{title}, {name}: plain {1000 * np.median(plain):.1f} ms (best {1000 * plain.min():.1f})")
    for mode in EXTRA_PASSES:
        low, middle, high = np.quantile(np.array(seconds[mode]) / plain, [0.25, 0.5, 0.75])
        best = min(seconds[mode]) / plain.min()
        floor = 1 + EXTRA_PASSES[mode] / PASSES[name]
        print(f"  {mode:8} × {middle:.2f} ({low:.2f} to {high:.2f}; best by best {best:.2f})", end="")
        print(f", floor × {floor:.2f}" if "apply" in title else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--step-batch", type=int, default=32, help="batch of the whole training step; 0 leaves it out")
    arguments = parser.parse_args()
    for title, shapes in (("apply, ResNet-50", resnet50_shapes()), ("apply, the CNN", cnn_shapes())):
        random = np.random.default_rng(0)
        gradients = [tf.constant(random.normal(size=shape).astype("float32")) for shape in shapes]
        print(f"{title}: {sum(np.prod(shape) for shape in shapes):,.0f} parameters in {len(shapes)} variables")
        for name in PASSES:
            arms = {mode: apply_arm(name, argument, shapes, gradients) for mode, argument in ARMS.items()}
            measure(title, name, arms, arguments.rounds)
    if arguments.step_batch:
        random = np.random.default_rng(0)
        images = random.uniform(size=(arguments.step_batch, 300, 300, 3)).astype("float32")
        labels = random.integers(0, 2, size=(arguments.step_batch, 1)).astype("float32")
        arms = {mode: step_arm("RMSprop", argument, images, labels) for mode, argument in ARMS.items()}
        measure(
            f"training step, the CNN, batch of {arguments.step_batch}", "RMSprop", arms, max(5, arguments.rounds // 3)
        )


if __name__ == "__main__":
    main()
