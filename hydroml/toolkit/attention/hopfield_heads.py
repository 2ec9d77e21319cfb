"""The maps that take patterns into the heads of a Hopfield layer."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hydroml.toolkit.attention.hopfield_options import Sizes, Static

STD = 0.02
"""Standard deviation of weights and learned patterns at the start."""


class HopfieldHeads(nn.Module):
    """Project states, stored patterns and what is read from them into every head.

    Parameters
    ----------
    static : Static
        Which patterns are used as they are.
    sizes : Sizes
        Features of what comes in, and of a head.
    heads : int
        Number of heads H.
    norm : nn.Module
        Applied to states and stored patterns in each head.
    bias : bool
        Whether the maps have one.
    bias_pattern : bool
        Store one learned pattern more.
    zero_pattern : bool
        Store the zero pattern too.

    Raises
    ------
    ValueError
        A learned pattern asked for where stored or read patterns are static.
    """

    def __init__(
        self,
        static: Static,
        sizes: Sizes,
        heads: int,
        norm: nn.Module,
        *,
        bias: bool,
        bias_pattern: bool,
        zero_pattern: bool,
    ) -> None:
        super().__init__()
        self.heads, self.connected = heads, static.connected
        self.zero_pattern, self.norm = zero_pattern, norm
        self.state, self.stored, self.values = None, None, None
        if not static.state:
            self.state = _linear(sizes.state, heads, sizes.head, bias)
        if not static.stored:
            self.stored = _linear(sizes.stored, heads, sizes.head, bias)
        if not static.projection:
            read = sizes.projection
            if static.connected and sizes.head is not None:
                read = heads * sizes.head
            self.values = _linear(read, heads, sizes.pattern, bias)
        self.bias_stored, self.bias_values = None, None
        if bias_pattern:
            if static.stored or (static.projection and not static.connected):
                raise ValueError(
                    "concat_bias_pattern stores a learned pattern among projected ones: "
                    "it does not go with stored_pattern_as_static or pattern_projection_as_static"
                )
            self.bias_stored = _learned_pattern(heads, sizes.head)
            self.bias_values = _learned_pattern(heads, sizes.pattern)

    @property
    def extra(self) -> int:
        """How many patterns are stored beside those that come in."""
        return int(self.bias_stored is not None) + int(self.zero_pattern)

    def reset_parameters(self) -> None:
        """Draw weights and the learned pattern anew, and set biases to zero."""
        for linear in (self.state, self.stored, self.values):
            if linear is not None:
                reset_linear(linear)
        for pattern in (self.bias_stored, self.bias_values):
            if pattern is not None:
                nn.init.normal_(pattern, std=STD)

    def forward(
        self, state: Tensor, stored: Tensor, projection: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Project and, where asked for, add patterns.

        Parameters
        ----------
        state, stored, projection : Tensor
            (B, L, E), (B, S, E_k), (B, S, E_v); any batch may be 1, and serves all samples.

        Returns
        -------
        q, k, v : Tensor
            (B, H, L, D), (B, H, S + extra, D), (B, H, S + extra, P).
        """
        if self.connected and self.stored is not None:
            projection = self.stored(projection)
        q = self.norm(self._split(state, self.state))
        k = self.norm(self._split(stored, self.stored))
        v = self._read(projection)
        if self.bias_stored is not None and self.bias_values is not None:
            k, v = _append(k, self.bias_stored), _append(v, self.bias_values)
        if self.zero_pattern:
            k, v = F.pad(k, (0, 0, 0, 1)), F.pad(v, (0, 0, 0, 1))
        batch = max(len(q), len(k), len(v))
        return self._spread(q, batch), self._spread(k, batch), self._spread(v, batch)

    def _split(self, x: Tensor, linear: nn.Linear | None) -> Tensor:
        """Map (B, N, E) into heads, (B, H, N, D); what is static is one for all, (B, 1, N, E)."""
        if linear is None:
            return x.unsqueeze(1)
        return linear(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _read(self, projection: Tensor) -> Tensor:
        if self.values is None and self.connected:  # already in heads
            return projection.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return self._split(projection, self.values)

    def _spread(self, x: Tensor, batch: int) -> Tensor:
        return x.expand(batch, self.heads, -1, -1)


def reset_linear(linear: nn.Linear) -> None:
    """Draw the weights of a map anew, N(0, 0.02^2), and set its bias to zero."""
    nn.init.normal_(linear.weight, std=STD)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)


def _linear(size: int | None, heads: int, each: int | None, bias: bool) -> nn.Linear:
    if size is None or each is None:
        raise ValueError("a projection needs to know its sizes: set input_size")
    return nn.Linear(size, heads * each, bias=bias)


def _learned_pattern(heads: int, size: int | None) -> nn.Parameter:
    if size is None:
        raise ValueError("a learned pattern needs to know its size: set input_size")
    return nn.Parameter(torch.empty(1, heads, 1, size))


def _append(patterns: Tensor, pattern: Tensor) -> Tensor:
    batch, heads = patterns.shape[0], pattern.shape[1]
    each = pattern.to(patterns.dtype).expand(batch, -1, -1, -1)
    return torch.cat([patterns.expand(-1, heads, -1, -1), each], dim=2)
