"""Graph network of molecules, and three ways to ask it which substructure makes one toxic.

An atom has features x_a in R^F and up to four neighbours n_1 .. n_4. A layer looks at one pair at a
time, with the same two matrices, and averages over the four places:

    h_a = 1/4 sum_k relu( W x_a + V x_{n_k} )          x of an empty place is 0

There is no bias: a place without an atom stays 0. After the layers, with A places in a molecule,

    g = 1/A sum_a h_a        z = w . dropout(relu(D g + d)) + b        p = sigmoid(z)

What the network has learned is read from single neurons (`hydroml.toolkit.attribution.neurons`),
from integrated gradients of the atoms, and from each atom's h_a sent alone through the dense
layers, ``z(h_a / A)``: the atoms that score highest, with what lies around them, are substructures.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from hydroml.toolkit.card import Card
from hydroml.toolkit.domains.substructures import Substructure, atom_scores, top_substructures

__all__ = [
    "CARD", "MolGraphNet", "PairGraphConv", "Substructure", "atom_scores", "top_substructures",
]  # fmt: skip

CARD = Card(
    name="molecule_graph",
    title="Graph network of molecules, interpreted",
    paper="Preuer, Klambauer, Rippmann, Hochreiter, Unterthiner (2019): Interpretable deep "
    "learning in drug discovery. arXiv:1903.02788",
    year=2019,
    answers="Which atoms, and which groups of atoms, made the network call this molecule toxic?",
    inputs="atom features (B, A, F), neighbours (B, A, 4) with -1 for none",
    outputs="logits (B, tasks); a score for each atom (B, A); the substructures that score highest",
    hydrology="none for molecules; the layer fits river networks with sub-basins as nodes, which "
    "no adapter does. The neuron analysis is at work: hydroml states",
    claim="On random molecules with three motifs, of which the network is never told which: single "
    "neurons tell a motif better than an untrained net's, the best substructures hold a motif, and "
    "attributions point into it. The paper's molecules are not here",
    choices=(
        "An empty place of the four counts as a pair with a neighbour of zeros, so that the number "
        "of neighbours can be seen.",
        "The mean over atoms divides by max_atoms, whatever the padding; so does the score of a "
        "single atom.",
        "Bonds are known through the atoms' features only (which kinds of bonds an atom has).",
        "Two atoms count as one substructure where their last representations agree to six digits.",
    ),
)

PLACES = 4


class PairGraphConv(nn.Module):
    """Average of a rectified linear function of (atom, neighbour) over four places.

    Parameters
    ----------
    inputs, outputs : int
        F and O.

    References
    ----------
    Preuer et al. (2019), arXiv:1903.02788.

    Examples
    --------
    Two atoms that are each other's only neighbour, and a place without an atom:

    >>> none = [-1, -1, -1]
    >>> neighbours = torch.tensor([[[1, *none], [0, *none], [-1, *none]]])
    >>> x = torch.tensor([[[1.0, 2.0], [1.0, 2.0], [0.0, 0.0]]])
    >>> h = PairGraphConv(2, 5)(x, neighbours)
    >>> h.shape, bool((h[0, 0] == h[0, 1]).all()), bool(h[0, 2].any())
    (torch.Size([1, 3, 5]), True, False)
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        spread = inputs**-0.5  # He: 2 / fan-in, and the fan-in is a pair's 2 F
        self.own = nn.Parameter(torch.randn(outputs, inputs) * spread)
        self.beside = nn.Parameter(torch.randn(outputs, inputs) * spread)

    def forward(self, x: Tensor, neighbours: Tensor) -> Tensor:
        """Take (B, A, F) and neighbours (B, A, 4), -1 for none, to (B, A, O)."""
        batch, atoms = x.shape[:2]
        own, beside = x @ self.own.T, x @ self.beside.T
        row = beside.new_zeros(batch, 1, beside.shape[2])  # what an empty place sees
        every = torch.cat([beside, row], dim=1).flatten(0, 1)
        first = (atoms + 1) * torch.arange(batch, device=x.device)[:, None, None]
        place = first + neighbours.where(neighbours >= 0, atoms)
        seen = every.index_select(0, place.flatten()).view(batch, atoms, PLACES, -1)
        return torch.relu(own[:, :, None] + seen).mean(dim=2)


