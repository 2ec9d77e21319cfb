"""The picture of an explanation: weather, flow and the relevance of days on one time axis."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hydroml.report.day_axes import draw_steps, draw_weather, end_time_axis
from hydroml.report.sheet import open_sheet
from hydroml.report.style import (
    CYCLE,
    GREY,
    INK,
    LINES,
    OBSERVED,
    SIMULATED,
    mark_synthetic,
    save,
    tidy,
)

_HELD = 0.9  # of all relevance (absolute) within the days shown
_FEWEST = 45  # days shown, where there are so many
_TICKS = (0, 1, 3, 10, 30, 100, 300)
_RATIO = (3.1, 1.15)  # widths of the time axis and of the sums


def draw_explanation(explanation: xr.Dataset, path: Path | str) -> Path:
    """Draw an explanation to a file; see `explanation_figure`.

    Parameters
    ----------
    explanation : xarray.Dataset
        Layout of ``explanation.nc``.
    path : path-like
        The PNG to write.

    Returns
    -------
    pathlib.Path
        `path`.
    """
    figure = explanation_figure(explanation)
    if str(explanation.attrs.get("synthetic", "false")).lower() == "true":
        figure = mark_synthetic(figure)
    return save(figure, path)


def explanation_figure(explanation: xr.Dataset) -> Figure:
    """Draw weather, discharge and relevance by day, and relevance by input and by lag.

    The time axis shows the days that hold 90 % of all relevance, at least 45; the sums at the
    right are over the whole window.

    Parameters
    ----------
    explanation : xarray.Dataset
        Layout of ``explanation.nc``; members are averaged, their range or spread is shown.

    Returns
    -------
    matplotlib.figure.Figure
        On the left a panel each for weather, discharge and every method.
    """
    methods = [str(m) for m in explanation["how"].values]
    begin = first_day_shown(explanation)
    shown = explanation.isel(time=slice(begin, None))
    height = 3.9 + 1.6 * len(methods)
    sheet = open_sheet(
        _title(explanation), about=_about(explanation), caption=_caption(explanation, shown),
        body=(11.4, height), constrained=True,
    )  # fmt: skip
    grid = sheet.figure.add_gridspec(1, 2, width_ratios=_RATIO)
    rows = grid[0].subgridspec(2 + len(methods), 1, height_ratios=[1, 1.25, *[1.15] * len(methods)])
    weather = sheet.figure.add_subplot(rows[0])
    flow, *panels = (
        sheet.figure.add_subplot(rows[k], sharex=weather) for k in range(1, 2 + len(methods))
    )
    sums = grid[1].subgridspec(2, 1)
    inputs, lags = sheet.figure.add_subplot(sums[0]), sheet.figure.add_subplot(sums[1])
    colours = _colours(explanation)
    draw_weather(weather, shown)
    _draw_flow(flow, shown)
    for axes, method in zip(panels, methods, strict=True):
        _draw_relevance(axes, shown.sel(how=method), colours)
    _share_scale(panels)
    end_time_axis([weather, flow, *panels], shown)
    _draw_inputs(inputs, explanation, colours)
    _draw_lags(lags, explanation)
    sheet.figure.align_ylabels([weather, flow, *panels])
    return sheet.figure


def first_day_shown(explanation: xr.Dataset) -> int:
    """Place of the first day that the time axis shows; see `explanation_figure`."""
    size = abs(explanation["relevance"].mean("member")).sum("input")  # (how, time)
    from_end = size.isel(time=slice(None, None, -1)).cumsum("time").values
    total = np.maximum(from_end[:, -1:], np.finfo("f4").tiny)
    needed = int((from_end / total < _HELD).sum(axis=1).max()) + 1
    days = explanation.sizes["time"]
    return days - min(days, max(needed, _FEWEST))


def _title(explanation: xr.Dataset) -> str:
    attributes = explanation.attrs
    kind = {"peak": "flood", "low": "low flow"}.get(attributes.get("event", ""), "flow")
    place = f"{attributes['basin']} {attributes.get('gauge_name', '')}".strip()
    return f"What made the {kind} of {attributes['date']}? {place[:60]}"


def _about(explanation: xr.Dataset) -> str:
    run, members = str(explanation.attrs["run"]), explanation.sizes["member"]
    return f"{run[:70]} ({members} members)" if members > 1 else run[:80]


def _caption(explanation: xr.Dataset, shown: xr.Dataset) -> str:
    last, attributes = explanation.isel(time=-1), explanation.attrs
    simulated, base = (float(last[n].mean()) for n in ("qsim", "qbase"))
    observed = float(last["qobs"])
    seen = f", observed {observed:.2f}" if np.isfinite(observed) else ""
    gap = explanation["gap"].mean("member").values
    gaps = ", ".join(
        f"{method} {value:+.2f}"
        for method, value in zip(explanation["how"].values, gap, strict=True)
    )
    days = explanation.sizes["time"]
    left_out = days - shown.sizes["time"]
    return (
        f"Simulated {simulated:.2f} mm/d{seen}. Shared out are {simulated - base:+.2f} mm/d: "
        f"simulated flow less the {base:.2f} mm/d of a baseline world ({attributes['baseline']}: "
        f"{attributes['baseline_meaning']}). Lower panels: relevance of each day, stacked by "
        f"input, in the colours at the right. Left unexplained [mm/d]: {gaps}."
        + (f" {left_out} earlier days of the {days} explained are not drawn." if left_out else "")
    )


def _colours(explanation: xr.Dataset) -> dict[str, str]:
    """Rain is blue, temperatures warm, the others what is left."""
    warm, rest = [CYCLE[1], CYCLE[4], CYCLE[3]], [CYCLE[2], CYCLE[5], GREY, CYCLE[6]]
    found: dict[str, str] = {}
    for name, role in zip(
        explanation["input"].values, explanation["input_role"].values, strict=True
    ):
        stock = warm if role == "temperature" and warm else rest
        if role == "precipitation" and CYCLE[0] not in found.values():
            found[str(name)] = CYCLE[0]
        else:
            found[str(name)] = stock.pop(0) if stock else GREY
    return found


def _draw_flow(axes: Axes, shown: xr.Dataset) -> None:
    tidy(axes)
    time, simulated, base = shown["time"].values, shown["qsim"], shown["qbase"]
    if shown.sizes["member"] > 1:
        axes.fill_between(
            time, simulated.min("member"), simulated.max("member"),
            color=SIMULATED, alpha=0.22, linewidth=0,
        )  # fmt: skip
    axes.plot(time, shown["qobs"].values, color=OBSERVED, linewidth=1.2, label="observed")
    axes.plot(time, simulated.mean("member"), color=SIMULATED, linewidth=1.3, label="simulated")
    axes.plot(
        time, base.mean("member"), color=GREY, linewidth=1.1, linestyle="--", label="baseline world"
    )
    last = float(simulated.mean("member")[-1])
    axes.plot(time[-1], last, "o", color=SIMULATED, markersize=5, clip_on=False)
    axes.set_ylim(bottom=min(0.0, float(base.min())))
    axes.set_ylabel("discharge\n[mm/d]", fontsize=8.5, color=INK)
    axes.legend(fontsize=8, frameon=False, loc="upper left", ncols=3)


def _draw_relevance(axes: Axes, one: xr.Dataset, colours: Mapping[str, str]) -> None:
    """Stack the inputs' relevance of each day, upwards what adds and downwards what takes."""
    tidy(axes)
    time, values = one["time"].values, one["relevance"].mean("member").values  # (T, F)
    above, below = np.zeros(len(time)), np.zeros(len(time))
    for f, name in enumerate(one["input"].values):
        up, down = np.maximum(values[:, f], 0), np.minimum(values[:, f], 0)
        for level, share in ((above, up), (below, down)):
            draw_steps(axes, time, level + share, level, colours[str(name)])
        above, below = above + up, below + down
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_ylabel("relevance\n[mm/d]", fontsize=8.5, color=INK)
    axes.set_title(str(one["how_title"].values), loc="left", fontsize=9.5, color=INK, pad=3)


