"""Slot attention in small: points of three clusters, sorted without labels.

A set is 48 points of three Gaussian clusters (standard deviation 0.12, centres anywhere in
[-2, 2]^2, so that some overlap). Points are embedded, three slots bind to them, each slot is
decoded to a Gaussian and a weight, and the likelihood of the points under the mixture is all that
training sees. The attention's grouping is compared with the true one on fresh sets; beside it the
grouping by the true centres, which no method beats by much where clusters overlap.
"""

import math
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hydroml.toolkit.attention.slot_attention import SlotAttention, adjusted_rand_index
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent

POINTS, CLUSTERS, DIM, WIDE, STD = 48, 3, 32, 2.0, 0.12
STEPS, BATCH, RATE, FRESH = 1500, 64, 2e-3, 500
_EVERY = 50


class Sets(NamedTuple):
    """Points (B, N, 2), the cluster of each (B, N), and the centres (B, K, 2)."""

    x: Tensor
    labels: Tensor
    centres: Tensor


class Mixture(nn.Module):
    """Points to slots, slots to Gaussians."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, DIM))
        self.slots = SlotAttention(CLUSTERS, DIM, hidden=64)
        self.decode = nn.Sequential(nn.Linear(DIM, 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(
        self, x: Tensor, num_slots: int | None, random: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Negative log-likelihood of each set per point, (B,), and attention (B, K, N)."""
        slots, attention = self.slots(self.embed(x), num_slots, random)
        mean, log_std, weight = self.decode(slots).split([2, 1, 1], dim=-1)
        log_std = log_std.clamp(-4, 2)
        apart = (x.unsqueeze(1) - mean.unsqueeze(2)).square().sum(-1)  # (B, K, N)
        density = -0.5 * apart * (-2 * log_std).exp() - 2 * log_std - math.log(2 * math.pi)
        likelihood = (density + weight.log_softmax(1)).logsumexp(1)
        return -likelihood.mean(-1), attention


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Run the reproduction.

    Parameters
    ----------
    seed : int
        Of the data and the weights.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        Findings and panels.
    """
    random = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Mixture()
    fresh = draw_sets(FRESH, CLUSTERS, random)
    start = rand_index(model, fresh, random).mean().item()
    steps, losses, scores = train(model, fresh, random, advance)
    found = rand_index(model, fresh, random)
    more = draw_sets(FRESH, CLUSTERS + 1, random)
    with_more = rand_index(model, more, random, CLUSTERS + 1).mean().item()
    ceiling = adjusted_rand_index(fresh.labels, nearest_centre(fresh)).mean().item()
    change = reversal(model, fresh)
    findings = (
        Finding("ARI of attention, fresh sets", "above 0.75", found.mean().item(),
                found.mean().item() > 0.75),
        Finding("ARI before training", "below 0.5", start, start < 0.5),
        Finding("ARI of the nearest true centre", "for orientation: the ceiling", ceiling),
        Finding("ARI on four clusters with four slots, trained on three", "above 0.6", with_more,
                with_more > 0.6),
        Finding("largest change of a slot when points are reversed", "below 1e-9", change,
                change < 1e-9),
    )  # fmt: skip
    return Demo(
        findings,
        _panels(model, fresh, found, steps, losses, scores, random),
        f"Seed {seed}. {STEPS} steps of {BATCH} sets, Adam {RATE:g} falling to 0 as a cosine; "
        f"scored on {FRESH} fresh sets of {POINTS} points. "
        "Binding to objects in images, the paper's claim, is not shown: it needs far longer "
        "training.",
    )


def draw_sets(count: int, clusters: int, random: torch.Generator) -> Sets:
    """Draw sets of points, as many of each cluster."""
    centres = WIDE * (2 * torch.rand(count, clusters, 2, generator=random) - 1)
    labels = (torch.arange(POINTS) % clusters).expand(count, -1)
    place = centres.gather(1, labels.unsqueeze(-1).expand(-1, -1, 2))
    return Sets(place + STD * torch.randn(place.shape, generator=random), labels, centres)


def train(
    model: Mixture, fresh: Sets, random: torch.Generator, advance: Advance
) -> tuple[list[int], list[float], list[float]]:
    """Fit the mixture; steps, losses, and Rand indices of some fresh sets along the way."""
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    some = Sets(*(part[:100] for part in fresh))
    steps, losses, scores = [], [], []
    for step in range(1, STEPS + 1):
        loss = model(draw_sets(BATCH, CLUSTERS, random).x, None, random)[0].mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % _EVERY == 0:
            steps.append(step)
            losses.append(loss.item())
            scores.append(rand_index(model, some, random).mean().item())
            advance(step / STEPS)
    return steps, losses, scores


@torch.no_grad()
def rand_index(
    model: Mixture, sets: Sets, random: torch.Generator, num_slots: int | None = None
) -> Tensor:
    """Rand index of the grouping by the slot that takes most of each point, (B,)."""
    attention = model(sets.x, num_slots, random)[1]
    return adjusted_rand_index(sets.labels, attention.argmax(1))


def nearest_centre(sets: Sets) -> Tensor:
    """Group by the nearest true centre, (B, N)."""
    return torch.cdist(sets.x, sets.centres).argmin(-1)


@torch.no_grad()
def reversal(model: Mixture, sets: Sets) -> float:
    """Largest change of a slot when the order of the points is reversed, in float64."""
    exact = deepcopy(model).double()
    points = exact.embed(sets.x[:20].double())
    noise = torch.randn(20, CLUSTERS, DIM, generator=torch.Generator().manual_seed(0)).double()
    there, back = (exact.slots(x, noise=noise)[0] for x in (points, points.flip(1)))
    return (there - back).abs().max().item()


def _panels(
    model: Mixture,
    fresh: Sets,
    found: Tensor,
    steps: list[int],
    losses: list[float],
    scores: list[float],
    random: torch.Generator,
) -> tuple[Panel, ...]:
    with torch.no_grad():
        groups = model(fresh.x[:2], None, random)[1].argmax(1)
    pictures = tuple(
        Panel(
            f"A fresh set, by slot (ARI {adjusted_rand_index(labels[None], by[None]).item():.2f})",
            "x",
            "y",
            tuple(
                Series(
                    points[by == slot, 0].numpy(),
                    points[by == slot, 1].numpy(),
                    f"slot {slot + 1}",
                    "points",
                )
                for slot in range(CLUSTERS)
            ),
        )
        for points, labels, by in zip(fresh.x, fresh.labels, groups, strict=False)
    )
    heights, edges = torch.histogram(found.float(), 20, range=(0.0, 1.0))
    return (
        *pictures,
        Panel("Loss", "step", "-log likelihood per point", (Series(steps, losses),)),
        Panel("Grouping of fresh sets", "step", "ARI, mean of 100 sets", (Series(steps, scores),)),
        Panel(
            "Where the mean comes from",
            "ARI of a fresh set, after training",
            "sets",
            (Series(((edges[1:] + edges[:-1]) / 2).numpy(), heights.numpy()),),
        ),
    )
