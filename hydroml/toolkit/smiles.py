"""SMILES as numbers: 35 symbols, the longest first, an end, and one-hot rows.

A SMILES is cut into symbols; of the symbols that fit at a place the longest is taken, so that
``Cl`` is chlorine and not a carbon and an l. A character that belongs to no symbol becomes ``X``.
The end is marked by ``.``, and all behind it is 0. Each row is a one-hot of 35 numbers divided by
35. No two symbols written side by side make a third one: the symbols follow from the text, and the
text from the symbols.
"""

import re
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

SYMBOLS = (
    "C", "N", "O", "H", "F", "Cl", "P", "B", "Br", "S", "I", "Si", "#", "(", ")", "+", "-",
    "1", "2", "3", "4", "5", "6", "7", "8", "=", "[", "]", "@", "c", "n", "o", "s", "X", ".",
)  # fmt: skip
"""In the published order."""

UNKNOWN, END, PADDING = "X", ".", -1

TooLong = Literal["raise", "truncate"]

_NUMBER = {symbol: k for k, symbol in enumerate(SYMBOLS)}
_LONGEST_FIRST = sorted(SYMBOLS, key=len, reverse=True)
_PATTERN = re.compile("|".join(map(re.escape, _LONGEST_FIRST)) + "|.", re.DOTALL)


class SmilesTokenizer:
    """Cut SMILES into the 35 symbols and make one-hot rows of them.

    Parameters
    ----------
    length : int
        Rows of every molecule, its end included; at least 2. Published: 350.
    too_long : str
        What to do with a SMILES that does not fit: ``raise``, or ``truncate`` to the first
        ``length - 1`` symbols and an end.
    scale : float
        The one number of a row that is not 0; published: 1/35. Networks that start from weights
        for inputs of variance 1 learn faster with the square root of 35.
    rewrite : callable, optional
        Applied to each SMILES before it is cut. The paper writes a molecule anew with its atoms
        in random order at each epoch; that takes a chemistry package, which the caller brings.

    Raises
    ------
    ValueError
        A length below 2, another word for `too_long`, a scale that is not above 0.

    Notes
    -----
    The dot that ends a molecule also parts the components of a salt. Both are the same symbol, as
    published; the last one before the padding is the end. Atoms that have no symbol of their own
    are read as what the list holds: ``[Sn]`` as S and n, ``[Na+]`` as N, X and +.

    References
    ----------
    Preuer et al. (2018), arXiv:1803.09518; Hofmarcher et al. (2020), arXiv:2004.00979.

    Examples
    --------
    >>> tokenizer = SmilesTokenizer(length=6)
    >>> tokenizer.tokenize("CCl%")
    ['C', 'Cl', 'X']
    >>> tokenizer.encode(["CCl", "O"])
    tensor([[ 0,  5, 34, -1, -1, -1],
            [ 2, 34, -1, -1, -1, -1]])
    >>> tokenizer.one_hot(["CCl", "O"]).shape
    torch.Size([2, 6, 35])
    >>> tokenizer.decode(tokenizer.encode(["CCl", "O"]))
    ['CCl', 'O']
    """

    def __init__(
        self,
        length: int = 350,
        too_long: TooLong = "raise",
        scale: float = 1 / len(SYMBOLS),
        rewrite: Callable[[str], str] | None = None,
    ) -> None:
        if length < 2:
            raise ValueError(f"length is {length}; a symbol and the end need at least 2.")
        if too_long not in ("raise", "truncate"):
            raise ValueError(f"too_long is {too_long!r}; choose raise or truncate.")
        if not 0 < scale < float("inf"):
            raise ValueError(f"scale is {scale}; give a number above 0, published is 1/35.")
        self.length, self.too_long, self.scale, self.rewrite = length, too_long, scale, rewrite

    def tokenize(self, smiles: str) -> list[str]:
        """Cut one SMILES into symbols, without its end.

        Parameters
        ----------
        smiles : str
            Not empty.
        """
        if not isinstance(smiles, str):
            raise TypeError(f"A SMILES is a string, not {type(smiles).__name__}: {smiles!r}.")
        if not smiles:
            raise ValueError("A SMILES is empty; leave it out.")
        return [found if found in _NUMBER else UNKNOWN for found in _PATTERN.findall(smiles)]

    def encode(self, smiles: Sequence[str]) -> Tensor:
        """Give each symbol its number.

        Parameters
        ----------
        smiles : sequence of str
            B molecules.

        Returns
        -------
        Tensor
            (B, length) integers: places in `SYMBOLS`, the end, then -1.

        Raises
        ------
        ValueError
            An empty SMILES, or one that is too long where too_long is ``raise``.
        TypeError
            One string instead of a sequence, or an entry that is no string.
        """
        if isinstance(smiles, str):
            raise TypeError("Give a list of SMILES, not one string.")
        rows = torch.full((len(smiles), self.length), PADDING)
        for b, text in enumerate(smiles):
            cut = self._fit(self.tokenize(self.rewrite(text) if self.rewrite else text), b)
            rows[b, : len(cut) + 1] = torch.tensor([_NUMBER[s] for s in [*cut, END]])
        return rows

    def one_hot(self, smiles: Sequence[str], dtype: torch.dtype | None = None) -> Tensor:
        """Make the rows that the networks read.

        Parameters
        ----------
        smiles : sequence of str
            B molecules.
        dtype : torch.dtype, optional
            Torch's default where none is given.

        Returns
        -------
        Tensor
            (B, length, 35): `scale` at the symbol, 0 elsewhere and behind the end.
        """
        return self.rows(self.encode(smiles), dtype)

    def rows(self, numbers: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Make one-hot rows of numbered symbols, on their device.

        Parameters
        ----------
        numbers : Tensor
            (B, T) integers of `encode`.
        dtype : torch.dtype, optional
            Torch's default where none is given.

        Returns
        -------
        Tensor
            (B, T, 35).
        """
        rows = torch.zeros(
            *numbers.shape, len(SYMBOLS), dtype=dtype or torch.get_default_dtype(),
            device=numbers.device,
        )  # fmt: skip
        there = (numbers != PADDING).to(rows) * self.scale
        return rows.scatter_(-1, numbers.clamp(min=0)[..., None], there[..., None])

    def decode(self, numbers: Tensor) -> list[str]:
        """Write the molecules of `encode` as text again; unknown characters stay ``X``.

        Parameters
        ----------
        numbers : Tensor
            (B, any) integers.

        Raises
        ------
        ValueError
            A number that is no symbol.
        """
        if numbers.numel() and not (-1 <= int(numbers.min()) <= int(numbers.max()) < len(SYMBOLS)):
            raise ValueError(
                f"numbers go from {int(numbers.min())} to {int(numbers.max())}; symbols are 0 to "
                f"{len(SYMBOLS) - 1}, padding is -1."
            )
        texts = ["".join(SYMBOLS[k] for k in row if k != PADDING) for row in numbers.tolist()]
        return [text.removesuffix(END) for text in texts]

    def _fit(self, symbols: list[str], place: int) -> list[str]:
        if len(symbols) < self.length:
            return symbols
        if self.too_long == "raise":
            raise ValueError(
                f"SMILES {place} has {len(symbols)} symbols; {self.length - 1} and an end fit. "
                "Give the tokenizer a larger length, or too_long='truncate'."
            )
        return symbols[: self.length - 1]
