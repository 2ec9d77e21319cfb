"""Accuracy from weights: statistics, the zoo against single networks, predictors, bad input."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from hydroml.toolkit.transfer.weight_predictor import (
    WeightAccuracyPredictor,
    kendall_tau,
    r_squared,
    stacked_statistics,
    weight_statistics,
)
from hydroml.toolkit.transfer.zoo import build_zoo, draw_recipes


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_statistics_are_numpys():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Linear(7, 3)).double()
    found = weight_statistics(net).view(4, 7)
    for row, parameter in zip(found, net.parameters(), strict=True):
        values = parameter.detach().numpy().ravel()
        expected = [*np.percentile(values, [0, 25, 50, 75, 100]), values.std(), values.mean()]
        np.testing.assert_allclose(row.numpy(), expected, rtol=1e-13, atol=1e-15)
    assert torch.equal(weight_statistics(net.state_dict()), found.flatten())


def test_a_small_cnn_of_the_paper_has_56_features():
    layers = [nn.Conv2d(i, 16, 3, stride=2) for i in (1, 16, 16)]
    net = nn.Sequential(*layers, nn.Linear(16, 10))
    assert sum(p.numel() for p in net.parameters()) == 4970
    assert weight_statistics(net).shape == (56,)


def test_statistics_by_hand():
    found = weight_statistics({"w": torch.tensor([3.0]), "b": torch.tensor([0.0, 4.0])}, (0.5, 1.0))
    assert found.tolist() == [3.0, 3.0, 0.0, 3.0, 2.0, 4.0, 2.0, 2.0]


def test_statistics_do_not_see_the_order_of_units_and_stack():
    tensors = [
        torch.randn(5, 4, 3, generator=generator()),
        torch.randn(5, 4, generator=generator(1)),
    ]
    stacked = stacked_statistics(tensors)
    for n in range(5):
        alone = weight_statistics({"w": tensors[0][n], "b": tensors[1][n].flip(0)})
        torch.testing.assert_close(stacked[n], alone)


def plain_training(recipe, train, hidden, batch, seed, weights):
    """One network with autograd, torch's SGD and its weight decay."""
    (x, y), classes = train, int(train[1].max()) + 1
    net = nn.Sequential(
        nn.Linear(x.shape[1], hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(),
        nn.Linear(hidden, classes),
    ).double()  # fmt: skip
    with torch.no_grad():
        for parameter, weight in zip(net.parameters(), weights, strict=True):
            parameter.copy_(weight[0])
    optimizer = torch.optim.SGD(
        net.parameters(), lr=float(recipe.lr), weight_decay=float(recipe.decay)
    )
    order = generator(seed)
    seen = max(1, math.ceil(float(recipe.share) * len(x)))
    for _ in range(int(recipe.steps)):
        rows = (torch.rand(batch, generator=order, dtype=torch.float64) * seen).long()
        optimizer.zero_grad()
        functional.cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
    return net


@pytest.fixture(scope="module")
def task():
    x = torch.randn(300, 4, generator=generator(5), dtype=torch.float64)
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long()


def test_a_network_of_the_zoo_is_what_it_would_be_alone(task):
    recipes = draw_recipes(6, 40, generator(), torch.float64)
    options = {"hidden": 5, "batch": 8, "seed": 3}
    zoo = build_zoo(recipes, task, task, **options)
    for k in range(6):
        alone = build_zoo(recipes[[k]], task, task, **options)
        for together, single in zip(zoo.weights, alone.weights, strict=True):
            torch.testing.assert_close(together[k], single[0], rtol=0, atol=1e-12)
        assert float(zoo.accuracy[k]) == float(alone.accuracy[0])


def test_training_is_that_of_autograd_and_sgd(task):
    recipes = draw_recipes(3, 40, generator(1), torch.float64)
    zoo = build_zoo(recipes, task, task, hidden=5, batch=8, seed=3)
    for k in range(3):
        one = recipes[[k]]
        fresh = build_zoo(replace(one, steps=0 * one.steps), task, task, hidden=5)
        net = plain_training(one, task, 5, 8, 3, fresh.weights)
        for mine, theirs in zip(zoo.weights, net.parameters(), strict=True):
            torch.testing.assert_close(mine[k], theirs.detach(), rtol=0, atol=1e-11)
        right = (net(task[0]).argmax(1) == task[1]).double().mean()
        assert float(zoo.accuracy[k]) == pytest.approx(float(right))


def test_recipes_and_zoos_follow_their_seeds(task):
    one, same, other = (draw_recipes(4, 10, generator(s)) for s in (0, 0, 1))
    assert torch.equal(one.matrix(), same.matrix())
    assert not torch.equal(one.matrix(), other.matrix())
    assert one.matrix().isfinite().all()
    shown = []
    build_zoo(one, task, task, hidden=3, on_step=shown.append)
    assert shown[-1] == 1.0


@pytest.mark.parametrize("kind", ["linear", "dnn"])
def test_a_known_relation_is_recovered(kind):
    X = torch.randn(400, 5, generator=generator())
    y = torch.sigmoid(X @ torch.tensor([1.0, -2.0, 0.0, 0.5, 0.0]) + 0.3)
    predictor = WeightAccuracyPredictor(kind).fit(X[:300], y[:300])
    told = predictor.predict(X[300:])
    assert r_squared(y[300:], told) > 0.97
    assert kendall_tau(y[300:], told) > 0.9
    again = WeightAccuracyPredictor(kind).fit(X[:300], y[:300])
    assert torch.equal(again.predict(X[300:]), told)


def test_only_the_network_tells_a_relation_that_is_not_monotone():
    X = torch.randn(600, 2, generator=generator())
    y = (X[:, 0].abs() / 4).clamp(0, 1)
    scores = {
        kind: r_squared(
            y[400:], WeightAccuracyPredictor(kind).fit(X[:400], y[:400]).predict(X[400:])
        )
        for kind in ("linear", "dnn")
    }
    assert scores["linear"] < 0.1
    assert scores["dnn"] > 0.9


def test_a_module_is_predicted_by_its_statistics():
    def net(n):
        with torch.random.fork_rng():
            torch.manual_seed(n)
            return nn.Linear(6, 4)

    X = torch.stack([weight_statistics(net(n)) for n in range(20)])
    predictor = WeightAccuracyPredictor("linear", steps=50).fit(X, torch.linspace(0, 1, 20))
    torch.testing.assert_close(predictor.predict(net(3)), predictor.predict(X[3:4])[0])
    assert predictor.predict(net(3).state_dict()).shape == ()
    with pytest.raises(ValueError, match="networks built like those"):
        predictor.predict(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)))


