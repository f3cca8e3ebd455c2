"""The figures of the study: what is drawn, what a reader without the picture is told, at any width."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from made_tables import made_table

from gc_tutorial.study.evidence import effects, figures, mechanism_figure
from gc_tutorial.study.evidence.outcomes import reduce_runs
from gc_tutorial.study.evidence.pairs import best_pairs, compare_pairs

BEST = {"none": 1e-3, "gradient": 10**-2.5}
CONFIRMING = {"stage": "confirmation", "rates": [1e-3], "seeds": range(200, 220)}


@pytest.fixture(scope="module")
def tuning():
    return reduce_runs(made_table(best=BEST))


@pytest.fixture(scope="module")
def heldout():
    settings = [
        {"accuracy": 0.06, "network": "cnn_bn"},
        {"accuracy": -0.06, "optimizer": "adam"},
        {"data": "cats_and_dogs", "noise": 0.01},
        {"data": "flowers", "noise": 0.1},
        {"train_examples": 100, "pretrained": "flowers"},
    ]
    runs = reduce_runs(pd.concat([made_table(**{**CONFIRMING, **one}) for one in settings]))
    return compare_pairs(best_pairs(runs), "heldout_accuracy", margin=0.02)


@pytest.fixture(scope="module")
def ablations():
    gain = {"gradient": 0.4, "half": 0.2, "random_direction": 0.0}
    tables = [
        made_table(**CONFIRMING, arms=("none", *gain), gain=gain),
        made_table(**CONFIRMING, gain=0.1, scaling="-1..1"),
    ]
    usual, others = effects.split_settings(effects.ablations(reduce_runs(pd.concat(tables))))
    assert (len(usual), set(usual["scaling"])) == (3, {"0..1"})
    assert (list(others["arm"]), set(others["scaling"])) == (["gradient"], {"-1..1"})
    return usual, others


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def overlapping(figure):
    """Pairs of texts of a figure that lie over one another."""
    figure.canvas.draw()
    texts = [figure._suptitle]
    for axis in figure.axes:
        low, high = sorted(axis.get_ylim())
        ticks = [one.label1 for one in axis.yaxis.get_major_ticks() if low <= one.get_loc() <= high]
        texts += [axis.title, axis.xaxis.label, *ticks]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text()]
    return [
        (one, other)
        for place, (one, box) in enumerate(boxes)
        for other, second in boxes[place + 1 :]
        if min(box.x1, second.x1) - max(box.x0, second.x0) > 1 and min(box.y1, second.y1) - max(box.y0, second.y0) > 2
    ]


@pytest.mark.parametrize("narrow", [False, True])
def test_nothing_overlaps_or_sticks_out(tuning, heldout, ablations, narrow):
    for figure in (
        figures.answer(tuning, heldout, narrow=narrow),
        mechanism_figure.mechanism(*ablations, narrow=narrow),
    ):
        assert overlapping(figure) == []
        for axis in figure.axes:
            box = axis.get_tightbbox()
            assert box.x0 >= -1 and box.x1 <= figure.bbox.width + 1
        assert (figure.get_figwidth() < 5) == narrow


def test_the_stars_are_at_the_tuned_rates(tuning):
    axis = plt.subplots()[1]
    figures.draw_rates(axis, tuning, "clean_loss")
    stars = {line.get_color(): line.get_xdata()[0] for line in axis.lines if line.get_marker() == "*"}
    for arm, rate in BEST.items():
        assert stars[figures.COLOURS[arm]] == pytest.approx(rate, rel=0.2)
    dots = [line for line in axis.lines if line.get_marker() == "."]
    assert sum(len(line.get_xdata()) for line in dots) == len(tuning)


def test_the_forest_holds_each_setting_in_points(heldout):
    axis = plt.subplots()[1]
    figures.draw_forest(axis, heldout)
    points = [line.get_xdata()[0] for line in axis.lines if len(line.get_xdata()) == 1]
    assert points == pytest.approx(list(100 * heldout["difference"]))
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels[-1].startswith("flowers") or any("fine-tuned" in label for label in labels)


def test_titles_say_the_finding(heldout, ablations):
    finding = figures.answer_finding(heldout)
    assert "helps in 1 and hurts in 1 of 5 settings" in finding
    assert figures.answer_finding(heldout[heldout["data"] == "cats_and_dogs"]) == (
        "Held-out accuracy: tuned GC neither helps nor hurts by the rules in any of 1 settings; "
        "no practical difference in 1"
    )
    assert mechanism_figure.mechanism_finding(ablations[0]).startswith("RMSprop: GC changes the training loss by -3")
    null = reduce_runs(made_table(**CONFIRMING))
    assert "not shown to lower" in mechanism_figure.mechanism_finding(effects.ablations(null))


def test_the_alternative_texts_hold_the_numbers(tuning, heldout, ablations):
    text = figures.answer_alt(tuning, heldout)
    assert "at 3.2e-3" in text and "hurts)" in text
    text = mechanism_figure.mechanism_alt(*ablations)
    assert "random direction" in text and "GC, inputs [-1, 1]" in text


def test_no_tuning_runs_of_the_optimizer(tuning, heldout):
    with pytest.raises(ValueError, match="no tuning runs with the optimizer 'sgd'"):
        figures.answer(tuning, heldout, optimizer="sgd")
