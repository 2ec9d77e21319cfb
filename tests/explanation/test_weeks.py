import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from hydroml import api
from hydroml.data.series import Series
from hydroml.data.store import write_store
from hydroml.errors import ConfigError, HydromlError, StoreError
from hydroml.explanation.week_bags import WeekBags, cut_weeks, lead_days, liquid_water, snow_share
from hydroml.explanation.week_models import WeekSettings, fit_week_scaler, train_week_model
from hydroml.explanation.week_scores import chance, choose_weeks, hit_table, hits
from hydroml.report.weeks import notable_years
from tests.conftest import Command

PERIODS = {
    "train": "2000-10-01..2008-09-30",
    "validation": "2008-10-01..2010-09-30",
    "test": "2010-10-01..2012-09-30",
}
FAST = WeekSettings(blocks=1, hidden=16, dim=8, attn_dim=8, dropout=0, epochs=25, batch=16,
                    rate=1e-2, members=1)  # fmt: skip


def planted(basins: int = 8, seed: int = 0) -> xr.Dataset:
    """Rain falls evenly but for two wet spells a year; only the cold one makes a flood.

    Its height is a multiple of the cold spell's rain; the warm spell is twice as wet, so that the
    wettest week is always the wrong one.
    """
    rng = np.random.default_rng(seed)
    time = pd.date_range("2000-01-01", "2012-09-30", freq="D")
    prcp = rng.gamma(2.0, 0.5, (basins, len(time)))
    tmean = np.full(prcp.shape, 20.0) + rng.normal(0, 0.5, prcp.shape)
    flow = np.full(prcp.shape, 0.5) + 0.05 * rng.random(prcp.shape)
    for first in np.flatnonzero((time.month == 10) & (time.day == 1)):
        for b in range(basins):
            cold, warm = rng.choice(50, 2, replace=False)
            rain = rng.uniform(4, 16)
            days = first + 7 * cold + np.arange(7)
            if days[-1] >= len(time):
                continue
            prcp[b, days], tmean[b, days] = rain, 5.0
            flow[b, days[5]] = rain
            prcp[b, first + 7 * warm + np.arange(7)] = 32 + rng.random()
    dims = ("basin", "time")
    return xr.Dataset(
        {
            "prcp": (dims, prcp.astype("float32"), {"units": "mm d-1"}),
            "tmean": (dims, tmean.astype("float32"), {"units": "degC"}),
            "qobs": (dims, flow.astype("float32"), {"units": "mm d-1"}),
            "size": ("basin", np.linspace(1.0, 2.0, basins)),
        },
        coords={"basin": [f"0{i + 1}000000" for i in range(basins)], "time": time},
        attrs={"source": "tests", "forcing": "none", "synthetic": True},
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(planted(), tmp_path_factory.mktemp("weeks") / "planted.zarr")


@pytest.fixture(scope="module")
def found(store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Path]:
    out = tmp_path_factory.mktemp("out") / "weeks"
    return api.find_flood_weeks(store, periods=PERIODS, settings=FAST, out=out), out


def share(table: pd.DataFrame, method: str, column: str = "contains") -> float:
    own = table[(table.period == "test") & (table.group == "all") & (table.method == method)]
    return float(own[column].iloc[0])


class TestAPlantedWeek:
    def test_attention_finds_it_and_the_wettest_week_does_not(
        self, found: tuple[pd.DataFrame, Path]
    ) -> None:
        table, _ = found
        assert share(table, "attention") > 0.9
        assert share(table, "wettest") == 0
        assert share(table, "chance") == pytest.approx(1 / 52, rel=1e-4)

    def test_files(self, found: tuple[pd.DataFrame, Path]) -> None:
        table, out = found
        years = pd.read_csv(out / "weeks.csv", dtype={"gauge_id": str})
        assert sorted(set(years.period)) == ["test", "validation"]
        assert len(years) == 8 * 4
        assert set(years.group) == {"rain"}
        weights = pd.read_csv(out / "attention.csv", dtype={"gauge_id": str})
        np.testing.assert_allclose(weights.filter(like="week").sum(axis=1), 1, atol=1e-3)
        # the day of the flood is the sixth of its week
        lag = pd.to_datetime(years.peak_date) - pd.to_datetime(years.attention)
        right = years.attention_lag == 0
        assert set(lag[right].dt.days) == {5}
        summary = json.loads((out / "summary.json").read_text())
        assert summary["synthetic"] is True
        assert summary["hits"]["test"]["all"]["attention"]["contains"] == share(table, "attention")
        assert summary["skill"]["test"]["attention"]["r2"] > 0.5
        assert (out / "weeks.png").stat().st_size > 10_000

    def test_same_seed_same_weeks(
        self, store: Path, found: tuple[pd.DataFrame, Path], tmp_path: Path
    ) -> None:
        again = api.find_flood_weeks(store, periods=PERIODS, settings=FAST, out=tmp_path / "again")
        pd.testing.assert_frame_equal(again, found[0])
        first, second = (p / "attention.csv" for p in (found[1], tmp_path / "again"))
        assert first.read_text() == second.read_text()


def test_the_command(store: Path, tmp_path: Path, command: Command) -> None:
    periods = [part for name, span in PERIODS.items() for part in (f"--{name}", span)]
    out = tmp_path / "weeks"
    asked = ["--data", store, "--epochs", 1, "--members", 1, "--blocks", 0, "--out", out, *periods]
    code, said, err = command("weeks", *asked)
    assert code == 0, err
    assert "SYNTHETIC DATA: test (2010-10-01 to 2012-09-30)" in said
    assert "attention: most attended" in said
    assert "weeks.png" in said
    assert "Training on weeks" in err


class TestBadInput:
    def test_periods(self, store: Path, tmp_path: Path) -> None:
        overlapping = PERIODS | {"test": "2009-10-01..2011-09-30"}
        with pytest.raises(
            ConfigError, match=r"validation period .* and the test period .* overlap"
        ):
            api.find_flood_weeks(store, periods=overlapping, out=tmp_path / "a")
        with pytest.raises(ConfigError, match="The test period is 'test'"):
            api.find_flood_weeks(store, periods=PERIODS | {"test": "test"}, out=tmp_path / "a")
        short = PERIODS | {"test": "2010-11-01..2011-09-30"}
        with pytest.raises(ConfigError, match=r"test period .* holds no whole water year"):
            api.find_flood_weeks(store, periods=short, out=tmp_path / "a")

    def test_settings(self, store: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="members is 0"):
            WeekSettings(members=0)
        with pytest.raises(ConfigError, match="9 blocks"):
            WeekSettings(blocks=9)
        with pytest.raises(ConfigError, match="share of snow is 2"):
            api.find_flood_weeks(store, snow=2, out=tmp_path / "a")

    def test_folder_of_something_else(self, store: Path, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").write_text("keep")
        with pytest.raises(HydromlError, match="is not a search for flood weeks"):
            api.find_flood_weeks(store, periods=PERIODS, out=tmp_path)

    def test_no_precipitation(self, tmp_path: Path) -> None:
        dataset = planted(2).rename(prcp="humidity")
        store = write_store(dataset, tmp_path / "dry.zarr")
        with pytest.raises(StoreError, match="None of the inputs is precipitation"):
            api.find_flood_weeks(store, periods=PERIODS, out=tmp_path / "a")


def series_of(x: np.ndarray, y: np.ndarray, first: str, lead: int) -> Series:
    time = np.datetime64(first) - lead + np.arange(x.shape[1])
    return Series(
        [f"{b}" for b in range(len(x))], time, slice(lead, x.shape[1]),
        x.astype("float32"), np.zeros((len(x), 1), "float32"), y.astype("float32"),
    )  # fmt: skip


class TestBags:
    def test_instances_by_hand(self) -> None:
        lead = lead_days(2)  # 7 + 14
        x = np.arange(lead + 365.0)[None, :, None]  # the input is the number of the day
        series = series_of(x, np.ones((1, lead + 365)), "2000-10-01", lead)
        bags = cut_weeks(series, blocks=2, precipitation=0, temperature=[], what="test")
        assert bags.x_d.shape == (1, 52, 9)
        # week 3 begins 21 days after day 21: 42 to 48; before it 35 to 41, before that 21 to 34
        assert bags.x_d[0, 3].tolist() == [42, 43, 44, 45, 46, 47, 48, 38, 27.5]
        assert bags.water_year.tolist() == [2001]
        assert bags.rain[0, :2].tolist() == [21, 22]

    def test_years_that_lack_something_do_not_count(self) -> None:
        days = 3 * 365
        x, y = np.ones((3, days, 1)), np.ones((3, days))
        y[0, 400] = np.nan  # the second year's discharge
        x[1, 100] = np.nan  # the first year's forcing
        y[2] = 0  # a river without water
        series = series_of(x, y, "2001-10-01", 0)
        bags = cut_weeks(series, blocks=0, precipitation=0, temperature=[], what="test")
        kept = list(zip(bags.basin.tolist(), bags.water_year.tolist(), strict=True))
        assert kept == [("0", 2002), ("0", 2004), ("1", 2003), ("1", 2004)]
        with pytest.raises(StoreError, match="No year of the test period is complete"):
            cut_weeks(
                series_of(x, 0 * y, "2001-10-01", 0),
                blocks=0, precipitation=0, temperature=[], what="test",
            )  # fmt: skip

    def test_missing_forcing_before_the_year_counts_too(self) -> None:
        lead = lead_days(1)
        x, y = np.ones((1, lead + 365, 1)), np.ones((1, lead + 365))
        x[0, 0] = np.nan
        series = series_of(x, y, "2001-10-01", lead)
        with pytest.raises(StoreError, match="No year"):
            cut_weeks(series, blocks=1, precipitation=0, temperature=[], what="test")

    def test_snow(self) -> None:
        rain, warmth = np.array([[6.0, 2, 0, 4]]), np.array([[-1.0, 1, 9, 9]])
        # 6 stored; 3 melt with 2 of rain; the other 3; 4 of rain
        assert liquid_water(rain, warmth).tolist() == [[0, 5, 3, 4]]
        assert snow_share(rain, warmth).tolist() == [0.5]


def bags_of_peaks(weeks: list[int], basins: list[str]) -> WeekBags:
    n = len(weeks)
    flow = np.ones((n, 364), "float32")
    flow[np.arange(n), 7 * np.array(weeks) + 2] = 5
    return WeekBags(
        np.array(basins), np.full(n, np.datetime64("2000-10-01")), np.zeros((n, 52, 1), "f4"),
        np.zeros((n, 1), "f4"), flow, flow, flow, np.zeros(n),
    )  # fmt: skip


class TestScores:
    def test_hits(self) -> None:
        contains, near = hits(np.array([0, 5, 6, 7]), np.array([0, 6, 6, 6]))
        assert contains.tolist() == [True, False, True, False]
        assert near.tolist() == [True, True, True, False]

    def test_chance_of_the_first_week(self) -> None:
        assert chance(np.array([0, 9])) == (1 / 52, 1.5 / 52)

    def test_usual_week(self) -> None:
        training = bags_of_peaks([10, 10, 30], ["a", "a", "b"])
        asked = bags_of_peaks([1, 1], ["a", "b"])
        uniform = np.full((2, 52), 1 / 52)
        from hydroml.explanation.week_models import Pooled

        pooled = {p: Pooled(np.ones(2), uniform, uniform) for p in ("attention", "max", "mean")}
        chosen = choose_weeks(pooled, asked, training)
        assert chosen["usual"].tolist() == [9, 29]  # the earlier of two that are equally right
        assert chosen["wettest"].tolist() == [1, 1]

    def test_hit_table_leaves_empty_groups_out(self, found: tuple[pd.DataFrame, Path]) -> None:
        years = pd.read_csv(found[1] / "weeks.csv", parse_dates=["peak_date"])
        table = hit_table(years)
        assert set(table.group) == {"all", "rain"}

    def test_notable_years(self) -> None:
        table = pd.DataFrame(
            {"attention_lag": [0, -1, 4, 0], "group": ["rain"] * 3 + ["snow"],
             "peak": [3.0, 5.0, 9.0, 1.0]}
        )  # fmt: skip
        assert notable_years(table) == {
            "found, rain basin": 1, "found, snow basin": 3, "missed": 2,
        }  # fmt: skip


def test_training_leaves_the_callers_random_numbers_alone() -> None:
    bags = bags_of_peaks([3, 9, 12, 40], ["a", "a", "b", "b"])
    scaler = fit_week_scaler(bags)
    x, y = scaler.inputs(bags), scaler.target(bags)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    train_week_model((x, x), (y, y), "mean", WeekSettings(epochs=1), 0, lambda n: None)
    assert torch.equal(before, torch.random.get_rng_state())
