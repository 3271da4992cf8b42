"""What a GPU does with layered networks, which take stacks of batches in one call and whose steps are captured, gives
the numbers of one batch at a time."""

import gc
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from distnlc.data.dataset import Dataset
from distnlc.metrics.batches import apart, in_one_piece
from distnlc.metrics.jacobian import linearize_apart
from distnlc.metrics.measurable import measurable
from distnlc.metrics.spec import MetricsSpec
from distnlc.networks import stacks
from distnlc.networks.activations import FUNCTIONS
from distnlc.networks.architecture import Architecture
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import NORMALIZATIONS, Layered, uniform_layers
from distnlc.networks.loss import loss_scale
from distnlc.networks.mlp import MLP
from distnlc.studies.nlc.measurement import measure_trained, measure_untrained
from distnlc.training import captured, rates
from distnlc.training.rates import smallest_rate
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import start_of

SIZE, TRAIN, D_IN, CLASSES = 20, 140, 8, 3
FEW = MetricsSpec(nlc_batches=8, walk_batches=3, walk_inputs=2, walk_outputs=2)


@pytest.fixture
def data(normal: Callable[..., Tensor]) -> Dataset:
    def labels(points: int) -> Tensor:
        return torch.arange(points) % CLASSES

    parts = [(normal(points, D_IN, seed=seed), labels(points)) for seed, points in enumerate((TRAIN, 40, 100))]
    return Dataset("random", CLASSES, *(tensor for part in parts for tensor in part))


def architecture(**changes: Any) -> Architecture:
    plain = Architecture(index=0, seed=3, d_in=D_IN, d_out=CLASSES, depth=5, width=9, activation="tanh", dilation=2.0)
    return replace(plain, shift=0.2, debiased=True, bias_variance=0.05, **changes)


@pytest.fixture
def like_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """The CPU stacks that many datapoints at a time."""

    def start(points: int) -> None:
        monkeypatch.setattr(stacks, "STACKING_DEVICES", {"cpu"})
        monkeypatch.setattr(stacks, "STACKED_POINTS", points)

    return start


def measured(network: MLP, data: Dataset) -> dict[str, float]:
    """Every number that an NLC study takes of a network besides training."""
    training = TrainingSpec(batch_size=SIZE)
    scale = loss_scale(network, data.train_inputs[:-7], batch_size=SIZE)  # the last batch is smaller
    found = measure_untrained(network, 7, data, FEW, scale, training) | measure_trained(network, 7, data, FEW, training)
    start = start_of(network, loss_scale=scale, seed=3)
    for optimizer, decay in (("sgd", 0.0), ("adam", 0.0), ("momentum", 0.01)):
        steps = training.model_copy(update={"optimizer": optimizer, "weight_decay": decay})
        found[f"rate with {optimizer}"] = smallest_rate(start, data, steps, 1e-8)
    return {name: value for name, value in found.items() if not name.endswith("seconds")}


@pytest.fixture(scope="module")
def known() -> dict[str, dict[str, float]]:
    """Network's name -> its numbers, one batch at a time."""
    return {}


def one_batch_at_a_time(network: MLP, data: Dataset, known: dict[str, dict[str, float]], name: str) -> dict[str, float]:
    if name not in known:
        known[name] = measured(network, data)
    return known[name]


@pytest.mark.parametrize("points", [3 * SIZE, 10_000])
@pytest.mark.parametrize(
    "changes",
    [
        *({"normalization": kind} for kind in ("none", "batch", "layer")),
        *(
            {"normalization": kind, "skip_strength": 0.7, "skip_start": begins}
            for kind, begins in (("batch", "linear"), ("layer", "normalization"))
        ),
    ],
    ids=lambda changes: " ".join(map(str, changes.values())),
)
@pytest.mark.slow
def test_every_number_of_a_unit_is_that_of_one_batch_at_a_time(data, like_a_gpu, known, changes, points) -> None:
    network = architecture(**changes).build()
    expected = one_batch_at_a_time(network, data, known, repr(changes))
    like_a_gpu(points)
    found = measured(network, data)
    assert found == pytest.approx(expected, rel=1e-8)
    assert min(expected[name] for name in ("init_linear_region", "init_relative_diameter", "trained_perturbation")) > 0


