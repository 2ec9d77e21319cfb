"""``hydroml data``: from files to a store, and what is in one."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hydroml.cli.synth import synth
from hydroml.errors import StoreError

if TYPE_CHECKING:
    from hydroml.data.source import Source


@click.group()
def data() -> None:
    """Make a store from CAMELS-US, Caravan or own data, and look into one.

    \b
    hydroml data prepare CAMELS_FOLDER --out data/store.zarr
    hydroml data synth --out data/synthetic.zarr --basins 531
    hydroml data info data/store.zarr
    """


@data.command()
@click.argument("source", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The store to write.")
@click.option(
    "--dataset", help="camels-us, caravan or netcdf (own data). Default: found by looking."
)
@click.option(
    "--forcing",
    multiple=True,
    help="daymet, maurer, maurer_extended or nldas (CAMELS-US); give it several times for "
    "several products side by side. Default: daymet where it is there, else the one there is.",
)
@click.option(
    "--shift-forcing",
    "shift",
    type=int,
    default=0,
    metavar="DAYS",
    help="Date the forcing so many days later; -1, a day earlier, suits Daymet (docs/traps.md).",
)
@click.option("--discharge", help="Name of the discharge [mm d-1] in own data. Default: qobs.")
@click.option(
    "--basins", default="all", show_default=True, help="all, a number (531, 671), ids, or a file."
)
@click.option("--allow-missing", is_flag=True, help="Take those of --basins that are there.")
@click.option("--workers", type=int, help="Processes to read with. Default: one a core.")
@click.option(
    "--scheduler", help="Address of a Dask scheduler whose workers see the files, to read with."
)
@click.option("--skip-bad", is_flag=True, help="Leave out (and report) basins with bad files.")
@click.option("--overwrite", is_flag=True, help="Replace the store that is at --out.")
def prepare(
    source: tuple[Path, ...],
    out: Path,
    dataset: str | None,
    forcing: tuple[str, ...],
    shift: int,
    discharge: str | None,
    basins: str,
    allow_missing: bool,
    workers: int | None,
    scheduler: str | None,
    skip_bad: bool,
    overwrite: bool,
) -> None:
    """Turn the files at SOURCE into one store.

    SOURCE is the folder or the zip archives of CAMELS-US as they are downloaded (nothing has to
    be extracted), a Caravan folder, or a NetCDF file or Zarr folder with variables (basin,
    time). An interrupted run continues when the same command is given again.

    \b
    hydroml data prepare basin_timeseries_v1p2_metForcing_obsFlow.zip \
        camels_attributes_v2.0.zip --out data/store.zarr
    hydroml data prepare ~/camels --forcing daymet --forcing nldas --out data/two.zarr
    hydroml data prepare ~/Caravan --out data/caravan.zarr
    hydroml data prepare ~/camels --forcing daymet --shift-forcing -1 --out data/earlier.zarr
    hydroml data prepare ~/Caravan --out data/caravan.zarr --scheduler tcp://10.0.0.1:8786
    """
    import xarray as xr

    from hydroml.data.catalogue import open_source
    from hydroml.data.prepare import prepare_store
    from hydroml.data.shifted import ShiftedSource
    from hydroml.data.splits import select_basins
    from hydroml.progress import progress_bar

    opened = open_source(source, dataset, forcing=forcing, discharge=discharge)
    if shift:
        opened = ShiftedSource(opened, shift)
    _say_found(opened, detected=dataset is None)
    there = xr.Dataset(coords={"basin": opened.gauges()}, attrs={"synthetic": opened.synthetic})
    chosen = select_basins(basins, there, allow_missing=allow_missing)
    try:
        with progress_bar("Reading", len(chosen), "basins") as advance:
            prepare_store(
                opened,
                out,
                basins=chosen,
                workers=workers,
                scheduler=scheduler,
                skip_bad=skip_bad,
                overwrite=overwrite,
                on_progress=advance,
            )
    except KeyboardInterrupt:
        click.echo("Interrupted. The same command goes on where it stopped.", err=True)
        raise
    _show_report(out)
    click.echo(f"\nThe store: {out}\nNext: hydroml train --data {out}")


@data.command()
@click.argument("store", type=click.Path(path_type=Path))
def info(store: Path) -> None:
    """Say what is in STORE: provenance, period, variables, attributes, the data report.

    \b
    hydroml data info data/store.zarr
    """
    from hydroml.cli.data_tables import show_contents
    from hydroml.data.store import open_store

    show_contents(open_store(store))
    if (store / "report.json").is_file():
        _show_report(store)


@data.command()
@click.argument("store", type=click.Path(path_type=Path))
def check(store: Path) -> None:
    """Compare every file of STORE with its hash, and look through the data anew.

    \b
    hydroml data check data/store.zarr
    """
    from hydroml.cli.data_tables import show_report
    from hydroml.data.quality import check_store

    report = check_store(store)
    if damaged := report["damaged_files"]:
        raise StoreError(
            f"The store {store} is damaged: {len(damaged)} files have changed, first {damaged[0]}.",
            "Copy the store again, or make it anew with 'hydroml data prepare --overwrite'.",
        )
    click.echo(f"{store}: every file is as it was written.")
    show_report(report)


def _say_found(source: "Source", *, detected: bool) -> None:
    others = [p for p in getattr(source, "available", ()) if p not in source.forcing.split("+")]
    also = f" (also there: {', '.join(others)}; see --forcing)" if others else ""
    click.echo(
        f"{source.title}{' (detected)' if detected else ''}: {len(source.gauges())} basins in "
        f"{source.location}, forcing {source.forcing}{also}"
        f"{'; SYNTHETIC data' if source.synthetic else ''}."
    )
    if not getattr(source, "attribute_files", True):
        click.echo(
            "Note: no attribute files are there; models that use attributes cannot be trained. "
            "Give them as a further SOURCE (camels_attributes_v2.0.zip)."
        )


def _show_report(store: Path) -> None:
    import json

    from hydroml.cli.data_tables import show_report

    show_report(json.loads((store / "report.json").read_text(encoding="utf-8")))


data.add_command(synth)
