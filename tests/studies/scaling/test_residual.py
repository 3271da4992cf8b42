"""Residual networks at initialization: what is measured, and the shares and multipliers that section 11 and A9 give."""

import math
from statistics import fmean

import pytest
import torch
from torch import Tensor

from distnlc.metrics.scaling import scaling
from distnlc.networks.residual import Residual
from distnlc.spec import derive_seed
from distnlc.studies.scaling.bottlenecks import CLASSES, COLOURS, Shape, bottlenecks, place_of
from distnlc.studies.scaling.records import LayerRow
from distnlc.studies.scaling.residual import residual_unit
from distnlc.studies.scaling.spec import Spec
from distnlc.studies.scaling.units import Task

SMALL = {"setups": 1, "samples": 2, "size": 8, "width": 8, "inner": 4, "blocks": 3}
F = (1 - 2 / 24) ** 2
"""coverage of a 3x3 kernel with padding 1 on 8x8 pixels"""


def layers_of(number: int, variant: str, weighting: str, scaled: bool, group: dict[str, int]) -> list[LayerRow]:
    part = Spec.parse({"kind": "scaling", "experiment": "residual", "residual": group})
    task = Task(number=number, init="geometric", variant=variant, weighting=weighting, block_scaled=scaled)
    return residual_unit(part, task, seed=number)[1]["layers"]


def test_a_row_is_what_scaling_and_plain_gradients_say() -> None:
    shape = Shape("widen-pool", "rescale", 8, 8, 4, 3)
    network, plan = bottlenecks(shape, scaled=True, numerator=2.0, seed=derive_seed("weights", 5))
    random = torch.Generator().manual_seed(derive_seed("inputs and loss", 5))
    inputs = torch.randn(2, COLOURS, 8, 8, generator=random, dtype=torch.float64)
    matrix = torch.randn(CLASSES, CLASSES, generator=random, dtype=torch.float64)

    def loss(outputs: Tensor, _: int = 0) -> Tensor:
        return (outputs @ matrix * outputs).sum()

    public = {row.name: row for row in scaling(network, inputs, loss=loss, samples=2).weights}
    squares: dict[str, float] = {}
    for point in inputs.split(1):
        network.zero_grad()
        loss(network(point)).backward()
        for name, each in network.named_parameters():
            assert each.grad is not None
            squares[name] = squares.get(name, 0) + float(each.grad.square().mean() / each.detach().square().mean()) / 2
    found = layers_of(5, "widen-pool", "rescale", True, SMALL)
    assert [row.name for row in found] == list(public)
    assert len(found) == len(squares) == len(plan.rows) == 2 + 3 * 4 + 2
    for row in found:
        kind = "value" if row.kind == "scalar" else "weight"
        assert row.ratio == pytest.approx(squares[f"{row.name}.parametrizations.{kind}.original"])
        assert row.ratio == pytest.approx(public[row.name].ratio)
        assert row.gamma == pytest.approx(public[row.name].gamma)


def test_all_planned_paces_are_one_with_scaled_blocks_and_the_share_without() -> None:
    for weighting, beta in (("half", 1 / 2), ("rescale", 1 / 3)):
        scaled = layers_of(0, "equal", weighting, True, SMALL)
        unscaled = layers_of(0, "equal", weighting, False, SMALL)
        assert {round((row.offline_gamma or 0) * 4, 9) for row in scaled} == {1}, "s / c^2 with c = 2"
        main = next(row for row in unscaled if row.place == "main")
        assert main.offline_gamma == pytest.approx(beta / 4)
        assert [row.offline_gamma for row in unscaled if row.place == "outside"] == pytest.approx([0.25, 0.25])


def test_scaled_blocks_are_the_same_function_but_for_coverage() -> None:
    """Weights and multipliers of unscaled ones make up the same products, times the root of the coverage (A4)."""
    shape = Shape("equal", "half", 8, 8, 4, 2)
    scaled, plan = bottlenecks(shape, scaled=True, numerator=2.0, seed=1)
    unscaled, _ = bottlenecks(shape, scaled=False, numerator=2.0, seed=1)
    for row in plan.rows:
        coverage = 1.0 if row.kind == "scalar" else row.terms / (row.n_in * row.k**2)
        kind = "value" if row.kind == "scalar" else "weight"
        first, second = (getattr(each.get_submodule(row.name), kind) for each in (scaled, unscaled))
        assert torch.allclose(second, first * math.sqrt(coverage))
        assert coverage == pytest.approx(F if row.k == 3 else 1)


def test_widening_networks_have_three_stages_and_halve_their_images() -> None:
    for variant in ("widen-pool", "widen-subsample"):
        network, plan = bottlenecks(Shape(variant, "half", 8, 8, 4, 7), scaled=True, numerator=2.0, seed=0)
        blocks = [each for each in network if isinstance(each, Residual)]
        assert len(blocks) == 7
        shapes = []
        signal = torch.randn(1, COLOURS, 8, 8, dtype=torch.float64)
        for module in network[:-2]:
            signal = module(signal)
            shapes.append(tuple(signal.shape[1:]))
        assert shapes[1:8] == [(8, 8, 8)] * 3 + [(16, 4, 4)] * 2 + [(32, 2, 2)] * 2
        assert [place_of(row.name) for row in plan.rows].count("shortcut") == 2
        assert network(torch.randn(3, COLOURS, 8, 8, dtype=torch.float64)).shape == (3, CLASSES)


def test_weights_are_shared_by_weightings_and_scalings() -> None:
    networks = [
        bottlenecks(Shape("equal", weighting, 8, 8, 4, 2), scaled=scaled, numerator=2.0, seed=3)[0]
        for weighting in ("half", "rescale")
        for scaled in (False, True)
    ]
    drawn = []
    for network in networks:
        layer = network.get_submodule("1.main.1")
        weight = layer.parametrizations.weight.original  # type: ignore[union-attr]
        drawn.append((weight / weight[0, 0]).detach())  # type: ignore[operator, index]
    assert all(torch.allclose(drawn[0], each) for each in drawn[1:])


@pytest.mark.slow
def test_block_scaling_brings_branches_to_the_pace_outside() -> None:
    """A9 at 24 networks: 0.094 -> 0.93 with RescaleNet's weights, max/min 14 -> 1.2."""
    group = {"samples": 2, "size": 8, "width": 64, "inner": 32, "blocks": 6}
    found = {}
    for scaled in (False, True):
        networks = [layers_of(number, "equal", "rescale", scaled, group) for number in range(24)]
        means = [fmean(rows[layer].ratio or 0 for rows in networks) for layer in range(len(networks[0]))]
        rows = networks[0]
        weights = [mean for mean, row in zip(means, rows, strict=True) if row.kind != "scalar"]
        outside, main = (
            fmean(
                math.log(mean)
                for mean, row in zip(means, rows, strict=True)
                if row.place == place and row.kind != "scalar"
            )
            for place in ("outside", "main")
        )
        found[scaled] = math.exp(main - outside), max(weights) / min(weights)
    assert 0.07 < found[False][0] < 0.13
    assert 0.8 < found[True][0] < 1.25
    assert found[False][1] > 10
    assert found[True][1] < 2
