"""Batches cover what they promise, a seed fixes every number, and measuring leaves no trace."""

import copy

import pytest
import torch
from torch import nn

from distnlc.metrics.batches import couples, ordered_batches, random_batches
from distnlc.metrics.bias import output_bias
from distnlc.metrics.correlation import correlation_preservation
from distnlc.metrics.gradients import input_gradients
from distnlc.metrics.lipschitz import local_lipschitz
from distnlc.metrics.nlc import nlc
from distnlc.metrics.perturbation import error_preserving_perturbation
from distnlc.metrics.region import region_sizes


def test_a_pass_has_every_row_once_and_drops_only_a_ragged_last_batch():
    inputs = torch.zeros(10, 1)
    assert [rows.tolist() for rows in ordered_batches(inputs, 5)] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert [rows.tolist() for rows in ordered_batches(inputs, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert [rows.tolist() for rows in ordered_batches(inputs[:3], 4)] == [[0, 1, 2]]


def test_random_batches_go_through_all_rows_and_shuffle_anew():
    generator = torch.Generator().manual_seed(0)
    rows = torch.stack(list(random_batches(torch.zeros(12, 1), 4, 9, generator))).reshape(3, 12)
    assert all(sorted(one.tolist()) == list(range(12)) for one in rows)
    assert len({tuple(one.tolist()) for one in rows}) == 3


def test_coupling_of_datapoints_is_found(mlp, normal):
    inputs = normal(20, 5, seed=0)
    assert not couples(mlp([5, 30, 30, 3], seed=0), inputs)
    assert couples(mlp([5, 30, 30, 3], seed=0, batch_norm=True), inputs)
    standard = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU()).double()
    assert couples(standard, inputs)
    assert not couples(standard.eval(), inputs)


def cross_entropy(outputs, labels):
    return nn.functional.cross_entropy(outputs, labels, reduction="none")


def measurements(network, inputs, seed):
    """Every seeded metric, kept cheap."""
    labels = torch.arange(len(inputs)) % 3
    small = {"batch_size": 20, "seed": seed}
    walk = {"batches": 2, "input_directions": 1, **small}
    return [
        nlc(network, inputs, batches=2, **small),
        *region_sizes(network, inputs, output_directions=2, **walk),
        error_preserving_perturbation(network, inputs, labels, **walk),
        local_lipschitz(network, inputs, batches=1, iterations=3, **small),
        *correlation_preservation(network, inputs, batches=1, **small),
        input_gradients(network, inputs, labels, cross_entropy, batch_size=20).length,
        output_bias(network, inputs, batch_size=20),
    ]


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_seed_fixes_every_number_and_the_global_generator_is_untouched(mlp, normal, batch_norm):
    network, inputs = mlp([5, 8, 3], seed=0, gain=3.0, batch_norm=batch_norm), normal(60, 5, seed=1)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = measurements(network, inputs, seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert measurements(network, inputs, seed=5) == first
    assert nlc(network, inputs, batches=2, seed=6) != nlc(network, inputs, batches=2, seed=5)


@pytest.mark.parametrize("training", [False, True])
def test_the_module_is_left_as_it_was(normal, training):
    network = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3)).double()
    network.train(training)
    inputs = normal(60, 5, seed=1)
    cross_entropy(network(inputs), torch.arange(60) % 3).sum().backward()
    state = copy.deepcopy(network.state_dict())
    gradients = [parameter.grad.clone() for parameter in network.parameters()]
    measurements(network, inputs, seed=0)
    assert network.training is training
    assert not inputs.requires_grad
    torch.testing.assert_close(dict(network.state_dict()), dict(state), rtol=0, atol=0)
    torch.testing.assert_close([each.grad for each in network.parameters()], gradients, rtol=0, atol=0)
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(
    ("network", "inputs", "settings", "message"),
    [
        (
            lambda x: x[:, 0],
            torch.ones(9, 2),
            {},
            r"must map float32 \(9, 2\) to \(9, d_out\), but it returned float32 \(9,\)",
        ),
        (lambda x: x[:4], torch.ones(9, 2), {}, r"returned float32 \(4, 2\)"),
        (lambda x: x, torch.ones(9, 2, dtype=torch.int64), {}, "floating-point.*found torch.int64"),
        (lambda x: x, torch.ones(9), {}, "found torch.float32 of shape .9,."),
        (lambda x: x, torch.ones(9, 2), {"batch_size": 0}, "batch_size must be at least 1, found 0"),
        (lambda x: x, torch.ones(9, 2), {"batches": 0}, "batches must be at least 1, found 0"),
    ],
)
def test_wrong_shapes_and_numbers_are_explained(network, inputs, settings, message):
    with pytest.raises(ValueError, match=message):
        nlc(network, inputs, **settings)
