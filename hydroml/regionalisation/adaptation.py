"""Adapt a regional run to basins with little flow on record: read-outs only, backbone untouched.

A basin's first years of flow within a period are what is learned from. States of the backbone are
computed once a basin; the read-outs are fitted in closed form (`hydroml.regionalisation.readouts`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor, nn

from hydroml.data.series import Days, load_series, usable_inputs
from hydroml.errors import StoreError
from hydroml.evaluation.simulate import LEAD_DAYS
from hydroml.regionalisation.depths import states_at_depths
from hydroml.regionalisation.readout_files import Readouts
from hydroml.regionalisation.readouts import Method, fit_readouts
from hydroml.training.rundir import RunDirectory
from hydroml.training.samples import days_around

FLOATS_AT_ONCE = 40_000_000
"""Values of states in memory at once; basins are taken a few at a time."""
DAYS_A_YEAR = 365.25
OBSERVED_SHARE = 0.8
"""Of a basin's first years, the share of days with discharge that is asked for."""


@dataclass(frozen=True)
class Observed:
    """What a run knows of some basins over a period, day by day, and what was observed.

    Parameters
    ----------
    basins : list of str
        Gauge ids, B.
    states : dict of Tensor
        By depth, (K, B, T, D).
    regional : Tensor
        Standardised discharge by the region's read-outs, (K, B, T).
    y : Tensor
        Standardised observed discharge, (B, T); NaN where the day does not count.
    q : ndarray
        Observed discharge [mm d-1], (B, T), NaN where missing.
    usable : ndarray
        Whether all inputs of the days before are there, (B, T).
    """

    basins: list[str]
    states: dict[str, Tensor]
    regional: Tensor
    y: Tensor
    q: NDArray[np.float32]
    usable: NDArray[np.bool_]


