"""Runs in neuralhydrology's layout, made by hand, against plain loops over their weights."""

import json
import pickle

import numpy as np
import pytest
import torch
import xarray as xr
import yaml

from hydroml import api, open_store
from hydroml.api.importing import import_run
from hydroml.errors import ConfigError, RunError
from hydroml.interop.neuralhydrology import read_neuralhydrology
from hydroml.interop.neuralhydrology_config import REFUSED
from hydroml.training.rundir import RunDirectory
from tests.interop.foreign_files import (
    CENTRE,
    DYNAMIC,
    LENGTH,
    MEANS,
    NAMES,
    SCALE,
    STDS,
    nh_loop,
    write_nh,
)

BASINS = ["01000000", "03000000"]


def simulated(run, store, **options):
    api.evaluate(run, data=store, device="cpu", **options)
    with xr.open_dataset(next(run.glob("**/simulations.nc"))) as found:
        return found["qsim"].load()


def expected(model, weights, store, static, basin, days):
    """Discharge by the package's arithmetic, window by window, from the store's own values."""
    one = store.sel(basin=basin)
    columns = [(one[NAMES[n]].values.astype(float) - CENTRE[n]) / SCALE[n] for n in DYNAMIC]
    x_d = np.stack(columns, axis=1)
    x_s = np.array([(float(one[n]) - MEANS[n]) / STDS[n] for n in sorted(static)])
    at = store.get_index("time").get_indexer(days)
    y = [nh_loop(model, weights, x_d[t - LENGTH + 1 : t + 1], x_s) for t in at]
    return np.maximum(np.array(y) * SCALE["QObs(mm/d)"] + CENTRE["QObs(mm/d)"], 0)


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize(
    ("model", "static"),
    [
        ("cudalstm", ["recession", "area_gages2"]),
        ("ealstm", ["recession", "area_gages2"]),
        ("cudalstm", None),
    ],
)
def test_simulations_equal_the_plain_loop(tiny_store, tmp_path, model, static):
    weights = write_nh(tmp_path / "theirs", BASINS, model=model, static_attributes=static)
    run = import_run("neuralhydrology", tmp_path / "theirs", data=tiny_store, runs=tmp_path / "r")
    q = simulated(run, None, mode="windowed")
    store = open_store(tiny_store).load()
    assert list(q.basin.values) == BASINS
    some = q.time.values[[0, 1, 40, -1]]
    for basin in BASINS:
        reference = expected(model, weights, store, static or [], basin, some)
        assert reference.max() > 0.1
        np.testing.assert_allclose(q.sel(basin=basin, time=some), reference, atol=2e-5)


def test_the_imported_run_is_a_run(tiny_store, tmp_path):
    write_nh(tmp_path / "theirs", BASINS)
    run = RunDirectory.open(
        import_run("neuralhydrology", tmp_path / "theirs", data=tiny_store, runs=tmp_path / "r")
    )
    config = run.config()
    assert run.path == tmp_path / "r" / "theirs"
    assert run.finished_epochs() == config.epochs == 3
    assert config.data.dynamic == ("tmax", "prcp", "tmin")
    assert config.data.static == ("area_gages2", "recession")
    assert str(config.data.test[1]) == "2001-12-31"
    assert config.sampling.length == LENGTH
    assert config.loss == "nse_star"
    assert config.optimizer.schedule.rates == {1: 1e-3, 2: 5e-4}
    assert config.seed == (17,)
    assert run.scaler().basins == tuple(BASINS)
    flow = open_store(tiny_store).qobs.sel(basin=BASINS, time=slice("1999-10-01", "2001-09-30"))
    assert run.scaler().basin_std == pytest.approx(flow.values.std(axis=1), rel=1e-6)
    told = json.loads((run.path / "imported.json").read_text())
    assert told["origin"] == "neuralhydrology 1.13.0"
    assert told["names"]["prcp(mm/day)"] == "prcp"
    assert not told["notes"]


def test_weights_of_an_epoch_can_be_chosen(tmp_path):
    write_nh(tmp_path / "theirs", BASINS)
    assert read_neuralhydrology(tmp_path / "theirs").epoch == 3
    second = read_neuralhydrology(tmp_path / "theirs", epoch=2)
    assert all(float(w.abs().sum()) == 0 for w in second.weights.values())
    with pytest.raises(RunError, match="There are epochs 2, 3"):
        read_neuralhydrology(tmp_path / "theirs", epoch=7)


@pytest.mark.parametrize("key", sorted(REFUSED))
def test_what_hydroml_does_not_have_is_refused_by_name(tmp_path, key):
    write_nh(tmp_path / "theirs", BASINS, **{key: ["something"]})
    with pytest.raises(RunError, match=f"its {key} is"):
        read_neuralhydrology(tmp_path / "theirs")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", "mtslstm"),
        ("head", "cmal"),
        ("output_activation", "softplus"),
        ("target_variables", ["QObs(mm/d)", "swe(mm)"]),
        ("use_frequencies", ["1h"]),
        ("use_frequencies", ["1D", "1h"]),
    ],
)
def test_other_models_heads_targets_and_frequencies_are_refused(tmp_path, key, value):
    write_nh(tmp_path / "theirs", BASINS)
    config = tmp_path / "theirs" / "config.yml"
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | {key: value}))
    with pytest.raises(RunError, match=f"its {key} is"):
        read_neuralhydrology(tmp_path / "theirs")


