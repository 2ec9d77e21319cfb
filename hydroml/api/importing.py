"""Runs of other packages from Python."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hydroml.api.opening import PathLike
from hydroml.api.training import default_store, require_free
from hydroml.data.series import with_attributes
from hydroml.data.splits import select_basins
from hydroml.data.store import open_store
from hydroml.errors import ConfigError, nearest
from hydroml.interop.adopt import adopt
from hydroml.interop.foreign import ForeignRun
from hydroml.interop.kratzert2019 import read_kratzert2019
from hydroml.interop.names import match_names
from hydroml.interop.neuralhydrology import read_neuralhydrology

READERS: dict[str, Callable[[PathLike, int | None], ForeignRun]] = {
    "kratzert2019": read_kratzert2019,
    "neuralhydrology": read_neuralhydrology,
}
"""Readers by the name of what they read."""


def import_run(
    origin: str,
    folder: PathLike,
    *,
    data: PathLike | None = None,
    basins: str | Sequence[str] | None = None,
    name: str | None = None,
    runs: PathLike = "runs",
    epoch: int | None = None,
    renames: Mapping[str, str] | None = None,
    allow_missing: bool = False,
) -> Path:
    """Turn a run of another package into a run directory.

    Parameters
    ----------
    origin : str
        A key of `READERS`.
    folder : path-like
        The other package's run.
    data : path-like, optional
        Store with the data the run was trained on; see `hydroml.api.default_store`.
    basins : str or sequence of str, optional
        Basins an evaluation scores by default, ``all``, a number, a file, ids with commas, or a
        list of ids; by default those the run was trained on, where it says.
    name : str, optional
        Name of the new run, by default that of `folder`.
    runs : path-like
        Folder of runs.
    epoch : int, optional
        By default the last one whose weights are there.
    renames : mapping of str to str, optional
        The run's names of variables to the store's, where they do not match by themselves.
    allow_missing : bool
        Leave out basins that are not in the store, or lack an attribute.

    Returns
    -------
    pathlib.Path
        The run directory, for `hydroml.evaluate`, `analyse_sensitivity` and `write_report`.

    Raises
    ------
    HydromlError
        What cannot be imported, by name, with the remedy.
    """
    if origin not in READERS:
        raise ConfigError(f"Unknown package {origin!r}.", nearest(origin, READERS))
    path = Path(folder)
    target = require_free(Path(runs), name if name is not None else path.resolve().name)
    foreign = READERS[origin](path, epoch)
    store = Path(data) if data is not None else default_store()
    dataset = open_store(store)
    chosen = select_basins(_basins(basins, foreign), dataset, allow_missing=allow_missing)
    if allow_missing:
        wanted = match_names(dataset, foreign.scaler.static, ("basin",), renames or {})
        chosen = with_attributes(dataset, chosen, list(wanted.values()))
    return adopt(foreign, dataset, store, chosen, target, renames or {}).path


def _basins(asked: str | Sequence[str] | None, foreign: ForeignRun) -> str | Sequence[str]:
    if asked is not None:
        return asked
    if not foreign.basins:
        raise ConfigError(
            "The run does not say on which basins it was trained, or their file is not there.",
            "Say which with --basins: a file, ids with commas, a number, or 'all'.",
        )
    return foreign.basins
