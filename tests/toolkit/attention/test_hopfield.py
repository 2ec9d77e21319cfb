"""Hopfield layers against torch's attention, closed forms and plain loops, in float64."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hydroml.toolkit import Hopfield, HopfieldEncoderLayer, HopfieldLayer, HopfieldPooling
from hydroml.toolkit.attention.hopfield import hopfield_retrieve

NORMS = ("stored_pattern", "state_pattern", "pattern_projection")
BARE = {f"normalize_{name}": False for name in NORMS}
STATIC = {f"{name}_as_static": True for name in NORMS}
ALL_STATIC = BARE | STATIC | {"disable_out_projection": True}


def draw(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def make(cls=Hopfield, *sizes, seed=0, **options):
    """A layer in float64 whose weights are large enough for associations to differ."""
    torch.manual_seed(seed)
    layer = cls(*sizes, **options).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0, 0.5)
    return layer


def pair(**options):
    """torch's attention and a Hopfield layer with its weights."""
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(8, 2, batch_first=True, dtype=torch.float64, **options)
    nn.init.normal_(theirs.in_proj_bias)
    nn.init.normal_(theirs.out_proj.bias)
    ours = Hopfield(
        8,
        num_heads=2,
        add_zero_association=options.get("add_zero_attn", False),
        concat_bias_pattern=options.get("add_bias_kv", False),
        **BARE,
    ).double()
    copy_attention(theirs, ours)
    return theirs, ours


@torch.no_grad()
def copy_attention(theirs, ours):
    parts = (ours.heads.state, ours.heads.stored, ours.heads.values)
    for part, weight, bias in zip(
        parts, theirs.in_proj_weight.chunk(3), theirs.in_proj_bias.chunk(3), strict=True
    ):
        part.weight.copy_(weight)
        part.bias.copy_(bias)
    ours.out_projection.load_state_dict(theirs.out_proj.state_dict())
    if theirs.bias_k is not None:
        ours.heads.bias_stored.copy_(theirs.bias_k.view(1, 2, 1, 4))
        ours.heads.bias_values.copy_(theirs.bias_v.view(1, 2, 1, 4))


# ---- torch.nn.MultiheadAttention -------------------------------------------------------------


@pytest.mark.parametrize("option", [{}, {"add_zero_attn": True}, {"add_bias_kv": True},
                                    {"add_zero_attn": True, "add_bias_kv": True}])  # fmt: skip
@pytest.mark.parametrize("masked", [None, "padding", "association", "heads", "float", "all"])
def test_it_is_torchs_attention(option, masked):
    theirs, ours = pair(**option)
    stored, state = draw(1, 3, 6, 8), draw(2, 3, 5, 8)
    padding = torch.zeros(3, 6, dtype=torch.bool)
    padding[0, 4:] = padding[2, 1] = True
    random = torch.Generator().manual_seed(3)
    association = torch.rand(5, 6, generator=random) < 0.3
    association[:, 0] = False
    of_heads = torch.rand(6, 5, 6, generator=random) < 0.3
    of_heads[..., 0] = False
    masks = {
        None: (None, None),
        "padding": (padding, None),
        "association": (None, association),
        "heads": (None, of_heads),
        "float": (None, draw(4, 6, 5, 6)),
        "all": (padding, of_heads),
    }
    mine = masks[masked]
    expected, weights = theirs(
        state, stored, stored, key_padding_mask=mine[0], attn_mask=mine[1],
        average_attn_weights=False,
    )  # fmt: skip
    found = ours((stored, state, stored), *mine)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-14)
    matrix = ours.get_association_matrix((stored, state, stored), *mine)
    torch.testing.assert_close(matrix, weights, rtol=1e-13, atol=1e-14)


def test_it_is_torchs_self_attention_with_its_gradients():
    theirs, ours = pair()
    x = draw(1, 3, 6, 8).requires_grad_()
    expected, found = theirs(x, x, x)[0], ours(x)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-14)
    weight = draw(2, 3, 6, 8)
    (grad_theirs,) = torch.autograd.grad((expected * weight).sum(), x)
    (grad_ours,) = torch.autograd.grad((found * weight).sum(), x)
    torch.testing.assert_close(grad_ours, grad_theirs, rtol=1e-12, atol=1e-14)


