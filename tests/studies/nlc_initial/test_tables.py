"""Batch-norm networks at initialization come near tables 1 and 2, and the shipped measurements are whole.

Networks are measured on two kinds of Gaussian inputs: isotropic ones, where each activation function contributes
its NLC_tau(1), and ones whose spectrum decays as 1/i. With 200 features these have an effective dimension
(sum of variances)^2 / (sum of squares) of 21, as prepared CIFAR10 does, on which the paper measured.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
import torch

from distnlc.analysis.drawing.table import MEASURED, read_measured
from distnlc.analysis.nlc_initial.table1 import ACTIVATIONS, STATED, table1
from distnlc.analysis.nlc_initial.table2 import STATED as STATED2
from distnlc.analysis.nlc_initial.table2 import table2
from distnlc.metrics.nlc import nlc
from distnlc.networks.activations import FUNCTIONS
from distnlc.networks.architecture import count_parameters, width_for
from distnlc.studies.nlc_initial import tables as nlc_tables
from distnlc.studies.nlc_initial.tables import (
    activation_rows,
    gaussian_inputs,
    he_network,
    nlc_without_activation,
    study_network,
)

STABLE = [name for name in FUNCTIONS if name not in {"square", "odd-square"}]
"""the paper: little variation between initializations "except for 49-layer networks with square or odd square" """


@pytest.fixture(scope="module")
def isotropic() -> torch.Tensor:
    return gaussian_inputs(2000, 100, seed=1)


@pytest.fixture(scope="module")
def decaying() -> torch.Tensor:
    return gaussian_inputs(2000, 200, seed=1) / torch.arange(1, 201, dtype=torch.float64).sqrt()


def median_nlc(inputs: torch.Tensor, build: Callable[[int], torch.nn.Module], *, initializations: int) -> float:
    return median(nlc(build(seed), inputs, batches=5, seed=seed) for seed in range(initializations))


def median_study_nlc(inputs: torch.Tensor, name: str, depth: int, width: int, *, initializations: int) -> float:
    def build(seed: int) -> torch.nn.Module:
        return study_network(name, depth=depth, width=width, d_in=inputs.shape[1], d_out=10, seed=seed)

    return median_nlc(inputs, build, initializations=initializations)


def median_he_nlc(inputs: torch.Tensor, depth: int) -> float:
    def build(seed: int) -> torch.nn.Module:
        return he_network(depth=depth, d_in=inputs.shape[1], d_out=10, seed=seed)

    return median_nlc(inputs, build, initializations=5)


def stated(row: str) -> dict[str, float]:
    return dict(zip(FUNCTIONS, STATED[row], strict=True))


def test_the_activations_stand_in_the_order_of_the_tables_columns() -> None:
    assert [name.lower().replace(" ", "-") for name in ACTIVATIONS] == list(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_hidden_layer_contributes_the_nlc_of_its_activation(name: str, isotropic: torch.Tensor) -> None:
    measured = median_study_nlc(isotropic, name, 2, 500, initializations=5)
    alone = dict(zip(FUNCTIONS, activation_rows()["A"], strict=True))[name]
    assert measured == pytest.approx(alone, rel=0.03)
    assert measured == pytest.approx(stated("B")[name], rel=0.03 if name in STABLE else 0.05)


@pytest.mark.parametrize("name", STABLE)
def test_depth_49_comes_near_row_d(name: str, decaying: torch.Tensor) -> None:
    measured = median_study_nlc(decaying, name, 49, 100, initializations=3)
    assert measured == pytest.approx(stated("D")[name], rel=0.15)


@pytest.mark.parametrize("depth", [2, 5, 10, 15, 20, 25])
def test_batch_norm_relu_networks_come_near_table_2(depth: int, decaying: torch.Tensor) -> None:
    assert median_he_nlc(decaying, depth) == pytest.approx(STATED2[str(depth)], rel=0.10)


def test_he_networks_have_the_stated_shape_and_scale() -> None:
    network = he_network(depth=5, d_in=400, d_out=10, seed=0)
    weights = [value.detach() for value in network.parameters() if value.ndim == 2]
    biases = [value.detach() for value in network.parameters() if value.ndim == 1]
    assert network.normalization == "batch"
    assert [tuple(weight.shape) for weight in weights] == [(100, 400), (100, 100), (100, 100), (100, 100), (10, 100)]
    assert not torch.cat(biases).any()
    for weight in weights:
        # the mean of n squared Gaussians has the relative error sqrt(2 / n)
        scale = float(weight.square().mean()) * weight.shape[1] / 2
        assert scale == pytest.approx(1, abs=4 * math.sqrt(2 / weight.numel()))


def test_without_activation_function_the_nlc_is_that_of_a_linear_map(decaying: torch.Tensor) -> None:
    network = study_network("relu", depth=2, width=60, d_in=200, d_out=10, seed=0)
    exactly = nlc_without_activation(network, torch.cov(decaying.T, correction=0))
    network.activation = lambda signal: signal
    # as a function of the whole dataset as one batch, whose statistics hardly move with one datapoint
    assert exactly == pytest.approx(nlc(network, decaying, batch_size=len(decaying), batches=20), rel=0.02)
    assert exactly > 1.02


@pytest.mark.parametrize("depth", [2, 49])
def test_the_width_is_the_one_nearest_to_the_budget(depth: int) -> None:
    def miss(width: int) -> int:
        return abs(count_parameters(depth, width, 621, 10) - nlc_tables.PARAMETERS)

    width = width_for(1_000_000, depth, 621, 10)
    assert miss(width) < min(miss(width - 1), miss(width + 1))


def test_the_written_file_is_what_the_tables_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nlc_tables, "PARAMETERS", 20_000)
    out = tmp_path / "measured.json"
    line = f"nlc_tables --points 60 --batches 1 --initializations 1 --out {out}"
    monkeypatch.setattr("sys.argv", line.split())
    assert nlc_tables.main() == 0
    measured = read_measured(out)
    for frame in (table1(measured), table2(measured)):
        assert frame.notna().all(axis=None)
    assert measured["settings"]["data"] == "isotropic Gaussian"
    first = out.read_text()
    assert nlc_tables.main() == 0
    assert out.read_text() == first


def test_missing_data_is_a_message_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "measured.json"
    line = f"nlc_tables --data mnist --root {tmp_path / 'none'} --out {out}"
    monkeypatch.setattr("sys.argv", line.split())
    assert nlc_tables.main() == 1
    assert "mnist" in capsys.readouterr().err
    assert not out.exists()


def test_the_shipped_measurements_are_whole_and_near_the_paper() -> None:
    measured = json.loads(MEASURED.read_text())
    for row in "ABDE":
        values = dict(zip(FUNCTIONS, measured["table1"][row], strict=True))
        assert all(math.isfinite(value) and value > 0 for value in values.values())
        for name in STABLE if row == "D" else FUNCTIONS:
            assert values[name] == pytest.approx(stated(row)[name], rel=0.15), f"row {row}, {name}"
    assert measured["table2"].keys() == STATED2.keys()
    for depth, value in measured["table2"].items():
        assert value == pytest.approx(STATED2[depth], rel=0.15), f"depth {depth}"
    assert measured["settings"]
