"""The small tasks, and tables that learn them."""

from itertools import product

import numpy as np
import pytest

from hydroml.toolkit.credit.tabular import TabularQ
from hydroml.toolkit.credit.walk import Paths, Walk
from hydroml.toolkit.credit.watch_repair import WatchRepair
from hydroml.toolkit.demos.watch_agents import lately, school_mc, school_td, solved


class TestWatchRepair:
    def test_which_brands_are_worth_it(self) -> None:
        # on the way: 50 (0.1 x 0.1 + 0.05 x 7) = 18
        # 18 - 1 - 0.5 - 18 = -1.5; 28 - 4 - 2.5 - 18 = 3.5; 31 - 5 - 4.5 - 18 = 3.5;
        # 59 - 24.5 - 18 - 18 = -1.5
        assert WatchRepair().expected().tolist() == [-1.5, 3.5, 3.5, -1.5]
        assert WatchRepair().worth_it().tolist() == [False, True, True, False]

    def test_sampled_returns_have_the_mean_and_spread_worked_out(self) -> None:
        task, rng = WatchRepair(), np.random.default_rng(0)
        orders = task.draw(40_000, rng)
        returns = task.returns(orders, np.ones(40_000, bool))
        # variance of brand 0: 2^2 + 1.5^2 + 50 (0.05 0.95 7^2 + 0.1 0.9 0.1^2) = 122.67
        first = returns[orders.brand == 0]
        assert first.std() == pytest.approx(122.67**0.5, rel=0.03)
        for b, mean in enumerate(task.expected()):
            assert returns[orders.brand == b].mean() == pytest.approx(mean, abs=0.5)  # 4.5 s.e.

    def test_rewards_sum_to_returns(self) -> None:
        task, rng = WatchRepair(), np.random.default_rng(1)
        orders, repaired = task.draw(50, rng), rng.random(50) < 0.5
        rewards = task.rewards(orders, repaired)
        np.testing.assert_allclose(rewards.sum(1), task.returns(orders, repaired), atol=1e-12)
        assert not rewards[:, 1:-1].any()
        assert not rewards[~repaired].any()

    def test_numbers_of_states(self) -> None:
        task, rng = WatchRepair(), np.random.default_rng(2)
        orders, repaired = task.draw(200, rng), rng.random(200) < 0.5
        numbers = task.numbers(orders, repaired)
        np.testing.assert_array_equal(numbers[:, 0], orders.brand)
        assert numbers.max() < task.states
        for b, t in product(range(200), (1, 20, 49)):
            done = int(repaired[b])
            jams, flats = done * orders.jams[b, t], done * orders.flats[b, t]
            by_hand = (((t * 51 + jams) * 51 + flats) * 2 + done) * 4 + orders.brand[b]
            assert numbers[b, t] == by_hand

    def test_lessons(self) -> None:
        task, rng = WatchRepair(steps=5, flat=(0.5, 7.0)), np.random.default_rng(3)
        orders, repaired = task.draw(30, rng), np.arange(30) < 20
        x, a, g, lengths = task.lessons(orders, repaired, scale=10.0)
        assert (x.shape, a.shape, lengths) == ((30, 6, 8), (30, 6, 2), None)
        states = x.cumsum(1).numpy()
        np.testing.assert_array_equal(states[:, :, 2], orders.flats * repaired[:, None])
        np.testing.assert_array_equal(states[:, 3, 3:7].argmax(1), orders.brand)
        np.testing.assert_array_equal(states[:, :, 0], (np.arange(6) > 0) * repaired[:, None])
        assert a[:20, 0].tolist() == [[0.0, 1.0]] * 20
        assert not a[:, 1:].any()
        np.testing.assert_allclose(g.numpy() * 10, task.returns(orders, repaired), rtol=1e-5)
        assert not g[20:].any()


