import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from hydroml.toolkit.attention.bag_attention import (
    pool_bags,
    require_sizes,
    segment_softmax,
    subsample_bags,
    top_of_bags,
)
from hydroml.toolkit.attention.deeprc import (
    AttentionNetwork,
    BinaryTask,
    DeepRC,
    MulticlassTask,
    OutputNetwork,
    RegressionTask,
    SequenceEmbeddingCNN,
    SequenceEmbeddingLSTM,
    TaskHeads,
    initialise,
    position_features,
)
from hydroml.toolkit.demos.deeprc import run

EMBEDDINGS = {
    "cnn": lambda: SequenceEmbeddingCNN(5, 7, kernels=6, kernel_size=3),
    "lstm": lambda: SequenceEmbeddingLSTM(5, 7, hidden=6),
}


def model_of(kind: str = "cnn", fraction: float = 1.0, chunk: int = 50_000) -> DeepRC:
    torch.manual_seed(1)
    embedding, attention = EMBEDDINGS[kind](), AttentionNetwork(6, hidden=4)
    model = DeepRC(embedding, attention, OutputNetwork(6, 2, layers=1), fraction, chunk).double()
    for p in model.parameters():  # larger than the official start: equalities have something to do
        nn.init.normal_(p, std=0.7)
    return model


def bags_of(*sizes: int, seed: int = 0) -> tuple[list[Tensor], list[Tensor]]:
    rng = torch.Generator().manual_seed(seed)
    bags, lengths = [], []
    for size in sizes:
        own = torch.randint(1, 8, (size,), generator=rng)
        symbols = torch.randint(5, (size, 7), generator=rng)
        bags.append(symbols.masked_fill(torch.arange(7) >= own[:, None], -1))
        lengths.append(own)
    return bags, lengths


def plain(model: DeepRC, bags: list[Tensor]) -> Tensor:
    """Softmax pooling bag by bag, without reduction."""
    rows = []
    for bag in bags:
        h = model.embedding(bag)
        rows.append(torch.softmax(model.score(h)[:, 0], 0) @ h)
    return model.output(torch.stack(rows))


def gradients(model: DeepRC, out: Tensor) -> list[Tensor]:
    model.zero_grad()
    (out * torch.arange(1.0, out.numel() + 1).reshape(out.shape)).sum().backward()
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


class TestPositionFeatures:
    def test_length_four_by_hand(self) -> None:
        # linspace(1, 0, 4) = 1, 2/3, 1/3, 0; u = 2 |0.5 - .| = 1, 1/3, 1/3, 1
        found = position_features(torch.tensor([4]), 6)[0]
        expected = [
            [1, 1 / 3, 0, 0, 0, 0],
            [0, 0, 1 / 3, 1, 0, 0],
            [0, 2 / 3, 2 / 3, 0, 0, 0],
        ]
        torch.testing.assert_close(found.T, torch.tensor(expected))

    def test_one_symbol_is_a_start(self) -> None:
        assert position_features(torch.tensor([1]), 2).tolist() == [[[1, 0, 0], [0, 0, 0]]]

    @given(st.lists(st.integers(1, 12), min_size=1, max_size=5))
    def test_against_a_loop_over_linspace(self, lengths: list[int]) -> None:
        found = position_features(torch.tensor(lengths), 12).numpy()
        for row, n in zip(found, lengths, strict=True):
            u = 2 * np.abs(0.5 - np.linspace(1, 0, n))
            half = math.ceil(n / 2)
            assert np.allclose(row[:half, 0], u[:half], atol=1e-6)
            assert np.allclose(row[half:n, 1], u[half:], atol=1e-6)
            assert np.allclose(row[:n, 2], 1 - u, atol=1e-6)
            assert not row[n:].any()
            assert not row[half:, 0].any()
            assert not row[:half, 1].any()

    @pytest.mark.parametrize("length", [0, 9])
    def test_lengths_out_of_range(self, length: int) -> None:
        with pytest.raises(ValueError, match=rf"Sequence 1 has the length {length}; give 1 to 8"):
            position_features(torch.tensor([8, length]), 8)


