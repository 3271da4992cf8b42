"""Every pair of properties that a layered training can have, in every program, against the plain loop.

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

BATCH, POINTS, D_IN, D_OUT, MEMBERS = 10, 40, 6, 3, 3
SKIPS = ("none", "identity", "fixed matrix", "chain over two", "from normalization", "long")
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
    start = starts_of(networks, loss_scales=[0.7, 1.0, 1.3], seeds=[1, 2, 3])
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


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda number: f"row {number}")
def test_every_pair_of_properties_trains_as_the_plain_loop_does(number: int) -> None:
    row = ROWS[number]
    networks, start, inputs, labels, orders, rates = task(row)
    spec = spec_of(row)
    plain = [PlainRun(network, spec, scale) for network, scale in zip(networks, [0.7, 1.0, 1.3], strict=True)]
    for member, run in enumerate(plain):
        for _ in range(2):
            run.train(inputs, labels, orders[member % len(orders)], rates[member].tolist())
    expected = torch.stack([run.numbers() for run in plain])
    by_batch = torch.stack([torch.cat([run.network(x).detach() for x in inputs.split(BATCH)]) for run in plain])
    for kind in (NativeProgram, LayeredProgram):
        program: Program = kind(start, spec)
        losses = torch.stack([program.train(inputs, labels, orders, rates).double() for _ in range(2)], 1)
        slow = torch.tensor([run.losses for run in plain], dtype=torch.float64)
        moved = (expected - start.rows).abs().max()
        if row["dtype"] == torch.float64:
            torch.testing.assert_close(losses, slow, rtol=1e-8, atol=0)
            torch.testing.assert_close(program.flat, expected, rtol=1e-8, atol=1e-9)
            torch.testing.assert_close(program.outputs(inputs), by_batch, rtol=1e-7, atol=1e-8)
        else:  # where a gradient is but rounding, as a bias's in front of a normalization, Adam divides it by itself
            torch.testing.assert_close(losses, slow, rtol=5e-3, atol=0)
            assert ((program.flat - expected).abs() < 5e-3 * moved).double().mean() > 0.5
            assert ((program.outputs(inputs) - by_batch).abs() < 5e-2).double().mean() > 0.5


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
            scale = [0.7, 1.0, 1.3][member]
            run = PlainRun(network, spec.model_copy(update={"optimizer": "sgd"}), scale)
            run.train(inputs[:BATCH], labels[:BATCH], torch.arange(BATCH), [1.0])
            torch.testing.assert_close(found[member], start.rows[member] - run.numbers(), rtol=1e-9, atol=1e-10)
            assert losses[member].item() == pytest.approx(run.losses[0], rel=1e-10)
        assert all(torch.equal(program.state[name], tensor) for name, tensor in before.items())


def vars_of(start: Start) -> tuple[Tensor, Tensor, Tensor, tuple[int, ...]]:
    return start.rows, start.buffers, start.loss_scale, start.seeds
