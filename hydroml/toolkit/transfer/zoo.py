r"""A zoo: many small networks, each with hyper-parameters of its own, trained side by side.

All networks are fully connected with two hidden layers of tanh units. Weights are stacked,
(N, out, in), so that a layer of all of them is one product of batches; each network has its own
data, learning rate, weight decay, spread of initial weights and number of steps. A network of the
zoo is what it would be alone: nothing passes from one to another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

Weights = list[Tensor]
"""Kernel and bias of each layer in turn, (N, out, in) and (N, out)."""


@dataclass(frozen=True)
class Recipes:
    """Hyper-parameters of N networks, each (N,).

    Parameters
    ----------
    lr : Tensor
        Learning rate of gradient descent.
    spread : Tensor
        Standard deviation of initial weights times the root of a unit's number of inputs.
    decay : Tensor
        Weight of half the squared weights in the loss.
    steps : Tensor
        Steps after which a network is left as it is.
    share : Tensor
        Share of the training samples that a network sees, 0 to 1.
    seed : Tensor
        Of a network's initial weights.
    """

    lr: Tensor
    spread: Tensor
    decay: Tensor
    steps: Tensor
    share: Tensor
    seed: Tensor

    def __getitem__(self, some: slice | Sequence[int]) -> "Recipes":
        """Take the recipes of some networks."""
        return Recipes(*(part[some] for part in vars(self).values()))

    def matrix(self) -> Tensor:
        """Hyper-parameters as features, (N, 5): rates and spreads in logarithms."""
        rates = [self.lr, self.spread, self.decay]
        return torch.stack([*(r.log() for r in rates), self.steps.to(self.lr), self.share], dim=1)


@dataclass(frozen=True)
class Zoo:
    """Trained networks.

    Parameters
    ----------
    weights : list of Tensor
        Kernel and bias of each layer in turn, (N, out, in) and (N, out).
    accuracy : Tensor
        Share of test samples that each tells right, (N,).
    recipes : Recipes
        How each was trained.
    """

    weights: Weights
    accuracy: Tensor
    recipes: Recipes


def draw_recipes(
    count: int, steps: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> Recipes:
    """Draw hyper-parameters at random, from hopeless to good.

    Parameters
    ----------
    count : int
        How many networks, N.
    steps : int
        The longest training.
    generator : torch.Generator
        On the CPU.
    dtype : torch.dtype
        Of the networks.

    Examples
    --------
    >>> recipes = draw_recipes(4, 100, torch.Generator().manual_seed(0))
    >>> recipes.matrix().shape
    torch.Size([4, 5])
    """

    def uniform(low: float, high: float) -> Tensor:
        drawn = torch.rand(count, generator=generator, dtype=torch.float64)
        return low + (high - low) * drawn

    return Recipes(
        lr=(10 ** uniform(-3.0, 0.3)).to(dtype),
        spread=(10 ** uniform(-1.5, 0.5)).to(dtype),
        decay=(10 ** uniform(-6.0, -1.5)).to(dtype),
        steps=(steps * uniform(0.02, 1.0)).round().long(),
        share=(2.0 ** uniform(-4.0, 0.0)).to(dtype),
        seed=torch.randint(2**31, (count,), generator=generator),
    )


def build_zoo(
    recipes: Recipes,
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    *,
    hidden: int = 16,
    batch: int = 32,
    seed: int = 0,
    on_step: Callable[[float], None] = lambda done: None,
) -> Zoo:
    """Train the networks of the recipes on a classification task, all at once.

    Parameters
    ----------
    recipes : Recipes
        Of N networks.
    train, test : tuple of Tensor
        Inputs (S, D) and classes (S,), whole numbers from 0.
    hidden : int
        Units of each hidden layer.
    batch : int
        Samples in a step.
    seed : int
        Of the order of samples: the same for all networks, within what each may see.
    on_step : callable
        Told the share of the steps done.

    Returns
    -------
    Zoo
        In the order of the recipes.

    Raises
    ------
    ValueError
        Inputs and classes that do not fit, no network, or data that are not finite.

    Examples
    --------
    >>> g = torch.Generator().manual_seed(0)
    >>> x = torch.randn(200, 2, generator=g)
    >>> data = (x, (x[:, 0] > 0).long())
    >>> build_zoo(draw_recipes(5, 20, g), data, data, hidden=4).accuracy.shape
    torch.Size([5])
    """
    (x, y), classes = train, _require_data(recipes, train, test)
    weights = _initial(recipes, (x.shape[1], hidden, hidden, classes), x)
    seen = (recipes.share.double() * len(x)).ceil().clamp(1, len(x)).to(x.device)  # (N,)
    stop, order = recipes.steps.to(x.device), torch.Generator().manual_seed(seed)
    lr, decay = recipes.lr.to(x), recipes.decay.to(x)
    total = int(recipes.steps.max())
    for step in range(total):
        drawn = torch.rand(batch, generator=order, dtype=torch.float64).to(x.device)
        rows = (drawn * seen.unsqueeze(1)).long().clamp(max=len(x) - 1)  # (N, batch)
        gradients = _gradients(weights, x[rows], y[rows])
        rate = torch.where(step < stop, lr, 0)
        for n, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
            each = (-1, *[1] * (weight.ndim - 1))
            decayed = gradient + decay.view(each) * weight
            weights[n] = weight - rate.view(each) * decayed
        on_step((step + 1) / total)
    right = (_forward(weights, test[0].expand(len(lr), -1, -1))[-1].argmax(-1) == test[1]).to(x)
    return Zoo(weights, right.mean(1), recipes)


def _forward(weights: Weights, x: Tensor) -> list[Tensor]:
    """Keep the inputs (N, S, D) and what each layer makes of them; logits last."""
    layers = [x]
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        inside = layers[-1] if len(layers) == 1 else torch.tanh(layers[-1])
        layers.append(torch.baddbmm(bias.unsqueeze(1), inside, kernel.mT))
    return layers


def _gradients(weights: Weights, x: Tensor, y: Tensor) -> Weights:
    """Gradients of each network's mean cross entropy: the chain rule, without a graph."""
    layers = _forward(weights, x)
    wrong = torch.softmax(layers[-1], dim=-1)
    wrong = (wrong - functional.one_hot(y, wrong.shape[-1]).to(wrong)) / y.shape[1]
    found: Weights = []
    for n in range(len(weights) // 2 - 1, -1, -1):
        inside = layers[n] if n == 0 else torch.tanh(layers[n])
        found[:0] = [wrong.mT @ inside, wrong.sum(1)]
        if n:
            wrong = (wrong @ weights[2 * n]) * (1 - inside**2)
    return found


def _initial(recipes: Recipes, sizes: Sequence[int], like: Tensor) -> Weights:
    """Draw normal kernels, each network's from its own seed; offsets are zero."""
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    drawn: list[list[Tensor]] = [[] for _ in shapes]
    for seed in recipes.seed.tolist():  # once, before training
        own = torch.Generator().manual_seed(seed)
        for kernels, shape in zip(drawn, shapes, strict=True):
            kernels.append(torch.randn(shape, generator=own, dtype=torch.float64))
    weights: Weights = []
    spread = recipes.spread.to(like).view(-1, 1, 1)
    for kernels, (units, inputs) in zip(drawn, shapes, strict=True):
        weights.append(torch.stack(kernels).to(like) * spread / inputs**0.5)
        weights.append(like.new_zeros(len(spread), units))
    return weights


def _require_data(
    recipes: Recipes, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]
) -> int:
    """Refuse what does not fit; count the classes."""
    if not len(recipes.lr):
        raise ValueError("no network to train: draw at least one recipe")
    for what, (x, y) in (("train", train), ("test", test)):
        if x.ndim != 2 or y.shape != x.shape[:1] or not len(x) or y.is_floating_point():
            raise ValueError(
                f"{what} has inputs {tuple(x.shape)} and classes {tuple(y.shape)} of {y.dtype}: "
                "give (S, D) and (S,) whole numbers, at least one"
            )
        if not torch.isfinite(x).all():
            raise ValueError(f"inputs of {what} are not finite: leave such samples out")
    return int(max(train[1].max(), test[1].max())) + 1
