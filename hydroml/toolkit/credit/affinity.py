"""Affinity propagation: clusters around exemplars, found by messages between all pairs.

With similarities ``s_ik`` and the preference on the diagonal,

    r_ik <- s_ik - max_(j != k) (a_ij + s_ij)                      is k a fit exemplar for i?
    a_ik <- min(0, r_kk + sum_(j not in i, k) max(0, r_jk))        may i have k?
    a_kk <- sum_(j != k) max(0, r_jk)

each damped, ``new = damping old + (1 - damping) message``, until the set of exemplars,
``r_kk + a_kk > 0``, stands still. A higher preference makes more clusters.
"""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Clusters", "affinity_propagation"]


class Clusters(NamedTuple):
    """Cluster of every item, (n,), and the item in the middle of every cluster, (C,)."""

    labels: Tensor
    exemplars: Tensor


def affinity_propagation(
    sim: Tensor,
    damping: float = 0.5,
    preference: float = -0.5,
    max_clusters: int | None = 15,
    max_iter: int = 1000,
    patience: int = 15,
) -> Clusters:
    """Cluster by similarity.

    Parameters
    ----------
    sim : Tensor
        Similarity of item i to item k, (n, n); need not be symmetric.
    damping : float
        Share of the old message, 0.5 to below 1.
    preference : float
        Of every item to be an exemplar; takes the place of the diagonal.
    max_clusters : int or None
        While there are more, the two most similar exemplars become one: the larger cluster's stays.
    max_iter, patience : int
        Stop after so many rounds, and where the exemplars were the same for so many.

    Returns
    -------
    Clusters
        Labels 0 to C - 1, in the order of the exemplars; on the CPU, where all is computed.

    Raises
    ------
    RuntimeError
        The exemplars do not settle.

    References
    ----------
    Frey and Dueck (2007), doi:10.1126/science.1136800, eqs. 1 and 2.

    Examples
    --------
    >>> x = torch.tensor([0.0, 0.1, 5.0, 5.3])
    >>> affinity_propagation(-((x[:, None] - x) ** 2)).labels
    tensor([0, 0, 1, 1])
    """
    s = _checked(sim, damping, max_clusters)
    s.fill_diagonal_(preference)
    if len(s) == 1:
        return Clusters(torch.zeros(1, dtype=torch.long), torch.zeros(1, dtype=torch.long))
    s = _without_ties(s)
    chosen = _exemplars(s, damping, max_iter, patience)
    # the member that its cluster is most similar to is the better exemplar
    label = _assign(s, chosen)
    members = [torch.nonzero(label == c).flatten() for c in range(len(chosen))]
    chosen = torch.stack([m[s[m][:, m].sum(0).argmax()] for m in members]).sort().values
    return _merge(s, chosen, _assign(s, chosen), max_clusters)


def _exemplars(s: Tensor, damping: float, max_iter: int, patience: int) -> Tensor:
    r, a, n = torch.zeros_like(s), torch.zeros_like(s), len(s)
    rows, before, same = torch.arange(n), torch.zeros(n, dtype=torch.bool), 0
    for _ in range(max_iter):
        offer = a + s
        (best, second), (place, _) = (v.T for v in offer.topk(2, dim=1))
        rival = best[:, None].expand(n, n).clone()
        rival[rows, place] = second
        r = damping * r + (1 - damping) * (s - rival)
        support = r.clamp(min=0)
        support.diagonal().copy_(r.diagonal())
        available = support.sum(0) - support
        own = available.diagonal().clone()
        available.clamp_(max=0).diagonal().copy_(own)
        a = damping * a + (1 - damping) * available
        now = (r + a).diagonal() > 0
        same = same + 1 if bool((now == before).all()) else 1
        before = now
        if same >= patience and bool(now.any()):
            return torch.nonzero(now).flatten()
    raise RuntimeError(
        f"The exemplars of {n} items did not settle in {max_iter} rounds; raise damping (now "
        f"{damping}, below 1), or max_iter."
    )


def _without_ties(s: Tensor) -> Tensor:
    """Shift by rounding-sized noise, always the same: equal similarities make messages swing."""
    noise = torch.randn(s.shape, generator=torch.Generator().manual_seed(0), dtype=s.dtype)
    info = torch.finfo(s.dtype)
    return s + (info.eps * s + 100 * info.tiny) * noise


def _assign(s: Tensor, chosen: Tensor) -> Tensor:
    label = s[:, chosen].argmax(1)
    label[chosen] = torch.arange(len(chosen))
    return label


def _merge(s: Tensor, chosen: Tensor, label: Tensor, most: int | None) -> Clusters:
    sizes = torch.bincount(label, minlength=len(chosen)).tolist()
    ids = list(range(len(chosen)))
    while most is not None and len(ids) > most:
        near = torch.maximum(s, s.T)[chosen[ids]][:, chosen[ids]]
        near.fill_diagonal_(-torch.inf)
        one, other = divmod(int(near.argmax()), len(ids))
        keep, drop = sorted((ids[one], ids[other]), key=lambda c: -sizes[c])
        label[label == drop] = keep
        sizes[keep] += sizes[drop]
        ids.remove(drop)
    _, label = torch.unique(label, return_inverse=True)
    return Clusters(label, chosen[ids])


def _checked(sim: Tensor, damping: float, most: int | None) -> Tensor:
    if sim.ndim != 2 or sim.shape[0] != sim.shape[1] or not len(sim):
        raise ValueError(f"sim is {tuple(sim.shape)}; give a square matrix.")
    if not 0.5 <= damping < 1:
        raise ValueError(f"damping is {damping}; give 0.5 to below 1.")
    if most is not None and most < 1:
        raise ValueError(f"max_clusters is {most}; give at least 1, or None.")
    s = sim.detach().to("cpu", torch.float64, copy=True)
    if not bool(torch.isfinite(s).all()):
        raise ValueError("sim has NaN or infinity; give finite similarities.")
    return s
