"""CycleGAN in small: realistic rain on clear scenes, learned without pairs, and its use."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from hydroml.toolkit.adversarial.cyclegan import CycleGAN, CycleOptions
from hydroml.toolkit.adversarial.cyclegan_nets import (
    NoisyInput,
    PatchDiscriminator,
    ResnetGenerator,
)
from hydroml.toolkit.attribution.neurons import neuron_auc
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.domains.derain import DerainCNN, fit_derainer, restore
from hydroml.toolkit.domains.image_quality import psnr
from hydroml.toolkit.domains.rain import shower
from hydroml.toolkit.domains.scenes import scenes
from hydroml.toolkit.domains.streaks import streak_score

SIZE, BATCH, STEPS, RATE = 32, 4, 400, 1e-3
WIDTH, BLOCKS, NOISE, CRITIC = 16, 3, 0.2, 24
SHOWERS, SCENES = 16, 16  # of the test: showers, scenes in each
PAIRS, FIT, FIT_RATE = 8, 250, 4e-3  # batch, steps and rate of the derainers
SHOWN = 6  # scenes in the picture
TRAINED_ON = ("drawn streaks", "CycleGAN's rain")


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Train a CycleGAN from clear to rainy scenes, then derainers on its pairs and on drawn ones.

    Parameters
    ----------
    seed : int
        Of scenes, rain and networks.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        Cycle losses, responses of a streak detector, gains of the derainers in PSNR.
    """
    generator = torch.Generator().manual_seed(seed)
    clear = scenes(SHOWERS * SCENES, SIZE, generator)  # tests; the scenes of `rainy` are others
    behind = [scenes(SCENES, SIZE, generator) for _ in range(SHOWERS)]
    truth, rainy = torch.cat(behind), torch.cat([shower(x, True, generator) for x in behind])
    torch.manual_seed(seed)
    model = _model(generator)
    start = _cycle_distances(model, clear, rainy)
    history = _train(model, generator, lambda done: advance(0.65 * done))
    end = _cycle_distances(model, clear, rainy)
    fake, cleaned = translate(model.g_ab, clear), translate(model.g_ba, rainy)
    rains = (partial(shower, generator=generator), partial(translate, model.g_ab))
    derained = {
        name: restore(_derainer(rain, generator, partial(_share, advance, i)), rainy)
        for i, (name, rain) in enumerate(zip(TRAINED_ON, rains, strict=True))
    }
    gains = {name: _gain(found, rainy, truth) for name, found in derained.items()}
    gains["F itself"] = _gain(cleaned, rainy, truth)
    findings = _cycle_findings(start, end, clear) + _findings(clear, rainy, fake, gains)
    shown = (clear, fake, rainy, cleaned, *derained.values(), truth)
    return Demo(findings, _panels(history, shown, gains), _note(seed))


@torch.no_grad()
def translate(net: nn.Module, images: Tensor) -> Tensor:
    """Take images with values 0 to 1 through a generator, which has -1 to 1."""
    return torch.cat([(net(2 * part - 1) + 1) / 2 for part in images.split(64)]).clamp(0, 1)


def _model(generator: torch.Generator) -> CycleGAN:
    g_ab, g_ba = (ResnetGenerator(3, WIDTH, BLOCKS, halvings=0) for _ in range(2))
    d_a, d_b = (PatchDiscriminator(3, CRITIC, layers=1) for _ in range(2))
    options = CycleOptions(rate=RATE, identity=0.0, steps=STEPS)
    return CycleGAN(NoisyInput(g_ab, NOISE, generator), g_ba, d_a, d_b, options, generator)


def _train(model: CycleGAN, generator: torch.Generator, advance: Advance) -> list[dict[str, float]]:
    history = []
    for step in range(STEPS):
        clear = scenes(BATCH, SIZE, generator)
        rainy = shower(scenes(BATCH, SIZE, generator), True, generator)
        history.append(model.step(2 * clear - 1, 2 * rainy - 1))
        advance((step + 1) / STEPS)
    return history


def _derainer(
    rain: Callable[[Tensor], Tensor], generator: torch.Generator, advance: Advance
) -> DerainCNN:
    def pairs() -> tuple[Tensor, Tensor]:
        clear = scenes(PAIRS, SIZE, generator)
        return rain(clear), clear

    model = DerainCNN()
    fit_derainer(model, pairs, FIT, FIT_RATE, advance)
    return model


def _share(advance: Advance, place: int, done: float) -> None:
    advance(0.65 + 0.175 * (place + done))


def _cycle_distances(model: CycleGAN, clear: Tensor, rainy: Tensor) -> tuple[float, float]:
    """Mean absolute difference of what has gone to the other set and come back, 0 to 1."""
    there, back = model.g_ab, model.g_ba
    return (
        float((translate(back, translate(there, clear)) - clear).abs().mean()),
        float((translate(there, translate(back, rainy)) - rainy).abs().mean()),
    )


