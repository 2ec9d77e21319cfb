"""What the layers of any module compute on the way: hooks by layer name, always removed again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

Pool = Callable[[Tensor], Tensor]

POOLS: dict[str, Pool] = {
    "space": lambda x: x.flatten(2).mean(-1) if x.ndim > 2 else x,
    "time": lambda x: x.mean(1) if x.ndim > 2 else x,
    "last": lambda x: x[:, -1] if x.ndim > 2 else x,
    "none": lambda x: x.flatten(1),
}
"""How a layer's output becomes one vector a sample: the mean over what follows the channels
(B, C, ...), the mean over steps (B, T, D), the last of them, or everything side by side."""


def layer_features(
    backbone: nn.Module, layers: Sequence[str], x: Tensor, pool: str | Pool = "space"
) -> dict[str, Tensor]:
    """Run a frozen module and keep one feature vector a sample from each of several layers.

    The module runs in evaluation mode and without gradients, and is left as it was.

    Parameters
    ----------
    backbone : nn.Module
        Any module.
    layers : sequence of str
        Names as in ``backbone.named_modules()``; the empty name is the module itself. Of a layer
        that returns several tensors, as ``nn.LSTM`` does, the first is taken.
    x : Tensor
        What the module is called with, (B, ...).
    pool : str or callable
        Key of `POOLS`, or any function from a layer's output (B, ...) to (B, D).

    Returns
    -------
    dict of Tensor
        By layer, (B, D).

    Raises
    ------
    ValueError
        No layer of that name, a layer that was not run, an unknown pooling, features that are
        not one finite vector a sample.

    Examples
    --------
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    >>> found = layer_features(net, ["1", "3"], torch.zeros(5, 1, 4, 4))
    >>> {name: tuple(f.shape) for name, f in found.items()}
    {'1': (5, 4), '3': (5, 2)}
    """
    reduce = pool_named(pool) if isinstance(pool, str) else pool
    found: dict[str, Tensor] = {}
    with _hooked(backbone, require_layers(backbone, layers), found), _evaluating(backbone):
        backbone(x)
    silent = [name for name in layers if name not in found]
    if silent:
        raise ValueError(f"layer {silent[0]!r} gave no tensor in this call: choose one that runs")
    features = {name: reduce(found[name]) for name in layers}
    for name, f in features.items():
        if f.ndim != 2 or len(f) != len(x):
            raise ValueError(
                f"pooled features of layer {name!r} have shape {tuple(f.shape)}, not "
                f"({len(x)}, D): choose another pooling ({', '.join(POOLS)})"
            )
        if not torch.isfinite(f).all():
            raise ValueError(f"features of layer {name!r} are not finite: check the input for NaN")
    return features


def require_layers(backbone: nn.Module, layers: Sequence[str]) -> dict[str, nn.Module]:
    """Find layers by name.

    Raises
    ------
    ValueError
        None is asked for, one twice, or one that is not there; with the nearest names.
    """
    known = dict(backbone.named_modules())
    if not layers or len(set(layers)) < len(layers):
        raise ValueError(f"give each layer once, and at least one, not {list(layers)}")
    for name in layers:
        if name not in known:
            near = get_close_matches(name, known, n=3, cutoff=0.4) or [n for n in known if n][:20]
            raise ValueError(f"there is no layer {name!r}; nearest: {', '.join(near)}")
    return {name: known[name] for name in layers}


def pool_named(name: str) -> Pool:
    """Look up a pooling.

    Raises
    ------
    ValueError
        Not one of `POOLS`.
    """
    if name not in POOLS:
        raise ValueError(f"unknown pooling {name!r}: choose one of {', '.join(POOLS)}")
    return POOLS[name]


@contextmanager
def _hooked(
    backbone: nn.Module, layers: dict[str, nn.Module], found: dict[str, Tensor]
) -> Iterator[None]:
    """Write what the layers return into `found`; a layer that runs twice keeps its last."""

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, arguments: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple | list) else output
            if isinstance(first, Tensor):
                found[name] = first.detach()

        return hook

    handles = []
    try:
        for name, layer in layers.items():
            handles.append(layer.register_forward_hook(keep(name)))
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _evaluating(backbone: nn.Module) -> Iterator[None]:
    """Switch dropout off and batch statistics to their running values, for a while."""
    training = [module for module in backbone.modules() if module.training]
    try:
        backbone.eval()
        with torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True
