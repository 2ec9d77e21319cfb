"""Patch refinement in small: made-up scenes, coarse proposals, boxes drawn again from patches."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.domains.box_scenes import REACH, SIZE, Scene, draw_scene
from hydroml.toolkit.domains.boxes import corners_bev
from hydroml.toolkit.domains.detection_scores import (
    BoxErrors,
    average_precision,
    box_errors,
    match_boxes,
)
from hydroml.toolkit.domains.patch_refinement import (
    Detections,
    LocalRefinementNet,
    PatchRefinement,
    RegionProposalNet,
    VoxelGrid,
    VoxelNet,
    anchor_targets,
    extract_patches,
    proposal_loss,
    refinement_loss,
    training_patches,
    voxelize,
)
from hydroml.toolkit.domains.region_proposal import AnchorTargets
from hydroml.toolkit.domains.voxels import Patches

SCENES, PATCH_SCENES, TEST = 1200, 600, 150  # of the first stage, of the second, to test on
YAWS = tuple(i * torch.pi / 4 for i in range(4))
COARSE, FINE, PATCH, TOP = 0.8, 0.2, 4.0, 2.4  # voxels, side of a patch, height of scenes [m]
_ERRORS = (  # what, and how much smaller the second stage makes it
    ("centre [m]", "below 0.7 of", 0.7), ("a side [m]", "below", 1.0),
    ("yaw [degrees]", "below 0.7 of", 0.7),
)  # fmt: skip
JITTER, WIDE = 0.5, 7.0  # of training patches; side from which they can be turned and moved [m]
RPN_EPOCHS, LRN_EPOCHS, SCENE_BATCH, PATCH_BATCH = 5, 8, 16, 32
RATE, NORM, MOST = 3e-3, 5.0, 16
OVERLAP, SAME = 0.7, 0.3  # IoU of a hit; IoU from which errors of a box are told

RPN, BOTH, BLUNT = "first stage", "both stages", "second stage blunt"


@dataclass(frozen=True)
class Outcome:
    """What one way of detecting found: average precision, and per scene boxes and truth places."""

    precision: float
    found: list[Detections]
    truth: list[Tensor]


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Train both stages apart from each other and detect with one and with both.

    Parameters
    ----------
    seed : int
        Of scenes and networks.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        Average precision and errors of boxes on new scenes.
    """
    chance = torch.Generator().manual_seed(seed)
    scenes = [draw_scene(chance) for _ in range(SCENES)]
    torch.manual_seed(seed)
    rpn = RegionProposalNet(VoxelNet(_scene_grid(), 16, 24), SIZE, YAWS)
    _train_rpn(rpn, scenes, chance, lambda done: advance(0.1 + 0.5 * done))
    lrn = {name: _lrn(voxel) for name, voxel in ((BOTH, FINE), (BLUNT, COARSE))}
    for i, net in enumerate(lrn.values()):
        _train_lrn(net, scenes[:PATCH_SCENES], chance, partial(_moved, advance, 0.6 + 0.15 * i))
    test = [draw_scene(chance) for _ in range(TEST)]
    models = {name: PatchRefinement(rpn, net, most=MOST).eval() for name, net in lrn.items()}
    proposals = [models[BOTH].propose(scene.points) for scene in test]
    outcomes = {RPN: _judge(proposals, test)}
    for name, model in models.items():
        pairs = zip(test, proposals, strict=True)
        outcomes[name] = _judge([model.refine(s.points, p) for s, p in pairs], test)
    return Demo(_findings(outcomes, test), _panels(outcomes, test), _note(seed))


def _moved(advance: Callable[[float], None], start: float, done: float) -> None:
    advance(start + 0.15 * done)


def _scene_grid() -> VoxelGrid:
    return VoxelGrid((-REACH, -REACH, 0.0), (REACH, REACH, TOP), (COARSE, COARSE, COARSE))


