r"""Region proposal network: which anchor of a coarse map holds an object, and roughly what box.

Every cell of the map has one anchor of a common size for each of several angles. A small pyramid of
convolutions gives each anchor a logit s and seven residuals u. Anchors that overlap a true box
well are positive (the best one of each box always is), those that overlap none are negative, the
rest are not looked at:

.. math:: \mathcal{L} = \alpha \, \langle \mathrm{CE}(s, 1) \rangle_{pos}
    + \beta \, \langle \mathrm{CE}(s, 0) \rangle_{neg}
    + \langle \textstyle\sum_{j=1}^{7} \operatorname{smooth}_{L_1}(u_j - u_j^*) \rangle_{pos}

with :math:`\alpha = 1.5, \beta = 1` (Zhou and Tuzel 2018, arXiv:1711.06396, eq. 2).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hydroml.toolkit.domains.boxes import encode_boxes, half_turn, iou_bev
from hydroml.toolkit.domains.voxel_net import VoxelNet
from hydroml.toolkit.domains.voxels import VoxelGrid, Voxels

__all__ = [
    "SMOOTH", "AnchorTargets", "RegionProposalNet", "anchor_grid", "anchor_targets",
    "proposal_loss",
]  # fmt: skip

SMOOTH = 1 / 9
"""Residual errors below it count squared, larger ones by their size."""

POSITIVE_WEIGHT, NEGATIVE_WEIGHT = 1.5, 1.0


class AnchorTargets(NamedTuple):
    """What anchors should say: positive (A,), negative (A,), residuals (A, 7) of positive ones."""

    positive: Tensor
    negative: Tensor
    residuals: Tensor


class RegionProposalNet(nn.Module):
    """Boxes seen from above, proposed on the map of a `VoxelNet`.

    Parameters
    ----------
    net : VoxelNet
        Encoder; its grid is the scene's.
    size : tuple of float
        Length, width, height of the anchors [m].
    yaws : sequence of float
        Their angles [rad].
    channels : int
        Of the first block; the second, at half the resolution, has twice as many.

    Attributes
    ----------
    anchors : Tensor
        (H * W * len(yaws), 7).

    Examples
    --------
    >>> from hydroml.toolkit.domains.voxels import voxelize
    >>> grid = VoxelGrid((0.0, 0.0, 0.0), (4.0, 4.0, 2.4), (0.8, 0.8, 0.8))
    >>> rpn = RegionProposalNet(VoxelNet(grid), (3.0, 1.5, 1.4))
    >>> logits, residuals = rpn(voxelize(torch.rand(50, 4), grid), clouds=1)
    >>> logits.shape, residuals.shape, rpn.anchors.shape
    (torch.Size([1, 50]), torch.Size([1, 50, 7]), torch.Size([50, 7]))
    """

    anchors: Tensor

    def __init__(
        self,
        net: VoxelNet,
        size: tuple[float, float, float],
        yaws: Sequence[float] = (0.0, torch.pi / 2),
        channels: int = 24,
    ) -> None:
        super().__init__()
        self.net = net
        self.first = nn.Sequential(_block(net.channels, channels), _block(channels, channels))
        self.second = nn.Sequential(
            _block(channels, 2 * channels, stride=2), _block(2 * channels, 2 * channels)
        )
        self.score = nn.Conv2d(3 * channels, len(yaws), 1)
        self.residuals = nn.Conv2d(3 * channels, 7 * len(yaws), 1)
        self.register_buffer("anchors", anchor_grid(net.grid, size, yaws))

    def forward(self, voxels: Voxels, clouds: int) -> tuple[Tensor, Tensor]:
        """Judge all anchors.

        Parameters
        ----------
        voxels : Voxels
            Of all scenes.
        clouds : int
            How many scenes there are, B.

        Returns
        -------
        logits : Tensor
            (B, A), in the order of `anchors`.
        residuals : Tensor
            (B, A, 7).
        """
        fine = self.first(self.net(voxels, clouds))
        coarse = F.interpolate(self.second(fine), size=fine.shape[2:])
        seen = torch.cat([fine, coarse], dim=1)
        logits = self.score(seen).permute(0, 2, 3, 1).flatten(1)
        residuals = self.residuals(seen).permute(0, 2, 3, 1).reshape(clouds, -1, 7)
        return logits, residuals


def anchor_grid(grid: VoxelGrid, size: tuple[float, float, float], yaws: Sequence[float]) -> Tensor:
    """One anchor for each angle at the middle of each column of voxels, standing on the ground.

    Parameters
    ----------
    grid : VoxelGrid
        Its lower face is the ground.
    size : tuple of float
        Length, width, height [m].
    yaws : sequence of float
        [rad].

    Returns
    -------
    Tensor
        (H * W * len(yaws), 7); angles change fastest, then x.
    """
    _, rows, columns = grid.shape
    y = grid.low[1] + (torch.arange(rows) + 0.5) * grid.size[1]
    x = grid.low[0] + (torch.arange(columns) + 0.5) * grid.size[0]
    y, x, yaw = torch.meshgrid(y, x, torch.tensor(yaws), indexing="ij")
    z = torch.full_like(x, grid.low[2] + size[2] / 2)
    sizes = (torch.full_like(x, side) for side in size)
    return torch.stack([x, y, z, *sizes, yaw], dim=-1).reshape(-1, 7)


def anchor_targets(
    anchors: Tensor, boxes: Tensor, high: float = 0.5, low: float = 0.35
) -> AnchorTargets:
    """Tell which anchors hold which boxes.

    Parameters
    ----------
    anchors : Tensor
        (A, 7).
    boxes : Tensor
        (K, 7), the truth; K may be 0.
    high : float
        Overlap (IoU from above) from which an anchor is positive.
    low : float
        Overlap below which it is negative.

    Returns
    -------
    AnchorTargets
        Angles as the smallest turn between anchor and box, without front or back.

    Examples
    --------
    >>> anchors = torch.tensor([[x, 0.0, 0.7, 3.0, 1.5, 1.4, 0.0] for x in (0.0, 0.5, 1.2, 3.0)])
    >>> targets = anchor_targets(anchors, anchors[:1])
    >>> targets.positive.tolist(), targets.negative.tolist()
    ([True, True, False, False], [False, False, False, True])
    """
    if len(boxes) == 0:
        nothing = torch.zeros(len(anchors), dtype=torch.bool, device=anchors.device)
        return AnchorTargets(nothing, ~nothing, torch.zeros_like(anchors))
    overlap, which = (iou := iou_bev(anchors, boxes)).max(dim=1)
    best = iou.argmax(dim=0)
    which[best] = torch.arange(len(boxes), device=best.device)
    positive = overlap >= high
    positive[best] = True
    residuals = encode_boxes(boxes[which], anchors)
    residuals[:, 6] = half_turn(residuals[:, 6])
    return AnchorTargets(positive, (overlap < low) & ~positive, residuals)


def proposal_loss(logits: Tensor, residuals: Tensor, targets: AnchorTargets) -> Tensor:
    """Cross entropies of positive and of negative anchors, and errors of residuals.

    Parameters
    ----------
    logits : Tensor
        (B, A).
    residuals : Tensor
        (B, A, 7).
    targets : AnchorTargets
        (B, A), (B, A) and (B, A, 7).
    """
    positive, negative, truth = targets
    pos, neg = positive.sum().clamp(min=1), negative.sum().clamp(min=1)
    hit = F.softplus(-logits[positive]).sum() / pos
    spurious = F.softplus(logits[negative]).sum() / neg
    error = F.smooth_l1_loss(residuals[positive], truth[positive], reduction="sum", beta=SMOOTH)
    return POSITIVE_WEIGHT * hit + NEGATIVE_WEIGHT * spurious + error / pos


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )
