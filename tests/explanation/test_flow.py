"""Explanations of a tiny run: completeness, windows, baselines, occlusion by hand."""

from datetime import date

import numpy as np
import pytest
import torch
import xarray as xr

from hydroml.data.store import open_store
from hydroml.errors import ConfigError, StoreError
from hydroml.evaluation.simulate import Simulation, simulate_runs
from hydroml.explanation.attribution import by_gradients, by_occlusion, by_relevance
from hydroml.explanation.baseline import BASELINES, usual_weather
from hydroml.explanation.cells import cell_of
from hydroml.explanation.flow import explain_flow
from hydroml.explanation.occlusion import occlude_days, occlude_inputs
from hydroml.explanation.tables import cumulated, day_table, half_reached, summarise
from hydroml.explanation.window import Flow, Question, open_windows
from hydroml.models import build_model
from hydroml.toolkit.attribution.lrp import LSTMLRP
from hydroml.training.rundir import RunDirectory

CPU = torch.device("cpu")
DAY = date(2003, 3, 1)


@pytest.fixture(scope="module")
def dataset(tiny_store):
    return open_store(tiny_store)


@pytest.fixture(scope="module")
def run(tiny_run):
    return RunDirectory.open(tiny_run)


@pytest.fixture
def window(run, dataset):
    return open_windows([run], dataset, Question("02000000", DAY, 60), CPU)[1][0]


@pytest.fixture(scope="module")
def explanation(run, dataset):
    question = Question("02000000", DAY, 60)
    return explain_flow([run], dataset, question, ["ig", "lrp", "occlusion"], CPU)


def test_the_flow_explained_is_the_one_that_evaluation_finds(run, dataset, window):
    period = (np.datetime64("2001-10-01"), np.datetime64("2003-09-30"))
    found = simulate_runs([run], dataset, Simulation(["02000000"], period), CPU)
    days = found["qsim"].sel(basin="02000000", time=slice("2003-01-01", str(DAY)))
    np.testing.assert_allclose(np.maximum(window.simulated, 0), days.values, atol=2e-5)


@pytest.mark.parametrize("days", [2, 10, 90, 365])
def test_gradients_are_complete_whatever_the_window(run, dataset, days):
    # what the days before the window did acts through its first state: a shorter window moves
    # relevance from days to that sum, and loses none
    window = open_windows([run], dataset, Question("02000000", DAY, days), CPU)[1][0]
    share = by_gradients(window)
    assert share.relevance.shape == (days, 3)
    total = float(share.relevance.sum()) + share.earlier
    assert total == pytest.approx(window.difference, rel=0.006, abs=1e-5)


def test_a_short_window_has_more_before_it(run, dataset):
    shares = [
        by_gradients(open_windows([run], dataset, Question("02000000", DAY, d), CPU)[1][0])
        for d in (3, 120)
    ]
    assert abs(shares[0].earlier) > abs(shares[1].earlier)


@pytest.mark.parametrize("how", [by_gradients, by_relevance, by_occlusion])
def test_relevance_earlier_and_gap_make_the_difference(window, how):
    share = how(window)
    total = float(share.relevance.sum()) + share.earlier + share.gap
    assert total == pytest.approx(window.difference, abs=1e-4)


@pytest.mark.parametrize("how", [by_gradients, by_relevance, by_occlusion])
def test_days_like_the_baseline_made_nothing(window, how):
    window.x_d[10:20] = window.base_d[10:20]
    assert how(window).relevance[10:20].abs().max() < 1e-6


