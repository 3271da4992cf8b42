"""Effective depth against the paper's loop as printed, its invariants, and terms that are counted one by one."""

import pytest
import torch
from torch import Tensor

from distnlc.metrics.effective_depth import EffectiveDepth, LinearCrossing
from distnlc.metrics.gradient_lengths import INPUT, GradientLengths, activated, along_normalization, normalized, norms
from distnlc.metrics.operator_norms import OperatorNorms
from distnlc.networks.initialization import Parameters
from distnlc.networks.layered import Layered
from distnlc.networks.mlp import MLP
from tests.helpers.layered_networks import batch, moved, numbers, residual, vanilla

POINTS, STEP = 12, 0.05
NETWORKS = {
    "layer-tanh": vanilla(6),
    "batch-relu": vanilla(6, width=16, normalization="batch", activation="relu"),
    "selu": vanilla(5, normalization="none", activation="selu"),
    "residual layer-tanh": residual(3),
    "residual batch-relu": residual(2, width=16, normalization="batch", activation="relu"),
    "skips behind the normalization": residual(2, begins_after="normalization"),
}
named = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


def measured(network: Layered, size: float) -> tuple[GradientLengths, list[Tensor], list[Tensor], Tensor]:
    """Lengths at moved weights, the initial and the moved weights, the gradient at the outputs."""
    initial = numbers(network)
    weights = moved(initial.weights, size)
    inputs, labels = batch(network, POINTS)
    lengths = GradientLengths(network, weights, initial.matrices)
    delta = torch.softmax(lengths.forward(inputs), 1) - torch.nn.functional.one_hot(labels, network.d_out)
    lengths.backward(delta)
    return lengths, initial.weights, weights, delta


@named
def test_lengths_are_those_that_autograd_finds(network: Layered) -> None:
    lengths, _, weights, _ = measured(network, 0.3)
    module = MLP(network, Parameters(weights, [None] * len(weights), numbers(network).matrices))
    inputs, labels = batch(network, POINTS)
    taken: dict[tuple[str, int], Tensor] = {INPUT: inputs.requires_grad_()}
    normalize = module.normalize

    def tapped(signal: Tensor, kind: str) -> Tensor:
        number = sum(name == "linear" for name, _ in taken) + 1
        taken["linear", number] = signal
        signal.retain_grad()
        found = normalize(signal, kind)
        if kind != "none":
            taken["normalization", number] = found
            found.retain_grad()
        return found

    module.normalize = tapped  # type: ignore[method-assign]
    torch.nn.functional.cross_entropy(module(inputs), labels, reduction="sum").backward()
    for place, signal in taken.items():
        assert signal.grad is not None
        torch.testing.assert_close(lengths.signals[place], norms(signal.detach()))
        if place != INPUT or not network.skips:
            torch.testing.assert_close(lengths.gradients[place], norms(signal.grad))


@named
def test_sums_are_those_of_the_loop_as_printed(network: Layered) -> None:
    lengths, initial, weights, _ = measured(network, 0.3)
    residuals = torch.stack([torch.linalg.matrix_norm(b - a, 2) for a, b in zip(initial, weights, strict=True)])
    depth = EffectiveDepth(network.depth)
    depth.add(lengths.way(residuals, [STEP / POINTS] * network.depth), lengths.top)
    torch.testing.assert_close(depth.sums, printed(network, lengths, residuals), rtol=1e-12, atol=0)


def printed(network: Layered, lengths: GradientLengths, residuals: Tensor) -> Tensor:
    """The spec's pseudo-code, operation by operation from the outputs down."""
    acc = torch.zeros(network.depth, network.depth + 1, dtype=torch.float64)
    arr = torch.zeros(POINTS, network.depth + 1, dtype=torch.float64)
    arr[:, 0] = lengths.top
    at, copy, top = lengths.top, arr, lengths.top

    def cross(arr: Tensor, num: Tensor, den: Tensor, op: Tensor | float) -> Tensor:
        new = arr * (num / den)[:, None]
        new[:, 1:] += arr[:, :-1] * op
        return new

    for number in range(network.depth, 0, -1):
        begins = network.beginning_in(number)
        for kind in ("activation", "normalization", "linear"):
            if (kind, number) not in lengths.gradients:
                continue
            place = lengths.gradients[kind, number]
            if begins and begins.begins_after == kind and begins.end <= network.depth:
                arr = cross(arr, lengths.inside[number], at, 0.0)
                arr = arr + copy * ((place - lengths.inside[number]) / top)[:, None]
            else:
                arr = cross(arr, place, at, 0.0)
            at = place
        if network.ending_in(number):
            copy, top = arr, at
        below = [k for k in ("activation", "normalization", "linear") if (k, number - 1) in lengths.signals]
        signal = lengths.signals[below[0], number - 1] if number > 1 else lengths.signals[INPUT]
        tail = arr.flip(1).cumsum(1).flip(1)
        acc[number - 1] += STEP / POINTS * (tail * signal[:, None]).sum(0)
        arr = cross(arr, lengths.below[number - 1], at, residuals[number - 1])
        at = lengths.below[number - 1]
    return acc


