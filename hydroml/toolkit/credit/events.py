"""Events: states in clusters of those that follow one another, and an episode as their sequence.

The states that demonstrations visit are clustered by affinity propagation with the successor
representation as similarity. An episode becomes the sequence of clusters that it enters; states
that no demonstration saw have none.
"""

from collections.abc import Mapping, Sequence

import torch

from hydroml.toolkit.credit.affinity import affinity_propagation
from hydroml.toolkit.credit.align_rudder import ProfileModel
from hydroml.toolkit.credit.successor import successor_representation

__all__ = ["event_sequence", "find_events", "profile_of", "step_rewards"]


def find_events(
    episodes: Sequence[Sequence[int]], max_clusters: int = 15, preference: float = -0.5
) -> dict[int, int]:
    """Give every state of some episodes the number of its cluster.

    Parameters
    ----------
    episodes : sequence of sequence of int
        States, any integers.
    max_clusters : int
        At most so many.
    preference : float
        Of `affinity_propagation`.

    Returns
    -------
    dict
        State to cluster, 0 to C - 1.

    Examples
    --------
    >>> find_events([[7, 7, 9]])[7]
    0
    """
    states = sorted({s for episode in episodes for s in episode})
    index = {s: i for i, s in enumerate(states)}
    visits = successor_representation([[index[s] for s in e] for e in episodes], len(states))
    labels = affinity_propagation(visits, 0.9, preference, max_clusters).labels
    return dict(zip(states, labels.tolist(), strict=True))


def event_sequence(
    states: Sequence[int], cluster: Mapping[int, int]
) -> tuple[list[int], list[int]]:
    """Collapse runs of one cluster.

    Returns
    -------
    events : list of int
        Clusters in the order in which they are entered; no two neighbours are equal.
    steps : list of int
        The index in `states` of each entry.

    Examples
    --------
    >>> event_sequence([3, 4, 8, 4, 5], {3: 0, 4: 0, 5: 1})
    ([0, 1], [0, 4])
    """
    events: list[int] = []
    steps: list[int] = []
    for t, state in enumerate(states):
        event = cluster.get(state)
        if event is not None and (not events or events[-1] != event):
            events.append(event)
            steps.append(t)
    return events, steps


def profile_of(
    episodes: Sequence[Sequence[int]], cluster: Mapping[int, int], returns: Sequence[float]
) -> ProfileModel:
    """Make the profile of episodes of states; the background is how many steps a cluster takes."""
    visits = torch.zeros(max(cluster.values()) + 1, dtype=torch.float64)
    for episode in episodes:
        for state in episode:
            visits[cluster[state]] += 1
    demos = [torch.tensor(event_sequence(episode, cluster)[0]) for episode in episodes]
    return ProfileModel.from_demos(
        demos, visits, returns=torch.tensor(returns, dtype=torch.float64)
    )


def step_rewards(
    model: ProfileModel, cluster: Mapping[int, int], states: Sequence[int], earned: float
) -> list[float]:
    """Redistribute a return over the actions of an episode.

    An event's reward goes to the action that led into its cluster (of the first state, to the first
    action), and what the profile does not explain to the last one.

    Returns
    -------
    list of float
        One fewer than states; sums to the return.
    """
    rewards = [0.0] * (len(states) - 1)
    events, steps = event_sequence(states, cluster)
    if events:
        for step, reward in zip(steps, model.rewards(torch.tensor(events)).tolist(), strict=True):
            rewards[max(step - 1, 0)] += reward
    rewards[-1] += earned - sum(rewards)
    return rewards
