"""Agreement with occlusion, beside chance."""

import numpy as np
import pytest

from hydroml.data.store import open_store
from hydroml.explanation.agreement import (
    agreement,
    rank_correlation,
    relevance_of_events,
    summarise_agreement,
    top_overlap,
)
from hydroml.training.rundir import RunDirectory


def row(basin, truth, **methods):
    return {
        "basin": basin, "kind": "peak", "member": "m",
        "relevance": {**methods, "occlusion": truth},
    }  # fmt: skip


def test_a_method_that_is_right_beats_chance_and_one_that_is_blind_does_not():
    rng = np.random.default_rng(0)
    truths = rng.standard_normal((12, 200))
    rows = [
        row(str(b), truth, right=truth**3, blind=rng.standard_normal(200))
        for b, truth in enumerate(truths)
    ]
    found = summarise_agreement(agreement(rows, shuffles=50)).xs("peak")
    assert (found.loc["right", "value"].loc[["rank", "top10"]] == 1).all()
    assert (found.loc["right", "above_shuffled"] == 1).all()
    assert found.loc[("right", "rank"), "above_elsewhere"] == 1
    assert abs(found.loc[("right", "rank"), "elsewhere"]) < 0.1
    assert found.loc[("blind", "rank"), "above_shuffled"] < 0.4
    assert (found["events"] == 12).all()


def test_measures_by_hand():
    # ranks 1 2 3 4 and 2 1 4 3: 1 - 6 * 4 / (4 * 15)
    one, two = np.array([1.0, 2, 3, 4]), np.array([2.0, 1, 40, 30])
    assert rank_correlation(one, two) == pytest.approx(0.6)
    assert np.isnan(rank_correlation(one, np.zeros(4)))
    assert top_overlap(np.array([3.0, -9, 1]), np.array([8.0, 0, 9]), top=1) == 0


def test_events_of_a_run(tiny_run, tiny_store):
    period = (np.datetime64("2001-10-01"), np.datetime64("2003-09-30"))
    rows = relevance_of_events(
        RunDirectory.open(tiny_run),
        open_store(tiny_store),
        ["01000000", "03000000"],
        period,
        days=40,
    )
    assert [(r["basin"], r["kind"]) for r in rows] == [
        ("01000000", "peak"), ("01000000", "low"), ("03000000", "peak"), ("03000000", "low"),
    ]  # fmt: skip
    assert all(v.shape == (40,) for r in rows for v in r["relevance"].values())
    table = summarise_agreement(agreement(rows, shuffles=20))
    assert table.loc[("peak", "ig", "correlation"), "value"] > 0.5
