"""The Frechet hydrograph distance in small: what it sees in bucket-model flows, beside NSE."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.demos.bucket_flows import bucket_flows
from hydroml.toolkit.distances.flow_disturbances import moving_mean, shuffle_days
from hydroml.toolkit.distances.frechet import feature_distance
from hydroml.toolkit.distances.hydrograph import (
    FrechetHydrographDistance,
    fit_encoder,
    relative_flow,
)

BASINS, YEARS = 80, 20  # half of the years of every basin train the encoder and are the reference
UNTOUCHED, OTHER_YEARS = "untouched", "flow of the year before"
SHUFFLED = ("shuffled in weeks", "shuffled in months", "shuffled in the year")
SMOOTHED = ("3-day mean", "7-day mean", "15-day mean")
BIASED = ("bias +10 %", "bias +25 %", "bias +50 %")
NOISY = ("noise 5 %", "noise 10 %", "noise 20 %")
REVERSED = "reversed"


@dataclass(frozen=True)
class Scores:
    """Of one disturbance: FHD and curve distance in floors, NSE (median over years)."""

    fhd: float
    curve: float
    nse: float


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Train the encoder on half of the years; disturb the other half; take distances.

    Parameters
    ----------
    seed : int
        Of basins, weather, network and disturbances.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        Distances in multiples of the floor.
    """
    flow = torch.from_numpy(bucket_flows(BASINS, YEARS, np.random.default_rng(seed))).float()
    mean = flow.mean(dim=(1, 2))
    rng = torch.Generator().manual_seed(seed)
    order = torch.rand(BASINS, YEARS, generator=rng).argsort(dim=1)
    half = YEARS // 2
    reference = _chosen(flow, order[:, :half])
    held = _chosen(flow, order[:, half:])
    before = _chosen(flow, (order[:, half:] - 1) % YEARS)
    mean = mean.repeat_interleave(half)
    encoder = fit_encoder(
        relative_flow(reference, mean), generator=rng, advance=lambda done: advance(0.8 * done)
    )
    scorer = _Scorer(FrechetHydrographDistance(encoder), reference, held, mean)
    scores = {}
    disturbed = _disturbed(held, before, rng)
    for i, (name, simulated) in enumerate(disturbed.items()):
        scores[name] = scorer.scores(simulated)
        advance(0.8 + 0.2 * (i + 1) / len(disturbed))
    itself = float(scorer.distance(scorer.reference, scorer.reference))
    return Demo(_findings(scores, itself), _panels(scores, disturbed), _note(seed, scorer.floor))


def _chosen(flow: Tensor, years: Tensor) -> Tensor:
    """Years by number, (basins * years, 365)."""
    return flow.gather(1, years[..., None].expand(-1, -1, flow.shape[2])).flatten(0, 1)


