"""Neurons in small: an LSTM taught the outflow of a snow pack, asked which cell knows the snow.

Weather without a season, so that a calendar is no help: temperature wanders around 0 degC,
precipitation is independent of it. What falls below 0 degC stays, and melts by 3 mm a degree and
day. The network sees weather and outflow, never the snow.
"""

import copy

import torch
from torch import Tensor, nn

from hydroml.toolkit.attribution.neurons import (
    BestNeurons,
    best_neurons,
    chance_auc,
    chance_level,
    neuron_auc,
    separability,
)
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent

_HIDDEN, _DAYS, _TRAINING, _OTHERS, _SPIN_UP = 16, 200, 64, 40, 30
_STEPS, _RATE, _MELT = 400, 0.01, 3.0
_AHEAD = 0.03  # of the untrained network's best cell, in area under the curve


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Train a small LSTM on outflow and score its cells against snow on the ground.

    Parameters
    ----------
    seed : int
        Of weather and weights.
    advance : callable
        Told of the share that is done.

    Returns
    -------
    Demo
        Best cell of the trained network, of the untrained one, and best raw input; chosen on some
        series and scored on others.
    """
    generator = torch.Generator().manual_seed(seed)
    x, y, snow = _snowy_catchments(_TRAINING + 2 * _OTHERS, generator)
    learn, choose, report = x.split([_TRAINING, _OTHERS, _OTHERS])
    _, snow_choose, snow_report = snow.split([_TRAINING, _OTHERS, _OTHERS])
    untrained = _Network(_HIDDEN, generator)
    trained = copy.deepcopy(untrained)
    losses = _fit(trained, learn, y[:_TRAINING], advance)
    sources = {
        "trained cell": (trained.cells(choose), trained.cells(report)),
        "untrained cell": (untrained.cells(choose), untrained.cells(report)),
        "raw input": (choose, report),
    }
    chosen, reached = {}, {}
    for name, (before, after) in sources.items():
        best = best_neurons(neuron_auc(*_samples(before, snow_choose)))
        chosen[name] = best
        auc = neuron_auc(*_samples(after, snow_report))[best.unit[0], 0]
        reached[name] = float(auc if best.sign[0] > 0 else 1 - auc)
    chance = chance_auc(
        *_samples(sources["trained cell"][1], snow_report), draws=50, series=_OTHERS,
        generator=generator,
    )  # fmt: skip
    level = chance_level(torch.tensor([reached["trained cell"]]), chance)
    return Demo(
        _findings(reached, chance, float(level)),
        _panels(losses, sources, chosen["trained cell"], snow_report, reached, chance),
        f"{_TRAINING} series of {_DAYS} days to learn from, {_OTHERS} to choose the cell and "
        f"{_OTHERS} others to score it; {_HIDDEN} cells, {_STEPS} steps of Adam, seed {seed}.",
    )


class _Network(nn.Module):
    """An LSTM with a linear read-out whose cell states can be read."""

    def __init__(self, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)
        with torch.no_grad():
            for weight in self.parameters():
                weight.uniform_(-(hidden**-0.5), hidden**-0.5, generator=generator)
            self.lstm.get_parameter("bias_ih_l0")[hidden : 2 * hidden] += 3  # it remembers at first

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0])[..., 0]

    @torch.no_grad()
    def cells(self, x: Tensor) -> Tensor:
        """Cell state after each day, (B, T, H)."""
        state = None
        kept = []
        for day in x.split(1, dim=1):
            _, state = self.lstm(day, state)
            kept.append(state[1][0])
        return torch.stack(kept, 1)


def _snowy_catchments(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Standardised weather (B, T, 2), standardised outflow (B, T), snow [mm] (B, T)."""
    shape = (count, _DAYS)
    noise = torch.randn(shape, generator=generator)
    wet = torch.rand(shape, generator=generator) < 0.4
    rain = -8 * torch.rand(shape, generator=generator).clamp(min=1e-6).log() * wet  # exponential
    temperature = torch.empty(shape)
    warmth, pack, packs, flow = noise[:, 0] * 4, torch.zeros(count), [], []
    for t in range(_DAYS):
        warmth = 0.85 * warmth + 4 * (1 - 0.85**2) ** 0.5 * noise[:, t]
        temperature[:, t] = warmth
        snowfall = rain[:, t] * (warmth < 0)
        melt = torch.minimum(pack, _MELT * warmth.clamp(min=0))
        pack = pack + snowfall - melt
        packs.append(pack)
        flow.append(rain[:, t] - snowfall + melt)
    y = torch.stack(flow, 1)
    return (
        torch.stack([rain / rain.std(), temperature / temperature.std()], 2),
        (y - y.mean()) / y.std(),
        torch.stack(packs, 1),
    )


