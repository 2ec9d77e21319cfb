r"""The reduced LSTM's recurrence with its way back written out: a few times faster on a CPU.

.. math::
    c_t = c_{t-1} + i_t \odot z_t \quad i_t = \sigma(R c_{t-1} + b)

With dc_t the loss's gradient by c_t as far as it comes from steps t and later, and
``a_t = dc_t * z_t * i_t * (1 - i_t)`` that by the gate's pre-activation,

.. math::
    dc_{t-1} = dL/dc_{t-1} + dc_t + R^\top a_t \quad dz_t = i_t\,dc_t \quad
    dR = \sum_t a_t c_{t-1}^\top \quad db = \sum_t a_t.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hydroml.toolkit.recurrent.flex_lstm import FlexLSTM

__all__ = ["is_reduced", "reduced_memory"]


def is_reduced(lstm: FlexLSTM) -> bool:
    """Tell whether a cell has the reduced one's connections and no others."""
    return lstm.connections == {"i": (False, True), "g": (True, False)}


def reduced_memory(lstm: FlexLSTM, x: Tensor) -> Tensor:
    """Run the reduced cell over whole sequences, as calling it does.

    Parameters
    ----------
    lstm : FlexLSTM
        As `reduced_lstm` makes it.
    x : Tensor
        (B, T, F); nothing of it is padding.

    Returns
    -------
    Tensor
        c, which is h, too: (B, T, H). Differentiable once.

    Raises
    ------
    ValueError
        A cell with other connections, or inputs that are not (B, T, F).
    """
    if not is_reduced(lstm):
        raise ValueError(f"{lstm} is not the reduced cell")
    if x.ndim != 3 or x.shape[2] != lstm.input_size or not x.shape[1]:
        raise ValueError(
            f"x has shape {tuple(x.shape)}; it must be (batch, steps >= 1, {lstm.input_size})"
        )
    w, _, b_z = lstm.weights("g")
    _, r, b_i = lstm.weights("i")
    assert w is not None
    z = torch.nn.functional.linear(x.transpose(0, 1), w, b_z).tanh()
    c: Tensor = _Recurrence.apply(z, r, b_i)  # type: ignore[no-untyped-call]
    return c.transpose(0, 1)


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, r: Tensor, b: Tensor) -> Tensor:
        c = z.new_zeros(len(z) + 1, *z.shape[1:])
        i = torch.empty_like(z)
        r_t, cs = r.T, c.unbind(0)
        for t, (i_t, z_t) in enumerate(zip(i.unbind(0), z.unbind(0), strict=True)):
            torch.addmm(b, cs[t], r_t, out=i_t)
            i_t.sigmoid_()
            torch.addcmul(cs[t], i_t, z_t, out=cs[t + 1])
        ctx.save_for_backward(z, r, i, c)
        return c[1:]

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, from_loss: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z, r, i, c = ctx.saved_tensors
        slope = z * i * (1 - i)
        dc, a = torch.empty_like(z), torch.empty_like(z)
        later = torch.zeros_like(z[0])
        steps = zip(*(each.unbind(0)[::-1] for each in (from_loss, slope, dc, a)), strict=True)
        for from_loss_t, slope_t, dc_t, a_t in steps:
            torch.add(from_loss_t, later, out=dc_t)
            torch.mul(dc_t, slope_t, out=a_t)
            torch.addmm(dc_t, a_t, r, out=later)
        d_r = a.flatten(0, 1).T @ c[:-1].flatten(0, 1)
        return dc * i, d_r, a.sum((0, 1))
