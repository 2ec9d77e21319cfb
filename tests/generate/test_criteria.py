import numpy as np
import pandas as pd
import pytest

from hydroml.errors import ConfigError
from hydroml.generate.criteria import (
    CRITERIA,
    correlation,
    flow_criteria,
    lagged_correlation,
    monthly_moments,
    weather_criteria,
)
from hydroml.generate.judgement import decide, judge, ratios
from hydroml.generate.spells import spell_lengths, spell_statistics
from hydroml.generate.weather import Weather
from tests.generate.samples import (
    DRY_TO_WET,
    NAMES,
    ROLES,
    SAME,
    WET_TO_WET,
    days,
    known_weather,
)


def plain_weather(years: int = 2) -> Weather:
    """It rains 10 mm on the first of each month, and 2 mm on the day after; it is 20 and 5 degC."""
    time = days(years)
    month_day = (time - time.astype("datetime64[M]")).astype(int) + 1
    rain = np.select([month_day == 1, month_day == 2], [10.0, 2.0], 0.0)
    values = np.stack([rain, np.full(len(time), 20.0), np.full(len(time), 5.0)], axis=1)
    return Weather(["a"], time, NAMES, ROLES, values[None].astype("float32"))


class TestByHand:
    def test_precipitation(self):
        found = weather_criteria(plain_weather())
        of = {name: found[name, "prcp"][0] for name in CRITERIA if (name, "prcp") in found}
        assert of["wet_frequency"][0] == pytest.approx(2 / 31)  # January
        assert of["wet_frequency"][3] == pytest.approx(2 / 30)  # April
        assert of["wet_spell_mean"].item() == 2
        assert of["wet_spell_p90"].item() == 2
        # dry spells are the months less two days: 730 - 48 days in 24 of them
        assert of["dry_spell_mean"].item() == pytest.approx((730 - 48) / 24)
        assert of["dry_spell_p90"].item() == 29
        assert of["max_1day"].item() == 10
        assert of["max_5day"].item() == 12
        assert of["annual_std"].item() == 0
        assert of["monthly_mean"][0] == pytest.approx(12 / 31)

    def test_temperature(self):
        plain = plain_weather()
        values = plain.values.copy()
        values[0, 100, 1], values[0, 500, 1] = 30, 40  # one hot day a year
        values[0, 50, 2] = -11
        found = weather_criteria(plain.with_values(values))
        assert found["hottest", "tmax"].item() == 35
        assert found["coldest", "tmin"].item() == (-11 + 5) / 2

    def test_flow(self):
        time = days(2)
        q = np.ones((1, len(time)))
        q[0, 10], q[0, 400] = 5, 7
        q[0, 600:607] = 0.3
        found = {name: values.item() for (name, _), values in flow_criteria(q, time).items()}
        assert found["flow_max"] == 6
        assert found["flow_low7"] == pytest.approx((1 + 0.3) / 2)
        assert found["flow_mean"] == pytest.approx((730 + 4 + 6 - 7 * 0.7) / 730)
        means = [(365 + 4) / 365, (365 + 6 - 4.9) / 365]
        assert found["flow_annual_std"] == pytest.approx(np.std(means, ddof=1))

    def test_spells_against_a_plain_loop(self):
        happens = np.random.default_rng(0).random((3, 400)) < 0.4
        for row in happens:
            expected, length = [], 0
            for today in [*row, False]:
                if today:
                    length += 1
                elif length:
                    expected.append(length)
                    length = 0
            assert spell_lengths(row).tolist() == expected
        mean, tail = spell_statistics(happens)
        assert mean[0] == np.mean(spell_lengths(happens[0]))
        assert tail[0] == np.quantile(spell_lengths(happens[0]), 0.9)

    def test_correlations_against_numpy(self):
        x, y = np.random.default_rng(1).normal(size=(2, 3, 50, 2))
        expected = [[np.corrcoef(x[b, :, f], y[b, :, f])[0, 1] for f in (0, 1)] for b in range(3)]
        assert correlation(x, y) == pytest.approx(np.array(expected))
        assert lagged_correlation(x)[1, 0] == pytest.approx(
            np.corrcoef(x[1, 1:, 0], x[1, :-1, 0])[0, 1]
        )
        assert correlation(x, np.ones_like(x)) == pytest.approx(0)

    def test_monthly_moments_against_a_loop(self):
        weather = known_weather(years=2)
        mean, std = monthly_moments(weather.precipitation, weather.months)
        own = weather.precipitation[1, weather.months == 7].astype(float)
        assert (mean[1, 6], std[1, 6]) == pytest.approx((own.mean(), own.std()))

    def test_fewer_than_two_years_are_refused(self):
        weather = known_weather(years=2)
        with pytest.raises(ConfigError, match="has 1 whole water years"):
            weather_criteria(weather.during((weather.time[1], weather.time[-1])))


