"""The NLC, the Jacobian's size and the bias agree with closed forms and with exact Jacobians."""

import math

import pytest
import torch

from distnlc.metrics.bias import output_bias
from distnlc.metrics.nlc import nlc, nlc_and_bias
from distnlc.metrics.spread import input_moments, output_moments


def test_the_nlc_of_a_linear_network_agrees_with_the_closed_form(normal):
    # NLC^2 = ||A||_F^2 (tr C / d_in) / tr(A C A^T), C the covariance of the inputs; it is 1 for C = I. The relative
    # variance of one ||uA||^2 is 2 tr((A A^T)^2) / tr(A A^T)^2, at most 2; there are 25,000 of them
    scales = torch.tensor([1.0, 2.0, 4.0, 1.0, 1.0, 8.0], dtype=torch.float64)
    inputs, matrix = normal(1000, 6, seed=3) * scales + 5, normal(4, 6, seed=5)
    covariance = torch.cov(inputs.T, correction=0)
    exact = (matrix.square().sum() * covariance.trace() / 6 / (matrix @ covariance @ matrix.T).trace()).sqrt()
    assert abs(float(exact) - 1) > 0.1
    assert nlc(lambda x: x @ matrix.T, inputs) == pytest.approx(float(exact), rel=4 * math.sqrt(2 / 25_000) / 2)


def test_nlc_of_a_batch_norm_network_agrees_with_exact_jacobians_of_batches(mlp, normal):
    network, inputs = mlp([5, 8, 8, 3], seed=0, batch_norm=True, gain=2.0), normal(60, 5, seed=1)
    outputs = torch.cat([network(batch).detach() for batch in inputs.split(20)])
    spread_out = outputs.var(0, unbiased=False).mean().sqrt()
    spread_in = inputs.var(0, unbiased=False).mean().sqrt()
    generator = torch.Generator().manual_seed(2)
    squares = []
    for _ in range(100):
        batch = inputs[torch.randperm(60, generator=generator)[:20]]
        squares.append(torch.func.jacrev(network)(batch).detach().square().sum() / 20)
    exact = float(torch.stack(squares).mean().sqrt() * spread_in / (math.sqrt(3) * spread_out))
    assert nlc(network, inputs, batch_size=20, batches=2000) == pytest.approx(exact, rel=0.03)


def test_nlc_does_not_depend_on_the_units_of_inputs_and_outputs(mlp, normal):
    network, inputs = mlp([5, 20, 3], seed=0, gain=3.0), normal(500, 5, seed=1)
    plain = nlc(network, inputs, batches=5)
    in_other_units = nlc(lambda x: 1e6 * network(x / 1e-3) - 7, 1e-3 * inputs, batches=5)
    assert in_other_units == pytest.approx(plain, rel=1e-9)


def test_nlc_of_1e25_is_measured_without_overflow(normal):
    # sin(a x) at random phases: NLC = a sqrt(E cos^2) / sqrt(E sin^2) = a
    inputs = normal(20_000, 1, seed=0)
    for dtype in (torch.float64, torch.float32):
        assert nlc(lambda x: torch.sin(1e25 * x), inputs.to(dtype)) == pytest.approx(1e25, rel=0.05)


def test_bias_agrees_with_the_closed_form(normal):
    inputs = normal(1000, 3, seed=0)
    inputs = (inputs - inputs.mean(0)) / inputs.std(0, unbiased=False)
    scale, offset = torch.tensor([1.0, 2.0, 3.0]).double(), torch.tensor([10.0, 0.0, -5.0]).double()
    # Q f = sqrt((14 + 125) / 3), Q S f = sqrt(14 / 3)
    assert output_bias(lambda x: x * scale + offset, inputs) == pytest.approx(math.sqrt(139 / 14), rel=1e-12)


def test_spread_survives_a_bias_of_1e15_times_the_spread():
    # a grid of halves: exact in float64 at 1e15
    steps = torch.arange(1000, dtype=torch.float64)[:, None] % 8 / 2
    spread = float(steps.std(0, unbiased=False))
    measured = output_moments(lambda x: x + 1e15, steps, batch_size=100)
    assert float(measured.spread) == pytest.approx(spread, rel=1e-12)
    assert float(measured.bias) == pytest.approx(1e15 / spread, rel=1e-12)


def test_inputs_may_have_several_dimensions_and_fewer_points_than_a_batch(mlp, normal):
    network, inputs = mlp([6, 9, 3], seed=0), normal(30, 2, 3, seed=1)
    folded = nlc(lambda x: network(x.flatten(1)), inputs, batches=3)
    assert folded == nlc(network, inputs.flatten(1), batches=3)
    assert input_moments(inputs).mean.shape == (6,)


def test_outputs_that_do_not_vary_have_no_nlc_and_raise_no_error(normal):
    assert math.isnan(nlc(lambda x: 0 * x + 1, normal(50, 2, seed=0), batches=2))
    assert math.isnan(nlc(lambda x: 1 + 1e-20 * x, normal(50, 2, seed=0), batches=2)), "its Jacobian is not 0"


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_coefficient_and_the_bias_of_one_pass_are_those_of_two(mlp, normal, batch_norm):
    network, inputs = mlp([5, 9, 3], seed=0, batch_norm=batch_norm), normal(70, 5, seed=1)
    together = nlc_and_bias(network, inputs, batch_size=20, batches=3, seed=5)
    apart = nlc(network, inputs, batch_size=20, batches=3, seed=5), output_bias(network, inputs, batch_size=20)
    assert together == apart
