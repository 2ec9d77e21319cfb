"""The small environments that the components of this group are shown on, one file each.

>>> from hydroml.toolkit.credit.tasks import WatchRepair, TicTacToe
"""

from hydroml.toolkit.credit.delayed_chain import DelayedChain
from hydroml.toolkit.credit.rooms import Rooms
from hydroml.toolkit.credit.tic_tac_toe import TicTacToe
from hydroml.toolkit.credit.walk import Walk
from hydroml.toolkit.credit.watch_repair import WatchRepair

__all__ = ["DelayedChain", "Rooms", "TicTacToe", "Walk", "WatchRepair"]
