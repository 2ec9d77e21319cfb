"""Design storms: chosen days, peaks and volumes by hand."""

import numpy as np

from hydroml.sensitivity.forcing import Forcing
from hydroml.sensitivity.perturb import perturb
from hydroml.sensitivity.physics import Physics
from hydroml.sensitivity.scenarios import Scenario, Storm
from hydroml.sensitivity.statistics import STATISTICS
from hydroml.sensitivity.storms import add_storm_statistics, storm_days, storm_response
from tests.sensitivity.forcings import NAMES, column, forcing


def dry_record() -> Forcing:
    """Three water years without rain, at 10 degC, with 60 days of lead."""
    found = forcing(basins=1, lead=60)
    found.values[...] = 0
    found.values[..., NAMES.index("tmax")] = 15
    found.values[..., NAMES.index("tmin")] = 5
    return found


def test_wettest_day_is_the_day_after_the_only_rain() -> None:
    found = dry_record()
    for year, day in enumerate((100, 200, 300)):  # days of the water year
        start = 60 + np.flatnonzero(found.time[60:] == np.datetime64(f"{1999 + year}-10-01"))[0]
        found.values[0, start + day, 0] = 30
    days = storm_days(found, "wet")
    expected = [
        np.datetime64("1999-10-01") + 101,
        np.datetime64("2000-10-01") + 201,
        np.datetime64("2001-10-01") + 301,
    ]
    np.testing.assert_array_equal(found.time[days[0]], expected)


def test_driest_day_follows_the_recession_of_the_index() -> None:
    found = dry_record()
    found.values[0, :, 0] = 1.0  # always the same wetness, but for one dry spell a year
    dry = (found.time >= np.datetime64("2001-03-01")) & (found.time < np.datetime64("2001-03-20"))
    found.values[0, dry, 0] = 0
    assert found.time[storm_days(found, "dry")[0, 1]] == np.datetime64("2001-03-20")


def test_no_storm_in_frost_and_none_near_the_end_of_a_year() -> None:
    found = forcing(lead=400)
    days = storm_days(found, "wet")
    assert days.shape == (2, 3)
    assert (column(found, "tmax")[0, days[0]] - 5 >= 1).all()
    since = [
        int((found.time[d] - np.datetime64(f"{1999 + y}-10-01")).astype(int))
        for y, d in enumerate(days[0])
    ]
    assert all(31 <= s < 366 - 31 for s in since)
    frozen = dry_record()
    frozen.values[..., NAMES.index("tmax")] = -20
    assert (storm_days(frozen, "wet") == -1).all()


def test_placed_storms_replace_the_rain_of_their_days() -> None:
    present = forcing(lead=400)
    storm = Storm(depth=80, antecedent="wet")
    changed = perturb(present, Scenario(name="s", changes=(storm,)), Physics())
    days = storm_days(present, "wet")
    for b in range(2):
        differs = np.flatnonzero(column(changed, "prcp")[b] != column(present, "prcp")[b])
        np.testing.assert_array_equal(differs, np.sort(days[b]))
        assert (column(changed, "prcp")[b, days[b]] == 80).all()


def test_peak_and_volume_by_hand() -> None:
    base = np.ones((2, 100), "float32")
    q = base.copy()
    q[0, 10:14] = [5, 9, 3, 2]  # 4 + 8 + 2 + 1 = 15 mm more, peak 9
    q[0, 50:52] = [7, 2]  # 6 + 1 = 7 mm more, peak 7
    days = np.array([[10, 50], [-1, -1]])
    peak, volume = storm_response(q, base, days)
    np.testing.assert_allclose(peak, [8, np.nan])
    np.testing.assert_allclose(volume, [11, np.nan])


def test_a_peak_after_the_week_does_not_count() -> None:
    q = np.ones((1, 60), "float32")
    q[0, 5 + 8] = 50
    peak, volume = storm_response(q, np.ones_like(q), np.array([[5]]))
    assert peak[0] == 1
    assert volume[0] == 49


def test_only_storms_get_storm_statistics() -> None:
    present = forcing(lead=400)
    q = np.ones((2, len(present.time) - 400), "float32")
    table = np.full((2, len(STATISTICS)), np.nan)
    add_storm_statistics(table, 3 * q, q, present, Scenario(name="none", changes=()))
    assert np.isnan(table).all()
    storm = Scenario(name="s", changes=(Storm(depth=10, antecedent="dry"),))
    add_storm_statistics(table, 3 * q, q, present, storm)
    names = list(STATISTICS)
    np.testing.assert_allclose(table[:, names.index("storm_peak")], 3)
    np.testing.assert_allclose(table[:, names.index("storm_volume")], 60)
