"""The report page from Python."""

from collections.abc import Sequence
from pathlib import Path

from hydroml.api.opening import PathLike, subject_folder
from hydroml.report import html


def write_report(runs: PathLike | Sequence[PathLike], *, out: PathLike | None = None) -> Path:
    """Write one self-contained page about a run, or about several side by side.

    Parameters
    ----------
    runs : path-like or sequence of path-like
        Run directories, or folders of ensembles; evaluated, and best with a study of
        sensitivity.
    out : path-like, optional
        The page; by default ``<run>/report.html``, for several runs
        ``<runs>/ensemble_of_<n>_<hash of names>/report.html``.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    RunError
        No such run, or it has not been evaluated.
    """
    paths = [Path(runs)] if isinstance(runs, str | Path) else [Path(run) for run in runs]
    page = Path(out) if out is not None else subject_folder(paths) / "report.html"
    return html.write_report(paths, page)
