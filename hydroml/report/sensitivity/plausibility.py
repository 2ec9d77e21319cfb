"""Where a response is not to be trusted: failed checks, and days unlike those of training."""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hydroml.report.category_map import Look, draw_labels
from hydroml.report.maps import colour_scale, draw_colour_bar, draw_values
from hydroml.report.sheet import open_sheet, say_basins
from hydroml.report.style import FAILED, INK, tidy

Flags = NDArray[np.bool_]

CHECKS = {
    "wetter_means_more": "less mean flow although wetter",
    "below_precipitation": "more flow than precipitation",
    "below_ceiling": "near the highest flow the model can give",
    "concave_storms": "flood peaks flatten as storms grow",
    "earlier_with_warming": "no earlier flow in a warmer snow basin",
}
"""What it means to fail a check of ``plausibility.csv``."""
_TRUE_FAILS = ("concave_storms",)
_LOOKS: dict[str, Look] = {
    "no check failed": ("o", "#d9e6f2"),
    "1 failed": ("o", "#f0c04c"),
    "2 failed": ("s", "#d55e00"),
    "3 or more failed": ("^", "#5c1a00"),
}  # from light to dark: the order is seen without colour, too
_MAP = 4.3  # inches
_BARS = 2.0


def plausibility(response: xr.Dataset, table: pd.DataFrame, *, about: str = "") -> Figure | None:
    """Draw how many checks each basin fails, and how many basins fail each check.

    Parameters
    ----------
    response : xarray.Dataset
        Layout of ``response.nc``; without ``gauge_lat`` and ``gauge_lon`` there is no map.
    table : pandas.DataFrame
        Of ``plausibility.csv``, index ``gauge_id``.
    about : str
        Run and period.

    Returns
    -------
    matplotlib.figure.Figure or None
        Map and bars; None where the table is empty.
    """
    basins = response["basin"].values.astype(str)
    shown = table.reindex(basins)
    failed = shown["failed_checks"].to_numpy(float, copy=True)
    failed[~np.any([_made(shown, check) for check in CHECKS if check in shown], axis=0)] = np.nan
    if not np.isfinite(failed).any():
        return None
    mapped = _has_places(response)
    count, some = int(np.isfinite(failed).sum()), int((failed > 0).sum())
    sheet = open_sheet(
        "Where does the model answer implausibly?", about=about,
        caption=f"{say_basins(count)}, {some} with a failed check: the more checks a basin "
        "fails, the less its sensitivities are to be relied on.",
        body=(9.6, _MAP * mapped + _BARS),
    )  # fmt: skip
    part = _MAP * mapped / (_MAP * mapped + _BARS)
    if mapped:
        labels = np.array(
            ["" if np.isnan(f) else list(_LOOKS)[int(min(f, 3))] for f in failed], dtype=object
        )
        axes = sheet.add_axes((0.02, 1 - part, 0.76, part))
        lat, lon = (response[n].values.astype(float) for n in ("gauge_lat", "gauge_lon"))
        draw_labels(axes, labels, lat, lon, looks=_LOOKS)
    _draw_checks(sheet.add_axes((0.33, 0.25 * (1 - part), 0.6, 0.66 * (1 - part))), shown)
    return sheet.figure


def outside_training(response: xr.Dataset, *, about: str = "") -> Figure | None:
    """Draw the share of days unlike all training days, at the strongest scenario.

    The strongest scenario is that with the largest mean share of unusual days, among the
    uniform ones if there are any, design storms aside.

    Parameters
    ----------
    response : xarray.Dataset
        Layout of ``response.nc``; without ``gauge_lat`` and ``gauge_lon`` there is no map.
    about : str
        Run and period.

    Returns
    -------
    matplotlib.figure.Figure or None
        A map of unusual days, bars of days outside the range of each input; None where no
        share is known.
    """
    scenario = strongest_scenario(response)
    if scenario is None:
        return None
    unusual = 100 * response["unusual"].values[scenario].astype(float)
    title = str(response["title"].values[scenario])
    mapped = _has_places(response)
    bars = 0.55 + 0.26 * response.sizes["input"]
    middle = float(np.nanmedian(unusual))
    sheet = open_sheet(
        "Where do scenarios leave what the model was trained on?", about=about,
        caption=f"Strongest scenario ({title}): days unlike all but 0.1 % of the training days of "
        f"all basins; median of basins {middle:.1f} %. Below: days outside the training range of "
        "single inputs. The more such days, the more the answer is extrapolated.",
        body=(9.6, 4.9 * mapped + bars),
    )  # fmt: skip
    part = 4.9 * mapped / (4.9 * mapped + bars)
    if mapped:
        lat, lon = (response[n].values.astype(float) for n in ("gauge_lat", "gauge_lon"))
        top = float(np.nanquantile(unusual, 0.98))
        scale = colour_scale(unusual, "viridis_r", 0.0, max(top, 1.0))
        axes = sheet.add_axes((0.02, 1 - 0.86 * part, 0.96, 0.86 * part))
        draw_values(axes, unusual, lat, lon, scale=scale)
        bar = sheet.add_axes((0.25, 1 - 0.9 * part, 0.5, 0.03 * part))
        draw_colour_bar(sheet.figure, bar, scale, "unusual days [% of days]")
    low = 0.5 / (4.9 * mapped + bars)
    _draw_inputs(sheet.add_axes((0.33, low, 0.6, 1 - part - low)), response, scenario)
    return sheet.figure


