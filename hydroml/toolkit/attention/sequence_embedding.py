"""From sequences of symbols to vectors: convolution or LSTM over one-hot symbols and positions.

A sequence of length l is one-hot over A symbols beside three position features. With the ramp
``u = 2 |0.5 - linspace(1, 0, l)|`` (1 at both ends, 0 in the middle)

    f1 = u on the first ceil(l/2) positions, else 0
    f2 = u on the others, else 0
    f3 = 1 - u

Convolution: ``h = max over positions of SELU(conv(x))``; LSTM: the output at the last symbol.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "POSITION_FEATURES",
    "SequenceEmbeddingCNN",
    "SequenceEmbeddingLSTM",
    "initialise",
    "position_features",
]

POSITION_FEATURES = 3
PADDING = -1
"""Symbol behind the end of a sequence."""


def position_features(lengths: Tensor, max_len: int) -> Tensor:
    """Tell each position where in its sequence it stands.

    Parameters
    ----------
    lengths : Tensor
        Length of each sequence, 1 to `max_len`, integers, (N,).
    max_len : int
        Positions of a row, L.

    Returns
    -------
    Tensor
        (N, L, 3), the default floating type; 0 behind the end of a sequence.

    Raises
    ------
    ValueError
        A length is below 1 or above `max_len`.

    Examples
    --------
    >>> position_features(torch.tensor([5]), 5)[0].T
    tensor([[1.0000, 0.5000, 0.0000, 0.0000, 0.0000],
            [0.0000, 0.0000, 0.0000, 0.5000, 1.0000],
            [0.0000, 0.5000, 1.0000, 0.5000, 0.0000]])
    """
    _require_lengths(lengths, max_len)
    place = torch.arange(max_len, device=lengths.device)
    span = (lengths - 1).clamp(min=1)[:, None]  # of one symbol: linspace(1, 0, 1) is [1]
    ramp = 2 * (0.5 - (1 - place / span)).abs()
    within = place < lengths[:, None]
    start = place < ((lengths + 1) // 2)[:, None]
    zero = ramp.new_zeros(())
    first = torch.where(within & start, ramp, zero)
    second = torch.where(within & ~start, ramp, zero)
    return torch.stack([first, second, torch.where(within, 1 - ramp, zero)], dim=-1)


def initialise(module: nn.Module, generator: torch.Generator | None = None) -> None:
    """Draw weights of convolutions and linear layers from N(0, 1 / number of elements); biases 0.

    As in the official implementation: the variance is one over *all* elements of the weight, which
    is unusually small.

    Parameters
    ----------
    module : nn.Module
        Changed in place, with all its parts.
    generator : torch.Generator, optional
        Of random numbers.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv1d):
            nn.init.normal_(
                part.weight, std=1 / math.sqrt(part.weight.numel()), generator=generator
            )
            if part.bias is not None:
                nn.init.zeros_(part.bias)


