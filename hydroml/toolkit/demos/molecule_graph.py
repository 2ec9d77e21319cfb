"""The graph network in small: molecules that are toxic by any of three motifs, then interpreted.

The network is told toxic or not, never which motif. Decoys miss a motif by one step.
"""

import copy
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hydroml.toolkit.attribution.integrated_gradients import integrated_gradients
from hydroml.toolkit.attribution.neurons import best_neurons, neuron_auc
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.domains.molecule_graph import MolGraphNet, atom_scores, top_substructures
from hydroml.toolkit.domains.molecules import (
    ELEMENTS,
    FEATURES,
    MOTIFS,
    Molecules,
    find_chain,
    random_molecules,
)

TRAIN, OTHERS = 2000, 500  # molecules to learn from; to choose neurons on, and as many to test
EPOCHS, BATCH, RATE = 40, 50, 2e-3
TOP, STEPS = 20, 32  # substructures, points of the integral
AHEAD = 0.05  # of the untrained network's best neuron, in area under the ROC


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Train on toxicity; ask neurons for single motifs, and atoms for what made a molecule toxic.

    Parameters
    ----------
    seed : int
        Of molecules and network.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        Areas under the ROC of molecules and neurons, the best substructures, pointed-at atoms.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    train, choose, test = (random_molecules(n, rng) for n in (TRAIN, OTHERS, OTHERS))
    untrained = MolGraphNet(FEATURES, (64, 64, 64), 32, max_atoms=train.x.shape[1], dropout=0.2)
    trained = copy.deepcopy(untrained)
    _train(trained, train, advance)
    with torch.no_grad():
        area = _area(trained(test.x, test.neighbours)[:, 0], _toxic(test))
    neurons = {
        name: _best_neurons(net, choose, test)
        for name, net in (("trained", trained), ("untrained", untrained))
    }
    top = top_substructures(trained, test.x, test.neighbours, k=TOP)
    with_motif = [_holds_a_motif(test, s.molecule, s.atoms) for s in top]
    chance = _chance_of_surroundings(trained, test)
    pointing = _pointing(trained, test)
    findings = _findings(area, neurons, (sum(with_motif) / TOP, chance), pointing)
    scores = atom_scores(trained, test.x, test.neighbours)
    return Demo(findings, _panels(neurons, scores, test), _note(seed))


def _toxic(molecules: Molecules) -> Tensor:
    return molecules.motifs.flatten(1).any(1)


def _train(net: MolGraphNet, molecules: Molecules, advance: Advance) -> None:
    labels = _toxic(molecules).float()
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    net.train()
    for epoch in range(EPOCHS):
        for chosen in torch.randperm(len(labels)).split(BATCH):
            logits = net(molecules.x[chosen], molecules.neighbours[chosen])[:, 0]
            loss = F.binary_cross_entropy_with_logits(logits, labels[chosen])
            if not math.isfinite(loss.item()):
                raise ValueError(f"The loss is {loss.item()} in epoch {epoch}: lower the rate.")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        advance(0.9 * (epoch + 1) / EPOCHS)
    net.eval()


def _area(scores: Tensor, labels: Tensor) -> float:
    return float(neuron_auc(scores[:, None], labels[:, None]))


def _best_neurons(net: MolGraphNet, choose: Molecules, test: Molecules) -> list[float]:
    """Area of the best neuron for each motif, chosen on some molecules, reported on others."""
    best = best_neurons(neuron_auc(net.neurons(choose.x, choose.neighbours), choose.motifs.any(1)))
    areas = neuron_auc(net.neurons(test.x, test.neighbours), test.motifs.any(1))
    found = areas.gather(0, best.unit[None])[0]
    return torch.where(best.sign > 0, found, 1 - found).tolist()


def _holds_a_motif(molecules: Molecules, molecule: int, atoms: tuple[int, ...]) -> bool:
    """Tell whether one whole motif lies within these atoms."""
    kinds = [_kind(molecules, molecule, a) for a in atoms]
    place = {a: i for i, a in enumerate(atoms)}
    bound = [
        [place[n] for n in molecules.neighbours[molecule, a].tolist() if n in place] for a in atoms
    ]
    return any(find_chain(kinds, bound, motif) for motif in MOTIFS)