def test_other_sizes_of_stored_patterns_and_projections():
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(8, 2, kdim=5, vdim=3, batch_first=True, dtype=torch.float64)
    ours = Hopfield(
        8, num_heads=2, stored_pattern_size=5, pattern_projection_size=3, **BARE
    ).double()
    with torch.no_grad():
        ours.heads.state.weight.copy_(theirs.q_proj_weight)
        ours.heads.stored.weight.copy_(theirs.k_proj_weight)
        ours.heads.values.weight.copy_(theirs.v_proj_weight)
        ours.out_projection.load_state_dict(theirs.out_proj.state_dict())
    stored, state, read = draw(1, 3, 6, 5), draw(2, 3, 4, 8), draw(3, 3, 6, 3)
    torch.testing.assert_close(
        ours((stored, state, read)), theirs(state, stored, read)[0], rtol=1e-13, atol=1e-14
    )


# ---- closed forms ----------------------------------------------------------------------------


def test_without_any_projection_it_is_the_closed_form():
    layer = Hopfield(scaling=0.7, **ALL_STATIC)
    stored, state, read = draw(1, 3, 6, 4), draw(2, 3, 5, 4), draw(3, 3, 6, 2)
    matrix = (0.7 * state @ stored.mT).softmax(-1)
    torch.testing.assert_close(layer((stored, state, read)), matrix @ read, rtol=1e-13, atol=1e-14)
    assert Hopfield(**ALL_STATIC).scaling == 1.0
    assert Hopfield(12, num_heads=3).scaling == 1 / math.sqrt(4)


@pytest.mark.parametrize("extra", [0, 1, 2, 3])
def test_k_extra_updates_are_k_plus_one_plain_updates(extra):
    layer = Hopfield(scaling=1.3, update_steps_max=extra, update_steps_eps=1e-300, **ALL_STATIC)
    x, state = draw(1, 2, 6, 4), draw(2, 2, 3, 4)
    found = layer((x, state, x))
    torch.testing.assert_close(
        found, hopfield_retrieve(x, state, 1.3, steps=extra + 1), rtol=1e-13, atol=1e-14
    )


@pytest.mark.parametrize("steps", [None, -1])
def test_until_convergence_it_is_a_fixed_point(steps):
    layer = Hopfield(scaling=9.0, update_steps_max=steps, update_steps_eps=1e-9, **ALL_STATIC)
    x, state = draw(1, 2, 6, 4), draw(2, 2, 3, 4)
    found = layer((x, state, x))
    torch.testing.assert_close(hopfield_retrieve(x, found, 9.0), found, rtol=0, atol=1e-8)


@torch.no_grad()
def plain_head(q, k, v, beta, limit, eps):
    """One head of (B, L, D) and (B, S, D), update by update."""
    matrix = (beta * q @ k.mT).softmax(-1)
    done = 0
    while limit is None or done < limit:
        new = (beta * (matrix @ k) @ k.mT).softmax(-1)
        moved = max(float((a - b).norm()) for a, b in zip(new, matrix, strict=True))
        matrix, done = new, done + 1
        if moved <= eps:
            break
    return matrix @ v, matrix, done


