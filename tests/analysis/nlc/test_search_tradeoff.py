"""The trade-off of a cheaper search, on invented studies whose losses are known."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.nlc.search_tradeoff import compare, draw, lines, mean_interval, setting
from distnlc.store import StoreError, read_spec_fields
from distnlc.studies import resolve
from distnlc.studies.nlc.records import ArchitectureRow
from tests.helpers.synthetic import architecture_row, failed_row, write_study

SCRIPT = Path(__file__).parents[3] / "analysis" / "search_tradeoff.py"
REFINED = ("search.method=refine", "search.rungs=[5, 20]", "training.population=20", "sampling.count=7")


def rows(errors: list[float], epochs: int, study: str = "") -> list[ArchitectureRow]:
    return [
        architecture_row(index, part=f"waveform{study}", test_error=error, epochs=epochs)
        for index, error in enumerate(errors)
    ]


def study(folder: Path, found: list[ArchitectureRow], *assignments: str) -> Path:
    return write_study(folder, found, resolve("waveform-small", assignments))


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    return study(tmp_path / "grid", rows([0.1, 0.2, 0.3, 0.4], 1000))


def test_the_share_of_epochs_and_the_mean_loss_in_percentage_points(tmp_path: Path, grid: Path) -> None:
    other = study(tmp_path / "other", rows([0.1, 0.21, 0.29, 0.44], 250, "-refined"), *REFINED)
    found = compare(grid, other)
    assert found.share == 0.25
    assert found.points == pytest.approx(1.0)
    assert found.worst == pytest.approx(4.0)
    assert found.low <= 0 < found.points < found.high <= found.worst
    assert (found.architectures, found.n_in, found.left_out) == (4, 4, "none")


def test_studies_are_joined_on_the_architecture_and_what_is_left_out_is_said(tmp_path: Path, grid: Path) -> None:
    """Other order, other units: the grid's second failed here, its fourth is missing, a fifth is new."""
    first, _, third, _, fifth = rows([0.15, 0.2, 0.3, 0.4, 0.5], 100, "-refined")
    other = study(tmp_path / "other", [fifth, third, failed_row(1, part="waveform-refined"), first], *REFINED)
    found = compare(grid, other)
    assert (found.architectures, found.n_in) == (2, 5)
    assert found.points == pytest.approx(2.5)
    assert found.share == 0.1
    for reason in (
        "1 (unit failed in the other search)",
        "1 (not in the study of the other search)",
        "1 (not in the study of the grid)",
    ):
        assert reason in found.left_out
        assert reason in lines([found])[0]


def test_nothing_in_common_is_said(tmp_path: Path, grid: Path) -> None:
    with pytest.raises(MissingRecordsError, match="no architecture of it finished in"):
        compare(grid, study(tmp_path / "other", [failed_row(0)], *REFINED))


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        (["training.patience=3", "seed=1"], "different are: seed, training.patience"),
        (["search.rates=60"], "different are: search.rates"),
        (["parts={a: {}}"], "expected a study without parts"),
    ],
)
def test_studies_that_differ_in_more_than_their_search_are_refused(
    tmp_path: Path, grid: Path, assignments: list[str], said: str
) -> None:
    other = study(tmp_path / "other", rows([0.1], 100), *assignments)
    with pytest.raises(StoreError, match=said):
        compare(grid, other)


def test_what_the_others_are_compared_with_must_be_a_whole_grid(tmp_path: Path, grid: Path) -> None:
    for assignment in ("search.method=refine", "search.rungs=[5]"):
        halved = study(tmp_path / assignment, rows([0.1], 100), assignment)
        with pytest.raises(StoreError, match="expected a study that tried every rate, but found"):
            compare(halved, grid)
    assert compare(grid, grid).points == 0


def test_a_search_in_words(tmp_path: Path) -> None:
    assert setting(read_spec_fields(study(tmp_path / "a", []))) == "grid of 40"
    assert setting(read_spec_fields(study(tmp_path / "b", [], "search.method=refine"))) == "refine 8 + 2 x 4"
    halved = "refine 8 + 2 x 4, halved at epochs 5, 20 (populations of 20)"
    assert setting(read_spec_fields(study(tmp_path / "c", [], *REFINED))) == halved


def test_the_interval_is_that_of_the_mean() -> None:
    """Of 400 values with deviation 1 the mean has a standard error of 0.05."""
    values = np.random.default_rng(0).normal(3.0, 1.0, size=400)
    low, high = mean_interval(values)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * 0.05, rel=0.1)
    assert mean_interval(values) == (low, high)
    assert np.isnan(mean_interval(values[:1])).all()
    assert mean_interval(np.zeros(5)) == (0.0, 0.0)


def test_the_script_writes_picture_and_table(
    tmp_path: Path, grid: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [
        study(tmp_path / "half", rows([0.1, 0.2, 0.3, 0.4], 500, "-half"), "search.rungs=[5]"),
        study(tmp_path / "refined", rows([0.1, 0.2, 0.3, 0.41], 200, "-refined"), *REFINED),
    ]
    monkeypatch.setattr("sys.argv", [str(SCRIPT), *map(str, [grid, *others])])
    runpy.run_path(str(SCRIPT))
    said = capsys.readouterr().out.splitlines()
    assert said[1].startswith(
        "refine 8 + 2 x 4, halved at epochs 5, 20 (populations of 20): 20.0% of the epochs, +0.25 ["
    )
    assert said[2].startswith("grid of 40, halved at epochs 5 (populations of 8): 50.0% of the epochs, +0.00 [")
    assert (grid / "report" / "search_tradeoff.png").read_bytes().startswith(b"\x89PNG")
    assert (grid / "report" / "search_tradeoff.svg").read_bytes().startswith(b"<?xml")
    written = pd.read_csv(grid / "report" / "search_tradeoff.csv")
    assert list(written["share"]) == [0.2, 0.5]
    assert list(written["left_out"]) == ["none", "none"]


def test_every_search_is_a_point_and_one_architecture_has_no_interval(tmp_path: Path, grid: Path) -> None:
    one = compare(grid, study(tmp_path / "one", rows([0.12], 100, "-one"), *REFINED))
    many = compare(grid, study(tmp_path / "many", rows([0.1, 0.2, 0.3, 0.4], 600, "-many"), "search.rungs=[5]"))
    drawn = draw([one, many])
    (axes,) = drawn.figure.axes
    points = [container.lines[0].get_xydata()[0] for container in axes.containers]
    np.testing.assert_allclose(points, [[10, 2.0], [60, 0.0]], atol=1e-9)
    assert [len(container.lines[2]) for container in axes.containers] == [0, 1]
    assert "[" not in lines([one])[0]