def strongest_scenario(response: xr.Dataset) -> int | None:
    """Find the scenario that leaves the training climate furthest; None if none is known.

    Examples
    --------
    >>> from tests.sensitivity.samples import sample_response
    >>> response = sample_response()
    >>> response["unusual"][48] = 0.9  # +6 degC, P +30 %
    >>> strongest_scenario(response)
    48
    """
    if "unusual" not in response:
        return None
    shares = response["unusual"].transpose("scenario", "basin").mean("basin").values.astype(float)
    shares[np.isfinite(response["storm_depth"].values.astype(float))] = np.nan
    uniform = np.isfinite(response["temperature_change"].values.astype(float))
    if np.isfinite(shares[uniform][1:]).any():
        shares[~uniform] = np.nan
    return int(np.nanargmax(shares)) if np.isfinite(shares).any() else None


def fails(table: pd.DataFrame, check: str) -> tuple[int, int]:
    """Count the basins that fail a check, and those it could be made for.

    Parameters
    ----------
    table : pandas.DataFrame
        Of ``plausibility.csv``: booleans, or their words, empty where a check was not made.
    check : str
        A column; ``earlier_with_warming`` counts in snow basins only.

    Examples
    --------
    >>> table = pd.DataFrame({"below_ceiling": [True, "False", None], "concave_storms": True})
    >>> fails(table, "below_ceiling"), fails(table, "concave_storms")
    ((1, 2), (3, 3))
    """
    made = _made(table, check)
    wrong = "true" if check in _TRUE_FAILS else "false"
    return int((made & (_words(table, check) == wrong)).sum()), int(made.sum())


def _made(table: pd.DataFrame, check: str) -> Flags:
    """Tell for which basins a check could be made."""
    made = np.isin(_words(table, check), ["true", "false"])
    if check == "earlier_with_warming" and "snow_basin" in table:
        made &= _words(table, "snow_basin") == "true"
    return made


def _words(table: pd.DataFrame, column: str) -> NDArray[np.str_]:
    return table[column].astype(str).str.lower().to_numpy(str)


def _draw_checks(axes: Axes, table: pd.DataFrame) -> None:
    tidy(axes)
    axes.grid(visible=False, axis="y")
    names = [check for check in CHECKS if check in table]
    counts = [fails(table, check) for check in names]
    shares = [100 * failed / made if made else 0.0 for failed, made in counts]
    lines = range(len(names))
    axes.barh(lines, shares, height=0.62, color=FAILED, edgecolor=INK, linewidth=0.6)
    for line, share, (failed, made) in zip(lines, shares, counts, strict=True):
        text = f" {failed} of {made}" if made else " could not be checked"
        axes.text(share, line, text, va="center", fontsize=9, color=INK)
    axes.set_yticks(lines, [CHECKS[check] for check in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, max(1.3 * max(shares, default=0), 10))
    axes.set_xlabel("basins that fail a check [% of those it could be made for]", fontsize=9)


def _draw_inputs(axes: Axes, response: xr.Dataset, scenario: int) -> None:
    tidy(axes)
    axes.grid(visible=False, axis="y")
    outside = 100 * response["outside"].transpose("scenario", "basin", "input").values[scenario]
    names = response["input"].values.astype(str)
    for line, shares in enumerate(outside.T.astype(float)):
        some = shares[np.isfinite(shares)]
        if some.size:
            low, middle, high = np.quantile(some, (0.1, 0.5, 0.9))
            axes.barh(line, middle, height=0.6, color="#56b4e9", edgecolor=INK, linewidth=0.6)
            axes.plot([low, high], [line, line], color=INK, linewidth=1.2)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(left=0)
    label = "days outside the training range [% of days; bar: median of basins, line: 10 to 90 %]"
    axes.set_xlabel(label, fontsize=9, color=INK)


def _has_places(response: xr.Dataset) -> bool:
    if not {"gauge_lat", "gauge_lon"} <= set(response.variables):
        return False
    return bool(np.isfinite(response["gauge_lat"] + response["gauge_lon"]).any())
