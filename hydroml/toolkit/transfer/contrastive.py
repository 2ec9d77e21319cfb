r"""Losses that pull the two views of a pair together and push all others apart.

A batch holds N pairs :math:`(a_i, b_i)`; similarities are :math:`s_{ij} = a_i^\top b_j`.

InfoNCE (van den Oord et al., 2018, arXiv 1807.03748) is the cross-entropy of finding the partner
among all N; CLIP averages it over both directions:

.. math:: L_{NCE} = -\tfrac12 \operatorname{mean}_i \Big[
          \log \frac{e^{s_{ii}/\tau}}{\sum_j e^{s_{ij}/\tau}} +
          \log \frac{e^{s_{ii}/\tau}}{\sum_j e^{s_{ji}/\tau}} \Big]

Its gradient to :math:`s_{ii}` carries the factor :math:`1 - p_{ii}`: once a pair is found, it
teaches nothing more. InfoLOOB (Fürst et al., 2022, arXiv 2110.11316) leaves the partner out of the
denominator, so that this factor is one for ever:

.. math:: L_{LOOB} = \tau \operatorname{mean}_i \Big[
          -s_{ii}/\tau + \log \sum_{j \ne i} e^{s_{ij}/\tau} \Big]

Both are computed in logarithms; nothing overflows whatever tau is.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

InvTau = float | Tensor
"""An inverse temperature: a number, or a learned scalar."""


def info_loob(a: Tensor, b: Tensor, inv_tau: InvTau) -> Tensor:
    """Leave-one-out bound on the mutual information of pairs, as a loss.

    Parameters
    ----------
    a : Tensor
        Anchors (N, D); N is at least 2.
    b : Tensor
        Their partners (N, D), row by row.
    inv_tau : float or Tensor
        Inverse temperature, above 0.

    Returns
    -------
    Tensor
        Scalar. It is unbounded below: minus the similarity of the partners, plus tau times the
        mean logarithm of the sum over the others.

    Raises
    ------
    ValueError
        Shapes that do not fit, a batch of one pair (nothing is left to compare with), or an
        inverse temperature that is not above 0.

    Examples
    --------
    Partners agree by 0.5, strangers not at all: -0.5 + log(3) / 30.

    >>> a = torch.eye(4)
    >>> round(float(info_loob(a, 0.5 * a, inv_tau=30.0)), 6)
    -0.46338
    """
    similarity = _similarity(a, b, inv_tau)
    if len(a) < 2:
        raise ValueError(
            "info_loob needs at least two pairs: a single pair has no other to be told from. "
            "Use a larger batch, and drop a last batch of one."
        )
    own = torch.eye(len(a), dtype=torch.bool, device=a.device)
    others = similarity.masked_fill(own, -torch.inf).logsumexp(dim=1)
    return (others - similarity.diagonal()).mean() / inv_tau


def info_nce(a: Tensor, b: Tensor, inv_tau: InvTau) -> Tensor:
    """Symmetric cross-entropy of finding each other's partner: the loss of CLIP.

    Parameters
    ----------
    a, b : Tensor
        Pairs (N, D), row by row. A single pair gives 0: it is found for certain.
    inv_tau : float or Tensor
        Inverse temperature, above 0.

    Returns
    -------
    Tensor
        Scalar, at least 0; log(N) where nothing is told apart.

    Raises
    ------
    ValueError
        Shapes that do not fit, or an inverse temperature that is not above 0.

    Examples
    --------
    >>> round(float(info_nce(torch.zeros(4, 2), torch.zeros(4, 2), inv_tau=30.0)), 4)  # log 4
    1.3863
    """
    similarity = _similarity(a, b, inv_tau)
    partner = torch.arange(len(a), device=a.device)
    return (cross_entropy(similarity, partner) + cross_entropy(similarity.T, partner)) / 2


def require_pairs(a: Tensor, b: Tensor) -> None:
    """Refuse embeddings that are not N pairs of one width.

    Raises
    ------
    ValueError
        Naming both shapes.
    """
    if a.ndim != 2 or a.shape != b.shape or 0 in a.shape:
        raise ValueError(
            f"Pairs are two tensors of one shape (N, D); got {tuple(a.shape)} and "
            f"{tuple(b.shape)}. Flatten each item to one row, and give as many of one as of "
            "the other."
        )
    if not (a.is_floating_point() and b.is_floating_point()):
        raise ValueError(f"Embeddings are floats; got {a.dtype} and {b.dtype}. Convert them.")


def _similarity(a: Tensor, b: Tensor, inv_tau: InvTau) -> Tensor:
    require_pairs(a, b)
    # a learned tau is kept in range by its owner: to look at it here would wait for the device
    if not isinstance(inv_tau, Tensor) and not 0 < inv_tau < float("inf"):
        raise ValueError(f"inv_tau must be above 0 and finite; got {inv_tau}.")
    return inv_tau * (a @ b.T)
