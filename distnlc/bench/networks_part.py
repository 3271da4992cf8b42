"""The part `networks`: what trains networks that are not the NLC study's, each against a plain PyTorch loop.

    unnormalized    a layered network without biases and normalization, in float32, with momentum, minibatches of 32 (as
                    the sensitivity study trains them): on a CPU the native program
    convolutional   a small AlexNet in float32, minibatches of 128, seven learning rates (as the scaling study trains
                    it): the module program

One process of one thread per core, or one alone on a GPU; population and plain loop take turns, ratios are formed
within a repetition, and their medians count. The peak memory is that of the first process.
"""

import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from distnlc.bench.machine import seconds
from distnlc.bench.steps import so_far
from distnlc.bench.team import TARGET_S, team
from distnlc.networks.activations import plain_activation
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layered, uniform_layers
from distnlc.networks.mlp import MLP
from distnlc.training.programs import make_program, program_name
from distnlc.training.spec import StepSpec
from distnlc.training.start import start_of
from distnlc.versions import cores

REPETITIONS = 7
BATCHES = 12
"""minibatches of one measured epoch"""
VARIANTS = ("population", "plain loop")


@dataclass(frozen=True)
class Case:
    """One network with the training that it is measured in."""

    network: nn.Module
    spec: StepSpec
    rates: tuple[float, ...]
    d_in: int
    classes: int


def unnormalized() -> Case:
    """784 inputs, four hidden layers of 100 ReLUs, ten outputs."""
    layered = Layered(784, uniform_layers([100, 100, 100, 100, 10], activation=plain_activation("relu"), bias=False))
    network = MLP(layered, gaussian(layered, [2 / d_in for _, d_in, _ in layered.sizes], seed=0)).float()
    return Case(network, StepSpec(optimizer="momentum", batch_size=32), (1e-5,) * 8, 784, 10)


def convolutional() -> Case:
    """An AlexNet for images of 32 x 32 with an eighth of its channels, each pool folded into the stride before it."""
    torch.manual_seed(0)
    sizes = [(3, 8, 11, 8, 5), (8, 24, 5, 2, 2), (24, 48, 3, 1, 1), (48, 32, 3, 1, 1), (32, 32, 3, 2, 1)]
    body = [nn.Sequential(nn.Conv2d(*size[:3], stride=size[3], padding=size[4]), nn.ReLU()) for size in sizes]
    network = nn.Sequential(nn.Unflatten(1, (3, 32, 32)), *body, nn.Flatten(), nn.Linear(32, 10))
    return Case(network, StepSpec(batch_size=128), tuple(1e-5 * 2.0**k for k in range(7)), 3072, 10)


CASES: dict[str, Callable[[], Case]] = {"unnormalized": unnormalized, "convolutional": convolutional}


def population(case: Case, inputs: Tensor, labels: Tensor) -> Callable[[], Any]:
    """One epoch of all runs together."""
    program = make_program(start_of(case.network).expanded(len(case.rates)), case.spec)
    order, rates = torch.arange(len(labels), device=labels.device)[None], inputs.new_tensor(case.rates)[:, None]
    return lambda: program.train(inputs, labels, order, rates).cpu()


def plain(case: Case, inputs: Tensor, labels: Tensor) -> Callable[[], Any]:
    """One epoch of the first run: module, autograd, torch.optim.SGD. Nothing in the loop waits for the device."""
    momentum = case.spec.momentum if case.spec.optimizer == "momentum" else 0.0
    optimizer = torch.optim.SGD(case.network.parameters(), lr=case.rates[0], momentum=momentum)
    size = case.spec.batch_size
    batches = list(zip(inputs.split(size), labels.split(size), strict=True))

    def epoch() -> float:
        loss_sum = inputs.new_zeros(())
        for points, targets in batches:
            loss = functional.cross_entropy(case.network(points), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.detach()
        return float(loss_sum) / len(batches)

    return epoch


@lru_cache(maxsize=1)
def _ready(name: str, device: str) -> dict[str, tuple[Callable[[], Any], int, int]]:
    """Variant -> its epoch, the runs that it trains, and how often to repeat it."""
    case, generator = CASES[name](), torch.Generator().manual_seed(0)
    points = BATCHES * case.spec.batch_size
    inputs = torch.randn(points, case.d_in, generator=generator).to(device)
    labels = torch.randint(case.classes, (points,), generator=generator).to(device)
    case.network.to(device)
    found = {}
    for variant, make in (("population", population), ("plain loop", plain)):
        epoch = make(case, inputs, labels)
        epoch()  # whatever is compiled or captured once
        runs = len(case.rates) if variant == "population" else 1
        found[variant] = epoch, runs, max(1, round(TARGET_S / seconds(epoch, device)))
    return found


def rate(name: str, device: str, variant: str) -> float:
    """Run-epochs per second of one variant in this process."""
    epoch, runs, repeats = _ready(name, device)[variant]
    return repeats * runs / seconds(lambda: [epoch() for _ in range(repeats)], device)


def peak_mb(device: str) -> float:
    """The most memory that this process has held, on the GPU where it is the device."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def measure(device: str) -> Iterator[dict[str, Any]]:
    """Measures all cases, and yields what there is after each. Raises EngineError if a process fails."""
    processes = cores() if device == "cpu" else 1
    cells: list[dict[str, Any]] = []
    for name, make in CASES.items():
        case = make()
        with team(processes) as together:
            together(rate, name, device, "population")
            rates: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
            for _ in range(REPETITIONS):
                for variant, measured in rates.items():
                    measured.append(sum(together(rate, name, device, variant)))
            memory = together(peak_mb, device)[0]
        form = case.network.layered if isinstance(case.network, MLP) else case.network
        ratio = median(ours / theirs for ours, theirs in zip(*rates.values(), strict=True))
        program = program_name(form, case.spec, device, torch.float32)
        cells.append(
            {"name": name, "program": program, "run_epochs_per_second": rates, "ratio": ratio, "peak_mb": memory}
        )
        yield _told(cells, processes)


def _told(cells: list[dict[str, Any]], processes: int) -> dict[str, Any]:
    summary = {
        cell["name"]: {"program": cell["program"], "times the plain loop": cell["ratio"], "peak MB": cell["peak_mb"]}
        for cell in cells
    }
    how = (
        f"{so_far(len(cells), len(CASES))}run-epochs per second over those of a plain loop; {processes} processes; "
        f"medians of {REPETITIONS} repetitions"
    )
    return {"how": how, "summary": summary, "cells": list(cells)}
