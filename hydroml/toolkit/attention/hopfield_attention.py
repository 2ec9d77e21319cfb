"""The Hopfield layer itself: states look up stored patterns and read what belongs to them."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hydroml.toolkit.attention.activations import activation_named
from hydroml.toolkit.attention.association import Mask, associations, attend
from hydroml.toolkit.attention.hopfield_heads import HopfieldHeads, reset_linear
from hydroml.toolkit.attention.hopfield_masks import hidden, join_masks, refuse_padding
from hydroml.toolkit.attention.hopfield_options import Static, find_sizes, per_head
from hydroml.toolkit.attention.hopfield_parts import (
    make_norm,
    make_output,
    refuse_share,
    size_of_readings,
)

Patterns = Tensor | tuple[Tensor, Tensor, Tensor]
"""Stored patterns, state patterns and pattern projections, or one tensor that is all three."""

_NAMES = ("stored patterns", "state patterns", "pattern projections")


class Hopfield(nn.Module):
    """Association of state patterns with stored patterns, in several heads.

    The options carry the names of the authors' package (ml-jku/hopfield-layers).

    Parameters
    ----------
    input_size : int, optional
        Features E of a state pattern. May be left out where every pattern is static.
    hidden_size : int, optional
        Features of a head's association space; default ``input_size / num_heads``.
    output_size : int, optional
        Features of the output; default `input_size`.
    pattern_size : int, optional
        Features that a head reads out; default `hidden_size`.
    num_heads : int
        Number of heads H.
    scaling : float or Tensor (H,), optional
        Inverse temperature beta, of all heads or of each; an ``nn.Parameter`` is trained along.
        Default ``1 / sqrt(hidden_size)``, or 1 where every pattern is static.
    update_steps_max : int or Tensor (H,), optional
        Updates after the first one at most; None or negative: until convergence.
    update_steps_eps : float or Tensor (H,)
        A head has converged when its association matrix changes by no more than this
        (Frobenius norm, largest over the batch).
    normalize_stored_pattern, normalize_state_pattern, normalize_pattern_projection : bool
        Layer normalisation of what comes in. Each has an ``_affine`` (scale and shift, default
        as the switch itself) and an ``_eps``.
    normalize_hopfield_space : bool
        Layer normalisation of projected states and stored patterns, shared by both and by all
        heads; with ``_affine`` (default off) and ``_eps``.
    stored_pattern_as_static, state_pattern_as_static, pattern_projection_as_static : bool
        Use the pattern as it is in every head, without a learned projection.
    pattern_projection_as_connected : bool
        Send pattern projections through the map of the stored patterns, then through their own.
    stored_pattern_size, pattern_projection_size : int, optional
        Features of these patterns; default `input_size`.
    batch_first : bool
        Patterns are (B, S, E); else (S, B, E), and the output likewise.
    association_activation : str, optional
        Function of the output by its name in torch, one of `ACTIVATIONS`.
    dropout : float
        Share of associations dropped in training.
    input_bias : bool
        Whether the projections, that of the output too, have a bias.
    concat_bias_pattern : bool
        Store one learned pattern more in every head.
    add_zero_association : bool
        Store the zero pattern too: a way to read nothing.
    disable_out_projection : bool
        Return the heads' readings side by side, (B, L, H * pattern_size).

    Raises
    ------
    ValueError
        Options that contradict each other or have no effect.

    References
    ----------
    Ramsauer et al. (2021): Hopfield Networks is All You Need. ICLR. arXiv:2008.02217.

    Examples
    --------
    >>> layer = Hopfield(8, num_heads=2, update_steps_max=3)
    >>> layer(torch.randn(4, 10, 8)).shape
    torch.Size([4, 10, 8])
    >>> stored, state = torch.randn(4, 10, 8), torch.randn(4, 3, 8)
    >>> layer.get_association_matrix((stored, state, stored)).shape
    torch.Size([4, 2, 3, 10])
    """

    def __init__(
        self,
        input_size: int | None = None,
        hidden_size: int | None = None,
        output_size: int | None = None,
        pattern_size: int | None = None,
        num_heads: int = 1,
        scaling: float | Tensor | None = None,
        update_steps_max: int | Tensor | None = 0,
        update_steps_eps: float | Tensor = 1e-4,
        normalize_stored_pattern: bool = True,
        normalize_stored_pattern_affine: bool | None = None,
        normalize_stored_pattern_eps: float = 1e-5,
        normalize_state_pattern: bool = True,
        normalize_state_pattern_affine: bool | None = None,
        normalize_state_pattern_eps: float = 1e-5,
        normalize_pattern_projection: bool = True,
        normalize_pattern_projection_affine: bool | None = None,
        normalize_pattern_projection_eps: float = 1e-5,
        normalize_hopfield_space: bool = False,
        normalize_hopfield_space_affine: bool = False,
        normalize_hopfield_space_eps: float = 1e-5,
        stored_pattern_as_static: bool = False,
        state_pattern_as_static: bool = False,
        pattern_projection_as_static: bool = False,
        pattern_projection_as_connected: bool = False,
        stored_pattern_size: int | None = None,
        pattern_projection_size: int | None = None,
        batch_first: bool = True,
        association_activation: str | None = None,
        dropout: float = 0.0,
        input_bias: bool = True,
        concat_bias_pattern: bool = False,
        add_zero_association: bool = False,
        disable_out_projection: bool = False,
    ) -> None:
        super().__init__()
        static = Static(
            state_pattern_as_static,
            stored_pattern_as_static,
            pattern_projection_as_static,
            pattern_projection_as_connected,
        )
        sizes = find_sizes(
            static, num_heads, input_size, hidden_size, pattern_size,
            stored_pattern_size, pattern_projection_size,
        )  # fmt: skip
        self.input_size, self.hidden_size, self.pattern_size = input_size, sizes.head, sizes.pattern
        self.state_pattern_dim, self.stored_pattern_dim = sizes.state, sizes.stored
        self.pattern_projection_dim = sizes.projection
        self.static, self.num_heads = static.all, num_heads
        self.batch_first, self.dropout = batch_first, refuse_share(dropout)
        if association_activation is not None:
            activation_named(association_activation)  # refuses an unknown name
        self.association_activation = association_activation
        self.norm_state_pattern = make_norm(
            "state_pattern", sizes.state, normalize_state_pattern,
            normalize_state_pattern_affine, normalize_state_pattern_eps,
        )  # fmt: skip
        self.norm_stored_pattern = make_norm(
            "stored_pattern", sizes.stored, normalize_stored_pattern,
            normalize_stored_pattern_affine, normalize_stored_pattern_eps,
        )  # fmt: skip
        self.norm_pattern_projection = make_norm(
            "pattern_projection", sizes.projection, normalize_pattern_projection,
            normalize_pattern_projection_affine, normalize_pattern_projection_eps,
        )  # fmt: skip
        space = make_norm(
            "hopfield_space", sizes.head, normalize_hopfield_space,
            normalize_hopfield_space_affine, normalize_hopfield_space_eps,
        )  # fmt: skip
        self.heads = HopfieldHeads(
            static, sizes, num_heads, space,
            bias=input_bias, bias_pattern=concat_bias_pattern, zero_pattern=add_zero_association,
        )  # fmt: skip
        self.out_projection = None
        if not disable_out_projection:
            self.out_projection = make_output(
                num_heads, sizes.pattern, output_size, input_size, input_bias
            )
            self.output_size: int | None = self.out_projection.out_features
        else:
            self.output_size = size_of_readings(num_heads, sizes.pattern, output_size)
        default = 1.0 if static.all or sizes.head is None else 1 / math.sqrt(sizes.head)
        self._set_updates(
            default if scaling is None else scaling, update_steps_max, update_steps_eps
        )
        self.reset_parameters()

    def _set_updates(
        self, scaling: float | Tensor, steps: int | Tensor | None, eps: float | Tensor
    ) -> None:
        for beta in per_head("scaling", scaling, self.num_heads):
            if not beta > 0:
                raise ValueError(f"scaling is {beta}: an inverse temperature is positive")
        self.scaling: float | Tensor
        if isinstance(scaling, nn.Parameter) or not isinstance(scaling, Tensor):
            self.scaling = scaling
        else:
            self.register_buffer("scaling", scaling)
        counts = per_head("update_steps_max", steps, self.num_heads)
        self.update_steps_max = [None if n is None or n < 0 else int(n) for n in counts]
        self.update_steps_eps = per_head("update_steps_eps", eps, self.num_heads)
        if min(self.update_steps_eps) <= 0:
            raise ValueError(f"update_steps_eps is {eps}: a positive threshold")

    def reset_parameters(self) -> None:
        """Start anew: weights N(0, 0.02^2), biases zero, normalisations without effect."""
        self.heads.reset_parameters()
        if self.out_projection is not None:
            reset_linear(self.out_projection)
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.reset_parameters()

    def forward(
        self,
        patterns: Patterns,
        stored_pattern_padding_mask: Tensor | None = None,
        association_mask: Tensor | None = None,
    ) -> Tensor:
        """Look up.

        Parameters
        ----------
        patterns : Tensor or tuple of three Tensor
            Stored patterns (B, S, E_k), state patterns (B, L, E) and pattern projections
            (B, S, E_v), or one tensor that serves as all three. A batch of 1 serves all samples.
        stored_pattern_padding_mask : Tensor, optional
            (B, S); True hides a stored pattern, whatever it holds. A float is added to the
            associations.
        association_mask : Tensor, optional
            (L, S) or (B * H, L, S); True hides a stored pattern from a state.

        Returns
        -------
        Tensor
            (B, L, output_size). A state from which everything is hidden reads zero in every
            head, which leaves the bias of the output.

        Raises
        ------
        ValueError
            Shapes that do not fit, or nothing stored.
        """
        q, k, v, mask = self._in_heads(patterns, stored_pattern_padding_mask, association_mask)
        dropout = self.dropout if self.training else 0.0
        if any(limit != 0 for limit in self.update_steps_max):
            matrix = associations(
                q, k, self.scaling, mask, self.update_steps_max, self.update_steps_eps
            )
            read = F.dropout(matrix, dropout) @ v
        else:
            read = attend(q, k, v, self.scaling, mask, dropout)
        read = read.transpose(1, 2).flatten(2)  # (B, L, H * P)
        if self.out_projection is not None:
            read = self.out_projection(read)
        if self.association_activation is not None:
            read = activation_named(self.association_activation)(read)
        return read if self.batch_first else read.transpose(0, 1)

    @torch.no_grad()
    def get_association_matrix(
        self,
        patterns: Patterns,
        stored_pattern_padding_mask: Tensor | None = None,
        association_mask: Tensor | None = None,
    ) -> Tensor:
        """Return which stored patterns each state looks at; arguments as in `forward`.

        Returns
        -------
        Tensor
            (B, H, L, S + 1 for a learned pattern + 1 for the zero pattern), without gradient and
            before dropout. Rows sum to 1; to 0 where everything is hidden.
        """
        q, k, _, mask = self._in_heads(patterns, stored_pattern_padding_mask, association_mask)
        return associations(q, k, self.scaling, mask, self.update_steps_max, self.update_steps_eps)

    @torch.no_grad()
    def get_projected_pattern_matrix(
        self,
        patterns: Patterns,
        stored_pattern_padding_mask: Tensor | None = None,
        association_mask: Tensor | None = None,
    ) -> Tensor:
        """Return what each head reads from each stored pattern; arguments as in `forward`.

        Returns
        -------
        Tensor
            (B, H, S + 1 for a learned pattern + 1 for the zero pattern, pattern_size), without
            gradient.
        """
        return self._in_heads(patterns, stored_pattern_padding_mask, association_mask)[2]

    def extra_repr(self) -> str:
        """Sizes, for ``print``."""
        return f"{self.input_size}, heads={self.num_heads}, updates={self.update_steps_max}"

    def _in_heads(
        self, patterns: Patterns, padding: Tensor | None, association: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Mask | None]:
        stored, state, projection = self._unpack(patterns)
        if padding is not None:
            refuse_padding(padding, max(len(stored), len(state)), stored.shape[1])
            # what is hidden may hold anything: zero times NaN would be NaN
            hide = hidden(padding).unsqueeze(-1)
            stored, projection = stored.masked_fill(hide, 0.0), projection.masked_fill(hide, 0.0)
            state = stored if isinstance(patterns, Tensor) else state
        q, k, v = self.heads(
            self.norm_state_pattern(state),
            self.norm_stored_pattern(stored),
            self.norm_pattern_projection(projection),
        )
        return q, k, v, join_masks(padding, association, q, k, self.heads.extra)

    def _unpack(self, patterns: Patterns) -> list[Tensor]:
        """Tell the three patterns apart, batch first, and refuse what does not fit."""
        three = [patterns] * 3 if isinstance(patterns, Tensor) else list(patterns)
        if len(three) != 3:
            raise ValueError(
                f"{len(three)} tensors: give one, or stored patterns, state patterns and "
                "pattern projections"
            )
        sizes = (self.stored_pattern_dim, self.state_pattern_dim, self.pattern_projection_dim)
        order = "(batch, patterns, {})" if self.batch_first else "(patterns, batch, {})"
        for name, x, size in zip(_NAMES, three, sizes, strict=True):
            if x.ndim != 3 or 0 in x.shape or x.shape[2] != (size or x.shape[2]):
                raise ValueError(
                    f"{name} are {tuple(x.shape)}: give {order.format(size or 'features')}, "
                    "at least one of each"
                )
        if not self.batch_first:
            three = [x.transpose(0, 1) for x in three]
        shapes = [tuple(x.shape) for x in three]
        stored, state, projection = three
        if stored.shape[1] != projection.shape[1]:
            raise ValueError(f"{shapes}: one pattern projection for each stored pattern, please")
        if len({len(x) for x in three} - {1}) > 1:
            raise ValueError(f"{shapes}: batches of one size, or of 1")
        if self.static and stored.shape[2] != state.shape[2]:
            raise ValueError(f"{shapes}: stored patterns and states meet without a projection")
        return three
