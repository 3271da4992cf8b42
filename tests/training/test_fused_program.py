"""The fused program, its kernels run on the CPU, against the plain program: values, memory, what is not covered."""

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from distnlc.networks.activations import FUNCTIONS, plain_activation
from distnlc.networks.architecture import Architecture
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layered, uniform_layers
from distnlc.networks.mlp import MLP
from distnlc.studies.nlc.sampling import sample_architecture
from distnlc.training import fused_form
from distnlc.training.fused_form import ACTIVATIONS, why_not_fused
from distnlc.training.fused_layout import ALIGNED, Layout
from distnlc.training.layered_program import LayeredProgram
from distnlc.training.optimizers import STATE
from distnlc.training.spec import StepSpec, TrainingSpec
from distnlc.training.start import Program, Start, start_of
from tests.helpers import vectorized_triton

pytestmark = pytest.mark.usefixtures("kernels")
POINTS, BATCH = 500, 250
IN_ORDER = torch.arange(POINTS)[None]


@pytest.fixture(autouse=True)
def made() -> Any:
    """The program's class, which imports Triton."""
    from distnlc.training.fused_program import FusedProgram

    return FusedProgram


def drawn(index: int, **changes: object) -> Architecture:
    return replace(sample_architecture(index, seed=5, d_in=20, d_out=4, parameters=1_000, depth_max=7), **changes)


def start_for(architecture: Architecture, members: int = 1) -> Start:
    return start_of(architecture.build(), loss_scale=0.7, seed=1).expanded(members)


