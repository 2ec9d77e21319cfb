"""``hydroml data synth``: a synthetic CAMELS with a known truth."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hydroml.errors import ConfigError

if TYPE_CHECKING:
    import xarray as xr


@click.command()
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The store to write.")
@click.option("--basins", default=531, show_default=True, help="How many basins.")
@click.option("--years", default=20, show_default=True, help="How many years, to 2008-12-31.")
@click.option("--seed", default=0, show_default=True, help="The same seed draws the same data.")
@click.option(
    "--native",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write the text files of CAMELS-US into this folder.",
)
@click.option("--overwrite", is_flag=True, help="Replace the store that is at --out.")
def synth(
    out: Path, basins: int, years: int, seed: int, native: Path | None, overwrite: bool
) -> None:
    """Draw synthetic basins with weather, attributes and discharge.

    The basins lie at plausible places in the United States and resemble CAMELS, but none of
    them exists. Their discharge comes from a conceptual snow, soil and groundwater model whose
    parameters and noise-free discharge are kept in the store as the truth.

    \b
    hydroml data synth --out data/store.zarr
    hydroml data synth --out data/small.zarr --basins 20 --years 12 --seed 1
    hydroml data synth --out data/store.zarr --native data/native --overwrite

    Memory is bounded, whatever the number of basins.
    """
    if out.exists() and not overwrite:
        raise ConfigError(
            f"{out} exists already.", "Choose another --out, or add --overwrite to replace it."
        )
    from hydroml.data.store import open_store
    from hydroml.data.synthetic import write_native, write_synthetic
    from hydroml.progress import progress_bar

    with progress_bar("Drawing basins", total=basins, unit="basins") as advance:
        write_synthetic(out, basins, years, seed, on_progress=advance)
    dataset = open_store(out)
    if native is not None:
        with progress_bar("Writing text files", total=basins, unit="basins") as advance:
            write_native(dataset, native, on_progress=advance)
    _say_what_is_there(dataset, out, native)


def _say_what_is_there(dataset: "xr.Dataset", out: Path, native: Path | None) -> None:
    first, last = (str(dataset["time"].values[i])[:10] for i in (0, -1))
    rain, flow = (float(dataset[n].load().median()) for n in ("p_mean", "q_mean"))
    click.echo(
        f"{out}: {dataset.sizes['basin']} synthetic basins, {first} to {last}"
        f"{f'; as text in {native}' if native is not None else ''}."
    )
    click.echo(f"Median precipitation {rain:.1f} mm d-1, median discharge {flow:.1f} mm d-1.")
    click.echo(f"Next: hydroml train --data {out}")
