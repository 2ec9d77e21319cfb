"""SmilesLSTM in small: 20 rare pieces of molecules, mostly unlabelled, learned together or alone.

Each task is one unit followed by another, of five and of four, so that tasks have parts in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from hydroml.toolkit.attribution.neurons import neuron_auc
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.demos.smiles_training import Plan, predict, train
from hydroml.toolkit.domains.smiles_lstm import Hit, ScreeningRules, SmilesLSTM, screen
from hydroml.toolkit.smiles import SmilesTokenizer
from hydroml.toolkit.smiles_grammar import UNITS, contains, random_smiles

TRAIN, LIBRARY, LENGTH = 3000, 4000, 48
FIRST = ("C(=O)", "C(F)", "C(Cl)", "C(Br)", "C(C#N)")
SECOND = ("S(=O)(=O)", "c1ccc(cc1)", "c1cc(sc1)", "C1CCN(CC1)")
TASKS = tuple(a + b for a in FIRST for b in SECOND)
ALONE = (0, 5, 10, 15, 16)  # each first unit once, each second unit once or twice
MISSING = 0.7
WANTED = (5, 6, 7)  # C(F) before a ring: in 6 % of molecules, so that 17 times is the most
TOXIC = ("S(=O)(=O)", "C(C#N)")  # units to avoid, none of them in what is wanted
PLAN = Plan(epochs=30)
NAMES = ("with auxiliary outputs", "20 tasks only", "each task alone")


@dataclass(frozen=True)
class Assays:
    """SMILES, their numbers (n, 48), truths of tasks (n, 20) and of units (n, 16)."""

    smiles: list[str]
    numbers: Tensor
    active: Tensor
    units: Tensor


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Train on all tasks with and without auxiliary outputs, on five tasks alone; then screen.

    Parameters
    ----------
    seed : int
        Of molecules, missing labels and networks.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        Areas under the ROC and enrichment in a library that no network has seen.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    known, library = _assays(TRAIN, generator), _assays(LIBRARY, generator)
    targets = known.active.float()
    targets[torch.rand(targets.shape, generator=generator) < MISSING] = 0.5
    auxiliary = torch.cat([targets, known.units.float()], 1)
    helped = _trained(known, auxiliary, generator, partial(_share, advance, 0.0, 0.3))
    plain = _trained(known, targets, generator, partial(_share, advance, 0.3, 0.3))
    logits = {
        NAMES[0]: predict(helped, library.numbers, _TOKENIZER)[:, : len(TASKS)],
        NAMES[1]: predict(plain, library.numbers, _TOKENIZER),
    }
    singles = []
    for i, task in enumerate(ALONE):
        told = partial(_share, advance, 0.6 + 0.08 * i, 0.08)
        model = _trained(known, targets[:, [task]], generator, told)
        singles.append(predict(model, library.numbers, _TOKENIZER))
    areas = {name: _areas(z, library.active) for name, z in logits.items()}
    areas[NAMES[2]] = _areas(torch.cat(singles, 1), library.active[:, list(ALONE)])
    richness = _enrichment(logits[NAMES[0]], library.active)
    hits = {most: _screened(helped, library.smiles, most) for most in (None, 0)}
    counts = (targets == 1).sum(0)
    findings = _findings(areas, richness, *_screening(hits, library))
    return Demo(findings, _panels(areas, richness, hits, library), _note(counts, seed))


_TOKENIZER = SmilesTokenizer(LENGTH, scale=35**0.5)


def _share(advance: Advance, start: float, part: float, done: float) -> None:
    advance(start + part * done)


def _assays(n: int, generator: torch.Generator) -> Assays:
    weights = dict.fromkeys(FIRST + SECOND, 1.5)
    smiles = random_smiles(
        n, units=(4, 5), longest=LENGTH - 1, weights=weights, generator=generator
    )
    return Assays(
        smiles, _TOKENIZER.encode(smiles), contains(smiles, TASKS), contains(smiles, UNITS)
    )


def _trained(
    known: Assays, targets: Tensor, generator: torch.Generator, advance: Advance
) -> SmilesLSTM:
    some = (targets != 0.5).any(1)  # a molecule without any label teaches nothing
    tasks = min(targets.shape[1], len(TASKS))
    model = SmilesLSTM(
        tasks, targets.shape[1] - tasks, conv=32, lstm=(32, 64), dropout=(0.0, 0.0, 0.1)
    )
    train(model, _TOKENIZER.rows(known.numbers[some]), targets[some], PLAN, generator, advance)
    return model


def _areas(logits: Tensor, active: Tensor) -> list[float]:
    """Area under the ROC of each task."""
    return [
        float(neuron_auc(z[:, None], y[:, None])) for z, y in zip(logits.T, active.T, strict=True)
    ]


def _enrichment(logits: Tensor, active: Tensor) -> list[float]:
    """Share of actives in the top 1 % over their share in the library, of each task."""
    top = logits.topk(len(logits) // 100, dim=0).indices
    return (active.gather(0, top).double().mean(0) / active.double().mean(0)).tolist()


def _screened(model: SmilesLSTM, smiles: Sequence[str], most_toxic: int | None) -> list[Hit]:
    toxic = [len(TASKS) + UNITS.index(unit) for unit in TOXIC]
    rules = ScreeningRules(_TOKENIZER, most_toxic=most_toxic)
    return screen(model, smiles, WANTED, len(smiles) // 100, toxic, rules)


def _screening(
    hits: dict[int | None, list[Hit]], library: Assays
) -> tuple[float, dict[int | None, float]]:
    """Enrichment of the hits that pass, and share of truly toxic ones with and without filter."""
    active = library.active[:, list(WANTED)].any(1).double()
    toxic = contains(library.smiles, TOXIC).any(1).double()
    of = {most: [hit.position for hit in found] for most, found in hits.items()}
    shares = {most: float(toxic[places].mean()) for most, places in of.items()}
    return float(active[of[0]].mean() / active.mean()), shares


def _findings(
    areas: dict[str, list[float]],
    richness: list[float],
    found: float,
    toxic: dict[int | None, float],
) -> tuple[Finding, ...]:
    helped, plain, alone = (areas[name] for name in NAMES)
    same = _mean([helped[k] for k in ALONE])
    single = _mean(alone)
    ahead = sum(helped[k] > a for k, a in zip(ALONE, alone, strict=True))
    return (
        Finding("AUC, mean of 20 rare tasks, with auxiliary outputs", "above 0.8", _mean(helped),
                _mean(helped) > 0.8),
        Finding("AUC, the five tasks also learned alone", "0.1 above those alone", same,
                same > single + 0.1),
        Finding("AUC, each of the five alone, mean", "for comparison", single),
        Finding("tasks of the five that are better learned together", "at least 4", float(ahead),
                ahead >= 4),
        Finding("AUC, 20 tasks without auxiliary outputs", "for comparison", _mean(plain)),
        Finding("enrichment of actives in the top 1 %, mean of 20 tasks", "above 5 (chance 1)",
                _mean(richness), _mean(richness) > 5),
        Finding("enrichment in the screened top 1 %, three tasks, no toxic prediction",
                "above 5 (chance 1, at most 17)", found, found > 5),
        Finding("toxic hits with the filter", f"below half of {toxic[None]:.3f} without",
                toxic[0], toxic[0] < toxic[None] / 2),
    )  # fmt: skip


def _panels(
    areas: dict[str, list[float]],
    richness: list[float],
    hits: dict[int | None, list[Hit]],
    library: Assays,
) -> tuple[Panel, ...]:
    places = [str(k + 1) for k in range(len(TASKS))]
    active = library.active[:, list(WANTED)].any(1).double()
    order = torch.tensor([hit.position for hit in hits[None]])
    ranks = torch.arange(1, len(order) + 1)
    found = active[order].cumsum(0)
    return (
        Panel(
            "Rare tasks told apart", "task", "area under the ROC [-]",
            (
                Series(range(1, 21), areas[NAMES[0]], NAMES[0], "points"),
                Series(range(1, 21), areas[NAMES[1]], NAMES[1], "points"),
                Series([k + 1 for k in ALONE], areas[NAMES[2]], NAMES[2], "points"),
            ),
        ),
        Panel("Actives in the top 1 %", "task", "times chance [-]",
              (Series(places, richness, kind="bars"),)),
        Panel(
            "Screened by consensus of three tasks", "hits looked at", "true actives among them",
            (
                Series(ranks, found, "screened"),
                Series(ranks, ranks * float(active.mean()), "by chance"),
            ),
        ),
    )  # fmt: skip


def _note(counts: Tensor, seed: int) -> str:
    return (
        f"{TRAIN} random molecules to learn from, {MISSING:.0%} of labels missing, "
        f"{int(counts.min())} to {int(counts.max())} known actives a task; library of {LIBRARY}. "
        f"Rows scaled to variance 1 instead of 1/35. {PLAN.epochs} epochs; seed {seed}."
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
