"""Which sample broke the loss."""

import torch
from torch import nn

from hydroml.config import TrainConfig
from hydroml.data.scaling import Scaler
from hydroml.training.samples import Pool


@torch.no_grad()
def explain_loss(
    model: nn.Module,
    pool: Pool,
    indices: torch.Tensor,
    scaler: Scaler,
    config: TrainConfig,
) -> str:
    """Describe the sample of a batch that most likely made the loss infinite or NaN.

    A sample whose own error is not finite comes first, then the one that lies farthest from
    the mean in any input or target.

    Returns
    -------
    str
        Basin, dates, variable and its distance from the mean.
    """
    batch = pool.gather(indices)
    y_hat, _ = model(batch.x_d, batch.x_s, last=batch.y.shape[1])
    broken = ~torch.isfinite(torch.nan_to_num(batch.y) * 0 + y_hat).all(dim=1)
    extremes = torch.cat(
        [
            batch.x_d.abs().amax(dim=1),
            batch.x_s.abs(),
            torch.nan_to_num(batch.y).abs().amax(dim=1, keepdim=True),
        ],
        dim=1,
    )  # (b, F + S + 1)
    extremes = torch.nan_to_num(extremes, nan=torch.inf)
    only_some = bool(broken.any()) and not bool(broken.all())
    candidates = (
        extremes.where(broken.unsqueeze(1), extremes.new_zeros(())) if only_some else extremes
    )
    row, column = divmod(int(candidates.argmax()), extremes.shape[1])
    names = (*scaler.dynamic, *scaler.static, config.data.target)
    basin, first = pool.where(int(indices[row]))
    return (
        f"basin {basin}, {first} to {first + batch.x_d.shape[1] - 1}, "
        f"{names[column]} lies {float(extremes[row, column]):.3g} standard deviations from its mean"
    )
