"""One network in 64 and in 32 bits: the same numbers, and what rounding the inputs does, against the Jacobian."""

import pytest
import torch

from distnlc.metrics.nlc import nlc
from distnlc.networks.architecture import Architecture
from distnlc.studies.nlc_initial.precision import in_two_precisions

D_IN = 30


@pytest.fixture
def inputs() -> torch.Tensor:
    return torch.randn(500, D_IN, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def drawn(**changes: object) -> Architecture:
    sizes = {"index": 0, "seed": 3, "d_in": D_IN, "d_out": 4, "depth": 9, "width": 20, "activation": "even-tanh"}
    return Architecture(**(sizes | changes))


def test_rounded_inputs_change_the_outputs_by_their_rounding_times_the_nlc(inputs: torch.Tensor) -> None:
    row = in_two_precisions(drawn(normalization="batch").build(), inputs, batches=4, seed=0)
    assert row["init_nlc"] > 5
    assert row["input_rounding"] == pytest.approx(2.5e-8, rel=0.1)  # of unit Gaussians, whose spread is 1
    assert row["rounded_inputs_change"] == pytest.approx(row["init_nlc"] * row["input_rounding"], rel=0.15)
    assert row["rounded_inputs_change"] < row["single_change"] < 100 * row["rounded_inputs_change"]


def test_both_precisions_have_the_same_weights(inputs: torch.Tensor) -> None:
    network = drawn(activation="tanh", depth=3).build()
    before = [value.clone() for value in network.parameters()]
    row = in_two_precisions(network, inputs, batches=4, seed=0)
    assert all(map(torch.equal, before, network.parameters()))
    assert row["init_nlc"] == nlc(network.float().double(), inputs, batches=4, seed=0)
    assert row["init_nlc"] != nlc(drawn(activation="tanh", depth=3).build(), inputs, batches=4, seed=0)
    assert row["single_jacobian_norm"] == pytest.approx(row["init_jacobian_norm"], rel=1e-5)


def test_outputs_beyond_32_bits_of_bias_lose_their_spread(inputs: torch.Tensor) -> None:
    network = drawn(activation="tanh", depth=3).build()
    with torch.no_grad():
        network.linears[-1].bias.fill_(1e9)
    row = in_two_precisions(network, inputs, batches=4, seed=0)
    assert row["init_bias"] > 1e8
    assert row["single_nlc"] != pytest.approx(row["init_nlc"], rel=0.5)
    assert row["single_jacobian_norm"] == pytest.approx(row["init_jacobian_norm"], rel=1e-5)
    assert row["single_change"] > 0.5 > row["rounded_inputs_change"]
