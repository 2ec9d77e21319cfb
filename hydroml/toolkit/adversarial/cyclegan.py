"""CycleGAN: two generators translate between two sets of images that come in no pairs.

G: A to B and F: B to A, with a critic D_B, D_A of each set. With least squares, the generators
minimise

    (D_B(G(a)) - 1)^2 + (D_A(F(b)) - 1)^2                      look like the other set
    + lambda ( |F(G(a)) - a| + |G(F(b)) - b| )                  and come back
    + lambda i ( |G(b) - b| + |F(a) - a| )                      leave what is there already

and each critic 1/2 ( (D(real) - 1)^2 + D(fake)^2 ), its fakes from a pool of the last ones.
Squares and absolute values are means over the batch, the map and the image.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hydroml.toolkit.adversarial.losses import LeastSquares
from hydroml.toolkit.adversarial.replay_pool import ReplayPool
from hydroml.toolkit.card import Card

__all__ = ["CARD", "CycleGAN", "CycleOptions"]

CARD = Card(
    name="cyclegan",
    title="CycleGAN, unpaired translation of images",
    paper="Kranl, Ramsauer and Knapp (2023): Why current rain denoising models fail on CycleGAN "
    "created rain images in autonomous driving. arXiv:2305.12983; CycleGAN: Zhu et al. (2017), "
    "arXiv:1703.10593",
    year=2023,
    answers="How would this scene look in rain, if none was ever seen both with and without?",
    inputs="two unpaired batches a, b, (B, C, H, W), values -1 to 1",
    outputs="losses of a step; translated images (B, C, H, W)",
    hydrology="strained for camera images; radar against gauge-adjusted rainfall would be such an "
    "unpaired translation, no adapter exists",
    claim="On synthetic scenes of 32 x 32: the cycle closes, a fixed streak detector fires on "
    "G(clear) more than on clear scenes, and a CNN trained on pairs made by G gains at least 1 dB "
    "more on the rain that G imitates than one trained on drawn streaks. Not reached in 400 steps: "
    "as many streaks as that rain has. Not shown: photographs, people who take its rain for real",
    choices=(
        "Only the abstract of the rain paper was available to us: networks and training follow "
        "CycleGAN, the scenes and the rain are our design.",
        "In the demo: no identity loss, three residual blocks of 16 channels without halving, "
        "critics of 16 x 16 patches, rate 0.001, batches of 4, 400 steps.",
        "In the demo, G is given its scene with noise added (`NoisyInput`): without, it drew few "
        "streaks. CycleGAN has no noise.",
        "The rate falls by the step, not by the epoch.",
    ),
)

_SQUARES = LeastSquares()


@dataclass(frozen=True)
class CycleOptions:
    """How a CycleGAN is trained; the defaults are those of Zhu et al. (2017).

    Parameters
    ----------
    rate, beta1 : float
        Of Adam, for generators and critics; its second beta is 0.999.
    cycle : float
        Weight of the cycle, lambda.
    identity : float
        Weight of the identity as a share of lambda; 0 leaves it out.
    pool : int
        Fakes that each critic's pool holds.
    steps : int, optional
        Of the whole training: the rate falls to 0, linearly, in its second half. Constant if None.
    """

    rate: float = 2e-4
    beta1: float = 0.5
    cycle: float = 10.0
    identity: float = 0.5
    pool: int = 50
    steps: int | None = None


class CycleGAN(nn.Module):
    """Two generators, two critics, and the step that trains them.

    Parameters
    ----------
    g_ab, g_ba : nn.Module
        Generators, images of one set to images of the other.
    d_a, d_b : nn.Module
        Critics, images to scores of any shape.
    options : CycleOptions
        Weights and rates.
    generator : torch.Generator, optional
        Of the pools; on the CPU.

    References
    ----------
    Zhu et al. (2017): Unpaired image-to-image translation using cycle-consistent adversarial
    networks, arXiv:1703.10593, eqs. 1 to 3 and section 4; least squares: Mao et al. (2017),
    arXiv:1611.04076.

    Examples
    --------
    >>> nets = [nn.Conv2d(1, 1, 1) for _ in range(4)]
    >>> losses = CycleGAN(*nets).step(torch.rand(2, 1, 4, 4), torch.rand(2, 1, 4, 4))
    >>> list(losses)[:4]
    ['adversarial_ab', 'adversarial_ba', 'cycle_a', 'cycle_b']
    """

    def __init__(
        self,
        g_ab: nn.Module,
        g_ba: nn.Module,
        d_a: nn.Module,
        d_b: nn.Module,
        options: CycleOptions | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.g_ab, self.g_ba, self.d_a, self.d_b = g_ab, g_ba, d_a, d_b
        self.options = o = options or CycleOptions()
        if min(o.rate, o.cycle, o.identity, o.pool) < 0 or (o.steps is not None and o.steps < 1):
            raise ValueError(f"{o}: weights, rate and pool are from 0, steps from 1.")
        self.taken = 0
        self._pool_a, self._pool_b = (ReplayPool(o.pool, generator) for _ in range(2))
        self._optimizers = tuple(
            torch.optim.Adam(
                [*one.parameters(), *other.parameters()], lr=o.rate, betas=(o.beta1, 0.999)
            )
            for one, other in ((g_ab, g_ba), (d_a, d_b))
        )

    def step(self, a: Tensor, b: Tensor) -> dict[str, float]:
        """Train generators, then critics, by one step each.

        Parameters
        ----------
        a, b : Tensor
            Images of either set, (B, C, H, W); they do not belong together.

        Returns
        -------
        dict of float
            ``adversarial_ab``, ``adversarial_ba``; ``cycle_a``, ``cycle_b``, ``identity_a``,
            ``identity_b`` without their weights; ``generators``, the weighted sum; ``critic_a``,
            ``critic_b``.

        Raises
        ------
        FloatingPointError
            A loss is no number; that update is not made.
        RuntimeError
            All steps of the options are taken.
        """
        self._set_rate()
        fake_a, fake_b, losses = self._generator_losses(a, b)
        self._descend(0, losses, "generators")
        critics = {
            "critic_a": _SQUARES.critic_loss(self.d_a, a, self._pool_a.exchange(fake_a)),
            "critic_b": _SQUARES.critic_loss(self.d_b, b, self._pool_b.exchange(fake_b)),
        }
        both = critics["critic_a"] + critics["critic_b"]
        self._descend(1, {**critics, "critics": both}, "critics")
        self.taken += 1
        return {name: float(loss.detach()) for name, loss in {**losses, **critics}.items()}

    def _generator_losses(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        fake_b, fake_a = self.g_ab(a), self.g_ba(b)
        losses = {  # twice: equation 1 has no half, LeastSquares has
            "adversarial_ab": 2 * _SQUARES.generator_loss(self.d_b, fake_b),
            "adversarial_ba": 2 * _SQUARES.generator_loss(self.d_a, fake_a),
            "cycle_a": (self.g_ba(fake_b) - a).abs().mean(),
            "cycle_b": (self.g_ab(fake_a) - b).abs().mean(),
        }
        o = self.options
        total = losses["adversarial_ab"] + losses["adversarial_ba"]
        total = total + o.cycle * (losses["cycle_a"] + losses["cycle_b"])
        if o.identity:
            losses["identity_a"] = (self.g_ba(a) - a).abs().mean()
            losses["identity_b"] = (self.g_ab(b) - b).abs().mean()
            total = total + o.cycle * o.identity * (losses["identity_a"] + losses["identity_b"])
        return fake_a, fake_b, {**losses, "generators": total}

    def _descend(self, which: int, losses: dict[str, Tensor], name: str) -> None:
        for what, loss in losses.items():
            if not math.isfinite(float(loss.detach())):
                raise FloatingPointError(
                    f"The loss {what!r} is {float(loss.detach())} at step {self.taken + 1}: lower "
                    f"the rate ({self.options.rate:g}), or look for such values in the images."
                )
        optimizer = self._optimizers[which]
        optimizer.zero_grad()
        losses[name].backward(inputs=optimizer.param_groups[0]["params"])  # the others wait
        optimizer.step()

    def _set_rate(self) -> None:
        steps, rate = self.options.steps, self.options.rate
        if steps is None:
            return
        if self.taken >= steps:
            raise RuntimeError(f"All {steps} steps are taken and the rate is 0; ask for more.")
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, 2 * (1 - self.taken / steps))
