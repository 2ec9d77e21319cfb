"""The page in headless Chromium: what a reader does with it, and what it must not do."""

import base64
import csv
import io
import re
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hydroml.report.html import write_report
from tests.report.browser import DOWNLOADS, chromium, requested, resize
from tests.report.sample_runs import sample_run

HOSTILE = '</script><img src=x onerror="document.title=1"> =1+1'
NAMES = ["Alder Creek", "Beaver River", HOSTILE, *[f"River {k}" for k in range(3, 12)]]


@pytest.fixture(scope="module")
def profile(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("chromium")


@pytest.fixture(scope="module")
def browser(profile) -> Iterator[Any]:
    with chromium(profile) as opened:
        yield opened


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "ealstm_seed1"
    return sample_run(folder, synthetic=True, names=NAMES)


@pytest.fixture(scope="module")
def written(run) -> Path:
    return write_report([run])


@pytest.fixture
def page(browser, written) -> Any:
    """The page of one run at desk size, freshly opened; afterwards nothing was complained of."""
    resize(browser, 1280)
    yield show(browser, written)
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def show(browser: Any, path: Path) -> Any:
    browser.get_log("performance")
    browser.get(path.resolve().as_uri())
    settle(browser)
    return browser


def settle(browser: Any) -> None:
    """Wait until the page has started and what it unpacks has been drawn."""
    wait_for(browser, "return document.documentElement.dataset.ready === 'yes'")
    wait_for(browser, "return document.querySelector('#hydrograph svg, #hydrograph p') !== null")


def wait_for(browser: Any, script: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not browser.execute_script(script):
        assert time.monotonic() < end, f"never true: {script}"
        time.sleep(0.02)


def text_of(browser: Any, query: str) -> str:
    return browser.execute_script("return document.querySelector(arguments[0]).textContent", query)


def pick(browser: Any, query: str, label: str) -> None:
    """Choose an option by its words, as a reader does."""
    done = browser.execute_script(
        """const select = document.querySelector(arguments[0]);
        const option = [...select.options].find((o) => o.textContent === arguments[1]);
        if (!option) return [...select.options].map((o) => o.textContent);
        select.value = option.value;
        select.dispatchEvent(new Event("change"));
        return null;""",
        query,
        label,
    )
    assert done is None, f"{label!r} is not among {done}"


def middle_of(browser: Any, basin: int) -> tuple[float, float]:
    """Centre of a basin's marker in the window, scrolled into view."""
    x, y = browser.execute_script(
        """const marker = document.querySelector(`#points [data-basin="${arguments[0]}"]`);
        document.getElementById("map-svg").scrollIntoView({behavior: "instant", block: "center"});
        const box = marker.getBoundingClientRect();
        return [box.x + box.width / 2, box.y + box.height / 2];""",
        basin,
    )
    return x, y


def mouse(browser: Any, kind: str, place: tuple[float, float]) -> None:
    event = {"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1}
    if kind == "mouseMoved":
        event["button"] = "none"
    browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)


def click(browser: Any, place: tuple[float, float]) -> None:
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        mouse(browser, kind, place)


def shown_rows(browser: Any, column: int) -> list[str]:
    return browser.execute_script(
        """return [...document.querySelectorAll("#table tbody tr:not([hidden])")]
        .map((row) => row.cells[arguments[0]].textContent);""",
        column,
    )


def column_number(browser: Any, head: str) -> int:
    heads = browser.execute_script(
        "return [...document.querySelectorAll('#table thead th')].map((h) => h.textContent)"
    )
    return heads.index(head)


def as_number(shown: str) -> float:
    return float(shown.replace("−", "-"))


def test_the_page_opens_without_asking_the_network_for_anything(page):
    assert requested(page) == []
    assert "SYNTHETIC DATA" in text_of(page, ".banner")
    assert page.title.startswith("ealstm_seed1")


def test_hovering_shows_the_basin_and_the_value(page):
    mouse(page, "mouseMoved", middle_of(page, 4))
    wait_for(page, "return !document.getElementById('tip').hidden")
    tip = text_of(page, "#tip")
    assert tip.startswith("00000005River 4")
    value = page.execute_script("return document.querySelector('#tip div').textContent")
    column = column_number(page, "NSE")
    assert value.split(": ")[1] == shown_rows(page, column)[4]


def test_clicking_shows_the_basin_with_hydrograph_and_surface(page):
    click(page, middle_of(page, 7))
    wait_for(page, "return document.querySelector('#flow-title').textContent.includes('00000008')")
    wait_for(page, "return document.querySelectorAll('#surface .cell').length === 49")
    assert text_of(page, "#panel-title") == "00000008 – River 7"
    lines = page.execute_script(
        """return [...document.querySelectorAll("#hydrograph path")]
        .map((p) => (p.getAttribute("d").match(/[ML]/g) || []).length)"""
    )
    assert sorted(lines)[-2:] == [365, 365]  # observed and simulated, a point a day
    assert "mean annual maximum" in text_of(page, "#surface-title")


def test_the_surface_holds_the_changes_of_the_scenarios(page):
    pick(page, "#choose-basin", "00000001 – Alder Creek")
    pick(page, "#response-part .choose-statistic", "mean flow")
    wait_for(page, "return document.querySelector('#surface-title').textContent.includes('mean')")
    wait_for(page, "return document.querySelectorAll('#surface .cell').length === 49")
    titles = page.execute_script(
        "return [...document.querySelectorAll('#surface title')].map((t) => t.textContent)"
    )
    told = dict(title.split(": ") for title in titles)
    # the first basin's flow follows precipitation and exp(-0.03 T); members differ by 2 %
    assert as_number(told["t+0 p+30"].split()[0]) == pytest.approx(30, abs=4)
    want = 100 * (0.7 * np.exp(-0.18) - 1)
    assert as_number(told["t+6 p-30"].split()[0]) == pytest.approx(want, abs=4)


def test_the_map_follows_the_scenario_and_hollows_what_members_disagree_on(page):
    pick(page, "#choose-group", "Slope at the present climate")
    pick(page, "#choose-column", "mean flow, per 10 % more precipitation")
    wait_for(page, "return document.querySelector('#map-heading').textContent.includes('10 %')")
    hollow = page.execute_script(
        """return [...document.querySelectorAll('#points path[fill="#fff"]')]
        .map((m) => Number(m.dataset.basin))"""
    )
    assert hollow == [0, 3, 6, 9]
    assert "fewer than 80 %" in text_of(page, "#legend")
    pick(page, "#choose-group", "Change in a scenario")
    pick(page, "#map .choose-scenario", "t+0 p+20")
    wait_for(page, "return document.querySelector('#map-heading').textContent.endsWith('t+0 p+20')")
    blue, red = page.execute_script(
        """const fill = document.querySelector("#points path").getAttribute("fill");
        const [r, g, b] = fill.match(/\\d+/g).map(Number);
        return [b, r];"""
    )
    assert blue > red  # more water is blue


def test_attributes_held_and_recomputed_can_be_switched(page):
    pick(page, "#choose-group", "Change in a scenario")
    caption = "return document.querySelector('#map-caption').textContent"
    wait_for(page, f"{caption}.includes('median')")
    held = page.execute_script(caption)
    pick(page, "#map .choose-statics", "recomputed for the new climate")
    wait_for(page, f"{caption} !== arguments[0]".replace("arguments[0]", repr(held)))
    medians = [
        as_number(re.search(r"median (\S+),", words)[1])
        for words in (held, page.execute_script(caption))
    ]
    assert medians[1] == pytest.approx(1.5 * medians[0], rel=0.02)  # as the sample makes it


def test_keys_move_over_the_map_and_choose(page):
    page.execute_script("document.getElementById('map-svg').focus()")
    from selenium.webdriver.common.keys import Keys

    svg = page.switch_to.active_element
    svg.send_keys(Keys.ARROW_LEFT)
    first = text_of(page, "#tip b")
    svg.send_keys(Keys.ENTER)
    assert text_of(page, "#panel-title").startswith(first)


def test_sorting_sorts_by_number(page):
    column = column_number(page, "beta")
    button = f"#table thead th:nth-child({column + 1}) button"
    page.execute_script("document.querySelector(arguments[0]).click()", button)
    up = [as_number(v) for v in shown_rows(page, column)]
    assert up == sorted(up)
    sort = f"return document.querySelector('#table thead th:nth-child({column + 1})').ariaSort"
    assert page.execute_script(sort) == "ascending"
    page.execute_script("document.querySelector(arguments[0]).click()", button)
    assert [as_number(v) for v in shown_rows(page, column)] == sorted(up, reverse=True)
    assert page.execute_script(sort) == "descending"


def test_searching_keeps_what_matches(page):
    page.find_element("css selector", "#search").send_keys("beaver")
    assert shown_rows(page, 1) == ["Beaver River"]
    assert text_of(page, "#count") == "1 of 12 basins"


def test_the_download_holds_the_rows_shown(page, run, profile):
    page.find_element("css selector", "#search").send_keys("0000000")
    page.execute_script("document.getElementById('download').click()")
    file = profile / DOWNLOADS / "ealstm_seed1_basins.csv"
    end = time.monotonic() + 20
    while not file.is_file():
        assert time.monotonic() < end, "nothing was downloaded"
        time.sleep(0.02)
    written = file.read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(written)))
    assert [row["gauge_id"] for row in rows] == [f"{k:08d}" for k in range(1, 10)]
    assert {row["synthetic"] for row in rows} == {"true"}
    table = pd.read_csv(run / "test" / "metrics.csv", dtype={"gauge_id": str}).set_index("gauge_id")
    for row in rows:
        assert float(row["NSE"]) == pytest.approx(table.loc[row["gauge_id"], "NSE"], rel=1e-3)


