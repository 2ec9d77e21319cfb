"""The weather generator and CAMELS' climatic indices, against numbers known by hand."""

import numpy as np
import pytest

from hydroml.data.climate_indices import climate_indices, mean_spell, seasonality
from hydroml.data.radiation import (
    daylight_seconds,
    extraterrestrial_radiation,
    potential_evaporation,
    saturation_vapour_pressure,
)
from hydroml.data.synthetic.catchment import cosby
from hydroml.data.synthetic.climate import climate_of
from hydroml.data.synthetic.places import draw_places, is_land, range_height
from hydroml.data.synthetic.weather import Rain, wet_days


def test_extraterrestrial_radiation_is_that_of_fao56_example_8():
    # 20 degrees south, 3 September: 32.2 MJ m-2 d-1
    assert extraterrestrial_radiation(np.array([-20.0]), np.array([246]))[0, 0] == pytest.approx(
        32.2, abs=0.05
    )


def test_daylight_is_that_of_fao56_example_9_and_half_a_day_on_the_equator():
    found = daylight_seconds(np.array([-20.0, 0.0]), np.array([246])) / 3600
    np.testing.assert_allclose(found[:, 0], [11.7, 12.0], atol=0.05)


def test_sun_neither_fails_nor_shines_in_the_polar_night():
    assert extraterrestrial_radiation(np.array([80.0]), np.array([355]))[0, 0] == pytest.approx(0)
    assert daylight_seconds(np.array([80.0]), np.array([172]))[0, 0] == 86400


def test_saturation_vapour_pressure_is_that_of_fao56_example_3():
    np.testing.assert_allclose(
        saturation_vapour_pressure(np.array([24.5, 15.0])), [3075, 1705], atol=0.6
    )


def test_potential_evaporation_needs_warmth_and_light():
    # 0.0135 * (2.2 + 17.8) * 24.5 / 2.45 = 2.7
    found = potential_evaporation(np.array([2.2, -20.0, 30.0]), np.array([245.0, 245.0, 0.0]), 1e5)
    np.testing.assert_allclose(found, [2.7, 0.0, 0.0])


def test_markov_chain_is_wet_as_often_and_as_long_as_it_should_be():
    rng = np.random.default_rng(0)
    shape = (4, 50_000)
    wet = wet_days(np.full(shape, 0.3), np.full(shape, 0.4), rng.random(shape))
    assert wet.mean() == pytest.approx(0.3, abs=0.01)
    # a wet spell ends with probability 1 - P(wet|wet) = 1 - (0.3 * 0.6 + 0.4) = 0.42
    assert mean_spell(wet).mean() == pytest.approx(1 / 0.42, abs=0.05)
    assert mean_spell(~wet).mean() == pytest.approx(1 / (0.3 * 0.6), abs=0.12)


def test_precipitation_has_the_mean_of_the_climate_and_is_shared_by_neighbours():
    rng = np.random.default_rng(1)
    places = draw_places(40, rng)
    places.loc[1, ["lat", "lon"]] = places.loc[0, ["lat", "lon"]] + 0.1
    climate = climate_of(places, rng)
    day = np.tile(np.arange(1, 366), 40)
    found = Rain(places, len(day), rng).draw(climate, day)
    np.testing.assert_allclose(found.mean(axis=1) / climate.p_mean, 1, atol=0.2)
    assert (found.mean(axis=1) / climate.p_mean).mean() == pytest.approx(1, abs=0.03)
    together = np.corrcoef(found)
    assert together[0, 1] > 0.4
    assert np.median(together) < 0.2


def test_seasonality_of_a_sine_is_its_amplitude_with_the_sign_of_the_season():
    day = np.arange(1, 4 * 365 + 2) % 365.25
    warm = np.sin(2 * np.pi * (day - 110) / 365.25)
    quarter = np.sin(2 * np.pi * (day - 110 - 365.25 / 4) / 365.25)
    prcp = np.stack([3 * (1 + 0.5 * warm), 2 * (1 - 0.8 * warm), 1 + 0.6 * quarter, 0 * day + 1])
    temperature = np.tile(12 + 9 * warm, (4, 1))
    np.testing.assert_allclose(seasonality(prcp, temperature, day), [0.5, -0.8, 0, 0], atol=1e-9)


def test_indices_of_a_series_known_by_hand():
    prcp = np.array([[0.5, 0.0, 20.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.5]])  # mean 2.5
    temperature = np.array([[-1.0, 5, 5, 5, 5, 5, 5, 5, 5, -3]])
    found = climate_indices(prcp, temperature, np.full((1, 10), 5.0), np.arange(1, 11))
    assert found["p_mean"][0] == 2.5
    assert found["aridity"][0] == 2.0
    assert found["frac_snow"][0] == pytest.approx(5.0 / 25.0)
    assert found["high_prec_freq"][0] == pytest.approx(36.525)  # one day in ten, >= 12.5
    assert found["high_prec_dur"][0] == 1.0
    assert found["low_prec_freq"][0] == pytest.approx(0.8 * 365.25)
    assert found["low_prec_dur"][0] == 4.0  # spells of 2 and 6 days


def test_mean_spell_counts_a_run_at_the_start_and_at_the_end():
    assert mean_spell(np.array([[1, 0, 1, 1, 0, 1, 1, 1]], dtype=bool))[0] == 2.0


def test_places_lie_on_land_and_mountains_where_they_are():
    places = draw_places(300, np.random.default_rng(0))
    assert is_land(places.lon, places.lat).all()
    assert places.elevation.between(10, 3600).all()
    colorado, kansas = range_height(np.array([-106.0, -97.0]), np.array([39.0, 38.5]))
    assert colorado > 1000 > 50 > kansas
    assert not is_land(np.array([-60.0, -90.0]), np.array([40.0, 25.0])).any()


def test_sandy_soil_conducts_better_and_holds_less():
    porosity, conductivity = cosby(np.array([80.0, 20.0]), np.array([5.0, 50.0]))
    assert porosity[0] < porosity[1]
    assert conductivity[0] > 10 ** (0.0126 * 60) * conductivity[1]
