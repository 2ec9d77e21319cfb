"""Frechet ChemNet distance: a network by plain parts, and distances that are known by hand."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hydroml.toolkit.demos.chemnet import run
from hydroml.toolkit.distances.chemnet import ChemNet, FrechetChemNetDistance
from hydroml.toolkit.smiles import SmilesTokenizer
from hydroml.toolkit.smiles_grammar import random_smiles

pytestmark = pytest.mark.filterwarnings("ignore:A set has:UserWarning")


def net(stride: int = 1) -> ChemNet:
    torch.manual_seed(0)
    return ChemNet(3, (6, 5), (4, 3), stride=stride).double().eval()


def measure(model: nn.Module | None = None, length: int = 60) -> FrechetChemNetDistance:
    return FrechetChemNetDistance(model or net(), SmilesTokenizer(length, scale=35**0.5))


class Count(nn.Module):
    """One feature: the carbons of a molecule."""

    def forward(self, x: Tensor) -> Tensor:
        return (x[..., 0] > 0).double().sum(1, keepdim=True)


class TestNetwork:
    @pytest.mark.parametrize("stride", [1, 2])
    def test_equals_its_parts_in_torch(self, stride: int) -> None:
        model = net(stride)
        x = torch.randn(2, 12, 35, dtype=torch.float64)
        h = x.transpose(1, 2)
        for layer in model.convolutions:
            # 12 steps, at stride 2 then 6, then 3: before and behind 1 and 2 or 1 and 1 zeros
            before, behind = (1, 2) if stride == 1 else (1, 1)
            padded = nn.functional.pad(h, (before, behind))
            h = torch.selu(nn.functional.conv1d(padded, layer.weight, stride=stride))
        first = model.first_lstm.lstm(h.transpose(1, 2).flip(1))[0]
        last = model.second_lstm(first)[1][0][0]
        features, logits = model(x)
        torch.testing.assert_close(features, last)
        torch.testing.assert_close(logits, last @ model.output.weight.T + model.output.bias)

    def test_published_sizes(self) -> None:
        model = ChemNet(5)
        features, logits = model(torch.zeros(1, 10, 35))
        assert (features.shape, logits.shape) == ((1, 512), (1, 5))

    def test_refusals(self) -> None:
        with pytest.raises(ValueError, match=r"expected \(B, T, 35\)"):
            net()(torch.zeros(1, 5, 3).double())
        with pytest.raises(ValueError, match="at least 1"):
            ChemNet(0)


class TestDistance:
    def test_by_hand(self) -> None:
        # carbons 1, 3: mean 2, variance 2. 4, 4: mean 4, variance 0. (2 - 4)^2 + 2 + 0 - 0
        assert measure(Count())(["C", "CCC"], ["CCCC", "OCCCC"]) == pytest.approx(6, abs=1e-12)
        # 1, 3 against 2, 6 (mean 4, variance 8): 4 + (sqrt 2 - sqrt 8)^2 = 4 + 2
        assert measure(Count())(["C", "CCC"], ["CC", "C" * 6]) == pytest.approx(6, abs=1e-12)

    @given(st.integers(0, 999))
    @settings(max_examples=10)
    def test_itself_order_and_exchange(self, seed: int) -> None:
        rng = torch.Generator().manual_seed(seed)
        first, second = random_smiles(12, generator=rng), random_smiles(9, generator=rng)
        distance = measure()
        found = distance(first, second)
        assert found > 0
        assert distance(first, first[::-1]) == pytest.approx(0, abs=1e-9)
        assert distance(second, first) == pytest.approx(found, rel=1e-6, abs=1e-9)

    def test_rises_with_the_share_of_one_molecule(self) -> None:
        # carbons: half 1 and half 3 against k of 40 replaced by 9: mean and spread both leave
        real = ["C", "CCC"] * 20
        found = [measure(Count())(real, ["C" * 9] * k + real[k:]) for k in (0, 8, 20, 40)]
        assert found[0] == pytest.approx(0, abs=1e-12)
        assert all(b > a for a, b in pairwise(found))
        # all replaced: (9 - 2)^2 + variance of the real ones, 40 / 39
        assert found[-1] == pytest.approx(49 + 40 / 39)

    def test_same_however_many_at_once_and_whatever_the_mode(self) -> None:
        model = nn.Sequential(nn.Dropout(0.5), net())
        model.train()[1].eval()
        one = FrechetChemNetDistance(model, SmilesTokenizer(60), at_once=2)
        sets = random_smiles(9, generator=torch.Generator().manual_seed(1)), ["CC", "CO", "N"]
        found = one(*sets)
        assert model[0].training
        assert not model[1].training
        many = FrechetChemNetDistance(model.eval(), SmilesTokenizer(60))
        assert many(*sets) == pytest.approx(found, rel=1e-9)

    def test_another_padding_is_another_distance(self) -> None:
        sets = ["CCO", "CN", "CCCC"], ["c1ccccc1", "CBr", "CCl"]
        assert measure(length=10)(*sets) != pytest.approx(measure(length=40)(*sets), rel=1e-5)

    def test_no_slope_is_kept(self) -> None:
        assert not measure().features(["CC", "O"]).requires_grad


class TestBadInput:
    def test_too_few(self) -> None:
        with pytest.raises(ValueError, match="A set has 1 molecules"):
            measure()(["C", "O"], ["C"])

    def test_fewer_than_features(self) -> None:
        with pytest.warns(UserWarning, match="3 molecules for 3 features"):
            measure()(["C", "O", "N"], ["C", "O", "N", "CC"])

    def test_unreadable(self) -> None:
        with pytest.raises(ValueError, match="SMILES 1 has 60 symbols"):
            measure()(["C", "C" * 60], ["C", "O"])
        with pytest.raises(TypeError, match="not one string"):
            measure()("CC", ["C", "O"])  # type: ignore[arg-type]

    def test_settings(self) -> None:
        with pytest.raises(ValueError, match="at_once is 0"):
            FrechetChemNetDistance(net(), at_once=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claim(seed: int) -> None:
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
