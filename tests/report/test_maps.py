import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import LineCollection

from hydroml.report import outlines as outlines_module
from hydroml.report.category_map import draw_categories, merge_rare
from hydroml.report.maps import draw_map, point_size, symmetric_limits
from hydroml.report.outlines import outlines
from hydroml.report.projection import Albers, Equirectangular, fitting_projection
from hydroml.report.style import save

CONUS = (-125.0, 24.0, -66.0, 50.0)


def collection(figure, gid):
    return next(c for c in figure.axes[0].collections if c.get_gid() == gid)


def texts(figure):
    return " ".join(t.get_text() for t in figure.texts)


def conus_points(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(30, 48, n), rng.uniform(-120, -75, n)


def test_points_are_counted_by_kind():
    lat, lon = conus_points(100)
    values = np.linspace(-0.2, 1.0, 100)  # 0.0121 apart: 17 of them <= 0
    values[50:53] = np.nan
    lat[99] = np.nan
    figure = draw_map(
        values, lat, lon, title="NSE per basin", label="NSE [-]", vmin=0, vmax=1, failed="NSE ≤ 0"
    )
    assert figure.get_suptitle() == "NSE per basin"
    assert len(collection(figure, "missing").get_offsets()) == 3
    assert len(collection(figure, "failed").get_offsets()) == 17
    assert len(collection(figure, "values").get_offsets()) == 100 - 3 - 17 - 1
    legend = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert legend == ["NSE ≤ 0 (17)", "no value (3)"]
    assert "97 basins" in texts(figure)
    assert "3 without a value" in texts(figure)
    assert "1 not drawn (place not known)" in texts(figure)
    assert figure.axes[1].get_xlabel() == "NSE [-]"


def test_missing_points_are_hollow():
    figure = draw_map([0.5, np.nan], [40, 41], [-100, -99], title="", label="")
    assert len(collection(figure, "missing").get_facecolors()) == 0


def test_outlines_lie_under_the_points_and_maps_draw_without_them(monkeypatch):
    args = ([0.5, 0.7], [35, 45], [-120, -80])
    with_lines = draw_map(*args, title="a", label="b")
    monkeypatch.setattr(outlines_module, "outline_folder", lambda: None)
    outlines_module._cached.cache_clear()
    without = draw_map(*args, title="a", label="b")
    outlines_module._cached.cache_clear()

    def segments(figure):
        lines = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]
        return sum(len(c.get_segments()) for c in lines)

    assert segments(with_lines) > 100
    assert segments(without) == 0
    assert len(collection(without, "values").get_offsets()) == 2


@pytest.mark.parametrize(
    ("lat", "lon"),
    [
        ([], []),
        ([40.0], [-100.0]),
        ([-33.0, -38.0], [150.0, 145.0]),
        ([-10.0, 10.0], [30.0, 31.0]),
        ([60.0, -30.0], [-150.0, 170.0]),
    ],
    ids=["none", "one", "australia", "equator", "world"],
)
def test_any_region_draws(lat, lon, tmp_path):
    figure = draw_map(np.full(len(lat), 0.5), lat, lon, title="a", label="b")
    assert save(figure, tmp_path / "map.png").stat().st_size > 5000
    offsets = collection(figure, "values").get_offsets()
    (left, right), (low, high) = figure.axes[0].get_xlim(), figure.axes[0].get_ylim()
    assert ((offsets[:, 0] > left) & (offsets[:, 0] < right)).all()
    assert ((offsets[:, 1] > low) & (offsets[:, 1] < high)).all()


def test_values_beyond_the_scale_point_the_colour_bar():
    figure = draw_map(
        [-30.0, 5, 30], [35, 40, 45], [-120, -100, -80], title="", label="", cmap="RdBu",
        vmin=-20, vmax=20,
    )  # fmt: skip
    assert figure.axes[1].get_xlim() == (-20, 20)
    ends = list(figure.axes[1].patches)
    assert len(ends) == 2  # both ends are pointed


def test_symmetric_limits():
    assert symmetric_limits([-3.0, 1.0]) == (-5.0, 5.0)
    assert symmetric_limits(np.r_[np.linspace(-1, 1, 1000), 500.0]) == (-1.0, 1.0)  # an outlier
    assert symmetric_limits([0.019, np.nan]) == (-0.02, 0.02)
    assert symmetric_limits([0.0]) == symmetric_limits([]) == (-1.0, 1.0)


