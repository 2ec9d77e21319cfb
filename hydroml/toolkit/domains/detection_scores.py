"""How good detections are: average precision, and errors of the boxes that were found."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hydroml.toolkit.domains.boxes import half_turn, iou_bev

__all__ = ["BoxErrors", "average_precision", "box_errors", "match_boxes"]


class BoxErrors(NamedTuple):
    """Mean errors: of the centre (x, y, z) [m], of a side [m], of the yaw [degrees]."""

    centre: float
    size: float
    yaw: float


def match_boxes(boxes: Tensor, truth: Tensor, threshold: float) -> Tensor:
    """Give each detection, best first, the true box that it overlaps most, if still to be had.

    Parameters
    ----------
    boxes : Tensor
        (N, 7), best first.
    truth : Tensor
        (K, 7).
    threshold : float
        Least overlap (IoU from above).

    Returns
    -------
    Tensor
        (N,), place of the true box, -1 for none.

    Examples
    --------
    >>> box = torch.tensor([[0.0, 0.0, 0.0, 4.0, 2.0, 1.0, 0.0]])
    >>> match_boxes(box.repeat(2, 1), box, 0.7)
    tensor([ 0, -1])
    """
    overlap = iou_bev(boxes, truth)
    found = torch.full((len(boxes),), -1)
    for i in range(len(boxes) if len(truth) else 0):
        best = int(overlap[i].argmax())
        if overlap[i, best] >= threshold:
            found[i] = best
            overlap[:, best] = -1
    return found


def average_precision(scores: Sequence[Tensor], hits: Sequence[Tensor], count: int) -> float:
    """Area under the curve of precision against recall, precision made to fall.

    Parameters
    ----------
    scores : sequence of Tensor
        (N,), of the detections of each scene.
    hits : sequence of Tensor
        (N,), whether each is right.
    count : int
        True boxes in all scenes.

    Returns
    -------
    float
        0 to 1, by all points of the curve.

    Raises
    ------
    ValueError
        No true box.

    Examples
    --------
    Right, wrong, right, of 2: the second is found at precision 2/3.

    >>> hits = torch.tensor([True, False, True])
    >>> average_precision([torch.tensor([0.9, 0.8, 0.7])], [hits], 2)
    0.8333333...
    """
    if count < 1:
        raise ValueError(f"{count} true boxes: there is nothing to recall.")
    order = torch.cat(list(scores)).argsort(descending=True, stable=True)
    right = torch.cat(list(hits))[order].double()
    precision = right.cumsum(0) / torch.arange(1, len(right) + 1, device=right.device)
    falling = precision.flip(0).cummax(0).values.flip(0) if len(right) else precision
    return float((falling * right).sum() / count)


def box_errors(boxes: Tensor, truth: Tensor) -> BoxErrors:
    """Mean errors of boxes beside their true ones.

    Parameters
    ----------
    boxes, truth : Tensor
        (N, 7), row by row.

    Returns
    -------
    BoxErrors
        Yaw without front or back.

    Examples
    --------
    >>> box = torch.tensor([[0.0, 0.0, 0.0, 4.0, 2.0, 1.0, 0.0]])
    >>> box_errors(box + torch.tensor([3.0, 4.0, 0, 0.3, 0, 0, 0]), box)
    BoxErrors(centre=5.0, size=0.1..., yaw=0.0)
    """
    away = boxes - truth
    return BoxErrors(
        float(torch.linalg.vector_norm(away[:, :3], dim=1).mean()),
        float(away[:, 3:6].abs().mean()),
        float(half_turn(away[:, 6]).abs().mean().rad2deg()),
    )
