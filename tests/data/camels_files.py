"""Tiny CAMELS-US, Caravan and own files, written in the layout in which they are distributed."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

AREA = 86_400_000.0  # [m2]: 1 m3/s over it is exactly 1 mm/d
CFS_OF_1_MM = 1 / 0.028316846592  # so this many cubic feet a second are 1 mm/d

HEADERS = {
    "daymet": "Year Mnth Day Hr dayl(s) prcp(mm/day) srad(W/m2) swe(mm) tmax(C) tmin(C) vp(Pa)",
    "nldas": "Year Mnth Day Hr\tDayl(s)\tPRCP(mm/day)\tSRAD(W/m2)\tSWE(mm)"
    "\tTmax(C)\tTmin(C)\tVp(Pa)",
}
HEADERS["maurer"] = HEADERS["nldas"]
HEADERS["maurer_extended"] = HEADERS["daymet"].replace(" ", "\t")
FILE_PART = {"daymet": "cida", "nldas": "nldas", "maurer": "maurer", "maurer_extended": "maurer"}
SPAN = pd.date_range("2000-02-27", "2000-03-02")  # five days with a leap day


def forcing_text(product: str = "daymet", days: pd.DatetimeIndex = SPAN, prcp: float = 1.5) -> str:
    """Forcing whose tmax is the day's position: 0, 1, 2, ..."""
    rows = [
        f"{d:%Y %m %d} 12\t31000.00\t{prcp + i:.2f}\t200.00\t0.00\t{i:.2f}\t-5.00\t300.00"
        for i, d in enumerate(days)
    ]
    return "\n".join(["  44.82", " 133.00", f"{AREA:.0f}", HEADERS[product], *rows, ""])


def flow_text(gauge: str, q_mm: list[float | None], start: str = "2000-02-27") -> str:
    rows = []
    for day, q in zip(pd.date_range(start, periods=len(q_mm)), q_mm, strict=True):
        cfs, flag = (-999.0, "M") if q is None else (q * CFS_OF_1_MM, "A:e")
        rows.append(f"{gauge} {day:%Y %m %d} {cfs:10.5f} {flag}")
    return "\n".join([*rows, ""])


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="ascii")
    return file


def forcing_file(root: Path, gauge: str, product: str = "daymet", huc: str = "01") -> Path:
    folder = root / "basin_mean_forcing" / product / huc
    return folder / f"{gauge}_lump_{FILE_PART[product]}_forcing_leap.txt"


def flow_file(root: Path, gauge: str, huc: str = "01") -> Path:
    return root / "usgs_streamflow" / huc / f"{gauge}_streamflow_qc.txt"


def write_camels(folder: Path, gauges: list[str], products: tuple[str, ...] = ("daymet",)) -> Path:
    """Write forcing and discharge of 1, 2, missing, 4, 5 mm/d, and three attribute files."""
    root = folder / "basin_dataset_public_v1p2"
    for gauge in gauges:
        for product in products:
            write(forcing_file(root, gauge, product), forcing_text(product))
        # discharge lies under another HUC folder than forcing: normal
        write(flow_file(root, gauge, "02"), flow_text(gauge, [1, 2, None, 4, 5]))
    tables = folder / "camels_attributes_v2.0"
    topo = "".join(f"{g};44.5;-67.5;86.4\n" for g in gauges)
    write(tables / "camels_topo.txt", "gauge_id;gauge_lat;gauge_lon;area_gages2\n" + topo)
    name = "".join(f"{g};01;Creek {g}\n" for g in gauges)
    write(tables / "camels_name.txt", "gauge_id;huc_02;gauge_name\n" + name)
    vege = "".join(f"{g};0.9;    Mixed Forests;NA\n" for g in gauges)
    header = "gauge_id;frac_forest;dom_land_cover;root_depth_50\n"
    write(tables / "camels_vege.txt", header + vege)
    return folder


def zip_camels(folder: Path, target: Path) -> tuple[Path, Path]:
    """Pack a folder of `write_camels` as the two official archives."""
    target.mkdir(parents=True, exist_ok=True)
    series = target / "basin_timeseries_v1p2_metForcing_obsFlow.zip"
    attributes = target / "camels_attributes_v2.0.zip"
    for archive, inside in ((series, "basin_dataset"), (attributes, "camels_attributes")):
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for file in sorted(folder.rglob("*")):
                name = file.relative_to(folder).as_posix()
                if name.startswith(inside):
                    packed.write(file, name)
    return series, attributes


def write_caravan(folder: Path, gauges: list[str], kind: str = "netcdf") -> Path:
    """Write one sub-dataset; streamflow 1, 2, ... mm/d, the third day missing."""
    for gauge in gauges:
        subset = gauge.split("_")[0]
        flow = np.arange(1.0, 6.0)
        flow[2] = np.nan
        dataset = xr.Dataset(
            {
                "total_precipitation_sum": ("date", np.arange(5.0), {"units": "mm/d"}),
                "streamflow": ("date", flow),
            },
            coords={"date": SPAN.to_numpy()},
        )
        file = (
            folder / "timeseries" / kind / subset / f"{gauge}.{'nc' if kind == 'netcdf' else kind}"
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        if kind == "netcdf":
            dataset.to_netcdf(file, engine="netcdf4")
        else:
            dataset.to_dataframe().to_csv(file)
        table = folder / "attributes" / subset / f"attributes_caravan_{subset}.csv"
        if not table.exists():
            write(table, "gauge_id,aridity,country\n")
        with table.open("a") as opened:
            opened.write(f"{gauge},0.5,Somewhere\n")
    return folder


def damage(file: Path, keep: float) -> Path:
    """Cut a file short."""
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)])
    return file
