"""Mean and scatter of a stream of vectors, batch by batch, in float64.

Two parts with counts n, m, means a, b and scatters A, B join (Chan, Golub and LeVeque 1983) to

    mean = a + (b - a) m / (n + m)        scatter = A + B + (b - a)(b - a)' n m / (n + m)
"""

import torch
from torch import Tensor


class Moments:
    """Count, mean and covariance of all vectors added so far.

    Examples
    --------
    >>> moments = Moments()
    >>> moments.add(torch.tensor([[0.0, 1.0]]))
    >>> moments.add(torch.tensor([[2.0, 1.0]]))
    >>> moments.count, moments.mean.tolist(), moments.covariance.tolist()
    (2, [1.0, 1.0], [[2.0, 0.0], [0.0, 0.0]])
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(0, dtype=torch.float64)
        self.scatter = torch.zeros(0, 0, dtype=torch.float64)

    def add(self, features: Tensor) -> None:
        """Add a batch (n, d).

        Raises
        ------
        ValueError
            d is not that of the batches before.
        """
        batch = features.detach().to(torch.float64)
        if self.count and batch.shape[1] != len(self.mean):
            raise ValueError(
                f"A batch has {batch.shape[1]} features, those before had {len(self.mean)}."
            )
        if not len(batch):
            return
        mean = batch.mean(dim=0)
        scatter = (batch - mean).T @ (batch - mean)
        total = self.count + len(batch)
        if self.count:
            step = mean - self.mean
            joint = torch.outer(step, step) * (self.count * len(batch) / total)
            mean = self.mean + step * (len(batch) / total)
            scatter = self.scatter + scatter + joint
        self.count, self.mean, self.scatter = total, mean, scatter

    @property
    def covariance(self) -> Tensor:
        """Scatter over count - 1, (d, d)."""
        return self.scatter / (self.count - 1)
