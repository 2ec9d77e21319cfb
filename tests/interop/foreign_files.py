"""Runs in the layouts of other packages, made by hand, and plain loops over their weights."""

import json
import sqlite3

import numpy as np
import torch
import yaml

NAMES = {"tmax(C)": "tmax", "prcp(mm/day)": "prcp", "Tmin(C)": "tmin", "QObs(mm/d)": "qobs"}
DYNAMIC = ["tmax(C)", "prcp(mm/day)", "Tmin(C)"]
STATIC = ["recession", "area_gages2"]  # as configured; the package sorts them
CENTRE = {"tmax(C)": 14.25, "prcp(mm/day)": 3.0, "Tmin(C)": 6.5, "QObs(mm/d)": 4.0}
SCALE = {"tmax(C)": 7.5, "prcp(mm/day)": 6.0, "Tmin(C)": 7.0, "QObs(mm/d)": 2.5}
MEANS = {"area_gages2": 500.0, "recession": 0.25}
STDS = {"area_gages2": 300.0, "recession": 0.2}
HIDDEN, LENGTH = 5, 12

CONFIG = {
    "model": "cudalstm",
    "head": "regression",
    "output_activation": "linear",
    "dynamic_inputs": DYNAMIC,
    "static_attributes": STATIC,
    "target_variables": ["QObs(mm/d)"],
    "hidden_size": HIDDEN,
    "seq_length": LENGTH,
    "predict_last_n": 1,
    "initial_forget_bias": 3,
    "output_dropout": 0.4,
    "loss": "NSE",
    "optimizer": "Adam",
    "learning_rate": {0: 1e-3, 2: 5e-4},
    "clip_gradient_norm": 1,
    "batch_size": 256,
    "epochs": 3,
    "seed": 17,
    "train_basin_file": "basins.txt",
    "train_start_date": "01/10/1999",
    "train_end_date": "30/09/2001",
    "test_start_date": "01/10/2001",
    "test_end_date": "31/12/2001",
    "forcings": ["none"],
    "package_version": "1.13.0",
}


def numbers(seed=0):
    """Draw weights: shapes in, tensors of a reasonable size out."""
    rng = torch.Generator().manual_seed(seed)
    return lambda *shape: 0.6 * torch.randn(*shape, generator=rng)


def nh_weights(model, static):
    draw = numbers()
    head = {"head.net.0.weight": draw(1, HIDDEN), "head.net.0.bias": draw(1)}
    if model == "ealstm":
        return head | {
            "input_gate.weight": draw(HIDDEN, static),
            "input_gate.bias": draw(HIDDEN),
            "dynamic_gates.weight_ih": draw(len(DYNAMIC), 3 * HIDDEN),
            "dynamic_gates.weight_hh": draw(HIDDEN, 3 * HIDDEN),
            "dynamic_gates.bias": draw(3 * HIDDEN),
        }
    return head | {
        "lstm.weight_ih_l0": draw(4 * HIDDEN, len(DYNAMIC) + static),
        "lstm.weight_hh_l0": draw(4 * HIDDEN, HIDDEN),
        "lstm.bias_ih_l0": draw(4 * HIDDEN),
        "lstm.bias_hh_l0": draw(4 * HIDDEN),
    }