@pytest.mark.parametrize("kind", NORMALIZATIONS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_stacks_and_both_derivatives_of_every_layered_network_are_those_of_its_batches(
    normal, like_a_gpu, kind: str, name: str
) -> None:
    function = architecture(activation=name).activation_function
    layered = Layered(D_IN, uniform_layers([6, 5, 3], activation=function, normalization=kind))
    function = measurable(MLP(layered, gaussian(layered, [1.0] * 3, seed=0)))
    batches, changes, vectors = normal(4, SIZE, D_IN, seed=0), normal(4, SIZE, D_IN, seed=1), normal(4, SIZE, 3, seed=2)
    batches[0, 0], batches[1] = 0, batches[1, :1]  # also where a normalization finds nothing that varies

    def everything() -> Iterator[Tensor]:
        push_forward, pull_back = linearize_apart(function, batches)
        yield from (apart(function, batches), push_forward(changes), pull_back(vectors))

    expected = list(everything())
    like_a_gpu(10_000)
    assert in_one_piece(function, batches)
    for found, other in zip(everything(), expected, strict=True):
        torch.testing.assert_close(found, other, rtol=1e-9, atol=1e-12 * float(other.abs().max()))


def test_what_takes_more_than_a_layered_network_has_goes_batch_by_batch(like_a_gpu, normal) -> None:
    """A module of another class may look at the shape, or at a batch's first dimension."""

    class Own(MLP):
        def forward(self, inputs: Tensor) -> Tensor:
            assert inputs.ndim == 2
            return super().forward(inputs)

    own = architecture()
    network, batches = measurable(Own(own.layered, own.initial_parameters())), normal(3, SIZE, D_IN, seed=0)
    expected = apart(network, batches)
    like_a_gpu(10_000)
    assert not in_one_piece(network, batches)
    torch.testing.assert_close(apart(network, batches), expected)
    with pytest.raises(ValueError, match=r"must map .* to \(20, d_out\)"):
        apart(measurable(own.build()), normal(3, SIZE, 4, D_IN, seed=0))


def test_the_members_for_the_smallest_rate_are_bounded_by_their_parameters(data, like_a_gpu, monkeypatch) -> None:
    network = architecture().build()
    start, training = start_of(network, seed=3), TrainingSpec(batch_size=SIZE)
    expected = smallest_rate(start, data, training, 1e-8)
    like_a_gpu(10_000)
    members = []

    class Seen(rates.LayeredPopulation):
        def __init__(self, layered: Layered, flat: Tensor, matrices: Tensor, *, batch_size: int) -> None:
            members.append(len(flat))
            super().__init__(layered, flat, matrices, batch_size=batch_size)

    monkeypatch.setattr(rates, "LayeredPopulation", Seen)
    for numbers, most in ((10**8, TRAIN // SIZE), (3 * start.rows.shape[1], 3), (1, 1)):
        monkeypatch.setattr(rates, "MOST_NUMBERS", numbers)
        assert smallest_rate(start, data, training, 1e-8) == pytest.approx(expected, rel=1e-9)
        assert members.pop() == most


class Failing(nn.Module):
    """Fails as a device does, as long as it is vectorized."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, batch: Tensor) -> Tensor:
        if torch._C._functorch.is_batchedtensor(batch):
            raise self.error
        return batch


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        torch.AcceleratorError("an illegal memory access was encountered"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"),
    ],
    ids=lambda error: str(error)[:30],
)
def test_an_error_of_the_device_is_no_reason_to_compute_more_slowly(like_a_gpu, normal, error) -> None:
    like_a_gpu(10_000)
    batches = normal(3, SIZE, D_IN, seed=0)
    with pytest.raises(type(error), match=str(error)):
        apart(measurable(Failing(error)), batches)
    refused = measurable(Failing(RuntimeError("vmap: it looks like you're calling .item()")))
    assert torch.equal(apart(refused, batches), batches)


class Notes(TorchDispatchMode):
    """Notes every operation with the very tensors that it reads and makes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[Any, Any, Any, list[Tensor]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        self.found.append((func, args, kwargs or {}, tensors_of(made)))
        return made


def tensors_of(made: Any) -> list[Tensor]:
    return [each for each in tree_leaves(made) if isinstance(each, Tensor)]


class LikeAGraph:
    """In place of `Captured`: from the third call on the second one's operations are repeated, on its tensors."""

    def __init__(self) -> None:
        self.warm, self.notes = False, Notes()

    @torch.no_grad()
    def __call__(self, work: captured.Work) -> None:
        if not self.warm:
            work()
        elif not self.notes.found:
            with self.notes:
                work()
        else:
            for func, args, kwargs, kept in self.notes.found:
                for old, new in zip(kept, tensors_of(func(*args, **kwargs)), strict=True):
                    if new.data_ptr() != old.data_ptr():  # no view, and nothing that was done in place
                        old.copy_(new)
        self.warm = True


@pytest.mark.slow
def test_repeating_the_operations_of_one_step_on_its_tensors_is_every_step(
    like_a_gpu, data, known, monkeypatch
) -> None:
    """So a graph may do it: nothing that a step reads is a number of the host's or a tensor that the next replaces."""
    changes = {"normalization": "batch", "skip_strength": 0.7, "skip_start": "linear"}
    network = architecture(**changes).build()
    expected = one_batch_at_a_time(network, data, known, repr(changes))
    like_a_gpu(4 * SIZE)
    monkeypatch.setattr(captured, "repeated", lambda _: LikeAGraph())
    assert measured(network, data) == pytest.approx(expected, rel=1e-8)


def test_graphs_are_gone_with_the_work_that_they_repeat(like_a_gpu, data, monkeypatch) -> None:
    """Not when garbage is collected: the end of one takes workspaces from those that were captured after it."""

    class Graph:
        def __call__(self, work: captured.Work) -> None:
            work()

    made, alive = [], []

    def repeated(_: torch.device) -> Graph:
        graph = Graph()
        made.append(weakref.ref(graph))
        alive.append(sum(each() is not None for each in made))
        return graph

    like_a_gpu(4 * SIZE)
    monkeypatch.setattr(captured, "repeated", repeated)
    gc.disable()
    try:
        measured(architecture(normalization="batch").build(), data)
    finally:
        gc.enable()
    assert len(alive) > 10
    assert max(alive) == 3  # those of a walk: its move and two comparisons
    assert not any(each() for each in made)
