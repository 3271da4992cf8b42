"""Signal and noise through layers: against loops, against automatic differentiation, and in expectation."""

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.autograd.functional import jvp

from distnlc.metrics import propagation
from distnlc.metrics.gaussians import Gaussians
from distnlc.metrics.native_functions import fits
from distnlc.metrics.propagation import (
    HE,
    LECUN,
    Boundary,
    Grid,
    convolve,
    draw_weights,
    normalize_,
    rectify_,
    rescale_,
)
from distnlc.metrics.signal_moments import (
    Moments,
    fourth_moment,
    log_sensitivity,
    mean_absolute,
    mean_of_halves,
    moments,
    plain_moments,
    second_moment,
    variance,
)

DOUBLE = torch.float64


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return Gaussians(seed).draw(*shape).double()


def cell(boundary: Boundary, at: int, side: int, stride: int) -> int | None:
    """Where a cell outside the image is read; None: it is zero. `at` counts from the first cell of the padding."""
    if boundary == "periodic":
        return (at - 2) % side
    if boundary == "symmetric":
        return min(max(at - 1, 0), side - 1)
    low = {(1, 0): 1, (1, 1): 1, (2, 0): 0, (2, 1): 1}[stride, side % 2]
    return at - low if 0 <= at - low < side else None


@pytest.mark.parametrize("boundary", ["periodic", "symmetric", "zero"])
@pytest.mark.parametrize(("side", "stride"), [(4, 1), (5, 1), (6, 2), (7, 2)])
def test_a_convolution_is_the_obvious_loop(boundary: Boundary, side: int, stride: int) -> None:
    images, into, out = 2, 3, 2
    both, weights = drawn(images * side * side, into), draw_weights(into, out, 3, HE, Gaussians(1), DOUBLE)
    grid = Grid(side, boundary)
    found = convolve(both, weights, grid, stride)
    new = grid.halved().side if stride == 2 else side
    assert found.shape == (images * new * new, out)
    pictures = both.view(images, side, side, into)
    for image, row, column, channel in itertools.product(range(images), range(new), range(new), range(out)):
        total = 0.0
        for i, j in itertools.product(range(3), range(3)):
            y, x = (cell(boundary, stride * at + by, side, stride) for at, by in ((row, i), (column, j)))
            if y is not None and x is not None:
                total += float(pictures[image, y, x] @ weights[channel, :, i, j])
        assert float(found.view(images, new, new, out)[image, row, column, channel]) == pytest.approx(total)


@pytest.mark.parametrize(("kernel", "gain"), [(1, HE), (3, HE), (3, LECUN)])
def test_weights_have_the_variance_that_they_should(kernel: int, gain: float) -> None:
    weights = draw_weights(200, 300, kernel, gain, Gaussians(0), DOUBLE)
    assert weights.shape == ((200, 300) if kernel == 1 else (300, 200, 3, 3))
    assert float(weights.square().mean()) == pytest.approx(gain / (kernel**2 * 200), rel=0.02)
    assert torch.equal(weights.float(), draw_weights(200, 300, kernel, gain, Gaussians(0), torch.float32))


