r"""RUDDER: the return of an episode, redistributed to the steps that made it.

A reward that comes long after its cause is hard to learn from. A model g that predicts the return G
of a whole episode from what was seen up to step t says when the return was decided, by the
difference of its predictions,

.. math::
    h_0 = g_0 \qquad h_t = g_t - g_{t-1} \qquad
    R_{t+1} = h_t + \frac1T \Bigl(G - \sum_{\tau} h_\tau\Bigr).

The rewards R sum to the return exactly, so every policy is worth what it was before, and the best
one stays the best. If g is perfect, nothing is expected of the future any more: the mean of the
immediate reward is the value of the action, ``E[R_{t+1}] = q(s_t, a_t) - q(s_{t-1}, a_{t-1})``, and
nothing has to be handed back step by step or averaged over what chance adds later.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from hydroml.toolkit.attribution.integrated_gradients import integrated_gradients
from hydroml.toolkit.card import Card
from hydroml.toolkit.credit.lessons import Lessons, LessonsBuffer
from hydroml.toolkit.credit.relevance import reduced_relevance
from hydroml.toolkit.credit.return_predictor import (
    ReturnPredictor,
    last_prediction,
    rudder_loss,
    state_differences,
    within,
)

__all__ = [
    "CARD",
    "METHODS",
    "Lessons",
    "LessonsBuffer",
    "ReturnPredictor",
    "prediction_quality",
    "redistribute",
    "redistribute_by",
    "rudder_loss",
    "state_differences",
]

CARD = Card(
    name="rudder",
    title="RUDDER: redistribution of delayed rewards",
    paper="Arjona-Medina, Gillhofer, Widrich, Unterthiner, Brandstetter, Hochreiter (2019): "
    "RUDDER: Return decomposition for delayed rewards. NeurIPS, arXiv:1806.07857",
    year=2019,
    answers="Which steps of a sequence decided a total that is known only at its end?",
    inputs="state differences (B, T, S), actions (B, T, A), returns (B,), lengths (B,); or any "
    "model's predictions (B, T)",
    outputs="rewards (B, T) that sum to the returns",
    hydrology="hydroml explain --method rudder: which day raised the volume of a flood, and by how "
    "many mm",
    claim="Watch repair: RUDDER decides rightly before 6,000 episodes and goes on doing so; "
    "Q-learning does not within 30,000, nor does Monte Carlo but for agents with luck. Claimed of "
    "episodes: in computing time RUDDER is the slowest of the three, as it trains a net. The "
    "paper's Atari games are not tried",
    choices=(
        "Decisions are counted by the best action known, without exploration, whose draws alone "
        "would cost 5 %.",
        "25 episodes are played before the net is trained and the table changed; a training "
        "session makes at least 100 updates, the length of the running mean that ends it.",
        "A last step shows the state in which the episode ended.",
        "lrp: the input gate takes no relevance, and biases keep theirs until correction.",
        "start: hydrologists may count from the mean instead of from nothing.",
    ),
)


class Predictor(Protocol):
    """Anything that predicts the return at every step, (B, T)."""

    def __call__(
        self, delta_states: Tensor, actions: Tensor, lengths: Tensor | None, /
    ) -> Tensor: ...


def redistribute(
    pred: Tensor,
    returns: Tensor,
    lengths: Tensor | None = None,
    correct: bool = True,
    start: Tensor | float = 0.0,
) -> Tensor:
    """Redistribute returns by the difference of predictions, whatever made the predictions.

    Parameters
    ----------
    pred : Tensor
        Predictions of the return after each step, g, (B, T).
    returns : Tensor
        G, (B,), in any unit, that of `pred`.
    lengths : Tensor, optional
        Steps of each episode, 1 to T, (B,); T by default. What stands after the end is not read.
    correct : bool
        Spread what the last prediction misses of the return evenly over the steps.
    start : Tensor or float
        What was expected before the first step, a number or (B,). With 0 the first step gets its
        whole prediction; with the mean return, steps get what they add to the mean.

    Returns
    -------
    Tensor
        Rewards, (B, T), 0 after the end. With `correct` they sum to ``returns - start``, without
        it to the last prediction less `start`.

    Raises
    ------
    ValueError
        Shapes that do not fit, lengths outside 1 to T.

    References
    ----------
    Arjona-Medina et al. (2019), arXiv:1806.07857, section "Return decomposition and reward
    redistribution".

    Examples
    --------
    >>> g = torch.tensor([[2.0, 2.0, 5.0, 6.0]])
    >>> redistribute(g, torch.tensor([6.0]))
    tensor([[2., 0., 3., 1.]])
    >>> redistribute(g, torch.tensor([10.0]))
    tensor([[3., 1., 4., 2.]])
    """
    if pred.ndim != 2 or returns.shape != pred.shape[:1]:
        raise ValueError(
            f"predictions {tuple(pred.shape)} and returns {tuple(returns.shape)} must be (B, T) "
            "and (B,)"
        )
    before = torch.as_tensor(start).to(pred).expand(len(pred))
    h = torch.diff(pred, dim=1, prepend=before[:, None])
    return _account(h, returns - before, lengths, correct)


def redistribute_by(
    model: Predictor, lessons: Lessons, method: str = "difference", correct: bool = True
) -> Tensor:
    """Redistribute returns by one of three ways to say what each step contributed.

    Parameters
    ----------
    model : ReturnPredictor or callable
        ``model(delta_states, actions, lengths)`` to predictions, (B, T).
    lessons : Lessons
        Episodes with their returns.
    method : str
        ``difference`` of predictions; ``ig``, integrated gradients of the last prediction, from
        an episode in which nothing happens; ``lrp``, its layer-wise relevance, for a
        `ReturnPredictor` only, where biases keep their part.
    correct : bool
        Spread what the contributions miss of the return evenly over the steps.

    Returns
    -------
    Tensor
        Rewards, (B, T), 0 after the end; they sum to the returns with `correct`. Without it
        those of ``ig`` sum to the last prediction less that for the empty episode.

    Raises
    ------
    ValueError
        An unknown method.
    TypeError
        ``lrp`` of another model.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
    return _account(METHODS[method](model, lessons), lessons.returns, lessons.lengths, correct)


