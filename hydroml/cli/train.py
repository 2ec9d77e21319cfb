"""``hydroml train``: from a store to a run directory."""

import sys
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
@click.option("--seed", "seeds", type=int, multiple=True, help="Several train one run each.")
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

    Ctrl-C saves and prints the line that resumes.
    """
    if resume is not None:
        _resume(context, resume)
        return
    overrides = {"model.name": model, "epochs": epochs, "device": device}
    given = {key: value for key, value in overrides.items() if value is not None}
    configs = [
        _config(preset, file, settings, given | ({} if seed is None else {"seed": seed}))
        for seed in (dict.fromkeys(seeds) or (None,))
    ]
    names = [
        name if name is None or len(configs) == 1 else f"{name}_seed{config.seed}"
        for config in configs
    ]
    _require_free(runs, names)
    if dry_run:
        _dry_run(configs, data, basins, allow_missing)
        return
    for config, label in zip(configs, names, strict=True):
        _train(config, data, basins, label, runs, allow_missing)


def _config(
    preset: str, file: Path | None, settings: tuple[str, ...], overrides: dict[str, Any]
) -> "TrainConfig":
    from hydroml.config import load_config

    return load_config(preset, file, settings, overrides)


def _require_free(runs: Path, names: list[str | None]) -> None:
    """Notice a taken name before the first of several runs is trained."""
    from hydroml import api

    for name in names:
        if name is not None:
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

    train_to_the_end(
        api.create_run(
            data, basins, config=config, name=name, runs=runs, allow_missing=allow_missing
        )
    )


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

    train_to_the_end(api.reopen_run(run))


def train_to_the_end(prepared: "PreparedRun") -> Path:
    """Train a run that was created, or go on with it; Ctrl-C says how to resume."""
    from hydroml.api import messages
    from hydroml.training.fit import Interrupted

    run = prepared.run.path
    click.echo(f"Run: {run}", err=True)
    for message in messages(prepared.dataset, prepared.assembly):
        click.echo(f"  {message}", err=True)
    try:
        prepared.fit()
    except Interrupted:
        click.echo(f"Stopped; all is saved. Go on with:\n  hydroml train --resume {run}", err=True)
        sys.exit(130)
    except KeyboardInterrupt:
        click.echo(
            "Stopped at once. Go on from the last checkpoint with:\n"
            f"  hydroml train --resume {run}",
            err=True,
        )
        sys.exit(130)
    click.echo(f"Trained: {run}\nNext: hydroml evaluate {run}")
    return run


def _dry_run(
    configs: list["TrainConfig"], data: Path | None, basins: str, allow_missing: bool
) -> None:
    from hydroml import api
    from hydroml.config import dump_config
    from hydroml.training.progress import as_clock

    assembly, cost, messages = api.plan(configs[0], data, basins, allow_missing)
    click.echo(dump_config(assembly.config))
    mib = 2**20
    for label, value in {
        "basins": f"{cost.basins}",
        "target days": f"{cost.targets:,}",
        "samples an epoch": f"{cost.samples:,}",
        "optimizer steps": f"{cost.steps:,}",
        "parameters": f"{cost.parameters:,}",
        "device": f"{assembly.samples.resident.x_d.device}",
        "series on the device": f"{cost.resident_bytes / mib:.0f} MiB",
        "a batch with its activations": f"about {cost.batch_bytes / mib:.0f} MiB",
        "training time": f"about {as_clock(cost.seconds)} (h:mm:ss or m:ss)"
        + (f" for each of {len(configs)} runs" if len(configs) > 1 else ""),
    }.items():
        click.echo(f"{label:<30}{value}")
    for message in messages:
        click.echo(message)
    click.echo("Dry run: nothing was trained or written.")
