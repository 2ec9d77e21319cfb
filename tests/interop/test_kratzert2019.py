"""Runs in the layout of the published code, made by hand, against plain loops."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hydroml import api, open_store
from hydroml.api.importing import import_run
from hydroml.data.splits import camels_set
from hydroml.data.store import write_store
from hydroml.errors import RunError
from hydroml.interop.kratzert2019 import (
    DYNAMIC_MEAN,
    DYNAMIC_STD,
    TARGET_MEAN,
    TARGET_STD,
    read_kratzert2019,
)
from hydroml.training.rundir import RunDirectory
from hydroml.units import DYNAMIC, DYNAMIC_REFERENCE, STATIC_REFERENCE
from tests.interop.foreign_files import LENGTH, loop_2019, write_2019

BASINS = camels_set(531)[:3]


@pytest.fixture(scope="module")
def attributes():
    """A table as the published code makes one: more rows and columns than it uses, shuffled."""
    rng = np.random.default_rng(0)
    columns = [
        *STATIC_REFERENCE,
        "gauge_lat",
        "gauge_lon",
        "q_mean",
        "geol_porostiy",
        "root_depth_50",
    ]
    table = pd.DataFrame(
        rng.gamma(2.0, 3.0, (4, len(columns))),
        index=pd.Index([*BASINS, "99999999"], name="gauge_id"),
        columns=rng.permutation(columns),
    )
    return table.assign(huc="01", gauge_name="A river")


@pytest.fixture(scope="module")
def store(attributes, tmp_path_factory):
    rng = np.random.default_rng(1)
    time = pd.date_range("1999-01-01", "2001-12-31")
    dims = ("basin", "time")
    forcing = {
        name: (dims, mean + std * rng.normal(size=(3, len(time))), {"units": DYNAMIC[name].units})
        for name, mean, std in zip(DYNAMIC_REFERENCE, DYNAMIC_MEAN, DYNAMIC_STD, strict=True)
    }
    flow = {"qobs": (dims, rng.gamma(1.0, 2.0, (3, len(time))), {"units": "mm d-1"})}
    statics = {n: ("basin", attributes.loc[BASINS, n].to_numpy()) for n in STATIC_REFERENCE}
    attrs = {"source": "tests", "forcing": "maurer_extended", "synthetic": True}
    dataset = xr.Dataset(forcing | flow | statics, {"basin": BASINS, "time": time}, attrs)
    return write_store(dataset, tmp_path_factory.mktemp("stores") / "maurer.zarr")


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("model", ["ealstm", "lstm", "lstm-nostatic"])
def test_simulations_equal_the_plain_loop(model, attributes, store, tmp_path):
    weights = write_2019(tmp_path / "theirs", model, attributes)
    run = import_run(
        "kratzert2019", tmp_path / "theirs", data=store, basins="all", runs=tmp_path / "r"
    )
    api.evaluate(run, device="cpu", mode="windowed")
    with xr.open_dataset(run / "test" / "simulations.nc") as found:
        q = found["qsim"].load()
    assert RunDirectory.open(run).config().model.name == model
    data = open_store(store).load()
    # the published code: columns of the table as they stand, standardised over the 531 (ddof 1)
    own = attributes.loc[BASINS, [c for c in attributes if c in STATIC_REFERENCE]]
    x_s = (
        ((own - own.mean()) / own.std()).to_numpy() if model != "lstm-nostatic" else own.iloc[:, :0]
    )
    some = q.time.values[[0, 30, -1]]
    for b, basin in enumerate(BASINS):
        columns = [data[n].sel(basin=basin).values.astype(float) for n in DYNAMIC_REFERENCE]
        x_d = (np.stack(columns, axis=1) - DYNAMIC_MEAN) / DYNAMIC_STD
        at = data.get_index("time").get_indexer(some)
        statics = np.asarray(x_s)[b]
        y = [loop_2019(model, weights, x_d[t - LENGTH + 1 : t + 1], statics) for t in at]
        reference = np.maximum(np.array(y) * TARGET_STD + TARGET_MEAN, 0)
        assert reference.max() > 0.1
        np.testing.assert_allclose(q.sel(basin=basin, time=some), reference, atol=5e-5)


def test_the_settings_are_the_papers(attributes, tmp_path):
    write_2019(tmp_path / "theirs", "ealstm", attributes)
    found = read_kratzert2019(tmp_path / "theirs")
    config = found.config
    assert found.epoch == config.epochs == 30
    assert config.loss == "nse_star"
    assert config.model.forget_bias == 5
    assert config.seed == (111,)
    assert [str(day) for day in config.data.test] == ["2001-10-01", "2001-12-31"]
    assert found.basins == tuple(camels_set(531))
    assert set(found.scaler.static) == set(STATIC_REFERENCE)


def test_what_is_missing_is_named(attributes, tmp_path):
    with pytest.raises(RunError, match=r"There is no .*cfg\.json"):
        read_kratzert2019(tmp_path)
    write_2019(tmp_path / "theirs", "ealstm", attributes)
    (tmp_path / "theirs" / "attributes.db").unlink()
    with pytest.raises(RunError, match="the order of the static inputs"):
        read_kratzert2019(tmp_path / "theirs")
    write_2019(tmp_path / "lacking", "ealstm", attributes.drop(columns="lai_max"))
    with pytest.raises(RunError, match="lacks the attribute 'lai_max'"):
        read_kratzert2019(tmp_path / "lacking")
    write_2019(tmp_path / "foreign", "ealstm", attributes.iloc[3:])
    with pytest.raises(RunError, match="lacks the 531 basins"):
        read_kratzert2019(tmp_path / "foreign")
    write_2019(tmp_path / "cut", "ealstm", attributes)
    (tmp_path / "cut" / "cfg.json").write_text('{"seed": 1}')
    with pytest.raises(RunError, match=r"cfg\.json cannot be imported: .* is missing"):
        read_kratzert2019(tmp_path / "cut")
    (tmp_path / "cut" / "cfg.json").write_text("{")
    with pytest.raises(RunError, match=r"cfg\.json cannot be read"):
        read_kratzert2019(tmp_path / "cut")
    write_2019(tmp_path / "torn", "ealstm", attributes)
    (tmp_path / "torn" / "attributes.db").write_bytes(b"no database, but long enough to be read")
    with pytest.raises(RunError, match=r"attributes\.db cannot be read"):
        read_kratzert2019(tmp_path / "torn")
