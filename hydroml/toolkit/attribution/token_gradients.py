r"""Integrated gradients of every next-token logit with respect to every input token.

From the baseline 0 (no token at all) to the one-hot row x of the sequence, the attribution of input
position i for the logit of token v at output position o is

.. math::
    IG[i, o, v] = \int_0^1 \sum_k x_{ik}
        \frac{\partial y_{ov}}{\partial x_{ik}}(\alpha x) \, d\alpha
    \qquad \sum_i IG[i, o, v] = y_{ov}(x) - y_{ov}(0)

The integrand is the derivative of all outputs in one direction, the row of position i. Carried
forward beside the states it is there for all T V outputs after one pass, where reverse mode needs a
pass for each. With z the gates before their sigmoid or tanh and s = tanh(c), for a direction d,

.. math::
    \dot z_t = W d_t + U \dot h_{t-1} \quad
    \dot c_t = f \dot c_{t-1} + c_{t-1} f (1 - f) \dot z_f + g i (1 - i) \dot z_i
    + i (1 - g^2) \dot z_g \\
    \dot h_t = o (1 - s^2) \dot c_t + s o (1 - o) \dot z_o

Direction i has nothing before step i: it joins there, and the future stays exactly 0. The integral
is Gauss and Legendre's rule, whose error falls faster than any power of the number of points on a
smooth path; being a sum it goes before the read-out, which is linear.

Sundararajan, Taly and Yan (2017): Axiomatic attribution for deep networks. arXiv:1703.01365.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from hydroml.toolkit.attribution.generative_lstm import GenerativeLSTM, require_tokens
from hydroml.toolkit.attribution.quadrature import nodes_and_weights

NUMBERS_AT_ONCE = 1 << 22
"""Numbers of the largest array a pass makes: gates in all directions at all points."""


def ig_tensor(
    model: GenerativeLSTM,
    x: Tensor,
    steps: int = 20,
    output: str = "actual",
) -> Tensor:
    """Attribute each next-token logit of each sequence to each input position.

    Parameters
    ----------
    model : GenerativeLSTM
        Its derivatives are taken; the gradients of its weights are left alone.
    x : Tensor
        Whole sequences (B, T + 1), integers: start token, then T tokens, all of one length (what
        follows an end token would be attributed like any other). The model reads the first T
        and is asked for the last T.
    steps : int
        Points on the way from no token to the sequence.
    output : str
        ``actual``: the logit of the token that does follow; ``mean``: the mean over tokens;
        ``all``: each token's.

    Returns
    -------
    Tensor
        (B, T, T), or (B, T, T, V) for ``all``: sequence, input position, output position. Exactly
        0 where the input comes after the output.

    Raises
    ------
    ValueError
        No sequences, fewer than two tokens, a token outside the vocabulary, fewer than one step
        or an unknown `output`.

    Examples
    --------
    >>> model, x = GenerativeLSTM(vocab=5, hidden=8).double(), torch.tensor([[0, 1, 2, 3]])
    >>> found = ig_tensor(model, x, output="all").sum(1)
    >>> gain = model(x[:, :3]) - model(torch.zeros(1, 3, 5, dtype=torch.float64))
    >>> torch.allclose(found, gain, atol=1e-12)
    True
    """
    require_tokens(x, model.vocab)
    if x.shape[1] < 2:
        raise ValueError(f"sequences need a start token and one more, not {x.shape[1]} in all")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    if output not in REDUCTIONS:
        raise ValueError(f"output must be one of {', '.join(REDUCTIONS)}, not {output!r}")
    rows, follows = model.one_hot(x[:, :-1]), x[:, 1:].long()
    points, weights = (a.to(rows) for a in nodes_and_weights("gausslegendre", steps))
    at_once = max(1, NUMBERS_AT_ONCE // (rows.shape[1] * 4 * model.hidden * steps))
    parts = []
    for some, after in zip(rows.split(at_once), follows.split(at_once), strict=True):
        slopes = _slopes(model, some, points, weights)  # (T_in, b, T_out, V)
        parts.append(REDUCTIONS[output](slopes, after).transpose(0, 1))
    return torch.cat(parts)


@torch.no_grad()
def _slopes(model: GenerativeLSTM, rows: Tensor, points: Tensor, weights: Tensor) -> Tensor:
    """Integrate the derivative along each position's row, (T_in, b, T_out, V)."""
    count, positions, vocab = rows.shape
    path = (points[:, None, None, None] * rows).flatten(0, 1)  # (P b, T, V)
    added, pushed = F.linear(path, model.w_ih, model.bias), F.linear(rows, model.w_ih)
    h = c = path.new_zeros(len(path), model.hidden)
    d_h = d_c = path.new_zeros(0, len(path), model.hidden)  # (directions, P b, H)
    found = rows.new_zeros(positions, count, positions, vocab)
    for t in range(positions):
        i, f, g, o = (added[:, t] + h @ model.w_hh.T).chunk(4, dim=-1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        joins = pushed[:, t].repeat(len(points), 1)[None]
        d_i, d_f, d_g, d_o = torch.cat([d_h @ model.w_hh.T, joins]).chunk(4, dim=-1)
        d_c = torch.cat([d_c, torch.zeros_like(c)[None]])
        d_c = f * d_c + c * f * (1 - f) * d_f + g * i * (1 - i) * d_i + i * (1 - g**2) * d_g
        c = f * c + i * g
        s = c.tanh()
        h, d_h = o * s, o * (1 - s**2) * d_c + s * o * (1 - o) * d_o
        mean = torch.einsum("p,dpbh->dbh", weights, d_h.unflatten(1, (len(points), count)))
        found[: t + 1, :, t] = mean @ model.readout.weight.T
    return found


def _actual(slopes: Tensor, follows: Tensor) -> Tensor:
    chosen = follows[None, :, :, None].expand(*slopes.shape[:3], 1)
    return slopes.gather(3, chosen)[..., 0]


def _mean(slopes: Tensor, follows: Tensor) -> Tensor:
    return slopes.mean(3)


def _all(slopes: Tensor, follows: Tensor) -> Tensor:
    return slopes


REDUCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "actual": _actual,
    "mean": _mean,
    "all": _all,
}
"""From slopes (T_in, B, T_out, V) and the tokens that follow (B, T_out) to what is kept."""
