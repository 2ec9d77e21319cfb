"""Self-normalising nets: the fixed point, the map around it, dropout and initial weights."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import erfc
from torch import nn

from hydroml.toolkit.demos.selu import run
from hydroml.toolkit.recurrent.selu import (
    ALPHA,
    LAMBDA,
    SNN,
    AlphaDropout,
    alpha_dropout,
    layer_map,
    lecun_normal_,
    moment_map,
    selu_parameters,
)


def selu(x, alpha=ALPHA, lam=LAMBDA):
    return lam * (x if x > 0 else alpha * math.expm1(x))


def test_the_solver_gives_the_closed_form():
    e = math.sqrt(math.e) * erfc(math.sqrt(0.5))
    alpha = -math.sqrt(2 / math.pi) / (e - 1)
    lam = (1 - e) * math.sqrt(
        2 * math.pi
        / (2 * erfc(math.sqrt(2)) * math.e**2 + math.pi * e**2 - 2 * (2 + math.pi) * e
           + math.pi + 2)
    )  # fmt: skip
    found = selu_parameters()
    assert found[0] == pytest.approx(alpha, abs=1e-12)
    assert found[1] == pytest.approx(lam, abs=1e-12)
    assert pytest.approx((alpha, lam), abs=1e-15) == (ALPHA, LAMBDA)


def test_the_constants_are_torchs():
    x = torch.linspace(-5, 5, 101, dtype=torch.float64)
    wanted = [selu(v) for v in x.tolist()]
    np.testing.assert_allclose(nn.SELU()(x).numpy(), wanted, rtol=1e-14, atol=1e-15)


@given(mean=st.floats(-0.5, 0.5), var=st.floats(0.1, 5))
def test_any_other_fixed_point_that_exists_is_kept(mean, var):
    try:
        alpha, lam = selu_parameters(mean, var)
    except ValueError as error:  # far from 0 there may be none
        assert abs(mean) > 0.05
        assert "no SELU keeps" in str(error)  # noqa: PT017
        return
    first, second = moment_map(mean, var, alpha, lam)
    assert alpha > 0
    assert lam > 0
    assert float(first) == pytest.approx(mean, abs=1e-11)
    assert float(second - first**2) == pytest.approx(var, rel=1e-11)


@pytest.mark.parametrize("point", [(0, 0), (0, -1), (math.nan, 1), (0, math.inf), (9.0, 0.1)])
def test_a_fixed_point_that_cannot_be(point):
    with pytest.raises(ValueError, match=r"fixed point|no SELU"):
        selu_parameters(*point)


@pytest.mark.parametrize("mu", [-3.0, -0.1, 0.0, 0.4, 2.0])
@pytest.mark.parametrize("nu", [0.01, 0.8, 1.5, 16.0])
@pytest.mark.parametrize("parameters", [(ALPHA, LAMBDA), (1.0, 1.0), (0.3, 2.0)])
def test_moments_by_quadrature(mu, nu, parameters):
    std = math.sqrt(nu)

    def mean_of(power):
        def density(z):
            bell = math.exp(-((z - mu) ** 2) / (2 * nu)) / (std * math.sqrt(2 * math.pi))
            return bell * selu(z, *parameters) ** power

        ends = [mu - 12 * std, min(max(0.0, mu - 11 * std), mu + 11 * std), mu + 12 * std]
        return sum(
            quad(density, a, b, epsabs=1e-13, epsrel=1e-12, limit=200, points=[p])[0]
            for a, b, p in ((ends[0], ends[1], mu), (ends[1], ends[2], mu))
        )

    first, second = moment_map(mu, nu, *parameters)
    assert float(first) == pytest.approx(mean_of(1), abs=1e-10)
    assert float(second) == pytest.approx(mean_of(2), abs=1e-10)


@given(mu=st.floats(-50, 50), nu=st.floats(0, 1e4))
def test_moments_are_finite_and_those_of_something(mu, nu):
    first, second = moment_map(mu, nu)
    assert np.isfinite([first, second]).all()
    assert second >= first**2 * (1 - 1e-9) - 1e-9
    assert first >= -ALPHA * LAMBDA


def test_without_variance_the_moments_are_those_of_a_constant():
    first, second = moment_map([-2.0, 0.0, 3.0], 0.0)
    np.testing.assert_allclose(first, [selu(-2.0), 0, 3 * LAMBDA])
    np.testing.assert_allclose(second, first**2)


@pytest.mark.parametrize("bad", [(0.0, -1.0), (math.nan, 1.0), (0.0, math.inf)])
def test_moments_of_nothing(bad):
    with pytest.raises(ValueError, match="finite"):
        moment_map(*bad)


DOMAIN = {
    "mean": st.floats(-0.1, 0.1),
    "variance": st.floats(0.8, 1.5),
    "omega": st.floats(-0.1, 0.1),
    "tau": st.floats(0.95, 1.1),
}
"""Of theorem 1 (Klambauer et al. 2017)."""


@given(**DOMAIN)
def test_the_map_goes_from_its_domain_into_it(mean, variance, omega, tau):
    new_mean, new_variance = layer_map(mean, variance, omega, tau)
    assert -0.1 <= new_mean <= 0.1
    assert 0.8 <= new_variance <= 1.5


def jacobian_norm(mean, variance, omega, tau, step=1e-5):
    ends = np.array([[mean, variance]] * 4) + step * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    moved = np.stack(layer_map(ends[:, 0], ends[:, 1], omega, tau))
    return np.linalg.norm((moved[:, ::2] - moved[:, 1::2]) / (2 * step), 2)


@given(**DOMAIN)
def test_the_map_contracts_in_its_domain(mean, variance, omega, tau):
    assert jacobian_norm(mean, variance, omega, tau) < 1


def test_the_jacobian_at_the_fixed_point():
    # with omega 0 the new moments do not know the old mean: only a column is left, and its norm
    # is at least its second entry, the change of the variance with the variance
    norm = jacobian_norm(0.0, 1.0, 0.0, 1.0)
    up, down = layer_map(0.0, 1 + 1e-5), layer_map(0.0, 1 - 1e-5)
    column = (np.array(up) - np.array(down)) / 2e-5
    assert norm == pytest.approx(np.hypot(*column), rel=1e-8)
    assert 0.7 < column[1] < norm < 0.85


def test_dropout_keeps_both_moments():
    x = torch.randn(2_000_000, generator=torch.Generator().manual_seed(0))
    for p in (0.05, 0.5):
        y = alpha_dropout(x, p, torch.Generator().manual_seed(1))
        assert y.mean().item() == pytest.approx(0, abs=0.005)
        assert y.var().item() == pytest.approx(1, abs=0.01)


def test_dropout_takes_torchs_values():
    x, p = torch.linspace(-2, 2, 50, dtype=torch.float64), 0.3
    torch.manual_seed(0)
    theirs = torch.stack([nn.functional.alpha_dropout(x, p, training=True) for _ in range(200)])
    ours = torch.stack([alpha_dropout(x, p) for _ in range(200)])
    for column in range(50):  # a dropped unit has one value, a kept one another
        found, wanted = ours[:, column].unique(), theirs[:, column].unique()
        assert len(found) == 2
        torch.testing.assert_close(found, wanted, rtol=1e-7, atol=1e-7)
    y = alpha_dropout(torch.zeros(100_000), p, torch.Generator().manual_seed(0))
    assert (y == y.min()).double().mean().item() == pytest.approx(p, abs=0.01)


def test_dropout_is_for_training_only_and_repeats():
    x = torch.randn(4, 5)
    layer = AlphaDropout(0.5, torch.Generator().manual_seed(3))
    first = layer(x)
    layer.generator.manual_seed(3)
    assert torch.equal(layer(x), first)
    assert torch.equal(layer.eval()(x), x)
    assert torch.equal(AlphaDropout(0.0)(x), x)


@pytest.mark.parametrize("p", [-0.1, 1.0, math.nan])
def test_dropout_of_everything_is_refused(p):
    with pytest.raises(ValueError, match="dropout rate"):
        AlphaDropout(p)
    with pytest.raises(ValueError, match="dropout rate"):
        alpha_dropout(torch.zeros(1), p)


def test_initial_weights_have_variance_one_over_fan_in():
    weight = lecun_normal_(torch.empty(300, 20, 5), torch.Generator().manual_seed(0))
    assert weight.var().item() * 100 == pytest.approx(1, abs=4 * (2 / weight.numel()) ** 0.5)
    assert weight.mean().item() == pytest.approx(0, abs=4 * 0.1 / weight.numel() ** 0.5)
    for shape in [(), (3,), (3, 0)]:
        with pytest.raises(ValueError, match="fan-in"):
            lecun_normal_(torch.empty(shape))


def test_a_net_keeps_its_moments_and_repeats():
    seeded = [torch.Generator().manual_seed(5) for _ in range(2)]
    first, second = (SNN(64, [256] * 32, 3, generator=g) for g in seeded)
    x = torch.randn(512, 64)
    assert torch.equal(first(x), second(x))  # dropout draws from the generator, too
    y = first.eval().layers[:-1](x)
    assert y.mean().item() == pytest.approx(0, abs=0.2)
    assert y.var().item() == pytest.approx(1, abs=0.4)
    kinds = [type(layer).__name__ for layer in SNN(4, [8, 8], 2).layers]
    assert kinds == ["Linear", "SELU", "AlphaDropout", "Linear", "SELU", "AlphaDropout", "Linear"]


def test_gradients_of_a_net():
    net = SNN(3, [4, 4], 2, dtype=torch.float64).eval()
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(net, (x,))
    assert net(x[0]).shape == (2,)
    assert net(x[:0]).shape == (0, 2)


@pytest.mark.parametrize("sizes", [(0, [4], 1), (3, [], 1), (3, [4, 0], 1), (3, [4], 0)])
def test_a_net_without_size(sizes):
    with pytest.raises(ValueError, match="each size 1 or more"):
        SNN(*sizes)


def test_inputs_that_do_not_fit():
    for x in (torch.zeros(5, 4), torch.zeros(())):
        with pytest.raises(ValueError, match=r"must be \(\.\.\., 3\)"):
            SNN(3, [4], 1)(x)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_selu_keeps_its_moments_and_trains_deep(seed):
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
