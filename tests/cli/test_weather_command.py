"""``hydroml weather``: what it writes and prints, and that ``hydroml sensitivity`` takes it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

from hydroml import api
from hydroml.data.store import open_store, write_store
from hydroml.errors import ConfigError, StoreError
from hydroml.generate.adversarial import AdversarialSettings
from tests.conftest import tiny_config, tiny_dataset

FAST = ("--members", 2, "--device", "cpu")


@pytest.fixture(scope="module")
def written(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("weather") / "all"
    settings = AdversarialSettings(
        window=16, width=8, critic_width=8, steps=2, batch=4, calibration_years=4
    )
    table = api.generate_weather(
        tiny_run, method="all", members=2, settings=settings, device="cpu", out=out
    )
    assert set(table["generator"]) == {"markov", "linear", "gan"}
    return out


class TestFiles:
    def test_members_are_whole_weather_of_the_test_period_and_its_warm_up(
        self, written, tiny_store
    ):
        store = open_store(tiny_store)
        with xr.open_dataset(written / "weather_01.nc") as member:
            assert set(member.data_vars) == {"prcp", "tmax", "tmin"}
            assert member["prcp"].dims == ("basin", "time")
            assert member["basin"].values.tolist() == store["basin"].values.tolist()
            assert str(member["time"].values[0])[:10] == "2000-10-01"  # 365 days before
            assert str(member["time"].values[-1])[:10] == "2003-09-30"
            assert member["prcp"].attrs["units"] == "mm d-1"
            assert np.isfinite(member["prcp"]).all()
            assert float(member["prcp"].min()) >= 0
            assert (member["tmin"] <= member["tmax"]).all()
            assert "SYNTHETIC" in member.attrs["title"]
            assert member.attrs["learned_from"] == "1999-10-01 to 2001-09-30"
            with xr.open_dataset(written / "weather_02.nc") as other:
                assert not np.array_equal(other["tmax"], member["tmax"])

    def test_the_winner_is_what_the_table_says(self, written):
        summary = json.loads((written / "summary.json").read_text())
        verdict = summary["verdict"]
        assert summary["generator"] == verdict["winner"]
        assert verdict["wins"][verdict["winner"]] == max(verdict["wins"].values())
        table = pd.read_csv(written / "criteria.csv")
        own = table[(table.criterion == "lag1") & (table.generator == "gan")]["ratio"].mean()
        assert summary["ratio"]["lag1"]["gan"] == pytest.approx(own, rel=1e-3)
        expected = table["error"] / table["sampling"]
        assert table["ratio"].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-3)
        assert (written / "weather.png").stat().st_size > 10_000

    def test_scenarios_name_every_member(self, written):
        tree = yaml.safe_load((written / "scenarios.yaml").read_text())
        assert [s["name"] for s in tree["scenarios"]] == ["weather_01", "weather_02"]
        for scenario in tree["scenarios"]:
            assert (written / scenario["changes"][0]["path"]).is_file()


def test_sensitivity_takes_them_and_a_warming_on_top(written, tiny_run, tmp_path):
    tree = yaml.safe_load((written / "scenarios.yaml").read_text())
    warmer = tree["scenarios"][0] | {"name": "warmer"}
    warmer["changes"] = [
        {**warmer["changes"][0], "path": str(written / "weather_01.nc")},
        {"kind": "add", "variable": "temperature", "amount": 3},
    ]
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump({"name": "warm", "scenarios": [warmer]}))
    response = api.analyse_sensitivity(
        tiny_run, [written / "scenarios.yaml", mine], device="cpu", out=tmp_path / "response",
        statics="held", basins=str(written / "basins.txt"),
    )  # fmt: skip
    assert response["scenario"].values.tolist() == [
        "baseline",
        "weather_01",
        "weather_02",
        "warmer",
    ]
    mean = response["value"].sel(statistic="mean").isel(member=0)
    assert np.isfinite(mean).all()
    by_name = {str(s): mean.sel(scenario=s).values for s in mean["scenario"].values}
    assert (by_name["weather_01"] != by_name["baseline"]).all()
    assert (by_name["weather_01"] != by_name["weather_02"]).all()
    assert (by_name["warmer"] != by_name["weather_01"]).all()
    with xr.open_dataset(written / "weather_01.nc") as member:
        fallen = member["prcp"].sel(time=slice("2001-10-01", "2003-09-30")).mean("time")
    told = response["precipitation"].sel(scenario="weather_01")
    assert told.values == pytest.approx(fallen.values, rel=1e-4)


@pytest.fixture
def no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty figure: drawing takes most of the time of a small study."""
    from matplotlib.figure import Figure

    from hydroml.api import weather

    monkeypatch.setattr(weather, "draw_weather", lambda study: Figure())


