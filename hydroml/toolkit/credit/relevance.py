r"""Layer-wise relevance propagation through RUDDER's reduced LSTM.

The cell is a sum, ``c_T = sum_t i_t z_t``, and the input gate takes no relevance (rule "all"), so

.. math::
    R^c_{t-1} = \mathrm{lin}(c_{t-1}, I, 0, c_t, R^c_t, 2H) \quad
    R^z_t = \mathrm{lin}(i_t z_t, I, 0, c_t, R^c_t, 2H) \quad
    R^x_t = \mathrm{lin}(x_t, W, b_z, W x_t + b_z, R^z_t, F)

with "lin" the rule of `lrp_linear`. At the first step nothing but z feeds the cell, N = H. Without
stabilisers a step gets, through z, ``w . (i_t z_t)``: the same as the difference of predictions.
"""

import torch
from torch import Tensor, nn

from hydroml.toolkit.attribution.lrp_rules import lrp_linear, signs
from hydroml.toolkit.credit.reduced_cell import is_reduced, reduced_memory
from hydroml.toolkit.credit.return_predictor import within
from hydroml.toolkit.recurrent.flex_lstm import FlexLSTM

__all__ = ["reduced_relevance"]


@torch.no_grad()
def reduced_relevance(
    lstm: FlexLSTM,
    head: nn.Linear,
    x: Tensor,
    lengths: Tensor | None = None,
    eps: float = 1e-3,
    bias_factor: float = 0.0,
) -> Tensor:
    """Hand the last prediction back to the inputs of every step.

    Parameters
    ----------
    lstm : FlexLSTM
        As `reduced_lstm` makes it.
    head : nn.Linear
        From cells to one number.
    x : Tensor
        (B, T, F).
    lengths : Tensor, optional
        Steps of each sequence, (B,); T by default.
    eps, bias_factor : float
        As in `lrp_linear`: with ``bias_factor=0`` biases keep their part, with 1 relevance sums
        to the last prediction.

    Returns
    -------
    Tensor
        Relevance, (B, T, F), in units of the prediction; 0 after the end.

    Raises
    ------
    ValueError
        A cell with more connections than the reduced one.

    References
    ----------
    Rules: Arras et al. (2019), arXiv:1909.12114, section 11.2.
    """
    if not is_reduced(lstm):
        raise ValueError(f"{lstm} is not the reduced cell; explain others by integrated gradients")
    if lengths is None:
        lengths = torch.full(x.shape[:1], x.shape[1], device=x.device)
    alive = within(lengths, x)
    x = x.masked_fill(~alive[..., None], 0.0)
    weights, _, bias = lstm.weights("g")
    assert weights is not None
    c = reduced_memory(lstm, x)
    stored = torch.diff(c, dim=1, prepend=torch.zeros_like(c[:, :1]))  # i_t z_t
    last = c[torch.arange(len(x), device=x.device), lengths.to(x.device) - 1]
    score, hidden = head(last), lstm.hidden
    start = lrp_linear(last, head.weight, head.bias, score, score, hidden, eps, bias_factor)
    final = (torch.arange(x.shape[1], device=x.device) == lengths.to(x.device)[:, None] - 1)[
        ..., None
    ]
    r_c, r_z = torch.zeros_like(last), torch.zeros_like(c)
    for t in range(x.shape[1] - 1, -1, -1):
        r_c = torch.where(final[:, t], start, r_c)
        units = 2 * hidden if t else hidden
        sign = signs(c[:, t])
        share = r_c / (c[:, t] + eps * sign)
        even = bias_factor * eps / units * (sign * share).sum(1, keepdim=True)
        r_z[:, t] = stored[:, t] * share + even
        r_c = (c[:, t] - stored[:, t]) * share + even
    # after the end r_c was still 0, and so is everything handed on
    z = torch.nn.functional.linear(x, weights, bias)
    return lrp_linear(x, weights, bias, z, r_z, x.shape[2], eps, bias_factor) * alive[..., None]
