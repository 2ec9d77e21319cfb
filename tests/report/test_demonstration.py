"""Pictures of the toolkit's reproductions: what is drawn, and in which size."""

from itertools import pairwise

import numpy as np
import pytest

from hydroml.report import demonstration
from hydroml.report.demonstration import draw_demonstration
from hydroml.toolkit.card import Card
from hydroml.toolkit.demo import Demo, Panel, Series

CARD = Card("echo", "Echo", "Nobody (2026): Echo", 2026, "What?", "x", "y", "none", "y is x")


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draw panels; gives the figure and keeps the PNG's place."""
    kept = []
    save = demonstration.save
    monkeypatch.setattr(
        demonstration, "save", lambda figure, path: [kept.append(figure), save(figure, path)][1]
    )

    def draw(*panels, note="A note."):
        path = draw_demonstration(CARD, Demo((), panels, note), tmp_path / "new" / "echo.png")
        assert path.read_bytes().startswith(b"\x89PNG")
        return kept[-1]

    return draw


def panel_of(*series, **more):
    return Panel("title", "x [d]", "y [mm]", series, **more)


LINE = Series([1, 2, 3], [3.0, 1.0, 2.0])


def test_a_line_lies_where_it_was_asked_to(drawn):
    axes = drawn(panel_of(LINE, Series([1, 2], [5, 6], "other"), log_y=True)).axes[0]
    first, second = axes.get_lines()
    assert first.get_xdata().tolist() == [1, 2, 3]
    assert second.get_ydata().tolist() == [5, 6]
    assert first.get_color() != second.get_color()
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x [d]", "y [mm]")
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["other"]


def test_points_are_dots_and_no_label_is_no_legend(drawn):
    axes = drawn(panel_of(Series([1, 2], [3, 4], kind="points"), log_x=True)).axes[0]
    assert axes.collections[0].get_offsets().tolist() == [[1, 3], [2, 4]]
    assert axes.get_legend() is None
    assert axes.get_xscale() == "log"


def test_sets_of_bars_stand_side_by_side_over_their_names(drawn):
    names = ["plain", "gated", "mean"]
    sets = (np.array([1, 2, 3]), "a", "bars"), (np.array([4, 5, 6]), "b", "bars")
    axes = drawn(panel_of(*(Series(names, *one) for one in sets))).axes[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == names
    bars = sorted(axes.patches, key=lambda bar: bar.get_x())
    assert [bar.get_height() for bar in bars] == [1, 4, 2, 5, 3, 6]
    for left, right in pairwise(bars):
        assert left.get_x() + left.get_width() <= right.get_x() + 1e-9
    for n in range(3):  # each name stands in the middle of its bars
        pair = bars[2 * n : 2 * n + 2]
        assert (pair[0].get_x() + pair[1].get_x() + pair[1].get_width()) / 2 == pytest.approx(n)


def test_names_that_do_not_fit_are_turned(drawn):
    short = drawn(panel_of(Series(list("abc"), [1, 2, 3], kind="bars"))).axes[0]
    names = [f"attention pooling {n}" for n in range(6)]
    long = drawn(panel_of(Series(names, range(6), kind="bars"))).axes[0]
    assert {t.get_rotation() for t in short.get_xticklabels()} == {0}
    assert {t.get_rotation() for t in long.get_xticklabels()} == {30}


def test_numbers_missing_from_a_series_are_left_out(drawn):
    axes = drawn(panel_of(Series([1, 2, 3], [1.0, np.nan, np.inf]))).axes[0]
    low, high = axes.get_ylim()
    assert np.isfinite([low, high]).all()


def test_an_image_lies_under_its_series_and_has_a_scale(drawn):
    image = np.arange(12.0).reshape(3, 4)
    figure = drawn(Panel("title", image=image), panel_of(Series([0, 3], [0, 2]), image=image))
    alone, scale, under, other_scale = figure.axes
    np.testing.assert_array_equal(alone.images[0].get_array(), image)
    assert not alone.get_lines()
    assert under.images[0].get_zorder() < under.get_lines()[0].get_zorder()
    assert under.get_lines()[0].get_ydata().tolist() == [0, 2]
    assert (under.get_xlim(), under.get_ylim()) == ((-0.5, 3.5), (2.5, -0.5))  # as imshow's
    for colours in (scale, other_scale):  # from the least to the greatest number
        assert colours.get_ylim() == (0, 11)


def test_a_coloured_image_needs_no_scale(drawn):
    figure = drawn(Panel("title", image=np.full((4, 5, 3), 0.5)))
    assert len(figure.axes) == 1
    assert figure.axes[0].images[0].get_array().shape == (4, 5, 3)


def test_what_cannot_be_drawn_is_said(drawn):
    with pytest.raises(ValueError, match=r"'pie'.*line, points or bars"):
        drawn(panel_of(Series([1], [1], kind="pie")))
    with pytest.raises(ValueError, match="no panels"):
        drawn()


@pytest.mark.parametrize(
    ("panels", "rows", "columns"),
    [(1, 1, 1), (2, 1, 2), (3, 1, 3), (4, 2, 2), (5, 2, 3), (6, 2, 3)],
)
def test_sizes_and_places_of_panels(drawn, panels, rows, columns):
    figure = drawn(*[panel_of(LINE)] * panels)
    assert len(figure.axes) == panels  # no empty one is left
    grid = figure.axes[0].get_subplotspec().get_gridspec()
    assert (grid.nrows, grid.ncols) == (rows, columns)
    width, height = figure.get_size_inches()
    assert 6 <= width <= 14
    assert 3.5 <= height <= 9


def test_long_notes_are_wrapped_inside_the_figure(drawn):
    figure = drawn(panel_of(LINE), note="A sentence about sizes and seeds. " * 12)
    figure.draw_without_rendering()
    note = figure._supxlabel.get_window_extent()
    assert note.x1 <= figure.bbox.x1
    assert note.y0 >= 0
    assert note.y1 < figure.axes[0].get_tightbbox().y0  # under the panels, not over them
