"""Generated weather beside observed weather: errors by criterion, months, spells and extremes."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hydroml.generate.chain import WET
from hydroml.generate.criteria import CRITERIA
from hydroml.generate.judgement import NOT_COUNTED, ratios
from hydroml.generate.spells import spell_lengths
from hydroml.generate.study import Record, WeatherStudy
from hydroml.generate.weather import Floats
from hydroml.report.style import CYCLE, GREY, INK, OBSERVED, tidy

NAMES = {"markov": "Markov chain", "linear": "linear series", "gan": "adversarial"}
_COLOURS = {"markov": CYCLE[0], "linear": CYCLE[2], "gan": CYCLE[1]}
_SHOWN_RATIO = 6.0  # larger ones are cut, and their number is written


def draw_weather(study: WeatherStudy) -> Figure:
    """Draw how far each generator is off, and what its weather looks like.

    Parameters
    ----------
    study : WeatherStudy
        Of one or more generators.

    Returns
    -------
    matplotlib.figure.Figure
        Errors by criterion; precipitation by month, dry spells, largest days, a year of one basin.
    """
    figure = Figure(figsize=(12.5, 8.6), layout="constrained")
    basins = len(study.observed.weather.basins)
    first, last = study.observed.period
    figure.suptitle(
        f"Generated weather and what was observed, {basins} basins, {first} to {last}",
        x=0.01, ha="left", fontsize=13, color=INK, weight="bold",
    )  # fmt: skip
    grid = figure.add_gridspec(3, 3, width_ratios=(1.5, 1, 1), height_ratios=(1, 1, 0.9))
    _draw_ratios(figure.add_subplot(grid[:, 0]), study)
    _draw_months(figure.add_subplot(grid[0, 1]), study)
    _draw_spells(figure.add_subplot(grid[0, 2]), study)
    _draw_extremes(figure.add_subplot(grid[1, 1]), study)
    _draw_durations(figure.add_subplot(grid[1, 2]), study)
    _draw_year(figure.add_subplot(grid[2, 1:]), study)
    return figure


def _draw_ratios(axes: Axes, study: WeatherStudy) -> None:
    wide = ratios(study.table)
    place = np.arange(len(wide))
    height = 0.8 / len(wide.columns)
    for i, method in enumerate(study.members):
        shift = (i - (len(study.members) - 1) / 2) * height
        values = wide[method].fillna(0)
        axes.barh(
            place + shift, values.clip(upper=_SHOWN_RATIO), height, color=_COLOURS[method],
            label=f"{NAMES[method]}: together {study.verdict.scores[method]:.2f}",
        )  # fmt: skip
        for y, value in zip(place + shift, values, strict=True):
            if value > _SHOWN_RATIO:
                axes.text(
                    _SHOWN_RATIO, y, f"{value:.0f} ", fontsize=7, color="white", ha="right",
                    va="center",
                )  # fmt: skip
    axes.axvline(1, color=OBSERVED, linewidth=1)
    labels = [CRITERIA[n][0] + (" *" if n in NOT_COUNTED else "") for n in wide.index]
    axes.set_yticks(place, labels, fontsize=8)
    axes.set_ylim(len(wide) - 0.4, -0.6)
    axes.set_xlim(0, _SHOWN_RATIO)
    axes.set_xlabel(
        "error / difference between the years learned from\nand those judged by (* not counted)",
        fontsize=9,
    )
    axes.set_title("How far off (1: as good as the data allow)", loc="left", fontsize=10)
    tidy(axes)
    axes.legend(fontsize=8, frameon=False, loc="upper right")


def _series(study: WeatherStudy) -> dict[str, tuple[str, str, list[Record]]]:
    """Label, colour and records of what is drawn as lines."""
    found = {"observed": ("observed", OBSERVED, [study.observed])}
    found["learned"] = ("years learned from", GREY, [study.learned])
    for method, records in study.members.items():
        found[method] = (NAMES[method], _COLOURS[method], records)
    return found


def _rain(record: Record) -> Floats:
    return record.weather.during(record.period).precipitation.astype(np.float64)


def _draw_months(axes: Axes, study: WeatherStudy) -> None:
    for _, colour, records in _series(study).values():
        months = records[0].weather.during(records[0].period).months
        wet = [
            np.mean([(_rain(r)[:, months == m] >= WET).mean() for r in records])
            for m in range(1, 13)
        ]
        axes.plot(range(1, 13), wet, color=colour, linewidth=1.4)
    axes.set_xticks(range(1, 13), list("JFMAMJJASOND"))
    axes.set_title(f"Share of days with {WET:g} mm or more", loc="left", fontsize=10)
    tidy(axes)


def _draw_spells(axes: Axes, study: WeatherStudy) -> None:
    for label, colour, records in _series(study).values():
        lengths = np.concatenate([spell_lengths(row < WET) for r in records for row in _rain(r)])
        days = np.arange(1, 41)
        longer = [(lengths >= d).mean() for d in days]
        axes.plot(days, longer, color=colour, linewidth=1.4, label=label)
    axes.set_yscale("log")
    axes.set_xlabel("days", fontsize=9)
    axes.set_title("Share of dry spells that long", loc="left", fontsize=10)
    tidy(axes)
    axes.legend(fontsize=8, frameon=False, loc="lower left")  # the share falls with the days


def _draw_extremes(axes: Axes, study: WeatherStudy) -> None:
    years = np.geomspace(0.1, len(study.observed.days) / 365.25, 60)
    share = 1 - 1 / (365.25 * years)
    for _, colour, records in _series(study).values():
        deep = np.mean([np.quantile(_rain(r), share, axis=1).mean(1) for r in records], axis=0)
        axes.plot(years, deep, color=colour, linewidth=1.4)
    axes.set_xscale("log")
    axes.set_xlabel("years between such days", fontsize=9)
    axes.set_ylabel("[mm]", fontsize=9)
    axes.set_title("Precipitation of rare days", loc="left", fontsize=10)
    tidy(axes)


def _draw_durations(axes: Axes, study: WeatherStudy) -> None:
    share = np.linspace(0.001, 0.999, 200)
    for _, colour, records in _series(study).values():
        flow = np.mean([np.quantile(r.flow, 1 - share, axis=1).mean(1) for r in records], axis=0)
        axes.plot(100 * share, np.maximum(flow, 1e-3), color=colour, linewidth=1.4)
    axes.set_yscale("log")
    axes.set_xlabel("share of days with more [%]", fontsize=9)
    axes.set_ylabel("[mm/d]", fontsize=9)
    axes.set_title("Flow it gives, mean of basins", loc="left", fontsize=10)
    tidy(axes)


def _draw_year(axes: Axes, study: WeatherStudy) -> None:
    days = slice(0, 365)
    basin = study.observed.weather.basins[0]
    time = study.observed.days[days]
    for label, colour, records in list(_series(study).values())[::-1]:
        if label == "years learned from":
            continue
        width = 1.4 if label == "observed" else 1.0
        axes.plot(time, records[0].flow[0, days], color=colour, linewidth=width, label=label)
    axes.set_ylabel("[mm/d]", fontsize=9)
    axes.set_title(
        f"First year of flow, {basin}: weather observed, and one series",
        loc="left", fontsize=10,
    )  # fmt: skip
    tidy(axes)
