"""Adaptation from Python: a regional run's read-outs fitted to gauges with little flow."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr

from hydroml.api.opening import PathLike, Subject, named_period, open_subject
from hydroml.atomic import atomic_path
from hydroml.data.series import Days
from hydroml.data.splits import Period
from hydroml.errors import ConfigError, nearest
from hydroml.evaluation.ensemble import result_header
from hydroml.evaluation.evaluate import require_replaceable
from hydroml.evaluation.metrics import COLUMNS, metrics_table, score, summarise
from hydroml.evaluation.simulate import GAUGE_ID
from hydroml.progress import Advance, progress_bar
from hydroml.regionalisation.adaptation import adapt as adapt_some
from hydroml.regionalisation.adaptation import discharge, enough_flow, observe
from hydroml.regionalisation.adaptation import refuse_too_little_flow as refuse
from hydroml.regionalisation.readout_files import Readouts, join_readouts, save_readouts
from hydroml.regionalisation.readouts import METHODS, Method
from hydroml.report.adaptation import draw_adaptation
from hydroml.training.assemble import as_days

YEARS = (1.0, 2.0, 5.0)
FOLDER = "adapted"


def adapt(
    run: PathLike,
    *,
    basins: str | Sequence[str],
    years: float | Sequence[float] = YEARS,
    method: str = "shrunk",
    learn: str = "train",
    period: str = "test",
    data: PathLike | None = None,
    device: str = "auto",
    out: PathLike | None = None,
    allow_missing: bool = False,
) -> pd.DataFrame:
    """Adapt a run's read-outs to basins from their first years of flow; score before and after.

    See `adapt_into` for where files are written.

    Parameters
    ----------
    run : path-like
        Run directory; its members (seeds) are adapted one by one and averaged.
    basins : str or sequence of str
        Basins to adapt to, as in `hydroml.evaluate`.
    years : float or sequence of float
        How many of each basin's first years of flow to learn from; several are compared.
    method : str
        Key of `hydroml.regionalisation.readouts.METHODS`.
    learn : str
        Where the years are taken from: ``train``, ``validation``, ``test`` or ``FROM..TO``.
    period : str
        Where the result is scored: the same words.
    data : path-like, optional
        Another store than the run's.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    out : path-like, optional
        Folder to write to, by default ``<run>/adapted``, ``<run>/<store>-adapted`` for another
        store.
    allow_missing : bool
        Leave out basins that are not in the store, lack an attribute or have too little flow.

    Returns
    -------
    pandas.DataFrame
        Scores, index (``gauge_id``, ``years``); 0 years is the run as it is.

    Raises
    ------
    HydromlError
        Anything a user can mend, with the remedy.
    """
    table, _ = adapt_into(
        run, basins=basins, years=years, method=method, learn=learn, period=period, data=data,
        device=device, out=out, allow_missing=allow_missing,
    )  # fmt: skip
    return table


def adapt_into(
    run: PathLike,
    *,
    basins: str | Sequence[str],
    years: float | Sequence[float] = YEARS,
    method: str = "shrunk",
    learn: str = "train",
    period: str = "test",
    data: PathLike | None = None,
    device: str = "auto",
    out: PathLike | None = None,
    allow_missing: bool = False,
) -> tuple[pd.DataFrame, Path]:
    """Do what `adapt` does; return the table and the folder written to.

    The folder holds ``metrics.csv``, ``summary.json``, ``simulations.nc``, ``adaptation.png`` and
    the read-outs, ``readouts_<years>y.safetensors``
    (`hydroml.regionalisation.readout_files.load_readouts`).
    """
    how = _method_named(method)
    asked = _years(years)
    subject = open_subject(
        run, period=period, data=data, basins=basins, device=device, allow_missing=allow_missing
    )
    source = named_period(subject.runs[0].config(), learn)
    source.require_inside(subject.dataset)
    chosen = _with_flow(subject, as_days((source.start, source.end)), asked[-1], allow_missing)
    folder = Path(out) if out is not None else subject.folder(FOLDER)
    require_replaceable(folder, what="an adaptation")
    with progress_bar("Adapting", 2 * len(chosen), "basins") as advance:
        readouts, simulated = _compute(subject, chosen, source, how, asked, advance)
    simulated.attrs |= {"method": method, "learned_from": str(source)}
    table = score_adapted(simulated, readouts)
    _write(folder, table, simulated, readouts, _notes(subject, chosen, source))
    draw_adaptation(folder)
    return table, folder


def score_adapted(simulated: xr.Dataset, readouts: dict[float, Readouts]) -> pd.DataFrame:
    """Score discharge before (0 years) and after adaptation, index (``gauge_id``, ``years``).

    Parameters
    ----------
    simulated : xarray.Dataset
        ``qobs`` (basin, time) and ``qsim`` (years, basin, time) [mm d-1].
    readouts : dict of Readouts
        By years, for the chosen ``strength`` and the error of days ``left_out``.
    """
    tables = {}
    for years in simulated["years"].values.tolist():
        table = metrics_table(
            score(simulated["qobs"], simulated["qsim"].sel(years=years, drop=True))
        )
        fitted = readouts.get(years)
        table["strength"] = np.nan if fitted is None else fitted.strength.numpy()
        table["left_out"] = np.nan if fitted is None else fitted.left_out.numpy()
        tables[years] = table
    return pd.concat(tables, names=["years"]).swaplevel().sort_index()


def _method_named(method: str) -> Method:
    if method not in METHODS:
        raise ConfigError(f"Unknown method {method!r}.", nearest(method, METHODS))
    return METHODS[method]


def _years(years: float | Sequence[float]) -> list[float]:
    found = sorted({float(y) for y in (years if isinstance(years, Sequence) else [years])})
    if not found or not found[0] >= 0.25 or not np.isfinite(found[-1]):
        raise ConfigError(
            f"Years to learn from: {years}.", "Give at least 0.25 years, for example --years 2."
        )
    return found


def _with_flow(subject: Subject, period: Days, years: float, allow_missing: bool) -> list[str]:
    """Refuse, or leave out, basins without so many years of flow, before anything is computed."""
    target = subject.runs[0].config().data.target
    q = subject.dataset[target].sel(basin=subject.basins, time=slice(*period))
    counted = q.transpose("basin", "time").values >= 0
    if allow_missing:
        enough = enough_flow(counted, years)
        if enough.any():
            return [b for b, there in zip(subject.basins, enough, strict=True) if there]
    refuse(subject.basins, counted, years)
    return subject.basins


def _compute(
    subject: Subject,
    basins: list[str],
    source: Period,
    method: Method,
    years: Sequence[float],
    advance: Advance,
) -> tuple[dict[float, Readouts], xr.Dataset]:
    """Fit on the source's years and simulate the period."""
    run = subject.runs[0]
    # second moments are summed in double precision, which Apple's GPUs do not have
    device = torch.device("cpu") if subject.device.type == "mps" else subject.device
    models, dataset = run.load_models(device), subject.dataset
    parts: dict[float, list[Readouts]] = {n: [] for n in years}
    for seen in observe(
        run, models, dataset, basins, as_days((source.start, source.end)), method.depths
    ):
        for n in years:
            parts[n].append(adapt_some(seen, models, method, n))
        advance(len(seen.basins))
    readouts = {n: join_readouts(found) for n, found in parts.items()}
    observed, before, after = [], [], []
    for seen in observe(run, models, dataset, basins, subject.numpy_days, method.depths):
        observed.append(seen.q)
        before.append(discharge(seen, run, None))
        after.append([discharge(seen, run, r.of(seen.basins)) for r in readouts.values()])
        advance(len(seen.basins))
    qsim = np.concatenate([np.concatenate(before)[None], np.concatenate(after, axis=1)])
    return readouts, _simulations(subject, basins, years, np.concatenate(observed), qsim)


