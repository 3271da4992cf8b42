"""Every figure of the paper shows the right rows in the right panels, with its numbers, beside the stated values."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection

from distnlc.analysis.drawing.figure import Drawing, encoded
from distnlc.analysis.nlc import figure1, figure7, figure8
from distnlc.analysis.nlc.parts import DIAMETER, parts_of
from distnlc.analysis.nlc.scatters import SCATTERS
from distnlc.analysis.statistics.correlations import correlate
from distnlc.analysis.tables import Tables
from tests.helpers.synthetic import architecture_row, tables_of

SGD = ("CIFAR10 (SGD)", "MNIST (SGD)", "waveform-noise (SGD)")
ADAM, TRAINING = "waveform-noise (Adam)", "waveform-noise (SGD, chosen by training error)"
PARTS = {
    **{title: f"{name}-sgd" for title, name in zip(SGD, ("cifar10", "mnist", "waveform-noise"), strict=True)},
    ADAM: "waveform-noise-adam",
    TRAINING: "waveform-noise-sgd-training-error",
}
"""title of a panel -> name of the part"""
SCATTER = {scatter.name: scatter for scatter in SCATTERS}
INF, NAN = float("inf"), float("nan")

Drawn = Callable[[str], Drawing]


def groups(axes: Axes) -> list[np.ndarray]:
    """The points of each group, arrays of shape (n, 2): others, skip connections, high bias."""
    return [np.asarray(c.get_offsets()) for c in axes.collections if isinstance(c, PathCollection)]


def ordered(points: np.ndarray) -> np.ndarray:
    return points[np.lexsort(points.T)]


def points(axes: Axes) -> np.ndarray:
    """All points of a panel, shape (n, 2), sorted."""
    return ordered(np.concatenate(groups(axes)))


def words(axes: Axes) -> str:
    return axes.get_title(loc="left") + "\n" + "\n".join(label.get_text() for label in axes.texts)


def of_part(tables: Tables, title: str) -> pd.DataFrame:
    frame = tables.architectures
    return frame[(frame["part"] == PARTS[title]) & (frame["status"] == "ok")]


def better(rows: pd.DataFrame, error: str) -> pd.DataFrame:
    return rows[[one[error] < {3: 0.5, 10: 0.8}[one["d_out"]] for _, one in rows.iterrows()]]


def only(tables: Tables, architectures: pd.DataFrame) -> Tables:
    return replace(tables, frames=tables.frames | {"architectures": architectures})


def of(*rows: dict[str, object]) -> Tables:
    """The tables of a study with one architecture per mapping of changed fields."""
    return tables_of([architecture_row(i, **row) for i, row in enumerate(rows)])


@pytest.mark.parametrize(
    ("name", "x", "y", "titles", "first_stated"),
    [
        ("figure2", "init_nlc", "test_error", SGD, 0.81),
        ("figure3a", "init_bias", "test_error", (*SGD, ADAM), 0.42),
        ("figure3b", "init_nlc", "trained_nlc", (*SGD, ADAM), 0.83),
        ("figure3c", "trained_nlc", "test_error", (*SGD, ADAM), 0.55),
        ("figure3d", "init_nlc", "train_error", (TRAINING,), 0.25),
        ("figure3f", "init_nlc", "test_error", (ADAM,), 0.75),
        ("figure4", "depth", "test_error", (*SGD, ADAM), 0.38),
        ("figure9a", "init_bias", "trained_bias", (*SGD, ADAM), 0.72),
        ("figure9b", "trained_bias", "test_error", (*SGD, ADAM), 0.38),
        ("figure9c", "init_bias", "init_nlc", SGD, 0.05),
    ],
)
def test_a_scatter_shows_its_quantities_of_its_parts(
    paper: Tables, drawn: Drawn, name: str, x: str, y: str, titles: tuple[str, ...], first_stated: float
) -> None:
    figure = drawn(name)
    assert tuple(panel.title for panel in figure.panels) == titles
    assert figure.panels[0].stated == first_stated
    linear = {"test_error", "train_error", "depth"}
    for panel, axes in zip(figure.panels, figure.figure.axes, strict=True):
        rows, c = of_part(paper, panel.title), panel.correlation
        expected = correlate(rows[x], rows[y], log_x=x not in linear, log_y=y not in linear)
        assert c.pearson == pytest.approx(expected.pearson)
        assert (c.n, c.n_in) == (len(rows), 25)
        assert points(axes) == pytest.approx(ordered(rows[[x, y]].to_numpy(dtype=float)))
        assert (axes.get_xscale(), axes.get_yscale()) == tuple("linear" if each in linear else "log" for each in (x, y))
        failed = 25 - len(rows)
        for said in (
            panel.title,
            f"r = {c.pearson:.2f} [{c.low:.2f}, {c.high:.2f}]",
            f"n = {c.n} of 25",
            f"paper: {panel.stated or 'no value stated'}",
            f"left out: {failed} (unit failed)" if failed else "none left out",
        ):
            assert said in words(axes)


def test_figure_1_pools_the_datasets_and_shows_both_diameters_beside_the_line(paper: Tables, drawn: Drawn) -> None:
    figure = drawn("figure1")
    rows = pd.concat([of_part(paper, title) for title in SGD])
    columns = {"linear region, the paper's condition": "init_linear_region", "relative diameter": DIAMETER}
    assert [panel.title for panel in figure.panels] == [f"all datasets: {name}" for name in columns]
    assert figure.table is not None
    for (name, column), panel, axes in zip(columns.items(), figure.panels, figure.figure.axes, strict=True):
        assert points(axes) == pytest.approx(ordered(rows[["init_nlc", column]].to_numpy(dtype=float)))
        expected = correlate(rows["init_nlc"], rows[column], log_x=True, log_y=True)
        assert panel.correlation.pearson == pytest.approx(expected.pearson)
        (line,) = axes.get_lines()
        assert line.get_xdata() * line.get_ydata() == pytest.approx([1, 1])
        for title in SGD:
            product = np.median(of_part(paper, title)["init_nlc"] * of_part(paper, title)[column])
            assert figure.table.loc[f"{title}: {name}", "median of k · NLC"] == f"{product:.3g}"
    assert "both are readings" in figure.caption


def test_figure_1_of_one_part_has_its_name(paper: Tables) -> None:
    alone = paper.architectures[paper.architectures["part"] == PARTS[ADAM]]
    titles = [panel.title for panel in figure1.draw(only(paper, alone)).panels]
    assert [title.partition(": ")[0] for title in titles] == [ADAM, ADAM]


def test_figure_1_leaves_out_what_rounding_hid_and_takes_a_zero_of_today_for_a_measurement() -> None:
    earlier: dict[str, object] = {"init_lipschitz": 1.0, "init_linear_region": None}
    nlcs = (2.0, 3.0, 4.0, 5.0)
    rows = [{"init_nlc": nlc, DIAMETER: 0.5 / nlc, **earlier} for nlc in nlcs] + [{DIAMETER: 0.0, **earlier}]
    figure = figure1.draw(of(*rows))
    (panel,) = figure.panels
    assert panel.correlation.left_out == {"relative diameter 0 in an earlier version": 1}
    assert figure.remarks == ["linear region, the paper's condition: not measured in this study."]
    today = figure1.draw(of(*({**row, "init_lipschitz": None} for row in rows)))
    (reason,) = today.panels[0].correlation.left_out
    assert reason.endswith("not positive, so without a logarithm")


def test_figure_3e_first_shows_all_datasets_together(paper: Tables, drawn: Drawn) -> None:
    panels = drawn("figure3e").panels
    assert [panel.title for panel in panels] == ["all datasets (SGD)", *SGD, ADAM]
    assert [panel.stated for panel in panels] == [-0.83, None, None, None, None]
    rows = pd.concat([of_part(paper, title) for title in SGD])
    expected = correlate(rows["trained_nlc_test"], rows["trained_perturbation"], log_x=True, log_y=True)
    assert panels[0].correlation.pearson == pytest.approx(expected.pearson)
    mnist = only(paper, paper.architectures[paper.architectures["dataset"] == "mnist"])
    (panel,) = SCATTER["figure3e"].draw(mnist).panels
    assert (panel.title, panel.stated) == ("MNIST (SGD)", -0.83)


def test_figure_7_counts_the_chosen_runs_of_architectures_better_than_guessing(paper: Tables, drawn: Drawn) -> None:
    figure, titles = drawn("figure7"), (*SGD, ADAM, TRAINING)
    assert figure.table is not None
    assert tuple(figure.table.index) == titles
    for title, axes in zip(titles, figure.figure.axes, strict=True):
        rows = of_part(paper, title)
        kept = better(rows, "train_error" if title == TRAINING else "test_error")
        ends, *bars = axes.patches[1:]  # the first two are the shaded ends
        assert ends.get_x() + ends.get_width() == (60.5 if title == TRAINING else 40.5)
        shown = {round(bar.get_x() + bar.get_width() / 2): int(bar.get_height()) for bar in bars}
        assert shown == (kept["best_run"] + 1).value_counts().to_dict()
        assert figure.table.loc[title, "rows used"] == f"{len(kept)} of 25"
        guessing = len(rows) - len(kept)
        assert (f"{guessing} (not better than guessing)" in figure.table.loc[title, "left out"]) == (guessing > 0)


def test_figure_7_says_where_the_range_was_too_narrow() -> None:
    figure = figure7.draw(of(*({"runs": 40, "best_run": run} for run in (0, 4, 5, 34, 35, 39))))
    assert figure.table is not None
    assert figure.table.loc["waveform-noise (SGD)", "first or last 5"] == "4"
    assert figure.remarks[0].startswith("waveform-noise (SGD): the best rate of 4 of 6 architectures")
    assert len(figure.remarks) == 1  # every rate was tried, every run trained to its end


def test_figures_7_and_8_say_which_sweeps_were_cut_short() -> None:
    whole = of(*({"runs": 40, "best_run": run, "init_nlc": run} for run in (5, 14, 20, 24)))
    pruned = whole.runs.assign(status=whole.runs["status"].mask(whole.runs["run"] % 2 == 0, "pruned"))
    skipped = whole.runs[whole.runs["run"] % 10 != 3]
    for draw in (figure7.draw, figure8.draw):
        assert draw(whole).remarks == []
        for runs, said in ((pruned, "50% of the runs were stopped early"), (skipped, "36 of the 40 rates were tried")):
            (remark,) = draw(replace(whole, frames=whole.frames | {"runs": runs})).remarks
            assert remark.endswith(f"waveform-noise (SGD): {said}.")
            assert "is not checked by sweeps that were cut short" in remark


def test_figure_8_fits_the_rates_of_architectures_better_than_guessing(paper: Tables, drawn: Drawn) -> None:
    figure = drawn("figure8")
    assert [panel.stated for panel in figure.panels] == [-0.48, None, None, None, -0.92]
    for panel, axes in zip(figure.panels, figure.figure.axes, strict=True):
        rows = of_part(paper, panel.title)
        kept = better(rows, "train_error" if panel.title == TRAINING else "test_error")
        assert panel.correlation.n == len(kept) == len(points(axes))
        slope, _ = np.polyfit(np.log(kept["init_nlc"]), np.log(kept["best_rate"]), 1)
        assert f"slope {slope:.2f} ±" in words(axes)
        assert ("paper: about -2" in words(axes)) == (panel.title == TRAINING)
        (line,) = axes.get_lines()
        assert np.diff(np.log(line.get_ydata())) / np.diff(np.log(line.get_xdata())) == pytest.approx(slope)


def test_figure_10_is_figure_2_in_two_halves(paper: Tables, drawn: Drawn) -> None:
    halves, whole = drawn("figure10"), drawn("figure2")
    assert [panel.title.partition(", ")[2] for panel in halves.panels] == 3 * [
        "no skip connections",
        "skip connections",
    ]
    for number, axes in enumerate(whole.figure.axes):
        without, with_skips = (points(half) for half in halves.figure.axes[2 * number : 2 * number + 2])
        assert ordered(np.concatenate([without, with_skips])) == pytest.approx(points(axes))
        assert len(with_skips) == (of_part(paper, SGD[number])["skip_strength"] > 0).sum()


@pytest.mark.parametrize("name", ["figure1", "figure7", pytest.param("figure10", marks=pytest.mark.slow)])
def test_nothing_in_a_figure_overlaps_or_is_cut_off(drawn: Drawn, name: str) -> None:
    figure = drawn(name).figure
    figure.draw_without_rendering()
    boxes = [axes.get_tightbbox() for axes in figure.axes] + [legend.get_tightbbox() for legend in figure.legends]
    for number, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0
        assert figure.bbox.y0 <= box.y0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:number])


def test_colours_mean_high_bias_skip_connections_and_others() -> None:
    tables = of(
        {"test_error": 0.1, "init_bias": 1000.0},
        {"test_error": 0.2, "skip_strength": 0.3},
        {"test_error": 0.3, "init_bias": 1001.0},
        {"test_error": 0.4, "init_bias": 5000.0, "skip_strength": 1.0},
        {"test_error": 0.5, "init_bias": None},
    )
    others, skips, high_bias = groups(SCATTER["figure2"].draw(tables).figure.axes[0])
    assert sorted(others[:, 1]) == [0.1, 0.5]
    assert sorted(skips[:, 1]) == [0.2]
    assert sorted(high_bias[:, 1]) == [0.3, 0.4]


def covers_no_point(axes: Axes) -> bool:
    box = axes.child_axes[0].get_tightbbox()
    return not any(box.contains(*place) for place in axes.transData.transform(points(axes)))


def test_the_inset_shows_its_range_and_covers_no_point(paper: Tables, drawn: Drawn) -> None:
    figure = drawn("figure2").figure
    figure.draw_without_rendering()
    for title, axes in zip(SGD, figure.axes, strict=True):
        (inset,) = axes.child_axes
        assert inset.get_xlim() == pytest.approx((0.8, 100))
        assert len(points(inset)) == of_part(paper, title)["init_nlc"].between(0.8, 100).sum()
        assert covers_no_point(axes)


def test_the_inset_finds_room_where_points_are_everywhere() -> None:
    tables = of(*({"init_nlc": n, "test_error": e} for n in (1.0, 3.0, 9.0, 30.0) for e in (0.1, 0.4, 0.6)))
    figure = SCATTER["figure2"].draw(tables).figure
    figure.draw_without_rendering()
    assert covers_no_point(figure.axes[0])


def test_rows_without_a_logarithm_are_left_out_and_counted() -> None:
    values = (INF, NAN, 0.0, None, 1.0, 2.0, 4.0)
    figure = SCATTER["figure2"].draw(of(*({"init_nlc": v, "test_error": (v or 1) / 9} for v in values)))
    assert figure.panels[0].correlation.left_out == {
        "initial NLC not measured": 2,
        "initial NLC not finite": 1,
        "initial NLC not positive, so without a logarithm": 1,
    }
    assert len(points(figure.figure.axes[0])) == 3


def test_skipped_architectures_are_left_out_where_a_quantity_needs_training() -> None:
    tables = of({}, {"status": "skipped", "test_error": None}, {"init_nlc": 2.0, "test_error": 0.4})
    left_out = [SCATTER[name].draw(tables).panels[0].correlation.left_out for name in ("figure2", "figure9c")]
    assert left_out == [{"not trained: skipped by train_if": 1}, {}]


def test_only_the_first_initialization_of_an_architecture_is_shown(tables: Tables) -> None:
    twice = pd.concat([tables.architectures.assign(initialization=k) for k in (0, 1)], ignore_index=True)
    for part, again in zip(
        parts_of(tables.architectures), parts_of(twice.sort_values("index", kind="stable")), strict=True
    ):
        assert part.rows["unit_id"].tolist() == again.rows["unit_id"].tolist()


def test_two_parts_of_one_kind_are_told_apart() -> None:
    panels = SCATTER["figure3a"].draw(of({"part": "small"}, {"part": "large"})).panels
    assert [panel.title for panel in panels] == ["waveform-noise (SGD): large", "waveform-noise (SGD): small"]


def test_the_same_records_give_the_same_bytes() -> None:
    tables = of({}, {"init_nlc": 3.0, "test_error": 0.4}, {"init_nlc": 9.0, "test_error": 0.6})
    first, again = (encoded(SCATTER["figure2"].draw(tables), "svg") for _ in range(2))
    assert first == again
