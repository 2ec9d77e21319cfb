"""Frechet distance of clips: sees frames and their order.

Clips go through a network of 3-D convolutions, resized and scaled to -1 to 1; its mean logits are
the features of a Frechet distance (frechet.py). With the published I3D network that is the Frechet
video distance (FVD). With any other network, as the `SmallI3D` here, it is called a **Frechet
sequence distance**: figures of different networks cannot be compared.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hydroml.toolkit.card import Card
from hydroml.toolkit.distances.clip_disturbances import frame_noise, swap, temporal_permute
from hydroml.toolkit.distances.frechet import FrechetDistance
from hydroml.toolkit.distances.small_i3d import SmallI3D

__all__ = [
    "CARD",
    "FrechetVideoDistance",
    "SmallI3D",
    "frame_noise",
    "prepared",
    "swap",
    "temporal_permute",
]

CARD = Card(
    name="video",
    title="Frechet sequence distance of clips (Frechet video distance with another network)",
    paper="Unterthiner, van Steenkiste, Kurach, Marinier, Michalski and Gelly (2018): Towards "
    "accurate generative models of video. arXiv:1812.01717",
    year=2018,
    answers="Do generated clips look and move like real ones?",
    inputs="clips (B, T, C, H, W), uint8 or floating point 0 to 1, and a network of clips",
    outputs="one number, squared 2-Wasserstein distance of features",
    hydrology="generated fields of rain or soil moisture; its idea for flow is the hydrograph "
    "distance",
    claim="On synthetic scenes of many moving units: rises with noise, and with frames out of "
    "order, which a distance of single frames does not see. The weights of I3D are not here, so "
    "that it is a sequence distance by a network trained in the project; agreement with what "
    "people see is not shown",
    status="works; a Frechet *sequence* distance unless the caller brings I3D",
    choices=(
        "The network has no default: an untrained one is not a measure.",
        "SmallI3D keeps I3D's order of layers with 3 Inception blocks and few channels.",
        "Floating-point clips are taken for 0 to 1, uint8 for 0 to 255.",
    ),
)


class FrechetVideoDistance(FrechetDistance):
    """Frechet distance of two streams of clips.

    Parameters
    ----------
    extractor : nn.Module
        Clips (B, T, C, h, w), -1 to 1, to features (B, d): `SmallI3D` after training, or I3D.
    size : tuple of int
        Height and width h, w that frames are resized to, bilinear; I3D takes 224 x 224.

    References
    ----------
    Unterthiner et al. (2018), arXiv:1812.01717.

    Examples
    --------
    >>> metric = FrechetVideoDistance(SmallI3D(classes=3, width=2), size=(32, 32))
    >>> clips = torch.rand(8, 10, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    >>> metric.update(clips, real=True)
    >>> metric.update(clips, real=False)
    >>> bool(metric.compute() < 1e-9)
    True
    """

    def __init__(self, extractor: nn.Module, size: tuple[int, int] = (224, 224)) -> None:
        super().__init__(extractor)
        self.size = size

    def update(self, x: Tensor, real: bool) -> None:
        """Add clips.

        Parameters
        ----------
        x : Tensor
            (B, T, C, H, W), uint8, or floating point 0 to 1.
        real : bool
            To which stream they belong.

        Raises
        ------
        ValueError
            Another shape, or floating-point values beyond 0 to 1.
        """
        super().update(prepared(x, self.size), real)


def prepared(clips: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize frames, bilinear, and scale to -1 to 1.

    Parameters
    ----------
    clips : Tensor
        (B, T, C, H, W), uint8, or floating point 0 to 1.
    size : tuple of int
        Height and width.

    Examples
    --------
    >>> prepared(torch.full((1, 1, 1, 2, 2), 255, dtype=torch.uint8), (3, 3)).unique()
    tensor([1.])
    """
    if clips.ndim != 5:
        raise ValueError(f"Clips have the shape {tuple(clips.shape)}; give (B, T, C, H, W).")
    if clips.dtype == torch.uint8:
        clips = clips.float() / 255
    elif not clips.is_floating_point():
        raise TypeError(f"Clips are {clips.dtype}; give uint8 or floating point.")
    if clips.numel() and (clips.min() < 0 or clips.max() > 1):
        raise ValueError(
            f"Clips have values {float(clips.min()):.3g} to {float(clips.max()):.3g}; give 0 to 1, "
            "or uint8."
        )
    if clips.shape[-2:] != size:
        frames = F.interpolate(clips.flatten(0, 1), size, mode="bilinear", align_corners=False)
        clips = frames.unflatten(0, clips.shape[:2])
    return 2 * clips - 1
