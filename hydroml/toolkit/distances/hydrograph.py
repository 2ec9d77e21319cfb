"""Frechet hydrograph distance: how real simulated years of daily flow look.

Scores such as the Nash-Sutcliffe efficiency (NSE) compare day with day. This compares two *sets of
years*: an LSTM trained to tell tomorrow's flow, one for all basins, turns each year into features
(hydrograph_encoder.py), and

    FHD = Frechet distance of the features = |m_1 - m_2|^2 + Tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2)).

Flow is given relative to the basin's mean observed flow, ``x = log(0.05 + q / mean q)``. The
features depend on the order of the days: recessions, rises, noise. The distance says nothing of the
right flow on the right day; NSE does.

Sets of N years are never equal; the *floor* is the distance of random halves of the real years, and
a distance is best read as a multiple of it.
"""

import warnings

import torch
from torch import Tensor, nn

from hydroml.toolkit.card import Card
from hydroml.toolkit.distances.evaluation_mode import in_evaluation
from hydroml.toolkit.distances.frechet import feature_distance
from hydroml.toolkit.distances.hydrograph_encoder import HydrographEncoder
from hydroml.toolkit.distances.hydrograph_training import fit_encoder

__all__ = [
    "CARD",
    "FrechetHydrographDistance",
    "HydrographEncoder",
    "fit_encoder",
    "relative_flow",
]

CARD = Card(
    name="hydrograph",
    title="Frechet hydrograph distance (FHD)",
    paper="our design after Unterthiner et al. (2018): Towards accurate generative models of "
    "video. arXiv:1812.01717; and Preuer et al. (2018): Frechet ChemNet distance. arXiv:1803.09518",
    year=2018,
    answers="Do simulated years of daily flow look like real ones, day after day?",
    inputs="years of relative log flow (N, T) of each of two sets, without gaps",
    outputs="one number of at least 0; the floor of random halves to read it by",
    hydrology="a score of realism beside NSE: too smooth recessions, noise, days out of order, "
    "floods that rise too slowly",
    claim="On bucket-model flows: rises with shuffled days, reversed time, smoothing, noise and "
    "bias; stays at the floor for right flows in the wrong years, where NSE fails. A score of the "
    "flow duration curve sees no order. Not shown: agreement with what hydrologists find real",
    choices=(
        "Features: means of 16 states of an LSTM trained to tell the next day's flow, and two "
        "numbers of its errors; 18 in all, so that a few hundred years do.",
        "Flow is log(0.05 + q / mean q), with the mean of the OBSERVED flow in both sets.",
        "The floor compares halves, so sets of N / 2 years; sampling alone gives sets of N years "
        "about half of it.",
        "The year begins where the caller cuts it; the first 30 days warm the network up.",
    ),
)

OFFSET = 0.05  # of the mean flow: days without flow have a logarithm
CHUNK = 1024  # years read at a time


def relative_flow(flow: Tensor, mean_flow: Tensor) -> Tensor:
    """Flow relative to the basin's mean, logarithmic: ``log(0.05 + q / mean q)``.

    Parameters
    ----------
    flow : Tensor
        Daily flow of years, (N, T), any unit; NaN where missing.
    mean_flow : Tensor
        Mean *observed* flow of the year's basin, (N,), in the same unit. Simulated years take the
        observed mean, too; with their own, a bias would be hidden.

    Returns
    -------
    Tensor
        (N, T); 0.05 at the mean, -3 without flow.

    Raises
    ------
    ValueError
        Negative flow, or a mean that is not above 0.

    Examples
    --------
    >>> relative_flow(torch.tensor([[0.95, 0.0]]), torch.ones(1))
    tensor([[ 0.0000, -2.9957]])
    """
    if flow.ndim != 2 or mean_flow.shape != flow.shape[:1]:
        raise ValueError(
            f"Flow and mean flow have the shapes {tuple(flow.shape)} and "
            f"{tuple(mean_flow.shape)}; give (N, T) and (N,)."
        )
    if (flow < 0).any():
        raise ValueError(
            f"Flow of {float(flow[flow < 0].min()):.3g}: below 0; set negative simulated flow to 0."
        )
    if not (mean_flow > 0).all():
        raise ValueError("A mean flow is not above 0; leave out basins that are always dry.")
    return torch.log(OFFSET + flow / mean_flow[:, None])


class FrechetHydrographDistance(nn.Module):
    """Distance of two sets of years.

    Parameters
    ----------
    encoder : HydrographEncoder
        Trained on real years by `fit_encoder`. Distances of different encoders cannot be compared.

    Examples
    --------
    >>> g = torch.Generator().manual_seed(0)
    >>> years = relative_flow(torch.rand(40, 365, generator=g), torch.full((40,), 0.5))
    >>> distance = FrechetHydrographDistance(fit_encoder(years, generator=g, steps=2))
    >>> bool(distance(years, years) < 1e-9), bool(distance(years, years + 1) > 0.01)
    (True, True)
    """

    def __init__(self, encoder: HydrographEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, years_a: Tensor, years_b: Tensor) -> Tensor:
        """Distance, float64.

        Parameters
        ----------
        years_a, years_b : Tensor
            Transformed flow (`relative_flow`), (N, T) and (M, T).

        Raises
        ------
        ValueError
            Years with missing values; fewer than 2 years.

        Warns
        -----
        UserWarning
            No more years than features.
        """
        return feature_distance(self._described(years_a), self._described(years_b))

    def floor(self, years: Tensor, generator: torch.Generator, repeats: int = 10) -> Tensor:
        """Distance of random halves of the years, mean of `repeats`: what chance alone gives.

        Parameters
        ----------
        years : Tensor
            Transformed flow, (N, T); the real years of both sets together.
        generator : torch.Generator
            A CPU generator.
        repeats : int
            Halvings.

        Raises
        ------
        ValueError
            Fewer than 4 years.
        """
        if len(years) < 4:
            raise ValueError(f"{len(years)} years have no two halves of 2; give at least 4.")
        features = self._described(years)
        middle = len(years) // 2
        found = []
        for _ in range(repeats):
            order = torch.randperm(len(years), generator=generator).to(features.device)
            halves = features[order[:middle]], features[order[middle : 2 * middle]]
            found.append(feature_distance(*halves))
        return torch.stack(found).mean()

    @torch.no_grad()
    def _described(self, years: Tensor) -> Tensor:
        with in_evaluation(self.encoder):
            features = torch.cat([self.encoder(part) for part in years.split(CHUNK)]).double()
        if len(features) <= features.shape[1]:
            warnings.warn(
                f"{len(features)} years for {features.shape[1]} features: the covariance lacks "
                "full rank, so the distance depends on the number of years. Give more years.",
                stacklevel=3,
            )
        return features