def _gain(found: Tensor, rainy: Tensor, clear: Tensor) -> float:
    return float((psnr(found, clear) - psnr(rainy, clear)).mean())


def _cycle_findings(
    start: tuple[float, float], end: tuple[float, float], clear: Tensor
) -> tuple[Finding, ...]:
    other = float((clear - clear.roll(1, 0)).abs().mean())
    halved = all(after < before / 2 for before, after in zip(start, end, strict=True))
    said = [f"{before:.3f} to {after:.3f}" for before, after in zip(start, end, strict=True)]
    return (
        Finding("cycle L1 of test images, clear; rainy, values 0 to 1", "less than halved",
                "; ".join(said), halved),
        Finding("L1 between a clear scene and another one", "above that of its cycle", other,
                other > end[0]),
    )  # fmt: skip


def _findings(
    clear: Tensor, rainy: Tensor, fake: Tensor, gains: dict[str, float]
) -> tuple[Finding, ...]:
    of_clear, of_rainy, of_fake = (streak_score(x) for x in (clear, rainy, fake))
    labels = torch.cat([torch.zeros_like(of_clear), torch.ones_like(of_rainy)])
    area = float(neuron_auc(torch.cat([of_clear, of_rainy])[:, None], labels[:, None]))
    fired = float((of_fake > of_clear.quantile(0.95)).float().mean())
    turned = float(streak_score(fake.mT).mean())
    upright = float(of_fake.mean())
    drawn, made = (gains[name] for name in TRAINED_ON)
    return (
        Finding("streak detector: AUC of realistic rain against clear", "above 0.95", area,
                area > 0.95),
        Finding("G(clear) with more streaks than 95 % of clear scenes", "above 0.25 (chance 0.05)",
                fired, fired > 0.25),
        Finding("detector on G(clear): upright / turned by 90 degrees",
                f"upright twice (rain {float(of_rainy.mean()):.3f}, clear "
                f"{float(of_clear.mean()):.3f})", f"{upright:.3f} / {turned:.3f}",
                upright > 2 * turned),
        Finding("gain of a CNN on realistic rain: pairs of CycleGAN, of drawn streaks [dB]",
                "at least 1 more", f"{made:.1f} / {drawn:.1f}", made >= drawn + 1),
        Finding("gain of F, rainy to clear, itself [dB]", "for orientation", gains["F itself"]),
    )  # fmt: skip


def _note(seed: int) -> str:
    return (
        f"Unpaired scenes of {SIZE} x {SIZE}, realistic rain of our design; {STEPS} steps of "
        f"{BATCH}, generators of {BLOCKS} blocks of {WIDTH} channels without halving, noise added "
        f"to the input of G, critics of patches of 16; no identity loss. Tests on "
        f"{SHOWERS * SCENES} clear and as many other, rainy scenes; seed {seed}."
    )


def _panels(
    history: list[dict[str, float]], shown: tuple[Tensor, ...], gains: dict[str, float]
) -> tuple[Panel, ...]:
    steps = list(range(1, len(history) + 1))
    losses = tuple(
        Series(steps, [losses[name] for losses in history], label)
        for name, label in (("cycle_a", "clear"), ("cycle_b", "rainy"))
    )
    clear, fake, rainy, cleaned, by_drawn, by_made, truth = shown
    share = torch.linspace(0, 1, len(clear))
    scores = tuple(
        Series(streak_score(x).sort().values, share, label)
        for x, label in ((clear, "clear"), (rainy, "realistic rain"), (fake, "G(clear)"))
    )
    return (
        Panel("Cycle losses", "step", "L1, values -1 to 1 [-]", losses, log_y=True),
        Panel("Streak detector", "share of pixels that fire [-]", "share of images [-]", scores),
        Panel("CNN on realistic rain, by what it was trained on", "", "gain in PSNR [dB]",
              (Series(list(gains), list(gains.values()), kind="bars"),)),
        Panel("From the top: clear, G(clear); for comparison rain on other scenes", "pixel",
              "pixel", image=_strip(clear, fake, rainy)),
        Panel("Rainy; cleaned by F, by CNN (drawn), by CNN (CycleGAN); clear", "pixel", "pixel",
              image=_strip(rainy, cleaned, by_drawn, by_made, truth)),
    )  # fmt: skip


def _strip(*rows: Tensor) -> Tensor:
    """Lay a scene of each of some showers beside each other, one row below the other."""
    chosen = range(0, SHOWN * SCENES, SCENES)
    return torch.cat([torch.cat([row[i] for i in chosen], dim=2) for row in rows], 1).movedim(0, 2)
