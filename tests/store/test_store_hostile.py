"""A study folder from somebody else: it can be wrong in any way, but it runs no code and nothing leaves the folder.

What links in it can do is tried by the commands, in tests/safety.
"""

import json
import random
import shutil
import zlib
from pathlib import Path
from typing import Any

import pytest

from distnlc.store import Store, StoreError, export, place_of, read_records, read_statuses, read_tables
from distnlc.store import arrow as tables
from distnlc.store.arrow import arrow_schema, to_arrow, to_parquet
from distnlc.store.manifest import line_of, stored_file
from tests.helpers import store_samples
from tests.helpers.store_samples import FIRST, SPEC, STATES, TABLES, UnitRow, contents, entry

SEED = 20261122
FUZZED = 300
EVIL = [
    None, True, -1, 0, 1.5, 2**63, 10**40, "", "..", "../x", "/etc", "a/b", "\x00", "\ud800", "x" * 99, [], {}, [[]],
    {"..": 1}, {"a": {"unit_id": "str"}}, {"rows": 1, "bytes": 1, "crc": 1},
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store_samples.begin(tmp_path / "outer" / "study")
    return tmp_path / "outer" / "study"


def lines_of(folder: Path) -> list[Any]:
    return [json.loads(line.partition(b" ")[2]) for line in (folder / "manifest").read_bytes().splitlines()]


def write_lines(folder: Path, lines: list[Any]) -> None:
    (folder / "manifest").write_bytes(b"".join(map(line_of, lines)))


def mutate(value: Any, chance: random.Random) -> Any:
    """The same with one node or key changed, dropped or doubled, somewhere."""
    if isinstance(value, dict | list) and value and chance.random() < 0.8:
        key = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
        if isinstance(value, dict) and chance.random() < 0.25:
            rest = {k: v for k, v in value.items() if k != key}
            return rest | ({str(chance.choice(EVIL)): value[key]} if chance.random() < 0.7 else {})
        if isinstance(value, list):
            return [mutate(v, chance) if i == key else v for i, v in enumerate(value)] + (
                [value[key]] if chance.random() < 0.1 else []
            )
        return {k: mutate(v, chance) if k == key else v for k, v in value.items()}
    return chance.choice(EVIL)


def use(folder: Path) -> None:
    """Everything that is done with a folder."""
    read_statuses(folder)
    for table in read_tables(folder).values():
        table.to_pylist()
    list(read_records(folder, TABLES, {"a", "b"}))
    export(folder, folder / "export", "csv")
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        store.commit(FIRST)
        store.compact()


@pytest.mark.slow
def test_a_malformed_manifest_is_a_clear_refusal_and_nothing_leaves_the_folder(folder: Path) -> None:
    chance = random.Random(SEED)
    good, study, refused = lines_of(folder), (folder / "study.yaml").read_bytes(), 0
    for number in range(FUZZED):
        here = folder.parent / str(number)
        shutil.copytree(folder, here)
        line = chance.randrange(len(good))
        write_lines(here, [*good[:line], mutate(good[line], chance), *good[line + 1 :]])
        try:
            use(here)
        except StoreError as error:
            refused += 1
            assert str(here) in str(error) or "expected" in str(error)  # noqa: PT017
        assert (here / "study.yaml").read_bytes() == study
    assert {path.name for path in folder.parent.iterdir()} == {"study", *map(str, range(FUZZED))}
    assert refused > FUZZED / 2


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((0, "schema_version"), "1"),
        ((0, "tables"), {"../../evil": {"unit_id": "str"}}),
        ((0, "tables"), {"units": {"unit_id": "str", "x": "__import__"}}),
        ((1, "number"), "../../evil"),
        ((1, "number"), -5),
        ((1, "number"), True),
        ((1, "number"), 2**64),
        ((1, "number"), 2),
        ((1, "files"), {"../evil": {"rows": 1, "bytes": 1, "crc": 1}}),
        ((1, "files", "units", "rows"), -1),
        ((1, "units"), {"a": {}}),
        ((1, "units"), {"\ud800": "ok"}),
    ],
)
def test_every_value_of_a_manifest_is_checked(folder: Path, place: tuple[Any, ...], value: Any) -> None:
    lines = lines_of(folder)
    node: Any = lines
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    write_lines(folder, lines)
    for task in (lambda: read_statuses(folder), lambda: Store.create_or_open(folder, SPEC, TABLES)):
        with pytest.raises(StoreError, match=r"manifest: line \d is not what distnlc writes: .*Nothing was changed"):
            task()
    assert lines_of(folder) == lines


