"""Learning rates as plain functions of the progress through training."""

import math

from hydroml.config import CosineSchedule, StepSchedule


def learning_rate(schedule: StepSchedule | CosineSchedule, progress: float, epochs: int) -> float:
    """Learning rate at a point of training.

    Parameters
    ----------
    schedule : StepSchedule or CosineSchedule
        Which curve.
    progress : float
        Epochs done, with the fraction of the one at hand: 0 at the start.
    epochs : int
        Epochs in all.

    Examples
    --------
    >>> steps = StepSchedule(rates={1: 1e-3, 11: 5e-4})
    >>> learning_rate(steps, 9.9, 30), learning_rate(steps, 10.0, 30)
    (0.001, 0.0005)
    >>> learning_rate(CosineSchedule(peak=1.0, rise=0.1), 0.5, 10)  # halfway up
    0.5
    >>> learning_rate(CosineSchedule(peak=1.0, rise=0.0, floor=0.5), 5, 10)  # halfway down
    0.75
    """
    if isinstance(schedule, StepSchedule):
        begun = [e for e in schedule.rates if e <= int(progress) + 1]
        return schedule.rates[max(begun)]
    share = progress / epochs
    if share < schedule.rise:
        return schedule.peak * share / schedule.rise
    fall = (share - schedule.rise) / (1 - schedule.rise)
    lowest = schedule.floor * schedule.peak
    return lowest + (schedule.peak - lowest) * 0.5 * (1 + math.cos(math.pi * fall))