@pytest.mark.parametrize("epsilon", [0.0, 0.001])
@pytest.mark.parametrize("grid", [Grid(), Grid(4, "symmetric")], ids=["vectors", "images"])
def test_noise_is_pushed_by_the_jacobian_of_the_network_with_its_statistics_held(epsilon: float, grid: Grid) -> None:
    points, kernel = 8 * grid.side**2, 1 if grid.side == 1 else 3
    signal, noise = drawn(points, 6), drawn(points, 6, seed=1)
    weights = [draw_weights(6, 6, kernel, HE, Gaussians(each), DOUBLE) for each in (2, 3)]

    statistics: list[tuple[Tensor, Tensor]] = []
    x = signal
    for each in weights:
        y = convolve(x, each, grid)
        statistics.append((y.mean(0), y.var(0, correction=0)))
        x = torch.relu((y - statistics[-1][0]) / (statistics[-1][1] + epsilon).sqrt())

    def frozen(x: Tensor) -> Tensor:
        for each, (mean, var) in zip(weights, statistics, strict=True):
            x = torch.relu((convolve(x, each, grid) - mean) / (var + epsilon).sqrt())
        return x

    out, pushed = jvp(frozen, signal, noise)
    both = torch.cat([signal, noise])
    for each in weights:
        both = convolve(both, each, grid)
        normalize_(both, epsilon)
        rectify_(both)
    assert torch.allclose(both, torch.cat([out, pushed]), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize(("points", "features"), [(64, 512), (37, 130), (200, 64), (1, 3)])
def test_the_c_code_does_what_torch_does(
    points: int, features: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To rounding: sums are float64 in C and of the tensor's precision in torch."""
    both = (drawn(2 * points, features) + 0.3).to(dtype)
    assert propagation._native(both), "no compiler was found for the C code that this compares"
    found = steps(both.clone())
    monkeypatch.setattr(propagation, "_native", lambda _: None)
    rounding = 1e-5 if dtype == torch.float32 else 1e-13
    for ours, torch_s in zip(found, steps(both.clone()), strict=True):
        assert ours.dtype == torch_s.dtype
        assert torch.allclose(ours, torch_s, rtol=rounding, atol=rounding, equal_nan=True)


def steps(both: Tensor) -> list[Tensor]:
    """What each step makes, and what it returns."""
    signal, noise = both.chunk(2)
    variances = normalize_(both, 0.001)
    normalized = both.clone()
    rectified = rectify_(both).clone()
    return [variances, normalized, rectified, rescale_(noise), rescale_(signal.add_(1)), both]


@pytest.mark.parametrize("native", [True, False])
def test_the_gate_is_shut_at_zero(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not native:
        monkeypatch.setattr(propagation, "_native", lambda _: None)
    both = torch.tensor([[0.0, -1.0, 2.0], [5.0, 6.0, 7.0]])
    assert rectify_(both).tolist() == [[0.0, 0.0, 2.0], [0.0, 0.0, 7.0]]
    lost = rectify_(torch.tensor([[math.nan, 1.0], [1.0, 1.0]]))
    assert math.isnan(float(lost[0, 0]))


@pytest.mark.parametrize("far", [0.0, 100.0])
@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize("shape", [(128, 512), (74, 130), (6, 3)])
def test_all_moments_at_once_are_those_one_by_one(shape: tuple[int, int], dtype: torch.dtype, far: float) -> None:
    both = (drawn(*shape) * torch.linspace(0.5, 2, shape[1]) + far).to(dtype)
    signal, noise = both.double().chunk(2)
    expected = Moments(
        second=second_moment(signal),
        variance=variance(signal),
        fourth=fourth_moment(signal),
        mean_absolute=mean_absolute(signal),
        halves=mean_of_halves(signal),
        noise=second_moment(noise),
        noise_ratio=float((noise.square().mean(0) / signal.var(0, correction=0)).mean()),
    )
    found, plain = moments(both), Moments(*plain_moments(*both.chunk(2)).tolist())
    assert found == pytest.approx(expected, rel=1e-10, abs=1e-10)  # float64 inside, whatever the dtype
    assert plain == pytest.approx(expected, rel=3e-5, abs=1e-3 if far else 1e-6)
    assert found.log_sensitivity == pytest.approx(log_sensitivity(both.double()))


def test_what_is_not_row_after_row_or_is_derived_is_left_to_torch() -> None:
    both = drawn(6, 4)
    assert not fits(both.T)
    assert not fits(both.requires_grad_())
    assert not fits(torch.ones(2, 2, dtype=torch.int64))
    columns = drawn(4, 6).T
    before = columns[:3].var(0, correction=0)
    assert torch.allclose(normalize_(columns, 0.1), before)
    assert torch.allclose(columns[:3].var(0, correction=0), before / (before + 0.1))


@pytest.mark.parametrize("epsilon", [0.0, 0.5])
def test_batch_norm_leaves_each_feature_the_variance_that_epsilon_lets_it_have(epsilon: float) -> None:
    both = drawn(200, 4) * torch.tensor([0.1, 1.0, 3.0, 10.0]) + 5
    before = both[:100].var(0, correction=0)
    found = normalize_(both, epsilon)
    assert torch.allclose(found, before)
    assert torch.allclose(both[:100].var(0, correction=0), before / (before + epsilon))
    assert torch.allclose(both[:100].mean(0), torch.zeros(4, dtype=DOUBLE), atol=1e-12)


def test_a_relu_halves_the_second_moment_of_both_and_a_he_layer_doubles_it() -> None:
    both = drawn(2000, 400)
    signal, noise = both.chunk(2)
    layer = convolve(both, draw_weights(400, 400, 1, HE, Gaussians(9), DOUBLE), Grid())
    assert second_moment(layer.chunk(2)[0]) == pytest.approx(2 * second_moment(signal), rel=0.03)
    assert second_moment(layer.chunk(2)[1]) == pytest.approx(2 * second_moment(noise), rel=0.03)
    before = [second_moment(each) for each in layer.chunk(2)]
    after = [second_moment(each) for each in rectify_(layer).chunk(2)]
    assert after == pytest.approx([each / 2 for each in before], rel=0.03)


def test_without_relu_and_batch_norm_the_sensitivity_stays_of_order_one() -> None:
    both, width = drawn(64, 128), 128
    gaussians = Gaussians(11)
    signal_before = variance(both.chunk(2)[0])
    for _ in range(20):
        both = convolve(both, draw_weights(width, width, 1, HE, gaussians, DOUBLE), Grid())
    assert abs(log_sensitivity(both)) < 0.5
    assert math.log2(variance(both.chunk(2)[0]) / signal_before) == pytest.approx(20, abs=2)


def test_rescaling_says_what_it_took() -> None:
    features = drawn(50, 8) * 1e12
    before = math.log(second_moment(features))
    assert float(rescale_(features)) == pytest.approx(before)
    assert second_moment(features) == pytest.approx(1)
