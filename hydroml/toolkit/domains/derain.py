"""Taking rain off an image: a convolutional network and a Vision Transformer.

Both predict what rain has added and take it away,

    B' = I - r(I) ,

r is zero at the start, so that training begins at the rainy image itself. The CNN is a chain of
dilated convolutions with ReLU and short cuts, at full resolution; any size will do. The
Transformer cuts the image into N = (H / p)(W / p) patches, z_n = E x_n + e_n, lets L blocks of
self-attention and MLP (layer norm first) look from each patch to all others, and lays the patches
of r together again, r_n = U LN(z_n). Training minimises the mean of |B' - B|.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from hydroml.toolkit.card import Card
from hydroml.toolkit.demo import Advance, silent
from hydroml.toolkit.domains.image_patches import patchify, require_patches, unpatchify

__all__ = ["CARD", "DerainCNN", "DerainViT", "fit_derainer", "restore"]

CARD = Card(
    name="derain",
    title="Rain removal by a CNN and a Vision Transformer",
    paper="Kranl, Ramsauer and Knapp (2023): Why current rain denoising models fail on CycleGAN "
    "created rain images in autonomous driving. arXiv:2305.12983",
    year=2023,
    answers="Does what removes drawn rain also remove realistic rain?",
    inputs="rainy images (B, C, H, W), values 0 to 1",
    outputs="images (B, C, H, W); `restore` holds them within 0 to 1",
    hydrology="strained for camera images; the same nets could take noise and clutter off gridded "
    "radar or satellite rainfall, no adapter exists",
    claim="On synthetic scenes: trained on drawn streaks, a CNN and a ViT gain more than 6 dB on "
    "drawn streaks and less than 2 dB on realistic rain; trained on realistic rain at least 2 dB "
    "more. Not shown: the paper's finding on road images, where derainers trained on realistic "
    "pairs, too, gain only about 15 %",
    choices=(
        "Only the abstract was available to us: both networks, their sizes, the scenes and both "
        "kinds of rain are our design. The CNN is a chain of dilated convolutions.",
        "Realistic rain is drops on the lens, loss of contrast, haze and translucent streaks. Haze "
        "makes most of its error, which bounds what a remover of streaks can gain.",
        "Both predict the rain layer and start at zero; trained on the mean absolute error.",
        "Patches of 4 in the demo, as its images are 32 x 32.",
    ),
)


class DerainCNN(nn.Module):
    """Dilated convolutions that predict the rain, which is taken away.

    Parameters
    ----------
    channels : int
        Of the image.
    width : int
        Channels within.
    dilations : sequence of int
        Of the 3 x 3 convolutions between the first and the last; each has a short cut.

    Examples
    --------
    An untrained one leaves the image as it is.

    >>> rainy = torch.rand(2, 3, 17, 20)
    >>> bool((DerainCNN()(rainy) == rainy).all())
    True
    """

    def __init__(
        self, channels: int = 3, width: int = 24, dilations: Sequence[int] = (1, 2, 4, 8, 2, 1)
    ) -> None:
        super().__init__()
        if min(channels, width, *dilations) < 1:
            raise ValueError(
                f"channels {channels}, width {width}, dilations {tuple(dilations)}: all from 1."
            )
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.middle = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=d, dilation=d) for d in dilations
        )
        self.last = _zero(nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, rainy: Tensor) -> Tensor:
        """Take the rain off, (B, C, H, W); not held within 0 to 1."""
        h = torch.relu(self.first(rainy))
        for convolution in self.middle:
            h = h + torch.relu(convolution(h))
        rain: Tensor = self.last(h)
        return rainy - rain


class DerainViT(nn.Module):
    """A Vision Transformer that predicts the rain, which is taken away.

    Parameters
    ----------
    image : int
        Height and width.
    patch : int
        Height and width of a patch; divides `image`.
    dim : int
        Size of a patch's embedding; a multiple of `heads`.
    depth : int
        Blocks.
    heads : int
        Of the attention.
    channels : int
        Of the image.

    Raises
    ------
    ValueError
        Sizes that do not divide, or an image of another size.

    References
    ----------
    Dosovitskiy et al. (2020): An image is worth 16 x 16 words, arXiv:2010.11929, eqs. 1 to 4; here
    without a class token, and with patches laid together again.

    Examples
    --------
    >>> model = DerainViT(image=32, patch=8, dim=32, depth=2, heads=4)
    >>> model(torch.rand(2, 3, 32, 32)).shape
    torch.Size([2, 3, 32, 32])
    """

    def __init__(
        self, image: int, patch: int, dim: int, depth: int, heads: int, channels: int = 3
    ) -> None:
        super().__init__()
        require_patches((image, image), patch)
        if dim % heads:
            raise ValueError(f"dim {dim} is not a multiple of {heads} heads.")
        self.shape, self.patch = (channels, image, image), patch
        self.embed = nn.Linear(channels * patch**2, dim)
        self.place = nn.Parameter(0.02 * torch.randn((image // patch) ** 2, dim))
        block = partial(
            nn.TransformerEncoderLayer, dim, heads, 2 * dim, dropout=0.0, activation="gelu",
            batch_first=True, norm_first=True,
        )  # fmt: skip
        self.blocks = nn.Sequential(*(block() for _ in range(depth)))
        self.norm = nn.LayerNorm(dim)
        self.out = _zero(nn.Linear(dim, channels * patch**2))

    def forward(self, rainy: Tensor) -> Tensor:
        """Take the rain off, (B, C, H, W); not held within 0 to 1."""
        if rainy.shape[1:] != self.shape:
            raise ValueError(
                f"Images are {tuple(rainy.shape[1:])}; this DerainViT was built for {self.shape}. "
                "Cut or resize them, or build another."
            )
        tokens = self.embed(patchify(rainy, self.patch)) + self.place
        rain = self.out(self.norm(self.blocks(tokens)))
        return rainy - unpatchify(rain, self.patch, self.shape[1:])


def fit_derainer(
    model: nn.Module,
    draw: Callable[[], tuple[Tensor, Tensor]],
    steps: int,
    rate: float = 2e-3,
    advance: Advance = silent,
) -> list[float]:
    """Train on pairs, by Adam and mean absolute error; the rate rises and falls (one cycle).

    Parameters
    ----------
    model : nn.Module
        Rainy images to clear ones; changed in place.
    draw : callable
        Gives a batch of pairs, rainy and clear, (B, C, H, W) each.
    steps : int
        How many batches.
    rate : float
        The highest learning rate.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    list of float
        The loss of each step.

    Raises
    ------
    FloatingPointError
        The loss is no number.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    losses = []
    model.train()
    for step in range(1, steps + 1):
        rainy, clear = draw()
        loss = (model(rainy) - clear).abs().mean()
        losses.append(float(loss.detach()))
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"The derainer's loss is {losses[-1]} at step {step}: lower the rate ({rate:g}), "
                "or look for values that are no numbers among the images."
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        cycle.step()
        advance(step / steps)
    return losses


@torch.no_grad()
def restore(model: nn.Module, rainy: Tensor, batch: int = 64) -> Tensor:
    """Take the rain off, without gradients and held within 0 to 1.

    Parameters
    ----------
    model : nn.Module
        `DerainCNN`, `DerainViT` or any other; left in eval mode.
    rainy : Tensor
        (B, C, H, W).
    batch : int
        Images at a time.

    Examples
    --------
    >>> restore(nn.Identity(), torch.tensor([[[[-0.5, 0.5, 1.5]]]]))
    tensor([[[[0.0000, 0.5000, 1.0000]]]])
    """
    model.eval()
    return torch.cat([model(part) for part in rainy.split(batch)]).clamp(0, 1)


def _zero(layer: nn.Module) -> nn.Module:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
