"""Substructures that a graph network calls toxic: single atoms through the head, and what is near.

Score of an atom: the logit of a molecule in which it alone has a representation, ``z(h_a / A)``.
After three layers h_a knows what is up to three bonds away: that neighbourhood is the substructure.
"""

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from hydroml.toolkit.domains.molecule_graph import MolGraphNet


class Substructure(NamedTuple):
    """An atom that scores highly, and the atoms around it."""

    molecule: int
    atom: int
    score: float
    atoms: tuple[int, ...]
    """Places of all atoms within the radius, the centre among them."""


@torch.no_grad()
def atom_scores(model: "MolGraphNet", x: Tensor, neighbours: Tensor, task: int = 0) -> Tensor:
    """Score each atom by its last representation alone.

    Parameters
    ----------
    model : MolGraphNet
        Run in evaluation mode.
    x : Tensor
        (B, A, F), 0 where there is no atom.
    neighbours : Tensor
        (B, A, 4), -1 for none.
    task : int
        Which logit.

    Returns
    -------
    Tensor
        (B, A) logits; that of an empty place is the logit of no molecule at all.

    References
    ----------
    Preuer et al. (2019), arXiv:1903.02788, section on substructures.
    """
    training = model.training
    model.eval()
    try:
        alone = model.represent(x, neighbours) / model.max_atoms
        return model.head(alone)[..., task]
    finally:
        model.train(training)


@torch.no_grad()
def top_substructures(
    model: "MolGraphNet",
    x: Tensor,
    neighbours: Tensor,
    k: int = 50,
    radius: int = 3,
    task: int = 0,
) -> list[Substructure]:
    """List the atoms that score highest, each kind of surroundings once.

    Parameters
    ----------
    model : MolGraphNet
        Run in evaluation mode.
    x, neighbours : Tensor
        As of `atom_scores`.
    k : int
        How many, at most.
    radius : int
        Bonds from the atom to the rim; the number of layers is what the atom can know.
    task : int
        Which logit.

    Returns
    -------
    list of Substructure
        Highest score first. Of atoms with the same representation, to six digits of the largest,
        only the first is there.

    Raises
    ------
    ValueError
        k below 1 or a negative radius.
    """
    if k < 1 or radius < 0:
        raise ValueError(f"k is {k} and radius {radius}; give at least 1 and 0.")
    scores = atom_scores(model, x, neighbours, task)
    there = x.any(dim=2)
    atoms = there.nonzero()  # (n, 2)
    if not len(atoms):
        return []
    representations = model.represent(x, neighbours)[there]
    digits = (representations / representations.abs().max().clamp(min=1e-30) * 1e6).round()
    _, kind = digits.unique(dim=0, return_inverse=True)
    found: list[Substructure] = []
    seen: set[int] = set()
    for i in scores[there].sort(descending=True, stable=True).indices.tolist():
        if int(kind[i]) in seen:
            continue
        seen.add(int(kind[i]))
        molecule, atom = atoms[i].tolist()
        near = surroundings(neighbours[molecule], atom, radius)
        found.append(Substructure(molecule, atom, float(scores[molecule, atom]), near))
        if len(found) == k:
            break
    return found


def surroundings(neighbours: Tensor, atom: int, radius: int) -> tuple[int, ...]:
    """Places of the atoms at most `radius` bonds away, in order.

    Parameters
    ----------
    neighbours : Tensor
        Of one molecule, (A, 4), -1 for none.
    atom, radius : int
        Where to start, and how far to go.

    Examples
    --------
    A chain of four atoms:

    >>> chain = torch.tensor([[1, -1], [0, 2], [1, 3], [2, -1]])
    >>> surroundings(chain, 0, 2)
    (0, 1, 2)
    """
    bonds = neighbours.tolist()
    reached = rim = {atom}
    for _ in range(radius):
        rim = {n for a in rim for n in bonds[a] if n >= 0} - reached
        reached = reached | rim
    return tuple(sorted(reached))
