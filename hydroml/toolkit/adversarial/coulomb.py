"""Coulomb GAN: generated points repel one another, data attract them, as charges do.

Plummer kernel ``k(a, b) = (|a - b|^2 + eps^2)^(-(d - 2) / 2)``. The potential at a is

    pot(a) = mean_x k(a, x) - mean_y k(a, y)          x generated, y data

The critic regresses it, ``mean_x (D(x) - pot(x))^2 + mean_y (D(y) - pot(y))^2``, with points and
potentials held fixed; the generator minimises mean D(G(z)). Where the densities agree the potential
vanishes everywhere, and with an exact field that is the only Nash equilibrium. A point repels
itself, too: k(x, x) = eps^(2 - d) is kept, as it is the same for all points of one kind.
"""

from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn

from hydroml.toolkit.adversarial.losses import Condition, Critic, scores
from hydroml.toolkit.card import Card

__all__ = [
    "CARD",
    "Coulomb",
    "CoulombGAN",
    "coulomb_field",
    "coulomb_potentials",
    "plummer_kernel",
]

CARD = Card(
    name="coulomb",
    title="Coulomb GAN",
    paper="Unterthiner, Nessler, Seward, Klambauer, Heusel, Ramsauer & Hochreiter (2018): Coulomb "
    "GANs: Provably Optimal Nash Equilibria via Potential Fields. ICLR 2018, arXiv:1708.08819",
    year=2018,
    answers="How does a generator come to cover every mode of the data, not only some?",
    inputs="generated points (n, ...) and data (m, ...)",
    outputs="potentials (n,) and (m,); scalar losses of critic and generator",
    hydrology="a loss for weather generators that must not drop rare wet regimes; in few "
    "dimensions only, as kernel distances lose their meaning in many",
    claim="On 25 Gaussians: points that follow the exact field reach all modes and lie sharply on "
    "them. Networks spread more evenly over the modes than a non-saturating GAN of equal steps, "
    "but at the demo's budget neither kind resolves single modes. Not shown: sharp samples of "
    "networks, or any result of the paper on images",
    status="works; the demo's networks spread evenly but are not trained long enough to be sharp",
    choices=(
        "The critic's second term, on data points, and the self terms k(x, x) are kept.",
        "With a condition the points of the field are (sample, condition), flattened: both "
        "densities are joint ones.",
        "The optional fit on the previous batch's generated points is an argument of "
        "`CoulombGAN.d_loss`; `GANTrainer` leaves it out.",
    ),
)


def plummer_kernel(a: Tensor, b: Tensor, dim: float = 3, eps: float = 1.0) -> Tensor:
    """Kernel between all pairs, ``(|a - b|^2 + eps^2)^(-(dim - 2) / 2)``.

    Parameters
    ----------
    a, b : Tensor
        (..., n, D) and (..., m, D).
    dim : float
        d of the exponent, above 2; it need not be D.
    eps : float
        Distance below which the force weakens, about a fifth of the spacing of modes.

    Returns
    -------
    Tensor
        (..., n, m).

    Raises
    ------
    ValueError
        Bad `dim` or `eps`, or points of unlike size.

    References
    ----------
    Unterthiner et al. (2018), arXiv:1708.08819.

    Examples
    --------
    >>> plummer_kernel(torch.zeros(1, 2), torch.tensor([[0.0, 0.0], [3.0, 4.0]]), eps=1.0)
    tensor([[1.0000, 0.1961]])
    """
    _check(a, b, dim, eps)
    return (_squares(a, b) + eps**2) ** (-(dim - 2) / 2)


@torch.no_grad()
def coulomb_potentials(
    x: Tensor, y: Tensor, dim: float = 3, eps: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Potentials at generated points and at data, ``pot(a) = mean_x k(a, x) - mean_y k(a, y)``.

    Parameters
    ----------
    x : Tensor
        Generated points, (..., n, D).
    y : Tensor
        Data, (..., m, D).
    dim, eps : float
        See `plummer_kernel`.

    Returns
    -------
    pot_x, pot_y : Tensor
        (..., n) and (..., m), without gradient; self terms are in them.

    Examples
    --------
    >>> x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [0.0]])
    >>> coulomb_potentials(x, y)  # equal densities: no field
    (tensor([0., 0.]), tensor([0., 0.]))
    """
    across = plummer_kernel(x, y, dim, eps)
    pot_x = plummer_kernel(x, x, dim, eps).mean(-1) - across.mean(-1)
    pot_y = across.mean(-2) - plummer_kernel(y, y, dim, eps).mean(-1)
    return pot_x, pot_y


@torch.no_grad()
def coulomb_field(a: Tensor, x: Tensor, y: Tensor, dim: float = 3, eps: float = 1.0) -> Tensor:
    """Force ``-grad pot(a)``, sources held fixed: what a critic without error would tell.

    ``(dim - 2) (mean_x (a - x) w(a, x) - mean_y (a - y) w(a, y))`` with
    ``w(a, b) = (|a - b|^2 + eps^2)^(-dim / 2)``.

    Parameters
    ----------
    a : Tensor
        Where, (..., q, D).
    x, y : Tensor
        Generated points (..., n, D) and data (..., m, D).
    dim, eps : float
        See `plummer_kernel`.

    Returns
    -------
    Tensor
        (..., q, D).

    Examples
    --------
    >>> coulomb_field(torch.zeros(1, 1), torch.zeros(1, 1), torch.tensor([[2.0]]), eps=0.1)
    tensor([[0.2491]])
    """
    _check(a, x, dim, eps)
    _check(a, y, dim, eps)
    pushed, pulled = _pull(a, x, dim, eps), _pull(a, y, dim, eps)
    return (dim - 2) * (pulled - pushed)


@dataclass(frozen=True)
class Coulomb:
    """The loss, for `GANTrainer`.

    Parameters
    ----------
    dim, eps : float
        See `plummer_kernel`.
    """

    dim: float = 3
    eps: float = 1.0

    def critic_loss(
        self,
        critic: Critic,
        real: Tensor,
        fake: Tensor,
        condition: Condition = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Squared errors of the critic against the potentials, both means added."""
        pot_x, pot_y = coulomb_potentials(
            _joint(fake, condition), _joint(real, condition), self.dim, self.eps
        )
        of_fake = scores(critic, fake.detach(), condition) - pot_x[:, None]
        of_real = scores(critic, real, condition) - pot_y[:, None]
        return of_fake.square().mean() + of_real.square().mean()

    def generator_loss(self, critic: Critic, fake: Tensor, condition: Condition = None) -> Tensor:
        """Mean of the critic's potential at generated points."""
        return scores(critic, fake, condition).mean()


