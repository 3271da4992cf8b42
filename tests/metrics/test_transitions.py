"""Exact counts are those of dense sampling, sampled ones approach them from below, and every way of looking at neurons
counts the same."""

import copy
import itertools
import math

import pytest
import torch
from torch import Tensor, nn

import distnlc
from distnlc.metrics import exact_transitions
from distnlc.metrics.curves import Ellipse, translations
from distnlc.metrics.transitions import transition_densities
from distnlc.networks.activations import PaperHardSigmoid, make_activation
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layered, uniform_layers
from distnlc.networks.mlp import MLP

PIECEWISE = {
    nn.ReLU(inplace=True): (0.0,),
    nn.ReLU6(): (0.0, 6.0),
    nn.Hardtanh(): (-1.0, 1.0),
    nn.Hardsigmoid(): (-3.0, 3.0),
    PaperHardSigmoid(): (-0.5, 0.5),
    nn.LeakyReLU(0.2): (0.0,),
}


def chain(*widths: int, activation: nn.Module, bias: bool = False, scale: float = 1.0) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Flatten()]
    for d_in, d_out in itertools.pairwise(widths):
        layers += [nn.Linear(d_in, d_out, bias=bias), copy.deepcopy(activation)]
        nn.init.normal_(layers[-2].weight, std=scale * (2 / d_in) ** 0.5)
    return nn.Sequential(*layers[:-1]).double().requires_grad_(False)


def densely(network: nn.Sequential, corners: Tensor, thresholds: tuple[float, ...], samples: int) -> list[int]:
    """The transitions of each hidden layer along a closed polygon, by looking at all points at once."""
    shares = torch.arange(samples, dtype=corners.dtype) / samples
    sides = [a + shares.reshape(-1, *[1] * a.ndim) * (b - a) for a, b in zip(corners, corners.roll(-1, 0), strict=True)]
    signal, counts = torch.cat(sides), []
    for module in network:
        if not isinstance(module, nn.Flatten | nn.Linear):
            codes = sum((signal > threshold).int() for threshold in thresholds)
            counts.append(int((codes - codes.roll(-1, 0)).abs().sum()))
        signal = module(signal)
    return counts


@pytest.fixture
def images(normal) -> Tensor:
    return normal(3, 2, 3, 8, seed=1)


@pytest.mark.parametrize("activation", PIECEWISE, ids=lambda each: type(each).__name__)
def test_exact_counts_are_those_of_dense_sampling(activation: nn.Module, images: Tensor) -> None:
    thresholds = PIECEWISE[activation]
    network = chain(48, 15, 12, 15, 3, activation=activation, bias=True, scale=2.0 if max(thresholds) > 2 else 1.0)
    found = distnlc.transitions(network, images)
    dense = [densely(copy.deepcopy(network), each, thresholds, 4096) for each in translations(images)]
    assert torch.stack([*found.by_layer.values()]).T.tolist() == dense
    assert found.counts.tolist() == [sum(each) for each in dense]
    assert (found.method, found.neurons, list(found.by_layer)) == ("exact", 42, ["2", "4", "6"])
    assert found.mean == pytest.approx(sum(map(sum, dense)) / 3)


@pytest.mark.parametrize("activation", ["relu", "relu6", "hardtanh", "hardsigmoid"])
def test_exact_counts_of_a_layered_network_are_those_of_dense_sampling(activation: str, images: Tensor) -> None:
    """Its activation functions are stretched and shifted, and so are their thresholds."""
    function = make_activation(activation, dilation=1.2, shift=0.3, debiased=True)
    layers = Layered(48, uniform_layers([15, 12, 3], activation=function, bias=False))
    network = MLP(layers, gaussian(layers, [3 / 48, 3 / 15, 1], seed=0)).requires_grad_(False)
    found = distnlc.transitions(network, images.flatten(1), image_shape=(2, 3, 8))
    dense = distnlc.transitions(
        network, images.flatten(1), image_shape=(2, 3, 8), samples_per_shift=4096, method="sampled"
    )
    assert list(found.by_layer) == ["linears.0", "linears.1"]
    assert found.counts.tolist() == dense.counts.tolist()
    kinks = {"relu": [0], "relu6": [0, 6], "hardtanh": [-1, 1], "hardsigmoid": [-0.5, 0.5]}[activation]
    corners = network.linears[0](translations(images).flatten(2))
    codes = sum(((1.2 * corners + 0.3) > kink).int() for kink in kinks)
    assert found.by_layer["linears.0"].tolist() == (codes - codes.roll(-1, 1)).abs().sum((1, 2)).tolist()


