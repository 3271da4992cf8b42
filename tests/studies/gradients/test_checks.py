"""The checks without training (section 7): each family at a tiny size, and wrong implementations, which they tell."""

import math
from typing import Any

import pytest
import torch

from distnlc.metrics.gradient_scale_between import gradient_scale_between
from distnlc.spec import SpecError
from distnlc.studies.gradients import checks
from distnlc.studies.gradients.checks import (
    bounds,
    composition,
    dilution_law,
    noise,
    rescaling,
    scaled_residuals,
    sensitivity,
    sphere,
)
from distnlc.studies.gradients.checks.check import Check, beside_stated, of_mean, of_quadratic_mean
from distnlc.studies.gradients.networks import layered_of
from distnlc.studies.gradients.spec import Spec
from distnlc.studies.gradients.units import CHECKS, cost

SLOW = {"growth", "dilution-depth", "variants", "rescaling", "sensitivity"}


def part(check: str = "bounds", networks: int = 2, points: int = 20) -> Spec:
    fields = {"experiment": "checks", "check": check, "networks": networks, "points": points}
    return Spec.parse({"kind": "gradients", **fields})


def broken(found: list[Check]) -> list[str]:
    return [check.case for check in found if not check.holds]


@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in checks.FAMILIES]
)
def test_every_family_gives_finite_rows_of_different_cases(family: str) -> None:
    found = checks.run(part(family), seed=1)
    assert len({row.case for row in found}) == len(found) > 0
    assert {row.check for row in found} == {family}
    for row in found:
        assert row.measured is not None
        assert math.isfinite(row.measured), row.case
        assert row.relation in {"equal", "at most", "at least"}


def test_the_plan_knows_the_time_of_every_family() -> None:
    assert set(CHECKS) == set(checks.FAMILIES)
    assert cost(part("bounds")) < cost(part("sphere")) < cost(part("growth"))
    assert cost(part("growth", networks=4, points=40)) == 2 * cost(part("growth", points=40))
    assert cost(part("growth", points=10_000)) > 1.5 * cost(part("growth"))


def test_a_family_that_there_is_not_is_refused_by_name() -> None:
    with pytest.raises(SpecError, match=r"'check': Input should be 'rescaling'.*but got 'growing'"):
        part("growing")
    with pytest.raises(SpecError, match="experiment = checks needs check, one of rescaling, sensitivity"):
        Spec.parse({"kind": "gradients", "experiment": "checks"})


@pytest.mark.parametrize("family", [rescaling, bounds])
def test_exact_families_hold_at_any_size(family: Any) -> None:
    assert broken(family.run(part(networks=2), seed=4)) == []


@pytest.mark.slow
def test_a_squared_gsc_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    squared = lambda *given, **more: gradient_scale_between(*given, **more).square()  # noqa: E731
    monkeypatch.setattr(sensitivity, "gradient_scale_between", squared)
    assert len(broken(sensitivity.run(part(networks=5), seed=1))) >= 4


def test_a_rescaling_that_leaves_the_lengths_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescaling.Chain, "gsc", rescaling.Chain.norms)
    assert "proposition 4: GSC(k, l) of all k, l" in broken(rescaling.run(part(networks=1), seed=1))


def test_a_rescaling_that_does_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescaling, "rescaled", lambda chain, *_: chain)
    assert "proposition 4: norms of Jacobians, largest factor" in broken(rescaling.run(part(networks=1), seed=1))


def test_the_simple_rule_for_compositions_is_told_from_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composition, "WHOLE", {})
    monkeypatch.setattr(composition, "CASES", composition.CASES[2:])
    assert broken(composition.run(part(networks=10), seed=1)) == []
    monkeypatch.setattr(composition, "formula", lambda k, functions: k / math.sqrt(functions))
    assert len(broken(composition.run(part(networks=10), seed=1))) == 2


