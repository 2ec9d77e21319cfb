r"""Predict how well a network will do from its weights alone, without running it.

Each parameter tensor is summarised by seven numbers (its 0, 25, 50, 75 and 100 % percentiles, its
standard deviation and its mean), and accuracy is regressed on them through a logistic unit,

.. math:: \hat a = \sigma(w^T z + b) \quad \text{or} \quad \hat a = \sigma(\mathrm{MLP}(z))

with z the standardised summary. Over a zoo of networks trained with random hyper-parameters, this
beats the same regression on the weights themselves: units may be permuted without a change of the
function, percentiles do not see that, single weights do.
"""

from collections.abc import Mapping, Sequence

import torch
from scipy.stats import kendalltau
from torch import Tensor, nn

from hydroml.toolkit.card import Card
from hydroml.toolkit.transfer.zoo import Recipes, Zoo, build_zoo, draw_recipes

__all__ = [
    "Recipes", "WeightAccuracyPredictor", "Zoo", "build_zoo", "draw_recipes", "kendall_tau",
    "r_squared", "stacked_statistics", "weight_statistics",
]  # fmt: skip

CARD = Card(
    name="weight_predictor",
    title="Predicting a network's accuracy from its weights",
    paper="Unterthiner et al. (2020): Predicting Neural Network Accuracy from Weights. "
    "arXiv 2002.11448",
    year=2020,
    answers="Do a network's weights tell how accurate it is, without any data?",
    inputs="a module, its state_dict, or features (N, P); accuracies (N,) from 0 to 1",
    outputs="7 numbers a parameter tensor; predicted accuracies (N,)",
    hydrology="none: evaluating a run costs seconds, so predicting its score is a curiosity",
    claim="over a zoo of 1,600 small networks, percentiles, mean and spread of each tensor predict "
    "test accuracy; the raw weights do not. Gradient boosted trees, the paper's best, are not "
    "part of it",
    choices=(
        "standard deviations divide by the number of weights (ddof 0), as in the authors' code",
        "networks are fully connected instead of convolutional, and trained by plain gradient "
        "descent",
        "features further than 5 standard deviations out are moved there: one network that "
        "diverged would decide the fit",
    ),
)

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
_REACH = 5.0  # standard deviations


def weight_statistics(
    network: nn.Module | Mapping[str, Tensor], qts: Sequence[float] = QUANTILES
) -> Tensor:
    """Summarise the weights of a network.

    Parameters
    ----------
    network : nn.Module or mapping of Tensor
        Its parameters, or any tensors by name, in their order.
    qts : sequence of float
        Quantiles, 0 to 1, with linear interpolation.

    Returns
    -------
    Tensor
        The quantiles, standard deviation (ddof 0) and mean of each tensor in turn,
        (tensors * (len(qts) + 2),).

    Raises
    ------
    ValueError
        No tensor, an empty one, one that is not finite, or a quantile out of range.

    References
    ----------
    Unterthiner et al. (2020), arXiv 2002.11448, section 3.2.

    Examples
    --------
    >>> weight_statistics({"kernel": torch.tensor([[1.0, 2.0], [3.0, 6.0]])})
    tensor([1.0000, 1.7500, 2.5000, 3.7500, 6.0000, 1.8708, 3.0000])
    """
    named = network.named_parameters() if isinstance(network, nn.Module) else network.items()
    tensors = {name: t.detach().reshape(1, -1) for name, t in named}
    return stacked_statistics(list(tensors.values()), qts, names=list(tensors))[0]


def stacked_statistics(
    tensors: Sequence[Tensor],
    qts: Sequence[float] = QUANTILES,
    *,
    names: Sequence[str] | None = None,
) -> Tensor:
    """Do what `weight_statistics` does for N networks whose weights are stacked.

    Parameters
    ----------
    tensors : sequence of Tensor
        Of each tensor all networks', (N, ...).
    qts : sequence of float
        Quantiles, 0 to 1.
    names : sequence of str, optional
        What to call the tensors in an error.

    Returns
    -------
    Tensor
        (N, tensors * (len(qts) + 2)).
    """
    if not tensors or any(not t.numel() for t in tensors):
        raise ValueError("a tensor without weights cannot be summarised: leave it out")
    if any(not 0 <= q <= 1 for q in qts):
        raise ValueError(f"quantiles {tuple(qts)} are not all within 0 and 1")
    found = []
    for n, tensor in enumerate(tensors):
        if not torch.isfinite(tensor).all():
            name = names[n] if names else f"number {n}"
            raise ValueError(f"tensor {name} is not finite: leave out networks that diverged")
        flat = tensor.flatten(1)
        spread = flat.std(1, correction=0, keepdim=True)
        found += [_quantiles(flat, qts), spread, flat.mean(1, keepdim=True)]
    return torch.cat(found, dim=1)


