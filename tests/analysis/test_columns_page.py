"""analysis/README.md explains every column and nothing else, its examples run, and what it says of exports is true."""

import re
from contextlib import redirect_stdout
from dataclasses import fields
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from distnlc.store import export
from distnlc.studies.nlc.records import ArchitectureRow, EpochRow, RunRow
from tests.helpers.synthetic import realistic_rows, write_study

PAGE = (Path(__file__).parents[2] / "analysis" / "README.md").read_text()
UNITS = {
    str: {"text"},
    bool: {"yes/no"},
    int: {"count", "number"},
    float: {"number", "fraction", "factor", "rate", "s", "loss", "output", "loss / input", "output / input"},
}


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize(
    ("table", "row_type"), [("architectures", ArchitectureRow), ("runs", RunRow), ("epochs", EpochRow)]
)
def test_every_column_has_its_line_with_a_unit_and_a_meaning(table: str, row_type: type) -> None:
    section = PAGE.split(f"## `{table}`")[1].split("\n## ")[0]
    lines = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]{6,}) \|$", section, flags=re.MULTILINE)
    assert [name for name, _, _ in lines] == [field.name for field in fields(row_type)]
    assert len(lines) == section.count("\n| ") - 1  # without the heading
    for (name, unit, _), field in zip(lines, fields(row_type), strict=True):
        kinds = [kind for kind in UNITS if kind in getattr(field.type, "__args__", (field.type,))]
        assert unit in UNITS[kinds[0]], name


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
    assert [link for link in links if not (Path(__file__).parents[2] / "analysis" / link).exists()] == []
