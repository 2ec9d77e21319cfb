"""Association of states with stored patterns: the arithmetic of a Hopfield layer, head by head.

One update is softmax(beta q k') v, which `torch.nn.functional.scaled_dot_product_attention`
computes without keeping the matrix. More updates move the state first, q <- softmax(beta q k') k,
each head until its matrix stays where it is or its number of updates is used up.

Arrays are (B, H, L, D): batch, head, state, feature; stored patterns (B, H, S, D).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_UPDATES = 10_000
"""Updates after which a head that should run to convergence is given up."""


class Mask(NamedTuple):
    """What a state may not see.

    Parameters
    ----------
    added : Tensor
        Added to beta q k', broadcast against (B, H, L, S); minus infinity hides a pattern.
    blind : Tensor
        True for states that may see nothing, (..., L or 1, 1). Their row of `added` is zero, so
        that no softmax runs over an empty set; their association is set to zero afterwards.
    """

    added: Tensor
    blind: Tensor


def make_mask(added: Tensor) -> Mask:
    """Split what is added to the association into a harmless part and the blind states.

    Parameters
    ----------
    added : Tensor
        Broadcasts against (B, H, L, S); minus infinity hides a pattern.

    Examples
    --------
    >>> mask = make_mask(torch.tensor([[0.0, -torch.inf], [-torch.inf, -torch.inf]]))
    >>> mask.blind.squeeze(-1).tolist()
    [False, True]
    """
    blind = torch.isneginf(added).all(-1, keepdim=True)
    return Mask(added.masked_fill(blind, 0.0), blind)


def attend(
    q: Tensor, k: Tensor, v: Tensor, beta: float | Tensor, mask: Mask | None, dropout: float
) -> Tensor:
    """Run one update without keeping the association matrix.

    Parameters
    ----------
    q, k, v : Tensor
        States (B, H, L, D), stored patterns (B, H, S, D), what is read from them (B, H, S, P).
    beta : float or Tensor (H,)
        Inverse temperature, of all heads or of each.
    mask : Mask or None
        What may not be seen.
    dropout : float
        Share of associations dropped.

    Returns
    -------
    Tensor
        (B, H, L, P).
    """
    if isinstance(beta, Tensor):
        q, scale = q * beta.to(q.dtype)[:, None, None], 1.0
    else:
        scale = beta
    added = None if mask is None else mask.added
    read = F.scaled_dot_product_attention(q, k, v, added, dropout, scale=scale)
    return read if mask is None else read.masked_fill(mask.blind, 0.0)


def associations(
    q: Tensor,
    k: Tensor,
    beta: float | Tensor,
    mask: Mask | None,
    limits: Sequence[int | None],
    eps: Sequence[float],
) -> Tensor:
    """Compute the association matrix after one update and, where asked for, more.

    Parameters
    ----------
    q, k : Tensor
        States (B, H, L, D), stored patterns (B, H, S, D).
    beta : float or Tensor (H,)
        Inverse temperature, of all heads or of each.
    mask : Mask or None
        What may not be seen.
    limits : sequence of int or None
        Each head's updates after the first one at most; None: until it has converged.
    eps : sequence of float
        A head has converged when the Frobenius norm of the change of its matrix is at most this,
        in every sample.

    Returns
    -------
    Tensor
        (B, H, L, S); rows sum to 1, those of blind states are zero.

    Raises
    ------
    ValueError
        A head without limit has not converged after `MOST_UPDATES`.
    """
    matrix = _associate(q, k, beta, mask)
    active = [head for head, limit in enumerate(limits) if limit != 0]
    updates = 0
    while active:
        chosen = torch.tensor(active, device=q.device)
        own_k, own = _heads(k, chosen), _heads(matrix, chosen)
        new = _associate(
            own @ own_k,
            own_k,
            beta[chosen] if isinstance(beta, Tensor) else beta,
            None if mask is None else Mask(*(_heads(part, chosen) for part in mask)),
        )
        matrix = new if len(active) == len(limits) else matrix.index_copy(1, chosen, new)
        updates += 1
        active = [
            head
            for head, moved in zip(active, _largest_change(own, new), strict=True)
            if moved > eps[head] and updates != limits[head]
        ]
        if updates == MOST_UPDATES and any(limits[head] is None for head in active):
            raise ValueError(
                f"{len(active)} heads still change by more than update_steps_eps after "
                f"{updates} updates. The threshold may be below what {q.dtype} resolves: "
                "raise update_steps_eps, or set update_steps_max."
            )
    return matrix


def _associate(q: Tensor, k: Tensor, beta: float | Tensor, mask: Mask | None) -> Tensor:
    if isinstance(beta, Tensor):
        beta = beta.to(q.dtype)[:, None, None]
    logits = (q * beta) @ k.mT
    if mask is None:
        return logits.softmax(-1)
    return (logits + mask.added).softmax(-1).masked_fill(mask.blind, 0.0)


def _heads(x: Tensor, chosen: Tensor) -> Tensor:
    """Pick heads, unless all share one or none is left out."""
    if x.ndim < 4 or x.shape[1] in (1, len(chosen)):
        return x
    return x.index_select(1, chosen)


def _largest_change(old: Tensor, new: Tensor) -> list[float]:
    """Each head's largest change over the batch."""
    change = (new - old).detach()
    return torch.linalg.vector_norm(change, dim=(-2, -1)).amax(0).tolist()