@named
def test_without_residuals_the_bound_is_the_gradient_and_the_depth_is_0(network: Layered) -> None:
    lengths, *_ = measured(network, 0.0)
    depth = EffectiveDepth(network.depth)
    depth.add(lengths.way(torch.zeros(network.depth), [1.0] * network.depth), lengths.top)
    assert depth.depth() == 0
    assert not depth.sums[:, 1:].any()
    kinds = ("activation", "normalization", "linear")
    for number in range(1, network.depth + 1):
        below = next((p for p in ((k, number - 1) for k in kinds) if p in lengths.signals), INPUT)
        expected = (lengths.gradients["linear", number] * lengths.signals[below]).sum()
        torch.testing.assert_close(depth.sums[number - 1, 0], expected)


@named
def test_terms_counted_one_by_one_add_up_to_the_gradient_and_stay_below_the_bound(network: Layered) -> None:
    lengths, initial, weights, delta = measured(network, 0.3)
    residuals = torch.stack([torch.linalg.matrix_norm(b - a, 2) for a, b in zip(initial, weights, strict=True)])
    depth = EffectiveDepth(network.depth)
    depth.add(lengths.way(residuals, [STEP / POINTS] * network.depth), lengths.top)
    true, whole = exact_terms(network, initial, weights, delta)
    for number in range(1, network.depth + 1):
        torch.testing.assert_close(norms(whole[number - 1]), lengths.gradients["linear", number])
    assert (depth.sums >= STEP / POINTS * true).all()
    assert (true[0, : network.depth] > 0).all()
    assert not true[0, network.depth :].any()


def exact_terms(
    network: Layered, initial: list[Tensor], weights: list[Tensor], delta: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Per layer and lambda, the length of the weights' gradient by terms with at least lambda residual factors; per
    layer, the sum of all terms at its linear operation (points, width)."""
    inputs, _ = batch(network, POINTS)
    matrices = iter(numbers(network).matrices)
    fixed = {skip.end: next(matrices) for skip in network.skips if skip.matrix}
    signals, kept, signal, carried = [], [], inputs, inputs
    for number, layer in enumerate(network.layers, start=1):
        signals.append(signal)
        signal = signal @ weights[number - 1].T
        if network.ending_in(number):
            signal = signal + (carried @ fixed[number].T if number in fixed else carried)
        begins = network.beginning_in(number)
        carried = signal if begins and begins.begins_after == "linear" else carried
        inverse = None
        if layer.normalization != "none":
            signal, inverse = normalized(layer.normalization, signal)
        carried = signal if begins and begins.begins_after == "normalization" else carried
        output, slope = activated(layer, signal)
        kept.append((signal, inverse, slope))
        signal = output
    terms = torch.zeros(network.depth + 1, *delta.shape, dtype=torch.float64)  # (residual factors, points, width)
    terms[0] = delta
    lengths, whole, bypassing = torch.zeros(network.depth, network.depth + 1), [delta] * network.depth, terms
    for number in range(network.depth, 0, -1):
        layer, (normal, inverse, slope) = network.layers[number - 1], kept[number - 1]
        begins = network.beginning_in(number)
        terms = terms if slope is None else terms * slope
        terms = terms + bypassing if begins and begins.begins_after == "normalization" else terms
        terms = terms if inverse is None else along_normalization(layer.normalization, normal, inverse, terms)
        terms = terms + bypassing if begins and begins.begins_after == "linear" else terms
        if network.ending_in(number):
            bypassing = terms @ fixed[number] if number in fixed else terms
        whole[number - 1] = terms.sum(0)
        tails = terms.flip(0).cumsum(0).flip(0)
        lengths[number - 1] = torch.linalg.matrix_norm(tails.mT @ signals[number - 1])
        crossed = terms @ initial[number - 1]
        crossed[1:] += terms[:-1] @ (weights[number - 1] - initial[number - 1])
        terms = crossed
    return lengths.double(), whole


def test_a_gradient_of_length_0_adds_nothing() -> None:
    zero, one = torch.zeros(1), torch.ones(1)
    depth = EffectiveDepth(2)
    depth.add([LinearCrossing(layer=0, above=zero, below=zero, signal=one, residual=1.0, rate=1.0)] * 2, zero)
    assert not depth.sums.any()


def test_the_threshold_decides_the_depth() -> None:
    depth = EffectiveDepth(4)
    depth.sums[0] = torch.tensor([1.0, 1e-3, 1e-5, 1e-7, 0.0])
    depth.sums[1] = torch.tensor([1.0, 1e-3, 1e-3, 0.0, 0.0])
    assert [depth.depth(threshold) for threshold in (2.0, 1e-2, 1e-4, 1e-6, 1e-8)] == [0, 0, 2, 2, 3]


def test_operator_norms_follow_matrices_that_change_slowly() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(9, 30), (9, 9), (9, 9), (4, 9)]
    matrices = [torch.zeros(shape, dtype=torch.float64) for shape in shapes]
    following = OperatorNorms(shapes)
    assert following(matrices).tolist() == [0.0] * 4
    for update in range(30):
        for matrix in matrices:
            matrix.add_(torch.randn(matrix.shape, generator=generator, dtype=torch.float64), alpha=0.01)
        exact = torch.stack([torch.linalg.svdvals(matrix)[0] for matrix in matrices])
        found = following(matrices)
        assert (found <= exact * (1 + 1e-12)).all()
        if update > 10:
            torch.testing.assert_close(found, exact, rtol=0.05, atol=0)
    torch.testing.assert_close(following.renew(matrices), exact)
    torch.testing.assert_close(following(matrices), exact)
