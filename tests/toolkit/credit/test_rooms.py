from random import Random

import pytest

from hydroml.toolkit.credit.rooms import ACTIONS, Rooms

UP, RIGHT, DOWN, LEFT = range(4)


def state_of(room, row, column, key):
    """Key as (row, column), or None where it is held."""
    return room * 272 + (4 * row + column) * 17 + (16 if key is None else 4 * key[0] + key[1])


def test_walls_key_and_doors():
    rooms, rng = Rooms(4), Random(0)
    assert rooms.step(state_of(0, 0, 0, (3, 3)), UP, rng) == state_of(0, 0, 0, (3, 3))
    assert rooms.step(state_of(0, 0, 0, (3, 3)), LEFT, rng) == state_of(0, 0, 0, (3, 3))
    assert rooms.step(state_of(0, 0, 0, (3, 3)), DOWN, rng) == state_of(0, 1, 0, (3, 3))
    assert rooms.step(state_of(0, 3, 2, (3, 3)), RIGHT, rng) == state_of(0, 3, 3, None)
    # the door of the first room is up from (0, 1), and opens with the key only
    assert rooms.step(state_of(0, 0, 1, (3, 3)), UP, rng) == state_of(0, 0, 1, (3, 3))
    entered = rooms.step(state_of(0, 0, 1, None), UP, rng)
    assert rooms.place(entered) == (3, 1)  # the lowest row of the room above
    assert entered // 272 == 1
    assert entered % 17 != 16
    # back is a wall
    assert rooms.step(entered, DOWN, rng) == entered


@pytest.mark.parametrize("rooms", [1, 4, 8])
def test_doors_lead_to_the_neighbour(rooms):
    task, rng = Rooms(rooms), Random(1)
    for room in range(rooms - 1):
        seen = []
        for cell in range(16):
            for action in range(ACTIONS):
                state = state_of(room, cell // 4, cell % 4, None)
                after = task.step(state, action, rng)
                if after // 272 != room:
                    seen.append((task.place(state), task.place(after)))
        (((row, column), (to_row, to_column)),) = seen
        assert abs(row - to_row) + abs(column - to_column) == 2  # one cell of wall between


@pytest.mark.parametrize("rooms", [4, 8])
@pytest.mark.parametrize("seed", range(5))
def test_demonstrations_reach_the_goal(rooms, seed):
    task = Rooms(rooms)
    states, actions = task.demonstrate(Random(seed))
    assert states[-1] == task.done
    assert len(states) == len(actions) + 1
    assert [s // 272 for s in states[:-1]] == sorted(s // 272 for s in states[:-1])
    assert {s // 272 for s in states} == set(range(rooms + 1))
    # no shorter than the straight way through each room, no longer than key and door can be apart
    assert rooms * 3 < len(actions) <= rooms * 13


def test_a_shortest_way_by_hand():
    task = Rooms(1)
    states, actions = [state_of(0, 2, 1, (0, 3))], []
    assert set(task._best(states[0])) == {UP, RIGHT}
    assert task._best(state_of(0, 0, 2, (0, 3))) == [RIGHT]
    assert task.step(state_of(0, 0, 2, (0, 3)), RIGHT, Random(0)) == task.done
    assert not actions


def test_key_lies_anywhere_but_underfoot():
    task, rng = Rooms(4), Random(0)
    assert {task.reset(rng) % 17 for _ in range(500)} == set(range(16)) - {9}


def test_pay():
    task = Rooms(4, limit=200)
    assert task.pay(20, task.done) == pytest.approx(3 + 4 / 15 - 0.1)
    assert task.pay(200, 5) == 1.0


def test_bad_input():
    with pytest.raises(ValueError, match="rooms is 0"):
        Rooms(0)
