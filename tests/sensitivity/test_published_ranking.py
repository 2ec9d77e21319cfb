"""The normalisation against the reference experiment's: its gradients give its ranking."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from hydroml.sensitivity.ranking import attribute_ranking, importance

TABLE = "published/ealstm2019_mean_abs_gradient_per_basin_seed111.csv"

# Kratzert et al. (2019), doi 10.5194/hess-23-5089-2019, table 4, EA-LSTM
PUBLISHED = {
    "p_mean": 0.68,
    "aridity": 0.56,
    "area_gages2": 0.50,
    "elev_mean": 0.46,
    "high_prec_dur": 0.41,
    "frac_snow": 0.41,
    "high_prec_freq": 0.38,
    "slope_mean": 0.37,
}


@pytest.mark.realdata
def test_published_gradients_give_the_published_ranking(real_data):
    table = pd.read_csv(real_data / TABLE, dtype={"gauge_id": str}).set_index("gauge_id")
    assert table.shape == (531, 27)
    # of standardised attributes: each has a standard deviation of 1
    values = importance(table.to_numpy(), np.ones(27))[None, :, :, None]
    gradients = xr.Dataset(
        {"importance": (("kind", "basin", "attribute", "member"), values)},
        coords={"kind": ["all"], "attribute": list(table.columns)},
    )
    ranking = attribute_ranking(gradients, "all")
    assert ranking.index[:8].tolist() == list(PUBLISHED)
    np.testing.assert_allclose(ranking.importance[:8], list(PUBLISHED.values()), atol=0.0051)
    assert (ranking.basins == 531).all()
