"""Gradients of flow: finite differences, plain loops, models whose derivative is known by hand."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hydroml import api
from hydroml.data.scaling import Scaler
from hydroml.errors import ConfigError, RunError
from hydroml.evaluation.simulate import Simulation, simulate_runs
from hydroml.models import EALSTM, LSTM
from hydroml.models.loops import ealstm_loop, lstm_loop
from hydroml.sensitivity import backward, gradients
from hydroml.sensitivity.backward import STRIDE, first_day, flow_gradient, follow, frozen
from hydroml.sensitivity.flow_days import choose_days
from hydroml.sensitivity.gradients import GradientRequest, flow_gradients
from hydroml.sensitivity.ranking import attribute_ranking, importance
from hydroml.training.rundir import RunDirectory
from tests.conftest import tiny_config, tiny_dataset

CPU = torch.device("cpu")
TEST = (np.datetime64("2001-10-01"), np.datetime64("2003-09-30"))
BASINS = ["01000000", "02000000", "03000000", "04000000"]
LAGS = 20
REQUEST = GradientRequest(BASINS, TEST, days=10, lags=LAGS)

F, S, DAYS = 3, 4, 90
SCALER = Scaler(
    dynamic=("prcp", "tmax", "tmin"),
    static=("a", "b", "c", "d"),
    dynamic_mean=np.array([3.0, 10.0, 2.0]),
    dynamic_std=np.array([7.0, 9.0, 0.3]),
    static_mean=np.array([1.0, 500.0, 0.2, -3.0]),
    static_std=np.array([0.5, 300.0, 0.1, 2.0]),
    target_mean=0.9,
    target_std=2.5,
    basins=(),
    basin_std=np.zeros(0),
)
MODELS = {
    "LSTM": lambda: LSTM(F, S, hidden=6, initial_weights="uniform"),
    "EALSTM": lambda: EALSTM(F, S, hidden=6, initial_weights="uniform"),
    # from this size on the CPU takes another recurrence
    "LSTM128": lambda: LSTM(F, S, hidden=128, initial_weights="uniform"),
}


@pytest.fixture(params=MODELS)
def model(request) -> nn.Module:
    torch.manual_seed(1)
    made = MODELS[request.param]().double().eval()
    with torch.no_grad():  # move the output so that flow is clipped on two days of five
        y, _ = made(*scaled(*raw_series()))
        made.head.linear.bias -= y.quantile(0.4) + SCALER.target_mean / SCALER.target_std
    return made


def raw_series() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(2)
    x_d = rng.normal(SCALER.dynamic_mean, SCALER.dynamic_std, (2, DAYS, F))
    x_s = rng.normal(SCALER.static_mean, SCALER.static_std, (2, S))
    return torch.from_numpy(x_d), torch.from_numpy(x_s)


def scaled(x_d, x_s):
    x_d = (x_d - torch.from_numpy(SCALER.dynamic_mean)) / torch.from_numpy(SCALER.dynamic_std)
    x_s = (x_s - torch.from_numpy(SCALER.static_mean)) / torch.from_numpy(SCALER.static_std)
    return x_d, x_s


def discharge(y):
    return np.maximum(SCALER.target_std * y + SCALER.target_mean, 0)


def all_days(model, x_d, x_s, lags):
    """Gradient of every day there may be, basin by basin."""
    day = torch.arange(first_day(lags), DAYS - STRIDE + 1)
    basin, day = (g.flatten() for g in torch.meshgrid(torch.arange(2), day, indexing="ij"))
    simulated = follow(model, *scaled(x_d, x_s))
    return basin, day, flow_gradient(model, SCALER, simulated, basin, day, lags)


def test_gradients_equal_central_differences(model):
    # raw inputs are disturbed, standardised, simulated in one pass, turned to mm/d, clipped
    x_d, x_s = raw_series()
    basin, day, (q, dq_dx, dq_da) = all_days(model, x_d, x_s, LAGS)
    some = range(0, len(day), 19)
    assert {bool(q[n] == 0) for n in some} == {True, False}  # both sides of the clipping

    @torch.no_grad()
    def simulate(raw_d, raw_s, state=None):
        return discharge(model(*scaled(raw_d, raw_s), state)[0].numpy())

    for n in some:
        b, t = basin[n], int(day[n])
        row_d, row_s = x_d[b : b + 1], x_s[b : b + 1]
        assert q[n] == pytest.approx(simulate(row_d, row_s)[0, t], rel=1e-12)
        for lag in (0, 1, 5, LAGS - 1):
            for f in range(F):
                step = torch.zeros_like(row_d)
                step[0, t - lag, f] = 1e-5 * SCALER.dynamic_std[f]
                up, down = (simulate(row_d + s, row_s)[0, t] for s in (step, -step))
                slope = (up - down) / (2 * float(step.sum()))
                assert float(dq_dx[n, lag, f]) == pytest.approx(slope, rel=1e-3, abs=1e-9)
        start = (t - LAGS + 1) // STRIDE * STRIDE  # the state before the window is held
        with torch.no_grad():
            _, state = model(*scaled(row_d[:, :start], row_s))
        for s in range(S):
            step = torch.zeros_like(row_s)
            step[0, s] = 1e-5 * SCALER.static_std[s]
            tail = row_d[:, start : t + 1]
            up, down = (simulate(tail, row_s + d, state)[0, -1] for d in (step, -step))
            slope = (up - down) / (2 * float(step.sum()))
            assert float(dq_da[n, s]) == pytest.approx(slope, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize(("name", "loop"), [("LSTM", lstm_loop), ("EALSTM", ealstm_loop)])
@pytest.mark.parametrize("lags", [1, 16, 33])
def test_windows_give_the_gradient_of_the_whole_series(name, loop, lags):
    torch.manual_seed(3)
    model = MODELS[name]().double().eval()
    x_d, x_s = raw_series()
    basin, day, (q, dq_dx, _) = all_days(model, x_d, x_s, lags)
    raw = x_d.clone().requires_grad_()
    y, _ = loop(model, *scaled(raw, x_s))
    plain = torch.relu(SCALER.target_std * y + SCALER.target_mean)
    for n in range(20):  # each way a window may start between two kept states
        b, t = basin[n], day[n]
        (whole,) = torch.autograd.grad(plain[b, t], raw, retain_graph=True)
        expected = whole[b, t - lags + 1 : t + 1].flip(0)
        torch.testing.assert_close(dq_dx[n], expected, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(q[n], plain[b, t].detach())


def test_parameters_keep_what_they_asked_for(model):
    model.head.linear.bias.requires_grad_(False)
    before = [p.requires_grad for p in model.parameters()]
    all_days(model, *raw_series(), 5)
    assert [p.requires_grad for p in model.parameters()] == before
    assert all(p.grad is None for p in model.parameters())
    with suppress(KeyError), frozen(model):
        assert not any(p.requires_grad for p in model.parameters())
        raise KeyError
    assert [p.requires_grad for p in model.parameters()] == before


class Taps(nn.Module):
    """q = max(0, sum_k a_k x(t - k) + b s + constant) in physical units, for a run's scaler."""

    a = np.array([[0.5, 0.01, -0.02], [0.3, 0.0, 0.005], [0.1, -0.01, 0.0]])  # (K, F)
    b = np.array([0.004, 2.0])  # area, recession

    def __init__(self, scaler: Scaler, constant: float) -> None:
        super().__init__()
        self.scaled_a = torch.tensor(self.a * scaler.dynamic_std / scaler.target_std).float()
        self.scaled_b = torch.tensor(self.b * scaler.static_std / scaler.target_std).float()
        # what the model does not see: the means
        means = (self.a * scaler.dynamic_mean).sum() + (self.b * scaler.static_mean).sum()
        self.rest = float((constant + means - scaler.target_mean) / scaler.target_std)

    def forward(self, x_d, x_s, state=None, *, last=None):
        taps = len(self.a)
        before = x_d.new_zeros(len(x_d), taps - 1, x_d.shape[2]) if state is None else state[0]
        x = torch.cat([before, x_d], dim=1)
        y = (x_s @ self.scaled_b)[:, None] + self.rest
        for k in range(taps):
            y = y + x[:, taps - 1 - k : x.shape[1] - k] @ self.scaled_a[k]
        return y[:, -(last or y.shape[1]) :], (x[:, 1 - taps :],)


