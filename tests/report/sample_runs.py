"""Folders of runs as the commands leave them, made by arithmetic: what a page is written from."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from hydroml.config import dump_config, load_config
from hydroml.evaluation.evaluate import write_evaluation
from tests.sensitivity.samples import sample_elasticity, sample_plausibility, sample_response

ATTRIBUTES = ("aridity", "elev_mean", "frac_snow", "p_mean")


def sample_run(
    folder: Path,
    *,
    basins: int = 12,
    years: int = 3,
    members: int = 3,
    sensitivity: bool = True,
    synthetic: bool = False,
    names: list[str] | None = None,
    seed: int = 0,
) -> Path:
    """Write a run with an evaluation and, by choice, a sensitivity; return its folder."""
    response = sample_response(basins, members, seed)
    if names is not None:
        response = response.assign_coords(gauge_name=("basin", np.array(names, dtype=object)))
    response.attrs["synthetic"] = str(synthetic).lower()
    folder.mkdir(parents=True)
    _write_training(folder, synthetic)
    simulations = sample_simulations(response, years, seed)
    simulations.attrs |= {"run": folder.name, "synthetic": str(synthetic).lower()}
    write_evaluation(folder / "test", [simulations], "kratzert2019")
    if sensitivity:
        write_sensitivity(folder / "sensitivity", response)
    return folder


def sample_simulations(response: xr.Dataset, years: int = 3, seed: int = 0) -> xr.Dataset:
    """Make simulations of the basins of a response: a flashy season, observed with noise."""
    rng = np.random.default_rng(seed)
    last = pd.Timestamp("1999-09-30")
    time = pd.date_range(last - pd.DateOffset(years=years) + pd.Timedelta(days=1), last)
    shape = (response.sizes["basin"], len(time))
    prcp = np.where(rng.random(shape) < 0.4, rng.gamma(1.0, 8.0, shape), 0.0)
    season = 2 + np.sin(2 * np.pi * time.day_of_year.values / 365.25)
    qobs = season * np.linspace(0.5, 2, shape[0])[:, None] + 0.15 * prcp
    noise = np.linspace(0.1, 2.0, shape[0])[:, None]  # the last basins are simulated badly
    qsim = np.maximum(qobs + noise * rng.normal(size=shape), 0)
    qobs[0, 40:60] = np.nan
    names = ("basin", "gauge_lat", "gauge_lon", "gauge_name")
    dims = ("basin", "time")
    return xr.Dataset(
        {"qobs": (dims, qobs), "qsim": (dims, qsim), "prcp": (dims, prcp)},
        coords={"time": time} | {name: response[name].variable for name in names},
        attrs={
            "period": f"{time[0]:%Y-%m-%d}..{time[-1]:%Y-%m-%d}",
            "mode": "continuous",
            "source": "hydroml 0.0: ealstm",
            "store_source": "tests",
            "store_fingerprint": "0123456789abcdef",
            "history": "2026-01-01T00:00:00+00:00 simulated by hydroml 0.0",
        },
    )


def write_sensitivity(folder: Path, response: xr.Dataset) -> None:
    """Write every file of ``sensitivity/`` that a page reads."""
    folder.mkdir(parents=True)
    response.to_netcdf(folder / "response.nc")
    again = response.assign(change=1.5 * response["change"]).assign_attrs(statics="recomputed")
    again.to_netcdf(folder / "response_recomputed.nc")
    sample_elasticity(response).to_csv(folder / "elasticity.csv", index=False)
    sample_plausibility(response).to_csv(folder / "plausibility.csv")
    sample_gradients(response).to_netcdf(folder / "gradients.nc")
    sample_truth().to_csv(folder / "truth.csv", index=False)


def sample_truth() -> pd.DataFrame:
    """Make ``truth.csv`` of two scenarios: rank correlations 0.8 and 0.6, bias -3 and -1."""
    rows = [
        {"scenario": scenario, "statistic": name, "n": 12, "n_sign": 12}
        | {"rank_correlation": rank, "sign_agreement": 1.0, "bias": bias, "mae": 3.0}
        for scenario, rank, bias in (("t+3", 0.8, -3.0), ("p+20", 0.6, -1.0))
        for name in ("mean", "q99")
    ]
    return pd.DataFrame(rows)


def sample_gradients(response: xr.Dataset) -> xr.Dataset:
    """Importance of `ATTRIBUTES`: aridity first on days of high flow, last on days of low flow."""
    shares = np.array([[1.0, 0.6, 0.3, 0.1], [0.1, 0.3, 0.6, 1.0]])
    shape = (2, response.sizes["basin"], len(ATTRIBUTES), response.sizes["member"])
    values = np.broadcast_to(shares[:, None, :, None], shape)
    return xr.Dataset(
        {"importance": (("kind", "basin", "attribute", "member"), values.astype("f4"))},
        coords={
            "kind": np.array(["high", "low"], dtype=object),
            "basin": response["basin"].values,
            "attribute": np.array(ATTRIBUTES, dtype=object),
            "member": response["member"].values,
        },
    )


def _write_training(folder: Path, synthetic: bool) -> None:
    facts = {
        "store": "store.zarr",
        "fingerprint": "0123456789abcdef",
        "synthetic": synthetic,
        "basins": "all",
        "forcing": "daymet",
    }
    text = dump_config(load_config("quick")) + "run: " + json.dumps(facts) + "\n"
    (folder / "config.yaml").write_text(text)
    lines = ["ealstm on 12 basins", "the test period overlaps the training period", "finished"]
    stamped = "".join(f"2026-01-01 00:00:00  {line}\n" for line in lines)
    (folder / "log.txt").write_text(stamped)
    losses = "".join(f"{k},{1 / k},0.001,1.0\n" for k in range(1, 6))
    (folder / "metrics.csv").write_text(f"epoch,loss,learning_rate,seconds\n{losses}")
