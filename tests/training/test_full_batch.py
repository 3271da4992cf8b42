"""L-BFGS on the whole training part: it is SciPy's around the right gradients, and it stops where it should."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from distnlc.data.dataset import Dataset
from distnlc.training.fixed_steps import FITTED
from distnlc.training.full_batch import CONVERGED, ITERATIONS, train_full_batch
from distnlc.training.spec import FullBatchSpec
from distnlc.training.start import start_of, starts_of
from tests.helpers.plain_steps import loss_of
from tests.helpers.plain_training import small_data
from tests.training.test_fixed_steps import convolutional, network


@pytest.fixture(scope="module")
def data() -> Dataset:
    return small_data()


@pytest.mark.parametrize("make", [network, convolutional])
@pytest.mark.parametrize("loss", ["cross-entropy", "squared-error"])
def test_a_run_is_scipys_minimization_of_the_mean_loss(data: Dataset, make: type[nn.Module], loss: str) -> None:
    module = make(2)

    def by_hand(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        vector_to_parameters(torch.from_numpy(numbers.copy()), module.parameters())
        value = loss_of(loss, module(data.train_inputs), data.train_labels, 1.0)
        gradients = torch.autograd.grad(value, list(module.parameters()))
        return value.item(), torch.cat([each.flatten() for each in gradients]).numpy()

    first = parameters_to_vector(module.parameters()).detach().numpy()
    start = start_of(module)
    expected = minimize(by_hand, first, jac=True, method="L-BFGS-B", options={"maxiter": 12})
    (outcome,) = train_full_batch(start, data, FullBatchSpec(loss=loss, iterations=12))
    assert outcome.row is not None
    np.testing.assert_allclose(outcome.row, expected.x, rtol=1e-5, atol=1e-7)
    assert (outcome.stop, outcome.iterations) == (ITERATIONS, 12)
    assert outcome.train_loss == pytest.approx(expected.fun, rel=1e-8)
    assert [iteration for iteration, _, _ in outcome.looks] == [4, 8, 12]


def test_it_stops_when_fitted_or_converged(data: Dataset) -> None:
    fitted = train_full_batch(start_of(network(2)), data, FullBatchSpec(iterations=500, stop_error=0.25))[0]
    assert (fitted.stop, fitted.iterations % 4) == (FITTED, 0)
    assert fitted.train_error <= 0.25 < fitted.looks[-2][1]
    linear = nn.Sequential(nn.Linear(6, 3)).double()
    converged = train_full_batch(start_of(linear), data, FullBatchSpec(iterations=10_000))[0]
    assert converged.stop == CONVERGED
    assert converged.iterations < 1_000


def test_each_run_of_a_population_is_its_own_minimization(data: Dataset) -> None:
    spec = FullBatchSpec(iterations=5)
    together = train_full_batch(starts_of([network(1), network(2)], loss_scales=[1, 1], seeds=[1, 2]), data, spec)
    for seed, outcome in zip([1, 2], together, strict=True):
        (alone,) = train_full_batch(start_of(network(seed)), data, spec)
        assert torch.equal(alone.row, outcome.row)


def test_float32_gradients_serve_scipys_float64(data: Dataset) -> None:
    exact = train_full_batch(start_of(network(2)), data, FullBatchSpec(iterations=6))[0]
    rounded = train_full_batch(
        start_of(network(2).float()), data.to("cpu", torch.float32), FullBatchSpec(iterations=6)
    )[0]
    assert rounded.train_loss == pytest.approx(exact.train_loss, rel=1e-3)


def test_a_module_with_running_statistics_is_refused_by_the_name_of_its_part(data: Dataset) -> None:
    module = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)).double()
    with pytest.raises(ValueError, match=r"1: L-BFGS .* BatchNorm1d keeps running statistics"):
        train_full_batch(start_of(module), data, FullBatchSpec(iterations=1))
