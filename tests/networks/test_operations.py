"""The order of a network's operations."""

from distnlc.networks.activations import plain_activation
from distnlc.networks.layered import Layer, Layered, uniform_layers
from distnlc.networks.operations import Operation, operations


def test_operations_come_in_order_of_execution_and_those_that_are_not_there_are_left_out() -> None:
    layers = (
        Layer(width=3, normalization="batch", activation=plain_activation("relu")),
        Layer(width=4, activation=plain_activation("tanh")),
        Layer(width=2, normalization="layer"),
    )
    assert operations(Layered(5, layers)) == (
        Operation("linear", 1, 3),
        Operation("normalization", 1, 3),
        Operation("activation", 1, 3),
        Operation("linear", 2, 4),
        Operation("activation", 2, 4),
        Operation("linear", 3, 2),
        Operation("normalization", 3, 2),
    )


def test_a_network_of_the_paper_has_a_normalization_behind_every_linear_layer_and_49_activations() -> None:
    layers = uniform_layers(
        [100] * 50, activation=plain_activation("relu"), normalization="batch", output_normalization="batch"
    )
    kinds = [each.kind for each in operations(Layered(100, layers))]
    assert [kinds.count(kind) for kind in ("linear", "normalization", "activation")] == [50, 50, 49]
