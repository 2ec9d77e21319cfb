"""Relevance of days and inputs for one flow, by several methods, all in [mm d-1].

Each method shares out the same number: simulated flow less the flow of the baseline's world.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from hydroml.explanation.cells import cell_of
from hydroml.explanation.occlusion import occlude_inputs, occlude_past
from hydroml.explanation.window import Flow, Window
from hydroml.toolkit.attribution.integrated_gradients import integrated_gradients
from hydroml.toolkit.attribution.lrp import LSTMLRP
from hydroml.training.device import flushed_denormals

STEPS = (64, 256, 1024)
"""Points of the integral of integrated gradients: more where fewer leave too large a gap."""
LARGEST_GAP = 0.005
"""Part of the difference that integrated gradients may leave before more points are taken."""
EPS = 0.05
"""Stabiliser of relevance propagation, in units of the cell. The larger it is the less of a unit's
relevance is handed on where contributions cancel. Of 0.001 and 0.05 the latter agreed better with
occlusion in the years 1985 to 1989, which the runs had not seen (docs/toolkit/lrp.md)."""


@dataclass(frozen=True)
class Share:
    """How a method shares out the difference from the baseline.

    Parameters
    ----------
    relevance : Tensor
        Of each day and input [mm d-1], (T, F).
    earlier : float
        Of all that was before the window [mm d-1].
    gap : float
        What the method leaves unexplained [mm d-1]: the difference less all of the above.
    """

    relevance: Tensor
    earlier: float
    gap: float


def by_gradients(window: Window) -> Share:
    """Integrate gradients along the straight line between the two worlds."""
    flow = Flow(window.model, window.scaler)
    inputs, baselines = (
        [part[None] for part in world]
        for world in ((window.x_d, *window.state), (window.base_d, *window.base_state))
    )
    for steps in STEPS:
        (x, *states), gap, _, _ = integrated_gradients(
            flow, inputs, baselines, fixed=[window.x_s[None]], steps=steps, at_once=STEPS[0]
        )
        if abs(float(gap)) <= LARGEST_GAP * abs(window.difference):
            break
    return Share(x[0], sum(float(s.sum()) for s in states), float(gap))


def by_relevance(window: Window) -> Share:
    """Propagate relevance back from the model's output; inputs are counted from the baseline.

    What propagation shares out by itself is the output, standardised flow, whose zero is the mean
    flow of training, and biases keep a part of it. The gap tells how far its sum is from the
    difference of the two worlds.
    """
    head = window.model.get_submodule("head.linear")
    assert isinstance(head, nn.Linear)
    lrp = LSTMLRP(cell_of(window.model, window.x_s), head, eps=EPS)
    h, c = window.state
    found = lrp.explain(window.x_d[None], state=(h[None], c[None]), origin=window.base_d[None])
    relevance = window.scaler.target_std * found.x[0]
    earlier = window.scaler.target_std * float(found.h_0.sum() + found.c_0.sum())
    return Share(relevance, earlier, window.difference - float(relevance.sum()) - earlier)


def by_occlusion(window: Window) -> Share:
    """Replace one input of one day at a time."""
    relevance, earlier = occlude_inputs(window), float(occlude_past(window))
    return Share(relevance, earlier, window.difference - float(relevance.sum()) - earlier)


METHODS: dict[str, tuple[Callable[[Window], Share], str]] = {
    "ig": (by_gradients, "integrated gradients"),
    "lrp": (by_relevance, "layer-wise relevance propagation"),
    "occlusion": (by_occlusion, "occlusion"),
}
"""Methods by the names of the command line, and in words."""


def share_out(window: Window, method: str) -> Share:
    """Explain an event of one member by one of `METHODS`."""
    with flushed_denormals():
        return METHODS[method][0](window)
