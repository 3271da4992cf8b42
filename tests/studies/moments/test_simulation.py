"""One simulation: against a plain one, what it is invariant to, both precisions, and depths that overflow."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from distnlc.metrics import effective_rank, gaussians, propagation, signal_moments
from distnlc.metrics.gaussians import Gaussians
from distnlc.spec import derive_seed
from distnlc.studies.moments.simulation import _single, normalized, propagated, simulate, start
from distnlc.studies.moments.spec import Spec
from tests.studies.moments.plain_moments import plain_simulation

IMAGES = torch.randn(40, 3, 12, 12, generator=torch.Generator().manual_seed(0)) * 60 + 120
NETS = ("vanilla", "bn_ff", "bn_res")


def part_of(**fields: Any) -> Spec:
    small = {"kind": "moments", "width": 24, "depth": 4, "batch": 16, "measure_every": 1, "dtype": "float64"}
    return Spec.parse(small | {"data": {"name": "gaussian-images", "shape": [3, 12, 12]}} | fields)


def chosen(part: Spec, seed: int) -> Tensor:
    order = np.random.default_rng(derive_seed("images", seed)).permutation(len(IMAGES))
    return IMAGES[torch.from_numpy(order[: part.batch])].double()


@pytest.mark.parametrize(
    ("net", "kernel", "boundary", "epsilon"),
    [
        *((net, 1, "periodic", 0.001) for net in NETS),
        *itertools.product(NETS, [3], ["periodic", "symmetric", "zero"], [0.001]),
        ("bn_ff", 3, "periodic", 0.0),
    ],
)
def test_a_simulation_is_the_plain_one(net: str, kernel: int, boundary: str, epsilon: float) -> None:
    part = part_of(net=net, kernel=kernel, boundary=boundary, epsilon=epsilon)
    batch, gaussians = chosen(part, 7), Gaussians(7)
    if kernel == 1:
        flat = batch.flatten(1)
        x = ((flat - flat.mean(0)) / flat.std(0, correction=0))[:, None, None, :]
        dx = gaussians.draw(*flat.shape).double()[:, None, None, :]
    else:
        mean, deviation = batch.mean((0, 2, 3), keepdim=True), batch.std((0, 2, 3), correction=0, keepdim=True)
        x = ((batch - mean) / deviation).permute(0, 2, 3, 1)
        dx = gaussians.draw(*batch.shape).double().permute(0, 2, 3, 1)
    found, expected = simulate(part, IMAGES, 7), plain_simulation(part, x, dx, gaussians)
    assert len(found) == part.depth
    for row, plain in zip(found, expected, strict=True):
        assert row == pytest.approx(plain, rel=3e-6, abs=1e-9)  # ranks: to 1e-6


@pytest.mark.parametrize("net", NETS)
def test_measuring_some_layers_changes_no_other(net: str) -> None:
    every, some = part_of(net=net), part_of(net=net, measure_every=2)
    rows = simulate(every, IMAGES, 3)
    assert simulate(some, IMAGES, 3) == [rows[1], rows[3]]


@pytest.mark.parametrize("net", NETS)
def test_without_c_code_a_simulation_is_the_same_but_for_rounding(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    part = part_of(net=net, kernel=3)
    expected = simulate(part, IMAGES, 3)
    monkeypatch.setattr(gaussians, "_native", lambda: None)
    for module, function in ((propagation, "_native"), (signal_moments, "_functions"), (effective_rank, "_native")):
        monkeypatch.setattr(module, function, lambda _: None)
    for row, other in zip(expected, simulate(part, IMAGES, 3), strict=True):
        assert other == pytest.approx(row, rel=3e-6, abs=1e-9)  # ranks: to 1e-6


class Scaled(Gaussians):
    """Weights times a factor; each layer's its own if several are given."""

    def __init__(self, seed: int, factors: list[float]) -> None:
        super().__init__(seed)
        self.factors = itertools.cycle(factors)

    def draw(self, *shape: int, deviation: float = 1.0) -> Tensor:
        return super().draw(*shape, deviation=deviation) * next(self.factors)


@pytest.mark.parametrize(
    ("net", "factors", "epsilon"),
    [("vanilla", [3.0], 0.001), ("vanilla", [3.0, 0.5], 0.001), ("bn_ff", [3.0, 0.25, 10.0], 0.0)],
)
def test_the_sensitivity_does_not_see_a_scale_of_the_weights(net: str, factors: list[float], epsilon: float) -> None:
    part = part_of(net=net, epsilon=epsilon, kernel=3)
    plain, scaled = (
        list(propagated(part, *start(part, IMAGES, 5, "cpu")[:2], Scaled(5, each))) for each in ([1.0], factors)
    )
    others = {"log_second_moment_signal", "log_variance_noise"}
    if net == "vanilla":  # theorem 2 is for weights of He's variance
        others.add("delta_chi_predicted")
    ours = [name for name in plain[0] if name not in others]
    for one, other in zip(plain, scaled, strict=True):
        assert [other[name] for name in ours] == pytest.approx([one[name] for name in ours], rel=1e-5)


