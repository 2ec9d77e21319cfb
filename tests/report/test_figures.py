from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hydroml.errors import RunError
from hydroml.evaluation.metrics import metrics_table, score
from hydroml.report import figures
from hydroml.report.figures import (
    draw_evaluation,
    draw_losses,
    hydrographs,
    losses,
    nse_distribution,
)
from hydroml.report.hydrographs import informative_year

TIME = pd.date_range("1999-10-01", "2002-09-30")


def evaluation(basins=5, members=0, seed=0) -> xr.Dataset:
    """Three water years, the second with a flood; skill falls from basin to basin."""
    rng = np.random.default_rng(seed)
    obs = rng.gamma(2, 1, (basins, len(TIME)))
    obs[:, 500] = 60.0  # 2001-02-12
    noise = np.linspace(0.1, 4, basins)[:, None] * rng.normal(size=obs.shape)
    sim = np.maximum(obs + noise, 0)
    dims = ("basin", "time")
    if members:
        sim = sim[..., None] * np.linspace(0.8, 1.2, members)
        dims = ("basin", "time", "member")
    return xr.Dataset(
        {"qobs": (("basin", "time"), obs), "qsim": (dims, sim)},
        coords={
            "basin": [f"0{i}013500" for i in range(basins)],
            "time": TIME,
            "gauge_lat": ("basin", np.linspace(32, 45, basins)),
            "gauge_lon": ("basin", np.linspace(-120, -75, basins)),
            "gauge_name": ("basin", [f"River {i}" for i in range(basins)]),
        },
        attrs={"synthetic": "false", "title": "t", "run": "run7", "period": "test"},
    )


def table_of(dataset):
    sim = dataset.qsim.mean("member") if "member" in dataset.dims else dataset.qsim
    return metrics_table(score(dataset.qobs, sim))


def written(folder: Path, dataset: xr.Dataset) -> Path:
    dataset.to_netcdf(folder / "simulations.nc")
    table_of(dataset).to_csv(folder / "metrics.csv")
    return folder


def all_text(figure) -> str:
    return " ".join([figure.get_suptitle(), *(t.get_text() for t in figure.texts)])


@pytest.fixture
def kept(monkeypatch):
    """The figures that are saved, by file name."""
    found = {}
    save = figures.save

    def keeping(figure, path):
        found[Path(path).name] = figure
        return save(figure, path)

    monkeypatch.setattr(figures, "save", keeping)
    return found


def test_draw_evaluation_writes_three_figures_from_the_files(tmp_path, kept):
    paths = draw_evaluation(written(tmp_path, evaluation()))
    assert {p.name for p in paths} == {"nse_map.png", "nse_distribution.png", "hydrographs.png"}
    assert all(p.stat().st_size > 10_000 for p in paths)
    # gauge ids kept their zero: otherwise no score would find its place
    points = [c for c in kept["nse_map.png"].axes[0].collections if c.get_gid() == "values"]
    failed = [c for c in kept["nse_map.png"].axes[0].collections if c.get_gid() == "failed"]
    assert len(points[0].get_offsets()) + len(failed[0].get_offsets()) == 5
    assert "run7, test" in kept["nse_map.png"].get_suptitle()
    assert not any("SYNTHETIC" in all_text(f) for f in kept.values())
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "hydrographs.png", "metrics.csv", "nse_distribution.png", "nse_map.png", "simulations.nc",
    ]  # fmt: skip


@pytest.mark.parametrize("flag", ["true", "True"])
def test_synthetic_data_says_so_in_every_figure(tmp_path, kept, flag):
    draw_evaluation(written(tmp_path, evaluation().assign_attrs(synthetic=flag)))
    pd.DataFrame({"epoch": [1], "loss": [0.5]}).to_csv(tmp_path / "metrics.csv")
    draw_losses(tmp_path, synthetic=True)
    assert len(kept) == 4
    assert all("SYNTHETIC DATA" in all_text(f) for f in kept.values())


def test_without_places_there_is_no_map(tmp_path):
    dataset = evaluation().drop_vars(["gauge_lat", "gauge_lon", "gauge_name"])
    names = [p.name for p in draw_evaluation(written(tmp_path, dataset))]
    assert names == ["nse_distribution.png", "hydrographs.png"]


def test_missing_files_are_named(tmp_path):
    with pytest.raises(RunError, match=r"simulations\.nc"):
        draw_evaluation(tmp_path)
    with pytest.raises(RunError, match=r"metrics\.csv"):
        draw_losses(tmp_path)


def test_hydrographs_show_the_flood_year_of_best_median_and_worst():
    dataset = evaluation()
    figure = hydrographs(dataset.qobs, dataset.qsim, table_of(dataset))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [t[: t.index(",")] for t in titles] == [
        "Best: 00013500 River 0", "Median: 02013500 River 2", "Worst: 04013500 River 4",
    ]  # fmt: skip
    assert all("water year 2001" in t for t in titles)
    observed, simulated = figure.axes[0].get_lines()
    assert len(observed.get_ydata()) == 365  # one water year
    assert observed.get_ydata().max() == 60
    np.testing.assert_array_equal(
        simulated.get_ydata(), dataset.qsim.sel(time=slice("2000-10-01", "2001-09-30"))[0]
    )
    assert figure.axes[0].get_ylabel() == "discharge [mm/d]"
    assert figure.axes[0].get_yscale() == "linear"


