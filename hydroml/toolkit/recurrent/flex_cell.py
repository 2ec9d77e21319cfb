"""The recurrence of the flexible LSTM (see `hydroml.toolkit.recurrent.flex_lstm`)."""

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Callable[[Tensor], Tensor]
Connections = tuple[bool, bool]
"""Whether an inlet has forward weights, and whether it has recurrent weights."""
Inlet = Literal["i", "f", "g", "o"]

INLETS: tuple[Inlet, ...] = ("i", "f", "g", "o")
"""Input gate, forget gate, cell input, output gate: the order of `torch.nn.LSTM`."""


def _identity(x: Tensor) -> Tensor:
    return x


ACTIVATIONS: dict[str, Activation] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "softsign": F.softsign,
    "identity": _identity,
}
"""Activations that have a name; any other is given as a function."""


class FlexLSTM(nn.Module):
    r"""LSTM layer in which every connection is optional.

    Parameters
    ----------
    input_size : int
        Number of inputs F.
    hidden : int
        Number of cells H.
    w_ci, w_ig : (bool, bool)
        Whether the cell input and the input gate have forward and recurrent weights.
    w_og, w_fg : (bool, bool) or None
        The same of the output and the forget gate; None for no gate: it is 1.
    a_ci, a_ig, a_og, a_fg, a_out : str or callable
        Activation of each inlet and of the cell state: a key of `ACTIVATIONS` or a function of
        one tensor.
    return_internals : bool
        Whether to hand back c, i, f, o, g of every step, too.
    device, dtype
        Of the weights.

    Attributes
    ----------
    w_forward : Parameter (H · inlets with forward weights, F)
    w_recurrent : Parameter (H · inlets with recurrent weights, H)
    bias : Parameter (H · inlets that exist)
        Each in the order of `INLETS`; what is cut takes no room. `weights` gives those of one
        inlet.

    Raises
    ------
    ValueError
        A size below 1, an unknown activation, or no connection at all.

    References
    ----------
    Hochreiter and Schmidhuber (1997), doi 10.1162/neco.1997.9.8.1735; reduced cell of RUDDER:
    Arjona-Medina et al. (2019), arXiv:1806.07857.

    Examples
    --------
    >>> cell = FlexLSTM(3, 8, w_ci=(True, False), w_ig=(False, True), w_og=None, w_fg=None)
    >>> h, inner = cell(torch.zeros(2, 10, 3))
    >>> h.shape, sorted(inner)
    (torch.Size([2, 10, 8]), ['c', 'c_n', 'f', 'g', 'h_n', 'i', 'o'])
    >>> bool((inner["f"] == 1).all())
    True
    """

    def __init__(
        self,
        input_size: int,
        hidden: int,
        w_ci: Connections = (True, True),
        w_ig: Connections = (True, True),
        w_og: Connections | None = (True, True),
        w_fg: Connections | None = (True, True),
        a_out: str | Activation = "tanh",
        return_internals: bool = True,
        *,
        a_ci: str | Activation = "tanh",
        a_ig: str | Activation = "sigmoid",
        a_og: str | Activation = "sigmoid",
        a_fg: str | Activation = "sigmoid",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if min(input_size, hidden) < 1:
            raise ValueError(f"input_size {input_size} and hidden {hidden} must be 1 or more")
        self.input_size, self.hidden, self.return_internals = input_size, hidden, return_internals
        self.connections: dict[Inlet, Connections] = {
            inlet: (bool(wires[0]), bool(wires[1]))
            for inlet, wires in zip(INLETS, (w_ig, w_fg, w_ci, w_og), strict=True)
            if wires is not None
        }
        self.activations: dict[Inlet, Activation] = {
            inlet: _activation(wanted)
            for inlet, wanted in zip(INLETS, (a_ig, a_fg, a_ci, a_og), strict=True)
        }
        self.a_out = _activation(a_out)
        self._forward = [k for k, (forward, _) in self.connections.items() if forward]
        self._recurrent = [k for k, (_, recurrent) in self.connections.items() if recurrent]
        if not self._forward:
            raise ValueError("no inlet sees the inputs: give one forward weights, (True, ...)")

        def weight(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(*shape, device=device, dtype=dtype))

        self.w_forward = weight(len(self._forward) * hidden, input_size)
        self.w_recurrent = weight(len(self._recurrent) * hidden, hidden)
        self.bias = weight(len(self.connections) * hidden)
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        r"""Draw all weights as `torch.nn.LSTM` does, from U(-1/√H, 1/√H).

        Parameters
        ----------
        generator : torch.Generator, optional
            Source of randomness.
        """
        bound = self.hidden**-0.5
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-bound, bound, generator=generator)

    def initialise_(
        self,
        weight_std: float,
        biases: Mapping[Inlet, float | tuple[float, float]] | None = None,
        generator: torch.Generator | None = None,
    ) -> "FlexLSTM":
        """Draw weights from N(0, weight_std²) and set or draw biases.

        Parameters
        ----------
        weight_std : float
            Standard deviation of forward and recurrent weights.
        biases : mapping, optional
            Inlet to its bias: a number, or (mean, standard deviation) of a normal distribution.
            Others are 0.
        generator : torch.Generator, optional
            Source of randomness.

        Returns
        -------
        FlexLSTM
            The same cell.

        Raises
        ------
        KeyError
            A bias of an inlet that this cell does not have.
        """
        with torch.no_grad():
            for parameter in (self.w_forward, self.w_recurrent):
                parameter.normal_(0.0, weight_std, generator=generator)
            self.bias.zero_()
            for inlet, wanted in (biases or {}).items():
                mean, std = wanted if isinstance(wanted, tuple) else (wanted, 0.0)
                self.weights(inlet)[2].normal_(mean, std, generator=generator)
        return self

    def weights(self, inlet: Inlet) -> tuple[Tensor | None, Tensor | None, Tensor]:
        """Give forward weights, recurrent weights and bias of one inlet, as views.

        Parameters
        ----------
        inlet : str
            ``i``, ``f``, ``g`` or ``o``.

        Returns
        -------
        tuple
            (H, F) or None, (H, H) or None, (H).

        Raises
        ------
        KeyError
            This cell has no such inlet.
        """
        if inlet not in self.connections:
            raise KeyError(f"no inlet {inlet!r}; this cell has {', '.join(self.connections)}")

        def part(of: Tensor, inlets: list[Inlet]) -> Tensor:
            return of.view(len(inlets), self.hidden, *of.shape[1:])[inlets.index(inlet)]

        return (
            part(self.w_forward, self._forward) if inlet in self._forward else None,
            part(self.w_recurrent, self._recurrent) if inlet in self._recurrent else None,
            part(self.bias, list(self.connections)),
        )

    def forward(
        self,
        x: Tensor,
        state: tuple[Tensor, Tensor] | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Run over a batch of sequences.

        Parameters
        ----------
        x : Tensor
            Inputs, (B, T, F). A NaN makes NaN of its own sequence from that step on.
        state : tuple of Tensor, optional
            Hidden and cell state before the first step, (B, H) each; default 0.
        lengths : Tensor, optional
            Steps of each sequence, whole numbers 0 to T, (B); default T. What `x` holds after
            the end is not read.

        Returns
        -------
        h : Tensor
            Hidden states, (B, T, H); 0 after the end of a sequence.
        internals : dict of Tensor
            ``h_n`` and ``c_n``, the state after each sequence's last step, (B, H); with
            `return_internals` also ``c``, ``i``, ``f``, ``o``, ``g``, (B, T, H) each.

        Raises
        ------
        ValueError
            Shapes that do not fit, or lengths outside 0 to T.
        """
        h, c = self._refuse_or_start(x, state)
        alive = None if lengths is None else _alive(lengths, x)
        if alive is not None:  # padding may hold anything, NaN as well
            x = x.masked_fill(~alive, 0.0)
        alone, waiting = self._without_recurrence(x)
        steps: list[dict[str, Tensor]] = []
        for t in range(x.shape[1]):
            k: dict[str, Tensor] = {inlet: values[t] for inlet, values in alone.items()}
            if self._recurrent:
                loops = F.linear(h, self.w_recurrent).chunk(len(self._recurrent), dim=1)
                for inlet, loop in zip(self._recurrent, loops, strict=True):
                    k[inlet] = self.activations[inlet](waiting[inlet][t] + loop)
            stored = k["i"] * k["g"]
            new_c = c + stored if "f" not in k else torch.addcmul(stored, k["f"], c)
            new_h = self.a_out(new_c) if "o" not in k else k["o"] * self.a_out(new_c)
            if alive is None:
                h, c = new_h, new_c
            else:  # a state that has ended stays as it is
                h = torch.where(alive[:, t], new_h, h)
                c = torch.where(alive[:, t], new_c, c)
            inner = {"c": c, **k} if self.return_internals else {}
            steps.append({"h": h, **inner})
        series = self._stack(steps, alive)
        return series.pop("h"), {"h_n": h, "c_n": c, **series}

    def _without_recurrence(
        self, x: Tensor
    ) -> tuple[dict[Inlet, tuple[Tensor, ...]], dict[Inlet, tuple[Tensor, ...]]]:
        """Do what needs no last output, for all steps at once: one product for all inlets.

        Inlets without recurrent weights are finished here (first dict); those with wait for
        their loop (second dict). Each is a tuple of T tensors (B, H).
        """
        seen = F.linear(x.transpose(0, 1), self.w_forward).chunk(len(self._forward), dim=2)
        forward = dict(zip(self._forward, seen, strict=True))
        alone: dict[Inlet, tuple[Tensor, ...]] = {}
        waiting: dict[Inlet, tuple[Tensor, ...]] = {}
        shape = (x.shape[1], x.shape[0], self.hidden)
        for inlet in self.connections:
            bias = self.weights(inlet)[2]
            sums = forward[inlet] + bias if inlet in forward else bias
            if inlet in self._recurrent:
                waiting[inlet] = sums.expand(shape).unbind(0)
            else:
                alone[inlet] = self.activations[inlet](sums).expand(shape).unbind(0)
        return alone, waiting

    def _stack(self, steps: list[dict[str, Tensor]], alive: Tensor | None) -> dict[str, Tensor]:
        """Make (B, T, H) of the steps; gates that are off are 1, and all is 0 after the end."""
        series = {name: torch.stack([s[name] for s in steps], dim=1) for name in steps[0]}
        if self.return_internals:
            for gate in {"f", "o"} - set(self.connections):
                series[gate] = torch.ones_like(series["h"])
        if alive is not None:
            series = {name: value.masked_fill(~alive, 0.0) for name, value in series.items()}
        return series

    def _refuse_or_start(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        if x.ndim != 3 or x.shape[2] != self.input_size or not x.shape[1]:
            raise ValueError(
                f"x has shape {tuple(x.shape)}; it must be (batch, steps >= 1, {self.input_size})"
            )
        wanted = (x.shape[0], self.hidden)
        if state is None:
            start = x.new_zeros(wanted)
            return start, start
        h, c = state
        if h.shape != wanted or c.shape != wanted:
            raise ValueError(
                f"state has shapes {tuple(h.shape)} and {tuple(c.shape)}; each must be {wanted}"
            )
        return h, c

    def extra_repr(self) -> str:
        """Name sizes and connections where the module is printed."""
        wires = ", ".join(f"{k}={v}" for k, v in self.connections.items())
        return f"{self.input_size}, {self.hidden}, {wires}"


def _activation(wanted: str | Activation) -> Activation:
    if callable(wanted):
        return wanted
    if wanted not in ACTIVATIONS:
        raise ValueError(f"no activation {wanted!r}: give a function or {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[wanted]


def _alive(lengths: Tensor, x: Tensor) -> Tensor:
    """Tell for every sequence and step whether it is before the end, (B, T, 1)."""
    batch, steps = x.shape[:2]
    if lengths.shape != (batch,) or lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise ValueError(
            f"lengths are {lengths.dtype} of shape {tuple(lengths.shape)}; they must be whole "
            f"numbers of shape ({batch},)"
        )
    if batch and not 0 <= int(lengths.min()) <= int(lengths.max()) <= steps:
        raise ValueError(f"lengths go from {int(lengths.min())} to {int(lengths.max())}; x has "
                         f"{steps} steps")  # fmt: skip
    return (torch.arange(steps, device=x.device) < lengths.to(x.device)[:, None])[..., None]
