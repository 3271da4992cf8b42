"""The Jacobian of class probabilities is autograd's by every route; it keeps its digits where a network is certain; and
what it stands for holds: how much a small change of the input moves the probabilities."""

import copy
import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import distnlc
from distnlc.metrics.class_probabilities import norms, softmax
from distnlc.metrics.sensitivity import ProbabilityJacobian
from distnlc.networks.activations import FUNCTIONS, PaperHardSigmoid, make_activation, plain_activation
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layered, uniform_layers
from distnlc.networks.mlp import MLP

ACTIVATIONS = [
    nn.ReLU(inplace=True),
    nn.ReLU6(),
    nn.Hardtanh(-0.5, 0.7),
    nn.Hardsigmoid(),
    PaperHardSigmoid(),
    nn.LeakyReLU(0.2),
    nn.Tanh(),
    nn.Sigmoid(),
]


def chain(*widths: int, activation: nn.Module, bias: bool = False, scale: float = 1.0) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Flatten()]
    for d_in, d_out in itertools.pairwise(widths):
        layers += [nn.Linear(d_in, d_out, bias=bias), copy.deepcopy(activation)]
        nn.init.normal_(layers[-2].weight, std=scale * (2 / d_in) ** 0.5)
    return nn.Sequential(*layers[:-1]).double()


def layered(*widths: int, activation: str, bias: bool, **changes: float) -> MLP:
    function = make_activation(activation, **changes) if changes else plain_activation(activation)
    description = Layered(widths[0], uniform_layers(widths[1:], activation=function, bias=bias))
    network = MLP(description, gaussian(description, [2 / width for width in widths[:-1]], seed=1))
    if bias:
        for number, linear in enumerate(network.linears):
            nn.init.normal_(linear.bias, generator=torch.Generator().manual_seed(number))
    return network


def row_by_row(network: Callable[[Tensor], Tensor], inputs: Tensor) -> list[Tensor]:
    """The Jacobian of every point, (classes, d_in), by differentiating the softmax itself."""
    return [
        torch.autograd.functional.jacobian(lambda one: network(one[None]).softmax(1)[0], point).flatten(1)
        for point in inputs
    ]


def assert_as_row_by_row(
    network: Callable[[Tensor], Tensor], inputs: Tensor, *, digits: float = 1e-10, **settings: object
) -> None:
    found = distnlc.probability_jacobian(network, inputs, **settings)
    jacobians = torch.stack(row_by_row(copy.deepcopy(network), inputs))
    torch.testing.assert_close(found.class_norms, jacobians.norm(dim=2), rtol=digits, atol=1e-14)
    torch.testing.assert_close(found.norms, jacobians.flatten(1).norm(dim=1), rtol=digits, atol=1e-14)
    assert found.norm == pytest.approx(float(jacobians.flatten(1).norm(dim=1).mean()), rel=digits)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("bias", [False, True])
def test_of_a_chain_it_is_autograd_s_row_by_row(activation: nn.Module, bias: bool, normal) -> None:
    """Of a first layer narrower than the inputs, which a QR factorization shrinks, and of a wider one."""
    inputs = normal(7, 1, 4, 5, seed=2)
    digits = 1e-7 if isinstance(activation, nn.Hardsigmoid) else 1e-10  # torch differentiates it by a 1/6 of 32 bits
    assert_as_row_by_row(chain(20, 9, 11, 4, activation=activation, bias=bias), inputs, batch_size=3, digits=digits)
    assert_as_row_by_row(chain(20, 30, 4, activation=activation, bias=bias), inputs, digits=digits)


@pytest.mark.parametrize("activation", list(FUNCTIONS))
def test_of_a_layered_network_it_is_autograd_s_row_by_row(activation: str, normal) -> None:
    inputs = normal(5, 12, seed=2)
    assert_as_row_by_row(layered(12, 9, 8, 3, activation=activation, bias=False), inputs)
    network = layered(12, 9, 8, 3, activation=activation, bias=True, dilation=1.2, shift=0.3, debiased=True)
    assert_as_row_by_row(network, inputs)


