import math
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hydroml.toolkit.credit.align_rudder import ProfileModel, successor_representation
from hydroml.toolkit.credit.cloning import Episode, QTable, clone, learn, play
from hydroml.toolkit.credit.events import event_sequence, find_events, profile_of, step_rewards
from hydroml.toolkit.credit.rooms import Rooms
from hydroml.toolkit.demos.align_rudder import run

sequences = st.lists(st.integers(0, 4), min_size=1, max_size=8)


def model_of(*demos, background=(1, 1, 1, 1, 1), **options):
    p = torch.tensor(background, dtype=torch.float64)
    return ProfileModel.from_demos([torch.tensor(d) for d in demos], p, **options)


class TestByHand:
    def test_scoring_matrix(self):
        # [0, 1] and [0]: q = (1, 0, ...) and (0, 1/2, ...); p = (1/2, 1/4, 1/4)
        model = model_of([0, 1], [0], background=(2, 1, 1))
        assert model.msa.tolist() == [[0, 1], [0, -1]]
        # ln((q + 1e-8) 4 / (p + 1e-8)) with p as counts 2, 1, 1
        expected = [
            [math.log(2), math.log(4e-8), math.log(4e-8)],
            [math.log(2e-8), math.log(2), math.log(4e-8)],
        ]
        assert model.pssm.tolist() == [pytest.approx(row, rel=1e-6) for row in expected]

    def test_scores_and_rewards(self):
        # scores of the demonstrations: 2 ln 2 and ln 2; C = mean(2, 4) / (1.5 ln 2)
        model = model_of([0, 1], [0], background=(2, 1, 1), returns=torch.tensor([2.0, 4.0]))
        assert model.score(torch.tensor([0, 1])) == pytest.approx(2 * math.log(2), rel=1e-6)
        assert float(model.scale) == pytest.approx(2 / math.log(2), rel=1e-6)
        seq = torch.tensor([2, 0, 0, 1, 2])
        assert model.rewards(seq).tolist() == pytest.approx([0, 2, 0, 2, 0], abs=1e-6)
        assert model.redistribute(seq, 3.0).tolist() == pytest.approx([0, 2, 0, 2, -1], abs=1e-6)
        assert model.align(seq).tolist() == [-1, 0, -1, 1, -1]

    def test_rare_events_are_aligned_first(self):
        # 0 1 against 1 0: only one of them can lie on itself; 1 is rarer
        model = model_of([0, 1], [1, 0], background=(9, 1))
        assert (model.msa == 1).all(0).sum() == 1
        assert not (model.msa == 0).all(0).any()

    def test_gaps_that_cost(self):
        # [0, 1] twice over p = 1/2: ln 2 a match; a skipped symbol costs 1/2, so does a position
        model = model_of([0, 1], [0, 1], background=(1, 1), gap=-0.5)
        ln2 = math.log(2)
        assert model.score(torch.tensor([0, 1])) == pytest.approx(2 * ln2, rel=1e-6)
        assert model.score(torch.tensor([0])) == pytest.approx(ln2, rel=1e-6)  # not finished yet
        assert model.score(torch.tensor([1])) == pytest.approx(ln2 - 0.5, rel=1e-6)
        assert model.score(torch.tensor([0, 0, 1])) == pytest.approx(2 * ln2 - 0.5, rel=1e-6)


