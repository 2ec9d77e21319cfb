"""Several runs as one ensemble: what they must share, and where their results come from."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import xarray as xr

from hydroml.errors import RunError
from hydroml.training.rundir import RunDirectory
from hydroml.version import __version__


def require_ensemble(runs: Sequence[RunDirectory]) -> None:
    """Refuse runs that cannot be members of one ensemble.

    Raises
    ------
    RunError
        Two runs have the same name, or other targets.
    """
    names = [run.path.name for run in runs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RunError(
            f"Two runs of the ensemble are called {twice!r}.",
            "Give each run once; rename the folder of one if they differ.",
        )
    targets = {run.config().data.target: run.path for run in runs}
    if len(targets) > 1:
        what = " and ".join(f"{path} ({target})" for target, path in targets.items())
        raise RunError(f"The runs have different targets: {what}.", "Evaluate them one by one.")


def provenance(runs: Sequence[RunDirectory], dataset: xr.Dataset) -> dict[str, str]:
    """Tell from which runs and data a result comes, as attributes of its file.

    Parameters
    ----------
    runs : sequence of RunDirectory
        One run, or the members of an ensemble.
    dataset : xarray.Dataset
        The store.

    Returns
    -------
    dict of str
        ``run``, ``synthetic`` (true where the store or the training data is), ``store_source``
        and ``store_fingerprint``.
    """
    synthetic = bool(dataset.attrs.get("synthetic")) or any(r.facts().synthetic for r in runs)
    return {
        "run": ", ".join(run.path.name for run in runs),
        "synthetic": "true" if synthetic else "false",
        "store_source": str(dataset.attrs.get("source", "")),
        "store_fingerprint": str(dataset.attrs.get("fingerprint", "")),
    }


def result_header(
    runs: Sequence[RunDirectory], dataset: xr.Dataset, title: str, done: str
) -> dict[str, str]:
    """Attributes that head the file of any result: what it is, of what, made when and by what.

    Parameters
    ----------
    runs : sequence of RunDirectory
        One run, or the members of an ensemble.
    dataset : xarray.Dataset
        The store.
    title : str
        What the file holds; data that is synthetic is said to be.
    done : str
        What was done, in the past tense, for example ``simulated``.

    Returns
    -------
    dict of str
        ``Conventions``, ``title``, ``source``, ``history`` and those of `provenance`.
    """
    told = provenance(runs, dataset)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {
        "Conventions": "CF-1.11",
        "title": title + (" (SYNTHETIC DATA)" if told["synthetic"] == "true" else ""),
        "source": f"hydroml {__version__}: {runs[0].config().model.name}",
        "history": f"{now} {done} by hydroml {__version__}",
        **told,
    }


def mark_of(runs: Sequence[RunDirectory], dataset: xr.Dataset, request: Sequence[str]) -> str:
    """Hash all that a result depends on: other weights, data or request, other mark.

    Parameters
    ----------
    runs : sequence of RunDirectory
        One run, or the members of an ensemble.
    dataset : xarray.Dataset
        The store.
    request : sequence of str
        What is asked, in any words that tell one request from another.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    known = [__version__, str(dataset.attrs.get("fingerprint", "")), *request]
    digest = hashlib.sha256("\n".join(known).encode())
    for run in runs:
        digest.update(run.path.name.encode())
        digest.update(run.last_weights().read_bytes())
    return digest.hexdigest()[:16]
