"""What a model expects of an event while its weather comes in, day by day.

RUDDER (Arjona-Medina et al. 2019, arXiv:1806.07857) asks how the expected return of an episode
changes with every step. Here the episode is the weather before a flood, and the return the flood's
volume. After the weather of t days is known, what follows is not: it is taken from the same days of
other years, as in ensemble streamflow prediction (Day 1985,
doi 10.1061/(ASCE)0733-9496(1985)111:2(157)).
"""

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from hydroml.data.scaling import Scaler
from hydroml.errors import StoreError
from hydroml.explanation.window import Window

DAYS_AT_ONCE = 32
"""Days at which known weather ends that are simulated together."""
FEWEST_YEARS = 2
"""Other years below which there is nothing to expect from."""


def other_years(
    dataset: xr.Dataset, basin: str, scaler: Scaler, normal: slice, time: NDArray[np.datetime64]
) -> NDArray[np.float32]:
    """Take the weather of the same days in other years.

    Parameters
    ----------
    dataset : xarray.Dataset
        The store.
    basin : str
        Gauge id.
    scaler : Scaler
        Of the run: names the inputs.
    normal : slice
        First and last day to take years from.
    time : ndarray
        The days of an event's window, (T,), datetime64[D].

    Returns
    -------
    ndarray
        (years, T, F), in the inputs' units; years that overlap the window or lack a value are
        left out, and 29 February has the weather of 28 February where a year has none.

    Raises
    ------
    StoreError
        Fewer than two years.
    """
    table = dataset[list(scaler.dynamic)].sel(basin=basin, time=normal).to_dataframe()
    table = table[list(scaler.dynamic)]
    days = pd.DatetimeIndex(time.astype("datetime64[ns]"))
    spread = int(pd.Timestamp(normal.stop).year - pd.Timestamp(normal.start).year) + 1
    apart = abs(days[-1].year - pd.Timestamp(normal.start).year) + spread
    found = []
    for years in range(-apart, apart + 1):
        moved = days + pd.DateOffset(years=years)
        if moved[0] <= days[-1] and days[0] <= moved[-1]:
            continue
        weather = table.reindex(moved).to_numpy("float32")
        if not np.isnan(weather).any():
            found.append(weather)
    if len(found) < FEWEST_YEARS:
        raise StoreError(
            f"Basin {basin} has complete weather for these days in {len(found)} other years of "
            f"{normal.start} to {normal.stop}: what was to be expected is not known.",
            f"Give fewer --days (now {len(days)}), or ask a run with a longer training period.",
        )
    return np.stack(found)


@torch.no_grad()
def expected_volumes(window: Window, futures: Tensor, days: int) -> Tensor:
    """Simulate an event's volume with known weather up to each day, other years' after it.

    Parameters
    ----------
    window : Window
        Ends with the event's last day.
    futures : Tensor
        Standardised weather of other years, (K, T, F).
    days : int
        Days of the event, the last ones of the window.

    Returns
    -------
    Tensor
        [mm], (K, T + 1), float64: with the weather of no day known, of the first, ..., of all.
        The last column is the simulated volume, in every year.
    """
    steps, start = len(window.x_d), len(window.x_d) - days
    simulated = torch.as_tensor(window.simulated, dtype=torch.float64, device=futures.device)
    state: list[Tensor] = [part[None] for part in window.state]
    volumes = []
    for begin in range(0, steps, DAYS_AT_ONCE):
        actual = window.x_d[begin:]
        count, left = min(DAYS_AT_ONCE, len(actual)), len(actual)
        known = (
            torch.arange(left, device=actual.device)
            < torch.arange(count, device=actual.device)[:, None]
        )
        rows = torch.where(
            known[None, :, :, None], actual, futures[:, None, begin:]
        )  # (K, n, left, F)
        rows = rows.flatten(0, 1)
        many = tuple(part.expand(len(rows), -1) for part in state)
        y, _ = window.model(rows, window.x_s.expand(len(rows), -1), many, last=min(days, left))
        flow = window.scaler.target_std * y.double() + window.scaler.target_mean
        gone = simulated[start : max(start, begin)].sum()
        volumes.append(gone + flow.sum(1).view(len(futures), count))
        _, last = window.model(actual[None, :count], window.x_s[None], tuple(state))
        state = list(last)
    everything = simulated[start:].sum().expand(len(futures), 1)
    return torch.cat([*volumes, everything], 1)
