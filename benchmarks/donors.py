"""Does weighting donors beat the nearest neighbour? On basins held out from a real store.

python benchmarks/donors.py STORE --gauged FILE --ungauged FILE [--run RUN] [--out donors.csv]

Each method gives donors' weights to the basins of --ungauged; gauged basins are those of --gauged.

flow      the weighted mean of the donors' observed discharge of the same day [mm d-1], each
          scaled by the ratio of mean precipitation or not.
read-out  with --run, an LSTM trained on the gauged basins alone: the weighted mean of the donors'
          own read-outs of its hidden states, applied to the states that the ungauged basin's own
          weather makes. Each read-out is the regional one plus a ridge correction fitted to the
          donor's discharge of --fitted; beside it stands the regional read-out as it is.

Everything that can be chosen (number of neighbours, inverse temperatures, scaling, ridge) is chosen
by leave-one-out among the gauged basins on --chosen, by median NSE; --test is scored once. Prints
medians and paired Wilcoxon tests against the nearest in attributes, and writes NSE a basin.
"""

import argparse
import itertools
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from hydroml.data.series import load_series
from hydroml.data.splits import Period, select_basins
from hydroml.data.store import open_store
from hydroml.regionalisation.basins import Record, know, read_record
from hydroml.regionalisation.methods import METHODS, Method
from hydroml.regionalisation.transfer import choose, mix, nse, transferred
from hydroml.training.assemble import as_days
from hydroml.training.rundir import RunDirectory

Floats = NDArray[np.float64]
BASE = "nearest in attributes"
RIDGES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
WARMUP = 365
"""Days the states run in before a period."""
BASINS_AT_ONCE = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store")
    parser.add_argument("--gauged", required=True)
    parser.add_argument("--ungauged", required=True)
    parser.add_argument("--run", help="trained on the gauged basins; its first member is used")
    parser.add_argument("--fitted", default="1999-10-01..2008-09-30")
    parser.add_argument("--chosen", default="1981-10-01..1989-09-30")
    parser.add_argument("--test", default="1989-10-01..1999-09-30")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--out", type=Path, help="CSV, a row a basin and method")
    args = parser.parse_args()
    torch.set_num_threads(1)
    dataset, began = open_store(args.store), time.process_time()
    gauged, ungauged = (select_basins(s, dataset) for s in (args.gauged, args.ungauged))
    earlier, later = (Period.parse(*p.split("..")) for p in (args.chosen, args.test))
    record = read_record(dataset, gauged, earlier.slice)
    served, record = record.serves, record.of(record.serves)
    dropped = [b for b, there in zip(gauged, served, strict=True) if not there]
    gauged = [b for b, there in zip(gauged, served, strict=True) if there]
    known, table = know(dataset, gauged, ungauged, record)
    methods = {name: METHODS[name](known) for name in args.methods.split(",")}
    print(
        f"{len(gauged)} gauged basins ({len(dropped)} without a whole year left out), "
        f"{len(ungauged)} ungauged; {len(table.names)} attributes; chosen on {args.chosen}, "
        f"tested on {args.test}"
    )
    tests = [read_record(dataset, some, later.slice) for some in (gauged, ungauged)]
    found = flow_scores(methods, record, tests[0], tests[1])
    if args.run:
        states = States(args.run, dataset)
        found |= readout_scores(
            methods, states, gauged, ungauged, [args.fitted, args.chosen, args.test]
        )
    scores = pd.DataFrame(found, index=pd.Index(ungauged, name="gauge_id"))
    print_table(scores)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        scores.T.rename_axis(["transferred", "method", "choice"]).to_csv(args.out)
    print(f"{time.process_time() - began:.0f} s of one core")


def flow_scores(
    methods: dict[str, Method], record: Record, donors: Record, truth: Record
) -> dict[tuple[str, str, str], Floats]:
    """NSE of the ungauged basins by donors' discharge: what was transferred, method, choice."""
    found = {}
    for method in methods.values():

        def simulate(choice: tuple[bool, tuple[float, ...]], method: Method = method) -> Floats:
            return _flow(choice[0], method.among(choice[1]), record, record.mean_rain)

        offered = list(itertools.product((True, False), method.offered))
        best = choose(offered, simulate, record.flow)
        scaled, choice = best.choice
        rain = truth.mean_rain if scaled else None
        simulated = _flow(scaled, method.onto(choice), donors, rain)
        told = f"{_say(choice)}, {'rain ratio' if scaled else 'as it is'}; LOO {best.score:.3f}"
        found["flow", method.title, told] = nse(truth.flow, simulated)
    return found


