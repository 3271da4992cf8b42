"""What the mirror shows of a unit follows from its row: text is a tag or a parameter, numbers are metrics."""

import math

from distnlc.plugins import Curves
from distnlc.studies.nlc.view import curves
from distnlc.tracking import view_of
from tests.helpers.synthetic import architecture_row, failed_row


def test_an_architecture_is_shown_with_what_was_drawn_and_measured() -> None:
    row = architecture_row(3, init_nlc=1.23456789, init_lipschitz=math.inf, diameter_seconds=0.5, best_at_edge=False)
    view = view_of(
        {"architectures": [row], "runs": [], "epochs": []}, Curves({"a/b": [(0, 1.0), (1, math.nan), (2, None)]}, "x")
    )
    assert view.name == "waveform 3"
    assert (view.params["activation"], view.params["depth"], view.params["debiased"]) == (
        row.activation,
        row.depth,
        False,
    )
    assert view.metrics["init_nlc"] == 1.2346
    assert not {"init_lipschitz", "diameter_seconds", "activation", "index"} & view.metrics.keys()
    assert view.metrics.keys() >= {"test_error", "seconds", "trained_nlc"}
    assert (view.tags["part"], view.tags["status"], view.tags["unit_id"]) == ("waveform", "ok", row.unit_id)
    assert "reason" not in view.tags
    assert view.table[:2] == ["test_error", "init_nlc"]
    assert (view.curves, view.note) == ({"a/b": [(0, 1.0)]}, "x")
    assert len(view.metrics) <= 40


def test_a_failed_architecture_is_shown_with_its_reason() -> None:
    row = failed_row(1)
    records = {"architectures": [row], "runs": [], "epochs": []}
    view = view_of(records, curves(records))
    assert view.tags["reason"] == row.reason
    assert set(view.metrics) == {"seconds"}
