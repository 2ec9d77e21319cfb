"""From a store to a run directory: samples, loop, checkpoints."""
