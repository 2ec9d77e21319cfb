"""GAMA: attributions that add up, a table computed by hand, and the masks of its pitfalls."""

import copy
import itertools

import pytest
import torch

from hydroml.toolkit.attribution import token_gradients
from hydroml.toolkit.attribution.gama import (
    GenerativeLSTM,
    fit_generative,
    gama,
    gama_mask,
    ig_tensor,
    median_shift,
    motif_sequences,
)
from hydroml.toolkit.attribution.generative_lstm import next_token_loss
from hydroml.toolkit.attribution.quadrature import nodes_and_weights
from hydroml.toolkit.demos.gama import run


@pytest.fixture
def model():
    found = GenerativeLSTM(vocab=6, hidden=7, generator=torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        for weight in found.parameters():
            weight.mul_(3)  # far from linear
    return found


@pytest.fixture
def x():
    tokens = torch.randint(1, 5, (4, 6), generator=torch.Generator().manual_seed(1))
    tokens[:, 0] = 0
    return tokens


def test_the_model_is_an_lstm(model, x):
    torch_lstm = torch.nn.LSTM(6, 7, batch_first=True).double()
    with torch.no_grad():
        torch_lstm.weight_ih_l0.copy_(model.w_ih)
        torch_lstm.weight_hh_l0.copy_(model.w_hh)
        torch_lstm.bias_ih_l0.copy_(model.bias)
        torch_lstm.bias_hh_l0.zero_()
    expected = model.readout(torch_lstm(model.one_hot(x))[0])
    torch.testing.assert_close(model(x), expected, rtol=0, atol=1e-13)


def test_attributions_of_all_tokens_add_up(model, x):
    found = ig_tensor(model, x, steps=30, output="all")
    assert found.shape == (4, 5, 5, 6)
    gain = model(x[:, :-1]) - model(torch.zeros(4, 5, 6, dtype=torch.float64))
    torch.testing.assert_close(found.sum(1), gain, rtol=0, atol=1e-10)


def test_attributions_equal_reverse_mode(model, x):
    rows = model.one_hot(x[:1, :-1])
    points, weights = nodes_and_weights("gausslegendre", 12)
    expected = torch.zeros(5, 5, 6, dtype=torch.float64)
    for alpha, weight in zip(points, weights, strict=True):
        path = (alpha * rows).requires_grad_()
        logits = model(path)
        for o, v in itertools.product(range(5), range(6)):
            (slope,) = torch.autograd.grad(logits[0, o, v], path, retain_graph=True)
            expected[:, o, v] += weight * (slope * rows).sum(2)[0]
    found = ig_tensor(model, x[:1], steps=12, output="all")[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


def test_the_future_has_no_influence(model, x):
    found = ig_tensor(model, x)
    for i, o in itertools.product(range(5), range(5)):
        assert (found[:, i, o] == 0).all() == (i > o)


def test_outputs_are_read_off_the_same_tensor(model, x):
    every = ig_tensor(model, x, output="all")
    actual = every.gather(3, x[:, None, 1:, None].expand(4, 5, 5, 1))[..., 0]
    torch.testing.assert_close(ig_tensor(model, x, output="actual"), actual, rtol=0, atol=1e-14)
    torch.testing.assert_close(ig_tensor(model, x, output="mean"), every.mean(3))


def test_sequences_in_parts_give_the_same_and_leave_no_gradient(model, x, monkeypatch):
    together = ig_tensor(model, x)
    monkeypatch.setattr(token_gradients, "NUMBERS_AT_ONCE", 1)
    torch.testing.assert_close(ig_tensor(model, x), together, rtol=0, atol=1e-14)
    assert all(weight.grad is None for weight in model.parameters())


@pytest.mark.parametrize(
    ("tokens", "options", "says"),
    [
        (torch.zeros(2, 3), {}, "integers"),
        (torch.zeros(0, 3, dtype=torch.long), {}, "integers"),
        (torch.zeros(2, 1, dtype=torch.long), {}, "one more"),
        (torch.full((1, 3), 6), {}, "vocabulary"),
        (torch.zeros(1, 3, dtype=torch.long), {"steps": 0}, "steps"),
        (torch.zeros(1, 3, dtype=torch.long), {"output": "sum"}, "output must be"),
    ],
)
def test_bad_sequences_are_told(model, tokens, options, says):
    with pytest.raises(ValueError, match=says):
        ig_tensor(model, tokens, **options)


def test_gama_by_hand():
    # two sequences, positions start, 1, 2; entries that count: (o, i) = (1, 1), (2, 1), (2, 2)
    init, trained = torch.zeros(2, 3, 3).double(), torch.zeros(2, 3, 3).double()
    init[:, 1, 1], init[:, 1, 2], init[:, 2, 2] = (
        torch.tensor(v).double() for v in ([1, -1], [1, -1], [1, -1])
    )  # mean 0, deviation 1: stays as it is, variances 1, medians 0
    # six entries of mean 2 and population variance (1 + 1 + 1 + 1 + 4 + 4) / 6 = 2
    trained[:, 1, 1], trained[:, 1, 2], trained[:, 2, 2] = (
        torch.tensor(v).double() for v in ([3, 1], [1, 1], [0, 4])
    )
    trained[1, 1, 2] = 3  # 3 1 | 1 3 | 0 4
    deviation = 2**0.5
    variance = torch.tensor([1 / 2, 1 / 2, 4 / 2]).double() + 1  # (1,1), (2,1), (2,2)
    median = torch.zeros(3).double()  # all medians are 2, the mean
    found = gama(init, trained, floor=0)
    assert found.abs().max() < 1e-12
    # now move input 1 of output 2: values 1 and 3 become 3 and 5, the mean 2 + 4/6
    trained[:, 1, 2] += 2
    values = torch.tensor([3, 1, 3, 5, 0, 4]).double()
    deviation = values.std(correction=0)
    mean = values.mean()
    median = (torch.tensor([2, 4, 2]).double() - mean) / deviation
    variance = torch.tensor([1, 1, 4]).double() / deviation**2 + 1
    row = variance[1:].mean()
    expected = torch.zeros(3, 3).double()
    expected[1, 1] = median[0].abs()  # alone in its row: relative variance 1
    expected[2, 1] = median[1].abs() / (variance[1] / row)
    expected[2, 2] = median[2].abs() / (variance[2] / row)
    torch.testing.assert_close(gama(init, trained, floor=0), expected, rtol=0, atol=1e-12)


def test_what_does_not_count_changes_nothing():
    generator = torch.Generator().manual_seed(2)
    init, trained = torch.randn(2, 9, 4, 4, generator=generator)
    table = gama(init, trained)
    assert torch.equal(table == 0, ~gama_mask(4))
    spoiled = trained.clone()
    spoiled[:, 0] = 1e6  # the start token
    spoiled[:, 3, :3] = -1e6  # the future
    torch.testing.assert_close(gama(init, spoiled), table)


def test_it_does_not_depend_on_the_scale_of_either_model():
    init, trained = torch.randn(2, 9, 4, 4, generator=torch.Generator().manual_seed(3)).double()
    torch.testing.assert_close(gama(5 * init + 1, 0.1 * trained - 7), gama(init, trained))


@pytest.mark.parametrize("floor", [0.0, 1e-4])
def test_constant_attributions_are_defined(floor):
    constant = torch.full((3, 4, 4), 0.3)
    assert (gama(constant, constant + 2, floor=floor) == 0).all()  # standardised: nothing is left
    varies = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(4))
    row = varies.clone()
    row[:, :, 3] = 0.7  # an output whose attributions are the same in every sequence
    found = gama(row, row + 0, floor=floor)
    assert torch.isfinite(found).all()
    one = torch.ones(1, 4, 4)
    one[0, 1, 2] = 3.0  # a single sequence: no variance anywhere, differences of medians
    assert torch.isfinite(gama(torch.zeros(1, 4, 4), one, floor=floor)).all()


def test_a_constant_entry_is_large_and_finite():
    init, trained = torch.randn(2, 50, 4, 4, generator=torch.Generator().manual_seed(5))
    init[:, 1, 3], trained[:, 1, 3] = 0, 2.0
    found = gama(init, trained)
    assert torch.isfinite(found).all()
    assert found[3].argmax() == 1
    assert found[3, 1] > 100 * found[3, 2:].max()


@pytest.mark.parametrize(
    ("init", "trained", "floor", "says"),
    [
        (torch.zeros(3, 4, 5), torch.zeros(3, 4, 5), 0, "ig_init must be"),
        (torch.zeros(0, 4, 4), torch.zeros(0, 4, 4), 0, "ig_init must be"),
        (torch.zeros(3, 1, 1), torch.zeros(3, 1, 1), 0, "ig_init must be"),
        (torch.zeros(3, 4, 4), torch.zeros(2, 4, 4), 0, "same sequences"),
        (torch.zeros(3, 4, 4), torch.full((3, 4, 4), torch.nan), 0, "not finite"),
        (torch.zeros(3, 4, 4), torch.zeros(3, 4, 4), -1, "floor"),
    ],
)
def test_bad_attributions_are_told(init, trained, floor, says):
    with pytest.raises(ValueError, match=says):
        gama(init, trained, floor=floor)


def test_the_shift_of_medians_is_in_logits_and_masked():
    init, trained = torch.zeros(2, 3, 3), torch.zeros(2, 3, 3)
    trained[:, 1, 2] = torch.tensor([-1.0, -2.0])
    trained[:, 0, 2] = trained[:, 2, 1] = 9.0  # the start token, and the future
    expected = torch.zeros(3, 3)
    expected[2, 1] = -1.5
    assert torch.equal(median_shift(init, trained), expected)
    with pytest.raises(ValueError, match="same sequences"):
        median_shift(init, trained[:1])


def test_samples_begin_with_the_start_and_stay_at_the_end(model):
    tokens = model.sample(200, length=12, generator=torch.Generator().manual_seed(6))
    assert tokens.shape == (200, 13)
    assert (tokens[:, 0] == 0).all()
    ended = (tokens[:, 1:] == model.end).cumsum(1) > 0
    assert ended.any()
    assert (tokens[:, 1:][ended] == model.end).all()


def test_samples_follow_the_model(model):
    tokens = model.sample(20_000, length=1, generator=torch.Generator().manual_seed(7))
    share = torch.bincount(tokens[:, 1], minlength=6).double() / 20_000
    expected = model(torch.zeros(1, 1, dtype=torch.long))[0, 0].softmax(0)
    torch.testing.assert_close(share, expected.detach(), rtol=0, atol=0.015)


def test_padding_does_not_count(model):
    short, long = torch.tensor([[0, 1, 5]]), torch.tensor([[0, 1, 5, 5, 5]])
    expected = next_token_loss(model, short).item()
    assert next_token_loss(model, long).item() == pytest.approx(expected)


def test_training_learns_a_rule():
    """After 1 comes 2, and nothing else is known: the loss falls to the entropy of that."""
    generator = torch.Generator().manual_seed(8)
    tokens = motif_sequences(
        300, 3, {1: 1, 2: 2}, signal=1.0, symbols=4, generator=generator
    ).tokens
    model = GenerativeLSTM(6, 16, generator=generator)
    losses = fit_generative(model, tokens, epochs=25, generator=generator)
    least = torch.log(torch.tensor(4.0)).item() / 4  # one of four positions is free
    assert losses[-1] == pytest.approx(least, abs=0.02)


def test_designs_hold_what_their_logic_says():
    generator = torch.Generator().manual_seed(9)
    motif = {2: 3, 4: 1}
    seen = {}
    for logic in ("and", "or", "xor"):
        design = motif_sequences(
            400, 5, motif, logic=logic, signal=0.25, symbols=4, generator=generator
        )
        assert design.signal.sum() == 100
        assert (design.tokens[:, 0] == 0).all()
        assert (design.tokens[:, -1] == 5).all()
        inside = design.tokens[:, 1:-1]
        assert inside.min() >= 1
        assert inside.max() <= 4
        present = torch.stack([design.tokens[design.signal][:, p] == s for p, s in motif.items()])
        seen[logic] = set(present.sum(0).tolist())
    assert seen == {"and": {2}, "or": {1, 2}, "xor": {1}}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"n": 0}, "at least 1"),
        ({"motif": {6: 1}}, "outside"),
        ({"motif": {1: 9}}, "outside"),
        ({"logic": "nand"}, "logic"),
        ({"signal": 1.5}, "share"),
        ({"symbols": 1, "motif": {1: 1}, "logic": "or"}, "more symbols"),
    ],
)
def test_bad_designs_are_told(change, says):
    good = {"n": 3, "length": 5, "motif": {1: 1}, "symbols": 4}
    with pytest.raises(ValueError, match=says):
        motif_sequences(**(good | change))


def test_bad_models_are_told(model):
    with pytest.raises(ValueError, match="vocab"):
        GenerativeLSTM(2, 4)
    with pytest.raises(ValueError, match="x must be"):
        model(torch.zeros(2, 3, 5))


def test_captum_says_the_same(model, x):
    captum = pytest.importorskip("captum.attr")
    model = copy.deepcopy(model)
    method = captum.IntegratedGradients(lambda rows: model(rows)[:, 4])
    rows = model.one_hot(x[:, :-1])
    expected = method.attribute(rows, target=2, n_steps=30, method="gausslegendre").sum(2)
    found = ig_tensor(model, x, steps=30, output="all")[:, :, 4, 2]
    # captum holds the weights of its quadrature in float32
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_motif_is_found_where_it_is_analysed(seed):
    demo = run(seed)
    assert demo.holds, demo.findings
