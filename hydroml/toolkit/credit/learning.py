"""Train a return predictor on the latest lessons until it is good enough to be asked."""

from dataclasses import dataclass
from math import isfinite

import torch

from hydroml.toolkit.credit.lessons import LessonsBuffer
from hydroml.toolkit.credit.return_predictor import ReturnPredictor, last_prediction, rudder_loss

__all__ = ["ReturnLearner"]


@dataclass
class ReturnLearner:
    """A return predictor, its optimizer and its buffer, and how well they do.

    Parameters
    ----------
    model : ReturnPredictor
        What is trained.
    optimizer : torch.optim.Optimizer
        Of its weights.
    buffer : LessonsBuffer
        Where lessons come from.
    batch : int
        Lessons of an update.
    memory : float
        Share of the running error that is kept at an update.
    error : float
        Running mean of the square error of the last prediction, in squared units of the return.
    updates : int
        Done so far.
    """

    model: ReturnPredictor
    optimizer: torch.optim.Optimizer
    buffer: LessonsBuffer
    batch: int = 8
    memory: float = 0.99
    error: float = float("nan")
    updates: int = 0

    def learn(
        self, until: float, least: int = 100, most: int = 10_000,
        generator: torch.Generator | None = None,
    ) -> int:  # fmt: skip
        """Train until the running error is below a goal.

        Parameters
        ----------
        until : float
            The goal; the running error begins anew at each call.
        least, most : int
            Bounds of the number of updates; a running mean says little before its memory is full.
        generator : torch.Generator, optional
            Of the lessons that are drawn.

        Returns
        -------
        int
            Updates done; 0 while all returns in the buffer are equal.

        Raises
        ------
        FloatingPointError
            A loss that is no number.
        """
        if not self.buffer.ready:
            return 0
        self.error = float("nan")
        for done in range(1, most + 1):
            self._update(generator)
            if done >= least and self.error < until:
                return done
        return most

    def _update(self, generator: torch.Generator | None) -> None:
        _, (states, actions, returns, lengths) = self.buffer.sample(self.batch, generator)
        pred = self.model(states, actions, lengths)
        loss = rudder_loss(pred, returns, lengths)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.updates += 1
        with torch.no_grad():
            error = float((last_prediction(pred, lengths) - returns).square().mean())
        if not isfinite(error):
            raise FloatingPointError(
                f"the loss became {error} at update {self.updates}: lower the rate"
            )
        started = isfinite(self.error)
        self.error = self.memory * self.error + (1 - self.memory) * error if started else error
