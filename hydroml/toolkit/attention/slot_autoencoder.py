"""An auto-encoder that draws each slot by itself and lets slots compete for every pixel."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hydroml.toolkit.attention.slot_encoder import SlotEncoder, SoftPositionEmbed
from hydroml.toolkit.attention.slots import SlotAttention


class Reconstruction(NamedTuple):
    """What the auto-encoder draws: ``recon`` is the sum over slots of ``masks * recons``."""

    recon: Tensor  # (B, C, H, W)
    recons: Tensor  # (B, K, C, H, W)
    masks: Tensor  # (B, K, 1, H, W), sum to 1 over slots
    slots: Tensor  # (B, K, D)


class SlotAutoEncoder(nn.Module):
    """Encode an image into slots and draw it from them.

    Parameters
    ----------
    resolution : tuple of int
        Height and width of the images.
    num_slots : int
        Slots K where `forward` is not told otherwise.
    dim : int
        Features of a slot, and channels of the convolutions.
    iters : int
        Rounds of slot attention.
    channels : int
        Of the images.
    broadcast : tuple of int
        Height and width at which a slot is spread out before it is drawn: the resolution divided
        by 1, 2, 4, ..., the same in both directions.

    Raises
    ------
    ValueError
        A `broadcast` from which doubling does not lead to the resolution.

    References
    ----------
    Locatello et al. (2020), arXiv:2006.15055, section 3.1.

    Examples
    --------
    >>> model = SlotAutoEncoder((16, 16), num_slots=3, dim=8, broadcast=(8, 8))
    >>> drawn = model(torch.rand(2, 3, 16, 16))
    >>> drawn.recon.shape, drawn.masks.shape
    (torch.Size([2, 3, 16, 16]), torch.Size([2, 3, 1, 16, 16]))
    """

    def __init__(
        self,
        resolution: tuple[int, int],
        num_slots: int = 7,
        dim: int = 64,
        iters: int = 3,
        channels: int = 3,
        broadcast: tuple[int, int] = (8, 8),
    ) -> None:
        super().__init__()
        self.encoder = SlotEncoder(resolution, dim, channels, strides=(1, 1, 1, 1))
        self.slot_attention = SlotAttention(num_slots, dim, iters)
        self.broadcast = broadcast
        self.position = SoftPositionEmbed(dim, broadcast)
        doublings = _doublings(broadcast, resolution)
        layers: list[nn.Module] = []
        for _ in range(doublings):
            layers += [
                nn.ConvTranspose2d(dim, dim, 5, stride=2, padding=2, output_padding=1),
                nn.ReLU(),
            ]
        layers += [nn.ConvTranspose2d(dim, dim, 5, padding=2), nn.ReLU()]
        layers += [nn.ConvTranspose2d(dim, channels + 1, 3, padding=1)]
        self.decoder = nn.Sequential(*layers)

    def forward(
        self,
        images: Tensor,
        num_slots: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Reconstruction:
        """Encode and draw.

        Parameters
        ----------
        images : Tensor
            (B, C, H, W).
        num_slots : int, optional
            Another number of slots than trained with.
        generator : torch.Generator, optional
            For the slots' start.

        Returns
        -------
        Reconstruction
            The drawing, each slot's own, their masks, and the slots.
        """
        slots, _ = self.slot_attention(self.encoder(images), num_slots, generator)
        spread = slots.flatten(0, 1)[:, :, None, None].expand(-1, -1, *self.broadcast)
        drawn = self.decoder(self.position(spread)).unflatten(0, slots.shape[:2])
        recons, masks = drawn[:, :, :-1], drawn[:, :, -1:].softmax(1)
        return Reconstruction((masks * recons).sum(1), recons, masks, slots)


def _doublings(broadcast: tuple[int, int], resolution: tuple[int, int]) -> int:
    """How often the one is doubled to give the other."""
    ratio = resolution[0] / broadcast[0]
    times = max(round(math.log2(ratio)), 0)
    if tuple(n * 2**times for n in broadcast) != tuple(resolution):
        raise ValueError(
            f"doubling {broadcast} does not lead to {tuple(resolution)}: choose a broadcast of "
            "the resolution divided by 1, 2, 4, ... in both directions"
        )
    return times
