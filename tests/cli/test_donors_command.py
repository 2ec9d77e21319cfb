"""``hydroml donors``: what it prints and writes."""

import pandas as pd
import pytest

from hydroml.data.store import write_store
from tests.regionalisation.donor_stores import two_kinds


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(two_kinds(), tmp_path_factory.mktemp("stores") / "two.zarr")


def test_it_prints_and_writes_the_donors(command, store, tmp_path):
    code, out, err = command("donors", store, "--basin", "slow1", "--out", tmp_path)
    assert code == 0, err
    table = pd.read_csv(tmp_path / "slow1_hopfield-both.csv", dtype={"gauge_id": str})
    assert table["weight"].sum() == pytest.approx(1)
    assert table["gauge_id"][0].startswith("slow")
    assert f"{table['weight'][0]:.3f}" in out
    assert "11 candidates" in out
    assert "Categorical, and so left out: dom_land_cover." in out
    assert "The basin has flow after all: the donors' mix has NSE" in out
    assert (tmp_path / "slow1_hopfield-both.png").stat().st_size > 20_000


def test_options_are_heeded(command, store, tmp_path):
    candidates = tmp_path / "gauged.txt"
    candidates.write_text("slow2\nslow3\nfast0\nfast1\n")
    code, out, err = command(
        "donors", store, "--basin", "slow1", "--candidates", candidates, "--method", "nearest",
        "--attributes", "slope_mean", "--period", "2000-10-01..2002-09-30", "--out", tmp_path,
    )  # fmt: skip
    assert code == 0, err
    assert "4 candidates, 1.0 of them in effect" in out
    assert "Compared by 1 attributes" in out
    table = pd.read_csv(tmp_path / "slow1_nearest.csv", dtype={"gauge_id": str})
    assert sorted(table["weight"]) == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--basin", "slow9"], "There is no basin 'slow9'"),
        (["--basin", "slow1", "--method", "clob"], "Did you mean 'cloob'?"),
        (["--basin", "slow1", "--attributes", "dom_land_cover"], "categorical"),
        (["--basin", "slow1", "--period", "2001"], "dates"),
        ([], "--basin"),
    ],
)
def test_mistakes_are_named(command, store, tmp_path, options, words):
    code, _, err = command("donors", store, "--out", tmp_path, *options)
    assert code in (1, 2)
    assert words in err
    assert "Traceback" not in err
