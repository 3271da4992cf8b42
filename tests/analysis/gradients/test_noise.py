"""Tables 1 and 3, growth rates and figures 1 and 3, from invented rows that follow the paper's numbers."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.gradients import comparison, growth, noise_claims, paper, table1, table3
from distnlc.analysis.gradients.claims import OPEN, Judged, judged
from distnlc.analysis.gradients.correction import blocks_of, by_formula, exactly
from distnlc.analysis.gradients.networks import Group, groups_of
from distnlc.analysis.gradients.report import REPORT
from distnlc.analysis.tables import Tables
from tests.helpers.synthetic_gradients import all_noise, noise, study, system

FIGURES = {figure.name: figure for figure in REPORT.figures}


@pytest.fixture(scope="module")
def every() -> Tables:
    """All rows of tables 1 and 3, six networks each."""
    return study(*all_noise(6))


def group_of(tables: Tables, number: int) -> Group:
    return next(group for group in groups_of(tables) if group.row is paper.TABLE_1[number - 1])


def claim(tables: Tables, said: str) -> Judged:
    found = judged(noise_claims.CLAIMS, noise_claims.groups(tables))
    return next(one for one in found if said in one.said)


def cell(tables: Tables, section: str, row: str, column: str) -> str:
    sections = dict(table1.tabulate(tables).sections)
    return str(sections[section].loc[row, column])


GSC = "Gradient scale at the input, GSC(L, 0)"


def test_values_are_placed_by_network_and_layer_whatever_the_order_of_rows() -> None:
    tables = study(noise(6, networks=4), noise(26, networks=3))
    shuffled = replace(tables, frames=tables.frames | {"layers": tables.layers.sample(frac=1, random_state=0)})
    for number, layers in ((6, 150), (26, 28)):
        curve, same = (group_of(each, number).curve("gsc") for each in (tables, shuffled))
        assert curve.values.shape == (4 if number == 6 else 3, layers)
        assert np.array_equal(curve.values, same.values)
        assert np.array_equal(curve.across, same.across)
        assert (np.diff(curve.across) >= 0).all()
    curve = group_of(tables, 6).curve("gsc")
    assert curve.kinds[:4].tolist() == ["input", "linear", "normalization", "activation"]
    assert curve.across[:4].tolist() == pytest.approx([0, 1, 4 / 3, 5 / 3])
    assert curve.values[:, 0] == pytest.approx(group_of(tables, 6).column("gsc_input"))


def test_networks_are_joined_by_what_they_are_and_not_by_the_names_of_parts() -> None:
    tables = study(noise(5, networks=2, name="mine"))
    assert cell(tables, GSC, "5 tanh", "networks") == "2"


def test_rows_that_follow_the_print_agree_and_one_that_does_not_is_named(every: Tables) -> None:
    assert table1.whole(table1.found(every)) == (34, 34, 0)
    off = study(noise(9, networks=30), noise(6, networks=30, factor=1.5))
    assert cell(off, GSC, "9 SELU", "verdict") == "agrees"
    assert cell(off, GSC, "6 layer-tanh", "verdict") == "beyond 5"
    assert any(line.startswith("Beyond 3 standard errors: 6 layer-tanh (+") for line in table1.tabulate(off).remarks)


def test_a_single_network_is_judged_by_the_stated_spread() -> None:
    tables = study(noise(2, networks=1, factor=1.9), noise(6, networks=1, factor=1.9))
    assert cell(tables, GSC, "2 layer-ReLU", "verdict") == "agrees"  # its networks spread by 70 %
    assert cell(tables, GSC, "6 layer-tanh", "verdict") == "beyond 5"
    assert cell(tables, "Spread of what enters the highest activation", "6 layer-tanh", "verdict") == "–"


def test_a_difference_holds_both_means_errors_and_the_rounding() -> None:
    values = np.random.default_rng(0).normal(2, 0.5, 400)
    one = comparison.compared("x", "1.9", values, 100, (0.7, 5))
    error = math.sqrt(values.var(ddof=1) * (1 / 400 + 1 / 100) + 0.1**2 / 12)
    assert one.difference == pytest.approx((values.mean() - 1.9) / error, rel=0.01)
    assert comparison.compared("x", "1.9", values[:1], 100).verdict == "–"


def test_a_spread_of_few_networks_is_believed_less() -> None:
    """As unlikely by Student's t as the difference is by a Gaussian."""
    one = comparison.compared("x", "54.6", np.array([53.4]), 100, (0.26, 3))
    raw = -1.2 / math.hypot(0.26, 0.026, 0.1 / math.sqrt(12))
    assert raw < -4.5
    assert stats.norm.cdf(one.difference) == pytest.approx(stats.t.cdf(raw, 2))
    assert one.near


