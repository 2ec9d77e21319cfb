"""Successor representation: how often s' is visited from state s on, now and later.

    M(s, .) <- (1 - alpha) M(s, .) + alpha (e_s + gamma M(s', .))

is temporal-difference learning of ``M = sum_k gamma^k P^k``. An episode is gone through from its
end to its start, so that one pass carries what comes last to all that comes before.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = ["successor_representation"]


def successor_representation(
    episodes: Sequence[Sequence[int]],
    n_states: int,
    gamma: float = 0.99,
    alpha: float = 0.1,
    passes: int = 10,
) -> Tensor:
    """Learn which states follow which.

    Parameters
    ----------
    episodes : sequence of sequence of int
        States 0 to n_states - 1 in the order of visits.
    n_states : int
        S.
    gamma : float
        Discount of later visits, 0 to 1.
    alpha : float
        Learning rate, above 0 to 1.
    passes : int
        How often all episodes are gone through; M starts at zero.

    Returns
    -------
    Tensor
        M, (S, S), float64: row s has the discounted visits after s.

    References
    ----------
    Dayan (1993), doi:10.1162/neco.1993.5.4.613; as used by Patil et al. (2022), arXiv:2009.14108.

    Examples
    --------
    >>> successor_representation([[0, 1]], 2, gamma=0.5, alpha=1.0, passes=2)
    tensor([[1.0000, 0.5000],
            [0.0000, 1.0000]], dtype=torch.float64)
    """
    if not (0 <= gamma <= 1 and 0 < alpha <= 1):
        raise ValueError(f"gamma is {gamma}, alpha {alpha}; gamma is 0 to 1, alpha above 0 to 1.")
    states = {int(s) for episode in episodes for s in episode}
    if not states or not states <= set(range(n_states)):
        raise ValueError(f"Give states 0 to {n_states - 1}, at least one; found {sorted(states)}.")
    visits = np.zeros((n_states, n_states))
    for _ in range(passes):
        for episode in episodes:
            after = np.zeros(n_states)
            for state in reversed(episode):
                target = gamma * after
                target[state] += 1
                visits[state] += alpha * (target - visits[state])
                after = visits[state]
    return torch.from_numpy(visits)