class TestEmbeddings:
    def test_features_have_deviation_one_in_full_sequences(self) -> None:
        encode = SequenceEmbeddingCNN(5, 7).encode
        features, _ = encode(torch.randint(5, (3, 7)), None)
        assert float(features.std(unbiased=False)) == pytest.approx(1, abs=1e-6)

    @pytest.mark.parametrize("kind", EMBEDDINGS)
    def test_padding_and_neighbours_do_not_matter(self, kind: str) -> None:
        embedding = EMBEDDINGS[kind]().double()
        alone = embedding(torch.tensor([[1, 2, 3, 4]]))
        padded = embedding(torch.tensor([[1, 2, 3, 4, -1, -1], [0, 0, 0, 0, 0, 0]]))
        torch.testing.assert_close(alone[0], padded[0])
        # what stands behind the given length is not read
        ahead = embedding(torch.tensor([[1, 2, 3, 4, 0, 9]]), torch.tensor([4]))
        torch.testing.assert_close(alone, ahead)

    def test_sequence_shorter_than_the_kernel(self) -> None:
        embedding = SequenceEmbeddingCNN(5, 7, kernels=6, kernel_size=3).double()
        found = embedding(torch.tensor([[2]]))
        features, _ = embedding.encode(torch.tensor([[2]]), None)
        by_hand = embedding.conv.weight[..., 0] @ features[0, 0] + embedding.conv.bias
        torch.testing.assert_close(found[0], nn.functional.selu(by_hand))

    @pytest.mark.parametrize("kind", EMBEDDINGS)
    def test_soft_symbols_equal_hard_ones(self, kind: str) -> None:
        embedding = EMBEDDINGS[kind]().double()
        symbols = torch.randint(5, (4, 7))
        soft = nn.functional.one_hot(symbols, 5).double().requires_grad_()
        found = embedding(soft)
        torch.testing.assert_close(found, embedding(symbols))
        found.sum().backward()
        assert soft.grad is not None
        assert float(soft.grad.abs().sum()) > 0

    @pytest.mark.parametrize(
        ("sequences", "message"),
        [
            (torch.tensor([[1, 5]]), "Sequence 0 has the symbol 5 at position 1"),
            (torch.tensor([[1, -1, 2]]), "symbol -1 at position 1"),
            (torch.tensor([[-1, -1]]), "Sequence 0 has the length 0"),
            (torch.zeros(2, 3, 4), "4 symbols instead of 5"),
            (torch.zeros(2, 3), "must be integers"),
        ],
    )
    def test_wrong_sequences(self, sequences: Tensor, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            EMBEDDINGS["cnn"]()(sequences)

    def test_initial_weights(self) -> None:
        layer = nn.Linear(200, 50)
        initialise(layer, torch.Generator().manual_seed(0))
        assert float(layer.weight.detach().std()) == pytest.approx(
            1 / math.sqrt(200 * 50), rel=0.03
        )
        assert not layer.bias.any()


class TestBags:
    @given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.integers(0, 99))
    def test_segments_equal_a_loop(self, sizes: list[int], seed: int) -> None:
        rng = torch.Generator().manual_seed(seed)
        scores = 30 * torch.randn(sum(sizes), generator=rng, dtype=torch.float64)
        values = torch.randn(sum(sizes), 3, generator=rng, dtype=torch.float64)
        owned = torch.tensor(sizes)
        weights = segment_softmax(scores, owned)
        pooled = pool_bags(weights, values, owned)
        for row, s, v in zip(pooled, scores.split(sizes), values.split(sizes), strict=True):
            torch.testing.assert_close(row, s.softmax(0) @ v)

    def test_huge_scores_stay_finite(self) -> None:
        found = segment_softmax(torch.tensor([1e30, -1e30, -1e30]), torch.tensor([2, 1]))
        assert found.tolist() == [1, 0, 1]

    @given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 99))
    def test_top_equals_topk_of_each_bag(self, sizes: list[int], seed: int) -> None:
        rng = torch.Generator().manual_seed(seed)
        scores = torch.randn(sum(sizes), generator=rng)
        counts = torch.tensor([max(1, n // 2) for n in sizes])
        rows = top_of_bags(scores, torch.tensor(sizes), counts)
        start, expected = 0, []
        for n, k in zip(sizes, counts.tolist(), strict=True):
            expected += sorted((scores[start : start + n].topk(k).indices + start).tolist())
            start += n
        assert rows.tolist() == expected

    def test_subsample(self) -> None:
        sizes = torch.tensor([50, 3])
        rows, kept = subsample_bags(sizes, 10, generator=torch.Generator().manual_seed(3))
        again, _ = subsample_bags(sizes, 10, generator=torch.Generator().manual_seed(3))
        assert kept.tolist() == [10, 3]
        assert torch.equal(rows, again)
        assert len(set(rows.tolist())) == 13
        assert rows[-3:].tolist() == [50, 51, 52]
        assert int((rows < 50).sum()) == 10

    def test_subsample_of_nothing(self) -> None:
        with pytest.raises(ValueError, match="limit is 0"):
            subsample_bags(torch.tensor([2]), 0)

    @pytest.mark.parametrize(
        ("sizes", "kind", "message"),
        [
            (torch.tensor([2, 0]), ValueError, "Bag 1 is empty"),
            (torch.tensor([2, 3]), ValueError, "add up to 5, but there are 4"),
            (torch.tensor([4.0]), TypeError, "integers"),
            (torch.zeros(0, dtype=torch.long), ValueError, "one size a bag"),
        ],
    )
    def test_wrong_sizes(self, sizes: Tensor, kind: type[Exception], message: str) -> None:
        with pytest.raises(kind, match=message):
            require_sizes(sizes, 4)


class TestDeepRC:
    @pytest.mark.parametrize("kind", EMBEDDINGS)
    def test_without_reduction_it_is_softmax_pooling(self, kind: str) -> None:
        model, (bags, lengths) = model_of(kind), bags_of(30, 1, 8)
        found, expected = model(bags, lengths), plain(model, bags)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
        for mine, theirs in zip(gradients(model, found), gradients(model, expected), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)

    @pytest.mark.parametrize("fraction", [1.0, 0.3])
    @pytest.mark.parametrize("kind", EMBEDDINGS)
    def test_chunks_change_nothing(self, kind: str, fraction: float) -> None:
        bags, lengths = bags_of(30, 1, 8)
        whole, parts = model_of(kind, fraction), model_of(kind, fraction, chunk=4)
        found, expected = parts(bags, lengths), whole(bags, lengths)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
        for mine, theirs in zip(gradients(parts, found), gradients(whole, expected), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)

    def test_reduction_keeps_the_highest_tenth(self) -> None:
        model, (bags, _) = model_of(fraction=0.1), bags_of(30, 5)
        best = [
            model.attention_logits(bag).topk(n).indices for bag, n in zip(bags, (3, 1), strict=True)
        ]
        kept = [bag[rows] for bag, rows in zip(bags, best, strict=True)]
        torch.testing.assert_close(model(bags), plain(model, kept), rtol=1e-12, atol=1e-12)
        weights = model.attention(bags[0])
        assert int((weights > 0).sum()) == 3
        assert float(weights.sum()) == pytest.approx(1, abs=1e-12)
        assert int(weights.argmax()) == int(model.attention_logits(bags[0]).argmax())

    def test_weights_are_those_of_the_forward_pass(self) -> None:
        model, (bags, _) = model_of(fraction=0.5), bags_of(9)
        pooled = model.attention(bags[0]) @ model.embedding(bags[0])
        torch.testing.assert_close(model.output(pooled[None]), model(bags))

    @pytest.mark.parametrize("fraction", [1.0, 0.4])
    def test_flat_bags_equal_a_list(self, fraction: float) -> None:
        model, (bags, lengths) = model_of(fraction=fraction), bags_of(4, 9, 1)
        sizes = torch.tensor([4, 9, 1])
        flat = model(torch.cat(bags), torch.cat(lengths), sizes)
        torch.testing.assert_close(flat, model(bags))
        torch.testing.assert_close(flat[1], model([bags[1]])[0])  # neighbours do not matter

    @given(st.permutations(range(8)))
    def test_order_does_not_matter(self, order: list[int]) -> None:
        model, (bags, _) = model_of(fraction=0.5), bags_of(8)
        shuffled = bags[0][torch.tensor(order)]
        torch.testing.assert_close(model([shuffled]), model(bags))
        torch.testing.assert_close(model.attention(shuffled), model.attention(bags[0])[order])

    def test_a_bag_of_one(self) -> None:
        model, (bags, _) = model_of(fraction=0.1), bags_of(1)
        torch.testing.assert_close(model(bags), model.output(model.embedding(bags[0])))
        assert model.attention(bags[0]).tolist() == [1.0]

    def test_instances_of_any_kind(self) -> None:
        class Days(nn.Module):
            def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
                assert lengths is None
                return x.flatten(1)

        model = DeepRC(Days(), AttentionNetwork(6), OutputNetwork(6), reduce_fraction=1)
        assert model([torch.ones(4, 3, 2), torch.ones(2, 3, 2)]).shape == (2, 1)
        with pytest.raises(ValueError, match="NaN or infinity"):
            model([torch.full((4, 3, 2), torch.nan)])

    def test_wrong_bags(self) -> None:
        model, (bags, lengths) = model_of(), bags_of(3)
        with pytest.raises(ValueError, match="Bag 1 is empty"):
            model([bags[0], bags[0][:0]])
        with pytest.raises(ValueError, match="There is no bag"):
            model([])
        with pytest.raises(ValueError, match="Flat bags need bag_sizes"):
            model(bags[0])
        with pytest.raises(ValueError, match="bag_sizes belong to flat bags"):
            model(bags, lengths, torch.tensor([3]))
        with pytest.raises(ValueError, match="lengths must be one a sequence"):
            model(bags, [lengths[0][:2]])

    @pytest.mark.parametrize(
        ("fraction", "chunk", "message"),
        [(0.0, 5, "reduce_fraction is 0"), (1.5, 5, "reduce_fraction is 1.5"), (1, 0, "chunk")],
    )
    def test_wrong_settings(self, fraction: float, chunk: int, message: str) -> None:
        parts = EMBEDDINGS["cnn"](), AttentionNetwork(6), OutputNetwork(6)
        with pytest.raises(ValueError, match=message):
            DeepRC(*parts, fraction, chunk)


class TestTasks:
    def test_binary_by_hand(self) -> None:
        columns = torch.tensor([[0.0], [math.log(3)], [5.0]])
        target = torch.tensor([1.0, 0.0, torch.nan])
        # -log(1/2) twice as heavy, -log(1 - 3/4); the third is missing
        expected = (2 * math.log(2) + math.log(4)) / 2
        assert float(BinaryTask(positive_weight=2).loss(columns, target)) == pytest.approx(expected)

    def test_classes_by_hand(self) -> None:
        columns = torch.zeros(2, 4)
        task = MulticlassTask(4)
        assert float(task.loss(columns, torch.tensor([2, -1]))) == pytest.approx(math.log(4))
        assert task.predict(columns).tolist() == [[0.25] * 4] * 2

    def test_all_missing_is_zero_and_differentiable(self) -> None:
        columns = torch.ones(2, 6, requires_grad=True)
        heads = TaskHeads((BinaryTask(), MulticlassTask(4), RegressionTask()))
        missing = torch.full((2,), torch.nan)
        loss = heads.loss(columns, [missing, torch.tensor([-1, -1]), missing])
        loss.backward()
        assert float(loss.detach()) == 0
        assert columns.grad is not None
        assert not columns.grad.any()

    def test_weights(self) -> None:
        heads = TaskHeads((RegressionTask(weight=3), RegressionTask(weight=1)))
        columns = torch.tensor([[1.0, 2.0]])
        zero = torch.zeros(1)
        assert float(heads.loss(columns, [zero, zero])) == pytest.approx((3 * 1 + 4) / 4)

    def test_wrong_shapes(self) -> None:
        heads = TaskHeads((BinaryTask(), BinaryTask()))
        with pytest.raises(ValueError, match=r"the tasks need \(B, 2\)"):
            heads.predict(torch.zeros(3, 1))
        with pytest.raises(ValueError, match="2 tasks, but 1 targets"):
            heads.loss(torch.zeros(3, 2), [torch.zeros(3)])
        with pytest.raises(ValueError, match="standard deviation"):
            RegressionTask(std=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claim(seed: int) -> None:
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
