"""Against neuralhydrology itself; skipped where the package is not installed."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from hydroml import api
from hydroml.api.importing import import_run
from hydroml.data.camels_us import open_camels_us
from hydroml.data.caravan import open_caravan
from hydroml.data.prepare import prepare_store
from hydroml.data.store import write_store
from hydroml.data.synthetic import generate, write_native
from hydroml.evaluation.metrics import score

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("neuralhydrology") is None,
    reason="neuralhydrology is not installed (pip install hydroml[oracle])",
)

THEIR_NAMES = {
    "NSE": "NSE",
    "KGE": "KGE",
    "alpha": "Alpha-NSE",
    "beta": "Beta-NSE",
    "FHV": "FHV",
    "FLV": "FLV",
    "FMS": "FMS",
    "r": "Pearson-r",
    "rmse": "RMSE",
    "peak_timing": "Peak-Timing",
}


ROOT = Path(__file__).resolve().parents[2]


def printed(*words: object) -> list[str]:
    """Lines that a Python process prints."""
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def neuralhydrology(*words: object) -> str:
    """Last line of what the package's process prints."""
    return printed("-m", "tests.interop.oracle_run", *words)[-1]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """CAMELS-US text files of four synthetic basins as neuralhydrology wants them, and a store."""
    root = tmp_path_factory.mktemp("camels")
    dataset = generate(basins=4, years=6, seed=0)
    write_native(dataset, root / "native")
    source = open_camels_us([root / "native"], ["daymet"])
    prepare_store(source, root / "store.zarr", workers=1)
    shutil.copytree(root / "native" / "basin_dataset_public_v1p2", root / "data")
    attributes = "camels_attributes_v2.0"
    shutil.copytree(root / "native" / attributes, root / "data" / attributes)
    (root / "basins.txt").write_text("\n".join(dataset["basin"].values) + "\n")
    return root


@pytest.fixture(scope="module")
def trained(files):
    return json.loads(neuralhydrology("train", files, "cudalstm", "ealstm"))


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("model", ["cudalstm", "ealstm"])
def test_oracle_simulations_equal_neuralhydrologys(files, trained, tmp_path, model):
    run = import_run("neuralhydrology", trained[model], data=files / "store.zarr", runs=tmp_path)
    api.evaluate(run, mode="windowed", device="cpu")
    with xr.open_dataset(run / "test" / "simulations.nc") as opened:
        ours = opened["qsim"].load()
    with xr.open_dataset(files / f"{model}.nc") as opened:
        reference = opened["qsim"].load().sel(basin=ours["basin"])
    assert reference.sizes == {"basin": 4, "date": 365}
    assert (reference.max("date") - reference.min("date")).min() > 0.01  # not a constant
    # the package does not clip negative discharge, hydroml does
    np.testing.assert_allclose(ours.values, np.maximum(reference.values, 0), rtol=0, atol=1e-4)


def test_oracle_loss_and_gradients_of_a_batch_equal_neuralhydrologys(files):
    for differences in json.loads(neuralhydrology("step", files, "cudalstm", "ealstm")).values():
        assert len(differences) >= 6
        assert max(differences.values()) < 1e-12


@pytest.mark.realdata
def test_oracle_metrics_equal_neuralhydrologys_on_real_flows(real_data, tmp_path):
    source = open_caravan(real_data / "caravan")
    basins = source.gauges()[::40]
    store = prepare_store(source, tmp_path / "store.zarr", basins=basins, workers=1)
    obs = xr.open_zarr(store)["qobs"].sel(time=slice("1989-10-01", "1999-09-30")).load()
    rng = np.random.default_rng(0)
    # late by a day, noisy, at times negative or zero as a model's discharge can be
    sim = obs.shift(time=1).fillna(0) * rng.lognormal(0, 0.3, obs.shape) - 0.02
    sim = sim.where(rng.random(obs.shape) > 0.01, 0.0).astype("float32")
    xr.Dataset({"qobs": obs, "qsim": sim}).to_netcdf(tmp_path / "flows.nc")
    theirs = json.loads(neuralhydrology("score", tmp_path / "flows.nc"))
    ours = score(obs, sim, flavour="neuralhydrology")
    assert len(theirs) >= 10
    for basin, expected in theirs.items():
        for name, their_name in THEIR_NAMES.items():
            found = float(ours[name].sel(basin=basin))
            assert found == pytest.approx(expected[their_name], rel=1e-6, abs=1e-6), (basin, name)


@pytest.fixture(scope="module")
def long_store(tmp_path_factory):
    """A store that reaches over the benchmark's periods."""
    return write_store(
        generate(basins=12, years=21, seed=0), tmp_path_factory.mktemp("long") / "store.zarr"
    )


SMALL = ("--basins", 12, "--hidden", 4, "--length", 10, "--model", "lstm")


def test_oracle_benchmark_of_fidelity_at_toy_size(long_store, tmp_path):
    words = (*SMALL, "--years", 2, "--epochs", 1, "--seed", 1, "--seed", 2, "--work", tmp_path)
    out = printed("benchmarks/fidelity.py", long_store, *words)
    rows = [line.split()[:2] for line in out if line.startswith("lstm")]
    assert rows[:2] == [["lstm", "hydroml"], ["lstm", "neuralhydrology"]]
    assert "p seeds" in out[-2]


def test_oracle_benchmark_of_speed_at_toy_size(long_store, tmp_path):
    words = (*SMALL, "--speed", "--work", tmp_path)
    out = printed("benchmarks/fidelity.py", long_store, *words)
    assert len([line for line in out if line.endswith("x")]) == 7
