"""The ``hydroml`` command."""

import sys

import click

from hydroml.cli.adapt import adapt
from hydroml.cli.data import data
from hydroml.cli.demo import demo
from hydroml.cli.doctor import doctor
from hydroml.cli.donors import donors
from hydroml.cli.evaluate import evaluate
from hydroml.cli.explain import explain
from hydroml.cli.import_run import import_run
from hydroml.cli.models import models
from hydroml.cli.report import report
from hydroml.cli.sensitivity import sensitivity
from hydroml.cli.states import states
from hydroml.cli.toolkit import toolkit
from hydroml.cli.train import train
from hydroml.cli.weather import weather
from hydroml.cli.weeks import weeks
from hydroml.errors import HydromlError
from hydroml.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="hydroml")
def hydroml() -> None:
    """Regional LSTM and EA-LSTM streamflow forecasting on CAMELS.

    \b
    hydroml demo                                     synthetic data to one page of maps, in minutes
    hydroml data prepare CAMELS_FOLDER --out data/store.zarr
    hydroml train --basins 531 --model ealstm        -> runs/<name>/
    hydroml evaluate runs/<name>                     -> NSE per basin, map, hydrographs
    hydroml sensitivity runs/<name>                  -> floods and low flows in other climates
    hydroml report runs/<name>                       -> one page to send to somebody
    """


COMMANDS = (
    data, train, evaluate, sensitivity, explain, states, weeks, weather, donors, adapt, report,
    import_run, demo, models, toolkit, doctor,
)  # fmt: skip
for command in COMMANDS:
    hydroml.add_command(command)


def main() -> None:
    """Run the command line; a user's mistake ends in one message and exit code 1."""
    try:
        hydroml(standalone_mode=False)
    except HydromlError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None:
            raise
        click.echo(f"Error: {error.filename}: {error.strerror}.", err=True)
        click.echo("What to do: check that path and who may write there.", err=True)
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(130)
