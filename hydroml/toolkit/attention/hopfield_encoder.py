"""A transformer encoder layer with a Hopfield layer in the place of self-attention."""

from copy import deepcopy

from torch import Tensor, nn

from hydroml.toolkit.attention.activations import activation_named
from hydroml.toolkit.attention.hopfield_attention import Hopfield


class HopfieldEncoderLayer(nn.Module):
    """Hopfield association and a small network, each added to what came in, then normalised.

    It takes the place of ``nn.TransformerEncoderLayer`` (post-norm), in ``nn.TransformerEncoder``
    too (with ``enable_nested_tensor=False``).

    Parameters
    ----------
    hopfield_association : Hopfield
        Copied, so that one may serve for several layers. Its output is as large as its input.
    dim_feedforward : int
        Hidden units of the small network.
    dropout : float
        Share of units dropped after each part and within the small network.
    activation : str
        Of the small network, one of `ACTIVATIONS`.

    Raises
    ------
    ValueError
        The association changes the size of its input, or the activation is unknown.

    References
    ----------
    Ramsauer et al. (2021): Hopfield Networks is All You Need. ICLR. arXiv:2008.02217.

    Examples
    --------
    >>> import torch
    >>> layer = HopfieldEncoderLayer(Hopfield(8, num_heads=2), dim_feedforward=16)
    >>> layer(torch.randn(3, 5, 8)).shape
    torch.Size([3, 5, 8])
    """

    def __init__(
        self,
        hopfield_association: Hopfield,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        size = hopfield_association.input_size
        if size is None or hopfield_association.output_size != size:
            raise ValueError(
                f"the association maps {size} features to {hopfield_association.output_size}: "
                "its output is added to its input, so give both the same size"
            )
        self.hopfield_association = deepcopy(hopfield_association)
        self.activation = activation_named(activation)
        self.linear_residual = nn.Linear(size, dim_feedforward)
        self.linear_output = nn.Linear(dim_feedforward, size)
        self.norm_residual = nn.LayerNorm(size)
        self.norm_output = nn.LayerNorm(size)
        self.dropout = nn.Dropout(dropout)

    @property
    def self_attn(self) -> Hopfield:
        """The association, by the name that ``nn.TransformerEncoder`` asks for."""
        return self.hopfield_association

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Encode.

        Parameters
        ----------
        src : Tensor
            (B, L, E), or (L, B, E) as the association was told.
        src_mask : Tensor, optional
            (L, L) or (B * H, L, L); True hides a position from another, a float is added.
        src_key_padding_mask : Tensor, optional
            (B, L); True hides a position.
        is_causal : bool
            Says that `src_mask` hides the future; the mask itself is needed.

        Returns
        -------
        Tensor
            Of the shape of `src`.
        """
        if is_causal and src_mask is None:
            raise ValueError("is_causal describes src_mask and does not replace it: give src_mask")
        found = self.hopfield_association(src, src_key_padding_mask, src_mask)
        src = self.norm_residual(src + self.dropout(found))
        inner = self.dropout(self.activation(self.linear_residual(src)))
        return self.norm_output(src + self.dropout(self.linear_output(inner)))

    def get_association_matrix(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
    ) -> Tensor:
        """Return which positions each position looks at, (B, H, L, L)."""
        return self.hopfield_association.get_association_matrix(src, src_key_padding_mask, src_mask)
