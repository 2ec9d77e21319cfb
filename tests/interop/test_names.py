"""Names of other packages against a store's."""

import numpy as np
import pytest
import xarray as xr

from hydroml.errors import StoreError
from hydroml.interop.names import match_names

SERIES = ("basin", "time")


def store(*names, forcing="daymet", units=None):
    values = np.zeros((1, 2), "f4")
    attrs = {} if units is None else {"units": units}
    return xr.Dataset(dict.fromkeys(names, (SERIES, values, attrs)), attrs={"forcing": forcing})


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("prcp(mm/day)", "prcp"),
        ("PRCP(mm/day)", "prcp"),
        ("Vp(Pa)", "vp"),
        ("QObs(mm/d)", "qobs"),
        ("streamflow", "qobs"),
        ("prcp(mm/day)_nldas", "prcp_nldas"),
        ("tmax(C)_daymet", "tmax"),  # the store's only product
        ("temperature_2m_mean", "temperature_2m_mean"),
        ("My_Own", "My_Own"),
    ],
)
def test_names_are_found(theirs, ours):
    known = ("prcp", "vp", "qobs", "prcp_nldas", "tmax", "temperature_2m_mean", "My_Own", "my_own")
    assert match_names(store(*known), [theirs], SERIES, {}) == {theirs: ours}


def test_what_the_user_says_goes_first():
    known = store("prcp", "rain")
    assert match_names(known, ["prcp(mm/day)"], SERIES, {"prcp(mm/day)": "rain"}) == {
        "prcp(mm/day)": "rain"
    }
    with pytest.raises(StoreError, match="'prcp"):
        match_names(known, ["prcp(mm/day)"], SERIES, {"prcp(mm/day)": "snow"})


def test_a_name_without_a_counterpart_is_refused_with_the_nearest():
    with pytest.raises(StoreError, match=r"--rename 'Tmean\(C\)=NAME'. Did you mean 'tmean_d'"):
        match_names(store("tmean_d", "prcp"), ["Tmean(C)"], SERIES, {})


def test_two_names_do_not_become_one():
    with pytest.raises(StoreError, match="Both 'prcp' and 'prcp_daymet'"):
        match_names(store("prcp"), ["prcp", "prcp_daymet"], SERIES, {})


def test_units_that_differ_are_refused():
    assert match_names(store("vp", units="Pa"), ["vp(Pa)"], SERIES, {}) == {"vp(Pa)": "vp"}
    with pytest.raises(StoreError, match=r"\[Pa\], the store's vp is in \[hPa\]"):
        match_names(store("vp", units="hPa"), ["vp(Pa)"], SERIES, {})