@pytest.mark.parametrize("limits", [(0, 0, 0), (2, 2, 2), (0, 3, 1), (-1, 2, 0), (-1, -1, -1)])
@pytest.mark.parametrize("as_tensor", [True, False])
def test_beta_steps_and_threshold_of_each_head_are_those_of_a_loop_over_heads(limits, as_tensor):
    beta = torch.tensor([0.3, 2.5, 8.0], dtype=torch.float64)
    eps = torch.tensor([1e-3, 1e-5, 1e-1], dtype=torch.float64)
    if not as_tensor:
        beta, eps = beta[1].expand(3), eps[1].expand(3)
    layer = make(
        Hopfield,
        6,
        num_heads=3,
        hidden_size=4,
        pattern_size=5,
        scaling=beta if as_tensor else beta[0].item(),
        update_steps_max=torch.tensor(limits),
        update_steps_eps=eps if as_tensor else eps[0].item(),
        disable_out_projection=True,
        **BARE,
    )
    stored, state, read = draw(1, 2, 7, 6), draw(2, 2, 3, 6), draw(3, 2, 7, 6)
    found = layer((stored, state, read)).unflatten(-1, (3, 5))
    matrix = layer.get_association_matrix((stored, state, read))
    heads = layer.heads
    for h in range(3):
        d, p = slice(4 * h, 4 * h + 4), slice(5 * h, 5 * h + 5)
        expected, a, _ = plain_head(
            heads.state(state)[..., d],
            heads.stored(stored)[..., d],
            heads.values(read)[..., p],
            beta[h].item(),
            None if limits[h] < 0 else limits[h],
            eps[h].item(),
        )
        torch.testing.assert_close(found[:, :, h], expected, rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(matrix[:, h], a, rtol=1e-12, atol=1e-13)


def test_a_head_stops_at_its_threshold_while_others_go_on():
    """A loose threshold stops after one extra update, whatever the limit."""
    options = {"num_heads": 2, "scaling": 3.0, "update_steps_max": 50, **BARE}
    loose = make(Hopfield, 6, update_steps_eps=torch.tensor([1e9, 1e-9]), **options)
    one = copy.deepcopy(loose)
    one.update_steps_max = [1, 1]
    tight = copy.deepcopy(loose)
    tight.update_steps_eps = [1e-9, 1e-9]
    x = draw(1, 2, 7, 6)
    found = loose.get_association_matrix(x)
    assert torch.equal(found[:, 0], one.get_association_matrix(x)[:, 0])
    torch.testing.assert_close(found[:, 1], tight.get_association_matrix(x)[:, 1])
    assert not torch.allclose(found[:, 0], tight.get_association_matrix(x)[:, 0])


def test_a_trainable_beta_learns_in_every_update():
    beta = nn.Parameter(torch.tensor([0.5, 2.0], dtype=torch.float64))
    layer = make(
        Hopfield, 4, num_heads=2, scaling=beta, update_steps_max=2, update_steps_eps=1e-30, **BARE
    )
    layer.scaling.data.copy_(torch.tensor([0.5, 2.0]))
    assert any(p is layer.scaling for p in layer.parameters())
    x = draw(1, 2, 3, 4)

    def of_beta(b):
        values = dict(layer.named_parameters()) | {"scaling": b}
        return torch.func.functional_call(layer, values, (x,))

    assert torch.autograd.gradcheck(of_beta, layer.scaling.detach().clone().requires_grad_())


def test_static_patterns_serve_every_head_of_their_own_sample():
    layer = make(
        Hopfield, 4, num_heads=3, hidden_size=4, pattern_size=2, stored_pattern_as_static=True,
        disable_out_projection=True, **BARE,
    )  # fmt: skip
    stored, state, read = draw(1, 2, 5, 4), draw(2, 2, 3, 4), draw(3, 2, 5, 4)
    found = layer((stored, state, read)).unflatten(-1, (3, 2))
    for h in range(3):
        q = layer.heads.state(state)[..., 4 * h : 4 * h + 4]
        v = layer.heads.values(read)[..., 2 * h : 2 * h + 2]
        expected = (q @ stored.mT / 2).softmax(-1) @ v
        torch.testing.assert_close(found[:, :, h], expected, rtol=1e-12, atol=1e-13)


def test_static_state_and_static_projection():
    state, stored, read = draw(1, 2, 3, 4), draw(2, 2, 5, 6), draw(3, 2, 5, 7)
    layer = make(
        Hopfield, 6, hidden_size=4, pattern_size=7, num_heads=2, state_pattern_as_static=True,
        pattern_projection_as_static=True, disable_out_projection=True, **BARE,
    )  # fmt: skip
    found = layer((stored, state, read)).unflatten(-1, (2, 7))
    for h in range(2):
        k = layer.heads.stored(stored)[..., 4 * h : 4 * h + 4]
        expected = (state @ k.mT / 2).softmax(-1) @ read
        torch.testing.assert_close(found[:, :, h], expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("static", [False, True])
def test_connected_values_come_from_projected_keys(static):
    layer = make(
        Hopfield, 6, num_heads=2, pattern_projection_as_connected=True,
        pattern_projection_as_static=static, **BARE,
    )  # fmt: skip
    x, read = draw(1, 2, 5, 6), draw(2, 2, 5, 6)
    values = layer.heads.stored(read)
    values = values if static else layer.heads.values(values)
    expected = values.unflatten(-1, (2, 3)).transpose(1, 2)
    torch.testing.assert_close(layer.get_projected_pattern_matrix((x, x, read)), expected)
    a = layer.get_association_matrix((x, x, read))
    out = layer.out_projection((a @ expected).transpose(1, 2).flatten(2))
    torch.testing.assert_close(layer((x, x, read)), out, rtol=1e-12, atol=1e-13)


def test_every_normalisation_is_that_of_torch():
    options = {f"normalize_{name}_eps": 10.0 ** -(i + 1) for i, name in enumerate(NORMS)}
    layer = make(
        Hopfield, 6, num_heads=2, normalize_hopfield_space=True,
        normalize_hopfield_space_affine=True, normalize_hopfield_space_eps=1e-2, **options,
    )  # fmt: skip
    x = draw(1, 2, 5, 6)
    norm = nn.functional.layer_norm
    eps = {name: options[f"normalize_{name}_eps"] for name in NORMS}
    stored, state, read = (
        norm(x, (6,), m.weight, m.bias, eps[name])
        for name, m in ((n, getattr(layer, f"norm_{n}")) for n in NORMS)
    )
    space = layer.heads.norm

    def split(y):
        return y.unflatten(-1, (2, 3)).transpose(1, 2)

    q, k = (
        norm(split(linear(y)), (3,), space.weight, space.bias, 1e-2)
        for linear, y in ((layer.heads.state, state), (layer.heads.stored, stored))
    )
    a = (q @ k.mT / math.sqrt(3)).softmax(-1)
    out = layer.out_projection((a @ split(layer.heads.values(read))).transpose(1, 2).flatten(2))
    torch.testing.assert_close(layer(x), out, rtol=1e-12, atol=1e-13)


def test_normalisation_without_scale_and_shift():
    layer = Hopfield(6, **{f"normalize_{name}_affine": False for name in NORMS})
    assert [n for n, _ in layer.named_parameters() if "norm" in n] == []
    assert len([n for n, _ in Hopfield(6).named_parameters() if "norm" in n]) == 6


def test_the_activation_is_applied_to_the_output():
    x = draw(1, 2, 5, 6)
    layer = make(Hopfield, 6)
    plain = layer(x)
    layer.association_activation = "tanh"
    assert torch.equal(layer(x), plain.tanh())


def test_weights_start_as_the_paper_says():
    torch.manual_seed(0)
    layer = HopfieldLayer(200, quantity=100, num_heads=2, lookup_weights_as_separated=True)
    for name, parameter in layer.named_parameters():
        if "norm" in name:
            assert set(parameter.unique().tolist()) <= {0.0, 1.0}
        elif "bias" in name:
            assert not parameter.any()
        else:
            assert parameter.std().item() == pytest.approx(0.02, rel=0.02)
            assert abs(parameter.mean().item()) < 0.001
    assert HopfieldPooling(20, quantity=500).pooling_weights.std().item() == pytest.approx(
        0.02, rel=0.05
    )


# ---- properties ------------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.integers(0, 1000), st.sampled_from([0, 2]))
def test_the_order_of_stored_patterns_does_not_matter(seed, steps):
    layer = make(HopfieldPooling, 6, num_heads=2, quantity=2, update_steps_max=steps, seed=seed)
    bag = draw(seed, 2, 7, 6)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(layer(bag[:, order]), layer(bag), rtol=1e-10, atol=1e-12)
    matrix = layer.get_association_matrix(bag)
    torch.testing.assert_close(
        layer.get_association_matrix(bag[:, order]), matrix[..., order], rtol=1e-10, atol=1e-12
    )
    torch.testing.assert_close(matrix.sum(-1), torch.ones(2, 2, 2, dtype=torch.float64))


@pytest.mark.parametrize("steps", [0, 2])
def test_what_is_hidden_might_as_well_not_be_there_even_if_nan(steps):
    layer = make(Hopfield, 6, num_heads=2, update_steps_max=steps)
    x, state = draw(1, 2, 5, 6), draw(2, 2, 3, 6)
    longer = torch.cat([x, torch.full((2, 2, 6), torch.nan, dtype=torch.float64)], 1)
    padding = torch.tensor([[False] * 5 + [True] * 2] * 2)
    floats = torch.zeros(2, 7, dtype=torch.float64).masked_fill(padding, -torch.inf)
    expected = layer((x, state, x))
    for mask in (padding, floats):
        found = layer((longer, state, longer), mask)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)
        inner = layer(longer, mask)
        torch.testing.assert_close(inner[:, :5], layer(x), rtol=1e-12, atol=1e-13)
        layer.zero_grad()
        inner[:, :5].sum().backward()
        assert all(p.grad.isfinite().all() for p in layer.parameters())


@pytest.mark.parametrize("steps", [0, 2, None])
def test_a_state_from_which_all_is_hidden_reads_zero(steps):
    layer = make(Hopfield, 6, num_heads=2, update_steps_max=steps)
    x = draw(1, 3, 4, 6).requires_grad_()
    padding = torch.zeros(3, 4, dtype=torch.bool)
    padding[1] = True
    association = torch.zeros(4, 4, dtype=torch.bool)
    association[2] = True
    found = layer(x, padding, association)
    matrix = layer.get_association_matrix(x, padding, association)
    for row in (found[1], found[:, 2]):
        torch.testing.assert_close(row, layer.out_projection.bias.expand_as(row))
    assert not matrix[1].any()
    assert not matrix[:, :, 2].any()
    torch.testing.assert_close(matrix[0, :, :2].sum(-1), torch.ones(2, 2, dtype=torch.float64))
    found.square().sum().backward()
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in layer.parameters())
    # the other bags are what they would be alone
    alone = layer(x[:1], None, association) if steps == 0 else None
    if alone is not None:
        torch.testing.assert_close(found[:1], alone, rtol=1e-12, atol=1e-13)