@pytest.mark.parametrize("net", NETS)
def test_only_the_sensitivity_itself_sees_a_scale_of_the_noise(net: str) -> None:
    part = part_of(net=net)
    both, grid, _ = start(part, IMAGES, 5, "cpu")
    louder = torch.cat([both[: len(both) // 2], 1e20 * both[len(both) // 2 :]])
    plain, loud = (list(propagated(part, each, grid, Gaussians(5))) for each in (both, louder))
    for one, other in zip(plain, loud, strict=True):
        scaled = {"chi": 1e20 * one["chi"], "log_variance_noise": one["log_variance_noise"] + 2 * math.log(1e20)}
        assert other == pytest.approx(one | scaled, rel=1e-6)


@pytest.mark.parametrize("net", NETS)
def test_both_precisions_simulate_the_same_network(net: str) -> None:
    """As long as rounding has not grown to the size of the signal, which batch norm makes it do in some 90 layers."""
    single, double = (simulate(part_of(net=net, depth=20, dtype=each), IMAGES, 2) for each in ("float32", "float64"))
    for one, other in zip(single, double, strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(("net", "depth"), [("bn_ff", 1000), ("vanilla", 1000)])
def test_neither_noise_nor_signal_overflows_in_32_bits(net: str, depth: int) -> None:
    """Narrow networks with zeros beyond the edge lose half of their signal in a few layers, those with batch norm
    amplify noise beyond what 32 bits hold."""
    kernel = {"kernel": 3, "boundary": "zero"} if net == "vanilla" else {}
    last = simulate(part_of(net=net, depth=depth, measure_every=depth, dtype="float32", width=16, **kernel), IMAGES, 1)[
        0
    ]
    if net == "bn_ff":
        assert last["chi"] > 1e40
        assert math.log(last["chi"]) == pytest.approx(last["log_variance_noise"] / 2, abs=2)
    else:
        assert last["log_second_moment_signal"] < -103  # the smallest number of 32 bits
    assert last["rank_signal"] >= 1


def test_numbers_of_32_bits_are_kept_with_no_more_digits_than_they_have() -> None:
    """With all of its digits a million rows would take 90 MB."""
    single, double = (simulate(part_of(dtype=each), IMAGES, 2)[-1] for each in ("float32", "float64"))
    values = {name: value for name, value in single.items() if isinstance(value, float)}
    assert values == {name: float(np.float32(value)) for name, value in values.items()}
    assert all(double[name] != float(np.float32(double[name])) for name in values)
    assert [_single(value) for value in (1 / 3, 1e300, -0.1, 0.0)] == pytest.approx([1 / 3, 1e300, -0.1, 0], rel=6e-8)


def test_a_sensitivity_that_no_number_holds_is_said_to_be_one() -> None:
    with pytest.raises(ValueError, match=r"no finite chi at layer 5000: .* the sensitivity is above 1e308"):
        simulate(part_of(net="bn_ff", depth=5000, measure_every=5000, width=32), IMAGES, 1)


def test_a_signal_that_does_not_vary_is_said_to_have_collapsed() -> None:
    with pytest.raises(ValueError, match=r"seed 1 has no finite chi.* at layer 1: the signal has collapsed"):
        simulate(part_of(net="vanilla"), torch.ones(40, 3, 12, 12), 1)


def test_a_batch_is_normalized_by_its_own_statistics_and_what_is_constant_becomes_zero() -> None:
    vectors = torch.tensor([[0.0, 5.0], [2.0, 5.0]])
    assert normalized(vectors).tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    images = normalized(IMAGES.double())
    assert torch.allclose(images.mean((0, 2, 3)), torch.zeros(3, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(images.var((0, 2, 3), correction=0), torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_pixel_of_any_constant_value_becomes_zero_and_a_faint_one_does_not(dtype: torch.dtype) -> None:
    """The mean of equal numbers differs from them by rounding: MNIST's corners, once standardized, are -0.4242."""
    for value in (-0.4242, 0.1, 37 / 255):
        assert normalized(torch.full((48, 3), value, dtype=dtype)).abs().max() < 1e-3
        assert normalized(torch.full((48, 1, 4, 4), value, dtype=dtype)).abs().max() < 1e-3
    lonely = torch.zeros(1000, 1, dtype=dtype)
    lonely[3] = 0.1
    assert float(normalized(lonely).square().mean()) == pytest.approx(1)


def test_simulations_of_other_seeds_have_other_images_noise_and_weights() -> None:
    part = part_of()
    one, other = (start(part, IMAGES, seed, "cpu") for seed in (1, 2))
    assert not torch.equal(one[0][:16], other[0][:16])
    assert not torch.equal(one[0][16:], other[0][16:])
    assert not torch.equal(one[2].draw(5), other[2].draw(5))
