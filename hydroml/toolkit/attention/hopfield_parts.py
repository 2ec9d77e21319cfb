"""What stands around the heads of a Hopfield layer: normalisation and output."""

from torch import nn


def refuse_share(dropout: float) -> float:
    """Return the share of associations to drop, or refuse it."""
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}: a share, 0 or more and less than 1")
    return dropout


def make_norm(
    name: str, size: int | None, normalize: bool, affine: bool | None, eps: float
) -> nn.Module:
    """Make the layer normalisation that the options ``normalize_NAME...`` ask for, or none."""
    if not normalize:
        if affine:
            raise ValueError(
                f"normalize_{name}_affine has no effect without normalize_{name}: set both or none"
            )
        return nn.Identity()
    if size is None:
        raise ValueError(
            f"normalize_{name} needs input_size: give it, or set normalize_{name}=False"
        )
    return nn.LayerNorm(size, eps=eps, elementwise_affine=affine is None or affine)


def make_output(
    heads: int, pattern: int | None, output_size: int | None, input_size: int | None, bias: bool
) -> nn.Linear:
    """Make the map from the heads' readings, side by side, to the output."""
    size = input_size if output_size is None else output_size
    if pattern is None or size is None:
        raise ValueError(
            "the output projection needs sizes: give input_size, or set disable_out_projection=True"
        )
    return nn.Linear(heads * pattern, size, bias=bias)


def size_of_readings(heads: int, pattern: int | None, output_size: int | None) -> int | None:
    """Return the size of the output where nothing projects it."""
    size = None if pattern is None else heads * pattern
    if output_size not in (None, size):
        raise ValueError(
            f"output_size is {output_size}, but without output projection the output has "
            f"num_heads * pattern_size = {size} features: leave output_size out"
        )
    return size
