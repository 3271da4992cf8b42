"""Figures and tables of a study of the scaling calculus: their numbers against slow ones, and what they leave out."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from distnlc.analysis.drawing.figure import encoded
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.scaling import biases, figure1, figure2, figure3, paper, table1
from distnlc.analysis.scaling.parts import largest, parts
from distnlc.analysis.scaling.report import REPORT, points
from distnlc.analysis.scaling.residual_nets import covered, nets_of
from distnlc.analysis.tables import Tables
from distnlc.studies.scaling.jacobians import measure
from distnlc.studies.scaling.lenet import lenet_setup
from tests.helpers.synthetic_scaling import INITS, SETS, Invented, scaling_tables

FIGURES = {figure.name: figure for figure in REPORT.figures}


def table(tables: Tables, name: str) -> Table:
    return next(one for one in REPORT.tables if one.name == name).tabulate(tables)


@pytest.fixture(scope="module")
def tables() -> Tables:
    return scaling_tables()


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.slow
def test_every_figure_draws(name: str, tables: Tables) -> None:
    drawn = FIGURES[name].draw(tables)
    assert encoded(drawn, "svg").startswith(b"<?xml")
    assert drawn.remarks


def test_pooled_gamma_is_the_ratio_of_sums(tables: Tables) -> None:
    part = largest(tables, "ratio")
    assert part is not None
    found = figure1.layers_of(tables, part, "hessian")
    assert list(found.names) == ["conv 1", "conv 2", "linear 3", "linear 4", "linear 5"]
    rows = tables.layers[tables.layers["kind"].isin(["conv", "linear"])]
    rows = rows[rows["unit_id"].isin(part.units["unit_id"])]
    for place, pooled in enumerate(found.pooled):
        own = rows[rows["layer"] == place]
        assert pooled.value == pytest.approx(own["gamma"].sum() / own["hessian"].sum())
        assert pooled.low < pooled.value < pooled.high


def test_a_map_is_in_rms_singular_values_over_its_diagonal(tables: Tables) -> None:
    part = largest(tables, "blocks")
    assert part is not None
    found = {one.init: one for one in figure2.hessians(tables, part)}
    assert list(found) == list(INITS)
    own = tables.blocks[tables.blocks["unit_id"].isin(part.units.loc[part.units["init"] == "fan-in", "unit_id"])]
    mean = own.groupby(["row", "column"])["square"].mean()
    diagonal = [math.sqrt(mean[place, place]) for place in range(5)]
    scale = math.prod(diagonal) ** 0.2
    shown = found["fan-in"]
    assert shown.map[1, 3] == shown.map[3, 1] == pytest.approx(math.sqrt(mean[1, 3]) / scale)
    assert shown.imbalance.value == pytest.approx((max(diagonal) / min(diagonal)) ** 2)
    assert shown.gauss_newton_share(True) == pytest.approx(1)
    assert shown.gauss_newton_share(False) == pytest.approx(1 / 1.9)


def test_the_input_factor_does_to_real_networks_what_the_figure_says() -> None:
    """Weights by biases of a LeNet whose inputs are multiplied by f, against f^4 times that without."""
    setup = lenet_setup(3, "geometric", samples=3, image=16, classes=4)
    plain, scaled = (measure(setup.network, factor * setup.inputs, setup.matrix) for factor in (1.0, 0.4))
    for place in range(5):
        before, after = (one.weights[place][place] / one.biases[place] for one in (plain, scaled))
        assert after == pytest.approx(0.4**4 * before, rel=1e-9)


def test_biases_are_compared_layer_by_layer(tables: Tables) -> None:
    part = largest(tables, "ratio")
    assert part is not None
    found = biases.biases_of(tables, part)
    assert found is not None
    assert found.factor == pytest.approx(1 / 25)
    assert [one.value for one in found.balance] == pytest.approx([22, 22, 19, 0.77, 0.04])
    assert [one.value for one in found.balanced] == pytest.approx([0.88, 0.88, 0.76, 0.0308, 0.0016])


def test_branches_are_relative_to_stem_and_last_layer(tables: Tables) -> None:
    part = largest(tables, "residual")
    assert part is not None
    every = {one.name: one for one in nets_of(tables, part)}
    assert len(every) == 12
    one = every["widening, average pool, RescaleNet's, scaled"]
    means = one.ratios.mean(axis=0)
    names = one.layers["name"].tolist()
    main = [place for place, name in enumerate(names) if "main" in name and not name.endswith("6")]
    of_each = [stats.gmean(net[main]) / math.sqrt(net[0] * net[-1]) for net in one.ratios]
    assert one.branches is not None
    assert one.branches_of_means is not None
    assert one.branches.value == pytest.approx(stats.gmean(of_each))
    assert one.branches_of_means.value == pytest.approx(stats.gmean(means[main]) / math.sqrt(means[0] * means[-1]))
    assert one.shortcuts is not None
    assert one.shortcuts.value == pytest.approx(8, rel=0.1)
    weights = [mean for name, mean in zip(names, means, strict=True) if not name.endswith("main.6")]
    assert one.imbalance.value == pytest.approx(max(weights) / min(weights))


def test_one_network_in_a_hundred_does_not_carry_the_branches(tables: Tables) -> None:
    """Gradients have heavy tails: whose loss is a thousand times another's has a million times its ratios."""
    part = largest(tables, "residual")
    assert part is not None
    one = next(one for one in nets_of(tables, part) if one.name == "equal width, 1/2 each, unscaled")
    heavy = one.ratios.copy()
    heavy[0] *= 1e6
    heavy[0, one.places("main")] *= 2
    with_it = replace(one, ratios=heavy)
    assert one.branches is not None
    assert with_it.branches is not None
    assert with_it.branches_of_means is not None
    assert with_it.branches.value == pytest.approx(one.branches.value, rel=0.01)
    assert with_it.branches_of_means.value > 1.5 * one.branches.value


