from collections.abc import Sequence
from functools import cache
from itertools import product
from random import Random

import numpy as np
import pytest
import torch

from hydroml.toolkit.credit.delayed_chain import DelayedChain, value_iteration
from hydroml.toolkit.credit.mcts import MCTS, Node, move_probabilities
from hydroml.toolkit.credit.tic_tac_toe import EMPTY, TicTacToe, best_moves, minimax
from hydroml.toolkit.demos.mcts import run


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Tables:
    """A small process from tables; steps are drawn, the last state ends it."""

    players = 1

    def __init__(self, probability, reward, seed=0):
        self.probability, self.reward, self.rng = probability, reward, Random(seed)

    def legal(self, state: int) -> Sequence[int]:
        return range(self.reward.shape[1])

    def step(self, state: int, action: int) -> tuple[int, float, bool]:
        weights = self.probability[state, action]
        after = self.rng.choices(range(len(weights)), weights)[0]
        return after, float(self.reward[state, action]), after == len(weights) - 1


def layered_process(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three layers of two states and an end: from each layer at random into the next."""
    rng = np.random.default_rng(seed)
    probability, reward = np.zeros((7, 2, 7)), rng.random((7, 2)) / 3
    for state, action in product(range(6), range(2)):
        ahead = [6] if state > 3 else [2 * (state // 2) + 2, 2 * (state // 2) + 3]
        probability[state, action, ahead] = rng.dirichlet(np.ones(len(ahead)))
    probability[6, :, 6], reward[6] = 1, 0
    return probability, reward


class TestSelectionByHand:
    def node(self, prior=None):
        # N = 4, 2, 2 and Q = 1/2, 1/4, 1/2
        return Node("s", [0, 1, 2], [], prior, [4, 2, 2], [2.0, 0.5, 1.0])

    def test_uct(self):
        # ln 8 = 2.079: .5 + c .7210, .25 + c 1.0197, .5 + c 1.0197: the third is at least as good
        search = MCTS(DelayedChain(1, 3), 3, c=1.4)
        assert search.select(self.node()) == 2
        # N = 4, 2 and Q = 1/2, 1/4: ln 6 = 1.792, .5 + c .6693 and .25 + c .9465 meet at c = .902
        node = Node("s", [0, 1], [], None, [4, 2], [2.0, 0.5])
        for c, chosen in ((0.0, 0), (0.89, 0), (0.91, 1)):
            assert MCTS(DelayedChain(1), 2, c=c).select(node) == chosen

    def test_untried_actions_come_first(self):
        node = Node("s", [0, 1, 2], [0, 2], None, [0, 9, 0], [0.0, 9.0, 0.0])
        assert MCTS(DelayedChain(1, 3), 3).select(node) == 2

    def test_puct(self):
        # sqrt(8) = 2.828; P = .2, .7, .1: .5 + c .1131, .25 + c .6600, .5 + c .0943
        prior = [0.2, 0.7, 0.1]
        uniform = MCTS(DelayedChain(1, 3), 3, c=1.0, prior=lambda s: prior)
        assert uniform.select(self.node(prior)) == 1
        # 0 and 1 break even at c = .25 / .5469 = .4571
        for c, chosen in ((0.45, 0), (0.46, 1)):
            search = MCTS(DelayedChain(1, 3), 3, c=c, prior=lambda s: prior)
            assert search.select(self.node(prior)) == chosen

    def test_puct_starts_with_the_larger_prior(self):
        node = Node("s", [0, 1, 2], [], [0.2, 0.5, 0.3], [0, 0, 0], [0.0, 0.0, 0.0])
        assert MCTS(DelayedChain(1, 3), 3, prior=lambda s: [0.2, 0.5, 0.3]).select(node) == 1


class TestSearch:
    @pytest.mark.parametrize("n_sim", [1, 2, 37])
    @pytest.mark.parametrize("prior", [None, lambda s: [1 / 9] * 9])
    def test_visits_sum_to_the_simulations(self, n_sim, prior):
        search = MCTS(TicTacToe(), 9, prior=prior, n_sim=n_sim)
        visits, q = search.search(0b1 | 0b10 << 9, seeded())
        assert int(visits.sum()) == n_sim
        assert visits[:2].tolist() == [0, 0]  # taken cells
        assert q[:2].tolist() == [0, 0]
        assert (q.abs() <= 1).all()

    def test_two_simulations_by_hand(self):
        # one player, chain 0 -> 1 -> end, reward 1 at its end, gamma .5: actions 0 and 1 are right
        chain = DelayedChain(2)
        root = next(MCTS(chain, 2, gamma=0.5, rollout=lambda s: 0.8).simulations(0, seeded()))
        (tried,) = [a for a in (0, 1) if root.counts[a]]
        # action 0 leads to a new state, valued .8 there and .4 here; action 1 falls out
        assert root.sums[tried] == pytest.approx((0.4, 0.0)[tried])

    @pytest.mark.parametrize("seed", range(3))
    def test_finds_the_exact_values_of_a_process(self, seed):
        probability, reward = layered_process(seed)
        exact = value_iteration(probability, reward)[0]
        search = MCTS(Tables(probability, reward), 2, c=0.4, n_sim=4000)
        visits, q = search.search(0, seeded())
        # the mean return after the better action, a little low from exploring below it
        best = int(exact.argmax())
        assert int(visits.argmax()) == best
        assert float(q[best]) == pytest.approx(float(exact[best]), abs=0.03)

    def test_more_simulations_come_closer(self):
        chain = DelayedChain(4)
        exact = value_iteration(*chain.tables(), gamma=0.9)[0, 0]
        assert exact == pytest.approx(0.9**3)
        errors = []
        for n_sim in (100, 1000, 5000):
            _, q = MCTS(chain, 2, gamma=0.9, n_sim=n_sim).search(0, seeded())
            errors.append(abs(float(q[0]) - exact))
        assert errors == sorted(errors, reverse=True)
        assert errors[-1] < 0.05

    def test_a_value_and_a_prior_take_the_place_of_playing_on(self):
        game = TicTacToe()
        asked = []

        def value(state: int) -> torch.Tensor:
            asked.append(state)
            return torch.tensor(float(minimax(state)))

        def prior(state: int) -> torch.Tensor:
            return torch.full((9,), 1 / 9)

        search = MCTS(game, 9, rollout=value, prior=prior, n_sim=60)
        visits, q = search.search(16 | (1 | 256) << 9, seeded())  # corners against the middle
        assert int(visits.argmax()) in best_moves(16 | (1 | 256) << 9)  # edges; a corner loses
        assert len(asked) == len(set(asked)) <= 60
        assert float(q.abs().max()) <= 1

    def test_the_other_players_gain_is_a_loss(self):
        # cell 2 wins at once; elsewhere the opponent (3, 4) takes 5
        state = 0b000000011 | 0b000011000 << 9
        visits, q = MCTS(TicTacToe(), 9, n_sim=600).search(state, seeded())
        assert int(visits.argmax()) == 2
        assert float(q[2]) == 1.0
        assert float(q[8]) < 0

    def test_same_generator_same_search(self):
        search = MCTS(TicTacToe(), 9, n_sim=50)
        first, second = (search.search(EMPTY, seeded(3)) for _ in range(2))
        assert first[0].tolist() == second[0].tolist()
        assert first[1].tolist() == second[1].tolist()

    def test_horizon_stops_a_game_without_end(self):
        class Endless:
            players = 1

            def legal(self, state):
                return (0,)

            def step(self, state, action):
                return state, 1.0, False

        _, q = MCTS(Endless(), 1, gamma=0.5, n_sim=3, horizon=4).search(0, seeded())
        assert float(q[0]) == pytest.approx(1 + 0.5 + 0.25 + 0.125)


class TestTicTacToe:
    def test_the_tree_of_the_game(self):
        # 255168 games are known; 5478 positions, of which 4520 are not at an end
        game, seen = TicTacToe(), set()

        @cache
        def games(state: int) -> int:
            seen.add(state)
            steps = [game.step(state, cell) for cell in game.legal(state)]
            return sum(1 if done else games(after) for after, _, done in steps)

        assert games(EMPTY) == 255168
        assert len(seen) == 4520

    def test_perfect_play(self):
        assert minimax(EMPTY) == 0
        assert best_moves(EMPTY) == list(range(9))
        assert best_moves(1 << 9) == [4]  # a corner is answered in the middle
        assert best_moves(16 << 9) == [0, 2, 6, 8]  # the middle in a corner
        assert best_moves(16 | (1 | 256) << 9) == [1, 3, 5, 7]

    @pytest.mark.parametrize("first", [True, False])
    def test_never_loses_against_random_play(self, first):
        game, search, rng = TicTacToe(), MCTS(TicTacToe(), 9, n_sim=400), Random(0)
        generator = seeded()
        for _ in range(8):
            state, turn, done = EMPTY, first, False
            while not done:
                if turn:
                    cell = int(search.search(state, generator)[0].argmax())
                else:
                    cell = rng.choice(game.legal(state))
                state, reward, done = game.step(state, cell)
                assert turn or not reward
                turn = not turn


class TestChain:
    def test_shared_or_not_the_return_is_one(self):
        for shared in (False, True):
            chain, state, total, done = DelayedChain(5, 3, shared), 0, 0.0, False
            while not done:
                state, reward, done = chain.step(state, state % 3)
                total += reward
            assert total == pytest.approx(1.0)

    def test_values(self):
        q = value_iteration(*DelayedChain(4).tables(), gamma=0.5)
        assert q[:4].max(1).tolist() == [0.125, 0.25, 0.5, 1.0]
        assert q[:4].min(1).tolist() == [0.0] * 4

    def test_values_equal_those_of_linear_equations(self):
        probability, reward = layered_process(4)
        q = value_iteration(probability, reward, gamma=0.9)
        rows, best = np.arange(7), q.argmax(1)
        v = np.linalg.solve(np.eye(7) - 0.9 * probability[rows, best], reward[rows, best])
        np.testing.assert_allclose(q.max(1), v, atol=1e-10)

    def test_values_that_do_not_settle(self):
        with pytest.raises(RuntimeError, match="gamma below 1"):
            value_iteration(np.ones((1, 1, 1)), np.ones((1, 1)), max_iter=50)


class TestMoves:
    def test_temperature(self):
        visits = torch.tensor([1, 2, 4, 4])
        assert move_probabilities(visits, 0.5).tolist() == pytest.approx(
            [1 / 37, 4 / 37, 16 / 37, 16 / 37]
        )
        assert move_probabilities(visits, 0).tolist() == [0, 0, 0.5, 0.5]

    def test_bad_visits(self):
        with pytest.raises(ValueError, match="at least one visit"):
            move_probabilities(torch.zeros(3))


class TestBadInput:
    def test_settings(self):
        chain = DelayedChain(2)
        with pytest.raises(ValueError, match="n_sim 0"):
            MCTS(chain, 2, n_sim=0)
        with pytest.raises(ValueError, match=r"gamma is 1\.5"):
            MCTS(chain, 2, gamma=1.5)
        with pytest.raises(ValueError, match="rollout is 'greedy'"):
            MCTS(chain, 2, rollout="greedy")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="length is 0"):
            DelayedChain(0)

    def test_model(self):
        with pytest.raises(ValueError, match="Legal actions of state 0"):
            MCTS(DelayedChain(2, actions=3), 2).search(0)
        game = DelayedChain(2)
        game.players = 3
        with pytest.raises(ValueError, match="players is 3"):
            MCTS(game, 2)

    def test_prior(self):
        with pytest.raises(ValueError, match="has 3, not 2"):
            MCTS(DelayedChain(2), 2, prior=lambda s: [1, 1, 1]).search(0)
        with pytest.raises(ValueError, match="need weight"):
            MCTS(DelayedChain(2), 2, prior=lambda s: [0.0, 0.0]).search(0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claim(seed: int) -> None:
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
