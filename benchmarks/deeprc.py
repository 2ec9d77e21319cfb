"""DeepRC: one training step on one bag of 100,000 sequences, time and peak memory.

python benchmarks/deeprc.py [--sequences 100000] [--length 14] [--fractions 0.1 1]
    [--chunks 10000] [--threads 1] [--device cpu] [--toy]

A line a setting, each in a process of its own, as peak memory never falls: the share of the bag
that is kept, how many sequences are embedded at once, CPU and wall seconds of a forward and a
backward pass with an update, and how far the peak of the process's memory (on a GPU that of torch's
allocator) rose above what it was with data and network in place. A chunk as large as the bag holds
all kept sequences for the way back; smaller ones are computed again.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import torch
from stopwatch import machine

from hydroml.toolkit.attention.deeprc import (
    AttentionNetwork,
    DeepRC,
    OutputNetwork,
    SequenceEmbeddingCNN,
)

SYMBOLS = 20
TOY = {"sequences": 200, "chunks": [50], "fractions": [0.1, 1.0]}


def measure(sequences: int, length: int, fraction: float, chunk: int, device: str) -> dict:
    """Take one step, after one on a bag of 100 that loads what torch loads at first use."""
    torch.manual_seed(0)
    embedding = SequenceEmbeddingCNN(SYMBOLS, length)
    model = DeepRC(embedding, AttentionNetwork(32), OutputNetwork(32), fraction, chunk).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, eps=1e-4)
    bag = torch.randint(SYMBOLS, (sequences, length), device=device)
    step(model, optimizer, bag[:100])
    before = peak(device)
    wall, cpu = time.perf_counter(), time.process_time()
    step(model, optimizer, bag)
    if device == "cuda":
        torch.cuda.synchronize()
    return {
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - wall,
        "memory": peak(device) - before,
    }


def step(model: DeepRC, optimizer: torch.optim.Optimizer, bag: torch.Tensor) -> None:
    """Forward, backward, update."""
    loss = model([bag]).square().sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def peak(device: str) -> float:
    """Peak memory so far [MiB]."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=int, default=100_000)
    parser.add_argument("--length", type=int, default=14)
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.1, 1.0])
    parser.add_argument("--chunks", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--toy", action="store_true", help="seconds, to see that it runs")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)  # fraction and chunk
    args = parser.parse_args()
    if args.toy:
        vars(args).update(TOY)
    torch.set_num_threads(args.threads)
    if args.one:
        fraction, chunk = float(args.one[0]), int(args.one[1])
        print(json.dumps(measure(args.sequences, args.length, fraction, chunk, args.device)))
        return
    print(f"{machine(torch.device(args.device))}; {args.sequences} sequences of {args.length}")
    print("  kept    chunk   CPU s  wall s  memory MiB")
    for fraction in args.fractions:
        for chunk in args.chunks:
            child = [sys.executable, *sys.argv, "--one", str(fraction), str(chunk)]
            found = json.loads(subprocess.run(child, check=True, capture_output=True).stdout)
            print(
                f"{fraction:6.2f} {chunk:8d} {found['cpu']:7.2f} {found['wall']:7.2f} "
                f"{found['memory']:11.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
