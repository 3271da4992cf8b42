"""Every pair of properties that a layered training can have, in the fast programs, against the plain loop.

The rows of the grid are chosen so that each pair of values of any two properties occurs in one of them; the starts of a
population differ in initial weights, fixed matrices, loss scale and the order of the data, and rates differ by layer.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from distnlc.networks.activations import FUNCTIONS, make_activation, plain_activation
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layer, Layered, Skip
from distnlc.networks.mlp import MLP
from distnlc.training.layered_program import LayeredProgram
from distnlc.training.module_program import ModuleProgram
from distnlc.training.native_program import NativeProgram
from distnlc.training.optimizers import STATE
from distnlc.training.spec import StepSpec
from distnlc.training.start import Program, Start, starts_of
from tests.helpers.plain_steps import PlainRun

BATCH, POINTS, D_IN, D_OUT, MEMBERS = 10, 20, 6, 3, 3
SCALES = [0.7, 1.0, 1.3]
SKIPS = ("none", "identity", "fixed matrix", "chain over two", "from normalization", "long", "unbroken")
PROPERTIES: dict[str, tuple[Any, ...]] = {
    "widths": ("equal", "own", "narrow"),
    "bias": (True, False, "some"),
    "normalization": ("none", "batch", "layer", "length", "some"),
    "output": ("none", "batch", "layer", "length", "tanh"),
    "activation": tuple(FUNCTIONS),
    "changed": (False, True),
    "skips": SKIPS,
    "loss": ("cross-entropy", "squared-error"),
    "optimizer": tuple(STATE),
    "weight decay": (0.0, 0.01),
    "dtype": (torch.float64, torch.float32),
    "orders": ("shared", "own"),
    "rates": ("one", "by layer", "frozen below"),
}


def pairwise_rows() -> Iterator[dict[str, Any]]:
    """Rows that cover all pairs: each takes as many pairs that are still missing as a greedy search finds."""
    names, random = list(PROPERTIES), np.random.default_rng(0)
    missing = {
        frozenset([(a, x), (b, y)])
        for a, b in itertools.combinations(names, 2)
        for x, y in itertools.product(range(len(PROPERTIES[a])), range(len(PROPERTIES[b])))
    }
    while missing:
        row = dict(min(missing, key=sorted))
        for name in random.permutation([name for name in names if name not in row]):
            gains = [
                sum(frozenset([(name, value), pair]) in missing for pair in row.items())
                for value in range(len(PROPERTIES[name]))
            ]
            row[str(name)] = int(np.argmax(np.array(gains) + 0.5 * random.random(len(gains))))
        missing -= {frozenset(pair) for pair in itertools.combinations(row.items(), 2)}
        yield {name: PROPERTIES[name][row[name]] for name in names}


ROWS = list(pairwise_rows())


def network_of(row: dict[str, Any]) -> Layered:
    hidden = {"equal": [7] * 5, "own": [9, 7, 7, 5, 8], "narrow": [7, 1, 7, 1, 7]}[row["widths"]]
    make = make_activation if row["changed"] else plain_activation
    changes = {"dilation": 0.8, "shift": 0.2, "debiased": True} if row["changed"] else {}
    activation = make(row["activation"], **changes)  # type: ignore[operator]
    norms = itertools.cycle(
        ["layer", "none", "batch", "length"] if row["normalization"] == "some" else [row["normalization"]]
    )
    biases = itertools.cycle([True, False] if row["bias"] == "some" else [row["bias"]])
    layers = [
        Layer(width=width, bias=next(biases), normalization=next(norms), activation=activation) for width in hidden
    ]
    last = {"activation": plain_activation("tanh")} if row["output"] == "tanh" else {"normalization": row["output"]}
    layers.append(Layer(width=D_OUT, bias=next(biases), **last))
    return Layered(D_IN, tuple(layers), skips_of(row["skips"], [D_IN, *hidden, D_OUT]))


def skips_of(kind: str, widths: list[int]) -> tuple[Skip, ...]:
    """Skip connections between the layers 1 ... 6, through a matrix where widths differ."""
    spans = {
        "none": [],
        "identity": [(2, 3)],
        "fixed matrix": [(1, 2), (4, 6)],
        "chain over two": [(1, 3), (3, 5)],
        "from normalization": [(1, 3), (3, 6)],
        "long": [(1, 6)],
        "unbroken": [(1, 2), (2, 3), (3, 4), (4, 5), (5, 6)],
    }[kind]
    return tuple(
        Skip(
            start=start,
            end=end,
            begins_after="normalization" if kind == "from normalization" else "linear",
            strength=0.6,
            matrix=kind == "fixed matrix" or widths[start] != widths[end],
        )
        for start, end in spans
    )


def task(row: dict[str, Any]) -> tuple[list[MLP], Start, Tensor, Tensor, Tensor, Tensor]:
    """Networks, their start, inputs, labels, orders, rates."""
    layered, dtype = network_of(row), row["dtype"]
    networks = [
        MLP(layered, gaussian(layered, [1.5 / d_in for _, d_in, _ in layered.sizes], seed)) for seed in range(MEMBERS)
    ]
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for network in networks:
            for parameter in network.parameters():
                if parameter.ndim == 1:
                    parameter.normal_(0, 0.3, generator=generator)
            network.to(dtype)
    start = starts_of(networks, loss_scales=SCALES, seeds=[1, 2, 3])
    inputs = torch.randn(POINTS, D_IN, generator=generator, dtype=torch.float64).to(dtype)
    labels = torch.randint(D_OUT, (POINTS,), generator=generator)
    count = 1 if row["orders"] == "shared" else MEMBERS
    orders = torch.stack([torch.randperm(POINTS, generator=generator) for _ in range(count)])
    rates = torch.tensor([[1e-3], [3e-3], [1e-2]], dtype=dtype)
    if row["rates"] != "one":
        factors = torch.linspace(0.5, 2, layered.depth, dtype=dtype)
        factors[:3] *= row["rates"] == "by layer"
        rates = rates * factors
    return networks, start, inputs, labels, orders, rates


def spec_of(row: dict[str, Any]) -> StepSpec:
    decay = row["weight decay"]
    return StepSpec(loss=row["loss"], optimizer=row["optimizer"], weight_decay=decay, batch_size=BATCH, momentum=0.8)


def plain_runs(row: dict[str, Any], dtype: torch.dtype) -> list[PlainRun]:
    """Two epochs of each member, in its own loop, from numbers that float32 can hold where the row is in float32."""
    networks, _, inputs, labels, orders, rates = task(row)
    runs = [PlainRun(network.to(dtype), spec_of(row), scale) for network, scale in zip(networks, SCALES, strict=True)]
    for member, run in enumerate(runs):
        for _ in range(2):
            run.train(inputs.to(dtype), labels, orders[member % len(orders)], rates[member].tolist())
    return runs


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda number: f"row {number}")
def test_every_pair_of_properties_trains_as_the_plain_loop_does(number: int) -> None:
    check_row(ROWS[number], NativeProgram, LayeredProgram)


@pytest.mark.slow
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda number: f"row {number}")
def test_every_pair_of_properties_trains_so_on_a_gpu(number: int) -> None:
    from distnlc.training.fused_program import FusedProgram

    check_row(ROWS[number], FusedProgram)


def check_row(row: dict[str, Any], *kinds: type) -> None:
    _, start, inputs, labels, orders, rates = task(row)
    exact = plain_runs(row, torch.float64)
    expected = torch.stack([run.numbers() for run in exact])
    rounded = (
        None if row["dtype"] == torch.float64 else torch.stack([r.numbers() for r in plain_runs(row, torch.float32)])
    )
    by_batch = torch.stack(
        [torch.cat([run.network(x.double()).detach() for x in inputs.split(BATCH)]) for run in exact]
    )
    slow = torch.tensor([run.losses for run in exact], dtype=torch.float64)
    for kind in kinds:
        program: Program = kind(start, spec_of(row))
        losses = torch.stack([program.train(inputs, labels, orders, rates).double() for _ in range(2)], 1)
        if rounded is None:
            torch.testing.assert_close(losses, slow, rtol=1e-8, atol=0)
            torch.testing.assert_close(program.plain(program.flat), expected, rtol=1e-8, atol=1e-9)
            torch.testing.assert_close(program.outputs(inputs), by_batch, rtol=1e-7, atol=1e-8)
        else:
            found = program.plain(program.flat).double()
            assert_rounded_alike(network_of(row), start.rows.double(), expected, rounded.double(), found)


def assert_rounded_alike(layered: Layered, first: Tensor, exact: Tensor, plain: Tensor, found: Tensor) -> None:
    """In each layer, float32 takes a program hardly farther from the float64 loop than it takes the float32 loop. Where
    the float64 loop moves by rounding alone, as behind a layer norm of one neuron, there is nothing to compare."""
    position = 0
    for d_out, d_in, biases in layered.sizes:
        layer = slice(position, position + d_out * d_in + biases)
        moved, of_plain, of_program = ((each - exact)[:, layer].norm(dim=1) for each in (first, plain, found))
        by_rounding = (moved > 0) & (moved < 1e-9)
        assert ((of_program <= 20 * of_plain + 1e-3 * moved) | by_rounding).all(), (
            f"layer of {d_out} x {d_in}: {of_program}, {of_plain}"
        )
        position = layer.stop


def test_the_rows_cover_all_pairs_and_every_value() -> None:
    pairs = {
        frozenset([(a, str(r[a])), (b, str(r[b]))]) for r in ROWS for a, b in itertools.combinations(PROPERTIES, 2)
    }
    counted = sum(len(PROPERTIES[a]) * len(PROPERTIES[b]) for a, b in itertools.combinations(PROPERTIES, 2))
    assert len(pairs) == counted


@pytest.mark.parametrize("number", range(0, len(ROWS), 4), ids=lambda number: f"row {number}")
def test_gradients_are_those_of_autograd_and_change_nothing(number: int) -> None:
    row = ROWS[number] | {"dtype": torch.float64}
    networks, start, inputs, labels, _, _ = task(row)
    spec = spec_of(row | {"weight decay": 0.0, "optimizer": "sgd"})
    for kind in (NativeProgram, LayeredProgram, ModuleProgram):
        program: Program = kind(Start(networks[0], *vars_of(start)) if kind is ModuleProgram else start, spec)
        before = {name: tensor.clone() for name, tensor in program.state.items()}
        losses, found = program.gradients(inputs[:BATCH], labels[:BATCH])
        for member, network in enumerate(networks):
            scale = SCALES[member]
            run = PlainRun(network, spec.model_copy(update={"optimizer": "sgd"}), scale)
            run.train(inputs[:BATCH], labels[:BATCH], torch.arange(BATCH), [1.0])
            torch.testing.assert_close(found[member], start.rows[member] - run.numbers(), rtol=1e-9, atol=1e-10)
            assert losses[member].item() == pytest.approx(run.losses[0], rel=1e-10)
        assert all(torch.equal(program.state[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize(("widths", "batch"), [([3], 1), ([3], 8), ([1, 3], 16), ([2, 1, 30], 7), ([40, 3], 17)])
@pytest.mark.usefixtures("kernels")
def test_odd_sizes_train_as_the_plain_loop_does(widths: list[int], batch: int) -> None:
    """One layer, one neuron, more outputs than neurons, minibatches of one point and of whole cache lines."""
    from distnlc.training.fused_program import FusedProgram

    layers = tuple(Layer(width=width, activation=plain_activation("tanh")) for width in widths)
    layered = Layered(4, layers, (Skip(start=1, end=2, matrix=True),) if len(widths) > 1 else ())
    network = MLP(layered, gaussian(layered, [1 / d_in for _, d_in, _ in layered.sizes], seed=0))
    generator, spec = torch.Generator().manual_seed(0), StepSpec(batch_size=batch, optimizer="momentum")
    inputs = torch.randn(3 * batch, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(widths[-1], (3 * batch,), generator=generator)
    run = PlainRun(network, spec)
    run.train(inputs, labels, torch.arange(3 * batch), [0.1])
    for kind in (NativeProgram, LayeredProgram, FusedProgram):
        program: Program = kind(starts_of([network], loss_scales=[1.0], seeds=[0]), spec)
        program.train(inputs, labels, torch.arange(3 * batch)[None], torch.tensor([[0.1]], dtype=torch.float64))
        torch.testing.assert_close(program.plain(program.flat)[0], run.numbers(), rtol=1e-9, atol=1e-11)
        with pytest.raises(ValueError, match=rf"one minibatch of {batch} points, found {3 * batch}"):
            program.gradients(inputs, labels)


def vars_of(start: Start) -> tuple[Tensor, Tensor, Tensor, tuple[int, ...]]:
    return start.rows, start.buffers, start.loss_scale, start.seeds
