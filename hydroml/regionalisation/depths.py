"""What a regional model knows at several depths: day by day, for read-outs fitted beside it."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from hydroml.models.ealstm import EALSTM
from hydroml.models.lstm import LSTM

PIECE = 256
"""Days whose input products are worked out together: little beside the states themselves."""

Walk = tuple[Tensor, Tensor, Tensor, Tensor]
"""Inputs (K, B, T, F); written, cell and hidden (K, B, T, H)."""


DEPTHS: dict[str, Callable[[Walk], Tensor]] = {
    "input": lambda walk: walk[0],
    "written": lambda walk: walk[1],
    "cell": lambda walk: walk[2],
    "hidden": lambda walk: walk[3],
    "hidden_7d": lambda walk: trailing_mean(walk[3], 7),
    "hidden_30d": lambda walk: trailing_mean(walk[3], 30),
}
"""Depths, from the weather to the read-out's own input, and how each comes out of a walk.

``input``: standardised weather; ``written``: what the input gate lets into the cell, i g;
``cell``: the cell state as it is read, tanh(c); ``hidden``: the hidden state h, by itself and as
its mean over the last 7 and 30 days.
"""


def states_at_depths(
    models: Sequence[nn.Module], x_d: Tensor, x_s: Tensor, depths: Sequence[str]
) -> dict[str, Tensor]:
    """Run the backbones of K members over whole series and keep what they know at each depth.

    Parameters
    ----------
    models : sequence of LSTM or EALSTM
        K members of one class and size; no gradient is kept.
    x_d : Tensor
        Standardised inputs, (B, T, F).
    x_s : Tensor
        Standardised attributes, (B, S).
    depths : sequence of str
        Keys of `DEPTHS`.

    Returns
    -------
    dict of Tensor
        By depth, (K, B, T, D): D is F for ``input``, else the size of the hidden state.

    Raises
    ------
    ValueError
        A model that is neither an `LSTM` nor an `EALSTM`.

    Examples
    --------
    >>> model = LSTM(dynamic=2, static=3, hidden=4).eval()
    >>> x_d, x_s = torch.randn(5, 9, 2), torch.randn(5, 3)
    >>> hidden = states_at_depths([model], x_d, x_s, ["hidden"])["hidden"]
    >>> torch.allclose(model.head(hidden[0]), model(x_d, x_s)[0], atol=1e-6)
    True
    """
    with torch.no_grad():
        walk = _walk(models, x_d, x_s)
        return {name: DEPTHS[name](walk) for name in depths}


def trailing_mean(x: Tensor, days: int) -> Tensor:
    """Mean over the last `days` days, today included, (..., T, D); at the start over fewer.

    Examples
    --------
    >>> trailing_mean(torch.tensor([[1.0], [3.0], [5.0], [7.0]]), 2)[:, 0]
    tensor([1., 2., 4., 6.])
    """
    total = x.double().cumsum(-2)  # single precision would drift over decades
    count = torch.arange(1, x.shape[-2] + 1, device=x.device).clamp(max=days)
    sums = torch.cat([total[..., :days, :], total[..., days:, :] - total[..., :-days, :]], dim=-2)
    return (sums / count.unsqueeze(-1)).to(x.dtype)


def _walk(models: Sequence[nn.Module], x_d: Tensor, x_s: Tensor) -> Walk:
    """Go through the days once, all members and basins side by side."""
    members = [_weights(model, x_d.shape[-1]) for model in models]
    w_d, w_s, w_hh, bias = (torch.stack(part) for part in zip(*members, strict=True))
    constant = (x_s @ w_s.mT if w_s.shape[-1] else 0) + bias.unsqueeze(-2)  # (K, B, 4H)
    (basins, days), hidden = x_d.shape[:2], w_hh.shape[-1]
    kept = x_d.new_empty(3, days, len(models), basins, hidden)
    h, c = x_d.new_zeros(2, len(models), basins, hidden)
    for start in range(0, days, PIECE):
        # (T', 1, B, F) by (K, F, 4H)
        piece = x_d[:, start : start + PIECE].transpose(0, 1).unsqueeze(1) @ w_d.mT + constant
        for t, projected in enumerate(piece.unbind(0), start):
            i, f, g, o = torch.baddbmm(projected, h, w_hh.mT).chunk(4, dim=-1)
            written = torch.sigmoid(i) * torch.tanh(g)
            c = torch.sigmoid(f) * c + written
            read = torch.tanh(c)
            h = torch.sigmoid(o) * read
            kept[0, t], kept[1, t], kept[2, t] = written, read, h
    written, cell, last = kept.movedim(1, 3).unbind(0)
    return x_d.expand(len(models), -1, -1, -1), written, cell, last


def _weights(model: nn.Module, dynamic: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights on weather, attributes and state, and bias, gates in the order i, f, g, o."""
    if isinstance(model, EALSTM):
        w_ih, w_hh, bias = model.lstm_weights()
    elif isinstance(model, LSTM):
        w_ih, w_hh, bias = model.w_ih, model.w_hh, model.bias
    else:
        raise ValueError(f"states are known of LSTM and EALSTM, not of {type(model).__name__}")
    return w_ih[:, :dynamic], w_ih[:, dynamic:], w_hh, bias