def test_unscaled_branches_are_expected_at_their_share_and_coverage() -> None:
    """Additions A4 and A9: 0.42 for weights of 1/2 and images of 8 x 8."""
    assert covered(8) == pytest.approx(0.84, abs=0.001)
    study = Invented()
    study.residual(True, setups=3)
    part = largest(study.tables, "residual")
    assert part is not None
    half = next(one for one in nets_of(study.tables, part) if one.weighting == "half" and not one.scaled)
    assert half.planned == pytest.approx(0.42, abs=0.001)


def test_curves_are_means_over_seeds_at_the_best_rate(tables: Tables) -> None:
    found = figure3.curves_of(tables)
    assert found is not None
    assert found.outcome.exponents == [-2, -2, -3, -3]
    units, runs, epochs = tables.units, tables.runs, tables.epochs
    last = {}
    for init, exponent in zip(INITS, found.outcome.exponents, strict=True):
        own = units[(units["part"] == "alexnet") & (units["init"] == init)].sort_values("seed")
        last[init] = []
        for unit in own["unit_id"]:
            run = runs[(runs["unit_id"] == unit) & (runs["exponent"] == exponent)]["run"].item()
            rows = epochs[(epochs["unit_id"] == unit) & (epochs["run"] == run) & (epochs["epoch"] == 8)]
            last[init].append(rows["train_loss"].item())
        assert found.at(init, -1).value == pytest.approx(np.mean(last[init]))
    p_values = {init: stats.ttest_rel(last["geometric"], last[init]).pvalue for init in INITS[1:]}
    (least, *_), differences = sorted(p_values, key=p_values.__getitem__), found.differences(-1)
    assert differences[least].p == pytest.approx(min(1, 3 * p_values[least]))


def test_the_best_rate_is_that_of_the_lowest_last_epoch_and_the_other_reading_is_said(tables: Tables) -> None:
    """Full passes at the end that were lowest at 2^-1 would choose that rate."""
    jumped = tables.runs["train_loss"].mask(tables.runs["exponent"] == -1, 0.5)
    found = figure3.curves_of(replace(tables, frames=tables.frames | {"runs": tables.runs.assign(train_loss=jumped)}))
    assert found is not None
    assert found.outcome.exponents == [-2, -2, -3, -3]
    assert found.at_the_end.exponents == [-1, -1, -1, -1]
    said = figure3.remarks(tables, found)
    assert any(line.startswith("By the full pass at the end") and "geometric 0.5 at 2⁻¹" in line for line in said)


def test_an_initialization_that_does_significantly_worse_is_said_to() -> None:
    said = {}
    for loss in (1.9, 1.5):
        study = Invented()
        study.alexnet({init: (loss if init == "geometric" else 1.7, -2) for init in INITS})
        found = figure3.curves_of(study.tables)
        assert found is not None
        said[loss] = figure3.answer(found)
    assert "not significantly lower than any, and significantly higher than fan-in after epochs" in said[1.9]
    assert "significantly lower than fan-in" in said[1.5]
    assert "higher" not in said[1.5]


