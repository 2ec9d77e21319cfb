"""The fused models equal the plain loops; states carry; the initial weights are the paper's."""

import math

import pytest
import torch
from torch import nn

from hydroml.models import EALSTM, LSTM, build_model
from hydroml.models.loops import ealstm_loop, lstm_loop

B, T, F, S, H = 3, 37, 4, 5, 6


def randomised(model: nn.Module) -> nn.Module:
    """Random weights: the initial ones hide mistakes behind zeros and identities."""
    torch.manual_seed(1)
    for p in model.parameters():
        nn.init.normal_(p, std=0.5)
    return model.double().eval()


@pytest.fixture(params=["fused", "hoisted"])
def formulation(request, monkeypatch):
    """Each exact path in turn, whatever the device would choose."""
    for module in ("hydroml.models.recurrence", "hydroml.models.ealstm"):
        monkeypatch.setattr(f"{module}.fused_is_faster", lambda *_: request.param == "fused")
    monkeypatch.setattr("hydroml.models.recurrence.HOISTED_FROM_HIDDEN", 0)
    return request.param


CASES = [
    (lambda: EALSTM(F, S, H), ealstm_loop),
    (lambda: LSTM(F, S, H), lstm_loop),
    (lambda: LSTM(F, 0, H), lstm_loop),
]


@pytest.mark.parametrize(("make", "loop"), CASES)
@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("last", [None, 1, 5])
def test_fast_paths_equal_the_loop_in_float64(make, loop, with_state, last, formulation):
    model = randomised(make())
    x_d = torch.randn(B, T, F, dtype=torch.float64, requires_grad=True)
    x_s = torch.randn(B, S, dtype=torch.float64, requires_grad=True)
    state = torch.randn(2, B, H, dtype=torch.float64) if with_state else None
    state = tuple(state) if with_state else None
    weights = torch.randn(B, last or T, dtype=torch.float64)
    inputs = [x_d, x_s, *model.parameters()]

    def run(forward):
        y, (h, c) = forward()
        y = y[:, -(last or T) :]
        gradients = torch.autograd.grad(
            (y * weights).sum() + (h * c).sum(), inputs, allow_unused=True
        )
        return y, h, c, gradients

    fast = run(lambda: model(x_d, x_s, state, last=last))
    plain = run(lambda: loop(model, x_d, x_s, state))
    for a, b in zip(fast[:3], plain[:3], strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    for a, b in zip(fast[3], plain[3], strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("make", "loop"), CASES)
def test_a_series_in_pieces_with_its_state_equals_the_whole(make, loop, formulation):
    model = randomised(make())
    x_d, x_s = torch.randn(B, T, F).double(), torch.randn(B, S).double()
    whole, _ = model(x_d, x_s)
    state, pieces = None, []
    for piece in x_d.split(5, dim=1):
        y, state = model(piece, x_s, state)
        pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=0, atol=1e-12)


def test_last_gives_the_end_of_the_series():
    model = randomised(EALSTM(F, S, H))
    x_d, x_s = torch.randn(B, T, F).double(), torch.randn(B, S).double()
    torch.testing.assert_close(model(x_d, x_s, last=2)[0], model(x_d, x_s)[0][:, -2:])


def test_one_step_by_hand():
    # H = F = S = 1, all weights 1, biases 0, x_d = 2, x_s = 0, h = c = 0:
    # i = s(0) = .5, f irrelevant, g = tanh(2), o = s(2); c = .5 tanh 2; h = s(2) tanh(c)
    model = EALSTM(1, 1, 1).double().eval()
    for p in model.parameters():
        nn.init.constant_(p, 1.0)
    nn.init.zeros_(model.bias)
    nn.init.zeros_(model.b_s)
    y, (h, c) = model(torch.full((1, 1, 1), 2.0).double(), torch.zeros(1, 1).double())
    assert c.item() == pytest.approx(0.4820137900379085)
    assert h.item() == pytest.approx(0.8807970779778823 * math.tanh(0.4820137900379085))
    assert y.item() == pytest.approx(h.item() + 1.0)


