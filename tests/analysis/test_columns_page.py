"""analysis/README.md explains every column and nothing else, its examples run, and what it says of exports is true."""

import re
import runpy
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from distnlc.plugins import kind_of, kinds
from distnlc.records import columns_of, quantities
from distnlc.store import export
from tests.helpers.synthetic import realistic_rows, write_study

FOLDER = Path(__file__).parents[2] / "analysis"
PAGE = (FOLDER / "README.md").read_text()


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_its_tables_are_the_declared_columns() -> None:
    printing = runpy.run_path(str(FOLDER / "columns.py"))
    assert printing["page"]("nlc") in PAGE
    assert printing["groups"]() in PAGE
    assert re.findall(r"^## `(\w+)`", PAGE, flags=re.MULTILINE) == list(kind_of("nlc").tables)


@pytest.mark.parametrize("kind", kinds())
def test_every_column_of_every_kind_has_a_unit_that_its_type_can_have_and_a_meaning(kind: str) -> None:
    for table, row_type in kind_of(kind).tables.items():
        declared, types = quantities(row_type), columns_of(row_type)
        assert list(declared) == list(types), f"{table}: a column without a quantity"
        for name, quantity in declared.items():
            held = types[name].rstrip("?")
            assert (quantity.unit == "text") == (held == "str"), name
            assert (quantity.unit == "yes/no") == (held == "bool"), name
            assert quantity.unit != "count" or held == "int", name
            assert len(quantity.about or quantity.label) > 5, name


def test_the_two_questions_are_answered_from_the_example_study() -> None:
    load, flattest, enough, _ = blocks()
    said, names = StringIO(), dict[str, object]()
    with redirect_stdout(said):
        for block in (load, flattest, enough):
            exec(compile(block, "analysis/README.md", "exec"), names)
    slopes = re.findall(r"^(\w+): ([+-][\d.]+) \(([+-][\d.]+) to ([+-][\d.]+)\) for \d+ arch", said.getvalue(), re.M)
    assert {name for name, *_ in slopes} == {"batch", "layer", "none"}
    assert all(float(low) <= float(slope) <= float(high) for _, slope, low, high in slopes)
    rates = re.findall(r"about (\d+) rates: mean test error (0\.\d+)", said.getvalue())
    assert len(rates) == 4
    trained = names["trained"]
    assert isinstance(trained, pd.DataFrame)
    assert float(rates[0][1]) == pytest.approx(trained["test_error"].mean(), abs=1e-4)  # all rates: as the study chose


def test_exports_read_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [*realistic_rows(12, failures=0.3), *realistic_rows(1, init_nlc=float("inf"), failures=0, part="other")]
    folder = write_study(tmp_path / "my-study", rows)
    for form in ("parquet", "csv"):
        export(folder, folder / "export", form)
    names = dict[str, pd.DataFrame]()
    exec(compile(blocks()[-1], "analysis/README.md", "exec"), names)
    exact, read = (names[each].dropna(axis=1, how="all") for each in ("architectures", "the_same"))
    pd.testing.assert_frame_equal(read, exact, check_exact=True, check_dtype=False)
    assert names["architectures"]["init_nlc"].isna().any()
    assert (names["architectures"]["init_nlc"] == float("inf")).any()


def test_every_linked_file_exists() -> None:
    links = re.findall(r"\]\(([^)]+)\)", PAGE)
    assert links
    assert [link for link in links if not (FOLDER / link).exists()] == []