def test_scores_by_hand():
    y = torch.tensor([0.0, 0.5, 1.0])
    assert r_squared(y, y) == 1.0
    assert r_squared(y, torch.full((3,), 0.5)) == 0.0
    assert kendall_tau(y, -y) == pytest.approx(-1.0)


def test_constant_features_say_nothing():
    X = torch.ones(10, 2)
    told = WeightAccuracyPredictor("linear", steps=300).fit(X, torch.full((10,), 0.3)).predict(X)
    assert told.tolist() == pytest.approx([0.3] * 10, abs=0.02)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: weight_statistics({}), "without weights"),
        (lambda: weight_statistics({"w": torch.zeros(0)}), "without weights"),
        (lambda: weight_statistics({"w": torch.tensor([torch.nan])}), "tensor w is not finite"),
        (lambda: weight_statistics({"w": torch.ones(2)}, (1.5,)), "within 0 and 1"),
        (lambda: WeightAccuracyPredictor("tree"), "unknown kind 'tree'"),
        (
            lambda: WeightAccuracyPredictor().fit(torch.ones(1, 2), torch.ones(1)),
            "two networks or more",
        ),
        (
            lambda: WeightAccuracyPredictor().fit(torch.ones(3, 2), torch.tensor([0.0, 1, 2])),
            "give shares",
        ),
        (
            lambda: WeightAccuracyPredictor().fit(torch.ones(2, 2) / 0, torch.ones(2)),
            "not finite",
        ),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bad_tasks_are_refused(task):
    recipes = draw_recipes(2, 5, generator())
    x, y = task
    with pytest.raises(ValueError, match="train has inputs"):
        build_zoo(recipes, (x, y.double()), task)
    with pytest.raises(ValueError, match="inputs of test are not finite"):
        build_zoo(recipes, task, (x / 0, y))
    with pytest.raises(ValueError, match="no network"):
        build_zoo(recipes[:0], task, task)
    with pytest.raises(RuntimeError, match="call fit first"):
        WeightAccuracyPredictor().predict(torch.ones(1, 2))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_statistics_beat_raw_weights(seed):
    from hydroml.toolkit.demos.weight_predictor import run

    demo = run(seed)
    assert demo.holds, demo.findings
