"""The noise protocol: rows of a unit, block by block, and the values that the spec states."""

import math
from typing import Any

import pytest
import torch

from distnlc.metrics.growth import exponential_fit
from distnlc.metrics.layer_gradients import LayerGradients, Spread
from distnlc.networks.layered import Layered
from distnlc.plugins import Work
from distnlc.spec import Unit
from distnlc.studies.gradients.networks import layered_of
from distnlc.studies.gradients.noise import NOT_FINITE, block, measure, points_of, top_activation, total
from distnlc.studies.gradients.spec import Spec
from distnlc.studies.gradients.unit import run
from distnlc.studies.gradients.units import places, units


def spec(**fields: Any) -> Spec:
    small = {"width": "10", "dimension": 10, "linear_layers": 5, "points": 200, "networks": 1}
    return Spec.parse({"kind": "gradients", **small, **fields})


def test_inputs_have_exactly_the_root_of_their_dimension_as_length_and_labels_length_1_on_average() -> None:
    inputs, labels = points_of(spec(points=5000), 1)
    torch.testing.assert_close(inputs.norm(dim=1), torch.full((5000,), math.sqrt(10), dtype=torch.float64))
    assert float(labels.square().sum(1).mean()) == pytest.approx(1, rel=0.05)


def test_a_vanilla_network_has_a_coefficient_at_every_layer_down_to_the_input() -> None:
    columns, layers = measure(spec(normalization="batch"), 3)
    assert [row.layer for row in layers] == list(range(1, 16))
    assert [row.kind for row in layers[:4]] == ["normalization", "linear", "activation", "normalization"]
    assert [row.linear_layer for row in layers] == [5, 5, 4, 4, 4, 3, 3, 3, 2, 2, 2, 1, 1, 1, 0]
    assert (layers[-1].kind, layers[-1].gsc, layers[-2].gsc) == ("input", columns["gsc_input"], columns["gsc_lowest"])
    assert all(row.gsc is not None for row in layers)
    assert {row.kind for row in layers if row.std is not None} == {"activation"}
    top = next(row for row in layers if row.kind == "activation")
    assert (top.std, top.sign_diversity) == (columns["std_top"], columns["sign_diversity_top"])
    fit = exponential_fit([row.layer for row in layers], [row.gsc or 0 for row in layers])
    assert fit == (columns["growth_rate"], columns["growth_intercept"], columns["growth_r2"])


def test_a_residual_network_has_coefficients_between_its_blocks_only() -> None:
    columns, layers = measure(spec(normalization="layer", nonlinearity="tanh", skip="identity"), 3)
    assert [(row.layer, row.kind) for row in layers if row.gsc is not None] == [
        *((1, "normalization"), (2, "linear")),
        *((8, "linear"), (14, "linear"), (15, "input")),
    ]
    assert [row.layer for row in layers if row.dilution is not None] == [2, 8]
    assert [row.layer for row in layers if row.std is not None] == [3, 6, 9, 12]
    first_of_the_highest_block = next(row for row in layers if row.layer == 6)
    assert first_of_the_highest_block.std == columns["std_top"]
    by_layer = {row.layer: row for row in layers}
    assert by_layer[2].block_growth == pytest.approx((by_layer[8].gsc or 0) / (by_layer[2].gsc or 1))
    factors = [row.corrected_growth or 0 for row in layers if row.dilution is not None]
    if min(factors) > 0:
        assert columns["dilution_corrected"] == pytest.approx((by_layer[2].gsc or 0) * math.prod(factors))


def test_growth_of_a_block_is_corrected_for_dilution_by_both_laws() -> None:
    """r = 1.1 behind dilution 2: sqrt((k^2 + r^2) / (k^2 + 1)) is found, from which the exact law gives 1.1 back."""
    layered = layered_of(spec(skip="identity", linear_layers=3))
    law = math.sqrt((4 + 1.21) / 5)
    #        input, linear, activation, linear, activation, linear
    lengths, gradients = (1.0,) * 6, (1.0, law, 1.0, 1.0, 1.0, 1.0)
    found = LayerGradients((1,) * 6, lengths, gradients, 1.0, {1: Spread(1, 0.5)}, carried=(2.0,), added=(1.0,))
    row = block(layered, found, 0)
    assert (row["dilution"], row["block_growth"]) == (2.0, pytest.approx(law))
    assert row["corrected_growth"] == pytest.approx(1 + 5 * (law - 1))
    assert row["exact_growth"] == pytest.approx(1.1)


