"""An LSTM as a cheap judge of optical setups: search with and without it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hydroml.toolkit.attribution.neurons import neuron_auc
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.domains.quantum import (
    ELEMENTS,
    OpticsSimulator,
    QuantumLSTM,
    enrichment,
    quantum_loss,
    rediscovery,
    tokens_of,
)

TRAIN, TEST = 24_000, 8_000  # setups
HELD_OUT = (4, 4)  # the two leading ranks of the cluster that no net is taught
HIDDEN, EPOCHS, BATCH, RATE, NORM = 96, 15, 128, 5e-3, 1.0
SIMULATED = 400  # candidates of TEST that a search may simulate
RICH = 4  # what the smallest rank of the rare target has to be

LSTM, NETWORK, LOGISTIC = "LSTM", "network on counts", "logistic on counts"


@dataclass(frozen=True)
class Setups:
    """Tokens (N, T), lengths (N,), ranks (N, 3), and whether all are at least 2, (N,)."""

    tokens: Tensor
    lengths: Tensor
    ranks: Tensor
    label: Tensor

    def __getitem__(self, chosen: Tensor) -> "Setups":
        return Setups(
            self.tokens[chosen], self.lengths[chosen], self.ranks[chosen], self.label[chosen]
        )

    @property
    def held_out(self) -> Tensor:
        """Which belong to the cluster that is not taught, (N,)."""
        return (self.ranks[:, :2] == torch.tensor(HELD_OUT)).all(1)


@dataclass(frozen=True)
class Judged:
    """Logits (N,) and ranks (N, 3) that a net gives the test setups."""

    logit: Tensor
    ranks: Tensor

    @property
    def wealth(self) -> Tensor:
        """Chance of entanglement times the smallest rank: the score that seeks rich setups."""
        return self.logit.sigmoid() * self.ranks[:, 2]


class CountingNet(nn.Module):
    """The baselines: the same outputs from how often each element stands in the setup."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.net: nn.Module = nn.Linear(len(ELEMENTS), 4)
        if hidden:
            self.net = nn.Sequential(
                nn.Linear(len(ELEMENTS), hidden), nn.ReLU(),
                nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 4),
            )  # fmt: skip

    def forward(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, T) and lengths (B,) to logit (B,) and ranks (B, 3)."""
        there = torch.arange(tokens.shape[1]) < lengths[:, None]
        counts = torch.zeros(len(tokens), len(ELEMENTS)).scatter_add(1, tokens, there.float())
        out = self.net(counts)
        return out[:, 0], F.softplus(out[:, 1:]).flip(1).cumsum(1).flip(1)


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Simulate setups, train an LSTM and two baselines, and search among new setups.

    Parameters
    ----------
    seed : int
        Of setups and networks.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        How well setups are judged, and how many hits a simulation brings.
    """
    rng = np.random.default_rng(seed)
    setups = simulate(TRAIN + TEST, rng, lambda done: advance(0.3 * done))
    train, test = setups[torch.arange(TRAIN)], setups[torch.arange(TRAIN, TRAIN + TEST)]
    train = train[~train.held_out]
    torch.manual_seed(seed)
    nets = {LSTM: QuantumLSTM(hidden=HIDDEN, layers=1), NETWORK: CountingNet(64),
            LOGISTIC: CountingNet(0)}  # fmt: skip
    judged, start = {}, 0.3
    for (name, net), share in zip(nets.items(), (0.5, 0.1, 0.1), strict=True):
        _train(net, train, seed, partial(_moved, advance, start, share))
        judged[name] = _judge(net, test)
        start += share
    return Demo(_findings(judged, train, test), _panels(judged, test), _note(train, seed))


def simulate(count: int, rng: np.random.Generator, advance: Advance = silent) -> Setups:
    """Draw setups and simulate them.

    Parameters
    ----------
    count : int
        How many.
    rng : numpy.random.Generator
        Source of chance.
    advance : callable
        Told the share that is done.
    """
    bench = OpticsSimulator()
    setups, found = [], []
    for i in range(count):
        setups.append(bench.random_setup(rng))
        found.append(bench.srv(setups[-1]))
        if i % 1000 == 0:
            advance(i / count)
    tokens, lengths = tokens_of(setups)
    label = torch.tensor([optics.entangled for optics in found]).float()
    return Setups(tokens, lengths, torch.tensor([optics.ranks for optics in found]), label)


def _moved(advance: Callable[[float], None], start: float, share: float, done: float) -> None:
    advance(start + share * done)


def _train(net: nn.Module, setups: Setups, seed: int, advance: Advance) -> None:
    chance = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    batches = len(setups.label) // BATCH
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, EPOCHS * batches)
    for epoch in range(EPOCHS):
        order = torch.randperm(len(setups.label), generator=chance)
        for step, chosen in enumerate(order[: batches * BATCH].split(BATCH)):
            batch = setups[chosen]
            logit, ranks = net(batch.tokens, batch.lengths)
            loss = quantum_loss(logit, ranks, batch.label, batch.ranks)
            if not torch.isfinite(loss):
                raise FloatingPointError(f"The loss is {float(loss)} at step {step} of {epoch}.")
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), NORM)
            optimizer.step()
            rate.step()
        advance((epoch + 1) / EPOCHS)


