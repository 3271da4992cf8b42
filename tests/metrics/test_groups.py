"""Groups of initial metrics: their rows are what the functions give by hand, and what is not defined is counted."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from distnlc.metrics.gradient_summary import gradient_summary
from distnlc.metrics.group_functions import SCALING_EFFORT, Given, measure_groups
from distnlc.metrics.groups import GROUPS, group_of, measured_by
from distnlc.metrics.initial_sensitivity import initial_probability_jacobian, initial_transitions
from distnlc.metrics.normalized_sensitivity import batch_sensitivity
from distnlc.metrics.scaling import scaling_imbalance
from distnlc.metrics.size import size
from distnlc.metrics.zero_cost import SIZES, zero_cost
from distnlc.networks.mlp import MLP
from distnlc.records import MeasurementRow, missing_values
from distnlc.studies.nlc.sampling import sample_architecture

SIZE, SEED, LOSS_SCALE = 12, 5, 1.5
NTK = "ntk_condition_number"


def module() -> nn.Module:
    """With batch norm, in training mode, as a family's networks are measured."""
    torch.manual_seed(0)
    layers = [nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3)]
    return nn.Sequential(*layers).double()


def layered() -> MLP:
    """A network of section C, with biases, batch norm and skip connections, which no fast gradient scale covers."""
    drawn = (sample_architecture(index, seed=1, d_in=6, d_out=3, parameters=400, depth_max=7) for index in range(200))
    return next(
        one for one in drawn if one.normalization == "batch" and one.skip_strength and one.bias_variance
    ).build()


def given(network: Any, *, classes: int = 3) -> Given:
    random = torch.Generator().manual_seed(2)
    inputs = torch.randn(40, 6, dtype=torch.float64, generator=random)
    return Given(network, inputs, torch.arange(40) % classes, LOSS_SCALE, batch_size=SIZE, seed=SEED)


def rows_of(network: Any, *groups: str, classes: int = 3) -> dict[str, MeasurementRow]:
    return {row.name: row for row in measure_groups(groups, given(network, classes=classes), unit_id="u1")}


def proxies(one: Given) -> dict[str, float | None]:
    settings = {"loss_scale": LOSS_SCALE, "seed": SEED, "ntk": True}
    return {name: each.value for name, each in zero_cost(one.network, one.inputs, one.labels, **settings).items()}


BY_HAND: dict[str, Callable[[Given], dict[str, float | None]]] = {
    "moments": lambda one: {
        name: getattr(batch_sensitivity(one.network, one.inputs, batch_size=SIZE, seed=SEED), name)
        for name in ("chi", "rank_signal", "rank_noise")
    },
    "gradients": lambda one: gradient_summary(one.network, one.inputs, batch_size=SIZE, seed=SEED)._asdict(),
    "sensitivity": lambda one: {
        "init_probability_jacobian": initial_probability_jacobian(
            one.network, one.inputs, loss_scale=LOSS_SCALE, batch_size=SIZE, seed=SEED
        ),
        "init_transitions": initial_transitions(one.network, one.inputs, one.labels, batch_size=SIZE, seed=SEED),
    },
    "scaling": lambda one: {
        "scaling_imbalance": scaling_imbalance(one.network, one.inputs, seed=SEED, **SCALING_EFFORT)
    },
    "zero-cost": lambda one: {name: value for name, value in proxies(one).items() if name not in {*SIZES, NTK}},
    "size": lambda one: dict(size(one.network, one.inputs)._asdict()),
    "ntk": lambda one: {NTK: proxies(one)[NTK]},
}


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("network", [module, layered])
def test_the_rows_of_a_group_are_what_its_functions_give_by_hand(group: str, network: Callable[[], nn.Module]) -> None:
    rows = rows_of(network(), group)
    assert {name: row.value for name, row in rows.items()} == BY_HAND[group](given(network()))
    for name, row in rows.items():
        quantity = measured_by([group])[name]
        assert (row.label, row.log, row.stage, row.unit_id) == (quantity.label, quantity.log, "initial", "u1")
        assert row.seconds > 0


def test_a_name_and_a_label_stand_for_one_metric() -> None:
    known = measured_by(GROUPS)
    assert len(known) == sum(len(measured_by([group])) for group in GROUPS)
    assert all(group_of(name) == group for group in GROUPS for name in measured_by([group]))
    labels = [quantity.label for quantity in known.values()]
    assert len(set(labels)) == len(labels)


def test_what_is_not_defined_for_a_network_is_missing_with_its_reason_and_counted() -> None:
    linear = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 2)).double()
    rows = rows_of(linear, "moments", "gradients", "sensitivity", "scaling", "zero-cost", classes=2)
    assert rows["gradient_scale"].value
    missing = {name: row.reason for name, row in rows.items() if row.value is None}
    assert missing.keys() == {
        "preactivation_spread",
        "sign_diversity",
        "init_transitions",
        "naswot",
        "layerwise_naswot",
    }
    assert "the network calls no activation function of torch's" in str(missing["sign_diversity"])
    assert missing["init_transitions"] == (
        "is not defined: an ellipse leads through datapoints of three classes, there are 2"
    )
    assert all(row.reason is None for row in rows.values() if row.value is not None)
    counted = missing_values(rows.values())
    assert len(counted) == 5
    assert counted[0].startswith(
        "1 of 1 values of the metric init_transitions are missing, the first because it is not"
    )


def test_what_is_infinite_or_not_a_number_is_missing() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).double()
    network[0].weight.data.zero_()
    rows = rows_of(network, "moments", "scaling")
    assert [rows[name].value for name in ("chi", "scaling_imbalance")] == [None, None]
    assert rows["chi"].reason == "is not defined: the outputs vary by rounding alone, or the noise overflows"
    assert rows["scaling_imbalance"].reason == "is not defined: a layer's weights are all 0, or get no gradient"


class Moody(nn.Module):
    """A family's network that refuses single points."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.linear, self.error = nn.Linear(6, 3, dtype=torch.float64), error

    def forward(self, points: Tensor) -> Tensor:
        if len(points) == 1:
            raise self.error
        return self.linear(points)


def test_a_network_that_raises_where_it_is_measured_has_no_value_and_the_rest_is_measured() -> None:
    rows = rows_of(Moody(IndexError("no\n  such point")), "scaling", "moments")
    assert rows["scaling_imbalance"].value is None
    assert "IndexError: no such point" in str(rows["scaling_imbalance"].reason)
    assert rows["chi"].value is not None


def test_a_fault_of_the_device_is_no_missing_value() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        rows_of(Moody(torch.OutOfMemoryError("no memory")), "scaling")


def test_measuring_changes_neither_the_network_nor_anybody_s_random_numbers() -> None:
    network = module()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(7)
    expected = torch.randn(3)
    torch.manual_seed(7)
    rows_of(network, *GROUPS)
    assert torch.equal(torch.randn(3), expected)
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())