def test_a_block_that_would_shrink_leaves_no_total_of_a_single_network() -> None:
    rows = [{"gsc": 1.2, "corrected_growth": 1.1}, {"gsc": 1.0, "corrected_growth": -0.2}]
    assert math.isnan(total(rows, "corrected_growth"))
    rows[1]["corrected_growth"] = 1.5
    assert total(rows, "corrected_growth") == pytest.approx(1.2 * 1.1 * 1.5)


def test_the_layer_shown_is_the_highest_activation_or_the_first_of_the_highest_block() -> None:
    def layered(**fields: Any) -> Layered:
        return layered_of(spec(**fields))

    assert top_activation(layered()) == 4
    assert top_activation(layered(skip="identity")) == 3
    assert top_activation(layered(skip="identity", block_layers=1)) == 4


def test_the_seed_fixes_network_inputs_and_labels() -> None:
    part = spec(normalization="batch")
    assert measure(part, 7) == measure(part, 7)
    assert measure(part, 7)[0]["gsc_input"] != measure(part, 8)[0]["gsc_input"]


def test_a_looks_linear_network_neither_explodes_nor_vanishes() -> None:
    columns, _ = measure(spec(matrices="looks-linear", points=5000, linear_layers=20), 0)
    assert columns["gsc_input"] == pytest.approx(1, abs=0.06)
    assert columns["growth_rate"] == pytest.approx(1, abs=1e-3)


def unit_of(part: Spec) -> Unit:
    return units(part)[0]


def test_a_unit_s_rows_bear_its_id_and_say_what_it_is() -> None:
    part = spec(normalization="length", nonlinearity="selu")
    records = run(part, unit_of(part), Work())
    (row,) = records["networks"]
    assert (row.status, row.reason, row.protocol, row.points) == ("ok", None, "noise", 200)
    assert (row.nonlinearity, row.normalization, row.width, row.linear_layers) == ("selu", "length", "10", 5)
    assert {layer.unit_id for layer in records["layers"]} == {row.unit_id}
    assert len(records["layers"]) == places(part)


@pytest.mark.parametrize("fields", [{"normalization": "batch"}, {}, {"skip": "identity"}, {"block_layers": 1}])
def test_the_plan_knows_how_many_rows_there_will_be(fields: dict[str, Any]) -> None:
    part = spec(**({"skip": "identity"} if fields else {}) | fields)
    assert len(measure(part, 0)[1]) == places(part)


def test_a_network_without_any_signal_is_a_row_that_says_so() -> None:
    """ReLU layers of one neuron are dead with probability 1/2 each."""
    part = spec(width="1", linear_layers=60)
    (row,) = run(part, unit_of(part), Work())["networks"]
    assert (row.status, row.reason, row.gsc_input) == ("ok", NOT_FINITE, None)


STATED = {
    "batch-relu": ({"normalization": "batch"}, 1.0610, 0.895, 5950, 0.2),
    "layer-tanh": ({"normalization": "layer", "nonlinearity": "tanh", "points": 1000}, 1.0295, 0.938, 71.9, 0.15),
    "selu": ({"nonlinearity": "selu", "points": 1000}, 1.0190, 0.957, 6.26, 0.15),
}
"""section 9: rate per layer, intercept, coefficient at the input, and how far a mean of two networks may be from it"""


@pytest.mark.slow
@pytest.mark.parametrize("name", STATED)
def test_exploding_networks_grow_as_fast_as_the_spec_states(name: str) -> None:
    fields, rate, intercept, scale, tolerance = STATED[name]
    part = Spec.parse({"kind": "gradients", **fields})
    found = [measure(part, seed)[0] for seed in range(2)]
    mean = {key: sum(each[key] for each in found) / 2 for key in ("growth_rate", "growth_intercept", "gsc_input")}
    assert mean["growth_rate"] == pytest.approx(rate, rel=0.002)
    assert mean["growth_intercept"] == pytest.approx(intercept, rel=0.15)
    assert mean["gsc_input"] == pytest.approx(scale, rel=tolerance)
    assert all(each["growth_r2"] > 0.99 for each in found)
