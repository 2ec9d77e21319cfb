"""SMILES as numbers: symbols from text and text from symbols, ends, padding; random molecules."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hydroml.toolkit.smiles import SYMBOLS, SmilesTokenizer
from hydroml.toolkit.smiles_grammar import UNITS, contains, random_smiles
from hydroml.toolkit.smiles_layers import BackwardLSTM, SymbolConv


class TestSymbols:
    def test_the_published_list(self) -> None:
        assert len(SYMBOLS) == len(set(SYMBOLS)) == 35
        assert SYMBOLS[:10] == ("C", "N", "O", "H", "F", "Cl", "P", "B", "Br", "S")
        assert SYMBOLS[-2:] == ("X", ".")

    @given(st.lists(st.sampled_from(SYMBOLS), min_size=1, max_size=30))
    def test_symbols_written_side_by_side_are_read_as_written(self, symbols: list[str]) -> None:
        assert SmilesTokenizer().tokenize("".join(symbols)) == symbols

    @given(st.lists(st.text("CNOFlBrSi#()=[]@cnos.123", min_size=1, max_size=12), max_size=4))
    def test_round_trip(self, smiles: list[str]) -> None:
        tokenizer = SmilesTokenizer(13)
        back = tokenizer.decode(tokenizer.encode(smiles))
        assert back == ["".join(tokenizer.tokenize(text)) for text in smiles]
        # only characters without a symbol (l, r, i that follow no atom) are lost
        for text, again in zip(smiles, back, strict=True):
            assert ("X" in again) == (text != again)

    def test_two_letters_before_one(self) -> None:
        cut = SmilesTokenizer().tokenize
        assert cut("ClCBrSiC") == ["Cl", "C", "Br", "Si", "C"]
        assert cut("CCl") == ["C", "Cl"]
        assert cut("Sn") == ["S", "n"]
        assert cut("Co%l\n") == ["C", "o", "X", "X", "X"]

    def test_a_salt_keeps_its_dot(self) -> None:
        tokenizer = SmilesTokenizer(8)
        assert tokenizer.encode(["C.Cl"])[0].tolist() == [0, 34, 5, 34, -1, -1, -1, -1]
        assert tokenizer.decode(tokenizer.encode(["C.Cl", "C."])) == ["C.Cl", "C."]


class TestRows:
    def test_by_hand(self) -> None:
        rows = SmilesTokenizer(4).one_hot(["OCl"], torch.float64)[0]
        expected = torch.zeros(4, 35, dtype=torch.float64)
        expected[0, 2] = expected[1, 5] = expected[2, 34] = 1 / 35
        assert torch.equal(rows, expected)

    def test_scale(self) -> None:
        rows = SmilesTokenizer(4, scale=35**0.5).one_hot(["OCl", "CCC"])
        # the mean square of a row that is not padding is 1
        assert rows.square().mean(2)[1].tolist() == pytest.approx([1, 1, 1, 1])

    def test_padding_longer_adds_only_zeros(self) -> None:
        short, long = (SmilesTokenizer(n).one_hot(["CCO", "N"]) for n in (5, 9))
        assert torch.equal(long[:, :5], short)
        assert not long[:, 5:].any()

    def test_rewrite(self) -> None:
        tokenizer = SmilesTokenizer(4, rewrite=lambda text: text[::-1])
        assert tokenizer.decode(tokenizer.encode(["CO"])) == ["OC"]

    def test_nothing(self) -> None:
        assert SmilesTokenizer(4).one_hot([]).shape == (0, 4, 35)


class TestTooLong:
    def test_the_longest_that_fits(self) -> None:
        assert SmilesTokenizer(4).encode(["CCC"]).tolist() == [[0, 0, 0, 34]]

    def test_raises(self) -> None:
        with pytest.raises(ValueError, match="SMILES 1 has 4 symbols; 3 and an end fit"):
            SmilesTokenizer(4).encode(["C", "CCCC"])

    def test_truncates_where_told(self) -> None:
        tokenizer = SmilesTokenizer(4, too_long="truncate")
        assert tokenizer.encode(["CClNON"]).tolist() == [[0, 5, 1, 34]]


class TestBadInput:
    def test_no_list_of_strings(self) -> None:
        with pytest.raises(TypeError, match="list of SMILES"):
            SmilesTokenizer().encode("CCO")
        with pytest.raises(TypeError, match="not int: 3"):
            SmilesTokenizer().encode([3])  # type: ignore[list-item]
        with pytest.raises(ValueError, match="empty"):
            SmilesTokenizer().encode(["C", ""])

    def test_settings(self) -> None:
        with pytest.raises(ValueError, match="length is 1"):
            SmilesTokenizer(1)
        with pytest.raises(ValueError, match="choose raise or truncate"):
            SmilesTokenizer(too_long="cut")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="scale is 0"):
            SmilesTokenizer(scale=0)

    def test_no_symbol(self) -> None:
        with pytest.raises(ValueError, match="numbers go from 0 to 35"):
            SmilesTokenizer().decode(torch.tensor([[0, 35]]))


class TestGrammar:
    def test_molecules_are_made_of_units(self) -> None:
        drawn = random_smiles(50, units=(2, 2), generator=torch.Generator().manual_seed(0))
        pairs = {a + b for a in UNITS for b in UNITS}
        assert set(drawn) <= pairs
        assert len(set(drawn)) > 30

    def test_same_seed_same_molecules(self) -> None:
        one, two = (random_smiles(9, generator=torch.Generator().manual_seed(3)) for _ in range(2))
        assert one == two

    def test_longest_and_weights(self) -> None:
        weights = dict.fromkeys(UNITS, 0.0) | {"C": 1.0, "c1ccc(cc1)": 1.0}
        drawn = random_smiles(40, units=(1, 3), longest=12, weights=weights)
        lengths = [len(SmilesTokenizer().tokenize(text)) for text in drawn]
        assert len(drawn) == 40
        assert max(lengths) <= 12
        assert not contains(drawn, ["N", "O", "Cl"]).any()

    def test_refusals(self) -> None:
        with pytest.raises(ValueError, match="Hardly any molecule"):
            random_smiles(1, units=(5, 5), longest=4)
        with pytest.raises(KeyError, match="no unit 'Xe'"):
            random_smiles(1, weights={"Xe": 1.0})
        with pytest.raises(ValueError, match="not 0 for every unit"):
            random_smiles(1, weights=dict.fromkeys(UNITS, 0.0))
        with pytest.raises(ValueError, match="the fewest first"):
            random_smiles(1, units=(3, 2))

    def test_a_chemistry_package_reads_them(self) -> None:
        chem = pytest.importorskip("rdkit.Chem")
        drawn = random_smiles(300, generator=torch.Generator().manual_seed(0))
        assert all(chem.MolFromSmiles(text) is not None for text in drawn)


class TestLayers:
    @pytest.mark.parametrize("steps", [1, 4, 7, 8])
    @pytest.mark.parametrize("stride", [1, 2])
    def test_convolution_against_a_plain_loop(self, steps: int, stride: int) -> None:
        torch.manual_seed(0)
        layer = SymbolConv(3, 5, kernel=4, stride=stride).double()
        x = torch.randn(2, steps, 3, dtype=torch.float64)
        outputs = -(-steps // stride)
        left = max((outputs - 1) * stride + 4 - steps, 0) // 2
        found = layer(x)
        assert found.shape == (2, outputs, 5)
        for t in range(outputs):
            sums = torch.zeros(2, 5, dtype=torch.float64)
            for k in range(4):
                place = stride * t + k - left
                if 0 <= place < steps:
                    sums += x[:, place] @ layer.weight[:, :, k].T
            torch.testing.assert_close(found[:, t], torch.selu(sums))

    def test_first_weights_have_variance_one_over_fan_in(self) -> None:
        torch.manual_seed(0)
        weight = SymbolConv(35, 200, kernel=4).weight
        # 28,000 draws: the variance is known to about 1 %
        assert float(weight.detach().var()) == pytest.approx(1 / 140, rel=0.04)

    def test_it_reads_from_the_end(self) -> None:
        torch.manual_seed(0)
        layer = BackwardLSTM(3, 4).double()
        x = torch.randn(2, 6, 3, dtype=torch.float64)
        changed = x.clone()
        changed[:, 2] += 1  # read as the fourth of six: the three before it cannot know
        first, second = layer(x), layer(changed)
        assert torch.equal(first[:, :3], second[:, :3])
        assert (first[:, 3:] != second[:, 3:]).all()
