"""Every sort of network that people have is measured as the function that it is, or refused in one line; and whatever a
network does, nothing of the caller's and nothing global changes."""

import copy
import random
import threading
import warnings
from collections import namedtuple
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import distnlc
from distnlc.measuring.network import measure_network
from distnlc.metrics.measurable import measurable, without_dropout
from distnlc.metrics.spec import MetricsSpec

FEW = MetricsSpec(nlc_batches=2, walk_batches=1, walk_inputs=2, walk_outputs=2)
Several = namedtuple("Several", ["logits", "hidden"])


def nlc(network: Any, inputs: Tensor) -> float:
    return distnlc.nlc(network, inputs, batch_size=20, batches=2)


def measure(network: Any, inputs: Tensor) -> float:
    return measure_network(network, inputs, torch.arange(60) % 3, batch_size=20, spec=FEW)["init_nlc"].value


@pytest.fixture(params=[nlc, measure], ids=["nlc", "measure"])
def value(request: pytest.FixtureRequest) -> Callable[[Any, Tensor], float]:
    return request.param


@pytest.fixture
def inputs(normal) -> Tensor:
    return normal(60, 6, seed=0)


class Wrapped(nn.Module):
    """A network of six inputs and three outputs, with something done before and after it."""

    def __init__(self, before: Callable[[Tensor], Tensor] = torch.clone, after: Callable[[Tensor], Any] = torch.clone):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 3))
        self.before, self.after = before, after

    def forward(self, batch: Tensor) -> Any:
        return self.after(self.layers(self.before(batch)))


class Keeping(Wrapped):
    """Keeps its last outputs, with their graph."""

    def forward(self, batch: Tensor) -> Tensor:
        self.last = {"outputs": [super().forward(batch)]}
        return self.last["outputs"][0]


class Moving(Wrapped):
    """Changes a buffer with each call, and uses it."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.ones(6))

    def forward(self, batch: Tensor) -> Tensor:
        self.mean = 0.5 * self.mean + 0.5 * batch.detach().mean(0)
        return super().forward(batch - self.mean)


class Switching(Wrapped):
    """Its dropout is a function's, which nobody can switch off but the network's own code."""

    def forward(self, batch: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(batch), 0.5, self.training)


class Hostile(Wrapped):
    """Changes what it gets and all that is global, with every call; raises in the end, if told so."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls, self.drawing = calls, nn.Dropout(0.5)
        self.register_buffer("count", torch.zeros(1))

    def forward(self, batch: Tensor) -> Tensor:
        torch.rand(1), np.random.rand(), random.random()
        torch.set_default_dtype(torch.float16)
        torch.set_grad_enabled(True)
        self.count += 1
        self.calls -= 1
        if self.calls == 0:
            raise KeyError("the end")
        with torch.no_grad():
            batch *= 1
            batch.detach().add_(1)
        return super().forward(batch)


def same(make: Callable[[], nn.Module], change: Callable[[nn.Module], Any] = lambda network: network) -> nn.Module:
    """What `change` makes of the network; the same seed gives the same network."""
    torch.manual_seed(0)
    network = make().double()
    change(network)
    return network


def called(network: nn.Module) -> Any:
    return network(torch.ones(2, 6).double())


def minus_half(batch: Tensor) -> Tensor:
    batch -= 0.5
    return batch


def spectral(make: Callable[..., nn.Module]) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(make(nn.Linear(6, 9)), nn.Tanh(), nn.Linear(9, 3))


def after_one_step(network: nn.Module) -> None:
    """The spectral norm's next call in training mode makes one step of its power iteration."""
    called(network.train())
    network.eval()


def old(make: Callable[..., nn.Module]) -> Callable[[nn.Module], nn.Module]:
    """One of torch's deprecated functions."""

    def made(module: nn.Module) -> nn.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return make(module)

    return made


OLD_SPECTRAL, OLD_WEIGHT = old(nn.utils.spectral_norm), old(nn.utils.weight_norm)


