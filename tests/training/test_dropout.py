"""Dropout masks: their values, their share, and that a generator's state tells them."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hydroml.training.dropout import LEVELS, draw_mask


@given(st.floats(0, 0.95), st.integers(1, 40), st.integers(0, 2**32))
def test_values_and_share(dropout, rows, seed):
    mask = draw_mask((rows, 50, 7), dropout, torch.Generator().manual_seed(seed))
    assert mask.shape == (rows, 50, 7)
    assert mask.dtype == torch.float32
    kept = mask != 0
    torch.testing.assert_close(mask[kept], torch.full_like(mask[kept], 1 / (1 - dropout)))
    # five standard deviations of a binomial share, and the steps in which it is drawn
    spread = 5 * math.sqrt(dropout * (1 - dropout) / mask.numel()) + 1 / LEVELS
    assert kept.float().mean().item() == pytest.approx(1 - dropout, abs=spread + 1e-6)


@pytest.mark.parametrize("dropout", [0.4, 0.5])
def test_the_mean_is_one_and_neighbours_are_independent(dropout):
    mask = draw_mask((400, 100, 50), dropout, torch.Generator().manual_seed(1))
    assert mask.mean().item() == pytest.approx(1, abs=5e-3)
    kept = (mask.flatten() > 0).double() - (1 - dropout)
    for lag in (1, 2, 3, 4, 50, 5000):  # four draws share a random number
        correlation = (kept[lag:] * kept[:-lag]).mean() / (dropout * (1 - dropout))
        assert abs(correlation.item()) < 5 / math.sqrt(len(kept))


def test_the_state_of_the_generator_is_all():
    chance = torch.Generator().manual_seed(3)
    first = draw_mask((3, 5, 2), 0.4, chance)
    state = chance.get_state()
    second = draw_mask((3, 5, 2), 0.4, chance)
    chance.set_state(state)
    assert torch.equal(draw_mask((3, 5, 2), 0.4, chance), second)
    assert not torch.equal(first, second)
