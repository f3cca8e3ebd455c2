"""The shell command: python -m gc_tutorial compare --help."""

import argparse
import sys

from gc_tutorial.lesson import PRECISIONS


def _positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _parser():
    parser = argparse.ArgumentParser(prog="python -m gc_tutorial", description="Gradient centralization, compared.")
    commands = parser.add_subparsers(dest="command", required=True)
    compare = commands.add_parser(
        "compare",
        help="train with and without gradient centralization, over many seeds",
        description="Train the CNN for every arm and seed. Each finished run is kept at once; the same command goes "
        "on where it was stopped.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = compare.add_argument
    add("folder", help="where finished runs are kept")
    add(
        "--data",
        default="auto",
        help="auto, horses_or_humans, synthetic, synthetic_small, or a folder or zip",
    )
    add("--optimizer", default="rmsprop", help="rmsprop, or sgd (momentum 0.9)")
    add("--learning-rate", type=float, default=1e-3)
    add(
        "--arms",
        nargs="+",
        default=["none", "gradient", "update"],
        help="of none, gradient, update, recompiled",
    )
    add("--seeds", type=_positive, default=10, help="how many: 0, 1, ...")
    add("--image-size", type=_positive, default=150, help="side in pixels, 94 or more")
    add("--batch-size", type=_positive, default=32)
    add("--epochs", type=_positive, default=12)
    add("--precision", choices=PRECISIONS, default=PRECISIONS[0], help="dtype policy of Keras")
    add("--csv", help="write the table of all epochs to this file, too")
    headline = commands.add_parser(
        "headline", help="draw the README's figure from the results that come with the package"
    )
    headline.add_argument("picture", help="file to write, such as headline.png")
    return parser


def main(arguments=None):
    """Run the shell command.

    Args:
        arguments: list of str; by default those of the process.

    Returns:
        int, the exit code: 0 done, 1 a predictable mistake, told in one line. (argparse itself exits with 2.)
    """
    options = _parser().parse_args(arguments)
    try:
        return {"compare": _compare, "headline": _headline}[options.command](options)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130


# The commands import what they need themselves, so that --help and usage errors come at once.


def _compare(options):
    from gc_tutorial.lesson import import_quietly

    import_quietly()
    import keras

    from gc_tutorial.study.comparison import compare

    keras.config.set_dtype_policy(options.precision)
    table = compare(
        options.data,
        optimizer=options.optimizer,
        learning_rate=options.learning_rate,
        arms=options.arms,
        seeds=options.seeds,
        image_size=options.image_size,
        batch_size=options.batch_size,
        epochs=options.epochs,
        folder=options.folder,
    )
    if options.csv:
        table.to_csv(options.csv, index=False)
    _report(table)
    return 0


def _headline(options):
    from gc_tutorial import plotting
    from gc_tutorial.study.analysis import OUTCOMES, load_study, paired_differences, verdict

    study = load_study("rmsprop")
    differences = paired_differences(study)
    gradient = differences[differences["arm"] == "gradient"].set_index("outcome")
    lines = [
        f"With GC on the gradient, {OUTCOMES[outcome]}: {verdict(gradient.loc[outcome])}"
        for outcome in ("train_loss", "test_accuracy")
    ]
    figure = plotting.headline(study, load_study("control"), load_study("published_progress"), "\n".join(lines))
    figure.savefig(options.picture, dpi=110, facecolor="white")
    return 0


def _report(table):
    from gc_tutorial.study.analysis import OUTCOMES, paired_differences, verdict

    last = table.groupby(["arm", "seed"], sort=False).tail(1)
    finished, diverged = (last[last["status"] == status] for status in ("finished", "diverged"))
    if len(finished):
        columns = ["train_loss", "train_accuracy", "test_loss", "test_accuracy"]
        means = finished.groupby("arm", sort=False)[columns].mean().round(4)
        print(f"Means over seeds, last epoch:\n{means.assign(seeds=finished.value_counts('arm')).to_string()}")
    for run in diverged.itertuples():
        print(f"Diverged, and left out: arm {run.arm}, seed {run.seed}, in epoch {run.epoch}.")
    try:
        differences = paired_differences(table)
    except ValueError as reason:
        print(f"No intervals: {reason}")
        return
    for row in differences.to_dict("records"):
        print(f"{row['arm']} against none, {OUTCOMES[row['outcome']]}: {verdict(row)}")


if __name__ == "__main__":
    sys.exit(main())
