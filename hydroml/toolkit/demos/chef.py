"""Few-shot textures for a network that knows shapes: read-outs at all layers, or at the last."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.transfer.chef import FUSIONS, NShotEpisodeSampler, layer_features
from hydroml.toolkit.transfer.hebbian import hebbian_classes

SIZE, WIDTH = 32, 32
SHAPES, TEXTURES = 8, 20
STEPS, BATCH = 350, 64
EPISODES, WAY, SHOT, QUERY = 100, 5, 5, 15
LAYERS = {"block 1": "0", "block 2": "1", "block 3": "2", "block 4": "3"}


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Pre-train on shapes, then learn textures from five examples each.

    Parameters
    ----------
    seed : int
        Of pictures, weights and episodes.
    advance : callable
        Told the share of the work done.

    Returns
    -------
    Demo
        Accuracy of the last layer, of each other and of all fused.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = _network()
    known = _pretrain(backbone, generator, lambda done: advance(0.7 * done))
    pictures, labels = texture_pictures(TEXTURES, SHOT + 2 * QUERY, generator)
    pooled = layer_features(backbone, list(LAYERS.values()), pictures, "space")
    flat = layer_features(backbone, list(LAYERS.values()), pictures, "none")
    advance(0.75)
    sampler = NShotEpisodeSampler(labels, WAY, SHOT, QUERY, EPISODES, generator)
    episodes = list(sampler)
    support = torch.stack([e.support for e in episodes])
    query = torch.stack([e.query for e in episodes])
    targets = functional.one_hot(torch.stack([e.support_y for e in episodes]), WAY)
    answer = torch.stack([e.query_y for e in episodes])
    # side by side early layers have thousands of entries: the rate is the pooled one's over that
    right = {
        "pooled": _judge(pooled, support, targets, query, answer, 400),
        "side by side": _judge(flat, support[:30], targets[:30], query[:30], answer[:30], 60),
    }
    advance(1.0)
    return Demo(_findings(known, right), _panels(pictures, labels, right, generator), _note(seed))


def _judge(
    features: dict[str, Tensor],
    support: Tensor,
    targets: Tensor,
    query: Tensor,
    answer: Tensor,
    steps: int,
) -> dict[str, Tensor]:
    """Accuracy in each episode (E,) of each layer's read-out and of all fused."""
    logits = []
    for name in LAYERS.values():
        weight, bias = hebbian_classes(features[name][support], targets, lr=0.01, steps=steps)
        logits.append(features[name][query] @ weight.mT + bias.unsqueeze(-2))
    each = dict(zip(LAYERS, logits, strict=True)) | {
        "fused": FUSIONS["logits"](torch.stack(logits))
    }
    return {name: (y.argmax(-1) == answer).float().mean(1) for name, y in each.items()}


def _network() -> nn.Sequential:
    blocks = [
        nn.Sequential(
            nn.Conv2d(inputs, WIDTH, 3, padding=1), nn.BatchNorm2d(WIDTH), nn.ReLU(),
            nn.MaxPool2d(2),
        )
        for inputs in (1, WIDTH, WIDTH, WIDTH)
    ]  # fmt: skip
    return nn.Sequential(*blocks, nn.Flatten(), nn.Dropout(0.5), nn.Linear(WIDTH * 4, SHAPES))


