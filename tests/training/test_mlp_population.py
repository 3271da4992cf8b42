"""The population against one network at a time: outputs, gradients by autograd, the step in place, leaving."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from distnlc.networks.activations import FUNCTIONS
from distnlc.networks.architecture import Architecture
from distnlc.training.mlp_population import PopulationMLP

BATCH, MEMBERS = 16, 4
SKIPS = [(0.0, "none"), (1.0, "linear"), (0.4, "normalization")]


def architecture(activation: str, normalization: str, skips: tuple[float, str], depth: int) -> Architecture:
    return Architecture(
        index=0,
        seed=7,
        d_in=5,
        d_out=3,
        depth=depth,
        width=6,
        activation=activation,
        dilation=1.2,
        shift=0.2,
        debiased=True,
        bias_variance=0.05,
        initial_scale=0.9,
        normalization=normalization,
        skip_strength=skips[0],
        skip_start=skips[1],
    )


class Case:
    """A population whose members have different parameters, a batch, and a derivative by the outputs."""

    def __init__(self, drawn: Architecture) -> None:
        generator = torch.Generator().manual_seed(0)

        def random(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        self.network = drawn.build()
        row = parameters_to_vector(self.network.parameters()).detach()
        self.flat = row * (1 + 0.1 * random(MEMBERS, len(row)))
        self.inputs = random(BATCH, drawn.d_in)
        self.columns = self.inputs.T.contiguous()
        self.delta = random(MEMBERS, drawn.d_out, BATCH)
        self.population = PopulationMLP(drawn, self.flat, self.network.projection, batch_size=BATCH)

    def by_autograd(self) -> tuple[Tensor, Tensor]:
        """Outputs (members, d_out, batch) and gradients (members, parameters), one network after the other."""
        all_outputs, gradients = [], []
        for row, delta in zip(self.flat, self.delta, strict=True):
            vector_to_parameters(row.clone(), self.network.parameters())
            outputs = self.network(self.inputs)
            gradient = torch.autograd.grad((outputs.T * delta).sum(), list(self.network.parameters()))
            all_outputs.append(outputs.detach().T)
            gradients.append(parameters_to_vector(gradient))
        return torch.stack(all_outputs), torch.stack(gradients)

    def forward(self, *, training: bool = True) -> Tensor:
        return self.population.forward(self.columns, training=training).clone()


def assert_near(found: Tensor, expected: Tensor) -> None:
    """Equal to rounding, measured by each member's largest number."""
    largest = expected.abs().flatten(1).amax(1).view(-1, *[1] * (expected.dim() - 1))
    torch.testing.assert_close(found / largest, expected / largest, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("activation", "normalization", "skips", "depth"),
    list(itertools.product(FUNCTIONS, ["none", "batch", "layer"], SKIPS, [3, 7])),
)
def test_outputs_gradients_and_the_step_are_those_of_one_network_with_autograd(
    activation: str, normalization: str, skips: tuple[float, str], depth: int
) -> None:
    case = Case(architecture(activation, normalization, skips, depth))
    outputs, gradients = case.by_autograd()
    assert_near(case.forward(), outputs)
    found = torch.full_like(case.flat, torch.nan)
    case.population.backward(case.columns, case.delta.clone(), found)
    assert_near(found, gradients)
    assert torch.equal(case.population.flat, case.flat)  # with `gradients` the parameters stay

    assert torch.equal(case.forward(training=False), case.forward(training=True))
    case.population.backward(case.columns, case.delta.clone())
    assert_near(case.flat - case.population.flat, gradients)


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
def test_learning_rates_multiply_the_derivative(normalization: str) -> None:
    case = Case(architecture("tanh", normalization, SKIPS[1], 5))
    _, gradients = case.by_autograd()
    rates = torch.tensor([1e-3, 0.1, 1.0, 0.0], dtype=torch.float64)
    case.forward()
    case.population.backward(case.columns, case.delta * rates[:, None, None])
    torch.testing.assert_close(case.population.flat, case.flat - rates[:, None] * gradients)


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
def test_members_that_stay_are_not_changed_by_those_that_leave(normalization: str) -> None:
    case = Case(architecture("selu", normalization, SKIPS[2], 5))
    outputs, gradients = case.by_autograd()
    case.forward()
    present = list(range(MEMBERS))
    for staying in ([0, 2, 3], [0, 3], [3]):
        case.population.keep(torch.tensor([present.index(member) for member in staying]))
        present = staying
        assert torch.equal(case.population.flat, case.flat[staying])
        assert_near(case.forward(), outputs[staying])
        found = torch.empty_like(case.population.flat)
        case.population.backward(case.columns, case.delta[staying], found)
        assert_near(found, gradients[staying])
    case.population.keep(torch.tensor([], dtype=torch.int64))
    assert len(case.population.flat) == 0


def test_parameters_may_be_changed_in_place_and_the_callers_rows_stay() -> None:
    case = Case(architecture("tanh", "batch", SKIPS[1], 5))
    outputs, _ = case.by_autograd()
    case.population.flat[1] = case.flat[0]
    assert_near(case.forward(), outputs[[0, 0, 2, 3]])
    assert not torch.equal(case.flat[1], case.flat[0])


def test_the_projection_does_not_move() -> None:
    case = Case(architecture("tanh", "batch", SKIPS[1], 5))
    assert case.population.projection is not None
    before = case.population.projection.clone()
    case.forward()
    case.population.backward(case.columns, case.delta)
    assert torch.equal(case.population.projection, before)
