"""Attention-based multiple-instance learning: one label for a bag of pictures or vectors.

Instances x_k go through an encoder, ``h_k = e(x_k)`` in R^M. Each head weighs them,

    a_k = softmax_k( w . tanh(V h_k) )                           plain
    a_k = softmax_k( w . (tanh(V h_k) * sigmoid(U h_k)) )        gated

pools, ``z = sum_k a_k h_k``, and the logit is linear in z. Baselines pool by the mean,
``a_k = 1 / K``, or by the maximum of each embedding's number over the bag. Bags are padded to one
length with a mask; the encoder sees no padding.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hydroml.toolkit.card import Card

__all__ = ["CARD", "AttentionMIL", "Pooling", "bag_cross_entropy", "masked_softmax", "tile_encoder"]

CARD = Card(
    name="mil",
    title="Attention-based multiple-instance learning",
    paper="Kimeswenger et al. (2019): Detecting cutaneous basal cell carcinomas in ultra-high "
    "resolution and weakly labelled histopathological images. arXiv:1911.06616; attention: Ilse, "
    "Tomczak and Welling (2018), arXiv:1802.04712",
    year=2019,
    answers="Is there something in this large picture, and in which tile?",
    inputs="a bag of instances (K, ...), or padded bags (B, K, ...) with a mask (B, K)",
    outputs="logits (B,) and attention (B, K), or (B, heads, K) of several heads",
    hydrology="which weeks made the annual flood: hydroml weeks; cells of a precipitation or snow "
    "grid",
    claim="On synthetic slides: attention as good as the maximum, both better than the mean, all "
    "better than a network on the shrunken slide; attention points at the tiles. Not shown: that "
    "attention is better than the maximum. The paper's slides are not public: sizes and textures "
    "are our design",
    choices=(
        "The paper's network sizes were not available: the encoder is an argument, and "
        "`tile_encoder` follows Ilse et al. (2018).",
        "Baselines have an attention, too: of the mean 1 / K, of the maximum the share of the "
        "embedding's numbers that an instance gives.",
    ),
)

Pooling = Literal["attention", "max", "mean"]


class AttentionMIL(nn.Module):
    """An encoder, a pooling, and a linear logit.

    Parameters
    ----------
    encoder : nn.Module
        Instances (n, ...) to embeddings (n, M).
    dim : int
        M.
    attn_dim : int
        Rows of V and U, L.
    gated : bool
        Multiply with a sigmoid gate.
    heads : int
        Attentions side by side; their pooled embeddings are concatenated.
    pooling : str
        ``attention``, ``max`` or ``mean``; the last two take neither gate nor heads.

    References
    ----------
    Ilse et al. (2018), arXiv:1802.04712, eqs. 7 to 9; Kimeswenger et al. (2019), arXiv:1911.06616.

    Examples
    --------
    >>> model = AttentionMIL(nn.Flatten(), dim=12, attn_dim=8, gated=True)
    >>> logit, attention = model(torch.zeros(5, 3, 2, 2))
    >>> logit.shape, attention
    (torch.Size([1]), tensor([[0.2000, 0.2000, 0.2000, 0.2000, 0.2000]], grad_fn=...))
    """

    def __init__(
        self,
        encoder: nn.Module,
        dim: int,
        attn_dim: int = 128,
        gated: bool = False,
        heads: int = 1,
        pooling: Pooling = "attention",
    ) -> None:
        super().__init__()
        if pooling not in _BASELINES and pooling != "attention":
            raise ValueError(f"pooling is {pooling!r}; choose attention, max or mean.")
        if heads < 1:
            raise ValueError(f"heads is {heads}; give at least 1.")
        if pooling in _BASELINES and (gated or heads > 1):
            raise ValueError(f"{pooling} pooling has no attention: leave gated and heads out.")
        self.encoder, self.dim, self.heads, self.pooling = encoder, dim, heads, pooling
        if pooling == "attention":
            self.v = nn.Linear(dim, attn_dim)
            self.u = nn.Linear(dim, attn_dim) if gated else None
            self.w = nn.Linear(attn_dim, heads, bias=False)  # softmax takes no notice of a bias
        self.output = nn.Linear(dim * heads, 1)

    def forward(self, bag: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Score bags.

        Parameters
        ----------
        bag : Tensor
            One bag, (K, ...), without a mask; or padded bags, (B, K, ...).
        mask : Tensor, optional
            True where there is an instance, (B, K), bool.

        Returns
        -------
        logit : Tensor
            (B,); of one bag (1,).
        attention : Tensor
            (B, K), sums to 1 over a bag, 0 at padding; (B, heads, K) of several heads.

        Raises
        ------
        ValueError
            An empty or fully masked bag, a mask of another shape, values that are not finite.
        """
        bags, mask = _padded(bag, mask)
        h = self._encode(bags, mask)
        attention = self._attention(h, mask)  # (B, heads, K)
        pooled = self._pool(h, mask, attention)
        return self.output(pooled).squeeze(1), attention.squeeze(1)

    @torch.no_grad()
    def attention_map(self, grid: Tensor, mask: Tensor | None = None) -> Tensor:
        """Lay the attention of a cut picture out as the picture lies.

        Parameters
        ----------
        grid : Tensor
            Tiles in rows and columns, (R, C, ...).
        mask : Tensor, optional
            True where there is something to see, (R, C).

        Returns
        -------
        Tensor
            (R, C), or (heads, R, C) of several heads; sums to 1.
        """
        rows, columns = grid.shape[:2]
        flat = None if mask is None else mask.reshape(1, rows * columns)
        tiles = grid.flatten(0, 1)
        _, attention = self(tiles if flat is None else tiles[None], flat)
        return attention[0].unflatten(-1, (rows, columns))

    def contributions(self, bag: Tensor, mask: Tensor | None = None) -> Tensor:
        """Split the logit, without its bias, exactly among the instances.

        ``c_k = sum over heads of a_k (v . h_k)`` with v the weights of the logit; of the maximum,
        an instance is given the numbers that it has the maximum of (shared where equal).

        Returns
        -------
        Tensor
            (B, K); sums to the logit minus its bias.
        """
        bags, mask = _padded(bag, mask)
        h = self._encode(bags, mask)
        weights = self.output.weight.reshape(self.heads, self.dim)
        if self.pooling == "max":
            return torch.einsum("bkm,bkm,m->bk", _winners(h, mask), h, weights[0])
        return torch.einsum("bjk,bkm,jm->bk", self._attention(h, mask), h, weights)

    def _encode(self, bags: Tensor, mask: Tensor) -> Tensor:
        full = bool(mask.all())  # without padding nothing is copied
        there = bags.flatten(0, 1) if full else bags[mask]
        if there.dtype.is_floating_point and not torch.isfinite(there).all():
            raise ValueError("An instance holds NaN or infinity; mask or fill what is missing.")
        found = self.encoder(there)
        if found.shape != (len(there), self.dim):
            raise ValueError(
                f"The encoder gave {tuple(found.shape)}; expected ({len(there)}, {self.dim}). "
                "Give its size as dim."
            )
        if full:
            return found.unflatten(0, mask.shape)
        h = found.new_zeros(*mask.shape, self.dim)
        return h.masked_scatter(mask[..., None], found)

    def _attention(self, h: Tensor, mask: Tensor) -> Tensor:
        if self.pooling in _BASELINES:
            return _BASELINES[self.pooling](h, mask)[:, None]
        hidden = torch.tanh(self.v(h))
        if self.u is not None:
            hidden = hidden * torch.sigmoid(self.u(h))
        return masked_softmax(self.w(hidden).transpose(1, 2), mask[:, None])

    def _pool(self, h: Tensor, mask: Tensor, attention: Tensor) -> Tensor:
        if self.pooling == "max":
            return h.masked_fill(~mask[..., None], -torch.inf).amax(dim=1)
        return (attention @ h).flatten(1)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis where `mask` is true; 0 elsewhere, and in rows without a true.

    Parameters
    ----------
    scores : Tensor
        (..., K).
    mask : Tensor
        Bool, broadcast against `scores`.

    Examples
    --------
    >>> masked_softmax(torch.zeros(3), torch.tensor([True, True, False]))
    tensor([0.5000, 0.5000, 0.0000])
    >>> masked_softmax(torch.zeros(2), torch.tensor([False, False]))
    tensor([0., 0.])
    """
    lowest = torch.finfo(scores.dtype).min  # not -inf: a row of it alone would give NaN
    return scores.masked_fill(~mask, lowest).softmax(-1) * mask


def bag_cross_entropy(logit: Tensor, label: Tensor, clamp: float = 1e-5) -> Tensor:
    """Binary cross entropy of probabilities held within [clamp, 1 - clamp], mean over bags.

    Parameters
    ----------
    logit : Tensor
        (B,).
    label : Tensor
        0 or 1, (B,).
    clamp : float
        As in Ilse et al. (2018); a bag that is wrong beyond it has no gradient.

    Examples
    --------
    >>> bag_cross_entropy(torch.zeros(2), torch.tensor([0.0, 1.0]))
    tensor(0.6931)
    """
    probability = logit.sigmoid().clamp(clamp, 1 - clamp)
    return F.binary_cross_entropy(probability, label.to(logit))


def tile_encoder(
    channels: int = 1, size: int = 28, kernels: tuple[int, int] = (20, 50), dim: int = 500
) -> nn.Sequential:
    """Two convolutions of width 5, each with ReLU and pooling, and a linear layer.

    Parameters
    ----------
    channels : int
        Of a tile.
    size : int
        Its height and width, at least 16.
    kernels : tuple of int
        Of the two convolutions.
    dim : int
        Size of the embedding, M.

    Returns
    -------
    nn.Sequential
        (n, channels, size, size) to (n, dim).
    """
    if size < 16:
        raise ValueError(f"Tiles of {size} are too small for two convolutions; give at least 16.")
    first, second = kernels
    side = ((size - 4) // 2 - 4) // 2
    return nn.Sequential(
        nn.Conv2d(channels, first, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(first, second, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(second * side * side, dim), nn.ReLU(),
    )  # fmt: skip


def _winners(h: Tensor, mask: Tensor) -> Tensor:
    """Tell which instances have the maximum of each number, (B, K, M); equal ones share it."""
    h = h.masked_fill(~mask[..., None], -torch.inf)
    best = (h == h.amax(dim=1, keepdim=True)).to(h)
    return best / best.sum(dim=1, keepdim=True)


def _equal_shares(h: Tensor, mask: Tensor) -> Tensor:
    return mask.to(h) / mask.sum(dim=1, keepdim=True)


def _won_shares(h: Tensor, mask: Tensor) -> Tensor:
    return _winners(h.detach(), mask).mean(dim=2)


_BASELINES = {"mean": _equal_shares, "max": _won_shares}


def _padded(bag: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    if mask is None:
        bag = bag[None]
        mask = torch.ones(bag.shape[:2], dtype=torch.bool, device=bag.device)
    if mask.dtype != torch.bool or bag.ndim < 3 or mask.shape != bag.shape[:2]:
        raise ValueError(
            f"Bags of shape {tuple(bag.shape)} need a bool mask (B, K) = {tuple(bag.shape[:2])}; "
            f"got {mask.dtype} {tuple(mask.shape)}. One bag (K, ...) goes without a mask."
        )
    empty = torch.nonzero(~mask.any(dim=1)) if mask.shape[1] else torch.zeros(1, 1)
    if len(empty):
        raise ValueError(
            f"Bag {int(empty[0])} has no instance (empty, or fully masked): leave it out."
        )
    return bag, mask
