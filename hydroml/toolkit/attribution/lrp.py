r"""Layer-wise relevance propagation through LSTMs: the output's value handed back to the inputs.

Relevance starts as the output itself and is handed from units to those that feed them, back in
time. Linear layers share it out in proportion to the contributions (`lrp_linear`, "lin" below). In
a product of gate and signal, with the rule "all", the signal takes all and the gate none:

.. math::
    R^c_t \mathrel{+}= R^h_t \quad
    R^c_{t-1} = \mathrm{lin}(f_t c_{t-1}, I, 0, c_t, R^c_t, 2H) \quad
    R^g_t = \mathrm{lin}(i_t g_t, I, 0, c_t, R^c_t, 2H) \\
    R^x_t = \mathrm{lin}(x_t, W_g, b_g, z^g_t, R^g_t, I + H) \quad
    R^h_{t-1} = \mathrm{lin}(h_{t-1}, U_g, b_g, z^g_t, R^g_t, I + H)

One forward and one backward pass, without a gradient. With the other rules gates take a share, too,
and hand it on through weights of their own. In an entity-aware LSTM the input gate does not depend
on the sequence: what it takes stays with it.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hydroml.toolkit.attribution.cell import CellWeights, State, trace
from hydroml.toolkit.attribution.lrp_rules import SPLITS, lrp_linear
from hydroml.toolkit.attribution.lrp_walk import Rules, walk_back
from hydroml.toolkit.card import Card

__all__ = ["CARD", "LSTMLRP", "CellWeights", "Relevance", "lrp_linear"]

CARD = Card(
    name="lrp",
    title="Layer-wise relevance propagation for LSTMs",
    paper="Arras, Arjona-Medina, Widrich, Montavon, Gillhofer, Mueller, Hochreiter, Samek (2019): "
    "Explaining and interpreting LSTMs. doi 10.1007/978-3-030-28954-6_11, arXiv:1909.12114",
    year=2019,
    answers="Which inputs of which step does this output of an LSTM consist of?",
    inputs="an LSTM (nn.LSTM, or CellWeights with or without a static input gate) and its linear "
    "head; x (B, T, I)",
    outputs="relevance (B, T, I), of the initial states (B, H), in units of the output",
    hydrology="hydroml explain: which days and which inputs made this flood or low flow",
    claim="relevance is conserved to rounding with biases distributed; an LSTM that adds two "
    "marked numbers gets them back as relevances; removing relevant steps moves the output most",
    choices=(
        "proportions of gate and signal (rules prop and abs) are those of activated values",
        "N of the cell's sum is 2 H: what its stabiliser holds is spread over all of them",
        "origin: inputs may be counted from a baseline; the rest of them acts as a bias",
    ),
)


class Relevance(NamedTuple):
    """Where an output's value comes from; each in units of the output.

    Parameters
    ----------
    x : Tensor
        Of the inputs, (B, T, I).
    h_0, c_0 : Tensor
        Of the states before the first step, (B, H).
    static_gate : Tensor
        Of a static input gate, (B, H); zero for an ordinary LSTM, and with the rule ``all``.
    score : Tensor
        The output that was explained, (B,).
    kept : Tensor
        What biases and stabiliser hold of it, (B,): score (or the sum of `start`) less all of
        the above; zero to rounding with ``bias_factor=1``.
    """

    x: Tensor
    h_0: Tensor
    c_0: Tensor
    static_gate: Tensor
    score: Tensor
    kept: Tensor


class LSTMLRP:
    """Relevance of the inputs of an LSTM with a linear head, for its last output.

    Parameters
    ----------
    lstm : nn.LSTM or CellWeights
        One layer, one direction. Attributes joined to each step are inputs like others.
    head : nn.Linear
        From the hidden state after the last step to the outputs.
    rule : str
        How products share relevance out: ``all`` (the paper's choice), ``prop``, ``half``,
        ``abs``.
    eps : float
        Stabiliser of `lrp_linear`, above 0.
    bias_factor : float
        0 (biases keep their part) to 1 (all is shared out, relevance is conserved).

    Raises
    ------
    ValueError
        An unknown rule, values out of range, a head of another size, an LSTM of several layers.

    References
    ----------
    Arras et al. (2019), arXiv:1909.12114, section 11.2. ``prop``: Ding et al. (2017),
    doi 10.18653/v1/P17-1106.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> lstm, head = nn.LSTM(3, 8, batch_first=True), nn.Linear(8, 1)
    >>> lrp = LSTMLRP(lstm, head, bias_factor=1.0)
    >>> r_x, r_h0, r_c0 = lrp.relevance(torch.randn(2, 20, 3))
    >>> r_x.shape
    torch.Size([2, 20, 3])
    """

    def __init__(
        self,
        lstm: nn.LSTM | CellWeights,
        head: nn.Linear,
        rule: str = "all",
        eps: float = 1e-3,
        bias_factor: float = 0.0,
    ) -> None:
        if rule not in SPLITS:
            raise ValueError(f"unknown rule {rule!r}: choose one of {', '.join(SPLITS)}")
        if not eps > 0 or not 0 <= bias_factor <= 1:
            raise ValueError(
                f"eps {eps} must be above 0, bias_factor {bias_factor} between 0 and 1"
            )
        self.cell = lstm if isinstance(lstm, CellWeights) else CellWeights.of(lstm)
        if head.in_features != self.cell.hidden:
            raise ValueError(
                f"the head takes {head.in_features} units, the LSTM has {self.cell.hidden}"
            )
        self.head, self.rule, self.eps, self.bias_factor = head, rule, eps, bias_factor

    def relevance(
        self, x: Tensor, target: int = 0, *, state: State | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Explain an output: relevance of inputs and of the states before the first step.

        Parameters are those of `explain`.

        Returns
        -------
        x, h_0, c_0 : Tensor
            (B, T, I), (B, H), (B, H).
        """
        return self.explain(x, target, state=state)[:3]

    @torch.no_grad()
    def explain(
        self,
        x: Tensor,
        target: int = 0,
        *,
        state: State | None = None,
        origin: Tensor | None = None,
        start: Tensor | None = None,
    ) -> Relevance:
        """Explain an output, and tell what is left over.

        Parameters
        ----------
        x : Tensor
            Inputs, (B, T, I).
        target : int
            Which output of the head.
        state : tuple of Tensor, optional
            Hidden and cell state (B, H) before the first step; zero by default.
        origin : Tensor, optional
            From where inputs are counted, broadcast to x: inputs equal to it have nothing to
            hand on, and what they do at the origin counts as bias. Zero by default.
        start : Tensor, optional
            Relevance of the last hidden state, (B, H), to be shared out instead of the output
            (its part above a reference, for example).

        Returns
        -------
        Relevance
            Of inputs, states and static gate; score; what was kept.

        Raises
        ------
        ValueError
            Wrong shapes, an empty batch or sequence, NaN or infinity.
        """
        self._require(x, target)
        known = trace(self.cell, x, state)
        h, w, b = known.h[-1], self.head.weight[[target]], self.head.bias
        bias = w.new_zeros(1) if b is None else b[[target]]
        score = h @ w.T + bias  # (B, 1)
        explained = score[:, 0] if start is None else start.sum(-1)
        if start is None:
            units = self.cell.hidden
            start = lrp_linear(h, w, bias, score, score, units, self.eps, self.bias_factor)
        counted, offset = x, self.cell.bias
        if origin is not None:
            away = torch.as_tensor(origin).to(x).expand_as(x)
            counted, offset = x - away, offset + away.transpose(0, 1) @ self.cell.w_ih.T
        rules = Rules(self.rule, self.eps, self.bias_factor)
        r_x, r_h, r_c, r_gate = walk_back(
            self.cell, known, counted.transpose(0, 1), offset, start, rules
        )
        r_x = r_x.transpose(0, 1)
        kept = explained - r_x.sum((1, 2)) - (r_h + r_c + r_gate).sum(1)
        return Relevance(r_x, r_h, r_c, r_gate, score[:, 0], kept)

    def _require(self, x: Tensor, target: int) -> None:
        inputs = self.cell.w_ih.shape[1]
        if x.ndim != 3 or x.shape[2] != inputs or 0 in x.shape[:2]:
            raise ValueError(
                f"x is {tuple(x.shape)}: this LSTM needs (B, T, {inputs}) with B and T at least 1"
            )
        if not torch.isfinite(x).all():
            raise ValueError("x holds NaN or infinity: fill it before")
        if not 0 <= target < self.head.out_features:
            raise ValueError(f"target is {target}, but the head has {self.head.out_features}")
