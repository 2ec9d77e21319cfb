"""Frechet ChemNet distance: how far a set of generated molecules is from a set of real ones.

A network taught to predict many assays from SMILES holds, in the last state h of its LSTM, what
matters for activity and for chemistry. The distance is that of two Gaussians fitted to h,

    d = |m_1 - m_2|^2 + Tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2))        S with divisor N - 1

(see `hydroml.toolkit.distances.frechet`). It is 0 for a set and itself, and one number for
diversity, composition and properties at once: whatever shifts or narrows the states counts.
"""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hydroml.toolkit.card import Card
from hydroml.toolkit.distances.evaluation_mode import in_evaluation
from hydroml.toolkit.distances.frechet import frechet_distance, mean_and_covariance
from hydroml.toolkit.smiles import SmilesTokenizer
from hydroml.toolkit.smiles_layers import BackwardLSTM, SymbolConv, require_rows

__all__ = ["CARD", "ChemNet", "FrechetChemNetDistance", "SmilesTokenizer"]

CARD = Card(
    name="chemnet",
    title="Frechet ChemNet distance",
    paper="Preuer, Renz, Unterthiner, Hochreiter, Klambauer (2018): Frechet ChemNet Distance: a "
    "metric for generative models for molecules in drug discovery. arXiv:1803.09518",
    year=2018,
    answers="Does a generator of molecules make what real ones are, in kind and in variety?",
    inputs="two lists of SMILES and a network trained on assays",
    outputs="one number, 0 for the same set; features (B, H)",
    hydrology="none for molecules. The pattern, a task-trained network as the space of a distance, "
    "is that of the Frechet hydrograph distance",
    claim="With a small network taught in the project the distance of a set from itself is 0, and "
    "rises with each degree of one molecule repeated, biased composition, an altered property, and "
    "carbon chains of a rule. Not shown: figures of the published weights, real molecules",
    choices=(
        "No weights are downloaded: the network is an argument, and figures cannot be compared "
        "with published ones.",
        "Widths, strides and the number of convolutions are arguments; the paper's are known to "
        "us in part only.",
        "The first LSTM reads from the end and hands on in that order; the second reads on, so "
        "that padding comes first and the start of the molecule last.",
        "Fewer than two molecules are an error, not NaN.",
    ),
)


class ChemNet(nn.Module):
    """Convolutions, an LSTM that reads from the end, a second LSTM, one logit a task.

    Parameters
    ----------
    n_tasks : int
        Logits.
    conv : sequence of int
        Filters of each convolution.
    lstm : tuple of int
        Cells of the two LSTMs; the last state of the second is the feature.
    vocab : int
        Numbers in a row.
    kernel, stride : int
        Of the convolutions.

    References
    ----------
    Preuer et al. (2018), arXiv:1803.09518.

    Examples
    --------
    >>> net = ChemNet(n_tasks=3, conv=(8,), lstm=(8, 16))
    >>> features, logits = net(SmilesTokenizer(20).one_hot(["CCO", "N"]))
    >>> features.shape, logits.shape
    (torch.Size([2, 16]), torch.Size([2, 3]))
    """

    def __init__(
        self,
        n_tasks: int,
        conv: Sequence[int] = (32, 32),
        lstm: tuple[int, int] = (128, 512),
        vocab: int = 35,
        kernel: int = 4,
        stride: int = 1,
    ) -> None:
        super().__init__()
        if min(n_tasks, *conv, *lstm, kernel, stride) < 1:
            raise ValueError("ChemNet needs sizes, a kernel and a stride of at least 1.")
        self.vocab = vocab
        self.convolutions = nn.Sequential()
        width = vocab
        for filters in conv:
            self.convolutions.append(SymbolConv(width, filters, kernel, stride))
            width = filters
        self.first_lstm = BackwardLSTM(width, lstm[0])
        self.second_lstm = nn.LSTM(lstm[0], lstm[1], batch_first=True)
        self.output = nn.Linear(lstm[1], n_tasks)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Read molecules.

        Parameters
        ----------
        x : Tensor
            One-hot rows, (B, T, vocab).

        Returns
        -------
        features : Tensor
            (B, H).
        logits : Tensor
            (B, n_tasks).
        """
        require_rows(x, self.vocab)
        read = self.second_lstm(self.first_lstm(self.convolutions(x)))[0]
        features: Tensor = read[:, -1]
        return features, self.output(features)


class FrechetChemNetDistance:
    """Distance of two lists of SMILES in the states of a network.

    Parameters
    ----------
    model : nn.Module
        Rows (B, T, 35) to features (B, H), or to a tuple that begins with them, as `ChemNet`. Run
        in evaluation mode, without a slope.
    tokenizer : SmilesTokenizer, optional
        The one of training: another length of padding makes another distance.
    at_once : int
        Molecules in a call of the model; the distance does not depend on it.

    Warns
    -----
    UserWarning
        From the call, where a set has no more molecules than the model has features: a covariance
        without full rank makes the distance depend on the number of molecules.

    References
    ----------
    Preuer et al. (2018), arXiv:1803.09518.

    Examples
    --------
    >>> distance = FrechetChemNetDistance(ChemNet(1, (4,), (4, 2)), SmilesTokenizer(8))
    >>> round(distance(["CCO", "N", "CC"], ["N", "CC", "CCO"]), 9)
    0.0
    """

    def __init__(
        self, model: nn.Module, tokenizer: SmilesTokenizer | None = None, at_once: int = 256
    ) -> None:
        if at_once < 1:
            raise ValueError(f"at_once is {at_once}; give at least 1.")
        self.model, self.tokenizer, self.at_once = model, tokenizer or SmilesTokenizer(), at_once

    def __call__(self, first: Sequence[str], second: Sequence[str]) -> float:
        """Measure.

        Parameters
        ----------
        first, second : sequence of str
            SMILES, at least two of each, in any order.

        Returns
        -------
        float
            At least 0; symmetric.

        Raises
        ------
        ValueError
            Fewer than two molecules, a SMILES that cannot be read, features that are not finite.
        TypeError
            One string instead of a list.
        """
        gaussians = [self.gaussian(smiles) for smiles in (first, second)]
        return float(frechet_distance(*gaussians[0], *gaussians[1]))

    def gaussian(self, smiles: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Give mean (H,) and covariance (H, H) of the features, float64; to be kept of a set."""
        if len(smiles) < 2:
            raise ValueError(f"A set has {len(smiles)} molecules; a covariance needs at least 2.")
        features = self.features(smiles)
        if len(features) <= features.shape[1]:
            warnings.warn(
                f"A set has {len(features)} molecules for {features.shape[1]} features: its "
                "covariance lacks full rank. Give more molecules.",
                stacklevel=3,
            )
        return mean_and_covariance(features)

    @torch.no_grad()
    def features(self, smiles: Sequence[str]) -> Tensor:
        """Features of molecules, (n, H), float64."""
        numbers = self.tokenizer.encode(smiles)
        like = next(self.model.parameters(), torch.zeros(()))
        parts = []
        with in_evaluation(self.model):
            for part in numbers.split(self.at_once):
                found = self.model(self.tokenizer.rows(part).to(like))
                parts.append(found if isinstance(found, Tensor) else found[0])
        return torch.cat(parts).double()