class Square(nn.Module):
    """q = (prcp + 1)^2 / 2, whose gradient is prcp + 1: it tells on which days it was taken."""

    def __init__(self, scaler: Scaler) -> None:
        super().__init__()
        self.scaler = scaler

    def forward(self, x_d, x_s, state=None, *, last=None):
        prcp = x_d[..., 0] * self.scaler.dynamic_std[0] + self.scaler.dynamic_mean[0]
        y = ((prcp + 1).square() / 2 - self.scaler.target_mean) / self.scaler.target_std
        return y[:, -(last or y.shape[1]) :], (x_d.new_zeros(len(x_d), 1),)


@pytest.fixture
def run(tiny_run) -> RunDirectory:
    return RunDirectory.open(tiny_run)


@pytest.fixture
def dataset() -> xr.Dataset:
    return tiny_dataset().assign_attrs(fingerprint="f")


def pretend(monkeypatch, model: nn.Module) -> None:
    monkeypatch.setattr(RunDirectory, "load_models", lambda self, device: [model])


def test_a_linear_model_gives_back_its_coefficients(run, dataset, monkeypatch):
    pretend(monkeypatch, Taps(run.scaler(), constant=20.0))  # never clipped
    found = flow_gradients([run], dataset, REQUEST, CPU).isel(member=0)
    assert run.scaler().dynamic == ("prcp", "tmax", "tmin")
    assert run.scaler().static == ("area_gages2", "recession")
    assert not found.clipped.any()
    for kind in ("high", "low", "all"):
        for basin in BASINS:
            one = found.sel(kind=kind, basin=basin)
            np.testing.assert_allclose(one.dq_dx[:3], Taps.a, rtol=1e-4, atol=1e-7)
            np.testing.assert_allclose(one.dq_dx_abs[:3], abs(Taps.a), rtol=1e-4, atol=1e-7)
            assert not one.dq_dx[3:].any()
            np.testing.assert_allclose(one.dq_da, Taps.b, rtol=1e-4)
            assert sorted(one.importance.values) == [0, 1]


