"""Donors: planted kinds are found, weights have closed forms, what does not fit is named."""

import re

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from hydroml.data.splits import Period
from hydroml.errors import ConfigError, StoreError
from hydroml.regionalisation.attributes import attribute_table
from hydroml.regionalisation.basins import know, read_record
from hydroml.regionalisation.donors import find_donors
from hydroml.regionalisation.embedding import PairOptions, standardised_years
from hydroml.regionalisation.methods import METHODS, Basins, cloob
from hydroml.regionalisation.retrieval import (
    as_patterns,
    attribute_distance,
    great_circle,
    hopfield_weights,
    nearest_weights,
)
from hydroml.regionalisation.transfer import choose, mix, nse, transferred
from tests.regionalisation.donor_stores import two_kinds

QUICK = [name for name in METHODS if name != "cloob"]
BY_ATTRIBUTES = ["nearest", "hopfield", "cosine", "hopfield-both"]


@pytest.fixture(scope="module")
def store():
    return two_kinds()


def known_of(store, ungauged):
    gauged = [b for b in store["basin"].values if b not in ungauged]
    record = read_record(store, gauged)
    return know(store, gauged, ungauged, record)[0], gauged


def test_hopfield_weights_are_a_softmax_of_products():
    rng = np.random.default_rng(0)
    stored, state = rng.normal(size=(5, 3)), rng.normal(size=(2, 3))
    barred = np.zeros((2, 5), bool)
    barred[0, 2] = True
    e = np.where(barred, 0, np.exp(1.7 * state @ stored.T))
    found = hopfield_weights(stored, state, 1.7, barred)
    np.testing.assert_allclose(found, e / e.sum(axis=1, keepdims=True), rtol=1e-12)


@given(st.integers(0, 99))
def test_the_extra_coordinate_makes_weights_fall_with_distance(seed):
    rng = np.random.default_rng(seed)
    stored, state = rng.normal(size=(6, 4)), rng.normal(size=(3, 4))
    weights = hopfield_weights(*as_patterns(stored, state), beta=0.8)
    e = np.exp(-0.4 * attribute_distance(state, stored) ** 2)
    np.testing.assert_allclose(weights, e / e.sum(axis=1, keepdims=True), rtol=1e-9)


def test_neighbours_share_alike_and_leave_out_the_barred():
    distance = np.array([[0.0, 2.0, 1.0], [2.0, 0.0, 3.0], [1.0, 3.0, 0.0]])
    own = np.eye(3, dtype=bool)
    assert nearest_weights(distance, 1, own).tolist() == [[0, 0, 1], [1, 0, 0], [1, 0, 0]]
    assert nearest_weights(distance, 9, own)[0].tolist() == [0, 0.5, 0.5]


def test_distances_on_the_sphere():
    # from the equator to the pole: a quarter of 2 pi 6371 km; a degree of latitude: 111.19 km
    found = great_circle(np.array([[0.0, 20.0]]), np.array([[90.0, 0.0], [1.0, 20.0]]))
    assert found[0].tolist() == pytest.approx([np.pi / 2 * 6371, np.pi / 180 * 6371])


def test_discharge_is_scaled_by_the_ratio_of_precipitation():
    weights, flow = np.array([[0.5, 0.5]]), np.array([[1.0, 2.0], [2.0, np.nan]])
    assert mix(weights, flow).tolist() == [[1.5, 2.0]]
    # (1 / 2 + 2 / 4) / 2 * 6 = 3; on the second day 2 / 2 * 6 = 6
    found = transferred(weights, flow, np.array([2.0, 4.0]), np.array([6.0]))
    assert found.tolist() == [[3.0, 6.0]]


def test_nse_by_hand():
    obs = np.tile([1.0, 3.0], 200)[None]
    assert nse(obs, obs)[0] == 1.0
    assert nse(obs, np.full_like(obs, 2.0))[0] == 0.0
    assert nse(obs, obs + 1)[0] == 0.0  # errors of 1, spread of 1
    assert np.isnan(nse(obs[:, :100], obs[:, :100]))[0]
    assert np.isnan(nse(np.ones_like(obs), obs))[0]


def test_the_best_choice_is_that_of_the_highest_median():
    flow = np.tile([1.0, 3.0], (3, 200))
    found = choose([2.0, 0.0, 1.0], lambda bias: flow + bias, flow)
    assert (found.choice, found.score) == (0.0, 1.0)
    assert found.scores == {2.0: -3.0, 0.0: 1.0, 1.0: 0.0}


@pytest.mark.parametrize("method", QUICK)
def test_weights_are_shares_and_never_ones_own(store, method):
    known, gauged = known_of(store, ["slow0", "fast0"])
    found = METHODS[method](known)
    for choice in found.offered:
        among, onto = found.among(choice), found.onto(choice)
        np.testing.assert_allclose(among.sum(axis=1), 1, rtol=1e-9)
        np.testing.assert_allclose(onto.sum(axis=1), 1, rtol=1e-9)
        assert (np.diag(among) == 0).all()
        assert onto.shape == (2, len(gauged))


@pytest.mark.parametrize("method", BY_ATTRIBUTES)
@pytest.mark.parametrize("basin", ["slow2", "fast3"])
def test_donors_are_of_the_basins_kind(store, method, basin):
    found = find_donors(store, basin, method=method)
    kind = found.table.index.str.startswith(basin[:4])
    assert found.table["weight"][kind].sum() > 0.95
    assert found.table["weight"].is_monotonic_decreasing
    assert basin not in found.table.index
    assert found.nse > 0.9
    assert 1 <= found.effective <= 5.5
    assert found.attributes.left_out == ("dom_land_cover",)


