import math

import pytest
import torch
from torch import Tensor

from hydroml.toolkit.demos.patch_refinement import run
from hydroml.toolkit.domains.box_scenes import APART, REACH, SIZE, draw_scene, shell_points
from hydroml.toolkit.domains.local_refinement import (
    LocalRefinementNet,
    refinement_loss,
    training_patches,
)
from hydroml.toolkit.domains.patch_refinement import (
    Detections,
    PatchRefinement,
    RegionProposalNet,
    VoxelGrid,
    VoxelNet,
    anchor_targets,
    decode_boxes,
    extract_patches,
    iou_bev,
    nms_bev,
    proposal_loss,
    voxelize,
)
from hydroml.toolkit.domains.region_proposal import AnchorTargets, anchor_grid

YAWS = (0.0, math.pi / 4, math.pi / 2, 3 * math.pi / 4)
SCENE = VoxelGrid((-10.0, -10.0, 0.0), (10.0, 10.0, 2.4), (0.8, 0.8, 0.8))
PATCH = VoxelGrid((-2.0, -2.0, 0.0), (2.0, 2.0, 2.4), (0.4, 0.4, 0.8))


def model_of(least_score: float = 0.0) -> PatchRefinement:
    torch.manual_seed(0)
    rpn = RegionProposalNet(VoxelNet(SCENE, 4, 6), SIZE, YAWS, 6)
    lrn = LocalRefinementNet(VoxelNet(PATCH, 4, 6), SIZE, YAWS, 6)
    return PatchRefinement(rpn, lrn, least_score, proposals=10).eval()


def box(x: float, y: float, yaw: float = 0.0) -> Tensor:
    return torch.tensor([[x, y, SIZE[2] / 2, *SIZE, yaw]])


class TestAnchors:
    def test_grid(self) -> None:
        anchors = anchor_grid(SCENE, SIZE, YAWS)
        assert anchors.shape == (25 * 25 * 4, 7)
        # row 2, column 3, second angle: x = -10 + 3.5 * 0.8, y = -10 + 2.5 * 0.8
        found = anchors[(2 * 25 + 3) * 4 + 1]
        expected = torch.tensor([-7.2, -8.0, 0.7, *SIZE, math.pi / 4])
        torch.testing.assert_close(found, expected)

    def test_residuals_lead_back_to_the_boxes(self) -> None:
        anchors = anchor_grid(SCENE, SIZE, YAWS)
        boxes = torch.cat([box(-3.1, 2.2, 0.3), box(4.0, -5.0, 3.0)])
        targets = anchor_targets(anchors, boxes)
        found = decode_boxes(targets.residuals[targets.positive], anchors[targets.positive])
        overlap = iou_bev(found, boxes).amax(1)
        torch.testing.assert_close(overlap, torch.ones_like(overlap), atol=1e-5, rtol=0)
        assert targets.residuals[targets.positive, 6].abs().max() < math.pi / 4
        iou = iou_bev(anchors, boxes).amax(1)
        assert torch.equal(targets.negative, iou < 0.35)
        assert not (targets.positive & targets.negative).any()
        assert targets.positive[iou >= 0.5].all()

    def test_the_best_anchor_is_positive_however_bad(self) -> None:
        targets = anchor_targets(box(0, 0), box(2.5, 0))  # IoU 0.5 / 5.5
        assert targets.positive.tolist() == [True]
        assert targets.negative.tolist() == [False]

    def test_no_box(self) -> None:
        targets = anchor_targets(anchor_grid(SCENE, SIZE, YAWS), torch.zeros(0, 7))
        assert not targets.positive.any()
        assert targets.negative.all()

    def test_loss_by_hand(self) -> None:
        # two positive, one negative, one not looked at; residual 1 is wrong by 1: 1 - 1 / 18
        logits = torch.tensor([[0.0, 0.0, math.log(3), 50.0]], requires_grad=True)
        residuals = torch.zeros(1, 4, 7)
        truth = torch.zeros(1, 4, 7)
        truth[0, 0, 1] = 1
        targets = AnchorTargets(
            torch.tensor([[True, True, False, False]]),
            torch.tensor([[False, False, True, False]]), truth,
        )  # fmt: skip
        loss = proposal_loss(logits, residuals, targets)
        expected = 1.5 * math.log(2) + math.log(4) + (1 - 1 / 18) / 2
        assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
        loss.backward()
        assert logits.grad is not None
        assert logits.grad[0, 3] == 0


