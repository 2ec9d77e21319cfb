"""The text files of CAMELS-US: one basin's forcing, one gauge's discharge."""

import io
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hydroml.data.daily import require_ascending
from hydroml.errors import SourceError

COLUMNS = {
    "dayl(s)": "dayl",
    "prcp(mm/day)": "prcp",
    "srad(w/m2)": "srad",
    "swe(mm)": "swe",
    "tmax(c)": "tmax",
    "tmin(c)": "tmin",
    "vp(pa)": "vp",
}
"""Column names of a forcing file, in lower case, and the variables they are."""

DATE_COLUMNS = ["year", "mnth", "day", "hr"]
HEADER_LINES = 4
MISSING = -999.0


@dataclass(frozen=True)
class ForcingFile:
    """One basin's forcing.

    Parameters
    ----------
    latitude : float
        Of the basin's centre [degrees_north].
    elevation : float
        Mean [m].
    area : float
        Of the catchment [m2].
    time : numpy.ndarray
        Days (T,), datetime64[D], ascending, gaps allowed.
    values : dict of str to numpy.ndarray
        Variable name to values (T,), float64.
    """

    latitude: float
    elevation: float
    area: float
    time: np.ndarray
    values: dict[str, np.ndarray]


def parse_forcing(content: bytes, label: str) -> ForcingFile:
    r"""Parse a ``*_forcing_leap.txt`` file of any product.

    Parameters
    ----------
    content : bytes
        The file: latitude, elevation [m], area [m2], column names, one line a day.
    label : str
        The file's name in error messages.

    Returns
    -------
    ForcingFile
        Values of -999 are NaN.

    Raises
    ------
    SourceError
        A header line, a column or a line is not what it should be, dates are not ascending;
        names file and line.

    Examples
    --------
    >>> text = b"44.82\n133.0\n587675987\nYear Mnth Day Hr dayl(s) prcp(mm/day) srad(W/m2)"
    >>> text += b" swe(mm) tmax(C) tmin(C) vp(Pa)\n1980 01 01 12 31185 1.5 178 0 -0.7 -10.6 271\n"
    >>> parse_forcing(text, "example").values["prcp"]
    array([1.5])
    """
    lines = content.split(b"\n", HEADER_LINES)
    if len(lines) <= HEADER_LINES or not lines[HEADER_LINES].strip():
        raise SourceError(
            f"{label} ends before its data: it has no day of forcing.", _REMEDY_DOWNLOAD
        )
    latitude, elevation, area = (_header_number(lines[i], i, label) for i in range(3))
    if not area > 0:
        raise SourceError(f"{label}, line 3: the area is {area:g} m2.", _REMEDY_DOWNLOAD)
    names = _forcing_columns(lines[3], label)
    table = _numbers(lines[HEADER_LINES], label, HEADER_LINES, width=len(names))
    date = [table[:, names.index(part)] for part in DATE_COLUMNS[:3]]
    time = _dates(*date, label=label, offset=HEADER_LINES)
    values = {
        COLUMNS[name]: _without_missing(table[:, i]) for i, name in enumerate(names) if i >= 4
    }
    return ForcingFile(latitude, elevation, area, time, values)


def parse_discharge(content: bytes, label: str) -> tuple[np.ndarray, np.ndarray]:
    r"""Parse a ``*_streamflow_qc.txt`` file.

    Parameters
    ----------
    content : bytes
        Lines of gauge, year, month, day, discharge [ft3 s-1], quality flag.
    label : str
        The file's name in error messages.

    Returns
    -------
    time : numpy.ndarray
        Days (T,), datetime64[D], ascending, gaps allowed.
    q_cfs : numpy.ndarray
        Discharge (T,) [ft3 s-1]; -999 is NaN.

    Raises
    ------
    SourceError
        A line is garbled, dates are not ascending; names file and line.

    Examples
    --------
    >>> parse_discharge(b"01022500 1980 01 01   395.00 A\n", "example")[1]
    array([395.])
    """
    if not content.strip():
        raise SourceError(f"{label} is empty.", _REMEDY_DOWNLOAD)
    table = _numbers(content, label, 0, width=6, used=[1, 2, 3, 4])
    time = _dates(table[:, 0], table[:, 1], table[:, 2], label=label, offset=0)
    return time, _without_missing(table[:, 3])


