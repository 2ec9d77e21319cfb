"""Energy, retrieval and its error bound against closed forms and theorems."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hydroml.toolkit.attention.energy import (
    hopfield_energy,
    hopfield_retrieve,
    retrieval_error_bound,
    separation,
)

sizes = st.integers(1, 12)
seeds = st.integers(0, 2**31 - 1)
betas = st.floats(0.01, 20.0)


def draw(seed, *shape, scale=1.0):
    return scale * torch.randn(
        *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def test_energy_of_two_patterns_by_hand():
    X = torch.tensor([[3.0, 0.0], [0.0, 4.0]], dtype=torch.float64)
    xi = torch.tensor([1.0, 1.0], dtype=torch.float64)
    # -1/2 log(e^6 + e^8) + 1/2 (1 + 1) + 1/2 log 2 + 1/2 16
    by_hand = -0.5 * math.log(math.exp(6) + math.exp(8)) + 1 + 0.5 * math.log(2) + 8
    assert hopfield_energy(X, xi, 2.0).item() == pytest.approx(by_hand, rel=1e-14)


def test_retrieval_of_two_patterns_by_hand():
    X = torch.tensor([[3.0, 0.0], [0.0, 4.0]], dtype=torch.float64)
    xi = torch.tensor([1.0, 1.0], dtype=torch.float64)
    first = 1 / (1 + math.exp(0.5 * (4 - 3)))
    by_hand = torch.tensor([3 * first, 4 * (1 - first)], dtype=torch.float64)
    torch.testing.assert_close(hopfield_retrieve(X, xi, 0.5), by_hand, rtol=1e-14, atol=0)


@settings(max_examples=40)
@given(sizes, sizes, betas, seeds)
def test_the_energy_is_not_negative_and_never_rises(patterns, d, beta, seed):
    X, xi = draw(seed, patterns, d), draw(seed + 1, 5, d, scale=2.0)
    energies = [hopfield_energy(X, xi, beta)]
    for _ in range(6):
        xi = hopfield_retrieve(X, xi, beta)
        energies.append(hopfield_energy(X, xi, beta))
    assert energies[0].min() >= -1e-10
    for before, after in itertools.pairwise(energies):
        assert (after <= before + 1e-10 * (1 + before.abs())).all()


@settings(max_examples=40)
@given(st.integers(2, 12), sizes, st.floats(0.01, 50.0), st.floats(0.0, 2.0), seeds)
def test_the_error_bound_is_never_violated(patterns, d, beta, noise, seed):
    X = draw(seed, patterns, d)
    start = X + draw(seed + 1, patterns, d, scale=noise)
    after = hopfield_retrieve(X, start, beta)
    bound = retrieval_error_bound(X, (start - X).norm(dim=-1), beta)
    assert ((after - X).norm(dim=-1) <= bound * (1 + 1e-9) + 1e-12).all()


def test_separation_by_hand():
    X = torch.tensor([[2.0, 0.0], [1.0, 1.0], [-1.0, 0.0]])
    assert separation(X).tolist() == [2.0, 0.0, 2.0]


def test_well_separated_patterns_are_retrieved_to_rounding():
    X = math.sqrt(127) * torch.nn.functional.normalize(draw(0, 200, 128), dim=-1)
    disturbed = X + 0.1 * math.sqrt(127) * torch.nn.functional.normalize(draw(1, 200, 128), dim=-1)
    found = hopfield_retrieve(X, disturbed, 1.0)
    assert (found - X).abs().max() < 1e-12
    torch.testing.assert_close(hopfield_retrieve(X, X, 1.0), X, rtol=1e-12, atol=1e-12)


def test_a_tiny_beta_averages_and_a_large_one_picks():
    X, xi = draw(0, 6, 4), draw(1, 3, 4)
    torch.testing.assert_close(
        hopfield_retrieve(X, xi, 1e-12), X.mean(0).expand(3, -1), rtol=1e-9, atol=1e-9
    )
    torch.testing.assert_close(hopfield_retrieve(X, xi, 1e6), X[(xi @ X.T).argmax(-1)])


@settings(max_examples=40)
@given(seeds)
def test_the_order_of_stored_patterns_does_not_matter(seed):
    X, xi = draw(seed, 7, 3), draw(seed + 1, 2, 3)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(
        hopfield_retrieve(X[order], xi, 2.0), hopfield_retrieve(X, xi, 2.0), rtol=0, atol=1e-13
    )


def test_steps_are_repeated_single_updates():
    X, xi = draw(0, 7, 3), draw(1, 2, 3)
    once = hopfield_retrieve(X, hopfield_retrieve(X, xi, 2.0), 2.0)
    assert torch.equal(hopfield_retrieve(X, xi, 2.0, steps=2), once)
    assert torch.equal(hopfield_retrieve(X, xi, 2.0, steps=0), xi)


def test_sets_of_patterns_and_one_beta_a_state():
    X, xi = draw(0, 4, 7, 3), draw(1, 4, 2, 3)
    beta = torch.linspace(0.5, 4.0, 8, dtype=torch.float64).view(4, 2)
    energy, found = hopfield_energy(X, xi, beta), hopfield_retrieve(X, xi, beta)
    for b in range(4):
        for i in range(2):
            one = (X[b], xi[b, i], beta[b, i].item())
            torch.testing.assert_close(energy[b, i], hopfield_energy(*one))
            torch.testing.assert_close(found[b, i], hopfield_retrieve(*one))


def test_huge_patterns_stay_finite():
    X, xi = draw(0, 5, 3, scale=1e6), draw(1, 2, 3, scale=1e6)
    assert hopfield_retrieve(X, xi, 100.0).isfinite().all()
    assert hopfield_energy(X, xi, 100.0).isfinite().all()


def test_zero_patterns_have_energy_of_the_state_alone():
    xi = draw(0, 4, 3)
    torch.testing.assert_close(
        hopfield_energy(torch.zeros(5, 3, dtype=torch.float64), xi, 2.0), 0.5 * xi.square().sum(-1)
    )


def test_gradients():
    X, xi = draw(0, 4, 3).requires_grad_(), draw(1, 2, 3).requires_grad_()
    beta = torch.tensor([1.5, 0.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *a: hopfield_retrieve(*a, steps=2), (X, xi, beta))
    assert torch.autograd.gradcheck(hopfield_energy, (X, xi, beta))


@pytest.mark.parametrize(
    ("X", "xi", "beta", "words"),
    [
        (torch.zeros(0, 3), torch.zeros(3), 1.0, "no pattern is stored"),
        (torch.zeros(4, 3), torch.zeros(2), 1.0, "give X as"),
        (torch.zeros(3), torch.zeros(3), 1.0, "give X as"),
        (torch.zeros(2, 4, 3), torch.zeros(5, 3), 1.0, "several sets"),
        (torch.zeros(4, 3), torch.zeros(3), 0.0, "positive"),
        (torch.zeros(4, 3), torch.zeros(3), float("nan"), "positive"),
    ],
)
def test_what_does_not_fit_is_refused(X, xi, beta, words):
    for function in (hopfield_energy, hopfield_retrieve):
        with pytest.raises(ValueError, match=words):
            function(X, xi, beta)


def test_negative_steps_and_a_lone_pattern_are_refused():
    with pytest.raises(ValueError, match="0 or more"):
        hopfield_retrieve(torch.zeros(2, 3), torch.zeros(3), 1.0, steps=-1)
    with pytest.raises(ValueError, match="two patterns"):
        separation(torch.zeros(1, 3))