def test_residuals_that_are_not_scaled_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaled_residuals, "PRINTED", {10: scaled_residuals.PRINTED[10]})
    assert broken(scaled_residuals.run(part(points=500), seed=1)) == []
    monkeypatch.setattr(scaled_residuals, "scaled", lambda parameters, _: parameters)
    assert broken(scaled_residuals.run(part(points=500), seed=1)) != []


def test_a_law_of_dilution_without_its_square_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dilution_law, "PRINTED", {"layer-tanh": dilution_law.PRINTED["layer-tanh"]})
    wrong = property(lambda self: (self.dilution + self.inner) / (self.dilution + 1))
    monkeypatch.setattr(dilution_law.Growth, "exact", wrong)
    assert "layer-tanh: largest deviation of a block from the exact law" in broken(dilution_law.run(part(), seed=1))


def test_single_terms_in_the_place_of_their_sums_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    right = bounds.tails

    def single(jacobians: Any, gradient: Any) -> Any:
        sums = right(jacobians, gradient)
        return torch.cat([sums[:-1] - sums[1:], sums[-1:]])

    monkeypatch.setattr(bounds, "tails", single)
    assert len(broken(bounds.run(part(), seed=1))) == 2


def test_the_inverse_of_a_macro_layer_lies_on_the_sphere() -> None:
    weights, points = sphere._draws(50, torch.Generator().manual_seed(2))
    for name in ("tanh", "selu"):
        found = sphere.inverse(name, weights, points)
        assert found.norm(dim=1).tolist() == pytest.approx([2.0] * 50)
        assert sphere.singular_values(name, weights, found).min() > 0


def test_a_check_holds_within_its_tolerance_or_three_standard_errors() -> None:
    assert Check("", 1.05, 1, "equal", 0.001, 0.1).holds
    assert not Check("", 1.05, 1, "equal", 0.001).holds
    assert Check("", 0.5, 1, "at most").holds
    assert not Check("", 0.5, 1, "at least", 0.1).holds
    assert Check("", 0.8, 1, "at least", 0.1).holds
    assert of_mean("", [1.0, 3.0], 2).standard_error == pytest.approx(1.0)
    assert of_mean("", [1.0], 2).standard_error is None
    assert of_quadratic_mean("", [1.0, 3.0], 0).measured == pytest.approx(math.sqrt(2))


def test_the_error_of_a_stated_number_counts_by_its_networks_and_its_rounding() -> None:
    assert beside_stated("", [1.0, 3.0], 2).standard_error == pytest.approx(math.sqrt(2 * (1 / 2 + 1)))
    many = beside_stated("", [1.0, 3.0], 2, networks=10**9, unit=math.sqrt(12), error=1)
    assert many.standard_error == pytest.approx(math.sqrt(3))


def test_networks_with_batch_norm_are_fewer_and_residual_ones_have_fewer_points() -> None:
    def size(different: dict[str, Any]) -> tuple[int, int]:
        given = part(networks=40, points=10_000)
        layered = layered_of(given.model_copy(update=different))
        return noise.networks_of(given, layered), noise.points_of(given, layered)

    assert size(noise.architecture("tanh", "layer")) == (40, 200)
    assert size(noise.architecture("tanh", "batch")) == (4, 10_000)
    assert size(noise.residual("tanh", "batch")) == (10, 2000)


def test_theorem_2_s_bound_stands_beside_real_layers_which_need_not_keep_it() -> None:
    assert sphere.largest_spread(torch.tensor([0.5, 1.5])) == pytest.approx(1 / 4)
    assert sphere.largest_spread(torch.linspace(0, 2, 10_001)) == pytest.approx(4 / 27, rel=1e-3)
    row = sphere._real_layers(part(networks=5), torch.Generator().manual_seed(0), "selu")
    assert (row.relation, row.holds) == ("at least", False)
    assert "conditions not fulfilled" in row.case
    assert row.target == pytest.approx(1.95, abs=0.1)
