"""Every figure of the paper shows the right rows in the right panels, beside the stated values, on any study."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection

from distnlc.analysis.drawing.figure import MissingRecordsError, lines
from distnlc.analysis.nlc import (
    figure1,
    figure2,
    figure3a,
    figure3b,
    figure3c,
    figure3d,
    figure3e,
    figure3f,
    figure4,
    figure7,
    figure8,
    figure9a,
    figure9b,
    figure9c,
    figure10,
)
from distnlc.analysis.nlc.report import FIGURES
from distnlc.analysis.statistics.correlations import correlate
from distnlc.analysis.tables import Tables, load
from distnlc.studies import presets as known_presets
from tests.helpers.synthetic import architecture_row, failed_row, paper_rows, write_study

SGD = ("CIFAR10 (SGD)", "MNIST (SGD)", "waveform-noise (SGD)")
ADAM, TRAINING = "waveform-noise (Adam)", "waveform-noise (SGD, chosen by training error)"
PARTS = {
    **{title: f"{name}-sgd" for title, name in zip(SGD, ("cifar10", "mnist", "waveform-noise"), strict=True)},
    ADAM: "waveform-noise-adam",
    TRAINING: "waveform-noise-sgd-training-error",
}
"""title of a panel -> name of the part"""


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """All five parts, 25 architectures each, a few of them failed."""
    return load(write_study(tmp_path_factory.mktemp("paper") / "study", paper_rows(25)))


def points(axes: Axes) -> np.ndarray:
    """All points of a panel, shape (n, 2), sorted."""
    found = np.concatenate([np.asarray(c.get_offsets()) for c in axes.collections if isinstance(c, PathCollection)])
    return found[np.lexsort(found.T)]


def of_part(tables: Tables, title: str) -> pd.DataFrame:
    frame = tables.architectures
    return frame[(frame["part"] == PARTS[title]) & (frame["status"] == "ok")]


def better(rows: pd.DataFrame, error: str) -> pd.DataFrame:
    return rows[[one[error] < {3: 0.5, 10: 0.8}[one["d_out"]] for _, one in rows.iterrows()]]


@pytest.mark.parametrize(
    ("module", "x", "y", "titles", "first_stated"),
    [
        (figure1, "init_nlc", "init_relative_diameter", SGD, ()),
        (figure2, "init_nlc", "test_error", SGD, (0.81,)),
        (figure3a, "init_bias", "test_error", (*SGD, ADAM), (0.42,)),
        (figure3b, "init_nlc", "trained_nlc", (*SGD, ADAM), (0.83,)),
        (figure3c, "trained_nlc", "test_error", (*SGD, ADAM), (0.55,)),
        (figure3d, "init_nlc", "train_error", (TRAINING,), (0.25,)),
        (figure3f, "init_nlc", "test_error", (ADAM,), (0.75,)),
        (figure4, "depth", "test_error", (*SGD, ADAM), (0.38,)),
        (figure9a, "init_bias", "trained_bias", (*SGD, ADAM), (0.72, 0.38)),
        (figure9b, "trained_bias", "test_error", (*SGD, ADAM), (0.72, 0.38)),
        (figure9c, "init_bias", "init_nlc", SGD, (0.05,)),
    ],
    ids=lambda value: value.__name__.rpartition(".")[2] if isinstance(value, ModuleType) else "",
)
def test_a_scatter_shows_its_quantities_of_its_parts(
    paper: Tables, module: ModuleType, x: str, y: str, titles: tuple[str, ...], first_stated: tuple[float, ...]
) -> None:
    drawn = module.draw(paper)
    assert tuple(panel.title for panel in drawn.panels) == titles
    assert drawn.panels[0].stated == first_stated
    linear = {"test_error", "train_error", "depth"}
    for panel, axes in zip(drawn.panels, drawn.figure.axes, strict=True):
        rows = of_part(paper, panel.title)
        expected = correlate(rows[x], rows[y], log_x=x not in linear, log_y=y not in linear)
        assert panel.correlation.pearson == pytest.approx(expected.pearson)
        assert panel.correlation.n == len(rows)
        wanted = rows[[x, y]].to_numpy(dtype=float)
        assert points(axes) == pytest.approx(wanted[np.lexsort(wanted.T)])
        assert (axes.get_xscale(), axes.get_yscale()) == tuple("linear" if c in linear else "log" for c in (x, y))


def test_figure_1_says_how_near_the_line_the_points_lie(paper: Tables) -> None:
    drawn = figure1.draw(paper)
    for title, axes in zip(SGD, drawn.figure.axes, strict=True):
        rows = of_part(paper, title)
        product = np.median(rows["init_nlc"] * rows["init_relative_diameter"])
        assert drawn.table.loc[title, "median of k · NLC"] == f"{product:.3g}"
        (line,) = axes.get_lines()
        assert line.get_xdata() * line.get_ydata() == pytest.approx([1, 1])


def test_networks_that_only_adam_has_are_shown_too(paper: Tables) -> None:
    alone = paper.architectures[paper.architectures["part"] == PARTS[ADAM]]
    drawn = figure1.draw(paper._replace(architectures=alone))
    assert [panel.title for panel in drawn.panels] == [ADAM]


def test_figure_3e_first_shows_all_datasets_together(paper: Tables) -> None:
    drawn = figure3e.draw(paper)
    assert [panel.title for panel in drawn.panels] == ["all datasets (SGD)", *SGD, ADAM]
    assert [panel.stated for panel in drawn.panels] == [(-0.83,), (), (), (), ()]
    rows = pd.concat([of_part(paper, title) for title in SGD])
    expected = correlate(rows["trained_nlc_test"], rows["trained_perturbation"], log_x=True, log_y=True)
    assert drawn.panels[0].correlation.pearson == pytest.approx(expected.pearson)
    one = paper.architectures[paper.architectures["dataset"] == "mnist"]
    (panel,) = figure3e.draw(paper._replace(architectures=one)).panels
    assert (panel.title, panel.stated) == ("MNIST (SGD)", (-0.83,))


def test_figure_7_counts_the_chosen_runs_of_architectures_better_than_guessing(paper: Tables) -> None:
    drawn = figure7.draw(paper)
    titles = (*SGD, ADAM, TRAINING)
    assert tuple(drawn.table.index) == titles
    for title, axes in zip(titles, drawn.figure.axes, strict=True):
        rows = of_part(paper, title)
        kept = better(rows, "train_error" if title == TRAINING else "test_error")
        ends, *bars = axes.patches[1:]  # the first two are the shaded ends
        assert ends.get_x() + ends.get_width() == (60.5 if title == TRAINING else 40.5)
        shown = {round(bar.get_x() + bar.get_width() / 2): int(bar.get_height()) for bar in bars}
        assert shown == (kept["best_run"] + 1).value_counts().to_dict()
        assert drawn.table.loc[title, "rows used"] == f"{len(kept)} of 25"
        guessing = len(rows) - len(kept)
        assert (f"{guessing} (not better than guessing)" in drawn.table.loc[title, "left out"]) == (guessing > 0)


def test_figure_7_says_where_the_range_was_too_narrow(tmp_path: Path) -> None:
    rows = [architecture_row(i, runs=40, best_run=run) for i, run in enumerate((0, 4, 5, 34, 35, 39))]
    drawn = figure7.draw(load(write_study(tmp_path / "study", rows)))
    assert drawn.table.loc["waveform-noise (SGD)", "first or last 5"] == "4"
    assert drawn.remarks[0].startswith("waveform-noise (SGD): the best rate of 4 of 6 architectures")


def test_figure_8_fits_the_rates_of_architectures_better_than_guessing(paper: Tables) -> None:
    drawn = figure8.draw(paper)
    assert [panel.stated for panel in drawn.panels] == [(-0.48,), (), (), (), (-0.92,)]
    for panel, axes in zip(drawn.panels, drawn.figure.axes, strict=True):
        rows = of_part(paper, panel.title)
        kept = better(rows, "train_error" if panel.title == TRAINING else "test_error")
        assert panel.correlation.n == len(kept) == len(points(axes))
        slope, _ = np.polyfit(np.log(kept["init_nlc"]), np.log(kept["best_rate"]), 1)
        heading = "\n".join(one.get_text() for one in axes.texts)
        assert f"slope {slope:.2f} ±" in heading
        assert ("paper: about -2" in heading) == (panel.title == TRAINING)
        (line,) = axes.get_lines()
        assert np.diff(np.log(line.get_ydata())) / np.diff(np.log(line.get_xdata())) == pytest.approx(slope)


def test_figure_10_is_figure_2_in_two_halves(paper: Tables) -> None:
    halves, whole = figure10.draw(paper), figure2.draw(paper)
    assert [panel.title.partition(", ")[2] for panel in halves.panels] == 3 * [
        "no skip connections",
        "skip connections",
    ]
    for number, axes in enumerate(whole.figure.axes):
        without, with_skips = (points(half) for half in halves.figure.axes[2 * number : 2 * number + 2])
        both = np.concatenate([without, with_skips])
        assert both[np.lexsort(both.T)] == pytest.approx(points(axes))
        rows = of_part(paper, SGD[number])
        assert len(with_skips) == (rows["skip_strength"] > 0).sum()


@pytest.mark.parametrize("module", [figure1, figure7, figure10])
def test_nothing_in_a_figure_overlaps_or_is_cut_off(paper: Tables, module: ModuleType) -> None:
    figure = module.draw(paper).figure
    figure.draw_without_rendering()
    boxes = [axes.get_tightbbox() for axes in figure.axes] + [legend.get_tightbbox() for legend in figure.legends]
    for number, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0
        assert figure.bbox.y0 <= box.y0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:number])


ODD: dict[str, Callable[[], list[object]]] = {
    "nothing": list,
    "failed only": lambda: [failed_row(0), failed_row(1)],
    "one": lambda: [architecture_row(0)],
    "all the same": lambda: [architecture_row(i) for i in range(5)],
    "a part without values": lambda: [
        *(architecture_row(i, init_nlc=1.0 + i) for i in range(4)),
        *(failed_row(i, part="mnist", dataset="mnist", d_out=10) for i in range(4)),
    ],
    "not finite": lambda: [
        architecture_row(i, init_nlc=1.0 + i, init_relative_diameter=value, trained_perturbation=value, init_bias=value)
        for i, value in enumerate((0.0, float("inf"), float("nan"), None))
    ],
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_studies_are_drawn_or_the_presets_that_would_help_are_named(tmp_path: Path, kind: str) -> None:
    tables = load(write_study(tmp_path / "study", ODD[kind]()))  # type: ignore[arg-type]
    for module in FIGURES:
        try:
            drawn = module.draw(tables)
        except MissingRecordsError as error:
            _, _, named = str(error).rpartition("; the presets ")
            presets = named.removesuffix(" give them").replace(" and ", ", ").split(", ")
            assert "paper" in presets
            assert set(presets) <= known_presets().keys()
        else:
            assert lines(drawn)
            if kind in {"one", "a part without values"}:  # axes of one value and of none
                drawn.figure.draw_without_rendering()