def test_clipped_days_have_no_gradient_and_are_counted(run, dataset, monkeypatch):
    names = run.scaler().static
    x = np.stack([dataset[n].values for n in ("prcp", "tmax", "tmin")], axis=2)
    s = np.stack([dataset[n].values for n in names], axis=1) @ Taps.b
    q = sum(np.roll(x, k, axis=1) @ Taps.a[k] for k in range(3)) + s[:, None]
    q = q[:, dataset.get_index("time").slice_indexer(*TEST)]
    constant = -float(np.median(q))
    pretend(monkeypatch, Taps(run.scaler(), constant))
    request = replace(REQUEST, days=None)
    found = flow_gradients([run], dataset, request, CPU).sel(kind="all").isel(member=0)
    dry = (q + constant <= 0).sum(axis=1)
    assert dry.sum() == 2 * 730
    assert ((dry > 0) & (dry < 730)).any()
    assert found.days.values.tolist() == [730] * 4
    assert found.clipped.values.tolist() == dry.tolist()
    share = (1 - dry / 730)[:, None, None]
    np.testing.assert_allclose(found.dq_dx[:, :3], share * Taps.a, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(found.dq_da, share[:, 0] * Taps.b, rtol=1e-4)


def test_flow_that_is_always_clipped_has_no_importance(run, dataset, monkeypatch):
    pretend(monkeypatch, Taps(run.scaler(), constant=-1e4))
    found = flow_gradients([run], dataset, REQUEST, CPU)
    assert (found.clipped == found.days).all()
    assert not found.dq_dx.any()
    assert found.importance.isnull().all()
    assert attribute_ranking(found).basins.tolist() == [0, 0]


def test_gradients_are_taken_on_high_low_and_all_days(run, dataset, monkeypatch):
    pretend(monkeypatch, Square(run.scaler()))
    found = flow_gradients([run], dataset, replace(REQUEST, days=None), CPU).isel(member=0)
    rain = dataset.prcp.sel(time=slice(*TEST)).values
    high = rain >= np.quantile(rain, 0.95, axis=1, keepdims=True)
    for kind, days in (("high", high), ("low", rain == 0), ("all", rain >= 0)):
        one = found.sel(kind=kind)
        assert one.days.values.tolist() == days.sum(axis=1).tolist()
        expected = [(r[d] + 1).mean() for r, d in zip(rain, days, strict=True)]
        np.testing.assert_allclose(one.dq_dx[:, 0, 0], expected, rtol=1e-4)
        assert not one.dq_dx[:, 1:].any()
        assert not one.dq_dx[:, :, 1:].any()
        assert not one.dq_da.any()


def test_the_days_are_those_of_the_evaluation(run, dataset):
    q = simulate_runs([run], dataset, Simulation(BASINS, TEST), CPU).qsim
    threshold = q.quantile([0.1, 0.8], dim="time")
    request = replace(REQUEST, low=0.1, high=0.8, days=None)
    days = flow_gradients([run], dataset, request, CPU).days.isel(member=0)
    assert days.sel(kind="high").values.tolist() == [146] * 4  # 730 * 0.2
    assert days.sel(kind="low").values == pytest.approx(
        (q <= threshold[0]).sum("time").values, abs=1
    )


def test_a_draw_repeats_and_a_basin_does_not_mind_the_others(run, dataset):
    first = flow_gradients([run], dataset, REQUEST, CPU)
    xr.testing.assert_equal(first, flow_gradients([run], dataset, REQUEST, CPU))
    alone = flow_gradients([run], dataset, replace(REQUEST, basins=BASINS[2:3]), CPU)
    xr.testing.assert_allclose(alone, first.isel(basin=[2]), rtol=1e-5)
    other = flow_gradients([run], dataset, replace(REQUEST, seed=1), CPU)
    assert not np.allclose(other.dq_dx, first.dq_dx, rtol=1e-3)
    assert (first.days == 10).all()


def test_batches_do_not_matter(run, dataset, monkeypatch):
    done: list[int] = []
    whole = flow_gradients([run], dataset, REQUEST, CPU, on_progress=done.append)
    assert done == [1] * 4
    monkeypatch.setattr(gradients, "BASINS_PER_BLOCK", 3)
    monkeypatch.setattr(backward, "WINDOWS_PER_BATCH", 7)
    parts = flow_gradients([run], dataset, REQUEST, CPU)
    xr.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-7)


