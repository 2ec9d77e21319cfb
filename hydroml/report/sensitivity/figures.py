"""The figures of a sensitivity study: one page a question, drawn from the files of its folder."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from hydroml.errors import RunError
from hydroml.report.figures import is_synthetic
from hydroml.report.sensitivity.attribute_ranking import attribute_ranking, dominant_attribute
from hydroml.report.sensitivity.climate_groups import climate_figure, statics_difference
from hydroml.report.sensitivity.elasticity_maps import elasticity_maps, low_flow_map
from hydroml.report.sensitivity.input_lags import input_lags
from hydroml.report.sensitivity.plausibility import outside_training, plausibility
from hydroml.report.sensitivity.response_surfaces import response_surfaces
from hydroml.report.sensitivity.seasonal import seasonal_changes
from hydroml.report.sensitivity.storms import storms
from hydroml.report.sensitivity.truth import truth_figure
from hydroml.report.sheet import about_run
from hydroml.report.style import mark_synthetic, save

Drawn = Iterator[tuple[str, Figure | None]]


def draw_sensitivity(folder: Path | str) -> list[Path]:
    """Draw the figures of a sensitivity study into its folder.

    Parameters
    ----------
    folder : path-like
        Holds ``response.nc`` and, each optional, ``elasticity.csv``, ``plausibility.csv``,
        ``gradients.nc``, ``response_recomputed.nc`` and ``truth.csv``.

    Returns
    -------
    list of pathlib.Path
        The PNGs written. A figure whose input is not there, or has no numbers, is left out;
        maps are left out where the places of gauges are not known. Synthetic data says so in
        every figure.

    Raises
    ------
    RunError
        There is no ``response.nc``.
    """
    place = Path(folder)
    if not (place / "response.nc").is_file():
        raise RunError(f"There is no {place / 'response.nc'}.", "Run 'hydroml sensitivity RUN'.")
    response = _read_dataset(place / "response.nc")
    about = about_run(response.attrs, members=response.sizes["member"])
    synthetic = is_synthetic(response.attrs)
    paths = []
    for name, figure in _figures(place, response, about):
        if figure is not None:
            marked = mark_synthetic(figure) if synthetic else figure
            paths.append(save(marked, place / f"{name}.png"))
    return paths


def _figures(place: Path, response: xr.Dataset, about: str) -> Drawn:
    """Make the figures one by one, so that only one is in memory."""
    yield from _maps_of_change(place, response, about)
    yield "response_surfaces", response_surfaces(response, about=about)
    yield "seasonal_changes", seasonal_changes(response, about=about)
    yield "storms", storms(response, about=about)
    yield "outside_training", outside_training(response, about=about)
    if (place / "elasticity.csv").is_file():
        table = _read_table(place / "elasticity.csv")
        yield "climate_groups", climate_figure(response, table, about=about)
    if (place / "plausibility.csv").is_file():
        checks = _read_table(place / "plausibility.csv").set_index("gauge_id")
        yield "plausibility", plausibility(response, checks, about=about)
    if (place / "response_recomputed.nc").is_file():
        recomputed = _read_dataset(place / "response_recomputed.nc")
        yield "statics_difference", statics_difference(response, recomputed, about=about)
    if (place / "gradients.nc").is_file():
        yield from _of_gradients(_read_dataset(place / "gradients.nc"))
    if (place / "truth.csv").is_file():
        truth = _read_table(place / "truth.csv")
        yield "truth", truth_figure(truth, single=_single_changes(response), about=about)


def _maps_of_change(place: Path, response: xr.Dataset, about: str) -> Drawn:
    if not _has_places(response):
        return
    if (place / "elasticity.csv").is_file():
        table = _read_table(place / "elasticity.csv")
        yield from elasticity_maps(response, table, about=about).items()
    yield from low_flow_map(response, about=about).items()


def _of_gradients(gradients: xr.Dataset) -> Drawn:
    about = about_run(gradients.attrs, members=gradients.sizes["member"])
    yield "attribute_ranking", attribute_ranking(gradients, about=about)
    if _has_places(gradients):
        yield "dominant_attribute", dominant_attribute(gradients, about=about)
    yield "input_lags", input_lags(gradients, about=about)


def _has_places(dataset: xr.Dataset) -> bool:
    if not {"gauge_lat", "gauge_lon"} <= set(dataset.variables):
        return False
    return bool(np.isfinite(dataset["gauge_lat"] + dataset["gauge_lon"]).any())


def _single_changes(response: xr.Dataset) -> list[str]:
    """Names of the scenarios that change temperature or precipitation alone."""
    warming = response["temperature_change"].values.astype(float)
    factor = response["precipitation_factor"].values.astype(float)
    alone = (np.isclose(warming, 0) ^ np.isclose(factor, 1)) & np.isfinite(warming + factor)
    return [str(name) for name in response["scenario"].values[alone]]


def _read_dataset(path: Path) -> xr.Dataset:
    with xr.open_dataset(path) as dataset:
        return dataset.load()


def _read_table(path: Path) -> pd.DataFrame:
    """Read a table whose ids and names of scenarios stay strings."""
    return pd.read_csv(path, dtype={"gauge_id": str, "scenario": str})