def test_names_that_are_markup_are_shown_as_they_are(page):
    pick(page, "#choose-basin", f"00000003 – {HOSTILE}")
    assert text_of(page, "#panel-title") == f"00000003 – {HOSTILE}"
    assert page.execute_script("return document.images.length") == 0
    assert page.title.startswith("ealstm_seed1")


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_phone_needs_no_scrolling_sideways(page, width):
    resize(page, width, 844)
    show(page, Path(page.current_url.removeprefix("file://").split("#")[0]))
    for group in ("Scores", "Change in a scenario", "Plausibility"):
        pick(page, "#choose-group", group)
        wide, inner = page.execute_script(
            "return [document.documentElement.scrollWidth, innerWidth]"
        )
        assert wide <= inner == width
    svg = page.execute_script("return document.getElementById('map-svg').clientWidth")
    assert 0.8 * width < svg <= width


def test_the_page_prints_on_several_pages(page):
    printed = page.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    pdf = base64.b64decode(printed["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) > 1
    drawn = sum(
        len(zlib.decompressobj().decompress(found[1]))
        for found in re.finditer(rb"stream\r?\n(x.*?)endstream", pdf, re.DOTALL)
    )
    assert drawn > 100_000  # an empty page takes some hundred bytes


def test_several_runs_are_switched_between(browser, run, tmp_path):
    resize(browser, 1280)
    other = sample_run(tmp_path / "lstm_seed1", basins=5, sensitivity=False, seed=3)
    show(browser, write_report([run, other], tmp_path / "both.html"))
    assert browser.execute_script("return document.querySelectorAll('#cdf .key li').length") == 2
    pick(browser, "#choose-basin", "00000009 – River 8")
    pick(browser, "#choose-run", "lstm_seed1")
    wait_for(browser, "return document.querySelector('#hydrograph p') !== null")
    assert "no simulation of the basin" in text_of(browser, "#hydrograph")
    column = column_number(browser, "NSE")
    for _ in range(2):  # up, then down: what is missing comes last either way
        browser.execute_script(
            "document.querySelectorAll('#table thead button')[arguments[0]].click()", column
        )
        assert shown_rows(browser, column)[5:] == ["–"] * 7
    assert browser.execute_script("return document.getElementById('response-part').hidden")
    pick(browser, "#choose-basin", "00000002 – Beaver River")
    wait_for(browser, "return document.querySelector('#hydrograph svg') !== null")
    pick(browser, "#choose-run", "ealstm_seed1")
    wait_for(browser, "return document.querySelectorAll('#surface .cell').length === 49")
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def test_531_basins_open_in_two_seconds(browser, tmp_path, record_property):
    resize(browser, 1280)
    run = sample_run(tmp_path / "run", basins=531, years=10)
    page = write_report([run])
    assert page.stat().st_size < 8.5e6
    show(browser, page)
    seconds = browser.execute_script(
        "return performance.getEntriesByType('navigation')[0].loadEventEnd / 1000"
    )
    record_property("seconds", seconds)
    assert 0 < seconds < 6  # under 2 on a free core; this one may be shared
    assert [entry["message"] for entry in browser.get_log("browser")] == []
