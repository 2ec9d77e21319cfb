import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hydroml.toolkit.credit.learning import ReturnLearner
from hydroml.toolkit.credit.reduced_cell import reduced_memory
from hydroml.toolkit.credit.relevance import reduced_relevance
from hydroml.toolkit.credit.rudder import (
    METHODS,
    Lessons,
    LessonsBuffer,
    ReturnPredictor,
    prediction_quality,
    redistribute,
    redistribute_by,
    rudder_loss,
    state_differences,
)
from hydroml.toolkit.demos.rudder import run
from hydroml.toolkit.recurrent.flex_lstm import FlexLSTM, reduced_lstm

LENGTHS = torch.tensor([7, 1, 4])


def model_of(states: int = 3, actions: int = 2) -> ReturnPredictor:
    generator = torch.Generator().manual_seed(1)
    model = ReturnPredictor(states, actions, 6, generator=generator, dtype=torch.float64)
    with torch.no_grad():  # gates and cell inputs of some size, so that nothing is nearly linear
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.8, generator=generator)
    return model


def lessons_of(states: int = 3, actions: int = 2, padded: bool = True) -> Lessons:
    generator = torch.Generator().manual_seed(2)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    x, a = draw(3, 7, states), draw(3, 7, actions)
    if padded:  # what stands after the end is never looked at
        ended = (torch.arange(7) >= LENGTHS[:, None])[..., None]
        x, a = x.masked_fill(ended, torch.nan), a.masked_fill(ended, torch.nan)
    return Lessons(x, a, draw(3), LENGTHS if padded else None)


class TestRedistribute:
    def test_hand_example(self) -> None:
        # g = 2, 2, 5, 6: the differences are 2, 0, 3, 1; G = 10 is 4 more, 1 for each step
        pred = torch.tensor([[2.0, 2.0, 5.0, 6.0]])
        assert redistribute(pred, torch.tensor([6.0])).tolist() == [[2.0, 0.0, 3.0, 1.0]]
        assert redistribute(pred, torch.tensor([10.0])).tolist() == [[3.0, 1.0, 4.0, 2.0]]
        raw = redistribute(pred, torch.tensor([10.0]), correct=False)
        assert raw.tolist() == [[2.0, 0.0, 3.0, 1.0]]

    def test_perfect_predictor_of_a_bet(self) -> None:
        # Step 0: a stake of 1 is lost or not (action). Step 1: a coin pays 4 or 0. Step 2: nothing.
        # E[G | stake] = -1 + 2 = 1; heads: 3, tails: -1. So rewards are 1, then +2 or -2, then 0.
        pred = torch.tensor([[1.0, 3.0, 3.0], [1.0, -1.0, -1.0], [0.0, 0.0, 0.0]])
        found = redistribute(pred, torch.tensor([3.0, -1.0, 0.0]))
        assert found.tolist() == [[1.0, 2.0, 0.0], [1.0, -2.0, 0.0], [0.0, 0.0, 0.0]]
        # the mean of the immediate reward is q, and nothing is expected of the steps to come
        assert found[:2].mean(0).tolist() == [1.0, 0.0, 0.0]

    @settings(max_examples=50, deadline=None)
    @given(st.integers(0, 2**31), st.booleans())
    def test_sums_to_the_return(self, seed: int, single: bool) -> None:
        generator = torch.Generator().manual_seed(seed)
        pred = 50 * torch.randn(4, 60, generator=generator, dtype=torch.float64)
        returns = 50 * torch.randn(4, generator=generator, dtype=torch.float64)
        lengths = torch.randint(1, 61, (4,), generator=generator)
        if single:
            pred, returns = pred.float(), returns.float()
        found = redistribute(pred, returns, lengths)
        missed = ((found.sum(1) - returns).abs() / pred.abs().sum(1)).max()
        assert missed < (1e-6 if single else 1e-12)
        assert not found[torch.arange(60) >= lengths[:, None]].any()

    def test_padding_is_not_read(self) -> None:
        pred = torch.tensor([[2.0, 5.0, torch.nan], [1.0, 1.0, 4.0]])
        found = redistribute(pred, torch.tensor([7.0, 4.0]), torch.tensor([2, 3]))
        assert found.tolist() == [[3.0, 4.0, 0.0], [1.0, 0.0, 3.0]]

    def test_counted_from_the_mean(self) -> None:
        # expected 4 before anything was seen; one number, or one for each
        pred, returns = torch.tensor([[5.0, 9.0]]), torch.tensor([10.0])
        assert redistribute(pred, returns, start=4.0).tolist() == [[1.5, 4.5]]
        assert redistribute(pred, returns, start=torch.tensor([4.0])).tolist() == [[1.5, 4.5]]

    def test_gradient_reaches_the_predictions(self) -> None:
        pred = torch.zeros(1, 3, requires_grad=True)
        redistribute(pred, torch.ones(1), correct=False)[0, 1].backward()
        assert pred.grad is not None
        assert pred.grad.tolist() == [[-1.0, 1.0, 0.0]]

    def test_wrong_shapes(self) -> None:
        with pytest.raises(ValueError, match=r"must be \(B, T\) and \(B,\)"):
            redistribute(torch.zeros(2, 3), torch.zeros(3))
        with pytest.raises(ValueError, match="from 1 to 3"):
            redistribute(torch.zeros(2, 3), torch.zeros(2), torch.tensor([0, 3]))
        with pytest.raises(ValueError, match="whole number"):
            redistribute(torch.zeros(2, 3), torch.zeros(2), torch.tensor([1.0, 3.0]))


