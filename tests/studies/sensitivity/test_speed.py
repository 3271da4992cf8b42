"""`plan` knows the time of every unit; the bench's two loops train alike; what people see while a study runs."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from distnlc.studies import resolve
from distnlc.studies.sensitivity import speed
from distnlc.studies.sensitivity.cells import Cell
from distnlc.studies.sensitivity.cost import seconds
from distnlc.studies.sensitivity.spec import Spec
from distnlc.studies.sensitivity.units import rows, units
from distnlc.studies.sensitivity.view import Headline, curves, spearman
from tests.helpers.sensitivity_units import run_unit, tiny


def test_every_unit_has_a_time_that_grows_with_its_updates_its_width_and_what_is_measured() -> None:
    parts: dict[str, Any] = {
        "plain": {},
        "long": {"training": {"steps": 4000}},
        "wide": {"networks": {"widths": [300]}},
    }
    spec, measured = tiny(parts=parts), tiny(parts={"points": {"measure": {"ellipses": 5, "planes": 5}}})
    plain, long, wide = seconds(spec, units(spec), "cpu")
    (points,) = seconds(measured, units(measured), "cpu")
    assert 0 < plain < min(long, wide, points)
    assert long > 20 * plain


def test_the_rows_of_a_unit_are_as_many_as_plan_says() -> None:
    measure = {"points": 5, "ellipses": 2, "ellipse_bins": 12, "ellipse_samples": 4, "planes": 1, "grid": 32}
    spec = tiny(measure=measure)
    found = run_unit(spec)
    assert rows(spec) == {name: len(rows_of) for name, rows_of in found.items()}
    shown = curves(found)
    assert [step for step, _ in shown.points["training/loss"]] == list(range(1, 41))


def test_the_bench_trains_networks_of_the_preset_by_both_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "STEPS", 94)
    monkeypatch.setattr(speed, "POINTS", 96)
    study, threads = resolve(speed.PRESET), torch.get_num_threads()
    assert isinstance(study, Spec)
    for name, shape in speed.PARTS.items():
        cells = speed.chosen_cells(study.part(name), name)
        assert len(cells) > 3
        assert {(cell.optimizer, cell.rate, cell.batch) for cell in cells} == {("momentum", 0.005, 32)}
        for train in (speed._ours, speed._plain):
            train(cells[0], shape)
    network, data, spec = speed._trained(Cell("relu", 9, 2, 1.0, "true", "none", "momentum", 0.005, 32), (1, 28, 28))
    assert (spec.steps, spec.momentum, spec.batch_size, data.d_in) == (94, 0.9, 32, 784)
    assert next(network.parameters()).dtype == torch.float32
    torch.set_num_threads(threads)


def row(**values: Any) -> Any:
    usual = {"status": "ok", "fitted": True, "labels": "true", "augmentation": "none", "seed": 1, "pair_labels": None}
    return SimpleNamespace(**usual | values)


def test_the_headline_counts_pairs_above_the_diagonal_and_correlates_norm_and_gap() -> None:
    headline = Headline()
    assert headline.numbers() == {}
    for pair, true, random in (("a", 1.0, 2.0), ("b", 2.0, 1.5), ("c", 3.0, 9.0)):
        headline.add(row(pair_labels=pair, jacobian_norm=true, gap=0.1 * true))
        headline.add(row(pair_labels=pair, jacobian_norm=random, gap=0.9, labels="random"))
    headline.add(row(pair_labels="d", jacobian_norm=4.0, gap=0.0))  # its twin is still to come
    headline.add(row(jacobian_norm=9.0, gap=0.0, fitted=False))
    headline.add(row(jacobian_norm=None, gap=None, status="failed"))
    assert headline.numbers() == {"pairs_above_diagonal": 2 / 3, "spearman_jacobian_gap": pytest.approx(-0.2)}


def test_spearman_is_pearson_of_mid_ranks() -> None:
    assert spearman([(1.0, 1.0), (2.0, 2.0)]) is None
    assert spearman([(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]) is None
    assert spearman([(1.0, 10.0), (2.0, 10.0), (3.0, 50.0), (4.0, 50.0)]) == pytest.approx(2 / 5**0.5)
