"""Which basins and which days: selections that are checked against the store."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Self

import numpy as np
import xarray as xr

from hydroml.errors import ConfigError, StoreError, nearest

CAMELS_SETS = {531: "camels_us_531.txt", 671: "camels_us_671.txt"}
"""Sets of CAMELS-US gauges that a number stands for."""

_PREFIX = "camels_"


@dataclass(frozen=True)
class Period:
    """Days from `start` to `end`, both included.

    Parameters
    ----------
    start, end : datetime.date
        First and last day.

    Raises
    ------
    ConfigError
        It ends before it starts.

    Examples
    --------
    >>> Period.parse("1999-10-01", "2008-09-30").days
    3288
    """

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ConfigError(
                f"The period {self} ends before it starts.", "Give the earlier date first."
            )

    def __str__(self) -> str:
        return f"{self.start} to {self.end}"

    @classmethod
    def parse(cls, start: str | date, end: str | date) -> Self:
        """Make a period from dates such as ``1999-10-01``.

        Raises
        ------
        ConfigError
            No date, or in the wrong order.
        """
        return cls(_day(start), _day(end))

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.end - self.start).days + 1

    @property
    def slice(self) -> slice:
        """For ``dataset.sel(time=period.slice)``."""
        return slice(np.datetime64(self.start), np.datetime64(self.end))

    def require_inside(self, dataset: xr.Dataset) -> None:
        """Refuse data that do not cover the period.

        Raises
        ------
        StoreError
            Names both periods.
        """
        first, last = (str(dataset["time"].values[i])[:10] for i in (0, -1))
        if str(self.start) < first or str(self.end) > last:
            raise StoreError(
                f"The period {self} lies outside the data, which go from {first} to {last}.",
                "Choose a period within the data, or prepare a store that covers it.",
            )


def select_basins(
    spec: str | int | Sequence[str], dataset: xr.Dataset, *, allow_missing: bool = False
) -> list[str]:
    """Find the basins that are asked for in a store.

    Parameters
    ----------
    spec : str, int or sequence of str
        ``all``; a number (531 and 671 are the CAMELS-US sets where the store has CAMELS-US
        gauges and is not synthetic, else the first n of the store); ids separated by commas;
        a file with one id a line; or ids. ``camels_01022500`` and ``01022500`` are the same.
    dataset : xarray.Dataset
        The store, or anything with a coordinate ``basin`` and the attribute ``synthetic``.
    allow_missing : bool
        Take those that are there instead of refusing.

    Returns
    -------
    list of str
        Ids as the store spells them, each once, in the order asked for.

    Raises
    ------
    ConfigError
        No such file, an empty selection, an id that lost its leading zero.
    StoreError
        The store does not have them all (or, with `allow_missing`, none).

    Examples
    --------
    >>> store = xr.Dataset(coords={"basin": ["camels_01022500", "camels_01031500"]})
    >>> select_basins("01031500", store)
    ['camels_01031500']
    >>> select_basins("1", store)
    ['camels_01022500']
    """
    known = [str(b) for b in dataset["basin"].values.tolist()]
    if isinstance(spec, str) and spec.strip().lower() == "all":
        return known
    if isinstance(spec, int) or (isinstance(spec, str) and re.fullmatch(r"\d{1,5}", spec.strip())):
        return _by_number(int(spec), known, dataset, allow_missing)
    asked = _read_spec(spec) if isinstance(spec, str) else [str(s).strip() for s in spec]
    if not asked:
        raise ConfigError("No basin is asked for.", "Give 'all', a number, ids or a file of ids.")
    return _match(asked, known, allow_missing)


def camels_set(number: int) -> list[str]:
    """Return the ids of a CAMELS-US set.

    Parameters
    ----------
    number : int
        531 (Newman et al. 2017, doi 10.1175/JHM-D-16-0284.1) or 671 (all).

    Returns
    -------
    list of str
        Gauge ids.

    Examples
    --------
    >>> len(camels_set(531)), camels_set(671)[0]
    (531, '01013500')
    """
    text = files("hydroml.data").joinpath("basin_sets", CAMELS_SETS[number]).read_text("utf-8")
    return text.split()


def _by_number(
    number: int, known: list[str], dataset: xr.Dataset, allow_missing: bool
) -> list[str]:
    synthetic = bool(dataset.attrs.get("synthetic", False))
    if number in CAMELS_SETS and not synthetic:
        plain = {_plain(k) for k in known}
        if plain.intersection(camels_set(671)):
            return _match(camels_set(number), known, allow_missing)
    if number < 1:
        raise ConfigError(f"{number} basins are out of range.", "Give 1 or more, or 'all'.")
    if number > len(known) and not allow_missing:
        raise StoreError(
            f"{number} basins are asked for, but there are only {len(known)}.",
            "Ask for 'all', or add --allow-missing.",
        )
    return known[:number]


def _read_spec(spec: str) -> list[str]:
    path = Path(spec).expanduser()
    if path.is_file():
        return _read_ids(path)
    if "/" in spec or path.suffix.lower() in (".txt", ".csv"):
        raise ConfigError(
            f"There is no file of basins {spec}.", "Check the path; or give ids or a number."
        )
    return [part.strip() for part in spec.split(",") if part.strip()]


def _read_ids(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The file of basins {path} cannot be read ({error}).",
            "Give a text file, an id a line.",
        ) from error
    rows = [re.split(r"[,;\s]+", line.split("#")[0].strip())[0] for line in lines]
    return [r.strip("\"'") for r in rows if r and r.lower() not in ("gauge_id", "basin", "id")]


def _match(asked: Iterable[str], known: Sequence[str], allow_missing: bool) -> list[str]:
    spelled = {_plain(k): k for k in known}
    wanted = list(dict.fromkeys(asked))
    _refuse_lost_zeros(wanted, spelled)
    missing = [a for a in wanted if _plain(a) not in spelled]
    found = list(dict.fromkeys(spelled[_plain(a)] for a in wanted if _plain(a) in spelled))
    if not missing or (allow_missing and found):
        return found
    if len(wanted) == 1:
        message = f"There is no basin {missing[0]!r} in the data."
        raise StoreError(message, nearest(missing[0], known))
    take = f"Add --allow-missing to take those {len(found)}, or ask for 'all' ({len(known)})."
    raise StoreError(
        f"Of the {len(wanted)} basins asked for, {len(found)} are in the data; "
        f"{len(missing)} are not, first {missing[0]!r}.",
        f"{take if found else 'Ask for basins that are there.'} {_hint(missing[0], known)}".strip(),
    )


def _hint(missing: str, known: Sequence[str]) -> str:
    hint = nearest(missing, known)
    return hint if hint.startswith("Did") else ""


def _refuse_lost_zeros(asked: Iterable[str], spelled: dict[str, str]) -> None:
    """CAMELS-US ids have eight digits; a spreadsheet turns 01022500 into 1022500."""
    for gauge in asked:
        plain = _plain(gauge)
        padded = plain.zfill(8)
        if not plain.isdigit() or len(plain) >= 8 or plain in spelled:
            continue
        if padded in spelled or padded in camels_set(671):
            raise ConfigError(
                f"The gauge id {gauge!r} lost its leading zero.",
                f"Write {padded}; keep gauge ids as text, not as numbers.",
            )


def _plain(gauge: str) -> str:
    return gauge.strip().removeprefix(_PREFIX)


def _day(value: str | date) -> date:
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    try:
        return date.fromisoformat(str(value).strip())
    except ValueError as error:
        raise ConfigError(
            f"{value!r} is no date.", "Write dates as year-month-day, for example 1999-10-01."
        ) from error
