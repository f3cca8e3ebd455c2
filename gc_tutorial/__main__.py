"""The shell command: python -m gc_tutorial --help."""

import argparse
import sys
from dataclasses import asdict

from gc_tutorial import console
from gc_tutorial.errors import cut
from gc_tutorial.lesson import PRECISIONS, choose_language
from gc_tutorial.study.factors import COMPARE, COMPARED_ARMS, OPTIMIZERS

LONGEST_NUMBER = 30  # digits


def _positive(text):
    if not text.isdecimal() or len(text) > LONGEST_NUMBER or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text[:LONGEST_NUMBER]!r} is not a whole number of at least 1")
    return int(text)


class _Parser(argparse.ArgumentParser):
    """The parser of the program and of each command. Options have one name: `--seed 7` must not mean seven seeds."""

    def __init__(self, **options):
        super().__init__(allow_abbrev=False, **options)

    def error(self, message):
        super().error(cut(message))


def _parser():
    parser = _Parser(prog="python -m gc_tutorial", description="Gradient centralization, compared.")
    commands = parser.add_subparsers(dest="command", required=True)
    for add in (_add_compare, _add_study, _add_tables, _add_restore, _add_headline):
        add(commands)
    return parser


def _add_compare(commands):
    compare = commands.add_parser(
        "compare",
        help="train with and without gradient centralization, over several seeds",
        description="Train the plain CNN for every arm and seed. Each finished run is kept at once; run the same "
        "command again to continue.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    compare.set_defaults(**asdict(COMPARE))
    add = compare.add_argument
    add("folder", help="where finished runs are kept")
    add(
        "--data", default="auto", help="a source that load_data knows, such as tfds:beans, or a folder or zip of images"
    )
    add("--optimizer", help=f"one of {', '.join(OPTIMIZERS)}")
    add("--learning-rate", type=float)
    add("--arms", nargs="+", help=f"of {', '.join(COMPARED_ARMS)}")
    add("--seeds", type=_positive, help="how many: 0, 1, ...")
    add("--image-size", type=_positive, help="side in pixels, 94 or more")
    add("--batch-size", type=_positive)
    add("--epochs", type=_positive)
    add("--precision", choices=PRECISIONS, default=PRECISIONS[0], help="dtype policy of Keras")
    add("--csv", help="write the table of all epochs to this file, too")


def _add_study(commands):
    study = commands.add_parser(
        "study",
        help="run what is missing of a planned study",
        description="Train what is missing of a plan. Each finished run is kept at once; run the same command again to "
        "continue.",
    )
    add = study.add_argument
    add("plan", help="a TOML file, or the name of a plan that comes with the package, such as A_tuning or A")
    add("folder", help="where finished runs are kept")
    add("--dry-run", action="store_true", help="list the missing runs and an estimate of the time, and train nothing")
    add("--workers", type=_positive, default=1, help="processes on this machine (more than one needs Dask)")
    add("--threads", type=_positive, default=0, help="of TensorFlow in each process")
    add("--scheduler", default="", help="address of a Dask scheduler, whose workers are used instead")
    add("--images", help="folder that holds the further image sets, each a folder or a zip of its name")
    add("--accept-versions", action="store_true", help="continue in a folder whose runs used other package versions")
    add("--tables", help="write runs.csv and epochs.csv to this folder at the end")


def _add_tables(commands):
    tables = commands.add_parser("tables", help="write the tables of the runs of a study that have ended")
    tables.add_argument("plan", help="as for study")
    tables.add_argument("folder", help="folder with the runs")
    tables.add_argument("target", help="folder to write runs.csv and epochs.csv to")


def _add_restore(commands):
    restore = commands.add_parser(
        "restore", help="put the runs of tables back into a results folder, to continue there"
    )
    restore.add_argument("plan", help="as for study")
    restore.add_argument("source", help="folder of the tables, or the name of a study that comes with the package")
    restore.add_argument("folder", help="folder to write the runs to")


def _add_headline(commands):
    headline = commands.add_parser("headline", help="draw the README's figure from the results of the package")
    headline.add_argument("picture", help="file to write, such as headline.png")


def main(arguments: list[str] | None = None) -> int:
    """Run the shell command.

    Args:
        arguments: list of str; by default those of the process.

    Returns:
        int, the exit code: 0 done, 1 a predictable mistake, reported in one line. (argparse itself exits with 2;
        for Ctrl-C and closed pipes, see `gc_tutorial.console.run`.)
    """
    options = vars(_parser().parse_args(arguments))
    try:
        choose_language()
        from gc_tutorial.study import commands  # imported late, so that --help is fast

        getattr(commands, options.pop("command"))(**options)
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        print(cut(f"error: {error}"), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    console.run(main, "stopped; run the same command again to continue")
