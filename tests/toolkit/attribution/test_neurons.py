"""Neurons as classifiers: exact against pairs counted one by one, defined where there are none."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hydroml.toolkit.attribution import midranks
from hydroml.toolkit.attribution.neurons import (
    best_neurons,
    chance_auc,
    chance_level,
    neuron_auc,
    separability,
)
from hydroml.toolkit.demos.neurons import run


def by_pairs(activations, labels):
    """The definition: the share of pairs in order, ties half; 0.5 without a pair."""
    found = torch.full((activations.shape[1], labels.shape[1]), 0.5, dtype=torch.float64)
    for h in range(activations.shape[1]):
        for s in range(labels.shape[1]):
            a, y = activations[:, h], labels[:, s]
            have, lack = a[y == 1], a[y == 0]
            if len(have) and len(lack):
                more = (have[:, None] > lack).double() + 0.5 * (have[:, None] == lack).double()
                found[h, s] = more.mean()
    return found


@given(
    st.integers(1, 40), st.integers(1, 5), st.integers(1, 4), st.integers(1, 6), st.integers(0, 99)
)
def test_it_equals_pairs_counted_one_by_one(n, units, labels, values, seed):
    generator = torch.Generator().manual_seed(seed)
    activations = torch.randint(values, (n, units), generator=generator).double()  # many ties
    marks = torch.randint(3, (n, labels), generator=generator).double()
    marks[marks == 2] = torch.nan
    expected = by_pairs(activations, marks)
    torch.testing.assert_close(neuron_auc(activations, marks), expected, rtol=0, atol=1e-14)


def test_by_hand():
    # with the label .4 and .9, without .1 and .4: pairs in order 1, 1, 1 and a tie
    activations = torch.tensor([[0.1], [0.4], [0.4], [0.9]])
    assert neuron_auc(activations, torch.tensor([[0], [0], [1], [1]])).item() == 3.5 / 4


@given(st.integers(0, 99))
def test_it_knows_only_order(seed):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(30, 3, generator=generator, dtype=torch.float64)
    y = torch.rand(30, 2, generator=generator) < 0.4
    auc = neuron_auc(a, y)
    torch.testing.assert_close(neuron_auc(a.exp(), y), auc, rtol=0, atol=0)
    torch.testing.assert_close(neuron_auc(-a, y), 1 - auc, rtol=0, atol=1e-14)
    torch.testing.assert_close(neuron_auc(a, ~y), 1 - auc, rtol=0, atol=1e-14)


def test_a_mask_and_nan_leave_the_same_samples_out():
    generator = torch.Generator().manual_seed(1)
    a, y = torch.randn(50, 4, generator=generator), torch.rand(50, 3, generator=generator).round()
    counts = torch.rand(50, 3, generator=generator) < 0.7
    expected = torch.cat([neuron_auc(a[counts[:, [s]][:, 0]], y[counts[:, s], s : s + 1])
                          for s in range(3)], dim=1)  # fmt: skip
    assert torch.equal(neuron_auc(a, y, mask=counts), expected)
    assert torch.equal(neuron_auc(a, y.masked_fill(~counts, torch.nan)), expected)
    one_mask = neuron_auc(a, y, mask=counts[:, 0])
    assert torch.equal(one_mask[:, 0], expected[:, 0])


def test_units_ranked_in_parts_give_the_same(monkeypatch):
    generator = torch.Generator().manual_seed(2)
    a, y = torch.randn(60, 7, generator=generator), torch.rand(60, 2, generator=generator) < 0.5
    together = neuron_auc(a, y)
    monkeypatch.setattr(midranks, "NUMBERS_AT_ONCE", 100)
    assert torch.equal(neuron_auc(a, y), together)


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1], [torch.nan] * 3])
def test_half_where_there_is_no_pair(labels):
    labels = torch.tensor(labels)[:, None]
    assert neuron_auc(torch.arange(3.0)[:, None], labels).tolist() == [[0.5]]


def test_single_precision_labels_of_a_large_sample_are_exact():
    n = 200_001  # the sum of ranks, 1.5e10, has more digits than float32
    a = torch.arange(n, dtype=torch.float32)[:, None]
    assert neuron_auc(a, a >= 100_000).item() == 1.0
    y = torch.zeros(n, 1)
    y[0], y[-1] = 1, 1
    assert neuron_auc(a, y).item() == 0.5


@pytest.mark.parametrize(
    ("activations", "labels", "says"),
    [
        (torch.zeros(3), torch.zeros(3, 1), "activations must be"),
        (torch.zeros(0, 2), torch.zeros(0, 1), "activations must be"),
        (torch.zeros(3, 2), torch.zeros(2, 1), "labels must be"),
        (torch.zeros(3, 2), torch.zeros(3), "labels must be"),
        (torch.zeros(3, 2), torch.full((3, 1), 2.0), "true or false"),
        (torch.full((3, 2), torch.nan), torch.tensor([[0.0], [1], [1]]), "NaN in samples"),
    ],
)
def test_bad_input_is_told(activations, labels, says):
    with pytest.raises(ValueError, match=says):
        neuron_auc(activations, labels)


def test_a_bad_mask_is_told():
    with pytest.raises(ValueError, match="mask must be bool"):
        neuron_auc(torch.zeros(3, 2), torch.zeros(3, 1), mask=torch.ones(3))
    with pytest.raises(ValueError, match="mask must be bool"):
        neuron_auc(torch.zeros(3, 2), torch.zeros(3, 1), mask=torch.ones(2, dtype=torch.bool))


def test_activations_may_be_nan_where_nothing_counts():
    a = torch.tensor([[1.0], [torch.nan], [2.0]])
    assert neuron_auc(a, torch.tensor([[0.0], [torch.nan], [1.0]])).item() == 1.0


def test_the_best_unit_may_be_low_with_the_label():
    auc = torch.tensor([[0.6, 0.5], [0.1, 0.7]], dtype=torch.float64)
    best = best_neurons(auc)
    assert best.unit.tolist() == [1, 1]
    assert best.sign.tolist() == [-1, 1]
    assert separability(best.auc).tolist() == pytest.approx([0.9, 0.7])
    with pytest.raises(ValueError, match="auc must be"):
        best_neurons(torch.zeros(0, 2))


def test_the_best_of_many_is_good_by_chance_and_the_level_says_so():
    generator = torch.Generator().manual_seed(3)
    a, y = torch.randn(30, 200, generator=generator), torch.rand(30, 1, generator=generator) < 0.5
    reached = separability(neuron_auc(a, y)).amax(0)
    chance = chance_auc(a, y, draws=200, generator=generator)
    assert reached.item() > 0.75  # of noise
    assert 0.7 < chance.median() < 0.9
    assert chance_level(reached, chance).item() > 0.02
    taught = torch.cat([a, y + 0.01 * torch.randn(30, 1, generator=generator)], dim=1)
    assert chance_level(
        separability(neuron_auc(taught, y)).amax(0), chance
    ).item() == pytest.approx(1 / 201)


def test_chance_is_the_same_in_parts(monkeypatch):
    a, y = torch.randn(24, 6), torch.rand(24, 2) < 0.5
    whole = chance_auc(a, y, draws=9, generator=torch.Generator().manual_seed(4))
    monkeypatch.setattr(midranks, "NUMBERS_AT_ONCE", 50)
    monkeypatch.setattr("hydroml.toolkit.attribution.chance.NUMBERS_AT_ONCE", 100)
    assert torch.equal(chance_auc(a, y, draws=9, generator=torch.Generator().manual_seed(4)), whole)


def test_rotated_labels_keep_their_memory_and_chance_grows():
    """Slow units against slow labels: single samples permuted make chance look far too small."""
    generator = torch.Generator().manual_seed(5)
    slow = torch.randn(2 * 300, 20, generator=generator).cumsum(0)
    y = slow[:, :1] > slow[:, :1].median()
    permuted = chance_auc(slow[:, 1:], y, draws=50, generator=generator)
    rotated = chance_auc(slow[:, 1:], y, draws=50, series=2, generator=generator)
    assert rotated.median() > permuted.median() + 0.1


def test_a_rotation_moves_labels_within_their_series():
    a = torch.arange(8.0)[:, None]
    y = torch.tensor([1, 0, 0, 0, 0, 0, 0, 0])[:, None]
    chance = chance_auc(a, y, draws=60, series=2, generator=torch.Generator().manual_seed(6))
    # the label stays among the first four of eight: at ranks 1 to 4 max(A, 1 - A) is so much
    assert sorted(set(chance.flatten().tolist())) == pytest.approx([4 / 7, 5 / 7, 6 / 7, 1.0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"draws": 0}, "draws"),
        ({"series": 3}, "series"),
        ({"labels": torch.full((4, 1), torch.nan)}, "true or false"),
        ({"labels": torch.zeros(3, 1)}, "labels must be"),
        ({"activations": torch.full((4, 1), torch.nan)}, "without NaN"),
    ],
)
def test_bad_input_to_chance_is_told(change, says):
    good = {"activations": torch.zeros(4, 1), "labels": torch.zeros(4, 1)}
    with pytest.raises(ValueError, match=says):
        chance_auc(**(good | change))


def test_levels_need_draws():
    with pytest.raises(ValueError, match="chance must be"):
        chance_level(torch.ones(2), torch.ones(3, 1))


def test_scikit_learn_says_the_same():
    metrics = pytest.importorskip("sklearn.metrics")
    generator = torch.Generator().manual_seed(7)
    a = torch.randint(9, (500, 3), generator=generator).double()
    y = torch.rand(500, 2, generator=generator) < 0.3
    auc = neuron_auc(a, y)
    for h in range(3):
        for s in range(2):
            expected = metrics.roc_auc_score(y[:, s].numpy(), a[:, h].numpy())
            assert auc[h, s].item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_taught_cell_tells_snow_better_than_any_control(seed):
    demo = run(seed)
    assert demo.holds, demo.findings
