r"""Integrated gradients: what each input adds to an output, against a baseline.

With a function f of an input x, and a baseline x' that stands for "nothing happened",

.. math::
    a_i = (x_i - x'_i) \int_0^1 \frac{\partial f}{\partial x_i}
          \bigl(x' + \alpha (x - x')\bigr)\, d\alpha
    \qquad \sum_i a_i = f(x) - f(x')

The equation on the right is *completeness*: the attributions share out the difference of the
outputs, and nothing else. Where the gradient at x itself is zero because f has saturated, the
gradients on the way there are not. The integral is a weighted sum over some values of alpha; what
the sum misses of completeness is handed back as the gap.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hydroml.toolkit.attribution.quadrature import nodes_and_weights
from hydroml.toolkit.card import Card

CARD = Card(
    name="integrated_gradients",
    title="Integrated gradients",
    paper="Sundararajan, Taly, Yan (2017): Axiomatic attribution for deep networks. ICML, "
    "arXiv:1703.01365",
    year=2017,
    answers="How much did each input contribute to this output, compared with a baseline?",
    inputs="a callable on tensors (B, ...), the inputs, baselines of the same shapes",
    outputs="attributions shaped like the inputs, in units of the output; completeness gap (B,)",
    hydrology="hydroml explain: which days and which inputs made this flood or low flow",
    claim="complete to rounding where the integral is exact; sensitivity, implementation "
    "invariance and linearity hold; finds the two numbers an LSTM has added",
    choices=(
        "rule: Gauss-Legendre by default; the paper's Riemann sums are there, too",
        "baseline: zero where none is given; what nothing means is the caller's to say",
        "all (step, sample) pairs are rows of ordinary batches, at most at_once in a call",
    ),
)

Index = int | tuple[int, ...] | Tensor | None


class Attributions(NamedTuple):
    """What the inputs contributed, and how complete the account is.

    Parameters
    ----------
    attributions : Tensor or tuple of Tensor
        Like the inputs, in units of the output.
    gap : Tensor
        ``output - baseline_output - sum of attributions``, (B,).
    output, baseline_output : Tensor
        f at the inputs and at the baselines, (B,).
    """

    attributions: "Tensor | tuple[Tensor, ...]"
    gap: Tensor
    output: Tensor
    baseline_output: Tensor


class _Path(NamedTuple):
    """A straight line from baselines to inputs, and what stays the same along it."""

    start: tuple[Tensor, ...]
    step: tuple[Tensor, ...]
    fixed: tuple[Tensor, ...]


def integrated_gradients(
    f: Callable[..., Tensor],
    inputs: Tensor | Sequence[Tensor],
    baselines: Tensor | float | Sequence[Tensor | float] | None = None,
    *,
    steps: int = 64,
    method: str = "gausslegendre",
    target: Index = None,
    fixed: Sequence[Tensor] = (),
    at_once: int = 256,
) -> Attributions:
    r"""Attribute the outputs of any differentiable function to its inputs.

    Works on hydroml's LSTMs, whose ways back are written by hand, and on torch's: on a GPU cuDNN
    is switched off for the call, as it has no backward in evaluation mode. Parameters of a
    module take no part. Samples must not act upon each other (no batch norm in training mode),
    and f must give the same for the same (no dropout).

    Parameters
    ----------
    f : callable
        ``f(*inputs, *fixed)``, batch first, to outputs (B,), (B, 1) or (B, ...) with `target`.
    inputs : Tensor or sequence of Tensor
        What to attribute to, (B, ...) each, floating point.
    baselines : Tensor, float or a sequence of them, optional
        One for each input, of its shape or one that broadcasts to it; zero by default.
    steps : int
        Points of the sum, at least 1 (2 for the trapezoid). Twice as many cost twice as much.
    method : str
        ``gausslegendre``, ``riemann_left``, ``riemann_right``, ``riemann_middle`` or
        ``riemann_trapezoid``. Gauss-Legendre with n points is exact for gradients that are
        polynomials of degree 2 n - 1 along the path.
    target : int, tuple of int or Tensor, optional
        Which output: an index behind the batch, or one for each sample, (B,). Not needed for
        outputs (B,) or (B, 1).
    fixed : sequence of Tensor
        Further arguments of f, (B, ...), not attributed to (the state of an LSTM, a mask).
    at_once : int
        Rows (samples times steps) in a call of f, at least 1: bounds the memory. The result is
        the same to rounding.

    Returns
    -------
    Attributions
        Attributions (a tensor where `inputs` is one, else a tuple), gap, and both outputs;
        none of them carries a gradient.

    Raises
    ------
    TypeError
        An input that is no floating-point tensor.
    ValueError
        Shapes that do not fit, an empty batch, NaN or infinity in inputs or outputs, an unknown
        method, too few steps, an output without a target, f not differentiable.

    References
    ----------
    Sundararajan et al. (2017), arXiv:1703.01365, eq. 1 and section 5.

    Examples
    --------
    >>> x = torch.tensor([[1.0, 2.0, 3.0]])
    >>> found = integrated_gradients(lambda x: x[:, 0] * x[:, 1] + x[:, 2], x)
    >>> found.attributions.round(decimals=4)
    tensor([[1., 1., 3.]])
    >>> bool(found.gap.abs() < 1e-5)
    True
    """
    alone = isinstance(inputs, Tensor)
    given: tuple[Tensor, ...] = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    _require_inputs(given, tuple(fixed))
    if at_once < 1:
        raise ValueError(f"at_once is {at_once}: a call of f takes at least 1 row")
    if isinstance(target, Tensor) and target.ndim and target.shape != given[0].shape[:1]:
        raise ValueError(
            f"target is {tuple(target.shape)} for {len(given[0])} samples: give one index a sample"
        )
    start = _baselines_for(given, baselines)
    path = _Path(start, tuple(x - b for x, b in zip(given, start, strict=True)), tuple(fixed))
    alphas, weights = (v.to(given[0]) for v in nodes_and_weights(method, steps))
    with _frozen(f), _without_cudnn(given[0].device):
        output = _outputs(f, path, 1.0, target, at_once)
        baseline_output = _outputs(f, path, 0.0, target, at_once)
        means = _mean_gradients(f, path, alphas, weights, target, at_once)
    found = tuple(mean * step for mean, step in zip(means, path.step, strict=True))
    total = torch.stack([a.reshape(len(a), -1).sum(1) for a in found]).sum(0)
    gap = output - baseline_output - total
    return Attributions(found[0] if alone else found, gap, output, baseline_output)


def _mean_gradients(
    f: Callable[..., Tensor],
    path: _Path,
    alphas: Tensor,
    weights: Tensor,
    target: Index,
    at_once: int,
) -> tuple[Tensor, ...]:
    """Integrate gradients along the path; rows are (step, sample) pairs, the sample fastest."""
    batch = len(path.start[0])
    total = tuple(torch.zeros_like(x) for x in path.start)
    for begin in range(0, len(alphas) * batch, at_once):
        row = torch.arange(begin, min(begin + at_once, len(alphas) * batch), device=alphas.device)
        step, sample = torch.div(row, batch, rounding_mode="floor"), row % batch
        points = [p.requires_grad_() for p in _at(path, alphas[step], sample)]
        with torch.enable_grad():
            y = _select(f(*points, *(v[sample] for v in path.fixed)), _for(target, sample))
            _require_graph(y)
            gradients = torch.autograd.grad(y.sum(), points, materialize_grads=True)
        for into, gradient in zip(total, gradients, strict=True):
            into.index_add_(0, sample, gradient * _beside(weights[step], gradient))
    return total


@torch.no_grad()
def _outputs(
    f: Callable[..., Tensor], path: _Path, alpha: float, target: Index, at_once: int
) -> Tensor:
    """Evaluate f at one point of the path, (B,)."""
    parts = []
    for sample in torch.arange(len(path.start[0]), device=path.start[0].device).split(at_once):
        where = path.start[0].new_full((len(sample),), alpha)
        y = f(*_at(path, where, sample), *(v[sample] for v in path.fixed))
        parts.append(_select(y, _for(target, sample)))
    y = torch.cat(parts)
    if not torch.isfinite(y).all():
        place = "inputs" if alpha else "baselines"
        raise ValueError(f"f is NaN or infinite at the {place}: nothing can be attributed")
    return y


def _at(path: _Path, alpha: Tensor, sample: Tensor) -> list[Tensor]:
    return [
        b[sample].addcmul(_beside(alpha, d), d[sample])
        for b, d in zip(path.start, path.step, strict=True)
    ]


def _beside(values: Tensor, array: Tensor) -> Tensor:
    """Turn (n,) into (n, 1, ...), to go with an array (n, ...)."""
    return values.view(-1, *[1] * (array.ndim - 1))


def _for(target: Index, sample: Tensor) -> Index:
    return target[sample] if isinstance(target, Tensor) and target.ndim else target


def _select(y: Tensor, target: Index) -> Tensor:
    """Pick one output a row, (n,)."""
    if target is None:
        if y.ndim == 2 and y.shape[1] == 1:
            return y[:, 0]
        if y.ndim != 1:
            raise ValueError(f"f gives {tuple(y.shape)}: say with target= which output to explain")
        return y
    if isinstance(target, Tensor) and target.ndim:
        if y.ndim != 2 or not ((target >= 0) & (target < y.shape[1])).all():
            raise ValueError(f"one index a sample needs outputs (B, more), not {tuple(y.shape)}")
        return y.gather(1, target.to(y.device)[:, None])[:, 0]
    index = target if isinstance(target, tuple) else (int(target),)
    if len(index) != y.ndim - 1:
        raise ValueError(f"target {index} does not pick one output out of {tuple(y.shape)}")
    for place, size in zip(index, y.shape[1:], strict=True):
        if not -size <= place < size:
            raise ValueError(f"target {index} is outside the outputs {tuple(y.shape)}")
    for place in index:
        y = y.select(1, place)
    return y


def _baselines_for(
    inputs: tuple[Tensor, ...], baselines: Tensor | float | Sequence[Tensor | float] | None
) -> tuple[Tensor, ...]:
    if baselines is None:
        return tuple(torch.zeros_like(x) for x in inputs)
    given = [baselines] if isinstance(baselines, Tensor | float | int) else list(baselines)
    if len(given) != len(inputs):
        raise ValueError(f"{len(given)} baselines for {len(inputs)} inputs: give one for each")
    return tuple(_expand(b, x) for b, x in zip(given, inputs, strict=True))


def _expand(baseline: Tensor | float, x: Tensor) -> Tensor:
    values = torch.as_tensor(baseline, dtype=x.dtype, device=x.device).detach()
    try:
        values = values.expand_as(x)
    except RuntimeError:
        raise ValueError(
            f"a baseline {tuple(values.shape)} does not broadcast to its input {tuple(x.shape)}"
        ) from None
    if not torch.isfinite(values).all():
        raise ValueError("a baseline holds NaN or infinity: fill it before")
    return values


def _require_inputs(inputs: tuple[Tensor, ...], fixed: tuple[Tensor, ...]) -> None:
    if not inputs:
        raise ValueError("there is no input to attribute to")
    for x in inputs:
        if not isinstance(x, Tensor) or not x.is_floating_point():
            what = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(f"inputs must be floating-point tensors, not {what}")
    sizes = {x.shape[0] if x.ndim else 0 for x in (*inputs, *fixed)}
    if len(sizes) != 1 or sizes == {0}:
        raise ValueError(f"inputs and fixed need one batch axis of the same length, not {sizes}")
    if not all(torch.isfinite(x).all() for x in inputs):
        raise ValueError("an input holds NaN or infinity: fill it before")


def _require_graph(y: Tensor) -> None:
    if not y.requires_grad:
        raise ValueError("f has no gradient by its inputs: is there a detach or no_grad inside?")
    if not torch.isfinite(y).all():
        raise ValueError("f is NaN or infinite between baselines and inputs")


@contextmanager
def _frozen(f: Callable[..., Tensor]) -> Iterator[None]:
    """Let no parameter of a module ask for a gradient: the way back is shorter without them."""
    parameters = list(f.parameters()) if isinstance(f, nn.Module) else []
    asked = [p.requires_grad for p in parameters]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, before in zip(parameters, asked, strict=True):
            parameter.requires_grad_(before)


def _without_cudnn(device: torch.device) -> AbstractContextManager[object]:
    """Switch cuDNN off where it would be used; the switch is global, so not elsewhere."""
    return torch.backends.cudnn.flags(enabled=False) if device.type == "cuda" else nullcontext()
