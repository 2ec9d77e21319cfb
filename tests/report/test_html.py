import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hydroml.errors import RunError
from hydroml.report.html import write_report
from hydroml.report.page.codec import pack, script_json, short, unpack
from hydroml.report.page.map import HEIGHT, WIDTH, map_picture, simplify
from tests.report.sample_runs import sample_run, sample_simulations
from tests.sensitivity.samples import sample_response

HOSTILE = '</script><script>document.title="taken"</script><img src=x onerror=alert(1)> & "quoted"'


class Page(HTMLParser):
    """The parts of a page: scripts by id or type, what is linked, the text that shows."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.scripts: dict[str, str] = {}
        self.styles: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self._inside: str | None = None
        self.policy = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.tags.append(tag)
        self.links += [known[a] for a in ("src", "href", "data", "action") if known.get(a)]
        self._inside = None
        if tag == "script":
            self._inside = known.get("id") or known.get("type") or "script"
            self.scripts[self._inside] = ""
        elif tag == "style":
            self._inside = "style"
        elif tag == "meta" and known.get("http-equiv") == "Content-Security-Policy":
            self.policy = known["content"]

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        if self._inside == "style":
            self.styles.append(data)
        elif self._inside:
            self.scripts[self._inside] += data
        else:
            self.text += data

    @property
    def payload(self) -> dict:
        return json.loads(self.scripts["payload"])


def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return sample_run(tmp_path_factory.mktemp("runs") / "ealstm_seed1")


@pytest.fixture(scope="module")
def page(run) -> Page:
    return read(write_report([run]))


def test_the_page_lies_in_the_folder_of_the_run_and_carries_everything_itself(run, page):
    assert (run / "report.html").is_file()
    outside = [link for link in page.links if not link.startswith(("#", "data:"))]
    assert outside == []
    assert {"iframe", "object", "embed", "img", "form"}.isdisjoint(page.tags)
    assert page.text.count("ealstm_seed1") > 1


def test_the_policy_allows_this_script_and_style_and_nothing_else(page):
    for text in (page.scripts["script"], page.styles[0]):
        mark = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{mark}'" in page.policy
    assert page.policy.startswith("default-src 'none';")
    assert "unsafe" not in page.policy
    assert "style" not in re.findall(r"<\w[^>]*\s(style)=", page.text)


def test_scores_of_the_page_are_those_of_the_table(run, page):
    table = pd.read_csv(run / "test" / "metrics.csv", dtype={"gauge_id": str}).set_index("gauge_id")
    columns = {c["key"]: c for c in page.payload["runs"][0]["columns"]}
    basins = page.payload["basins"]["id"]
    assert basins == sorted(table.index)
    np.testing.assert_allclose(columns["NSE"]["values"], table.loc[basins, "NSE"], rtol=1e-3)
    median = f"{table['NSE'].median():.2f}".replace("-", "−")
    assert median in page.text


def test_hydrographs_come_back_within_the_rounding_that_the_page_tells(run, page):
    flows = page.payload["runs"][0]["flows"]
    lines = page.scripts["block-flows-0"].split("\n")
    with xr.open_dataset(run / "test" / "simulations.nc") as dataset:
        for k, basin in enumerate(page.payload["basins"]["id"]):
            got = unpack(lines[k]).reshape(len(flows["series"]), flows["days"])
            want = dataset[flows["series"]].sel(basin=basin).to_array().values
            np.testing.assert_allclose(got, want, rtol=2**-7, atol=1e-6)
    assert flows["first"] == "1996-10-01"


def test_changes_come_back_in_the_order_that_the_page_reads(page):
    about = page.payload["runs"][0]["response"]
    shape = (len(about["scenarios"]["name"]), len(about["statistics"]["name"]), 12)
    want = sample_response()["change"].mean("member").transpose("scenario", "statistic", "basin")
    got = unpack(page.scripts["block-change-0"]).reshape(shape)
    np.testing.assert_allclose(got, want.values, rtol=2**-9, atol=1e-3)
    again = unpack(page.scripts["block-change_recomputed-0"]).reshape(shape)
    np.testing.assert_allclose(again, 1.5 * want.values, rtol=2**-9, atol=1e-3)
    agree = unpack(page.scripts["block-agree-0"])
    assert set(np.round(3 * agree[np.isfinite(agree)]).tolist()) <= {1.0, 2.0, 3.0}


def test_elasticity_is_told_for_ten_percent_and_marks_what_members_disagree_on(page):
    columns = {c["key"]: c for c in page.payload["runs"][0]["columns"]}
    slopes = columns["mean_per_precipitation"]
    assert slopes["values"][0] == 10.0
    assert slopes["values"][-1] == 30.0  # the sample's exponents run from 1 to 3
    assert slopes["weak"] == [0, 3, 6, 9]


def test_concave_storms_are_a_failed_check(page):
    columns = {c["key"]: c for c in page.payload["runs"][0]["columns"]}
    assert columns["storms_not_concave"]["values"] == [0.0, 1.0] * 6  # the first is concave
    told = page.text.split("peaks keep up with growing storms")[1]
    assert told.startswith("12650 %")  # asked of 12 basins, failed by 6


def test_the_truth_is_summed_up_over_scenarios(page):
    told = page.text.split("Against the known truth")[1]
    assert "0.70" in told  # the median of 0.8 and 0.6
    assert "−2.00" in told


def test_warming_is_asked_of_snow_basins_only(page):
    columns = {c["key"]: c for c in page.payload["runs"][0]["columns"]}
    snow = columns["frac_snow"]["values"]
    earlier = columns["earlier_with_warming"]["values"]
    assert [v is not None for v in earlier] == [s > 0.3 for s in snow]


@pytest.mark.parametrize("synthetic", [True, False])
def test_synthetic_data_is_named_on_top(tmp_path, synthetic):
    run = sample_run(tmp_path / "run", synthetic=synthetic, sensitivity=False)
    html = write_report([run]).read_text()
    assert ("SYNTHETIC DATA" in html.split("<header>")[0]) == synthetic


def test_notes_of_the_log_are_shown_and_routine_is_not(page):
    notes = page.text.split("Notes and warnings")[1].split("Log of the training")[0]
    assert "the test period overlaps the training period" in notes
    assert "finished" not in notes


def test_missing_parts_name_the_command_that_makes_them(tmp_path):
    run = sample_run(tmp_path / "plain", sensitivity=False)
    page = read(write_report([run]))
    assert f"hydroml sensitivity {run}" in page.text
    assert f"hydroml sensitivity {run} --gradients" in page.text
    assert page.payload["runs"][0]["response"] is None


def test_a_run_without_simulations_still_has_a_page(tmp_path):
    run = sample_run(tmp_path / "thin", sensitivity=False)
    (run / "test" / "simulations.nc").unlink()
    page = read(write_report([run]))
    assert "simulations.nc is missing" in page.text
    assert page.payload["basins"]["x"] == [None] * 12


def test_what_was_not_evaluated_is_refused_with_the_remedy(tmp_path):
    run = sample_run(tmp_path / "new", sensitivity=False)
    (run / "test" / "summary.json").unlink()
    with pytest.raises(RunError, match="has not been evaluated") as raised:
        write_report([run])
    assert f"hydroml evaluate {run}" in raised.value.remedy
    with pytest.raises(RunError, match="is missing"):
        write_report([tmp_path / "nowhere"])
    with pytest.raises(RunError, match="No run"):
        write_report([])


def test_a_damaged_file_is_named(tmp_path):
    run = sample_run(tmp_path / "run")
    (run / "sensitivity" / "response.nc").write_bytes(b"not a NetCDF file")
    with pytest.raises(RunError, match=r"response\.nc cannot be read"):
        write_report([run])


@pytest.mark.parametrize(
    ("name", "lost"),
    [("elasticity", "per_degree"), ("truth", "bias"), ("plausibility", "gauge_id")],
)
def test_a_table_without_a_column_is_named(tmp_path, name, lost):
    run = sample_run(tmp_path / "run")
    file = run / "sensitivity" / f"{name}.csv"
    pd.read_csv(file).drop(columns=lost).to_csv(file, index=False)
    with pytest.raises(RunError, match=rf"{name}\.csv cannot be read \(it holds no '{lost}'\)"):
        write_report([run])


def test_another_evaluation_serves_where_there_is_no_test(tmp_path):
    run = sample_run(tmp_path / "run", sensitivity=False)
    (run / "test").rename(run / "validation")
    assert "(validation)" in read(write_report([run])).text


def test_an_ensemble_folder_takes_its_settings_from_the_members_beside_it(tmp_path):
    sample_run(tmp_path / "a", sensitivity=False)
    ensemble = sample_run(tmp_path / "ensemble_of_1_abc", sensitivity=False)
    for name in ("config.yaml", "log.txt", "metrics.csv"):
        (ensemble / name).unlink()
    summary = json.loads((ensemble / "test" / "summary.json").read_text())
    (ensemble / "test" / "summary.json").write_text(json.dumps(summary | {"run": "a"}))
    page = read(write_report([ensemble]))
    assert "EA-LSTM" in page.text
    assert list(page.payload["runs"][0]["losses"]) == ["a"]


def test_texts_from_data_stay_texts(tmp_path):
    run = sample_run(tmp_path / "run", names=[HOSTILE] * 12)
    html = write_report([run]).read_text()
    page = Page(html)
    assert page.payload["basins"]["name"] == [HOSTILE] * 12
    assert "<img" not in html
    assert html.count("<script") == html.count("</script>")


def test_several_runs_stand_side_by_side(tmp_path, run):
    other = sample_run(tmp_path / "lstm_seed1", basins=5, sensitivity=False, seed=3)
    out = write_report([run, other], tmp_path / "both.html")
    page = read(out)
    assert out == tmp_path / "both.html"
    assert [r["name"] for r in page.payload["runs"]] == ["ealstm_seed1", "lstm_seed1"]
    nse = next(c for c in page.payload["runs"][1]["columns"] if c["key"] == "NSE")
    assert [v is not None for v in nse["values"]] == [True] * 5 + [False] * 7
    assert page.scripts["block-flows-1"].split("\n")[5:] == [""] * 7


def test_long_hydrographs_are_cut_to_the_last_years_that_fit(tmp_path, monkeypatch):
    monkeypatch.setattr("hydroml.report.html.ARRAYS_SIZE", 0)
    monkeypatch.setattr("hydroml.report.html._SMALLEST_FLOWS", 20_000)
    run = sample_run(tmp_path / "run", years=6, sensitivity=False)
    flows = read(write_report([run])).payload["runs"][0]["flows"]
    years = round(flows["days"] / 365.25)
    assert 1 <= years < 6
    assert flows["cut"]
    assert flows["first"] == f"{1999 - years}-10-01"


@given(
    arrays("f4", st.integers(0, 40), elements=st.floats(-6e4, 6e4, width=32)), st.integers(3, 10)
)
def test_packing_rounds_within_its_bound(values, keep):
    got = unpack(pack(values, keep))
    small = 2.0**-14 * 2.0**-keep  # below the normal range steps are constant
    np.testing.assert_allclose(got, values, rtol=2.0 ** -(keep + 1), atol=small)


def test_packing_keeps_what_is_missing_and_bounds_what_is_huge():
    got = unpack(pack([np.nan, 1e30, -1e30, 65504, -0.0], 3))
    assert np.isnan(got[0])
    assert np.isfinite(got[1:]).all()
    np.testing.assert_allclose(got[1:3], [65504, -65504], rtol=2**-4)


@settings(max_examples=50)
@given(st.text())
def test_json_in_a_script_cannot_end_it(text):
    written = script_json({"name": text})
    assert "<" not in written
    assert json.loads(written) == {"name": text}


def test_short_numbers_are_json():
    assert short([np.inf, -1.23456789e-7]) == [None, -1.235e-07]


@settings(max_examples=30)
@given(arrays("f8", st.tuples(st.integers(2, 40), st.just(2)), elements=st.floats(-100, 100)))
def test_simplified_lines_stay_within_the_tolerance(line):
    thin = simplify(line, 5.0)
    assert (thin[0] == line[0]).all()
    assert (thin[-1] == line[-1]).all()
    for point in line:
        assert min(_far(point, a, b) for a, b in pairwise(thin)) <= 5.0 + 1e-9


def _far(point, a, b) -> float:
    along = np.linspace(0, 1, 2001)[:, None] * (b - a) + a
    step = float(np.linalg.norm(b - a)) / 2000
    return float(np.linalg.norm(along - point, axis=1).min()) - step / 2


def test_the_map_is_small_and_holds_all_basins():
    response = sample_response(40)
    picture = map_picture(response["gauge_lat"].values, response["gauge_lon"].values)
    assert all(0 <= x <= WIDTH for x in picture["x"])
    assert all(0 <= y <= HEIGHT for y in picture["y"])
    assert picture["x"] == sorted(picture["x"])  # the sample goes from west to east
    assert sum(len(line["d"]) for line in picture["outlines"]) < 300_000


def test_simulations_without_precipitation_are_drawn_without_it(tmp_path):
    run = sample_run(tmp_path / "run", sensitivity=False)
    bare = sample_simulations(sample_response()).drop_vars("prcp")
    (run / "test" / "simulations.nc").unlink()
    bare.to_netcdf(run / "test" / "simulations.nc")
    assert read(write_report([run])).payload["runs"][0]["flows"]["series"] == ["qobs", "qsim"]
