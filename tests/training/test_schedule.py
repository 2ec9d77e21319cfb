"""Learning rates by hand."""

import pytest

from hydroml.config import CosineSchedule, StepSchedule
from hydroml.training.schedule import learning_rate


@pytest.mark.parametrize(
    ("progress", "rate"),
    [(0, 1e-3), (9.999, 1e-3), (10, 5e-4), (19.999, 5e-4), (20, 1e-4), (29.999, 1e-4)],
)
def test_the_papers_steps_change_before_the_epochs_they_name(progress, rate):
    assert learning_rate(StepSchedule(), progress, 30) == rate


def test_cosine_by_hand():
    # ten epochs, one to rise; halfway between epoch 1 and 10 the cosine is at half its peak
    schedule = CosineSchedule(peak=2.0, rise=0.1)
    rates = [learning_rate(schedule, p, 10) for p in (0, 0.25, 1, 5.5, 10)]
    assert rates == pytest.approx([0, 0.5, 2.0, 1.0, 0])


def test_cosine_without_rise_starts_at_its_peak():
    assert learning_rate(CosineSchedule(peak=0.1, rise=0), 0, 10) == 0.1


def test_cosine_ends_at_its_floor_and_never_falls_below():
    # from 2 down to a quarter of it: 0.5 + 1.5 * half a cosine
    schedule = CosineSchedule(peak=2.0, rise=0.1, floor=0.25)
    rates = [learning_rate(schedule, p, 10) for p in (0, 0.5, 1, 5.5, 10)]
    assert rates == pytest.approx([0, 1.0, 2.0, 1.25, 0.5])


def test_cosine_with_a_floor_of_one_is_constant_behind_its_rise():
    schedule = CosineSchedule(peak=0.3, rise=0, floor=1)
    assert [learning_rate(schedule, p, 4) for p in (0, 1.3, 3.9)] == [0.3] * 3
