"""The population of any torch module against the plain loop: convolutions, running statistics, refusals."""

import itertools
import logging

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from distnlc.networks.residual import Multiplier
from distnlc.training import module_program, once
from distnlc.training.module_program import ModuleProgram
from distnlc.training.optimizers import STATE
from distnlc.training.programs import make_program, program_name
from distnlc.training.spec import StepSpec
from distnlc.training.start import Start, starts_of
from tests.helpers.plain_steps import PlainRun

BATCH, POINTS, SIDE, CLASSES, MEMBERS = 10, 30, 8, 3, 3
RATES = torch.tensor([[1e-3], [1e-2], [3e-2]], dtype=torch.float64)


class Residual(nn.Module):
    """Two convolutions bypassed by a skip connection, as in a residual network."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, signal: Tensor) -> Tensor:
        return signal + self.second(torch.relu(self.norm(self.first(signal))))


class Looking(nn.Module):
    """A forward pass that depends on a number, which torch.func cannot vectorize."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(SIDE * SIDE, CLASSES)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.linear(inputs)
        return outputs.tanh() if self.looks() and outputs.sum().item() > 0 else outputs

    def looks(self) -> bool:
        return True


class LookingInTraining(Looking):
    def looks(self) -> bool:
        return self.training


class Functional(nn.Module):
    """A convolution that no inner module computes."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(64, 1, 3, 3) / 9)

    def forward(self, inputs: Tensor) -> Tensor:
        maps = functional.conv2d(inputs.view(-1, 1, SIDE, SIDE), self.weight, padding=1)
        return functional.conv2d(maps.square(), self.weight.view(1, 64, 3, 3)).flatten(1)[:, :CLASSES]


def convolutional() -> nn.Module:
    body = [nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.ReLU()]
    return nn.Sequential(nn.Unflatten(1, (1, SIDE, SIDE)), *body, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, CLASSES))


def residual() -> nn.Module:
    body = [nn.Conv2d(1, 4, 3, padding=1), Residual(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(nn.Unflatten(1, (1, SIDE, SIDE)), *body, nn.Flatten(), nn.Linear(4, CLASSES))


def scalars() -> nn.Module:
    """Parameters of no dimension, between others."""
    factors = (Multiplier(factor, learnable=True) for factor in (0.5, 2.0))
    return nn.Sequential(next(factors), nn.Linear(SIDE * SIDE, 4), nn.ReLU(), next(factors), nn.Linear(4, CLASSES))


MODULES = {"convolutional": convolutional, "residual": residual, "looking": Looking, "scalars": scalars}
"""those that are compared with the plain loop"""
OTHERS = {"looking in training": LookingInTraining, "functional": Functional}


def networks_of(name: str) -> list[nn.Module]:
    made = []
    for seed in range(MEMBERS):
        torch.manual_seed(seed)
        made.append((MODULES | OTHERS)[name]().double())
    return made


def data() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(POINTS, SIDE * SIDE, generator=generator, dtype=torch.float64)
    orders = torch.stack([torch.randperm(POINTS, generator=generator) for _ in range(MEMBERS)])
    return inputs, torch.randint(CLASSES, (POINTS,), generator=generator), orders


def start_for(networks: list[nn.Module]) -> Start:
    return starts_of(networks, loss_scales=[1.0, 0.5, 2.0], seeds=[1, 2, 3])


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [*itertools.product(["convolutional"], STATE), *itertools.product(list(MODULES)[1:], ["momentum"])],
)
@pytest.mark.parametrize("own_orders", [False, True])
def test_members_train_as_each_alone_in_a_plain_loop(name: str, optimizer: str, own_orders: bool) -> None:
    """The optimizers see all parameters as one row of numbers, whatever the module."""
    networks, (inputs, labels, orders) = networks_of(name), data()
    orders = orders if own_orders else orders[:1]
    spec = StepSpec(optimizer=optimizer, weight_decay=1e-3, batch_size=BATCH)
    program = make_program(start_for(networks), spec)
    assert isinstance(program, ModuleProgram)
    losses = [program.train(inputs, labels, orders, RATES).tolist() for _ in range(2)]
    for member, network in enumerate(networks):
        run = PlainRun(network, spec, [1.0, 0.5, 2.0][member])
        for _ in range(2):
            run.train(inputs, labels, orders[member % len(orders)], RATES[member].tolist())
        torch.testing.assert_close(program.flat[member], run.numbers(), rtol=1e-7, atol=1e-9)
        assert [losses[0][member], losses[1][member]] == pytest.approx(run.losses, rel=1e-8)
        run.network.eval()  # running statistics too, where there are some
        expected = torch.cat([run.network(batch).detach() for batch in inputs.split(BATCH)])
        torch.testing.assert_close(program.outputs(inputs)[member], expected, rtol=1e-6, atol=1e-8)


def test_what_torch_func_refuses_is_trained_one_run_after_the_other_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    once.warn_once.cache_clear()
    inputs, labels, orders = data()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            program = ModuleProgram(start_for(networks_of("looking")), StepSpec(batch_size=BATCH))
            program.train(inputs, labels, orders, RATES)
    (warning,) = caplog.records
    assert warning.message.startswith("Looking is computed one run after the other: torch.func: vmap: ")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        torch.AcceleratorError("CUDA error: device-side assert triggered"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
    ],
    ids=["memory", "device", "library's memory", "library", "CPU's memory"],
)
def test_a_lack_of_memory_or_a_device_that_fails_is_no_reason_for_the_slow_route(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(*_: object) -> None:
        raise error

    inputs, labels, orders = data()
    program = ModuleProgram(start_for(networks_of("residual")), StepSpec(batch_size=BATCH))
    with monkeypatch.context() as patch:
        patch.setattr(module_program, "vmap", lambda *_, **__: failing)
        with pytest.raises(type(error), match=str(error)[:10].replace("[", r"\[")):
            program.train(inputs, labels, orders, RATES)
    program.train(inputs, labels, orders, RATES)
    assert program._vectorized == {"training": True}


def test_what_torch_func_can_evaluate_and_not_train_is_trained_all_the_same() -> None:
    """The trainer by patience evaluates before it trains."""
    inputs, labels, orders = data()
    program = ModuleProgram(start_for(networks_of("looking in training")), StepSpec(batch_size=BATCH))
    program.outputs(inputs)
    program.train(inputs, labels, orders, RATES)
    assert program._vectorized == {"evaluation": True, "training": False}


@pytest.mark.parametrize("together", [1, 2])
def test_chunks_change_nothing_but_rounding(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, labels, orders = data()
    whole = ModuleProgram(start_for(networks_of("residual")), StepSpec(batch_size=BATCH))
    whole.train(inputs, labels, orders, RATES)
    assert whole._probe is not None
    needed = whole._probe.kept_bytes + 4 * whole.flat[0].nbytes
    monkeypatch.setattr(module_program, "CHUNK_BYTES", together * needed)
    parts = ModuleProgram(start_for(networks_of("residual")), StepSpec(batch_size=BATCH))
    parts.train(inputs, labels, orders, RATES)
    assert next(parts._chunks(inputs[:BATCH])) == slice(0, together)
    for name, tensor in parts.state.items():
        torch.testing.assert_close(tensor, whole.state[name], rtol=1e-10, atol=1e-12)


def test_the_memory_of_a_member_is_what_autograd_keeps_also_of_functions() -> None:
    """64 maps and their squares' factor, in float64, and the gradients of both."""
    inputs, _, _ = data()
    program = ModuleProgram(start_for(networks_of("functional")), StepSpec(batch_size=BATCH))
    list(program._chunks(inputs[:BATCH]))
    assert program._probe is not None
    maps = BATCH * 64 * SIDE * SIDE * 8
    assert 2 * 2 * maps <= program._probe.kept_bytes < 2 * 3 * maps


