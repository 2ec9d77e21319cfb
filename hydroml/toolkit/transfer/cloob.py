r"""CLOOB: contrastive learning of pairs with Hopfield retrieval and InfoLOOB.

Two encoders map the two views of a thing (image and caption; a catchment's attributes and a year
of its hydrograph) to rows x, y of length one. Both are replaced by what they retrieve from the
batch (`hopfield_retrieval`), and the loss compares retrievals from the same memory:

.. math:: L = L_{LOOB}(U_x, V_x) + L_{LOOB}(U_y, V_y)

Retrieval makes features that go together in the batch count, not only the one that tells pairs
apart most easily ("explaining away"); InfoLOOB does not saturate, which InfoNCE with retrieval
would sooner, since retrieval brings partners closer together.
"""

import math

import torch
from torch import Tensor, nn

from hydroml.toolkit.card import Card
from hydroml.toolkit.transfer.contrastive import info_loob, info_nce, require_pairs
from hydroml.toolkit.transfer.retrieval import hopfield_retrieval, unit_rows

__all__ = [
    "CARD", "CLOOBLoss", "ContrastivePair", "hopfield_retrieval", "info_loob", "info_nce",
    "unit_rows",
]  # fmt: skip

CARD = Card(
    name="cloob",
    title="CLOOB: InfoLOOB with Hopfield retrieval",
    paper="Fürst, Rumetshofer, Lehner, Tran, Tang, Ramsauer, Kreil, Kopp, Klambauer, Bitto-Nemling "
    "& Hochreiter (2022): CLOOB: Modern Hopfield Networks with InfoLOOB Outperform CLIP. NeurIPS, "
    "arXiv 2110.11316",
    year=2022,
    answers="How do two views of one thing come to lie together, by all they share?",
    inputs="embeddings of N pairs, x (N, D) and y (N, D); N >= 2",
    outputs="loss (scalar); ranks of candidates (Q, M) with their cosine",
    hydrology="donor basins: attributes and hydrograph signatures in one space (hydroml donors)",
    claim="InfoNCE's gradient to a partner's similarity vanishes, InfoLOOB's stays 1; weak shared "
    "features are read better from CLOOB's embeddings than from CLIP's, whose effective rank is "
    "smaller (toy pairs, three seeds). In the toy CLIP finds more partners; the paper's zero-shot "
    "scores need image data and are not reproduced",
    choices=(
        "Embeddings are scaled to length one inside the loss; a row of zeros stays zero.",
        "A learned log(1/tau) is put back into [0, log 100] at each call, not clamped in the "
        "graph, where its gradient would vanish for ever.",
        "rank(query, candidates) takes both sides: there is no stored set of captions.",
    ),
)

LARGEST_INV_TAU = 100.0
"""A learned inverse temperature stays between 1 and this: its logarithm in [0, 4.605]."""