def test_cloob_finds_donors_whose_flow_is_what_the_attributes_tell():
    rng = np.random.default_rng(0)
    attributes = rng.normal(size=(60, 4))  # the first alone is told by the flow, and bent
    flow = np.stack([np.tanh(attributes[:, 0]), -attributes[:, 0]], axis=1)
    years = flow[:40, None] + 0.1 * rng.normal(size=(40, 3, 2))
    years[5, 1] = np.nan
    places = np.zeros((60, 2))
    known = Basins(attributes[:40], attributes[40:], places[:40], places[40:], years)
    options = PairOptions(steps=150, noise=0.1)
    found = cloob(known, options)
    for share in (0.5, 1.0):
        choice = (20.0, share)
        mixed = found.onto(choice) @ attributes[:40]
        told = [np.corrcoef(mixed[:, i], attributes[40:, i])[0, 1] for i in range(4)]
        assert told[0] > 0.85
        among = found.among(choice)
        np.testing.assert_allclose(among.sum(axis=1), 1, rtol=1e-9)
        assert (np.diag(among) == 0).all()
        assert np.corrcoef(among @ attributes[:40, 0], attributes[:40, 0])[0, 1] > 0.7
    assert (cloob(known, options).onto((20.0, 1.0)) == found.onto((20.0, 1.0))).all()


def test_the_basins_own_flow_is_not_used(store):
    blind = store.copy()
    blind["qobs"] = store["qobs"].where(store["basin"] != "slow1")
    seen, unseen = (find_donors(s, "slow1") for s in (store, blind))
    assert (seen.table["weight"] == unseen.table["weight"]).all()
    assert (seen.simulated == unseen.simulated).all()
    assert np.isnan(unseen.nse)
    assert seen.nse > 0.9


def test_candidates_and_period_are_heeded(store):
    wanted = ["fast1", "fast2", "slow3", "slow4", "slow1"]
    period = Period.parse("2001-10-01", "2003-09-30")
    found = find_donors(store, "slow1", wanted, method="nearest", period=period)
    assert set(found.table.index) == set(wanted) - {"slow1"}
    assert str(found.simulated["time"].values[0])[:10] == "2001-10-01"
    assert found.simulated.sizes["time"] == 730


def test_all_candidates_are_those_with_flow(store):
    some = store.copy()
    some["qobs"] = store["qobs"].where(store["basin"] != "fast5")
    assert "fast5" not in find_donors(some, "slow0").table.index
    with pytest.raises(ConfigError, match=r"no water year.*first fast5"):
        find_donors(some, "slow0", ["fast5", "slow1", "slow2", "slow3"])


def test_an_attribute_without_spread_counts_for_nothing(store):
    table = attribute_table(store, list(store["basin"].values), ["same", "slope_mean"])
    standardised = table.standardised(list(store["basin"].values)[:-1])
    assert (standardised[:, 0] == 0).all()
    assert standardised[:-1, 1].mean() == pytest.approx(0)
    assert standardised[:-1, 1].std() == pytest.approx(1)


def test_signature_years_are_standardised_and_drawn_in():
    years = np.arange(40, dtype=float).reshape(4, 10, 1)
    years[0, 0] = np.nan
    scaled = standardised_years(years)
    assert np.isnan(scaled[0, 0]).all()
    assert np.nanmean(scaled) == pytest.approx(0)
    assert np.nanstd(scaled) == pytest.approx(1)
    years[1, 1] = 1e9
    assert np.nanmax(standardised_years(years)) == 5


@pytest.mark.parametrize(
    ("error", "match", "options"),
    [
        (StoreError, "no basin 'slow9'.*\n.*slow", {"basin": "slow9"}),
        (ConfigError, "no method 'hopfeld'.*\n.*hopfield", {"method": "hopfeld"}),
        (ConfigError, "'dom_land_cover' is categorical", {"attributes": ["dom_land_cover"]}),
        (ConfigError, "'q_mean' is computed from discharge", {"attributes": ["q_mean"]}),
        (StoreError, "no attribute 'slop_mean'.*\n.*slope_mean", {"attributes": ["slop_mean"]}),
        (StoreError, "no basin|not, first 'nil'", {"candidates": ["nil", "slow1"]}),
        (ConfigError, "2 candidates.*too few", {"candidates": ["slow1", "slow2", "slow0"]}),
        (StoreError, "outside the data", {"period": Period.parse("1990-01-01", "1999-01-01")}),
    ],
)
def test_what_does_not_fit_is_named(store, error, match, options):
    basin = options.pop("basin", "slow0")
    with pytest.raises(error) as caught:
        find_donors(store, basin, **options)
    assert re.search(match, str(caught.value), re.DOTALL), str(caught.value)


def test_missing_attributes_and_precipitation_are_named(store):
    holed = store.copy()
    holed["slope_mean"] = store["slope_mean"].where(store["basin"] != "fast1")
    with pytest.raises(StoreError, match=r"'slope_mean' of basin fast1 is missing \(1 of 12"):
        find_donors(holed, "slow0", attributes=["slope_mean"])
    with pytest.raises(StoreError, match="precipitation"):
        find_donors(store.drop_vars("prcp"), "slow0")
    dry = store.copy()
    dry["prcp"] = store["prcp"].where(store["basin"] != "slow0")
    with pytest.raises(ConfigError, match="slow0 has no precipitation"):
        find_donors(dry, "slow0")
    with pytest.raises(StoreError, match="where its gauges are"):
        find_donors(store.drop_vars("gauge_lat"), "slow0")
    bare = xr.Dataset({n: store[n] for n in ("prcp", "qobs", "gauge_lat", "gauge_lon")})
    with pytest.raises(StoreError, match="no numeric attribute"):
        find_donors(bare, "slow0")