def test_points_shrink_with_their_number():
    sizes = [point_size(n) for n in (4, 100, 531, 671, 5000)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 90
    assert 16 <= sizes[-1] < 25


def test_albers_of_snyder():
    # Snyder (1987), p. 291: phi 35 N, lambda 75 W, parallels 29.5 and 45.5, origin 23 N, 96 W
    x, y = Albers(29.5, 45.5, 23.0, -96.0)(-75.0, 35.0)
    assert (float(x), float(y)) == (pytest.approx(0.2952720), pytest.approx(0.2416774))


def test_albers_keeps_areas():
    # a cell of 1 x 1 degree has area cos(lat) (pi / 180)^2 on the unit sphere, wherever it lies
    project = Albers(29.5, 45.5, 37.5, -96.0)
    for lat, lon in [(25.0, -120.0), (37.0, -96.0), (49.0, -70.0)]:
        along = np.linspace(-0.5, 0.5, 40)
        side = np.full(40, 0.5)
        x, y = project(
            lon + np.concatenate([along, side, along[::-1], -side]),
            lat + np.concatenate([-side, along, side, along[::-1]]),
        )
        area = abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2
        assert area == pytest.approx(np.cos(np.radians(lat)) * np.radians(1) ** 2, rel=1e-4)


def test_projection_fits_the_region():
    assert isinstance(fitting_projection([140, 150], [-40, -20]), Albers)
    assert isinstance(fitting_projection([0, 10], [-5, 5]), Equirectangular)
    # south of the equator north is still up
    x, y = fitting_projection([140, 150], [-40, -20])([145, 145], [-40, -20])
    assert y[1] > y[0]
    x, y = fitting_projection([140, 150], [-40, -20])([140, 150], [-30, -30])
    assert x[1] > x[0]


@pytest.mark.parametrize("kind", ["coast", "countries", "states"])
def test_outlines_lie_in_their_box(kind):
    lines = outlines(kind, CONUS)
    assert len(lines) > 5
    for line in lines:
        inner = line[1:-1]  # the ends may be one point beyond
        assert (inner[:, 0] >= CONUS[0]).all()
        assert (inner[:, 0] <= CONUS[2]).all()
        assert (inner[:, 1] >= CONUS[1]).all()
        assert (inner[:, 1] <= CONUS[3]).all()


def test_the_border_of_colorado_is_where_it_is():
    # its northern border is the parallel of 41 degrees from 109.05 to 102.05 W
    points = np.concatenate(outlines("states", (-109.2, 36.8, -101.9, 41.2)))
    assert np.abs(points[:, 1] - 41.0).min() < 0.02
    assert np.abs(points[:, 0] + 109.05).min() < 0.02


def test_uncertain_basins_are_struck_through_and_counted():
    lat, lon = conus_points(20)
    values = np.linspace(-1, 1, 20)
    values[3] = np.nan
    lat[7] = np.nan
    uncertain = np.arange(20) < 10  # one of them without a value, one without a place
    figure = draw_map(values, lat, lon, title="", label="", uncertain=uncertain)
    assert len(collection(figure, "uncertain").get_offsets()) == 8
    legend = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert legend == ["fewer than 80 % of members agree in sign (8)", "no value (1)"]
    struck = {tuple(p) for p in collection(figure, "uncertain").get_offsets()}
    assert struck < {tuple(p) for p in collection(figure, "values").get_offsets()}
    certain = draw_map(values, lat, lon, title="", label="", uncertain=np.zeros(20, bool))
    assert len(collection(certain, "uncertain").get_offsets()) == 0


def test_ends_of_the_scale_are_told_in_words():
    figure = draw_map([1.0], [40], [-100], title="", label="", ends=("earlier", "later"))
    assert [t.get_text() for t in figure.axes[1].texts] == ["earlier", "later"]


def test_categories_have_markers_colours_and_counts():
    lat, lon = conus_points(30)
    labels = np.repeat([f"c{i}" for i in range(10)], 3).astype(object)
    labels[:2] = "c9"  # c0 is left once, c9 five times
    labels[5] = ""
    figure = draw_categories(labels, lat, lon, title="Which?", uncertain=np.arange(30) == 5)
    legend = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    # most frequent first, ties by name; c1 (2), c0 (1) and c8 are merged
    assert legend == [
        "c9 (5)", "c2 (3)", "c3 (3)", "c4 (3)", "c5 (3)", "c6 (3)", "c7 (3)", "other (6)",
        "no value (1)",
    ]  # fmt: skip
    drawn = [c for c in figure.axes[0].collections if str(c.get_gid()).startswith("c")]
    assert len({tuple(c.get_facecolors()[0]) for c in drawn}) == 7
    assert len({c.get_paths()[0].vertices.tobytes() for c in drawn}) == 7
    assert len(collection(figure, "uncertain").get_offsets()) == 0  # it has no category
    assert "29 basins" in texts(figure)


def test_panels_of_categories_share_their_looks():
    lat, lon = conus_points(4)
    panels = {"high": ["a", "a", "b", "a"], "low": ["b", "b", "b", "c"]}
    figure = draw_categories(panels, lat, lon, title="Which?", uncertain={"low": [1, 0, 0, 0]})
    high, low = figure.axes
    assert (high.get_title(loc="left"), low.get_title(loc="left")) == ("high", "low")
    faces = [
        next(c for c in axes.collections if c.get_gid() == "b").get_facecolors()[0].tolist()
        for axes in (high, low)
    ]
    assert faces[0] == faces[1]
    legends = [[t.get_text() for t in a.get_legend().get_texts()] for a in (high, low)]
    assert legends == [["b (1)", "a (3)"], ["b (3)", "c (1)", "members disagree (1)"]]


@given(st.lists(st.sampled_from([*"abcdefghijkl", ""]), max_size=60), st.integers(1, 7))
def test_merging_keeps_the_most_frequent(labels, most):
    (merged,) = merge_rare([labels], most=most)
    kept = set(merged) - {"other", ""}
    assert len(kept) <= most
    assert all(m in (label, "other") for m, label in zip(merged, labels, strict=True))
    assert [m == "" for m in merged] == [label == "" for label in labels]
    lost = set(labels) - kept - {""}
    least = min((labels.count(k) for k in kept), default=0)
    assert all(labels.count(gone) <= least for gone in lost)
