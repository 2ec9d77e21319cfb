"""A training process that ends itself: run as ``python -m tests.training.interrupted_run``.

Arguments: STORE RUNS STEP. Trains (or goes on with) ``RUNS/killed``, with a checkpoint after
every step, and sends itself SIGKILL when the STEPth step of this process is done but not saved;
with STEP 0 it trains to the end, or until somebody else kills it.
"""

import os
import signal
import sys
from pathlib import Path

from hydroml import api
from hydroml.training import fit
from hydroml.training.progress import TrainingDisplay
from tests.conftest import tiny_config

SETTINGS = ("epochs=3", "optimizer.weight_average=0.9", "data.validation=2001-10-01..2002-09-30")


def main(store: str, runs: str, step: str) -> None:
    """Train on `store` into ``runs/killed`` until the given step."""
    fit.SECONDS_BETWEEN_CHECKPOINTS = -1.0
    done = []

    def listen(self: TrainingDisplay, *facts: object) -> None:
        done.append(facts)
        if len(done) == int(step):
            os.kill(os.getpid(), signal.SIGKILL)

    TrainingDisplay.step = listen  # type: ignore[method-assign]
    path = Path(runs) / "killed"
    if path.exists():
        api.resume(path)
    else:
        api.train(store, config=tiny_config(*SETTINGS), name="killed", runs=runs)


if __name__ == "__main__":
    main(*sys.argv[1:])