def test_with_the_zero_pattern_a_padded_bag_reads_nothing_but_has_an_association():
    layer = make(Hopfield, 6, add_zero_association=True)
    matrix = layer.get_association_matrix(draw(1, 1, 4, 6), torch.ones(1, 4, dtype=torch.bool))
    assert matrix.shape == (1, 1, 4, 5)
    assert torch.equal(matrix[..., -1], torch.ones(1, 1, 4, dtype=torch.float64))


def test_nan_in_one_bag_stays_there():
    layer = make(Hopfield, 6, num_heads=2, update_steps_max=None)
    x = draw(1, 3, 4, 6)
    x[1, 0, 0] = torch.nan
    found = layer(x)
    assert found[[0, 2]].isfinite().all()
    assert found[1].isnan().all()


def test_zero_patterns_and_one_pattern_are_fine():
    layer = make(Hopfield, 6, num_heads=2, normalize_hopfield_space=True)
    assert layer(torch.zeros(2, 4, 6, dtype=torch.float64)).isfinite().all()
    one = draw(1, 1, 1, 6)
    assert torch.equal(layer.get_association_matrix(one), torch.ones(1, 2, 1, 1).double())


@pytest.mark.parametrize("batch_first", [True, False])
def test_a_batch_of_one_serves_all_samples(batch_first):
    layer = make(Hopfield, 6, num_heads=2, batch_first=batch_first, add_zero_association=True,
                 concat_bias_pattern=True, update_steps_max=1)  # fmt: skip
    stored, state = draw(1, 1, 7, 6), draw(2, 3, 2, 6)

    def run(*patterns):
        return layer(tuple(x if batch_first else x.transpose(0, 1) for x in patterns))

    found = run(stored, state, stored)
    repeated = stored.expand(3, -1, -1)
    assert found.shape == ((3, 2, 6) if batch_first else (2, 3, 6))
    torch.testing.assert_close(found, run(repeated, state, repeated), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("cls", [HopfieldPooling, HopfieldLayer])
def test_the_order_of_axes_is_the_callers(cls):
    first = make(cls, 6, quantity=3, num_heads=2)
    last = make(cls, 6, quantity=3, num_heads=2, batch_first=False)
    x = draw(1, 2, 5, 6)
    found = last(x.transpose(0, 1))
    torch.testing.assert_close(found if cls is HopfieldPooling else found.transpose(0, 1), first(x))


def test_dropout_is_of_associations_and_in_training_only():
    for steps in (0, 2):
        layer = make(Hopfield, 6, dropout=0.5, update_steps_max=steps)
        x = draw(1, 2, 5, 6)
        a, b = layer(x), layer(x)
        assert not torch.equal(a, b)
        layer.eval()
        assert torch.equal(layer(x), layer(x))
        layer.train()
        assert torch.equal(layer.get_association_matrix(x), layer.get_association_matrix(x))
    # all but everything dropped: what is left is the bias, or a few large readings
    layer = make(Hopfield, 6, dropout=0.999)
    read = layer(draw(1, 1, 5, 6)) - layer.out_projection.bias
    assert (read == 0).any()


@pytest.mark.parametrize("steps", [0, 2])
def test_gradients(steps):
    options = {"num_heads": 2, "hidden_size": 2, "pattern_size": 3, "update_steps_max": steps}
    layer = make(Hopfield, 4, scaling=torch.tensor([0.5, 2.0]), update_steps_eps=1e-30, **options)
    padding = torch.tensor([[False, True, False]])
    patterns = [draw(i, 1, 3, 4).requires_grad_() for i in range(3)]
    assert torch.autograd.gradcheck(lambda *three: layer(three, padding), patterns)
    weights = [p.detach().clone().requires_grad_() for p in layer.parameters()]
    names = [name for name, _ in layer.named_parameters()]

    def of_weights(*values):
        given = dict(zip(names, values, strict=True))
        return torch.func.functional_call(layer, given, (draw(0, 1, 3, 4),))

    assert torch.autograd.gradcheck(of_weights, weights)


def test_half_precision_and_autocast_stay_close():
    layer = make(Hopfield, 8, num_heads=2, update_steps_max=1, concat_bias_pattern=True).float()
    x = draw(1, 2, 5, 8).float()
    padding = torch.zeros(2, 5, dtype=torch.bool)
    padding[0, 3:] = True
    expected = layer(x, padding)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x, padding)
    torch.testing.assert_close(found.float(), expected, rtol=0.1, atol=0.1)
    whole = copy.deepcopy(layer).bfloat16()(x.bfloat16(), padding)
    torch.testing.assert_close(whole.float(), expected, rtol=0.2, atol=0.2)