def _lrn(voxel: float) -> LocalRefinementNet:
    half, height = PATCH / 2, max(voxel, TOP / 6)
    grid = VoxelGrid((-half, -half, 0.0), (half, half, TOP), (voxel, voxel, height))
    return LocalRefinementNet(VoxelNet(grid, 8, 24), SIZE, YAWS)


def _cloud(parts: list[Tensor]) -> Tensor:
    return torch.repeat_interleave(torch.tensor([len(part) for part in parts]))


def _train_rpn(
    rpn: RegionProposalNet, scenes: list[Scene], chance: torch.Generator, advance: Advance
) -> None:
    targets = [anchor_targets(rpn.anchors, scene.boxes) for scene in scenes]

    def loss_of(chosen: Tensor) -> Tensor:
        points = [scenes[i].points for i in chosen]
        voxels = voxelize(torch.cat(points), rpn.net.grid, MOST, _cloud(points))
        parts = zip(*(targets[i] for i in chosen), strict=True)
        told = AnchorTargets(*(torch.stack(part) for part in parts))
        logits, residuals = rpn(voxels, len(chosen))
        return proposal_loss(logits, residuals, told)

    _train(rpn, loss_of, (len(scenes), RPN_EPOCHS, SCENE_BATCH), chance, advance)


def _train_lrn(
    lrn: LocalRefinementNet, scenes: list[Scene], chance: torch.Generator, advance: Advance
) -> None:
    """Train on patches around true centres; nothing here knows of the first stage."""
    boxes = torch.cat([scene.boxes for scene in scenes])
    cut = [
        extract_patches(scene.points, box[None, :2], WIDE).points
        for scene in scenes
        for box in scene.boxes
    ]
    boxes[:, :2] = 0

    def loss_of(chosen: Tensor) -> Tensor:
        points = [cut[i] for i in chosen]
        wide = Patches(torch.cat(points), _cloud(points))
        patches, moved = training_patches(wide, boxes[chosen], JITTER, chance)
        voxels = voxelize(patches.points, lrn.net.grid, MOST, patches.patch)
        logits, residuals = lrn(voxels, len(chosen))
        return refinement_loss(logits, residuals, moved, lrn.anchors)

    _train(lrn, loss_of, (len(boxes), LRN_EPOCHS, PATCH_BATCH), chance, advance)


def _train(
    net: nn.Module,
    loss_of: Callable[[Tensor], Tensor],
    size: tuple[int, int, int],
    chance: torch.Generator,
    advance: Advance,
) -> None:
    """Adam with a rate that rises and falls; `size` is examples, epochs, examples of a step."""
    count, epochs, batch = size
    steps = count // batch
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, epochs * steps)
    for epoch in range(epochs):
        order = torch.randperm(count, generator=chance)
        for step, chosen in enumerate(order[: steps * batch].split(batch)):
            loss = loss_of(chosen)
            if not torch.isfinite(loss):
                raise FloatingPointError(f"The loss is not finite at step {step} of {epoch}.")
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), NORM)
            optimizer.step()
            rate.step()
        advance((epoch + 1) / epochs)


def _judge(found: list[Detections], test: list[Scene]) -> Outcome:
    pairs = list(zip(found, test, strict=True))
    hits = [match_boxes(d.boxes, scene.boxes, OVERLAP) >= 0 for d, scene in pairs]
    count = sum(len(scene.boxes) for scene in test)
    return Outcome(
        average_precision([d.scores for d in found], hits, count),
        found,
        [match_boxes(d.boxes, scene.boxes, SAME) for d, scene in pairs],
    )