def _fit(network: _Network, x: Tensor, y: Tensor, advance: Advance) -> list[float]:
    optimizer, losses = torch.optim.Adam(network.parameters(), lr=_RATE), []
    for step in range(_STEPS):
        loss = (network(x) - y)[:, _SPIN_UP:].square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        advance((step + 1) / _STEPS)
    return losses


def _samples(activations: Tensor, snow: Tensor) -> tuple[Tensor, Tensor]:
    """Days after the spin-up as samples, and whether there is snow."""
    return activations[:, _SPIN_UP:].flatten(0, 1), (snow[:, _SPIN_UP:] > 1).flatten()[:, None]


def _findings(reached: dict[str, float], chance: Tensor, level: float) -> tuple[Finding, ...]:
    trained, untrained, raw = reached.values()
    least = max(untrained, raw) + _AHEAD
    return (
        Finding(
            "AUC of the trained network's best cell for snow on the ground",
            f"above both controls by {_AHEAD:g}, so above {least:.3f}", trained, trained > least,
        ),
        Finding("AUC of the untrained network's best cell", "control", untrained),
        Finding("AUC of the best raw input", "control", raw),
        Finding(
            "AUC of the best cell for rotated labels, median of 50 draws", "control",
            float(chance.median()),
        ),
        Finding("chance of such an AUC, corrected for the choice of cell", "below 0.05", level,
                level < 0.05),
    )  # fmt: skip


def _panels(
    losses: list[float],
    sources: dict[str, tuple[Tensor, Tensor]],
    best: BestNeurons,
    snow: Tensor,
    reached: dict[str, float],
    chance: Tensor,
) -> tuple[Panel, ...]:
    index, sign = int(best.unit[0]), float(best.sign[0])
    shown = int((snow > 1).float().mean(1).sub(0.5).abs().argmin())  # snow on half of its days
    cell = sign * sources["trained cell"][1][shown, :, index]
    days = torch.arange(_DAYS)
    auc = separability(neuron_auc(*_samples(sources["trained cell"][1], snow)))[:, 0].sort().values
    before = separability(neuron_auc(*_samples(sources["untrained cell"][1], snow)))[:, 0]
    share = (torch.arange(_HIDDEN) + 1) / _HIDDEN
    return (
        Panel(
            "A cell and the snow it was never shown", "day", "standard deviations",
            (
                Series(days, _standard(snow[shown]), "snow"),
                Series(days, _standard(cell), f"cell {index}{' (turned)' if sign < 0 else ''}"),
            ),
        ),
        Panel(
            "All cells", "AUC for snow, better sign", "share of cells at or below",
            (
                Series(auc, share, "trained"),
                Series(before.sort().values, share, "untrained"),
                Series(chance[:, 0].sort().values, torch.linspace(0, 1, len(chance)),
                       "best cell, rotated labels"),
            ),
        ),
        Panel(
            "Chosen on other series", "", "AUC for snow",
            (Series(list(reached), list(reached.values()), kind="bars"),),
        ),
        Panel(
            "Training", "step", "mean squared error [variances]",
            (Series(torch.arange(len(losses)), losses),), log_y=True,
        ),
    )  # fmt: skip


def _standard(series: Tensor) -> Tensor:
    return (series - series.mean()) / series.std()
