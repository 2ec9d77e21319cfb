r"""Neurons as classifiers: does one hidden unit alone tell a concept it was never taught.

The activation of unit h is read as a score for the label s of each sample. Its area under the ROC
curve is the share of pairs of one sample with and one without the label that it puts in the right
order, ties counting half: the statistic of Mann and Whitney, here from the sum of midranks R of the
:math:`n_1` samples with the label (:math:`n_0` without),

.. math:: A_{hs} = \frac{R_{hs} - n_1 (n_1 + 1) / 2}{n_1 n_0}

A unit with A near 0 tells the label as well as one with A near 1: it is low where the label is.

The best of H units is good by chance, too, the more so the fewer samples there are. Three controls:
choose the unit on other samples than those it is reported on; compare with the best unit of an
untrained network, which is a filter of the same inputs; and compare with the best unit for labels
that have been permuted (`chance_auc`, `chance_level`), whose maximum over units corrects for the
choice.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from hydroml.toolkit.attribution.chance import chance_auc, chance_level
from hydroml.toolkit.attribution.midranks import midranks, ordered_share, units_at_once
from hydroml.toolkit.card import Card

__all__ = [
    "CARD", "BestNeurons", "best_neurons", "chance_auc", "chance_level", "neuron_auc",
    "separability",
]  # fmt: skip

CARD = Card(
    name="neurons",
    title="Neurons as classifiers",
    paper="Preuer, Klambauer, Rippmann, Hochreiter, Unterthiner (2019): Interpretable deep "
    "learning in drug discovery. arXiv:1903.02788",
    year=2019,
    answers="Does a single hidden unit tell a known concept that the network was never taught?",
    inputs="activations (n, H); labels (n, S), true, false or NaN for unknown",
    outputs="area under the ROC curve (H, S)",
    hydrology="LSTM cell states against snow on the ground, wetness, high and low flow: "
    "hydroml states RUN",
    claim="An LSTM taught discharge from precipitation and temperature has one cell that tells "
    "snow on the ground, better than the best cell of the untrained network and the best raw "
    "input. The demo's catchment replaces the paper's molecules.",
    status="works; a cell that tells a label may only share the label's causes",
    choices=(
        "0.5 where all labels are the same: there is no pair to order",
        "chance draws may rotate labels within each series, so that they keep their memory",
    ),
)


def neuron_auc(activations: Tensor, labels: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Area under the ROC curve of each unit as a classifier of each label.

    Parameters
    ----------
    activations : Tensor
        (n, H), one row a sample.
    labels : Tensor
        (n, S): bool, or 0 and 1, or NaN where a label is unknown; such samples are left out of
        that label.
    mask : Tensor, optional
        (n,) or (n, S) bool: samples that count.

    Returns
    -------
    Tensor
        (H, S), float64, exact up to the last division: above 0.5 where the unit is higher with
        the label. 0.5 where no sample, or every sample, that counts has the label.

    Raises
    ------
    ValueError
        Shapes that do not fit, no sample or unit, labels other than 0, 1 and NaN, or an activation
        that is NaN in a sample that counts.

    Notes
    -----
    Units are ranked some at a time: memory beyond inputs and result does not grow with H. Labels
    that are known for the same samples share one ranking.

    References
    ----------
    arXiv:1903.02788, section on neurons; Mann and Whitney (1947), doi 10.1214/aoms/1177730491.

    Examples
    --------
    >>> activations = torch.tensor([[0.1, 5.0], [0.4, 3.0], [0.4, 4.0], [0.9, 1.0]])
    >>> neuron_auc(activations, torch.tensor([[0], [0], [1], [1]])).squeeze(1)
    tensor([0.8750, 0.2500], dtype=torch.float64)
    """
    known, positive = read_labels(activations, labels, mask)
    patterns, group = known.unique(dim=1, return_inverse=True)
    found = activations.new_empty(activations.shape[1], labels.shape[1], dtype=torch.float64)
    for g, pattern in enumerate(patterns.unbind(1)):
        together = group == g
        of_pattern = positive[pattern][:, together].T.double()  # (s, m)
        found[:, together] = _auc_of_known(activations, pattern, of_pattern)
    return found


def _auc_of_known(activations: Tensor, known: Tensor, positive: Tensor) -> Tensor:
    """Rank the samples that are known, some units at a time, (H, s)."""
    parts = []
    every = bool(known.all())
    for units in activations.split(units_at_once(int(known.sum())), dim=1):
        chosen = units if every else units[known]
        if chosen.isnan().any():
            raise ValueError(
                "activations are NaN in samples that count; leave those out with mask, or mark "
                "their labels NaN"
            )
        parts.append(ordered_share(positive, midranks(chosen)).T)
    return torch.cat(parts)


class BestNeurons(NamedTuple):
    """The unit that tells each label best, high or low."""

    unit: Tensor
    """(S,) integers."""
    auc: Tensor
    """(S,): below 0.5 where the unit is low with the label."""

    @property
    def sign(self) -> Tensor:
        """(S,): 1.0, or -1.0 where the unit is low with the label."""
        return torch.where(self.auc < 0.5, -1.0, 1.0).to(self.auc)


def best_neurons(auc: Tensor) -> BestNeurons:
    """Choose the unit farthest from 0.5 for each label; the first of equals.

    Parameters
    ----------
    auc : Tensor
        (H, S), of `neuron_auc`.

    Examples
    --------
    >>> best_neurons(torch.tensor([[0.6, 0.5], [0.1, 0.7]])).unit
    tensor([1, 1])
    """
    if auc.ndim != 2 or auc.numel() == 0:
        raise ValueError(f"auc must be (H, S) with H and S at least 1, not {tuple(auc.shape)}")
    unit = separability(auc).argmax(0)
    return BestNeurons(unit, auc.gather(0, unit[None])[0])


def separability(auc: Tensor) -> Tensor:
    """Area under the ROC curve with the unit's better sign: max(A, 1 - A).

    Examples
    --------
    >>> separability(torch.tensor([0.25, 0.75]))
    tensor([0.7500, 0.7500])
    """
    return torch.maximum(auc, 1 - auc)


def read_labels(activations: Tensor, labels: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Check labels against activations; give what is known and what is true, (n, S) bool each.

    Raises
    ------
    ValueError
        As `neuron_auc`.
    """
    n = len(activations)
    if activations.ndim != 2 or activations.numel() == 0:
        raise ValueError(
            f"activations must be (n, H), n and H at least 1, not {tuple(activations.shape)}"
        )
    if labels.ndim != 2 or len(labels) != n or labels.shape[1] == 0:
        raise ValueError(
            f"labels must be ({n}, S), S at least 1, like the activations; not "
            f"{tuple(labels.shape)}"
        )
    known = ~labels.isnan()
    positive = labels == 1
    if (known & ~positive & (labels != 0)).any():
        raise ValueError("labels must be true or false (1 or 0), or NaN where unknown")
    if mask is not None:
        if mask.dtype != torch.bool or tuple(mask.shape) not in ((n,), tuple(labels.shape)):
            raise ValueError(
                f"mask must be bool, ({n},) or {tuple(labels.shape)}, not {mask.dtype} "
                f"{tuple(mask.shape)}"
            )
        known = known & (mask if mask.ndim == 2 else mask[:, None])
    return known, positive
