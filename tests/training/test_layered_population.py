"""The population form against one network at a time: outputs, gradients by autograd, the step in place."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from distnlc.networks.activations import SECTION_C
from distnlc.training.layered_population import LayeredPopulation
from distnlc.training.start import start_of
from tests.helpers.plain_training import SKIPS, architecture

BATCH, MEMBERS = 16, 4
NORMALIZATIONS = ["none", "batch", "layer"]


def assert_near(found: Tensor, expected: Tensor) -> None:
    """Equal to rounding, measured by each member's largest number."""
    largest = expected.abs().flatten(1).amax(1).view(-1, *[1] * (expected.dim() - 1))
    torch.testing.assert_close(found / largest, expected / largest, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("activation", "normalization", "skips", "depth"),
    [
        *itertools.product(SECTION_C, NORMALIZATIONS, SKIPS, [7]),
        *itertools.product(["tanh"], NORMALIZATIONS, SKIPS, [3]),
    ],
)
def test_outputs_gradients_and_the_step_are_those_of_one_network_with_autograd(
    activation: str, normalization: str, skips: tuple[float, str], depth: int
) -> None:
    """Of members with different parameters, for any derivative by the outputs."""
    drawn = architecture(activation, normalization, skips, depth)
    network, generator = drawn.build(), torch.Generator().manual_seed(0)
    initial = parameters_to_vector(network.parameters()).detach()
    shapes = (MEMBERS, len(initial)), (BATCH, drawn.d_in), (MEMBERS, drawn.d_out, BATCH)
    noise, inputs, delta = (torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in shapes)
    flat = initial * (1 + 0.1 * noise)

    outputs, gradients = [], []
    for row, change in zip(flat, delta, strict=True):
        vector_to_parameters(row.clone(), network.parameters())
        outputs.append(network(inputs).T)
        gradients.append(torch.autograd.grad((outputs[-1] * change).sum(), list(network.parameters())))
    expected = torch.stack([parameters_to_vector(each) for each in gradients])

    columns, found = inputs.T.contiguous()[None], torch.full_like(flat, torch.nan)
    matrices = start_of(network).buffers.expand(MEMBERS, -1)
    population = LayeredPopulation(drawn.layered, flat, matrices, batch_size=BATCH)
    assert_near(population.forward(columns, training=True), torch.stack(outputs).detach())
    population.backward(columns, delta.clone(), found)
    assert_near(found, expected)
    assert torch.equal(population.flat, flat)  # with `gradients` the parameters stay

    evaluated = population.forward(columns, training=False).clone()
    assert torch.equal(population.forward(columns, training=True), evaluated)
    population.backward(columns, delta.clone())
    assert_near(flat - population.flat, expected)
