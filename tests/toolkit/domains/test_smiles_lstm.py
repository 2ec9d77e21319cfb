"""SmilesLSTM, its masked loss, and screening: against plain loops and numbers by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hydroml.toolkit.demos.smiles_lstm import run
from hydroml.toolkit.domains.smiles_lstm import (
    ScreeningRules,
    SmilesLSTM,
    fragment_distance,
    masked_bce,
    screen,
)
from hydroml.toolkit.smiles import SmilesTokenizer


def small(n_tasks: int = 3, n_aux: int = 2) -> SmilesLSTM:
    torch.manual_seed(0)
    return SmilesLSTM(n_tasks, n_aux, conv=6, lstm=(5, 7)).double().eval()


def copied(lstm: nn.LSTM) -> nn.LSTM:
    other = nn.LSTM(lstm.input_size, lstm.hidden_size, batch_first=True).double()
    other.load_state_dict(lstm.state_dict())
    return other


class TestNetwork:
    @pytest.mark.parametrize("steps", [9, 12, 13])
    def test_equals_torch_lstms_on_flipped_input(self, steps: int) -> None:
        model = small()
        x = torch.randn(4, steps, 35, dtype=torch.float64)
        h = x
        for layer in (model.first_conv, model.second_conv):
            n = -(-h.shape[1] // 2)
            zeros = 2 * (n - 1) + 4 - h.shape[1]
            left = h.new_zeros(4, zeros // 2, h.shape[2])
            right = h.new_zeros(4, zeros - zeros // 2, h.shape[2])
            windows = torch.cat([left, h, right], 1).unfold(1, 4, 2)  # (B, n, F, 4)
            h = F.selu(torch.einsum("bnfk,ofk->bno", windows, layer.weight))
        first = copied(model.first_lstm.lstm)(h.flip(1))[0]
        # read backwards once more: from the first symbol to the last
        last = copied(model.second_lstm.lstm)(first.flip(1))[0][:, -1]
        torch.testing.assert_close(model.features(x), last)
        expected = last @ model.output.weight.T + model.output.bias
        torch.testing.assert_close(model(x), expected)

    def test_published_sizes(self) -> None:
        model = SmilesLSTM(4, n_aux=551)
        assert model.first_conv.weight.shape == (32, 35, 4)
        assert model.first_lstm.lstm.hidden_size == 128
        assert model.output.weight.shape == (555, 512)
        # 350 symbols, 175, 88
        assert model.second_conv(model.first_conv(torch.zeros(1, 350, 35))).shape == (1, 88, 32)

    def test_molecules_do_not_act_on_each_other(self) -> None:
        model, rows = small(), SmilesTokenizer(12).one_hot(["CCO", "c1cc1", "N"], torch.float64)
        torch.testing.assert_close(model(rows)[1:2], model(rows[1:2]))

    def test_every_weight_has_a_slope(self) -> None:
        model = small().train()
        model(torch.randn(3, 12, 35, dtype=torch.float64)).sum().backward()
        assert all(p.grad is not None and p.grad.any() for p in model.parameters())

    def test_wrong_shapes(self) -> None:
        with pytest.raises(ValueError, match=r"\(2, 5, 34\); expected \(B, T, 35\)"):
            small()(torch.zeros(2, 5, 34).double())
        with pytest.raises(ValueError, match="n_tasks is 0"):
            SmilesLSTM(0)


class TestMaskedLoss:
    def test_by_hand(self) -> None:
        # p = .5 and y = 1: log 2; p = 3/4 (z = log 3) and y = 0: log 4; two unknown: 0; over 4
        z = torch.tensor([[0.0, math.log(3)], [5.0, -5.0]])
        y = torch.tensor([[1.0, 0.0], [0.5, torch.nan]])
        expected = (math.log(2) + math.log(4)) / 4
        assert float(masked_bce(z, y)) == pytest.approx(expected, rel=1e-6)

    @given(st.integers(0, 99), st.integers(1, 5), st.integers(1, 4))
    @settings(max_examples=30)
    def test_equals_a_plain_loop(self, seed: int, rows: int, tasks: int) -> None:
        rng = torch.Generator().manual_seed(seed)
        z = torch.randn(rows, tasks, generator=rng, dtype=torch.float64)
        y = torch.randint(3, (rows, tasks), generator=rng).double() / 2  # 0, 1/2, 1
        total = 0.0
        for b in range(rows):
            for s in range(tasks):
                p = 1 / (1 + math.exp(-float(z[b, s])))
                if y[b, s] == 1:
                    total -= math.log(p)
                elif y[b, s] == 0:
                    total -= math.log(1 - p)
        assert float(masked_bce(z, y)) == pytest.approx(total / (rows * tasks), abs=1e-12)
        known = y != 0.5
        assert float(masked_bce(z, y, known)) == float(masked_bce(z, y))

    def test_what_is_unknown_has_no_slope(self) -> None:
        z = torch.zeros(2, 2, requires_grad=True)
        masked_bce(z, torch.tensor([[1.0, 0.5], [torch.nan, 0.0]])).backward()
        # (p - y) / 4 where known
        assert z.grad is not None
        assert z.grad.tolist() == [[-0.125, 0.0], [0.0, 0.125]]

    def test_nothing_known(self) -> None:
        z = torch.randn(3, 2, requires_grad=True)
        loss = masked_bce(z, torch.full((3, 2), 0.5))
        loss.backward()
        assert z.grad is not None
        assert (loss.item(), z.grad.any()) == (0.0, False)

    def test_refusals(self) -> None:
        z = torch.zeros(2, 2)
        with pytest.raises(ValueError, match="one shape"):
            masked_bce(z, torch.zeros(2, 1))
        with pytest.raises(ValueError, match=r"mask is torch\.float32"):
            masked_bce(z, z, z)
        with pytest.raises(ValueError, match="outside 0 to 1"):
            masked_bce(z, z + 2)
        with pytest.raises(ValueError, match="NaN or outside"):
            masked_bce(z, z * torch.nan, torch.ones(2, 2, dtype=torch.bool))
        with pytest.raises(ValueError, match="at least one entry"):
            masked_bce(torch.zeros(0, 2), torch.zeros(0, 2))


class Counts(nn.Module):
    """Logits: symbols of C, N, O, and Br, less 2."""

    def __init__(self) -> None:
        super().__init__()
        self.trained_on = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.trained_on(x) * 35
        return rows[..., [0, 1, 2, 8]].sum(1) - 2


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


class TestScreening:
    library = ("CCN", "CCCC", "NNN", "CNBr", "CCCNNN", "CCN", "BrBrCCCC")

    def test_ranks_by_the_mean_probability(self) -> None:
        hits = screen(Counts(), self.library, tasks=[0, 1], top_k=3)
        # C and N counted: CCCNNN (3, 3), CCCC (4, 0), BrBrCCCC the same but later
        assert [(hit.smiles, hit.position) for hit in hits] == [
            ("CCCNNN", 4), ("CCCC", 1), ("BrBrCCCC", 6),
        ]  # fmt: skip
        assert hits[0].consensus == pytest.approx(sigmoid(1))
        assert hits[1].scores == pytest.approx((sigmoid(2), sigmoid(-2)))
        assert hits[1].consensus == pytest.approx(0.5)
        assert math.isnan(hits[0].distance)

    def test_all_of_them_without_repeats(self) -> None:
        hits = screen(Counts(), iter(self.library), tasks=[0, 1])
        assert sorted(hit.position for hit in hits) == [0, 1, 2, 3, 4, 6]  # CCN once, the first

    def test_toxic_ones_are_left_out(self) -> None:
        # task 3 is toxic from two Br on: logit 0
        rules = ScreeningRules(most_toxic=0)
        hits = screen(Counts(), self.library, [0], 3, tox_tasks=[3], rules=rules)
        assert [hit.smiles for hit in hits] == ["CCCC", "CCCNNN", "CCN"]
        free = screen(Counts(), self.library, [0], 3, tox_tasks=[3])
        assert [(hit.smiles, hit.toxic_count) for hit in free] == [
            ("CCCC", 0), ("BrBrCCCC", 1), ("CCCNNN", 0),
        ]  # fmt: skip

    def test_similar_but_new(self) -> None:
        rules = ScreeningRules(known=["CCCC"], nearest=0.01, farthest=0.6)
        hits = screen(Counts(), self.library, [0], rules=rules)
        # BrBrCCCC: 11 pieces, of which 4 are those of CCCC. CCCNNN: 3 of 13 in common
        # CCN: C, N, CC, CN, CCN; CCCC has C, CC, CCC, CCCC: 2 of 7 in common
        assert [hit.smiles for hit in hits] == []
        wider = ScreeningRules(known=["CCCC"], nearest=0.01, farthest=0.72)
        found = screen(Counts(), self.library, [0], rules=wider)
        assert [hit.smiles for hit in found] == ["BrBrCCCC", "CCN"]
        assert found[0].distance == pytest.approx(7 / 11)
        assert found[1].distance == pytest.approx(5 / 7)

    def test_a_distance_of_the_callers(self) -> None:
        rules = ScreeningRules(known=["C"], farthest=0.5, distance=lambda a, b: float("N" in a))
        hits = screen(Counts(), self.library, [0], rules=rules)
        assert [hit.smiles for hit in hits] == ["CCCC", "BrBrCCCC"]

    def test_many_batches_are_one(self) -> None:
        rng = torch.Generator().manual_seed(0)
        drawn = torch.randint(4, (700, 9), generator=rng).tolist()
        texts = ["".join("CNOS"[k] for k in row) for row in drawn]
        hits = screen(Counts(), texts, tasks=[0], top_k=50)
        order = sorted(range(700), key=lambda i: (-texts[i].count("C"), i))
        unique = list(dict.fromkeys(texts[i] for i in order))
        assert [hit.smiles for hit in hits] == unique[:50]

    def test_runs_in_evaluation_and_leaves_the_mode(self) -> None:
        model = Counts().train()
        one, two = (screen(model, self.library, [0, 1]) for _ in range(2))
        assert [hit.consensus for hit in one] == [hit.consensus for hit in two]
        assert model.training

    def test_refusals(self) -> None:
        with pytest.raises(ValueError, match="0 tasks"):
            screen(Counts(), ["C"], [])
        with pytest.raises(ValueError, match="known molecules"):
            ScreeningRules(nearest=0.2)
        with pytest.raises(ValueError, match="the nearest first"):
            ScreeningRules(known=["C"], nearest=0.5, farthest=0.2)
        rules = ScreeningRules(SmilesTokenizer(4))
        with pytest.raises(ValueError, match="4 symbols; 3 and an end fit"):
            screen(Counts(), ["C", "CCCC"], [0], rules=rules)
        broken = nn.Sequential(nn.Flatten(), nn.Linear(350 * 35, 1))
        nn.init.constant_(broken[1].weight, torch.nan)
        with pytest.raises(ValueError, match="SMILES 0, 'C', has a score of NaN"):
            screen(broken, ["C"], [0])


@given(st.text("CNOl(=", min_size=1, max_size=8), st.text("CNOl(=", min_size=1, max_size=8))
def test_distance_of_pieces(a: str, b: str) -> None:
    assert fragment_distance(a, a) == 0
    assert 0 <= fragment_distance(a, b) == fragment_distance(b, a) <= 1


def test_another_way_to_write_the_same_molecule() -> None:
    chem = pytest.importorskip("rdkit.Chem")

    def rewrite(text: str) -> str:
        return str(chem.MolToSmiles(chem.MolFromSmiles(text), doRandom=True))

    tokenizer = SmilesTokenizer(40, rewrite=rewrite)
    written = {tokenizer.decode(tokenizer.encode(["CC(Cl)c1ccc(O)nc1"]))[0] for _ in range(30)}
    assert len(written) > 3
    assert {chem.CanonSmiles(text) for text in written} == {chem.CanonSmiles("CC(Cl)c1ccc(O)nc1")}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claim(seed: int) -> None:
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
