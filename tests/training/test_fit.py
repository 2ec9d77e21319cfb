"""The loop: one step by hand, a known truth learned, a broken loss named."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from hydroml import api
from hydroml.config import TrainConfig
from hydroml.data.store import open_store, write_store
from hydroml.errors import TrainingError
from hydroml.models import build_model
from hydroml.training.checkpoint import load_weights
from hydroml.training.rundir import RunDirectory
from hydroml.training.samples import Batch
from hydroml.training.state import Member, new_state
from hydroml.training.step import Task, take_step
from tests.conftest import tiny_config, tiny_dataset

CPU = torch.device("cpu")
DETERMINISTIC = ("model.dropout=0", "optimizer.static_noise=0", "optimizer.weight_average=0")


def some_batch() -> Batch:
    data = torch.Generator().manual_seed(1)
    y = torch.randn(5, 4, generator=data)
    y[0, 1] = y[3, :] = math.nan
    weight = torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0])
    return Batch(torch.randn(5, 9, 3, generator=data), torch.randn(5, 2, generator=data), y, weight)


def member_of(model: nn.Module, config: TrainConfig) -> Member:
    return new_state([model], config, CPU).members[0]


def step(member: Member, config: TrainConfig, batch: Batch) -> float:
    return take_step([Task(member, batch, len(batch.y), 0.01)], config)[0]


@pytest.mark.parametrize("clip", [0.01, 1e6])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_steps_equal_plain_pytorch(clip, decay):
    config = tiny_config(
        *DETERMINISTIC, f"optimizer.clip_norm={clip}", f"optimizer.weight_decay={decay}"
    )
    torch.manual_seed(0)
    ours, plain = (build_model("ealstm", 3, 2, hidden=4, dropout=0.0) for _ in range(2))
    plain.load_state_dict(ours.state_dict())
    member, batch = member_of(ours, config), some_batch()
    optimizer = torch.optim.AdamW(plain.parameters(), lr=0.01, weight_decay=decay)
    for _ in range(3):
        loss = step(member, config, batch)
        y_hat = plain(batch.x_d, batch.x_s)[0][:, -4:]
        total, count = torch.zeros(()), 0
        for b in range(5):
            for t in range(4):
                if not math.isnan(batch.y[b, t]):
                    total = total + batch.weight[b] * (y_hat[b, t] - batch.y[b, t]) ** 2
                    count += 1
        assert count == 20 - 1 - 4
        assert loss == pytest.approx((total / count).item(), rel=1e-6)
        optimizer.zero_grad()
        (total / count).backward()
        norm = nn.utils.clip_grad_norm_(plain.parameters(), clip)
        assert (norm > clip) == (clip < 1)  # each case clips, or does not
        optimizer.step()
    for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_the_moving_average_by_hand():
    # after step n the average moves by 1 - min(0.5, (1 + n) / (10 + n)): 9/11, then 9/12
    config = tiny_config(*DETERMINISTIC[:2], "optimizer.weight_average=0.5")
    member = member_of(build_model("ealstm", 3, 2, hidden=4, dropout=0.0), config)
    expected = member.model.w_hh.detach().clone()
    for share in (9 / 11, 9 / 12):
        step(member, config, some_batch())
        expected += share * (member.model.w_hh.detach() - expected)
        torch.testing.assert_close(member.average["w_hh"], expected)
    assert not torch.equal(expected, member.model.w_hh)
    assert member.best_weights() is member.average


def test_noise_on_the_attributes_moves_the_step():
    def loss(noise: float) -> float:
        config = tiny_config(*DETERMINISTIC, f"optimizer.static_noise={noise}")
        torch.manual_seed(0)
        model = build_model("ealstm", 3, 2, hidden=4, dropout=0.0)
        return step(member_of(model, config), config, some_batch())

    assert loss(0.0) == loss(0.0) != loss(0.5) == loss(0.5)


@pytest.mark.parametrize("broken", ["loss", "gradient"])
def test_a_step_that_is_not_finite_moves_nothing(broken):
    config = tiny_config(*DETERMINISTIC)
    model = build_model("ealstm", 3, 2, hidden=4, dropout=0.0)
    before = {n: p.detach().clone() for n, p in model.state_dict().items()}
    member, batch = member_of(model, config), some_batch()
    if broken == "loss":
        batch.x_d[2, 3, 0] = math.nan
    else:  # a finite loss whose gradient is not
        model.w_ih.register_hook(lambda gradient: gradient * math.inf)
    assert not math.isfinite(step(member, config, batch))
    assert all(torch.equal(before[n], p) for n, p in model.state_dict().items())


def test_a_step_that_fp16_skips_moves_nothing_and_goes_on():
    # the first loss scale of fp16 is often too large: the scaler skips the step and halves it
    config = tiny_config(*DETERMINISTIC[:2], "optimizer.weight_average=0.5")
    model = build_model("ealstm", 3, 2, hidden=4, dropout=0.0)
    member = member_of(model, config)
    member.grad_scaler = torch.amp.GradScaler("cpu", init_scale=1e30)
    before = {n: p.detach().clone() for n, p in model.state_dict().items()}
    overflow = model.w_ih.register_hook(lambda gradient: gradient * math.inf)
    assert math.isfinite(step(member, config, some_batch()))
    assert all(torch.equal(before[n], p) for n, p in model.state_dict().items())
    assert all(torch.equal(before[n], p) for n, p in member.average.items())
    assert member.grad_scaler.get_scale() == pytest.approx(5e29)
    overflow.remove()
    member.grad_scaler.update(1.0)
    step(member, config, some_batch())
    assert not torch.equal(before["w_ih"], model.w_ih)


@pytest.fixture(scope="module")
def learned(tiny_store, tmp_path_factory):
    config = tiny_config(
        "model.hidden=16",
        "model.dropout=0",
        "optimizer.static_noise=0",
        "optimizer.weight_average=0.9",
        "optimizer.schedule={kind: cosine, peak: 0.02, rise: 0.1}",
        "epochs=20",
        "data.validation=2001-10-01..2002-09-30",
    )
    return api.train(tiny_store, config=config, name="learned", runs=tmp_path_factory.mktemp("r"))


def test_it_learns_the_linear_reservoirs(learned, tiny_store):
    # the best a model without memory could do is a line on the day's rain, whose NSE is at
    # most the squared correlation of rain and flow; the mean of the observations scores 0
    table = api.evaluate(learned, device="cpu")
    seen = open_store(tiny_store).sel(time=slice("2001-10-01", "2003-09-30"))
    for basin, nse in table["NSE"].items():
        rain, flow = seen.prcp.sel(basin=basin).values, seen.qobs.sel(basin=basin).values
        without_memory = np.corrcoef(rain, flow)[0, 1] ** 2
        assert nse > without_memory + 0.05, basin
    assert table["NSE"].median() > 0.7


def test_metrics_have_a_row_an_epoch_and_the_rate_of_its_last_step(learned):
    rows = RunDirectory.open(learned).read_metrics()
    assert [int(r["epoch"]) for r in rows] == list(range(1, 21))
    assert float(rows[-1]["loss"]) < 0.3 * float(rows[0]["loss"])
    # 4 basins, 731 days in blocks of 60: 13 or 14 a basin, so 52 to 56 samples, 7 steps of 8;
    # peak 0.02, rise 0.1: after 1 + 6/7 of 20 epochs the rate is at 13/14 of its rise
    assert float(rows[1]["learning_rate"]) == pytest.approx(0.02 * 13 / 14)


def test_the_validation_score_is_the_one_an_evaluation_finds(learned):
    # the average of weights is validated and saved alike, with the same lead before the period
    rows = RunDirectory.open(learned).read_metrics()
    table = api.evaluate(learned, period="validation", device="cpu")
    assert float(rows[-1]["validation_NSE"]) == pytest.approx(table["NSE"].median(), abs=1e-5)


def prepared(tmp_path, store, *settings):
    config = tiny_config("epochs=4", *settings)
    return api.create_run(store, config=config, name="r", runs=tmp_path)


def test_a_broken_value_stops_the_run_and_is_named(tmp_path, tiny_store):
    run = prepared(tmp_path, tiny_store)
    pool = run.assembly.samples.pool
    # the series begins 30 + 60 - 1 days before the period; tmax is input 1
    day = 89 + 400
    pool.x_d[2 * pool.days + day, 1] = math.nan
    with pytest.raises(TrainingError) as caught:
        run.fit()
    message = caught.value.message
    assert "basin 03000000" in message
    assert "tmax" in message
    first, last = (np.datetime64(d) for d in message.split(", ")[2].split(" to "))
    assert first <= np.datetime64("1999-10-01") + 400 <= last
    assert last - first == 89
    assert "holds no weights" in message  # it came in the first epoch


def test_a_huge_value_in_the_forcing_does_not_break_the_loss(tmp_path):
    # standardisation takes it: N days of which one is huge give it (N - 1) / sqrt(N - 1) sigma
    dataset = tiny_dataset()
    dataset["prcp"][1, 700] = 1e30
    store = write_store(dataset, tmp_path / "huge.zarr")
    run = prepared(tmp_path, store, "epochs=1")
    x_d = run.assembly.samples.pool.x_d[:, 0]
    assert float(x_d.max()) == pytest.approx(math.sqrt(4 * 731), rel=1e-3)
    run.fit()
    assert math.isfinite(float(run.run.read_metrics()[0]["loss"]))


def test_a_diverging_rate_stops_and_keeps_the_last_good_state(tmp_path, tiny_store):
    # epoch 1 is sound, epoch 2 leaps by 1e30: its first step is the last with a finite loss
    schedule = "optimizer.schedule={kind: steps, rates: {1: 0.001, 2: 1.0e+30}}"
    run = prepared(tmp_path, tiny_store, schedule)
    with pytest.raises(TrainingError, match=r"at epoch 2, step 2: basin 0\d000000, ") as caught:
        run.fit()
    assert "The last good state is kept" in caught.value.message
    assert "learning rate" in caught.value.remedy
    found = run.run
    assert [r["epoch"] for r in found.read_metrics()] == ["1"]
    assert [p.name for p in (found.path / "checkpoints").glob("epoch*")] == ["epoch001.safetensors"]
    model = build_model("ealstm", 3, 2, hidden=8)
    load_weights([model], found.last_weights())
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())
    # the same happens when it is resumed: the state is that of the end of epoch 1
    with pytest.raises(TrainingError, match="at epoch 2, step 2"):
        api.resume(found.path)
