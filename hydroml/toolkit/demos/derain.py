"""Derainers in small: trained on drawn streaks or on realistic rain, tested on both."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.domains.derain import DerainCNN, DerainViT, fit_derainer, restore
from hydroml.toolkit.domains.image_quality import psnr, ssim
from hydroml.toolkit.domains.rain import rain_overlay, shower
from hydroml.toolkit.domains.scenes import scenes

SIZE, BATCH = 32, 8
SHOWERS, SCENES = 16, 16  # of the test: showers, scenes in each
STEPS, RATE = {"CNN": 250, "ViT": 400}, {"CNN": 4e-3, "ViT": 2e-3}
SHOWN = 6  # scenes in the picture

MODELS: dict[str, Callable[[], nn.Module]] = {
    "CNN": DerainCNN,
    "ViT": partial(DerainViT, SIZE, 4, 96, 4, 4),
}
RAINS = {"drawn": False, "realistic": True}

Tests = dict[str, tuple[Tensor, Tensor]]
"""Rainy and clear test images of each rain."""

Results = dict[tuple[str, str, str], Tensor]
"""Restored images of (model, rain it was trained on, rain of the test)."""


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Train a CNN and a Vision Transformer on either rain, and test each on both.

    Parameters
    ----------
    seed : int
        Of scenes, rain and networks.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        Gains in PSNR over the rainy image; SSIM.
    """
    generator = torch.Generator().manual_seed(seed)
    tests = {rain: _test_images(realistic, generator) for rain, realistic in RAINS.items()}
    torch.manual_seed(seed)
    results: Results = {}
    for i, name in enumerate(MODELS):
        for j, (rain, realistic) in enumerate(RAINS.items()):
            model = MODELS[name]()
            share = partial(_share, advance, 2 * i + j, 4)
            pairs = partial(_pairs, realistic, generator)
            fit_derainer(model, pairs, STEPS[name], RATE[name], share)
            for tested, (rainy, _) in tests.items():
                results[name, rain, tested] = restore(model, rainy)
    return Demo(_findings(results, tests, seed), _panels(results, tests), _note(seed))


def _pairs(realistic: bool, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    clear = scenes(BATCH, SIZE, generator)
    return shower(clear, realistic, generator), clear


def _test_images(realistic: bool, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    clear = [scenes(SCENES, SIZE, generator) for _ in range(SHOWERS)]
    rainy = [shower(part, realistic, generator) for part in clear]
    return torch.cat(rainy), torch.cat(clear)


def _share(advance: Advance, place: int, of: int, done: float) -> None:
    advance((place + done) / of)


def _gain(results: Results, tests: Tests, key: tuple[str, str, str]) -> float:
    rainy, clear = tests[key[2]]
    return float((psnr(results[key], clear) - psnr(rainy, clear)).mean())


def _gain_without_streaks(seed: int) -> float:
    """Gain of taking all streaks off realistic rain of a middling kind, and nothing else."""
    clear = scenes(SHOWERS * SCENES, SIZE, torch.Generator().manual_seed(seed))
    rainy, behind = (
        rain_overlay(clear, density, 0, 9, True, torch.Generator().manual_seed(seed))
        for density in (0.02, 0.0)
    )
    return float((psnr(behind, clear) - psnr(rainy, clear)).mean())


def _findings(results: Results, tests: Tests, seed: int) -> tuple[Finding, ...]:
    gain = {key: _gain(results, tests, key) for key in results}
    easy = [gain[name, "drawn", "drawn"] for name in MODELS]
    hard = [gain[name, "drawn", "realistic"] for name in MODELS]
    more = [
        gain[name, "realistic", "realistic"] - gain[name, "drawn", "realistic"] for name in MODELS
    ]
    back = [gain[name, "realistic", "drawn"] for name in MODELS]
    rainy, clear = tests["realistic"]
    before = float(ssim(rainy, clear).mean())
    likeness = [
        float(ssim(results[name, rain, "realistic"], clear).mean())
        for name in MODELS
        for rain in RAINS
    ]
    return (
        Finding("trained on drawn streaks: gain on drawn streaks, CNN / ViT [dB]",
                "both at least 6", _spell(easy), min(easy) >= 6),
        Finding("trained on drawn streaks: gain on realistic rain, CNN / ViT [dB]",
                "both below 2", _spell(hard), max(hard) < 2),
        Finding("trained on realistic rain: so much more on realistic rain, CNN / ViT [dB]",
                "both at least 2", _spell(more), min(more) >= 2),
        Finding("taking off all streaks of realistic rain and nothing else [dB]",
                "bounds the second figure by design", _gain_without_streaks(seed)),
        Finding("trained on realistic rain: gain on drawn streaks, CNN / ViT [dB]",
                "for orientation", _spell(back)),
        Finding("SSIM on realistic rain: rainy; CNN drawn, realistic; ViT drawn, realistic",
                "for orientation", f"{before:.2f}; {_spell(likeness, 2)}"),
    )  # fmt: skip


def _spell(values: list[float], digits: int = 1) -> str:
    return " / ".join(f"{value:.{digits}f}" for value in values)


def _note(seed: int) -> str:
    return (
        f"Synthetic scenes of {SIZE} x {SIZE}; networks {STEPS['CNN']} (CNN) and {STEPS['ViT']} "
        f"(ViT) steps on fresh batches of {BATCH}, tests {SHOWERS * SCENES} scenes in {SHOWERS} "
        "showers each. Realistic rain: drops on the lens, loss of contrast, haze, translucent "
        f"streaks; its mixture is our design. PSNR and SSIM are means over images; seed {seed}."
    )


def _panels(results: Results, tests: Tests) -> tuple[Panel, ...]:
    cases = [(trained, tested) for tested in RAINS for trained in RAINS]
    names = [f"{trained} to {tested}" for trained, tested in cases]
    bars = tuple(
        Series(names, [_gain(results, tests, (name, *case)) for case in cases], name, "bars")
        for name in MODELS
    )
    return (
        Panel("Gain, trained on one rain, tested on one", "", "PSNR [dB]", bars),
        *(
            Panel(
                f"{tested} rain, from the top: rainy, CNN trained on drawn, on realistic, clear",
                "pixel", "pixel", image=_strip(results, tests, tested),
            )
            for tested in RAINS
        ),
    )  # fmt: skip


def _strip(results: Results, tests: Tests, tested: str) -> Tensor:
    """Lay the first scene of some showers beside each other, what was done to them below."""
    rainy, clear = tests[tested]
    rows = [rainy, *(results["CNN", rain, tested] for rain in RAINS), clear]
    first = range(0, SHOWN * SCENES, SCENES)
    return torch.cat([torch.cat([row[i] for i in first], dim=2) for row in rows], 1).movedim(0, 2)
