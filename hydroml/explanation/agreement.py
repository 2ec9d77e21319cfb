"""Agreement of the fast methods with occlusion, the direct one, on which days mattered.

Of each event, relevance of days by a method is held against the effect of occluding the same days.
Two levels of chance stand beside it: days shuffled at random, and the same method's relevance for
the same kind of event in another basin, which knows that the last days matter most but nothing of
this event's weather.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import rankdata

from hydroml.evaluation.simulate import Simulation, simulate_runs
from hydroml.explanation.attribution import METHODS
from hydroml.explanation.event import choose_event
from hydroml.explanation.occlusion import occlude_days
from hydroml.explanation.window import Question, open_windows
from hydroml.progress import Advance, silent
from hydroml.training.device import flushed_denormals
from hydroml.training.rundir import RunDirectory

TOP = 10
"""Days that are compared as sets."""

Floats = NDArray[np.float64]


def rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's rank correlation; NaN where one of the two does not vary.

    Examples
    --------
    >>> round(rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 9.0])), 6)
    1.0
    """
    return correlation(rankdata(a), rankdata(b))


def correlation(a: Floats, b: Floats) -> float:
    """Pearson's correlation; NaN where one of the two does not vary."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size else float("nan")


def top_overlap(a: Floats, b: Floats, top: int = TOP) -> float:
    """Share of the `top` days of largest magnitude that two methods have in common.

    Examples
    --------
    >>> top_overlap(np.array([5.0, -4.0, 0.0, 1.0]), np.array([0.1, 9.0, 0.0, 8.0]), top=2)
    0.5
    """
    first, second = (set(np.argsort(-np.abs(v), kind="stable")[:top].tolist()) for v in (a, b))
    return len(first & second) / top


MEASURES: dict[str, Callable[[Floats, Floats], float]] = {
    "correlation": correlation, "rank": rank_correlation, "top10": top_overlap,
}  # fmt: skip
"""How two series of days are held against each other."""


def relevance_of_events(
    run: RunDirectory,
    dataset: xr.Dataset,
    basins: Sequence[str],
    period: tuple[np.datetime64, np.datetime64],
    *,
    kinds: Sequence[str] = ("peak", "low"),
    methods: Sequence[str] = ("ig", "lrp"),
    days: int = 365,
    baseline: str = "dry-season",
    members: int = 1,
    on_progress: Advance = silent,
) -> list[dict[str, Any]]:
    """Explain one event of each kind in each basin by every method and by occlusion of days.

    Parameters
    ----------
    run : RunDirectory
        One run.
    dataset : xarray.Dataset
        The store.
    basins : sequence of str
        Gauge ids.
    period : tuple of datetime64
        Where events are looked for.
    kinds : sequence of str
        Keys of `hydroml.explanation.event.EVENTS`.
    methods : sequence of str
        Keys of `hydroml.explanation.attribution.METHODS`.
    days, baseline
        As in `Question`.
    members : int
        How many of the run's members to ask, each by itself.
    on_progress : callable
        Told of the basins done.

    Returns
    -------
    list of dict
        A row an event and member: ``basin``, ``kind``, ``date``, ``member``, ``difference`` and
        ``gap`` of each method [mm d-1]; ``relevance``: each method's, and ``occlusion``'s, (T,).
    """
    device, rows = torch.device("cpu"), []
    simulated = simulate_runs([run], dataset, Simulation(list(basins), period), device)
    flow = simulated["qsim"]
    flow = flow.mean("member") if "member" in flow.dims else flow
    for b, basin in enumerate(basins):
        for kind in kinds:
            place = choose_event(kind, simulated["qobs"].values[b], flow.values[b])
            day = simulated["time"].values[place].astype("datetime64[D]").item()
            _, windows = open_windows([run], dataset, Question(basin, day, days, baseline), device)
            for window in windows[:members]:
                with flushed_denormals():
                    shares = {m: METHODS[m][0](window) for m in methods}
                    found = {m: s.relevance.sum(1).double().numpy() for m, s in shares.items()}
                    found["occlusion"] = occlude_days(window).double().numpy()
                gaps = {f"gap_{m}": share.gap for m, share in shares.items()}
                rows.append({
                    "basin": basin, "kind": kind, "date": str(day), "member": window.member,
                    "difference": window.difference, "relevance": found, **gaps,
                })  # fmt: skip
        on_progress(1)
    return rows


def agreement(
    rows: Sequence[dict[str, Any]], *, shuffles: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Hold each method against occlusion, and against chance.

    Parameters
    ----------
    rows : sequence of dict
        From `relevance_of_events`.
    shuffles : int
        Random orders of the days of each event.
    seed : int
        Of them.

    Returns
    -------
    pandas.DataFrame
        A row an event, method and measure (`MEASURES`): ``value``; ``shuffled`` and
        ``shuffled95``, median and 95th percentile over random orders; ``elsewhere``, with the
        relevance of the next basin's event of the same kind and member.
    """
    rng, found = np.random.default_rng(seed), []
    for row in rows:
        alike = [r for r in rows if (r["kind"], r["member"]) == (row["kind"], row["member"])]
        place = next(n for n, r in enumerate(alike) if r is row)
        other = alike[(place + 1) % len(alike)]["relevance"]
        truth = row["relevance"]["occlusion"]
        orders = [rng.permutation(len(truth)) for _ in range(shuffles)]
        for method in (m for m in row["relevance"] if m != "occlusion"):
            relevance = row["relevance"][method]
            for name, measure in MEASURES.items():
                chance = [measure(relevance[order], truth) for order in orders]
                found.append({
                    "basin": row["basin"], "kind": row["kind"], "member": row["member"],
                    "method": method, "measure": name, "value": measure(relevance, truth),
                    "shuffled": float(np.median(chance)),
                    "shuffled95": float(np.percentile(chance, 95)),
                    "elsewhere": measure(other[method], truth),
                })  # fmt: skip
    return pd.DataFrame(found)


def summarise_agreement(table: pd.DataFrame) -> pd.DataFrame:
    """Take medians over events, and count those better than chance.

    Returns
    -------
    pandas.DataFrame
        Index kind, method, measure; ``events``, medians ``value``, ``shuffled``,
        ``elsewhere``; shares of events ``above_shuffled`` (over the 95th percentile of random
        orders) and ``above_elsewhere``.
    """
    marked = table.assign(
        above_shuffled=(table["value"] > table["shuffled95"]).astype(float),
        above_elsewhere=(table["value"] > table["elsewhere"]).astype(float),
    )
    groups = marked.groupby(["kind", "method", "measure"], sort=False)
    columns = {
        "events": groups.size(),
        **{name: groups[name].median() for name in ("value", "shuffled", "elsewhere")},
        **{name: groups[name].mean() for name in ("above_shuffled", "above_elsewhere")},
    }
    return pd.DataFrame(columns)
