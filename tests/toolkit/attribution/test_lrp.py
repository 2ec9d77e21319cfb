"""Relevance propagation: a hand computation, a plain reference, conservation, bad input."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hydroml.toolkit.attribution.cell import CellWeights, trace
from hydroml.toolkit.attribution.lrp import LSTMLRP, lrp_linear
from hydroml.toolkit.attribution.lrp_rules import SPLITS

RULES = list(SPLITS)


@pytest.fixture(autouse=True)
def double_precision():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def cell(inputs=3, hidden=4, static_gate=False, batch=2, seed=0):
    torch.manual_seed(seed)
    k = 3 if static_gate else 4
    gate = torch.rand(batch, hidden) if static_gate else None
    sizes = [(k * hidden, inputs), (k * hidden, hidden), (k * hidden,)]
    return CellWeights(*(torch.randn(size) for size in sizes), gate)


def plain_linear(hin, w, b, hout, rout, units, eps, delta):
    """One quotient at a time; w is (inputs, outputs)."""
    found = [0.0] * len(hin)
    for i in range(len(hin)):
        for j in range(len(hout)):
            sign = 1.0 if hout[j] >= 0 else -1.0
            upper = hin[i] * w[i][j] + delta * (b[j] + eps * sign) / units
            found[i] += upper / (hout[j] + eps * sign) * rout[j]
    return torch.stack([torch.as_tensor(v) for v in found])


def plain_split(rule, gate, signal, r, eps, delta):
    if rule == "all":
        return torch.zeros_like(r), r
    if rule == "half":
        return r / 2, r / 2
    if rule == "abs":
        gate, signal = gate.abs(), signal.abs()
    pairs = [
        plain_linear([g, s], [[1.0], [1.0]], [0.0], [g + s], [v], 2, eps, delta)
        for g, s, v in zip(gate, signal, r, strict=True)
    ]
    return torch.stack([p[0] for p in pairs]), torch.stack([p[1] for p in pairs])


def plain_lrp(weights, head, x, h, c, rule, eps, delta):
    """The formulas of section 15 for one sample, step by step; returns R_x, R_h0, R_c0, R_gate."""
    n, (steps, inputs) = weights.hidden, x.shape
    static = weights.static_gate
    names = ["f", "g", "o"] if static is not None else ["i", "f", "g", "o"]
    rows = {name: slice(k * n, (k + 1) * n) for k, name in enumerate(names)}
    zs, acts, hs, cs = [], [], [h], [c]
    for t in range(steps):
        z = weights.w_ih @ x[t] + weights.w_hh @ hs[-1] + weights.bias
        act = {m: torch.tanh(z[r]) if m == "g" else torch.sigmoid(z[r]) for m, r in rows.items()}
        if static is not None:
            act["i"] = static
        zs.append(z)
        acts.append(act)
        cs.append(act["f"] * cs[-1] + act["i"] * act["g"])
        hs.append(act["o"] * torch.tanh(cs[-1]))
    w, b = head.weight.detach()[0], head.bias.detach()
    score = w @ hs[-1] + b[0]
    r_h = plain_linear(hs[-1], w[:, None], b, [score], [score], n, eps, delta)
    r_c, r_gate, eye = torch.zeros(n), torch.zeros(n), torch.eye(n)
    r_x = torch.zeros(steps, inputs)
    zero = torch.zeros(n)
    for t in range(steps - 1, -1, -1):
        a = acts[t]
        r = {}
        r["o"], signal = plain_split(rule, a["o"], torch.tanh(cs[t + 1]), r_h, eps, delta)
        r_c = r_c + signal
        old = plain_linear(a["f"] * cs[t], eye, zero, cs[t + 1], r_c, 2 * n, eps, delta)
        new = plain_linear(a["i"] * a["g"], eye, zero, cs[t + 1], r_c, 2 * n, eps, delta)
        r["f"], r_c = plain_split(rule, a["f"], cs[t], old, eps, delta)
        r["i"], r["g"] = plain_split(rule, a["i"], a["g"], new, eps, delta)
        if static is not None:
            r_gate = r_gate + r["i"]
        r_h = torch.zeros(n)
        for name in ("g",) if rule == "all" else names:
            part, units = rows[name], inputs + n
            shared = (weights.bias[part], zs[t][part], r[name], units, eps, delta)
            r_x[t] += plain_linear(x[t], weights.w_ih[part].T, *shared)
            r_h = r_h + plain_linear(hs[t], weights.w_hh[part].T, *shared)
    return r_x, r_h, r_c, r_gate


@pytest.mark.parametrize("static_gate", [False, True])
@pytest.mark.parametrize("delta", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("rule", RULES)
def test_equals_a_plain_loop(rule, delta, static_gate):
    weights, head = cell(static_gate=static_gate, batch=2), nn.Linear(4, 1)
    x, state = torch.randn(2, 5, 3), (torch.randn(2, 4), torch.randn(2, 4))
    found = LSTMLRP(weights, head, rule, eps=0.01, bias_factor=delta).explain(x, state=state)
    for b in range(2):
        gate = weights.static_gate[b] if static_gate else None
        one = CellWeights(weights.w_ih, weights.w_hh, weights.bias, gate)
        expected = plain_lrp(one, head, x[b], state[0][b], state[1][b], rule, 0.01, delta)
        for value, truth in zip(found[:4], expected, strict=True):
            torch.testing.assert_close(value[b], truth, rtol=1e-8, atol=1e-9)


def test_one_step_by_hand():
    # one unit, one input, no bias, states zero: all gates of x = 1 with weights 0 are 1/2
    zeros = torch.zeros(4, 1)
    w_ih = torch.tensor([[0.0], [0.0], [2.0], [0.0]])  # g alone reads the input
    head = nn.Linear(1, 1)
    with torch.no_grad():
        head.weight.fill_(3.0)
        head.bias.fill_(0.5)
    eps = 1e-3
    found = LSTMLRP(CellWeights(w_ih, zeros, zeros[:, 0]), head, eps=eps).explain(
        torch.ones(1, 1, 1)
    )
    c = 0.5 * torch.tanh(torch.tensor(2.0))
    h = 0.5 * torch.tanh(c)
    score = 3 * h + 0.5
    r_h = 3 * h / (score + eps) * score
    r_g = c / (c + eps) * r_h  # i g = c
    r_x = 2.0 / (2.0 + eps) * r_g  # z_g = 2 x
    torch.testing.assert_close(found.score[0], score)
    torch.testing.assert_close(found.x[0, 0, 0], r_x)
    torch.testing.assert_close(found.kept[0], score - r_x)
    assert found.h_0.item() == 0
    assert found.c_0.item() == 0


@settings(max_examples=40)
@given(
    inputs=st.integers(1, 6), hidden=st.integers(1, 9), steps=st.integers(1, 25),
    batch=st.integers(1, 4), static_gate=st.booleans(), seed=st.integers(0, 10**6),
)  # fmt: skip
def test_relevance_is_conserved_with_biases_distributed(
    inputs, hidden, steps, batch, static_gate, seed
):
    weights, head = cell(inputs, hidden, static_gate, batch, seed), nn.Linear(hidden, 1)
    x, state = torch.randn(batch, steps, inputs), torch.randn(2, batch, hidden).unbind(0)
    found = LSTMLRP(weights, head, bias_factor=1.0).explain(x, state=state)
    # relative to all that was handed about: it may cancel to a small sum
    size = sum(r.abs().flatten(1).sum(1) for r in found[:4]) + found.score.abs()
    assert (found.kept.abs() / size).max() < 1e-12


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_conserves_an_ordinary_layer(rule):
    torch.manual_seed(3)
    lstm, head = nn.LSTM(3, 8, batch_first=True), nn.Linear(8, 2)
    x = torch.randn(4, 12, 3)
    found = LSTMLRP(lstm, head, rule, bias_factor=1.0).explain(x, 1)
    size = sum(r.abs().flatten(1).sum(1) for r in found[:4]) + found.score.abs()
    assert (found.kept.abs() / size).max() < 1e-12
    torch.testing.assert_close(found.score, head(lstm(x)[0][:, -1])[:, 1])


def test_with_an_origin_all_is_conserved_and_inputs_at_it_hand_nothing_on():
    weights, head = cell(), nn.Linear(4, 1)
    x, origin = torch.randn(2, 6, 3), torch.randn(2, 6, 3)
    x[:, 2] = origin[:, 2]
    found = LSTMLRP(weights, head).explain(x, origin=origin)
    assert (found.x[:, 2] == 0).all()
    conserved = LSTMLRP(weights, head, bias_factor=1.0).explain(x, origin=origin)
    assert conserved.kept.abs().max() < 1e-11
    same = LSTMLRP(weights, head).explain(x, origin=torch.zeros(3))
    torch.testing.assert_close(same.x, LSTMLRP(weights, head).explain(x).x)


def test_a_start_of_ones_own_is_what_is_shared_out():
    weights, head = cell(), nn.Linear(4, 1)
    x, start = torch.randn(2, 6, 3), torch.randn(2, 4)
    found = LSTMLRP(weights, head, bias_factor=1.0).explain(x, start=start)
    total = found.x.sum((1, 2)) + sum(r.sum(1) for r in found[1:4])
    torch.testing.assert_close(total, start.sum(1))


def test_attributes_joined_to_each_day_get_relevance_and_a_static_gate_none():
    from hydroml.models import LSTM

    torch.manual_seed(0)
    model = LSTM(dynamic=2, static=3, hidden=5).double().eval()
    weights = CellWeights(model.w_ih.detach(), model.w_hh.detach(), model.bias.detach())
    x_d, x_s = torch.randn(2, 9, 2), torch.randn(2, 3)
    joined = torch.cat([x_d, x_s[:, None].expand(-1, 9, -1)], dim=2)
    found = LSTMLRP(weights, model.head.linear, bias_factor=1.0).explain(joined)
    torch.testing.assert_close(found.score, model(x_d, x_s, last=1)[0][:, 0])
    assert (found.x[..., 2:].abs().sum((1, 2)) > 0).all()
    entity = cell(static_gate=True)
    assert (LSTMLRP(entity, nn.Linear(4, 1)).explain(torch.randn(2, 5, 3)).static_gate == 0).all()
    assert (
        LSTMLRP(entity, nn.Linear(4, 1), "half").explain(x := torch.randn(2, 5, 3)).x
    ).shape == x.shape


def test_forward_is_torchs():
    lstm = nn.LSTM(3, 6, batch_first=True)
    x, state = torch.randn(2, 7, 3), (torch.randn(2, 6), torch.randn(2, 6))
    known = trace(CellWeights.of(lstm), x, state)
    h, (_, c) = lstm(x, (state[0][None], state[1][None]))
    torch.testing.assert_close(known.h[1:].transpose(0, 1), h)
    torch.testing.assert_close(known.c[-1], c[0])


def test_two_kinds_of_input_of_a_layer_are_passed_one_by_one():
    torch.manual_seed(0)
    a, b, w, v = torch.randn(3), torch.randn(2), torch.randn(4, 3), torch.randn(4, 2)
    bias, r = torch.randn(4), torch.randn(4)
    z = w @ a + v @ b + bias
    one = lrp_linear(a, w, bias, z, r, 5, bias_factor=1.0)
    two = lrp_linear(b, v, bias, z, r, 5, bias_factor=1.0)
    torch.testing.assert_close(one.sum() + two.sum(), r.sum())


def test_the_interface_hands_back_three():
    lstm, head = nn.LSTM(3, 8, batch_first=True), nn.Linear(8, 1)
    r_x, r_h, r_c = LSTMLRP(lstm, head).relevance(torch.zeros(1, 4, 3))
    assert r_x.shape == (1, 4, 3)
    assert r_h.shape == r_c.shape == (1, 8)
    assert torch.isfinite(r_x).all()  # zero inputs: nothing to hand on, and no quotient of zeros
    assert (r_x == 0).all()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: LSTMLRP(nn.LSTM(3, 4), nn.Linear(4, 1), "best"), "unknown rule"),
        (lambda: LSTMLRP(nn.LSTM(3, 4), nn.Linear(5, 1)), "the head takes 5"),
        (lambda: LSTMLRP(nn.LSTM(3, 4), nn.Linear(4, 1), eps=0.0), "eps"),
        (lambda: LSTMLRP(nn.LSTM(3, 4), nn.Linear(4, 1), bias_factor=1.5), "bias_factor"),
        (lambda: LSTMLRP(nn.LSTM(3, 4, num_layers=2), nn.Linear(4, 1)), "one layer"),
        (lambda: LSTMLRP(nn.LSTM(3, 4, bidirectional=True), nn.Linear(4, 1)), "one layer"),
        (lambda: CellWeights(torch.ones(8, 3), torch.ones(8, 4), torch.ones(8)), "4 gates"),
        (
            lambda: CellWeights(torch.ones(6, 3), torch.ones(6, 2), torch.ones(6), torch.ones(3)),
            "static gate",
        ),
    ],
)
def test_what_cannot_be_explained_is_refused(make, told):
    with pytest.raises(ValueError, match=told):
        make()


@pytest.mark.parametrize(
    ("x", "target", "told"),
    [
        (torch.ones(2, 3), 0, "needs"),
        (torch.ones(2, 5, 4), 0, "needs"),
        (torch.ones(0, 5, 3), 0, "at least 1"),
        (torch.ones(1, 0, 3), 0, "at least 1"),
        (torch.full((1, 5, 3), float("nan")), 0, "NaN"),
        (torch.ones(1, 5, 3), 2, "target"),
    ],
)
def test_bad_input_is_told(x, target, told):
    with pytest.raises(ValueError, match=told):
        LSTMLRP(nn.LSTM(3, 4), nn.Linear(4, 2)).relevance(x, target)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claims_hold(seed):
    from hydroml.toolkit.demos.lrp import run

    assert run(seed).holds
