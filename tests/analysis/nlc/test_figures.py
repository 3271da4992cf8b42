"""Figures show the right points and numbers, write their files, and say which records are missing."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection

from distnlc.analysis.drawing import figure as drawing
from distnlc.analysis.drawing.figure import MissingRecordsError
from distnlc.analysis.nlc import figure2, figure3a
from distnlc.analysis.nlc.parts import parts_of
from distnlc.analysis.statistics.correlations import correlate
from distnlc.analysis.tables import Tables, load
from tests.helpers.synthetic import architecture_row, failed_row, write_study

INF, NAN = float("inf"), float("nan")


def points(axes: Axes) -> list[np.ndarray]:
    """The points of each group, arrays of shape (n, 2): others, skip connections, high bias."""
    return [np.asarray(c.get_offsets()) for c in axes.collections if isinstance(c, PathCollection)]


def words(axes: Axes) -> str:
    return axes.get_title(loc="left") + "\n" + "\n".join(label.get_text() for label in axes.texts)


def finished(tables: Tables, dataset: str) -> pd.DataFrame:
    frame = tables.architectures
    return frame[(frame["dataset"] == dataset) & (frame["status"] == "ok")]


def of(folder: Path, *rows: dict[str, object]) -> Tables:
    """The tables of a study with one architecture per mapping of changed fields."""
    return load(write_study(folder / "study", [architecture_row(i, **row) for i, row in enumerate(rows)]))


@pytest.mark.parametrize(
    ("module", "column", "stated"),
    [(figure2, "init_nlc", ((0.81,), (0.67,))), (figure3a, "init_bias", ((0.42,), ()))],
)
def test_each_dataset_has_a_panel_with_its_numbers(
    tables: Tables, module: ModuleType, column: str, stated: tuple[tuple[float, ...], ...]
) -> None:
    drawn = module.draw(tables)
    assert [panel.title for panel in drawn.panels] == ["CIFAR10 (SGD)", "waveform-noise (SGD)"]
    assert tuple(panel.stated for panel in drawn.panels) == stated
    for panel, axes, dataset, n_in in zip(
        drawn.panels, drawn.figure.axes, ("cifar10", "waveform-noise"), (40, 61), strict=True
    ):
        rows = finished(tables, dataset)
        expected = correlate(rows[column], rows["test_error"], log_x=True)
        assert panel.correlation.pearson == pytest.approx(expected.pearson)
        assert (panel.correlation.n_in, panel.correlation.n) == (n_in, len(rows))
        assert sum(len(group) for group in points(axes)) == len(rows)
        assert axes.get_xscale() == "log"
        c = panel.correlation
        for said in (
            panel.title,
            f"r = {c.pearson:.2f} [{c.low:.2f}, {c.high:.2f}]",
            f"n = {c.n} of {n_in}",
            f"paper: {panel.stated[0] if panel.stated else 'no value stated'}",
            "left out: 1 (unit failed)" if n_in == 61 else "none left out",
        ):
            assert said in words(axes)


def test_colours_mean_high_bias_skip_connections_and_others(tmp_path: Path) -> None:
    tables = of(
        tmp_path,
        {"test_error": 0.1, "init_bias": 1000.0},
        {"test_error": 0.2, "skip_strength": 0.3},
        {"test_error": 0.3, "init_bias": 1001.0},
        {"test_error": 0.4, "init_bias": 5000.0, "skip_strength": 1.0},
        {"test_error": 0.5, "init_bias": None},
    )
    others, skips, high_bias = points(figure2.draw(tables).figure.axes[0])
    assert sorted(others[:, 1]) == [0.1, 0.5]
    assert sorted(skips[:, 1]) == [0.2]
    assert sorted(high_bias[:, 1]) == [0.3, 0.4]


def test_the_inset_shows_its_range_and_covers_no_point(tables: Tables) -> None:
    drawn = figure2.draw(tables)
    drawn.figure.draw_without_rendering()
    for axes, dataset in zip(drawn.figure.axes, ("cifar10", "waveform-noise"), strict=True):
        (inset,) = axes.child_axes
        rows = finished(tables, dataset)
        assert inset.get_xlim() == pytest.approx((0.8, 100))
        assert sum(len(group) for group in points(inset)) == rows["init_nlc"].between(0.8, 100).sum()
        box = inset.get_tightbbox()
        for group in points(axes):
            assert not any(box.contains(*place) for place in axes.transData.transform(group))


def test_the_inset_finds_room_where_points_are_everywhere(tmp_path: Path) -> None:
    tables = of(tmp_path, *({"init_nlc": n, "test_error": e} for n in (1.0, 3.0, 9.0, 30.0) for e in (0.1, 0.4, 0.6)))
    (axes,) = (drawn := figure2.draw(tables)).figure.axes
    drawn.figure.draw_without_rendering()
    box = axes.child_axes[0].get_tightbbox()
    for group in points(axes):
        assert not any(box.contains(*place) for place in axes.transData.transform(group))


def test_rows_without_a_logarithm_are_left_out_and_counted(tmp_path: Path) -> None:
    values = (INF, NAN, 0.0, None, 1.0, 2.0, 4.0)
    drawn = figure2.draw(of(tmp_path, *({"init_nlc": v, "test_error": (v or 1) / 9} for v in values)))
    (panel,) = drawn.panels
    assert panel.correlation.left_out == {
        "initial NLC not measured": 2,
        "initial NLC not finite": 1,
        "initial NLC not positive, so without a logarithm": 1,
    }
    assert sum(len(group) for group in points(drawn.figure.axes[0])) == 3


def test_skipped_architectures_are_left_out_where_a_quantity_needs_training(tmp_path: Path) -> None:
    empty = dict.fromkeys(("test_error", "best_rate"))
    tables = of(tmp_path, {}, {"status": "skipped", **empty}, {"init_nlc": 2.0, "test_error": 0.4})
    (panel,) = figure2.draw(tables).panels
    assert panel.correlation.left_out == {"not trained: skipped by train_if": 1}
    measured = correlate([1, 2], [3, 4], skipped=[True, False])
    assert measured.left_out == {}


def test_only_the_first_initialization_of_an_architecture_is_shown(tables: Tables) -> None:
    twice = pd.concat([tables.architectures.assign(initialization=k) for k in (0, 1)], ignore_index=True)
    for part, again in zip(
        parts_of(tables.architectures), parts_of(twice.sort_values("index", kind="stable")), strict=True
    ):
        assert part.rows["unit_id"].tolist() == again.rows["unit_id"].tolist()


def test_two_parts_of_one_kind_are_told_apart(tmp_path: Path) -> None:
    drawn = figure3a.draw(of(tmp_path, {"part": "small"}, {"part": "large"}))
    assert [panel.title for panel in drawn.panels] == [
        "waveform-noise (SGD): large",
        "waveform-noise (SGD): small",
    ]


def test_architectures_chosen_by_training_error_are_not_mixed_in(tmp_path: Path) -> None:
    both = of(tmp_path, {}, {"part": "train", "criterion": "training-error"})
    assert [panel.correlation.n_in for panel in figure2.draw(both).panels] == [1]


@pytest.mark.parametrize("module", [figure2, figure3a])
def test_one_architecture_is_drawn_without_a_correlation(tmp_path: Path, module: ModuleType) -> None:
    drawn = module.draw(of(tmp_path, {}))
    (tmp_path / "one.png").write_bytes(drawing.encoded(drawn, "png"))
    assert "no correlation: 1 usable rows" in words(drawn.figure.axes[0])


@pytest.mark.parametrize("rows", [[], [failed_row(0), failed_row(1)]])
def test_missing_records_are_said(tmp_path: Path, rows: list[object]) -> None:
    tables = load(write_study(tmp_path / "study", rows))  # type: ignore[arg-type]
    with pytest.raises(MissingRecordsError, match="has both initial NLC and test error") as caught:
        figure2.draw(tables)
    assert ("2 (unit failed)" in str(caught.value)) == bool(rows)
    assert str(caught.value).endswith("; the presets paper-small and paper give them")


@pytest.mark.parametrize(
    ("module", "kind", "start"),
    [(figure2, "png", b"\x89PNG"), (figure2, "pdf", b"%PDF"), (figure3a, "svg", b"<?xml")],
)
def test_runs_alone_on_a_study_folder(
    tmp_path: Path, module: ModuleType, kind: str, start: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [architecture_row(i, init_nlc=1.0 + i, init_bias=1.0 + i, test_error=0.1 * i) for i in range(5)]
    folder = write_study(tmp_path / "study", [*rows, failed_row(5)])
    out = tmp_path / "folder" / f"figure.{kind}"
    assert drawing.main(module.draw, [str(folder), "--out", str(out)]) == 0
    assert out.read_bytes().startswith(start)
    said = capsys.readouterr().out
    assert "n = 5 of 6, left out: 1 (unit failed)" in said
    assert str(out) in said


def test_a_figure_file_is_a_program(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", [architecture_row(0)])
    command = [sys.executable, "-W", "error", "-m", "analysis.figures.figure3a", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "report" / "figure3a.png").exists()


def test_running_alone_explains_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert drawing.main(figure2.draw, [str(tmp_path)]) == 2
    assert "not a study folder" in capsys.readouterr().err
    empty = write_study(tmp_path / "empty", [])
    assert drawing.main(figure2.draw, [str(empty)]) == 1
    assert "no architecture" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        drawing.main(figure2.draw, [str(empty), "--out", "figure.gif"])


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    tables = of(tmp_path, {}, {"init_nlc": 3.0, "test_error": 0.4}, {"init_nlc": 9.0, "test_error": 0.6})
    assert drawing.encoded(figure2.draw(tables), "svg") == drawing.encoded(figure2.draw(tables), "svg")
