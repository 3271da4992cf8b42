"""A column is declared once; a first table has the columns of a unit's row."""

from dataclasses import dataclass

import pytest

from distnlc.plugins import kind_of, kinds
from distnlc.records import PART, UNIT_ID, Quantity, check_unit_row, column, columns_of, leading, quantities, unit_row

DEPTH, ERROR = Quantity("depth", unit="count", group="drawn"), Quantity("test error", unit="fraction", group="sweep")


@dataclass(frozen=True, kw_only=True)
class Row:
    unit_id: str = column(UNIT_ID, required=True)
    depth: int = column(DEPTH, required=True, lead=2)
    part: str = column(PART, default="main")
    test_error: float | None = column(ERROR, lead=1)
    bare: bool = True


def test_a_column_says_what_it_is_and_whether_it_must_be_given() -> None:
    assert quantities(Row) == {"unit_id": UNIT_ID, "depth": DEPTH, "part": PART, "test_error": ERROR}
    assert leading(Row) == ["test_error", "depth"]
    assert columns_of(Row) == {"unit_id": "str", "depth": "int", "part": "str", "test_error": "float?", "bare": "bool"}
    row = Row(unit_id="u", depth=3)
    assert (row.part, row.test_error) == ("main", None)
    assert unit_row({"rows": [row], "more": []}) is row
    with pytest.raises(TypeError, match="depth"):
        Row(unit_id="u")


def test_a_first_table_without_a_units_columns_is_refused() -> None:
    with pytest.raises(TypeError, match="Row: a first table has a column index of type int, found no such column"):
        check_unit_row(Row)


def test_no_two_columns_of_a_table_have_the_same_label() -> None:
    for row_type in (row_type for kind in kinds() for row_type in kind_of(kind).tables.values()):
        labels = [quantity.label for quantity in quantities(row_type).values()]
        assert len(set(labels)) == len(labels), row_type