def test_weights_and_beta_travel_with_the_state_dict():
    layer = make(Hopfield, 6, num_heads=2, scaling=torch.tensor([1.0, 3.0]))
    other = Hopfield(6, num_heads=2, scaling=torch.ones(2)).double()
    other.load_state_dict(layer.state_dict())
    x = draw(1, 2, 5, 6)
    assert torch.equal(other(x), layer(x))


# ---- pooling, lookup, encoder ----------------------------------------------------------------


def test_pooling_is_a_hopfield_layer_with_learned_states():
    pool = make(HopfieldPooling, 6, quantity=2, output_size=3, num_heads=2)
    bag, read = draw(1, 4, 5, 6), draw(2, 4, 5, 6)
    states = pool.pooling_weights.expand(4, -1, -1)
    expected = pool.hopfield((bag, states, read)).flatten(1)
    assert expected.shape == (4, 6)
    torch.testing.assert_close(pool((bag, read)), expected, rtol=1e-12, atol=1e-13)
    assert pool.get_association_matrix(bag).shape == (4, 2, 2, 5)
    assert pool.get_projected_pattern_matrix(bag).shape == (4, 2, 5, 3)


def test_pooling_with_a_static_state_takes_it_into_the_association_space():
    pool = HopfieldPooling(6, quantity=2, hidden_size=4, state_pattern_as_static=True)
    assert pool.pooling_weights.shape == (1, 2, 4)
    assert pool(torch.randn(3, 5, 6)).shape == (3, 12)


