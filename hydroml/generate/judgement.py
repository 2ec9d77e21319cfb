"""How far generated weather is from weather it has not seen, beside how far the past itself was.

The error of a criterion is the mean, over basins (and months, ...), of the absolute difference
between the members' mean and the observed years held out. The same difference between the years
learned from and the years held out is the sampling error: a generator that knew the years learned
from by heart would err by that much. A ratio near 1 is as good as a few years of data allow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hydroml.generate.criteria import CRITERIA, Key
from hydroml.generate.weather import Floats

NOT_COUNTED = ("between_basins",)
"""Criteria that are reported and decide nothing: no generator here couples basins."""


@dataclass(frozen=True)
class Verdict:
    """Which generator did best.

    Parameters
    ----------
    winner : str
        The one with the lowest score.
    scores : dict of str to float
        Geometric mean over criteria of error to sampling error, where an error below the sampling
        error counts as equal to it: to be nearer than years of data allow is luck, and must not
        make up for being far off elsewhere.
    wins : dict of str to int
        Criteria in which each errs least.
    criteria : int
        Counted ones.
    """

    winner: str
    scores: dict[str, float]
    wins: dict[str, int]
    criteria: int

    def told(self) -> str:
        """Say it in a sentence."""
        parts = [
            f"{name} {self.scores[name]:.2f} (best in {self.wins[name]} of {self.criteria})"
            for name in sorted(self.scores, key=self.scores.__getitem__)
        ]
        used = f" Used: {self.winner}." if len(parts) > 1 else ""
        return f"Error over sampling error, all criteria together: {', '.join(parts)}.{used}"


def judge(
    generator: str,
    observed: Mapping[Key, Floats],
    learned: Mapping[Key, Floats],
    members: Sequence[Mapping[Key, Floats]],
) -> pd.DataFrame:
    """Compare a generator's criteria with those of the years held out.

    Parameters
    ----------
    generator : str
        Its name.
    observed, learned : mapping
        Criteria of the years held out, and of the years learned from.
    members : sequence of mapping
        Criteria of each generated series.

    Returns
    -------
    pandas.DataFrame
        ``criterion variable generator observed learned generated error sampling ratio``: medians
        over basins (and months), then the errors, in the criterion's units.
    """
    rows = []
    for key, truth in observed.items():
        made = np.mean([member[key] for member in members], axis=0)
        error = float(np.abs(made - truth).mean())
        sampling = float(np.abs(learned[key] - truth).mean())
        rows.append(row_of(key, generator, (truth, learned[key], made), error, sampling))
    return pd.DataFrame(rows)


def row_of(
    key: Key, generator: str, values: Sequence[Floats | float], error: float, sampling: float
) -> dict[str, object]:
    """Lay out a row of the table; `values` are observed, learned and generated ones."""
    observed, learned, generated = (float(np.median(v)) for v in values)
    return {
        "criterion": key[0], "variable": key[1], "generator": generator, "observed": observed,
        "learned": learned, "generated": generated, "error": error, "sampling": sampling,
        "ratio": error / sampling if sampling > 0 else float("nan"),
    }  # fmt: skip


def ratios(table: pd.DataFrame) -> pd.DataFrame:
    """Mean ratio over a criterion's variables: criteria as rows, generators as columns."""
    wide = table.pivot_table("ratio", "criterion", "generator", aggfunc="mean")
    return wide.reindex([name for name in CRITERIA if name in wide.index])


def decide(table: pd.DataFrame) -> Verdict:
    """Find the generator that is least far off; criteria of `NOT_COUNTED` do not count.

    Examples
    --------
    >>> rows = [("lag1", "a", 0.5), ("lag1", "b", 1.2), ("p99.9", "a", 4.0), ("p99.9", "b", 1.2)]
    >>> table = pd.DataFrame(rows, columns=["criterion", "generator", "ratio"])
    >>> decide(table).told()  # a: sqrt(1 * 4), b: 1.2
    'Error over sampling error, all criteria together: b 1.20 (best in 1 of 2), a 2.00 (best in 1
    of 2). Used: b.'
    """
    wide = ratios(table)
    counted = wide[~wide.index.isin(NOT_COUNTED)]
    best = counted.idxmin(axis=1)
    wins = {str(name): int((best == name).sum()) for name in wide.columns}
    together = np.exp(np.log(counted.clip(lower=1.0)).mean())
    scores = {str(name): float(together[name]) for name in wide.columns}
    return Verdict(min(scores, key=scores.__getitem__), scores, wins, len(counted))
