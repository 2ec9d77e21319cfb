"""GAMA in small: a motif at two of eight positions, found again by a generative LSTM.

The same model is also trained on noise and asked about the same sequences: what it shows there is
not learned. Analysed are 300 sequences that carry the motif, and 300 of which half do.
"""

import copy

import torch
from torch import Tensor

from hydroml.toolkit.attribution.gama import (
    GenerativeLSTM,
    fit_generative,
    gama,
    ig_tensor,
    median_shift,
    motif_sequences,
)
from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent

_LENGTH, _SYMBOLS, _MOTIF = 8, 12, {2: 12, 4: 10}
_SEQUENCES, _ANALYSED, _HIDDEN, _EPOCHS, _BATCH, _POINTS = 4000, 300, 64, 15, 128, 8
_FIRST, _SECOND = _MOTIF
_ROW = _SECOND - 1  # the output that predicts the motif's second token
_TIMES = 10.0


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Train on the motif and on noise, and compare both with the untrained model.

    Parameters
    ----------
    seed : int
        Of sequences and weights.
    advance : callable
        Told of the share that is done.

    Returns
    -------
    Demo
        The row that predicts the motif's second token: GAMA and difference of medians.
    """
    generator = torch.Generator().manual_seed(seed)
    init = GenerativeLSTM(_SYMBOLS + 2, _HIDDEN, generator=generator)
    design = motif_sequences(_SEQUENCES, _LENGTH, _MOTIF, symbols=_SYMBOLS, generator=generator)
    noise = motif_sequences(_SEQUENCES, _LENGTH, {}, symbols=_SYMBOLS, generator=generator)
    trained = {}
    for place, (name, tokens) in enumerate((("motif", design.tokens), ("noise", noise.tokens))):
        trained[name] = copy.deepcopy(init)
        fit_generative(
            trained[name], tokens, epochs=_EPOCHS, batch_size=_BATCH, generator=generator,
            advance=lambda done, place=place: advance(0.4 * (place + done)),  # type: ignore[misc]
        )  # fmt: skip
    signal, other = design.tokens[design.signal], design.tokens[~design.signal]
    analysed = {
        "signal": signal[:_ANALYSED],
        "mixture": torch.cat([signal[: _ANALYSED // 2], other[: _ANALYSED // 2]]),
    }
    tables = {}
    for which, x in analysed.items():
        before = ig_tensor(init, x, _POINTS)
        for name, model in trained.items():
            after = ig_tensor(model, x, _POINTS)
            tables[name, which] = (gama(before, after), median_shift(before, after))
        advance(0.9 if which == "signal" else 1.0)
    return Demo(
        _findings(tables), _panels(tables),
        f"{_SEQUENCES} sequences of {_LENGTH} symbols out of {_SYMBOLS}, half of them with symbols "
        f"{_MOTIF[_FIRST]} and {_MOTIF[_SECOND]} at positions {_FIRST} and {_SECOND}; {_HIDDEN} "
        f"units, {_EPOCHS} epochs, {_ANALYSED} sequences analysed, seed {seed}.",
    )  # fmt: skip


Tables = dict[tuple[str, str], tuple[Tensor, Tensor]]


def _findings(tables: Tables) -> tuple[Finding, ...]:
    value, shift = tables["motif", "signal"]
    row = value[_ROW, 1 : _ROW + 1]
    others = max(float(v) for i, v in enumerate(row, 1) if i != _FIRST)
    of_noise = float(tables["noise", "signal"][1][_ROW, _FIRST].abs())
    moved = float(shift[_ROW, _FIRST])
    strongest = int(shift.abs().argmax())
    mixed = tables["motif", "mixture"][0][_ROW]
    asked = f"position {_SECOND} from input {_FIRST}"
    return (
        Finding(
            f"GAMA, {asked}, sequences with the motif",
            f"above {_TIMES:g} times the other inputs ({others:.2g})", float(row[_FIRST - 1]),
            float(row[_FIRST - 1]) > _TIMES * others,
        ),
        Finding(
            "the same, model trained on noise", "control: a large value is no proof",
            float(tables["noise", "signal"][0][_ROW, _FIRST]),
        ),
        Finding(
            "the same, half of the sequences without the motif", "weak (for orientation)",
            float(mixed[_FIRST]),
        ),
        Finding(
            f"difference of medians [logit], {asked}",
            f"above {_TIMES:g} times that of the model trained on noise ({of_noise:.2g})", moved,
            moved > _TIMES * of_noise,
        ),
        Finding(
            "strongest difference of medians in the whole table",
            f"predicts {_SECOND} from {_FIRST}",
            f"predicts {strongest // len(shift) + 1} from {strongest % len(shift)}",
            divmod(strongest, len(shift)) == (_ROW, _FIRST),
        ),
    )  # fmt: skip


def _panels(tables: Tables) -> tuple[Panel, ...]:
    inputs = list(range(1, _ROW + 1))
    bars = [
        tuple(
            Series(inputs, tables[name, "signal"][kind][_ROW, 1 : _ROW + 1].abs(), name, "bars")
            for name in ("motif", "noise")
        )
        for kind in (0, 1)
    ]
    tables_shown = {
        "GAMA (log10), trained on motif": tables["motif", "signal"][0].clamp(min=1e-2).log10(),
        "GAMA (log10), trained on noise": tables["noise", "signal"][0].clamp(min=1e-2).log10(),
        "Difference of medians [logit], motif": tables["motif", "signal"][1].abs(),
    }
    return (
        Panel(f"Which input predicts position {_SECOND}?", "input position", "GAMA", bars[0],
              log_y=True),
        Panel(f"Which input predicts position {_SECOND}?", "input position",
              "|difference of medians| [logit]", bars[1]),
        *(
            Panel(title, "input position", "output (predicts the next)", image=image)
            for title, image in tables_shown.items()
        ),
    )  # fmt: skip
