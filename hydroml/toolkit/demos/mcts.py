"""Tree search in small: tic-tac-toe, and a chain that random play does not see to its end.

The second half is why RUDDER redistributes rewards: what is paid late is seen by chance only, and
the chance halves with every step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray

from hydroml.toolkit.credit.delayed_chain import DelayedChain
from hydroml.toolkit.credit.mcts import MCTS
from hydroml.toolkit.credit.tic_tac_toe import EMPTY, TicTacToe, best_moves
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent

SIMULATIONS, MORE = 400, 4000  # a move
RANDOM_GAMES, PERFECT_GAMES = 100, 25  # with either side
LENGTHS = tuple(range(2, 15, 2))
REPEATS = 15
MANY_TIMES = 10
OPPONENTS = ("random", "perfect", f"perfect, {MORE} simulations")

Player = Callable[[int], int]


@dataclass(frozen=True)
class Score:
    """Games that the search won, drew and lost."""

    won: int
    drawn: int
    lost: int


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Play tic-tac-toe, and count the simulations until a delayed reward is seen.

    Parameters
    ----------
    seed : int
        Of search and opponents.
    advance : callable
        Told of the share that is done.

    Returns
    -------
    Demo
        Games by result; simulations by delay.
    """
    rng, generator = Random(seed), torch.Generator().manual_seed(seed)
    game = TicTacToe()
    randomly: Player = lambda state: rng.choice(game.legal(state))  # noqa: E731
    perfectly: Player = lambda state: rng.choice(best_moves(state))  # noqa: E731
    scores = {}
    for number, opponent, simulations, games in (
        (0, randomly, SIMULATIONS, RANDOM_GAMES),
        (1, perfectly, SIMULATIONS, PERFECT_GAMES),
        (2, perfectly, MORE, PERFECT_GAMES),
    ):
        player = _searching(simulations, generator)
        for first in (True, False):
            results = [_game(player, opponent, first) for _ in range(games)]
            scores[OPPONENTS[number], first] = Score(*(results.count(r) for r in (1, 0, -1)))
        advance((0.15, 0.2, 0.7)[number])
    needed = {}
    for shared in (False, True):
        rows = [[_until_arrival(n, shared, generator) for _ in range(REPEATS)] for n in LENGTHS]
        needed[shared] = np.median(rows, axis=1)
        advance(0.95 if not shared else 1.0)
    first_move = MCTS(game, 9, n_sim=SIMULATIONS).search(EMPTY, generator)[0].reshape(3, 3)
    return Demo(_findings(scores, needed), _panels(scores, needed, first_move), _note(seed))


def _searching(simulations: int, generator: torch.Generator) -> Player:
    search = MCTS(TicTacToe(), 9, n_sim=simulations)
    return lambda state: int(search.search(state, generator)[0].argmax())


def _game(searching: Player, opponent: Player, first: bool) -> int:
    """Play one: 1 if the search wins, 0, or -1."""
    game, state, turn = TicTacToe(), EMPTY, first
    while True:
        state, reward, done = game.step(state, (searching if turn else opponent)(state))
        if done:
            return int(reward) if turn else -int(reward)
        turn = not turn


class _Watched:
    """A chain that remembers whether its end was reached."""

    players = 1

    def __init__(self, chain: DelayedChain) -> None:
        self.chain, self.arrived = chain, False

    def legal(self, state: int) -> tuple[int, ...]:
        return self.chain.legal(state)

    def step(self, state: int, action: int) -> tuple[int, float, bool]:
        result = self.chain.step(state, action)
        self.arrived |= result[2] and result[1] > 0
        return result


def _until_arrival(length: int, shared: bool, generator: torch.Generator) -> int:
    """Count simulations until one of them reaches the chain's end."""
    chain = _Watched(DelayedChain(length, shared=shared))
    for done, _ in enumerate(MCTS(chain, 2).simulations(0, generator), 1):
        if chain.arrived:
            return done
    raise AssertionError("simulations never end")


Scores = dict[tuple[str, bool], Score]
Needed = dict[bool, NDArray[np.float64]]


def _findings(scores: Scores, needed: Needed) -> tuple[Finding, ...]:
    doublings = float(np.polyfit(LENGTHS, np.log2(needed[False]), 1)[0])
    late, shared = (float(needed[s][-1]) for s in (False, True))
    easy, hard, harder = (
        [sum(getattr(scores[name, first], kind) for first in (True, False))
         for kind in ("won", "drawn", "lost")]
        for name in OPPONENTS
    )  # fmt: skip
    return (
        Finding(f"games lost of {2 * RANDOM_GAMES} against random play, {SIMULATIONS} simulations",
                f"0 (won: {easy[0]})", easy[2], easy[2] == 0),
        Finding(f"games drawn of {2 * PERFECT_GAMES} against perfect play, {SIMULATIONS} "
                "simulations", "for orientation: not always enough", hard[1]),
        Finding(f"the same, {MORE} simulations", f"{2 * PERFECT_GAMES}", harder[1],
                harder[1] == 2 * PERFECT_GAMES),
        Finding("reward at the end: doublings of simulations per step of delay",
                "0.8 to 1.2", doublings, 0.8 <= doublings <= 1.2),
        Finding(f"simulations until the end of {LENGTHS[-1]} steps, reward at the end",
                f"more than {MANY_TIMES} times those with the reward shared out ({shared:g})", late,
                late > MANY_TIMES * shared),
    )  # fmt: skip


def _panels(scores: Scores, needed: Needed, first_move: torch.Tensor) -> tuple[Panel, ...]:
    names = [
        f"{name}, {'first' if first else 'second'}" for name, first in scores
    ]  # the search's side
    results = tuple(
        Series(names, [getattr(s, kind) / (s.won + s.drawn + s.lost) for s in scores.values()],
               kind, "bars")
        for kind in ("won", "drawn", "lost")
    )  # fmt: skip
    labels = {False: "reward at the end", True: "shared out over the steps"}
    return (
        Panel("Tic-tac-toe, by opponent and side of the search", "", "share of games [-]", results),
        Panel("Visits of the first move", "column", "row", image=first_move),
        Panel("Simulations until the chain's end is seen", "steps", "simulations", tuple(
            Series(LENGTHS, n, labels[shared]) for shared, n in needed.items()
        ), log_y=True),
    )  # fmt: skip


def _note(seed: int) -> str:
    return (
        f"UCT, c = 1.4, {SIMULATIONS} simulations a move where not told; perfect play takes any of "
        f"the best moves. Chains with two actions, one of which ends them: medians of {REPEATS} "
        f"searches. Seed {seed}."
    )
