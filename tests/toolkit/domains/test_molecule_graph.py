"""Graph network of molecules: plain loops, renumbering, and substructures that are known."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hydroml.toolkit.attribution.integrated_gradients import integrated_gradients
from hydroml.toolkit.demos.molecule_graph import run
from hydroml.toolkit.domains.molecule_graph import (
    MolGraphNet,
    PairGraphConv,
    atom_scores,
    top_substructures,
)
from hydroml.toolkit.domains.molecules import (
    ELEMENTS,
    FEATURES,
    MOTIFS,
    VALENCE,
    find_chain,
    random_molecules,
)
from hydroml.toolkit.domains.substructures import surroundings


def net(dropout: float = 0.5) -> MolGraphNet:
    torch.manual_seed(0)
    model = MolGraphNet(FEATURES, (7, 6, 5), 4, max_atoms=30, dropout=dropout)
    return model.double().eval()


def molecules(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    drawn = random_molecules(n, np.random.default_rng(seed))
    return drawn.x.double(), drawn.neighbours


def renumbered(x: Tensor, neighbours: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    """Write one molecule down with atom ``order[i]`` at place i."""
    new_place = torch.empty_like(order)
    new_place[order] = torch.arange(len(order))
    moved = neighbours[order]
    return x[order], torch.where(moved >= 0, new_place[moved.clamp(min=0)], -1)


class TestConvolution:
    def test_by_hand(self) -> None:
        # W = (1, -1), V = (2, 0.5): atom 0 (1, 2) beside atom 1 (3, 4) alone
        layer = PairGraphConv(2, 1).double()
        with torch.no_grad():
            layer.own.copy_(torch.tensor([[1.0, -1.0]]))
            layer.beside.copy_(torch.tensor([[2.0, 0.5]]))
        x = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]], dtype=torch.float64)
        neighbours = torch.tensor([[[1, -1, -1, -1], [0, -1, -1, -1]]])
        # atom 0: pair -1 + 8 = 7, empty places relu(-1) = 0: 7/4. atom 1: -1 + 3 = 2: 2/4
        assert layer(x, neighbours)[0, :, 0].tolist() == [1.75, 0.5]

    @given(st.integers(0, 999))
    @settings(max_examples=15)
    def test_equals_plain_loops(self, seed: int) -> None:
        rng = torch.Generator().manual_seed(seed)
        layer = PairGraphConv(3, 5).double()
        x = torch.randn(2, 4, 3, generator=rng, dtype=torch.float64)
        neighbours = torch.randint(-1, 4, (2, 4, 4), generator=rng)
        found = layer(x, neighbours)
        for b in range(2):
            for a in range(4):
                total = torch.zeros(5, dtype=torch.float64)
                for n in neighbours[b, a].tolist():
                    beside = x[b, n] if n >= 0 else torch.zeros(3, dtype=torch.float64)
                    total += (layer.own @ x[b, a] + layer.beside @ beside).clamp(min=0)
                torch.testing.assert_close(found[b, a], total / 4)

    def test_first_weights(self) -> None:
        torch.manual_seed(0)
        layer = PairGraphConv(40, 500)
        # He: 2 / (2 * 40); 20,000 draws
        assert float(layer.own.detach().var()) == pytest.approx(1 / 40, rel=0.05)
        assert float(layer.beside.detach().var()) == pytest.approx(1 / 40, rel=0.05)


class TestInvariance:
    @given(st.integers(0, 999))
    @settings(max_examples=20)
    def test_numbering_and_order_of_neighbours(self, seed: int) -> None:
        rng = torch.Generator().manual_seed(seed)
        model, (x, neighbours) = net(), molecules(1, seed)
        order = torch.randperm(x.shape[1], generator=rng)
        moved_x, moved = renumbered(x[0], neighbours[0], order)
        places = torch.rand(moved.shape, generator=rng).argsort(1)
        moved = moved.gather(1, places)
        torch.testing.assert_close(model(moved_x[None], moved[None]), model(x, neighbours))
        scores = atom_scores(model, x, neighbours)[0]
        torch.testing.assert_close(atom_scores(model, moved_x[None], moved[None])[0], scores[order])

    def test_longer_padding(self) -> None:
        model, (x, neighbours) = net(), molecules(3)
        longer = torch.cat([x, x.new_zeros(3, 4, FEATURES)], 1)
        none = torch.full((3, 4, 4), -1)
        torch.testing.assert_close(
            model(longer, torch.cat([neighbours, none], 1)), model(x, neighbours)
        )

    def test_an_atom_knows_what_is_three_bonds_away_and_no_farther(self) -> None:
        model, chain = net(), torch.full((1, 6, 4), -1)
        for a in range(5):
            chain[0, a, 1], chain[0, a + 1, 0] = a + 1, a
        x = torch.rand(1, 6, FEATURES, dtype=torch.float64)
        changed = x.clone()
        changed[0, 5] += 1
        moved = (model.represent(changed, chain) != model.represent(x, chain)).any(2)[0]
        assert moved.tolist() == [False, False, True, True, True, True]


class TestInterpretation:
    def test_scores_of_atoms_by_hand(self) -> None:
        model, (x, neighbours) = net(), molecules(2)
        h = model.represent(x, neighbours)
        scores = atom_scores(model, x, neighbours)
        for a in (0, 9):
            hidden = (model.dense.weight @ (h[1, a] / 30) + model.dense.bias).clamp(min=0)
            expected = model.output.weight @ hidden + model.output.bias
            torch.testing.assert_close(scores[1, a], expected[0])

    def test_a_molecule_of_one_atom_has_its_score(self) -> None:
        model = net()
        x, none = torch.rand(1, 1, FEATURES, dtype=torch.float64), torch.full((1, 1, 4), -1)
        torch.testing.assert_close(atom_scores(model, x, none), model(x, none))

    def test_scores_leave_the_mode(self) -> None:
        model, (x, neighbours) = net().train(), molecules(2)
        one, two = (atom_scores(model, x, neighbours) for _ in range(2))
        assert torch.equal(one, two)
        assert model.training

    def test_the_best_come_first_and_once(self) -> None:
        model, (x, neighbours) = net(), molecules(4)
        twice = torch.cat([x, x]), torch.cat([neighbours, neighbours])
        top = top_substructures(model, *twice, k=10)
        assert top == top_substructures(model, x, neighbours, k=10)
        scores = [s.score for s in top]
        there = x.any(2)
        assert scores == sorted(scores, reverse=True)
        assert scores[0] == float(atom_scores(model, x, neighbours)[there].max())
        assert all(s.atom in s.atoms and s.molecule < 4 for s in top)

    def test_all_kinds_of_surroundings(self) -> None:
        # a chain of four equal atoms and its mirror image: ends and middles
        chain = torch.full((1, 4, 4), -1)
        for a in range(3):
            chain[0, a, 1], chain[0, a + 1, 0] = a + 1, a
        x = torch.ones(1, 4, FEATURES, dtype=torch.float64)
        found = top_substructures(net(), x, chain, k=50, radius=1)
        assert {s.atoms for s in found} == {(0, 1), (0, 1, 2)}
        assert top_substructures(net(), 0 * x, chain) == []

    def test_neurons_are_those_of_the_way_to_the_logit(self) -> None:
        model, (x, neighbours) = net(), molecules(3)
        neurons = model.neurons(x, neighbours)
        assert neurons.shape == (3, 7 + 6 + 5 + 4)
        torch.testing.assert_close(model.output(neurons[:, -4:]), model(x, neighbours))
        torch.testing.assert_close(neurons[:, 13:18], model.pool(model.represent(x, neighbours)))

    def test_integrated_gradients_are_complete_and_leave_padding_out(self) -> None:
        model, (x, neighbours) = net(), molecules(2)
        found = integrated_gradients(model, x, target=0, steps=100, fixed=(neighbours,))
        assert isinstance(found.attributions, Tensor)
        assert float(found.gap.abs().max()) < 5e-3 * float(found.output.abs().max())
        assert not found.attributions[x == 0].any()

    def test_captum(self) -> None:
        captum = pytest.importorskip("captum.attr")
        model, (x, neighbours) = net(), molecules(2)
        ours = integrated_gradients(model, x, target=0, steps=50, fixed=(neighbours,))
        oracle = captum.IntegratedGradients(model).attribute(
            x, target=0, additional_forward_args=(neighbours,), n_steps=50
        )
        assert isinstance(ours.attributions, Tensor)
        torch.testing.assert_close(ours.attributions, oracle, atol=1e-10, rtol=1e-8)


class TestMolecules:
    def test_they_are_molecules(self) -> None:
        drawn = random_molecules(30, np.random.default_rng(1))
        for x, neighbours in zip(drawn.x * FEATURES, drawn.neighbours, strict=True):
            there = x.any(1)
            count = int(there.sum())
            assert there[:count].all()
            bonds = [[n for n in row if n >= 0] for row in neighbours.tolist()]
            assert all(a in bonds[b] for a in range(count) for b in bonds[a])  # both know of it
            assert all(len(set(row)) == len(row) for row in bonds)
            for a in range(count):
                kind = ELEMENTS[int(x[a, :8].argmax())]
                assert 1 <= len(bonds[a]) <= VALENCE[kind]
            assert surroundings(neighbours, 0, count) == tuple(range(count))  # in one piece
            assert not any(bonds[count:])

    def test_motifs_are_where_a_search_by_hand_finds_them(self) -> None:
        drawn = random_molecules(40, np.random.default_rng(2), toxic=0.6)
        for x, neighbours, motifs in zip(*drawn, strict=True):
            kinds = [ELEMENTS[k] for k in x[x.any(1)][:, :8].argmax(1).tolist()]
            for m, (p, q, r, s) in enumerate(MOTIFS):
                atoms = set()
                for b in range(len(kinds)):
                    for c in neighbours[b].tolist():
                        if c < 0 or (kinds[b], kinds[c]) != (q, r):
                            continue
                        before = [a for a in neighbours[b].tolist() if a >= 0 and kinds[a] == p]
                        after = [a for a in neighbours[c].tolist() if a >= 0 and kinds[a] == s]
                        if before and after:
                            atoms |= {b, c, *before, *after}
                assert set(motifs[:, m].nonzero()[:, 0].tolist()) == atoms

    def test_decoys_only(self) -> None:
        clean = random_molecules(60, np.random.default_rng(0), toxic=0.0)
        spoilt = random_molecules(60, np.random.default_rng(0), toxic=1.0)
        assert clean.motifs.flatten(1).any(1).float().mean() < 0.1  # some come by chance
        assert spoilt.motifs.flatten(1).any(1).all()

    def test_a_chain_does_not_turn_back(self) -> None:
        assert find_chain(["O", "N"], [[1], [0]], ["O", "N", "O"]) == set()

    def test_no_molecule(self) -> None:
        with pytest.raises(ValueError, match="make no molecule"):
            random_molecules(1, np.random.default_rng(0), atoms=(5, 4))


class TestBadInput:
    def test_shapes(self) -> None:
        model, (x, neighbours) = net(), molecules(2)
        with pytest.raises(ValueError, match=r"expected \(B, A, 12\)"):
            model(x[..., 1:], neighbours)
        with pytest.raises(ValueError, match=r"expected \(2, 24, 4\)"):
            model(x, neighbours[..., :3])
        with pytest.raises(ValueError, match=r"A from 1 to 30 \(max_atoms\)"):
            model(torch.zeros(1, 31, FEATURES).double(), torch.full((1, 31, 4), -1))

    def test_neighbours(self) -> None:
        model, (x, neighbours) = net(), molecules(2)
        with pytest.raises(TypeError, match=r"Neighbours are torch.float64"):
            model(x, neighbours.double())
        with pytest.raises(ValueError, match="from -1 to 24; there are atoms 0 to 23"):
            model(x, neighbours.where(neighbours != 1, 24))

    def test_settings(self) -> None:
        with pytest.raises(ValueError, match="at least one layer"):
            MolGraphNet(hidden=())
        with pytest.raises(ValueError, match="k is 0"):
            top_substructures(net(), *molecules(1), k=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claim(seed: int) -> None:
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
