"""Taylor reduction: its order of error, and the trained network itself where nothing is replaced."""

import pytest
import torch

from distnlc.metrics.gradient_lengths import GradientLengths
from distnlc.metrics.taylor_reduction import taylor_outputs
from distnlc.networks.layered import Layered
from tests.helpers.layered_networks import batch, moved, numbers, residual, vanilla

NETWORKS = {
    "layer-tanh": vanilla(8),
    "batch-selu": vanilla(5, normalization="batch", activation="selu"),
    "length-tanh": vanilla(5, normalization="length"),
    "residual": residual(3),
    "residual behind the normalization": residual(2, begins_after="normalization"),
}


def errors(network: Layered, size: float) -> torch.Tensor:
    """Relative error of the outputs with 1, 2, ... all linear layers replaced."""
    initial = numbers(network)
    trained = moved(initial.weights, size)
    inputs, _ = batch(network, 50)
    outputs = GradientLengths(network, trained, initial.matrices).forward(inputs)
    found = taylor_outputs(network, initial.weights, trained, initial.matrices, inputs)
    return (found - outputs).flatten(1).norm(dim=1) / outputs.norm()


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_the_error_falls_with_the_cube_of_the_residuals(network: Layered) -> None:
    large, small = errors(network, 1e-2), errors(network, 1e-3)
    assert large[0] < 1e-14
    assert (small[2:] < large[2:] / 500).all()
    assert (small[2:] > large[2:] / 2000).all()


def test_the_errors_of_eight_layers_are_the_specs() -> None:
    """The spec found 4.7e-2, 4.9e-5 and 5.0e-8 with all layers replaced, of a network and residuals of its own."""
    found = [float(errors(vanilla(8, width=100, d_in=100, d_out=100), size)[-1]) for size in (0.1, 0.01, 0.001)]
    assert found == pytest.approx([4.7e-2, 4.9e-5, 5.0e-8], rel=0.5)


def test_two_linear_layers_without_an_activation_function_lose_one_product_of_residuals_alone() -> None:
    """(W0 + R)(V0 + S) x less its expansion is R S x in T's first-order part; T itself keeps it, since each layer's
    residual acts on I + V, which holds the change of the layer below."""
    network = vanilla(2, normalization="none", activation="tanh")
    plain = Layered(network.d_in, tuple(type(layer)(width=layer.width, bias=False) for layer in network.layers))
    assert (errors(plain, 0.5) < 1e-14).all()