@pytest.mark.parametrize(
    ("operation", "start"),
    [("conv 5x5, stride 2", "Convolutions keep s"), ("ReLU of a ReLU", "A ReLU does not keep s")],
)
def test_what_the_rows_of_table_1_do_not_show_is_not_said(operation: str, start: str) -> None:
    tables = scaling_tables(parts=["operations"])
    units = tables.units
    other = 0.5 if "conv" in operation else 1.0
    kept = units["kept"].mask(units["operation"] == operation, other)
    kept = kept.mask(units["operation"] == "ReLU of mean 1", other)
    for shown, frame in ((True, units), (False, units.assign(kept=kept))):
        part = largest(replace(tables, frames=tables.frames | {"units": frame}), "operations")
        assert part is not None
        assert any(line.startswith(start) for line in table1.remarks(table1.operations(part))) is shown


def test_a_seed_that_diverged_is_left_out_of_means_and_counted(tables: Tables) -> None:
    units = tables.units
    unit = units[(units["part"] == "alexnet") & (units["init"] == "fan-in") & (units["seed"] == 2)]["unit_id"].item()
    gone = tables.epochs["unit_id"] == unit
    lost = tables.runs["unit_id"] == unit
    runs = tables.runs.assign(train_loss=tables.runs["train_loss"].mask(lost), status="ok")
    broken = replace(tables, frames=tables.frames | {"epochs": tables.epochs[~gone], "runs": runs})
    found = figure3.curves_of(broken)
    assert found is not None
    assert found.differences(-1)["fan-in"].n == 4
    assert "Left out of the means, diverged: 1 of fan-in." in figure3.remarks(broken, found)


def test_an_interval_of_table_1_is_student_s_over_draws() -> None:
    study = Invented()
    study.operations(True, draws=5)
    (part,) = parts(study.tables, "operations")
    found = table1.operations(part)["linear"]
    assert found.kept.high - found.kept.value == pytest.approx(0.003 * stats.t.ppf(0.975, 4))
    assert found.weights is not None


@pytest.mark.parametrize(
    ("operation", "mark"),
    [
        ("conv 5x5, stride 2", "yes"),
        ("transposed conv 2x2, stride 2", "yes"),
        ("average pool 8x8 of a ReLU", "yes"),
        ("max pool 2x2 of a ReLU", "no"),
        ("leaky ReLU 0.2", "yes"),
        ("tanh of deviation 0.1", "no"),
        ("GELU", "–"),
        ("scalar", "–"),
    ],
)
def test_the_paper_s_marks_are_found_by_an_operation_s_first_words(operation: str, mark: str) -> None:
    assert paper.mark(operation)[0] == mark


def test_both_readings_stand_side_by_side_with_the_paper(tables: Tables) -> None:
    shown = table(tables, "table2")
    heading, frame = shown.sections[0]
    assert heading == "both readings of the training loss"
    assert list(frame.columns) == [
        "full pass at the end",
        "worst, best by the full pass at the end",
        "mean of the last epoch",
        "worst, best by the mean of the last epoch",
        "paper",
        "worst, best in the paper",
    ]
    assert frame.loc["geometric"].tolist()[1::2] == ["4, 2", "0, 2", "0, 6"]
    sets = dict(shown.sections)["sets, by the full pass at the end"]
    assert sets.loc["dna", "fan-out"] == "0.005 (5*)"
    assert sets.loc["letter", "steps"] == "160"


def test_several_parts_of_one_experiment_have_sections_of_their_own() -> None:
    study = Invented()
    few = {name: SETS[name] for name in ("iris", "wine")}
    study.libsvm(few)
    study.libsvm({"iris": SETS["iris"]}, name="small-batches", batch_size=16)
    shown = table(study.tables, "table2")
    headings = [heading for heading, _ in shown.sections]
    assert "libsvm: both readings of the training loss" in headings
    assert dict(shown.sections)["small-batches: sets, by the full pass at the end"].loc["iris", "steps"] == "50"


def test_trained_residual_networks_are_compared_seed_by_seed() -> None:
    study = Invented()
    study.resnet()
    frame = table(study.tables, "resnet").sections[0][1]
    assert frame.loc["difference", "training loss"].startswith("-0.11 [")
    assert frame.loc["scaled blocks", "seeds"] == "3"
    (said,) = REPORT.answers(study.tables).parts[0].sentences
    assert said.startswith("Part resnet, scaled less unscaled blocks of the same seeds: training loss -0.11 [")


def test_points_of_the_explorer_are_trained_networks(tables: Tables) -> None:
    shown = points(tables)
    assert [one.title for one in shown] == ["libsvm", "alexnet"]
    assert [len(one.rows) for one in shown] == [200, 20]