class TestLoss:
    def test_squares_are_averaged_not_means_squared(self) -> None:
        # last errors +1 and -1: their mean is 0, the mean of their squares 1; all errors are
        # (-2, 1) and (0, -1): squares 4, 1, 0, 1, mean 1.5
        pred = torch.tensor([[0.0, 3.0], [0.0, -1.0]])
        returns = torch.tensor([2.0, 0.0])
        assert float(rudder_loss(pred, returns, aux_weight=0.0)) == 1.0
        assert float(rudder_loss(pred, returns)) == 1.0 + 0.5 * 1.5

    def test_padding(self) -> None:
        # first: errors 1 and 3, last 3; second: error 2
        pred = torch.tensor([[1.0, 3.0, torch.nan], [2.0, torch.nan, torch.nan]])
        found = rudder_loss(pred, torch.zeros(2), torch.tensor([2, 1]), aux_weight=1.0)
        assert float(found) == (9 + 4) / 2 + (5 + 4) / 2

    def test_full_lengths_change_nothing(self) -> None:
        pred, returns = torch.randn(3, 5), torch.randn(3)
        torch.testing.assert_close(
            rudder_loss(pred, returns, torch.full((3,), 5)), rudder_loss(pred, returns)
        )


class TestReducedCell:
    def test_equals_the_flexible_cell_both_ways(self) -> None:
        model = model_of()
        x = torch.randn(4, 9, 5, dtype=torch.float64, requires_grad=True)
        slow, fast = model.lstm(x)[0], reduced_memory(model.lstm, x)
        torch.testing.assert_close(fast, slow)
        asked = [x, *model.lstm.parameters()]
        weigh = torch.randn_like(slow)
        for a, b in zip(
            torch.autograd.grad((fast * weigh).sum(), asked),
            torch.autograd.grad((slow * weigh).sum(), asked),
            strict=True,
        ):
            torch.testing.assert_close(a, b)

    def test_written_out_gradient(self) -> None:
        cell = reduced_lstm(2, 3, dtype=torch.float64)
        x = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda x: reduced_memory(cell, x), (x,))

    def test_initial_weights(self) -> None:
        model = ReturnPredictor(20, 20, 400, generator=torch.Generator().manual_seed(0))
        cell = model.requires_grad_(False).lstm
        assert float(cell.w_forward.std()) == pytest.approx(0.1, rel=0.05)
        assert float(cell.w_recurrent.std()) == pytest.approx(0.1, rel=0.05)
        gate, signal = cell.weights("i")[2], cell.weights("g")[2]
        assert float(gate.mean()) == pytest.approx(-3.0, abs=0.2)
        assert float(signal.mean()) == pytest.approx(0.0, abs=0.2)
        assert float(gate.std()) == pytest.approx(1.0, abs=0.2)

    def test_padding_changes_nothing(self) -> None:
        model, lessons = model_of(), lessons_of()
        found = model(lessons.delta_states, lessons.actions, LENGTHS)
        for b, n in enumerate(LENGTHS.tolist()):
            alone = model(lessons.delta_states[b : b + 1, :n], lessons.actions[b : b + 1, :n])
            torch.testing.assert_close(found[b, :n], alone[0])
            assert not found[b, n:].any()

    def test_the_future_is_not_seen(self) -> None:
        model, lessons = model_of(), lessons_of(padded=False)
        before = model(*lessons[:2])
        lessons.delta_states[:, 4:] += 1.0
        after = model(*lessons[:2])
        torch.testing.assert_close(after[:, :4], before[:, :4])
        assert bool((after[:, 4:] != before[:, 4:]).all())

    def test_wrong_input(self) -> None:
        with pytest.raises(ValueError, match=r"must be \(B, T, 3\) and \(B, T, 2\)"):
            model_of()(torch.zeros(1, 5, 3), torch.zeros(1, 4, 2))
        with pytest.raises(ValueError, match="not the reduced cell"):
            reduced_memory(FlexLSTM(3, 4), torch.zeros(1, 2, 3))
        with pytest.raises(ValueError, match="steps >= 1, 5"):
            reduced_memory(model_of().lstm, torch.zeros(1, 2, 3))
        with pytest.raises(ValueError, match="not the reduced cell"):
            reduced_relevance(FlexLSTM(3, 4), torch.nn.Linear(4, 1), torch.zeros(1, 2, 3))

    def test_differences(self) -> None:
        states = torch.tensor([[[1.0, 5.0], [1.0, 7.0], [0.0, 7.0]]])
        assert state_differences(states).tolist() == [[[1.0, 5.0], [0.0, 2.0], [-1.0, 0.0]]]