def test_occlusion_is_the_model_run_again(window):
    everything, one_by_one = occlude_days(window), occlude_inputs(window)
    flow = Flow(window.model, window.scaler)
    state = [part[None] for part in window.state]
    with torch.no_grad():
        for day in (0, 31, 32, 59):
            altered = window.x_d.clone()
            altered[day, 1] = window.base_d[day, 1]
            pair = torch.stack([window.x_d, altered])
            q = flow(pair, *(s.expand(2, -1) for s in state), window.x_s.expand(2, -1))
            torch.testing.assert_close(one_by_one[day, 1], q[0] - q[1], atol=1e-5, rtol=1e-4)
            pair[1, day] = window.base_d[day]
            q = flow(pair, *(s.expand(2, -1) for s in state), window.x_s.expand(2, -1))
            torch.testing.assert_close(everything[day], q[0] - q[1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["lstm", "ealstm", "lstm-nostatic"])
def test_the_adapter_hands_over_the_model_as_it_is(name):
    torch.manual_seed(0)
    model = build_model(name, 3, 2, hidden=5).double().eval()
    x, s = torch.randn(1, 20, 3).double(), torch.randn(2).double()
    lrp = LSTMLRP(cell_of(model, s), model.head.linear, bias_factor=1.0)
    found = lrp.explain(x)
    torch.testing.assert_close(found.score, model(x, s[None], last=1)[0][:, 0])
    assert found.kept.abs().max() < 1e-10


def test_the_adapter_refuses_another_model():
    with pytest.raises(TypeError, match="Linear"):
        cell_of(torch.nn.Linear(1, 1), torch.zeros(1))


def test_usual_weather_of_a_season_is_that_season(dataset):
    time = np.arange("2001-01-01", "2001-12-31", dtype="datetime64[D]")
    years = slice(np.datetime64("1999-10-01"), np.datetime64("2001-09-30"))
    usual = usual_weather(dataset, "01000000", ["tmax"], years, time)[:, 0]
    # 14 + 10 sin of the day of the year, see tests/conftest.py; the month's mean takes 1 %
    assert usual.max() == pytest.approx(24, abs=1.5)
    assert usual.min() == pytest.approx(4, abs=1.5)
    assert abs(int(usual.argmax()) - 201) < 25


@pytest.mark.parametrize("name", list(BASELINES))
def test_baselines_are_what_they_say(run, dataset, name):
    weather, windows = open_windows([run], dataset, Question("02000000", DAY, 30, name), CPU)
    rain = weather.baseline[:, weather.names.index("prcp")]
    assert (rain == 0).all() == name.startswith("dry")
    warmth = weather.baseline[:, weather.names.index("tmax")]
    assert (np.ptp(warmth) > 0) == ("season" in name)
    if name == "mean":
        assert windows[0].base_d.abs().max() < 1e-5


def test_an_unknown_baseline_is_told(run, dataset):
    with pytest.raises(ConfigError, match="dry-season"):
        open_windows([run], dataset, Question("02000000", DAY, 30, "dri-season"), CPU)


def test_a_day_without_enough_before_it_is_told(run, dataset):
    with pytest.raises(StoreError, match=r"missing on 1998-09-30.*\n.*fewer --days"):
        open_windows([run], dataset, Question("02000000", date(1999, 1, 1), 64), CPU)
    # the model warms up for 30 days: 62 days and these are all there
    windows = open_windows([run], dataset, Question("02000000", date(1999, 1, 1), 62), CPU)[1]
    assert np.isfinite(windows[0].simulated).all()


def test_a_gap_of_an_input_is_told(run, dataset):
    broken = dataset.copy()
    broken["tmin"] = dataset["tmin"].where(dataset["time"] != np.datetime64("2003-01-20"))
    with pytest.raises(StoreError, match=r"tmin of basin 02000000 is missing on 2003-01-20"):
        open_windows([run], broken, Question("02000000", DAY, 60), CPU)


def test_a_dataset_says_what_it_is(explanation):
    assert explanation["relevance"].dims == ("how", "member", "time", "input")
    assert explanation["relevance"].attrs["units"] == "mm d-1"
    assert explanation["how"].values.tolist() == ["ig", "lrp", "occlusion"]
    assert explanation.attrs["Conventions"] == "CF-1.11"
    assert explanation["days_before"].values[[0, -1]].tolist() == [59, 0]


def test_the_table_of_days_adds_up(explanation):
    table = day_table(explanation)
    inputs = explanation["input"].values
    np.testing.assert_allclose(
        table["ig"], table[[f"ig_{n}" for n in inputs]].sum(axis=1), atol=1e-5
    )
    assert table.index[-1] == "2003-03-01"
    assert (table["ig_sd"] == 0).all()


def test_the_summary_adds_up(explanation):
    told = summarise(explanation)
    for method in told["methods"].values():
        total = sum(v["relevance"] for v in method["inputs"].values())
        assert total + method["earlier"] + method["gap"] == pytest.approx(
            told["difference"], abs=1e-4
        )
        assert len(method["top_days"]) == 10
    assert told["methods"]["ig"]["gap_share"] == pytest.approx(0, abs=0.006)


def test_half_of_the_difference_is_counted_from_the_event():
    # 1, 2, 3, 4 mm/d on four days, the last first: 4 + 3 is past 5 on the second
    made = xr.Dataset(
        {
            "relevance": (("member", "time", "input"), np.array([[[1.0], [2], [3], [4]]])),
            "qsim": (("member", "time"), np.full((1, 4), 10.0)),
            "qbase": (("member", "time"), np.zeros((1, 4))),
        }
    )
    assert cumulated(made).values[0].tolist() == [10, 9, 7, 4]
    assert half_reached(made) == 2
    assert half_reached(made.assign(qsim=made["qsim"] * 10)) is None
