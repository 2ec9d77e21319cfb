r"""Point clouds cut into voxels and into patches, all points at once.

A point (x, y, z, r) [m, -] falls into voxel :math:`\lfloor (p - p_0) / s \rfloor`. Of each voxel at
most T points are kept, and each becomes seven numbers (Zhou and Tuzel 2018, arXiv:1711.06396): its
own four and its way from the mean of the voxel's points,

.. math:: (x, y, z, r, x - \bar x, y - \bar y, z - \bar z)

Points are sorted by voxel once; the place within the voxel follows from where each voxel starts.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Patches", "VoxelGrid", "Voxels", "extract_patches", "voxelize"]


@dataclass(frozen=True)
class VoxelGrid:
    """A box of space and how it is divided.

    Parameters
    ----------
    low, high : tuple of float
        Corners (x, y, z) [m]; `low` belongs to the grid, `high` does not.
    size : tuple of float
        Of a voxel (x, y, z) [m].

    Raises
    ------
    ValueError
        A side that is not a whole number of voxels.

    Examples
    --------
    >>> VoxelGrid((-10.0, -10.0, 0.0), (10.0, 10.0, 2.4), (0.8, 0.8, 0.8)).shape
    (3, 25, 25)
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    size: tuple[float, float, float]

    def __post_init__(self) -> None:
        for low, high, size in zip(self.low, self.high, self.size, strict=True):
            count = (high - low) / size if size > 0 else 0
            if count < 0.5 or abs(count - round(count)) > 1e-6:
                raise ValueError(
                    f"From {low} to {high} are {count:.3f} voxels of {size}: give a whole number."
                )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y, x."""
        x, y, z = (
            round((high - low) / size)
            for low, high, size in zip(self.low, self.high, self.size, strict=True)
        )
        return z, y, x


class Voxels(NamedTuple):
    """Voxels with at least one point.

    Attributes
    ----------
    features : Tensor
        (V, T, 7), 0 where there is no point.
    mask : Tensor
        (V, T), true where there is a point.
    coords : Tensor
        (V, 4): cloud, z, y, x, in rising order.
    """

    features: Tensor
    mask: Tensor
    coords: Tensor


class Patches(NamedTuple):
    """Points of all patches: (M, 4) seen from their patch's centre, and (M,) which patch."""

    points: Tensor
    patch: Tensor


def voxelize(
    points: Tensor, grid: VoxelGrid, most: int = 35, cloud: Tensor | None = None
) -> Voxels:
    """Sort points into voxels.

    Parameters
    ----------
    points : Tensor
        (N, 4): x, y, z [m], reflectance. What lies outside the grid is left out.
    grid : VoxelGrid
        Where, and how fine.
    most : int
        Points kept of a voxel, T: the first ones. Shuffle points that come in an order.
    cloud : Tensor, optional
        (N,), int64: to which of several point clouds each point belongs.

    Returns
    -------
    Voxels
        Without any point V is 0.

    Raises
    ------
    ValueError
        Not four numbers a point, numbers that are not finite, or `most` below 1.

    Examples
    --------
    >>> grid = VoxelGrid((0.0, 0.0, 0.0), (2.0, 1.0, 1.0), (1.0, 1.0, 1.0))
    >>> points = torch.tensor([[1.25, 0.5, 0.5, 1.0], [1.75, 0.5, 0.5, 1.0], [9.0, 0.5, 0.5, 1.0]])
    >>> features, mask, coords = voxelize(points, grid)
    >>> coords.tolist(), features[0, :2, 4].tolist()
    ([[0, 0, 0, 1]], [-0.25, 0.25])
    """
    if points.ndim != 2 or points.shape[1] != 4 or not torch.isfinite(points).all():
        raise ValueError(f"Points of shape {tuple(points.shape)}: give finite numbers (N, 4).")
    if most < 1:
        raise ValueError(f"{most} points of a voxel: keep at least 1.")
    shape = points.new_tensor(grid.shape[::-1])
    place = ((points[:, :3] - points.new_tensor(grid.low)) / points.new_tensor(grid.size)).floor()
    within = ((place >= 0) & (place < shape)).all(dim=1)
    points, place = points[within], place[within].long()
    which = place.new_zeros(len(place)) if cloud is None else cloud[within]
    depth, height, width = grid.shape
    key = ((which * depth + place[:, 2]) * height + place[:, 1]) * width + place[:, 0]
    key, order = key.sort(stable=True)
    found, voxel, count = key.unique_consecutive(return_inverse=True, return_counts=True)
    rank = torch.arange(len(key), device=key.device) - (count.cumsum(0) - count)[voxel]
    kept = rank < most
    return _filled(points[order[kept]], voxel[kept], rank[kept], _coords(found, grid), most)


def extract_patches(
    points: Tensor,
    centres: Tensor,
    size: float,
    cloud: Tensor | None = None,
    centre_cloud: Tensor | None = None,
) -> Patches:
    """Cut square columns out of point clouds.

    Parameters
    ----------
    points : Tensor
        (N, 4).
    centres : Tensor
        (P, 2) x, y [m].
    size : float
        Side of a square [m].
    cloud, centre_cloud : Tensor, optional
        (N,) and (P,): to which of several clouds points and centres belong.

    Returns
    -------
    Patches
        Sorted by patch; a point within two squares is there twice.

    Raises
    ------
    ValueError
        Clouds of points without clouds of centres, or the reverse.

    Examples
    --------
    >>> points = torch.tensor([[1.0, 1.0, 0.5, 0.0], [8.0, 8.0, 0.5, 0.0]])
    >>> extract_patches(points, torch.tensor([[7.0, 8.0]]), 4.0)
    Patches(points=tensor([[1.0000, 0.0000, 0.5000, 0.0000]]), patch=tensor([0]))
    """
    if (cloud is None) != (centre_cloud is None):
        raise ValueError("Give cloud and centre_cloud together, or neither.")
    away = points[:, :2] - centres[:, None]  # (P, N, 2)
    within = ((away >= -size / 2) & (away < size / 2)).all(dim=2)
    if cloud is not None and centre_cloud is not None:
        within &= cloud == centre_cloud[:, None]
    patch, chosen = torch.nonzero(within, as_tuple=True)
    return Patches(torch.cat([away[patch, chosen], points[chosen, 2:]], dim=1), patch)


def _coords(key: Tensor, grid: VoxelGrid) -> Tensor:
    depth, height, width = grid.shape
    x = key % width
    y = key.div(width, rounding_mode="floor") % height
    z = key.div(width * height, rounding_mode="floor") % depth
    which = key.div(width * height * depth, rounding_mode="floor")
    return torch.stack([which, z, y, x], dim=1)


def _filled(points: Tensor, voxel: Tensor, rank: Tensor, coords: Tensor, most: int) -> Voxels:
    features = points.new_zeros(len(coords), most, 7)
    mask = torch.zeros(len(coords), most, dtype=torch.bool, device=points.device)
    features[voxel, rank, :4] = points
    mask[voxel, rank] = True
    mean = features[..., :3].sum(1) / mask.sum(1, keepdim=True)
    features[voxel, rank, 4:] = points[:, :3] - mean[voxel]
    return Voxels(features, mask, coords)