def points() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(POINTS, 20, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(4, (POINTS,), generator=generator)


def numbers(program: Program) -> Tensor:
    return program.plain(program.flat)


@pytest.mark.slow
def test_sampled_architectures_train_as_by_the_plain_program_also_after_members_have_left(made: Any) -> None:
    """At the studies' batch size, which fills no whole number of vectors."""
    inputs, labels = points()
    for index in range(3):
        start, rates = start_for(drawn(index), 3), torch.tensor([[1e-4], [1e-3], [1e-2]], dtype=torch.float64)
        both = fused, plain = made(start, TrainingSpec()), LayeredProgram(start, TrainingSpec())
        for kept in ([0, 1, 2], [0, 2]):
            for one in both:
                one.keep(torch.tensor(kept))
            rates = rates[kept]
            torch.testing.assert_close(*(one.train(inputs, labels, IN_ORDER, rates) for one in both))
            torch.testing.assert_close(numbers(fused), plain.flat, rtol=1e-8, atol=1e-10)
            assert torch.equal(*(torch.stack(one.count_errors(inputs, labels)) for one in both))


def test_every_activation_function_has_triton_code() -> None:
    assert set(FUNCTIONS) == ACTIVATIONS


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_the_activations_equal_those_in_torch_to_rounding_over_all_sizes(name: str) -> None:
    from distnlc.training.fused_kernels import backward_rows, forward_rows

    sizes = torch.logspace(-300, 150, 2_000, dtype=torch.float64)
    ends = torch.tensor([0.0, -0.0, 800.0, -800.0, 1e300, -1e300, torch.inf, -torch.inf, torch.nan])
    signal = torch.cat([sizes, -sizes, torch.linspace(-45, 45, 4_001, dtype=torch.float64), ends.double()])
    signal = torch.cat([signal, signal.new_zeros(-len(signal) % 16)])
    activation = replace(plain_activation(name), dilation=0.8, shift=0.0, scale=1.7)
    constants = torch.tensor([0.8, 0.0, 1.7, 0.0, 0.0, 0.0], dtype=torch.float64)
    value, delta = torch.empty_like(signal), torch.ones_like(signal)
    count = len(signal) // 16
    flags = {"NORM": "none", "KIND": name, "ENDS": False, "BEGINS": "", "STRIDE": 16, "ROWS": 8, "COLUMNS": 16}
    rest = (signal, signal, signal, constants, count, 16, 0, 0)
    forward_rows[(-(-count // 8), 1)](signal, value, *rest, TRAINING=False, **flags)
    backward_rows[(-(-count // 8), 1)](delta, signal, *rest, **flags)
    expected, slope = torch.empty_like(signal), torch.empty_like(signal)
    activation.value_and_slope(signal, expected, slope)
    torch.testing.assert_close(value, expected, rtol=2e-15, atol=1e-300, equal_nan=True)
    torch.testing.assert_close(delta, slope, rtol=1e-14, atol=2e-15, equal_nan=True)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.slow
def test_a_member_that_is_not_finite_is_seen_and_leaves_the_others_bits_alone(made: Any, bad: float) -> None:
    inputs, labels = points()
    for index in range(4):
        start, rates = start_for(drawn(index), 3), torch.full((3, 1), 1e-3, dtype=torch.float64)
        alone = made(start, TrainingSpec())
        alone.train(inputs, labels, IN_ORDER, rates)
        ill = replace(start, rows=start.rows.clone())
        ill.rows[1, 5] = bad
        program, plain = made(ill, TrainingSpec()), LayeredProgram(ill, TrainingSpec())
        losses, expected = (one.train(inputs, labels, IN_ORDER, rates) for one in (program, plain))
        assert torch.equal(losses.isfinite(), expected.isfinite())
        found, wanted = (one.count_errors(inputs, labels) for one in (program, plain))
        assert torch.equal(found[1], wanted[1])
        assert torch.equal(found[0][wanted[1]], wanted[0][wanted[1]])
        assert torch.equal(numbers(program)[[0, 2]], numbers(alone)[[0, 2]])


def test_of_equal_outputs_the_first_is_the_answer_and_what_is_not_a_number_comes_before_all(made: Any) -> None:
    layered = Layered(4, uniform_layers([4], activation=plain_activation("relu")))
    module = MLP(layered, gaussian(layered, [1.0], seed=0))
    with torch.no_grad():
        module.linears[0].weight.copy_(torch.eye(4))  # type: ignore[union-attr,operator]
        module.linears[0].bias.zero_()  # type: ignore[union-attr,operator]
    nan, inf = float("nan"), float("inf")
    inputs = torch.tensor([[1.0, 2, 2, 0], [0, 0, 0, 0], [-1, -2, -1, -3], [1, inf, 0, inf], [nan, 0, 1, 0]]).double()
    inputs = torch.cat([inputs, torch.tensor([[0, nan, 9, nan]]).double()])
    for label in range(4):
        labels = torch.full((6,), label)
        both = [kind(start_of(module), StepSpec(batch_size=6)) for kind in (made, LayeredProgram)]
        assert torch.equal(*(torch.stack(one.count_errors(inputs, labels)) for one in both))


@pytest.mark.parametrize("optimizer", list(STATE))
def test_gradients_and_outputs_are_the_plain_programs_and_change_nothing(made: Any, optimizer: str) -> None:
    inputs, labels = points()
    spec = StepSpec(optimizer=optimizer)
    start = start_for(drawn(3), 2)
    fused, plain = made(start, spec), LayeredProgram(start, spec)
    before = {name: tensor.clone() for name, tensor in fused.state.items()}
    for found, expected in zip(*(one.gradients(inputs[:BATCH], labels[:BATCH]) for one in (fused, plain)), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(fused.outputs(inputs), plain.outputs(inputs), rtol=1e-9, atol=1e-12)
    assert all(torch.equal(fused.state[name], tensor) for name, tensor in before.items())
    fused.place(2 * start.rows)
    assert torch.equal(numbers(fused), 2 * start.rows)


def test_rows_are_padded_in_the_state_and_plain_in_what_is_stored() -> None:
    layered = drawn(2).layered
    layout, rows = Layout(layered), torch.randn(3, layered.parameters, dtype=torch.float64)
    padded = layout.pad(rows)
    assert torch.equal(layout.plain(padded), rows)
    assert padded.shape == (3, layout.padded)
    assert (padded != 0).sum() == (rows != 0).sum()
    for matrix, (d_out, d_in, biases) in zip(layout.matrices, layered.sizes, strict=True):
        assert matrix.start % ALIGNED == matrix.stride % ALIGNED == 0
        assert matrix.of(padded).shape == (3, d_out, d_in + (biases > 0))


def test_the_memory_of_a_program_is_free_as_soon_as_nobody_holds_it(made: Any) -> None:
    inputs, labels = points()
    program = made(start_for(drawn(0)), TrainingSpec())
    program.train(inputs, labels, IN_ORDER, torch.tensor([[1e-3]], dtype=torch.float64))
    program.count_errors(inputs, labels)
    held = weakref.ref(program)
    gc.disable()
    try:
        del program
        assert held() is None
    finally:
        gc.enable()


class Launches(TorchDispatchMode):
    """Counts what a GPU would start: products and other operations of torch, and kernels."""

    VIEWS = frozenset("view expand slice select transpose unsqueeze detach alias as_strided".split())

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.count, self._inside = 0, False
        real = vectorized_triton.run

        def counted(*arguments: Any) -> None:
            self.count, self._inside = self.count + 1, True
            real(*arguments)
            self._inside = False

        monkeypatch.setattr(vectorized_triton, "run", counted)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not self._inside:
            self.count += func._schema.name.removeprefix("aten::") not in self.VIEWS
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.slow
def test_a_training_step_launches_five_kernels_a_hidden_layer(
    made: Any, normalization: str, skips: bool, optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most 6 were promised. A plain step of PyTorch takes 12 to 16, the plain program up to 35."""
    inputs, labels = points()
    launches = {}
    for depth in (3, 7):
        changes: dict[str, object] = {"depth": depth, "width": 6, "activation": "tanh", "normalization": normalization}
        changes |= {"skip_strength": float(skips), "skip_start": "linear" if skips else "none"}
        program = made(start_for(drawn(0, **changes), 2), StepSpec(optimizer=optimizer))
        program.train(inputs, labels, IN_ORDER, torch.full((2, 1), 1e-3, dtype=torch.float64))
        program._step.zero_()  # as at the beginning of an epoch
        with Launches(monkeypatch) as counted:
            program.train_step()
        launches[depth] = counted.count
        monkeypatch.undo()
    assert (launches[7] - launches[3]) / 4 == 5
    others = 5 + 2 * (optimizer == "adam")  # minibatch, outputs, loss, their update, the counter
    others += 4 * skips  # one ends in the outputs, by a matrix and a kernel, forward and backward
    assert launches[3] == 2 * 5 + others


def covered() -> Iterator[tuple[dict[str, Any], str]]:
    """Changes of a population, and what `why_not_fused` says."""
    yield {}, ""
    yield {"batch_size": 1025}, "minibatches of 1025 points; the fused program takes at most 1024"
    yield {"d_out": 2000}, "2000 outputs; the fused program takes at most 1024"


@pytest.mark.parametrize(("changes", "said"), list(covered()))
def test_what_is_not_covered_is_named(changes: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_form, "why_no_triton", lambda: "")
    layered = Layered(4, uniform_layers([5, changes.get("d_out", 3)], activation=plain_activation("relu")))
    assert why_not_fused(layered, StepSpec(batch_size=changes.get("batch_size", 32))) == said
    if not changes:
        monkeypatch.setattr(fused_form, "ACTIVATIONS", frozenset({"tanh"}))
        assert why_not_fused(layered, StepSpec()) == "the activation function 'relu' of layer 1 has no Triton code"


def test_without_triton_the_reason_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distnlc.training.fused_step_kernels", None)
    fused_form.why_no_triton.cache_clear()
    try:
        assert fused_form.why_no_triton() == "Triton is not installed (torch brings it on Linux)"
    finally:
        fused_form.why_no_triton.cache_clear()