class Skipping(nn.Module):
    """No chain: a convolution whose signal is added, in double width."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.last = (
            nn.Conv2d(1, 3, 3, padding=1),
            nn.Conv2d(3, 3, 3, padding=1),
            nn.Linear(60, 4),
        )
        self.norm = nn.BatchNorm2d(3)
        self.double()

    def forward(self, images: Tensor) -> Tensor:
        signal = torch.relu(self.norm(self.first(images)))
        return self.last((signal + torch.tanh(self.second(signal))).flatten(1))


def test_of_any_other_network_it_is_autograd_s_row_by_row(normal) -> None:
    inputs = normal(6, 1, 4, 5, seed=2)
    assert_as_row_by_row(Skipping().eval(), inputs, batch_size=4)
    few = chain(3, 9, 7, activation=nn.Tanh())  # fewer inputs than classes: by forward products
    assert_as_row_by_row(few.forward, normal(6, 3, seed=2))


def test_both_routes_give_the_same_for_a_chain(normal) -> None:
    network, inputs = chain(20, 9, 11, 4, activation=nn.ReLU6(), bias=True), normal(30, 20, seed=2)
    exact = distnlc.probability_jacobian(network, inputs)
    for number, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        network, inputs = network.to(number), inputs.to(number)
        for each in (network, network.forward):
            found = distnlc.probability_jacobian(each, inputs)
            torch.testing.assert_close(found.norms, exact.norms, rtol=tolerance, atol=0)
            torch.testing.assert_close(found.logit_norms, exact.logit_norms, rtol=tolerance, atol=0)


def test_a_loss_far_below_rounding_is_not_zero() -> None:
    logits = torch.zeros(2, 10, dtype=torch.float32)
    logits[:, 0] = 40
    found = softmax(logits)
    assert found.losses[0, 0].item() == pytest.approx(9 * math.exp(-40), rel=1e-12, abs=0)
    assert found.complements[0, 0].item() == pytest.approx(9 * math.exp(-40), rel=1e-12, abs=0)
    assert found.losses[0, 1].item() == pytest.approx(40, rel=1e-12)
    exact = logits.double()[:, None].expand(2, 10, 10).softmax(2).diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(found.values, exact, rtol=1e-12, atol=0)


def test_a_norm_far_below_rounding_keeps_its_digits() -> None:
    """Of two classes, J = s (1 - s) (1, -1)^T (w_1 - w_2)^T."""
    network = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
    found = distnlc.probability_jacobian(network, torch.tensor([[20.0, -5.0]]))
    assert found.norm == pytest.approx(math.exp(-80) * 5 * math.sqrt(2), rel=1e-12, abs=0)
    assert found.class_norms[0].tolist() == pytest.approx([math.exp(-80) * 5] * 2, rel=1e-12, abs=0)


def test_in_float32_a_certain_network_s_norms_keep_their_digits(normal) -> None:
    network = chain(20, 30, 30, 4, activation=nn.ReLU(), scale=2.5)
    inputs = normal(300, 20, seed=2)
    exact = distnlc.probability_jacobian(network, inputs).norms
    found = distnlc.probability_jacobian(network.float(), inputs.float()).norms
    assert float(exact.min()) < 1e-20
    relative = ((found - exact) / exact).abs()
    assert float(relative.median()) < 1e-5


def test_all_norms_zero_in_float32_are_computed_again_in_float64(normal) -> None:
    network, inputs = chain(6, 5, 3, activation=nn.Tanh()).float(), normal(4, 6, seed=2).float()
    with torch.no_grad():
        network[1].weight *= 1e-25
        network[3].weight *= 1e-25
    assert 1e-60 < distnlc.probability_jacobian(network, inputs).norm < 1e-45
    assert network[1].weight.dtype == torch.float32


def test_a_small_random_change_moves_the_probabilities_by_the_norm(normal) -> None:
    """E ||p(x + dx) - p(x)||^2 = eps ||J||^2 for dx from N(0, eps I)."""
    network, point, eps = chain(12, 40, 40, 40, 5, activation=nn.ReLU6()), normal(1, 12, seed=4), 1e-8
    network.requires_grad_(False)
    moved = network(point + math.sqrt(eps) * normal(20_000, 12, seed=5)).softmax(1)
    mean_square = (moved - network(point).softmax(1)).square().sum(1).mean()
    norm = distnlc.probability_jacobian(network, point).norm
    assert float(mean_square) / (eps * norm**2) == pytest.approx(1, abs=0.03)


def test_the_means_are_those_of_the_points(normal) -> None:
    inputs, labels = normal(40, 20, seed=2), torch.arange(40) % 4
    network = chain(20, 9, 4, activation=nn.ReLU(), scale=3.0)
    found = distnlc.probability_jacobian(network, inputs, labels=labels, batch_size=7)
    each = found.norms
    assert found.standard_error == pytest.approx(float(each.std()) / math.sqrt(40))
    assert found.effective_points == pytest.approx(float(each.sum() ** 2 / each.square().sum()))
    assert found.logit_norm == pytest.approx(float(found.logit_norms.mean()))
    assert found.logit_scale == pytest.approx(float(found.logit_norms.square().mean()) / 4)
    expected = nn.functional.cross_entropy(network(inputs), labels, reduction="none").detach()
    torch.testing.assert_close(found.losses, expected, rtol=1e-9, atol=1e-12)
    assert torch.equal(found.label_norms, found.class_norms[range(40), labels])
    assert torch.equal(norms(found.class_norms), each)


def test_tiny_norms_are_not_lost_in_their_squares() -> None:
    tiny = torch.tensor([[3e-200, 4e-200], [0, 0]], dtype=torch.float64)
    assert norms(tiny).tolist() == pytest.approx([5e-200, 0], rel=1e-12, abs=0)
    one = torch.tensor([1e-200, 1e-200], dtype=torch.float64)
    none = torch.zeros(2, 2, dtype=torch.float64)
    assert ProbabilityJacobian(one, none, none, none, None).effective_points == pytest.approx(2)
    assert ProbabilityJacobian(0 * one, none, none, none, None).effective_points == 0


def test_a_network_may_return_probabilities(normal) -> None:
    network, inputs = chain(20, 9, 4, activation=nn.Tanh()), normal(10, 20, seed=2)
    logits = distnlc.probability_jacobian(network, inputs)
    found = distnlc.probability_jacobian(network.append(nn.Softmax(1)), inputs, outputs="probabilities")
    torch.testing.assert_close(found.class_norms, logits.class_norms)
    torch.testing.assert_close(found.log_probabilities, logits.log_probabilities)
    assert found.logit_norms is found.logit_norm is found.logit_scale is None


def test_the_network_is_left_as_it_was(normal) -> None:
    network = chain(20, 9, 4, activation=nn.ReLU(inplace=True)).append(nn.Dropout(0.5))
    before = copy.deepcopy(network.state_dict())
    first, second = (distnlc.probability_jacobian(network, normal(10, 20, seed=2).float()).norm for _ in range(2))
    assert first == second
    assert network.training
    assert all(each.requires_grad and each.grad is None for each in network.parameters())
    torch.testing.assert_close(dict(network.state_dict()), dict(before), rtol=0, atol=0)


LINEAR = nn.Linear(6, 3, dtype=torch.float64)


@pytest.mark.parametrize(
    ("network", "inputs", "settings", "said"),
    [
        (LINEAR, torch.ones(4, 6, dtype=torch.int64), {}, "float32 or float64 tensor .*found int64"),
        (LINEAR, torch.ones(0, 6), {}, "at least one point"),
        (LINEAR, torch.tensor([[1.0] * 6, [math.nan] * 6]), {}, "nan or infinity in row 1"),
        (nn.Linear(6, 1), torch.ones(4, 6), {}, "at least two outputs, the network has 1"),
        (nn.Sequential(LINEAR, nn.BatchNorm1d(3)), torch.rand(4, 6), {}, r"depend on the other points.*eval\(\) mode"),
        (nn.Sequential(LINEAR, nn.BatchNorm1d(3)), torch.rand(1, 6), {}, "depend on the other points"),
        (lambda batch: batch.sum(1), torch.ones(4, 6), {}, "must map"),
        (lambda batch: batch.detach(), torch.ones(4, 6), {}, "have no derivative"),
        (lambda batch: batch / 0, torch.ones(4, 6), {}, "must be finite"),
        (LINEAR, torch.ones(4, 6), {"labels": torch.tensor([0, 1, 2, 3])}, "0 ... 2.*found numbers from 0 to 3"),
        (LINEAR, torch.ones(4, 6), {"labels": torch.zeros(4)}, "whole numbers"),
        (LINEAR, torch.ones(4, 6), {"outputs": "scores"}, "expected outputs logits or probabilities"),
    ],
)
def test_what_has_no_jacobian_of_probabilities_is_refused(
    network: nn.Module, inputs: Tensor, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=f"(?s){said}"):
        distnlc.probability_jacobian(network, inputs, **settings)