def test_rows_that_spread_take_the_gradient_scale_of_the_part_with_most_networks() -> None:
    tables = study(noise(2, networks=10), noise(2, networks=40, points=200), noise(9, networks=10))
    assert cell(tables, GSC, "2 layer-ReLU", "points") == "200"
    sections = dict(table1.tabulate(tables).sections)
    assert list(sections["Gradient scale from other numbers of points"].index) == ["2 layer-ReLU, 1,000 points"]
    quantiles = sections["Quantiles over networks of the gradient scale"]
    assert list(quantiles.index) == ["2 layer-ReLU"]
    values = next(group for group in groups_of(tables) if group.points == 200).column("gsc_input")
    shown = float(quantiles.loc["2 layer-ReLU", "median [95 % interval]"].split()[0])
    assert shown == pytest.approx(np.median(values), rel=0.005)


def test_batch_norm_over_other_numbers_of_points_is_shown_and_not_judged() -> None:
    tables = study(noise(4, networks=3, points=2_000, factor=1.4), noise(6, networks=3))
    assert cell(tables, GSC, "4 batch-ReLU", "verdict") == "other points"
    assert table1.whole(table1.found(tables))[1] == 1
    assert any("fewer points give larger" in line for line in table1.tabulate(tables).remarks)


def test_the_misprint_of_row_34_is_named_and_read_with_its_point() -> None:
    tables = study(noise(34))
    section = "Spread of what enters the highest activation"
    assert cell(tables, section, "34 layer-SELU, Gaussian skips", "printed") == "9.97 (misprint)"
    assert cell(tables, section, "34 layer-SELU, Gaussian skips", "verdict") == "agrees"


def test_a_network_that_is_not_finite_is_counted_and_left_out() -> None:
    tables = study(noise(6, networks=5))
    broken = tables.networks.assign(gsc_input=tables.networks["gsc_input"].where(tables.networks.index > 0, np.inf))
    some = replace(tables, frames=tables.frames | {"networks": broken})
    assert cell(some, GSC, "6 layer-tanh", "networks") == "4"
    assert any("not finite: 1 of 6 layer-tanh" in line for line in table1.tabulate(some).remarks)


def test_the_corrected_total_is_that_of_averages_over_networks() -> None:
    tables = study(system("tanh", "layer", "gaussian", networks=8))
    (one,) = table3.cells(tables)
    assert one.verdict == "agrees"
    blocks = blocks_of(one.group)
    assert blocks is not None
    assert blocks.growth.shape == (8, 50)
    steps = 1 + (blocks.dilution.mean(0) ** 2 + 1) * (blocks.growth.mean(0) - 1)
    total = blocks.total(by_formula)
    assert 10**total.value == pytest.approx(blocks.above.mean() * steps.prod())
    assert total.low < total.value < total.high
    curve, _ = blocks.curve(exactly)
    assert curve[-1] == pytest.approx(math.log10(blocks.above.mean()))
    assert len(curve) == len(blocks.across) == 51
    assert blocks.across[0] == 1