def _common_errors(outcomes: dict[str, Outcome], test: list[Scene]) -> dict[str, BoxErrors]:
    """Errors on those true boxes that every way has found."""
    rows: dict[str, list[Tensor]] = {name: [] for name in outcomes}
    truth = []
    for i, scene in enumerate(test):
        for k in range(len(scene.boxes)):
            places = {name: torch.nonzero(o.truth[i] == k)[:, 0] for name, o in outcomes.items()}
            if all(len(place) for place in places.values()):
                truth.append(scene.boxes[k])
                for name, place in places.items():
                    rows[name].append(outcomes[name].found[i].boxes[place[0]])
    return {name: box_errors(torch.stack(r), torch.stack(truth)) for name, r in rows.items()}


def _centres_in_reach(outcome: Outcome, test: list[Scene]) -> float:
    """Share of proposals that are boxes whose centre is as near as training patches were moved."""
    near = []
    for found, truth, scene in zip(outcome.found, outcome.truth, test, strict=True):
        away = found.boxes[truth >= 0, :2] - scene.boxes[truth[truth >= 0], :2]
        near.append(away.abs().amax(dim=1) <= JITTER)
    return float(torch.cat(near).float().mean())


def _findings(outcomes: dict[str, Outcome], test: list[Scene]) -> tuple[Finding, ...]:
    errors = _common_errors(outcomes, test)
    first, both, blunt = (outcomes[name].precision for name in (RPN, BOTH, BLUNT))
    reach = _centres_in_reach(outcomes[RPN], test)
    told = [
        Finding(f"mean error of {what}, both stages", f"{claim} the first's {a:.3g}", b,
                b < part * a)
        for (what, claim, part), a, b in zip(_ERRORS, errors[RPN], errors[BOTH], strict=True)
    ]  # fmt: skip
    return (
        Finding("average precision at IoU 0.7, first stage", "(to be improved on)", first),
        Finding("average precision at IoU 0.7, both stages", "at least 0.1 above the first", both,
                both >= first + 0.1),
        *told,
        Finding(f"average precision, second stage with voxels of {COARSE} m", "below that of "
                f"{FINE} m", blunt, blunt < both),
        Finding(f"proposals of boxes within the jitter of {JITTER} m", "above 0.9", reach,
                reach > 0.9),
    )  # fmt: skip


def _panels(outcomes: dict[str, Outcome], test: list[Scene]) -> tuple[Panel, ...]:
    names = list(outcomes)
    errors = _common_errors(outcomes, test)
    shown = max(range(len(test)), key=lambda i: len(test[i].boxes))
    points = test[shown].points
    scene = (
        Series(points[:, 0], points[:, 1], "points", "points"),
        _outlines(outcomes[RPN].found[shown].boxes, "first stage"),
        _outlines(outcomes[BOTH].found[shown].boxes, "both stages"),
    )
    centre = [errors[name].centre for name in names]
    yaw = [errors[name].yaw for name in names]
    return (
        Panel("A scene from above", "x [m]", "y [m]", scene),
        Panel("Boxes found in new scenes", "", f"average precision at IoU {OVERLAP} [-]",
              (Series(names, [outcomes[n].precision for n in names], kind="bars"),)),
        Panel("Error of the centre", "", "[m]", (Series(names, centre, kind="bars"),)),
        Panel("Error of the angle", "", "[degrees]", (Series(names, yaw, kind="bars"),)),
    )  # fmt: skip


def _outlines(boxes: Tensor, label: str) -> Series:
    """Outlines of boxes as one line with gaps."""
    corners = corners_bev(boxes)
    gap = torch.full((len(boxes), 1, 2), torch.nan)
    line = torch.cat([corners, corners[:, :1], gap], dim=1).flatten(0, 1)
    return Series(line[:, 0], line[:, 1], label)


def _note(seed: int) -> str:
    return (
        f"{SCENES} made-up scenes for the first stage, the true boxes of {PATCH_SCENES} of them "
        f"for the second, {TEST} new ones to test; voxels of {COARSE} m and {FINE} m, patches of "
        f"{PATCH} m. Blunt: the same second stage with voxels of {COARSE} m. Seed {seed}."
    )
