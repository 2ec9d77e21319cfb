"""Donor basins from Python: for a basin without flow, files and a figure."""

from collections.abc import Sequence
from pathlib import Path

from hydroml.api.opening import PathLike
from hydroml.atomic import atomic_path
from hydroml.data.splits import Period
from hydroml.data.store import open_store
from hydroml.errors import ConfigError
from hydroml.regionalisation.donors import Donors
from hydroml.regionalisation.donors import find_donors as find
from hydroml.report.donors import draw_donors
from hydroml.report.style import mark_synthetic, save


def find_donors(
    store: PathLike,
    basin: str,
    candidates: str | Sequence[str] = "all",
    *,
    method: str = "hopfield-both",
    attributes: str | Sequence[str] = "auto",
    period: str | None = None,
    out: PathLike | None = None,
) -> Donors:
    """Find gauged basins that stand in for a basin without flow.

    Parameters
    ----------
    store : path-like
        A store.
    basin : str
        Gauge id of the basin without flow.
    candidates : str or sequence of str
        ``all``, ids, or a file of ids: gauged basins.
    method : str
        Key of `hydroml.regionalisation.methods.METHODS`.
    attributes : str or sequence of str
        ``auto``, or names of numeric attributes, as a list or separated by commas.
    period : str, optional
        ``FROM..TO``: days of discharge that are read; all without.
    out : path-like, optional
        Folder for ``<basin>_<method>.csv`` and ``.png``; nothing is written without.

    Returns
    -------
    Donors
        Weights, and the discharge that they make.

    Raises
    ------
    HydromlError
        What does not fit, with the remedy.
    """
    dataset = open_store(store)
    if isinstance(attributes, str) and attributes != "auto":
        attributes = [name.strip() for name in attributes.split(",") if name.strip()]
    days = None if period is None else _period(period)
    donors = find(dataset, basin, candidates, method=method, attributes=attributes, period=days)
    if out is not None:
        stem = Path(out) / f"{donors.basin}_{method}"
        with atomic_path(stem.with_name(stem.name + ".csv")) as scratch:
            donors.table.to_csv(scratch)
        figure = draw_donors(donors, dataset)
        if dataset.attrs["synthetic"] in (True, "true"):
            mark_synthetic(figure)
        save(figure, stem.with_name(stem.name + ".png"))
    return donors


def _period(text: str) -> Period:
    if ".." not in text:
        raise ConfigError(
            f"The period {text!r} is no pair of dates.",
            "Write FROM..TO, for example 1981-10-01..1989-09-30.",
        )
    return Period.parse(*text.split("..", 1))
