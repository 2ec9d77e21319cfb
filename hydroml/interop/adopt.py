"""From a run of another package and a store to a run directory of hydroml."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hydroml.atomic import atomic_path
from hydroml.config import DataConfig
from hydroml.interop.foreign import ForeignRun
from hydroml.interop.names import match_names
from hydroml.models import build_model
from hydroml.training.checkpoint import save_weights
from hydroml.training.rundir import RunDirectory, RunFacts

IMPORTED = "imported.json"
"""File by which an imported run is known: it cannot be trained further."""


def adopt(
    foreign: ForeignRun,
    dataset: xr.Dataset,
    store: Path,
    basins: Sequence[str],
    target: Path,
    renames: Mapping[str, str],
) -> RunDirectory:
    """Write another package's run as a run directory that can be evaluated on a store.

    Parameters
    ----------
    foreign : ForeignRun
        From a reader of `hydroml.interop`.
    dataset : xarray.Dataset
        The open store.
    store : pathlib.Path
        Its path.
    basins : sequence of str
        Basins the run was trained on, as the store spells them.
    target : pathlib.Path
        The run directory to make.
    renames : mapping of str to str
        What the user says of names: the run's to the store's.

    Raises
    ------
    StoreError
        A variable has no counterpart in the store.
    RunError
        There is something at `target`.
    """
    data = foreign.config.data
    dynamic = match_names(dataset, [*data.dynamic, data.target], ("basin", "time"), renames)
    static = match_names(dataset, list(data.static), ("basin",), renames)
    inputs = tuple(dynamic[name] for name in data.dynamic)
    own = data.model_copy(
        update={
            "dynamic": inputs,
            "static": tuple(static.values()),
            "target": dynamic[data.target],
        }
    )
    config = foreign.config.model_copy(update={"data": own})
    scaler = replace(
        foreign.scaler,
        dynamic=inputs,
        static=tuple(static.values()),
        basins=tuple(basins),
        basin_std=_basin_std(dataset, basins, own),
    )
    facts = RunFacts(
        store=str(store.resolve()),
        fingerprint=str(dataset.attrs["fingerprint"]),
        synthetic=bool(dataset.attrs["synthetic"]),
        basins=str(len(basins)),
        forcing=str(dataset.attrs["forcing"]),
    )
    options = config.model.model_dump(exclude={"name"})
    model = build_model(config.model.name, len(inputs), len(static), **options)
    model.load_state_dict(foreign.weights)  # strict: all of them, and no other
    run = RunDirectory.create(target, config, facts, scaler)
    header = {"model": config.model.name, "hidden": str(config.model.hidden)}
    save_weights([model.state_dict()], run.weights_file(foreign.epoch), header)
    notes = [*foreign.notes, *_other_forcing(foreign, facts)]
    told = {"origin": foreign.origin, "names": dynamic | static, "notes": notes}
    with atomic_path(run.path / IMPORTED) as scratch:
        scratch.write_text(json.dumps(told, indent=1), encoding="utf-8")
    run.log(f"imported from {foreign.origin}, epoch {foreign.epoch}")
    for note in notes:
        run.log(f"note: {note}")
    return run


def _other_forcing(foreign: ForeignRun, facts: RunFacts) -> list[str]:
    if not foreign.forcing or foreign.forcing == facts.forcing:
        return []
    return [f"it was trained on {foreign.forcing} forcing, the store holds {facts.forcing}"]


def _basin_std(dataset: xr.Dataset, basins: Sequence[str], data: DataConfig) -> NDArray[np.float64]:
    first, last = (np.datetime64(day) for day in data.train)
    flow = dataset[data.target].sel(basin=list(basins), time=slice(first, last))
    observed = flow.transpose("basin", "time").values.astype("float64")
    observed[~(observed >= 0)] = np.nan
    std = np.full(len(observed), np.nan)
    some = np.isfinite(observed).any(axis=1)  # NaN for basins without discharge in the period
    std[some] = np.nanstd(observed[some], axis=1)
    return std
