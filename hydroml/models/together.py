"""Several models of one kind in one pass, each on its own batch with its own weights."""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn
from torch.func import functional_call

from hydroml.models.recurrence import fused_is_faster


def forward_together(
    models: Sequence[nn.Module],
    x_d: Tensor,
    x_s: Tensor,
    *,
    last: int | None = None,
    masks: Tensor | None = None,
) -> Tensor:
    """Simulate discharge with K models at once.

    On a CPU the weights are stacked for the call, so that every product and every pointwise
    operation of a step serves all members; each model keeps its parameters and gets its own
    gradients. On a GPU every member runs torch's kernel on a stream of its own.

    Parameters
    ----------
    models : sequence of nn.Module
        `EALSTM` or `LSTM`, of one class and size.
    x_d : Tensor
        Dynamic inputs of each member, (K, B, T, F).
    x_s : Tensor
        Static attributes, (K, B, S).
    last : int, optional
        Apply the heads to the last so many steps only.
    masks : Tensor, optional
        Dropout drawn by the caller, (K, B, last, H); see `RegressionHead`.

    Returns
    -------
    Tensor
        (K, B, last): member k is ``models[k](x_d[k], x_s[k], last=last, mask=masks[k])[0]`` to
        rounding.

    Raises
    ------
    ValueError
        Models of different classes or sizes, or not one batch a model.

    Examples
    --------
    >>> from hydroml.models import EALSTM
    >>> members = [EALSTM(dynamic=5, static=27, hidden=16) for _ in range(3)]
    >>> forward_together(members, torch.zeros(3, 8, 30, 5), torch.zeros(3, 8, 27), last=10).shape
    torch.Size([3, 8, 10])
    """
    _ensure_alike(models, x_d)
    if fused_is_faster(x_d, models[0].get_parameter("w_hh")):
        return _side_by_side(models, x_d, x_s, last, masks)
    stacked = {
        name: torch.stack([model.get_parameter(name) for model in models])
        for name, _ in models[0].named_parameters()
    }
    y, _ = functional_call(models[0], stacked, (x_d, x_s), {"last": last, "mask": masks})
    return y


def _side_by_side(
    models: Sequence[nn.Module], x_d: Tensor, x_s: Tensor, last: int | None, masks: Tensor | None
) -> Tensor:
    """One kernel call a member; on a GPU on streams of their own, also on the way back."""
    each_mask = [None] * len(models) if masks is None else masks.unbind(0)
    members = zip(models, x_d.unbind(0), x_s.unbind(0), each_mask, strict=True)
    if x_d.device.type != "cuda":
        return torch.stack([model(d, s, last=last, mask=mask)[0] for model, d, s, mask in members])
    main, y = torch.cuda.current_stream(x_d.device), []
    streams = _streams(x_d.device, len(models))
    for stream, (model, d, s, mask) in zip(streams, members, strict=True):
        stream.wait_stream(main)
        with torch.cuda.stream(stream):
            y.append(model(d, s, last=last, mask=mask)[0])
    for stream, y_k in zip(streams, y, strict=True):
        main.wait_stream(stream)
        y_k.record_stream(main)  # its memory was a side stream's, and is now read here
    return torch.stack(y)


@cache
def _streams(device: torch.device, count: int) -> list[torch.cuda.Stream]:
    """Make the same streams do every call: memory freed on one is used again only there."""
    return [torch.cuda.Stream(device) for _ in range(count)]


def _ensure_alike(models: Sequence[nn.Module], x_d: Tensor) -> None:
    if len(models) != len(x_d):
        raise ValueError(f"{len(models)} models were given {len(x_d)} batches")
    kinds = {
        (type(model).__name__, *(tuple(p.shape) for p in model.parameters())) for model in models
    }
    if len(kinds) != 1:
        raise ValueError(f"models run together must be of one class and size, not {sorted(kinds)}")
