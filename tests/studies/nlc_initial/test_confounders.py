"""The confounders' measuring program writes what the table shows, and the shipped file agrees with theory."""

import json
from functools import partial
from pathlib import Path

import pytest

from distnlc.analysis.drawing.table import read_measured
from distnlc.analysis.nlc_initial import confounders as table
from distnlc.metrics.spec import MetricsSpec
from distnlc.studies.nlc.sampling import sample_architecture
from distnlc.studies.nlc_initial import confounders as nlc_confounders


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file of a sample of two architectures of depth 3."""
    monkeypatch.setattr(nlc_confounders, "PARAMETERS", 600)
    monkeypatch.setattr(nlc_confounders, "sample_architecture", partial(sample_architecture, depth_max=3))
    effort = MetricsSpec(nlc_batches=1, walk_batches=1, walk_inputs=1, walk_outputs=1)
    monkeypatch.setattr(nlc_confounders, "EFFORT", effort)
    monkeypatch.setattr(nlc_confounders, "SINE_FREQUENCIES", (100, 1000))
    # the module itself: compiling the fast program takes longer than all that is measured here
    monkeypatch.setattr("distnlc.studies.nlc_measurement.fast_network", lambda network, *_, **__: network)
    monkeypatch.setenv("DISTNLC_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "confounders.json"
    line = f"nlc_confounders --architectures 2 --points 250 --initializations 2 --out {out}"
    monkeypatch.setattr("sys.argv", line.split())
    assert nlc_confounders.main() == 0
    return out


def test_the_written_file_is_what_the_table_shows(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = read_measured(small, ("changes", "deviations", "sines"))
    changes = measured["changes"]
    assert list(changes) == list(table.CHANGES)
    for change, theory in table.THEORY.items():
        assert list(changes[change]) == list(table.METRICS)
        for metric in ("nlc", "bias", "jacobian_norm") if change != "width" else ("depth", "input_cosine"):
            stays = 0 if metric == "input_cosine" else 1
            median, lowest, highest, count = changes[change][metric]
            assert [median, lowest, highest] == pytest.approx([theory.get(metric, stays)] * 3, rel=1e-4)
            assert count == 2
    assert changes["duplicates"]["gradient_component"][0] == pytest.approx(1 / 2, rel=1e-4)
    assert changes["output_scale_alone"]["gradient_length"][0] > 9
    assert measured["deviations"]["nlc"] > 0
    monkeypatch.setattr(table, "FILE", small)
    shown = table.tabulate(None)
    assert "2 architectures" in shown.caption
    # as the activation function's frequency grows tenfold, so does the NLC; the gradient does not notice
    sines = measured["sines"]
    assert sines["nlc"]["1000"] / sines["nlc"]["100"] == pytest.approx(10, rel=0.1)
    assert sines["gradient_component"]["1000"] == pytest.approx(sines["gradient_component"]["100"], rel=0.1)


def test_the_shipped_measurements_agree_with_theory() -> None:
    measured = json.loads(table.FILE.read_text())
    for change, theory in table.THEORY.items():
        for metric, (median, lowest, highest, count) in measured["changes"][change].items():
            assert lowest <= median <= highest
            assert 0.8 * measured["architectures"] <= count <= measured["architectures"]
            if change == "width":
                continue
            softmax = change == "output_scale_alone" and metric.startswith("gradient")
            grid = metric == "relative_diameter"  # found in steps of 26 %
            expected = theory.get(metric, 0 if metric in table.COSINES else 1)
            assert median == pytest.approx(expected, rel=0.4 if softmax or grid else 0.01, abs=0.002), (change, metric)
            assert table.moves(measured, change, metric) == (metric in theory)


def test_the_nlc_moves_in_one_case_only() -> None:
    measured = json.loads(table.FILE.read_text())
    assert [change for change in table.CHANGES if table.moves(measured, change, "nlc")] == ["equal_duplicates"]
