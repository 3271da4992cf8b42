"""What the confounders do to a network: the same function of the data, and metrics that move as theory says.

The metrics are computed from the whole Jacobian of a batch here, entry by entry, instead of by random vectors. Of the
two regions only what scales them: a random step of length k moves the outputs by k ||J|| / sqrt(d_in) times the inputs'
spread, so that a change that leaves the network's shape alone divides the largest k by as much as it multiplies that.
"""

import copy
import math

import pytest
import torch
from torch.autograd.functional import jacobian

from distnlc.analysis.nlc_initial.movements import CHANGES as COLUMNS
from distnlc.analysis.nlc_initial.movements import COSINES, THEORY
from distnlc.data.dataset import Dataset
from distnlc.networks.architecture import Architecture
from distnlc.networks.loss import cross_entropy
from distnlc.studies.nlc_initial.changes import CHANGES, COPIES, FACTOR, Case, absorbs, make_case
from distnlc.studies.nlc_initial.units import MEASUREMENTS

POINTS, D_IN, D_OUT = 12, 6, 3
KINDS = {
    "plain": {"bias_variance": 0.05},
    "batch": {"normalization": "batch", "bias_variance": 0.05},
    "layer": {"normalization": "layer"},
    "layer, biases": {"normalization": "layer", "bias_variance": 0.05},
    "batch, skips": {"normalization": "batch", "skip_strength": 0.7, "skip_start": "normalization"},
    "batch, linear skips": {"normalization": "batch", "skip_strength": 0.7, "skip_start": "linear"},
}
ABSORBING = {"batch", "batch, skips"}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def case(kind: str) -> Case:
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(3, POINTS, D_IN, generator=generator, dtype=torch.float64)
    labels = torch.arange(POINTS) % D_OUT
    parts = [tensor for part in inputs for tensor in (part, labels)]
    sizes = {"index": 0, "seed": 5, "d_in": D_IN, "d_out": D_OUT, "depth": 5, "width": 9, "activation": "tanh"}
    return make_case(Architecture(**sizes, **KINDS[kind]), Dataset("waveform-noise", D_OUT, *parts))


def metrics(case: Case) -> dict[str, float]:
    """What can be computed exactly: of the training inputs as one batch."""
    inputs, labels = case.dataset.train_inputs, case.dataset.train_labels
    outputs = case.network(inputs)
    whole = jacobian(case.network, inputs)  # (points, d_out, points, d_in)
    point = inputs.clone().requires_grad_()
    loss = cross_entropy(case.network(point), labels, loss_scale=case.loss_scale).sum()
    (gradient,) = torch.autograd.grad(loss, point)
    size = float((whole.square().sum() / POINTS).sqrt())
    spread_in, spread_out = (float(values.var(0, correction=0).mean().sqrt()) for values in (inputs, outputs))
    units = [values / values.norm(dim=1, keepdim=True) for values in (inputs, outputs)]
    return {
        "init_nlc": size * spread_in / (math.sqrt(D_OUT) * spread_out),
        "init_bias": float(outputs.square().mean().sqrt()) / spread_out,
        "init_jacobian_norm": size,
        "init_linear_region": spread_out * math.sqrt(inputs.shape[1]) / (size * spread_in),
        "init_relative_diameter": spread_out / (size * spread_in),
        "init_local_lipschitz": float(torch.linalg.matrix_norm(whole.flatten(2).flatten(0, 1), ord=2)),
        "init_gradient_component": float(gradient.square().mean().sqrt()),
        "init_gradient_length": float(gradient.square().sum(1).mean().sqrt()),
        "init_output_cosine": float(units[1][0] @ units[1][1]),
        "init_cosine_correlation": _pairs_correlation(*units),
    }


def _pairs_correlation(*units: torch.Tensor) -> float:
    """The correlation of the inputs' cosines with the outputs', over all pairs."""
    first, second = torch.triu_indices(POINTS, POINTS, 1)
    return float(torch.corrcoef(torch.stack([(each @ each.T)[first, second] for each in units]))[0, 1])


