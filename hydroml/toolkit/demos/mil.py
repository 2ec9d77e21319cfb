"""Attention MIL in small: synthetic slides, of which a tumour marks one to three tiles in 64."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from hydroml.toolkit.attention.mil import AttentionMIL, Pooling, bag_cross_entropy
from hydroml.toolkit.attribution.neurons import neuron_auc
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent

SIDE, GRID = 256, 8  # pixels of a slide, tiles of a row
TILE = SIDE // GRID
TRAIN, TEST = 400, 200  # slides
SCATTERED, NESTED = 60, 12  # cells of a slide, cells of a nest
DIM, ATTENTION = 32, 16
EPOCHS, BATCH, RATE, DECAY = 15, 8, 1e-3, 1e-4

POOLINGS: tuple[Pooling, ...] = ("attention", "max", "mean")
WHOLE = "shrunken slide"


@dataclass(frozen=True)
class Slides:
    """Tiles (B, 64, 1, 32, 32), labels (B,), tiles with a nest (B, 64), shrunken (B, 1, 32, 32)."""

    tiles: Tensor
    labels: Tensor
    nests: Tensor
    small: Tensor


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Train attention, maximum and mean pooling and a network on the shrunken slide.

    Parameters
    ----------
    seed : int
        Of slides and networks.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        Areas under the ROC of test slides, and of the attention map against the tiles' truth.
    """
    rng = np.random.default_rng(seed)
    train, test = _slides(TRAIN, rng), _slides(TEST, rng)
    torch.manual_seed(seed)
    models: dict[str, nn.Module] = {
        p: AttentionMIL(_encoder(), DIM, ATTENTION, pooling=p) for p in POOLINGS
    }
    models[WHOLE] = nn.Sequential(_encoder(), nn.Linear(DIM, 1), nn.Flatten(0))
    areas = {}
    for i, (name, model) in enumerate(models.items()):
        _train(model, train, partial(_share, advance, i, len(models)))
        areas[name] = _area(_logits(model, test), test.labels)
    attending = models["attention"]
    positive = test.labels == 1
    with torch.no_grad():
        attention = attending(test.tiles, torch.ones_like(test.nests))[1]
    maps = [_area(a, n) for a, n in zip(attention[positive], test.nests[positive], strict=True)]
    top = attention[positive].argmax(1)
    hit = float(test.nests[positive].gather(1, top[:, None]).float().mean())
    return Demo(
        _findings(areas, float(np.mean(maps)), hit), _panels(areas, attending, test), _note(seed)
    )


def _findings(areas: dict[str, float], area_of_maps: float, hit: float) -> tuple[Finding, ...]:
    attention, highest, mean = (areas[p] for p in POOLINGS)
    return (
        Finding("AUC, attention", "above 0.9", attention, attention > 0.9),
        Finding("AUC, maximum pooling", "at most 0.02 above attention", highest,
                highest <= attention + 0.02),
        Finding("AUC, mean pooling", "below the maximum and attention", mean,
                mean < min(highest, attention)),
        Finding(f"AUC, {WHOLE}", "below the mean", areas[WHOLE], areas[WHOLE] < mean),
        Finding("ROC area of the attention map, tiles of positive slides", "above 0.9",
                area_of_maps, area_of_maps > 0.9),
        Finding("most attended tile has a nest", "above 0.8 (chance 0.03)", hit, hit > 0.8),
    )  # fmt: skip


def _note(seed: int) -> str:
    return (
        f"{TRAIN} training and {TEST} test slides of {SIDE} x {SIDE} in {GRID * GRID} tiles, half "
        f"with {NESTED} cells close together in 1 to 3 tiles; every slide has {SCATTERED} single "
        f"cells. Sizes and textures are our design. Adam, {EPOCHS} epochs; seed {seed}."
    )


def _share(advance: Advance, place: int, of: int, done: float) -> None:
    advance((place + done) / of)


def _encoder() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * 6 * 6, DIM), nn.ReLU(),
    )  # fmt: skip


