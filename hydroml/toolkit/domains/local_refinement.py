r"""Local refinement network: one box from the points around a place where one is expected.

The points of a small square patch are cut into fine voxels, encoded by a `VoxelNet` and pooled by
strided convolutions. Anchors stand in the middle of the patch, one for each of several angles; the
net gives each a logit s and seven residuals u, and

.. math:: \mathcal{L} = \mathrm{CE}(\operatorname{softmax}(s), a^*)
    + \textstyle\sum_{j=1}^{7} \operatorname{smooth}_{L_1}(u_{a^* j} - u_j^*)

with a* the anchor whose angle is nearest to the true one. It is taught on patches around true
places that are moved at random (`jitter`), turned and mirrored, and knows of no other network.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hydroml.toolkit.domains.boxes import decode_boxes, encode_boxes, half_turn
from hydroml.toolkit.domains.region_proposal import SMOOTH
from hydroml.toolkit.domains.voxel_net import VoxelNet
from hydroml.toolkit.domains.voxels import Patches, Voxels

__all__ = ["LocalRefinementNet", "Training", "refinement_loss", "training_patches"]


class Training(NamedTuple):
    """Points of patches to learn from, and the box of each, (P, 7), seen from its centre."""

    patches: Patches
    boxes: Tensor


class LocalRefinementNet(nn.Module):
    """A box from a patch.

    Parameters
    ----------
    net : VoxelNet
        Encoder; its grid is the patch's, with (0, 0) in the middle.
    size : tuple of float
        Length, width, height of the anchors [m].
    yaws : sequence of float
        Their angles [rad].
    channels : int
        Of the first strided convolution; the second has a third more.

    Examples
    --------
    >>> from hydroml.toolkit.domains.voxels import VoxelGrid, voxelize
    >>> grid = VoxelGrid((-2.0, -2.0, 0.0), (2.0, 2.0, 2.4), (0.2, 0.2, 0.4))
    >>> lrn = LocalRefinementNet(VoxelNet(grid), (3.0, 1.5, 1.4))
    >>> logits, residuals = lrn(voxelize(torch.rand(50, 4), grid), patches=1)
    >>> logits.shape, residuals.shape, lrn.boxes(logits, residuals).shape
    (torch.Size([1, 2]), torch.Size([1, 2, 7]), torch.Size([1, 7]))
    """

    anchors: Tensor

    def __init__(
        self,
        net: VoxelNet,
        size: tuple[float, float, float],
        yaws: Sequence[float] = (0.0, torch.pi / 2),
        channels: int = 48,
    ) -> None:
        super().__init__()
        self.net = net
        wider = channels * 4 // 3
        rows, columns = ((n + 3) // 4 for n in net.grid.shape[1:])
        self.pool = nn.Sequential(
            nn.Conv2d(net.channels, channels, 3, 2, 1, bias=False),
            nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, wider, 3, 2, 1, bias=False), nn.BatchNorm2d(wider), nn.ReLU(),
            nn.Flatten(), nn.Linear(rows * columns * wider, 2 * wider), nn.ReLU(),
        )  # fmt: skip
        self.score = nn.Linear(2 * wider, len(yaws))
        self.residuals = nn.Linear(2 * wider, 7 * len(yaws))
        ground = net.grid.low[2]
        anchors = [[0.0, 0.0, ground + size[2] / 2, *size, yaw] for yaw in yaws]
        self.register_buffer("anchors", torch.tensor(anchors))

    def forward(self, voxels: Voxels, patches: int) -> tuple[Tensor, Tensor]:
        """Judge the anchors of each patch.

        Parameters
        ----------
        voxels : Voxels
            Of all patches.
        patches : int
            How many there are, P.

        Returns
        -------
        logits : Tensor
            (P, A): which angle is nearest.
        residuals : Tensor
            (P, A, 7).
        """
        h = self.pool(self.net(voxels, patches))
        return self.score(h), self.residuals(h).unflatten(1, (-1, 7))

    def boxes(self, logits: Tensor, residuals: Tensor) -> Tensor:
        """Decode the best anchor of each patch: boxes (P, 7) seen from its centre.

        Parameters
        ----------
        logits : Tensor
            (P, A).
        residuals : Tensor
            (P, A, 7).
        """
        best = logits.argmax(dim=1)
        chosen = residuals[torch.arange(len(best), device=best.device), best]
        return decode_boxes(chosen, self.anchors[best])


def refinement_loss(logits: Tensor, residuals: Tensor, boxes: Tensor, anchors: Tensor) -> Tensor:
    """Cross entropy of the nearest angle and errors of that anchor's residuals.

    Parameters
    ----------
    logits : Tensor
        (P, A).
    residuals : Tensor
        (P, A, 7).
    boxes : Tensor
        (P, 7), the truth seen from the patch's centre.
    anchors : Tensor
        (A, 7).
    """
    turn = half_turn(boxes[:, 6:] - anchors[:, 6])  # (P, A)
    nearest = turn.abs().argmin(dim=1)
    row = torch.arange(len(boxes), device=boxes.device)
    truth = encode_boxes(boxes, anchors[nearest])
    truth[:, 6] = turn[row, nearest]
    error = F.smooth_l1_loss(residuals[row, nearest], truth, reduction="sum", beta=SMOOTH)
    return F.cross_entropy(logits, nearest) + error / len(boxes)


def training_patches(
    patches: Patches, boxes: Tensor, jitter: float, generator: torch.Generator | None = None
) -> Training:
    """Turn, mirror and move patches that are cut around true centres.

    Parameters
    ----------
    patches : Patches
        Cut wide enough that turning and moving leaves no empty corner.
    boxes : Tensor
        (P, 7) seen from the centre of their patch: x and y are 0 where it is the true one.
    jitter : float
        The patch is moved by up to so much along x and along y [m].
    generator : torch.Generator, optional
        Source of chance.

    Returns
    -------
    Training
        Points are not cut again: the grid of the voxels leaves out what is beyond it.
    """
    count = len(boxes)
    draw = torch.rand(4, count, generator=generator, dtype=boxes.dtype).to(boxes.device)
    angle, mirror = draw[0] * 2 * torch.pi, (draw[1] < 0.5).to(boxes) * 2 - 1
    move = (draw[2:].T * 2 - 1) * jitter
    points = patches.points.clone()
    of = patches.patch
    points[:, :2] = _turned(points[:, :2], angle[of], mirror[of]) - move[of]
    moved = boxes.clone()
    moved[:, :2] = _turned(boxes[:, :2], angle, mirror) - move
    moved[:, 6] = half_turn(angle + mirror * boxes[:, 6])
    return Training(Patches(points, of), moved)


def _turned(xy: Tensor, angle: Tensor, mirror: Tensor) -> Tensor:
    """Mirror along y where told to, then turn."""
    x, y = xy[:, 0], xy[:, 1] * mirror
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([x * cos - y * sin, x * sin + y * cos], dim=1)
