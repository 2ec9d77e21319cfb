"""Hopfield pooling: learned states read a fixed number of patterns out of a bag."""

from typing import Unpack

import torch
from torch import Tensor, nn

from hydroml.toolkit.attention.hopfield_attention import Hopfield
from hydroml.toolkit.attention.hopfield_heads import STD
from hydroml.toolkit.attention.hopfield_options import HopfieldOptions


class HopfieldPooling(nn.Module):
    """Pool a bag of any size into `quantity` readings by learned states.

    Parameters
    ----------
    input_size : int
        Features E of an instance.
    quantity : int
        Number of learned states.
    trainable : bool
        Whether they are learned, or stay as drawn.
    **options
        Of `Hopfield`.

    References
    ----------
    Ramsauer et al. (2021): Hopfield Networks is All You Need. ICLR. arXiv:2008.02217.

    Examples
    --------
    >>> pool = HopfieldPooling(8, quantity=2, num_heads=4)
    >>> pool(torch.randn(3, 50, 8)).shape
    torch.Size([3, 16])
    """

    def __init__(
        self,
        input_size: int,
        *,
        quantity: int = 1,
        trainable: bool = True,
        **options: Unpack[HopfieldOptions],
    ) -> None:
        super().__init__()
        refuse_quantity(quantity)
        self.hopfield = Hopfield(input_size, **options)
        self.quantity = quantity
        size = self.hopfield.state_pattern_dim
        assert size is not None  # input_size is known
        self.pooling_weights = nn.Parameter(torch.empty(1, quantity, size), requires_grad=trainable)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start anew: learned states N(0, 0.02^2)."""
        self.hopfield.reset_parameters()
        nn.init.normal_(self.pooling_weights, std=STD)

    def forward(
        self,
        bag: Tensor | tuple[Tensor, Tensor],
        stored_pattern_padding_mask: Tensor | None = None,
        association_mask: Tensor | None = None,
    ) -> Tensor:
        """Pool.

        Parameters
        ----------
        bag : Tensor or tuple of two Tensor
            Instances (B, S, E), or stored patterns and pattern projections apart.
        stored_pattern_padding_mask : Tensor, optional
            (B, S); True hides an instance.
        association_mask : Tensor, optional
            (quantity, S) or (B * H, quantity, S); True hides an instance from a learned state.

        Returns
        -------
        Tensor
            (B, quantity * output_size), whatever `batch_first`. A bag of which everything is
            hidden reads zero in every head.
        """
        read = self.hopfield(self._patterns(bag), stored_pattern_padding_mask, association_mask)
        return (read if self.hopfield.batch_first else read.transpose(0, 1)).flatten(1)

    def get_association_matrix(
        self,
        bag: Tensor | tuple[Tensor, Tensor],
        stored_pattern_padding_mask: Tensor | None = None,
        association_mask: Tensor | None = None,
    ) -> Tensor:
        """Return which instances each learned state looks at, (B, H, quantity, S)."""
        return self.hopfield.get_association_matrix(
            self._patterns(bag), stored_pattern_padding_mask, association_mask
        )

    def get_projected_pattern_matrix(
        self,
        bag: Tensor | tuple[Tensor, Tensor],
        stored_pattern_padding_mask: Tensor | None = None,
        association_mask: Tensor | None = None,
    ) -> Tensor:
        """Return what each head reads from each instance, (B, H, S, pattern_size)."""
        return self.hopfield.get_projected_pattern_matrix(
            self._patterns(bag), stored_pattern_padding_mask, association_mask
        )

    def _patterns(self, bag: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        stored, projection = (bag, bag) if isinstance(bag, Tensor) else bag
        learned: Tensor = self.pooling_weights
        if not self.hopfield.batch_first:
            learned = learned.transpose(0, 1)
        return stored, learned, projection


def refuse_quantity(quantity: int) -> None:
    """Refuse a layer without a learned pattern."""
    if quantity < 1:
        raise ValueError(f"quantity is {quantity}: at least one learned pattern")
