"""Disturbances of clips (B, T, C, H, W): noise that a still shows, and order that it does not."""

import torch
from torch import Tensor

from hydroml.toolkit.distances.disturbances import noise

__all__ = ["frame_noise", "swap", "temporal_permute"]


def frame_noise(clips: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Blend every frame with noise of its own, ``(1 - share) x + share n``.

    Parameters
    ----------
    clips : Tensor
        (B, T, C, H, W), 0 to 1.
    share : float
        0 to 1.
    generator : torch.Generator
        On the device of the clips.

    Examples
    --------
    >>> g = torch.Generator().manual_seed(0)
    >>> frame_noise(torch.zeros(1, 2, 1, 4, 4), 0.0, g).sum()
    tensor(0.)
    """
    _check_clips(clips)
    return noise(clips.flatten(0, 1), share, generator).unflatten(0, clips.shape[:2])


def temporal_permute(clips: Tensor, generator: torch.Generator) -> Tensor:
    """Put the frames of each clip into a random order.

    Parameters
    ----------
    clips : Tensor
        (B, T, C, H, W).
    generator : torch.Generator
        A CPU generator.

    Examples
    --------
    >>> clip = torch.arange(4.0).reshape(1, 4, 1, 1, 1)
    >>> temporal_permute(clip, torch.Generator().manual_seed(0)).sum()
    tensor(6.)
    """
    _check_clips(clips)
    return _ordered(clips, torch.rand(clips.shape[:2], generator=generator).argsort(dim=1))


def swap(clips: Tensor, count: int, generator: torch.Generator, local: bool = False) -> Tensor:
    """Exchange two frames `count` times, in each clip others.

    Parameters
    ----------
    clips : Tensor
        (B, T, C, H, W), T at least 2.
    count : int
        Exchanges, one after the other.
    generator : torch.Generator
        A CPU generator.
    local : bool
        Exchange neighbours; otherwise any two.

    Examples
    --------
    >>> clip = torch.arange(2.0).reshape(1, 2, 1, 1, 1)
    >>> swap(clip, 1, torch.Generator()).flatten()
    tensor([1., 0.])
    """
    _check_clips(clips)
    clip_count, frames = clips.shape[:2]
    if count < 0 or frames < 2:
        raise ValueError(f"{count} exchanges among {frames} frames; give at least 0 and 2.")
    rows = torch.arange(clip_count)
    order = torch.arange(frames).repeat(clip_count, 1)
    for _ in range(count):
        first = torch.randint(frames - local, (clip_count,), generator=generator)
        away = torch.randint(1, 2 if local else frames, (clip_count,), generator=generator)
        second = (first + away) % frames
        order[rows, first], order[rows, second] = order[rows, second], order[rows, first]
    return _ordered(clips, order)


def _ordered(clips: Tensor, order: Tensor) -> Tensor:
    rows = torch.arange(len(clips), device=clips.device)[:, None]
    return clips[rows, order.to(clips.device)]


def _check_clips(clips: Tensor) -> None:
    if clips.ndim != 5:
        raise ValueError(f"Clips have the shape {tuple(clips.shape)}; give (B, T, C, H, W).")
