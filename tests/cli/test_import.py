"""``hydroml import``: what it writes, says and refuses."""

import pytest

from tests.interop.foreign_files import write_nh


def test_a_run_is_imported_evaluated_and_reported(command, tiny_store, tmp_path):
    write_nh(tmp_path / "theirs", ["01000000", "02000000"], loss="RMSE")
    runs = tmp_path / "runs"
    code, out, err = command(
        "import", "neuralhydrology", tmp_path / "theirs", "--data", tiny_store, "--runs", runs,
        "--name", "ours",
    )  # fmt: skip
    assert code == 0, err
    assert "imported from neuralhydrology 1.13.0, epoch 3" in err
    assert "note: it was trained with the loss RMSE" in err
    assert f"hydroml evaluate {runs / 'ours'} --mode windowed" in out
    code, out, err = command("evaluate", runs / "ours", "--mode", "windowed", "--device", "cpu")
    assert code == 0, err
    assert "2 basins" in out
    code, _, err = command("train", "--resume", runs / "ours")
    assert code == 1
    assert "was imported" in err
    code, out, err = command("report", runs / "ours")
    assert code == 0, err
    assert (runs / "ours" / "report.html").is_file()


def test_names_can_be_given(command, tiny_store, tmp_path):
    changed = {"dynamic_inputs": ["tmax(C)", "rain", "Tmin(C)"]}
    write_nh(tmp_path / "theirs", ["01000000"], **changed)
    scaler = tmp_path / "theirs" / "train_data" / "train_data_scaler.yml"
    scaler.write_text(scaler.read_text().replace("prcp(mm/day)", "rain"))
    words = ("import", "neuralhydrology", tmp_path / "theirs", "--data", tiny_store)
    code, _, err = command(*words, "--runs", tmp_path / "r")
    assert code == 1
    assert "--rename 'rain=NAME'" in err
    code, _, err = command(*words, "--runs", tmp_path / "r", "--rename", "rain=prcp")
    assert code == 0, err
    code, _, err = command(*words, "--runs", tmp_path / "r", "--rename", "rain=prcp")
    assert code == 1
    assert "exists already" in err


@pytest.mark.parametrize("pair", ["prcp", "=prcp", "rain="])
def test_half_a_pair_is_refused(command, tmp_path, pair):
    code, _, err = command("import", "kratzert2019", tmp_path, "--rename", pair)
    assert code == 1
    assert "is no pair" in err
