"""What a user has to know before a run starts, without having to stop it."""

import numpy as np
import xarray as xr

from hydroml.config import TrainConfig
from hydroml.data.scaling import Scaler
from hydroml.data.splits import Period
from hydroml.errors import StoreError
from hydroml.training.samples import Samples


def headline(config: TrainConfig, scaler: Scaler, samples: Samples) -> str:
    """Say in one line what is trained on what.

    Returns
    -------
    str
        Model, number of basins, inputs, period, and where the series lie.
    """
    period, model = Period(*config.data.train), str(config.model.name)
    if len(config.seed) > 1:
        model = f"{model}, {len(config.seed)} members,"
    return (
        f"{model} on {len(scaler.basins)} basins, {len(scaler.dynamic)} inputs, "
        f"{len(scaler.static)} attributes, {period}, {samples.inventory.place}"
    )


def training_notes(dataset: xr.Dataset, config: TrainConfig, samples: Samples) -> list[str]:
    """Collect what may be meant, and may be a mistake.

    Parameters
    ----------
    dataset : xarray.Dataset
        The open store.
    config : TrainConfig
        The run's configuration.
    samples : Samples
        What it will train on.

    Returns
    -------
    list of str
        Basins without a valid target, a test period outside the store or within training.
    """
    notes = []
    idle, basins = samples.inventory.idle, samples.inventory.basins
    if idle:
        notes.append(
            f"{idle} of {basins} basins have no day with discharge and complete inputs in the "
            "training period; they only count in the statistics of inputs"
        )
    learned, tested = Period(*config.data.train), Period(*config.data.test)
    if learned.start <= tested.end and tested.start <= learned.end:
        notes.append(f"the test period ({tested}) overlaps the training period ({learned})")
    try:
        tested.require_inside(dataset)
    except StoreError:
        first, last = (np.datetime_as_string(dataset["time"].values[i], "D") for i in (0, -1))
        notes.append(
            f"the test period ({tested}) lies outside the store ({first} to {last}); "
            "evaluate with --period FROM..TO"
        )
    return notes
