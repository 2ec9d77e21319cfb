"""Which attributes compare basins, and their standardised values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hydroml.data.inputs import SIGNATURES, choose_static
from hydroml.data.store import static_attributes
from hydroml.errors import ConfigError, StoreError, nearest
from hydroml.units import STATIC_REFERENCE

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AttributeTable:
    """Numeric attributes of some basins.

    Parameters
    ----------
    basins : tuple of str
        Gauge ids, B.
    names : tuple of str
        Attributes, S.
    values : ndarray (B, S)
        As in the store.
    left_out : tuple of str
        Categorical attributes of the store: they have no distance.
    """

    basins: tuple[str, ...]
    names: tuple[str, ...]
    values: Floats
    left_out: tuple[str, ...]

    def standardised(self, gauged: Sequence[str]) -> Floats:
        """Values less the mean of the gauged basins, over their standard deviation (ddof 0).

        An attribute that is the same in all gauged basins tells none from another: it is 0.
        """
        rows = self.values[[self.basins.index(b) for b in gauged]]
        spread = rows.std(axis=0)
        # a column of one number repeated has a spread of rounding, not of zero
        varies = spread > 1e-12 * np.abs(rows).max(axis=0)
        return np.where(varies, (self.values - rows.mean(axis=0)) / np.where(varies, spread, 1), 0)


def attribute_table(
    dataset: xr.Dataset, basins: Sequence[str], names: str | Sequence[str] = "auto"
) -> AttributeTable:
    """Read the attributes that compare basins.

    Parameters
    ----------
    dataset : xarray.Dataset
        An open store.
    basins : sequence of str
        Gauge ids of the store.
    names : str or sequence of str
        ``auto``: the 27 of the reference experiment, or else all numeric ones that are neither
        coordinates nor computed from discharge.

    Raises
    ------
    ConfigError
        An attribute that is categorical or computed from discharge is asked for by name.
    StoreError
        The store has no such attribute, or a basin lacks its value.

    Examples
    --------
    >>> store = xr.Dataset(
    ...     {"slope_mean": ("basin", [1.0, 3.0]), "dom_land_cover": ("basin", ["a", "b"])},
    ...     coords={"basin": ["01", "02"]},
    ... )
    >>> table = attribute_table(store, ["01", "02"])
    >>> table.names, table.left_out, table.standardised(["01", "02"]).tolist()
    (('slope_mean',), ('dom_land_cover',), [[-1.0], [1.0]])
    """
    numeric = static_attributes(dataset)
    categorical = [n for n in static_attributes(dataset, numeric_only=False) if n not in numeric]
    chosen = choose_static(dataset.sel(basin=list(basins)), names, STATIC_REFERENCE)
    if not chosen:
        raise StoreError(
            "The store has no numeric attribute by which to compare basins.",
            "Prepare it with attribute files, or name attributes with --attributes.",
        )
    for name in chosen:
        _refuse_unfit(name, numeric, categorical)
    values = np.stack([dataset[n].sel(basin=list(basins)).values for n in chosen], axis=1)
    _refuse_missing(values, basins, chosen)
    told = tuple(n for n in categorical if not n.startswith("gauge_"))
    return AttributeTable(tuple(basins), tuple(chosen), values.astype(np.float64), told)


def _refuse_unfit(name: str, numeric: Sequence[str], categorical: Sequence[str]) -> None:
    if name in categorical:
        raise ConfigError(
            f"The attribute {name!r} is categorical: classes have no distance.",
            f"Leave it out; numeric ones: {', '.join(sorted(numeric)[:10])}, ...",
        )
    if name in SIGNATURES:
        raise ConfigError(
            f"The attribute {name!r} is computed from discharge, which a basin without flow "
            "does not have.",
            "Leave it out: donors are compared by it, not found.",
        )
    if name not in numeric:
        raise StoreError(f"The store has no attribute {name!r}.", nearest(name, numeric))


def _refuse_missing(values: NDArray, basins: Sequence[str], names: Sequence[str]) -> None:
    missing = ~np.isfinite(values)
    if missing.any():
        b, s = (int(i) for i in np.argwhere(missing)[0])
        lacking = sorted({str(names[i]) for i in np.flatnonzero(missing.any(axis=0)).tolist()})
        raise StoreError(
            f"Attribute {names[s]!r} of basin {basins[b]} is missing "
            f"({int(missing.any(axis=1).sum())} of {len(basins)} basins lack one).",
            f"Leave out {', '.join(lacking[:5])} with --attributes, or such basins with "
            "--candidates.",
        )
