"""An event's volume in figures: a table of days, and what a reader wants to know at once."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

TOP_DAYS = 10
"""Days named in the summary."""


def volume_table(found: xr.Dataset) -> pd.DataFrame:
    """Lay out an event's volume with a row a day, members averaged.

    Parameters
    ----------
    found : xarray.Dataset
        What `hydroml.explanation.event_volume.share_out_volume` returned.

    Returns
    -------
    pandas.DataFrame
        Index ``date``; ``days_before`` the event's last day, the inputs, ``qobs`` and ``qsim``
        [mm d-1], ``in_event``, ``credit`` [mm], ``credit_sd`` over members (0 for one),
        ``expected`` and ``expected_sd`` [mm].
    """
    dates = pd.DatetimeIndex(found["time"].values).strftime("%Y-%m-%d")
    table = pd.DataFrame(index=pd.Index(dates, name="date"))
    table["days_before"] = found["days_before"].values
    for name in found["input"].values:
        table[str(name)] = found["forcing"].sel(input=name).values
    table["qobs"] = found["qobs"].values
    table["qsim"] = found["qsim"].mean("member").values
    table["in_event"] = found["in_event"].values
    table["credit"] = found["credit"].mean("member").values
    table["credit_sd"] = found["credit"].std("member").values
    table["expected"] = found["expected"].mean("member").values
    table["expected_sd"] = found["expected_sd"].mean("member").values
    return table


def summarise_volume(found: xr.Dataset) -> dict[str, Any]:
    """Collect the figures of an event: volumes, what was expected when, the days that count.

    Parameters
    ----------
    found : xarray.Dataset
        What `hydroml.explanation.event_volume.share_out_volume` returned.

    Returns
    -------
    dict
        For ``event_volume.json``; volumes [mm], means over members.
    """
    keys = ("run", "basin", "gauge_name", "event_days", "synthetic", "days", "other_years")
    told: dict[str, Any] = {key: found.attrs[key] for key in keys}
    inside = found["in_event"].values
    observed = float(found["qobs"].values[inside].sum())
    table = volume_table(found)
    top = table["credit"].abs().sort_values(ascending=False, kind="stable").index[:TOP_DAYS]
    return told | {
        "members": found.sizes["member"],
        "event_length": int(inside.sum()),
        "volume": float(found["volume"].mean()),
        "volume_sd": float(found["volume"].std()),
        "volume_observed": observed if np.isfinite(observed) else None,
        "expected_before": float(found["before"].mean()),
        "credit_during": float(table["credit"][inside].sum()),
        "credit_earlier": float(table["credit"][~inside].sum()),
        "top_days": [{"date": day, "credit": float(table["credit"][day])} for day in top],
    }
