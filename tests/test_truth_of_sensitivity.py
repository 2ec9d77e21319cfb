"""Does a trained model answer to another climate as the true catchments do?

The basins are synthetic, their hydrology is known and is rerun under each scenario.
docs/sensitivity.md reports the whole comparison, failures included.
"""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hydroml import api, load_config


@pytest.mark.slow
def test_changes_have_the_sign_of_the_truth(tmp_path):
    store = api.synthesise(tmp_path / "synthetic.zarr", basins=200, seed=0)
    config = load_config("quick", settings=["seed=0", "epochs=10"])
    run = api.train(store, config=config, runs=tmp_path / "runs")
    folder = api.analyse_sensitivity_into(run, "martel", statics="held", truth="all")
    table = pd.read_csv(folder / "truth.csv").set_index(["scenario", "statistic"])
    for scenario in ("p-20%", "p+20%"):
        for statistic in ("mean", "annual_max", "q99"):
            assert table.loc[(scenario, statistic), "sign_agreement"] >= 0.95
    with (
        xr.open_dataset(folder / "response.nc") as response,
        xr.open_dataset(folder / "truth.nc") as truth,
    ):
        snow = response["frac_snow"] > 0.3
        assert snow.sum() >= 20
        chosen = {"scenario": "t+3", "statistic": "centre_timing"}
        simulated = response["change"].sel(chosen).mean("member")[snow]
        true = truth["change"].sel(chosen).mean("member")[snow]
        assert (true < 0).mean() > 0.95  # what is asked is there to be found
        assert (simulated < 0).mean() >= 0.9
        assert np.corrcoef(simulated, true)[0, 1] > 0
