"""Slot attention: a few slots compete for the elements of a set and bind to its parts.

Elements x (N), slots s (K, all drawn from one learned normal distribution), D features a slot:

    s = mu + exp(log sigma) * N(0, 1)
    repeat   A     = softmax_over_slots(W_k LN(x) . W_q LN(s) / sqrt(D))   elements choose slots
             W     = (A + eps) / sum_elements (A + eps)
             s     = GRU(W' W_v LN(x), s)                                slots move
             s     = s + MLP(LN(s))

The softmax runs over slots, not over elements as in attention: what one slot takes, another
cannot have. Slots have no order and no number of their own, so both the order of elements and the
number of slots are free at any time.

`SlotAttention` is the module, `SlotAutoEncoder` draws images from slots, `SlotSetPredictor` with
`hungarian_loss` predicts sets, `adjusted_rand_index` compares found groups with true ones.
"""

from hydroml.toolkit.attention.adjusted_rand_index import adjusted_rand_index
from hydroml.toolkit.attention.set_prediction import SlotSetPredictor, hungarian_loss, match_sets
from hydroml.toolkit.attention.slot_autoencoder import Reconstruction, SlotAutoEncoder
from hydroml.toolkit.attention.slot_encoder import SlotEncoder, SoftPositionEmbed
from hydroml.toolkit.attention.slots import SlotAttention
from hydroml.toolkit.card import Card

__all__ = [
    "CARD",
    "Reconstruction",
    "SlotAttention",
    "SlotAutoEncoder",
    "SlotEncoder",
    "SlotSetPredictor",
    "SoftPositionEmbed",
    "adjusted_rand_index",
    "hungarian_loss",
    "match_sets",
]

CARD = Card(
    name="slot_attention",
    title="Slot attention",
    paper="Locatello et al. (2020): Object-Centric Learning with Slot Attention. NeurIPS. "
    "arXiv:2006.15055",
    year=2020,
    answers="Of which parts does this set consist, and which element belongs to which part?",
    inputs="elements x (B, N, input_dim); the auto-encoder: images (B, C, H, W)",
    outputs="slots (B, K, D), attention (B, K, N)",
    hydrology="exploratory: components of an event's hydrograph as slots over time steps; "
    "nothing says that they are snow melt, base flow and storm flow",
    claim="on a set of points from three clusters, slots bind to the clusters without labels. "
    "The paper's binding to objects in images takes far longer than minutes on a CPU: the "
    "auto-encoder is here and tested, its binding is not shown",
    status="works on sets; binding in images not shown (needs hours of training)",
    choices=(
        "GRU cell weights start as torch draws them; all other weights are Glorot-uniform.",
        "padding_mask and noise are ours; without them the module is algorithm 1 of the paper.",
        "The decoder doubles from `broadcast` to the resolution, then 5 x 5 and 3 x 3; the "
        "authors use other decoders for small images.",
    ),
)