def write_nh(folder, basins, **changes):
    """A run of neuralhydrology as version 1.13 writes it, with weights after epochs 2 and 3."""
    tree = {k: v for k, v in (CONFIG | changes).items() if v is not None}
    (folder / "train_data").mkdir(parents=True)
    (folder / "config.yml").write_text(yaml.safe_dump(tree))
    (folder / "basins.txt").write_text("\n".join(basins) + "\n")
    scaler = {"attribute_means": MEANS, "attribute_stds": STDS}
    for what, values in (("center", CENTRE), ("scale", SCALE)):
        variables = {n: {"dims": [], "attrs": {}, "data": v} for n, v in values.items()}
        scaler[f"xarray_feature_{what}"] = {
            "coords": {}, "attrs": {}, "dims": {}, "data_vars": variables,
        }  # fmt: skip
    (folder / "train_data" / "train_data_scaler.yml").write_text(yaml.safe_dump(scaler))
    weights = nh_weights(tree["model"], static=len(tree.get("static_attributes", [])))
    torch.save({n: 0 * w for n, w in weights.items()}, folder / "model_epoch002.pt")
    torch.save(weights, folder / "model_epoch003.pt")
    return weights


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def nh_loop(model, weights, x_d, x_s):
    """What the package computes for one window, (T, F) and (S,), in float64, step by step."""
    w = {n: v.double().numpy() for n, v in weights.items()}
    h, c = np.zeros(HIDDEN), np.zeros(HIDDEN)
    for x in x_d:
        if model == "ealstm":
            i = sigmoid(w["input_gate.weight"] @ x_s + w["input_gate.bias"])
            gates = x @ w["dynamic_gates.weight_ih"] + h @ w["dynamic_gates.weight_hh"]
            f, o, g = np.split(gates + w["dynamic_gates.bias"], 3)
        else:
            z = np.concatenate([x, x_s])
            gates = w["lstm.weight_ih_l0"] @ z + w["lstm.weight_hh_l0"] @ h
            i, f, g, o = np.split(gates + w["lstm.bias_ih_l0"] + w["lstm.bias_hh_l0"], 4)
            i = sigmoid(i)
        c = sigmoid(f) * c + i * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return (w["head.net.0.weight"] @ h + w["head.net.0.bias"]).item()


SETTINGS_2019 = {
    "seed": 111,
    "no_static": False,
    "concat_static": False,
    "use_mse": False,
    "hidden_size": HIDDEN,
    "dropout": 0.4,
    "initial_forget_gate_bias": 5,
    "seq_length": LENGTH,
    "batch_size": 256,
    "clip_norm": True,
    "clip_value": 1,
    "epochs": 30,
    "train_start": "01101999",
    "train_end": "30092001",
    "val_start": "01102001",
    "val_end": "31122001",
}


def weights_2019(model, static):
    draw = numbers(1)
    head = {"fc.weight": draw(1, HIDDEN), "fc.bias": draw(1).abs()}
    gates, inputs = (3, 5) if model == "ealstm" else (4, 5 + static)
    found = head | {
        "lstm.weight_ih": draw(inputs, gates * HIDDEN),
        "lstm.weight_hh": draw(HIDDEN, gates * HIDDEN),
        "lstm.bias": draw(gates * HIDDEN),
    }
    if model == "ealstm":
        found |= {"lstm.weight_sh": draw(static, HIDDEN), "lstm.bias_s": draw(HIDDEN)}
    return found


def write_2019(folder, model, attributes):
    """A run of the published code; `attributes` is the table the attribute files made."""
    folder.mkdir(parents=True)
    own = {"concat_static": model == "lstm", "no_static": model == "lstm-nostatic"}
    (folder / "cfg.json").write_text(json.dumps(SETTINGS_2019 | own))
    static = 0 if model == "lstm-nostatic" else 27
    if static:
        with sqlite3.connect(folder / "attributes.db") as database:
            attributes.to_sql("basin_attributes", database)
        database.close()
    weights = weights_2019(model, static)
    torch.save(weights, folder / "model_epoch30.pt")
    return weights


def loop_2019(model, weights, x_d, x_s):
    w = {n: v.double().numpy() for n, v in weights.items()}
    h, c = np.zeros(HIDDEN), np.zeros(HIDDEN)
    for x in x_d:
        z = x if model == "ealstm" else np.concatenate([x, x_s])
        gates = z @ w["lstm.weight_ih"] + h @ w["lstm.weight_hh"] + w["lstm.bias"]
        if model == "ealstm":
            i = sigmoid(x_s @ w["lstm.weight_sh"] + w["lstm.bias_s"])
            f, o, g = np.split(gates, 3)
        else:
            f, i, o, g = np.split(gates, 4)
            i = sigmoid(i)
        c = sigmoid(f) * c + i * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return (w["fc.weight"] @ h + w["fc.bias"]).item()
