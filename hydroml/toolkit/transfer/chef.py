r"""CHEF: adapt a frozen network to a few examples by read-outs at several of its layers.

Of each layer l, features f_l are taken once; a linear read-out is learned on them from zero by
the Hebbian rule (`hydroml.toolkit.transfer.hebbian`); the read-outs are fused by adding their
logits,

.. math:: y(x) = \sum_l W_l f_l(x) + b_l .

Where the new task is far from the old, features of lower layers transfer better than those of
the last, and how far down to go need not be known. Nothing of the network changes.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hydroml.toolkit.card import Card
from hydroml.toolkit.transfer.episodes import Episode, NShotEpisodeSampler
from hydroml.toolkit.transfer.hebbian import (
    hebbian_classes,
    hebbian_numbers,
    hebbian_rates,
)
from hydroml.toolkit.transfer.layer_features import (
    POOLS,
    Pool,
    layer_features,
    pool_named,
    require_layers,
)

__all__ = [
    "CHEF", "FUSIONS", "POOLS", "Episode", "HebbianLearner", "NShotEpisodeSampler",
    "layer_features",
]  # fmt: skip

CARD = Card(
    name="chef",
    title="CHEF: cross-domain Hebbian ensemble few-shot learning",
    paper="Adler et al. (2020): Cross-Domain Few-Shot Learning by Representation Fusion. "
    "arXiv 2010.06498",
    year=2020,
    answers="How can a trained network be adapted to a new domain from a handful of examples?",
    inputs="support x (S, ...), y (S,) classes or (S, C) numbers; query x (Q, ...)",
    outputs="logits (Q, C), or numbers (Q, C)",
    hydrology="hydroml adapt: the read-out of a regional LSTM adapted to a new gauge from its "
    "first years (there a fit that is drawn towards the region's read-out is better)",
    claim="pre-trained on shapes, tested on 5-way 5-shot textures: the fused read-outs beat the "
    "last layer's, and come near the best layer's without knowing which it is",
    choices=(
        "weights learn at twice the rate of offsets, as in the authors' code",
        "features of convolutions are averaged over space: side by side, early layers with many "
        "entries decide the sum of logits alone",
        "numbers instead of classes: half the squared error, mean of the read-outs",
    ),
)

Fusion = Callable[[Tensor], Tensor]

FUSIONS: dict[str, Fusion] = {
    "logits": lambda y: y.sum(0),
    "prob": lambda y: (
        functional.log_softmax(y, dim=-1).logsumexp(0) - torch.log(y.new_tensor(float(len(y))))
    ),
    "mean": lambda y: y.mean(0),
}
"""From what L read-outs say, (L, Q, C), to one answer (Q, C): the sum of logits, the logarithm of
the mean probability, or (for numbers) the mean."""

LOSSES = {"cross_entropy": ("logits", "prob"), "mse": ("mean",)}
"""Losses, and the fusions that make sense with each, the usual one first."""


class HebbianLearner:
    """A linear read-out learned from zero by the Hebbian rule.

    Parameters
    ----------
    n_outputs : int
        Classes, or numbers to predict, C.
    lr : float
        Learning rate eta; that of the weights is twice as large.
    steps : int
        How often the rule is applied.
    loss : str
        ``cross_entropy`` for classes, ``mse`` for numbers.

    References
    ----------
    Adler et al. (2020), arXiv 2010.06498, section 3.

    Examples
    --------
    >>> features = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> learner = HebbianLearner(2, lr=0.1, steps=50).fit(features, torch.tensor([0, 1]))
    >>> learner.predict(features).argmax(-1)
    tensor([0, 1])
    """

    weight: Tensor
    bias: Tensor

    def __init__(
        self, n_outputs: int, lr: float = 0.01, steps: int = 400, loss: str = "cross_entropy"
    ) -> None:
        if loss not in LOSSES:
            raise ValueError(f"unknown loss {loss!r}: choose one of {', '.join(LOSSES)}")
        if n_outputs < 1 or steps < 0 or not lr > 0:
            raise ValueError(
                f"n_outputs {n_outputs}, steps {steps}, lr {lr}: give at least 1 output, 0 steps "
                "or more and a positive rate"
            )
        self.n_outputs, self.lr, self.steps, self.loss = n_outputs, lr, steps, loss

    def fit(self, features: Tensor, y: Tensor) -> "HebbianLearner":
        """Learn from a support set.

        Parameters
        ----------
        features : Tensor
            (S, D).
        y : Tensor
            Classes (S,), whole numbers from 0; or numbers (S, C), (S,) where C is 1.

        Returns
        -------
        HebbianLearner
            Itself, with ``weight`` (C, D) and ``bias`` (C,).

        Raises
        ------
        ValueError
            An empty support set, shapes that do not fit, values that are not finite, classes out
            of range, a learning rate at which the rule for numbers diverges.
        """
        _refuse_features(features)
        if self.loss == "mse":
            self._fit_numbers(features, _numbers(y, len(features), self.n_outputs))
        else:
            targets = functional.one_hot(_classes(y, len(features), self.n_outputs), self.n_outputs)
            self.weight, self.bias = hebbian_classes(features, targets, self.lr, self.steps)
        return self

    def predict(self, features: Tensor) -> Tensor:
        """Logits, or numbers, of features (Q, D): (Q, C).

        Raises
        ------
        RuntimeError
            Nothing has been learned yet.
        """
        if not hasattr(self, "weight"):
            raise RuntimeError("the read-out has learned nothing yet: call fit first")
        return features @ self.weight.mT + self.bias

    def _fit_numbers(self, features: Tensor, y: Tensor) -> None:
        v = torch.cat([features, features.new_ones(len(features), 1)], dim=1)
        rates = hebbian_rates(features.shape[1], self.lr, v)
        steps = torch.tensor(self.steps, device=v.device)
        gram, moment = v.mT @ v / len(v), v.mT @ y.to(v.dtype) / len(v)
        found = hebbian_numbers(gram, moment, rates, steps).mT
        self.weight, self.bias = found[:, :-1], found[:, -1]


class CHEF:
    """Read-outs at several layers of a frozen network, learned from a few examples and fused.

    Parameters
    ----------
    backbone : nn.Module
        A trained network; never changed.
    layers : sequence of str
        Names as in ``backbone.named_modules()``.
    n_outputs : int
        Classes, or numbers to predict, C.
    lr : float
        Learning rate of the rule.
    steps : int
        How often it is applied.
    loss : str
        ``cross_entropy`` for classes, ``mse`` for numbers.
    fuse : str, optional
        ``logits`` (default) or ``prob`` for classes, ``mean`` for numbers.
    pool : str or callable
        How a layer's output becomes a vector; see `POOLS`.
    standardise : bool
        Whether to centre each feature, scale it to unit variance over the support set, and divide
        a layer's features by the root of their number: layers of any size and scale then learn
        alike.

    References
    ----------
    Adler et al. (2020), arXiv 2010.06498.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    >>> x, y = torch.randn(20, 4), torch.arange(20) % 2
    >>> chef = CHEF(net, ["1", "2"], n_outputs=2, steps=20).adapt(x, y)
    >>> chef.predict(x).shape
    torch.Size([20, 2])
    """

    def __init__(
        self,
        backbone: nn.Module,
        layers: Sequence[str],
        n_outputs: int,
        lr: float = 0.01,
        steps: int = 400,
        *,
        loss: str = "cross_entropy",
        fuse: str | None = None,
        pool: str | Pool = "space",
        standardise: bool = False,
    ) -> None:
        require_layers(backbone, layers)
        self.learners = {name: HebbianLearner(n_outputs, lr, steps, loss) for name in layers}
        self.fuse = LOSSES[loss][0] if fuse is None else fuse
        if self.fuse not in LOSSES[loss]:
            raise ValueError(
                f"fuse={fuse!r} does not go with loss={loss!r}: choose {' or '.join(LOSSES[loss])}"
            )
        self.backbone, self.layers = backbone, tuple(layers)
        self.pool = pool_named(pool) if isinstance(pool, str) else pool
        self.standardise = standardise
        self._scales: dict[str, tuple[Tensor, Tensor]] = {}

    def adapt(self, x: Tensor, y: Tensor) -> "CHEF":
        """Learn the read-outs from a support set.

        Parameters
        ----------
        x : Tensor
            What the backbone is called with, (S, ...).
        y : Tensor
            Classes (S,), or numbers (S, C).

        Returns
        -------
        CHEF
            Itself.

        Raises
        ------
        ValueError
            See `HebbianLearner.fit` and `layer_features`.
        """
        return self.adapt_features(layer_features(self.backbone, self.layers, x, self.pool), y)

    def predict(self, x: Tensor) -> Tensor:
        """Logits, or numbers, of a query (Q, ...): (Q, C)."""
        return self.predict_features(layer_features(self.backbone, self.layers, x, self.pool))

    def adapt_features(self, features: Mapping[str, Tensor], y: Tensor) -> "CHEF":
        """Do what `adapt` does with features that are known already, (S, D) by layer."""
        self._scales = {name: _scale(features[name], self.standardise) for name in self.layers}
        for name, learner in self.learners.items():
            learner.fit(self._scaled(features, name), y)
        return self

    def predict_features(self, features: Mapping[str, Tensor]) -> Tensor:
        """Do what `predict` does with features that are known already, (Q, D) by layer."""
        if not self._scales:
            raise RuntimeError("the read-outs have learned nothing yet: call adapt first")
        answers = [
            learner.predict(self._scaled(features, name)) for name, learner in self.learners.items()
        ]
        return FUSIONS[self.fuse](torch.stack(answers))

    def _scaled(self, features: Mapping[str, Tensor], name: str) -> Tensor:
        centre, spread = self._scales[name]
        return (features[name] - centre) / spread


def _scale(features: Tensor, standardise: bool) -> tuple[Tensor, Tensor]:
    if not standardise:
        return features.new_zeros(()), features.new_ones(())
    _refuse_features(features)
    deviation = features.std(0, correction=0)
    # a feature that is the same in all of the support set tells nothing, whatever the query
    spread = torch.where(deviation > 0, deviation, torch.inf)
    return features.mean(0), spread * features.shape[1] ** 0.5


def _refuse_features(features: Tensor) -> None:
    if features.ndim != 2 or not len(features):
        raise ValueError(
            f"features have shape {tuple(features.shape)}: give (S, D) with at least one sample"
        )
    if not torch.isfinite(features).all():
        raise ValueError("features are not finite: leave such samples out")


def _classes(y: Tensor, samples: int, n_classes: int) -> Tensor:
    if y.shape != (samples,) or y.is_floating_point() or y.is_complex():
        raise ValueError(
            f"classes have shape {tuple(y.shape)} and type {y.dtype}: give ({samples},) whole "
            "numbers"
        )
    if int(y.min()) < 0 or int(y.max()) >= n_classes:
        raise ValueError(
            f"classes go from {int(y.min())} to {int(y.max())}: number them 0 to {n_classes - 1}"
        )
    return y.long()


def _numbers(y: Tensor, samples: int, n_outputs: int) -> Tensor:
    column = y.unsqueeze(-1) if y.ndim == 1 else y
    if column.shape != (samples, n_outputs):
        raise ValueError(f"targets have shape {tuple(y.shape)}: give ({samples}, {n_outputs})")
    if not torch.isfinite(column).all():
        raise ValueError("targets are not finite: leave such samples out")
    return column
