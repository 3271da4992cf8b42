"""A network that looks linear is linear at first, and its signal keeps its length; what is not covered is refused by
name before anything changes."""

import copy
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

import distnlc
from tests.helpers.sensitivities import Calling


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def relu_network(*widths: int, norm: type[nn.Module] | None = None) -> nn.Sequential:
    layers = list[nn.Module]()
    for d_in, d_out in pairwise(widths):
        layers += [nn.Linear(d_in, d_out), *([norm(d_out)] if norm else []), nn.ReLU()]
    return nn.Sequential(*layers[:-1]).double()


def test_the_network_is_linear_and_differences_of_pairs_keep_their_length(normal) -> None:
    network = distnlc.looks_linear_(relu_network(8, 20, 20, 20, 8), generator())
    first, second = normal(30, 8, seed=0), normal(30, 8, seed=1)
    torch.testing.assert_close(network(first + 3 * second), network(first) + 3 * network(second))
    lengths = []
    signal = first
    for module in network:
        signal = module(signal)
        if isinstance(module, nn.ReLU):
            lengths.append((signal[:, ::2] - signal[:, 1::2]).norm(dim=1))
    for length in lengths[1:]:
        torch.testing.assert_close(length, lengths[0])
    rows = distnlc.gradient_scale(network, first, normal(30, 8, seed=2))
    assert distnlc.gradient_growth(rows).rate == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("norm", [nn.BatchNorm1d, nn.LayerNorm])
def test_it_looks_linear_with_normalization_too(normal, norm) -> None:
    """Each layer's pairs are x and -x, whose ReLU's difference is x: linear but for a scale of each neuron or point."""
    network = distnlc.looks_linear_(relu_network(8, 20, 20, 8, norm=norm), generator())
    signal = normal(30, 8, seed=0)
    for linear, normalization in zip(network[::3], network[1::3], strict=False):
        signal = normalization(linear(signal))
        if signal.shape[1] == 20:
            torch.testing.assert_close(signal[:, ::2], -signal[:, 1::2])
            signal = signal.relu()


def test_the_generator_alone_fixes_the_weights_and_biases_are_zero() -> None:
    one, same, other = (distnlc.looks_linear_(relu_network(8, 20, 8), generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(one[0].weight, same[0].weight)
    assert not torch.equal(one[0].weight, other[0].weight)
    assert all(not layer.bias.any() for layer in (one[0], one[2]))
    assert all(each.requires_grad for each in one.parameters())


def test_own_modules_may_hold_the_layers(normal) -> None:
    network = Calling(
        lambda net, batch: net.last(torch.relu(net.first(batch))), first=nn.Linear(8, 20), last=nn.Linear(20, 3)
    ).double()
    assert distnlc.looks_linear_(network, generator()) is network
    batch = normal(30, 8, seed=0)
    torch.testing.assert_close(network(-batch), -network(batch))


def own_parameter() -> nn.Module:
    module = Calling(lambda _, batch: batch, first=nn.Linear(8, 8), last=nn.Linear(8, 8))
    module.scale = nn.Parameter(torch.ones(1))
    return module


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (lambda: relu_network(8, 20, 7, 3), "ReLU layers of even width, .* but 2 has 7 outputs"),
        (lambda: nn.Sequential(nn.Linear(8, 20), nn.Tanh(), nn.Linear(20, 3)), "but 1 is a Tanh"),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 4)), "but 0 is a Conv2d"),
        (lambda: nn.TransformerEncoderLayer(8, 2), "but self_attn is a MultiheadAttention"),
        (lambda: nn.Sequential(nn.LSTM(8, 8), nn.Linear(8, 8)), "but 0 is a LSTM"),
        (own_parameter, "but the module is a Calling"),
        (lambda: nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(8, 3)), "but 0 has 6 outputs and 2, the next, 8"),
        (lambda: nn.Sequential(nn.Linear(8, 6)), "at least 2 Linear layers, found 1"),
    ],
)
def test_what_is_not_covered_is_refused_by_name_and_left_as_it_was(network, said) -> None:
    module = network()
    before: dict[str, Tensor] = copy.deepcopy(dict(module.state_dict()))
    with pytest.raises(ValueError, match=said):
        distnlc.looks_linear_(module, generator())
    torch.testing.assert_close(dict(module.state_dict()), before, rtol=0, atol=0)
