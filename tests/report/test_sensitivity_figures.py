from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hydroml.errors import RunError
from hydroml.report.sensitivity import figures as sensitivity_figures
from hydroml.report.sensitivity.attribute_ranking import attribute_ranking, dominant_attribute
from hydroml.report.sensitivity.changes import members_disagree, tenths, uniform_scenario
from hydroml.report.sensitivity.climate_groups import climate_figure, statics_difference
from hydroml.report.sensitivity.climates import representatives
from hydroml.report.sensitivity.elasticity_maps import elasticity_maps, low_flow_map
from hydroml.report.sensitivity.figures import draw_sensitivity
from hydroml.report.sensitivity.input_lags import input_lags
from hydroml.report.sensitivity.plausibility import fails, outside_training, plausibility
from hydroml.report.sensitivity.response_surfaces import response_surfaces
from hydroml.report.sensitivity.seasonal import seasonal_changes
from hydroml.report.sensitivity.storms import storms
from hydroml.report.sensitivity.truth import truth_figure
from hydroml.report.sheet import about_run, open_sheet
from tests.sensitivity.samples import sample_elasticity, sample_plausibility, sample_response

MAPS = {
    "floods_per_degree",
    "floods_per_10_percent_precipitation",
    "low_flows_per_degree",
    "low_flows_per_10_percent_precipitation",
    "timing_shift",
}
OF_RESPONSE = {
    "low_flows_plus_3_degrees",
    "response_surfaces",
    "seasonal_changes",
    "storms",
    "outside_training",
}