def test_lookup_is_a_hopfield_layer_with_learned_patterns():
    memory = make(
        HopfieldLayer, 6, quantity=5, pattern_projection_size=3, lookup_weights_as_separated=True
    )
    state = draw(1, 4, 2, 6)
    expected = memory.hopfield(
        (memory.lookup_weights.expand(4, -1, -1), state, memory.target_weights.expand(4, -1, -1))
    )
    torch.testing.assert_close(memory(state), expected, rtol=1e-12, atol=1e-13)
    assert memory.get_association_matrix(state).shape == (4, 1, 2, 5)
    assert memory.get_projected_pattern_matrix(state).shape == (4, 1, 5, 6)
    hidden = torch.zeros(4, 5, dtype=torch.bool)
    hidden[:, 1:] = True
    assert (memory.get_association_matrix(state, hidden)[..., 0] == 1).all()


def test_what_is_not_to_be_trained_is_not():
    assert not HopfieldPooling(6, trainable=False).pooling_weights.requires_grad
    assert not HopfieldLayer(6, trainable=False).lookup_weights.requires_grad
    memory = HopfieldLayer(6, lookup_weights_as_separated=True, lookup_targets_as_trainable=False)
    assert memory.lookup_weights.requires_grad
    assert not memory.target_weights.requires_grad


