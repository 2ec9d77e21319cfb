"""How long floods and low flows remember the weather: gradients by lag."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hydroml.report.sensitivity.changes import member_mean, tenths
from hydroml.report.sheet import open_sheet, say_basins, say_missing, spell_units
from hydroml.report.style import CYCLE, INK, tidy

_KINDS = (
    ("high", "floods (days of high flow)", CYCLE[1]),
    ("low", "low flows (days of low flow)", CYCLE[0]),
)
_MOST = 8  # inputs shown
_TICKS = (0, 1, 3, 10, 30, 100, 300)


def input_lags(gradients: xr.Dataset, *, about: str = "") -> Figure | None:
    """Draw the mean gradient of high and low flow by each input, against the lag.

    Parameters
    ----------
    gradients : xarray.Dataset
        Layout of ``gradients.nc``.
    about : str
        Run and period.

    Returns
    -------
    matplotlib.figure.Figure or None
        A row an input, at most the 8 that matter most, left for high and right for low flow;
        each panel has a scale of its own. None where no gradient has a number.
    """
    values = {kind: _by_lag(gradients, kind) for kind, _, _ in _KINDS}  # (input, lag, basin)
    if not any(np.isfinite(v).any() for v in values.values()):
        return None
    inputs = _most_important(gradients, values["high"])
    basins = int(np.isfinite(values["high"]).any(axis=(0, 1)).sum())
    left_out = gradients.sizes["input"] - len(inputs)
    caption = (
        f"{say_basins(basins)}. What one unit more of an input on one day, 0 to "
        f"{int(_lags(gradients)[-1])} days before, adds to the flow of a day. Lines: median "
        "of basins; bands: 10 to 90 %. Scales differ between panels."
    )
    if left_out:
        caption += f" {left_out} inputs of less effect are left out."
    sheet = open_sheet(
        "How long do floods and low flows remember the weather?", about=about, caption=caption,
        body=(9.6, 0.5 + 1.45 * len(inputs)), constrained=True,
    )  # fmt: skip
    panels = sheet.figure.subplots(len(inputs), 2, squeeze=False, sharex=True)
    for row, place in zip(panels, inputs, strict=True):
        name = str(gradients["input"].values[place])
        for axes, (kind, _, colour) in zip(row, _KINDS, strict=True):
            _draw(axes, _lags(gradients), values[kind][place], colour)
        row[0].set_ylabel(f"{name}\n[{_units(gradients, place)}]", fontsize=8.5, color=INK)
    for column, (_, title, _) in enumerate(_KINDS):
        panels[0, column].set_title(title, loc="left", fontsize=10.5, color=INK)
        panels[-1, column].set_xlabel("days before", fontsize=9, color=INK)
    sheet.figure.align_ylabels(panels[:, 0])
    return sheet.figure


def _by_lag(gradients: xr.Dataset, kind: str) -> NDArray[np.float64]:
    picked = gradients["dq_dx"].sel(kind=kind).transpose("input", "lag", "basin", "member")
    return member_mean(picked.values.astype("f8"))


def _lags(gradients: xr.Dataset) -> NDArray[np.float64]:
    if "lag" in gradients.coords:
        return gradients["lag"].values.astype(float)
    return np.arange(gradients.sizes["lag"], dtype=float)


def _most_important(gradients: xr.Dataset, high: NDArray[np.float64]) -> list[int]:
    """Places of the inputs whose usual variation moves high flow most, in the file's order."""
    spread = gradients["input_std"].values.astype(float) if "input_std" in gradients else 1.0
    effect = spread * np.nansum(np.abs(high), axis=(1, 2))
    return sorted(np.argsort(-effect, kind="stable")[:_MOST].tolist())


def _units(gradients: xr.Dataset, place: int) -> str:
    if "input_units" not in gradients:
        return "mm/d per unit"
    return f"mm/d per {spell_units(str(gradients['input_units'].values[place]))}"


def _draw(axes: Axes, lags: NDArray[np.float64], values: NDArray[np.float64], colour: str) -> None:
    tidy(axes)
    low, middle, high = tenths(values)  # over basins
    axes.axhline(0, color=INK, linewidth=0.8)
    if np.isfinite(middle).any():
        axes.fill_between(lags + 1, low, high, color=colour, alpha=0.22, linewidth=0)
        axes.plot(lags + 1, middle, color=colour, linewidth=1.7)
    else:
        say_missing(axes, "no value")
    axes.set_xscale("log")  # of the lag plus one day: most happens within days
    ticks = [t for t in _TICKS if t <= lags[-1]]
    axes.set_xticks([t + 1 for t in ticks], [str(t) for t in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(1, max(lags[-1] + 1, 2))
    axes.tick_params(labelsize=8)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-3, 3), useMathText=True)
    axes.yaxis.get_offset_text().set_fontsize(7.5)
