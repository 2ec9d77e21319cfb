"""What an unfinished build is a build of, so that only the same build goes on."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from hydroml.atomic import atomic_path
from hydroml.errors import StoreError
from hydroml.version import __version__

PLAN = "plan.json"


def partial_of(store: Path | str) -> Path:
    """Return the folder of the unfinished build of a store.

    Examples
    --------
    >>> partial_of("data/store.zarr").name
    'store.zarr.partial'
    """
    path = Path(store)
    return path.with_name(path.name + ".partial")


def claim_partial(
    store: Path,
    identity: Mapping[str, object],
    gauges: Sequence[str],
    skip_bad: bool,
    *,
    overwrite: bool,
) -> Path:
    """Make the folder of an unfinished build, or take up the one of the same plan.

    Parameters
    ----------
    store : pathlib.Path
        The store to be.
    identity : mapping
        What the source is, from `Source.identity`.
    gauges : sequence of str
        The basins, in order.
    skip_bad : bool
        Whether bad files are left out.
    overwrite : bool
        Begin anew where the plan is another one.

    Returns
    -------
    pathlib.Path
        The folder ``STORE.partial``.

    Raises
    ------
    StoreError
        It holds an unfinished build of something else.
    """
    partial = partial_of(store)
    plan = {
        "plan": _hash([identity, list(gauges), skip_bad, __version__]),
        "dataset": identity.get("dataset"),
        "basins": len(gauges),
    }
    if partial.exists():
        found = _read_plan(partial)
        if found.get("plan") == plan["plan"]:
            _remove_leftovers(store)
            return partial
        if not overwrite:
            raise StoreError(
                f"{partial} holds an unfinished build of something else "
                f"({found.get('basins', '?')} basins of {found.get('dataset', 'unknown')}; "
                "other files, options or basins).",
                "Give the same source and options as then to continue it, or add --overwrite "
                "to begin anew.",
            )
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    with atomic_path(partial / PLAN) as scratch:
        scratch.write_text(json.dumps(plan, indent=1), encoding="utf-8")
    return partial


def _read_plan(partial: Path) -> dict[str, object]:
    try:
        found = json.loads((partial / PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _hash(plan: object) -> str:
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()


def _remove_leftovers(store: Path) -> None:
    """Remove what a killed process was writing: the folders of `atomic_path`, eight letters."""
    for leftover in store.parent.glob(f".{store.name}.????????"):
        shutil.rmtree(leftover, ignore_errors=True)
