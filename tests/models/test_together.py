"""Members run together equal the members run alone, outputs and gradients."""

import pytest
import torch
from torch import nn

from hydroml.models import EALSTM, LSTM
from hydroml.models.together import forward_together

B, T, F, S, H = 3, 37, 4, 5, 6  # T is no multiple of the steps taken back at once

KINDS = {
    "ealstm": lambda: EALSTM(F, S, H, dropout=0.5),
    "lstm": lambda: LSTM(F, S, H, dropout=0.5),
    "lstm-nostatic": lambda: LSTM(F, 0, H, dropout=0.5),
}


def members(kind: str, count: int) -> list[nn.Module]:
    torch.manual_seed(2)
    models = [KINDS[kind]().double() for _ in range(count)]
    for model in models:
        for p in model.parameters():
            nn.init.normal_(p, std=0.5)
    return models


def batches(count: int, last: int) -> tuple[torch.Tensor, ...]:
    x_d = torch.randn(count, B, T, F, dtype=torch.float64, requires_grad=True)
    x_s = torch.randn(count, B, S, dtype=torch.float64, requires_grad=True)
    masks = 2.0 * torch.randint(0, 2, (count, B, last, H)).double()
    return x_d, x_s, masks, torch.randn(count, B, last, dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("last", [None, 1, 20])
@pytest.mark.parametrize("masked", [False, True])
def test_together_equals_one_by_one_in_float64(kind, count, last, masked):
    models = members(kind, count)
    x_d, x_s, masks, weights = batches(count, last or T)
    if not masked:  # dropout would be drawn differently
        masks = None
        for model in models:
            model.eval()
    inputs = [x_d, x_s, *(p for model in models for p in model.parameters())]

    def run(forward):
        y = forward()
        return [
            y,
            *torch.autograd.grad(
                (y * weights).sum(), inputs, allow_unused=True, materialize_grads=True
            ),
        ]

    together = run(lambda: forward_together(models, x_d, x_s, last=last, masks=masks))
    alone = run(
        lambda: torch.stack(
            [
                m(x_d[k], x_s[k], last=last, mask=None if masks is None else masks[k])[0]
                for k, m in enumerate(models)
            ]
        )
    )
    assert together[0].shape == (count, B, last or T)
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_together_without_gradients_equals_with(kind):
    models = members(kind, 2)
    x_d, x_s, masks, _ = batches(2, 5)
    with_gradients = forward_together(models, x_d, x_s, last=5, masks=masks)
    with torch.no_grad():
        without = forward_together(models, x_d, x_s, last=5, masks=masks)
    torch.testing.assert_close(without, with_gradients.detach(), rtol=0, atol=1e-12)


def test_each_member_keeps_its_own_gradients():
    models = members("ealstm", 2)
    x_d, x_s, masks, _ = batches(2, 5)
    forward_together(models, x_d, x_s, last=5, masks=masks)[1].sum().backward()
    assert not any(p.grad.any() for p in models[0].parameters())
    assert all(p.grad.any() for p in models[1].parameters())


@pytest.mark.parametrize(
    "other", [EALSTM(F, S, H + 1), LSTM(F, S, H)], ids=["another size", "another class"]
)
def test_unlike_models_are_refused(other):
    x_d, x_s = torch.zeros(2, B, T, F), torch.zeros(2, B, S)
    with pytest.raises(ValueError, match="one class and size"):
        forward_together([EALSTM(F, S, H), other], x_d, x_s)


def test_one_batch_a_model_is_asked_for():
    with pytest.raises(ValueError, match="2 models were given 3 batches"):
        forward_together(members("lstm", 2), torch.zeros(3, B, T, F), torch.zeros(3, B, S))


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_of_ones_is_no_dropout_and_one_of_zeros_leaves_the_bias(kind):
    model = members(kind, 1)[0].train()
    x_d, x_s, *_ = batches(1, 5)
    ones = torch.ones(B, 5, H, dtype=torch.float64)
    kept = model(x_d[0], x_s[0], last=5, mask=ones)[0]
    dropped = model(x_d[0], x_s[0], last=5, mask=0 * ones)[0]
    torch.testing.assert_close(kept, model.eval()(x_d[0], x_s[0], last=5)[0])
    assert (dropped == model.head.linear.bias).all()
