"""How near one image is to another: the peak signal-to-noise ratio and structural similarity.

    PSNR = 10 log10( 1 / mean (x - y)^2 )                                             [dB]
    SSIM = mean over places of  (2 m_x m_y + C1) (2 s_xy + C2)
                               / ((m_x^2 + m_y^2 + C1) (s_x^2 + s_y^2 + C2))

m, s are means and (co)variances under a Gaussian window of 11 x 11 with sigma 1.5, taken only where
the whole window lies in the image; C1 = 0.01^2 and C2 = 0.03^2 of images with values 0 to 1.
scikit-image does the same; torchmetrics mirrors images at the borders, and has windows everywhere.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["psnr", "require_unit_images", "ssim"]

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2


def psnr(found: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image.

    Parameters
    ----------
    found, truth : Tensor
        (B, C, H, W), values 0 to 1.

    Returns
    -------
    Tensor
        (B,) [dB]; infinite where the images are equal.

    Raises
    ------
    ValueError
        Values outside 0 to 1, or shapes that differ.

    Examples
    --------
    An error of 0.1 everywhere: 10 log10(1 / 0.01) = 20 dB.

    >>> psnr(torch.full((1, 3, 4, 4), 0.6), torch.full((1, 3, 4, 4), 0.5))
    tensor([20.0000])
    """
    _require_pair(found, truth)
    return -10 * ((found - truth) ** 2).mean(dim=(1, 2, 3)).log10()


def ssim(found: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity of each image, mean over its channels.

    Parameters
    ----------
    found, truth : Tensor
        (B, C, H, W), values 0 to 1, at least 11 high and wide.

    Returns
    -------
    Tensor
        (B,), -1 to 1 [-]; 1 where the images are equal.

    Raises
    ------
    ValueError
        Values outside 0 to 1, shapes that differ, or images smaller than the window.

    References
    ----------
    Wang et al. (2004): Image quality assessment. doi:10.1109/TIP.2003.819861, eq. 13.

    Examples
    --------
    Two flat images have no structure; what is left is (2 m_x m_y + C1) / (m_x^2 + m_y^2 + C1).

    >>> round(float(ssim(torch.zeros(1, 1, 11, 11), torch.ones(1, 1, 11, 11))), 6)
    0.0001
    """
    _require_pair(found, truth)
    if min(found.shape[-2:]) < WINDOW:
        raise ValueError(
            f"Images of {tuple(found.shape[-2:])} are smaller than the window; "
            f"give at least {WINDOW} x {WINDOW}."
        )
    mean_x, mean_y = _windowed(found), _windowed(truth)
    var_x = _windowed(found**2) - mean_x**2
    var_y = _windowed(truth**2) - mean_y**2
    cov = _windowed(found * truth) - mean_x * mean_y
    brightness = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    structure = (2 * cov + C2) / (var_x + var_y + C2)
    return (brightness * structure).mean(dim=(1, 2, 3))


def require_unit_images(images: Tensor, name: str) -> None:
    """Refuse what is not a batch of images (B, C, H, W) with values 0 to 1.

    Parameters
    ----------
    images : Tensor
        What was given.
    name : str
        What it is called in the message.

    Raises
    ------
    ValueError
        Another shape, no number, or values outside 0 to 1.
    TypeError
        Not floating point.
    """
    if images.ndim != 4 or images.numel() == 0:
        raise ValueError(f"{name} has shape {tuple(images.shape)}; give images (B, C, H, W).")
    if not images.dtype.is_floating_point:
        raise TypeError(f"{name} is {images.dtype}; give floating point (bytes divided by 255).")
    low, high = float(images.min()), float(images.max())
    if not (low >= 0 and high <= 1):  # NaN fails, too
        raise ValueError(f"{name} runs from {low:g} to {high:g}; scale or clamp it to 0 to 1.")


def _require_pair(found: Tensor, truth: Tensor) -> None:
    require_unit_images(found, "found")
    require_unit_images(truth, "truth")
    if found.shape != truth.shape:
        raise ValueError(f"found is {tuple(found.shape)} but truth is {tuple(truth.shape)}.")


def _windowed(x: Tensor) -> Tensor:
    """Average over the window, each channel for itself: along rows, then along columns."""
    away = torch.arange(WINDOW, device=x.device, dtype=x.dtype) - WINDOW // 2
    weights = torch.exp(-(away**2) / (2 * SIGMA**2))
    weights = weights / weights.sum()
    flat = x.flatten(0, 1)[:, None]  # (B C, 1, H, W)
    flat = F.conv2d(F.conv2d(flat, weights[None, None, None]), weights[None, None, :, None])
    return flat.unflatten(0, x.shape[:2])[:, :, 0]
