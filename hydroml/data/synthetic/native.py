"""Write a dataset in the text layout in which CAMELS-US is distributed."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from hydroml.atomic import naming_full_disk
from hydroml.data.camels_us import SYNTHETIC_MARK
from hydroml.progress import Advance, silent
from hydroml.units import cfs_to_mm_per_day

_PARTS = ("basin_dataset_public_v1p2", "camels_attributes_v2.0")
_SYNTHETIC_TEXT = "Synthetic data, drawn by 'hydroml data synth'. None of these gauges exists.\n"
_HEADER = "Year Mnth Day Hr\tdayl(s)\tprcp(mm/day)\tsrad(W/m2)\tswe(mm)\ttmax(C)\ttmin(C)\tvp(Pa)"
_COLUMNS = {
    "name": "huc_02 gauge_name",
    "topo": "gauge_lat gauge_lon elev_mean slope_mean area_gages2 area_geospa_fabric",
    "clim": "p_mean pet_mean p_seasonality frac_snow aridity high_prec_freq high_prec_dur "
    "high_prec_timing low_prec_freq low_prec_dur low_prec_timing",
    "hydro": "q_mean runoff_ratio slope_fdc baseflow_index stream_elas q5 q95 high_q_freq "
    "high_q_dur low_q_freq low_q_dur zero_q_freq hfd_mean",
    "soil": "soil_depth_pelletier soil_depth_statsgo soil_porosity soil_conductivity "
    "max_water_content sand_frac silt_frac clay_frac water_frac organic_frac other_frac",
    "vege": "frac_forest lai_max lai_diff gvf_max gvf_diff dom_land_cover_frac dom_land_cover "
    "root_depth_50 root_depth_99",
    "geol": "geol_1st_class glim_1st_class_frac geol_2nd_class glim_2nd_class_frac "
    "carbonate_rocks_frac geol_porostiy geol_permeability",
}


def write_native(dataset: xr.Dataset, folder: Path | str, *, on_progress: Advance = silent) -> Path:
    """Write forcing, discharge and attributes as CAMELS-US text files.

    Forcing goes to the Daymet product with two decimals (snow water equivalent 0.00, as CAMELS
    has it), discharge in cubic feet per second over the area in the forcing header, missing
    discharge as -999.00 with flag M, attributes to the seven files, what the dataset does not
    hold as NA. The truth is not written.

    Parameters
    ----------
    dataset : xarray.Dataset
        From `generate`, or a store of it.
    folder : path-like
        Where ``basin_dataset_public_v1p2/`` and ``camels_attributes_v2.0/`` are put; files of
        the same name are replaced. A file SYNTHETIC.txt beside them tells readers what it is.
    on_progress : callable
        Called with 1 after each basin.

    Returns
    -------
    pathlib.Path
        `folder`.

    Raises
    ------
    HydromlError
        The disk is full.

    Examples
    --------
    >>> import tempfile
    >>> from hydroml.data.synthetic import generate
    >>> root = write_native(generate(basins=1, years=1), tempfile.mkdtemp())
    >>> sorted(p.name for p in root.iterdir())
    ['SYNTHETIC.txt', 'basin_dataset_public_v1p2', 'camels_attributes_v2.0']
    """
    root = Path(folder)
    days = pd.DatetimeIndex(dataset["time"].to_numpy()).strftime("%Y %m %d").tolist()
    with naming_full_disk(root):
        for gauge in dataset["basin"].to_numpy().tolist():
            _write_basin(dataset.sel(basin=gauge).load(), str(gauge), days, root)
            on_progress(1)
        _write_attributes(dataset, root / _PARTS[1])
        if dataset.attrs.get("synthetic"):
            for part in (root, *(root / p for p in _PARTS)):
                (part / SYNTHETIC_MARK).write_text(_SYNTHETIC_TEXT, encoding="ascii")
    return root


def _write_basin(basin: xr.Dataset, gauge: str, days: list[str], root: Path) -> None:
    public, huc = root / _PARTS[0], str(basin["huc_02"].item())
    area = round(float(basin["area_gages2"]) * 1e6)  # [m2]
    names = ("dayl", "prcp", "srad", "tmax", "tmin", "vp")
    columns = [basin[n].to_numpy().tolist() for n in names]
    head = f"  {float(basin['gauge_lat']):.2f}\n {float(basin['elev_mean']):.2f}\n {area}\n"
    rows = (
        f"{day} 12\t{d:.2f}\t{p:.2f}\t{s:.2f}\t0.00\t{x:.2f}\t{n:.2f}\t{v:.2f}"
        for day, d, p, s, x, n, v in zip(days, *columns, strict=True)
    )
    forcing = public / "basin_mean_forcing" / "daymet" / huc
    _write_lines(forcing / f"{gauge}_lump_cida_forcing_leap.txt", head + _HEADER, rows)
    cfs = basin["qobs"].to_numpy().astype(float) / cfs_to_mm_per_day(1.0, area)
    flow = (
        f"{gauge} {day} {-999.0 if q != q else q:8.2f} {'M' if q != q else 'A'}"
        for day, q in zip(days, cfs.tolist(), strict=True)
    )
    _write_lines(public / "usgs_streamflow" / huc / f"{gauge}_streamflow_qc.txt", "", flow)


def _write_lines(file: Path, head: str, rows: Iterable[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    start = f"{head}\n" if head else ""
    file.write_text(start + "\n".join(rows) + "\n", encoding="ascii")


def _write_attributes(dataset: xr.Dataset, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    static = dataset[[n for n, v in dataset.data_vars.items() if v.dims == ("basin",)]]
    table = static.to_dataframe().rename_axis("gauge_id").assign(**_signatures(dataset))
    table["area_geospa_fabric"] = table["area_gages2"]
    for name, columns in _COLUMNS.items():
        file = folder / f"camels_{name}.txt"
        table.reindex(columns=columns.split()).to_csv(file, sep=";", na_rep="NA")


def _signatures(dataset: xr.Dataset) -> dict[str, np.ndarray]:
    """Signatures of discharge that CAMELS lists and that need no more than its values."""
    flow = dataset["qobs"].transpose("basin", "time").to_numpy()
    q5, q95 = np.nanquantile(flow, [0.05, 0.95], axis=1)
    return {
        "runoff_ratio": dataset["q_mean"].to_numpy() / dataset["p_mean"].to_numpy(),
        "q5": q5,
        "q95": q95,
        "zero_q_freq": (flow == 0).mean(axis=1),
    }
