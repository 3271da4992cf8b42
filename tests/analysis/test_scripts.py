"""The scripts in analysis/ answer their questions from a study's folder, and from the example without one."""

import re
import runpy
from pathlib import Path

import pytest

from distnlc import analysis
from distnlc.analysis.statistics import refitting

FOLDER = Path(__file__).parents[2] / "analysis"


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], script: str, *arguments: object) -> str:
    monkeypatch.setattr("sys.argv", [script, *map(str, arguments)])
    runpy.run_path(str(FOLDER / script), run_name="__main__")
    return capsys.readouterr().out


def test_which_metric(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], two_datasets: Path) -> None:
    text = said(monkeypatch, capsys, "which_metric.py", two_datasets)
    assert "waveform-noise (SGD), 60 architectures, test error:" in text
    assert len(re.findall(r"^ +initial NLC +0\.\d\d \+0\.00 \[\+0\.00, \+0\.00\]", text, re.MULTILINE)) == 2


def test_calibration(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], two_datasets: Path) -> None:
    monkeypatch.setattr(refitting, "PERMUTATIONS", 19)
    text = said(monkeypatch, capsys, "calibration.py", two_datasets, 2)
    assert "waveform-noise (SGD), 60 architectures, " in text
    assert len(re.findall(r"^  a random metric, spearman: q below 0.05: \d of 2, ", text, re.MULTILINE)) == 2
    assert len(re.findall(r"^  errors dealt out anew, ", text, re.MULTILINE)) == 8


def test_who_generalizes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(monkeypatch, capsys, "who_generalizes.py")
    assert len(re.findall(r"^  with skip connections  n = \d+", text, re.MULTILINE)) == 5
    assert "MNIST (SGD): 100 architectures" in text


def test_training_less(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    both = "init_nlc between 1 and 5 and init_bias below 10"
    text = said(monkeypatch, capsys, "training_less.py", analysis.EXAMPLE, both)
    assert f"CIFAR10 (SGD): 18 of 60 architectures have {both}" in text
    assert "saves 70% of the epochs and loses 0.0 percentage points of the lowest test error" in text
    with pytest.raises(SystemExit, match="'chii' is not among its columns and measurements"):
        said(monkeypatch, capsys, "training_less.py", analysis.EXAMPLE, "chii below 3")


def test_columns_of_any_kind(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "| `host` | str? | text | the machine that did the unit |" in said(
        monkeypatch, capsys, "columns.py", "rehearsal"
    )
