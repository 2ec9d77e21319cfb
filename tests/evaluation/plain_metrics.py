"""The published formulas, one series at a time, written as plainly as they are published."""

import numpy as np
from scipy.signal import find_peaks


def plain_scores(obs, sim, flavour):
    day = np.array([t for t in range(len(obs)) if obs[t] >= 0 and not np.isnan(sim[t])], int)
    o, s = np.asarray(obs, float)[day], np.asarray(sim, float)[day]
    fdc = {"kratzert2019": paper_curve, "neuralhydrology": package_curve}[flavour](o, s)
    r = np.corrcoef(o, s)[0, 1]
    alpha, ratio = np.std(s) / np.std(o), np.mean(s) / np.mean(o)
    return {
        "NSE": 1 - sum((s - o) ** 2) / sum((o - np.mean(o)) ** 2),
        "KGE": 1 - np.sqrt((r - 1) ** 2 + (alpha - 1) ** 2 + (ratio - 1) ** 2),
        "alpha": alpha,
        "beta": (np.mean(s) - np.mean(o)) / np.std(o),
        **fdc,
        "r": r,
        "rmse": np.sqrt(np.mean((s - o) ** 2)),
        "peak_timing": plain_peak_timing(o, s, day),
        "n_days": len(day),
    }


def paper_curve(o, s):
    n = len(o)
    top_o, top_s = sorted(o, reverse=True), sorted(s, reverse=True)
    h = round(0.02 * n)
    fhv = 100 * (sum(top_s[:h]) - sum(top_o[:h])) / (sum(top_o[:h]) + 1e-6)
    o = np.array(sorted((q if q != 0 else 1e-6 for q in o), reverse=True))
    s = np.array(sorted((q if q != 0 else 1e-6 for q in s), reverse=True))
    low_o, low_s = (np.log(q[round(0.7 * n) :] + 1e-6) for q in (o, s))
    volume_o, volume_s = (sum(q - min(q)) for q in (low_o, low_s))
    a, b = round(0.2 * n), round(0.7 * n)
    slope_o, slope_s = (np.log(q[a] + 1e-6) - np.log(q[b] + 1e-6) for q in (o, s))
    return {
        "FHV": fhv,
        "FLV": -100 * (volume_s - volume_o) / (volume_o + 1e-6),
        "FMS": 100 * (slope_s - slope_o) / (slope_o + 1e-6),
    }


def package_curve(o, s):
    n = len(o)
    o, s = -np.sort(-o), -np.sort(-s)
    h = round(0.02 * n)
    fhv = 100 * np.sum(s[:h] - o[:h]) / np.sum(o[:h])
    s[s <= 0] = 1e-6
    o[o == 0] = 1e-6
    low_o, low_s = (np.log(q[-round(0.3 * n) :]) for q in (o, s))
    volume_o, volume_s = (sum(q - min(q)) for q in (low_o, low_s))
    a, b = round(0.2 * n), round(0.7 * n)
    slope_o, slope_s = np.log(o[a]) - np.log(o[b]), np.log(s[a]) - np.log(s[b])
    return {
        "FHV": fhv,
        "FLV": -100 * (volume_s - volume_o) / (volume_o + 1e-6),
        "FMS": 100 * (slope_s - slope_o) / (slope_o + 1e-6),
    }


def plain_peak_timing(o, s, day):
    errors = []
    for p in find_peaks(o, distance=100, prominence=np.std(o))[0]:
        if p < 3 or p + 3 >= len(o) or day[p + 3] - day[p - 3] != 6:
            continue
        at = p if s[p] > s[p - 1] and s[p] > s[p + 1] else p - 3 + int(np.argmax(s[p - 3 : p + 4]))
        errors.append(abs(at - p))
    return np.mean(errors) if errors else np.nan