def test_deeply_nested_and_endless_numbers_are_refused(folder: Path) -> None:
    header = (folder / "manifest").read_bytes().splitlines(keepends=True)[0]
    for text in (b"[" * 100_000, b"1" * 100_000, b'{"number":' + b"9" * 100_000 + b"}", b"\xff", b"NaN", b"{}"):
        (folder / "manifest").write_bytes(header + b"%08x %s\n" % (zlib.crc32(text), text))
        with pytest.raises(StoreError, match="line 2 is not what distnlc writes"):
            read_statuses(folder)


def replace_file(folder: Path, data: bytes, rows: int) -> None:
    """The first chunk's file of the first table, and what the manifest says of it."""
    lines = lines_of(folder)
    stored = stored_file(rows, data)
    lines[1]["files"]["units"] = {"rows": stored.rows, "bytes": stored.bytes, "crc": stored.crc}
    write_lines(folder, lines)
    (folder / "units" / "00000001.parquet").write_bytes(data)


def test_a_file_that_is_no_table_of_the_study_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unit, schema = entry("a")[2]["units"], arrow_schema(UnitRow)
    good = to_arrow(unit, schema, "units")
    for data, rows, message in (
        (b"PAR1 and no more", 1, "cannot be read as Parquet"),
        (to_parquet(good.drop_columns(["value"])), 1, "its rows or columns are not those"),
        (to_parquet(good), 1000, "its rows or columns are not those"),
    ):
        replace_file(folder, data, rows)
        with pytest.raises(StoreError, match=message):
            read_tables(folder)
        with Store.create_or_open(folder, SPEC, TABLES) as store, pytest.raises(StoreError, match=message):
            store.compact()
    other = to_arrow(entry("z")[2]["units"], schema, "units")  # rows of a unit that the manifest does not know
    replace_file(folder, to_parquet(other), 1)
    with (
        Store.create_or_open(folder, SPEC, TABLES) as store,
        pytest.raises(StoreError, match="not of the units that the manifest tells of"),
    ):
        store.compact()
    monkeypatch.setattr(tables, "MOST_BYTES", 100)
    with pytest.raises(StoreError, match="when unpacked"):
        read_tables(folder)


def test_records_of_another_kind_are_refused(folder: Path) -> None:
    with pytest.raises(StoreError, match="no table 'runs'; tables: units, steps"):
        list(read_records(folder, {"runs": UnitRow}, {"a"}))
    with pytest.raises(StoreError, match="other columns"):
        list(read_records(folder, {"steps": UnitRow}, {"a"}))


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/../../x", "", ".", "a\0b", "a\\b"])
def test_names_that_lead_out_of_a_place_are_refused(folder: Path, name: str) -> None:
    place = place_of(folder)
    for task in (lambda: place.read(name), lambda: place.write(name, b""), lambda: place.remove([name])):
        with pytest.raises(StoreError, match="expected a relative name"):
            task()


def test_a_place_keeps_any_file_whole(folder: Path) -> None:
    place = place_of(str(folder))
    place.write("report/figures/a.svg", b"1")
    place.write("report/figures/a.svg", b"2")
    assert place.read("report/figures/a.svg") == b"2"
    assert place.names("report") == {"report/figures": None}
    assert place.names("report/figures") == {"report/figures/a.svg": 1}
    place.remove(["report/figures/a.svg", "report/none"])
    assert place.names("report/figures") == place.names("nothing") == {}
    with pytest.raises(FileNotFoundError):
        place.read("report/figures/a.svg")
    assert contents(folder) == STATES[0]