_REMEDY_DOWNLOAD = (
    "Download the file again, or leave this basin out with --skip-bad (it is then reported)."
)


def _header_number(line: bytes, index: int, label: str) -> float:
    try:
        return float(line)
    except ValueError as error:
        what = ("the latitude", "the elevation", "the area")[index]
        raise SourceError(
            f"{label}, line {index + 1}: {what} is {_shown(line)}, no number.", _REMEDY_DOWNLOAD
        ) from error


def _forcing_columns(line: bytes, label: str) -> list[str]:
    names = line.decode("latin-1").lower().split()
    expected = [*DATE_COLUMNS, *COLUMNS]
    if sorted(names) == sorted(expected) and names[:4] == DATE_COLUMNS:
        return names
    unknown = [n for n in names if n not in expected]
    missing = [n for n in expected if n not in names]
    raise SourceError(
        f"{label}, line 4: wrong columns (missing: {', '.join(missing) or 'none'}; "
        f"unknown: {', '.join(unknown) or 'none'}).",
        f"A CAMELS-US forcing file has the columns {' '.join(expected)}. {_REMEDY_DOWNLOAD}",
    )


def _numbers(
    body: bytes, label: str, offset: int, *, width: int, used: list[int] | None = None
) -> np.ndarray:
    """Parse lines of numbers (T, columns); on anything odd go through them one by one."""
    # one tab between two values parses in half the time; spaces in a row need the general way
    for content, separator in ((body.replace(b" ", b"\t"), "\t"), (body, r"\s+")):
        if separator == "\t" and b"  " in body[:200]:
            continue
        try:
            table = pd.read_csv(
                io.BytesIO(content), sep=separator, header=None, usecols=used, dtype="float64"
            ).to_numpy()
        except (ValueError, pd.errors.ParserError):
            continue
        if table.shape[1] == len(used or range(width)) and not np.isnan(table).any():
            return table
    _find_garbled_line(body, label, offset, width, used)
    raise SourceError(f"{label} cannot be parsed as lines of {width} values.", _REMEDY_DOWNLOAD)


def _find_garbled_line(
    body: bytes, label: str, offset: int, width: int, used: list[int] | None
) -> None:
    for number, line in enumerate(body.rstrip().split(b"\n"), start=offset + 1):
        fields = line.split()
        try:
            if len(fields) != width:
                raise ValueError
            for column in used or range(width):
                float(fields[column])
        except ValueError as error:
            raise SourceError(
                f"{label}, line {number} is garbled: {_shown(line)} instead of {width} values.",
                _REMEDY_DOWNLOAD,
            ) from error


def _dates(
    year: np.ndarray, month: np.ndarray, day: np.ndarray, *, label: str, offset: int
) -> np.ndarray:
    whole = [np.nan_to_num(part).astype("int64") for part in (year, month, day)]
    months = (whole[0] - 1970) * 12 + (whole[1] - 1)
    time = months.astype("datetime64[M]").astype("datetime64[D]") + (whole[2] - 1)
    valid = (
        (whole[0] > 1800)
        & (whole[0] < 2200)
        & (whole[1] >= 1)
        & (whole[1] <= 12)
        & (time.astype("datetime64[M]").astype("int64") == months)
        & (year == whole[0])
        & (month == whole[1])
        & (day == whole[2])
    )
    if not valid.all():
        at = int(np.argmin(valid))
        raise SourceError(
            f"{label}, line {at + offset + 1}: {year[at]:g}-{month[at]:g}-{day[at]:g} is no date.",
            _REMEDY_DOWNLOAD,
        )
    require_ascending(time, f"{label}, line", offset + 1, _REMEDY_DOWNLOAD)
    return time


def _without_missing(values: np.ndarray) -> np.ndarray:
    return np.where(values == MISSING, np.nan, values)


def _shown(line: bytes) -> str:
    return repr(line.decode("latin-1").strip()[:60])
