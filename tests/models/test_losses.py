import numpy as np
import pytest
import torch

from hydroml.models.losses import BASIN_WEIGHTS, weighted_squared_error

NAN = float("nan")


def test_published_loss_mixes_units_and_the_consistent_one_does_not():
    # s_b = 1.9 mm/d, s = 4 mm/d: published (1.9 + .1)^-2 = .25; consistent (.475 + .1)^-2
    s_b = np.array([1.9])
    assert BASIN_WEIGHTS["mse"](s_b, 4.0) == pytest.approx([1.0])
    assert BASIN_WEIGHTS["nse_star"](s_b, 4.0) == pytest.approx([0.25])
    assert BASIN_WEIGHTS["nse_star_consistent"](s_b, 4.0) == pytest.approx([1 / 0.575**2])


def test_consistent_weights_do_not_depend_on_the_unit_of_discharge():
    s_b = np.array([0.3, 2.0])
    weights = BASIN_WEIGHTS["nse_star_consistent"]
    np.testing.assert_allclose(weights(s_b, 4.0), weights(10 * s_b, 40.0))


def test_masked_mean_by_hand():
    # valid: (1-0)^2 * 2 and (3-1)^2 * 0.5 -> (2 + 2) / 2
    y_hat = torch.tensor([[1.0, 7.0], [3.0, 9.0]], requires_grad=True)
    y = torch.tensor([[0.0, NAN], [1.0, NAN]])
    loss = weighted_squared_error(y_hat, y, torch.tensor([2.0, 0.5]))
    assert loss.item() == pytest.approx(2.0)
    loss.backward()
    # d/dy_hat = 2 w (y_hat - y) / n; nothing flows from masked targets
    torch.testing.assert_close(y_hat.grad, torch.tensor([[2.0, 0.0], [1.0, 0.0]]))


def test_no_valid_target_gives_zero_and_no_gradient():
    y_hat = torch.ones(1, 2, requires_grad=True)
    loss = weighted_squared_error(y_hat, torch.full((1, 2), NAN), torch.ones(1))
    loss.backward()
    assert loss.item() == 0.0
    assert not y_hat.grad.any()