def observe(
    run: RunDirectory,
    models: Sequence[nn.Module],
    dataset: xr.Dataset,
    basins: Sequence[str],
    period: Days,
    depths: Sequence[str],
) -> Iterator[Observed]:
    """Run the members of a run over a period, some basins at a time.

    Parameters
    ----------
    run : RunDirectory
        A trained run.
    models : sequence of nn.Module
        Its members, on the device where to compute.
    dataset : xarray.Dataset
        An open store with the run's inputs.
    basins : sequence of str
        Gauge ids of the store.
    period : tuple of datetime64
        First and last day.
    depths : sequence of str
        Keys of `hydroml.regionalisation.depths.DEPTHS`.

    Yields
    ------
    Observed
        Of the basins in their order.
    """
    config, scaler = run.config(), run.scaler()
    memory = days_around(config.sampling)[2]
    lead = max(LEAD_DAYS, memory)
    device = next(models[0].parameters()).device
    days = int((period[1] - period[0]).astype("timedelta64[D]").astype(int)) + 1 + lead
    each = len(models) * days * (len(depths) + 3) * config.model.hidden
    for some in _in_groups(basins, max(1, FLOATS_AT_ONCE // each)):
        series = load_series(
            dataset, some, scaler.dynamic, scaler.static, period,
            lead=lead, target=config.data.target,
        )  # fmt: skip
        usable, counted = usable_inputs(series.x_d, memory), series.valid_targets(memory)
        x_d = torch.from_numpy(scaler.scale_dynamic(series.x_d)).to(device)
        x_s = torch.from_numpy(scaler.scale_static(series.x_s)).to(device)
        states = states_at_depths(models, x_d, x_s, list(dict.fromkeys([*depths, "hidden"])))
        kept = {name: values[:, :, series.period] for name, values in states.items()}
        y = torch.from_numpy(np.where(counted, scaler.scale_target(series.y), np.float32(np.nan)))
        yield Observed(
            basins=series.basins,
            states=kept,
            regional=_regional(models, kept["hidden"]),
            y=y[:, series.period].to(device),
            q=series.y[:, series.period],
            usable=usable[:, series.period],
        )


def first_years(observed: Observed, years: float) -> Observed:
    """Keep the first years of flow of each basin, from its first day with flow.

    Parameters
    ----------
    observed : Observed
        A period.
    years : float
        How many.

    Returns
    -------
    Observed
        As many days for every basin; each basin's own.

    Raises
    ------
    StoreError
        A basin has too little flow; see `enough_flow`.
    """
    days = round(years * DAYS_A_YEAR)
    counted = ~torch.isnan(observed.y)
    refuse_too_little_flow(observed.basins, counted.cpu().numpy(), years)
    start = counted.int().argmax(dim=1)
    rows = torch.arange(len(start), device=start.device).unsqueeze(1)
    which = start.unsqueeze(1) + torch.arange(days, device=start.device)  # (B, days)
    there, at = rows.cpu().numpy(), which.cpu().numpy()
    return replace(
        observed,
        states={name: values[:, rows, which] for name, values in observed.states.items()},
        regional=observed.regional[:, rows, which],
        y=observed.y[rows, which],
        q=observed.q[there, at],
        usable=observed.usable[there, at],
    )


def refuse_too_little_flow(basins: Sequence[str], counted: NDArray[np.bool_], years: float) -> None:
    """Refuse basins whose first years of flow are not within a period.

    Parameters
    ----------
    basins : sequence of str
        Gauge ids.
    counted : ndarray
        Days of the period with discharge and inputs, (B, T).
    years : float
        How many are asked for.

    Raises
    ------
    StoreError
        Names the first such basin, and counts them.
    """
    enough = enough_flow(counted, years)
    if enough.all():
        return
    first = int(np.argmin(enough))
    raise StoreError(
        f"{int((~enough).sum())} of {len(basins)} basins have too little flow for {years:g} years "
        f"to learn from: basin {basins[first]} has {int(counted[first].sum())} days in the period.",
        "Ask for fewer --years, choose another period with --learn FROM..TO, or leave such "
        "basins out with --allow-missing.",
    )


def enough_flow(counted: NDArray[np.bool_], years: float) -> NDArray[np.bool_]:
    """Tell which basins have their first years of flow within a period.

    The years begin with the first day that counts, have to end within the period, and four days
    in five have to count.

    Examples
    --------
    >>> counted = np.ones((2, 400), bool)
    >>> counted[1, 100:] = False
    >>> enough_flow(counted, 1.0)
    array([ True, False])
    """
    days = round(years * DAYS_A_YEAR)
    start = counted.argmax(axis=1)
    position = np.arange(counted.shape[1]) - start[:, None]
    there = (counted & (position >= 0) & (position < days)).sum(axis=1)
    inside = start + days <= counted.shape[1]
    return np.asarray(inside & (there >= OBSERVED_SHARE * days) & (days > 0))


def adapt(
    observed: Observed, models: Sequence[nn.Module], method: Method, years: float
) -> Readouts:
    """Fit read-outs of some basins from their first years.

    The strength is chosen for each basin by itself: each stretch of its days (a year, or a
    quarter of what there is) is left out once.

    Parameters
    ----------
    observed : Observed
        The period to learn from.
    models : sequence of nn.Module
        Members of the run.
    method : Method
        One of `hydroml.regionalisation.readouts.METHODS`.
    years : float
        How many of the basin's first years to learn from.

    Returns
    -------
    Readouts
        Whole read-outs: what the region's contributes is part of them.
    """
    known = first_years(observed, years)
    stretches = max(4, round(years))
    fitted = fit_readouts(known.states, known.y, known.regional, method, stretches)
    best = fitted.left_out.argmin(0)
    chosen = fitted.take(best)
    weight, bias = {name: w[0] for name, w in chosen.weight.items()}, chosen.bias[0]
    if method.regional:
        heads = [model.get_submodule("head.linear") for model in models]
        w_0 = torch.stack([head.get_parameter("weight")[0] for head in heads]).detach()
        b_0 = torch.stack([head.get_parameter("bias")[0] for head in heads]).detach()
        weight["hidden"] = weight["hidden"] + w_0.unsqueeze(1)
        bias = bias + b_0.unsqueeze(1)
    strengths = torch.tensor(method.strengths, dtype=torch.float64, device=best.device)
    return Readouts(
        basins=tuple(known.basins),
        weight={name: w.float() for name, w in weight.items()},
        bias=bias.float(),
        strength=strengths[best].cpu(),
        left_out=chosen.left_out[0].cpu(),
    )


def discharge(observed: Observed, run: RunDirectory, readouts: Readouts | None) -> NDArray:
    """Simulate with adapted read-outs, or (None) with the region's.

    Parameters
    ----------
    observed : Observed
        Any period, with the depths of the read-outs.
    run : RunDirectory
        For its standardisation.
    readouts : Readouts or None
        Of these basins, in their order.

    Returns
    -------
    ndarray
        Mean of the members' discharge [mm d-1], each clipped at 0, (B, T); NaN where inputs are
        missing.
    """
    y = observed.regional if readouts is None else readouts.apply(observed.states)
    scaler = run.scaler()
    members = (y.double() * scaler.target_std + scaler.target_mean).clamp(min=0)
    q = members.mean(0).cpu().numpy()
    return np.where(observed.usable, q, np.nan).astype("float32")


def _regional(models: Sequence[nn.Module], hidden: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.stack(
            [model.get_submodule("head")(h) for model, h in zip(models, hidden, strict=True)]
        )


def _in_groups(basins: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(basins), size):
        yield basins[start : start + size]
