"""The demo of slot attention: its data by default, its claims over seeds when slow."""

import pytest
import torch

from hydroml.toolkit import load_demo
from hydroml.toolkit.attention.slot_attention import adjusted_rand_index
from hydroml.toolkit.demos import slot_attention as demo


def test_the_true_centres_sort_most_points():
    sets = demo.draw_sets(200, 3, torch.Generator().manual_seed(0))
    assert sets.x.shape == (200, demo.POINTS, 2)
    assert torch.bincount(sets.labels[0]).tolist() == [16, 16, 16]
    ari = adjusted_rand_index(sets.labels, demo.nearest_centre(sets))
    assert ari.mean() > 0.9
    assert ari.min() < 1.0


def test_the_mixture_is_a_density():
    torch.manual_seed(0)
    model = demo.Mixture()
    random = torch.Generator().manual_seed(0)
    x = demo.draw_sets(4, 3, random).x
    loss, attention = model(x, 5, random)
    assert loss.shape == (4,)
    assert attention.shape == (4, 5, demo.POINTS)
    loss.mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claims_hold(seed):
    shown = load_demo("slot_attention")(seed=seed)
    assert shown.holds, shown.findings