class TestContributions:
    @pytest.mark.parametrize("method", METHODS)
    def test_sums_to_the_return(self, method: str) -> None:
        lessons = lessons_of()
        found = redistribute_by(model_of(), lessons, method)
        torch.testing.assert_close(found.sum(1), lessons.returns, atol=1e-12, rtol=1e-12)
        assert not found[torch.arange(7) >= LENGTHS[:, None]].any()

    def test_difference_is_redistribute(self) -> None:
        model, lessons = model_of(), lessons_of()
        pred = model(lessons.delta_states, lessons.actions, LENGTHS)
        expected = redistribute(pred.detach(), lessons.returns, LENGTHS)
        torch.testing.assert_close(redistribute_by(model, lessons), expected)

    def test_integrated_gradients_are_complete(self) -> None:
        model, lessons = model_of(), lessons_of()
        found = redistribute_by(model, lessons, "ig", correct=False)
        with torch.no_grad():
            last, empty = (
                model(x, a, LENGTHS).gather(1, LENGTHS[:, None] - 1)[:, 0]
                for x, a in (
                    lessons[:2],
                    (torch.zeros_like(lessons[0]), torch.zeros_like(lessons[1])),
                )
            )
        torch.testing.assert_close(found.sum(1), last - empty, atol=1e-10, rtol=1e-10)

    def test_relevance_is_conserved_with_biases_shared_out(self) -> None:
        model, lessons = model_of(), lessons_of()
        x = model.joined(lessons.delta_states, lessons.actions)
        found = reduced_relevance(model.lstm, model.head, x, LENGTHS, bias_factor=1.0)
        last = model(lessons.delta_states, lessons.actions, LENGTHS).gather(1, LENGTHS[:, None] - 1)
        torch.testing.assert_close(found.sum((1, 2)), last[:, 0].detach(), atol=1e-9, rtol=1e-9)

    def test_relevance_without_biases_is_the_difference_of_predictions(self) -> None:
        # c_T = sum of i_t z_t and g = w . c, so step t has w . (i_t z_t) = g_t - g_(t-1)
        model, lessons = model_of(), lessons_of()
        with torch.no_grad():
            model.head.bias.zero_()
            model.lstm.weights("g")[2].zero_()
        x = model.joined(lessons.delta_states, lessons.actions)
        found = reduced_relevance(model.lstm, model.head, x, LENGTHS, eps=1e-12).sum(2)
        expected = redistribute_by(model, lessons, correct=False)
        torch.testing.assert_close(found, expected, atol=1e-8, rtol=1e-8)

    def test_any_model_without_actions(self) -> None:
        # g_t = sum of x until t: each step's reward is its own input, by both ways
        def total(x: Tensor, actions: Tensor, lengths: Tensor | None) -> Tensor:
            return x.sum(2).cumsum(1)

        lessons = lessons_of(states=1, actions=0, padded=False)
        x = lessons.delta_states[..., 0]
        lessons = lessons._replace(returns=x.sum(1))
        for method in ("difference", "ig"):
            torch.testing.assert_close(redistribute_by(total, lessons, method), x)
        with pytest.raises(TypeError, match="not function"):
            redistribute_by(total, lessons, "lrp")
        with pytest.raises(ValueError, match="choose one of difference, ig, lrp"):
            redistribute_by(total, lessons, "shap")

    def test_quality(self) -> None:
        pred = torch.tensor([[1.0, 9.0, 0.0], [0.0, 5.0, 5.0], [0.0, 0.0, -10.0]])
        found = prediction_quality(pred, torch.full((3,), 10.0), torch.tensor([2, 3, 3]))
        assert found.tolist() == pytest.approx([0.99, 0.75, -3.0])