class MolGraphNet(nn.Module):
    """Pair convolutions, the mean over atoms, a dense layer, one logit a task.

    Parameters
    ----------
    features : int
        F of an atom; the paper has 44, each row divided by 44.
    hidden : sequence of int
        Outputs of each convolution; after k of them an atom has seen what is k bonds away.
    dense : int
        Units of the dense layer.
    n_tasks : int
        Logits.
    max_atoms : int
        A of the mean; molecules may be padded to any length up to it.
    dropout : float
        Of the dense layer.

    Examples
    --------
    >>> net = MolGraphNet(features=3, hidden=(8, 8), dense=4, max_atoms=6)
    >>> net(torch.zeros(2, 5, 3), torch.full((2, 5, 4), -1)).shape
    torch.Size([2, 1])
    """

    def __init__(
        self,
        features: int = 44,
        hidden: Sequence[int] = (1024, 1024, 1024),
        dense: int = 512,
        n_tasks: int = 1,
        max_atoms: int = 150,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if not hidden or min(features, *hidden, dense, n_tasks, max_atoms) < 1:
            raise ValueError("MolGraphNet needs at least one layer, and sizes of at least 1.")
        self.features, self.max_atoms = features, max_atoms
        sizes = [features, *hidden]
        self.layers = nn.ModuleList(PairGraphConv(a, b) for a, b in pairwise(sizes))
        self.dense = nn.Linear(hidden[-1], dense)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(dense, n_tasks)

    def forward(self, x: Tensor, neighbours: Tensor) -> Tensor:
        """Predict.

        Parameters
        ----------
        x : Tensor
            (B, A, F), 0 where there is no atom.
        neighbours : Tensor
            (B, A, 4) integers, places of neighbours in any order, -1 for none.

        Returns
        -------
        Tensor
            Logits (B, n_tasks).

        Raises
        ------
        ValueError
            Shapes that do not fit, more atoms than max_atoms, a neighbour that is not there.
        TypeError
            Neighbours that are no integers.
        """
        return self.head(self.pool(self.represent(x, neighbours)))

    def represent(self, x: Tensor, neighbours: Tensor) -> Tensor:
        """Give each atom's last representation, (B, A, H)."""
        self._check(x, neighbours)
        for layer in self.layers:
            x = layer(x, neighbours)
        return x

    def pool(self, atoms: Tensor) -> Tensor:
        """Sum (B, A, H) over the atoms and divide by max_atoms, (B, H)."""
        return atoms.sum(dim=1) / self.max_atoms

    def head(self, pooled: Tensor) -> Tensor:
        """Take pooled representations (..., H) through the dense layers to logits."""
        logits: Tensor = self.output(self.dropout(torch.relu(self.dense(pooled))))
        return logits

    @torch.no_grad()
    def neurons(self, x: Tensor, neighbours: Tensor) -> Tensor:
        """Give every hidden unit's activation: of the layers the mean over atoms, then the dense.

        Returns
        -------
        Tensor
            (B, sum of hidden + dense), for `hydroml.toolkit.attribution.neurons.neuron_auc`.
        """
        self._check(x, neighbours)
        found = []
        for layer in self.layers:
            x = layer(x, neighbours)
            found.append(self.pool(x))
        return torch.cat([*found, torch.relu(self.dense(found[-1]))], dim=1)

    def _check(self, x: Tensor, neighbours: Tensor) -> None:
        if x.ndim != 3 or x.shape[2] != self.features or not 1 <= x.shape[1] <= self.max_atoms:
            raise ValueError(
                f"Atoms of shape {tuple(x.shape)}; expected (B, A, {self.features}) with A from 1 "
                f"to {self.max_atoms} (max_atoms)."
            )
        if neighbours.is_floating_point() or neighbours.dtype == torch.bool:
            raise TypeError(f"Neighbours are {neighbours.dtype}; give integers, -1 for none.")
        wanted = (*x.shape[:2], PLACES)
        if neighbours.shape != wanted:
            raise ValueError(f"Neighbours are {tuple(neighbours.shape)}; expected {wanted}.")
        if neighbours.numel() and not -1 <= neighbours.min() <= neighbours.max() < x.shape[1]:
            raise ValueError(
                f"Neighbours go from {int(neighbours.min())} to {int(neighbours.max())}; there are "
                f"atoms 0 to {x.shape[1] - 1}, and -1 for none."
            )