def _slides(count: int, rng: np.random.Generator) -> Slides:
    nests = np.zeros((count, GRID * GRID), bool)
    slides = np.empty((count, SIDE, SIDE), np.float32)
    for b in range(count):
        if b % 2:
            nests[b, rng.choice(GRID * GRID, rng.integers(1, 4), replace=False)] = True
        slides[b] = _slide(np.flatnonzero(nests[b]), rng)
    whole = torch.from_numpy(slides)[:, None]
    tiles = whole.unfold(2, TILE, TILE).unfold(3, TILE, TILE)  # (B, 1, rows, columns, 32, 32)
    return Slides(
        tiles.permute(0, 2, 3, 1, 4, 5).flatten(1, 2).contiguous(),
        (torch.arange(count) % 2).float(),
        torch.from_numpy(nests),
        F.avg_pool2d(whole, SIDE // TILE) * (SIDE // TILE),
    )


def _slide(nests: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """Tissue, cells anywhere, and cells close together in the tiles of nests."""
    cells = [rng.uniform(4, SIDE - 4, (SCATTERED, 2))]
    for tile in nests:
        middle = TILE * (np.array(divmod(int(tile), GRID)) + 0.5)
        angle, away = rng.uniform(0, 2 * np.pi, NESTED), 11 * np.sqrt(rng.random(NESTED))
        cells.append(middle + np.stack([away * np.cos(angle), away * np.sin(angle)], 1))
    spots = np.zeros((SIDE, SIDE))
    np.add.at(spots, tuple(np.concatenate(cells).astype(int).T), 1.0)
    # a dark core in a bright rim of equal weight: averaged over a few pixels, nothing is left
    cell = gaussian_filter(spots, 2.5) - gaussian_filter(spots, 1.2)
    tissue = gaussian_filter(rng.standard_normal((SIDE, SIDE)), 2.0)
    slide: NDArray[np.float32] = (tissue / tissue.std() + 45 * cell).astype(np.float32)
    return slide


def _train(model: nn.Module, slides: Slides, advance: Advance) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=DECAY)
    for epoch in range(EPOCHS):
        for chosen in torch.randperm(len(slides.labels)).split(BATCH):
            loss = bag_cross_entropy(_forward(model, slides, chosen), slides.labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        advance((epoch + 1) / EPOCHS)


def _forward(model: nn.Module, slides: Slides, chosen: Tensor) -> Tensor:
    if isinstance(model, AttentionMIL):
        logits: Tensor = model(slides.tiles[chosen], torch.ones_like(slides.nests[chosen]))[0]
    else:
        logits = model(slides.small[chosen])
    return logits


@torch.no_grad()
def _logits(model: nn.Module, slides: Slides) -> Tensor:
    everyone = torch.arange(len(slides.labels))
    return torch.cat([_forward(model, slides, part) for part in everyone.split(50)])


def _area(scores: Tensor, labels: Tensor) -> float:
    """Area under the ROC: the chance that a positive one stands above a negative one."""
    return float(neuron_auc(scores[:, None], labels[:, None]))


def _panels(areas: dict[str, float], model: nn.Module, test: Slides) -> tuple[Panel, ...]:
    assert isinstance(model, AttentionMIL)
    b = int(torch.nonzero(test.nests.sum(1) == 2)[0])
    grid = test.tiles[b].unflatten(0, (GRID, GRID))
    slide = grid[:, :, 0].permute(0, 2, 1, 3).reshape(SIDE, SIDE)
    rows, columns = (
        i.numpy() for i in torch.nonzero(test.nests[b].reshape(GRID, GRID), as_tuple=True)
    )
    truth = (Series(columns, rows, "nest", "points"),)
    centres = (Series((columns + 0.5) * TILE, (rows + 0.5) * TILE, "nest", "points"),)
    return (
        Panel(
            "Test slides told apart", "", "area under the ROC [-]",
            (Series(list(areas), list(areas.values()), kind="bars"),),
        ),
        Panel("A slide with two nests", "pixel", "pixel", centres, slide),
        Panel("Its attention map", "tile", "tile", truth, model.attention_map(grid)),
    )  # fmt: skip
