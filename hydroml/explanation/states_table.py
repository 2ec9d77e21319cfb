"""Tables of what cell states tell: a row a label and network, or also a basin."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from hydroml.explanation.states import SOURCES


def states_table(found: xr.Dataset) -> pd.DataFrame:
    """Sum up what `hydroml.explanation.states.classify` found.

    Parameters
    ----------
    found : xarray.Dataset
        With ``unit``, ``auc`` and the others.

    Returns
    -------
    pandas.DataFrame
        ``label source network unit direction auc_choose auc_report auc_other_year basins
        auc_p10 auc_median auc_p90 auc_own_median same_unit``: direction is -1 where the unit is
        low with the label; ``auc_p10`` to ``auc_p90`` are over basins, of the one unit;
        ``auc_own_median`` is of each basin's own best; ``same_unit`` is the share of basins
        whose own best is the one unit.
    """
    rows = [
        _row(found.sel(label=label, network=network), str(label), str(network))
        for label in found["label"].values
        for network in found["network"].values
    ]
    return pd.DataFrame(rows)


def _row(one: xr.Dataset, label: str, network: str) -> dict[str, Any]:
    auc = one["auc"].values
    auc = auc[np.isfinite(auc)]
    own = one["auc_own"].values
    p10, median, p90 = np.quantile(auc, [0.1, 0.5, 0.9]) if len(auc) else [np.nan] * 3
    return {
        "label": label,
        "source": str(one["source"].values),
        "network": network,
        "unit": str(one["unit"].values),
        "direction": int(one["direction"]),
        "auc_choose": float(one["auc_choose"]),
        "auc_report": float(one["auc_report"]),
        "auc_other_year": float(one["auc_other_year"]),
        "basins": len(auc),
        "auc_p10": float(p10),
        "auc_median": float(median),
        "auc_p90": float(p90),
        "auc_own_median": float(np.median(own[np.isfinite(own)])) if len(auc) else np.nan,
        "same_unit": float(one["same_unit"]),
    }


def basin_table(found: xr.Dataset) -> pd.DataFrame:
    """List each basin: ``gauge_id label source network auc unit_own auc_own``, where it counts."""
    frame = found[["auc", "auc_own", "unit_own", "source"]].to_dataframe().reset_index()
    frame = frame[frame["auc"].notna()].rename(columns={"basin": "gauge_id"})
    columns = ["gauge_id", "label", "source", "network", "auc", "unit_own", "auc_own"]
    return frame[columns].sort_values(["gauge_id", "label", "network"], ignore_index=True)


def summary(table: pd.DataFrame) -> dict[str, Any]:
    """Mean over members of each label's scores, by source, for ``summary.json``."""
    wanted = ["auc_report", "auc_other_year", "auc_median", "auc_own_median", "same_unit"]
    mean = table.groupby(["label", "source"])[wanted].mean()
    found: dict[str, Any] = {}
    for label in table["label"].unique():
        found[str(label)] = {
            source: {
                name: round(float(value), 4) if np.isfinite(value) else None
                for name, value in mean.loc[(label, source)].items()
            }
            for source in SOURCES
        }
    return {"auc": found}