@pytest.mark.parametrize("change", CHANGES)
def test_the_function_of_the_data_stays(change: str, case: Case) -> None:
    changed = CHANGES[change](case)
    factor = FACTOR if change.startswith("output") else 1
    for part in ("train_inputs", "validation_inputs", "test_inputs"):
        before, after = case.network(getattr(case.dataset, part)), changed.network(getattr(changed.dataset, part))
        torch.testing.assert_close(after, factor * before, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("change", CHANGES)
def test_exact_metrics_move_as_the_table_says(change: str, case: Case) -> None:
    before, after = metrics(case), metrics(CHANGES[change](case))
    theory = THEORY[change]
    for name in after.keys() & set(COSINES):
        stays = after.pop(name) == pytest.approx(before[name], abs=1e-9)
        assert stays != math.isnan(theory.get(name, 0)), name
    for name, value in after.items():
        softmax = change == "output_scale_alone" and name.startswith("init_gradient")
        expected = pytest.approx(theory.get(name, 1), rel=0.5 if softmax else 1e-7)
        assert value / before[name] == expected, name


@pytest.mark.parametrize("change", [name for name in CHANGES if name != "output_scale_alone"])
def test_training_is_the_same_as_far_as_the_table_says(change: str, kind: str, case: Case) -> None:
    first = 1 / COPIES if change.endswith("duplicates") else 1
    if change == "input_scale" and kind not in ABSORBING:
        first = 1 / FACTOR**2
    last = FACTOR**2 if change == "output_scale" else 1  # the same as a constant factor behind an unchanged layer
    same = losses(CHANGES[change](case), first, last) == pytest.approx(losses(case, 1, 1), rel=1e-8)
    assert same == (change != "input_constant" or kind in ABSORBING)


def losses(case: Case, first: float, last: float) -> list[float]:
    """Of ten steps of gradient descent, with the first weights' and the last layer's learning rate so much larger."""
    network = copy.deepcopy(case.network).requires_grad_()
    layers = [list(linear.parameters()) for linear in network.linears]
    groups = [
        ([layers[0][0]], first),
        ([layers[0][1]], 1),
        ([value for layer in layers[1:-1] for value in layer], 1),
        (layers[-1], last),
    ]
    optimizer = torch.optim.SGD([{"params": values, "lr": 0.1 * rate} for values, rate in groups])
    found = []
    for _ in range(10):
        optimizer.zero_grad()
        outputs = network(case.dataset.train_inputs)
        loss = cross_entropy(outputs, case.dataset.train_labels, loss_scale=case.loss_scale).mean()
        loss.backward()
        optimizer.step()
        found.append(float(loss.detach()))
    return found


def test_data_change_as_they_are_said_to(case: Case) -> None:
    before = case.dataset.train_inputs
    after = {name: change(case).dataset.train_inputs for name, change in CHANGES.items()}
    assert torch.equal(after["input_scale"], FACTOR * before)
    assert torch.equal(after["input_constant"], FACTOR + before)
    for name in ("duplicates", "equal_duplicates"):
        assert torch.equal(after[name], torch.cat([before] * COPIES, 1))
    for name in ("output_scale", "output_scale_alone"):
        assert torch.equal(after[name], before)


def test_copies_with_weights_of_their_own_are_as_large_as_a_draw(case: Case) -> None:
    before = case.linear(0).weight
    after = CHANGES["duplicates"](case).linear(0).weight
    for block in after.split(D_IN, dim=1):
        torch.testing.assert_close(block.norm(dim=1), before.norm(dim=1) / math.sqrt(COPIES))
        assert not torch.allclose(block, before / 2)


def test_batch_norm_that_undoes_the_change_needs_no_help(kind: str, case: Case) -> None:
    assert absorbs(case.architecture) == (kind in ABSORBING)
    for name in ("input_scale", "input_constant"):
        changed = CHANGES[name](case).network.parameters()
        untouched = all(map(torch.equal, changed, case.network.parameters()))
        assert untouched == (kind in ABSORBING), name


def test_the_case_itself_is_left_alone(case: Case) -> None:
    parameters = [value.clone() for value in case.network.state_dict().values()]
    for change in CHANGES.values():
        change(case)
    assert all(map(torch.equal, parameters, case.network.state_dict().values()))


def test_every_change_is_shown_beside_its_theory() -> None:
    assert list(COLUMNS) == [*CHANGES, "width"]
    assert THEORY.keys() == COLUMNS.keys()
    assert MEASUREMENTS["changes"] == 1 + len(CHANGES)
