"""CLOOB: closed forms, a plain loop, invariances, saturation, edge cases, the claim."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from hydroml.toolkit import load_demo
from hydroml.toolkit.demos.cloob import effective_rank, slope
from hydroml.toolkit.transfer.cloob import (
    CLOOBLoss,
    ContrastivePair,
    hopfield_retrieval,
    info_loob,
    info_nce,
    unit_rows,
)


def pairs(n=6, d=4, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [unit_rows(torch.randn(n, d, generator=generator, dtype=dtype)) for _ in range(2)]


def plain_cloob(x, y, inv_tau, beta):
    """The formulas with loops over numpy floats."""

    def retrieve(state, stored):
        w = np.array([math.exp(beta * float(s @ state)) for s in stored])
        u = sum(wi * s for wi, s in zip(w / w.sum(), stored, strict=True))
        return u / np.linalg.norm(u)

    def loob(a, b):
        total = 0.0
        for i in range(len(a)):
            others = sum(math.exp(inv_tau * float(a[i] @ b[j])) for j in range(len(b)) if j != i)
            total += (-inv_tau * float(a[i] @ b[i]) + math.log(others)) / inv_tau
        return total / len(a)

    u_x, u_y = [retrieve(r, x) for r in x], [retrieve(r, y) for r in y]
    v_x, v_y = [retrieve(r, x) for r in y], [retrieve(r, y) for r in x]
    return loob(u_x, v_x) + loob(u_y, v_y)


def test_the_loss_equals_plain_loops():
    x, y = pairs()
    ours = CLOOBLoss(inv_tau=30.0, beta=8.0).double()(x, y)
    # the temperature was rounded to float32 when the module was made
    expected = plain_cloob(
        x.numpy(), y.numpy(), float(torch.tensor(math.log(30.0)).double().exp()), 8.0
    )
    assert float(ours) == pytest.approx(expected, rel=1e-12)


def test_info_nce_equals_plain_loops():
    x, y = (v.numpy() for v in pairs())
    p = np.exp(10 * x @ y.T)
    rows, columns = np.diag(p) / p.sum(axis=1), np.diag(p) / p.sum(axis=0)
    expected = -(np.log(rows).mean() + np.log(columns).mean()) / 2
    ours = info_nce(torch.from_numpy(x), torch.from_numpy(y), 10.0)
    assert float(ours) == pytest.approx(expected, rel=1e-12)


def test_orthogonal_strangers_have_closed_forms():
    a = torch.eye(64, dtype=torch.float64)
    b = 0.8 * a  # strangers at 0, partners at 0.8
    assert float(info_loob(a, b, 30.0)) == pytest.approx(-0.8 + math.log(63) / 30)
    assert float(info_nce(a, b, 30.0)) == pytest.approx(math.log1p(63 * math.exp(-24)))


@pytest.mark.parametrize("s", [0.5, 0.8, 0.9])
def test_info_nce_saturates_and_info_loob_does_not(s):
    # d InfoNCE / ds = -inv_tau (1 - p), p = e^(30 s) / (e^(30 s) + 63)
    expected = -30 * 63 / (63 + math.exp(30 * s))  # -5.78e-4, -7.1e-8, -3.6e-9
    nce = slope(lambda a, b: info_nce(a, b, 30.0), s, torch.float64)
    assert nce == pytest.approx(expected, rel=1e-6, abs=1e-14)
    loob = slope(lambda a, b: info_loob(a, b, 30.0), s, torch.float64)
    assert loob == pytest.approx(-1.0, abs=1e-12)


def test_copies_of_a_pair_pull_as_hard_as_they_push():
    # two kinds of four copies each: three copies of the partner are strangers, too
    kinds = torch.eye(2, dtype=torch.float64).repeat_interleave(4, dim=0)
    agreement = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(info_loob(kinds, agreement * kinds, 30.0), agreement)
    assert float(gradient) == pytest.approx(-4 / (4 + 3 * math.exp(24)), rel=1e-3)


def test_in_float32_info_nce_teaches_nothing_more():
    def slopes(s):
        return [slope(lambda a, b, f=f: f(a, b, 30.0), s) for f in (info_nce, info_loob)]

    assert slopes(0.5) == pytest.approx([-5.8e-4, -1.0], rel=1e-2)
    assert slopes(0.9) == pytest.approx([0.0, -1.0], abs=1e-6)


def test_a_joint_permutation_changes_nothing():
    x, y = pairs()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    for loss in (
        CLOOBLoss(),
        lambda a, b: info_nce(a, b, 30.0),
        lambda a, b: info_loob(a, b, 30.0),
    ):
        assert float(loss(x[order], y[order])) == pytest.approx(float(loss(x, y)), rel=1e-6)
        assert float(loss(x[order], y)) != pytest.approx(float(loss(x, y)), rel=1e-3)


def test_gradients_are_right():
    x, y = (v.requires_grad_() for v in pairs(4, 3))
    loss = CLOOBLoss(inv_tau=5.0, beta=3.0).double()
    assert torch.autograd.gradcheck(loss, (x, y))
    assert torch.autograd.gradcheck(lambda a, b: info_nce(a, b, 5.0), (x, y))
    learned = CLOOBLoss(inv_tau=5.0, learn_tau=True).double()
    step, value = 1e-6, learned.log_inv_tau.detach().clone()
    (slope_of_tau,) = torch.autograd.grad(learned(x, y), learned.log_inv_tau)
    ends = []
    for sign in (1, -1):
        learned.log_inv_tau.data = value + sign * step
        ends.append(float(learned(x, y).detach()))
    assert float(slope_of_tau) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5)


def test_a_learned_temperature_stays_in_range_and_can_come_back():
    x, y = pairs()
    loss = CLOOBLoss(inv_tau=30.0, learn_tau=True).double()
    assert [name for name, _ in loss.named_parameters()] == ["log_inv_tau"]
    for wild, end in ((9.0, 100.0), (-3.0, 1.0)):
        loss.log_inv_tau.data.fill_(wild)
        loss(x, y).backward()
        assert float(loss.inv_tau.detach()) == pytest.approx(end)
        assert loss.log_inv_tau.grad.abs() > 0
        loss.log_inv_tau.grad = None
    assert repr(loss) == "CLOOBLoss(inv_tau=1, beta=8, learn_tau=True)"
    fixed = CLOOBLoss(inv_tau=300.0)  # beyond the range of a learned one
    assert list(fixed.parameters()) == []
    fixed(x, y)
    assert float(fixed.inv_tau) == pytest.approx(300.0)


def test_retrieval_ranges_from_the_mean_to_the_nearest():
    x, y = pairs()
    U_x, U_y, V_x, V_y = hopfield_retrieval(x, y, 0.0)
    torch.testing.assert_close(U_x, unit_rows(x.mean(0)).expand(6, -1))
    torch.testing.assert_close(V_y, unit_rows(y.mean(0)).expand(6, -1))
    U_x, U_y, V_x, V_y = hopfield_retrieval(x, y, 1e4)
    torch.testing.assert_close(U_x, x)
    torch.testing.assert_close(U_y, y)
    torch.testing.assert_close(V_x, x[(y @ x.T).argmax(dim=1)])
    torch.testing.assert_close(V_y, y[(x @ y.T).argmax(dim=1)])


def test_the_scale_of_embeddings_does_not_count():
    x, y = pairs(dtype=torch.float32)
    loss = CLOOBLoss()
    for scale in (1e-30, 1e30):
        assert float(loss(scale * x, y)) == pytest.approx(float(loss(x, y)), rel=1e-5)


def test_zero_embeddings_give_finite_loss_and_gradient():
    x, y = (torch.randn(5, 3, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    x[1] = 0
    x.requires_grad_()
    for loss in (CLOOBLoss(), CLOOBLoss(beta=0.0), CLOOBLoss(inv_tau=1e4, beta=1e4)):
        (gradient,) = torch.autograd.grad(loss(x, y), x)
        assert gradient.isfinite().all()
        assert (gradient[1] == 0).all()
    nothing = torch.zeros(4, 3)
    assert float(CLOOBLoss()(nothing, nothing)) == pytest.approx(2 * math.log(3) / 30)


def test_extreme_temperatures_stay_finite():
    x, y = pairs(dtype=torch.float32)
    for inv_tau in (1e-6, 1e6):
        assert info_loob(x, y, inv_tau).isfinite()
        assert info_nce(x, y, inv_tau).isfinite()


def test_not_a_number_comes_out_where_it_goes_in():
    x, y = pairs()
    x[0, 0] = float("nan")
    assert CLOOBLoss()(x, y).isnan()


def test_a_single_pair():
    x, y = pairs(n=1)
    with pytest.raises(ValueError, match="at least two pairs"):
        info_loob(x, y, 30.0)
    with pytest.raises(ValueError, match="at least two pairs"):
        CLOOBLoss()(x, y)
    assert float(info_nce(x, y, 30.0)) == 0.0


def test_what_cannot_be_compared_is_refused():
    x, y = pairs()
    loss = CLOOBLoss()
    for a, b in ((x, y[:3]), (x[0], y[0]), (x[:, :2], y), (x[:0], y[:0])):
        with pytest.raises(ValueError, match="one shape"):
            loss(a, b)
    with pytest.raises(ValueError, match="floats"):
        info_nce(torch.ones(2, 2, dtype=torch.int64), torch.ones(2, 2, dtype=torch.int64), 1.0)
    for inv_tau in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="inv_tau"):
            info_loob(x, y, inv_tau)
        with pytest.raises(ValueError, match="inv_tau"):
            CLOOBLoss(inv_tau=inv_tau)
    with pytest.raises(ValueError, match="learned"):
        CLOOBLoss(inv_tau=101.0, learn_tau=True)
    for beta in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="beta"):
            CLOOBLoss(beta=beta)
        with pytest.raises(ValueError, match="beta"):
            hopfield_retrieval(x, y, beta)


def test_a_pair_ranks_the_other_view():
    pair = ContrastivePair(nn.Identity(), nn.Identity(), dim=2)
    candidates = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 3.0]])
    order, cosine = pair.rank(torch.tensor([[0.0, 1.0]]), candidates)
    assert order.tolist() == [[2, 1, 0]]
    assert cosine[0].tolist() == pytest.approx([1.0, 0.5**0.5, 0.0])
    with pytest.raises(ValueError, match="finite"):
        pair.rank(torch.tensor([[float("nan"), 1.0]]), candidates)


def test_a_pair_says_which_encoder_is_too_wide():
    pair = ContrastivePair(nn.Linear(3, 2), nn.Linear(3, 4), dim=2)
    with pytest.raises(ValueError, match=r"enc_b gave \(5, 4\)"):
        pair(torch.ones(5, 3), torch.ones(5, 3))
    with pytest.raises(ValueError, match="dim"):
        ContrastivePair(nn.Identity(), nn.Identity(), dim=0)


def test_effective_rank_of_known_covariances():
    round_cloud = torch.cat([torch.eye(3), -torch.eye(3)])
    assert effective_rank(round_cloud) == pytest.approx(3.0)
    assert effective_rank(round_cloud * torch.tensor([1.0, 0.0, 0.0])) == pytest.approx(1.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_weak_features_survive_under_cloob(seed):
    told = []
    demo = load_demo("cloob")(seed=seed, advance=told.append)
    assert demo.holds
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)
    names = ["CLIP", "retrieval", "InfoLOOB", "CLOOB"]
    probe, rank = (dict(zip(names, panel.series[0].y, strict=True)) for panel in demo.panels[1:3])
    assert probe["CLOOB"] > probe["CLIP"] + 0.03
    assert rank["CLOOB"] > rank["CLIP"] + 2
