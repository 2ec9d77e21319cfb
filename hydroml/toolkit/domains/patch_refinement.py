r"""Patch refinement: boxes proposed on a coarse map, each drawn again from a fine patch around it.

Two networks of the same family are trained apart from each other. The first (`RegionProposalNet`)
sees the whole scene in coarse voxels and tells where objects are, from above. The second
(`LocalRefinementNet`) sees one small square of the point cloud in fine voxels and tells the box:

.. math::
    \{(b_i, s_i)\} = \mathrm{NMS}(\mathrm{RPN}(P)), \qquad
    b_i' = \mathrm{LRN}(\{p - c_i : p \in P, \; |p - c_i|_\infty < a / 2\}) + c_i

with c_i the centre of the proposal b_i and a the side of a patch. Scores stay those of the first.
Fine voxels are held for a few patches only, not for the scene.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hydroml.toolkit.card import Card
from hydroml.toolkit.domains.boxes import decode_boxes, encode_boxes, iou_bev, nms_bev
from hydroml.toolkit.domains.local_refinement import (
    LocalRefinementNet,
    refinement_loss,
    training_patches,
)
from hydroml.toolkit.domains.region_proposal import (
    RegionProposalNet,
    anchor_targets,
    proposal_loss,
)
from hydroml.toolkit.domains.voxel_net import VFE, VoxelNet
from hydroml.toolkit.domains.voxels import VoxelGrid, Voxels, extract_patches, voxelize

__all__ = [
    "CARD", "VFE", "Detections", "LocalRefinementNet", "PatchRefinement", "RegionProposalNet",
    "VoxelGrid", "VoxelNet", "Voxels", "anchor_targets", "decode_boxes", "encode_boxes",
    "extract_patches", "iou_bev", "nms_bev", "proposal_loss", "refinement_loss",
    "training_patches", "voxelize",
]  # fmt: skip

CARD = Card(
    name="patch_refinement",
    title="Patch refinement: localized 3-D object detection",
    paper="Lehner et al. (2019): Patch Refinement: localized 3D object detection. "
    "arXiv:1910.04093; VoxelNet: Zhou and Tuzel (2018), arXiv:1711.06396",
    year=2019,
    answers="Where are the objects of a large point cloud, and what are their exact boxes?",
    inputs="points (N, 4): x, y, z [m], reflectance [-]",
    outputs="boxes (K, 7): x, y, z, length, width, height [m], yaw [rad]; scores (K,)",
    hydrology="none: only the pattern carries over, a coarse regional model that proposes and a "
    "local one, trained apart, that corrects",
    claim="On made-up scenes of 20 x 20 m the second stage, taught without the first, cuts the "
    "error of the centre by about two fifths and that of the angle by more than half, and lifts "
    "the average precision at IoU 0.7; with coarse voxels in its patches it helps less. Not "
    "shown: real scans, partly hidden or several kinds of objects, and the paper's figures",
    status="works on made-up scenes; no real scan was tried",
    choices=(
        "Only the abstract of the paper was available: sizes, scenes and losses are our design.",
        "Boxes of about 3.0 x 1.5 x 1.4 m without front or back (yaw modulo half a turn), so that "
        "a 4 m patch holds one.",
        "Four anchor angles (0, 45, 90, 135 degrees) instead of two, in both networks; positive "
        "from IoU 0.5, negative below 0.35.",
        "The second network gives one box for a patch and no score of its own: it is taught on "
        "true centres only, so false proposals are refined, too, and keep their score.",
        "Smooth L1 turns from squared to linear at 1/9 in both networks; yaw error within half a "
        "turn.",
        "Points of a voxel beyond the limit are dropped in the order given.",
    ),
)


class Detections(NamedTuple):
    """Boxes (K, 7), best first, and their scores (K,), 0 to 1."""

    boxes: Tensor
    scores: Tensor


class PatchRefinement(nn.Module):
    """Both stages, for use once they are trained.

    Parameters
    ----------
    rpn : RegionProposalNet
        First stage.
    lrn : LocalRefinementNet
        Second stage; its grid is the patch.
    least_score : float
        Proposals below it are dropped.
    overlap : float
        IoU from above that two detections may have.
    most : int
        Points kept of a voxel.
    proposals : int
        Anchors that are looked at, those of the highest scores.

    References
    ----------
    Lehner et al. (2019), arXiv:1910.04093.

    Examples
    --------
    >>> size = (3.0, 1.5, 1.4)
    >>> scene = VoxelGrid((-8.0, -8.0, 0.0), (8.0, 8.0, 2.4), (0.8, 0.8, 0.8))
    >>> patch = VoxelGrid((-2.0, -2.0, 0.0), (2.0, 2.0, 2.4), (0.2, 0.2, 0.4))
    >>> rpn = RegionProposalNet(VoxelNet(scene), size)
    >>> model = PatchRefinement(rpn, LocalRefinementNet(VoxelNet(patch), size))
    >>> boxes, scores = model.eval().predict(torch.rand(200, 4))
    >>> boxes.shape[1]
    7
    """

    def __init__(
        self,
        rpn: RegionProposalNet,
        lrn: LocalRefinementNet,
        least_score: float = 0.05,
        overlap: float = 0.1,
        most: int = 16,
        proposals: int = 100,
    ) -> None:
        super().__init__()
        self.rpn, self.lrn = rpn, lrn
        self.least_score, self.overlap = least_score, overlap
        self.most, self.proposals = most, proposals

    @torch.no_grad()
    def propose(self, points: Tensor) -> Detections:
        """Boxes of the first stage alone.

        Parameters
        ----------
        points : Tensor
            (N, 4) of one scene.

        Returns
        -------
        Detections
            Possibly none.
        """
        self._check()
        logits, residuals = self.rpn(voxelize(points, self.rpn.net.grid, self.most), 1)
        scores = logits[0].sigmoid()
        chosen = scores.topk(min(self.proposals, len(scores))).indices
        chosen = chosen[scores[chosen] >= self.least_score]
        boxes = decode_boxes(residuals[0, chosen], self.rpn.anchors[chosen])
        return self._thinned(boxes, scores[chosen])

    @torch.no_grad()
    def refine(self, points: Tensor, proposals: Detections) -> Detections:
        """Draw each proposal's box again, from the fine voxels around its centre.

        Parameters
        ----------
        points : Tensor
            (N, 4) of one scene.
        proposals : Detections
            Of any source: only centres and scores are used.

        Returns
        -------
        Detections
            At most as many; a proposal without any point in its patch is dropped.
        """
        self._check()
        grid = self.lrn.net.grid
        side = 2 * max(*grid.high[:2], *(-low for low in grid.low[:2]))
        centres = proposals.boxes[:, :2]
        patches = extract_patches(points, centres, side)
        voxels = voxelize(patches.points, grid, self.most, patches.patch)
        filled = torch.zeros(len(centres), dtype=torch.bool, device=points.device)
        filled[voxels.coords[:, 0]] = True
        if not filled.any():
            return Detections(proposals.boxes[filled], proposals.scores[filled])
        boxes = self.lrn.boxes(*self.lrn(voxels, len(centres)))
        boxes[:, :2] += centres
        return self._thinned(boxes[filled], proposals.scores[filled])

    def predict(self, points: Tensor) -> Detections:
        """Detect the boxes of a scene with both stages.

        Parameters
        ----------
        points : Tensor
            (N, 4).

        Returns
        -------
        Detections
            Possibly none.

        Raises
        ------
        ValueError
            The model is in training mode, or points are not (N, 4) and finite.
        """
        return self.refine(points, self.propose(points))

    def _check(self) -> None:
        if self.training:
            raise ValueError("Batch statistics of one scene would be used: call eval() first.")

    def _thinned(self, boxes: Tensor, scores: Tensor) -> Detections:
        kept = nms_bev(boxes, scores, self.overlap)
        return Detections(boxes[kept], scores[kept])