@pytest.mark.usefixtures("no_figure")
class TestCommand:
    def test_it_prints_what_it_writes(self, command, tiny_run, tmp_path):
        out_folder = tmp_path / "w"
        code, out, err = command(
            "weather", tiny_run, "--method", "markov", *FAST, "--out", out_folder
        )
        assert code == 0, err
        assert "SYNTHETIC DATA: error of generated weather" in out
        assert "all criteria together: markov" in out
        for file in out_folder.iterdir():
            assert f"  {file.name}\n" in out
        assert f"--scenarios {out_folder / 'scenarios.yaml'}" in out
        first = xr.load_dataset(out_folder / "weather_02.nc")
        code, _, err = command(
            "weather", tiny_run, "--method", "markov", *FAST, "--out", out_folder
        )
        assert code == 0, err  # its own results are replaced, by the same
        again = xr.load_dataset(out_folder / "weather_02.nc")
        xr.testing.assert_identical(again.drop_attrs(), first.drop_attrs())

    def test_years_that_were_learned_from_are_told_of(self, command, tiny_run, tmp_path):
        code, out, err = command(
            "weather", tiny_run, "--method", "markov", *FAST, "--period", "2000-10-01..2002-09-30",
            "--out", tmp_path / "w",
        )  # fmt: skip
        assert code == 0, err
        assert "Note: judged by years that were learned from." in out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--method", "gen"), "Unknown method 'gen'"),
            (("--members", 0), "0 members are asked for"),
            (("--seed", -1), "The seed is -1"),
            (("--steps", -1), "steps is -1"),
            (("--steps", 9, "--method", "markov"), "Leave --steps out"),
            (("--period", "tomorrow"), "Unknown period 'tomorrow'"),
            (("--train", "1990-10-01..1995-09-30"), "lies outside the data"),
            (("--period", "2002-10-01..2003-09-30"), "has 1 whole water years"),
            (("--period", "train"), "would be learned from and judged by"),
            (("--basins", "99"), "99 basins are asked for"),
        ],
    )
    def test_a_mistake_is_one_message(self, command, tiny_run, tmp_path, arguments, message):
        code, out, err = command("weather", tiny_run, *FAST, *arguments, "--out", tmp_path / "w")
        assert code == 1, out
        assert message in err
        assert err.count("What to do: ") == 1
        assert "Traceback" not in err
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_of_something_else_is_left_alone(self, command, tiny_run, tmp_path):
        (tmp_path / "mine.txt").write_text("mine")
        code, _, err = command("weather", tiny_run, *FAST, "--out", tmp_path)
        assert code == 1
        assert "is not generated weather" in err
        assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.fixture(scope="module")
def gappy_run(tmp_path_factory):
    folder, dataset = tmp_path_factory.mktemp("gaps"), tiny_dataset()
    dataset["tmax"][2, 900] = np.nan
    store = write_store(dataset, folder / "gaps.zarr")
    return api.train(store, config=tiny_config(), name="gaps", runs=folder)


@pytest.mark.usefixtures("no_figure")
class TestGaps:
    def test_a_missing_day_is_named(self, gappy_run, tmp_path):
        with pytest.raises(StoreError, match="tmax of basin 03000000 is missing on 2001-03-19"):
            api.generate_weather(gappy_run, method="markov", device="cpu", out=tmp_path / "w")

    def test_such_basins_can_be_left_out(self, gappy_run, tmp_path):
        api.generate_weather(
            gappy_run,
            method="markov",
            members=1,
            device="cpu",
            out=tmp_path / "w",
            allow_missing=True,
        )
        with xr.open_dataset(tmp_path / "w" / "weather_01.nc") as member:
            assert "03000000" not in member["basin"].values
            assert member.sizes["basin"] == 3

    def test_a_failure_leaves_no_half_files(self, gappy_run, tmp_path, monkeypatch):
        from hydroml.api import weather

        def fail(study):
            raise ConfigError("no ink", "buy some")

        monkeypatch.setattr(weather, "draw_weather", fail)
        with pytest.raises(ConfigError):
            api.generate_weather(
                gappy_run, method="markov", members=1, device="cpu", out=tmp_path / "w",
                allow_missing=True,
            )  # fmt: skip
        assert list(tmp_path.iterdir()) == []