class TestRefinement:
    def test_loss_by_hand(self) -> None:
        anchors = torch.cat([box(0, 0, yaw) for yaw in YAWS])
        truth = box(0, 0, math.pi - 0.1)  # nearest is 0, a tenth beyond
        logits = torch.zeros(1, 4)
        residuals = torch.zeros(1, 4, 7)
        loss = refinement_loss(logits, residuals, truth, anchors)
        # smooth L1 below 1 / 9: x^2 / 2 * 9
        assert float(loss) == pytest.approx(math.log(4) + 0.045, rel=1e-4)
        residuals[0, 0, 6] = -0.1
        assert float(refinement_loss(logits, residuals, truth, anchors)) == pytest.approx(
            math.log(4), rel=1e-4
        )

    def test_best_anchor_is_decoded(self) -> None:
        lrn = model_of().lrn
        residuals = torch.zeros(2, 4, 7)
        residuals[0, 2, 6] = 0.2
        logits = torch.tensor([[0.0, 0.0, 1.0, 0.0], [3.0, 0.0, 0.0, 0.0]])
        expected = torch.cat([box(0, 0, math.pi / 2 + 0.2), box(0, 0)])
        torch.testing.assert_close(lrn.boxes(logits, residuals), expected)

    def test_moved_patches_keep_points_on_their_boxes(self) -> None:
        rng = torch.Generator().manual_seed(0)
        truth = torch.cat([box(0, 0, 0.3), box(0, 0, 2.0)]).double()
        points = [shell_points(one.float(), 50, rng).double() for one in truth]
        cloud = torch.cat([torch.cat(points), torch.ones(100, 1)], dim=1)
        patches = extract_patches(cloud[:0], truth[:, :2], 9.0)
        patches = patches._replace(points=cloud, patch=torch.arange(100) // 50)
        moved, boxes = training_patches(patches, truth, 0.5, rng)
        assert (boxes[:, :2].abs() <= 0.5).all()
        assert boxes[:, :2].abs().max() > 0.1
        for i, one in enumerate(boxes):
            away = moved.points[moved.patch == i, :2] - one[:2]
            cos, sin = one[6].cos(), one[6].sin()
            length = (away[:, 0] * cos + away[:, 1] * sin).abs() / one[3]
            width = (away[:, 1] * cos - away[:, 0] * sin).abs() / one[4]
            assert float(torch.maximum(length, width).max()) == pytest.approx(0.5, abs=1e-5)
        # without chance to move, the centre stays
        still = training_patches(patches, truth, 0.0, rng)
        assert not still.boxes[:, :2].any()
        torch.testing.assert_close(still.patches.points[:, 2:], cloud[:, 2:])

    def test_learns_a_box(self) -> None:
        torch.manual_seed(0)
        rng = torch.Generator().manual_seed(0)
        lrn = LocalRefinementNet(VoxelNet(PATCH, 4, 8), SIZE, YAWS, 12)
        optimizer = torch.optim.Adam(lrn.parameters(), lr=1e-2)
        truth = torch.cat([box(0, 0, 0.2), box(0, 0, 1.2)] * 4)
        cut = torch.cat([shell_points(one, 60, rng) for one in truth])
        wide = extract_patches(torch.zeros(0, 4), truth[:, :2], 9.0)._replace(
            points=torch.cat([cut, torch.ones(len(cut), 1)], 1), patch=torch.arange(8 * 60) // 60
        )
        errors = []
        for _ in range(25):
            patches, boxes = training_patches(wide, truth, 0.4, rng)
            voxels = voxelize(patches.points, PATCH, 16, patches.patch)
            logits, residuals = lrn(voxels, 8)
            loss = refinement_loss(logits, residuals, boxes, lrn.anchors)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            errors.append(float(loss.detach()))
        assert sum(errors[-5:]) / 5 < 0.7 * errors[0]


class TestPatchRefinement:
    def test_refine_uses_centres_and_scores_only(self) -> None:
        model, rng = model_of(), torch.Generator().manual_seed(0)
        scene = draw_scene(rng)
        proposals = model.propose(scene.points)
        assert len(proposals.boxes) > 1
        other = proposals.boxes.clone()
        other[:, 2:] = torch.tensor([0.0, 9.0, 9.0, 9.0, 1.0])
        one = model.refine(scene.points, proposals)
        two = model.refine(scene.points, Detections(other, proposals.scores))
        assert torch.equal(one.boxes, two.boxes)
        assert set(one.scores.tolist()) <= set(proposals.scores.tolist())
        whole = model.predict(scene.points)
        assert torch.equal(whole.boxes, one.boxes)

    def test_equals_one_patch_after_the_other(self) -> None:
        model, rng = model_of().double(), torch.Generator().manual_seed(1)
        points = draw_scene(rng).points.double()
        proposals = model.propose(points)
        boxes = []
        for place in proposals.boxes[:, :2]:
            patch = points.clone()
            patch[:, :2] -= place
            found = model.lrn.boxes(*model.lrn(voxelize(patch, PATCH, 16), 1))[0]
            found[:2] += place
            boxes.append(found)
        kept = nms_bev(torch.stack(boxes), proposals.scores)
        refined = model.refine(points, proposals)
        torch.testing.assert_close(refined.boxes, torch.stack(boxes)[kept])
        assert torch.equal(refined.scores, proposals.scores[kept])

    def test_proposals_do_not_overlap_and_fall(self) -> None:
        model = model_of()
        boxes, scores = model.propose(draw_scene(torch.Generator().manual_seed(0)).points)
        assert len(boxes) <= 10
        assert (scores.diff() <= 0).all()
        assert iou_bev(boxes, boxes).tril(-1).max() <= 0.1

    def test_a_scene_without_points(self) -> None:
        model = model_of()
        empty = torch.zeros(0, 4)
        assert len(model.predict(empty).boxes) == 0
        assert len(model_of(least_score=1.0).predict(torch.rand(9, 4)).boxes) == 0

    def test_training_mode_is_refused(self) -> None:
        with pytest.raises(ValueError, match="eval"):
            model_of().train().predict(torch.rand(9, 4))

    def test_a_proposal_without_points_is_dropped(self) -> None:
        model = model_of()
        far = Detections(torch.cat([box(0, 0), box(90, 0)]), torch.tensor([0.9, 0.8]))
        found = model.refine(torch.rand(20, 4), far)
        assert found.scores.tolist() == pytest.approx([0.9])


class TestScenes:
    def test_what_is_drawn(self) -> None:
        rng = torch.Generator().manual_seed(0)
        scenes = [draw_scene(rng) for _ in range(30)]
        assert {len(scene.boxes) for scene in scenes} == {1, 2, 3, 4}
        for scene in scenes:
            assert scene.boxes[:, :2].abs().max() < REACH
            assert torch.cdist(scene.boxes[:, :2], scene.boxes[:, :2]).fill_diagonal_(9).min() \
                >= APART  # fmt: skip
            ratio = scene.boxes[:, 3:6] / torch.tensor(SIZE)
            assert ((ratio - 1).abs() <= 0.1501).all()
        again = draw_scene(torch.Generator().manual_seed(0))
        assert torch.equal(again.points, scenes[0].points)

    def test_shells(self) -> None:
        one = torch.tensor([1.0, 2.0, 3.0, 4.0, 2.0, 1.0, 0.5])
        points = shell_points(one, 400, torch.Generator().manual_seed(0)).double() - one[:3]
        cos, sin = math.cos(0.5), math.sin(0.5)
        own = torch.stack(
            [points[:, 0] * cos + points[:, 1] * sin, points[:, 1] * cos - points[:, 0] * sin,
             points[:, 2]], 1,
        ) / one[3:6]  # fmt: skip
        on = (own.abs() - 0.5).abs() < 1e-5
        assert on.any(1).all()
        assert (own.abs() <= 0.5 + 1e-5).all()
        assert not (own[:, 2] < -0.5 + 1e-5).any()  # no floor
        assert len({tuple(row) for row in (own.sign() * on).tolist()}) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claim(seed: int) -> None:
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
