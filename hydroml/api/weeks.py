"""Which weeks made the annual flood, from Python: store in, table, files and figure out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pandas as pd

from hydroml.api.opening import PathLike
from hydroml.api.training import default_store
from hydroml.atomic import atomic_path
from hydroml.data.inputs import choose_dynamic, choose_static
from hydroml.data.series import with_attributes
from hydroml.data.splits import Period, select_basins
from hydroml.data.store import open_store
from hydroml.errors import ConfigError
from hydroml.evaluation.evaluate import require_replaceable
from hydroml.explanation.week_bags import WEEKS
from hydroml.explanation.week_models import POOLINGS, WeekSettings
from hydroml.explanation.week_scores import METHODS
from hydroml.explanation.weeks import WeekStudy, load_bags, study_weeks
from hydroml.progress import progress_bar
from hydroml.report.style import mark_synthetic, save
from hydroml.report.weeks import flood_weeks
from hydroml.training.device import choose_device
from hydroml.units import STATIC_REFERENCE
from hydroml.version import __version__

PERIODS = {
    "train": "1999-10-01..2014-09-30",
    "validation": "1981-10-01..1989-09-30",
    "test": "1989-10-01..1999-09-30",
}
"""Years learned from, years that choose the epoch, years that are only reported."""
MARK = "attention.csv"
SNOW = 0.2
"""Share of precipitation below 0 degC from which a basin is called a snow basin."""


def find_flood_weeks(
    data: PathLike | None = None,
    *,
    basins: str | Sequence[str] = "all",
    periods: Mapping[str, str] = PERIODS,
    settings: WeekSettings | None = None,
    snow: float = SNOW,
    seed: int = 0,
    device: str = "auto",
    out: PathLike = "weeks",
    allow_missing: bool = False,
) -> pd.DataFrame:
    """Find the weeks that made each year's flood, and how often they are the right ones.

    Networks see the weeks of a water year and learn the height of its flood, not its date; the
    weeks that they attend to are then held against the date. Writes ``weeks.csv`` (a row a year),
    ``attention.csv`` (the weight of each week), ``hits.csv``, ``summary.json`` and ``weeks.png``.

    Parameters
    ----------
    data : path-like, optional
        Store; by default that of ``HYDROML_DATA``, then ``data/store.zarr``.
    basins : str or sequence of str
        See `hydroml.data.splits.select_basins`.
    periods : mapping of str to str
        ``FROM..TO`` for ``train``, ``validation`` and ``test``, which may not overlap.
    settings : WeekSettings, optional
        Sizes and training of the networks.
    snow : float
        Share of precipitation below 0 degC from which a basin counts as a snow basin.
    seed : int
        Of the first member.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    out : path-like
        Folder to write to; replaced if this function made it.
    allow_missing : bool
        Leave out basins that are not in the store, or lack an attribute.

    Returns
    -------
    pandas.DataFrame
        ``period``, ``group``, ``method``, ``years``, ``contains`` and ``near``: the share of years
        in which the method's week contains the peak, and contains or directly precedes it.

    Raises
    ------
    HydromlError
        Anything a user can mend, with the remedy.
    """
    settings = settings or WeekSettings()
    if not 0 <= snow <= 1:
        raise ConfigError(f"The share of snow is {snow}.", "Give a number from 0 to 1.")
    folder, where, spans = Path(out), choose_device(device), _periods(periods)
    require_replaceable(folder, mark=MARK, what="a search for flood weeks")
    dataset = open_store(Path(data) if data is not None else default_store())
    for span in spans.values():
        span.require_inside(dataset)
    dynamic = choose_dynamic(dataset, "auto")
    static = choose_static(dataset, "auto", STATIC_REFERENCE)
    chosen = select_basins(basins, dataset, allow_missing=allow_missing)
    chosen = with_attributes(dataset, chosen, static) if allow_missing else chosen
    bags = load_bags(dataset, chosen, dynamic, static, spans, settings.blocks)
    total = len(POOLINGS) * settings.members * settings.epochs
    with progress_bar("Training on weeks", total, "epochs") as advance:
        studies = study_weeks(
            bags, settings=settings, seed=seed, snow=snow, device=where, advance=advance
        )
    facts = {
        "hydroml_version": __version__, "store_fingerprint": dataset.attrs["fingerprint"],
        "synthetic": bool(dataset.attrs["synthetic"]), "seed": seed, "snow": snow,
        "periods": {name: str(span) for name, span in spans.items()},
        "settings": asdict(settings), "basins": len(chosen), "inputs": [*dynamic, *static],
        "years": {name: len(own) for name, own in bags.items()},
    }  # fmt: skip
    return _write(folder, studies, facts)


def _periods(given: Mapping[str, str]) -> dict[str, Period]:
    wrong = [name for name in PERIODS if ".." not in given.get(name, "")]
    if wrong:
        raise ConfigError(
            f"The {wrong[0]} period is {given.get(wrong[0])!r}.",
            "Give dates FROM..TO, such as 1989-10-01..1999-09-30.",
        )
    spans = {name: Period.parse(*given[name].split("..", 1)) for name in PERIODS}
    ordered = sorted(spans.items(), key=lambda item: item[1].start)
    for (first, early), (second, late) in pairwise(ordered):
        if late.start <= early.end:
            raise ConfigError(
                f"The {first} period ({early}) and the {second} period ({late}) overlap.",
                "Give years apart: what was learned from proves nothing.",
            )
    return spans


def _write(
    folder: Path, studies: Mapping[str, WeekStudy], facts: dict[str, object]
) -> pd.DataFrame:
    hits = _stacked({name: study.hits for name, study in studies.items()})
    years = len(studies["test"].bags)
    figure = flood_weeks(studies["test"], title=f"Weeks that made the flood, {years} test years")
    if facts["synthetic"]:
        mark_synthetic(figure)
    with atomic_path(folder) as scratch:
        scratch.mkdir()
        tables = {name: study.table for name, study in studies.items()}
        _stacked(tables).to_csv(scratch / "weeks.csv", index=False, float_format="%.5g")
        _stacked({name: _attention(study) for name, study in studies.items()}).to_csv(
            scratch / "attention.csv", index=False, float_format="%.5f"
        )
        hits.to_csv(scratch / "hits.csv", index=False, float_format="%.5g")
        summary = facts | {
            "methods": METHODS,
            "skill": {name: study.skill for name, study in studies.items()},
            "hits": {name: _nested(study.hits) for name, study in studies.items()},
        }
        (scratch / "summary.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
        save(figure, scratch / "weeks.png")
    return hits


def _stacked(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([t.assign(period=name) for name, t in tables.items()], ignore_index=True)


def _attention(study: WeekStudy) -> pd.DataFrame:
    weights = pd.DataFrame(
        study.pooled["attention"].attention, columns=[f"week{w + 1:02d}" for w in range(WEEKS)]
    )
    return pd.concat([study.table[["gauge_id", "water_year"]], weights], axis=1)


def _nested(hits: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    shares = hits.set_index("method")[["group", "contains", "near", "years"]]
    return {
        str(group): own.drop(columns="group").astype(float).to_dict("index")  # type: ignore[misc]
        for group, own in shares.groupby("group", sort=False)
    }
