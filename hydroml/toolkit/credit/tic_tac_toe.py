"""Tic-tac-toe as integers, and its exact values.

A state has the nine cells of the player to move in bits 0 to 8, those of the other one in bits 9 to
17. A move puts a bit and turns the board round, so that both players see it alike. The reward of
the one who moves is 1 for three in a row, else 0; the game ends then, or when the board is full.
"""

from functools import cache

__all__ = ["EMPTY", "TicTacToe", "best_moves", "minimax"]

EMPTY = 0
_CELLS = 9
_FULL = (1 << _CELLS) - 1
_LINES = (0o007, 0o070, 0o700, 0o111, 0o222, 0o444, 0o421, 0o124)
_WINS = [any(board & line == line for line in _LINES) for board in range(_FULL + 1)]
_FREE = [
    tuple(c for c in range(_CELLS) if not taken >> c & 1) for taken in range(_FULL + 1)
]  # fmt: skip


class TicTacToe:
    """The game as a model for `MCTS`.

    Examples
    --------
    >>> game = TicTacToe()
    >>> game.step(0b011, 2)  # the player to move has cells 0 and 1, and takes 2
    (3584, 1.0, True)
    """

    players = 2

    def legal(self, state: int) -> tuple[int, ...]:
        """Cells that are free."""
        return _FREE[(state | state >> _CELLS) & _FULL]

    def step(self, state: int, action: int) -> tuple[int, float, bool]:
        """Put a piece; the state as the other player sees it, the mover's reward, the end."""
        own = state & _FULL | 1 << action
        other = state >> _CELLS
        won = _WINS[own]
        return own << _CELLS | other, float(won), won or own | other == _FULL


@cache
def minimax(state: int) -> int:
    """Value for the player to move, both playing perfectly: 1, 0 or -1.

    Examples
    --------
    >>> minimax(EMPTY)
    0
    """
    return max(_value(state, cell) for cell in TicTacToe().legal(state))


def best_moves(state: int) -> list[int]:
    """Cells that keep the value.

    Examples
    --------
    >>> best_moves(0b011 | 0b11000 << 9)  # cells 0 and 1 against 3 and 4: win before it is lost
    [2]
    """
    value = minimax(state)
    return [cell for cell in TicTacToe().legal(state) if _value(state, cell) == value]


def _value(state: int, cell: int) -> int:
    after, reward, done = TicTacToe().step(state, cell)
    return int(reward) if done else -minimax(after)
