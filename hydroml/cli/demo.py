"""``hydroml demo``: synthetic data to one page of maps in one go."""

from pathlib import Path

import click


@click.command()
@click.option("--out", default="demo", show_default=True, type=click.Path(path_type=Path))
@click.option("--basins", default=531, show_default=True, type=int, help="Synthetic basins.")
@click.option("--epochs", default=8, show_default=True, type=int, help="Preset quick has 12.")
@click.option("--seed", default=0, show_default=True, type=int)
def demo(out: Path, basins: int, epochs: int, seed: int) -> None:
    """Make synthetic basins, train, evaluate, change the climate, report: all in minutes.

    The data is SYNTHETIC (a conceptual model under generated weather), so that nothing has to
    be downloaded; every file and figure says so.

    \b
    hydroml demo
    hydroml demo --out /tmp/demo --basins 50
    """
    from hydroml import api
    from hydroml.cli.evaluate import print_scores
    from hydroml.cli.sensitivity import print_response
    from hydroml.cli.train import train_to_the_end
    from hydroml.config import load_config

    config = load_config("quick", overrides={"seed": seed, "epochs": epochs})
    store = out / f"synthetic_{basins}_seed{seed}.zarr"
    if not store.exists():
        click.echo(f"1/5  {basins} synthetic basins, 20 years -> {store}", err=True)
        api.synthesise(store, basins=basins, seed=seed)
    click.echo(f"2/5  training an EA-LSTM (preset quick, {epochs} epochs)", err=True)
    run = train_to_the_end(api.create_run(store, "all", config=config, runs=out / "runs"))
    click.echo("3/5  evaluating on years it has not seen", err=True)
    table, folder = api.evaluate_into(run)
    print_scores(table, folder)
    click.echo("4/5  floods and low flows in other climates, beside the known truth", err=True)
    study = api.analyse_sensitivity_into(run, SCENARIOS, gradients=True, truth="standard")
    print_response(study)
    click.echo("5/5  one page about all of it", err=True)
    page = api.write_report(run)
    click.echo(
        f"\nOpen {page} in a browser. With real CAMELS:\n"
        "  hydroml data prepare CAMELS_FOLDER --out data/store.zarr\n"
        "  hydroml train --basins 531 --name first\n"
        "  hydroml evaluate runs/first\n"
        "  hydroml sensitivity runs/first\n"
        "  hydroml report runs/first"
    )


SCENARIOS = ("grid", "storms")
"""What the demo asks: enough for every map, without the seasons."""
