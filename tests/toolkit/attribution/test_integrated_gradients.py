"""Integrated gradients: closed forms, axioms, completeness, bad input."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hydroml.toolkit.attribution.integrated_gradients import CARD, integrated_gradients
from hydroml.toolkit.attribution.quadrature import RULES, nodes_and_weights

METHODS = list(RULES)


@pytest.fixture(autouse=True)
def double_precision():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def test_a_linear_function_is_shared_out_by_its_weights():
    w = torch.tensor([2.0, -1.0, 0.5])
    x, base = torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 5.0]]), torch.tensor([0.5, 0.0, 1.0])
    found = integrated_gradients(lambda x: x @ w + 7, x, base, steps=1)
    torch.testing.assert_close(found.attributions, (x - base) * w)
    assert found.gap.abs().max() < 1e-14


def test_a_quadratic_function_has_its_closed_form():
    # f = x'Ax: the mean gradient between b and x is A(x + b), for symmetric A
    torch.manual_seed(0)
    a = torch.randn(4, 4)
    a = a + a.T
    x, base = torch.randn(3, 4), torch.randn(3, 4)
    found = integrated_gradients(lambda x: ((x @ a) * x).sum(1), x, base, steps=1)
    torch.testing.assert_close(found.attributions, (x - base) * ((x + base) @ a))
    assert found.gap.abs().max() < 1e-13


def test_gauss_legendre_is_exact_up_to_its_degree_and_no_further():
    x = torch.tensor([[2.0]])
    exact = integrated_gradients(lambda x: x[:, 0] ** 6, x, steps=3)  # gradient of degree 5
    short = integrated_gradients(lambda x: x[:, 0] ** 8, x, steps=3)
    assert exact.gap.abs().item() < 1e-12
    assert short.gap.abs().item() > 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_every_rule_integrates(method):
    nodes, weights = nodes_and_weights(method, 400)
    assert weights.sum().item() == pytest.approx(1)
    assert (weights * torch.exp(nodes)).sum().item() == pytest.approx(np.e - 1, rel=3e-3)
    x = torch.tensor([[0.7, -0.3]])
    found = integrated_gradients(lambda x: torch.exp(x).prod(1), x, steps=400, method=method)
    assert found.gap.abs().item() < 3e-3


def test_sensitivity_where_the_gradient_has_vanished():
    # 1 - relu(1 - x) is 1 from x = 1 on; Sundararajan et al. (2017), section 2.1
    x = torch.tensor([[2.0]], requires_grad=True)

    def f(x):
        return 1 - torch.relu(1 - x[:, 0])

    assert torch.autograd.grad(f(x).sum(), x)[0].item() == 0
    found = integrated_gradients(f, x.detach(), steps=1000, method="riemann_middle")
    assert found.attributions.item() == pytest.approx(1)


def test_an_input_that_is_not_read_gets_nothing():
    found = integrated_gradients(lambda x, z: x[:, 0] ** 2, [torch.ones(2, 3), torch.ones(2, 4)])
    assert isinstance(found.attributions, tuple)
    assert (found.attributions[1] == 0).all()
    assert (found.attributions[0][:, 1:] == 0).all()


def test_two_implementations_of_one_function_agree():
    # (x + 1)^2 - 1 and x^2 + 2x
    x = torch.randn(5, 3)
    one = integrated_gradients(lambda x: ((x + 1) ** 2 - 1).sum(1), x)
    two = integrated_gradients(lambda x: (x**2 + 2 * x).sum(1), x)
    torch.testing.assert_close(one.attributions, two.attributions)


@given(a=st.floats(-3, 3), b=st.floats(-3, 3))
def test_attributions_are_linear_in_the_function(a, b):
    x = torch.tensor([[0.3, -1.2]])

    def f(x):
        return torch.tanh(x).sum(1)

    def g(x):
        return x.prod(1)

    both = integrated_gradients(lambda x: a * f(x) + b * g(x), x).attributions
    alone = [integrated_gradients(h, x).attributions for h in (f, g)]
    torch.testing.assert_close(both, a * alone[0] + b * alone[1], atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("at_once", [1, 3, 7, 1000])
def test_chunks_change_nothing(at_once):
    torch.manual_seed(0)
    lstm, x, h = nn.LSTM(2, 4, batch_first=True), torch.randn(3, 6, 2), torch.randn(3, 4)

    def f(x, h):
        return lstm(x, (h[None], torch.zeros_like(h)[None]))[0][:, -1].sum(-1)

    whole = integrated_gradients(f, x, fixed=[h], steps=10, at_once=10_000)
    parts = integrated_gradients(f, x, fixed=[h], steps=10, at_once=at_once)
    torch.testing.assert_close(parts.attributions, whole.attributions, atol=1e-14, rtol=1e-12)


def test_a_target_for_each_sample_picks_its_output():
    x = torch.randn(3, 2)

    def f(x):
        return torch.stack([x[:, 0], 3 * x[:, 1], x.sum(1)], dim=1)

    target = torch.tensor([1, 0, 2])
    found = integrated_gradients(f, x, target=target, at_once=4)
    for sample, which in enumerate(target.tolist()):
        one = integrated_gradients(f, x[[sample]], target=which)
        torch.testing.assert_close(found.attributions[[sample]], one.attributions)


@pytest.mark.parametrize("kind", ["lstm", "ealstm"])
def test_hydroml_models_are_complete_and_their_parameters_untouched(kind):
    from hydroml.models import build_model

    torch.manual_seed(1)
    model = build_model(kind, 3, 2, hidden=6).eval()
    x, s = torch.randn(2, 30, 3), torch.randn(2, 2)
    found = integrated_gradients(lambda x, s: model(x, s, last=1)[0], [x, s], steps=512)
    assert (found.gap / (found.output - found.baseline_output)).abs().max() < 1e-6
    module = integrated_gradients(_Last(model), [x, s], steps=512)
    torch.testing.assert_close(module.attributions[0], found.attributions[0])
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


class _Last(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x, s):
        return self.model(x, s, last=1)[0][:, 0]


def test_captum_finds_the_same():
    captum = pytest.importorskip("captum.attr")
    torch.manual_seed(2)
    net = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
    x, base = torch.randn(4, 5), torch.randn(4, 5)
    oracle = captum.IntegratedGradients(net)
    for method in ("gausslegendre", "riemann_left", "riemann_right", "riemann_middle"):
        expected = oracle.attribute(x, base, target=1, n_steps=20, method=method)
        found = integrated_gradients(net, x, base, target=1, steps=20, method=method)
        # captum keeps the points in single precision; its trapezoid's weights do not sum to 1
        torch.testing.assert_close(found.attributions, expected, atol=1e-7, rtol=1e-7)


@pytest.mark.parametrize(
    ("words", "error", "told"),
    [
        ({"inputs": torch.ones(2, 3, dtype=torch.int64)}, TypeError, "floating-point"),
        ({"inputs": []}, ValueError, "no input"),
        ({"inputs": torch.ones(0, 3)}, ValueError, "batch axis"),
        ({"inputs": torch.tensor([[1.0, float("nan")]])}, ValueError, "NaN"),
        ({"baselines": torch.ones(2, 5)}, ValueError, "broadcast"),
        ({"baselines": float("inf")}, ValueError, "baseline"),
        ({"baselines": [0.0, 0.0]}, ValueError, "one for each"),
        ({"method": "simpson"}, ValueError, "choose one of"),
        ({"steps": 0}, ValueError, "at least 1"),
        ({"steps": 1, "method": "riemann_trapezoid"}, ValueError, "at least 2"),
        ({"at_once": 0}, ValueError, "at_once"),
        ({"f": lambda x: x}, ValueError, "target="),
        ({"f": lambda x: x, "target": 3}, ValueError, "outside"),
        ({"f": lambda x: x, "target": torch.tensor([0])}, ValueError, "one index a sample"),
        ({"f": lambda x: x.detach().sum(1)}, ValueError, "no gradient"),
        ({"f": lambda x: torch.log(x).sum(1)}, ValueError, "baselines"),
        ({"fixed": [torch.ones(5)]}, ValueError, "batch axis"),
    ],
)
def test_bad_input_is_told(words, error, told):
    known = {"f": lambda x: x.sum(1), "inputs": torch.ones(2, 3)} | words
    with pytest.raises(error, match=told):
        integrated_gradients(known.pop("f"), known.pop("inputs"), **known)


def test_an_input_like_its_baseline_has_nothing_to_share():
    x = torch.randn(1, 3)
    found = integrated_gradients(lambda x: torch.exp(x).sum(1), x, x)
    assert (found.attributions == 0).all()
    assert found.gap.item() == 0


def test_the_card_is_complete():
    assert CARD.name == "integrated_gradients"
    assert "1703.01365" in CARD.paper


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claims_hold(seed):
    from hydroml.toolkit.demos.integrated_gradients import run

    assert run(seed).holds
