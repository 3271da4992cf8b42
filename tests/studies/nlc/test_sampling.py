"""The distribution of architectures (section C): frequencies, sizes, and draws that never drift."""

import itertools
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Hashable
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from scipy import stats

from distnlc.networks.architecture import Architecture, count_parameters, width_for
from distnlc.studies.nlc.sampling import sample_architecture

pytestmark = pytest.mark.slow
DRAWS = 20_000
SIZES = {"waveform-noise": (40, 3), "mnist": (334, 10), "cifar10": (810, 10)}
ODD_DEPTHS = range(3, 50, 2)


PROPERTIES = ["depth", "bias_variance", "initial_scale", "activation", "dilation", "shift", "debiased", "skips"]


def skips(drawn: Architecture) -> str:
    return "none" if drawn.skip_strength == 0 else "full" if drawn.skip_strength == 1 else "drawn"


def values(draws: list[Architecture], name: str) -> list[Any]:
    return [skips(drawn) if name == "skips" else getattr(drawn, name) for drawn in draws]


@pytest.fixture(scope="module")
def draws() -> list[Architecture]:
    return [sample_architecture(index, seed=0, d_in=40, d_out=3) for index in range(DRAWS)]


def assert_frequencies(values: list[Hashable], expected: dict[Hashable, float]) -> None:
    """Each value as often as expected, within four standard errors, and no other value."""
    counts, n = Counter(values), len(values)
    assert counts.keys() == expected.keys()
    for value, share in expected.items():
        z = (counts[value] - n * share) / np.sqrt(n * share * (1 - share))
        assert abs(z) < 4, f"{value}: {counts[value] / n:.4f} instead of {share:.4f} (z = {z:.1f})"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("depth", dict.fromkeys(ODD_DEPTHS, 1 / 24)),
        ("bias_variance", {0.0: 0.5, 0.05: 0.5}),
        ("initial_scale", {0.9: 0.25, 1.1: 0.25, 1.0: 0.5}),
        (
            "activation",
            dict.fromkeys(["relu", "selu", "gaussian"], 2 / 11)
            | dict.fromkeys(["tanh", "even-tanh", "sigmoid", "square", "odd-square"], 1 / 11),
        ),
        ("dilation", {1.0: 0.5, 1.2: 0.25, 0.8: 0.25}),
        ("shift", {0.0: 0.5, 0.2: 0.25, -0.2: 0.25}),
        ("debiased", {False: 0.5, True: 0.5}),
        ("skips", {"none": 0.5, "full": 0.25, "drawn": 0.25}),
    ],
)
@pytest.mark.slow
def test_every_property_has_its_stated_frequencies(
    draws: list[Architecture], name: str, expected: dict[Hashable, float]
) -> None:
    assert_frequencies(values(draws, name), expected)


def test_post_processing_gives_the_stated_aggregate_of_normalizations(draws: list[Architecture]) -> None:
    none = 0.5 * 0.5 * 9 / 11  # neither drawn, nor skips, nor square or odd square: 20.4 %
    stated = {"none": 0.204, "batch": 0.398, "layer": 0.398}
    expected: dict[Hashable, float] = {"none": none, "batch": (1 - none) / 2, "layer": (1 - none) / 2}
    assert expected == pytest.approx(stated, abs=0.001)
    assert_frequencies([drawn.normalization for drawn in draws], expected)


def test_normalization_is_drawn_half_and_quarters_and_assigned_half_and_half(draws: list[Architecture]) -> None:
    def needs(drawn: Architecture) -> bool:
        return drawn.skip_strength > 0 or drawn.activation in {"square", "odd-square"}

    free = [drawn.normalization for drawn in draws if not needs(drawn)]
    assert_frequencies(list(free), {"none": 0.5, "batch": 0.25, "layer": 0.25})
    needy = [drawn.normalization for drawn in draws if needs(drawn)]
    assert_frequencies(list(needy), {"batch": 0.5, "layer": 0.5})


def test_skip_connections_start_half_and_half_after_the_linear_operation_or_the_normalization(
    draws: list[Architecture],
) -> None:
    for kind in ("full", "drawn"):
        starts = [drawn.skip_start for drawn in draws if skips(drawn) == kind]
        assert_frequencies(list(starts), {"linear": 0.5, "normalization": 0.5})
    assert {drawn.skip_start for drawn in draws if skips(drawn) == "none"} == {"none"}