def test_missing_inputs_leave_days_out(run, dataset):
    # basin 2 has no rain on record at all, basin 3 none on the first day of the second year:
    # this day, its memory (30 days) and its lags (40) are left out
    dataset["prcp"].loc["02000000"] = np.nan
    dataset["prcp"].loc["03000000", "2002-10-01"] = np.nan
    found = flow_gradients([run], dataset, replace(REQUEST, days=None, lags=40), CPU)
    every = found.sel(kind="all").isel(member=0)
    assert every.days.values.tolist() == [730, 0, 690, 730]
    missing = found[["dq_dx", "dq_dx_abs", "dq_da", "dq_da_abs", "importance"]].isnull()
    for name, gone in missing.data_vars.items():
        assert gone.isel(basin=1).all(), name
        assert not gone.isel(basin=[0, 2, 3]).any(), name
    with pytest.raises(RunError, match=r"No day of 2001-10-01\.\.2003-09-30"):
        flow_gradients([run], dataset, replace(REQUEST, basins=["02000000"]), CPU)


def test_a_run_without_attributes_and_the_file(tiny_store, tmp_path, dataset):
    config = tiny_config("model.name=lstm-nostatic", "epochs=1")
    paths = [api.train(tiny_store, config=config, name=name, runs=tmp_path) for name in ("a", "b")]
    runs = [RunDirectory.open(path) for path in paths]
    found = flow_gradients(runs, dataset, REQUEST, CPU)
    assert found.sizes == {
        "kind": 3, "basin": 4, "lag": LAGS, "input": 3, "member": 2, "attribute": 0,
    }  # fmt: skip
    assert found.member.values.tolist() == ["a", "b"]
    xr.testing.assert_equal(found.dq_dx[..., 0], found.dq_dx[..., 1].assign_coords(member="a"))
    assert attribute_ranking(found).empty
    found.to_netcdf(tmp_path / "gradients.nc")
    with xr.open_dataset(tmp_path / "gradients.nc") as again:
        xr.testing.assert_allclose(again.load(), found)
        assert again.attrs["Conventions"] == "CF-1.11"
        assert (again.attrs["low"], again.attrs["days_at_most"]) == (0.05, 10)
        assert again.input_units.values.tolist() == ["mm d-1", "degC", "degC"]
        assert again.gauge_lat.values.tolist() == pytest.approx(np.linspace(35, 45, 4))


def test_the_file_says_what_attributes_are_scaled_by(run, dataset):
    found = flow_gradients([run], dataset, replace(REQUEST, basins=BASINS[:1]), CPU)
    scaler = run.scaler()
    np.testing.assert_allclose(found.attribute_std, scaler.static_std)
    np.testing.assert_allclose(found.input_std, scaler.dynamic_std)
    assert found.attribute.values.tolist() == list(scaler.static)
    g = (found.dq_da_abs * found.attribute_std).isel(basin=0, member=0)
    expected = (g - g.min("attribute")) / (g.max("attribute") - g.min("attribute"))
    np.testing.assert_allclose(found.importance.isel(basin=0, member=0), expected, rtol=1e-5)
    assert found.attrs["synthetic"] == "true"
    assert "SYNTHETIC" in found.attrs["title"]


