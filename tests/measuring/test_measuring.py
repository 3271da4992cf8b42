"""Any network is measured as the function that it is: in float64, without dropout, and left as it was."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import distnlc
from distnlc.analysis import EXAMPLE
from distnlc.analysis.nlc import expectation
from distnlc.analysis.tables import load
from distnlc.measuring.measured import find_reference
from distnlc.measuring.network import measure_network
from distnlc.metrics.bias import output_bias
from distnlc.metrics.correlation import correlation_preservation
from distnlc.metrics.gradients import input_gradients
from distnlc.metrics.lipschitz import local_lipschitz
from distnlc.metrics.nlc import nlc
from distnlc.metrics.normalized_sensitivity import output_sensitivity
from distnlc.metrics.region import linear_region, relative_diameter
from distnlc.metrics.spec import MetricsSpec
from distnlc.spec import derive_seed

FEW = MetricsSpec(nlc_batches=2, walk_batches=1, walk_inputs=2, walk_outputs=2)


@pytest.fixture
def inputs() -> Tensor:
    return torch.randn(60, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def labels() -> Tensor:
    return torch.arange(60) % 3


def network(*, dtype: torch.dtype = torch.float64, dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Linear(6, 20), nn.BatchNorm1d(20), nn.Tanh(), nn.Dropout(dropout), nn.Linear(20, 3)
    return nn.Sequential(*layers).to(dtype)


WALKED = {"init_local_lipschitz", "init_linear_region", "init_relative_diameter"}


def test_the_numbers_are_those_of_the_metrics_one_by_one(inputs: Tensor, labels: Tensor) -> None:
    found = distnlc.measure(network(), inputs, labels, batch_size=20, spec=FEW, seed=5, walks=True).values
    scale = torch.cat([network()(batch) for batch in inputs.split(20)]).square().mean().sqrt().item()

    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs / scale, labels, reduction="none")

    def settings(metric: str, **effort: int) -> dict[str, int]:
        return {"batch_size": 20, "seed": derive_seed("metrics", 5, metric), **effort}

    cosines = correlation_preservation(network(), inputs, **settings("cosine"))
    directions = {"batches": 1, "input_directions": 2, "output_directions": 2}
    expected = {
        "init_nlc": nlc(network(), inputs, **settings("nlc", batches=2)),
        "init_bias": output_bias(network(), inputs, batch_size=20),
        "init_loss_scale": scale,
        "init_gradient_length": input_gradients(network(), inputs, labels, loss, batch_size=20).length,
        "init_input_cosine": cosines[0],
        "init_output_cosine": cosines[1],
        "init_cosine_correlation": cosines[2],
        "init_local_lipschitz": local_lipschitz(network(), inputs, **settings("lipschitz", batches=1)),
        "init_linear_region": linear_region(network(), inputs, **settings("diameter", **directions)),
        "init_relative_diameter": relative_diameter(network(), inputs, **settings("diameter", **directions)),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_the_normalized_sensitivity_is_that_of_one_random_batch_at_the_output(inputs: Tensor) -> None:
    found = measure_network(network(), inputs, batch_size=20, spec=FEW, seed=5).values
    rows = torch.randperm(60, generator=torch.Generator().manual_seed(derive_seed("metrics", 5, "sensitivity")))[:20]
    expected = output_sensitivity(network(), inputs[rows], noise_seed=derive_seed("metrics", 5, "noise"))
    assert [found[name] for name in ("chi", "rank_signal", "rank_noise")] == [
        *(expected.chi, expected.rank_signal, expected.rank_noise)
    ]
    assert 0 < expected.chi < 10


def test_the_gradient_s_numbers_are_those_of_one_random_batch_and_random_labels(inputs: Tensor) -> None:
    found = measure_network(network(), inputs, batch_size=20, spec=FEW, seed=5).values
    random = torch.Generator().manual_seed(derive_seed("metrics", 5, "gradient scale"))
    batch = inputs[torch.randperm(60, generator=random)[:20]]
    rows = distnlc.gradient_scale(network(), batch, torch.randn(20, 3, generator=random, dtype=torch.float64) / 3**0.5)
    (spread,) = distnlc.preactivation_spread(network(), batch)
    expected = rows[0].gsc, distnlc.gradient_growth(rows).rate, spread.std, spread.sign_diversity
    names = "gradient_scale", "gradient_growth", "preactivation_spread", "sign_diversity"
    assert [found[name] for name in names] == pytest.approx(list(expected))
    alone = measure_network(network().forward.__call__, inputs, batch_size=20, spec=FEW, seed=5)
    assert (alone["gradient_scale"].value, alone["gradient_growth"].value) == (pytest.approx(expected[0]), None)


def test_the_imbalance_is_that_of_a_few_datapoints(inputs: Tensor) -> None:
    found = measure_network(network(), inputs, batch_size=20, spec=FEW, seed=5)
    expected = distnlc.scaling(network(), inputs, samples=16, draws=2, seed=5)
    assert found["scaling_imbalance"].value == expected.log_imbalance
    without = measure_network(network().forward.__call__, inputs, batch_size=20, spec=FEW)["scaling_imbalance"]
    assert without.value is None
    assert without.reason is not None


def test_the_example_study_is_read_once_and_one_of_the_user_s_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first, given = find_reference(None, None, None), find_reference(EXAMPLE, None, None)
    read = []
    monkeypatch.setattr(expectation, "load", lambda *of: (read.append(of), load(*of))[1])
    assert find_reference(None, None, None) is first
    assert read == []
    assert find_reference(EXAMPLE, None, None).rows.equals(given.rows)
    assert len(read) == 1


def test_float32_networks_are_measured_in_float64(inputs: Tensor, labels: Tensor) -> None:
    single = network(dtype=torch.float32)
    found = measure_network(single, inputs.float(), labels, batch_size=20, spec=FEW)
    exact = measure_network(copy.deepcopy(single).double(), inputs.float().double(), labels, batch_size=20, spec=FEW)
    assert found.values == exact.values
    assert found.notes == ("measured in float64, converted from float32",)
    assert exact.notes == ()


def test_what_cannot_compute_in_float64_is_measured_in_float32(inputs: Tensor) -> None:
    weights = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    how = {"batch_size": 20, "spec": FEW, "walks": True}
    found = measure_network(lambda batch: torch.tanh(batch @ weights), inputs, **how)
    exact = measure_network(lambda batch: torch.tanh(batch @ weights.double()), inputs, **how)
    assert found.values["init_nlc"] == pytest.approx(exact.values["init_nlc"], rel=1e-4)
    assert found.values["init_relative_diameter"] == pytest.approx(exact.values["init_relative_diameter"], rel=0.3)
    assert found.notes[0].startswith("measured in float32, where rounding hides small changes; in float64")


def test_a_metric_that_has_no_value_says_why(inputs: Tensor) -> None:
    found = measure_network(
        lambda batch: torch.sin(3 * batch[:, :3]) + 1e14, inputs, batch_size=20, spec=FEW, walks=True
    )
    reasons = {row.name: row.reason for row in found.rows if row.value is None}
    assert "from rounding at no datapoint, or the network has a kink" in str(reasons["init_linear_region"])
    assert reasons["init_relative_diameter"] == reasons["init_linear_region"]
    assert "differ in direction by rounding alone" in str(reasons["init_cosine_correlation"])
    assert "the outputs vary by rounding alone" in str(reasons["chi"])
    assert "no activation function" in str(reasons["preactivation_spread"])
    assert reasons["snip"] == "is not defined: it needs labels"
    assert all(row.reason is None for row in found.rows if row.value is not None)
    assert "it is not defined: it needs labels: gradient component size, gradient length, " in str(found)


def test_walks_and_the_ntk_are_measured_where_they_are_asked_for(inputs: Tensor, labels: Tensor) -> None:
    plain = measure_network(network(), inputs, labels, batch_size=20, spec=FEW)
    asked = measure_network(network(), inputs, labels, batch_size=20, spec=FEW, walks=True, ntk=True)
    assert asked.values.keys() - plain.values.keys() == WALKED | {"ntk_condition_number"}
    assert {plain[name].reason for name in WALKED} == {"takes many passes and was not asked for (walks)"}
    assert {name: asked.values[name] for name in plain.values} == plain.values
    assert all(row.seconds is not None and row.seconds > 0 for row in asked.rows if row.name != "init_loss_scale")


def test_a_result_is_rows_by_name_and_prints_itself(inputs: Tensor, labels: Tensor) -> None:
    found = distnlc.measure(network(), inputs, labels, batch_size=20, spec=FEW)
    assert found["init_nlc"].value == found.values["init_nlc"]
    with pytest.raises(KeyError, match="no metric 'nlc'; there are: init_nlc, init_bias"):
        found["nlc"]
    rows = found.table()
    assert [row["name"] for row in rows] == [row.name for row in found.rows]
    assert all(len([row for row in rows if row["name"] == name]) == 1 for name in found.values)
    lines = str(found).splitlines()
    for row in found.rows:
        assert sum(line.startswith(f"{row.label} ") for line in lines) == (row.value is not None), row.label
    assert max(len(line) for line in lines[: lines.index("size:")]) <= 80


def test_what_begins_is_told_with_the_share_that_is_done(inputs: Tensor, labels: Tensor) -> None:
    told: list[tuple[str, float]] = []
    measure_network(
        *(network(), inputs, labels), batch_size=20, spec=FEW, progress=lambda name, done: told.append((name, done))
    )
    names, shares = zip(*told, strict=True)
    assert {"jacobian", "moments", "snip", "sizes"} <= set(names)
    assert list(shares) == sorted(shares)
    assert (shares[0], shares[-1]) == (0, pytest.approx(1))


def test_dropout_is_switched_off_and_batch_norm_is_not(inputs: Tensor) -> None:
    dropped = measure_network(network(dropout=0.5), inputs, batch_size=20, spec=FEW)
    without = measure_network(network(), inputs, batch_size=20, spec=FEW)
    running = measure_network(network().eval(), inputs, batch_size=20, spec=FEW)
    assert dropped.values == without.values
    assert set(dropped.notes) - set(without.notes) == {"measured without its dropout"}
    assert running.values["init_nlc"] != pytest.approx(without.values["init_nlc"], rel=1e-3)


def test_the_network_is_left_as_it_was(inputs: Tensor) -> None:
    measured = network(dropout=0.5, dtype=torch.float32)
    before = copy.deepcopy(measured.state_dict())
    distnlc.measure(measured, inputs, batch_size=20, spec=FEW)
    assert all(module.training for module in measured.modules())
    assert all(each.requires_grad and each.grad is None for each in measured.parameters())
    torch.testing.assert_close(dict(measured.state_dict()), dict(before), rtol=0, atol=0)


class OnceOnly(torch.autograd.Function):
    """x^2, whose derivative has no derivative."""

    @staticmethod
    def forward(ctx, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return values.square()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, change: Tensor) -> Tensor:
        return 2 * ctx.saved_tensors[0] * change


def test_without_second_derivatives_the_rest_is_measured(inputs: Tensor) -> None:
    how = {"batch_size": 20, "spec": FEW, "walks": True}
    found = measure_network(lambda batch: OnceOnly.apply(batch)[:, :3], inputs, **how)
    whole = measure_network(lambda batch: batch.square()[:, :3], inputs, **how)
    assert whole.values.keys() - found.values.keys() >= WALKED
    assert found.values["init_nlc"] == pytest.approx(whole.values["init_nlc"])
    assert {found[name].reason.partition(":")[0] for name in WALKED} == {"differentiates twice"}  # type: ignore[union-attr]
    assert "the network cannot be differentiated twice: " in str(found["chi"].reason)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (torch.zeros(59, dtype=torch.long), r"one per input, that is of shape \(60,\), found int64 \(59,\)"),
        (torch.zeros(60), r"found float32 \(60,\)"),
        (torch.full((60,), 3), r"in 0 ... 2 \(the network has 3 outputs\), one per input, found numbers from 3 to 3"),
    ],
)
def test_labels_that_do_not_fit_are_refused(inputs: Tensor, labels: Tensor, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        distnlc.measure(network(), inputs, labels, batch_size=20, spec=FEW)


@pytest.mark.parametrize("points", [torch.ones(1, 6), torch.full((60, 6), torch.nan)])
def test_inputs_that_are_no_data_are_refused(points: Tensor) -> None:
    with pytest.raises(ValueError, match="at least 2 points of finite numbers"):
        distnlc.measure(network(), points, spec=FEW)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda batch: batch.sum(1), r"must map float64 \(20, 6\) to \(20, d_out\), but it returned float64 \(20,\)"),
        (lambda batch: batch / 0, "outputs must be finite"),
        (lambda batch: 0 * batch, "the same outputs for all inputs"),
        (nn.functional.dropout, "gives other outputs each time it sees the same inputs"),
        (Tensor.detach, "have no derivative by its inputs"),
    ],
)
def test_what_is_no_function_to_be_measured_is_refused(
    inputs: Tensor, function: Callable[[Tensor], Tensor], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        distnlc.measure(function, inputs, batch_size=20, spec=FEW)


class Fails(nn.Module):
    """Raises where it is told to: at its first call, at a second derivative, or when it is copied."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where, self.linear = where, nn.Linear(6, 3)

    def forward(self, batch: Tensor) -> Tensor:
        if self.where == "call":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return Once.apply(self.linear(batch))

    def __deepcopy__(self, memo: dict[int, object]) -> nn.Module:
        if self.where == "copy":
            raise torch.OutOfMemoryError("CUDA out of memory")
        copied = Fails(self.where)
        copied.load_state_dict(self.state_dict())
        return copied


class Once(torch.autograd.Function):
    """The identity, whose second derivative finds no memory."""

    @staticmethod
    def forward(_: object, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(_: object, vectors: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            raise torch.OutOfMemoryError("CUDA out of memory")
        return vectors


@pytest.mark.parametrize("where", ["call", "second derivative", "copy"])
def test_memory_that_has_run_out_is_no_reason_to_measure_otherwise(inputs: Tensor, where: str) -> None:
    """In float32, without the metrics that differentiate twice, or not at all for a wrong reason."""
    with pytest.raises(torch.OutOfMemoryError):
        measure_network(Fails(where), inputs, batch_size=20, spec=FEW, walks=True)
