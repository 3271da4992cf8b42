"""What a spec says and what it refuses, in one line each; which networks a part has."""

import math
from itertools import pairwise
from typing import Any

import pytest

from distnlc.networks.matrices import qm_norm
from distnlc.spec import SpecError
from distnlc.studies import resolve
from distnlc.studies.gradients.networks import layered_of, parameters_of
from distnlc.studies.gradients.spec import Spec, widths
from distnlc.studies.gradients.units import seed_of, units


def spec(**fields: Any) -> Spec:
    return Spec.parse({"kind": "gradients", **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"matrices": "orthogonal", "width": "200"}, "orthogonal matrices are square, but linear layer 1 has 100"),
        ({"matrices": "skew-symmetric", "width": "100/200"}, "skew-symmetric matrices are square"),
        ({"matrices": "looks-linear", "width": "101"}, "even width, but width = 101 has 101"),
        ({"matrices": "looks-linear", "nonlinearity": "tanh"}, "made for relu, but nonlinearity = tanh"),
        ({"normalization": "batch", "points": 1}, "points = 1: batch norm needs at least two datapoints"),
        ({"skip": "gaussian", "width": "200", "linear_layers": 51}, "needs one width, but leads from 200 to 100"),
        ({"skip": "identity", "width": "50", "linear_layers": 51}, "from width 50 to the larger width 100"),
        ({"skip": "identity"}, "linear_layers = 50: a network with skip connections"),
        ({"width": "100/"}, "'width'"),
        ({"width": "0"}, "'width'"),
        ({"nonlinearity": "sigmoid"}, "'nonlinearity'"),
        ({"linear_layers": 1}, "'linear_layers'"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        spec(**fields)
    assert str(caught.value).count("\n") == 0


def test_a_part_is_refused_by_its_name() -> None:
    with pytest.raises(SpecError, match="part odd: looks-linear"):
        spec(parts={"even": {}, "odd": {"matrices": "looks-linear", "width": "7"}})


def test_widths_take_turns_the_larger_first_and_the_last_is_the_prediction_s() -> None:
    assert widths(spec(width="100/200", linear_layers=5), 100, 100) == [100, 200, 100, 200, 100, 100]
    assert widths(spec(width="200", linear_layers=3), 100, 10) == [100, 200, 200, 10]


def test_more_networks_rename_no_unit() -> None:
    few, many = units(spec(networks=2)), units(spec(networks=3))
    assert [unit.unit_id for unit in many[:2]] == [unit.unit_id for unit in few]
    assert len({seed_of(spec(), "a", index) for index in range(5)} | {seed_of(spec(), "b", 0)}) == 6


def test_residual_networks_have_a_stream_in_every_second_linear_layer_and_table_3_s_in_every_one() -> None:
    residual = layered_of(spec(skip="identity", normalization="layer", linear_layers=51))
    assert [(skip.start, skip.end) for skip in residual.skips] == [(start, start + 2) for start in range(1, 50, 2)]
    systems = layered_of(spec(skip="identity", linear_layers=51, block_layers=1))
    assert [(skip.start, skip.end) for skip in systems.skips] == [(start, start + 1) for start in range(1, 51)]
    assert all(layer.normalization == "layer" for layer in residual.layers)
    assert [layer.activation is None for layer in residual.layers] == [False] * 50 + [True]


def test_the_last_skip_connection_of_a_classifier_is_a_slice_of_an_orthogonal_matrix() -> None:
    part = spec(experiment="training", skip="identity", linear_layers=5, width="20")
    layered = layered_of(part, 30, 10)
    matrices = parameters_of(part, 0, layered).matrices
    assert [tuple(matrix.shape) for matrix in matrices] == [(10, 20)]
    assert float((matrices[0] @ matrices[0].T).trace()) == pytest.approx(10)


@pytest.mark.parametrize("matrices", ["gaussian", "orthogonal", "skew-symmetric", "autoregressive"])
@pytest.mark.parametrize(("nonlinearity", "behind"), [("relu", math.sqrt(2)), ("tanh", 1.0)])
def test_matrices_behind_a_relu_are_larger_by_the_root_of_2(matrices: str, nonlinearity: str, behind: float) -> None:
    part = spec(matrices=matrices, nonlinearity=nonlinearity, skip="identity", linear_layers=51, block_layers=1)
    norms = [qm_norm(weight) for weight in parameters_of(part, 0).weights]
    assert norms[0] == pytest.approx(1)  # those of table 3 exactly, even Gaussian ones
    assert norms[1:] == pytest.approx([behind] * 50)


def test_gaussian_matrices_of_table_1_are_not_scaled() -> None:
    norms = [qm_norm(weight) for weight in parameters_of(spec(nonlinearity="tanh"), 0).weights]
    assert sum(norms) / 50 == pytest.approx(1, rel=0.01)
    assert max(norms) - min(norms) > 0.01


def test_autoregressive_matrices_go_on_from_block_to_block() -> None:
    part = spec(matrices="autoregressive", nonlinearity="tanh", skip="identity", linear_layers=11, block_layers=1)
    weights = parameters_of(part, 0).weights
    correlations = [float((below * above).sum() / 100) for below, above in pairwise(weights)]
    assert abs(correlations[0]) < 0.05  # the first matrix is none of the sequence
    assert sum(correlations[1:]) / 9 == pytest.approx(0.5, abs=0.03)


def test_the_presets_hold_all_rows_and_columns() -> None:
    rows, columns = {f"row-{row:02d}" for row in range(1, 35)}, {"batch-relu", "layer-tanh"}
    table3 = {f"table3-{number}-{column}" for number in ("i", "ii", "iii", "iv") for column in columns}
    assert set(resolve("gradients-quick").part_names()) == rows | table3
    few = {f"row-{row:02d}-200" for row in (1, 2, 3, 15, 16, 25, 30)}
    for name in ("gradients-noise", "gradients"):
        assert rows | table3 | few <= set(resolve(name).part_names())
    assert rows <= set(resolve("gradients-small").part_names())