def test_each_neuron_of_a_closed_trajectory_changes_an_even_number_of_times(images: Tensor) -> None:
    found = distnlc.transitions(chain(48, 1, 1, 1, 3, activation=nn.ReLU(), scale=5), images)
    assert all((counts % 2 == 0).all() for counts in found.by_layer.values())
    narrow = [distnlc.transitions(chain(48, 30, 1, 3, activation=nn.Hardtanh()), image[None]) for image in images]
    assert all(int(each.by_layer["4"]) % 2 == 0 for each in narrow)


def test_lists_that_are_cut_in_two_give_the_same_counts(images: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    network = chain(48, 15, 12, 15, 3, activation=nn.ReLU6(), scale=2.0)
    whole = distnlc.transitions(network, images)
    for numbers in (1, 300, 5000):
        monkeypatch.setattr(exact_transitions, "NUMBERS", numbers)
        assert torch.equal(distnlc.transitions(network, images).counts, whole.counts)


def test_sampling_approaches_the_exact_count_from_below(images: Tensor) -> None:
    network = chain(48, 60, 60, 60, 3, activation=nn.ReLU())
    exact = distnlc.transitions(network, images)
    shares = [
        distnlc.transitions(network, images, method="sampled", samples_per_shift=samples).mean / exact.mean
        for samples in (1, 8, 32, 128, 512)
    ]
    assert shares == sorted(shares)
    assert shares[1] == pytest.approx(0.99, abs=0.03)
    assert shares[-1] == pytest.approx(1, abs=1e-3)
    assert shares[0] < 0.95


def test_of_tanh_the_first_layer_needs_no_samples_and_two_layers_are_exact(images: Tensor) -> None:
    network = chain(48, 40, 3, activation=nn.Tanh())
    found = distnlc.transitions(network, images)
    codes = (network[1](translations(images).flatten(2)) > 0).int()
    assert found.method == "exact"
    assert found.counts.tolist() == (codes - codes.roll(-1, 1)).abs().sum((1, 2)).tolist()
    deep = chain(48, 40, 20, 3, activation=nn.Tanh())
    few, many = (distnlc.transitions(deep, images, samples_per_shift=samples) for samples in (16, 512))
    assert few.method == "sampled"
    assert torch.equal(few.by_layer["2"], many.by_layer["2"])
    assert torch.equal(many.by_layer["2"], found.counts)
    assert many.mean * 0.98 <= few.mean <= many.mean


class Holding(nn.Module):
    """A network inside another one, whose activation functions are called as it likes."""

    def __init__(self, network: nn.Sequential) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Tensor) -> Tensor:
        return self.network(batch)


class Twice(nn.Module):
    """One module for two layers, once by keyword, and an activation function that is no module."""

    def __init__(self, network: nn.Sequential) -> None:
        super().__init__()
        self.first, self.second, self.third, self.last = (network[number] for number in (1, 3, 5, 7))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, batch: Tensor) -> Tensor:
        signal = self.relu(self.second(self.relu(input=self.first(batch.flatten(1)))))
        return self.last(torch.relu(self.third(signal)))


def test_of_any_module_neurons_are_seen_at_its_activation_modules(images: Tensor) -> None:
    network = chain(48, 15, 12, 15, 3, activation=nn.ReLU())
    plain = distnlc.transitions(network, images, method="sampled")
    held = distnlc.transitions(Holding(network), images)
    assert held.method == "sampled"
    assert list(held.by_layer) == [f"network.{name}" for name in plain.by_layer]
    assert torch.equal(held.counts, plain.counts)
    assert held.neurons == plain.neurons == 42
    twice = distnlc.transitions(Twice(network), images)
    assert list(twice.by_layer) == ["relu", "relu (2)"]
    assert torch.equal(twice.by_layer["relu (2)"], plain.by_layer["4"])
    named = distnlc.transitions(Twice(network), images, activations={"third": [0], "second": (0.0,)})
    assert torch.equal(named.by_layer["third"], plain.by_layer["6"])
    assert torch.equal(named.by_layer["second"], plain.by_layer["4"])


def test_float32_networks_are_counted_exactly_as_the_same_numbers_in_float64(images: Tensor) -> None:
    network = chain(48, 60, 60, 3, activation=nn.ReLU6()).float()
    found = distnlc.transitions(network, images.float())
    exact = distnlc.transitions(copy.deepcopy(network).double(), images.float().double())
    assert torch.equal(found.counts, exact.counts)


def test_one_trajectory_may_be_a_polygon_or_a_curve(images: Tensor) -> None:
    network = chain(48, 15, 12, 15, 3, activation=nn.ReLU6())
    along = translations(images)[0]
    polygon = distnlc.transitions(network, None, trajectory=along)
    assert polygon.counts.tolist() == distnlc.transitions(network, images[:1]).counts.tolist()
    curve = distnlc.ellipse(images)
    same = [curve, curve.__call__, Ellipse(curve.center, curve.cosine, curve.sine)]
    counts = [distnlc.transitions(network, None, trajectory=each).counts.tolist() for each in same]
    sampled = distnlc.transitions(Holding(network), None, trajectory=curve)
    assert counts == [sampled.counts.tolist()] * 3
    assert math.isnan(sampled.standard_error)