def _share_scale(panels: Sequence[Axes]) -> None:
    limits = np.array([axes.get_ylim() for axes in panels])
    for axes in panels:
        axes.set_ylim(float(limits[:, 0].min()), float(limits[:, 1].max()))


def _draw_inputs(axes: Axes, explanation: xr.Dataset, colours: Mapping[str, str]) -> None:
    """Draw sums over the window, a group of bars an input, a bar a method."""
    tidy(axes)
    methods = explanation["how"].values
    names = [str(n) for n in explanation["input"].values]
    sums = explanation["relevance"].sum("time").transpose("input", "how", "member").values
    rest = [explanation[n].transpose("how", "member").values for n in ("earlier", "gap")]
    groups = np.concatenate([sums, np.stack(rest)])  # (F + 2, M, K)
    labels = [*names, "earlier", "gap"]
    height = 0.8 / len(methods)
    hatches = ("", "////", "....")
    place = np.arange(len(labels))
    for k, method in enumerate(methods):
        at = place + (k - (len(methods) - 1) / 2) * height
        spread = groups[:, k].std(axis=1) if groups.shape[2] > 1 else None
        axes.barh(
            at, groups[:, k].mean(axis=1), height, xerr=spread, label=str(method), hatch=hatches[k],
            color=[*(colours[n] for n in names), "#bbbbbb", "#ffffff"], edgecolor=INK,
            linewidth=0.5, error_kw={"elinewidth": 0.8, "ecolor": INK},
        )  # fmt: skip
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(place, labels, fontsize=8.5)
    axes.invert_yaxis()
    axes.set_xlabel("sum over the window [mm/d]", fontsize=8.5, color=INK)
    title = "by input"
    if len(methods) > 1:
        title += f", downwards: {', '.join(map(str, methods))}"
    axes.set_title(title, loc="left", fontsize=9, color=INK, pad=3)


def _draw_lags(axes: Axes, explanation: xr.Dataset) -> None:
    """Draw what the last days together contribute, against their number."""
    tidy(axes)
    days = explanation.sizes["time"]
    by_day = explanation["relevance"].sum("input").isel(time=slice(None, None, -1))
    together: NDArray[np.float64] = by_day.cumsum("time").mean("member").values  # (M, T)
    last = explanation.isel(time=-1)
    difference = float((last["qsim"] - last["qbase"]).mean())
    place = np.arange(days) + 1
    for k, method in enumerate(explanation["how"].values):
        axes.plot(place, together[k], LINES[k], color=INK, linewidth=1.4, label=str(method))
    axes.axhline(difference, color=SIMULATED, linewidth=1.0, label="to be explained")
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xscale("log")
    ticks = [t for t in _TICKS if t < days]
    axes.set_xticks([t + 1 for t in ticks], [str(t) for t in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(1, days)
    axes.tick_params(labelsize=8)
    axes.set_xlabel("days before", fontsize=8.5, color=INK)
    axes.set_ylabel("relevance since then [mm/d]", fontsize=8.5, color=INK)
    axes.set_title("cumulated, back in time", loc="left", fontsize=9.5, color=INK, pad=3)
    axes.legend(fontsize=8, frameon=False)