def test_members_that_leave_change_nothing_for_those_that_stay_but_rounding() -> None:
    inputs, labels, orders = data()
    programs = [ModuleProgram(start_for(networks_of("residual")), StepSpec(batch_size=BATCH)) for _ in range(2)]
    programs[0].train(inputs, labels, orders, RATES)
    programs[1].train(inputs, labels, orders, RATES)
    programs[1].keep(torch.tensor([0, 2]))
    programs[0].train(inputs, labels, orders, RATES)
    programs[1].train(inputs, labels, orders[[0, 2]], RATES[[0, 2]])
    for name, tensor in programs[1].state.items():
        torch.testing.assert_close(tensor, programs[0].state[name][[0, 2]], rtol=1e-9, atol=1e-12)


def dropping() -> nn.Module:
    return nn.Sequential(nn.Linear(SIDE * SIDE, 20), nn.Dropout(0.5), nn.Linear(20, CLASSES)).double()


def test_dropout_depends_on_a_runs_seed_and_updates_and_on_nothing_else() -> None:
    """Not on its company, its chunk, what the process drew before, nor on being resumed."""
    inputs, labels, orders = data()
    torch.manual_seed(0)
    start = starts_of([dropping()] * MEMBERS, loss_scales=[1.0] * MEMBERS, seeds=[1, 2, 1])
    rates = torch.full((MEMBERS, 1), 0.1, dtype=torch.float64)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    program = ModuleProgram(start, StepSpec(batch_size=BATCH))
    program.train(inputs, labels, orders[:1], rates)
    assert torch.equal(torch.random.get_rng_state(), before)
    kept = {name: tensor.clone() for name, tensor in program.state.items()}
    program.train(inputs, labels, orders[:1], rates)
    assert torch.equal(program.flat[0], program.flat[2])
    assert not torch.allclose(program.flat[0], program.flat[1])

    resumed = ModuleProgram(start, StepSpec(batch_size=BATCH))
    for name, tensor in resumed.state.items():
        tensor.copy_(kept[name])
    resumed.keep(torch.tensor([1]))
    resumed.train(inputs, labels, orders[:1], rates[:1])
    assert torch.equal(resumed.flat[0], program.flat[1])


