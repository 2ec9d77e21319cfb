import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hydroml.toolkit.domains.voxel_net import VFE, VoxelNet, voxel_maximum
from hydroml.toolkit.domains.voxels import VoxelGrid, extract_patches, voxelize

GRID = VoxelGrid((-1.0, -2.0, 0.0), (2.0, 2.0, 1.0), (1.0, 0.5, 0.5))


def cloud(count: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    draw = torch.rand(count, 4, generator=rng, dtype=torch.float64)
    return draw * torch.tensor([5.0, 6.0, 2.0, 1.0]) - torch.tensor([2.0, 3.0, 0.5, 0.0])


def by_hand(points: Tensor, most: int) -> dict[tuple[int, int, int], list[Tensor]]:
    """Voxels (z, y, x) and the points that they hold, one point after the other."""
    found: dict[tuple[int, int, int], list[Tensor]] = {}
    for point in points:
        place = [int((float(point[i]) - GRID.low[i]) // GRID.size[i]) for i in range(3)]
        if all(0 <= n < shape for n, shape in zip(place, GRID.shape[::-1], strict=True)):
            held = found.setdefault((place[2], place[1], place[0]), [])
            if len(held) < most:
                held.append(point)
    return found


class TestVoxels:
    @given(st.integers(0, 120), st.integers(1, 6))
    @settings(max_examples=25)
    def test_equals_one_point_after_the_other(self, count: int, most: int) -> None:
        points = cloud(count, seed=count)
        features, mask, coords = voxelize(points, GRID, most)
        expected = by_hand(points, most)
        assert [tuple(c) for c in coords[:, 1:].tolist()] == sorted(expected)
        for v, place in enumerate(sorted(expected)):
            held = torch.stack(expected[place])
            assert mask[v].tolist() == [i < len(held) for i in range(most)]
            away = held[:, :3] - held[:, :3].mean(0)
            torch.testing.assert_close(features[v, : len(held)], torch.cat([held, away], 1))
            assert not features[v, len(held) :].any()

    def test_clouds_side_by_side(self) -> None:
        points, other = cloud(60), cloud(40, seed=1)
        both = torch.cat([points, other])
        of = torch.arange(100) // 60
        order = torch.randperm(100, generator=torch.Generator().manual_seed(0))
        features, mask, coords = voxelize(both[order], GRID, 50, of[order])
        for i, one in enumerate((points, other)):
            alone = voxelize(one, GRID, 50)
            rows = coords[:, 0] == i
            assert torch.equal(coords[rows, 1:], alone.coords[:, 1:])
            assert torch.equal(mask[rows], alone.mask)
            torch.testing.assert_close(features[rows].sum(1), alone.features.sum(1))

    def test_edges(self) -> None:
        # the lower corner belongs to the grid, the upper does not
        points = torch.tensor([[-1.0, -2.0, 0.0, 0.0], [2.0, 1.0, 0.5, 0.0], [1.9, 1.9, 0.9, 0.0]])
        assert voxelize(points, GRID).coords.tolist() == [[0, 0, 0, 0], [0, 1, 7, 2]]

    def test_bad_input(self) -> None:
        with pytest.raises(ValueError, match=r"shape \(3, 3\)"):
            voxelize(torch.zeros(3, 3), GRID)
        with pytest.raises(ValueError, match="finite"):
            voxelize(torch.full((1, 4), torch.nan), GRID)
        with pytest.raises(ValueError, match="0 points of a voxel"):
            voxelize(torch.zeros(1, 4), GRID, 0)
        with pytest.raises(ValueError, match=r"2\.500 voxels of 0\.8"):
            VoxelGrid((0.0, 0.0, 0.0), (2.0, 1.6, 1.6), (0.8, 0.8, 0.8))
        with pytest.raises(ValueError, match="0 are 0"):
            VoxelGrid((0.0, 0.0, 0.0), (0.0, 1.0, 1.0), (1.0, 1.0, 1.0))


class TestPatches:
    def test_equals_a_cut_for_each_centre(self) -> None:
        points, of = cloud(200), torch.arange(200) % 3
        centres = torch.tensor([[0.0, 0.0], [1.0, -1.0], [0.5, 0.5], [50.0, 0.0]]).double()
        centre_of = torch.tensor([0, 1, 1, 2])
        found = extract_patches(points, centres, 2.0, of, centre_of)
        for i, centre in enumerate(centres):
            away = points - torch.cat([centre, torch.zeros(2)])
            cut = (away[:, :2] >= -1).all(1) & (away[:, :2] < 1).all(1) & (of == centre_of[i])
            assert torch.equal(found.points[found.patch == i], away[cut])
        assert (found.patch == 3).sum() == 0
        alone = extract_patches(points, centres, 2.0)
        assert len(alone.points) > len(found.points)

    def test_clouds_of_both_or_neither(self) -> None:
        with pytest.raises(ValueError, match="together"):
            extract_patches(cloud(3), torch.zeros(1, 2), 1.0, cloud=torch.zeros(3))


class TestVoxelNet:
    def test_vfe_equals_padded_voxels(self) -> None:
        torch.manual_seed(0)
        features, mask, _ = voxelize(cloud(150), GRID, 5)
        vfe = VFE(7, 6).double()
        voxel = torch.nonzero(mask)[:, 0]
        flat = vfe(features[mask], voxel, len(mask))
        own = flat[:, :3]
        linear, norm = vfe.points[0], vfe.points[1]
        raw = features[mask] @ linear.weight.T
        scaled = (raw - raw.mean(0)) / (raw.var(0, unbiased=False) + norm.eps).sqrt()
        torch.testing.assert_close(own, scaled.clamp(min=0))
        for v in range(len(mask)):
            rows = voxel == v
            best = own[rows].amax(0)
            torch.testing.assert_close(flat[rows, 3:], best.expand(int(rows.sum()), 3))

    def test_order_of_points_does_not_matter(self) -> None:
        torch.manual_seed(0)
        net = VoxelNet(GRID, 4, 6).double().eval()
        points = cloud(150)
        one = net(voxelize(points, GRID), 1)
        assert one.shape == (1, 6, 8, 3)
        torch.testing.assert_close(net(voxelize(points.flip(0), GRID), 1), one)

    def test_a_scene_does_not_see_its_neighbour(self) -> None:
        torch.manual_seed(0)
        net = VoxelNet(GRID, 4, 6).double().eval()
        points = cloud(150)
        both = net(voxelize(points, GRID, 35, torch.arange(150) // 100), 2)
        torch.testing.assert_close(both[:1], net(voxelize(points[:100], GRID), 1))
        torch.testing.assert_close(both[1:], net(voxelize(points[100:], GRID), 1))

    def test_voxels_lie_as_the_grid_does(self) -> None:
        # one point: what is not reached by two convolutions of width 3 stays as without it
        torch.manual_seed(0)
        net = VoxelNet(VoxelGrid((0.0, 0.0, 0.0), (20.0, 10.0, 1.0), (1.0, 1.0, 0.5)), 4, 6)
        net.double().eval()
        point = torch.tensor([[17.5, 2.5, 0.2, 1.0]], dtype=torch.float64)
        empty = net(voxelize(point - 100, net.grid), 1)
        changed = (net(voxelize(point, net.grid), 1) - empty).abs().sum(1)[0] > 0
        rows, columns = torch.nonzero(changed, as_tuple=True)
        assert (int(rows.min()), int(rows.max())) == (0, 4)
        assert (int(columns.min()), int(columns.max())) == (15, 19)

    def test_odd_outputs(self) -> None:
        with pytest.raises(ValueError, match="5 outputs"):
            VFE(7, 5)
        assert voxel_maximum(torch.ones(0, 2), torch.zeros(0, dtype=torch.long), 1).sum() == 0
