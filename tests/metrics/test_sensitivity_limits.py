"""chi by closed forms, and at the ends of what numbers can hold."""

import math

import pytest
import torch
from torch import nn

import distnlc
from tests.helpers.sensitivities import chis


def test_an_isometry_has_chi_1_and_keeps_the_ranks(normal) -> None:
    rotation = torch.linalg.qr(normal(30, 30, seed=0)).Q
    inputs = normal(4000, 30, seed=1)
    first, last = distnlc.normalized_sensitivity(lambda batch: 7 * (batch @ rotation) + 3, inputs)
    assert last.chi == pytest.approx(1, rel=1e-12)
    assert (last.rank_signal, last.rank_noise) == pytest.approx((first.rank_signal, first.rank_noise), rel=1e-5)
    assert 25 < last.rank_signal < 30
    one = inputs[:, :1] * torch.ones(30)
    assert distnlc.normalized_sensitivity(torch.clone, one)[-1].rank_signal == pytest.approx(1, rel=1e-6)


def test_relu_behind_batch_norm_of_gaussian_signals_has_the_increment_of_theorem_3(normal) -> None:
    rows = distnlc.normalized_sensitivity(nn.Sequential(nn.BatchNorm1d(40), nn.ReLU()), normal(20_000, 40, seed=0))
    chi = {row.place: row.chi for row in rows}
    assert chi["0"] == pytest.approx(1, rel=1e-3)
    assert chi["1"] / chi["0"] == pytest.approx((1 - 1 / math.pi) ** -0.5, rel=2e-3)
    assert chi["1"] / chi["0"] == pytest.approx(1.2111, rel=2e-3)


def he_layers(depth: int, width: int, *, norm: bool, scale: float = 1.0) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        linear = nn.Linear(width, width, bias=False, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.normal_(0, scale * (2 / width) ** 0.5)
        layers += [linear, *([nn.BatchNorm1d(width, eps=0)] if norm else []), nn.ReLU()]
    return nn.Sequential(*layers).double()


@pytest.mark.parametrize("norm", [False, True])
def test_chi_does_not_depend_on_the_scale_of_weights_or_of_the_noise(normal, norm) -> None:
    inputs = normal(50, 16, seed=0)
    expected = chis(he_layers(4, 16, norm=norm), inputs)
    assert chis(he_layers(4, 16, norm=norm, scale=1e3), inputs) == pytest.approx(expected, rel=1e-9)
    smaller_noise = chis(he_layers(4, 16, norm=norm), 1e6 * inputs)  # the noise stays of variance 1
    assert smaller_noise == pytest.approx(expected, rel=1e-9)
    assert chis(he_layers(4, 16, norm=norm), inputs, noise_seed=1) != expected


def test_without_batch_norm_chi_at_the_output_is_the_nlc(normal, mlp) -> None:
    inputs = normal(2000, 20, seed=0) * torch.linspace(0.3, 3, 20)
    network = mlp([20, 40, 40, 10], seed=0, gain=3.0)
    nlc = distnlc.nlc(network, inputs, batch_size=2000, batches=5)
    assert nlc > 2
    assert chis(network, inputs)["(output)"] == pytest.approx(nlc, rel=0.02)


# range


def test_chi_beyond_1e30_is_in_float32_what_it_is_in_float64(normal) -> None:
    """But for chance: a rounded signal is soon another one where noise explodes, as another draw of the inputs is."""
    inputs, network = normal(32, 16, seed=0), he_layers(400, 16, norm=True)
    exact = distnlc.normalized_sensitivity(lambda batch: 1 * network(batch), inputs)[-1]
    network.float()
    single = distnlc.normalized_sensitivity(lambda batch: 1 * network(batch), inputs.float())[-1]
    assert exact.chi > 1e30
    assert math.log(single.chi) == pytest.approx(math.log(exact.chi), rel=0.03)


def test_squares_of_large_and_of_small_numbers_neither_overflow_nor_vanish(normal) -> None:
    inputs = normal(32, 16, seed=0)
    for single, power in ((True, 30), (True, -30), (False, 250), (False, -250)):
        given = inputs.float() if single else inputs
        row = distnlc.normalized_sensitivity(lambda batch, scale=10.0**power: scale * batch, given)[-1]
        assert row.chi == pytest.approx(1, rel=1e-6)
        assert row.rank_signal > 5


def test_noise_beyond_the_largest_number_is_infinite_and_no_error(normal) -> None:
    row = distnlc.normalized_sensitivity(lambda batch: torch.sin(1e30 * (1e30 * batch)), 1e-30 * normal(9, 3, seed=0))[
        -1
    ]
    assert row.chi < math.inf
    single = distnlc.normalized_sensitivity(
        lambda batch: torch.sin(1e30 * (1e30 * batch)), 1e-30 * normal(9, 3, seed=0).float()
    )
    assert not math.isfinite(single[-1].chi)
    assert math.isnan(single[-1].rank_noise)


def test_a_signal_that_varies_by_rounding_alone_has_no_chi(normal) -> None:
    inputs = normal(50, 6, seed=0)
    row = distnlc.normalized_sensitivity(lambda batch: batch + 1e15, inputs)[-1]
    assert [math.isnan(each) for each in (row.chi, row.rank_signal, row.rank_noise)] == [True, True, False]
    assert row.varying == 0
    assert chis(lambda batch: batch + 1e9, inputs)["(output)"] == pytest.approx(1, rel=1e-4)
