"""A store of two kinds of rivers, told apart by their attributes."""

import numpy as np
import pandas as pd
import xarray as xr

KINDS = ("slow", "fast")


def two_kinds(each: int = 6, years: int = 3, seed: int = 0) -> xr.Dataset:
    """Basins ``slow0``, ``fast0``, ``slow1``, ...: reservoirs of the same rain, two recessions."""
    rng = np.random.default_rng(seed)
    time = pd.date_range("2000-10-01", periods=int(365.25 * years), freq="D")
    rain = np.where(rng.random(len(time)) < 0.3, rng.gamma(1.0, 10.0, len(time)), 0.0)
    count = 2 * each
    fast = np.arange(count) % 2
    recession = np.where(fast, 0.6, 0.02) * rng.uniform(0.9, 1.1, count)
    storage, flow = np.full(count, 30.0), np.zeros((count, len(time)))
    for t, fallen in enumerate(rain):
        storage += fallen
        flow[:, t] = recession * storage
        storage -= flow[:, t]
    dims = ("basin", "time")
    return xr.Dataset(
        {
            "prcp": (dims, np.tile(rain, (count, 1)), {"units": "mm d-1"}),
            "qobs": (dims, flow, {"units": "mm d-1"}),
            "slope_mean": ("basin", 10.0 * fast + rng.normal(0, 0.5, count)),
            "sand_frac": ("basin", rng.normal(0, 1, count)),
            "same": ("basin", np.full(count, 0.1)),
            "q_mean": ("basin", flow.mean(axis=1)),
            "dom_land_cover": ("basin", np.array(["forest"] * count, dtype=object)),
            "gauge_name": ("basin", np.array([f"River {i}" for i in range(count)], dtype=object)),
            "gauge_lat": ("basin", rng.uniform(40, 45, count)),
            "gauge_lon": ("basin", rng.uniform(-100, -90, count)),
        },
        coords={"basin": [f"{KINDS[f]}{i // 2}" for i, f in enumerate(fast)], "time": time},
        attrs={"source": "tests", "forcing": "none", "synthetic": True},
    )
