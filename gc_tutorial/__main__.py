"""The shell command: python -m gc_tutorial compare --help."""

import argparse
import os
import sys

from gc_tutorial.config import PRECISIONS


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
    add("--data", default="auto", help="auto, horses_or_humans, drawn, drawn_small, or a folder or zip of images")
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
    study = commands.add_parser(
        "study",
        help="run what is missing of a planned study",
        description="Train what is missing of a plan. Each finished run is kept at once; the same command goes on where "
        "it was stopped.",
    )
    add = study.add_argument
    add("plan", help="a TOML file, or the name of a plan that comes with the package, such as A_tuning or A")
    add("folder", help="where finished runs are kept")
    add("--dry-run", action="store_true", help="list the missing runs and an estimate of the time, and train nothing")
    add("--workers", type=_positive, default=1, help="processes on this machine (more than one needs Dask)")
    add("--threads", type=_positive, default=0, help="of TensorFlow in each process")
    add("--scheduler", default="", help="address of a Dask scheduler, whose workers are used instead")
    add("--images", help="folder that holds the further image sets, each a folder or a zip of its name")
    add("--accept-versions", action="store_true", help="go on in a folder with runs of other versions of the packages")
    add("--tables", help="write runs.csv and epochs.csv to this folder at the end")
    tables = commands.add_parser("tables", help="write the tables of the runs of a study that have ended")
    for name, text in (("plan", "as for study"), ("folder", "with the runs"), ("target", "folder to write to")):
        tables.add_argument(name, help=text)
    restore = commands.add_parser("restore", help="put the runs of tables back into a results folder, to go on from")
    for name, text in (("plan", "as for study"), ("tables", "folder of the tables"), ("folder", "to write runs to")):
        restore.add_argument(name, help=text)
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
        return COMMANDS[options.command](options)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130


# The commands import what they need themselves, so that --help and usage errors come at once.


def _compare(options):
    from gc_tutorial.startup import import_quietly

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


def _study(options):
    from gc_tutorial.study.plan import read_plan

    plan = read_plan(options.plan)
    if options.images:
        os.environ["GC_TUTORIAL_IMAGE_SETS"] = options.images
    from gc_tutorial.study.planned_study import overview, run_study, tables

    if options.dry_run:
        print(overview(plan, options.folder))
        return 0
    from gc_tutorial.startup import import_quietly

    import_quietly()
    run_study(
        plan,
        options.folder,
        workers=options.workers,
        threads=options.threads,
        scheduler=options.scheduler,
        accept_versions=options.accept_versions,
    )
    if options.tables:
        tables(plan, options.folder, options.tables)
    return 0


def _tables(options):
    from gc_tutorial.study.plan import read_plan
    from gc_tutorial.study.planned_study import tables

    print(f"{tables(read_plan(options.plan), options.folder, options.target)} runs are in {options.target}.")
    return 0


def _restore(options):
    from gc_tutorial.study.plan import read_plan
    from gc_tutorial.study.planned_study import restore

    print(f"{restore(read_plan(options.plan), options.tables, options.folder)} runs put back into {options.folder}.")
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


COMMANDS = {"compare": _compare, "study": _study, "tables": _tables, "restore": _restore, "headline": _headline}

if __name__ == "__main__":
    sys.exit(main())
