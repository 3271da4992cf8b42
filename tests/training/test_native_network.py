"""The metrics' fast network is the module's function, and may be differentiated in any order."""

from dataclasses import replace
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor

from distnlc.networks.architecture import Architecture
from distnlc.networks.mlp import MLP
from distnlc.studies.nlc.sampling import sample_architecture
from distnlc.training import native_network
from distnlc.training.native_library import NoLibrary
from distnlc.training.native_network import fast_network

SIZE = 50


def drawn(index: int) -> Architecture:
    return sample_architecture(index, seed=5, d_in=20, d_out=4, parameters=2_000, depth_max=9)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pulled(outputs: Tensor, batch: Tensor, vectors: Tensor, **settings: bool) -> Tensor:
    return torch.autograd.grad(outputs, batch, vectors, **settings)[0]


@pytest.fixture
def case() -> tuple[MLP, Tensor]:
    """With batch norm, so that a batch cannot be mistaken for another."""
    architecture = replace(drawn(0), normalization="batch", activation="tanh")
    return architecture.build(), normal(SIZE, 20, seed=0).requires_grad_()


def test_sampled_networks_and_both_their_derivatives_agree_with_the_module() -> None:
    batch = normal(SIZE, 20, seed=0).requires_grad_()
    vectors, changes = normal(SIZE, 4, seed=1), normal(SIZE, 20, seed=2)
    for index in range(40):
        architecture = drawn(index)
        network = architecture.build()
        fast = fast_network(network, batch_size=SIZE)
        outputs, expected = fast(batch), network(batch)
        close = {"rtol": 1e-7, "atol": 1e-9 * float(expected.detach().abs().max())}
        torch.testing.assert_close(outputs, expected, **close)
        gradient = pulled(expected, batch, vectors, retain_graph=True)
        close["atol"] = 1e-9 * float(gradient.abs().max())
        torch.testing.assert_close(pulled(outputs, batch, vectors), gradient, **close)
        pushed = []
        for one in (fast(batch), expected):
            dummy = torch.zeros_like(one).requires_grad_()
            pushed.append(pulled(pulled(one, batch, dummy, create_graph=True), dummy, changes))
        torch.testing.assert_close(*pushed, rtol=1e-9, atol=0)


def test_a_backward_pass_belongs_to_its_own_batch_whatever_came_between(case: tuple[MLP, Tensor]) -> None:
    network, batch = case
    fast = fast_network(network, batch_size=SIZE)
    other, vectors = normal(SIZE, 20, seed=1).requires_grad_(), normal(SIZE, 4, seed=2)
    outputs, other_outputs = fast(batch), fast(other)
    expected, other_expected = (pulled(network(one), one, vectors) for one in (batch, other))
    torch.testing.assert_close(pulled(outputs, batch, vectors, retain_graph=True), expected)
    torch.testing.assert_close(pulled(other_outputs, other, vectors), other_expected)
    with torch.no_grad():
        fast(other)
    for _ in range(2):
        torch.testing.assert_close(pulled(outputs, batch, vectors, retain_graph=True), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_it_keeps_the_parameters_that_the_network_had_and_takes_batches_of_any_size(
    case: tuple[MLP, Tensor], dtype: torch.dtype
) -> None:
    network, batch = case
    expected = [network(rows).detach().to(dtype) for rows in (batch, batch[:30])]
    fast = fast_network(network.to(dtype), batch_size=SIZE)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2)
    found = [fast(rows.to(dtype)).detach() for rows in (batch, batch[:30])]
    exact = {"rtol": 1e-3, "atol": 1e-4} if dtype == torch.float32 else {}
    torch.testing.assert_close(found, expected, **exact)


def test_where_there_is_no_library_it_is_the_module(case: tuple[MLP, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_network, "NativeProgram", Mock(side_effect=NoLibrary("none here")))
    network, batch = case
    assert torch.equal(fast_network(network, batch_size=SIZE)(batch), network(batch))


def test_inputs_that_do_not_fit_are_refused_before_c_reads_them(case: tuple[MLP, Tensor]) -> None:
    network, batch = case
    fast = fast_network(network, batch_size=SIZE)
    with pytest.raises(ValueError, match=r"must be \(points, 20\) of torch.float64, .* are \(50, 19\)"):
        fast(batch[:, 1:])
    with pytest.raises(ValueError, match=r"are \(50, 20\) of torch.float32"):
        fast(batch.float())
