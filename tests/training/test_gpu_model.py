"""The model of a GPU: its launches against the design's counts, bytes and products against hand counts, its seconds
against another model of the same design, sharing against the queue's limits. Nothing here is a measurement."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from distnlc.networks.activations import plain_activation
from distnlc.networks.architecture import Architecture, width_for
from distnlc.networks.layered import Layered, Skip, uniform_layers
from distnlc.training.gpu_model import H200, Launch, count_step, step_seconds, together, train_step
from distnlc.training.spec import StepSpec


def network(depth: int, normalization: str, *, skips: bool = False) -> Layered:
    """One of the paper's size on CIFAR10."""
    return Architecture(
        index=0,
        seed=0,
        d_in=622,
        d_out=10,
        depth=depth,
        width=width_for(1_000_000, depth, 622, 10),
        activation="tanh",
        normalization=normalization,
        skip_strength=1.0 if skips else 0.0,
        skip_start="linear" if skips else "none",
    ).layered


OTHER_MS = {
    (3, "none", False): (0.08, 0.32, 1.45),
    (3, "batch", False): (0.08, 0.32, 1.45),
    (3, "layer", True): (0.09, 0.33, 1.48),
    (15, "none", False): (0.21, 0.39, 2.01),
    (15, "batch", False): (0.21, 0.39, 2.01),
    (15, "layer", True): (0.21, 0.39, 2.02),
    (49, "none", False): (0.63, 0.86, 3.23),
    (49, "batch", False): (0.63, 0.86, 3.23),
    (49, "layer", True): (0.64, 0.86, 3.24),
}
"""(depth, normalization, skips) -> milliseconds of a training step of 1, 8 and 40 members on an H200, by another model
of the same design, which was written without this one"""


@pytest.mark.parametrize("kind", OTHER_MS)
def test_a_step_takes_what_another_model_of_the_same_design_gives(kind: tuple[int, str, bool]) -> None:
    depth, normalization, skips = kind
    launches = train_step(network(depth, normalization, skips=skips), StepSpec())
    found = step_seconds(launches, (1, 8, 40), H200)
    ratios = 1e3 * found.graph_s / OTHER_MS[kind]
    assert max(*ratios, *(1 / ratios)) < 1.5
    assert (found.busy_s <= found.graph_s).all()


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
def test_a_hidden_layer_adds_five_launches_to_a_step_and_two_to_a_count(normalization: str) -> None:
    less, more = (network(depth, normalization) for depth in (15, 49))
    for step, each in ((train_step, 5), (count_step, 2)):
        assert len(step(more, StepSpec())) - len(step(less, StepSpec())) == each * (49 - 15)


def test_launches_and_bytes_are_those_counted_by_hand() -> None:
    """Two inputs, three hidden neurons, four outputs through a matrix; minibatches of 20 lie in rows of 32."""
    tanh = plain_activation("tanh")
    layers = uniform_layers([3, 3, 4], activation=tanh, normalization="batch")
    skip = Skip(start=1, end=3, strength=1.0, matrix=True)
    small, spec = Layered(2, layers, (skip,)), StepSpec(batch_size=20)
    found = train_step(small, spec)
    assert Counter(each.what for each in found) == {
        "gather": 1,
        "forward": 3,
        "carried": 1,
        "normalization and activation": 3,
        "loss": 1,
        "slope and normalization": 3,
        "carried delta": 1,
        "delta below": 2,
        "weights": 3,
        "counter": 1,
    }
    forward = [each for each in found if each.what == "forward"]
    assert forward[0] == Launch("forward", 3 * 16 + 3 * 32, 3 * 32, (3, 32, 3)), "one minibatch for all members"
    assert forward[1] == Launch("forward", 3 * 16 + 4 * 32 + 3 * 32, 0, (3, 32, 4)), "the row behind the last is ones"
    assert Launch("weights", 2 * 4 * 16 + 4 * 32 + 4 * 32, 0, (4, 4, 20)) in found, "moved in place"
    assert Launch("carried", 4 * 3 + 3 * 32 + 4 * 32, 0, (4, 32, 3)) in found
    between = [each.numbers for each in found if each.what == "normalization and activation"]
    assert between == [4 * 3 * 32, 3 * 3 * 32, 4 * 4 * 32], "the first one carries, the last one gets"


def test_an_optimizer_s_update_is_one_launch_over_all_parameters() -> None:
    small = network(3, "none")
    rows = [(width, -(-(below + 1) // 16) * 16) for width, below, _ in small.sizes]
    numbers = sum(width * row for width, row in rows)
    plain, adam = (train_step(small, StepSpec(optimizer=name)) for name in ("sgd", "adam"))  # type: ignore[arg-type]
    (update,) = [each for each in adam if each.what == "update"]
    assert len(adam) == len(plain) + 2, "and one that counts the updates"
    assert update.numbers == 7 * numbers
    assert sum(each.numbers for each in adam) == sum(each.numbers for each in plain) + 6 * numbers + 2


def test_a_launch_takes_the_longest_of_its_floor_its_bytes_and_its_tiles() -> None:
    def taken_s(numbers: int, product: tuple[int, int, int] | None = None, members: int = 1) -> float:
        return float(step_seconds([Launch("one", numbers, 0, product)], [members], H200).graph_s[0])

    assert taken_s(10) == H200.kernel_s
    assert taken_s(4 * 10**6) == pytest.approx(32e6 / H200.cache_bytes_s), "in the cache"
    assert taken_s(10**8) == pytest.approx(8e8 / H200.memory_bytes_s)
    big = 2 * 4096**3 / (H200.product_flops_s * H200.share)
    assert big < taken_s(10, (4096, 4096, 4096)) < 1.1 * big
    one, many = taken_s(10, (128, 128, 4096)), taken_s(10, (128, 128, 4096), members=33)
    assert many < 8 * one, "four tiles do not fill 132 processors"


def test_half_the_bytes_of_a_number_take_half_the_time() -> None:
    launch = [Launch("one", 10**9)]
    double, single = (step_seconds(launch, [1], H200, size).graph_s[0] for size in (8, 4))
    assert double == 2 * single


def test_processes_fill_each_other_s_gaps_and_no_more() -> None:
    found = [together(count, alone_s=10.0, filling_s=4.0) for count in range(1, 12)]
    assert found[0] == 10.0
    assert (np.diff(found) < 0).all()
    assert found[1] > 5.0, "two are not twice as fast: sometimes both want the GPU"
    assert found[-1] == pytest.approx(4.0, rel=0.01)
    assert together(8, alone_s=10.0, filling_s=10.0) == 10.0, "there are no gaps"
    assert together(8, alone_s=10.0, filling_s=0.0) == pytest.approx(10 / 8)


def test_a_gpu_of_half_the_processors_is_slower_where_it_is_full() -> None:
    half = replace(H200, processors=66, product_flops_s=H200.product_flops_s / 2)
    launches = train_step(network(3, "none"), StepSpec())
    whole, less = (step_seconds(launches, [40], gpu).graph_s[0] for gpu in (H200, half))
    assert 1.7 < less / whole < 2.1
