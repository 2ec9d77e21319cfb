"""``hydroml import``: runs of other packages as runs of hydroml."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hydroml.errors import ConfigError

Command = Callable[..., None]


def _options(command: Command) -> Command:
    options = (
        click.argument("folder", type=click.Path(path_type=Path)),
        click.option("--data", type=click.Path(path_type=Path), help="Store to evaluate it on."),
        click.option(
            "--basins",
            help="all, a number, a file, or ids with commas; default: those it was trained on.",
        ),
        click.option("--name", help="Name of the new run; default: that of the folder."),
        click.option(
            "--runs",
            default="runs",
            show_default=True,
            type=click.Path(path_type=Path),
            help="Folder of runs.",
        ),
        click.option("--epoch", type=int, help="Weights of this epoch; default: the last one."),
        click.option(
            "--rename",
            multiple=True,
            metavar="THEIRS=OURS",
            help="A variable whose name in the store is another one; may be repeated.",
        ),
        click.option(
            "--allow-missing",
            is_flag=True,
            help="Leave out basins not there, or without an attribute.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group(name="import")
def import_run() -> None:
    """Read runs of other packages, to evaluate them and study their sensitivity."""


@import_run.command()
@_options
def neuralhydrology(folder: Path, **options: Any) -> None:
    """Import the neuralhydrology run in FOLDER: cudalstm or ealstm, one regression head.

    Simulations equal that package's, with --mode windowed day by day. Nothing in the folder is
    executed.

    \b
    hydroml import neuralhydrology runs/my_run_0102_030405 --data data/store.zarr
    hydroml evaluate runs/my_run_0102_030405 --mode windowed --flavour neuralhydrology
    """
    _import("neuralhydrology", folder, **options)


@import_run.command()
@_options
def kratzert2019(folder: Path, **options: Any) -> None:
    """Import a run of the code published with Kratzert et al. (2019), or its published weights.

    FOLDER holds cfg.json, model_epoch30.pt and attributes.db. The weights belong to the
    extended Maurer forcing: build the store with --forcing maurer_extended.

    \b
    hydroml import kratzert2019 run_1906_1004_seed111 --data data/store.zarr
    hydroml evaluate runs/run_1906_1004_seed111 --mode windowed
    """
    _import("kratzert2019", folder, **options)


def _import(origin: str, folder: Path, rename: tuple[str, ...], **options: Any) -> None:
    from hydroml.api.importing import import_run as run_import

    run = run_import(origin, folder, renames=_pairs(rename), **options)
    for line in (run / "log.txt").read_text(encoding="utf-8").splitlines():
        click.echo(line.split("  ", 1)[1], err=True)
    click.echo(f"Imported: {run}\nNext: hydroml evaluate {run} --mode windowed")


def _pairs(rename: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for pair in rename:
        theirs, equals, ours = pair.rpartition("=")
        if not (equals and theirs and ours):
            raise ConfigError(
                f"--rename {pair!r} is no pair.", "Write --rename 'prcp(mm/day)=prcp'."
            )
        found[theirs] = ours
    return found
