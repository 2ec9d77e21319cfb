"""Random SMILES to try chemistry's networks on, and which strings they contain.

A molecule is a chain of units, each a short piece of SMILES with one bond to its left and one to
its right: ``C(Cl)``, ``C(=O)``, ``c1ccc(cc1)``. Units are drawn one by one. They make correct
SMILES whatever stands beside them, which is not to say that the molecule would be stable.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hydroml.toolkit.smiles import SmilesTokenizer

UNITS = (
    "C", "O", "N", "C=C", "C(C)", "C(O)", "C(=O)", "C(F)", "C(Cl)", "C(Br)", "C(C#N)",
    "S(=O)(=O)", "c1ccc(cc1)", "c1ccc(nc1)", "c1cc(sc1)", "C1CCN(CC1)",
)  # fmt: skip
"""Pieces of one left and one right bond: chain, halogens, groups, rings."""


def random_smiles(
    n: int,
    *,
    units: tuple[int, int] = (5, 7),
    longest: int = 59,
    weights: Mapping[str, float] | None = None,
    generator: torch.Generator | None = None,
) -> list[str]:
    """Draw molecules.

    Parameters
    ----------
    n : int
        Molecules.
    units : tuple of int
        Fewest and most units of a molecule, each number equally likely.
    longest : int
        Symbols of the longest molecule that is kept; longer ones are drawn again.
    weights : mapping of str to float, optional
        Relative frequency of units; 1 for those that are not named, 0 for never.
    generator : torch.Generator, optional
        On the CPU.

    Raises
    ------
    ValueError
        Units outside 1 to any, weights that allow nothing, or a `longest` that hardly any keeps.
    KeyError
        A weight of something that is no unit.

    Examples
    --------
    >>> random_smiles(2, units=(3, 3), generator=torch.Generator().manual_seed(0))
    ['...', '...']
    """
    fewest, most = units
    if not 1 <= fewest <= most:
        raise ValueError(f"units are {units}; give at least 1, and the fewest first.")
    share = _shares(weights or {})
    found: list[str] = []
    for _ in range(100):
        missing = n - len(found)
        if missing <= 0:
            return found
        counts = torch.randint(fewest, most + 1, (missing,), generator=generator).tolist()
        drawn = torch.multinomial(share, missing * most, replacement=True, generator=generator)
        rows = drawn.view(missing, most).tolist()
        texts = ("".join(UNITS[k] for k in row[:c]) for row, c in zip(rows, counts, strict=True))
        found += [text for text in texts if len(_TOKENIZER.tokenize(text)) <= longest]
    raise ValueError(f"Hardly any molecule of {units} units has at most {longest} symbols.")


def contains(smiles: Sequence[str], strings: Sequence[str]) -> Tensor:
    """Tell which strings stand in which SMILES.

    Parameters
    ----------
    smiles : sequence of str
        n molecules.
    strings : sequence of str
        S pieces.

    Returns
    -------
    Tensor
        (n, S) bool.

    Examples
    --------
    >>> contains(["CC(Cl)N", "CO"], ["C(Cl)", "O"])
    tensor([[ True, False],
            [False,  True]])
    """
    found = [[piece in text for piece in strings] for text in smiles]
    return torch.tensor(found, dtype=torch.bool).view(len(smiles), len(strings))


_TOKENIZER = SmilesTokenizer()


def _shares(weights: Mapping[str, float]) -> Tensor:
    if unknown := sorted(set(weights) - set(UNITS)):
        raise KeyError(f"no unit {unknown[0]!r}; units are {', '.join(UNITS)}")
    share = torch.tensor([float(weights.get(unit, 1.0)) for unit in UNITS])
    if not torch.isfinite(share).all() or share.min() < 0 or share.sum() == 0:
        raise ValueError("weights must be finite, not negative, and not 0 for every unit.")
    return share
