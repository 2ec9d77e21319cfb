"""The demo of Hopfield layers: its cheap parts by default, its claims over seeds when slow."""

import pytest
import torch

from hydroml.toolkit import load_demo
from hydroml.toolkit.demos import hopfield as demo


def test_retrieval_energy_and_temperature_hold():
    random = torch.Generator().manual_seed(0)
    errors, kept = demo.retrieval_errors(random)
    assert errors[-1] < 1e-3 < 0.05 < errors[demo.WIDTHS.index(8)]
    assert kept[-1] > 0.9
    energies = demo.energy_paths(random)
    assert (energies[1:] <= energies[:-1] + 1e-10).all()
    held = demo.temperature_sweep(random, updates=50)
    assert held[0] > 40
    assert held[-1] < 1.5


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claims_hold(seed):
    shown = load_demo("hopfield")(seed=seed)
    assert shown.holds, shown.findings
