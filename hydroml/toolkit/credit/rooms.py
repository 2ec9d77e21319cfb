"""Rooms with keys and doors in a row: steps that must follow one another, paid at the end.

A room has 4 x 4 cells; four of them make a grid of 9 x 9 with walls, eight one of 9 x 19. In each
lies a key, at a cell that is drawn anew in every episode; with the key, the door to the next room
opens, and falls shut behind. In the last room the key is the goal. Four actions: up, right, down,
left; into a wall or a locked door, nothing moves. The return, paid at the end only, is

    3 + 4/15 - steps / limit     at the goal,     1     when time is up.

A state is (room, cell, where the key lies or that it is held), one integer.
"""

from collections import deque
from random import Random

__all__ = ["ACTIONS", "Rooms"]

ACTIONS = 4
_SIDE, _CELLS = 4, 16
_HELD = _CELLS  # the place of a key that is held
_STATES = _CELLS * (_CELLS + 1)  # of a room
_MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left
_DOORS = ((1, 0, 13), (7, 1, 4), (14, 2, 2), (7, 1, 4))  # from cell, by action, to the next's cell
_START = 9


class Rooms:
    """Rooms in a row, as a table of transitions.

    Parameters
    ----------
    rooms : int
        4, 8, or any number above 0.
    limit : int
        Steps after which time is up.

    Attributes
    ----------
    done : int
        The state at the goal; the largest.

    Examples
    --------
    >>> rooms = Rooms(4)
    >>> state = rooms.reset(Random(0))
    >>> rooms.step(state, 0, Random(0)) != state  # up, in the middle of the first room
    True
    """

    def __init__(self, rooms: int = 4, limit: int = 200) -> None:
        if rooms < 1 or limit < 1:
            raise ValueError(f"rooms is {rooms}, limit {limit}; give at least 1 each.")
        self.rooms, self.limit = rooms, limit
        self.done = rooms * _STATES
        # from state * 4 + action; -r: into room r, where a key is drawn
        self._next = [
            self._move(state, action) for state in range(self.done) for action in range(ACTIONS)
        ]

    def reset(self, rng: Random) -> int:
        """Start an episode in the first room."""
        return self._enter(0, rng)

    def step(self, state: int, action: int, rng: Random) -> int:
        """Move; a key is drawn on entering a room."""
        after = self._next[state * ACTIONS + action]
        return after if after >= 0 else self._enter(-after, rng)

    def pay(self, steps: int, state: int) -> float:
        """Return of an episode that ended after so many steps in a state."""
        return 3 + 4 / 15 - steps / self.limit if state == self.done else 1.0

    def demonstrate(self, rng: Random) -> tuple[list[int], list[int]]:
        """Walk a shortest way, one of them drawn: states (T + 1) and actions (T)."""
        state = self.reset(rng)
        states, actions = [state], []
        while state != self.done:
            actions.append(rng.choice(self._best(state)))
            state = self.step(state, actions[-1], rng)
            states.append(state)
        return states, actions

    def place(self, state: int) -> tuple[int, int]:
        """Row and column in the grid with walls, to draw; of the goal (-1, -1)."""
        if state == self.done:
            return -1, -1
        room, cell = state // _STATES, state % _STATES // (_CELLS + 1)
        row, column = divmod(cell, _SIDE)
        lower = room % 4 in (0, 3)  # rooms go up, right, down, right
        return row + (_SIDE + 1) * lower, column + (_SIDE + 1) * (room // 2)

    def _enter(self, room: int, rng: Random) -> int:
        cell = _START if room == 0 else _DOORS[(room - 1) % 4][2]
        key = (cell + 1 + rng.randrange(_CELLS - 1)) % _CELLS  # anywhere but underfoot
        return _state(room, cell, key)

    def _move(self, state: int, action: int) -> int:
        room, rest = divmod(state, _STATES)
        cell, key = divmod(rest, _CELLS + 1)
        door, way, _ = _DOORS[room % 4]
        if (cell, action, key) == (door, way, _HELD) and room + 1 < self.rooms:
            return -(room + 1)
        row, column = cell // _SIDE + _MOVES[action][0], cell % _SIDE + _MOVES[action][1]
        if not (0 <= row < _SIDE and 0 <= column < _SIDE):
            return state
        cell = row * _SIDE + column
        if cell == key:
            return self.done if room + 1 == self.rooms else _state(room, cell, _HELD)
        return _state(room, cell, key)

    def _best(self, state: int) -> list[int]:
        """Actions on a shortest way out of the room."""
        steps = {a: self._away(self._next[state * ACTIONS + a], state) for a in range(ACTIONS)}
        nearest = min(steps.values())
        return [a for a, n in steps.items() if n == nearest]

    def _away(self, state: int, origin: int) -> int:
        """Count steps from a state out of the room of another, breadth first."""
        room, queue, seen = origin // _STATES, deque([(state, 0)]), {state}
        while queue:
            now, steps = queue.popleft()
            if now < 0 or now // _STATES != room:
                return steps
            ahead = self._next[now * ACTIONS : (now + 1) * ACTIONS]
            queue += [(s, steps + 1) for s in ahead if s not in seen]
            seen.update(ahead)
        raise RuntimeError(f"There is no way out of room {room}.")


def _state(room: int, cell: int, key: int) -> int:
    return room * _STATES + cell * (_CELLS + 1) + key