def test_criteria_of_a_known_truth():
    found = weather_criteria(known_weather(years=60, basins=3))
    stationary = DRY_TO_WET / (1 + DRY_TO_WET - WET_TO_WET)
    assert found["wet_frequency", "prcp"].mean() == pytest.approx(stationary, abs=0.01)
    # spells of a chain are geometric
    assert found["wet_spell_mean", "prcp"].mean() == pytest.approx(1 / (1 - WET_TO_WET), rel=0.03)
    assert found["dry_spell_mean", "prcp"].mean() == pytest.approx(1 / DRY_TO_WET, rel=0.03)
    # basins were drawn apart
    assert abs(found["between_basins", "tmax"]).max() < 0.03
    # both temperatures swing by 6 and -4 between wet and dry days, on top of their residuals:
    # covariance = 0.7 - 24 p (1 - p), variances 1 + 36 p (1 - p) and 1 + 16 p (1 - p)
    p = stationary * (1 - stationary)
    expected = (SAME[0, 1] - 24 * p) / np.sqrt((1 + 36 * p) * (1 + 16 * p))
    assert found["correlation", "tmax tmin"].mean() == pytest.approx(expected, abs=0.02)


class TestJudgement:
    def test_errors_by_hand(self):
        key = ("max_1day", "prcp")
        observed, learned = {key: np.array([[1.0], [2.0]])}, {key: np.array([[2.0], [2.0]])}
        # members' mean 2 and 4: off by 1 and 2; the years learned from by 1 and 0
        members = [{key: np.array([[1.0], [5.0]])}, {key: np.array([[3.0], [3.0]])}]
        (row,) = judge("a", observed, learned, members).to_dict("records")
        assert (row["error"], row["sampling"], row["ratio"]) == (1.5, 0.5, 3.0)
        assert (row["observed"], row["learned"], row["generated"]) == (1.5, 2.0, 3.0)

    def test_variables_of_a_criterion_are_one_vote(self):
        rows = [
            ("lag1", "prcp", 1.0, 4.0), ("lag1", "tmax", 3.0, 1.0), ("max_1day", "prcp", 2.0, 1.0),
            ("wet_frequency", "prcp", 1.0, 1.5), ("between_basins", "prcp", 1.0, 90.0),
        ]  # fmt: skip
        table = pd.DataFrame(
            [(c, v, g, r) for c, v, a, b in rows for g, r in (("a", a), ("b", b))],
            columns=["criterion", "variable", "generator", "ratio"],
        )
        assert ratios(table).loc["lag1"].tolist() == [2.0, 2.5]
        found = decide(table)
        # a is best in lag1 and wet_frequency, b in max_1day; basins' correlation does not count
        assert (found.wins, found.criteria) == ({"a": 2, "b": 1}, 3)
        assert found.scores == pytest.approx({"a": (2 * 2 * 1) ** (1 / 3), "b": 3.75 ** (1 / 3)})
        assert found.winner == "b"
        assert "b 1.55 (best in 1 of 3), a 1.59 (best in 2 of 3). Used: b." in found.told()

    def test_luck_does_not_make_up_for_being_far_off(self):
        rows = [
            ("lag1", "a", 0.1),
            ("lag1", "b", 1.9),
            ("max_1day", "a", 2.0),
            ("max_1day", "b", 1.0),
        ]
        found = decide(pd.DataFrame(rows, columns=["criterion", "generator", "ratio"]))
        # nearer than data allow counts as 1: sqrt(1 * 2) against sqrt(1.9 * 1)
        assert found.scores == pytest.approx({"a": 2**0.5, "b": 1.9**0.5})
        assert (found.winner, found.wins) == ("b", {"a": 1, "b": 1})
