"""Token sequences with a known motif: the designs on which GAMA is put to the test.

In a sequence with signal some of the motif's tokens stand at their positions, as the logic says:
all of them (``and``), at least one (``or``) or exactly one (``xor``); each allowed pattern is
equally likely. Everything else, and all of a sequence without signal, is drawn uniformly from the
symbols; where a motif's token is absent by design, any other symbol stands.
"""

from collections.abc import Callable, Mapping
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

LOGIC: dict[str, Callable[[int, int], bool]] = {
    "and": lambda present, of: present == of,
    "or": lambda present, of: present >= 1,
    "xor": lambda present, of: present == 1,
}
"""Whether a pattern with so many tokens of the motif's present is one with signal."""


class Motifs(NamedTuple):
    """Sequences and which of them have the signal."""

    tokens: Tensor
    """(n, length + 2): start, symbols 1 to S, end (S + 1)."""
    signal: Tensor
    """(n,) bool."""


def motif_sequences(
    n: int,
    length: int,
    motif: Mapping[int, int],
    *,
    logic: str = "and",
    signal: float = 0.5,
    symbols: int = 12,
    generator: torch.Generator | None = None,
) -> Motifs:
    """Draw sequences, a share of which carries a motif.

    Parameters
    ----------
    n : int
        Sequences.
    length : int
        Symbols in each, at positions 1 to `length`; position 0 is the start token.
    motif : mapping of int to int
        Position to symbol.
    logic : str
        ``and``, ``or`` or ``xor``.
    signal : float
        Share of sequences with the motif, 0 to 1; ``round(n signal)`` of them.
    symbols : int
        S: symbols are 1 to S, the vocabulary has S + 2 tokens.
    generator : torch.Generator, optional
        On the CPU.

    Returns
    -------
    Motifs
        In random order.

    Raises
    ------
    ValueError
        A motif outside the sequence or the symbols, a share outside 0 to 1, unknown logic.

    Examples
    --------
    >>> found = motif_sequences(4, 5, {2: 12, 4: 10}, signal=1.0)
    >>> found.tokens[:, [0, 2, 4, 6]].tolist()[0]
    [0, 12, 10, 13]
    """
    _require_design(n, length, motif, logic, signal, symbols)
    tokens = torch.randint(1, symbols + 1, (n, length + 2), generator=generator)
    tokens[:, 0], tokens[:, -1] = 0, symbols + 1
    carries = torch.randperm(n, generator=generator) < round(n * signal)
    if motif:
        where, what = torch.tensor(list(motif)), torch.tensor(list(motif.values()))
        allowed = torch.tensor(_patterns(len(motif), logic))
        drawn = torch.randint(len(allowed), (n,), generator=generator)
        # any symbol but the motif's: one of the S - 1 that follow it, going round
        step = torch.randint(1, max(symbols, 2), (n, len(motif)), generator=generator)
        other = (what - 1 + step) % symbols + 1
        placed = torch.where(allowed[drawn], what, other)
        tokens[:, where] = torch.where(carries[:, None], placed, tokens[:, where])
    return Motifs(tokens, carries)


def _patterns(of: int, logic: str) -> list[tuple[bool, ...]]:
    return [p for p in product([True, False], repeat=of) if LOGIC[logic](sum(p), of)]


def _require_design(
    n: int, length: int, motif: Mapping[int, int], logic: str, signal: float, symbols: int
) -> None:
    if n < 1 or length < 1 or symbols < 1:
        raise ValueError(f"n, length, symbols must be at least 1, not {n}, {length}, {symbols}")
    if logic not in LOGIC:
        raise ValueError(f"logic must be one of {', '.join(LOGIC)}, not {logic!r}")
    if not 0 <= signal <= 1:
        raise ValueError(f"signal must be a share of 0 to 1, not {signal}")
    outside = {p: s for p, s in motif.items() if not (1 <= p <= length and 1 <= s <= symbols)}
    if outside:
        raise ValueError(
            f"motif {outside} lies outside positions 1 to {length} or symbols 1 to {symbols}"
        )
    if symbols == 1 and motif and logic != "and":
        raise ValueError("with one symbol a motif's token cannot be absent; give more symbols")
