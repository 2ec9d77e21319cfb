"""From an image to a set of elements that know where they are."""

import torch
from torch import Tensor, nn


class SoftPositionEmbed(nn.Module):
    """Add a learned linear function of the position to a feature map.

    A position is (x, y, 1 - x, 1 - y), each from 0 to 1 between the edges.

    Parameters
    ----------
    dim : int
        Features of the map.
    resolution : tuple of int
        Its height and width.

    References
    ----------
    Locatello et al. (2020), arXiv:2006.15055, appendix E.2.

    Examples
    --------
    >>> SoftPositionEmbed(8, (4, 6))(torch.zeros(2, 8, 4, 6)).shape
    torch.Size([2, 8, 4, 6])
    """

    grid: Tensor

    def __init__(self, dim: int, resolution: tuple[int, int]) -> None:
        super().__init__()
        self.linear = nn.Linear(4, dim)
        y, x = torch.meshgrid(*(torch.linspace(0, 1, n) for n in resolution), indexing="ij")
        grid = torch.stack([x, y, 1 - x, 1 - y], dim=-1)  # (H, W, 4)
        self.register_buffer("grid", grid, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Add positions.

        Parameters
        ----------
        features : Tensor
            (B, dim, H, W).

        Returns
        -------
        Tensor
            Of the same shape.
        """
        return features + self.linear(self.grid).permute(2, 0, 1)


class SlotEncoder(nn.Module):
    """Convolutions, positions, and a small network on every element.

    Parameters
    ----------
    resolution : tuple of int
        Height and width of the images.
    dim : int
        Features of an element, and channels of the convolutions.
    channels : int
        Of the images.
    strides : tuple of int
        One 5 x 5 convolution each; they divide the resolution.

    Raises
    ------
    ValueError
        Strides that do not divide the resolution.

    Examples
    --------
    >>> SlotEncoder((8, 8), dim=4, channels=3, strides=(1, 2))(torch.rand(2, 3, 8, 8)).shape
    torch.Size([2, 16, 4])
    """

    def __init__(
        self, resolution: tuple[int, int], dim: int, channels: int, strides: tuple[int, ...]
    ) -> None:
        super().__init__()
        step = 1
        layers: list[nn.Module] = []
        for stride in strides:
            layers += [nn.Conv2d(channels, dim, 5, stride, padding=2), nn.ReLU()]
            channels, step = dim, step * stride
        height, width = resolution
        if not strides or height % step or width % step:
            raise ValueError(f"strides {strides} do not divide images of {height} x {width}")
        self.resolution, self.channels = resolution, layers[0].in_channels
        self.convolutions = nn.Sequential(*layers)
        self.position = SoftPositionEmbed(dim, (height // step, width // step))
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Encode.

        Parameters
        ----------
        images : Tensor
            (B, C, H, W).

        Returns
        -------
        Tensor
            Elements (B, N, dim), row by row.
        """
        expected = (self.channels, *self.resolution)
        if images.ndim != 4 or images.shape[1:] != expected:
            raise ValueError(f"images are {tuple(images.shape)}: give (batch, *{expected})")
        return self.mlp(self.position(self.convolutions(images)).flatten(2).mT)
