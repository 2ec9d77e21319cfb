"""The adversarial weather generator: one conditional network for all basins of a store.

Climate is taken off (`scores`), a generator and a critic learn the dependence that is left, with
two time scales (`hydroml.toolkit.adversarial.ttur`), and the climate is put back. Margins are made
exact by ranking each basin's and month's generated scores among those of a long generated series.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hydroml.data.series import Days
from hydroml.data.water_years import calendar_months
from hydroml.errors import ConfigError, TrainingError
from hydroml.generate.bounds import within_bounds
from hydroml.generate.hidden import fit_hidden_linear
from hydroml.generate.margins import Margins, fit_margins
from hydroml.generate.networks import REACH, WeatherCritic, WeatherGenerator, draw_noise
from hydroml.generate.scores import Climate, conditions, dependence, fit_climate
from hydroml.generate.weather import Floats, Weather, days_of
from hydroml.progress import Advance, silent
from hydroml.toolkit.adversarial.ttur import GANTrainer, ttur_optimizers

_ROWS = 64
"""Series generated side by side."""


@dataclass(frozen=True)
class AdversarialSettings:
    """Sizes and training of the two networks.

    Parameters
    ----------
    window : int
        Days that the critic sees at once.
    width, critic_width : int
        Channels of hidden layers.
    steps : int
        Of the generator; with 0 it adds nothing to the linear series of each basin.
    n_critic : int
        Steps of the critic before each.
    batch : int
        Windows in a step.
    rate, critic_rate : float
        Of Adam; the critic's is the faster.
    loss : str
        Of `hydroml.toolkit.adversarial.ttur.LOSSES`.
    average : float
        Of the generator's running average, which is what is used.
    calibration_years : int
        Generated years whose ranks make the margins exact; 30 are 900 days a month.
    """

    window: int = 128
    width: int = 32
    critic_width: int = 48
    steps: int = 1000
    n_critic: int = 1
    batch: int = 32
    rate: float = 5e-4
    critic_rate: float = 1e-3
    loss: str = "wgan-gp"
    average: float = 0.995
    calibration_years: int = 30

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ConfigError(f"steps is {self.steps}.", "Give 0 or more; 0 leaves it untrained.")
        for name in ("width", "critic_width", "n_critic", "batch", "calibration_years"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}.", "Give at least 1.")
        if self.window < 16:
            raise ConfigError(f"A window of {self.window} days is too short.", "Give 16 or more.")


@dataclass(frozen=True)
class AdversarialWeather:
    """A trained generator with the climates it belongs to; made by `train_adversarial`.

    Parameters
    ----------
    learned : Weather
        What it was trained on.
    climate : Climate
        Of these basins.
    told : ndarray
        What sets basins apart, (B, D).
    linear : tuple of ndarray
        A and B of their linear series, (B, F, F).
    network : WeatherGenerator
        With averaged weights.
    calibration : Margins
        Of the network's own scores.
    """

    learned: Weather
    climate: Climate
    told: NDArray[np.float32]
    linear: tuple[Floats, Floats]
    network: WeatherGenerator
    calibration: Margins | None

    def generate(
        self, period: Days, members: int, seed: int, on_progress: Advance = silent
    ) -> list[Weather]:
        """Make the days of a period, several times.

        Parameters
        ----------
        period : tuple of datetime64
            First and last day.
        members : int
            How many; they are independent of each other, and so are basins.
        seed : int
            Another gives other weather.
        on_progress : callable
            Told of the members done.
        """
        days, rng = days_of(period), torch.Generator().manual_seed(seed)
        found = []
        for _ in range(members):
            raw = self.raw(days, rng)
            like = self.learned.with_values(raw, days)
            scores = raw if self.calibration is None else self.calibration.scores(raw, like.months)
            values = self.climate.weather(scores, like)
            found.append(within_bounds(like.with_values(values), self.learned))
            on_progress(1)
        return found

    @torch.inference_mode()
    def raw(self, days: NDArray[np.datetime64], rng: torch.Generator) -> NDArray[np.float32]:
        """Scores of the network on some days, not yet ranked, (B, T, F)."""
        device = next(self.network.parameters()).device
        time = np.arange(days[0] - REACH, days[-1] + 1)
        channels = conditions(self.climate, self.told, time)
        found = np.empty((len(self.told), len(days), self.network.variables), dtype="float32")
        for first in range(0, len(self.told), _ROWS):
            rows = slice(first, first + _ROWS)
            own = [channels[rows], *(m[rows].astype("float32") for m in self.linear)]
            condition = tuple(torch.from_numpy(part).to(device) for part in own)
            noise = draw_noise((len(own[0]), len(time)), found.shape[2], rng, device)
            found[rows] = self.network.latent(noise, condition).transpose(1, 2).cpu().numpy()
        return found


def train_adversarial(
    weather: Weather,
    settings: AdversarialSettings,
    *,
    seed: int = 0,
    device: torch.device | None = None,
    on_progress: Advance = silent,
) -> AdversarialWeather:
    """Train a generator on observed weather.

    Parameters
    ----------
    weather : Weather
        Years to learn from, of all basins.
    settings : AdversarialSettings
        Sizes and training.
    seed : int
        Of weights, noise, windows and calibration.
    device : torch.device, optional
        Where to train and generate.
    on_progress : callable
        Told of the steps done.

    Raises
    ------
    ConfigError
        Fewer days than a window and the generator's reach.
    TrainingError
        A loss is NaN or infinite; it says at which step.
    """
    where = device or torch.device("cpu")
    need = settings.window + REACH
    if len(weather.time) < need:
        raise ConfigError(
            f"There are {len(weather.time)} days to learn weather from; a window needs {need}.",
            "Choose a longer --train period.",
        )
    climate = fit_climate(weather)
    scores = climate.scores(weather)
    told = dependence(scores)
    linear = fit_hidden_linear(scores, climate.threshold(weather.time), climate.rain, seed)
    rng = torch.Generator().manual_seed(seed)
    windows = _Windows(scores, conditions(climate, told, weather.time), linear, settings, where)
    network = _train(windows, climate.rain, settings, rng, on_progress)
    found = AdversarialWeather(weather, climate, told, linear, network, None)
    years = np.timedelta64(int(settings.calibration_years * 365.25), "D")
    days = days_of((weather.time[0], weather.time[0] + years))
    return replace(found, calibration=fit_margins(found.raw(days, rng), calendar_months(days)))


class _Windows:
    """Windows of scores with what belongs to them, drawn from basins and days at random."""

    def __init__(
        self,
        scores: NDArray[np.float32],
        condition: NDArray[np.float32],
        linear: tuple[Floats, Floats],
        settings: AdversarialSettings,
        device: torch.device,
    ) -> None:
        self.scores = torch.from_numpy(np.ascontiguousarray(scores.transpose(0, 2, 1))).to(device)
        self.condition = torch.from_numpy(condition).to(device)
        self.linear = [torch.from_numpy(m.astype("float32")).to(device) for m in linear]
        self.settings, self.device = settings, device

    def draw(self, rng: torch.Generator) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Scores (N, F, window), and the condition with `REACH` days before."""
        count, length = self.settings.batch, self.settings.window + REACH
        basin = torch.randint(len(self.scores), (count,), generator=rng)
        last = self.scores.shape[2] - length + 1
        start = torch.randint(last, (count,), generator=rng)
        days = (start[:, None] + torch.arange(length)).to(self.device)
        rows = basin.to(self.device)
        real = self.scores.transpose(1, 2)[rows[:, None], days].transpose(1, 2)
        channels = self.condition.transpose(1, 2)[rows[:, None], days].transpose(1, 2)
        matrices = [matrix[rows] for matrix in self.linear]
        return real[..., REACH:].contiguous(), (channels.contiguous(), *matrices)

    def noise(self, count: int, rng: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Noise of a batch of windows."""
        assert rng is not None
        days = self.settings.window + REACH
        return draw_noise((count, days), self.scores.shape[1], rng, self.device)


def _train(
    windows: _Windows,
    rain: int,
    settings: AdversarialSettings,
    rng: torch.Generator,
    advance: Advance,
) -> WeatherGenerator:
    variables, channels = windows.scores.shape[1], windows.condition.shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=rng)))
        network = WeatherGenerator(variables, channels, rain, settings.width).to(windows.device)
        critic = WeatherCritic(variables, channels, settings.critic_width).to(windows.device)
    gan = GANTrainer(
        network, critic, settings.loss, latent=windows.noise, n_critic=settings.n_critic,
        optimizers=ttur_optimizers(network, critic, settings.rate, settings.critic_rate),
    )  # fmt: skip
    gan.keep_average(settings.average)
    for _ in range(settings.steps):
        real, condition = windows.draw(rng)
        try:
            gan.step(real, condition, rng)
        except FloatingPointError as error:
            raise TrainingError(
                f"Training of the weather generator stopped. {error}",
                "Lower the rates, or use --method markov.",
            ) from error
        advance(1)
    averaged = gan.averaged
    assert isinstance(averaged, WeatherGenerator)
    return averaged.eval()
