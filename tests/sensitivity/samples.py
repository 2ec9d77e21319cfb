"""Small files in the layout of `hydroml sensitivity`, made by arithmetic."""

import numpy as np
import pandas as pd
import xarray as xr

from hydroml.sensitivity.statistics import STATISTICS

WARMING = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
FACTORS = (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)
INPUTS = ("prcp", "srad", "tmax", "tmin", "vp")


def sample_response(basins: int = 12, members: int = 3, seed: int = 0) -> xr.Dataset:
    """A response in which flow follows ``(P factor)^e exp(-0.03 warming)``.

    The exponent ``e`` goes from 1 (first basin) to 3 (last); members differ by noise of 2 %.
    Scenarios are the baseline, the other 48 of the grid, a wetter winter and six storms.
    """
    rng = np.random.default_rng(seed)
    grid = [(t, p) for t in WARMING for p in FACTORS if (t, p) != (0.0, 1.0)]
    names = ["baseline", *(f"t+{t:g}_p{100 * p - 100:+.0f}" for t, p in grid), "p+20_winter"]
    depths = [25.0, 50.0, 100.0]
    names += [f"storm_{d:.0f}mm_{a}" for a in ("wet", "dry") for d in depths]
    count = len(names)
    warming = np.full(count, np.nan)
    factor = np.full(count, np.nan)
    warming[:49] = [0.0, *(t for t, _ in grid)]
    factor[:49] = [1.0, *(p for _, p in grid)]
    depth = np.full(count, np.nan)
    depth[50:] = depths * 2
    antecedent = [""] * 50 + ["wet"] * 3 + ["dry"] * 3
    exponent = np.linspace(1, 3, basins)
    t, p = np.nan_to_num(warming), np.nan_to_num(factor, nan=1.05)
    ratio = p[:, None] ** exponent * np.exp(-0.03 * t)[:, None]  # (scenario, basin)
    noise = 1 + 0.02 * rng.normal(size=(count, basins, 1, members))
    noise[0] = 1
    level = rng.uniform(0.5, 3, (1, basins, len(STATISTICS), members))
    value = level * ratio[:, :, None, None] * noise
    value = np.broadcast_to(value, (count, basins, len(STATISTICS), members)).copy()
    order = list(STATISTICS)
    for name in ("annual_max_date", "low7_date", "centre_timing"):
        shifted = 180 - 4 * t[:, None, None] + 2 * rng.normal(size=(count, basins, members))
        value[:, :, order.index(name)] = shifted
    for name in ("storm_peak", "storm_volume"):
        value[:, :, order.index(name)] = np.nan
        peak = np.sqrt(depth[50:])[:, None, None] * np.ones((1, basins, members))
        value[50:, :, order.index(name)] = peak
    kinds = [s.kind for s in STATISTICS.values()]
    base = value[:1]
    change = np.where(
        np.array([k == "relative" for k in kinds])[:, None],
        100 * (value - base) / base,
        value - base,
    )
    month = np.arange(1, 13)
    regime = 1 + 0.5 * np.sin(2 * np.pi * (month - 1) / 12)
    dims = ("scenario", "basin", "statistic", "member")
    return xr.Dataset(
        {
            "value": (dims, value.astype("f4")),
            "change": (dims, change.astype("f4")),
            "regime": (
                ("scenario", "basin", "month", "member"),
                (ratio[:, :, None, None] * regime[:, None] * np.ones(members)).astype("f4"),
                {"units": "mm d-1"},
            ),
            "precipitation": (
                ("scenario", "basin"),
                (3 * p[:, None] * np.ones(basins)).astype("f4"),
                {"units": "mm d-1"},
            ),
            "outside": (
                ("scenario", "basin", "input"),
                rng.uniform(0, 0.05, (count, basins, len(INPUTS))).astype("f4"),
                {"units": "1"},
            ),
            "unusual": (
                ("scenario", "basin"),
                rng.uniform(0, 0.2, (count, basins)).astype("f4"),
                {"units": "1"},
            ),
            "unusual_here": (
                ("scenario", "basin"),
                rng.uniform(0, 0.2, (count, basins)).astype("f4"),
                {"units": "1"},
            ),
            "ceiling": (
                ("basin", "member"),
                np.full((basins, members), 60.0, "f4"),
                {"units": "mm d-1"},
            ),
        },
        coords={
            "scenario": np.array(names, dtype=object),
            "title": ("scenario", np.array([n.replace("_", " ") for n in names], dtype=object)),
            "scenario_set": (
                "scenario",
                np.array(["grid"] * 49 + ["seasons"] + ["storms"] * 6, dtype=object),
            ),
            "temperature_change": ("scenario", warming, {"units": "K"}),
            "precipitation_factor": ("scenario", factor, {"units": "1"}),
            "storm_depth": ("scenario", depth, {"units": "mm"}),
            "storm_antecedent": ("scenario", np.array(antecedent, dtype=object)),
            "basin": np.array([f"{i + 1:08d}" for i in range(basins)], dtype=object),
            "gauge_lat": ("basin", np.linspace(30, 47, basins)),
            "gauge_lon": ("basin", np.linspace(-120, -72, basins)),
            "gauge_name": ("basin", np.array([f"River {i}" for i in range(basins)], dtype=object)),
            "aridity": ("basin", np.linspace(0.4, 2.0, basins)),
            "frac_snow": ("basin", np.linspace(0.7, 0.0, basins)),
            "p_mean": ("basin", np.full(basins, 3.0)),
            "statistic": np.array(order, dtype=object),
            "statistic_units": (
                "statistic",
                np.array([s.units for s in STATISTICS.values()], dtype=object),
            ),
            "statistic_title": (
                "statistic",
                np.array([s.title for s in STATISTICS.values()], dtype=object),
            ),
            "change_units": (
                "statistic",
                np.array([s.change_units for s in STATISTICS.values()], dtype=object),
            ),
            "member": np.array([f"seed{111 * (m + 1)}" for m in range(members)], dtype=object),
            "month": month,
            "input": np.array(INPUTS, dtype=object),
        },
        attrs={
            "Conventions": "CF-1.11",
            "title": "Response of flow to changes of climate",
            "run": ", ".join(f"seed{111 * (m + 1)}" for m in range(members)),
            "period": "1989-10-01..1999-09-30",
            "synthetic": "false",
            "statics": "held",
            "vapour_pressure": "held",
            "potential_evaporation": "held",
            "scenarios": "name: sample\nscenarios: []\n",
        },
    )


