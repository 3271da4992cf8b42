"""Kernels that a GPU would start one by one, outside of graphs, for one unit of an NLC study besides its training.

Counted on the CPU, which stacks as a GPU does: every operation that is no view starts one kernel. Work that is captured
counts once, and from then on as one launch, without being done: so walks go to their end, the most there can be. The
numbers are those of a unit of the paper: CIFAR10, 160 + 40 + 40 batches, depth 49; widths and batches are tiny, since
no count depends on them.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from distnlc.data.dataset import Dataset
from distnlc.metrics import nlc, suite
from distnlc.metrics.spec import MetricsSpec
from distnlc.networks import stacks
from distnlc.networks.architecture import Architecture
from distnlc.networks.loss import loss_scale
from distnlc.studies.nlc import measurement
from distnlc.training import captured
from distnlc.training.rates import smallest_rate
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import start_of

SIZE, D_IN, CLASSES = 4, 5, 10
TRAIN, OTHERS = 160, 40
"""batches of the training part, and of validation and test part each"""
BATCHES_TOGETHER = 40
BUDGETS = {
    "loss scale": 4_000,
    "Jacobian norms": 26_000,  # three: before training, after it on the training and on the test part
    "output moments": 10_000,  # likewise
    "gradients": 12_000,
    "cosines": 1_500,
    "Lipschitz estimate": 9_000,
    "region sizes": 22_500,
    "smallest rate": 2_500,
    "check of the trained NLC": 5_000,
    "perturbation": 6_500,
    "rest": 500,
}
"""stage -> launches: a tenth above those with layer norm, skip connections and selu, which takes the most operations"""
TOTAL = 100_000
WITHOUT_KERNEL = {
    *{"view", "_unsafe_view", "expand", "select", "slice", "transpose", "t", "permute", "unsqueeze", "squeeze"},
    *{"detach", "alias", "as_strided", "split", "split_with_sizes", "unbind", "lift_fresh", "_reshape_alias"},
    *{"diagonal", "unfold", "empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"},
    *{"is_same_size", "resize_", "set_", "_local_scalar_dense"},
}


class Launches(TorchDispatchMode):
    """Counts by the stage that is on."""

    def __init__(self) -> None:
        super().__init__()
        self.stage, self.found = "rest", Counter[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.removeprefix("aten::")
        self.found[self.stage] += name not in WITHOUT_KERNEL
        return func(*args, **(kwargs or {}))

    def staged(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose launches are that stage's; within another stage they are the inner one's."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            with self.during(stage):
                return function(*args, **kwargs)

        return counted

    @contextmanager
    def during(self, stage: str) -> Iterator[None]:
        before, self.stage = self.stage, stage
        yield
        self.stage = before

    def repeated(self, device: torch.device) -> Callable[[captured.Work], None]:
        """In place of `captured.repeated`: what is captured is done once."""
        done = []

        def caller(work: captured.Work) -> None:
            if done:
                self.found[self.stage] += 1
            else:
                work()
            done.append(work)

        return caller


def random_data() -> Dataset:
    generator, parts = torch.Generator().manual_seed(0), []
    for batches in (TRAIN, OTHERS, OTHERS):
        parts += [torch.randn(batches * SIZE, D_IN, generator=generator, dtype=torch.float64)]
        parts += [torch.randint(CLASSES, (batches * SIZE,), generator=generator)]
    return Dataset("random", CLASSES, *parts)


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> Launches:
    counter = Launches()
    monkeypatch.setattr(stacks, "STACKING_DEVICES", {"cpu"})
    monkeypatch.setattr(stacks, "STACKED_POINTS", BATCHES_TOGETHER * SIZE)
    monkeypatch.setattr(captured, "repeated", counter.repeated)
    stages = [
        (suite, "jacobian_norm", "Jacobian norms"),
        (suite, "output_moments", "output moments"),
        (suite, "input_gradients", "gradients"),
        (suite, "correlation_preservation", "cosines"),
        (suite, "local_lipschitz", "Lipschitz estimate"),
        (suite, "region_sizes", "region sizes"),
        (nlc, "jacobian_norm", "Jacobian norms"),
        (nlc, "output_moments", "output moments"),
        (measurement, "nlc", "check of the trained NLC"),
        (measurement, "nlc_and_bias", "check of the trained NLC"),
        (measurement, "error_preserving_perturbation", "perturbation"),
    ]
    for module, name, stage in stages:
        monkeypatch.setattr(module, name, counter.staged(stage, getattr(module, name)))
    return counter


def measure_unit(launches: Launches, *, normalization: str, skips: str) -> None:
    architecture = Architecture(
        index=0,
        seed=0,
        d_in=D_IN,
        d_out=CLASSES,
        depth=49,
        width=6,
        activation="selu",
        dilation=1.2,
        shift=0.2,
        debiased=True,
        bias_variance=0.05,
        normalization=normalization,
        skip_strength=0.0 if skips == "none" else 1.0,
        skip_start=skips,
    )
    network, data, training = architecture.build(), random_data(), TrainingSpec(batch_size=SIZE)
    with launches:
        with launches.during("loss scale"):
            scale = loss_scale(network, data.train_inputs, batch_size=SIZE)
        measurement.measure_untrained(network, 0, data, MetricsSpec(), scale, training)
        with launches.during("smallest rate"):
            smallest_rate(start_of(network, loss_scale=scale), data, training, 1e-8)
        measurement.measure_trained(network, 0, data, MetricsSpec(), training)


@pytest.mark.slow
@pytest.mark.parametrize(("normalization", "skips"), [("batch", "none"), ("layer", "linear")])
def test_a_unit_of_depth_49_starts_at_most_100_000_kernels_outside_of_graphs(launches, normalization, skips) -> None:
    measure_unit(launches, normalization=normalization, skips=skips)
    assert set(launches.found) == set(BUDGETS)
    too_many = {stage: found for stage, found in launches.found.items() if found > BUDGETS[stage]}
    assert too_many == {}
    assert sum(launches.found.values()) <= TOTAL
