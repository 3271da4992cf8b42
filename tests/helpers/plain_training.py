"""The slow obvious trainer, one network with autograd in a loop, and a small task to compare the population's on."""

import copy
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional

from distnlc.data.dataset import Dataset
from distnlc.networks.architecture import Architecture
from distnlc.networks.loss import loss_scale
from distnlc.networks.mlp import MLP
from distnlc.spec import derive_seed
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import Start, start_of

SHORT = TrainingSpec(batch_size=20, first_patience=3, patience=2, divisions=3)
SKIPS = [(0.0, "none"), (1.0, "linear"), (0.4, "normalization")]
"""strength and start of skip connections"""


def architecture(
    activation: str = "tanh", normalization: str = "none", skips: tuple[float, str] = SKIPS[0], depth: int = 5
) -> Architecture:
    """A small network for `small_data`, with every change that an architecture can have."""
    size = {"index": 0, "seed": 7, "d_in": 6, "d_out": 3, "depth": depth, "width": 8}
    drawn = {"dilation": 0.8, "shift": 0.2, "debiased": True, "bias_variance": 0.05, "initial_scale": 0.9}
    kinds = {"activation": activation, "normalization": normalization}
    return Architecture(**size, **drawn, **kinds, skip_strength=skips[0], skip_start=skips[1])


def small_data() -> Dataset:
    """80, 40 and 20 points of three classes that overlap."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (140,), generator=generator)
    inputs = torch.randn(140, 6, generator=generator, dtype=torch.float64)
    inputs[:, 0] += labels
    inputs[:, 1] -= 2.0 * (labels == 1)
    parts = [(inputs[a:b], labels[a:b]) for a, b in ((0, 80), (80, 120), (120, 140))]
    return Dataset("waveform-noise", 3, *[tensor for part in parts for tensor in part])


def start_for(drawn: Architecture, data: Dataset) -> Start:
    network = drawn.build()
    return start_of(network, loss_scale=loss_scale(network, data.train_inputs, batch_size=SHORT.batch_size), seed=3)


@dataclass
class ReferenceRun:
    rates: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    best_error: float = 1.0
    best_epoch: int = 0
    network: MLP | None = None


def error_of(network: MLP, inputs: torch.Tensor, labels: torch.Tensor, size: int) -> float:
    wrong = 0
    with torch.no_grad():
        for first in range(0, len(inputs), size):
            outputs = network(inputs[first : first + size])
            if not outputs.isfinite().all():
                return float("nan")
            wrong += int((outputs.argmax(1) != labels[first : first + size]).sum())
    return wrong / len(inputs)


def train(
    network: MLP, data: Dataset, rate: float, spec: TrainingSpec, *, loss_scale: float, seed: int
) -> ReferenceRun:
    """Section E.2, one run, as one would write it by hand."""
    network = copy.deepcopy(network)
    optimizer: torch.optim.Optimizer = (
        torch.optim.Adam(network.parameters(), lr=rate)
        if spec.optimizer == "adam"
        else torch.optim.SGD(network.parameters(), rate, spec.momentum if spec.optimizer == "momentum" else 0.0)
    )
    watched = (
        (data.train_inputs, data.train_labels)
        if spec.criterion == "training-error"
        else (data.validation_inputs, data.validation_labels)
    )
    run = ReferenceRun(best_error=error_of(network, *watched, spec.batch_size))
    kept = copy.deepcopy((network.state_dict(), optimizer.state_dict()))
    divisions, waited, epoch = 0, 0, 0
    while True:
        order = np.random.default_rng(derive_seed("shuffle", seed, epoch)).permutation(len(data.train_inputs))
        losses = []
        for first in range(0, len(order), spec.batch_size):
            rows = torch.from_numpy(order[first : first + spec.batch_size])
            outputs = network(data.train_inputs[rows])
            loss = functional.cross_entropy(outputs / loss_scale, data.train_labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        epoch += 1
        error = error_of(network, *watched, spec.batch_size)
        run.rates.append(rate)
        run.losses.append(float(np.mean(losses)))
        run.errors.append(error if np.isfinite(run.losses[-1]) else float("nan"))
        finite = bool(np.isfinite(run.errors[-1]))
        if finite and error < run.best_error:
            run.best_error, run.best_epoch, waited = error, epoch, 0
            kept = copy.deepcopy((network.state_dict(), optimizer.state_dict()))
        else:
            waited += 1
        impatient = not finite or waited >= (spec.patience if divisions else spec.first_patience)
        ends = epoch == spec.epochs or (impatient and divisions == spec.divisions) or not (finite or spec.rewind)
        if impatient or ends:
            if spec.rewind:
                network.load_state_dict(kept[0])
                optimizer.load_state_dict(copy.deepcopy(kept[1]))
            if ends:
                run.network = network
                return run
            divisions, waited, rate = divisions + 1, 0, rate / spec.divisor
            for group in optimizer.param_groups:
                group["lr"] = rate