class CLOOBLoss(nn.Module):
    r"""Loss of pairs of embeddings.

    .. math:: L = L_{LOOB}(U_x, V_x) + L_{LOOB}(U_y, V_y)

    Parameters
    ----------
    inv_tau : float
        Inverse temperature of InfoLOOB; between 1 and 100 where it is learned.
    beta : float
        Inverse temperature of the Hopfield retrieval.
    learn_tau : bool
        Whether the inverse temperature is a parameter (its logarithm is).

    Raises
    ------
    ValueError
        A temperature out of range.

    References
    ----------
    Fürst et al. (2022), arXiv 2110.11316.

    Examples
    --------
    >>> x = torch.eye(3)
    >>> loss = CLOOBLoss(inv_tau=30.0, beta=100.0)  # everything retrieves itself
    >>> round(float(loss(x, x)), 4)  # twice -1 + log(2) / 30
    -1.9538
    """

    log_inv_tau: Tensor

    def __init__(self, inv_tau: float = 30.0, beta: float = 8.0, learn_tau: bool = False) -> None:
        super().__init__()
        if not 0 < inv_tau < math.inf:
            raise ValueError(f"inv_tau must be above 0 and finite; got {inv_tau}.")
        if learn_tau and not 1 <= inv_tau <= LARGEST_INV_TAU:
            raise ValueError(
                f"A learned inv_tau stays between 1 and {LARGEST_INV_TAU:.0f}; it cannot begin at "
                f"{inv_tau}. Begin within, or keep it fixed with learn_tau=False."
            )
        if not 0 <= beta < math.inf:
            raise ValueError(f"beta must be at least 0 and finite; got {beta}.")
        self.beta = beta
        self.learn_tau = learn_tau
        value = torch.tensor(math.log(inv_tau))
        if learn_tau:
            self.log_inv_tau = nn.Parameter(value)
        else:
            self.register_buffer("log_inv_tau", value)

    @property
    def inv_tau(self) -> Tensor:
        """The inverse temperature, a scalar."""
        return self.log_inv_tau.exp()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Compare pairs.

        Parameters
        ----------
        x, y : Tensor
            Embeddings of N pairs (N, D), of any length: rows are scaled to one.

        Returns
        -------
        Tensor
            Scalar.

        Raises
        ------
        ValueError
            Shapes that do not fit, or a single pair.
        """
        require_pairs(x, y)
        if self.learn_tau:
            with torch.no_grad():
                self.log_inv_tau.clamp_(0.0, math.log(LARGEST_INV_TAU))
        inv_tau = self.inv_tau
        U_x, U_y, V_x, V_y = hopfield_retrieval(unit_rows(x), unit_rows(y), self.beta)
        return info_loob(U_x, V_x, inv_tau) + info_loob(U_y, V_y, inv_tau)

    def extra_repr(self) -> str:
        """Show the temperatures."""
        inv_tau = float(self.inv_tau.detach())
        return f"inv_tau={inv_tau:g}, beta={self.beta:g}, learn_tau={self.learn_tau}"


class ContrastivePair(nn.Module):
    """Two encoders into one space.

    Parameters
    ----------
    enc_a, enc_b : nn.Module
        Each maps a batch of its view, (N, ...), to (N, dim).
    dim : int
        Width of the common space.

    Examples
    --------
    >>> pair = ContrastivePair(nn.Linear(5, 3), nn.Linear(8, 3), dim=3)
    >>> x, y = pair(torch.ones(4, 5), torch.ones(4, 8))
    >>> x.shape, y.shape
    (torch.Size([4, 3]), torch.Size([4, 3]))
    """

    def __init__(self, enc_a: nn.Module, enc_b: nn.Module, dim: int) -> None:
        super().__init__()
        if dim < 1:
            raise ValueError(f"dim must be at least 1; got {dim}.")
        self.enc_a = enc_a
        self.enc_b = enc_b
        self.dim = dim

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Embed both views of N things: rows of length one, (N, dim) each."""
        return self.embed_a(a), self.embed_b(b)

    def embed_a(self, a: Tensor) -> Tensor:
        """Embed the first view, (N, ...) to rows of length one (N, dim)."""
        return self._embed(self.enc_a, a, "enc_a")

    def embed_b(self, b: Tensor) -> Tensor:
        """Embed the second view, (N, ...) to rows of length one (N, dim)."""
        return self._embed(self.enc_b, b, "enc_b")

    @torch.no_grad()
    def rank(self, query: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """Rank second views for first views by their cosine: zero-shot retrieval.

        Parameters
        ----------
        query : Tensor
            Q first views, (Q, ...).
        candidates : Tensor
            M second views, (M, ...), M at least 1.

        Returns
        -------
        order : Tensor
            (Q, M), places of the candidates, best first.
        cosine : Tensor
            (Q, M), their similarity in that order.

        Raises
        ------
        ValueError
            An embedding is not a number.

        Examples
        --------
        >>> pair = ContrastivePair(nn.Identity(), nn.Identity(), dim=2)
        >>> order, cosine = pair.rank(torch.tensor([[0.0, 2.0]]), torch.eye(2))
        >>> order.tolist(), cosine.tolist()
        ([[1, 0]], [[1.0, 0.0]])
        """
        similarity = self.embed_a(query) @ self.embed_b(candidates).T
        if not similarity.isfinite().all():
            raise ValueError(
                "Some embeddings are not finite: look for NaN in the query and the candidates, or "
                "in the encoders' weights."
            )
        found = similarity.sort(dim=1, descending=True, stable=True)
        return found.indices, found.values

    def _embed(self, encoder: nn.Module, view: Tensor, name: str) -> Tensor:
        embedded = encoder(view)
        if embedded.shape != (len(view), self.dim):
            raise ValueError(
                f"{name} gave {tuple(embedded.shape)} for {len(view)} items; it must give "
                f"{(len(view), self.dim)}. End it with a layer of dim={self.dim} outputs."
            )
        return unit_rows(embedded)