def test_drawn_skip_strengths_are_uniform_between_0_and_1(draws: list[Architecture]) -> None:
    strengths = [drawn.skip_strength for drawn in draws if skips(drawn) == "drawn"]
    assert stats.kstest(strengths, "uniform").pvalue > 1e-3


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(PROPERTIES, 2)))
def test_properties_are_drawn_independently(draws: list[Architecture], one: str, other: str) -> None:
    table = stats.contingency.crosstab(*([str(value) for value in values(draws, name)] for name in (one, other))).count
    assert stats.chi2_contingency(table).pvalue > 1e-4


@pytest.mark.parametrize(("d_in", "d_out"), list(SIZES.values()), ids=list(SIZES))
def test_the_width_comes_nearest_to_the_budget(d_in: int, d_out: int) -> None:
    for depth in ODD_DEPTHS:
        width = width_for(1_000_000, depth, d_in, d_out)
        below, there, above = (abs(count_parameters(depth, width + n, d_in, d_out) - 1_000_000) for n in (-1, 0, 1))
        assert there == min(below, there, above) <= 30_000


@pytest.mark.parametrize("depth", [3, 5, 49])
def test_the_parameter_count_is_that_of_the_built_network(depth: int) -> None:
    for index in itertools.count():
        drawn = sample_architecture(index, seed=0, d_in=7, d_out=4, parameters=3_000, depth_min=depth, depth_max=depth)
        if drawn.skip_strength > 0:
            break
    network = drawn.build()
    assert sum(parameter.numel() for parameter in network.parameters()) == drawn.parameters
    assert [linear.out_features for linear in network.linears] == [drawn.width] * (depth - 1) + [4]
    assert drawn.widths == [7, *[drawn.width] * (depth - 1), 4]


def test_a_budget_below_one_neuron_still_gives_a_network() -> None:
    assert width_for(100, 49, 810, 10) == 1


def test_the_same_index_has_the_same_properties_for_every_dataset_and_budget() -> None:
    def properties(index: int, d_in: int, d_out: int, parameters: int) -> dict[str, object]:
        drawn = asdict(sample_architecture(index, seed=5, d_in=d_in, d_out=d_out, parameters=parameters))
        return {name: value for name, value in drawn.items() if name not in {"d_in", "d_out", "width"}}

    for index in range(100):
        first = properties(index, 40, 3, 1_000_000)
        assert properties(index, 334, 10, 1_000_000) == first
        assert properties(index, 810, 10, 20_000) == first


def test_index_and_seed_both_change_the_draw() -> None:
    sizes = {"d_in": 40, "d_out": 3}
    drawn = [sample_architecture(index, seed=seed, **sizes) for index in range(100) for seed in range(3)]
    assert len({each.architecture_id for each in drawn}) == 300


def test_depths_stay_within_their_bounds() -> None:
    bounds = {"d_in": 40, "d_out": 3, "depth_min": 5, "depth_max": 9}
    assert {sample_architecture(index, seed=0, **bounds).depth for index in range(200)} == {5, 7, 9}


def test_another_process_with_other_hashes_draws_the_same() -> None:
    program = (
        "from distnlc.studies.nlc.sampling import sample_architecture\n"
        "for index in range(50): print(sample_architecture(index, seed=11, d_in=40, d_out=3))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "12345", "OMP_NUM_THREADS": "1"}
    there = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    here = [str(sample_architecture(index, seed=11, d_in=40, d_out=3)) for index in range(50)]
    assert there.stdout.splitlines() == here


def test_a_known_draw_and_its_id_never_drift() -> None:
    """A store's rows are found again by these ids: if this fails, old studies can no longer be continued."""
    drawn = sample_architecture(7, seed=3, d_in=40, d_out=3)
    assert drawn.architecture_id == "9e9d49bd3ebbc584"
    assert drawn.label() == f"relu 33 x 178 ({drawn.parameters:,} parameters), layer norm, skips x0.072 from linear"


def test_every_field_is_part_of_the_id() -> None:
    drawn = asdict(sample_architecture(7, seed=3, d_in=40, d_out=3))
    others = {name: "other" if isinstance(value, str) else value + 1 for name, value in drawn.items()}
    ids = {Architecture(**(drawn | {name: other})).architecture_id for name, other in others.items()}
    assert len(ids | {Architecture(**drawn).architecture_id}) == len(drawn) + 1
