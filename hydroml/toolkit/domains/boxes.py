r"""Boxes in space: residuals against anchors, overlap seen from above, suppression.

A box is (x, y, z, l, w, h, yaw) [m, rad]: its centre, its sizes along its own axes, and the angle
of its length against the x axis. Against an anchor a with diagonal
:math:`d_a = \sqrt{l_a^2 + w_a^2}` it is

.. math::
    \Delta x = \frac{x - x_a}{d_a}, \; \Delta y = \frac{y - y_a}{d_a}, \;
    \Delta z = \frac{z - z_a}{h_a}, \;
    \Delta l = \log \frac{l}{l_a}, \dots, \; \Delta\theta = \theta - \theta_a

(Zhou and Tuzel 2018, arXiv:1711.06396, eq. 1). Seen from above two boxes are rectangles. What they
share has its corners at corners of one within the other and where their edges cross; sorted by
angle they give the area by the shoelace formula.
"""

import math

import torch
from torch import Tensor

__all__ = ["corners_bev", "decode_boxes", "encode_boxes", "half_turn", "iou_bev", "nms_bev"]


def encode_boxes(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Residuals of boxes against anchors.

    Parameters
    ----------
    boxes, anchors : Tensor
        (..., 7), broadcast against each other; sizes above 0.

    Returns
    -------
    Tensor
        (..., 7). The angle is a plain difference: see `half_turn`.

    Examples
    --------
    >>> anchor = torch.tensor([0.0, 0.0, 1.0, 4.0, 3.0, 2.0, 0.0])
    >>> encode_boxes(anchor + torch.tensor([5.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.1]), anchor)
    tensor([1.0000, 0.0000, 0.5000, 0.0000, 0.0000, 0.0000, 0.1000])
    """
    scale = _scale(anchors)
    place = (boxes[..., :3] - anchors[..., :3]) / scale
    size = (boxes[..., 3:6] / anchors[..., 3:6]).log()
    return torch.cat([place, size, boxes[..., 6:] - anchors[..., 6:]], dim=-1)


def decode_boxes(residuals: Tensor, anchors: Tensor) -> Tensor:
    """Boxes from residuals: `encode_boxes` undone.

    Parameters
    ----------
    residuals, anchors : Tensor
        (..., 7), broadcast against each other.

    Examples
    --------
    >>> anchor = torch.tensor([1.0, 2.0, 1.0, 4.0, 3.0, 2.0, 0.0])
    >>> decode_boxes(torch.zeros(7), anchor).tolist()
    [1.0, 2.0, 1.0, 4.0, 3.0, 2.0, 0.0]
    """
    place = residuals[..., :3] * _scale(anchors) + anchors[..., :3]
    size = residuals[..., 3:6].exp() * anchors[..., 3:6]
    return torch.cat([place, size, residuals[..., 6:] + anchors[..., 6:]], dim=-1)


def half_turn(angle: Tensor) -> Tensor:
    """Wrap an angle into [-pi/2, pi/2): boxes without a front look the same after half a turn.

    Parameters
    ----------
    angle : Tensor
        [rad].

    Examples
    --------
    >>> half_turn(torch.tensor([3.0, -3.0, 0.5]))
    tensor([-0.1416,  0.1416,  0.5000])
    """
    return (angle + math.pi / 2).remainder(math.pi) - math.pi / 2


def corners_bev(boxes: Tensor) -> Tensor:
    """Corners of boxes seen from above, counterclockwise.

    Parameters
    ----------
    boxes : Tensor
        (..., 7).

    Returns
    -------
    Tensor
        (..., 4, 2).

    Examples
    --------
    >>> corners_bev(torch.tensor([1.0, 0.0, 0.0, 4.0, 2.0, 1.0, 0.0])).tolist()
    [[3.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [3.0, -1.0]]
    """
    signs = boxes.new_tensor([[0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]])
    own = signs * boxes[..., None, 3:5]
    cos, sin = boxes[..., 6:].cos(), boxes[..., 6:].sin()
    x = own[..., 0] * cos - own[..., 1] * sin
    y = own[..., 0] * sin + own[..., 1] * cos
    return torch.stack([x, y], dim=-1) + boxes[..., None, :2]


@torch.no_grad()
def iou_bev(first: Tensor, second: Tensor) -> Tensor:
    """Area shared over area covered, seen from above, of each pair.

    Parameters
    ----------
    first : Tensor
        (N, 7).
    second : Tensor
        (M, 7).

    Returns
    -------
    Tensor
        (N, M), 0 to 1, computed in float64. Pairs too far apart to touch are not clipped.

    Raises
    ------
    ValueError
        Not seven numbers a box, or sizes that are not above 0.

    Examples
    --------
    >>> box = torch.tensor([[0.0, 0.0, 0.0, 4.0, 2.0, 1.0, 0.0]])
    >>> float(iou_bev(box, box + torch.tensor([2.0, 0, 0, 0, 0, 0, 0])))  # 4 of 12
    0.3333333...
    """
    for boxes in (first, second):
        if boxes.ndim != 2 or boxes.shape[1] != 7 or not (boxes[:, 3:5] > 0).all():
            raise ValueError(f"Boxes of shape {tuple(boxes.shape)}: give (N, 7), sizes above 0.")
    a, b = first.double(), second.double()
    reach = torch.linalg.vector_norm(a[:, None, 3:5], dim=-1) / 2
    reach = reach + torch.linalg.vector_norm(b[:, 3:5], dim=-1) / 2
    n, m = torch.nonzero(torch.cdist(a[:, :2], b[:, :2]) < reach, as_tuple=True)
    shared = _shared_area(a[n], b[m])
    covered = a[n, 3] * a[n, 4] + b[m, 3] * b[m, 4] - shared
    iou = a.new_zeros(len(a), len(b))
    iou[n, m] = (shared / covered).clamp(0, 1)
    return iou


def nms_bev(boxes: Tensor, scores: Tensor, threshold: float = 0.1) -> Tensor:
    """Keep a box unless it overlaps a better one that is kept.

    All boxes are judged at once, again and again until nothing changes; that is the greedy answer,
    since a box is settled as soon as all better ones are.

    Parameters
    ----------
    boxes : Tensor
        (N, 7).
    scores : Tensor
        (N,); the earlier of two equal ones comes first.
    threshold : float
        Overlap (IoU from above) that is still tolerated.

    Returns
    -------
    Tensor
        Places of those kept, best first.

    Examples
    --------
    >>> box = torch.tensor([0.0, 0.0, 0.0, 4.0, 2.0, 1.0, 0.0])
    >>> nms_bev(torch.stack([box, box, box + 9]), torch.tensor([0.5, 0.6, 0.1]))
    tensor([1, 2])
    """
    order = scores.argsort(descending=True, stable=True)
    ranked = boxes[order]
    beaten_by = (iou_bev(ranked, ranked) > threshold).tril(-1)  # row: loser, column: better box
    kept = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    while True:
        now = ~(beaten_by & kept).any(dim=1)
        if torch.equal(now, kept):
            return order[kept]
        kept = now


def _scale(anchors: Tensor) -> Tensor:
    diagonal = torch.linalg.vector_norm(anchors[..., 3:5], dim=-1)
    return torch.stack([diagonal, diagonal, anchors[..., 5]], dim=-1)


def _shared_area(a: Tensor, b: Tensor) -> Tensor:
    """Area that rectangles share pair by pair, (K,)."""
    p, q = corners_bev(a), corners_bev(b)
    crossings, crossed = _crossings(p, q)
    points = torch.cat([p, q, crossings], dim=1)  # (K, 4 + 4 + 16, 2)
    there = torch.cat([_inside(p, b), _inside(q, a), crossed], dim=1)
    count = there.sum(1).clamp(min=1)
    points = torch.where(there[..., None], points, 0)
    middle = points.sum(1) / count[:, None]
    away = torch.where(there[..., None], points - middle[:, None], 0)
    angle = torch.where(there, torch.atan2(away[..., 1], away[..., 0]), torch.inf)
    order = angle.argsort(dim=1)
    ring = away.gather(1, order[..., None].expand_as(away))
    # behind the last corner comes the first again, so that the ring closes
    outside = ~there.gather(1, order)
    ring = torch.where(outside[..., None], ring[:, :1], ring)
    after = ring.roll(-1, dims=1)
    return (ring[..., 0] * after[..., 1] - ring[..., 1] * after[..., 0]).sum(1) / 2


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Whether points (K, P, 2) lie in their box, edges included, up to rounding."""
    away = points - boxes[:, None, :2]
    cos, sin = boxes[:, 6:].cos(), boxes[:, 6:].sin()
    length = away[..., 0] * cos + away[..., 1] * sin
    width = away[..., 1] * cos - away[..., 0] * sin
    slack = 1 + 1e-9
    return (length.abs() <= boxes[:, 3:4] / 2 * slack) & (width.abs() <= boxes[:, 4:5] / 2 * slack)


def _crossings(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """Points (K, 16, 2) where edges of two rectangles cross, and whether they do."""
    along, across = p.roll(-1, dims=1) - p, q.roll(-1, dims=1) - q
    u, v = along[:, :, None], across[:, None]
    between = q[:, None] - p[:, :, None]  # (K, 4, 4, 2)
    det = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    parallel = det.abs() < 1e-9
    det = torch.where(parallel, 1, det)
    s = (between[..., 0] * v[..., 1] - between[..., 1] * v[..., 0]) / det
    t = (between[..., 0] * u[..., 1] - between[..., 1] * u[..., 0]) / det
    cross = ~parallel & (s >= 0) & (s <= 1) & (t >= 0) & (t <= 1)
    return (p[:, :, None] + s[..., None] * u).flatten(1, 2), cross.flatten(1, 2)
