"""Predict a set of objects: one for each slot, matched with the true ones where it fits best."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from hydroml.toolkit.attention.slot_encoder import SlotEncoder
from hydroml.toolkit.attention.slots import SlotAttention


class SlotSetPredictor(nn.Module):
    """Image to a set of property vectors, one a slot.

    Parameters
    ----------
    resolution : tuple of int
        Height and width of the images.
    num_slots : int
        Objects predicted, present or not.
    properties : int
        Numbers that describe an object, each between 0 and 1.
    dim : int
        Features of a slot.
    iters : int
        Rounds of slot attention.
    channels : int
        Of the images.
    strides : tuple of int
        Of the encoder's convolutions: what they leave of the resolution is the set of elements.

    References
    ----------
    Locatello et al. (2020), arXiv:2006.15055, section 3.2.

    Examples
    --------
    >>> model = SlotSetPredictor((16, 16), num_slots=4, properties=19, dim=8)
    >>> model(torch.rand(2, 3, 16, 16)).shape
    torch.Size([2, 4, 19])
    """

    def __init__(
        self,
        resolution: tuple[int, int],
        num_slots: int,
        properties: int,
        dim: int = 64,
        iters: int = 3,
        channels: int = 3,
        strides: tuple[int, ...] = (1, 2, 2, 1),
    ) -> None:
        super().__init__()
        self.encoder = SlotEncoder(resolution, dim, channels, strides)
        self.slot_attention = SlotAttention(num_slots, dim, iters)
        self.head = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, properties), nn.Sigmoid()
        )

    def forward(
        self,
        images: Tensor,
        num_slots: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Predict objects.

        Parameters
        ----------
        images : Tensor
            (B, C, H, W).
        num_slots : int, optional
            Another number of slots than trained with.
        generator : torch.Generator, optional
            For the slots' start.

        Returns
        -------
        Tensor
            (B, K, properties), between 0 and 1, in no order.
        """
        slots, _ = self.slot_attention(self.encoder(images), num_slots, generator)
        return self.head(slots)


def hungarian_loss(predicted: Tensor, target: Tensor, delta: float = 1.0) -> Tensor:
    """Huber loss between two sets, each object matched with one of the other set.

    The matching with the smallest sum is found by ``scipy.optimize.linear_sum_assignment``, set
    by set; gradients flow through the losses of matched pairs.

    Parameters
    ----------
    predicted, target : Tensor
        (B, K, P); fill up the smaller set with objects that are marked as absent by one of
        their properties.
    delta : float
        Where the Huber loss turns from a parabola into a line.

    Returns
    -------
    Tensor
        Scalar: mean over properties, sum over objects, mean over sets.

    Raises
    ------
    ValueError
        Shapes that do not fit, an empty set, or numbers that are not finite.

    References
    ----------
    Locatello et al. (2020), arXiv:2006.15055, section 3.2.

    Examples
    --------
    >>> target = torch.tensor([[[0.0], [1.0]]])
    >>> hungarian_loss(target.flip(1), target)
    tensor(0.)
    """
    if predicted.shape != target.shape or predicted.ndim != 3 or 0 in predicted.shape:
        raise ValueError(
            f"predicted is {tuple(predicted.shape)}, target {tuple(target.shape)}: give both as "
            "(batch, objects, properties), none of them 0, absent objects filled in"
        )
    if delta <= 0:
        raise ValueError(f"delta is {delta}: positive")
    one, other = torch.broadcast_tensors(predicted.unsqueeze(2), target.unsqueeze(1))
    pairs = F.huber_loss(one, other, reduction="none", delta=delta).mean(-1)  # (B, K, K)
    matched = pairs.gather(2, match_sets(pairs).unsqueeze(-1))
    return matched.sum((1, 2)).mean()


@torch.no_grad()
def match_sets(cost: Tensor) -> Tensor:
    """Match the members of two sets at the smallest total cost.

    Parameters
    ----------
    cost : Tensor
        (B, K, K): of matching row i with column j.

    Returns
    -------
    Tensor
        (B, K): the column of each row.

    Raises
    ------
    ValueError
        Costs that are not square or not finite.

    Examples
    --------
    >>> match_sets(torch.tensor([[[3.0, 1.0], [1.0, 0.0]]]))
    tensor([[1, 0]])
    """
    if cost.ndim != 3 or cost.shape[1] != cost.shape[2]:
        raise ValueError(f"cost is {tuple(cost.shape)}: give (batch, K, K)")
    if not cost.isfinite().all():
        raise ValueError("costs of matching are NaN or infinite: look for NaN in the two sets")
    on_host = cost.double().cpu().numpy()
    columns = np.stack([linear_sum_assignment(one)[1] for one in on_host])
    return torch.from_numpy(columns).to(cost.device)
