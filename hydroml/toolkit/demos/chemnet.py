"""Frechet ChemNet distance in small: sets of molecules that are spoilt by degrees, four ways."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from hydroml.toolkit.attribution.neurons import neuron_auc
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.demos.smiles_training import Plan, predict, train
from hydroml.toolkit.distances.chemnet import ChemNet, FrechetChemNetDistance
from hydroml.toolkit.smiles import SmilesTokenizer
from hydroml.toolkit.smiles_grammar import UNITS, contains, random_smiles

TRAIN, SET, LENGTH = 3000, 1500, 48
TASKS = UNITS[3:]  # single atoms are in every molecule
FEATURES, LEAST_RISE = 32, 5
RINGS = ("c1ccc(cc1)", "c1ccc(nc1)", "c1cc(sc1)", "C1CCN(CC1)")
DEGREES = (0.0, 0.1, 0.25, 0.5, 1.0)
"""Share of a set that is spoilt."""
PLAN = Plan(epochs=20)
_TOKENIZER = SmilesTokenizer(LENGTH, scale=35**0.5)


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Train a small ChemNet on the presence of units; measure spoilt sets against a clean one.

    Parameters
    ----------
    seed : int
        Of molecules and network.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        Distances from a reference set, by kind and degree.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    known = _draw(TRAIN, generator)
    net = ChemNet(len(TASKS), conv=(32, 32), lstm=(32, FEATURES), stride=2)
    targets = contains(known, TASKS).float()
    train(_Logits(net), _TOKENIZER.one_hot(known), targets, PLAN, generator, advance)
    reference, clean = (_draw(SET, generator) for _ in range(2))
    distance = FrechetChemNetDistance(net, _TOKENIZER)
    spoilt = {name: make(generator) for name, make in SPOILT.items()}
    curves = {
        name: [distance(reference, _mixed(clean, other, degree)) for degree in DEGREES]
        for name, other in spoilt.items()
    }
    itself = distance(reference, reference)
    there, back = curves["fewer rings"][-1], distance(spoilt["fewer rings"], reference)
    swapped = abs(there - back) / there
    area = _mean_area(net, reference)
    return Demo(_findings(area, itself, swapped, curves), _panels(curves), _note(seed))


class _Logits(nn.Module):
    """The logits of a ChemNet, without its features."""

    def __init__(self, net: ChemNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)[1]
        return logits


def _draw(n: int, generator: torch.Generator, weights: dict[str, float] | None = None) -> list[str]:
    return random_smiles(n, units=(4, 5), longest=LENGTH - 1, weights=weights, generator=generator)


def _halogens(smiles: str) -> int:
    return sum(smiles.count(element) for element in ("F", "Cl", "Br"))


def _one_repeated(generator: torch.Generator) -> list[str]:
    return _draw(1, generator) * SET


def _fewer_rings(generator: torch.Generator) -> list[str]:
    return _draw(SET, generator, dict.fromkeys(RINGS, 0.2))


def _more_halogen(generator: torch.Generator) -> list[str]:
    """Draw molecules and keep those with two halogens or more: a property that is altered."""
    found: list[str] = []
    while len(found) < SET:
        found += [text for text in _draw(SET, generator) if _halogens(text) > 1]
    return found[:SET]


def _only_carbon(generator: torch.Generator) -> list[str]:
    """Chains of carbon as long as real molecules are: correct, new, and of no interest."""
    like = _draw(SET, generator)
    return ["C" * len(_TOKENIZER.tokenize(text)) for text in like]


SPOILT: dict[str, Callable[[torch.Generator], list[str]]] = {
    "one molecule repeated": _one_repeated,
    "fewer rings": _fewer_rings,
    "two halogens or more": _more_halogen,
    "chains of carbon": _only_carbon,
}


def _mixed(clean: list[str], other: list[str], degree: float) -> list[str]:
    """Replace the first molecules of a clean set; what is spoilt once stays spoilt."""
    count = round(degree * SET)
    return other[:count] + clean[count:]


def _mean_area(net: ChemNet, smiles: list[str]) -> float:
    logits = predict(_Logits(net), _TOKENIZER.encode(smiles), _TOKENIZER)
    labels = contains(smiles, TASKS)
    areas = [neuron_auc(z[:, None], y[:, None]) for z, y in zip(logits.T, labels.T, strict=True)]
    return float(torch.stack(areas).mean())


def _findings(
    area: float, itself: float, swapped: float, curves: dict[str, list[float]]
) -> tuple[Finding, ...]:
    clean = curves["fewer rings"][0]
    others = max(curves["fewer rings"][-1], curves["two halogens or more"][-1])
    carbon = curves["chains of carbon"][-1]
    return (
        Finding("AUC of the network, mean of its tasks", "above 0.8", area, area > 0.8),
        Finding("distance of the reference set from itself", "0", itself, itself < 1e-6 * clean),
        Finding("change when the sets are exchanged, as a share", "0", swapped, swapped < 1e-6),
        Finding("distance of a second clean set", "for comparison", clean),
        *(_rise(name, values) for name, values in curves.items()),
        Finding("all chains of carbon", f"above both biased sets in full ({others:.3g})", carbon,
                carbon > others),
    )  # fmt: skip


def _rise(name: str, values: list[float]) -> Finding:
    rises = all(b > a for a, b in pairwise(values))
    shares = ", ".join(f"{degree:.0%}" for degree in DEGREES[1:])
    return Finding(
        f"{name}, {shares} of a set",
        f"rises at each step, in the end above {LEAST_RISE} times the clean set's",
        ", ".join(f"{value:.3g}" for value in values[1:]),
        rises and values[-1] > LEAST_RISE * values[0],
    )


def _panels(curves: dict[str, list[float]]) -> tuple[Panel, ...]:
    percent = [100 * degree for degree in DEGREES]
    lines = tuple(Series(percent, values, name) for name, values in curves.items())
    label = "Frechet ChemNet distance [-]"
    return (Panel("Sets spoilt by degrees", "spoilt [%]", label, lines, log_y=True),)


def _note(seed: int) -> str:
    return (
        f"A ChemNet with {FEATURES} features, taught the presence of {len(TASKS)} units in {TRAIN} "
        f"random molecules ({PLAN.epochs} epochs), measures sets of {SET}. Rows are scaled to "
        f"variance 1 instead of 1/35. Seed {seed}."
    )
