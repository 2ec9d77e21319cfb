"""``hydroml models``: what can be trained, and how."""

import click


@click.command()
def models() -> None:
    """List models and presets."""
    from hydroml.config import presets

    click.echo("Models (--model):")
    for name, text in {
        "ealstm": "entity-aware LSTM: attributes set the input gate (Kratzert et al. 2019)",
        "lstm": "LSTM, attributes joined to the forcing of every day",
        "lstm-nostatic": "LSTM without attributes",
    }.items():
        click.echo(f"  {name:<16}{text}")
    click.echo("\nPresets (--preset):")
    for name, text in presets().items():
        click.echo(f"  {name:<16}{text}")
    click.echo("\nSee every setting with: hydroml train --preset NAME --dry-run")