def test_the_input_gate_does_not_see_the_weather():
    model = randomised(EALSTM(F, S, H))
    w_ih, w_hh, _ = model.lstm_weights()
    assert not w_ih[:H, :F].any()
    assert not w_ih[H:, F:].any()
    assert not w_hh[:H].any()


@pytest.mark.parametrize(
    "model", [EALSTM(F, S, H, forget_bias=3.0), LSTM(F, S, H, forget_bias=3.0)]
)
def test_initial_weights_are_those_of_the_reference(model):
    gates = model.bias.numel() // H
    forget = 0 if gates == 3 else 1
    torch.testing.assert_close(model.w_hh, torch.eye(H).repeat(gates, 1))
    columns = model.w_ih.T @ model.w_ih
    torch.testing.assert_close(columns, torch.eye(columns.shape[0]))
    expected = torch.zeros(gates, H)
    expected[forget] = 3.0
    torch.testing.assert_close(model.bias, expected.flatten())


def test_uniform_weights_lie_within_the_bound_of_torch():
    model = EALSTM(F, S, 64, forget_bias=3.0, initial_weights="uniform")
    for weight in (model.w_ih, model.w_sh, model.w_hh, model.bias[64:]):
        assert 0.1 < weight.abs().max().item() <= 1 / 8
    assert (model.bias[:64] - 3.0).abs().max().item() <= 1 / 8


def test_without_statics_the_attributes_change_nothing():
    model = build_model("lstm-nostatic", F, S, hidden=H).eval()
    x_d = torch.randn(B, T, F)
    torch.testing.assert_close(model(x_d, torch.randn(B, S))[0], model(x_d)[0])


def test_dropout_acts_in_training_only():
    model = EALSTM(F, S, 64)
    x_d, x_s = torch.randn(B, T, F), torch.randn(B, S)
    assert not torch.equal(model.train()(x_d, x_s)[0], model(x_d, x_s)[0])
    assert torch.equal(model.eval()(x_d, x_s)[0], model(x_d, x_s)[0])


@pytest.mark.parametrize("make", [lambda: EALSTM(F, S, 32), lambda: LSTM(F, S, 32)])
@pytest.mark.parametrize("tiles", [False, True])
def test_16_bit_autocast_stays_near_32_bits(make, tiles, monkeypatch):
    monkeypatch.setattr("hydroml.models.recurrence.has_tiles", lambda: tiles)
    monkeypatch.setattr("hydroml.models.recurrence.HOISTED_FROM_HIDDEN", 0)
    torch.manual_seed(3)
    model = make().eval()
    x_d, x_s = torch.randn(B, T, F), torch.randn(B, S)

    def run():
        model.zero_grad()
        y = model(x_d, x_s)[0].float()
        y.square().mean().backward()
        return y.detach(), torch.cat([p.grad.flatten() for p in model.parameters()])

    exact, gradient = run()
    with torch.autocast("cpu", torch.bfloat16):
        rounded, rounded_gradient = run()
    assert 0 < (rounded - exact).abs().max() < 3e-2
    assert (rounded_gradient - gradient).norm() < 3e-2 * gradient.norm()


@pytest.mark.parametrize("make", [lambda: EALSTM(F, S, 32), lambda: LSTM(F, S, 32)])
@pytest.mark.parametrize("tiles", [False, True])
def test_16_bit_autocast_reaches_the_states_only_where_it_saves_time(make, tiles, monkeypatch):
    monkeypatch.setattr("hydroml.models.recurrence.has_tiles", lambda: tiles)
    torch.manual_seed(3)
    model = make().eval()
    x_d, x_s = torch.randn(B, T, F), torch.randn(B, S)
    with torch.no_grad():
        _, (h, c) = model(x_d, x_s)
        with torch.autocast("cpu", torch.bfloat16):
            _, (rounded_h, rounded_c) = model(x_d, x_s)
    assert torch.equal(rounded_h.float(), h) != tiles
    assert torch.equal(rounded_c.float(), c) != tiles
