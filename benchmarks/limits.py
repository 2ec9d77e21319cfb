"""What holds the skill of an ensemble: how much of the error its members share, and where it lies.

python benchmarks/limits.py EVALUATION/simulations.nc...

For each basin the squared error of the mean of n members is C + V / n: C is common to all members,
V is what seeds differ by and averaging removes. Two of its values, for n = 1 and for all members,
give both; C alone is the error of infinitely many members.
"""

import argparse
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.stats import spearmanr

from hydroml.evaluation.moments import moments
from hydroml.evaluation.moments import nse as nse_of

LENGTHS = (1, 3, 10, 30)
"""Days over which flow is averaged before it is scored."""


def split_error(observed: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split the squared error of one member into what all share and what averaging removes.

    Parameters
    ----------
    observed, members : numpy.ndarray
        (basin, time) without a gap in what counts (NaN elsewhere), (basin, time, member).

    Returns
    -------
    common, own : numpy.ndarray
        Sums over time, (basin).
    """
    several = members.shape[-1]
    one = np.nansum((members - observed[..., None]) ** 2, axis=1).mean(-1)
    mean = np.nansum((members.mean(-1) - observed) ** 2, axis=1)
    own = (one - mean) / (1 - 1 / several)
    return one - own, own


def nse(observed: np.ndarray, simulated: np.ndarray) -> np.ndarray:
    """Nash-Sutcliffe efficiency of each row; days without an observation do not count."""
    return nse_of(moments(observed, simulated, np.isfinite(observed) & np.isfinite(simulated)))


def averaged(x: np.ndarray, days: int) -> np.ndarray:
    """Mean of every `days` days; NaN where a day is missing."""
    whole = x.shape[1] // days * days
    return x[:, :whole].reshape(len(x), -1, days).mean(-1)


def response_to_rain(observed: np.ndarray, prcp: np.ndarray) -> np.ndarray:
    """Correlation of precipitation of three days with the rise of flow over them, by basin."""
    rain = prcp[:, :-2] + prcp[:, 1:-1] + prcp[:, 2:]
    rise = observed[:, 2:] - np.concatenate([observed[:, :1] * np.nan, observed[:, :-3]], axis=1)
    found = np.full(len(observed), np.nan)
    for basin, (x, y) in enumerate(zip(rain, rise, strict=True)):
        there = ~np.isnan(x) & ~np.isnan(y)
        found[basin] = np.corrcoef(x[there], y[there])[0, 1]
    return found


def examine(path: Path) -> None:
    """Print what one evaluation says."""
    with xr.open_dataset(path) as dataset:
        flow = dataset.load()
    there = (flow["qobs"].notnull().sum("time") > 1).values
    flow = flow.isel(basin=there)
    observed = flow["qobs"].values.astype(float)
    members = flow["qsim"].transpose("basin", "time", "member").values.astype(float)
    mean = members.mean(-1)
    common, own = split_error(observed, members)
    spread = np.nansum((observed - np.nanmean(observed, 1, keepdims=True)) ** 2, 1)
    single = np.median([np.median(nse(observed, m)) for m in np.moveaxis(members, -1, 0)])
    error = (mean - observed) ** 2
    floods = observed > np.nanquantile(observed, 0.95, axis=1, keepdims=True)
    share = np.nansum(error * floods, 1) / np.nansum(error, 1)
    print(f"{path}: {flow.attrs['period']}, {len(observed)} basins, {members.shape[-1]} members")
    print(f"  median NSE of a member           {single:.3f}")
    print(f"  of the mean of all               {np.median(nse(observed, mean)):.3f}")
    print(f"  of infinitely many               {np.median(1 - common / spread):.3f}")
    print(f"  error that all members share     {np.median(common / (common + own)):.0%}")
    print(f"  error on the 5 % highest days    {np.median(share):.0%}")
    lengths = (nse(averaged(observed, n), averaged(mean, n)) for n in LENGTHS)
    by_length = ", ".join(
        f"{n} d {np.nanmedian(x):.3f}" for n, x in zip(LENGTHS, lengths, strict=True)
    )
    print(f"  median NSE of means over         {by_length}")
    if "prcp" in flow:
        response = response_to_rain(observed, flow["prcp"].values.astype(float))
        rank = spearmanr(response, nse(observed, mean)).statistic
        thirds = np.array_split(nse(observed, mean)[np.argsort(response)], 3)
        print(f"  rises of flow follow rain        r = {np.median(response):.2f} (median)")
        print(f"  its rank correlation with NSE    {rank:.2f}; by thirds of basins, median NSE "
              + ", ".join(f"{np.median(t):.2f}" for t in thirds))  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("simulations", nargs="+", type=Path)
    for path in parser.parse_args().simulations:
        examine(path)


if __name__ == "__main__":
    main()