class _SymbolEncoder(nn.Module):
    """One-hot symbols and positions, divided by their standard deviation in full sequences."""

    scale: Tensor

    def __init__(self, alphabet: int, max_len: int) -> None:
        super().__init__()
        if alphabet < 1 or max_len < 1:
            raise ValueError(f"alphabet ({alphabet}) and max_len ({max_len}) must be at least 1.")
        self.alphabet, self.max_len = alphabet, max_len
        # which symbol it is does not change the deviation: any full sequence gives it
        full = torch.zeros(1, max_len, dtype=torch.long)
        features = self._features(F.one_hot(full, alphabet).float(), torch.tensor([max_len]))
        self.register_buffer("scale", features.std(unbiased=False))

    @property
    def features(self) -> int:
        return self.alphabet + POSITION_FEATURES

    def forward(self, sequences: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """Give the features, (N, L, A + 3), and the lengths, (N,)."""
        if sequences.ndim == 3 and sequences.dtype.is_floating_point:
            return self._soft(sequences, lengths)
        if sequences.ndim != 2 or sequences.dtype.is_floating_point:
            raise ValueError(
                f"Sequences must be integers (N, L) or one-hot floats (N, L, {self.alphabet}); "
                f"got {sequences.dtype} of shape {tuple(sequences.shape)}."
            )
        found = (sequences != PADDING).sum(1) if lengths is None else lengths
        _require_lengths(found, sequences.shape[1])
        within = torch.arange(sequences.shape[1], device=sequences.device) < found[:, None]
        wrong = within & ((sequences < 0) | (sequences >= self.alphabet))
        if wrong.any():
            n, place = (int(i) for i in torch.nonzero(wrong)[0])
            raise ValueError(
                f"Sequence {n} has the symbol {int(sequences[n, place])} at position {place}; "
                f"symbols are 0 to {self.alphabet - 1}, {PADDING} only behind the end."
            )
        symbols = F.one_hot(torch.where(within, sequences, 0), self.alphabet)
        return self._features(symbols.to(self.scale) * within[..., None], found) / self.scale, found

    def _soft(self, symbols: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        if symbols.shape[2] != self.alphabet:
            raise ValueError(
                f"One-hot sequences have {symbols.shape[2]} symbols instead of {self.alphabet}."
            )
        if lengths is None:
            lengths = torch.full((len(symbols),), symbols.shape[1], device=symbols.device)
        return self._features(symbols, lengths) / self.scale, lengths

    def _features(self, symbols: Tensor, lengths: Tensor) -> Tensor:
        place = position_features(lengths, symbols.shape[1]).to(symbols)
        return torch.cat([symbols, place], dim=-1)


class SequenceEmbeddingCNN(nn.Module):
    """Convolution, SELU, maximum over the positions.

    Parameters
    ----------
    alphabet : int
        Number of symbols, A.
    max_len : int
        Usual length, whose features have standard deviation 1; others may be shorter or longer.
    kernels : int
        Size of the embedding, M.
    kernel_size : int
        Symbols that a kernel sees.

    Notes
    -----
    Only windows that lie wholly in the sequence count; of a sequence shorter than the kernel, the
    one that begins with it. So a sequence's embedding does not depend on the padding behind it.

    Examples
    --------
    >>> embedding = SequenceEmbeddingCNN(alphabet=4, max_len=6, kernels=8, kernel_size=3)
    >>> embedding(torch.tensor([[0, 1, 2, 3, -1, -1], [3, 2, 1, 0, 0, 0]])).shape
    torch.Size([2, 8])
    """

    def __init__(
        self, alphabet: int = 20, max_len: int = 30, kernels: int = 32, kernel_size: int = 9
    ) -> None:
        super().__init__()
        self.encode = _SymbolEncoder(alphabet, max_len)
        self.conv = nn.Conv1d(self.encode.features, kernels, kernel_size)
        initialise(self)

    def forward(self, sequences: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embed sequences.

        Parameters
        ----------
        sequences : Tensor
            Symbols, integers, -1 behind the end, (N, L); or floats (N, L, A), for gradients.
        lengths : Tensor, optional
            (N,); by default counted.

        Returns
        -------
        Tensor
            (N, M).
        """
        features, lengths = self.encode(sequences, lengths)
        width = self.conv.kernel_size[0]
        features = F.pad(features, (0, 0, 0, max(0, width - features.shape[1])))
        found = F.selu(self.conv(features.transpose(1, 2)))  # (N, M, positions)
        last = (lengths - width).clamp(min=0)
        beyond = torch.arange(found.shape[2], device=found.device) > last[:, None]
        return found.masked_fill(beyond[:, None], -torch.inf).amax(dim=2)


class SequenceEmbeddingLSTM(nn.Module):
    """Output of an LSTM at the last symbol.

    Parameters
    ----------
    alphabet, max_len : int
        As of `SequenceEmbeddingCNN`.
    hidden : int
        Size of the embedding, M.

    Examples
    --------
    >>> embedding = SequenceEmbeddingLSTM(alphabet=4, max_len=6, hidden=8)
    >>> embedding(torch.tensor([[0, 1, 2, 3, -1, -1], [3, 2, 1, 0, 0, 0]])).shape
    torch.Size([2, 8])
    """

    def __init__(self, alphabet: int = 20, max_len: int = 30, hidden: int = 32) -> None:
        super().__init__()
        self.encode = _SymbolEncoder(alphabet, max_len)
        self.lstm = nn.LSTM(self.encode.features, hidden, batch_first=True)

    def forward(self, sequences: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embed sequences; as `SequenceEmbeddingCNN.forward`."""
        features, lengths = self.encode(sequences, lengths)
        found, _ = self.lstm(features)
        return found[torch.arange(len(found), device=found.device), lengths - 1]


def _require_lengths(lengths: Tensor, max_len: int) -> None:
    wrong = torch.nonzero((lengths < 1) | (lengths > max_len))
    if len(wrong):
        n = int(wrong[0])
        raise ValueError(f"Sequence {n} has the length {int(lengths[n])}; give 1 to {max_len}.")
