r"""GAMA: which positions of a positive-only sequence class a generative LSTM has learned.

A next-token model is trained on sequences of one class alone; there are no negatives. Integrated
gradients say how much the token at input position i raised the logit of the token that follows
output position o. What training put there, beyond what any untrained network of that shape shows,
is the finding. With :math:`z[s, i, o]` the attribution for sequence s, standardised separately for
the trained and for the untrained model,

.. math::
    v[o, i] = \mathrm{Var}_s z_\mathrm{init} + \mathrm{Var}_s z_\mathrm{trained} \quad
    r[o, i] = v[o, i] / \overline{v[o, \cdot]} \quad
    \mathrm{GAMA}[o, i] = |\tilde z_\mathrm{trained} - \tilde z_\mathrm{init}| / r[o, i]

where the bar is the mean over the inputs that count and the tilde the median over sequences.

Three entries do not count, see `gama_mask`: inputs after the output (i > o) cannot influence it, so
0 / 0 would stand there; the start token is the same in every sequence, so its variance is near zero
and its value would swamp the row; and an output with no input left. The logit is that of the
**actual** next token, for the mean over all tokens dilutes what was learned.

A value of GAMA alone is no evidence. Where the analysed sequences share a token, that input does
not vary, and the division by r makes its value large for a model that has learned nothing as well:
in the demo a model trained on noise has as large a value at the motif as one trained on the motif.
`median_shift`, the same difference of medians in logits and without the division, tells the two
apart; read both, and beside a model trained on sequences without the structure in question.
"""

import torch
from torch import Tensor

from hydroml.toolkit.attribution.generative_lstm import GenerativeLSTM, fit_generative
from hydroml.toolkit.attribution.motifs import motif_sequences
from hydroml.toolkit.attribution.token_gradients import ig_tensor
from hydroml.toolkit.card import Card

__all__ = [
    "CARD", "GenerativeLSTM", "fit_generative", "gama", "gama_mask", "ig_tensor",
    "median_shift", "motif_sequences",
]  # fmt: skip

CARD = Card(
    name="gama",
    title="GAMA: motifs of positive-only sequences",
    paper="GAMA (2025): generative LSTM with integrated gradients. arXiv:2506.23182",
    year=2025,
    answers="Which positions of sequences of one class carry structure, and which depend on which?",
    inputs="token sequences (B, T + 1) that begin with a start token, all of one length",
    outputs="GAMA (T, T): row o, the prediction of position o + 1; column i, the input position",
    hydrology="antecedent structure of floods, a positive-only class (wet and dry days before "
    "observed floods); no adapter yet",
    claim="A motif at positions 2 and 4 of 8, in half of 4,000 sequences, stands out in the row "
    "that predicts position 4 when sequences with the motif are analysed. A model trained on noise "
    "shows as large a value there: only the difference of medians in logits tells them apart. The "
    "270 designs of the paper are not rerun.",
    status="works as published; its values need a control: sequences that share a token give a "
    "large value whatever was learned",
    choices=(
        "integrated by Gauss and Legendre's rule instead of a Riemann sum of 500 points",
        "future inputs and the start token are left out of standardisation and row means",
        "a floor of 1e-4 under each variance, so that constant entries have a defined value",
        "derivatives are carried forward from each position: one pass for all outputs and tokens",
    ),
)


def gama(ig_init: Tensor, ig_trained: Tensor, *, floor: float = 1e-4) -> Tensor:
    """Compare attributions of a trained model with those of the same model before training.

    Parameters
    ----------
    ig_init, ig_trained : Tensor
        From `ig_tensor` with ``output="actual"`` (or ``"mean"``), (B, T, T): sequence, input
        position, output position. Position 0 is the start token.
    floor : float
        Added to each variance, in units of the variance of all standardised attributions: what is
        constant over sequences has a large finite value instead of a division by zero, and a
        row in which everything is constant has the difference of medians.

    Returns
    -------
    Tensor
        (T, T): output position, input position; at least 0, and 0 where `gama_mask` says that
        the entry does not count.

    Raises
    ------
    ValueError
        Other shapes, fewer than two positions, values that are not finite, or a negative floor.

    References
    ----------
    arXiv:2506.23182; from the description, no code of the authors was used.

    Examples
    --------
    In the trained model input 1 raises output 2; all else is noise:

    >>> generator = torch.Generator().manual_seed(0)
    >>> init, trained = 0.1 * torch.randn(2, 50, 3, 3, generator=generator)
    >>> trained[:, 1, 2] += 1
    >>> int(gama(init, trained)[2].argmax())
    1
    """
    _require_pair(ig_init, ig_trained, floor)
    counts = gama_mask(ig_init.shape[1], ig_init.device)
    init, trained = (_standardise(z.transpose(1, 2), counts) for z in (ig_init, ig_trained))
    variance = init.var(0, correction=0) + trained.var(0, correction=0) + 2 * floor
    total = (variance * counts).sum(1, keepdim=True) / counts.sum(1, keepdim=True).clamp(min=1)
    # a row in which nothing varies, and no floor: no entry varies more than another
    relative = torch.where(total > 0, variance / total, 1.0)
    found = (_median(trained) - _median(init)).abs() / relative
    # an entry without variance in a row that varies, and no floor: infinite unless nothing changed
    return torch.where(counts, found.nan_to_num(nan=0.0, posinf=torch.inf), 0.0)


