"""The networks of CycleGAN: a generator of residual blocks, and a critic of patches.

Generator: a 7 x 7 convolution, two that halve the image and double the channels, nine residual
blocks, two transposed ones that undo the halving, a 7 x 7 convolution and tanh; reflected at
the borders, with instance norm and ReLU. Critic: 4 x 4 convolutions with leaky ReLU, of which
`layers` halve; each number of its map sees a patch of the image, 70 x 70 with three layers.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["NoisyInput", "PatchDiscriminator", "ResnetGenerator"]


class ResnetGenerator(nn.Module):
    """Images to images of the same size, values -1 to 1.

    Parameters
    ----------
    channels : int
        Of both images.
    width : int
        Channels after the first convolution.
    blocks : int
        Residual blocks.
    halvings : int
        How often the image is halved before the blocks, and doubled after them.

    References
    ----------
    Zhu et al. (2017), arXiv:1703.10593, section 4 and appendix (sizes for 256 x 256, the default);
    Johnson et al. (2016), arXiv:1603.08155.

    Examples
    --------
    >>> ResnetGenerator(width=4, blocks=1)(torch.zeros(1, 3, 16, 16)).shape
    torch.Size([1, 3, 16, 16])
    """

    def __init__(
        self, channels: int = 3, width: int = 64, blocks: int = 9, halvings: int = 2
    ) -> None:
        super().__init__()
        self.halvings = halvings
        widths = [width * 2**i for i in range(halvings + 1)]
        layers: list[nn.Module] = [_wide(channels, width), *_normed(width)]
        for n, m in pairwise(widths):
            layers += [nn.Conv2d(n, m, 3, stride=2, padding=1), *_normed(m)]
        layers += [_Residual(widths[-1]) for _ in range(blocks)]
        for m, n in pairwise(reversed(widths)):
            layers += [_doubling(m, n), *_normed(n)]
        self.layers = nn.Sequential(*layers, _wide(width, channels), nn.Tanh())

    def forward(self, images: Tensor) -> Tensor:
        """Translate (B, C, H, W)."""
        smallest, step = 2 ** (self.halvings + 1), 2**self.halvings
        if any(side % step or side < max(smallest, 4) for side in images.shape[-2:]):
            raise ValueError(
                f"Images of {tuple(images.shape[-2:])} cannot be halved {self.halvings} times and "
                f"reflected at the borders: pad or crop to a multiple of {step}, "
                f"at least {max(smallest, 4)}."
            )
        translated: Tensor = self.layers(images)
        return translated


class PatchDiscriminator(nn.Module):
    """A map of scores, each of one patch of the image; unbounded, for least squares.

    Parameters
    ----------
    channels : int
        Of the image.
    width : int
        Channels after the first convolution; doubled at each further one, up to eight times.
    layers : int
        Convolutions that halve: a patch is 16, 34 or 70 wide with 1, 2 or 3.

    References
    ----------
    Isola et al. (2017), arXiv:1611.07004, appendix; Zhu et al. (2017), arXiv:1703.10593.

    Examples
    --------
    >>> PatchDiscriminator(width=4, layers=1)(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 1, 14, 14])
    """

    def __init__(self, channels: int = 3, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"layers is {layers}; give at least 1.")
        self.smallest = 3 * 2**layers  # instance norm wants more than one place
        widths = [width * 2 ** min(i, 3) for i in range(layers + 1)]
        parts: list[nn.Module] = [
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
        ]
        for i, (n, m) in enumerate(pairwise(widths)):
            stride = 1 if i == layers - 1 else 2
            parts += [nn.Conv2d(n, m, 4, stride=stride, padding=1), nn.InstanceNorm2d(m)]
            parts += [nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4, padding=1))

    def forward(self, images: Tensor) -> Tensor:
        """Score patches of (B, C, H, W), as a map (B, 1, h, w)."""
        if min(images.shape[-2:]) < self.smallest:
            raise ValueError(
                f"Images of {tuple(images.shape[-2:])} are too small for this critic; give at "
                f"least {self.smallest} x {self.smallest}, or fewer layers."
            )
        scores: Tensor = self.layers(images)
        return scores


class NoisyInput(nn.Module):
    """Add noise to what a generator is given: from one scene to many kinds of rain, not to one.

    Not of Zhu et al. (2017), whose generators get none; a small net has no other source of chance.

    Parameters
    ----------
    net : nn.Module
        The generator, images to images.
    sigma : float
        Standard deviation; of a pixel, all channels get the same.
    generator : torch.Generator, optional
        On the device of the images.

    Examples
    --------
    >>> NoisyInput(nn.Identity(), sigma=0.0)(torch.ones(1, 1, 1, 2))
    tensor([[[[1., 1.]]]])
    """

    def __init__(
        self, net: nn.Module, sigma: float, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.net, self.sigma, self.generator = net, sigma, generator

    def forward(self, images: Tensor) -> Tensor:
        """Translate (B, C, H, W), with noise drawn anew."""
        noise = torch.randn(
            images[:, :1].shape, generator=self.generator, device=images.device, dtype=images.dtype
        )
        translated: Tensor = self.net(images + self.sigma * noise)
        return translated


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"), *_normed(width),
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.layers(x)
        return x + change


def _wide(n: int, m: int) -> nn.Conv2d:
    return nn.Conv2d(n, m, 7, padding=3, padding_mode="reflect")


def _doubling(n: int, m: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(n, m, 3, stride=2, padding=1, output_padding=1)


def _normed(width: int) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm2d(width), nn.ReLU()
