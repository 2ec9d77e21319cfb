"""Run a network as for evaluation, and leave it as it was found."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def in_evaluation(extractor: Any) -> Iterator[None]:
    """Switch every module of `extractor` to evaluation mode, and each back afterwards.

    Parameters
    ----------
    extractor : nn.Module or callable
        Of a plain function nothing is changed.

    Examples
    --------
    >>> net = nn.Sequential(nn.Dropout())
    >>> with in_evaluation(net):
    ...     net[0].training
    False
    >>> net[0].training
    True
    """
    modules = list(extractor.modules()) if isinstance(extractor, nn.Module) else []
    modes = [module.training for module in modules]
    for module in modules:
        module.training = False
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