@torch.no_grad()
def encoder_pair():
    torch.manual_seed(0)
    theirs = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dtype=torch.float64).eval()
    for parameter in theirs.parameters():
        parameter.normal_(0, 0.5)
    ours = HopfieldEncoderLayer(Hopfield(8, num_heads=2, **BARE), 16).double().eval()
    copy_attention(theirs.self_attn, ours.hopfield_association)
    ours.linear_residual.load_state_dict(theirs.linear1.state_dict())
    ours.linear_output.load_state_dict(theirs.linear2.state_dict())
    ours.norm_residual.load_state_dict(theirs.norm1.state_dict())
    ours.norm_output.load_state_dict(theirs.norm2.state_dict())
    return theirs, ours


def test_the_encoder_layer_is_that_of_torch():
    theirs, ours = encoder_pair()
    x = draw(1, 3, 5, 8)
    causal = torch.ones(5, 5, dtype=torch.bool).triu(1)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(ours(x, causal), theirs(x, causal), rtol=1e-12, atol=1e-13)
    assert ours.get_association_matrix(x, causal).triu(1).any().item() is False


def test_the_encoder_layer_works_within_torchs_encoder():
    theirs, ours = encoder_pair()
    x = draw(1, 3, 5, 8)
    padding = torch.zeros(3, 5, dtype=torch.bool)
    padding[0, 3:] = True
    stacks = [
        nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
        for layer in (theirs, ours)
    ]
    expected, found = (
        stack(x, mask=nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64),
              src_key_padding_mask=padding.double().masked_fill(padding, -torch.inf))
        for stack in stacks
    )  # fmt: skip
    torch.testing.assert_close(found[~padding], expected[~padding], rtol=1e-12, atol=1e-13)


def test_the_encoder_layer_copies_its_association_and_drops_out_in_training():
    association = Hopfield(8)
    layer = HopfieldEncoderLayer(association, 16, dropout=0.5)
    assert layer.hopfield_association is not association
    x = torch.randn(2, 5, 8)
    assert not torch.equal(layer(x), layer(x))


# ---- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"input_size": None}, "input_size may be left out"),
        ({"input_size": 7}, "do not divide"),
        ({"num_heads": 0}, "at least one"),
        ({"scaling": 0.0}, "positive"),
        ({"scaling": torch.ones(3)}, "one entry for each of 2 heads"),
        ({"update_steps_max": torch.ones(3)}, "one entry for each of 2 heads"),
        ({"update_steps_eps": 0.0}, "positive threshold"),
        ({"dropout": 1.0}, "share"),
        ({"association_activation": "load"}, "no activation 'load'; choose one of: abs"),
        (
            {"normalize_stored_pattern": False, "normalize_stored_pattern_affine": True},
            "has no effect",
        ),
        ({"normalize_hopfield_space_affine": True}, "has no effect"),
        ({"output_size": 3, "disable_out_projection": True}, "leave output_size out"),
        ({"stored_pattern_as_static": True, "stored_pattern_size": 3}, "set hidden_size to 3"),
        (
            {"pattern_projection_as_static": True, "pattern_projection_size": 3},
            "set pattern_size to 3",
        ),
        (
            {"pattern_projection_as_connected": True, "stored_pattern_as_static": True},
            "drop one of the two",
        ),
        (
            {"pattern_projection_as_connected": True, "pattern_projection_size": 3},
            "make them equal",
        ),
        (
            {
                "pattern_projection_as_connected": True,
                "pattern_projection_as_static": True,
                "pattern_size": 3,
            },
            "it is hidden_size",
        ),
        ({"concat_bias_pattern": True, "stored_pattern_as_static": True}, "does not go with"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        Hopfield(**({"input_size": 8, "num_heads": 2} | options))


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match="quantiti"):
        HopfieldPooling(8, quantiti=2)


