"""Training curve: the loss and, where there is one, the validation score by epoch."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from hydroml.report.style import CYCLE, GREY, INK, tidy

MEAN = "mean"
_LOG_FROM = 5.0  # ratio of the largest to the smallest loss


def losses(epochs: pd.DataFrame, *, title: str = "Training") -> Figure:
    """Draw the loss of each epoch: the mean over the members, and each member as a thin line.

    Parameters
    ----------
    epochs : pandas.DataFrame
        ``metrics.csv`` of a run: columns ``epoch`` and ``loss``; ``seed``, ``learning_rate`` and
        ``validation_NSE`` (median over basins) are used if there.
    title : str
        Above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Loss on the left axis, logarithmic where it falls to a fifth or less; validation NSE
        on the right axis; dotted lines where the learning rate changes.

    Examples
    --------
    >>> table = pd.DataFrame({"epoch": [1, 2, 3], "loss": [1.0, 0.3, 0.1]})
    >>> losses(table).axes[0].get_yscale()
    'log'
    """
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=12, color=INK, pad=20)
    loss = _draw_members(axes, epochs, "loss", color=CYCLE[0], label="training loss")
    positive = loss[loss > 0]
    if positive.size == np.isfinite(loss).sum() > 1 and positive.max() > _LOG_FROM * positive.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("epoch", color=INK)
    axes.set_ylabel("loss [-]", color=CYCLE[0])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    tidy(axes)
    _mark_learning_rates(axes, epochs)
    if "validation_NSE" in epochs and epochs["validation_NSE"].notna().any():
        _draw_validation(axes, epochs.dropna(subset="validation_NSE"))
    return figure


def _mark_learning_rates(axes: Axes, epochs: pd.DataFrame) -> None:
    if "learning_rate" not in epochs:
        return
    epochs = epochs.drop_duplicates("epoch")
    changes = epochs[epochs["learning_rate"] != epochs["learning_rate"].shift()]
    if len(changes) > 6:  # a smooth schedule: lines would cover the figure
        return
    for epoch, rate in zip(changes["epoch"], changes["learning_rate"], strict=True):
        axes.axvline(float(epoch), color=GREY, linewidth=0.8, linestyle=":")
        axes.annotate(
            f"rate {rate:g}", (float(epoch), 1.01), xycoords=("data", "axes fraction"),
            fontsize=8, color=GREY, va="bottom", ha="left",
        )  # fmt: skip


def _draw_validation(axes: Axes, scores: pd.DataFrame) -> None:
    right = axes.twinx()
    label = "validation NSE"
    _draw_members(right, scores, "validation_NSE", color=CYCLE[1], label=label, linestyle="--")
    right.set_ylabel("median validation NSE [-]", color=CYCLE[1])
    right.spines[["top", "left"]].set_visible(False)
    right.tick_params(labelsize=9, color=GREY)
    lines = [line for a in (axes, right) for line in a.get_lines() if line.get_gid() == MEAN]
    right.legend(lines, [str(line.get_label()) for line in lines], loc="center right", fontsize=9)


def _draw_members(
    axes: Axes, epochs: pd.DataFrame, column: str, *, color: str, label: str, linestyle: str = "-"
) -> np.ndarray:
    """Draw the mean over the members and, where there are several, each; return the mean."""
    if "seed" in epochs and len(epochs["seed"].unique()) > 1:
        for _, own in epochs.groupby("seed"):
            axes.plot(own["epoch"], own[column], color=color, linewidth=0.7, alpha=0.45)
        label = f"{label}, mean of {len(epochs['seed'].unique())} members"
    mean = epochs.groupby("epoch")[column].mean()
    axes.plot(
        mean.index, mean, color=color, linestyle=linestyle, linewidth=1.8,
        marker=_marker(mean.index.to_numpy()), markersize=4, label=label, gid=MEAN,
    )  # fmt: skip
    return mean.to_numpy(float)


def _marker(epoch: np.ndarray) -> str:
    return "o" if len(epoch) <= 40 else ""
