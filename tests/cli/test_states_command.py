"""``hydroml states``: what it prints and where it writes."""

import json
import shutil


def test_it_prints_what_it_writes(command, tiny_run, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "tiny")
    code, out, err = command(
        "states", run, "--device", "cpu", "--basins", "01000000,03000000",
        "--period", "2001-10-01..2002-09-30",
    )  # fmt: skip
    assert code == 0, err
    assert "SYNTHETIC DATA: area under the ROC curve, 2001-10-01..2002-09-30" in out
    for file in (run / "states").iterdir():
        assert f"  {file.name}\n" in out
    summary = json.loads((run / "states" / "summary.json").read_text())
    assert f"{summary['auc']['wet']['input']['auc_report']:.3f}" in out
    assert "Note:" not in out


def test_it_says_when_cells_are_scored_where_they_were_chosen(command, tiny_run, tmp_path):
    code, out, err = command(
        "states", tiny_run, "--device", "cpu", "--period", "train", "--out", tmp_path / "s"
    )
    assert code == 0, err
    assert "Note: cells are chosen and scored on shared days." in out


def test_a_mistake_is_one_message(command, tiny_run):
    code, _, err = command("states", tiny_run, "--period", "tomorrow")
    assert code == 1
    assert "Unknown period 'tomorrow'" in err
    assert "Traceback" not in err