def median_shift(ig_init: Tensor, ig_trained: Tensor) -> Tensor:
    """Tell by how much training moved the median attribution, in logits.

    GAMA's numerator before anything is standardised or divided by a variance: a model that has
    learned nothing about a position stays near 0 there, even where the sequences do not vary.

    Parameters
    ----------
    ig_init, ig_trained : Tensor
        As of `gama`.

    Returns
    -------
    Tensor
        (T, T): output position, input position; positive where training made the input speak for
        the token that follows, 0 where `gama_mask` says that the entry does not count.

    Raises
    ------
    ValueError
        As `gama`.

    Examples
    --------
    >>> init, trained = torch.zeros(2, 3, 3), torch.zeros(2, 3, 3)
    >>> trained[:, 1, 2] = torch.tensor([0.5, 1.0])
    >>> median_shift(init, trained)[2]
    tensor([0.0000, 0.7500, 0.0000])
    """
    _require_pair(ig_init, ig_trained, 0)
    counts = gama_mask(ig_init.shape[1], ig_init.device)
    shift = _median(ig_trained.transpose(1, 2)) - _median(ig_init.transpose(1, 2))
    return torch.where(counts, shift, 0.0)


def gama_mask(positions: int, device: torch.device | str = "cpu") -> Tensor:
    """Tell which entries of a GAMA table count.

    Parameters
    ----------
    positions : int
        T, the start token included.
    device : torch.device or str
        Where the mask is made.

    Returns
    -------
    Tensor
        (T, T) bool: output, input; true for ``1 <= input <= output``.

    Examples
    --------
    >>> gama_mask(3).int().tolist()
    [[0, 0, 0], [0, 1, 0], [0, 1, 1]]
    """
    counts = torch.ones(positions, positions, dtype=torch.bool, device=device).tril()
    counts[:, 0] = False
    return counts


def _standardise(z: Tensor, counts: Tensor) -> Tensor:
    """Mean 0 and deviation 1 over the entries that count; 0 where they are all the same."""
    chosen = z[:, counts]
    deviation, mean = torch.std_mean(chosen, correction=0)
    # of a constant table rounding is all that is left: it is no signal to be blown up
    scale = chosen.abs().amax().clamp(min=torch.finfo(z.dtype).tiny)
    if deviation <= 8 * torch.finfo(z.dtype).eps * scale:
        return torch.zeros_like(z)
    return (z - mean) / deviation


def _median(z: Tensor) -> Tensor:
    """Median over sequences; of an even number the mean of the middle two."""
    ordered = z.sort(0).values
    return (ordered[(len(z) - 1) // 2] + ordered[len(z) // 2]) / 2


def _require_pair(ig_init: Tensor, ig_trained: Tensor, floor: float) -> None:
    shape = tuple(ig_init.shape)
    if len(shape) != 3 or shape[1] != shape[2] or shape[0] == 0 or shape[1] < 2:
        raise ValueError(
            f"ig_init must be (B, T, T) with B >= 1 and T >= 2, not {shape}; "
            'ig_tensor(..., output="actual") gives it'
        )
    if tuple(ig_trained.shape) != shape:
        raise ValueError(
            f"ig_trained is {tuple(ig_trained.shape)} but ig_init {shape}: analyse the same "
            "sequences with both models"
        )
    for name, z in (("ig_init", ig_init), ("ig_trained", ig_trained)):
        if not torch.isfinite(z).all():
            raise ValueError(f"{name} holds values that are not finite; check the model's weights")
    if floor < 0:
        raise ValueError(f"floor must not be negative, not {floor}")