class CoulombGAN(nn.Module):
    """A generator, a critic, and both losses.

    Parameters
    ----------
    generator, critic : nn.Module
        G(z) gives points, D(points) their potential, (n,) or (n, 1).
    dim, eps : float
        See `plummer_kernel`.

    References
    ----------
    Unterthiner et al. (2018), arXiv:1708.08819.

    Examples
    --------
    >>> gan = CoulombGAN(nn.Linear(3, 2), nn.Linear(2, 1), eps=0.1)
    >>> x, y = gan(torch.randn(5, 3)), torch.randn(8, 2)
    >>> gan.d_loss(x, y).ndim, gan.g_loss(x).ndim
    (0, 0)
    """

    def __init__(
        self, generator: nn.Module, critic: nn.Module, dim: float = 3, eps: float = 1.0
    ) -> None:
        super().__init__()
        self.generator, self.critic, self.loss = generator, critic, Coulomb(dim, eps)

    def forward(self, z: Tensor) -> Tensor:
        """Generate."""
        points: Tensor = self.generator(z)
        return points

    def d_loss(self, x: Tensor, y: Tensor, previous: Tensor | None = None) -> Tensor:
        """Give the critic's loss.

        Parameters
        ----------
        x, y : Tensor
            Generated points (n, ...) and data (m, ...); no gradient goes through them.
        previous : Tensor, optional
            Generated points of the last batch, (p, ...): the critic is fitted there, too, so that
            it remembers places that the generator has left. Their potential is that of x and y.
        """
        loss = self.loss.critic_loss(self.critic, y, x)
        if previous is None:
            return loss
        dim, eps, p = self.loss.dim, self.loss.eps, previous.detach()
        with torch.no_grad():
            held = _joint(p, None)
            pot = plummer_kernel(held, _joint(x, None), dim, eps).mean(1)
            pot = pot - plummer_kernel(held, _joint(y, None), dim, eps).mean(1)
        return loss + (scores(self.critic, p) - pot[:, None]).square().mean()

    def g_loss(self, x: Tensor) -> Tensor:
        """Give the generator's loss, mean of D(x) over generated x (n, ...)."""
        return self.loss.generator_loss(self.critic, x)


def _joint(x: Tensor, condition: Condition) -> Tensor:
    """Flatten points, and the condition after them, (n, D)."""
    told = () if condition is None else condition if isinstance(condition, tuple) else (condition,)
    return torch.cat([part.reshape(len(x), -1).to(x) for part in (x, *told)], dim=1)


def _pull(a: Tensor, b: Tensor, dim: float, eps: float) -> Tensor:
    """Mean over b of (b - a) w(a, b)."""
    w = (_squares(a, b) + eps**2) ** (-dim / 2)
    return (w @ b) / b.shape[-2] - a * w.mean(-1, keepdim=True)


def _squares(a: Tensor, b: Tensor) -> Tensor:
    # by differences: |a|^2 + |b|^2 - 2 a b would drown small distances in rounding
    if a.shape[-1] <= 4:  # faster than cdist in few dimensions
        pairs = zip(a.unbind(-1), b.unbind(-1), strict=True)
        apart = [p[..., :, None] - q[..., None, :] for p, q in pairs]
        return reduce(torch.add, (d * d for d in apart))
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").square()


def _check(a: Tensor, b: Tensor, dim: float, eps: float) -> None:
    if not dim > 2:
        raise ValueError(f"dim is {dim}; at 2 and below the kernel does not fall off: give 3.")
    if not eps > 0:
        raise ValueError(f"eps is {eps}; give a positive distance, for example 0.2 mode spacings.")
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-1]:
        raise ValueError(
            f"Points of shape {tuple(a.shape)} and {tuple(b.shape)}; "
            "give (..., n, D) and (..., m, D), flattened to vectors of one size D."
        )
