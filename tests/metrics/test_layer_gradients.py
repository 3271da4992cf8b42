"""The fast pass against autograd on small networks of every form, in C and in torch."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from distnlc.metrics import layer_gradients as module
from distnlc.metrics.layer_gradients import layer_gradients
from distnlc.metrics.layer_passes import NativePasses, Passes, TorchPasses, passes
from distnlc.networks.activations import make_activation, plain_activation
from distnlc.networks.initialization import Parameters, gaussian
from distnlc.networks.layered import Layer, Layered, Skip, uniform_layers

POINTS = 2 * module.CHUNK + 7
"""two chunks and a part of one"""
SKIPS = {
    "none": (),
    "identity": (Skip(start=1, end=3), Skip(start=3, end=5)),
    "one layer": tuple(Skip(start=start, end=start + 1) for start in range(1, 5)),
    "matrix": (Skip(start=1, end=3, matrix=True), Skip(start=3, end=5, matrix=True)),
    "with a gap": (Skip(start=2, end=3, matrix=True), Skip(start=4, end=5)),
}


def network(normalization: str, kind: str, skips: str) -> tuple[Layered, Parameters]:
    widths = [6, 6, 6, 6, 6] if skips != "none" else [6, 4, 6, 4, 6]
    layers = uniform_layers(
        widths,
        activation=plain_activation(kind),
        bias=False,
        normalization=normalization,
        output_normalization=normalization,
    )
    layered = Layered(5, layers, SKIPS[skips])
    return layered, gaussian(layered, [2 / d_in for _, d_in, _ in layered.sizes], seed=3)


def points(layered: Layered) -> tuple[Tensor, Tensor]:
    generator = np.random.default_rng(0)
    shapes = (POINTS, layered.d_in), (POINTS, layered.d_out)
    inputs, directions = (torch.from_numpy(generator.standard_normal(shape)) for shape in shapes)
    return inputs, directions


def normalized(signal: Tensor, kind: str) -> Tensor:
    dimension = 0 if kind == "batch" else 1
    if kind != "length":
        signal = signal - signal.mean(dimension, keepdim=True)
    squares = signal.square().mean(dimension, keepdim=True)
    return torch.where(squares == 0, 0, signal / torch.where(squares == 0, 1, squares).sqrt())


def plain(layered: Layered, parameters: Parameters, inputs: Tensor, directions: Tensor) -> dict[str, Any]:
    """What layer_gradients gives, by autograd, every place kept."""
    signal = inputs.clone().requires_grad_()
    places, carried, matrices = [signal], signal, iter(parameters.matrices)
    found: dict[str, Any] = {"spreads": {}, "carried": [], "added": []}

    def reached(signal: Tensor) -> Tensor:
        signal.retain_grad()
        places.append(signal)
        return signal

    for number, (layer, weight) in enumerate(zip(layered.layers, parameters.weights, strict=True), start=1):
        signal = signal @ weight.T
        if ending := layered.ending_in(number):
            brought = carried @ next(matrices).T if ending.matrix else carried
            found["carried"].append(mean_length(brought))
            found["added"].append(mean_length(signal))
            signal = signal + brought
        signal = reached(signal)
        if layered.beginning_in(number):
            carried = signal
        if layer.normalization != "none":
            signal = reached(normalized(signal, layer.normalization))
        if layer.activation is not None:
            share = (signal > 0).double().mean(0)
            std = float(signal.detach().var(0, correction=0).mean().sqrt())
            found["spreads"][number] = (std, float(torch.minimum(share, 1 - share).mean()))
            signal = reached(layer.activation(signal))
    errors = (signal * directions).sum(1)
    errors.sum().backward()
    return found | {
        "lengths": [mean_length(place) for place in places],
        "gradients": [mean_length(place.grad) for place in places],
        "error": float(errors.detach().square().mean().sqrt()),
        "widths": [place.shape[1] for place in places],
    }


def mean_length(values: Tensor | None) -> float:
    assert values is not None
    return float(values.detach().square().sum(1).mean().sqrt())


@pytest.fixture(params=[passes, TorchPasses], ids=["native", "torch"])
def by(request: pytest.FixtureRequest) -> Passes:
    made: Passes = request.param()
    return made


def test_there_are_c_functions_where_there_is_a_compiler() -> None:
    assert isinstance(passes(), NativePasses)


@pytest.mark.parametrize("skips", SKIPS)
@pytest.mark.parametrize("kind", ["relu", "tanh", "selu"])
@pytest.mark.parametrize("normalization", ["none", "batch", "layer", "length"])
def test_the_fast_pass_agrees_with_autograd(normalization: str, kind: str, skips: str, by: Passes) -> None:
    layered, parameters = network(normalization, kind, skips)
    data = points(layered)
    expected, found = plain(layered, parameters, *data), layer_gradients(layered, parameters, *data, by)
    for name in ("lengths", "gradients", "error", "widths", "carried", "added"):
        assert getattr(found, name) == pytest.approx(expected[name], rel=1e-10), name
    assert {number: (each.std, each.sign_diversity) for number, each in found.spreads.items()} == {
        number: pytest.approx(each, rel=1e-10) for number, each in expected["spreads"].items()
    }


def test_a_matrix_carries_the_stream_to_outputs_of_another_width(by: Passes) -> None:
    skips = (Skip(start=1, end=3), Skip(start=3, end=5, matrix=True))
    layers = network("batch", "tanh", "identity")[0].layers[:-1]
    layered = Layered(5, (*layers, Layer(width=3, bias=False, normalization="batch")), skips)
    parameters = gaussian(layered, [0.2] * 5, seed=1)
    data = points(layered)
    expected, found = plain(layered, parameters, *data), layer_gradients(layered, parameters, *data, by)
    assert found.gradients == pytest.approx(expected["gradients"], rel=1e-10)
    assert found.carried == pytest.approx(expected["carried"], rel=1e-10)


def test_the_expected_scale_is_the_product_of_its_quadratic_means(by: Passes) -> None:
    layered, parameters = network("layer", "tanh", "none")
    data = points(layered)
    expected, found = plain(layered, parameters, *data), layer_gradients(layered, parameters, *data, by)
    jacobian = expected["gradients"][0] / math.sqrt(5)
    assert found.scale(0) == pytest.approx(jacobian * expected["lengths"][0] / expected["error"], rel=1e-10)


@pytest.mark.parametrize("normalization", ["batch", "layer", "length"])
def test_neurons_and_points_without_spread_become_0_and_pass_no_gradient(normalization: str, by: Passes) -> None:
    layered, parameters = network(normalization, "relu", "none")
    inputs, directions = points(layered)
    if normalization == "batch":
        parameters.weights[0][1] = 0
    else:
        inputs[1] = 0
    found = layer_gradients(layered, parameters, inputs, directions, by)
    assert all(map(math.isfinite, found.lengths + found.gradients))


def test_batch_statistics_lose_no_digits_to_a_large_mean(by: Passes) -> None:
    layered, parameters = network("batch", "tanh", "none")
    inputs, directions = points(layered)
    near = layer_gradients(layered, parameters, inputs, directions, by)
    far = layer_gradients(layered, parameters, inputs + 1e5, directions, by)
    assert far.spreads[4].sign_diversity == near.spreads[4].sign_diversity
    assert far.gradients[1:] == pytest.approx(near.gradients[1:], rel=1e-8)


@pytest.mark.parametrize(
    ("layered", "message"),
    [
        (Layered(3, (Layer(width=3),)), "layer 1 has a bias"),
        (Layered(3, (Layer(width=3, bias=False), Layer(width=3, bias=False))), "layer 1 has no activation function"),
        (
            Layered(3, (Layer(width=3, bias=False, activation=plain_activation("tanh")),)),
            "the last layer has an activation",
        ),
        (
            Layered(3, (Layer(width=3, bias=False, activation=make_activation("sigmoid")), Layer(width=2, bias=False))),
            "cover plain relu, tanh, selu, but layer 1 has sigmoid",
        ),
        (
            Layered(3, network("none", "relu", "identity")[0].layers, (Skip(start=1, end=3, strength=0.5),)),
            "skip connections of strength 1",
        ),
    ],
)
def test_what_is_not_covered_is_refused_by_name(layered: Layered, message: str) -> None:
    weights = [torch.ones(d_out, d_in, dtype=torch.float64) for d_out, d_in, _ in layered.sizes]
    with pytest.raises(ValueError, match=message):
        layer_gradients(layered, Parameters(weights, [None] * layered.depth, []), torch.ones(2, 3), torch.ones(2, 3))