@pytest.mark.parametrize("held", [False, True])
def test_the_density_has_its_datapoints_in_the_middle_of_bins(held: bool, images: Tensor) -> None:
    network = chain(48, 15, 12, 3, activation=nn.ReLU())
    curve = distnlc.ellipse(images)
    angles, counts = distnlc.transition_density(Holding(network) if held else network, curve, bins=12, samples=200)
    assert angles.tolist() == pytest.approx([2 * math.pi * number / 12 for number in range(12)])
    expected = []
    for angle in angles:
        edges = angle + math.pi / 12 * torch.linspace(-1, 1, 2001, dtype=torch.float64)
        codes = [network[:2](curve.at(edges)) > 0, network[:4](curve.at(edges)) > 0]
        expected.append(sum(int((each[1:] ^ each[:-1]).sum()) for each in codes))
    assert counts.tolist() == expected
    layers = transition_densities(network, curve, bins=12, samples=200)
    assert torch.equal(sum(layers.values()), counts)
    assert list(layers) == ["2", "4"]


def test_the_network_is_left_as_it_was(images: Tensor) -> None:
    network = Holding(chain(48, 15, 12, 3, activation=nn.ReLU(inplace=True))).float().requires_grad_(True)
    before = copy.deepcopy(network.state_dict())
    first, second = (distnlc.transitions(network, images) for _ in range(2))
    assert torch.equal(first.counts, second.counts)
    assert network.training
    assert all(not each._forward_pre_hooks and not each._forward_hooks for each in network.modules())
    assert all(each.requires_grad for each in network.parameters())
    torch.testing.assert_close(dict(network.state_dict()), dict(before), rtol=0, atol=0)


NETWORK = nn.Sequential(nn.Flatten(), nn.Linear(48, 5), nn.ReLU(), nn.Linear(5, 3))
SMOOTH = nn.Sequential(nn.Flatten(), nn.Linear(48, 5), nn.GELU(), nn.Linear(5, 3))
COUPLED = nn.Sequential(nn.Flatten(), nn.Linear(48, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))


class Regrouped(nn.Module):
    """Its activation function sees rows that are no points."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, batch: Tensor) -> Tensor:
        return self.act(batch.reshape(-1, 8)).reshape(len(batch), -1)


IMAGES = torch.rand(2, 2, 3, 8)


@pytest.mark.parametrize(
    ("network", "inputs", "settings", "said"),
    [
        (SMOOTH, IMAGES, {}, "GELU has no thresholds. Its modules are: Flatten, GELU, Linear.* activations="),
        (nn.Linear(48, 3), IMAGES.flatten(1), {"image_shape": (2, 3, 8)}, "no activation module. Its modules are: Lin"),
        (NETWORK.forward, IMAGES, {"method": "exact"}, "counted exactly in plain chains"),
        (lambda batch: batch.flatten(1), IMAGES, {}, "neurons can be seen in a torch module only"),
        (NETWORK, IMAGES, {"method": "best"}, "expected method auto, exact, sampled"),
        (SMOOTH, IMAGES, {"activations": {"4": [0]}}, "no module '4'; it has: 0, 1, 2, 3"),
        (SMOOTH, IMAGES, {"activations": {"1": []}}, "'1' needs at least one threshold"),
        (COUPLED, IMAGES, {}, "the number of transitions of one point is not defined"),
        (Regrouped(), IMAGES, {}, r"at act must be a tensor \(\d+, ...\), a row for each point"),
        (NETWORK, IMAGES.flatten(1), {}, "image_shape says how rows are read"),
        (NETWORK, IMAGES[..., :2], {}, "at least 3 pixels wide, found 2"),
        (NETWORK, None, {}, "expected inputs and trajectory='translations'"),
        (NETWORK, None, {"trajectory": IMAGES}, "at least 3 points"),
        (NETWORK, None, {"trajectory": lambda _: IMAGES[[0, 1, 0]]}, "as many points as it is asked for, 9216"),
        (NETWORK, IMAGES * math.inf, {}, "nan or infinity in row 0"),
    ],
)
def test_what_has_no_transitions_is_refused(
    network: nn.Module, inputs: Tensor | None, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=f"(?s){said}"):
        distnlc.transitions(network, inputs, **settings)


def test_a_trajectory_of_points_of_another_size_is_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 10))
    with pytest.raises(ValueError, match=r"takes points of 64 numbers, found float32 \(5, 3\)"):
        distnlc.transitions(network, None, trajectory=torch.ones(5, 3))
