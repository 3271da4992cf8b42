"""The user's own metrics: values, missing values with their reason, and nothing else that they could change."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distnlc import plugins
from distnlc.metrics.extra import measure_extra
from distnlc.metrics.spec import MetricsSpec
from distnlc.plugins import Metric
from distnlc.records import MeasurementRow, missing_values

NETWORK = nn.Sequential(nn.Linear(4, 3, dtype=torch.float64))
INPUTS = torch.arange(40, dtype=torch.float64).reshape(10, 4)
LABELS = torch.arange(10) % 3


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., MeasurementRow]:
    """Measures by a function, as a study does."""

    def measure(function: Callable[..., Any], network: nn.Module = NETWORK, seed: int = 1) -> MeasurementRow:
        metric = Metric(name="mine", label="my label", measure=function, log=True)
        monkeypatch.setattr(plugins, "_named", {(Metric, "mine"): (metric, "test")})
        spec = MetricsSpec.parse({"extra": ["mine"]})
        (row,) = measure_extra(network, INPUTS, LABELS, spec, unit_id="u1", stage="initial", seed=seed)
        return row

    return measure


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), torch.tensor(2.0), torch.tensor([2.0]), True])
def test_a_number_of_any_type_is_a_value(measured: Callable[..., MeasurementRow], value: Any) -> None:
    row = measured(lambda *_: value)
    assert (row.value, row.reason) == (float(value), None)
    assert (row.unit_id, row.stage, row.name, row.label, row.log) == ("u1", "initial", "mine", "my label", True)
    assert row.seconds > 0


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "is not defined there (it gave None)"),
        (float("nan"), "gave nan"),
        (float("inf"), "gave inf"),
        (torch.tensor(float("nan")), "gave tensor(nan)"),
        ("3", "gave '3'"),
        (torch.ones(2), "gave Tensor, not a number"),
        ({}, "gave dict, not a number"),
        (10**400, "gave int, not a number"),
    ],
)
def test_what_is_no_finite_number_is_missing_with_its_reason(
    measured: Callable[..., MeasurementRow], value: Any, reason: str
) -> None:
    row = measured(lambda *_: value)
    assert row.value is None
    assert row.reason == reason


def test_one_that_raises_is_missing_with_its_error_on_one_line(measured: Callable[..., MeasurementRow]) -> None:
    def raises(*_: Any) -> float:
        raise ValueError("not\nfor this network")

    assert measured(raises).reason == "raised ValueError: not for this network"


def test_it_can_change_neither_the_network_nor_the_data(measured: Callable[..., MeasurementRow]) -> None:
    def spoil(network: nn.Module, inputs: Tensor, labels: Tensor, _: Any) -> float:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
        inputs.zero_()
        labels.zero_()
        return 0.0

    before = [parameter.clone() for parameter in NETWORK.parameters()]
    assert measured(spoil).value == 0
    assert all(torch.equal(old, new) for old, new in zip(before, NETWORK.parameters(), strict=True))
    assert INPUTS.sum() > 0
    assert LABELS.sum() > 0


def test_its_random_numbers_follow_from_the_seed_alone_and_leave_the_generators_alone(
    measured: Callable[..., MeasurementRow],
) -> None:
    def draws(*_: Any) -> float:
        return float(torch.randn(()) + np.random.rand())

    torch.manual_seed(3)
    expected = torch.randn(2)
    torch.manual_seed(3)
    first = measured(draws)
    assert torch.equal(torch.randn(2), expected)
    assert measured(draws).value == first.value
    assert measured(draws, seed=2).value != first.value


def test_it_sees_the_effort_and_may_need_gradients(measured: Callable[..., MeasurementRow]) -> None:
    def gradient(network: nn.Module, inputs: Tensor, labels: Tensor, effort: MetricsSpec) -> float:
        loss = nn.functional.cross_entropy(network(inputs), labels)
        (found,) = torch.autograd.grad(loss, [next(iter(network.parameters()))])
        return float(found.norm()) + effort.nlc_batches

    value = measured(gradient).value
    assert value is not None
    assert value > 100


def test_missing_values_are_counted_with_the_first_reason() -> None:
    common: dict[str, Any] = {"unit_id": "u", "stage": "initial", "label": "", "log": False, "seconds": 0.0}
    rows = [
        MeasurementRow(name="a", value=1.0, **common),
        MeasurementRow(name="a", value=None, reason="gave nan", **common),
        MeasurementRow(name="a", value=None, reason="gave inf", **common),
        MeasurementRow(name="b", value=1.0, **common),
    ]
    assert missing_values(rows) == ["2 of 3 values of the metric a are missing, the first because it gave nan"]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), torch.AcceleratorError("lost")])
def test_a_fault_of_the_device_is_not_a_property_of_the_network(
    measured: Callable[..., MeasurementRow], error: Exception
) -> None:
    def fails(*_: Any) -> float:
        raise error

    with pytest.raises(type(error), match=str(error)):
        measured(fails)
