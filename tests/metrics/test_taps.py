"""The places at which a network is measured, and errors that name theirs."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import distnlc
from distnlc.metrics.normalized_sensitivity import output_sensitivity
from tests.helpers.sensitivities import Calling, chis


def entries(network: Any, inputs: Tensor) -> list[tuple[str, str, int]]:
    return [row[:3] for row in distnlc.normalized_sensitivity(network, inputs)][1:-1]


def test_a_module_that_is_called_twice_has_two_rows_and_the_order_is_that_of_execution(normal) -> None:
    shared = nn.Linear(6, 6)
    network = Calling(
        lambda net, batch: net.last(net.block(torch.tanh(net.block(batch)))),
        last=nn.Identity(),
        block=nn.Sequential(shared, nn.Tanh()),
        same=shared,
    )
    once, twice = ([(f"block{end}", kind, call) for end, kind in PARTS] for call in (1, 2))
    assert entries(network, normal(5, 6, seed=0)) == [*once, *twice, ("last", "Identity", 1)]


PARTS = [(".0", "Linear"), (".1", "Tanh"), ("", "Sequential")]


@pytest.mark.parametrize(
    ("returned", "places"),
    [
        (lambda batch: (batch, None, 2 * batch), ["inner[0]", "inner[2]"]),
        (lambda batch: {"hidden": batch, "count": 3, "rows": torch.arange(5)}, ["inner[hidden]"]),
        (lambda batch: [batch.sum(), batch.T, [batch]], []),
        (lambda batch: batch.detach(), []),
        (lambda batch: batch > 0, []),
        (lambda _: None, []),
    ],
)
def test_of_what_is_no_tensor_the_tensors_of_datapoints_directly_inside_have_rows(normal, returned, places) -> None:
    inner = Calling(lambda _, batch: returned(batch))
    network = Calling(lambda net, batch: (net.inner(batch), batch)[1], inner=inner)
    assert [place for place, *_ in entries(network, normal(5, 6, seed=0))] == places


def test_modules_that_compute_parameters_have_no_row(normal) -> None:
    """The weight has as many rows as there are datapoints, but the noise does not reach it."""
    linear = nn.utils.parametrizations.weight_norm(nn.Linear(6, 5, dtype=torch.float64))
    assert entries(nn.Sequential(linear), normal(5, 6, seed=0)) == [("0", "ParametrizedLinear", 1)]


def test_an_error_that_the_network_catches_does_not_disturb_the_places(normal) -> None:
    def forward(net: Any, batch: Tensor) -> Tensor:
        try:
            net.fails(batch)
        except RuntimeError:
            return net.works(batch)

    network = Calling(forward, fails=nn.Sequential(nn.Linear(7, 7)), works=nn.Identity())
    assert entries(nn.Sequential(network), normal(5, 6, seed=0)) == [("0.works", "Identity", 1), ("0", "Calling", 1)]


def test_channels_are_axis_1_of_images_and_the_last_of_sequences(normal) -> None:
    """The rank counts channels: one of two that are alike adds nothing."""
    channel = normal(500, 4, seed=0)
    images = torch.stack([channel, channel, 0 * channel], 1)[..., None]
    sequences = torch.stack([channel, channel, 0 * channel], 2)
    ranks = [distnlc.normalized_sensitivity(torch.clone, each)[0].rank_signal for each in (images, sequences)]
    assert ranks == pytest.approx([1, 1], rel=1e-6)
    assert distnlc.normalized_sensitivity(lambda batch: batch.sum((1, 2, 3)), images)[-1].shape == ()


def test_a_callable_that_is_no_module_has_input_and_output_and_a_method_its_owner_s_modules(normal) -> None:
    network, inputs = nn.Sequential(nn.Linear(6, 3), nn.Tanh()).double(), normal(9, 6, seed=0)
    alone = distnlc.normalized_sensitivity(lambda batch: 1 * network(batch), inputs)
    assert [row.place for row in alone] == ["(input)", "(output)"]
    assert [row.module for row in alone] == ["", "a callable"]
    assert chis(network.forward, inputs) == chis(network, inputs)
    assert alone[-1].chi == chis(network, inputs)["(output)"]


def test_dropout_is_off_attention_and_recurrent_networks_are_measured(normal) -> None:
    inputs = normal(20, 4, 8, seed=0)
    torch.manual_seed(0)
    encoder = nn.TransformerEncoderLayer(8, 2, batch_first=True, dropout=0.5)
    training = chis(encoder.train(), inputs)
    assert training == chis(encoder.eval(), inputs)
    assert {"self_attn[0]", "linear1", "norm2", "(output)"} <= training.keys()
    assert entries(nn.Sequential(nn.LSTM(8, 3, batch_first=True), Calling(lambda _, both: both[0])), inputs)[0] == (
        "0[0]",
        "LSTM",
        1,
    )


class Doubled(torch.autograd.Function):
    """Without a `jvp`, and with a derivative that has none."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        return 2 * values

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(_: Any, change: Tensor) -> Tensor:
        return 2 * change