def test_parameters_without_requires_grad_stay_as_they_are() -> None:
    inputs, labels, orders = data()
    networks = networks_of("convolutional")
    for network in networks:
        network[1].weight.requires_grad_(False)  # type: ignore[index]
    program = ModuleProgram(start_for(networks), StepSpec(batch_size=BATCH, weight_decay=0.1, optimizer="adam"))
    before, frozen = program.flat.clone(), networks[0][1].weight.numel()  # type: ignore[index]
    program.train(inputs, labels, orders, RATES)
    moved = (program.flat != before).all(0)
    assert not moved[:frozen].any()
    assert moved[frozen:].double().mean() > 0.9


def test_modules_that_only_look_alike_make_no_population() -> None:
    tanh = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    with pytest.raises(ValueError, match="must have the same form"):
        starts_of([nn.Sequential(nn.Linear(2, 2), nn.ReLU()), tanh], loss_scales=[1, 1], seeds=[1, 2])


def test_a_layer_of_rate_0_is_frozen() -> None:
    inputs, labels, orders = data()
    program = ModuleProgram(start_for(networks_of("convolutional")), StepSpec(batch_size=BATCH, optimizer="momentum"))
    before, tensors = program.flat.clone(), len(list(program.module.parameters()))
    rates = torch.zeros(MEMBERS, tensors, dtype=torch.float64)
    rates[:, -2] = 0.1  # the last weight matrix
    program.train(inputs, labels, orders, rates)
    moved = (program.flat != before).any(0).nonzero().flatten()
    last = CLASSES * 16
    assert len(moved) == last
    assert moved[0] == program.flat.shape[1] - CLASSES - last


def test_its_name_keeps_checkpoints_of_other_programs_away() -> None:
    assert program_name(convolutional(), StepSpec(), "cpu", torch.float64) == "module cpu"
