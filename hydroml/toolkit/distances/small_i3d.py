"""A small inflated Inception network for clips: 3-D convolutions, Inception blocks, mean logits.

The order of I3D (Carreira and Zisserman 2017, arXiv:1705.07750) with few channels:

    conv 7x7x7 stride 2, pool 1x3x3, conv 1, conv 3, pool 1x3x3, block, block, pool 3x3x3, block,
    mean over space, logits at each remaining time, mean over time

Pools have stride 2 along their long axes, so that time shrinks fourfold and space sixteenfold.
"""

import torch
from torch import Tensor, nn

__all__ = ["InceptionBlock", "SmallI3D"]

SHORTEST, SMALLEST = 4, 16  # frames and pixels that four halvings leave something of


def unit(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution that keeps the size but for the stride, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv3d(channels, out, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm3d(out),
        nn.ReLU(),
    )


class InceptionBlock(nn.Module):
    """Four branches side by side: 1, 1 then 3, 1 then 3 of fewer channels, pool then 1.

    Parameters
    ----------
    channels : int
        That come in.
    width : int
        4 width channels go out: 1, 2, 1/2 and 1/2 of the width.

    Examples
    --------
    >>> InceptionBlock(6, 4)(torch.zeros(2, 6, 3, 5, 5)).shape
    torch.Size([2, 16, 3, 5, 5])
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        if width % 2:
            raise ValueError(f"width is {width}; give an even number.")
        self.branches = nn.ModuleList([
            unit(channels, width, 1),
            nn.Sequential(unit(channels, width, 1), unit(width, 2 * width, 3)),
            nn.Sequential(unit(channels, width // 2, 1), unit(width // 2, width // 2, 3)),
            nn.Sequential(nn.MaxPool3d(3, 1, padding=1), unit(channels, width // 2, 1)),
        ])  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, T, H, W) to (B, 4 width, T, H, W)."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class SmallI3D(nn.Module):
    """Clips to logits, the features of a Frechet distance of clips. Untrained: train it first.

    Parameters
    ----------
    classes : int
        Logits, and so features.
    channels : int
        Of a frame.
    width : int
        Channels of the first convolution, even; blocks have 4 width.

    Examples
    --------
    >>> SmallI3D(classes=5, width=4).eval()(torch.zeros(2, 8, 3, 32, 32)).shape
    torch.Size([2, 5])
    """

    def __init__(self, classes: int, channels: int = 3, width: int = 8) -> None:
        super().__init__()
        self.body = nn.Sequential(
            unit(channels, width, 7, stride=2),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            unit(width, width, 1),
            unit(width, 2 * width, 3),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            InceptionBlock(2 * width, width),
            InceptionBlock(4 * width, width),
            nn.MaxPool3d(3, 2, padding=1),
            InceptionBlock(4 * width, width),
        )
        self.logits = nn.Linear(4 * width, classes)

    def forward(self, clips: Tensor) -> Tensor:
        """Read clips.

        Parameters
        ----------
        clips : Tensor
            (B, T, C, H, W), -1 to 1; T at least 4, H and W at least 16.

        Returns
        -------
        Tensor
            Logits, mean over the times that the pools leave, (B, classes).
        """
        if clips.ndim != 5 or clips.shape[1] < SHORTEST or min(clips.shape[3:]) < SMALLEST:
            raise ValueError(
                f"Clips have the shape {tuple(clips.shape)}; give (B, T, C, H, W) with T of at "
                f"least {SHORTEST}, H and W of at least {SMALLEST}."
            )
        h = self.body(clips.transpose(1, 2)).mean(dim=(3, 4))  # (B, 4 width, T / 4)
        found: Tensor = self.logits(h.transpose(1, 2)).mean(dim=1)
        return found