def _chance_of_surroundings(net: MolGraphNet, molecules: Molecules) -> float:
    """Share of all kinds of surroundings that hold a motif."""
    every = top_substructures(net, molecules.x, molecules.neighbours, k=molecules.x[..., 0].numel())
    return sum(_holds_a_motif(molecules, s.molecule, s.atoms) for s in every) / len(every)


def _pointing(net: MolGraphNet, test: Molecules) -> dict[str, float]:
    """Share of toxic molecules whose most blamed atom is in a motif: two ways, and by chance."""
    toxic = _toxic(test)
    x, neighbours = test.x[toxic], test.neighbours[toxic]
    there, truth = x.any(2), test.motifs[toxic].any(2)
    given = integrated_gradients(net, x, target=0, steps=STEPS, fixed=(neighbours,)).attributions
    assert isinstance(given, Tensor)
    blamed = {"gradients": given.sum(2), "scores": atom_scores(net, x, neighbours)}
    found = {}
    for name, values in blamed.items():
        atom = values.masked_fill(~there, -torch.inf).argmax(1, keepdim=True)
        found[name] = float(truth.gather(1, atom).float().mean())
    found["chance"] = float((truth.sum(1) / there.sum(1)).mean())
    return found


def _kind(molecules: Molecules, molecule: int, atom: int) -> str:
    return ELEMENTS[int(molecules.x[molecule, atom, : len(ELEMENTS)].argmax())]


def _findings(
    area: float,
    neurons: dict[str, list[float]],
    substructures: tuple[float, float],
    pointing: dict[str, float],
) -> tuple[Finding, ...]:
    pairs = list(zip(neurons["trained"], neurons["untrained"], strict=True))
    lead = min(trained - untrained for trained, untrained in pairs)
    share, usual = substructures
    chance = pointing["chance"]
    listed = ", ".join(f"{trained:.3f} ({untrained:.3f})" for trained, untrained in pairs)
    return (
        Finding("AUC, toxic or not, test molecules", "above 0.9", area, area > 0.9),
        Finding("AUC of the best neuron for each motif (untrained)", "for orientation", listed),
        Finding("lead of the trained net's best neuron, least of the motifs", f"above {AHEAD:g}",
                lead, lead > AHEAD),
        Finding(f"top {TOP} substructures that hold a motif",
                f"at least 0.8 (of all: {usual:.2f})", share, share >= 0.8),
        Finding("most attributed atom of a toxic molecule is in a motif, integrated gradients",
                f"above 0.6 (chance {chance:.2f})", pointing["gradients"],
                pointing["gradients"] > 0.6),
        Finding("the same, highest atom score", f"above 0.6 (chance {chance:.2f})",
                pointing["scores"], pointing["scores"] > 0.6),
    )  # fmt: skip


def _panels(neurons: dict[str, list[float]], scores: Tensor, test: Molecules) -> tuple[Panel, ...]:
    names = ["-".join(motif) for motif in MOTIFS]
    there, inside = test.x.any(2), test.motifs.any(2)
    edges = np.linspace(float(scores[there].min()), float(scores[there].max()), 41)
    middle = (edges[1:] + edges[:-1]) / 2
    groups = {"in a motif": scores[inside], "elsewhere": scores[there & ~inside]}
    shares = {k: np.histogram(v.numpy(), edges)[0] / len(v) for k, v in groups.items()}
    return (
        Panel(
            "Best neuron for each motif", "", "area under the ROC [-]",
            tuple(Series(names, areas, name, "points") for name, areas in neurons.items()),
        ),
        Panel(
            "Score of single atoms", "logit of the atom alone", "share of atoms [-]",
            tuple(Series(middle, share, name) for name, share in shares.items()),
        ),
    )  # fmt: skip


def _note(seed: int) -> str:
    return (
        f"{TRAIN} random molecules of 18 to 24 atoms to learn from, {OTHERS} to choose neurons, "
        f"{OTHERS} to test; half are toxic by one of three motifs, and chains that "
        f"miss a motif by one step are in most. {EPOCHS} epochs of Adam; seed {seed}."
    )
