"""Generated weather from Python: a run and its store in; an ensemble, a judgement, a figure out."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from hydroml.api.opening import PathLike, Subject, named_period, open_subject
from hydroml.atomic import atomic_path
from hydroml.data.series import Days
from hydroml.data.splits import Period
from hydroml.errors import ConfigError, RunError
from hydroml.evaluation.ensemble import result_header
from hydroml.evaluation.evaluate import require_replaceable
from hydroml.evaluation.realism import STEPS, Reader
from hydroml.generate.adversarial import AdversarialSettings
from hydroml.generate.criteria import CRITERIA, require_years
from hydroml.generate.files import write_weather
from hydroml.generate.flow import inputs_of, lead_of
from hydroml.generate.hydrographs import read_hydrographs
from hydroml.generate.judgement import NOT_COUNTED, ratios
from hydroml.generate.study import (
    Record,
    WeatherRequest,
    WeatherStudy,
    count_steps,
    methods_of,
    observe,
    study_weather,
)
from hydroml.generate.weather import complete_basins, days_of, load_weather
from hydroml.progress import progress_bar
from hydroml.report.style import mark_synthetic, save
from hydroml.report.weather import draw_weather
from hydroml.training.assemble import as_days

MARK = "criteria.csv"
METHOD = "gan"
"""Used where none is asked for: what did better on real basins, see docs/toolkit/weather.md."""


def generate_weather(
    runs: PathLike | Sequence[PathLike],
    *,
    method: str = METHOD,
    members: int = 10,
    period: str = "test",
    train: str = "train",
    data: PathLike | None = None,
    basins: str | Sequence[str] | None = None,
    seed: int = 0,
    settings: AdversarialSettings | None = None,
    device: str = "auto",
    out: PathLike | None = None,
    allow_missing: bool = False,
) -> pd.DataFrame:
    """Generate daily weather for the basins of a run, and judge it by what was observed.

    Files are written to ``<run>/weather``: a NetCDF file for each member, ``scenarios.yaml`` for
    `hydroml.api.analyse_sensitivity`, ``criteria.csv``, ``summary.json`` and ``weather.png``.

    Parameters
    ----------
    runs : path-like or sequence of path-like
        Run directories; several are an ensemble, whose mean flow is taken.
    method : str
        ``gan``, ``linear``, ``markov``, or ``all``: the one that does best is written.
    members : int
        Series to write.
    period : str
        ``test``, ``validation``, ``train`` or ``FROM..TO``: days to generate, and observed years to
        judge by. The days of warm-up before it are generated as well.
    train : str
        The same, for the years to learn from.
    data : path-like, optional
        Another store than the run's.
    basins : str or sequence of str, optional
        By default the run's own.
    seed : int
        Another gives other weather.
    settings : AdversarialSettings, optional
        Sizes and training of the adversarial generator.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    out : path-like, optional
        Folder to write to.
    allow_missing : bool
        Leave out basins that are not in the store, or lack an attribute or a day of weather.

    Returns
    -------
    pandas.DataFrame
        A row for each criterion, variable and generator; see
        `hydroml.generate.judgement.judge`.

    Raises
    ------
    HydromlError
        Anything a user can mend, with the remedy.
    """
    table, _ = generate_weather_into(
        runs, method=method, members=members, period=period, train=train, data=data,
        basins=basins, seed=seed, settings=settings, device=device, out=out,
        allow_missing=allow_missing,
    )  # fmt: skip
    return table


def generate_weather_into(
    runs: PathLike | Sequence[PathLike],
    *,
    method: str = METHOD,
    members: int = 10,
    period: str = "test",
    train: str = "train",
    data: PathLike | None = None,
    basins: str | Sequence[str] | None = None,
    seed: int = 0,
    settings: AdversarialSettings | None = None,
    device: str = "auto",
    out: PathLike | None = None,
    allow_missing: bool = False,
) -> tuple[pd.DataFrame, Path]:
    """Do what `generate_weather` does; return the table and the folder written to."""
    methods = methods_of(method)
    subject = open_subject(
        runs, period=period, data=data, basins=basins, device=device, allow_missing=allow_missing
    )
    folder = Path(out) if out is not None else subject.folder("weather")
    require_replaceable(folder, mark=MARK, what="generated weather")
    past = named_period(subject.runs[0].config(), train)
    past.require_inside(subject.dataset)
    if past == subject.days:
        raise ConfigError(
            f"{past} would be learned from and judged by.", "Give other years: --period or --train."
        )
    request = WeatherRequest(
        methods, members, seed, settings or AdversarialSettings(), subject.device
    )
    learned, observed = _records(subject, past, allow_missing)
    reader = _read_hydrographs(subject, observed, seed)
    steps = count_steps(request, len(subject.runs))
    with progress_bar("Learning and generating weather", steps, "steps") as advance:
        study = study_weather(
            subject.runs, subject.dataset, learned, observed, request, reader, on_progress=advance
        )
    _write(folder, study, subject, request, past)
    return study.table, folder


def _records(subject: Subject, past: Period, allow_missing: bool) -> tuple[Record, Record]:
    """Read and simulate the years learned from and those to be made, with their warm-up."""
    lead, names = lead_of(subject.runs), inputs_of(subject.runs)
    first = subject.dataset["time"].values[0].astype("datetime64[D]")
    given = [as_days((p.start, p.end)) for p in (past, subject.days)]
    whole = [(max(first, start - lead), end) for start, end in given]
    basins = subject.basins
    if allow_missing:
        basins = complete_basins(subject.dataset, basins, names, whole)
    found = []
    for (start, end), (warm, _) in zip(given, whole, strict=True):
        counted = (max(start, warm + lead), end)
        if counted[0] > end:
            raise RunError(
                f"The period {start} to {end} ends within the {lead} days of warm-up from the "
                "first day of the data.",
                "Choose a later one.",
            )
        require_years(days_of(counted))
        weather = load_weather(subject.dataset, basins, names, (warm, end))
        found.append(observe(subject.runs, subject.dataset, weather, counted, subject.device))
    return found[0], found[1]


def _read_hydrographs(subject: Subject, observed: Record, seed: int) -> Reader | None:
    basins, target = observed.weather.basins, subject.runs[0].config().data.target
    with progress_bar("Reading hydrographs", STEPS, "steps") as advance:
        return read_hydrographs(
            subject.dataset, basins, target, subject.days, seed=seed, on_progress=advance
        )


def _write(
    folder: Path, study: WeatherStudy, subject: Subject, request: WeatherRequest, past: Period
) -> None:
    winner, overlap = study.verdict.winner, _overlap(past, subject.days)
    title = "Generated weather"
    header = {
        **result_header(subject.runs, subject.dataset, title, "generated"),
        "generator": winner, "seed": str(request.seed), "learned_from": str(past),
        "period": _said(study.observed.period),
    }  # fmt: skip
    facts = {
        **header, "methods": list(request.methods), "members": request.members,
        "basins": len(study.observed.weather.basins), "inputs": list(study.observed.weather.names),
        "days": _said((study.observed.weather.time[0], study.observed.weather.time[-1])),
        "note": "judged by years that were learned from" if overlap else "",
        "verdict": asdict(study.verdict) | {"told": study.verdict.told()},
        "not_counted": list(NOT_COUNTED),
        "criteria": {n: CRITERIA[n][0] for n in dict.fromkeys(study.table["criterion"])},
        "ratio": json.loads(ratios(study.table).to_json(orient="index")),
        "settings": asdict(request.settings) if "gan" in request.methods else {},
    }  # fmt: skip
    figure = draw_weather(study)
    if header["synthetic"] == "true":
        mark_synthetic(figure)
    with atomic_path(folder) as scratch:
        scratch.mkdir()
        made = [record.weather for record in study.members[winner]]
        write_weather(scratch, made, subject.dataset, header)
        study.table.to_csv(scratch / MARK, index=False, float_format="%.5g")
        (scratch / "summary.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
        save(figure, scratch / "weather.png")


def _overlap(one: Period, other: Period) -> bool:
    return one.start <= other.end and other.start <= one.end


def _said(days: Days) -> str:
    return f"{days[0]}..{days[1]}"
