"""The pictures of what gradient centralization does to weights: the numbers that are drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba

from gc_tutorial import pictures, plotting

WEIGHTS, GRADIENT = np.array([0.2, 0.8]), np.array([-1.0, 0.5])
CENTRALIZED = GRADIENT - GRADIENT.mean()


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def projected():
    return pictures.projected_step(WEIGHTS, GRADIENT, CENTRALIZED, title="Finding").axes[0]


def test_arrows_lead_from_the_weights_to_where_each_step_ends():
    arrows = projected().texts
    assert [arrow.arrowprops["color"] for arrow in arrows] == [plotting.COLOURS[arm] for arm in ("none", "gradient")]
    for arrow, step in zip(arrows, (-GRADIENT, -CENTRALIZED), strict=True):
        np.testing.assert_allclose(arrow.xyann, WEIGHTS)
        np.testing.assert_allclose(arrow.xy, WEIGHTS + step)


def test_the_perpendicular_joins_both_ends_and_meets_the_line_of_equal_sums():
    axis = projected()
    lines = {line.get_label(): line.get_xydata() for line in axis.lines}
    line, removed = lines["weights with the same sum"], lines["removed by GC: the mean"]
    np.testing.assert_allclose(line.sum(axis=1), WEIGHTS.sum())
    np.testing.assert_allclose(removed, [WEIGHTS - GRADIENT, WEIGHTS - CENTRALIZED])
    assert (line[1] - line[0]) @ (removed[1] - removed[0]) == pytest.approx(0)
    assert removed[1].sum() == pytest.approx(WEIGHTS.sum())
    (corner,) = axis.patches
    sides = np.diff(corner.get_xy(), axis=0)
    np.testing.assert_allclose((sides[:-1] * sides[1:]).sum(axis=1), 0, atol=1e-12)  # right angles, as on paper
    assert axis.get_aspect() == 1


def test_all_of_it_is_seen_and_the_legend_covers_nothing():
    axis = projected()
    axis.figure.canvas.draw()
    shown = axis.get_window_extent()
    for end in (WEIGHTS, WEIGHTS - GRADIENT, WEIGHTS - CENTRALIZED):
        assert shown.contains(*axis.transData.transform(end))
    (legend,) = axis.figure.legends
    assert not shown.overlaps(legend.get_window_extent())
    assert len(legend.get_texts()) == 5
    assert len({round(text.get_window_extent().x0) for text in legend.get_texts()}) == 1  # one below the other
    assert axis.get_title() == "Finding"


def test_means_are_drawn_as_shifts_from_where_they_began_on_one_scale():
    paths = {"none": [[1.0, 2.0], [1.5, 1.0], [2.0, 0.0]], "gradient": np.full((3, 2), 7.0)}
    figure = pictures.mean_paths(paths, title="Finding")
    none, gradient = figure.axes
    assert [list(line.get_ydata()) for line in none.lines] == [[0, 0.5, 1], [0, -1, -2]]
    assert [list(line.get_ydata()) for line in gradient.lines] == [[0, 0, 0]] * 2
    assert {line.get_color() for line in gradient.lines} == {plotting.COLOURS["gradient"]}
    assert [axis.get_title() for axis in figure.axes] == ["no GC", "GC on the gradient"]
    assert none.get_ylim() == gradient.get_ylim()
    assert figure.get_suptitle() == "Finding"


def test_the_square_stands_in_the_corner_between_what_is_removed_and_what_is_kept():
    (square,) = projected().patches
    first, beside, opposite, last, _ = square.get_xy()
    end = WEIGHTS - CENTRALIZED
    np.testing.assert_allclose(first, end)
    np.testing.assert_allclose(opposite - first, (beside - first) + (last - first))
    for side, line in ((beside - first, WEIGHTS - GRADIENT - end), (last - first, WEIGHTS - end)):
        assert 0 < np.linalg.norm(side) < 0.2  # much smaller than a step
        assert side @ line == pytest.approx(np.linalg.norm(side) * np.linalg.norm(line))  # of the same direction
    assert np.linalg.norm(beside - first) == pytest.approx(np.linalg.norm(last - first))
    assert not square.get_fill()


def test_what_is_drawn_has_a_name_a_scale_and_a_place():
    axis = projected()
    assert (axis.get_xlabel().strip(), axis.get_ylabel()) == ("weight $w_1$", "weight $w_2$")
    (legend,) = axis.figure.legends
    lines = dict(zip((text.get_text() for text in legend.get_texts()), legend.get_lines(), strict=True))
    assert list(lines) == [
        "weights with the same sum",
        "no GC: step against the gradient",
        "GC: step against the centralized gradient",
        "removed by GC: the mean",
        "weights before the step",
    ]
    colours = [line.get_color() for line in lines.values()]
    assert colours[1:3] == [plotting.COLOURS[arm] for arm in ("none", "gradient")]
    styles = [line.get_linestyle() for line in lines.values()]
    assert (styles[0], styles[1], styles[3]) == ("--", "-", ":")
    thick = lines["no GC: step against the gradient"].get_linewidth()
    removed, dots = lines["removed by GC: the mean"], lines["weights before the step"]
    assert removed.get_color() == pictures.REMOVED and thick / 2 < removed.get_linewidth() < thick
    assert 6 < dots.get_markersize() < 8 and not legend.get_frame_on()
    (corner,) = axis.patches
    assert not corner.get_fill() and to_rgba(corner.get_edgecolor()) == to_rgba(pictures.REMOVED)
    assert all(line.get_zorder() > axis.lines[0].get_zorder() for line in axis.lines[1:])  # above the dashed line
    assert [one.get_text() for one in axis.texts] == ["", ""]  # arrows
    for one in (lines["weights with the same sum"], *axis.patches):
        assert 0 < one.get_linewidth() < thick / 2  # what explains a step is thinner than the step
    (dot,) = [line for line in axis.lines if line.get_marker() == "o"]
    assert dot.get_xydata().tolist() == [WEIGHTS.tolist()]
    corners = np.array([WEIGHTS, WEIGHTS - GRADIENT, WEIGHTS - CENTRALIZED])
    (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    room = [*(corners.min(axis=0) - (left, bottom)), *((right, top) - corners.max(axis=0))]
    assert room == pytest.approx([room[0]] * 4) and 0.1 < room[0] < 0.5
    for ticks in (axis.get_xticks(), axis.get_yticks()):
        np.testing.assert_allclose(np.diff(ticks), 0.5)


@pytest.mark.parametrize("arms", [("none",), ("none", "gradient", "update")])
def test_each_arm_has_a_panel_of_its_own_and_the_scale_is_named_once(arms):
    figure = pictures.mean_paths({arm: [[1.0, 2.0], [1.5, 1.0]] for arm in arms}, title="Finding")
    assert [axis.get_title() for axis in figure.axes] == [plotting.LABELS[arm] for arm in arms]
    assert [axis.get_xlabel() for axis in figure.axes] == ["training step"] * len(arms)
    assert [axis.get_ylabel() for axis in figure.axes] == ["shift of each mean", *[""] * (len(arms) - 1)]
    assert [{line.get_color() for line in axis.lines} for axis in figure.axes] == [
        {plotting.COLOURS[arm]} for arm in arms
    ]
    assert tuple(figure.get_size_inches()) == pytest.approx((2.75 * len(arms), 2.8))
    assert all(1 < line.get_linewidth() < 1.5 for axis in figure.axes for line in axis.lines)  # thin: there are many
    assert len({axis.get_subplotspec().rowspan.start for axis in figure.axes}) == 1  # side by side
