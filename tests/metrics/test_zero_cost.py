"""All zero-cost proxies together, and what they have to beat."""

import pytest
import torch
from torch import Tensor, nn

from distnlc.metrics import catalog, zero_cost
from distnlc.metrics.measurable import UnmeasurableError
from distnlc.metrics.size import Size, size
from distnlc.metrics.snip import snip
from distnlc.metrics.zen_score import zen_score
from distnlc.networks.activations import make_activation
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layered, Skip, uniform_layers
from distnlc.networks.mlp import MLP
from distnlc.networks.residual import Residual
from distnlc.spec import derive_seed


@pytest.fixture
def inputs(normal) -> Tensor:
    return normal(80, 6, seed=3)


def rectified() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 200), nn.ReLU(), nn.Linear(200, 100), nn.ReLU(), nn.Linear(100, 3)).double()


def test_they_are_those_of_one_random_batch_in_the_catalog_s_order(inputs: Tensor) -> None:
    network, labels, told = rectified(), torch.arange(80) % 3, list[str]()
    found = zero_cost.zero_cost(network, inputs, labels, loss_scale=2.0, seed=5, ntk=True, progress=told.append)
    assert list(found) == list(catalog.ZERO_COST)
    assert told == [*list(found)[:-3], "size"]
    rows = torch.randperm(80, generator=torch.Generator().manual_seed(derive_seed("metrics", 5, "zero cost")))[:32]
    assert found["snip"].value == snip(network, inputs[rows], labels[rows], loss_scale=2.0)
    assert found["zen_score"].value == zen_score(network, inputs, seed=5)
    assert found["parameters"].value == 6 * 200 + 200 + 200 * 100 + 100 + 300 + 3
    assert all(each.seconds > 0 and (each.value is None) == (each.reason is not None) for each in found.values())
    assert {name for name, each in found.items() if each.value is None} <= {"ntk_condition_number"}


def test_what_has_no_value_says_why(inputs: Tensor) -> None:
    smooth = nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 3)).double()
    found = zero_cost.zero_cost(smooth, inputs, None)
    assert "ntk_condition_number" not in found
    for name in ("gradient_norm", "snip", "grasp", "fisher"):
        assert found[name].value is None
        assert found[name].reason == "it needs labels"
    assert found["naswot"].reason == "tanh has no linear regions, so neurons behind it have no code"
    callable_ = zero_cost.zero_cost(torch.tanh, inputs, None)
    assert {name for name, each in callable_.items() if each.value is not None} == {"jacobian_covariance"}
    assert "weight layers" in (callable_["depth"].reason or "")


def test_every_proxy_has_a_label_of_its_own() -> None:
    labels = [each.label for each in catalog.ZERO_COST.values()]
    assert len(set(labels)) == len(labels)
    assert all(each.group == "initial" for each in catalog.ZERO_COST.values())


def test_the_depth_is_that_of_the_longest_path(normal) -> None:
    images = normal(3, 2, 6, 6, seed=0)
    main = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
    block = Residual(main, nn.Conv2d(4, 4, 1), beta=0.6)
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(inplace=True), block, nn.Flatten(), nn.Linear(144, 3)
    )
    assert size(network.double(), images).depth == 4
    shared = nn.Linear(6, 6)
    assert size(nn.Sequential(shared, nn.Tanh(), shared).double(), normal(3, 6, seed=0)) == Size(2, 6.0, 42)
    long = nn.Sequential(*(nn.Linear(6, 6) for _ in range(600))).double()
    assert size(long, normal(3, 6, seed=0)).depth == 600


def test_sizes_of_a_layered_network_are_the_study_s(inputs: Tensor) -> None:
    layers = uniform_layers([9, 9, 9, 3], activation=make_activation("relu"), normalization="layer")
    description = Layered(6, layers, (Skip(start=1, end=3),))
    network = MLP(description, gaussian(description, [1, 1, 1, 1], seed=1))
    parameters = sum(each.numel() for each in network.parameters())
    assert size(network, inputs) == Size(4, 9.0, parameters)


def test_a_network_without_weight_layers_has_no_depth_and_one_of_one_layer_no_width(inputs: Tensor) -> None:
    assert size(nn.Linear(6, 3).double(), inputs) == Size(1, None, 21)
    with pytest.raises(UnmeasurableError, match="weight layers"):
        size(nn.Tanh(), inputs)
