"""Axes that share days: weather above, bars a day, one time axis below."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from hydroml.report.sheet import spell_units
from hydroml.report.style import CYCLE, INK, RAIN, tidy


def draw_weather(axes: Axes, shown: xr.Dataset) -> None:
    """Draw precipitation from above and temperature, of a file of `hydroml.explanation`."""
    tidy(axes)
    time = shown["time"].values
    rain, warmth = _of_role(shown, "precipitation"), _of_role(shown, "temperature")
    if rain.sizes["input"]:
        values = rain.isel(input=0).fillna(0)
        draw_steps(axes, time, values.values, np.zeros(len(time)), RAIN)
        units = spell_units(str(rain["input_units"].values[0]))
        axes.set_ylim(1.55 * max(float(values.max()), 1.0), 0)
        axes.set_ylabel(f"precipitation\n[{units}]", fontsize=8.5, color=INK)
    if warmth.sizes["input"]:
        right = axes.twinx()
        right.fill_between(
            time, warmth.min("input"), warmth.max("input"), color=CYCLE[1], alpha=0.25, linewidth=0
        )
        right.plot(time, warmth.mean("input"), color=CYCLE[1], linewidth=0.9)
        right.axhline(0, color=CYCLE[1], linewidth=0.6, linestyle=":")
        low, high = float(warmth.min()), float(warmth.max())
        right.set_ylim(min(low, 0) - 1, high + 0.9 * (high - min(low, 0)))
        right.set_yticks(MaxNLocator(4).tick_values(min(low, 0), high)[:-1])
        units = spell_units(str(warmth["input_units"].values[0]))
        right.set_ylabel(f"temperature\n[{units}]", fontsize=8.5, color=CYCLE[1])
        right.tick_params(labelsize=8, colors=CYCLE[1])
        right.spines[["top", "left", "bottom"]].set_visible(False)


def draw_steps(
    axes: Axes,
    time: NDArray[np.datetime64],
    values: NDArray[np.float32],
    level: NDArray[np.float64],
    colour: str,
) -> None:
    """Fill a bar a day from a level to a value; bars of their own take ten times longer."""
    edges = np.append(time, time[-1] + np.timedelta64(1, "D")) - np.timedelta64(12, "h")
    axes.stairs(values, edges, baseline=level, fill=True, color=colour, linewidth=0)  # type: ignore[arg-type]


def end_time_axis(rows: Sequence[Axes], shown: xr.Dataset) -> None:
    """Label the days below the last of rows that share them."""
    time = shown["time"].values
    for axes in rows:
        axes.tick_params(labelbottom=axes is rows[-1], labelsize=8)
    rows[0].set_xlim(time[0] - np.timedelta64(12, "h"), time[-1] + np.timedelta64(24, "h"))
    locator = AutoDateLocator(minticks=5, maxticks=11)
    rows[-1].xaxis.set_major_locator(locator)
    rows[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _of_role(explanation: xr.Dataset, role: str) -> xr.DataArray:
    return explanation["forcing"][:, explanation["input_role"].values == role]
