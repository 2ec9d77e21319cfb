r"""VoxelNet's encoder: from points in voxels to a picture seen from above.

A layer of the voxel feature encoding (VFE) sets each point beside the best of its voxel,

.. math:: f_i = \operatorname{ReLU}(\operatorname{BN}(W x_i)), \qquad
    y_i = (f_i, \max_j f_j)

A last linear layer and a maximum over points give one vector a voxel, which is put into a dense
grid. Two convolutions in space halve the height and then take all that is left of it (Zhou and
Tuzel 2018, arXiv:1711.06396, section 2.1, with fewer channels and layers).
"""

import torch
from torch import Tensor, nn

from hydroml.toolkit.domains.voxels import VoxelGrid, Voxels

__all__ = ["VFE", "VoxelNet", "voxel_maximum"]


class VFE(nn.Module):
    """One layer of the voxel feature encoding, on the points of all voxels without padding.

    Parameters
    ----------
    inputs : int
        Numbers of a point.
    outputs : int
        Even: half are the point's own, half its voxel's.

    Examples
    --------
    >>> vfe = VFE(7, 16)
    >>> y = vfe(torch.randn(3, 7), torch.tensor([0, 0, 1]), count=2)
    >>> y.shape, torch.equal(y[0, 8:], y[1, 8:]), torch.equal(y[2, 8:], y[2, :8])
    (torch.Size([3, 16]), True, True)
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        if outputs % 2:
            raise ValueError(f"{outputs} outputs do not halve; give an even number.")
        self.points = _point_layer(inputs, outputs // 2)

    def forward(self, x: Tensor, voxel: Tensor, count: int) -> Tensor:
        """Encode points.

        Parameters
        ----------
        x : Tensor
            (P, inputs).
        voxel : Tensor
            (P,), which voxel each point is in.
        count : int
            How many voxels there are.

        Returns
        -------
        Tensor
            (P, outputs).
        """
        f = self.points(x)
        return torch.cat([f, voxel_maximum(f, voxel, count)[voxel]], dim=1)


def voxel_maximum(f: Tensor, voxel: Tensor, count: int) -> Tensor:
    """Largest of each number over the points of a voxel; 0 where all are below or none is.

    Parameters
    ----------
    f : Tensor
        (P, C).
    voxel : Tensor
        (P,).
    count : int
        How many voxels there are, V.

    Returns
    -------
    Tensor
        (V, C).

    Examples
    --------
    >>> voxel_maximum(torch.tensor([[1.0], [4.0], [2.0]]), torch.tensor([0, 0, 2]), 3).T
    tensor([[4., 0., 2.]])
    """
    return f.new_zeros(count, f.shape[1]).scatter_reduce(0, voxel[:, None].expand_as(f), f, "amax")


def _point_layer(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU())


class VoxelNet(nn.Module):
    """Points in voxels to a map seen from above.

    Parameters
    ----------
    grid : VoxelGrid
        Of the voxels.
    voxel_channels : int
        Numbers of a voxel.
    channels : int
        Of the map.

    Examples
    --------
    >>> from hydroml.toolkit.domains.voxels import voxelize
    >>> grid = VoxelGrid((0.0, 0.0, 0.0), (4.0, 4.0, 2.4), (0.4, 0.4, 0.8))
    >>> VoxelNet(grid)(voxelize(torch.rand(50, 4), grid), clouds=1).shape
    torch.Size([1, 32, 10, 10])
    """

    def __init__(self, grid: VoxelGrid, voxel_channels: int = 16, channels: int = 32) -> None:
        super().__init__()
        self.grid, self.voxel_channels, self.channels = grid, voxel_channels, channels
        self.first = VFE(7, voxel_channels)
        self.second = VFE(voxel_channels, voxel_channels)
        self.last = _point_layer(voxel_channels, voxel_channels)
        left = (grid.shape[0] + 1) // 2
        self.middle = nn.Sequential(
            nn.Conv3d(voxel_channels, channels // 2, 3, (2, 1, 1), 1, bias=False),
            nn.BatchNorm3d(channels // 2), nn.ReLU(),
            nn.Conv3d(channels // 2, channels, (left, 3, 3), 1, (0, 1, 1), bias=False),
            nn.BatchNorm3d(channels), nn.ReLU(),
        )  # fmt: skip

    def forward(self, voxels: Voxels, clouds: int) -> Tensor:
        """Encode point clouds.

        Parameters
        ----------
        voxels : Voxels
            Of all clouds.
        clouds : int
            How many there are, B.

        Returns
        -------
        Tensor
            (B, channels, H, W), rows along y and columns along x.
        """
        voxel = torch.nonzero(voxels.mask)[:, 0]
        count = len(voxels.mask)
        x = self.first(voxels.features[voxels.mask], voxel, count)
        found = voxel_maximum(self.last(self.second(x, voxel, count)), voxel, count)
        dense = found.new_zeros(clouds, *self.grid.shape, self.voxel_channels)
        dense = dense.index_put(tuple(voxels.coords.T), found)
        seen: Tensor = self.middle(dense.permute(0, 4, 1, 2, 3)).squeeze(2)
        return seen
