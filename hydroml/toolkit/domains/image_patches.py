"""Cutting images into square patches, and laying them together again."""

from collections.abc import Sequence

from torch import Tensor, nn

__all__ = ["patchify", "require_patches", "unpatchify"]


def patchify(images: Tensor, patch: int) -> Tensor:
    """Cut images into patches, row by row.

    Parameters
    ----------
    images : Tensor
        (B, C, H, W).
    patch : int
        p; divides H and W.

    Returns
    -------
    Tensor
        (B, H W / p^2, C p^2).

    Raises
    ------
    ValueError
        Height or width is no multiple of `patch`.

    Examples
    --------
    >>> import torch
    >>> patchify(torch.arange(8.0).reshape(1, 1, 2, 4), 2)
    tensor([[[0., 1., 4., 5.],
             [2., 3., 6., 7.]]])
    """
    require_patches(images.shape[-2:], patch)
    return nn.functional.unfold(images, patch, stride=patch).transpose(1, 2)


def unpatchify(patches: Tensor, patch: int, size: Sequence[int]) -> Tensor:
    """Lay patches together again: the inverse of `patchify`.

    Parameters
    ----------
    patches : Tensor
        (B, H W / p^2, C p^2).
    patch : int
        p; divides H and W.
    size : sequence of int
        (H, W).

    Returns
    -------
    Tensor
        (B, C, H, W).

    Raises
    ------
    ValueError
        Height or width is no multiple of `patch`.

    Examples
    --------
    >>> import torch
    >>> images = torch.arange(8.0).reshape(1, 1, 2, 4)
    >>> bool((unpatchify(patchify(images, 2), 2, (2, 4)) == images).all())
    True
    """
    require_patches(size, patch)
    return nn.functional.fold(patches.transpose(1, 2), tuple(size), patch, stride=patch)


def require_patches(size: Sequence[int], patch: int) -> None:
    """Refuse a size (H, W) that is no multiple of the patch.

    Raises
    ------
    ValueError
        With the size and the patch.
    """
    if patch < 1 or any(side % patch or side < 1 for side in size):
        raise ValueError(
            f"An image of {tuple(size)} cannot be cut into patches of {patch}: pad or crop it to "
            f"a multiple, or choose another patch."
        )