def test_hydrographs_of_an_ensemble_have_mean_band_and_rain():
    dataset = evaluation(members=5)
    rain = dataset.qobs * 2
    figure = hydrographs(dataset.qobs, dataset.qsim, table_of(dataset), prcp=rain, log=True)
    panel = figure.axes[0]
    legend = [t.get_text() for t in figure.legends[0].get_texts()]
    assert legend == ["range of members", "observed", "simulated (mean of 5)"]
    band = panel.collections[0].get_paths()[0].vertices[:, 1]
    year = dataset.qsim.sel(time=slice("2000-10-01", "2001-09-30"))[0]
    assert band.max() == pytest.approx(float(year.max()))
    np.testing.assert_allclose(panel.get_lines()[1].get_ydata(), year.mean("member"))
    assert panel.get_yscale() == "log"
    hung = figure.axes[3]
    assert hung.get_ylabel() == "precipitation [mm/d]"
    assert hung.get_ylim()[0] > hung.get_ylim()[1]  # from the top down
    assert len(hung.patches) == 365


@pytest.mark.parametrize(("basins", "roles"), [(1, ["Only basin"]), (2, ["Best", "Worst"])])
def test_hydrographs_of_few_basins(basins, roles):
    dataset = evaluation(basins)
    figure = hydrographs(dataset.qobs, dataset.qsim, table_of(dataset))
    assert [a.get_title(loc="left").split(":")[0] for a in figure.axes] == roles


def test_evaluation_without_any_score_still_draws(tmp_path):
    dataset = evaluation(2)
    dataset["qobs"][:] = np.nan
    assert len(draw_evaluation(written(tmp_path, dataset))) == 3


def test_informative_year_needs_observations():
    flow = xr.DataArray(np.ones(len(TIME)), {"time": TIME})
    flow[500] = 60.0  # water year 2001
    flow[900] = 20.0  # water year 2002
    assert informative_year(flow) == 2001
    flow[510:600] = np.nan  # a quarter of 2001 is not observed
    assert informative_year(flow) == 2002
    flow[:] = np.nan
    flow[10:20] = 1.0
    assert informative_year(flow) == 2000


def test_distribution_marks_the_medians():
    one = pd.DataFrame({"NSE": [-2.0, 0.2, 0.4, 0.6, np.nan]})
    other = pd.DataFrame({"NSE": [0.5, 0.7, 0.9]})
    figure = nse_distribution({"lstm": one, "ealstm": other, "none": one.iloc[4:]})
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [
        "lstm: median 0.30, 4 basins, NSE ≤ 0: 1 (below -0.5: 1)",
        "ealstm: median 0.70, 3 basins, NSE ≤ 0: 0",
        "none: no basin with a score",
    ]
    axes = figure.axes[0]
    dots = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert [(float(d.get_xdata()[0]), float(d.get_ydata()[0])) for d in dots] == [
        (pytest.approx(0.3), 0.5), (0.7, 0.5),
    ]  # fmt: skip
    curve = next(line for line in axes.get_lines() if str(line.get_label()).startswith("lstm"))
    # post steps: y is the share of basins at or below x: 1 of 4 at -2, 4 of 4 at 0.6
    share = dict(zip(curve.get_xdata(), curve.get_ydata(), strict=True))
    assert (share[0.2], share[0.6], share[1.0]) == (0.5, 1.0, 1.0)


def test_losses_show_what_is_there():
    epochs = np.arange(1, 21)
    frame = pd.DataFrame(
        {
            "epoch": epochs,
            "loss": 1.0 / epochs,
            "learning_rate": np.where(epochs < 11, 1e-3, 5e-4),
            "seconds": 1.0,
            "validation_NSE": np.where(epochs % 5 == 0, 0.5, np.nan),
        }
    )
    figure = losses(frame)
    left, right = figure.axes
    assert left.get_yscale() == "log"
    assert [t.get_text() for t in left.texts] == ["rate 0.001", "rate 0.0005"]
    assert right.get_ylabel() == "median validation NSE [-]"
    assert right.get_lines()[0].get_xdata().tolist() == [5, 10, 15, 20]
    plain = losses(frame[["epoch", "loss"]].iloc[:2])
    assert len(plain.axes) == 1
    assert plain.axes[0].get_yscale() == "linear"


def test_draw_losses_reads_the_run(tmp_path, kept):
    pd.DataFrame({"epoch": [1, 2], "loss": [0.5, np.nan]}).to_csv(tmp_path / "metrics.csv")
    assert draw_losses(tmp_path) == tmp_path / "losses.png"
    assert tmp_path.name in kept["losses.png"].axes[0].get_title(loc="left")