def prediction_quality(
    pred: Tensor, returns: Tensor, lengths: Tensor | None = None, eps: float = 1e-8
) -> Tensor:
    r"""Tell how far a redistribution is to be trusted.

    .. math:: 1 - \frac{(G - g_T)^2}{G^2 + \epsilon}

    The paper's agents take rewards only of episodes with more than 0.8, and weigh them with it.

    Parameters
    ----------
    pred : Tensor
        g, (B, T).
    returns : Tensor
        G, (B,).
    lengths : Tensor, optional
        Steps of each episode, (B,).
    eps : float
        Against returns of 0.

    Returns
    -------
    Tensor
        (B,), at most 1; below 0 where the prediction is worse than 0.

    Examples
    --------
    >>> prediction_quality(torch.tensor([[1.0, 9.0], [0.0, 5.0]]), torch.tensor([10.0, 10.0]))
    tensor([0.9900, 0.7500])
    """
    return 1 - (returns - last_prediction(pred, lengths)).square() / (returns.square() + eps)


def _account(h: Tensor, returns: Tensor, lengths: Tensor | None, correct: bool) -> Tensor:
    """Leave out what lies after the end, and spread evenly what is missing of the returns."""
    steps: Tensor | int = h.shape[1]
    alive = torch.ones_like(h, dtype=torch.bool)
    if lengths is not None:
        alive, steps = within(lengths, h), lengths.to(h)
        h = h.masked_fill(~alive, 0.0)
    if correct:
        h = h + alive * ((returns - h.sum(1)) / steps)[:, None]
    return h


@torch.no_grad()
def _difference(model: Predictor, lessons: Lessons) -> Tensor:
    g = model(lessons.delta_states, lessons.actions, lessons.lengths)
    return torch.diff(g, dim=1, prepend=torch.zeros_like(g[:, :1]))


def _integrated_gradients(model: Predictor, lessons: Lessons) -> Tensor:
    states, actions, _, lengths = lessons
    if lengths is not None:  # what stands after the end may be anything
        ended = ~within(lengths, states)[..., None]
        states, actions = states.masked_fill(ended, 0.0), actions.masked_fill(ended, 0.0)

    def last(states: Tensor, actions: Tensor, *lengths: Tensor) -> Tensor:
        end = lengths[0] if lengths else None
        return last_prediction(model(states, actions, end), end)

    fixed = () if lengths is None else (lengths,)
    found = integrated_gradients(last, (states, actions), fixed=fixed).attributions
    return torch.stack([part.sum(2) for part in found]).sum(0)


def _relevance(model: Predictor, lessons: Lessons) -> Tensor:
    if not isinstance(model, ReturnPredictor):
        raise TypeError(
            f"lrp knows the cell of a ReturnPredictor, not {type(model).__name__}: take "
            "'difference' or 'ig'"
        )
    x = model.joined(lessons.delta_states, lessons.actions)
    return reduced_relevance(model.lstm, model.head, x, lessons.lengths).sum(2)


METHODS: dict[str, Callable[[Predictor, Lessons], Tensor]] = {
    "difference": _difference,
    "ig": _integrated_gradients,
    "lrp": _relevance,
}
"""How contributions are found: (model, lessons) to (B, T), before correction."""
