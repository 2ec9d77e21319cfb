"""Can the answer be trusted: what a plausible response fulfils, basin by basin."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from pandas.arrays import BooleanArray
from torch import nn

from hydroml.sensitivity.climates import SNOW_FRACTION
from hydroml.sensitivity.elasticity import agreement

NEAR_CEILING = 0.9
"""A highest flow from this share of the model's ceiling on is held down by it."""
BEND = 0.1
"""Share by which the last slope of storm peaks has to fall below the steepest to count."""
WARMING = 3.0
"""Warming [K] at which the timing of snow basins is judged, or the nearest there is."""
AGREEMENT_OF = ("mean", "q95", "annual_max", "low7", "centre_timing")
"""Statistics whose agreement of members `plausibility_fields` holds."""

Floats = NDArray[np.floating]

_EXACT = 1e-6  # grid coordinates closer than this are the same
_FAILURE = {
    "wetter_means_more": False,
    "below_precipitation": False,
    "below_ceiling": False,
    "concave_storms": True,
    "earlier_with_warming": False,
}
_EVIDENCE = {
    "runoff_ratio": "mean flow over mean precipitation",
    "ceiling_share": "highest flow over the ceiling of the model",
    "outside": "share of days outside the training range, largest of the inputs",
    "unusual": "share of days unusual among the training days of the region",
    "unusual_here": "share of days unusual among the training days of the basin",
    "agreement": "share of members with the sign of their mean change",
}


def plausibility_table(response: xr.Dataset) -> pd.DataFrame:
    """Check each basin's response against what is known of catchments and of the model.

    Parameters
    ----------
    response : xarray.Dataset
        Layout of ``response.nc``.

    Returns
    -------
    pandas.DataFrame
        Index ``gauge_id``. Flow is the mean over members throughout. Evidence is NaN, and a check
        is ``<NA>`` (nullable booleans), where scenarios or numbers are missing.

        ``outside_training``
            Share of days outside the training range of an input, largest over the grid of
            uniform scenarios (with the baseline) and inputs.
        ``unusual_days``, ``unusual_days_here``
            Share of days unusual among training days of the region, and of the basin itself
            (`TrainingRange`), largest over the grid.
        ``wetter_means_more``
            Check: mean flow rises from the next drier grid scenario (say, -10 % precipitation)
            over the baseline to the next wetter one, without warming.
        ``runoff_ratio``, ``below_precipitation``
            Mean flow over mean precipitation, largest over all scenarios but design storms.
            Check: at most 1. A catchment can pass this by measured precipitation that is too low.
        ``ceiling_share``, ``below_ceiling``
            Highest flow of any scenario, storms included, over the highest flow the model can
            express (`discharge_ceiling`), largest over members. Check: below `NEAR_CEILING`.
        ``concave_storms``
            Whether peaks flatten in the end as design storms grow, on wet and on dry ground.
            **True fails**: wet ground sheds more, so real catchments answer a growing storm at
            least linearly; LSTMs are known to flatten (Baste et al. 2025, HESS 29, 5871, doi
            10.5194/hess-29-5871-2025), and such a basin's extreme floods are probably too small.
            Of the slopes between successive depths (three at least) the last is smaller than the
            steepest before it by more than `BEND`; a straight line is not concave, a peak that
            does not grow at all is.
        ``snow_basin``
            Snow fraction above `SNOW_FRACTION`; no check.
        ``earlier_with_warming``
            Check, in snow basins: the centre of timing is earlier at `WARMING` or the nearest
            warming, precipitation unchanged.
        ``failed_checks``
            Number of failed checks out of five; one that could not be made does not count.
    """
    found = plausibility_fields(response)
    uniform, storm = _uniform(response), np.isfinite(response["storm_depth"].values)
    frac_snow = _climate(response, "frac_snow")
    runoff_ratio = _largest(found["runoff_ratio"], ~storm)
    ceiling_share = _largest(found["ceiling_share"])
    snow_basin = _check(frac_snow > SNOW_FRACTION, frac_snow)
    table = pd.DataFrame(
        {
            "outside_training": _largest(found["outside"], uniform),
            "unusual_days": _largest(found["unusual"], uniform),
            "unusual_days_here": _largest(found["unusual_here"], uniform),
            "wetter_means_more": _wetter_means_more(response),
            "runoff_ratio": runoff_ratio,
            "below_precipitation": _check(runoff_ratio <= 1, runoff_ratio),
            "ceiling_share": ceiling_share,
            "below_ceiling": _check(ceiling_share < NEAR_CEILING, ceiling_share),
            "concave_storms": _concave_storms(response),
            "snow_basin": snow_basin,
            "earlier_with_warming": _earlier_with_warming(response, frac_snow),
        },
        index=pd.Index(response["basin"].values.astype(str), name="gauge_id"),
    )
    failed = [table[name] == failure for name, failure in _FAILURE.items()]
    table["failed_checks"] = np.sum([f.fillna(False).to_numpy(bool) for f in failed], axis=0)
    return table