@torch.no_grad()
def _judge(net: nn.Module, setups: Setups) -> Judged:
    return Judged(*net(setups.tokens, setups.lengths))


def _area(scores: Tensor, labels: Tensor) -> float:
    return float(neuron_auc(scores[:, None], labels[:, None]))


def _findings(judged: dict[str, Judged], train: Setups, test: Setups) -> tuple[Finding, ...]:
    held, lstm = test.held_out, judged[LSTM]
    areas = {name: _area(j.logit[~held], test.label[~held]) for name, j in judged.items()}
    known = (lstm.logit[~held].sigmoid(), lstm.ranks[~held])
    told = rediscovery(known, (test.label[~held], test.ranks[~held]))
    inside = _area(lstm.logit[held], test.label[held])
    return (
        Finding("AUC, LSTM", "above 0.85", areas[LSTM], areas[LSTM] > 0.85),
        Finding(f"AUC, {LOGISTIC} of elements", "at least 0.05 below the LSTM", areas[LOGISTIC],
                areas[LOGISTIC] <= areas[LSTM] - 0.05),
        Finding(f"AUC, {NETWORK} of elements", "below the LSTM", areas[NETWORK],
                areas[NETWORK] < areas[LSTM]),
        Finding("LSTM: share of entangled setups flagged (TPR), of others not (TNR)",
                "both above 0.7", f"{told.tpr:.3f}, {told.tnr:.3f}",
                min(told.tpr, told.tnr) > 0.7),
        Finding(f"AUC, LSTM, in the cluster {HELD_OUT} that it was not taught", "above 0.7",
                inside, inside > 0.7),
        *_rank_findings(lstm, train, test),
        *_search_findings(judged, test),
    )  # fmt: skip


def _rank_findings(lstm: Judged, train: Setups, test: Setups) -> tuple[Finding, ...]:
    """Compare predicted ranks of taught clusters with what needs no setup to be read."""
    positive = test.label.bool() & ~test.held_out
    truth, predicted = test.ranks[positive].float(), lstm.ranks[positive]
    taught = train.ranks[train.label.bool()]
    middle = taught.float().median(dim=0).values
    kinds, counts = taught.unique(dim=0, return_counts=True)
    commonest = (truth == kinds[counts.argmax()]).all(1).float().mean()
    exact = (predicted.round() == truth).all(1).float().mean()
    error, blind = float((predicted - truth).abs().mean()), float((middle - truth).abs().mean())
    return (
        Finding("LSTM: mean error of a rank, entangled setups",
                f"at most 0.75 of the medians' {blind:.2f}", error, error <= 0.75 * blind),
        Finding("LSTM: all three ranks right, entangled setups",
                f"(the commonest vector is right in {float(commonest):.2f})", float(exact)),
    )  # fmt: skip


def _search_findings(judged: dict[str, Judged], test: Setups) -> tuple[Finding, ...]:
    rich = test.ranks[:, 2] >= RICH
    often = float(rich.float().mean())
    more = {name: enrichment(j.wealth, rich, SIMULATED) for name, j in judged.items()}
    plain = enrichment(judged[LSTM].logit, test.label, SIMULATED)
    return (
        Finding("hits per simulation, LSTM over random search: all ranks at least 2",
                f"above 1.8 (at most {1 / float(test.label.mean()):.2f})", plain, plain > 1.8),
        Finding(f"the same, all ranks at least {RICH}", f"above 4 (at most {1 / often:.2f})",
                more[LSTM], more[LSTM] > 4),
        Finding(f"the same, {NETWORK}", "(for comparison)", more[NETWORK]),
    )  # fmt: skip


def _panels(judged: dict[str, Judged], test: Setups) -> tuple[Panel, ...]:
    held, rich = test.held_out, test.ranks[:, 2] >= RICH
    areas = [_area(j.logit[~held], test.label[~held]) for j in judged.values()]
    tried = np.arange(1, len(rich) + 1)
    chance = Series(tried, tried * float(rich.float().mean()), "random")
    searches = [
        Series(tried, rich[j.wealth.argsort(descending=True, stable=True)].cumsum(0).numpy(), name)
        for name, j in judged.items()
    ]
    smallest = [test.ranks[:, 2] == k for k in range(8)]
    given = [float(judged[LSTM].wealth[k].mean()) for k in smallest if k.any()]
    return (
        Panel("Entangled or not, new setups", "", "area under the ROC [-]",
              (Series(list(judged), areas, kind="bars"),)),
        Panel(f"Search for all ranks at least {RICH}", "setups simulated", "hits",
              (*searches, chance)),
        Panel("Score of the LSTM by the truth", "smallest rank", "chance times smallest rank",
              (Series([k for k in range(8) if smallest[k].any()], given, kind="bars"),)),
    )  # fmt: skip


def _note(train: Setups, seed: int) -> str:
    return (
        f"{len(train.label)} simulated setups to learn from (those of cluster {HELD_OUT} taken "
        f"out of {TRAIN}), {TEST} new ones; {SIMULATED} may be simulated in a search. One LSTM "
        f"layer of {HIDDEN} cells, Adam, {EPOCHS} epochs; seed {seed}."
    )
