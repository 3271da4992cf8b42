"""Values at the edge of what trainings meet: dead units, constant features, huge inputs, rates that diverge."""

from typing import Any

import pytest
import torch
from torch import Tensor

from distnlc.networks.activations import plain_activation
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layer, Layered, Skip, uniform_layers
from distnlc.networks.mlp import MLP
from distnlc.training.layered_program import LayeredProgram
from distnlc.training.module_program import ModuleProgram
from distnlc.training.native_program import NativeProgram
from distnlc.training.optimizers import STATE
from distnlc.training.spec import StepSpec
from distnlc.training.start import Program, Start, start_of
from tests.helpers.plain_steps import PlainRun

pytestmark = pytest.mark.usefixtures("kernels")
BATCH, POINTS, D_IN, D_OUT = 10, 40, 6, 3


def fused(start: Start, spec: StepSpec) -> Program:
    from distnlc.training.fused_program import FusedProgram

    return FusedProgram(start, spec)


KINDS = (NativeProgram, LayeredProgram, ModuleProgram, pytest.param(fused, marks=pytest.mark.slow))


def network(activation: str = "relu", normalization: str = "none", bias: bool = True) -> MLP:
    layers = uniform_layers(
        [8, 8, D_OUT], activation=plain_activation(activation), bias=bias, normalization=normalization
    )
    skips = (Skip(start=1, end=2, strength=0.5),)
    layered = Layered(D_IN, layers, skips)
    return MLP(layered, gaussian(layered, [2 / d_in for _, d_in, _ in layered.sizes], seed=0))


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(POINTS, D_IN, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(D_OUT, (POINTS,), generator=generator)


def trained(
    kind: Any, module: MLP, inputs: Tensor, labels: Tensor, rate: float, spec: StepSpec
) -> tuple[Program, Tensor]:
    start = start_of(module)
    if kind is ModuleProgram:
        start = Start(module, start.rows, start.buffers, start.loss_scale, start.seeds)
    program: Program = kind(start, spec)
    order, rates = torch.arange(POINTS)[None], torch.tensor([[rate]], dtype=torch.float64)
    return program, torch.stack([program.train(inputs, labels, order, rates) for _ in range(3)], 1)[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalization", ["none", "batch", "layer", "length"])
@pytest.mark.parametrize("case", ["constant features", "all points equal", "dead layer", "one zero point", "1e150"])
def test_programs_agree_with_the_plain_loop_or_diverge_with_it(kind: Any, normalization: str, case: str) -> None:
    (inputs, labels), module = data(), network(normalization=normalization)
    if case == "constant features":
        inputs[:, :3] = 1.0
    elif case == "all points equal":
        inputs[:] = inputs[0].clone()
    elif case == "one zero point":
        inputs[7] = 0.0
    elif case == "1e150":
        inputs *= 1e150
    else:
        with torch.no_grad():
            module.linears[0].bias.fill_(-1e3)  # type: ignore[union-attr,operator]
    spec = StepSpec(batch_size=BATCH)
    run = PlainRun(module, spec)
    for _ in range(3):
        run.train(inputs, labels, torch.arange(POINTS), [1e-3])
    program, losses = trained(kind, module, inputs, labels, 1e-3, spec)
    finite = torch.tensor(run.losses).isfinite()
    assert torch.equal(losses.isfinite(), finite), f"{losses} and {run.losses}"
    expected = run.numbers()
    if case == "1e150" and normalization != "none":  # where autograd's power -3/2 of a variance is no number any more
        other, _ = trained(
            LayeredProgram if kind is NativeProgram else NativeProgram, module, inputs, labels, 1e-3, spec
        )
        expected = expected if kind is ModuleProgram else other.flat[0]
    elif case == "all points equal" and normalization == "batch":
        return  # what is left of the signal is rounding, divided by its own size
    if finite.all():
        torch.testing.assert_close(program.plain(program.flat)[0], expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("optimizer", list(STATE))
def test_a_rate_that_diverges_is_seen_and_never_hidden(kind: Any, optimizer: str) -> None:
    """Squares leave float64 at once; a bounded function never does, whatever its weights become."""
    inputs, labels = data()
    spec = StepSpec(batch_size=BATCH, optimizer=optimizer)
    program, losses = trained(kind, network("square"), inputs, labels, 1e150, spec)
    assert not losses[-1].isfinite()
    wrong, finite = program.count_errors(inputs, labels)
    assert not finite[0]
    assert 0 <= wrong[0] <= POINTS
    assert not program.outputs(inputs).isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_layer_stays_where_gradients_are_not_finite(kind: Any) -> None:
    inputs, labels = data()
    module = network("square")
    start = start_of(module)
    if kind is ModuleProgram:
        start = Start(module, start.rows, start.buffers, start.loss_scale, start.seeds)
    rates = torch.tensor([[0.0, 1e200, 1e200]], dtype=torch.float64)
    if kind is ModuleProgram:
        rates = rates.repeat_interleave(2, 1)
    for optimizer in STATE:
        program: Program = kind(start, StepSpec(batch_size=BATCH, optimizer=optimizer))
        program.train(inputs, labels, torch.arange(POINTS)[None], rates)
        first = D_IN * 8 + 8
        found = program.plain(program.flat)
        assert torch.equal(found[:, :first], start.rows[:, :first])
        assert not found[:, first:].isfinite().all()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Layered(4, ()), "at least one layer"),
        (lambda: Layered(4, (Layer(width=0),)), "widths of at least 1"),
        (lambda: Layered(4, (Layer(width=2, normalization="group"),)), "layer 1: unknown normalization 'group'"),
        (
            lambda: Layered(4, (Layer(width=4), Layer(width=2)), (Skip(start=1, end=2),)),
            "width 4 to width 2 needs a matrix",
        ),
        (lambda: Layered(4, (Layer(width=4),) * 3, (Skip(start=3, end=2),)), "from a layer to a later one of 3"),
        (
            lambda: Layered(4, (Layer(width=4),) * 3, (Skip(start=1, end=3), Skip(start=2, end=3))),
            "must follow one another",
        ),
        (lambda: Layered(4, (Layer(width=4),) * 3, (Skip(start=1, end=3, begins_after="relu"),)), "not after 'relu'"),
        (lambda: plain_activation("gelu"), "unknown activation function 'gelu'; there are: relu"),
    ],
)
def test_a_network_that_is_not_layered_is_refused_with_the_reason(made: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        made()  # type: ignore[operator]


def test_programs_refuse_the_other_kind_of_network_by_name() -> None:
    module = torch.nn.Linear(D_IN, D_OUT).double()
    with pytest.raises(ValueError, match="trained by the module program"):
        LayeredProgram(start_of(module), StepSpec())
    with pytest.raises(ValueError, match="by a program of its own"):
        ModuleProgram(start_of(network()), StepSpec())


def test_starts_for_another_number_of_runs_or_of_other_forms_are_refused() -> None:
    from distnlc.training.start import starts_of

    two = starts_of([network(), network()], loss_scales=[1, 1], seeds=[1, 2])
    with pytest.raises(ValueError, match="expected rows for one or for each of 3 runs, found 2"):
        two.expanded(3)
    with pytest.raises(ValueError, match="must have the same form"):
        starts_of([network(), network("tanh")], loss_scales=[1, 1], seeds=[1, 2])


def test_gradients_below_the_smallest_normal_number_are_zeros_to_native_training_and_to_nothing_else() -> None:
    """What comes back to the first layer is about 1e-310: it moves no weight, and takes Intel's processors long."""
    inputs, labels = data()
    layered = Layered(D_IN, uniform_layers([8, 8, D_OUT], activation=plain_activation("tanh")))
    module, first = MLP(layered, gaussian(layered, [1.0, 1e-310, 1e-310], seed=0)), 8 * (D_IN + 1)
    start, spec = start_of(module), StepSpec(batch_size=BATCH)
    native, plain = (kind(start, spec).gradients(inputs[:BATCH], labels[:BATCH])[1][0] for kind in KINDS[:2])
    assert 0 < plain[:first].abs().max() < 1e-300
    assert not native[:first].any()
    torch.testing.assert_close(native[first:], plain[first:], rtol=1e-12, atol=0)
    assert torch.tensor(1e-310, dtype=torch.float64) / 3 > 0, "only while it trains"
