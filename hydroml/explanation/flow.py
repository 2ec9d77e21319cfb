"""The explanation of one flow, as a dataset in the layout of ``explanation.nc``."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from hydroml.errors import ConfigError, RunError, nearest
from hydroml.evaluation.ensemble import require_ensemble, result_header
from hydroml.explanation.attribution import METHODS, Share, share_out
from hydroml.explanation.baseline import BASELINES
from hydroml.explanation.layout import coordinates_of, forcing_of, gauge_name, texts
from hydroml.explanation.window import Question, Weather, Window, open_windows
from hydroml.progress import Advance, silent
from hydroml.training.cores import every_core
from hydroml.training.rundir import RunDirectory

_FLOW = "mm d-1"


def explain_flow(
    runs: Sequence[RunDirectory],
    dataset: xr.Dataset,
    question: Question,
    methods: Sequence[str],
    device: torch.device,
    *,
    on_progress: Advance = silent,
) -> xr.Dataset:
    """Explain the flow of a day by every method and every member.

    Parameters
    ----------
    runs : sequence of RunDirectory
        One run, or several with the same daily inputs.
    dataset : xarray.Dataset
        An open store.
    question : Question
        Basin, day, window, baseline.
    methods : sequence of str
        Keys of `hydroml.explanation.attribution.METHODS`.
    device : torch.device
        Where to compute.
    on_progress : callable
        Told of the methods done, once for each member.

    Returns
    -------
    xarray.Dataset
        ``relevance`` (how, member, time, input), ``earlier`` (of all before the window) and
        ``gap`` (how, member), ``how`` being the method, ``qsim``, ``qbase`` (member, time),
        ``qobs`` (time), all [mm d-1]; ``forcing`` and ``forcing_baseline`` (time, input) in the
        inputs' units. Relevance, earlier and gap sum to qsim - qbase of the last day. Flow is
        not clipped at 0.

    Raises
    ------
    ConfigError
        An unknown method or baseline.
    RunError
        Runs of other inputs, targets or the same name, or without weights.
    StoreError
        The store lacks what the runs need.
    """
    names = list(dict.fromkeys(methods))
    require_methods(names)
    require_ensemble(runs)
    require_same_inputs(runs)
    weather, windows = open_windows(runs, dataset, question, device)
    found = _share_out(windows, names, device, on_progress)
    shape = (len(names), len(windows))
    relevance = np.stack([share.relevance.cpu().numpy() for share in found])
    variables = {
        "relevance": (
            ("how", "member", "time", "input"),
            relevance.reshape(*shape, *relevance.shape[1:]),
            _flow("relevance of each day and input for the flow of the last day"),
        ),
        "earlier": (
            ("how", "member"),
            np.array([share.earlier for share in found], "f4").reshape(shape),
            _flow("relevance of all that was before the window"),
        ),
        "gap": (
            ("how", "member"),
            np.array([share.gap for share in found], "f4").reshape(shape),
            _flow("simulated less baseline flow, less the sum of relevance and earlier"),
        ),
        **_flows(weather, windows),
        **forcing_of(weather),
    }
    coordinates = _coordinates(weather, windows, names, dataset)
    return xr.Dataset(variables, coordinates, _attributes(runs, dataset, question))


def _share_out(
    windows: Sequence[Window], methods: Sequence[str], device: torch.device, on_progress: Advance
) -> list[Share]:
    """Explain by every method and member, methods first; members side by side on the cores."""

    def of_member(window: Window) -> list[Share]:
        found = []
        for method in methods:
            found.append(share_out(window, method))
            on_progress(1)
        return found

    with every_core(device) as cores:
        by_member = cores.run(of_member, windows)
    return [shares[m] for m in range(len(methods)) for shares in by_member]


def require_methods(methods: Sequence[str]) -> None:
    """Refuse names that are no method, or none at all.

    Raises
    ------
    ConfigError
        Names the nearest.
    """
    if not methods:
        raise ConfigError("No method is asked for.", nearest("", METHODS))
    for method in methods:
        if method not in METHODS:
            raise ConfigError(f"Unknown method {method!r}.", nearest(method, METHODS))


def require_same_inputs(runs: Sequence[RunDirectory]) -> None:
    """Refuse runs that read other daily inputs than the first.

    Raises
    ------
    RunError
        Names both.
    """
    first = runs[0].scaler().dynamic
    for run in runs[1:]:
        if run.scaler().dynamic != first:
            raise RunError(
                f"{run.path.name} reads other daily inputs than {runs[0].path.name}.",
                "Explain these runs one by one.",
            )


def _flow(long_name: str) -> dict[str, str]:
    return {"units": _FLOW, "long_name": long_name}


def _flows(weather: Weather, windows: Sequence[Window]) -> dict[str, Any]:
    dims = ("member", "time")
    simulated = np.stack([w.simulated for w in windows]).astype("f4")
    base = np.stack([w.base_flow for w in windows]).astype("f4")
    return {
        "qobs": ("time", weather.observed, _flow("observed discharge")),
        "qsim": (dims, simulated, _flow("simulated discharge, not clipped at 0")),
        "qbase": (dims, base, _flow("simulated discharge under the baseline's weather")),
    }


def _coordinates(
    weather: Weather, windows: Sequence[Window], methods: Sequence[str], dataset: xr.Dataset
) -> dict[str, Any]:
    return {
        # "method" is an argument of xarray's sel, and cannot be the name of a dimension there
        "how": ("how", texts(methods), {"long_name": "method"}),
        "how_title": ("how", texts(METHODS[m][1] for m in methods)),
        **coordinates_of(weather, [w.member for w in windows], dataset),
    }


def _attributes(
    runs: Sequence[RunDirectory], dataset: xr.Dataset, question: Question
) -> dict[str, Any]:
    title = f"Which days and inputs made the flow of {question.basin} on {question.day}"
    return {
        **result_header(runs, dataset, title, "explained"),
        "basin": question.basin,
        "gauge_name": gauge_name(dataset, question.basin),
        "date": str(question.day),
        "days": question.days,
        "baseline": question.baseline,
        "baseline_meaning": BASELINES[question.baseline][1],
    }