class TestInvariants:
    @settings(max_examples=40, deadline=None)
    @given(sequences)
    def test_equal_demonstrations_are_their_own_consensus(self, demo):
        counts = np.bincount(demo, minlength=5) + 1
        model = model_of(demo, demo, demo, background=counts)
        assert model.msa.tolist() == [demo] * 3
        assert model.pssm.argmax(1).tolist() == demo
        assert model.align(torch.tensor(demo)).tolist() == list(range(len(demo)))
        assert model.score(torch.tensor(demo)) == pytest.approx(float(model.pssm.amax(1).sum()))

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(sequences, min_size=1, max_size=4),
        sequences,
        st.floats(-100, 100),
        st.sampled_from([0.0, -0.2]),
    )
    def test_redistributed_rewards_sum_to_the_return(self, demos, seq, ret, gap):
        model = model_of(*demos, gap=gap)
        assert float(model.redistribute(torch.tensor(seq), ret).sum()) == pytest.approx(ret)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(sequences, min_size=1, max_size=3), sequences)
    def test_without_gap_costs_a_score_never_falls(self, demos, seq):
        model = model_of(*demos)
        scores = model.prefix_scores(torch.tensor(seq))
        assert (scores.diff(prepend=torch.zeros(1).double()) >= -1e-9).all()
        # each of them is the score of that beginning alone, and of its alignment
        whole = [model.score(torch.tensor(seq[: t + 1])) for t in range(len(seq))]
        assert scores.tolist() == pytest.approx(whole)
        positions = model.align(torch.tensor(seq))
        laid = positions >= 0
        told = model.pssm[positions[laid], torch.tensor(seq)[laid]].sum()
        assert float(told) == pytest.approx(float(scores[-1]), abs=1e-9)
        assert (positions[laid].diff() > 0).all()

    def test_counts_or_shares_of_the_background_are_one(self):
        by_count = model_of([0, 1, 2], [0, 2], background=(4, 2, 2))
        by_share = model_of([0, 1, 2], [0, 2], background=(0.5, 0.25, 0.25))
        torch.testing.assert_close(by_count.pssm, by_share.pssm, rtol=1e-5, atol=1e-5)


class TestModule:
    def test_buffers_travel(self):
        model = model_of([0, 1, 2], [0, 2])
        assert set(model.state_dict()) == {"msa", "pssm", "scale"}
        other = ProfileModel(torch.zeros_like(model.msa), torch.zeros_like(model.pssm))
        other.load_state_dict(model.state_dict())
        seq = torch.tensor([0, 2, 1])
        torch.testing.assert_close(other.rewards(seq), model.rewards(seq))
        assert model.float().rewards(seq).dtype == torch.float32

    def test_demonstrations_that_tell_nothing(self):
        model = model_of([0], [0], background=(1,))
        assert model.redistribute(torch.tensor([0, 0]), 2.0).tolist() == [0.0, 2.0]

    def test_bad_input(self):
        with pytest.raises(ValueError, match="no demonstration"):
            model_of()
        with pytest.raises(ValueError, match="demonstration 1 is"):
            ProfileModel.from_demos(
                [torch.tensor([0]), torch.zeros(0, dtype=torch.long)], torch.ones(2)
            )
        with pytest.raises(ValueError, match=r"Symbols \[1\] of demonstrations have background 0"):
            model_of([0, 1], background=(1, 0))
        with pytest.raises(ValueError, match="go from 0 to 7"):
            model_of([0, 7])
        with pytest.raises(TypeError, match="float32"):
            model_of([0.5])
        with pytest.raises(ValueError, match="not negative"):
            model_of([0], background=(-1, 2))
        with pytest.raises(ValueError, match="give 1 finite"):
            model_of([0], returns=torch.tensor([1.0, 2.0]))
        with pytest.raises(ValueError, match="gap scores zero or less"):
            ProfileModel(torch.zeros(1, 2), torch.zeros(2, 3), gap=0.1)
        with pytest.raises(ValueError, match=r"give \(n, L\) and \(L, K\)"):
            ProfileModel(torch.zeros(1, 2), torch.zeros(3, 3))


class TestSuccessor:
    def test_of_a_chain_is_the_inverse(self):
        # 0 -> 1 -> 2, learned with rate 1: (I - gamma P)^-1
        p = torch.diag(torch.ones(2), 1).double()
        expected = torch.linalg.inv(torch.eye(3).double() - 0.9 * p)
        found = successor_representation([[0, 1, 2]], 3, gamma=0.9, alpha=1.0, passes=1)
        torch.testing.assert_close(found, expected)

    def test_one_update_by_hand(self):
        # from the end: M_1 = .5 e_1, M_0 = .5 (e_0 + .8 M_1)
        found = successor_representation([[0, 1]], 2, gamma=0.8, alpha=0.5, passes=1)
        assert found.tolist() == [pytest.approx([0.5, 0.2]), [0.0, 0.5]]

    def test_bad_input(self):
        with pytest.raises(ValueError, match="Give states 0 to 1"):
            successor_representation([[0, 2]], 2)
        with pytest.raises(ValueError, match="alpha 0"):
            successor_representation([[0]], 1, alpha=0)


