"""What a Hopfield layer can be told, and the sizes that follow from it."""

from dataclasses import dataclass
from typing import Any, TypedDict

from torch import Tensor


class HopfieldOptions(TypedDict, total=False):
    """Keyword arguments of `Hopfield`, for the layers that wrap one."""

    hidden_size: int | None
    output_size: int | None
    pattern_size: int | None
    num_heads: int
    scaling: float | Tensor | None
    update_steps_max: int | Tensor | None
    update_steps_eps: float | Tensor
    normalize_stored_pattern: bool
    normalize_stored_pattern_affine: bool | None
    normalize_stored_pattern_eps: float
    normalize_state_pattern: bool
    normalize_state_pattern_affine: bool | None
    normalize_state_pattern_eps: float
    normalize_pattern_projection: bool
    normalize_pattern_projection_affine: bool | None
    normalize_pattern_projection_eps: float
    normalize_hopfield_space: bool
    normalize_hopfield_space_affine: bool
    normalize_hopfield_space_eps: float
    stored_pattern_as_static: bool
    state_pattern_as_static: bool
    pattern_projection_as_static: bool
    pattern_projection_as_connected: bool
    stored_pattern_size: int | None
    pattern_projection_size: int | None
    batch_first: bool
    association_activation: str | None
    dropout: float
    input_bias: bool
    concat_bias_pattern: bool
    add_zero_association: bool
    disable_out_projection: bool


@dataclass(frozen=True)
class Static:
    """Which patterns are used as they are, and whether values come from projected keys."""

    state: bool
    stored: bool
    projection: bool
    connected: bool

    @property
    def all(self) -> bool:
        """Whether no projection is left."""
        return self.state and self.stored and self.projection and not self.connected


@dataclass(frozen=True)
class Sizes:
    """Features of what comes in, and of a head; None where whatever comes is taken.

    Parameters
    ----------
    state, stored, projection : int or None
        Of the patterns that come in.
    head : int or None
        Of the association space of a head.
    pattern : int or None
        Of what a head reads out.
    """

    state: int | None
    stored: int | None
    projection: int | None
    head: int | None
    pattern: int | None


def find_sizes(
    static: Static,
    heads: int,
    input_size: int | None,
    hidden_size: int | None,
    pattern_size: int | None,
    stored_pattern_size: int | None,
    pattern_projection_size: int | None,
) -> Sizes:
    """Work out the sizes of a Hopfield layer.

    A static pattern serves every head as it is, so it is as large as the space it is used in:
    `hidden_size` for state and stored patterns, `pattern_size` for what is read out.

    Raises
    ------
    ValueError
        A size is missing, or two contradict each other.

    Examples
    --------
    >>> find_sizes(Static(False, False, False, False), 4, 8, None, 5, None, 3)
    Sizes(state=8, stored=8, projection=3, head=2, pattern=5)
    """
    if heads < 1:
        raise ValueError(f"num_heads is {heads}: at least one")
    stored = input_size if stored_pattern_size is None else stored_pattern_size
    projection = input_size if pattern_projection_size is None else pattern_projection_size
    head, pattern = hidden_size, pattern_size
    if static.all:
        head = input_size if head is None else head
        pattern = projection if pattern is None else pattern
    else:
        if input_size is None:
            raise ValueError("input_size may be left out only where every pattern is static")
        if head is None:
            if input_size % heads:
                raise ValueError(
                    f"{heads} heads do not divide input_size {input_size}: set hidden_size"
                )
            head = input_size // heads
        pattern = head if pattern is None else pattern
    _refuse_connection(static, stored, projection, head, pattern)
    sizes = Sizes(
        state=head if static.state else input_size,
        stored=head if static.stored else stored,
        projection=pattern if static.projection and not static.connected else projection,
        head=head,
        pattern=pattern,
    )
    _refuse_other("stored_pattern_size", stored_pattern_size, "hidden_size", sizes.stored)
    _refuse_other(
        "pattern_projection_size", pattern_projection_size, "pattern_size", sizes.projection
    )
    return sizes


def per_head(name: str, value: float | Tensor | None, heads: int) -> list[Any]:
    """Give every head its entry of an option that is one for all or one for each.

    Raises
    ------
    ValueError
        A tensor that has not one entry a head.

    Examples
    --------
    >>> per_head("update_steps_max", 3, 2)
    [3, 3]
    """
    if not isinstance(value, Tensor):
        return [value] * heads
    if value.shape != (heads,):
        raise ValueError(f"{name} is {tuple(value.shape)}: one entry for each of {heads} heads")
    return value.tolist()


def _refuse_connection(
    static: Static,
    stored: int | None,
    projection: int | None,
    head: int | None,
    pattern: int | None,
) -> None:
    if not static.connected:
        return
    if static.stored:
        raise ValueError(
            "pattern_projection_as_connected reads from projected stored patterns, "
            "which stored_pattern_as_static leaves unprojected: drop one of the two"
        )
    if stored != projection:
        raise ValueError(
            f"stored patterns have {stored} features and pattern projections {projection}: "
            "pattern_projection_as_connected sends both through one map, make them equal"
        )
    if static.projection and pattern != head:
        raise ValueError(
            f"pattern_size is {pattern}: static and connected, it is hidden_size, {head}"
        )


def _refuse_other(name: str, given: int | None, space: str, needed: int | None) -> None:
    if given is not None and given != needed:
        raise ValueError(
            f"{name} is {given}, but static patterns are used as they are: set {space} to {given}"
        )