def test_a_correction_below_zero_is_undefined_and_counted() -> None:
    tables = study(system("tanh", "layer", "gaussian", networks=3))
    of_block = tables.layers["block_growth"].notna()
    shrinks = of_block & (tables.layers["unit_id"] == tables.networks["unit_id"].iloc[0])
    layers = tables.layers.assign(block_growth=tables.layers["block_growth"].mask(shrinks, 0.9))
    (one,) = table3.cells(replace(tables, frames=tables.frames | {"layers": layers}))
    assert one.blocks is not None
    value, undefined = one.blocks.singly(by_formula)
    assert undefined == 1
    assert math.isfinite(value)


def test_table_3_is_undecided_where_more_networks_could_agree() -> None:
    single = study(system("tanh", "layer", "gaussian", networks=1))
    off = single.networks.assign(gsc_input=single.networks["gsc_input"] * 10**0.08)
    (one,) = table3.cells(replace(single, frames=single.frames | {"networks": off}))
    assert (one.near, one.verdict) == (False, "undecided")


def test_growth_is_that_of_the_mean_curve() -> None:
    tables = study(noise(6, networks=5))
    (rate,) = growth.rates(tables)
    curve = group_of(tables, 6).curve("gsc")
    slope, intercept = np.polyfit(curve.layers, np.log(curve.mean), 1)
    assert rate.per_layer.value == pytest.approx(math.exp(slope))
    assert rate.fit.intercept == pytest.approx(math.exp(intercept))
    assert rate.per_linear_layer.low < math.exp(3 * slope) < rate.per_linear_layer.high
    assert rate.verdict == "agrees"


def test_the_factor_of_a_kind_of_layer_is_its_input_s_by_its_output_s() -> None:
    tables = study(noise(6, networks=2))
    normalizing = tables.layers["kind"] == "normalization"
    # Twice as large below every normalization, which is behind its linear layer.
    count = normalizing.groupby(tables.layers["unit_id"]).cumsum() - normalizing
    layers = tables.layers.assign(gsc=2.0 ** count.to_numpy())
    curve = group_of(replace(tables, frames=tables.frames | {"layers": layers}), 6).curve("gsc")
    factors = [growth.steps(curve, kind)[0] for kind in growth.KINDS]
    assert factors == pytest.approx([1, 2, 1])


def test_claims_about_noise_follow_the_rows(every: Tables) -> None:
    assert claim(every, "four networks explode").finding.verdict == "holds"
    assert claim(every, "skip connections reduce").finding.verdict.startswith("holds")
    assert claim(every, "as a power of depth").finding.verdict.startswith("holds")
    flat = study(*(noise(number, factor=0.02 if number == 6 else 1) for number in (4, 6, 8, 9)))
    said = claim(flat, "four networks explode").finding
    assert said.verdict == "holds for 3 of 4"
    assert said.evidence.startswith("Growth of the mean gradient scale. Holds: batch-ReLU by ")
    assert "Does not hold: layer-tanh by" in said.evidence
    assert claim(flat, "skip connections reduce").finding.verdict == OPEN


def test_what_single_networks_leave_undecided_is_no_verdict() -> None:
    tables = study(*(noise(number, networks=1) for number in (4, 11)))
    assert claim(tables, "width 200").finding.verdict == OPEN
    assert "input: batch-ReLU, width 200" in claim(tables, "width 200").finding.evidence


@pytest.mark.slow
def test_figures_show_what_there_is_and_say_what_is_missing(every: Tables) -> None:
    whole = FIGURES["figure1"].draw(every)
    assert [len(axes.get_lines()) for axes in whole.figure.axes] == [8, 7, 7]
    assert [len(axes.get_lines()) for axes in FIGURES["figure3"].draw(every).figure.axes] == [5, 5, 5]
    some = FIGURES["figure1"].draw(study(noise(6), noise(8)))
    assert [len(axes.get_lines()) for axes in some.figure.axes] == [2, 2, 2]
    assert some.remarks[-1].startswith("Not in this study: ReLU; layer-ReLU")
    with pytest.raises(MissingRecordsError, match="no finished network on noise"):
        FIGURES["figure3"].draw(study(noise(6)))
