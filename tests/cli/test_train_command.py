"""``hydroml train`` as a user meets it, and the commands around it."""

import re

import pytest
import yaml

from hydroml.data.store import open_store
from hydroml.errors import ConfigError
from hydroml.training import estimate
from hydroml.training.rundir import RunDirectory
from hydroml.training.step import take_step
from tests.conftest import TINY

SETTINGS = [word for setting in TINY for word in ("--set", setting)]
QUICK = ["train", "--preset", "quick", *SETTINGS]


def said(out: str, label: str) -> str:
    (found,) = re.findall(rf"^{label}  +(.*)$", out, flags=re.MULTILINE)
    return found


def test_a_dry_run_counts_right_and_writes_nothing(command, tiny_store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = command(*QUICK, "--data", tiny_store, "--epochs", "5", "--dry-run")
    assert code == 0, err
    assert said(out, "basins") == "4"
    # 731 days a basin; basin 1 lost 10 days of discharge in January 1999, before the period
    assert said(out, "target days") == "2,924"
    # blocks of 60 tile 731 days in 13, or 14 with a shift of more than 49
    samples = int(said(out, "samples an epoch"))
    assert 4 * 13 <= samples <= 4 * 14
    assert int(said(out, "optimizer steps")) == 5 * -(-samples // 8)
    # EA-LSTM: static gate 8 x 2 + 8; three gates of 3 inputs, 8 recurrent, 1 bias; head 8 + 1
    assert int(said(out, "parameters")) == (8 * 2 + 8) + 3 * 8 * (3 + 8 + 1) + 9
    assert said(out, "device") == "cpu, 0.1 MB of series in host memory"
    assert re.match(r"about \d+:\d\d", said(out, "training time"))
    config = yaml.safe_load(out[: out.index("\nbasins  ")])
    assert config["epochs"] == 5
    assert config["data"]["dynamic"] == ["prcp", "tmax", "tmin"]
    assert f"{tiny_store}: SYNTHETIC, 4 basins, forcing none, 1998-10-01 to 2004-09-29" in out
    assert "nothing was trained or written" in out
    assert list(tmp_path.iterdir()) == []


def test_a_windowed_dry_run_counts_one_sample_a_target(command, tiny_store):
    windowed = [
        "--set",
        "sampling={kind: windowed, length: 30}",
        "--set",
        "optimizer.batch_size=64",
    ]
    code, out, _ = command(
        "train", "--data", tiny_store, "--preset", "quick",
        *(w for s in TINY if "sampling" not in s and "batch" not in s for w in ("--set", s)),
        *windowed, "--epochs", 3, "--dry-run",
    )  # fmt: skip
    assert code == 0
    assert said(out, "samples an epoch") == said(out, "target days") == "2,924"
    assert said(out, "optimizer steps") == str(46 * 3)  # 2924 / 64 = 45.7


def test_the_time_is_estimated_from_full_batches(tiny_store, monkeypatch):
    # one full batch of 50 and the rest, 2 to 6: the rest alone would make a step look cheap
    from hydroml import api
    from tests.conftest import tiny_config

    sizes = []

    def timed(tasks, *arguments, **options):
        sizes.extend(len(task.batch.y) for task in tasks)
        return take_step(tasks, *arguments, **options)

    monkeypatch.setattr(estimate, "take_step", timed)
    api.plan(tiny_config("optimizer.batch_size=50"), tiny_store, "all", False)
    assert set(sizes) == {50}


def test_several_seeds_train_as_members_of_one_run(command, tiny_store, tmp_path):
    options = ["--data", tiny_store, "--runs", tmp_path, "--epochs", "1"]
    code, out, err = command(*QUICK, *options, "--name", "e", "--seed", 5, "--seed", 6, "--seed", 5)
    assert code == 0, err
    assert [p.name for p in tmp_path.iterdir()] == ["e"]
    run = RunDirectory.open(tmp_path / "e")
    assert run.config().seed == (5, 6)
    assert f"Next: hydroml evaluate {run.path}" in out
    assert run.last_weights().name == "epoch001.safetensors"


def test_a_taken_name_is_noticed_before_anything_is_trained(command, tiny_store, tmp_path):
    (tmp_path / "e").mkdir()
    options = ["--data", tiny_store, "--runs", tmp_path, "--name", "e", "--seed", 5, "--seed", 6]
    code, _, err = command(*QUICK, *options)
    assert code == 1
    assert "e exists already" in err
    assert list((tmp_path / "e").iterdir()) == []


def test_options_reach_the_run(command, tiny_store, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("loss: mse\nmodel: {dropout: 0.1}\n")
    code, _, err = command(
        *QUICK, "--data", tiny_store, "--runs", tmp_path, "--name", "r", "--config", file,
        "--basins", "02000000,04000000", "--model", "lstm", "--epochs", 1, "--device", "cpu",
    )  # fmt: skip
    assert code == 0, err
    run = RunDirectory.open(tmp_path / "r")
    config = run.config()
    assert (config.loss, config.model.dropout, config.model.name) == ("mse", 0.1, "lstm")
    assert run.scaler().basins == ("02000000", "04000000")
    assert re.search(r"epoch +1/1  loss \d\.\d+ .* ETA 0:00", err)


def test_a_runs_own_configuration_starts_another_like_it(command, tiny_run, tiny_store, tmp_path):
    options = ["--data", tiny_store, "--runs", tmp_path, "--name", "again"]
    code, _, err = command("train", "--config", tiny_run / "config.yaml", *options)
    assert code == 0, err
    first, again = (RunDirectory.open(p) for p in (tiny_run, tmp_path / "again"))
    assert [r["loss"] for r in first.read_metrics()] == [r["loss"] for r in again.read_metrics()]


def test_models_lists_models_and_presets(command):
    code, out, _ = command("models")
    assert code == 0
    names = [line.split()[0] for line in out.splitlines() if line.startswith("  ")]
    assert {"ealstm", "lstm", "lstm-nostatic", "kratzert2019", "quick", "default"} <= set(names)


def test_doctor_tells_of_machine_and_store(command, tiny_store, tmp_path, monkeypatch):
    monkeypatch.setenv("HYDROML_DATA", str(tiny_store))
    code, out, _ = command("doctor")
    assert code == 0
    assert f"Store {tiny_store}: 4 basins (SYNTHETIC)" in out
    assert re.search(r"^  torch +\d", out, flags=re.MULTILINE)
    monkeypatch.setenv("HYDROML_DATA", str(tmp_path / "none.zarr"))
    code, out, _ = command("doctor")
    assert code == 0
    assert "Default store: There is no store at" in out


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo") / "out"


def test_demo_goes_from_nothing_to_a_page_and_says_synthetic(command, demo_folder):
    code, out, err = command("demo", "--basins", 8, "--epochs", 1, "--out", demo_folder)
    assert code == 0, err
    assert "SYNTHETIC DATA: 8 basins" in out
    (run,) = (demo_folder / "runs").iterdir()
    written = {p.name for p in (run / "test").iterdir()}
    assert {"metrics.csv", "summary.json", "simulations.nc"} <= written
    assert {"nse_map.png", "nse_distribution.png", "hydrographs.png"} <= written
    assert all(f"  {name}\n" in out for name in written)
    studied = {p.name for p in (run / "sensitivity").iterdir()}
    assert {"response.nc", "elasticity.csv", "gradients.nc", "truth.csv", "truth.png"} <= studied
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "SYNTHETIC DATA" in page
    assert f"Open {run / 'report.html'} in a browser" in out
    assert RunDirectory.open(run).facts().synthetic


def test_demo_again_with_other_basins_makes_other_basins(command, demo_folder, monkeypatch):
    from hydroml import api

    def stop(store, *arguments, **options):
        raise ConfigError(f"{open_store(store).sizes['basin']} basins")

    monkeypatch.setattr(api, "create_run", stop)
    for options, basins, made in (
        (["--basins", 8], 8, False),  # as before
        (["--basins", 3], 3, True),
        (["--basins", 3, "--seed", 1], 3, True),
    ):
        _, _, err = command("demo", *options, "--out", demo_folder)
        assert f"Error: {basins} basins" in err
        assert ("synthetic basins, 20 years" in err) == made


def test_demo_refuses_a_wrong_number_before_it_draws(command, tmp_path):
    for option, value in (("--epochs", 0), ("--basins", 0), ("--seed", -1)):
        code, _, err = command("demo", option, value, "--out", tmp_path / "d")
        assert code == 1
        assert "Traceback" not in err
        assert str(value) in err
        assert not list(tmp_path.rglob("*.zarr"))
