"""Modern Hopfield layers: states look up stored patterns, as attention does.

Stored patterns X (N, d), state xi, inverse temperature beta:

    xi' = X' softmax(beta X xi)

An update never raises the energy of `hydroml.toolkit.attention.energy`; a pattern that stands out
is retrieved by one update, with an error that falls exponentially in how far it stands out.
Small beta averages over all patterns, large beta picks one, in between subsets are averaged.

In a layer, states, stored patterns and what is read from them are normalised and mapped into
H heads, Q = W_q state, K = W_k stored, V = W_v projection, and

    repeat   A = softmax(beta Q K' + mask);   Q = A K unless this was the last update
    output = W_o concat_heads(dropout(A) V)

With one update and beta = 1/sqrt(head size) this is the transformer's attention, computed by
`torch.nn.functional.scaled_dot_product_attention`. `Hopfield` associates two sets,
`HopfieldPooling` pools a bag by learned states, `HopfieldLayer` looks states up among learned
patterns, `HopfieldEncoderLayer` is a transformer layer around one.
"""

from hydroml.toolkit.attention.energy import (
    hopfield_energy,
    hopfield_retrieve,
    retrieval_error_bound,
    separation,
)
from hydroml.toolkit.attention.hopfield_attention import Hopfield
from hydroml.toolkit.attention.hopfield_encoder import HopfieldEncoderLayer
from hydroml.toolkit.attention.hopfield_lookup import HopfieldLayer
from hydroml.toolkit.attention.hopfield_pooling import HopfieldPooling
from hydroml.toolkit.card import Card

__all__ = [
    "CARD",
    "Hopfield",
    "HopfieldEncoderLayer",
    "HopfieldLayer",
    "HopfieldPooling",
    "hopfield_energy",
    "hopfield_retrieve",
    "retrieval_error_bound",
    "separation",
]

CARD = Card(
    name="hopfield",
    title="Modern Hopfield layers",
    paper="Ramsauer et al. (2020): Hopfield Networks is All You Need. arXiv:2008.02217, ICLR 2021",
    year=2020,
    answers="Which stored patterns does this state resemble, and what belongs to them?",
    inputs="stored (B, S, E_k), state (B, L, E), projection (B, S, E_v), or one x (B, S, E)",
    outputs="(B, L, output_size); association matrix (B, H, L, S); pooling: (B, quantity * out)",
    hydrology="donor basins: stored = gauged basins, state = an ungauged one, weights = donors",
    claim="random patterns are retrieved by one update with an error falling exponentially in "
    "their size; the energy never rises; pooling finds the one instance that decides a bag",
    status="works; speed measured on CPU only",
    choices=(
        "A scaling tensor is beta of each head in every update. (The authors' code, as read, "
        "tiles it over features in the first update and misplaces it in later ones.)",
        "concat_bias_pattern stores the learned pattern, as add_bias_kv of torch does. (In the "
        "authors' code, as read, it is never appended.)",
        "Static patterns serve every head of their own sample. (The authors' code mixes heads "
        "and samples where both are several.)",
        "A state from which everything is hidden reads zero; hidden patterns may hold NaN.",
        "HopfieldPooling flattens to (B, quantity * out) also without batch_first.",
        "Normalisation's _affine defaults to the switch itself instead of having to be set twice.",
        "update_steps_eps looks at the whole batch, as the authors' code does: a head goes on "
        "for all samples until the slowest has converged.",
    ),
)
