"""DeepRC in small: a motif of four symbols in one sequence of a hundred decides the bag."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from hydroml.toolkit.attention.deeprc import (
    AttentionNetwork,
    DeepRC,
    OutputNetwork,
    SequenceEmbeddingCNN,
)
from hydroml.toolkit.attribution.neurons import neuron_auc
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent

SYMBOLS, LENGTH, MOTIF, WITNESSES = 20, 14, 4, 3
BAG, TRAIN, TEST = 300, 200, 100
KERNELS, KERNEL = 32, 4
UPDATES, BATCH, RATE = 300, 8, 3e-3
KEPT = 0.1


@dataclass(frozen=True)
class Bags:
    """Sequences (B, N, L), labels (B,), and which sequences carry the motif (B, N)."""

    sequences: Tensor
    labels: Tensor
    planted: Tensor


class _Pool(nn.Module):
    """The same network with a pooling that has no attention."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.embedding = SequenceEmbeddingCNN(SYMBOLS, LENGTH, KERNELS, KERNEL)
        self.output = OutputNetwork(KERNELS)
        self.how = {"mean": lambda h: h.mean(1), "max": lambda h: h.amax(1)}[how]

    def forward(self, sequences: Tensor, lengths: None, sizes: Tensor) -> Tensor:
        h = self.embedding(sequences).unflatten(0, (len(sizes), -1))
        out: Tensor = self.output(self.how(h))
        return out


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Train attention, mean and maximum pooling on bags with an implanted motif.

    Parameters
    ----------
    seed : int
        Of data and networks.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        Areas under the ROC of test bags, whether the weights find the implanted sequences, and
        the motif as integrated gradients spell it.
    """
    rng = torch.Generator().manual_seed(seed)
    motif = torch.randperm(SYMBOLS, generator=rng)[:MOTIF]
    train, test = _bags(TRAIN, motif, rng), _bags(TEST, motif, rng)
    models = _models(seed)
    curves, areas = {}, {}
    for i, (name, model) in enumerate(models.items()):
        curves[name] = _train(model, train, rng, partial(_share, advance, i, len(models)))
        areas[name] = _area(_logits(model, test), test.labels)
    attending = models["attention"]
    assert isinstance(attending, DeepRC)
    attending.reduce_fraction = KEPT
    reduced = _area(_logits(attending, test), test.labels)
    attending.reduce_fraction = 1
    positive = torch.nonzero(test.labels)[:, 0]
    ranks = torch.stack([attending.attention_logits(test.sequences[b]) for b in positive])
    found = float(test.planted[positive].gather(1, ranks.argsort(1)[:, -WITNESSES:]).float().mean())
    spelled, picture = _spell(attending, test.sequences[positive], ranks)
    right = int((spelled == motif).sum())
    return Demo(
        findings=(
            Finding("AUC, attention", "above 0.93 (reference run 0.987)", areas["attention"],
                    areas["attention"] > 0.93),
            Finding("AUC, attention over the highest tenth", "within 0.02 of all", reduced,
                    abs(reduced - areas["attention"]) <= 0.02),
            Finding("AUC, mean pooling", "0.1 below attention (reference run 0.688)",
                    areas["mean"], areas["mean"] < areas["attention"] - 0.1),
            Finding("AUC, maximum pooling", "for comparison (reference run 0.511)", areas["max"]),
            Finding("implanted among the 3 most attended of 300", "above 0.5 (chance 0.01)", found,
                    found > 0.5),
            Finding("symbols of the motif spelled right", "4 of 4", f"{right} of {MOTIF}",
                    right == MOTIF),
        ),
        panels=_panels(areas, curves, attending, test, picture, motif),
        note=f"{TRAIN} training and {TEST} test bags of {BAG} sequences of {LENGTH} over {SYMBOLS} "
        f"symbols, half of the bags with a motif of {MOTIF} in {WITNESSES} sequences; Adam, "
        f"{UPDATES} updates of {BATCH} bags; seed {seed}.",
    )  # fmt: skip


def _share(advance: Advance, place: int, of: int, done: float) -> None:
    advance((place + done) / of)


def _models(seed: int) -> dict[str, nn.Module]:
    torch.manual_seed(seed)
    embedding = SequenceEmbeddingCNN(SYMBOLS, LENGTH, KERNELS, KERNEL)
    parts = embedding, AttentionNetwork(KERNELS), OutputNetwork(KERNELS)
    attention = DeepRC(*parts, reduce_fraction=1)  # a tenth of 300 did not train: docs
    return {"attention": attention, "mean": _Pool("mean"), "max": _Pool("max")}


def _bags(count: int, motif: Tensor, rng: torch.Generator) -> Bags:
    sequences = torch.randint(SYMBOLS, (count, BAG, LENGTH), generator=rng)
    labels = (torch.arange(count) % 2).float()
    carriers = torch.rand(count, BAG, generator=rng).argsort(1)[:, :WITNESSES]
    planted = torch.zeros(count, BAG, dtype=torch.bool).scatter(1, carriers, value=True)
    planted &= labels[:, None] == 1
    starts = torch.randint(LENGTH - MOTIF + 1, (int(planted.sum()), 1), generator=rng)
    own = sequences[planted]
    own.scatter_(1, starts + torch.arange(MOTIF), motif.expand(len(own), MOTIF))
    sequences[planted] = own
    return Bags(sequences, labels, planted)


def _train(
    model: nn.Module, bags: Bags, rng: torch.Generator, advance: Advance
) -> NDArray[np.float64]:
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    losses = np.empty(UPDATES)
    for step in range(UPDATES):
        chosen = torch.randint(len(bags.labels), (BATCH,), generator=rng)
        logits = _forward(model, bags.sequences[chosen])
        loss = F.binary_cross_entropy_with_logits(logits, bags.labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses[step] = float(loss.detach())
        advance((step + 1) / UPDATES)
    return losses


def _forward(model: nn.Module, sequences: Tensor) -> Tensor:
    sizes = torch.full((len(sequences),), sequences.shape[1])
    out: Tensor = model(sequences.flatten(0, 1), None, sizes)[:, 0]
    return out


@torch.no_grad()
def _logits(model: nn.Module, bags: Bags) -> Tensor:
    return torch.cat([_forward(model, part) for part in bags.sequences.split(BATCH)])


def _area(scores: Tensor, labels: Tensor) -> float:
    """Area under the ROC: the chance that a positive one stands above a negative one."""
    return float(neuron_auc(scores[:, None], labels[:, None]))


def _spell(model: DeepRC, bags: Tensor, ranks: Tensor) -> tuple[Tensor, NDArray[np.float64]]:
    """Add integrated gradients of the most attended sequences up over their best four positions."""
    best = bags.gather(1, ranks.argsort(1)[:, -WITNESSES:, None].expand(-1, -1, LENGTH))
    symbols = F.one_hot(best.flatten(0, 1), SYMBOLS).float()
    path = torch.zeros_like(symbols)
    for share in (torch.arange(32) + 0.5) / 32:  # from no symbol at all, by midpoints
        point = (share * symbols).requires_grad_()
        score = model.score(model.embedding(point)).sum()
        path += torch.autograd.grad(score, point)[0] / 32
    own = (path * symbols).sum(2)  # (sequences, L)
    start = own.unfold(1, MOTIF, 1).sum(2).argmax(1)
    window = start[:, None] + torch.arange(MOTIF)
    picture = (path * symbols)[torch.arange(len(own))[:, None], window].mean(0)  # (MOTIF, SYMBOLS)
    return picture.argmax(1), picture.T.double().numpy()


def _panels(
    areas: dict[str, float],
    curves: dict[str, NDArray[np.float64]],
    model: DeepRC,
    test: Bags,
    picture: NDArray[np.float64],
    motif: Tensor,
) -> tuple[Panel, ...]:
    smooth = np.ones(20) / 20
    bag = int(torch.nonzero(test.labels)[0])
    weights, planted = model.attention(test.sequences[bag]), test.planted[bag]
    place = torch.arange(BAG)
    return (
        Panel(
            "Test bags told apart", "", "area under the ROC [-]",
            (Series(list(areas), list(areas.values()), kind="bars"),),
        ),
        Panel(
            "Training", "update", "loss [nat], mean of 20",
            tuple(
                Series(np.arange(19, UPDATES), np.convolve(y, smooth, "valid"), name)
                for name, y in curves.items()
            ),
        ),
        Panel(
            "Weights within one positive bag", "sequence", "attention [-]",
            (
                Series(place[~planted], weights[~planted], "others", "points"),
                Series(place[planted], weights[planted], "with the motif", "points"),
            ),
        ),
        Panel(
            "The motif by integrated gradients", "position in the window", "symbol",
            (Series(np.arange(MOTIF), motif, "implanted", "points"),), picture,
        ),
    )  # fmt: skip
