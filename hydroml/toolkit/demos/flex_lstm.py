"""Latch task: name the first symbol of a sequence after its last one."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.recurrent.flex_lstm import FlexLSTM, reduced_lstm

SYMBOLS = 20
SEQUENCES, UNSEEN = 4096, 1024
HIDDEN, EPOCHS, BATCH, LEARNING_RATE = 32, 20, 128, 1e-2
LENGTHS = (4, 8, 16, 32)
FORGET_BIAS = 3.0


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Train each cell on sequences of each length and score it on unseen ones.

    Parameters
    ----------
    seed : int
        Of data, weights and batches.
    advance : callable
        Told the share of the work that is done.

    Returns
    -------
    Demo
        Shares of right answers; by length, and by epoch at the greatest length.
    """
    right: dict[str, list[list[float]]] = {name: [] for name in CELLS}
    work, done = len(CELLS) * sum(LENGTHS), 0
    for length in LENGTHS:
        for name, make in CELLS.items():
            right[name].append(_learn(make, length, seed))
            done += length
            advance(done / work)
    final = {name: [epochs[-1] for epochs in by_length] for name, by_length in right.items()}
    return Demo(_findings(final), _panels(right, final), _NOTE)


_NOTE = (
    f"{SEQUENCES} sequences of {SYMBOLS} symbols, class = first symbol; {UNSEEN} unseen ones; "
    f"{HIDDEN} cells, Adam at {LEARNING_RATE:g}, {EPOCHS} epochs, one seed. Reduced: no forget "
    "gate, no output gate, cell input sees inputs only, input gate sees its memory only."
)


def _findings(final: dict[str, list[float]]) -> tuple[Finding, ...]:
    longest = LENGTHS[-1]
    cut, full, plain, untold = (final[name][-1] for name in CELLS)

    def right(name: str) -> str:
        return f"right after {longest} steps, {name}"

    return (
        Finding(right("reduced cell"), "above 0.95", cut, cut > 0.95),
        Finding(right(f"full cell, forget bias {FORGET_BIAS:g}"), "above 0.8", full, full > 0.8),
        Finding(right("plain recurrent net"), "below 0.3", plain, plain < 0.3),
        Finding(right("full cell, forget bias near 0"), "for orientation", untold),
        Finding("right by chance", "for orientation", 1 / SYMBOLS),
    )


def _panels(
    right: dict[str, list[list[float]]], final: dict[str, list[float]]
) -> tuple[Panel, ...]:
    epochs = range(1, EPOCHS + 1)
    return (
        Panel(
            f"After {EPOCHS} epochs", "length of the sequence [steps]", "share right [-]",
            tuple(Series(LENGTHS, values, name) for name, values in final.items()), log_x=True,
        ),
        Panel(
            f"Learning at length {LENGTHS[-1]}", "epoch", "share right [-]",
            tuple(Series(epochs, by_length[-1], name) for name, by_length in right.items()),
        ),
    )  # fmt: skip


def _learn(make: "Make", length: int, seed: int) -> list[float]:
    """Train one cell; returns the share of unseen sequences named rightly, epoch by epoch."""
    generator = torch.Generator().manual_seed(seed)
    symbols = torch.randint(SYMBOLS, (SEQUENCES + UNSEEN, length), generator=generator)
    x, y = F.one_hot(symbols, SYMBOLS).float(), symbols[:, 0]
    cell = make(generator)
    head = _uniform(nn.Linear(HIDDEN, SYMBOLS), generator)
    parameters = [*cell.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE)

    def answer(chosen: Tensor | slice) -> Tensor:
        logits: Tensor = head(cell(x[chosen])[0][:, -1])
        return logits

    right = []
    for _ in range(EPOCHS):
        for batch in torch.randperm(SEQUENCES, generator=generator).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(answer(batch), y[batch]).backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
        with torch.no_grad():
            unseen = slice(SEQUENCES, None)
            right.append(float((answer(unseen).argmax(1) == y[unseen]).float().mean()))
    return right


Make = Callable[[torch.Generator], nn.Module]


def _uniform(module: nn.Module, generator: torch.Generator) -> nn.Module:
    """Draw all weights from U(-1/√H, 1/√H)."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(-(HIDDEN**-0.5), HIDDEN**-0.5, generator=generator)
    return module


def _reduced(generator: torch.Generator) -> nn.Module:
    cell = reduced_lstm(SYMBOLS, HIDDEN, generator=generator)
    cell.return_internals = False
    return cell


def _full(generator: torch.Generator) -> FlexLSTM:
    cell = FlexLSTM(SYMBOLS, HIDDEN, return_internals=False)
    cell.reset_parameters(generator)
    return cell


def _remembering(generator: torch.Generator) -> FlexLSTM:
    cell = _full(generator)
    nn.init.constant_(cell.weights("f")[2], FORGET_BIAS)
    return cell


def _plain(generator: torch.Generator) -> nn.Module:
    return _uniform(nn.RNN(SYMBOLS, HIDDEN, batch_first=True), generator)


CELLS: dict[str, Make] = {
    "reduced LSTM": _reduced,
    f"LSTM, forget bias {FORGET_BIAS:g}": _remembering,
    "plain RNN": _plain,
    "LSTM, forget bias near 0": _full,
}