class WeightAccuracyPredictor:
    """Accuracy from features of weights, through a logistic unit.

    Parameters
    ----------
    kind : str
        ``linear``, or ``dnn``: a network with two hidden layers.
    steps : int
        Of Adam, over all networks at once.
    lr : float
        Learning rate of Adam.
    decay : float
        Weight decay (decoupled).
    width : int
        Units of the hidden layers of ``dnn``.
    seed : int
        Of the initial weights.

    References
    ----------
    Unterthiner et al. (2020), arXiv 2002.11448.

    Examples
    --------
    >>> x = torch.linspace(-2, 2, 200).unsqueeze(1)
    >>> predictor = WeightAccuracyPredictor("linear").fit(x, torch.sigmoid(x[:, 0]))
    >>> r_squared(torch.sigmoid(x[:, 0]), predictor.predict(x)) > 0.99
    True
    """

    def __init__(
        self,
        kind: str = "dnn",
        *,
        steps: int = 600,
        lr: float = 2e-2,
        decay: float = 1e-2,
        width: int = 64,
        seed: int = 0,
    ) -> None:
        if kind not in _NETWORKS:
            raise ValueError(f"unknown kind {kind!r}: choose one of {', '.join(_NETWORKS)}")
        self.kind, self.steps, self.lr, self.decay = kind, steps, lr, decay
        self.width, self.seed = width, seed
        self.network: nn.Module | None = None

    def fit(self, X: Tensor, y: Tensor) -> "WeightAccuracyPredictor":
        """Learn from networks whose accuracy is known.

        Parameters
        ----------
        X : Tensor
            Features, (N, P).
        y : Tensor
            Accuracies, 0 to 1, (N,).

        Returns
        -------
        WeightAccuracyPredictor
            Itself.

        Raises
        ------
        ValueError
            Shapes that do not fit, fewer than two networks, values that are not finite,
            accuracies out of range.
        """
        _refuse(X, y)
        self.centre = X.mean(0)
        deviation = X.std(0, correction=0)
        self.spread = torch.where(deviation > 0, deviation, torch.inf)  # what is constant: 0
        z, target = self._standardised(X), y.to(X)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = nn.Sequential(*_NETWORKS[self.kind](X.shape[1], self.width), nn.Sigmoid())
        network = network.to(X)
        optimizer = torch.optim.AdamW(network.parameters(), lr=self.lr, weight_decay=self.decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(self.steps, 1))
        for _ in range(self.steps):
            optimizer.zero_grad()
            loss = (network(z)[:, 0] - target).square().mean()
            loss.backward()
            optimizer.step()
            schedule.step()
        self.network = network.requires_grad_(False).eval()
        return self

    def predict(self, networks: Tensor | nn.Module | Mapping[str, Tensor]) -> Tensor:
        """Predict accuracies.

        Parameters
        ----------
        networks : Tensor, nn.Module or mapping of Tensor
            Features (N, P); or a network, whose `weight_statistics` were learned from.

        Returns
        -------
        Tensor
            (N,), or () for one network.

        Raises
        ------
        RuntimeError
            Nothing has been learned yet.
        ValueError
            Another number of features than was learned from.
        """
        if self.network is None:
            raise RuntimeError("the predictor has learned nothing yet: call fit first")
        if not isinstance(networks, Tensor):
            return self.predict(weight_statistics(networks).to(self.centre).unsqueeze(0))[0]
        if networks.ndim != 2 or networks.shape[1] != len(self.centre):
            raise ValueError(
                f"features have shape {tuple(networks.shape)}: give (N, {len(self.centre)}), "
                "of networks built like those learned from"
            )
        found: Tensor = self.network(self._standardised(networks))
        return found[:, 0]

    def _standardised(self, X: Tensor) -> Tensor:
        return ((X - self.centre) / self.spread).clamp(-_REACH, _REACH)


def r_squared(y: Tensor, predicted: Tensor) -> float:
    """Share of the variance that is explained; below 0 where the mean explains more.

    Examples
    --------
    >>> r_squared(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 0.5]))
    0.5
    """
    y, predicted = y.double(), predicted.double()
    return float(1 - (y - predicted).square().sum() / (y - y.mean()).square().sum())


def kendall_tau(y: Tensor, predicted: Tensor) -> float:
    """Agreement of two rankings, -1 to 1 (Kendall's tau-b, which allows for ties).

    Examples
    --------
    >>> kendall_tau(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 3.0, 2.0]))
    0.33...
    """
    return float(kendalltau(y.cpu().numpy(), predicted.cpu().numpy()).statistic)


def _linear(features: int, width: int) -> list[nn.Module]:
    return [nn.Linear(features, 1)]


def _deep(features: int, width: int) -> list[nn.Module]:
    return [
        nn.Linear(features, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
        nn.Linear(width, 1),
    ]  # fmt: skip


_NETWORKS = {"linear": _linear, "dnn": _deep}


def _quantiles(flat: Tensor, qts: Sequence[float]) -> Tensor:
    """Quantiles with linear interpolation; `torch.quantile` refuses large tensors."""
    ordered = flat.sort(dim=1).values
    place = flat.new_tensor(qts, dtype=torch.float64) * (flat.shape[1] - 1)
    below, above = place.floor().long(), place.ceil().long()
    return torch.lerp(ordered[:, below], ordered[:, above], (place - below).to(flat))


def _refuse(X: Tensor, y: Tensor) -> None:
    if X.ndim != 2 or y.shape != X.shape[:1] or len(X) < 2:
        raise ValueError(
            f"features {tuple(X.shape)} and accuracies {tuple(y.shape)}: give (N, P) and (N,) of "
            "two networks or more"
        )
    if not (torch.isfinite(X).all() and torch.isfinite(y).all()):
        raise ValueError("features or accuracies are not finite: leave out what diverged")
    if float(y.min()) < 0 or float(y.max()) > 1:
        raise ValueError(
            f"accuracies go from {float(y.min()):g} to {float(y.max()):g}: give shares, 0 to 1"
        )