@pytest.mark.parametrize("off", [None, False, [], {}, "none"])
def test_settings_that_are_off_are_no_reason_to_refuse(tmp_path, off):
    changes = {"nan_handling_method": off, "statics_embedding": off, "lagged_features": off}
    write_nh(tmp_path / "theirs", BASINS, **changes)
    assert read_neuralhydrology(tmp_path / "theirs").config.model.name == "lstm"


def test_older_and_grouped_spellings_mean_the_same(tmp_path):
    write_nh(
        tmp_path / "theirs",
        BASINS,
        static_attributes=["area_gages2"],
        hydroatlas_attributes=["recession"],
        dynamic_inputs=[DYNAMIC[:1], DYNAMIC[1:]],
        use_frequencies=["1D"],
        seq_length={"1D": LENGTH},
        predict_last_n={"1D": 3},
        learning_rate=1e-3,
        loss="RMSE",
    )
    weights = tmp_path / "theirs" / "model_epoch003.pt"
    state = torch.load(weights, weights_only=True)
    state["lstm.weight_ih_l0"] = torch.zeros(20, 5)
    torch.save(state, weights)
    found = read_neuralhydrology(tmp_path / "theirs")
    assert found.config.data.dynamic == tuple(DYNAMIC)
    assert found.config.data.static == ("area_gages2", "recession")
    assert found.config.sampling.length == LENGTH
    assert found.config.optimizer.schedule.rates == {1: 1e-3}
    assert [n.split()[0] for n in found.notes] == ["it", "the"]  # the loss, the last three days


def test_a_pickled_scaler_is_refused(tmp_path):
    write_nh(tmp_path / "theirs", BASINS)
    scaler = tmp_path / "theirs" / "train_data" / "train_data_scaler.yml"
    scaler.rename(scaler.with_suffix(".p"))
    with pytest.raises(RunError, match=r"is a pickle(.|\n)*load_scaler"):
        read_neuralhydrology(tmp_path / "theirs")


class Hostile:
    """An object that makes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (self.mark, "w"))


@pytest.mark.parametrize("save", [torch.save, lambda o, f: f.write_bytes(pickle.dumps(o))])
def test_code_in_a_file_of_weights_is_not_run(tmp_path, save):
    write_nh(tmp_path / "theirs", BASINS)
    mark = tmp_path / "executed"
    save({"lstm.weight_ih_l0": Hostile(str(mark))}, tmp_path / "theirs" / "model_epoch003.pt")
    with pytest.raises(RunError, match="cannot be read as a plain dict of tensors"):
        read_neuralhydrology(tmp_path / "theirs")
    assert not mark.exists()


def test_weights_of_another_size_are_named(tmp_path):
    write_nh(tmp_path / "theirs", BASINS)
    state = torch.load(tmp_path / "theirs" / "model_epoch003.pt", weights_only=True)
    del state["lstm.bias_hh_l0"]
    torch.save(state, tmp_path / "theirs" / "model_epoch003.pt")
    with pytest.raises(RunError, match=r"lstm\.bias_hh_l0 is None there, \(20,\)"):
        read_neuralhydrology(tmp_path / "theirs")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seq_length": None}, "seq_length is missing"),
        ({"test_start_date": "2001-10-01"}, "test_start_date|does not match format"),
        ({"learning_rate": {0: -1.0}}, "positive rate"),
    ],
)
def test_a_config_that_cannot_be_read_is_named(tmp_path, change, message):
    write_nh(tmp_path / "theirs", BASINS, **change)
    with pytest.raises(RunError, match=rf"config\.yml cannot be imported: .*({message})"):
        read_neuralhydrology(tmp_path / "theirs")


def test_folders_that_are_no_run_are_refused(tmp_path):
    with pytest.raises(RunError, match=r"There is no .*config\.yml"):
        read_neuralhydrology(tmp_path)
    write_nh(tmp_path / "theirs", BASINS)
    for file in (tmp_path / "theirs").glob("*.pt"):
        file.unlink()
    with pytest.raises(RunError, match="holds no weights"):
        read_neuralhydrology(tmp_path / "theirs")
    (tmp_path / "theirs" / "train_data" / "train_data_scaler.yml").write_text("a: 1")
    write_nh(tmp_path / "others", BASINS)
    (tmp_path / "others" / "train_data" / "train_data_scaler.yml").write_text("a: 1")
    with pytest.raises(RunError, match="does not hold the scaler"):
        read_neuralhydrology(tmp_path / "others")


def test_basins_are_asked_for_where_the_run_does_not_say(tiny_store, tmp_path):
    write_nh(tmp_path / "theirs", BASINS, train_basin_file="gone.txt")
    where = {"data": tiny_store, "runs": tmp_path / "r"}
    with pytest.raises(ConfigError, match="--basins"):
        import_run("neuralhydrology", tmp_path / "theirs", **where)
    run = import_run("neuralhydrology", tmp_path / "theirs", basins="01000000", **where)
    assert RunDirectory.open(run).scaler().basins == ("01000000",)


def test_an_unknown_package_is_named(tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'neuralhydrology'"):
        import_run("neuralhydrologie", tmp_path)
