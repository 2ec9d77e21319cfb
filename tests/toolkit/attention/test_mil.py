import math

import pytest
import torch
from torch import Tensor, nn

from hydroml.toolkit.attention.mil import (
    AttentionMIL,
    Pooling,
    bag_cross_entropy,
    masked_softmax,
    tile_encoder,
)
from hydroml.toolkit.demos.mil import run

POOLINGS: tuple[Pooling, ...] = ("attention", "max", "mean")


def model_of(pooling: Pooling = "attention", gated: bool = False, heads: int = 1) -> AttentionMIL:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(3, 5), nn.Tanh())
    return AttentionMIL(encoder, 5, 4, gated, heads, pooling).double()


def padded(*sizes: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(2)
    bags = torch.randn(len(sizes), max(sizes), 3, generator=rng, dtype=torch.float64)
    mask = torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]
    return bags.masked_fill(~mask[..., None], torch.nan), mask  # padding is never looked at


class TestAgainstAPlainLoop:
    @pytest.mark.parametrize("gated", [False, True])
    @pytest.mark.parametrize("heads", [1, 3])
    def test_attention(self, gated: bool, heads: int) -> None:
        model, (bags, mask) = model_of(gated=gated, heads=heads), padded(4, 1, 6)
        logits, attention = model(bags, mask)
        attention = attention.reshape(3, heads, 6)
        for b, n in enumerate((4, 1, 6)):
            h = model.encoder(bags[b, :n])
            hidden = torch.tanh(h @ model.v.weight.T + model.v.bias)
            if gated:
                hidden = hidden * torch.sigmoid(h @ model.u.weight.T + model.u.bias)
            a = torch.softmax((hidden @ model.w.weight.T).T, dim=1)  # (heads, n)
            torch.testing.assert_close(attention[b, :, :n], a)
            assert not attention[b, :, n:].any()
            expected = (a @ h).flatten() @ model.output.weight[0] + model.output.bias[0]
            torch.testing.assert_close(logits[b], expected)

    def test_maximum_and_mean(self) -> None:
        bags, mask = padded(4, 1, 6)
        for pooling, pool in (("max", lambda h: h.amax(0)), ("mean", lambda h: h.mean(0))):
            model = model_of(pooling)
            logits, attention = model(bags, mask)
            torch.testing.assert_close(attention.sum(1), torch.ones(3).double())
            for b, n in enumerate((4, 1, 6)):
                expected = model.output(pool(model.encoder(bags[b, :n])))
                torch.testing.assert_close(logits[b], expected[0])

    def test_one_head_is_one_retrieval_of_a_stored_bag(self) -> None:
        # a fixed query w against stored patterns tanh(V h), beta = 1, values h
        model, (bags, mask) = model_of(), padded(6)
        h = model.encoder(bags[0])
        keys, query = torch.tanh(model.v(h)), model.w.weight
        retrieved = nn.functional.scaled_dot_product_attention(query, keys, h, scale=1.0)
        torch.testing.assert_close(model(bags, mask)[0], model.output(retrieved)[0])


@pytest.mark.parametrize("pooling", POOLINGS)
class TestAnyPooling:
    def test_one_bag_equals_a_padded_one(self, pooling: Pooling) -> None:
        model, (bags, mask) = model_of(pooling), padded(4, 6)
        logits, attention = model(bags, mask)
        logit, alone = model(bags[0, :4])
        torch.testing.assert_close(logit[0], logits[0])
        torch.testing.assert_close(alone[0], attention[0, :4])

    def test_order_does_not_matter(self, pooling: Pooling) -> None:
        model, (bags, _) = model_of(pooling), padded(6)
        order = torch.tensor([3, 0, 5, 1, 4, 2])
        logit, attention = model(bags[0])
        shuffled, moved = model(bags[0][order])
        torch.testing.assert_close(shuffled, logit)
        torch.testing.assert_close(moved, attention[:, order])

    def test_contributions_add_up(self, pooling: Pooling) -> None:
        model, (bags, mask) = model_of(pooling), padded(4, 1, 6)
        shares = model.contributions(bags, mask)
        torch.testing.assert_close(shares.sum(1), model(bags, mask)[0] - model.output.bias)
        assert not shares[~mask].any()

    def test_gradients_are_finite(self, pooling: Pooling) -> None:
        model, (bags, mask) = model_of(pooling), padded(4, 1, 6)
        model(bags, mask)[0].sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)

    def test_a_bag_of_one(self, pooling: Pooling) -> None:
        model, (bags, mask) = model_of(pooling), padded(1)
        logit, attention = model(bags, mask)
        assert attention.tolist() == [[1.0]]
        torch.testing.assert_close(logit, model.output(model.encoder(bags[0]))[0])

    def test_fully_masked_bag(self, pooling: Pooling) -> None:
        model, (bags, mask) = model_of(pooling), padded(4, 2)
        mask[1] = False
        with pytest.raises(ValueError, match="Bag 1 has no instance"):
            model(bags, mask)