class TestWalk:
    def test_expected_visits_by_all_walks(self) -> None:
        task = Walk(size=4, steps=6, goal=3)
        counts = []
        for moves in product((0, 1), repeat=6):
            cell, visits = 2, 0
            for move in moves:
                cell = min(max(cell + 2 * move - 1, 0), 3)
                visits += cell == 3
            counts.append(visits)
        assert task.expected(6)[2] == pytest.approx(np.mean(counts))

    def test_perfect_predictor(self) -> None:
        task, rng = Walk(), np.random.default_rng(0)
        paths = task.draw(4000, rng)
        perfect, returns = task.perfect(paths), task.returns(paths)
        np.testing.assert_array_equal(perfect[:, -1], returns)
        # rewards of steps still to come have the mean 0, and a move is worth +d or -d
        h = np.diff(perfect, axis=1)
        assert np.abs(h.mean(0)).max() < 5 * h.std() / 4000**0.5
        # by hand: one step to go, from 8 (next to the goal 9): 0.5 is expected, 1 or 0 is had
        short = Walk(steps=3, goal=9)
        path = Paths(np.array([[6, 7, 8, 9]]), np.array([[1, 1, 1]]))
        np.testing.assert_allclose(short.perfect(path), [[0.25, 0.5, 1.0]])

    def test_walls_and_moves(self) -> None:
        task, rng = Walk(), np.random.default_rng(1)
        cells, moves = task.draw(500, rng)
        assert (cells[:, 0] == 6).all()
        assert (cells.min(), cells.max()) == (0, 12)
        step = np.diff(cells, axis=1)
        at_wall = ((cells[:, :-1] == 0) & (moves == 0)) | ((cells[:, :-1] == 12) & (moves == 1))
        np.testing.assert_array_equal(step, np.where(at_wall, 0, 2 * moves - 1))

    def test_lessons(self) -> None:
        task, rng = Walk(), np.random.default_rng(2)
        paths = task.draw(5, rng)
        x, a, g, _ = task.lessons(paths, scale=2.0)
        assert (x.shape, a.shape) == ((5, 50, 13), (5, 50, 0))
        start = np.eye(13)[6]
        np.testing.assert_array_equal((start + x.cumsum(1).numpy()).argmax(2), paths.cells[:, 1:])
        np.testing.assert_array_equal(g.numpy() * 2, task.returns(paths))


class TestTables:
    @pytest.mark.parametrize("method", ["rudder", "td", "mc"])
    def test_in_one_go_is_one_by_one(self, method: str) -> None:
        rng = np.random.default_rng(0)
        slow, fast = (TabularQ((50, 3), method, gamma=0.9) for _ in range(2))
        slow.q[:] = fast.q[:] = rng.normal(0, 1, (50, 3))
        for _ in range(20):
            states, actions = rng.permutation(50)[:12], rng.integers(0, 3, 12)
            rewards = rng.normal(0, 1, 12)
            slow.learn(states, actions, rewards)
            fast.learn(states, actions, rewards, once=True)
        np.testing.assert_allclose(fast.q, slow.q, rtol=1e-12)

    def test_rules_by_hand(self) -> None:
        # two steps, rewards 1 and 4, values 10 everywhere, rate 0.5
        states, actions, rewards = np.array([0, 1]), np.array([0, 1]), np.array([1.0, 4.0])
        expected = {
            "rudder": (5.5, 7.0),  # halfway to 1, halfway to 4
            "td": (10.5, 7.0),  # halfway to 1 + 10, halfway to 4
            "mc": (7.5, 7.0),  # halfway to 1 + 4, halfway to 4
        }
        for method, (first, second) in expected.items():
            agent = TabularQ((2, 2), method, alpha=0.5, start=10.0)
            agent.learn(states, actions, rewards)
            assert agent.q.tolist() == [[first, 10.0], [10.0, second]]

    def test_a_state_that_comes_twice(self) -> None:
        # Monte Carlo, every visit: halfway to 3, and from there halfway to 2
        agent = TabularQ((1, 1), "mc", alpha=0.5)
        agent.learn(np.array([0, 0]), np.array([0, 0]), np.array([1.0, 2.0]))
        assert agent.q.tolist() == [[1.75]]

    def test_choices(self) -> None:
        agent = TabularQ((2, 3), "td", epsilon=0.3)
        agent.q[:] = [[0.0, 2.0, 1.0], [5.0, 5.0, 9.0]]
        agent.forbid(np.array([1]), 2)
        rng, states = np.random.default_rng(0), np.repeat([0, 1], 20_000)
        greedy, taken = agent.greedy(states, rng), agent.act(states, rng)
        assert (greedy[:20_000] == 1).all()
        assert greedy[20_000:].mean() == pytest.approx(0.5, abs=0.02)  # a tie
        assert (taken[:20_000] == 1).mean() == pytest.approx(0.7 + 0.1, abs=0.015)
        assert set(taken[20_000:]) == {0, 1}

    def test_wrong_settings(self) -> None:
        with pytest.raises(ValueError, match="choose one of rudder, td, mc"):
            TabularQ((2, 2), "sarsa")
        with pytest.raises(ValueError, match="must be 0 to 1"):
            TabularQ((2, 2), "td", alpha=2.0)


class TestAgents:
    def test_when_solved(self) -> None:
        # 100 wrong ones: 95 % of the last 750 are right once 37 or fewer of them lie within,
        # that is when the window begins after the 63rd
        right = np.arange(2000) >= 100
        assert solved(right) == 63 + 750
        assert lately(right)[0] == pytest.approx(650 / 750)
        assert solved(right[:800]) is None
        assert solved(right[:200]) is None

    def test_learn_what_is_plain(self) -> None:
        # without events, and with prices far from costs, all methods find what pays
        task = WatchRepair(price=(0.0, 90.0, 90.0, 0.0), steps=2, jam=(0.0, 0.0), flat=(0.0, 0.0))
        assert solved(school_td(task, 0, 1600).right) is not None
        crowd = school_mc(task, 0, 1600, agents=3)
        assert all(solved(right) is not None for right in crowd.right.T)
