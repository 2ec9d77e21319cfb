"""``hydroml train``: from a store to a run directory."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from hydroml.errors import ConfigError

if TYPE_CHECKING:
    from hydroml.api import PreparedRun
    from hydroml.config import TrainConfig


@click.command()
@click.option(
    "--basins",
    default="all",
    show_default=True,
    help="all, a number (531 and 671 are the CAMELS-US sets), a file, or ids with commas.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="The store. Default: $HYDROML_DATA, then data/store.zarr.",
)
@click.option("--model", help="ealstm, lstm or lstm-nostatic. Default: the preset's.")
@click.option("--preset", default="default", show_default=True, help="See 'hydroml models'.")
@click.option("--config", "file", type=click.Path(path_type=Path), help="YAML over the preset.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change one setting.")
@click.option("--epochs", type=int, help="Passes over the training period.")
@click.option(
    "--seed", "seeds", type=int, multiple=True, help="Several train side by side, as one ensemble."
)
@click.option("--device", help="auto, cpu, cuda or mps. Default: the best there is.")
@click.option("--name", help="Name of the run. Default: <date>_<model>_<basins>_seed<seed>.")
@click.option(
    "--runs", default="runs", show_default=True, type=click.Path(path_type=Path), help="Folder."
)
@click.option(
    "--allow-missing", is_flag=True, help="Leave out basins not there, or without an attribute."
)
@click.option("--dry-run", is_flag=True, help="Say what would be done and how long, and stop.")
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with an interrupted run.")
@click.pass_context
def train(
    context: click.Context,
    basins: str,
    data: Path | None,
    model: str | None,
    preset: str,
    file: Path | None,
    settings: tuple[str, ...],
    epochs: int | None,
    seeds: tuple[int, ...],
    device: str | None,
    name: str | None,
    runs: Path,
    allow_missing: bool,
    dry_run: bool,
    resume: Path | None,
) -> None:
    """Train a regional model on a store; writes runs/<name>/.

    \b
    hydroml train --basins 531 --data data/store.zarr
    hydroml train --basins 531 --preset kratzert2019 --seed 111 --seed 222
    hydroml train --preset quick --model lstm --set model.hidden=96
    hydroml train --set data.train=1990-10-01..2000-09-30 --set data.test=2000-10-01..2010-09-30
    hydroml train --resume runs/2026-01-31_ealstm_531_seed0
    torchrun --nproc-per-node 4 -m hydroml train --basins 531

    Ctrl-C saves and prints the line that resumes.
    """
    if resume is not None:
        _resume(context, resume)
        return
    overrides = {"model.name": model, "epochs": epochs, "device": device}
    given: dict[str, Any] = {key: value for key, value in overrides.items() if value is not None}
    if seeds:
        given["seed"] = seeds[0] if len(seeds) == 1 else tuple(dict.fromkeys(seeds))
    config = _config(preset, file, settings, given)
    if name is not None:
        _require_free(runs, name)
    if dry_run:
        _dry_run(config, data, basins, allow_missing)
        return
    _train(config, data, basins, name, runs, allow_missing)


def _config(
    preset: str, file: Path | None, settings: tuple[str, ...], overrides: dict[str, Any]
) -> "TrainConfig":
    from hydroml.config import load_config

    return load_config(preset, file, settings, overrides)


def _require_free(runs: Path, name: str) -> None:
    from hydroml import api

    api.require_free(runs, name)


def _train(
    config: "TrainConfig",
    data: Path | None,
    basins: str,
    name: str | None,
    runs: Path,
    allow_missing: bool,
) -> None:
    from hydroml import api

    with api.started_processes(config.device) as processes:
        prepared = api.create_run(
            data,
            basins,
            config=config,
            name=name,
            runs=runs,
            allow_missing=allow_missing,
            processes=processes,
        )
        train_to_the_end(prepared)


def _resume(context: click.Context, run: Path) -> None:
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name not in (None, "resume")
        and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    ]
    if given:
        raise ConfigError(
            f"--resume goes on with the run's own configuration; {', '.join(given)} cannot "
            "change it.",
            "Leave the other options out, or start a new run.",
        )
    from hydroml import api

    with api.started_processes(api.device_of(run)) as processes:
        train_to_the_end(api.reopen_run(run, processes))


def train_to_the_end(prepared: "PreparedRun") -> Path:
    """Train a run that was created, or go on with it; Ctrl-C says how to resume."""
    from hydroml.api import messages
    from hydroml.training.fit import Interrupted

    run, say = prepared.run.path, _speaker(prepared)
    say(f"Run: {run}", err=True)
    for message in messages(prepared.dataset, prepared.assembly):
        say(f"  {message}", err=True)
    try:
        prepared.fit()
    except Interrupted:
        say(f"Stopped; all is saved. Go on with:\n  hydroml train --resume {run}", err=True)
        sys.exit(130)
    except KeyboardInterrupt:
        say(
            "Stopped at once. Go on from the last checkpoint with:\n"
            f"  hydroml train --resume {run}",
            err=True,
        )
        sys.exit(130)
    say(f"Trained: {run}\nNext: hydroml evaluate {run}")
    return run


def _speaker(prepared: "PreparedRun") -> Callable[..., None]:
    """Of several processes the first one speaks."""
    return click.echo if prepared.processes.first else lambda *text, **options: None


def _dry_run(config: "TrainConfig", data: Path | None, basins: str, allow_missing: bool) -> None:
    from hydroml import api
    from hydroml.config import dump_config
    from hydroml.training.progress import as_clock

    assembly, cost, messages = api.plan(config, data, basins, allow_missing)
    click.echo(dump_config(assembly.config))
    mib = 2**20
    for label, value in {
        "basins": f"{cost.basins}",
        "target days": f"{cost.targets:,}",
        "samples an epoch": f"{cost.samples:,}",
        "optimizer steps": f"{cost.steps:,}",
        "parameters": f"{cost.parameters:,}",
        "members": f"{len(config.seed)}",
        "device": assembly.samples.inventory.place,
        "a batch with its activations": f"about {cost.batch_bytes / mib:.0f} MiB",
        "training time": f"about {as_clock(cost.seconds)} (h:mm:ss or m:ss)",
    }.items():
        click.echo(f"{label:<30}{value}")
    for message in messages:
        click.echo(message)
    click.echo("Dry run: nothing was trained or written.")
