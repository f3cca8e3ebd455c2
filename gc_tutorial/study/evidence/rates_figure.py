"""The figure of the tuning: what each arm gives at each learning rate, before any confirming run is in."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from gc_tutorial.language import text
from gc_tutorial.study.evidence.figures import draw_rates, tuning_runs
from gc_tutorial.study.evidence.names import arm_name, value_name
from gc_tutorial.study.evidence.tuning import tuned_rates
from gc_tutorial.study.evidence.wording import digits, listed, rate
from gc_tutorial.typography import wrapped


def rates_figure(runs: pd.DataFrame, *, optimizer: str = "rmsprop", title: str | None = None) -> Figure:
    """Draw the training loss, and below it the held-out error, at each learning rate, a line for each arm.

    Args:
        runs: `pandas.DataFrame` as from `reduce_runs`, with the tuning runs.
        optimizer: whose learning rates are drawn.
        title: str, the finding; by default `rates_finding` says it.

    Returns:
        `matplotlib.figure.Figure`. Dots are seeds, lines are means and stars are the best rates.
    """
    found, name = tuning_runs(runs, optimizer), value_name("optimizer", optimizer)
    figure, axes = plt.subplots(2, 1, figsize=(5.5, 6.4), sharex=True, layout="constrained")
    draw_rates(axes[0], found, "clean_loss")
    draw_rates(axes[1], found, "heldout_accuracy", by="heldout_loss")
    axes[0].set_title(text("{name}: training loss, without dropout", name=name), fontsize=10.5)
    axes[1].set_title(text("{name}: held-out error", name=name), fontsize=10.5)
    for axis in axes:
        axis.label_outer()
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(handles[0]), frameon=False)
    figure.suptitle(wrapped(title or rates_finding(runs, optimizer), 64), fontsize=11)
    return figure


def rates_finding(runs: pd.DataFrame, optimizer: str = "rmsprop") -> str:
    """Say in one sentence at which rate each arm fits the training pictures best; nothing about which arm is better."""
    best = tuned_rates(tuning_runs(runs, optimizer), "clean_loss")
    name = value_name("optimizer", optimizer)
    if best["learning_rate"].nunique() == 1:
        at = rate(best["learning_rate"].iloc[0])
        return text("{name} fits the training pictures best at the rate {at}, with and without GC", name=name, at=at)
    parts = [text("{arm} at {rate}", arm=arm_name(row.arm), rate=rate(row.learning_rate)) for row in best.itertuples()]
    return text("{name}: the rates of the lowest training loss are {parts}", name=name, parts=listed(parts))


def rates_alt(runs: pd.DataFrame, optimizer: str = "rmsprop") -> str:
    """What a reader who cannot see `rates_figure` needs to know."""
    found, parts = tuning_runs(runs, optimizer), []
    for outcome, by, said in (
        ("clean_loss", "clean_loss", digits),
        ("heldout_accuracy", "heldout_loss", lambda accuracy: f"{100 * (1 - accuracy):.0f}%"),
    ):
        means = found.groupby(["arm", "learning_rate"])[outcome].mean()
        parts.append(
            text(", ").join(
                text(
                    "{arm} {value} at {rate}",
                    arm=arm_name(row.arm),
                    value=said(means[row.arm, row.learning_rate]),
                    rate=rate(row.learning_rate),
                )
                for row in tuned_rates(found, by).itertuples()
            )
        )
    return text(
        "Two plots against the learning rate with {optimizer}, a line for each arm, dots for {seeds} seeds. Lowest "
        "clean training loss: {losses}. Held-out error at the rates of the lowest held-out loss: {errors}.",
        optimizer=value_name("optimizer", optimizer),
        seeds=found["seed"].nunique(),
        losses=parts[0],
        errors=parts[1],
    )