def test_runs_that_do_not_belong_together_are_refused(run, tiny_store, tmp_path, dataset):
    config = tiny_config("model.name=lstm-nostatic", "epochs=1")
    other = RunDirectory.open(api.train(tiny_store, config=config, name="o", runs=tmp_path))
    with pytest.raises(RunError, match="o has other inputs or attributes than tiny"):
        flow_gradients([run, other], dataset, REQUEST, CPU)
    with pytest.raises(RunError, match="called 'tiny'"):
        flow_gradients([run, run], dataset, REQUEST, CPU)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"high": 0.05, "low": 0.05}, "low and high flow are 0.05 and 0.05"),
        ({"high": 0.1, "low": 0.2}, "low and high flow are 0.2 and 0.1"),
        ({"high": 95}, "low and high flow are 0.05 and 95"),
        ({"low": float("nan")}, "low and high flow are nan and 0.95"),
        ({"days": 0}, "days is 0"),
        ({"lags": 0}, "lags is 0"),
        ({"basins": []}, "no basin"),
    ],
)
def test_bad_requests_are_refused_by_name(wrong, message):
    with pytest.raises(ConfigError, match=message):
        replace(REQUEST, **wrong)


@given(
    flow=st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, float("nan")]), min_size=1, max_size=200),
    most=st.integers(1, 30),
)
def test_draws_are_distinct_even_and_of_their_kind(flow, most):
    q = np.array(flow, dtype="float32")
    there = np.isfinite(q)
    options = {"low": 0.05, "high": 0.9, "seed": (3, "01")}
    drawn = choose_days(q, there, most=most, **options)
    every = choose_days(q, there, most=None, **options)
    if there.any():
        low, high = np.nanquantile(q, [0.05, 0.9])
        kinds = (q >= high, q <= low, there)
        for days, kind in zip(every, kinds, strict=True):
            assert days.tolist() == np.flatnonzero(kind).tolist()
    for some, full in zip(drawn, every, strict=True):
        assert len(some) == min(most, len(full))
        place = np.searchsorted(full, some)
        assert full[place].tolist() == some.tolist()
        assert (np.diff(some) > 0).all()
        if len(full) > most:  # each near the middle of its stretch
            stretch = len(full) / most
            middles = (np.arange(most) + 0.5) * stretch
            assert (abs(place - middles) <= stretch / 2 + 1).all()


def test_importance_and_ranking_by_hand():
    # mean gradient times std: 2, 6, 4 in the first basin; 1, 1, 5 in the second
    g = np.array([[2.0, 3.0, 40.0], [1.0, 0.5, 50.0]])
    each = importance(g, np.array([1.0, 2.0, 0.1]))
    np.testing.assert_allclose(each, [[0, 1, 0.5], [0, 0, 1]])
    assert np.isnan(importance(np.ones((1, 2)), np.ones(2))).all()
    assert importance(np.ones((5, 0)), np.ones(0)).shape == (5, 0)
    values = np.stack([each, each], axis=-1)[None]  # (kind, basin, attribute, member)
    values[0, 1, :, 1] = np.nan
    gradients = xr.Dataset(
        {"importance": (("kind", "basin", "attribute", "member"), values)},
        coords={"kind": ["high"], "attribute": ["p", "q", "r"]},
    )
    table = attribute_ranking(gradients, "high")
    # member 1: p 0, q 0.5, r 0.75; member 2 has the first basin only: p 0, q 1, r 0.5
    assert table.index.tolist() == ["q", "r", "p"]
    assert table.importance.tolist() == [0.75, 0.625, 0]
    assert table.spread.tolist() == [0.25, 0.125, 0]
    assert table.basins.tolist() == [2, 2, 2]
    with pytest.raises(ConfigError, match="Unknown kind of days 'hihg'"):
        attribute_ranking(gradients, "hihg")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same(run, dataset):
    here = flow_gradients([run], dataset, REQUEST, CPU)
    there = flow_gradients([run], dataset, REQUEST, torch.device("cuda"))
    xr.testing.assert_allclose(there, here, rtol=1e-2, atol=1e-5)
