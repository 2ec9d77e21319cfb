"""The Hopfield layer with learned stored patterns: a trainable memory that states look up."""

from typing import Unpack

import torch
from torch import Tensor, nn

from hydroml.toolkit.attention.hopfield_attention import Hopfield
from hydroml.toolkit.attention.hopfield_heads import STD
from hydroml.toolkit.attention.hopfield_options import HopfieldOptions
from hydroml.toolkit.attention.hopfield_pooling import refuse_quantity


class HopfieldLayer(nn.Module):
    """Look states up among learned patterns.

    Parameters
    ----------
    input_size : int
        Features E of a state.
    quantity : int
        Number of learned stored patterns.
    trainable : bool
        Whether they are learned, or stay as drawn.
    lookup_weights_as_separated : bool
        Learn apart what is read from each stored pattern.
    lookup_targets_as_trainable : bool
        Whether what is read apart is learned, or stays as drawn.
    **options
        Of `Hopfield`.

    Raises
    ------
    ValueError
        Fixed targets asked for where targets are not separated.

    References
    ----------
    Ramsauer et al. (2021): Hopfield Networks is All You Need. ICLR. arXiv:2008.02217.

    Examples
    --------
    >>> memory = HopfieldLayer(8, quantity=32, output_size=3)
    >>> memory(torch.randn(4, 5, 8)).shape
    torch.Size([4, 5, 3])
    """

    def __init__(
        self,
        input_size: int,
        *,
        quantity: int = 1,
        trainable: bool = True,
        lookup_weights_as_separated: bool = False,
        lookup_targets_as_trainable: bool = True,
        **options: Unpack[HopfieldOptions],
    ) -> None:
        super().__init__()
        refuse_quantity(quantity)
        if not (lookup_weights_as_separated or lookup_targets_as_trainable):
            raise ValueError(
                "lookup_targets_as_trainable=False has no effect where targets are the stored "
                "patterns: set lookup_weights_as_separated=True, or trainable=False"
            )
        self.hopfield = Hopfield(input_size, **options)
        self.quantity = quantity
        stored, read = self.hopfield.stored_pattern_dim, self.hopfield.pattern_projection_dim
        assert stored is not None  # input_size is known
        assert read is not None
        self.lookup_weights = nn.Parameter(torch.empty(1, quantity, stored), trainable)
        self.target_weights = None
        if lookup_weights_as_separated:
            self.target_weights = nn.Parameter(
                torch.empty(1, quantity, read), lookup_targets_as_trainable
            )
        elif stored != read:
            raise ValueError(
                f"stored patterns have {stored} features, but {read} are read from each: "
                "set lookup_weights_as_separated=True"
            )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start anew: learned patterns N(0, 0.02^2)."""
        self.hopfield.reset_parameters()
        nn.init.normal_(self.lookup_weights, std=STD)
        if self.target_weights is not None:
            nn.init.normal_(self.target_weights, std=STD)

    def forward(
        self,
        state: Tensor,
        stored_pattern_padding_mask: Tensor | None = None,
        association_mask: Tensor | None = None,
    ) -> Tensor:
        """Look up.

        Parameters
        ----------
        state : Tensor
            (B, L, E).
        stored_pattern_padding_mask : Tensor, optional
            (B, quantity); True hides a learned pattern.
        association_mask : Tensor, optional
            (L, quantity) or (B * H, L, quantity); True hides a learned pattern from a state.

        Returns
        -------
        Tensor
            (B, L, output_size).
        """
        return self.hopfield(self._patterns(state), stored_pattern_padding_mask, association_mask)

    def get_association_matrix(
        self,
        state: Tensor,
        stored_pattern_padding_mask: Tensor | None = None,
        association_mask: Tensor | None = None,
    ) -> Tensor:
        """Return which learned patterns each state looks at, (B, H, L, quantity)."""
        return self.hopfield.get_association_matrix(
            self._patterns(state), stored_pattern_padding_mask, association_mask
        )

    def get_projected_pattern_matrix(
        self,
        state: Tensor,
        stored_pattern_padding_mask: Tensor | None = None,
        association_mask: Tensor | None = None,
    ) -> Tensor:
        """Return what each head reads from each learned pattern, (B, H, quantity, pattern_size)."""
        return self.hopfield.get_projected_pattern_matrix(
            self._patterns(state), stored_pattern_padding_mask, association_mask
        )

    def _patterns(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        stored: Tensor = self.lookup_weights
        read = stored if self.target_weights is None else self.target_weights
        if not self.hopfield.batch_first:
            stored, read = stored.transpose(0, 1), read.transpose(0, 1)
        return stored, state, read
