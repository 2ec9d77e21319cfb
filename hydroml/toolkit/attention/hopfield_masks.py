"""From the masks that a caller gives to what is added to the association."""

import torch
import torch.nn.functional as F
from torch import Tensor

from hydroml.toolkit.attention.association import Mask, make_mask


def hidden(mask: Tensor) -> Tensor:
    """Say where a padding mask hides a pattern: True, or minus infinity."""
    return mask if mask.dtype == torch.bool else torch.isneginf(mask)


def join_masks(
    padding: Tensor | None, association: Tensor | None, q: Tensor, k: Tensor, extra: int
) -> Mask | None:
    """Join padding and association mask into one.

    Parameters
    ----------
    padding : Tensor or None
        (B, S); True hides a stored pattern, a float is added to its associations.
    association : Tensor or None
        (L, S) or (B * H, L, S); True hides a pattern from a state, a float is added.
    q, k : Tensor
        States (B, H, L, D), stored patterns (B, H, S + extra, D).
    extra : int
        Patterns stored beside those that came in, which are never hidden.

    Returns
    -------
    Mask or None
        None where nothing is hidden.

    Raises
    ------
    ValueError
        A mask of another shape.
    """
    (batch, heads, states, _), patterns = q.shape, k.shape[2] - extra
    parts = []
    if padding is not None:
        refuse_padding(padding, batch, patterns)
        parts.append(_additive(padding, q)[:, None, None, :])
    if association is not None:
        whole = (batch * heads, states, patterns)
        if association.shape not in (whole[1:], whole):
            raise ValueError(
                f"association_mask is {tuple(association.shape)}: give (L, S), {whole[1:]}, "
                f"or (B * H, L, S), {whole}"
            )
        parts.append(
            _additive(association, q).reshape(
                -1, heads if association.ndim == 3 else 1, states, patterns
            )
        )
    if not parts:
        return None
    return make_mask(F.pad(sum(parts[1:], parts[0]), (0, extra)))


def refuse_padding(padding: Tensor, batch: int, patterns: int) -> None:
    """Refuse a padding mask that is not (B, S)."""
    if padding.shape != (batch, patterns):
        raise ValueError(
            f"stored_pattern_padding_mask is {tuple(padding.shape)}: give one entry for each of "
            f"the stored patterns, (B, S) = ({batch}, {patterns})"
        )


def _additive(mask: Tensor, like: Tensor) -> Tensor:
    if mask.is_floating_point():
        return mask.to(like.dtype)
    if mask.dtype != torch.bool:
        raise TypeError(f"a mask is bool (True hides) or float (added), not {mask.dtype}")
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill_(mask, -torch.inf)
