"""Write a synthetic store of any size in bounded memory."""

from collections.abc import Hashable
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import dask.array as da
import xarray as xr
import zarr

from hydroml.atomic import naming_full_disk
from hydroml.data.store import BASINS_PER_CHUNK, dynamic_variables, is_store, write_store
from hydroml.data.synthetic.generate import draw_blocks
from hydroml.errors import StoreError
from hydroml.progress import Advance, silent


def write_synthetic(
    out: Path | str,
    basins: int = 531,
    years: int = 20,
    seed: int = 0,
    *,
    end: str = "2008-12-31",
    on_progress: Advance = silent,
) -> Path:
    """Draw a synthetic CAMELS block by block and write it as a store.

    The store is that of ``write_store(generate(...), out)``, byte for byte. What is drawn waits
    beside `out`, compressed, until all is: the disk has to hold it twice for a while.

    Parameters
    ----------
    out : path-like
        The store's folder; replaced if it is already a store.
    basins, years, seed, end
        See `generate`.
    on_progress : callable
        Called with the number of basins drawn since the last call.

    Returns
    -------
    pathlib.Path
        `out`.

    Raises
    ------
    ConfigError
        A number is out of range.
    StoreError
        `out` holds something that is not a store.
    HydromlError
        The disk is full.

    Examples
    --------
    >>> import tempfile
    >>> from hydroml.data.store import open_store
    >>> store = write_synthetic(tempfile.mkdtemp() + "/s.zarr", basins=2, years=1)
    >>> open_store(store).sizes["basin"]
    2
    """
    target = Path(out)
    if target.exists() and not is_store(target):
        raise StoreError(
            f"{target} exists and is not a hydroml store; it is left as it was.",
            "Choose another --out, or remove it yourself.",
        )
    blocks = draw_blocks(basins, years, seed, end=end)
    first = [next(blocks)]  # refuses bad numbers before anything is written
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        naming_full_disk(target),
        TemporaryDirectory(".unfinished", f".{target.name}.", target.parent) as scratch,
    ):
        waiting = _Waiting(Path(scratch), basins)
        for _, block in chain(first, blocks):
            first.clear()  # it is large
            waiting.add(block)
            on_progress(block.sizes["basin"])
        return write_store(waiting.dataset(), target)


class _Waiting:
    """Blocks that wait on disk; what is one value a basin waits in memory."""

    def __init__(self, folder: Path, basins: int) -> None:
        self._group = zarr.open_group(folder / "drawn.zarr", mode="w", zarr_format=3)
        self._arrays: dict[str, zarr.Array] = {}
        self._basins, self._done = basins, 0
        self._small: list[xr.Dataset] = []
        self._attributes: dict[str, dict[Hashable, object]] = {}

    def add(self, block: xr.Dataset) -> None:
        part = slice(self._done, self._done + block.sizes["basin"])
        self._done = part.stop
        for name in dynamic_variables(block):
            values = block[name].to_numpy()
            if name not in self._arrays:
                self._attributes[name] = block[name].attrs
                shape = (self._basins, values.shape[1])
                chunks = (BASINS_PER_CHUNK, shape[1])
                self._arrays[name] = self._group.create_array(
                    name, shape=shape, chunks=chunks, dtype=values.dtype
                )
            self._arrays[name][part] = values
        self._small.append(block.drop_vars(dynamic_variables(block)))

    def dataset(self) -> xr.Dataset:
        """All blocks, the large variables lazily."""
        small = xr.concat(
            self._small, "basin", data_vars="all", coords="minimal", compat="override",
            join="override", combine_attrs="override",
        )  # fmt: skip
        large = {
            name: (("basin", "time"), da.from_zarr(array), self._attributes[name])
            for name, array in self._arrays.items()
        }
        return small.assign(large)
