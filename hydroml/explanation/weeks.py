"""Which weeks made the annual flood: networks that pool a year's weeks, asked where they look.

Nobody tells the networks when the flood came: they see the forcing of 52 weeks, are asked for the
height of the year's peak, and have to find the weeks that matter.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import xarray as xr

from hydroml.data.roles import roles_of
from hydroml.data.series import load_series
from hydroml.data.splits import Period
from hydroml.errors import StoreError
from hydroml.explanation.week_bags import WeekBags, cut_weeks, lead_days
from hydroml.explanation.week_models import (
    POOLINGS,
    Pooled,
    WeekSettings,
    fit_week_scaler,
    pool_weeks,
    train_week_model,
)
from hydroml.explanation.week_scores import choose_weeks, hit_table, peak_skill, week_table

ASKED = ("validation", "test")
"""Periods that are reported."""


@dataclass(frozen=True)
class WeekStudy:
    """What was found for one period.

    Parameters
    ----------
    bags : WeekBags
        Its years.
    pooled : dict of str to Pooled
        What the networks say, by pooling.
    table : pandas.DataFrame
        See `hydroml.explanation.week_scores.week_table`.
    hits : pandas.DataFrame
        See `hydroml.explanation.week_scores.hit_table`.
    skill : dict
        See `hydroml.explanation.week_scores.peak_skill`.
    """

    bags: WeekBags
    pooled: dict[str, Pooled]
    table: pd.DataFrame
    hits: pd.DataFrame
    skill: dict[str, dict[str, float]]


def study_weeks(
    bags: dict[str, WeekBags],
    *,
    settings: WeekSettings,
    seed: int,
    snow: float,
    device: torch.device,
    advance: Callable[[int], None],
) -> dict[str, WeekStudy]:
    """Train on the training years; say for the others which weeks made the flood.

    Parameters
    ----------
    bags : dict of str to WeekBags
        Years of ``train``, ``validation`` (which choose the epoch) and ``test``.
    settings : WeekSettings
        Sizes and training.
    seed : int
        Of the first member; the others follow.
    snow : float
        Share of snow from which a basin is a snow basin.
    device : torch.device
        Where to train.
    advance : callable
        Told 1 at the end of each epoch, ``3 members epochs`` times.

    Returns
    -------
    dict of str to WeekStudy
        Of ``validation`` and ``test``.
    """
    scaler = fit_week_scaler(bags["train"])
    x = {name: scaler.inputs(own).to(device) for name, own in bags.items()}
    y = {name: scaler.target(own).to(device) for name, own in bags.items()}
    said: dict[str, dict[str, Pooled]] = {name: {} for name in ASKED}
    for pooling in POOLINGS:
        models = [
            train_week_model(
                (x["train"], x["validation"]), (y["train"], y["validation"]),
                pooling, settings, member, advance,
            )
            for member in range(seed, seed + settings.members)
        ]  # fmt: skip
        for name in ASKED:
            said[name][pooling] = pool_weeks(models, x[name], scaler)
    return {name: _study(said[name], bags[name], bags["train"], snow) for name in ASKED}


def load_bags(
    dataset: xr.Dataset,
    basins: list[str],
    dynamic: tuple[str, ...],
    static: tuple[str, ...],
    periods: dict[str, Period],
    blocks: int,
) -> dict[str, WeekBags]:
    """Read the years of each period from a store.

    Parameters
    ----------
    dataset : xarray.Dataset
        An open store.
    basins : list of str
        Gauge ids.
    dynamic, static : tuple of str
        Inputs; one of them has to be precipitation.
    periods : dict of str to Period
        By name.
    blocks : int
        Stretches of days before each week.

    Raises
    ------
    StoreError
        No input is precipitation, or no year is complete.
    ConfigError
        A period holds no whole water year.
    """
    roles = roles_of(dynamic, dataset)
    places = {r: [i for i, n in enumerate(dynamic) if roles[n] == r] for r in set(roles.values())}
    if not places.get("precipitation"):
        raise StoreError(
            f"None of the inputs is precipitation: {', '.join(dynamic)}.",
            "Name one so, or give it the CF standard name lwe_precipitation_rate.",
        )
    found = {}
    for name, period in periods.items():
        days = (np.datetime64(period.start), np.datetime64(period.end))
        series = load_series(dataset, basins, dynamic, static, days, lead=lead_days(blocks))
        found[name] = cut_weeks(
            series,
            blocks=blocks,
            precipitation=places["precipitation"][0],
            temperature=places.get("temperature", []),
            what=name,
        )
    return found


def _study(pooled: dict[str, Pooled], bags: WeekBags, training: WeekBags, snow: float) -> WeekStudy:
    table = week_table(choose_weeks(pooled, bags, training), pooled, bags, snow)
    return WeekStudy(bags, pooled, table, hit_table(table), peak_skill(pooled, bags))