def _simulations(
    subject: Subject, basins: list[str], years: Sequence[float], qobs: Any, qsim: Any
) -> xr.Dataset:
    units = {"units": "mm d-1"}
    first, last = subject.numpy_days
    time = np.arange(first, last + np.timedelta64(1, "D"), dtype="datetime64[D]")
    return xr.Dataset(
        {
            "qobs": (("basin", "time"), qobs, units | {"long_name": "observed discharge"}),
            "qsim": (
                ("years", "basin", "time"),
                qsim,
                units | {"long_name": "simulated discharge"},
            ),
        },
        coords={
            "basin": ("basin", np.array(basins, dtype=object), GAUGE_ID),
            "time": time.astype("datetime64[ns]"),
            "years": ("years", [0.0, *years], {"long_name": "years of flow learned from"}),
        },
        attrs={
            **result_header(
                subject.runs,
                subject.dataset,
                "Discharge by a regional run, before and after adaptation to the basin",
                "adapted",
            ),
            "period": f"{first}..{last}",
        },
    )


def _notes(subject: Subject, basins: Sequence[str], source: Period) -> list[str]:
    notes = []
    trained = set(subject.runs[0].scaler().basins).intersection(basins)
    if trained and subject.same_store:
        notes.append(f"{len(trained)} of the basins were among those the run was trained on")
    if source.start <= subject.days.end and subject.days.start <= source.end:
        notes.append("the scored period overlaps the one learned from")
    return notes


def _write(
    folder: Path,
    table: pd.DataFrame,
    simulated: xr.Dataset,
    readouts: dict[float, Readouts],
    notes: list[str],
) -> None:
    facts = {str(k): str(v) for k, v in simulated.attrs.items()}
    kept = ("run", "period", "synthetic", "method", "learned_from")
    years = [float(n) for n in simulated["years"].values]
    summary = {
        **{name: facts[name] for name in kept},
        "notes": notes,
        "years": {f"{n:g}": _summary_of(table, n) for n in years},
    }
    with atomic_path(folder) as scratch:
        scratch.mkdir()
        table.to_csv(scratch / "metrics.csv")
        (scratch / "summary.json").write_text(json.dumps(summary, indent=1))
        compressed = {name: {"zlib": True, "complevel": 1} for name in simulated.data_vars}
        simulated.to_netcdf(scratch / "simulations.nc", engine="netcdf4", encoding=compressed)
        for n, found in readouts.items():
            save_readouts(found, scratch / f"readouts_{n:g}y.safetensors", facts)


def _summary_of(table: pd.DataFrame, years: float) -> dict[str, Any]:
    """Scores after so many years, and what they gain over none."""
    each = table.reset_index("years")
    after, before = (each[each["years"] == n] for n in (years, 0.0))
    gain = (after["NSE"] - before["NSE"]).dropna()
    return summarise(after.loc[:, list(COLUMNS)]) | {
        "median_gain_of_nse": float(gain.median()) if len(gain) else None,
        "basins_better": int((gain > 0).sum()),
        "basins_worse": int((gain < 0).sum()),
    }
