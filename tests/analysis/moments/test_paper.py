"""The stated values and theory: consistent with each other."""

import math

import numpy as np
import pytest

from distnlc.analysis.moments import paper
from distnlc.records import columns_of
from distnlc.studies.moments.records import LayerRow


def test_every_stated_value_is_of_a_part_and_a_column_that_there_is() -> None:
    columns = columns_of(LayerRow)
    for stated in (paper.MEANS, paper.DEVIATIONS):
        assert stated.keys() <= paper.SETTINGS.keys()
        for by_column in stated.values():
            assert by_column.keys() <= columns.keys()
            assert all(float(value) for values in by_column.values() for value in values.values())
    assert all(float(paper.MEANS[part][column][layer]) for part, column, layer in paper.BANDS)
    assert {len(paper.MEANS[part]["chi"]) for part in ("S2", "S4", "S5", "S6", "FC2", "FC3-64")} == {6}


def test_theory_agrees_with_the_stated_values() -> None:
    assert abs(paper.GAUSSIAN_DELTA_PHI - 1.2111) < 1e-4
    assert math.sqrt(paper.variance_of_log_moment(200, 128)) == pytest.approx(2.80, abs=0.01)
    assert paper.mean_of_log_moment(200, 128) == pytest.approx(-3.91, abs=0.01)
    stated = paper.POWER_LAWS["FC4"]
    assert paper.power_law_exponent(np.array(float(stated.increment))) == pytest.approx(
        float(stated.exponent), abs=3e-4
    )


@pytest.mark.parametrize(("part", "layers"), [("FC3-64", (2, 10, 20)), ("S6", (20, 50))])
def test_stated_increments_are_products_of_their_factors(part: str, layers: tuple[int, ...]) -> None:
    """To the digits: S6's deepest layers are means of few, whose product differs by more."""
    stated = paper.MEANS[part]
    for layer in layers:
        product = float(stated["delta_bn"][layer]) * float(stated["delta_phi"][layer])
        growth = stated.get("delta_chi", {}).get(layer)
        if growth is not None:
            assert product == pytest.approx(float(growth), abs=2e-3)
        else:
            assert 1.22 < product < 1.27


def test_theorem_4_s_product_goes_to_its_power() -> None:
    chi = paper.sensitivity_by_units(1.2321, 100_000)
    assert chi[0] ** 2 == pytest.approx(1 + (1.2321**4 - 1) / 2)
    local = math.log(chi[-1] / chi[49_999]) / math.log(2)
    assert local == pytest.approx(paper.power_law_exponent(np.array(1.2321)), abs=1e-4)
