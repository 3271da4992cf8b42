"""The headline and the plan of a study of the scaling calculus."""

import pytest

from distnlc.records import OK
from distnlc.studies import resolve
from distnlc.studies.scaling.calibration import seconds
from distnlc.studies.scaling.records import UnitRow
from distnlc.studies.scaling.spec import Spec
from distnlc.studies.scaling.units import units
from distnlc.studies.scaling.view import Headline


def row(**columns: object) -> UnitRow:
    return UnitRow(unit_id="u", part="p", index=0, status=OK, seconds=1.0, **columns)  # type: ignore[arg-type]


def test_the_headline_shows_imbalances_and_normalized_losses_of_what_is_done() -> None:
    headline = Headline()
    assert headline.numbers() == {}
    headline.add(row(init="fan-in", hessian_imbalance=4.0))
    headline.add(row(init="fan-in", hessian_imbalance=9.0))
    headline.add(row(init="geometric", variant="equal", weighting="rescale", block_scaled=True, ratio_imbalance=2.0))
    headline.add(row(init="geometric", dataset="iris", seed=0, best_loss=0.2))
    assert headline.numbers() == pytest.approx({"hessian_imbalance_fan_in": 6.0, "residual_imbalance_scaled": 2.0})
    headline.add(row(init="fan-out", dataset="iris", seed=0, best_loss=0.5))
    headline.add(UnitRow(unit_id="u", part="p", index=0, status="failed", seconds=0.0))
    assert headline.numbers()["normalized_loss_geometric"] == pytest.approx(0.4)
    assert headline.numbers()["normalized_loss_fan_out"] == 1


def test_the_plan_has_a_time_for_every_unit_and_the_paper_s_size_takes_weeks_of_a_cpu() -> None:
    for name in ("scaling-quick", "scaling"):
        spec = resolve(name)
        assert isinstance(spec, Spec)
        todo = units(spec)
        found = seconds(spec, todo, "cpu")
        assert len(found) == len(todo)
        assert all(each > 0 for each in found)
    assert sum(found) > 14 * 24 * 3600 / 4
