"""Which day is the event."""

import numpy as np
import pytest

from hydroml.errors import ConfigError, RunError
from hydroml.explanation.event import choose_event

NAN = np.nan


def days(*values):
    return np.array(values, dtype="f4")


def test_a_peak_is_high_in_both():
    observed, simulated = days(1, 20, 12, 3), days(1, 4, 10, 30)
    assert choose_event("peak", observed, simulated) == 2


def test_a_low_flow_is_low_in_both():
    observed, simulated = days(0.1, 0.4, 0.5, 3), days(2.0, 0.3, 0.2, 3)
    assert choose_event("low", observed, simulated) == 1


@pytest.mark.parametrize("kind", ["peak", "low"])
def test_days_without_one_of_the_two_are_left_out(kind):
    observed, simulated = days(NAN, 5, -1, 6), days(9, 5, 9, NAN)
    assert choose_event(kind, observed, simulated) == 1


def test_nothing_to_choose_from_is_told():
    with pytest.raises(RunError, match="both observed and simulated"):
        choose_event("peak", days(NAN, 1), days(1, NAN))


def test_an_unknown_event_is_told():
    with pytest.raises(ConfigError, match="peak"):
        choose_event("peek", days(1), days(1))