class TestLessonsBuffer:
    def lessons(self, *returns: float) -> Lessons:
        g = torch.tensor(returns)
        return Lessons(g.view(-1, 1, 1).repeat(1, 2, 1), torch.zeros(len(g), 2, 1), g)

    def held(self, buffer: LessonsBuffer) -> set[float]:
        return set(buffer.sample(200, torch.Generator().manual_seed(0))[1].returns.tolist())

    def test_old_ones_make_room(self) -> None:
        buffer = LessonsBuffer(3)
        for episodes in ([1.0, 2.0], [3.0, 4.0], [5.0]):
            buffer.add(self.lessons(*episodes))
        assert len(buffer) == 3
        assert self.held(buffer) == {3.0, 4.0, 5.0}
        buffer.add(self.lessons(6.0, 7.0, 8.0, 9.0, 10.0))
        assert self.held(buffer) == {8.0, 9.0, 10.0}

    def test_what_belongs_together_stays_together(self) -> None:
        buffer = LessonsBuffer(3)
        buffer.add(self.lessons(1.0, 2.0, 3.0, 4.0))
        _, drawn = buffer.sample(20, torch.Generator().manual_seed(1))
        assert torch.equal(drawn.delta_states[:, 1, 0], drawn.returns)

    def test_nothing_to_learn_from_equal_returns(self) -> None:
        buffer = LessonsBuffer(5)
        assert not buffer.ready
        buffer.add(self.lessons(2.0, 2.0))
        assert not buffer.ready
        buffer.add(self.lessons(1.0))
        assert buffer.ready

    def test_priority(self) -> None:
        buffer = LessonsBuffer(4)
        buffer.add(self.lessons(0.0, 1.0, 2.0))
        buffer.set_loss(torch.tensor([0, 1, 2]), torch.tensor([1.0, 3.0, 0.0]))
        places, _ = buffer.sample(4000, torch.Generator().manual_seed(0), by_loss=True)
        share = torch.bincount(places, minlength=3) / 4000
        assert share.tolist() == pytest.approx([0.25, 0.75, 0.0], abs=0.03)
        buffer.add(self.lessons(3.0))  # comes in with the highest loss there is, 3
        places, _ = buffer.sample(7000, torch.Generator().manual_seed(0), by_loss=True)
        share = torch.bincount(places, minlength=4) / 7000
        assert share.tolist() == pytest.approx([1 / 7, 3 / 7, 0.0, 3 / 7], abs=0.03)

    def test_wrong_use(self) -> None:
        with pytest.raises(ValueError, match="capacity is 0"):
            LessonsBuffer(0)
        buffer = LessonsBuffer(2)
        with pytest.raises(ValueError, match="empty"):
            buffer.sample(1)
        with pytest.raises(ValueError, match="NaN"):
            buffer.add(self.lessons(float("nan")))
        buffer.add(self.lessons(1.0))
        with pytest.raises(ValueError, match="pad to one length"):
            buffer.add(Lessons(torch.zeros(1, 3, 1), torch.zeros(1, 3, 1), torch.zeros(1)))
        with pytest.raises(ValueError, match="always or never"):
            buffer.add(self.lessons(1.0)._replace(lengths=torch.ones(1, dtype=torch.long)))


class TestLearning:
    def learner(self, rate: float = 5e-2) -> ReturnLearner:
        generator = torch.Generator().manual_seed(0)
        model = ReturnPredictor(1, 0, 4, generator=generator)
        buffer = LessonsBuffer(64)
        x = torch.randn(64, 6, 1, generator=generator)
        buffer.add(Lessons(x, torch.zeros(64, 6, 0), (x > 0.5).float().sum((1, 2))))
        return ReturnLearner(model, torch.optim.Adam(model.parameters(), lr=rate), buffer)

    def test_learns_until_good_enough(self) -> None:
        learner, generator = self.learner(), torch.Generator().manual_seed(0)
        done = learner.learn(0.8, least=20, most=600, generator=generator)  # the variance is 1.6
        assert 20 <= done < 600
        assert learner.error < 0.8
        assert learner.learn(until=0.0, most=7, generator=generator) == 7

    def test_waits_for_returns_that_differ(self) -> None:
        learner = self.learner()
        learner.buffer = LessonsBuffer(2)
        learner.buffer.add(Lessons(torch.ones(2, 6, 1), torch.zeros(2, 6, 0), torch.ones(2)))
        assert learner.learn(until=1.0) == 0

    def test_stops_at_nan(self) -> None:
        learner = self.learner(rate=1e30)
        with pytest.raises(FloatingPointError, match="at update"):
            learner.learn(until=0.0, most=50)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claim(seed: int) -> None:
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