def _pretrain(backbone: nn.Sequential, generator: torch.Generator, on_step: Advance) -> float:
    """Teach shapes; the share of new pictures told right."""
    optimizer = torch.optim.Adam(backbone.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for step in range(STEPS):
        x, y = shape_pictures(BATCH, generator)
        optimizer.zero_grad()
        functional.cross_entropy(backbone(x), y).backward()
        optimizer.step()
        schedule.step()
        on_step((step + 1) / STEPS)
    backbone.requires_grad_(False).eval()
    x, y = shape_pictures(500, generator)
    return float((backbone(x).argmax(-1) == y).float().mean())


def shape_pictures(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Shapes filled with random textures on noise, (count, 1, 32, 32), and their names (count,)."""
    y = torch.randint(SHAPES, (count,), generator=generator)
    centre = _uniform((count, 2, 1, 1), -0.25, 0.25, generator)
    radius = _uniform((count, 1, 1), 0.45, 0.7, generator)
    u, v = ((_grid() - centre) / radius.unsqueeze(1)).unbind(1)
    inside = torch.stack(_shapes(u, v), dim=1)[torch.arange(count), y]
    filled = _textures(_texture_kinds(count, generator), generator)
    noise = 0.3 * torch.randn(count, SIZE, SIZE, generator=generator)
    return (torch.where(inside, filled + 1.0, 0.0) + noise).unsqueeze(1), y


def texture_pictures(kinds: int, each: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Textures in strong noise, (kinds * each, 1, 32, 32), and which (kinds * each,)."""
    labels = torch.arange(kinds).repeat_interleave(each)
    clean = _textures(_texture_kinds(kinds, generator)[labels], generator)
    return (clean + 0.7 * torch.randn(clean.shape, generator=generator)).unsqueeze(1), labels


def _shapes(u: Tensor, v: Tensor) -> list[Tensor]:
    """Disc, square, triangle, cross, ring, bar, diamond and half disc."""
    r, a, b = (u**2 + v**2).sqrt(), u.abs(), v.abs()
    square = torch.maximum(a, b) < 0.8
    return [
        r < 0.9, square, (v < 0.7) & (v > 2 * a - 0.9), square & (torch.minimum(a, b) < 0.25),
        (r < 0.95) & (r > 0.5), (a < 1) & (b < 0.3), a + b < 1, (r < 1) & (v > 0),
    ]  # fmt: skip


def _texture_kinds(count: int, generator: torch.Generator) -> Tensor:
    """Two gratings each: directions and wave numbers, (count, 4)."""
    low, high = torch.tensor([0.0, 0.0, 4.0, 4.0]), torch.tensor([torch.pi, torch.pi, 14.0, 14.0])
    return low + (high - low) * torch.rand(count, 4, generator=generator)


def _textures(kinds: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a texture of each kind (N, 4), its phases at random: (N, 32, 32)."""
    direction, waves = kinds[:, :2, None, None], kinds[:, 2:, None, None]
    phase = _uniform((len(kinds), 2, 1, 1), 0.0, 2 * torch.pi, generator)
    x, y = _grid()
    return torch.sin(waves * (direction.cos() * x + direction.sin() * y) + phase).prod(1)


def _grid() -> Tensor:
    axis = torch.linspace(-1, 1, SIZE)
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"))


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _findings(known: float, right: dict[str, dict[str, Tensor]]) -> tuple[Finding, ...]:
    mean = {name: float(share.mean()) for name, share in right["pooled"].items()}
    last, fused = mean["block 4"], mean["fused"]
    best = max(mean[name] for name in LAYERS)
    flat = float(right["side by side"]["fused"].mean())
    return (
        Finding("accuracy on shapes, which it was trained on", "above 0.95", known, known > 0.95),
        *(
            Finding(f"5-way 5-shot accuracy on textures, {name}", "", mean[name])
            for name in LAYERS
        ),
        Finding("fused", "0.01 above the last layer's", fused, fused > last + 0.01),
        Finding("fused, less the best layer's", "above -0.03", fused - best, fused - best > -0.03),
        Finding("fused, features side by side, not averaged", "below fused", flat, flat < fused),
    )  # fmt: skip


def _panels(
    pictures: Tensor,
    labels: Tensor,
    right: dict[str, dict[str, Tensor]],
    generator: torch.Generator,
) -> tuple[Panel, ...]:
    shapes, _ = shape_pictures(8, generator)
    first = torch.nonzero(labels < 4)[:, 0].view(4, -1)[:, :2].flatten()
    pooled = right["pooled"]
    places = pooled["block 4"] + 0.008 * torch.randn(EPISODES, generator=generator)
    bars = tuple(
        Series([*LAYERS, "fused"], [float(share.mean()) for share in rows.values()], name, "bars")
        for name, rows in right.items()
    )
    line = [0.4, 1.0]
    return (
        Panel("Trained on: shapes", image=_mosaic(shapes)),
        Panel("Adapted to: textures in noise, two of a kind", image=_mosaic(pictures[first])),
        Panel("Accuracy from five examples", "", "share told right [-]", bars),
        Panel(
            "Episodes", "last layer's accuracy [-]", "fused accuracy [-]",
            (
                Series(places.numpy(), pooled["fused"].numpy(), "", "points"),
                Series(line, line, "equal"),
            ),
        ),
    )  # fmt: skip


def _mosaic(pictures: Tensor) -> object:
    """Eight pictures in two rows."""
    rows = pictures[:, 0].view(2, 4, SIZE, SIZE).transpose(1, 2).reshape(2 * SIZE, 4 * SIZE)
    return rows.clamp(-2, 3).numpy()


def _note(seed: int) -> str:
    return (
        f"4 convolutional blocks of {WIDTH} channels, {STEPS} steps of {BATCH} pictures of shapes; "
        f"{EPISODES} episodes of {WAY} of {TEXTURES} textures, {SHOT} examples each, {QUERY} to "
        f"be told (30 episodes for features side by side). Seed {seed}."
    )
