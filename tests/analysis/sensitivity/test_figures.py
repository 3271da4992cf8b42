"""Figures of a study of sensitivity: their numbers against slow ones, what they leave out, what they need."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from distnlc.analysis.drawing.figure import encoded
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.sensitivity import figure6, fits
from distnlc.analysis.sensitivity.bounds import agreement, bounds
from distnlc.analysis.sensitivity.figure2 import Curves, curves_of, written_ratio
from distnlc.analysis.sensitivity.figure3 import regions_of, unpacked
from distnlc.analysis.sensitivity.points import of_bounds, panels
from distnlc.analysis.sensitivity.populations import ordered, populations
from distnlc.analysis.sensitivity.report import REPORT, points
from distnlc.analysis.statistics.means import Estimate
from distnlc.analysis.tables import Tables
from distnlc.metrics.per_point_bounds import per_point_bounds
from tests.helpers.sensitivity_rows import tables_of
from tests.helpers.synthetic_sensitivity import BINS, GRID, boundary_map, packed, sensitivity_tables

FIGURES = {figure.name: figure for figure in REPORT.figures}
DRAWINGS = {"figureApp7", "figureApp10"}


@pytest.fixture(scope="module")
def tables() -> Tables:
    return sensitivity_tables()


@pytest.fixture(scope="module")
def curves(tables: Tables) -> Curves:
    found = curves_of(tables)
    assert found is not None
    return found


def test_figures_stand_in_the_paper_s_order() -> None:
    assert list(FIGURES) == [*(f"figure{number}" for number in range(1, 7)), *(f"figureApp{i}" for i in range(7, 12))]


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "figureApp9"])
@pytest.mark.slow
def test_every_figure_draws_and_says_its_sizes(name: str, tables: Tables) -> None:
    drawn = FIGURES[name].draw(tables)
    assert encoded(drawn, "svg").startswith(b"<?xml")
    if name not in DRAWINGS:
        assert all("Paper: 50,000 images, 2^18 to 2^19 steps." in line for line in drawn.remarks if "Sizes" in line)
        assert any("Sizes" in line for line in drawn.remarks)


def test_figures_without_records_say_what_is_missing() -> None:
    empty = tables_of([])
    for name, figure in FIGURES.items():
        if name in DRAWINGS:
            assert figure.draw(empty).caption.startswith("A drawing.")
        else:
            with pytest.raises(MissingRecordsError, match=r"^no "):
                figure.draw(empty)


def test_app9_shows_the_two_other_data_sets(tables: Tables) -> None:
    with pytest.raises(MissingRecordsError, match="on Fashion-MNIST or CIFAR100"):
        FIGURES["figureApp9"].draw(tables)
    renamed = tables.networks.assign(dataset=tables.networks["dataset"].replace({"mnist": "fashion-mnist"}))
    other = replace(tables, frames=tables.frames | {"networks": renamed})
    drawn = FIGURES["figureApp9"].draw(other)
    assert drawn.table is not None
    assert {panel for panel, _ in drawn.table.index} == {"Fashion-MNIST, cross-entropy", "Fashion-MNIST, l2"}
    assert {one.figure for one in figure6.criteria(other) if "MNIST" in one.where} == {"App. 9"}


def test_a_ratio_is_that_of_the_anchors_bins_to_the_middles(tables: Tables, curves: Curves) -> None:
    rows = tables.curves[tables.curves["kind"] == "different"]
    anchors = rows[rows["bin"].isin([BINS // 6, BINS // 2, 5 * BINS // 6])]
    near = [place % BINS for middle in (0, BINS // 3, 2 * BINS // 3) for place in range(middle - 2, middle + 3)]
    middles = rows[rows["bin"].isin(near)]
    for metric in ("jacobian_norm", "transitions"):
        found = curves.ratio(metric, "different")
        assert found.value == pytest.approx(anchors[metric].mean() / middles[metric].mean())
        assert found.low < found.value < found.high
        keys = ["unit_id", "ellipse"]
        lower = anchors.groupby(keys)[metric].mean() < middles.groupby(keys)[metric].mean()
        assert (curves.lower(metric, "different").count, len(lower)) == (int(lower.sum()), 24)


def test_bands_are_standard_errors_over_networks(tables: Tables, curves: Curves) -> None:
    rows = tables.curves[tables.curves["kind"] == "same"]
    of_networks = rows.groupby(["bin", "unit_id"])["jacobian_norm"].mean().unstack()
    mean, error = curves.averaged("jacobian_norm", "same")
    assert mean == pytest.approx(of_networks.mean(axis=1).to_numpy())
    assert error == pytest.approx(of_networks.std(axis=1).to_numpy() / math.sqrt(8))


def test_transitions_are_drawn_per_radian(tables: Tables, curves: Curves) -> None:
    drawn = FIGURES["figure2"].draw(tables)
    line = drawn.figure.axes[2].lines[0]
    mean, _ = curves.averaged("transitions", "random")
    assert np.asarray(line.get_ydata())[:-1] == pytest.approx(mean / (2 * math.pi / BINS))
    assert f"2π / {BINS}" in drawn.caption


def test_small_ratios_keep_their_digits() -> None:
    assert written_ratio(Estimate(0.62, 0.5, 0.704)) == "0.62 [0.50, 0.70]"
    assert written_ratio(Estimate(0.00284, 0.0011, 0.0052)) == "0.0028 [0.0011, 0.0052]"
    assert written_ratio(Estimate(0.5, math.nan, math.nan)) == "0.50"


def test_maps_are_unpacked_as_they_were_stored() -> None:
    values = boundary_map(0.5)
    assert np.array_equal(unpacked(packed(values), GRID), values)


def test_maps_are_drawn_with_q_upwards(tables: Tables) -> None:
    (before, _) = FIGURES["figure3"].draw(tables).figure.axes
    (image,) = before.images
    assert image.origin == "lower"
    assert tuple(image.get_extent()) == (-1, 1, -1, 1)
    assert np.asarray(image.get_array()) == pytest.approx(np.sqrt(boundary_map(1.0).astype(float)))


def test_planes_of_networks_that_are_not_fitted_are_left_out(tables: Tables) -> None:
    first = tables.networks["unit_id"] == "sregions0000"
    networks = tables.networks.assign(fitted=tables.networks["fitted"].mask(first, False))
    found = regions_of(replace(tables, frames=tables.frames | {"networks": networks}))
    assert found is not None
    assert len(found.rows["trained"]) == 8
    assert found.left_out == {"not fitted": 1}


def test_correlations_are_of_cells_and_given_the_size_of_networks(tables: Tables) -> None:
    mnist = next(one for one in populations(tables) if one.name == "MNIST")
    found, frame = ordered(mnist), mnist.frame
    assert found.plain["transitions"].value == pytest.approx(stats.spearmanr(frame["transitions"], frame["gap"])[0])
    assert found.plain["jacobian_norm"].n == len(frame) == 36
    lead = found.lead("transitions")
    assert lead.value == pytest.approx(found.plain["jacobian_norm"].value - found.plain["transitions"].value)
    assert found.given_size["transitions"].value > found.plain["transitions"].value
    depth = frame[frame["depth"] == 3]
    assert found.by_depth[3] == (pytest.approx(stats.spearmanr(depth["jacobian_norm"], depth["gap"])[0]), len(depth))
    assert found.reliable is None


def test_few_effective_points_give_a_second_correlation(tables: Tables) -> None:
    few = tables.networks.index % 3 == 0
    changed = tables.networks.assign(jacobian_effective_points=np.where(few, 12.0, 500.0))
    drawn = FIGURES["figure5"].draw(replace(tables, frames=tables.frames | {"networks": changed}))
    assert sum("fewer than 20 test points carry" in line for line in drawn.remarks) == 2


@pytest.mark.slow
def test_zeros_are_left_out_of_logarithmic_axes_and_counted(tables: Tables) -> None:
    first = (tables.networks["part"] == "labels") & (tables.networks["index"] == 4)
    changed = tables.networks.assign(jacobian_norm=tables.networks["jacobian_norm"].mask(first, 0.0))
    other = replace(tables, frames=tables.frames | {"networks": changed})
    assert any("1 Jacobian norm zero" in line for line in FIGURES["figure5"].draw(other).remarks)
    assert "Labels, Jacobian norm: 1 pair with a zero is not drawn." in FIGURES["figure4"].draw(other).remarks


def test_points_are_judged_as_slow_sums_do(tables: Tables) -> None:
    one = panels(tables)[0].networks[0]
    rows = tables.points[tables.points["unit_id"] == one.unit]
    wrong = rows[rows["label"] != rows["predicted"]]["jacobian_norm"].to_numpy()
    right = rows[rows["label"] == rows["predicted"]]["jacobian_norm"].to_numpy()
    wins = [(a > b) + 0.5 * (a == b) for a in wrong for b in right]
    assert one.auc == pytest.approx(np.mean(wins))
    assert one.smallest_wrong == pytest.approx(wrong.min() / np.median(right))
    top = rows.nlargest(len(rows) // 10, "jacobian_norm")
    assert one.tenth(top=True) == pytest.approx((top["label"] != top["predicted"]).mean())
    correct = rows[rows["label"] == rows["predicted"]]
    expected = stats.spearmanr(correct["loss"], correct["jacobian_norm"])[0]
    assert one.correlation(wrong=False) == pytest.approx(expected)


def test_panels_have_mnist_first_and_the_first_five_fitted_networks(tables: Tables) -> None:
    assert [one.title for one in panels(tables)] == [
        *("MNIST, cross-entropy", "CIFAR10, cross-entropy"),
        *("MNIST, l2", "CIFAR10, l2"),
    ]
    assert [len(one.networks) for one in panels(tables)] == [3] * 4
    assert [one.about["part"] for one in of_bounds(tables)] == ["bounds"] * 2
    other = sensitivity_tables(parts=["points"])
    assert {one.about["loss"] for one in of_bounds(other)} == {"cross-entropy"}


def test_bounds_are_those_of_the_metrics_room() -> None:
    losses = np.array([0.0, 1e-9, 0.1, math.log(2), 3.0, 40.0])
    ours, theirs = bounds(losses, 2.5, 10), per_point_bounds(torch.from_numpy(losses), 2.5, 10)
    assert ours.low == pytest.approx(theirs.label_low.numpy())
    assert ours.high == pytest.approx(theirs.label_high.numpy())
    assert ours.norm == pytest.approx(theirs.norm.numpy())


def test_agreement_counts_points_by_their_own_scale(tables: Tables) -> None:
    one = of_bounds(tables)[0]
    assert one.logit_scale == pytest.approx(1.2)
    found, limits = agreement(one), bounds(one.loss, 1.2, 10)
    assert found.above == pytest.approx(np.mean(one.norm >= limits.low))
    assert found.median == pytest.approx(np.median(one.norm / limits.norm))


def test_fits_are_counted_by_part_and_activation(tables: Tables) -> None:
    sections = dict(fits.tabulate(tables).sections)
    found = sections["activations: CIFAR10 (24 x 24), 800 training images"]
    assert [found["networks"]["hardsigmoid"], found["fitted"]["hardsigmoid"]] == ["16", "15"]
    assert "true, tanh" in sections["labels: CIFAR10 (24 x 24), 800 training images"].index


def test_the_explorer_has_every_measured_network_and_populations_first(tables: Tables) -> None:
    found = points(tables)
    assert sum(len(part.rows) for part in found) == len(tables.networks)
    assert {part.title for part in found[:3]} == {"mnist", "labels", "activations"}
    assert REPORT.points is not None
    assert np.asarray(REPORT.points.group_of(tables.networks)).max() == 4