@pytest.mark.parametrize(
    ("network", "plain"),
    [
        (lambda: same(lambda: Wrapped(nn.ReLU(inplace=True))), lambda: same(lambda: Wrapped(nn.ReLU()))),
        (lambda: same(lambda: Wrapped(minus_half)), lambda: same(lambda: Wrapped(lambda batch: batch - 0.5))),
        (lambda: same(Keeping, called), lambda: same(Wrapped)),
        (lambda: same(Wrapped).forward, lambda: same(Wrapped)),
        *(
            (lambda after=after: same(lambda: Wrapped(after=after)), lambda: same(Wrapped))
            for after in (
                lambda outputs: {"logits": outputs, "hidden": 2 * outputs, "loss": None},
                lambda outputs: {"out": outputs},
                lambda outputs: (outputs, None),
                lambda outputs: [outputs],
                lambda outputs: Several(outputs, 2 * outputs),
            )
        ),
        (lambda: same(spectral(OLD_WEIGHT)), lambda: same(spectral(parametrizations.weight_norm))),
        (lambda: same(spectral(OLD_WEIGHT), called), lambda: same(spectral(parametrizations.weight_norm))),
        *(
            (lambda kind=kind, change=change: same(spectral(kind), change), lambda kind=kind, change=change: same(
                spectral(kind), lambda network: (change(network), after_one_step(network))))
            for kind in (parametrizations.spectral_norm, OLD_SPECTRAL)
            for change in (nn.Module.train, called)
        ),
    ],
)  # fmt: skip
def test_a_network_is_measured_as_the_same_function_written_plainly(value, inputs, network, plain) -> None:
    given = inputs.clone()
    assert value(network(), given) == pytest.approx(value(plain(), inputs), rel=1e-12)
    assert torch.equal(given, inputs)


def test_a_network_that_changes_with_each_call_is_measured_as_its_next_call(value, inputs) -> None:
    """The running mean of the batches, half of it the batch's own: as that of a network without a buffer."""
    moving = same(Moving)
    plain = same(lambda: Wrapped(lambda batch: batch - 0.5 - 0.5 * batch.detach().mean(0)))
    assert value(moving, inputs) == pytest.approx(value(plain, inputs), rel=1e-12)
    assert torch.equal(moving.mean, torch.ones(6).double())


def with_lock() -> nn.Module:
    network = Wrapped()
    network.lock = threading.Lock()
    return network


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: nn.Sequential(nn.LazyLinear(9), nn.Tanh()), r"is lazy, it has no 0\.weight, 0\.bias .* call it once"),
        (lambda: Wrapped(after=lambda outputs: (outputs, outputs)), "returned tuple with 2 tensors, none .* logits"),
        (lambda: Wrapped(after=lambda _: None), "returned NoneType with no tensors"),
        (lambda: Wrapped(after=lambda outputs: {"logits": outputs[:, 0]}), r"but it returned float\d+ \(20,\)"),
        (lambda: Wrapped(after=Tensor.detach), "have no derivative by its inputs"),
        (Switching, "gives other outputs each time .* is there dropout"),
        (with_lock, "cannot be copied .TypeError: .* measure lambda batch: network"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line_that_says_why(value, inputs, make, said) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        value(make(), inputs.float())
    assert "\n" not in str(caught.value)


def everything(network: nn.Module, inputs: Tensor) -> dict[str, Any]:
    return {
        "inputs": (inputs.tolist(), inputs.requires_grad, inputs.grad),
        "state": {name: each.tolist() for name, each in network.state_dict().items()},
        "modes": [module.training for module in network.modules()],
        "gradients": [(each.requires_grad, each.grad) for each in network.parameters()],
        "generators": (torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()),
        "globals": (torch.get_default_dtype(), torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
    }


@pytest.mark.parametrize("calls", [-1, 3], ids=["to the end", "until an error"])
@pytest.mark.parametrize("grad", [True, False])
def test_nothing_of_the_callers_and_nothing_global_changes(value, inputs, calls, grad) -> None:
    network = same(lambda: Hostile(calls))
    network.layers[0].requires_grad_(False)
    network.layers[1].eval()
    with torch.set_grad_enabled(grad):
        before = copy.deepcopy(everything(network, inputs))
        with nullcontext() if calls < 0 else pytest.raises((KeyError, ValueError), match="the end"):
            value(network, inputs)
        assert everything(network, inputs) == before


def test_the_callers_inference_mode_is_no_obstacle(value, inputs) -> None:
    expected = value(same(Wrapped), inputs)
    with torch.inference_mode():
        assert value(same(Wrapped), inputs.clone()) == pytest.approx(expected, rel=1e-12)


def test_dropout_is_left_out_and_a_recurrent_network_keeps_its_mode() -> None:
    """A GPU differentiates a recurrent network in training mode only."""
    network = without_dropout(nn.ModuleList([nn.LSTM(3, 3, 2, dropout=0.5), nn.MultiheadAttention(4, 2, 0.5)]))
    assert all(module.training and module.dropout == 0 for module in network)
    batch = torch.randn(7, 5, 3)
    assert torch.equal(network[0](batch)[0], network[0](batch)[0])


def test_what_is_measurable_already_is_not_wrapped_again() -> None:
    once = measurable(Wrapped())
    assert measurable(once) is once