def test_static_layers_without_sizes_cannot_normalise_or_project():
    with pytest.raises(ValueError, match="normalize_state_pattern needs input_size"):
        Hopfield(**STATIC)
    with pytest.raises(ValueError, match="output projection needs sizes"):
        Hopfield(**STATIC, **BARE)


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ([(2, 5, 7)], "stored patterns are"),
        ([(5, 8)], "stored patterns are"),
        ([(2, 0, 8)], "at least one"),
        ([(0, 5, 8)], "at least one"),
        ([(2, 5, 8), (2, 3, 8)], "2 tensors"),
        ([(2, 5, 8), (2, 3, 8), (2, 4, 8)], "one pattern projection for each"),
        ([(2, 5, 8), (3, 3, 8), (2, 5, 8)], "batches of one size"),
    ],
)
def test_patterns_that_do_not_fit_are_refused(shapes, words):
    patterns = tuple(torch.zeros(shape) for shape in shapes)
    with pytest.raises(ValueError, match=words):
        Hopfield(8)(patterns if len(patterns) > 1 else patterns[0])


def test_masks_that_do_not_fit_are_refused():
    layer, x = Hopfield(8, num_heads=2), torch.zeros(2, 5, 8)
    with pytest.raises(ValueError, match=r"\(B, S\) = \(2, 5\)"):
        layer(x, torch.zeros(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"give \(L, S\)"):
        layer(x, None, torch.zeros(2, 5, 5, dtype=torch.bool))
    with pytest.raises(TypeError, match="bool"):
        layer(x, None, torch.zeros(5, 5, dtype=torch.int64))
    with pytest.raises(TypeError, match="bool"):
        layer(x, torch.zeros(2, 5, dtype=torch.uint8))


def test_static_patterns_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="meet without a projection"):
        Hopfield(**ALL_STATIC)((torch.zeros(1, 5, 3), torch.zeros(1, 2, 4), torch.zeros(1, 5, 3)))


def test_wrappers_refuse_what_has_no_effect():
    with pytest.raises(ValueError, match="at least one learned pattern"):
        HopfieldPooling(8, quantity=0)
    with pytest.raises(ValueError, match="lookup_weights_as_separated"):
        HopfieldLayer(8, lookup_targets_as_trainable=False)
    with pytest.raises(ValueError, match="lookup_weights_as_separated"):
        HopfieldLayer(8, pattern_projection_size=3)
    with pytest.raises(ValueError, match="same size"):
        HopfieldEncoderLayer(Hopfield(8, output_size=3))
    with pytest.raises(ValueError, match="no activation"):
        HopfieldEncoderLayer(Hopfield(8), activation="softmax")
    with pytest.raises(ValueError, match="give src_mask"):
        HopfieldEncoderLayer(Hopfield(8))(torch.zeros(2, 5, 8), is_causal=True)


def test_a_threshold_below_the_resolution_of_the_numbers_ends_in_words(monkeypatch):
    monkeypatch.setattr("hydroml.toolkit.attention.association.MOST_UPDATES", 2)
    layer = Hopfield(scaling=1.0, update_steps_max=None, update_steps_eps=1e-300, **ALL_STATIC)
    x, state = draw(1, 2, 6, 4), draw(2, 2, 3, 4)
    with pytest.raises(ValueError, match="raise update_steps_eps"):
        layer((x, state, x))