def sample_gradients(basins=12, members=3, attributes=9) -> xr.Dataset:
    """High flow answers to a0 everywhere, low flow to a1 in half of the basins, else to a2."""
    names = [f"a{i}" for i in range(attributes)]
    importance = np.full((3, basins, attributes, members), 0.2)
    if attributes:
        importance[0, :, 0] = 1
        importance[1, : basins // 2, 1] = 1
        importance[1, basins // 2 :, 2] = 1
    lag = np.arange(30)
    by_lag = np.exp(-lag / 5)[None, None, :, None, None] * np.array([1.0, 0.1])[:, None]
    by_lag = np.broadcast_to(by_lag, (3, basins, 30, 2, members))
    response = sample_response(basins, members)
    dims = ("kind", "basin", "attribute", "member")
    return xr.Dataset(
        {
            "dq_dx": (("kind", "basin", "lag", "input", "member"), by_lag),
            "dq_da": (dims, importance * np.where(np.arange(attributes) % 2, -1, 1)[:, None]),
            "importance": (dims, importance),
        },
        coords={
            "kind": np.array(["high", "low", "all"], dtype=object),
            "basin": response["basin"].values,
            "lag": lag,
            "input": np.array(["prcp", "tmax"], dtype=object),
            "input_units": ("input", np.array(["mm d-1", "degC"], dtype=object)),
            "input_std": ("input", [7.0, 10.0]),
            "attribute": np.array(names, dtype=object),
            "member": response["member"].values,
            "gauge_lat": ("basin", response["gauge_lat"].values),
            "gauge_lon": ("basin", response["gauge_lon"].values),
        },
        attrs=response.attrs,
    )


def sample_truth() -> pd.DataFrame:
    rows = [
        {"scenario": s, "statistic": k, "n": 12, "rank_correlation": 0.9, "sign_agreement": 1.0,
         "bias": 1.0, "mae": 2.0, "true_median": m, "simulated_median": m + 1}
        for s, m in (("t+3_p+0", -9.0), ("t+0_p+20", 20.0), ("t+3_p+20", 10.0))
        for k in ("mean", "annual_max", "low7")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def written(folder: Path, response: xr.Dataset, *, everything: bool = True) -> Path:
    response.to_netcdf(folder / "response.nc")
    if everything:
        sample_elasticity(response).to_csv(folder / "elasticity.csv", index=False)
        sample_plausibility(response).to_csv(folder / "plausibility.csv")
        response.assign(change=response["change"] + 2).to_netcdf(folder / "response_recomputed.nc")
        gradients = sample_gradients(response.sizes["basin"], response.sizes["member"])
        gradients.attrs = response.attrs
        gradients.to_netcdf(folder / "gradients.nc")
        sample_truth().to_csv(folder / "truth.csv", index=False)
    return folder


def texts(figure) -> str:
    """Everything written on a figure, captions unwrapped."""
    said = [figure.get_suptitle(), *(t.get_text() for t in figure.texts)]
    for axes in figure.axes:
        said += [axes.get_title(loc="left"), axes.get_title(), axes.get_xlabel()]
        said += [axes.get_ylabel(), *(t.get_text() for t in axes.texts)]
    return " ".join(" ".join(said).split())


def points(axes, gid) -> int:
    return sum(len(c.get_offsets()) for c in axes.collections if c.get_gid() == gid)


@pytest.fixture
def kept(monkeypatch):
    """The figures that would be saved, by name; they are drawn but not encoded."""
    found = {}

    def keeping(figure, path):
        found[Path(path).stem] = figure
        return Path(path)

    monkeypatch.setattr(sensitivity_figures, "save", keeping)
    return found


def test_every_question_has_its_page(tmp_path, kept):
    draw_sensitivity(written(tmp_path, sample_response()))
    assert set(kept) == MAPS | OF_RESPONSE | {
        "climate_groups", "plausibility", "statics_difference", "attribute_ranking",
        "dominant_attribute", "input_lags", "truth",
    }  # fmt: skip
    for name, figure in kept.items():
        assert figure.get_suptitle().endswith("?"), name
        assert len(figure.get_suptitle()) <= 70, name
        assert "1989-10-01 to 1999-09-30" in texts(figure), name
        assert "SYNTHETIC" not in texts(figure), name
        assert "basin" in figure.texts[2].get_text(), name  # after title and run: the caption


def test_pages_are_written_and_marked_as_synthetic(tmp_path, monkeypatch):
    marked = []
    mark = sensitivity_figures.mark_synthetic
    monkeypatch.setattr(
        sensitivity_figures, "mark_synthetic", lambda f: marked.append(mark(f)) or f
    )
    response = sample_response(3).assign_attrs(synthetic="true").isel(scenario=[0, *range(50, 56)])
    paths = draw_sensitivity(written(tmp_path, response, everything=False))
    drawn = {"storms", "outside_training"}
    assert {p.stem for p in paths} == drawn
    assert all(p.parent == tmp_path and p.stat().st_size > 10_000 for p in paths)
    assert len(marked) == len(paths)
    assert all("SYNTHETIC DATA" in texts(f) for f in marked)
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"response.nc", *(f"{name}.png" for name in drawn)}  # no scratch files


def test_without_grid_or_places(tmp_path, kept):
    response = sample_response().drop_vars(["gauge_lat", "gauge_lon"])
    storms_only = response.isel(scenario=[0, 50, 51, 52, 53, 54, 55])
    draw_sensitivity(written(tmp_path, storms_only, everything=False))
    assert set(kept) == {"storms", "outside_training"}
    sample_elasticity(response).to_csv(tmp_path / "elasticity.csv", index=False)
    sample_plausibility(response).to_csv(tmp_path / "plausibility.csv")
    kept.clear()
    draw_sensitivity(tmp_path)
    assert set(kept) == {"storms", "outside_training", "climate_groups", "plausibility"}
    assert len(kept["plausibility"].axes) == len(kept["outside_training"].axes) == 1  # bars alone


def test_the_folder_needs_a_response(tmp_path):
    with pytest.raises(RunError, match=r"response\.nc"):
        draw_sensitivity(tmp_path)


def test_maps_have_symmetric_scales_units_and_slashes():
    response = sample_response()
    table = sample_elasticity(response)
    maps = elasticity_maps(response, table, about="run7")
    assert set(maps) == MAPS
    units = {
        "floods_per_degree": "[% per °C]",
        "floods_per_10_percent_precipitation": "[% per 10 % of precipitation]",
        "timing_shift": "[days per °C]",
    }
    for name, figure in maps.items():
        ground, bar = figure.axes
        low, high = bar.get_xlim()
        assert low == -high
        # by construction: agreement 2/3 in every third (precipitation) or second basin
        assert points(ground, "uncertain") == (4 if "precipitation" in name else 6)
        legend = [t.get_text() for t in ground.get_legend().get_texts()]
        count = points(ground, "uncertain")
        assert legend == [f"fewer than 80 % of members agree in sign ({count})"]
        assert bar.get_xlabel().endswith(units.get(name, "]"))
    assert "earlier" in texts(maps["timing_shift"])
    # exponents 1 to 3: ten times the elasticity in % per 10 %
    assert "median 20, 10 to 90 %: 12 to 28" in texts(maps["floods_per_10_percent_precipitation"])


def test_one_member_and_one_basin(tmp_path, kept):
    draw_sensitivity(written(tmp_path, sample_response(basins=1, members=1)))
    assert set(kept) >= MAPS | OF_RESPONSE
    for name in MAPS | {"low_flows_plus_3_degrees", "dominant_attribute"}:
        assert "One member: no agreement can be told." in texts(kept[name])
        assert points(kept[name].axes[0], "uncertain") == 0
        assert "1 basin" in texts(kept[name])


def test_a_statistic_without_numbers_is_left_out():
    response = sample_response()
    table = sample_elasticity(response)
    table.loc[table["statistic"] == "low7", ["per_degree", "per_percent_precipitation"]] = np.nan
    assert set(elasticity_maps(response, table)) == {n for n in MAPS if "low" not in n}
    response["change"].loc[{"statistic": "low7"}] = np.nan
    assert low_flow_map(response) == {}
    assert "no value" in texts(response_surfaces(response))
    assert "no value" in texts(climate_figure(response, table))


def test_low_flows_fall_where_they_fall():
    response = sample_response()
    change = response["change"].transpose("scenario", "basin", "statistic", "member").copy()
    here = uniform_scenario(response, warming=3)
    place = response["statistic"].values.tolist().index("low7")
    change[here, :, place] = 5.0
    change[here, :4, place] = -5.0
    change[here, 0, place] = [-9.0, -9.0, 1.0]  # 2 of 3 agree
    figure = low_flow_map(response.assign(change=change))["low_flows_plus_3_degrees"]
    assert "Low flows fall in 4 basins" in texts(figure)
    assert points(figure.axes[0], "uncertain") == 1


def test_members_disagree_below_four_fifths():
    votes = np.array(
        [[1, 1, 1, 1, -0.5], [1, 1, 1, -0.1, -0.1], [np.nan] * 5, [1, np.nan, 1, 1, 1]]
    )
    assert members_disagree(votes).tolist() == [False, True, False, False]


def test_response_surfaces_draw_the_grid_on_symmetric_scales():
    response = sample_response()
    figure = response_surfaces(response)
    chosen = representatives(response)
    assert len(figure.axes) == 3 * len(chosen) + 3  # a colour bar each row
    for bar in figure.axes[-3:]:
        low, high = bar.get_ylim()
        assert low == -high
        assert bar.get_ylabel().endswith("[%]")
    panel = figure.axes[0]
    dots = panel.get_lines()[0]
    assert len(dots.get_xdata()) == 49
    assert (panel.get_xlim(), panel.get_ylim()) == (pytest.approx((-30, 30)), (0, 6))
    assert response_surfaces(response.isel(scenario=[0, 50])) is None
    assert response_surfaces(response.isel(scenario=range(7))) is None  # no warming
    cross = ["baseline", "t+3_p+0", "t+6_p+0", "t+0_p-20", "t+0_p+20"]
    assert response_surfaces(response.sel(scenario=cross)) is None  # 5 of 9 combinations


def test_the_basin_nearest_to_the_median_stands_for_its_climate():
    response = sample_response(basins=7)
    aridity, snow = [0.2, 0.5, 0.8, 1.5, 3.0, 0.9, np.nan], [0, 0.1, 0.2, 0.1, 0, 0.9, 0.5]
    response = response.assign_coords(aridity=("basin", aridity), frac_snow=("basin", snow))
    found = {c.group: c.place for c in representatives(response)}
    assert found == {"humid (3 basins)": 1, "humid with snow (1 basin)": 5, "dry (2 basins)": 3}
    unknown = representatives(response.drop_vars(["aridity", "frac_snow"]))
    assert [(c.group, c.place) for c in unknown] == [("climate unknown (7 basins)", 0)]


def test_seasonal_changes_show_the_regime_and_the_spread():
    response = sample_response()
    figure = seasonal_changes(response)
    basin = representatives(response)[0].place
    lines = figure.axes[0].get_lines()
    assert len(lines) == 5
    october_first = np.r_[9:12, 0:9]
    expected = response["regime"].isel(scenario=0, basin=basin).mean("member").values
    np.testing.assert_allclose(lines[0].get_ydata(), expected[october_first], rtol=1e-6)
    warm_wet = response["regime"].isel(basin=basin).sel(scenario="t+3_p+20").mean("member").values
    np.testing.assert_allclose(lines[4].get_ydata(), warm_wet[october_first], rtol=1e-6)
    assert figure.axes[0].get_ylabel() == "flow [mm/d]"
    assert len(figure.axes[0].collections) == 5  # a band each
    assert seasonal_changes(response.isel(scenario=[0, 50])) is None


def test_storms_show_median_and_band():
    response = sample_response()
    figure = storms(response)
    left, right = figure.axes
    wet = left.get_lines()[0]
    np.testing.assert_array_equal(wet.get_xdata(), [25, 50, 100])
    np.testing.assert_allclose(wet.get_ydata(), np.sqrt([25, 50, 100]), rtol=1e-6)
    assert (left.get_ylabel(), right.get_ylabel()) == (
        "peak after the storm [mm/d]", "flow added within 30 days [mm]",
    )  # fmt: skip
    assert storms(response.isel(scenario=range(49))) is None


def test_plausibility_counts_the_basins_that_fail():
    response = sample_response()
    table = sample_plausibility(response)
    table.iloc[0, table.columns.get_loc("failed_checks")] = 5
    figure = plausibility(response, table)
    legend = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert legend == ["no check failed (10)", "2 failed (1)", "3 or more failed (1)"]
    bars = figure.axes[1]
    # flattening storms fail where concave is true: every other basin
    assert [t.get_text().strip() for t in bars.texts] == [
        "1 of 12", "1 of 12", "0 of 12", "6 of 12", f"0 of {int(table['snow_basin'].sum())}",
    ]  # fmt: skip
    for check in ("wetter_means_more", "below_precipitation", "below_ceiling", "concave_storms",
                  "earlier_with_warming"):  # fmt: skip
        table[check] = table[check].astype(object)
        table.loc["00000003", check] = None
    legend = plausibility(response, table).axes[0].get_legend().get_texts()
    assert [t.get_text() for t in legend][::3] == ["no check failed (9)", "no value (1)"]
    absent = plausibility(response, table.iloc[:11]).axes[0].get_legend().get_texts()
    assert absent[-1].get_text() == "no value (2)"
    empty = table.assign(concave_storms=pd.array([pd.NA] * 12, dtype="boolean"))
    assert fails(empty, "concave_storms") == (0, 0)
    assert "could not be checked" in texts(plausibility(response, empty))


def test_outside_training_names_the_strongest_scenario():
    response = sample_response()
    response["unusual"][48] = np.linspace(0.5, 0.9, 12)
    response["unusual"][50] = 1.0  # a design storm does not count
    figure = outside_training(response)
    assert "Strongest scenario (t+6 p+30)" in texts(figure)
    assert "median of basins 70.0" in texts(figure)
    assert figure.axes[1].get_xlabel() == "unusual days [% of days]"
    assert points(figure.axes[0], "values") == 12
    assert outside_training(response.assign(unusual=response["unusual"] * np.nan)) is None


def test_statics_difference_is_recomputed_minus_held():
    held = sample_response()
    recomputed = held.assign(change=held["change"] + 2).isel(basin=[*range(2, 12)])
    figure = statics_difference(held, recomputed)
    medians = [line.get_xdata()[0] for line in figure.axes[0].get_lines() if _is_median(line)]
    np.testing.assert_allclose(medians, 2, atol=1e-4)
    assert figure.axes[0].get_xlabel() == "difference at +3 °C [% points]"
    assert statics_difference(held.isel(scenario=[0, 50]), recomputed) is None


def _is_median(line) -> bool:
    return line.get_linewidth() > 2


def test_climate_groups_have_units_and_counts():
    response = sample_response()
    figure = climate_figure(response, sample_elasticity(response))
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels[0] == "change [% per °C]"
    assert labels[3] == "change [days per °C]"
    assert labels[4] == "change [% per 10 % of P]"
    names = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert names == ["humid with snow (5)", "dry (5)", "dry with snow (2)"]
    bare = response.drop_vars(["aridity", "frac_snow"])
    figure = climate_figure(bare, sample_elasticity(bare))
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["unknown (12)"]


def test_gradients_rank_and_map_attributes():
    gradients = sample_gradients()
    ranking = attribute_ranking(gradients)
    high, low = ranking.axes
    names = [t.get_text() for t in high.get_yticklabels()]
    assert names[0] == "a0"
    assert [bar.get_width() for bar in high.patches][:2] == [1.0, pytest.approx(0.2)]
    # mean over basins: a1 and a2 lead in half of them each, (1 + 0.2) / 2
    widths = dict(zip(names, (bar.get_width() for bar in low.patches), strict=True))
    assert (widths["a1"], widths["a2"]) == (pytest.approx(0.6), pytest.approx(0.6))
    gradients["importance"][1, 0, :3, 0] = [0.0, 0.0, 1.0]  # one of three members says a2
    figure = dominant_attribute(gradients)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "floods (days of high flow)", "low flows (days of low flow)",
    ]  # fmt: skip
    legends = [[t.get_text() for t in a.get_legend().get_texts()] for a in figure.axes]
    assert legends == [["a0 (12)"], ["a1 (6)", "a2 (6)", "members disagree (1)"]]


def test_a_model_without_attributes_has_input_lags_only(tmp_path, kept):
    response = sample_response(4)
    folder = written(tmp_path, response, everything=False)
    sample_gradients(4, attributes=0).to_netcdf(folder / "gradients.nc")
    draw_sensitivity(folder)
    assert set(kept) == OF_RESPONSE | {"input_lags"}


def test_input_lags_have_units_and_the_median():
    gradients = sample_gradients()
    figure = input_lags(gradients)
    labels = [axes.get_ylabel() for axes in figure.axes[::2]]
    assert labels == ["prcp\n[mm/d per mm/d]", "tmax\n[mm/d per °C]"]
    line = figure.axes[0].get_lines()[1]
    np.testing.assert_allclose(line.get_ydata(), np.exp(-np.arange(30) / 5))
    assert input_lags(gradients.assign(dq_dx=gradients["dq_dx"] * np.nan)) is None


def test_truth_shows_both_sides_and_degrades():
    figure = truth_figure(sample_truth(), single=["t+3_p+0", "t+0_p+20"])
    above, below = figure.axes[0], figure.axes[4]
    assert above.get_xlabel() == "true change [%]"
    single = above.get_lines()[-1]
    assert sorted(zip(single.get_xdata(), single.get_ydata(), strict=True)) == [(-9, -8), (20, 21)]
    assert [t.get_text() for t in below.get_yticklabels()] == ["t+3_p+0", "t+0_p+20"]
    assert "no value" in texts(figure)  # no centre of timing in the table
    assert truth_figure(sample_truth().iloc[:0]) is None


def test_bands_ignore_what_is_missing():
    values = np.array([[1.0, 2.0, 3.0, np.nan], [np.nan] * 4])
    np.testing.assert_allclose(tenths(values), [[1.2, np.nan], [2.0, np.nan], [2.8, np.nan]])


def test_sheets_grow_with_their_caption():
    short, long = (open_sheet("A?", caption="word " * n).figure for n in (10, 100))
    assert long.get_size_inches()[1] > short.get_size_inches()[1]
    assert long.texts[1].get_text().count("\n") == 3


def test_about_shortens_long_lists_of_runs():
    runs = ", ".join(f"a_run_with_a_long_name_{i}" for i in range(5))
    about = about_run({"run": runs, "period": "a..b", "statics": "recomputed"}, members=5)
    assert about == (
        "a_run_with_a_long_name_0 and 4 more (5 members); a to b; climatic attributes recomputed"
    )
