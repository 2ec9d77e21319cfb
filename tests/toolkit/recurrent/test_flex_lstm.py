"""The flexible cell: the ordinary LSTM when nothing is cut, the formulas when something is."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hydroml.toolkit.demos.flex_lstm import run
from hydroml.toolkit.recurrent.flex_lstm import INLETS, FlexLSTM, from_torch, reduced_lstm

WIRES = [(True, True), (True, False), (False, True), (False, False)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def cell_of(w_ci=WIRES[0], w_ig=WIRES[0], w_og=WIRES[0], w_fg=WIRES[0], **more):
    cell = FlexLSTM(3, 4, w_ci, w_ig, w_og, w_fg, dtype=torch.float64, **more)
    return cell.initialise_(0.7, dict.fromkeys(cell.connections, (0.0, 1.0)), generator())


def plain_loop(cell, x, h, c):
    """One sequence, one unit, one gate at a time, from the formulas in numpy."""

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    out, cells = [], []
    for x_t in x:
        value = {}
        for inlet in INLETS:
            if inlet not in cell.connections:
                value[inlet] = np.ones(cell.hidden)
                continue
            w, r, b = cell.weights(inlet)
            z = b.detach().numpy().copy()
            z += 0 if w is None else w.detach().numpy() @ x_t
            z += 0 if r is None else r.detach().numpy() @ h
            value[inlet] = np.tanh(z) if inlet == "g" else sigmoid(z)
        c = value["f"] * c + value["i"] * value["g"]
        h = value["o"] * np.tanh(c)
        out.append(h)
        cells.append(c)
    return np.array(out), np.array(cells)


@pytest.mark.parametrize("bias", [True, False])
def test_uncut_it_is_torchs_lstm_in_values_and_gradients(bias):
    lstm = nn.LSTM(3, 4, batch_first=True, bias=bias, dtype=torch.float64)
    with torch.no_grad():
        for n, parameter in enumerate(lstm.parameters()):
            parameter.copy_(draw(*parameter.shape, seed=n))
    cell = from_torch(lstm)
    start = draw(2, 4, seed=7), draw(2, 4, seed=8)
    x, y = (draw(2, 9, 3, seed=9).requires_grad_() for _ in range(2))
    wanted, (h_n, c_n) = lstm(x, (start[0][None], start[1][None]))
    found, inner = cell(y, start)
    for left, right in ((found, wanted), (inner["h_n"], h_n[0]), (inner["c_n"], c_n[0])):
        torch.testing.assert_close(left, right, rtol=0, atol=1e-14)
    weigh = draw(2, 9, 4, seed=10)
    (wanted * weigh).sum().backward()
    (found * weigh).sum().backward()
    pairs = [
        (y.grad, x.grad),
        (cell.w_forward.grad, lstm.weight_ih_l0.grad),
        (cell.w_recurrent.grad, lstm.weight_hh_l0.grad),
    ]
    pairs += [(cell.bias.grad, lstm.bias_ih_l0.grad)] if bias else []
    for left, right in pairs:
        torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-13)


CUTS = [
    *itertools.product(WIRES[:2], WIRES[::2], [None, *WIRES[2:]], [None, *WIRES[1::2]]),
    (WIRES[0], WIRES[3], WIRES[0], WIRES[3]),
    (WIRES[3], WIRES[0], None, WIRES[1]),
    (WIRES[2], WIRES[2], WIRES[1], WIRES[2]),
]


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_every_cut_equals_the_plain_loop(cut):
    cell = cell_of(*cut)
    x, h, c = draw(2, 6, 3, seed=1), draw(2, 4, seed=2), draw(2, 4, seed=3)
    found, inner = cell(x, (h, c))
    for n in range(2):
        wanted, cells = plain_loop(cell, x[n].numpy(), h[n].numpy(), c[n].numpy())
        np.testing.assert_allclose(found[n].detach(), wanted, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(inner["c"][n].detach(), cells, rtol=1e-12, atol=1e-14)
    kept = [wires for wires in cut if wires is not None]
    assert cell.w_forward.shape == (4 * sum(f for f, _ in kept), 3)  # nothing dead is stored
    assert cell.w_recurrent.shape == (4 * sum(r for _, r in kept), 4)
    assert cell.bias.shape == (4 * len(kept),)


def test_two_steps_by_hand_gate_by_gate():
    # one input, one cell; all weights 0 but those named, so that each gate can be told in the head
    cell = FlexLSTM(1, 1, dtype=torch.float64, a_out="identity", a_ci="identity")
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.weights("g")[0].fill_(2.0)  # g = 2 x
        cell.weights("i")[1].fill_(1.0)  # i = sigmoid(h before)
        cell.weights("f")[2].fill_(np.log(3.0))  # f = 3/4
    h, inner = cell(torch.tensor([[[4.0], [1.0]]], dtype=torch.float64))
    # step 1: g 8, i 1/2, f 3/4, c 4, o 1/2, h 2; step 2: g 2, i s(2), c 3 + 2 s(2)
    i_2 = 1 / (1 + np.exp(-2.0))
    expected = {"g": [8, 2], "i": [0.5, i_2], "f": [0.75, 0.75], "o": [0.5, 0.5],
                "c": [4, 3 + 2 * i_2]}  # fmt: skip
    for name, values in expected.items():
        np.testing.assert_allclose(inner[name][0, :, 0].detach(), values, rtol=1e-14)
    np.testing.assert_allclose(h[0, :, 0].detach(), [2, (3 + 2 * i_2) / 2], rtol=1e-14)


def test_the_reduced_cell_stores_and_never_loses():
    cell = reduced_lstm(3, 4, generator=generator(), dtype=torch.float64)
    x = draw(2, 30, 3)
    h, inner = cell(x)
    assert (inner["f"] == 1).all()
    assert (inner["o"] == 1).all()
    torch.testing.assert_close(h, (inner["i"] * inner["g"]).cumsum(1))  # c is all that came in
    assert (inner["c"] == h).all()
    z = torch.tanh(x @ cell.weights("g")[0].T + cell.weights("g")[2])
    torch.testing.assert_close(inner["g"], z)  # the cell input sees inputs only


def test_initial_weights_of_the_reduced_cell_have_the_moments_of_the_paper():
    cell = reduced_lstm(400, 500, generator=generator(), dtype=torch.float64)
    for of, mean, std in (
        (cell.w_forward, 0, 0.1),
        (cell.w_recurrent, 0, 0.1),
        (cell.weights("i")[2], -3, 1),
        (cell.weights("g")[2], 0, 1),
    ):
        assert of.mean().item() == pytest.approx(mean, abs=4 * std / of.numel() ** 0.5)
        assert of.std().item() == pytest.approx(std, rel=4 / (2 * of.numel()) ** 0.5)
    same = reduced_lstm(400, 500, generator=generator(), dtype=torch.float64)
    assert torch.equal(cell.w_forward, same.w_forward)


def test_initial_biases_may_be_numbers_and_default_to_zero():
    cell = cell_of(w_og=None).initialise_(0.1, {"f": 5.0})
    assert (cell.weights("f")[2] == 5).all()
    assert (cell.weights("i")[2] == 0).all()
    with pytest.raises(KeyError, match=r"no inlet 'o'; this cell has i, f, g"):
        cell.initialise_(0.1, {"o": 1.0})


@pytest.mark.parametrize("cut", [CUTS[0], CUTS[5], CUTS[-1]], ids=str)
def test_gradients_are_right(cut):
    cell = cell_of(*cut)
    x, h, c = draw(2, 3, 3).requires_grad_(), draw(2, 4).requires_grad_(), draw(2, 4)
    weights = [p for p in cell.parameters() if p.numel()]

    def outputs(x, h, *_):
        out, inner = cell(x, (h, c), torch.tensor([3, 2]))
        return out, inner["c"], inner["i"], inner["c_n"]

    assert torch.autograd.gradcheck(outputs, (x, h, *weights))


@settings(max_examples=25)
@given(cut=st.integers(1, 8), seed=st.integers(0, 1000))
def test_a_series_in_two_pieces_is_the_whole(cut, seed):
    cell, x = cell_of(w_og=(True, False)), draw(2, 9, 3, seed=seed)
    whole, inner = cell(x)
    first, between = cell(x[:, :cut])
    second, after = cell(x[:, cut:], (between["h_n"], between["c_n"]))
    torch.testing.assert_close(torch.cat([first, second], 1), whole, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(after["c_n"], inner["c_n"], rtol=1e-12, atol=1e-14)


@settings(max_examples=25)
@given(lengths=st.lists(st.integers(0, 6), min_size=1, max_size=4))
def test_padding_is_not_read(lengths):
    cell, x = cell_of(w_og=None), draw(len(lengths), 6, 3)
    start = draw(len(lengths), 4, seed=1), draw(len(lengths), 4, seed=2)
    padded = x.clone()
    for row, length in zip(padded, lengths, strict=True):
        row[length:] = torch.nan
    padded.requires_grad_()
    h, inner = cell(padded, start, torch.tensor(lengths))
    for n, length in enumerate(lengths):
        one = tuple(s[n : n + 1] for s in start)
        wanted, (h_n, c_n) = h.new_zeros(0, 4), one
        if length:
            alone, end = cell(x[n : n + 1, :length], one)
            wanted, h_n, c_n = alone[0], end["h_n"], end["c_n"]
        torch.testing.assert_close(h[n, :length], wanted)
        torch.testing.assert_close(inner["h_n"][n : n + 1], h_n)  # length 0: the state it had
        torch.testing.assert_close(inner["c_n"][n : n + 1], c_n)
        assert not torch.cat([h[n, length:], *(inner[k][n, length:] for k in "cifog")]).any()
    (h.sum() + inner["c_n"].sum()).backward()
    assert torch.isfinite(padded.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in cell.parameters())


def test_without_internals_only_the_state_comes_along():
    cell = cell_of(return_internals=False)
    x = draw(2, 5, 3)
    h, inner = cell(x)
    assert set(inner) == {"h_n", "c_n"}
    cell.return_internals = True
    assert torch.equal(cell(x)[0], h)


def test_any_activation_by_name_or_function():
    x = draw(2, 5, 3)
    named = cell_of(a_out="relu", a_ig="softsign")(x)[0]
    given_ = cell_of(a_out=torch.relu, a_ig=nn.functional.softsign)(x)[0]
    assert torch.equal(named, given_)
    assert not torch.equal(named, cell_of()(x)[0])


def test_a_nan_stays_in_its_own_sequence():
    x = draw(2, 5, 3)
    x[0, 2, 1] = torch.nan
    h, _ = cell_of()(x)
    assert torch.isfinite(h[1]).all()
    assert torch.isfinite(h[0, :2]).all()
    assert h[0, 2:].isnan().all()


def test_one_row_no_row_and_half_precision():
    cell = cell_of()
    assert cell(draw(1, 1, 3))[0].shape == (1, 1, 4)
    assert cell(draw(0, 5, 3))[0].shape == (0, 5, 4)
    h, inner = cell.bfloat16()(draw(2, 5, 3).bfloat16())
    assert h.dtype == inner["c_n"].dtype == torch.bfloat16
    assert torch.isfinite(h).all()


BAD = {
    "inputs": (lambda c: c(draw(2, 5, 4)), r"\(2, 5, 4\).*steps >= 1, 3"),
    "two dimensions": (lambda c: c(draw(5, 3)), r"\(5, 3\)"),
    "no steps": (lambda c: c(draw(2, 0, 3)), r"steps >= 1"),
    "state": (lambda c: c(draw(2, 5, 3), (draw(2, 4), draw(1, 4))), r"each must be \(2, 4\)"),
    "long": (lambda c: c(draw(2, 5, 3), None, torch.tensor([6, 1])), r"1 to 6; x has 5 steps"),
    "below 0": (lambda c: c(draw(2, 5, 3), None, torch.tensor([-1, 1])), r"from -1"),
    "one length": (lambda c: c(draw(2, 5, 3), None, torch.tensor([5])), r"of shape \(2,\)"),
    "fractions": (lambda c: c(draw(2, 5, 3), None, torch.ones(2)), r"whole"),
    "activation": (lambda c: FlexLSTM(3, 4, a_out="tan"), r"'tan'.*tanh"),
    "sizes": (lambda c: FlexLSTM(3, 0), r"hidden 0"),
    "blind": (lambda c: FlexLSTM(3, 4, *[(False, True)] * 4), r"no inlet sees the inputs"),
    "layers": (lambda c: from_torch(nn.LSTM(3, 4, 2)), r"not one layer"),
    "directions": (lambda c: from_torch(nn.LSTM(3, 4, bidirectional=True)), r"one direction"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_done_is_said(case):
    call, says = BAD[case]
    with pytest.raises(ValueError, match=says):
        call(cell_of())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_gated_cells_latch_and_a_plain_net_does_not(seed):
    reduced, full, plain, *_ = (f.measured for f in run(seed).findings)
    assert reduced > 0.95
    assert full > 0.8
    assert plain < 0.3