def plausibility_fields(response: xr.Dataset) -> xr.Dataset:
    """Collect the evidence scenario by scenario: ``plausibility.nc``.

    Parameters
    ----------
    response : xarray.Dataset
        Layout of ``response.nc``.

    Returns
    -------
    xarray.Dataset (scenario, basin)
        ``runoff_ratio`` (NaN for design storms, which rain more than the record says),
        ``ceiling_share``, ``outside`` (largest of the inputs), ``unusual``, ``unusual_here``, and
        ``agreement`` (scenario, basin, statistic) for `AGREEMENT_OF`; all [1]. NaN where not
        known. Coordinates of scenarios and basins as in the response.
    """
    highest = xr.apply_ufunc(np.fmax, _of(response, "maximum"), _of(response, "storm_peak"))
    ceiling = response["ceiling"].where(response["ceiling"] > 0)
    rain = response["precipitation"].where(response["precipitation"] > 0)
    flow = _of(response, "mean").mean("member")
    kept = [s for s in AGREEMENT_OF if s in response["statistic"].values]
    fields = {
        "runoff_ratio": (flow / rain).where(~np.isfinite(response["storm_depth"])),
        "ceiling_share": (highest / ceiling).max("member"),
        "outside": response["outside"].max("input"),
        "unusual": response["unusual"],
        "unusual_here": response["unusual_here"],
        "agreement": agreement(response["change"].sel(statistic=kept)),
    }
    order = ("scenario", "basin", ...)
    found = xr.Dataset({n: f.transpose(*order).astype("float32") for n, f in fields.items()})
    for name, long_name in _EVIDENCE.items():
        found[name].attrs = {"units": "1", "long_name": long_name}
    return found.assign_attrs(response.attrs | {"title": "Plausibility of the response of flow"})


def discharge_ceiling(model: nn.Module, target_mean: float, target_std: float) -> float:
    r"""Highest discharge that a model can express, whatever the weather.

    The head is linear in the hidden state, :math:`y = b + w \cdot h`, and each
    :math:`h = o \tanh(c)` with a gate o between 0 and 1 is within -1 and 1. So

    .. math:: q < (b + \sum_k |w_k|)\, s + m

    with mean m and standard deviation s of the training discharge (Baste et al. 2025, HESS 29,
    5871, doi 10.5194/hess-29-5871-2025).

    Parameters
    ----------
    model : torch.nn.Module
        With a linear head on a hidden state, ``model.head.linear``: LSTM, EA-LSTM.
    target_mean, target_std : float
        By which discharge was standardised [mm d-1].

    Returns
    -------
    float
        [mm d-1]

    Examples
    --------
    >>> from hydroml.models import LSTM
    >>> model = LSTM(dynamic=1, static=0, hidden=4)
    >>> _ = nn.init.constant_(model.head.linear.weight, -2.0)
    >>> _ = nn.init.constant_(model.head.linear.bias, 1.0)
    >>> discharge_ceiling(model, target_mean=1.5, target_std=3.0)  # (1 + 4 * 2) * 3 + 1.5
    28.5
    """
    linear = model.get_submodule("head.linear")
    assert isinstance(linear, nn.Linear)
    weight, bias = linear.weight.detach().double(), linear.bias.detach().double()
    return float(bias + weight.abs().sum()) * target_std + target_mean


