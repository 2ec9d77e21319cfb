"""The command line as one of several processes: ``python -m tests.training.of_many N ...``.

The second process (or the only one) asks itself to stop, as Ctrl-C does, at step N; 0 never.
"""

import os
import signal
import sys

from hydroml.cli.main import main
from hydroml.training import fit

if __name__ == "__main__":
    stop_after, sys.argv[1:] = int(sys.argv[1]), sys.argv[2:]
    taken, original = [], fit.take_step

    def counted(*arguments: object) -> list[float]:
        """Take a step, and ask to stop behind the chosen one."""
        taken.append(None)
        last_rank = int(os.environ["RANK"]) == int(os.environ["WORLD_SIZE"]) - 1
        if len(taken) == stop_after and last_rank:
            signal.raise_signal(signal.SIGINT)
        return original(*arguments)

    fit.take_step = counted
    main()
