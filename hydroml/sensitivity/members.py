"""Trained runs, opened to be simulated again and again under other climates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hydroml.data.scaling import Scaler
from hydroml.data.series import usable_inputs
from hydroml.evaluation.predict import predict_continuous
from hydroml.evaluation.simulate import to_discharge
from hydroml.sensitivity.forcing import Array, Forcing
from hydroml.training.rundir import RunDirectory
from hydroml.training.samples import days_around


@dataclass(frozen=True)
class Member:
    """One member of an ensemble, a seed of a run, with its weights on a device.

    Parameters
    ----------
    name : str
        Of the run's folder, and the seed where the run has several.
    model : torch.nn.Module
        In evaluation mode.
    scaler : Scaler
        Statistics of its training.
    memory : int
        Days of complete inputs before a day that counts.
    precision : str
        ``fp32``, ``bf16`` or ``fp16``.
    device : torch.device
        Where the model is.
    """

    name: str
    model: torch.nn.Module
    scaler: Scaler
    memory: int
    precision: str
    device: torch.device

    def simulate(self, forcing: Sequence[Forcing], attributes: Sequence[Array]) -> list[Array]:
        """Simulate several climates of the same basins and days in one pass.

        Parameters
        ----------
        forcing : sequence of Forcing
            Climates, each with at least the inputs of the run.
        attributes : sequence of ndarray
            Attributes of the run for each climate, not standardised, (B, S).

        Returns
        -------
        list of ndarray
            Discharge [mm d-1] of the lead and the period, (B, T), for each climate; clipped at
            0, NaN where inputs of the days before are missing.
        """
        columns = [forcing[0].names.index(name) for name in self.scaler.dynamic]
        x_d = np.concatenate([f.values[..., columns] for f in forcing])  # a copy: scaled in place
        usable = usable_inputs(x_d, self.memory)
        x_s = self.scaler.scale_static(np.concatenate(attributes))
        y = predict_continuous(
            self.model, self.scaler.scale_dynamic(x_d), x_s, self.device, precision=self.precision
        )
        return np.split(to_discharge(y, usable, self.scaler), len(forcing))


def open_members(runs: Sequence[RunDirectory], device: torch.device) -> list[Member]:
    """Load the weights of every seed of the runs onto a device.

    Raises
    ------
    RunError
        A run has no weights.
    """
    return [member for run in runs for member in _open(run, device)]


def inputs_of(members: Sequence[Member]) -> tuple[list[str], list[str]]:
    """Collect the inputs and the attributes that any of the members reads."""
    dynamic = dict.fromkeys(n for m in members for n in m.scaler.dynamic)
    static = dict.fromkeys(n for m in members for n in m.scaler.static)
    return list(dynamic), list(static)


def columns_of(x_s: NDArray[np.float32], names: Sequence[str], wanted: Sequence[str]) -> Array:
    """Pick a member's attributes, in its order, out of (B, S)."""
    return x_s[:, [list(names).index(n) for n in wanted]]


def _open(run: RunDirectory, device: torch.device) -> list[Member]:
    config, scaler = run.config(), run.scaler()
    _, _, memory = days_around(config.sampling)
    precision = config.precision
    if precision == "fp16" and device.type != "cuda":
        precision = "fp32"  # as `hydroml evaluate` does
    return [
        Member(name, model, scaler, memory, precision, device)
        for name, model in zip(run.member_names(), run.load_models(device), strict=True)
    ]