class States:
    """Hidden states of the first member of a run, and its read-out.

    Parameters
    ----------
    run : path-like
        Of an LSTM or EA-LSTM.
    dataset : xarray.Dataset
        The store.
    """

    def __init__(self, run: str, dataset: xr.Dataset) -> None:
        opened = RunDirectory.open(run)
        self.dataset, self.scaler = dataset, opened.scaler()
        self.model = opened.load_models(torch.device("cpu"))[0]
        head = self.model.head.linear
        self.regional = torch.cat([head.weight[0], head.bias]).detach().double().numpy()

    def read(self, basins: list[str], period: str) -> tuple[NDArray[np.float32], Floats]:
        """States (B, T, H + 1), the last one 1, and standardised discharge (B, T)."""
        days = as_days(tuple(Period.parse(*period.split("..")).__dict__.values()))
        states, flows, caught = [], [], []
        hook = self.model.head.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
        for begin in range(0, len(basins), BASINS_AT_ONCE):
            some = basins[begin : begin + BASINS_AT_ONCE]
            series = load_series(
                self.dataset, some, self.scaler.dynamic, self.scaler.static, days, lead=WARMUP
            )
            inputs = (
                self.scaler.scale_dynamic(series.x_d),
                self.scaler.scale_static(series.x_s),
            )
            with torch.no_grad():
                self.model(*map(torch.from_numpy, inputs))
            h = caught.pop()[:, series.period].numpy()
            states.append(np.concatenate([h, np.ones_like(h[..., :1])], axis=-1))
            y = series.y[:, series.period]
            flows.append(self.scaler.scale_target(np.where(y >= 0, y, np.nan)).astype(np.float64))
        hook.remove()
        return np.concatenate(states), np.concatenate(flows)

    def simulate(self, states: NDArray[np.float32], readouts: Floats) -> Floats:
        """Standardised discharge (B, T) of a read-out a basin, (B, H + 1); not below no flow."""
        dry = -self.scaler.target_mean / self.scaler.target_std
        simulated = states @ readouts.astype(np.float32)[..., None]
        return np.maximum(simulated[..., 0].astype(np.float64), dry)


def readout_scores(
    methods: dict[str, Method], states: States, gauged: list[str], ungauged: list[str],
    periods: list[str],
) -> dict[tuple[str, str, str], Floats]:  # fmt: skip
    """NSE of the ungauged basins by donors' read-outs of the states their own weather makes."""
    corrections = fit_readouts(*states.read(gauged, periods[0]), states.regional)
    h, flow = states.read(gauged, periods[1])
    regional = float(np.nanmedian(nse(flow, states.simulate(h, _same(states, len(h))))))
    picked = {}
    for method in methods.values():

        def simulate(choice: tuple[float, tuple[float, ...]], method: Method = method) -> Floats:
            ridge, weights = choice
            mixed = method.among(weights) @ corrections[ridge]
            return states.simulate(h, states.regional + mixed)

        picked[method.title] = choose(
            list(itertools.product(RIDGES, _few(method.offered))), simulate, flow
        )
    del h
    h, flow = states.read(ungauged, periods[2])
    title = f"of the gauged, in training: LOO {regional:.3f}"
    found = {("read-out", "regional", title): nse(flow, states.simulate(h, _same(states, len(h))))}
    for method in methods.values():
        best = picked[method.title]
        ridge, weights = best.choice
        readouts = states.regional + method.onto(weights) @ corrections[ridge]
        told = f"{_say(weights)}, ridge {ridge:g}; LOO {best.score:.3f}"
        found["read-out", method.title, told] = nse(flow, states.simulate(h, readouts))
    return found


def fit_readouts(
    states: NDArray[np.float32], flow: Floats, regional: Floats
) -> dict[float, Floats]:
    """Ridge corrections (B, H + 1) of the regional read-out to each basin, by ridge.

    ``argmin_d  mean_t (q_t - h_t (w + d))^2 / var(q) + ridge |d|^2`` over the days with discharge.
    """
    found = {ridge: np.zeros((len(flow), len(regional))) for ridge in RIDGES}
    for b in range(len(flow)):
        there = np.isfinite(flow[b])
        h, q = states[b, there].astype(np.float64), flow[b, there]
        if len(q) < WARMUP or q.var() == 0:
            continue  # its read-out stays the regional one
        scale = len(q) * q.var()
        gram, residual = h.T @ h / scale, h.T @ (q - h @ regional) / scale
        for ridge in RIDGES:
            found[ridge][b] = np.linalg.solve(gram + ridge * np.eye(len(gram)), residual)
    return found


def print_table(scores: pd.DataFrame) -> None:
    """Print medians and paired tests against the nearest in attributes."""
    rows = []
    for (kind, method, told), values in scores.items():
        base = next(v for (k, m, _), v in scores.items() if k == kind and m == BASE)
        change = (values - base).dropna()
        same = (change == 0).all()
        rows.append(
            {
                "transferred": kind,
                "method": method,
                "choice": told,
                "median": values.median(),
                "mean": values.clip(lower=-1).mean(),
                "NSE<=0": int((values <= 0).sum()),
                "better": "-" if same else f"{(change > 0).sum()} of {len(change)}",
                "gain": change.median(),
                "p": np.nan if same else wilcoxon(change).pvalue,
            }
        )
    print(pd.DataFrame(rows).round({"median": 3, "mean": 3, "gain": 3}).to_string(index=False))
    print(f"mean: of NSE drawn up to -1; better, gain (median), p (Wilcoxon): against '{BASE}'")


def _flow(scaled: bool, weights: Floats, donors: Record, rain: Floats | None) -> Floats:
    if scaled and rain is not None:
        return transferred(weights, donors.flow, donors.mean_rain, rain)
    return mix(weights, donors.flow)


def _same(states: States, count: int) -> Floats:
    return np.broadcast_to(states.regional, (count, len(states.regional)))


def _few(offered: tuple[tuple[float, ...], ...], most: int = 12) -> tuple[tuple[float, ...], ...]:
    """Spread at most so many of the choices: each costs a pass over all states."""
    return offered if len(offered) <= most else offered[:: -(-len(offered) // most)]


def _say(choice: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in choice)


if __name__ == "__main__":
    main()
