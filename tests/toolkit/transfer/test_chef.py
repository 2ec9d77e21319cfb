"""CHEF: the Hebbian rule against plain gradient descent, hooks, fusion, episodes, bad input."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from hydroml.toolkit.transfer.chef import (
    CHEF,
    HebbianLearner,
    NShotEpisodeSampler,
    layer_features,
)
from hydroml.toolkit.transfer.hebbian import hebbian_classes, hebbian_numbers, hebbian_rates


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def descended(features, loss_of, outputs, lr, steps):
    """Plain SGD from zero whose weights have twice the rate of the offsets."""
    linear = nn.Linear(features.shape[1], outputs).double()
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    groups = [{"params": [linear.weight], "lr": 2 * lr}, {"params": [linear.bias], "lr": lr}]
    optimizer = torch.optim.SGD(groups)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(linear(features)).backward()
        optimizer.step()
    return linear.weight.detach(), linear.bias.detach()


def test_rule_for_classes_is_descent_with_doubled_weight_rate():
    features, y = drawn(30, 7), torch.arange(30) % 4
    learner = HebbianLearner(4, lr=0.05, steps=60).fit(features, y)
    weight, bias = descended(features, lambda o: functional.cross_entropy(o, y), 4, 0.05, 60)
    torch.testing.assert_close(learner.weight, weight, rtol=0, atol=1e-13)
    torch.testing.assert_close(learner.bias, bias, rtol=0, atol=1e-13)


def test_rule_for_numbers_is_descent_with_doubled_weight_rate():
    features, y = drawn(30, 7), drawn(30, 2, seed=1)
    learner = HebbianLearner(2, lr=0.05, steps=60, loss="mse").fit(features, y)
    weight, bias = descended(features, lambda o: 0.5 * (o - y).square().sum(1).mean(), 2, 0.05, 60)
    torch.testing.assert_close(learner.weight, weight, rtol=0, atol=1e-12)
    torch.testing.assert_close(learner.bias, bias, rtol=0, atol=1e-12)


def test_one_step_by_hand():
    # from zero all three classes have 1/3; d = 1/3 - 1 for the right one; one sample
    learner = HebbianLearner(3, lr=0.3, steps=1).fit(torch.tensor([[2.0, -1.0]]), torch.tensor([1]))
    d = torch.tensor([1 / 3, -2 / 3, 1 / 3])
    torch.testing.assert_close(learner.bias, -0.3 * d)
    torch.testing.assert_close(learner.weight, -0.6 * d[:, None] * torch.tensor([[2.0, -1.0]]))


def test_nothing_is_learned_in_no_steps():
    learner = HebbianLearner(3, steps=0).fit(drawn(4, 2), torch.tensor([0, 1, 2, 0]))
    assert not learner.predict(drawn(5, 2)).any()


def test_numbers_converge_to_least_squares():
    features = drawn(50, 6)
    y = drawn(50, 1, seed=1)
    v = torch.cat([features, torch.ones(50, 1).double()], dim=1)
    exact = torch.linalg.lstsq(v, y).solution[:, 0]
    distance = []
    for steps in (10, 100, 1000, 10000):
        learner = HebbianLearner(1, lr=0.1, steps=steps, loss="mse").fit(features, y)
        found = torch.cat([learner.weight[0], learner.bias])
        distance.append(float((found - exact).norm()))
    assert distance == sorted(distance, reverse=True)
    assert distance[-1] < 1e-9


def test_steps_shrink_as_ridge_of_their_inverse_does():
    # n steps learn 1 - (1 - s)^n of a direction of variance s, ridge of strength 1/n the share
    # s / (s + 1/n): both are small for n s << 1, near 1 for n s >> 1, never 0.3 apart
    s = torch.logspace(-6, -0.5, 40, dtype=torch.float64)
    for n in (10, 100, 1000):
        learned = hebbian_numbers(
            torch.diag(s), torch.diag(s), torch.ones(40).double(), torch.tensor(n)
        ).diagonal()
        ridge = s / (s + 1 / n)
        assert float((learned - ridge).abs().max()) < 0.3
        torch.testing.assert_close(learned, 1 - (1 - s) ** n, rtol=1e-8, atol=1e-12)


def test_a_direction_without_variance_grows_with_its_moment():
    # s = 0: n steps add n times rate * moment; features of rank 1 leave one such direction
    features = torch.ones(4, 2).double()
    found = HebbianLearner(1, lr=0.05, steps=7, loss="mse").fit(features, torch.ones(4).double())
    weight, bias = descended(features, lambda o: 0.5 * (o[:, 0] - 1).square().mean(), 1, 0.05, 7)
    torch.testing.assert_close(found.weight, weight)
    torch.testing.assert_close(found.bias, bias)


def test_support_sets_side_by_side_equal_each_alone():
    features, targets = drawn(3, 10, 4), torch.eye(5).double()[torch.arange(30) % 5].view(3, 10, 5)
    weight, bias = hebbian_classes(features, targets, 0.1, 20)
    for n in range(3):
        alone = hebbian_classes(features[n], targets[n], 0.1, 20)
        torch.testing.assert_close(weight[n], alone[0])
        torch.testing.assert_close(bias[n], alone[1])


def test_divergence_is_refused_with_a_rate_that_works():
    features, y = 30 * drawn(20, 3), drawn(20, 1, seed=1)
    with pytest.raises(ValueError, match="take one below") as refused:
        HebbianLearner(1, lr=0.1, steps=500, loss="mse").fit(features, y)
    lr = float(str(refused.value).split("below ")[1].split(",")[0])
    learner = HebbianLearner(1, lr=0.95 * lr, steps=100_000, loss="mse").fit(features, y)
    assert torch.isfinite(learner.weight).all()
    assert hebbian_rates(2, 0.1, y).tolist() == pytest.approx([0.2, 0.2, 0.1])


# --- hooks ---------------------------------------------------------------------------------------


@pytest.fixture
def net():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5),
            nn.Linear(3 * 16, 5),
        ).double()  # fmt: skip


def hooks(net):
    return sum(len(module._forward_hooks) for module in net.modules())


def test_features_are_what_the_layers_compute_and_the_net_is_left_as_it_was(net):
    x = drawn(4, 1, 6, 6)
    net.train()
    net[4].eval()
    before = {name: t.clone() for name, t in net.state_dict().items()}
    found = layer_features(net, ["2", "5"], x)
    assert [m.training for m in net] == [True, True, True, True, False, True]
    assert hooks(net) == 0
    assert all(torch.equal(t, before[name]) for name, t in net.state_dict().items())
    net.eval()
    inside = net[2](net[1](net[0](x)))
    torch.testing.assert_close(found["2"], inside.mean((2, 3)))
    torch.testing.assert_close(found["5"], net(x))
    assert not found["5"].requires_grad


def test_hooks_go_also_when_the_call_fails(net):
    with pytest.raises(RuntimeError):
        layer_features(net, ["0", "5"], drawn(4, 2, 6, 6))  # two channels instead of one
    assert hooks(net) == 0
    assert net.training


def test_poolings(net):
    x = drawn(4, 1, 6, 6)
    assert layer_features(net, ["0"], x, "none")["0"].shape == (4, 48)
    assert layer_features(net, ["0"], x, lambda o: o.amax((2, 3)))["0"].shape == (4, 3)
    recurrent = nn.LSTM(2, 5, batch_first=True).double()
    x = drawn(3, 7, 2)
    h = recurrent(x)[0]  # a layer that returns a tuple: its first tensor
    torch.testing.assert_close(layer_features(recurrent, [""], x, "last")[""], h[:, -1])
    torch.testing.assert_close(layer_features(recurrent, [""], x, "time")[""], h.mean(1))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (["convs"], "there is no layer 'convs'; nearest: conv"),
        (["cnov"], "nearest: conv"),
        ([], "at least one"),
        (["conv", "conv"], "each layer once"),
        (["unused"], "gave no tensor"),
    ],
)
def test_layers_that_cannot_be_used_are_refused(layers, message):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.unused = nn.Conv2d(1, 2, 3), nn.Linear(2, 2)

        def forward(self, x):
            return self.conv(x)

    with pytest.raises(ValueError, match=message):
        layer_features(Net(), layers, torch.zeros(2, 1, 4, 4))


def test_features_that_are_no_vectors_or_not_finite_are_refused(net):
    with pytest.raises(ValueError, match="choose another pooling"):
        layer_features(net, ["0"], drawn(2, 1, 6, 6), lambda o: o)
    with pytest.raises(ValueError, match="not finite"):
        layer_features(net, ["0"], torch.full((2, 1, 6, 6), torch.nan).double())
    with pytest.raises(ValueError, match="unknown pooling 'spcae'"):
        layer_features(net, ["0"], drawn(2, 1, 6, 6), "spcae")


# --- fusion --------------------------------------------------------------------------------------


def test_fusions(net):
    x, y = drawn(20, 1, 6, 6), torch.arange(20) % 3
    each = [CHEF(net, [layer], 3, steps=30).adapt(x, y).predict(x) for layer in ("2", "5")]
    both = CHEF(net, ["2", "5"], 3, steps=30).adapt(x, y).predict(x)
    torch.testing.assert_close(both, each[0] + each[1])
    prob = CHEF(net, ["2", "5"], 3, steps=30, fuse="prob").adapt(x, y).predict(x)
    torch.testing.assert_close(prob.exp(), sum(e.softmax(-1) for e in each) / 2)
    numbers = [
        CHEF(net, layers, 1, lr=0.02, steps=30, loss="mse").adapt(x, y.double()).predict(x)
        for layers in (["2"], ["5"], ["2", "5"])
    ]
    torch.testing.assert_close(numbers[2], (numbers[0] + numbers[1]) / 2)


def test_standardised_layers_do_not_depend_on_their_scale(net):
    x, y = drawn(20, 1, 6, 6), torch.arange(20) % 3
    features = layer_features(net, ["2", "5"], x)
    chef = CHEF(net, ["2", "5"], 3, steps=30, standardise=True)
    before = chef.adapt_features(features, y).predict_features(features)
    scaled = {"2": 1000 * features["2"] + 3, "5": features["5"]}
    after = chef.adapt_features(scaled, y).predict_features(scaled)
    torch.testing.assert_close(before, after)


def test_a_feature_that_is_constant_over_the_support_says_nothing(net):
    x = torch.cat([torch.ones(6, 1), drawn(6, 1)], dim=1)
    chef = CHEF(nn.Identity(), [""], 2, steps=20, standardise=True).adapt(x, torch.arange(6) % 2)
    other = x.clone()
    other[:, 0] = 7
    torch.testing.assert_close(chef.predict(x), chef.predict(other))


def test_a_single_example_is_learned():
    chef = CHEF(nn.Identity(), [""], 2, lr=0.1, steps=10).adapt(drawn(1, 3), torch.tensor([1]))
    assert int(chef.predict(drawn(1, 3)).argmax()) == 1


@pytest.mark.parametrize(
    ("features", "y", "message"),
    [
        (torch.zeros(0, 3), torch.zeros(0).long(), "at least one sample"),
        (torch.zeros(3), torch.zeros(3).long(), "give \\(S, D\\)"),
        (torch.full((2, 3), torch.nan), torch.zeros(2).long(), "features are not finite"),
        (torch.zeros(2, 3), torch.zeros(3).long(), "classes have shape"),
        (torch.zeros(2, 3), torch.zeros(2), "whole numbers"),
        (torch.zeros(2, 3), torch.tensor([0, 4]), "go from 0 to 4: number them 0 to 2"),
    ],
)
def test_bad_support_is_refused(features, y, message):
    with pytest.raises(ValueError, match=message):
        HebbianLearner(3).fit(features, y)


def test_other_bad_input(net):
    with pytest.raises(ValueError, match="targets are not finite"):
        HebbianLearner(1, loss="mse").fit(torch.zeros(2, 1), torch.tensor([0.0, torch.nan]))
    with pytest.raises(ValueError, match="targets have shape"):
        HebbianLearner(2, loss="mse").fit(torch.zeros(2, 1), torch.zeros(2))
    with pytest.raises(ValueError, match="unknown loss"):
        HebbianLearner(2, loss="hinge")
    with pytest.raises(ValueError, match="positive rate"):
        HebbianLearner(2, lr=0.0)
    with pytest.raises(ValueError, match="choose mean"):
        CHEF(net, ["0"], 2, loss="mse", fuse="logits")
    with pytest.raises(RuntimeError, match="call fit first"):
        HebbianLearner(2).predict(torch.zeros(1, 2))
    with pytest.raises(RuntimeError, match="call adapt first"):
        CHEF(net, ["0"], 2).predict(drawn(1, 1, 6, 6))


# --- episodes ------------------------------------------------------------------------------------


@given(
    st.integers(2, 6), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), st.integers(0, 99)
)
def test_episodes_are_what_they_say(n_way, n_shot, n_query, more, seed):
    labels = 10 + 3 * (torch.arange((n_way + more) * (n_shot + n_query + 1)) % (n_way + more))
    sampler = NShotEpisodeSampler(
        labels, n_way, n_shot, n_query, 3, torch.Generator().manual_seed(seed)
    )
    for e in sampler:
        assert len(set(e.classes.tolist())) == n_way
        together = torch.cat([e.support, e.query])
        assert len(set(together.tolist())) == n_way * (n_shot + n_query)
        assert torch.equal(labels[e.support], e.classes[e.support_y])
        assert torch.equal(labels[e.query], e.classes[e.query_y])
        assert torch.bincount(e.support_y).tolist() == [n_shot] * n_way
        assert torch.bincount(e.query_y).tolist() == [n_query] * n_way


def test_episodes_follow_their_generator_and_use_all_samples():
    labels = torch.arange(60) % 6

    def episodes(seed):
        generator = torch.Generator().manual_seed(seed)
        return list(NShotEpisodeSampler(labels, 3, 2, 3, 60, generator))

    first, again, other = episodes(1), episodes(1), episodes(2)
    assert all(torch.equal(a.query, b.query) for a, b in zip(first, again, strict=True))
    assert any(not torch.equal(a.query, b.query) for a, b in zip(first, other, strict=True))
    assert {int(i) for e in first for i in e.support} == set(range(60))


def test_too_few_samples_for_an_episode_are_refused():
    labels = torch.tensor([0] * 10 + [1] * 10 + [2] * 3)
    assert len(NShotEpisodeSampler(labels, 2, 2, 3, 7)) == 7
    with pytest.raises(ValueError, match="2 classes have the 5 samples"):
        NShotEpisodeSampler(labels, 3, 2, 3)
    with pytest.raises(ValueError, match="at least one"):
        NShotEpisodeSampler(labels, 0, 2, 3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_fused_read_outs_beat_the_last_layer(seed):
    from hydroml.toolkit.demos.chef import run

    demo = run(seed)
    assert demo.holds, demo.findings
