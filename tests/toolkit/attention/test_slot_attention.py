"""Slot attention, its auto-encoder and set prediction: plain loops, invariances, closed cases."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hydroml.toolkit import SlotAttention
from hydroml.toolkit.attention.slot_attention import (
    SlotAutoEncoder,
    SlotSetPredictor,
    SoftPositionEmbed,
    adjusted_rand_index,
    hungarian_loss,
    match_sets,
)


def draw(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def make(seed=0, **options):
    torch.manual_seed(seed)
    layer = SlotAttention(**({"num_slots": 3, "dim": 4, "input_dim": 5, "hidden": 6} | options))
    layer = layer.double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0, 0.7)
    return layer


# ---- the module ------------------------------------------------------------------------------


@torch.no_grad()
def plain_slots(layer, x, noise):
    """One sample, slot by slot and element by element."""
    x = layer.norm_input(x)
    k, v = x @ layer.key.weight.T, x @ layer.value.weight.T
    slots = [layer.mean[0, 0] + layer.log_std[0, 0].exp() * n for n in noise]
    shares = []
    for _ in range(layer.iters):
        q = [layer.query.weight @ layer.norm_slots(s) for s in slots]
        shares = []
        for element in k:
            scores = [math.exp(float(element @ one) / math.sqrt(layer.dim)) for one in q]
            shares.append([score / sum(scores) for score in scores])
        moved = []
        for i, slot in enumerate(slots):
            won = [share[i] + layer.eps for share in shares]
            update = sum(w / sum(won) * value for w, value in zip(won, v, strict=True))
            slot = layer.gru(update[None], slot[None])[0]
            moved.append(slot + layer.mlp(layer.norm_mlp(slot)))
        slots = moved
    return torch.stack(slots), torch.tensor(shares, dtype=torch.float64).T


def test_it_is_the_plain_loop_of_the_paper():
    layer = make(eps=1e-3)
    x, noise = draw(1, 2, 6, 5), draw(2, 2, 3, 4)
    slots, attention = layer(x, noise=noise)
    for b in range(2):
        expected, shares = plain_slots(layer, x[b], noise[b])
        torch.testing.assert_close(slots[b], expected, rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(attention[b], shares, rtol=1e-12, atol=1e-13)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 5), st.integers(1, 8))
def test_the_order_of_elements_is_free_and_that_of_slots_follows_the_noise(seed, k, n):
    layer = make(seed)
    x, noise = draw(seed, 2, n, 5), draw(seed + 1, 2, k, 4)
    slots, attention = layer(x, noise=noise)
    torch.testing.assert_close(attention.sum(1), torch.ones(2, n, dtype=torch.float64))
    random = torch.Generator().manual_seed(seed)
    elements, order = torch.randperm(n, generator=random), torch.randperm(k, generator=random)
    other, other_attention = layer(x[:, elements], noise=noise)
    torch.testing.assert_close(other, slots, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(other_attention, attention[..., elements], rtol=1e-9, atol=1e-11)
    swapped, _ = layer(x, noise=noise[:, order])
    torch.testing.assert_close(swapped, slots[:, order], rtol=1e-9, atol=1e-11)


def test_the_number_of_slots_is_free():
    layer, x = make(), draw(1, 2, 6, 5)
    for k in (1, 3, 9):
        slots, attention = layer(x, num_slots=k)
        assert slots.shape == (2, k, 4)
        assert attention.shape == (2, k, 6)
    assert (layer(x, num_slots=1)[1] == 1).all()


def test_a_generator_decides_the_start():
    layer, x = make(), draw(1, 2, 6, 5)
    a, b, c = (layer(x, generator=torch.Generator().manual_seed(s))[0] for s in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_the_start_is_the_learned_normal_distribution():
    layer = make(iters=1)
    with torch.no_grad():  # slots that stay where they are: GRU keeps the state, no refinement
        for parameter in (*layer.gru.parameters(), *layer.mlp.parameters()):
            parameter.zero_()
        layer.gru.bias_ih[4:8] = 1000.0  # update gate: all of the state
    slots, _ = layer(draw(1, 1, 2, 5), num_slots=20000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(slots.mean(1), layer.mean[0], rtol=0, atol=0.1)
    torch.testing.assert_close(slots.std(1), layer.log_std.exp()[0], rtol=0.03, atol=0)


def test_padding_is_not_there_even_if_nan():
    layer, x, noise = make(), draw(1, 2, 6, 5), draw(2, 2, 3, 4)
    longer = torch.cat([x, torch.full((2, 3, 5), torch.nan, dtype=torch.float64)], 1)
    padding = torch.arange(9).expand(2, -1) >= 6
    slots, attention = layer(longer, noise=noise, padding_mask=padding)
    expected, shares = layer(x, noise=noise)
    torch.testing.assert_close(slots, expected, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(attention[..., :6], shares, rtol=1e-12, atol=1e-13)
    assert not attention[..., 6:].any()


def test_a_set_without_elements_is_finite_with_finite_gradients():
    layer = make()
    slots, attention = layer(draw(1, 2, 4, 5), padding_mask=torch.ones(2, 4, dtype=torch.bool))
    assert not attention.any()
    slots.square().sum().backward()
    assert slots.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in layer.parameters())


def test_zero_elements_nan_and_large_numbers():
    layer = make()
    assert layer(torch.zeros(2, 4, 5, dtype=torch.float64))[0].isfinite().all()
    assert layer(1e12 * draw(1, 2, 4, 5))[0].isfinite().all()
    x = draw(1, 2, 4, 5)
    x[0, 0, 0] = torch.nan
    slots, _ = layer(x)
    assert slots[0].isnan().all()
    assert slots[1].isfinite().all()


def test_gradients():
    layer = make(iters=2)
    x, noise = draw(1, 1, 3, 5).requires_grad_(), draw(2, 1, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: layer(a, noise=b), (x, noise))
    names = [name for name, _ in layer.named_parameters()]
    weights = [p.detach().clone().requires_grad_() for p in layer.parameters()]

    def of_weights(*values):
        given = dict(zip(names, values, strict=True))
        return torch.func.functional_call(layer, given, (x.detach(),), {"noise": noise.detach()})

    assert torch.autograd.gradcheck(of_weights, weights, fast_mode=True)


def test_weights_start_as_glorot_says():
    torch.manual_seed(0)
    layer = SlotAttention(3, dim=50, hidden=80, input_dim=30)
    limits = {
        "mean": math.sqrt(6 / 51), "log_std": math.sqrt(6 / 51), "key.weight": math.sqrt(6 / 80),
        "value.weight": math.sqrt(6 / 80), "query.weight": math.sqrt(6 / 100),
        "mlp.0.weight": math.sqrt(6 / 130), "mlp.2.weight": math.sqrt(6 / 130),
    }  # fmt: skip
    parameters = dict(layer.named_parameters())
    for name, limit in limits.items():
        assert 0.85 * limit < parameters[name].abs().max() <= limit
    assert not parameters["mlp.0.bias"].any()


@pytest.mark.parametrize(
    ("options", "words"),
    [({"num_slots": 0}, "num_slots is 0"), ({"dim": 0}, "dim is 0"), ({"iters": 0}, "iters is 0"),
     ({"eps": 0.0}, "eps is 0.0")],
)  # fmt: skip
def test_options_without_sense_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        make(**options)


@pytest.mark.parametrize(
    ("x", "options", "words"),
    [
        (torch.zeros(2, 4, 3), {}, "give sets"),
        (torch.zeros(4, 5), {}, "give sets"),
        (torch.zeros(2, 0, 5), {}, "at least one element"),
        (torch.zeros(2, 4, 5), {"num_slots": 0}, "num_slots is 0"),
        (torch.zeros(2, 4, 5), {"noise": torch.zeros(2, 3, 5)}, "noise is"),
        (torch.zeros(2, 4, 5), {"noise": torch.zeros(2, 3, 4), "num_slots": 3}, "or num_slots"),
        (torch.zeros(2, 4, 5), {"padding_mask": torch.zeros(2, 3, dtype=torch.bool)}, "bool"),
        (torch.zeros(2, 4, 5), {"padding_mask": torch.zeros(2, 4)}, "bool"),
    ],
)
def test_what_does_not_fit_is_refused(x, options, words):
    with pytest.raises(ValueError, match=words):
        SlotAttention(3, dim=4, input_dim=5)(x, **options)


# ---- images ----------------------------------------------------------------------------------


def test_positions_run_from_edge_to_edge():
    embed = SoftPositionEmbed(4, (3, 5))
    with torch.no_grad():
        embed.linear.weight.copy_(torch.eye(4))
        embed.linear.bias.zero_()
    x, y, left, up = embed(torch.zeros(1, 4, 3, 5))[0]
    torch.testing.assert_close(x, torch.tensor([0, 0.25, 0.5, 0.75, 1]).expand(3, -1))
    torch.testing.assert_close(y, torch.tensor([0, 0.5, 1])[:, None].expand(-1, 5))
    torch.testing.assert_close(left, 1 - x)
    torch.testing.assert_close(up, 1 - y)


@pytest.mark.parametrize("broadcast", [(8, 8), (4, 4), (16, 16)])
def test_the_auto_encoder_draws_what_its_slots_share_out(broadcast):
    torch.manual_seed(0)
    model = SlotAutoEncoder((16, 16), num_slots=3, dim=6, broadcast=broadcast)
    drawn = model(torch.rand(2, 3, 16, 16), num_slots=4)
    assert drawn.recons.shape == (2, 4, 3, 16, 16)
    assert drawn.slots.shape == (2, 4, 6)
    torch.testing.assert_close(drawn.masks.sum(1), torch.ones(2, 1, 16, 16))
    torch.testing.assert_close(drawn.recon, (drawn.masks * drawn.recons).sum(1))
    drawn.recon.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_the_auto_encoder_learns_to_draw_one_picture():
    torch.manual_seed(0)
    model = SlotAutoEncoder((8, 8), num_slots=2, dim=16)
    picture = torch.zeros(1, 3, 8, 8)
    picture[:, 0, 1:4, 1:4] = picture[:, 1, 5:7, 4:8] = 1.0
    one_colour = picture.var((2, 3), correction=0).mean().item()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(60):
        drawn = model(picture, generator=torch.Generator().manual_seed(0))
        loss = (drawn.recon - picture).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5 * one_colour


def test_images_and_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="does not lead to"):
        SlotAutoEncoder((12, 16))
    with pytest.raises(ValueError, match="do not divide"):
        SlotSetPredictor((18, 18), 3, 4)
    with pytest.raises(ValueError, match="give"):
        SlotAutoEncoder((8, 8), dim=4)(torch.zeros(1, 3, 8, 9))


def test_predicted_sets_lie_between_0_and_1():
    model = SlotSetPredictor((16, 16), num_slots=4, properties=5, dim=8)
    found = model(torch.rand(2, 3, 16, 16), num_slots=6)
    assert found.shape == (2, 6, 5)
    assert (found > 0).all()
    assert (found < 1).all()


# ---- matching --------------------------------------------------------------------------------


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 5))
def test_the_loss_is_the_smallest_over_all_permutations(seed, k):
    found, target = draw(seed, 2, k, 3), draw(seed + 1, 2, k, 3)
    smallest = [
        min(
            torch.nn.functional.huber_loss(a[list(order)], b, reduction="sum", delta=0.5).item() / 3
            for order in itertools.permutations(range(k))
        )
        for a, b in zip(found, target, strict=True)
    ]
    loss = hungarian_loss(found, target, delta=0.5).item()
    assert loss == pytest.approx(sum(smallest) / 2, rel=1e-12)


def test_the_loss_by_hand():
    target = torch.tensor([[[0.0, 0.0], [3.0, 3.0]]])
    found = torch.tensor([[[3.0, 3.5], [0.0, 2.0]]])
    # matched crosswise: (0 + 0.5^2 / 2) / 2 and, beyond delta 1, (0 + 2 - 1/2) / 2
    assert hungarian_loss(found, target).item() == pytest.approx(0.0625 + 0.75)


def test_the_loss_has_gradients_and_does_not_mind_the_order():
    found, target = draw(1, 2, 4, 3).requires_grad_(), draw(2, 2, 4, 3)
    assert torch.autograd.gradcheck(lambda a: hungarian_loss(a, target), found)
    order = [2, 0, 3, 1]
    torch.testing.assert_close(
        hungarian_loss(found[:, order], target[:, order[::-1]]), hungarian_loss(found, target)
    )


@pytest.mark.parametrize(
    ("found", "target", "words"),
    [
        (torch.zeros(1, 3, 2), torch.zeros(1, 2, 2), "absent objects filled in"),
        (torch.zeros(1, 0, 2), torch.zeros(1, 0, 2), "none of them 0"),
        (torch.full((1, 2, 2), torch.nan), torch.zeros(1, 2, 2), "NaN or infinite"),
    ],
)
def test_sets_that_cannot_be_matched_are_refused(found, target, words):
    with pytest.raises(ValueError, match=words):
        hungarian_loss(found, target)


def test_costs_and_thresholds_without_sense_are_refused():
    with pytest.raises(ValueError, match="give"):
        match_sets(torch.zeros(1, 2, 3))
    with pytest.raises(ValueError, match="delta"):
        hungarian_loss(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2), delta=0.0)


# ---- adjusted Rand index ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("true", "found", "expected"),
    [
        ([0, 0, 1, 1], [3, 3, 0, 0], 1.0),
        ([0, 0, 1, 1], [0, 1, 0, 1], -0.5),
        # counts 2 0 / 1 1: index 1, sums 2 and 3, expected 1, room 1.5
        ([0, 0, 1, 1], [0, 0, 0, 1], 0.0),
        # counts 2 1 0 / 0 1 2: index 2, sums 6 and 3, expected 1.2, room 3.3
        ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2], 0.8 / 3.3),
        ([0, 0, 0], [1, 1, 1], 1.0),
        ([0, 1, 2], [2, 0, 1], 1.0),
        ([0, 0, 0], [0, 1, 2], 0.0),
        ([0], [0], 1.0),
        ([], [], 1.0),
    ],
)
def test_the_rand_index_of_closed_cases(true, found, expected):
    ari = adjusted_rand_index(torch.tensor([true]).long(), torch.tensor([found]).long())
    assert ari.item() == pytest.approx(expected, abs=1e-14)


labels = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=30)


@settings(max_examples=50)
@given(labels, st.permutations(range(5)))
def test_the_rand_index_is_symmetric_and_blind_to_names(pairs, names):
    a, b = (torch.tensor([column]) for column in zip(*pairs, strict=True))
    ari = adjusted_rand_index(a, b)
    assert ari.item() <= 1.0
    torch.testing.assert_close(adjusted_rand_index(b, a), ari)
    torch.testing.assert_close(adjusted_rand_index(torch.tensor(names)[a], b), ari)
    assert adjusted_rand_index(a, a).item() == 1.0


def test_masked_elements_do_not_count():
    true = torch.tensor([[0, 0, 1, 1, 2, 2]])
    found = torch.tensor([[0, 0, 1, 1, 0, 1]])
    mask = true < 2
    assert adjusted_rand_index(true, found, mask).item() == 1.0
    assert adjusted_rand_index(true, found).item() < 1.0
    assert adjusted_rand_index(true, found, torch.zeros_like(mask)).item() == 1.0


def test_the_rand_index_of_chance_is_around_zero():
    random = torch.Generator().manual_seed(0)
    a, b = (torch.randint(0, 4, (400, 50), generator=random) for _ in range(2))
    assert abs(adjusted_rand_index(a, b).mean().item()) < 0.01


@settings(max_examples=30)
@given(labels)
def test_the_rand_index_is_that_of_scikit_learn(pairs):
    metrics = pytest.importorskip("sklearn.metrics")
    a, b = zip(*pairs, strict=True)
    found = adjusted_rand_index(torch.tensor([a]), torch.tensor([b]))
    assert found.item() == pytest.approx(metrics.adjusted_rand_score(a, b), abs=1e-12)


@pytest.mark.parametrize(
    ("true", "found", "mask", "words"),
    [
        (torch.zeros(1, 3).long(), torch.zeros(1, 4).long(), None, "give both as"),
        (torch.zeros(3).long(), torch.zeros(3).long(), None, "give both as"),
        (torch.zeros(1, 3).long(), torch.zeros(1, 3), None, "take argmax"),
        (torch.zeros(1, 3).long(), -torch.ones(1, 3).long(), None, "labels 0, 1"),
        (torch.zeros(1, 3).long(), torch.zeros(1, 3).long(), torch.ones(1, 3), "mask is"),
    ],
)
def test_labels_that_do_not_fit_are_refused(true, found, mask, words):
    with pytest.raises(ValueError, match=words):
        adjusted_rand_index(true, found, mask)