def sample_elasticity(response: xr.Dataset) -> pd.DataFrame:
    """A table in the layout of ``elasticity.csv``: a row a basin and statistic."""
    basins = response["basin"].values.astype(str)
    exponent = np.linspace(1, 3, len(basins))
    rows = []
    for name, s in STATISTICS.items():
        if name.startswith("storm"):
            continue
        for b, gauge in enumerate(basins):
            rows.append(
                {
                    "gauge_id": gauge,
                    "statistic": name,
                    "per_percent_precipitation": exponent[b],
                    "per_degree": -3.0 + 0.01 * b,
                    "change_units": s.change_units,
                    "spread_precipitation": 0.1,
                    "spread_temperature": 0.2,
                    "agreement_precipitation": 1.0 if b % 3 else 2 / 3,
                    "agreement_temperature": 1.0 if b % 2 else 2 / 3,
                    "nonlinear_precipitation": bool(exponent[b] > 2),
                    "nonlinear_temperature": False,
                }
            )
    return pd.DataFrame(rows)


def sample_plausibility(response: xr.Dataset) -> pd.DataFrame:
    """A table in the layout of ``plausibility.csv``: a row a basin."""
    basins = response["basin"].values.astype(str)
    n = len(basins)
    return pd.DataFrame(
        {
            "gauge_id": basins,
            "outside_training": np.linspace(0, 0.3, n),
            "unusual_days": np.linspace(0, 0.5, n),
            "unusual_days_here": np.linspace(0, 0.9, n),
            "wetter_means_more": [True] * (n - 1) + [False],
            "runoff_ratio": np.linspace(0.2, 1.1, n),
            "below_precipitation": [True] * (n - 1) + [False],
            "ceiling_share": np.linspace(0.1, 0.95, n),
            "below_ceiling": [True] * n,
            "concave_storms": [i % 2 == 0 for i in range(n)],
            "snow_basin": response["frac_snow"].values > 0.3,
            "earlier_with_warming": [True] * n,
            "failed_checks": [0] * (n - 1) + [2],
        }
    ).set_index("gauge_id")
