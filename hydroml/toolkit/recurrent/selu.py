r"""Self-normalising networks: deep nets whose activations keep mean 0 and variance 1 by themselves.

.. math::
    \mathrm{selu}(x) = \lambda x \ (x > 0), \qquad \lambda\alpha(e^x - 1) \ (x \le 0).

A layer with weights of variance 1/fan-in takes activations of mean μ and variance ν to those of
SELU(z), :math:`z \sim N(0, \nu)`. α and λ are chosen so that (0, 1) maps to itself; this fixed
point attracts, so that moments that a layer has disturbed return layer by layer. It takes three
parts: the SELU, weights from N(0, 1/fan-in), and dropout that keeps both moments.
`hydroml.toolkit.recurrent.moments` holds the map and solves for α and λ,
`hydroml.toolkit.recurrent.alpha_dropout` the dropout.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from hydroml.toolkit.card import Card
from hydroml.toolkit.recurrent.alpha_dropout import AlphaDropout, alpha_dropout
from hydroml.toolkit.recurrent.moments import (
    ALPHA,
    LAMBDA,
    layer_map,
    moment_map,
    selu_parameters,
)

__all__ = [
    "ALPHA",
    "CARD",
    "LAMBDA",
    "SNN",
    "AlphaDropout",
    "alpha_dropout",
    "layer_map",
    "lecun_normal_",
    "moment_map",
    "selu_parameters",
]

CARD = Card(
    name="selu",
    title="Self-normalising networks",
    paper="Klambauer, Unterthiner, Mayr, Hochreiter (2017): Self-Normalizing Neural Networks. "
    "NeurIPS, arXiv:1706.02515",
    year=2017,
    answers="How can a fully connected net be deep without normalisation layers?",
    inputs="x (..., F), standardised (mean 0, variance 1 a feature)",
    outputs="y (..., O)",
    hydrology="none in hydroml: its nets on static attributes are one layer deep, where "
    "activations have no depth to drift over. It would fit deep nets on tabular attributes.",
    claim="Moments stay near (0, 1) over 128 layers with SELU; the variance dies with tanh and ELU "
    "and the mean leaves with ReLU. A 32-layer SELU net trains faster than tanh and ReLU nets. Not "
    "shown in small: a better score on unseen rows, where ELU and tanh nets do better.",
    choices=(
        "selu_parameters takes the fixed point as that of the pre-activations, too: a mean other "
        "than 0 needs weights that sum to 1.",
        "Biases start at 0; the read-out layer has the same initial weights.",
        "No dropout on the inputs or before the first layer.",
    ),
)


class SNN(nn.Module):
    """Fully connected self-normalising net: linear layers, SELU, alpha dropout.

    Parameters
    ----------
    input_size : int
        Number of inputs F, standardised by the caller.
    hidden : sequence of int
        Units of each hidden layer.
    output_size : int
        Number of outputs O; the last layer is linear.
    alpha_dropout : float
        Share of hidden units to drop in training.
    generator : torch.Generator, optional
        Source of initial weights and of dropout, on the device of the weights.
    device, dtype
        Of the weights.

    Raises
    ------
    ValueError
        A size below 1, no hidden layer, or a dropout rate outside [0, 1).

    References
    ----------
    Klambauer et al. (2017), arXiv:1706.02515.

    Examples
    --------
    >>> net = SNN(27, [64, 64, 64], 1)
    >>> net(torch.randn(5, 27)).shape
    torch.Size([5, 1])
    """

    def __init__(
        self,
        input_size: int,
        hidden: Sequence[int],
        output_size: int,
        alpha_dropout: float = 0.05,
        *,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        sizes = [input_size, *hidden, output_size]
        if not hidden or min(sizes) < 1:
            raise ValueError(f"sizes {sizes}: one hidden layer or more, and each size 1 or more")
        self.input_size = input_size
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            linear = nn.Linear(inputs, outputs, device=device, dtype=dtype)
            lecun_normal_(linear.weight, generator)
            nn.init.zeros_(linear.bias)
            layers += [linear, nn.SELU(), AlphaDropout(alpha_dropout, generator)]
        self.layers = nn.Sequential(*layers[:-2])  # nothing after the read-out

    def forward(self, x: Tensor) -> Tensor:
        """Compute outputs (..., O) from standardised inputs (..., F)."""
        if not x.ndim or x.shape[-1] != self.input_size:
            raise ValueError(f"x has shape {tuple(x.shape)}; it must be (..., {self.input_size})")
        y: Tensor = self.layers(x)
        return y


def lecun_normal_(weight: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Fill weights from N(0, 1 / fan-in), in place.

    Parameters
    ----------
    weight : Tensor
        (outputs, inputs, ...); the fan-in is the product of all but the first dimension.
    generator : torch.Generator, optional
        Source of randomness, on the device of `weight`.

    Returns
    -------
    Tensor
        `weight`.

    Raises
    ------
    ValueError
        Fewer than two dimensions, or no inputs.

    Examples
    --------
    >>> weight = lecun_normal_(torch.empty(400, 100), torch.Generator().manual_seed(0))
    >>> round(float(weight.var()) * 100, 1)
    1.0
    """
    fan_in = weight[:1].numel() if weight.ndim > 1 else 0
    if not fan_in:
        raise ValueError(f"weight of shape {tuple(weight.shape)} has no fan-in: (outputs, inputs)")
    with torch.no_grad():
        return weight.normal_(0.0, fan_in**-0.5, generator=generator)