def _wetter_means_more(response: xr.Dataset) -> BooleanArray:
    factor = response["precipitation_factor"].values
    unwarmed = np.abs(response["temperature_change"].values) < _EXACT  # False for NaN
    drier = np.flatnonzero(unwarmed & (factor < 1 - _EXACT))
    wetter = np.flatnonzero(unwarmed & (factor > 1 + _EXACT))
    flow = _of(response, "mean").mean("member").transpose("scenario", "basin").values
    if not (len(drier) and len(wetter)):
        return _unknown(flow.shape[1])
    below, above = flow[drier[factor[drier].argmax()]], flow[wetter[factor[wetter].argmin()]]
    return _check((below < flow[0]) & (flow[0] < above), below + flow[0] + above)


def _earlier_with_warming(response: xr.Dataset, frac_snow: Floats) -> BooleanArray:
    warming = response["temperature_change"].values
    alone = np.abs(response["precipitation_factor"].values - 1) < _EXACT
    warmer = np.flatnonzero(alone & (warming > _EXACT))
    if not len(warmer):
        return _unknown(len(frac_snow))
    nearest = warmer[np.abs(warming[warmer] - WARMING).argmin()]
    change = response["change"].isel(scenario=nearest).sel(statistic="centre_timing")
    shift = change.mean("member").values
    return _check(shift < 0, np.where(frac_snow > SNOW_FRACTION, shift, np.nan))


def _concave_storms(response: xr.Dataset) -> BooleanArray:
    depth = response["storm_depth"].values
    antecedent = response["storm_antecedent"].values.astype(str)
    peak = _of(response, "storm_peak").mean("member").transpose("scenario", "basin").values
    answers = []
    for ground in np.unique(antecedent[np.isfinite(depth)]):
        storms = np.flatnonzero((antecedent == ground) & np.isfinite(depth))
        storms = storms[depth[storms].argsort()]
        answers.append(_concave(depth[storms], peak[storms]))
    if not answers:
        return _unknown(peak.shape[1])
    concave = answers[0]
    for other in answers[1:]:
        concave = concave & other  # not concave on one ground settles it, known or not elsewhere
    return concave


def _concave(depth: Floats, peak: Floats) -> BooleanArray:
    """Tell whether peaks (D, B) flatten in the end as depth (D,) grows."""
    if len(depth) < 3:
        return _unknown(peak.shape[1])
    slope = np.diff(peak, axis=0) / np.diff(depth)[:, None]
    flatter = slope[-1] < (1 - BEND) * slope[:-1].max(axis=0)
    no_growth = peak[-1] <= peak[0]
    return _check(flatter | no_growth, slope.sum(axis=0))


def _of(response: xr.Dataset, statistic: str) -> xr.DataArray:
    return response["value"].sel(statistic=statistic, drop=True)


def _uniform(response: xr.Dataset) -> NDArray[np.bool_]:
    """Scenarios of the grid, the baseline with them; none if there is only the baseline."""
    warming, factor = response["temperature_change"], response["precipitation_factor"]
    uniform = np.isfinite(warming.values) & np.isfinite(factor.values)
    return uniform if uniform.sum() > 1 else np.zeros_like(uniform)


def _climate(response: xr.Dataset, name: str) -> Floats:
    if name not in response:
        return np.full(response.sizes["basin"], np.nan)
    return response[name].values.astype("float64")


def _largest(field: xr.DataArray, scenarios: Any = slice(None)) -> Floats:
    """Largest over the chosen scenarios, (B,); NaN where there is none."""
    values = field.transpose("scenario", "basin").values[scenarios].astype("float64")
    return np.asarray(np.fmax.reduce(values, axis=0, initial=np.nan))


def _check(passed: NDArray[np.bool_], evidence: Floats) -> BooleanArray:
    """Make a check of which nothing is known where the evidence is NaN."""
    return BooleanArray(np.asarray(passed, dtype=bool), np.isnan(evidence))


def _unknown(basins: int) -> BooleanArray:
    return _check(np.zeros(basins, dtype=bool), np.full(basins, np.nan))
