"""The printed and independently measured values: complete, and consistent with each other."""

import math

import numpy as np
import pytest

from distnlc.analysis.gradients import paper, targets
from distnlc.analysis.gradients.correction import by_formula, exactly


def test_table_1_has_its_34_rows_and_they_differ() -> None:
    assert [row.number for row in paper.TABLE_1] == list(range(1, 35))
    assert len({row.setting for row in paper.TABLE_1}) == 34


def test_printed_and_measured_gradient_scales_lie_within_5_standard_errors_of_each_other() -> None:
    """A digit that was copied wrongly would stand out."""
    for row in paper.TABLE_1:
        spread, _ = row.spread
        error = math.hypot(row.measured.error, spread / math.sqrt(paper.NETWORKS), 0.006)
        assert abs(row.measured.value - float(row.gsc)) < 5 * error, row.number


def test_printed_and_measured_spread_and_sign_diversity_are_alike_but_for_the_misprint() -> None:
    for row in paper.TABLE_1:
        printed = float(paper.MISPRINTS.get(row.number, row.std))
        assert row.measured_std == pytest.approx(printed, abs=0.021), row.number
        assert row.measured_sign_diversity == pytest.approx(float(row.sign_diversity), abs=0.015), row.number
    assert float(paper.TABLE_1[33].std) > 9


def test_table_2_shows_each_network_once_by_the_better_protocol() -> None:
    assert len({row.setting for row in paper.TABLE_2}) == 15
    for row in paper.TABLE_2:
        assert float(getattr(row, row.shown)) == min(float(row.custom), float(row.single))
    assert [sum(row.figure == number for row in paper.TABLE_2) for number in (2, 4, 5, 6)] == [4, 3, 5, 3]


def test_table_3_has_both_columns_of_four_sorts_of_matrices() -> None:
    assert set(paper.TABLE_3) == {(*net, matrices) for net in paper.NETS_3 for matrices in paper.MATRICES_3}
    for cell in paper.TABLE_3.values():
        assert cell.measured == pytest.approx(float(cell.gsc), abs=0.04)


def test_targets_are_of_networks_of_table_1_and_as_many_as_their_places() -> None:
    settings = {row.setting for row in paper.TABLE_1}
    for stated, places in (
        (targets.GSC_AT, targets.PLACES),
        (targets.STD_AT, targets.SPREAD_PLACES),
        (targets.SIGN_DIVERSITY_AT, targets.SPREAD_PLACES),
        (targets.BLOCK_GROWTH, targets.BLOCK_PLACES),
    ):
        assert stated.keys() <= settings
        assert {len(values) for values in stated.values()} == {len(places)}
    assert {*targets.GROWTH, *targets.STEPS, *targets.FIGURE_3C} <= settings


def test_stated_growth_per_layer_and_per_linear_layer_agree() -> None:
    for setting, stated in targets.GROWTH.items():
        if stated.per_layer is not None:
            layers = 2 if setting[1] == "none" else 3
            assert stated.per_layer**layers == pytest.approx(stated.per_linear_layer, abs=1e-3)


def test_stated_steps_multiply_to_the_stated_growth() -> None:
    for setting, steps in targets.STEPS.items():
        if setting in targets.GROWTH:
            product = math.prod(float(step) for step in steps if step is not None)
            assert product == pytest.approx(targets.GROWTH[setting].per_linear_layer, abs=3e-3)


def test_a_symmetric_neuron_s_sign_diversity_is_that_of_draws() -> None:
    share = np.random.default_rng(0).binomial(1_000, 0.5, 100_000) / 1_000
    expected = np.minimum(share, 1 - share).mean()
    assert paper.sign_diversity_of_symmetric(1_000) == pytest.approx(expected, abs=1e-4)
    assert paper.sign_diversity_of_symmetric(10_000) == pytest.approx(0.496, abs=5e-4)


def test_the_exact_inverse_undoes_the_law_of_dilution_and_the_formula_is_its_first_order() -> None:
    growth, dilution = np.array([1.2, 1.01, 1.001]), np.array([1.0, 3.0, 5.0])
    diluted = np.sqrt((dilution**2 + growth**2) / (dilution**2 + 1))
    assert exactly(diluted, dilution) == pytest.approx(growth)
    off = by_formula(diluted, dilution) / growth - 1
    assert off[0] > 1e-3  # slightly higher, as the paper finds
    assert off[2] == pytest.approx(0, abs=1e-6)
    assert np.isnan(exactly(np.array([0.5]), np.array([5.0])))


def test_networks_are_called_as_the_paper_calls_them() -> None:
    names = [paper.name_of(paper.TABLE_1[number - 1].setting) for number in (1, 3, 12, 16, 25, 31)]
    assert names == [
        "ReLU",
        "LOlayer-ReLU",
        "batch-ReLU, width 100/200",
        "layer-ReLU, orthogonal",
        "layer-ReLU, identity skips",
        "batch-ReLU, Gaussian skips",
    ]
