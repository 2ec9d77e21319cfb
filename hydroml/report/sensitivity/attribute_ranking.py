"""Which attributes floods and low flows answer to: their ranking, and a map of the first."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from hydroml.report.category_map import draw_categories
from hydroml.report.sensitivity.changes import disagrees, member_mean, tenths
from hydroml.report.sheet import open_sheet, say_basins
from hydroml.report.style import CYCLE, INK, tidy
from hydroml.sensitivity.elasticity import DISAGREE

Floats = NDArray[np.float64]

KINDS = {"high": "floods (days of high flow)", "low": "low flows (days of low flow)"}
_MOST = 30  # attributes in a ranking
_SIGNS = (
    ("more of it, more flow", CYCLE[0], ""),
    ("more of it, less flow", CYCLE[1], ""),
    ("sign differs between basins", "#c8c8c8", "////"),
)


def attribute_ranking(gradients: xr.Dataset, *, about: str = "") -> Figure | None:
    """Draw the importance of every attribute to high and to low flows.

    Parameters
    ----------
    gradients : xarray.Dataset
        Layout of ``gradients.nc``.
    about : str
        Run and period.

    Returns
    -------
    matplotlib.figure.Figure or None
        Two panels in one order, that of high flows; None where the model has no attributes or
        no importance has a number.
    """
    if not _has_importance(gradients):
        return None
    high = _importance(gradients, "high")  # (attribute, basin)
    order = np.argsort(-np.nan_to_num(np.nanmean(_filled(high), axis=1)), kind="stable")[:_MOST]
    names = gradients["attribute"].values.astype(str)[order]
    basins = int(np.isfinite(high).any(axis=0).sum())
    sheet = open_sheet(
        "Which attributes do floods and low flows answer to?", about=about,
        caption=f"{say_basins(basins)}. Importance: mean absolute gradient of flow by the "
        "standardised attribute, 0 (least) to 1 (most) of the attributes of a basin, after "
        "Kratzert et al. (2019). Bars: mean of basins; lines: 10 to 90 %; numbers: rank. Colour: "
        f"the sign of the gradient that at least {100 * DISAGREE:.0f} % of the basins share.",
        body=(9.6, 1.2 + 0.235 * len(order)), constrained=True, foot=0.3,
    )  # fmt: skip
    panels = sheet.figure.subplots(1, 2, sharey=True, sharex=True)
    for axes, (kind, title) in zip(panels, KINDS.items(), strict=True):
        _draw_ranking(axes, _importance(gradients, kind)[order], _signs(gradients, kind)[order])
        axes.set_title(title, loc="left", fontsize=10.5, color=INK)
        axes.set_xlabel("importance [-]", fontsize=9, color=INK)
    panels[0].set_yticks(range(len(order)), names)
    panels[0].set_ylim(len(order) - 0.4, -0.6)
    handles = [Patch(facecolor=c, edgecolor=INK, hatch=h, label=text) for text, c, h in _SIGNS]
    sheet.add_legend(panels[0], columns=3, handles=handles)
    return sheet.figure


def dominant_attribute(gradients: xr.Dataset, *, about: str = "") -> Figure | None:
    """Draw on two maps which attribute high and low flows of each basin answer to most.

    Parameters
    ----------
    gradients : xarray.Dataset
        Layout of ``gradients.nc``, with ``gauge_lat`` and ``gauge_lon``.
    about : str
        Run and period.

    Returns
    -------
    matplotlib.figure.Figure or None
        The seven most frequent attributes have colours of their own; struck through where
        fewer than 80 % of the members have the same first attribute. None without attributes.
    """
    if not _has_importance(gradients):
        return None
    first, doubtful = {}, {}
    for kind, title in KINDS.items():
        values = _by_member(gradients, kind)
        first[title], doubtful[title] = _dominant(values, gradients["attribute"].values.astype(str))
    alone = gradients.sizes["member"] == 1
    return draw_categories(
        first, gradients["gauge_lat"].values, gradients["gauge_lon"].values,
        title="Which attribute matters most, and where?", about=about,
        uncertain=None if alone else doubtful, uncertain_label="members disagree",
        note="The attribute of the largest importance (mean absolute gradient by the standardised "
        "attribute). " + ("One member: no agreement can be told." if alone else
        "Members disagree: fewer than 80 % of them have the same first attribute."),
    )  # fmt: skip


def _has_importance(gradients: xr.Dataset) -> bool:
    if gradients.sizes.get("attribute", 0) == 0 or "importance" not in gradients:
        return False
    return all(np.isfinite(_by_member(gradients, kind)).any() for kind in KINDS)


def _by_member(gradients: xr.Dataset, kind: str, name: str = "importance") -> Floats:
    """Values of a kind of days, (attribute, basin, member)."""
    picked = gradients[name].sel(kind=kind).transpose("attribute", "basin", "member")
    return picked.values.astype("f8")


def _importance(gradients: xr.Dataset, kind: str) -> Floats:
    return member_mean(_by_member(gradients, kind))


def _signs(gradients: xr.Dataset, kind: str) -> NDArray[np.intp]:
    """Place in `_SIGNS` of each attribute."""
    signed = member_mean(_by_member(gradients, kind, "dq_da"))
    made = np.maximum(np.isfinite(signed).sum(axis=1), 1)
    up, down = ((sign * signed > 0).sum(axis=1) / made for sign in (1, -1))
    return np.where(up >= DISAGREE, 0, np.where(down >= DISAGREE, 1, 2))


def _filled(values: Floats) -> Floats:
    """Give a row without any number zeros: an attribute that nothing is known of comes last."""
    known = np.asarray(np.isfinite(values).any(axis=1), dtype=bool)
    return np.where(known[:, None], values, 0.0)


def _dominant(values: Floats, names: NDArray) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """First attribute of each basin, and whether too few members agree; of (A, B, M)."""
    mean = member_mean(values)
    known = np.asarray(np.isfinite(mean).any(axis=0), dtype=bool)
    first = np.argmax(np.nan_to_num(mean, nan=-1), axis=0)
    there = np.asarray(np.isfinite(values).any(axis=0), dtype=bool)  # (B, M)
    same = (np.argmax(np.nan_to_num(values, nan=-1), axis=0) == first[:, None]) & there
    share = same.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return np.where(known, names[first].astype(object), ""), disagrees(share) & known


def _draw_ranking(axes: Axes, values: Floats, signs: NDArray[np.intp]) -> None:
    tidy(axes)
    axes.grid(visible=False, axis="y")
    mean = np.nanmean(_filled(values), axis=1)
    low, _, high = tenths(values)
    rank = np.empty(len(mean), int)
    rank[np.argsort(-mean, kind="stable")] = np.arange(1, len(mean) + 1)
    for line, (bar, sign) in enumerate(zip(mean, signs, strict=True)):
        _, colour, hatch = _SIGNS[sign]
        axes.barh(
            line, bar, height=0.68, color=colour, hatch=hatch, edgecolor=INK, linewidth=0.5,
            alpha=0.85,
        )  # fmt: skip
        axes.plot([low[line], high[line]], [line, line], color=INK, linewidth=1.1)
        axes.text(1.02, line, str(rank[line]), va="center", fontsize=8, color=INK)
    axes.set_xlim(0, 1.1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.tick_params(axis="y", labelsize=8.5)
