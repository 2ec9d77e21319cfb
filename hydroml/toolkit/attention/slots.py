"""Slots that compete for the elements of a set."""

import math

import torch
from torch import Tensor, nn


class SlotAttention(nn.Module):
    """Bind the elements of a set to a few slots.

    Parameters
    ----------
    num_slots : int
        Slots K where `forward` is not told otherwise.
    dim : int
        Features D of a slot.
    iters : int
        Rounds of competition.
    eps : float
        Added to the attention before it is normalised over elements.
    hidden : int
        Hidden units of the network that refines each slot.
    input_dim : int, optional
        Features of an element; default `dim`.

    References
    ----------
    Locatello et al. (2020): Object-Centric Learning with Slot Attention. NeurIPS.
    arXiv:2006.15055, algorithm 1.

    Examples
    --------
    >>> slots, attention = SlotAttention(3, dim=8, input_dim=5)(torch.randn(2, 10, 5))
    >>> slots.shape, attention.shape
    (torch.Size([2, 3, 8]), torch.Size([2, 3, 10]))
    """

    def __init__(
        self,
        num_slots: int,
        dim: int,
        iters: int = 3,
        eps: float = 1e-8,
        hidden: int = 128,
        input_dim: int | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("num_slots", num_slots), ("dim", dim), ("iters", iters)):
            if value < 1:
                raise ValueError(f"{name} is {value}: at least 1")
        if eps <= 0:
            raise ValueError(f"eps is {eps}: positive, or slots that win nothing divide by zero")
        self.num_slots, self.dim, self.iters, self.eps = num_slots, dim, iters, eps
        self.input_dim = dim if input_dim is None else input_dim
        self.mean = nn.Parameter(torch.empty(1, 1, dim))
        self.log_std = nn.Parameter(torch.empty(1, 1, dim))
        self.norm_input = nn.LayerNorm(self.input_dim)
        self.norm_slots, self.norm_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.key = nn.Linear(self.input_dim, dim, bias=False)
        self.value = nn.Linear(self.input_dim, dim, bias=False)
        self.query = nn.Linear(dim, dim, bias=False)
        self.gru = nn.GRUCell(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start anew: Glorot-uniform weights, zero biases; the GRU cell as torch has it."""
        # Glorot's limit for (1, 1, D), one unit in and D out
        limit = math.sqrt(6 / (1 + self.dim))
        for start in (self.mean, self.log_std):
            nn.init.uniform_(start, -limit, limit)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm | nn.GRUCell):
                module.reset_parameters()

    def forward(
        self,
        x: Tensor,
        num_slots: int | None = None,
        generator: torch.Generator | None = None,
        *,
        noise: Tensor | None = None,
        padding_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Bind.

        Parameters
        ----------
        x : Tensor
            Elements (B, N, input_dim).
        num_slots : int, optional
            Slots K, any number whatever the layer was trained with.
        generator : torch.Generator, optional
            For the slots' start.
        noise : Tensor, optional
            The start itself, standard normal numbers (B, K, D), drawn by the caller.
        padding_mask : Tensor, optional
            (B, N); True for what is no element, whatever it holds.

        Returns
        -------
        slots : Tensor
            (B, K, D).
        attention : Tensor
            Share of each slot in each element, (B, K, N), in the last round; sums to 1 over
            slots, and is 0 for what is no element.

        Raises
        ------
        ValueError
            Shapes that do not fit, an empty set, or `noise` beside what it replaces.
        """
        self._refuse(x, padding_mask)
        slots = self.mean + self.log_std.exp() * self._noise(x, num_slots, generator, noise)
        if padding_mask is not None:
            x = x.masked_fill(padding_mask.unsqueeze(-1), 0.0)
        x = self.norm_input(x)
        k, v = self.key(x), self.value(x)
        for _ in range(self.iters):
            slots, attention = self._round(slots, k, v, padding_mask)
        return slots, attention

    def _round(
        self, slots: Tensor, k: Tensor, v: Tensor, padding_mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Let slots compete for elements, then move each towards what it won."""
        q = self.query(self.norm_slots(slots)) / math.sqrt(self.dim)
        attention = (q @ k.mT).softmax(1)  # over slots: they compete
        won = attention + self.eps
        if padding_mask is not None:
            away = padding_mask.unsqueeze(1)
            attention, won = attention.masked_fill(away, 0.0), won.masked_fill(away, 0.0)
        # at least eps: a set without elements moves its slots by zero
        update = (won / won.sum(-1, keepdim=True).clamp_min(self.eps)) @ v
        moved = self.gru(update.flatten(0, 1), slots.flatten(0, 1)).view_as(slots)
        return moved + self.mlp(self.norm_mlp(moved)), attention

    def _noise(
        self,
        x: Tensor,
        num_slots: int | None,
        generator: torch.Generator | None,
        noise: Tensor | None,
    ) -> Tensor:
        if noise is None:
            slots = self.num_slots if num_slots is None else num_slots
            if slots < 1:
                raise ValueError(f"num_slots is {slots}: at least 1")
            return torch.randn(
                len(x), slots, self.dim, dtype=x.dtype, device=x.device, generator=generator
            )
        if num_slots is not None or generator is not None:
            raise ValueError("noise is the slots' start: give it, or num_slots and generator")
        if noise.ndim != 3 or noise.shape[::2] != (len(x), self.dim):
            raise ValueError(
                f"noise is {tuple(noise.shape)}: give (batch, slots, features), "
                f"({len(x)}, K, {self.dim})"
            )
        return noise

    def _refuse(self, x: Tensor, padding_mask: Tensor | None) -> None:
        if x.ndim != 3 or x.shape[-1] != self.input_dim or 0 in x.shape:
            raise ValueError(
                f"x is {tuple(x.shape)}: give sets (batch, elements, {self.input_dim}) with at "
                "least one element"
            )
        if padding_mask is not None and (
            padding_mask.shape != x.shape[:2] or padding_mask.dtype != torch.bool
        ):
            raise ValueError(
                f"padding_mask is {tuple(padding_mask.shape)}, {padding_mask.dtype}: give bool "
                f"(batch, elements), {tuple(x.shape[:2])}"
            )
