"""A unit that is given up gets a row whatever its kind knows of it."""

import math
from dataclasses import dataclass, replace
from typing import Any

import pytest

from distnlc.engine.failures import failed_records
from distnlc.records import FAILED
from distnlc.spec import Unit
from tests.helpers.toys import KIND, SPEC, ToyRow, units


def test_a_failed_unit_is_recorded_even_where_its_kind_knows_nothing_of_it(caplog: pytest.LogCaptureFixture) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Row(ToyRow):
        name: str
        depth: int
        rate: float
        even: bool

    def known(spec: object, unit: Unit, data: object) -> dict[str, Any]:  # noqa: ARG001
        if unit.index == 1:
            raise FileNotFoundError("the data are gone")
        return {"name": "known", "depth": 3, "rate": 0.5, "even": True, "no_column": 1}

    kind = replace(KIND, tables={"toys": Row, "more": Row}, known=known)
    (row,) = failed_records(kind, SPEC, {}, units([1])[0], "why", 2.0, 3)["toys"]
    assert (row.unit_id, row.status, row.reason, row.seconds, row.attempts) == ("u0", FAILED, "why", 2.0, 3)
    assert (row.name, row.depth, row.rate, row.even, row.value) == ("known", 3, 0.5, True, None)
    records = failed_records(kind, SPEC, {}, units([1, 1])[1], "why", 2.0, 3)
    (row,) = records["toys"]
    assert (row.unit_id, row.status, row.name, row.depth, row.even) == ("u1", FAILED, "", 0, False)
    assert math.isnan(row.rate)
    assert records["more"] == []
    assert "unit u1: what is known of it cannot be told: FileNotFoundError: the data are gone" in caplog.messages
