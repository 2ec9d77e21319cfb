"""Loading and batches of one package, in a process that has imported no other.

python benchmarks/peer_loading.py ours|theirs STORE WORK

WORK holds config.yaml, data/basins.txt and, for neuralhydrology, the exported data. Prints JSON.
"""

import itertools
import json
import resource
import sys
import time
from contextlib import closing
from pathlib import Path

import torch
import yaml

from hydroml.config import TrainConfig, parse_config

BATCHES = 60
"""Batches drawn after the first."""


def peak() -> float:
    """Largest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours(config: TrainConfig, store: Path, work: Path) -> dict[str, float]:
    """Load with hydroml; CPU seconds, memory, samples gathered a CPU second."""
    from hydroml import api

    basins = (work / "data" / "basins.txt").read_text().split()
    imports, cpu = peak(), time.process_time()
    _, assembly = api.prepare_run(config, store, basins, False)
    found = {"cpu": time.process_time() - cpu, "imports": imports, "peak": peak()}
    with closing(assembly.samples.pools(0)) as pools:
        pool = next(pools)
        chosen = pool.batches(0, 0, config.optimizer.batch_size)[: BATCHES + 1]
        stream = pool.stream(chosen)
        next(stream)
        cpu = time.process_time()
        drawn = sum(len(batch.y) for batch in stream)
    return found | {"samples": drawn / (time.process_time() - cpu)}


def theirs(config: TrainConfig, store: Path, work: Path) -> dict[str, float]:
    """Load with neuralhydrology; `store` was exported to `work`."""
    import peer

    own = peer.settings(config, work / "data", work / "loading")
    imports, cpu = peak(), time.process_time()
    samples = peer.load(own)
    found = {"cpu": time.process_time() - cpu, "imports": imports, "peak": peak()}
    batches = peer.batches(samples, config.optimizer.batch_size)
    next(batches)
    cpu = time.process_time()
    drawn = sum(len(batch["y"]) for batch in itertools.islice(batches, BATCHES))
    return found | {"samples": drawn / (time.process_time() - cpu)}


if __name__ == "__main__":
    torch.set_num_threads(1)
    side, store, work = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    config = parse_config(yaml.safe_load((work / "config.yaml").read_text()))
    print(json.dumps({"ours": ours, "theirs": theirs}[side](config, store, work)))
