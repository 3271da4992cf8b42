"""What a unit's measurements may cost a GPU: launches outside graphs, counted at the sizes of a CIFAR10 unit."""

from dataclasses import replace

import pytest
import torch

from distnlc.data.dataset import Dataset
from distnlc.metrics.spec import MetricsSpec
from distnlc.networks import stacks
from distnlc.networks.architecture import Architecture
from distnlc.networks.loss import loss_scale
from distnlc.studies.nlc.measurement import measure_trained, measure_untrained
from distnlc.training.rates import smallest_rate
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import start_of
from tests.gpu.pretended import Machine

LAUNCHES_A_UNIT = 100_000
BATCH = 10
"""in place of 250: launches depend on the number of batches, not on their size"""
TRAIN, TEST = 160 * BATCH, 40 * BATCH
"""of CIFAR10's 40,000 and 10,000 points"""


def test_the_measurements_of_a_deep_unit_stay_within_their_launches(
    gpu: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "STACKED_POINTS", stacks.STACKED_POINTS * BATCH // 250)
    size = {"index": 0, "seed": 1, "d_in": 5, "d_out": 10, "depth": 49, "width": 4}
    kinds = {"activation": "tanh", "normalization": "layer", "skip_start": "linear", "skip_strength": 1.0}
    network = Architecture(**size, **kinds).build()
    network = network.requires_grad_(False).to("cuda")
    generator, sizes = torch.Generator().manual_seed(0), (TRAIN, BATCH, TEST)
    parts = [(torch.randn(n, 5, generator=generator), torch.randint(10, (n,), generator=generator)) for n in sizes]
    data = Dataset("cifar10", 10, *[tensor for part in parts for tensor in part]).to("cuda", torch.float64)
    spec, training, counts = MetricsSpec(), TrainingSpec(batch_size=BATCH), {}
    count = replace(gpu.count)

    def done(name: str) -> None:
        nonlocal count
        counts[name], count = gpu.count.launches - count.launches, replace(gpu.count)

    scale = loss_scale(network, data.train_inputs, batch_size=BATCH)
    done("loss scale")
    measure_untrained(network, 0, data, spec, scale, training)
    done("initial metrics")
    smallest_rate(start_of(network, loss_scale=scale), data, training, 1e-8)
    done("smallest rate")
    measure_trained(network, 0, data, spec, training)
    done("trained metrics")
    assert sum(counts.values()) <= LAUNCHES_A_UNIT, counts
