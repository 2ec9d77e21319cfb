"""From a store and a configuration to all that training needs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import nn

from hydroml.config import TrainConfig
from hydroml.data.inputs import choose_dynamic, choose_static
from hydroml.data.scaling import Scaler
from hydroml.data.series import Days, open_series
from hydroml.errors import ConfigError
from hydroml.models import build_model
from hydroml.models.losses import BASIN_WEIGHTS
from hydroml.training.device import autocast
from hydroml.training.processes import ALONE, Processes
from hydroml.training.samples import Samples, days_around
from hydroml.training.tiers import Memory, make_samples, resolve_memory
from hydroml.units import STATIC_REFERENCE


@dataclass(frozen=True)
class Assembly:
    """What training needs.

    Parameters
    ----------
    config : TrainConfig
        With ``auto`` resolved.
    scaler : Scaler
        Statistics of the training period.
    samples : Samples
        What to train on.
    models : list of nn.Module
        One a seed, initialised from it, on the device.
    """

    config: TrainConfig
    scaler: Scaler
    samples: Samples
    models: list[nn.Module]


def as_days(period: tuple[object, object]) -> Days:
    """Dates to numpy days.

    Examples
    --------
    >>> from datetime import date
    >>> as_days((date(2000, 1, 1), date(2000, 1, 2)))[1]
    np.datetime64('2000-01-02')
    """
    return np.datetime64(str(period[0]), "D"), np.datetime64(str(period[1]), "D")


def resolve_inputs(config: TrainConfig, dataset: xr.Dataset) -> TrainConfig:
    """Replace ``auto`` inputs by names.

    Raises
    ------
    ConfigError
        No dynamic input at all, or an EA-LSTM without attributes.
    """
    dynamic = choose_dynamic(dataset, config.data.dynamic)
    static: tuple[str, ...] = ()
    if config.model.name != "lstm-nostatic":
        static = choose_static(dataset, config.data.static, STATIC_REFERENCE)
    if not dynamic:
        raise ConfigError("There is no dynamic input.", "Name some with --set data.dynamic=[...].")
    if config.model.name == "ealstm" and not static:
        raise ConfigError(
            "An EA-LSTM needs static attributes, and the store offers none.",
            "Use --model lstm-nostatic, or add attributes to the store.",
        )
    data = config.data.model_copy(update={"dynamic": dynamic, "static": static})
    return config.model_copy(update={"data": data})


def assemble(
    config: TrainConfig,
    dataset: xr.Dataset,
    basins: Sequence[str],
    device: torch.device,
    processes: Processes = ALONE,
) -> Assembly:
    """Load, scale, cut and initialise.

    Parameters
    ----------
    config : TrainConfig
        With inputs resolved (`resolve_inputs`).
    dataset : xarray.Dataset
        An open store.
    basins : sequence of str
        Training basins.
    device : torch.device
        Where to train.
    processes : Processes
        Who trains with this process: all stream the same pools, or none does.

    Raises
    ------
    ConfigError, StoreError, RunError
        Inputs that are not there, missing attributes, no valid target.
    """
    autocast(device, config.precision)  # refuses what the device cannot do, before the loading
    dynamic, static = tuple(config.data.dynamic), tuple(config.data.static)
    lead, tail, _ = days_around(config.sampling)
    reader = open_series(
        dataset,
        basins,
        dynamic,
        static,
        as_days(config.data.train),
        lead=lead,
        tail=tail,
        target=config.data.target,
    )
    told = processes.tell(str(resolve_memory(config.data.memory, reader, config.sampling)))
    memory: Memory = "all" if told == "all" else float(told)
    data = config.data.model_copy(update={"memory": memory})
    config = config.model_copy(update={"data": data})
    weigh = BASIN_WEIGHTS[config.loss]
    scaler, samples = make_samples(reader, config.sampling, weigh, memory, device)
    torch.backends.cuda.matmul.allow_tf32 = config.tf32
    torch.backends.cudnn.allow_tf32 = config.tf32
    models = [_initialised(config, seed, len(dynamic), len(static), device) for seed in config.seed]
    return Assembly(config, scaler, samples, models)


def _initialised(
    config: TrainConfig, seed: int, dynamic: int, static: int, device: torch.device
) -> nn.Module:
    torch.manual_seed(seed)
    options = config.model.model_dump(exclude={"name"})
    return build_model(config.model.name, dynamic, static, **options).to(device)
