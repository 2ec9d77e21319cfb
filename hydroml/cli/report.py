"""``hydroml report``: one page about a run, to send to somebody else."""

from pathlib import Path

import click


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="File to write; ends in .html.")
def report(runs: tuple[Path, ...], out: Path | None) -> None:
    """Write one self-contained HTML page about RUNS: scores, maps, hydrographs, sensitivity.

    The page needs no network and no server. Several runs are shown side by side; the folder of
    an ensemble, as 'hydroml evaluate' makes it, is a run, too.

    \b
    hydroml report runs/first
    hydroml report runs/ealstm runs/lstm --out comparison.html
    """
    from hydroml import api

    page = api.write_report(runs, out=out)
    click.echo(f"Written to {page} ({page.stat().st_size / 1e6:.1f} MB). Open it in a browser.")
