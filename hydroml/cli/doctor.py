"""``hydroml doctor``: whether this machine is ready."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

PACKAGES = ("torch", "numpy", "xarray", "zarr", "dask", "pandas", "netCDF4", "basemap-data")


@click.command()
def doctor() -> None:
    """Show versions, devices, threads, and whether the default store can be read."""
    from hydroml.version import __version__

    click.echo(f"hydroml {__version__}, Python {platform.python_version()}, {platform.platform()}")
    for name in PACKAGES:
        click.echo(f"  {name:<14}{_version(name)}")
    _say_devices()
    _say_store()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _say_devices() -> None:
    import torch

    from hydroml.training.device import choose_device

    click.echo(f"Cores: {os.cpu_count()}; torch uses {torch.get_num_threads()} threads")
    click.echo(f"CUDA: {torch.cuda.get_device_name() if torch.cuda.is_available() else 'none'}")
    click.echo(f"--device auto means: {choose_device('auto')}")


def _say_store() -> None:
    from hydroml.data.store import open_store
    from hydroml.errors import StoreError

    path = Path(os.environ.get("HYDROML_DATA", "data/store.zarr"))
    try:
        dataset = open_store(path)
        kind = "SYNTHETIC" if dataset.attrs["synthetic"] else dataset.attrs["forcing"]
        click.echo(f"Store {path}: {dataset.sizes['basin']} basins ({kind})")
    except StoreError as error:
        click.echo(f"Default store: {error}")
