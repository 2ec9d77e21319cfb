"""Prediction in pieces and in windows equals the plain thing."""

import numpy as np
import pytest
import torch

from hydroml.evaluation import predict
from hydroml.evaluation.predict import predict_continuous, predict_windowed
from hydroml.models import build_model
from hydroml.models.sliding import last_states

CPU = torch.device("cpu")
models = pytest.mark.parametrize("name", ["ealstm", "lstm", "lstm-nostatic"])


def model_and_inputs(name: str, basins: int = 5, days: int = 90, forget_bias: float = 3.0):
    torch.manual_seed(0)
    model = build_model(name, 3, 2, hidden=6, dropout=0.4, forget_bias=forget_bias).eval()
    data = np.random.default_rng(1)
    x_d = data.standard_normal((basins, days, 3)).astype("float32")
    return model, x_d, data.standard_normal((basins, 2)).astype("float32")


def whole(model, x_d, x_s):
    with torch.no_grad():
        return model(torch.from_numpy(x_d), torch.from_numpy(x_s))[0].numpy()


@models
def test_continuous_in_pieces_equals_one_pass(name, monkeypatch):
    model, x_d, x_s = model_and_inputs(name)
    monkeypatch.setattr(predict, "BATCH_ON_CPU", (2, 7))
    found = predict_continuous(model, x_d, x_s, CPU)
    np.testing.assert_allclose(found, whole(model, x_d, x_s), atol=1e-6)


class AnyModel(torch.nn.Module):
    """Hides what kind of a model it is: windows are gathered for it."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, *arguments, **options):
        return self.model(*arguments, **options)


@pytest.mark.parametrize("wrapped", [lambda model: model, AnyModel])
@models
def test_windowed_equals_a_slice_a_day(name, wrapped, monkeypatch):
    model, x_d, x_s = model_and_inputs(name, basins=3, days=40)
    monkeypatch.setattr(predict, "WINDOWS_ON_CPU", 7)
    found = predict_windowed(wrapped(model), x_d, x_s, CPU, length=10)
    assert np.isnan(found[:, :9]).all()
    for basin in range(3):
        for day in range(9, 40):
            window = x_d[basin : basin + 1, day - 9 : day + 1]
            expected = whole(model, window, x_s[basin : basin + 1])[0, -1]
            assert found[basin, day] == pytest.approx(expected, abs=1e-6)


def test_windows_agree_with_one_pass_where_memory_is_shorter_than_the_window():
    # forget gates near sigmoid(-5 + ...) leave less than 1e-6 after 60 days; with +5 they keep
    def difference(forget_bias: float) -> float:
        model, x_d, x_s = model_and_inputs("ealstm", forget_bias=forget_bias)
        windowed = predict_windowed(model, x_d, x_s, CPU, length=60)[:, 60:]
        return float(np.abs(windowed - predict_continuous(model, x_d, x_s, CPU)[:, 60:]).max())

    assert difference(-5.0) < 1e-6
    assert difference(5.0) > 1e-3


def test_progress_counts_every_basin_once(monkeypatch):
    model, x_d, x_s = model_and_inputs("ealstm", basins=5, days=12)
    monkeypatch.setattr(predict, "BATCH_ON_CPU", (2, 32))
    told: list[int] = []
    predict_continuous(model, x_d, x_s, CPU, on_progress=told.append)
    assert sorted(told) == [1, 2, 2]  # threads end in any order
    monkeypatch.setattr(predict, "WINDOWS_ON_CPU", 3)  # of 8 windows a basin
    for some in (model, AnyModel(model)):
        told.clear()
        predict_windowed(some, x_d, x_s, CPU, length=5, on_progress=told.append)
        assert sum(told) == 5
        assert set(told) <= {0, 1}


def test_bf16_is_near_and_not_the_same():
    model, x_d, x_s = model_and_inputs("lstm")
    exact = predict_continuous(model, x_d, x_s, CPU)
    coarse = predict_continuous(model, x_d, x_s, CPU, precision="bf16")
    assert 0 < np.abs(coarse - exact).max() < 0.05  # 8 bits of mantissa


@models
def test_windows_in_float64_are_those_of_the_plain_model(name):
    model, x_d, x_s = model_and_inputs(name, basins=1, days=70)
    model, x_d, x_s = model.double(), torch.from_numpy(x_d[0]).double(), torch.from_numpy(x_s[0])
    found = last_states(model, x_d, x_s.double(), length=31)
    assert found.shape == (40, 6)
    for day in range(40):
        with torch.no_grad():
            _, (h, _) = model(x_d[None, day : day + 31], x_s[None].double())
        torch.testing.assert_close(found[day], h[0], rtol=1e-12, atol=1e-14)
