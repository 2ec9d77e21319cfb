"""Named errors: each says what is wrong, where, and what to do about it."""

from collections.abc import Iterable
from difflib import get_close_matches


class HydromlError(Exception):
    """An error a user can mend.

    The command line prints it without a traceback and ends with exit code 1.

    Parameters
    ----------
    message : str
        What is wrong and where, with the offending value.
    remedy : str
        What to do about it.

    Examples
    --------
    >>> print(HydromlError("a.nc holds no variable 'prcp'.", "Add it."))
    a.nc holds no variable 'prcp'.
    What to do: Add it.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\nWhat to do: {self.remedy}" if self.remedy else self.message


class SourceError(HydromlError):
    """Input data (archive, folder or file) that cannot be read as what it should be."""


class StoreError(HydromlError):
    """A store that is missing, incomplete, damaged or without what was asked of it."""


class ConfigError(HydromlError):
    """A setting that is unknown or out of range."""


class RunError(HydromlError):
    """A run directory that is missing, incomplete or does not fit the request."""


class TrainingError(HydromlError):
    """Training that cannot start or cannot go on."""


class DeviceError(HydromlError):
    """A device that was asked for and is not there."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the known name nearest to a mistyped one.

    Parameters
    ----------
    name : str
        What was asked for.
    known : iterable of str
        What there is.

    Returns
    -------
    str
        ``"Did you mean 'x'?"`` or, without a near match, the (first 20) known names.

    Examples
    --------
    >>> nearest("ealstmm", ["lstm", "ealstm"])
    "Did you mean 'ealstm'?"
    >>> nearest("42", ["lstm", "ealstm"])
    'Known: ealstm, lstm.'
    """
    options = sorted(known)
    match = get_close_matches(name, options, n=1)
    if match:
        return f"Did you mean {match[0]!r}?"
    shown = ", ".join(options[:20])
    return f"Known: {shown}{', ...' if len(options) > 20 else ''}."
