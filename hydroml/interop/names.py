"""Names of variables in another package against those of a store, units included."""

import re
from collections.abc import Iterator, Mapping, Sequence

import xarray as xr

from hydroml.errors import StoreError, nearest

SYNONYMS = {"streamflow": "qobs"}
"""Discharge in Caravan's files, where the name within is not the store's."""

UNITS = {
    "mm/day": "mm d-1",
    "mm/d": "mm d-1",
    "w/m2": "W m-2",
    "c": "degC",
    "pa": "Pa",
    "mm": "mm",
    "s": "s",
}
"""Units as CAMELS writes them behind a name, in lower case, and in UDUNITS spelling."""

_NAME = re.compile(r"(?P<stem>[^()]+?)\s*\((?P<units>[^()]*)\)(?P<product>_\w+)?")


def match_names(
    dataset: xr.Dataset, names: Sequence[str], dims: tuple[str, ...], renames: Mapping[str, str]
) -> dict[str, str]:
    """Find the variables of a store that another package's names mean.

    A name is looked for as it is, then in lower case without its units, then without the
    forcing product where the store holds only that product.

    Parameters
    ----------
    dataset : xarray.Dataset
        An open store.
    names : sequence of str
        For example ``prcp(mm/day)``, ``QObs(mm/d)``, ``prcp(mm/day)_daymet``.
    dims : tuple of str
        ``("basin", "time")`` or ``("basin",)``.
    renames : mapping of str to str
        What the user says: their name to the store's.

    Returns
    -------
    dict of str to str
        Their names to the store's, in their order.

    Raises
    ------
    StoreError
        A name has no counterpart, two have the same one, or units differ.

    Examples
    --------
    >>> store = xr.Dataset({"prcp": (("basin", "time"), [[1.0]], {"units": "mm d-1"})})
    >>> match_names(store, ["PRCP(mm/day)"], ("basin", "time"), {})
    {'PRCP(mm/day)': 'prcp'}
    """
    known = [str(n) for n, v in dataset.data_vars.items() if set(v.dims) == set(dims)]
    found: dict[str, str] = {}
    for name in names:
        wanted = [renames[name]] if name in renames else list(_candidates(name, dataset))
        match = next((w for w in wanted if w in known), None)
        if match is None:
            raise StoreError(
                f"The run uses {name!r}, and the store has no such variable.",
                f"Say which it is with --rename '{name}=NAME'. {nearest(wanted[-1], known)}",
            )
        if match in found.values():
            twice = next(theirs for theirs, ours in found.items() if ours == match)
            raise StoreError(
                f"Both {twice!r} and {name!r} of the run mean {match!r} of the store.",
                f"Say which they are with --rename '{name}=NAME'.",
            )
        _require_units(name, dataset[match])
        found[name] = match
    return found


def _candidates(name: str, dataset: xr.Dataset) -> Iterator[str]:
    yield name
    parts = _NAME.fullmatch(name.strip())
    stem = parts["stem"].lower() if parts else name.lower()
    product = (parts["product"] or "").lower() if parts else ""
    yield SYNONYMS.get(stem, stem) + product
    only = f"_{dataset.attrs.get('forcing', '')}"
    if (stem + product).endswith(only):  # one product in the store: its names have no suffix
        yield (stem + product).removesuffix(only)


def _require_units(name: str, variable: xr.DataArray) -> None:
    parts = _NAME.fullmatch(name.strip())
    theirs = UNITS.get(parts["units"].lower()) if parts else None
    ours = variable.attrs.get("units")
    if theirs is not None and ours is not None and ours != theirs:
        raise StoreError(
            f"The run uses {name!r} [{theirs}], the store's {variable.name} is in [{ours}].",
            f"Prepare a store with that unit, or name another one with --rename '{name}=NAME'.",
        )
