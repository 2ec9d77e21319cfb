"""The two networks of the adversarial weather generator.

The generator turns noise into normal scores by causal dilated convolutions, so that it makes series
of any length; the critic looks at windows of some months. Both are told the season, the score below
which a day is dry, and what sets the basin apart.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MEMORIES = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.8, 0.8, 0.95, 0.99)
"""Autocorrelation from day to day of each channel of noise: weather of a day, of a season."""
DILATIONS = (1, 2, 4, 8, 16, 32)
REACH = sum(DILATIONS)
"""Days before a day that the generator's convolutions look at."""


def memory_noise(
    shape: tuple[int, int], generator: torch.Generator, device: torch.device
) -> Tensor:
    """Draw standard normal noise whose channels remember, see `MEMORIES`.

    ``e_t = rho e_(t-1) + sqrt(1 - rho^2) n_t``, started from its own distribution.

    Parameters
    ----------
    shape : tuple of int
        Series N and days T.
    generator : torch.Generator
        On the CPU, so that every device sees the same numbers.
    device : torch.device
        Where the noise goes.

    Returns
    -------
    Tensor
        (N, channels, T).
    """
    count, days = shape
    noise = torch.randn(days, count, len(MEMORIES), generator=generator)
    rho = torch.tensor(MEMORIES)
    fresh = (1 - rho.square()).sqrt()
    slow = rho > 0
    state, rho, fresh = noise[0, :, slow], rho[slow], fresh[slow]
    remembered = [state]
    for today in noise[1:, :, slow]:
        state = rho * state + fresh * today
        remembered.append(state)
    noise[..., slow] = torch.stack(remembered)
    return noise.permute(1, 2, 0).to(device)


def draw_noise(
    shape: tuple[int, int], variables: int, generator: torch.Generator, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Draw innovations (N, F, T) of the linear series, and `memory_noise` (N, channels, T)."""
    count, days = shape
    innovations = torch.randn(count, variables, days, generator=generator).to(device)
    return innovations, memory_noise(shape, generator, device)


class WeatherGenerator(nn.Module):
    """Noise and condition to normal scores: the basin's linear series, and what is to be mended.

    ``z_t = l_t + net(l, noise, condition)_t`` with ``l_t = A l_(t-1) + B e_t``, the linear series
    that has the basin's own correlations; the network starts at 0 and learns what is not linear.

    Parameters
    ----------
    variables : int
        F.
    conditions : int
        Channels of the condition; the first is the score below which a day is dry.
    rain : int
        Place of precipitation.
    width : int
        Channels of a hidden layer.
    """

    def __init__(self, variables: int, conditions: int, rain: int, width: int = 32) -> None:
        super().__init__()
        self.rain, self.variables = rain, variables
        self.inward = nn.Conv1d(len(MEMORIES) + variables + conditions, width, 1)
        self.layers = nn.ModuleList(nn.Conv1d(width, 2 * width, 2, dilation=d) for d in DILATIONS)
        self.outward = nn.Conv1d(width, variables, 1)
        nn.init.zeros_(self.outward.weight)
        self.outward.bias = nn.Parameter(torch.zeros(variables))

    def forward(self, noise: tuple[Tensor, Tensor], condition: tuple[Tensor, ...]) -> Tensor:
        """Make the scores a critic sees: dry days are at the threshold, whatever lies below.

        Parameters
        ----------
        noise : tuple of Tensor
            Innovations e, (N, F, `REACH` + T), and `memory_noise` of as many days.
        condition : tuple of Tensor
            Channels (N, C, `REACH` + T), and A and B, (N, F, F).

        Returns
        -------
        Tensor
            (N, F, T).
        """
        return dry_at_threshold(self.latent(noise, condition), condition[0][..., REACH:], self.rain)

    def latent(self, noise: tuple[Tensor, Tensor], condition: tuple[Tensor, ...]) -> Tensor:
        """Make scores that go on below the threshold of dry days; shapes as in `forward`."""
        channels, step, innovate = condition
        linear = linear_series(noise[0], step, innovate)
        x = F.leaky_relu(self.inward(torch.cat([linear, noise[1], channels], dim=1)), 0.2)
        for layer in self.layers:
            candidate, gate = layer(x).chunk(2, dim=1)
            x = x[..., -candidate.shape[-1] :] + torch.tanh(candidate) * torch.sigmoid(gate)
        return linear[..., REACH:] + self.outward(x)


class WeatherCritic(nn.Module):
    """Windows of scores, and their condition, to a number each.

    Parameters
    ----------
    variables, conditions : int
        Channels of either.
    width : int
        Channels of a hidden layer.
    """

    def __init__(self, variables: int, conditions: int, width: int = 48) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv1d(n, width, 5, stride=2, padding=2)
            for n in (variables + conditions, width, width, width)
        )
        self.outward = nn.Linear(2 * width, 1)

    def forward(self, scores: Tensor, condition: tuple[Tensor, ...]) -> Tensor:
        """Judge windows (N, F, T); the condition may have days before them. Returns (N,)."""
        x = torch.cat([scores, condition[0][..., -scores.shape[-1] :]], dim=1)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        both = torch.cat([x.mean(-1), x.square().mean(-1).add(1e-6).sqrt()], dim=1)
        return self.outward(both)[:, 0]


@torch.no_grad()
def linear_series(innovations: Tensor, step: Tensor, innovate: Tensor) -> Tensor:
    """Run ``l_t = A l_(t-1) + B e_t`` from ``l_0 = e_0``.

    Parameters
    ----------
    innovations : Tensor
        e, (N, F, T).
    step, innovate : Tensor
        A and B, (N, F, F).
    """
    fresh = (innovate @ innovations).permute(2, 0, 1)[..., None]  # (T, N, F, 1)
    state = innovations[..., :1]
    found = [state]
    for today in fresh[1:]:
        state = torch.baddbmm(today, step, state)
        found.append(state)
    return torch.cat(found, dim=2)


def dry_at_threshold(scores: Tensor, channels: Tensor, rain: int) -> Tensor:
    """Raise precipitation's scores (N, F, T) to the threshold where they are below it."""
    raised = torch.maximum(scores[:, rain], channels[:, 0])
    return torch.cat([scores[:, :rain], raised[:, None], scores[:, rain + 1 :]], dim=1)
