"""hydroml's models as the toolkit's relevance propagation wants them."""

from torch import Tensor, nn

from hydroml.models.ealstm import EALSTM
from hydroml.models.lstm import LSTM
from hydroml.toolkit.attribution.lrp import CellWeights


def cell_of(model: nn.Module, x_s: Tensor) -> CellWeights:
    """Take the weights of a model's cell, for one basin.

    The static attributes of an ordinary LSTM are the same on every day and go into the bias:
    they are held, as in the world that the event is compared with. (With the attributes joined
    to the inputs instead, `hydroml.toolkit.LSTMLRP` gives them relevance, too.)

    Parameters
    ----------
    model : LSTM or EALSTM
        A hydroml model.
    x_s : Tensor
        Standardised attributes of the basin, (S,).

    Returns
    -------
    CellWeights
        On the daily inputs, without gradients.

    Raises
    ------
    TypeError
        Another model.

    Examples
    --------
    >>> import torch
    >>> cell_of(EALSTM(dynamic=5, static=27, hidden=16), torch.zeros(27)).static_gate.shape
    torch.Size([16])
    """
    if isinstance(model, EALSTM):
        gate = model.static_gate(x_s[None])[0].detach()
        return CellWeights(model.w_ih.detach(), model.w_hh.detach(), model.bias.detach(), gate)
    if isinstance(model, LSTM):
        w_ih, bias = model.w_ih.detach(), model.bias.detach()
        dynamic = w_ih.shape[1] - model.static
        if model.static:
            bias = bias + w_ih[:, dynamic:] @ x_s
        return CellWeights(w_ih[:, :dynamic], model.w_hh.detach(), bias)
    raise TypeError(f"relevance propagation knows LSTM and EALSTM, not {type(model).__name__}")