class TestEvents:
    def test_rewards_of_steps(self):
        cluster = {0: 0, 1: 0, 5: 1}
        states = [0, 1, 7, 5, 5]
        assert event_sequence(states, cluster) == ([0, 1], [0, 3])
        model = profile_of([[*states[:2], 5]], cluster, [3.0])
        # background 2 : 1, so scores ln 1.5 and ln 3; 3 is shared out as they are, the rest is last
        scores = np.log([1.5, 3.0])
        shares = 3 * scores / scores.sum()
        found = step_rewards(model, cluster, states, 4.0)
        assert found == pytest.approx([shares[0], 0, shares[1], 1.0], abs=1e-6)

    def test_rooms_become_events(self):
        task, rng = Rooms(4), Random(0)
        demos = [task.demonstrate(rng)[0] for _ in range(2)]
        cluster = find_events(demos)
        events = [event_sequence(d, cluster)[0] for d in demos]
        assert events[0] == events[1]
        assert 4 <= len(events[0]) <= 15
        for demo in demos:
            rewards = step_rewards(profile_of(demos, cluster, [3.0, 3.0]), cluster, demo, 3.0)
            assert sum(rewards) == pytest.approx(3.0)
            assert max(rewards) < 1.5  # shared out


class TestLearning:
    def episode(self):
        return Episode([(0, 0), (1, 0), (0, 0), (2, 0)], [1, 2, 3], 6.0)

    def table(self):
        return QTable([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 3.0], [9.0] * 4])

    def test_q_learning_by_hand(self):
        q = self.table()
        learn(q, self.episode(), [1.0, 0.0, 5.0], alpha=0.5)
        # Q(0,1) = 1 + .5 (1 + 3 - 1) = 2.5; Q(1,2) = 2 + .5 (2.5 - 2); Q(0,3) = .5 * 5
        assert q[0, 0] == [0.0, 2.5, 0.0, 2.5]
        assert q[1, 0] == [0.0, 0.0, 2.25, 3.0]

    def test_several_steps_and_no_bootstrap_by_hand(self):
        q = self.table()
        learn(q, self.episode(), [1.0, 0.0, 5.0], alpha=0.5, steps=2)
        # Q(0,1) = 1 + .5 (1 + 0 + max Q(0) - 1) = 1.5; Q(1,2) = 2 + .5 (5 - 2); Q(0,3) = 2.5
        assert q[0, 0] == [0.0, 1.5, 0.0, 2.5]
        assert q[1, 0] == [0.0, 0.0, 3.5, 3.0]
        q = self.table()
        learn(q, self.episode(), [1.0, 0.0, 5.0], alpha=0.5, steps=2, bootstrap=False)
        assert q[0, 0] == [0.0, 1.0, 0.0, 2.5]

    def test_cloning_shares_the_value(self):
        table = clone([([0, 0, 0, 1], [2, 2, 1])], 3.0, 2, (7.0, 0.0), Random(0))
        assert table == [[7.0, 1.0, 2.0, 7.0], [7.0] * 4]

    def test_a_greedy_clone_repeats_the_demonstration(self):
        task = Rooms(1)
        states, actions = task.demonstrate(Random(5))
        table = clone([(states, actions)], 1.0, task.done + 1, (0.0, 0.0), Random(0))
        # the same draw of the key; each state of a shortest way is met once
        played = play(task, QTable(table), 0.0, Random(5))
        assert played.states == states
        assert played.earned == task.pay(len(actions), task.done)

    def test_memory_is_what_was_visited(self):
        task = Rooms(1)
        states, actions = task.demonstrate(Random(5))
        table = clone([(states, actions)], 1.0, task.done + 1, (0.0, 0.0), Random(0))
        q = QTable(table, {states[0]: 1, states[1]: 2})
        memories = [memory for _, memory in play(task, q, 0.0, Random(5)).keys]
        assert memories == [1] + [3] * (len(states) - 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claim(seed):
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
