"""``hydroml report``: one page, for one run, an ensemble, or several side by side."""

import shutil

import pytest


@pytest.fixture
def run(tiny_run, tmp_path):
    return shutil.copytree(tiny_run, tmp_path / "runs" / "tiny")


@pytest.fixture
def studied(command, run, no_figures, monkeypatch):
    from hydroml.api import climate

    monkeypatch.setattr(climate, "draw_sensitivity", lambda folder: [])
    assert command("evaluate", run, "--device", "cpu")[0] == 0
    arguments = ("sensitivity", run, "--scenarios", "martel", "--device", "cpu", "--truth")
    code, _, err = command(*arguments)
    assert code == 1  # the tiny store says it is synthetic, but has no hidden truth
    assert "The truth needs" in err
    assert command(*arguments[:-1])[0] == 0
    return run


def test_page_of_a_run(command, studied):
    code, out, err = command("report", studied)
    assert code == 0, err
    page = studied / "report.html"
    assert f"Written to {page}" in out
    text = page.read_text(encoding="utf-8")
    assert "SYNTHETIC DATA" in text
    assert "01000000" in text
    assert "recession" in text  # an attribute the run reads
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_several_runs_beside_each_other(command, studied):
    other = shutil.copytree(studied, studied.with_name("other"))
    out_file = studied.parent / "both.html"
    code, _, err = command("report", studied, other, "--out", out_file)
    assert code == 0, err
    text = out_file.read_text(encoding="utf-8")
    assert "tiny" in text
    assert "other" in text
    code, out, _ = command("report", studied, other)
    assert code == 0
    (page,) = studied.parent.glob("ensemble_of_2_*/report.html")
    assert str(page) in out


def test_what_cannot_be_reported(command, run):
    code, _, err = command("report", run)
    assert (code, f"hydroml evaluate {run}" in err) == (1, True)
    code, _, err = command("report", run / "nothing")
    assert code == 1
    assert "Traceback" not in err