def _disturbed(held: Tensor, before: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
    days = held.shape[1]
    noise = torch.randn(held.shape, generator=rng)
    found = {UNTOUCHED: held, OTHER_YEARS: before}
    found |= {n: shuffle_days(held, d, rng) for n, d in zip(SHUFFLED, (7, 30, days), strict=True)}
    found |= {n: moving_mean(held, d) for n, d in zip(SMOOTHED, (3, 7, 15), strict=True)}
    found |= {n: held * b for n, b in zip(BIASED, (1.1, 1.25, 1.5), strict=True)}
    found |= {n: held * (s * noise).exp() for n, s in zip(NOISY, (0.05, 0.1, 0.2), strict=True)}
    return found | {REVERSED: held.flip(1)}


class _Scorer:
    """Scores simulated years against the reference, in floors, and against what was held back."""

    def __init__(
        self, distance: FrechetHydrographDistance, reference: Tensor, held: Tensor, mean: Tensor
    ) -> None:
        self.distance, self.mean, self.held = distance, mean, held
        self.reference = relative_flow(reference, mean)
        truth = torch.cat([self.reference, relative_flow(held, mean)])
        rng = torch.Generator().manual_seed(0)
        self.floor = float(distance.floor(truth, rng))
        halves = torch.randperm(len(truth), generator=rng).chunk(2)
        self.curve_floor = float(feature_distance(*(_flow_duration(truth[h]) for h in halves)))

    def scores(self, simulated: Tensor) -> Scores:
        years = relative_flow(simulated, self.mean)
        curve = feature_distance(_flow_duration(self.reference), _flow_duration(years))
        return Scores(
            float(self.distance(self.reference, years)) / self.floor,
            float(curve) / self.curve_floor,
            _nse(self.held, simulated),
        )


def _flow_duration(years: Tensor) -> Tensor:
    """Eleven points of the flow duration curve of each year: a description without any order."""
    return years.double().quantile(torch.linspace(0, 1, 11, dtype=torch.float64), dim=1).T


def _nse(observed: Tensor, simulated: Tensor) -> float:
    error = (simulated - observed).square().sum(1)
    spread = (observed - observed.mean(1, keepdim=True)).square().sum(1)
    return float((1 - error / spread).median())


def _findings(scores: Mapping[str, Scores], itself: float) -> tuple[Finding, ...]:
    calm = max(scores[UNTOUCHED].fhd, scores[OTHER_YEARS].fhd)
    order = (*SHUFFLED, REVERSED)
    blind = max(abs(scores[n].curve / scores[UNTOUCHED].curve - 1) for n in order)
    weeks, back, other = scores[SHUFFLED[0]], scores[REVERSED], scores[OTHER_YEARS]
    return (
        Finding("FHD of years to themselves", "below 1e-9", itself, abs(itself) < 1e-9),
        Finding("FHD of untouched years and of right flow in the wrong year [floors]",
                "below 3", calm, calm < 3),
        Finding("NSE of right flow in the wrong year", "below 0.5", other.nse, other.nse < 0.5),
        _rising("days shuffled in weeks, months, the year", SHUFFLED, scores, 10),
        Finding("FHD of reversed time [floors]", "above 10", back.fhd, back.fhd > 10),
        Finding("change of the distance of flow duration curves by shuffling and reversing",
                "below 1e-3: sees no order", blind, blind < 1e-3),
        _rising("means of 3, 7, 15 days", SMOOTHED, scores, 10),
        _rising("noise of 5, 10, 20 %", NOISY, scores, 3),
        _rising("bias of 10, 25, 50 %", BIASED, scores, 1),
        Finding("NSE of days shuffled in weeks", "orientation", weeks.nse),
        Finding("NSE of the 3-day mean", "orientation", scores[SMOOTHED[0]].nse),
    )  # fmt: skip


def _rising(
    what: str, names: tuple[str, ...], scores: Mapping[str, Scores], least: float
) -> Finding:
    found = [scores[name].fhd for name in (UNTOUCHED, *names)]
    holds = all(a < b for a, b in pairwise(found)) and found[1] > least
    return Finding(f"FHD: {what} [floors]", f"rising, the first above untouched and {least:g}",
                   " ".join(f"{f:.3g}" for f in found[1:]), holds)  # fmt: skip


def _note(seed: int, floor: float) -> str:
    half = YEARS // 2
    return (
        f"{BASINS} basins with {YEARS} years of bucket-model flow; {half} years of each train the "
        f"encoder and are the reference, {half} are disturbed. Floor (random halves): "
        f"{floor:.2g}. NSE: median over years; seed {seed}."
    )


def _panels(scores: Mapping[str, Scores], disturbed: Mapping[str, Tensor]) -> tuple[Panel, ...]:
    names = list(scores)
    year = max(range(200), key=lambda n: float(disturbed[UNTOUCHED][n, 60:140].max()))
    days = np.arange(60, 140)
    shown = {n: disturbed[n][year, 60:140] for n in (UNTOUCHED, SHUFFLED[0], SMOOTHED[1])}
    shown[REVERSED] = shown[UNTOUCHED].flip(0)  # about the same flood
    lines = tuple(Series(days, flow.numpy(), name) for name, flow in shown.items())
    points = tuple(
        Series([max(scores[n].nse, -1.0)], [scores[n].fhd], n, "points")
        for n in (UNTOUCHED, OTHER_YEARS, SHUFFLED[0], SMOOTHED[0], REVERSED, BIASED[2], NOISY[1])
    )
    return (
        Panel("Frechet hydrograph distance", "", "distance [floors]",
              (Series(names, [scores[n].fhd for n in names], kind="bars"),), log_y=True),
        Panel("Distance of flow duration curves", "", "distance [floors]",
              (Series(names, [scores[n].curve for n in names], kind="bars"),), log_y=True),
        Panel("Two scores, two questions", "NSE, median of years, at least -1 [-]",
              "FHD [floors]", points, log_y=True),
        Panel("Eighty days of one year", "day", "flow [mm d-1]", lines),
    )  # fmt: skip
