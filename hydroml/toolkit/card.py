"""What a component says of itself: paper, question, shapes, use in hydrology, status."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """The card at the head of each component's file.

    Parameters
    ----------
    name : str
        On the command line: ``hydroml toolkit NAME``.
    title : str
        The system, in a few words.
    paper : str
        Authors (year): title. Venue, arXiv or DOI.
    year : int
        Of the paper.
    answers : str
        The question that it answers.
    inputs, outputs : str
        Shapes and units.
    hydrology : str
        Where hydroml uses it, or ``none`` and why.
    claim : str
        What the demo shows in small, and where it stops short of the paper.
    status : str
        ``works``, or the exact limitation.
    choices : tuple of str
        Where the paper leaves a thing open, or formulas depart from it: what was chosen.

    Examples
    --------
    >>> Card("echo", "Echo", "Nobody (2026): Echo", 2026, "What was said?", "x (B, T)", "y (B, T)",
    ...      "none: nothing to hear", "y equals x").status
    'works'
    """

    name: str
    title: str
    paper: str
    year: int
    answers: str
    inputs: str
    outputs: str
    hydrology: str
    claim: str
    status: str = "works"
    choices: tuple[str, ...] = ()
