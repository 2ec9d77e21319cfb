"""The picture of an event's volume: what was expected while its weather came in, mm a day."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hydroml.report.day_axes import draw_steps, draw_weather, end_time_axis
from hydroml.report.sheet import open_sheet
from hydroml.report.style import (
    CYCLE,
    GREY,
    INK,
    OBSERVED,
    SIMULATED,
    mark_synthetic,
    save,
    tidy,
)

_HELD = 0.9  # of all credit (absolute) within the days shown
_FEWEST = 45  # days shown, where there are so many


def draw_event_volume(found: xr.Dataset, path: Path | str) -> Path:
    """Draw an event's volume to a file; see `event_volume_figure`.

    Parameters
    ----------
    found : xarray.Dataset
        Layout of ``event_volume.nc``.
    path : path-like
        The PNG to write.

    Returns
    -------
    pathlib.Path
        `path`.
    """
    figure = event_volume_figure(found)
    if str(found.attrs.get("synthetic", "false")).lower() == "true":
        figure = mark_synthetic(figure)
    return save(figure, path)


def event_volume_figure(found: xr.Dataset) -> Figure:
    """Draw weather, discharge, the expected volume and what each day added to it.

    The time axis shows the days that hold 90 % of all credit, at least 45 and the whole event.

    Parameters
    ----------
    found : xarray.Dataset
        Layout of ``event_volume.nc``; members are averaged.

    Returns
    -------
    matplotlib.figure.Figure
        Four panels on one time axis.
    """
    shown = found.isel(time=slice(_first_day(found), None))
    place = f"{found.attrs['basin']} {found.attrs['gauge_name']}".strip()
    members = found.sizes["member"]
    run = str(found.attrs["run"])[:70]
    sheet = open_sheet(
        f"Which days made the flood of {found.attrs['peak']}? {place[:60]}",
        about=f"{run} ({members} members)" if members > 1 else run,
        caption=_caption(found), body=(11.4, 7.6), constrained=True,
    )  # fmt: skip
    grid = sheet.figure.add_gridspec(4, 1, height_ratios=[1, 1.25, 1.25, 1.25])
    weather = sheet.figure.add_subplot(grid[0])
    rows = [weather, *(sheet.figure.add_subplot(grid[k], sharex=weather) for k in (1, 2, 3))]
    draw_weather(weather, shown)
    _draw_flow(rows[1], shown)
    _draw_expected(rows[2], shown)
    _draw_credit(rows[3], shown)
    end_time_axis(rows, shown)
    sheet.figure.align_ylabels(rows)
    return sheet.figure


def _first_day(found: xr.Dataset) -> int:
    size = abs(found["credit"].mean("member")).values
    from_end = np.cumsum(size[::-1])
    needed = int((from_end < _HELD * from_end[-1]).sum()) + 1
    event = int(found["in_event"].sum())
    return found.sizes["time"] - min(found.sizes["time"], max(needed, _FEWEST, event + 14))


def _caption(found: xr.Dataset) -> str:
    inside = found["in_event"].values
    observed = float(found["qobs"].values[inside].sum())
    seen = f", observed {observed:.1f}" if np.isfinite(observed) else ""
    before, volume = (float(found[n].mean()) for n in ("before", "volume"))
    return (
        f"Flow of {found.attrs['event_days']} (shaded) sums to {volume:.1f} mm in the "
        f"simulation{seen}. {before:.1f} mm of it were to be expected {found.attrs['days']} days "
        f"before its end, from the state of the basin and the weather of "
        f"{found.attrs['other_years']} other years; each day's weather added to the expectation, "
        "or took from it, what the lowest panel shows, and together they make the volume. Band: "
        "standard deviation over the other years' weather after that day. A dry day in a wet "
        "season takes away, as rain was to be expected."
    )


def _draw_flow(axes: Axes, shown: xr.Dataset) -> None:
    tidy(axes)
    time, simulated = shown["time"].values, shown["qsim"]
    if shown.sizes["member"] > 1:
        axes.fill_between(
            time, simulated.min("member"), simulated.max("member"),
            color=SIMULATED, alpha=0.22, linewidth=0,
        )  # fmt: skip
    axes.plot(time, shown["qobs"].values, color=OBSERVED, linewidth=1.2, label="observed")
    axes.plot(time, simulated.mean("member"), color=SIMULATED, linewidth=1.3, label="simulated")
    event = time[shown["in_event"].values]
    half = np.timedelta64(12, "h")
    axes.axvspan(event[0] - half, event[-1] + half, color=GREY, alpha=0.16, linewidth=0)
    axes.set_ylim(bottom=min(0.0, float(simulated.min())))
    axes.set_ylabel("discharge\n[mm/d]", fontsize=8.5, color=INK)
    axes.legend(fontsize=8, frameon=False, loc="upper left", ncols=2)


def _draw_expected(axes: Axes, shown: xr.Dataset) -> None:
    tidy(axes)
    time = shown["time"].values
    expected, spread = (shown[n].mean("member").values for n in ("expected", "expected_sd"))
    axes.fill_between(
        time, expected - spread, expected + spread, color=CYCLE[2], alpha=0.22, linewidth=0
    )
    axes.plot(time, expected, color=CYCLE[2], linewidth=1.4)
    axes.axhline(float(shown["volume"].mean()), color=INK, linewidth=0.8, linestyle=":")
    axes.set_ylim(bottom=min(0.0, float((expected - spread).min())))
    axes.set_ylabel("expected volume\n[mm]", fontsize=8.5, color=INK)


def _draw_credit(axes: Axes, shown: xr.Dataset) -> None:
    tidy(axes)
    time, credit = shown["time"].values, shown["credit"].mean("member").values
    level = np.zeros(len(time))
    draw_steps(axes, time, np.maximum(credit, 0), level, CYCLE[0])
    draw_steps(axes, time, np.minimum(credit, 0), level, CYCLE[1])
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_ylabel("added by the day\n[mm]", fontsize=8.5, color=INK)
