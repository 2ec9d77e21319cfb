"""RUDDER's redistribution of an event's volume: a linear catchment by hand, sums, other years."""

from datetime import date

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from hydroml.data.splits import Period
from hydroml.data.store import open_store
from hydroml.errors import ConfigError, StoreError
from hydroml.evaluation.simulate import Simulation, simulate_runs
from hydroml.explanation.event_table import summarise_volume, volume_table
from hydroml.explanation.event_volume import LONGEST, event_around, share_out_volume
from hydroml.explanation.expectation import expected_volumes, other_years
from hydroml.explanation.window import Question, Window
from hydroml.training.rundir import RunDirectory

CPU = torch.device("cpu")
EVENT = Period(date(2003, 2, 20), date(2003, 3, 1))


class Reservoir(nn.Module):
    """s <- 0.8 (s + rain), flow 0.2 (s + rain): a model whose volume is linear in rain."""

    def forward(self, x_d: Tensor, x_s: Tensor, state: tuple[Tensor, Tensor], *, last=None):
        h, storage = state
        flows = []
        for rain in x_d[:, :, 0].unbind(1):
            total = storage[:, 0] + rain
            flows.append(0.2 * total)
            storage = (0.8 * total)[:, None]
        y = torch.stack(flows, 1)
        return (y if last is None else y[:, -last:]), (h, storage)


class Identity:
    """The standardisation of a model that needs none."""

    target_mean, target_std = 0.0, 1.0


def window_of(rain: Tensor, before: float) -> Window:
    state = (torch.zeros(1, dtype=torch.float64), torch.full((1,), before, dtype=torch.float64))
    x_d = rain[:, None]
    y, _ = Reservoir()(x_d[None], torch.zeros(1, 1), tuple(s[None] for s in state))
    flow = y[0].numpy()
    return Window(
        "by hand", Reservoir(), Identity(), x_d, x_d, torch.zeros(1), state, state, flow, flow
    )


@pytest.mark.parametrize(("steps", "days"), [(40, 3), (40, 36), (33, 1), (5, 5), (64, 40)])
def test_a_linear_catchment_credits_rain_less_what_other_years_have(steps, days):
    rng = np.random.default_rng(steps)
    rain = torch.from_numpy(rng.gamma(0.4, 9.0, steps))
    futures = torch.from_numpy(rng.gamma(0.4, 9.0, (6, steps, 1)))
    volumes = expected_volumes(window_of(rain, before=12.0), futures, days)
    credit = volumes.mean(0).diff()
    # a mm of rain on day t leaves 0.2 * 0.8^(d - t) on each day d of the event
    start = steps - days
    for t in range(steps):
        weight = sum(0.2 * 0.8 ** (d - t) for d in range(max(t, start), steps))
        expected = weight * (rain[t] - futures[:, t, 0].mean())
        assert float(credit[t]) == pytest.approx(float(expected), abs=1e-10)
    simulated = torch.from_numpy(window_of(rain, 12.0).simulated[start:]).sum()
    torch.testing.assert_close(volumes[:, -1], simulated.expand(6))


def test_what_is_known_before_the_window_is_its_state():
    nothing = torch.zeros(10, dtype=torch.float64)
    volumes = expected_volumes(
        window_of(nothing, before=100.0), nothing.expand(2, -1)[..., None], 4
    )
    # 100 mm, after six dry days 100 * 0.8^6, of which four days take 1 - 0.8^4
    expected = 100 * 0.8**6 * (1 - 0.8**4)
    torch.testing.assert_close(volumes, torch.full_like(volumes, expected))


@given(
    st.lists(st.floats(0.01, 50), min_size=3, max_size=200),
    st.integers(0, 199),
)
def test_an_event_is_the_days_in_a_row_around_its_peak(flow, at):
    q = np.array(flow)
    peak = at % len(q)
    found = event_around(q, peak)
    assert found.start <= peak < found.stop
    assert (q[found] >= 0.25 * q[peak]).all()
    assert peak - found.start <= LONGEST
    assert found.stop - 1 - peak <= LONGEST
    if found.start > 0 and peak - found.start < LONGEST:
        assert q[found.start - 1] < 0.25 * q[peak]
    if found.stop < len(q) and found.stop - 1 - peak < LONGEST:
        assert q[found.stop] < 0.25 * q[peak]


def test_a_missing_day_ends_an_event():
    q = np.array([5.0, 5.0, np.nan, 5.0, 5.0, 1.0])
    assert event_around(q, 3) == slice(3, 5)


@pytest.fixture(scope="module")
def dataset(tiny_store):
    return open_store(tiny_store)


@pytest.fixture(scope="module")
def run(tiny_run):
    return RunDirectory.open(tiny_run)


@pytest.fixture(scope="module")
def found(run, dataset):
    return share_out_volume([run], dataset, EVENT, Question("02000000", EVENT.end, 70), CPU)


def test_days_and_what_was_expected_before_make_the_simulated_volume(run, dataset, found):
    request = Simulation(["02000000"], (np.datetime64(EVENT.start), np.datetime64(EVENT.end)))
    simulated = float(simulate_runs([run], dataset, request, CPU)["qsim"].sum())
    total = float(found["before"].sum() + found["credit"].sum())
    assert total == pytest.approx(simulated, rel=1e-5)
    assert float(found["volume"].sum()) == pytest.approx(total, abs=1e-9)
    told = summarise_volume(found)
    parts = told["expected_before"] + told["credit_earlier"] + told["credit_during"]
    assert parts == pytest.approx(told["volume"], abs=1e-9)
    assert told["event_length"] == 10
    observed = dataset["qobs"].sel(basin="02000000", time=EVENT.slice).sum()
    assert told["volume_observed"] == pytest.approx(float(observed), rel=1e-5)


def test_the_expectation_ends_at_the_volume_without_any_doubt(found):
    assert float(found["expected"][0, -1]) == pytest.approx(float(found["volume"][0]))
    assert float(found["expected_sd"][0, -1]) == pytest.approx(0, abs=1e-9)
    assert float(found["expected_sd"][0, 0]) > 0
    np.testing.assert_allclose(
        found["expected"].values[0] - float(found["before"][0]),
        found["credit"].values[0].cumsum(),
        atol=1e-9,
    )
    assert list(volume_table(found).index[[0, -1]]) == ["2002-12-22", "2003-03-01"]


def test_other_years_are_the_same_days_and_not_the_window(run, dataset):
    time = np.arange("2000-02-01", "2000-03-02", dtype="datetime64[D]")
    normal = slice(np.datetime64("1999-10-01"), np.datetime64("2003-09-30"))
    years = other_years(dataset, "01000000", run.scaler(), normal, time)
    own = dataset["prcp"].sel(basin="01000000").to_series()
    assert years.shape == (3, 30, 3)  # 2001, 2002, 2003; not 2000 itself
    for k, year in enumerate((2001, 2002, 2003)):
        np.testing.assert_allclose(
            years[k, :28, 0], own[f"{year}-02-01" : f"{year}-02-28"], rtol=1e-6
        )
        assert years[k, 28, 0] == years[k, 27, 0]  # 29 February
        assert years[k, 29, 0] == pytest.approx(own[f"{year}-03-01"])


def test_too_few_other_years_and_too_long_an_event_are_refused(run, dataset):
    with pytest.raises(StoreError, match="in 1 other years"):
        share_out_volume([run], dataset, EVENT, Question("02000000", EVENT.end, 300), CPU)
    with pytest.raises(ConfigError, match="10 days, the window before its end 9"):
        share_out_volume([run], dataset, EVENT, Question("02000000", EVENT.end, 9), CPU)
