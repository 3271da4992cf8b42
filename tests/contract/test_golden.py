"""Nothing is lost: ids, unit ids and columns of every preset, and one study's rows, are those of the first version."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest

from distnlc.cli.contract import Trial
from distnlc.plugins import kind_of, loaded
from distnlc.records import READ_BY_NAME, columns_of
from distnlc.spec import spec_id
from distnlc.store import read_tables
from distnlc.studies import from_fields, resolve

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "assets" / "golden.json").read_text())
PRESETS = [
    pytest.param(name, marks=[pytest.mark.slow] if preset["units"] > 50_000 else [])
    for name, preset in GOLDEN["presets"].items()
]
"""the largest takes seconds to list"""


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_the_ids_that_it_always_had(name: str) -> None:
    golden = GOLDEN["presets"][name]
    spec = resolve(name)
    ids = [unit.unit_id for unit in loaded(kind_of(spec.kind).units)(spec)]
    assert spec_id(spec) == golden["spec_id"]
    assert (len(ids), ids[:3]) == (golden["units"], golden["first"])
    assert hashlib.sha256("".join(ids).encode()).hexdigest()[:16] == golden["all"]


@pytest.mark.parametrize("name", GOLDEN["columns"])
def test_columns_keep_their_order_and_are_only_appended(name: str) -> None:
    tables = kind_of(name).tables
    assert list(tables)[: len(GOLDEN["columns"][name])] == list(GOLDEN["columns"][name])
    for table, golden in GOLDEN["columns"][name].items():
        assert list(columns_of(tables[table]).items())[: len(golden)] == list(golden.items())


def test_a_small_study_gives_the_rows_that_it_always_gave(tmp_path: Path) -> None:
    """But for rounding, which differs between processors."""
    golden = GOLDEN["small_study"]
    found = read_tables(Trial(from_fields(golden["spec"], where="golden"), tmp_path).serial)
    rows = {table: rows.to_pylist() for table, rows in found.items() if table not in READ_BY_NAME}
    assert [found[table].num_rows for table in READ_BY_NAME] == [0, 0]
    rows["epochs"] = rows["epochs"][::5]
    assert {table: len(rows) for table, rows in rows.items()} == {
        table: len(rows) for table, rows in golden["rows"].items()
    }
    for table, expected in golden["rows"].items():
        for row, golden_row in zip(rows[table], expected, strict=True):
            for name, value in golden_row.items():
                expected_value = pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
                assert plain(row[name]) == expected_value, (table, name)


def plain(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
