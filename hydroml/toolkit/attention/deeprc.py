"""DeepRC: a few telling sequences among a hundred thousand.

A bag of N sequences is one sample. Each sequence is embedded, ``h_n = g(x_n)``, an attention
network gives it one number ``s_n = f(h_n)``, and the bag is the average that these weigh:

    a_n = softmax over the bag of s_n        z = sum_n a_n h_n        y = o(z)

The last layer of f is a fixed query: one update of a modern Hopfield network that stores the bag.

Large bags train in bounded memory. All sequences go forward without a gradient, `chunk` at a time;
the fraction of highest s_n is kept, and only what is kept is embedded again, with gradient. The
softmax runs over what is kept, in training as in evaluation, so that both compute one function.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hydroml.toolkit.attention.bag_attention import (
    pool_bags,
    require_sizes,
    segment_softmax,
    subsample_bags,
    top_of_bags,
)
from hydroml.toolkit.attention.sequence_embedding import (
    SequenceEmbeddingCNN,
    SequenceEmbeddingLSTM,
    initialise,
    position_features,
)
from hydroml.toolkit.attention.task_heads import (
    BinaryTask,
    MulticlassTask,
    RegressionTask,
    TaskHeads,
)
from hydroml.toolkit.card import Card

__all__ = [
    "CARD",
    "AttentionNetwork",
    "BinaryTask",
    "DeepRC",
    "MulticlassTask",
    "OutputNetwork",
    "RegressionTask",
    "SequenceEmbeddingCNN",
    "SequenceEmbeddingLSTM",
    "TaskHeads",
    "initialise",
    "position_features",
    "subsample_bags",
]

CARD = Card(
    name="deeprc",
    title="DeepRC",
    paper="Widrich et al. (2020): Modern Hopfield Networks and Attention for Immune Repertoire "
    "Classification. NeurIPS, arXiv:2007.13505",
    year=2020,
    answers="Which few of very many instances decide the label of the whole bag?",
    inputs="bags of symbols (N_b, L), or one flat (sum N_b, L) with bag_sizes (B,)",
    outputs="(B, T); weights of a bag's instances (N_b,)",
    hydrology="which weeks of a year made its flood (hydroml weeks uses its small sister, mil); "
    "cells of a catchment",
    claim="With a motif in 1 % of a bag's sequences attention separates the bags, mean pooling "
    "does not, maximum pooling in some seeds only; the motif can be read from the weights. The "
    "paper's real repertoires are not here",
    choices=(
        "Input features are divided by their standard deviation in a sequence of usual length, a "
        "constant, not by that of the batch: a sequence's embedding depends on nothing else.",
        "Kernels see windows that lie wholly in the sequence (the first one of a short sequence).",
        "Reduction applies in evaluation, too. More kept sequences than a chunk holds are embedded "
        "once more on the way back instead of being stored.",
    ),
)


class AttentionNetwork(nn.Module):
    """Linear layers with SELU between them that give each embedding one number.

    Parameters
    ----------
    dim : int
        Size of the embeddings, M.
    hidden : int
        Units of a layer.
    layers : int
        Layers before the last.

    Examples
    --------
    >>> AttentionNetwork(32)(torch.zeros(5, 32)).shape
    torch.Size([5, 1])
    """

    def __init__(self, dim: int, hidden: int = 32, layers: int = 2) -> None:
        super().__init__()
        self.layers = _selu_layers(dim, hidden, layers, 1)
        initialise(self)

    def forward(self, h: Tensor) -> Tensor:
        """Embeddings (N, M) to logits (N, 1)."""
        out: Tensor = self.layers(h)
        return out


class OutputNetwork(nn.Module):
    """Linear layers with SELU between them from the pooled bag to the targets.

    Parameters
    ----------
    dim : int
        Size of the embeddings, M.
    outputs : int
        Columns of all tasks, T (`TaskHeads.outputs`).
    hidden : int
        Units of a layer.
    layers : int
        Layers before the last; 0 is one linear layer.
    """

    def __init__(self, dim: int, outputs: int = 1, hidden: int = 32, layers: int = 0) -> None:
        super().__init__()
        self.layers = _selu_layers(dim, hidden, layers, outputs)
        initialise(self)

    def forward(self, z: Tensor) -> Tensor:
        """Bags (B, M) to targets (B, T)."""
        out: Tensor = self.layers(z)
        return out


class DeepRC(nn.Module):
    """Attention over bags of any size, with the reduction that bounds memory.

    Parameters
    ----------
    embedding : nn.Module
        Instances (N, ...) and lengths (N,) or None to (N, M); `SequenceEmbeddingCNN`,
        `SequenceEmbeddingLSTM` or any other.
    attention : nn.Module
        (N, M) to logits (N, 1) or (N,).
    output : nn.Module
        (B, M) to (B, T).
    reduce_fraction : float
        Share of each bag that is kept, in (0, 1], at least one instance; 1 keeps all.
    chunk : int
        Instances that are embedded at once.

    References
    ----------
    Widrich et al. (2020), arXiv:2007.13505.

    Examples
    --------
    >>> model = DeepRC(SequenceEmbeddingCNN(4, 8), AttentionNetwork(32), OutputNetwork(32))
    >>> bags = [torch.randint(4, (50, 8)), torch.randint(4, (7, 8))]
    >>> model(bags).shape
    torch.Size([2, 1])
    >>> weights = model.attention(bags[0])
    >>> weights.shape, int((weights > 0).sum())
    (torch.Size([50]), 5)
    """

    def __init__(
        self,
        embedding: nn.Module,
        attention: nn.Module,
        output: nn.Module,
        reduce_fraction: float = 0.1,
        chunk: int = 50_000,
    ) -> None:
        super().__init__()
        if not 0 < reduce_fraction <= 1:
            raise ValueError(f"reduce_fraction is {reduce_fraction}; give more than 0, at most 1.")
        if chunk < 1:
            raise ValueError(f"chunk is {chunk}; give at least 1.")
        self.embedding, self.score, self.output = embedding, attention, output
        self.reduce_fraction, self.chunk = reduce_fraction, chunk

    def forward(
        self,
        bags: Tensor | Sequence[Tensor],
        lengths: Tensor | Sequence[Tensor] | None = None,
        bag_sizes: Tensor | None = None,
    ) -> Tensor:
        """Classify bags.

        Parameters
        ----------
        bags : sequence of Tensor, or Tensor
            A tensor (N_b, L, ...) each; or all instances, (sum N_b, L, ...), with `bag_sizes`.
        lengths : sequence of Tensor, or Tensor, optional
            Lengths of the sequences, laid out like `bags`; handed to the embedding.
        bag_sizes : Tensor, optional
            (B,), with flat bags only; on the device of the instances.

        Returns
        -------
        Tensor
            (B, T).

        Raises
        ------
        ValueError
            An empty bag, sizes that do not add up, or a value that is not finite.
        """
        x, own_lengths, sizes = _flat(bags, lengths, bag_sizes)
        x, own_lengths, sizes = self._reduced(x, own_lengths, sizes)
        h = self._in_chunks(self.embedding, x, own_lengths)
        weights = segment_softmax(_column(self.score(h)), sizes)
        out: Tensor = self.output(pool_bags(weights, h, sizes))
        return out

    @torch.no_grad()
    def attention_logits(self, bag: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Give every instance of a bag its number s_n, (N,), in chunks and without gradient."""
        x, own_lengths, _ = _flat([bag], None if lengths is None else [lengths], None)
        return self._scores(x, own_lengths)

    @torch.no_grad()
    def attention(self, bag: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Give the weights of a bag as `forward` uses them.

        Parameters
        ----------
        bag : Tensor
            (N, L, ...).
        lengths : Tensor, optional
            (N,).

        Returns
        -------
        Tensor
            (N,), sums to 1; 0 for what the reduction leaves out.
        """
        x, own_lengths, sizes = _flat([bag], None if lengths is None else [lengths], None)
        logits = self._scores(x, own_lengths)
        rows = top_of_bags(logits, sizes, self._counts(sizes))
        weights = torch.zeros_like(logits)
        weights[rows] = logits[rows].softmax(0)
        return weights

    def _reduced(
        self, x: Tensor, lengths: Tensor | None, sizes: Tensor
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        if self.reduce_fraction == 1:
            return x, lengths, sizes
        with torch.no_grad():
            scores = self._scores(x, lengths)
        counts = self._counts(sizes)
        rows = top_of_bags(scores, sizes, counts)
        return x[rows], None if lengths is None else lengths[rows], counts

    def _counts(self, sizes: Tensor) -> Tensor:
        # exact in integers where it can be: 0.1 * 30 is 3.0000000000000004 and would be 4
        kept = (sizes.double() * self.reduce_fraction - 1e-9).ceil().long()
        return kept.clamp(min=1)

    def _scores(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        return _column(
            self._in_chunks(lambda part, own: self.score(self.embedding(part, own)), x, lengths)
        )

    def _in_chunks(
        self, work: Callable[[Tensor, Tensor | None], Tensor], x: Tensor, lengths: Tensor | None
    ) -> Tensor:
        """Apply `work` to chunks; with a gradient, several are computed again on the way back."""
        if len(x) <= self.chunk:
            return work(x, lengths)
        if not torch.is_grad_enabled():
            return torch.cat([work(*part) for part in _chunks(x, lengths, self.chunk)])
        return torch.cat(
            [
                checkpoint(work, *part, use_reentrant=False)
                for part in _chunks(x, lengths, self.chunk)
            ]
        )


def _chunks(x: Tensor, lengths: Tensor | None, size: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    for start in range(0, len(x), size):
        rows = slice(start, start + size)
        yield x[rows], None if lengths is None else lengths[rows]


def _flat(
    bags: Tensor | Sequence[Tensor],
    lengths: Tensor | Sequence[Tensor] | None,
    sizes: Tensor | None,
) -> tuple[Tensor, Tensor | None, Tensor]:
    if isinstance(bags, Tensor):
        if sizes is None:
            raise ValueError("Flat bags need bag_sizes (B,); or give a list of bags.")
        x, own = bags, lengths
    else:
        if sizes is not None:
            raise ValueError("bag_sizes belong to flat bags; a list of bags has its own.")
        if len(bags) == 0:
            raise ValueError("There is no bag; give at least one.")
        x = torch.cat(list(bags))
        sizes = torch.tensor([len(bag) for bag in bags], device=x.device)
        own = None if lengths is None else torch.cat(list(lengths))
    if not (own is None or (isinstance(own, Tensor) and own.shape == x.shape[:1])):
        raise ValueError(f"lengths must be one a sequence, {tuple(x.shape[:1])}, laid out as bags.")
    if x.dtype.is_floating_point and not torch.isfinite(x).all():
        raise ValueError("An instance holds NaN or infinity; fill or leave out what is missing.")
    return x, own, require_sizes(sizes, len(x))


def _column(scores: Tensor) -> Tensor:
    return scores.reshape(len(scores))


def _selu_layers(dim: int, hidden: int, layers: int, outputs: int) -> nn.Sequential:
    found: list[nn.Module] = []
    for _ in range(layers):
        found += [nn.Linear(dim, hidden), nn.SELU()]
        dim = hidden
    return nn.Sequential(*found, nn.Linear(dim, outputs))