def test_contributions_of_heads_add_up() -> None:
    model, (bags, mask) = model_of(heads=3), padded(4, 6)
    shares = model.contributions(bags, mask)
    torch.testing.assert_close(shares.sum(1), model(bags, mask)[0] - model.output.bias)


class TestBadInput:
    def test_empty_bag(self) -> None:
        with pytest.raises(ValueError, match="no instance"):
            model_of()(torch.zeros(0, 3).double())

    def test_no_number(self) -> None:
        bags, mask = padded(4, 6)
        bags[1, 3, 0] = torch.inf
        with pytest.raises(ValueError, match="NaN or infinity"):
            model_of()(bags, mask)

    def test_mask_of_another_shape_or_type(self) -> None:
        bags, mask = padded(4, 6)
        with pytest.raises(ValueError, match=r"need a bool mask \(B, K\) = \(2, 6\)"):
            model_of()(bags, mask[:, :5])
        with pytest.raises(ValueError, match="bool mask"):
            model_of()(bags, mask.double())

    def test_encoder_of_another_size(self) -> None:
        model = AttentionMIL(nn.Linear(3, 4), dim=5)
        with pytest.raises(ValueError, match=r"encoder gave \(2, 4\); expected \(2, 5\)"):
            model(torch.zeros(2, 3))

    def test_wrong_settings(self) -> None:
        with pytest.raises(ValueError, match="choose attention, max or mean"):
            AttentionMIL(nn.Identity(), 3, pooling="sum")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="max pooling has no attention"):
            AttentionMIL(nn.Identity(), 3, gated=True, pooling="max")
        with pytest.raises(ValueError, match="heads is 0"):
            AttentionMIL(nn.Identity(), 3, heads=0)
        with pytest.raises(ValueError, match="Tiles of 12"):
            tile_encoder(size=12)


class TestParts:
    def test_attention_map_lies_as_the_grid_does(self) -> None:
        model = model_of()
        grid = torch.randn(2, 3, 3, dtype=torch.float64)
        found = model.attention_map(grid)
        torch.testing.assert_close(found, model(grid.reshape(6, 3))[1].reshape(2, 3))
        mask = torch.tensor([[True, True, False], [False, True, True]])
        masked = model.attention_map(grid, mask)
        assert not masked[~mask].any()
        assert float(masked.detach().sum()) == pytest.approx(1)
        assert model_of(heads=2).attention_map(grid).shape == (2, 2, 3)

    def test_masked_softmax_of_low_scores(self) -> None:
        mask = torch.tensor([True, True, False])
        found = masked_softmax(torch.tensor([-1e30, -1e30, 5.0]), mask)
        assert found.tolist() == [0.5, 0.5, 0.0]

    def test_cross_entropy_is_clamped(self) -> None:
        loss = bag_cross_entropy(torch.tensor([-100.0]), torch.tensor([1]))
        assert float(loss) == pytest.approx(-math.log(1e-5), rel=1e-4)

    def test_reference_encoder(self) -> None:
        # Ilse et al.: 28 - 4 = 24, 12, 12 - 4 = 8, 4: 50 x 4 x 4 = 800 numbers to the last layer
        encoder = tile_encoder()
        assert encoder[7].in_features == 800
        assert encoder(torch.zeros(2, 1, 28, 28)).shape == (2, 500)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_claim(seed: int) -> None:
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
