"""Adaptation of read-outs: states, closed forms, a known truth, first years, files."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hydroml.data.store import open_store
from hydroml.errors import RunError, StoreError
from hydroml.models import EALSTM, LSTM
from hydroml.regionalisation.adaptation import (
    adapt,
    discharge,
    enough_flow,
    first_years,
    observe,
)
from hydroml.regionalisation.depths import DEPTHS, states_at_depths, trailing_mean
from hydroml.regionalisation.readout_files import join_readouts, load_readouts, save_readouts
from hydroml.regionalisation.readouts import METHODS, fit_readouts
from hydroml.regionalisation.second_moments import moments_of_stretches
from hydroml.training.rundir import RunDirectory

LEARN = (np.datetime64("1999-10-01"), np.datetime64("2001-09-30"))
TEST = (np.datetime64("2001-10-01"), np.datetime64("2003-09-30"))


@pytest.fixture(scope="module")
def opened(tiny_run, tiny_store):
    run = RunDirectory.open(tiny_run)
    return run, run.load_models(torch.device("cpu")), open_store(tiny_store)


def seen(opened, period, basins=("01000000", "02000000", "03000000")):
    run, models, dataset = opened
    (found,) = observe(run, models, dataset, basins, period, tuple(DEPTHS))
    return found


# --- states --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [LSTM, EALSTM])
def test_states_are_those_of_the_models(kind):
    torch.manual_seed(0)
    models = [kind(dynamic=3, static=2, hidden=5).double().eval() for _ in range(2)]
    x_d, x_s = torch.randn(4, 300, 3).double(), torch.randn(4, 2).double()
    states = states_at_depths(models, x_d, x_s, list(DEPTHS))
    for k, model in enumerate(models):
        y, (h, c) = model(x_d, x_s)
        torch.testing.assert_close(model.head(states["hidden"][k]), y)
        torch.testing.assert_close(states["hidden"][k][:, -1], h)
        torch.testing.assert_close(states["cell"][k][:, -1], torch.tanh(c))
        torch.testing.assert_close(states["input"][k], x_d)
    first = states["cell"][:, :, 0].atanh()  # from a cell of zero, what is written is all there is
    torch.testing.assert_close(states["written"][:, :, 0], first)


def test_a_model_without_attributes_has_states():
    model = LSTM(dynamic=2, static=0, hidden=3).eval()
    x_d = torch.randn(2, 9, 2)
    hidden = states_at_depths([model], x_d, torch.zeros(2, 0), ["hidden"])["hidden"]
    torch.testing.assert_close(model.head(hidden[0]), model(x_d)[0])
    with pytest.raises(ValueError, match="not of Linear"):
        states_at_depths([torch.nn.Linear(2, 2)], x_d, torch.zeros(2, 0), ["hidden"])


def test_trailing_mean_is_that_of_the_last_days():
    x = torch.randn(2, 40, 3).double()
    found = trailing_mean(x, 7)
    for t in (0, 3, 6, 7, 39):
        torch.testing.assert_close(found[:, t], x[:, max(0, t - 6) : t + 1].mean(1))


# --- fits ----------------------------------------------------------------------------------------


def problem(days=120):
    generator = torch.Generator().manual_seed(0)
    states = {n: torch.randn(2, 3, days, 4, generator=generator).double() for n in DEPTHS}
    y = torch.randn(3, days, generator=generator).double()
    y[1, 10:30] = torch.nan
    return states, y, torch.randn(2, 3, days, generator=generator).double()


def plain_features(states, depths, keep, k, b):
    """Centred, total variance one, by numpy."""
    parts = []
    for name in depths:
        x = states[name][k, b].numpy()
        x = x - x[keep].mean(0)
        parts.append(x / np.sqrt(x[keep].var(0).sum()))
    return np.column_stack([*parts, np.ones(len(keep))])


@pytest.mark.parametrize("name", ["shrunk", "shrunk_last_layer", "last_layer"])
def test_ridge_is_the_textbooks(name):
    states, y, regional = problem()
    method = METHODS[name]
    fitted = fit_readouts(states, y, regional, method, 4)
    for k, b in ((0, 0), (1, 1)):
        keep = np.isfinite(y[b].numpy())
        v = plain_features(states, method.depths, keep, k, b)
        base = regional[k, b].numpy() if method.regional else 0 * regional[k, b].numpy()
        rest = (y[b].numpy() - base)[keep]
        for n, penalty in enumerate(method.strengths):
            gram = v[keep].T @ v[keep] + penalty * np.eye(v.shape[1])
            expected = v @ np.linalg.solve(gram, v[keep].T @ rest)
            found = fitted.bias[n, k, b] + sum(
                states[d][k, b] @ fitted.weight[d][n, k, b] for d in method.depths
            )
            np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)


def test_chef_is_the_mean_of_read_outs_descended_one_by_one():
    states, y, regional = problem()
    method = METHODS["chef"]
    fitted = fit_readouts(states, y, regional, method, 4)
    k, b, n = 1, 1, 1  # of the second strength: 30 steps
    keep = np.isfinite(y[b].numpy())
    told = []
    for depth in method.depths:
        v = plain_features(states, [depth], keep, k, b)
        w = np.zeros(v.shape[1])
        rates = np.array([0.2] * 4 + [0.1])
        for _ in range(int(method.strengths[n])):
            w -= rates * (v[keep].T @ (v[keep] @ w - y[b].numpy()[keep])) / keep.sum()
        told.append(v @ w)
    found = fitted.bias[n, k, b] + sum(
        states[d][k, b] @ fitted.weight[d][n, k, b] for d in method.depths
    )
    np.testing.assert_allclose(found.numpy(), np.mean(told, axis=0), atol=1e-10)


def test_left_out_error_is_that_of_refitting_without_the_days():
    states, y, regional = problem()
    method = replace(METHODS["shrunk_last_layer"], strengths=(3.0,))
    fitted = fit_readouts(states, y, regional, method, 4)
    b, error, reference = 1, 0.0, 0.0
    keep = np.isfinite(y[b].numpy())
    for k in (0, 1):
        v = plain_features(states, method.depths, keep, k, b)
        rest = y[b].numpy() - regional[k, b].numpy()
        reference += (rest[keep] ** 2).sum()
        for days in np.array_split(np.arange(120), 4):
            out = np.zeros(120, bool)
            out[days] = True
            some = keep & ~out
            gram = v[some].T @ v[some] + 3.0 * np.eye(5)
            w = np.linalg.solve(gram, v[some].T @ rest[some])
            error += ((rest - v @ w)[keep & out] ** 2).sum()
    assert float(fitted.left_out[0, b]) == pytest.approx(error / reference, rel=1e-9)


def test_moments_add_up_over_stretches():
    v, t = torch.randn(2, 50, 3).double(), torch.randn(2, 50).double()
    counted = torch.rand(2, 50) > 0.3
    parts = moments_of_stretches(v, t, counted, 7).total()
    whole = moments_of_stretches(v, t, counted, 1).total()
    torch.testing.assert_close(parts.gram, whole.gram)
    w = torch.randn(2, 3).double()
    errors = ((t - (v @ w.unsqueeze(-1))[..., 0]) ** 2 * counted).sum(-1)
    torch.testing.assert_close(whole.squared_error(w), errors)


# --- a basin -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["shrunk", "shrunk_last_layer", "last_layer"])
def test_a_known_change_of_the_read_out_is_recovered(opened, method):
    # the truth is another read-out on the states of the one model there is: half the spread more
    _, models, _ = opened
    learn, test = seen(opened, LEARN), seen(opened, TEST)

    def truth(observed):
        hidden = observed.states["hidden"][0]
        other = torch.linspace(-1, 1, hidden.shape[-1])
        return 1.5 * observed.regional[0] + 0.2 + hidden @ other

    learn = replace(learn, y=torch.where(torch.isnan(learn.y), torch.nan, truth(learn)))
    target = truth(test)
    variance = target.var(1)

    def left(y):
        return ((y[0] - target).square().mean(1) / variance).max()

    weak = replace(METHODS[method], strengths=(1e-4,))
    readouts = adapt(learn, models, weak, years=1.0)
    assert left(test.regional) > 0.1
    assert left(readouts.apply(test.states)) < 1e-3
    # with the usual strengths, part of the way, and further with more years
    one, two = (adapt(learn, models, METHODS[method], years=n) for n in (1.0, 1.9))
    errors = [left(test.regional), *(left(r.apply(test.states)) for r in (one, two))]
    assert errors == sorted(errors, reverse=True)
    assert (one.left_out < 1).all()


def test_an_endless_penalty_leaves_the_region_as_it_is(opened):
    _, models, _ = opened
    learn, test = seen(opened, LEARN), seen(opened, TEST)
    strict = replace(METHODS["shrunk"], strengths=(1e12,))
    readouts = adapt(learn, models, strict, years=1.0)
    torch.testing.assert_close(readouts.apply(test.states), test.regional, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(readouts.left_out, torch.ones(3).double(), atol=1e-6, rtol=0)


def test_unadapted_discharge_is_that_of_evaluate(opened):
    from hydroml.evaluation.simulate import Simulation, simulate_runs

    run, _, dataset = opened
    test = seen(opened, TEST)
    expected = simulate_runs([run], dataset, Simulation(test.basins, TEST), torch.device("cpu"))
    np.testing.assert_allclose(discharge(test, run, None), expected["qsim"].values, atol=2e-5)
    np.testing.assert_array_equal(test.q, expected["qobs"].values)


def test_basins_do_not_depend_on_each_other(opened, monkeypatch):
    run, models, dataset = opened
    basins = ("01000000", "02000000", "03000000")
    together = adapt(seen(opened, LEARN), models, METHODS["shrunk"], 1.0)
    monkeypatch.setattr("hydroml.regionalisation.adaptation.FLOATS_AT_ONCE", 1)
    parts = list(observe(run, models, dataset, basins, LEARN, ("written", "hidden")))
    assert [p.basins for p in parts] == [[b] for b in basins]
    alone = join_readouts([adapt(p, models, METHODS["shrunk"], 1.0) for p in parts])
    torch.testing.assert_close(alone.bias, together.bias, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(alone.strength, together.strength)


# --- first years ---------------------------------------------------------------------------------


def test_first_years_begin_with_the_first_day_of_flow(opened):
    observed = seen(opened, LEARN)
    y = observed.y.clone()
    y[1, :200] = torch.nan
    kept = first_years(replace(observed, y=y), 1.0)
    assert kept.y.shape == (3, 365)
    torch.testing.assert_close(kept.y[0], y[0, :365], equal_nan=True)
    torch.testing.assert_close(kept.y[1], y[1, 200:565], equal_nan=True)
    torch.testing.assert_close(kept.states["cell"][:, 1], observed.states["cell"][:, 1, 200:565])


def test_too_little_flow_is_refused(opened):
    observed = seen(opened, LEARN)
    with pytest.raises(StoreError, match="3 of 3 basins have too little flow for 5 years"):
        first_years(observed, 5.0)
    y = observed.y.clone()
    y[1, 280:] = torch.nan
    with pytest.raises(StoreError, match="basin 02000000 has 280 days"):
        first_years(replace(observed, y=y), 1.0)
    y[1] = torch.nan
    with pytest.raises(StoreError, match="basin 02000000 has 0 days"):
        first_years(replace(observed, y=y), 1.0)


def test_four_days_in_five_have_to_count():
    counted = np.ones((3, 800), bool)
    counted[0, 100:173] = False  # 292 of 365 left
    counted[1, 100:174] = False  # 291
    counted[2, :436] = False  # begins too late to end in time
    assert enough_flow(counted, 1.0).tolist() == [True, False, False]


# --- files ---------------------------------------------------------------------------------------


def test_read_outs_come_back_from_their_file(opened, tmp_path):
    _, models, _ = opened
    test = seen(opened, TEST)
    readouts = adapt(seen(opened, LEARN), models, METHODS["shrunk"], 1.0)
    save_readouts(readouts, tmp_path / "one.safetensors", {"run": "tiny"})
    again, facts = load_readouts(tmp_path / "one.safetensors")
    assert facts == {"run": "tiny"}
    assert again.basins == readouts.basins
    assert torch.equal(again.apply(test.states), readouts.apply(test.states))
    one = again.of(["03000000"])
    assert torch.equal(one.bias, readouts.bias[:, 2:])
    with pytest.raises(RunError, match=r"read-out of basin '0300000'\.\nWhat to do: Did you mean"):
        again.of(["0300000"])


def test_other_files_are_refused(tmp_path):
    with pytest.raises(RunError, match="cannot be read as adapted read-outs"):
        load_readouts(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("no tensors here")
    with pytest.raises(RunError, match="Give a file that 'hydroml adapt' made"):
        load_readouts(tmp_path / "text.safetensors")