class Doubling(nn.Module):
    def forward(self, batch: Tensor) -> Tensor:
        return Doubled.apply(batch)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (
            lambda: nn.Sequential(nn.Identity(), nn.Sequential(Doubling())),
            r"module 1\.0 \(Doubling\), where the inputs are float32 \(5, 6\), cannot be differentiated forward .*jvp",
        ),
        (Doubling, r"^the network \(Doubling\), .* cannot be differentiated forward"),
        (
            lambda: nn.Sequential(Calling(lambda _, batch: torch.cdist(batch, batch))),
            r"module 0 \(Calling\), .*\(give inputs.double\(\): .*with _cdist_forward that does not support it",
        ),
        (
            lambda: nn.Sequential(nn.Linear(7, 3)),
            r"module 0 \(Linear\), .* raised an error: RuntimeError: mat1 and mat2",
        ),
        (lambda: Calling(lambda _, batch: {}[batch]), r"the network \(Calling\), .* raised an error: KeyError"),
        (lambda: Tensor.detach, "outputs have no derivative by its inputs"),
        (lambda: torch.sum, r"must map float32 \(5, 6\) to \(5, ...\), but it returned float32 \(\)"),
        (
            lambda: nn.Sequential(Calling(lambda _, batch: batch / 0)),
            r"finite, but at 0 \(Calling\) it is nan or infinity",
        ),
        (lambda: nn.LazyLinear(3), "is lazy"),
    ],
)
def test_what_cannot_be_measured_is_named_with_its_place_and_type(normal, network, said) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        distnlc.normalized_sensitivity(network(), normal(5, 6, seed=0).float())
    assert "\n" not in str(caught.value)


def test_what_cannot_be_differentiated_twice_has_no_row_by_backpropagation(normal) -> None:
    with pytest.raises(ValueError, match="cannot be differentiated twice: RuntimeError"):
        output_sensitivity(Doubling(), normal(5, 6, seed=0))


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (torch.ones(5, 6, dtype=torch.uint8), r"float32 or float64 .* found uint8 \(5, 6\); convert them, such as by"),
        (torch.ones(5, 6).half(), r"found float16 \(5, 6\)"),
        (np.ones((5, 6)), "found ndarray"),
        (torch.ones(6), r"the shape \(batch, ...\) with at least 2 datapoints, found float32 \(6,\)"),
        (torch.ones(1, 6), r"at least 2 datapoints, found float32 \(1, 6\)"),
        (torch.ones(5, 0), r"found float32 \(5, 0\)"),
        (torch.full((5, 6), torch.inf), "finite, found nan or infinity"),
        (torch.ones(5, 6), "differ from one another, found the same datapoint 5 times"),
    ],
)
def test_inputs_that_are_no_data_are_refused(inputs, said) -> None:
    for measure in (distnlc.normalized_sensitivity, output_sensitivity):
        with pytest.raises(ValueError, match=said):
            measure(torch.clone, inputs)


def test_memory_that_has_run_out_is_the_device_s_error(normal) -> None:
    def full(*_: Any) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    for measure in (distnlc.normalized_sensitivity, output_sensitivity):
        with pytest.raises(torch.OutOfMemoryError):
            measure(full, normal(5, 6, seed=0))
