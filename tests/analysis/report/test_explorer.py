"""The explorer holds every architecture with its sweep and its chosen run's epochs, and stays small."""

import json
import math

import pandas as pd
import pytest

from distnlc import analysis
from distnlc.analysis.nlc.report import POINTS
from distnlc.analysis.report import explorer
from distnlc.analysis.tables import Tables, load
from distnlc.records import SKIPPED
from tests.helpers.synthetic import architecture_row, failed_row, paper_rows, tables_of


@pytest.fixture(scope="module")
def example() -> Tables:
    return load(analysis.EXAMPLE)


def rounded(value: float) -> float | None:
    """Counts are kept as they are."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.4g}") if math.isfinite(value) else None


def test_every_architecture_has_its_values_sweep_and_curves(example: Tables) -> None:
    found = explorer.explorer(example, POINTS)
    assert found is not None
    columns, details = found.data["columns"], found.data["details"]
    rows = {
        (place, row.index): row for place, part in enumerate(POINTS.parts(example)) for row in part.rows.itertuples()
    }
    assert len(details) == len(columns["index"]) == len(rows)
    for key, row in list(rows.items())[::20]:
        place = [*zip(found.data["part"], columns["index"], strict=True)].index(key)
        for name in found.data["axes"]:
            assert columns[name][place] == rounded(getattr(row, name))
        runs = example.runs[example.runs.unit_id == row.unit_id]
        epochs = example.epochs[(example.epochs.unit_id == row.unit_id) & (example.epochs.run == row.best_run)]
        error = "train_error" if row.criterion == "training-error" else "val_error"
        detail = details[place]
        assert detail["status"] == runs.status.to_list()
        assert detail["across"] == [rounded(rate) for rate in runs.start_rate]
        assert detail["judged"] == [rounded(value) for value in runs[error]]
        assert detail["above"] == [rounded(loss) for loss in epochs.train_loss]
        assert detail["middle"] == [rounded(value) for value in epochs[error]]
        # the rates are kept where they change; the page draws them as steps
        since = dict(zip(detail["below"]["over"], detail["below"]["value"], strict=True))
        for epoch, rate in zip(epochs.epoch, epochs.rate, strict=True):
            assert since[max(begin for begin in since if begin <= epoch)] == rounded(rate)


def test_metrics_of_groups_and_of_one_s_own_are_axes_beside_the_columns() -> None:
    rows = [architecture_row(index) for index in range(3)]
    tables = tables_of(rows)
    common = {"stage": "initial", "name": "mine", "label": "my metric", "log": True, "reason": None, "seconds": 1.0}
    tables.frames["measurements"] = pd.DataFrame(
        [{"unit_id": row.unit_id, "value": 1.5 + place, **common} for place, row in enumerate(rows[:2])]
    )
    found = explorer.explorer(tables, POINTS)
    assert found is not None
    assert found.axes["initial"]["mine"] == "my metric"
    assert found.data["axes"]["mine"] == {"label": "my metric", "log": True}
    assert found.data["columns"]["mine"] == [1.5, 2.5, None]


def test_it_is_plain_data_that_offers_what_there_is() -> None:
    rows = [
        *paper_rows(4),
        failed_row(9, part="cifar10-sgd", dataset="cifar10", d_out=10),
        architecture_row(0, part="again", initialization=1),
        architecture_row(1, part="again", status=SKIPPED, runs=None, best_run=None, init_nlc=float("inf")),
    ]
    found = explorer.explorer(tables_of(rows), POINTS)
    assert found is not None
    json.dumps(found.data, allow_nan=False)
    columns = found.data["columns"]
    assert {len(values) for values in columns.values()} == {len([row for row in rows if row.status != "failed"]) - 1}
    assert len(found.data["parts"]) == 6
    assert found.pairs[0] == ("Figure 2", "init_nlc", "test_error")
    assert "activation_nlc" not in found.data["axes"]  # nobody measured it
    assert [name for name, _, _ in found.filters] == ["normalization", "activation", "skip connections"]
    assert found.remarks == []
    untrained = columns["init_nlc"].index(None)
    assert found.data["details"][untrained]["key"] == []


def test_a_large_study_is_cut_evenly_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explorer, "MOST_POINTS", 20)
    monkeypatch.setattr(explorer, "MOST_BYTES", 3_000)
    rows = paper_rows(10)
    found = explorer.explorer(tables_of(rows), POINTS)
    assert found is not None
    parts, details = found.data["part"], found.data["details"]
    assert {parts.count(part) for part in range(5)} <= {3, 4, 5}  # some failed
    assert 0 < len(details) < 20
    assert len(json.dumps(details, separators=(",", ":"))) <= 3_000 + len(details) + 1  # commas and brackets
    assert len(found.remarks) == 2
    assert f"first 20 of {sum(row.status != 'failed' for row in rows)} architectures" in found.remarks[0]
    assert f"first {len(details)} architectures" in found.remarks[1]
