"""Several small networks side by side, as one: what takes ten runs takes one."""

from itertools import pairwise

import torch
from torch import Tensor, nn


class ManyNets(nn.Module):
    """Perceptrons of one shape that share nothing, (B, N, inputs) to (B, N, outputs).

    Parameters
    ----------
    count : int
        N.
    sizes : tuple of int
        Inputs, hidden layers (ReLU), outputs; outputs of 1 are dropped, (B, N).
    generator : torch.Generator
        Of the initial weights, uniform within 1 / sqrt(fan-in).
    """

    def __init__(self, count: int, sizes: tuple[int, ...], generator: torch.Generator) -> None:
        super().__init__()
        pairs = list(pairwise(sizes))
        self.weights = nn.ParameterList(_uniform((count, n, m), n, generator) for n, m in pairs)
        self.biases = nn.ParameterList(_uniform((count, 1, m), n, generator) for n, m in pairs)

    def forward(self, x: Tensor) -> Tensor:
        """Apply network n to x[:, n]."""
        h = x.transpose(0, 1)  # (N, B, inputs)
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias, h, weight)
            if i < last:
                h = h.relu()
        return h.transpose(0, 1).squeeze(-1)


def _uniform(shape: tuple[int, ...], inputs: int, generator: torch.Generator) -> nn.Parameter:
    return nn.Parameter((2 * torch.rand(shape, generator=generator) - 1) / inputs**0.5)
