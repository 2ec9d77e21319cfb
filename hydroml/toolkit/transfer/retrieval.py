r"""Hopfield retrieval of embeddings, and rows of length one.

One update of a modern Hopfield network (Ramsauer et al., 2021, arXiv 2008.02217) with the rows of
X stored and the row :math:`\xi` as state is :math:`X^\top \mathrm{softmax}(\beta X \xi)`. What
comes back is an average of what is stored near :math:`\xi`: features that go together in many
embeddings are strengthened, what only one of them has is averaged out.
"""

import torch
from torch import Tensor

from hydroml.toolkit.transfer.contrastive import require_pairs


def unit_rows(x: Tensor) -> Tensor:
    """Scale rows to length one; a row of zeros stays zero and has no gradient.

    Parameters
    ----------
    x : Tensor
        (..., D), finite.

    Returns
    -------
    Tensor
        Like `x`.

    Examples
    --------
    >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    # the direction does not know the scale: divided out first, squares neither overflow nor vanish
    scale = x.detach().abs().amax(dim=-1, keepdim=True)
    empty = scale == 0
    scaled = x / torch.where(empty, 1, scale)
    length = torch.linalg.vector_norm(torch.where(empty, 1, scaled), dim=-1, keepdim=True)
    return torch.where(empty, 0, scaled / length)


def hopfield_retrieval(x: Tensor, y: Tensor, beta: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r"""Replace the embeddings of pairs by what they retrieve from the batch.

    .. math::
        U_x = |\mathrm{softmax}(\beta x x^\top) x| \quad
        U_y = |\mathrm{softmax}(\beta y y^\top) y| \\
        V_x = |\mathrm{softmax}(\beta y x^\top) x| \quad
        V_y = |\mathrm{softmax}(\beta x y^\top) y|

    where bars scale rows to length one. The letter after U and V names the memory.

    Parameters
    ----------
    x, y : Tensor
        Pairs (N, D), rows of length one.
    beta : float
        Inverse temperature, at least 0: 0 retrieves the mean of the batch, a large one the
        nearest pattern.

    Returns
    -------
    U_x, U_y, V_x, V_y : Tensor
        (N, D) each, rows of length one; zero where the retrieved patterns cancel.

    Raises
    ------
    ValueError
        Shapes that do not fit, or a beta below 0.

    Examples
    --------
    >>> U_x, U_y, V_x, V_y = hopfield_retrieval(torch.eye(2), torch.eye(2).flip(0), beta=100.0)
    >>> torch.allclose(U_x, torch.eye(2)), torch.allclose(V_x, torch.eye(2).flip(0))
    (True, True)
    """
    require_pairs(x, y)
    if not 0 <= beta < float("inf"):
        raise ValueError(f"beta must be at least 0 and finite; got {beta}.")
    return (
        _retrieve(x, x, beta),
        _retrieve(y, y, beta),
        _retrieve(y, x, beta),
        _retrieve(x, y, beta),
    )


def _retrieve(state: Tensor, stored: Tensor, beta: float) -> Tensor:
    return unit_rows((beta * (state @ stored.T)).softmax(dim=1) @ stored)
