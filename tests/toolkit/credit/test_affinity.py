import numpy as np
import pytest
import torch

from hydroml.toolkit.credit.affinity import _exemplars, affinity_propagation


def similarity(seed, n=30):
    """Of points in three clouds, a little uneven: a pair of equals would tie for the exemplar."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)) + rng.choice([-4, 0, 4], (n, 1))
    return torch.from_numpy(-((x[:, None] - x) ** 2).sum(-1) + 0.05 * rng.normal(size=(n, n)))


@pytest.mark.parametrize("preference", [-1.0, -5.0, -40.0])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("damping", [0.5, 0.9])
def test_equals_scikit_learn(seed, preference, damping):
    cluster = pytest.importorskip("sklearn.cluster")
    s = similarity(seed)
    oracle = cluster.AffinityPropagation(
        affinity="precomputed", preference=preference, damping=damping, random_state=0,
        max_iter=1000,
    ).fit(s.numpy())  # fmt: skip
    found = affinity_propagation(s, damping, preference, max_clusters=None)
    assert found.exemplars.tolist() == oracle.cluster_centers_indices_.tolist()
    assert found.labels.tolist() == oracle.labels_.tolist()


def test_messages_are_those_of_a_plain_loop():
    s = similarity(0, 8).fill_diagonal_(-3.0)
    r, a = torch.zeros(8, 8).double(), torch.zeros(8, 8).double()
    for _ in range(60):
        new = r.clone()
        for i in range(8):
            for k in range(8):
                new[i, k] = s[i, k] - max(a[i, j] + s[i, j] for j in range(8) if j != k)
        r, new = 0.5 * r + 0.5 * new, a.clone()
        for i in range(8):
            for k in range(8):
                support = sum(max(0.0, float(r[j, k])) for j in range(8) if j not in (i, k))
                new[i, k] = support if i == k else min(0.0, float(r[k, k]) + support)
        a = 0.5 * a + 0.5 * new
    expected = torch.nonzero((r + a).diagonal() > 0).flatten()
    assert _exemplars(s, 0.5, 60, 15).tolist() == expected.tolist()


def test_groups_far_apart():
    group = torch.arange(20) // 5
    x = 100.0 * group + torch.linspace(0, 1, 20)
    found = affinity_propagation(-((x[:, None] - x) ** 2))
    assert found.labels.tolist() == group.tolist()
    assert found.exemplars.tolist() == [2, 7, 12, 17]  # the middle of each


def test_exemplars_are_their_own():
    found = affinity_propagation(similarity(5), preference=-1.0, max_clusters=None)
    assert found.labels[found.exemplars].tolist() == list(range(len(found.exemplars)))
    # each item is with the exemplar that it is most similar to
    others = [i for i in range(30) if i not in found.exemplars]
    nearest = similarity(5)[others][:, found.exemplars].argmax(1)
    assert found.labels[others].tolist() == nearest.tolist()


def test_the_most_similar_clusters_are_merged():
    middle = torch.tensor([0.0, 3.0, 10.0, 20.0])
    x = (middle[:, None] + torch.tensor([-0.1, 0.0, 0.15])).flatten()
    s = -((x[:, None] - x) ** 2)
    groups = torch.arange(12) // 3
    assert affinity_propagation(s).labels.tolist() == groups.tolist()
    merged = affinity_propagation(s, max_clusters=3).labels
    assert merged.tolist() == (groups - 1).clamp(min=0).tolist()
    assert affinity_propagation(s, max_clusters=1).labels.tolist() == [0] * 12


def test_one_item():
    assert affinity_propagation(torch.zeros(1, 1)).labels.tolist() == [0]


def test_bad_input():
    with pytest.raises(ValueError, match="square"):
        affinity_propagation(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="damping is 1"):
        affinity_propagation(torch.zeros(2, 2), damping=1.0)
    with pytest.raises(ValueError, match="NaN or infinity"):
        affinity_propagation(torch.full((2, 2), torch.nan))
    with pytest.raises(ValueError, match="max_clusters is 0"):
        affinity_propagation(torch.zeros(2, 2), max_clusters=0)
    with pytest.raises(RuntimeError, match="did not settle in 3 rounds"):
        affinity_propagation(similarity(0), max_iter=3)
