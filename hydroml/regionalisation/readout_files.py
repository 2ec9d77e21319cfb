"""Adapted read-outs, and the small file in which they are kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hydroml.atomic import atomic_path
from hydroml.errors import RunError, nearest


@dataclass(frozen=True)
class Readouts:
    """Read-outs of K members of a run for B basins.

    Parameters
    ----------
    basins : tuple of str
        Gauge ids.
    weight : dict of Tensor
        By depth, on the states, (K, B, D).
    bias : Tensor
        (K, B).
    strength : Tensor
        Chosen for each basin, (B,): a penalty or a number of steps.
    left_out : Tensor
        Squared error on days while they were left out, over that of the region's read-out, (B,).

    Examples
    --------
    >>> weight = {"hidden": torch.tensor([[[2.0, 0.0]]])}
    >>> one = Readouts(("01",), weight, torch.tensor([[1.0]]), torch.ones(1), torch.ones(1))
    >>> one.apply({"hidden": torch.tensor([[[[3.0, 5.0]]]])})
    tensor([[[7.]]])
    """

    basins: tuple[str, ...]
    weight: dict[str, Tensor]
    bias: Tensor
    strength: Tensor
    left_out: Tensor

    def apply(self, states: Mapping[str, Tensor]) -> Tensor:
        """Standardised discharge (K, B, T) of states (K, B, T, D) by depth."""
        products = [(states[n] @ w.unsqueeze(-1))[..., 0] for n, w in self.weight.items()]
        return torch.stack(products).sum(0) + self.bias.unsqueeze(-1)

    def of(self, basins: Sequence[str]) -> "Readouts":
        """Take those of some basins, in the order given.

        Raises
        ------
        RunError
            There are none for a basin.
        """
        place = {basin: b for b, basin in enumerate(self.basins)}
        for basin in basins:
            if basin not in place:
                raise RunError(
                    f"There is no adapted read-out of basin {basin!r}.", nearest(basin, place)
                )
        rows = torch.tensor([place[basin] for basin in basins])
        on = rows.to(self.bias.device)
        return Readouts(
            tuple(basins), {n: w[:, on] for n, w in self.weight.items()}, self.bias[:, on],
            self.strength[rows], self.left_out[rows],
        )  # fmt: skip


def join_readouts(parts: Sequence[Readouts]) -> Readouts:
    """Put the read-outs of some basins behind those of others."""
    return Readouts(
        tuple(basin for part in parts for basin in part.basins),
        {n: torch.cat([part.weight[n] for part in parts], dim=1) for n in parts[0].weight},
        torch.cat([part.bias for part in parts], dim=1),
        torch.cat([part.strength for part in parts]),
        torch.cat([part.left_out for part in parts]),
    )


def save_readouts(readouts: Readouts, path: Path, facts: Mapping[str, str]) -> None:
    """Write read-outs as safetensors, atomically.

    Parameters
    ----------
    readouts : Readouts
        What to keep.
    path : pathlib.Path
        ``*.safetensors``.
    facts : mapping of str
        Where they come from, kept in the file's header.
    """
    tensors = {f"weight/{name}": w for name, w in readouts.weight.items()}
    tensors |= {name: getattr(readouts, name) for name in ("bias", "strength", "left_out")}
    header = {**facts, "basins": json.dumps(readouts.basins)}
    with atomic_path(path) as scratch:
        save_file(
            {name: t.detach().cpu().contiguous() for name, t in tensors.items()},
            scratch, metadata=header,
        )  # fmt: skip


def load_readouts(path: Path) -> tuple[Readouts, dict[str, str]]:
    """Read what `save_readouts` wrote: the read-outs, and where they come from.

    Raises
    ------
    RunError
        No such file, or not one of read-outs.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
            facts = dict(file.metadata() or {})
        basins = tuple(json.loads(facts.pop("basins")))
        weight = {
            name.removeprefix("weight/"): t
            for name, t in tensors.items()
            if name.startswith("weight/")
        }
        rest = (tensors[name] for name in ("bias", "strength", "left_out"))
        return Readouts(basins, weight, *rest), facts
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise RunError(
            f"{path} cannot be read as adapted read-outs ({error}).",
            "Give a file that 'hydroml adapt' made.",
        ) from error
